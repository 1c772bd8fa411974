"""The model retina: light falls where it should, and a cell fires as often as its rate says."""

import math
import subprocess
import sys

import numpy as np
import pytest

from cnnkit import oracle, retina


def test_an_upright_bar_is_a_strip_of_columns():
    picture = retina.bar(9, width=3)
    assert picture.shape == (9, 9)
    np.testing.assert_array_equal(picture[0], [0, 0, 0, 1, 1, 1, 0, 0, 0])
    assert (picture == picture[0]).all()
    np.testing.assert_array_equal(retina.bar(9, width=3, position=2)[0], np.roll(picture[0], 2))


def test_a_bar_at_a_right_angle_lies_and_moves_downwards():
    np.testing.assert_allclose(retina.bar(9, math.pi / 2, position=1.5), retina.bar(9, position=1.5).T, atol=1e-12)


@pytest.mark.parametrize("theta", [0, 0.5, 1.0, 2.2])
def test_turning_a_bar_keeps_its_light(theta):
    """Pixels that an edge cuts are lit in part: the sum of a picture is the area of what it shows."""
    assert retina.bar(41, theta, position=2, width=4, length=12).sum() == pytest.approx(48, rel=0.02)
    assert retina.spot(41, at=(3.3, -2.1), radius=5).sum() == pytest.approx(25 * math.pi, rel=0.02)


def test_a_spot_lies_at_x_to_the_right_and_y_down():
    lit = np.argwhere(retina.spot(11, at=(3, -2), radius=0.5) == 1)
    np.testing.assert_array_equal(lit, [[3, 8]])


def test_a_sweep_crosses_the_whole_retina_at_its_speed():
    times, positions, pictures = retina.sweep(21, 0.3, speed=7, dt=0.05)
    assert len(times) == len(positions) == len(pictures)
    assert positions[0] == -10.5
    assert times[-1] == pytest.approx(3, abs=0.05)
    np.testing.assert_allclose(np.diff(positions), 7 * 0.05)
    np.testing.assert_array_equal(pictures[5], retina.bar(21, 0.3, positions[5]))


def test_spikes_come_as_often_as_the_rate_says():
    rng = np.random.default_rng(0)
    rates = np.repeat([0.0, 40.0, 10.0], 1000)  # one second each
    counts = np.array([np.histogram(retina.spikes(rates, 0.001, rng), [0, 1, 2, 3])[0] for _ in range(200)])
    assert (counts[:, 0] == 0).all()
    # The mean of 200 counts with a variance of 40: four standard errors are 1.8.
    np.testing.assert_allclose(counts.mean(axis=0)[1:], [40, 10], atol=1.8)
    assert counts[:, 1].var() == pytest.approx(40, rel=0.4)


@pytest.mark.parametrize("seed", range(5))
def test_an_electrode_finds_a_cell_that_wants_one_bar_and_no_spot(seed):
    cell = retina.electrode(seed)
    angles = np.linspace(0, math.pi, 60, endpoint=False)
    rates = cell.rates([retina.bar(41, theta) for theta in angles])
    best = angles[rates.argmax()]
    assert rates.max() == pytest.approx(retina.BEST_RATE, rel=0.02)
    assert np.corrcoef(cell.field.ravel(), oracle.gabor(41, best, 8.0).ravel())[0, 1] > 0.98
    assert cell.rate(retina.bar(41, best + math.pi / 2)) < 0.02 * retina.BEST_RATE
    assert cell.rate(np.ones((41, 41))) < 1e-9
    assert max(cell.rate(retina.spot(41, (x, 0))) for x in range(-9, 10)) < retina.BEST_RATE / 8


def test_the_retina_is_imported_without_torch():
    code = "import sys; from cnnkit import retina; retina.bar(5); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
