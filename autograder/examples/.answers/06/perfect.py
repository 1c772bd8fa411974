"""Everything right, in whole-array NumPy."""

# %% max_pool_forward
def max_pool_forward(x, size, stride):
    if size > x.shape[2] or size > x.shape[3]:
        raise ValueError(f"a window of {size} is larger than the map, {x.shape[2:]}")
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return windows[:, :, ::stride, ::stride].max(axis=(-2, -1))


# %% avg_pool_forward
def avg_pool_forward(x, size, stride):
    if size > x.shape[2] or size > x.shape[3]:
        raise ValueError(f"a window of {size} is larger than the map, {x.shape[2:]}")
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return windows[:, :, ::stride, ::stride].mean(axis=(-2, -1))


# %% avg_pool_backward
def avg_pool_backward(dout, x_shape, size, stride):
    dx = np.zeros(x_shape, dout.dtype)
    rows, columns = dout.shape[2:]
    for i in range(size):
        for j in range(size):
            last_row, last_column = i + stride * (rows - 1) + 1, j + stride * (columns - 1) + 1
            dx[:, :, i:last_row:stride, j:last_column:stride] += dout / size**2
    return dx


# %% max_pool_backward
def max_pool_backward(dout, x, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    first = windows.reshape(*dout.shape, size * size).argmax(axis=-1)
    n, c, i, j = np.indices(dout.shape)
    dx = np.zeros_like(x)
    np.add.at(dx, (n, c, i * stride + first // size, j * stride + first % size), dout)
    return dx


# %% leaky_relu
def leaky_relu(z, slope=0.1):
    return np.maximum(z, 0) + slope * np.minimum(z, 0)


# %% leaky_relu_backward
def leaky_relu_backward(dout, z, slope=0.1):
    dz = dout.copy()
    dz[z <= 0] *= slope
    return dz


# %% prelu
def prelu(z, a):
    a = np.reshape(a, [-1] + [1] * (z.ndim - 2)).astype(z.dtype)
    return np.maximum(z, 0) + a * np.minimum(z, 0)


# %% prelu_backward
def prelu_backward(dout, z, a):
    slopes = np.reshape(a, [-1] + [1] * (z.ndim - 2)).astype(z.dtype)
    dz = dout * ((z > 0) + slopes * (z <= 0))
    below = dout * np.minimum(z, 0)
    axes = tuple(axis for axis in range(z.ndim) if axis != 1 or np.ndim(a) == 0)
    return dz, below.sum(axis=axes)


# %% elu
def elu(z, alpha=1.0):
    return np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0))


# %% elu_backward
def elu_backward(dout, z, alpha=1.0):
    slope = alpha * np.exp(np.minimum(z, 0))
    slope[z > 0] = 1
    return dout * slope


# %% swish
def swish(z):
    with np.errstate(over="ignore"):
        return z / (1 + np.exp(-z))


# %% swish_backward
def swish_backward(dout, z):
    with np.errstate(over="ignore"):
        gate = 1 / (1 + np.exp(-z))
    return dout * (gate + z * gate * (1 - gate))


# %% maxout
def maxout(z, pieces):
    return np.maximum.reduceat(z, np.arange(0, z.shape[1], pieces), axis=1)


# %% maxout_backward
def maxout_backward(dout, z, pieces):
    won = z == np.repeat(np.maximum.reduceat(z, np.arange(0, z.shape[1], pieces), axis=1), pieces, axis=1)
    return won * np.repeat(dout, pieces, axis=1)


# %% softmax
def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# %% softmax_loss
def softmax_loss(scores, y):
    rows = np.arange(len(scores))
    low = scores - scores.max(axis=1, keepdims=True)
    total = np.exp(low).sum(axis=1)
    loss = np.mean(np.log(total) - low[rows, y])
    dscores = np.exp(low) / total[:, None]
    dscores[rows, y] -= 1
    return loss, dscores / len(scores)


# %% svm_loss
def svm_loss(scores, y, margin=1.0):
    rows = np.arange(len(scores))
    late = np.maximum(0, scores - scores[rows, y][:, None] + margin)
    late[rows, y] = 0
    dscores = np.sign(late)
    dscores[rows, y] = -dscores.sum(axis=1)
    return late.sum() / len(scores), dscores / len(scores)


# %% bce_with_logits
def bce_with_logits(scores, targets):
    loss = np.logaddexp(0, scores) - targets * scores
    with np.errstate(over="ignore"):
        p = 1 / (1 + np.exp(-scores))
    return loss.mean(), (p - targets) / scores.size
