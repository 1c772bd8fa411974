"""nbgrader's gradebook, through nbgrader's own classes: one writer, opened once for a run.

What is written is what ``nbgrader autograde`` would have written, so that formgrader, manual grading, late penalties,
``nbgrader generate_feedback`` and ``nbgrader export`` go on from there.
"""

import contextlib
import copy
import datetime
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy
from nbformat.v4 import new_notebook
from nbgrader.api import (
    Assignment,
    Base,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    SolutionCell,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.converters import GenerateAssignment
from nbgrader.dbutil import ALEMBIC_DIR
from nbgrader.preprocessors import AssignLatePenalties, InstantiateTests
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution, parse_utc
from sqlalchemy.engine import make_url
from traitlets import TraitError

from autograder.errors import GradebookError
from autograder.nbgrader_config import course_config

KINDS = "take sqlite:////folder/gradebook.db or postgresql://user@host/course"
SEED_FILE = "secret-seed.txt"
A_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Score:
    """What the gradebook holds for one graded cell.

    ``manual`` says whether a person has set the score, ``waiting`` whether one still has to look.
    """

    score: float
    max_score: float
    manual: bool = False
    waiting: bool = False


@dataclass(frozen=True)
class Marks:
    """What the gradebook says about one submission: scores and comments by the names of the cells, a late penalty."""

    scores: dict[str, Score]
    comments: dict[str, str] = field(default_factory=dict)
    penalty: float = 0.0


@dataclass(frozen=True)
class Submitted:
    """One student's submission of one unit, with what the gradebook knows of the student.

    ``score`` is before the late penalty, ``total`` after it and never negative; ``waiting`` says whether a person still
    has to look at something in it.
    """

    student: str
    unit: str
    score: float
    max_score: float
    penalty: float = 0.0
    seconds_late: float = 0.0
    waiting: bool = False
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""

    @property
    def total(self):
        return max(0.0, self.score - self.penalty)


class Book:
    """The gradebook at a URL, where ``create`` has made one; a context manager.

    Args:
        url: as nbgrader takes it, "sqlite:////path/gradebook.db".
        config: nbgrader's configuration.

    Raises:
        GradebookError: where there is none, or it cannot be opened or written.
    """

    def __init__(self, url, config=None):
        self.url = with_driver(url)
        self._config = config or course_config()
        self._late = None  # in a batch: what it has written so far
        with _errors(self.url):
            if not _exists(self.url):  # nbgrader would make one
                told = "`autograder grade` makes it, --db names another"
                raise GradebookError(f"there is no gradebook {make_safe(self.url)}: {told}")
            self._book = Gradebook(self.url, self._config.CourseDirectory.course_id)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._book.close()

    def add_unit(self, unit, source):
        """Make the gradebook know the graded cells of a unit's source notebook, or bring them up to date.

        Raises:
            GradebookError: where it holds marks for a version of the unit that had other cells.
        """
        nb, resources = copy.deepcopy(source), {"nbgrader": {"notebook": unit, "assignment": unit, "db_url": self.url}}
        with _errors(self.url):
            self._book.update_or_create_assignment(unit)
            for step in GenerateAssignment(config=self._config).preprocessors:
                if step is not InstantiateTests:  # starts a kernel, for a syntax that is not used here
                    nb, resources = step(config=self._config)(nb, resources)

    def students(self, unit):
        """Names of the students who have a submission of the unit."""
        query = self._book.db.query(SubmittedAssignment.student_id).join(Assignment).filter(Assignment.name == unit)
        return {student for (student,) in query}

    def write(self, student, unit, notebook, timestamp=None, full_name=None):
        """Record an autograded notebook as the student's submission of the unit.

        Args:
            student, unit: whose it is.
            notebook: its cells that carry nbgrader metadata suffice.
            timestamp: when it was handed in, or None.
            full_name: what the student is called, where the gradebook has no name yet, or None.

        Scores and comments that a person gave stay; nbgrader then asks for another look.
        """
        with _errors(self.url):
            known = self._book.update_or_create_student(student)
            if full_name and not (known.first_name or known.last_name):
                known.first_name, _, known.last_name = full_name.rpartition(" ")
            more = {"timestamp": timestamp} if timestamp else {}
            with self._book.db.no_autoflush:  # nbgrader's code links rows that are not in the session yet
                submission = self._book.update_or_create_submission(unit, student, **more)
            ours = self._book.find_submission_notebook(unit, unit, student)
            grades = {grade.name: grade for grade in ours.grades}
            comments = {comment.name: comment for comment in ours.comments}
            for cell in notebook.cells:
                name = cell.metadata.get("nbgrader", {}).get("grade_id")
                if is_grade(cell):
                    grades[name].auto_score, _ = determine_grade(cell)
                    checked = grades[name].auto_score is not None and grades[name].manual_score is None
                    grades[name].needs_manual_grade = not checked
                if is_solution(cell):
                    unchanged = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
                    comments[name].auto_comment = "No response." if unchanged else None
            ours.late_submission_penalty = None
            self._book.db.commit()
            if self._late is None:
                self._penalise(submission, student, unit)
            else:
                self._late.append((submission, student, unit))

    @contextlib.contextmanager
    def batch(self):
        """All that is written in the block goes into the database at once, or not at all; late penalties follow."""
        session = self._book.db
        # nbgrader's own functions commit on the way.
        session.commit, self._late = session.flush, []
        try:
            yield
        except BaseException:
            with _errors(self.url):
                session.rollback()
            raise
        finally:
            del session.commit
            late, self._late = self._late, None
        with _errors(self.url):
            session.commit()
            for submission, student, unit in late:
                self._penalise(submission, student, unit)

    def renew_penalties(self):
        """Compute late penalties again, from the scores as they are now, marks by hand included."""
        with _errors(self.url):
            for assignment in self._book.assignments:
                for submission in assignment.submissions:
                    self._penalise(submission, submission.student_id, assignment.name)
            self._book.db.expire_all()  # nbgrader has written through a connection of its own

    def _penalise(self, submission, student, unit):
        if submission.total_seconds_late > 0:
            nbgrader = {"notebook": unit, "assignment": unit, "student": student, "db_url": self.url}
            try:
                AssignLatePenalties(config=self._config)(new_notebook(), {"nbgrader": nbgrader})
            except TraitError as error:
                raise GradebookError(f"late penalties, as nbgrader_config.py has them: {_first_line(error)}") from error
            return
        for notebook in submission.notebooks:  # nbgrader leaves alone what is no longer late
            if notebook.late_submission_penalty:
                notebook.late_submission_penalty = None
                self._book.db.commit()

    def marks(self, students=None):
        """``{(student, unit): Marks}``; of everything in the gradebook, or of some students alone."""
        scores, comments, penalties = self.scores(students), self.comments(students), self.penalties(students)
        return {
            who: Marks(of_cells, comments.get(who, {}), penalties.get(who, 0.0)) for who, of_cells in scores.items()
        }

    def scores(self, students=None):
        """``{(student, unit): {name of the graded cell: Score}}``."""
        query = self._submitted(
            Grade,
            GradeCell,
            GradeCell.name,
            Grade.score,
            GradeCell.max_score,
            Grade.manual_score,
            Grade.needs_manual_grade,
            students=students,
        )
        found = {}
        for student, unit, name, score, max_score, manual, waiting in query:
            entry = Score(score, max_score, manual is not None, bool(waiting))
            found.setdefault((student, unit), {})[name] = entry
        return found

    def submissions(self):
        """A Submitted for every submission, in the order of students and units."""
        students = {student.id: student for student in self._book.students}
        found = []
        for assignment in self._book.assignments:
            for submission in assignment.submissions:
                student = students[submission.student_id]
                found.append(
                    Submitted(
                        student.id,
                        assignment.name,
                        submission.score,
                        submission.max_score,
                        submission.late_submission_penalty or 0.0,
                        submission.total_seconds_late,
                        bool(submission.needs_manual_grade),
                        *(student.first_name or "", student.last_name or "", student.email or ""),
                        student.lms_user_id or "",
                    )
                )
        return sorted(found, key=lambda s: (s.student, s.unit))

    def comments(self, students=None):
        """``{(student, unit): {name of the cell: comment}}``, without the empty ones."""
        found = {}
        for student, unit, name, comment in self._submitted(
            Comment, SolutionCell, SolutionCell.name, Comment.comment, students=students
        ):
            if comment:
                found.setdefault((student, unit), {})[name] = comment
        return found

    def penalties(self, students=None):
        """``{(student, unit): points taken off for being late}``, without zeros."""
        query = (
            self._book.db.query(
                SubmittedAssignment.student_id, Assignment.name, SubmittedNotebook.late_submission_penalty
            )
            .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        )
        return {(student, unit): penalty for student, unit, penalty in _only(query, students) if penalty}

    def _submitted(self, table, cell, *columns, students=None):
        """Rows ``(student, unit, *columns)`` of a table that holds something for each cell of each submission."""
        query = (
            self._book.db.query(SubmittedAssignment.student_id, Assignment.name, *columns)
            .select_from(table)
            .join(cell, cell.id == table.cell_id)
            .join(SubmittedNotebook, SubmittedNotebook.id == table.notebook_id)
            .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        )
        return _only(query, students)


def _only(query, students):
    """A query of submissions, of some students where they are named."""
    return query if students is None else query.filter(SubmittedAssignment.student_id.in_(students))


@contextlib.contextmanager
def _errors(url):
    try:
        yield
    except ModuleNotFoundError as error:
        ours = "pip install 'cnn-course[cluster]'" if error.name == "psycopg2" else KINDS
        raise GradebookError(f"the gradebook {make_safe(url)} needs {error.name}: {ours}") from error
    except sqlalchemy.exc.ArgumentError as error:
        raise GradebookError(f"the gradebook {make_safe(url)} cannot be used: {_first_line(error)}; {KINDS}") from error
    except (sqlalchemy.exc.SQLAlchemyError, ValueError, OSError) as error:
        raise GradebookError(f"the gradebook {make_safe(url)} cannot be used: {_first_line(error)}") from error
    except RuntimeError as error:  # nbgrader's, about cells that were added or removed
        raise GradebookError(f"{_first_line(error)}; grade into another folder") from error


def create(url):
    """Make a gradebook at a URL, where there is none.

    Raises:
        GradebookError: where it cannot be made.
    """
    url = with_driver(url)
    with _errors(url), _connection(url) as connection:
        if not sqlalchemy.inspect(connection).get_table_names():
            # nbgrader would start a program, to be told the version of its tables' layout.
            from alembic.migration import MigrationContext
            from alembic.script import ScriptDirectory

            Base.metadata.create_all(connection)
            MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")


def _exists(url):
    """Whether there are tables at a URL; looking makes no file."""
    where = make_url(url)
    if where.get_backend_name() == "sqlite" and not os.path.exists(where.database or ""):
        return False
    with _connection(url) as connection:
        return bool(sqlalchemy.inspect(connection).get_table_names())


@contextlib.contextmanager
def _connection(url):
    """A connection, for one transaction."""
    engine = sqlalchemy.create_engine(url)
    if engine.dialect.name == "sqlite":  # Python's module would end the transaction before each new table
        sqlalchemy.event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
        sqlalchemy.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def make_safe(url):
    """A database's URL as it may be shown, without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return "at that URL"


def to_keep(url):
    """A database's URL as it may be kept in a file, the same in every folder.

    It has no password: PostgreSQL's library then asks PGPASSWORD, or ~/.pgpass.
    """
    with _errors(url):
        where = make_url(with_driver(url))._replace(password=None)
        if where.get_backend_name() == "sqlite" and where.database:
            where = where.set(database=os.path.abspath(where.database))
        return where.render_as_string(hide_password=False)


def with_driver(url):
    """A database's URL that names what we install for PostgreSQL, whatever SQLAlchemy would take by itself."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if separator and scheme in ("postgres", "postgresql") else url


def sqlite_url(folder):
    return f"sqlite:///{Path(folder).resolve() / 'gradebook.db'}"


def secret_seed(folder):
    """The seed that a course's hidden cases come from: drawn once, kept beside its gradebook.

    Raises:
        GradebookError: where the file cannot be written or does not hold a number.
    """
    path = Path(folder) / SEED_FILE
    try:
        if not path.exists():
            handle, drawn = tempfile.mkstemp(dir=folder)  # readable by its owner alone
            with open(handle, "w", encoding="ascii") as file:
                file.write(f"{1 + secrets.randbits(62)}\n")
            # Whole or not at all, and never over another one.
            with contextlib.suppress(FileExistsError):
                os.link(drawn, path)
            os.unlink(drawn)
        return int(path.read_text(encoding="ascii"))
    except OSError as error:
        raise GradebookError(f"{path} cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise GradebookError(f"{path} should hold one number") from error


def read_timestamp(folder):
    """When a submission was handed in, from the timestamp.txt that nbgrader and ``autograder collect`` put beside it.

    What it says counts only where the file is as old as that: a student can write anything into a file, and what is
    older than the file that says so, or cannot be read, was not written when the submission was collected. Then the
    time of the file itself counts.

    Returns:
        ``(time, doubted)``: a datetime in UTC without a time zone, or None where there is no such file; and whether the
        file says another time, more than a day off.
    """
    path = Path(folder) / "timestamp.txt"
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None, False
            text = file.read(100).decode(errors="replace").strip()
    except OSError:
        return None, False
    collected = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC).replace(tzinfo=None, microsecond=0)
    try:
        said = parse_utc(text)
        doubted = abs(said - collected) > A_DAY
    except (ValueError, OverflowError, TypeError):
        return collected, False
    return (collected if doubted else said), doubted


def _first_line(error):
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
