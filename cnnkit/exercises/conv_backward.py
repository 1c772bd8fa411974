"""Unit 05: the gradients of a convolution layer, by windows, by mirrored kernels and by matrix products."""

import numpy as np

import cnnkit as ck
from cnnkit.cases import Case
from cnnkit.exercises.conv_forward import LARGE
from cnnkit.exercises.drawing import Geometry, draw, geometries
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("05-conv-backward")


def layers(rng):
    """The convolutions of ``drawing.geometries`` that fit, and those in which a way back can go wrong by itself."""
    yield from (g for g in geometries(rng) if not g.raises)
    yield Geometry("basics", 2, 3, 3, 4, 6, 2, 3)  # as many filters as channels
    yield Geometry("stride", 3, 2, 2, 8, 9, 3, 2, stride=3)  # a tail of two rows, of one column
    yield Geometry("stride", 2, 3, 4, 7, 8, 2, 2, stride=3, dtype="float32")  # pixels between the windows
    yield Geometry("padding", 3, 2, 4, 5, 6, 2, 3, stride=3, pad=1)  # a tail that is longer than the padding
    yield Geometry("padding", 2, 4, 3, 6, 5, 3, 2, stride=2, pad=2, dtype="float32")  # one that lies in the padding
    yield Geometry("padding", 2, 3, 4, 3, 4, 2, 2, pad=4)  # windows that see nothing but padding
    yield Geometry("padding", 2, 3, 3, 6, 6, 3, 3, stride=2, pad=1)


def output_of(g):
    """Height and width of the output of a layer."""
    return ck.oracle.output_size((g.h, g.w), (g.kh, g.kw), g.stride, g.pad)


def upstream(rng, g):
    """A gradient for the output of a layer: ``(N, F, OH, OW)``."""
    return draw(rng, (g.n, g.f, *output_of(g)), g.dtype, g.whole)


# The gradients, each by itself.


def _db(dout):
    return dout.sum((0, 2, 3))


def _dw(x, dout, kh, kw, stride=1, pad=0):
    return ck.oracle.conv_backward_w(x, dout, kh, kw, stride, pad)


def _dx(dout, w, x_shape, stride=1, pad=0):
    return ck.oracle.conv_backward_x(dout, w, x_shape, stride, pad)


def _grown(x_shape, pad):
    n, c, h, w = x_shape
    return n, c, h + 2 * pad, w + 2 * pad


def _spanned(windows, k, stride):
    """Length of the stretch from the first to the last pixel under windows on one side."""
    return (windows - 1) * stride + k


# What a window of each gradient was computed from, for the message beside a wrong value.


def _panels_b(dout, index):
    f = index[-1]
    return [(f"dout[{n}, {f}]", dout[n, f]) for n in range(min(2, len(dout)))]


def _panels_w(x, dout, stride, pad, index):
    f, c, u, v = index
    oh, ow = dout.shape[2:]
    padded = ck.oracle.zero_pad(x, pad)
    met = padded[0, c, u : u + stride * oh : stride, v : v + stride * ow : stride]
    return [(f"what w[{f}, {c}, {u}, {v}] met in x[0, {c}]", met), (f"dout[0, {f}]", dout[0, f])]


def _panels_x(dout, w, stride, pad, index):
    n, c, i, j = index
    kh, kw = w.shape[2:]
    spread = ck.oracle.zero_pad(ck.oracle.insert_zeros(dout[n : n + 1], stride), (kh - 1, kw - 1))[0]
    spread = np.pad(spread, ((0, 0), (0, kh + stride), (0, kw + stride)))  # for the tail
    shown = []
    for f in range(min(2, len(w))):
        under = spread[f, i + pad : i + pad + kh, j + pad : j + pad + kw]
        shown += [(f"dout[{n}, {f}], zeros inserted", under), (f"w[{f}, {c}], mirrored", w[f, c, ::-1, ::-1])]
    return shown


def _moves(case, *names):
    return [case.kwargs.get(name, {"stride": 1, "pad": 0}[name]) for name in names]


# Known bugs. Each list holds answers to the exercise about one gradient; ``conv_backward`` builds on them.

BROKEN_AT_PAD_0 = (
    "With pad = 0 your result is empty: in Python -0 is 0, so the slice [pad:-pad] ends where it begins. Write its end "
    "as pad + H."
)

BUGS_B = (
    Bug(
        "mean for sum",
        "You averaged. The bias is added to every output of its filter, in every image, so its gradient is the sum "
        "over all of them: whoever wants a mean divides in the loss.",
        lambda dout: dout.mean((0, 2, 3)),
        (lambda dout: dout.sum((2, 3)).mean(0), lambda dout: dout.mean((2, 3)).sum(0)),
    ),
    Bug(
        "an axis missing from the sum",
        "One bias serves every image, every row and every column, so three axes go and one stays: the filters.",
        lambda dout: dout.sum((2, 3)),
        (
            lambda dout: dout.sum(0),
            lambda dout: dout.sum((0, 2)),
            lambda dout: dout.sum((0, 3)),
            lambda dout: dout.sum((0, 1)),
        ),
    ),
    Bug(
        "summed over the filters",
        "You kept the wrong axis. Each filter has a bias of its own, and the filters are axis 1 of dout.",
        lambda dout: dout.sum((1, 2, 3)),
        (lambda dout: dout.sum(), lambda dout: dout.sum((0, 1, 2)), lambda dout: dout.sum((0, 1, 3))),
    ),
    Bug(
        "one image only",
        "Your sum holds one image. The bias serves the whole batch, so the images are added up, too.",
        lambda dout: _db(dout[-1:]),
        (lambda dout: _db(dout[:1]),),
    ),
    Bug(
        "shape (1, F)",
        "Your numbers are right and have an axis too many. b has the shape (F,), and its gradient has the shape of b: "
        "no keepdims.",
        lambda dout: _db(dout)[None],
        (lambda dout: _db(dout)[:, None], lambda dout: _db(dout)[None, :, None, None]),
    ),
    Bug(
        "axis lost where F is 1",
        "With a single filter your result has no axis left: squeeze drops every axis of length 1, the filters', too. b "
        "has the shape (F,), also where F is 1. Sum over axes 0, 2 and 3, and nothing has to be squeezed.",
        lambda dout: _db(dout).squeeze(),
    ),
)


def _last_window(x, dout, kh, kw, stride=1, pad=0):
    last = np.zeros_like(dout)
    last[-1, :, -1, -1] = dout[-1, :, -1, -1]
    return _dw(x, last, kh, kw, stride, pad)


def _last_window_of_each_image(x, dout, kh, kw, stride=1, pad=0):
    last = np.zeros_like(dout)
    last[:, :, -1, -1] = dout[:, :, -1, -1]
    return _dw(x, last, kh, kw, stride, pad)


def _unpadded(x, dout, kh, kw, stride=1, pad=0):
    """Only the windows that lie in the unpadded image."""
    oh, ow = (max(0, (n - k) // stride + 1) for n, k in zip(x.shape[2:], (kh, kw), strict=True))
    if not oh or not ow:
        return np.zeros((dout.shape[1], x.shape[1], kh, kw), x.dtype)
    return _dw(x, dout[:, :, :oh, :ow], kh, kw, stride)


def _padded_behind(x, dout, kh, kw, stride=1, pad=0):
    return _dw(np.pad(x, ((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad))), dout, kh, kw, stride)


def _unpadded_smaller(x, dout, kh, kw, stride=1, pad=0):
    """All of dout slid over the unpadded image, which has fewer places for it."""
    spread = ck.oracle.insert_zeros(dout, stride)
    places = (n - o + 1 for n, o in zip(x.shape[2:], spread.shape[2:], strict=True))
    return _dw(x, spread, *map(min, (kh, kw), places))


def _w_stride_ignored(x, dout, kh, kw, stride=1, pad=0):
    oh, ow = dout.shape[2:]
    return _dw(ck.oracle.zero_pad(x, pad)[:, :, : oh + kh - 1, : ow + kw - 1], dout, kh, kw)


def _w_every_place(x, dout, kh, kw, stride=1, pad=0):
    """dout slid over all of the padded image, one pixel at a time."""
    padded = ck.oracle.zero_pad(x, pad)
    return _dw(padded, dout, *(n - o + 1 for n, o in zip(padded.shape[2:], dout.shape[2:], strict=True)))


BUGS_W = (
    Bug(
        "dw flipped",
        "Your dw is mirrored. Nothing is mirrored here: w[u, v] met the pixel at row i + u, column j + v "
        "of the window at (i, j), with the same signs as on the way forward. Only dx takes a mirrored kernel.",
        lambda *a, **k: _dw(*a, **k)[:, :, ::-1, ::-1],
        (lambda *a, **k: _dw(*a, **k)[:, :, ::-1], lambda *a, **k: _dw(*a, **k)[:, :, :, ::-1]),
    ),
    Bug(
        "dw transposed",
        "Axes of your dw are swapped. It has the shape and the order of w: filter, channel, kernel row, kernel column.",
        lambda *a, **k: _dw(*a, **k).swapaxes(2, 3),
        (
            lambda *a, **k: _dw(*a, **k).swapaxes(0, 1),
            lambda *a, **k: _dw(*a, **k).swapaxes(0, 1).reshape(_dw(*a, **k).shape),
        ),
    ),
    Bug(
        "one image only",
        "Your dw is that of a single image. The filters serve the whole batch, so what they get from each image is "
        "added up: += where a loop over images now has =.",
        lambda x, dout, *a, **k: _dw(x[-1:], dout[-1:], *a, **k),
        (lambda x, dout, *a, **k: _dw(x[:1], dout[:1], *a, **k),),
    ),
    Bug(
        "dw of one window only",
        "Your dw holds what a single window adds to it: an assignment overwrites what the windows before it gave. A "
        "weight gets something from every window that it was used in, and all of it is added up.",
        _last_window,
        (_last_window_of_each_image,),
    ),
    Bug(
        "divided by N",
        "Your dw is divided by the number of images or of windows. Gradients from several places add up; where the "
        "loss is a mean, its own gradient has the division in it already.",
        lambda x, *a, **k: _dw(x, *a, **k) / len(x),
        (lambda x, dout, *a, **k: _dw(x, dout, *a, **k) / (len(x) * dout[0, 0].size),),
    ),
    Bug(
        "unpadded x",
        "The windows on the way forward lay on the padded image, so dw needs the padded image, too.",
        _unpadded,
        (_padded_behind, _unpadded_smaller),
    ),
    Bug(
        "stride ignored in dw",
        "You slid over the image pixel by pixel, but the windows of the forward pass lay stride pixels apart: dout[i, "
        "j] belongs to the window that starts at row i stride, column j stride.",
        _w_stride_ignored,
        (_w_every_place,),
    ),
)


def _channels_as_filters(dout, w, *a, **k):
    if w.shape[0] != w.shape[1]:
        raise IndexError(f"{w.shape[1]} filters for {w.shape[0]} maps")
    return _dx(dout, w.swapaxes(0, 1), *a, **k)


def _reshaped_filters(dout, w, *a, **k):
    f, c, kh, kw = w.shape
    return _dx(dout, w.reshape(c, f, kh, kw).swapaxes(0, 1), *a, **k)


def _uncropped(dout, w, x_shape, stride=1, pad=0):
    return _dx(dout, w, _grown(x_shape, pad), stride)


def _x_from_the_corner(dout, w, x_shape, stride=1, pad=0):
    return _uncropped(dout, w, x_shape, stride, pad)[:, :, : x_shape[2], : x_shape[3]]


def _x_from_the_other_corner(dout, w, x_shape, stride=1, pad=0):
    return _uncropped(dout, w, x_shape, stride, pad)[:, :, 2 * pad :, 2 * pad :]


def _x_cut_by_minus_pad(dout, w, x_shape, stride=1, pad=0):
    return _uncropped(dout, w, x_shape, stride, pad)[:, :, pad:-pad, pad:-pad]


def _seen_rows(dout, w, stride, pad):
    """Height and width that a transposed convolution gives, which knows nothing of a tail."""
    return [_spanned(o, k, stride) - 2 * pad for o, k in zip(dout.shape[2:], w.shape[2:], strict=True)]


def _x_without_tail(dout, w, x_shape, stride=1, pad=0):
    rows, columns = _seen_rows(dout, w, stride, pad)
    return _dx(dout, w, x_shape, stride, pad)[:, :, : max(0, rows), : max(0, columns)]


def _x_tail_zeroed(dout, w, x_shape, stride=1, pad=0):
    rows, columns = _seen_rows(dout, w, stride, pad)
    dx = _dx(dout, w, x_shape, stride, pad)
    dx[:, :, max(0, rows) :] = 0
    dx[:, :, :, max(0, columns) :] = 0
    return dx


def _x_tail_in_front(dout, w, x_shape, stride=1, pad=0):
    rows, columns = _seen_rows(dout, w, stride, pad)
    return np.roll(_dx(dout, w, x_shape, stride, pad), (x_shape[2] - rows, x_shape[3] - columns), (2, 3))


COUNTS_HINT = (
    "You averaged over the windows that cover a pixel. That would undo im2col, but a gradient has to be its adjoint: "
    "what was copied four times gets four gradients, and they add up."
)


def _x_overwritten(order):
    """Where windows overlap, the one that comes last wins."""

    def answer(dout, w, x_shape, stride=1, pad=0):
        dx = np.zeros(x_shape, dout.dtype)
        for u, v in list(np.ndindex(w.shape[2:]))[::order]:
            tap = np.zeros_like(w)
            tap[:, :, u, v] = 1
            written = _dx(np.ones_like(dout), tap, x_shape, stride, pad) > 0
            dx = np.where(written, _dx(dout, tap * w, x_shape, stride, pad), dx)
        return dx

    return answer


def _x_averaged(dout, w, x_shape, stride=1, pad=0):
    covered = np.ones((w[0].size, dout[:, 0].size), dout.dtype)
    counts = ck.oracle.col2im(covered, x_shape, *w.shape[2:], stride, pad)
    return _dx(dout, w, x_shape, stride, pad) / np.maximum(counts, 1)


def _x_stride_ignored(dout, w, x_shape, stride=1, pad=0):
    """The full correlation of dout as it is, in the upper left corner of the padded image."""
    n, c = x_shape[:2]
    side = [_spanned(o, k, 1) for o, k in zip(dout.shape[2:], w.shape[2:], strict=True)]
    dx = np.zeros(_grown(x_shape, pad), dout.dtype)
    dx[:, :, : side[0], : side[1]] = _dx(dout, w, (n, c, *side))
    return dx[:, :, pad : pad + x_shape[2], pad : pad + x_shape[3]]


def _x_stride_ignored_smaller(dout, w, x_shape, stride=1, pad=0):
    side = [_spanned(o, k, 1) for o, k in zip(dout.shape[2:], w.shape[2:], strict=True)]
    dx = _dx(dout, w, (*x_shape[:2], *side))
    return dx[:, :, pad : side[0] - pad, pad : side[1] - pad]


def _x_padded_by_pad(dout, w, x_shape, stride=1, pad=0):
    spread = ck.oracle.zero_pad(ck.oracle.insert_zeros(dout, stride), pad)
    return ck.oracle.conv2d(spread, w[:, :, ::-1, ::-1].swapaxes(0, 1))


def _x_square_ring(dout, w, x_shape, stride=1, pad=0):
    """A ring of kh - 1 zeros on all four sides, whatever kw is."""
    ring = w.shape[2] - 1
    spread = ck.oracle.zero_pad(ck.oracle.insert_zeros(dout, stride), ring)
    full = ck.oracle.conv2d(spread, w[:, :, ::-1, ::-1].swapaxes(0, 1))
    dx = np.zeros(_grown((*x_shape[:2], *map(max, full.shape[2:], x_shape[2:])), pad), dout.dtype)
    dx[:, :, : full.shape[2], : full.shape[3]] = full
    return dx[:, :, pad : pad + x_shape[2], pad : pad + x_shape[3]]


def _x_no_negative_pad(dout, w, x_shape, stride=1, pad=0):
    rows, columns = (min(pad, k - 1) for k in w.shape[2:])
    h, width = _grown(x_shape, pad)[2:]
    return _uncropped(dout, w, x_shape, stride, pad)[:, :, rows : h - rows, columns : width - columns]


def _x_no_negative_pad_cut(dout, w, x_shape, stride=1, pad=0):
    return _x_no_negative_pad(dout, w, x_shape, stride, pad)[:, :, : x_shape[2], : x_shape[3]]


BUGS_X = (
    Bug(
        "kernel not flipped",
        "You used the kernel the right way round, and dout should meet the mirrored one: the pixel that lies under the "
        "kernel's first weight in this window lay under its last in an earlier one. Both axes are turned.",
        lambda dout, w, *a, **k: _dx(dout, w[:, :, ::-1, ::-1], *a, **k),
        (
            lambda dout, w, *a, **k: _dx(dout, w[:, :, ::-1], *a, **k),
            lambda dout, w, *a, **k: _dx(dout, w[:, :, :, ::-1], *a, **k),
        ),
    ),
    Bug(
        "F and C not swapped",
        "On the way back the maps of dout are the input and the channels of x the output, so the two first axes of w "
        "change places. Move them, axis for axis: a reshape mixes up the weights.",
        _channels_as_filters,
        (_reshaped_filters,),
    ),
    Bug(
        "one filter only",
        "Your dx holds the contribution of a single filter: an assignment in the loop over filters overwrites the "
        "others. Every filter saw the pixel, so all of them are added up.",
        lambda dout, w, *a, **k: _dx(dout[:, -1:], w[-1:], *a, **k),
        (lambda dout, w, *a, **k: _dx(dout[:, :1], w[:1], *a, **k),),
    ),
    Bug(
        "divided by N",
        "Your dx is divided by the number of images or of filters. Each image keeps its own gradient, and what its "
        "filters send back is added up; where the loss is a mean, dout has the division in it already.",
        lambda dout, *a, **k: _dx(dout, *a, **k) / len(dout),
        (lambda dout, w, *a, **k: _dx(dout, w, *a, **k) / len(w),),
    ),
    Bug(
        "not cropped",
        "Your dx is as large as the padded image. Nobody needs the gradient of the padding: cut off pad rows and "
        "columns on every side, so that the shape is x_shape.",
        _uncropped,
    ),
    Bug(
        "crop from the corner",
        "The image begins in row pad and column pad of the padded one, and you cut it out from somewhere else.",
        _x_from_the_corner,
        (_x_from_the_other_corner,),
    ),
    Bug("broken at pad 0", BROKEN_AT_PAD_0, _x_cut_by_minus_pad),
    Bug(
        "tail rows lost",
        "Where the stride leaves a tail, dx has to hold it all the same: x_shape tells how many rows and columns there "
        "were. Those that no window saw have the gradient zero, and they are the last ones of the padded image.",
        _x_without_tail,
        (_x_tail_zeroed, _x_tail_in_front),
    ),
    Bug(
        "assigned for added",
        "Where windows overlap your dx keeps only what the last one brought. A pixel gets something from every window "
        "that it lay under: add, do not assign.",
        _x_overwritten(-1),
        (_x_overwritten(1),),
    ),
    Bug("divided by the counts", COUNTS_HINT, _x_averaged),
    Bug(
        "stride ignored in dx",
        "You put the values of dout side by side, but the windows they belong to lie stride pixels apart: insert "
        "stride - 1 zeros between neighbours first.",
        _x_stride_ignored,
        (_x_stride_ignored_smaller,),
    ),
    Bug(
        "upstream padded by pad",
        "The ring of zeros around dout is not that of the forward pass. A kernel of k reaches k - 1 pixels beyond dout "
        "on every side, and of those the forward padding takes off pad: the ring is k - 1 - pad wide.",
        _x_padded_by_pad,
    ),
    Bug(
        "pad beyond the kernel",
        "Where pad is larger than k - 1, a ring of k - 1 - pad zeros is a negative one: that many rows and columns are "
        "cut off. A full ring of k - 1 first and cropping afterwards does both cases in one.",
        _x_no_negative_pad,
        (_x_no_negative_pad_cut,),
    ),
    Bug(
        "one ring for both sides",
        "The ring of zeros is as wide on the left and right as it is above and below. The kernel need not be square: "
        "kh - 1 rows, and kw - 1 columns.",
        _x_square_ring,
    ),
)


@UNIT.exercise("conv_backward_b(dout)", points={"basics": 1})
class ConvBackwardB:
    def cases(rng):
        for g in layers(rng):
            if g.group == "basics":
                yield g.case((upstream(rng, g),), {})
        for shape in ((2, 3, 1, 1), (1, 4, 5, 3), (3, 1, 2, 7), (4, 5, 12, 9)):
            yield Case("basics", (draw(rng, shape),))

    def oracle(dout):
        return ck.oracle.conv2d_backward(dout, dout[:, :1], np.zeros((dout.shape[1], 1, 1, 1)))[2]

    def window(case, part, index):
        return _panels_b(case.args[0], index)

    bugs = BUGS_B


@UNIT.exercise("conv_backward_w(x, dout, kh, kw, stride=1, pad=0)", points={"basics": 2, "stride": 1, "padding": 1})
class ConvBackwardW:
    def cases(rng):
        for g in layers(rng):
            yield g.case((g.x(rng), upstream(rng, g), g.kh, g.kw), g.moves("stride", "pad"))

    oracle = _dw

    def window(case, part, index):
        return _panels_w(*case.args[:2], *_moves(case, "stride", "pad"), index)

    bugs = BUGS_W


def _zeros_behind(dout, stride):
    """As if zeros followed the last row and column, too."""
    spread = ck.oracle.insert_zeros(dout, stride)
    return np.pad(spread, ((0, 0), (0, 0), (0, stride - 1), (0, stride - 1)))


def _one_zero_more(dout, stride):
    return ck.oracle.insert_zeros(dout, stride + 1)


def _one_axis(step_rows, step_columns):
    def answer(dout, stride):
        return ck.oracle.insert_zeros(dout, (stride if step_rows else 1, stride if step_columns else 1))

    return answer


def _repeated(dout, stride):
    size = [stride * n for n in dout.shape[2:]]
    ones = np.ones((dout.shape[1], 1, stride, stride))
    return ck.oracle.conv_transpose2d(dout, ones, stride=stride, groups=dout.shape[1])[:, :, : size[0], : size[1]]


@UNIT.exercise("insert_zeros(dout, stride)", points={"basics": 1, "corners": 1})
class InsertZeros:
    def cases(rng):
        for g in layers(rng):
            if g.group == "basics":
                yield g.case((upstream(rng, g), int(rng.integers(2, 5))), {})
        for stride in (2, 3, 4, 2):  # the same shapes twice, with other values
            yield Case("basics", (draw(rng, (2, 3, 4, 5)), stride))
        for shape, stride in [
            ((2, 3, 4, 5), 1),
            ((1, 1, 3, 3), 1),
            ((2, 3, 1, 1), 3),
            ((1, 1, 1, 1), 2),
            ((3, 2, 1, 4), 2),
            ((2, 4, 5, 1), 3),
            ((2, 2, 3, 3), 5),
        ]:
            yield Case("corners", (draw(rng, shape), stride))
            yield Case("corners", (draw(rng, shape, "float32"), stride), readonly=True)

    def oracle(dout, stride):
        return ck.oracle.insert_zeros(dout, stride)

    bugs = (
        Bug(
            "zeros after the last",
            "The zeros stand between neighbours: after the last row and column there are none. From n values come "
            "(n - 1) stride + 1, not n stride.",
            _zeros_behind,
            (
                lambda dout, stride: _zeros_behind(dout, stride)[:, :, :, : (dout.shape[3] - 1) * stride + 1],
                lambda dout, stride: _zeros_behind(dout, stride)[:, :, : (dout.shape[2] - 1) * stride + 1],
                lambda dout, stride: np.roll(_zeros_behind(dout, stride), (stride - 1,) * 2, (2, 3)),
            ),
        ),
        Bug(
            "one zero too many",
            "Neighbours end up stride + 1 apart. Between windows that lie stride pixels apart there are stride - 1 "
            "others.",
            _one_zero_more,
        ),
        Bug(
            "one axis only",
            "You spread the rows or the columns. The stride goes both ways, so zeros come between both.",
            _one_axis(True, False),
            (_one_axis(False, True),),
        ),
        Bug(
            "values repeated",
            "You filled the gaps with copies of the values. The pixels between two windows were never the start of a "
            "window, so zeros stand there.",
            _repeated,
            (lambda dout, stride: _repeated(dout, stride)[:, :, : 1 - stride or None, : 1 - stride or None],),
        ),
    )


@UNIT.exercise("conv_backward_x(dout, w, x_shape, stride=1, pad=0)", points={"basics": 2, "stride": 2, "padding": 1})
class ConvBackwardX:
    def cases(rng):
        for g in layers(rng):
            w, _ = g.filters(rng)
            yield g.case((upstream(rng, g), w, (g.n, g.c, g.h, g.w)), g.moves("stride", "pad"))

    oracle = _dx

    def window(case, part, index):
        return _panels_x(*case.args[:2], *_moves(case, "stride", "pad"), index)

    bugs = BUGS_X


def columns(rng, g):
    """A matrix such as ``im2col`` gives for a layer."""
    oh, ow = output_of(g)
    shape = (g.c * g.kh * g.kw, g.n * oh * ow)
    return draw(rng, shape, g.dtype, g.whole)


def _six(cols, x_shape, kh, kw, stride, pad):
    """Sizes of the six axes of ``cols``: channel, kernel row and column, image, output row and column."""
    return (x_shape[1], kh, kw, x_shape[0], *ck.oracle.output_size(x_shape, (kh, kw), stride, pad))


def _misread(*order):
    """col2im of columns whose axes are taken to come in another order."""

    def answer(cols, x_shape, kh, kw, stride=1, pad=0):
        sizes = _six(cols, x_shape, kh, kw, stride, pad)
        read = cols.reshape([sizes[axis] for axis in order]).transpose(np.argsort(order))
        return ck.oracle.col2im(read.reshape(cols.shape), x_shape, kh, kw, stride, pad)

    return answer


def _cols_uncropped(cols, x_shape, kh, kw, stride=1, pad=0):
    return ck.oracle.col2im(cols, _grown(x_shape, pad), kh, kw, stride)


def _cols_overwritten(order):
    """Where windows overlap, the one that comes last wins."""

    def answer(cols, x_shape, kh, kw, stride=1, pad=0):
        x = np.zeros(x_shape, cols.dtype)
        for u, v in list(np.ndindex(kh, kw))[::order]:
            tap = np.zeros((x_shape[1], kh, kw, 1), cols.dtype)
            tap[:, u, v] = 1
            only = np.broadcast_to(tap.reshape(-1, 1), cols.shape)
            written = ck.oracle.col2im(only, x_shape, kh, kw, stride, pad) > 0
            x = np.where(written, ck.oracle.col2im(only * cols, x_shape, kh, kw, stride, pad), x)
        return x

    return answer


def _cols_averaged(cols, x_shape, kh, kw, stride=1, pad=0):
    counts = ck.oracle.col2im(np.ones_like(cols), x_shape, kh, kw, stride, pad)
    return ck.oracle.col2im(cols, x_shape, kh, kw, stride, pad) / np.maximum(counts, 1)


def _cols_without_tail(cols, x_shape, kh, kw, stride=1, pad=0):
    windows = ck.oracle.output_size(x_shape, (kh, kw), stride, pad)
    rows, width = (max(0, _spanned(o, k, stride) - 2 * pad) for o, k in zip(windows, (kh, kw), strict=True))
    return ck.oracle.col2im(cols, x_shape, kh, kw, stride, pad)[:, :, :rows, :width]


def _cols_stride_ignored(cols, x_shape, kh, kw, stride=1, pad=0):
    windows = ck.oracle.output_size(x_shape, (kh, kw), stride, pad)
    rows, width = (_spanned(o, k, 1) for o, k in zip(windows, (kh, kw), strict=True))
    x = np.zeros(_grown(x_shape, pad), cols.dtype)
    x[:, :, :rows, :width] = ck.oracle.col2im(cols, (*x_shape[:2], rows, width), kh, kw)
    return x[:, :, pad : pad + x_shape[2], pad : pad + x_shape[3]]


@UNIT.exercise(
    "col2im(cols, x_shape, kh, kw, stride=1, pad=0)", points={"basics": 2, "stride": 1, "padding": 1, "large": 2}
)
class Col2im:
    def cases(rng):
        for g in layers(rng):
            yield g.case((columns(rng, g), (g.n, g.c, g.h, g.w), g.kh, g.kw), g.moves("stride", "pad"))
        g = Geometry("large", **LARGE)
        oh, ow = output_of(g)
        # Sixty megabytes: uniform, in single precision from the start, since drawing them takes longest here.
        cols = rng.random((g.c * g.kh * g.kw, g.n * oh * ow), np.float32)
        cols -= 0.5
        yield Case("large", (cols, (g.n, g.c, g.h, g.w), g.kh, g.kw), fast=True)

    def oracle(cols, x_shape, kh, kw, stride=1, pad=0):
        return ck.oracle.col2im(cols, x_shape, kh, kw, stride, pad)

    bugs = (
        Bug(
            "overlaps overwritten",
            "Where windows overlap you keep only what the last one brought. col2im adds: a pixel that im2col copied "
            "into several columns gets the sum of them back.",
            _cols_overwritten(-1),
            (_cols_overwritten(1),),
        ),
        Bug(
            "divided by the counts",
            COUNTS_HINT,
            _cols_averaged,
        ),
        Bug(
            "not cropped",
            "Your images still have their padding. Cut off pad rows and columns on every side, so that the shape is "
            "x_shape.",
            _cols_uncropped,
        ),
        Bug(
            "crop from the corner",
            "The image begins in row pad and column pad of the padded one, and you cut it out from somewhere else.",
            lambda cols, x_shape, *a, **k: _cols_uncropped(cols, x_shape, *a, **k)[:, :, : x_shape[2], : x_shape[3]],
        ),
        Bug(
            "broken at pad 0",
            BROKEN_AT_PAD_0,
            lambda cols, x_shape, kh, kw, stride=1, pad=0: _cols_uncropped(cols, x_shape, kh, kw, stride, pad)[
                :, :, pad:-pad, pad:-pad
            ],
        ),
        Bug(
            "tail rows lost",
            "Where the stride leaves a tail, the image has it all the same: x_shape tells how many rows and columns "
            "there are. Those that no window saw stay zero.",
            _cols_without_tail,
        ),
        Bug(
            "axes of the columns in another order",
            "You read the matrix in another order than im2col writes it. Rows run over channel, kernel row, kernel "
            "column; columns over image, output row, output column.",
            _misread(0, 1, 2, 4, 5, 3),
            (
                _misread(1, 2, 0, 3, 4, 5),
                _misread(0, 2, 1, 3, 4, 5),
                _misread(0, 1, 2, 3, 5, 4),
                _misread(3, 0, 1, 2, 4, 5),
                _misread(3, 4, 5, 0, 1, 2),
            ),
        ),
        Bug(
            "stride ignored",
            "You laid the windows down one pixel apart. The window of output row i, column j starts at row i stride, "
            "column j stride.",
            _cols_stride_ignored,
        ),
    )


def _wrong_db(bug):
    def answer(dout, x, w, stride=1, pad=0):
        return _dx(dout, w, x.shape, stride, pad), _dw(x, dout, *w.shape[2:], stride, pad), bug(dout)

    return answer


def _wrong_dw(bug):
    def answer(dout, x, w, stride=1, pad=0):
        return _dx(dout, w, x.shape, stride, pad), bug(x, dout, *w.shape[2:], stride, pad), _db(dout)

    return answer


def _wrong_dx(bug):
    def answer(dout, x, w, stride=1, pad=0):
        return bug(dout, w, x.shape, stride, pad), _dw(x, dout, *w.shape[2:], stride, pad), _db(dout)

    return answer


def _of_one_gradient(bugs, wrong, gradient):
    """The bugs of one gradient as answers that get the other two right."""
    for bug in bugs:
        name = bug.name if gradient in bug.name else f"{gradient}: {bug.name}"
        yield Bug(name, bug.hint, wrong(bug.answer), tuple(map(wrong, bug.variants)))


def _not_moved(dout, x, w, stride=1, pad=0):
    """dout flattened to (F, N OH OW) by a reshape alone."""
    n, f, *size = dout.shape
    mixed = dout.reshape(f, n, *size).swapaxes(0, 1)
    return ck.oracle.conv2d_backward(mixed, x, w, stride, pad)


def _not_moved_but_db(*args, **kwargs):
    return *_not_moved(*args, **kwargs)[:2], ck.oracle.conv2d_backward(*args, **kwargs)[2]


def _moved_wrongly(dout, x, w, stride=1, pad=0):
    """Columns with the image innermost for dout, outermost for x."""
    n, f, *size = dout.shape
    mixed = dout.transpose(1, 2, 3, 0).reshape(f, n, *size).swapaxes(0, 1)
    return ck.oracle.conv2d_backward(mixed, x, w, stride, pad)


def _in_order(*order):
    return lambda *a, **k: tuple(ck.oracle.conv2d_backward(*a, **k)[part] for part in order)


@UNIT.exercise(
    "conv_backward(dout, x, w, stride=1, pad=0)", points={"basics": 2, "stride": 1, "padding": 1, "large": 2}
)
class ConvBackward:
    def cases(rng):
        for g in layers(rng):
            w, _ = g.filters(rng)
            yield g.case((upstream(rng, g), g.x(rng), w), g.moves("stride", "pad"))
        g = Geometry("large", **LARGE)
        w, _ = g.filters(rng)
        yield Case("large", (upstream(rng, g), g.x(rng), w), fast=True)

    def oracle(dout, x, w, stride=1, pad=0):
        return ck.oracle.conv2d_backward(dout, x, w, stride, pad)

    returns = ("dx", "dw", "db")

    def window(case, part, index):
        dout, x, w = case.args
        stride, pad = _moves(case, "stride", "pad")
        if part == 0:
            return _panels_x(dout, w, stride, pad, index)
        return _panels_w(x, dout, stride, pad, index) if part == 1 else _panels_b(dout, index)

    bugs = (
        Bug(
            "gradients in another order",
            "Your three arrays are returned in another order: dx, dw, db, the order of the arguments of conv_forward.",
            _in_order(1, 0, 2),
            (_in_order(1, 2, 0), _in_order(2, 1, 0)),
        ),
        Bug(
            "dout not moved to (F, N OH OW)",
            "The columns of dout and those of im2col do not belong together. dout is (N, F, OH, OW): bring the filters "
            "to the front first, then flatten image, row and column, in this order. A reshape alone moves nothing.",
            _not_moved,
            (_not_moved_but_db, _moved_wrongly),
        ),
        *_of_one_gradient(BUGS_X, _wrong_dx, "dx"),
        *_of_one_gradient(BUGS_W, _wrong_dw, "dw"),
        *_of_one_gradient(BUGS_B, _wrong_db, "db"),
    )
