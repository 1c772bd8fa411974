"""What a model looks at, what its features are near to, and how it is prepared for other classes.

Unlike the rest of the package these take torch models and torch pictures ``image: (C, H, W)``, both on one device, and
answer with tensors there; ``nearest`` is NumPy. Models are expected in eval mode and stay as they were found.
"""

import numpy as np
import torch
from torch import nn

from cnnkit.oracle.convolution import output_size

PART = 256
"""How many covered pictures go through a model at once."""


def occlusion_map(model, image, target, size, stride):
    """The probability of class ``target`` for each place of a patch of zeros, ``(OH, OW)``.

    The patch covers ``size x size`` pixels in all channels and moves by ``stride``, as a window of a convolution does
    (Zeiler and Fergus, 2014).

    Raises:
        ValueError: where the patch is larger than the picture.
    """
    oh, ow = output_size(image.shape, (size, size), stride)
    rows, columns = (torch.arange(n, device=image.device) for n in image.shape[1:])
    tops, lefts = (stride * torch.arange(n, device=image.device)[:, None] for n in (oh, ow))
    # Which rows each of the patch's places covers, (OH, H), and which columns, (OW, W).
    covers = ((tops <= rows) & (rows < tops + size)), ((lefts <= columns) & (columns < lefts + size))
    covered = (covers[0][:, None, :, None] & covers[1][None, :, None, :]).reshape(oh * ow, 1, *image.shape[1:])
    with torch.no_grad():
        scores = torch.cat([model(image * ~part) for part in covered.split(PART)])
    return scores.softmax(1)[:, target].reshape(oh, ow)


def saliency(model, image, target):
    """How much each pixel moves the score of class ``target``, ``(H, W)``.

    It is the largest absolute gradient among the pixel's channels. The score is the model's output for the class,
    before any softmax (Simonyan, Vedaldi and Zisserman, 2013).
    """
    leaf = image.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf[None])[0, target], leaf)
    return gradient.abs().amax(0)


def grad_cam(model, layer, image, target):
    """Where a layer saw what speaks for class ``target``, ``(h, w)`` as the layer's maps have it.

    Each map is weighted by the mean over its pixels of the gradient of the class's score; the sum is rectified
    (Selvaraju et al., 2017).

    Args:
        layer: name of a submodule whose output is ``(1, K, h, w)``, "features.3".
    """
    maps, gradient = maps_and_gradient(model, layer, image, lambda scores: scores[0, target])
    return (gradient.mean((1, 2), keepdim=True) * maps).sum(0).relu()


def maps_and_gradient(model, layer, image, read):
    """A layer's output, and the gradient in it of what ``read`` makes of the scores, ``(K, h, w)`` each."""
    kept = []
    hook = model.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    try:
        # With a picture that wants its gradient, this works for a model whose parameters are all frozen, too.
        number = read(model(image.detach()[None].requires_grad_()))
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(number, kept)
    return kept[0][0].detach(), gradient[0]


def nearest(features, query, k):
    """Indices of the ``k`` rows nearest to row ``query``, which is not among them, the nearest first: ``(k,)`` int64.

    Args:
        features: ``(n, d)``; the distance is Euclid's.
    """
    distances = np.linalg.norm(features - features[query], axis=1)
    distances[query] = np.inf
    return np.argsort(distances, kind="stable")[:k]


def freeze_backbone(model, head):
    """Let only the submodule called ``head`` learn; returns the model.

    The running statistics of the batch norms outside the head stay as they are, after ``model.train()``, too: these
    modules stay in eval mode.
    """
    own = set(model.get_submodule(head).modules())
    for module in model.modules():
        if module not in own:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
                module.train = lambda mode=True, module=module: module
    for parameter in model.get_submodule(head).parameters():
        parameter.requires_grad_()
    return model


def replace_head(model, head, n_classes):
    """Put a new linear layer for ``n_classes`` in the place of the one called ``head``; returns the model."""
    parent, _, name = head.rpartition(".")
    old = model.get_submodule(head)
    new = nn.Linear(old.in_features, n_classes, device=old.weight.device, dtype=old.weight.dtype)
    setattr(model.get_submodule(parent), name, new)
    return model
