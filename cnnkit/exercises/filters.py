"""Unit 02: correlation and convolution, derivatives, sharpening, templates, matrices, Fourier, equivariance."""

from dataclasses import dataclass, replace

import numpy as np
import torch

import cnnkit as ck
from cnnkit.cases import Case
from cnnkit.comparing import Tolerance
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("02-filters")


@dataclass(frozen=True)
class Sizes:
    """One picture under one kernel: sizes, and how the numbers are drawn."""

    group: str
    h: int
    w: int
    kh: int
    kw: int
    dtype: str = "float64"
    whole: bool = False
    layout: str = "C"
    readonly: bool = False
    raises: bool = False

    def image(self, rng):
        return draw(rng, (self.h, self.w), self.dtype, self.whole)

    def kernel(self, rng):
        return draw(rng, (self.kh, self.kw), self.dtype, self.whole)

    def case(self, *args):
        return Case(self.group, args, {}, self.layout, self.readonly, raises=self.raises)


def sizes(rng, kernel=None, full=False):
    """The pictures that every filter's check goes through.

    Args:
        rng: numpy Generator.
        kernel: ``(KH, KW)`` of a filter that has a fixed size.
        full: whether the output is larger than the picture, so that every kernel fits.
    """

    def some(group, k, dtype="float64", **how):
        h, w = (int(n) for n in rng.permutation([7, 8, 9])[:2])
        return Sizes(group, h, w, *(kernel or k), dtype, **how)

    basic = some("basics", (2, 3))
    yield basic
    yield basic  # the same shapes with other values
    yield replace(basic, dtype="float32")
    yield some("basics", (3, 3))
    yield Sizes("basics", 6, 6, *(kernel or (3, 3)))
    yield Sizes("basics", 5, 5, *(kernel or (2, 2)), "float32")
    yield some("basics", (4, 3), "float32")
    yield some("basics", (3, 2), layout="transposed", readonly=True)
    yield some("basics", (3, 4), layout="slice")
    yield some("basics", (4, 2), "float32", layout="slice", readonly=True)
    yield some("basics", (3, 3), whole=True, readonly=True)
    yield some("basics", (1, 3), layout="transposed")
    yield some("basics", (5, 1), "float32")
    yield from edge_sizes(kernel, full)


def edge_sizes(kernel, full):
    kh, kw = kernel or (3, 4)
    yield Sizes("sizes", kh, kw, kh, kw)  # nothing to spare
    yield Sizes("sizes", kh, kw, kh, kw, "float32", readonly=True)
    yield Sizes("sizes", kh, kw + 3, kh, kw)
    yield Sizes("sizes", kh + 2, kw, kh, kw, "float32")
    if kernel is None:
        yield Sizes("sizes", 4, 6, 1, 1)
        yield Sizes("sizes", 1, 7, 1, 3, whole=True)
        yield Sizes("sizes", 7, 1, 2, 1)
        yield Sizes("sizes", 1, 1, 1, 1)
    for h, w in [(kh - 1, kw + 2), (kh + 3, kw - 1), (kh - 1, kw - 2), (kh - 2, kw + 4)]:
        yield Sizes("sizes", h, w, kh, kw, raises=not full)


def window(case, part, index):
    """The window of the picture that a wrong value was computed from, and the kernel where there is one."""
    i, j = index[-2:]
    kernels = [a for a in case.args[1:] if isinstance(a, np.ndarray)]
    kh, kw = kernels[0].shape if kernels else (3, 3)
    return [("window", case.args[0][i : i + kh, j : j + kw]), *(("kernel", kernel) for kernel in kernels)]


def _half(a):
    """A kernel turned by 180 degrees."""
    return a[::-1, ::-1]


def _framed(image, kernel, mode="constant"):
    """The image in a frame that lets the output keep its size."""
    sides = [((k - 1) // 2, k // 2) for k in kernel.shape]
    return np.pad(image, sides, mode=mode)


def _pad_less(f, mode="constant"):
    """A filter of fixed size 3 x 3 whose output keeps the picture's size."""
    return lambda image, *args: f(np.pad(image, 1, mode=mode), *args)


def _cut(out, rows, columns):
    """``out`` with its last rows and columns missing, as a loop leaves it that ends too early."""
    return out[: out.shape[0] - rows, : out.shape[1] - columns]


def _blank(out, rows, columns):
    """``out`` with zeros in its last rows and columns."""
    out = out.copy()
    out[out.shape[0] - rows :] = 0
    out[:, out.shape[1] - columns :] = 0
    return out


def _room(image, kernel=None):
    kh, kw = (3, 3) if kernel is None else kernel.shape
    return image.shape[0] - kh + 1, image.shape[1] - kw + 1


def _unfit(filter_, parts=0):
    """``filter_`` that answers with an empty picture where the window does not fit, and how it comes about."""

    def answer(image, *args, always=False):
        kernel = args[0] if args and isinstance(args[0], np.ndarray) else None
        room = _room(image, kernel)
        if min(room) >= 1 or (min(room) < 0 and not always):
            return filter_(image, *args)
        empty = np.zeros(tuple(max(0, side) for side in room), image.dtype)
        return (empty,) * parts if parts else empty

    return answer, lambda *args: answer(*args, always=True)


def not_refused(filter_, parts=0):
    """The bug of every filter that has a valid region."""
    answer, always = _unfit(filter_, parts)
    return Bug(
        "no error where the kernel does not fit",
        "Where the window is larger than the picture there is no output, and an empty array passes that on in silence. "
        "Compare the sizes first, and raise a ValueError that names them.",
        answer,
        (always,),
    )


KEPT_SIZE = "Your output covers places where the window reaches beyond the picture. "
TOO_SHORT = (
    "The last row and the last column are missing: a window of KH rows has H - KH + 1 places, not H - KH. "
    "It is the fence posts that are counted, not the gaps."
)


@UNIT.exercise("correlate2d(image, kernel)", points={"basics": 2, "sizes": 1})
class Correlate2d:
    def cases(rng):
        for s in sizes(rng):
            yield s.case(s.image(rng), s.kernel(rng))

    def oracle(image, kernel):
        return ck.oracle.correlate2d(image, kernel)

    window = window
    bugs = (
        Bug(
            "kernel flipped",
            "Your kernel is turned by 180 degrees: that is the convolution of the next exercise. Here kernel[0, 0] "
            "meets the upper left pixel of the window.",
            lambda image, kernel: ck.oracle.correlate2d(image, _half(kernel)),
        ),
        Bug(
            "kernel flipped on one axis",
            "Your kernel is mirrored along one of its axes. Correlation takes it as it is.",
            lambda image, kernel: ck.oracle.correlate2d(image, kernel[::-1]),
            (lambda image, kernel: ck.oracle.correlate2d(image, kernel[:, ::-1]),),
        ),
        Bug(
            "kernel transposed",
            "Rows and columns of your kernel are swapped: kernel[k, l] belongs to row k and column l of the window.",
            lambda image, kernel: ck.oracle.correlate2d(image, kernel.T),
            (lambda image, kernel: ck.oracle.correlate2d(image, kernel[::-1, ::-1].T),),
        ),
        Bug(
            "size kept by padding",
            KEPT_SIZE + "Only windows that lie inside count here: (H - KH + 1, W - KW + 1) of them.",
            lambda image, kernel: ck.oracle.correlate2d(_framed(image, kernel), kernel),
            (lambda image, kernel: ck.oracle.convolve2d(image, _half(kernel), full=True),),
        ),
        Bug(
            "a row and a column short",
            TOO_SHORT,
            lambda image, kernel: _cut(ck.oracle.correlate2d(image, kernel), 1, 1),
            (lambda image, kernel: _blank(ck.oracle.correlate2d(image, kernel), 1, 1),),
        ),
        not_refused(lambda image, kernel: ck.oracle.correlate2d(image, kernel)),
    )


@UNIT.exercise("convolve2d(image, kernel)", points={"basics": 2, "sizes": 1})
class Convolve2d:
    def cases(rng):
        for s in sizes(rng):
            yield s.case(s.image(rng), s.kernel(rng))

    def oracle(image, kernel):
        return ck.oracle.convolve2d(image, kernel)

    window = window
    bugs = (
        Bug(
            "kernel not flipped",
            "This is correlation. A convolution turns the kernel by 180 degrees first: its last entry meets the upper "
            "left pixel of the window.",
            lambda image, kernel: ck.oracle.correlate2d(image, kernel),
        ),
        Bug(
            "kernel flipped on one axis",
            "Your kernel is mirrored along one axis only. Turning it by 180 degrees reverses the rows and the columns.",
            lambda image, kernel: ck.oracle.convolve2d(image, kernel[::-1]),
            (lambda image, kernel: ck.oracle.convolve2d(image, kernel[:, ::-1]),),
        ),
        Bug(
            "kernel transposed",
            "Your kernel is transposed, or turned by 90 degrees. Turn it by 180: reverse the order of its rows and of "
            "its columns, and leave rows rows.",
            lambda image, kernel: ck.oracle.correlate2d(image, kernel.T),
            (
                lambda image, kernel: ck.oracle.correlate2d(image, np.rot90(kernel)),
                lambda image, kernel: ck.oracle.correlate2d(image, np.rot90(kernel, -1)),
                lambda image, kernel: ck.oracle.convolve2d(image, kernel.T),
            ),
        ),
        Bug(
            "output turned",
            "The numbers are right and stand in the wrong places: your output is upside down. Only the kernel is "
            "turned, not the picture and not the result.",
            lambda image, kernel: _half(ck.oracle.convolve2d(image, kernel)),
            (lambda image, kernel: _half(ck.oracle.correlate2d(image, kernel)),),
        ),
        Bug(
            "full convolution",
            KEPT_SIZE + "This exercise wants the valid part, (H - KH + 1, W - KW + 1).",
            lambda image, kernel: ck.oracle.convolve2d(image, kernel, full=True),
            (lambda image, kernel: ck.oracle.convolve2d(_framed(image, kernel), kernel),),
        ),
        Bug(
            "a row and a column short",
            TOO_SHORT,
            lambda image, kernel: _cut(ck.oracle.convolve2d(image, kernel), 1, 1),
            (lambda image, kernel: _blank(ck.oracle.convolve2d(image, kernel), 1, 1),),
        ),
        not_refused(lambda image, kernel: ck.oracle.convolve2d(image, kernel)),
    )


def fixed_cases(rng, *more):
    """Cases of a filter of 3 x 3 that takes a picture, and perhaps a number from ``more`` for each."""
    for i, s in enumerate(sizes(rng, kernel=(3, 3))):
        yield s.case(s.image(rng), *([more[i % len(more)]] if more else []))


def _slopes(image, x=1, y=1, kernel=None):
    """Sobel's result with slopes multiplied by ``x`` and ``y``, or from another kernel."""
    if kernel is None:
        gx, gy, _ = ck.oracle.sobel(image)
    else:
        kernel = np.array(kernel, image.dtype)
        gx, gy = ck.oracle.correlate2d(image, kernel), ck.oracle.correlate2d(image, kernel.T)
    gx, gy = gx * image.dtype.type(x), gy * image.dtype.type(y)
    return gx, gy, np.hypot(gx, gy)


def _swapped(image):
    gx, gy, magnitude = ck.oracle.sobel(image)
    return gy, gx, magnitude


def _length(measure):
    """Sobel's result with another measure of length."""

    def answer(image):
        gx, gy, _ = ck.oracle.sobel(image)
        return gx, gy, measure(gx, gy)

    return answer


@UNIT.exercise("sobel(image)", points={"basics": 3, "sizes": 1})
class Sobel:
    def cases(rng):
        return fixed_cases(rng)

    def oracle(image):
        return ck.oracle.sobel(image)

    returns = ("gx", "gy", "magnitude")
    window = window
    bugs = (
        Bug(
            "sign of a slope",
            "A slope has the wrong sign. gx is positive where it gets brighter to the right, so in a correlation the "
            "+1 2 1 stands on the right; gy is positive where it gets brighter downwards. Deck e's kernels are written "
            "for true convolution.",
            lambda image: _slopes(image, -1, -1),
            (lambda image: _slopes(image, x=-1), lambda image: _slopes(image, y=-1)),
        ),
        Bug(
            "gx and gy swapped",
            "The two slopes have changed places. gx looks along a row, from left to right: its kernel has the 1 2 1 in "
            "its columns. It is large on vertical edges.",
            _swapped,
            (lambda image: tuple(-g if i < 2 else g for i, g in enumerate(_swapped(image))),),
        ),
        Bug(
            "slopes made positive",
            "Your slopes have lost their sign. A picture of them may show the absolute value; the slope itself is "
            "negative where it gets darker to the right, or downwards.",
            lambda image: (*(abs(slope) for slope in ck.oracle.sobel(image)[:2]), ck.oracle.sobel(image)[2]),
        ),
        Bug(
            "|gx| + |gy|",
            "Your magnitude adds the absolute values. That is a quicker substitute, up to 41 % too large on diagonal "
            "edges; the length of the vector (gx, gy) is the root of the sum of squares.",
            _length(lambda gx, gy: abs(gx) + abs(gy)),
            (_length(lambda gx, gy: abs(gx + gy)), _length(lambda gx, gy: np.maximum(abs(gx), abs(gy)))),
        ),
        Bug(
            "magnitude not rooted",
            "Your magnitude is the sum of squares. Its square root is still to be taken.",
            _length(lambda gx, gy: gx**2 + gy**2),
        ),
        Bug(
            "weights 1 1 1",
            "All three rows count the same in your kernel: that is Prewitt's. Sobel gives the middle one twice the "
            "weight.",
            lambda image: _slopes(image, kernel=((-1, 0, 1),) * 3),
        ),
        Bug(
            "scaled",
            "Your slopes are divided by the sum of the weights. This exercise leaves them as they come.",
            lambda image: _slopes(image, 1 / 8, 1 / 8),
            (lambda image: _slopes(image, 1 / 4, 1 / 4), lambda image: _slopes(image, 1 / 2, 1 / 2)),
        ),
        Bug(
            "size kept by padding",
            KEPT_SIZE + "Only windows inside count here: (H - 2, W - 2) of them. A padded border would answer with "
            "edges that are not in the picture.",
            _pad_less(ck.oracle.sobel),
            (_pad_less(ck.oracle.sobel, "symmetric"), _pad_less(ck.oracle.sobel, "edge")),
        ),
        not_refused(lambda image: ck.oracle.sobel(image), parts=3),
    )


def _laplace(*kernel):
    return lambda image: ck.oracle.correlate2d(image, np.array(kernel, image.dtype))


@UNIT.exercise("laplacian(image)", points={"basics": 2, "sizes": 1})
class Laplacian:
    def cases(rng):
        return fixed_cases(rng)

    def oracle(image):
        return ck.oracle.laplacian(image)

    window = window
    bugs = (
        Bug(
            "sign",
            "All signs are turned. The centre counts -4: the Laplacian is positive in a dark spot, where the "
            "neighbours are brighter.",
            lambda image: -ck.oracle.laplacian(image),
        ),
        Bug(
            "centre weight",
            "The weight of the centre is off. Four neighbours with weight 1 ask for -4, so that a plain area, and an "
            "even slope too, gives 0.",
            _laplace((0, 1, 0), (1, -8, 1), (0, 1, 0)),
            tuple(_laplace((0, 1, 0), (1, centre, 1), (0, 1, 0)) for centre in (4, 0, -1, -2, -3, -5)),
        ),
        Bug(
            "diagonals counted",
            "Your kernel counts the diagonal neighbours, too. This one takes the four that share a side with the "
            "pixel.",
            _laplace((1, 1, 1), (1, -8, 1), (1, 1, 1)),
            (
                _laplace((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
                _laplace((1, 0, 1), (0, -4, 0), (1, 0, 1)),
            ),
        ),
        Bug(
            "one axis only",
            "Only one of the two second derivatives is there. The Laplacian is the one along the rows plus the one "
            "along the columns.",
            _laplace((0, 0, 0), (1, -2, 1), (0, 0, 0)),
            (_laplace((0, 1, 0), (0, -2, 0), (0, 1, 0)),),
        ),
        Bug(
            "size kept by padding",
            KEPT_SIZE + "Only windows inside count here: (H - 2, W - 2) of them.",
            _pad_less(ck.oracle.laplacian),
            (_pad_less(ck.oracle.laplacian, "symmetric"), _pad_less(ck.oracle.laplacian, "edge")),
        ),
        not_refused(lambda image: ck.oracle.laplacian(image)),
    )


def _sharpened(combine, at=1):
    """``combine(image, box3, alpha)`` on the valid region; the image cut out ``at`` pixels from its corner."""

    def answer(image, alpha):
        smooth = ck.oracle.sharpen(image, -1.0)
        rows, columns = smooth.shape
        return combine(image[at : at + rows, at : at + columns], smooth, alpha)

    return answer


@UNIT.exercise("sharpen(image, alpha)", points={"basics": 2, "sizes": 1})
class Sharpen:
    def cases(rng):
        strength = float(rng.uniform(0.3, 0.8))
        alphas = (strength, strength, 2, float(rng.uniform(1.2, 4)), 1.0, 9, -0.5, 0, 0.5)
        return fixed_cases(rng, *alphas)

    def oracle(image, alpha):
        return ck.oracle.sharpen(image, alpha)

    window = window
    bugs = (
        Bug(
            "sum for mean",
            "Your smoothed picture is the sum of the nine pixels. box3 is their mean: a ninth of it.",
            _sharpened(lambda image, smooth, alpha: image + alpha * (image - 9 * smooth)),
        ),
        Bug(
            "alpha on the wrong term",
            "alpha stands in the wrong place. It says how much of the detail, image - smoothed, is put on top of the "
            "image: nothing else is multiplied by it.",
            _sharpened(lambda image, smooth, alpha: alpha * image + (image - smooth)),
            (
                _sharpened(lambda image, smooth, alpha: image + image - alpha * smooth),
                _sharpened(lambda image, smooth, alpha: image - alpha * smooth),
                _sharpened(lambda image, smooth, alpha: alpha * (image + image - smooth)),
                _sharpened(lambda image, smooth, alpha: (1 + alpha) * image - smooth),
            ),
        ),
        Bug(
            "alpha ignored",
            "alpha has no effect: every strength gives the same picture.",
            _sharpened(lambda image, smooth, alpha: image + (image - smooth)),
        ),
        Bug(
            "sign",
            "Your filter smooths instead: the detail is image - smoothed, and it is added.",
            _sharpened(lambda image, smooth, alpha: image + alpha * (smooth - image)),
        ),
        Bug(
            "only the detail",
            "You return the detail alone. It is to be put on top of the image.",
            _sharpened(lambda image, smooth, alpha: alpha * (image - smooth)),
        ),
        Bug(
            "corner for centre",
            "Image and smoothed picture are shifted against each other by a pixel. The mean over rows 0 to 2 and "
            "columns 0 to 2 belongs to pixel (1, 1), in the middle of its window.",
            _sharpened(lambda image, smooth, alpha: image + alpha * (image - smooth), at=0),
            (_sharpened(lambda image, smooth, alpha: image + alpha * (image - smooth), at=2),),
        ),
        Bug(
            "size kept by padding",
            KEPT_SIZE + "Only windows inside count here: (H - 2, W - 2) of them.",
            _pad_less(ck.oracle.sharpen),
            (_pad_less(ck.oracle.sharpen, "symmetric"), _pad_less(ck.oracle.sharpen, "edge")),
        ),
        not_refused(lambda image, alpha: ck.oracle.sharpen(image, alpha)),
    )


def distinct(rng, shape, dtype):
    """Whole numbers, no two of them equal: no window is flat, or so nearly flat that rounding decides its score."""
    return (rng.permutation(shape[0] * shape[1]) - shape[0] * shape[1] // 2).reshape(shape).astype(dtype)


def flat_cases(rng):
    """Pictures with flat windows, in whole numbers and with power-of-two sizes.

    So that a right answer of any style finds them: means over a window or over the whole picture, and running sums of
    them and of their squares, come out exact, in float32 too.
    """
    for h, w, kh, kw, dtype in [
        (8, 8, 2, 2, "float64"),
        (4, 16, 2, 4, "float64"),
        (16, 4, 4, 2, "float32"),
        (8, 16, 4, 4, "float64"),
        (16, 8, 2, 4, "float32"),
    ]:
        image, template = draw(rng, (h, w), dtype, whole=True), draw(rng, (kh, kw), dtype, whole=True)
        # Half of the picture is one grey; a window across its border is not.
        image[h // 2 :] = rng.integers(1, 4)
        template[0, 0], template[-1, -1] = 3, -2
        yield Case("flat windows", (image, template))
    # A picture with nothing in it but one grey and one dot.
    dotted = np.full((8, 8), 5.0)
    dotted[2, 3] = 6
    yield Case("flat windows", (dotted, np.array([[1.0, 0], [0, -1]])), readonly=True)


def _score(image, template, window_mean=True, template_mean=True, by_window=True, by_template=True, at_flat=0.0):
    """Template matching with the steps left out that are not wanted; ``window_mean="all"``: of the whole picture."""
    windows = ck.oracle.im2col(image[None, None], *template.shape).astype(np.float64)
    pattern = template.astype(np.float64).reshape(-1, 1)
    if window_mean == "all":
        windows = windows - image.mean(dtype=np.float64)
    elif window_mean:
        windows = windows - windows.mean(0)
    if template_mean:
        pattern = pattern - pattern.mean()
    score = (windows * pattern).sum(0)
    for wanted, norm in ((by_window, np.linalg.norm(windows, axis=0)), (by_template, np.linalg.norm(pattern))):
        if wanted:
            score = np.divide(score, norm, out=np.full_like(score, at_flat), where=norm > 1e-9)
    return score.reshape(_room(image, template)).astype(image.dtype)


def _standardised_once(image, template):
    """Mean and deviation of the whole picture for each of its windows."""
    raw = _score(image, template, window_mean="all", by_window=False)
    length = image.std(dtype=np.float64) * np.sqrt(template.size)
    return (raw / length).astype(image.dtype) if length else raw


def _not_rooted(image, template):
    raw = _score(image, template, by_window=False, by_template=False)
    right = ck.oracle.match_template(image, template)
    return np.divide(right**2, raw, out=np.zeros_like(raw), where=abs(raw) > 1e-9)


@UNIT.exercise("match_template(image, template)", points={"basics": 2, "flat windows": 2, "sizes": 1})
class MatchTemplate:
    def cases(rng):
        for s in sizes(rng):
            if s.kh * s.kw == 1:
                continue  # a template of one pixel is flat
            whole = s.whole or s.dtype == "float32" or s.kh * s.kw < 4
            parts = ((s.h, s.w), (s.kh, s.kw))
            yield s.case(*(distinct(rng, part, s.dtype) if whole else draw(rng, part, s.dtype) for part in parts))
        yield from flat_cases(rng)

    def oracle(image, template):
        return ck.oracle.match_template(image, template)

    window = window
    # Running sums and Fourier transforms lose digits in the variance; and a score is between -1 and 1.
    single = Tolerance(relative=1e-3, absolute=1e-3, floor=1e-6)
    double = Tolerance(relative=1e-6, absolute=1e-6, floor=1e-9)
    bugs = (
        Bug(
            "division by zero",
            "Your result has nan or inf in it: a window without contrast has the length 0, and you divided by it. "
            "Nothing resembles the template there: the score is 0.",
            lambda image, template: _score(image, template, at_flat=np.nan),
            (lambda image, template: _score(image, template, at_flat=np.inf),),
        ),
        Bug(
            "mean not removed",
            "A mean is still in there, so a bright window scores for being bright. Subtract from each window its own "
            "mean, and from the template its own, before anything is multiplied or squared.",
            lambda image, template: _score(image, template, False, False),
            (
                lambda image, template: _score(image, template, window_mean=False),
                lambda image, template: _score(image, template, template_mean=False),
            ),
        ),
        Bug(
            "template turned or transposed",
            "Your template lies on the picture turned by 180 degrees, or on its side. It is a correlation that is "
            "wanted: template[0, 0] meets the upper left pixel of the window. (signal.convolve2d would turn it.)",
            lambda image, template: ck.oracle.match_template(image, _half(template)),
            (lambda image, template: ck.oracle.match_template(image, template.T),),
        ),
        Bug(
            "mean of the whole picture",
            "You subtracted one mean from the whole picture. Each window has a mean of its own, and it is that one "
            "which makes the score blind to how bright the window is.",
            lambda image, template: _score(image, template, window_mean="all"),
            (_standardised_once,),
        ),
        Bug(
            "not normalised",
            "Your scores leave the range from -1 to 1, so strong contrast counts as likeness. Divide by the length of "
            "the window's vector and by that of the template's, both without their means.",
            lambda image, template: _score(image, template, by_window=False, by_template=False),
            (
                lambda image, template: _score(image, template, by_window=False),
                lambda image, template: _score(image, template, by_template=False),
                lambda image, template: _score(image, template, False, False, False, False),
                lambda image, template: _score(image, template, False, True, False, False),
                lambda image, template: (
                    _score(image, template, by_window=False, by_template=False) / image.dtype.type(template.size)
                ),
            ),
        ),
        Bug(
            "number of pixels left in",
            "Your scores are too large by the number of pixels. A standard deviation is a mean over the window, so "
            "either take the mean of the products, too, or divide by sums of squares throughout.",
            lambda image, template: ck.oracle.match_template(image, template) * image.dtype.type(template.size),
            (lambda image, template: ck.oracle.match_template(image, template) / image.dtype.type(template.size),),
        ),
        Bug(
            "sums of squares not rooted",
            "You divided by the sums of squares. The length of a vector is the root of that.",
            _not_rooted,
        ),
        not_refused(lambda image, template: ck.oracle.match_template(image, template)),
    )


def _blocks(kernel, m, n):
    """The matrix with its axes apart: ``(output rows, output columns, m, n)``."""
    kh, kw = kernel.shape
    return ck.oracle.convmtx2(kernel, m, n).reshape(m + kh - 1, n + kw - 1, m, n)


def _reordered(*order):
    """The matrix for pictures that are flattened in another order."""
    return lambda kernel, m, n: (
        _blocks(kernel, m, n).transpose(order).reshape((m + len(kernel) - 1) * (n + kernel.shape[1] - 1), m * n)
    )


def _valid_rows(kernel, m, n):
    kh, kw = kernel.shape
    return _blocks(kernel, m, n)[kh - 1 : m, kw - 1 : n].reshape(-1, m * n)


@UNIT.exercise("convmtx2(kernel, m, n)", points={"basics": 2, "sizes": 1})
class Convmtx2:
    def cases(rng):
        for s in sizes(rng, full=True):
            # The matrix has the fourth power of the side: smaller pictures will do.
            m, n = (s.h, s.w) if s.group == "sizes" else (s.h - 3, s.w - 3)
            yield s.case(s.kernel(rng), m, n)

    def oracle(kernel, m, n):
        return ck.oracle.convmtx2(kernel, m, n)

    bugs = (
        Bug(
            "kernel not flipped",
            "This matrix correlates. Pixel (i, j) of the picture lays down a copy of the kernel, the right way round, "
            "with its upper left corner at (i, j) of the output: that copy, flattened, is the pixel's column.",
            lambda kernel, m, n: ck.oracle.convmtx2(_half(kernel), m, n),
            (
                lambda kernel, m, n: ck.oracle.convmtx2(kernel[::-1], m, n),
                lambda kernel, m, n: ck.oracle.convmtx2(kernel[:, ::-1], m, n),
            ),
        ),
        Bug(
            "column-major",
            "Your matrix is for pictures flattened column by column, as MATLAB does it. NumPy's ravel goes row by row: "
            "pixel (i, j) is number i n + j.",
            _reordered(1, 0, 3, 2),
            (_reordered(0, 1, 3, 2), _reordered(1, 0, 2, 3)),
        ),
        Bug(
            "transposed",
            "Rows and columns are swapped: T takes a picture of m n pixels, so it has m n columns and a row for each "
            "output pixel. (The transpose has its day in unit 05.)",
            lambda kernel, m, n: ck.oracle.convmtx2(kernel, m, n).T,
        ),
        Bug(
            "valid size",
            "Your matrix has the rows of the valid outputs only. The full convolution keeps every place where kernel "
            "and picture overlap: (m + KH - 1)(n + KW - 1) rows.",
            _valid_rows,
            (lambda kernel, m, n: _valid_rows(_half(kernel), m, n),),
        ),
        Bug(
            "m and n swapped",
            "Your matrix is for n x m pictures. m is the number of rows, n the number of columns.",
            lambda kernel, m, n: ck.oracle.convmtx2(kernel, n, m),
        ),
        Bug(
            "kernel transposed",
            "Rows and columns of your kernel are swapped.",
            lambda kernel, m, n: ck.oracle.convmtx2(kernel.T, m, n),
        ),
    )


def _wrapped(image, kernel):
    """The full convolution with what hangs over below and on the right added on the other side."""
    full = ck.oracle.convolve2d(image, kernel, full=True).astype(np.float64)
    h, w = image.shape
    out = np.zeros(image.shape)
    for i, j in np.ndindex(full.shape):
        out[i % h, j % w] += full[i, j]
    return out.astype(image.dtype)


def _correlated(image, kernel):
    return ck.oracle.convolve2d(image, _half(kernel), full=True)


def _centre(image, kernel):
    """The middle of the full convolution, as large as the image."""
    kh, kw = kernel.shape
    top, left = (kh - 1) // 2, (kw - 1) // 2
    full = ck.oracle.convolve2d(image, kernel, full=True)
    return full[top : top + image.shape[0], left : left + image.shape[1]]


def _power_of_two(image, kernel):
    """The full convolution among the zeros of a transform whose sides are powers of two."""
    full = ck.oracle.convolve2d(image, kernel, full=True)
    return np.pad(full, [(0, (1 << (side - 1).bit_length()) - side) for side in full.shape])


def _even_width(image, kernel):
    """What comes of a half spectrum when the inverse is not told the width: it takes the next even one."""
    spectrum = torch.fft.rfft2(torch.from_numpy(ck.oracle.convolve2d(image, kernel, full=True)))
    width = 2 * (spectrum.shape[1] - 1)
    return torch.fft.irfft2(spectrum).numpy() if width else np.zeros((len(spectrum), 0), image.dtype)


@UNIT.exercise("fft_convolve2d(image, kernel)", points={"basics": 2, "sizes": 1})
class FftConvolve2d:
    def cases(rng):
        for s in sizes(rng, full=True):
            yield s.case(s.image(rng), s.kernel(rng))

    def oracle(image, kernel):
        return ck.oracle.fft_convolve2d(image, kernel)

    bugs = (
        Bug(
            "circular wrap",
            "What leaves the picture on the right comes in again on the left: the transform takes the picture for one "
            "tile of an endless wall. Give both transforms the size of the output, H + KH - 1 by W + KW - 1; the zeros "
            "that fill it up keep the tiles apart.",
            _wrapped,
            (lambda image, kernel: np.roll(_wrapped(image, kernel), [-(k - 1) // 2 for k in kernel.shape], (0, 1)),),
        ),
        Bug(
            "complex output",
            "Your output is complex, with imaginary parts of rounding size. Real pictures have a real convolution: "
            "take the real part, or use rfft2 and irfft2, which know.",
            lambda image, kernel: ck.oracle.convolve2d(image, kernel, full=True).astype(
                np.result_type(image.dtype, np.complex64)
            ),
            (lambda image, kernel: ck.oracle.convolve2d(image, kernel, full=True).astype(np.complex128),),
        ),
        Bug(
            "absolute value",
            "All your values are positive. What the inverse transform leaves in the imaginary parts is rounding: take "
            "the real part; the absolute value of a complex number loses its sign.",
            lambda image, kernel: abs(ck.oracle.convolve2d(image, kernel, full=True)),
        ),
        Bug(
            "not cut to size",
            "The numbers are right, and zeros stand below and to the right of them. A transform may be larger than the "
            "output, but then cut it: H + KH - 1 by W + KW - 1.",
            lambda image, kernel: np.pad(ck.oracle.convolve2d(image, kernel, full=True), (0, 1)),
            (_power_of_two,),
        ),
        Bug(
            "correlation",
            "This is a correlation. The product of the two spectra is a convolution as it stands: no kernel to flip, "
            "no complex conjugate to take.",
            _correlated,
            (
                lambda image, kernel: np.roll(_correlated(image, kernel), [1 - k for k in kernel.shape], (0, 1)),
                lambda image, kernel: ck.oracle.convolve2d(image, kernel[::-1], full=True),
                lambda image, kernel: ck.oracle.convolve2d(image, kernel[:, ::-1], full=True),
            ),
        ),
        Bug(
            "cut to the picture's size",
            "You cut the result down. The full convolution keeps every place where kernel and picture overlap: "
            "H + KH - 1 by W + KW - 1.",
            _centre,
            (
                lambda image, kernel: ck.oracle.convolve2d(image, kernel, full=True)[: len(image), : image.shape[1]],
                lambda image, kernel: ck.oracle.convolve2d(image, kernel),
            ),
        ),
        Bug(
            "fftshift",
            "The quadrants of your result have changed places. fftshift is for looking at a spectrum; nothing needs "
            "shifting here.",
            lambda image, kernel: np.fft.fftshift(ck.oracle.convolve2d(image, kernel, full=True)),
            (lambda image, kernel: np.fft.ifftshift(ck.oracle.convolve2d(image, kernel, full=True)),),
        ),
        Bug(
            "odd width lost",
            "irfft2 cannot tell from half a spectrum whether the width was odd or even, and takes the even one. Tell "
            "it the size of the output with s=.",
            _even_width,
        ),
    )


def _taps(rng, dtype):
    return rng.standard_normal((2, 3)).astype(dtype)


def _circular(x, taps):
    """A convolution on a picture whose edges are joined."""
    return sum(tap * np.roll(x, at, (-2, -1)) for at, tap in np.ndenumerate(taps))


def _bordered(x, taps, pad):
    """A convolution whose window stops at the border, ``pad`` or no padding."""
    kh, kw = taps.shape
    if pad:
        x = np.pad(x, ((0, 0), (0, 0), (0, kh - 1), (0, kw - 1)))
    rows, columns = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    return sum(tap * x[:, :, i : i + rows, j : j + columns] for (i, j), tap in np.ndenumerate(taps))


def _ramp(x):
    rows, columns = x.shape[2:]
    return (np.arange(rows)[:, None] * 3 + np.arange(columns)).astype(x.dtype)


def make_layer(name, shape, dtype):
    """The layer called ``name``: from ``(N, C, H, W)`` images of that shape and type to images."""
    rng = np.random.default_rng(7)
    taps = _taps(rng, dtype)
    pixels = int(np.prod(shape[1:]))
    dense = rng.standard_normal((pixels, pixels)).astype(dtype)
    return {
        "squares": lambda x: x * x,
        "circular convolution": lambda x: _circular(x, taps),
        "padded convolution": lambda x: _bordered(x, taps, pad=True),
        "negative padded convolution": lambda x: -_bordered(x, taps, pad=True),
        "valid convolution": lambda x: _bordered(x, taps, pad=False),
        "fully connected": lambda x: (x.reshape(len(x), -1) @ dense).reshape(x.shape),
        "brighter to the lower right": lambda x: x + _ramp(x),
        "darker to the lower right": lambda x: x - _ramp(x),
        "every second pixel": lambda x: x[:, :, ::2, ::2],
        "largest channel": lambda x: x.max(1, keepdims=True),
        "mean of the picture": lambda x: x.mean((2, 3), keepdims=True),
    }[name]


def _gap(difference, axes=(-2, -1)):
    """The error as another difference of the two sides, or rolled along other axes."""

    def answer(layer, x, dy, dx):
        roll = lambda a: np.roll(a, (dy, dx), axes)
        return difference(layer, x, roll)

    return answer


@UNIT.exercise("equivariance_error(layer, x, dy, dx)", points={"basics": 2, "any shift": 1})
class EquivarianceError:
    def cases(rng):
        def some(group, layer, dy, dx, shape=(2, 3, 5, 7), dtype="float64", **how):
            return Case(group, (layer, draw(rng, shape, dtype), dy, dx), **how)

        for layer in ("circular convolution", "padded convolution", "negative padded convolution", "fully connected"):
            yield some("basics", layer, 1, 2)
            yield some("basics", layer, 2, 1, dtype="float32")
        yield some("basics", "squares", 2, 3)
        yield some("basics", "largest channel", 1, 1, (3, 4, 6, 5))
        yield some("basics", "valid convolution", 2, 1, (3, 2, 6, 5))
        for layer in ("brighter to the lower right", "darker to the lower right"):
            yield some("basics", layer, 1, 1, (2, 2, 4, 4), readonly=True)
            yield some("basics", layer, 1, 3, (1, 1, 5, 6), layout="transposed")
        yield some("basics", "padded convolution", 3, 2, (4, 2, 5, 6), layout="channels last")
        yield some("any shift", "padded convolution", -1, 2)
        yield some("any shift", "negative padded convolution", -2, -3, (2, 1, 6, 5))
        yield some("any shift", "fully connected", 0, -2, (1, 2, 4, 5), readonly=True)
        yield some("any shift", "fully connected", 3, 0, (2, 1, 5, 4), "float32")
        yield some("any shift", "every second pixel", -3, 1, (2, 3, 6, 8))
        yield some("any shift", "mean of the picture", -2, 2)
        yield some("any shift", "circular convolution", 8, -9)
        yield some("any shift", "padded convolution", 8, -9, dtype="float32")
        yield some("any shift", "padded convolution", 0, 0)
        yield some("any shift", "brighter to the lower right", -1, 0, (1, 1, 4, 4))

    def probe(answer, layer, x, dy, dx):
        """Builds the layer beside the student's code: a function cannot be sent as data."""
        return answer(make_layer(layer, x.shape, x.dtype), x, dy, dx)

    def oracle(layer, x, dy, dx):
        return ck.oracle.equivariance_error(layer, x, dy, dx)

    bugs = (
        Bug(
            "roll on one side only",
            "Only one side is shifted, so you compare a shifted picture with one that stayed. Shift the input of the "
            "layer on one side and its output on the other.",
            _gap(lambda layer, x, roll: float(abs(layer(roll(x)) - layer(x)).max())),
            (_gap(lambda layer, x, roll: float(abs(layer(x) - roll(layer(x))).max())),),
        ),
        Bug(
            "rolled twice",
            "The two shifts add up: they are on the input and the output of the same call, or input and output go "
            "opposite ways. One side is layer(roll(x)), the other roll(layer(x)), both by (dy, dx).",
            _gap(lambda layer, x, roll: float(abs(roll(layer(roll(x))) - layer(x)).max())),
        ),
        Bug(
            "dy and dx swapped",
            "dy shifts along the rows axis, the last but one, and dx along the last.",
            _gap(lambda layer, x, roll: float(abs(layer(roll(x)) - roll(layer(x))).max()), axes=(-1, -2)),
        ),
        Bug(
            "rolled along the wrong axes",
            "You shift images or channels. In (N, C, H, W) the picture lies in the last two axes.",
            _gap(lambda layer, x, roll: float(abs(layer(roll(x)) - roll(layer(x))).max()), axes=(0, 1)),
            (_gap(lambda layer, x, roll: float(abs(layer(roll(x)) - roll(layer(x))).max()), axes=(1, 2)),),
        ),
        Bug(
            "no absolute value",
            "A difference may be negative: take its absolute value before the maximum.",
            _gap(lambda layer, x, roll: float((layer(roll(x)) - roll(layer(x))).max())),
            (
                _gap(lambda layer, x, roll: float((roll(layer(x)) - layer(roll(x))).max())),
                _gap(lambda layer, x, roll: float(abs((layer(roll(x)) - roll(layer(x))).max()))),
            ),
        ),
        Bug(
            "borders left out",
            "You compare the inner part only. At the borders a layer that pads is not equivariant, and this is what "
            "the error is to show: compare all pixels.",
            lambda layer, x, dy, dx: _gap(
                lambda layer, x, roll: float(
                    abs(layer(roll(x)) - roll(layer(x)))[..., abs(dy) :, abs(dx) :].max(initial=0)
                )
            )(layer, x, dy, dx),
            (_gap(lambda layer, x, roll: float(abs(layer(roll(x)) - roll(layer(x)))[..., 1:-1, 1:-1].max(initial=0))),),
        ),
        Bug(
            "mean for maximum",
            "You average the differences. The maximum is asked for: one pixel that disagrees is one too many.",
            _gap(lambda layer, x, roll: float(abs(layer(roll(x)) - roll(layer(x))).mean())),
            (_gap(lambda layer, x, roll: float(abs(layer(roll(x)) - roll(layer(x))).sum())),),
        ),
    )
