"""The map of the course: what the checks remember of a student."""

import json
import subprocess
import sys

import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

from cnnkit import check, evaluate, exercises, progress
from cnnkit.checking import CheckFailed
from cnnkit.cli import main


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """A student who has done nothing yet, in a notebook that Jupyter's server started."""
    path = tmp_path / "kept" / "progress.jsonl"
    monkeypatch.setenv("CNNKIT_PROGRESS", str(path))
    monkeypatch.setenv("JPY_SESSION_NAME", "work.ipynb")
    return path


def doubled(x):
    return 2 * x


def squared(x):
    return x * x


def test_a_check_is_remembered_and_a_worse_one_later_does_not_undo_it(capsys):
    check("practice", doubled)
    with pytest.raises(CheckFailed):
        check("practice", squared)
    assert progress.best() == {"practice": exercises.get("practice").max_score}


def test_a_failed_check_is_remembered_with_its_points(capsys):
    name = "conv_output_size"
    partly = lambda n, k, stride=1, pad=0, dilation=1: (n + 2 * pad - k) // stride + 1
    with pytest.raises(CheckFailed) as failed:
        check(name, partly)
    assert 0 < failed.value.verdict.score < failed.value.verdict.max_score
    assert progress.best() == {name: failed.value.verdict.score}


def test_evaluate_and_kernels_without_a_person_are_not_remembered(kept, tmp_path, monkeypatch):
    evaluate("practice", doubled)
    monkeypatch.delenv("JPY_SESSION_NAME")
    source = "from cnnkit import check\ncheck('practice', lambda x: 2 * x)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3").execute()
    assert not kept.exists()


def test_lines_that_cannot_be_read_cost_nothing(kept, capsys):
    check("practice", doubled)
    good = kept.read_text()
    kept.write_text(f'{good}{{"exercise": \nnull\n[]\n{{"exercise": "practice", "score": "x"}}\n')
    assert progress.best() == {"practice": 1}
    check("practice", doubled)


def test_a_file_that_cannot_be_written_does_not_disturb_the_check(kept, monkeypatch, capsys):
    kept.parent.write_text("a file where the folder should be")
    check("practice", doubled)
    assert progress.best() == {}


def test_two_notebooks_at_once_lose_nothing(kept):
    names = exercises.names("03-conv-forward")
    code = (
        "import sys; from cnnkit import progress; from cnnkit.verdict import Verdict\n"
        "for name in sys.argv[1:]: progress.record(Verdict(name, 1, 1, True))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, *part]) for part in (names[::2], names[1::2])]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert progress.best() == dict.fromkeys(names, 1)


def test_the_map_adds_up_and_says_what_comes_next(kept):
    empty = progress.Map()
    assert [unit.name for unit in empty.units] == list(exercises.MODULES)
    assert (empty.got, empty.next[1]) == (0, "practice")
    assert empty.points == sum(exercises.get(n).max_score for u in exercises.MODULES for n in exercises.names(u)) - 1
    assert all(unit.title and unit.minutes for unit in empty.units)

    first, second, *others = exercises.names("03-conv-forward")
    points = exercises.get(first).max_score
    kept.parent.mkdir()
    kept.write_text(json.dumps({"exercise": first, "score": points}) + "\n")
    begun = progress.Map()
    assert begun.got == points
    assert begun.next[1] == second
    unit = next(unit for unit in begun.units if unit.name == "03-conv-forward")
    assert (unit.got, unit.done, unit.left) == (points, 1, (second, *others))
    assert f"{points:g} of {unit.points:g}" in begun._repr_html_()


def test_the_command_shows_the_map_and_where_it_is_kept(kept):
    result = CliRunner().invoke(main, ["progress"])
    assert result.exit_code == 0, result.output
    assert "Next: practice" in result.output
    assert str(kept) in result.output
