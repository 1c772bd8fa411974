"""Pooling, forward and backward."""

import numpy as np
import torch
from torch.nn import functional as F

from cnnkit.oracle.convolution import output_size
from cnnkit.oracle.tensors import array, gradients, pair, tensor


def max_pool(x, size, stride=None, pad=0, dilation=1, device=None):
    """The maximum of each window, ``stride`` (default: ``size``) apart; padding never wins."""
    return array(_max_pool(x.shape, size, stride, pad, dilation)(tensor(x, device)), x)


def max_pool_backward(dout, x, size, stride=None, pad=0, dilation=1, device=None):
    """Gradient of ``max_pool`` in ``x``: a window's first maximum, in row-major order, gets all of the window's share.

    Returns:
        Shaped as ``x``; what overlapping windows send to one place is added.
    """
    return gradients(_max_pool(x.shape, size, stride, pad, dilation), dout, x, device=device)[0]


def avg_pool(x, size, stride=None, pad=0, count_pad=True, device=None):
    """The mean of each window, ``stride`` (default: ``size``) apart; ``count_pad`` counts padding as zeros."""
    return array(_avg_pool(x.shape, size, stride, pad, count_pad)(tensor(x, device)), x)


def avg_pool_backward(dout, x_shape, size, stride=None, pad=0, count_pad=True, device=None):
    """Gradient of ``avg_pool`` in its input, of which only the shape ``(N, C, H, W)`` matters.

    Returns:
        Array of ``x_shape`` in the dtype of ``dout``.
    """
    x = np.zeros(x_shape, dout.dtype)
    return gradients(_avg_pool(x_shape, size, stride, pad, count_pad), dout, x, device=device)[0]


def _max_pool(shape, size, stride, pad, dilation):
    stride = size if stride is None else stride
    output_size(shape, pair(size), stride, pad, dilation)
    return lambda x: F.max_pool2d(_padded(x, pad, -torch.inf), pair(size), pair(stride), dilation=pair(dilation))


def _avg_pool(shape, size, stride, pad, count_pad):
    stride = size if stride is None else stride
    output_size(shape, pair(size), stride, pad)
    mean = lambda x: F.avg_pool2d(_padded(x, pad, 0.0), pair(size), pair(stride))
    return mean if count_pad else lambda x: mean(x) / mean(torch.ones_like(x))


def _padded(x, pad, value):
    """Padded by hand: torch's own pools take no more padding than half a window."""
    ph, pw = pair(pad)
    return F.pad(x, (pw, pw, ph, ph), value=value)
