"""Workers of a Dask cluster, in place of those of this machine. Only this module needs Dask."""

import time
import uuid

from autograder import worker
from autograder.errors import GradingError, UsageError

CONNECT_SECONDS = 15
WORKERS_SECONDS = 30


class Cluster:
    """A Dask scheduler's workers, as ``pool.LocalPool`` has its own; a context manager that hangs up.

    The scheduler replaces workers that are lost, where they were started with a nanny, and has their jobs done again;
    it gives a job up that has cost four of them, or as many as its ``allowed-failures`` says.

    Args:
        address: "tcp://host:8786".

    Raises:
        errors.UsageError: where Dask is not installed, that is no address, nothing answers there, or it has no worker.
    """

    def __init__(self, address):
        try:
            import distributed
        except ImportError as error:
            raise UsageError("--scheduler needs Dask: pip install 'cnn-course[cluster]'") from error
        _check_address(address)
        self._distributed = distributed
        self._running = {}
        self._workers_seen = time.monotonic()
        try:
            self._client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise UsageError(f"no Dask scheduler answers at {address}") from error
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError as error:
            self._client.close()
            raise UsageError(f"the scheduler at {address} has no workers: dask worker {address}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.cancel(list(self._running), force=True)
        self._client.close()

    def dismiss(self):
        """Nothing to do: the workers are the cluster's."""

    @property
    def wanted(self):
        """How many more jobs would be worth having."""
        return 2 * max(1, self._threads()) - len(self._running)

    def submit(self, ticket, job):
        """Have a job done; ``ticket`` comes back with its reply."""
        # Never the same name twice: Dask would answer with what it remembers.
        future = self._client.submit(worker.work, job, key=f"grade-{uuid.uuid4()}", pure=False)
        self._running[future] = ticket

    def wait(self, seconds):
        """What has come in, after ``seconds`` at the latest; as ``LocalPool.wait``.

        Raises:
            errors.GradingError: where the scheduler is lost, or its workers cannot do this.
        """
        try:
            with self._client.as_current():
                self._distributed.wait(list(self._running), timeout=seconds, return_when="FIRST_COMPLETED")
        except TimeoutError:
            pass
        except self._distributed.CancelledError as error:
            raise GradingError("the Dask scheduler is gone; start again to go on") from error
        if not self._alive():
            raise GradingError("the Dask scheduler is gone; start again to go on")
        if self._threads():
            self._workers_seen = time.monotonic()
        elif time.monotonic() - self._workers_seen > WORKERS_SECONDS:
            raise GradingError("the Dask scheduler has lost all of its workers; start again to go on")
        ended = [future for future in self._running if future.status != "pending"]
        return [(self._running.pop(future), self._reply(future)) for future in ended]

    def _threads(self):
        return sum(self._client.nthreads().values()) if self._alive() else 0

    def _alive(self):
        return self._client.status == "running"

    def _reply(self, future):
        if future.status == "finished":
            return future.result()
        if future.status == "error":
            error = future.exception()
            if isinstance(error, self._distributed.KilledWorker):
                return None
            raise GradingError(f"a Dask worker cannot do the work: {type(error).__name__}: {error}") from error
        raise GradingError("the Dask scheduler is gone; start again to go on")


def _check_address(address):
    """Raise UsageError for what cannot be the address of a scheduler; Dask's client would print a traceback as well."""
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import backends

    try:
        scheme, where = parse_address(address)
        if scheme in ("tcp", "tls"):
            parse_host_port(where)
        known = scheme in backends
    except ValueError:
        known = False
    if not known:
        raise UsageError(f"{address} is no address of a Dask scheduler: tcp://host:8786")
