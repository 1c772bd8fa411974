"""Handwritten digits: those that come with the course, and MNIST."""

import gzip
import math
import zlib
from functools import partial
from typing import NamedTuple

import numpy as np

from cnnkit.data import store
from cnnkit.data.sets import Dataset, Pictures

CLASSES = tuple("0123456789")


def digits():
    """1797 handwritten digits that come with the course, 1437 to train on and 360 to test with: a ``Dataset``.

    They are scans of 8 x 8 pixels, enlarged to fill 20 x 20 in the middle of 28 x 28, as MNIST's do, with the contrast
    raised so that their strokes have edges. Training and test pictures follow each other as in the file.
    """
    rows = np.loadtxt(store.folder() / "digits.csv.gz", np.uint8, delimiter=",")
    scans, y = rows[:, :64].reshape(-1, 8, 8) / 16, rows[:, 64].astype(np.int64)
    weights = _cubic(8, 20)
    x = np.clip((weights @ scans @ weights.T - 0.25) / 0.5, 0, 1).astype(np.float32)
    x = np.pad(x[:, None], ((0, 0), (0, 0), (4, 4), (4, 4)))
    return Dataset("bundled digits", Pictures(x[:1437], y[:1437]), Pictures(x[1437:], y[1437:]), CLASSES)


class _File(NamedTuple):
    """One of MNIST's files: the checksums of it as it comes, packed, and of its content; the lengths of its axes."""

    packed: str
    content: str
    shape: tuple[int, ...]


# MD5 of the packed files: torchvision 0.15, torchvision/datasets/mnist.py, which names these two mirrors' first. MD5 of
# their contents: secml, src/secml/data/loader/c_dataloader_mnist.py; they hold however a file was packed.
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FILES = {
    "train-images-idx3-ubyte": _File(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb", (60000, 28, 28)
    ),
    "train-labels-idx1-ubyte": _File("d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624", (60000,)),
    "t10k-images-idx3-ubyte": _File(
        "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea", (10000, 28, 28)
    ),
    "t10k-labels-idx1-ubyte": _File("ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637", (10000,)),
}


def mnist(at=None):
    """MNIST, 60000 pictures to train on and 10000 to test with: a ``Dataset``.

    Its four IDX files are looked for, packed (.gz, by any program) or not, in the folder that the environment variable
    CNNKIT_DATA names and in the course's ``data/cache``, and in a folder ``mnist`` in these. One that is missing, or
    whose content is not MNIST's, is downloaded into the first of them and replaces it there.

    Args:
        at: a folder that has the four files; nothing is then looked for elsewhere, nor downloaded.

    Raises:
        DataError: where a file of the folder ``at`` is missing or damaged, or one could not be downloaded.
    """
    arrays = {name: _array(name, at) for name in FILES}
    train, test = (
        Pictures(
            arrays[f"{part}-images-idx3-ubyte"][:, None].astype(np.float32) / 255,
            arrays[f"{part}-labels-idx1-ubyte"].astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    return Dataset("MNIST", train, test, CLASSES)


def mnist_or_digits():
    """MNIST where its files are on this computer, the bundled digits otherwise: a ``Dataset``. Downloads nothing,
    unless to replace a file that is damaged."""
    here = all(any(path.is_file() for path in _paths(name, None)) for name in FILES)
    return mnist() if here else digits()


def _paths(name, at):
    return [path for place in store.places("mnist", at) for path in (place / f"{name}.gz", place / name)]


def _array(name, at):
    """The values of one of MNIST's files, from the first place that has it whole."""
    read = partial(_read, name=name)
    download = store.Download(f"{name}.gz", FILES[name].packed, MIRRORS)
    return store.load("mnist", [(path, read) for path in _paths(name, at)], download, at)


def _read(path, name):
    """The values of an IDX file: four bytes that say type and number of axes, the axes' lengths, the values.

    Raises:
        DataError: where they are not those of MNIST's file called ``name``.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise store.DataError(f"{path} is damaged: {error}") from error
    shape = FILES[name].shape
    start, size = 4 + 4 * len(shape), math.prod(shape)
    if content[:4] != bytes([0, 0, 8, len(shape)]):
        raise store.DataError(f"{path} is not an IDX file of bytes with {len(shape)} axes")
    found = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    if found[1:] != shape[1:]:
        raise store.DataError(f"{path} has pictures of {found[1:]} pixels, MNIST's have {shape[1:]}")
    if len(content) != start + size:
        raise store.DataError(f"{path} has {len(content)} bytes, MNIST's has {start + size}")
    values = np.frombuffer(content, np.uint8, offset=start)
    if len(shape) == 1 and values.max() >= len(CLASSES):
        raise store.DataError(f"{path} has a label {values.max()}, MNIST's go from 0 to 9")
    if store.md5(content) != FILES[name].content:
        raise store.DataError(f"{path} is not MNIST's: its content has another checksum")
    return values.reshape(shape)


def _cubic(n, size):
    """Weights ``(size, n)`` that interpolate n values by Keys's cubic (1981); beyond the ends the last ones repeat."""
    away = np.abs(((np.arange(size) + 0.5) * n / size - 0.5)[:, None] - np.arange(-2, n + 2))
    near, far = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    weights = np.where(away <= 1, near, np.where(away < 2, far, 0))
    inside = weights[:, 2:-2].copy()
    inside[:, 0] += weights[:, :2].sum(1)
    inside[:, -1] += weights[:, -2:].sum(1)
    return inside
