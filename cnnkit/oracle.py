"""The reference operations: torch underneath, NumPy in and out, on any device.

They compute in float64 (float32 on Apple's MPS, which has no other) and give back the dtype they were given.
Images are ``x: (N, C, H, W)``, filters ``w: (F, C, KH, KW)``. ``stride``, ``pad``, ``dilation`` and ``size`` take an
int or a pair (height, width). Where a window does not fit, ``cnnkit.shapes.conv_output_size`` raises a ValueError
that names the numbers. ``device`` is a name for ``cnnkit.device``; None takes the one in use.
"""

import numpy as np
import torch
from torch.nn import functional as F

from cnnkit import devices, shapes


def conv2d(x, w, b=None, stride=1, pad=0, dilation=1, groups=1, device=None):
    """Cross-correlate each image with each filter and add the bias.

    Returns:
        ``(N, F, OH, OW)``.

    Raises:
        ValueError: where the kernel does not fit, or channels and groups do not match.
    """
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ValueError(f"{x.shape[1]} channels in {groups} group(s) do not match filters of shape {w.shape}")
    output_size(x.shape, w.shape[2:], stride, pad, dilation)
    x_, w_, b_ = (None if a is None else tensor(a, device) for a in (x, w, b))
    return array(F.conv2d(x_, w_, b_, _pair(stride), _pair(pad), _pair(dilation), groups), x)


def conv_transpose2d(x, w, b=None, stride=1, pad=0, output_pad=0, dilation=1, groups=1, device=None):
    """Transposed convolution, the adjoint of ``conv2d`` in its input: ``w: (C, F / groups, KH, KW)``.

    Returns:
        ``(N, F, OH, OW)`` with ``OH = (H - 1) stride - 2 pad + dilation (KH - 1) + output_pad + 1``.
    """
    x_, w_, b_ = (None if a is None else tensor(a, device) for a in (x, w, b))
    arguments = (_pair(stride), _pair(pad), _pair(output_pad), groups, _pair(dilation))
    return array(F.conv_transpose2d(x_, w_, b_, *arguments), x)


def zero_pad(x, pad, device=None):
    """Zeros around height and width: ``(N, C, H + 2 pad, W + 2 pad)``."""
    ph, pw = _pair(pad)
    return array(F.pad(tensor(x, device), (pw, pw, ph, ph)), x)


def im2col(x, kh, kw, stride=1, pad=0, dilation=1, device=None):
    """Each window of each image as a column.

    Returns:
        ``(C kh kw, N OH OW)``: rows by channel, kernel row, kernel column; columns by image, output row, output column.
    """
    output_size(x.shape, (kh, kw), stride, pad, dilation)
    windows = F.unfold(tensor(x, device), (kh, kw), _pair(dilation), _pair(pad), _pair(stride))
    return array(windows.transpose(0, 1).reshape(windows.shape[1], -1), x)


def max_pool(x, size, stride=None, pad=0, dilation=1, device=None):
    """The maximum of each window, ``stride`` (default: ``size``) apart; padding never wins."""
    stride = size if stride is None else stride
    output_size(x.shape, _pair(size), stride, pad, dilation)
    return array(F.max_pool2d(tensor(x, device), _pair(size), _pair(stride), _pair(pad), _pair(dilation)), x)


def avg_pool(x, size, stride=None, pad=0, count_pad=True, device=None):
    """The mean of each window, ``stride`` (default: ``size``) apart; ``count_pad`` counts padding as zeros."""
    stride = size if stride is None else stride
    output_size(x.shape, _pair(size), stride, pad)
    pooled = F.avg_pool2d(
        tensor(x, device), _pair(size), _pair(stride), _pair(pad), count_include_pad=count_pad
    )
    return array(pooled, x)


def output_size(shape, kernel, stride=1, pad=0, dilation=1):
    """``(OH, OW)`` of windows sliding over the last two axes of ``shape``; ValueError where none fits."""
    sides = zip(shape[-2:], kernel, _pair(stride), _pair(pad), _pair(dilation), strict=True)
    return tuple(shapes.conv_output_size(*side) for side in sides)


def tensor(a, device=None):
    """A NumPy array, or a number, as a tensor in the precision that the reference computes in."""
    device = devices.device(device)
    wide = torch.float32 if device.type == "mps" else torch.float64
    # A copy in C order: torch takes neither negative strides nor, without a warning, read-only memory.
    return torch.from_numpy(np.array(a, order="C")).to(device, wide)


def array(t, like):
    """A tensor as a NumPy array of the dtype of ``like``, or float64 where that is no floating type."""
    dtype = like.dtype if np.asarray(like).dtype.kind == "f" else np.float64
    return t.detach().cpu().numpy().astype(dtype, copy=False)


def _pair(value):
    return tuple(value) if isinstance(value, list | tuple) else (value, value)
