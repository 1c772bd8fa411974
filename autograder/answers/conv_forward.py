"""Correct answers to unit 03: loops, einsum, strided views, Fourier transforms, torch."""

import math

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy import signal
from torch.nn import functional as F


def size_counted(n, k, stride=1, pad=0, dilation=1):
    if min(n, k, stride, dilation) <= 0 or pad < 0:
        raise ValueError(f"impossible: {n}, {k}, {stride}, {pad}, {dilation}")
    starts = range(-pad, n + pad - dilation * (k - 1), stride)
    if len(starts) == 0:
        raise ValueError(f"{k} does not fit into {n} with {pad}")
    return len(starts)


def size_floored(n, k, stride=1, pad=0, dilation=1):
    if n <= 0 or k <= 0 or stride <= 0 or dilation <= 0 or pad < 0:
        raise ValueError(f"impossible: {n}, {k}, {stride}, {pad}, {dilation}")
    size = math.floor((n + 2 * pad - dilation * (k - 1) - 1) / stride + 1)
    if size < 1:
        raise ValueError(f"{k} does not fit into {n} with {pad}")
    return size


def size_numpy(n, k, stride=1, pad=0, dilation=1):
    if not (n > 0 and k > 0 and stride > 0 and dilation > 0 and pad >= 0):
        raise ValueError(f"impossible: {n}, {k}, {stride}, {pad}, {dilation}")
    return sliding_window_view(np.zeros(n + 2 * pad), dilation * (k - 1) + 1)[::stride].shape[0]


def size_torch(n, k, stride=1, pad=0, dilation=1):
    try:
        layer = torch.nn.Conv1d(1, 1, k, stride, pad, dilation)
        return layer(torch.zeros(1, 1, n)).shape[-1]
    except (RuntimeError, ZeroDivisionError) as error:
        raise ValueError(f"{n}, {k}, {stride}, {pad}, {dilation}: {error}") from error


def fits_counted(n, k, stride=1, pad=0, dilation=1):
    covered = -pad - 1
    for start in range(-pad, n + pad - dilation * (k - 1), stride):
        covered = start + dilation * (k - 1)
    return covered == n + pad - 1


def fits_divmod(n, k, stride=1, pad=0, dilation=1):
    whole, rest = divmod(n + 2 * pad - (dilation * (k - 1) + 1), stride)
    return np.bool_(whole >= 0) & np.bool_(rest == 0)


def fits_float(n, k, stride=1, pad=0, dilation=1):
    size = (n + 2 * pad - dilation * (k - 1) - 1) / stride + 1
    return size >= 1 and size.is_integer()


def params_torch(c_in, c_out, k, bias=True, groups=1):
    layer = torch.nn.Conv2d(c_in, c_out, k, bias=bias, groups=groups)
    return sum(p.numel() for p in layer.parameters())


def params_by_group(c_in, c_out, k, bias=True, groups=1):
    return np.int64(groups) * (c_in // groups) * (c_out // groups) * k**2 + (c_out if bias else 0)


def params_by_filter(c_in, c_out, k, bias=True, groups=1):
    total = 0
    for _ in range(c_out):
        total += (c_in // groups) * k * k
        if bias:
            total += 1
    return total


def pad_assigned(x, p):
    n, c, h, w = x.shape
    out = np.zeros((n, c, h + 2 * p, w + 2 * p), dtype=x.dtype)
    out[:, :, p : p + h, p : p + w] = x
    return out


def pad_numpy(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def pad_view(x, p):
    """The argument itself where there is nothing to add."""
    if p == 0:
        return x
    rows = np.zeros_like(x[:, :, :1, :]).repeat(p, axis=2)
    x = np.concatenate([rows, x, rows], axis=2)
    columns = np.zeros_like(x[:, :, :, :1]).repeat(p, axis=3)
    return np.concatenate([columns, x, columns], axis=3)


def pad_torch(x, p):
    return F.pad(torch.tensor(x), (p, p, p, p)).numpy()


def _size(n, k, stride, pad, dilation=1):
    reach = dilation * (k - 1) + 1
    if reach > n + 2 * pad:
        raise ValueError(f"kernel over {reach} does not fit into {n} + 2 * {pad}")
    return (n + 2 * pad - reach) // stride + 1


def conv_loops(x, w, b, stride=1, pad=0, dilation=1):
    n, c, height, width = x.shape
    f, _, kh, kw = w.shape
    oh, ow = _size(height, kh, stride, pad, dilation), _size(width, kw, stride, pad, dilation)
    out = np.zeros((n, f, oh, ow), x.dtype)
    for a in range(n):
        for g in range(f):
            for i in range(oh):
                for j in range(ow):
                    total = float(b[g])
                    for ch in range(c):
                        for p in range(kh):
                            for q in range(kw):
                                row, col = i * stride + p * dilation - pad, j * stride + q * dilation - pad
                                if 0 <= row < height and 0 <= col < width:
                                    total += float(x[a, ch, row, col]) * float(w[g, ch, p, q])
                    out[a, g, i, j] = total
    return out


def conv_windows(x, w, b, stride=1, pad=0, dilation=1):
    kh, kw = w.shape[2:]
    oh, ow = _size(x.shape[2], kh, stride, pad, dilation), _size(x.shape[3], kw, stride, pad, dilation)
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.empty((len(x), len(w), oh, ow), dtype=x.dtype)
    for i in range(oh):
        for j in range(ow):
            rows = slice(i * stride, i * stride + dilation * (kh - 1) + 1, dilation)
            cols = slice(j * stride, j * stride + dilation * (kw - 1) + 1, dilation)
            out[:, :, i, j] = np.tensordot(x[:, :, rows, cols], w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out


def conv_taps(x, w, b, stride=1, pad=0, dilation=1):
    """One matrix product per kernel position."""
    f, _, kh, kw = w.shape
    oh, ow = _size(x.shape[2], kh, stride, pad, dilation), _size(x.shape[3], kw, stride, pad, dilation)
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((x.shape[0], f, oh, ow), x.dtype)
    for p in range(kh):
        for q in range(kw):
            top, left = p * dilation, q * dilation
            seen = x[:, :, top : top + stride * (oh - 1) + 1 : stride, left : left + stride * (ow - 1) + 1 : stride]
            out += np.tensordot(w[:, :, p, q], seen, axes=(1, 1)).transpose(1, 0, 2, 3)
    return out + b[:, None, None]


def conv_views(x, w, b, stride=1, pad=0, dilation=1):
    kh, kw = w.shape[2:]
    reach = dilation * (kh - 1) + 1, dilation * (kw - 1) + 1
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(x, reach, axis=(2, 3))[:, :, ::stride, ::stride, ::dilation, ::dilation]
    return np.einsum("ncijpq,fcpq->nfij", windows, w) + b.reshape(1, -1, 1, 1)


def conv_strided(x, w, b, stride=1, pad=0, dilation=1):
    """as_strided, and a result in channels-last memory order."""
    f, c, kh, kw = w.shape
    oh, ow = _size(x.shape[2], kh, stride, pad, dilation), _size(x.shape[3], kw, stride, pad, dilation)
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    sn, sc, sh, sw = x.strides
    shape, strides = (
        (x.shape[0], oh, ow, c, kh, kw),
        (sn, sh * stride, sw * stride, sc, sh * dilation, sw * dilation),
    )
    columns = as_strided(x, shape, strides).reshape(-1, c * kh * kw)
    out = columns @ w.reshape(f, -1).T + b
    return out.reshape(x.shape[0], oh, ow, f).transpose(0, 3, 1, 2)


def conv_fourier(x, w, b, stride=1, pad=0, dilation=1):
    f, c, kh, kw = w.shape
    _size(x.shape[2], kh, stride, pad, dilation), _size(x.shape[3], kw, stride, pad, dilation)
    spread = np.zeros((f, c, dilation * (kh - 1) + 1, dilation * (kw - 1) + 1), w.dtype)
    spread[:, :, ::dilation, ::dilation] = w
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    turned = spread[:, :, ::-1, ::-1]
    maps = [[sum(signal.fftconvolve(a[k], g[k], mode="valid") for k in range(c)) for g in turned] for a in x]
    out = np.array(maps)[:, :, ::stride, ::stride] + b[:, None, None]
    return out.astype(x.dtype)


def conv_torch(x, w, b, stride=1, pad=0, dilation=1):
    try:
        return F.conv2d(*map(torch.tensor, (x, w, b)), stride, pad, dilation).numpy()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


class LayerObject:
    """A callable object in place of a function."""

    def __call__(self, x, w, b, stride=1, pad=0, dilation=1):
        return conv_views(x, w, b, stride, pad, dilation)


def closure(function):
    """The function with its result kept in a variable outside, as a student who debugs may have it."""
    seen = []

    def answer(*args, **kwargs):
        seen.append(function(*args, **kwargs))
        return seen[-1]

    return answer


def columns_by_kernel(x, kh, kw, stride=1, pad=0):
    n, c, height, width = x.shape
    oh, ow = _size(height, kh, stride, pad), _size(width, kw, stride, pad)
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = np.empty((c, kh, kw, n, oh, ow), x.dtype)
    for p in range(kh):
        for q in range(kw):
            seen = x[:, :, p : p + stride * (oh - 1) + 1 : stride, q : q + stride * (ow - 1) + 1 : stride]
            cols[:, p, q] = seen.swapaxes(0, 1)
    return cols.reshape(c * kh * kw, -1)


def columns_by_window(x, kh, kw, stride=1, pad=0):
    n, c, height, width = x.shape
    oh, ow = _size(height, kh, stride, pad), _size(width, kw, stride, pad)
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = np.zeros((c * kh * kw, n, oh * ow), x.dtype)
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride, j * stride
            cols[:, :, i * ow + j] = x[:, :, top : top + kh, left : left + kw].reshape(n, -1).T
    return cols.reshape(c * kh * kw, -1)


def columns_by_view(x, kh, kw, stride=1, pad=0):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(x, (kh, kw), axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * kh * kw, -1)


def columns_by_index(x, kh, kw, stride=1, pad=0):
    """Fancy indexing, as CS231n's helper does it."""
    _, c, height, width = x.shape
    oh, ow = _size(height, kh, stride, pad), _size(width, kw, stride, pad)
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    channel, p, q = (a.reshape(-1, 1) for a in np.indices((c, kh, kw)))
    i, j = (stride * a.reshape(1, -1) for a in np.indices((oh, ow)))
    return np.concatenate(list(x[:, channel, p + i, q + j]), axis=1)


def columns_torch(x, kh, kw, stride=1, pad=0):
    try:
        cols = F.unfold(torch.tensor(x), (kh, kw), padding=pad, stride=stride)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return torch.cat(list(cols), dim=1).numpy()


def _product(columns):
    def conv_forward(x, w, b, stride=1, pad=0):
        f, _, kh, kw = w.shape
        oh, ow = _size(x.shape[2], kh, stride, pad), _size(x.shape[3], kw, stride, pad)
        out = w.reshape(f, -1) @ columns(x, kh, kw, stride, pad) + b[:, None]
        return out.reshape(f, len(x), oh, ow).transpose(1, 0, 2, 3)

    return conv_forward


def conv_image_by_image(x, w, b, stride=1, pad=0):
    f, _, kh, kw = w.shape
    oh, ow = _size(x.shape[2], kh, stride, pad), _size(x.shape[3], kw, stride, pad)
    flat = w.reshape(f, -1)
    return np.stack(
        [(flat @ columns_by_kernel(a[None], kh, kw, stride, pad) + b[:, None]).reshape(f, oh, ow) for a in x]
    )


def mix_einsum(x, w, b):
    return np.einsum("fc,nchw->nfhw", w, x) + b[None, :, None, None]


def mix_matmul(x, w, b):
    n, c, h, width = x.shape
    return (w @ x.reshape(n, c, -1) + b[:, None]).reshape(n, -1, h, width)


def mix_last(x, w, b):
    return np.moveaxis(np.moveaxis(x, 1, -1) @ w.T + b, -1, 1)


def mix_pixels(x, w, b):
    n, _, h, width = x.shape
    out = np.zeros((n, len(w), h, width), x.dtype)
    for a in range(n):
        for i in range(h):
            for j in range(width):
                out[a, :, i, j] = w.dot(x[a, :, i, j]) + b
    return out


def mix_torch(x, w, b):
    return F.conv2d(torch.tensor(x), torch.tensor(w)[..., None, None], torch.tensor(b)).numpy()


def field_backwards(layers):
    """From the output back to the input: one pixel grows."""
    size = 1
    for layer in reversed(layers):
        k, stride = layer[0], layer[1]
        dilation = layer[2] if len(layer) == 3 else 1
        size = (size - 1) * stride + dilation * (k - 1) + 1
    return size


def field_summed(layers):
    total = 1
    for i, layer in enumerate(layers):
        dilation = layer[2] if len(layer) > 2 else 1
        total += (layer[0] - 1) * dilation * math.prod(s for _, s, *_ in layers[:i])
    return total


def field_traced(layers):
    """The first and last input pixel that output 0 touches."""
    last = 0
    for k, stride, *rest in layers[::-1]:
        last = last * stride + (k - 1) * (rest[0] if rest else 1)
    return np.int64(last + 1)


ANSWERS = {
    "conv_output_size": [size_counted, size_floored, size_numpy, size_torch],
    "conv_fits": [fits_counted, fits_divmod, fits_float],
    "conv_params": [params_torch, params_by_group, params_by_filter],
    "zero_pad": [pad_assigned, pad_numpy, pad_view, pad_torch],
    "conv_forward_naive": [
        conv_loops,
        conv_windows,
        conv_taps,
        conv_views,
        conv_strided,
        conv_fourier,
        conv_torch,
        LayerObject(),
        closure(conv_windows),
    ],
    "im2col": [columns_by_kernel, columns_by_window, columns_by_view, columns_by_index, columns_torch],
    "conv_forward": [
        *map(_product, (columns_by_kernel, columns_by_view, columns_by_index)),
        conv_image_by_image,
        conv_taps,
        conv_strided,
        conv_torch,
    ],
    "conv_1x1": [mix_einsum, mix_matmul, mix_last, mix_pixels, mix_torch],
    "receptive_field": [field_backwards, field_summed, field_traced],
}
