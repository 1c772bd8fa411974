"""A network as a list of layers, and the table of its shapes, parameters, work, memory and receptive fields."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from cnnkit.shapes.arithmetic import conv_output_size, conv_params, pool_output_size

FLOAT32 = 4
"""Bytes of a number."""


@dataclass(frozen=True)
class Conv:
    """A convolution of ``filters`` filters of ``k x k``."""

    filters: int
    k: int
    stride: int = 1
    pad: int = 0
    groups: int = 1
    dilation: int = 1
    bias: bool = True
    kind: ClassVar[str] = "conv"

    def shape(self, given):
        return (self.filters, *(conv_output_size(n, self.k, self.stride, self.pad, self.dilation) for n in given[1:]))

    def parameters(self, given):
        return conv_params(given[0], self.filters, self.k, self.bias, self.groups)

    def multiply_adds(self, given):
        """Every output is a sum of as many products as a filter has weights."""
        return math.prod(self.shape(given)) * (given[0] // self.groups) * self.k**2


@dataclass(frozen=True)
class Pool:
    """The maximum of windows of ``k x k``; with ``ceil``, one that hangs over the edge counts, too."""

    k: int
    stride: int
    pad: int = 0
    ceil: bool = False
    dilation: ClassVar[int] = 1
    kind: ClassVar[str] = "pool"

    def shape(self, given):
        side = lambda n: pool_output_size(n, self.k, self.stride, self.pad, ceil_mode=self.ceil)
        return (given[0], *map(side, given[1:]))

    def parameters(self, given):
        return 0

    def multiply_adds(self, given):
        return 0


@dataclass(frozen=True)
class AvgPool(Pool):
    """The mean of windows of ``k x k``."""


@dataclass(frozen=True)
class GlobalPool:
    """The mean of each whole map."""

    kind: ClassVar[str] = "pool"

    def shape(self, given):
        return (given[0], 1, 1)

    def parameters(self, given):
        return 0

    def multiply_adds(self, given):
        return 0


@dataclass(frozen=True)
class BatchNorm:
    """A scale and a shift for each channel."""

    kind: ClassVar[str] = "norm"

    def shape(self, given):
        return given

    def parameters(self, given):
        return 2 * given[0]

    def multiply_adds(self, given):
        """None of its own: after training it is folded into the convolution before it."""
        return 0


@dataclass(frozen=True)
class Linear:
    """A fully connected layer; a volume is flattened on the way in."""

    units: int
    bias: bool = True
    kind: ClassVar[str] = "fc"

    def shape(self, given):
        return (self.units,)

    def parameters(self, given):
        return self.units * (math.prod(given) + self.bias)

    def multiply_adds(self, given):
        return self.units * math.prod(given)


@dataclass(frozen=True)
class Branches:
    """Paths side by side: ``join`` is "concatenate" (channels stacked) or "add".

    ``paths`` holds tuples of layers; an empty one hands its input on.
    """

    join: str
    paths: tuple[tuple, ...]
    kind: ClassVar[str] = "join"

    def joined(self, shapes):
        """The shape of what the paths put out together.

        Raises:
            ValueError: where they cannot be joined.
        """
        rest = {shape[1:] if self.join == "concatenate" else shape for shape in shapes}
        if len(rest) > 1:
            raise ValueError(f"branches of shapes {', '.join(map(str, shapes))} cannot be joined: {self.join}")
        channels = sum(shape[0] for shape in shapes) if self.join == "concatenate" else shapes[0][0]
        return (channels, *shapes[0][1:])


class Row(NamedTuple):
    """One layer of a table.

    Attributes:
        name: kind and number, "conv1"; the number counts the layers of a kind.
        kind: "conv", "pool", "norm", "fc" or "join".
        shape: what it puts out, ``(C, H, W)`` or ``(units,)``.
        parameters: weights, biases, scales and shifts.
        multiply_adds: products of one forward pass over one image, each with its addition.
        memory: bytes of its output for one image, in float32.
        field: side of the square of input pixels that one output sees.
        jump: how many input pixels lie between the centres of neighbouring outputs.
        depth: how many ``Branches`` the layer is inside of.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    memory: int
    field: int
    jump: int
    depth: int = 0


def table(layers, input_shape):
    """A ``Row`` for each layer, in the order of the list; the rows of branches stand before the row of their join.

    Of paths that see differently far, the join has the largest field. A layer that sees everything, a ``Linear`` or
    ``GlobalPool``, has the field that the whole map before it has; with padding that is more than the picture.

    Args:
        layers: of the classes of this module.
        input_shape: ``(C, H, W)`` of one image.

    Raises:
        ValueError: where a window does not fit or branches cannot be joined.
    """
    rows, numbers = [], {}
    _extend(rows, numbers, layers, tuple(input_shape), 1, 1, 0)
    return rows


def _extend(rows, numbers, layers, shape, field, jump, depth):
    """Append the rows of ``layers``; returns ``(shape, field, jump)`` after the last."""
    for layer in layers:
        if isinstance(layer, Branches):
            ends = [_extend(rows, numbers, path, shape, field, jump, depth + 1) for path in layer.paths]
            shape, parameters, products = layer.joined([end[0] for end in ends]), 0, 0
            field, jump = max(end[1] for end in ends), ends[0][2]
        else:
            parameters, products = layer.parameters(shape), layer.multiply_adds(shape)
            field, jump = _sees(layer, shape, field, jump)
            shape = layer.shape(shape)
        numbers[layer.kind] = numbers.get(layer.kind, 0) + 1
        name = f"{layer.kind}{numbers[layer.kind]}"
        memory = math.prod(shape) * FLOAT32
        rows.append(Row(name, layer.kind, shape, parameters, products, memory, field, jump, depth))
    return shape, field, jump


def _sees(layer, given, field, jump):
    if isinstance(layer, Conv | Pool):
        return field + (layer.k - 1) * layer.dilation * jump, jump * layer.stride
    if isinstance(layer, Linear | GlobalPool):
        return field + (max(given[1:], default=1) - 1) * jump, jump
    return field, jump
