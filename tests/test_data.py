"""The digits that come with the course; MNIST and CIFAR-10 from folders that have them and from a server on this
machine."""

import contextlib
import errno
import gzip
import hashlib
import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnkit import data
from cnnkit.cli import main
from cnnkit.data import cifar, handwriting, store

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Files of the real sets, beside the repository's folder."""


def md5(content):
    return hashlib.md5(content).hexdigest()


def idx(values):
    """Bytes in the format of MNIST's files, as its page describes it."""
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes() + values.tobytes()


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course that has only what comes with it: its ``data/`` folder. Nothing is to be had from the network."""
    (tmp_path / "course" / "data").mkdir(parents=True)
    for name in ("photo.png", "digits.csv.gz"):
        (tmp_path / "course" / "data" / name).symlink_to(data.folder() / name)
    monkeypatch.delenv("CNNKIT_DATA", raising=False)
    monkeypatch.setattr(store, "REPOSITORY", tmp_path / "course")
    monkeypatch.setattr(handwriting, "MIRRORS", ("http://127.0.0.1:9/",))
    monkeypatch.setattr(
        cifar, "ORIGINAL", store.Download(cifar.ORIGINAL.name, cifar.ORIGINAL.md5, ("http://[::1]:9/",))
    )
    return tmp_path / "course" / "data"


@pytest.fixture
def arrays(monkeypatch):
    """Arrays like MNIST's, by name, of a few pictures; they are what counts as MNIST."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 6), ("t10k", 4)):
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (n, 28, 28))
        arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, n)
    files = {
        name: handwriting._File(md5(packed(values)), md5(idx(values)), values.shape) for name, values in arrays.items()
    }
    monkeypatch.setattr(handwriting, "FILES", files)
    return arrays


def packed(values):
    return gzip.compress(idx(values), mtime=0)


@pytest.fixture
def small_mnist(course, arrays, tmp_path, monkeypatch):
    """A folder with four files like MNIST's, of which two are not packed: ``(folder, arrays by name)``."""
    at = tmp_path / "files"
    at.mkdir()
    for name, values in arrays.items():
        if name.startswith("train"):
            (at / f"{name}.gz").write_bytes(gzip.compress(idx(values), 1))  # packed otherwise than by its publisher
        else:
            (at / name).write_bytes(idx(values))
    monkeypatch.setenv("CNNKIT_DATA", str(at))
    return at, arrays


class Mirror(BaseHTTPRequestHandler):
    """Serves what its server was told to; a file listed in ``server.cut`` breaks off in the middle."""

    def do_GET(self):
        name = self.path.lstrip("/")
        self.server.asked.append(name)
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if name in self.server.cut else content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(files):
    """A web server on the loopback with some files, from their names to their bytes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.files, server.cut, server.asked = dict(files), set(), []
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


@pytest.fixture
def mirror(course, arrays, monkeypatch):
    """A server that has what counts as MNIST, and is its only mirror."""
    with serving({f"{name}.gz": packed(values) for name, values in arrays.items()}) as server:
        monkeypatch.setattr(handwriting, "MIRRORS", (server.url,))
        yield server


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
    weights = handwriting._cubic(8, 20)
    assert np.allclose(weights.sum(1), 1)
    ramp = weights @ np.arange(8.0)
    assert np.allclose(np.diff(ramp)[4:-4], 8 / 20)


def test_enlarging_agrees_with_pillow():
    """Away from the border, where Pillow leaves out what the kernel would see beyond it."""
    image = np.random.default_rng(0).uniform(0, 1, (8, 8)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC))
    weights = handwriting._cubic(8, 20)
    assert np.allclose((weights @ image @ weights.T)[5:-5, 5:-5], theirs[5:-5, 5:-5], atol=1e-5)


def same_as(digits, arrays):
    return all(
        np.array_equal(np.round(pictures.x[:, 0] * 255), arrays[f"{part}-images-idx3-ubyte"])
        and np.array_equal(pictures.y, arrays[f"{part}-labels-idx1-ubyte"])
        for pictures, part in ((digits.train, "train"), (digits.test, "t10k"))
    )


# MNIST from a folder


def test_mnist_is_read_from_the_folder_named(small_mnist):
    _, arrays = small_mnist
    digits = data.mnist()
    assert digits.name == "MNIST" == data.mnist_or_digits().name
    assert digits.train.x.dtype == np.float32 and digits.train.y.dtype == np.int64
    assert digits.train.x.shape == (6, 1, 28, 28) and digits.classes == tuple("0123456789")
    assert same_as(digits, arrays)


def test_mnist_is_found_in_a_folder_of_its_own_and_in_the_cache(small_mnist, course, monkeypatch):
    files, arrays = small_mnist
    (course / "cache").mkdir()
    (course / "cache" / "mnist").symlink_to(files)
    monkeypatch.delenv("CNNKIT_DATA")
    assert same_as(data.mnist_or_digits(), arrays)


def test_mnist_is_read_from_a_folder_that_is_handed_over(small_mnist, monkeypatch):
    files, arrays = small_mnist
    monkeypatch.delenv("CNNKIT_DATA")
    assert same_as(data.mnist(files), arrays)


def test_without_mnist_the_bundled_digits_come(course):
    assert data.mnist_or_digits().name == "bundled digits"


def test_the_real_files_are_mnist_however_they_are_packed():
    digits = data.mnist(SHARED / "mnist")
    assert digits.train.x.shape == (60000, 1, 28, 28) and digits.test.x.shape == (10000, 1, 28, 28)
    # The first digits of both parts, as every tutorial shows them: 5 0 4 1 9 and 7 2 1 0 4.
    assert digits.train.y[:5].tolist() == [5, 0, 4, 1, 9] and digits.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    # The mean over the training pictures that is in general use, 0.1307.
    assert round(float(digits.train.x.mean(dtype=np.float64)), 4) == 0.1307


def test_three_of_the_four_files_are_not_mnist(small_mnist):
    at, _ = small_mnist
    (at / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(data.DataError, match="has no t10k-labels-idx1-ubyte"):
        data.mnist(at)
    assert data.mnist_or_digits().name == "bundled digits"


def relabelled(content, label):
    values = gzip.decompress(content)
    return gzip.compress(values[:-1] + bytes([label]))


DAMAGE = {
    "cut short": ("images", lambda content: content[: len(content) // 2], "is damaged"),
    "a byte turned over": ("images", lambda c: c[:300] + bytes([c[300] ^ 1]) + c[301:], "damaged"),
    "cut short, then packed": ("images", lambda c: gzip.compress(gzip.decompress(c)[:-1]), "bytes, MNIST's has"),
    "labels for pictures": ("images", lambda c: gzip.compress(b"\0\0\x08\x01" + gzip.decompress(c)[4:]), "3 axes"),
    "a page that says not found": ("images", lambda content: b"<html>not found</html>", "is damaged"),
    "empty": ("images", lambda content: b"", "3 axes"),
    "pictures of another size": ("images", lambda c: packed(np.zeros((6, 32, 32))), r"\(32, 32\) pixels"),
    "a label out of range": ("labels", lambda content: relabelled(content, 10), "a label 10"),
    "another label": ("labels", lambda content: relabelled(content, 3), "another checksum"),
    "fewer labels": ("labels", lambda content: packed([1, 2, 3]), "bytes, MNIST's has"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_in_one_line(small_mnist, damage):
    at, _ = small_mnist
    kind, spoil, message = DAMAGE[damage]
    path = next(at.glob(f"train-{kind}*"))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(data.DataError, match=f"train-{kind}.*{message}") as raised:
        data.mnist(at)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_in_the_cache_is_fetched_again(mirror, course, arrays, damage):
    cache = course / "cache" / "mnist"
    data.mnist()
    kind, spoil, _ = DAMAGE[damage]
    path = cache / f"train-{kind}-idx{3 if kind == 'images' else 1}-ubyte.gz"
    path.write_bytes(spoil(path.read_bytes()))
    mirror.asked.clear()
    assert same_as(data.mnist(), arrays)
    assert mirror.asked == [path.name]
    assert md5(path.read_bytes()) == handwriting.FILES[path.stem].packed


# MNIST from a server


def test_what_is_missing_is_downloaded_once(mirror, course, arrays):
    assert same_as(data.mnist(), arrays)
    assert sorted(mirror.asked) == sorted(f"{name}.gz" for name in arrays)
    assert sorted(path.name for path in (course / "cache" / "mnist").iterdir()) == sorted(mirror.asked)
    mirror.asked.clear()
    assert same_as(data.mnist(), arrays) and same_as(data.mnist_or_digits(), arrays)
    assert mirror.asked == []


def test_only_what_is_missing_is_downloaded_into_the_folder_named(mirror, small_mnist):
    at, arrays = small_mnist
    (at / "t10k-labels-idx1-ubyte").unlink()
    assert same_as(data.mnist(), arrays)
    assert mirror.asked == ["t10k-labels-idx1-ubyte.gz"]
    assert (at / "mnist" / "t10k-labels-idx1-ubyte.gz").is_file()


def test_a_download_shows_its_progress(mirror, capsys):
    data.mnist()
    assert "train-images-idx3-ubyte.gz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda server, name: server.cut.add(name), "broke off"),
        (lambda server, name: server.files.update({name: server.files[name][:-9]}), "wrong checksum"),
        (lambda server, name: server.files.update({name: b"<html>sorry</html>"}), "wrong checksum"),
        (lambda server, name: server.files.pop(name), "answers 404"),
    ],
    ids=["connection cut", "truncated", "other bytes", "not there"],
)
def test_a_download_that_fails_leaves_nothing_and_the_next_mirror_is_tried(
    mirror, course, arrays, monkeypatch, spoil, message
):
    cache = course / "cache" / "mnist"
    name = "t10k-images-idx3-ubyte.gz"
    whole = mirror.files[name]
    spoil(mirror, name)
    with pytest.raises(data.DataError, match=f"{name} could not be downloaded: {mirror.url} .*{message}") as raised:
        data.mnist()
    assert "\n" not in str(raised.value) and "run: cnnkit data mnist" in str(raised.value)
    train = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert sorted(path.name for path in cache.iterdir()) == train, "those before it, and no part of it"
    with serving({name: whole}) as second:
        monkeypatch.setattr(handwriting, "MIRRORS", (mirror.url, second.url))
        assert same_as(data.mnist(), arrays)
        assert second.asked == [name]


def test_without_a_network_the_message_has_the_command(course, arrays):
    result = CliRunner().invoke(main, ["data", "mnist"])
    assert result.exit_code == 1
    (line,) = (line for line in result.output.splitlines() if line.startswith("Error"))
    assert "127.0.0.1:9/ cannot be reached" in line
    assert line.endswith("With a network connection, run: cnnkit data mnist")


def test_a_full_disk_is_no_fault_of_the_mirrors(mirror, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(data.DataError, match=r"cannot be written to .*mnist: No space left on device"):
        data.mnist()


def test_no_folder_to_write_to_is_said(mirror, course, monkeypatch):
    (course / "cache").write_text("a file where the folder should be")
    with pytest.raises(data.DataError, match=r"no folder to keep mnist in .*cache.*CNNKIT_DATA"):
        data.mnist()


def test_a_folder_that_is_set_to_read_only_stays_as_it_is(mirror, course, arrays, tmp_path, monkeypatch):
    """For root, too, whom permissions do not stop."""
    (tmp_path / "theirs" / "mnist").mkdir(parents=True)
    (tmp_path / "theirs" / "mnist").chmod(0o555)
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path / "theirs"))
    assert same_as(data.mnist(), arrays)
    assert not any((tmp_path / "theirs" / "mnist").iterdir())
    assert len(list((course / "cache" / "mnist").iterdir())) == 4


def test_the_command_gets_and_verifies(mirror):
    for _ in range(2):
        result = CliRunner().invoke(main, ["data", "mnist"])
        assert result.exit_code == 0, result.output
        assert "MNIST: 6 pictures to train on, 4 to test with, verified" in result.output
    assert len(mirror.asked) == 4
    assert CliRunner().invoke(main, ["data", "imagenet"]).exit_code == 2


def test_data_that_works_offline_loads_neither_torch_nor_what_downloads_need():
    code = "import sys; from cnnkit import data; data.digits(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert not {"torch", "pooch", "requests"} & set(run.stdout.split())


# CIFAR-10


@pytest.fixture
def few(course, monkeypatch):
    """Three pictures of each class to train on, and one to test with, are what counts as CIFAR-10."""
    monkeypatch.setattr(cifar, "COUNTS", {"train": 3, "test": 1})


def jpeg(shape=(32, 32, 3), level=0):
    file = io.BytesIO()
    Image.fromarray(np.full(shape, level, np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def copies():
    """Files of an archive of JPEG copies: from their names to their bytes. Class k's pictures are of gray 20 k."""
    return {
        f"{part}/{kind}/{number:04}.jpg": jpeg(level=20 * k)
        for part, count in cifar.COUNTS.items()
        for k, kind in enumerate(cifar.CLASSES)
        for number in range(count)
    }


def archive(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, f"w:{path.suffix[1:]}") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def batches():
    """Files of an archive like Krizhevsky's, and the pictures and labels to train on in it."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(10), 3))
    pictures = rng.integers(0, 256, (30, 3072), np.uint8)
    files = {"batches.meta": pickle.dumps({b"label_names": []}), "test_batch": batch(pictures[:10], np.arange(10))}
    for number in (2, 1, 3):  # an archive has its files in any order
        part = slice(10 * number - 10, 10 * number)
        files[f"data_batch_{number}"] = batch(pictures[part], labels[part])
    return {f"cifar-10-batches-py/{name}": content for name, content in files.items()}, pictures, labels


def batch(pictures, labels):
    return pickle.dumps({b"data": pictures, b"labels": [int(label) for label in labels]})


def test_copies_say_so_in_the_name_and_are_unpacked_once(few, course, monkeypatch):
    path = archive(course / "cache" / "cifar10" / cifar.COPIES, copies())
    first = data.cifar10()
    assert first.name == "CIFAR-10 (JPEG copies)" and first.classes[3] == "cat"
    assert first.train.x.shape == (30, 3, 32, 32) and first.test.x.shape == (10, 3, 32, 32)
    assert first.train.x.dtype == np.float32 and first.train.y.dtype == np.int64
    assert np.allclose(first.train.x, first.train.y[:, None, None, None] * 20 / 255, atol=2 / 255)
    assert sorted(set(first.train.y[:20])) != [0, 1, 2, 3, 4, 5, 6], "class by class"
    monkeypatch.setattr(cifar, "read_copies", None)  # what was unpacked is not unpacked again
    again = data.cifar10(path.parent)
    assert np.array_equal(again.train.x, first.train.x) and np.array_equal(again.test.y, first.test.y)


def test_damage_to_what_was_unpacked_is_noticed(few, course):
    archive(course / "cache" / "cifar10" / cifar.COPIES, copies())
    first = data.cifar10()
    (kept,) = (course / "cache" / "cifar10").glob("*.npz")
    content = bytearray(kept.read_bytes())
    for spoiled in (content[: len(content) // 2], content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], b""):
        kept.write_bytes(spoiled)
        again = data.cifar10()
        assert np.array_equal(again.train.x, first.train.x) and np.array_equal(again.train.y, first.train.y)


def test_unpacking_that_is_interrupted_leaves_nothing(few, course, monkeypatch):
    archive(course / "cache" / "cifar10" / cifar.COPIES, copies())

    def interrupt(file, **_):
        file.write(b"some")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupt)
    with pytest.raises(KeyboardInterrupt):
        data.cifar10()
    assert [path.name for path in (course / "cache" / "cifar10").iterdir()] == [cifar.COPIES]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train/cat/0001.jpg": None}, r"not 3 each"),
        ({"train/lion/0000.jpg": jpeg()}, "train/lion/0000.jpg is not in a folder"),
        ({"cat/0001.jpg": jpeg()}, "cat/0001.jpg is not in a folder"),
        ({"train/cat/0001.jpg": jpeg((28, 28, 3))}, r"train/cat/0001.jpg has the shape \(3, 28, 28\)"),
        ({"train/cat/0001.jpg": jpeg((32, 32))}, r"train/cat/0001.jpg has the shape \(1, 32, 32\)"),
        ({"test/cat/0000.jpg": b"no picture"}, "test/cat/0000.jpg is no picture"),
    ],
    ids=["missing", "unknown class", "no part", "wrong size", "gray", "no picture"],
)
def test_copies_that_are_not_cifar10_are_named_in_one_line(few, tmp_path, change, message):
    files = {name: content for name, content in (copies() | change).items() if content is not None}
    archive(tmp_path / cifar.COPIES, files)
    with pytest.raises(data.DataError, match=message) as raised:
        data.cifar10(tmp_path)
    assert "\n" not in str(raised.value)


def test_an_archive_that_is_cut_short_is_named(few, tmp_path, monkeypatch):
    path = archive(tmp_path / cifar.COPIES, copies())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(data.DataError, match=f"{cifar.COPIES} is damaged"):
        data.cifar10(tmp_path)
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path))
    with pytest.raises(data.DataError, match=r"is damaged.*could not be downloaded.*run: cnnkit data cifar10"):
        data.cifar10()


def test_the_original_is_downloaded_verified_and_preferred(few, course, tmp_path, monkeypatch):
    files, pictures, labels = batches()
    content = archive(tmp_path / cifar.ORIGINAL.name, files).read_bytes()
    archive(course / "cache" / cifar.COPIES, copies())
    with serving({cifar.ORIGINAL.name: content}) as server:
        monkeypatch.setattr(cifar, "ORIGINAL", store.Download(cifar.ORIGINAL.name, md5(content), (server.url,)))
        assert data.cifar10().name == "CIFAR-10 (JPEG copies)", "what is here is used"
        (course / "cache" / cifar.COPIES).unlink()
        for _ in range(2):
            found = data.cifar10()
            assert found.name == "CIFAR-10"
            assert np.array_equal(np.round(found.train.x * 255).reshape(30, -1), pictures)
            assert np.array_equal(found.train.y, labels) and found.test.y.tolist() == list(range(10))
        assert server.asked == [cifar.ORIGINAL.name]
        archive(course / "cache" / cifar.COPIES, copies())
        assert data.cifar10().name == "CIFAR-10"


def test_an_original_with_another_checksum_is_not_unpickled(few, tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    files = {"cifar-10-batches-py/data_batch_1": pickle.dumps(Harm())}
    archive(tmp_path / cifar.ORIGINAL.name, files)
    with pytest.raises(data.DataError, match=f"{cifar.ORIGINAL.name} is not Krizhevsky's"):
        data.cifar10(tmp_path)
    assert not (tmp_path / "harm").exists()


def test_the_real_copies_are_pictures_of_the_class_that_comes_first():
    some = list(islice(cifar.read_copies(SHARED / "cifar10" / cifar.COPIES), 40))
    assert {(part, label) for part, label, _ in some} == {("train", 0)}
    pictures = np.stack([picture for *_, picture in some])
    assert pictures.shape == (40, 3, 32, 32) and pictures.dtype == np.uint8
    # Aeroplanes before the sky: blue is brighter than red in the mean.
    assert pictures[:, 2].mean() > pictures[:, 0].mean()
