"""The configuration that nbgrader reads, and that it finds it."""

import os
from pathlib import Path

from nbgrader.apps import NbGrader
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from traitlets.utils.importstring import import_item

from autograder.nbgrader_config import EXECUTOR, STOCK_EXECUTOR, course_config

ROOT = Path(__file__).resolve().parents[1]


def steps(config):
    return [import_item(name) for name in config.Autograde.autograde_preprocessors]


def test_stock_runs_take_nbgraders_own_steps():
    assert steps(course_config(stock=True)) == Autograde().autograde_preprocessors
    assert import_item(STOCK_EXECUTOR) is Execute


def test_instructors_runs_differ_in_the_executor_alone():
    ours, stock = steps(course_config()), steps(course_config(stock=True))
    assert ours[0] is import_item(EXECUTOR)
    assert ours[1:] == stock[1:]


def test_nbgrader_finds_the_course_when_started_in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)
    app = NbGrader()
    app.load_config_file()
    course = CourseDirectory(parent=app)
    assert course.root == str(ROOT)
    assert course.source_directory == os.path.join("build", "source")
    assert course.db_url == f"sqlite:///{ROOT}/grading/gradebook.db"
    assert course.course_id
    assert import_item(app.config.Autograde.autograde_preprocessors[0]) is import_item(EXECUTOR)


def test_what_students_hand_in_is_not_committed():
    assert (ROOT / "grading" / ".gitignore").read_text().splitlines()[-2:] == ["*", "!.gitignore"]
