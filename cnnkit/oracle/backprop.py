"""Gates, gradients by differences, the first non-linearities, linear layers, and a network of them."""

import numpy as np
import torch
from torch.nn import functional as F

from cnnkit.oracle.tensors import array, gradients, tensor


class Gate:
    """A node of a computational graph with two inputs of one shape, numbers or arrays."""

    operation = None
    """What it computes, in torch."""

    def forward(self, x, y):
        """The operation's result; the inputs are kept for ``backward``."""
        self.inputs = x, y
        return array(type(self).operation(tensor(x), tensor(y)), x)

    def backward(self, dz):
        """Gradients ``(dx, dy)`` for the upstream gradient ``dz``, at the inputs of the last ``forward``."""
        return gradients(type(self).operation, dz, *self.inputs)


class MultiplyGate(Gate):
    """``z = x y``."""

    operation = torch.mul


class AddGate(Gate):
    """``z = x + y``."""

    operation = torch.add


def numerical_gradient(f, x, upstream=None, h=1e-5):
    """Central differences of ``f``, contracted with ``upstream``.

    Args:
        f: from an array of the shape of x to a number or an array.
        x: where to differentiate, float64 or integer; f gets float64.
        upstream: gradient in what f returns, of its shape; None for ones.
        h: half the distance between the two points that are compared.

    Returns:
        float64, shape of ``x``.
    """
    x = np.array(x, np.float64)
    steps = h * torch.eye(x.size, dtype=torch.float64).reshape(-1, *x.shape).numpy()
    rises = torch.from_numpy(np.array([f(x + step) - f(x - step) for step in steps])).reshape(x.size, -1)
    shares = torch.ones(rises.shape[1]) if upstream is None else tensor(upstream, "cpu").flatten()
    return (rises @ shares.double() / (2 * h)).reshape(x.shape).numpy()


def relative_error(a, b, device=None):
    """The largest of ``|a - b| / max(1e-12, |a| + |b|)``, element by element: a float."""
    a_, b_ = tensor(a, device), tensor(b, device)
    return ((a_ - b_).abs() / (a_.abs() + b_.abs()).clamp(min=1e-12)).max().item()


def sigmoid(z, device=None):
    """``1 / (1 + exp(-z))``."""
    return array(torch.sigmoid(tensor(z, device)), z)


def sigmoid_backward(dout, z, device=None):
    """Gradient in ``z``."""
    return gradients(torch.sigmoid, dout, z, device=device)[0]


def tanh(z, device=None):
    """Hyperbolic tangent."""
    return array(torch.tanh(tensor(z, device)), z)


def tanh_backward(dout, z, device=None):
    """Gradient in ``z``."""
    return gradients(torch.tanh, dout, z, device=device)[0]


def relu(z, device=None):
    """``z`` above zero and 0 below."""
    return array(F.relu(tensor(z, device)), z)


def relu_backward(dout, z, device=None):
    """Gradient in ``z``; at 0 the derivative is 0."""
    return gradients(F.relu, dout, z, device=device)[0]


def softplus(z, device=None):
    """``log(1 + exp(z))``."""
    return array(_softplus(tensor(z, device)), z)


def softplus_backward(dout, z, device=None):
    """Gradient in ``z``."""
    return gradients(_softplus, dout, z, device=device)[0]


def _softplus(z):
    return F.softplus(z, threshold=40)  # above it, torch takes z itself: exp(-40) is less than float64 resolves


def linear_forward(x, w, b, device=None):
    """A fully connected layer: ``x (N, D)``, ``w (D, M)``, ``b (M,)`` to ``(N, M)``."""
    return array(_linear(*(tensor(a, device) for a in (x, w, b))), x)


def linear_backward(dout, x, w, device=None):
    """Gradients ``(dx, dw, db)`` of ``linear_forward``."""
    b = np.zeros(w.shape[1], w.dtype)
    return gradients(_linear, dout, x, w, b, device=device)


def _linear(x, w, b):
    return F.linear(x, w.T, b)


def mlp_backprop(weights, biases, x, y, device=None):
    """Gradients of ``1/2 |a - y|^2`` for one example, where ``a`` is what sigmoid layers make of ``x``.

    Args:
        weights, biases: lists with ``(n_out, n_in)`` and ``(n_out, 1)`` for each layer.
        x, y: ``(n_in, 1)`` and ``(n_out, 1)``.

    Returns:
        ``(dweights, dbiases)``, lists like the arguments.
    """
    target = tensor(y, device)

    def cost(*parameters):
        a = tensor(x, device)
        for w, b in zip(parameters[: len(weights)], parameters[len(weights) :], strict=True):
            a = torch.sigmoid(w @ a + b)
        return (a - target).square().sum() / 2

    found = gradients(cost, np.float64(1), *weights, *biases, device=device)
    return list(found[: len(weights)]), list(found[len(weights) :])
