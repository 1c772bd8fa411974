"""Grade a class: read the submissions, have them scored by a pool of workers, collect, write.

Workers get and return plain data and hold no credentials. The coordinator alone writes: first the journal, then the
autograded notebooks and the gradebook, then the pages. A run that was killed goes on from the journal.
"""

import contextlib
import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from traitlets.config import Config, PyFileConfigLoader

from autograder import build, feedback, flags, gradebook, ingest, pool, report, worker
from autograder.collect import keep_people, listed, people
from autograder.errors import GradingError, UsageError
from autograder.files import write_atomically
from autograder.gradebook import Book
from autograder.ingest import Refusal, Submission
from autograder.journal import Busy, Journal, grader_digest, key
from autograder.nbgrader_config import ROOT
from autograder.sandbox import Limits
from autograder.score import Graded

JOURNAL = "journal.jsonl"
CONFIG = "nbgrader_config.py"
EXCHANGED = ("timestamp.txt", "submission_secret.txt")
"""What nbgrader's exchange puts beside a submission and asks for beside its feedback page."""
BATCH_SECONDS = 2.0
"""How long results may wait before they go into the gradebook together."""


def check_units(units, root=ROOT):
    """Raise UsageError for a name that is no unit's; it names the nearest."""
    known = build.units(root)
    for unit in units:
        if unit not in known:
            raise UsageError(build.no_unit(unit, known))


@dataclass(frozen=True)
class Lesson:
    """A unit: the author's notebook, the text of its skeleton, what its answers may use."""

    source: nbformat.NotebookNode
    skeleton: str
    allowed: dict


@dataclass(frozen=True)
class Job:
    """A submission that has to be scored: the key of its result, and what a worker needs."""

    submission: Submission
    key: str
    packed: bytes


@dataclass
class Row:
    """One exercise of one student, as grades.csv has it."""

    student: str
    unit: str
    exercise: str
    score: float
    max_score: float
    bug: str = ""
    flags: tuple[str, ...] = ()
    hint: str = ""


@dataclass
class Summary:
    """What a run leaves: every row in the gradebook, who was refused and why, what was new in this run.

    ``written`` are the answers in words, by student and unit, which have no row; ``strays`` are folders and files that
    nothing came of, and why; ``notes`` are lines for the instructor.
    """

    rows: list[Row] = field(default_factory=list)
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    strays: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    graded: int = 0
    unchanged: int = 0
    written: dict[tuple[str, str], list[report.Written]] = field(default_factory=dict)


@dataclass
class Run:
    """One call of the grader.

    Attributes:
        units: names of the units to grade; empty for every one.
        submitted: folder with ``<student>/<unit>/<unit>.ipynb``.
        output: folder for the results; an nbgrader course directory afterwards.
        jobs: number of workers.
        seed: what the cases are drawn from; None for the secret one of the output folder.
        isolation: a key of ``sandbox.ISOLATION``.
        limits: what a submission may take.
        scheduler: address of a Dask scheduler whose workers do the scoring; None for workers of this machine.
        db: URL of the gradebook; None for that of the output folder, see ``gradebook_url``.
        regrade: grade again what has not changed, too.
        feedback: write feedback pages.
        notify: called with (done, total, name of the submission) as the run goes on.
        root: the repository.
    """

    units: tuple[str, ...]
    submitted: Path
    output: Path
    jobs: int = 1
    seed: int | None = None
    isolation: str = "sandbox"
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    scheduler: str | None = None
    db: str | None = None
    regrade: bool = False
    feedback: bool = True
    notify: Callable = lambda done, total, name: None
    root: Path = ROOT

    def __call__(self):
        """Grade.

        Returns:
            A Summary.

        Raises:
            errors.AutograderError
        """
        self._check_arguments()
        units = self.units or tuple(build.units(self.root))
        submissions, strays = ingest.find(self.submitted, units, build.units(self.root))
        if not submissions:
            wanted = " or ".join(self.units) or "any unit"
            there = "".join(f"; {name}: {why}" for name, why in list(strays.items())[:3])
            raise UsageError(f"{self.submitted} holds no <student>/<unit>/<unit>.ipynb of {wanted}{there}")
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            journal = Journal(self.output / JOURNAL)
        except Busy as error:
            raise UsageError(f"another run is grading into {self.output}") from error
        except OSError as error:
            raise UsageError(f"{self.output} cannot be written: {error.strerror}") from error
        with journal:
            summary = Summary(strays=strays)
            self._make_gradebook(summary)
            return self._grade(units, submissions, summary, journal)

    def _check_arguments(self):
        if not self.submitted.is_dir():
            there = self.submitted.exists()
            raise UsageError(f"{self.submitted} is no folder" if there else f"there is no folder {self.submitted}")
        if self.output.resolve().is_relative_to(self.submitted.resolve()):
            raise UsageError(f"{self.output} lies in {self.submitted}, as students do; choose a folder outside of it")
        check_units(self.units, self.root)

    def _make_gradebook(self, summary):
        """Make the output folder an nbgrader course directory; sets the gradebook's URL and its configuration."""
        self._url = self.db or gradebook_url(self.output)
        gradebook.create(self._url)
        path = self.output / CONFIG
        if not path.exists():
            write_atomically(path, _nbgrader_config(self.submitted, self.db))
        self._config = read_config(self.output)
        named = gradebook_url(self.output)
        if gradebook.to_keep(named) != gradebook.to_keep(self._url):
            others = f"{path} names {gradebook.make_safe(named)}, which formgrader, report and export take"
            summary.notes.append(f"these marks are in {gradebook.make_safe(self._url)}, but {others}")

    def _grade(self, units, submissions, summary, journal):
        seed = gradebook.secret_seed(self.output) if self.seed is None else self.seed
        settings = worker.Settings(seed, self.isolation, self.limits)
        lessons = self._read_units(dict.fromkeys(s.unit for s in submissions))
        first = worker.pack(None, next(iter(lessons.values())).skeleton, {}, settings)
        with Book(self._url, self._config) as book, self._workers(first) as workers:
            for unit, lesson in lessons.items():
                book.add_unit(unit, lesson.source)
            collected = people(self.submitted)
            keep_people(self.output, collected)  # for the export
            names = {who: person.name for who, person in collected.items()}
            writer = _Writer(self.output, book, journal, names, self.feedback)
            source = _Jobs(submissions, lessons, settings, journal, self.regrade, writer)
            try:
                self._score(workers, source, writer, len(submissions), summary)
            finally:
                writer.flush()
            workers.dismiss()
            summary.unchanged = source.unchanged
            summary.notes += _doubt(submissions)
            journal.keep_to({(s.student, s.unit) for s in submissions}, units, summary.strays)
            summary.refused = {who: why for who, why in journal.refused.items() if who[1] in units}
            publish(self.output, book, journal, summary, self.feedback, whole=False)
        return summary

    def _workers(self, first):
        if self.scheduler:
            from autograder.cluster import Cluster  # Dask is loaded where it is asked for

            return Cluster(self.scheduler)
        pool.start_server()  # where the command line has not
        return pool.LocalPool(self.jobs, first)

    def _read_units(self, names):
        """``{name: Lesson}``."""
        lessons = {}
        for name, source in build.sources(self.root, names).items():
            skeleton = build.student_notebook(source)
            checked = filter(None, map(ingest.check_name, skeleton.cells))
            lessons[name] = Lesson(source, nbformat.writes(skeleton), flags.used_by(source, list(checked)))
        return lessons

    def _score(self, workers, source, writer, total, summary):
        """Keep the workers busy, and hand what comes back to the writer."""
        todo, running, exhausted = iter(source), 0, False
        while running or not exhausted:
            # No more than the workers can take, so that a thousand notebooks do not wait in memory.
            while not exhausted and workers.wanted > 0:
                job = next(todo, None)
                exhausted = job is None
                if job:
                    workers.submit(job, job.packed)
                    running += 1
                self.notify(source.seen - running, total, "")
            for job, reply in workers.wait(BATCH_SECONDS):
                running -= 1
                self._collect(job, reply, writer, summary)
                self.notify(source.seen - running, total, job.submission.student)
            writer.flush_if_due()

    def _collect(self, job, reply, writer, summary):
        if reply is None:
            writer.refuse(job.key, job.submission, f"its worker was lost {pool.MAX_DEATHS} times")
            return
        reply = worker.unpack(reply)
        if reply.unable:
            raise GradingError(reply.unable)
        if reply.refused:
            writer.refuse(job.key, job.submission, reply.refused)
            return
        writer.add(job, reply.graded, reply.shapes)
        summary.graded += 1


def publish(output, book, journal, summary, pages=True, whole=True):
    """Write what people read, from all that was graded into a folder: grades.csv, feedback pages, the report.

    Args:
        output: the folder.
        book, journal: its gradebook and journal, open.
        summary: gets the rows and the answers in words.
        pages: whether to write feedback pages.
        whole: whether it is an error that another version of the autograder wrote some of the results; else they are
            left out, with a note.

    Raises:
        errors.UsageError
    """
    marks = book.marks()
    details = report.Details({who: of_one.penalty for who, of_one in marks.items()})
    links, shapes, left_out = {}, {}, []
    for who, kept in journal.latest():
        if who not in marks:  # somebody took it out of the gradebook
            continue
        graded = _graded(kept.result)
        if graded is None or kept.shapes is None:
            left_out.append(who)
            continue
        scores = marks[who].scores
        summary.rows += _rows(who, graded, scores)
        details.add(who, graded, scores)
        summary.written[who] = details.written[who]
        for exercise, shape in kept.shapes.items():
            shapes.setdefault((who[1], exercise), {})[who[0]] = shape
        if pages:
            path, failure = _write_page(output, who, graded, marks[who], kept.digest)
            if path:
                links[who] = path
            else:
                told = f"{' '.join(who)} has no feedback page, it could not be written: {failure}"
                summary.notes.append(told)
    if left_out and whole:
        raise UsageError(_of_another_version(left_out))
    if left_out:
        summary.notes.append(f"left out of grades.csv and the report: {_of_another_version(left_out)}")
    _flag_similar(summary.rows, shapes)
    write_atomically(output / "grades.csv", _csv(summary.rows))
    write_atomically(output / "report" / "index.html", report.render(summary, links, output / "report", details))


def _write_page(output, who, graded, marks, digest):
    """``(path of a feedback page, "")``, or ``(None, why there is none)``."""
    try:
        path = feedback.write(output, *who, graded, marks, digest)
    except OSError:
        raise
    except Exception as error:  # what one student wrote must not cost the class its pages
        return None, f"{type(error).__name__}: {error}"
    _copy_exchanged(output.joinpath("autograded", *who), path.parent)
    return path, ""


def _graded(result):
    """What the journal has of a result, or None where another version wrote it with other fields."""
    with contextlib.suppress(KeyError, TypeError, AttributeError, ValueError):
        return Graded.from_dict(result)


def _of_another_version(whose):
    """What to do about results that another version wrote."""
    units = " ".join(sorted({unit for _, unit in whose}))
    who = listed([" ".join(one) for one in whose])
    return f"graded by another version of the autograder: {who}; grade again, autograder grade {units} --regrade"


def report_again(output, db=None):
    """Write grades.csv, feedback and report again, with the marks and comments that people gave in the meantime.

    Args:
        output: folder that a class was graded into.
        db: URL of its gradebook; None for that of the folder, see ``gradebook_url``.

    Returns:
        A Summary.

    Raises:
        errors.AutograderError
    """
    if not (output / JOURNAL).is_file():
        raise UsageError(f"nothing was graded into {output}")
    try:
        with Journal(output / JOURNAL) as journal, Book(db or gradebook_url(output), read_config(output)) as book:
            book.renew_penalties()
            summary = Summary(refused=dict(journal.refused), strays=journal.strays)
            publish(output, book, journal, summary)
            return summary
    except Busy as error:
        raise UsageError(f"a run is grading into {output}") from error


class _Jobs:
    """The submissions that have to be scored, read one at a time; refuses and skips the others on the way."""

    def __init__(self, submissions, lessons, settings, journal, regrade, writer):
        self._submissions = submissions
        self._lessons = lessons
        self._settings = settings
        self._grader = grader_digest()
        self._journal = journal
        self._regrade = regrade
        self._writer = writer
        self.seen = 0
        self.unchanged = 0

    def __iter__(self):
        for submission in self._submissions:
            self.seen += 1
            try:
                job = self._read(submission)
            except Refusal as refusal:
                self._writer.refuse(None, submission, str(refusal))
                continue
            if job:
                yield job

    def _read(self, submission):
        """The Job, or None where its result is known already."""
        unit = submission.unit
        data = ingest.load(submission.path)
        lesson = self._lessons[unit]
        name = key(submission.student, unit, data, lesson.skeleton, self._settings, self._grader)
        if self._journal.has_refused(name, submission.student, unit) and not self._regrade:
            return None
        if name in self._journal and not self._regrade:
            self._journal.current(name, submission.student, unit)
            self.unchanged += 1
            if not self._writer.has(submission, name):
                self._writer.again(submission, name)
            return None
        return Job(submission, name, worker.pack(data, lesson.skeleton, lesson.allowed, self._settings))


class _Writer:
    """The one writer: journal first, then notebooks and gradebook, then pages, some submissions at a time."""

    def __init__(self, output, book, journal, names, pages):
        self._output = output
        self._book = book
        self._journal = journal
        self._names = names
        self._pages = pages
        self._known = {}
        self._waiting = {}
        self._since = time.monotonic()

    def add(self, job, result, shapes):
        self._journal.add(job.key, job.submission.student, job.submission.unit, result, shapes)
        self.again(job.submission, job.key)

    def again(self, submission, name):
        """Write a result that the journal has."""
        self._waiting[name] = submission

    def refuse(self, name, submission, reason):
        self._journal.refuse(name, submission.student, submission.unit, reason)

    def has(self, submission, name):
        """Whether a result is in the gradebook and its notebook on disk."""
        unit = submission.unit
        if unit not in self._known:
            self._known[unit] = self._book.students(unit)
        in_book = self._journal.written.get((submission.student, unit)) == name
        in_book = in_book and submission.student in self._known[unit]
        return in_book and self._path(submission).is_file()

    def flush_if_due(self):
        if time.monotonic() - self._since > BATCH_SECONDS:
            self.flush()

    def flush(self):
        if self._waiting:
            with self._book.batch():
                for name, submission in self._waiting.items():
                    notebook = self._journal[name].result["notebook"]
                    # nbformat's own writer takes ten times as long, for lines in lists.
                    write_atomically(self._path(submission), json.dumps(notebook, ensure_ascii=False) + "\n")
                    _copy_exchanged(submission.path.parent, self._path(submission).parent)
                    self._write(submission, notebook)
            self._journal.mark_written(self._waiting)
            if self._pages:
                self._write_pages()
            self._waiting.clear()
        self._since = time.monotonic()

    def _write(self, submission, notebook):
        graded = [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
        timestamp, _ = gradebook.read_timestamp(submission.path.parent)
        name = self._names.get(submission.student)
        cells = nbformat.from_dict({**notebook, "cells": graded})
        self._book.write(submission.student, submission.unit, cells, timestamp, name)

    def _write_pages(self):
        """Write what ``publish`` would, while there are other submissions to wait for; it says which cannot be."""
        marks = self._book.marks([submission.student for submission in self._waiting.values()])
        for name, submission in self._waiting.items():
            who, kept = (submission.student, submission.unit), self._journal[name]
            graded = _graded(kept.result)
            if graded:
                _write_page(self._output, who, graded, marks[who], kept.digest)

    def _path(self, submission):
        unit = submission.unit
        return self._output / "autograded" / submission.student / unit / f"{unit}.ipynb"


def _doubt(submissions):
    """Lines about time stamps that do not count: one, or none."""
    whose = [f"{s.student} {s.unit}" for s in submissions if gradebook.read_timestamp(s.path.parent)[1]]
    if not whose:
        return []
    stamps = "1 time stamp is" if len(whose) == 1 else f"{len(whose)} time stamps are"
    told = f"{stamps} more than a day off the dates of their files, which count: {listed(whose)}. Where the folder was "
    return [told + "copied without its dates, copy it again with cp -a, and grade with --regrade"]


def _rows(who, graded, scores):
    for name, verdict in graded.verdicts.items():
        if name in scores:
            told = (*graded.flags.get(name, ()), *(["manual"] if scores[name].manual else []))
            score, max_score = scores[name].score, scores[name].max_score
            yield Row(*who, name, score, max_score, verdict.bug or "", told, verdict.hint)


def _flag_similar(rows, shapes):
    alike = {exercise: flags.similar(written) for exercise, written in shapes.items()}
    for row in rows:
        others = alike.get((row.unit, row.exercise), {}).get(row.student)
        if others:
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            row.flags += (f"similar: {', '.join(others[:3])}{more}",)


def _csv(rows):
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["student", "unit", "exercise", "score", "max_score", "bug", "flags"])
    for row in rows:
        marks = f"{row.score:g}", f"{row.max_score:g}"
        out.writerow([row.student, row.unit, row.exercise, *marks, row.bug, ";".join(row.flags)])
    return text.getvalue()


def _copy_exchanged(here, there):
    for name in EXCHANGED:
        with contextlib.suppress(Refusal, UnicodeDecodeError):
            write_atomically(there / name, ingest.load(here / name).decode())


def read_config(output):
    """What the nbgrader_config.py of a folder of results says; nothing where there is none.

    Raises:
        errors.UsageError
    """
    path = output / CONFIG
    try:
        return PyFileConfigLoader(path.name, path=str(output)).load_config() if path.exists() else Config()
    except Exception as error:  # the file is the instructor's own Python
        raise UsageError(f"{path} cannot be used: {type(error).__name__}: {error}") from error


def gradebook_url(output):
    """URL of the gradebook of a folder of results: what its nbgrader_config.py names, or else its gradebook.db."""
    return read_config(output).CourseDirectory.get("db_url") or gradebook.sqlite_url(output)


def _nbgrader_config(submitted, db):
    """The text of the file; ``db`` is the gradebook's URL, or None for the one in the folder, wherever that moves."""
    url = repr(gradebook.to_keep(db)) if db else "f\"sqlite:///{here / 'gradebook.db'}\""
    return f'''"""Read by nbgrader, by JupyterLab for formgrader when started in this folder, and by our own commands.

Written once, then yours to change.
"""

from pathlib import Path

from autograder.nbgrader_config import ROOT, course_config

c = get_config()  # noqa: F821 - given by nbgrader
c.merge(course_config())

here = Path(__file__).resolve().parent
c.CourseDirectory.root = str(here)
c.CourseDirectory.db_url = {url}
c.CourseDirectory.source_directory = str(ROOT / "build" / "source")
c.CourseDirectory.release_directory = str(ROOT / "build" / "release")
c.CourseDirectory.submitted_directory = {str(submitted.resolve())!r}
c.CourseDirectory.autograded_directory = "autograded"
c.CourseDirectory.feedback_directory = "feedback"
c.CourseDirectory.solution_directory = "solution"
c.ExportPlugin.to = "nbgrader-export.csv"  # grades.csv is `autograder grade`'s own
'''
