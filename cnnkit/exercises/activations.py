"""Unit 06, second part: non-linearities and their gradients."""

from dataclasses import dataclass

import numpy as np

import cnnkit as ck
from cnnkit.cases import Case
from cnnkit.comparing import Tolerance
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("06-pooling-and-losses")


@dataclass(frozen=True)
class Points:
    """Inputs of a function that works value by value."""

    shape: tuple
    dtype: str = "float64"
    layout: str = "C"
    readonly: bool = False

    def z(self, rng):
        return draw(rng, self.shape, self.dtype)

    def dout(self, rng):
        return draw(rng, self.shape, self.dtype)

    def case(self, group, *args, **kwargs):
        return Case(group, args, kwargs, self.layout, self.readonly)


BASICS = (
    Points((4, 5)),
    Points((4, 5)),  # the same shape with other values
    Points((4, 5), "float32"),
    Points((3, 3)),
    Points((2, 3, 4, 5), layout="channels last"),
    Points((3, 4), layout="transposed", readonly=True),
    Points((2, 3, 2, 4), "float32", "slice"),
    Points((1, 1, 2, 3)),
    Points((1, 6)),
)
LINES = (Points((7,)), Points((3, 2, 5), "float32"))
"""Shapes that have no channel axis, for functions that need none."""
FEW = (Points((3, 5)), Points((2, 3, 2, 4), "float32"), Points((2, 3, 4), readonly=True))


def with_zeros(rng, points):
    """Values among which there are zeros of either sign, where the two pieces of a function meet."""
    z = points.z(rng)
    flat = z.reshape(-1)
    places = rng.permutation(flat.size)
    flat[places[: flat.size // 3]] = 0.0
    flat[places[:2]] = -0.0
    return z


def with_giants(rng, points):
    """Values among which are some whose exponential, or its inverse, is out of range in the dtype."""
    z = points.z(rng)
    flat = z.reshape(-1)
    giants = [1000, -1000, 800] if z.dtype == np.float64 else [1000, -1000, 200]
    flat[rng.permutation(flat.size)[:3]] = giants
    return z


def _log_of_largest(z):
    return np.log(np.finfo(z.dtype).max)


def _spoiled(value, z, sign):
    """``value`` with nan where the exponential of ``sign * z`` overflows."""
    return np.where(sign * z > _log_of_largest(z), np.asarray(np.nan, value.dtype), value)


def upstream_dropped(backward):
    return Bug(
        "upstream gradient dropped",
        "You return the derivative alone. The chain rule multiplies it by dout, which says how much the loss cares "
        "about each output.",
        lambda dout, z, *args, **kwargs: backward(np.ones_like(dout), z, *args, **kwargs),
    )


def zero_from_above(backward, value):
    """The bug of taking the derivative from the right at 0.

    Args:
        backward: the reference.
        value: what the name of the derivative from the left is.
    """

    def answer(dout, z, *args, **kwargs):
        result = backward(dout, z, *args, **kwargs)
        return np.where(z == 0, dout, result)

    return Bug(
        "derivative at 0 from the right",
        "At exactly 0 you answer as for positive z. The two sides disagree there, and either would do for learning; "
        "torch "
        f"takes the side below, {value}, and so do we: z > 0 decides, not z >= 0.",
        answer,
    )


def decided_by_dout(derivative_below):
    """The bug of looking at the sign of ``dout`` where that of ``z`` decides."""
    return Bug(
        "the sign of dout decides",
        "You look at the sign of dout to choose the piece. It is z, the input of the layer, that says which piece was "
        "used on the way forward.",
        derivative_below,
    )


def slopes(rng):
    """Slopes other than the default, by keyword and by position."""
    for points in (*FEW, Points((4, 3))):
        yield points, float(rng.uniform(0.2, 0.9))
    yield Points((5, 4)), 0.01
    yield Points((2, 5), "float32"), 0.5


def _leaky_backward(dout, z, slope=0.1):
    return ck.oracle.leaky_relu_backward(dout, z, slope)


@UNIT.exercise("leaky_relu(z, slope=0.1)", points={"basics": 1, "slope": 1})
class LeakyRelu:
    def cases(rng):
        for points in (*BASICS, *LINES):
            yield points.case("basics", points.z(rng))
        yield FEW[0].case("basics", with_zeros(rng, FEW[0]))
        yield FEW[1].case("basics", with_giants(rng, FEW[1]))
        for points, slope in slopes(rng):
            yield points.case("slope", points.z(rng), slope=slope)
        yield FEW[0].case("slope", FEW[0].z(rng), 0.3)

    def oracle(z, slope=0.1):
        return ck.oracle.leaky_relu(z, slope)

    bugs = (
        Bug(
            "slope .01",
            "Your slope is .01 where nothing else is said. That is torch's default; the decks, and this course, take "
            ".1.",
            lambda z, slope=0.01: ck.oracle.leaky_relu(z, slope),
            (lambda z, slope=0.1: ck.oracle.leaky_relu(z, 0.01),),
        ),
        Bug(
            "slope ignored",
            "Below zero you always multiply by .1. The slope argument says by how much.",
            lambda z, slope=0.1: ck.oracle.leaky_relu(z, 0.1),
        ),
        Bug(
            "nothing leaks",
            "Negative values became 0: this is the plain ReLU. The leaky one lets slope * z through.",
            lambda z, slope=0.1: ck.oracle.leaky_relu(z, 0.0),
        ),
        Bug(
            "negative side turned up",
            "Negative values came out positive. slope * z keeps the sign of z.",
            lambda z, slope=0.1: ck.oracle.leaky_relu(z, -slope),
        ),
        Bug(
            "pieces swapped",
            "It is the negative values that are multiplied by the slope; the positive ones pass unchanged.",
            lambda z, slope=0.1: -ck.oracle.leaky_relu(-z, slope),
        ),
    )


@UNIT.exercise("leaky_relu_backward(dout, z, slope=0.1)", points={"basics": 1, "slope": 1, "at zero": 1})
class LeakyReluBackward:
    def cases(rng):
        for points in (*BASICS, *LINES):
            yield points.case("basics", points.dout(rng), points.z(rng))
        yield FEW[1].case("basics", FEW[1].dout(rng), with_giants(rng, FEW[1]))
        for points, slope in slopes(rng):
            yield points.case("slope", points.dout(rng), points.z(rng), slope=slope)
        yield FEW[0].case("slope", FEW[0].dout(rng), FEW[0].z(rng), 0.3)
        for points in FEW:
            yield points.case("at zero", points.dout(rng), with_zeros(rng, points))
        yield FEW[0].case("at zero", FEW[0].dout(rng), with_zeros(rng, FEW[0]), slope=0.4)

    def oracle(dout, z, slope=0.1):
        return _leaky_backward(dout, z, slope)

    bugs = (
        Bug(
            "slope .01",
            "Your slope is .01 where nothing else is said. That is torch's default; the decks, and this course, take "
            ".1.",
            lambda dout, z, slope=0.01: _leaky_backward(dout, z, slope),
            (lambda dout, z, slope=0.1: _leaky_backward(dout, z, 0.01),),
        ),
        Bug(
            "slope ignored",
            "Below zero you always multiply by .1. The slope argument says by how much.",
            lambda dout, z, slope=0.1: _leaky_backward(dout, z),
        ),
        zero_from_above(_leaky_backward, "slope"),
        decided_by_dout(lambda dout, z, slope=0.1: ck.oracle.leaky_relu(dout, slope)),
        upstream_dropped(_leaky_backward),
        Bug(
            "nothing leaks back",
            "Where z is negative you return 0: that is the gradient of the plain ReLU. Through the leak comes slope * "
            "dout.",
            lambda dout, z, slope=0.1: _leaky_backward(dout, z, 0.0),
        ),
        Bug(
            "the function for its derivative",
            "You multiplied dout by the output. What belongs there is the slope of the function at z: 1 or slope.",
            lambda dout, z, slope=0.1: dout * ck.oracle.leaky_relu(z, slope),
        ),
    )


def learned(rng, shape, dtype="float64"):
    """Slopes as PReLU may learn them: below zero and above one, too."""
    return rng.uniform(-0.5, 2, shape).astype(dtype)


CHANNELS = (
    Points((4, 3)),
    Points((4, 3)),
    Points((2, 3, 4, 5)),
    Points((2, 3, 4, 5)),
    Points((5, 2), "float32"),
    Points((3, 2, 3, 4), "float32"),
    Points((3, 3)),
    Points((3, 3, 3, 3)),
    Points((2, 4, 3, 4)),  # as wide as there are channels
    Points((3, 2, 4, 2)),
    Points((1, 1, 2, 3)),
    Points((1, 4)),
    Points((2, 3, 2, 4), layout="channels last"),
    Points((3, 4, 2, 2), layout="transposed", readonly=True),
    Points((4, 2), layout="transposed", readonly=True),
    Points((2, 3, 4, 2), "float32", "slice"),
)


def prelu_numbers(rng):
    """Points and one slope for all channels: a Python float, or an array with no axes."""
    for points in BASICS:
        yield points, float(rng.uniform(0.05, 0.9))
    yield Points((4, 3)), 0.25
    yield Points((3, 4), "float32"), 0.25
    for points in (Points((4, 3)), Points((2, 3, 4, 2), "float32"), Points((2, 4), layout="transposed", readonly=True)):
        yield points, np.array(rng.uniform(0.05, 0.9), points.dtype)


@UNIT.exercise("prelu(z, a)", points={"number": 1, "channels": 1, "any slope": 1})
class Prelu:
    def cases(rng):
        for points, a in prelu_numbers(rng):
            yield points.case("number", points.z(rng), a)
        for points in CHANNELS:
            a = rng.uniform(0.05, 0.9, points.shape[1]).astype(points.dtype)
            yield points.case("channels", points.z(rng), a)
        for points in CHANNELS[:6]:
            a = learned(rng, points.shape[1], points.dtype)
            a[:2] = 1.75, -0.5
            yield points.case("any slope", points.z(rng), a)
        yield Points((3, 4)).case("any slope", draw(rng, (3, 4)), 1.5)
        yield Points((3, 4)).case("any slope", draw(rng, (3, 4)), -0.25)

    def oracle(z, a):
        return ck.oracle.prelu(z, a)

    bugs = (
        Bug(
            "a along the last axis",
            "Your slopes went along the last axis of z: that is where NumPy lines up a 1-D array. Channel c is axis "
            "1, so a needs an axis of length 1 for each axis that follows.",
            lambda z, a: ck.oracle.prelu(z.swapaxes(1, -1), a).swapaxes(1, -1),
        ),
        Bug(
            "one slope for all",
            "You used one slope for every channel. Where a has an axis, channel c leaks by a[c].",
            lambda z, a: ck.oracle.prelu(z, np.ravel(a)[0].item()),
            (lambda z, a: ck.oracle.prelu(z, float(np.mean(a))),),
        ),
        Bug(
            "the larger of z and a z",
            "max(z, a z) picks the wrong piece where a is above 1: then a z lies below z on the left of zero and "
            "above it on the right. Ask for the sign of z instead; a is learned and may become anything.",
            lambda z, a: -ck.oracle.prelu(-ck.oracle.prelu(z, np.minimum(a, 1)), np.maximum(a, 1)),
        ),
        Bug(
            "nothing leaks",
            "Negative values became 0: this is the plain ReLU. Here they are multiplied by a.",
            lambda z, a: ck.oracle.prelu(z, 0.0),
        ),
        Bug(
            "pieces swapped",
            "It is the negative values that are multiplied by a; the positive ones pass unchanged.",
            lambda z, a: -ck.oracle.prelu(-z, a),
        ),
    )


def _da(change):
    """PReLU's gradients with ``da`` changed: ``change(da, dout, z, a)``."""

    def answer(dout, z, a):
        dz, da = ck.oracle.prelu_backward(dout, z, a)
        return dz, change(da, dout, z, a)

    return answer


def _per_example(da, dout, z, a):
    each = [ck.oracle.prelu_backward(dout[n : n + 1], z[n : n + 1], a)[1] for n in range(len(z))]
    return np.array(each, z.dtype)


def _channels_last(dout, z, a):
    dz, da = ck.oracle.prelu_backward(dout.swapaxes(1, -1), z.swapaxes(1, -1), a)
    return dz.swapaxes(1, -1), da


@UNIT.exercise("prelu_backward(dout, z, a)", points={"number": 1, "channels": 2, "at zero": 1})
class PreluBackward:
    def cases(rng):
        for points, a in prelu_numbers(rng):
            yield points.case("number", points.dout(rng), points.z(rng), a)
        for points in CHANNELS:
            a = learned(rng, points.shape[1], points.dtype)
            yield points.case("channels", points.dout(rng), points.z(rng), a)
        for points in (CHANNELS[0], CHANNELS[2], CHANNELS[5]):
            a = learned(rng, points.shape[1], points.dtype)
            yield points.case("at zero", points.dout(rng), with_zeros(rng, points), a)
        yield CHANNELS[2].case("at zero", CHANNELS[2].dout(rng), with_zeros(rng, CHANNELS[2]), 0.25)

    def oracle(dout, z, a):
        return ck.oracle.prelu_backward(dout, z, a)

    returns = ("dz", "da")
    # da sums products of either sign: in single precision what is left may be little.
    single = Tolerance(relative=1e-4, absolute=2e-5, floor=2e-5)
    bugs = (
        Bug(
            "a along the last axis",
            "Your slopes went along the last axis of z: that is where NumPy lines up a 1-D array. Channel c is axis "
            "1, so a needs an axis of length 1 for each axis that follows, and da sums over all axes but that one.",
            _channels_last,
        ),
        Bug(
            "da not summed over the batch",
            "You have a da for every example. One slope serves them all, so their gradients are added up.",
            _da(_per_example),
        ),
        Bug(
            "da is a mean",
            "Your da is a mean. A slope that is used in many places gets the sum of what comes back from them.",
            _da(lambda da, dout, z, a: da * (np.size(a) / z.size)),
            (_da(lambda da, dout, z, a: da * (1 / len(z))),),
        ),
        Bug(
            "one da for all channels",
            "You summed over the channels, too. Where a has an axis, da has it: a slope of its own for each channel.",
            _da(lambda da, dout, z, a: np.sum(da)),
            (_da(lambda da, dout, z, a: np.sum(da) * np.ones_like(a)),),
        ),
        Bug(
            "da without dout",
            "Your da adds up how the outputs move with a. The chain rule multiplies each by its dout before they are "
            "added.",
            _da(lambda da, dout, z, a: ck.oracle.prelu_backward(np.ones_like(dout), z, a)[1]),
        ),
        Bug(
            "positive inputs in da",
            "A positive z passes whatever a is, so it has no part in da. Only negative inputs do.",
            _da(lambda da, dout, z, a: da - ck.oracle.prelu_backward(dout, -z, a)[1]),
            (_da(lambda da, dout, z, a: -ck.oracle.prelu_backward(dout, -z, a)[1]),),
        ),
        Bug(
            "derivative at 0 from the right",
            "At exactly 0 you answer as for positive z. The two sides disagree there, and either would do for "
            "learning; torch takes the side below, a, and so do we: z > 0 decides, not z >= 0.",
            lambda dout, z, a: ck.oracle.prelu_backward(dout, np.where(z == 0, np.finfo(z.dtype).tiny, z), a),
        ),
        decided_by_dout(lambda dout, z, a: (ck.oracle.prelu(dout, a), ck.oracle.prelu_backward(dout, z, a)[1])),
        Bug(
            "dz and da swapped",
            "The gradients are right and come in the wrong order: (dz, da).",
            lambda dout, z, a: ck.oracle.prelu_backward(dout, z, a)[::-1],
        ),
    )


def alphas(rng):
    for points in (*FEW, Points((4, 3))):
        yield points, float(rng.uniform(0.2, 0.8))
    yield Points((5, 4)), 2.0
    yield Points((2, 5), "float32"), 1.5


def _elu_backward(dout, z, alpha=1.0):
    return ck.oracle.elu_backward(dout, z, alpha)


OVERFLOW = (
    "exp(z) is too large for the dtype where z is large (above 709, in float32 above 88), and inf times 0 or inf "
    "divided by inf is nan. "
)


@UNIT.exercise("elu(z, alpha=1.0)", points={"basics": 1, "alpha": 1, "large": 1})
class Elu:
    def cases(rng):
        for points in (*BASICS, *LINES):
            yield points.case("basics", points.z(rng))
        yield FEW[0].case("basics", with_zeros(rng, FEW[0]))
        for points, alpha in alphas(rng):
            yield points.case("alpha", points.z(rng), alpha=alpha)
        yield FEW[0].case("alpha", FEW[0].z(rng), 0.3)
        for points in FEW:
            yield points.case("large", with_giants(rng, points))
        yield FEW[0].case("large", with_giants(rng, FEW[0]), alpha=0.5)

    def oracle(z, alpha=1.0):
        return ck.oracle.elu(z, alpha)

    bugs = (
        Bug(
            "exp overflows",
            OVERFLOW
            + "The exponential is wanted for negative z only: give it min(z, 0), or choose with np.where, not by "
            "multiplying with a mask.",
            lambda z, alpha=1.0: _spoiled(ck.oracle.elu(z, alpha), z, 1),
        ),
        Bug(
            "alpha ignored",
            "The alpha argument has no effect. It says how far below zero the curve can sink.",
            lambda z, alpha=1.0: ck.oracle.elu(z),
        ),
        Bug(
            "1 not subtracted",
            "Left of zero you have alpha exp(z), which jumps at 0. Subtract 1 from the exponential, and the two "
            "pieces meet.",
            lambda z, alpha=1.0: ck.oracle.elu_backward(np.ones_like(z), z, alpha) - (z > 0) + (z > 0) * z,
            (lambda z, alpha=1.0: ck.oracle.elu(z, alpha) + (z <= 0) * np.asarray(alpha - 1, z.dtype),),
        ),
        Bug(
            "alpha on both sides",
            "You multiplied positive values by alpha, too. They pass unchanged.",
            lambda z, alpha=1.0: ck.oracle.elu(z) * np.asarray(alpha, z.dtype),
        ),
        Bug(
            "nothing below zero",
            "Negative values became 0: this is the plain ReLU. Left of zero the ELU is alpha (exp(z) - 1).",
            lambda z, alpha=1.0: ck.oracle.leaky_relu(z, 0.0),
        ),
    )


@UNIT.exercise("elu_backward(dout, z, alpha=1.0)", points={"basics": 1, "alpha": 1, "at zero": 1, "large": 1})
class EluBackward:
    def cases(rng):
        for points in (*BASICS, *LINES):
            yield points.case("basics", points.dout(rng), points.z(rng))
        for points, alpha in alphas(rng):
            yield points.case("alpha", points.dout(rng), points.z(rng), alpha=alpha)
        yield FEW[0].case("alpha", FEW[0].dout(rng), FEW[0].z(rng), 0.3)
        for points, alpha in zip(FEW, (0.5, 2.0, 0.25), strict=True):
            yield points.case("at zero", points.dout(rng), with_zeros(rng, points), alpha=alpha)
        for points in FEW:
            yield points.case("large", points.dout(rng), with_giants(rng, points))
        yield FEW[0].case("large", FEW[0].dout(rng), with_giants(rng, FEW[0]), alpha=0.5)

    def oracle(dout, z, alpha=1.0):
        return _elu_backward(dout, z, alpha)

    bugs = (
        Bug(
            "exp overflows",
            OVERFLOW
            + "The exponential is wanted for negative z only: give it min(z, 0), or choose with np.where, not by "
            "multiplying with a mask.",
            lambda dout, z, alpha=1.0: _spoiled(_elu_backward(dout, z, alpha), z, 1),
        ),
        Bug(
            "alpha ignored",
            "The alpha argument has no effect. Left of zero the derivative is alpha exp(z).",
            lambda dout, z, alpha=1.0: _elu_backward(dout, z),
        ),
        zero_from_above(_elu_backward, "alpha"),
        Bug(
            "the function for its derivative",
            "Left of zero you multiplied dout by the ELU itself, alpha (exp(z) - 1). Its derivative is alpha exp(z): "
            "the output plus alpha.",
            lambda dout, z, alpha=1.0: np.where(z > 0, dout, dout * ck.oracle.elu(z, alpha)),
            (lambda dout, z, alpha=1.0: dout * ck.oracle.elu(z, alpha),),
        ),
        Bug(
            "derivative of the output taken",
            "You put the output into the derivative. alpha exp(.) wants the input z; if you keep the output, it is "
            "the output plus alpha.",
            lambda dout, z, alpha=1.0: _elu_backward(dout, ck.oracle.elu(z, alpha), alpha),
        ),
        decided_by_dout(
            lambda dout, z, alpha=1.0: np.where(dout > 0, dout, _elu_backward(dout, -np.abs(z), alpha)),
        ),
        upstream_dropped(_elu_backward),
        Bug(
            "nothing comes back below zero",
            "Where z is negative you return 0: that is the gradient of the plain ReLU. Here the slope is alpha exp(z).",
            lambda dout, z, alpha=1.0: ck.oracle.leaky_relu_backward(dout, z, 0.0),
        ),
    )


def _sigmoid(z):
    """Swish divided by its argument, so that nothing of the student's own sigmoid stands here."""
    return np.where(z == 0, np.asarray(0.5, z.dtype), ck.oracle.swish(z) / np.where(z == 0, 1, z).astype(z.dtype))


@UNIT.exercise("swish(z)", points={"basics": 1, "large": 1})
class Swish:
    def cases(rng):
        for points in (*BASICS, *LINES):
            yield points.case("basics", points.z(rng))
        yield FEW[0].case("basics", with_zeros(rng, FEW[0]))
        for points in (*FEW, FEW[0]):
            yield points.case("large", with_giants(rng, points))

    def oracle(z):
        return ck.oracle.swish(z)

    bugs = (
        Bug(
            "exp overflows",
            OVERFLOW
            + "Write the sigmoid with the exponential of -|z|, which is at most 1, or as 1 / (1 + exp(-z)), where "
            "an infinity does no harm.",
            lambda z: _spoiled(ck.oracle.swish(z), z, 1),
            (lambda z: _spoiled(ck.oracle.swish(z), z, -1),),
        ),
        Bug(
            "sigmoid alone",
            "This is the sigmoid. Swish multiplies it by z: a gate on the value itself.",
            _sigmoid,
        ),
        Bug(
            "sign in the exponent",
            "You multiplied by sigmoid(-z), which closes where it should open. sigmoid(z) = 1 / (1 + exp(-z)).",
            lambda z: -ck.oracle.swish(-z),
        ),
        Bug(
            "tanh for sigmoid",
            "You multiplied by tanh(z), which lets large negative values through, turned positive. The gate is the "
            "sigmoid, between 0 and 1.",
            lambda z: z * np.tanh(z),
        ),
    )


@UNIT.exercise("swish_backward(dout, z)", points={"basics": 2, "large": 1})
class SwishBackward:
    def cases(rng):
        for points in (*BASICS, *LINES):
            yield points.case("basics", points.dout(rng), points.z(rng))
        yield FEW[0].case("basics", FEW[0].dout(rng), with_zeros(rng, FEW[0]))
        for points in (*FEW, FEW[0]):
            yield points.case("large", points.dout(rng), with_giants(rng, points))

    def oracle(dout, z):
        return ck.oracle.swish_backward(dout, z)

    bugs = (
        Bug(
            "exp overflows",
            OVERFLOW
            + "Write the derivative with the sigmoid, and the sigmoid with the exponential of -|z|, which is at "
            "most 1.",
            lambda dout, z: _spoiled(ck.oracle.swish_backward(dout, z), z, 1),
            (
                lambda dout, z: _spoiled(ck.oracle.swish_backward(dout, z), z, -1),
                lambda dout, z: _spoiled(ck.oracle.swish_backward(dout, z), np.abs(z), 1),
            ),
        ),
        Bug(
            "half of the product rule",
            "z appears twice in z sigmoid(z), so the derivative has two terms: sigmoid(z), and z times the derivative "
            "of the sigmoid. One is missing.",
            lambda dout, z: dout * _sigmoid(z),
            (
                lambda dout, z: ck.oracle.swish_backward(dout, z) - dout * _sigmoid(z),
                lambda dout, z: dout * _sigmoid(z) * _sigmoid(-z),
            ),
        ),
        Bug(
            "derivative of the output taken",
            "You put the output into the derivative. It wants the input z.",
            lambda dout, z: ck.oracle.swish_backward(dout, ck.oracle.swish(z)),
        ),
        Bug(
            "the function for its derivative",
            "You multiplied dout by the output. What belongs there is the slope of the function at z.",
            lambda dout, z: dout * ck.oracle.swish(z),
        ),
        upstream_dropped(lambda dout, z: ck.oracle.swish_backward(dout, z)),
    )


def maxout_points(rng):
    """``(group, points, pieces)``; no two pieces are equal, since nothing says which of them would win."""
    two = "two pieces"
    for points in (
        Points((4, 6)),
        Points((4, 6)),
        Points((4, 6), "float32"),
        Points((3, 8), layout="transposed", readonly=True),
        Points((2, 10), "float32", "slice"),
        Points((4, 4)),
        Points((1, 6)),
        Points((5, 2)),
    ):
        yield two, points, 2
    more = "more pieces"
    for points, pieces in (
        (Points((4, 6)), 3),
        (Points((2, 12)), 3),
        (Points((2, 12)), 4),
        (Points((3, 9), "float32"), 3),
        (Points((3, 15), layout="slice"), 5),
        (Points((6, 8), layout="transposed", readonly=True), 4),
        (Points((4, 5)), 5),  # one unit of all columns
        (Points((1, 1)), 1),
        (Points((3, 4), "float32"), 1),  # nothing to choose from
    ):
        yield more, points, pieces


def _every_so_many(z, pieces):
    """The columns in the order in which pieces that lie M / pieces apart become neighbours."""
    return z.reshape(len(z), pieces, -1).swapaxes(1, 2).reshape(z.shape)


def _back(dz, pieces):
    return _every_so_many(dz, dz.shape[1] // pieces)


NOT_CONSECUTIVE = Bug(
    "pieces not consecutive",
    "You compare columns that lie M / pieces apart. A unit's pieces stand side by side: unit 0 has the first `pieces` "
    "columns, unit 1 the next.",
    lambda z, pieces: ck.oracle.maxout(_every_so_many(z, pieces), pieces),
)


@UNIT.exercise("maxout(z, pieces)", points={"two pieces": 1, "more pieces": 1})
class Maxout:
    def cases(rng):
        for group, points, pieces in maxout_points(rng):
            yield points.case(group, points.z(rng), pieces)
        for group, pieces in (("two pieces", 2), ("more pieces", 3)):
            yield Points((3, 6)).case(group, -np.abs(draw(rng, (3, 6))) - 0.25, pieces)  # nothing positive

    def oracle(z, pieces):
        return ck.oracle.maxout(z, pieces)

    bugs = (
        Bug(
            "max over everything",
            "You took the maximum of a whole row, or of all of z. Each unit has `pieces` columns of its own, and M / "
            "pieces units come out.",
            lambda z, pieces: ck.oracle.maxout(z, z.shape[1]),
            (
                lambda z, pieces: z.max(1),
                lambda z, pieces: z.max(),
                lambda z, pieces: np.repeat(z.max(1, keepdims=True), z.shape[1] // pieces, 1),
                lambda z, pieces: np.full((len(z), z.shape[1] // pieces), z.max()),
            ),
        ),
        NOT_CONSECUTIVE,
        Bug(
            "pieces taken for units",
            "You made as many units as there should be pieces in each. `pieces` columns go into one unit; M / pieces "
            "units come out.",
            lambda z, pieces: ck.oracle.maxout(z, z.shape[1] // pieces),
        ),
        Bug(
            "two pieces always",
            "You compare two pieces, however many there are. `pieces` columns go into each unit.",
            lambda z, pieces: ck.oracle.maxout(z, 2),
            (lambda z, pieces: z.reshape(len(z), -1, pieces)[:, :, :2].max(2),),
        ),
        Bug(
            "starts the maximum at 0",
            "Where all pieces are negative you answer 0. Maxout has no zero of its own: it is the largest piece, "
            "whatever its sign.",
            lambda z, pieces: np.maximum(ck.oracle.maxout(z, pieces), 0),
        ),
        Bug(
            "mean for maximum",
            "These are the means of the pieces. Maxout keeps the largest.",
            lambda z, pieces: z.reshape(len(z), -1, pieces).mean(2),
        ),
    )


@UNIT.exercise("maxout_backward(dout, z, pieces)", points={"two pieces": 1, "more pieces": 1})
class MaxoutBackward:
    def cases(rng):
        for group, points, pieces in maxout_points(rng):
            n, m = points.shape
            yield points.case(group, draw(rng, (n, m // pieces), points.dtype), points.z(rng), pieces)
        for group, pieces in (("two pieces", 2), ("more pieces", 3)):
            z = -np.abs(draw(rng, (3, 6))) - 0.25
            yield Points((3, 6)).case(group, draw(rng, (3, 6 // pieces)), z, pieces)

    def oracle(dout, z, pieces):
        return ck.oracle.maxout_backward(dout, z, pieces)

    bugs = (
        Bug(
            "max over everything",
            "You looked for the largest value of a whole row. Each unit has `pieces` columns of its own and a largest "
            "one among them, which gets the unit's gradient.",
            lambda dout, z, pieces: (z == z.max(1, keepdims=True)) * dout.repeat(pieces, 1),
            (
                lambda dout, z, pieces: (z == z.max(1, keepdims=True)) * dout.sum(1, keepdims=True),
                lambda dout, z, pieces: (z == z.max()) * dout.repeat(pieces, 1),
            ),
        ),
        Bug(
            "all pieces get the gradient",
            "Every piece of a unit got its gradient. Only the largest one decided the output, so only it hears back.",
            lambda dout, z, pieces: dout.repeat(pieces, 1),
            (lambda dout, z, pieces: (dout / pieces).astype(z.dtype).repeat(pieces, 1),),
        ),
        Bug(
            "pieces not consecutive",
            NOT_CONSECUTIVE.hint,
            lambda dout, z, pieces: _back(ck.oracle.maxout_backward(dout, _every_so_many(z, pieces), pieces), pieces),
        ),
        upstream_dropped(lambda dout, z, pieces: ck.oracle.maxout_backward(dout, z, pieces)),
        Bug(
            "the value for its gradient",
            "The right places are marked, with the values of z. What flows back to the largest piece is dout of its "
            "unit.",
            lambda dout, z, pieces: ck.oracle.maxout_backward(ck.oracle.maxout(z, pieces), z, pieces),
        ),
        Bug(
            "smallest piece",
            "The gradient went to the smallest piece of each unit. The largest one decided the output.",
            lambda dout, z, pieces: ck.oracle.maxout_backward(dout, -z, pieces),
        ),
    )
