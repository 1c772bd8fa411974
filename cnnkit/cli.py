"""The command ``cnnkit``: look after an installation, and check the exercises of a notebook, from a terminal."""

import sys
import textwrap
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cnnkit import data, doctor, exercises, options, progress, verdict
from cnnkit.checking import evaluate
from cnnkit.notebook import NotebookError, run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cnn-course", prog_name="cnnkit")
def main():
    """Help with the course on convolutional networks.

    Exit status: 0 where all is well, 1 where a check fails or something is missing, 2 for bad usage.
    """


@main.command("doctor")
def examine():
    """Say what the course lacks here, and how to mend it."""
    table = Table("", "what", "found", header_style="bold")
    findings = doctor.examine()
    for finding in findings:
        table.add_row("ok" if finding.fine else "[bold red]--[/]", finding.what, finding.found)
    console = Console()
    console.print(table)
    for finding in findings:
        if not finding.fine:
            console.print(f"{finding.what}: {finding.fix}", markup=False, soft_wrap=True)
    if all(finding.fine for finding in findings):
        console.print("Nothing is missing.")
    else:
        sys.exit(1)


@main.command()
@click.argument("notebooks", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="NOTEBOOK...")
@options.device
@click.option("--quiet", is_flag=True, help="Only the table, no messages.")
def check(notebooks, device, quiet):
    """Run notebooks and check every exercise in them.

    Cells run in order, as "Run All" would run them, except for demonstrations, which are left out. A cell that fails
    does not stop the others. The files stay as they are.
    """
    console = Console()
    results = []
    for path in notebooks:
        try:
            with console.status(f"running {path.name}"):
                answers, trouble = run(path)
        except NotebookError as error:
            console.print(f"{path}: {error}", style="bold red", markup=False, soft_wrap=True)
            sys.exit(2)
        for name, answer in answers.items():
            with console.status(f"checking {name}"):
                result = evaluate(name, answer, device=device) if answer is not None else _missing(name, trouble)
            results.append(result)
            progress.record(result)
            if not quiet and not result.passed:
                console.print(result.text(), markup=False, highlight=False, soft_wrap=True)
                console.print()
    console.print(_table(results))
    sys.exit(0 if all(result.passed for result in results) else 1)


@main.command("progress")
def show_progress():
    """Show how far you are in the course.

    The map has the units with their minutes, their points and what is left.

    A check in JupyterLab and `cnnkit check` remember the best score of each exercise in a small file, named below the
    map. To begin anew, remove it.
    """
    course = progress.Map()
    table = Table("unit", "about", "minutes", "points", "left", header_style="bold")
    for unit in course.units:
        points = f"{unit.got:g} of {unit.points:g}"
        table.add_row(unit.name, unit.title, str(unit.minutes or ""), points, progress.remaining(unit))
    console = Console()
    console.print(table)
    console.print(course.summary(), highlight=False)
    console.print(str(progress.file()), style="dim", markup=False, soft_wrap=True)


@main.command("data")
@click.argument("name", type=click.Choice(list(data.PUBLIC)), metavar="NAME")
def get_data(name):
    """Download mnist or cifar10, verify it and keep it.

    Some lessons can use them. What is on this computer already is verified and not downloaded again. It is kept in the
    folder that the environment variable CNNKIT_DATA names, else in data/cache in the course's folder.
    """
    try:
        found = data.PUBLIC[name]()
    except (data.DataError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{found.name}: {len(found.train.x)} pictures to train on, {len(found.test.x)} to test with, verified")


def _missing(name, trouble):
    """The Verdict on an exercise whose function the notebook does not define."""
    why = f"; {trouble}" if trouble else ""
    return verdict.refused(name, f"the notebook defines no {name}{why}", exercises.get(name).max_score)


def _table(results):
    table = Table("exercise", "points", "", header_style="bold")
    for result in results:
        note = "" if result.passed else result.bug or result.message
        table.add_row(result.exercise, f"{result.score:g} of {result.max_score:g}", textwrap.shorten(note, 60))
    got, possible = sum(r.score for r in results), sum(r.max_score for r in results)
    table.add_section()
    table.add_row("all", f"{got:g} of {possible:g}", "", style="bold")
    return table
