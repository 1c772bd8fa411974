"""Convolution, its transpose, padding and im2col."""

from torch.nn import functional as F

from cnnkit import shapes
from cnnkit.oracle.tensors import array, pair, tensor


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
    return array(F.conv2d(x_, w_, b_, pair(stride), pair(pad), pair(dilation), groups), x)


def conv_transpose2d(x, w, b=None, stride=1, pad=0, output_pad=0, dilation=1, groups=1, device=None):
    """Transposed convolution, the adjoint of ``conv2d`` in its input: ``w: (C, F / groups, KH, KW)``.

    Returns:
        ``(N, F, OH, OW)`` with ``OH = (H - 1) stride - 2 pad + dilation (KH - 1) + output_pad + 1``.
    """
    x_, w_, b_ = (None if a is None else tensor(a, device) for a in (x, w, b))
    arguments = (pair(stride), pair(pad), pair(output_pad), groups, pair(dilation))
    return array(F.conv_transpose2d(x_, w_, b_, *arguments), x)


def zero_pad(x, pad, device=None):
    """Zeros around height and width: ``(N, C, H + 2 pad, W + 2 pad)``."""
    ph, pw = pair(pad)
    return array(F.pad(tensor(x, device), (pw, pw, ph, ph)), x)


def im2col(x, kh, kw, stride=1, pad=0, dilation=1, device=None):
    """Each window of each image as a column.

    Returns:
        ``(C kh kw, N OH OW)``: rows by channel, kernel row, kernel column; columns by image, output row, output column.
    """
    output_size(x.shape, (kh, kw), stride, pad, dilation)
    windows = F.unfold(tensor(x, device), (kh, kw), pair(dilation), pair(pad), pair(stride))
    return array(windows.transpose(0, 1).reshape(windows.shape[1], -1), x)


def output_size(shape, kernel, stride=1, pad=0, dilation=1):
    """``(OH, OW)`` of windows sliding over the last two axes of ``shape``; ValueError where none fits."""
    sides = zip(shape[-2:], kernel, pair(stride), pair(pad), pair(dilation), strict=True)
    return tuple(shapes.conv_output_size(*side) for side in sides)
