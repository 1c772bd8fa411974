"""What deserves an instructor's look: calls that do the work, answers of the same make."""

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from autograder import build, flags, ingest
from autograder.examples import make

CONV = make.UNIT
SOLUTION = {"nbgrader": {"grade_id": "conv_forward_solution", "solution": True, "grade": False}}


def notebook(answer, *others):
    cells = [new_code_cell(text) for text in ("import numpy as np", *others)]
    return new_notebook(cells=[*cells, new_code_cell(answer, metadata=SOLUTION)])


def library(answer, *others, allowed=None):
    return flags.library(notebook(answer, *others), ["conv_forward"], allowed or {})["conv_forward"]


CALL = "library: torch.nn.functional.conv2d"


@pytest.mark.parametrize(
    ("answer", "others", "found"),
    [
        ("import torch\ndef conv_forward(x, w):\n    return torch.nn.functional.conv2d(x, w).numpy()", (), [CALL]),
        ("def conv_forward(x, w):\n    return F.conv2d(x, w)", ("import torch.nn.functional as F",), [CALL]),
        ("def conv_forward(x, w):\n    import torch.nn.functional as F\n    return F.conv2d(x, w)", (), [CALL]),
        ("def conv_forward(x, w):\n    return c(x, w)", ("from torch.nn.functional import conv2d as c",), [CALL]),
        (
            "def conv_forward(x, w):\n    return mine(x, w)",
            ("import torch.nn.functional as F", "mine = F.conv2d"),
            [CALL],
        ),
        (
            "def conv_forward(x, w):\n    return helper(x, w)",
            ("from torch.nn import functional", "def helper(x, w):\n    return functional.conv2d(x, w)"),
            [CALL],
        ),
        (
            "import torch\ndef conv_forward(x, w):\n    return getattr(torch, 'conv2d')(x, w)",
            (),
            ["library: torch.conv2d"],
        ),
        ("def conv_forward(x, w):\n    return __import__('torch').conv2d(x, w)", (), ["library: torch.conv2d"]),
        ("from cnnkit import oracle\nconv_forward = oracle.conv2d", (), ["library: cnnkit.oracle.conv2d"]),
        (
            "import cnnkit as ck\ndef conv_forward(x, w):\n    return ck.oracle.conv2d(x, w)",
            (),
            ["library: cnnkit.oracle.conv2d"],
        ),
        (
            "from scipy.signal import correlate\ndef conv_forward(x, w):\n    return correlate(x, w)",
            (),
            ["library: scipy.signal.correlate"],
        ),
        ("def conv_forward(x, w):\n    return eval('x')", (), ["dynamic: eval"]),
        ("%matplotlib inline\nimport torch\nconv_forward = torch.conv2d", (), ["library: torch.conv2d"]),
        ("def conv_forward(x, w):\n    return np.tensordot(x, w)", ("import torch", "torch.conv2d"), []),
        ("import torch\ndef conv_forward(x, w):\n    return torch.einsum('ab,bc->ac', x, w)", (), []),
        ("def conv_forward(x, w:\n    return torch.conv2d", ("import torch",), []),
    ],
)
def test_calls_that_do_the_work_are_found_wherever_they_stand(answer, others, found):
    assert list(library(answer, *others)) == found


def test_what_the_courses_own_answer_uses_is_no_news():
    answer = "import torch\ndef conv_forward(x, w):\n    return torch.nn.functional.conv2d(x, w)"
    allowed = flags.used_by(notebook("import torch\nclass conv_forward(torch.nn.Module): ..."), ["conv_forward"])
    assert allowed == {"conv_forward": ("torch", "torch.nn")}
    assert library(answer, allowed=allowed) == ()


def test_where_the_courses_own_answer_is_written_in_torch_torch_is_the_subject():
    answer = "import torch, cnnkit\ndef conv_forward(x):\n    return cnnkit.models.alexnet()(torch.max_pool2d(x))"
    allowed = flags.used_by(notebook("import torch\ndef conv_forward(x):\n    return torch.relu(x)"), ["conv_forward"])
    assert list(library(answer, allowed=allowed)) == ["library: cnnkit.models.alexnet"]


@pytest.mark.parametrize("unit", make.units())
def test_the_examples_and_the_courses_own_answers_are_not_flagged(unit):
    source = build.source_notebook(build.ROOT / "solutions" / unit / f"{unit}.py")
    released = build.student_notebook(source)
    names = [name for name in map(ingest.check_name, released.cells) if name]
    allowed = flags.used_by(source, names)
    handed_in = [make.submission(released, unit, s) for s in make.students(unit) if s != make.BROKEN]
    for nb in (source, *handed_in):
        assert set(flags.library(nb, names, allowed).values()) == {()}


# Answers of the same make

LOOPS = '''
def conv_forward(x, w, stride=1):
    """A docstring."""
    n, c, h, width = x.shape
    f, _, kh, kw = w.shape
    out = np.zeros((n, f, (h - kh) // stride + 1, (width - kw) // stride + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            out[:, :, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3]))
    return out
'''
RENAMED = (
    LOOPS.replace("window", "patch")
    .replace("out", "result")
    .replace("kh", "a")
    .replace('    """A docstring."""\n', "    # my own work\n")
)
OTHER = """
def conv_forward(x, w, stride=1):
    kh, kw = w.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(2, 3))[:, :, ::stride, ::stride]
    rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, w[0].size)
    product = rows @ w.reshape(len(w), -1).T
    return product.reshape(len(x), windows.shape[2], windows.shape[3], len(w)).transpose(0, 3, 1, 2)
"""


def shape(answer):
    return flags.shapes(notebook(answer), {"conv_forward"})["conv_forward"]


def alike(**answers):
    return flags.similar({student: shape(answer) for student, answer in answers.items()})


def test_renaming_comments_and_order_do_not_hide_a_copy():
    swapped = RENAMED.replace(
        "    n, c, h, width = x.shape\n    f, _, a, kw = w.shape\n",
        "    f, _, a, kw = w.shape\n    n, c, h, width = x.shape\n",
    )
    assert swapped != RENAMED
    assert alike(ada=LOOPS, bob=swapped, cy=OTHER) == {"ada": ("bob",), "bob": ("ada",)}


def test_another_way_and_another_operation_are_no_copy():
    assert alike(ada=LOOPS, bob=OTHER) == {}
    assert (
        alike(
            ada=LOOPS,
            bob=LOOPS.replace(
                "np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3]))", "(window[:, None] * w).sum((2, 3, 4))"
            ),
        )
        == {}
    )


def test_short_answers_and_stubs_are_nobodys_own():
    short = "def conv_forward(x, w):\n    return x @ w"
    stub = "def conv_forward(x, w):\n    raise NotImplementedError('not written yet')"
    assert shape(short) == shape(stub) == {}
    assert alike(ada=short, bob=short, cy=stub, di=stub) == {}


def test_what_many_write_is_how_one_writes_it():
    students = [f"s{i}" for i in range(5)]
    assert len(alike(**dict.fromkeys(students[:4], LOOPS))) == 4
    assert alike(**dict.fromkeys(students, LOOPS)) == {}


@given(st.text())
def test_any_text_is_looked_at_without_a_crash(text):
    library(text)
    shape(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "-" * 100_000 + "1",
        "x" + ".a" * 20_000,
        "x = np" + ".a" * 1500,
        "raise x" + ".a" * 1500,
        "x = 0x1" + "0" * 5000,
        "x = " + "[" * 150 + "]" * 150,
        "\0",
        "f(" * 90 + ")" * 90,
    ],
)
def test_deep_nesting_is_looked_at_without_a_crash(text):
    library(text)
    shape(text)


def test_a_notebook_without_the_cell_has_no_shape():
    assert flags.shapes(nbformat.v4.new_notebook(), {"conv_forward"}) == {}
    assert flags.library(nbformat.v4.new_notebook(), ["conv_forward"], {}) == {"conv_forward": ()}
