"""A course to be attacked: a copy of the repository with a unit of two exercises, of 3 and 5 points, and canaries.

A row of the table is one hostile submission and what should become of it. All rows are graded in one run of the
command line, neighbours with right answers among them; the tests look at what that run has left.
"""

import csv
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
UNIT = "90-two-exercises"
NEIGHBOURS = ["00-neighbour", "15-neighbour", "25-neighbour", "99-neighbour"]
LIMITS = {"--cell-seconds": "6", "--check-seconds": "6", "--memory": "0.5"}

SPECIFICATION = '''\
"""Two small exercises, of 3 and 5 points."""

import numpy as np

from cnnkit.cases import Case
from cnnkit.exercises.specification import Unit

UNIT = Unit("90-two-exercises")


def _cases(rng):
    for shape in [(3,), (7,), (4,), (50,)]:
        yield Case("basics", (rng.standard_normal(shape),))


@UNIT.exercise("double(x)", points={"basics": 3})
class Double:
    cases = staticmethod(_cases)
    oracle = staticmethod(lambda x: 2 * x)
    bugs = ()


@UNIT.exercise("running_sum(x)", points={"basics": 5})
class RunningSum:
    cases = staticmethod(_cases)
    oracle = staticmethod(np.cumsum)
    bugs = ()
'''

LESSON = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Two exercises

# %%
import numpy as np

from cnnkit import check

# %% solution="double"
def double(x):
    ### BEGIN SOLUTION
    return x * 2.0  # @CANARY@
    ### END SOLUTION

# %% check="double"
check("double", double)

# %% solution="running_sum"
def running_sum(x):
    ### BEGIN SOLUTION
    return np.cumsum(x, axis=0)  # @CANARY@
    ### END SOLUTION

# %% check="running_sum"
check("running_sum", running_sum)
"""

FIRST = "def double(x):\n    return x + x"
SECOND = "def running_sum(x):\n    return np.cumsum(x)"
WRONG = "def running_sum(x):\n    return x"


@dataclass(frozen=True)
class Row:
    """A hostile submission.

    Attributes:
        number: of its row in the table.
        name: what it does, in a word or two; with the number, the student's name.
        first, second: source of the two answers.
        before, after: source of cells that the student added, first and last in the notebook.
        edit: called with the notebook, changes it in place.
        place: called with the path where the notebook belongs and its text; writes the submission in another way.
        score: points, or None where it must be refused.
        refused: what the reason says, where it must be refused.
        found: called with the Course and the Row after the run, for what this row alone must show.

    ``@CANARY@`` does not stand in a submission; ``@ROOT@``, ``@SUBMITTED@``, ``@RESULTS@``, ``@HOME@``, ``@SCRATCH@``
    do, as the paths that an attacker might know.
    """

    number: int
    name: str
    first: str = FIRST
    second: str = WRONG
    before: str = ""
    after: str = ""
    edit: Callable = lambda nb: None
    place: Callable | None = None
    score: float | None = 3
    refused: str = ""
    found: Callable | None = None

    @property
    def student(self):
        return f"{self.number:02}-{self.name}"


def answer(body, name="running_sum"):
    """Source of a function with this body."""
    return f"def {name}(x):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}"


@dataclass
class Course:
    """The course in a folder, and after ``grade`` what the run has left.

    Attributes:
        canary: stands in the instructor's files; in nothing that a student receives.
        printed: what the command line printed.
        code: its exit status.
        left: command lines of the processes that outlived it.
        peak: bytes of memory of the largest process of the run.
    """

    base: Path
    scratch: Path
    canary: str = field(default_factory=lambda: f"CANARY-{secrets.token_hex(8)}")
    printed: str = ""
    code: int | None = None
    left: tuple[str, ...] = ()
    peak: int = 0

    def __post_init__(self):
        self.root, self.home = self.base / "repository", self.base / "home"
        self.submitted, self.results = self.base / "submitted", self.base / "results"
        needless = shutil.ignore_patterns("__pycache__", "examples")
        for package in ("cnnkit", "autograder"):
            shutil.copytree(ROOT / package, self.root / package, ignore=needless)
        (self.root / "cnnkit" / "exercises" / "two_exercises.py").write_text(SPECIFICATION)
        with open(self.root / "cnnkit" / "exercises" / "__init__.py", "a") as file:
            file.write(f'\nMODULES["{UNIT}"] = "two_exercises"\n')
        write(self.root / "solutions" / UNIT / f"{UNIT}.py", LESSON.replace("@CANARY@", self.canary))
        write(self.root / "autograder" / "answers" / "two_exercises.py", f'"""{self.canary}"""\n')
        write(self.root / "autograder" / "examples" / "perfect" / "note.txt", self.canary)
        write(self.home / ".bashrc", f"export TOKEN={self.canary}\n")
        write(self.home / ".ipython" / "profile_default" / "startup" / "10-own.py", f"# {self.canary}\n")
        write(self.results / "notes.txt", self.canary)
        write(self.scratch / "notes.txt", self.canary)

    def submit(self, rows):
        """Write the submissions of the rows, and of the neighbours."""
        for name in NEIGHBOURS:
            self._submit(Row(0, name, second=SECOND, first=f"{FIRST}  # {self.canary}-neighbour"), name)
        for row in rows:
            self._submit(row, row.student)

    def grade(self, *options):
        """Run the command line on all that was submitted."""
        report = self.base / "left.json"
        command = [sys.executable, "-m", "autograder.cli", "grade", UNIT, "--jobs", "2"]
        command += ["--submitted", self.submitted, "--output", self.results]
        command += [word for pair in LIMITS.items() for word in pair] + list(options)
        done = subprocess.run(
            [sys.executable, "-c", WATCH, report, *map(str, command)],
            env=self.environment(),
            cwd=self.base,
            capture_output=True,
            text=True,
            timeout=900,
        )
        found = json.loads(report.read_text())
        self.printed, self.code = done.stdout + done.stderr, found["code"]
        self.left, self.peak = tuple(found["left"]), found["peak"]

    def digest(self):
        """A digest of each file that no submission may change."""
        files = [p for part in (self.root, self.home, self.submitted) for p in part.rglob("*")]
        return {
            str(p.relative_to(self.base)): (p.lstat().st_mode, hashlib.sha256(p.read_bytes()).hexdigest())
            for p in files
            # What the instructor's own Python and build write.
            if p.is_file() and not p.is_symlink() and not {"__pycache__", "build"} & set(p.parts)
        }

    def rows(self):
        """``{student: {exercise: score}}`` of grades.csv."""
        found = {}
        with open(self.results / "grades.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["student"], {})[row["exercise"]] = float(row["score"])
        return found

    def gradebook(self):
        """The same, of nbgrader's own tables."""
        return recorded(self.results / "gradebook.db")

    def journal(self):
        """``{student: result}`` of the journal."""
        lines = map(json.loads, (self.results / "journal.jsonl").read_text().splitlines())
        return {line["student"]: line["graded"] for line in lines if "graded" in line}

    def received(self, student):
        """The files that a student receives, and the executed notebook that a person who marks looks at."""
        folders = [self.results / part / student for part in ("feedback", "autograded")]
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    def outputs(self, student):
        """All that the cells of a student's executed notebook show, as text."""
        nb = nbformat.read(self.results / "autograded" / student / UNIT / f"{UNIT}.ipynb", as_version=4)
        return "\n".join(json.dumps(cell.outputs) for cell in nb.cells if cell.cell_type == "code")

    def _submit(self, row, student):
        nb = nbformat.read(self._released(), as_version=4)
        for cell in nb.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name == "double_solution":
                cell.source = row.first
            elif name == "running_sum_solution":
                cell.source = row.second
        if row.before:
            nb.cells.insert(0, nbformat.v4.new_code_cell(row.before))
        if row.after:
            nb.cells.append(nbformat.v4.new_code_cell(row.after))
        for cell in nb.cells:
            cell.source = self._with_paths(textwrap.dedent(cell.source))
        row.edit(nb)
        path = self.submitted / student / UNIT / f"{UNIT}.ipynb"
        path.parent.mkdir(parents=True)
        text = json.dumps(nb)
        if row.place:
            row.place(path, text)
        else:
            path.write_text(text)

    def _with_paths(self, text):
        for name in ("root", "submitted", "results", "home", "scratch"):
            text = text.replace(f"@{name.upper()}@", str(getattr(self, name)))
        return text

    def _released(self):
        path = self.base / "released.ipynb"
        if not path.exists():
            command = [sys.executable, "-c", RELEASE, UNIT, str(path)]
            subprocess.run(command, env=self.environment(), cwd=self.base, check=True, timeout=300)
        return path

    def environment(self):
        """The instructor's environment variables."""
        ours = {"PYTHONPATH": str(self.root), "HOME": str(self.home), "TMPDIR": str(self.scratch), "TOKEN": self.canary}
        return os.environ | ours


def recorded(path):
    """``{student: {exercise: score}}`` of the gradebook at a path."""
    found = {}
    query = """
        select sa.student_id, base.name, g.auto_score
        from grade g join submitted_notebook sn on g.notebook_id = sn.id
        join submitted_assignment sa on sn.assignment_id = sa.id join base_cell base on g.cell_id = base.id
    """
    with sqlite3.connect(path) as db:
        for student, exercise, score in db.execute(query):
            found.setdefault(student, {})[exercise] = score
    return found


RELEASE = """
import sys
import nbformat
from autograder import build

source = build.source_notebook(build.author_path(sys.argv[1]))
nbformat.write(build.student_notebook(source), sys.argv[2])
"""

WATCH = """
import ctypes, json, os, resource, subprocess, sys, time

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # whatever turns its back on the run becomes a child of this process
code = subprocess.call(sys.argv[2:])

def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()

deadline = time.monotonic() + 60
while children() and time.monotonic() < deadline:
    if not os.waitpid(-1, os.WNOHANG)[0]:
        time.sleep(0.05)
left = [open(f"/proc/{pid}/cmdline").read().replace(chr(0), " ") for pid in children()]
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
with open(sys.argv[1], "w") as file:
    json.dump({"code": code, "left": left, "peak": peak}, file)
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
