"""Model cells of the visual cortex, single units that learn, and the two layers of the Neocognitron."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from cnnkit.oracle.convolution import conv2d
from cnnkit.oracle.pooling import max_pool
from cnnkit.oracle.tensors import array, tensor


def perceptron_step(w, x, d, lr, device=None):
    """Weights ``w (D,)`` after one step of the perceptron rule on the example ``x (D,)`` with target d, 0 or 1."""
    w_, x_ = tensor(w, device), tensor(x, device)
    return array(w_.add(x_, alpha=lr * (d - int(w_.dot(x_) >= 0))), w)


def adaline_step(w, x, d, lr, device=None):
    """Weights ``w (D,)`` after one step of Widrow and Hoff's rule on the example ``x (D,)`` with target d."""
    w_, x_ = tensor(w, device), tensor(x, device)
    return array(w_.add(x_, alpha=lr * (d - w_.dot(x_).item())), w)


def gabor(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5, zero_mean=True, device=None):
    """A Gabor filter: a wave along theta under a Gaussian that is 1 / gamma times as long across it.

    Args:
        size: side in pixels.
        theta: direction of the wave in radians, from x (right) towards y (down).
        wavelength: in pixels.
        phase: in radians.
        sigma: of the Gaussian along theta, in pixels; None for 0.56 wavelength, a bandwidth of one octave.
        gamma: aspect ratio.
        zero_mean: whether the mean is subtracted, so that even light gives nothing.

    Returns:
        ``(size, size)``, float64.
    """
    sigma = 0.56 * wavelength if sigma is None else sigma
    axis = tensor(np.arange(size) - (size - 1) / 2, device)
    turn = axis.new_tensor([[math.cos(theta), math.sin(theta)], [-math.sin(theta), math.cos(theta)]])
    u, v = torch.tensordot(turn, torch.stack(torch.meshgrid(axis, axis, indexing="xy")), 1)
    field = torch.exp((u.square() + (gamma * v).square()) / (-2 * sigma**2)) * torch.cos(
        math.tau * u / wavelength + phase
    )
    return array(field - field.mean() * zero_mean, np.float64(0))


def drives(patch, *fields, device=None):
    """Dot products of ``patch (H, W)`` with each of some fields ``(H, W)``: a tensor ``(number of fields,)``."""
    return torch.tensordot(torch.stack([tensor(field, device) for field in fields]), tensor(patch, device), 2)


def simple_cell(patch, rf, device=None):
    """Rectified dot product of ``patch (H, W)`` with a receptive field of the same shape: a float."""
    return F.relu(drives(patch, rf, device=device)).item()


def tuning_curve(rf, stimuli, device=None):
    """Response of a simple cell with the field ``rf (H, W)`` to each of ``stimuli (n, H, W)``: ``(n,)``."""
    return array(F.relu(torch.tensordot(tensor(stimuli, device), tensor(rf, device), 2)), stimuli)


def complex_cell(patch, rf_even, rf_odd, device=None):
    """Energy of ``patch (H, W)`` in two fields a quarter of a wave apart (Adelson and Bergen, 1985): a float."""
    return drives(patch, rf_even, rf_odd, device=device).square().sum().item()


def hypercomplex_cell(patch, centre, flank, k=1.0, device=None):
    """Response to ``patch (H, W)`` in the centre less k times that in the flanks, rectified: a float."""
    c, f = F.relu(drives(patch, centre, flank, device=device)).tolist()
    return max(0.0, c - k * f)


def connection_counts(n_in, n_hidden, k):
    """Weights of a fully connected, a locally connected and a convolutional layer, as PyTorch lays them out."""
    layers = (
        torch.nn.Linear(n_in, n_hidden, bias=False, device="meta"),
        # One group, and so one kernel, for each hidden unit.
        torch.nn.Conv1d(n_hidden, n_hidden, k, groups=n_hidden, bias=False, device="meta"),
        torch.nn.Conv1d(1, 1, k, bias=False, device="meta"),
    )
    return tuple(layer.weight.numel() for layer in layers)


def s_layer(x, templates, threshold, device=None):
    """How far the match of ``x (H, W)`` with each of ``templates (F, KH, KW)`` exceeds a threshold: ``(F, OH, OW)``.

    Raises:
        ValueError: where the templates do not fit.
    """
    # A threshold is a negative bias.
    bias = np.full(len(templates), -threshold, float)
    return conv2d(x[None, None], templates[:, None], bias, device=device)[0].clip(0)


def c_layer(s, size, device=None):
    """Maximum over ``size x size`` blocks of each map of ``s (F, H, W)``; what is left over is dropped.

    Raises:
        ValueError: where no block fits.
    """
    return max_pool(s[None], size, device=device)[0]
