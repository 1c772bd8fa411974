"""The grader's side of a sandbox made of ordinary processes."""

import math
import os
import secrets
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
# -P: without the current folder on the path, which may be one of submissions.
WARM = [sys.executable, "-P", "-m", "autograder.sandbox.warm"]
MAX_RESULT = 4 << 20
"""Bytes of what describes one outcome, arrays not counted."""
SETTINGS = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    # The same marks on every machine, whatever it can compute on.
    "CNNKIT_DEVICE": "cpu",
    # More threads would not survive a fork, and every core has a sandbox of its own.
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}
OURS = list(dict.fromkeys(str(Path(package.__file__).parents[1]) for package in (autograder, cnnkit)))
"""Where the packages lie that the far side needs."""


@dataclass(frozen=True)
class Limits:
    """What a submission may take; times are wall times in seconds.

    Attributes:
        cell: for a cell of the notebook.
        check: for all cases of an exercise together; for large arrays as much as ``calling`` allows comes on top.
        notebook: for all cells and checks together, and the times that it is run again without a cell.
        grace: how much later a process that has not stopped by itself is killed.
        start: for the warm process to load the lesson's libraries.
        memory: bytes that the processes of one submission may take together, beyond those libraries.
        disk: bytes for each of the folders that they can write in.
        processes: how many there may be of them.

    The last three hold in a sandbox only.
    """

    cell: float = 30.0
    check: float = 20.0
    notebook: float = 600.0
    grace: float = 5.0
    start: float = 120.0
    memory: int = 2 << 30
    disk: int = 128 << 20
    processes: int = 48


@dataclass(frozen=True)
class Questions:
    """The cases of a check, ready to be sent as often as there are submissions.

    Attributes:
        frames: one for each case.
        room: how many bytes of arrays each outcome may bring.
        seconds: what the calls with large arrays may take beyond the limit of a check.
        shared: bytes of memory for large arrays that come back, so that they need not be copied.
    """

    frames: tuple
    room: tuple[int, ...]
    seconds: float = 0.0
    shared: int = 0

    @classmethod
    def of(cls, cases, room=None, shared=0):
        """Of cases; by default an outcome has as much room as the protocol allows."""
        frames = tuple(map(protocol.case_frame, cases))
        seconds = sum(CALL_SECONDS * 3 for case in cases if case.fast)
        return cls(frames, tuple(room or [protocol.MAX_BODY] * len(cases)), seconds, shared)


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


class Gone(Lost):
    """The sandbox itself has ended, and every session with it."""


class ProcessSandbox:
    """A warm process and the sessions forked from it.

    Args:
        imports: import statements of the lesson, to be loaded once.
        exercises: names of its exercises.
        limits: a Limits, or None for the usual ones.
        units: names of the units that the exercises are of, where they are known.

    Attributes:
        failed: import statements that could not be run, with the reason.

    Raises:
        Lost: where the warm process cannot be started.
    """

    def __init__(self, imports=(), exercises=(), limits=None, units=()):
        self.limits = limits or Limits()
        self._load = {"do": "load", "imports": list(imports), "units": list(units), "exercises": list(exercises)}
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

    def session(self, draws=False):
        """A new Session, for one submission; starts the warm process again where it has died.

        Args:
            draws: whether it may need matplotlib, which the warm process then loads if it has not.
        """
        try:
            return self._open(draws)
        except (Closed, TimeoutError):
            self.close()
            self._start()
        try:
            return self._open(draws)
        except (Closed, TimeoutError) as error:
            raise Lost("the sandbox does not start", "crash") from error

    def command(self, fd):
        """The command line of the warm process, whose end of the channel is ``fd``."""
        return [*WARM, str(fd), str(self._folder / "ipython")]

    def environment(self):
        """The environment variables of the warm process."""
        kept = {name: value for name, value in os.environ.items() if name in PASSED_ON}
        paths = {"IPYTHONDIR": str(self._folder / "ipython"), "PYTHONPATH": os.pathsep.join(OURS)}
        return kept | SETTINGS | paths

    def _start(self):
        self._folder = Path(tempfile.mkdtemp(prefix="grading-"))
        self._can_draw = False
        self._channel, theirs = Channel.pair()
        with theirs:
            self._warm = subprocess.Popen(
                self.command(theirs.fileno()),
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

    def make_place(self):
        """A new working directory for a session."""
        return tempfile.mkdtemp(prefix="work-", dir=self._folder)

    def _open(self, draws):
        if draws and not self._can_draw:
            self._ask({"do": "draw"}, self.limits.start)
            self._can_draw = True
        folder = self.make_place()
        ours, theirs = Channel.pair()
        with theirs:
            self._channel.send({"do": "open", "folder": folder}, seconds=self.limits.grace)
            self._channel.send_channel(theirs)
            reply = self._channel.receive(self.limits.grace)[0]
        if "refused" in reply:
            ours.close()
            raise Lost(f"the sandbox does not hold: {reply['refused']}", "crash")
        return Session(self, ours, reply["session"], folder)

    def alive(self):
        """Whether the warm process is there and answers."""
        try:
            self._ask({"do": "nothing"}, self.limits.grace)
        except (Closed, TimeoutError):
            return False
        return True

    def sweep(self, number):
        """Kill what a session has left running beside itself; nothing here, where it cannot be told apart."""

    def overrun(self):
        """Which limit the session was stopped for going over since this was last asked, in words, or ""."""
        return ""

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
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, source, seconds=math.inf):
        """Run a cell, for as long as the limits say, or ``seconds`` where that is less.

        Returns:
            ``(outputs, ok)``: the outputs, which should be in nbformat's terms, and whether it ended without an error.

        Raises:
            Lost: where the cell ended the process or did not let itself be stopped.
        """
        seconds = min(seconds, self.limits.cell)
        reply = self._ask({"do": "run", "source": source, "seconds": seconds}, seconds, protocol.MAX_SHOWN)
        outputs, ok = reply.get("outputs"), reply.get("ok")
        if not isinstance(outputs, list):
            raise Lost("the process sent an unreadable reply", "crash")
        # The far side keeps to this itself, unless a student's code has seen to it.
        return outputs[: protocol.MAX_OUTPUTS], ok is True

    def check(self, name, questions, seconds=math.inf):
        """Call the student's function ``name`` on some cases, in a process of its own.

        Args:
            name: of the exercise.
            questions: a Questions.
            seconds: how long it may take, where that is less than the limits say.

        Returns:
            A Reply. A crash or a hang is an outcome.

        Raises:
            Lost: where the session itself does not answer any more; the check is lost, too.
        """
        seconds = min(seconds, self.limits.check + questions.seconds)
        self._sandbox.sweep(self._number)
        ours, theirs = Channel.pair(questions.shared)
        with ours:
            with theirs:
                token = self._say({"do": "check", "name": name}, theirs)
            if not self._answer(token, self.limits.grace).get("started"):
                raise Lost("what earlier cells have left running allows no other process", "crash")
            kind, outcomes, flag = _converse(ours, questions, seconds)
        status = self._ask({"do": "end check"}, self.limits.grace).get("status")
        self._sandbox.sweep(self._number)
        overrun = self._sandbox.overrun()
        unanswered = len(questions.frames) - len(outcomes)
        if kind == "callable" and unanswered:
            outcomes += [_ended(name, flag, status, seconds, overrun), *[_not_run()] * (unanswered - 1)]
        elif not kind:
            return Reply(kind, flag=flag, problem=f"{name} could not be checked: {overrun or 'its process ended'}.")
        return Reply(kind, tuple(outcomes), "memory" if overrun else flag)

    def _ask(self, message, seconds, most=protocol.MAX_REPLY):
        return self._answer(self._say(message), seconds + self.limits.grace, most)

    def _say(self, message, channel=None):
        """Send a message; the token that its answer has to bring back."""
        token = secrets.token_hex(8)
        try:
            self._channel.send(message | {"token": token}, seconds=self.limits.grace)
            if channel:
                self._channel.send_channel(channel)
        except (Closed, TimeoutError) as error:
            raise self._lost("the process ended") from error
        return token

    def _answer(self, token, seconds, most=protocol.MAX_REPLY):
        """The answer with that token, of ``most`` bytes; others are none of the session's own."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                reply, _ = self._channel.receive(max(0.0, deadline - time.monotonic()), 0, most)
                if reply.get("token") == token:
                    return reply
        except Closed as error:
            if overrun := self._sandbox.overrun():
                raise Lost(overrun, "memory") from error
            raise self._lost("the process ended here: does it exit, or crash?") from error
        except TimeoutError as error:
            raise Lost(f"stopped after {seconds:g} s", "timeout") from error
        except ProtocolError as error:
            raise Lost(f"the process sent {error}", "crash") from error

    def _lost(self, reason):
        return Lost(reason, "crash") if self._sandbox.alive() else Gone("the sandbox ended", "crash")


def _converse(channel, questions, seconds):
    """``(kind, outcomes, flag)`` of a check: the outcomes that came before it ended."""
    deadline = time.monotonic() + seconds
    left = lambda: max(0.0, deadline - time.monotonic())
    kind, outcomes = "", []
    try:
        kind = protocol.clean_text(channel.receive(left(), 0, MAX_RESULT)[0].get("kind"))[:100]
        for frame, most in zip(questions.frames, questions.room, strict=True) if kind == "callable" else ():
            channel.send_frame(frame, left())
            message, arrays = channel.receive(left(), most, MAX_RESULT)
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


def _ended(name, flag, status, seconds, overrun):
    if overrun:
        return Outcome(error=Problem("NotRun", message=f"{name} was stopped: {overrun}."))
    if flag == "timeout":
        return Outcome(error=Problem("TimeUp", message=f"stopped after {seconds:g} s"))
    if flag == "unreadable":
        return Outcome(error=Problem("NotRun", message=f"{name} returned something that cannot be read, or too much."))
    return Outcome(error=Problem("NotRun", message=f"{name} ended the whole process. {_how(status)}"))


def _how(status):
    """How a process ended, from what waitpid said of it, or so it is told."""
    number = status & 0x7F if isinstance(status, int) else 0
    if number in (0, 0x7F):
        return "Does it call exit?"
    names = {known.value: f" ({known.name})" for known in signal.Signals}
    return f"It ended with signal {number}{names.get(number, '')}."


def _not_run():
    return Outcome(error=Problem("NotRun", message="not run, since an earlier call ended the process"))
