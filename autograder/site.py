"""The course's site: every unit as a page, the explainers, the guides, the reference, what was measured.

    python -m autograder.site [FOLDER]

Sphinx reads a folder that is put together from ``docs/`` and from what the course has: units that were run once, with
their solutions taken out, and the benchmarks' tables.
"""

import json
import re
import sys
from pathlib import Path
from textwrap import indent

import click
import nbformat
from nbgrader.utils import is_grade, is_solution
from sphinx.cmd.build import build_main

from autograder import build
from autograder.errors import BuildError
from autograder.executed import executed
from autograder.nbgrader_config import ROOT
from cnnkit import exercises
from cnnkit.widgets import page as explainers

MINUTES = re.compile(r"(about \d+ minutes)")
GOALS = re.compile(r"After this unit you can\*\*\n\n((?:(?:- |  ).*\n?)+)")
LINK = re.compile(r"\(\.\./(\d\d-[\w-]+)/\1\.ipynb")


def make(output=None, root=ROOT, units=None, notify=lambda step: None):
    """Build the site.

    Args:
        output: folder for its pages; ``build/site/html`` by default.
        root: the repository.
        units: names of the units to show; None for all.
        notify: called with what comes next, in words.

    Returns:
        Sphinx's exit status. Warnings are errors.

    Raises:
        BuildError: a unit does not run to its end.
    """
    root = Path(root)
    work = root / "build" / "site"
    assemble(work / "source", root, units, notify)
    output = Path(output or work / "html")
    notify("the pages")
    return build_main(
        ["-W", "--keep-going", "-q", "-j", "auto", "-d", str(work / "doctrees"), str(work / "source"), str(output)]
    )


def assemble(folder, root=ROOT, units=None, notify=lambda step: None):
    """Put together what Sphinx reads. Files that are as they were are left alone, so that Sphinx need not read them."""
    folder, root = Path(folder), Path(root)
    wanted = {}
    for path in sorted((root / "docs").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            wanted[path.relative_to(root / "docs")] = path.read_bytes()
    names = list(units or build.units(root))
    pages = {}
    for unit in names:
        notify(unit)
        pages[unit] = shown(executed(unit, root), unit, root)
    for unit, nb in pages.items():
        wanted[Path("units") / f"{unit}.ipynb"] = (nbformat.writes(nb) + "\n").encode()
    wanted[Path("units.md")] = _map(pages).encode()
    wanted[Path("benchmarks.md")] = _benchmarks(root / "docs" / "benchmarks").encode()
    wanted[Path("_extra") / "all-explainers.html"] = explainers.page(explainers.all_explainers()).encode()
    _update(folder, wanted)


def shown(notebook, unit, root=ROOT):
    """What the site shows of an executed notebook: with stubs for solutions, without the outputs of checks.

    Raises:
        BuildError: a line of a solution is left in it.
    """
    source = build.source_notebook(Path(root) / "solutions" / unit / f"{unit}.py")
    stubs = {cell.id: cell.source for cell in build.student_notebook(source).cells}
    nb = nbformat.from_dict(notebook)
    for cell in nb.cells:
        if is_solution(cell):
            cell.source = stubs[cell.id]
        cell.source = LINK.sub(r"(\1.ipynb", cell.source)
        if cell.cell_type == "code":
            graded = is_solution(cell) or is_grade(cell)
            cell.outputs = [] if graded else list(still(o for o in cell.outputs if not _is_progress(o)))
    bare = nbformat.from_dict(nb)
    told = []
    for cell in bare.cells:
        if cell.cell_type == "code":
            told += [json.dumps(output) for output in cell.outputs]
            cell.outputs, cell.execution_count = [], None
    bare.cells.append(nbformat.v4.new_markdown_cell("\n".join(told), id="outputs"))
    build.refuse_leaks(bare, source, f"the page of {unit}")
    return nb


def still(outputs):
    """Outputs without widgets, which need a kernel, where a picture stands for them."""
    for output in outputs:
        data = output.get("data", {})
        if "text/html" in data:
            data.pop("application/vnd.jupyter.widget-view+json", None)
        if data != {"text/html": ""}:  # the live view of an explainer; its picture is the next output
            yield output


def _is_progress(output):
    return output.output_type == "stream" and output.name == "stderr"


def title(notebook):
    """The heading of a notebook."""
    first = next(cell for cell in notebook.cells if cell.cell_type == "markdown")
    return first.source.splitlines()[0].lstrip("# ").strip()


def _map(pages):
    """The page that lists the units: what each takes, what one can do afterwards, its exercises."""
    units = "\n".join(_card(unit, notebook) for unit, notebook in pages.items())
    contents = "\n".join(f"units/{unit}" for unit in pages)
    return f"""\
# The course

Every unit as a page to read, with its figures; the exercises are stubs here, as in the notebook that you work in. Units
do not depend on your solutions to earlier ones. On each card stands what you can do after the unit.

:::{{container}} cards course-map
{units}
:::

```{{toctree}}
:hidden:

{contents}
```
"""


def _card(unit, notebook):
    """A unit on the map, as an item of a list."""
    names = exercises.names(unit)
    points = sum(exercises.get(name).max_score for name in names)
    points += sum(cell.metadata.nbgrader.points for cell in notebook.cells if is_grade(cell) and is_solution(cell))
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    facts = [_count(len(names), "exercise"), _count(points, "point")]
    minutes = MINUTES.search(text)
    parts = [f"[{title(notebook)}](units/{unit}.ipynb)", ", ".join([*facts, *(minutes.groups() if minutes else ())])]
    goals = GOALS.search(text)
    parts += [goals[1].strip()] if goals else []
    parts.append(" ".join(f"`{name}`" for name in names))
    return "- " + indent("\n\n".join(parts), "  ").lstrip() + "\n"


def _count(number, noun):
    return f"{number:g} {noun}{'s' * (number != 1)}"


def _benchmarks(folder):
    """The page of what was measured, from the files that ``benchmarks/`` saved."""
    parts = [
        "# Benchmarks",
        "Measured by the programs in `benchmarks/`, each beside a peer in the same run; `make bench` measures anew. "
        "Times hold for the machine that is named; ratios travel better.",
    ]
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        parts += [f"## {found['title']}", found["note"], _table(found["columns"], found["rows"])]
        if path.with_suffix(".svg").is_file():
            parts.append(f"```{{image}} benchmarks/{path.stem}.svg\n:alt: {' '.join(found['picture'].split())}\n```")
        parts.append(f"*Measured on {found['date']}: {found['machine']}.*")
    return "\n\n".join(parts) + "\n"


def _table(columns, rows):
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in [columns, *rows]]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    numeric = [all(re.fullmatch(r"[-−\d., %]*", cell) for cell in column) for column in zip(*cells[1:], strict=True)]
    sides = "|".join("--:" if number else ":--" for number in numeric)
    return "\n".join([lines[0], f"|{sides}|", *lines[1:]])


def _update(folder, wanted):
    """Make a folder hold these files and no others."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder) not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
def main(folder):
    """Build the course's site into FOLDER, by default build/site/html.

    Each unit is run once and its outputs are kept until something that they depend on changes: the first time takes
    minutes.
    """
    folder = folder or ROOT / "build" / "site" / "html"
    try:
        status = make(folder, notify=lambda step: click.echo(f"site: {step}"))
    except BuildError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    if status == 0:
        click.echo(f"Site: {folder / 'index.html'}")
    sys.exit(status)


if __name__ == "__main__":
    main()
