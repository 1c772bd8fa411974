"""Unit 01: units that learn, model cells of the visual cortex, connections, and the Neocognitron's two layers."""

import math

import numpy as np

import cnnkit as ck
from cnnkit.cases import Case
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("01-hubel-wiesel")


def single_precision(reference):
    """The bug of handing back float64 where float32 came in."""
    return Bug(
        "float64 for float32",
        "Your numbers are right, but float32 came in and float64 goes out. np.zeros and np.array([...]) make float64 "
        "unless told otherwise, and an integer out of NumPy (from np.where, say) turns float32 into it: give the "
        "result the dtype of the input.",
        lambda *args: reference(*args).astype(np.float64),
    )


# Units that learn


def perceptron(w, x, d, lr):
    return ck.oracle.perceptron_step(w, x, d, lr)


def adaline(w, x, d, lr):
    return ck.oracle.adaline_step(w, x, d, lr)


def moved(w, x, step):
    """``w + step x`` in the dtype of ``w``."""
    return (w + np.multiply(x, step, dtype=np.float64)).astype(w.dtype)


def fires(w, x):
    return int(np.vdot(w, x) >= 0)


def without_last(rule):
    return lambda w, x, d, lr: np.append(rule(w, x, d, lr)[:-1], w[-1:])


def without_first(rule):
    return lambda w, x, d, lr: np.append(w[:1], rule(w, x, d, lr)[1:])


def always_along(rule):
    """As if the difference of wanted and got were always positive."""

    def answer(w, x, d, lr):
        new = rule(w, x, d, lr)
        return new if np.vdot(new - w, x) >= 0 else rule(w, x, d, -lr)

    return answer


def one_way(rule, sign):
    """Moves only where the difference of wanted and got has that sign."""

    def answer(w, x, d, lr):
        new = rule(w, x, d, lr)
        return new if sign * np.vdot(new - w, x) >= 0 else w.copy()

    return answer


def learning_bugs(rule):
    """What goes wrong in either rule."""
    return (
        Bug(
            "sign of (d - y)",
            "Your weights move the wrong way. Where the unit should have given more (d above y), w.x has to grow, and "
            "it does when the weights move along x: the difference is wanted minus got, d - y.",
            lambda w, x, d, lr: rule(w, x, d, -lr),
        ),
        Bug(
            "bias entry skipped",
            "One weight at the end of the vector stays as it was. The bias is a weight like the others, whose input "
            "happens to be always 1: the rule treats all entries alike.",
            without_last(rule),
            (without_first(rule),),
        ),
        Bug(
            "sign of the difference lost",
            "Your weights always move along x. Where the unit gave too much (y above d), they have to move the other "
            "way: the difference d - y keeps its sign.",
            always_along(rule),
        ),
        Bug(
            "one kind of mistake only",
            "Your weights move when the unit gave too little and never when it gave too much, or the other way round. "
            "Both are mistakes to learn from: multiply x by the difference d - y itself.",
            one_way(rule, 1),
            (one_way(rule, -1),),
        ),
        Bug(
            "no step where one is due",
            "In some cases at least your weights come back as they were, and the unit is wrong. Find where the step "
            "gets lost: in an int(), in a condition, in an output that is cut off.",
            lambda w, x, d, lr: w.copy(),
        ),
        Bug(
            "learning rate forgotten",
            "The learning rate has no effect. It scales the whole step.",
            lambda w, x, d, lr: rule(w, x, d, 1.0),
        ),
    )


def example(rng, size, wanted, dtype="float64", bias=True):
    """``(w, x)`` with ``w.x`` as ``wanted``; with ``bias``, the last input is 1."""
    w, x = rng.standard_normal(size), rng.standard_normal(size)
    if bias:
        x[-1] = 1
    w += (wanted - w @ x) / (x @ x) * x
    return w.astype(dtype), x.astype(dtype)


def whole_example(rng, size, wanted, dtype="float64"):
    """``(w, x)`` in small whole numbers, the last input 1, with ``w.x`` exactly ``wanted``."""
    w, x = draw(rng, size, dtype, whole=True), draw(rng, size, dtype, whole=True)
    x[-1] = 1
    w[-1] = wanted - w[:-1] @ x[:-1]
    return w, x


@UNIT.exercise("perceptron_step(w, x, d, lr)", points={"basics": 2, "threshold": 1})
class PerceptronStep:
    def cases(rng):
        size = int(rng.integers(4, 8))
        rate = lambda: float(rng.uniform(0.05, 0.9))
        outcomes = [(1, 0), (-1, 1), (1, 1), (-1, 0)]  # (sign of w.x, target): two mistakes, then two right answers

        def some(size, sign, d, dtype="float64", bias=True, lr=None, **how):
            w, x = example(rng, size, sign * rng.uniform(0.4, 2), dtype, bias)
            return Case("basics", (w, x, d, lr or rate()), **how)

        for bias in (True, False):  # twice the same shapes and numbers with other arrays
            yield from (some(size, *outcome, bias=bias, lr=0.5) for outcome in outcomes)
        yield from (some(3, *outcome, dtype="float32") for outcome in outcomes)
        yield from (some(1, *outcome, bias=False) for outcome in outcomes)
        for dtype in ("float64", "float32"):  # deck c: the Mark I Perceptron saw 20 x 20 pixels
            yield from (some(401, *outcome, dtype=dtype) for outcome in outcomes[:2])
        for outcome in outcomes:
            yield some(size, *outcome, layout="slice")
            yield some(size, *outcome, dtype="float32", readonly=True)
        yield Case("basics", (*whole_example(rng, 3, 2), 0, 1))
        yield Case("basics", (*whole_example(rng, 3, -2), 1, 1))
        for d, dtype in ((0, "float64"), (1, "float64"), (0, "float32"), (1, "float32")):
            yield Case("threshold", (*whole_example(rng, size - 1, 0, dtype), d, rate()))
        for d, dtype in ((0, "float32"), (1, "float64"), (0, "float64")):  # all weights 0, as learning starts
            x = draw(rng, size, dtype)
            yield Case("threshold", (np.zeros_like(x), x, d, 0.5), readonly=True)
        yield Case("threshold", (*whole_example(rng, 4, -1), 1, 0.5))
        yield Case("threshold", (*whole_example(rng, 4, 1), 0, 0.25))

    oracle = perceptron
    bugs = (
        *learning_bugs(perceptron),
        Bug(
            "updates when right",
            "You move the weights on examples that the unit already gets right. Where y equals d their difference is "
            "0, and so is the step: the perceptron learns from its mistakes only.",
            lambda w, x, d, lr: moved(w, x, lr * (2 * d - 1)),
            (lambda w, x, d, lr: moved(w, x, lr * d),),
        ),
        Bug(
            "silent at exactly 0",
            "At w.x = 0 the unit fires: y is 1 for w.x >= 0. This matters at once, since learning starts with all "
            "weights at 0.",
            lambda w, x, d, lr: moved(w, x, lr * (d - 1 + fires(-w, x))),
            (lambda w, x, d, lr: moved(w, x, lr * (d - int(np.vdot(w, x) >= 0.5))),),
        ),
        Bug(
            "bias left out of w.x",
            "The output misses a term at one end of the vectors. The bias is a weight like the others, whose input "
            "happens to be always 1, so w.x runs over all entries.",
            lambda w, x, d, lr: moved(w, x, lr * (d - fires(w[:-1], x[:-1]))),
            (lambda w, x, d, lr: moved(w, x, lr * (d - fires(w[1:], x[1:]))),),
        ),
        Bug(
            "linear output used",
            "You compared d with w.x itself. A perceptron's output is all or nothing: 1 where w.x >= 0, else 0.",
            adaline,
        ),
        Bug(
            "outputs -1 and 1",
            "Your unit answers -1 where it should answer 0. Targets and outputs are both 0 or 1 here; otherwise d - y "
            "is not 0 for a unit that is rightly silent.",
            lambda w, x, d, lr: moved(w, x, lr * (d + 1 - 2 * fires(w, x))),
        ),
        single_precision(perceptron),
    )


@UNIT.exercise("adaline_step(w, x, d, lr)", points={"basics": 2})
class AdalineStep:
    def cases(rng):
        size = int(rng.integers(4, 8))
        rate = lambda: float(rng.uniform(0.05, 0.9))

        def some(size, d, dtype="float64", bias=True, lr=None, **how):
            error = rng.uniform(0.3, 0.8) * rng.choice([-1, 1])
            w, x = example(rng, size, d - error, dtype, bias)
            return Case("basics", (w, x, d, lr or rate()), **how)

        for bias in (True, False):  # twice the same shapes and numbers with other arrays
            yield from (some(size, d, bias=bias, lr=0.5) for d in (-1, 1, 0, 0.25))
        yield from (some(3, d, "float32") for d in (-1, 1, 0))
        yield from (some(1, d, bias=False) for d in (-1, 1.5))
        yield from (some(401, d, dtype, lr=0.002) for d, dtype in ((1, "float64"), (-1, "float32")))
        yield some(size, 1, layout="slice")
        yield some(size, -1, "float32", readonly=True)
        yield Case("basics", (*whole_example(rng, 4, 3), 1, 1), readonly=True)
        yield Case("basics", (*whole_example(rng, 4, 0), -1, 0.5))
        yield Case("basics", (*whole_example(rng, 3, -1), -1, 0.5))  # already right: nothing moves

    oracle = adaline
    bugs = (
        *learning_bugs(adaline),
        Bug(
            "thresholded output used",
            "You compared d with an output of 0 or 1 (or -1 and 1). While it learns, an Adaline's output is w.x as it "
            "is: it wants to know by how much it is wrong, not only whether.",
            lambda w, x, d, lr: moved(w, x, lr * (d - fires(w, x))),
            (lambda w, x, d, lr: moved(w, x, lr * (d + 1 - 2 * fires(w, x))),),
        ),
        Bug(
            "twice the step",
            "Your step is twice as long. The derivative of (d - y)^2 does bring a factor of 2; the rule as it is "
            "written here leaves that to the learning rate.",
            lambda w, x, d, lr: adaline(w, x, d, 2 * lr),
        ),
    )


# Receptive fields


def gabor(*args, **kwargs):
    return ck.oracle.gabor(*args, **kwargs)


def envelope_turned(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    """The Gaussian long where it should be short."""
    sigma = 0.56 * wavelength if sigma is None else sigma
    return gabor(size, theta, wavelength, phase, sigma / gamma, 1 / gamma)


def off_centre(size, theta, wavelength, *rest, **named):
    """As if the origin were at size / 2."""
    field = gabor(size + 1, theta, wavelength, *rest, **named, zero_mean=False)[:size, :size]
    return field - field.mean()


def off_centre_when_even(size, theta, wavelength, *rest, **named):
    """As if the origin were at (size - 1) // 2."""
    side = size + 1 - size % 2
    field = gabor(side, theta, wavelength, *rest, **named, zero_mean=False)[side - size :, side - size :]
    return field - field.mean()


def wave_mean_removed(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    """The mean taken from the wave before the Gaussian is laid over it."""
    sigma = 0.56 * wavelength if sigma is None else sigma
    wave = gabor(size, theta, wavelength, phase, 1e9, gamma, zero_mean=False)
    return gabor(size, theta, wavelength, phase, sigma, gamma, zero_mean=False) - wave.mean() * gabor(
        size, theta, 1e12, 0.0, sigma, gamma, zero_mean=False
    )


def with_wave(change):
    """gabor with another wave under the same Gaussian."""

    def answer(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
        sigma = 0.56 * wavelength if sigma is None else sigma
        return gabor(size, theta, change(wavelength), phase, sigma, gamma)

    return answer


def with_sigma(change):
    """gabor with its sigma, given or not, put through ``change``."""

    def answer(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
        return gabor(size, theta, wavelength, phase, change(0.56 * wavelength if sigma is None else sigma), gamma)

    return answer


def with_default_sigma(default):
    def answer(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
        return gabor(size, theta, wavelength, phase, default(wavelength) if sigma is None else sigma, gamma)

    return answer


@UNIT.exercise(
    "gabor(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5)",
    points={"basics": 2, "phase": 1, "sigma and gamma": 1},
)
class Gabor:
    def cases(rng):
        # Oblique: neither upright nor level nor on a diagonal, where some mistakes do not show.
        oblique = lambda: float((rng.integers(0, 4) + rng.uniform(0.25, 0.75)) * math.pi / 4)
        wave = lambda: float(rng.uniform(3.5, 6))
        for size in (9, 12, 9, 8):
            yield Case("basics", (size, oblique(), wave()))
        yield Case("basics", (11, -oblique(), 4))
        yield Case("basics", (10, oblique() + math.pi, 5.0))
        for theta in (0.0, math.pi / 2, math.pi / 4):
            yield Case("basics", (7, theta, wave()))
            yield Case("basics", (6, theta, wave()))
        yield Case("basics", (2, oblique(), 3.0))
        yield Case("basics", (1, oblique(), 4.0))
        for phase in (math.pi / 2, -math.pi / 3, math.pi, float(rng.uniform(0.3, 1.2))):
            yield Case("phase", (9, oblique(), wave()), {"phase": phase})
        yield Case("phase", (12, oblique(), wave(), float(rng.uniform(-2, -1))))
        yield Case("phase", (8, 0.0, 4.0, math.pi / 2))
        yield Case("phase", (9, oblique() + math.pi, wave(), 1.2))  # half a turn shows only where the filter is odd
        yield Case("phase", (9, -oblique(), wave(), -1.2))
        yield Case("phase", (9, oblique(), wave()))
        for named in ({"sigma": 1.5}, {"gamma": 0.3}, {"sigma": 3, "gamma": 0.8}, {"gamma": 1.0}, {"sigma": 2.5}):
            yield Case("sigma and gamma", (int(rng.integers(8, 12)), oblique(), wave()), named)
        yield Case("sigma and gamma", (11, oblique(), wave(), 0.0, float(rng.uniform(1.2, 3)), 0.35))
        yield Case("sigma and gamma", (10, oblique(), wave(), 0.0, None, 0.7))
        yield Case("sigma and gamma", (9, oblique(), wave()), {"sigma": None, "gamma": 1.4})

    oracle = gabor
    bugs = (
        Bug(
            "degrees for radians",
            "Your filter stands at a much smaller angle than it should: theta was taken for degrees. It comes in "
            "radians, as np.cos and np.sin expect; a quarter turn is pi / 2.",
            lambda size, theta, *rest, **named: gabor(size, math.radians(theta), *rest, **named),
            (lambda size, theta, *rest, **named: gabor(size, math.degrees(theta), *rest, **named),),
        ),
        Bug(
            "u and v swapped",
            "u and v have changed places. u runs along theta: the wave goes along it, and the Gaussian is short along "
            "it. v runs across theta, where the Gaussian is long.",
            lambda size, theta, *rest, **named: gabor(size, theta + math.pi / 2, *rest, **named),
            (
                envelope_turned,
                lambda size, theta, *rest, **named: envelope_turned(size, theta + math.pi / 2, *rest, **named),
            ),
        ),
        Bug(
            "x and y swapped",
            "Your filter is transposed. x counts columns, to the right, and y rows, downwards: x has to change along "
            "the second axis of the array.",
            lambda *args, **named: gabor(*args, **named).T,
        ),
        Bug(
            "turned the other way",
            "Your filter leans the wrong way. y grows downwards, as rows do, and v = -x sin(theta) + y cos(theta): "
            "check the signs, and that y is not counted upwards.",
            lambda size, theta, *rest, **named: gabor(size, -theta, *rest, **named),
        ),
        Bug(
            "mean not removed",
            "The values of your filter do not add up to 0, so even light would drive the cell. Subtract the mean of "
            "the whole array, last of all.",
            lambda *args, **named: gabor(*args, **named, zero_mean=False),
            (wave_mean_removed,),
        ),
        Bug(
            "wavelength",
            "Your stripes have another width. One whole wave, 2 pi of the cosine's argument, is as long as the "
            "wavelength: 2 pi u / wavelength.",
            with_wave(lambda wavelength: 2 * wavelength),
            (with_wave(lambda wavelength: math.tau * wavelength), with_wave(lambda wavelength: 1 / wavelength)),
        ),
        Bug(
            "sine for cosine",
            "Your filter is odd where it should be even. With a phase of 0 the wave is a cosine, brightest in the "
            "middle.",
            lambda size, theta, wavelength, phase=0.0, *rest, **named: gabor(
                size, theta, wavelength, phase - math.pi / 2, *rest, **named
            ),
        ),
        Bug(
            "gamma divides",
            "v was divided by gamma. It is multiplied: the smaller gamma, the longer the Gaussian along v.",
            lambda size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5: gabor(
                size, theta, wavelength, phase, sigma, 1 / gamma
            ),
        ),
        Bug(
            "gamma not squared",
            "Your Gaussian is too short along v: its exponent has gamma^2 v^2, that is (gamma v)^2.",
            lambda size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5: gabor(
                size, theta, wavelength, phase, sigma, math.sqrt(gamma)
            ),
        ),
        Bug(
            "gamma ignored",
            "gamma has no effect: your Gaussian is as wide along v as along u. Its exponent has u^2 + gamma^2 v^2.",
            lambda size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5: gabor(
                size, theta, wavelength, phase, sigma, 1.0
            ),
        ),
        Bug(
            "phase ignored or subtracted",
            "The phase is added inside the cosine: cos(2 pi u / wavelength + phase). With a phase of pi / 2 the filter "
            "becomes odd, dark on one side and bright on the other.",
            lambda size, theta, wavelength, phase=0.0, *rest, **named: gabor(
                size, theta, wavelength, 0.0, *rest, **named
            ),
            (
                lambda size, theta, wavelength, phase=0.0, *rest, **named: gabor(
                    size, theta, wavelength, -phase, *rest, **named
                ),
            ),
        ),
        Bug(
            "sigma's default",
            "Where sigma is not given it should be 0.56 times the wavelength: the filter grows as its wave does.",
            with_default_sigma(lambda wavelength: 0.56),
            (
                with_default_sigma(lambda wavelength: wavelength),
                with_default_sigma(lambda wavelength: 0.5 * wavelength),
            ),
        ),
        Bug(
            "sigma ignored",
            "The sigma argument has no effect. Its default, None, stands for 0.56 times the wavelength; any other "
            "value is the width itself.",
            lambda size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5: gabor(
                size, theta, wavelength, phase, None, gamma
            ),
        ),
        Bug(
            "width of the Gaussian",
            "Your Gaussian has the right shape and the wrong width: what stands under the fraction is 2 sigma^2.",
            with_sigma(lambda sigma: sigma / math.sqrt(2)),
            (with_sigma(math.sqrt), with_sigma(lambda sigma: sigma * math.sqrt(2))),
        ),
        Bug(
            "origin beside the centre",
            "Your filter is half a pixel off, for even sizes at least. The origin lies in the middle, at "
            "(size - 1) / 2; for an even size that is between two pixels.",
            off_centre,
            (off_centre_when_even, lambda size, *rest, **named: (off_centre, gabor)[size % 2](size, *rest, **named)),
        ),
        Bug(
            "normalised",
            "Your filter is the right one times a constant. Nothing is divided here: neither by the sum, nor by the "
            "largest value, nor by the length.",
            lambda *args, **named: gabor(*args, **named) / np.linalg.norm(gabor(*args, **named)),
            (
                lambda *args, **named: gabor(*args, **named) / np.abs(gabor(*args, **named)).max(),
                lambda *args, **named: gabor(*args, **named) / np.abs(gabor(*args, **named)).sum(),
                lambda *args, **named: gabor(*args, **named) / gabor(*args, **named).std(),
            ),
        ),
    )


# Cells


def drive(patch, rf):
    return float(np.vdot(patch.astype(np.float64), rf.astype(np.float64)))


def patch_for(rng, wanted, *fields):
    """A random patch whose dot products with the fields are ``wanted``, in the fields' shape and dtype."""
    rows = np.array([field.ravel() for field in fields], np.float64)
    patch = rng.standard_normal(rows.shape[1])
    patch += np.linalg.lstsq(rows, np.subtract(wanted, rows @ patch), rcond=None)[0]
    return patch.reshape(fields[0].shape).astype(fields[0].dtype)


def strength(rng):
    """A response that no rounding turns into another."""
    return float(rng.uniform(0.5, 4))


SHAPES = (
    ((5, 6), {}),
    ((5, 6), {}),  # the same shape with other values
    ((5, 5), {}),
    ((4, 7), {"dtype": "float32"}),
    ((6, 6), {"dtype": "float32"}),
    ((1, 9), {}),
    ((8, 2), {"dtype": "float32"}),
    ((21, 21), {}),
    ((5, 4), {"layout": "transposed", "readonly": True}),
    ((4, 6), {"layout": "slice", "dtype": "float32"}),
)
"""Shapes of receptive fields, and in what way each comes."""


def fields_and_layouts(rng, count):
    """``(fields, how)``: some random receptive fields of each of SHAPES, and the memory layout of their case."""
    for shape, how in SHAPES:
        layout = {key: value for key, value in how.items() if key != "dtype"}
        yield [draw(rng, shape, how.get("dtype", "float64")) for _ in range(count)], layout


@UNIT.exercise("simple_cell(patch, rf)", points={"basics": 1, "rectified": 1})
class SimpleCell:
    def cases(rng):
        for group, signs in (("basics", (1,)), ("rectified", (-1, 1))):
            for [rf], how in fields_and_layouts(rng, 1):
                for sign in signs:
                    yield Case(group, (patch_for(rng, [sign * strength(rng)], rf), rf), **how)
        yield Case("basics", (np.array([[-1.5]]), np.array([[-2.0]])))
        yield Case("basics", (np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[3.0, -1.0], [7.0, 2.0]])), readonly=True)
        yield Case("rectified", (np.array([[1.5]]), np.array([[-2.0]])))
        yield Case("rectified", (np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[3.0, -2.0], [7.0, 1.0]])))  # exactly 0
        yield Case("rectified", (np.zeros((3, 4)), draw(rng, (3, 4))))

    def oracle(patch, rf):
        return ck.oracle.simple_cell(patch, rf)

    bugs = (
        Bug(
            "no rectification",
            "Your cell fires at a negative rate. A neuron cannot do less than be silent: what is below 0 becomes 0.",
            drive,
        ),
        Bug(
            "absolute value",
            "Your cell fires just as well when light and dark are exchanged. A dot product below 0 means that the "
            "picture is the opposite of what the cell wants: it stays silent, at 0.",
            lambda patch, rf: abs(drive(patch, rf)),
        ),
        Bug(
            "the other half",
            "You kept what is below 0. The cell fires where its dot product is positive, and is silent otherwise.",
            lambda patch, rf: min(0.0, drive(patch, rf)),
            (lambda patch, rf: max(0.0, -drive(patch, rf)),),
        ),
        Bug(
            "rectified before the sum",
            "You rectified each product, or the patch, and added up what was left. Dark on the wrong side must count "
            "against light on the right one: add first, rectify the sum.",
            lambda patch, rf: float((patch.astype(np.float64) * rf).clip(0).sum()),
            (lambda patch, rf: max(0.0, drive(patch.clip(0), rf)),),
        ),
        Bug(
            "divided by a length",
            "You divided by the length of the field, or of the patch as well. The dot product stays as it is: a "
            "stronger contrast is a stronger response.",
            lambda patch, rf: max(0.0, drive(patch, rf)) / np.linalg.norm(rf),
            (lambda patch, rf: max(0.0, drive(patch, rf)) / (np.linalg.norm(rf) * np.linalg.norm(patch) or 1.0),),
        ),
        Bug(
            "mean for the sum",
            "Your response is divided by the number of pixels. A dot product adds the products up.",
            lambda patch, rf: max(0.0, drive(patch, rf)) / patch.size,
        ),
        Bug(
            "field turned round",
            "Your field lies on the patch turned by 180 degrees or transposed. Each pixel is multiplied with the "
            "weight at the same place.",
            lambda patch, rf: max(0.0, drive(patch, rf[::-1, ::-1])),
            (lambda patch, rf: max(0.0, drive(patch, rf.T.reshape(rf.shape))),),
        ),
    )


@UNIT.exercise("tuning_curve(rf, stimuli)", points={"basics": 1, "rectified": 1})
class TuningCurve:
    def cases(rng):
        def some(group, rf, signs, how):
            stimuli = np.stack([patch_for(rng, [sign * strength(rng)], rf) for sign in signs])
            return Case(group, (rf, stimuli), **how)

        for [rf], how in fields_and_layouts(rng, 1):
            yield some("basics", rf, (1,) * int(rng.integers(3, 9)), how)
            yield some("rectified", rf, rng.permutation((-1, -1, 1, 1, 1, -1)), how)
        yield some("rectified", draw(rng, (3, 5)), rng.permutation(np.resize((-1, 1), 24)), {})  # a whole turn
        for shape, dtype in (((3, 3), "float64"), ((4, 5), "float32")):
            rf = draw(rng, shape, dtype)
            yield some("basics", rf, (1,), {})
            yield some("basics", rf, (1, 1, 1), {"layout": "channels last"})
            yield some("rectified", rf, (-1,), {})
            yield some("rectified", rf, (-1, -1, -1), {})  # a silent cell
        rf = np.array([[1.0, -1.0], [0.0, 2.0]])
        yield Case("rectified", (rf, np.array([[[1.0, 1.0], [5.0, 0.0]], [[2.0, 1.0], [1.0, 1.0]]])), readonly=True)

    def oracle(rf, stimuli):
        return ck.oracle.tuning_curve(rf, stimuli)

    def window(case, part, index):
        return [("rf", case.args[0]), (f"stimuli[{index[0]}]", case.args[1][index[0]])]

    def drives(rf, stimuli):
        return np.array([drive(stimulus, rf) for stimulus in stimuli]).astype(stimuli.dtype)

    def per_largest(rf, stimuli):
        curve = ck.oracle.tuning_curve(rf, stimuli)
        return curve / curve.max()

    def per_total(rf, stimuli):
        curve = ck.oracle.tuning_curve(rf, stimuli)
        return curve / curve.sum()

    def per_pixel(rf, stimuli):
        return ck.oracle.tuning_curve(rf, stimuli) / rf.size

    def per_length(rf, stimuli):
        return ck.oracle.tuning_curve(rf, stimuli) / np.linalg.norm(rf)

    bugs = (
        Bug(
            "not rectified",
            "Your curve dips below 0. A neuron cannot do less than be silent: each response below 0 becomes 0.",
            drives,
        ),
        Bug(
            "normalised",
            "Your curve has the right shape and the wrong height. The responses stay as they are: divide neither by "
            "the largest, nor by their sum, nor by the number of pixels. (A silent cell has no largest response to "
            "divide by.)",
            per_largest,
            (per_total, per_pixel, per_length),
        ),
        Bug(
            "rectified before the sum",
            "You rectified each product and added up what was left. Dark on the wrong side must count against light on "
            "the right one: add first, rectify the sum.",
            lambda rf, stimuli: (stimuli.astype(np.float64) * rf).clip(0).sum((1, 2)).astype(stimuli.dtype),
        ),
        Bug(
            "absolute value",
            "Your cell answers the exact opposite of what it wants as loudly as the real thing. Responses below 0 "
            "become 0; their sign is not dropped.",
            lambda rf, stimuli, drives=drives: np.abs(drives(rf, stimuli)),
        ),
        single_precision(oracle),
    )


@UNIT.exercise("complex_cell(patch, rf_even, rf_odd)", points={"basics": 1, "phase": 1})
class ComplexCell:
    def cases(rng):
        for fields, how in fields_and_layouts(rng, 2):
            radius = rng.uniform(1.4, 3)
            for group, quadrants in (("basics", (0,)), ("phase", (0, 1, 2, 3))):
                for quadrant in quadrants:
                    angle = (quadrant + rng.uniform(0.2, 0.35)) * math.pi / 2
                    wanted = radius * math.cos(angle), radius * math.sin(angle)
                    yield Case(group, (patch_for(rng, wanted, *fields), *fields), **how)
        yield Case("basics", (np.array([[2.0]]), np.array([[1.0]]), np.array([[0.75]])))
        yield Case("basics", (np.eye(2), np.array([[3.0, 8.0], [5.0, -1.0]]), np.array([[1.0, -4.0], [2.0, 2.0]])))
        yield Case("phase", (np.eye(2), np.array([[3.0, 8.0], [5.0, -1.0]]), np.array([[-4.0, 0.0], [2.0, 1.0]])))
        yield Case("phase", (np.zeros((3, 4)), draw(rng, (3, 4)), draw(rng, (3, 4))), readonly=True)

    def oracle(patch, rf_even, rf_odd):
        return ck.oracle.complex_cell(patch, rf_even, rf_odd)

    bugs = (
        Bug(
            "no square",
            "You added the two responses without squaring them, so your cell goes up and down with the phase. Square "
            "each, then add: cos^2 + sin^2 is 1 at any phase.",
            lambda patch, even, odd: drive(patch, even) + drive(patch, odd),
            (
                lambda patch, even, odd: abs(drive(patch, even)) + abs(drive(patch, odd)),
                lambda patch, even, odd: max(0.0, drive(patch, even)) + max(0.0, drive(patch, odd)),
                lambda patch, even, odd: max(0.0, drive(patch, even) + drive(patch, odd)),
            ),
        ),
        Bug(
            "sum, then square",
            "You squared the sum. The squares are taken first, each on its own, and then added.",
            lambda patch, even, odd: (drive(patch, even) + drive(patch, odd)) ** 2,
        ),
        Bug(
            "pixels squared",
            "You squared pixel by pixel. Each field gives one number, its dot product with the patch; that number is "
            "squared.",
            lambda patch, even, odd: float(
                ((patch.astype(np.float64) * even) ** 2 + (patch.astype(np.float64) * odd) ** 2).sum()
            ),
        ),
        Bug(
            "one phase only",
            "One of the two fields has no part in your result. With a single phase the response vanishes when the edge "
            "moves by a quarter of a wave; the other field is there to take over.",
            lambda patch, even, odd: drive(patch, even) ** 2,
            (lambda patch, even, odd: drive(patch, odd) ** 2,),
        ),
        Bug(
            "square root taken",
            "You took the root of the energy. The energy is the sum of the squares itself.",
            lambda patch, even, odd: math.hypot(drive(patch, even), drive(patch, odd)),
        ),
        Bug(
            "rectified, then squared",
            "You rectified before squaring, so half of all phases is lost. The square makes both signs count, which is "
            "what keeps the response the same when light and dark change places.",
            lambda patch, even, odd: max(0.0, drive(patch, even)) ** 2 + max(0.0, drive(patch, odd)) ** 2,
        ),
    )


def both(patch, centre, flank):
    return max(0.0, drive(patch, centre)), max(0.0, drive(patch, flank))


@UNIT.exercise("hypercomplex_cell(patch, centre, flank, k=1.0)", points={"basics": 1, "end stop": 1, "k": 1})
class HypercomplexCell:
    def cases(rng):
        for fields, how in fields_and_layouts(rng, 2):
            case = lambda group, c, f, *rest, fields=fields, how=how, **named: Case(
                group, (patch_for(rng, (c, f), *fields), *fields, *rest), named, **how
            )
            c, f = strength(rng), strength(rng)
            yield case("basics", c + f + 0.5, f)
            yield case("basics", c, -f)  # the flanks do not help below 0
            yield case("end stop", f, c + f + 0.5)
            yield case("end stop", c + f + 0.5, f)
            yield case("end stop", -c, -f - c)
            yield case("end stop", -c, f)
            yield case("k", c + f, f, k=float(rng.uniform(0.3, 0.8)))
            yield case("k", 3 * f + c, f, float(rng.uniform(1.5, 2.5)))
        yield case("k", 2.0, -1.5, k=2.0)
        yield case("k", 2.0, 1.5, k=0.0)
        yield case("k", 2.0, 1.5, k=3)
        one = np.ones((1, 1))
        yield Case("basics", (3 * one, one, 0.5 * one))
        yield Case("end stop", (2 * one, 0.5 * one, one))
        yield Case("end stop", (3 * one, one, 0.25 * one))

    def oracle(patch, centre, flank, k=1.0):
        return ck.oracle.hypercomplex_cell(patch, centre, flank, k)

    def added(patch, centre, flank, k=1.0):
        c, f = both(patch, centre, flank)
        return c + k * f

    def not_rectified(patch, centre, flank, k=1.0):
        c, f = both(patch, centre, flank)
        return c - k * f

    def absolute(patch, centre, flank, k=1.0):
        c, f = both(patch, centre, flank)
        return abs(c - k * f)

    def k_on_both(patch, centre, flank, k=1.0):
        c, f = both(patch, centre, flank)
        return k * max(0.0, c - f)

    def k_on_centre(patch, centre, flank, k=1.0):
        c, f = both(patch, centre, flank)
        return max(0.0, k * c - f)

    bugs = (
        Bug(
            "flank added",
            "Light on the flanks makes your cell fire more. It is end-stopped: the flanks hold it back, so k times "
            "their response is subtracted.",
            added,
        ),
        Bug(
            "not rectified",
            "Something that is below 0 gets through. Three things are rectified: the response of the centre, that of "
            "the flanks, and the difference at the end.",
            not_rectified,
            (
                lambda patch, centre, flank, k=1.0: max(0.0, drive(patch, centre) - k * drive(patch, flank)),
                lambda patch, centre, flank, k=1.0: drive(patch, centre) - k * drive(patch, flank),
            ),
        ),
        Bug(
            "absolute value",
            "Your cell fires when the flanks win. Where k f is larger than c the cell is silent: 0, not the size of "
            "the difference.",
            absolute,
        ),
        Bug(
            "k ignored",
            "k has no effect. It says how strongly the flanks hold the cell back: c - k f.",
            lambda patch, centre, flank, k=1.0: ck.oracle.hypercomplex_cell(patch, centre, flank),
        ),
        Bug(
            "k on the wrong term",
            "k scales the response of the flanks alone: c - k f.",
            k_on_centre,
            (k_on_both,),
        ),
    )


# Connections


@UNIT.exercise("connection_counts(n_in, n_hidden, k)", points={"basics": 1, "pictures": 1})
class ConnectionCounts:
    def cases(rng):
        some = lambda low, high: int(rng.integers(low, high))
        yield Case("basics", (7, 3, 3))  # deck b: 21, 9, 3
        for sizes in ((1, 1, 1), (5, 4, 1), (6, 2, 6), (9, 1, 4), (4, 6, 3)):
            yield Case("basics", sizes)
        for _ in range(4):
            k = some(2, 6)
            yield Case("basics", (k + some(3, 30), some(3, 40), k))
        yield Case("pictures", (25, 9, 9))  # deck e: a 3 x 3 filter on 5 x 5 pixels
        yield Case("pictures", (25, 25, 9))
        yield Case("pictures", (256 * 256 * 3, 1, 75))  # deck d
        # No more than an answer can build as layers, or count line by line.
        yield Case("pictures", (256 * 256 * 3, some(5, 20), 27))
        yield Case("pictures", (some(2000, 5000), some(300, 900), 49))

    def oracle(n_in, n_hidden, k):
        return ck.oracle.connection_counts(n_in, n_hidden, k)

    returns = ("fully connected", "local", "shared")
    bugs = (
        Bug(
            "biases counted",
            "You counted biases, too. Here only the weights count, one for each line between two units.",
            lambda n_in, n_hidden, k: (n_hidden * (n_in + 1), n_hidden * (k + 1), k + 1),
            (
                lambda n_in, n_hidden, k: (n_hidden * (n_in + 1), n_hidden * (k + 1), k + n_hidden),
                lambda n_in, n_hidden, k: (n_hidden * n_in + 1, n_hidden * k + 1, k + 1),
            ),
        ),
        Bug(
            "shared not shared",
            "In your third count each hidden unit still has weights of its own. Sharing means that all hidden units "
            "use the same k weights, however many units there are.",
            lambda n_in, n_hidden, k: (n_hidden * n_in, n_hidden * k, n_hidden * k),
            (lambda n_in, n_hidden, k: (n_hidden * n_in, n_hidden * k, n_hidden),),
        ),
        Bug(
            "local shared",
            "Your second count shares already. In a locally connected layer each hidden unit sees k inputs with k "
            "weights of its own.",
            lambda n_in, n_hidden, k: (n_hidden * n_in, k, k),
        ),
        Bug(
            "hidden units recounted",
            "You worked out how many windows fit, or counted a window for each input. How many hidden units there are "
            "is given: each of the n_hidden units sees k inputs.",
            lambda n_in, n_hidden, k: (n_hidden * n_in, (n_in - k + 1) * k, k),
            (
                lambda n_in, n_hidden, k: (n_hidden * n_in, n_in * k, k),
                lambda n_in, n_hidden, k: ((n_in - k + 1) * n_in, (n_in - k + 1) * k, k),
            ),
        ),
        Bug(
            "other order",
            "The three counts are right and stand in another order: fully connected, local, shared.",
            lambda n_in, n_hidden, k: (k, n_hidden * k, n_hidden * n_in),
            (lambda n_in, n_hidden, k: (n_hidden * n_in, k, n_hidden * k),),
        ),
        Bug(
            "k squared",
            "k is the number of inputs that a unit sees, all of them: a window of 3 by 3 pixels comes as k = 9.",
            lambda n_in, n_hidden, k: (n_hidden * n_in, n_hidden * k * k, k * k),
        ),
    )


# The Neocognitron


def s_layer(x, templates, threshold):
    return ck.oracle.s_layer(x, templates, threshold)


def matches(x, templates):
    """The match itself, neither lowered nor rectified."""
    return ck.oracle.conv2d(x[None, None], templates[:, None])[0]


@UNIT.exercise("s_layer(x, templates, threshold)", points={"basics": 2, "threshold": 1, "fit": 1})
class SLayer:
    def cases(rng):
        def some(group, threshold, x=(6, 7), templates=(4, 3, 2), dtype="float64", whole=False, **how):
            args = draw(rng, x, dtype, whole), draw(rng, templates, dtype, whole), threshold
            return Case(group, args, **how)

        level = lambda: float(rng.uniform(0.3, 1.2))
        for group, thresholds in (("basics", [0.0] * 4), ("threshold", [level(), level(), -level(), 1])):
            a, b, c, d = thresholds
            yield some(group, a)
            yield some(group, a)  # the same shapes with other values
            yield some(group, b, (5, 8), (3, 2, 4), "float32")
            yield some(group, c, (7, 7), (3, 3, 3))
            yield some(group, c, (3, 3), (3, 3, 3), "float32")
            yield some(group, b, (4, 5), (1, 2, 3))
            yield some(group, d, (5, 5), (1, 2, 2))
            yield some(group, d, (4, 6), (5, 1, 1), "float32")
            yield some(group, a, (6, 5), (2, 4, 3), layout="channels last")
            yield some(group, b, (5, 6), (3, 2, 3), layout="transposed", readonly=True)
            yield some(group, c, (6, 4), (2, 3, 2), "float32", layout="slice")
            yield some(group, d, (6, 6), (3, 2, 2), whole=True, readonly=True)  # ties with the threshold
        yield some("threshold", 100.0)  # nothing passes
        yield some("fit", 0.5, (4, 3), (3, 4, 3))
        yield some("fit", 0.0, (3, 6), (2, 3, 4))
        yield some("fit", 0.25, (6, 3), (2, 4, 3))
        yield some("fit", 0.25, (1, 1), (3, 1, 1), "float32")
        yield some("fit", 0.5, (3, 6), (2, 4, 2), raises=True)
        yield some("fit", 0.0, (6, 3), (3, 2, 5), raises=True)
        yield some("fit", 0.0, (2, 2), (2, 4, 4), raises=True)

    oracle = s_layer

    def window(case, part, index):
        (f, i, j), (x, templates, _) = index, case.args
        kh, kw = templates.shape[1:]
        return [(f"window ({i}, {j}) of x", x[i : i + kh, j : j + kw]), (f"templates[{f}]", templates[f])]

    bugs = (
        Bug(
            "rectified, then threshold",
            "You rectified first and subtracted the threshold afterwards, so that every weak match ends below 0. "
            "Subtract first: what does not exceed the threshold should end at exactly 0.",
            lambda x, templates, threshold: (s_layer(x, templates, 0.0) - threshold).astype(x.dtype),
        ),
        Bug(
            "threshold added",
            "A higher threshold makes your cells fire more. It is what a match must exceed: subtract it.",
            lambda x, templates, threshold: s_layer(x, templates, -threshold),
        ),
        Bug(
            "threshold ignored",
            "The threshold has no effect. Subtract it from every match before you rectify.",
            lambda x, templates, threshold: s_layer(x, templates, 0.0),
        ),
        Bug(
            "not rectified",
            "Some of your cells fire at a negative rate: what is below 0 after the threshold is subtracted becomes 0.",
            lambda x, templates, threshold: (matches(x, templates) - threshold).astype(x.dtype),
        ),
        Bug(
            "whole match above the threshold",
            "Where a match passes the threshold you keep all of it. What counts is by how much it passes: the "
            "threshold is subtracted from every match.",
            lambda x, templates, threshold: matches(x, templates) * (matches(x, templates) > threshold),
        ),
        Bug(
            "fires or not",
            "You kept only whether the match passes, as a perceptron does. An S-cell says by how much.",
            lambda x, templates, threshold: (matches(x, templates) > threshold).astype(x.dtype),
            (lambda x, templates, threshold: (matches(x, templates) >= threshold).astype(x.dtype),),
        ),
        Bug(
            "templates flipped",
            "Your templates are turned by 180 degrees. A cell multiplies each pixel with the weight at the same place: "
            "templates[f, 0, 0] meets the upper left pixel of the window.",
            lambda x, templates, threshold: s_layer(x, templates[:, ::-1, ::-1], threshold),
        ),
        Bug(
            "templates transposed",
            "Rows and columns of your templates are swapped: templates[f, k, l] belongs to row k and column l of the "
            "window.",
            lambda x, templates, threshold: s_layer(x, templates.swapaxes(1, 2), threshold),
        ),
        Bug(
            "maps last",
            "Your maps stand along the last axis. The result is (F, OH, OW): one whole map after the other.",
            lambda x, templates, threshold: np.moveaxis(s_layer(x, templates, threshold), 0, -1),
        ),
        single_precision(s_layer),
    )


def c_layer(s, size):
    return ck.oracle.c_layer(s, size)


@UNIT.exercise("c_layer(s, size)", points={"basics": 2, "tail": 1})
class CLayer:
    def cases(rng):
        def some(group, shape, size, dtype="float64", whole=False, **how):
            return Case(group, (draw(rng, shape, dtype, whole), size), **how)

        yield some("basics", (3, 4, 6), 2)
        yield some("basics", (3, 4, 6), 2)  # the same shape with other values
        yield some("basics", (2, 6, 9), 3, "float32")
        yield some("basics", (4, 4, 4), 2)
        yield some("basics", (2, 2, 2), 2, "float32")
        yield some("basics", (1, 8, 4), 4)
        yield some("basics", (3, 3, 3), 3)
        yield some("basics", (5, 4, 3), 1)
        yield some("basics", (1, 1, 1), 1)
        yield some("basics", (3, 6, 4), 2, layout="channels last")
        yield some("basics", (2, 4, 6), 2, layout="transposed", readonly=True)
        yield some("basics", (4, 6, 2), 2, "float32", layout="slice")
        yield some("basics", (2, 4, 8), 2, whole=True, readonly=True)
        yield Case("basics", (-np.abs(draw(rng, (2, 4, 6))), 2))
        yield some("tail", (3, 5, 7), 2)
        yield some("tail", (3, 5, 7), 2)
        yield some("tail", (2, 4, 5), 2)  # on one axis only
        yield some("tail", (2, 5, 4), 2, "float32")
        yield some("tail", (4, 8, 11), 3, layout="channels last")
        yield some("tail", (1, 7, 7), 3, "float32", readonly=True)
        yield some("tail", (3, 11, 8), 4, layout="transposed")
        yield some("tail", (2, 4, 6), 2)

    oracle = c_layer

    def window(case, part, index):
        (f, i, j), (s, size) = index, case.args
        return [(f"block ({i}, {j}) of s[{f}]", s[f, i * size : (i + 1) * size, j * size : (j + 1) * size])]

    def from_the_end(s, size):
        top, left = s.shape[1] % size, s.shape[2] % size
        return c_layer(s[:, top:, left:], size)

    def tail_kept(s, size, fill=-np.inf):
        rows, columns = -s.shape[1] % size, -s.shape[2] % size
        return c_layer(np.pad(s, ((0, 0), (0, rows), (0, columns)), constant_values=fill), size)

    bugs = (
        Bug(
            "mean",
            "You took the mean of each block. A C-cell fires as soon as one of its S-cells does: take the maximum.",
            lambda s, size: ck.oracle.avg_pool(s[None], size)[0],
        ),
        Bug(
            "overlapping",
            "Your blocks overlap: they move by one place at a time. Each begins where the one before it ends, size "
            "further on.",
            lambda s, size: ck.oracle.max_pool(s[None], size, 1)[0],
        ),
        Bug(
            "maximum over maps",
            "You took the maximum over the maps, too, so nobody can tell any more which template it was. Each map "
            "keeps its own C-cells.",
            lambda s, size: c_layer(s, size).max(axis=0),
            (
                lambda s, size: c_layer(s, size).max(axis=0, keepdims=True),
                lambda s, size: np.broadcast_to(c_layer(s, size).max(axis=0), c_layer(s, size).shape),
            ),
        ),
        Bug(
            "starts at 0",
            "A block of negative values comes out as 0: your maximum starts at 0. Start from a value of the block "
            "itself, or from minus infinity.",
            lambda s, size: c_layer(s, size).clip(0),
        ),
        Bug(
            "tail kept",
            "You made blocks of what is left over at the right or the lower edge. Only whole blocks count; the rest is "
            "dropped.",
            tail_kept,
            (lambda s, size, tail_kept=tail_kept: tail_kept(s, size, fill=0),),
        ),
        Bug(
            "tail dropped at the wrong end",
            "You dropped the first rows or columns. Blocks start at the upper left; what is left over lies at the "
            "right and at the bottom.",
            from_the_end,
        ),
        single_precision(c_layer),
    )
