"""The loops turn the kernel round, as a convolution of the textbooks does."""

# %% conv_forward_naive
def conv_forward_naive(x, w, b, stride=1, pad=0, dilation=1):
    n, _, height, width = x.shape
    f, _, kh, kw = w.shape
    oh = conv_output_size(height, kh, stride, pad, dilation)
    ow = conv_output_size(width, kw, stride, pad, dilation)
    padded = zero_pad(x, pad)
    out = np.zeros((n, f, oh, ow), x.dtype)
    for i in range(oh):
        for j in range(ow):
            for p in range(kh):
                for q in range(kw):
                    seen = padded[:, :, i * stride + p * dilation, j * stride + q * dilation]
                    out[:, :, i, j] += seen @ w[:, :, kh - 1 - p, kw - 1 - q].T
            out[:, :, i, j] += b
    return out
