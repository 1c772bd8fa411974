"""Between NumPy arrays and the tensors in which the references compute."""

import numpy as np
import torch

from cnnkit import devices


def tensor(a, device=None):
    """A NumPy array, or a number, as a tensor in the precision that the reference computes in."""
    device = devices.device(device)
    wide = torch.float32 if device.type == "mps" else torch.float64
    # A copy in C order: torch takes neither negative strides nor, without a warning, read-only memory.
    return torch.from_numpy(np.array(a, order="C")).to(device, wide)


def array(t, like):
    """A tensor as a NumPy array of the dtype of ``like``, or float64 where that is no floating type."""
    dtype = np.asarray(like).dtype
    dtype = dtype if dtype.kind == "f" else np.float64
    return t.detach().cpu().numpy().astype(dtype, copy=False)


def pair(value):
    """``(value, value)``, or a pair as it is."""
    return tuple(value) if isinstance(value, list | tuple) else (value, value)


def gradients(function, dout, *inputs, device=None):
    """Gradients of ``(function(*inputs) * dout).sum()``, by torch's autograd.

    Args:
        function: from tensors to a tensor of the shape of ``dout``.
        dout: upstream gradient.
        inputs: NumPy arrays, or numbers.

    Returns:
        A tuple with an array for each input, of its shape and dtype.
    """
    leaves = [tensor(a, device).requires_grad_() for a in inputs]
    found = torch.autograd.grad(function(*leaves), leaves, tensor(dout, device))
    return tuple(array(gradient, a) for gradient, a in zip(found, inputs, strict=True))
