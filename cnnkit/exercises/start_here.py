"""Unit 00: one practice exercise, so that a student meets a check before anything is hard."""

from cnnkit.cases import Case
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("00-start-here")


@UNIT.exercise("practice(x)", points={"basics": 1})
class Practice:
    """Every value doubled."""

    def cases(rng):
        for shape, dtype in [((3,), "float64"), ((2, 3), "float64"), ((2, 3), "float32"), ((2, 3), "float64")]:
            yield Case("basics", (rng.standard_normal(shape).astype(dtype),))
        yield Case("basics", (rng.standard_normal((3, 2)),), readonly=True, layout="transposed")

    def oracle(x):
        return 2 * x

    bugs = (
        Bug(
            "squared",
            "You multiplied x by itself. Doubling is multiplying by two: for 3 that gives 6, and 3 * 3 is 9.",
            lambda x: x * x,
        ),
        Bug("two added", "You added two. Doubling is multiplying by two: 3 becomes 6, not 5.", lambda x: x + 2),
        Bug("returned as it was", "x came back as it went in. Multiply it by two on the way.", lambda x: x),
    )
