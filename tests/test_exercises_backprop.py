"""Unit 04: the references agree with torch's autograd and scipy, and answers wrong in one corner lose marks."""

import numpy as np
import pytest
import torch
from scipy import optimize, special

from autograder.answers.backprop import ANSWERS, differences_in_place
from cnnkit import evaluate, oracle

SEEDS = (0, 1, 2, 20261121)
rng = np.random.default_rng(0)
POINTWISE = {
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "softplus": lambda z: np.logaddexp(z, 0),
}


def loses_marks(name, answer):
    for seed in SEEDS:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.score < verdict.max_score, f"{name}, seed {seed}: {answer} passes"
    return verdict


# References


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", POINTWISE)
def test_values_agree_with_scipy(name, dtype, device):
    z = np.concatenate([3 * rng.standard_normal(500), [-1000, -50, -40.1, -0.0, 0, 39.9, 50, 1000]]).astype(dtype)
    ours = getattr(oracle, name)(z, device=device)
    assert ours.dtype == dtype
    assert np.allclose(ours, POINTWISE[name](z.astype("float64")), rtol=1e-12 if dtype == "float64" else 1e-6, atol=0)


@pytest.mark.parametrize("name", POINTWISE)
def test_slopes_agree_with_complex_steps_and_known_limits(name, device):
    """Away from the kink; the complex step has no rounding to speak of (Squire and Trapp, 1998)."""
    smooth = {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": np.tanh,
        "relu": lambda z: np.where(z.real > 0, z, 0),
        "softplus": lambda z: np.log(1 + np.exp(z)),
    }[name]
    z, dout = rng.uniform(-5, 5, 300), rng.standard_normal(300)
    ours = getattr(oracle, f"{name}_backward")(dout, z, device=device)
    assert np.allclose(ours, dout * smooth(z + 1e-30j).imag / 1e-30, rtol=1e-9, atol=1e-14)
    far = getattr(oracle, f"{name}_backward")(np.ones(3), np.array([-1000.0, 0.0, 1000.0]), device=device)
    at_the_ends = {"sigmoid": (0, 0.25, 0), "tanh": (0, 1, 0), "relu": (0, 0, 1), "softplus": (0, 0.5, 1)}[name]
    assert np.allclose(far, at_the_ends)


def test_linear_agrees_with_autograd(device):
    x, w, b, dout = (rng.standard_normal(shape) for shape in ((5, 4), (4, 3), (3,), (5, 3)))
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    z = leaves[0] @ leaves[1] + leaves[2]
    z.backward(torch.tensor(dout))
    assert np.allclose(oracle.linear_forward(x, w, b, device=device), z.detach().numpy())
    for ours, leaf in zip(oracle.linear_backward(dout, x, w, device=device), leaves, strict=True):
        assert np.allclose(ours, leaf.grad.numpy())


@pytest.mark.parametrize("sizes", [(3, 2), (4, 3, 2), (5, 4, 3, 2)])
def test_backprop_agrees_with_scipys_differences_of_the_cost(sizes, device):
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights, biases = [rng.standard_normal(s) for s in shapes], [rng.standard_normal((n, 1)) for n in sizes[1:]]
    x, y = rng.standard_normal((sizes[0], 1)), rng.uniform(size=(sizes[-1], 1))
    parameters = [*weights, *biases]
    ends = np.cumsum([p.size for p in parameters])

    def cost(flat):
        parts = [f.reshape(p.shape) for f, p in zip(np.split(flat, ends[:-1]), parameters, strict=True)]
        a = x
        for w, b in zip(parts[: len(weights)], parts[len(weights) :], strict=True):
            a = special.expit(w @ a + b)
        return ((a - y) ** 2).sum() / 2

    dweights, dbiases = oracle.mlp_backprop(weights, biases, x, y, device=device)
    ours = np.concatenate([g.ravel() for g in [*dweights, *dbiases]])
    theirs = optimize.approx_fprime(np.concatenate([p.ravel() for p in parameters]), cost, 1e-7)
    assert [g.shape for g in dbiases] == [b.shape for b in biases]
    assert np.allclose(ours, theirs, atol=1e-6)


def test_differences_agree_with_autograd():
    x, upstream = rng.standard_normal((3, 4)), rng.standard_normal((3, 3))
    leaf = torch.tensor(x, requires_grad=True)
    (torch.sin(leaf) @ leaf.T).backward(torch.tensor(upstream))
    ours = oracle.numerical_gradient(lambda a: np.sin(a) @ a.T, x, upstream)
    assert np.allclose(ours, leaf.grad.numpy(), rtol=0, atol=1e-8)
    scalar = oracle.numerical_gradient(lambda a: float((a**2).sum()), x)
    assert np.allclose(scalar, 2 * x, atol=1e-8)


def test_the_relative_error_is_one_at_most_and_the_same_both_ways(device):
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3, 4))
    error = oracle.relative_error(a, b, device=device)
    assert 0 < error <= 1 and error == oracle.relative_error(b, a, device=device)
    assert oracle.relative_error(a, a, device=device) == 0
    assert np.isclose(oracle.relative_error(np.array([0, 1e-13]), np.array([0, 0]), device=device), 0.1)


@pytest.mark.parametrize(("gate", "operation"), [(oracle.MultiplyGate, torch.mul), (oracle.AddGate, torch.add)])
def test_gates_agree_with_autograd(gate, operation):
    x, y, dz = (rng.standard_normal((2, 3)) for _ in range(3))
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, y)]
    operation(*leaves).backward(torch.tensor(dz))
    one = gate()
    assert np.allclose(one.forward(x, y), operation(*map(torch.tensor, (x, y))).numpy())
    assert all(np.allclose(ours, leaf.grad) for ours, leaf in zip(one.backward(dz), leaves, strict=True))


# Answers that are wrong in one corner only


def wrong_where(condition, right, wrong):
    return lambda *args, **kwargs: (wrong if condition(*args, **kwargs) else right)(*args, **kwargs)


def test_the_decks_gate_word_for_word_is_told_about_its_missing_self():
    class AsPrinted:
        def forward(x, y):
            return x * y

    verdict = loses_marks("MultiplyGate", AsPrinted)
    assert "takes 2 positional arguments but 3 were given" in verdict.message


def test_gates_for_numbers_only_or_arrays_only_lose_marks():
    class Numbers(oracle.MultiplyGate):
        def forward(self, x, y):
            return float(super().forward(x, y))

    class Arrays(oracle.AddGate):
        def forward(self, x, y):
            return super().forward(x[:], y[:])

    class Doubles(oracle.MultiplyGate):
        def backward(self, dz):
            return tuple(np.float64(g) for g in super().backward(dz))

    class InPlace(oracle.AddGate):
        def forward(self, x, y):
            z = super().forward(x, y)
            x += y
            return z

    for name, gate in (
        ("MultiplyGate", Numbers), ("AddGate", Arrays), ("MultiplyGate", Doubles), ("AddGate", InPlace)
    ):  # fmt: skip
        loses_marks(name, gate)


def _in_row_order_only(f, x, upstream=None, h=1e-5):
    """Perturbs a flat view of x, which a transposed x has none of."""
    x = np.array(x, float, order="K")
    flat = x.reshape(-1)
    slopes = np.empty(x.size)
    for k in range(x.size):
        old = flat[k]
        flat[k] = old + h
        up = f(x)
        flat[k] = old - h
        down = f(x)
        flat[k] = old
        slopes[k] = np.sum((up - down) * (1 if upstream is None else upstream)) / (2 * h)
    return slopes.reshape(x.shape)


def _nearly_put_back(f, x, upstream=None, h=1e-5):
    gradient = differences_in_place(f, x, upstream, h)
    if x.dtype.kind == "f":
        x += h
        x -= 2 * h
        x += h
    return gradient


def _of_single_precision(f, x, upstream=None, h=1e-5):
    return differences_in_place(lambda a: np.float32(f(a)), x, upstream, h)


@pytest.mark.parametrize(
    "answer",
    [
        _in_row_order_only,
        _nearly_put_back,
        _of_single_precision,
        wrong_where(lambda f, x, *_, **__: x.ndim == 0, differences_in_place, lambda *_, **__: None),
        wrong_where(lambda f, x, *_, **__: x.size == 1, differences_in_place, lambda *_, **__: 0.0),
        wrong_where(
            lambda f, x, u=None, h=1e-5: u is not None and np.ndim(u) == 0,
            differences_in_place,
            lambda f, x, u=None, h=1e-5: differences_in_place(f, x, None, h),
        ),
        lambda f, x, upstream=None, h=1e-5: differences_in_place(f, x, upstream, 1e-5),
        lambda f, x, upstream=None, h=1e-5: differences_in_place(f, x, upstream, h).astype("float32"),
        lambda f, x, upstream=None, h=1e-5: np.diag(np.ravel(differences_in_place(f, x, upstream, h))),
    ],
)
def test_differences_that_work_in_some_cases_only_lose_marks(answer):
    loses_marks("numerical_gradient", answer)


def test_moving_a_flat_copy_costs_one_group_and_is_named():
    def flat(f, x, upstream=None, h=1e-5):
        moved = x.astype(float)
        entries = moved.reshape(-1)
        slopes = np.zeros(x.size)
        for i in range(x.size):
            old, sides = entries[i], []
            for step in (h, -h):
                entries[i] = old + step
                sides.append(np.array(f(moved)))
            entries[i] = old
            slopes[i] = np.sum((sides[0] - sides[1]) * (1 if upstream is None else upstream)) / (2 * h)
        return slopes.reshape(x.shape)

    verdict = loses_marks("numerical_gradient", flat)
    assert verdict.bug == "a copy is moved"
    assert [group for group, (got, of) in verdict.groups.items() if got < of] == ["arrays"]


def test_leaving_a_rounding_error_in_x_is_named():
    verdict = loses_marks("numerical_gradient", _nearly_put_back)
    assert verdict.bug == "x left modified"


def test_an_upstream_that_is_multiplied_in_entry_by_entry_is_no_contraction():
    def by_entry(f, x, upstream=None, h=1e-5):
        slopes = differences_in_place(f, x, None, h)
        whole = upstream is not None and upstream.shape == x.shape
        return slopes * upstream if whole else differences_in_place(f, x, upstream, h)

    verdict = loses_marks("numerical_gradient", by_entry)
    assert [group for group, (got, of) in verdict.groups.items() if got < of] == ["upstream"]


@pytest.mark.parametrize("before", [True, False])
def test_slopes_of_single_precision_lose_marks(before):
    single = lambda a: np.asarray(a, np.float32).astype(float)

    def answer(f, x, upstream=None, h=1e-5):
        if before:
            return differences_in_place(f, single(x), upstream, h)
        return single(differences_in_place(f, x, upstream, h))

    loses_marks("numerical_gradient", answer)


def test_five_points_are_not_central_differences():
    def stencil(f, x, upstream=None, h=1e-5):
        near, far = (differences_in_place(f, x, upstream, step) for step in (h, 2 * h))
        return (4 * near - far) / 3

    assert loses_marks("numerical_gradient", stencil).groups["step"][0] == 0


@pytest.mark.parametrize(
    "answer",
    [
        lambda a, b: float(np.nanmax(np.abs(a - b) / (np.abs(a) + np.abs(b)))),
        lambda a, b: float(np.max(np.abs(a - b) / (np.abs(a) + np.abs(b) + 1e-8))),
        lambda a, b: float(np.max(np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b)))),
        lambda a, b: 0.0 if np.allclose(a, b) else oracle.relative_error(a, b),
        lambda a, b: oracle.relative_error(a[:1], b[:1]),
        lambda a, b: float(np.max(np.abs(a - b) / np.maximum(1e-12, np.abs(a + b)))),
    ],
)
def test_errors_that_are_nearly_right_lose_marks(answer):
    loses_marks("relative_error", answer)


def wide_sigmoid(z):
    """Stable up to 700 or so, and no further."""
    return np.exp(z) / (1 + np.exp(z))


@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_answers_wrong_in_a_corner_lose_marks(name):
    right, back = getattr(oracle, name), getattr(oracle, f"{name}_backward")
    loses_marks(name, lambda z: right(z).astype("float64"))
    loses_marks(name, lambda z: right(np.clip(z, -50, 50)) if name in ("relu", "softplus") else right(z).ravel())
    loses_marks(f"{name}_backward", lambda dout, z: back(np.abs(dout), z))
    loses_marks(f"{name}_backward", lambda dout, z: back(dout, z).astype("float64"))
    loses_marks(f"{name}_backward", lambda dout, z: back(dout, z).sum())


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("relu_backward", lambda dout, z: dout * (z > 0.01)),
        ("relu_backward", lambda dout, z: dout * ((z > 0) | np.signbit(z) & (z == 0))),
        ("softplus", lambda z: np.where(z < -5, 0, np.logaddexp(z, 0)).astype(z.dtype)),
        ("softplus", lambda z: np.where(z > 5, z, np.logaddexp(z, 0)).astype(z.dtype)),
        ("tanh", lambda z: np.tanh(np.clip(z, -4, 4))),
    ],
)
@pytest.mark.parametrize("seed", range(20, 30))
def test_values_close_to_a_kink_or_a_limit_come_at_every_seed(name, answer, seed):
    assert not evaluate(name, answer, seed=seed).passed


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_overflow_in_one_precision_only_loses_marks(dtype):
    answer = wrong_where(lambda z: z.dtype == dtype, oracle.sigmoid, wide_sigmoid)
    assert loses_marks("sigmoid", answer).bug == "overflow"


def test_linear_answers_right_for_squares_or_single_examples_only_lose_marks():
    loses_marks("linear_forward", wrong_where(lambda x, w, b: len(x) == 1, oracle.linear_forward, lambda *_: None))
    loses_marks("linear_forward", lambda x, w, b: oracle.linear_forward(x, w, b).squeeze())
    one = lambda dout, x, w: (dout[:1] @ w.T, x[:1].T @ dout[:1], dout[0])
    verdict = loses_marks("linear_backward", wrong_where(lambda dout, x, w: len(x) > 1, oracle.linear_backward, one))
    assert verdict.groups == {"one example": (1, 1), "batches": (0, 2)}


def test_backprop_for_two_layers_only_gets_the_points_of_two_layers():
    def two(weights, biases, x, y):
        dweights, dbiases = oracle.mlp_backprop(weights, biases, x, y)
        keep = slice(-2, None)
        blank = lambda found: [np.zeros_like(g) for g in found[:-2]] + found[keep]
        return blank(dweights), blank(dbiases)

    groups = loses_marks("mlp_backprop", two).groups
    assert groups == {"one layer": (1, 1), "two layers": (2, 2), "more layers": (0, 2)}


def test_backprop_that_changes_the_network_loses_marks():
    def stepping(weights, biases, x, y):
        found = oracle.mlp_backprop(weights, biases, x, y)
        for w, g in zip(weights, found[0], strict=True):
            w -= g
        return found

    assert "changed its argument weights" in loses_marks("mlp_backprop", stepping).cases[0].message


def test_a_wrong_gradient_in_a_list_is_told_apart_by_its_layer():
    def off(*network):
        dweights, dbiases = oracle.mlp_backprop(*network)
        dbiases[-1] = dbiases[-1] + 1
        return dweights, dbiases

    verdict = loses_marks("mlp_backprop", off)
    assert verdict.message.startswith("dbiases[")
    assert "weights [(2, 3) float64], biases [(2, 1) float64]" in verdict.cases[0].description


# Right answers, once more where they are most likely to be failed


@pytest.mark.parametrize("seed", range(100, 112))
@pytest.mark.parametrize("name", ["numerical_gradient", "mlp_backprop", "relative_error"])
def test_right_answers_pass_at_many_seeds(name, seed):
    for answer in ANSWERS[name]:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.passed, verdict.text()


def slopes_backwards(f, x, upstream=None, h=1e-5):
    slopes = np.zeros(np.shape(x))
    for i in np.ndindex(slopes.shape):
        step = np.zeros(slopes.shape)
        step[i] = h
        slopes[i] = np.sum((f(x - step) - f(x + step)) / (2 * h) * (1 if upstream is None else upstream))
    return slopes


def in_the_order_of_going_back(*network):
    dweights, dbiases = oracle.mlp_backprop(*network)
    return list(reversed(dweights)), list(reversed(dbiases))


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("numerical_gradient", slopes_backwards, "sign"),
        ("relative_error", lambda a, b: np.max(np.abs(a - b)), "not relative"),
        ("relative_error", lambda a, b: np.abs(a - b) / np.maximum(1e-12, np.abs(a) + np.abs(b)), "maximum not taken"),
        ("relative_error", lambda a, b: np.max(np.abs(a - b) / (np.abs(a) + np.abs(b) + 1e-12)), "another floor"),
        (
            "relative_error",
            lambda a, b: np.max(np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))),
            "another floor",
        ),
        ("softplus", lambda z: np.log1p(np.exp(-np.abs(z))), "what grows left out"),
        ("softplus_backward", lambda dout, z: dout / (1 + np.exp(z)), "sign of z"),
        (
            "softplus_backward",
            lambda dout, z: np.nan_to_num(dout * np.exp(z) / (1 + np.exp(z))).astype(z.dtype),
            "nan replaced",
        ),
        ("tanh_backward", lambda dout, z: z * (1 - np.tanh(dout) ** 2), "dout and z swapped"),
        ("relu", lambda z: np.minimum(z, 0), "the other half"),
        (
            "linear_backward",
            lambda dout, x, w: (dout @ w.T, x.T @ dout, dout.sum(axis=0).squeeze()),
            "axes of length 1 dropped",
        ),
        ("mlp_backprop", in_the_order_of_going_back, "last layer first"),
    ],
)
@pytest.mark.parametrize("seed", [0, 11])
def test_what_students_commonly_get_wrong_is_named(name, answer, bug, seed):
    assert evaluate(name, answer, seed=seed).bug == bug
