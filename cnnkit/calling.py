"""Call a student's function once and write down what happened, whatever happened.

This is the only part of a check that runs beside the student's code. It knows nothing of right answers.
"""

import contextlib
import io
import linecache
import os
import signal
import sys
import sysconfig
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from itertools import islice

import numpy as np

from cnnkit.cases import arrays

CALL_SECONDS = 10.0
"""Processor time after which a call is stopped; a ``fast`` case, whose arrays are large, gets three times as much."""
PATIENCE = 3
"""A call that waits, or whose machine is busy with other things, may take so many times as much on the clock."""
MAX_LINES = 1_000_000
"""Lines of Python that a call of a ``fast`` case may run. Counted rather than timed: the same on every machine.

On its arrays, (32, 32, 40, 48) under 3x3, a loop over kernel positions runs some dozens of lines, one over the windows
of each image a few hundred thousand, one over single elements sixteen million, the naive convolution over two.
"""
MAX_BYTES = 1 << 29
MAX_ITEMS = 4096
MAX_DEPTH = 5
MAX_PRINTED = 2000
LIBRARY_FOLDERS = (os.path.dirname(__file__), sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))


@dataclass(frozen=True)
class Unreadable:
    """Stands for a result that is not made of plain arrays and numbers; ``text`` says what it was."""

    text: str


@dataclass(frozen=True)
class Problem:
    """An exception: its type's name, the names of its base classes, its message, the student's line."""

    type: str
    bases: tuple[str, ...] = ()
    message: str = ""
    where: str = ""


@dataclass(frozen=True)
class Outcome:
    """What one call did.

    Attributes:
        value: the result as plain data: None, bool, int, float, str, NumPy array, tuple of these, Unreadable.
        error: the Problem that ended the call, or None.
        mutated: names of the arguments that the function changed.
        seconds: processor time of the calling thread.
        printed: the first of what it printed.
    """

    value: object = None
    error: Problem | None = None
    mutated: tuple[str, ...] = ()
    seconds: float = 0.0
    printed: str = ""


class TimeUp(BaseException):
    """Raised inside a call that has run too long. No Exception, so that ``except Exception`` lets it pass."""


class Interrupted(KeyboardInterrupt):
    """A Ctrl-C, or Jupyter's stop button, during a call; its text says where.

    IPython shows it as one line: of a traceback, all but one line would be the check's own.
    """

    def _render_traceback_(self):
        return [str(self)]


class TooManyLines(BaseException):
    """Raised inside a call of a ``fast`` case that loops over single elements."""


EARLIER_RESULT = "the result of an earlier call"
"""Stands in ``Outcome.mutated`` where a function hands out the same array each time."""
UNCHANGING = bool, int, float, complex, str, type(None), np.generic
NOT_RUN = Outcome(error=Problem("NotRun", message="not run, since an earlier call was stopped"))


def run(answer, cases, exercise):
    """Yield the outcome of each case in turn.

    Stops calling after an ordinary call ran out of time, or when the function is a stub that was never written.
    """
    stopped, kept = False, []
    for number, case in enumerate(cases):
        outcome = NOT_RUN if stopped else call(answer, case, exercise, kept)
        yield outcome
        if outcome.error:
            unwritten = number == 0 and "NotImplementedError" in (outcome.error.type, *outcome.error.bases)
            stopped = stopped or unwritten or outcome.error.type == "TimeUp"


def call(answer, case, exercise, kept=None):
    """Run one case. Raises nothing but Interrupted, on a real Ctrl-C.

    Args:
        answer, case, exercise: what to call with what.
        kept: a list in which results wait for later calls, which must leave them alone; None looks at one call.
    """
    with _one_at_a_time:
        return _call(answer, case, exercise, kept)


# Standard output and the warning filters are the process's own: two threads that swap them would not put them back.
_one_at_a_time = threading.RLock()


def _call(answer, case, exercise, kept):
    args, kwargs = case.arguments()
    result = value = error = None
    printed = _Printed()
    interrupted = threading.Event()
    counting = _counting_lines() if case.fast else contextlib.nullcontext()
    seconds_allowed = 3 * CALL_SECONDS if case.fast else CALL_SECONDS
    started = time.thread_time()
    try:
        with _watching(seconds_allowed, interrupted), _quiet(printed), counting:
            result = exercise.probe(answer, *args, **kwargs) if exercise.probe else answer(*args, **kwargs)
            seconds = time.thread_time() - started
            # The arrays of a case about speed are large, and those of the others show whether results are overwritten.
            value = plain(result, copy=not case.fast)
    except BaseException as raised:
        if interrupted.is_set():
            raise _interrupted(exercise, raised) from None
        seconds = time.thread_time() - started
        # What a probe is called with says nothing about the signature of the answer.
        error = describe(raised, None if exercise.probe else answer, args, kwargs)
    if interrupted.is_set():  # and a student's bare `except:` has swallowed it
        raise _interrupted(exercise)
    mutated = tuple(name for name, old, new in _named(case, args, kwargs, exercise) if not _same(old, new))
    if kept is not None and not error and not case.fast and not issubclass(type(result), UNCHANGING):
        made_of = _text(lambda: list(arrays([result])), [])
        if any(_shares(earlier, result, made_of) and _overwritten(earlier[0], was) for *earlier, was in kept):
            mutated += (EARLIER_RESULT,)
        kept.append((result, made_of, value))
    return Outcome(value, error, mutated, seconds, printed.getvalue())


def _interrupted(exercise, raised=None):
    where = _text(lambda: _student_line(raised), "") if raised else ""
    return Interrupted(f"The check of {exercise.name} was interrupted{where and f' at {where}'}.")


def plain(value, depth=0, copy=True):
    """``value`` as plain data, with nothing of the student's classes left in it; with ``copy`` in memory of its own."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, np.ndarray):
        if value.dtype.kind not in "biufc":
            return Unreadable(f"an array of dtype {value.dtype}")
        if value.nbytes > MAX_BYTES:
            return Unreadable(f"an array of {value.nbytes / 2**20:.0f} MiB")
        return np.array(value, copy=copy or None, subok=False)
    if issubclass(kind, np.generic) and value.dtype.kind in "biufc":
        return {"b": bool, "i": int, "u": int, "f": float, "c": np.array}[value.dtype.kind](value)
    if issubclass(kind, int):
        return int(value) if int.bit_length(value) < 1024 else Unreadable("an integer of over a thousand bits")
    if issubclass(kind, float):
        return float(value)
    if issubclass(kind, complex):
        return np.array(complex(value))
    if issubclass(kind, str):
        return str(value)[:MAX_PRINTED]
    if issubclass(kind, tuple | list) and depth < MAX_DEPTH and len(value) <= MAX_ITEMS:
        return tuple(plain(item, depth + 1, copy) for item in islice(value, MAX_ITEMS))
    name = _text(lambda: f"{kind.__module__}.{kind.__qualname__}").removeprefix("builtins.")
    return Unreadable({"torch.Tensor": "a torch tensor", "generator": "a generator"}.get(name, f"a {name}"))


def describe(raised, answer, args=(), kwargs=None):
    """The Problem that stands for an exception."""
    kind = type(raised)
    message = _text(lambda: str(raised))[:MAX_PRINTED]
    if kind is TypeError:
        message = _signature_clash(answer, args, kwargs or {}) or message
    where = _text(lambda: _student_line(raised), "")
    return Problem(kind.__name__, tuple(base.__name__ for base in kind.__mro__[1:-1]), message, where)


def _signature_clash(answer, args, kwargs):
    """Which arguments the function should take, if the call itself is what failed."""
    import inspect

    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as clash:
        return f"called with other arguments than it takes, {signature}: {clash}"
    return ""


def _student_line(raised):
    """The innermost line of the traceback that is the student's own."""
    own = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(raised.__traceback__)
        if not frame.f_code.co_filename.startswith(LIBRARY_FOLDERS)
    ]
    if not own:
        return ""
    file, line = own[-1]
    return f"line {line}: {linecache.getline(file, line).strip()}".rstrip(": ")


def _text(make, default="something that cannot be shown"):
    try:
        made = make()
        # Half of a surrogate pair cannot be printed.
        return made.encode("utf-8", "replace").decode() if isinstance(made, str) else made
    except BaseException:  # a student's __str__ may do anything
        return default


def _named(case, args, kwargs, exercise):
    names = [name.split("=")[0].strip().lstrip("*") for name in exercise.signature.split(",")]
    names += [f"argument {i + 1}" for i in range(len(names), len(args))]
    yield from zip(names, case.args, args, strict=False)
    for name, value in kwargs.items():
        yield name, case.kwargs[name], value


def _shares(earlier, result, made_of):
    """Whether an earlier result, given with the arrays that it is made of, is of the same memory as this one."""
    both = lambda: any(np.may_share_memory(a, b) for a in earlier[1] for b in made_of)
    return earlier[0] is result or _text(both, False)


def _overwritten(result, value):
    """Whether a result is no longer the plain value that it was."""
    return not _same(value, _text(lambda: plain(result)))


def _same(old, new):
    if isinstance(old, list | tuple):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, np.ndarray):
        # Looking for nan takes several times as long, and few arrays have any.
        return np.array_equal(old, new) or (old.dtype.kind == "f" and np.array_equal(old, new, equal_nan=True))
    return True


class _Printed(io.StringIO):
    """Keeps the beginning of what is printed and drops the rest."""

    def write(self, text):
        super().write(text[: max(0, MAX_PRINTED - self.tell())])
        return len(text)

    def close(self):
        """Stays readable: a student's function may close sys.stdout."""


@contextlib.contextmanager
def _quiet(printed):
    """Catch prints; let no warning or NumPy error setting of the caller's turn into an exception."""
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _counting_lines():
    """Raise TooManyLines in the block once Python has run ``MAX_LINES`` lines of it."""
    lines = 0

    def count(frame, event, arg):
        nonlocal lines
        lines += 1
        if lines > MAX_LINES:
            raise TooManyLines
        return count

    previous = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(previous)
    if lines > MAX_LINES:  # raised, and swallowed by a bare `except:`
        raise TooManyLines


@contextlib.contextmanager
def _watching(seconds, interrupted):
    """Raise TimeUp in the block after ``seconds`` of work; note in ``interrupted`` a Ctrl-C that is the user's own.

    On a busy machine a call gets a part of each second only. Were it stopped by the clock, a right answer would fail
    there, or be stopped while it loads a library, which stays in pieces for the rest of the session.

    Signals reach the main thread only: elsewhere, and on Windows, nothing is watched.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    started, worked = time.monotonic(), time.thread_time()

    def time_up(*_):
        # The timer runs by the clock, and what has been worked by then is a little less than what has passed.
        if time.thread_time() - worked > 0.9 * seconds or time.monotonic() - started > PATIENCE * seconds:
            raise TimeUp(f"stopped after {seconds:g} s")

    def interrupt(*_):
        interrupted.set()
        raise KeyboardInterrupt

    old_alarm = signal.signal(signal.SIGALRM, time_up)
    old_interrupt = signal.signal(signal.SIGINT, interrupt)
    # Rings more than once: a student's bare `except:` may swallow the first.
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, seconds / 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old_alarm)
        signal.signal(signal.SIGINT, old_interrupt)
        if left:  # a timer of the caller's, pytest-timeout's say, goes on
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, left - (time.monotonic() - started)), interval)
