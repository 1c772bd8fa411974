"""Unit 04: gates, the gradient check, non-linearities, linear layers, and backpropagation through a network."""

import numpy as np
import torch

from cnnkit import oracle as ref
from cnnkit.cases import Case
from cnnkit.comparing import Tolerance
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.specification import Bug, Unit
from cnnkit.oracle.tensors import gradients, tensor

UNIT = Unit("04-backprop")

SHAPES = [(4,), (2, 3), (3, 3), (2, 3, 4), (2, 3, 2, 4), (1,), (1, 1)]
"""Shapes that a function which works element by element has to take."""


# Gates


def gate_cases(rng):
    """Arguments of ``gate_probe``."""
    # Eighths: a Python float that became a torch tensor is in single precision, which holds their products exactly.
    number = lambda: int(rng.integers(4, 40)) / 8 * int(rng.choice([-1, 1]))
    yield Case("numbers", (2.0, -3.0, 4.0))
    yield Case("numbers", (5.0, 7.0, -2.0))
    yield Case("numbers", (0.0, number(), number()))
    for _ in range(2):
        yield Case("numbers", (number(), number(), number()))
    for shape, dtype, layout, readonly in [
        ((3,), "float64", "C", False),
        ((2, 3), "float64", "C", True),
        ((2, 3), "float32", "C", False),
        ((3, 2, 4), "float64", "transposed", False),
        ((2, 2), "float32", "slice", True),
        ((1,), "float64", "C", False),
    ]:
        yield Case("arrays", tuple(draw(rng, shape, dtype) for _ in range(3)), layout=layout, readonly=readonly)
    for order in (
        "forward twice, then backward",
        "used again",
        "two gates, the first asked",
        "two gates, the second asked",
    ):
        for value in (number, lambda: draw(rng, (2, 3))):
            yield Case("several calls", ((value(), value()), (value(), value()), value()), {"order": order})


def gate_probe(gate, x, y, dz, order=None):
    """What one gate gives: ``(z, dx, dy)``; with an ``order``, x and y hold the inputs of two forward calls."""
    if order is None:
        one = gate()
        z = one.forward(x, y)
    else:
        one, two = gate(), gate()
        if order == "used again":
            one.forward(x[0], y[0])
            one.backward(dz)
            z = one.forward(x[1], y[1])
        elif order == "forward twice, then backward":
            one.forward(x[0], y[0])
            z = one.forward(x[1], y[1])
        elif order == "two gates, the first asked":
            z = one.forward(x[0], y[0])
            two.forward(x[1], y[1])
        else:
            two.forward(x[0], y[0])
            z = one.forward(x[1], y[1])
    dx, dy = one.backward(dz)
    return z, dx, dy


def shared(gate):
    """A gate whose objects all use the memory of the one that ran forward last."""

    class Shared(gate):
        latest = None

        def forward(self, x, y):
            Shared.latest = self
            return super().forward(x, y)

        def backward(self, dz):
            return super(Shared, Shared.latest).backward(dz)

    return Shared


def first_only(gate):
    """A gate that keeps the inputs of its first forward call for good."""

    class FirstOnly(gate):
        def forward(self, x, y):
            first = getattr(self, "inputs", (x, y))
            z = super().forward(x, y)
            self.inputs = first
            return z

    return FirstOnly


def backward_as(gate, backward):
    """A gate with another ``backward(self, dz)``."""
    return type("Twisted", (gate,), {"backward": backward})


def ones_like(dz):
    return np.ones_like(dz, dtype=np.result_type(dz, np.float32) if isinstance(dz, np.ndarray) else float)


def dropped(gate):
    return backward_as(gate, lambda self, dz: gate.backward(self, ones_like(dz)))


DROPPED_HINT = (
    "Your gradients do not depend on dz. A gate knows only its own slope, dz/dx; what dz means for the loss comes in "
    "from above, and the chain rule multiplies the two."
)


@UNIT.exercise("MultiplyGate(x, y, dz, order=None)", points={"numbers": 1, "arrays": 1, "several calls": 1})
class MultiplyGate:
    cases = gate_cases
    probe = gate_probe
    returns = ("z", "dx", "dy")
    oracle = ref.MultiplyGate
    bugs = (
        Bug(
            "swapped",
            "dx and dy have changed places. How much does z = x y move when x moves by a little? By y times as much.",
            backward_as(ref.MultiplyGate, lambda self, dz: ref.MultiplyGate.backward(self, dz)[::-1]),
        ),
        Bug("dz dropped", DROPPED_HINT, dropped(ref.MultiplyGate)),
        Bug(
            "dz added",
            "You added dz to the gate's own slope. Slopes in a row multiply: if z moves y times as fast as x, and the "
            "loss dz times as fast as z, the loss moves y dz times as fast as x.",
            backward_as(
                ref.MultiplyGate,
                lambda self, dz: tuple(slope + dz for slope in ref.MultiplyGate.backward(self, ones_like(dz))),
            ),
        ),
        Bug(
            "gates share their memory",
            "When two gates are alive, one uses the inputs of the other. Keep x and y on the object, as self.x and "
            "self.y, not on the class or in a global variable.",
            shared(ref.MultiplyGate),
        ),
        Bug(
            "remembers the first call",
            "When forward runs a second time, backward still uses the inputs of the first. Store x and y anew in every "
            "forward.",
            first_only(ref.MultiplyGate),
        ),
    )


def crossed(self, dz):
    x, y = self.inputs
    return y * dz, x * dz


@UNIT.exercise("AddGate(x, y, dz, order=None)", points={"numbers": 1, "arrays": 1, "several calls": 1})
class AddGate:
    cases = gate_cases
    probe = gate_probe
    returns = ("z", "dx", "dy")
    oracle = ref.AddGate
    bugs = (
        Bug("dz dropped", DROPPED_HINT, dropped(ref.AddGate)),
        Bug(
            "gradients of the other gate",
            "These are the gradients of a product. When x moves by a little, x + y moves by just as much, whatever y "
            "is: the slope is 1.",
            backward_as(ref.AddGate, crossed),
            (
                backward_as(ref.AddGate, lambda self, dz: (self.inputs[0] * dz, self.inputs[1] * dz)),
                backward_as(ref.AddGate, lambda self, dz: self.inputs),
                backward_as(ref.AddGate, lambda self, dz: self.inputs[::-1]),
            ),
        ),
        Bug(
            "gradient shared out",
            "You gave each input half of dz. A sum does not divide its gradient: when either input moves by 1, the sum "
            "moves by 1, so each gets all of dz.",
            backward_as(ref.AddGate, lambda self, dz: (dz / 2, dz / 2)),
        ),
    )


# The gradient check

FUNCTIONS = {
    "x**2": lambda x: x * x,
    "x**3": lambda x: x * x * x,
    "sin(x)": np.sin,
    "1 / (1 + x**2)": lambda x: 1 / (1 + x * x),
    "sum(x**2)": lambda x: (x * x).sum(),
    "sum(sin(x)) ** 2": lambda x: np.sin(x).sum() ** 2,
    "x @ x.T": lambda x: x @ x.T,
    "row sums of x**2": lambda x: (x * x).sum(axis=1),
    "every second column of x**2": lambda x: x[:, ::2] ** 2,
}
"""What ``numerical_gradient`` is tried on; named, since a case holds plain data only."""


def difference_cases(rng):
    def some(group, f, shape, upstream=None, layout="C", **more):
        x = draw(rng, shape)
        given = {} if upstream is None else {"upstream": draw(rng, upstream)}
        return Case(group, (f, x), given | more, layout=layout)

    yield some("numbers", "sum(x**2)", (4,))
    yield some("numbers", "sum(x**2)", (4,))
    yield some("numbers", "sum(x**2)", (2, 3))
    yield some("numbers", "sum(sin(x)) ** 2", (3, 2))
    yield some("numbers", "sum(sin(x)) ** 2", (2, 2, 3))
    yield some("numbers", "sum(x**2)", ())
    yield some("numbers", "sum(sin(x)) ** 2", (1,))
    yield some("numbers", "sum(x**2)", (3, 3), h=0.5)  # exact for a parabola, whatever h
    yield some("arrays", "x**2", (5,))
    yield some("arrays", "x**2", (5,))
    yield some("arrays", "sin(x)", (2, 3))
    yield some("arrays", "x @ x.T", (3, 2))
    # All that do not lie row by row are in one group: who moves a copy of them loses these points alone.
    yield some("arrays", "x @ x.T", (3, 3), layout="transposed")
    yield some("arrays", "sum(sin(x)) ** 2", (3, 2), layout="transposed")
    yield some("arrays", "sum(sin(x)) ** 2", (2, 2, 3), layout="slice")
    yield some("arrays", "row sums of x**2", (3, 4))
    yield some("arrays", "every second column of x**2", (2, 5), layout="slice")
    yield some("arrays", "1 / (1 + x**2)", (2, 3, 2))
    yield some("arrays", "x**2", (1, 1))
    yield some("upstream", "x**2", (3, 4), (3, 4))
    yield some("upstream", "sin(x)", (2, 2), (2, 2))
    yield some("upstream", "x @ x.T", (4, 2), (4, 4))
    yield some("upstream", "x @ x.T", (4, 2), (4, 4))
    yield some("upstream", "x @ x.T", (3, 3), (3, 3))  # of the shape of x, and yet each output depends on a whole row
    yield some("upstream", "row sums of x**2", (3, 2), (3,))
    yield some("upstream", "every second column of x**2", (3, 4), (3, 2))
    yield some("upstream", "sum(x**2)", (2, 3), ())
    yield some("step", "x**2", (2, 3), h=0.25)
    yield some("step", "x**2", (2, 3), h=0.25)
    yield some("step", "x @ x.T", (2, 3), (2, 2), h=0.5)
    yield some("step", "x**3", (4,), h=0.5)  # 3 x**2 + h**2: the step itself shows in the result
    yield some("step", "x**3", (3, 2), (3, 2), h=0.125)
    yield some("step", "sum(x**2)", (2, 2), h=1e-3)
    whole = lambda *shape: rng.integers(1, 5, shape) * rng.choice([-1, 1], shape)
    yield Case("integers", ("sum(x**2)", whole(3)))
    yield Case("integers", ("sum(x**2)", whole(3)))
    yield Case("integers", ("x**2", whole(2, 3)))
    yield Case("integers", ("x @ x.T", whole(3, 2)), {"upstream": draw(rng, (3, 3))})
    yield Case("integers", ("x**3", whole(2, 2)), {"h": 0.25})


def difference_probe(answer, f, x, upstream=None, h=None):
    """``answer`` on one of ``FUNCTIONS``, which insists on arrays of the shape of x."""
    shape = x.shape

    def function(a):
        if np.shape(a) != shape:
            raise ValueError(f"f was called with an array of shape {np.shape(a)}; x has the shape {shape}")
        return FUNCTIONS[f](a)

    more = {"h": h} if h is not None else {}
    return answer(function, x, **more) if upstream is None else answer(function, x, upstream, **more)


def one_sided(side):
    """Differences between x and its neighbour on one side only."""

    def answer(f, x, upstream=None, h=1e-5):
        start = np.array(x, np.float64)
        # Twice the way from x to one side, and none to the other.
        half = lambda a: 2 * f(a if side * (a - start).sum() > 0 else start)
        return ref.numerical_gradient(half, x, upstream, h)

    return answer


def moves_x(shift):
    """The right gradient, but x is left elsewhere; as when a loop moves each entry and does not put it back."""

    def answer(f, x, upstream=None, h=1e-5):
        moved = np.array(x, np.float64)
        slopes = np.empty(moved.shape)
        for i in np.ndindex(moved.shape):
            slopes[i] = ref.numerical_gradient(f, moved, upstream, h)[i]
            moved[i] += shift * h
        x[...] = moved
        return slopes

    return answer


def truncated(f, x, upstream=None, h=1e-5):
    """An integer x stays one: what is added to an entry is cut off again."""
    if x.dtype.kind == "f":
        return ref.numerical_gradient(f, x, upstream, h)
    cut = lambda a: np.asarray(f(np.trunc(a).astype(x.dtype)), np.float64)
    return ref.numerical_gradient(cut, x, upstream, h)


def integer_result(gradient):
    def answer(f, x, upstream=None, h=1e-5):
        found = gradient(f, x, upstream, h)
        return found if x.dtype.kind == "f" else found.astype(x.dtype)

    return answer


def copy_moved(f, x, upstream=None, h=1e-5):
    """The right gradient where x lies row by row; else nothing moves."""
    return ref.numerical_gradient(f, x, upstream, h) if x.flags.c_contiguous else np.zeros(x.shape)


@UNIT.exercise(
    "numerical_gradient(f, x, upstream=None, h=1e-5)",
    points={"numbers": 1, "arrays": 1, "upstream": 1, "step": 1, "integers": 1},
)
class NumericalGradient:
    cases = difference_cases
    probe = difference_probe
    # A step of 1e-5 leaves an error of about 1e-10, from rounding and from the third derivative alike; a forward
    # difference is off by 5e-6 times the second derivative, single precision by 3e-8 of a value.
    double = Tolerance(relative=1e-8, absolute=1e-8, floor=1e-9)
    oracle = ref.numerical_gradient
    bugs = (
        Bug(
            "forward difference",
            "You compared f(x + h) with f(x), or f(x) with f(x - h). That slope belongs to a point half a step away. "
            "Step to both sides and divide by 2h: the largest part of the error cancels, and on a parabola all of it.",
            one_sided(1),
            (one_sided(-1),),
        ),
        Bug(
            "sign",
            "The slope has the wrong sign: it is f(x + h) - f(x - h), the value further on less the one before.",
            lambda f, x, upstream=None, h=1e-5: -ref.numerical_gradient(f, x, upstream, h),
        ),
        Bug(
            "not divided by 2h",
            "The two points lie 2h apart, so the rise has to be divided by 2h.",
            lambda f, x, upstream=None, h=1e-5: 2 * ref.numerical_gradient(f, x, upstream, h),
            (
                lambda f, x, upstream=None, h=1e-5: 2 * h * ref.numerical_gradient(f, x, upstream, h),
                lambda f, x, upstream=None, h=1e-5: 2 * h * h * ref.numerical_gradient(f, x, upstream, h),
            ),
        ),
        Bug(
            "x left modified",
            "x is not what it was before the call. Keep the old value of the entry that you move, and put exactly that "
            "value back before you go on: adding and subtracting h again leaves a rounding error behind.",
            moves_x(-1),
            (moves_x(1), moves_x(1e-6)),
        ),
        Bug(
            "integer x",
            "With an x of whole numbers, 3 + 0.00001 is stored as 3, and slopes lose what is behind the point. Work "
            "on a float64 copy of x, and collect the slopes in a float64 array.",
            truncated,
            (integer_result(ref.numerical_gradient), integer_result(truncated)),
        ),
        Bug(
            "a copy is moved",
            "Where x does not lie in memory row by row your slopes are all 0: reshape(-1) and ravel() give a copy of "
            "such an array, and f never sees what you do to it. Move the entries of the array that you hand to f, by "
            "index, with np.ndindex say.",
            copy_moved,
        ),
        Bug(
            "upstream ignored",
            "Your result is the same for every upstream. Each output counts as much as upstream says: multiply the "
            "rises by it, entry by entry, before you add them up.",
            lambda f, x, upstream=None, h=1e-5: ref.numerical_gradient(f, x, None, h),
        ),
        Bug(
            "h ignored",
            "Your result does not depend on h. Use the argument, not a fixed step.",
            lambda f, x, upstream=None, h=1e-5: ref.numerical_gradient(f, x, upstream),
        ),
        Bug(
            "result is flat",
            "The slopes came back in one row. The gradient has the shape of x: one slope for each entry, in its place.",
            lambda f, x, upstream=None, h=1e-5: ref.numerical_gradient(f, x, upstream, h).reshape(-1),
        ),
    )


def error_cases(rng):
    for shape, dtype, layout, readonly in [
        ((5,), "float64", "C", False),
        ((5,), "float64", "C", True),
        ((3, 4), "float64", "transposed", False),
        ((3, 4), "float32", "C", False),
        ((2, 3, 2, 2), "float64", "channels last", True),
        ((2, 3), "float32", "slice", False),
        ((1,), "float64", "C", False),
    ]:
        a = draw(rng, shape, dtype)
        b = a * (1 + rng.uniform(-0.2, 0.2, shape)).astype(dtype)
        yield Case("basics", (a, b), layout=layout, readonly=readonly)
    yield Case("basics", (a := draw(rng, (4, 2)), -a))  # 1, the largest there is
    for dtype in ("float64", "float32"):  # some of one sign, some of both
        a, signs = draw(rng, (3, 4), dtype), rng.permutation(np.resize([1, -1], 12)).reshape(3, 4)
        yield Case("basics", (a, (a * signs * rng.uniform(0.5, 0.9, (3, 4))).astype(dtype)))
    # b is larger in every place, or smaller.
    a = rng.uniform(1, 2, (3, 2))
    for way in (1, -1):
        yield Case("basics", (a, a * (1 + way * rng.uniform(0.1, 0.3, (3, 2)))))
        yield Case("basics", (-a, -a * (1 + way * rng.uniform(0.1, 0.3, (3, 2)))))
    # The worst place is where both are small, which a difference of sizes overlooks.
    a, b = np.full((2, 3), 100.0), np.full((2, 3), 100.001)
    place = tuple(rng.integers(0, (2, 3)))
    a[place], b[place] = 0.01 * rng.uniform(1, 2), 0.03
    yield Case("basics", (a, b))
    for size in (1e-6, 1e-9):
        a = draw(rng, (3, 5))
        yield Case("nearly equal", (a, a * (1 + size * rng.uniform(-1, 1, (3, 5)))))
    a = draw(rng, (6,), "float32")
    yield Case("nearly equal", (a, a * np.float32(1.01)))
    yield Case("nearly equal", (a, a.copy()))
    yield Case("nearly equal", (a.astype("float64"), a.astype("float64")))
    for dtype in ("float64", "float32"):
        a = draw(rng, (2, 4), dtype)
        b = a * (1 + rng.uniform(0.05, 0.1, (2, 4))).astype(dtype)
        a[1, 2] = b[1, 2] = a[0, 0] = b[0, 0] = 0
        yield Case("zeros", (a, b))
        yield Case("zeros", (np.zeros((2, 3), dtype), np.zeros((2, 3), dtype)))
        yield Case("zeros", (np.zeros(3, dtype), draw(rng, (3,), dtype)))
        yield Case("zeros", (draw(rng, (3,), dtype), np.zeros(3, dtype)))
        tiny = rng.uniform(1e-13, 4e-13, (3,)).astype(dtype)
        yield Case("zeros", (tiny, -rng.permutation(tiny)))  # below 1e-12, differences count for less


def _ratios(a, b, above=np.abs, below=None, floor=1e-12):
    """Element by element ``above(a - b) / below``, in torch and float64."""
    a, b = tensor(a, "cpu"), tensor(b, "cpu")
    below = (a.abs() + b.abs()) if below is None else below(a, b)
    return above(a - b) / (below if floor is None else below.clamp(min=floor))


def _worst(**how):
    return lambda a, b: _ratios(a, b, **how).max().item()


@UNIT.exercise("relative_error(a, b)", points={"basics": 2, "nearly equal": 1, "zeros": 1})
class RelativeError:
    cases = error_cases
    oracle = ref.relative_error
    bugs = (
        Bug(
            "no absolute value",
            "Differences of both signs, or sizes of both signs, cancel in your result. Take the absolute value of the "
            "difference above the line, and of each array by itself below it.",
            _worst(above=lambda d: d),
            (_worst(below=lambda a, b: a + b), _worst(below=lambda a, b: (a + b).abs()), _worst(above=lambda d: -d)),
        ),
        Bug(
            "division by zero",
            "Where both arrays are 0, you divide 0 by 0, and nan spoils the maximum. Keep the denominator from falling "
            "below 1e-12.",
            _worst(floor=None),
        ),
        Bug(
            "not relative",
            "You return the largest difference as it is. Whether 0.01 is much depends on the numbers: divide each "
            "difference by the sizes of the two, |a| + |b|.",
            lambda a, b: np.abs(a - b).max().item(),
        ),
        Bug(
            "maximum not taken",
            "You return a ratio for each entry. The largest of them is the answer, one number.",
            lambda a, b: _ratios(a, b).numpy(),
        ),
        Bug(
            "mean for maximum",
            "You averaged. One wrong entry among a million is still a mistake: the largest ratio counts.",
            lambda a, b: _ratios(a, b).mean().item(),
            (lambda a, b: _ratios(a, b).sum().item(),),
        ),
        Bug(
            "one ratio for the whole array",
            "You divided a largest (or total) difference by a largest (or total) size, so that an error in a small "
            "entry disappears behind a large one. Divide element by element first, then take the maximum.",
            lambda a, b: _whole(a, b, lambda t: t.abs().max()),
            (lambda a, b: _whole(a, b, torch.linalg.vector_norm), lambda a, b: _whole(a, b, lambda t: t.abs().sum())),
        ),
        Bug(
            "another floor",
            "Where both numbers are tiny, your denominator is another one. It is |a| + |b|, but never less than 1e-12: "
            "the larger of the two, not their sum.",
            lambda a, b: (_ratios(a, b, below=lambda a, b: a.abs() + b.abs() + 1e-12)).max().item(),
            tuple(_worst(floor=floor) for floor in (1e-8, 1e-10, 1e-15)),
        ),
        Bug(
            "other denominator",
            "Your denominator is not |a| + |b|. With the sum of both, the result lies between 0 and 1.",
            _worst(below=lambda a, b: torch.maximum(a.abs(), b.abs())),
            (
                _worst(below=lambda a, b: a.abs()),
                _worst(below=lambda a, b: b.abs()),
                _worst(below=lambda a, b: (a.abs() + b.abs()) / 2),
            ),
        ),
    )


def _whole(a, b, size):
    a, b = tensor(a, "cpu"), tensor(b, "cpu")
    return (size(a - b) / (size(a) + size(b)).clamp(min=1e-12)).item()


# Non-linearities


def point_cases(rng, backward, far):
    """Arguments ``(z,)`` or ``(dout, z)``; ``far`` is the group of very large and very small z."""

    def case(group, z, layout="C", readonly=False):
        return Case(group, (draw(rng, z.shape, z.dtype), z) if backward else (z,), layout=layout, readonly=readonly)

    layouts = [("C", False), ("C", True), ("transposed", False), ("C", False), ("channels last", True), ("C", False)]
    for dtype in ("float64", "float32"):
        for shape, (layout, readonly) in zip(SHAPES, [*layouts, ("slice", False)], strict=True):
            yield case("basics", 2 * draw(rng, shape, dtype), layout, readonly)
    for dtype in ("float64", "float32"):  # further out than normal numbers come
        far_out = np.array([-9, -7, -5.5, -4, 4, 5.5, 7, 9]) + rng.uniform(-0.4, 0.4, 8)
        yield case("basics", rng.permutation(far_out).reshape(2, 4).astype(dtype))
    yield case("basics", 2 * draw(rng, (2, 3)))  # a shape that has been there before
    yield case("basics", draw(rng, (3, 5), whole=True), "slice")
    for dtype in ("float64", "float32"):
        edges = np.array([-1000, 1000, -100, 100, -20, 20, -1, 0, 1], dtype)
        yield case(far, rng.permutation(edges))
        yield case(far, rng.permutation(edges).reshape(3, 3))
        yield case(far, np.full((2, 2), 1000, dtype))
        yield case(far, np.full((2, 2), -1000, dtype))


def kink_cases(rng, backward):
    """The same for a function with a kink at 0: zeros of both signs, and values next to it."""
    yield from point_cases(rng, backward, "basics")
    for dtype in ("float64", "float32"):
        for shape in ((3, 3), (2, 6)):
            z = rng.choice([-2, -1e-3, -0.0, 0.0, 1e-3, 2], shape)
            z[0], z[1, :2] = 0, (1, -1)
            z[0, -1], z.reshape(-1)[-2:] = -0.0, (1e-3, -1e-3)
            z = z.astype(dtype)
            yield Case("zeros", (draw(rng, shape, dtype), z) if backward else (z,))
        z = np.zeros(4, dtype)
        yield Case("zeros", (draw(rng, (4,), dtype), z) if backward else (z,))


def _native(formula):
    """A formula in torch, in the precision of its arguments: that is where it overflows."""
    return lambda *arrays: formula(*(torch.from_numpy(np.array(a, order="C")) for a in arrays)).numpy()


def _exp_ratio(z):
    return torch.exp(z) / (1 + torch.exp(z))


def _exp_tanh(z):
    return (torch.exp(z) - torch.exp(-z)) / (torch.exp(z) + torch.exp(-z))


OVERFLOW_HINT = (
    "For a large z, or a very negative one, your result is inf or nan: exp(1000) is more than a float can hold, and "
    "inf divided by inf is nan. Rearrange the formula so that exp is only ever taken of numbers up to 0."
)
OUTPUT_HINT = (
    "You put z where the formula wants the output. It expresses the slope by the output of forward, and z is what went "
    "in: compute the output of z first."
)
NO_DOUT_HINT = (
    "Your result does not depend on dout. This is the slope of the function itself; the chain rule multiplies it, "
    "entry by entry, with the gradient that comes in from above."
)


SWAPPED_HINT = (
    "dout and z have changed places. z, what went in, decides the slope; dout, the gradient from above, is what gets "
    "multiplied by it."
)
NAN_REPLACED_HINT = (
    "exp has overflowed, and nan was replaced by 0 afterwards, which is not what the function gives there. Rearrange "
    "the formula so that exp is only ever taken of numbers up to 0: then there is no nan to replace."
)


def swapped(backward):
    return Bug("dout and z swapped", SWAPPED_HINT, lambda dout, z: backward(z, dout))


def nan_replaced(formula):
    return Bug("nan replaced", NAN_REPLACED_HINT, _native(lambda *arrays: torch.nan_to_num(formula(*arrays))))


def no_dout(backward):
    return Bug("dout dropped", NO_DOUT_HINT, lambda dout, z: backward(np.ones_like(dout), z))


@UNIT.exercise("sigmoid(z)", points={"basics": 1, "large z": 1})
class Sigmoid:
    def cases(rng):
        return point_cases(rng, False, "large z")

    oracle = ref.sigmoid
    bugs = (
        Bug("overflow", OVERFLOW_HINT, _native(_exp_ratio)),
        nan_replaced(_exp_ratio),
        Bug(
            "sign of z",
            "Your curve falls where it should rise: the exponent is -z, so that a large z gives 1.",
            lambda z: ref.sigmoid(-z),
        ),
        Bug(
            "derivative returned",
            "This is the derivative of the sigmoid. Here the value itself is wanted: it is 1/2 at 0 and grows towards "
            "1.",
            lambda z: ref.sigmoid_backward(np.ones_like(z), z),
        ),
    )


@UNIT.exercise("sigmoid_backward(dout, z)", points={"basics": 1, "large z": 1})
class SigmoidBackward:
    def cases(rng):
        return point_cases(rng, True, "large z")

    oracle = ref.sigmoid_backward
    bugs = (
        Bug("z taken for the output", OUTPUT_HINT, lambda dout, z: dout * z * (1 - z)),
        no_dout(ref.sigmoid_backward),
        swapped(ref.sigmoid_backward),
        Bug(
            "1 - sigmoid forgotten",
            "You multiplied dout by the value of the sigmoid, not by its slope. The slope is the value times one "
            "minus the value, and at most 1/4.",
            lambda dout, z: dout * ref.sigmoid(z),
            (lambda dout, z: dout * ref.sigmoid(-z),),
        ),
        Bug(
            "overflow",
            OVERFLOW_HINT,
            _native(lambda dout, z: dout * torch.exp(-z) / (1 + torch.exp(-z)) ** 2),
            (
                _native(lambda dout, z: dout * torch.exp(z) / (1 + torch.exp(z)) ** 2),
                _native(lambda dout, z: dout * _exp_ratio(z) * (1 - _exp_ratio(z))),
            ),
        ),
        Bug(
            "sigmoid applied twice",
            "You took the sigmoid of the sigmoid before you formed the slope. z is the input: one sigmoid is enough.",
            lambda dout, z: ref.sigmoid_backward(dout, ref.sigmoid(z)),
        ),
    )


@UNIT.exercise("tanh(z)", points={"basics": 1, "large z": 1})
class Tanh:
    def cases(rng):
        return point_cases(rng, False, "large z")

    oracle = ref.tanh
    bugs = (
        Bug(
            "overflow",
            OVERFLOW_HINT,
            _native(_exp_tanh),
            (
                _native(lambda z: (torch.exp(2 * z) - 1) / (torch.exp(2 * z) + 1)),
                _native(lambda z: (1 - torch.exp(-2 * z)) / (1 + torch.exp(-2 * z))),
            ),
        ),
        nan_replaced(_exp_tanh),
        Bug(
            "the 2 inside forgotten",
            "A sigmoid stretched to reach from -1 to 1 is only half as steep as tanh: tanh(z) = 2 sigmoid(2z) - 1, "
            "with a 2 inside as well.",
            lambda z: 2 * ref.sigmoid(z) - 1,
        ),
        Bug(
            "sign of z",
            "Your curve falls where it should rise: for a large z the result is 1, not -1.",
            lambda z: -ref.tanh(z),
        ),
    )


@UNIT.exercise("tanh_backward(dout, z)", points={"basics": 1, "large z": 1})
class TanhBackward:
    def cases(rng):
        return point_cases(rng, True, "large z")

    oracle = ref.tanh_backward
    bugs = (
        Bug("z taken for the output", OUTPUT_HINT, lambda dout, z: dout * (1 - z * z)),
        no_dout(ref.tanh_backward),
        swapped(ref.tanh_backward),
        Bug(
            "not squared",
            "The slope is 1 minus the square of tanh(z). Without the square it would be 2 for very negative z, where "
            "the curve is flat.",
            lambda dout, z: dout * (1 - ref.tanh(z)),
            (lambda dout, z: dout * ref.tanh(z) * (1 - ref.tanh(z)),),
        ),
        Bug(
            "tanh applied twice",
            "You took tanh of tanh before you formed the slope. z is the input: one tanh is enough.",
            lambda dout, z: ref.tanh_backward(dout, ref.tanh(z)),
        ),
        Bug(
            "overflow",
            OVERFLOW_HINT,
            _native(lambda dout, z: dout * (1 - _exp_tanh(z) ** 2)),
            (_native(lambda dout, z: dout * (1 - ((torch.exp(2 * z) - 1) / (torch.exp(2 * z) + 1)) ** 2)),),
        ),
    )


def relu_in_place(z):
    z[...] = ref.relu(z)
    return z


def relu_backward_in_place(dout, z):
    dout[...] = ref.relu_backward(dout, z)
    return dout


@UNIT.exercise("relu(z)", points={"basics": 1, "zeros": 1})
class Relu:
    def cases(rng):
        return kink_cases(rng, False)

    oracle = ref.relu
    bugs = (
        Bug(
            "absolute value",
            "You turned negative values round. ReLU cuts them off: below 0 it gives 0.",
            lambda z: np.asarray(tensor(z, "cpu").abs()).astype(z.dtype),
        ),
        Bug(
            "1 for positive",
            "You give 1 wherever z is positive. That is the slope; the value is z itself.",
            lambda z: ref.relu_backward(np.ones_like(z), z),
        ),
        Bug(
            "the other half",
            "You kept the negative half. ReLU lets positive values through as they are.",
            lambda z: -ref.relu(-z),
            (lambda z: ref.relu(-z),),
        ),
        Bug(
            "slope below zero",
            "You let a part of the negative values through. That is a leaky ReLU, which unit 06 is about; here they "
            "become 0.",
            lambda z: ref.leaky_relu(z, 0.01),
            (lambda z: ref.leaky_relu(z, 0.1),),
        ),
        Bug(
            "changes z",
            "The result is right, but you wrote the zeros into the argument itself, and backward will need z as it "
            "was. Make a new array.",
            relu_in_place,
        ),
    )


@UNIT.exercise("relu_backward(dout, z)", points={"basics": 1, "zeros": 1})
class ReluBackward:
    def cases(rng):
        return kink_cases(rng, True)

    oracle = ref.relu_backward
    bugs = (
        Bug(
            "slope 1 at zero",
            "At z = 0 you let the gradient through. ReLU has no slope at its kink; torch takes 0 there, and so does "
            "this course.",
            lambda dout, z: dout - ref.relu_backward(dout, -z),
            (lambda dout, z: (dout + ref.relu_backward(dout, z) - ref.relu_backward(dout, -z)) / 2,),
        ),
        Bug(
            "asks dout, not z",
            "You cut off where dout is negative. What the gate let through was decided by z on the way forward; a "
            "negative gradient passes as well as a positive one.",
            lambda dout, z: ref.relu(dout),
            (lambda dout, z: ref.relu_backward(ref.relu(dout), z),),
        ),
        Bug(
            "z for dout",
            "You let z through where it is positive: that is forward. On the way back it is dout that passes, at the "
            "places where z was positive.",
            lambda dout, z: ref.relu(z),
            (lambda dout, z: dout * ref.relu(z),),
        ),
        no_dout(ref.relu_backward),
        swapped(ref.relu_backward),
        Bug(
            "changes dout",
            "The result is right, but you wrote the zeros into dout itself, which someone else may still need. Make a "
            "new array.",
            relu_backward_in_place,
        ),
    )


@UNIT.exercise("softplus(z)", points={"basics": 1, "large z": 1})
class Softplus:
    def cases(rng):
        return point_cases(rng, False, "large z")

    oracle = ref.softplus
    bugs = (
        Bug(
            "overflow",
            "For a large z your result is inf: exp(1000) is more than a float can hold. But log(1 + exp(z)) is close "
            "to z there. Take out the factor that grows, so that exp is only ever taken of numbers up to 0.",
            _native(lambda z: torch.log(1 + torch.exp(z))),
            (_native(lambda z: z + torch.log(1 + torch.exp(-z))),),
        ),
        Bug(
            "what grows left out",
            "log(1 + exp(-|z|)) is only what softplus has above max(0, z). It was taken by itself, or added to z, "
            "which is not max(0, z) where z is negative.",
            lambda z: ref.softplus(-np.abs(z)),
            (lambda z: z + ref.softplus(-np.abs(z)),),
        ),
        Bug(
            "the kinked version",
            "This is max(0, z). Softplus is its smooth relative: at 0 it is log 2, not 0.",
            lambda z: ref.relu(z),
        ),
        Bug(
            "sign of z",
            "Your curve falls where it should rise: the exponent is z, not -z.",
            lambda z: ref.softplus(-z),
        ),
    )


@UNIT.exercise("softplus_backward(dout, z)", points={"basics": 1, "large z": 1})
class SoftplusBackward:
    def cases(rng):
        return point_cases(rng, True, "large z")

    oracle = ref.softplus_backward
    bugs = (
        Bug(
            "z taken for the output",
            OUTPUT_HINT,
            _native(lambda dout, z: dout * (1 - torch.exp(-z))),
        ),
        Bug(
            "slope at the output",
            "You took the slope at softplus(z). It is wanted at z itself: the sigmoid of z, nothing before it.",
            lambda dout, z: ref.softplus_backward(dout, ref.softplus(z)),
        ),
        no_dout(ref.softplus_backward),
        swapped(ref.softplus_backward),
        Bug("overflow", OVERFLOW_HINT, _native(lambda dout, z: dout * _exp_ratio(z))),
        nan_replaced(lambda dout, z: dout * _exp_ratio(z)),
        Bug(
            "sign of z",
            "Your slope is largest where the curve is flat: it is the sigmoid of z, not of -z, and tends to 1 for "
            "large z.",
            lambda dout, z: dout * ref.sigmoid(-z),
        ),
        Bug(
            "one derivative too many",
            "You used the slope of the sigmoid. The slope of softplus is the sigmoid itself.",
            lambda dout, z: ref.sigmoid_backward(dout, z),
        ),
        Bug(
            "the kinked version",
            "You passed dout on where z is positive: that is ReLU. The slope of softplus changes smoothly, and is 1/2 "
            "at 0.",
            lambda dout, z: ref.relu_backward(dout, z),
        ),
    )


# Linear layers


def linear_sizes():
    """``(group, N, D, M, dtype, layout, readonly, whole)``."""
    yield "batches", 4, 3, 2, "float64", "C", False, False
    yield "batches", 4, 3, 2, "float64", "C", True, False
    yield "batches", 2, 5, 3, "float32", "C", False, False
    yield "batches", 3, 3, 3, "float64", "C", False, False
    yield "batches", 4, 4, 4, "float32", "transposed", False, False
    yield "batches", 5, 3, 3, "float64", "slice", True, False
    yield "batches", 3, 2, 4, "float64", "transposed", True, False
    yield "batches", 3, 1, 4, "float64", "C", False, False
    yield "batches", 4, 3, 1, "float32", "C", False, False
    yield "batches", 3, 4, 2, "float64", "C", False, True
    yield "one example", 1, 3, 2, "float64", "C", False, False
    yield "one example", 1, 2, 4, "float32", "slice", True, False
    yield "one example", 1, 3, 3, "float64", "transposed", False, False
    yield "one example", 1, 1, 1, "float64", "C", False, False


@UNIT.exercise("linear_forward(x, w, b)", points={"one example": 1, "batches": 1})
class LinearForward:
    def cases(rng):
        for group, n, d, m, dtype, layout, readonly, whole in linear_sizes():
            args = tuple(draw(rng, shape, dtype, whole) for shape in ((n, d), (d, m), (m,)))
            yield Case(group, args, layout=layout, readonly=readonly)

    oracle = ref.linear_forward
    bugs = (
        Bug(
            "w transposed",
            "w[i, j] leads from input i to output j, so a row of x meets the columns of w. Yours meets the rows.",
            lambda x, w, b: ref.linear_forward(x, w.T, b),
        ),
        Bug(
            "mean for sum",
            "You divided by the number of inputs. An output is the sum of what arrives at it: each input times its "
            "weight, and the bias.",
            lambda x, w, b: ref.linear_forward(x / x.dtype.type(x.shape[1]), w, b),
            (lambda x, w, b: ref.linear_forward(x, w, b) / x.dtype.type(x.shape[1]),),
        ),
        Bug(
            "no bias",
            "The products are right, the biases are missing: b[j] is added to output j of every example.",
            lambda x, w, b: ref.linear_forward(x, w, np.zeros_like(b)),
        ),
        Bug(
            "bias by example",
            "You added b along the examples. b has an entry for each output: b[j] goes to column j.",
            lambda x, w, b: ref.linear_forward(x, w, np.zeros_like(b)) + _square(x, w, b),
        ),
        Bug(
            "transposed result",
            "Your result has a column for each example. Examples are rows here, on the way in and on the way out.",
            lambda x, w, b: ref.linear_forward(x, w, b).T,
        ),
    )


def _square(x, w, b):
    if len(x) != len(b):
        raise ValueError(f"{len(b)} biases do not fit {len(x)} examples")
    return b[:, None]


def scaled(dx=1, dw=1, db=1):
    """Gradients divided by N to the power given for each: 0 for those that are means."""

    def answer(dout, x, w):
        found = ref.linear_backward(dout, x, w)
        return tuple(g if keep else g / len(x) for g, keep in zip(found, (dx, dw, db), strict=True))

    return answer


def _total(dout, axis=None):
    return tensor(dout, "cpu").sum(axis).numpy().astype(dout.dtype)


def linear_twist(twist):
    return lambda dout, x, w: twist(*ref.linear_backward(dout, x, w))


@UNIT.exercise("linear_backward(dout, x, w)", points={"one example": 1, "batches": 2})
class LinearBackward:
    def cases(rng):
        for group, n, d, m, dtype, layout, readonly, whole in linear_sizes():
            args = tuple(draw(rng, shape, dtype, whole) for shape in ((n, m), (n, d), (d, m)))
            yield Case(group, args, layout=layout, readonly=readonly)

    returns = ("dx", "dw", "db")
    oracle = ref.linear_backward
    bugs = (
        Bug(
            "transposed",
            "One of the products has a matrix the wrong way round; where all sides are equal, no shape complains. A "
            "gradient has the shape of what it belongs to: dx (N, D), dw (D, M). There is only one way to multiply "
            "that gives both.",
            linear_twist(lambda dx, dw, db: (dx, dw.T, db)),
            (
                linear_twist(lambda dx, dw, db: (dx.T, dw, db)),
                linear_twist(lambda dx, dw, db: (dx.T, dw.T, db)),
                lambda dout, x, w: (ref.linear_backward(dout, x, w.T)[0], *ref.linear_backward(dout, x, w)[1:]),
                lambda dout, x, w: (
                    ref.linear_backward(dout, x, w.T)[0],
                    ref.linear_backward(dout, x, w)[1].T,
                    ref.linear_backward(dout, x, w)[2],
                ),
                lambda dout, x, w: (
                    ref.linear_backward(dout, x, w)[0],
                    ref.linear_backward(dout.T, x.T, w)[1],
                    ref.linear_backward(dout, x, w)[2],
                ),
            ),
        ),
        Bug(
            "mean for sum",
            "You divided by the number of examples. Every example uses the same w and b, and where branches meet, "
            "gradients add up. If the loss is a mean, its own gradient brings the 1/N along in dout.",
            scaled(db=0),
            (scaled(dw=0), scaled(dx=0), scaled(dw=0, db=0), scaled(0, 0, 0)),
        ),
        Bug(
            "db summed along the wrong axis",
            "db has an entry for each output: add up dout over the examples, axis 0.",
            lambda dout, x, w: (*ref.linear_backward(dout, x, w)[:2], _total(dout, 1)),
            (lambda dout, x, w: (*ref.linear_backward(dout, x, w)[:2], _total(dout).item()),),
        ),
        Bug(
            "db not summed",
            "db came back with an entry for each example, or with an axis too many. b has the shape (M,), and so has "
            "db.",
            lambda dout, x, w: (*ref.linear_backward(dout, x, w)[:2], dout),
            (linear_twist(lambda dx, dw, db: (dx, dw, db[None])),),
        ),
        Bug(
            "axes of length 1 dropped",
            "With a single output, input or example, a gradient has lost an axis: squeeze drops every axis of length "
            "1. A gradient has the shape of what it belongs to.",
            linear_twist(lambda dx, dw, db: (dx, dw, db.squeeze())),
            (
                linear_twist(lambda dx, dw, db: (dx, dw.squeeze(), db)),
                linear_twist(lambda dx, dw, db: (dx.squeeze(), dw.squeeze(), db.squeeze())),
            ),
        ),
        Bug(
            "dx and dw swapped",
            "Your first two results have changed places: the order is dx, dw, db.",
            linear_twist(lambda dx, dw, db: (dw, dx, db)),
        ),
    )


# A network


def network_cases(rng):
    def network(group, sizes, dtype="float64", layout="C", readonly=False, scale=1.0):
        shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
        weights = [(scale * draw(rng, shape)).astype(dtype) for shape in shapes]
        biases = [draw(rng, (n, 1), dtype) for n in sizes[1:]]
        x, y = draw(rng, (sizes[0], 1), dtype), rng.uniform(0, 1, (sizes[-1], 1)).astype(dtype)
        return Case(group, (weights, biases, x, y), layout=layout, readonly=readonly)

    yield network("one layer", (3, 2))
    yield network("one layer", (3, 2))
    yield network("one layer", (2, 4), "float32")
    yield network("one layer", (3, 3), layout="transposed", readonly=True)
    yield network("one layer", (1, 1))
    yield network("two layers", (4, 3, 2))
    yield network("two layers", (4, 3, 2))
    yield network("two layers", (3, 3, 3))
    yield network("two layers", (2, 2, 2), "float32", "transposed")
    yield network("two layers", (3, 5, 2), "float32", readonly=True)
    yield network("two layers", (3, 2, 4), layout="slice", readonly=True)
    yield network("two layers", (1, 4, 1))
    yield network("more layers", (4, 5, 3, 2))
    yield network("more layers", (3, 3, 3, 3))
    yield network("more layers", (3, 3, 3, 3), "float32")
    yield network("more layers", (2, 4, 3, 5, 2), layout="transposed")
    yield network("more layers", (4, 4, 4, 4, 4), layout="slice", readonly=True, scale=0.7)


class Linearised:
    """A network's forward values, with a way back that each known bug bends in one place.

    Attributes:
        a: activations from the input to the output, ``(n, 1)`` each.
        z: what each layer hands to its sigmoid.
        slopes, back, fed: for each layer the slope of its sigmoid, the weights that lead the gradient back, and the
            activation that the weights' gradient is formed with.
        miss: how the cost feels a change of the output.
    """

    def __init__(self, weights, biases, x, y):
        self.weights, self.biases = weights, biases
        self.w, self.b = ([tensor(p, "cpu") for p in parameters] for parameters in (weights, biases))
        self.a, self.z = [tensor(x, "cpu")], []
        for w, b in zip(self.w, self.b, strict=True):
            self.z.append(w @ self.a[-1] + b)
            self.a.append(torch.sigmoid(self.z[-1]))
        self.slopes = [self.slope(z) for z in self.z]
        self.back, self.fed = list(self.w), self.a[:-1]
        self.miss = self.a[-1] - tensor(y, "cpu")

    @staticmethod
    def slope(z):
        return torch.sigmoid(z) * torch.sigmoid(-z)

    def gradients(self):
        depth = len(self.w)

        def cost(*parameters):
            a = torch.zeros_like(self.a[0])
            for layer in range(depth):
                w, b = parameters[layer], parameters[depth + layer]
                a = self.slopes[layer] * (w @ self.fed[layer] + b + self.back[layer] @ a)
            return (a * self.miss).sum()

        found = gradients(cost, np.float64(1), *self.weights, *self.biases, device="cpu")
        return list(found[:depth]), list(found[depth:])


def bent(bend):
    """An answer whose way back is bent by ``bend(network)``; shapes that do not fit raise, as they would in NumPy."""

    def answer(weights, biases, x, y):
        network = Linearised(weights, biases, x, y)
        bend(network)
        try:
            return network.gradients()
        except RuntimeError as error:
            raise ValueError(str(error)) from error

    return answer


def no_slope(where):
    def bend(network):
        for layer in range(len(network.w))[where]:
            network.slopes[layer] = torch.ones_like(network.z[layer])

    return bent(bend)


def other_slopes(pick):
    """Each layer with the slope of layer ``pick(layer, last)``, where that one is as wide."""

    def bend(network):
        last = len(network.w) - 1
        picked = [network.slopes[pick(layer, last)] for layer in range(last + 1)]
        for slope, z in zip(picked, network.z, strict=True):
            if slope.shape != z.shape:
                raise ValueError(f"shapes {tuple(slope.shape)} and {tuple(z.shape)} do not match")
        network.slopes = picked

    return bent(bend)


def bend_on_the_other_side(network):
    """The slope meets the gradient before the weights do, where it is the slope of the layer above once more."""
    network.back = [slope * w for slope, w in zip(network.slopes, network.w, strict=True)]
    network.slopes[:-1] = [torch.ones_like(slope) for slope in network.slopes[:-1]]


def bend_into_the_activation(network):
    network.slopes = [network.slope(a) for a in network.a[1:]]


def bend_without_sigmoid(network):
    network.slopes = [z * (1 - z) for z in network.z]


def bend_back(network):
    """W of one layer further down: the gradient goes back through the weights that it has not yet reached."""
    network.back = [network.w[max(layer - 1, 0)] for layer in range(len(network.w))]


def bend_fed(network):
    network.fed = network.a[1:]


def bend_miss(factor):
    def bend(network):
        network.miss = factor * network.miss

    return bent(bend)


def reshaped(weight=lambda g: g, bias=lambda g: g):
    def answer(*network):
        dweights, dbiases = ref.mlp_backprop(*network)
        return [weight(g) for g in dweights], [bias(g) for g in dbiases]

    return answer


@UNIT.exercise("mlp_backprop(weights, biases, x, y)", points={"one layer": 1, "two layers": 2, "more layers": 2})
class MlpBackprop:
    cases = network_cases
    returns = ("dweights", "dbiases")
    oracle = ref.mlp_backprop
    bugs = (
        Bug(
            "no sigma'",
            "A layer's sigmoid has been left out on the way back. Every sigmoid that the values went through on the "
            "way forward multiplies the gradient by its slope on the way back, the last one included.",
            no_slope(slice(None)),
            (no_slope(slice(-1, None)), no_slope(slice(None, -1))),
        ),
        Bug(
            "outer product transposed",
            "The gradients of the weights lie on their side. A weight W[i, j] leads from activation j to z[i], so its "
            "gradient is delta[i] times a[j]: a column times a row, delta first.",
            reshaped(weight=lambda g: g.T),
        ),
        Bug(
            "wrong layer's z",
            "The slope of a sigmoid is taken at the z of another layer. Going back through layer l, use the z that "
            "layer l computed; print the shapes of delta and z side by side on a network whose layers differ in size.",
            other_slopes(lambda layer, last: min(layer + 1, last)),
            (
                other_slopes(lambda layer, last: max(layer - 1, 0)),
                other_slopes(lambda layer, last: last),
                bent(bend_on_the_other_side),
            ),
        ),
        Bug(
            "sigma' of the activation",
            "You took the slope of the sigmoid at a = sigmoid(z). Its argument is z; or else, from a, it is a (1 - a) "
            "without another sigmoid.",
            bent(bend_into_the_activation),
            (bent(bend_without_sigmoid),),
        ),
        Bug(
            "wrong layer's weights",
            "The gradient went back through the weights of another layer. From layer l + 1 to layer l it goes through "
            "the weights of layer l + 1, transposed: the ones that the values came through.",
            bent(bend_back),
        ),
        Bug(
            "wrong layer's activation",
            "A weight's gradient was formed with what its layer puts out. It needs what the weight was multiplied "
            "with on the way forward: the activation that comes in.",
            bent(bend_fed),
        ),
        Bug(
            "biases first",
            "The gradients of the biases stand before those of the weights, as in Nielsen's own code. Here the weights "
            "come first.",
            lambda *network: ref.mlp_backprop(*network)[::-1],
        ),
        Bug(
            "last layer first",
            "The lists are the wrong way round: they were filled going backwards. Turn them round in the end, or write "
            "each gradient to its own layer's place.",
            lambda *network: tuple(grads[::-1] for grads in ref.mlp_backprop(*network)),
        ),
        Bug(
            "sign of a - y",
            "Every gradient has the wrong sign. The derivative of 1/2 (a - y)^2 in a is a - y.",
            bend_miss(-1),
        ),
        Bug(
            "doubled",
            "Every gradient is twice too large: the 1/2 of the cost cancels the 2 from the square.",
            bend_miss(2),
        ),
        Bug(
            "bias gradients flat",
            "The gradients of the biases lack an axis. Biases are columns (n, 1) here, and a gradient has the shape "
            "of what it belongs to.",
            reshaped(bias=lambda g: g.reshape(-1)),
        ),
    )
