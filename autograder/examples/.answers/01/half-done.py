"""The cells are there, with slips; the second half of the unit was not begun."""

# %% tuning_curve
def tuning_curve(rf, stimuli):
    responses = np.array([max(0, (stimulus * rf).sum()) for stimulus in stimuli])
    return responses / responses.max()


# %% complex_cell
def complex_cell(patch, rf_even, rf_odd):
    return (np.sum(patch * rf_even) + np.sum(patch * rf_odd)) ** 2


# %% perceptron_step
def perceptron_step(w, x, d, lr):
    raise NotImplementedError


# %% adaline_step
def adaline_step(w, x, d, lr):
    raise NotImplementedError


# %% without s_layer

# %% c_layer
def c_layer(s, size):
    count, height, width = s.shape
    blocks = s.reshape(count, height // size, size, width // size, size)
    return blocks.max(axis=(2, 4))
