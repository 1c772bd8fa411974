"""Convolution, its gradients and its transpose, padding, im2col and col2im."""

import numpy as np
import torch
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
    _layer_size(x, w, stride, pad, dilation, groups)
    x_, w_, b_ = (None if a is None else tensor(a, device) for a in (x, w, b))
    return array(F.conv2d(x_, w_, b_, pair(stride), pair(pad), pair(dilation), groups), x)


def conv2d_backward(dout, x, w, stride=1, pad=0, dilation=1, groups=1, device=None):
    """Gradients of ``(conv2d(x, w, b, ...) * dout).sum()``.

    Returns:
        ``(dx, dw, db)``, shaped as ``x``, ``w`` and ``(F,)``.

    Raises:
        ValueError: where ``conv2d`` raises it, or the shape of ``dout`` is not that of the output.
    """
    _layer_size(x, w, stride, pad, dilation, groups)
    dx = conv_backward_x(dout, w, x.shape, stride, pad, dilation, groups, device)
    dw = conv_backward_w(x, dout, *w.shape[2:], stride, pad, dilation, groups, device)
    return dx, dw, array(tensor(dout, device).sum((0, 2, 3)), dout)


def conv_backward_x(dout, w, x_shape, stride=1, pad=0, dilation=1, groups=1, device=None):
    """The gradient of ``conv2d`` in its input alone, of ``x_shape``. Raises ValueError as ``conv2d_backward``."""
    _refuse_other_shape(dout, (x_shape[0], w.shape[0]), x_shape, w.shape[2:], stride, pad, dilation)
    moves = pair(stride), pair(pad), pair(dilation), groups
    return array(torch.nn.grad.conv2d_input(x_shape, tensor(w, device), tensor(dout, device), *moves), dout)


def conv_backward_w(x, dout, kh, kw, stride=1, pad=0, dilation=1, groups=1, device=None):
    """The gradient of ``conv2d`` in its filters alone: ``(F, C, kh, kw)``. Raises ValueError as ``conv2d_backward``."""
    _refuse_other_shape(dout, (len(x), dout.shape[1]), x.shape, (kh, kw), stride, pad, dilation)
    w_shape = dout.shape[1], x.shape[1] // groups, kh, kw
    moves = pair(stride), pair(pad), pair(dilation), groups
    return array(torch.nn.grad.conv2d_weight(tensor(x, device), w_shape, tensor(dout, device), *moves), x)


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
    moves = (kh, kw), pair(dilation), pair(pad), pair(stride)
    # Image by image: the columns of a batch take kh kw times its memory, once is enough.
    return np.concatenate([array(F.unfold(image, *moves), x) for image in tensor(x, device)], axis=1)


def col2im(cols, x_shape, kh, kw, stride=1, pad=0, dilation=1, device=None):
    """The adjoint of ``im2col``: each column added into its window of images of ``x_shape (N, C, H, W)``.

    Raises:
        ValueError: where no window fits, or ``cols`` has another shape than ``im2col`` gives.
    """
    n, c, h, w = x_shape
    oh, ow = output_size(x_shape, (kh, kw), stride, pad, dilation)
    if cols.shape != (c * kh * kw, n * oh * ow):
        raise ValueError(f"cols has shape {cols.shape}; im2col gives {(c * kh * kw, n * oh * ow)}")
    windows = tensor(cols, device).reshape(-1, n, oh * ow).transpose(0, 1)
    return array(F.fold(windows, (h, w), (kh, kw), pair(dilation), pair(pad), pair(stride)), cols)


def insert_zeros(x, stride, device=None):
    """Put ``stride - 1`` zeros between neighbours in height and width: ``(N, C, (H - 1) stride + 1, ...)``."""
    ones = np.ones((x.shape[1], 1, 1, 1))
    return conv_transpose2d(x, ones, stride=stride, groups=x.shape[1], device=device)


def output_size(shape, kernel, stride=1, pad=0, dilation=1):
    """``(OH, OW)`` of windows sliding over the last two axes of ``shape``; ValueError where none fits."""
    sides = zip(shape[-2:], kernel, pair(stride), pair(pad), pair(dilation), strict=True)
    return tuple(shapes.conv_output_size(*side) for side in sides)


def _layer_size(x, w, stride, pad, dilation, groups):
    """``(OH, OW)`` of a layer; ValueError where the kernel does not fit, or channels and groups do not match."""
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ValueError(f"{x.shape[1]} channels in {groups} group(s) do not match filters of shape {w.shape}")
    return output_size(x.shape, w.shape[2:], stride, pad, dilation)


def _refuse_other_shape(dout, maps, x_shape, kernel, stride, pad, dilation):
    size = (*maps, *output_size(x_shape, kernel, stride, pad, dilation))
    if dout.shape != size:
        raise ValueError(f"dout has shape {dout.shape}; the output has {size}")
