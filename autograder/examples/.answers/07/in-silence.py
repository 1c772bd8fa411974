"""Runs without an error and learns, a little worse than it should: each trap of the training loop."""

# %% batchnorm2d_forward
def batchnorm2d_forward(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    out = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + eps) * gamma[:, None, None] + beta[:, None, None]
    if train:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * x.var((0, 2, 3), ddof=1)
    return out, running_mean, running_var


# %% dropout_forward
def dropout_forward(x, p, rng, train):
    if not train:
        return x, np.ones_like(x)
    mask = (rng.random(x.shape) >= p).astype(x.dtype)
    return x * mask, mask


# %% augment
def augment(images, rng):
    rng = np.random.default_rng(0)
    out = np.empty_like(images)
    for i, image in enumerate(images):
        image = image[:, :, ::-1] if rng.random() < 0.5 else image
        out[i] = np.roll(np.rot90(image, rng.integers(4), (1, 2)), rng.integers(-2, 3, 2), (1, 2))
    return out


# %% early_stop
def early_stop(dev_losses, patience):
    best, waited = 0, 0
    for epoch, loss in enumerate(dev_losses):
        if loss < dev_losses[best]:
            best, waited = epoch, 0
        elif epoch:
            waited += 1
            if waited > patience:
                break
    return best


# %% train_epoch
def train_epoch(model, loader, optimizer, loss_fn, device):
    model.train()
    losses = []
    for x, y in loader:
        loss = loss_fn(model(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


# %% evaluate
def evaluate(model, loader, device):
    model.eval()
    right = count = 0
    for x, y in loader:
        right += (model(x.to(device)).argmax(1) == y.to(device)).sum().item()
        count += len(y)
    return right / count
