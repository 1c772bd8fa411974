"""Correct answers to unit 07: formulas, in-place states, classes of torch, SciPy, loops."""

import math

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

# Optimisers


def sgd_plain(w, grad, state, lr, weight_decay=0.0):
    return w - lr * (grad + weight_decay * w), state


def sgd_loops(w, grad, state, lr, weight_decay=0.0):
    new = np.empty_like(w)
    for i in np.ndindex(w.shape):
        new[i] = w[i] - lr * grad[i] - lr * weight_decay * w[i]
    return new, {}


def sgd_shrink(w, grad, state, lr, weight_decay=0.0):
    new = w.copy()
    new *= 1 - lr * weight_decay
    new -= lr * grad
    return new, None


def by_torch(make):
    """A step by a class of torch, which is kept in the state with its parameter."""

    def step(w, grad, state, **how):
        if not state:
            parameter = torch.nn.Parameter(torch.tensor(w))
            state = {"parameter": parameter, "optimizer": make([parameter], **how)}
        state["parameter"].grad = torch.tensor(grad)
        state["optimizer"].step()
        return state["parameter"].detach().numpy().copy(), state

    return step


def sgd_torch(w, grad, state, lr, weight_decay=0.0):
    return by_torch(torch.optim.SGD)(w, grad, state, lr=lr, weight_decay=weight_decay)


def momentum_plain(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    g = grad + weight_decay * w
    v = beta * state.get("v", 0.0) - lr * g
    return w + v, {"v": v}


def momentum_in_place(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    if "velocity" not in state:
        state["velocity"] = np.zeros_like(w)
    v = state["velocity"]
    v *= beta
    v[:] -= lr * (grad + weight_decay * w)
    return w + v, state


def momentum_last_w(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    """The velocity is what w moved by last time."""
    moved = w - state["before"] if state else np.zeros_like(w)
    return w + beta * moved - lr * (grad + weight_decay * w), {"before": w.copy()}


def momentum_torch(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    return by_torch(torch.optim.SGD)(w, grad, state, lr=lr, momentum=beta, weight_decay=weight_decay)


def nesterov_plain(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    v = state.get("v", np.zeros_like(w))
    g = grad_fn(w + beta * v) + weight_decay * w
    v = beta * v - lr * g
    return w + v, {"v": v}


def nesterov_decay_ahead(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    """The penalty's gradient is taken where the loss's is."""
    v = state.setdefault("v", 0 * w)
    ahead = w + beta * v
    g = grad_fn(ahead)
    g += weight_decay * ahead
    state["v"] = beta * v - lr * g
    return w + state["v"], state


def nesterov_two_parts(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    """First the jump, then the correction."""
    jump = beta * state["step"] if state else np.zeros(w.shape, w.dtype)
    correction = -lr * (grad_fn(w + jump) + weight_decay * w)
    state["step"] = jump + correction
    return w + jump + correction, state


def nesterov_shifted(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    """Keeps the look-ahead point, as libraries do, and returns w."""
    v = torch.from_numpy(state["v"]) if "v" in state else torch.zeros(w.shape, dtype=torch.tensor(w).dtype)
    ahead = torch.tensor(w) + beta * v
    g = torch.tensor(np.array(grad_fn(ahead.numpy()))) + weight_decay * torch.tensor(w)
    v = beta * v - lr * g
    return (torch.tensor(w) + v).numpy(), {"v": v.numpy()}


def rmsprop_plain(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    g = grad + weight_decay * w
    e = rho * state.get("E", 0) + (1 - rho) * g**2
    return w - lr * g / (np.sqrt(e) + eps), {"E": e}


def rmsprop_in_place(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    g = grad + weight_decay * w
    if not state:
        state["cache"] = np.zeros_like(w)
    state["cache"] *= rho
    state["cache"] += (1 - rho) * np.square(g)
    return w - lr * g / (state["cache"] ** 0.5 + eps), state


def rmsprop_loops(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    old, new, e = state.get("e", np.zeros(w.shape)), np.empty_like(w), np.empty(w.shape)
    for i in np.ndindex(*w.shape):
        g = float(grad[i]) + weight_decay * float(w[i])
        e[i] = rho * old[i] + (1 - rho) * g * g
        new[i] = w[i] - lr * g / (math.sqrt(e[i]) + eps)
    return new, {"e": e}


def rmsprop_torch(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    return by_torch(torch.optim.RMSprop)(w, grad, state, lr=lr, alpha=rho, eps=eps, weight_decay=weight_decay)


def adam_plain(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    g = grad + weight_decay * w
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0) + (1 - beta1) * g
    v = beta2 * state.get("v", 0) + (1 - beta2) * g * g
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), {"t": t, "m": m, "v": v}


def adam_in_place(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    if len(state) == 0:
        state.update(step=0, exp_avg=np.zeros_like(w), exp_avg_sq=np.zeros_like(w))
    grad = grad + weight_decay * w
    state["step"] += 1
    state["exp_avg"][...] = beta1 * state["exp_avg"] + (1 - beta1) * grad
    state["exp_avg_sq"][...] = beta2 * state["exp_avg_sq"] + (1 - beta2) * grad**2
    step_size = lr / (1 - beta1 ** state["step"])
    below = np.sqrt(state["exp_avg_sq"]) / math.sqrt(1 - beta2 ** state["step"]) + eps
    return w - step_size * state["exp_avg"] / below, state


def adam_powers(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """Keeps the powers of the betas, not the count, and the averages in a tuple."""
    m, v, power1, power2 = state.get("all", (np.zeros_like(w), np.zeros_like(w), 1.0, 1.0))
    g = grad if weight_decay == 0 else grad + weight_decay * w
    m, v = m + (1 - beta1) * (g - m), v + (1 - beta2) * (g * g - v)
    power1, power2 = power1 * beta1, power2 * beta2
    new = w - lr * (m / (1 - power1)) / ((v / (1 - power2)) ** 0.5 + eps)
    return new, {"all": (m, v, power1, power2)}


def adam_torch(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    how = {"lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay}
    return by_torch(torch.optim.Adam)(w, grad, state, **how)


# Batch norm


def norm_formula(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    shape = (1, -1, 1, 1)
    if not train:
        out = (x - running_mean.reshape(shape)) / np.sqrt(running_var.reshape(shape) + eps)
        return out * gamma.reshape(shape) + beta.reshape(shape), running_mean, running_var
    mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    n = x.shape[0] * x.shape[2] * x.shape[3]
    out = gamma.reshape(shape) * (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps) + beta.reshape(shape)
    new_mean = (1 - momentum) * running_mean + momentum * mean
    return out, new_mean, (1 - momentum) * running_var + momentum * var * n / (n - 1)


def norm_rows(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    """As a fully connected layer's batch norm, over rows of pixels."""
    n, c, h, w = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, c)
    mean, var = (rows.mean(0), rows.var(0)) if train else (running_mean, running_var)
    out = ((rows - mean) / np.sqrt(var + eps) * gamma + beta).reshape(n, h, w, c).transpose(0, 3, 1, 2)
    if train:
        running_mean = running_mean + momentum * (mean - running_mean)
        running_var = running_var + momentum * (rows.var(0, ddof=1) - running_var)
    return out.astype(x.dtype), running_mean, running_var


def norm_channels(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    out, running_mean, running_var = np.empty(x.shape, x.dtype), running_mean.copy(), running_var.copy()
    for c in range(x.shape[1]):
        one = x[:, c]
        mean, var = (one.mean(), one.var()) if train else (running_mean[c], running_var[c])
        out[:, c] = gamma[c] * (one - mean) / np.sqrt(var + eps) + beta[c]
        if train:
            running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean
            running_var[c] = (1 - momentum) * running_var[c] + momentum * one.var(ddof=1)
    return out, running_mean, running_var


def norm_torch(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    mean, var = torch.tensor(running_mean), torch.tensor(running_var)
    out = F.batch_norm(torch.tensor(x), mean, var, torch.tensor(gamma), torch.tensor(beta), train, momentum, eps)
    return out.numpy(), mean.numpy(), var.numpy()


def norm_module(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    module = torch.nn.BatchNorm2d(x.shape[1], eps=eps, momentum=momentum, dtype=torch.tensor(x).dtype).train(train)
    values = {"weight": gamma, "bias": beta, "running_mean": running_mean, "running_var": running_var}
    module.load_state_dict({name: torch.tensor(value) for name, value in values.items()}, strict=False)
    with torch.no_grad():
        out = module(torch.tensor(x))
    return out.numpy(), module.running_mean.numpy(), module.running_var.numpy()


def norm_back_formula(dout, x, gamma, eps=1e-5):
    axes, shape = (0, 2, 3), (1, -1, 1, 1)
    std = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=axes, keepdims=True)) / std
    dgamma, dbeta = (dout * x_hat).sum(axis=axes), dout.sum(axis=axes)
    n = x.size // x.shape[1]
    dx = gamma.reshape(shape) / std * (dout - (dbeta.reshape(shape) + x_hat * dgamma.reshape(shape)) / n)
    return dx, dgamma, dbeta


def norm_back_steps(dout, x, gamma, eps=1e-5):
    """Node by node, as the paper's appendix has it."""
    axes = (0, 2, 3)
    g = gamma[None, :, None, None]
    n = x.shape[0] * x.shape[2] * x.shape[3]
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    var = (centred**2).mean(axes, keepdims=True)
    inverse = 1 / np.sqrt(var + eps)
    dx_hat = dout * g
    dvar = (dx_hat * centred).sum(axes, keepdims=True) * -0.5 * inverse**3
    dmean = -(dx_hat * inverse).sum(axes, keepdims=True) + dvar * (-2 * centred).mean(axes, keepdims=True)
    dx = dx_hat * inverse + dvar * 2 * centred / n + dmean / n
    return dx, np.einsum("nchw,nchw->c", dout, centred * inverse), np.einsum("nchw->c", dout)


def norm_back_rows(dout, x, gamma, eps=1e-5):
    n, c, h, w = x.shape
    rows, up = (a.transpose(1, 0, 2, 3).reshape(c, -1) for a in (x, dout))
    dx, dgamma, dbeta = np.empty(rows.shape, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    for i in range(c):
        s = np.sqrt(rows[i].var() + eps)
        x_hat = (rows[i] - rows[i].mean()) / s
        dgamma[i], dbeta[i] = up[i] @ x_hat, up[i].sum()
        dx[i] = gamma[i] / s * (up[i] - up[i].mean() - x_hat * (up[i] * x_hat).mean())
    return np.ascontiguousarray(dx.reshape(c, n, h, w).transpose(1, 0, 2, 3)), dgamma, dbeta


def norm_back_torch(dout, x, gamma, eps=1e-5):
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, gamma, np.zeros_like(gamma))]
    F.batch_norm(leaves[0], None, None, leaves[1], leaves[2], True, 0.0, eps).backward(torch.tensor(dout))
    return tuple(leaf.grad.numpy() for leaf in leaves)


# Dropout


def dropout_random(x, p, rng, train):
    if not train:
        return x, np.ones_like(x)
    mask = ((rng.random(x.shape) >= p) / (1 - p)).astype(x.dtype)
    return x * mask, mask


def dropout_binomial(x, p, rng, train):
    keep = 1 - p
    mask = rng.binomial(1, keep, size=x.shape) / keep if train else np.ones(x.shape)
    return (x * mask).astype(x.dtype), mask


def dropout_choice(x, p, rng, train):
    if train and p > 0:
        mask = rng.choice(np.array([0, 1 / (1 - p)], x.dtype), x.shape, p=[p, 1 - p])
    else:
        mask = np.ones(x.shape, x.dtype)
    return mask * x, mask


def dropout_loops(x, p, rng, train):
    out, mask = x.copy(), np.ones(x.shape, x.dtype)
    if train:
        for i in np.ndindex(x.shape):
            mask[i] = 0 if rng.uniform() < p else 1 / (1 - p)
            out[i] *= mask[i]
    return out, mask


def dropout_torch(x, p, rng, train):
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    mask = torch.ones(x.shape, dtype=torch.tensor(x).dtype)
    if train:
        mask.bernoulli_(1 - p, generator=generator).div_(1 - p)
    return (torch.tensor(x) * mask).numpy(), mask.numpy()


def back_product(dout, mask):
    return dout * mask


def back_where(dout, mask):
    return np.where(mask > 0, dout * mask.max(), 0).astype(dout.dtype)


def back_torch(dout, mask):
    x = torch.zeros(dout.shape, dtype=torch.tensor(dout).dtype, requires_grad=True)
    (x * torch.tensor(mask)).backward(torch.tensor(dout))
    return x.grad.numpy()


def back_loops(dout, mask):
    out = np.zeros_like(dout)
    for i in np.ndindex(dout.shape):
        if mask[i]:
            out[i] = dout[i] * mask[i]
    return out


# Augmentation


def augment_rolls(images, rng):
    out = np.empty_like(images)
    for i in range(len(images)):
        image = images[i]
        if rng.random() < 0.5:
            image = image[:, :, ::-1]
        image = np.rot90(image, k=rng.integers(4), axes=(1, 2))
        out[i] = np.roll(image, rng.integers(-2, 3, size=2), axis=(1, 2))
    return out


def augment_draws_first(images, rng):
    """All draws at once, used from the last image to the first; wraps far around."""
    n, side = len(images), images.shape[-1]
    flips, angles = rng.integers(0, 2, n), rng.uniform(-15, 15, n)
    shifts = rng.integers(-side // 4, side // 4 + 1, (n, 2))
    result = images.copy()
    for i in reversed(range(n)):
        if flips[i]:
            result[i] = result[i, :, ::-1]
        result[i] = ndimage.rotate(result[i], angles[i], axes=(1, 2), reshape=False, order=1)
        result[i] = np.roll(result[i], tuple(shifts[i]), axis=(1, 2))
    return result


def augment_scipy(images, rng):
    """Deck d's: any angle, up to ten pixels, and SciPy's cubic splines."""
    out = []
    for image in images:
        image = np.flip(image, axis=-1) if rng.integers(2) == 1 else image
        image = ndimage.rotate(image, rng.uniform(0, 360), axes=(-1, -2), reshape=False, mode="nearest")
        far = min(10, image.shape[-1] // 4)
        image = ndimage.shift(image, (0, *rng.uniform(-far, far, 2)), mode="constant")
        out.append(image)
    return np.stack(out).astype(images.dtype)


def augment_torch(images, rng):
    x = torch.tensor(np.ascontiguousarray(images)).float()
    n = len(x)
    angle = torch.tensor(rng.uniform(-0.3, 0.3, n)).float()
    flip = torch.tensor(rng.choice([-1.0, 1.0], n)).float()
    shift = torch.tensor(rng.uniform(-0.15, 0.15, (2, n))).float()
    c, s = angle.cos(), angle.sin()
    theta = torch.stack([torch.stack([c * flip, -s, shift[0]], -1), torch.stack([s * flip, c, shift[1]], -1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=True)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=True).numpy().astype(images.dtype)


def augment_pixels(images, rng):
    """Nearest pixel, by index arrays; shifts of one pixel."""
    n, _, h, w = images.shape
    rows, columns = np.mgrid[:h, :w]
    middle = (h - 1) / 2
    out = np.zeros_like(images)
    for i in range(n):
        angle, dy, dx = np.deg2rad(rng.normal(0, 10)), *rng.integers(-1, 2, 2)
        y, x = rows - middle - dy, columns - middle - dx
        if rng.random() > 0.5:
            x = -x
        up = np.rint(np.cos(angle) * y - np.sin(angle) * x + middle).astype(int)
        left = np.rint(np.sin(angle) * y + np.cos(angle) * x + middle).astype(int)
        inside = (up >= 0) & (up < h) & (left >= 0) & (left < w)
        out[i][:, inside] = images[i][:, up[inside], left[inside]]
    return out


# Splits


def split_permutation(n, fractions, rng):
    order = rng.permutation(n)
    a = int(n * fractions[0])
    b = a + int(n * fractions[1])
    return order[:a], order[a:b], order[b:]


def split_numpy(n, fractions, rng):
    order = np.arange(n)
    rng.shuffle(order)
    return np.split(order, np.round(np.cumsum(fractions[:2]) * n).astype(int))


def split_choice(n, fractions, rng):
    """Draws the last two parts; the first is what is left, in order."""
    test = rng.choice(n, size=round(n * fractions[2]), replace=False)
    left = np.setdiff1d(np.arange(n), test)
    dev = rng.choice(left, size=min(len(left), round(n * fractions[1])), replace=False)
    return np.setdiff1d(left, dev), dev, test


def split_sorted_keys(n, fractions, rng):
    order = sorted(range(n), key=lambda _: rng.random())
    a, b = math.floor(n * fractions[0]), math.floor(n * (fractions[0] + fractions[1]) + 1e-9)
    return tuple(np.array(part, dtype=np.int64) for part in (order[:a], order[a:b], order[b:]))


def split_torch(n, fractions, rng):
    generator = torch.Generator().manual_seed(int(rng.integers(0, 2**31 - 1)))
    sizes = [round(n * fractions[0]), round(n * fractions[1])]
    sizes[1] = min(sizes[1], n - sizes[0])
    order = torch.randperm(n, generator=generator)
    return [part.numpy() for part in order.split([*sizes, n - sum(sizes)])]


# The loop


def train_plain(model, loader, optimizer, loss_fn, device):
    model.train()
    total, count = 0.0, 0
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


def train_quickstart(model, dataloader, optimizer, loss_fn, device):
    """In the order of PyTorch's tutorial, with the data set's length."""
    size, total = len(dataloader.dataset), 0
    model.train()
    for X, y in dataloader:
        X, y = X.to(device, non_blocking=True), y.to(device, non_blocking=True)
        loss = loss_fn(model(X), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += X.shape[0] * loss.detach()
    return total / size


def train_arrays(model, loader, optimizer, loss_fn, device):
    """Lists of losses, gradients cleared by hand, the model moved to be sure."""
    model = model.to(device).train()
    losses, sizes = [], []
    for batch, (inputs, targets) in enumerate(loader):
        assert batch >= 0
        for p in model.parameters():
            p.grad = None
        output = model(inputs.to(device=device))
        loss = loss_fn(output, targets.to(device=device))
        grads = torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad])
        for p, g in zip((p for p in model.parameters() if p.requires_grad), grads, strict=True):
            p.grad = g
        optimizer.step()
        losses.append(loss.item())
        sizes.append(targets.size(0))
    return np.average(losses, weights=sizes)


def train_closure(model, loader, optimizer, loss_fn, device):
    was = model.training
    model.train(True)
    running = torch.zeros((), device=device)
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)

        def closure(images=images, labels=labels):
            model.zero_grad()
            loss = loss_fn(model(images), labels)
            loss.backward()
            return loss

        running += optimizer.step(closure).detach() * labels.numel()
    model.train(was)
    return (running / len(loader.dataset)).item()


def test_plain(model, loader, device):
    was_training = model.training
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            predicted = model(x).argmax(dim=1)
            correct += (predicted == y).sum().item()
            total += y.size(0)
    model.train(was_training)
    return correct / total


@torch.inference_mode()
def test_inference(model, loader, device):
    modes = {m: m.training for m in model.modules()}
    model.eval()
    hits = torch.zeros((), device=device)
    for x, y in loader:
        _, best = torch.max(model(x.to(device)), 1)
        hits += best.eq(y.to(device)).sum()
    for m, mode in modes.items():
        m.train(mode)
    return hits / len(loader.dataset)


def test_topk(model, loader, device):
    mode, model = model.training, model.eval()
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        right = []
        for x, y in loader:
            right += (model(x.to(device)).softmax(-1).topk(1).indices.squeeze(1).cpu() == y).tolist()
        return sum(right) / len(right)
    finally:
        torch.set_grad_enabled(before)
        model.train(mode)


def test_numpy(model, loader, device):
    mode = model.training
    model.train(False)
    with torch.no_grad():
        scores = np.concatenate([model(x.to(device)).cpu().numpy() for x, _ in loader])
        labels = np.concatenate([y.numpy() for _, y in loader])
    model.train(mode=mode)
    return np.mean(scores.argmax(axis=-1) == labels)


def stop_loop(dev_losses, patience):
    best, best_epoch, waited = float("inf"), 0, 0
    for epoch, loss in enumerate(dev_losses):
        if loss < best:
            best, best_epoch, waited = loss, epoch, 0
        else:
            waited += 1
            if waited == patience:
                break
    return best_epoch


def stop_while(dev_losses, patience):
    epoch = best = 0
    while epoch + 1 < len(dev_losses) and epoch - best < patience:
        epoch += 1
        if dev_losses[epoch] < dev_losses[best]:
            best = epoch
    return best


def stop_argmin(dev_losses, patience):
    """The first prefix whose minimum is old enough."""
    losses = np.asarray(dev_losses)
    for seen in range(1, len(losses) + 1):
        best = np.argmin(losses[:seen])
        if seen - 1 - best >= patience:
            break
    return best


def stop_recursive(dev_losses, patience):
    losses = list(dev_losses)

    def after(best):
        window = losses[best + 1 : best + 1 + patience]
        better = [i for i, loss in enumerate(window, best + 1) if loss < losses[best]]
        return after(better[0]) if better else best

    return after(0)


ANSWERS = {
    "sgd_step": [sgd_plain, sgd_loops, sgd_shrink, sgd_torch],
    "momentum_step": [momentum_plain, momentum_in_place, momentum_last_w, momentum_torch],
    "nesterov_step": [nesterov_plain, nesterov_decay_ahead, nesterov_two_parts, nesterov_shifted],
    "rmsprop_step": [rmsprop_plain, rmsprop_in_place, rmsprop_loops, rmsprop_torch],
    "adam_step": [adam_plain, adam_in_place, adam_powers, adam_torch],
    "batchnorm2d_forward": [norm_formula, norm_rows, norm_channels, norm_torch, norm_module],
    "batchnorm2d_backward": [norm_back_formula, norm_back_steps, norm_back_rows, norm_back_torch],
    "dropout_forward": [dropout_random, dropout_binomial, dropout_choice, dropout_loops, dropout_torch],
    "dropout_backward": [back_product, back_where, back_torch, back_loops],
    "augment": [augment_rolls, augment_draws_first, augment_scipy, augment_torch, augment_pixels],
    "split_indices": [split_permutation, split_numpy, split_choice, split_sorted_keys, split_torch],
    "train_epoch": [train_plain, train_quickstart, train_arrays, train_closure],
    "evaluate": [test_plain, test_inference, test_topk, test_numpy],
    "early_stop": [stop_loop, stop_while, stop_argmin, stop_recursive],
}
