"""Steps of optimisers, batch norm, dropout, augmentation, splits, one epoch of training, early stopping."""

import numpy as np
import torch
from torch.nn import functional as F

from cnnkit.oracle.tensors import array, gradients, tensor


def _slope(w, grad, weight_decay):
    """Gradient of the loss with its L2 penalty ``weight_decay / 2 |w|^2``."""
    return tensor(grad) + weight_decay * tensor(w)


def sgd_step(w, grad, state, lr, weight_decay=0.0):
    """Plain gradient descent: ``(new w, state)``."""
    return array(tensor(w) - lr * _slope(w, grad, weight_decay), w), state


def momentum_step(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    """Momentum as deck d has it, with the rate inside the velocity: ``(new w, new state)``."""
    velocity = beta * state.get("velocity", 0) - lr * _slope(w, grad, weight_decay)
    return array(tensor(w) + velocity, w), {"velocity": velocity}


def nesterov_step(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    """Nesterov's momentum: the gradient is that of the point to which the velocity alone would lead.

    ``grad_fn`` gives the gradient at an array; the penalty's is taken at ``w``.
    """
    ahead = array(tensor(w) + beta * state.get("velocity", 0), w)
    return momentum_step(w, grad_fn(ahead), state, lr, beta, weight_decay)


def rmsprop_step(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    """Hinton's RMSprop, with eps outside the root as in ``torch.optim.RMSprop``: ``(new w, new state)``."""
    g = _slope(w, grad, weight_decay)
    square = torch.lerp(g * g, state.get("square", torch.zeros_like(g)), rho)
    return array(tensor(w) - lr * g / (square.sqrt() + eps), w), {"square": square}


def adam_step(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """Kingma and Ba's Adam (2015) as in ``torch.optim.Adam``: ``(new w, new state)``."""
    g = _slope(w, grad, weight_decay)
    t = state.get("t", 0) + 1
    mean = torch.lerp(g, state.get("mean", torch.zeros_like(g)), beta1)
    square = torch.lerp(g * g, state.get("square", torch.zeros_like(g)), beta2)
    step = mean / (1 - beta1**t) / ((square / (1 - beta2**t)).sqrt() + eps)
    return array(tensor(w) - lr * step, w), {"t": t, "mean": mean, "square": square}


def batchnorm2d(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5, device=None):
    """Batch norm over ``(N, H, W)`` of each channel: ``(out, running_mean, running_var)``, as in ``nn.BatchNorm2d``.

    In training the batch's own mean and variance normalise, and the running ones move towards them by ``momentum``, the
    variance towards the unbiased one; else the running ones normalise and stay.
    """
    x_, gamma_, beta_, mean, var = (tensor(a, device) for a in (x, gamma, beta, running_mean, running_var))
    out = F.batch_norm(x_, mean, var, gamma_, beta_, train, momentum, eps)
    return array(out, x), array(mean, running_mean), array(var, running_var)


def batchnorm2d_backward(dout, x, gamma, eps=1e-5, device=None):
    """Gradients ``(dx, dgamma, dbeta)`` of batch norm in training."""
    beta = np.zeros_like(gamma)
    function = lambda x, gamma, beta: F.batch_norm(x, None, None, gamma, beta, True, 0, eps)
    return gradients(function, dout, x, gamma, beta, device=device)


def dropout(x, p, rng, train):
    """Inverted dropout: ``(out, mask)``; a value goes with the chance ``p``, and the mask is scaled by 1 / (1 - p)."""
    mask = rng.binomial(1, 1 - p, x.shape) / (1 - p) if train else np.ones(x.shape)
    return dropout_backward(x, mask.astype(x.dtype)), mask.astype(x.dtype)


def dropout_backward(dout, mask, device=None):
    """Gradient of dropout with respect to its input."""
    return array(tensor(dout, device) * tensor(mask, device), dout)


def augment(images, rng, device=None):
    """Each picture flipped or not, turned by up to 20 degrees and shifted by up to 2 pixels, with draws of its own.

    What comes in from outside is 0. ``images (N, C, S, S)``; shape and dtype are kept.
    """
    n, side = len(images), images.shape[-1]
    angle, flip = np.deg2rad(rng.uniform(-20, 20, n)), rng.choice([-1, 1], n)
    shift = rng.uniform(-2, 2, (n, 2)) * 2 / side
    turn = np.array(
        [[np.cos(angle) * flip, -np.sin(angle), shift[:, 0]], [np.sin(angle) * flip, np.cos(angle), shift[:, 1]]]
    )
    x = tensor(images, device)
    grid = F.affine_grid(tensor(np.moveaxis(turn, -1, 0), device), x.shape, align_corners=False)
    return array(F.grid_sample(x, grid, align_corners=False), images)


def split_indices(n, fractions, rng):
    """The numbers below ``n`` in random order, cut into three: a list of arrays."""
    order = torch.from_numpy(rng.permutation(n))
    cuts = [round(n * share) for share in np.cumsum(fractions)[:-1]]
    return [part.numpy() for part in torch.tensor_split(order, cuts)]


def train_epoch(model, loader, optimizer, loss_fn, device):
    """One pass over the data, a step of the optimiser for each batch; returns the mean loss over examples, a float."""
    losses, counts = [], []

    def closure():
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        losses.append(loss.item())
        return loss

    model.train()
    for batch in loader:
        x, y = (part.to(device) for part in batch)
        counts.append(len(y))
        optimizer.step(closure)
    return float(np.average(losses, weights=counts))


def evaluate(model, loader, device):
    """The share of examples that a model is right about, a float; each of its modules keeps the mode that it is in."""
    modes = [(module, module.training) for module in model.modules()]
    with torch.no_grad():
        hits = [model.eval()(x.to(device)).argmax(1) == y.to(device) for x, y in loader]
    for module, mode in modes:
        module.training = mode
    return torch.cat(hits).double().mean().item()


def early_stop(dev_losses, patience):
    """Index of the best epoch when ``patience`` epochs in a row have not been strictly better than it."""
    losses = torch.as_tensor(np.array(dev_losses, np.float64))
    best = losses.cummin(0)[0]
    # The epoch in which each one's best loss so far was first reached.
    when = torch.searchsorted(-best, -best)
    waited = torch.arange(len(losses)) - when
    stop = (waited >= patience).nonzero()
    return int(when[stop[0, 0] if len(stop) else -1])
