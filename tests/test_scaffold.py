"""A unit of one's own: skeletons that build and say what they lack, and the walk through it in docs/."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder import scaffold
from autograder.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]
WALK = (ROOT / "docs" / "own-unit.md").read_text(encoding="utf-8")
UNIT = "10-median-filters"
COMMANDS = [
    line for block in re.findall(r":class: commands\n\n(.*?)```", WALK, re.DOTALL) for line in block.splitlines()
]
FILES = dict(re.findall(r":caption: (\S+)\n\n(.*?)```", WALK, re.DOTALL))


@pytest.fixture
def repository(tmp_path):
    """A copy of the course with one unit, to write in."""
    ignored = shutil.ignore_patterns("__pycache__", "examples")
    for name in ("cnnkit", "autograder", "solutions/00-start-here"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    (tmp_path / "autograder" / "examples").mkdir()
    shutil.copy(ROOT / "autograder" / "examples" / "make.py", tmp_path / "autograder" / "examples")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(repository, command):
    """A command of the walk, or of ruff, in the copy."""
    program, *arguments = command.split()
    module = {"autograder": "autograder.cli"}.get(program, program)
    environment = os.environ | {"PYTHONPATH": str(repository)}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_walk_in_the_docs_leads_to_a_unit_that_passes(repository):
    new_unit, new_exercise, first_selftest, build, selftest = COMMANDS
    for command in (new_unit, new_exercise, build):
        done = run(repository, command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert run(repository, "ruff check").returncode == 0
    assert run(repository, "ruff format --check cnnkit autograder/answers").returncode == 0

    done = run(repository, first_selftest)
    assert done.returncode == 1
    told = done.stdout
    assert "off median_filter, reference: not written yet" in told
    for file in FILES:
        assert f"to be written {file}:" in told or "answers" in file, told

    for file, text in FILES.items():
        assert (repository / file).is_file(), file
        (repository / file).write_text(text, encoding="utf-8")
    for command in (build, selftest):
        done = run(repository, command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "All is as it should be." in done.stdout
    assert run(repository, "ruff check").returncode == 0
    nb = nbformat.read(repository / "notebooks" / UNIT / f"{UNIT}.ipynb", as_version=4)
    assert [c.metadata.nbgrader.grade_id for c in nb.cells if "nbgrader" in c.metadata] == [
        "median_filter_solution",
        "median_filter",
        "when_a_mean_is_better",
    ]


def test_an_exercise_goes_into_a_unit_that_has_some(repository):
    unit = "00-start-here"
    scaffold.new_exercise("tripled", unit, repository)
    assert run(repository, "ruff check").returncode == 0
    done = run(repository, f"autograder selftest {unit}")
    assert "off tripled, reference: not written yet" in done.stdout
    assert "practice" in done.stdout and "off practice" not in done.stdout


@pytest.mark.parametrize(
    ("name", "unit", "message"),
    [
        ("practice", "00-start-here", "there is an exercise practice already, in unit 00-start-here"),
        ("Im2col", "00-start-here", "Im2col is no name for a function"),
        ("lambda", "00-start-here", "lambda is no name for a function"),
        ("tripled", "00", "no unit 00; did you mean 00-start-here?"),
    ],
)
def test_exercises_that_cannot_be_are_refused(repository, name, unit, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        scaffold.new_exercise(name, unit, repository)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("median", "two digits and the topic"),
        ("3-median", "two digits and the topic"),
        ("11-Median", "two digits and the topic"),
        ("03-median", "there is 03-conv-forward already"),
        ("11-filters", "there is 02-filters already"),
        ("11-class", "class is no name for one"),
    ],
)
def test_units_that_cannot_be_are_refused(repository, unit, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        scaffold.new_unit(unit, repository)
    assert [p.name for p in (repository / "solutions").iterdir()] == ["00-start-here"]
