"""A model retina and a cell to record from: pictures of light, and the spikes that they draw from the cell.

Pictures are square, 0 where it is dark and 1 where there is light. Positions are in pixels from the middle, x to the
right and y down. A direction theta is in radians, from x towards y; for a bar it points across the bar, the way in
which it moves: 0 is an upright bar, moving to the right.
"""

import math
from dataclasses import dataclass

import numpy as np

import cnnkit as ck

BEST_RATE = 60.0
"""Spikes per second that the best bar of light draws from a ``Cell``."""


def axes(size, theta=0.0, at=(0.0, 0.0)):
    """``(u, v)``, each ``(size, size)``: how far every pixel lies from ``at``, along theta and across it."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    x, y = x - at[0], y - at[1]
    return x * math.cos(theta) + y * math.sin(theta), y * math.cos(theta) - x * math.sin(theta)


def bar(size, theta=0.0, position=0.0, width=4.0, length=math.inf):
    """A bar of light ``(size, size)``.

    Args:
        size: side of the retina.
        theta: direction across the bar.
        position: how far its middle line lies from the middle of the retina, along theta.
        width, length: of the bar.
    """
    u, v = axes(size, theta)
    return _inside(width / 2 - abs(u - position)) * _inside(length / 2 - abs(v))


def spot(size, at=(0.0, 0.0), radius=1.5):
    """A round spot of light ``(size, size)`` at ``(x, y)``."""
    return _inside(radius - np.hypot(*axes(size, at=at)))


def grating(size, theta, wavelength, phase=0.0):
    """Stripes across theta ``(size, size)``, brightness 0.5 + 0.5 cos(2 pi u / wavelength + phase)."""
    u, _ = axes(size, theta)
    return 0.5 + 0.5 * np.cos(math.tau * u / wavelength + phase)


def sweep(size, theta, speed, dt=0.01, width=4.0):
    """A bar that crosses the whole retina along theta.

    Args:
        size, theta, width: as for ``bar``.
        speed: pixels per second.
        dt: seconds from one picture to the next.

    Returns:
        ``(times, positions, pictures)``: ``(n,)``, ``(n,)`` and ``(n, size, size)``.
    """
    times = np.arange(0, size / speed, dt)
    positions = times * speed - size / 2
    return times, positions, np.stack([bar(size, theta, position, width) for position in positions])


def spikes(rates, dt, rng):
    """When a neuron fires: a Poisson process.

    Args:
        rates: spikes per second in each step of time ``(n,)``.
        dt: length of a step in seconds; ``rates * dt`` should be well below 1.
        rng: numpy Generator.

    Returns:
        Times of the spikes in seconds, rising.
    """
    fired = np.flatnonzero(rng.random(len(rates)) < np.asarray(rates) * dt)
    return (fired + rng.random(len(fired))) * dt


@dataclass(frozen=True)
class Cell:
    """A simple cell of the cortex: ``field (size, size)`` is what it wants to see, ``gain`` how loudly it says so."""

    field: np.ndarray
    gain: float

    def rates(self, pictures):
        """Spikes per second for each of ``pictures (n, size, size)``: ``(n,)``."""
        return self.gain * ck.oracle.tuning_curve(self.field, np.asarray(pictures))

    def rate(self, picture):
        """Spikes per second for one picture."""
        return float(self.rates(picture[None])[0])


def electrode(seed, size=41, wavelength=8.0):
    """Lower the electrode until it meets a Cell: which direction that cell prefers is up to the seed."""
    theta = np.random.default_rng(seed).uniform(0, math.pi)
    field = ck.oracle.gabor(size, theta, wavelength)
    best = ck.oracle.simple_cell(bar(size, theta), field)
    return Cell(field, BEST_RATE / best)


def _inside(distance):
    """1 inside an edge, 0 outside, and in between for pixels that the edge cuts."""
    return np.clip(distance + 0.5, 0, 1)
