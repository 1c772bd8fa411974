"""What a worker of the pool does: score one notebook after the other. It imports nothing of nbgrader's."""

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import threading
from multiprocessing import forkserver

from autograder.errors import GradingError
from autograder.ingest import Merged
from autograder.score import Scorer


def start_server():
    """Start the process that workers are forked from, with everything imported; it gets ready by itself.

    Raises:
        errors.GradingError: where the folder for temporary files has too long a name for the server's socket.
    """
    # One thread each: there are as many workers as cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    forkserver.set_forkserver_preload([__name__, "torch"])
    try:
        forkserver.ensure_running()
    except OSError as error:
        where = tempfile.gettempdir()
        raise GradingError(f"workers cannot be started below {where}: {error}; set TMPDIR to a short path") from error


def pool(jobs, seed, isolation, limits):
    """An executor with ``jobs`` workers; the rest as for ``score.Scorer``."""
    context = multiprocessing.get_context("forkserver")
    return concurrent.futures.ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_start, initargs=(seed, isolation, limits)
    )


def work(merged):
    """Score a notebook, in a worker: plain data in, plain data out.

    Args:
        merged: ``ingest.Merged.to_dict()``.

    Returns:
        ``score.Graded.to_dict()``.
    """
    return _scorer.grade(Merged.from_dict(merged)).to_dict()


def _start(seed, isolation, limits):
    global _scorer  # what a worker keeps between jobs: its sandbox, and what the exercises expect
    _scorer = Scorer(seed, isolation, limits)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the coordinator
    signal.signal(signal.SIGTERM, lambda *_: _leave())
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent():
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    _leave()


def _leave():
    _scorer.close()
    os._exit(0)
