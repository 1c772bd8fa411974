"""Correct answers to unit 05: loops, einsum, strided views, fancy indices, sparse matrices, Fourier, torch."""

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy import signal, sparse
from torch.nn import functional as F

from autograder.answers.conv_forward import columns_by_index, columns_by_kernel, columns_by_view


def biases_by_axes(dout):
    return dout.sum(axis=(0, 2, 3))


def biases_in_loops(dout):
    db = np.zeros(dout.shape[1], dout.dtype)
    for image in dout:
        for f, one_map in enumerate(image):
            db[f] += one_map.sum()
    return db


def biases_einsum(dout):
    return np.einsum("nfij->f", dout)


def biases_by_product(dout):
    flat = dout.swapaxes(0, 1).reshape(dout.shape[1], -1)
    return flat @ np.ones(flat.shape[1], dout.dtype)


def biases_torch(dout):
    return torch.tensor(dout).sum((0, 2, 3)).numpy()


def _pad(x, pad):
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def filters_in_loops(x, dout, kh, kw, stride=1, pad=0):
    """Single products, and no padded copy: indices outside the image are skipped."""
    n, c, height, width = x.shape
    f, oh, ow = dout.shape[1:]
    dw = np.zeros((f, c, kh, kw), x.dtype)
    for g, ch, p, q in np.ndindex(dw.shape):
        total = 0.0
        for i in range(oh):
            for j in range(ow):
                row, col = i * stride + p - pad, j * stride + q - pad
                if 0 <= row < height and 0 <= col < width:
                    total += sum(float(x[a, ch, row, col]) * float(dout[a, g, i, j]) for a in range(n))
        dw[g, ch, p, q] = total
    return dw


def filters_by_window(x, dout, kh, kw, stride=1, pad=0):
    x = _pad(x, pad)
    n, f, oh, ow = dout.shape
    dw = np.zeros((f, x.shape[1], kh, kw), x.dtype)
    for a in range(n):
        for i in range(oh):
            for j in range(ow):
                window = x[a, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
                for g in range(f):
                    dw[g] += dout[a, g, i, j] * window
    return dw


def filters_by_position(x, dout, kh, kw, stride=1, pad=0):
    x = _pad(x, pad)
    oh, ow = dout.shape[2:]
    dw = np.empty((dout.shape[1], x.shape[1], kh, kw), x.dtype)
    for p in range(kh):
        for q in range(kw):
            met = x[:, :, p : p + stride * oh : stride, q : q + stride * ow : stride]
            dw[:, :, p, q] = np.tensordot(dout, met, axes=([0, 2, 3], [0, 2, 3]))
    return dw


def filters_by_view(x, dout, kh, kw, stride=1, pad=0):
    windows = sliding_window_view(_pad(x, pad), (kh, kw), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nfij,ncijpq->fcpq", dout, windows)


def filters_by_dilation(x, dout, kh, kw, stride=1, pad=0):
    """The padded image under a kernel as large as dout with its zeros: a correlation, as the deck has it."""
    spread = spread_by_slice(dout, stride)
    x = _pad(x, pad)[:, :, : spread.shape[2] + kh - 1, : spread.shape[3] + kw - 1]
    windows = sliding_window_view(x, spread.shape[2:], axis=(2, 3))
    return np.einsum("ncpqij,nfij->fcpq", windows, spread, optimize=True)


def filters_scipy(x, dout, kh, kw, stride=1, pad=0):
    spread = spread_by_slice(dout, stride)
    x = _pad(x, pad)[:, :, : spread.shape[2] + kh - 1, : spread.shape[3] + kw - 1]
    maps = range(dout.shape[1]), range(x.shape[1]), range(len(x))
    sums = [
        [sum(signal.correlate2d(x[a, c], spread[a, g], mode="valid") for a in maps[2]) for c in maps[1]]
        for g in maps[0]
    ]
    return np.array(sums, x.dtype)


def filters_torch(x, dout, kh, kw, stride=1, pad=0):
    w = torch.zeros(dout.shape[1], x.shape[1], kh, kw, dtype=torch.tensor(x).dtype, requires_grad=True)
    (F.conv2d(torch.tensor(x), w, stride=stride, padding=pad) * torch.tensor(dout)).sum().backward()
    return w.grad.numpy()


def spread_by_slice(dout, stride):
    n, f, oh, ow = dout.shape
    out = np.zeros((n, f, (oh - 1) * stride + 1, (ow - 1) * stride + 1), dout.dtype)
    out[:, :, ::stride, ::stride] = dout
    return out


def spread_by_kron(dout, stride):
    tile = np.zeros((stride, stride), dout.dtype)
    tile[0, 0] = 1
    out = np.kron(dout, tile[None, None])
    return out[:, :, : out.shape[2] - stride + 1, : out.shape[3] - stride + 1]


def spread_by_insert(dout, stride):
    for axis in (2, 3):
        places = np.repeat(np.arange(1, dout.shape[axis]), stride - 1)
        dout = np.insert(dout, places, 0, axis=axis)
    return dout


def spread_in_loops(dout, stride):
    """The argument itself where there is nothing to insert."""
    if stride == 1:
        return dout
    n, f, oh, ow = dout.shape
    out = np.zeros((n, f, oh * stride - stride + 1, ow * stride - stride + 1), dout.dtype)
    for i in range(oh):
        for j in range(ow):
            out[:, :, i * stride, j * stride] = dout[:, :, i, j]
    return out


def spread_torch(dout, stride):
    t = torch.tensor(dout)
    one = torch.ones(t.shape[1], 1, 1, 1, dtype=t.dtype)
    return F.conv_transpose2d(t, one, stride=stride, groups=t.shape[1]).numpy()


def input_in_loops(dout, w, x_shape, stride=1, pad=0):
    """For each pixel the windows that it lay under."""
    n, c, height, width = x_shape
    f, _, kh, kw = w.shape
    oh, ow = dout.shape[2:]
    dx = np.zeros(x_shape, dout.dtype)
    for a, ch, row, col in np.ndindex(n, c, height, width):
        total = 0.0
        for p in range(kh):
            for q in range(kw):
                i, rest_i = divmod(row + pad - p, stride)
                j, rest_j = divmod(col + pad - q, stride)
                if rest_i == 0 and rest_j == 0 and 0 <= i < oh and 0 <= j < ow:
                    total += sum(float(dout[a, g, i, j]) * float(w[g, ch, p, q]) for g in range(f))
        dx[a, ch, row, col] = total
    return dx


def input_by_window(dout, w, x_shape, stride=1, pad=0):
    n, c, height, width = x_shape
    kh, kw = w.shape[2:]
    dx = np.zeros((n, c, height + 2 * pad, width + 2 * pad), dout.dtype)
    for a in range(n):
        for g in range(len(w)):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    dx[a, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += dout[a, g, i, j] * w[g]
    return dx[:, :, pad : pad + height, pad : pad + width]


def input_by_position(dout, w, x_shape, stride=1, pad=0):
    n, c, height, width = x_shape
    kh, kw = w.shape[2:]
    oh, ow = dout.shape[2:]
    dx = np.zeros((n, c, height + 2 * pad, width + 2 * pad), dout.dtype)
    for p in range(kh):
        for q in range(kw):
            given = np.tensordot(w[:, :, p, q], dout, axes=(0, 1)).swapaxes(0, 1)
            dx[:, :, p : p + stride * oh : stride, q : q + stride * ow : stride] += given
    return dx[:, :, pad : pad + height, pad : pad + width]


def input_by_mirror(dout, w, x_shape, stride=1, pad=0):
    """The deck's way: zeros inserted, zeros around, the mirrored kernel; then the tail and the crop."""
    height, width = x_shape[2:]
    kh, kw = w.shape[2:]
    spread = spread_by_slice(dout, stride)
    tail = height + 2 * pad - kh - spread.shape[2] + 1, width + 2 * pad - kw - spread.shape[3] + 1
    around = np.pad(spread, ((0, 0), (0, 0), (kh - 1, kh - 1 + tail[0]), (kw - 1, kw - 1 + tail[1])))
    windows = sliding_window_view(around, (kh, kw), axis=(2, 3))
    dx = np.einsum("nfijpq,fcpq->ncij", windows, w[:, :, ::-1, ::-1])
    return dx[:, :, pad : pad + height, pad : pad + width]


def input_scipy(dout, w, x_shape, stride=1, pad=0):
    """A true convolution turns the kernel by itself."""
    n, c, height, width = x_shape
    spread = spread_by_slice(dout, stride)
    dx = np.zeros((n, c, height + 2 * pad, width + 2 * pad), dout.dtype)
    for a in range(n):
        for ch in range(c):
            full = sum(signal.fftconvolve(spread[a, g], w[g, ch], mode="full") for g in range(len(w)))
            dx[a, ch, : full.shape[0], : full.shape[1]] = full
    return dx[:, :, pad : pad + height, pad : pad + width]


def input_by_matrix(dout, w, x_shape, stride=1, pad=0):
    """The layer as a dense matrix, column by column from unit images, and its transpose."""
    n, c, height, width = x_shape
    units = np.eye(c * height * width, dtype=dout.dtype).reshape(-1, c, height, width)
    matrix = np.zeros((len(units), dout[0].size), dout.dtype)
    kh, kw = w.shape[2:]
    for number, unit in enumerate(_pad(units, pad)):
        windows = sliding_window_view(unit, (kh, kw), axis=(1, 2))[:, ::stride, ::stride]
        matrix[number] = np.einsum("cijpq,fcpq->fij", windows, w).ravel()
    return (dout.reshape(n, -1) @ matrix.T).reshape(x_shape)


def input_torch(dout, w, x_shape, stride=1, pad=0):
    return torch.nn.grad.conv2d_input(x_shape, torch.tensor(w), torch.tensor(dout), stride, pad).numpy()


def input_transposed(dout, w, x_shape, stride=1, pad=0):
    """torch's transposed convolution, which has a name for the tail."""
    tail = [(n + 2 * pad - k) % stride for n, k in zip(x_shape[2:], w.shape[2:], strict=True)]
    return F.conv_transpose2d(
        torch.tensor(dout), torch.tensor(w), stride=stride, padding=pad, output_padding=tuple(tail)
    ).numpy()


def _size(x_shape, kh, kw, stride, pad):
    return (x_shape[2] + 2 * pad - kh) // stride + 1, (x_shape[3] + 2 * pad - kw) // stride + 1


def images_by_position(cols, x_shape, kh, kw, stride=1, pad=0):
    n, c, height, width = x_shape
    oh, ow = _size(x_shape, kh, kw, stride, pad)
    six = cols.reshape(c, kh, kw, n, oh, ow)
    x = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    for p in range(kh):
        for q in range(kw):
            x[:, :, p : p + stride * oh : stride, q : q + stride * ow : stride] += six[:, p, q].swapaxes(0, 1)
    return x[:, :, pad : pad + height, pad : pad + width]


def images_by_place(cols, x_shape, kh, kw, stride=1, pad=0):
    n, c, height, width = x_shape
    oh, ow = _size(x_shape, kh, kw, stride, pad)
    x = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    for place in range(oh * ow):
        i, j = divmod(place, ow)
        windows = cols[:, place :: oh * ow].T.reshape(n, c, kh, kw)
        x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += windows
    return x[:, :, pad : pad + height, pad : pad + width]


def images_add_at(cols, x_shape, kh, kw, stride=1, pad=0):
    """Fancy indices and np.add.at, as CS231n's helper does it."""
    n, c, height, width = x_shape
    oh, ow = _size(x_shape, kh, kw, stride, pad)
    x = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    channel, p, q = (a.reshape(-1, 1) for a in np.indices((c, kh, kw)))
    i, j = (stride * a.reshape(1, -1) for a in np.indices((oh, ow)))
    per_image = cols.reshape(c * kh * kw, n, oh * ow).transpose(1, 0, 2)
    np.add.at(x, (slice(None), channel, p + i, q + j), per_image)
    return x[:, :, pad : pad + height, pad : pad + width]


def images_by_count(cols, x_shape, kh, kw, stride=1, pad=0):
    """im2col of the pixels' numbers says where each entry goes back to."""
    n, c, height, width = x_shape
    shape = (n, c, height + 2 * pad, width + 2 * pad)
    numbers = np.arange(np.prod(shape)).reshape(shape)
    places = columns_by_kernel(numbers, kh, kw, stride)
    x = np.bincount(places.ravel(), cols.ravel(), numbers.size).astype(cols.dtype).reshape(shape)
    return x[:, :, pad : pad + height, pad : pad + width]


def images_sparse(cols, x_shape, kh, kw, stride=1, pad=0):
    """The transpose of im2col as a sparse matrix."""
    n, c, height, width = x_shape
    shape = (n, c, height + 2 * pad, width + 2 * pad)
    size = n * c * (height + 2 * pad) * (width + 2 * pad)
    places = columns_by_kernel(np.arange(size).reshape(shape), kh, kw, stride).ravel()
    matrix = sparse.csr_array((np.ones(places.size, cols.dtype), (np.arange(places.size), places)), (places.size, size))
    x = (matrix.T @ cols.ravel()).reshape(shape)
    return np.ascontiguousarray(x[:, :, pad : pad + height, pad : pad + width], cols.dtype)


def images_strided(cols, x_shape, kh, kw, stride=1, pad=0):
    """One overlapping view per kernel row; within it every window of a kernel column lands by itself."""
    n, c, height, width = x_shape
    oh, ow = _size(x_shape, kh, kw, stride, pad)
    x = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    sn, sc, sh, sw = x.strides
    windows = as_strided(x, (c, kh, kw, n, oh, ow), (sc, sh, sw, sn, sh * stride, sw * stride))
    for place in np.ndindex(kh, kw):
        windows[(slice(None), *place)] += cols.reshape(windows.shape)[(slice(None), *place)]
    return x[:, :, pad : pad + height, pad : pad + width]


def images_torch(cols, x_shape, kh, kw, stride=1, pad=0):
    n = x_shape[0]
    per_image = torch.tensor(cols).reshape(len(cols), n, -1).transpose(0, 1)
    return F.fold(per_image, x_shape[2:], (kh, kw), padding=pad, stride=stride).numpy()


def _products(to_columns, to_images):
    """The textbook's way: two matrix products and a sum."""

    def conv_backward(dout, x, w, stride=1, pad=0):
        f, _, kh, kw = w.shape
        flat = dout.transpose(1, 0, 2, 3).reshape(f, -1)
        dw = (flat @ to_columns(x, kh, kw, stride, pad).T).reshape(w.shape)
        dx = to_images(w.reshape(f, -1).T @ flat, x.shape, kh, kw, stride, pad)
        return dx, dw, flat.sum(axis=1)

    return conv_backward


def gradients_image_by_image(dout, x, w, stride=1, pad=0):
    f, _, kh, kw = w.shape
    dx, dw = np.empty_like(x), np.zeros_like(w).reshape(f, -1)
    for a in range(len(x)):
        flat = dout[a].reshape(f, -1)
        dw += flat @ columns_by_view(x[a : a + 1], kh, kw, stride, pad).T
        dx[a] = images_by_position(w.reshape(f, -1).T @ flat, (1, *x.shape[1:]), kh, kw, stride, pad)[0]
    return dx, dw.reshape(w.shape), dout.sum((0, 2, 3))


def gradients_by_position(dout, x, w, stride=1, pad=0):
    """No columns at all: a small product for each kernel position."""
    kh, kw = w.shape[2:]
    dw = filters_by_position(x, dout, kh, kw, stride, pad)
    return input_by_position(dout, w, x.shape, stride, pad), dw, biases_by_axes(dout)


def gradients_einsum(dout, x, w, stride=1, pad=0):
    """einsum without its optimiser, a loop in C over single products."""
    kh, kw = w.shape[2:]
    dx = input_by_mirror(dout, w, x.shape, stride, pad)
    return [dx, filters_by_view(x, dout, kh, kw, stride, pad), biases_einsum(dout)]


def gradients_by_place(dout, x, w, stride=1, pad=0):
    """A loop over the places of the window, all images at once."""
    n, (f, c, kh, kw) = len(x), w.shape
    padded, flat = _pad(x, pad), w.reshape(f, -1)
    grown, dw = np.zeros_like(padded), np.zeros_like(flat)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            place = np.s_[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            here = dout[:, :, i, j]
            dw += here.T @ padded[place].reshape(n, -1)
            grown[place] += (here @ flat).reshape(n, c, kh, kw)
    dx = grown[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
    return dx, dw.reshape(w.shape), dout.sum(axis=(0, 2, 3))


def gradients_torch(dout, x, w, stride=1, pad=0):
    x_, w_ = (torch.tensor(a, requires_grad=True) for a in (x, w))
    b_ = torch.zeros(len(w), dtype=x_.dtype, requires_grad=True)
    F.conv2d(x_, w_, b_, stride, pad).backward(torch.tensor(dout))
    return tuple(t.grad.numpy() for t in (x_, w_, b_))


ANSWERS = {
    "conv_backward_b": [biases_by_axes, biases_in_loops, biases_einsum, biases_by_product, biases_torch],
    "conv_backward_w": [
        filters_in_loops,
        filters_by_window,
        filters_by_position,
        filters_by_view,
        filters_by_dilation,
        filters_scipy,
        filters_torch,
    ],
    "insert_zeros": [spread_by_slice, spread_by_kron, spread_by_insert, spread_in_loops, spread_torch],
    "conv_backward_x": [
        input_in_loops,
        input_by_window,
        input_by_position,
        input_by_mirror,
        input_scipy,
        input_by_matrix,
        input_torch,
        input_transposed,
    ],
    "col2im": [
        images_by_position,
        images_by_place,
        images_add_at,
        images_by_count,
        images_sparse,
        images_strided,
        images_torch,
    ],
    "conv_backward": [
        _products(columns_by_kernel, images_by_position),
        _products(columns_by_index, images_add_at),
        gradients_image_by_image,
        gradients_by_position,
        gradients_einsum,
        gradients_by_place,
        gradients_torch,
    ],
}
