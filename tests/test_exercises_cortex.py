"""Unit 01: the references agree with other people's code and theorems, and answers wrong in a corner lose marks."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import signal
from skimage.filters import gabor_kernel
from skimage.measure import block_reduce

from cnnkit import evaluate, oracle
from cnnkit.exercises import get

SEEDS = (0, 1, 20261121)
rng = np.random.default_rng(0)


# Units that learn


def epochs(step, w, examples, lr, count):
    """Weights after each of ``count`` rounds through the examples."""
    for _ in range(count):
        for x, d in examples:
            w = step(w, x, d, lr)
        yield w


def separable(margin, examples=40, size=5):
    """Points of length at most 1 that a known plane separates with a known margin."""
    normal = rng.standard_normal(size)
    normal /= np.linalg.norm(normal)
    points = []
    while len(points) < examples:
        x = rng.uniform(-1, 1, size) / math.sqrt(size)
        if abs(x @ normal) >= margin:
            points.append((x, int(x @ normal > 0)))
    return points


@pytest.mark.parametrize("margin", [0.05, 0.2])
def test_the_perceptron_makes_no_more_mistakes_than_novikoff_allows(margin):
    """Novikoff, "On convergence proofs for perceptrons" (1962): at most (R / margin)^2, here R <= 1."""
    points, w, mistakes = separable(margin), np.zeros(5), 0
    for _ in range(int(1 / margin**2) + 1):
        for x, d in points:
            new = oracle.perceptron_step(w, x, d, 1.0)
            mistakes += not np.array_equal(new, w)
            w = new
    assert mistakes <= 1 / margin**2
    assert all((w @ x >= 0) == d for x, d in points)


def test_xor_makes_the_perceptron_go_in_circles():
    xor = [(np.array([a, b, 1.0]), int(a != b)) for a, b in itertools.product((0, 1), repeat=2)]
    visited = [tuple(w) for w in epochs(oracle.perceptron_step, np.zeros(3), xor, 1.0, 50)]
    assert len(set(visited)) < len(visited)
    right = [sum(int(np.dot(w, x) >= 0) == d for x, d in xor) for w in visited]
    assert max(right) < 4


def test_adaline_is_gradient_descent_on_half_the_squared_error():
    examples = [(rng.standard_normal(4), d) for d in (-1, 1, 0.5)]
    w = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    descent = torch.optim.SGD([w], lr=0.1)
    for x, d in examples:
        descent.zero_grad()
        (0.5 * (d - w @ torch.from_numpy(x)) ** 2).backward()
        descent.step()
    [got] = epochs(oracle.adaline_step, np.zeros(4), examples, 0.1, 1)
    np.testing.assert_allclose(got, w.detach().numpy())


# Receptive fields and cells


@pytest.mark.parametrize("theta", [0.0, 0.4, math.pi / 2, 2.5])
@pytest.mark.parametrize("phase", [0.0, math.pi / 2, -0.7])
@pytest.mark.parametrize(("wavelength", "gamma"), [(4.0, 0.5), (5.5, 1.0)])
def test_gabor_is_scikit_images_up_to_scale_frame_and_mean(theta, phase, wavelength, gamma):
    """The wave and the envelope are the same; four conventions differ.

    scikit-image's ``gabor_kernel`` takes a frequency, 1 / wavelength, and two widths, of which the second is our
    sigma / gamma. It returns a complex kernel, of which ours is the real part; scales it so that the integral of the
    envelope is 1; cuts it off at three standard deviations, always at an odd size; and leaves the mean in, so that even
    light does drive it.
    """
    sigma = 0.56 * wavelength
    theirs = gabor_kernel(1 / wavelength, theta, sigma_x=sigma, sigma_y=sigma / gamma, offset=phase).real
    theirs *= 2 * math.pi * sigma * sigma / gamma
    side = min(theirs.shape)
    rows, columns = ((n - side) // 2 for n in theirs.shape)
    theirs = theirs[rows : rows + side, columns : columns + side]
    np.testing.assert_allclose(
        oracle.gabor(side, theta, wavelength, phase, gamma=gamma, zero_mean=False), theirs, atol=1e-12
    )
    ours = oracle.gabor(side, theta, wavelength, phase, gamma=gamma)
    np.testing.assert_allclose(ours, theirs - theirs.mean(), atol=1e-12)
    assert abs(ours.sum()) < 1e-10


def test_sigmas_default_is_a_bandwidth_of_one_octave():
    """scikit-image derives the width from the bandwidth, one octave by default: 0.56 wavelengths, to two digits."""
    by_default = gabor_kernel(1 / 6.0).real
    given = gabor_kernel(1 / 6.0, sigma_x=0.56 * 6, sigma_y=0.56 * 6).real
    assert by_default.shape == given.shape
    assert np.abs(by_default - given).max() < 0.01 * given.max()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cells_are_scipys_correlation_at_one_place(dtype):
    """A valid correlation of two arrays of one shape has a single value, their dot product."""
    for shape in ((5, 6), (1, 4), (9, 9)):
        patch, even, odd = (rng.standard_normal(shape).astype(dtype) for _ in range(3))
        c, f = (signal.correlate2d(patch, field, mode="valid").item() for field in (even, odd))
        assert oracle.simple_cell(patch, even) == pytest.approx(max(c, 0), rel=1e-4, abs=1e-6)
        assert oracle.simple_cell(patch, -even) == pytest.approx(max(-c, 0), rel=1e-4, abs=1e-6)
        assert oracle.complex_cell(patch, even, odd) == pytest.approx(c * c + f * f, rel=1e-4)
        wanted = max(0, max(c, 0) - 0.5 * max(f, 0))
        assert oracle.hypercomplex_cell(patch, even, odd, k=0.5) == pytest.approx(wanted, rel=1e-4, abs=1e-6)
        curve = oracle.tuning_curve(even, np.stack([patch, odd, -patch]))
        assert curve.dtype == dtype
        np.testing.assert_allclose(
            curve, [oracle.simple_cell(stimulus, even) for stimulus in (patch, odd, -patch)], rtol=1e-4, atol=1e-6
        )


def test_a_complex_cell_does_not_mind_the_phase_and_a_simple_cell_does():
    size, wavelength = 31, 6.0
    even, odd = oracle.gabor(size, 0.3, wavelength), oracle.gabor(size, 0.3, wavelength, phase=math.pi / 2)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    u = x * math.cos(0.3) + y * math.sin(0.3)
    gratings = [np.cos(math.tau * u / wavelength + phase) for phase in np.linspace(0, math.tau, 24, endpoint=False)]
    energy = np.array([oracle.complex_cell(grating, even, odd) for grating in gratings])
    assert np.ptp(energy) < 0.02 * energy.mean()
    curve = oracle.tuning_curve(even, np.stack(gratings))
    assert curve.min() == 0 < curve.max()


# Connections


def test_connections_are_those_that_a_gradient_finds():
    """The weights of each layer are written as a matrix of hidden units by inputs and counted there."""
    for n_in, n_hidden, k in ((7, 3, 3), (9, 4, 3), (6, 6, 1)):
        starts = np.linspace(0, n_in - k, n_hidden).astype(int)
        mask = np.zeros((n_hidden, n_in), int)
        for unit, start in enumerate(starts):
            mask[unit, start : start + k] = np.arange(1, k + 1)  # the number says which shared weight it is
        counted = mask.size, np.count_nonzero(mask), len(np.unique(mask[mask > 0]))
        assert oracle.connection_counts(n_in, n_hidden, k) == counted
    assert oracle.connection_counts(7, 3, 3) == (21, 9, 3)


# The Neocognitron


@pytest.mark.parametrize("threshold", [0, 0.7, -0.4])
def test_an_s_layer_is_scipys_correlation_lowered_and_rectified(threshold):
    for x, templates in (((6, 8), (3, 2, 4)), ((5, 4), (1, 5, 4)), ((4, 4), (2, 1, 1))):
        x, templates = rng.standard_normal(x), rng.standard_normal(templates)
        match = np.stack([signal.correlate2d(x, template, mode="valid") for template in templates])
        np.testing.assert_allclose(
            oracle.s_layer(x, templates, threshold), np.maximum(match - threshold, 0), atol=1e-12
        )
    with pytest.raises(ValueError, match=r"5.*4"):
        oracle.s_layer(np.zeros((4, 9)), np.zeros((2, 5, 3)), threshold)


@pytest.mark.parametrize(("shape", "size"), [((3, 4, 6), 2), ((2, 9, 7), 3), ((1, 5, 5), 1), ((2, 7, 9), 4)])
def test_a_c_layer_is_scikit_images_block_reduce_of_the_whole_blocks(shape, size):
    """``block_reduce`` fills incomplete blocks up with zeros where a C-layer drops them, so it gets whole ones only."""
    s = rng.standard_normal(shape)
    whole = s[:, : shape[1] // size * size, : shape[2] // size * size]
    np.testing.assert_array_equal(oracle.c_layer(s, size), block_reduce(whole, (1, size, size), np.max))


# Wrong in one corner only


def gabor_with(**changed):
    def answer(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
        given = {"phase": phase, "sigma": sigma, "gamma": gamma}
        return oracle.gabor(size, theta, wavelength, **given | {k: change(given[k]) for k, change in changed.items()})

    return answer


def same_size(x, templates, threshold):
    """As high as wide, whatever the picture."""
    out = oracle.s_layer(x, templates, threshold)
    side = min(out.shape[1:])
    return out[:, :side, :side]


def never_refuses(x, templates, threshold):
    try:
        return oracle.s_layer(x, templates, threshold)
    except ValueError:
        return np.zeros((len(templates), 0, 0), x.dtype)


def in_place(w, x, d, lr):
    w[:] = oracle.perceptron_step(w, x, d, lr)
    return w


def only_if(condition, wrong, name):
    """The reference, but for the calls that meet the condition."""

    def answer(*args, **kwargs):
        return (wrong if condition(*args, **kwargs) else get(name).oracle)(*args, **kwargs)

    return answer


def flipped_sign(w, x, d, lr):
    return oracle.perceptron_step(w, x, d, -lr)


CORNERS = [
    ("perceptron_step", "in place", in_place),
    ("perceptron_step", "single input", only_if(lambda w, x, d, lr: len(w) == 1, flipped_sign, "perceptron_step")),
    ("perceptron_step", "many inputs", only_if(lambda w, x, d, lr: len(w) > 99, flipped_sign, "perceptron_step")),
    (
        "perceptron_step",
        "never silences",
        only_if(lambda w, x, d, lr: d == 0, lambda w, *_: w, "perceptron_step"),
    ),
    (
        "perceptron_step",
        "silent at 0 in float32",
        only_if(
            lambda w, x, d, lr: w.dtype == np.float32 and w @ x == 0,
            lambda w, x, d, lr: w + np.float32(lr * d) * x,
            "perceptron_step",
        ),
    ),
    ("adaline_step", "target of 0", only_if(lambda w, x, d, lr: d == 0, lambda w, *_: w, "adaline_step")),
    ("adaline_step", "whole target", lambda w, x, d, lr: oracle.adaline_step(w, x, int(d), lr)),
    ("gabor", "odd sizes only", lambda size, *args, **kw: oracle.gabor(size // 2 * 2 + 1, *args, **kw)[:size, :size]),
    ("gabor", "a single pixel", lambda *args, **kw: oracle.gabor(*args, **kw) + (args[0] == 1)),
    ("gabor", "angles of half a turn", lambda size, theta, *a, **kw: oracle.gabor(size, theta % math.pi, *a, **kw)),
    ("gabor", "angles taken positive", lambda size, theta, *a, **kw: oracle.gabor(size, abs(theta), *a, **kw)),
    ("gabor", "phases taken positive", gabor_with(phase=abs)),
    ("gabor", "whole sigmas", gabor_with(sigma=lambda sigma: sigma and int(sigma))),
    ("gabor", "gamma of 1 at most", gabor_with(gamma=lambda gamma: min(1.0, gamma))),
    ("gabor", "the default gamma", gabor_with(gamma=lambda gamma: 0.5)),
    (
        "simple_cell",
        "squares only",
        lambda patch, rf: max(0, float(np.trace(patch @ rf.T[: len(patch), : len(patch)]))),
    ),
    ("simple_cell", "whole numbers", lambda patch, rf: int(oracle.simple_cell(patch, rf))),
    ("simple_cell", "at least something", lambda patch, rf: max(1e-3, oracle.simple_cell(patch, rf))),
    ("simple_cell", "an array", lambda patch, rf: np.maximum([np.vdot(patch, rf)], 0)),
    ("tuning_curve", "single stimulus", lambda rf, stimuli: oracle.tuning_curve(rf, stimuli).squeeze()),
    ("tuning_curve", "a list", lambda rf, stimuli: oracle.tuning_curve(rf, stimuli).tolist()),
    (
        "tuning_curve",
        "as many stimuli as rows",
        only_if(
            lambda rf, stimuli: len(stimuli) == len(rf),
            lambda rf, stimuli: np.maximum((stimuli * rf).sum((0, 2)), 0),
            "tuning_curve",
        ),
    ),
    (
        "complex_cell",
        "dark edges",
        only_if(lambda p, e, o: np.vdot(p, e) < 0, lambda p, e, o: float(np.vdot(p, o)) ** 2, "complex_cell"),
    ),
    (
        "tuning_curve",
        "twelve stimuli at most",
        lambda rf, stimuli: np.resize(oracle.tuning_curve(rf, stimuli[:12]), len(stimuli)),
    ),
    (
        "hypercomplex_cell",
        "dark flanks help where k is given",
        lambda p, c, f, k=1.0: oracle.hypercomplex_cell(p, c, f, k) + (k != 1) * max(0.0, float(-np.vdot(p, f))),
    ),
    (
        "s_layer",
        "one column of places",
        only_if(
            lambda x, templates, t: x.shape[1] == templates.shape[2] < x.shape[0] != templates.shape[1],
            lambda x, templates, t: oracle.s_layer(x, templates, t)[:, :, 0],
            "s_layer",
        ),
    ),
    ("hypercomplex_cell", "k of 0", lambda p, c, f, k=1.0: oracle.hypercomplex_cell(p, c, f, k or 1.0)),
    ("hypercomplex_cell", "k of 1 at most", lambda p, c, f, k=1.0: oracle.hypercomplex_cell(p, c, f, min(k, 1.0))),
    ("hypercomplex_cell", "another default", lambda p, c, f, k=0.9: oracle.hypercomplex_cell(p, c, f, k)),
    ("connection_counts", "floats", lambda *sizes: tuple(map(float, oracle.connection_counts(*sizes)))),
    ("connection_counts", "a sum", lambda *sizes: sum(oracle.connection_counts(*sizes))),
    ("connection_counts", "three at most", lambda n, m, k: (n * m, m * min(k, 3), min(k, 3))),
    ("s_layer", "square results", same_size),
    ("s_layer", "one map", lambda x, templates, threshold: oracle.s_layer(x, templates, threshold).squeeze()),
    ("s_layer", "thresholds taken positive", lambda x, t, threshold: oracle.s_layer(x, t, abs(threshold))),
    ("s_layer", "whole thresholds", lambda x, t, threshold: oracle.s_layer(x, t, int(threshold))),
    ("s_layer", "no error where nothing fits", never_refuses),
    ("c_layer", "one map", lambda s, size: oracle.c_layer(s, size).squeeze()),
    ("c_layer", "blocks of two", lambda s, size: oracle.c_layer(s, min(size, 2))),
    ("c_layer", "square results", lambda s, size: oracle.c_layer(s[:, : min(s.shape[1:]), : min(s.shape[1:])], size)),
    ("c_layer", "absolute values", lambda s, size: oracle.c_layer(np.abs(s), size)),
]


@pytest.mark.parametrize(("name", "answer"), [(n, a) for n, _, a in CORNERS], ids=[f"{n}: {c}" for n, c, _ in CORNERS])
def test_an_answer_that_is_wrong_in_a_corner_loses_marks(name, answer):
    for seed in SEEDS:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.score < verdict.max_score


def test_a_mistake_costs_the_points_of_its_group_only():
    """Partial credit: what a group does not test does not cost its points."""
    lost = {
        ("perceptron_step", "silent at exactly 0"): ["threshold"],
        ("gabor", "phase ignored or subtracted"): ["phase"],
        ("gabor", "sigma ignored"): ["sigma and gamma"],
        ("simple_cell", "no rectification"): ["rectified"],
        ("complex_cell", "rectified, then squared"): ["phase"],
        ("hypercomplex_cell", "k ignored"): ["k"],
        ("s_layer", "rectified, then threshold"): ["fit", "threshold"],
        ("c_layer", "tail kept"): ["tail"],
    }
    for (name, bug), groups in lost.items():
        [answer] = [b.answer for b in get(name).bugs if b.name == bug]
        verdict = evaluate(name, answer, seed=3)
        assert sorted(group for group, (got, _) in verdict.groups.items() if not got) == groups, name


def steps_up_only(w, x, d, lr):
    return w + lr * max(0, d - (1 if w @ x >= 0 else 0)) * x


def wave_without_mean(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    sigma = 0.56 * wavelength if sigma is None else sigma
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    u, v = x * np.cos(theta) + y * np.sin(theta), y * np.cos(theta) - x * np.sin(theta)
    wave = np.cos(2 * np.pi * u / wavelength + phase)
    return np.exp(-(u**2 + (gamma * v) ** 2) / (2 * sigma**2)) * (wave - wave.mean())


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("perceptron_step", steps_up_only, "one kind of mistake only"),
        ("perceptron_step", lambda w, x, d, lr: w + int(lr) * (d - (w @ x >= 0)) * x, "no step where one is due"),
        (
            "perceptron_step",
            lambda w, x, d, lr: w + lr * (d - int(w[:-1] @ x[:-1] >= 0)) * x,
            "bias left out of w.x",
        ),
        ("perceptron_step", lambda w, x, d, lr: w + lr * (d - int(w @ x >= 0.5)) * x, "silent at exactly 0"),
        ("adaline_step", lambda w, x, d, lr: w + lr * abs(d - w @ x) * x, "sign of the difference lost"),
        ("gabor", wave_without_mean, "mean not removed"),
        ("simple_cell", lambda patch, rf: float(np.maximum(patch * rf, 0).sum()), "rectified before the sum"),
        ("complex_cell", lambda patch, even, odd: np.sum((patch * even) ** 2 + (patch * odd) ** 2), "pixels squared"),
        ("connection_counts", lambda n_in, n_hidden, k: (n_in * n_hidden, k * k * n_hidden, k * k), "k squared"),
    ],
)
@pytest.mark.parametrize("seed", [0, 11])
def test_what_students_commonly_get_wrong_is_named(name, answer, bug, seed):
    verdict = evaluate(name, answer, seed=seed)
    assert not verdict.passed
    assert verdict.bug == bug


def test_a_dtype_is_called_the_inputs_only_where_it_is():
    single = evaluate("gabor", lambda *args, **kw: oracle.gabor(*args, **kw).astype("float32"))
    assert single.message == "result should be float64; it is float32."
    double = evaluate("tuning_curve", lambda rf, stimuli: oracle.tuning_curve(rf, stimuli).astype("float64"))
    assert double.message == "result should be float32; it is float64. Keep the input's dtype."
