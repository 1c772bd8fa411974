"""Marks by hand in a real formgrader, over a folder that `autograder grade` has written."""

import csv
import os
from datetime import UTC, datetime
from html.parser import HTMLParser

import nbformat
import pytest
from conftest import ROOT, serve
from programs import autograder_succeeds

from autograder.build import source_notebook
from cnnkit import exercises

UNIT = "05-conv-backward"
WRITTEN, POINTS = "dx_derivation", 3
BY_MACHINE = sum(exercises.get(name).max_score for name in exercises.names(UNIT))
LATE = """
c.AssignLatePenalties.plugin_class = "autograder.late.PerDay"
c.PerDay.share = 0.1
"""


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A folder with one student's unit 05, all right, handed in at noon on the second of March."""
    folder = tmp_path_factory.mktemp("formgrader")
    home = folder / "submitted" / "ann" / UNIT
    home.mkdir(parents=True)
    nbformat.write(source_notebook(ROOT / "solutions" / UNIT / f"{UNIT}.py"), home / f"{UNIT}.ipynb")
    stamp = home / "timestamp.txt"
    stamp.write_text("2026-03-02 12:00:00 UTC")
    when = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
    os.utime(stamp, (when, when))  # what it says counts only where the file is as old
    output = folder / "results"
    autograder_succeeds("grade", UNIT, "--submitted", folder / "submitted", "--output", output, "--jobs", 1)
    with open(output / "nbgrader_config.py", "a", encoding="utf-8") as config:
        config.write(LATE)
    return output


@pytest.fixture(scope="module")
def formgrader(graded, tmp_path_factory):
    yield from serve(graded, tmp_path_factory.mktemp("formgrader-home"))


class Text(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.text = ""
        self.feed(text)

    def handle_data(self, data):
        self.text += data


def shown(graded, page):
    """The words of a page, in one line."""
    return " ".join(Text((graded / page).read_text(encoding="utf-8")).text.split())


def cells(graded):
    """What the report says about each mark."""
    return (graded / "report" / "index.html").read_text(encoding="utf-8")


def saved(page, field, text):
    """Fill in a field of formgrader's, leave it, and wait until the server has what was written."""
    with page.expect_response(lambda response: response.request.method == "PUT" and response.ok):
        field.fill(text)
        field.press("Tab")


def test_an_answer_is_marked_by_hand_and_the_report_shows_it(graded, formgrader, page, screenshot):
    feedback = f"feedback/ann/{UNIT}/{UNIT}.html"
    assert f"{WRITTEN}: 0 of {POINTS}; to read" in cells(graded)
    assert "waits to be read" in shown(graded, feedback)

    page.goto(f"{formgrader.url}/formgrader/gradebook/{UNIT}/{UNIT}")
    page.locator("tbody a.name-hidden").click()
    # Formgrader marks the field when it has the gradebook's word, and listens from then on.
    saved(page, page.locator(f"#{WRITTEN}.needs_manual_grade"), "2")
    saved(page, page.locator(f"#{WRITTEN}-comment[data-autosize-on]"), "The sum over the filters is missing.")
    page.locator(f"#{WRITTEN}").scroll_into_view_if_needed()
    screenshot(page, "formgrader-by-hand")

    autograder_succeeds("report", "--output", graded)
    assert f"{WRITTEN}: 2 of {POINTS}; by hand" in cells(graded)
    assert f"{BY_MACHINE + 2} of {BY_MACHINE + POINTS} points" in shown(graded, feedback)
    assert "The sum over the filters is missing." in shown(graded, feedback)


def test_a_due_date_set_in_formgrader_costs_a_late_student_points(graded, formgrader, page, screenshot):
    before = total(graded)
    page.goto(f"{formgrader.url}/formgrader/manage_assignments")
    page.locator("tbody tr", has_text=UNIT).locator("td.edit a").click()
    page.locator("input.modal-duedate").fill("2026-03-01T12:00")
    page.locator("input.modal-timezone").fill("+0000")
    screenshot(page, "formgrader-due-date")
    with page.expect_response(lambda response: response.request.method == "PUT" and response.ok):
        page.locator(".modal button.save").click()

    autograder_succeeds("report", "--output", graded)
    assert f"late, −{before / 10:g}" in shown(graded, "report/index.html")
    assert f"{before / 10:g} points were taken off for being late." in shown(graded, f"feedback/ann/{UNIT}/{UNIT}.html")
    assert total(graded) == pytest.approx(0.9 * before)


def total(graded):
    """Ann's points, as a learning platform gets them."""
    autograder_succeeds("export", "--output", graded, "--format", "moodle")
    with open(graded / "export-moodle.csv", newline="", encoding="utf-8") as file:
        (ann,) = csv.DictReader(file)
    return float(ann[UNIT])
