"""How a set of labelled pictures is handed over."""

from typing import NamedTuple

import numpy as np


class Pictures(NamedTuple):
    """Pictures ``x (N, C, H, W)``, float32 from 0 to 1, and what they show, ``y (N,)``, int64 from 0.

    In handwriting 0 is paper and 1 is ink; in photographs they are the dark and the bright end of a colour.
    """

    x: np.ndarray
    y: np.ndarray


class Dataset(NamedTuple):
    """Its name, as it should stand beside every figure made from it; pictures to train on and to test with; and the
    names of its classes in the order of their numbers."""

    name: str
    train: Pictures
    test: Pictures
    classes: tuple[str, ...]
