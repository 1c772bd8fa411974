"""Some of it is right, some not begun; flat windows are divided by zero, and a cell of its own goes wrong."""

# %% correlate2d
def correlate2d(image, kernel):
    h, w = image.shape
    kh, kw = kernel.shape
    out = np.zeros((h - kh + 1, w - kw + 1), image.dtype)
    for i in range(h - kh + 1):
        for j in range(w - kw + 1):
            out[i, j] = (image[i : i + kh, j : j + kw] * kernel).sum()
    return out


# %% after correlate2d
# A check of my own.
correlate2d(np.eye(4), np.ones(2))

# %% laplacian
def laplacian(image):
    return correlate2d(image, np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], image.dtype))


# %% sharpen
def sharpen(image, alpha):
    inside = image[1:-1, 1:-1]
    total = correlate2d(image, np.ones((3, 3), image.dtype))
    return inside + alpha * (inside - total)


# %% match_template
def match_template(image, template):
    kh, kw = template.shape
    if kh > image.shape[0] or kw > image.shape[1]:
        raise ValueError(f"{template.shape} does not fit into {image.shape}")
    t = template - template.mean()
    out = np.zeros((image.shape[0] - kh + 1, image.shape[1] - kw + 1), image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            w = image[i : i + kh, j : j + kw] - image[i : i + kh, j : j + kw].mean()
            out[i, j] = (w * t).sum() / np.sqrt((w**2).sum() * (t**2).sum())
    return out


# %% convmtx2
def convmtx2(kernel, m, n):
    raise NotImplementedError("not written yet")


# %% without fft_convolve2d

# %% equivariance_error
def equivariance_error(layer, x, dy, dx):
    moved = np.roll(x, (dy, dx), axis=(2, 3))
    return np.max(np.abs(layer(moved) - layer(x)))
