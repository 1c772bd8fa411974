"""Marks as the tables that learning platforms import, from a real gradebook with a late student and marks by hand."""

import csv
import io
import re
import shutil

import pytest
from click.testing import CliRunner
from nbformat import from_dict
from nbgrader.api import Gradebook
from small_course import UNIT, write_unit
from traitlets.config import Config

from autograder import build, cli, gradebook
from autograder.collect import Person, keep_people
from autograder.errors import GradebookError, UsageError
from autograder.export import export
from autograder.gradebook import Book
from autograder.late import DAY, PerDay
from autograder.nbgrader_config import course_config
from autograder.score import check_outputs
from cnnkit import evaluate, exercises

DUE = "2026-03-01 12:00:00 UTC"
CONFIG = course_config()
CONFIG.AssignLatePenalties.plugin_class = "autograder.late.PerDay"
CONFIG.PerDay.share = 0.25


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Three students: ann, on time; bob, a day and an hour late, both right; cy, who wrote nothing. A mark by hand."""
    folder = tmp_path_factory.mktemp("results")
    source = build.source_notebook(write_unit(folder))
    stub = build.student_notebook(source)
    url = gradebook.sqlite_url(folder)
    gradebook.create(url)
    with Book(url, CONFIG) as book:
        book.add_unit(UNIT, source)
    with Gradebook(url, "cnn-course") as book:
        book.update_or_create_assignment(UNIT, duedate=DUE)
        book.update_or_create_student("ann", first_name="Ann", last_name="Acker, Dr", email="a@x.org", lms_user_id="17")
    right, wrong = evaluate("practice", lambda x: x + x), evaluate("practice", lambda x: x)
    with Book(url, CONFIG) as book:
        book.write("ann", UNIT, handed_in(stub, right, "Because."), "2026-03-01 11:00:00 UTC")
        book.write("bob", UNIT, handed_in(stub, right, "So."), "2026-03-02 13:00:00 UTC")
        book.write("cy", UNIT, handed_in(stub, wrong, None), "2026-03-01 11:00:00 UTC")
    give(url, "bob", 3)
    with Book(url, CONFIG) as book:
        book.renew_penalties()
    return folder


def handed_in(stub, verdict, written):
    nb = from_dict(stub)
    for cell in nb.cells:
        if cell.id == "practice":
            cell.outputs = check_outputs(verdict)
        elif cell.id == "why_double" and written:
            cell.source = written
    return nb


def give(url, student, points):
    """Marks by hand for the written answer, as formgrader records them."""
    with Gradebook(url, "cnn-course") as book:
        grade = book.find_grade("why_double", UNIT, UNIT, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()


def table(output, form, **more):
    return list(csv.reader(io.StringIO(export(output, form, **more))))


def test_csv_has_what_the_points_are_made_of(output):
    header, *rows = table(output, "csv")
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(r["student"], r["score"], r["max_score"], r["late_penalty"]) for r in found] == [
        ("ann", "1", "4", "0"),
        ("bob", "2", "4", "2"),  # (1 + 3) points, two days begun at a quarter each
        ("cy", "0", "4", "0"),
    ]
    assert [r["needs_manual_grade"] for r in found] == ["1", "0", "0"]
    assert [r["seconds_late"] for r in found] == ["0", f"{DAY + 3600}", "0"]


def test_canvas_finds_its_header_its_points_and_its_students(output):
    """As lib/gradebook_importer.rb reads a file."""
    header, points, *students = table(output, "canvas", columns=[(UNIT, "Homework 1 (4711)")])
    assert re.search("Student", header[0]) and re.search("ID", header[1])
    assert re.search(r"SIS\s+User\s+ID", header[2]) and re.search(r"SIS\s+Login\s+ID", header[3])
    assert re.search("Section", header[4])
    assert header[5:] == ["Homework 1 (4711)"]
    assert re.search("Points Possible", points[0]) and points[5:] == ["4"]
    assert students == [
        ["Acker, Dr, Ann", "", "17", "ann", "", "1"],
        ["bob", "", "", "bob", "", "2"],
        ["cy", "", "", "cy", "", "0"],
    ]


def test_moodle_gets_ways_to_name_a_user_and_a_column_per_unit(output):
    header, *users = table(output, "moodle")
    assert header == ["Username", "First name", "Last name", "ID number", "Email address", UNIT]
    assert users[0] == ["ann", "Ann", "Acker, Dr", "17", "a@x.org", "1"]
    assert users[1] == ["bob", "", "", "", "", "2"]


def test_students_who_were_collected_have_the_platforms_number_and_no_login_of_our_making(output, tmp_path):
    output, lines = shutil.copytree(output, tmp_path / "results"), []
    people = {"ann": Person("Ann Acker"), "bob": Person(canvas_id="12345"), "cy": Person("Cy")}
    keep_people(output, people)
    assert [row[:5] for row in table(output, "canvas", notify=lines.append)[2:]] == [
        ["Acker, Dr, Ann", "", "17", "", ""],
        ["bob", "12345", "", "", ""],
        ["cy", "", "", "", ""],
    ]
    assert lines.pop().startswith("Canvas will not find cy: ")
    users = [row[:5] for row in table(output, "moodle", notify=lines.append)[1:]]
    assert users == [["", "Ann", "Acker, Dr", "17", "a@x.org"], [""] * 5, [""] * 5]
    assert lines.pop().startswith("Moodle will not find bob, cy: ")
    table(output, "csv", notify=lines.append)
    assert lines == []


def test_no_cell_is_a_formula(output, tmp_path):
    copy = shutil.copytree(output, tmp_path / "results")
    with Gradebook(gradebook.sqlite_url(copy), "cnn-course") as book:
        book.update_or_create_student("ann", first_name="=1+1", last_name="-Ann", email="@SUM(A1)")
        book.update_or_create_student("cy", first_name="Cy-Ann", last_name="O'Hara")
    _, ann, _, cy = table(copy, "csv")
    assert ann[1:4] == ["'=1+1", "'-Ann", "'@SUM(A1)"]
    assert cy[1:3] == ["Cy-Ann", "O'Hara"]


def test_who_handed_nothing_in_has_an_empty_cell(output, tmp_path):
    output = shutil.copytree(output, tmp_path / "results")
    unit = "03-conv-forward"
    source = build.source_notebook(build.ROOT / "solutions" / unit / f"{unit}.py")
    with Book(gradebook.sqlite_url(output), CONFIG) as book:
        book.add_unit(unit, source)
        book.write("dee", unit, source)  # a check without an output counts in full
    most = f"{sum(exercises.get(name).max_score for name in exercises.names(unit))}"
    _, points, *students = table(output, "canvas")
    assert points[5:] == ["4", most]
    assert [row[5:] for row in students] == [["1", ""], ["2", ""], ["0", ""], ["", most]]
    assert len(table(output, "canvas", units=[unit])) == 3


def test_what_is_not_there_is_said_in_one_line(output, tmp_path):
    with pytest.raises(UsageError, match="no unit 03; did you mean 03-conv-forward"):
        export(output, "csv", ["03"])
    with pytest.raises(UsageError, match="no submission of 02-filters"):
        export(output, "csv", ["02-filters"])
    with pytest.raises(GradebookError, match=f"there is no gradebook sqlite:///{tmp_path}/gradebook.db: "):
        export(tmp_path, "csv")
    for columns in ([(UNIT, "A"), (UNIT, "B")], [(UNIT, "A"), ("03-conv-forward", "A")]):
        with pytest.raises(UsageError, match="--column: each unit once, and each title once"):
            export(output, "csv", columns=columns)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_a_file(output):
    done = CliRunner().invoke(cli.main, ["export", "--output", str(output), "--format", "moodle"])
    assert done.exit_code == 0, done.output
    assert (output / "export-moodle.csv").read_text() == export(output, "moodle")
    done = CliRunner().invoke(cli.main, ["export", "--output", str(output), "--column", "x"])
    assert done.exit_code == 2 and "'x' is not UNIT=TITLE" in done.output


@pytest.mark.parametrize(
    ("seconds", "penalty"),
    [(1, None), (15 * 60, None), (15 * 60 + 1, 1), (DAY, 1), (DAY + 16 * 60, 2), (9 * DAY, 9), (30 * DAY, 10)],
)
def test_the_late_penalty_grows_by_the_day_begun_after_the_time_of_grace(seconds, penalty):
    plugin = PerDay(config=Config({"PerDay": {"share": 0.1}}))
    assert plugin.late_submission_penalty("ann", 10.0, seconds) == (pytest.approx(penalty) if penalty else None)
