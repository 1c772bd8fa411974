"""The page that a student gets back: nothing in it acts, and it says no more than a student may know."""

import html

import pytest
from alive import ATTACKS, alive
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import feedback, inert, outputs
from autograder.gradebook import Marks, Score
from autograder.score import Graded
from cnnkit import verdict
from cnnkit.calling import Outcome, Problem

UNIT = "00-start-here"


def page(attack, **more):
    """A page with the attack in every place that a student can put text into."""
    expected = verdict.expect("practice", 3)
    problem = Problem(attack, (attack,), attack, attack)
    outcomes = [
        Outcome(error=problem, mutated=(attack,), printed=attack),
        *[Outcome(attack)] * (len(expected.cases) - 1),
    ]
    judged = verdict.judge(expected, outcomes)
    bundle = lambda kind: {"output_type": "display_data", "data": {kind: attack}, "metadata": {attack: attack}}
    shown = outputs.clean(
        [
            {"output_type": "stream", "name": attack, "text": attack},
            {"output_type": "error", "ename": attack, "evalue": attack, "traceback": [attack]},
            {"output_type": "execute_result", "data": {"text/plain": attack}, "metadata": {}, "execution_count": 1},
            *map(bundle, ["text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", "text/plain"]),
            bundle("application/javascript"),
            bundle(attack),
        ]
    )
    grade = {"grade_id": "practice", "grade": True, "solution": False, "points": 1}
    solution = {"grade_id": "practice_solution", "grade": False, "solution": True}
    written = {"grade_id": "why", "grade": True, "solution": True, "points": 2}
    nb = new_notebook(
        cells=[
            new_code_cell(attack, metadata={"nbgrader": solution}, outputs=shown),
            new_code_cell("check", metadata={"nbgrader": grade}),
            new_markdown_cell(attack, metadata={"nbgrader": written}),
            new_code_cell(attack, id="added-1", outputs=shown),
            new_markdown_cell(attack, id="added-2"),
        ]
    )
    graded = Graded(nb, {"practice": judged}, {"practice": []})
    marks = Marks({"practice": Score(0, 1), "why": Score(0, 2, waiting=True)}, {"practice_solution": attack})
    return feedback.render(attack, UNIT, graded, marks)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_a_student_wrote_acts(attack):
    made = page(attack)
    assert alive(made) == []
    assert "default-src 'none'" in made
    assert "<script" not in made.lower()


@given(st.text(alphabet="<>'\"&;/=:() \tscriptonxhefjavu\\-!$#{}%", max_size=60))
def test_no_other_text_acts_either(text):
    assert alive(inert.html(text)) == []


@pytest.mark.parametrize(
    "address",
    [
        "data:text/html,<b>",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "https://example.org/seen.png",
        "x.png",
        " data:image/png;base64,AA,",
    ],
)
def test_pictures_come_from_the_page_itself(address):
    assert "src" not in inert.html(f'<img alt="seen" src="{address}">')
    assert "href" not in inert.html('<a href="data:image/png;base64,AAAA">link</a>')
    kept = '<img alt="kept" src="data:image/png;base64,iVBORw0KGgo=">'
    assert inert.html(kept) == kept


@pytest.mark.parametrize("kind", ["text/html", "text/markdown"])
def test_what_is_harmless_stays(kind):
    table = "<table><tr><td>3</td></tr></table>\n\n**bold** <b>bold</b>" if kind == "text/markdown" else "<b>bold</b>"
    [shown] = outputs.clean([{"output_type": "display_data", "data": {kind: table}}])
    assert "bold</" in shown.data["text/html"]


def test_links_in_formulas_do_not_act_where_formgrader_draws_them():
    tex = r"$\href{javascript:alert(1)}{x} + \sum$"
    data = {"text/latex": tex, "text/html": f"<p>{tex}</p>"}
    [shown] = outputs.clean([{"output_type": "display_data", "data": data}])
    for text in shown.data.values():
        assert r"\href" not in text and r"\sum" in text


def test_a_drawing_is_a_picture_in_which_nothing_runs():
    svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"
    [shown] = outputs.clean([{"output_type": "display_data", "data": {"image/svg+xml": svg}}])
    assert list(shown.data) == ["text/html"]
    assert shown.data["text/html"].startswith('<img alt="" src="data:image/svg+xml;base64,')


@pytest.mark.parametrize("text", [r"\begin{a}" * 12_000, "<b>" * 90_000, "x = 1 < 2\n" * 20_000])
def test_long_cells_are_shown_as_they_were_written(text):
    cells = [new_code_cell(text, id="added-1"), new_markdown_cell(inert.markdown(text), id="added-2")]
    made = feedback.render("ada", UNIT, Graded(new_notebook(cells=cells), {}, {}), Marks({}))
    assert alive(made) == []
    assert made.count(html.escape(text)) == 2


def test_flags_for_the_instructor_are_not_on_the_page():
    nb = new_notebook(
        cells=[new_code_cell("x", metadata={"nbgrader": {"grade_id": "practice", "grade": True, "points": 1}})]
    )
    result = verdict.refused("practice", "not checked", 1)
    told = ["library: torch.conv2d", "similar: grace", "differs"]
    made = feedback.render(
        "ada", UNIT, Graded(nb, {"practice": result}, {"practice": told}), Marks({"practice": Score(0, 1)})
    )
    for word in ("library", "torch", "similar", "grace", "differs"):
        assert word not in made
