"""Marks from the gradebook as tables that a learning platform imports: after late penalties, marks by hand included.

Canvas finds the header by its first columns, the student by ``ID``, its own number of the user, or else by ``SIS User
ID``, ``SIS Login ID`` or the exact name, the assignment by its title, or by the number in brackets after it; a second
row has the points possible (``lib/gradebook_importer.rb`` of instructure/canvas-lms). Moodle asks which column names
the user and which columns are grade items (``grade/import/csv`` of moodle/moodle); feedback is left out, since
importing it clears grades. In both an empty cell leaves alone what is there.
"""

import csv
import io

from autograder.collect import listed, people
from autograder.errors import UsageError
from autograder.gradebook import Book
from autograder.run import check_units, gradebook_url


def export(output, form, units=(), columns=(), db=None, notify=lambda line: None):
    """The table as text.

    Args:
        output: folder that a class was graded into.
        form: a key of ``FORMATS``.
        units: names of the units to export; empty for all in the gradebook.
        columns: ``(unit, title)`` pairs, where a platform knows a unit under another title.
        db: URL of the gradebook; None for that of the folder, see ``run.gradebook_url``.
        notify: called with a line about students whom the platform will not find.

    Raises:
        errors.AutograderError
    """
    titles = dict(columns)
    if len(titles) < len(columns) or len(set(titles.values())) < len(titles):
        raise UsageError("--column: each unit once, and each title once")
    check_units([*units, *titles])
    with Book(db or gradebook_url(output)) as book:
        submissions = [s for s in book.submissions() if not units or s.unit in units]
    if not submissions:
        raise UsageError("the gradebook has no submission of " + (" or ".join(units) if units else "any unit"))
    collected = people(output)
    students = {s.student: s for s in submissions if s.student in collected}
    lost = sorted(who for who, s in students.items() if not _known(form, s, collected[who]))
    if lost:
        notify(f"{form.capitalize()} will not find {listed(lost)}: nbgrader db student import says who they are")
    text = io.StringIO()
    rows = FORMATS[form](submissions, titles, collected)
    csv.writer(text, lineterminator="\n").writerows([_inert(cell) for cell in row] for row in rows)
    return text.getvalue()


def _known(form, s, person):
    """Whether a platform will find a student whose folder was named by ``autograder collect``."""
    ways = {"canvas": (person.canvas_id, s.lms_user_id, s.last_name), "moodle": (s.lms_user_id, s.email)}
    return form not in ways or any(ways[form])


def _csv(submissions, titles, _):
    """A row per student and unit, with what the points are made of."""
    names = ["score", "max_score", "late_penalty", "seconds_late", "needs_manual_grade"]
    yield ["student", "first_name", "last_name", "email", "unit", *names]
    for s in submissions:
        marks = _points(s.total), _points(s.max_score), _points(s.penalty), round(s.seconds_late), int(s.waiting)
        yield [s.student, s.first_name, s.last_name, s.email, titles.get(s.unit, s.unit), *marks]


def _canvas(submissions, titles, collected):
    units = sorted({s.unit for s in submissions})
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(titles.get(unit, unit) for unit in units)]
    full = {s.unit: s.max_score for s in submissions}
    yield ["    Points Possible", "", "", "", "", *(_points(full[unit]) for unit in units)]
    for student, marks in _by_student(submissions):
        name = ", ".join(filter(None, [student.last_name, student.first_name])) or student.student
        canvas_id = collected[student.student].canvas_id if student.student in collected else ""
        yield [
            name,
            canvas_id,
            student.lms_user_id,
            _login(student, collected),
            "",
            *(marks.get(unit, "") for unit in units),
        ]


def _moodle(submissions, titles, collected):
    units = sorted({s.unit for s in submissions})
    user = ["Username", "First name", "Last name", "ID number", "Email address"]
    yield [*user, *(titles.get(unit, unit) for unit in units)]
    for student, marks in _by_student(submissions):
        user = [_login(student, collected), student.first_name, student.last_name, student.lms_user_id, student.email]
        yield [*user, *(marks.get(unit, "") for unit in units)]


def _login(student, collected):
    """The name of the student's folder, unless ``autograder collect`` has made it up."""
    return "" if student.student in collected else student.student


def _by_student(submissions):
    """``(one submission, {unit: points})`` of each student, in the order of their names."""
    found = {}
    for s in submissions:
        found.setdefault(s.student, (s, {}))[1][s.unit] = _points(s.total)
    return [found[student] for student in sorted(found)]


def _inert(cell):
    """A cell that no spreadsheet takes for a formula: students choose their names, and names of files."""
    return f"'{cell}" if str(cell).startswith(FORMULA) else cell


def _points(number):
    return f"{round(number, 2):g}"


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet computes; points are never negative."""
FORMATS = {"csv": _csv, "canvas": _canvas, "moodle": _moodle}
"""How ``--format`` names them."""
