"""A cell of the visual cortex and what it answers to: the arithmetic of ``CortexLab``.

Angles are in degrees and, as in ``cnnkit.retina``, point across the bar or the stripes: 0 is upright. ``cortex_lab.js``
says the same in JavaScript.
"""

import math
from functools import cache

import numpy as np

from cnnkit import retina

SIMPLE, COMPLEX = CELLS = ("simple", "complex")
BAR, GRATING = STIMULI = ("bar", "grating")
SIZE, WAVELENGTH, GAMMA = 33, 8.0, 0.5
STEP = 5
"""Degrees between the points of a tuning curve."""


def gabor(angle, phase):
    """The field ``(33, 33)`` of a simple cell, as ``cnnkit.oracle.gabor`` has it, without torch."""
    u, v = retina.axes(SIZE, math.radians(angle))
    sigma = 0.56 * WAVELENGTH
    field = np.exp(-(u**2 + (GAMMA * v) ** 2) / (2 * sigma**2)) * np.cos(math.tau * u / WAVELENGTH + phase)
    return field - field.mean()


def picture(lab, angle):
    """What the retina sees, ``(33, 33)``, with the stimulus at an angle."""
    theta = math.radians(angle)
    if lab["stimulus"] == BAR:
        return retina.bar(SIZE, theta, lab["position"])
    return retina.grating(SIZE, theta, WAVELENGTH, math.radians(lab["phase"]))


def drive(lab, seen):
    """How strongly a picture drives the cell, before it is turned into spikes per second."""
    even, odd = _fields(lab["prefers"])
    if lab["cell"] == SIMPLE:
        return max(0.0, float((even * seen).sum()))
    return float((even * seen).sum() ** 2 + (odd * seen).sum() ** 2)


def describe(lab):
    """What the cell answers.

    Args:
        lab: a dict with ``cell``, one of ``CELLS``, and ``prefers``, its angle; ``stimulus``, one of ``STIMULI``,
            ``angle``, ``position`` of a bar in pixels from the middle, and ``phase`` of a grating in degrees.

    Returns:
        A dict: ``rate``, spikes per second; ``curve``, the rates at 0, 5, ..., 175 degrees, all else as it is;
        ``peak``, the angle of the largest, or None for a cell that stays silent.
    """
    best = _best(lab["cell"], lab["prefers"], lab["stimulus"])
    rate = lambda angle: retina.BEST_RATE * drive(lab, picture(lab, angle)) / best
    curve = [rate(angle) for angle in range(0, 180, STEP)]
    peak = STEP * int(np.argmax(curve)) if max(curve) > 0.5 else None
    return {"rate": rate(lab["angle"]), "curve": curve, "peak": peak}


@cache
def _fields(prefers):
    return gabor(prefers, 0.0), gabor(prefers, math.pi / 2)


@cache
def _best(cell, prefers, stimulus):
    """The drive of the best stimulus: at the cell's angle, in the middle, in phase."""
    lab = {"cell": cell, "prefers": prefers, "stimulus": stimulus, "position": 0.0, "phase": 0.0}
    return drive(lab, picture(lab, prefers))
