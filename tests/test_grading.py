"""Grading a class, from the command line to the gradebook: real processes, a real gradebook, nbgrader itself."""

import contextlib
import csv
import errno
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import datetime
from pathlib import Path

import nbformat
import numpy as np
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook
from programs import autograder
from small_course import SOLUTION, SOURCE, UNIT, write_unit

from autograder import build, cli, feedback, gradebook, outputs, selftest, worker
from autograder.collect import collect
from autograder.errors import GradebookError, UsageError
from autograder.examples import make
from autograder.execute import ScoreBySpecification
from autograder.export import export
from autograder.ingest import check_name, merge, parse
from autograder.run import Run, Summary, report_again
from autograder.sandbox import Limits
from autograder.score import Graded, Scorer
from cnnkit import evaluate, exercises, verdict

pytestmark = pytest.mark.xdist_group("grading")

EXAMPLES = Path(make.__file__).parent
CONV = make.UNIT
POINTS = {name: exercises.get(name).points for name in exercises.names(CONV)}
ALL = None
# What every example loses: exercise: (groups of cases, bug, flags).
LOSSES = {
    "blank": dict.fromkeys(POINTS, (ALL, "", "unwritten")),
    "endless-loop": {"receptive_field": (ALL, "", "timeout")},
    "exits": {"conv_1x1": (ALL, "", "crash")},
    "half-done": {
        "conv_output_size": (["dilation", "impossible"], "dilation ignored", ""),
        "conv_fits": (ALL, "", "undefined"),
        "conv_params": (["weights and biases", "groups"], "one bias in all", ""),
        "conv_forward_naive": (["dilation"], "dilation ignored", ""),
        "conv_1x1": (ALL, "", "missing"),
    },
    "images-innermost": {"im2col": (ALL, "columns with the image innermost", "")},
    "in-loops": {},
    "kernel-flipped": {"conv_forward_naive": (ALL, "kernel flipped", "")},
    "no-plus-one": {"conv_output_size": (ALL, "no +1", "")},
    "noisy": {},
    "pad-one-side": {"zero_pad": (ALL, "one side only", "")},
    "perfect": {},
}
FULL = sum(sum(groups.values()) for groups in POINTS.values())


def score(student, name):
    """What an example should score in an exercise."""
    lost, *_ = LOSSES[student].get(name, ([], "", ""))
    return sum(points for group, points in POINTS[name].items() if lost is not ALL and group not in lost)


def total(student):
    return sum(score(student, name) for name in POINTS)


def skeleton(unit, root=build.ROOT):
    return build.student_notebook(build.source_notebook(build.author_path(unit, root)))


def designed():
    """The rows that grades.csv should have, in the order of the lesson."""
    lesson = [name for name in map(check_name, skeleton(CONV).cells) if name]
    for student, losses in sorted(LOSSES.items()):
        for name in lesson:
            _, bug, flags = losses.get(name, ([], "", ""))
            yield [student, CONV, name, f"{score(student, name)}", f"{sum(POINTS[name].values())}", bug, flags]


def rows(output):
    with open(output / "grades.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def submit(folder, student, notebook, unit=UNIT):
    path = folder / student / unit / f"{unit}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = notebook if isinstance(notebook, str) else nbformat.writes(notebook)
    path.write_text(text, encoding="utf-8")
    return path


# The shipped class


@pytest.fixture(scope="module")
def temporary():
    """A function to a new folder with a short name, since there are sockets in it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield lambda: Path(tempfile.mkdtemp(dir=folder))


@pytest.fixture(scope="module")
def graded(tmp_path_factory, temporary):
    """The example class, graded by the command line: ``(finished process, output folder, its TMPDIR)``."""
    output, scratch = tmp_path_factory.mktemp("class") / "results", temporary()
    environment = os.environ | {"TMPDIR": str(scratch)}
    done = autograder("grade", CONV, "--submitted", EXAMPLES, "--output", output, env=environment)
    return done, output, scratch


@pytest.fixture
def copied(graded, tmp_path):
    """A copy of the graded class, to be changed."""
    return shutil.copytree(graded[1], tmp_path / "results")


def test_the_shipped_class_is_fresh():
    assert make.build(check=True) == []


def test_every_example_scores_as_designed(graded):
    header, *found = rows(graded[1])
    assert header == ["student", "unit", "exercise", "score", "max_score", "bug", "flags"]
    assert found == list(designed())


def test_the_refused_one_is_named_with_its_reason(graded):
    done, output, _ = graded
    assert done.returncode == 1, done.stderr
    reason = r"not JSON: line \d+ is damaged, or the file breaks off there"
    assert re.search(rf"refused not-json {CONV}: {reason}", done.stdout)
    assert re.search(rf"not-json</th><td>{CONV}</td><td>{reason}", (output / "report" / "index.html").read_text())
    assert "Traceback" not in done.stdout + done.stderr
    assert "11 graded, 0 unchanged, 1 refused." in done.stdout


def test_the_table_in_the_terminal_has_every_student(graded):
    for student in LOSSES:
        assert re.search(rf"{student} .*{total(student)} / {FULL}", graded[0].stdout)


def test_no_process_and_no_file_is_left(graded):
    scratch = graded[2]
    mark = f"TMPDIR={scratch}".encode()
    assert [p for p in Path("/proc").glob("[0-9]*/environ") if mark in _read(p)] == []
    assert list(scratch.iterdir()) == []


def _read(path):
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or is not ours
        return b""


def test_a_second_run_grades_nothing_again(copied):
    before = (copied / "grades.csv").read_bytes()
    done = autograder("grade", CONV, "--submitted", EXAMPLES, "--output", copied)
    assert "0 graded, 11 unchanged, 1 refused." in done.stdout, done.stderr
    assert done.returncode == 1
    assert (copied / "grades.csv").read_bytes() == before


def test_feedback_names_the_bug_its_hint_and_the_failing_case(graded):
    page = (graded[1] / "feedback" / "kernel-flipped" / CONV / f"{CONV}.html").read_text(encoding="utf-8")
    assert f"{total('kernel-flipped')} of {FULL} points" in page
    assert "Looks like: kernel flipped" in page
    assert "Your kernel is turned by 180 degrees" in page
    assert "A failing case" in page
    assert "secret" not in page


def test_outputs_of_the_students_cells_are_in_the_notebook(graded):
    nb = nbformat.read(graded[1] / "autograded" / "half-done" / CONV / f"{CONV}.ipynb", as_version=4)
    nbformat.validate(nb)
    added = [cell for cell in nb.cells if cell.id.startswith("added-")]
    assert [output.output_type for cell in added for output in cell.outputs] == [
        "execute_result",
        "display_data",
        "error",
    ]
    assert "image/png" in added[0].outputs[1].data
    assert not any(
        "demo" in cell.metadata.get("tags", []) and cell.outputs for cell in nb.cells if cell.cell_type == "code"
    )


def test_the_seed_is_secret_and_stays(graded, copied):
    path = graded[1] / gradebook.SEED_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    seed = int(path.read_text())
    assert seed > 2**32
    assert gradebook.secret_seed(copied) == seed
    for file in [*copied.rglob("*.html"), *copied.rglob("*.ipynb"), copied / "grades.csv", copied / "journal.jsonl"]:
        assert str(seed) not in file.read_text(encoding="utf-8"), file


def nbgrader(folder, *arguments):
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("where", ["results", "elsewhere"])
def test_nbgraders_own_runs_draw_from_the_same_seed(tmp_path, where):
    """Wherever the gradebook is."""
    for folder in ("results", "elsewhere"):
        (tmp_path / folder).mkdir()
    seed = gradebook.secret_seed(tmp_path / "results")
    url = gradebook.sqlite_url(tmp_path / where)
    assert ScoreBySpecification()._seed(url, str(tmp_path / "results")) == seed


def test_nbgrader_exports_the_same_scores(copied):
    nbgrader(copied, "export")
    with open(copied / "nbgrader-export.csv", newline="", encoding="utf-8") as file:
        found = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
    assert found == {student: (total(student), FULL) for student in LOSSES}
    assert rows(copied)[1:] == list(designed())


def test_nbgraders_own_autograde_and_feedback_give_the_same(copied):
    student = "no-plus-one"
    with gradebook.Book(gradebook.sqlite_url(copied)) as book:
        before = book.scores()
    nbgrader(copied, "autograde", CONV, "--student", student, "--force")
    with gradebook.Book(gradebook.sqlite_url(copied)) as book:
        assert book.scores() == before
    nbgrader(copied, "generate_feedback", CONV, "--student", student, "--force")
    page = (copied / "feedback" / student / CONV / f"{CONV}.html").read_text(encoding="utf-8")
    assert "Looks like: no +1" in page


def test_marks_and_comments_by_hand_stay_and_are_shown(copied):
    with Gradebook(gradebook.sqlite_url(copied), "cnn-course") as book:
        book.find_grade("im2col", CONV, CONV, "images-innermost").manual_score = 4
        comment = book.find_comment("im2col_solution", CONV, CONV, "images-innermost")
        comment.manual_comment = "Nearly <right>."
        book.db.commit()
    done = autograder("report", "--output", copied)
    assert done.returncode == 0, done.stderr
    most = str(sum(POINTS["im2col"].values()))
    marked = ["images-innermost", CONV, "im2col", "4", most, "columns with the image innermost", "manual"]
    assert marked in rows(copied)
    page = (copied / "feedback" / "images-innermost" / CONV / f"{CONV}.html").read_text(encoding="utf-8")
    assert f"{total('images-innermost') + 4} of {FULL} points" in page and "Nearly &lt;right&gt;." in page
    autograder("grade", CONV, "--submitted", EXAMPLES, "--output", copied, "--regrade")
    assert "4" in [row[3] for row in rows(copied) if row[:3] == ["images-innermost", CONV, "im2col"]]


@pytest.mark.parametrize("student", [name for name in LOSSES if name not in ("blank", "endless-loop", "exits")])
def test_the_scores_are_the_same_whatever_the_seed(student):
    answers = {
        name: text for kind, name, text in make.answers(CONV, "perfect") + make.answers(CONV, student) if not kind
    }
    namespace = {"np": np}
    for text in answers.values():
        exec(text, namespace)
    for name, (_, bug, flags) in LOSSES[student].items():
        for seed in [] if flags else range(1, 11):
            verdict = evaluate(name, namespace[name], seed=seed)
            assert (verdict.score, verdict.bug or "") == (score(student, name), bug), (name, seed)


# A small course: what goes wrong, and what goes on

RIGHT = "def practice(x):\n    return x + x"
WRONG = "def practice(x):\n    return x * x"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    write_unit(root)
    return root


@pytest.fixture
def notebook(course):
    """A function from the text of an answer to the notebook that holds it."""
    released = skeleton(UNIT, course)

    def make(answer=RIGHT, written=None, added=""):
        nb = nbformat.from_dict(json.loads(json.dumps(released)))
        for cell in nb.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name == "practice_solution":
                cell.source = answer
            if name == "why_double" and written:
                cell.source = written
        if added:
            nb.cells.append(nbformat.v4.new_code_cell(added))
        return nb

    return make


@pytest.fixture
def grade(course, tmp_path):
    """A function that grades the folder "submitted" into "results"."""

    def run(**more):
        return Run(units=(UNIT,), submitted=tmp_path / "submitted", output=tmp_path / "results", root=course, **more)()

    return run


def found(summary):
    return {row.student: (row.score, row.bug, row.flags) for row in summary.rows}


def test_written_answers_wait_for_a_person(grade, notebook, tmp_path):
    submit(tmp_path / "submitted", "silent", notebook())
    submit(tmp_path / "submitted", "talks", notebook(written="Two times is **twice** <script>alert(1)</script>."))
    summary = grade()
    assert found(summary) == {"silent": (1, "", ()), "talks": (1, "", ())}
    with gradebook.Book(gradebook.sqlite_url(tmp_path / "results")) as book:
        scores = {who[0]: marks["why_double"] for who, marks in book.scores().items()}
        assert (scores["silent"].waiting, scores["talks"].waiting) == (False, True)
        assert book.comments()["silent", UNIT]["why_double"] == "No response."
    with cli.console.capture() as captured:
        cli._show(summary, ())
    silent, talks = (line.split("│")[3:5] for line in captured.get().splitlines() if UNIT in line)
    assert [cell.strip() for cell in silent] == ["1 / 4", ""]
    assert [cell.strip() for cell in talks] == ["1 / 4", "waiting: why_double"]
    page = (tmp_path / "results" / "feedback" / "talks" / UNIT / f"{UNIT}.html").read_text()
    assert "Some answers still wait for a person" in page and "<strong>twice</strong>" in page
    assert "<script" not in page


def test_what_has_changed_is_graded_again_and_nothing_else(grade, notebook, tmp_path):
    for student in ("a", "b"):
        submit(tmp_path / "submitted", student, notebook(WRONG))
    assert found(grade()) == dict.fromkeys("ab", (0, "squared", ()))
    submit(tmp_path / "submitted", "b", notebook(RIGHT))
    second = grade()
    assert (second.graded, second.unchanged) == (1, 1)
    assert found(second) == {"a": (0, "squared", ()), "b": (1, "", ())}
    third = grade(regrade=True)
    assert (third.graded, third.unchanged) == (2, 0)
    # Going back to an older version is no new work, and its marks are those of then.
    submit(tmp_path / "submitted", "b", notebook(WRONG))
    fourth = grade()
    assert fourth.graded == 0
    assert found(fourth)["b"] == (0, "squared", ())


COPIED = """
def practice(x):
    result = x + x
    for axis, side in enumerate(np.shape(x)):
        if side > 1000 and result.ndim > 4:
            first, second = result.take(range(3), axis), result.take(range(3, side), axis)
            result = np.concatenate([first, second], axis=axis).reshape(np.shape(x))
    return result
"""


def test_what_deserves_a_look_is_flagged_and_costs_nothing(grade, notebook, tmp_path):
    submit(tmp_path / "submitted", "a", notebook(COPIED))
    renamed = COPIED.replace("result", "doubled").replace("axis", "i").replace("i=i", "axis=i")
    submit(tmp_path / "submitted", "b", notebook(renamed))
    submit(
        tmp_path / "submitted",
        "c",
        notebook("from cnnkit import oracle\ndef practice(x):\n    oracle.conv2d\n    return x + x"),
    )
    assert found(grade()) == {
        "a": (1, "", ("similar: b",)),
        "b": (1, "", ("similar: a",)),
        "c": (1, "", ("library: cnnkit.oracle.conv2d",)),
    }
    assert ["a", UNIT, "practice", "1", "1", "", "similar: b"] in rows(tmp_path / "results")
    assert "similar b" in (tmp_path / "results" / "report" / "index.html").read_text()
    for page in (tmp_path / "results" / "feedback").rglob("*.html"):
        assert "similar" not in page.read_text() and "library" not in page.read_text()


def test_a_gradebook_elsewhere_is_found_again_by_every_command(grade, notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    submit(tmp_path / "submitted", "a", notebook())
    elsewhere, results = tmp_path / "elsewhere.db", tmp_path / "results"
    assert grade(db="sqlite:///elsewhere.db").notes == []
    with Gradebook(f"sqlite:///{elsewhere}", "cnn-course") as book:
        book.find_grade("practice", UNIT, UNIT, "a").manual_score = 0.5
        book.db.commit()
    monkeypatch.chdir(results)
    assert found(grade()) == {"a": (0.5, "", ("manual",))}
    for command in ("report", "export"):
        done = CliRunner().invoke(cli.main, [command, "--output", str(results)])
        assert done.exit_code == 0, done.stderr
    assert ["a", UNIT, "practice", "0.5", "1", "", "manual"] in rows(results)
    assert f"a,,,,{UNIT},0.5,4," in (results / "export-csv.csv").read_text()
    assert not (results / "gradebook.db").exists()
    (note,) = grade(db=f"sqlite:///{tmp_path}/third.db").notes
    assert re.search(r"these marks are in sqlite:.*/third\.db, but .*nbgrader_config\.py names .*elsewhere\.db", note)


def test_a_gradebook_that_is_gone_is_named_and_none_is_made(grade, notebook, tmp_path):
    submit(tmp_path / "submitted", "a", notebook())
    grade()
    before = (tmp_path / "results" / "grades.csv").read_bytes()
    (tmp_path / "results" / "gradebook.db").unlink()
    for command in ("report", "export"):
        done = CliRunner().invoke(cli.main, [command, "--output", str(tmp_path / "results")])
        assert done.exit_code == 2
        assert f"there is no gradebook sqlite:///{tmp_path}/results/gradebook.db" in done.stderr
    assert not (tmp_path / "results" / "gradebook.db").exists()
    assert (tmp_path / "results" / "grades.csv").read_bytes() == before


def test_a_gradebook_that_could_not_be_made_is_not_remembered(grade, notebook, tmp_path):
    submit(tmp_path / "submitted", "a", notebook())
    with pytest.raises(GradebookError, match="unable to open database"):
        grade(db="sqlite:////no/such/folder/g.db")
    grade()
    assert (tmp_path / "results" / "gradebook.db").is_file()


def test_a_folder_of_results_may_be_moved(grade, notebook, tmp_path):
    submit(tmp_path / "submitted", "a", notebook())
    grade()
    moved = (tmp_path / "results").rename(tmp_path / "moved")
    done = CliRunner().invoke(cli.main, ["report", "--output", str(moved)])
    assert done.exit_code == 0, done.stderr
    assert ["a", UNIT, "practice", "1", "1", "", ""] in rows(moved)


def aged(results, *path):
    """Take a field out of what the journal has of each result, as if a version without it had written the line."""
    journal = results / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        found = line
        for name in path[:-1]:
            found = found.get(name, {})
        found.pop(path[-1], None)
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.mark.parametrize(
    "path", [("shapes",), ("graded", "flags"), ("graded", "verdicts", "practice", "score"), ("graded",), ("key",)]
)
def test_a_report_on_results_of_another_version_says_to_grade_again(grade, notebook, tmp_path, path):
    for student in "ab":
        submit(tmp_path / "submitted", student, notebook())
    grade()
    results = tmp_path / "results"
    aged(results, *path)
    before = (results / "grades.csv").read_bytes()
    done = CliRunner().invoke(cli.main, ["report", "--output", str(results)])
    if path != ("key",):  # without which a result is read all the same
        words = f"graded by another version of the autograder: a {UNIT}, b {UNIT}; grade again, "
        command = f"autograder grade {UNIT} --regrade"
        assert (done.exit_code, done.stderr) == (2, f"error: {words}{command}\n")
    assert (results / "grades.csv").read_bytes() == before
    assert grade(regrade=True).notes == []
    assert CliRunner().invoke(cli.main, ["report", "--output", str(results)]).exit_code == 0
    assert (results / "grades.csv").read_bytes() == before


def test_a_run_leaves_out_results_of_another_version_and_says_so(grade, notebook, tmp_path):
    for student in "ab":
        submit(tmp_path / "submitted", student, notebook())
    grade()
    aged(tmp_path / "results", "graded", "flags")
    shutil.rmtree(tmp_path / "submitted" / "a")
    summary = grade(regrade=True)
    (note,) = summary.notes
    assert note.startswith("left out of grades.csv and the report: graded by another version of the autograder: a ")
    assert [row.student for row in summary.rows] == ["b"]


def test_a_changed_lesson_or_seed_means_grading_again(grade, notebook, course, tmp_path):
    submit(tmp_path / "submitted", "a", notebook())
    assert grade().graded == 1
    assert grade(seed=5).graded == 1
    try:
        write_unit(course, SOURCE.replace("What is twice a number?", "What is two times a number?"))
        assert grade(seed=5).graded == 1
    finally:
        write_unit(course)


def test_a_page_that_cannot_be_written_costs_nobody_else_theirs(grade, notebook, tmp_path, monkeypatch):
    for student in "abc":
        submit(tmp_path / "submitted", student, notebook())
    whole = feedback.render

    def render(student, *more):
        return whole(student, *more) if student != "b" else {}["no such thing"]

    monkeypatch.setattr(feedback, "render", render)
    summary = grade()
    assert summary.notes == [f"b {UNIT} has no feedback page, it could not be written: KeyError: 'no such thing'"]
    results = tmp_path / "results"
    assert sorted(page.parts[-3] for page in (results / "feedback").rglob("*.html")) == ["a", "c"]
    assert [row[0] for row in rows(results)[1:]] == ["a", "b", "c"]
    assert (results / "report" / "index.html").is_file()
    monkeypatch.undo()
    assert grade().notes == []
    assert (results / "feedback" / "b" / UNIT / f"{UNIT}.html").is_file()


def test_a_page_is_written_whole_or_not_at_all(grade, notebook, tmp_path, monkeypatch):
    submit(tmp_path / "submitted", "a", notebook(WRONG))
    grade()
    page = tmp_path / "results" / "feedback" / "a" / UNIT / f"{UNIT}.html"
    before = page.read_bytes()
    submit(tmp_path / "submitted", "a", notebook(RIGHT))
    monkeypatch.setattr(os, "replace", fail_for(page, os.replace))
    with pytest.raises(OSError, match="no room"):
        grade()
    assert page.read_bytes() == before
    monkeypatch.undo()
    grade()
    assert page.read_bytes() != before and b"all cases pass" in page.read_bytes()


def fail_for(path, replace):
    def failing(here, there):
        if there == path:
            raise OSError(errno.ENOSPC, "no room")
        replace(here, there)

    return failing


def test_marks_for_other_cells_are_not_overwritten(grade, notebook, course, tmp_path):
    submit(tmp_path / "submitted", "a", notebook())
    grade()
    other = SOURCE.replace('written="why_double"', 'written="another"')
    try:
        write_unit(course, other)
        with pytest.raises(GradebookError, match=r"Cannot add or remove cells .* grade into another folder"):
            grade()
    finally:
        write_unit(course)


def test_a_refused_submission_stays_refused_until_it_is_mended(grade, notebook, tmp_path):
    folder = tmp_path / "submitted"
    submit(folder, "other", nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]))
    (folder / "empty" / UNIT).mkdir(parents=True)
    submit(folder, "cut", "")
    submit(folder, "good", notebook())
    summary = grade()
    assert found(summary) == {"good": (1, "", ())}
    assert summary.refused == {
        ("other", UNIT): "no cell of any exercise of this unit is in the notebook",
        ("empty", UNIT): f"no {UNIT}.ipynb in the folder",
        ("cut", UNIT): "the file is empty",
    }
    assert report_again(tmp_path / "results").refused == summary.refused
    shutil.rmtree(folder / "other")
    shutil.rmtree(folder / "cut")
    assert list(grade().refused) == list(report_again(tmp_path / "results").refused) == [("empty", UNIT)]
    submit(folder, "other", notebook())
    shutil.rmtree(folder / "empty")
    submit(folder, "empty", notebook())
    assert grade().refused == {}


def test_what_nothing_came_of_is_named_until_it_is_gone(grade, notebook, tmp_path):
    submit(tmp_path / "submitted", "good", notebook())
    (tmp_path / "submitted" / "bob").mkdir()
    (tmp_path / "submitted" / "bob" / "answers.zip").write_text("")
    told = {"bob": "no notebook of any unit, only answers.zip"}
    assert grade().strays == told
    assert report_again(tmp_path / "results").strays == told
    assert "bob: no notebook of any unit" in (tmp_path / "results" / "report" / "index.html").read_text()
    shutil.rmtree(tmp_path / "submitted" / "bob")
    assert grade().strays == report_again(tmp_path / "results").strays == {}


def test_a_late_penalty_of_nbgraders_is_taken_off(grade, notebook, tmp_path):
    path = submit(tmp_path / "submitted", "late", notebook())
    dated(path.parent / "timestamp.txt", "2025-03-02 10:00:00 UTC\n", "2025-03-02 10:00:01")
    grade()
    with Gradebook(gradebook.sqlite_url(tmp_path / "results"), "cnn-course") as book:
        book.update_or_create_assignment(UNIT, duedate="2025-03-01 10:00:00 UTC")
    config = tmp_path / "results" / "nbgrader_config.py"
    config.write_text(config.read_text() + 'c.LateSubmissionPlugin.penalty_method = "zero"\n')
    assert grade(regrade=True).graded == 1
    page = (tmp_path / "results" / "feedback" / "late" / UNIT / f"{UNIT}.html").read_text()
    assert "1 points were taken off for being late" in page


def test_a_penalty_is_taken_back_when_the_due_date_moves(grade, notebook, tmp_path):
    path, results = submit(tmp_path / "submitted", "late", notebook()), tmp_path / "results"
    dated(path.parent / "timestamp.txt", "2025-03-02 10:00:00 UTC\n", "2025-03-02 10:00:01")
    grade()
    config = results / "nbgrader_config.py"
    config.write_text(config.read_text() + 'c.AssignLatePenalties.plugin_class = "autograder.late.PerDay"\n')
    for due, penalty in [("2025-03-01", "0.1"), ("2025-04-01", "0"), ("2025-02-28", "0.2"), (None, "0")]:
        with Gradebook(gradebook.sqlite_url(results), "cnn-course") as book:
            book.update_or_create_assignment(UNIT, duedate=due and f"{due} 10:00:00 UTC")
        report_again(results)
        (row,) = csv.DictReader(io.StringIO(export(results, "csv")))
        assert (due, row["late_penalty"]) == (due, penalty)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("AssignLatePenalties.plugin_class = 'autograder.late.PerDai'", "PerDai' could not be imported"),
        ("PerDay.share = 10  # per cent, somebody thought", "should not be greater than 1, but"),
        ("PerDay.share = -0.1", "should not be less than 0, but"),
        ("PerDay.grace_minutes = 'ten'", "expected a float, not the str 'ten'"),
    ],
)
def test_a_late_policy_that_cannot_be_is_one_line(grade, notebook, tmp_path, policy, told):
    path, results = submit(tmp_path / "submitted", "late", notebook()), tmp_path / "results"
    dated(path.parent / "timestamp.txt", "2025-03-02 10:00:00 UTC\n", "2025-03-02 10:00:01")
    grade()
    config, before = results / "nbgrader_config.py", (results / "grades.csv").read_bytes()
    config.write_text(config.read_text() + 'c.AssignLatePenalties.plugin_class = "autograder.late.PerDay"\n')
    config.write_text(config.read_text() + f"c.{policy}\n")
    with Gradebook(gradebook.sqlite_url(results), "cnn-course") as book:
        book.update_or_create_assignment(UNIT, duedate="2025-03-01 10:00:00 UTC")
    with pytest.raises(GradebookError, match=f"late penalties, as nbgrader_config.py has them: .*{told}"):
        report_again(results)
    assert (results / "grades.csv").read_bytes() == before


def test_a_class_that_was_copied_without_its_dates_is_not_late_in_silence(grade, notebook, tmp_path):
    original = tmp_path / "original"
    for student in ("ada", "bob"):
        path = submit(original, student, notebook())
        dated(path.parent / "timestamp.txt", "2025-03-02 10:00:00 UTC\n", "2025-03-02 10:00:01")
    subprocess.run(["cp", "-r", original, tmp_path / "submitted"], check=True)
    (note,) = grade().notes
    assert note.startswith("2 time stamps are more than a day off the dates of their files, which count: ada 00-")
    with cli.console.capture() as captured:
        cli._show(Summary(notes=[note]), ())
    assert captured.get().splitlines()[-1] == f"note {note}"
    assert grade().notes == [note]
    # What it says to do.
    subprocess.run(["cp", "-a", f"{original}/.", tmp_path / "submitted"], check=True)
    assert grade(regrade=True).notes == []
    with Gradebook(gradebook.sqlite_url(tmp_path / "results"), "cnn-course") as book:
        assert book.find_submission(UNIT, "ada").timestamp == datetime(2025, 3, 2, 10)


def dated(path, text, time):
    """Write a file that is as old as the text ``time`` says, in UTC."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (datetime.fromisoformat(f"{time}+00:00").timestamp(),) * 2)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2025-03-02 09:59:00 UTC", "2025-03-02 09:59:00"),
        ("2025-03-02 12:00:00 CET\n", "2025-03-02 11:00:00"),
        ("1999-01-01 00:00:00 UTC", "2025-03-02 10:00:00"),
        ("2999-01-01 00:00:00 UTC", "2025-03-02 10:00:00"),
        ("", "2025-03-02 10:00:00"),
        ("yesterday", "2025-03-02 10:00:00"),
        ("9" * 400, "2025-03-02 10:00:00"),
        (b"\xff\xfe", "2025-03-02 10:00:00"),
    ],
)
def test_a_time_that_is_forged_or_cannot_be_read_is_that_of_the_collection(tmp_path, text, read):
    dated(tmp_path / "timestamp.txt", text, "2025-03-02 10:00:00")
    doubted = text[:4] in ("1999", "2999")
    assert gradebook.read_timestamp(tmp_path) == (datetime.fromisoformat(read), doubted)


def test_a_time_that_is_no_file_is_none(tmp_path):
    assert gradebook.read_timestamp(tmp_path) == (None, False)
    os.mkfifo(tmp_path / "timestamp.txt")
    assert gradebook.read_timestamp(tmp_path) == (None, False)
    (tmp_path / "timestamp.txt").unlink()
    (tmp_path / "timestamp.txt").symlink_to("/dev/zero")
    assert gradebook.read_timestamp(tmp_path) == (None, False)


def test_a_new_gradebook_is_the_one_that_nbgrader_makes(tmp_path, monkeypatch):
    nbgraders = Gradebook(gradebook.sqlite_url(tmp_path))
    with contextlib.closing(nbgraders), sqlite3.connect(tmp_path / "gradebook.db") as made:
        theirs = _layout(made)
    monkeypatch.setenv("PATH", "")  # where nbgrader finds no alembic
    (tmp_path / "ours").mkdir()
    gradebook.create(gradebook.sqlite_url(tmp_path / "ours"))
    with sqlite3.connect(tmp_path / "ours" / "gradebook.db") as made:
        assert _layout(made) == theirs


def test_a_gradebook_that_could_not_be_finished_is_made_the_next_time(tmp_path):
    program = """
import resource, sys
from autograder import gradebook
resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, resource.RLIM_INFINITY))
gradebook.create(sys.argv[1])
"""
    made, whole = (gradebook.sqlite_url(tmp_path / name) for name in ("made", "whole"))
    (tmp_path / "made").mkdir()
    (tmp_path / "whole").mkdir()
    done = subprocess.run([sys.executable, "-c", program, made], capture_output=True, text=True, timeout=120)
    assert "GradebookError" in done.stderr
    layouts = []
    for url in (made, whole):
        gradebook.create(url)
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            layouts.append(_layout(database))
    assert layouts[0] == layouts[1]


def _layout(database):
    """The tables with their columns, and which version of the layout it is said to be."""
    tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
    columns = {name: [row[1:4] for row in database.execute(f"pragma table_info({name})")] for name in tables}
    return columns, database.execute("select version_num from alembic_version").fetchall()


def test_full_names_from_the_collection_are_in_the_gradebook(grade, notebook, tmp_path):
    submit(tmp_path / "submitted", "ada-1", notebook())
    (tmp_path / "submitted" / "names.json").write_text('{"ada-1": "Ada King Lovelace"}')
    grade()
    with Gradebook(gradebook.sqlite_url(tmp_path / "results"), "cnn-course") as book:
        student = book.find_student("ada-1")
        assert (student.first_name, student.last_name) == ("Ada King", "Lovelace")
        book.update_or_create_student("ada-1", first_name="Ada", last_name="King Lovelace")
    grade(regrade=True)
    with Gradebook(gradebook.sqlite_url(tmp_path / "results"), "cnn-course") as book:
        student = book.find_student("ada-1")
        assert (student.first_name, student.last_name) == ("Ada", "King Lovelace")  # as its instructor has it


def test_what_canvas_gave_out_goes_back_to_canvas(grade, notebook, tmp_path):
    with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as archive:
        archive.writestr("lovelaceada_12345_678_answers.ipynb", nbformat.writes(notebook()))
    collect(tmp_path / "submissions.zip", "canvas", tmp_path / "submitted", [UNIT])
    grade()
    row = export(tmp_path / "results", "canvas").splitlines()[-1]
    assert row == "lovelaceada-12345,12345,,,,1"


KILLED = """
import os, signal, sys
from pathlib import Path
from autograder.run import Run

def notify(done, total, name):
    if name:  # a result has come in
        os.kill(os.getpid(), getattr(signal, sys.argv[4]))

Run(units=(sys.argv[3],), submitted=Path("submitted"), output=Path("results"), root=Path(sys.argv[1]),
    notify=notify, jobs=int(sys.argv[2]))()
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_run_that_was_stopped_goes_on(grade, notebook, course, tmp_path, temporary, how):
    for student in "abcde":
        submit(tmp_path / "submitted", student, notebook())
    scratch = temporary()
    arguments = [sys.executable, "-c", KILLED, str(course), "2", UNIT, how]
    environment = os.environ | {"TMPDIR": str(scratch)}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == -getattr(signal, how), done.stderr
    wait_for_the_end_of(scratch)
    # As a write that was cut off leaves it.
    with open(tmp_path / "results" / "journal.jsonl", "a") as journal:
        journal.write('{"key": "half a li')
    summary = grade()
    assert 0 < summary.graded < 5
    assert summary.graded + summary.unchanged == 5
    assert found(summary) == dict.fromkeys("abcde", (1, "", ()))
    with sqlite3.connect(tmp_path / "results" / "gradebook.db") as db:
        assert db.execute("select count(*) from submitted_notebook").fetchone() == (5,)
        assert db.execute("select count(*) from grade where auto_score is not null").fetchone() == (10,)
    assert grade().graded == 0


def wait_for_the_end_of(scratch, seconds=60):
    """Until no process with that TMPDIR is left; fails when it takes too long."""
    mark, deadline = f"TMPDIR={scratch}".encode(), time.monotonic() + seconds
    while any(mark in _read(path) for path in Path("/proc").glob("[0-9]*/environ")):
        assert time.monotonic() < deadline, "processes linger"


def test_what_the_journal_has_and_the_gradebook_lost_is_written_again(grade, notebook, tmp_path):
    for student in "ab":
        submit(tmp_path / "submitted", student, notebook())
    grade()
    results = tmp_path / "results"
    with Gradebook(gradebook.sqlite_url(results), "cnn-course") as book:
        book.remove_submission(UNIT, "a")
    (results / "autograded" / "b" / UNIT / f"{UNIT}.ipynb").unlink()
    summary = grade()
    assert (summary.graded, summary.unchanged) == (0, 2)
    assert found(summary) == {"a": (1, "", ()), "b": (1, "", ())}
    assert (results / "autograded" / "b" / UNIT / f"{UNIT}.ipynb").is_file()


def test_a_fault_of_the_grader_is_a_reason_and_no_crash(notebook, course, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(worker, "_scorer", fail)
    released = nbformat.writes(skeleton(UNIT, course))
    job = worker.pack(nbformat.writes(notebook()).encode(), released, {}, worker.Settings(3))
    assert worker.unpack(worker.work(job)).refused == "the grader failed on it: ZeroDivisionError: a fault"


# What a cell or a function does to the process it runs in


def outcome(notebook, course, limits=None, **more):
    with Scorer(seed=3, limits=limits or Limits(cell=120, check=120)) as scorer:
        return scorer.grade(merge(skeleton(UNIT, course), parse(nbformat.writes(notebook(**more)).encode())))


def test_a_cell_that_ends_the_process_is_left_out_and_the_rest_counts(notebook, course):
    graded = outcome(notebook, course, answer=RIGHT, added="import os; os._exit(0)")
    assert graded.verdicts["practice"].passed
    (output,) = graded.notebook.cells[-1].outputs
    assert output.evalue == "the process ended here: does it exit, or crash?"


def test_outputs_beyond_all_measure_are_left_out_and_the_rest_counts(notebook, course, monkeypatch):
    monkeypatch.setattr("autograder.score.MAX_OUTPUT", 1000)
    many = notebook(added="print('x' * 2000)")
    many.cells.append(nbformat.v4.new_code_cell("1"))
    with Scorer(seed=3, limits=Limits(cell=120, check=120)) as scorer:
        graded = scorer.grade(merge(skeleton(UNIT, course), parse(nbformat.writes(many).encode())))
    assert graded.verdicts["practice"].passed
    first, second = graded.notebook.cells[-2:]
    assert len(first.outputs[0].text) == 2001
    assert second.outputs == [outputs.left_out()]


def test_an_answer_that_ends_the_process_scores_nothing_and_says_so(notebook, course):
    graded = outcome(notebook, course, answer=f"{RIGHT}\nimport os; os._exit(0)")
    assert graded.verdicts["practice"].score == 0
    assert "its cell did not end well" in graded.verdicts["practice"].message
    assert graded.flags["practice"] == ["undefined"]


def test_an_answer_whose_cell_fails_says_why(notebook, course):
    graded = outcome(notebook, course, answer="def practice(x:\n    return x")
    assert re.search("its cell ended in SyntaxError", graded.verdicts["practice"].message)


def test_a_result_survives_the_journal(notebook, course):
    data = outcome(notebook, course, answer=WRONG, added="print('added')").to_dict()
    through = Graded.from_dict(json.loads(json.dumps(data)))
    assert json.dumps(through.to_dict()) == json.dumps(data)


def test_an_answer_that_is_not_the_same_twice_is_flagged(notebook, course):
    graded = outcome(notebook, course, answer="import time\ndef practice(x):\n    return time.perf_counter_ns()")
    assert graded.flags["practice"] == ["differs"]
    counts = "calls = []\ndef practice(x):\n    calls.append(x)\n    return x + x if len(calls) <= COUNT else None"
    cases = len(evaluate("practice", lambda x: x + x, seed=3).cases)
    graded = outcome(notebook, course, answer=counts.replace("COUNT", str(cases)))
    assert (graded.verdicts["practice"].passed, graded.flags["practice"]) == (True, ["differs"])


@pytest.mark.parametrize("answer", [RIGHT, WRONG, "def practice(x):\n    raise NotImplementedError", "practice = 3"])
def test_an_answer_that_is_the_same_twice_is_not_flagged(notebook, course, answer):
    assert "differs" not in outcome(notebook, course, answer=answer).flags["practice"]


def test_a_fault_of_the_grader_costs_the_exercise_alone_and_is_flagged(notebook, course, monkeypatch):
    def judge(expected, outcomes):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(verdict, "judge", judge)
    graded = outcome(notebook, course)
    assert graded.flags["practice"] == ["grader failed"]
    assert (
        graded.verdicts["practice"].message == "The grader failed on what practice returned: ZeroDivisionError: a fault"
    )


def test_the_function_as_it_is_at_the_check_counts(notebook, course):
    graded = outcome(notebook, course, answer=RIGHT, added="practice = None")
    assert graded.verdicts["practice"].passed


# Bad input, from the command line


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """One blank submission of the course's own unit 00."""
    folder = tmp_path_factory.mktemp("handed in")
    submit(folder, "blank", skeleton(UNIT))
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--submitted", "nowhere", "--output", "out"], "Directory 'nowhere' does not exist"),
        (["--submitted", "file", "--output", "out"], "Directory 'file' is a file"),
        (
            ["--submitted", "empty", "--output", "out"],
            "error: empty holds no <student>/<unit>/<unit>.ipynb of any unit",
        ),
        (["--submitted", "zipped", "--output", "out"], "of any unit; bob: no notebook of any unit, only answers.zip"),
        (["--submitted", "in", "--output", "in/results"], "in/results lies in in, as students do; choose a folder"),
        (["--submitted", "in", "--output", "in"], "in lies in in, as students do"),
        (["03-conv-forwrd", "--submitted", "in", "--output", "out"], "did you mean 03-conv-forward?"),
        (["03", "--submitted", "in", "--output", "out"], "did you mean 03-conv-forward?"),
        (["3", "--submitted", "in", "--output", "out"], "did you mean 03-conv-forward?"),
        (["zzz", "--submitted", "in", "--output", "out"], "there are 00-start-here, "),
        (["--submitted", "in", "--output", "taken"], "error: the gradebook sqlite:///"),
        (["--submitted", "in", "--output", "out", "--db", "sqlite:////no/such/folder/g.db"], "unable to open database"),
        (["--submitted", "in", "--output", "out", "--db", "nonsense"], "; take sqlite:////folder/gradebook.db or "),
        (["--submitted", "in", "--output", "out", "--db", "odd://x"], "odd://x cannot be used: Can't load plugin: "),
        (["--submitted", "in", "--output", "out", "--db", "mysql://x/y"], "needs MySQLdb: take sqlite:////folder/"),
        (["--submitted", "in", "--output", "seedless"], "secret-seed.txt should hold one number"),
        (["--submitted", "in", "--output", "odd"], "nbgrader_config.py cannot be used: NameError"),
        (["--submitted", "in", "--output", "file"], "Directory 'file' is a file"),
        (["--submitted", "in", "--output", "file/below"], "error: file/below cannot be written: Not a directory"),
        (["--submitted", "in"], "Missing option '--output'"),
        (["--submitted", "in", "--output", "out", "--jobs", "0"], "0 is not in the range"),
        (["--submitted", "in", "--output", "out", "--memory", "inf"], "inf is not in the range"),
        (["--submitted", "in", "--output", "out", "--cell-seconds", "nan"], "'nan' is not a number"),
        (["--submitted", "in", "--output", "out", "--check-seconds", "-inf"], "-inf is not in the range"),
    ],
)
def test_bad_usage_is_one_clear_line_and_2(tmp_path, monkeypatch, handed_in, arguments, message):
    (tmp_path / "in").symlink_to(handed_in)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "zipped" / "bob").mkdir(parents=True)
    (tmp_path / "zipped" / "bob" / "answers.zip").write_text("")
    (tmp_path / "taken" / "gradebook.db").mkdir(parents=True)
    (tmp_path / "seedless").mkdir()
    (tmp_path / "seedless" / gradebook.SEED_FILE).write_text("not a number")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "nbgrader_config.py").write_text("c = undefined")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.main, ["grade", *arguments])
    assert done.exit_code == 2, done.stdout
    line = done.stderr.strip().splitlines()[-1]
    assert message in line
    assert "Traceback" not in done.stderr


def test_a_fault_of_our_own_is_not_taken_for_a_refusal(monkeypatch, handed_in, tmp_path):
    monkeypatch.setattr("autograder.run.check_units", lambda units: 1 / 0)
    done = CliRunner().invoke(cli.main, ["grade", "--submitted", str(handed_in), "--output", str(tmp_path / "out")])
    assert done.exit_code == 3
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("command", [["grade", "--submitted", ".", "--output", "out"], ["build"], ["selftest"]])
def test_what_an_installation_for_students_lacks_is_one_line(command, tmp_path):
    lacking = f"""
import sys
sys.modules |= dict.fromkeys(["jupytext", "scipy"])
sys.argv = ["autograder", *{command}]
from autograder.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", lacking], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 3, done.stderr
    assert re.fullmatch(r"error: (jupytext|scipy)\S* is not installed: .* -e '\.\[grading\]'\n", done.stderr)


def test_a_full_disk_is_one_line_and_what_was_graded_is_kept(tmp_path, handed_in):
    there = tmp_path / "out" / "autograded" / "blank" / UNIT
    there.mkdir(parents=True)
    (there / f".{UNIT}.ipynb.new").symlink_to("/dev/full")
    arguments = ["grade", "--submitted", handed_in, "--output", tmp_path / "out"]
    done = autograder(*arguments)
    notebook = there / f"{UNIT}.ipynb"
    told = "what was graded is kept: make room, and the same command goes on from here"
    assert done.stderr == f"error: {notebook}: No space left on device; {told}\n"
    assert done.returncode == 3 and list(there.iterdir()) == []
    assert "0 graded, 1 unchanged" in autograder(*arguments).stdout
    assert notebook.is_file()


def test_two_runs_do_not_write_one_journal(grade, notebook, tmp_path):
    from autograder.journal import Journal

    submit(tmp_path / "submitted", "a", notebook())
    (tmp_path / "results").mkdir()
    with (
        Journal(tmp_path / "results" / "journal.jsonl"),
        pytest.raises(UsageError, match="another run is grading into"),
    ):
        grade()


def test_a_report_on_nothing_is_refused(tmp_path):
    done = CliRunner().invoke(cli.main, ["report", "--output", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (2, f"error: nothing was graded into {tmp_path}\n")


def test_a_folder_with_too_long_a_name_for_a_socket_is_named(tmp_path, handed_in):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    arguments = ["grade", "--submitted", handed_in, "--output", tmp_path / "out"]
    done = autograder(*arguments, env=os.environ | {"TMPDIR": str(deep)})
    assert done.returncode == 3
    assert f"error: workers cannot be started below {deep}" in done.stderr and "set TMPDIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_password_in_a_url_is_not_shown(tmp_path, handed_in):
    url = "postgresql://teacher:swordfish@localhost:1/course"
    arguments = ["grade", "--submitted", str(handed_in), "--output", str(tmp_path / "out"), "--db", url]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 2
    assert "swordfish" not in done.stdout + done.stderr
    assert not [path for path in (tmp_path / "out").iterdir() if "swordfish" in path.read_text()]


# The selftest


class Pages:
    """Stands for the console."""

    def __init__(self):
        self.lines = []

    def print(self, line, **_):
        self.lines.append(str(line))


def test_the_selftest_passes(course):
    pages = Pages()
    assert selftest.run((UNIT,), "cpu", pages, course)
    assert pages.lines[-1] == "All is as it should be."


def test_the_selftest_takes_other_cases_from_another_seed(monkeypatch):
    seeds, expect = set(), verdict.expect
    monkeypatch.setattr(verdict, "expect", lambda name, seed, device: (seeds.add(seed), expect(name, seed, device))[1])
    done = CliRunner().invoke(cli.main, ["selftest", UNIT, "--seed", "70007"])
    assert done.exit_code == 0
    assert seeds == {70007}


def test_the_selftest_says_what_is_off(course, monkeypatch):
    monkeypatch.setattr(selftest, "answers", lambda name: [lambda x: x * x] * 3)
    write_unit(course, SOURCE.replace(SOLUTION, SOLUTION.replace("x + x", "x + 1")))
    pages = Pages()
    try:
        assert not selftest.run((UNIT,), "cpu", pages, course)
    finally:
        write_unit(course)
    told = "\n".join(pages.lines)
    assert "practice, reference: 0 of 1" in told
    assert "practice, right answer 1: 0 of 1" in told
    assert pages.lines[-1] == "4 of these are off."


def test_the_command_names_every_unit(course):
    assert build.units(course) == [UNIT]
    done = CliRunner().invoke(cli.main, ["selftest", "no-such-unit"])
    assert done.exit_code == 2 and "there are 00-start-here, " in done.stderr
