"""Copied from the slides: epsilon inside the root, momentum as an average, p for the chance to be kept."""

# %% momentum_step
def momentum_step(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    average = beta * state.get("average", 0) + (1 - beta) * (grad + weight_decay * w)
    return w - lr * average, {"average": average}


# %% nesterov_step
def nesterov_step(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    v = beta * state.get("v", 0) - lr * (grad_fn(w) + weight_decay * w)
    return w + v, {"v": v}


# %% rmsprop_step
def rmsprop_step(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    g = grad + weight_decay * w
    e = rho * state.get("e", 0) + (1 - rho) * g**2
    return w - lr / np.sqrt(e + eps) * g, {"e": e}


# %% adam_step
def adam_step(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    g = grad + weight_decay * w
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0) + (1 - beta1) * g
    v = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    return w - lr / np.sqrt(v / (1 - beta2**t) + eps) * m / (1 - beta1**t), {"t": t, "m": m, "v": v}


# %% dropout_forward
def dropout_forward(x, p, rng, train):
    if not train:
        return x, np.ones_like(x)
    mask = ((rng.random(x.shape) < p) / max(p, 1e-12)).astype(x.dtype)
    return x * mask, mask
