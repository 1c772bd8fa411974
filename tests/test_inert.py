"""Markdown from students, as nbgrader's formgrader draws it for an instructor who is logged in."""

import copy
import json

import pytest
from alive import ATTACKS, alive, alive_in_formgrader
from hypothesis import example, given
from hypothesis import strategies as st
from nbconvert.filters import markdown2html
from nbformat.v4 import new_markdown_cell, new_raw_cell
from small_course import SOURCE, write_unit

from autograder import build, inert, ingest

HIDDEN = [
    "hello <script>alert(1)</script><img src=x onerror=…>",
    "```mermaid\n<img src=x onerror=alert(1)>\n```",
    "[a]: javascript:alert(1)\n\n[a] [b][a]",
    "[a](&#106;avascript:alert(1)) [b](javascript&colon;alert(1)) [c](java\nscript:alert(1))",
    "![seen](//evil.example/pixel.png) ![here](/user/ann/api/kernels)",
    '[x](http://a"onmouseover="alert(1)) ![a"onerror="alert(1)](b "c"onload="alert(1)")',
    "`a` <b`<img src=x onerror=alert(1)>`",
    "``<img src=x onerror=alert(1)>`",
    "$a$<img src=x onerror=alert(1)>$",
    "<div>\n\n```\n\n</div><img src=x onerror=alert(1)>",
    "a <!--\n```\n--> <img src=x onerror=alert(1)>\n```",
    "- ```\n<img src=x onerror=alert(1)>",
    "`\ue0000\ue001`<img src=x onerror=alert(1)>",
    "&lt;img src=x onerror=alert(1)&gt; &amp;lt;\ue0000\ue001 <img src=x onerror=alert(1)>",
    "![pasted](attachment:picture.png)",
]
READABLE = [
    "# Why\n\nIt is *twice* as **large**, see [there](https://example.org/a?b=1&c=2).\n\n- one\n- two",
    "$x<y$ and $$\\sum_{i<n} x_i \\\\ a<b$$\n\n\\begin{align}\na<b\n\\end{align}",
    "`if a<b:` is\n\n```python\nfor i in range(3): print('<b>')\n```\n\nand\n\n    a <b> c",
    "| a | b |\n|---|---|\n| `x<y` | 2 |\n\n- [x] done",
    "```\n\\href{a}{b} in code\n```\n\n`x[0](<y>)`",
]


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory):
    return build.student_notebook(build.source_notebook(write_unit(tmp_path_factory.mktemp("course"), SOURCE)))


def merged(skeleton, text):
    """The notebook of a student who put a text into an answer, into the lesson and into new cells."""
    nb = copy.deepcopy(skeleton)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = f"{cell.source}\n{text}" if "nbgrader" not in cell.metadata else text
    nb.cells += [new_markdown_cell(text), new_raw_cell(text)]
    return ingest.merge(skeleton, ingest.parse(json.dumps(nb).encode())).notebook


@pytest.mark.parametrize("text", [*ATTACKS, *HIDDEN])
def test_nothing_of_a_students_acts_in_formgrader(skeleton, text):
    made = merged(skeleton, text)
    assert sum(cell.cell_type == "markdown" for cell in made.cells) == 4
    assert alive_in_formgrader(made) == []


@pytest.mark.parametrize("text", READABLE)
def test_what_does_not_act_stays_as_it_is(text):
    assert inert.markdown(text) == text


def test_signs_outside_of_code_become_text_and_the_rest_stays():
    assert inert.markdown("x<y, `x<y` and $x<y$") == "x&lt;y, `x<y` and $x<y$"
    assert "<p>x&lt;y, <code>x&lt;y</code> and $x&lt;y$</p>" in markdown2html("x&lt;y, `x<y` and $x<y$")


def test_code_and_formulas_stay_beside_a_pasted_picture():
    text = "`a<b` and $a<b$, see ![picture](attachment:picture.png)"
    assert inert.markdown(text) == text.replace("](", r"]\(")


def test_the_instructors_own_text_is_left_alone_and_unanswered_questions_are_known(tmp_path):
    asks = SOURCE.replace("What is twice", "<b>What</b> is [twice](../x.ipynb)").replace("Why is", "<i>Why</i> is")
    skeleton = build.student_notebook(build.source_notebook(write_unit(tmp_path, asks)))
    assert ingest.merge(skeleton, ingest.parse(json.dumps(skeleton).encode())).notebook == skeleton


@pytest.mark.parametrize(
    "formula",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\hre&#102;{javascript:alert(1)}{x}",
        r"&bsol;href{javascript:alert(1)}{x}",
        r"\hr&#101f1{x}",
        r"\href1{x}",
        r"\hre<wbr>f{x}{y}",
        r"\mmlToken{mi}[href='javascript:alert(1)']{x}",
    ],
)
@pytest.mark.parametrize("around", ["$ @ $", r"\\( @ \\)", "text @ text", "| @ |\n|---|\n| b |", "# $@$"])
def test_formulas_have_no_links(formula, around):
    text = around.replace("@", formula)
    for page in (markdown2html(inert.markdown(text)), inert.html(text), inert.drawn(text)):
        decoded = inert._Page(page)
        assert inert.ACTIVE_TEX.search(decoded.text) is None, page


@given(st.text(alphabet="<>'\"&;/=:() \n`$\\[]{}!#-*~|scriptonxhefjavu", max_size=80))
@example("`<a\n`<b")
@example("[a<](b`<`)<c>")
def test_no_other_text_acts_either(text):
    assert alive(markdown2html(inert.markdown(text))) == []
    assert alive(inert.drawn(text)) == []


@pytest.mark.parametrize("piece", [r"\begin{a}", r"\\[", r"\\(", "[", "# a\n", "<b>", "&"])
def test_long_text_is_shown_as_it_was_written(piece):
    text = piece * (2 * inert.MAX_MARKDOWN // len(piece))
    for made in (inert.markdown(text + "<"), inert.drawn(text)):
        assert made.startswith("<pre>") and made.count("<") == 2
    assert inert.drawn(inert.markdown(text + "<")).count("&lt;") == (text + "<").count("<")


def test_so_are_many_beginnings_of_formulas():
    text = r"\begin{a}" * (inert.MAX_MATH + 1)
    assert inert.drawn(text) == f"<pre>{text}</pre>"


def test_so_is_what_comes_after_the_first_hundred_thousands_of_a_notebook(skeleton, monkeypatch):
    monkeypatch.setattr(ingest, "MAX_MARKDOWN", 10)
    made = merged(skeleton, "*x*<y")
    assert [cell.source for cell in made.cells][-2:] == ["<pre>*x*&lt;y</pre>"] * 2


@pytest.mark.parametrize("piece", ["<b>", "<div>", "<b></p>", "<p>x", "<table><b>", "</p>"])
def test_long_html_that_is_not_well_nested_is_shown_as_it_was_written(piece):
    text = "".join(f"<b title={i}>" for i in range(30)) + piece * 10_000
    made = inert.html(text)
    assert "<" not in made and made.count("&lt;") == text.count("<")
    assert inert.html(text[:60]) != made[:60]


def test_long_tables_are_shown_as_tables():
    row = "<tr><th>a</th><td><b>1</b><br><i>x <u>y</u></i></td></tr>"
    text = f"<div><table><tbody>{row * 1000}</tbody></table></div>"
    assert inert.html(text) == text


@pytest.mark.parametrize("style", ["(" * 50_000, "a:" + "[" * 50_000, "a:b;" * 20_000])
def test_no_style_is_too_deep(style):
    assert alive(inert.html(f'<p style="{style}">x</p>')) == []
