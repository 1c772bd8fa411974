"""Workers that are lost on the way, on this machine and on a Dask cluster."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import nbformat
import pytest
from programs import free_ports
from small_course import UNIT, write_unit

from autograder import build, cluster, pool, worker
from autograder.errors import GradingError, UsageError
from autograder.run import Run
from autograder.sandbox import processes

pytestmark = pytest.mark.xdist_group("grading")

RIGHT = "def practice(x):\n    return x + x"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    write_unit(root)
    return root


@pytest.fixture(scope="module")
def skeleton(course):
    source = build.source_notebook(course / "solutions" / UNIT / f"{UNIT}.py")
    return nbformat.writes(build.student_notebook(source))


def answered(skeleton, answer=RIGHT, added=""):
    nb = nbformat.reads(skeleton, as_version=4)
    for cell in nb.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "practice_solution":
            cell.source = answer
    if added:
        nb.cells.append(nbformat.v4.new_code_cell(added))
    return nbformat.writes(nb)


@pytest.fixture
def job(skeleton):
    """A function to the bytes of a job."""
    return lambda **more: worker.pack(answered(skeleton, **more).encode(), skeleton, {}, worker.Settings(seed=3))


@pytest.fixture(scope="module", autouse=True)
def server():
    pool.start_server()


def score(reply):
    return worker.unpack(reply).graded["verdicts"]["practice"]["score"]


def drain(workers, count, seconds=120):
    """The next ``count`` replies, by ticket."""
    replies, deadline = {}, time.monotonic() + seconds
    while len(replies) < count:
        assert time.monotonic() < deadline
        replies.update(workers.wait(1))
    return replies


# On this machine


def test_jobs_come_back_with_their_tickets(job):
    with pool.LocalPool(2) as workers:
        assert workers.wanted == 4
        for ticket in "abcde":
            workers.submit(ticket, job(answer=RIGHT if ticket < "d" else "practice = 3"))
        replies = drain(workers, 5)
    assert {ticket: score(reply) for ticket, reply in replies.items()} == {"a": 1, "b": 1, "c": 1, "d": 0, "e": 0}


def test_workers_get_ready_before_they_say_so(skeleton):
    first = worker.pack(None, skeleton, {}, worker.Settings(seed=3))
    with pool.LocalPool(1, first) as workers:
        [each] = workers._workers
        while not each.ready:
            workers.wait(1)
        assert Path(workers._scratch, "3-practice").is_file()
        assert [pid for pid in processes.descendants(each.process.pid) if "bwrap" in processes.status(pid, "Name")]


ENDLESS = """
import sys, time
from autograder import pool
pool.start_server()
with pool.LocalPool(1, sys.stdin.buffer.read()) as workers:
    while not workers._workers[0].ready:
        workers.wait(1)
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_run_that_is_killed_leaves_no_expected_results(skeleton, tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with run:
        run.stdin.write(worker.pack(None, skeleton, {}, worker.Settings(seed=3)))
        run.stdin.close()
        assert run.stdout.readline() == b"ready\n"
        assert list(tmp_path.glob("grading-*/3-practice"))
        run.kill()
        assert run.stdout.read() == b""  # the last worker has ended, too
    assert not list(tmp_path.glob("grading-*"))


def test_a_worker_leaves_even_where_its_sandbox_cannot_be_closed():
    code = """
        import threading, types
        from autograder import pool
        pool.LEAVE_SECONDS = 1
        pool._leave(types.SimpleNamespace(close=threading.Event().wait))
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=60)
    assert ended.returncode == -signal.SIGALRM


def test_a_worker_and_its_sandbox_keep_to_a_core_where_there_is_one_for_each(job):
    cores = os.sched_getaffinity(0)
    with pool.LocalPool(len(cores), job()) as workers:
        while not all(each.ready for each in workers._workers):
            workers.wait(1)
        kept = [
            {core for process in {pid, *processes.descendants(pid)} for core in os.sched_getaffinity(process)}
            for pid in (each.process.pid for each in workers._workers)
        ]
    assert [len(core) for core in kept] == [1] * len(cores)
    assert set.union(*kept) == cores


def test_a_worker_that_is_killed_is_replaced_and_its_job_done_again(job):
    with pool.LocalPool(2) as workers:
        workers.submit("first", job())
        drain(workers, 1)
        for ticket in "abcd":
            workers.submit(ticket, job())
        for process in children():  # with jobs, both
            os.kill(process, signal.SIGKILL)
        assert all(score(reply) == 1 for reply in drain(workers, 4).values())


def test_idle_workers_that_are_killed_are_replaced(job):
    with pool.LocalPool(2) as workers:
        workers.submit("first", job())
        drain(workers, 1)
        for process in children():
            os.kill(process, signal.SIGKILL)
        workers.submit("second", job())
        assert score(drain(workers, 1)["second"]) == 1


def children():
    """The workers: what the server of the pool has forked."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, parent = int(status.parent.name), int(status.read_text().rsplit(")", 1)[1].split()[1])
            if parent == pool.forkserver._forkserver._forkserver_pid:
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_job_that_costs_three_workers_is_given_up_and_the_others_are_done(job):
    with pool.LocalPool(2) as workers:
        workers.submit("first", job())
        drain(workers, 1)
        stop = threading.Event()
        killer = threading.Thread(target=kill_whoever_has, args=(workers, "bad", stop))
        killer.start()
        try:
            for ticket in ("a", "bad", "b", "c"):
                workers.submit(ticket, job(added="import time; time.sleep(3)" if ticket == "bad" else ""))
            replies = drain(workers, 4)
        finally:
            stop.set()
            killer.join(60)
    assert replies.pop("bad") is None
    assert {ticket: score(reply) for ticket, reply in replies.items()} == dict.fromkeys("abc", 1)


def kill_whoever_has(workers, ticket, stop):
    killed = set()
    while not stop.wait(0.02):
        for each in workers._workers:
            task, pid = each.task, each.process.pid
            if task and task.ticket == ticket and pid not in killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)


def test_workers_that_do_not_start_end_the_run(monkeypatch):
    monkeypatch.setattr(pool, "_serve", os._exit)
    with pytest.raises(GradingError, match="workers end as soon as they start"), pool.LocalPool(1) as workers:
        for _ in range(pool.MAX_DEATHS + 1):
            workers.wait(30)


# On a cluster


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Address of a scheduler with two workers of one thread, each with a nanny."""
    (port,), folder = free_ports(1), tmp_path_factory.mktemp("dask")
    dask = [sys.executable, "-m", "distributed.cli."]
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    begin = lambda name, *more: subprocess.Popen([*dask[:2], dask[2] + name, *more], **quiet, start_new_session=True)
    processes = [begin("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")]
    processes.append(begin("dask_worker", address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard"))
    yield address
    for process in processes[::-1]:
        process.terminate()
        process.wait(30)


def submit(folder, student, text):
    path = folder / student / UNIT / f"{UNIT}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_a_cluster_gives_the_same_marks(scheduler, skeleton, course, tmp_path):
    for student, answer in [("a", RIGHT), ("b", "def practice(x):\n    return x * x"), ("c", "practice = 3")]:
        submit(tmp_path / "in", student, answered(skeleton, answer))
    (tmp_path / "in" / "d" / UNIT).mkdir(parents=True)
    grade = lambda output, **more: Run((UNIT,), tmp_path / "in", tmp_path / output, seed=3, root=course, **more)()
    here, there = grade("here"), grade("there", scheduler=scheduler)
    assert there.graded == here.graded == 3
    assert there.refused == here.refused
    assert (tmp_path / "there" / "grades.csv").read_bytes() == (tmp_path / "here" / "grades.csv").read_bytes()


def test_workers_of_a_cluster_that_are_killed_are_replaced(scheduler, job):
    with cluster.Cluster(scheduler) as workers:
        for ticket in "abcd":
            workers.submit(ticket, job(added="import time; time.sleep(1)"))
        pids = workers._client.run(os.getpid)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        assert all(score(reply) == 1 for reply in drain(workers, 4).values())


def test_a_job_that_costs_worker_after_worker_is_given_up_on_a_cluster(scheduler, monkeypatch):
    with cluster.Cluster(scheduler) as workers:
        monkeypatch.setattr(worker, "work", os._exit)
        workers.submit("bad", 1)
        monkeypatch.undo()
        assert drain(workers, 1) == {"bad": None}


def test_another_version_of_the_course_is_noticed(scheduler, job, monkeypatch):
    monkeypatch.setattr(worker, "_our_digest", lambda: "another")
    with cluster.Cluster(scheduler) as workers:
        workers.submit("a", job())
        assert "another version of the course" in worker.unpack(drain(workers, 1)["a"]).unable


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(UsageError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        cluster.Cluster("tcp://127.0.0.1:1")


@pytest.mark.parametrize("address", ["nonsense://", "host", "tcp://host", "tcp://host:port"])
def test_what_is_no_address_is_refused_before_anything_is_started(address):
    """Dask's client, once begun, waits for half a minute and prints a traceback when the program ends."""
    done = subprocess.run(
        [sys.executable, "-c", f"from autograder.cluster import Cluster; Cluster({address!r})"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = f"autograder.errors.UsageError: {address} is no address of a Dask scheduler: tcp://host:8786"
    assert done.stderr.splitlines()[-1] == told


def test_without_dask_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="pip install 'cnn-course"):
        cluster.Cluster("tcp://127.0.0.1:1")
