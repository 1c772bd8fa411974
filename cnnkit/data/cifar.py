"""CIFAR-10: photographs of ten kinds of things, 32 x 32 pixels in colour."""

import io
import lzma
import os
import pickle
import tarfile
import tempfile
import zipfile
import zlib
from functools import partial

import numpy as np

from cnnkit.data import store
from cnnkit.data.sets import Dataset, Pictures

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 32, 32)
COUNTS = {"train": 5000, "test": 1000}
"""Pictures of each class."""

# The address and the MD5 are those of Alex Krizhevsky's page, https://www.cs.toronto.edu/~kriz/cifar.html.
ORIGINAL = store.Download(
    "cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", ("https://www.cs.toronto.edu/~kriz/",)
)
COPIES = "cifar10-jpeg.tar.xz"
"""An archive of the same pictures as JPEG, ``train/airplane/0000.jpg`` and so on."""


def cifar10(at=None):
    """CIFAR-10, 50000 pictures to train on and 10000 to test with: a ``Dataset``, 0.7 GB.

    ``cifar-10-python.tar.gz`` is looked for in the folder that the environment variable CNNKIT_DATA names and in the
    course's ``data/cache``, and in a folder ``cifar10`` in these; then ``cifar10-jpeg.tar.xz``, a stand-in with JPEG
    copies of the pictures, which the name of the set says. Where neither is there, the first is downloaded (170 MB).
    What was unpacked is kept beside the downloads and is there at once the next time.

    Args:
        at: a folder that has one of the two; nothing is then looked for elsewhere, nor downloaded.

    Raises:
        DataError: where the archive in ``at`` is damaged or is not CIFAR-10, or could not be downloaded.
    """
    candidates = [
        (place / name, read)
        for name, read in (
            (ORIGINAL.name, partial(_read, title="CIFAR-10", unpack=_unpack_original)),
            (COPIES, partial(_read, title="CIFAR-10 (JPEG copies)", unpack=_unpack_copies)),
        )
        for place in store.places("cifar10", at)
    ]
    return store.load("cifar10", candidates, ORIGINAL, at)


def _read(archive, title, unpack):
    """The set in an archive: from what was unpacked of it before, or anew."""
    content = archive.read_bytes()
    checksum = store.md5(content)
    kept = _kept(archive, checksum)
    arrays = _unpacked_before(kept)
    if arrays is None:
        try:
            arrays = unpack(archive, content, checksum)
        except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
            raise store.DataError(f"{archive} is damaged: {error}") from error
        _keep(arrays, kept)
    train, test = (
        Pictures(arrays[f"{part}_x"].astype(np.float32) / 255, arrays[f"{part}_y"].astype(np.int64)) for part in COUNTS
    )
    return Dataset(title, train, test, CLASSES)


def _kept(archive, checksum):
    """Where the arrays of an archive are kept, or None where no folder may be written to."""
    try:
        return store.room("cifar10") / f"{archive.name.partition('.')[0]}-{checksum[:8]}.npz"
    except (store.DataError, FileNotFoundError):
        return None


def _unpacked_before(kept):
    """The arrays that were kept, or None. Damage shows: each array in the file has its checksum."""
    try:
        with np.load(kept) as file:
            return {name: file[name] for name in file.files}
    except (TypeError, OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _keep(arrays, kept):
    """Write the arrays; complete or not at all. It only saves time, so where there is no room it is left out."""
    if kept is None:
        return
    try:
        with tempfile.NamedTemporaryFile(dir=kept.parent, suffix=".part", delete=False) as file:
            try:
                np.savez(file, **arrays)
                file.close()
                os.replace(file.name, kept)
            except BaseException:
                file.close()
                os.unlink(file.name)
                raise
    except OSError:
        return


def _unpack_original(archive, content, checksum):
    # Unpickling runs what the file says: only the file that is published.
    if checksum != ORIGINAL.md5:
        raise store.DataError(f"{archive} is not Krizhevsky's: it has another checksum")
    batches = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        for member in tar:
            name = member.name.rpartition("/")[2]
            if name.startswith("data_batch") or name == "test_batch":
                batches[name] = pickle.load(tar.extractfile(member), encoding="bytes")
    arrays = {}
    for part, start in (("train", "data"), ("test", "test")):
        some = [batches[name] for name in sorted(batches) if name.startswith(start)]
        arrays[f"{part}_x"] = np.concatenate([batch[b"data"] for batch in some]).reshape(-1, *SHAPE)
        arrays[f"{part}_y"] = np.concatenate([batch[b"labels"] for batch in some]).astype(np.uint8)
    return arrays


def _unpack_copies(archive, content, checksum):
    from cnnkit.bars import tqdm

    pictures = {part: [] for part in COUNTS}
    labels = {part: [] for part in COUNTS}
    total = len(CLASSES) * sum(COUNTS.values())
    with tqdm(read_copies(archive), desc=f"unpacking {archive.name}", total=total, leave=False) as all_pictures:
        for part, label, picture in all_pictures:
            pictures[part].append(picture)
            labels[part].append(label)
    arrays = {}
    for part, count in COUNTS.items():
        found = np.bincount(labels[part], minlength=len(CLASSES))
        if (found != count).any():
            raise store.DataError(f"{archive} has {found.tolist()} pictures of the classes in {part}, not {count} each")
        # They come class by class; in an order drawn once, any stretch of them is a fair sample, as in the original.
        order = np.random.default_rng(0).permutation(len(labels[part]))
        arrays[f"{part}_x"] = np.stack(pictures[part])[order]
        arrays[f"{part}_y"] = np.array(labels[part], np.uint8)[order]
    return arrays


def read_copies(archive):
    """Each picture of an archive of JPEG files ``<part>/<class>/<name>.jpg``, in the order of the archive.

    Yields:
        "train" or "test", the number of its class, and its pixels, ``(3, 32, 32)`` uint8.

    Raises:
        DataError: at a file in another folder, one that is no picture, or one of another size.
    """
    from matplotlib.image import imread

    with tarfile.open(archive, "r:xz") as tar:
        for member in tar:
            if not member.isfile():
                continue
            part, label, _ = ("", "", *member.name.split("/"))[-3:]
            if part not in COUNTS or label not in CLASSES:
                raise store.DataError(f"{archive}: {member.name} is not in a folder train/CLASS or test/CLASS")
            try:
                picture = imread(io.BytesIO(tar.extractfile(member).read()), format="jpg")
            except (OSError, SyntaxError) as error:
                raise store.DataError(f"{archive}: {member.name} is no picture") from error
            picture = np.moveaxis(np.atleast_3d(picture), 2, 0)
            if picture.shape != SHAPE:
                raise store.DataError(f"{archive}: {member.name} has the shape {picture.shape}, not {SHAPE}")
            yield part, CLASSES.index(label), picture
