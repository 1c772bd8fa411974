"""Try every exercise on answers whose marks are known: reference, stub, known bugs, right answers in other styles."""

import contextlib
import io
from dataclasses import dataclass

from rich.table import Table

from autograder import build, ingest, scaffold
from autograder.answers import answers
from autograder.nbgrader_config import ROOT
from autograder.run import check_units
from cnnkit import evaluate, exercises, verdict
from cnnkit.checking import PUBLIC_SEED

ENOUGH = 3
"""Right answers that an exercise should have, beside the lesson's own."""


@dataclass(frozen=True)
class Line:
    """What one kind of answer to one exercise should do, and what it did; ``fault`` is "" where all is well."""

    exercise: str
    kind: str
    fault: str = ""


def lines(unit, device="cpu", root=ROOT, seed=PUBLIC_SEED):
    """Yield a Line for each answer to the exercises of a unit, on cases that are drawn from ``seed``.

    Raises:
        errors.BuildError: where the unit's source cannot be read.
    """
    source = build.source_notebook(build.author_path(unit, root))
    reference, stub = definitions(source), definitions(build.student_notebook(source))
    for name in exercises.names(unit):
        exercise = exercises.get(name)
        if broken := _broken(name, seed, device):
            yield Line(name, "reference", broken)
            continue
        try_it = lambda answer, name=name: evaluate(name, answer, seed, device)
        yield Line(name, "reference", _full(try_it(reference.get(name))))
        tried = try_it(stub.get(name))
        fault = "" if tried.score == 0 and "not written yet" in tried.message else f"scores {tried.score:g}"
        yield Line(name, "stub", fault)
        for bug in exercise.bugs:
            for answer in bug.answers:
                tried = try_it(answer)
                fault = "loses no marks" if tried.score >= tried.max_score else ""
                fault = fault or ("" if tried.bug == bug.name else f"named {tried.bug!r}")
                yield Line(name, f"bug: {bug.name}", fault)
        if not exercise.bugs:
            yield Line(name, "bug", "no known mistake is specified")
        others = answers(name)
        for number, answer in enumerate(others, start=1):
            yield Line(name, f"right answer {number}", _full(try_it(answer)))
        if len(others) < ENOUGH:
            yield Line(name, "right answers", f"{len(others)}, and {ENOUGH} are wanted, written differently")


def _broken(name, seed, device):
    """Why the cases of an exercise or its reference do not run, or ""."""
    try:
        verdict.expect(name, seed, device)
        return ""
    except Exception as error:  # the specification is somebody's unfinished work
        told = " ".join(str(error).split())
        return "not written yet" if "'NotImplementedError'" in told else told or type(error).__name__


def _full(tried):
    return "" if tried.passed else f"{tried.score:g} of {tried.max_score:g}: {tried.message}"


def definitions(notebook):
    """The namespace after running a notebook's cells, checks and demonstrations left out."""
    namespace = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not ingest.is_demo(cell) and not ingest.check_name(cell):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell.source, cell.id, "exec"), namespace)
    return namespace


def run(units, device, console, root=ROOT, seed=PUBLIC_SEED):
    """Print a table for the units, or for all; returns whether everything is as it should be.

    Raises:
        errors.UsageError: where there is no such unit.
    """
    check_units(units, root)
    table = Table(header_style="bold")
    for column in ("exercise", "reference", "stub", "bugs named", "other right answers"):
        table.add_column(column, justify="left" if column == "exercise" else "right")
    faults, left = [], []
    for unit in units or build.units(root):
        left += scaffold.to_write(unit, root)
        found = {}
        for line in lines(unit, device, root, seed):
            found.setdefault(line.exercise, []).append(line)
        for name, tried in found.items():
            table.add_row(name, *(_count(tried, kind) for kind in ("reference", "stub", "bug", "right")))
            faults += [line for line in tried if line.fault]
        table.add_section()
    console.print(table)
    for line in faults:
        console.print(f"[bold red]off[/] {line.exercise}, {line.kind}: {line.fault}", soft_wrap=True)
    for file, number, what in left:
        console.print(f"[bold]to be written[/] {file}:{number}: {what}", soft_wrap=True)
    told = [f"{len(faults)} of these are off."] if faults else []
    told += [f"{len(left)} places are to be written."] if left else []
    console.print(" ".join(told) or "All is as it should be.")
    return not faults and not left


def _count(tried, kind):
    of_kind = [line for line in tried if line.kind.startswith(kind)]
    good = sum(not line.fault for line in of_kind)
    return f"{good} of {len(of_kind)}" if good < len(of_kind) or len(of_kind) != 1 else "ok"
