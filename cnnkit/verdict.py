"""From a specification and a seed to expected results; from outcomes to points, the bug's name and a message."""

import functools
import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from cnnkit import calling, devices, diagnosis, exercises, rendering
from cnnkit.cases import Case, arrays
from cnnkit.diagnosis import Panel
from cnnkit.exercises.specification import Exercise


@dataclass(frozen=True)
class CaseResult:
    """How one case went: its group, what was called, and where it failed the message and the matrices to show."""

    group: str
    passed: bool
    description: str
    message: str = ""
    panels: tuple[Panel, ...] = ()

    def to_dict(self):
        return vars(self) | {"panels": [panel.to_dict() for panel in self.panels]}

    @classmethod
    def from_dict(cls, data):
        return cls(**data | {"panels": tuple(map(Panel.from_dict, data["panels"]))})


@dataclass(frozen=True, repr=False)
class Verdict:
    """The result of a check.

    Attributes:
        exercise: its name.
        score, max_score: points.
        passed: whether every case passed.
        bug: name of the known bug that explains the result, or None.
        hint: what a tutor would say about that bug, or "".
        message: what is wrong with the failing case that is shown, or that nothing is.
        groups: points got and possible per group of cases, {"basics": (2, 2), "stride": (0, 1)}.
        cases: a CaseResult each.
        shown: index in ``cases`` of the failing one that is easiest to follow, or None.
        printed: what the function printed in that case.
    """

    exercise: str
    score: float
    max_score: float
    passed: bool
    bug: str | None = None
    hint: str = ""
    message: str = ""
    groups: dict[str, tuple[float, float]] = field(default_factory=dict)
    cases: tuple[CaseResult, ...] = ()
    shown: int | None = None
    printed: str = ""

    @property
    def failure(self):
        """The failing case to show, or None."""
        return None if self.shown is None else self.cases[self.shown]

    def text(self):
        return rendering.text(self)

    __repr__ = __str__ = text

    def _repr_html_(self):
        return rendering.html(self)

    def to_dict(self):
        """Plain data for JSON."""
        return vars(self) | {"cases": [case.to_dict() for case in self.cases]}

    @classmethod
    def from_dict(cls, data):
        groups = {name: tuple(points) for name, points in data["groups"].items()}
        return cls(**data | {"groups": groups, "cases": tuple(map(CaseResult.from_dict, data["cases"]))})


@dataclass(frozen=True)
class Expected:
    """The cases of one check with the outcomes of the reference, computed once for many answers."""

    exercise: Exercise
    cases: tuple[Case, ...]
    outcomes: tuple[calling.Outcome, ...]
    device: str = "cpu"

    @functools.cached_property
    def descriptions(self):
        """What is called, in words, for each case."""
        return tuple(diagnosis.describe(self.exercise, case) for case in self.cases)

    @functools.cached_property
    def ways(self):
        """``(bug, answer)`` for each way that a known bug shows."""
        return [(bug, answer) for bug in self.exercise.bugs for answer in bug.answers]

    def mistakes(self):
        """``(bug, ask)`` for each of the ``ways``, as ``diagnosis.name_bug`` takes them."""
        return [(bug, functools.partial(self._ask, number)) for number, (bug, _) in enumerate(self.ways)]

    def _ask(self, number, indices):
        known = self._mistakes.setdefault(number, {})
        if missing := [i for i in indices if i not in known]:
            known.update(self.mistake(number, missing))
        return {i: known[i] for i in indices if known[i]}

    @functools.cached_property
    def _mistakes(self):
        return {}

    def mistake(self, number, indices):
        """What one of the ``ways`` answers in some cases, ``{index: Outcome, or None where it is not wrong}``."""
        answer = self.ways[number][1]
        with devices.using(self.device), devices.one_thread():
            return {i: diagnosis.wrong_outcome(self.exercise, self.cases[i], self.outcomes[i], answer) for i in indices}


def expect(name, seed, device="cpu"):
    """Draw the cases of an exercise and compute what the reference answers.

    Args:
        name: of an exercise.
        seed: a non-negative int.
        device: where the reference computes, as for ``cnnkit.device``.

    Raises:
        KeyError: where there is no such exercise.
        ValueError: where there is no such device.
    """
    exercise = exercises.get(name)
    cases = tuple(exercise.cases(np.random.default_rng([seed, zlib.crc32(name.encode())])))
    if exercise.prepare:
        exercise.prepare()
    with devices.using(device), devices.one_thread():
        outcomes = tuple(calling.run(exercise.oracle, cases, exercise))
    for case, outcome in zip(cases, outcomes, strict=True):
        if case.raises != diagnosis.is_error(outcome, "ValueError") or (outcome.error and not case.raises):
            raise AssertionError(f"{name}: the reference gives {outcome} for {diagnosis.describe(exercise, case)}")
    return Expected(exercise, cases, outcomes, device)


def judge(expected, outcomes):
    """The Verdict on an answer.

    Args:
        expected: from ``expect``.
        outcomes: the answer's ``calling.Outcome`` for each case, in order.
    """
    exercise = expected.exercise
    pairs = list(zip(expected.cases, expected.outcomes, outcomes, strict=True))
    rows = [(*pair, diagnosis.difference(exercise, *pair)) for pair in pairs]
    failed = {case.group for case, *_, found in rows if found}
    groups = {group: (0 if group in failed else points, points) for group, points in exercise.points.items()}
    verdict = Verdict(
        exercise=exercise.name,
        score=sum(got for got, _ in groups.values()),
        max_score=exercise.max_score,
        passed=not failed,
        groups=groups,
        cases=tuple(_case_result(exercise, told, *row) for told, row in zip(expected.descriptions, rows, strict=True)),
    )
    if verdict.passed:
        return replace(verdict, message="All cases pass.")
    if diagnosis.is_error(outcomes[0], "NotImplementedError"):
        return replace(verdict, message=f"{exercise.name} is not written yet.", shown=0)
    bug = diagnosis.name_bug(exercise, rows, expected.mistakes())
    shown = _clearest(rows)
    return replace(
        verdict,
        bug=bug.name if bug else None,
        hint=bug.hint if bug else "",
        message=verdict.cases[shown].message,
        shown=shown,
        printed=outcomes[shown].printed,
    )


def refused(exercise, message, max_score=0):
    """The Verdict on something that cannot be checked at all."""
    return Verdict(exercise, 0, max_score, False, message=message)


def _clearest(rows):
    """Index of the failing case to show.

    One that fails as the first one does, but with whole numbers, if there is such a case, and small arrays, so that
    the sums can be done in the head.
    """
    first, (case, *_, found) = next((i, row) for i, row in enumerate(rows) if row[-1])

    def effort(i):
        inputs = list(arrays((rows[i][0].args, rows[i][0].kwargs)))
        fractions = any((a != np.round(a)).any() for a in inputs)
        return fractions, sum(a.size for a in inputs), i

    alike = [i for i, row in enumerate(rows) if row[-1] and (row[0].group, row[-1].kind) == (case.group, found.kind)]
    return min(alike, key=effort) if found.kind == "value" else first


def _case_result(exercise, description, case, right, got, found):
    return CaseResult(
        group=case.group,
        passed=found is None,
        description=description,
        message=found.text if found else "",
        panels=diagnosis.panels(exercise, case, right, got, found),
    )
