"""``cnnkit`` in a terminal."""

import errno
import os
import re
import sys

import nbformat
import pytest
from click.testing import CliRunner

from autograder import build
from autograder.cli import main as autograder_main
from cnnkit import doctor, exercises
from cnnkit.cli import main

UNIT = "03-conv-forward"


def source():
    return build.source_notebook(build.ROOT / "solutions" / UNIT / f"{UNIT}.py")


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNKIT_PROGRESS", str(tmp_path / "progress.jsonl"))

    def run(notebook, *options):
        path = tmp_path / "work.ipynb"
        nbformat.write(notebook, path)
        before = path.read_bytes()
        result = CliRunner().invoke(main, ["check", str(path), *options])
        assert path.read_bytes() == before
        return result

    return run


def test_check_finds_full_marks_in_the_solution(invoke):
    result = invoke(source())
    assert result.exit_code == 0, result.output
    points = sum(exercises.get(name).max_score for name in exercises.names(unit=UNIT))
    assert f"{points} of {points}" in result.output


def test_check_says_what_is_not_written_yet(invoke):
    result = invoke(build.student_notebook(source()))
    assert result.exit_code == 1
    for name in exercises.names(unit=UNIT):
        assert f"{name} is not written yet" in result.output


def test_check_names_the_cell_that_kept_a_function_from_being_defined(invoke):
    notebook = source()
    cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "im2col_solution")
    cell.source = "1 / 0\n" + cell.source
    result = invoke(notebook, "--quiet")
    assert result.exit_code == 1
    assert "defines no im2col" in result.output


@pytest.mark.parametrize(
    ("content", "message"), [("not json", "no notebook"), ("{}", "no notebook"), (None, "a folder")]
)
def test_check_refuses_what_it_cannot_read_in_one_line(tmp_path, content, message):
    path = tmp_path / "broken.ipynb"
    path.write_text(content) if content is not None else path.mkdir()
    result = CliRunner().invoke(main, ["check", str(path)])
    assert (result.exit_code, message in result.output) == (2, True)
    assert len(result.output.strip().splitlines()) == 1


def test_a_disk_that_takes_nothing_more_is_one_line_and_3(monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "some.zip")

    monkeypatch.setattr("autograder.release.release", full)
    done = CliRunner().invoke(autograder_main, ["release"])
    assert (done.exit_code, done.stderr) == (3, "error: some.zip: No space left on device\n")


def test_check_refuses_a_missing_file_and_a_notebook_without_exercises(tmp_path, invoke):
    result = CliRunner().invoke(main, ["check", str(tmp_path / "none.ipynb")])
    assert (result.exit_code, "no such file" in result.output) == (2, True)
    result = invoke(nbformat.v4.new_notebook())
    assert (result.exit_code, "no exercise" in result.output) == (2, True)


@pytest.mark.parametrize("command", [(main, "check", "any.ipynb"), (autograder_main, "selftest")])
@pytest.mark.parametrize(
    ("device", "message"),
    [("cuda", "torch finds no cuda device here; usable: cpu"), ("toaster", "'toaster' is no device: choose cpu")],
)
def test_a_device_that_is_not_there_is_refused_before_anything_runs(command, device, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = CliRunner().invoke(command[0], [*command[1:], "--device", device])
    assert done.exit_code == 2
    assert re.search(message, done.output.splitlines()[-1])


def test_doctor_finds_this_installation_well():
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    assert "torch computes on" in result.output
    assert result.output.endswith("Nothing is missing.\n")


def test_doctor_says_how_to_mend_what_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.setattr(doctor, "EXTENSIONS", ("anywidget", "no-such-extension"))
    monkeypatch.setattr(doctor, "PYTHONS", ((2, 6), (2, 7)))
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "install Python 2.6 to 2.7" in result.output
    assert "no-such-package: run `make lab` again" in result.output
    assert "JupyterLab lacks no-such-extension" in result.output
    assert "explainers: run `make lab` again" in result.output
