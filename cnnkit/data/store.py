"""Where data lies on this computer, and how what is missing comes there: downloaded, verified, kept."""

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


class DataError(Exception):
    """Data that is missing or is not what it should be; the message, one line, says what to do."""


def folder():
    """The ``data/`` folder of the course.

    It stands beside the package where the course was installed from its repository; else it is looked for in the
    working directory and the folders above it, which a notebook of the course always has it in.

    Raises:
        FileNotFoundError: where there is none; the message says where it was looked for.
    """
    here = Path.cwd()
    for root in (REPOSITORY, here, *here.parents):
        if (root / "data" / "photo.png").is_file():
            return root / "data"
    raise FileNotFoundError(
        f"the course's data folder is neither in {REPOSITORY} nor in {here} or a folder above it. "
        "Open the notebook from inside the course's repository, or install the course from there: pip install -e ."
    )


def places(name, at=None):
    """Folders in which the set called ``name`` is looked for, first things first.

    Args:
        at: the only folder to look in; by default the one that the environment variable CNNKIT_DATA names and the
            course's ``data/cache``. In each, a folder of the set's own name is looked into, too.
    """
    roots = [Path(at)] if at is not None else caches()
    return [place for root in roots for place in (root / name, root)]


def caches():
    """The folders that keep what was downloaded, the preferred one first."""
    named = os.environ.get("CNNKIT_DATA")
    try:
        own = [folder() / "cache"]
    except FileNotFoundError:
        if not named:
            raise
        own = []
    return [*([Path(named).expanduser()] if named else []), *own]


def room(name):
    """A folder for what belongs to the set called ``name``, made where it is missing, in the first cache that may be
    written to.

    Raises:
        DataError: where there is none.
    """
    trouble = []
    for root in caches():
        try:
            (root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            trouble.append(f"{error.filename or root}: {error.strerror}")
            continue
        # Root may write anywhere; a folder that was set to read-only is left as it is all the same.
        if (root / name).stat().st_mode & 0o222 and os.access(root / name, os.W_OK):
            return root / name
        trouble.append(f"{root / name} is read-only")
    raise DataError(f"no folder to keep {name} in ({'; '.join(trouble)}): name one in the variable CNNKIT_DATA")


@dataclass(frozen=True)
class Download:
    """A file on the web.

    Args:
        name: of the file.
        md5: its published checksum.
        mirrors: addresses of the folders that have it, to be tried in order.
    """

    name: str
    md5: str
    mirrors: tuple[str, ...]


def load(name, candidates, download, at=None):
    """What the first file of several gives that is there and whole; where none is, that file downloaded.

    Args:
        name: of the set, which is what to call it on the command line.
        candidates: pairs of a path and the function to read it with, which raises ``DataError`` at one that is not
            what it should be. The first pair's function also reads what is downloaded.
        download: the ``Download`` to get where no candidate will do.
        at: the only folder to look in, where the user named one: then nothing is downloaded.

    Raises:
        DataError: where no file will do and none comes; the message says why not.
    """
    trouble = []
    for path, read in candidates:
        if path.is_file():
            try:
                return read(path)
            except DataError as error:
                trouble.append(str(error))
    if at is not None:
        raise DataError("; ".join(trouble) or f"{at} has no {' or '.join(sorted({p.name for p, _ in candidates}))}")
    try:
        path = fetch(download, room(name))
    except DataError as error:
        again = f"With a network connection, run: cnnkit data {name}"
        raise DataError(f"{'; '.join([*trouble, str(error)])}. {again}") from error
    return candidates[0][1](path)


def fetch(download, into):
    """Download a file, with a progress bar, and return its path once its checksum is right.

    A file that is there already and has the right checksum is left alone; any other is replaced. What comes is written
    under another name until it is complete and verified, so that a partial download is never taken for the file.

    Args:
        download: a ``Download``.
        into: the folder to keep it in.

    Raises:
        DataError: where no mirror gave the file; the message says why not, each in turn.
    """
    import pooch

    from cnnkit.bars import tqdm

    pooch.get_logger().setLevel(logging.WARNING)
    trouble = []
    for mirror in download.mirrors:
        # pooch sets the total, once it knows it; it takes a bar with none for no bar.
        with tqdm(desc=download.name, total=1, unit="B", unit_scale=True, leave=False) as bar:
            try:
                return Path(
                    pooch.retrieve(
                        mirror + download.name,
                        known_hash=f"md5:{download.md5}",
                        fname=download.name,
                        path=into,
                        downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=30),
                    )
                )
            except ValueError:  # pooch's, where the checksum is wrong
                trouble.append(f"{mirror} has another file by that name (wrong checksum)")
            except OSError as error:  # those of requests, which pooch uses, are some of these, and have no number
                if error.errno is not None:
                    raise DataError(f"{download.name} cannot be written to {into}: {error.strerror}") from error
                response = getattr(error, "response", None)
                trouble.append(
                    f"{mirror} cannot be reached, or broke off"
                    if response is None
                    else f"{mirror} answers {response.status_code}"
                )
    raise DataError(f"{download.name} could not be downloaded: {'; '.join(trouble)}")


def md5(content):
    """The checksum, in hexadecimal digits, of bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
