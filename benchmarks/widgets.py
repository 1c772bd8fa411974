"""From a change to the drawing that shows it, in a headless Chromium: median and 95th percentile for each explainer.

    python benchmarks/widgets.py [CHANGES]

Without a kernel, on the web page: from the change of a number until the drawing is laid out, and until the next frame.
The least time is the one that other work on the machine has touched least. With a kernel, in JupyterLab: a cell sets a
trait (or prints, for comparison), and the page shows it. Targets: 16 ms in the median and 50 ms at 95 % without a
kernel, 100 and 150 with one.
"""

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from cnnkit.widgets.page import SHOWN
from cnnkit.widgets.page import main as write_page

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests")]

import conftest  # noqa: E402
from notebook_page import NotebookPage  # noqa: E402

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


SHOW = """async text => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    await notebook.scrollToItem(notebook.widgets.findIndex(cell => cell.model.sharedModel.source.startsWith(text)));
}"""
KERNEL = """async ([isDrawn, source, changes]) => {
    const {kernel} = window.jupyterapp.shell.currentWidget.sessionContext.session;
    const times = [];
    for (let i = 0; i < changes; i += 1) {
        let seen;
        const shown = new Promise(done => (seen = done));
        const start = performance.now();
        const future = kernel.requestExecute({code: source, silent: false, store_history: false});
        if (isDrawn) document.addEventListener('cnnkit-drawn', seen, {once: true});
        else future.onIOPub = message => message.header.msg_type === 'stream' && seen();
        await shown;
        times.push(performance.now() - start);
        await future.done;
    }
    return times;
}"""


def without_kernel(browser, changes):
    file = Path(tempfile.mkdtemp()) / "explainers.html"
    write_page([str(file)])
    assert set(CHANGES) == set(SHOWN)
    table = Table(title=f"change to redraw without a kernel, {changes} changes each, milliseconds")
    table.add_column("explainer")
    for column in ("drawn: least", "median", "95 %", "next frame: median", "95 %"):
        table.add_column(column, justify="right")
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    for name, (trait, values) in CHANGES.items():
        page.evaluate(TIMED, [name, trait, values, 10])  # what the engine compiles on first use
        drawn, shown = page.evaluate(TIMED, [name, trait, values, changes])
        table.add_row(name, f"{min(drawn):.1f}", *summary(drawn), *summary(shown))
    page.close()
    return table


def with_kernel(browser, changes):
    """In the JupyterLab of the browser tests, which is set up and taken down as there."""
    table = Table(title=f"from the kernel to the page in JupyterLab, {changes} changes each, milliseconds")
    for column in ("a cell", "median", "95 %"):
        table.add_column(column, justify="left" if column == "a cell" else "right")
    home = Path(tempfile.mkdtemp())
    root = home / "course"
    root.mkdir()
    shutil.copy(ROOT / "notebooks" / "explainers.ipynb", root)
    serving = conftest.serve(root, home)
    lab = next(serving)
    try:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        notebook = NotebookPage(page, lab, "explainers.ipynb")
        notebook.run_all()
        page.evaluate(SHOW, "layer = ")  # a notebook attaches what can be seen
        for label, source in {"prints": "print(1)", "sets SizeCalculator.n": "layer.n = 65 - layer.n"}.items():
            draws = source.startswith("layer")
            page.evaluate(KERNEL, [draws, source, 5])
            table.add_row(label, *summary(page.evaluate(KERNEL, [draws, source, changes])))
    finally:
        serving.close()
    return table


def summary(times):
    ordered = sorted(times)
    return f"{statistics.median(ordered):.1f}", f"{ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]:.1f}"


def main(changes=100):
    console = Console()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=conftest.FLAGS)
        console.print(without_kernel(chromium, changes))
        console.print(with_kernel(chromium, changes))
        chromium.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
