"""The lessons run: with their solutions from end to end, as students get them up to the first stub."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from autograder import build
from autograder.executed import executed, warnings
from autograder.ingest import check_name
from cnnkit import exercises

ROOT = Path(__file__).resolve().parents[1]
# The site's test, which may run at the same time, begins at the other end.
UNITS = build.units(ROOT)[::-1]


@pytest.mark.parametrize("unit", UNITS)
def test_every_solution_notebook_runs_to_its_end_without_a_warning(unit):
    notebook = executed(unit)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(cell.execution_count for cell in code)
    assert warnings(notebook) == []


@pytest.mark.parametrize("unit", UNITS)
def test_every_student_notebook_runs_as_far_as_its_first_stub(unit, tmp_path):
    notebook = nbformat.read(ROOT / "notebooks" / unit / f"{unit}.ipynb", as_version=4)
    first = next(i for i, cell in enumerate(notebook.cells) if check_name(cell))
    notebook.cells = notebook.cells[: first + 1]
    folder = {"metadata": {"path": str(ROOT / "notebooks" / unit)}}
    client = NotebookClient(notebook, timeout=300, allow_errors=True, store_widget_state=False, resources=folder)
    client.execute(env=os.environ | {"CNNKIT_PROGRESS": str(tmp_path / "progress.jsonl")})
    errors = [(c.id, o.evalue) for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "error"]
    name = check_name(notebook.cells[-1])
    points = f"0 of {exercises.get(name).max_score:g} point"
    ((cell, message),) = errors
    assert cell == name
    assert message.startswith(f"{name}: {points}") and message.endswith(f"{name} is not written yet.")
    assert warnings(notebook) == []
