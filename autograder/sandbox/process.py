"""The grader's side of a sandbox made of ordinary processes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import autograder
import cnnkit
from autograder.sandbox import protocol
from autograder.sandbox.protocol import Channel, Closed, ProtocolError
from cnnkit.calling import CALL_SECONDS, Outcome, Problem

PASSED_ON = {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX"}
"""What a student's process sees of the grader's environment variables, which may hold credentials."""
OURS = list(dict.fromkeys(str(Path(package.__file__).parents[1]) for package in (autograder, cnnkit)))
"""Where the packages lie that the far side needs."""


@dataclass(frozen=True)
class Limits:
    """Wall times in seconds.

    Attributes:
        cell: for a cell of the notebook.
        check: for all cases of an exercise together; for large arrays as much as ``calling`` allows comes on top.
        grace: how much later a process that has not stopped by itself is killed.
        start: for the warm process to load the lesson's libraries.
    """

    cell: float = 30.0
    check: float = 20.0
    grace: float = 5.0
    start: float = 120.0


@dataclass(frozen=True)
class Reply:
    """What a check brought back.

    Attributes:
        kind: "callable", "missing" where the notebook defines no such name, or the name of a type that is no function.
        outcomes: one for each case; empty unless callable.
        flag: "timeout" or "crash" where the check was cut short, or "".
        problem: why there are no outcomes at all, or "".
    """

    kind: str
    outcomes: tuple[Outcome, ...] = ()
    flag: str = ""
    problem: str = ""


class Lost(Exception):
    """The session's process is gone or does not answer; the message says how it ended."""

    def __init__(self, reason, flag):
        super().__init__(reason)
        self.flag = flag


class ProcessSandbox:
    """A warm process and the sessions forked from it.

    Args:
        imports: import statements of the lesson, to be loaded once.
        exercises: names of its exercises.
        limits: wall times.

    Attributes:
        failed: import statements that could not be run, with the reason.

    Raises:
        Lost: where the warm process cannot be started.
    """

    def __init__(self, imports=(), exercises=(), limits=Limits()):
        self.limits = limits
        self._load = {"do": "load", "imports": list(imports), "exercises": list(exercises)}
        self._folder = None
        self._warm = None
        self._channel = None
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End the warm process and every session."""
        if self._channel:
            self._channel.close()
            try:
                self._warm.wait(self.limits.grace)
            except subprocess.TimeoutExpired:
                self._warm.kill()
                self._warm.wait()
            self._channel = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def session(self):
        """A new Session, for one submission; starts the warm process again where it has died."""
        try:
            return self._open()
        except (Closed, TimeoutError):
            self.close()
            self._start()
        try:
            return self._open()
        except (Closed, TimeoutError) as error:
            raise Lost("the sandbox does not start", "crash") from error

    def command(self, fd, folder):
        """The command line of the warm process; another sandbox wraps it."""
        # -P: without the current folder on the path, which may be one of submissions.
        return [sys.executable, "-P", "-m", "autograder.sandbox.warm", str(fd), str(folder)]

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if name in PASSED_ON}
        return kept | {
            "IPYTHONDIR": str(self._folder / "ipython"),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join(OURS),
            # More threads would not survive a fork, and every core has a sandbox of its own.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        }

    def _start(self):
        self._folder = Path(tempfile.mkdtemp(prefix="grading-"))
        self._channel, theirs = Channel.pair()
        with theirs:
            self._warm = subprocess.Popen(
                self.command(theirs.fileno(), self._folder / "ipython"),
                env=self.environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that Ctrl-C in the grader's terminal does not reach it
            )
        try:
            self.failed = self._ask(self._load, self.limits.start)["failed"]
        except (Closed, TimeoutError) as error:
            self._warm.kill()
            said = self._warm.communicate()[1].decode(errors="replace").strip().splitlines()
            self.close()
            raise Lost(f"the sandbox does not start: {said[-1] if said else 'no answer'}", "crash") from error

    def _open(self):
        folder = Path(tempfile.mkdtemp(prefix="work-", dir=self._folder))
        ours, theirs = Channel.pair()
        with theirs:
            self._channel.send({"do": "open", "folder": str(folder)}, seconds=self.limits.grace)
            self._channel.send_channel(theirs)
            number = self._channel.receive(self.limits.grace)[0]["session"]
        return Session(self, ours, number, folder)

    def end(self, number):
        """Kill a session and what it started."""
        try:
            self._ask({"do": "close", "session": number}, self.limits.grace)
        except (Closed, TimeoutError):
            self._warm.kill()  # the next session starts another

    def _ask(self, message, seconds):
        self._channel.send(message, seconds=seconds)
        return self._channel.receive(seconds)[0]


class Session:
    """One submission's process; a context manager that ends it."""

    def __init__(self, sandbox, channel, number, folder):
        self._sandbox = sandbox
        self._channel = channel
        self._number = number
        self._folder = folder
        self.limits = sandbox.limits

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._channel.close()
        self._sandbox.end(self._number)
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, source):
        """Run a cell.

        Returns:
            ``(outputs, ok)``: the outputs in nbformat's terms, and whether it ended without an error.

        Raises:
            Lost: where the cell ended the process or did not let itself be stopped.
        """
        reply = self._ask({"do": "run", "source": source, "seconds": self.limits.cell}, self.limits.cell)
        outputs, ok = reply.get("outputs"), reply.get("ok")
        if not isinstance(outputs, list):
            raise Lost("the process sent an unreadable reply", "crash")
        return outputs, ok is True

    def check(self, name, cases):
        """Call the student's function ``name`` on the cases, in a process of its own.

        Returns:
            A Reply. A crash or a hang is an outcome.

        Raises:
            Lost: where the session itself does not answer any more; the check is lost, too.
        """
        seconds = self.limits.check + sum(CALL_SECONDS * 3 for case in cases if case.fast)
        ours, theirs = Channel.pair()
        with ours:
            with theirs:
                self._say({"do": "check", "name": name}, theirs)
            self._answer(self.limits.grace)
            kind, outcomes, flag = _converse(ours, cases, seconds)
        status = self._ask({"do": "end check"}, self.limits.grace).get("status")
        if kind == "callable" and len(outcomes) < len(cases):
            outcomes.append(_ended(name, flag, status, seconds))
            outcomes += [_not_run()] * (len(cases) - len(outcomes))
        elif not kind:
            return Reply(kind, flag=flag, problem=f"{name} could not be checked: its process ended.")
        return Reply(kind, tuple(outcomes), flag)

    def _ask(self, message, seconds):
        self._say(message)
        return self._answer(seconds + self.limits.grace)

    def _say(self, message, channel=None):
        try:
            self._channel.send(message, seconds=self.limits.grace)
            if channel:
                self._channel.send_channel(channel)
        except (Closed, TimeoutError) as error:
            raise Lost("the process ended", "crash") from error

    def _answer(self, seconds):
        try:
            return self._channel.receive(seconds)[0]
        except Closed as error:
            raise Lost("the process ended here: does it exit, or crash?", "crash") from error
        except TimeoutError as error:
            raise Lost(f"stopped after {seconds:g} s", "timeout") from error
        except ProtocolError as error:
            raise Lost(f"the process sent {error}", "crash") from error


def _converse(channel, cases, seconds):
    """``(kind, outcomes, flag)`` of a check: the outcomes that came before it ended."""
    deadline = time.monotonic() + seconds
    left = lambda: max(0.0, deadline - time.monotonic())
    kind, outcomes = "", []
    try:
        for case in cases:
            arrays = []
            channel.send({"case": protocol.pack_case(case, arrays)}, arrays, left())
        channel.send({"do": "call"}, seconds=left())
        kind = protocol.clean_text(channel.receive(left())[0].get("kind"))[:100]
        while kind == "callable" and len(outcomes) < len(cases):
            message, arrays = channel.receive(left())
            outcomes.append(protocol.unpack_outcome(message.get("outcome"), arrays))
    except Closed:
        return kind, outcomes, "crash"
    except TimeoutError:
        return kind, outcomes, "timeout"
    except ProtocolError:
        return kind, outcomes, "unreadable"
    if any(outcome.error and outcome.error.type == "TimeUp" for outcome in outcomes):
        return kind, outcomes, "timeout"
    return kind, outcomes, ""


def _ended(name, flag, status, seconds):
    if flag == "timeout":
        return Outcome(error=Problem("TimeUp", message=f"stopped after {seconds:g} s"))
    if flag == "unreadable":
        return Outcome(error=Problem("NotRun", message=f"{name} returned something that cannot be read."))
    how = "Does it call exit?"
    if isinstance(status, int) and os.WIFSIGNALED(status):
        how = f"It ended with signal {os.WTERMSIG(status)} ({signal.Signals(os.WTERMSIG(status)).name})."
    return Outcome(error=Problem("NotRun", message=f"{name} ended the whole process. {how}"))


def _not_run():
    return Outcome(error=Problem("NotRun", message="not run, since an earlier call ended the process"))
