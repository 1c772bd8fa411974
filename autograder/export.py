"""Marks from the gradebook as tables that a learning platform imports: after late penalties, marks by hand included.

Canvas finds the header by its first columns, the student by ``SIS User ID`` or ``SIS Login ID``, the assignment by its
title, or by the number in brackets after it; a second row has the points possible (``lib/gradebook_importer.rb`` of
instructure/canvas-lms). Moodle asks which column names the user and which columns are grade items (``grade/import/csv``
of moodle/moodle); feedback is left out, since importing it clears grades. In both an
empty cell leaves alone what is there.
"""

import csv
import io

from autograder.errors import UsageError
from autograder.gradebook import Book
from autograder.run import check_units, gradebook_url


def export(output, form, units=(), columns=(), db=None):
    """The table as text.

    Args:
        output: folder that a class was graded into.
        form: a key of ``FORMATS``.
        units: names of the units to export; empty for all in the gradebook.
        columns: ``(unit, title)`` pairs, where a platform knows a unit under another title.
        db: URL of the gradebook; None for that of the folder, see ``run.gradebook_url``.

    Raises:
        errors.AutograderError
    """
    titles = dict(columns)
    check_units([*units, *titles])
    with Book(db or gradebook_url(output)) as book:
        submissions = [s for s in book.submissions() if not units or s.unit in units]
    if not submissions:
        raise UsageError("the gradebook has no submission of " + (" or ".join(units) if units else "any unit"))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(FORMATS[form](submissions, titles))
    return text.getvalue()


def _csv(submissions, titles):
    """A row per student and unit, with what the points are made of."""
    names = ["score", "max_score", "late_penalty", "seconds_late", "needs_manual_grade"]
    yield ["student", "first_name", "last_name", "email", "unit", *names]
    for s in submissions:
        marks = _points(s.total), _points(s.max_score), _points(s.penalty), round(s.seconds_late), int(s.waiting)
        yield [s.student, s.first_name, s.last_name, s.email, titles.get(s.unit, s.unit), *marks]


def _canvas(submissions, titles):
    units = sorted({s.unit for s in submissions})
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(titles.get(unit, unit) for unit in units)]
    full = {s.unit: s.max_score for s in submissions}
    yield ["    Points Possible", "", "", "", "", *(_points(full[unit]) for unit in units)]
    for student, marks in _by_student(submissions):
        name = ", ".join(filter(None, [student.last_name, student.first_name])) or student.student
        yield [name, "", student.lms_user_id, student.student, "", *(marks.get(unit, "") for unit in units)]


def _moodle(submissions, titles):
    units = sorted({s.unit for s in submissions})
    user = ["Username", "First name", "Last name", "ID number", "Email address"]
    yield [*user, *(titles.get(unit, unit) for unit in units)]
    for student, marks in _by_student(submissions):
        user = [student.student, student.first_name, student.last_name, student.lms_user_id, student.email]
        yield [*user, *(marks.get(unit, "") for unit in units)]


def _by_student(submissions):
    """``(one submission, {unit: points})`` of each student, in the order of their names."""
    found = {}
    for s in submissions:
        found.setdefault(s.student, (s, {}))[1][s.unit] = _points(s.total)
    return [found[student] for student in sorted(found)]


def _points(number):
    return f"{round(number, 2):g}"


FORMATS = {"csv": _csv, "canvas": _canvas, "moodle": _moodle}
"""How ``--format`` names them."""
