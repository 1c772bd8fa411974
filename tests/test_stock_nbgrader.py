"""nbgrader's own commands, with its own executor, on what the build makes: one small course, start to end.

The fixtures follow the order of the pipeline, each one command further than the one before.
"""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from small_course import UNIT, write_unit

from autograder import build
from autograder.nbgrader_config import course_config
from cnnkit import exercises

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """\
from autograder.nbgrader_config import course_config

c = get_config()
c.merge(course_config({root!r}, stock=True))
"""
POINTS = exercises.get("practice").max_score
WRITTEN_POINTS = 3


def nbgrader(root, *arguments):
    """Run an nbgrader command in a course; returns all that it printed."""
    result = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def make_course(root):
    (root / "grading").mkdir(parents=True)
    (root / "nbgrader_config.py").write_text(CONFIG.format(root=str(root)))


def submit(root, student, notebook, unit=UNIT):
    folder = root / "grading" / "submitted" / student / unit
    folder.mkdir(parents=True)
    shutil.copy(notebook, folder / f"{unit}.ipynb")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    write_unit(root)
    make_course(root)
    build.build(root)
    nbgrader(root, "generate_assignment", UNIT)
    return root


@pytest.fixture(scope="module")
def graded(course):
    solved = course / "build" / "source" / UNIT / f"{UNIT}.ipynb"
    submit(course, "solved", solved)
    submit(course, "blank", course / "notebooks" / UNIT / f"{UNIT}.ipynb")
    nbgrader(course, "autograde", UNIT)
    return course


def scores(root, student):
    """The automatic score of the practice check, what needs a person, and the total possible."""
    with Gradebook(course_config(root).CourseDirectory.db_url, "cnn-course") as gradebook:
        notebook = gradebook.find_submission_notebook(UNIT, UNIT, student)
        by_name = {grade.name: grade for grade in notebook.grades}
        return by_name["practice"].auto_score, by_name["why_double"].needs_manual_grade, notebook.max_score


def test_the_student_notebook_is_what_generate_assignment_makes(course):
    ours = course / "notebooks" / UNIT / f"{UNIT}.ipynb"
    theirs = course / "build" / "release" / UNIT / f"{UNIT}.ipynb"
    assert ours.read_bytes() == theirs.read_bytes()
    assert [p.name for p in theirs.parent.iterdir()] == [theirs.name]


@pytest.mark.parametrize("unit", build.units(ROOT))
def test_so_it_is_for_every_unit_of_the_course(tmp_path, unit):
    write_unit(tmp_path, (ROOT / "solutions" / unit / f"{unit}.py").read_text(encoding="utf-8"), unit)
    make_course(tmp_path)
    build.build(tmp_path)
    nbgrader(tmp_path, "generate_assignment", unit)
    theirs = tmp_path / "build" / "release" / unit / f"{unit}.ipynb"
    assert (tmp_path / "notebooks" / unit / f"{unit}.ipynb").read_bytes() == theirs.read_bytes()


def test_validate_fails_on_the_stub(course):
    printed = nbgrader(course, "validate", f"notebooks/{UNIT}/{UNIT}.ipynb")
    # Two: the check, and the written answer that is still as it was handed out.
    assert "VALIDATION FAILED ON 2 CELL(S)" in printed
    assert "practice is not written yet" in printed


def test_validate_succeeds_on_the_solution(course):
    printed = nbgrader(course, "validate", f"build/source/{UNIT}/{UNIT}.ipynb")
    assert "Success! Your notebook passes all the tests." in printed


def test_autograde_gives_the_solution_full_marks(graded):
    assert scores(graded, "solved") == (POINTS, True, POINTS + WRITTEN_POINTS)


def test_autograde_gives_the_stub_nothing(graded):
    assert scores(graded, "blank") == (0, False, POINTS + WRITTEN_POINTS)


def test_a_changed_check_does_not_count(graded):
    stub = graded / "notebooks" / UNIT / f"{UNIT}.ipynb"
    nb = nbformat.read(stub, as_version=4)
    (check,) = (cell for cell in nb.cells if cell.source.startswith("check("))
    check.source = "pass"
    changed = graded / "changed.ipynb"
    nbformat.write(nb, changed)
    submit(graded, "changed", changed)
    nbgrader(graded, "autograde", UNIT, "--student", "changed")
    assert scores(graded, "changed") == (0, False, POINTS + WRITTEN_POINTS)


def test_feedback_shows_the_verdict(graded):
    nbgrader(graded, "generate_feedback", UNIT)
    pages = {
        student: (graded / "grading" / "feedback" / student / UNIT / f"{UNIT}.html").read_text(encoding="utf-8")
        for student in ("solved", "blank")
    }
    assert all("cnnkit-verdict" in page for page in pages.values())
    assert "practice is not written yet" in pages["blank"]
    assert "practice is not written yet" not in pages["solved"]


def test_export_writes_the_scores(graded):
    nbgrader(graded, "export", "--to", "grades.csv")
    with open(graded / "grades.csv", newline="", encoding="utf-8") as lines:
        rows = {row["student_id"]: row for row in csv.DictReader(lines)}
    assert float(rows["solved"]["score"]) == POINTS
    assert float(rows["blank"]["score"]) == 0
    assert {float(row["max_score"]) for row in rows.values()} == {POINTS + WRITTEN_POINTS}
