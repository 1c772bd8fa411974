"""Softmax, and losses with their gradients, all of them stable at large scores."""

import numpy as np
import torch
from torch.nn import functional as F

from cnnkit import devices
from cnnkit.oracle.tensors import array, tensor


def softmax(scores, device=None):
    """Probabilities along the last axis of ``scores``."""
    return array(tensor(scores, device).softmax(-1), scores)


def softmax_loss(scores, y, device=None):
    """Cross-entropy of the softmax of ``scores (N, C)`` with the classes ``y (N,)``, whole numbers.

    Returns:
        ``(loss, dscores)``: a float, the mean over the examples, and its gradient.
    """
    return _with_gradient(lambda s: F.cross_entropy(s, _labels(y, device)), scores, device)


def svm_loss(scores, y, margin=1.0, device=None):
    """Hinge loss: the sum over the wrong classes ``j`` of ``max(0, s_j - s_y + margin)``, for ``scores (N, C)``.

    Returns:
        ``(loss, dscores)``: a float, the mean over the examples, and its gradient.
    """
    classes = scores.shape[1]  # torch takes the mean over the classes
    hinge = lambda s: classes * F.multi_margin_loss(s, _labels(y, device), margin=margin)
    return _with_gradient(hinge, scores, device)


def bce_with_logits(scores, targets, device=None):
    """Binary cross-entropy of ``sigmoid(scores)`` with ``targets``, 0 or 1, of the same shape.

    Returns:
        ``(loss, dscores)``: a float, the mean over all entries, and its gradient.
    """
    return _with_gradient(lambda s: F.binary_cross_entropy_with_logits(s, tensor(targets, device)), scores, device)


def _with_gradient(function, scores, device):
    leaf = tensor(scores, device).requires_grad_()
    loss = function(leaf)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.item(), array(gradient, scores)


def _labels(y, device):
    return torch.from_numpy(np.array(y, np.int64)).to(devices.device(device))
