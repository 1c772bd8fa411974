"""How fast a class is graded: ``autograder grade`` beside nbgrader's own ``nbgrader autograde``, in one run.

    python benchmarks/grading.py                      all of it: an hour or so
    python benchmarks/grading.py stock --submissions 4 --units 03-conv-forward
    python benchmarks/grading.py scale --submissions 100
    python benchmarks/grading.py cluster --submissions 8

stock    the same submissions, right and wrong ones, graded by both on this machine: ours with a worker per core,
         nbgrader one after the other, which is all it can do. nbgrader runs the whole notebook; we skip the cells that
         are demonstrations. It is therefore timed twice: on the notebooks as they are, and with those cells taken out.
         Beside it, what a submission costs beyond the student's own computing: what a worker spent on it, less the time
         that the same cells and calls take in a plain process, and what the coordinator spent.
scale    many submissions in one run: time and the coordinator's memory as they go on, as a table and a picture.
cluster  the same class on Dask with one worker and with two, where the work is the students'.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np

from autograder import build, ingest
from autograder.examples import make
from cnnkit import calling, verdict

UNITS = ("03-conv-forward", "08-architectures")
# Those that hang or end the process are left out: nbgrader does not get past them.
TROUBLE = ("endless-loop", "exits", make.BROKEN)
SEED = 3
OUTPUT = build.ROOT / "build" / "bench"
CONFIG = """\
from autograder.nbgrader_config import course_config

c = get_config()
c.merge(course_config({root!r}, stock=True))
"""
BUSY = """
def keep_busy(seconds):
    import time
    began = time.process_time()
    while time.process_time() - began < seconds:
        sum(i * i for i in range(10_000))
keep_busy({seconds})
"""


def students(unit):
    """Names of the examples that both graders get through; where there are none, the course's own answers."""
    return [name for name in make.students(unit) if name not in TROUBLE] if unit in make.units() else [None]


def submission(unit, student):
    """The notebook of an example."""
    if student is not None:
        return nbformat.read(make.HERE / student / unit / f"{unit}.ipynb", as_version=4)
    source = build.source_notebook(build.ROOT / "solutions" / unit / f"{unit}.py")
    nb = build.student_notebook(source)
    answers = {ingest.solution_name(cell): cell.source for cell in source.cells if ingest.solution_name(cell)}
    for cell in nb.cells:
        cell.source = answers.get(ingest.solution_name(cell), cell.source)
    return nb


def write_class(folder, unit, count, demos=True, more=""):
    """Write ``count`` submissions into a folder, with or without the cells that are demonstrations."""
    names = students(unit)
    held = {name: submission(unit, name) for name in names}
    for nb in held.values():
        if not demos:
            nb.cells = [cell for cell in nb.cells if not ingest.is_demo(cell)]
        if more:
            nb.cells.append(nbformat.v4.new_code_cell(more))
    for number in range(count):
        student = names[number % len(names)]
        path = folder / f"{student or 'own'}-{number:04}" / unit / f"{unit}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(held[student]), encoding="utf-8")


def seconds(command, folder):
    """Wall time of a command, which must not fail."""
    started = time.perf_counter()
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def ours(folder, unit, *options):
    """Wall time of our grader on the folder "submitted"."""
    command = [sys.executable, "-m", "autograder.cli", "grade", unit, "--seed", SEED]
    return seconds([*command, "--submitted", "submitted", "--output", "results", *options], folder)


def stock(folder, unit, count, demos):
    """Wall time of nbgrader's autograde alone; the gradebook is prepared before."""
    source = folder / "solutions" / unit / f"{unit}.py"
    source.parent.mkdir(parents=True)
    shutil.copy(build.ROOT / "solutions" / unit / f"{unit}.py", source)
    (folder / "grading").mkdir()
    (folder / "nbgrader_config.py").write_text(CONFIG.format(root=str(folder)), encoding="utf-8")
    build.write_sources(folder)
    seconds([sys.executable, "-m", "nbgrader", "generate_assignment", unit], folder)
    write_class(folder / "grading" / "submitted", unit, count, demos)
    return seconds([sys.executable, "-m", "nbgrader", "autograde", unit], folder)


def own_computing(unit, student):
    """Seconds that a student's own cells and functions take in a plain process, with the libraries loaded."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_own_computing, (unit, student))


def _own_computing(unit, student):
    import matplotlib
    import torch

    matplotlib.use("agg")
    torch.set_num_threads(1)
    source = build.source_notebook(build.ROOT / "solutions" / unit / f"{unit}.py")
    released = build.student_notebook(source)
    merged = ingest.merge(released, ingest.parse(nbformat.writes(submission(unit, student)).encode()))
    names = [name for name in map(ingest.check_name, released.cells) if name]
    expected = {name: verdict.expect(name, SEED) for name in names}
    for line in merged.imports:
        exec(line, {})
    namespace, spent = {}, 0.0
    for cell in merged.notebook.cells:
        if cell.cell_type != "code" or ingest.is_demo(cell):
            continue
        name = ingest.check_name(cell)
        began = time.process_time()
        if name is None:
            with contextlib.suppress(Exception):
                exec(cell.source, namespace)
        elif name in namespace and callable(namespace[name]):
            for _ in calling.run(namespace[name], expected[name].cases, expected[name].exercise):
                pass
        spent += time.process_time() - began
    return spent


def measure_stock(units, count):
    for unit in units:
        print(f"\n{count} submissions of unit {unit}, {cores()} cores", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder).resolve()
            write_class(folder / "submitted", unit, count)
            before = processor_time()
            base = ours(folder, unit)
            spent = processor_time() - before
            lines = map(json.loads, (folder / "results" / "journal.jsonl").read_text().splitlines())
            taken = {line["student"]: line["graded"]["seconds"] for line in lines if "graded" in line}
        show("autograder grade", base, base, count)
        own = {student: own_computing(unit, student) for student in students(unit)}
        beyond = [wall - own[who.rpartition("-")[0] if None not in own else None] for who, wall in taken.items()]
        print(
            f"    median per submission: {statistics.median(taken.values()):.2f} s in a worker, of which "
            f"{statistics.median(own.values()):.2f} s the student's own computing; beyond it "
            f"{statistics.median(beyond):.2f} s\n"
            f"    processor time of the whole run, student's and all: {spent / count:.2f} s each"
        )
        for demos, name in ((False, "nbgrader autograde, no demonstrations"), (True, "nbgrader autograde")):
            with tempfile.TemporaryDirectory() as folder:
                show(name, stock(Path(folder).resolve(), unit, count, demos), base, count)


def show(name, wall, base, count):
    print(f"{name:38} {wall:7.1f} s  {wall / count:6.2f} s each  {wall / base:5.1f} times ours", flush=True)


def processor_time():
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


WATCHED = """
import json, resource, sys, time
from pathlib import Path
from autograder.run import Run

began, rows = time.monotonic(), []
def notify(done, total, name):
    if name and done != (rows[-1][0] if rows else -1):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        rows.append([done, time.monotonic() - began, pages * resource.getpagesize() / 2**20])

Run((sys.argv[1],), Path("submitted"), Path("results"), jobs=int(sys.argv[2]), seed=3, feedback=False, notify=notify)()
pages = int(Path("/proc/self/statm").read_text().split()[1])
print(json.dumps([rows, time.monotonic() - began, pages * resource.getpagesize() / 2**20]))
"""


def measure_scale(unit, count):
    with tempfile.TemporaryDirectory() as folder:
        write_class(Path(folder) / "submitted", unit, count)
        command = [sys.executable, "-c", WATCHED, unit, str(cores())]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        rows, whole, last = json.loads(done.stdout)
    graded, wall, memory = map(np.array, zip(*rows, strict=True))
    print(
        f"\n{count} submissions of unit {unit} in one run, {cores()} cores: {whole:.0f} s, {whole / count:.2f} s each"
    )
    for share in (0.1, 0.25, 0.5, 0.75, 1):
        i = np.searchsorted(graded, share * graded[-1])
        print(f"{graded[i]:5.0f} graded  {wall[i]:7.1f} s  {memory[i]:6.0f} MiB in the coordinator")
    tenth = len(graded) // 10
    slope, offset = np.polyfit(graded[tenth:], wall[tenth:], 1)
    off = np.abs(wall[tenth:] - slope * graded[tenth:] - offset).max() / wall[-1]
    growth = np.polyfit(graded[tenth:], memory[tenth:], 1)[0] * 1000
    print(
        f"time: a line through it is off by {100 * off:.1f} % at most; memory: {growth:+.1f} MiB for 1000 more; "
        f"with the report written {last:.0f} MiB"
    )
    draw(graded, wall, memory, unit)


def draw(graded, wall, memory, unit):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.plot(graded, wall, color="#0072b2")
    left.set(xlabel=f"submissions of unit {unit}", ylabel="seconds", title="Time", ylim=(0, None))
    right.plot(graded, memory, color="#d55e00")
    right.set(xlabel=f"submissions of unit {unit}", ylabel="MiB", title="Memory of the coordinator", ylim=(0, None))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    fig.savefig(OUTPUT / "grading-scale.png", dpi=120)
    print(f"drawn into {(OUTPUT / 'grading-scale.png').relative_to(build.ROOT)}")


def measure_cluster(unit, count, busy):
    """One Dask worker and two, on submissions that compute for ``busy`` seconds each."""
    walls = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder).resolve()
            write_class(folder / "submitted", unit, count, more=BUSY.format(seconds=busy))
            with dask(workers, folder) as address:
                # The first run is for the workers to load what they need.
                write_class(folder / "first" / "submitted", unit, 2 * workers)
                ours(folder / "first", unit, "--scheduler", address, "--no-feedback")
                walls[workers] = ours(folder, unit, "--scheduler", address, "--no-feedback")
    print(
        f"\n{count} submissions of unit {unit} that compute for {busy:g} s each, on Dask: 1 worker {walls[1]:.1f} s, "
        f"2 workers {walls[2]:.1f} s: {walls[1] / walls[2]:.2f} times as fast"
    )


class dask:
    """A scheduler with some workers of one thread each; the context gives its address."""

    def __init__(self, workers, folder):
        self._workers, self._folder = workers, folder

    def __enter__(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        address = f"tcp://127.0.0.1:{port}"
        self._processes = [self._begin("scheduler", "--host", "127.0.0.1", "--port", str(port))]
        self._processes += [self._begin("worker", address, "--nthreads", "1") for _ in range(self._workers)]
        return address

    def __exit__(self, *_):
        for process in self._processes[::-1]:
            process.terminate()
        for process in self._processes:
            process.wait(60)

    def _begin(self, kind, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, "--no-dashboard"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self._folder, **quiet)


def cores():
    return len(os.sched_getaffinity(0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["stock", "scale", "cluster"], help="stock, scale, cluster")
    parser.add_argument("--submissions", type=int, help="40, 1000 and 40 by default")
    parser.add_argument("--units", nargs="+", help=f"{' '.join(UNITS)} by default, for scale and cluster the first")
    parser.add_argument("--busy", type=float, default=1.0, help="seconds that each submission computes in cluster")
    given = parser.parse_args()
    units = given.units or [unit for unit in UNITS if unit in build.units()]
    if "stock" in given.what:
        measure_stock(units, given.submissions or 40)
    if "scale" in given.what:
        measure_scale(units[0], given.submissions or 1000)
    if "cluster" in given.what:
        measure_cluster(units[0], given.submissions or 40, given.busy)


if __name__ == "__main__":
    main()
