"""Unit 03 in a real JupyterLab in a real browser, and formgrader beside it."""

import shutil

import nbformat
from conftest import ROOT
from notebook_page import NotebookPage

from cnnkit import exercises, progress

UNIT = "03-conv-forward"
EXERCISE = "conv_output_size"


def imports(lab):
    """Id of the first code cell, which imports what the checks need."""
    nb = nbformat.read(lab.root / lab.student_notebook, as_version=4)
    return next(cell.id for cell in nb.cells if cell.cell_type == "code")


def test_a_students_notebook_opens_and_a_stub_says_that_it_is_not_written(lab, page, screenshot):
    notebook = NotebookPage(page, lab, lab.student_notebook)
    screenshot(page, "03-opened")
    for cell in (imports(lab), f"{EXERCISE}_solution", EXERCISE):
        notebook.run_cell(cell)
    card = notebook.active_cell.locator(".cnnkit-verdict")
    card.wait_for()
    assert f"{EXERCISE} is not written yet." in card.inner_text()
    assert "Traceback" not in notebook.active_cell.inner_text()
    screenshot(page, "03-stub")
    notebook.theme("Dark")
    screenshot(page, "03-stub-dark")
    notebook.theme("Light")


def test_a_known_mistake_is_named_with_its_hint(lab, page, screenshot):
    name = "conv_forward_naive"
    flipped = ROOT / "autograder" / "examples" / "kernel-flipped" / UNIT / f"{UNIT}.ipynb"
    shutil.copy(flipped, lab.root / "flipped.ipynb")
    notebook = NotebookPage(page, lab, "flipped.ipynb")
    needed = ("conv_output_size_solution", "zero_pad_solution", f"{name}_solution")
    for cell in (imports(lab), *needed):
        notebook.run_cell(cell)
    notebook.run_cell(name)
    card = notebook.active_cell.locator(".cnnkit-verdict")
    card.wait_for()
    bug = next(bug for bug in exercises.get(name).bugs if "flipped" in bug.name)
    assert bug.name in card.inner_text()
    assert bug.hint in card.inner_text()
    notebook.show_cell(f"{name}_solution")
    screenshot(page, "03-hint")


def test_validate_reports_failure_on_the_stub(lab, page, screenshot):
    dialog = NotebookPage(page, lab, lab.student_notebook).validate()
    assert dialog.locator(".validation-failed").count() == 1
    for name in exercises.names(unit=UNIT):
        assert f"{name} is not written yet." in dialog.inner_text()
    screenshot(page, "03-validate-stub")


def test_the_solution_runs_to_the_end_without_an_error(lab, page, screenshot, monkeypatch):
    notebook = NotebookPage(page, lab, lab.solution_notebook)
    notebook.run_all()
    cells = notebook.code_cells()
    assert [(cell["id"], error) for cell in cells for error in cell["errors"]] == []
    assert [cell["id"] for cell in cells if not cell["ran"]] == []
    notebook.show_cell(EXERCISE)
    assert "points" in notebook.active_cell.locator(".cnnkit-verdict").inner_text()
    monkeypatch.setenv("CNNKIT_PROGRESS", str(lab.root / "progress.jsonl"))  # as in the notebook's kernel
    assert progress.best() == {name: exercises.get(name).max_score for name in exercises.names(unit=UNIT)}
    screenshot(page, "03-solution-check")
    notebook.show_cell(cells[-1]["id"])
    screenshot(page, "03-solution-end")
    notebook.theme("Dark")
    screenshot(page, "03-solution-end-dark")
    notebook.theme("Light")


def test_validate_reports_success_on_the_solution(lab, page, screenshot):
    dialog = NotebookPage(page, lab, lab.solution_notebook).validate()
    assert dialog.locator(".validation-success").count() == 1
    screenshot(page, "03-validate-solution")


def test_formgrader_lists_the_assignment(lab, page, screenshot):
    page.goto(f"{lab.url}/formgrader/manage_assignments")
    page.locator("tbody tr", has_text=UNIT).wait_for()
    screenshot(page, "formgrader")
    response = page.request.get(f"{lab.url}/formgrader/api/assignments")
    assert [assignment["name"] for assignment in response.json()] == [UNIT]
