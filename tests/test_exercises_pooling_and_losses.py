"""Unit 06: the references agree with other people's code, and answers that are wrong in a corner only lose marks."""

import numpy as np
import pytest
import torch
from scipy import ndimage, special
from test_oracle import onnx_case

from cnnkit import comparing, devices, evaluate, oracle
from cnnkit.calling import plain
from cnnkit.cases import arrays
from cnnkit.exercises import get, names

SEEDS = (0, 1, 20261121)
UNIT = names(unit="06-pooling-and-losses")


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def close(got, expected, atol=1e-11):
    assert np.shape(got) == np.shape(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=atol)


def slope(f, x, upstream, h=1e-6):
    """Central differences of ``f``, contracted with ``upstream``."""
    found = np.zeros(np.shape(x))
    for index in np.ndindex(found.shape):
        step = np.zeros(found.shape)
        step[index] = h
        found[index] = np.sum((f(x + step) - f(x - step)) * upstream) / (2 * h)
    return found


# References against SciPy, ONNX's published vectors and differences


POOLS = [((2, 3, 6, 8), 2, 2), ((3, 2, 7, 9), 3, 2), ((1, 1, 5, 4), 3, 1), ((2, 1, 8, 7), 2, 3), ((1, 2, 4, 4), 4, 4)]


@pytest.mark.parametrize(("shape", "size", "stride"), POOLS)
def test_pooling_is_scipys_filter_sampled(shape, size, stride, rng, device):
    x = rng.standard_normal(shape)
    first = (size - 1) // 2 + (size - 1) % 2  # where SciPy's centred window starts at the picture's corner
    seen = np.s_[:, :, first : shape[2] - (size - 1) // 2 : stride, first : shape[3] - (size - 1) // 2 : stride]
    close(oracle.max_pool(x, size, stride, device=device), ndimage.maximum_filter(x, (1, 1, size, size))[seen])
    close(oracle.avg_pool(x, size, stride, device=device), ndimage.uniform_filter(x, (0, 0, size, size))[seen])


@pytest.mark.parametrize(("shape", "size", "stride"), POOLS)
def test_pooling_sends_back_what_differences_say(shape, size, stride, rng, device):
    x = rng.standard_normal(shape)
    dout = rng.standard_normal(oracle.max_pool(x, size, stride).shape)
    by_max = slope(lambda x: oracle.max_pool(x, size, stride), x, dout)
    close(oracle.max_pool_backward(dout, x, size, stride, device=device), by_max, 1e-8)
    by_mean = slope(lambda x: oracle.avg_pool(x, size, stride), x, dout)
    close(oracle.avg_pool_backward(dout, shape, size, stride, device=device), by_mean, 1e-8)


def test_the_first_of_equal_maxima_gets_it_all(device):
    level = np.full((1, 1, 4, 4), -2.0)
    dout = np.arange(1.0, 5).reshape(1, 1, 2, 2)
    apart = oracle.max_pool_backward(dout, level, 2, device=device)[0, 0]
    assert apart.tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    overlapping = oracle.max_pool_backward(dout, level, 3, 1, device=device)[0, 0]
    assert overlapping.tolist() == [[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    row = np.array([[[[0.0, 3, 3], [3, 1, 3]]]])
    assert oracle.max_pool_backward(np.ones((1, 1, 1, 2)), row, 2, 1, device=device).tolist() == [
        [[[0, 2, 0], [0, 0, 0]]]
    ]


def test_nothing_is_lost_on_the_way_back_through_a_pool(rng, device):
    x = rng.integers(-2, 3, (2, 3, 7, 9)).astype(float)
    for size, stride in ((2, 2), (3, 2), (3, 1), (2, 3)):
        dout = rng.standard_normal(oracle.max_pool(x, size, stride).shape)
        per_map = dout.sum((2, 3))
        close(oracle.max_pool_backward(dout, x, size, stride, device=device).sum((2, 3)), per_map)
        dx = oracle.avg_pool_backward(dout, x.shape, size, stride, device=device)
        close(dx.sum((2, 3)), per_map)
        close((oracle.avg_pool(x, size, stride) * dout).sum(), (x * dx).sum())  # the adjoint


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("test_leakyrelu", lambda z: oracle.leaky_relu(z)),
        ("test_leakyrelu_example", lambda z: oracle.leaky_relu(z)),
        ("test_leakyrelu_default", lambda z: oracle.leaky_relu(z, 0.01)),
        ("test_elu", lambda z: oracle.elu(z, 2.0)),
        ("test_elu_example", lambda z: oracle.elu(z, 2.0)),
        ("test_elu_default", lambda z: oracle.elu(z)),
        ("test_prelu_broadcast", lambda z, a: oracle.prelu(np.moveaxis(z, -1, 1), a)),
        ("test_swish", lambda z: oracle.swish(z)),
        ("test_softmax_example", oracle.softmax),
        ("test_softmax_axis_2", oracle.softmax),
        ("test_softmax_negative_axis", oracle.softmax),
        ("test_softmax_large_number", oracle.softmax),
        ("test_sce_mean", lambda scores, y: oracle.softmax_loss(scores, y)[0]),
    ],
)
def test_onnx_node_tests(name, answer):
    _, inputs, (expected, *_) = onnx_case(name)
    if name == "test_prelu_broadcast":
        expected = np.moveaxis(expected, -1, 1)
    np.testing.assert_allclose(answer(*inputs), expected, rtol=1e-5, atol=1e-6)


ELEMENTWISE = {
    "leaky_relu": (0.3,),
    "elu": (0.7,),
    "swish": (),
}


@pytest.mark.parametrize(("name", "extra"), ELEMENTWISE.items())
def test_non_linearities_send_back_what_differences_say(name, extra, rng, device):
    z, dout = rng.standard_normal((2, 2, 3, 4)), rng.standard_normal((2, 2, 3, 4))
    forward, backward = getattr(oracle, name), getattr(oracle, f"{name}_backward")
    expected = slope(lambda z: forward(z, *extra), z, dout)
    close(backward(dout, z, *extra, device=device), expected, 1e-8)


def test_swish_is_z_times_scipys_sigmoid(rng, device):
    z = np.append(rng.standard_normal(20) * 5, [1000, -1000])
    close(oracle.swish(z, device=device), z * special.expit(z))


@pytest.mark.parametrize("a", [0.25, np.array(1.5), np.array([0.1, -0.4, 2.0])])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4, 5)])
def test_prelu_and_both_its_gradients(a, shape, rng, device):
    z, dout = rng.standard_normal(shape), rng.standard_normal(shape)
    slopes = np.broadcast_to(a, 3)
    for channel in range(3):
        close(oracle.prelu(z, a, device=device)[:, channel], oracle.leaky_relu(z[:, channel], float(slopes[channel])))
    dz, da = oracle.prelu_backward(dout, z, a, device=device)
    close(dz, slope(lambda z: oracle.prelu(z, a), z, dout), 1e-8)
    close(da, slope(lambda a: oracle.prelu(z, a), np.asarray(a), dout), 1e-8)
    assert isinstance(da, type(a))


def test_at_zero_the_side_below_counts(device):
    z, dout = np.array([[0.0, -0.0]]), np.array([[2.0, 3.0]])
    close(oracle.leaky_relu_backward(dout, z, 0.3, device=device), 0.3 * dout)
    close(oracle.elu_backward(dout, z, 0.3, device=device), 0.3 * dout)
    dz, da = oracle.prelu_backward(dout, z, np.array([0.5, 4.0]), device=device)
    close(dz, [[1.0, 12.0]])
    close(da, [0.0, 0.0])


def test_maxout_takes_consecutive_pieces_and_sends_back_to_the_largest(rng, device):
    z = np.array([[1.0, 5, 2, -3, -1, -2]])
    assert oracle.maxout(z, 2, device=device).tolist() == [[5, 2, -1]]
    assert oracle.maxout(z, 3, device=device).tolist() == [[5, -1]]
    back = oracle.maxout_backward(np.array([[7.0, 8, 9]]), z, 2, device=device)
    assert back.tolist() == [[0, 7, 8, 0, 9, 0]]
    z, dout = rng.standard_normal((3, 12)), rng.standard_normal((3, 4))
    close(oracle.maxout_backward(dout, z, 3, device=device), slope(lambda z: oracle.maxout(z, 3), z, dout), 1e-8)
    with pytest.raises(ValueError, match=r"5.*12"):
        oracle.maxout(z, 5)


def test_softmax_is_scipys(rng, device):
    for shape in ((5,), (4, 3), (2, 3, 4)):
        for scores in (rng.standard_normal(shape), 1e4 * rng.standard_normal(shape)):
            close(oracle.softmax(scores, device=device), special.softmax(scores, axis=-1))


def test_losses_are_those_of_scipy(rng, device):
    scores, y = 3 * rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    rows = np.arange(6)
    loss, _ = oracle.softmax_loss(scores, y, device=device)
    close(loss, -special.log_softmax(scores, axis=1)[rows, y].mean())
    targets = rng.integers(0, 2, (6, 4)).astype(float)
    loss, _ = oracle.bce_with_logits(scores, targets, device=device)
    close(loss, -(targets * special.log_expit(scores) + (1 - targets) * special.log_expit(-scores)).mean())
    # Deck d's scores; CS231n's notes work the same three numbers out for both losses.
    cars = np.array([[3.2, 5.1, -1.7]])
    assert oracle.svm_loss(cars, np.array([0]), device=device)[0] == pytest.approx(2.9)
    assert oracle.softmax_loss(cars, np.array([0]), device=device)[0] == pytest.approx(2.04, abs=5e-3)


LOSSES = {
    "softmax_loss": lambda rng: rng.integers(0, 4, 5).astype("uint8"),
    "svm_loss": lambda rng: rng.integers(0, 4, 5).astype("int32"),
    "bce_with_logits": lambda rng: rng.integers(0, 2, (5, 4)).astype(float),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_fall_as_differences_say(name, rng, device):
    scores, labels = rng.standard_normal((5, 4)), LOSSES[name](rng)
    function = getattr(oracle, name)
    loss, dscores = function(scores, labels, device=device)
    assert type(loss) is float
    close(dscores, slope(lambda s: function(s, labels)[0], scores, 1.0), 1e-8)
    if name != "bce_with_logits":  # what the true class gets, the others pay
        close(dscores.sum(1), np.zeros(5))


def test_losses_stay_finite_and_right_at_scores_of_ten_thousand(device):
    scores = np.array([[1e4, 0, -1e4], [-1e4, 1e4, 0]])
    loss, dscores = oracle.softmax_loss(scores, np.array([2, 1]), device=device)
    close(loss, 1e4)
    close(dscores, [[0.5, 0, -0.5], [0, 0, 0]])
    loss, dscores = oracle.bce_with_logits(scores, (scores < 0).astype(float), device=device)
    close(loss, (4e4 + 2 * np.log(2)) / 6)
    close(dscores, np.array([[1, 0.5, -1], [-1, 1, 0.5]]) / 6)
    loss, _ = oracle.svm_loss(scores, np.array([2, 1]), device=device)
    close(loss, (20001 + 10001) / 2)


@pytest.mark.parametrize("name", UNIT)
def test_every_case_has_the_same_answer_on_every_device_in_the_dtype_of_its_arguments(name, device):
    exercise = get(name)
    for case in exercise.cases(np.random.default_rng(2)):
        if not case.raises:
            with devices.using("cpu"):
                expected = exercise.oracle(*case.args, **case.kwargs)
            with devices.using(device):
                got = exercise.oracle(*case.args, **case.kwargs)
            assert comparing.compare(plain(expected), plain(got), exercise.tolerance(case)) is None
            assert {a.dtype for a in arrays(got)} <= {next(arrays(case.args)).dtype}


def test_torch_agrees_about_the_multi_class_hinge_but_for_its_mean_over_classes(rng):
    scores, y = rng.standard_normal((5, 4)), rng.integers(0, 4, 5)
    theirs = torch.nn.functional.multi_margin_loss(torch.tensor(scores), torch.tensor(y), margin=0.7)
    by_hand = sum(max(0, scores[i, j] - scores[i, y[i]] + 0.7) for i in range(5) for j in range(4) if j != y[i]) / 5
    close(oracle.svm_loss(scores, y, 0.7)[0], by_hand)
    close(4 * theirs.item(), by_hand)


# Answers that are wrong in one corner only


def spoilt(value):
    if isinstance(value, tuple):
        return tuple(spoilt(part) for part in value)
    return value + 0.01


def loses(name, hit, wrong=spoilt):
    """The reference, but ``wrong`` where ``hit(*args, **kwargs)``, loses marks with every seed."""
    exercise = get(name)

    def answer(*args, **kwargs):
        result = exercise.oracle(*args, **kwargs)
        return wrong(result) if hit(*args, **kwargs) else result

    for seed in SEEDS:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.score < verdict.max_score, f"seed {seed}: {verdict.text()}"
    return verdict


PICTURES = {
    "square pictures": lambda shape: shape[2] == shape[3],
    "wide pictures": lambda shape: shape[3] > shape[2],
    "high pictures": lambda shape: shape[3] < shape[2],
    "one image, one channel": lambda shape: shape[:2] == (1, 1),
    "one image": lambda shape: shape[0] == 1 < shape[1],
    "one channel": lambda shape: shape[1] == 1 < shape[0],
    "as many images as channels": lambda shape: shape[0] == shape[1] > 1,
}
MOVES = {
    "windows side by side": lambda size, stride: size == stride,
    "overlapping windows": lambda size, stride: 1 < stride < size,
    "windows at every pixel": lambda size, stride: stride == 1 < size,
    "gaps between windows": lambda size, stride: stride > size,
    "windows of one pixel": lambda size, stride: size == 1,
    "windows of three": lambda size, stride: size == 3,
}


@pytest.mark.parametrize("name", [name for name in UNIT if "pool" in name])
def test_each_shape_and_stride_of_a_pool_counts(name):
    like = 0 if "forward" in name else 1
    shape = lambda args: getattr(args[like], "shape", args[like])
    for hit in PICTURES.values():
        loses(name, lambda *args, hit=hit: hit(shape(args)))
    for hit in MOVES.values():
        loses(name, lambda *args, hit=hit: hit(*args[-2:]))
    for axis in (2, 3):  # a rest on one axis
        loses(name, lambda *args, axis=axis: (shape(args)[axis] - args[-2]) % args[-1])


@pytest.mark.parametrize("name", ["max_pool_forward", "avg_pool_forward"])
@pytest.mark.parametrize("axis", [2, 3])
def test_a_window_that_fits_on_one_axis_only_must_be_refused(name, axis):
    def answer(x, size, stride):
        if x.shape[axis] < size:
            return np.zeros((0, 0, 0, 0), x.dtype)
        return get(name).oracle(x, size, stride)

    for seed in SEEDS:
        assert evaluate(name, answer, seed=seed).groups["fit"][0] == 0


def test_sharing_a_tie_is_not_told_that_gradient_was_made_from_nothing():
    def shared(dout, x, size, stride):
        leaf = torch.tensor(x, requires_grad=True)
        leaf.unfold(2, size, stride).unfold(3, size, stride).amax((4, 5)).backward(torch.tensor(dout))
        return leaf.grad.numpy()

    verdict = evaluate("max_pool_backward", shared)
    assert (verdict.bug, verdict.groups["ties"]) == ("ties share the gradient", (0, 1))
    assert "Nothing is lost" in verdict.hint


def test_negative_pictures_and_ties_count():
    loses("max_pool_forward", lambda x, *_: (x < 0).all())
    loses("max_pool_forward", lambda x, *_: True, lambda result: np.maximum(result, -99999))
    loses("avg_pool_forward", lambda x, *_: (x < 0).all())
    ties = lambda dout, x, *_: len(np.unique(x)) < x.size / 2
    assert loses("max_pool_backward", ties).groups["ties"][0] == 0
    loses("max_pool_backward", lambda dout, x, *_: len(np.unique(x)) == 1)
    loses("max_pool_backward", lambda dout, x, *_: x.min() == 0)
    loses("max_pool_backward", lambda dout, x, *_: (x < 0).all())


def is_4d(*args, **_):
    return args[0].ndim == 4


POINTWISE = [n for n in UNIT if n.removesuffix("_backward") in ("leaky_relu", "prelu", "elu", "swish")]


@pytest.mark.parametrize("name", POINTWISE)
def test_each_kind_of_array_counts_for_a_non_linearity(name):
    z = lambda args: args[1 if "backward" in name else 0]
    loses(name, is_4d)
    loses(name, lambda *args, **_: z(args).ndim == 2)
    loses(name, lambda *args, **_: z(args).shape[0] == 1)
    loses(name, lambda *args, **_: len(set(z(args).shape)) == 1)
    if "prelu" not in name:
        loses(name, lambda *args, **_: z(args).ndim in (1, 3))
    if "elu" in name and "leaky" not in name and "prelu" not in name:
        loses(name, lambda *args, **_: abs(z(args)).max() > 500)
    if "swish" in name:
        loses(name, lambda *args, **_: z(args).max() > 500)
    if "backward" in name:
        loses(name, lambda *args, **_: (z(args) == 0).any())


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "leaky_relu_backward", "elu_backward"])
def test_the_parameter_counts_by_keyword_and_by_position(name):
    given = 3 if "backward" in name else 2
    loses(name, lambda *args, **kwargs: kwargs)
    loses(name, lambda *args, **kwargs: len(args) == given)
    loses(name, lambda *args, **kwargs: not kwargs and len(args) < given)


@pytest.mark.parametrize("name", ["prelu", "prelu_backward"])
def test_each_kind_of_slope_counts(name):
    loses(name, lambda *args: isinstance(args[-1], float))
    loses(name, lambda *args: isinstance(args[-1], np.ndarray) and args[-1].ndim == 0)
    loses(name, lambda *args: np.size(args[-1]) > 1)
    loses(name, lambda *args: np.ndim(args[-1]) == 1 and args[0].ndim == 2)
    loses(name, lambda *args: np.ndim(args[-1]) == 1 and args[0].ndim == 4)
    loses(name, lambda *args: np.max(args[-1]) > 1)
    loses(name, lambda *args: np.min(args[-1]) < 0)
    loses(name, lambda *args: args[0].ndim == 4 and np.size(args[-1]) == args[0].shape[-1])


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_part_of_a_pair_counts_in_each_precision(part, dtype):
    def spoil(result):
        return tuple(value + 0.01 * (i == part) for i, value in enumerate(result))

    for name in ("prelu_backward", "softmax_loss", "svm_loss", "bce_with_logits"):
        loses(name, lambda first, *_, **__: first.dtype == dtype, spoil)


@pytest.mark.parametrize("name", ["maxout", "maxout_backward"])
def test_each_number_of_pieces_counts(name):
    z = lambda args: args[-2]
    for pieces in (1, 2, 3, 4, 5):
        loses(name, lambda *args, pieces=pieces: args[-1] == pieces)
    loses(name, lambda *args: z(args).shape[1] == args[-1])  # one unit
    loses(name, lambda *args: z(args).shape[1] // args[-1] == args[-1] > 1)
    loses(name, lambda *args: (z(args) < 0).all())
    loses(name, lambda *args: len(z(args)) == 1)


@pytest.mark.parametrize("name", ["softmax", "softmax_loss", "bce_with_logits"])
def test_large_scores_count_in_each_precision(name):
    loses(name, lambda scores, *_: abs(scores).max() > 5000)
    for dtype in (np.float32, np.float64):
        loses(name, lambda scores, *_, dtype=dtype: abs(scores).max() > 100 and scores.dtype == dtype)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_each_number_of_axes_counts_for_softmax(ndim):
    loses("softmax", lambda scores: scores.ndim == ndim)


@pytest.mark.parametrize("name", LOSSES)
def test_each_shape_of_a_batch_counts(name):
    loses(name, lambda scores, *_, **__: len(scores) == 1)
    loses(name, lambda scores, *_, **__: scores.shape[0] == scores.shape[1])
    loses(name, lambda scores, *_, **__: scores.shape[0] > scores.shape[1])


@pytest.mark.parametrize("name", ["softmax_loss", "svm_loss"])
def test_a_class_that_comes_twice_counts(name):
    loses(name, lambda scores, y, *_, **__: len(np.unique(y)) < len(y))


def test_each_margin_counts():
    loses("svm_loss", lambda *args, **kwargs: kwargs)
    loses("svm_loss", lambda *args, **kwargs: len(args) == 3)
    loses("svm_loss", lambda *args, **kwargs: oracle.svm_loss(*args[:2])[0] == 0)


def test_each_kind_of_target_counts():
    loses("bce_with_logits", lambda scores, targets: (targets == 1).all())
    loses("bce_with_logits", lambda scores, targets: (targets == 0).all())


def test_a_loss_may_be_any_kind_of_number():
    for name in LOSSES:
        for kind in (float, np.float32, np.float64, np.asarray):
            oracle_ = get(name).oracle

            def answer(*args, oracle_=oracle_, kind=kind, **kwargs):
                loss, dscores = oracle_(*args, **kwargs)
                return kind(loss) if args[0].dtype == np.float32 or kind is not np.float32 else loss, dscores

            verdict = evaluate(name, answer)
            assert verdict.passed, verdict.text()


def test_scores_shifted_in_place_are_named_as_a_changed_argument():
    def answer(scores, y):
        scores -= scores.max(1, keepdims=True)
        return oracle.softmax_loss(scores, y)

    verdict = evaluate("softmax_loss", answer)
    assert "changed its argument scores" in verdict.message


def pooled(x, size, stride, step, axes=(2, 3)):
    """A student's max pooling whose windows move by ``step``, with the number of windows that the stride makes."""
    rows, columns = ((side - size) // stride + 1 for side in x.shape[2:])
    out = np.zeros((*x.shape[:2], rows, columns), x.dtype)
    for i, j in np.ndindex(rows, columns):
        window = x[:, :, i * step : i * step + size, j * step : j * step + size]
        out[:, :, i, j] = window.max(axes, keepdims=True)[..., 0, 0]
    return out


def entropy(loss):
    """A student's softmax_loss with another ``loss(p, y)``."""

    def answer(scores, y):
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        dscores = p.copy()
        dscores[np.arange(len(y)), y] -= 1
        return loss(p, y), dscores / np.asarray(len(y), p.dtype)

    return answer


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("max_pool_forward", lambda x, size, stride: pooled(x, size, stride, 1), "stride ignored"),
        (
            "max_pool_forward",
            lambda x, size, stride: pooled(x, size, stride, stride, (1, 2, 3)),
            "maximum over the channels",
        ),
        ("softmax", lambda scores: scores / scores.sum(-1, keepdims=True), "no exponential"),
        ("softmax_loss", entropy(lambda p, y: -np.log(p).mean()), "every class counted"),
        ("softmax_loss", entropy(lambda p, y: -np.log(p[:, y]).mean()), "every class counted"),
        ("softmax_loss", entropy(lambda p, y: -p[np.arange(len(y)), y].mean()), "no logarithm"),
    ],
)
@pytest.mark.parametrize("seed", [0, 11])
def test_what_students_commonly_get_wrong_is_named(name, answer, bug, seed):
    with np.errstate(all="ignore"):
        assert evaluate(name, answer, seed=seed).bug == bug


# What an answer is told


def hinge(scores, y, margin=1.0, of_rivals=lambda terms: terms.sum(1)):
    """A loss made of other terms, or of other margins, with the right gradient."""
    rows = np.arange(len(y))
    terms = np.maximum(0, scores - scores[rows, y][:, None] + margin)
    terms[rows, y] = 0
    return of_rivals(terms).mean(), oracle.svm_loss(scores, y)[1]


def mean_of_what_is_not_zero(x, size, stride):
    counts = oracle.avg_pool((x != 0).astype(x.dtype), size, stride)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(oracle.avg_pool(x, size, stride) / counts)


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("max_pool_forward", lambda x, size, stride: -oracle.max_pool(-x, size, stride), "smallest for largest"),
        (
            "avg_pool_forward",
            lambda x, size, stride: oracle.avg_pool(x, min(stride, *x.shape[2:]), stride),
            "stride taken for size",
        ),
        ("avg_pool_forward", mean_of_what_is_not_zero, None),
        ("maxout", lambda z, pieces: np.maximum(z[:, ::pieces], z[:, 1::pieces]), "two pieces always"),
        ("softmax", lambda scores: np.nan_to_num(np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)), "no shift"),
        ("svm_loss", lambda *a, **k: hinge(*a, **k, of_rivals=lambda terms: terms.max(1)), "largest violation only"),
        ("svm_loss", lambda scores, y, margin=1.0: oracle.svm_loss(scores, y, 2 * margin), None),
    ],
)
@pytest.mark.parametrize("seed", [1, 12])
def test_what_students_commonly_get_wrong_is_named_and_nothing_else(name, answer, bug, seed):
    verdict = evaluate(name, answer, seed=seed)
    assert not verdict.passed
    assert verdict.bug == bug
