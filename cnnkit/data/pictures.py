"""A photograph, and a page of text with the place of every letter."""

import csv
from typing import NamedTuple

import numpy as np

from cnnkit.data.store import folder


class Letter(NamedTuple):
    """A letter on the page: what it is, how it is set, and where its middle is, in pixels.

    ``style`` is "plain", "italic" or "negative", which is white on black.
    """

    character: str
    style: str
    row: float
    column: float


def photo():
    """A photograph in gray, ``(200, 256)`` float64 from 0, black, to 1."""
    return _gray("photo.png")


def page():
    """A page of text in gray, lit unevenly, ``(300, 560)`` float64 from 0, black, to 1."""
    return _gray("page.png")


def page_letters():
    """Every letter of ``page()`` in the order of reading: a list of ``Letter``."""
    with open(folder() / "page.csv", newline="", encoding="utf-8") as file:
        return [
            Letter(row["character"], row["style"], float(row["row"]), float(row["column"]))
            for row in csv.DictReader(file)
        ]


def _gray(name):
    from matplotlib.image import imread

    # imread gives bytes as float32 from 0 to 1; their 255 steps in float64 are what the lessons count with.
    return np.round(imread(folder() / name).astype(np.float64) * 255) / 255
