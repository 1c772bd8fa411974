"""The instructor's command line."""

import errno
import math
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from autograder import pool
from autograder.errors import AutograderError, GradingError, UsageError
from autograder.loading import without_collection
from cnnkit import options

MOST_ROWS = 60
"""Students in the table at the end; a larger class is in the report."""

EXAMPLES = Path(__file__).resolve().parent / "examples"
"""The class that comes with the course."""

console = Console(file=sys.stdout, highlight=False)


class Group(click.Group):
    """Turns the errors that a command may end in into one line and an exit status."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except AutograderError as error:
            _fail(error.status, error)
        except OSError as error:
            if error.errno == errno.EPIPE:  # click's: nobody reads what is printed
                raise
            _fail(3, ": ".join(filter(None, (error.filename, error.strerror))) or error)
        except ModuleNotFoundError as error:
            needed = "in the course's folder, pip install -c constraints.txt -e '.[grading]'"
            _fail(3, f"{error.name} is not installed: {needed}")
        except (click.ClickException, click.Abort, click.exceptions.Exit):  # click's own
            raise
        except Exception:  # a fault of ours: 1 would say that some were refused
            traceback.print_exc()
            sys.exit(3)


def _fail(status, error):
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {_plain(error)}")
    sys.exit(status)


def _plain(text):
    from rich.markup import escape

    return escape(" ".join(str(text).split()))


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cnn-course", prog_name="autograder")
def main():
    """Build the course's notebooks and grade what students hand in.

    Submissions lie in DIR/<student>/<unit>/<unit>.ipynb. Results go into an output folder of your choice, which is an
    nbgrader course directory afterwards: start JupyterLab there for formgrader, or call nbgrader's own commands.
    """


class Amount(click.FloatRange):
    """A number of seconds or GiB."""

    def convert(self, value, param, ctx):
        amount = super().convert(value, param, ctx)
        if math.isnan(amount):  # it is in every range
            self.fail(f"{value!r} is not a number.", param, ctx)
        return amount


def _limit(option, default, least, unit, help):
    """An option that takes how much a submission may use of something."""
    kind = Amount(least, 1_000_000)
    return click.option(option, type=kind, default=default, show_default=True, metavar=unit, help=help)


def _progress(*columns):
    """What shows how far a command is, in a terminal."""
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


graded_into = click.option(
    "--output",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder that a class was graded into.",
)
its_gradebook = click.option("--db", metavar="URL", help="Its gradebook; by default what its nbgrader_config.py names.")


@main.command()
@click.argument("units", metavar="[UNIT]...", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where something is stale.")
def build(units, check):
    """Build the students' notebooks and the example class.

    Notebooks are built from solutions/. Without UNIT, every unit. A unit that would give a solution away is refused.
    """
    from autograder import build as builder
    from autograder.examples import make

    paths = builder.build(units=list(units) or None, check=check)
    paths += make.build(units or None, check=check)
    for path in paths:
        console.print(f"{'stale:' if check else 'written:'} {path.relative_to(builder.ROOT)}", soft_wrap=True)
    if not paths:
        console.print("Everything is up to date.")
    sys.exit(1 if check and paths else 0)


@main.command()
@click.argument("units", metavar="[UNIT]...", nargs=-1)
@click.option(
    "--submitted",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder with <student>/<unit>/<unit>.ipynb.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder for gradebook.db, grades.csv, feedback/, report/index.html.",
)
@click.option("--jobs", type=click.IntRange(1), default=None, metavar="N", help="Workers; one per core by default.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=None,
    metavar="S",
    help="What the hidden cases are drawn from, in place of the secret seed of the output folder.",
)
@click.option(
    "--isolation",
    type=click.Choice(["sandbox", "none"]),
    help="Where student code runs. sandbox, the default: behind walls that `autograder doctor` examines. none: in "
    "ordinary processes under your account, where it can do all that you can. Where there can be no sandbox nothing is "
    "graded without this option, but for the class that comes with the course.",
)
@_limit("--cell-seconds", 30, 0.1, "T", "How long a cell of a notebook may run.")
@_limit(
    "--check-seconds",
    20,
    0.1,
    "T",
    "How long all calls of one exercise may take together; those with large arrays get more.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Address of a Dask scheduler, tcp://host:8786, whose workers score in place of this machine's; they need the "
    "same versions of the course, Python and libraries.",
)
@_limit("--memory", 2, 0.05, "GIB", "How much memory a submission may take, in the sandbox.")
@click.option(
    "--db",
    metavar="URL",
    help="Gradebook to use, as nbgrader takes it. By default what the output folder's nbgrader_config.py names; "
    "gradebook.db in a new folder.",
)
@click.option("--regrade", is_flag=True, help="Grade again what has not changed since it was graded, too.")
@click.option("--no-feedback", is_flag=True, help="Write no feedback pages.")
def grade(
    units,
    submitted,
    output,
    jobs,
    seed,
    isolation,
    cell_seconds,
    check_seconds,
    memory,
    scheduler,
    db,
    regrade,
    no_feedback,
):
    """Grade a class.

    Without UNIT, every unit that there are submissions of. A run that was stopped goes on when it is started again;
    what has not changed is not graded twice.

    Exits with 0 when all were graded, 1 when some were refused (each is named with its reason), 2 where there is
    nothing to grade or nowhere to write, 3 where the run could not go on.
    """
    if os.name != "posix":
        raise UsageError("grading needs Linux or macOS; on Windows, use WSL")
    if not scheduler:
        pool.start_server()  # gets ready while the rest is loaded
    with without_collection(), ThreadPoolExecutor(1) as beside:
        from autograder.sandbox.survey import survey

        if isolation != "none":
            beside.submit(survey)
        from autograder.run import Run, check_units
        from autograder.sandbox import Limits

    check_units(units)
    isolation = _isolation(isolation, submitted)
    columns = (
        TextColumn("grading"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with _progress(*columns) as progress:
        task = progress.add_task("", total=None)

        def notify(done, total, name):
            progress.update(task, completed=done, total=total, **({"description": _plain(name)} if name else {}))

        run = Run(
            units=units,
            submitted=submitted,
            output=output,
            jobs=jobs or _cores(),
            seed=seed,
            isolation=isolation,
            limits=Limits(cell=cell_seconds, check=check_seconds, memory=int(memory * 2**30)),
            scheduler=scheduler,
            db=db,
            regrade=regrade,
            feedback=not no_feedback,
            notify=notify,
        )
        try:
            summary = run()
        except KeyboardInterrupt:
            progress.stop()
            console.print("Stopped. What was graded is kept: the same command goes on from here.")
            sys.exit(130)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            where = f"{error.filename or output}: {error.strerror}"
            kept = "what was graded is kept: make room, and the same command goes on from here"
            raise GradingError(f"{where}; {kept}") from error
    _show(summary, units)
    left_alone = f", {len(summary.strays)} left alone" if summary.strays else ""
    counts = f"{summary.graded} graded, {summary.unchanged} unchanged, {len(summary.refused)} refused{left_alone}."
    console.print(counts)
    console.print(f"Report: {_plain(output / 'report' / 'index.html')}", soft_wrap=True)
    sys.exit(1 if summary.refused else 0)


@main.command()
@click.argument("archives", metavar="ZIP...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--from",
    "system",
    type=click.Choice(["moodle", "canvas"]),
    required=True,
    help='Where it was downloaded: Moodle\'s "Download all submissions", Canvas\'s "Download Submissions".',
)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("submitted"),
    show_default=True,
    metavar="DIR",
    help="Folder for <student>/<unit>/<unit>.ipynb, which `autograder grade --submitted` takes.",
)
def collect(archives, system, folder):
    """Sort what Moodle or Canvas gives out into submissions.

    A notebook's unit is known by its grade ids, whatever the file is called. Students who handed in an archive get it
    unpacked. Of several notebooks of a unit the last one is taken.

    Exits with 0 when everything was taken, 1 when something was not (each is named with its reason), 2 where an
    archive cannot be read, holds nothing or is another system's; those before it are unpacked.
    """
    problems = [line for archive in archives for line in _collect(archive, system, folder)]
    sys.exit(1 if problems else 0)


def _collect(archive, system, folder):
    """Unpack one archive and tell what came of it; the lines about what was not taken."""
    from autograder import build as builder
    from autograder.collect import collect as unpack

    with _progress(TextColumn("collecting"), BarColumn(), MofNCompleteColumn()) as progress:
        task = progress.add_task("", total=None)
        notify = lambda done, total: progress.update(task, completed=done, total=total)
        done = unpack(archive, system, folder, builder.units(), notify)
    students = len({student for student, _ in done.submissions})
    count = f"{_counted(len(done.submissions), 'notebook')} of {_counted(students, 'student')} in {_plain(folder)}"
    times = "with their times" if done.times else "the archive does not say when they were handed in"
    console.print(f"{_plain(archive)}: {count}" + (f", {times}" if students else ""), soft_wrap=True)
    for student, unit in sorted(done.late):
        console.print(f"late {_plain(student)} {unit}: {system.capitalize()} says so", soft_wrap=True)
    for note in done.notes:
        console.print(f"[bold]note[/] {_plain(note)}", soft_wrap=True)
    for problem in done.problems:
        console.print(f"[bold]not taken[/] {_plain(problem)}", soft_wrap=True)
    return done.problems


def _counted(number, thing):
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


@main.command()
@graded_into
@its_gradebook
def report(output, db):
    """Write grades.csv, the feedback and the report again.

    For when marks or comments were given by hand in formgrader, or a due date was set. Nothing is graded.
    """
    from autograder.run import report_again

    _show(report_again(output, db), ())
    console.print(f"Report: {_plain(output / 'report' / 'index.html')}", soft_wrap=True)


@main.command()
@click.argument("units", metavar="[UNIT]...", nargs=-1)
@graded_into
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "canvas", "moodle"]),
    default="csv",
    show_default=True,
    help="csv: a row per student and unit. canvas, moodle: what their gradebooks import.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File to write; export-<format>.csv in the folder by default.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="UNIT=TITLE",
    callback=lambda context, option, values: [_pair(value) for value in values],
    help="What the platform calls a unit, as in 03-conv-forward='Homework 3 (81233)'; repeatable.",
)
@its_gradebook
def export(units, output, form, to, columns, db):
    """Write the marks as a table for Canvas, Moodle or others.

    Without UNIT, every unit. Points are what is left after late penalties; marks given by hand count. A student who
    handed nothing in has an empty cell, which leaves alone what the platform has. Canvas finds students by its own
    numbers, where `autograder collect` took the submissions from its archive; other numbers, names and e-mail addresses
    come from the gradebook: `nbgrader db student import` puts them there.
    """
    from autograder import export as exports

    notify = lambda line: console.print(f"[bold]note[/] {_plain(line)}", soft_wrap=True)
    text = exports.export(output, form, units, columns, db, notify)
    path = to or output / f"export-{form}.csv"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    console.print(f"Written: {_plain(path)}", soft_wrap=True)


def _pair(value):
    unit, equals, title = value.partition("=")
    if not equals or not title.strip():
        raise click.BadParameter(f"{value!r} is not UNIT=TITLE")
    return unit, title


@main.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the archive; build/release-bundle by default.",
)
@click.option("--canary", "canaries", multiple=True, metavar="TEXT", help="A text that no file may hold; repeatable.")
def release(output, canaries):
    """Make the archive that students get.

    It holds the notebooks, cnnkit, the environment and the data. It is searched before it is written: for solutions and
    other answers, outputs and widget state in notebooks, secret seeds, credentials, files that are the instructor's,
    and the words INSTRUCTORS ONLY, which you may put into whatever must stay with you. Exits with 2, and writes
    nothing, where any of these is found.
    """
    from autograder import release as releases

    try:
        bundle = releases.release(output, canaries=canaries)
    except releases.Leak as leak:
        for name, what in leak.finds:
            console.print(f"[bold red]found[/] {_plain(name)}: {_plain(what)}", soft_wrap=True)
        raise
    size = f"{len(bundle.files)} files, {bundle.size / 2**20:.1f} MiB"
    console.print(f"Searched {size}: nothing that students must not get.")
    console.print(f"Archive: {_plain(bundle.archive)}", soft_wrap=True)


@main.command()
@click.argument("units", metavar="[UNIT]...", nargs=-1)
@options.device
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="S",
    help="What the cases are drawn from, in place of the seed that students' own checks have.",
)
def selftest(units, device, seed):
    """Try the exercises on answers whose marks are known.

    The reference solution must score full marks and the stub 0, each known bug must lose marks and be named, each right
    answer in another style must score full marks. Exits with 1 where anything is off.
    """
    from autograder import selftest as tests

    seed = tests.PUBLIC_SEED if seed is None else seed
    sys.exit(0 if tests.run(units, device, console, seed=seed) else 1)


@main.command("new-unit")
@click.argument("unit", metavar="NN-TOPIC")
def new_unit(unit):
    """Write the skeleton of a unit of your own.

    NN-TOPIC is its name, as in 10-median-filters. It builds as it stands; `autograder new-exercise` puts exercises into
    it, and `autograder selftest` says what is left to do.
    """
    from autograder import scaffold

    _written(scaffold.new_unit(unit), f"Next: autograder new-exercise NAME --unit {unit}")


@main.command("new-exercise")
@click.argument("name", metavar="NAME")
@click.option("--unit", required=True, metavar="UNIT", help="The unit that it goes into.")
def new_exercise(name, unit):
    """Write the skeleton of an exercise into a unit.

    NAME is that of the function that students will write. Its specification, a place for right answers and the cells of
    the lesson are added at the ends of the unit's files. `autograder selftest UNIT` says what is left to do.
    """
    from autograder import scaffold

    _written(scaffold.new_exercise(name, unit), f"Next: autograder selftest {unit}")


def _written(paths, then):
    from autograder.nbgrader_config import ROOT

    for path in paths:
        console.print(f"written: {path.relative_to(ROOT)}", soft_wrap=True)
    console.print(then, soft_wrap=True)


def _isolation(wanted, submitted):
    """Where student code runs; says so. Raises GradingError where that cannot be and nobody has said otherwise."""
    from autograder.sandbox.survey import survey

    if wanted != "none":
        found = survey()
        if found.works:
            console.print(_plain(found.line()), soft_wrap=True)
            return "sandbox"
        if wanted or submitted.resolve() != EXAMPLES:
            raise GradingError(found.refusal())
        console.print(f"[bold yellow]{_plain(found.line())}[/]", soft_wrap=True)
        console.print("[bold yellow]The course's own examples are graded all the same, without protection.[/]")
    warning = "Student code runs under your account, without isolation: grade only what you would run yourself."
    console.print(f"[yellow]{warning}[/]", soft_wrap=True)
    return "none"


@main.command()
def doctor():
    """Try the sandbox, and say how to mend what it lacks.

    The sandbox, which student code is graded in, is started and examined from inside. Exits with 1 where there can be
    none or a wall is missing.
    """
    from autograder.sandbox.survey import survey

    found = survey()
    table = Table("", "what", "found", header_style="bold")
    for finding in found.findings:
        table.add_row("ok" if finding.fine else "[bold red]--[/]", finding.what, _plain(finding.found))
    console.print(table)
    for finding in found.findings:
        if not finding.fine:
            console.print(_plain(f"{finding.what}: {finding.fix}"), soft_wrap=True)
    if all(finding.fine for finding in found.findings):
        console.print("Nothing is missing: student code is graded in a sandbox here.")
    else:
        sys.exit(1)


def _cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _show(summary, units):
    """The table of students, then who was refused and why."""
    rows = [row for row in summary.rows if not units or row.unit in units]
    students = {}
    for row in rows:
        students.setdefault((row.student, row.unit), []).append(row)
    if len(students) <= MOST_ROWS:
        table = Table(header_style="bold")
        table.add_column("student")
        table.add_column("unit")
        table.add_column("points", justify="right")
        table.add_column("what was found")
        for (student, unit), marks in students.items():
            marks += summary.written.get((student, unit), ())
            points = f"{sum(r.score for r in marks):g} / {sum(r.max_score for r in marks):g}"
            table.add_row(_plain(student), unit, points, _plain(_found(marks)))
        console.print(table)
    for (student, unit), reason in sorted(summary.refused.items()):
        console.print(f"[bold]refused[/] {_plain(student)} {unit}: {_plain(reason)}", soft_wrap=True)
    for stray, why in summary.strays.items():
        console.print(f"[bold]left alone[/] {_plain(stray)}: {_plain(why)}", soft_wrap=True)
    for note in summary.notes:
        console.print(f"[bold]note[/] {_plain(note)}", soft_wrap=True)


def _found(marks):
    bugs = [f"{row.exercise}: {row.bug}" for row in marks if row.bug]
    flags = {}
    for row in marks:
        for flag in row.flags:
            flags.setdefault(flag, []).append(row.exercise)
    told = [
        f"{flag}: {', '.join(names)}" if len(names) < 4 else f"{flag}: {len(names)}" for flag, names in flags.items()
    ]
    return "; ".join(bugs + told)


if __name__ == "__main__":
    main()
