"""Ten thousand notebooks that are not what they should be: each is refused or graded, none makes ingest crash.

Then ten thousand of each kind of malformed data that a student's process can send: read or refused, never a crash.

    python benchmarks/fuzz.py [CASES]
"""

import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from autograder import build

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import damage
import test_sandbox_fuzz

UNIT = "03-conv-forward"


def main(cases=10_000):
    source = build.source_notebook(build.ROOT / "solutions" / UNIT / f"{UNIT}.py")
    skeleton = build.student_notebook(source)
    counts, began = {True: 0, False: 0}, time.perf_counter()

    # No database of earlier failures: each run is a fresh one.
    many = settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    @many
    @given(damage.notebooks(skeleton))
    def run(data):
        counts[damage.check_ingest(skeleton, data)] += 1

    run()
    print(
        f"ingest: {sum(counts.values())} notebooks in {time.perf_counter() - began:.0f} s, {counts[True]} read, "
        f"{counts[False]} refused, no crash",
        flush=True,
    )
    for name, test in vars(test_sandbox_fuzz).items():
        if hasattr(test, "hypothesis"):
            began = time.perf_counter()
            many(test)()
            print(f"{name}: {cases} in {time.perf_counter() - began:.0f} s, no crash", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
