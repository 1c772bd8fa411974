"""Everything right, written in other ways than in the solutions."""

# %% simple_cell
def simple_cell(patch, rf):
    total = (rf * patch).sum()
    return total if total > 0 else 0.0


# %% tuning_curve
def tuning_curve(rf, stimuli):
    return np.einsum("nij,ij->n", stimuli, rf).clip(min=0)


# %% gabor
def gabor(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    if sigma is None:
        sigma = 0.56 * wavelength
    axis = np.linspace(-(size - 1) / 2, (size - 1) / 2, size)
    x, y = np.meshgrid(axis, axis)
    along, across = np.cos(theta) * x + np.sin(theta) * y, np.cos(theta) * y - np.sin(theta) * x
    envelope = np.exp(-0.5 * (along / sigma) ** 2) * np.exp(-0.5 * (gamma * across / sigma) ** 2)
    field = envelope * np.cos(phase + 2 * np.pi / wavelength * along)
    return field - np.mean(field)


# %% complex_cell
def complex_cell(patch, rf_even, rf_odd):
    return abs((patch * (rf_even + 1j * rf_odd)).sum()) ** 2


# %% hypercomplex_cell
def hypercomplex_cell(patch, centre, flank, k=1.0):
    c, f = np.maximum([np.vdot(patch, centre), np.vdot(patch, flank)], 0)
    return np.maximum(c - k * f, 0)


# %% connection_counts
def connection_counts(n_in, n_hidden, k):
    return n_in * n_hidden, k * n_hidden, k


# %% perceptron_step
def perceptron_step(w, x, d, lr):
    fires = np.dot(w, x) >= 0
    if fires == bool(d):
        return w
    return w + lr * x if d else w - lr * x


# %% adaline_step
def adaline_step(w, x, d, lr):
    return w - lr * (np.dot(w, x) - d) * x


# %% s_layer
def s_layer(x, templates, threshold):
    windows = np.lib.stride_tricks.sliding_window_view(x, templates.shape[1:])
    return np.maximum(np.einsum("ijkl,fkl->fij", windows, templates) - threshold, 0)


# %% c_layer
def c_layer(s, size):
    windows = np.lib.stride_tricks.sliding_window_view(s, (size, size), axis=(1, 2))
    return windows[:, ::size, ::size].max(axis=(3, 4))
