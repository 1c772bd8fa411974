"""Everything right, in loops; where speed counts, over the positions of the kernel."""

# %% zero_pad
def zero_pad(x, p):
    n, c, height, width = x.shape
    out = np.zeros((n, c, height + 2 * p, width + 2 * p), x.dtype)
    for image in range(n):
        for channel in range(c):
            for i in range(height):
                for j in range(width):
                    out[image, channel, i + p, j + p] = x[image, channel, i, j]
    return out


# %% conv_output_size
def conv_output_size(n, k, stride=1, pad=0, dilation=1):
    if n < 1 or k < 1 or stride < 1 or pad < 0 or dilation < 1:
        raise ValueError("an argument is out of its range")
    count, start = 0, 0
    while start + dilation * (k - 1) < n + 2 * pad:
        count += 1
        start += stride
    if count == 0:
        raise ValueError(f"a filter of {k} does not fit into {n}")
    return count


# %% conv_fits
def conv_fits(n, k, stride=1, pad=0, dilation=1):
    last = dilation * (k - 1)
    while last < n + 2 * pad - 1:
        last += stride
    return last == n + 2 * pad - 1


# %% conv_params
def conv_params(c_in, c_out, k, bias=True, groups=1):
    if c_in % groups != 0 or c_out % groups != 0:
        raise ValueError(f"{groups} does not divide {c_in} and {c_out}")
    total = 0
    for _ in range(c_out):
        for _ in range(c_in // groups):
            total += k * k
        if bias:
            total += 1
    return total


# %% conv_forward_naive
def conv_forward_naive(x, w, b, stride=1, pad=0, dilation=1):
    n, c, height, width = x.shape
    f, _, kh, kw = w.shape
    oh = conv_output_size(height, kh, stride, pad, dilation)
    ow = conv_output_size(width, kw, stride, pad, dilation)
    out = np.zeros((n, f, oh, ow), x.dtype)
    for image in range(n):
        for filter_ in range(f):
            for i in range(oh):
                for j in range(ow):
                    total = b[filter_]
                    for channel in range(c):
                        for p in range(kh):
                            for q in range(kw):
                                row = i * stride + p * dilation - pad
                                col = j * stride + q * dilation - pad
                                if 0 <= row < height and 0 <= col < width:
                                    total += x[image, channel, row, col] * w[filter_, channel, p, q]
                    out[image, filter_, i, j] = total
    return out


# %% conv_1x1
def conv_1x1(x, w, b):
    n, c, height, width = x.shape
    out = np.zeros((n, len(w), height, width), x.dtype)
    for f in range(len(w)):
        for channel in range(c):
            out[:, f] += w[f, channel] * x[:, channel]
        out[:, f] += b[f]
    return out


# %% receptive_field
def receptive_field(layers):
    size = 1
    for layer in reversed(layers):
        k, stride = layer[0], layer[1]
        dilation = layer[2] if len(layer) == 3 else 1
        size = (size - 1) * stride + dilation * (k - 1) + 1
    return size


# %% im2col
def im2col(x, kh, kw, stride=1, pad=0):
    n, c, height, width = x.shape
    oh = conv_output_size(height, kh, stride, pad)
    ow = conv_output_size(width, kw, stride, pad)
    padded = np.zeros((n, c, height + 2 * pad, width + 2 * pad), x.dtype)
    padded[:, :, pad : pad + height, pad : pad + width] = x
    cols = np.zeros((c, kh, kw, n, oh, ow), x.dtype)
    for p in range(kh):
        for q in range(kw):
            seen = padded[:, :, p : p + stride * (oh - 1) + 1 : stride, q : q + stride * (ow - 1) + 1 : stride]
            for image in range(n):
                cols[:, p, q, image] = seen[image]
    return cols.reshape(c * kh * kw, n * oh * ow)


# %% conv_forward
def conv_forward(x, w, b, stride=1, pad=0):
    n, _, height, width = x.shape
    f, _, kh, kw = w.shape
    oh = conv_output_size(height, kh, stride, pad)
    ow = conv_output_size(width, kw, stride, pad)
    product = w.reshape(f, -1) @ im2col(x, kh, kw, stride, pad)
    out = np.zeros((n, f, oh, ow), x.dtype)
    for image in range(n):
        for filter_ in range(f):
            block = product[filter_, image * oh * ow : (image + 1) * oh * ow]
            out[image, filter_] = block.reshape(oh, ow) + b[filter_]
    return out
