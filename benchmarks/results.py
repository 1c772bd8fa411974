"""What a benchmark found: a table in the terminal and, on request, a file that the site's benchmark page shows.

A file is ``docs/benchmarks/<name>.json``, an object with these keys, beside ``<name>.svg`` where there is a picture:

    title, note     strings; the note is a paragraph on how to read the table
    date, machine   when and where it was measured
    columns, rows   headings, and a list of strings for each row
    picture         text that stands for the picture, or ""

A benchmark may add keys of its own.
"""

import datetime
import json
import os
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"


def show(title, columns, rows, note=""):
    """Print a table; entries are converted to text."""
    table = Table(*columns, title=title, caption=note)
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)


def save(name, title, columns, rows, note="", figure=None, picture="", **more):
    """Write the table, and a matplotlib figure with the text that stands for it, where the site finds them.

    ``more`` are keys of the benchmark's own.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {
        "title": title,
        "note": note,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "columns": list(columns),
        "rows": [list(map(str, row)) for row in rows],
        "picture": picture,
        **more,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    if figure is not None:
        # Without the date and with ids that do not change, so that only new figures show as a change.
        import matplotlib

        with matplotlib.rc_context({"svg.hashsalt": name}):
            figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


def machine():
    """Processor, cores and system, in words."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
