"""Some of it is right, some not begun; batch norm knows one axis, the pieces of a split overlap, a cell is gone."""

# %% sgd_step
def sgd_step(w, grad, state, lr, weight_decay=0.0):
    w -= lr * (grad + weight_decay * w)
    return w, state


# %% after sgd_step
# Does it move?
sgd_step(np.array([1.0, 2.0]), np.array([1.0, 1.0]), {}, 0.1)

# %% nesterov_step
def nesterov_step(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    raise NotImplementedError("not written yet")


# %% adam_step
def adam_step(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    g = grad + weight_decay * w
    m = beta1 * state.get("m", 0) + (1 - beta1) * g
    v = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    return w - lr * m / (np.sqrt(v) + eps), {"m": m, "v": v}


# %% batchnorm2d_forward
def batchnorm2d_forward(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    shape = (1, -1, 1, 1)
    if not train:
        x_hat = (x - running_mean.reshape(shape)) / np.sqrt(running_var.reshape(shape) + eps)
        return gamma.reshape(shape) * x_hat + beta.reshape(shape), running_mean, running_var
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    x_hat = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)
    running_mean = (1 - momentum) * running_mean + momentum * mean
    running_var = (1 - momentum) * running_var + momentum * var
    return gamma.reshape(shape) * x_hat + beta.reshape(shape), running_mean, running_var


# %% batchnorm2d_backward
def batchnorm2d_backward(dout, x, gamma, eps=1e-5):
    raise NotImplementedError


# %% without dropout_backward

# %% augment
def augment(images, rng):
    flip, turn, shift = rng.integers(2), rng.integers(4), rng.integers(-2, 3, 2)
    out = images[..., ::-1] if flip else images
    return np.roll(np.rot90(out, turn, (2, 3)), shift, (2, 3))


# %% split_indices
def split_indices(n, fractions, rng):
    return [rng.choice(n, round(n * share), replace=False) for share in fractions]


# %% early_stop
def early_stop(dev_losses, patience):
    return int(np.argmin(dev_losses))
