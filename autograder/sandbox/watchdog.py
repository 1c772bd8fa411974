"""Watches from outside how much memory a submission takes, which no limit of a single process can."""

import contextlib
import os
import signal
import threading

from autograder.sandbox import processes

INTERVAL = 0.1
"""Seconds between two looks. Two cores fill about a gigabyte in that time."""
INIT, SESSION = 1, 2
"""Numbers that these processes have inside the session's own namespace."""


class Watchdog:
    """A thread that looks at the processes of a sandbox until it is stopped.

    Where they hold more than they may, it kills the checks and whatever the cells have started, or else the session.

    Args:
        top: the process id of bubblewrap, as seen from here.
        memory: how many bytes the processes of a session may hold together.
    """

    def __init__(self, top, memory):
        self._top = top
        self._memory = memory
        self._told = ""
        self._stopped = threading.Event()
        # Bubblewrap itself, the namespace around the warm process, and only then the sessions.
        self._depth = processes.depth(top) + 1
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopped.set()
        self._thread.join()

    def told(self):
        """What it has killed something for since this was last asked, in words, or ""."""
        told, self._told = self._told, ""
        return told

    def look(self):
        held = {pid: processes.memory(pid) for pid in self._inside()}
        if sum(held.values()) <= self._memory:
            return
        # Forks share most of it with the warm process. That takes longer to find out, and some have ended by then.
        held = {pid: _share(pid) for pid in held}
        if sum(held.values()) <= self._memory:
            return
        inside = {pid: processes.pid_inside(pid) for pid in held}
        session = sum(held[pid] for pid, number in inside.items() if number in (INIT, SESSION))
        others = [pid for pid, number in inside.items() if number not in (INIT, SESSION)]
        self._told = f"it took more than {self._memory / 2**30:.3g} GiB of memory"
        for pid in others if others and session <= self._memory else inside:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _inside(self):
        return [pid for pid in processes.descendants(self._top) if processes.depth(pid) > self._depth]

    def _watch(self):
        while not self._stopped.wait(INTERVAL):
            self.look()


def _share(pid):
    own = processes.own_memory(pid)
    return processes.memory(pid) if own is None else own
