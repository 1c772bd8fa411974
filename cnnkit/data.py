"""The data of the course: a photograph, a page of text with the place of every letter, and handwritten digits.

What comes with the course lies in the repository's ``data/`` folder, where README.md gives sources and licences. MNIST
does not; it is read from a folder that has it.
"""

import csv
import gzip
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

_REPOSITORY = Path(__file__).resolve().parents[1]


class Letter(NamedTuple):
    """A letter on the page: what it is, how it is set, and where its middle is, in pixels.

    ``style`` is "plain", "italic" or "negative", which is white on black.
    """

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


class Pictures(NamedTuple):
    """Pictures ``x (N, 1, 28, 28)``, float32 from 0, paper, to 1, ink, and what they show, ``y (N,)`` from 0 to 9."""

    x: np.ndarray
    y: np.ndarray


class Digits(NamedTuple):
    """A set of handwritten digits: its name, pictures to train on, and pictures to test with."""

    name: str
    train: Pictures
    test: Pictures


def digits():
    """1797 handwritten digits that come with the course, 1437 to train on and 360 to test with: a ``Digits``.

    They are scans of 8 x 8 pixels, enlarged to fill 20 x 20 in the middle of 28 x 28, as MNIST's do, with the contrast
    raised so that their strokes have edges. Training and test pictures follow each other as in the file.
    """
    rows = np.loadtxt(folder() / "digits.csv.gz", np.uint8, delimiter=",")
    scans, y = rows[:, :64].reshape(-1, 8, 8) / 16, rows[:, 64].astype(np.int64)
    weights = _cubic(8, 20)
    x = np.clip((weights @ scans @ weights.T - 0.25) / 0.5, 0, 1).astype(np.float32)
    x = np.pad(x[:, None], ((0, 0), (0, 0), (4, 4), (4, 4)))
    return Digits("bundled digits", Pictures(x[:1437], y[:1437]), Pictures(x[1437:], y[1437:]))


def mnist():
    """MNIST, 60000 pictures to train on and 10000 to test with: a ``Digits``.

    Its four IDX files, packed (.gz) or not, are looked for in the folder that the environment variable CNNKIT_DATA
    names and in the course's ``data/cache``, and in a folder ``mnist`` in these.

    Raises:
        FileNotFoundError: where they are not there; the message says where they were looked for.
        ValueError: where a file is not what it should be.
    """
    at = _mnist_folder()
    if at is None:
        raise FileNotFoundError(
            f"MNIST's four files (train-images-idx3-ubyte.gz, ...) are in none of {', '.join(map(str, _caches()))}. "
            "Put them there, or set the environment variable CNNKIT_DATA to the folder that has them."
        )
    return Digits("MNIST", _idx_pictures(at, "train"), _idx_pictures(at, "t10k"))


def mnist_or_digits():
    """MNIST where its files are on this computer, the bundled digits otherwise: a ``Digits``."""
    return digits() if _mnist_folder() is None else mnist()


def _caches():
    named = os.environ.get("CNNKIT_DATA")
    roots = [*([Path(named)] if named else []), folder() / "cache"]
    return [place for root in roots for place in (root, root / "mnist")]


def _mnist_folder():
    """The first folder that has all four files, or None."""
    names = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    return next((at for at in _caches() if all(_packed_or_not(at, name) for name in names)), None)


def _packed_or_not(at, name):
    return next((path for path in (at / f"{name}.gz", at / name) if path.is_file()), None)


def _idx_pictures(at, part):
    x = _idx(_packed_or_not(at, f"{part}-images-idx3-ubyte"), 3)
    y = _idx(_packed_or_not(at, f"{part}-labels-idx1-ubyte"), 1)
    if len(x) != len(y):
        raise ValueError(f"{at}: {len(x)} pictures and {len(y)} labels in {part}")
    return Pictures(x[:, None].astype(np.float32) / 255, y.astype(np.int64))


def _idx(path, axes):
    """An array of bytes from a file in MNIST's format: type and number of axes, their lengths, the values."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    shape = np.frombuffer(content[4 : 4 + 4 * axes], ">u4").tolist()
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) != 4 + 4 * axes + np.prod(shape, dtype=int):
        raise ValueError(f"{path} is not an IDX file of bytes with {axes} axes, or not all of one")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _cubic(n, size):
    """Weights ``(size, n)`` that interpolate n values by Keys's cubic (1981); beyond the ends the last ones repeat."""
    away = np.abs(((np.arange(size) + 0.5) * n / size - 0.5)[:, None] - np.arange(-2, n + 2))
    near, far = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    weights = np.where(away <= 1, near, np.where(away < 2, far, 0))
    inside = weights[:, 2:-2].copy()
    inside[:, 0] += weights[:, :2].sum(1)
    inside[:, -1] += weights[:, -2:].sum(1)
    return inside
