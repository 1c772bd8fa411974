"""Everything right, in whole-array NumPy."""

# %% correlate2d
def correlate2d(image, kernel):
    if kernel.shape[0] > image.shape[0] or kernel.shape[1] > image.shape[1]:
        raise ValueError(f"a kernel of {kernel.shape} does not fit into an image of {image.shape}")
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    return np.einsum("ijkl,kl->ij", windows, kernel)


# %% convolve2d
def convolve2d(image, kernel):
    return correlate2d(image, np.flip(kernel))


# %% sobel
def sobel(image):
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], image.dtype)
    gx, gy = correlate2d(image, across), correlate2d(image, across.T)
    return gx, gy, np.hypot(gx, gy)


# %% laplacian
def laplacian(image):
    return correlate2d(image, np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], image.dtype))


# %% sharpen
def sharpen(image, alpha):
    mean = correlate2d(image, np.full((3, 3), 1 / 9, image.dtype))
    inside = image[1:-1, 1:-1]
    return inside + alpha * (inside - mean)


# %% match_template
def match_template(image, template):
    if template.shape[0] > image.shape[0] or template.shape[1] > image.shape[1]:
        raise ValueError(f"a template of {template.shape} does not fit into an image of {image.shape}")
    pattern = template - template.mean()
    windows = np.lib.stride_tricks.sliding_window_view(image, template.shape)
    score = np.zeros(windows.shape[:2], image.dtype)
    for i, row in enumerate(windows):
        centred = row - row.mean((1, 2), keepdims=True)
        length = np.sqrt((centred**2).sum((1, 2)) * (pattern**2).sum())
        seen = length > 0
        score[i, seen] = (centred * pattern).sum((1, 2))[seen] / length[seen]
    return score


# %% convmtx2
def convmtx2(kernel, m, n):
    kh, kw = kernel.shape
    matrix = np.zeros(((m + kh - 1) * (n + kw - 1), m * n), kernel.dtype)
    for pixel in range(m * n):
        i, j = divmod(pixel, n)
        column = np.zeros((m + kh - 1, n + kw - 1), kernel.dtype)
        column[i : i + kh, j : j + kw] = kernel
        matrix[:, pixel] = column.ravel()
    return matrix


# %% fft_convolve2d
def fft_convolve2d(image, kernel):
    size = [a + b - 1 for a, b in zip(image.shape, kernel.shape)]
    return np.fft.irfft2(np.fft.rfft2(image, size) * np.fft.rfft2(kernel, size), size).astype(image.dtype)


# %% equivariance_error
def equivariance_error(layer, x, dy, dx):
    before = layer(np.roll(x, (dy, dx), (-2, -1)))
    after = np.roll(layer(x), (dy, dx), (-2, -1))
    return float(abs(before - after).max())
