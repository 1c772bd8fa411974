"""Some of it is right, some not begun; the gradient goes to every tie, and a cell of its own goes wrong."""

# %% max_pool_forward
def max_pool_forward(x, size, stride):
    n, c, h, w = x.shape
    oh, ow = (h - size) // stride + 1, (w - size) // stride + 1
    out = np.zeros((n, c, oh, ow), x.dtype)
    for i in range(oh):
        for j in range(ow):
            for u in range(size):
                for v in range(size):
                    out[:, :, i, j] = np.maximum(out[:, :, i, j], x[:, :, i * stride + u, j * stride + v])
    return out


# %% max_pool_backward
def max_pool_backward(dout, x, size, stride):
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            rows, columns = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
            window = x[:, :, rows, columns]
            mask = window == window.max(axis=(2, 3), keepdims=True)
            dx[:, :, rows, columns] += mask * dout[:, :, i : i + 1, j : j + 1]
    return dx


# %% after max_pool_backward
# Does it add up?
dout = np.ones((2, 3, 4, 4))
max_pool_backward(dout, np.zeros((2, 3, 8, 8)), 2).sum() == dout.sum()

# %% leaky_relu
def leaky_relu(z, slope=0.01):
    return np.where(z > 0, z, slope * z)


# %% prelu
def prelu(z, a):
    return np.where(z > 0, z, a * z)


# %% prelu_backward
def prelu_backward(dout, z, a):
    raise NotImplementedError("not written yet")


# %% without swish_backward

# %% maxout
def maxout(z, pieces):
    return z.max(axis=1, keepdims=True)


# %% softmax_loss
def softmax_loss(scores, y):
    p = softmax(scores)
    loss = -np.log10(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    return loss, p / len(y)


# %% svm_loss
def svm_loss(scores, y, margin=1.0):
    rows = np.arange(len(y))
    violations = np.maximum(0, scores - scores[rows, y].reshape(-1, 1) + margin)
    dscores = (violations > 0).astype(scores.dtype)
    dscores[rows, y] = -1
    violations[rows, y] = 0
    return violations.sum() / len(y), dscores / len(y)


# %% bce_with_logits
def bce_with_logits(scores, targets):
    raise NotImplementedError("not written yet")
