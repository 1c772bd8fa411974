"""Tables of networks, and how their scores are made use of."""

import numpy as np
import torch
from torch import nn

from cnnkit import shapes


def layer_table(layers, input_shape):
    """``(name, output shape, parameters)`` of each layer of a network.

    Args:
        layers: ``("conv", filters, k, stride=1, pad=0, groups=1)``, ``("pool", k, stride)`` or ``("fc", units)`` each.
        input_shape: ``(C, H, W)``.

    Raises:
        ValueError: where a window does not fit.
    """
    kinds = {
        "conv": lambda filters, k, stride=1, pad=0, groups=1: shapes.Conv(filters, k, stride, pad, groups),
        "pool": shapes.Pool,
        "fc": shapes.Linear,
    }
    rows = shapes.table([kinds[kind](*numbers) for kind, *numbers in layers], input_shape)
    return [(row.name, row.shape, row.parameters) for row in rows]


def linear_to_conv(linear, in_shape):
    """The convolution that equals a linear layer on volumes of ``in_shape (C, H, W)`` and slides over larger ones."""
    weight = linear.weight.detach()
    has_bias = linear.bias is not None
    conv = nn.Conv2d(in_shape[0], len(weight), in_shape[1:], bias=has_bias, device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        conv.weight.copy_(weight.view(-1, *in_shape))
        if has_bias:
            conv.bias.copy_(linear.bias)
    return conv


def top_k_accuracy(scores, y, k):
    """How often the right class ``y (N,)`` is among the ``k`` of highest score, in ``scores (N, C)``."""
    return float((np.argsort(scores, axis=1)[:, -k:] == np.asarray(y)[:, None]).any(axis=1).mean())


def ten_crop(images, size):
    """Four corners, the centre and the mirror images of the five: ``(N, C, H, W)`` to ``(N, 10, C, size, size)``."""
    h, w = images.shape[2:]
    bottom, right = h - size, w - size
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    crops = torch.stack([images[:, :, i : i + size, j : j + size] for i, j in corners], dim=1)
    return torch.cat([crops, crops.flip(-1)], dim=1)


def average_predictions(model, crops):
    """The mean of the softmax probabilities over the crops ``(N, 10, C, H, W)`` of each image: ``(N, classes)``."""
    with torch.no_grad():
        scores = model(crops.flatten(0, 1))
    return scores.softmax(dim=1).unflatten(0, crops.shape[:2]).mean(dim=1)
