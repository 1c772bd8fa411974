"""Correct answers to unit 06: loops, masks, strided views, scipy, torch and its autograd."""

import math

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy import ndimage, special
from torch.nn import functional as F


def _sides(shape, size, stride):
    """Rows and columns of windows."""
    rows, columns = ((side - size) // stride + 1 for side in shape[2:])
    if rows < 1 or columns < 1:
        raise ValueError(f"a window of {size} does not fit into {shape[2]} x {shape[3]}")
    return rows, columns


def max_loops(x, size, stride):
    n, c = x.shape[:2]
    oh, ow = _sides(x.shape, size, stride)
    out = np.zeros((n, c, oh, ow), x.dtype)
    for a in range(n):
        for b in range(c):
            for i in range(oh):
                for j in range(ow):
                    best = x[a, b, i * stride, j * stride]
                    for p in range(size):
                        for q in range(size):
                            if x[a, b, i * stride + p, j * stride + q] > best:
                                best = x[a, b, i * stride + p, j * stride + q]
                    out[a, b, i, j] = best
    return out


def max_windows(x, size, stride):
    rows, columns = _sides(x.shape, size, stride)
    out = np.empty((*x.shape[:2], rows, columns), dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            out[:, :, i, j] = np.max(x[:, :, top : top + size, left : left + size], axis=(2, 3))
    return out


def max_views(x, size, stride):
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride].max(axis=(-2, -1))


def max_taps(x, size, stride):
    """The running maximum over the positions within a window."""
    rows, columns = _sides(x.shape, size, stride)
    out = np.full((*x.shape[:2], rows, columns), -np.inf, x.dtype)
    for p in range(size):
        for q in range(size):
            seen = x[:, :, p : p + stride * (rows - 1) + 1 : stride, q : q + stride * (columns - 1) + 1 : stride]
            np.maximum(out, seen, out=out)
    return out


def max_scipy(x, size, stride):
    rows, columns = _sides(x.shape, size, stride)
    # A filter's window is centred; the shift puts its first pixel at the origin.
    moved = ndimage.maximum_filter(x, (1, 1, size, size), origin=(0, 0, -(size // 2), -(size // 2)))
    return moved[:, :, : rows * stride : stride, : columns * stride : stride][:, :, :rows, :columns]


def max_torch(x, size, stride):
    try:
        return F.max_pool2d(torch.tensor(x), size, stride).numpy()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def max_back_loops(dout, x, size, stride):
    dx = np.zeros(x.shape, x.dtype)
    for a, b, i, j in np.ndindex(dout.shape):
        best, where = None, None
        for p in range(i * stride, i * stride + size):
            for q in range(j * stride, j * stride + size):
                if best is None or x[a, b, p, q] > best:
                    best, where = x[a, b, p, q], (a, b, p, q)
        dx[where] += dout[a, b, i, j]
    return dx


def max_back_argmax(dout, x, size, stride):
    dx = np.zeros_like(x)
    n, c, rows, columns = dout.shape
    for i in range(rows):
        for j in range(columns):
            window = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
            first = window.reshape(n, c, -1).argmax(-1)
            p, q = np.unravel_index(first, (size, size))
            a, b = np.ogrid[:n, :c]
            dx[a, b, i * stride + p, j * stride + q] += dout[:, :, i, j]
    return dx


def max_back_add_at(dout, x, size, stride):
    """All windows at once; np.add.at adds where an index comes twice."""
    n, c, rows, columns = dout.shape
    windows = sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    first = windows.reshape(n, c, rows, columns, size * size).argmax(-1)
    a, b, i, j = np.indices(dout.shape)
    dx = np.zeros(x.shape, dtype=dout.dtype)
    np.add.at(dx, (a, b, i * stride + first // size, j * stride + first % size), dout)
    return dx


def max_back_one_hot(dout, x, size, stride):
    """A mask for the first maximum, then tap by tap."""
    rows, columns = dout.shape[2:]
    windows = sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    flat = windows.reshape(*dout.shape, -1)
    mask = flat == flat.max(-1, keepdims=True)
    mask &= mask.cumsum(-1) == 1
    dx = np.zeros_like(x)
    for tap in range(size * size):
        p, q = divmod(tap, size)
        seen = dx[:, :, p : p + stride * (rows - 1) + 1 : stride, q : q + stride * (columns - 1) + 1 : stride]
        seen += mask[..., tap] * dout
    return dx


def max_back_torch(dout, x, size, stride):
    leaf = torch.tensor(x, requires_grad=True)
    F.max_pool2d(leaf, size, stride).backward(torch.tensor(dout))
    return leaf.grad.numpy()


def avg_windows(x, size, stride):
    rows, columns = _sides(x.shape, size, stride)
    out = np.zeros((*x.shape[:2], rows, columns), x.dtype)
    for a in range(x.shape[0]):
        for b in range(x.shape[1]):
            for i in range(rows):
                for j in range(columns):
                    window = x[a, b, i * stride : i * stride + size, j * stride : j * stride + size]
                    out[a, b, i, j] = sum(float(v) for v in window.flat) / size**2
    return out


def avg_views(x, size, stride):
    return np.einsum("ncijpq->ncij", sliding_window_view(x, (size, size), (2, 3))[:, :, ::stride, ::stride]) / size**2


def avg_strided(x, size, stride):
    rows, columns = _sides(x.shape, size, stride)
    sn, sc, sh, sw = x.strides
    shape, strides = (*x.shape[:2], rows, columns, size, size), (sn, sc, sh * stride, sw * stride, sh, sw)
    return np.mean(as_strided(x, shape, strides), axis=(4, 5))


def avg_integral(x, size, stride):
    """Differences of a running sum, in double precision."""
    rows, columns = _sides(x.shape, size, stride)
    total = np.pad(x.astype(np.float64).cumsum(2).cumsum(3), ((0, 0), (0, 0), (1, 0), (1, 0)))
    top, left = stride * np.arange(rows)[:, None], stride * np.arange(columns)
    box = total[:, :, top + size, left + size] - total[:, :, top, left + size]
    box += total[:, :, top, left] - total[:, :, top + size, left]
    return (box / size**2).astype(x.dtype)


def avg_torch(x, size, stride):
    try:
        return F.avg_pool2d(torch.tensor(x), size, stride).numpy()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def avg_back_windows(dout, x_shape, size, stride):
    dx = np.zeros(x_shape, dout.dtype)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            top, left = i * stride, j * stride
            dx[:, :, top : top + size, left : left + size] += dout[:, :, i, j][:, :, None, None] / (size * size)
    return dx


def avg_back_taps(dout, x_shape, size, stride):
    rows, columns = dout.shape[2:]
    dx = np.zeros(shape=x_shape, dtype=dout.dtype)
    for p in range(size):
        for q in range(size):
            dx[:, :, p : p + stride * rows : stride, q : q + stride * columns : stride][:, :, :rows, :columns] += dout
    return dx / size**2


def avg_back_matrix(dout, x_shape, size, stride):
    """The transpose of the matrix that pools one side, on either side."""

    def along(side, count):
        matrix = np.zeros((count, side), dout.dtype)
        for i in range(count):
            matrix[i, i * stride : i * stride + size] = 1 / size
        return matrix

    return along(x_shape[2], dout.shape[2]).T @ dout @ along(x_shape[3], dout.shape[3])


def avg_back_torch(dout, x_shape, size, stride):
    leaf = torch.zeros(x_shape, dtype=torch.from_numpy(dout.copy()).dtype, requires_grad=True)
    F.avg_pool2d(leaf, size, stride).backward(torch.tensor(dout))
    return leaf.grad.numpy()


def value_by_value(function):
    """A function of Python floats as one of arrays."""

    def answer(z, *args, **kwargs):
        out = np.empty(z.shape, z.dtype)
        for index in np.ndindex(z.shape):
            out[index] = function(float(z[index]), *args, **kwargs)
        return out

    return answer


def slope_by_value(derivative):
    """A derivative of Python floats as a backward pass of arrays."""

    def answer(dout, z, *args, **kwargs):
        return dout * value_by_value(derivative)(z, *args, **kwargs)

    return answer


def through_torch(function):
    def answer(z, *args, **kwargs):
        return function(torch.tensor(z), *args, **kwargs).numpy()

    return answer


def autograd(function):
    def answer(dout, z, *args, **kwargs):
        leaf = torch.tensor(z, requires_grad=True)
        function(leaf, *args, **kwargs).backward(torch.tensor(dout))
        return leaf.grad.numpy()

    return answer


def leaky_one(z, slope=0.1):
    return z if z > 0 else slope * z


def leaky_where(z, slope=0.1):
    return np.where(z > 0, z, slope * z)


def leaky_maximum(z, slope=0.1):
    """As deck b writes it."""
    return np.maximum(slope * z, z)


def leaky_masked(z, slope=0.1):
    out = z.copy()
    out[out < 0] *= slope
    return out


def leaky_torch(z, slope=0.1):
    return F.leaky_relu(z, slope)


def leaky_slope(z, slope=0.1):
    return 1.0 if z > 0 else slope


def leaky_back_where(dout, z, slope=0.1):
    return np.where(z > 0, dout, dout * slope)


def leaky_back_masked(dout, z, slope=0.1):
    dz = dout.copy()
    dz[z <= 0] *= slope
    return dz


def leaky_back_mixed(dout, z, slope=0.1):
    return (dout * (slope + (1 - slope) * (z > 0))).astype(dout.dtype)


def _in_line(a, z):
    """Slopes with an axis for each axis of z."""
    return np.reshape(a, (1, -1) + (1,) * (z.ndim - 2))


def prelu_where(z, a):
    return np.where(z > 0, z, _in_line(a, z) * z).astype(z.dtype)


def prelu_moved(z, a):
    """The channels at the end, where broadcasting finds them."""
    last = np.moveaxis(z, 1, -1)
    return np.moveaxis(np.maximum(last, 0) + a * np.minimum(last, 0), -1, 1)


def prelu_channels(z, a):
    out = np.empty_like(z)
    for channel in range(z.shape[1]):
        slope = a if np.ndim(a) == 0 else a[channel]
        plane = z[:, channel]
        out[:, channel] = np.where(plane < 0, slope * plane, plane)
    return out


def prelu_torch(z, a):
    weight = torch.tensor(np.atleast_1d(np.asarray(a, z.dtype)))
    return F.prelu(torch.tensor(z), weight).numpy()


def prelu_back_where(dout, z, a):
    positive = z > 0
    dz = np.where(positive, dout, dout * _in_line(a, z)).astype(z.dtype)
    share = np.where(positive, 0, dout * z)
    if np.ndim(a) == 0:
        return dz, float(share.sum())
    return dz, share.sum(axis=tuple(i for i in range(z.ndim) if i != 1))


def prelu_back_moved(dout, z, a):
    dout, z = np.moveaxis(dout, 1, -1), np.moveaxis(z, 1, -1)
    dz = dout * ((z > 0) + (z <= 0) * a)
    da = (dout * np.minimum(z, 0)).reshape(-1, z.shape[-1]).sum(0)
    da = da if np.ndim(a) else np.asarray(da.sum())
    return np.moveaxis(dz, -1, 1).astype(z.dtype), da


def prelu_back_loops(dout, z, a):
    dz = np.zeros_like(z)
    da = np.zeros(np.shape(a), z.dtype)
    for index in np.ndindex(z.shape):
        channel = index[1] if np.ndim(a) else ()
        slope = np.asarray(a)[channel]
        if z[index] > 0:
            dz[index] = dout[index]
        else:
            dz[index] = slope * dout[index]
            da[channel] += dout[index] * z[index]
    return dz, da


def prelu_back_torch(dout, z, a):
    leaf = torch.tensor(z, requires_grad=True)
    weight = torch.tensor(np.asarray(a, z.dtype), requires_grad=True)
    F.prelu(leaf, weight.reshape(-1)).backward(torch.tensor(dout))
    return leaf.grad.numpy(), weight.grad.numpy()


def elu_one(z, alpha=1.0):
    return z if z > 0 else alpha * math.expm1(z)


def elu_where(z, alpha=1.0):
    """The branch that is not taken overflows, and nobody looks at it."""
    return np.where(z > 0, z, alpha * (np.exp(z) - 1))


def elu_parts(z, alpha=1.0):
    return np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0))


def elu_torch(z, alpha=1.0):
    return F.elu(z, alpha)


def elu_slope(z, alpha=1.0):
    return 1.0 if z > 0 else alpha * math.exp(z)


def elu_back_where(dout, z, alpha=1.0):
    return dout * np.where(z > 0, 1, alpha * np.exp(z))


def elu_back_output(dout, z, alpha=1.0):
    """By the output: alpha (exp(z) - 1) + alpha."""
    out = elu_parts(z, alpha)
    return np.where(z > 0, dout, dout * (out + alpha)).astype(dout.dtype)


def elu_back_masked(dout, z, alpha=1.0):
    dz = np.array(dout)
    below = z <= 0
    dz[below] *= alpha * np.exp(z[below])
    return dz


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def swish_one(z):
    return z / (1 + math.exp(-z)) if z > -700 else 0.0


def swish_sigmoid(z):
    return z * _sigmoid(z)


def swish_scipy(z):
    return z * special.expit(z)


def swish_tanh(z):
    return z * 0.5 * (1 + np.tanh(0.5 * z))


def swish_slope(z):
    s = math.exp(z) / (1 + math.exp(z)) if z < 0 else 1 / (1 + math.exp(-z))
    return s + z * s * (1 - s)


def swish_back_sigmoid(dout, z):
    s = _sigmoid(z)
    return dout * (s + z * s * (1 - s))


def swish_back_output(dout, z):
    s = special.expit(z)
    out = z * s
    return dout * (out + s * (1 - out))


def swish_back_scipy(dout, z):
    return dout * special.expit(z) * (1 + z * special.expit(-z))


def maxout_reshaped(z, pieces):
    return z.reshape(len(z), -1, pieces).max(axis=2)


def maxout_loops(z, pieces):
    n, m = z.shape
    out = np.empty((n, m // pieces), z.dtype)
    for row in range(n):
        for unit in range(m // pieces):
            out[row, unit] = max(z[row, unit * pieces : (unit + 1) * pieces])
    return out


def maxout_columns(z, pieces):
    out = z[:, ::pieces]
    for piece in range(1, pieces):
        out = np.maximum(out, z[:, piece::pieces])
    return out


def maxout_reduced(z, pieces):
    return np.maximum.reduceat(z, np.arange(0, z.shape[1], pieces), axis=1)


def maxout_torch(z, pieces):
    return F.max_pool1d(z[:, None], pieces)[:, 0]


def maxout_back_argmax(dout, z, pieces):
    dz = np.zeros_like(z)
    best = z.reshape(len(z), -1, pieces).argmax(2)
    rows, units = np.indices(dout.shape)
    dz[rows, units * pieces + best] = dout
    return dz


def maxout_back_mask(dout, z, pieces):
    split = z.reshape(len(z), -1, pieces)
    return (dout[:, :, None] * (split == split.max(2, keepdims=True))).reshape(z.shape)


def maxout_back_loops(dout, z, pieces):
    dz = np.zeros(z.shape, z.dtype)
    for row, unit in np.ndindex(dout.shape):
        first = unit * pieces
        dz[row, first + int(np.argmax(z[row, first : first + pieces]))] = dout[row, unit]
    return dz


def maxout_by_reshape(z, pieces):
    return z.reshape(len(z), -1, pieces).amax(2)


def softmax_shifted(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_logs(scores):
    return np.exp(scores - special.logsumexp(scores, axis=-1, keepdims=True)).astype(scores.dtype)


def softmax_rows(scores):
    out = np.empty_like(scores)
    for index in np.ndindex(scores.shape[:-1]):
        row = [float(s) for s in scores[index]]
        e = [math.exp(s - max(row)) for s in row]
        out[index] = [value / sum(e) for value in e]
    return out


def softmax_scipy(scores):
    return special.softmax(scores, axis=-1)


def softmax_torch(scores):
    return torch.tensor(scores).softmax(-1).numpy()


def cross_entropy_logs(scores, y):
    """As CS231n does it: logarithms first."""
    rows = np.arange(len(scores))
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dscores = np.exp(logs)
    dscores[rows, y] -= 1
    return -logs[rows, y].mean(), dscores / len(scores)


def cross_entropy_one_hot(scores, y):
    n, classes = scores.shape
    target = np.eye(classes, dtype=scores.dtype)[y]
    logs = special.log_softmax(scores, axis=1)
    return float(-np.sum(np.where(target > 0, logs, 0)) / n), (np.exp(logs) - target) / n


def cross_entropy_rows(scores, y):
    total, dscores = 0.0, np.zeros_like(scores)
    for i, label in enumerate(y):
        row = [float(s) for s in scores[i]]
        top = max(row)
        log_sum = top + math.log(sum(math.exp(s - top) for s in row))
        total += log_sum - row[label]
        for j, s in enumerate(row):
            dscores[i, j] = (math.exp(s - log_sum) - (j == label)) / len(y)
    return np.asarray(total / len(y)), dscores


def _differentiated(loss):
    def answer(scores, labels, *args, **kwargs):
        leaf = torch.tensor(scores, requires_grad=True)
        value = loss(leaf, labels, *args, **kwargs)
        value.backward()
        return value.item(), leaf.grad.numpy()

    return answer


@_differentiated
def cross_entropy_torch(scores, y):
    return F.cross_entropy(scores, torch.tensor(y))


def hinge_masked(scores, y, margin=1.0):
    n = len(scores)
    rows = np.arange(n)
    margins = np.maximum(0, scores - scores[rows, y][:, None] + margin)
    margins[rows, y] = 0
    broken = (margins > 0).astype(scores.dtype)
    broken[rows, y] = -broken.sum(axis=1)
    return margins.sum() / n, broken / n


def hinge_loops(scores, y, margin=1.0):
    """CS231n's naive version."""
    n, classes = scores.shape
    loss, dscores = 0.0, np.zeros(scores.shape, scores.dtype)
    for i in range(n):
        for j in range(classes):
            if j == y[i]:
                continue
            violation = scores[i, j] - scores[i, y[i]] + margin
            if violation > 0:
                loss += violation
                dscores[i, j] += 1
                dscores[i, y[i]] -= 1
    dscores /= n
    return loss / n, dscores


def hinge_counted(scores, y, margin=1.0):
    """The true class counted, and taken off again."""
    one_hot = np.eye(scores.shape[1])[y].astype(scores.dtype)
    true = (scores * one_hot).sum(1, keepdims=True)
    violation = (scores - true + margin) * (1 - one_hot)
    pushes = (violation > 0).astype(scores.dtype)
    dscores = (pushes - one_hot * pushes.sum(1, keepdims=True)) / len(y)
    return np.maximum(violation, 0).sum(1).mean(), dscores


@_differentiated
def hinge_torch(scores, y, margin=1.0):
    index = torch.tensor(y)[:, None]
    violation = (scores - scores.gather(1, index) + margin).relu()
    return violation.scatter(1, index, 0.0).sum(1).mean()


def bce_max(scores, targets):
    loss = np.maximum(scores, 0) - scores * targets + np.log1p(np.exp(-np.abs(scores)))
    return loss.mean(), (special.expit(scores) - targets) / scores.size


def bce_logaddexp(scores, targets):
    loss = np.mean(np.logaddexp(0, scores) - targets * scores)
    return float(loss), (_sigmoid(scores) - targets) / scores.size


def bce_signed(scores, targets):
    """log(1 + exp(-m)) of the margin m = s for a label that is present and -s for one that is not."""
    sign = 2 * targets - 1
    margin = sign * scores
    loss = np.where(margin > 0, np.log1p(np.exp(-np.abs(margin))), np.log1p(np.exp(-np.abs(margin))) - margin)
    return np.mean(loss), -sign * special.expit(-margin) / loss.size


def bce_loops(scores, targets):
    total, dscores = 0.0, np.empty_like(scores)
    for index in np.ndindex(scores.shape):
        s, t = float(scores[index]), float(targets[index])
        total += max(s, 0) - s * t + math.log1p(math.exp(-abs(s)))
        p = 1 / (1 + math.exp(-s)) if s > 0 else math.exp(s) / (1 + math.exp(s))
        dscores[index] = (p - t) / scores.size
    return total / scores.size, dscores


@_differentiated
def bce_torch(scores, targets):
    return F.binary_cross_entropy_with_logits(scores, torch.tensor(targets))


@_differentiated
def bce_log_sigmoid(scores, targets):
    t = torch.tensor(targets)
    return -(t * F.logsigmoid(scores) + (1 - t) * F.logsigmoid(-scores)).mean()


ANSWERS = {
    "max_pool_forward": [max_loops, max_windows, max_views, max_taps, max_scipy, max_torch],
    "max_pool_backward": [max_back_loops, max_back_argmax, max_back_add_at, max_back_one_hot, max_back_torch],
    "avg_pool_forward": [avg_windows, avg_views, avg_strided, avg_integral, avg_torch],
    "avg_pool_backward": [avg_back_windows, avg_back_taps, avg_back_matrix, avg_back_torch],
    "leaky_relu": [value_by_value(leaky_one), leaky_where, leaky_maximum, leaky_masked, through_torch(leaky_torch)],
    "leaky_relu_backward": [
        slope_by_value(leaky_slope),
        leaky_back_where,
        leaky_back_masked,
        leaky_back_mixed,
        autograd(leaky_torch),
    ],
    "prelu": [prelu_where, prelu_moved, prelu_channels, prelu_torch],
    "prelu_backward": [prelu_back_where, prelu_back_moved, prelu_back_loops, prelu_back_torch],
    "elu": [value_by_value(elu_one), elu_where, elu_parts, through_torch(elu_torch)],
    "elu_backward": [
        slope_by_value(elu_slope),
        elu_back_where,
        elu_back_output,
        elu_back_masked,
        autograd(elu_torch),
    ],
    "swish": [value_by_value(swish_one), swish_sigmoid, swish_scipy, swish_tanh, through_torch(F.silu)],
    "swish_backward": [
        slope_by_value(swish_slope),
        swish_back_sigmoid,
        swish_back_output,
        swish_back_scipy,
        autograd(F.silu),
    ],
    "maxout": [maxout_reshaped, maxout_loops, maxout_columns, maxout_reduced, through_torch(maxout_torch)],
    "maxout_backward": [
        maxout_back_argmax,
        maxout_back_mask,
        maxout_back_loops,
        autograd(maxout_torch),
        autograd(maxout_by_reshape),
    ],
    "softmax": [softmax_shifted, softmax_logs, softmax_rows, softmax_scipy, softmax_torch],
    "softmax_loss": [cross_entropy_logs, cross_entropy_one_hot, cross_entropy_rows, cross_entropy_torch],
    "svm_loss": [hinge_masked, hinge_loops, hinge_counted, hinge_torch],
    "bce_with_logits": [bce_max, bce_logaddexp, bce_signed, bce_loops, bce_torch, bce_log_sigmoid],
}
