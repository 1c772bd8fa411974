"""Correct answers to unit 04: as the lecture decks write them, by loops, einsum, scipy and torch's autograd."""

import math

import numpy as np
import torch
from scipy import special
from scipy.optimize._numdiff import approx_derivative
from torch.nn import functional as F


class MultiplyAsInTheDeck:
    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y

    def backward(self, dz):
        dx = self.y * dz
        dy = self.x * dz
        return [dx, dy]


class MultiplyByClosure:
    def forward(self, x, y):
        self.backward = lambda dz: (np.multiply(dz, y), np.multiply(dz, x))
        return np.multiply(x, y)


class MultiplyCached:
    __slots__ = ("cache",)

    def __init__(self):
        self.cache = []

    def forward(self, *inputs):
        self.cache.append(inputs)
        return math.prod(inputs)

    def backward(self, dz):
        x, y = self.cache[-1]
        return np.array([dz * y, dz * x]) if isinstance(dz, float) else (dz * y, dz * x)


class ByAutograd:
    def forward(self, x, y):
        self.leaves = [torch.tensor(np.asarray(a) * 1.0, requires_grad=True) for a in (x, y)]
        self.z = self.operation(*self.leaves)
        return self.z.detach().numpy()

    def backward(self, dz):
        dz = torch.as_tensor(np.array(dz)).to(self.z.dtype)
        return tuple(g.numpy() for g in torch.autograd.grad(self.z, self.leaves, dz, retain_graph=True))


class MultiplyByAutograd(ByAutograd):
    operation = staticmethod(torch.mul)


class AddByAutograd(ByAutograd):
    operation = staticmethod(torch.add)


class AddSimply:
    def forward(self, x, y):
        return x + y

    def backward(self, dz):
        return dz, dz


class AddInAList:
    def forward(self, x, y):
        return np.add(x, y)

    def backward(self, dz):
        return [1 * dz] * 2


class AddStatic:
    @staticmethod
    def forward(x, y):
        return sum((x, y))

    @staticmethod
    def backward(dz):
        return np.stack([dz, dz])


def differences_in_place(f, x, upstream=None, h=1e-5):
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    gradient = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        old = x[i]
        x[i] = old + h
        above = f(x)
        x[i] = old - h
        below = f(x)
        x[i] = old
        rise = (above - below) / (2 * h)
        gradient[i] = np.sum(rise if upstream is None else rise * upstream)
    return gradient


def differences_nditer(f, x, upstream=None, h=1e-5):
    """As in CS231n's gradient_check.py."""
    work = x.astype(float)
    gradient = np.zeros_like(work)
    it = np.nditer(work, flags=["multi_index"], op_flags=[["readwrite"]])
    while not it.finished:
        i = it.multi_index
        old = work[i]
        work[i] = old + h
        pos = np.array(f(work), copy=True)
        work[i] = old - h
        neg = np.array(f(work), copy=True)
        work[i] = old
        weights = 1 if upstream is None else upstream
        gradient[i] = np.sum((pos - neg) * weights) / (2 * h)
        it.iternext()
    return gradient


def differences_by_basis(f, x, upstream=None, h=1e-5):
    flat = np.asarray(x, dtype=np.float64).ravel()
    columns = []
    for e in np.eye(flat.size):
        up, down = ((flat + s * h * e).reshape(x.shape) for s in (1, -1))
        columns.append(np.ravel(np.asarray(f(up)) - np.asarray(f(down))) / h / 2)
    jacobian = np.stack(columns, axis=1)
    weights = np.ones(len(jacobian)) if upstream is None else np.ravel(upstream)
    return (weights @ jacobian).reshape(x.shape)


def differences_flat_index(f, x, upstream=None, h=1e-5):
    """One scalar function of the entry, whatever f returns."""
    total = lambda a: np.sum(f(a)) if upstream is None else np.vdot(upstream, f(a))
    gradient = np.empty(x.size)
    for k in range(x.size):
        up, down = np.array(x, dtype=float, order="C"), np.array(x, dtype=float, order="C")
        up.flat[k] += h
        down.flat[k] -= h
        gradient[k] = (total(up) - total(down)) / (up.flat[k] - down.flat[k])
    return gradient.reshape(x.shape)


def differences_scipy(f, x, upstream=None, h=1e-5):
    weights = 1.0 if upstream is None else upstream
    total = lambda flat: np.sum(weights * f(flat.reshape(x.shape)))
    return approx_derivative(total, x.ravel().astype(float), method="3-point", abs_step=h).reshape(x.shape)


def error_numpy(a, b):
    return np.max(np.abs(a - b) / np.maximum(1e-12, np.abs(a) + np.abs(b)))


def error_looped(a, b):
    worst = 0.0
    for i in np.ndindex(a.shape):
        worst = max(worst, abs(float(a[i]) - float(b[i])) / max(1e-12, abs(float(a[i])) + abs(float(b[i]))))
    return worst


def error_where(a, b):
    size = abs(a) + abs(b)
    size[size < 1e-12] = 1e-12
    return float((abs(a - b) / size).max())


def error_torch(a, b):
    a, b = torch.tensor(a), torch.tensor(b)
    return torch.div((a - b).abs(), torch.clip(a.abs() + b.abs(), min=1e-12)).amax().item()


def sigmoid_plain(z):
    """Overflows inside at -1000, and is right all the same: 1 / inf is 0."""
    return 1 / (1 + np.exp(-z))


def sigmoid_two_sided(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def sigmoid_masked(z):
    out = np.empty_like(z)
    out[z >= 0] = 1 / (1 + np.exp(-z[z >= 0]))
    out[z < 0] = np.exp(z[z < 0]) / (1 + np.exp(z[z < 0]))
    return out


def sigmoid_by_tanh(z):
    return 0.5 * (1 + np.tanh(z / 2))


def _by_torch(function):
    return lambda z: function(torch.tensor(z)).numpy()


def _grad_by_torch(function):
    def backward(dout, z):
        leaf = torch.tensor(z, requires_grad=True)
        function(leaf).backward(torch.tensor(dout))
        return leaf.grad.numpy()

    return backward


def sigmoid_slope(dout, z):
    s = sigmoid_plain(z)
    return dout * s * (1 - s)


def sigmoid_slope_symmetric(dout, z):
    return dout * sigmoid_plain(z) * sigmoid_plain(-z)


def sigmoid_slope_even(dout, z):
    e = np.exp(-abs(z))
    return dout * e / (1 + e) ** 2


def tanh_from_sigmoid(z):
    return 2 * sigmoid_plain(2 * z) - 1


def tanh_looped(z):
    return np.array([math.tanh(v) for v in z.ravel()], z.dtype).reshape(z.shape)


def tanh_slope(dout, z):
    return (1 - np.tanh(z) ** 2) * dout


def tanh_slope_cosh(dout, z):
    return dout / np.cosh(z) ** 2


def tanh_slope_factors(dout, z):
    t = tanh_from_sigmoid(z)
    return dout * (1 - t) * (1 + t)


def relu_where(z):
    return np.where(z > 0, z, np.zeros_like(z))


def relu_copied(z):
    out = z.copy()
    out[z < 0] = 0
    return out


def relu_slope_masked(dout, z):
    dz = np.array(dout, copy=True)
    dz[z <= 0] = 0
    return dz


def relu_slope_heaviside(dout, z):
    return dout * np.heaviside(z, np.zeros(1, z.dtype))


def softplus_shifted(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softplus_where(z):
    return np.where(z > 30, z, np.log(1 + np.exp(np.minimum(z, 30)))).astype(z.dtype)


def linear_loops(x, w, b):
    out = np.zeros((len(x), len(b)), x.dtype)
    for n in range(len(x)):
        for m in range(len(b)):
            out[n, m] = b[m] + sum(x[n, d] * w[d, m] for d in range(len(w)))
    return out


def linear_extended(x, w, b):
    """The bias as one more weight, of an input that is always 1."""
    return np.hstack([x, np.ones((len(x), 1), x.dtype)]) @ np.vstack([w, b])


def linear_torch(x, w, b):
    return F.linear(torch.tensor(x), torch.tensor(w).T, torch.tensor(b)).numpy()


def linear_slopes(dout, x, w):
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def linear_slopes_by_example(dout, x, w):
    dw, db = np.zeros_like(w), np.zeros(w.shape[1], w.dtype)
    dx = []
    for row, up in zip(x, dout, strict=True):
        dw += np.outer(row, up)
        db += up
        dx.append(w @ up)
    return np.array(dx), dw, db


def linear_slopes_einsum(dout, x, w):
    return np.einsum("nm,dm->nd", dout, w), np.einsum("nd,nm->dm", x, dout), np.einsum("nm->m", dout)


def linear_slopes_torch(dout, x, w):
    x, w = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    b = torch.zeros(w.shape[1], dtype=w.dtype, requires_grad=True)
    (x @ w + b).backward(torch.tensor(dout))
    return [p.grad.numpy() for p in (x, w, b)]


def backprop_nielsen(weights, biases, x, y):
    """Deck d's, in Python 3."""
    nabla_b = [np.zeros(b.shape, b.dtype) for b in biases]
    nabla_w = [np.zeros(w.shape, w.dtype) for w in weights]
    activation, activations, zs = x, [x], []
    for b, w in zip(biases, weights, strict=True):
        z = np.dot(w, activation) + b
        zs.append(z)
        activation = sigmoid_plain(z)
        activations.append(activation)
    prime = lambda z: sigmoid_plain(z) * (1 - sigmoid_plain(z))
    delta = (activations[-1] - y) * prime(zs[-1])
    nabla_b[-1] = delta
    nabla_w[-1] = np.dot(delta, activations[-2].transpose())
    for layer in range(2, len(weights) + 1):
        delta = np.dot(weights[-layer + 1].transpose(), delta) * prime(zs[-layer])
        nabla_b[-layer] = delta
        nabla_w[-layer] = np.dot(delta, activations[-layer - 1].transpose())
    return nabla_w, nabla_b


def backprop_recursive(weights, biases, x, y):
    dweights, dbiases = [], []

    def down(layer, a):
        """The gradient in ``a``, the input of a layer."""
        if layer == len(weights):
            return a - y
        out = 1 / (1 + np.exp(-(weights[layer] @ a + biases[layer])))
        delta = down(layer + 1, out) * out * (1 - out)
        dweights.insert(0, np.outer(delta, a))
        dbiases.insert(0, delta)
        return weights[layer].T @ delta

    down(0, x)
    dweights.reverse()
    dbiases.reverse()
    return dweights[::-1], dbiases[::-1]


def backprop_autograd(weights, biases, x, y):
    weights = [torch.tensor(w, requires_grad=True) for w in weights]
    biases = [torch.tensor(b, requires_grad=True) for b in biases]
    a = torch.tensor(x)
    for w, b in zip(weights, biases, strict=True):
        a = torch.sigmoid(w @ a + b)
    (0.5 * ((a - torch.tensor(y)) ** 2).sum()).backward()
    return tuple(w.grad.numpy() for w in weights), tuple(b.grad.numpy() for b in biases)


def backprop_by_layers(weights, biases, x, y):
    """From the layers of this unit, which have examples as rows."""
    rows, zs = [x.T], []
    for w, b in zip(weights, biases, strict=True):
        zs.append(rows[-1] @ w.T + b[:, 0])
        rows.append(special.expit(zs[-1]))
    d, found = rows[-1] - y.T, []
    for w, row, z in zip(weights[::-1], rows[-2::-1], zs[::-1], strict=True):
        d = d * special.expit(z) * special.expit(-z)
        d, dw, db = linear_slopes(d, row, w.T)
        found.append((dw.T, db[:, None]))
    dweights, dbiases = zip(*found[::-1], strict=True)
    return list(dweights), list(dbiases)


ANSWERS = {
    "MultiplyGate": [MultiplyAsInTheDeck, MultiplyByClosure, MultiplyCached, MultiplyByAutograd],
    "AddGate": [AddSimply, AddInAList, AddStatic, AddByAutograd],
    "numerical_gradient": [
        differences_in_place,
        differences_nditer,
        differences_by_basis,
        differences_flat_index,
        differences_scipy,
    ],
    "relative_error": [error_numpy, error_looped, error_where, error_torch],
    "sigmoid": [
        sigmoid_plain,
        sigmoid_two_sided,
        sigmoid_masked,
        sigmoid_by_tanh,
        special.expit,
        _by_torch(torch.sigmoid),
    ],
    "sigmoid_backward": [sigmoid_slope, sigmoid_slope_symmetric, sigmoid_slope_even, _grad_by_torch(torch.sigmoid)],
    "tanh": [np.tanh, tanh_from_sigmoid, tanh_looped, _by_torch(torch.tanh)],
    "tanh_backward": [tanh_slope, tanh_slope_cosh, tanh_slope_factors, _grad_by_torch(torch.tanh)],
    "relu": [lambda z: np.maximum(0, z), lambda z: z * (z > 0), relu_where, relu_copied, _by_torch(F.relu)],
    "relu_backward": [lambda dout, z: dout * (z > 0), relu_slope_masked, relu_slope_heaviside, _grad_by_torch(F.relu)],
    "softplus": [lambda z: np.logaddexp(0, z), softplus_shifted, softplus_where, _by_torch(F.softplus)],
    "softplus_backward": [
        lambda dout, z: dout * sigmoid_plain(z),
        lambda dout, z: special.expit(z) * dout,
        _grad_by_torch(F.softplus),
    ],
    "linear_forward": [lambda x, w, b: x @ w + b, linear_loops, linear_extended, linear_torch],
    "linear_backward": [linear_slopes, linear_slopes_by_example, linear_slopes_einsum, linear_slopes_torch],
    "mlp_backprop": [backprop_nielsen, backprop_recursive, backprop_autograd, backprop_by_layers],
}
