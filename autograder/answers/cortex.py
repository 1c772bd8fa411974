"""Correct answers to unit 01: loops, matrix products, einsum, strided views, scipy, torch."""

import math

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy import ndimage, signal
from torch.nn import functional as F

# Units that learn


def perceptron_plain(w, x, d, lr):
    y = 1 if np.dot(w, x) >= 0 else 0
    return w + lr * (d - y) * x


def perceptron_branches(w, x, d, lr):
    fires = (w * x).sum() >= 0
    if fires and not d:
        return w - lr * x
    if d and not fires:
        return w + lr * x
    return w


def perceptron_loops(w, x, d, lr):
    total = 0.0
    for wi, xi in zip(w, x, strict=True):
        total += float(wi) * float(xi)
    new = w.copy()
    for i in range(len(w)):
        new[i] += lr * (d - (total >= 0)) * x[i]
    return new


def perceptron_heaviside(w, x, d, lr):
    y = np.heaviside(w @ x, w.dtype.type(1))
    return w + w.dtype.type(lr) * (d - y) * x


def perceptron_torch(w, x, d, lr):
    w_, x_ = torch.tensor(w), torch.tensor(x)
    error = d - (w_ @ x_ >= 0).to(w_.dtype)
    return (w_ + lr * error * x_).numpy()


def perceptron_in_place(w, x, d, lr):
    """Moves the weights and puts them back."""
    old = w.copy()
    new = old.astype(np.float64)
    new += lr * (d - int(old.dot(x) >= 0)) * x.astype(np.float64)
    return new.astype(w.dtype)


def adaline_plain(w, x, d, lr):
    return w + lr * (d - w @ x) * x


def adaline_loops(w, x, d, lr):
    y = sum(float(a) * float(b) for a, b in zip(w, x, strict=True))
    return np.array([wi + lr * (d - y) * xi for wi, xi in zip(w, x, strict=True)], dtype=w.dtype)


def adaline_einsum(w, x, d, lr):
    return np.add(w, np.einsum("i,i,j->j", w, -x, x) * lr + (lr * d) * x)


def adaline_gradient(w, x, d, lr):
    """Torch's own gradient of half the squared error."""
    w_ = torch.tensor(w, requires_grad=True)
    (0.5 * (d - w_ @ torch.tensor(x)) ** 2).backward()
    return (w_ - lr * w_.grad).detach().numpy()


# Receptive fields


def gabor_meshgrid(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    if sigma is None:
        sigma = 0.56 * wavelength
    axis = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(axis, axis)
    u = x * np.cos(theta) + y * np.sin(theta)
    v = -x * np.sin(theta) + y * np.cos(theta)
    g = np.exp(-(u**2 + gamma**2 * v**2) / (2 * sigma**2)) * np.cos(2 * np.pi * u / wavelength + phase)
    return g - g.mean()


def gabor_loops(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    sigma = sigma if sigma is not None else 0.56 * wavelength
    field = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            x, y = column - (size - 1) / 2, row - (size - 1) / 2
            u = x * math.cos(theta) + y * math.sin(theta)
            v = -x * math.sin(theta) + y * math.cos(theta)
            field[row, column] = math.exp(-(u * u + gamma * gamma * v * v) / 2 / sigma**2)
            field[row, column] *= math.cos(2 * math.pi * u / wavelength + phase)
    field -= field.sum() / size**2
    return field


def gabor_complex(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    w = (x + 1j * y) * np.exp(-1j * theta)
    wave = np.exp(1j * (2 * np.pi / wavelength * w.real + phase)).real
    envelope = np.exp(-0.5 * (w.real**2 + (gamma * w.imag) ** 2) / (0.56 * wavelength if sigma is None else sigma) ** 2)
    return wave * envelope - np.mean(wave * envelope)


def gabor_torch(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    axis = torch.linspace(-(size - 1) / 2, (size - 1) / 2, size, dtype=torch.float64)
    c, s = math.cos(theta), math.sin(theta)
    u, v = axis[None] * c + axis[:, None] * s, axis[:, None] * c - axis[None] * s
    sigma = 0.56 * wavelength if sigma is None else sigma
    field = torch.exp(-(u**2) / (2 * sigma**2)) * torch.exp(-((gamma * v) ** 2) / (2 * sigma**2))
    field = field * torch.cos(u * (2 * math.pi / wavelength) + phase)
    return (field - field.mean()).numpy()


# Cells


def simple_sum(patch, rf):
    return max(0, (patch * rf).sum())


def simple_dot(patch, rf):
    return np.maximum(patch.ravel() @ rf.ravel(), 0)


def simple_loops(patch, rf):
    total = 0.0
    for i in range(patch.shape[0]):
        for j in range(patch.shape[1]):
            total += patch[i, j] * rf[i, j]
    return total if total > 0 else 0.0


def simple_trace(patch, rf):
    return float(np.trace(patch @ rf.T).clip(min=0))


def simple_correlate(patch, rf):
    """A valid correlation of arrays of one size has one value."""
    return np.fmax(signal.correlate2d(patch, rf, mode="valid"), 0)[0, 0]


def simple_torch(patch, rf):
    return F.relu((torch.tensor(patch) * torch.tensor(rf)).sum()).item()


def tuning_einsum(rf, stimuli):
    return np.einsum("nhw,hw->n", stimuli, rf).clip(0)


def tuning_loops(rf, stimuli):
    out = np.zeros(len(stimuli), dtype=stimuli.dtype)
    for i, stimulus in enumerate(stimuli):
        out[i] = simple_loops(stimulus, rf)
    return out


def tuning_list(rf, stimuli):
    return np.array([simple_sum(stimulus, rf) for stimulus in stimuli], dtype=rf.dtype)


def tuning_product(rf, stimuli):
    curve = stimuli.reshape(len(stimuli), -1) @ rf.ravel()
    curve[curve < 0] = 0
    return curve


def tuning_torch(rf, stimuli):
    return F.conv2d(torch.tensor(stimuli)[:, None], torch.tensor(rf)[None, None]).relu().flatten().numpy()


def complex_plain(patch, rf_even, rf_odd):
    return np.sum(patch * rf_even) ** 2 + np.sum(patch * rf_odd) ** 2


def complex_modulus(patch, rf_even, rf_odd):
    return abs(np.vdot(patch, rf_even + 1j * rf_odd)) ** 2


def complex_four(patch, rf_even, rf_odd):
    """Four rectified simple cells, a quarter of a wave apart."""
    return sum(simple_sum(patch, rf) ** 2 for rf in (rf_even, -rf_even, rf_odd, -rf_odd))


def complex_torch(patch, rf_even, rf_odd):
    fields = torch.stack([torch.tensor(rf_even), torch.tensor(rf_odd)])
    return float((fields * torch.tensor(patch)).sum((1, 2)).pow(2).sum())


def hypercomplex_plain(patch, centre, flank, k=1.0):
    c = max(0.0, float((patch * centre).sum()))
    f = max(0.0, float((patch * flank).sum()))
    return max(0.0, c - k * f)


def hypercomplex_arrays(patch, centre, flank, k=1.0):
    c, f = np.maximum(np.tensordot(np.stack([centre, flank]), patch), 0)
    return np.maximum(c - k * f, 0)


def hypercomplex_branches(patch, centre, flank, k=1.0):
    c, f = simple_loops(patch, centre), simple_loops(patch, flank)
    return 0 if c <= k * f else c - k * f


def hypercomplex_torch(patch, centre, flank, k=1.0):
    c, f = (F.relu(torch.vdot(torch.tensor(patch).flatten(), torch.tensor(rf).flatten())) for rf in (centre, flank))
    return F.relu(c - k * f).item()


# Connections


def connections_plain(n_in, n_hidden, k):
    return n_in * n_hidden, k * n_hidden, k


def connections_list(n_in, n_hidden, k):
    per_unit = [n_in, k]
    return [*(int(np.prod([count, n_hidden], dtype=np.int64)) for count in per_unit), k]


def connections_arrays(n_in, n_hidden, k):
    return tuple(np.array([n_in, k, k], dtype=np.int64) * np.array([n_hidden, n_hidden, 1], dtype=np.int64))


def connections_layers(n_in, n_hidden, k):
    """Layers that are built, to look how many weights they have."""
    full = torch.nn.Linear(n_in, n_hidden, bias=False)
    return full.weight.numel(), sum(np.ones(k).size for _ in range(n_hidden)), torch.nn.Conv1d(1, 1, k).weight.numel()


def connections_counted(n_in, n_hidden, k):
    full = local = 0
    for _ in range(n_hidden):
        for _ in range(n_in):
            full += 1
        local += k
    return full, local, k


# The Neocognitron


def _fits(x, templates):
    if templates.shape[1] > x.shape[0] or templates.shape[2] > x.shape[1]:
        raise ValueError(f"templates of {templates.shape[1:]} do not fit into {x.shape}")


def s_loops(x, templates, threshold):
    _fits(x, templates)
    maps, kh, kw = templates.shape
    oh, ow = x.shape[0] - kh + 1, x.shape[1] - kw + 1
    out = np.zeros((maps, oh, ow), x.dtype)
    for f in range(maps):
        for i in range(oh):
            for j in range(ow):
                out[f, i, j] = max(0, (x[i : i + kh, j : j + kw] * templates[f]).sum() - threshold)
    return out


def s_windows(x, templates, threshold):
    windows = sliding_window_view(x, templates.shape[1:])
    return np.maximum(np.einsum("ijkl,fkl->fij", windows, templates) - threshold, 0)


def s_strides(x, templates, threshold):
    _fits(x, templates)
    kh, kw = templates.shape[1:]
    shape = x.shape[0] - kh + 1, x.shape[1] - kw + 1, kh, kw
    match = np.tensordot(templates, as_strided(x, shape, x.strides * 2, writeable=False), axes=((1, 2), (2, 3)))
    return np.where(match > threshold, match - threshold, x.dtype.type(0))


def s_offsets(x, templates, threshold):
    """A loop over the few places of the template."""
    _fits(x, templates)
    maps, kh, kw = templates.shape
    oh, ow = x.shape[0] - kh + 1, x.shape[1] - kw + 1
    out = np.full((maps, oh, ow), -threshold, x.dtype)
    for k in range(kh):
        for m in range(kw):
            out += templates[:, k, m, None, None] * x[k : k + oh, m : m + ow]
    return out.clip(min=0)


def s_scipy(x, templates, threshold):
    _fits(x, templates)
    match = np.stack([signal.correlate2d(x, template, mode="valid") for template in templates])
    return (match - threshold) * (match > threshold)


def s_torch(x, templates, threshold):
    _fits(x, templates)
    match = F.conv2d(torch.tensor(x)[None, None], torch.tensor(templates)[:, None])
    return F.relu(match - threshold)[0].numpy()


def c_loops(s, size):
    maps, oh, ow = s.shape[0], s.shape[1] // size, s.shape[2] // size
    out = np.empty((maps, oh, ow), dtype=s.dtype)
    for f in range(maps):
        for i in range(oh):
            for j in range(ow):
                out[f, i, j] = s[f, i * size : (i + 1) * size, j * size : (j + 1) * size].max()
    return out


def c_reshape(s, size):
    maps, oh, ow = s.shape[0], s.shape[1] // size, s.shape[2] // size
    return s[:, : oh * size, : ow * size].reshape(maps, oh, size, ow, size).max(axis=(2, 4))


def c_slices(s, size):
    """The maximum of size times size pictures, each of which holds one place of every block."""
    oh, ow = s.shape[1] // size, s.shape[2] // size
    out = np.full((len(s), oh, ow), -np.inf, s.dtype)
    for i in range(size):
        for j in range(size):
            out = np.maximum(out, s[:, i::size, j::size][:, :oh, :ow])
    return out


def c_sorted(s, size):
    """Blocks as rows, each put in order; the last of a row is its largest."""
    blocks = sliding_window_view(s, (1, size, size))[:, ::size, ::size].reshape(
        len(s), *(n // size for n in s.shape[1:]), -1
    )
    return np.sort(blocks, axis=-1)[..., -1]


def c_filter(s, size):
    """A running maximum, of which the last place of each block is kept."""
    running = ndimage.maximum_filter(s, (1, size, size), origin=(0, (size - 1) // 2, (size - 1) // 2))
    return running[:, size - 1 :: size, size - 1 :: size]


def c_torch(s, size):
    return F.max_pool2d(torch.tensor(s)[None], size)[0].numpy()


ANSWERS = {
    "perceptron_step": [
        perceptron_plain,
        perceptron_branches,
        perceptron_loops,
        perceptron_heaviside,
        perceptron_torch,
        perceptron_in_place,
    ],
    "adaline_step": [adaline_plain, adaline_loops, adaline_einsum, adaline_gradient],
    "gabor": [gabor_meshgrid, gabor_loops, gabor_complex, gabor_torch],
    "simple_cell": [simple_sum, simple_dot, simple_loops, simple_trace, simple_correlate, simple_torch],
    "tuning_curve": [tuning_einsum, tuning_loops, tuning_list, tuning_product, tuning_torch],
    "complex_cell": [complex_plain, complex_modulus, complex_four, complex_torch],
    "hypercomplex_cell": [hypercomplex_plain, hypercomplex_arrays, hypercomplex_branches, hypercomplex_torch],
    "connection_counts": [
        connections_plain,
        connections_list,
        connections_arrays,
        connections_layers,
        connections_counted,
    ],
    "s_layer": [s_loops, s_windows, s_strides, s_offsets, s_scipy, s_torch],
    "c_layer": [c_loops, c_reshape, c_slices, c_sorted, c_filter, c_torch],
}
