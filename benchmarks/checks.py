"""How long each check takes on the reference solution, as a student in Lab feels it.

    python benchmarks/checks.py [UNIT...]

"first" is the first check of an exercise in a session, which draws the cases and runs the reference; "again" is the
median of the checks after it. torch is loaded beforehand, by a check of another exercise; its cost stands below.
"""

import statistics
import sys
import time

from rich.console import Console
from rich.table import Table

from autograder import build, selftest
from cnnkit import evaluate, exercises

AGAIN = 5


def seconds(name, answer):
    started = time.perf_counter()
    verdict = evaluate(name, answer)
    elapsed = time.perf_counter() - started
    if not verdict.passed:
        raise SystemExit(f"the reference solution of {name} fails: {verdict.message}")
    return elapsed


def main(units):
    torch_seconds = seconds("practice", exercises.get("practice").oracle)
    table = Table("exercise", "cases", "first s", "again s", title="checks on the reference solutions")
    every = []
    for unit in units or build.units():
        source = build.source_notebook(build.ROOT / "solutions" / unit / f"{unit}.py")
        solutions = selftest.definitions(source)
        for name in exercises.names(unit):
            first = seconds(name, solutions[name])
            again = statistics.median(seconds(name, solutions[name]) for _ in range(AGAIN))
            cases = len(evaluate(name, solutions[name]).cases)
            every.append(first)
            table.add_row(name, str(cases), f"{first:.3f}", f"{again:.3f}")
    console = Console()
    console.print(table)
    console.print(f"first checks: median {statistics.median(every):.3f} s, longest {max(every):.3f} s")
    console.print(f"loading torch, once per session: {torch_seconds:.2f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
