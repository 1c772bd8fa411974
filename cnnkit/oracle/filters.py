"""Filters on one picture: correlation, convolution, derivatives, sharpening, template matching.

A picture is ``image: (H, W)``, a filter ``kernel: (KH, KW)``. What slides a window gives the valid region,
``(H - KH + 1, W - KW + 1)``, and raises a ValueError where no window fits.
"""

import torch
from torch.nn import functional as F

from cnnkit.oracle.convolution import output_size
from cnnkit.oracle.tensors import array, tensor

SOBEL_X = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
"""Correlating with it gives the slope to the right; deck e's S_x is the same kernel flipped, to be convolved."""
LAPLACE = ((0, 1, 0), (1, -4, 1), (0, 1, 0))


def correlate2d(image, kernel, device=None):
    """Valid cross-correlation: the kernel as it is, over every window."""
    output_size(image.shape, kernel.shape)
    return array(_slide(tensor(image, device), tensor(kernel, device)), image)


def convolve2d(image, kernel, full=False, device=None):
    """True convolution, the kernel turned by 180 degrees.

    Args:
        full: whether to keep every window that touches the image, ``(H + KH - 1, W + KW - 1)``, with zeros outside;
            otherwise only those that lie inside.
    """
    if not full:
        output_size(image.shape, kernel.shape)
    kh, kw = kernel.shape
    image_ = tensor(image, device)
    framed = F.pad(image_, (kw - 1, kw - 1, kh - 1, kh - 1)) if full else image_
    return array(_slide(framed, tensor(kernel, device).flip(0, 1)), image)


def sobel(image, device=None):
    """``(gx, gy, magnitude)``: Sobel's slopes to the right and downwards, unscaled, and their Euclidean length."""
    output_size(image.shape, (3, 3))
    image_, kernel = tensor(image, device), tensor(SOBEL_X, device)
    gx, gy = _slide(image_, kernel), _slide(image_, kernel.T)
    return tuple(array(part, image) for part in (gx, gy, torch.hypot(gx, gy)))


def laplacian(image, device=None):
    """The four neighbours less four times the pixel."""
    output_size(image.shape, (3, 3))
    return array(_slide(tensor(image, device), tensor(LAPLACE, device)), image)


def sharpen(image, alpha, device=None):
    """``image + alpha (image - box3(image))`` where the mean over 3 x 3 pixels, ``box3``, is defined."""
    output_size(image.shape, (3, 3))
    image_ = tensor(image, device)
    smooth = F.avg_pool2d(image_[None, None], 3, stride=1)[0, 0]
    inside = image_[1:-1, 1:-1]
    return array(torch.lerp(inside, smooth, float(-alpha)), image)


def match_template(image, template, device=None):
    """Zero-mean normalised cross-correlation, between -1 and 1; 0 where the window or the template is flat."""
    output_size(image.shape, template.shape)
    columns = F.unfold(tensor(image, device)[None, None], template.shape)[0]
    pattern = tensor(template, device).reshape(-1, 1)
    score = F.cosine_similarity(columns - columns.mean(0), pattern - pattern.mean(), dim=0, eps=0)
    # Told by its largest and smallest value: the deviations from a mean that was rounded need not be zero.
    flat = (columns.amax(0) == columns.amin(0)) | (pattern.max() == pattern.min())
    rows = image.shape[0] - template.shape[0] + 1
    return array(torch.where(flat, torch.zeros_like(score), score).reshape(rows, -1), image)


def convmtx2(kernel, m, n, device=None):
    """The matrix ``T`` of the full true convolution of an ``m x n`` image, ``T @ image.ravel()``, row-major."""
    kh, kw = kernel.shape
    # Column j is what becomes of an image that is zero but for pixel j.
    dots = torch.eye(m * n).reshape(m * n, 1, m, n).to(tensor(kernel, device))
    turned = tensor(kernel, device).flip(0, 1)[None, None]
    return array(F.conv2d(dots, turned, padding=(kh - 1, kw - 1)).reshape(m * n, -1).T.contiguous(), kernel)


def fft_convolve2d(image, kernel, device=None):
    """The full true convolution, without a Fourier transform: a reference shares no mistakes with what it checks."""
    return convolve2d(image, kernel, full=True, device=device)


def equivariance_error(layer, x, dy, dx, device=None):
    """``max |layer(roll(x)) - roll(layer(x))|``, ``roll`` moving the last two axes around by ``dy`` and ``dx``.

    Args:
        layer: a function from ``(N, C, H, W)`` to ``(N, C', H', W')``, NumPy in and out.
    """

    def roll(a):
        return array(torch.roll(tensor(a, device), (dy, dx), (-2, -1)), a)

    return float(abs(layer(roll(x)) - roll(layer(x))).max())


def _slide(image, kernel):
    return F.conv2d(image[None, None], kernel[None, None])[0, 0]
