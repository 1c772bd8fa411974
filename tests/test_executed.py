"""Notebooks that are run once: kept until something changes, and where they fail it says where and why."""

import pytest
from small_course import SOURCE, UNIT, write_unit

from autograder import executed as module
from autograder.errors import BuildError
from autograder.executed import executed


def failing(code):
    """The small unit with another demonstration."""
    return SOURCE.replace("drawing = np.linspace(0, 1, 5)", code)


def test_a_unit_is_run_once_until_its_lesson_changes(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(module, "_run", lambda unit, notebook, root: runs.append(unit))
    write_unit(tmp_path)
    first, second = executed(UNIT, tmp_path), executed(UNIT, tmp_path)
    assert (first, runs) == (second, [UNIT])
    write_unit(tmp_path, failing("drawing = np.linspace(0, 1, 6)"))
    assert executed(UNIT, tmp_path) != first
    assert len(runs) == 2 and len(list((tmp_path / "build" / "executed").glob("*.ipynb"))) == 1


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("print('so far'); drawing = 1 / 0", "ZeroDivisionError: division by zero"),
        ("import time; drawing = time.sleep(60)", "not done after 3 s"),
        ("import os; os._exit(1)", "the kernel died"),
    ],
)
def test_a_cell_that_fails_is_named_with_its_reason(tmp_path, monkeypatch, code, why):
    monkeypatch.setattr(module, "SECONDS_A_CELL", 3)
    write_unit(tmp_path, failing(code))
    with pytest.raises(BuildError, match=rf"^{UNIT}, cell \S+: {why}$"):
        executed(UNIT, tmp_path)
    assert not list((tmp_path / "build" / "executed").glob("*.ipynb"))
