"""From the archive that a learning management system gives out to a folder of submissions.

Moodle ("Download all submissions") puts a student's files into a folder "Full Name_12345_assignsubmission_file" or,
where folders are switched off, puts that in front of the files' names. Canvas ("Download Submissions") names files
"lastnamefirstname_LATE_12345_67890_title.ipynb": student, LATE or nothing, the student's number, the file's, the title.

An archive is text from outside, twice: students name the files in it and fill them, with archives too. No name in it is
used as a path, links are not followed, and sizes are counted while reading, since what an archive says of them is a
claim.
"""

import datetime
import io
import json
import lzma
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from autograder import ingest
from autograder.errors import UsageError

MAX_ENTRIES = 50_000
MAX_TOTAL = 8 << 30
"""Bytes that are unpacked of one archive, at most."""
MAX_INNER = 200 << 20
"""Bytes of an archive that a student handed in."""
MAX_INNER_ENTRIES = 1000
ONE_DOWNLOAD = datetime.timedelta(minutes=30)
"""Files whose times all lie within this were dated by the download, not by their students."""

MOODLE = re.compile(r"(?P<name>.+?)(?:_(?P<number>\d+))?_assignsubmission_file(?:_?/|_)(?P<title>.+)", re.DOTALL)
MOODLE_TEXT = re.compile(r".+_assignsubmission_onlinetext")
CANVAS = re.compile(
    r"(?:(?P<name>(?!LATE_|late_|anon_).+?)_)?(?:(?P<late>LATE|late)_)?(?P<number>\d+|anon_\w+?)_(?P<file>\d+)"
    r"_(?P<title>[^/]+)",
    re.DOTALL,
)
CANVAS_TEXT = re.compile(r".+_(?:text|link)\.html")


UNREADABLE = (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error)
"""What zipfile raises on bytes that are no archive, or a damaged one."""
NAMES = "names.json"
"""Beside the students' folders: what students are called."""


@dataclass(frozen=True)
class Entry:
    """A file of an archive: whose it is, under what title, and where it lies."""

    student: str
    full_name: str
    title: str
    late: bool
    time: datetime.datetime
    order: int
    where: str
    read: Callable


@dataclass
class Collected:
    """What came of an archive.

    Attributes:
        submissions: ``{(student, unit): path}``.
        late: students and units that the system calls late.
        problems: a line for each file or student that could not be taken.
        times: whether the archive says when students handed in.
    """

    submissions: dict[tuple[str, str], Path] = field(default_factory=dict)
    late: set[tuple[str, str]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    times: bool = False


class Skipped(Exception):
    """A file that is not taken; the message says why."""


def collect(archive, system, folder, units, notify=lambda done, total: None):
    """Unpack the notebooks of an archive into ``<folder>/<student>/<unit>/<unit>.ipynb``.

    A notebook's unit is known by its grade ids, or else by its title. Where there is time of submission in the archive,
    it goes into timestamp.txt, where nbgrader looks for it.

    Args:
        archive: path of the zip file.
        system: "moodle" or "canvas".
        folder: made where it does not exist; what lies there of a student's unit is replaced.
        units: names of the course's units.
        notify: called with (done, total) as the work goes on.

    Returns:
        A Collected.

    Raises:
        errors.UsageError: where the archive cannot be read or the folder not be written.
    """
    done = Collected()
    try:
        with zipfile.ZipFile(archive) as opened:
            if len(opened.infolist()) > MAX_ENTRIES:
                raise UsageError(f"{archive} has more than {MAX_ENTRIES} files")
            _collect(opened, system, Path(folder), units, done, notify)
    except FileNotFoundError as error:
        raise UsageError(f"there is no {error.filename or archive}") from error
    except UNREADABLE as error:
        raise UsageError(f"{archive} is no zip file, or is damaged") from error
    except OSError as error:
        raise UsageError(f"{error.filename or archive}: {error.strerror}") from error
    return done


def _collect(opened, system, folder, units, done, notify):
    budget = _Budget(MAX_TOTAL)
    entries = []
    for order, info in enumerate(opened.infolist()):
        if info.filename.endswith("/"):  # is_dir fails on an empty name
            continue
        try:
            entries.append(_entry(opened, info, system, order, budget))
        except Skipped as reason:
            done.problems.append(f"{_shown(info.filename)}: {reason}")
    times = [entry.time for entry in entries]
    done.times = bool(times) and max(times) - min(times) > ONE_DOWNLOAD
    by_student = {}
    for entry in entries:
        by_student.setdefault(entry.student, []).append(entry)
    names = {}
    for number, (student, own) in enumerate(sorted(by_student.items()), start=1):
        notify(number - 1, len(by_student))
        _take(student, own, folder, units, budget, done)
        names[student] = own[0].full_name
        notify(number, len(by_student))
    _keep_names(folder, {student: names[student] for student, _ in done.submissions})


def _entry(opened, info, system, order, budget):
    """The Entry of one file. Raises Skipped."""
    _check_name(info)
    pattern, text = (MOODLE, MOODLE_TEXT) if system == "moodle" else (CANVAS, CANVAS_TEXT)
    found = pattern.fullmatch(info.filename)
    if not found:
        if text.match(info.filename):
            raise Skipped("an answer typed into the page, no notebook")
        raise Skipped(f"not a name that {system.capitalize()} gives a student's file")
    parts = found.groupdict()
    full_name = (parts["name"] or "").rpartition("/")[2]  # an archive that was packed again has a folder in front
    student = "-".join(filter(None, (_slug(full_name), parts["number"] and _slug(parts["number"]))))
    if not student:
        raise Skipped("no student's name in it")
    return Entry(
        student=student,
        full_name=full_name if system == "moodle" else "",
        title=parts["title"],
        late=bool(parts.get("late")),
        time=_time(info),
        order=int(parts.get("file") or order),
        where=info.filename,
        read=lambda limit: _read(opened, info, limit, budget),
    )


def _check_name(info):
    """Raise Skipped for an entry that would leave the folder it is unpacked in, or is no file."""
    path = PurePosixPath(info.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in info.filename or re.match(r"[A-Za-z]:", info.filename):
        raise Skipped("a path that leads out of the archive")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Skipped("a link" if stat.S_ISLNK(mode) else "no ordinary file")


class _Budget:
    """Bytes that may still be unpacked."""

    def __init__(self, left):
        self.left = left

    def spend(self, count):
        self.left -= count
        if self.left < 0:
            raise UsageError(f"the archive unpacks to more than {MAX_TOTAL >> 30} GiB")


def _read(opened, info, limit, budget):
    """The bytes of an entry. Raises Skipped."""
    try:
        with opened.open(info) as file:
            data = file.read(limit + 1)
    except (RuntimeError, NotImplementedError) as error:  # encrypted; packed in a way that Python does not know
        raise Skipped("encrypted" if "encrypted" in str(error) else "packed in an unknown way") from error
    except (*UNREADABLE, zlib.error, lzma.LZMAError, OSError) as error:
        raise Skipped("damaged") from error
    budget.spend(len(data))
    if len(data) > limit:
        raise Skipped(f"over the limit of {limit >> 20} MiB when unpacked")
    return data


def _take(student, entries, folder, units, budget, done):
    """Write the notebooks of one student, of several of one unit the last."""
    best, problems = {}, []
    for entry in entries:
        try:
            for title, where, data in _notebooks(entry, budget):
                unit = ingest.unit_of(data, units)[0] or next((u for u in units if u in title.lower()), None)
                if not unit:
                    problems.append(f"{_shown(where)}: no unit of this course")
                    continue
                found = (entry.time.timestamp() if done.times else 0, entry.order, title), where, data, entry
                if unit in best:
                    first, second = sorted((best[unit], found), key=lambda one: one[0])
                    problems.append(f"{_shown(first[1])}: left out, there is a later {unit} of {student}")
                    best[unit] = second
                else:
                    best[unit] = found
        except Skipped as reason:
            problems.append(f"{_shown(entry.where)}: {reason}")
    for unit, (_, _, data, entry) in sorted(best.items()):
        path = folder / student / unit / f"{unit}.ipynb"
        _write(path, data)
        stamp = path.with_name("timestamp.txt")
        if done.times:
            _write(stamp, f"{entry.time.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
            os.utime(stamp, (entry.time.timestamp(),) * 2)
        else:
            stamp.unlink(missing_ok=True)
        done.submissions[student, unit] = path
        if entry.late:
            done.late.add((student, unit))
    done.problems += problems
    if not best and not problems:
        done.problems.append(f"{student}: no notebook")


def _notebooks(entry, budget):
    """``(title, where, bytes)`` of the notebooks that an entry is or, where it is an archive, holds. Raises Skipped."""
    kind = PurePosixPath(entry.title.lower()).suffix
    if kind == ".ipynb":
        yield entry.title, entry.where, entry.read(ingest.MAX_BYTES)
    elif kind == ".zip":
        yield from _unpacked(entry, budget)


def _unpacked(entry, budget):
    data = entry.read(MAX_INNER)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            if len(opened.infolist()) > MAX_INNER_ENTRIES:
                raise Skipped(f"an archive of more than {MAX_INNER_ENTRIES} files")
            for info in opened.infolist():
                path = PurePosixPath(info.filename)
                hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts if part != "..")
                if path.suffix.lower() == ".ipynb" and not info.is_dir() and not hidden:
                    _check_name(info)
                    where = f"{entry.where}, {info.filename}"
                    yield info.filename, where, _read(opened, info, ingest.MAX_BYTES, budget)
    except UNREADABLE as error:
        raise Skipped("no zip file, or damaged") from error


def _time(info):
    try:
        return datetime.datetime(*info.date_time).astimezone()
    except (ValueError, OverflowError, OSError):
        return datetime.datetime(1980, 1, 1).astimezone()


def _slug(name):
    """A name as the name of a folder: letters of any script and digits, in lower case, joined by hyphens."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", name))
    return "-".join(words).lower().encode("utf-8", "ignore")[:120].decode("utf-8", "ignore")


def _shown(name):
    """A name from an archive as it can stand in a line."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _keep_names(folder, names):
    """Add to the file that says what students are called."""
    names = {student: name for student, name in names.items() if name}
    if names:
        known = full_names(folder)
        _write(folder / NAMES, json.dumps(known | names, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n")


def full_names(folder):
    """``{student: full name}`` of those that were collected into a folder and have one."""
    try:
        known = json.loads((Path(folder) / NAMES).read_bytes())
        return {str(student): str(name) for student, name in known.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    os.replace(beside, path)
