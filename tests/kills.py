"""Kill parts of a grading run at random moments, start it again, and look whether anything is lost or there twice."""

import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from small_course import UNIT, write_unit

from autograder import build, gradebook

FATAL = ("coordinator", "database")
"""Whose end is the end of the run."""
REPLACED = ("worker", "warm process")
ANSWERS = {"right": ("def practice(x):\n    return x + x", 1), "wrong": ("def practice(x):\n    return x * x", 0)}
SECONDS = 300
"""How long any part of it may take."""
SLOW = "import time; time.sleep(0.3)"
GRADE = """
import sys
from pathlib import Path
from autograder.errors import AutograderError
from autograder.run import Run

base, unit, db, isolation = sys.argv[1:]
try:
    Run((unit,), Path(base, "submitted"), Path(base, "results"), jobs=2, seed=3, isolation=isolation, db=db or None,
        feedback=False, root=Path(base, "course"))()
except AutograderError as error:
    sys.exit(str(error))
"""


class Campaign:
    """A class that is graded while it is shot at.

    Args:
        base: a folder.
        count: of submissions.
        seed: of the moments.
        server: a ``postgres.Server``, or None for SQLite.
        isolation: a key of ``sandbox.ISOLATION``.
    """

    def __init__(self, base, count, seed, server=None, isolation="sandbox"):
        self.base, self.count, self.server, self.isolation = Path(base), count, server, isolation
        self.url = server.database(f"course_{seed}") if server else ""
        self.random = random.Random(seed)
        self.killed = []
        source = build.source_notebook(write_unit(self.base / "course"))
        self.expected = {}
        for number in range(count):
            kind = ("right", "wrong")[number % 2]
            answer, self.expected[f"s{number:03}"] = ANSWERS[kind]
            nb = build.student_notebook(source)
            for cell in nb.cells:
                if cell.metadata.get("nbgrader", {}).get("grade_id") == "practice_solution":
                    cell.source = answer
            nb.cells.append(nbformat.v4.new_code_cell(SLOW))
            path = self.base / "submitted" / f"s{number:03}" / UNIT / f"{UNIT}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text(nbformat.writes(nb))

    def run(self, *victims):
        """Grade, and kill the victims, each some time after the next result has come in; returns the exit status."""
        victims, before = list(victims), self._results()
        command = [sys.executable, "-c", GRADE, self.base, UNIT, self.url, self.isolation]
        with open(self.base / "log", "ab") as log:
            process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, start_new_session=True)
        give_up = time.monotonic() + SECONDS
        while victims and process.poll() is None:
            assert time.monotonic() < give_up, f"{victims} could not be killed\n" + (self.base / "log").read_text()
            if self._results() > before:
                time.sleep(self.random.uniform(0, 0.6))
                if self._kill(victims[0], process):
                    self.killed.append(victims.pop(0))
                    before = self._results()
            time.sleep(0.02)
        code = process.wait(SECONDS)
        if self.server and not self._answers():
            self.server.start()
        return code

    def finish(self):
        """Grade what is left, without disturbance; nothing may be missing or there twice after that."""
        for _ in range(3):
            if self.run() == 0:
                break
        else:
            raise AssertionError((self.base / "log").read_text())
        lines = [json.loads(line) for line in (self.base / "results" / "journal.jsonl").read_text().splitlines()]
        graded = collections.Counter(line["student"] for line in lines if "graded" in line)
        assert graded == dict.fromkeys(self.expected, 1), graded
        assert not [line for line in lines if "refused" in line]
        with gradebook.Book(self.url or gradebook.sqlite_url(self.base / "results")) as book:
            scores = {student: marks["practice"].score for (student, _), marks in book.scores().items()}
        assert scores == self.expected
        written = [line.split(",") for line in (self.base / "results" / "grades.csv").read_text().splitlines()[1:]]
        assert {row[0]: float(row[3]) for row in written} == self.expected
        assert len(written) == self.count

    def _kill(self, victim, process):
        """Kill one; returns whether there was one."""
        if victim == "coordinator":
            process.kill()
        elif victim == "database":
            self.server.kill()
        else:
            found = self._processes(process.pid, victim)
            if not found:
                return False
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(found), signal.SIGKILL)
        return True

    def _processes(self, coordinator, victim):
        """Process ids of the workers, or of the warm processes, of a run."""
        parents, commands = {}, {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
                commands[int(path.name)] = (path / "cmdline").read_bytes()
        below = [coordinator]
        for pid in below:
            below += [child for child, parent in parents.items() if parent == pid]
        if victim == "warm process":
            return [pid for pid in below if b"autograder.sandbox.warm" in commands.get(pid, b"")]
        server = [pid for pid in below if b"multiprocessing.forkserver" in commands.get(pid, b"")]
        return [pid for pid in below if parents.get(pid) in server and pid in below]

    def _results(self):
        with contextlib.suppress(OSError):
            return (self.base / "results" / "journal.jsonl").read_bytes().count(b'"graded"')
        return 0

    def _answers(self):
        import psycopg2

        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.url, connect_timeout=20).close()
            return True
        return False
