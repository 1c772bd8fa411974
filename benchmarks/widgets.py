"""From a change to the drawing that shows it, in a headless Chromium: median and 95th percentile for each explainer.

    python benchmarks/widgets.py [CHANGES]

"page" is the web page, where no kernel is asked: from the change of a number to the frame that shows it. "kernel" is
the way around: a cell of JupyterLab sets a trait, and the page draws it; a cell that only prints is the peer, measured
in the same run.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from cnnkit.widgets.page import SHOWN
from cnnkit.widgets.page import main as write_page

CHANGES = {  # name -> values that a number takes in turn
    "CortexLab": ("angle", [5, 10, 60, 120]),
    "KernelLab": ("kernel", [[[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]),
    "SizeCalculator": ("n", [8, 16, 31, 1000]),
    "ConvStepper": ("at", [[0, 0, 1], [1, 2, 2], [0, 1, 1]]),
    "Im2colExplorer": ("at", [1, 5, 8]),
    "BackwardStepper": ("at", [[0, 1], [1, 1], [2, 2]]),
    "PoolRouter": ("at", [[0, 1], [1, 1], [1, 0]]),
    "StackTable": ("shape", [[3, 227, 227], [3, 231, 227], [3, 259, 259]]),
}
TIMED = """async ([name, trait, values, changes]) => {
    const place = document.getElementById(name);
    place.scrollIntoView();
    const frame = () => new Promise(requestAnimationFrame);
    const times = [], shown = [];
    place.model.set(trait, values[0]);
    for (let i = 0; i < changes; i += 1) {
        await frame();
        await frame();
        const drawn = new Promise(done => place.addEventListener('cnnkit-drawn', done, {once: true}));
        const start = performance.now();
        place.model.set(trait, values[(i + 1) % values.length]);
        await drawn;
        place.getBoundingClientRect();  // style and layout, which the browser would do before it paints
        times.push(performance.now() - start);
        await frame();
        shown.push(performance.now() - start);
    }
    return [times, shown];
}"""


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def main(changes=100):
    file = Path(tempfile.mkdtemp()) / "explainers.html"
    write_page([str(file)])
    assert set(CHANGES) == set(SHOWN)
    table = Table(title=f"change to redraw, no kernel, {changes} changes each, milliseconds")
    for column in ("explainer", "median", "95 %", "median to the next frame", "95 %"):
        table.add_column(column, justify="left" if column == "explainer" else "right")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        for name, (trait, values) in CHANGES.items():
            page.evaluate(TIMED, [name, trait, values, 10])  # what the engine compiles on first use
            drawn, shown = page.evaluate(TIMED, [name, trait, values, changes])
            figures = [f(times) for times in (drawn, shown) for f in (statistics.median, lambda t: percentile(t, 0.95))]
            table.add_row(name, *(f"{figure:.1f}" for figure in figures))
        browser.close()
    Console().print(table)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
