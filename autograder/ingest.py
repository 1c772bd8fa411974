"""From a folder of submissions to notebooks that can be graded.

A student's notebook is text from outside: nothing is taken from it but the kind, the source, the id and the grade id
of its cells. They are placed into the instructor's own notebook, the skeleton, which keeps its checks and its order.
"""

import ast
import collections
import functools
import itertools
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import nbformat
import nbformat.reader
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder import inert
from cnnkit import exercises

MAX_BYTES = 50 << 20
MAX_PARTS = 1 << 20
"""Lists and objects in the JSON of a notebook: each costs many times the memory of the bytes that it is written in."""
MAX_CELLS = 5000
MAX_FILES = 200
"""Notebooks looked at in one student's folder, where none has the name that it should have."""
MAX_DEPTH = 4
NOBODYS = ("__MACOSX", "__pycache__")
"""Folders that programs make beside those of students."""
MAX_MARKDOWN = 400_000
"""Characters of a student's Markdown that are drawn; what comes after them in a notebook is shown as it was written."""
DEFINITION = re.compile(r"^(?:(?:async[ \t]+)?def|class)[ \t]+(\w+)", re.MULTILINE)
GRADE_ID = re.compile(rb'"grade_id"\s*:\s*"([^"\\]{1,200})"')
ADDED = "added-"
"""Begins the id of a cell that the student added."""


class Refusal(Exception):
    """A submission that cannot be graded; the message is the reason, in one line."""


@dataclass(frozen=True)
class Submission:
    """One student's notebook of one unit: ``<folder>/<student>/<unit>/<unit>.ipynb``."""

    student: str
    unit: str
    path: Path


@dataclass(frozen=True)
class Cell:
    """What is taken from a cell of a submitted notebook; ``id`` and ``grade_id`` may be None."""

    kind: str
    source: str
    id: str | None
    grade_id: str | None


@dataclass(frozen=True)
class Merged:
    """A student's work in the instructor's notebook.

    Attributes:
        notebook: without outputs; cells that the student added carry no nbgrader metadata, and nothing in what the
            student wrote as Markdown acts where it is drawn.
        missing: exercises whose solution cell the submission does not have.
        imports: lines of import statements of the lesson itself, which can be loaded before any student's code.
    """

    notebook: nbformat.NotebookNode
    missing: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()

    def to_dict(self):
        return vars(self)

    @classmethod
    def from_dict(cls, data):
        return cls(nbformat.from_dict(data["notebook"]), tuple(data["missing"]), tuple(data["imports"]))


def find(folder, units, known):
    """``(submissions, strays)`` in a folder: what students handed in for ``units``, and what nothing came of.

    Both in the order of their names. A notebook of another name, or in another folder of the student's, is taken for
    the unit whose grade ids it has, where the one that should be there is not. ``strays`` is ``{name: why}``: students
    without any notebook of the ``known`` units, as "student", folders with a notebook that is none of them, as
    "student/folder", and files that are in no student's folder.
    """
    submissions, strays = [], {}
    for path in sorted(Path(folder).iterdir()):
        try:
            if _is_folder(path):
                found, others = _of_student(path, units, known)
                submissions += found
                strays |= others
            elif path.suffix.lower() in (".ipynb", ".zip") and not path.name.startswith("."):
                strays[path.name] = "it lies in no student's folder"
        except OSError as error:
            strays[path.name] = f"cannot be read: {error.strerror}"
    return submissions, strays


def _of_student(student, units, known):
    """``(submissions, strays)`` of one student's folder."""
    if student.is_symlink():
        found = [Submission(student.name, unit, student) for unit in units if (student / unit).is_dir()]
        return found, {} if any((student / unit).is_dir() for unit in known) else {student.name: "a link, not a folder"}
    places = {place.name: place for place in sorted(student.iterdir()) if _is_folder(place)}
    elsewhere = [place for name, place in places.items() if name not in known]
    paths = {unit: _notebook(places[unit], unit) for unit in units if unit in places}
    missing = [unit for unit in units if unit not in paths or not os.path.lexists(paths[unit])]
    named = _by_grade_ids([*student.glob("*.ipynb"), *_notebooks(elsewhere)], known) if missing else {}
    paths |= {unit: named[unit] for unit in missing if unit in named}
    taken = {path.relative_to(student).parts[0] for path in named.values()}
    others = [p.name for p in elsewhere if p.name not in taken and any(p.glob("*.ipynb"))]
    strays = {f"{student.name}/{name}": "there is no such unit" for name in others}
    if not (strays or named or places.keys() & set(known)):
        strays[student.name] = f"no notebook of any unit, {_listed(student)}"
    return [Submission(student.name, unit, paths[unit]) for unit in units if unit in paths], strays


def _listed(folder):
    """What a folder holds, in a few words."""
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"only {', '.join(names[:3])}{more}" if names else "nothing at all"


def _notebook(folder, unit):
    """Path of the notebook in the folder of a unit; where there is none, the path that it should have."""
    path = folder / f"{unit}.ipynb"
    if folder.is_symlink():
        return folder
    if os.path.lexists(path):
        return path
    return _by_grade_ids(_notebooks([folder]), [unit]).get(unit, path)


def _notebooks(folders):
    """Paths of the notebooks in folders and the folders in them; links are not followed."""
    found = []
    for top in folders:
        for place, below, files in os.walk(top):
            depth = len(Path(place).relative_to(top).parts)
            below[:] = sorted(d for d in below if not d.startswith(".")) if depth < MAX_DEPTH else []
            found += [Path(place, name) for name in sorted(files) if name.endswith(".ipynb")]
    return found


def _by_grade_ids(paths, units):
    """``{unit: path}`` of the notebooks among ``paths`` with grade ids of a unit, for each the one with the most."""
    best = {}
    for path in paths[:MAX_FILES]:
        try:
            unit, count = unit_of(load(path), units)
        except Refusal:
            continue
        if count > best.get(unit, (0, None))[0]:
            best[unit] = count, path
    return {unit: path for unit, (_, path) in best.items() if unit}


def unit_of(data, units):
    """``(unit, count)``: the unit among ``units`` that most grade ids in a notebook's bytes belong to, or (None, 0)."""
    ids = {name.decode(errors="replace").removesuffix("_solution") for name in GRADE_ID.findall(data)}
    counts = {unit: len(ids.intersection(exercises.names(unit))) for unit in units if unit in exercises.MODULES}
    unit = max(counts, key=counts.get, default=None)
    return (unit, counts[unit]) if unit and counts[unit] else (None, 0)


def _is_folder(path):
    return path.is_dir() and not path.name.startswith(".") and path.name not in NOBODYS


def load(path):
    """The bytes of a submitted file. Raises Refusal."""
    path = Path(path)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Refusal(f"{path.name} is no ordinary file")
        # Again on what was opened: a link may have taken its place.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Refusal(f"{path.name} is no ordinary file")
            if status.st_size > MAX_BYTES:
                raise Refusal(f"{status.st_size / 2**20:.0f} MiB, over the limit of {MAX_BYTES >> 20}")
            data = file.read(MAX_BYTES)
    except FileNotFoundError as error:
        raise Refusal(f"no {path.name} in the folder") from error
    except OSError as error:
        raise Refusal(f"cannot be read: {error.strerror}") from error
    if not data:
        raise Refusal("the file is empty")
    return data


def parse(data):
    """The cells of a notebook from its bytes. Raises Refusal."""
    if data.count(b"[") + data.count(b"{") > MAX_PARTS:
        raise Refusal(f"more than {MAX_PARTS} lists and objects in the file")
    text = _text(data)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refusal(f"not JSON: line {error.lineno} is damaged, or the file breaks off there") from error
    except (RecursionError, ValueError) as error:
        raise Refusal(f"not JSON that can be read: {type(error).__name__}") from error
    if not isinstance(document, dict) or type(document.get("nbformat")) is not int:
        raise Refusal("JSON, but no notebook")
    if document["nbformat"] != 4:
        document = _converted(text, document["nbformat"])
    cells = document.get("cells")
    if not isinstance(cells, list) or len(cells) > MAX_CELLS:
        raise Refusal("a notebook without a list of cells" if not isinstance(cells, list) else f"{len(cells)} cells")
    return [_cell(number, cell) for number, cell in enumerate(cells, start=1)]


def _text(data):
    """The text of a file: UTF-8, UTF-16 or 32 with a byte-order mark, or else what Windows writes, code page 1252."""
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as unreadable:
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            raise Refusal(f"not JSON: byte {unreadable.start} is not UTF-8") from unreadable


def _converted(text, version):
    try:
        return nbformat.convert(nbformat.reader.reads(text), 4)
    except Exception as error:  # the steps of the conversion take a well-formed notebook for granted
        raise Refusal(f"a notebook of format {version}, which cannot be converted") from error


def _cell(number, cell):
    if not isinstance(cell, dict):
        raise Refusal(f"cell {number} is no cell")
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str) or not isinstance(cell.get("cell_type"), str):
        raise Refusal(f"cell {number} has no source text")
    source = source.encode("utf-8", "replace").decode()
    metadata = cell.get("metadata")
    ours = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = ours.get("grade_id") if isinstance(ours, dict) else None
    text = lambda value: value if isinstance(value, str) else None
    return Cell(cell["cell_type"], source, text(cell.get("id")), text(grade_id))


def merge(skeleton, cells):
    """Place a student's cells into the skeleton.

    An answer in code goes where its grade id, its cell id or else the function that it defines belongs; a written
    answer where its grade id or cell id does; a lesson cell that may be edited also where its text does. Locked cells
    and demo cells stay as the instructor wrote them. Of a cell that stands twice, the last one that is not the stub is
    the answer. Everything else that the student wrote follows the cell that it followed.

    Raises:
        Refusal: where no exercise of the unit is in there at all.
    """
    home = _match(skeleton.cells, cells)
    added, anchor = {}, -1
    for i, cell in enumerate(cells):
        if i in home:
            anchor = home[i]
        elif cell.source.strip() and not _is_copy(skeleton.cells, cell):
            added.setdefault(anchor, []).append(cell)
    submitted = {k: cells[i] for i, k in home.items()}
    solutions = _solutions(skeleton.cells)
    missing = tuple(name for k, name in solutions.items() if k not in submitted)
    if len(missing) == len(solutions):
        raise Refusal("no cell of any exercise of this unit is in the notebook")

    numbers = itertools.count(1)
    after = lambda k: [_added_cell(next(numbers), cell) for cell in added.get(k, ())]
    merged = nbformat.from_dict({**skeleton, "cells": []})
    merged.cells += after(-1)
    for k, ours in enumerate(skeleton.cells):
        cell = nbformat.from_dict(ours)
        if k in submitted and may_change(ours):
            cell.source = submitted[k].source
        merged.cells += [cell, *after(k)]
    _make_inert(merged.cells, skeleton.cells)
    return Merged(merged, missing, tuple(import_lines(skeleton)))


def import_lines(skeleton):
    """The import statements at the top level of a skeleton's lesson cells that run when grading."""
    lesson = (c for c in skeleton.cells if c.cell_type == "code" and not is_demo(c) and not c.metadata.get("nbgrader"))
    return [line for cell in lesson for line in _imports(cell.source)]


@functools.lru_cache(maxsize=1000)
def _imports(source):
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # magics
        return ()
    return tuple(ast.unparse(s) for s in statements if isinstance(s, ast.Import | ast.ImportFrom))


def is_demo(cell):
    """Whether a cell is skipped when grading."""
    return "demo" in cell.metadata.get("tags", [])


def check_name(cell):
    """Name of the exercise that a cell checks, or None."""
    ours = cell.metadata.get("nbgrader", {})
    return ours["grade_id"] if ours.get("grade") and not ours.get("solution") else None


def solution_name(cell):
    """Name of the exercise whose answer a cell holds, or None."""
    ours = cell.metadata.get("nbgrader", {})
    return ours["grade_id"].removesuffix("_solution") if ours.get("solution") and not ours.get("grade") else None


def may_change(cell):
    """Whether a student's version of a skeleton's cell counts."""
    ours = cell.metadata.get("nbgrader", {})
    return not is_demo(cell) and (ours.get("solution", False) or not (ours.get("grade") or ours.get("locked")))


def _grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _solutions(cells):
    """``{index: exercise}`` of the solution cells of a skeleton."""
    return {k: name for k, name in enumerate(map(solution_name, cells)) if name}


def _match(ours, theirs):
    """``{index of a submitted cell: index of the skeleton's cell that it is}``."""
    home = {}
    solutions, grade_ids = _solutions(ours), list(map(_grade_id, ours))
    free = lambda: [i for i in range(len(theirs)) if i not in home]
    lesson = [cell for k, cell in enumerate(ours) if k not in solutions]
    known = {cell.id for cell in lesson} | {
        grade_ids[k] for k in range(len(ours)) if k not in solutions and grade_ids[k]
    }
    own = [cell.kind == "code" and known.isdisjoint((cell.id, cell.grade_id)) for cell in theirs]
    defined = [set(DEFINITION.findall(cell.source)).intersection(solutions.values()) for cell in theirs]
    for k, name in solutions.items():
        ranks = []
        for i in free():
            # Tags are the student's to change and cells are there to be copied, so what a cell defines counts as well.
            tagged = grade_ids[k] == theirs[i].grade_id or ours[k].id == theirs[i].id
            defines = name in defined[i]
            if tagged or (defines and own[i]):
                of_another = not defines and defined[i]
                written = theirs[i].source.strip() != ours[k].source.strip()
                ranks.append((tagged and defines, tagged and not of_another, defines, written, i))
        if ranks:
            home[max(ranks)[-1]] = k
    rest = lambda: [(k, cell) for k, cell in enumerate(ours) if k not in home.values() and k not in solutions]
    by_grade_id, by_id = collections.defaultdict(list), collections.defaultdict(list)
    for i in free():
        by_grade_id[theirs[i].grade_id].append(i)
        by_id[theirs[i].id].append(i)
    for k, cell in rest():
        found = [i for i in by_grade_id[grade_ids[k]] if i not in home] if grade_ids[k] else []
        found = found or [i for i in by_id[cell.id] if i not in home]
        if found:
            written = [i for i in found if theirs[i].source.strip() != cell.source.strip()]
            home[written[-1] if written and may_change(cell) else found[-1]] = k
    by_text = {}
    for k, cell in rest():
        by_text.setdefault(cell.source.strip(), []).append(k)
    for i in free():
        if by_text.get(theirs[i].source.strip()):
            home[i] = by_text[theirs[i].source.strip()].pop(0)
    return home


def _is_copy(ours, cell):
    """Whether a submitted cell is another copy of a check or of a stub, which the skeleton has already."""
    text = cell.source.strip()
    for k in ours:
        grade_id = _grade_id(k)
        if grade_id and cell.grade_id == grade_id and not may_change(k):
            return True
        if grade_id and (check_name(k) or solution_name(k)) and k.source.strip() == text:
            return True
    return False


def _added_cell(number, cell):
    if cell.kind == "code":
        return new_code_cell(cell.source, id=f"{ADDED}{number}")
    return new_markdown_cell(cell.source, id=f"{ADDED}{number}")


def _make_inert(cells, ours):
    """Make the Markdown among cells inert, except what is the instructor's."""
    own, drawn = {cell.id: cell.source for cell in ours}, 0
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source != own.get(cell.id):
            drawn += len(cell.source)
            make = inert.markdown if drawn <= MAX_MARKDOWN else inert.as_written
            cell.source = make(cell.source)
