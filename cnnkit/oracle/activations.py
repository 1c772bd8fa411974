"""Non-linearities after ReLU, and their gradients; arrays of any shape unless stated otherwise."""

import numpy as np
from torch.nn import functional as F

from cnnkit.oracle.tensors import array, gradients, tensor


def leaky_relu(z, slope=0.1, device=None):
    """``z`` above zero and ``slope z`` below."""
    return array(F.leaky_relu(tensor(z, device), slope), z)


def leaky_relu_backward(dout, z, slope=0.1, device=None):
    """Gradient in ``z``; at 0 the derivative is ``slope``."""
    return gradients(lambda z: F.leaky_relu(z, slope), dout, z, device=device)[0]


def prelu(z, a, device=None):
    """``z`` above zero and ``a z`` below; ``a`` is a number, or ``(C,)`` along axis 1 of ``z``."""
    return array(_prelu(tensor(z, device), tensor(a, device)), z)


def prelu_backward(dout, z, a, device=None):
    """Gradients ``(dz, da)``; at 0 the derivative in ``z`` is ``a``, and ``da`` is shaped as ``a``."""
    dz, da = gradients(_prelu, dout, z, a, device=device)
    return dz, da if isinstance(a, np.ndarray) else da.item()


def elu(z, alpha=1.0, device=None):
    """``z`` above zero and ``alpha (exp(z) - 1)`` below."""
    return array(F.elu(tensor(z, device), alpha), z)


def elu_backward(dout, z, alpha=1.0, device=None):
    """Gradient in ``z``; at 0 the derivative is ``alpha``."""
    return gradients(lambda z: F.elu(z, alpha), dout, z, device=device)[0]


def swish(z, device=None):
    """``z sigmoid(z)``."""
    return array(F.silu(tensor(z, device)), z)


def swish_backward(dout, z, device=None):
    """Gradient in ``z``."""
    return gradients(F.silu, dout, z, device=device)[0]


def maxout(z, pieces, device=None):
    """The maximum of each ``pieces`` consecutive columns of ``z (N, M)``.

    Returns:
        ``(N, M / pieces)``.

    Raises:
        ValueError: where ``pieces`` does not divide ``M``.
    """
    return array(_maxout(z.shape, pieces)(tensor(z, device)), z)


def maxout_backward(dout, z, pieces, device=None):
    """Gradient in ``z (N, M)``: the largest piece gets all of it."""
    return gradients(_maxout(z.shape, pieces), dout, z, device=device)[0]


def _prelu(z, a):
    return F.prelu(z, a.reshape(-1))


def _maxout(shape, pieces):
    if shape[1] % pieces:
        raise ValueError(f"pieces={pieces} does not divide the {shape[1]} columns")
    return lambda z: z.unflatten(1, (-1, pieces)).max(2).values
