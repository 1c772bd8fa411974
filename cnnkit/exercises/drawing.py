"""Random cases: shapes with nothing equal by accident, and the corners that random shapes miss."""

from dataclasses import dataclass, replace

import numpy as np

from cnnkit.cases import Case


@dataclass(frozen=True)
class Geometry:
    """One convolution to try: sizes, how the window moves, and how the numbers are drawn."""

    group: str
    n: int = 2
    c: int = 3
    f: int = 4
    h: int = 5
    w: int = 6
    kh: int = 3
    kw: int = 2
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    dtype: str = "float64"
    whole: bool = False
    positive: bool = False
    layout: str = "C"
    readonly: bool = False
    raises: bool = False
    seed: int | None = None

    def x(self, rng):
        if self.seed is not None:  # the same image as another case with this seed has
            rng = np.random.default_rng(self.seed)
        return self._draw(rng, (self.n, self.c, self.h, self.w))

    def filters(self, rng):
        """``(w, b)`` of the layer."""
        if self.seed is not None:
            rng = np.random.default_rng(self.seed + 1)
        return self._draw(rng, (self.f, self.c, self.kh, self.kw)), self._draw(rng, (self.f,))

    def _draw(self, rng, shape):
        values = draw(rng, shape, self.dtype, self.whole)
        return abs(values) if self.positive else values

    def moves(self, *names):
        """The keyword arguments that differ from their defaults: a function's defaults are tried, too."""
        defaults = {"stride": 1, "pad": 0, "dilation": 1}
        return {name: getattr(self, name) for name in names if getattr(self, name) != defaults[name]}

    def case(self, args, kwargs):
        return Case(self.group, args, kwargs, self.layout, self.readonly, raises=self.raises)


def draw(rng, shape, dtype="float64", whole=False):
    """Normal random numbers, or small whole ones (``whole``), among which ties are common."""
    values = rng.integers(-3, 4, shape) if whole else rng.standard_normal(shape)
    return values.astype(dtype)


def geometries(rng, dilation=False):
    """The convolutions that every layer's check goes through.

    Args:
        rng: numpy Generator.
        dilation: whether the function under test takes a dilation.
    """
    yield from basics(rng)
    yield from strides(rng)
    yield from pads(rng)
    if dilation:
        yield from dilations(rng)


def basics(rng):
    g = _distinct(rng, "basics")
    yield g
    yield g  # the same shapes with other values
    yield replace(g, dtype="float32")
    yield Geometry("basics", 3, 3, 3, 5, 5, 3, 3)
    yield Geometry("basics", 3, 3, 3, 3, 3, 3, 3, dtype="float32")
    yield Geometry("basics", 1, 1, 1, 4, 5, 2, 3, whole=True)
    yield Geometry("basics", 1, 2, 1, 5, 4, 3, 3)
    yield Geometry("basics", 1, 1, 3, 4, 4, 2, 2)
    yield Geometry("basics", 4, 2, 1, 3, 5, 2, 2, dtype="float32")
    yield Geometry("basics", 2, 3, 4, 3, 4, 1, 1)
    yield Geometry("basics", 2, 3, 2, 4, 3, 4, 3)  # the kernel as large as the image
    yield Geometry("basics", 3, 2, 4, 2, 6, 1, 4)
    yield Geometry("basics", 3, 2, 4, 6, 2, 4, 1)
    yield replace(_distinct(rng, "basics"), layout="channels last")
    yield replace(_distinct(rng, "basics"), layout="transposed", readonly=True)
    yield replace(_distinct(rng, "basics"), layout="slice", dtype="float32")
    yield replace(_distinct(rng, "basics"), whole=True, readonly=True)
    yield replace(_distinct(rng, "basics"), positive=True)
    yield Geometry("basics", 2, 5, 6, 4, 3, 2, 2, dtype="float32", readonly=True)
    yield Geometry("basics", 1, 2, 3, 17, 13, 2, 4)
    yield Geometry("basics", 2, 3, 2, 1, 5, 1, 3)
    yield Geometry("basics", 2, 2, 3, 5, 1, 3, 1)
    yield Geometry("basics", 2, 1, 2, 1, 1, 1, 1)


def strides(rng):
    yield _distinct(rng, "stride", stride=2, tail=1)
    yield _distinct(rng, "stride", stride=2)
    yield _distinct(rng, "stride", stride=3, tail=2, dtype="float32")
    yield replace(_distinct(rng, "stride", stride=3, tail=1, k=(2, 2)), layout="channels last")
    yield Geometry("stride", 3, 3, 3, 7, 7, 3, 3, stride=3)
    yield Geometry("stride", 1, 1, 1, 7, 7, 3, 3, stride=2, whole=True)
    yield Geometry("stride", 1, 2, 1, 6, 9, 2, 1, stride=4, dtype="float32", readonly=True)
    yield Geometry("stride", 2, 3, 2, 5, 7, 1, 1, stride=2)
    yield Geometry("stride", 2, 2, 3, 6, 7, 3, 3, stride=2)  # rows left over, columns not
    yield Geometry("stride", 2, 2, 3, 7, 6, 3, 3, stride=2)
    yield from _same_image(rng, "stride", {"stride": 1}, {"stride": 2}, {"stride": 3})


def pads(rng):
    yield _distinct(rng, "padding", pad=1)
    yield _distinct(rng, "padding", pad=2, dtype="float32")
    yield _distinct(rng, "padding", pad=3, k=(2, 1))  # more padding than kernel
    yield _distinct(rng, "padding", pad=1, k=(3, 3), stride=2, tail=1)
    yield replace(_distinct(rng, "padding", pad=2, k=(5, 4), stride=3, dtype="float32"), layout="slice")
    yield Geometry("padding", 3, 3, 3, 5, 5, 3, 3, pad=1)
    yield Geometry("padding", 2, 2, 2, 4, 4, 4, 4, stride=2, pad=2)
    yield Geometry("padding", 1, 1, 1, 2, 3, 4, 5, pad=1, whole=True)  # fits only thanks to the padding
    yield replace(_distinct(rng, "padding", pad=1, k=(2, 3)), layout="transposed", readonly=True)
    yield Geometry("padding", 2, 3, 2, 4, 5, 1, 1, pad=1)
    yield Geometry("padding", 2, 3, 2, 8, 6, 3, 2, stride=3, pad=1)
    yield from _same_image(rng, "padding", {"pad": 0}, {"pad": 1}, {"pad": 2, "stride": 2})


def dilations(rng):
    yield _distinct(rng, "dilation", dilation=2)
    yield _distinct(rng, "dilation", dilation=3, k=(2, 3), dtype="float32")
    yield _distinct(rng, "dilation", dilation=2, k=(3, 3), stride=2, tail=1, pad=1)
    yield _distinct(rng, "dilation", dilation=3, k=(2, 2), stride=3, pad=2)
    yield Geometry("dilation", 2, 2, 2, 7, 7, 3, 3, dilation=2)
    yield Geometry("dilation", 1, 1, 1, 6, 5, 1, 3, dilation=2, whole=True, readonly=True)
    yield replace(_distinct(rng, "dilation", dilation=3, stride=2, k=(3, 2)), layout="channels last")
    yield Geometry("dilation", 2, 3, 4, 4, 6, 3, 2, dilation=2, raises=True)
    yield Geometry("dilation", 2, 3, 4, 5, 6, 3, 2, dilation=2)
    yield from _same_image(rng, "dilation", {"dilation": 1}, {"dilation": 2})


def misfits(rng):
    """Kernels that are just too large, a ValueError each, beside others that just fit."""
    for kh, kw, pad in [(5, 2, 0), (3, 7, 0), (5, 7, 0), (7, 8, 1), (9, 3, 2)]:
        n, c, f = (int(i) for i in rng.permutation([2, 3, 4]))
        for stride in (1, 2):
            yield Geometry("fit", n, c, f, 4, 6, kh, kw, stride, pad, raises=kh > 4 + 2 * pad or kw > 6 + 2 * pad)
        yield Geometry("fit", n, c, f, max(1, kh - 2 * pad), max(1, kw - 2 * pad), kh, kw, 2, pad)


def _same_image(rng, group, *moves):
    """One image and layer under several moves: a result kept from one of them is no answer to the next."""
    seed = int(rng.integers(1 << 31))
    for move in moves:
        yield Geometry(group, 2, 3, 2, 7, 6, 3, 2, **move, seed=seed)


def _distinct(rng, group, k=None, stride=1, pad=0, dilation=1, tail=0, dtype="float64"):
    """Sizes of which no two are equal by accident; ``tail`` rows and columns are left over by the stride."""
    n, c, f = (int(i) for i in rng.permutation([2, 3, 4]))
    kh, kw = k or (int(i) for i in rng.permutation([2, 3]))
    rows, cols = (int(i) for i in rng.permutation([3, 4]))
    h, w = (
        (count - 1) * stride + dilation * (size - 1) + 1 - 2 * pad + tail for count, size in ((rows, kh), (cols, kw))
    )
    # A large pad would leave no image: let the stride make up for it.
    while min(h, w) < 2:
        h, w = h + stride, w + stride
    return Geometry(group, n, c, f, h, w, kh, kw, stride, pad, dilation, dtype)
