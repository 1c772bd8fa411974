"""How fast a class is graded: ``autograder grade`` beside nbgrader's own ``nbgrader autograde``, in one run.

    python benchmarks/grading.py                      all of it: an hour or so
    python benchmarks/grading.py stock --submissions 4 --units 03-conv-forward
    python benchmarks/grading.py scale --submissions 100
    python benchmarks/grading.py cluster --submissions 8

stock    the same submissions, right and wrong ones, graded by both on this machine: ours with a worker per core,
         nbgrader one after the other, which is all it can do. nbgrader runs the whole notebook; we skip the cells that
         are demonstrations. It is therefore timed twice: on the notebooks as they are, and with those cells taken out.
         Wall times are what a user waits for; processor times, over all processes, are the same on a busy machine.
         Beside it, what a submission costs beyond the student's own computing: the processor time of a worker and its
         sandbox, less that of the same cells and calls in a plain process.
scale    many submissions in one run: time and the coordinator's memory as they go on, as a table and a picture.
cluster  the same class on Dask with one worker and with two, where the work is the students'.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np
import results

from autograder import build, ingest, worker
from autograder.examples import make
from autograder.sandbox import process, processes
from cnnkit import calling, verdict

UNITS = ("03-conv-forward", "08-architectures")
# Those that hang or end the process are left out: nbgrader does not get past them.
TROUBLE = ("endless-loop", "exits", make.BROKEN)
SEED = 3
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


TIMED = """
import contextlib, json, os, resource, subprocess, sys, tempfile, time
from autograder.sandbox import kernel, processes

def seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return sum(map(int, file.read().rpartition(") ")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")

kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)  # what outlives its parent is waited for here
began, sessions = time.perf_counter(), {}
with tempfile.TemporaryFile() as said:
    watch, *command = sys.argv[1:]
    done = subprocess.Popen(command, stdout=said, stderr=said)
    # A session's namespace is killed whole, and the kernel then forgets what its processes took.
    while watch and done.poll() is None:
        for pid in processes.descendants(os.getpid()):
            if processes.depth(pid) > 2 and processes.pid_inside(pid) == 2:
                with contextlib.suppress(OSError):
                    sessions[pid] = seconds(pid)
        time.sleep(0.1)
    done.wait()
    wall = time.perf_counter() - began
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    said.seek(0)
    if done.returncode:
        sys.exit(said.read().decode())
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([wall, used.ru_utime + used.ru_stime + sum(sessions.values())]))
"""


class Spent(NamedTuple):
    """Seconds that a command took, by the clock and of the processors."""

    wall: float
    processor: float


def seconds(command, folder, watch=False):
    """The Spent of a command, which must not fail, and of all that it started.

    Where it starts sandboxes, it has to be watched for their processor time, which takes a tenth of a small machine.
    """
    words = [sys.executable, "-c", TIMED, "watch" if watch else "", *map(str, command)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return Spent(*json.loads(done.stdout))


def ours(folder, unit, *options, watch=False):
    """The Spent of our grader on the folder "submitted"."""
    command = [sys.executable, "-m", "autograder.cli", "grade", unit, "--seed", SEED]
    output = folder / ("watched" if watch else "results")
    return seconds([*command, "--submitted", "submitted", "--output", output, *options], folder, watch)


def stock(folder, unit, count, demos):
    """The Spent of nbgrader's autograde alone; the gradebook is prepared before."""
    source = folder / "solutions" / unit / f"{unit}.py"
    source.parent.mkdir(parents=True)
    shutil.copy(build.ROOT / "solutions" / unit / f"{unit}.py", source)
    (folder / "grading").mkdir()
    (folder / "nbgrader_config.py").write_text(CONFIG.format(root=str(folder)), encoding="utf-8")
    build.sources(folder)
    seconds([sys.executable, "-m", "nbgrader", "generate_assignment", unit], folder)
    write_class(folder / "grading" / "submitted", unit, count, demos)
    return seconds([sys.executable, "-m", "nbgrader", "autograde", unit], folder)


def alone(work, *arguments):
    """Do something in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def own_computing(unit):
    """By student: processor seconds of the student's own cells and functions in a plain process, libraries loaded."""
    import matplotlib
    import torch

    matplotlib.use("agg")
    torch.set_num_threads(1)
    released = skeleton(unit)
    expected = {name: verdict.expect(name, SEED) for name in map(ingest.check_name, released.cells) if name}
    spent = {}
    for student in students(unit):
        for _ in range(2):  # the first time is for what libraries load late
            spent[student] = _computing(ingest.merge(released, submitted_cells(unit, student)), expected)
    return spent


def _computing(merged, expected):
    for line in merged.imports:
        exec(line, {})
    namespace, spent = {}, 0.0
    for cell in merged.notebook.cells:
        if cell.cell_type != "code" or ingest.is_demo(cell):
            continue
        name = ingest.check_name(cell)
        began = time.process_time()
        silent = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
        with contextlib.suppress(Exception), silent[0], silent[1]:
            if name is None:
                exec(cell.source, namespace)
            elif callable(namespace.get(name)):
                for _ in calling.run(namespace[name], expected[name].cases, expected[name].exercise):
                    pass
        spent += time.process_time() - began
    return spent


def in_the_grader(unit):
    """By student: processor seconds of a worker and its sandbox, once the worker has graded the class before."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # as a worker of a pool that has all cores
    text, settings, spent = nbformat.writes(skeleton(unit)), worker.Settings(SEED), {}
    leave, left = process.Session.__exit__, []
    # The last moment at which the session's own processes can be asked.
    process.Session.__exit__ = lambda self, *error: (left.append((_so_far(), time.process_time())), leave(self, *error))
    for _ in range(2):
        for student in students(unit):
            job = worker.pack(nbformat.writes(submission(unit, student)).encode(), text, {}, settings)
            began = _so_far()
            worker.work(job)
            everything, ours = left[-1]
            spent[student] = everything - began + time.process_time() - ours
    worker.close()
    return spent


def _so_far():
    """Processor seconds of this process and of those below it, the dead included."""
    ticks = 0
    for pid in {os.getpid()} | processes.descendants(os.getpid()):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            ticks += sum(map(int, file.read().rpartition(") ")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def skeleton(unit):
    return build.student_notebook(build.source_notebook(build.ROOT / "solutions" / unit / f"{unit}.py"))


def submitted_cells(unit, student):
    return ingest.parse(nbformat.writes(submission(unit, student)).encode())


COLUMNS = ("unit", "grader", "s", "s each", "processor s each", "times ours", "the same by processor time")


def measure_stock(units, count, save):
    rows, notes = [], []
    for unit in units:
        print(f"\n{count} submissions of unit {unit}, {cores()} cores", flush=True)
        timed = {}
        with tempfile.TemporaryDirectory() as folder:
            write_class(Path(folder) / "submitted", unit, count)
            wall = ours(Path(folder).resolve(), unit).wall
            processor = ours(Path(folder).resolve(), unit, watch=True).processor
            timed["autograder grade"] = Spent(wall, processor)
        for demos, name in ((False, "nbgrader autograde, no demonstrations"), (True, "nbgrader autograde")):
            with tempfile.TemporaryDirectory() as folder:
                timed[name] = stock(Path(folder).resolve(), unit, count, demos)
        base = timed["autograder grade"]
        for name, spent in timed.items():
            # Ours computes on all cores at once, and nbgrader on one.
            ideal = spent.processor / base.processor * (1 if spent is base else cores())
            each = f"{spent.wall / count:.2f}", f"{spent.processor / count:.2f}"
            rows.append((unit, name, f"{spent.wall:.0f}", *each, f"{spent.wall / base.wall:.1f}", f"{ideal:.1f}"))
            print(*rows[-1], sep="  ", flush=True)
        own, grader = alone(own_computing, unit), alone(in_the_grader, unit)
        beyond = statistics.median(grader[student] - own[student] for student in own)
        notes.append(
            f"unit {unit}: a submission takes a worker and its sandbox {statistics.median(grader.values()):.2f} s of "
            f"the processor in the median, and the student's own computing {statistics.median(own.values()):.2f} s "
            f"alone; the difference is {beyond:.2f} s"
        )
        print(notes[-1], flush=True)
    note = f"{count} submissions of each unit, {cores()} cores, load {os.getloadavg()[1]:.0f}. {'; '.join(notes)}."
    results.show(TITLE, COLUMNS, rows, note)
    if save:
        results.save("grading", TITLE, COLUMNS, rows, note)


TITLE = "Grading beside nbgrader's own autograde"


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


def measure_scale(unit, count, save):
    with tempfile.TemporaryDirectory() as folder:
        write_class(Path(folder) / "submitted", unit, count)
        command = [sys.executable, "-c", WATCHED, unit, str(cores())]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        rows, whole, last = json.loads(done.stdout)
    graded, wall, memory = map(np.array, zip(*rows, strict=True))
    title = f"{count} submissions of unit {unit} in one run, {cores()} cores"
    rows = []
    for share in (0.1, 0.25, 0.5, 0.75, 1):
        i = np.searchsorted(graded, share * graded[-1])
        rows.append((f"{graded[i]:.0f}", f"{wall[i]:.0f}", f"{memory[i]:.0f}"))
    tenth = len(graded) // 10
    slope, offset = np.polyfit(graded[tenth:], wall[tenth:], 1)
    off = np.abs(wall[tenth:] - slope * graded[tenth:] - offset).max() / wall[-1]
    growth = np.polyfit(graded[tenth:], memory[tenth:], 1)[0] * 1000
    note = (
        f"{whole:.0f} s in all, {whole / count:.2f} s each, load {os.getloadavg()[1]:.0f}. A line through the times is "
        f"off by {100 * off:.1f} % at most. Memory grows by {growth:.1f} MiB for 1000 more; {last:.0f} MiB with the "
        "report written."
    )
    columns = ("graded", "s", "MiB in the coordinator")
    results.show(title, columns, rows, note)
    if save:
        results.save("grading-scale", title, columns, rows, note, draw(graded, wall, memory, unit), note)


def draw(graded, wall, memory, unit):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.plot(graded, wall, color="#0072b2")
    left.set(xlabel=f"submissions of unit {unit}", ylabel="seconds", title="Time", ylim=(0, None))
    right.plot(graded, memory, color="#d55e00")
    right.set(xlabel=f"submissions of unit {unit}", ylabel="MiB", title="Memory of the coordinator", ylim=(0, None))
    return fig


def measure_cluster(unit, count, busy, save):
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
                walls[workers] = ours(folder, unit, "--scheduler", address, "--no-feedback").wall
    title = f"{count} submissions of unit {unit} that compute for {busy:g} s each, on Dask"
    rows = [(workers, f"{wall:.1f}", f"{walls[1] / wall:.2f}") for workers, wall in walls.items()]
    columns, note = ("workers", "s", "times one worker"), f"{cores()} cores, load {os.getloadavg()[1]:.0f}."
    results.show(title, columns, rows, note)
    if save:
        results.save("grading-cluster", title, columns, rows, note)


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
        for each in self._processes[::-1]:
            each.terminate()
        for each in self._processes:
            each.wait(60)

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
    parser.add_argument("--save", action="store_true", help="keep the tables and the picture for the site")
    given = parser.parse_args()
    units = given.units or [unit for unit in UNITS if unit in build.units()]
    if "stock" in given.what:
        measure_stock(units, given.submissions or 40, given.save)
    if "scale" in given.what:
        measure_scale(units[0], given.submissions or 1000, given.save)
    if "cluster" in given.what:
        measure_cluster(units[0], given.submissions or 40, given.busy, given.save)


if __name__ == "__main__":
    main()
