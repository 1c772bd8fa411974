"""The pictures that come with the course: a photograph, and a page of text with the place of every letter.

They lie in the repository's ``data/`` folder, where README.md gives their sources and licences.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

_REPOSITORY = Path(__file__).resolve().parents[1]


class Letter(NamedTuple):
    """A letter on the page: what it is, "plain", "italic" or "heading", and where its middle is, in pixels."""

    character: str
    style: str
    row: float
    column: float


def folder():
    """The ``data/`` folder of the course.

    It stands beside the package where the course was installed from its repository; else it is looked for in the
    working directory and the folders above it, which a notebook of the course always has it in.

    Raises:
        FileNotFoundError: where there is none; the message says where it was looked for.
    """
    here = Path.cwd()
    for root in (_REPOSITORY, here, *here.parents):
        if (root / "data" / "photo.png").is_file():
            return root / "data"
    raise FileNotFoundError(
        f"the course's data folder is neither in {_REPOSITORY} nor in {here} or a folder above it. "
        "Open the notebook from inside the course's repository, or install the course from there: pip install -e ."
    )


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
