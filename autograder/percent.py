"""Read an author's percent notebook and the short marks on its ``# %%`` lines.

    # %% [markdown]                           lesson text
    # %%                                      lesson code
    # %% tags=["demo"]                        skipped when grading
    # %% solution="im2col"                    the student's function, between BEGIN SOLUTION and END SOLUTION
    # %% check="im2col"                       exactly: check("im2col", im2col)
    # %% [markdown] written="why" points=3    an answer that a person grades

What stands here concerns the file alone; ``autograder.build`` compares it with the exercises.
"""

import ast
import re
from pathlib import Path

import jupytext
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.errors import BuildError

BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"
KINDS = ("solution", "check", "written")
# The others are read by the site's builder.
TAGS = {"demo", "hide-cell", "hide-input", "hide-output", "remove-cell", "remove-input", "raises-exception"}
OPTIONS = {*KINDS, "points", "tags"}
# Written by jupytext itself on reading, about the blank lines of the file.
NOISE = {"lines_to_next_cell", "lines_to_end_of_cell_marker"}


def mark(cell):
    """``(kind, name)`` of a cell, kind one of ``KINDS``; ``(None, None)`` for a lesson cell."""
    for kind in KINDS:
        if kind in cell.metadata:
            return kind, cell.metadata[kind]
    return None, None


def is_demo(cell):
    return "demo" in cell.metadata.get("tags", [])


def place(file, number, cell):
    """How a message names a cell: by its mark, or by its number and first line."""
    kind, name = mark(cell)
    if kind:
        return f"{file}, {kind} cell '{name}'"
    return f"{file}, cell {number} ({cell.source.strip().splitlines()[0][:50]!r})"


def solution_lines(source):
    """The lines between the markers of a solution cell.

    Raises ValueError, with a reason, where there are none or the markers do not pair up.
    """
    lines, inside, regions = [], False, 0
    for line in source.splitlines():
        if BEGIN in line or END in line:
            if inside == (BEGIN in line):
                raise ValueError(f"{BEGIN} and {END} do not alternate")
            inside, regions = not inside, regions + (BEGIN in line)
        elif inside:
            lines.append(line)
    if inside:
        raise ValueError(f"no {END} after {BEGIN}")
    if not regions:
        raise ValueError(f"no {BEGIN} / {END} markers")
    if not any(line.strip() for line in lines):
        raise ValueError(f"nothing stands between {BEGIN} and {END}")
    return lines


def read(path):
    """The notebook of a percent file, its cells' metadata holding the author's marks and nothing else.

    Raises BuildError for a file without a kernelspec, for an option or a tag that is not known, for a
    mark in the wrong sort of cell, for solution markers that are missing or out of place.
    """
    path = Path(path)
    file = "/".join(path.parts[-3:])
    try:
        raw = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except Exception as error:  # jupytext has no error of its own: a bad header ends in whatever it trips over
        raise BuildError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    kernelspec = raw.metadata.get("kernelspec", {})
    if not kernelspec.get("name"):
        raise BuildError(f"{file}: no kernelspec in the header")
    cells = []
    for number, cell in enumerate(raw.cells, start=1):
        if not cell.source.strip():
            continue
        for key in NOISE:
            cell.metadata.pop(key, None)
        _refuse(cell, place(file, number, cell))
        new = new_markdown_cell if cell.cell_type == "markdown" else new_code_cell
        cells.append(new(cell.source, metadata=cell.metadata))
    spec = {
        "display_name": kernelspec.get("display_name", kernelspec["name"]),
        "language": "python",
        "name": kernelspec["name"],
    }
    return new_notebook(cells=cells, metadata={"kernelspec": spec, "language_info": {"name": "python"}})


def _refuse(cell, where):
    if cell.cell_type == "raw":
        raise BuildError(f"{where}: raw cells are not part of a lesson")
    if unknown := sorted(set(cell.metadata) - OPTIONS):
        raise BuildError(f"{where}: unknown option {', '.join(unknown)}")
    tags = cell.metadata.get("tags", [])
    if not isinstance(tags, list) or not set(tags) <= TAGS:
        raise BuildError(f"{where}: unknown tag in {tags}; known are {', '.join(sorted(TAGS))}")
    kind, name = mark(cell)
    if len(set(KINDS) & set(cell.metadata)) > 1:
        raise BuildError(f"{where}: a cell is a solution, a check or a written answer, one of them")
    if kind and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,49}", str(name)):
        raise BuildError(f"{where}: not a usable name: letters, digits and _, 50 at most")
    if kind and tags:
        raise BuildError(f"{where}: tags do not belong on graded cells")
    if (cell.cell_type == "markdown") != (kind == "written") and kind:
        raise BuildError(f"{where}: {'written answers are markdown cells' if kind == 'written' else 'not code'}")
    if kind != "written" and "points" in cell.metadata:
        raise BuildError(f"{where}: points come from the exercise's specification")
    if kind == "written":
        points = cell.metadata.get("points")
        if isinstance(points, bool) or not isinstance(points, int | float) or not points > 0:
            raise BuildError(f"{where}: needs points, a number above 0")
    if kind in ("solution", "written"):
        try:
            solution_lines(cell.source)
        except ValueError as error:
            raise BuildError(f"{where}: {error}") from error
    elif BEGIN in cell.source or END in cell.source:
        raise BuildError(f"{where}: solution markers in a cell that is not marked solution or written")
    if kind == "solution" and name not in _defined(cell.source, where):
        raise BuildError(f"{where}: does not define {name}")
    if kind == "check" and cell.source.strip() != f'check("{name}", {name})':
        raise BuildError(f'{where}: must read exactly: check("{name}", {name})')


def _defined(source, where):
    """Names of the functions and classes that stand at the top of a cell."""
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise BuildError(f"{where}: line {error.lineno}: {error.msg}") from error
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
