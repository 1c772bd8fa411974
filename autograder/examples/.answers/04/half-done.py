"""Some of it is right, some not begun; means for sums, and a sigmoid left out on the way back."""

# %% AddGate
class AddGate:
    def forward(self, x, y):
        return x + y

    def backward(self, dz):
        return dz / 2, dz / 2


# %% numerical_gradient
def numerical_gradient(f, x, upstream=None, h=1e-5):
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += h
        up = f(x)
        x[i] -= 2 * h
        down = f(x)
        x[i] += h
        change = (up - down) / (2 * h)
        gradient[i] = change.sum() if upstream is None else (change * upstream).sum()
    return gradient


# %% after numerical_gradient
numerical_gradient(lambda x: x**2, np.array([1.0, 2.0, 3.0]))

# %% relative_error
def relative_error(a, b):
    return np.max(np.abs(a - b) / (np.abs(a) + np.abs(b)))


# %% relu
def relu(z):
    z[z < 0] = 0
    return z


# %% softplus
def softplus(z):
    raise NotImplementedError("not written yet")


# %% without softplus_backward

# %% linear_backward
def linear_backward(dout, x, w):
    return dout @ w.T, x.T @ dout, dout.mean(axis=0)


# %% mlp_backprop
def mlp_backprop(weights, biases, x, y):
    activations = [x]
    zs = []
    for w, b in zip(weights, biases):
        zs.append(w @ activations[-1] + b)
        activations.append(sigmoid(zs[-1]))
    delta = activations[-1] - y
    dweights = [None] * len(weights)
    dbiases = [None] * len(weights)
    for l in range(len(weights) - 1, -1, -1):
        dbiases[l] = delta
        dweights[l] = delta @ activations[l].T
        if l > 0:
            delta = sigmoid_backward(weights[l].T @ delta, zs[l - 1])
    return dweights, dbiases
