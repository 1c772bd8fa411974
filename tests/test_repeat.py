"""The same submissions and the same seed give the same grades.csv; another seed gives the same marks."""

import csv
import shutil

import pytest

from autograder.examples import make
from autograder.run import Run

pytestmark = pytest.mark.xdist_group("grading")

UNIT = "06-pooling-and-losses"


@pytest.fixture(scope="module")
def submitted(tmp_path_factory):
    """The examples of one unit, without the others."""
    folder = tmp_path_factory.mktemp("examples")
    for student in make.students(UNIT):
        shutil.copytree(make.HERE / student / UNIT, folder / student / UNIT)
    return folder


def marks(output):
    with open(output / "grades.csv", newline="", encoding="utf-8") as file:
        return [(row["student"], row["exercise"], row["score"], row["bug"]) for row in csv.DictReader(file)]


def test_grading_again_gives_the_same_and_another_seed_the_same_marks(submitted, tmp_path):
    grade = lambda output, seed: Run((UNIT,), submitted, tmp_path / output, jobs=2, seed=seed, feedback=False)()
    assert grade("first", 7).graded == grade("second", 7).graded == len(make.students(UNIT))
    assert (tmp_path / "first" / "grades.csv").read_bytes() == (tmp_path / "second" / "grades.csv").read_bytes()
    grade("third", 8)
    assert marks(tmp_path / "first") == marks(tmp_path / "third")
    assert marks(tmp_path / "first")
