"""What a run has found out so far, one line of JSON for each event, written before anything else is.

A run that was killed goes on from here: a result is found again by a key that says what it was made of.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import cnnkit

PACKAGES = ("ipython", "numpy", "torch")
GRADERS = ("expected.py", "flags.py", "inert.py", "ingest.py", "outputs.py", "score.py", "worker.py", "sandbox")


class Busy(Exception):
    """Another run is writing the same journal."""


@dataclass(frozen=True)
class Kept:
    """A result with the shapes of its answers, as ``flags.shapes`` gives them, and a digest that stands for both.

    What an older version did not write is None.
    """

    result: dict | None
    shapes: dict | None
    digest: str


class Journal:
    """The events of a folder of results, with an index in memory and the results themselves on disk.

    Lines are ``{"key", "student", "unit", "graded"}``, the same with "refused", which is null where a submission that
    was refused is not there any more, ``{"written": key}`` and ``{"strays": {name: why}}``.

    Args:
        path: of the file, made where it does not exist. Whatever a killed run left of a last line is cut off.

    Raises:
        Busy: where another process has it open.
        OSError: where it cannot be written.
    """

    def __init__(self, path):
        self.written = {}  # by (student, unit): key of the result that the gradebook holds
        self.refused = {}  # by (student, unit): the reason; only while no result came after it
        self.strays = {}  # by name: what nothing came of in the last run, and why
        self._keys = {}  # by (student, unit): key of the last result
        self._refused_keys = {}  # by (student, unit): what was refused, or None where there was nothing to read
        self._places = {}  # by key: offset and length of the line
        self._whose = {}  # by key: (student, unit)
        self._file = open(path, "a+b")  # noqa: SIM115 - closed by close()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise Busy from error
        self._read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()

    def __contains__(self, key):
        return key in self._places

    def __getitem__(self, key):
        """The Kept result with that key."""
        line = self._line(key)
        event = json.loads(line)
        return Kept(event.get("graded"), event.get("shapes"), digest(line))

    def latest(self):
        """``((student, unit), Kept)`` of every submission that was ever graded, in the order of their names."""
        for who in sorted(self._keys):
            yield who, self[self._keys[who]]

    def add(self, key, student, unit, result, shapes):
        """Keep the result of a submission, with the shapes of its answers."""
        self._append({"key": key, "student": student, "unit": unit, "graded": result, "shapes": shapes})

    def refuse(self, key, student, unit, reason):
        """Keep why a submission is refused; the key as for a result, None where there was nothing to read."""
        if self.refused.get((student, unit)) != reason or not self.has_refused(key, student, unit):
            self._append({"key": key, "student": student, "unit": unit, "refused": reason})

    def has_refused(self, key, student, unit):
        """Whether the last word on a submission is that what this key stands for was refused."""
        return (student, unit) in self.refused and self._refused_keys[student, unit] == key

    def keep_to(self, found, units, strays):
        """Keep the strays of a run, and forget who was refused of ``units`` and is not ``found`` any more."""
        for student, unit in [who for who in self.refused if who[1] in units and who not in found]:
            self._append({"key": None, "student": student, "unit": unit, "refused": None})
        if strays != self.strays:
            self._append({"strays": strays})

    def mark_written(self, keys):
        """Note that results are in the gradebook."""
        self._append(*({"written": key} for key in keys))

    def current(self, key, student, unit):
        """Make the result with that key the last one of its submission, where it is not already."""
        if self._keys.get((student, unit)) != key or (student, unit) in self.refused:
            self._append(json.loads(self._line(key)))

    def _line(self, key):
        offset, length = self._places[key]
        self._file.seek(offset)
        return self._file.read(length)

    def _append(self, *events):
        lines = [json.dumps(event).encode() + b"\n" for event in events]
        offset = self._file.seek(0, os.SEEK_END)
        try:
            self._file.writelines(lines)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            error.filename = str(self._file.name)
            raise
        for event, line in zip(events, lines, strict=True):
            self._note(event, offset, len(line))
            offset += len(line)

    def _note(self, event, offset, length):
        if "written" in event:
            self.written[self._whose[event["written"]]] = event["written"]
            return
        if "strays" in event:
            self.strays = event["strays"]
            return
        who = event["student"], event["unit"]
        if "refused" in event and event["refused"] is None:
            self.refused.pop(who, None)
            return
        if "refused" in event:
            self.refused[who] = event["refused"]
            self._refused_keys[who] = event.get("key")
            return
        key = event.get("key", offset)
        self._places[key] = offset, length
        self._keys[who] = key
        self._whose[key] = who
        self.refused.pop(who, None)

    def _read(self):
        self._file.seek(0)
        offset = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                self._file.truncate(offset)
                break
            # A line that a failing disk has garbled counts as never written.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._note(json.loads(line), offset, len(line))
            offset += len(line)


def key(student, unit, submitted, skeleton, settings, grader):
    """What a result was made of, as a short text.

    Args:
        student, unit: whose it is.
        submitted: the bytes of the notebook.
        skeleton: the text of the instructor's.
        settings: a dataclass that says how it is graded: the seed, the isolation, the limits.
        grader: from ``grader_digest``.
    """
    parts = [student, unit, digest(submitted), digest(skeleton.encode()), asdict(settings), grader]
    return digest(json.dumps(parts).encode())


def digest(data):
    return hashlib.sha256(data).hexdigest()


def grader_digest():
    """Stands for the specifications, the code that grades and the versions of what it runs on."""
    ours = Path(__file__).parent
    files = sorted(Path(cnnkit.__file__).parent.rglob("*.py"))
    for name in GRADERS:
        files += sorted((ours / name).rglob("*.py")) if (ours / name).is_dir() else [ours / name]
    parts = [platform.python_version(), *map(importlib.metadata.version, PACKAGES)]
    return digest(json.dumps([*parts, *(digest(file.read_bytes()) for file in files)]).encode())
