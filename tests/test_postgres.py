"""The gradebook in PostgreSQL: a real server, nbgrader's own tables."""

import nbformat
import pytest
from nbgrader.api import Gradebook
from postgres import PASSWORD, server
from small_course import UNIT, write_unit
from traitlets.config import PyFileConfigLoader

from autograder import build, gradebook
from autograder.errors import GradebookError
from autograder.export import export
from autograder.run import Run, report_again

pytestmark = pytest.mark.xdist_group("grading")


@pytest.fixture(scope="module")
def database():
    with server() as running:
        yield running


def test_a_class_is_graded_into_postgresql_and_again_where_it_changed(database, tmp_path, monkeypatch):
    url = database.database("a_course")
    released = build.student_notebook(build.source_notebook(write_unit(tmp_path / "course")))

    def submit(student, answer):
        for cell in released.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "practice_solution":
                cell.source = answer
        path = tmp_path / "submitted" / student / UNIT / f"{UNIT}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(released))

    def grade(**more):
        return Run(
            (UNIT,), tmp_path / "submitted", tmp_path / "results", seed=3, db=url, root=tmp_path / "course", **more
        )()

    def scores():
        with gradebook.Book(url) as book:
            return {student: marks["practice"].score for (student, _), marks in book.scores().items()}

    submit("ada", "def practice(x):\n    return x + x")
    submit("bob", "def practice(x):\n    return x * x")
    first = grade()
    assert (first.graded, first.unchanged) == (2, 0)
    assert scores() == {"ada": 1, "bob": 0}
    submit("bob", "def practice(x):\n    return 2 * x")
    second = grade()
    assert (second.graded, second.unchanged) == (1, 1)
    assert scores() == {"ada": 1, "bob": 1}
    with Gradebook(gradebook.with_driver(url), "cnn-course") as book:
        assert [s.id for s in book.students] == ["ada", "bob"]
        assert len(book.assignment_submissions(UNIT)) == 2
    # Formgrader opens what the folder's configuration names.
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(tmp_path / "results")).load_config()
    with Gradebook(config.CourseDirectory.db_url, "cnn-course") as book:
        assert [s.id for s in book.students] == ["ada", "bob"]
    # So do we, without being told again.
    assert [row.score for row in report_again(tmp_path / "results").rows] == [1, 1]
    assert f"ada,,,,{UNIT},1,4," in export(tmp_path / "results", "csv")
    monkeypatch.delenv("PGPASSWORD")
    with pytest.raises(GradebookError, match=r"cannot be used: .*no password supplied"):
        report_again(tmp_path / "results")
    for path in (tmp_path / "results").rglob("*"):
        assert not path.is_file() or PASSWORD not in path.read_text(encoding="utf-8"), path
