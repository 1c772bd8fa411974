"""What students and other programs call: ``check`` shows how an answer does, ``evaluate`` returns it."""

import contextlib
import functools
import signal
import sys
import threading

from cnnkit import calling, devices, progress, rendering, verdict

PUBLIC_SEED = 0


class CheckFailed(AssertionError):
    """A check that not every case passed; ``.verdict`` holds the details.

    IPython shows it as one line instead of a traceback, since the card above it says all there is to say.
    """

    def __init__(self, verdict):
        points = f"{verdict.exercise}: {rendering.points(verdict.score, verdict.max_score)}."
        super().__init__(f"{points} {verdict.hint or verdict.message}")
        self.verdict = verdict

    def _render_traceback_(self):
        return [str(self)]


def check(name, answer):
    """Check an answer to an exercise, show the result, and remember it for the map of the course.

    Args:
        name: of the exercise, "im2col".
        answer: the student's function or class.

    Raises:
        CheckFailed: unless every case passes.
    """
    result = evaluate(name, answer)
    _show(result)
    if progress.in_a_notebook():
        progress.record(result)
    if not result.passed:
        raise CheckFailed(result)


def evaluate(name, answer, seed=PUBLIC_SEED, device="cpu"):
    """Run an answer through the cases of an exercise.

    Args:
        name: of the exercise.
        answer: the student's function or class; anything else gets a Verdict that says so.
        seed: where the random cases come from.
        device: where the reference, and answers in torch, compute: "cpu", "cuda", "mps".

    Returns:
        A ``verdict.Verdict``. Nothing is raised, but for ``calling.Interrupted`` on a Ctrl-C.
    """
    try:
        return _evaluate(name, answer, seed, device)
    except (KeyError, ValueError) as error:
        return verdict.refused(str(name), str(error.args[0]))
    except Exception as error:  # code that ran before may have left numpy or torch in pieces
        what = f"{type(error).__name__}: {error}"
        return verdict.refused(str(name), f"The check itself could not run ({what}). Restart the kernel and try again.")


def _evaluate(name, answer, seed, device):
    if "torch" not in sys.modules:
        with _undisturbed():
            import torch  # noqa: F401
    expected = _expect(name, seed, str(devices.device(device)))
    exercise = expected.exercise
    if not callable(answer):
        wanted = f"{name} should be a function {name}({exercise.signature}); it is {type(answer).__name__}."
        return verdict.refused(name, wanted, exercise.max_score)
    with devices.using(device):
        outcomes = list(calling.run(answer, expected.cases, exercise))
    return verdict.judge(expected, outcomes)


# The same few checks are asked for again and again, and a large case is tens of megabytes.
_expect = functools.lru_cache(maxsize=4)(verdict.expect)


@contextlib.contextmanager
def _undisturbed():
    """Put off a Ctrl-C to the end of the block: a library that it stops halfway stays in pieces for the session."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise calling.Interrupted("The check was interrupted.")


def _show(result):
    """As a card in a notebook, as text elsewhere."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        sys.modules["IPython"].display.display(result)
    else:
        print(result)
