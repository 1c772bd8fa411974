"""Try every exercise on answers whose marks are known: reference, stub, known bugs, right answers in other styles."""

import contextlib
import io
from dataclasses import dataclass

from rich.table import Table

from autograder import build, ingest
from autograder.answers import answers
from autograder.nbgrader_config import ROOT
from autograder.run import check_units, source_path
from cnnkit import evaluate, exercises


@dataclass(frozen=True)
class Line:
    """What one kind of answer to one exercise should do, and what it did; ``fault`` is "" where all is well."""

    exercise: str
    kind: str
    fault: str = ""


def lines(unit, device="cpu", root=ROOT):
    """Yield a Line for each answer to the exercises of a unit.

    Raises:
        build.BuildError: where the unit's source cannot be read.
    """
    source = build.source_notebook(source_path(unit, root))
    reference, stub = definitions(source), definitions(build.student_notebook(source))
    for name in exercises.names(unit):
        exercise = exercises.get(name)
        try_it = lambda answer, name=name: evaluate(name, answer, device=device)
        yield Line(name, "reference", _full(try_it(reference.get(name))))
        verdict = try_it(stub.get(name))
        fault = "" if verdict.score == 0 and "not written yet" in verdict.message else f"scores {verdict.score:g}"
        yield Line(name, "stub", fault)
        for bug in exercise.bugs:
            for answer in bug.answers:
                verdict = try_it(answer)
                fault = "loses no marks" if verdict.score >= verdict.max_score else ""
                fault = fault or ("" if verdict.bug == bug.name else f"named {verdict.bug!r}")
                yield Line(name, f"bug: {bug.name}", fault)
        for number, answer in enumerate(answers(name), start=1):
            yield Line(name, f"right answer {number}", _full(try_it(answer)))


def _full(verdict):
    return "" if verdict.passed else f"{verdict.score:g} of {verdict.max_score:g}: {verdict.message}"


def definitions(notebook):
    """The namespace after running a notebook's cells, checks and demonstrations left out."""
    namespace = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not ingest.is_demo(cell) and not ingest.check_name(cell):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell.source, cell.id, "exec"), namespace)
    return namespace


def run(units, device, console, root=ROOT):
    """Print a table for the units, or for all; returns whether everything is as it should be.

    Raises:
        errors.UsageError: where there is no such unit.
    """
    check_units(units, root)
    table = Table(header_style="bold")
    for column in ("exercise", "reference", "stub", "bugs named", "other right answers"):
        table.add_column(column, justify="left" if column == "exercise" else "right")
    faults = []
    for unit in units or build.units(root):
        found = {}
        for line in lines(unit, device, root):
            found.setdefault(line.exercise, []).append(line)
        for name, tried in found.items():
            table.add_row(name, *(_count(tried, kind) for kind in ("reference", "stub", "bug", "right")))
            faults += [line for line in tried if line.fault]
        table.add_section()
    console.print(table)
    for line in faults:
        console.print(f"[bold red]off[/] {line.exercise}, {line.kind}: {line.fault}", soft_wrap=True)
    console.print(f"{len(faults)} of these are off." if faults else "All is as it should be.")
    return not faults


def _count(tried, kind):
    of_kind = [line for line in tried if line.kind.startswith(kind)]
    good = sum(not line.fault for line in of_kind)
    return f"{good} of {len(of_kind)}" if good < len(of_kind) or len(of_kind) != 1 else "ok"
