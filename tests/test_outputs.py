"""What a sandbox brings back as outputs, cut to a size that can be kept and shown."""

import pytest
from nbformat import validate
from nbformat.v4 import new_code_cell, new_notebook

from autograder import inert, outputs
from autograder.sandbox.protocol import MAX_OUTPUTS

LONG = "x" * 1_000_000
CUT = outputs.MAX_TEXT + 100


def shown(**data):
    return {"output_type": "display_data", "data": {kind.replace("_", "/"): text for kind, text in data.items()}}


@pytest.mark.parametrize("junk", [0, None, [], {}, "text", {"output_type": "stream"}])
def test_there_are_no_more_than_a_cell_may_show(junk):
    assert len(outputs.clean([junk] * 1_000_000)) == MAX_OUTPUTS


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "stream", "name": "stdout", "text": LONG},
        {"output_type": "error", "ename": LONG, "evalue": LONG, "traceback": [LONG]},
        shown(text_plain=LONG),
        shown(text_latex=LONG),
    ],
)
def test_long_text_is_cut_and_says_so(output):
    [kept] = outputs.clean([output])
    parts = kept.get("data", kept)
    texts = [text for key in ("text", "ename", "evalue", "text/plain", "text/latex") if (text := parts.get(key))]
    texts += kept.get("traceback", [])
    assert texts and all(len(text) < CUT and text.endswith("the rest was cut off\n") for text in texts)


def test_of_many_frames_the_last_stay():
    frames = [str(i) for i in range(1_000_000)]
    [kept] = outputs.clean([{"output_type": "error", "ename": "E", "evalue": "", "traceback": frames}])
    assert kept.traceback == frames[-outputs.MAX_FRAMES :]


def test_long_markdown_is_not_drawn_and_many_of_it_are_left_out():
    text = r"\\[" * (inert.MAX_MARKDOWN // 3)
    kept = outputs.clean([shown(text_markdown=text)] * MAX_OUTPUTS)
    assert kept[0].data["text/html"] == f"<pre>{text}</pre>"
    assert kept[10:] == [outputs.left_out()] * (MAX_OUTPUTS - 10)
    validate(new_notebook(cells=[new_code_cell("", outputs=kept)]))


def test_the_size_of_outputs_counts_what_takes_time():
    plain, drawn = (outputs.size([shown(**{kind: "x" * 1000})]) for kind in ("text_plain", "text_markdown"))
    assert drawn > 10 * plain > 10_000
