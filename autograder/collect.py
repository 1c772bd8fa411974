"""From the archive that a learning management system gives out to a folder of submissions.

Moodle ("Download all submissions") puts a student's files into a folder "Full Name_12345_assignsubmission_file" or,
where folders are switched off, puts that in front of the files' names. The number is that of one student in one
assignment, so it is the name that a student is known by from week to week. Anonymous submissions are all
"Participant_12345". Canvas ("Download Submissions") names files
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
from autograder.files import write_atomically

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
PATTERNS = {"moodle": (MOODLE, MOODLE_TEXT), "canvas": (CANVAS, CANVAS_TEXT)}
"""By system: the name of a student's file, and that of an answer typed into the page."""

UNREADABLE = (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error)
"""What zipfile raises on bytes that are no archive, or a damaged one."""
NAMES = "names.json"
"""Beside the students' folders: who they are."""
NAMED = 5
"""Students that a line names, at most."""


@dataclass(frozen=True)
class Person:
    """Who a student is, as far as an archive tells.

    Attributes:
        name: the full name, or "".
        moodle: the numbers that Moodle has given this student, one for each assignment.
        canvas_id: Canvas's number of the user, or "".
    """

    name: str = ""
    moodle: tuple[str, ...] = ()
    canvas_id: str = ""


@dataclass(frozen=True)
class Entry:
    """A file of an archive: whose it is, by name and number, under what title, and where it lies."""

    name: str
    number: str
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
        notes: lines on what was taken, but deserves a look.
        replaced: students and units where there was a notebook under another of Moodle's numbers.
        times: whether the archive says when students handed in.
    """

    submissions: dict[tuple[str, str], Path] = field(default_factory=dict)
    late: set[tuple[str, str]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    replaced: list[tuple[str, str]] = field(default_factory=list)
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
        errors.UsageError: where the archive cannot be read, is empty or another system's, or the folder not be written.
    """
    done = Collected()
    try:
        with zipfile.ZipFile(archive) as opened:
            if len(opened.infolist()) > MAX_ENTRIES:
                raise UsageError(f"{archive} has more than {MAX_ENTRIES} files")
            _check_system(archive, [info.filename for info in opened.infolist() if info.filename[-1:] != "/"], system)
            _collect(opened, system, Path(folder), units, done, notify)
    except FileNotFoundError as error:
        raise UsageError(f"there is no {error.filename or archive}") from error
    except UNREADABLE as error:
        raise UsageError(f"{archive} is no zip file, or is damaged") from error
    except OSError as error:
        raise UsageError(f"{error.filename or archive}: {error.strerror}") from error
    return done


def _check_system(archive, names, system):
    """Raise UsageError for an archive of no files, or where all that can be told is that another system made it."""
    if not names:
        raise UsageError(f"{archive} holds no files")
    systems = [each for each, (pattern, _) in PATTERNS.items() if any(map(pattern.fullmatch, names))]
    if systems and system not in systems:
        raise UsageError(f"{archive} has names as {systems[0].capitalize()} gives them: --from {systems[0]}")


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
    known = {student: person for student, person in people(folder).items() if (folder / student).is_dir()}
    students = _moodle_students(entries, known, done) if system == "moodle" else _canvas_students(entries)
    by_student = {}
    for entry in entries:
        by_student.setdefault(students[entry.name, entry.number], []).append(entry)
    found = {}
    for count, (student, own) in enumerate(sorted(by_student.items()), start=1):
        notify(count - 1, len(by_student))
        before = known.get(student, Person())
        found[student] = _who(system, own[0], before)
        other = student in known and found[student].moodle != before.moodle
        _take(student, own, folder, units, budget, done, other)
        notify(count, len(by_student))
    if done.replaced:
        whose = listed([f"{student} {unit}" for student, unit in done.replaced])
        done.notes.append(
            f"replaced, and Moodle has another number for what was there: {whose}. Right where that is a second "
            "assignment on the unit; in one assignment it would be two students of one name: give them a folder each"
        )
    keep_people(folder, {student: found[student] for student, _ in done.submissions})


def _who(system, entry, before):
    """The Person whom an entry is of, where ``before`` is what the folder knows already."""
    if system == "canvas":
        return Person(canvas_id=entry.number if entry.number.isdecimal() else "")
    return Person(entry.name, tuple(dict.fromkeys(filter(None, (*before.moodle, entry.number)))))


def _canvas_students(entries):
    """``{(name, number): student}``, where a student is the name of a folder. Canvas's number is the user's."""
    return {(e.name, e.number): _joined(_slug(e.name), _slug(e.number)) for e in entries}


def _moodle_students(entries, known, done):
    """``{(name, number): student}``: by the number where the folder has it, or else by the name where that is unique.

    Students of one name are kept apart by their numbers.
    """
    by_slug, students = {}, {}
    for entry in entries:
        by_slug.setdefault(_slug(entry.name), {})[entry.name, entry.number] = None
    for slug, owners in by_slug.items():
        there = {student: person for student, person in known.items() if slug and _slug(person.name) == slug}
        apart = []
        for name, number in owners:
            same = [student for student, person in there.items() if number in person.moodle]
            if not same and len(owners) == 1 and len(there) < 2:
                same = [*there] or [slug or number]
            if not same:
                same = [_joined(slug, number)]
                apart += same
            students[name, number] = same[0]
        if apart:
            also = f" beside {listed([*there])}" if there else ""
            done.notes.append(
                f"{_shown(name)}: more than one student has this name, kept apart as {listed(apart)}{also}. Moodle "
                "has other numbers in each assignment: where you know who it is, move the work to that student's folder"
            )
    return students


def _joined(*parts):
    return "-".join(filter(None, parts))


def listed(names):
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _entry(opened, info, system, order, budget):
    """The Entry of one file. Raises Skipped."""
    _check_name(info)
    pattern, text = PATTERNS[system]
    found = pattern.fullmatch(info.filename)
    if not found:
        if text.match(info.filename):
            raise Skipped("an answer typed into the page, no notebook")
        raise Skipped(f"not a name that {system.capitalize()} gives a student's file")
    parts = found.groupdict()
    name = (parts["name"] or "").rpartition("/")[2]  # an archive that was packed again has a folder in front
    number = parts["number"] or ""
    if not _slug(name + number):
        raise Skipped("no student's name in it")
    return Entry(
        name=name,
        number=number,
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


def _take(student, entries, folder, units, budget, done, other):
    """Write the notebooks of one student, of several of one unit the last.

    ``other`` says whether what is there already has another of Moodle's numbers.
    """
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
        if other and path.exists():
            done.replaced.append((student, unit))
        write_atomically(path, data)
        stamp = path.with_name("timestamp.txt")
        if done.times:
            write_atomically(stamp, f"{entry.time.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
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


def keep_people(folder, found):
    """Add ``{student: Person}`` to the file of a folder that says who the students are."""
    if found:
        everybody = {
            student: {key: value for key, value in vars(person).items() if value}
            for student, person in (people(folder) | found).items()
        }
        text = json.dumps(everybody, ensure_ascii=False, indent=1, sort_keys=True)
        write_atomically(folder / NAMES, text.encode() + b"\n")


def people(folder):
    """``{student: Person}`` of those that were collected into a folder, or graded from there into it."""
    try:
        known = json.loads((Path(folder) / NAMES).read_bytes())
        return {student: _person(student, data) for student, data in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _person(student, data):
    if isinstance(data, str):  # as the file was once written, when Moodle's number ended the folder's name
        return Person(data, (student.rpartition("-")[2],))
    moodle = tuple(map(str, data.get("moodle", ())))
    return Person(str(data.get("name", "")), moodle, str(data.get("canvas_id", "")))
