"""Unit 06, first part: pooling, forward and backward."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

import cnnkit as ck
from cnnkit.exercises.drawing import Geometry, draw
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("06-pooling-and-losses")


@dataclass(frozen=True)
class Pool(Geometry):
    """Windows of ``kh x kh``; with ``below`` no value of the picture is positive, with ``above`` none is negative.

    ``level`` is added to every value.
    """

    below: bool = False
    above: bool = False
    level: float = 0

    @property
    def size_and_stride(self):
        return self.kh, self.stride

    @property
    def shape(self):
        return self.n, self.c, self.h, self.w

    def x(self, rng):
        x = super().x(rng) + np.asarray(self.level, self.dtype)
        # A strict bound below zero: a maximum that starts at 0 never sees a larger value.
        return -np.abs(x) - np.asarray(0.25, x.dtype) if self.below else np.maximum(x, 0) if self.above else x

    def dout(self, rng):
        sides = ck.oracle.output_size(self.shape, (self.kh, self.kh), self.stride)
        return draw(rng, (self.n, self.c, *sides), self.dtype)


def pool(rng, group, size, stride, rest=(0, 0), **more):
    """Sizes of which no two are equal by accident; ``rest`` rows and columns are left over."""
    n, c = (int(i) for i in rng.permutation([2, 3]))
    rows, columns = (int(i) for i in rng.permutation([3, 4]))
    h, w = ((count - 1) * stride + size + left for count, left in zip((rows, columns), rest, strict=True))
    return Pool(group, n, c, h=h, w=w, kh=size, kw=size, stride=stride, **more)


def basics(rng):
    """Windows side by side that cover the picture."""
    g = pool(rng, "basics", 2, 2)
    yield g
    yield g  # the same shapes with other values
    yield replace(g, dtype="float32")
    yield pool(rng, "basics", 3, 3)
    yield pool(rng, "basics", 2, 2, below=True)
    yield pool(rng, "basics", 3, 3, below=True, dtype="float32")
    yield Pool("basics", 3, 3, h=6, w=6, kh=2, stride=2)
    yield Pool("basics", 2, 2, h=4, w=4, kh=2, stride=2, dtype="float32")
    yield Pool("basics", 1, 1, h=4, w=6, kh=2, stride=2)
    yield Pool("basics", 1, 1, h=6, w=6, kh=3, stride=3, below=True)
    yield Pool("basics", 2, 1, h=4, w=6, kh=2, stride=2, level=-1e6)  # below any number that one might start from
    yield Pool("basics", 1, 3, h=8, w=4, kh=4, stride=4)
    yield Pool("basics", 4, 1, h=2, w=6, kh=2, stride=2)
    yield Pool("basics", 2, 3, h=3, w=4, kh=1, stride=1)
    yield pool(rng, "basics", 2, 2, layout="channels last")
    yield pool(rng, "basics", 3, 3, layout="transposed", readonly=True)
    yield pool(rng, "basics", 2, 2, layout="slice", dtype="float32")


def overlaps(rng):
    """Windows that share pixels with their neighbours."""
    yield pool(rng, "overlap", 2, 1)
    yield pool(rng, "overlap", 3, 2)  # AlexNet's, and a common setting of deck c
    yield pool(rng, "overlap", 3, 1, dtype="float32")
    yield pool(rng, "overlap", 4, 2, layout="channels last")
    yield pool(rng, "overlap", 4, 3, below=True, readonly=True)
    yield pool(rng, "overlap", 3, 2, layout="slice", dtype="float32")
    yield Pool("overlap", 3, 3, h=5, w=5, kh=3, stride=2)
    yield Pool("overlap", 1, 1, h=5, w=5, kh=3, stride=1)
    yield Pool("overlap", 1, 2, h=4, w=7, kh=2, stride=1)


def tails(rng):
    """Rows and columns that no window sees: left over at the end, or skipped between windows."""
    yield pool(rng, "tail", 2, 2, (1, 1))
    yield pool(rng, "tail", 2, 2, (0, 1), dtype="float32")
    yield pool(rng, "tail", 3, 3, (2, 0), below=True)
    yield pool(rng, "tail", 3, 2, (1, 1), layout="channels last")
    yield pool(rng, "tail", 2, 3)
    yield pool(rng, "tail", 2, 3, (2, 1), layout="transposed", readonly=True)
    yield pool(rng, "tail", 1, 2, (1, 0), dtype="float32")
    yield pool(rng, "tail", 2, 4, (3, 2), below=True)
    yield Pool("tail", 3, 3, h=5, w=5, kh=2, stride=2)
    yield Pool("tail", 1, 1, h=5, w=7, kh=3, stride=3)


def fits(rng):
    """One window as large as the picture, and windows that are larger."""
    yield Pool("fit", 2, 3, h=4, w=4, kh=4, stride=4)
    yield Pool("fit", 3, 2, h=3, w=5, kh=3, stride=1, below=True)
    yield Pool("fit", 3, 2, h=6, w=4, kh=4, stride=3, dtype="float32")
    size = int(rng.integers(4, 7))
    yield Pool("fit", h=size - 1, w=size + 2, kh=size, stride=2, raises=True)
    yield Pool("fit", h=size + 3, w=size - 1, kh=size, stride=1, raises=True)
    yield Pool("fit", h=2, w=3, kh=size, stride=size, raises=True, dtype="float32")


def forward_cases(rng):
    for some in (basics, overlaps, tails, fits):
        for g in some(rng):
            yield g.case((g.x(rng), *g.size_and_stride), {})
    yield from (g.case((g.x(rng), *g.size_and_stride), {}) for g in whole(rng))


def whole(rng):
    """Small whole numbers: zeros count as any other value does, and so do values that are there twice."""
    yield pool(rng, "basics", 2, 2, whole=True)
    yield pool(rng, "overlap", 3, 2, whole=True, dtype="float32")


def ties(rng):
    """Windows with several equal largest values."""
    yield pool(rng, "ties", 2, 2, whole=True)
    yield pool(rng, "ties", 3, 2, whole=True, dtype="float32")
    yield pool(rng, "ties", 3, 3, (1, 2), whole=True, below=True, readonly=True)
    yield pool(rng, "ties", 2, 1, above=True)  # what a ReLU leaves: windows full of zeros
    yield pool(rng, "ties", 3, 3, above=True, whole=True, layout="channels last")
    yield Pool("ties", 1, 1, h=4, w=4, kh=2, stride=2, whole=True)


def output_window(case, part, index):
    """The window that a wrong output was computed from."""
    x, size, stride = case.args
    n, c, i, j = index
    top, left = i * stride, j * stride
    return [(f"x[{n}, {c}], window ({i}, {j})", x[n, c, top : top + size, left : left + size])]


def _stretched(x, size, stride):
    """``x`` with as many zeros below and to the right as a window more would need."""
    rests = [-(side - size) % stride if side >= size else 0 for side in x.shape[2:]]
    return np.pad(x, ((0, 0), (0, 0), (0, rests[0]), (0, rests[1])))


def _ringed(x, size):
    ring = size // 2
    return np.pad(x, ((0, 0), (0, 0), (ring, ring), (ring, ring)))


def _empty_where_nothing_fits(pool):
    def answer(x, size, stride):
        sides = [max(0, (side - size) // stride + 1) for side in x.shape[2:]]
        return pool(x, size, stride) if min(sides) else np.empty((*x.shape[:2], *sides), x.dtype)

    return answer


def _next_to_each_other(pool):
    """As many windows as there should be, each one pixel further than the one before."""

    def answer(x, size, stride):
        rows, columns = ((side - size) // stride + 1 for side in x.shape[2:])
        return pool(x, size, 1)[:, :, :rows, :columns]

    return answer


def common_bugs(pool, rounding_up):
    """Mistakes about where windows stand, of max and mean pooling alike.

    Args:
        pool: the reference.
        rounding_up: torch's function, which can count windows that hang over the edge.
    """
    return (
        Bug(
            "size taken for stride",
            "Your windows step by their own size, whatever the stride is. Window (i, j) starts at row i * stride and "
            "column j * stride; size says how far it reaches.",
            lambda x, size, stride: pool(x, size, size),
        ),
        Bug(
            "stride taken for size",
            "Your windows reach as far as the step from one to the next. size says how far they reach: where it is "
            "larger than the stride they overlap, and where it is smaller, pixels lie between them.",
            lambda x, size, stride: pool(x, min(stride, *x.shape[2:]), stride),
        ),
        Bug(
            "stride ignored",
            "Your windows move by one pixel, whatever the stride is. Window (i, j) starts at row i * stride and column "
            "j * stride.",
            _next_to_each_other(pool),
            (lambda x, size, stride: pool(x, size, 1),),
        ),
        Bug(
            "pads",
            "You look at more windows than fit: something was put around the picture, or at its end. Pooling here pads "
            "nothing; rows and columns that make no whole window are dropped.",
            lambda x, size, stride: pool(_stretched(x, size, stride), size, stride),
            (
                lambda x, size, stride: rounding_up(torch.tensor(x), size, stride, ceil_mode=True).numpy(),
                lambda x, size, stride: pool(_ringed(x, size), size, stride),
            ),
        ),
        Bug(
            "no error where nothing fits",
            "You return an empty array where the window is larger than the picture. Raise a ValueError that names the "
            "numbers: an empty array is found three layers later, and nobody knows then where it came from.",
            _empty_where_nothing_fits(pool),
        ),
    )


@UNIT.exercise("max_pool_forward(x, size, stride)", points={"basics": 1, "overlap": 1, "tail": 1, "fit": 1})
class MaxPoolForward:
    cases = forward_cases

    def oracle(x, size, stride):
        return ck.oracle.max_pool(x, size, stride)

    window = output_window
    bugs = (
        Bug(
            "starts the maximum at 0",
            "Where all of a window is negative, you answer 0: the running maximum starts at 0 (or np.zeros is compared "
            "with the window). Start from the window's own first value, or from minus infinity.",
            lambda x, size, stride: np.maximum(ck.oracle.max_pool(x, size, stride), 0),
        ),
        *common_bugs(ck.oracle.max_pool, F.max_pool2d),
        Bug(
            "mean for maximum",
            "These are the means of the windows. Max pooling keeps the largest value of each.",
            lambda x, size, stride: ck.oracle.avg_pool(x, size, stride),
        ),
        Bug(
            "largest by absolute value",
            "You took the value that is furthest from zero. The sign counts: the maximum of -3 and 1 is 1.",
            lambda x, size, stride: ck.oracle.max_pool(np.abs(x), size, stride),
            (lambda x, size, stride: _furthest(x, size, stride),),
        ),
        Bug(
            "smallest for largest",
            "These are the smallest values of the windows. Max pooling keeps the largest.",
            lambda x, size, stride: -ck.oracle.max_pool(-x, size, stride),
        ),
        Bug(
            "maximum over the channels",
            "Pooling works on each channel by itself: as many maps come out as go in.",
            lambda x, size, stride: ck.oracle.max_pool(x, size, stride).max(1, keepdims=True),
            (
                lambda x, size, stride: ck.oracle.max_pool(x, size, stride).max(1),
                lambda x, size, stride: ck.oracle.max_pool(x, size, stride).max(1, keepdims=True).repeat(x.shape[1], 1),
            ),
        ),
    )


def _furthest(x, size, stride):
    high, low = ck.oracle.max_pool(x, size, stride), -ck.oracle.max_pool(-x, size, stride)
    return np.where(high >= -low, high, low)


def _shared(mask):
    """Max pooling's gradient with another rule for who gets it.

    Args:
        mask: from windows ``(planes, size * size, windows)`` and their maxima to each place's share.
    """

    def answer(dout, x, size, stride):
        n, c, h, w = x.shape
        planes = torch.tensor(x.reshape(n * c, 1, h, w))
        windows = F.unfold(planes, size, stride=stride)
        shares = mask(windows, windows.amax(1, keepdim=True)).to(windows.dtype)
        spread = shares * torch.tensor(dout.reshape(n * c, 1, -1))
        return F.fold(spread, (h, w), size, stride=stride).reshape(x.shape).numpy()

    return answer


def _last(windows, largest):
    equal = (windows == largest).int()
    return equal * (equal.flip(1).cumsum(1).flip(1) == 1)


def _assigned(erase):
    """Max pooling's gradient written, not added, into the windows in order; ``erase`` writes their zeros, too."""

    def answer(dout, x, size, stride):
        dx = np.zeros_like(x)
        for i, j in np.ndindex(dout.shape[2:]):
            rows, columns = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
            one = ck.oracle.max_pool_backward(dout[:, :, i : i + 1, j : j + 1], x[:, :, rows, columns], size)
            dx[:, :, rows, columns] = one if erase else np.where(one, one, dx[:, :, rows, columns])
        return dx

    return answer


def _of_windows_seen(backward):
    """A gradient with stride = size: of the windows that this makes, those that ``dout`` has."""

    def answer(dout, like, size, stride):
        shape = getattr(like, "shape", like)
        rows, columns = ck.oracle.output_size(shape, (size, size), size)
        full = np.zeros((*shape[:2], rows, columns), dout.dtype)
        seen = dout[:, :, :rows, :columns]
        full[:, :, : seen.shape[2], : seen.shape[3]] = seen
        return backward(full, like, size, size)

    return answer


DIVIDED_BY_STRIDE = "You divided by stride * stride. How many values a window holds is told by size."
STRIDE_IGNORED = (
    "You laid the windows down one pixel apart, whatever the stride is. Window (i, j) starts at row i * stride and "
    "column j * stride, as on the way forward."
)


def _packed(backward):
    """A gradient of windows that lie one pixel apart, in the upper left corner."""

    def answer(dout, like, size, stride):
        rows, columns = (count - 1 + size for count in dout.shape[2:])
        shape = getattr(like, "shape", like)
        seen = like[:, :, :rows, :columns] if isinstance(like, np.ndarray) else (*shape[:2], rows, columns)
        dx = np.zeros(shape, dout.dtype)
        dx[:, :, :rows, :columns] = backward(dout, seen, size, 1)
        return dx

    return answer


def _covered_only(backward):
    """A gradient of the size that the windows cover, without the rows and columns that none sees."""

    def answer(dout, like, size, stride):
        rows, columns = ((count - 1) * stride + size for count in dout.shape[2:])
        return backward(dout, like, size, stride)[:, :, :rows, :columns]

    return answer


def backward_window(case, part, index):
    """The plane of the input that a wrong gradient belongs to, and the upstream gradient that arrives there."""
    dout, like = case.args[:2]
    n, c = index[:2]
    inputs = [(f"x[{n}, {c}]", like[n, c])] if isinstance(like, np.ndarray) else []
    return [*inputs, (f"dout[{n}, {c}]", dout[n, c])]


@UNIT.exercise("max_pool_backward(dout, x, size, stride)", points={"basics": 2, "overlap": 1, "tail": 1, "ties": 1})
class MaxPoolBackward:
    def cases(rng):
        for some in (basics, overlaps, tails, ties):
            for g in some(rng):
                yield g.case((g.dout(rng), g.x(rng), *g.size_and_stride), {})
        for dtype, stride in (("float64", 2), ("float32", 1)):  # nothing but ties
            g = pool(rng, "ties", 2, stride, dtype=dtype)
            level = np.full(g.shape, rng.integers(-3, 4), dtype)
            yield g.case((g.dout(rng), level, *g.size_and_stride), {})

    def oracle(dout, x, size, stride):
        return ck.oracle.max_pool_backward(dout, x, size, stride)

    window = backward_window
    bugs = (
        Bug(
            "all ties get the gradient",
            "Where a window has its largest value in several places, each of them got the upstream gradient, so more "
            "flows back than came in. The first of them in row-major order gets all of it, the others nothing.",
            _shared(lambda windows, largest: windows == largest),
        ),
        Bug(
            "ties share the gradient",
            "Where a window has its largest value in several places, you shared the gradient among them, as torch.amax "
            "does. Nothing is lost that way, but this course gives all of it to the first in row-major order, as "
            "max_pool2d does.",
            _shared(lambda windows, largest: (windows == largest) / (windows == largest).sum(1, keepdim=True)),
        ),
        Bug(
            "the last of several maxima",
            "Of several equal largest values the last one got the gradient. It belongs to the first in row-major "
            "order: that is what argmax finds, and what > (not >=) keeps in a loop.",
            _shared(_last),
        ),
        Bug(
            "the first column by column",
            "Of several equal largest values you took the first one column by column. Row-major order goes along the "
            "first row, then along the second.",
            lambda dout, x, size, stride: ck.oracle.max_pool_backward(
                dout.swapaxes(2, 3), x.swapaxes(2, 3), size, stride
            ).swapaxes(2, 3),
        ),
        Bug(
            "assigned, not added",
            "Where windows overlap, the later one overwrites what the earlier one sent. A pixel that is the largest in "
            "two windows gets both gradients: +=, not =.",
            _assigned(erase=False),
            (_assigned(erase=True),),
        ),
        Bug(
            "times the maximum",
            "You multiplied the gradient by the largest value itself. The maximum hands its input on unchanged, so the "
            "derivative there is 1: dx gets dout as it is.",
            lambda dout, x, size, stride: ck.oracle.max_pool_backward(
                dout * ck.oracle.max_pool(x, size, stride), x, size, stride
            ),
        ),
        Bug(
            "size taken for stride",
            "Your windows step by their own size, whatever the stride is. Window (i, j) starts at row i * stride and "
            "column j * stride, as on the way forward.",
            _of_windows_seen(ck.oracle.max_pool_backward),
        ),
        Bug("stride ignored", STRIDE_IGNORED, _packed(ck.oracle.max_pool_backward)),
        Bug(
            "smallest for largest",
            "You sent the gradient to the smallest value of each window. The output was the largest.",
            lambda dout, x, size, stride: ck.oracle.max_pool_backward(dout, -x, size, stride),
        ),
        Bug(
            "largest by absolute value",
            "You sent the gradient to the value that is furthest from zero. The sign counts: of -3 and 1 the largest "
            "is 1.",
            lambda dout, x, size, stride: ck.oracle.max_pool_backward(dout, np.abs(x), size, stride),
        ),
        Bug(
            "spread over the window",
            "Every pixel of the window got a share. Only the largest one decided the output, so only it hears back.",
            lambda dout, x, size, stride: ck.oracle.avg_pool_backward(dout, x.shape, size, stride),
            (lambda dout, x, size, stride: ck.oracle.avg_pool_backward(dout, x.shape, size, stride) * size**2,),
        ),
        Bug(
            "upstream gradient dropped",
            "The right places are marked, with ones. What flows back to a window's maximum is dout of that window.",
            lambda dout, x, size, stride: ck.oracle.max_pool_backward(np.ones_like(dout), x, size, stride),
            (
                lambda dout, x, size, stride: ck.oracle.max_pool_backward(
                    ck.oracle.max_pool(x, size, stride), x, size, stride
                ),
            ),
        ),
        Bug(
            "tail lost",
            "The gradient has the size that the windows cover. It must have the shape of x: what no window saw gets 0.",
            _covered_only(ck.oracle.max_pool_backward),
        ),
    )


@UNIT.exercise("avg_pool_forward(x, size, stride)", points={"basics": 1, "overlap": 1, "tail": 1, "fit": 1})
class AvgPoolForward:
    cases = forward_cases

    def oracle(x, size, stride):
        return ck.oracle.avg_pool(x, size, stride)

    window = output_window
    bugs = (
        Bug(
            "not divided",
            "These are the sums of the windows. The mean divides by the number of values in a window.",
            lambda x, size, stride: ck.oracle.avg_pool(x, size, stride) * size**2,
        ),
        Bug(
            "divided twice",
            "The result is too small by the number of values in a window: np.mean divides already.",
            lambda x, size, stride: ck.oracle.avg_pool(x, size, stride) / size**2,
        ),
        Bug(
            "divided by the side",
            "You divided by size. A window holds size * size values.",
            lambda x, size, stride: ck.oracle.avg_pool(x, size, stride) * size,
        ),
        Bug(
            "divided by the stride",
            DIVIDED_BY_STRIDE,
            lambda x, size, stride: ck.oracle.avg_pool(x, size, stride) * (size / stride) ** 2,
        ),
        *common_bugs(ck.oracle.avg_pool, F.avg_pool2d),
        Bug(
            "maximum for mean",
            "These are the maxima of the windows. Mean pooling takes the mean of each.",
            lambda x, size, stride: ck.oracle.max_pool(x, size, stride),
        ),
        Bug(
            "mean over the channels",
            "Pooling works on each channel by itself: as many maps come out as go in.",
            lambda x, size, stride: ck.oracle.avg_pool(x, size, stride).mean(1, keepdims=True),
            (lambda x, size, stride: ck.oracle.avg_pool(x, size, stride).mean(1),),
        ),
    )


def _spread_assigned(dout, x_shape, size, stride):
    dx = np.zeros(x_shape, dout.dtype)
    for i, j in np.ndindex(dout.shape[2:]):
        rows, columns = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
        dx[:, :, rows, columns] = dout[:, :, i : i + 1, j : j + 1] / size**2
    return dx


def _mean_of_overlaps(dout, x_shape, size, stride):
    counts = ck.oracle.avg_pool_backward(np.ones_like(dout), x_shape, size, stride) * size**2
    return ck.oracle.avg_pool_backward(dout, x_shape, size, stride) / np.maximum(counts, 1)


@UNIT.exercise("avg_pool_backward(dout, x_shape, size, stride)", points={"basics": 2, "overlap": 1, "tail": 1})
class AvgPoolBackward:
    def cases(rng):
        for some in (basics, overlaps, tails):
            for g in some(rng):
                yield g.case((g.dout(rng), g.shape, *g.size_and_stride), {})

    def oracle(dout, x_shape, size, stride):
        return ck.oracle.avg_pool_backward(dout, x_shape, size, stride)

    window = backward_window
    bugs = (
        Bug(
            "not divided",
            "Every pixel of a window got the whole upstream gradient. Each moves the mean by only 1 / size**2 of its "
            "own change.",
            lambda dout, x_shape, size, stride: ck.oracle.avg_pool_backward(dout, x_shape, size, stride) * size**2,
        ),
        Bug(
            "divided twice",
            "The gradients are too small by the number of values in a window: it was divided by twice.",
            lambda dout, x_shape, size, stride: ck.oracle.avg_pool_backward(dout, x_shape, size, stride) / size**2,
        ),
        Bug(
            "divided by the side",
            "You divided by size. A window holds size * size values.",
            lambda dout, x_shape, size, stride: ck.oracle.avg_pool_backward(dout, x_shape, size, stride) * size,
        ),
        Bug(
            "divided by the stride",
            DIVIDED_BY_STRIDE,
            lambda dout, x_shape, size, stride: (
                ck.oracle.avg_pool_backward(dout, x_shape, size, stride) * (size / stride) ** 2
            ),
        ),
        Bug("stride ignored", STRIDE_IGNORED, _packed(ck.oracle.avg_pool_backward)),
        Bug(
            "size taken for stride",
            "Your windows step by their own size, whatever the stride is. Window (i, j) starts at row i * stride and "
            "column j * stride, as on the way forward.",
            _of_windows_seen(ck.oracle.avg_pool_backward),
        ),
        Bug(
            "assigned, not added",
            "Where windows overlap, the later one overwrites what the earlier one sent. A pixel in two windows gets "
            "both shares: +=, not =.",
            _spread_assigned,
        ),
        Bug(
            "overlaps averaged",
            "You divided by the number of windows that see a pixel. Gradients along several paths are added up.",
            _mean_of_overlaps,
        ),
        Bug(
            "tail lost",
            "The gradient has the size that the windows cover. It must have the shape x_shape: what no window saw "
            "gets 0.",
            _covered_only(ck.oracle.avg_pool_backward),
        ),
    )
