"""How a torch network runs without computing: each layer puts out a pattern, and what it was given is written down.

A layer is whatever multiplies what comes from the picture with parameters and adds up, however that is written: a
module, ``F.conv2d``, ``x @ w.T + b``, ``einsum``, ``baddbmm``, or a convolution as products with windows of a map.
"""

import itertools
import math
import operator

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import cnnkit as ck

LARGE = 100_000
"""Tensors with more numbers than this are not filled at random: nobody looks at them."""


def of_torch(*names):
    """The functions of these names: those of torch and those of its tensors."""
    return {getattr(owner, name) for name in names for owner in (torch, torch.Tensor) if hasattr(owner, name)}


DRAWS = of_torch("uniform_", "normal_")
PRODUCTS = of_torch("matmul", "mm", "bmm", "mv", "inner", "einsum", "tensordot", "__matmul__", "__rmatmul__")
PRODUCTS_WITH_SUMMAND = of_torch("addmm", "addmv", "baddbmm", "addbmm")
ADDITIONS = of_torch("add", "add_", "__add__", "__radd__", "__iadd__")
MULTIPLICATIONS = of_torch("mul", "__mul__", "__rmul__")
WINDOWS = {F.unfold, torch.Tensor.unfold, torch.Tensor.__getitem__}
MAP_BY_MAP = {F.relu, F.max_pool2d, F.avg_pool2d, *of_torch("relu", "relu_", "max_pool2d")}
"""Functions of a tensor that do the same to each of its maps."""


class Trace(TorchFunctionMode):
    """Inside the block, convolutions and linear layers compute nothing but put out ``pattern(shape)``.

    A bias that is added in a step of its own is left out, as a layer's own is. Response normalisation is passed over,
    since a network is right with it and without.

    Args:
        pattern: from a shape without the batch's axis to a tensor.
        levels: for each picture of the batch, what its patterns are multiplied by.

    Attributes:
        given: for each of the layers, in order, what it was given, (N, ...), before zeros were put around it.
        whole: for each of the layers, whether it saw all of that at once.
        places: for each of the layers, in how many places of a picture it was computed.
        inputs: for each of the layers, how many numbers one of its outputs is computed from.
    """

    def __init__(self, pattern, levels=(1,)):
        super().__init__()
        self.pattern, self.levels = pattern, torch.tensor(levels)
        self.given, self.whole, self.places, self.inputs = [], [], [], []
        self._last = (None, None)  # the parameter of the last product, and the map that it was multiplied with

    def drawn(self, shape, learns=False, device=None, dtype=torch.float32):
        """The pattern for each picture of a batch of this shape.

        Args:
            shape: (N, ...).
            learns: whether a gradient can be traced back from it.
            device, dtype: as torch has them.
        """
        pattern = self.pattern(shape[1:]).to(device or ck.device(), dtype).requires_grad_(learns).expand(shape)
        if len(self.levels) != shape[0]:
            return pattern.clone()
        return pattern * self.levels.to(pattern).reshape(-1, *[1] * len(shape[1:]))

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.local_response_norm:
            return args[0]
        if function is F.pad:
            return self._pad(*args, **kwargs)
        tensors = tensors_in(args, kwargs)
        if not tensors:
            return function(*args, **kwargs)
        if any(map(repeats_one_map, tensors)) and function is not F.conv2d:
            if function in MAP_BY_MAP and args and not kwargs.get("return_indices"):
                return of_one_map(function, *args, **kwargs)
            for t in filter(repeats_one_map, tensors):
                t.data = t.contiguous()  # the same tensor still: what it has been noted for stays true
        learned = [parameter_of(t) is not None for t in tensors]
        if any(learned) and not all(learned):
            usual = function is F.linear and not (learned[0] or hasattr(tensors[0], "map"))
            if usual or function is F.conv2d:
                return self._layer(function, *args, **kwargs)
            if function in PRODUCTS or function in PRODUCTS_WITH_SUMMAND or function is F.linear:
                return self._product(function, tensors, args, kwargs)
            if function in ADDITIONS:
                return function(*replaced(args, lambda t: t if parameter_of(t) is None else torch.zeros_like(t)))
        if function in (torch.sum, torch.Tensor.sum) and hasattr(tensors[0], "factors"):
            return self._multiplied(*tensors[0].factors, function(*args, **kwargs).shape)
        initialises = getattr(function, "__module__", "") == "torch.nn.init" or function in DRAWS
        if initialises and tensors[0].numel() > LARGE:
            return tensors[0]
        result = function(*args, **kwargs)
        for t in tensors_in(result):
            note_origin(t, function, tensors)
        return result

    def _layer(self, function, input, weight, *args, **kwargs):
        shape = self._shape(function, input, weight, *args, **kwargs)
        places = math.prod(shape[2:])
        self._write_down(getattr(input, "unpadded", input), places == 1, places, weight.numel() // shape[1])
        # As the weights would make it: whether the output can be traced back is asked as well.
        learns = any(t.requires_grad for t in tensors_in(weight, args, kwargs))
        # No pattern tells one map from another: that they are one in memory spares large networks most of their time.
        maps = (1,) if places > 1 else shape[1:2]
        return self.drawn((len(input), *maps, *shape[2:]), learns, input.device, input.dtype).expand(shape)

    def _product(self, function, tensors, args, kwargs):
        """A product of tensors, computed only where it is none of data with weights."""
        added = tensors[0] if function in PRODUCTS_WITH_SUMMAND else None
        weight = max((t for t in tensors if parameter_of(t) is not None), key=stored)
        data = [t for t in tensors if parameter_of(t) is None and t is not added]
        if len(data) != 1 or weight is added:
            return function(*args, **kwargs)
        shape = function(*replaced(args, on_meta), **replaced(kwargs, on_meta)).shape
        result = self._multiplied(data[0], weight, shape)
        return result if added is None or parameter_of(added) is not None else added + result

    def _multiplied(self, x, weight, shape):
        """What a layer puts out that is a product with its axes in any order, or a part of such a layer."""
        parameter, given = parameter_of(weight), getattr(x, "map", getattr(x, "unpadded", x))
        # Each row of what is multiplied, a picture or a place in it, becomes a row of units.
        rows = max(1, round(math.sqrt(stored(x) * math.prod(shape) / stored(weight))))
        units, n = math.prod(shape) // rows, min(rows, len(self.levels))
        one_filter = units == 1 and stored(weight) * len(parameter) == parameter.numel()
        again = self._last[0] is parameter and self._last[1] is given
        if not again:
            inputs = stored(weight) if one_filter else parameter.numel() // units
            self._write_down(pictures_first(given, n), inputs * n == given.numel(), rows // n, inputs)
            self._last = (parameter, given)
        elif stored(weight) == parameter.numel():
            self.places[-1] += rows // n
        elif not one_filter:  # one of the terms of a sum, of which the first stood for all
            return torch.zeros(shape, device=x.device, dtype=x.dtype, requires_grad=weight.requires_grad)
        side = math.isqrt(rows // n)
        places = (side, rows // n // side) if rows > n else ()
        pattern = self.drawn((n, units, *places), weight.requires_grad, x.device, x.dtype)
        return arranged(pattern.reshape(n, units, -1), shape)

    def _write_down(self, given, whole, places, inputs):
        self.given.append(given)
        self.whole.append(whole)
        self.places.append(places)
        self.inputs.append(inputs)
        self._last = (None, None)

    @staticmethod
    def _pad(input, pad, mode="constant", value=None):
        """Padding in a step of its own, of which a layer's ``given`` shall know nothing."""
        padded = F.pad(input, pad, mode, value)
        if mode == "constant" and not value and min(pad) >= 0:
            padded.unpadded = padded
            for axis in range(len(pad) // 2):
                padded.unpadded = padded.unpadded.narrow(-1 - axis, pad[2 * axis], input.shape[-1 - axis])
        return padded

    @staticmethod
    def _shape(function, x, weight, bias=None, *moves, **more):
        """What shape would come out; the layer itself says so where sizes do not fit."""
        if function is F.conv2d:
            groups = more.pop("groups", 1) if len(moves) < 4 else moves[3]
            if x.ndim != 4 or x.shape[1] != weight.shape[1] * groups:
                function(x, weight, bias, *moves[:3], groups=groups, **more)
            one = function(x[:1, :1], weight[:1, :1], None, *moves[:3], **more)
            return (len(x), len(weight), *one.shape[2:])
        inputs, outputs = weight.shape[::-1] if function is F.linear else weight.shape
        if x.shape[-1] != inputs:
            function(x, weight)
        return (*x.shape[:-1], outputs)


def repeats_one_map(t):
    """Whether a tensor has many maps that are one in memory."""
    return t.ndim == 4 and t.shape[1] > 1 and t.stride(1) == 0


def of_one_map(function, x, *args, **kwargs):
    """A function of ``MAP_BY_MAP`` of a tensor that repeats one map, done to that map alone."""
    one = function(x.narrow(1, 0, 1), *args, **kwargs)
    return one.expand(-1, x.shape[1], -1, -1)


def tensors_in(*values):
    """The tensors among values, which may be lists, tuples and dicts of these."""
    found = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += tensors_in(*value)
        elif isinstance(value, dict):
            found += tensors_in(*value.values())
    return found


def replaced(values, new):
    """The same values with ``new(tensor)`` in place of each tensor."""
    if isinstance(values, torch.Tensor):
        return new(values)
    if isinstance(values, dict):
        return {key: replaced(value, new) for key, value in values.items()}
    return type(values)(replaced(value, new) for value in values) if isinstance(values, list | tuple) else values


def on_meta(t):
    """A tensor of the same shape that holds no numbers."""
    return t.to("meta")


def parameter_of(t):
    """The parameter that a tensor is made of alone, or None."""
    return t if isinstance(t, nn.Parameter) else getattr(t, "parameter", None)


def note_origin(result, function, tensors):
    """Note on a tensor the parameter that it is made of alone, the map that it shows windows of, its factors.

    Args:
        result: of ``function``.
        tensors: those that it was made from.
    """
    origins = [parameter_of(t) for t in tensors]
    if origins and all(origin is not None for origin in origins) and not isinstance(result, nn.Parameter):
        result.parameter = origins[0]
    if function in MULTIPLICATIONS and sorted(origin is None for origin in origins) == [False, True]:
        result.factors = sorted(tensors, key=lambda t: parameter_of(t) is not None)
    for t in tensors[:1]:
        if hasattr(t, "map") and result.numel() == t.numel():
            result.map = t.map
        elif function in WINDOWS and result.numel() != t.numel():
            result.map = getattr(t, "map", getattr(t, "unpadded", t))


def stored(t):
    """How many numbers a tensor holds, those that ``expand`` repeats counted once."""
    return math.prod(size for size, stride in zip(t.shape, t.stride(), strict=True) if stride or not size)


def pictures_first(x, n):
    """A tensor with the axis of its n pictures first."""
    return x.movedim(x.shape.index(n), 0) if n in x.shape else x[None]


def arranged(values, shape):
    """Outputs (n, units, places) as a product gives them: the same numbers in that order of axes which the shape has.

    Neighbouring axes may be one, as in unit 3's ``im2col``, or the places two.
    """
    ends = {1, *itertools.accumulate(shape, operator.mul)}

    def agreement(order):
        return len(ends.intersection(itertools.accumulate((values.shape[i] for i in order), operator.mul)))

    order = max(itertools.permutations(range(3)), key=agreement)
    return values.permute(order).reshape(shape)
