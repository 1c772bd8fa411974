"""One call of a student's function: its arguments, and how they lie in memory."""

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np


def _channels_last(a):
    if a.ndim < 3:
        return np.array(a, order="F")
    return np.moveaxis(np.array(np.moveaxis(a, 1, -1), order="C"), -1, 1)


def _every_second(a):
    """The same values with gaps between them, as a slice of a larger array has."""
    if a.ndim == 0:
        return a.copy()
    buffer = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    buffer[..., ::2] = a
    return buffer[..., ::2]


# A right answer does not care how its input lies in memory, so the cases vary it.
LAYOUTS = {
    "C": lambda a: np.array(a, order="C"),
    "transposed": lambda a: np.array(a, order="F"),
    "channels last": _channels_last,
    "slice": _every_second,
}


@dataclass(frozen=True)
class Case:
    """Arguments for one call.

    Attributes:
        group: the part of the points that this case counts for ("basics", "stride", ...).
        args, kwargs: what the function is called with; arrays are copied for each call.
        layout: how arrays lie in memory, a key of ``LAYOUTS``.
        readonly: whether arrays are handed over read-only.
        fast: whether the case is about speed: large arrays, and only so many lines of Python (``calling.MAX_LINES``).
        raises: whether a ValueError is the right answer.
    """

    group: str
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    layout: str = "C"
    readonly: bool = False
    fast: bool = False
    raises: bool = False

    def arguments(self):
        """Fresh ``(args, kwargs)``: arrays copied into the case's layout."""
        return self._fresh(self.args), {k: self._fresh(v) for k, v in self.kwargs.items()}

    def _fresh(self, value):
        if isinstance(value, np.ndarray):
            array = LAYOUTS[self.layout](value)
            array.flags.writeable = not self.readonly
            return array
        if isinstance(value, list | tuple):
            return type(value)(self._fresh(item) for item in value)
        if isinstance(value, dict):
            return {key: self._fresh(item) for key, item in value.items()}
        return value

    @functools.cached_property
    def single(self):
        """Whether any argument is in single precision, which sets the tolerance."""
        return any(a.dtype == np.float32 for a in arrays((self.args, self.kwargs)))


def arrays(value):
    """Every array inside nested tuples, lists and dicts, in order."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        yield from arrays(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from arrays(item)
