"""How fast a class is graded: ``autograder grade`` beside nbgrader's own ``nbgrader autograde``, in one run.

    python benchmarks/grading.py [SUBMISSIONS]

Both grade the same submissions of unit 03, right and wrong ones, on this machine: ours with a worker per core, nbgrader
one after the other, which is all it can do. nbgrader runs the whole notebook; we skip the cells tagged as
demonstrations. It is therefore timed twice: on the notebooks as they are, and with those cells taken out.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from autograder import build, ingest
from autograder.examples import make

UNIT = make.UNIT
# Without those that hang or end the process: nbgrader does not get past them.
STUDENTS = [name for name in make.students() if name not in ("endless-loop", "exits", make.BROKEN)]
CONFIG = """\
from autograder.nbgrader_config import course_config

c = get_config()
c.merge(course_config({root!r}, stock=True))
"""


def write_class(folder, count, demos):
    """Write ``count`` submissions into a folder, with or without the cells that are demonstrations."""
    for number in range(count):
        student = STUDENTS[number % len(STUDENTS)]
        nb = nbformat.read(make.HERE / student / UNIT / f"{UNIT}.ipynb", as_version=4)
        if not demos:
            nb.cells = [cell for cell in nb.cells if not ingest.is_demo(cell)]
        path = folder / f"{student}-{number:04}" / UNIT / f"{UNIT}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(nb, path)


def seconds(command, folder):
    """Wall time of a command, which must not fail."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def ours(folder, count, *options):
    write_class(folder / "submitted", count, demos=True)
    command = [sys.executable, "-m", "autograder.cli", "grade", UNIT]
    return seconds([*command, "--submitted", "submitted", "--output", "results", *options], folder)


def stock(folder, count, demos):
    """Wall time of nbgrader's autograde alone; the gradebook is prepared before."""
    source = folder / "solutions" / UNIT / f"{UNIT}.py"
    source.parent.mkdir(parents=True)
    shutil.copy(build.ROOT / "solutions" / UNIT / f"{UNIT}.py", source)
    (folder / "grading").mkdir()
    (folder / "nbgrader_config.py").write_text(CONFIG.format(root=str(folder)), encoding="utf-8")
    build.write_sources(folder)
    seconds([sys.executable, "-m", "nbgrader", "generate_assignment", UNIT], folder)
    write_class(folder / "grading" / "submitted", count, demos)
    return seconds([sys.executable, "-m", "nbgrader", "autograde", UNIT], folder)


def main(count=10):
    runs = [
        ("autograder grade --no-feedback", lambda folder: ours(folder, count, "--no-feedback")),
        ("autograder grade", lambda folder: ours(folder, count)),
        ("nbgrader autograde", lambda folder: stock(folder, count, demos=True)),
        ("nbgrader autograde, no demonstrations", lambda folder: stock(folder, count, demos=False)),
    ]
    print(f"{count} submissions of unit {UNIT}, {os.cpu_count()} cores")
    base = None
    for name, run in runs:
        with tempfile.TemporaryDirectory() as folder:
            wall = run(Path(folder).resolve())
        base = base or wall
        print(f"{name:38} {wall:7.1f} s  {wall / count:6.2f} s each  {wall / base:5.1f} times ours", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
