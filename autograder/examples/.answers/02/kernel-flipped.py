"""Mixes up correlation and convolution, and what follows from it; takes the Fourier formula as it is printed."""

# %% correlate2d
def correlate2d(image, kernel):
    rows, columns = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    if rows < 1 or columns < 1:
        raise ValueError(f"{kernel.shape} does not fit into {image.shape}")
    flipped = kernel[::-1, ::-1]
    out = np.zeros((rows, columns), image.dtype)
    for i in range(rows):
        for j in range(columns):
            out[i, j] = np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * flipped)
    return out


# %% convolve2d
def convolve2d(image, kernel):
    return correlate2d(image, kernel[::-1, ::-1])


# %% sobel
def sobel(image):
    sx = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], image.dtype)
    sy = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], image.dtype)
    gx, gy = convolve2d(image, sx), convolve2d(image, sy)
    return gx, gy, np.sqrt(gx**2 + gy**2)


# %% convmtx2
def convmtx2(kernel, m, n):
    kh, kw = kernel.shape
    T = np.zeros((m + kh - 1, n + kw - 1, m, n), kernel.dtype)
    for i in range(m):
        for j in range(n):
            T[i : i + kh, j : j + kw, i, j] = kernel[::-1, ::-1]
    return T.reshape((m + kh - 1) * (n + kw - 1), m * n)


# %% fft_convolve2d
def fft_convolve2d(image, kernel):
    spectrum = np.fft.fft2(image) * np.fft.fft2(kernel, image.shape)
    return np.real(np.fft.ifft2(spectrum)).astype(image.dtype)
