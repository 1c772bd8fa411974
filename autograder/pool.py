"""Workers on this machine, one process each. One that is lost is replaced, and its job is done again."""

import collections
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import tempfile
import threading
from dataclasses import dataclass
from multiprocessing import forkserver

from autograder.errors import GradingError

LEAVE_SECONDS = 8
"""What a worker has to end its sandbox, once it has been told to."""
MAX_DEATHS = 3
"""Workers that one job may cost; so many in a row that do not get as far as a job, and the run ends."""


def start_server():
    """Start the process that workers are forked from; it imports everything by itself, which takes it some seconds.

    Raises:
        errors.GradingError: where the folder for temporary files has too long a name for the server's socket.
    """
    # One thread each: there are as many workers as cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    forkserver.set_forkserver_preload([__name__, "autograder.preloaded"])
    try:
        forkserver.ensure_running()
    except OSError as error:
        where = tempfile.gettempdir()
        raise GradingError(f"workers cannot be started below {where}: {error}; set TMPDIR to a short path") from error


@dataclass
class _Task:
    ticket: object
    job: bytes
    deaths: int = 0


class LocalPool:
    """Processes that do jobs; a context manager that ends them.

    Args:
        size: number of workers.
        first: a job that each does before any other, to get ready; its reply is nobody's.
    """

    def __init__(self, size, first=None):
        self._first = first
        self._context = multiprocessing.get_context("forkserver")
        self._scratch = tempfile.mkdtemp(prefix="grading-")
        self._waiting = collections.deque()
        self._failed_starts = 0
        self._workers = [self._begin(core) for core in _cores(size)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.dismiss()
        for each in self._workers:
            each.end()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def dismiss(self):
        """Have the workers end, now that nothing more will come, while the caller goes on."""
        for each in self._workers:
            each.process.terminate()

    @property
    def wanted(self):
        """How many more jobs would be worth having, so that no worker waits and few wait in memory."""
        running = sum(each.task is not None for each in self._workers)
        return 2 * len(self._workers) - running - len(self._waiting)

    def submit(self, ticket, job):
        """Have a job done; ``ticket`` comes back with its reply."""
        self._waiting.append(_Task(ticket, job))
        self._hand_out()

    def wait(self, seconds):
        """What has come in, after ``seconds`` at the latest: a list of ``(ticket, reply)``.

        The reply is None for a job that has cost MAX_DEATHS workers.

        Raises:
            errors.GradingError: where workers cannot be started.
        """
        done = []
        ready = multiprocessing.connection.wait([each.connection for each in self._workers], timeout=seconds)
        for each in [each for each in self._workers if each.connection in ready]:
            try:
                reply = each.connection.recv_bytes()
            except (EOFError, OSError):
                done += self._replace(each)
                continue
            self._failed_starts = 0
            if each.ready:
                done.append((each.task.ticket, reply))
                each.task = None
            each.ready = True
        self._hand_out()
        return done

    def _begin(self, core):
        return _Worker(self._context, core, (self._scratch, self._first))

    def _hand_out(self):
        for each in self._workers:
            if self._waiting and each.ready and each.task is None:
                each.task = self._waiting.popleft()
                # A worker that has just died is noticed where its reply is waited for.
                with contextlib.suppress(OSError):
                    each.connection.send_bytes(each.task.job)

    def _replace(self, lost):
        lost.end()
        self._workers[self._workers.index(lost)] = self._begin(lost.core)
        if not lost.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_DEATHS:
                raise GradingError("workers end as soon as they start; for want of memory perhaps")
        if lost.task is None:
            return []
        lost.task.deaths += 1
        if lost.task.deaths >= MAX_DEATHS:
            return [(lost.task.ticket, None)]
        self._waiting.appendleft(lost.task)
        return []


def _cores(size):
    """A core for each of ``size`` workers where they are as many as the cores, else None for each.

    A worker and its sandbox take turns, hundreds of times for a submission: it is faster if neither wakes another core.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return cores if len(cores) == size else [None] * size


class _Worker:
    """A process, the connection to it, whether it has said that it is ready, and the task that it has or None.

    Args:
        core: the only one that it may use, or None for any.
        arguments: more of ``_serve``.
    """

    def __init__(self, context, core, arguments):
        self.core = core
        self.connection, theirs = context.Pipe()
        self.ready = False
        self.task = None
        self.process = context.Process(target=_serve, args=(theirs, core, *arguments), daemon=False)
        self.process.start()
        theirs.close()

    def end(self):
        self.connection.close()
        self.process.join(10)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def _serve(connection, core, scratch, first):
    """What a worker's process does until the other end hangs up."""
    from autograder import worker  # this module is loaded first of all, to start the server

    tempfile.tempdir = worker.folder = scratch
    if core is not None:
        os.sched_setaffinity(0, {core})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the coordinator
    signal.signal(signal.SIGTERM, lambda *_: _leave(worker))
    threading.Thread(target=_leave_with_parent, args=(scratch,), daemon=True).start()
    try:
        if first:
            worker.work(first)
        connection.send_bytes(b"")
        while True:
            connection.send_bytes(worker.work(connection.recv_bytes()))
    except (EOFError, OSError):
        _leave(worker)


def _leave_with_parent(scratch):
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    shutil.rmtree(scratch, ignore_errors=True)  # a coordinator that was killed has not
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(worker):
    # Once only, and in any case: the signal may have come in the middle of this, or of what holds a lock.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LEAVE_SECONDS)
    worker.close()
    os._exit(0)
