"""The digits that come with the course, and MNIST where a folder has it."""

import gzip

import numpy as np
import pytest
from PIL import Image

from cnnkit import data


def idx(values):
    """Bytes in the format of MNIST's files, as its page describes it."""
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes() + values.tobytes()


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with four files like MNIST's, of which two are not packed: ``(folder, arrays by name)``."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 6), ("t10k", 4)):
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (n, 28, 28))
        arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, n)
    for name, values in arrays.items():
        if name.startswith("train"):
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(values)))
        else:
            (tmp_path / name).write_bytes(idx(values))
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path))
    return tmp_path, arrays


@pytest.fixture
def no_mnist(tmp_path, monkeypatch):
    """A course that has only what comes with it."""
    (tmp_path / "data").mkdir()
    for name in ("photo.png", "digits.csv.gz"):
        (tmp_path / "data" / name).symlink_to(data.folder() / name)
    monkeypatch.delenv("CNNKIT_DATA", raising=False)
    monkeypatch.setattr(data, "_REPOSITORY", tmp_path)
    return tmp_path / "data"


def test_the_bundled_digits_are_pictures_of_all_ten():
    digits = data.digits()
    assert digits.name == "bundled digits"
    for pictures, n in ((digits.train, 1437), (digits.test, 360)):
        assert pictures.x.shape == (n, 1, 28, 28) and pictures.x.dtype == np.float32
        assert pictures.y.shape == (n,) and pictures.y.dtype == np.int64
        assert pictures.x.min() == 0 and pictures.x.max() == 1
        assert (np.bincount(pictures.y, minlength=10) > n / 15).all()
        # As in MNIST, a rim of four pixels is empty.
        assert not pictures.x[:, :, :4].any() and not pictures.x[..., -4:].any()


def test_the_scans_are_as_the_repository_of_uci_counts_them():
    digits = data.digits()
    counts = np.bincount(np.concatenate([digits.train.y, digits.test.y]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_enlarging_keeps_even_ink_and_straight_ramps():
    weights = data._cubic(8, 20)
    assert np.allclose(weights.sum(1), 1)
    ramp = weights @ np.arange(8.0)
    assert np.allclose(np.diff(ramp)[4:-4], 8 / 20)


def test_enlarging_agrees_with_pillow():
    """Away from the border, where Pillow leaves out what the kernel would see beyond it."""
    image = np.random.default_rng(0).uniform(0, 1, (8, 8)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC))
    weights = data._cubic(8, 20)
    assert np.allclose((weights @ image @ weights.T)[5:-5, 5:-5], theirs[5:-5, 5:-5], atol=1e-5)


def test_mnist_is_read_from_the_folder_named(small_mnist):
    _, arrays = small_mnist
    digits = data.mnist()
    assert digits.name == "MNIST" == data.mnist_or_digits().name
    for pictures, part in ((digits.train, "train"), (digits.test, "t10k")):
        assert pictures.x.dtype == np.float32 and pictures.y.dtype == np.int64
        assert np.array_equal(np.round(pictures.x[:, 0] * 255), arrays[f"{part}-images-idx3-ubyte"])
        assert np.array_equal(pictures.y, arrays[f"{part}-labels-idx1-ubyte"])


def test_mnist_is_found_in_a_folder_of_its_own_and_in_the_cache(small_mnist, no_mnist, monkeypatch):
    files, _ = small_mnist
    (no_mnist / "cache").mkdir()
    (no_mnist / "cache" / "mnist").symlink_to(files)
    monkeypatch.delenv("CNNKIT_DATA", raising=False)
    assert data.mnist_or_digits().name == "MNIST"


def test_without_mnist_the_bundled_digits_come(no_mnist):
    assert data.mnist_or_digits().name == "bundled digits"
    with pytest.raises(FileNotFoundError, match=r"CNNKIT_DATA"):
        data.mnist()


def test_three_of_the_four_files_are_not_mnist(small_mnist):
    at, _ = small_mnist
    (at / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError):
        data.mnist()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: gzip.compress(gzip.decompress(content)[:-1]),
        lambda content: gzip.compress(b"\0\0\x08\x01" + gzip.decompress(content)[4:]),
        lambda content: b"<html>not found</html>",
    ],
)
def test_a_damaged_file_is_named(small_mnist, damage):
    at, _ = small_mnist
    path = at / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="train-images"):
        data.mnist()


def test_pictures_and_labels_must_be_as_many(small_mnist):
    at, _ = small_mnist
    (at / "t10k-labels-idx1-ubyte").write_bytes(idx([1, 2, 3]))
    with pytest.raises(ValueError, match="4 pictures and 3 labels"):
        data.mnist()
