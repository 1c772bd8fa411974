"""How a student's torch module is examined, whatever its style: what stands here runs beside the student's code.

A small block gets its numbers set by role and is run: ``respond``. A large network is never computed: in a ``Trace``
each of its convolutions and linear layers puts out a known pattern, and what the next one is given is written down, so
that VGG costs no more than its poolings.
"""

import functools
import itertools
import math

import numpy as np
import torch
from torch import nn

import cnnkit as ck
from cnnkit.exercises.tracing import Trace

# Building


def build(answer, *args, **kwargs):
    """The module that an answer makes, on the device in use.

    Raises:
        TypeError: where it is none.
    """
    module = answer(*args, **kwargs)
    if not isinstance(module, nn.Module):
        kind = "None (is a return missing?)" if module is None else f"of type {type(module).__name__}"
        raise TypeError(f"it should return an nn.Module; what it returns is {kind}")
    held = next(itertools.chain(module.parameters(), module.buffers()), None)
    # A tenth of a check's time goes into moving everything to where it is.
    return module if held is None or held.device == ck.device() else module.to(ck.device())


def parameters(module):
    """Its parameters that have a shape: a lazy layer has none before its first run."""
    return [p for p in module.parameters() if not nn.parameter.is_lazy(p)]


def weights(module):
    """Its weights of layers, shared ones once: not biases, and not what batch norm learns."""
    held = [(owner, p) for owner in module.modules() for p in owner.parameters(recurse=False)]
    return list({id(p): p for owner, p in held if not nn.parameter.is_lazy(p) and is_weight(owner, p)}.values())


def is_weight(owner, p):
    """Whether a parameter is the weight of a layer.

    A bias has one axis, and so have the two parameters of batch norm, but for one of a student's own making: there they
    may have the shape (1, C, 1, 1).
    """
    return p.ndim > 1 and not (p.numel() == max(p.shape) and normalises(owner))


def normalises(owner):
    """Whether a module is a batch norm or the like, torch's or a student's."""
    own = itertools.chain(owner.named_buffers(recurse=False), vars(owner).items())
    has_variance = any("var" in name and isinstance(value, torch.Tensor) for name, value in own)
    return has_variance or isinstance(owner, nn.GroupNorm | nn.LayerNorm)


def plain_tensors(owner):
    """``(name, tensor)`` of each attribute of a module that torch does not know of."""
    return [(name, value) for name, value in vars(owner).items() if isinstance(value, torch.Tensor)]


# Blocks: set the numbers by role, run


def zero(shape, seed):
    """All weights 0."""
    return np.zeros(shape)


def by_inputs(shape, seed):
    """Random weights, the same for every output, so that it does not matter which of several equal layers is first.

    Args:
        shape: ``(outputs, inputs, ...)``.
        seed: of the case.
    """
    inputs = shape[1:]
    sides = inputs[1:] if math.prod(inputs[1:]) > 1 else ()  # a 1x1 convolution is a linear layer
    rng = np.random.default_rng([seed, inputs[0], *sides])
    return np.broadcast_to(rng.standard_normal(inputs) / np.sqrt(math.prod(inputs)), shape)


def by_kernel(shape, seed):
    """Random kernels, the same for every input and output: groups may be one layer or many branches."""
    kernel = shape[2:] or (1, 1)  # a linear layer is a 1x1 convolution
    rng = np.random.default_rng([seed, *kernel])
    return np.broadcast_to(rng.standard_normal(kernel).reshape(shape[2:]) / 2, shape)


def by_shape(shape, seed):
    """Random weights that differ everywhere, for modules whose layers differ in shape.

    A layer from n to m units gets the transpose of the one from m to n: whether a parameter holds (outputs, inputs) or,
    for ``x @ w``, (inputs, outputs) makes no difference.
    """
    n_out, n_in = shape[0], math.prod(shape[1:])
    few, many = sorted((n_out, n_in))
    values = np.random.default_rng([seed, few, many]).standard_normal((few, many)) / (few * many) ** 0.25
    if few == many:
        values = (values + values.T) / np.sqrt(2)
    return (values if n_out == few else values.T).reshape(shape)


def centre(shape, seed):
    """Only the middle of each kernel is not 0, so that it does not matter which of two layers has the stride."""
    kernel = np.zeros(shape[2:])
    kernel[tuple(side // 2 for side in kernel.shape)] = np.random.default_rng(seed).uniform(0.3, 0.6)
    return np.broadcast_to(kernel, shape)


def means(shape, seed):
    """Weighted means over the window and over the channels, earlier ones counting more.

    With pictures that are nowhere negative, batch norm and ReLU may stand before the convolution or after it, and a
    1x1 convolution on the way changes nothing.
    """
    channels, kernel = shape[1], shape[2:]
    rng = np.random.default_rng([seed, *kernel])
    window = rng.uniform(0.5, 1.5, kernel)
    of_channel = np.arange(channels, 0, -1.0)
    weights = np.multiply.outer(of_channel / of_channel.sum(), window / window.sum())
    return np.broadcast_to(weights, shape)


WEIGHTS = {
    "all 0": zero,
    "random": by_inputs,
    "random kernels": by_kernel,
    "random, all different": by_shape,
    "middle of the kernel only": centre,
    "negative in the middle of the kernel": lambda shape, seed: -centre(shape, seed),
    "means": means,
}
"""What a case may ask for."""


def set_numbers(module, kind, seed, dtype):
    """Set the layers' weights as ``kind`` says; biases become 0, and batch norm passes on what it gets.

    Args:
        module: a student's.
        kind: a key of ``WEIGHTS``.
        seed: of the case.
        dtype: a torch dtype for all of it.
    """
    for owner in module.modules():
        scales = normalises(owner)
        statistics = [*owner.named_buffers(recurse=False), *(plain_tensors(owner) if scales else ())]
        for name, p in owner.named_parameters(recurse=False):
            if is_weight(owner, p):
                values = WEIGHTS[kind](tuple(p.shape), seed)
            else:
                values = np.full(p.shape, float(scales and name in ("weight", "gamma", "scale")))
            p.data = torch.tensor(values, dtype=dtype, device=p.device)
        for name, statistic in statistics:
            if statistic.is_floating_point():
                one = 1 - getattr(owner, "eps", 1e-5)  # batch norm adds eps to the variance
                statistic.data = torch.full_like(statistic, one if "var" in name else 0.0, dtype=dtype)


def respond(answer, *args, x, weights, seed=0, train=False, **kwargs):
    """What a block makes of a picture: an array.

    Args:
        answer, args, kwargs: the student's, and what it is called with.
        x: pictures (N, C, H, W).
        weights: a key of ``WEIGHTS``.
        seed: where random weights come from.
        train: whether it runs in training mode.

    Raises:
        TypeError: where the answer makes no module, or the module no tensor.
    """
    picture = torch.tensor(x, device=ck.device())
    module = build(answer, *args, **kwargs)
    with torch.no_grad():
        if any(map(nn.parameter.is_lazy, module.parameters())):
            module(picture.float())
        set_numbers(module, weights, seed, picture.dtype)
        return array(module.train(train)(picture))


def array(y):
    """A tensor as an array."""
    if not isinstance(y, torch.Tensor):
        raise TypeError(f"a tensor should come out; it is {'None' if y is None else 'of type ' + type(y).__name__}")
    return y.detach().cpu().numpy()


def count_weights(answer, *args, x, **kwargs):
    """How many weights the layers of a block hold, biases and batch norm left out."""
    module = build(answer, *args, **kwargs)
    with torch.no_grad():
        module(torch.tensor(x, device=ck.device()))
    return sum(p.numel() for p in weights(module))


def learns(answer, *args, x, **kwargs):
    """What training asks of a block: ``(shape, three sentences)``."""
    module, other = (build(answer, *args, **kwargs) for _ in range(2))
    picture = torch.tensor(x, device=ck.device(), requires_grad=True)
    y = module.train()(picture)
    with torch.no_grad():
        other.train()(picture)
    shape = array(y).shape
    y.square().sum().backward()
    idle = sum(p.grad is None for p in (picture, *module.parameters()))
    found = "it has parameters" if parameters(module) else "it has no parameters that torch knows of"
    reached = "the gradient reaches " + (f"all but {idle} of its parameters and input" if idle else "everything")
    return tuple(shape), found, reached, sharing(module, other)


def sharing(one, other):
    """Whether two modules that were made one after the other have parameters in common, in words."""
    common = {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}
    return f"two of them share {len(common) or 'no'} parameters"


ASK = {"output": respond, "weights": count_weights, "training": learns}
"""What a case may ask of a block."""


def block_probe(answer, *args, ask="output", **kwargs):
    """Put one of ``ASK`` to a block."""
    return ASK[ask](answer, *args, **kwargs)


# Networks: let every layer put out a pattern, write down what the next one is given


def trace(answer, args, kwargs, side, channels, pattern, levels=(1,), train=False):
    """Build a network and run it inside a ``Trace``.

    Returns:
        ``(module, output, the Trace)``.
    """
    with Trace(pattern):  # not the one that counts: a network may be tried out while it is built
        module = build(answer, *args, **kwargs).train(train)
    with Trace(pattern, levels) as seen, torch.set_grad_enabled(train):
        output = module(seen.drawn((len(levels), channels, side, side)))
    return module, output, seen


def level(t):
    """A pattern that is ``t`` everywhere."""
    return lambda shape: torch.full((1,) * len(shape), float(t))


def rough(seed):
    """A random pattern that depends on the height and the width only, or where they are 1, on the channels.

    Mostly negative at the edges and positive in the middle, so that some windows of a pooling layer are negative, where
    a missing ReLU shows, and others are not. It is the same from left and right, from above and below: zeros at one end
    make no other difference than zeros at the other, be they padding or what a size rounded up needs.
    """

    @functools.cache  # several layers of a network have maps of one size
    def spread_out(height, width):
        values = np.random.default_rng([seed, height, width]).normal(-3, 1, (height, width))
        rows, cols = (np.minimum(range(n), range(n)[::-1]) for n in (height, width))
        from_edge = np.minimum.outer(rows / max(1, rows.max()), cols / max(1, cols.max()))
        return values[np.ix_(rows, cols)] + 4 * from_edge

    def pattern(shape):
        if math.prod(shape[1:]) == 1:
            return torch.tensor(np.random.default_rng([seed, shape[0]]).normal(-1, 1, shape))
        return torch.tensor(spread_out(*shape[1:]))

    return pattern


def sights(seen, output):
    """What each layer of a network is given, and the scores: of the first picture, all maps or the first of them.

    A layer that sees them all at once is given all maps; of others the first stands for all.
    """
    return [
        x[0].flatten() if whole else x[0, 0]
        for x, whole in zip((*seen.given, output), (*seen.whole, True), strict=True)
    ]


about_equal = functools.partial(math.isclose, rel_tol=1e-5, abs_tol=1e-8)


def given_to_layers(answer, *args, side, seed, channels=3, **kwargs):
    """What each layer of a network is given, while those before it put out random numbers.

    Returns:
        ``(rows, shape of the scores)``, with a row for each layer and one for the scores: how many numbers of one map
        it is given (of all maps where it sees them all at once), the smallest, the largest and their mean, and how many
        numbers one of its outputs is computed from. Equal rows stand there once, since two layers may as well be two
        towers side by side.
    """
    _, output, seen = trace(answer, args, kwargs, side, channels, rough(seed))
    shape = tuple(output.shape)
    rows = []
    for one, inputs in zip(sights(seen, output), (*seen.inputs, 0), strict=True):
        row = [one.numel(), one.min().item(), one.max().item(), one.mean().item(), inputs]
        if not any(all(map(about_equal, row, other)) for other in rows):
            rows.append(row)
    return np.array(rows), shape


def count_parameters(answer, *args, side, channels=3, **kwargs):
    """How many numbers a network learns."""
    with Trace(level(1)):
        module = build(answer, *args, **kwargs).eval()
        if any(map(nn.parameter.is_lazy, module.parameters())):
            module(torch.zeros(1, channels, side, side, device=ck.device()))
    return sum(p.numel() for p in parameters(module))


def in_training(answer, *args, side, channels=3, **kwargs):
    """What training asks of a network: ``(shape of the scores, three sentences)``."""
    module, output, seen = trace(answer, args, kwargs, side, channels, level(1), levels=(1, 2), train=True)
    with Trace(level(1)):
        other = build(answer, *args, **kwargs)
    learns = "a gradient reaches its weights" if output.requires_grad else "no gradient reaches its weights"
    alone = all(map(of_one_level, (x for x, whole in zip(seen.given, seen.whole, strict=True) if whole)))
    apart = "the pictures of a batch " + ("stay apart" if alone else "are mixed up")
    return tuple(output.shape), learns, apart, sharing(module, other)


def of_one_level(x):
    """Whether the numbers of each picture are equal, but for those that dropout made 0."""
    kept = [picture[picture != 0] for picture in x.flatten(1)]
    return all(torch.allclose(k, k[:1], rtol=1e-3) for k in kept)


def bends(answer, *args, side, seed, channels=3, **kwargs):
    """Where a network is no straight line, its layers putting out one number everywhere: three of them in turn.

    Returns:
        ``(whether there is a non-linearity behind each layer but the last, how many numbers each layer is given, the
        scores, in how many places each layer is computed)``; the scores should be the numbers put out.
    """
    step, means = np.random.default_rng(seed).uniform(1.5, 2.5), []
    levels = (-step, 0, 2 * step)  # on a straight line, the second step is twice the first
    for t in levels:
        _, output, seen = trace(answer, args, kwargs, side, channels, level(t))
        means.append([x.mean().item() for x in (*seen.given[1:], output)])
    low, middle, high = np.array(means)
    first, second = middle - low, high - middle
    bent = np.abs(second - 2 * first) > 0.05 * (np.abs(first) + np.abs(second))
    sizes = tuple(one.numel() for one in sights(seen, output))
    return tuple(bool(b) for b in bent[:-1]), sizes, np.array(means, np.float32)[:, -1], tuple(seen.places)


ASK_NETWORK = {
    "parameters": count_parameters,
    "layers": given_to_layers,
    "activations": bends,
    "training": in_training,
}
"""What a case may ask of a network."""


def network_probe(answer, *args, ask, **kwargs):
    """Put one of ``ASK_NETWORK`` to a network."""
    return ASK_NETWORK[ask](answer, *args, **kwargs)


# Known bugs: the reference with some of its parts changed


def rebuilt(make, change):
    """An answer that makes a module and changes it: ``change(module)`` returns the module to hand out."""
    return lambda *args, **kwargs: change(make(*args, **kwargs))


def swapped(kind, new):
    """A change of a module: each layer of a kind is replaced by ``new(layer)``."""

    def change(module):
        for name, child in module.named_children():
            if isinstance(child, kind):
                setattr(module, name, new(child))
            else:
                change(child)
        return module

    return change


def without(make, kind, number):
    """An answer of ``make``'s with nothing in the place of one of its layers of a kind, the first being number 0."""

    def change(module):
        chosen = [layer for layer in module.modules() if isinstance(layer, kind)][number]
        return swapped(kind, lambda layer: nn.Identity() if layer is chosen else layer)(module)

    return rebuilt(make, change)
