"""Strategies for notebooks that are not what they should be."""

import copy
import json

from hypothesis import strategies as st

from autograder import ingest

KEYS = ("cells", "cell_type", "source", "metadata", "id", "nbgrader", "grade_id", "outputs", "nbformat", "worksheets")
TEXT = st.text(max_size=20) | st.sampled_from(
    ["code", "markdown", "raw", "heading", "zero_pad", "im2col_solution", "\ud800"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | TEXT, inner, max_size=4),
    max_leaves=12,
)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32-be", "latin-1", "cp1252"]


@st.composite
def notebooks(draw, document):
    """The bytes of a notebook made of ``document``, a notebook as plain data, by some damage."""
    damaged = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 4))):
        _damage(draw, damaged)
    text = json.dumps(damaged, ensure_ascii=draw(st.booleans()))
    data = bytearray(text.encode(draw(st.sampled_from(ENCODINGS)), "replace"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 50))] = draw(st.binary(max_size=20))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data)


def _damage(draw, document):
    """Replace, delete or double one part, at some depth."""
    at = document
    for _ in range(draw(st.integers(0, 5))):
        inner = [key for key in _keys(at) if isinstance(at[key], dict | list) and at[key]]
        if not inner:
            break
        at = at[draw(st.sampled_from(inner))]
    keys = _keys(at)
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    match draw(st.sampled_from(["replace", "delete", "double", "move"])):
        case "replace":
            at[key] = draw(VALUES)
        case "delete":
            del at[key]
        case "double" if isinstance(at, list):
            at.insert(draw(st.integers(0, len(at))), copy.deepcopy(at[key]))
        case "move" if isinstance(at, list):
            at.insert(draw(st.integers(0, len(at) - 1)), at.pop(key))
        case _:
            at[draw(TEXT)] = at[key]


def _keys(at):
    return list(at) if isinstance(at, dict) else list(range(len(at)))


def check_ingest(skeleton, data):
    """Whether ``data`` was read; fails unless it was refused in one line, or became a notebook that can be graded."""
    try:
        merged = ingest.merge(skeleton, ingest.parse(data))
    except ingest.Refusal as refusal:
        assert str(refusal) and "\n" not in str(refusal)
        return False
    cells = {cell.id: cell for cell in merged.notebook.cells}
    assert len(cells) == len(merged.notebook.cells)
    for ours in skeleton.cells:
        there = cells[ours.id]
        assert there.cell_type == ours.cell_type and there.metadata == ours.metadata
        assert isinstance(there.source, str)
        assert ingest.may_change(ours) or there.source == ours.source
    json.dumps(merged.to_dict()).encode()
    return True
