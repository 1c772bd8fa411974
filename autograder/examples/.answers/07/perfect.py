"""Everything right, in whole-array NumPy and PyTorch's own words."""

# %% sgd_step
def sgd_step(w, grad, state, lr, weight_decay=0.0):
    return (1 - lr * weight_decay) * w - lr * grad, state


# %% momentum_step
def momentum_step(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    if "v" not in state:
        state["v"] = np.zeros_like(w)
    state["v"] = beta * state["v"] - lr * (grad + weight_decay * w)
    return w + state["v"], state


# %% nesterov_step
def nesterov_step(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    v = state.get("v", np.zeros_like(w))
    g = grad_fn(w + beta * v) + weight_decay * w
    v = beta * v - lr * g
    return w + v, {"v": v}


# %% rmsprop_step
def rmsprop_step(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    g = grad + weight_decay * w
    cache = rho * state.get("cache", np.zeros_like(w)) + (1 - rho) * g * g
    return w - lr * g / (np.sqrt(cache) + eps), {"cache": cache}


# %% adam_step
def adam_step(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    t, m, v = state.get("all", (0, np.zeros_like(w), np.zeros_like(w)))
    g = grad + weight_decay * w
    t, m, v = t + 1, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    step = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return w - lr * step, {"all": (t, m, v)}


# %% batchnorm2d_forward
def batchnorm2d_forward(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    mean, var = running_mean, running_var
    if train:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        running_mean = running_mean + momentum * (mean - running_mean)
        running_var = running_var + momentum * (x.var((0, 2, 3), ddof=1) - running_var)
    scale = gamma / np.sqrt(var + eps)
    out = (x - mean[:, None, None]) * scale[:, None, None] + beta[:, None, None]
    return out, running_mean, running_var


# %% batchnorm2d_backward
def batchnorm2d_backward(dout, x, gamma, eps=1e-5):
    axes = (0, 2, 3)
    std = np.sqrt(x.var(axes, keepdims=True) + eps)
    x_hat = (x - x.mean(axes, keepdims=True)) / std
    pull = dout - dout.mean(axes, keepdims=True) - x_hat * (dout * x_hat).mean(axes, keepdims=True)
    return gamma[:, None, None] / std * pull, (dout * x_hat).sum(axes), dout.sum(axes)


# %% dropout_forward
def dropout_forward(x, p, rng, train):
    mask = np.ones_like(x)
    if train:
        mask[rng.random(x.shape) < p] = 0
        mask /= 1 - p
    return x * mask, mask


# %% dropout_backward
def dropout_backward(dout, mask):
    return mask * dout


# %% augment
def augment(images, rng):
    out = images.copy()
    for image in out:
        if rng.integers(2):
            image[:] = np.flip(image, axis=2).copy()
        image[:] = np.rot90(image, rng.integers(4), (1, 2)).copy()
        image[:] = np.roll(image, tuple(rng.integers(-3, 4, 2)), (1, 2))
    return out


# %% split_indices
def split_indices(n, fractions, rng):
    return np.split(rng.permutation(n), [round(n * fractions[0]), round(n * (fractions[0] + fractions[1]))])


# %% early_stop
def early_stop(dev_losses, patience):
    best, waited = 0, 0
    for epoch in range(1, len(dev_losses)):
        waited += 1
        if dev_losses[epoch] < dev_losses[best]:
            best, waited = epoch, 0
        if waited == patience:
            break
    return best


# %% train_epoch
def train_epoch(model, loader, optimizer, loss_fn, device):
    model.train()
    total = 0.0
    for x, y in loader:
        loss = loss_fn(model(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += loss.item() * len(x)
    return total / len(loader.dataset)


# %% evaluate
def evaluate(model, loader, device):
    mode = model.training
    model.eval()
    with torch.inference_mode():
        hits = [(model(x.to(device)).argmax(-1) == y.to(device)).float() for x, y in loader]
    model.train(mode)
    return torch.cat(hits).mean().item()
