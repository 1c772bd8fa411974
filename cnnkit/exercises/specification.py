"""What an exercise is: cases, a reference, the bugs that students make, and the points."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cnnkit.cases import Case
from cnnkit.comparing import DOUBLE, SINGLE, Tolerance


@dataclass(frozen=True)
class Bug:
    """A mistake that students make.

    Attributes:
        name: what is wrong, in a few words; stands in the report.
        hint: what a tutor would say to a student who made it.
        answer: the reference with that mistake built in; called as the student's function is.
        variants: other results that the same mistake can lead to.
    """

    name: str
    hint: str
    answer: Callable
    variants: tuple[Callable, ...] = ()

    @property
    def answers(self):
        return (self.answer, *self.variants)


@dataclass(frozen=True)
class Exercise:
    """The specification of one exercise.

    Attributes:
        name: the function or class that the student writes.
        unit: "03-conv-forward".
        signature: its parameters as text, "x, kh, kw, stride=1, pad=0".
        points: points of each group of cases, {"basics": 2, "stride": 1}.
        cases: from a numpy Generator to the cases of one check.
        oracle: the reference, an answer like a student's.
        bugs: known mistakes.
        probe: what is called in place of the answer itself, ``probe(answer, *args, **kwargs)``, where the answer is
            a class or takes a function; runs beside the student's code and returns raw arrays.
        prepare: loads what the first call would load otherwise, in a process that checks are forked from.
        judge: where many answers are right, ``judge(case, value)`` to what is wrong with a result, a Difference, or
            None; it gets whatever came back, as plain data. ``oracle`` then is one of the right answers. A judge gives
            each kind of fault a name: an answer has the bug whose faults are of the same kinds.
        returns: names of the parts where the result is a tuple, ("dx", "dw", "db").
        window: ``window(case, part, index)`` to a list of ``(title, 2-D array)``, the inputs that one wrong value was
            computed from; None where there is nothing to show.
        single, double: the tolerances for float32 and float64 inputs.
    """

    name: str
    unit: str
    signature: str
    points: dict[str, int]
    cases: Callable[..., Iterable[Case]]
    oracle: Callable
    bugs: tuple[Bug, ...]
    probe: Callable | None = None
    judge: Callable | None = None
    prepare: Callable | None = None
    returns: tuple[str, ...] = ()
    window: Callable | None = None
    single: Tolerance = SINGLE
    double: Tolerance = DOUBLE

    @property
    def max_score(self):
        return sum(self.points.values())

    def tolerance(self, case):
        return self.single if case.single else self.double


@dataclass
class Unit:
    """The exercises of one unit, in the order in which its module defines them."""

    name: str
    exercises: dict[str, Exercise] = field(default_factory=dict)

    def exercise(self, call, points):
        """Decorate a class that holds ``cases``, ``oracle``, ``bugs`` and, where needed, the optional attributes.

        The class is a namespace: its functions take no self.

        Args:
            call: name and parameters as the student writes them, "im2col(x, kh, kw, stride=1, pad=0)".
            points: points of each group of cases.
        """
        name, _, signature = call.rstrip(")").partition("(")

        def register(namespace):
            optional = ("probe", "judge", "prepare", "returns", "window", "single", "double")
            self.exercises[name] = Exercise(
                name=name,
                unit=self.name,
                signature=signature,
                points=points,
                cases=namespace.cases,
                oracle=namespace.oracle,
                bugs=tuple(namespace.bugs),
                **{key: vars(namespace)[key] for key in optional if key in vars(namespace)},
            )
            return namespace

        return register
