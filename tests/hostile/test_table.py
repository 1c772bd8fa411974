"""The table of hostile submissions, graded in one run: for each row, every invariant."""

import re
import tempfile
from pathlib import Path

import pytest
import rows_beyond
import rows_of_code
import rows_of_files
from hostile_course import NEIGHBOURS, UNIT, Course

pytestmark = pytest.mark.xdist_group("hostile")

ROWS = rows_of_code.ROWS + rows_of_files.ROWS + rows_beyond.ROWS
GRADED = [row for row in ROWS if row.score is not None]
REFUSED = [row for row in ROWS if row.score is None]
each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.student)
each_graded = pytest.mark.parametrize("row", GRADED, ids=lambda row: row.student)

SECONDS = 60
"""What a submission may take that hangs in a cell and in a check, on a machine that has other work too."""
MEMORY = 3 << 29
"""Bytes for the largest process: what a student may have, and the libraries that are loaded."""


@pytest.fixture(scope="module")
def course():
    # Names short enough for the sockets in there.
    with tempfile.TemporaryDirectory(dir="/tmp") as base, tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        Path(base).chmod(0o755)
        course = Course(Path(base), Path(scratch))
        course.submit(ROWS)
        course.before = course.digest()
        course.grade()
        yield course


@each_graded
def test_the_score_is_right(course, row):
    assert sum(course.rows()[row.student].values()) == row.score
    assert course.rows()[row.student]["double"] == 3


@each
def test_no_canary_is_in_what_the_student_receives(course, row):
    for path in course.received(row.student):
        assert course.canary not in path.read_text(encoding="utf-8", errors="replace"), path


@each
def test_what_this_row_alone_must_show(course, row):
    if row.found:
        row.found(course, row)
    if row.score is None:
        assert re.search(rf"refused {row.student} {UNIT}: .*{row.refused}", course.printed)


@each_graded
def test_it_ends_within_its_limits(course, row):
    assert course.journal()[row.student]["seconds"] < SECONDS


@pytest.mark.parametrize("student", NEIGHBOURS)
def test_the_neighbours_have_what_they_earned(course, student):
    assert course.rows()[student] == {"double": 3, "running_sum": 5}


def test_the_gradebook_says_the_same(course):
    assert course.gradebook() == course.rows()


def test_no_other_student_is_in_it(course):
    assert set(course.rows()) == {*NEIGHBOURS, *(row.student for row in GRADED)}


def test_no_process_is_left(course):
    assert course.left == ()


def test_nothing_of_the_instructors_has_changed(course):
    assert course.digest() == course.before
    assert [path.name for path in course.scratch.iterdir()] == ["notes.txt"]


def test_no_process_grew_beyond_its_memory(course):
    assert course.peak < MEMORY


def test_the_run_ends_with_a_full_report_and_says_so(course):
    assert course.code == (1 if REFUSED else 0), course.printed
    assert "Traceback" not in course.printed
    counted = f"{len(GRADED) + len(NEIGHBOURS)} graded, 0 unchanged, {len(REFUSED)} refused."
    assert counted in course.printed
    page = (course.results / "report" / "index.html").read_text(encoding="utf-8")
    for student in [*NEIGHBOURS, *(row.student for row in ROWS)]:
        assert student in page
