"""From a folder of submissions to notebooks that can be graded.

A student's notebook is text from outside: nothing is taken from it but the kind, the source, the id and the grade id
of its cells. They are placed into the instructor's own notebook, the skeleton, which keeps its checks and its order.
"""

import ast
import itertools
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

MAX_BYTES = 50 << 20
MAX_CELLS = 5000
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
        notebook: without outputs; cells that the student added carry no nbgrader metadata.
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
    """``(submissions, strays)`` in a folder: what students handed in for ``units``, and strays.

    Both in the order of their names. A stray is a folder with a notebook that is none of the ``known`` units, as
    "student/folder".
    """
    submissions, strays = [], []
    for student in _folders(folder):
        for unit in _folders(student):
            if unit.name in units:
                submissions.append(Submission(student.name, unit.name, unit / f"{unit.name}.ipynb"))
            elif unit.name not in known and any(unit.glob("*.ipynb")):
                strays.append(f"{student.name}/{unit.name}")
    return submissions, strays


def _folders(folder):
    return sorted(p for p in Path(folder).iterdir() if p.is_dir() and not p.name.startswith((".", "_")))


def load(path):
    """The bytes of a submitted file. Raises Refusal."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            raise Refusal(f"{path.name} is no ordinary file")
        if status.st_size > MAX_BYTES:
            raise Refusal(f"{status.st_size / 2**20:.0f} MiB, over the limit of {MAX_BYTES >> 20}")
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise Refusal(f"no {path.name} in the folder") from error
    except OSError as error:
        raise Refusal(f"cannot be read: {error.strerror}") from error


def parse(data):
    """The cells of a notebook from its bytes. Raises Refusal."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Refusal(f"not JSON: byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Refusal(f"not JSON: line {error.lineno} is damaged, or the file breaks off there") from error
    except (RecursionError, ValueError) as error:
        raise Refusal(f"not JSON that can be read: {type(error).__name__}") from error
    if not isinstance(document, dict) or not isinstance(document.get("nbformat"), int):
        raise Refusal("JSON, but no notebook")
    if document["nbformat"] != 4:
        document = _converted(document)
    cells = document.get("cells")
    if not isinstance(cells, list) or len(cells) > MAX_CELLS:
        raise Refusal("a notebook without a list of cells")
    return [_cell(number, cell) for number, cell in enumerate(cells, start=1)]


def _converted(document):
    try:
        return nbformat.convert(nbformat.from_dict(document), 4)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        raise Refusal(f"a notebook of format {document['nbformat']}, which cannot be converted") from error


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

    A solution or written answer goes where its grade id (or else its cell id) belongs, a lesson cell that may be edited
    where its id or its text does; locked cells and demo cells stay as the instructor wrote them. Of a cell that stands
    twice, the last one that is not the stub is the answer. Everything else that the student wrote follows the cell that
    it followed.

    Raises:
        Refusal: where no exercise of the unit is in there at all.
    """
    home = _match(skeleton.cells, cells)
    added, anchor = {}, -1
    for i, cell in enumerate(cells):
        if i in home:
            anchor = home[i]
        elif cell.source.strip() and not _is_copy_of_locked(skeleton.cells, cell):
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
    return Merged(merged, missing, tuple(import_lines(skeleton)))


def import_lines(skeleton):
    """The import statements at the top level of a skeleton's lesson cells that run when grading."""
    lines = []
    for cell in skeleton.cells:
        if cell.cell_type != "code" or is_demo(cell) or cell.metadata.get("nbgrader"):
            continue
        try:
            statements = ast.parse(cell.source).body
        except SyntaxError:  # magics
            continue
        lines += [ast.unparse(s) for s in statements if isinstance(s, ast.Import | ast.ImportFrom)]
    return lines


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
    for k, cell in enumerate(ours):
        found = [i for i, c in enumerate(theirs) if i not in home and c.grade_id and c.grade_id == _grade_id(cell)]
        found = found or [i for i, c in enumerate(theirs) if i not in home and not c.grade_id and c.id == cell.id]
        if found:
            written = [i for i in found if theirs[i].source.strip() != cell.source.strip()]
            home[written[-1] if written and may_change(cell) else found[-1]] = k
    by_text = {}
    for k, cell in enumerate(ours):
        if k not in home.values() and not _grade_id(cell):
            by_text.setdefault(cell.source.strip(), []).append(k)
    for i, cell in enumerate(theirs):
        if i not in home and by_text.get(cell.source.strip()):
            home[i] = by_text[cell.source.strip()].pop(0)
    return home


def _is_copy_of_locked(ours, cell):
    """Whether a submitted cell is another copy of a check, which the skeleton has already."""
    return any(_grade_id(k) == cell.grade_id for k in ours if cell.grade_id and not may_change(k))


def _added_cell(number, cell):
    if cell.kind == "code":
        return new_code_cell(cell.source, id=f"{ADDED}{number}")
    return new_markdown_cell(cell.source, id=f"{ADDED}{number}")
