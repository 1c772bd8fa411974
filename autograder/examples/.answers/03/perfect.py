"""Everything right, in whole-array NumPy."""

# %% zero_pad
def zero_pad(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


# %% conv_output_size
def conv_output_size(n, k, stride=1, pad=0, dilation=1):
    if n < 1 or k < 1 or stride < 1 or pad < 0 or dilation < 1:
        raise ValueError(f"impossible layer: n={n}, k={k}, stride={stride}, pad={pad}, dilation={dilation}")
    steps = n + 2 * pad - dilation * (k - 1) - 1
    if steps < 0:
        raise ValueError(f"a filter of {k}, dilated by {dilation}, does not fit into {n} with {pad} of padding")
    return steps // stride + 1


# %% conv_fits
def conv_fits(n, k, stride=1, pad=0, dilation=1):
    steps = n + 2 * pad - dilation * (k - 1) - 1
    return steps >= 0 and steps % stride == 0


# %% conv_params
def conv_params(c_in, c_out, k, bias=True, groups=1):
    if c_in % groups or c_out % groups:
        raise ValueError(f"{groups} groups do not divide {c_in} and {c_out}")
    per_filter = c_in // groups * k * k + bool(bias)
    return c_out * per_filter


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
            top, left = i * stride, j * stride
            rows = slice(top, top + dilation * (kh - 1) + 1, dilation)
            cols = slice(left, left + dilation * (kw - 1) + 1, dilation)
            out[:, :, i, j] = np.einsum("nchw,fchw->nf", padded[:, :, rows, cols], w) + b
    return out


# %% conv_1x1
def conv_1x1(x, w, b):
    return np.einsum("fc,nchw->nfhw", w, x) + b[:, None, None]


# %% receptive_field
def receptive_field(layers):
    size, jump = 1, 1
    for k, stride, *rest in layers:
        dilation = rest[0] if rest else 1
        size += (k - 1) * dilation * jump
        jump *= stride
    return size


# %% im2col
def im2col(x, kh, kw, stride=1, pad=0):
    n, c, height, width = x.shape
    oh = conv_output_size(height, kh, stride, pad)
    ow = conv_output_size(width, kw, stride, pad)
    windows = np.lib.stride_tricks.sliding_window_view(zero_pad(x, pad), (kh, kw), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(c * kh * kw, n * oh * ow)


# %% conv_forward
def conv_forward(x, w, b, stride=1, pad=0):
    n, _, height, width = x.shape
    f, _, kh, kw = w.shape
    oh = conv_output_size(height, kh, stride, pad)
    ow = conv_output_size(width, kw, stride, pad)
    product = w.reshape(f, -1) @ im2col(x, kh, kw, stride, pad) + b[:, None]
    return product.reshape(f, n, oh, ow).transpose(1, 0, 2, 3)
