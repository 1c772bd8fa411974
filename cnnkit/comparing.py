"""Compare what a function returned with what was expected, and put the difference into words."""

from dataclasses import dataclass

import numpy as np

from cnnkit.calling import Unreadable


@dataclass(frozen=True)
class Tolerance:
    """How close a number must come to the expected one.

    ``|got - expected| <= relative |expected| + absolute max|expected| + floor``, where the floor is for results
    that should be exactly zero and, computed another way, are not.
    """

    relative: float
    absolute: float
    floor: float


DOUBLE = Tolerance(relative=1e-9, absolute=1e-10, floor=1e-12)
SINGLE = Tolerance(relative=1e-4, absolute=2e-5, floor=1e-6)
ROUNDED = Tolerance(relative=1e-6, absolute=1e-6, floor=1e-9)
"""What a detour through float32 costs a float64 result."""
CHUNK = 1 << 18


@dataclass(frozen=True)
class Difference:
    """The first thing that is wrong about a result.

    Attributes:
        kind: "error", "type", "shape", "dtype", "value", "mutated", "slow", or the word of an exercise's judge.
        text: one or two sentences for the student.
        part: for a result of several arrays, which one.
        index: for a wrong value in an array, where.
    """

    kind: str
    text: str
    part: int | None = None
    index: tuple[int, ...] | None = None


def compare(expected, got, tolerance, name="result", any_float=False):
    """The Difference between two plain values, or None.

    Args:
        expected, got: plain data as in ``calling.Outcome.value``.
        tolerance: a Tolerance.
        name: what the result is called in the message.
        any_float: whether float32 and float64 count as the same type.
    """
    if isinstance(expected, tuple):
        return _compare_tuples(expected, got, tolerance, name, any_float)
    if isinstance(expected, np.ndarray) and expected.ndim:
        return _compare_arrays(expected, got, tolerance, name, any_float)
    return _compare_scalars(expected, got, tolerance, name)


def kind_of(value):
    """A short description of a plain value's type, for messages."""
    if isinstance(value, Unreadable):
        return value.text
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {value.dtype}"
    if isinstance(value, tuple):
        return f"a sequence of {len(value)}"
    known = {type(None): "None", bool: "a bool", int: "an int", float: "a float", str: "a string"}
    return known.get(type(value), f"of type {type(value).__name__}")


def _compare_tuples(expected, got, tolerance, name, any_float):
    # What unpacks into the parts will do: array([3, 4]), or np.stack of three maps.
    if isinstance(got, np.ndarray) and got.ndim and len(got) == len(expected):
        got = tuple(got.tolist() if got.ndim == 1 else got)
    if not isinstance(got, tuple):
        return Difference("type", f"{name} should be a tuple of {len(expected)}; it is {_or_missing(got)}.")
    if len(got) != len(expected):
        return Difference("shape", f"{name} should hold {len(expected)} things; it holds {len(got)}.")
    for part, (e, g) in enumerate(zip(expected, got, strict=True)):
        difference = compare(e, g, tolerance, f"{name}[{part}]", any_float)
        if difference:
            return Difference(difference.kind, difference.text, part, difference.index)
    return None


def _compare_arrays(expected, got, tolerance, name, any_float):
    if not isinstance(got, np.ndarray):
        return Difference("type", f"{name} should be a NumPy array; it is {_or_missing(got)}.")
    if got.shape != expected.shape:
        return Difference("shape", f"{name} should have shape {expected.shape}; it has {got.shape}.")
    family = "iu" if expected.dtype.kind in "iu" else expected.dtype.kind
    loose = any_float or family == "iu"
    if got.dtype != expected.dtype and not (loose and got.dtype.kind in family):
        return Difference("dtype", f"{name} should be {expected.dtype}; it is {got.dtype}.")
    wrong = _wrong(expected, got, tolerance)
    if wrong is None:
        return None
    index = tuple(int(i) for i in np.unravel_index(np.argmax(wrong), wrong.shape))
    count = int(wrong.sum())
    text = _should_be(f"{name}[{', '.join(map(str, index))}]", expected[index], got[index])
    text += f" ({count} of {wrong.size} values differ)."
    factor = _factor(expected, got, tolerance)
    if factor is not None:
        text += f" All of yours are {number(factor)} times what they should be."
    if tolerance is DOUBLE and _wrong(expected, got, ROUNDED) is None:
        text += " It is right to about seven digits: was something computed in float32 on the way?"
    return Difference("value", text, index=index)


def _factor(expected, got, tolerance):
    """What all expected values would have to be multiplied by to be the ones that came, or None."""
    if expected.dtype.kind not in "iuf" or not np.isfinite(expected).all() or np.count_nonzero(expected) < 2:
        return None
    largest = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    factor = float(got[largest]) / float(expected[largest])
    telling = np.isfinite(factor) and factor and abs(factor - 1) > 1e-3
    return factor if telling and _wrong(expected * factor, got, tolerance) is None else None


def _wrong(expected, got, tolerance):
    """A boolean array that marks the values that are off, or None where all are right.

    A nan equals a nan and an infinity itself: no reference returns either, but a known bug may.
    """
    shape, expected, got = expected.shape, expected.ravel(), got.ravel()
    parts = [slice(start, start + CHUNK) for start in range(0, expected.size, CHUNK)]  # since some arrays are large
    unequal = [part for part in parts if not np.array_equal(expected[part], got[part])]
    if not unequal:
        return None
    wide = np.complex128 if "c" in (expected.dtype.kind, got.dtype.kind) else np.float64
    finite = (part[np.isfinite(part)] for part in map(expected.__getitem__, parts))
    slack = tolerance.absolute * max(float(np.abs(part).max(initial=0)) for part in finite) + tolerance.floor
    wrong = np.zeros(expected.size, bool)
    with np.errstate(all="ignore"):
        for part in unequal:
            e, g = expected[part].astype(wide), got[part].astype(wide)
            close = np.isfinite(e) & (np.abs(g - e) <= tolerance.relative * np.abs(e) + slack)
            wrong[part] = ~(close | (g == e) | (np.isnan(e) & np.isnan(g)))
    return wrong.reshape(shape) if wrong.any() else None


def _compare_scalars(expected, got, tolerance, name):
    if isinstance(got, np.ndarray) and got.ndim == 0:
        got = got.item()
    if isinstance(expected, np.ndarray):
        expected = expected.item()
    wanted = {bool: "True or False", int: "an int", float: "a number", str: "a string"}[type(expected)]
    accepted = (int, float) if isinstance(expected, float) else type(expected)
    if not isinstance(got, accepted) or isinstance(got, bool) != isinstance(expected, bool):
        shown = f"{kind_of(got)}, {number(got)}" if isinstance(got, int | float) else _or_missing(got)
        return Difference("type", f"{name} should be {wanted}; it is {shown}.")
    if isinstance(expected, float):
        wrong = _wrong(np.array(expected), np.array(float(got)), tolerance) is not None
    else:
        wrong = got != expected
    if not wrong:
        return None
    return Difference("value", _should_be(name, expected, got) + ".")


def _or_missing(got):
    return "None (is a return missing?)" if got is None else kind_of(got)


def _should_be(name, expected, got):
    """The beginning of a sentence, with as many digits as it takes to see that the two numbers differ."""
    shown = ((number(expected, digits), number(got, digits)) for digits in (6, 9, 17))
    wanted, found = next((pair for pair in shown if pair[0] != pair[1]), (number(expected), number(got)))
    return f"{name} should be {wanted}; it is {found}"


def number(value, digits=6):
    """A number as a student should read it: six digits, no NumPy wrapping."""
    if isinstance(value, bool | np.bool_ | str):
        return repr(value) if isinstance(value, str) else str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    return f"{value:.{digits}g}"
