"""Unit 07, third part: dropout, augmentation and splits, where many answers are right and a judge looks at each."""

import numpy as np

from cnnkit import comparing
from cnnkit import oracle as ref
from cnnkit.cases import Case
from cnnkit.comparing import Difference
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("07-training")

SAME_CALLS = (
    "Two calls with generators of the same seed gave different results, so something other than rng was drawn from: "
    "np.random, say. Draw from rng alone, and a run can be repeated."
)
NO_NEWS = (
    "Two calls in a row with the same generator gave the same result. A generator goes on from draw to draw; a new one "
    "made inside the function, or a fixed seed, does not."
)


# Dropout


def dropout_probe(answer, x, p, train, seed, by_name=False):
    """``answer`` with a generator; then with the same one again; then with a fresh one of the same seed."""
    rng = np.random.default_rng(seed)
    more = {"p": p, "train": train}
    call = (lambda rng: answer(x, rng=rng, **more)) if by_name else (lambda rng: answer(x, p, rng, train))
    return call(rng), call(rng), call(np.random.default_rng(seed))


def dropout_cases(rng):
    def case(group, shape, p, train, dtype="float64", layout="C", readonly=False, **how):
        x = draw(rng, shape, dtype)
        x.reshape(-1)[::3] = 0  # as a ReLU leaves them: the mask has draws there, too
        return Case(group, (x, p, train, int(rng.integers(1 << 31))), how, layout=layout, readonly=readonly)

    for group in ("mask", "chance"):
        yield case(group, (40, 50), 0.5, True)
        yield case(group, (30, 60), 0.2, True, "float32")
        yield case(group, (60, 30), 0.8, True, layout="transposed")
        yield case(group, (6, 5, 9, 8), 0.3, True, readonly=True)
        yield case(group, (5, 6, 8, 9), 0.6, True, "float32", "channels last")
        yield case(group, (2000,), 0.1, True, layout="slice")
        yield case(group, (4, 20, 25), 0.75, True, "float32", by_name=True)
        yield case(group, (1, 1500), 0.4, True)
        yield case(group, (45, 45), 0.9, True)
    yield case("mask", (7, 9), 0.0, True)
    yield case("mask", (8, 9), 0.0, True, "float32")
    for shape, p, dtype, layout, readonly in (
        ((40, 50), 0.5, "float64", "C", False),
        ((5, 6, 8, 9), 0.3, "float32", "channels last", True),
        ((30,), 0.8, "float64", "slice", False),
        ((6, 7), 0.0, "float32", "transposed", False),
    ):
        yield case("eval", shape, p, False, dtype, layout, readonly)
    yield case("eval", (3, 4), 0.25, False, by_name=True)


def dropout_judge(case, value):
    if not isinstance(value, tuple) or len(value) != 3:
        return Difference("type", "dropout_forward should return a pair (out, mask).")
    x, p, train, _ = case.args
    for pair in value:
        found = _pair_fault(x, pair)
        if found:
            return found
    (out, mask), (_, second), (_, again) = value
    if not train:
        if (mask != 1).any() or not np.array_equal(out, x):
            return Difference("active in eval", "With train False, out should be x and mask all ones.")
        return None
    tolerance = comparing.SINGLE if case.single else comparing.DOUBLE
    if comparing.compare(x * mask, out, tolerance, any_float=True):
        return Difference("out is not x times mask", "out should be x * mask; it is something else.")
    fault = _mask_fault(mask, p)
    if case.group == "mask":
        return fault
    if fault and fault.kind != "unscaled":
        return fault
    return _chance_fault(mask, p) or _draws_fault(mask, second, again, p)


def _pair_fault(x, pair):
    if not isinstance(pair, tuple) or len(pair) != 2 or not all(isinstance(part, np.ndarray) for part in pair):
        return Difference("type", "dropout_forward should return a pair of arrays (out, mask).")
    out, mask = pair
    for name, part in (("out", out), ("mask", mask)):
        if part.shape != x.shape:
            return Difference("shape", f"{name} should have the shape of x, {x.shape}; it has {part.shape}.")
    if out.dtype != x.dtype:
        return Difference("dtype", f"out should be {x.dtype}, as x is; it is {out.dtype}.")
    if mask.dtype.kind not in "fbiu" or not np.isfinite(mask).all():
        return Difference("type", "mask should hold finite numbers.")
    return None


def _mask_fault(mask, p):
    kept = mask[mask != 0].astype(np.float64)
    if np.allclose(kept, 1 / (1 - p), rtol=1e-5, atol=0):
        return None
    if np.allclose(kept, 1):
        text = f"The mask should hold 0 and 1 / (1 - p) = {1 / (1 - p):.6g}; what is kept is not scaled."
        return Difference("unscaled", text)
    if p and np.allclose(kept, 1 / p):
        text = f"The mask should hold 0 and 1 / (1 - p) = {1 / (1 - p):.6g}; it has 1 / p = {1 / p:.6g}."
        return Difference("keep and drop swapped", text)
    odd = comparing.number(kept[np.argmax(np.abs(kept - 1 / (1 - p)))])
    text = f"The mask should hold nothing but 0 and 1 / (1 - p) = {1 / (1 - p):.6g}; it also has {odd}."
    return Difference("mask values", text)


def _chance_fault(mask, p):
    """Whether far more or fewer were dropped than by chance: six standard deviations, one in a billion."""
    dropped, n = int((mask == 0).sum()), mask.size
    slack = 6 * np.sqrt(n * p * (1 - p)) + 2
    if abs(dropped - n * p) <= slack:
        return None
    swapped = abs(dropped - n * (1 - p)) <= slack
    text = f"With p = {p:g}, about {n * p:.0f} of {n} values should be dropped; {dropped} are."
    return Difference("keep and drop swapped" if swapped else "another share is dropped", text)


def _draws_fault(mask, second, again, p):
    if p == 0:
        return None
    if np.array_equal(mask, second):
        return Difference("the same mask every time", NO_NEWS)
    if not np.array_equal(mask, again):
        return Difference("rng not used", SAME_CALLS)
    zero = mask == 0
    for axis, size in enumerate(mask.shape):
        first = np.take(zero, [0], axis)
        # Two columns of 20 are equal once in a million; of fewer values nothing can be said.
        if size > 1 and first.size >= 20 and (zero == first).all():
            text = f"The mask is the same all along axis {axis}. Each value of x has a draw of its own."
            return Difference("one draw for many values", text)
    return None


def dropout_with(mask=None, out=None, p=lambda p: p, train=lambda train: train, rng=lambda rng: rng):
    """Dropout with a twist: in its arguments, or in the mask, or in the output, ``mask(mask, p)``, ``out(x, mask)``."""

    def answer(x, p_, rng_, train_):
        result, kept = ref.dropout(x, p(p_), rng(rng_), train(train_))
        if mask and train_:
            kept = mask(kept, p_).astype(x.dtype)
            result = x * kept
        return (out(x, kept, p_).astype(x.dtype) if out and train_ else result), kept

    # By their names in the signature, too.
    return lambda x, p, rng, train: answer(x, p, rng, train)


def _swapped_chance(mask, p):
    return mask if p == 0 else np.where(mask == 0, 1, 0) / (1 - p)


def _one_row(mask, p):
    return np.broadcast_to(mask[:1], mask.shape).copy() if mask.shape[0] > 1 else mask


@UNIT.exercise("dropout_forward(x, p, rng, train)", points={"mask": 1, "chance": 2, "eval": 1})
class DropoutForward:
    cases = dropout_cases
    probe = dropout_probe
    judge = dropout_judge
    oracle = ref.dropout
    bugs = (
        Bug(
            "keep and drop swapped",
            "p is the chance to be dropped. You keep with the chance p: that is the opposite for every p but 0.5.",
            dropout_with(p=lambda p: 1 - p if p else p),
            (dropout_with(mask=_swapped_chance),),
        ),
        Bug(
            "unscaled",
            "What is kept has to be scaled by 1 / (1 - p), so that on average as much arrives as without dropout. Then "
            "nothing is left to do in eval mode: that is why it is called inverted dropout.",
            dropout_with(mask=lambda mask, p: mask != 0),
        ),
        Bug(
            "active in eval",
            "With train False nothing may be dropped or scaled: out is x, and the mask is all ones.",
            dropout_with(train=lambda train: True),
            (dropout_with(train=lambda train: not train),),
        ),
        Bug(
            "the same mask every time",
            "Every call drops the same values: a generator was made, or seeded, inside the function. Draw from the rng "
            "that is handed in; it goes on by itself.",
            dropout_with(rng=lambda rng: np.random.default_rng(0)),
        ),
        Bug(
            "rng not used",
            "The mask does not come from rng, so a run cannot be repeated. Draw from rng.random, not from np.random.",
            dropout_with(rng=lambda rng: np.random.default_rng()),
        ),
        Bug(
            "one draw for many values",
            "You draw a row of the mask and use it for all of the batch. Each value of x has a draw of its own: draw "
            "with the shape of x.",
            dropout_with(mask=_one_row),
        ),
        Bug(
            "out is not x times mask",
            "out and mask do not belong together: out should be x * mask, with the scaling in the mask. The backward "
            "pass will use that very mask.",
            dropout_with(out=lambda x, mask, p: x * mask * (1 - p)),
            (dropout_with(out=lambda x, mask, p: x * mask / (1 - p)),),
        ),
    )


@UNIT.exercise("dropout_backward(dout, mask)", points={"basics": 1})
class DropoutBackward:
    def cases(rng):
        for shape, p, dtype, layout, readonly in (
            ((4, 5), 0.5, "float64", "C", False),
            ((4, 5), 0.5, "float64", "C", True),
            ((5, 4), 0.2, "float32", "transposed", False),
            ((2, 3, 4, 5), 0.8, "float64", "channels last", True),
            ((3, 2, 5, 4), 0.3, "float32", "C", True),
            ((12,), 0.6, "float64", "slice", False),
            ((1, 1), 0.0, "float64", "C", False),
            ((3, 3), 0.0, "float32", "slice", False),
        ):
            mask = (rng.random(shape) >= p) / (1 - p)
            mask.reshape(-1)[0] = 1 / (1 - p)  # none is empty
            mask.reshape(-1)[1:2] = 0
            yield Case("basics", (draw(rng, shape, dtype), mask.astype(dtype)), layout=layout, readonly=readonly)
        yield Case("basics", (draw(rng, (3, 4)), np.ones((3, 4))))  # of a pass in eval mode

    def oracle(dout, mask):
        return ref.dropout_backward(dout, mask)

    bugs = (
        Bug(
            "mask ignored",
            "All of dout goes through. What was dropped had no part in the output, so nothing flows back there; what "
            "was kept counted 1 / (1 - p) times. The mask says both.",
            lambda dout, mask: dout.copy(),
        ),
        Bug(
            "scaling lost",
            "The right values are kept, but not scaled. The mask holds 1 / (1 - p) for what was kept, and the gradient "
            "is scaled by it as the value was.",
            lambda dout, mask: np.where(mask != 0, dout, 0).astype(dout.dtype),
        ),
        Bug(
            "scaled twice",
            "The mask is scaled already. Multiply by it, once.",
            lambda dout, mask: ref.dropout_backward(ref.dropout_backward(dout, mask), mask),
        ),
        Bug(
            "divided by the scale",
            "The gradient is multiplied by the mask, as the value was on the way forward, not divided.",
            lambda dout, mask: np.where(mask != 0, dout / np.where(mask != 0, mask, 1), 0).astype(dout.dtype),
        ),
        Bug(
            "kept and dropped swapped",
            "The gradient flows where the mask is 0, which is where the value was dropped. It flows where it is not.",
            lambda dout, mask: np.where(mask == 0, dout, 0).astype(dout.dtype),
        ),
    )


# Augmentation

SIDE = 40
BLOBS = ((-7.0, 1.0), (1.0, 4.5), (6.0, -5.5))
"""Where the blobs of a test picture are, one in each channel, (down, right) from its middle.

They form a triangle with three different sides and its centre in the middle, which tells how the picture was moved: its
centre how far, its sides in which direction, and whether they go round the other way, if it was flipped.
"""
SIGMA = 2.0


def blobs(n):
    """``(n, 3, SIDE, SIDE)``: the triangle, and in each picture brighter than in the one before."""
    places = np.arange(SIDE) - (SIDE - 1) / 2
    down, right = (np.exp(-((places - np.array(at)[:, None]) ** 2) / (2 * SIGMA**2)) for at in zip(*BLOBS, strict=True))
    picture = down[:, :, None] * right[:, None, :]
    return np.linspace(0.3, 1, n).reshape(-1, 1, 1, 1) * picture


def augment_probe(answer, images, seed, calls):
    """``answer`` on one generator ``calls`` times; then once on a fresh one of the same seed."""
    rng = np.random.default_rng(seed)
    return *(answer(images, rng) for _ in range(calls)), answer(images, np.random.default_rng(seed))


def augment_cases(rng):
    seed = lambda: int(rng.integers(1 << 31))
    for shape, dtype, layout, readonly in (
        ((5, 3, 20, 20), "float64", "C", False),
        ((4, 1, 28, 28), "float32", "C", True),
        ((1, 1, 16, 16), "float64", "C", False),
        ((3, 2, 12, 12), "float32", "channels last", False),
        ((2, 3, 17, 17), "float64", "transposed", True),
        ((3, 3, 32, 32), "float32", "slice", True),
    ):
        images = rng.uniform(0, 1, shape).astype(dtype)
        yield Case("pictures", (images, seed(), 2), layout=layout, readonly=readonly)
    for group, n, calls, dtype in (
        ("pictures", 6, 3, "float64"),
        ("draws", 6, 5, "float64"),
        ("draws", 1, 8, "float32"),
        ("moves", 16, 3, "float64"),
        ("moves", 12, 4, "float32"),
    ):
        images = blobs(n) * rng.uniform(0.8, 1)
        yield Case(group, (images[rng.permutation(n)].astype(dtype), seed(), calls), readonly=group == "draws")


def augment_judge(case, value):
    images, _, calls = case.args
    if not isinstance(value, tuple) or len(value) != calls + 1:
        return Difference("type", "augment should return an array.")
    for out in value:
        found = _picture_fault(images, out)
        if found:
            return found
    stack, again = np.array(value[:-1], np.float64), value[-1]
    if images.shape[-1] != SIDE:  # pictures of noise show nothing but this
        return None
    moved = _Moves(_found(stack))
    if moved.swapped.mean() > 0.2:
        return Difference("channels swapped", "Channels of a picture changed places: its colours are others now.")
    return {"pictures": _content_fault, "draws": _draw_fault, "moves": _move_fault}[case.group](
        images, stack, again, moved
    )


def _picture_fault(images, out):
    if not isinstance(out, np.ndarray):
        return Difference("type", f"augment should return an array; it returned {comparing.kind_of(out)}.")
    if out.shape != images.shape:
        return Difference("shape", f"The result should have the shape of images, {images.shape}; it has {out.shape}.")
    if out.dtype != images.dtype:
        return Difference("dtype", f"The result should be {images.dtype}, as images is; it is {out.dtype}.")
    if not np.isfinite(out).all():
        return Difference("value", "The result has values that are infinite or no numbers.")
    if not out.any():
        return Difference("pictures lost", "The result is 0 everywhere; nothing is left of the pictures.")
    return None


def _found(stack):
    """Where the blobs of pictures ``(..., 3, S, S)`` are, ``(..., 3, 2)``: the middle of what is bright there."""
    bright = np.clip(stack - np.median(stack, (-2, -1), keepdims=True), 0, None)
    bright = np.where(bright > bright.max((-2, -1), keepdims=True) / 2, bright, 0)
    places = np.arange(stack.shape[-1]) - (stack.shape[-1] - 1) / 2
    with np.errstate(invalid="ignore"):  # nowhere in a channel that is black
        return np.stack([bright.sum(-1) @ places, bright.sum(-2) @ places], -1) / bright.sum((-2, -1))[..., None]


def _triangle(where, was):
    """Whether three points have the form of three others, in any size: ``(..., 3, 2)`` to ``(...)``."""
    sides = lambda points: np.linalg.norm(points - np.roll(points, 1, -2), axis=-1)
    lengths, expected = sides(where), sides(was)
    with np.errstate(invalid="ignore"):
        scale = lengths.sum(-1) / expected.sum()
        off = np.abs(lengths - scale[..., None] * expected).max(-1)
        return (off < 0.8) & (scale > 0.4) & (scale < 2.5)


class _Moves:
    """How pictures were moved, from where their blobs are now, ``(calls, n, 3, 2)``.

    Attributes:
        whole: whether the triangle is still one of that form, of any size, ``(calls, n)``; the others are about these.
        swapped: whether it would be if the channels changed places.
        flipped: whether it goes round the other way.
        turn: the direction of its first side, in degrees.
        shift: where its centre is, ``(calls, n, 2)``.
    """

    def __init__(self, where):
        was = np.array(BLOBS)
        self.whole = _triangle(where, was)
        self.swapped = np.any([_triangle(np.roll(where, step, -2), was) for step in (1, 2)], 0)
        first, second = where[..., 1, :] - where[..., 0, :], where[..., 2, :] - where[..., 0, :]
        around = lambda a, b: a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
        self.flipped = np.sign(around(first, second)) != np.sign(around(was[1] - was[0], was[2] - was[0]))
        self.turn = np.degrees(np.arctan2(first[..., 0], first[..., 1]))
        self.shift = where.mean(-2)

    def turns(self, of):
        """By how many degrees the directions of some of the pictures differ, flipped ones apart from the others."""
        widths = [0.0]
        for side in (False, True):
            angles = self.turn[of & self.whole & (self.flipped == side)]
            if len(angles):
                away = (angles - angles[0] + 180) % 360 - 180
                widths.append(np.ptp(away))
        return max(widths)

    def shifts(self, of):
        """By how many pixels the places of some of the pictures differ, along one axis."""
        places = self.shift[of & self.whole]
        return np.ptp(places, axis=0).max() if len(places) else 0.0

    def flips(self, of):
        """Whether some of the pictures are flipped and some not."""
        return len(set(self.flipped[of & self.whole].tolist())) == 2

    def alike(self, of):
        """Whether all of some pictures were moved in one and the same way, as far as can be seen of three or more."""
        if (of & self.whole).sum() < 3:
            return False
        return not (self.flips(of) or self.turns(of) > LEAST_TURN or self.shifts(of) > LEAST_SHIFT)


LEAST_TURN, LEAST_SHIFT = 1.2, 0.9


def _content_fault(images, stack, again, moved):
    peaks = stack.max((-2, -1)).mean(-1).mean(0) / images.max((-2, -1)).mean(-1)
    if (peaks < 0.6).any() or (peaks > 1.4).any() or moved.whole.mean() < 0.1:
        if moved.whole.mean() >= 0.1:
            return Difference("pictures mixed up", "A picture comes back with the brightness of another one.")
        text = "The channels of a picture no longer fit together: they should move as one."
        return Difference("channels drawn apart", text)
    return None


def _draw_fault(images, stack, again, moved):
    calls, n = moved.whole.shape
    if not np.allclose(stack[0], again, atol=1e-6):
        return Difference("rng not used", SAME_CALLS)
    if np.allclose(stack, images, atol=1e-6):
        return Difference("nothing moves", "Every picture comes back as it went in, in every call.")
    if np.allclose(stack, stack[0], atol=1e-6):
        return Difference("the same draws every time", NO_NEWS)
    all_ = np.ones((calls, n), bool)
    if n > 1:
        rows = [np.arange(calls)[:, None] == call for call in range(calls)]
        if all(moved.alike(all_ & row) for row in rows):
            return Difference("one draw for the batch", "All pictures of a batch were moved in the same way.")
    for picture in range(n):
        if moved.alike(all_ & (np.arange(n) == picture)):
            return Difference("a picture left out", f"Picture {picture} was moved in the same way {calls} times.")
    return None


def _move_fault(images, stack, again, moved):
    calls, n = moved.whole.shape
    if moved.whole.mean() < 0.1:
        text = "The channels of a picture no longer fit together: they should move as one."
        return Difference("channels drawn apart", text)
    everything = np.ones((calls, n), bool)
    if moved.whole.sum() < 20:  # too few to say what is missing
        return None
    rows = [everything & (np.arange(calls)[:, None] == call) for call in range(calls)]
    for what, differ, text in (
        ("flip", moved.flips, "flipped, and some not"),
        ("rotation", lambda of: moved.turns(of) > LEAST_TURN, "turned in one direction, others in another"),
        ("shift", lambda of: moved.shifts(of) > LEAST_SHIFT, "shifted to one side, others to another"),
    ):
        if not any(differ(row) for row in rows):
            if calls > 1 and differ(everything):
                return Difference(f"one {what} for the batch", f"All pictures of a batch got the same {what}.")
            return Difference(f"no {what}", f"Of {n} pictures, some should be {text}. That was not so.")
    return None


def augment_with(without="", shared="", channels=False, rng=lambda rng: rng, axes=(-2, -1)):
    """Flips, quarter turns and shifts that wrap around, with a twist.

    Args:
        without: which of "flip turn shift" is not done.
        shared: of which there is one draw for the batch.
        channels: whether each channel has draws of its own.
        rng: which generator to use for the one handed in.
        axes: along which a picture (C, H, W) is shifted.
    """

    def answer(images, given):
        generator = rng(given)
        draw = lambda: {
            "flip": generator.integers(2),
            "turn": generator.integers(4),
            "shift": generator.integers(-2, 3, 2),
        }
        for_all, out = draw(), np.array(images)
        for image in out:
            drawn = draw() | {name: for_all[name] for name in shared.split()}
            for plane in np.split(image, len(image)) if channels else [image]:
                drawn = draw() if channels else drawn
                moved = plane[..., ::-1] if drawn["flip"] and without != "flip" else plane
                moved = np.rot90(moved, drawn["turn"], (-2, -1)) if without != "turn" else moved
                plane[...] = np.roll(moved, drawn["shift"], axes) if without != "shift" else moved
        return out

    return answer


def _reshaped(images, rng):
    return np.pad(ref.augment(images, rng), ((0, 0), (0, 0), (2, 2), (2, 2)))


@UNIT.exercise("augment(images, rng)", points={"pictures": 1, "draws": 2, "moves": 2})
class Augment:
    cases = augment_cases
    probe = augment_probe
    judge = augment_judge
    oracle = ref.augment
    bugs = (
        Bug(
            "the same draw for the batch",
            "All pictures of a batch are moved in the same way. Draw for each picture by itself, or the network sees a "
            "batch at a time that leans to one side.",
            augment_with(shared="flip turn shift"),
        ),
        Bug(
            "shape changed",
            "The pictures have another size than before, and the network would not take them. What is turned or "
            "shifted out of the frame is cut off, and what comes in is filled.",
            _reshaped,
        ),
        Bug(
            "dtype changed",
            "float32 came in and float64 goes out: that doubles the memory, and torch will refuse to multiply it with "
            "float32 weights. Fill an array like images, or convert at the end.",
            lambda images, rng: ref.augment(images, rng).astype(np.float64),
        ),
        Bug(
            "channels drawn apart",
            "Each channel of a picture moves by itself, so that its colours come apart. The channels are one picture: "
            "one draw for all of them.",
            augment_with(channels=True),
        ),
        Bug(
            "channels swapped",
            "Your shift moves the channels round as well: in a picture (C, H, W) axis 0 is that of the channels. Shift "
            "along the last two axes.",
            augment_with(axes=(0, 1)),
            (augment_with(axes=(0, 2)),),
        ),
        Bug(
            "nothing moves",
            "Your pictures come back as they went in. Each should be flipped, turned and shifted at random; a shift or "
            "a turn of which the result is not kept changes nothing.",
            lambda images, rng: images.copy(),
        ),
        Bug(
            "the same draws every time",
            "Each call moves the pictures in the same way: a generator was made, or seeded, inside the function. Draw "
            "from the rng that is handed in.",
            augment_with(rng=lambda rng: np.random.default_rng(0)),
        ),
        Bug(
            "rng not used",
            "The draws do not come from rng, so a run cannot be repeated. Use rng.integers and so on, not np.random.",
            augment_with(rng=lambda rng: np.random.default_rng()),
        ),
        Bug(
            "no flip",
            "No picture comes back as its mirror image. Flip about half of them.",
            augment_with(without="flip"),
        ),
        Bug("no rotation", "No picture is turned against the others.", augment_with(without="turn")),
        Bug("no shift", "The pictures stay where they are. Shift each by some pixels.", augment_with(without="shift")),
        Bug(
            "one flip for the batch",
            "Either all pictures of a batch are flipped or none. Draw for each picture by itself.",
            augment_with(shared="flip"),
        ),
        Bug(
            "one rotation for the batch",
            "All pictures of a batch are turned by the same angle. Draw an angle for each picture.",
            augment_with(shared="turn"),
        ),
        Bug(
            "one shift for the batch",
            "All pictures of a batch are shifted by the same way. Draw a shift for each picture.",
            augment_with(shared="shift"),
        ),
    )


# Splits


def split_probe(answer, n, fractions, seed):
    """``answer`` with a generator; then with the same one again; then with a fresh one of the same seed."""
    rng = np.random.default_rng(seed)
    split = lambda rng: answer(n, fractions, rng)
    return split(rng), split(rng), split(np.random.default_rng(seed))


def split_cases(rng):
    seed = lambda: int(rng.integers(1 << 31))
    for group in ("sizes", "complete", "shuffled"):
        for n, fractions in (
            (100, (0.8, 0.1, 0.1)),
            (1000, (0.6, 0.2, 0.2)),
            (97, (0.7, 0.15, 0.15)),
            (1797, (0.7, 0.2, 0.1)),
            (61, [0.5, 0.25, 0.25]),
            (50, (0.1, 0.3, 0.6)),
            (int(rng.integers(40, 400)), (0.34, 0.33, 0.33)),
            (int(rng.integers(40, 400)), (0.9, 0.05, 0.05)),
        ):
            yield Case(group, (n, fractions, seed()))
    yield Case("sizes", (10, (0.5, 0.3, 0.2), seed()))
    yield Case("complete", (3, (0.4, 0.3, 0.3), seed()))
    yield Case("complete", (7, (0.33, 0.33, 0.34), seed()))
    yield Case("sizes", (80, (0.75, 0.25, 0.0), seed()))
    yield Case("complete", (1, (0.8, 0.1, 0.1), seed()))


def split_judge(case, value):
    n, fractions, _ = case.args
    if not isinstance(value, tuple) or len(value) != 3:
        return Difference("type", "split_indices should return three index arrays.")
    splits = []
    for split in value:
        found, parts = _index_arrays(split, n)
        if found:
            return found
        splits.append(parts)
    first, second, again = splits
    judge = {"sizes": _size_fault, "complete": _members_fault, "shuffled": _shuffle_fault}[case.group]
    return judge(n, fractions, first, second, again)


def _index_arrays(split, n):
    """A Difference or None, and the three arrays."""
    if not isinstance(split, tuple) or len(split) != 3:
        return Difference("type", "split_indices should return three index arrays."), None
    try:
        parts = [np.asarray(part) for part in split]
    except ValueError:
        return Difference("type", "Each of the three should be a flat array of indices."), None
    parts = [part if part.size else np.zeros(0, int) for part in parts]
    for part in parts:
        if part.ndim != 1 or part.dtype.kind not in "iu":
            what = comparing.kind_of(part)
            return Difference(
                "type", f"Each of the three should be a flat array of whole numbers; one is {what}."
            ), None
        if part.size and (part.min() < 0 or part.max() >= n):
            text = f"With n = {n} the indices go from 0 to {n - 1}; there is {part.min()} or {part.max()} among yours."
            return Difference("not an index", text), None
    return None, parts


def _size_fault(n, fractions, first, *_):
    for number, (part, share) in enumerate(zip(first, fractions, strict=True)):
        if abs(len(part) - n * share) > 2:
            text = f"Part {number} of {n} with a fraction of {share:g} should have {n * share:.0f}; it has {len(part)}."
            return Difference("other sizes", text)
    return None


def _members_fault(n, fractions, first, *_):
    together = np.concatenate(first)
    counts = np.bincount(together.astype(np.int64), minlength=n)
    if counts.max(initial=0) > 1:
        text = f"Index {counts.argmax()} occurs {counts.max()} times. The three parts may not share anything."
        return Difference("overlap", text)
    if len(together) < n:
        text = f"{n - len(together)} of {n} indices are in no part; {int(np.argmin(counts))} is one of them."
        return Difference("items lost", text)
    return None


def _shuffle_fault(n, fractions, first, second, again):
    # Which indices a part has; their order within it does not matter. A part of a few may be in a row by chance.
    large = [number for number in range(3) if len(first[number]) >= 6]
    sets, others = ([np.sort(part) for part in split] for split in (first, second))
    for part in (sets[number] for number in large):
        if part[-1] - part[0] == len(part) - 1:
            text = f"One part has the indices {part[0]} to {part[-1]}, all in a row. Data often come sorted: shuffle."
            return Difference("not shuffled", text)
    if any(np.array_equal(sets[number], others[number]) for number in large):
        return Difference("the same split every time", NO_NEWS)
    if not all(map(np.array_equal, first, again)):
        return Difference("rng not used", SAME_CALLS)
    return None


def split_with(order=None, cut=None, rng=lambda rng: rng):
    """A split with a twist: other numbers, ``order(n, rng)``, or cut in another way, ``cut(order, fractions)``."""

    def answer(n, fractions, rng_):
        rng_ = rng(rng_)
        numbers = order(n, rng_) if order else np.concatenate(ref.split_indices(n, fractions, rng_))
        return (cut or _cut)(numbers, fractions)

    return answer


def _cut(numbers, fractions):
    return np.split(numbers, [round(len(numbers) * share) for share in np.cumsum(fractions)[:-1]])


def _overlapping(numbers, fractions):
    train, dev, test = _cut(numbers, fractions)
    return train, np.append(dev, train[:1]), test


def _losing(numbers, fractions):
    train, dev, test = _cut(numbers, fractions)
    return train, dev, test[:-1] if len(test) else test


def _each_rounded_down(numbers, fractions):
    sizes = [int(len(numbers) * share) for share in fractions]
    starts = np.cumsum([0, *sizes])
    return tuple(numbers[start : start + size] for start, size in zip(starts, sizes, strict=False))


@UNIT.exercise("split_indices(n, fractions, rng)", points={"sizes": 1, "complete": 1, "shuffled": 1})
class SplitIndices:
    cases = split_cases
    probe = split_probe
    judge = split_judge
    oracle = ref.split_indices
    bugs = (
        Bug(
            "overlap",
            "Some index is in two parts. A picture that was trained on must not be tested with: shuffle all the "
            "numbers once and cut that array into three.",
            split_with(cut=_overlapping),
            (
                lambda n, fractions, rng: tuple(rng.permutation(n)[: round(n * share)] for share in fractions),
                lambda n, fractions, rng: tuple(rng.integers(0, n, round(n * share)) for share in fractions),
            ),
        ),
        Bug(
            "items lost",
            "Some index is in no part. Where n * fraction is no whole number, three parts that are rounded down leave "
            "some over: let the last part take all that is left.",
            split_with(cut=_losing),
            (split_with(cut=_each_rounded_down),),
        ),
        Bug(
            "not shuffled",
            "The parts are blocks of neighbours. Data often come in an order, all the zeros first or one writer after "
            "the other, and the parts would be of different kinds.",
            split_with(order=lambda n, rng: np.arange(n)),
            (split_with(order=lambda n, rng: np.arange(n)[::-1].copy()),),
        ),
        Bug(
            "the same split every time",
            "A generator was made, or seeded, inside the function. Shuffle with the rng that is handed in.",
            split_with(order=lambda n, rng: np.random.default_rng(0).permutation(n)),
        ),
        Bug(
            "rng not used",
            "The order does not come from rng, so a run cannot be repeated. Use rng.permutation, not np.random.",
            split_with(order=lambda n, rng: np.random.default_rng().permutation(n)),
        ),
        Bug(
            "other sizes",
            "The parts have other sizes than asked for: n times each of the fractions, in their order.",
            split_with(cut=lambda numbers, fractions: _cut(numbers, fractions[::-1])),
            (split_with(cut=lambda numbers, fractions: _cut(numbers, (1 / 3, 1 / 3, 1 / 3))),),
        ),
    )
