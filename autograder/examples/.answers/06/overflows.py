"""Every formula as it stands on paper: right until the numbers are large, or equal."""

# %% avg_pool_backward
def avg_pool_backward(dout, x_shape, size, stride):
    dx = np.zeros(x_shape, dout.dtype)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            part = dout[:, :, i, j][:, :, None, None] / size**2
            dx[:, :, i * stride : i * stride + size, j * stride : j * stride + size] = part
    return dx


# %% leaky_relu_backward
def leaky_relu_backward(dout, z, slope=0.1):
    return dout * np.where(z >= 0, 1, slope).astype(z.dtype)


# %% elu
def elu(z, alpha=1.0):
    return (z > 0) * z + (z <= 0) * (alpha * (np.exp(z) - 1))


# %% elu_backward
def elu_backward(dout, z, alpha=1.0):
    return dout * ((z > 0) + (z <= 0) * (alpha * np.exp(z)))


# %% swish
def swish(z):
    return z * np.exp(z) / (1 + np.exp(z))


# %% swish_backward
def swish_backward(dout, z):
    s = np.exp(z) / (1 + np.exp(z))
    return dout * (s + z * s * (1 - s))


# %% softmax
def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


# %% softmax_loss
def softmax_loss(scores, y):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1
    return loss, p / len(y)


# %% bce_with_logits
def bce_with_logits(scores, targets):
    p = 1 / (1 + np.exp(-scores))
    loss = -(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    return loss.mean(), (p - targets) / scores.size
