"""What ``import cnnkit`` costs beside ``import numpy``: medians over fresh interpreters, in one run.

python benchmarks/import_time.py [RUNS]
"""

import statistics
import subprocess
import sys

from rich.console import Console
from rich.table import Table

STATEMENTS = ("pass", "import numpy", "import cnnkit", "from cnnkit import check, evaluate", "import torch")
TIMED = "import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"


def seconds(statement):
    """Time of one statement in a fresh interpreter."""
    command = [sys.executable, "-c", TIMED.format(statement=statement)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main(runs=7):
    table = Table("statement", "median s", "beyond numpy s", title=f"import time, {runs} fresh interpreters each")
    medians = {s: statistics.median(seconds(s) for _ in range(runs)) for s in STATEMENTS}
    for statement, median in medians.items():
        table.add_row(statement, f"{median:.3f}", f"{median - medians['import numpy']:+.3f}")
    Console().print(table)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
