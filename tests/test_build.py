"""The build: what it makes, that it makes the same twice, and what it refuses."""

import copy
import re
from pathlib import Path

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import ClearSolutions
from small_course import CHECK, HEADER, LESSON, SOLUTION, SOURCE, UNIT, WRITTEN, write_unit

from autograder import build
from autograder.errors import BuildError
from autograder.nbgrader_config import CODE_STUB, TEXT_STUB
from cnnkit import exercises

ROOT = Path(__file__).resolve().parents[1]


def cells_by_grade_id(nb):
    return {c.metadata.nbgrader.grade_id: c for c in nb.cells if "nbgrader" in c.metadata}


@pytest.fixture
def source(tmp_path):
    return build.source_notebook(write_unit(tmp_path))


# What is made


def test_marks_become_nbgrader_metadata(source):
    MetadataValidator().validate_nb(source)
    graded = {name: dict(cell.metadata.nbgrader) for name, cell in cells_by_grade_id(source).items()}
    common = {"schema_version": 3, "task": False}
    assert graded == {
        "practice_solution": common
        | {"grade_id": "practice_solution", "grade": False, "solution": True, "locked": False},
        "practice": common
        | {
            "grade_id": "practice",
            "grade": True,
            "solution": False,
            "locked": True,
            "points": exercises.get("practice").max_score,
        },
        "why_double": common
        | {"grade_id": "why_double", "grade": True, "solution": True, "locked": False, "points": 3},
    }


def test_lesson_cells_carry_no_metadata_but_the_demo_tag(source):
    lesson = [cell for cell in source.cells if "nbgrader" not in cell.metadata]
    assert [dict(cell.metadata) for cell in lesson] == [{}, {}, {"tags": ["demo"]}]
    assert set(source.metadata) == {"kernelspec", "language_info"}


def test_a_demo_cell_says_that_it_is_skipped_where_its_code_is_seen(source, tmp_path):
    (seen,) = (cell for cell in build.student_notebook(source).cells if "tags" in cell.metadata)
    assert seen.source == "# skipped when grading\ndrawing = np.linspace(0, 1, 5)\ndrawing"
    tagged = SOURCE.replace('tags=["demo"]', 'tags=["demo", "hide-input"]')
    (folded,) = (c for c in build.source_notebook(write_unit(tmp_path, tagged)).cells if "tags" in c.metadata)
    assert folded.source == "drawing = np.linspace(0, 1, 5)\ndrawing"


def test_code_of_figures_is_folded_in_lab_too(tmp_path):
    tagged = SOURCE.replace('tags=["demo"]', 'tags=["demo", "hide-input"]')
    (cell,) = (c for c in build.source_notebook(write_unit(tmp_path, tagged)).cells if "tags" in c.metadata)
    assert cell.metadata == {"tags": ["demo", "hide-input"], "jupyter": {"source_hidden": True}}


def test_students_get_stubs(source):
    student = build.student_notebook(source)
    cells = cells_by_grade_id(student)
    stub = cells["practice_solution"]
    assert all(f"    {line}" in stub.source.splitlines() for line in CODE_STUB.splitlines())
    assert "all_values_doubled" not in nbformat.writes(student)
    assert cells["why_double"].source == f"Why is the result as large as x?\n\n{TEXT_STUB}"
    assert cells["practice"].source == 'check("practice", practice)'
    assert cells["practice"].metadata.editable is False
    assert not stub.metadata.deletable and "editable" not in stub.metadata
    with pytest.raises(NotImplementedError):
        namespace = {}
        exec(stub.source, namespace)
        namespace["practice"](1)


def test_cell_ids_are_valid_unique_and_stay_with_their_cells(tmp_path, source):
    ids = [cell.id for cell in source.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell_id) for cell_id in ids)
    added = "# %% [markdown]\n# Another paragraph.\n\n"
    longer = build.source_notebook(write_unit(tmp_path, HEADER + added + LESSON + added + SOLUTION + CHECK + WRITTEN))
    new = [cell.id for cell in longer.cells]
    assert len(set(new)) == len(new) == len(ids) + 2
    assert set(ids) < set(new)


def test_same_sources_same_bytes(tmp_path):
    texts = []
    for name in ("one", "two"):
        root = tmp_path / name
        write_unit(root)
        written = build.build(root)
        assert [str(p.relative_to(root)) for p in written] == [
            f"build/source/{UNIT}/{UNIT}.ipynb",
            f"notebooks/{UNIT}/{UNIT}.ipynb",
        ]
        texts.append([p.read_bytes() for p in written])
    assert texts[0] == texts[1]
    assert all(text.endswith(b"}\n") and b"\r" not in text for text in texts[0])
    assert build.build(tmp_path / "one") == []


def test_jupytext_versions_leave_no_trace(tmp_path, source):
    header = HEADER.replace(
        "#       format_name: percent\n", "#       format_name: percent\n#       jupytext_version: 9.9.9\n"
    )
    assert header != HEADER
    assert build.source_notebook(write_unit(tmp_path, header + SOURCE.removeprefix(HEADER))) == source


def test_check_reports_and_writes_nothing(tmp_path):
    write_unit(tmp_path)
    student = tmp_path / "notebooks" / UNIT / f"{UNIT}.ipynb"
    assert build.build(tmp_path, check=True) == [student]
    assert not student.exists() and not (tmp_path / "build").exists()
    build.build(tmp_path)
    assert build.build(tmp_path, check=True) == []
    write_unit(tmp_path, SOURCE.replace("twice a number", "two times a number"))
    before = student.read_bytes()
    assert build.build(tmp_path, check=True) == [student]
    assert student.read_bytes() == before


def test_a_notebook_without_exercises_stands_beside_the_units(tmp_path):
    write_unit(tmp_path)
    (tmp_path / "solutions" / "gallery.py").write_text(HEADER + "# %% [markdown]\n# Pictures.\n\n# %%\nprint(1)\n")
    gallery = tmp_path / "notebooks" / "gallery.ipynb"
    assert gallery in build.build(tmp_path, check=True)
    build.build(tmp_path)
    nb = nbformat.read(gallery, as_version=4)
    assert [cell.source for cell in nb.cells] == ["Pictures.", "print(1)"]
    assert build.build(tmp_path, check=True) == []


def test_sources_can_be_built_without_touching_notebooks(tmp_path):
    write_unit(tmp_path)
    made = build.sources(tmp_path)
    assert made == {UNIT: build.source_notebook(build.author_path(UNIT, tmp_path))}
    assert nbformat.read(built_path(tmp_path), as_version=4) == made[UNIT]
    assert not (tmp_path / "notebooks").exists()


def built_path(root):
    return root / "build" / "source" / UNIT / f"{UNIT}.ipynb"


def test_a_source_is_built_again_only_where_something_has_changed(tmp_path, monkeypatch):
    write_unit(tmp_path)
    first = build.sources(tmp_path)
    made, build_one = [], build.source_notebook
    monkeypatch.setattr(build, "source_notebook", lambda path: (made.append(path), build_one(path))[1])
    assert build.sources(tmp_path) == first and not made
    author = build.author_path(UNIT, tmp_path)
    author.write_text(author.read_text() + "\n# %% [markdown]\n# One cell more.\n")
    assert build.sources(tmp_path)[UNIT].cells[-1].source == "One cell more." and len(made) == 1
    text = built_path(tmp_path).read_text()
    built_path(tmp_path).write_text("damaged")
    build.sources(tmp_path)
    assert built_path(tmp_path).read_text() == text and len(made) == 2
    monkeypatch.setattr(build, "_code", lambda: b"another version")
    build.sources(tmp_path)
    assert len(made) == 3


def test_units_are_listed_in_course_order(tmp_path):
    for unit in ("03-conv-forward", UNIT):
        write_unit(tmp_path, unit=unit)
    (tmp_path / "solutions" / "notes").mkdir()
    assert build.units(tmp_path) == [UNIT, "03-conv-forward"]


# What is refused


def without(text, part):
    assert part in text
    return text.replace(part, "")


BAD = {
    "no kernelspec": (without(SOURCE, HEADER), "no kernelspec in the header"),
    "header that is not YAML": (SOURCE.replace("#   kernelspec:", "#   kernelspec: {"), "cannot be read"),
    "duplicate solution": (
        SOURCE + SOLUTION,
        "solution cell 'practice': grade id 'practice_solution' stands twice",
    ),
    "duplicate check": (SOURCE + CHECK, "check cell 'practice': grade id 'practice' stands twice"),
    "written twice": (SOURCE + WRITTEN, "written cell 'why_double': grade id 'why_double' stands twice"),
    "written as an exercise": (
        SOURCE.replace('written="why_double"', 'written="practice"'),
        "written cell 'practice': grade id 'practice' stands twice",
    ),
    "check without solution": (
        without(SOURCE, SOLUTION),
        "check cell 'practice': no solution cell before it",
    ),
    "check before solution": (
        HEADER + LESSON + CHECK + SOLUTION,
        "check cell 'practice': no solution cell before it",
    ),
    "solution without check": (without(SOURCE, CHECK), "solution cell 'practice': no check cell after it"),
    "exercise left out": (
        without(without(SOURCE, CHECK), SOLUTION),
        "no check cell for 'practice', which the unit's specification has",
    ),
    "unknown exercise": (
        SOURCE + SOLUTION.replace("practice", "thrice") + CHECK.replace("practice", "thrice"),
        "check cell 'thrice': no specification has an exercise of this name",
    ),
    "another unit's exercise": (
        SOURCE + SOLUTION.replace("practice", "conv_params") + CHECK.replace("practice", "conv_params"),
        "check cell 'conv_params': an exercise of unit 03-conv-forward",
    ),
    "no markers": (
        without(without(SOURCE, "    ### BEGIN SOLUTION\n"), "    ### END SOLUTION\n"),
        "solution cell 'practice': no BEGIN SOLUTION / END SOLUTION markers",
    ),
    "no end": (without(SOURCE, "    ### END SOLUTION\n"), "solution cell 'practice': no END SOLUTION after"),
    "end before begin": (
        SOURCE.replace("### BEGIN SOLUTION", "### x")
        .replace("### END", "### BEGIN")
        .replace("### x", "### END SOLUTION"),
        "solution cell 'practice': BEGIN SOLUTION and END SOLUTION do not alternate",
    ),
    "empty solution": (
        without(SOURCE, "    all_values_doubled = x + x\n    return all_values_doubled\n"),
        "solution cell 'practice': nothing stands between",
    ),
    "markers in a lesson cell": (
        SOURCE + "\n# %%\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n",
        "cell 7 ('### BEGIN SOLUTION'): solution markers in a cell that is not marked",
    ),
    "does not define": (
        SOURCE.replace("def practice", "def other"),
        "solution cell 'practice': does not define practice",
    ),
    "not Python": (
        SOURCE.replace("def practice(x):", "def practice(x)"),
        "solution cell 'practice': line 1: expected ':'",
    ),
    "another check": (
        SOURCE.replace('check("practice", practice)', 'check("practice", print)'),
        "check cell 'practice': must read exactly: check(\"practice\", practice)",
    ),
    "solution given away in code": (
        SOURCE + "\n# %%\nall_values_doubled  =  x+x\n",
        "holds a line of the solution of 'practice_solution': all_values_doubled = x + x",
    ),
    "solution given away in text": (
        SOURCE + "\n# %% [markdown]\n# You write `all_values_doubled = x + x`.\n",
        "holds a line of the solution of 'practice_solution': all_values_doubled = x + x",
    ),
    "misspelt option": (SOURCE.replace("check=", "chekc="), "unknown option chekc"),
    "misspelt tag": (SOURCE.replace('"demo"', '"dmeo"'), "unknown tag in ['dmeo']"),
    "demo on a check": (
        SOURCE.replace('check="practice"', 'check="practice" tags=["demo"]'),
        "tags do not belong on graded",
    ),
    "points on a check": (
        SOURCE.replace('check="practice"', 'check="practice" points=2'),
        "points come from the exercise",
    ),
    "written without points": (SOURCE.replace(" points=3", ""), "written cell 'why_double': needs points"),
    "written in code": (
        SOURCE.replace("[markdown] written", "written"),
        "written answers are markdown cells",
    ),
    "name with a blank": (SOURCE.replace("why_double", "why double"), "not a usable name"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals_are_one_line_that_names_file_and_cell(tmp_path, case):
    text, message = BAD[case]
    write_unit(tmp_path, text)
    with pytest.raises(BuildError) as caught:
        build.build(tmp_path)
    line = str(caught.value)
    assert message in line
    assert "\n" not in line
    assert line.startswith((f"solutions/{UNIT}/{UNIT}.py", f"notebooks/{UNIT}/{UNIT}.ipynb"))
    assert not (tmp_path / "notebooks").exists() and not (tmp_path / "build").exists()


def test_refuses_a_unit_that_nobody_specified(tmp_path):
    write_unit(tmp_path, unit="98-unheard-of")
    with pytest.raises(BuildError, match=r"98-unheard-of\.py: cnnkit\.exercises has no unit"):
        build.build(tmp_path)


def test_refuses_unknown_units_and_empty_courses(tmp_path):
    with pytest.raises(BuildError, match="no units here"):
        build.build(tmp_path)
    write_unit(tmp_path)
    with pytest.raises(BuildError, match=f"no unit 03-x; there are {UNIT}"):
        build.build(tmp_path, ["03-x"])


def test_refuses_a_student_notebook_without_a_source(tmp_path):
    write_unit(tmp_path)
    build.build(tmp_path)
    stray = tmp_path / "notebooks" / "02-gone" / "02-gone.ipynb"
    stray.parent.mkdir()
    stray.write_text("{}")
    for check in (True, False):
        with pytest.raises(BuildError, match=r"notebooks/02-gone/02-gone.ipynb: no solutions/02-gone"):
            build.build(tmp_path, check=check)


def test_refuses_files_beside_a_source(tmp_path):
    write_unit(tmp_path)
    beside = tmp_path / "build" / "source" / UNIT / "answers.txt"
    beside.parent.mkdir(parents=True)
    beside.write_text("42")
    with pytest.raises(BuildError, match=r"answers\.txt: nbgrader would release this file"):
        build.build(tmp_path)


def leak_output(nb):
    nb.cells[1].outputs = [nbformat.v4.new_output("stream", text="hello")]


def leak_count(nb):
    nb.cells[1].execution_count = 4


def leak_widgets(nb):
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}


def leak_solution(nb):
    nb.cells[2].source += "\n# all_values_doubled = x + x"


LEAKS = {
    leak_output: "holds an output",
    leak_count: "holds an execution count",
    leak_widgets: "holds widget state",
    leak_solution: "holds a line of the solution",
}


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_leaks_are_found_in_what_is_committed(tmp_path, source, leak):
    write_unit(tmp_path)
    build.build(tmp_path)
    path = tmp_path / "notebooks" / UNIT / f"{UNIT}.ipynb"
    nb = nbformat.read(path, as_version=4)
    leak(nb)
    with pytest.raises(BuildError, match=LEAKS[leak]):
        build.refuse_leaks(nb, source, "x")
    nbformat.write(nb, path)
    with pytest.raises(BuildError, match=f"notebooks/{UNIT}/{UNIT}.ipynb.*{LEAKS[leak]}"):
        build.build(tmp_path, check=True)
    assert build.build(tmp_path) == [path]
    assert build.build(tmp_path, check=True) == []


def test_leaks_are_found_in_what_is_built(source, monkeypatch):
    monkeypatch.setattr(ClearSolutions, "preprocess_cell", lambda self, cell, resources, index: (cell, resources))
    with pytest.raises(BuildError, match="the student notebook, cell 'practice_solution': holds a line"):
        build.student_notebook(source)


def test_somebodys_answer_is_not_overwritten(tmp_path):
    write_unit(tmp_path)
    build.build(tmp_path)
    path = tmp_path / "notebooks" / UNIT / f"{UNIT}.ipynb"
    nb = nbformat.read(path, as_version=4)
    cells_by_grade_id(nb)["practice_solution"].source = "def practice(x):\n    return 2 * x"
    nbformat.write(nb, path)
    before = path.read_bytes()
    with pytest.raises(BuildError, match=r"cell 'practice_solution': somebody's answer; move the file away"):
        build.build(tmp_path)
    assert path.read_bytes() == before


# Solutions do without demo cells


def test_solutions_pass_without_demo_cells(tmp_path):
    write_unit(tmp_path)
    assert build.prove_demo_free(UNIT, tmp_path) == ["practice"]


def test_a_solution_that_leans_on_a_demo_cell_is_found(tmp_path):
    write_unit(tmp_path, SOURCE.replace("x + x", "x + x + 0 * drawing.sum()"))
    with pytest.raises(BuildError, match=f"{UNIT}, without its demo cells, at 'practice': CheckFailed"):
        build.prove_demo_free(UNIT, tmp_path)


# The course itself


@pytest.mark.parametrize("unit", build.units(ROOT))
def test_every_unit_does_without_its_demo_cells(unit):
    assert sorted(build.prove_demo_free(unit)) == sorted(exercises.names(unit=unit))


def test_the_committed_notebooks_are_what_the_sources_make():
    assert build.build(ROOT, check=True) == []


def test_student_notebooks_hold_every_exercise_and_no_solution():
    for unit in build.units(ROOT):
        source = build.source_notebook(ROOT / "solutions" / unit / f"{unit}.py")
        student = build.student_notebook(copy.deepcopy(source))
        build.refuse_leaks(student, source, unit)
        assert [c.id for c in student.cells] == [c.id for c in source.cells]
        assert set(exercises.names(unit=unit)) <= set(cells_by_grade_id(student))
