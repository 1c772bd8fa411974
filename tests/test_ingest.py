"""Reading what students hand in, and placing it into the instructor's notebook."""

import errno
import json
import os

import damage
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell
from small_course import SOURCE, UNIT, write_unit

from autograder import build, ingest
from autograder.ingest import Refusal

ANSWER = "def practice(x):\n    return x + x"
CONV = "03-conv-forward"
MORE = """\
# %% [markdown]
# Text at the end.

# %% tags=["demo"]
print("a demonstration")
"""


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory):
    source = build.source_notebook(write_unit(tmp_path_factory.mktemp("course"), SOURCE + "\n" + MORE))
    return build.student_notebook(source)


@pytest.fixture
def submitted(skeleton):
    """A student's copy, to be changed."""
    return nbformat.reads(nbformat.writes(skeleton), as_version=4)


def cell(nb, grade_id):
    (found,) = (c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)
    return found


def place(nb, grade_id):
    return nb.cells.index(cell(nb, grade_id))


def merge(skeleton, nb):
    return ingest.merge(skeleton, ingest.parse(json.dumps(nb).encode()))


def sources(nb):
    return [c.source for c in nb.cells]


# Finding


def test_submissions_are_found_by_student_and_unit(tmp_path):
    for folder in ("b/" + UNIT, "a/" + UNIT, "a/99-nothing", "a/.ipynb_checkpoints", ".git/" + UNIT, "c"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "a" / "99-nothing" / "notebook.ipynb").write_text("{}")
    (tmp_path / "a" / "sketches").mkdir()
    submissions, strays = ingest.find(tmp_path, [UNIT], [UNIT])
    assert [(s.student, s.path.relative_to(tmp_path).as_posix()) for s in submissions] == [
        ("a", f"a/{UNIT}/{UNIT}.ipynb"),
        ("b", f"b/{UNIT}/{UNIT}.ipynb"),
    ]
    assert strays == {"a/99-nothing": "there is no such unit", "c": "no notebook of any unit, nothing at all"}


def test_whoever_handed_in_something_else_is_named(tmp_path, skeleton, monkeypatch):
    (tmp_path / "_cy" / UNIT).mkdir(parents=True)
    (tmp_path / "_cy" / UNIT / f"{UNIT}.ipynb").write_text(text_of(skeleton))
    for name in ("bob/answers.zip", "dan/a.py", "dan/b.py", "dan/c.py", "dan/d.py", "gus/notes.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "eve" / "06-pooling-and-losses").mkdir(parents=True)
    (tmp_path / "fay").symlink_to(tmp_path / "bob")
    for name in ("__pycache__", "__MACOSX", ".ipynb_checkpoints"):
        (tmp_path / name).mkdir()
    for name in ("all.zip", "hal.ipynb", "names.json"):
        (tmp_path / name).write_text("{}")
    submissions, strays = ingest.find(tmp_path, [UNIT], [UNIT, "06-pooling-and-losses"])
    assert [s.student for s in submissions] == ["_cy"]
    assert strays == {
        "all.zip": "it lies in no student's folder",
        "bob": "no notebook of any unit, only answers.zip",
        "dan": "no notebook of any unit, only a.py, b.py, c.py and 1 more",
        "fay": "a link, not a folder",
        "gus": "no notebook of any unit, only notes.ipynb",
        "hal.ipynb": "it lies in no student's folder",
    }


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_found(tmp_path, skeleton, monkeypatch):
    for student in "abc":
        (tmp_path / student / UNIT).mkdir(parents=True)
        (tmp_path / student / UNIT / f"{UNIT}.ipynb").write_text(text_of(skeleton))
    listing = type(tmp_path).iterdir

    def iterdir(path):
        if path.name == "b":  # a process of root's may read everything
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(type(tmp_path), "iterdir", iterdir)
    submissions, strays = ingest.find(tmp_path, [UNIT], [UNIT])
    assert [s.student for s in submissions] == ["a", "c"]
    assert strays == {"b": "cannot be read: Permission denied"}


def text_of(nb):
    return nbformat.writes(nb)


@pytest.mark.parametrize(
    "place", [f"{UNIT}/my answers.ipynb", f"{UNIT}/sub/{UNIT}.ipynb", f"{UNIT}.ipynb", "homework/week 1.ipynb"]
)
def test_a_notebook_of_another_name_or_folder_is_known_by_its_grade_ids(tmp_path, skeleton, place):
    (tmp_path / "a" / place).parent.mkdir(parents=True)
    (tmp_path / "a" / place).write_text(text_of(skeleton))
    (tmp_path / "a" / "notes.ipynb").write_text(text_of(nbformat.v4.new_notebook()))
    submissions, strays = ingest.find(tmp_path, [UNIT, "06-pooling-and-losses"], [UNIT, "06-pooling-and-losses"])
    assert [(s.student, s.unit, s.path) for s in submissions] == [("a", UNIT, tmp_path / "a" / place)]
    assert not strays


def test_the_notebook_with_the_right_name_comes_first(tmp_path, skeleton):
    for name in (f"{UNIT}.ipynb", "copy.ipynb"):
        (tmp_path / "a" / UNIT).mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / UNIT / name).write_text(text_of(skeleton))
    [submission], _ = ingest.find(tmp_path, [UNIT], [UNIT])
    assert submission.path.name == f"{UNIT}.ipynb"


def test_links_in_place_of_folders_are_refused_and_not_followed(tmp_path, skeleton):
    (tmp_path / "b" / UNIT).mkdir(parents=True)
    (tmp_path / "b" / UNIT / f"{UNIT}.ipynb").write_text(text_of(skeleton))
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / UNIT).symlink_to(tmp_path / "b" / UNIT)
    (tmp_path / "d" / UNIT).mkdir(parents=True)
    (tmp_path / "d" / UNIT / "x.ipynb").symlink_to(tmp_path / "b" / UNIT / f"{UNIT}.ipynb")
    reasons = {}
    for submission in ingest.find(tmp_path, [UNIT], [UNIT])[0]:
        try:
            ingest.load(submission.path)
        except Refusal as refusal:
            reasons[submission.student] = str(refusal)
    assert reasons == {
        "a": "a is no ordinary file",
        "c": f"{UNIT} is no ordinary file",
        "d": f"no {UNIT}.ipynb in the folder",
    }


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.ipynb")
    with pytest.raises(Refusal, match="no ordinary file"):
        ingest.load(tmp_path / "pipe.ipynb")


def test_a_missing_file_a_link_and_a_folder_are_refused(tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_bytes(b"marks")
    (tmp_path / "link.ipynb").symlink_to(secret)
    (tmp_path / "folder.ipynb").mkdir()
    for name, reason in [("none", "no none.ipynb"), ("link", "no ordinary file"), ("folder", "no ordinary file")]:
        with pytest.raises(Refusal, match=reason):
            ingest.load(tmp_path / f"{name}.ipynb")


# Reading


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON: line 1 is damaged"),
        (b'{"cells": [\n', "not JSON: line 2 is damaged"),
        (b"\xff\xfe", "not JSON: line 1 is damaged"),
        (b'{"nbformat": 4, "cells": "\x81"}', "not JSON: byte 26 is not UTF-8"),
        (b'{"nbformat": true, "cells": []}', "JSON, but no notebook"),
        (b'{"nbformat": 4, "cells": [' + b"[]," * 1_100_000 + b"[]]}", "more than 1048576 lists and objects"),
        (b'{"nbformat": 4, "cells": [' + b"1," * 5000 + b"1]}", "5001 cells"),
        (b'{"nbformat": 3, "worksheets": 5}', "format 3, which cannot be converted"),
        (b"[" * 100_000, "not JSON that can be read"),
        (b"[]", "JSON, but no notebook"),
        (b"{}", "JSON, but no notebook"),
        (b'{"nbformat": "4", "cells": []}', "JSON, but no notebook"),
        (b'{"nbformat": 4}', "without a list of cells"),
        (b'{"nbformat": 4, "cells": {}}', "without a list of cells"),
        (b'{"nbformat": 4, "cells": [3]}', "cell 1 is no cell"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code"}]}', "cell 1 has no source text"),
        (b'{"nbformat": 4, "cells": [{"cell_type": 1, "source": ""}]}', "cell 1 has no source text"),
        (b'{"nbformat": 99, "cells": []}', "format 99"),
    ],
)
def test_what_is_no_notebook_is_refused_with_its_reason(data, reason):
    with pytest.raises(Refusal, match=reason) as refusal:
        ingest.parse(data)
    assert "\n" not in str(refusal.value)


def test_a_byte_order_mark_and_lines_in_lists_are_read():
    data = {"nbformat": 4, "cells": [{"cell_type": "code", "source": ["x = 1\n", "x"], "metadata": {}}]}
    (read,) = ingest.parse(b"\xef\xbb\xbf" + json.dumps(data).encode())
    assert read == ingest.Cell("code", "x = 1\nx", None, None)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_other_encodings_are_read(encoding):
    data = {"nbformat": 4, "cells": [{"cell_type": "code", "source": "café = 1", "metadata": {}}]}
    assert ingest.parse(json.dumps(data, ensure_ascii=False).encode(encoding))[0].source == "café = 1"


def test_half_a_character_does_not_stop_the_notebook_from_being_written():
    data = b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "\\ud800"}]}'
    ingest.parse(data)[0].source.encode()


def test_format_3_is_read(submitted):
    cell(submitted, "practice_solution").source = ANSWER
    read = {c.grade_id: c.source for c in ingest.parse(nbformat.writes(submitted, version=3).encode())}
    assert (read["practice"], read["practice_solution"]) == ('check("practice", practice)', ANSWER)


@given(cells=damage.VALUES, version=st.integers(-1, 5))
def test_anything_else_is_read_or_refused(cells, version):
    try:
        read = ingest.parse(json.dumps({"nbformat": version, "cells": cells}).encode())
    except Refusal:
        return
    assert all(isinstance(c.source, str) for c in read)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_notebook_is_refused_or_can_be_graded(several, data):
    damage.check_ingest(several, data.draw(damage.notebooks(several)))


# Merging


def test_the_released_notebook_comes_back_as_it_is(skeleton):
    merged = merge(skeleton, skeleton)
    assert merged.notebook == skeleton
    assert merged.missing == ()
    assert merged.imports == ("import numpy as np", "from cnnkit import check")


def test_answers_are_placed_by_grade_id_even_where_they_were_moved(skeleton, submitted):
    cell(submitted, "practice_solution").source = ANSWER
    cell(submitted, "why_double").source = "Because."
    submitted.cells.reverse()
    merged = merge(skeleton, submitted).notebook
    assert cell(merged, "practice_solution").source == ANSWER
    assert cell(merged, "why_double").source == "Because."
    assert [c.id for c in merged.cells] == [c.id for c in skeleton.cells]


def test_checks_points_and_flags_are_the_instructors(skeleton, submitted):
    check = cell(submitted, "practice")
    check.source = "pass"
    check.metadata.nbgrader.points = 500
    check.metadata.tags = ["skip-execution"]
    cell(submitted, "practice_solution").metadata.nbgrader.solution = False
    assert merge(skeleton, submitted).notebook == skeleton


def test_demonstrations_are_the_instructors(skeleton, submitted):
    (demo,) = (c for c in submitted.cells if c.source.endswith('print("a demonstration")'))
    demo.source = "raise SystemExit"
    assert merge(skeleton, submitted).notebook == skeleton


def test_a_changed_lesson_cell_is_the_students(skeleton, submitted):
    (imports,) = (c for c in submitted.cells if c.source.startswith("import numpy"))
    imports.source += "\nimport math"
    merged = merge(skeleton, submitted)
    assert "import numpy as np\n\nfrom cnnkit import check\nimport math" in sources(merged.notebook)
    assert "import math" not in merged.imports


def test_added_cells_follow_the_cell_that_they_followed(skeleton, submitted):
    at = place(submitted, "practice_solution")
    submitted.cells.insert(at, new_code_cell("helper = 2"))
    submitted.cells.insert(at + 2, new_markdown_cell("A note."))
    submitted.cells.insert(0, new_code_cell("first = 1"))
    submitted.cells.append(new_code_cell("  \n"))
    merged = merge(skeleton, submitted).notebook
    texts = sources(merged)
    at = place(merged, "practice_solution")
    assert texts[0] == "first = 1"
    assert (texts[at - 1], texts[at + 1]) == ("helper = 2", "A note.")
    assert len(texts) == len(skeleton.cells) + 3
    assert len({c.id for c in merged.cells}) == len(texts)
    nbformat.validate(merged)


@pytest.mark.parametrize("first", [True, False])
def test_of_a_cell_that_stands_twice_the_written_one_counts(skeleton, submitted, first):
    written = nbformat.from_dict(cell(submitted, "practice_solution"))
    written.source = ANSWER
    submitted.cells.insert(place(submitted, "practice_solution") + (not first), written)
    merged = merge(skeleton, submitted).notebook
    assert cell(merged, "practice_solution").source == ANSWER


def test_a_check_that_stands_twice_is_there_once(skeleton, submitted):
    submitted.cells.append(nbformat.from_dict(cell(submitted, "practice")))
    assert merge(skeleton, submitted).notebook == skeleton


def test_cells_without_metadata_are_known_by_their_ids(skeleton, submitted):
    cell(submitted, "practice_solution").source = ANSWER
    for c in submitted.cells:
        c.metadata = {}
    merged = merge(skeleton, submitted)
    assert cell(merged.notebook, "practice_solution").source == ANSWER
    assert merged.missing == ()


def test_lesson_cells_without_ids_are_known_by_their_text(skeleton, submitted):
    for c in submitted.cells:
        del c["id"]
    submitted.nbformat_minor = 4
    assert merge(skeleton, submitted).notebook == skeleton


def test_a_deleted_check_is_restored(skeleton, submitted):
    del submitted.cells[place(submitted, "practice")]
    merged = merge(skeleton, submitted)
    assert merged.notebook == skeleton
    assert merged.missing == ()


def test_a_notebook_without_any_answer_is_refused(skeleton, submitted):
    del submitted.cells[place(submitted, "practice_solution")]
    with pytest.raises(Refusal, match="no cell of any exercise of this unit"):
        merge(skeleton, submitted)


def test_an_unknown_grade_id_is_a_cell_like_any_other(skeleton, submitted):
    stranger = new_code_cell("y = 3", metadata={"nbgrader": {"grade_id": "stranger", "schema_version": 99}})
    submitted.cells.append(stranger)
    merged = merge(skeleton, submitted).notebook
    assert merged.cells[-1].source == "y = 3"
    assert merged.cells[-1].metadata == {}


# A unit of several exercises whose cells were tampered with


@pytest.fixture(scope="module")
def several():
    return build.student_notebook(build.source_notebook(build.ROOT / "solutions" / CONV / f"{CONV}.py"))


ANSWERS = {"zero_pad": "def zero_pad(x, pad):\n    return x", "im2col": "def im2col(*shape):\n    return 3"}


@pytest.fixture
def both(several):
    """Both answers in place, to be tampered with."""
    nb = nbformat.from_dict(json.loads(json.dumps(several)))
    for name, answer in ANSWERS.items():
        cell(nb, f"{name}_solution").source = answer
    return nb


def answers(merged):
    return {name: cell(merged.notebook, f"{name}_solution").source for name in ANSWERS}


def swap(nb):
    a, b = (cell(nb, f"{name}_solution") for name in ANSWERS)
    a.metadata, b.metadata = b.metadata, a.metadata


def point_both_at_one(nb):
    cell(nb, "zero_pad_solution").metadata.nbgrader.grade_id = "im2col_solution"


def strip(nb):
    for c in nb.cells:
        c.metadata = {}
        c.pop("id", None)


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("tamper", [swap, point_both_at_one, strip])
def test_answers_are_known_by_what_they_define_where_their_tags_lie(several, both, tamper, ids):
    tamper(both)
    if not ids:
        for c in both.cells:
            c.pop("id", None)
    merged = merge(several, both)
    assert answers(merged) == ANSWERS
    assert merged.missing == ()
    assert len(merged.notebook.cells) == len(several.cells)


def test_a_second_copy_of_a_stub_is_left_out(several, both):
    both.cells.append(nbformat.from_dict(cell(several, "zero_pad_solution")))
    merged = merge(several, both)
    assert answers(merged) == ANSWERS
    assert len(merged.notebook.cells) == len(several.cells)


def test_an_answer_in_a_cell_that_became_text_counts(several, both):
    cell(both, "zero_pad_solution").cell_type = "markdown"
    merged = merge(several, both)
    assert answers(merged) == ANSWERS
    assert cell(merged.notebook, "zero_pad_solution").cell_type == "code"


def test_a_lesson_cell_that_shows_a_definition_is_no_answer(several, both):
    del both.cells[place(both, "im2col_solution")]
    both.cells[0].source += "\ndef im2col(x): ..."
    assert merge(several, both).missing == ("im2col",)
