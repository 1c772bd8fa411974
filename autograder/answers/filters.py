"""Correct answers to unit 02: loops, slices, windows as views, running sums, Fourier transforms, SciPy, torch."""

import math

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy import linalg, ndimage, signal
from torch.nn import functional as F


def must_fit(image, kh, kw):
    if image.shape[0] < kh or image.shape[1] < kw:
        raise ValueError(f"a window of {kh} x {kw} does not fit into {image.shape[0]} x {image.shape[1]}")


def correlate_in_loops(image, kernel):
    (h, w), (kh, kw) = image.shape, kernel.shape
    must_fit(image, kh, kw)
    out = np.empty((h - kh + 1, w - kw + 1), image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = sum(image[i + p, j + q] * kernel[p, q] for p in range(kh) for q in range(kw))
    return out


def correlate_by_windows(image, kernel):
    return np.einsum("ijkl,kl->ij", sliding_window_view(image, kernel.shape), kernel)


def correlate_by_shifts(image, kernel):
    rows, columns = (n - k + 1 for n, k in zip(image.shape, kernel.shape, strict=True))
    if min(rows, columns) <= 0:
        raise ValueError(f"{kernel.shape} does not fit into {image.shape}")
    out = np.zeros_like(image, shape=(rows, columns))
    for (p, q), weight in np.ndenumerate(kernel):
        out += weight * image[p : p + rows, q : q + columns]
    return out


def correlate_scipy(image, kernel):
    must_fit(image, *kernel.shape)
    return signal.correlate2d(image, kernel, mode="valid")


def correlate_torch(image, kernel):
    must_fit(image, *kernel.shape)
    as_tensor = lambda a: torch.tensor(np.array(a, order="C"))[None, None]
    return F.conv2d(as_tensor(image), as_tensor(kernel))[0, 0].numpy()


def convolve_in_loops(image, kernel):
    (h, w), (kh, kw) = image.shape, kernel.shape
    must_fit(image, kh, kw)
    out = np.zeros((h - kh + 1, w - kw + 1), image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for p in range(kh):
                for q in range(kw):
                    out[i, j] += kernel[p, q] * image[i + kh - 1 - p, j + kw - 1 - q]
    return out


def convolve_by_turning(image, kernel):
    return correlate_by_windows(image, np.rot90(kernel, 2))


def convolve_by_copies(image, kernel):
    """Every pixel lays down a copy of the kernel; then the frame is cut off."""
    must_fit(image, *kernel.shape)
    full = full_by_copies(image, kernel)
    return full[kernel.shape[0] - 1 : image.shape[0], kernel.shape[1] - 1 : image.shape[1]]


def convolve_scipy(image, kernel):
    must_fit(image, *kernel.shape)
    return signal.convolve2d(image, kernel, mode="valid")


def convolve_torch(image, kernel):
    return correlate_torch(image, kernel[::-1, ::-1])


def sobel_by_slices(image):
    must_fit(image, 3, 3)
    right = image[:, 2:] - image[:, :-2]
    gx = right[:-2] + 2 * right[1:-1] + right[2:]
    down = image[2:] - image[:-2]
    gy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    return gx, gy, np.sqrt(gx**2 + gy**2)


def sobel_in_loops(image):
    must_fit(image, 3, 3)
    gx = np.zeros((image.shape[0] - 2, image.shape[1] - 2), image.dtype)
    gy, magnitude = gx.copy(), gx.copy()
    for i in range(gx.shape[0]):
        for j in range(gx.shape[1]):
            (a, b, c), (d, _, f), (g, h, k) = image[i : i + 3, j : j + 3].tolist()
            gx[i, j] = (c + 2 * f + k) - (a + 2 * d + g)
            gy[i, j] = (g + 2 * h + k) - (a + 2 * b + c)
            magnitude[i, j] = math.sqrt(gx[i, j] ** 2 + gy[i, j] ** 2)
    return gx, gy, magnitude


def sobel_separably(image):
    must_fit(image, 3, 3)
    smooth, slope = np.array([1, 2, 1], image.dtype), np.array([1, 0, -1], image.dtype)
    along = lambda a, axis, taps: np.apply_along_axis(np.convolve, axis, a, taps, "valid")
    gx = along(along(image, 0, smooth), 1, slope)
    gy = along(along(image, 1, smooth), 0, slope)
    return [gx, gy, np.hypot(gx, gy)]


def sobel_scipy(image):
    must_fit(image, 3, 3)
    gx, gy = (ndimage.sobel(image, axis)[1:-1, 1:-1] for axis in (1, 0))
    return gx, gy, abs(gx + 1j * gy)


def laplacian_by_slices(image):
    must_fit(image, 3, 3)
    around = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    return around - 4 * image[1:-1, 1:-1]


def laplacian_as_two_differences(image):
    must_fit(image, 3, 3)
    return np.diff(image, 2, axis=0)[:, 1:-1] + np.diff(image, 2, axis=1)[1:-1]


def laplacian_in_loops(image):
    must_fit(image, 3, 3)
    out = np.zeros((image.shape[0] - 2, image.shape[1] - 2), image.dtype)
    for i in range(1, image.shape[0] - 1):
        for j in range(1, image.shape[1] - 1):
            out[i - 1, j - 1] = image[i - 1, j] + image[i + 1, j] + image[i, j - 1] + image[i, j + 1] - 4 * image[i, j]
    return out


def laplacian_scipy(image):
    must_fit(image, 3, 3)
    return ndimage.laplace(image)[1:-1, 1:-1]


def sharpen_with_one_kernel(image, alpha):
    kernel = np.full((3, 3), -alpha / 9, image.dtype)
    kernel[1, 1] += 1 + alpha
    return correlate_by_shifts(image, kernel)


def sharpen_by_running_sums(image, alpha):
    must_fit(image, 3, 3)
    box = window_sums(image, 3, 3) / 9
    inside = image[1:-1, 1:-1]
    return ((1 + alpha) * inside - alpha * box).astype(image.dtype)


def sharpen_in_loops(image, alpha):
    must_fit(image, 3, 3)
    out = image[1:-1, 1:-1].copy()
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += alpha * (out[i, j] - image[i : i + 3, j : j + 3].mean())
    return out


def sharpen_scipy(image, alpha):
    must_fit(image, 3, 3)
    return (image + alpha * (image - ndimage.uniform_filter(image, 3)))[1:-1, 1:-1]


def sharpen_torch(image, alpha):
    must_fit(image, 3, 3)
    x = torch.tensor(np.array(image, order="C"))[None]
    return (x[:, 1:-1, 1:-1] + alpha * (x[:, 1:-1, 1:-1] - F.avg_pool2d(x, 3, 1)))[0].numpy()


def window_sums(image, kh, kw):
    """The sum over each window, from running sums."""
    sums = np.pad(image, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return sums[kh:, kw:] - sums[:-kh, kw:] - sums[kh:, :-kw] + sums[:-kh, :-kw]


def match_in_loops(image, template):
    (h, w), (kh, kw) = image.shape, template.shape
    must_fit(image, kh, kw)
    t = template - template.mean()
    out = np.zeros((h - kh + 1, w - kw + 1), image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            window = image[i : i + kh, j : j + kw] - image[i : i + kh, j : j + kw].mean()
            length = math.sqrt((window**2).sum() * (t**2).sum())
            if length > 0:
                out[i, j] = (window * t).sum() / length
    return out


def match_by_windows(image, template):
    windows = sliding_window_view(image, template.shape)
    windows = windows - windows.mean((2, 3), keepdims=True)
    t = template - template.mean()
    products = np.einsum("ijkl,kl->ij", windows, t)
    return products / (np.linalg.norm(windows, axis=(2, 3)) * np.linalg.norm(t) + 1e-9)


def match_by_running_sums(image, template):
    """Wide numbers inside, then back: running sums lose digits."""
    must_fit(image, *template.shape)
    x, n = image.astype(np.float64), template.size
    t = template - template.mean(dtype=np.float64)
    squares = window_sums(x * x, *template.shape) - window_sums(x, *template.shape) ** 2 / n
    length = np.sqrt(np.maximum(squares, 0) * (t * t).sum())
    products = correlate_by_shifts(x, t)
    return np.where(length > 1e-7, products / np.where(length > 1e-7, length, 1), 0).astype(image.dtype)


def match_by_fourier(image, template):
    must_fit(image, *template.shape)
    x = image.astype(np.float64) - image.mean(dtype=np.float64)
    t = template - template.mean(dtype=np.float64)
    sums = lambda a, kernel: signal.fftconvolve(a, kernel[::-1, ::-1], mode="valid")
    ones = np.ones(t.shape)
    squares = sums(x * x, ones) - sums(x, ones) ** 2 / t.size
    score = np.zeros(squares.shape)
    lively = squares > 1e-9
    score[lively] = sums(x, t)[lively] / np.sqrt(squares[lively] * (t * t).sum())
    return score.astype(image.dtype)


def match_by_corrcoef(image, template):
    must_fit(image, *template.shape)
    windows = sliding_window_view(image, template.shape)
    out = np.zeros(windows.shape[:2], image.dtype)
    for at in np.ndindex(out.shape):
        if windows[at].std() > 0:
            out[at] = np.corrcoef(windows[at].ravel(), template.ravel())[0, 1]
    return out


def match_torch(image, template):
    must_fit(image, *template.shape)
    x, t = (torch.tensor(np.array(a, order="C")) for a in (image, template))
    columns = F.unfold(x[None, None], t.shape)[0]
    columns = F.normalize(columns - columns.mean(0), dim=0)
    score = F.normalize((t - t.mean()).ravel(), dim=0) @ columns
    return score.reshape(image.shape[0] - t.shape[0] + 1, -1).numpy()


def matrix_in_loops(kernel, m, n):
    kh, kw = kernel.shape
    out = np.zeros(((m + kh - 1) * (n + kw - 1), m * n), kernel.dtype)
    for i in range(m):
        for j in range(n):
            for p in range(kh):
                for q in range(kw):
                    out[(i + p) * (n + kw - 1) + j + q, i * n + j] = kernel[p, q]
    return out


def matrix_by_dots(kernel, m, n):
    columns = []
    for dot in np.eye(m * n, dtype=kernel.dtype):
        columns.append(full_by_copies(dot.reshape(m, n), kernel).ravel())
    return np.stack(columns, axis=1)


def matrix_by_blocks(kernel, m, n):
    """Toeplitz blocks in a Toeplitz pattern."""
    kh, kw = kernel.shape
    zeros = np.zeros(n - 1, kernel.dtype)
    blocks = [linalg.toeplitz(np.r_[row, zeros], np.r_[row[:1], zeros]) for row in kernel]
    out = np.zeros((m + kh - 1, n + kw - 1, m, n), kernel.dtype)
    for i in range(m):
        for k in range(kh):
            out[i + k, :, i] = blocks[k]
    return out.reshape(-1, m * n)


def matrix_by_index(kernel, m, n):
    kh, kw = kernel.shape
    row, column, i, j = np.ogrid[: m + kh - 1, : n + kw - 1, :m, :n]
    p, q = row - i, column - j
    inside = (p >= 0) & (p < kh) & (q >= 0) & (q < kw)
    return np.where(inside, kernel[p.clip(0, kh - 1), q.clip(0, kw - 1)], kernel.dtype.type(0)).reshape(-1, m * n)


def full_by_copies(image, kernel):
    out = np.zeros([n + k - 1 for n, k in zip(image.shape, kernel.shape, strict=True)], image.dtype)
    for (i, j), value in np.ndenumerate(image):
        out[i : i + kernel.shape[0], j : j + kernel.shape[1]] += value * kernel
    return out


def fourier_real(image, kernel):
    size = [n + k - 1 for n, k in zip(image.shape, kernel.shape, strict=True)]
    out = np.fft.irfft2(np.fft.rfft2(image, size) * np.fft.rfft2(kernel, size), size)
    return out.astype(image.dtype)


def fourier_complex(image, kernel):
    h, w = image.shape[0] + kernel.shape[0] - 1, image.shape[1] + kernel.shape[1] - 1
    a, b = np.zeros((h, w)), np.zeros((h, w))
    a[: image.shape[0], : image.shape[1]] = image
    b[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.real(np.fft.ifft2(np.fft.fft2(a) * np.fft.fft2(b))).astype(image.dtype)


def fourier_power_of_two(image, kernel):
    h, w = image.shape[0] + kernel.shape[0] - 1, image.shape[1] + kernel.shape[1] - 1
    size = [1 << (side - 1).bit_length() for side in (h, w)]
    return np.fft.ifft2(np.fft.fft2(image, size) * np.fft.fft2(kernel, size)).real[:h, :w].astype(image.dtype)


def fourier_scipy(image, kernel):
    return signal.fftconvolve(image, kernel)


def fourier_torch(image, kernel):
    size = [n + k - 1 for n, k in zip(image.shape, kernel.shape, strict=True)]
    spectra = [torch.fft.rfft2(torch.tensor(np.array(a, order="C")), s=size) for a in (image, kernel)]
    return torch.fft.irfft2(spectra[0] * spectra[1], s=size).numpy()


def error_by_roll(layer, x, dy, dx):
    shifted = layer(np.roll(x, (dy, dx), axis=(2, 3)))
    return np.abs(shifted - np.roll(layer(x), (dy, dx), axis=(2, 3))).max()


def error_axis_by_axis(layer, x, dy, dx):
    def move(a):
        return np.roll(np.roll(a, dy, axis=-2), dx, axis=-1)

    return float(np.max(np.abs(move(layer(x)) - layer(move(x)))))


def error_by_index(layer, x, dy, dx):
    def move(a):
        rows, columns = np.arange(a.shape[-2]) - dy, np.arange(a.shape[-1]) - dx
        return a.take(rows, axis=-2, mode="wrap").take(columns, axis=-1, mode="wrap")

    return max(abs(float(d)) for d in (layer(move(x)) - move(layer(x))).flat)


def error_torch(layer, x, dy, dx):
    roll = lambda a: torch.roll(torch.tensor(np.array(a, order="C")), (dy, dx), (2, 3))
    return (torch.tensor(layer(roll(x).numpy())) - roll(layer(x))).abs().max().item()


def correlate_strided(image, kernel):
    must_fit(image, *kernel.shape)
    room = [n - k + 1 for n, k in zip(image.shape, kernel.shape, strict=True)]
    windows = as_strided(image, (*room, *kernel.shape), image.strides * 2)
    return np.tensordot(windows, kernel, axes=2)


ANSWERS = {
    "correlate2d": [
        correlate_in_loops,
        correlate_by_windows,
        correlate_by_shifts,
        correlate_strided,
        correlate_scipy,
        correlate_torch,
    ],
    "convolve2d": [convolve_in_loops, convolve_by_turning, convolve_by_copies, convolve_scipy, convolve_torch],
    "sobel": [sobel_by_slices, sobel_in_loops, sobel_separably, sobel_scipy],
    "laplacian": [laplacian_by_slices, laplacian_as_two_differences, laplacian_in_loops, laplacian_scipy],
    "sharpen": [
        sharpen_with_one_kernel,
        sharpen_by_running_sums,
        sharpen_in_loops,
        sharpen_scipy,
        sharpen_torch,
    ],
    "match_template": [
        match_in_loops,
        match_by_windows,
        match_by_running_sums,
        match_by_fourier,
        match_by_corrcoef,
        match_torch,
    ],
    "convmtx2": [matrix_in_loops, matrix_by_dots, matrix_by_blocks, matrix_by_index],
    "fft_convolve2d": [fourier_real, fourier_complex, fourier_power_of_two, fourier_scipy, fourier_torch],
    "equivariance_error": [error_by_roll, error_axis_by_axis, error_by_index, error_torch],
}
