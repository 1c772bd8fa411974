"""Counts the steps between windows in place of the windows; the rest uses a formula of its own."""

# %% conv_output_size
def conv_output_size(n, k, stride=1, pad=0, dilation=1):
    if n < 1 or k < 1 or stride < 1 or pad < 0 or dilation < 1:
        raise ValueError("an argument is out of its range")
    room = n + 2 * pad - (dilation * (k - 1) + 1)
    if room < 0:
        raise ValueError("the filter does not fit")
    return room // stride


# %% conv_forward_naive
def conv_forward_naive(x, w, b, stride=1, pad=0, dilation=1):
    n, _, height, width = x.shape
    f, _, kh, kw = w.shape
    oh = conv_output_size(height, kh, stride, pad, dilation) + 1
    ow = conv_output_size(width, kw, stride, pad, dilation) + 1
    padded = zero_pad(x, pad)
    out = np.zeros((n, f, oh, ow), x.dtype)
    for i in range(oh):
        for j in range(ow):
            rows = i * stride + dilation * np.arange(kh)
            cols = j * stride + dilation * np.arange(kw)
            window = padded[:, :, rows][..., cols]
            out[:, :, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out


# %% im2col
def im2col(x, kh, kw, stride=1, pad=0):
    n, c, height, width = x.shape
    oh = conv_output_size(height, kh, stride, pad) + 1
    ow = conv_output_size(width, kw, stride, pad) + 1
    windows = np.lib.stride_tricks.sliding_window_view(zero_pad(x, pad), (kh, kw), axis=(2, 3))
    return windows[:, :, ::stride, ::stride].transpose(1, 4, 5, 0, 2, 3).reshape(c * kh * kw, n * oh * ow)


# %% conv_forward
def conv_forward(x, w, b, stride=1, pad=0):
    n, _, height, width = x.shape
    f, _, kh, kw = w.shape
    oh = conv_output_size(height, kh, stride, pad) + 1
    ow = conv_output_size(width, kw, stride, pad) + 1
    product = w.reshape(f, -1) @ im2col(x, kh, kw, stride, pad) + b[:, None]
    return product.reshape(f, n, oh, ow).swapaxes(0, 1)
