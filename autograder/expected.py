"""What the exercises expect, computed once for all workers of a machine and mapped into the memory of each.

It lies in files of a folder that is the grader's own and ends with the run. No student's process sees that folder.
"""

import contextlib
import fcntl
import itertools
import mmap
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

from cnnkit import exercises, verdict
from cnnkit.verdict import Expected

ALIGNED = 64
"""Arrays begin at a multiple of this."""


class Shelf:
    """Expected results in a folder that several workers use at once.

    Args:
        folder: where the files are; readable by the grader alone.
        seed: what the cases are drawn from.
    """

    def __init__(self, folder, seed):
        self._folder = Path(folder)
        self._seed = seed
        self._held = {}

    def get(self, name):
        """The ``verdict.Expected`` of an exercise."""
        if name not in self._held:
            self._held[name] = _Shelved(exercises.get(name), *_read(self._computed(name)), shelf=self)
        return self._held[name]

    def prepare(self, names):
        """Compute what is not there yet, leaving out what another worker is about to compute."""
        for name in names:
            with contextlib.suppress(BlockingIOError):
                self._computed(name, fcntl.LOCK_NB)

    def mistake(self, expected, number, indices):
        """What a known bug answers in some cases, and in others that were asked for before, as ``Expected.mistake``.

        Where another worker is about to compute it, this one gets ahead with the next that nobody has begun.
        """
        with contextlib.suppress(BlockingIOError):
            return self._mistake(expected, number, indices, fcntl.LOCK_NB)
        for ahead in range(number + 1, len(expected.ways)):
            if not self._path(f"{expected.exercise.name}-{ahead}.0").exists():
                with contextlib.suppress(BlockingIOError):
                    self._mistake(expected, ahead, indices, fcntl.LOCK_NB)
                    break
        return self._mistake(expected, number, indices)

    def _mistake(self, expected, number, indices, how=0):
        known, name = {}, f"{expected.exercise.name}-{number}"
        with self._locked(name, how):
            # One file for each time that there was something to compute: those that are mapped stay as they are.
            for part in itertools.count():
                path = self._path(f"{name}.{part}")
                if not path.exists():
                    break
                known |= _read(path)
            if missing := [i for i in indices if i not in known]:
                _write(path, Expected.mistake(expected, number, missing))
                known |= _read(path)
        return known

    def _computed(self, name, how=0):
        """The path of an exercise's cases and outcomes."""
        with self._locked(name, how) as path:
            if not path.exists():
                expected = verdict.expect(name, self._seed)
                _write(path, (expected.cases, expected.outcomes))
        return path

    def _path(self, name):
        return self._folder / f"{self._seed}-{name}"

    @contextlib.contextmanager
    def _locked(self, name, how=0):
        """The path of a file that nobody else will write in the meantime."""
        path = self._path(name)
        with open(f"{path}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | how)
            yield path


@dataclass(frozen=True)
class _Shelved(Expected):
    shelf: Shelf | None = None

    def mistake(self, number, indices):
        return self.shelf.mistake(self, number, indices)


def _write(path, value):
    """Write a value, its arrays into a file of their own."""
    buffers, places = [], []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    with open(f"{path}.arrays", "wb") as file:
        for buffer in buffers:
            file.write(bytes(-file.tell() % ALIGNED))
            places.append((file.tell(), file.write(buffer.raw())))
    beside = Path(f"{path}.new")
    beside.write_bytes(pickle.dumps((pickled, places)))
    os.replace(beside, path)


def _read(path):
    """The value, its arrays read-only where they lie in the file."""
    pickled, places = pickle.loads(path.read_bytes())
    held = memoryview(b"")
    if any(size for _, size in places):
        with open(f"{path}.arrays", "rb") as file:
            held = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return pickle.loads(pickled, buffers=[held[start : start + size] for start, size in places])
