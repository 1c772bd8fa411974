"""Types the slides in as they stand: no self in the gate, formulas that overflow, slopes of the output, Python 2."""

# %% MultiplyGate
class MultiplyGate(object):
    def forward(x,y):
        z = x*y
        self.x = x # must keep these around!
        self.y = y
        return z
    def backward(dz):
        dx = self.y * dz # [dz/dx * dL/dz]
        dy = self.x * dz # [dz/dy * dL/dz]
        return [dx, dy]

# %% numerical_gradient
def numerical_gradient(f, x, upstream=None, h=1e-5):
    x = x.astype(float)
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        moved = x.copy()
        moved[i] += h
        change = (f(moved) - f(x)) / h
        grad[i] = np.sum(change if upstream is None else change * upstream)
    return grad

# %% sigmoid
def sigmoid(z):
    """The sigmoid function."""
    return 1.0/(1.0+np.exp(-z))

# %% sigmoid_backward
def sigmoid_backward(dout, z):
    f = z
    return dout * f * (1 - f)

# %% tanh
def tanh(z):
    return (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))

# %% tanh_backward
def tanh_backward(dout, z):
    f = z
    return dout * (1 - f**2)

# %% relu_backward
def relu_backward(dout, z):
    return dout * (z >= 0)

# %% softplus
def softplus(z):
    return np.log(1 + np.exp(z))

# %% softplus_backward
def softplus_backward(dout, z):
    return dout / (1 + np.exp(-z))

# %% mlp_backprop
def mlp_backprop(weights, biases, x, y):
    nabla_b = [np.zeros(b.shape) for b in biases]
    nabla_w = [np.zeros(w.shape) for w in weights]
    # feedforward
    activation = x
    activations = [x] # list to store all the activations, layer by layer
    zs = [] # list to store all the z vectors, layer by layer
    for b, w in zip(biases, weights):
        z = np.dot(w, activation)+b
        zs.append(z)
        activation = sigmoid(z)
        activations.append(activation)
    # backward pass
    sp = sigmoid(zs[-1])*(1-sigmoid(zs[-1]))
    delta = (activations[-1]-y) * sp
    nabla_b[-1] = delta
    nabla_w[-1] = np.dot(delta, activations[-2].transpose())
    for l in xrange(2, len(weights)+1):
        sp = sigmoid(zs[-l])*(1-sigmoid(zs[-l]))
        delta = np.dot(weights[-l+1].transpose(), delta) * sp
        nabla_b[-l] = delta
        nabla_w[-l] = np.dot(delta, activations[-l-1].transpose())
    return (nabla_w, nabla_b)
