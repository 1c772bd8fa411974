"""The ring of zeros is missing below and on the right."""

# %% zero_pad
def zero_pad(x, p):
    n, c, height, width = x.shape
    out = np.zeros((n, c, height + p, width + p), x.dtype)
    out[:, :, p:, p:] = x
    return out


# %% conv_forward_naive
def conv_forward_naive(x, w, b, stride=1, pad=0, dilation=1):
    n, _, height, width = x.shape
    f, _, kh, kw = w.shape
    oh = conv_output_size(height, kh, stride, pad, dilation)
    ow = conv_output_size(width, kw, stride, pad, dilation)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((n, f, oh, ow), x.dtype)
    for p in range(kh):
        for q in range(kw):
            rows = slice(p * dilation, p * dilation + stride * (oh - 1) + 1, stride)
            cols = slice(q * dilation, q * dilation + stride * (ow - 1) + 1, stride)
            out += np.einsum("fc,nchw->nfhw", w[:, :, p, q], padded[:, :, rows, cols])
    return out + b[:, None, None]


# %% im2col
def im2col(x, kh, kw, stride=1, pad=0):
    c = x.shape[1]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    conv_output_size(x.shape[2], kh, stride, pad), conv_output_size(x.shape[3], kw, stride, pad)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(c * kh * kw, -1)
