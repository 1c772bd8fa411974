"""Unit 03: output sizes, parameters, padding, convolution by loops and by one matrix product."""

import numpy as np

import cnnkit as ck
from cnnkit import shapes
from cnnkit.cases import Case
from cnnkit.comparing import Tolerance
from cnnkit.exercises.drawing import Geometry, basics, draw, geometries, misfits
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("03-conv-forward")

LARGE = {"n": 32, "c": 32, "f": 32, "h": 40, "w": 48, "kh": 3, "kw": 3, "dtype": "float32"}
"""The one big call of an exercise that is about speed."""


def side_cases(rng, raising):
    """Arguments ``(n, k), {stride, pad, dilation}`` of the functions about one side of an image."""

    def some(group, k, out, stride=1, pad=0, dilation=1, rest=0):
        n = (out - 1) * stride + dilation * (k - 1) + 1 - 2 * pad + rest
        given = {"stride": (stride, 1), "pad": (pad, 0), "dilation": (dilation, 1)}
        return Case(group, (n, k), {name: v for name, (v, default) in given.items() if v != default})

    out = lambda: int(rng.integers(4, 12))
    for k in (1, 2, 3, 5, int(rng.integers(6, 10))):
        yield some("basics", k, out())
    for n, k in ((5, 5), (1, 1), (7, 3), (32, 5), (300, 4)):
        yield Case("basics", (n, k))
    yield Case("stride", (227, 11), {"stride": 4})  # AlexNet's first layer
    yield Case("padding", (224, 7), {"stride": 2, "pad": 3})  # ResNet's
    yield Case("padding", (1, 3), {"pad": 1})
    yield Case("stride", (7, 3), {"stride": 3})  # decks b and c: "2.33", it does not fit; deck a: 2
    for k, stride, rest in [(3, 2, 0), (3, 2, 1), (2, 3, 0), (5, 3, 1), (4, 3, 2), (3, 4, 0), (3, 4, 3), (1, 5, 0)]:
        yield some("stride", k, out(), stride, rest=rest)
    for k, stride, pad, rest in [(3, 1, 1, 0), (5, 1, 2, 0), (2, 1, 3, 0), (3, 2, 1, 1), (3, 2, 1, 0), (7, 4, 3, 3)]:
        yield some("padding", k, out() + 3, stride, pad, rest=rest)
    yield Case("padding", (3, 5), {"pad": 1})  # fits only thanks to the padding
    yield Case("padding", (4, 6), {"stride": 2, "pad": 1})
    for k, stride, pad, dilation, rest in [
        (3, 1, 0, 2, 0),
        (2, 1, 0, 5, 0),
        (3, 2, 2, 3, 1),
        (3, 3, 1, 2, 0),
        (1, 2, 0, 4, 1),
    ]:
        yield some("dilation", k, out() + 2, stride, pad, dilation, rest)
    k = int(rng.integers(3, 7))
    group = "impossible" if raising else "basics"
    for args, moves in [
        ((k - 1, k), {}),
        ((2, k + 2), {"pad": 1, "stride": 2}),
        ((2 * k - 2, k), {"dilation": 2}),
        ((k, 2 * k + 3), {"stride": 3, "pad": 1}),
    ]:
        yield Case(group, args, moves, raises=raising)
    if not raising:
        return
    for bad in ({"stride": 0}, {"stride": -1}, {"pad": -1}, {"dilation": 0}, {"dilation": -1}):
        yield Case(group, (9, 3), bad, raises=True)
    for sides in ((9, 0), (9, -2), (-4, 3), (0, 3)):
        yield Case(group, sides, raises=True)
    yield Case(group, (k, k))  # fits with nothing to spare
    yield Case(group, (2 * k - 1, k), {"dilation": 2})


def _rest(n, k, pad, dilation):
    return n + 2 * pad - dilation * (k - 1) - 1


ANOTHER_REACH = (
    "another reach of the dilated kernel",
    "Between k taps there are k - 1 gaps, and each tap stands dilation pixels from the one before: the kernel spans "
    "dilation (k - 1) + 1 pixels, neither dilation k nor k + dilation - 1.",
)
"""Name and hint of a bug of both functions about a side."""


def _ways(answers):
    """The first answer and the others, as a Bug takes them."""
    return answers[0], tuple(answers[1:])


@UNIT.exercise(
    "conv_output_size(n, k, stride=1, pad=0, dilation=1)",
    points={"basics": 1, "stride": 1, "padding": 1, "dilation": 1, "impossible": 1},
)
class ConvOutputSize:
    def cases(rng):
        return side_cases(rng, raising=True)

    oracle = shapes.conv_output_size

    def without_guard(formula):
        """A bug's formula as it stands, and with the errors raised that the right answer raises."""

        def guarded(n, k, stride=1, pad=0, dilation=1):
            shapes.conv_output_size(n, k, stride, pad, dilation)
            return formula(n, k, stride, pad, dilation)

        def bare(n, k, stride=1, pad=0, dilation=1):
            return formula(n, k, stride, pad, dilation)

        return guarded, bare

    no_plus_one = without_guard(lambda n, k, s, p, d: _rest(n, k, p, d) // s)
    pad_once = without_guard(lambda n, k, s, p, d: (_rest(n, k, p, d) - p) // s + 1)
    pad_ignored = without_guard(lambda n, k, s, p, d: _rest(n, k, 0, d) // s + 1)
    rounded_up = without_guard(lambda n, k, s, p, d: -(-_rest(n, k, p, d) // s) + 1)
    rounded = without_guard(lambda n, k, s, p, d: round(_rest(n, k, p, d) / s) + 1)
    not_rounded = without_guard(lambda n, k, s, p, d: _rest(n, k, p, d) / s + 1)
    no_dilation = without_guard(lambda n, k, s, p, d: _rest(n, k, p, 1) // s + 1)
    other_reach = without_guard(lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1)
    other_reach += without_guard(lambda n, k, s, p, d: (n + 2 * p - (k + d - 1)) // s + 1)

    stride_ignored = without_guard(lambda n, k, s, p, d: _rest(n, k, p, d) + 1)
    padded_afterwards = without_guard(lambda n, k, s, p, d: _rest(n, k, 0, d) // s + 1 + 2 * p)
    one_too_long = without_guard(lambda n, k, s, p, d: (_rest(n, k, p, d) + 1) // s + 1)

    def never_raises(n, k, stride=1, pad=0, dilation=1):
        return _rest(n, k, pad, dilation) // stride + 1

    bugs = (
        Bug(
            "no +1",
            "You counted the steps between windows, not the windows. A window that cannot move at all (n = k) still "
            "gives one output.",
            *_ways(no_plus_one),
        ),
        Bug(
            "pad counted once",
            "The padding stands on both ends of the side: the padded length is n + 2 pad.",
            *_ways(pad_once),
        ),
        Bug("padding ignored", "The pad argument has no effect: add it at both ends of the side.", *_ways(pad_ignored)),
        Bug(
            "stride ignored",
            "The stride makes no difference. The first window stands at 0, the next at stride: what is left beside the "
            "kernel, divided by the stride, says how often it can move.",
            *_ways(stride_ignored),
        ),
        Bug(
            "padding added to the output",
            "You added the padding to the number of windows. It makes the input longer, n + 2 pad, before the kernel "
            "is taken off and the rest is divided by the stride.",
            *_ways(padded_afterwards),
        ),
        Bug(
            "kernel one too short",
            "The kernel covers dilation (k - 1) + 1 pixels: its first one counts, too. You took off one pixel too few.",
            *_ways(one_too_long),
        ),
        Bug(
            "rounded up or to the nearest",
            "A window that would hang over the edge is not computed: the division rounds down. 7 wide, kernel 3, "
            "stride 3 gives 2.",
            *_ways(rounded_up + rounded),
        ),
        Bug(
            "not rounded",
            "Your result is a fraction or a float. There is no third of a window: use //, which rounds down and stays "
            "an int.",
            *_ways(not_rounded),
        ),
        Bug(
            "dilation ignored",
            "A dilated kernel reaches further: k taps with dilation between them span dilation (k - 1) + 1 pixels.",
            *_ways(no_dilation),
        ),
        Bug(
            *ANOTHER_REACH,
            *_ways(other_reach),
        ),
        Bug(
            "no error where nothing fits",
            "You return a number where no window fits or an argument makes no sense. Compare the reach of the kernel "
            "with the padded length first, and raise a ValueError that names the numbers.",
            never_raises,
        ),
    )


@UNIT.exercise(
    "conv_fits(n, k, stride=1, pad=0, dilation=1)", points={"basics": 1, "stride": 1, "padding": 1, "dilation": 1}
)
class ConvFits:
    def cases(rng):
        yield from side_cases(rng, raising=False)
        yield Case("dilation", (9, 3), {"stride": 2, "dilation": 2})
        yield Case("dilation", (10, 3), {"stride": 2, "dilation": 2})
        yield Case("dilation", (11, 2), {"stride": 3, "dilation": 3})

    oracle = shapes.conv_fits
    bugs = (
        Bug(
            "off by one",
            "You tested the number of windows, not the way that the window travels. Its start moves from 0 to "
            "n + 2 pad - reach: that distance must be a multiple of the stride.",
            lambda n, k, stride=1, pad=0, dilation=1: (_rest(n, k, pad, dilation) + 1) % stride == 0,
            (
                lambda n, k, stride=1, pad=0, dilation=1: (
                    _rest(n, k, pad, dilation) >= 0 and (_rest(n, k, pad, dilation) + 1) % stride == 0
                ),
                lambda n, k, stride=1, pad=0, dilation=1: (
                    _rest(n, k, pad, dilation) >= 0 and (_rest(n, k, pad, dilation) - 1) % stride == 0
                ),
            ),
        ),
        Bug(
            "pad counted once",
            "The padding stands on both ends of the side: the padded length is n + 2 pad.",
            lambda n, k, stride=1, pad=0, dilation=1: (
                _rest(n, k, pad, dilation) - pad >= 0 and (_rest(n, k, pad, dilation) - pad) % stride == 0
            ),
            (lambda n, k, stride=1, pad=0, dilation=1: (_rest(n, k, pad, dilation) - pad) % stride == 0,),
        ),
        Bug(
            "True where the kernel does not fit at all",
            "A kernel that reaches further than the padded image has no window, so its windows cover nothing: answer "
            "False. (Python's remainder of a negative number can be 0.)",
            lambda n, k, stride=1, pad=0, dilation=1: _rest(n, k, pad, dilation) % stride == 0,
        ),
        Bug(
            "dilation ignored",
            "A dilated kernel reaches further: k taps with dilation between them span dilation (k - 1) + 1 pixels.",
            lambda n, k, stride=1, pad=0, dilation=1: shapes.conv_fits(n, k, stride, pad),
        ),
        Bug(
            *ANOTHER_REACH,
            lambda n, k, stride=1, pad=0, dilation=1: shapes.conv_fits(n, dilation * k, stride, pad),
            (lambda n, k, stride=1, pad=0, dilation=1: shapes.conv_fits(n, k + dilation - 1, stride, pad),),
        ),
        Bug(
            "padding ignored",
            "The pad argument has no effect: add it at both ends of the side.",
            lambda n, k, stride=1, pad=0, dilation=1: shapes.conv_fits(n, k, stride, 0, dilation),
            (
                lambda n, k, stride=1, pad=0, dilation=1: (
                    _rest(n, k, pad, dilation) >= 0 and _rest(n, k, 0, dilation) % stride == 0
                ),
            ),
        ),
        Bug(
            "only one window asked for",
            "You asked whether there is room for a window. The last one must also end exactly where the padded side "
            "ends: nothing may be left over when what stands beside the kernel is divided by the stride.",
            lambda n, k, stride=1, pad=0, dilation=1: _rest(n, k, pad, dilation) >= 0,
            (lambda n, k, stride=1, pad=0, dilation=1: True,),
        ),
        Bug(
            "exact fit refused",
            "A kernel that reaches exactly as far as the padded side has one window, and it covers everything: True.",
            lambda n, k, stride=1, pad=0, dilation=1: (
                shapes.conv_fits(n, k, stride, pad, dilation) and _rest(n, k, pad, dilation) > 0
            ),
        ),
        Bug(
            "kernel not taken off",
            "You divided the whole padded side by the stride. The window's start does not travel that far: its own "
            "reach comes off first.",
            lambda n, k, stride=1, pad=0, dilation=1: _rest(n, k, pad, dilation) >= 0 and (n + 2 * pad) % stride == 0,
            (lambda n, k, stride=1, pad=0, dilation=1: (n + 2 * pad) % stride == 0,),
        ),
        Bug(
            "answer turned round",
            "You say True where something is left over, and False where it fits.",
            lambda n, k, stride=1, pad=0, dilation=1: not shapes.conv_fits(n, k, stride, pad, dilation),
            (
                lambda n, k, stride=1, pad=0, dilation=1: (
                    _rest(n, k, pad, dilation) >= 0 and _rest(n, k, pad, dilation) % stride != 0
                ),
            ),
        ),
        Bug(
            "gaps counted",
            "You asked whether every pixel is seen. Only the end counts here: where the stride is larger than the "
            "kernel, the windows may leave gaps between them and still fit.",
            lambda n, k, stride=1, pad=0, dilation=1: (
                shapes.conv_fits(n, k, stride, pad, dilation) and stride <= dilation * (k - 1) + 1
            ),
            (
                lambda n, k, stride=1, pad=0, dilation=1: shapes.conv_fits(n, k, stride, pad, dilation) and stride <= k,
                lambda n, k, stride=1, pad=0, dilation=1: (
                    n + 2 * pad > dilation * (k - 1)
                    and len(
                        {
                            start + dilation * tap
                            for start in range(0, n + 2 * pad - dilation * (k - 1), stride)
                            for tap in range(k)
                        }
                    )
                    == n + 2 * pad
                ),
            ),
        ),
    )


@UNIT.exercise(
    "conv_params(c_in, c_out, k, bias=True, groups=1)", points={"weights and biases": 1, "no bias": 1, "groups": 1}
)
class ConvParams:
    def cases(rng):
        some = lambda: tuple(int(i) for i in rng.integers(2, 40, 2))
        yield Case("weights and biases", (3, 10, 5))  # decks b and c: 76 * 10 = 760
        yield Case("weights and biases", (64, 32, 1))
        yield Case("weights and biases", (1, 1, 1))
        for k in (1, 2, 3, 7, int(rng.integers(8, 12))):
            yield Case("weights and biases", (*some(), k))
        for k in (1, 3, 5):
            yield Case("no bias", (*some(), k), {"bias": False})
        yield Case("no bias", (1, 6, 4), {"bias": False})
        yield Case("no bias", (4, 6, 3), {"bias": False, "groups": 2})
        for groups in (2, 3, 4):
            c_in, c_out = some()
            yield Case("groups", (groups * c_in, groups * c_out, 3), {"groups": groups})
            yield Case("groups", (groups * c_in, groups * c_out, 5), {"groups": groups, "bias": False})
        channels = int(rng.integers(5, 30))
        yield Case("groups", (channels, channels, 3), {"groups": channels})  # one filter per channel
        yield Case("groups", (channels, 2 * channels, 3), {"groups": channels})
        yield Case("groups", (8, 4, 1), {"groups": 2})
        yield Case("groups", (6, 9, 2), {"groups": 3})

    oracle = shapes.conv_params

    def groups_twice(c_in, c_out, k, bias=True, groups=1):
        weights = shapes.conv_params(c_in, c_out, k, False, groups)
        return weights // groups + c_out * bool(bias)

    bugs = (
        Bug(
            "kernel counted along one side",
            "A kernel is k high and k wide: it has k k weights for each channel that it sees.",
            lambda c_in, c_out, k, bias=True, groups=1: c_out * (c_in // groups * k + bool(bias)),
        ),
        Bug(
            "input channels forgotten",
            "Your filters are flat. Each looks at all the channels of its input (or of its group), with k k weights "
            "for every one.",
            lambda c_in, c_out, k, bias=True, groups=1: c_out * (k * k + bool(bias)),
        ),
        Bug(
            "groups counted twice",
            "You divided by the number of groups twice. Each filter sees c_in / groups channels, and there are still "
            "c_out filters: a group has fewer of them, but all groups together have them all.",
            groups_twice,
        ),
        Bug(
            "biases divided by the groups",
            "You divided the biases, too. However many groups there are, each of the c_out filters has a bias.",
            lambda c_in, c_out, k, bias=True, groups=1: shapes.conv_params(c_in, c_out, k, bias) // groups,
        ),
        Bug(
            "a float",
            "Your number is right, and a float: / always gives one. A count is an int; // stays one.",
            lambda c_in, c_out, k, bias=True, groups=1: float(shapes.conv_params(c_in, c_out, k, bias, groups)),
        ),
        Bug(
            "biases forgotten",
            "You counted the weights alone. Each filter has one bias of its own: ten 5x5 filters over 3 channels hold "
            "10 (75 + 1) parameters.",
            lambda c_in, c_out, k, bias=True, groups=1: shapes.conv_params(c_in, c_out, k, False, groups),
        ),
        Bug(
            "one bias in all",
            "You added a single bias for the whole layer. Each of the c_out filters has one of its own.",
            lambda c_in, c_out, k, bias=True, groups=1: shapes.conv_params(c_in, c_out, k, False, groups) + bool(bias),
        ),
        Bug(
            "bias always counted",
            "With bias=False there are no biases to count.",
            lambda c_in, c_out, k, bias=True, groups=1: shapes.conv_params(c_in, c_out, k, True, groups),
        ),
        Bug(
            "groups ignored",
            "In a grouped layer a filter sees only the c_in / groups channels of its own group.",
            lambda c_in, c_out, k, bias=True, groups=1: shapes.conv_params(c_in, c_out, k, bias),
        ),
    )


def _padded(x, widths, **how):
    return np.pad(x, widths, **how)


@UNIT.exercise("zero_pad(x, p)", points={"basics": 2})
class ZeroPad:
    def cases(rng):
        for i, g in enumerate(basics(rng)):
            yield g.case((g.x(rng), (1, 1, 2, 0, 3, 5)[i % 6]), {})

    def oracle(x, p):
        return ck.oracle.zero_pad(x, p)

    single = Tolerance(relative=0, absolute=0, floor=0)

    bugs = (
        Bug(
            "pads N and C",
            "Your zeros went around the images and the channels, too. Only height and width, the last two axes, grow.",
            lambda x, p: _padded(x, p),
        ),
        Bug(
            "channels padded",
            "You padded the channels and left the columns alone. Channels are the second axis here: height and width "
            "are the last two.",
            lambda x, p: _padded(x, ((0, 0), (p, p), (p, p), (0, 0))),
        ),
        Bug(
            "along one axis only",
            "Your border stands above and below, or left and right. It goes all the way round.",
            lambda x, p: _padded(x, ((0, 0), (0, 0), (p, p), (0, 0))),
            (lambda x, p: _padded(x, ((0, 0), (0, 0), (0, 0), (p, p))),),
        ),
        Bug(
            "one side only",
            "The border is missing on a side. It stands above and below, left and right: each of height and width "
            "grows by 2 p.",
            lambda x, p: _padded(x, ((0, 0), (0, 0), (0, p), (0, p))),
            (
                lambda x, p: _padded(x, ((0, 0), (0, 0), (p, 0), (p, 0))),
                lambda x, p: _padded(x, ((0, 0), (0, 0), (0, 2 * p), (0, 2 * p))),
                lambda x, p: _padded(x, ((0, 0), (0, 0), (2 * p, 0), (2 * p, 0))),
            ),
        ),
        Bug(
            "edge values",
            "Your border repeats the pixels of the edge. Zero padding puts zeros there.",
            lambda x, p: _padded(x, ((0, 0), (0, 0), (p, p), (p, p)), mode="edge"),
        ),
    )


def conv_window(case, part, index):
    """The window, filter and bias that a wrong output was computed from; of many channels the first two."""
    x, w, b = case.args
    moves = {"stride": 1, "pad": 0, "dilation": 1} | case.kwargs
    n, f, i, j = index
    stride, dilation = moves["stride"], moves["dilation"]
    padded = _padded(x, ((0, 0), (0, 0), *[(moves["pad"],) * 2] * 2))
    rows = slice(i * stride, i * stride + dilation * (w.shape[2] - 1) + 1, dilation)
    cols = slice(j * stride, j * stride + dilation * (w.shape[3] - 1) + 1, dilation)
    shown = []
    for c in range(min(2, x.shape[1])):
        shown += [(f"window of x[{n}, {c}]", padded[n, c, rows, cols]), (f"w[{f}, {c}]", w[f, c])]
    return [*shown, (f"b[{f}]", b[f : f + 1, None])]


def _stride_on(axis, keep_shape):
    def answer(x, w, b, stride=1, pad=0, dilation=1):
        steps = stride if axis == "rows" else 1, stride if axis == "columns" else 1
        out = ck.oracle.conv2d(x, w, b, steps, pad, dilation)
        oh, ow = ck.oracle.output_size(x.shape, w.shape[2:], stride, pad, dilation)
        return out[:, :, :oh, :ow] if keep_shape else out

    return answer


def _square_output(side):
    def answer(x, w, b, stride=1, pad=0, dilation=1):
        out = ck.oracle.conv2d(x, w, b, stride, pad, dilation)
        rows, cols = out.shape[2:]
        if side == "height":
            cols = shapes.conv_output_size(x.shape[2], w.shape[3], stride, pad, dilation)
        else:
            rows = shapes.conv_output_size(x.shape[3], w.shape[2], stride, pad, dilation)
        if rows > out.shape[2] or cols > out.shape[3]:
            raise IndexError("a window outside the image")
        return out[:, :, :rows, :cols]

    return answer


def _same_size_without_dilation(x, w, b, stride=1, pad=0, dilation=1):
    oh, ow = ck.oracle.output_size(x.shape, w.shape[2:], stride, pad, dilation)
    return ck.oracle.conv2d(x, w, b, stride, pad)[:, :, :oh, :ow]


def _edge_padded(x, w, b, stride=1, pad=0, dilation=1):
    return ck.oracle.conv2d(
        _padded(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge"), w, b, stride, 0, dilation
    )


def _empty_where_nothing_fits(x, w, b, stride=1, pad=0, dilation=1):
    """As np.zeros makes it for a size that was computed to be zero."""
    oh, ow = (_rest(n, k, pad, dilation) // stride + 1 for n, k in zip(x.shape[2:], w.shape[2:], strict=True))
    if min(oh, ow) < 1:
        return np.zeros((len(x), len(w), oh, ow), x.dtype)
    return ck.oracle.conv2d(x, w, b, stride, pad, dilation)


def _last_blank(out):
    """``out`` with zeros in its last rows and columns."""
    return out * np.logical_and.outer(*(np.arange(side) < side - 1 for side in out.shape[2:]))


def _zeros_on(before, after):
    """Padding by ``before`` and ``after`` widths per pad, above and below, left and right."""

    def answer(x, w, b, stride=1, pad=0, dilation=1):
        widths = (before * pad, after * pad)
        return ck.oracle.conv2d(_padded(x, ((0, 0), (0, 0), widths, widths)), w, b, stride, 0, dilation)

    return answer


NO_FIT_HINT = (
    "You return an empty array where not even one window fits. Whoever called wants to know: compare the kernel's "
    "reach with the padded size first, and raise a ValueError that names both."
)
NAIVE_BUGS = (
    Bug(
        "kernel flipped",
        "Your kernel is turned by 180 degrees. That is the convolution of the textbooks; the layer of this course, and "
        "of every deep-learning library, correlates: w[0, 0] meets the top left pixel of the window.",
        lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w[:, :, ::-1, ::-1], b, *a, **k),
    ),
    Bug(
        "kernel transposed",
        "Rows and columns of your kernel are swapped: w[f, c, i, j] belongs to row i and column j of the window.",
        lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w.swapaxes(2, 3), b, *a, **k),
    ),
    Bug(
        "no bias",
        "The sums are right, the biases are missing: add b[f] to every output of filter f.",
        lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, None, *a, **k),
    ),
    Bug(
        "bias once per channel",
        "The bias is in there several times, once for each input channel. It is added once, after the sum over "
        "channels.",
        lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, b * x.shape[1], *a, **k),
    ),
    Bug(
        "bias added again and again",
        "The bias is in there several times: inside a loop it comes in anew on every round. It is added once, when the "
        "sum over channels and kernel positions is complete.",
        lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, b * 2, *a, **k),
        (
            lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, b * (w.shape[2] * w.shape[3]), *a, **k),
            lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, b * w[0].size, *a, **k),
        ),
    ),
    Bug(
        "last channel only",
        "Your output holds one channel's sum: an assignment in the loop over channels overwrites what came before, or "
        "an index stays at 0. Channels are added up.",
        lambda x, w, b, *a, **k: ck.oracle.conv2d(x[:, -1:], w[:, -1:], b, *a, **k),
        (lambda x, w, b, *a, **k: ck.oracle.conv2d(x[:, :1], w[:, :1], b, *a, **k),),
    ),
    Bug(
        "a row and a column short",
        "Your output lacks its last row and column. A window has one place more than it has steps: "
        "(H + 2 pad - KH) // stride + 1 of them along the height.",
        lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, b, *a, **k)[:, :, :-1, :-1],
        (lambda x, w, b, *a, **k: _last_blank(ck.oracle.conv2d(x, w, b, *a, **k)),),
    ),
    Bug(
        "stride ignored",
        "Your windows step by one pixel, whatever the stride is. Output (i, j) belongs to the window that starts at "
        "row i stride and column j stride.",
        _stride_on("neither", keep_shape=True),
        (_stride_on("neither", False),),
    ),
    Bug(
        "stride on one axis",
        "Your window takes the stride along one axis and steps by 1 along the other. Row i starts at i stride and "
        "column j at j stride.",
        _stride_on("rows", keep_shape=True),
        (_stride_on("columns", True), _stride_on("rows", False), _stride_on("columns", False)),
    ),
    Bug(
        "height taken for width",
        "Your output is as wide as it is high. Height and width have sizes of their own: compute OH from H and KH, OW "
        "from W and KW.",
        _square_output("height"),
        (_square_output("width"),),
    ),
    Bug(
        "integer output",
        "Your output array holds integers, so every value loses its fraction. Give np.zeros the dtype of x.",
        lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, b, *a, **k).astype(np.int64),
        (lambda x, w, b, *a, **k: np.trunc(ck.oracle.conv2d(x, w, b, *a, **k)),),  # converted back at the end
    ),
    Bug(
        "pads with edge values",
        "Your border repeats the pixels of the edge. Zero padding puts zeros there.",
        _edge_padded,
    ),
    Bug(
        "pads one side only",
        "The border of zeros is missing on a side. It stands above and below, left and right of each image.",
        _zeros_on(0, 1),
        (_zeros_on(1, 0), _zeros_on(0, 2), _zeros_on(2, 0)),
    ),
    Bug("no error where nothing fits", NO_FIT_HINT, _empty_where_nothing_fits),
    Bug(
        "padding forgotten",
        "The pad argument has no effect: the window never leaves the image.",
        lambda x, w, b, stride=1, pad=0, dilation=1: ck.oracle.conv2d(x, w, b, stride, 0, dilation),
    ),
)


def conv_cases(rng, dilation):
    names = ("stride", "pad", "dilation") if dilation else ("stride", "pad")
    for g in (*geometries(rng, dilation), *misfits(rng)):
        yield g.case((g.x(rng), *g.filters(rng)), g.moves(*names))


@UNIT.exercise(
    "conv_forward_naive(x, w, b, stride=1, pad=0, dilation=1)",
    points={"basics": 3, "stride": 2, "padding": 2, "dilation": 1, "fit": 1},
)
class ConvForwardNaive:
    def cases(rng):
        return conv_cases(rng, dilation=True)

    def oracle(x, w, b, stride=1, pad=0, dilation=1):
        return ck.oracle.conv2d(x, w, b, stride, pad, dilation)

    window = conv_window
    bugs = (
        *NAIVE_BUGS,
        Bug(
            "dilation ignored",
            "The dilation argument has no effect: the taps of your kernel touch. Tap i stands dilation i pixels from "
            "the first.",
            lambda x, w, b, stride=1, pad=0, dilation=1: ck.oracle.conv2d(x, w, b, stride, pad),
            (_same_size_without_dilation,),
        ),
    )


def _reordered(x, kh, kw, stride, pad, order, swap=False):
    """im2col with its six axes (C, kh, kw, N, OH, OW) in another order."""
    cols = ck.oracle.im2col(x, kh, kw, stride, pad)
    oh, ow = ck.oracle.output_size(x.shape, (kh, kw), stride, pad)
    six = cols.reshape(x.shape[1], kh, kw, x.shape[0], oh, ow)
    return six.transpose(order).reshape(cols.shape)


def _empty_columns(x, kh, kw, stride=1, pad=0):
    oh, ow = (_rest(n, k, pad, 1) // stride + 1 for n, k in zip(x.shape[2:], (kh, kw), strict=True))
    if min(oh, ow) < 1:
        return np.zeros((x.shape[1] * kh * kw, len(x) * oh * ow), x.dtype)
    return ck.oracle.im2col(x, kh, kw, stride, pad)


def _image_by_image(x, kh, kw, stride=1, pad=0):
    """(N, C kh kw, OH OW), as torch's unfold has it."""
    cols = ck.oracle.im2col(x, kh, kw, stride, pad)
    return cols.reshape(len(cols), len(x), -1).swapaxes(0, 1)


def _edge_columns(x, kh, kw, stride=1, pad=0):
    return ck.oracle.im2col(_padded(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge"), kh, kw, stride)


# Values are copied, never computed: what is off by more than rounding is wrong.
COPIED = Tolerance(relative=1e-6, absolute=1e-6, floor=1e-12)


def im2col_window(case, part, index):
    x, kh, kw = case.args[:3]
    stride, pad = case.kwargs.get("stride", 1), case.kwargs.get("pad", 0)
    oh, ow = ck.oracle.output_size(x.shape, (kh, kw), stride, pad)
    row, column = index
    c, n, i, j = row // (kh * kw), column // (oh * ow), column // ow % oh, column % ow
    padded = _padded(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    patch = padded[n, c, i * stride : i * stride + kh, j * stride : j * stride + kw]
    return [(f"column {column}: window ({i}, {j}) of x[{n}, {c}]", patch)]


@UNIT.exercise(
    "im2col(x, kh, kw, stride=1, pad=0)", points={"basics": 2, "stride": 1, "padding": 1, "fit": 1, "large": 2}
)
class Im2col:
    def cases(rng):
        for g in (*geometries(rng), *misfits(rng)):
            yield g.case((g.x(rng), g.kh, g.kw), g.moves("stride", "pad"))
        big = Geometry("large", **LARGE)
        yield Case("large", (big.x(rng), big.kh, big.kw), fast=True)

    def oracle(x, kh, kw, stride=1, pad=0):
        return ck.oracle.im2col(x, kh, kw, stride, pad)

    window = im2col_window
    single = COPIED
    bugs = (
        Bug(
            "columns with the image innermost",
            "Your columns run over the images first. All windows of image 0 come first, then those of image 1: the "
            "image is the outermost of the three column axes.",
            lambda x, kh, kw, stride=1, pad=0: _reordered(x, kh, kw, stride, pad, (0, 1, 2, 4, 5, 3)),
        ),
        Bug(
            "kernel before channel",
            "Your rows run over the kernel positions first. A column is the window of channel 0, then that of channel "
            "1: the channel is the outermost of the three row axes.",
            lambda x, kh, kw, stride=1, pad=0: _reordered(x, kh, kw, stride, pad, (1, 2, 0, 3, 4, 5)),
        ),
        Bug(
            "rows and columns swapped",
            "Rows and columns are swapped inside your matrix. In both its axes the row index comes before the column "
            "index.",
            lambda x, kh, kw, stride=1, pad=0: _reordered(x, kh, kw, stride, pad, (0, 2, 1, 3, 4, 5)),
            (
                lambda x, kh, kw, stride=1, pad=0: _reordered(x, kh, kw, stride, pad, (0, 1, 2, 3, 5, 4)),
                lambda x, kh, kw, stride=1, pad=0: _reordered(x, kh, kw, stride, pad, (0, 2, 1, 3, 5, 4)),
            ),
        ),
        Bug(
            "kh and kw swapped",
            "Your windows lie on their side: kh is the number of their rows, kw that of their columns.",
            lambda x, kh, kw, stride=1, pad=0: ck.oracle.im2col(x, kw, kh, stride, pad),
        ),
        Bug(
            "transposed",
            "Your matrix is the transpose: each window should be a column, so that w.reshape(F, -1) @ cols does the "
            "convolution.",
            lambda x, kh, kw, stride=1, pad=0: ck.oracle.im2col(x, kh, kw, stride, pad).T,
        ),
        Bug(
            "a matrix per image",
            "You have a stack of matrices, one for each image. Put them side by side, so that one product does the "
            "whole batch: (C kh kw, N OH OW).",
            _image_by_image,
        ),
        Bug(
            "pads with edge values",
            "Your border repeats the pixels of the edge. Zero padding puts zeros there.",
            _edge_columns,
        ),
        Bug("no error where nothing fits", NO_FIT_HINT, _empty_columns),
        Bug(
            "pad forgotten",
            "The pad argument has no effect: the window never leaves the image.",
            lambda x, kh, kw, stride=1, pad=0: ck.oracle.im2col(x, kh, kw, stride),
        ),
        Bug(
            "stride ignored",
            "The stride argument has no effect: your window moves by one pixel at a time.",
            lambda x, kh, kw, stride=1, pad=0: ck.oracle.im2col(x, kh, kw, 1, pad),
        ),
    )


@UNIT.exercise(
    "conv_forward(x, w, b, stride=1, pad=0)", points={"basics": 2, "stride": 1, "padding": 1, "fit": 1, "large": 2}
)
class ConvForward:
    def cases(rng):
        yield from conv_cases(rng, dilation=False)
        big = Geometry("large", **LARGE)
        yield Case("large", (big.x(rng), *big.filters(rng)), fast=True)

    def oracle(x, w, b, stride=1, pad=0):
        return ck.oracle.conv2d(x, w, b, stride, pad)

    window = conv_window
    bugs = (
        *NAIVE_BUGS,
        Bug(
            "filters torn apart",
            "A row of your matrix of filters holds entries of several filters. Filter f is row f of w.reshape(F, -1); "
            "a reshape to (-1, F) goes through w in the same order and cannot transpose it.",
            lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w.reshape(-1, len(w)).T.reshape(w.shape), b, *a, **k),
        ),
        Bug(
            "output not moved back to NCHW",
            "Your numbers are right and stand in the wrong places. The product is (F, N OH OW): split its columns into "
            "(N, OH, OW) first, then move the image axis to the front. A reshape alone cannot do that.",
            lambda x, w, b, *a, **k: _as_product(x, w, b, *a, **k).reshape(ck.oracle.conv2d(x, w, b, *a, **k).shape),
            (
                lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, b, *a, **k).swapaxes(0, 1),
                lambda x, w, b, *a, **k: ck.oracle.conv2d(x, w, b, *a, **k).transpose(0, 2, 3, 1),
                lambda x, w, b, *a, **k: _as_product(x, w, b, *a, **k),
            ),
        ),
    )


def _as_product(x, w, b, *moves, **named):
    """The outputs as the columns of the matrix product hold them: (F, N OH OW)."""
    out = ck.oracle.conv2d(x, w, b, *moves, **named)
    return out.swapaxes(0, 1).reshape(out.shape[1], -1)


@UNIT.exercise("conv_1x1(x, w, b)", points={"basics": 2})
class Conv1x1:
    def cases(rng):
        for g in basics(rng):
            yield g.case((g.x(rng), *_mixing(rng, g)), {})
        for dtype in ("float64", "float32"):  # as many filters as channels, but another height and width
            g = Geometry("basics", n=2, c=3, f=3, h=4, w=5, dtype=dtype)
            yield g.case((g.x(rng), *_mixing(rng, g)), {})

    def oracle(x, w, b):
        return ck.oracle.conv2d(x, w[:, :, None, None], b)

    def mixes_pixels(x, w, b):
        n, c, h, width = x.shape
        return ck.oracle.conv2d(np.moveaxis(x.reshape(n, h, width, c), -1, 1), w[:, :, None, None], b)

    def mixes_outputs(x, w, b):
        out = ck.oracle.conv2d(x, w[:, :, None, None], b)
        return np.moveaxis(out, 1, -1).reshape(out.shape)

    def mixes_images(x, w, b):
        n, c, h, width = x.shape
        return ck.oracle.conv2d(x.reshape(c, n, h, width).swapaxes(0, 1), w[:, :, None, None], b)

    def mixes_pixels_and_outputs(x, w, b):
        out = Conv1x1.mixes_pixels(x, w, b)
        return np.moveaxis(out, 1, -1).reshape(out.shape)

    def mixes_images_and_outputs(x, w, b):
        out = Conv1x1.mixes_images(x, w, b)
        return out.swapaxes(0, 1).reshape(out.shape)

    bugs = (
        Bug(
            "mixes pixels",
            "Values of different pixels get mixed. A reshape does not move the channel axis: bring it to the end (or "
            "multiply w with x reshaped to (N, C, H W)) before you flatten the pixels.",
            mixes_pixels,
            (mixes_outputs, mixes_images, mixes_pixels_and_outputs, mixes_images_and_outputs),
        ),
        Bug(
            "channels last",
            "Your numbers are right, and the channel axis stands at the end. Move it to second place: (N, F, H, W).",
            lambda x, w, b: np.moveaxis(ck.oracle.conv2d(x, w[:, :, None, None], b), 1, -1),
        ),
        Bug(
            "transposed w",
            "w[f, c] is the weight of channel c in output f; you used it the other way round.",
            lambda x, w, b: ck.oracle.conv2d(x, w.T[:, :, None, None], b),
        ),
        Bug(
            "no bias",
            "The sums are right, the biases are missing: add b[f] to every output of filter f.",
            lambda x, w, b: ck.oracle.conv2d(x, w[:, :, None, None]),
        ),
    )


def _mixing(rng, g):
    return draw(rng, (g.f, g.c), g.dtype, g.whole), draw(rng, (g.f,), g.dtype, g.whole)


@UNIT.exercise("receptive_field(layers)", points={"basics": 1, "stride": 1, "dilation": 1})
class ReceptiveField:
    def cases(rng):
        size = lambda low=2: int(rng.integers(low, 8))
        yield Case("basics", ([(3, 1), (3, 1), (3, 1)],))
        yield Case("basics", ([(size(), 1)],))
        yield Case("basics", ([(5, 1), (1, 1), (2, 1)],))
        yield Case("basics", ([(size(), 1) for _ in range(4)],))
        # AlexNet's convolutions and pools, the first two stages and all of them
        alexnet = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]
        yield Case("stride", (alexnet[:4],))
        yield Case("stride", (alexnet,))
        yield Case("stride", ([(2, 2), (2, 2), (3, 1)],))
        yield Case("stride", ([(3, 1), (2, 2), (3, 1), (2, 2)],))  # the first layer has no stride, as in VGG
        yield Case("stride", ([(1, 2), (3, 1)],))
        yield Case("stride", ([(size(), 3), (size(), 2), (size(), 1)],))
        yield Case("dilation", ([(3, 1, 2)],))
        yield Case("dilation", ([(3, 1, 1), (3, 1, 2), (3, 1, 4)],))
        yield Case("dilation", ([(5, 2), (3, 1, 3), (2, 2)],))
        yield Case("dilation", ([(size(), 2, 2), (size(), 1, 3), (size(3), 1)],))

    oracle = shapes.receptive_field

    def adds_k(layers):
        return sum(k for k, *_ in layers)

    def adds_k_times_jump(layers):
        return shapes.receptive_field([(k + 1, *rest) for k, *rest in layers])

    def adds_reach_from_0(layers):
        return shapes.receptive_field(layers) + shapes.receptive_field([(2, s) for _, s, *_ in layers]) - 2

    def stride_early(layers):
        """As if each layer's stride already held for its own kernel."""
        return shapes.receptive_field([(1, layers[0][1]), *((k, s, *d) for (k, _, *d), s in _shifted(layers))])

    bugs = (
        Bug(
            "adds k each time",
            "Each layer adds k - 1, not k: the windows of two neighbouring outputs overlap. Three 3x3 layers see 7 "
            "pixels, not 9.",
            adds_k,
            (
                adds_k_times_jump,
                lambda layers: 1 + sum(k for k, *_ in layers),
                adds_reach_from_0,
            ),
        ),
        Bug(
            "stride applied one layer early",
            "A layer's stride spreads the outputs that it makes, so it counts for the layers after it. Add (k - 1) "
            "times the jump so far, then multiply the jump by the stride.",
            stride_early,
        ),
        Bug(
            "from the wrong end",
            "(r - 1) stride + k takes you from the receptive field of what follows to that of what comes before: begin "
            "with the last layer. Going forward, add (k - 1) times the product of the strides so far.",
            lambda layers: shapes.receptive_field(layers[::-1]),
        ),
        Bug(
            "each layer its own stride alone",
            "You count a layer's kernel with that layer's stride. Its inputs lie as far apart as all strides before it "
            "make them, multiplied; its own stride concerns the layers after it.",
            lambda layers: 1 + sum(shapes.receptive_field([(1, s), (k, 1, *d)]) - 1 for k, s, *d in layers),
        ),
        Bug(
            "starts at 0",
            "You began with 0. Before the first layer a value sees itself: 1 pixel.",
            lambda layers: shapes.receptive_field(layers) - 1,
        ),
        Bug(
            "strides not multiplied",
            "You kept the last stride, or added the strides up. Behind two layers of stride 2, neighbours lie 4 pixels "
            "apart: the jump is the product of the strides so far.",
            lambda layers: _jumping(layers, lambda jump, stride: stride),
            (
                lambda layers: _jumping(layers, lambda jump, stride: jump + stride - 1),
                lambda layers: _jumping(layers, lambda jump, stride: jump + stride),
            ),
        ),
        Bug(
            "dilated kernel too long",
            "Between k taps there are k - 1 gaps, not k: the kernel spans dilation (k - 1) + 1 positions.",
            lambda layers: shapes.receptive_field([(k * (d[0] if d else 1), s) for k, s, *d in layers]),
        ),
        Bug(
            "dilation multiplied into the jump",
            "Dilation spreads the taps of its own layer. It does not move the outputs apart: the jump grows by the "
            "strides alone.",
            lambda layers: shapes.receptive_field([(k, s * (d[0] if d else 1), *d) for k, s, *d in layers]),
            (lambda layers: shapes.receptive_field([(k, s * (d[0] if d else 1)) for k, s, *d in layers]),),
        ),
        Bug(
            "stride ignored",
            "After a layer of stride 2, neighbouring values lie two pixels apart, so a later kernel reaches twice as "
            "far: keep the jump, the product of the strides so far.",
            lambda layers: shapes.receptive_field([(k, 1, *d) for k, _, *d in layers]),
        ),
        Bug(
            "dilation ignored",
            "A dilated kernel reaches further: k taps with dilation between them span dilation (k - 1) + 1 positions.",
            lambda layers: shapes.receptive_field([layer[:2] for layer in layers]),
        ),
    )


def _jumping(layers, after):
    """The receptive field where ``after(jump, stride)`` takes a layer's jump to the next one's."""
    field = jump = 1
    for k, stride, *dilation in layers:
        field += (k - 1) * (dilation or [1])[0] * jump
        jump = after(jump, stride)
    return field


def _shifted(layers):
    """Each layer with the stride of the one after it."""
    return zip(layers, [s for _, s, *_ in layers[1:]] + [1], strict=True)
