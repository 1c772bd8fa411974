"""The report on the class in a browser: its tables sort, its policy lets that one script run and no other."""

from pathlib import Path

import pytest

from autograder import build, feedback, report
from autograder.gradebook import Marks, Score
from autograder.run import Row, Summary
from autograder.score import Graded
from cnnkit import exercises, verdict

UNIT = "03-conv-forward"
MARKS = {"ann": (10, 0.5), "bob": (9, 2), "Cy": (2, 6)}


@pytest.fixture
def opened(tmp_path, page):
    """The page of a class of three, and what its console says."""
    rows = [
        Row(student, UNIT, name, score, 10)
        for student, scores in MARKS.items()
        for name, score in zip(("im2col", "zero_pad"), scores, strict=True)
    ]
    rows.append(Row("<script>document.title = 'run'</script>", UNIT, "im2col", 0, 10))
    file = tmp_path / "index.html"
    file.write_text(report.render(Summary(rows), {}, Path("report")), encoding="utf-8")
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    yield page
    assert said == []
    assert page.title() == "Report on the class"


def students(page):
    return [name[:3] for name in page.locator("table.sortable tbody th").all_inner_texts()]


def test_columns_sort_as_numbers_and_say_so(opened):
    assert students(opened) == ["bob", "ann", "Cy", "<sc"]
    by = lambda name: opened.get_by_role("columnheader", name=name).get_by_role("button")
    by("zero").press("Enter")
    assert students(opened) == ["Cy", "bob", "ann", "<sc"]
    assert opened.locator("th[aria-sort]").all_inner_texts() == ["zero_pad"]
    by("zero").click()
    assert students(opened) == ["<sc", "ann", "bob", "Cy"]
    assert opened.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    by("student").click()
    assert students(opened)[:3] == ["Cy", "bob", "ann"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_both_schemes(opened, screenshot, scheme):
    opened.set_viewport_size({"width": 390, "height": 844})
    opened.emulate_media(color_scheme=scheme)
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screenshot(opened, f"report-phone-{scheme}")


def test_a_feedback_pages_table_fits_a_phone(tmp_path, page):
    names = exercises.names(UNIT)
    verdicts = {name: verdict.refused(name, f"{name} is not written yet.", 9) for name in names}
    marks = Marks({name: Score(0, 9) for name in names})
    file = tmp_path / "feedback.html"
    notebook = build.student_notebook(build.source_notebook(build.author_path(UNIT)))
    graded = Graded(notebook, verdicts, {name: ["unwritten"] for name in names})
    file.write_text(feedback.render("ann", UNIT, graded, marks), encoding="utf-8")
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(file.as_uri())
    table = page.locator(".scroll").first
    assert "conv_forward_naive" in table.inner_text()
    assert table.evaluate("table => table.scrollWidth - table.clientWidth") == 0
