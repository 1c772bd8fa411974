"""Signs, turns and biases the wrong way round, each of them a mistake that the checks know by name."""

# %% simple_cell
def simple_cell(patch, rf):
    return abs(np.sum(patch * rf))


# %% gabor
def gabor(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    sigma = 0.56 * wavelength if sigma is None else sigma
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    theta = theta * np.pi / 180
    u = x * np.cos(theta) + y * np.sin(theta)
    v = -x * np.sin(theta) + y * np.cos(theta)
    g = np.exp(-(u**2 + gamma**2 * v**2) / 2 / sigma**2) * np.cos(2 * np.pi * u / wavelength + phase)
    return g - g.mean()


# %% connection_counts
def connection_counts(n_in, n_hidden, k):
    return (n_in + 1) * n_hidden, (k + 1) * n_hidden, k + 1


# %% perceptron_step
def perceptron_step(w, x, d, lr):
    y = 1 if w @ x >= 0 else 0
    return w + lr * (y - d) * x


# %% s_layer
def s_layer(x, templates, threshold):
    _, kh, kw = templates.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw))
    return np.maximum(np.tensordot(templates[:, ::-1, ::-1], windows, axes=((1, 2), (2, 3))) - threshold, 0)
