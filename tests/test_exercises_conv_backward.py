"""Unit 05: the references agree with autograd, scipy and differences; answers wrong in one corner lose marks."""

import collections
import functools
import re

import numpy as np
import pytest
import torch
from scipy import signal
from torch.nn import functional as F

from autograder.answers import conv_backward as right
from cnnkit import calling, evaluate, oracle
from cnnkit.exercises import get, names
from cnnkit.verdict import expect

SEEDS = (0, 1, 2, 20261121)
UNIT = names(unit="05-conv-backward")

# x and w, then stride, pad, dilation, groups: pairs, tails, padding beyond the kernel, a kernel of one pixel.
LAYERS = [
    ((2, 3, 5, 6), (4, 3, 3, 2), 1, 0, 1, 1),
    ((2, 3, 8, 9), (4, 3, 3, 2), 3, 1, 1, 1),
    ((1, 1, 4, 4), (1, 1, 2, 2), 1, 3, 1, 1),
    ((3, 2, 7, 6), (3, 2, 1, 1), 2, 1, 1, 1),
    ((2, 4, 9, 8), (6, 2, 3, 2), (2, 3), (2, 1), (2, 1), 2),
    ((2, 3, 9, 7), (3, 1, 2, 3), 2, (0, 2), (3, 2), 3),
]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def drawn(rng, x_shape, w_shape, *moves, dtype="float64"):
    """``(dout, x, w)`` of a layer."""
    x, w = rng.standard_normal(x_shape).astype(dtype), rng.standard_normal(w_shape).astype(dtype)
    return rng.standard_normal(oracle.conv2d(x, w, None, *moves).shape).astype(dtype), x, w


def close(got, expected, atol=1e-10):
    assert np.shape(got) == np.shape(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=atol)


# References


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "pad", "dilation", "groups"), LAYERS)
def test_gradients_agree_with_autograd(x_shape, w_shape, stride, pad, dilation, groups, rng, device):
    moves = stride, pad, dilation, groups
    dout, x, w = drawn(rng, x_shape, w_shape, *moves)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, w, np.zeros(len(w)))]
    F.conv2d(*leaves, *moves).backward(torch.tensor(dout))
    gradients = oracle.conv2d_backward(dout, x, w, *moves, device=device)
    for gradient, leaf in zip(gradients, leaves, strict=True):
        close(gradient, leaf.grad.numpy())
    close(oracle.conv_backward_x(dout, w, x_shape, *moves, device=device), gradients[0])
    close(oracle.conv_backward_w(x, dout, *w_shape[2:], *moves, device=device), gradients[1])


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "pad", "dilation", "groups"), LAYERS)
def test_gradients_agree_with_differences(x_shape, w_shape, stride, pad, dilation, groups, rng):
    moves = stride, pad, dilation, groups
    dout, x, w = drawn(rng, x_shape, w_shape, *moves)
    b = rng.standard_normal(len(w))
    dx, dw, db = oracle.conv2d_backward(dout, x, w, *moves)
    layer = oracle.conv2d
    close(dx, oracle.numerical_gradient(lambda v: layer(v, w, b, *moves), x, dout), atol=1e-7)
    close(dw, oracle.numerical_gradient(lambda v: layer(x, v, b, *moves), w, dout), atol=1e-7)
    close(db, oracle.numerical_gradient(lambda v: layer(x, w, v, *moves), b, dout), atol=1e-7)


def test_gradients_are_the_decks_two_convolutions(rng, device):
    """With scipy's own: x correlated with dout, and dout convolved with w, which turns the kernel."""
    dout, x, w = drawn(rng, (1, 1, 6, 7), (1, 1, 3, 2))
    dx, dw, db = oracle.conv2d_backward(dout, x, w, device=device)
    close(dw[0, 0], signal.correlate2d(x[0, 0], dout[0, 0], "valid"))
    close(dx[0, 0], signal.convolve2d(dout[0, 0], w[0, 0], "full"))
    close(db, [dout.sum()])


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "pad", "dilation", "groups"), LAYERS)
def test_the_layer_and_its_way_back_are_adjoint(x_shape, w_shape, stride, pad, dilation, groups, rng, device):
    moves = stride, pad, dilation, groups
    dout, x, w = drawn(rng, x_shape, w_shape, *moves)
    forward = (oracle.conv2d(x, w, None, *moves, device=device) * dout).sum()
    dx, dw, _ = oracle.conv2d_backward(dout, x, w, *moves, device=device)
    close([(x * dx).sum(), (w * dw).sum()], [forward] * 2)


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "pad", "dilation", "groups"), LAYERS)
def test_col2im_is_the_adjoint_of_im2col(x_shape, w_shape, stride, pad, dilation, groups, rng, device):
    moves = *w_shape[2:], stride, pad, dilation
    x = rng.standard_normal(x_shape)
    cols = oracle.im2col(x, *moves, device=device)
    y = rng.standard_normal(cols.shape)
    close((cols * y).sum(), (x * oracle.col2im(y, x_shape, *moves, device=device)).sum())
    # Entry by entry: the pixels' numbers say where each came from.
    places = oracle.im2col(np.arange(1, x.size + 1).reshape(x_shape), *moves).astype(int).ravel()
    expected = np.bincount(places, y.ravel(), x.size + 1)[1:].reshape(x_shape)
    close(oracle.col2im(y, x_shape, *moves, device=device), expected)


@pytest.mark.parametrize("stride", [1, 2, 5, (3, 1)])
def test_inserted_zeros_stand_between_neighbours(stride, rng, device):
    dout = rng.standard_normal((2, 3, 4, 5))
    rows, columns = stride if isinstance(stride, tuple) else (stride, stride)
    spread = oracle.insert_zeros(dout, stride, device=device)
    assert spread.shape == (2, 3, 3 * rows + 1, 4 * columns + 1)
    np.testing.assert_array_equal(spread[:, :, ::rows, ::columns], dout)
    assert np.count_nonzero(spread) == dout.size


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_device_gives_the_same_numbers_in_the_dtype_of_the_input(dtype, rng, device):
    dout, x, w = drawn(rng, (4, 8, 13, 11), (6, 8, 3, 3), 2, 1, dtype=dtype)
    b = rng.standard_normal(6).astype(dtype)
    calls = {
        "conv2d": lambda **on: oracle.conv2d(x, w, b, 2, 1, **on),
        "conv_transpose2d": lambda **on: oracle.conv_transpose2d(dout, w, None, 2, 1, **on),
        "zero_pad": lambda **on: oracle.zero_pad(x, (2, 1), **on),
        "im2col": lambda **on: oracle.im2col(x, 3, 2, 2, 1, **on),
        "col2im": lambda **on: oracle.col2im(oracle.im2col(x, 3, 2, 2, 1), x.shape, 3, 2, 2, 1, **on),
        "insert_zeros": lambda **on: oracle.insert_zeros(dout, 3, **on),
        "conv2d_backward": lambda **on: np.concatenate(
            [gradient.ravel() for gradient in oracle.conv2d_backward(dout, x, w, 2, 1, **on)]
        ),
    }
    for name, call in calls.items():
        here, there = call(device="cpu"), call(device=device)
        assert here.dtype == there.dtype == dtype, name
        np.testing.assert_allclose(there, here, rtol=1e-6 if dtype == "float32" else 1e-10, atol=1e-9, err_msg=name)


def test_pixels_that_no_window_saw_get_nothing(rng):
    dout, x, w = drawn(rng, (2, 3, 8, 9), (4, 3, 3, 3), 4)
    dx = oracle.conv2d_backward(dout, x, w, 4)[0]
    assert not dx[:, :, 3].any() and not dx[:, :, :, 3].any() and not dx[:, :, 7].any()
    assert not dx[:, :, :, 7:].any()


@pytest.mark.parametrize("stride", [1, 2])
def test_shapes_that_do_not_belong_together_are_refused(stride):
    x, w, dout = np.zeros((2, 3, 4, 5)), np.zeros((6, 3, 2, 2)), np.zeros((2, 6, 3, 3))
    for call in (
        lambda: oracle.conv2d_backward(dout, x, w, stride),
        lambda: oracle.conv2d_backward(dout[:1], x, w, stride),
        lambda: oracle.conv2d_backward(dout, x[:, :2], w, stride),
        lambda: oracle.conv_backward_x(dout, w, x.shape, stride),
        lambda: oracle.conv_backward_w(x, dout, 2, 2, stride),
        lambda: oracle.col2im(np.zeros((12, 23)), x.shape, 2, 2, stride),
    ):
        with pytest.raises(ValueError, match="shape"):
            call()
    with pytest.raises(ValueError, match=r"6 does not fit into 4"):
        oracle.col2im(np.zeros((36, 2)), x.shape, 6, 2)


# The checks


@functools.cache
def geometries(name, seed):
    """What the cases of an exercise are about: ``(n, c, f, image, kernel, stride, pad)`` each; f None for col2im."""
    found = []
    for case in expect(name, seed).cases:
        stride, pad = case.kwargs.get("stride", 1), case.kwargs.get("pad", 0)
        shapes = [np.shape(a) if isinstance(a, np.ndarray) else a for a in case.args]
        if name == "conv_backward_w":
            (n, c, *image), (_, f, *_), *kernel = shapes
        elif name == "conv_backward_x":
            (n, f, *_), (_, _, *kernel), (_, c, *image) = shapes
        elif name == "col2im":
            _, (n, c, *image), *kernel = shapes
            f = None
        else:
            (n, f, *_), (_, c, *image), (_, _, *kernel) = shapes
        found.append((n, c, f, image, kernel, stride, pad))
    return found


def tail(image, kernel, stride, pad):
    return max((side + 2 * pad - k) % stride for side, k in zip(image, kernel, strict=True))


CORNERS = {
    "one image": lambda n, c, f, image, kernel, stride, pad: n == 1,
    "one channel": lambda n, c, f, image, kernel, stride, pad: c == 1,
    "one filter": lambda n, c, f, image, kernel, stride, pad: f in (1, None),
    "as many filters as channels": lambda n, c, f, image, kernel, stride, pad: f in (c, None),
    "other numbers of filters and channels": lambda n, c, f, image, kernel, stride, pad: f != c,
    "square image": lambda n, c, f, image, kernel, stride, pad: image[0] == image[1],
    "image that is not square": lambda n, c, f, image, kernel, stride, pad: image[0] != image[1],
    "kernel that is not square": lambda n, c, f, image, kernel, stride, pad: kernel[0] != kernel[1],
    "kernel of one pixel": lambda n, c, f, image, kernel, stride, pad: list(kernel) == [1, 1],
    "kernel as large as the image": lambda n, c, f, image, kernel, stride, pad: list(kernel) == list(image),
    "stride 2": lambda n, c, f, image, kernel, stride, pad: stride == 2,
    "stride 3": lambda n, c, f, image, kernel, stride, pad: stride == 3,
    "stride beyond the kernel": lambda n, c, f, image, kernel, stride, pad: stride > max(kernel),
    "tail": lambda n, c, f, image, kernel, stride, pad: tail(image, kernel, stride, pad) > 0 == pad,
    "tail beyond the padding": lambda n, c, f, image, kernel, stride, pad: tail(image, kernel, stride, pad) > pad > 0,
    "padding beyond the kernel": lambda n, c, f, image, kernel, stride, pad: pad >= min(kernel),
    "padding of 1": lambda n, c, f, image, kernel, stride, pad: pad == 1,
}


@pytest.mark.parametrize("name", ["conv_backward_w", "conv_backward_x", "col2im", "conv_backward"])
def test_every_corner_has_a_case_at_every_seed(name):
    for seed in SEEDS[:2]:
        for corner, lies_in in CORNERS.items():
            assert any(lies_in(*case) for case in geometries(name, seed)), f"{name}, seed {seed}: {corner}"


def wrong_where(name, lies_in):
    """The reference, but for one value of its first array in calls that ``lies_in(args, kwargs)``."""

    def answer(*args, **kwargs):
        result = get(name).oracle(*args, **kwargs)
        first = result[0] if isinstance(result, tuple) else result
        if lies_in(args, kwargs):
            first.flat[-1] += 0.01 * (1 + abs(first.flat[-1]))
        return result

    return answer


@pytest.mark.parametrize(
    ("name", "lies_in"),
    [
        ("conv_backward_b", lambda args, kwargs: args[0].shape[2:] == (1, 1)),
        ("conv_backward_b", lambda args, kwargs: args[0].shape[0] == 1),
        ("conv_backward_w", lambda args, kwargs: kwargs.get("stride", 1) > max(args[2:])),
        ("conv_backward_x", lambda args, kwargs: kwargs.get("pad", 0) > max(args[1].shape[2:])),
        ("insert_zeros", lambda args, kwargs: args[1] == 1),
        ("insert_zeros", lambda args, kwargs: args[0].shape[2:] == (1, 1)),
        ("insert_zeros", lambda args, kwargs: args[0].shape[2] != args[0].shape[3] and args[1] > 1),
        ("col2im", lambda args, kwargs: kwargs.get("pad", 0) == 0 and args[1][0] == 32),
        ("conv_backward", lambda args, kwargs: args[1].shape[2:] == args[2].shape[2:]),
    ],
)
def test_an_answer_that_is_wrong_in_one_corner_only_loses_marks(name, lies_in):
    for seed in SEEDS[:2]:
        verdict = evaluate(name, wrong_where(name, lies_in), seed=seed)
        assert verdict.score < verdict.max_score, verdict.text()


def test_a_mistake_in_one_gradient_is_named_and_costs_its_groups_only():
    def unpadded(dout, x, w, stride=1, pad=0):
        dx, dw, db = oracle.conv2d_backward(dout, x, w, stride, pad)
        return dx, dw * (pad == 0), db

    verdict = evaluate("conv_backward", unpadded)
    assert verdict.groups == {"basics": (2, 2), "stride": (1, 1), "padding": (0, 1), "large": (2, 2)}
    assert verdict.message.startswith("dw[")
    assert {panel.title for panel in verdict.failure.panels} > {"expected", "yours", "dout[0, 0]"}

    def mean(dout, x, w, stride=1, pad=0):
        return *oracle.conv2d_backward(dout, x, w, stride, pad)[:2], dout.mean((0, 2, 3))

    verdict = evaluate("conv_backward", mean)
    assert (verdict.score, verdict.bug) == (0, "db: mean for sum")


def test_the_matrices_beside_a_wrong_value_are_what_it_was_computed_from():
    """Their products, added up, give the expected value: with one filter, one channel and one image they are all."""
    for name in ("conv_backward_w", "conv_backward_x"):
        exercise = get(name)
        for case in expect(name, 3).cases:
            filters = case.args[1].shape[1] if name == "conv_backward_w" else len(case.args[1])
            if len(case.args[0]) > 1 or filters > 2:
                continue
            result = exercise.oracle(*case.args, **case.kwargs)
            for index in np.ndindex(result.shape):
                shown = [values for _, values in exercise.window(case, None, index)]
                total = sum((a * b).sum() for a, b in zip(shown[::2], shown[1::2], strict=True))
                assert np.isclose(total, result[index], rtol=1e-4, atol=1e-5), (name, case.args, index)


def col2im_by_elements(cols, x_shape, kh, kw, stride=1, pad=0):
    n, c, height, width = x_shape
    oh, ow = (height + 2 * pad - kh) // stride + 1, (width + 2 * pad - kw) // stride + 1
    x = np.zeros(x_shape, cols.dtype)
    for row, (ch, p, q) in enumerate(np.ndindex(c, kh, kw)):
        for column, (a, i, j) in enumerate(np.ndindex(n, oh, ow)):
            at = i * stride + p - pad, j * stride + q - pad
            if 0 <= at[0] < height and 0 <= at[1] < width:
                x[(a, ch, *at)] += cols[row, column]
    return x


def gradients_by_window_and_filter(dout, x, w, stride=1, pad=0):
    kh, kw = w.shape[2:]
    dw = right.filters_by_window(x, dout, kh, kw, stride, pad)
    return right.input_by_window(dout, w, x.shape, stride, pad), dw, dout.sum((0, 2, 3))


def col2im_in_one_line(cols, x_shape, kh, kw, stride=1, pad=0):
    n, c, height, width = x_shape
    oh, ow = (height + 2 * pad - kh) // stride + 1, (width + 2 * pad - kw) // stride + 1
    x = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    add = lambda at, value: x.__setitem__(at, x[at] + value)
    values = cols.reshape(c, kh, kw, n, oh, ow)
    # fmt: off
    [add((a, ch, i * stride + p, j * stride + q), values[ch, p, q, a, i, j]) for ch in range(c) for p in range(kh) for q in range(kw) for a in range(n) for i in range(oh) for j in range(ow)]  # noqa: E501
    # fmt: on
    return x[:, :, pad : pad + height, pad : pad + width]


def col2im_by_map(cols, x_shape, kh, kw, stride=1, pad=0):
    n, c, height, width = x_shape
    oh, ow = (height + 2 * pad - kh) // stride + 1, (width + 2 * pad - kw) // stride + 1
    x = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    values = cols.reshape(c, kh, kw, n, oh, ow)

    def add(at):
        ch, p, q, a, i, j = at
        x[a, ch, i * stride + p, j * stride + q] += values[at]

    collections.deque(map(add, np.ndindex(values.shape)), maxlen=0)
    return x[:, :, pad : pad + height, pad : pad + width]


@pytest.mark.parametrize(
    ("name", "loops"),
    [
        ("col2im", col2im_by_elements),
        ("col2im", col2im_in_one_line),
        ("col2im", col2im_by_map),
        ("conv_backward", gradients_by_window_and_filter),
    ],
)
def test_loops_over_single_elements_fail_the_large_case_and_hear_why(name, loops, monkeypatch):
    monkeypatch.setattr(calling, "CALL_SECONDS", 300)  # it is lines that count, on a busy machine as well
    verdict = evaluate(name, loops)
    lost = {group for group, (got, of) in verdict.groups.items() if got < of}
    assert lost == {"large"}
    assert re.search(r"too slow: on .*\(32, 32, 40, 48\).*Loop over the few kernel positions", verdict.message)


def windows_from_the_end(x, dout, kh, kw, stride=1, pad=0):
    """Windows that are counted from the lower right corner, so that the tail lies in front."""
    x = oracle.zero_pad(x, pad)
    tail = [(n - k) % stride for n, k in zip(x.shape[2:], (kh, kw), strict=True)]
    return oracle.conv_backward_w(x[:, :, tail[0] :, tail[1] :], dout, kh, kw, stride)


def square_ring(dout, w, x_shape, stride=1, pad=0):
    """The full convolution by hand, with kh - 1 zeros on the left and right, too."""
    kh = w.shape[2]
    wide = np.pad(oracle.insert_zeros(dout, stride), ((0, 0), (0, 0), (kh - 1, kh - 1), (kh - 1, kh - 1)))
    dx = np.zeros((*x_shape[:2], *(n + 2 * pad + kh for n in x_shape[2:])), dout.dtype)
    full = oracle.conv2d(wide, w[:, :, ::-1, ::-1].swapaxes(0, 1))[:, :, : dx.shape[2], : dx.shape[3]]
    dx[:, :, : full.shape[2], : full.shape[3]] = full
    return dx[:, :, pad : pad + x_shape[2], pad : pad + x_shape[3]]


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("conv_backward_b", lambda dout: dout.sum((0, 2, 3)).squeeze(), "axis lost where F is 1"),
        ("conv_backward_w", windows_from_the_end, None),
        ("conv_backward_x", square_ring, "one ring for both sides"),
    ],
)
@pytest.mark.parametrize("seed", [1, 12])
def test_what_students_commonly_get_wrong_is_named_and_nothing_else(name, answer, bug, seed):
    verdict = evaluate(name, answer, seed=seed)
    assert not verdict.passed
    assert verdict.bug == bug
