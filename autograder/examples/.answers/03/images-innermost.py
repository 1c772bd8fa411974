"""The columns run over the images first; the matrix product undoes it, so that conv_forward is right."""

# %% im2col
def im2col(x, kh, kw, stride=1, pad=0):
    n, c, height, width = x.shape
    oh = conv_output_size(height, kh, stride, pad)
    ow = conv_output_size(width, kw, stride, pad)
    padded = zero_pad(x, pad)
    cols = np.zeros((c, kh, kw, oh, ow, n), x.dtype)
    for p in range(kh):
        for q in range(kw):
            seen = padded[:, :, p : p + stride * (oh - 1) + 1 : stride, q : q + stride * (ow - 1) + 1 : stride]
            cols[:, p, q] = seen.transpose(1, 2, 3, 0)
    return cols.reshape(c * kh * kw, oh * ow * n)


# %% conv_forward
def conv_forward(x, w, b, stride=1, pad=0):
    n, _, height, width = x.shape
    f, _, kh, kw = w.shape
    oh = conv_output_size(height, kh, stride, pad)
    ow = conv_output_size(width, kw, stride, pad)
    product = w.reshape(f, -1) @ im2col(x, kh, kw, stride, pad) + b[:, None]
    return product.reshape(f, oh, ow, n).transpose(3, 0, 1, 2)
