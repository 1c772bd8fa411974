"""What is wrong with an outcome, in words and small matrices, and which known bug explains it."""

from dataclasses import dataclass, replace

import numpy as np

from cnnkit import calling
from cnnkit.cases import arrays
from cnnkit.comparing import Difference, compare, kind_of, number

PANEL_SIDE = 7
"""Largest number of rows and columns of an array that a message shows."""


@dataclass(frozen=True)
class Panel:
    """A small matrix in a message; ``mark`` is the (row, column) to point at, or None."""

    title: str
    values: np.ndarray
    mark: tuple[int, int] | None = None

    def to_dict(self):
        return {"title": self.title, "values": np.asarray(self.values).tolist(), "mark": self.mark}

    @classmethod
    def from_dict(cls, data):
        return cls(data["title"], np.array(data["values"]), data["mark"] and tuple(data["mark"]))


def difference(exercise, case, right, got):
    """What is wrong with one outcome, a Difference, or None.

    Args:
        exercise, case: what was called with what.
        right: the reference's Outcome.
        got: the student's.
    """
    if case.raises:
        return _no_value_error(exercise, right, got)
    if got.error:
        return _failure(exercise, case, got.error)
    if got.mutated:
        if calling.EARLIER_RESULT in got.mutated:
            text = f"{exercise.name} overwrote {calling.EARLIER_RESULT}. Make a new array in each call."
            return Difference("mutated", text)
        names = " and ".join(got.mutated)
        return Difference("mutated", f"{exercise.name} changed its argument {names}. Work on a copy.")
    if exercise.judge:
        return exercise.judge(case, got.value)
    found = compare(right.value, got.value, exercise.tolerance(case))
    part = right.value if found is None or found.part is None else right.value[found.part]
    if found and found.kind == "dtype" and _has_the_inputs_dtype(case, part):
        found = replace(found, text=f"{found.text} Keep the input's dtype.")
    if found and found.part is not None and exercise.returns:
        return replace(found, text=found.text.replace(f"result[{found.part}]", exercise.returns[found.part]))
    return found


def _has_the_inputs_dtype(case, value):
    """Whether some array of a case is of the dtype that its result has."""
    return {a.dtype for a in arrays([value])} <= {a.dtype for a in arrays((case.args, case.kwargs))}


def is_error(outcome, kind):
    """Whether a call ended in an exception of that type or of one derived from it."""
    return bool(outcome.error) and kind in (outcome.error.type, *outcome.error.bases)


def _no_value_error(exercise, right, got):
    if is_error(got, "ValueError"):
        return None
    did = f"raised {got.error.type}: {got.error.message}" if got.error else f"returned {_shown(got.value)}"
    return Difference("error", f"This should raise a ValueError ({right.error.message}); {exercise.name} {did}.")


def _shown(value):
    return number(value) if isinstance(value, bool | int | float) else kind_of(value)


def _failure(exercise, case, error):
    if error.type == "NotRun":
        return Difference("error", error.message)
    if error.type == "TooManyLines":
        return Difference("slow", _loops_over_elements(exercise, case))
    if error.type == "TimeUp":
        return Difference("slow", f"{exercise.name} was {error.message}: does a loop never end?")
    where = f" ({error.where})" if error.where else ""
    return Difference("error", f"{exercise.name} raised {': '.join(filter(None, (error.type, error.message)))}{where}")


def _loops_over_elements(exercise, case):
    return (
        f"{exercise.name} is too slow: on {describe(exercise, case)} it was stopped after {calling.MAX_LINES:,} lines "
        "of Python. A Python loop that touches single elements cannot keep up with arrays of this size. Loop over the "
        "few kernel positions instead, and let NumPy move whole arrays."
    )


def wrong_outcome(exercise, case, right, answer):
    """What an answer that shows a known bug gives for a case, or None where that is right or an exception."""
    outcome = calling.call(answer, case, exercise)
    return outcome if not outcome.error and difference(exercise, case, right, outcome) else None


def name_bug(exercise, rows, mistakes):
    """The known bug that an answer has, or None.

    It is the one that equals the answer on most of its wrong cases: on two at least, since one may be an accident, or
    on the only one in which either is wrong. Nor is it one that has little in common with the answer: where the two are
    wrong in different ways four times as often as in the same, where it leaves five of six failures unexplained, or
    where it explains some only and is wrong twice as often in cases that the answer gets right.

    Args:
        exercise: its specification.
        rows: ``(case, reference's outcome, student's outcome, Difference or None)`` for each case.
        mistakes: ``(bug, ask)`` for each way that a known bug shows; ``ask(indices)`` tells what it answers in some
            cases, ``{index: its outcome}`` of those in which it gives a wrong result.
    """
    wrong = [i for i, (case, _, got, found) in enumerate(rows) if found and not got.error and not case.fast]
    others = [i for i, (case, _, _, found) in enumerate(rows) if not found and not case.fast]
    if not wrong:
        return None

    def explained(outcomes):
        return [i for i, outcome in outcomes.items() if _is_bug(exercise, *rows[i], outcome)]

    # What explains everything explains the first failure, too: mostly nothing else needs to be computed of the others.
    likely = [(bug, ask) for bug, ask in mistakes if explained(ask(wrong[:1]))]
    for bug, ask in likely:
        if len(explained(ask(wrong))) == len(wrong) and not ask(others):
            return bug
    best, best_rank = None, (0, 0)
    for bug, ask in mistakes:
        outcomes = ask(wrong)
        same = explained(outcomes)
        equal, unlike = len(same), len(outcomes) - len(same)
        if not equal or equal < best_rank[0]:  # whatever it answers in the other cases
            continue
        contrary = len(ask(others))
        by_accident = unlike > 4 * equal or 6 * equal < len(wrong) or (contrary > 2 * equal and equal < len(wrong))
        by_accident |= equal == 1 and (len(wrong) > 1 or contrary > 0)
        if not any(_is_telling(rows[i][1].value) for i in same):
            # Numbers and booleans agree by accident: there a bug must explain a fair part of the failures.
            by_accident |= 3 * equal < len(wrong) or contrary > equal
        if (equal, -contrary) > best_rank and not by_accident:
            best, best_rank = bug, (equal, -contrary)
    return best


def _is_telling(value):
    """Whether there is more to a result than numbers and booleans."""
    if isinstance(value, tuple):
        return any(map(_is_telling, value))
    return isinstance(value, str | np.ndarray)


def _is_bug(exercise, case, right, got, found, bugged):
    """Whether a wrong outcome is the one of the bug."""
    if not found or got.error or got.mutated != bugged.mutated:
        return False
    if exercise.judge and found.kind != "value":
        return found.kind == difference(exercise, case, right, bugged).kind
    tolerance = exercise.tolerance(case)
    if compare(bugged.value, got.value, tolerance, any_float=True):
        return False
    # A bug is recognised in either precision, unless the dtype is what it is about.
    same_dtype = compare(bugged.value, got.value, tolerance) is None
    return same_dtype or difference(exercise, case, right, bugged).kind != "dtype"


def describe(exercise, case):
    """The call in words: "x (2, 3, 5, 6) float64, kh=3, kw=2, stride=2"."""
    names = [name.split("=")[0].strip() for name in exercise.signature.split(",")]
    parts = [_argument(name, value) for name, value in zip(names, case.args, strict=False)]
    parts += [_argument(name, value) for name, value in case.kwargs.items()]
    remarks = [f"memory order: {case.layout}"] * (case.layout != "C") + ["read-only"] * case.readonly
    return ", ".join(parts) + (f" ({', '.join(remarks)})" if remarks and any(True for _ in arrays(case.args)) else "")


def _argument(name, value):
    if isinstance(value, np.ndarray):
        return f"{name} {value.shape} {value.dtype}"
    if isinstance(value, list | tuple) and any(isinstance(item, np.ndarray) for item in value):
        return f"{name} [{', '.join(_argument('', item).strip() for item in value)}]"
    return f"{name}={value!r}"


def panels(exercise, case, right, got, found):
    """The matrices to show beside a wrong value: its input window, what was expected, what came, the difference."""
    if found is None or found.kind != "value" or found.index is None:
        return ()
    expected, received = right.value, got.value
    if found.part is not None:
        expected, received = expected[found.part], received[found.part]
    if isinstance(expected, tuple):  # a list of arrays, of which the message names one
        return ()
    inputs = exercise.window(case, found.part, found.index) if exercise.window else []
    expected, mark = _around(expected, found.index)
    received, _ = _around(received, found.index)
    return (
        *(Panel(title, _around(values, (0, 0))[0]) for title, values in inputs),
        Panel("expected", expected, mark),
        Panel("yours", received, mark),
        Panel("difference", _signed(received) - _signed(expected), mark),
    )


def _signed(values):
    """As a type that can hold a difference, which booleans and unsigned integers cannot."""
    return values.astype(np.result_type(values, np.int8))


def _around(values, index):
    """The last two axes of an array near ``index``, and where in that matrix the index is."""
    values = np.atleast_2d(values)
    index = (0,) * (values.ndim - len(index)) + tuple(index)
    plane = values[index[:-2]]
    starts = [max(0, min(i - PANEL_SIDE // 2, n - PANEL_SIDE)) for i, n in zip(index[-2:], plane.shape, strict=True)]
    shown = plane[tuple(slice(start, start + PANEL_SIDE) for start in starts)]
    return shown, tuple(i - start for i, start in zip(index[-2:], starts, strict=True))
