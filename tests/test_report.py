"""The pages that grading writes: nothing in them runs, loads or lies."""

import base64
import hashlib
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder import feedback, outputs, report
from autograder.gradebook import Marks, Score
from autograder.run import Row, Summary
from autograder.score import Graded, check_outputs
from cnnkit import evaluate

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT src=//x.example/a.js>",
    "<script>alert(1)",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java&#115;cript:alert(1)'>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<style>body { display: none }</style>",
    "<link rel=stylesheet href=//x.example/a.css>",
    "<meta http-equiv=refresh content='0;url=//x.example'>",
    "<form action=//x.example><input name=password></form>",
    "<div style=\"background: url('//x.example/a.png'); position: fixed\">x</div>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "</main></body></html><script>alert(1)</script>",
    "<base href=//x.example>",
    "<object data=//x.example></object><embed src=//x.example>",
    "\x00<scr\x00ipt>alert(1)</script>",
]
FORBIDDEN = {"script", "iframe", "object", "embed", "link", "base", "form", "input", "frame", "audio", "video"}
VOID = {"meta", "br", "hr", "img", "wbr", "col"}


class Page(HTMLParser):
    """Collects the tags of a page, and whether they close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.trouble = [], [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.trouble.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
SORT = (feedback.TEMPLATES / "sort.js").read_text(encoding="utf-8")


def read_report(text):
    """The Page of a report, which has one script of its own and names it in its policy."""
    digest = base64.b64encode(hashlib.sha256(SORT.encode()).digest()).decode()
    assert text.count(f"<script>{SORT}</script>") == 1
    policy = f"; script-src 'sha256-{digest}'"
    assert text.count(policy) == 1
    return read(text.replace(f"<script>{SORT}</script>", "").replace(policy, ""))


def read(text):
    """The Page, once it is clear that nothing in it acts or is fetched."""
    page = Page(text)
    assert page.trouble == [] and page.open == []
    assert page.tags[3] == (
        "meta",
        {
            "http-equiv": "Content-Security-Policy",
            "content": POLICY,
        },
    )
    for tag, attributes in page.tags:
        assert tag not in FORBIDDEN, (tag, attributes)
        assert not [name for name in attributes if name.startswith("on") or name == "srcdoc"], (tag, attributes)
        for name in ("href", "src", "action", "data"):
            where = (attributes.get(name) or "").strip().lower()
            assert not where.startswith(("javascript:", "vbscript:", "//")), (tag, attributes)
            assert name == "href" or not where or where.startswith("data:image/"), (tag, attributes)
        style = attributes.get("style") or ""
        assert "url(" not in style and "position" not in style, style
    assert sum(tag == "style" for tag, _ in page.tags) == 1
    return page


# Feedback


def graded(cells=(), answer=lambda x: x * x):
    """A Graded submission of the practice exercise, with more cells around it."""
    verdict = evaluate("practice", answer)
    ours = {"schema_version": 3, "locked": False, "task": False}
    solution = new_code_cell("def practice(x):\n    return x * x", id="practice_solution")
    solution.metadata.nbgrader = ours | {"grade_id": "practice_solution", "grade": False, "solution": True}
    check = new_code_cell('check("practice", practice)', id="practice", outputs=check_outputs(verdict))
    check.metadata.nbgrader = ours | {"grade_id": "practice", "grade": True, "solution": False, "points": 1}
    notebook = new_notebook(cells=[solution, check, *cells])
    return Graded(notebook, {"practice": verdict}, {"practice": []})


MARKS = Marks({"practice": Score(0, 1)})


def rendered(outputs_of_a_cell, **more):
    cell = new_code_cell("f()", id="added-1", outputs=outputs.clean(outputs_of_a_cell))
    return read(feedback.render("ann", "00-start-here", graded([cell]), MARKS, **more))


def display(**data):
    return [{"output_type": "display_data", "data": {k.replace("_", "/"): v for k, v in data.items()}, "metadata": {}}]


@pytest.mark.parametrize("html", HOSTILE)
def test_no_output_runs_or_loads_anything(html):
    rendered(display(text_html=html))
    rendered(display(text_markdown=html))
    rendered(display(text_plain=html))
    rendered([{"output_type": "stream", "name": "stdout", "text": html}])
    rendered([{"output_type": "error", "ename": html, "evalue": html, "traceback": [html]}])
    data = {"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'>{html}</svg>", "application/javascript": html}
    rendered([{"output_type": "display_data", "data": data, "metadata": {}}])


@pytest.mark.parametrize("html", HOSTILE)
def test_no_text_of_a_student_does(html):
    for cell in (new_markdown_cell(html, id="added-1"), new_code_cell(html, id="added-1")):
        read(feedback.render(html, html, graded([cell]), MARKS))
    marks = Marks(MARKS.scores, {"practice_solution": html})

    def practice(x):
        print(html)
        raise ValueError(html)

    assert html.replace("\x00", "") in read(
        feedback.render("ann", "unit", graded(answer=practice), marks)
    ).text.replace("\N{REPLACEMENT CHARACTER}", "").replace("\x00", "")


def test_what_is_kept_of_hostile_output_is_what_can_be_seen():
    page = rendered(display(text_html="<b>bold</b><table><tr><td>7</td></tr></table><script>alert(1)</script>"))
    assert "bold7" in page.text and "alert" not in page.text


def test_a_drawing_is_shown_as_a_picture():
    page = rendered(display(**{"image_svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"}))
    ((_, picture),) = [(tag, a) for tag, a in page.tags if tag == "img"]
    assert base64.b64decode(picture["src"].partition(",")[2]).startswith(b"<svg")


@pytest.mark.parametrize(
    "output",
    [
        3,
        None,
        {},
        {"output_type": "widget"},
        {"output_type": "stream", "name": "stdout"},
        {"output_type": "stream", "name": "stdout", "text": ["a"]},
        {"output_type": "display_data", "data": None},
        {"output_type": "display_data", "data": {"text/plain": 3}},
        {"output_type": "display_data", "data": {"image/png": "no base 64 !"}},
        {"output_type": "display_data", "data": {"image/png": {"a": 1}}},
        {"output_type": "error", "ename": "E", "evalue": "e", "traceback": None},
        {"output_type": "execute_result", "data": {}, "execution_count": "one"},
        {"output_type": "stream", "name": "stdout", "text": "half a character \ud800"},
    ],
)
def test_an_output_that_makes_no_sense_leaves_a_valid_notebook(output):
    cell = new_code_cell("f()", outputs=outputs.clean([output]))
    notebook = new_notebook(cells=[cell])
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode()


def test_the_page_has_the_score_the_bug_and_the_hint():
    page = read(feedback.render("ann", "00-start-here", graded(), MARKS))
    assert "0 of 1 points" in page.text
    assert "Looks like: squared" in page.text
    assert "Doubling is multiplying by two" in page.text
    assert {a["href"] for tag, a in page.tags if tag == "a"} == {"#practice"}


def test_a_page_is_written_again_only_when_something_has_changed(tmp_path):
    path = feedback.write(tmp_path, "ann", "unit", graded(), MARKS, "one result")
    path.write_text(path.read_text() + "<!-- as it was -->")
    feedback.write(tmp_path, "ann", "unit", graded(), MARKS, "one result")
    assert path.read_text().endswith("<!-- as it was -->")
    feedback.write(tmp_path, "ann", "unit", graded(), MARKS, "another result")
    assert not path.read_text().endswith("<!-- as it was -->")
    by_hand = Marks({"practice": Score(1, 1, manual=True)})
    feedback.write(tmp_path, "ann", "unit", graded(), by_hand, "another result")
    assert "These points were given by a person." in path.read_text()


# The report


def summary(students=3, **more):
    rows = []
    for i in range(students):
        rows.append(Row(f"student {i}", "03-conv-forward", "im2col", 6, 6))
        bug = "kernel flipped" if i % 2 else ""
        hint = "Your kernel is turned." if bug else ""
        rows.append(Row(f"student {i}", "03-conv-forward", "conv_forward", 0 if bug else 6, 6, bug, (), hint))
    return Summary(rows, **more)


def test_the_report_counts_students_marks_and_bugs():
    text = report.render(summary(3), {}, Path("report"))
    page = read_report(text)
    labels = [a["aria-label"] for tag, a in page.tags if tag == "svg"]
    assert labels == [
        "Number of students by share of the points. 50–59 %: 1; all: 2.",
        "Share of the points by exercise. im2col: 100 %; conv_forward: 67 %.",
    ]
    assert "kernel flipped" in page.text and "Your kernel is turned." in page.text and "student 1" in page.text
    assert "10mean of 12 points" in page.text and "12median" in page.text


def test_the_report_links_to_feedback_and_names_the_refused():
    pages = {("student 0", "03-conv-forward"): Path("out/feedback/student 0/a.html")}
    refused = {("broken", "03-conv-forward"): "not JSON"}
    found = summary(refused=refused, strays={"x/99": "there is no such unit"})
    page = read_report(report.render(found, pages, Path("out/report")))
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert links == ["#03-conv-forward", "#refused", "#strays", "../feedback/student%200/a.html"]
    assert "broken03-conv-forwardnot JSON" in page.text.replace("\n", "")
    assert "x/99: there is no such unit" in page.text


UNIT = "03-conv-forward"


def details():
    """What a run notes: a known mistake of two students, a written answer read and one not, a late student."""
    found = report.Details({("student 0", UNIT): 2.0})
    for student, waiting in (("student 1", True), ("student 0", False)):
        answered = graded(answer=lambda x: x * x)
        answered.seconds = 1.5
        scores = {"practice": Score(0, 1), "why": Score(2, 3, manual=not waiting, waiting=waiting)}
        found.add((student, UNIT), answered, scores)
    return found


def test_the_report_shows_an_example_of_a_mistake():
    rows = [Row(f"student {i}", UNIT, "practice", 0, 1, "squared", (), "Twice <x>.") for i in range(2)]
    page = read_report(report.render(Summary(rows), {}, Path("report"), details()))
    assert "2 students, 100 %" in page.text and "Twice <x>." in page.text
    assert "what student 1 wrote" in page.text and "return x * x" in page.text
    assert "A failing case" in page.text and "what student 0 wrote" not in page.text


def test_a_long_answer_is_cut_and_says_so():
    code = "\n".join(f"x = {i}" for i in range(100))
    assert report._excerpt(code).splitlines()[-2:] == ["x = 39", "# ... 60 lines more"]


def test_the_report_has_marks_by_hand_what_waits_and_what_was_late():
    rows = [Row(f"student {i}", UNIT, "practice", 1, 1) for i in range(2)]
    page = read_report(report.render(Summary(rows), {}, Path("report"), details()))
    titles = [a["title"] for tag, a in page.tags if tag == "td" and a.get("title", "").startswith("why")]
    assert titles == ["why: 2 of 3; to read", "why: 2 of 3; by hand"]
    assert "1to be read by a person" in page.text and "1lost points for being late" in page.text
    totals = [a["data-sort"] for tag, a in page.tags if "data-sort" in a and a.get("class") == "number"]
    assert totals == ["3.0", "1.0"]
    assert "took 1.5 s at the median and 3 s for all together" in page.text


def test_notes_are_counted_with_who_and_what_they_mean():
    rows = [
        Row("ann", UNIT, "im2col", 0, 6, flags=("timeout",)),
        Row("ann", UNIT, "zero_pad", 0, 2, flags=("timeout",)),
        Row("bob", UNIT, "im2col", 6, 6, flags=("something new",)),
    ]
    text = read_report(report.render(Summary(rows), {}, Path("report"))).text
    assert "too long2stopped when its time was overann: im2col, zero_pad" in text.replace("\n", "")
    assert "something new1bob: im2col" in text.replace("\n", "")


def test_an_empty_class_has_a_report():
    assert "0 students" in read_report(report.render(Summary(), {}, Path("report"))).text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_reasons_are_text(name):
    rows = [Row(name, "03-conv-forward", "im2col", 0, 6, name, (name,), name)]
    who = (name, "03-conv-forward")
    read_report(report.render(Summary(rows, {who: name}, {name: name}), {who: Path("a") / "b.html"}, Path("report")))


def test_every_row_of_a_table_has_a_header_and_every_picture_words():
    page = read_report(report.render(summary(refused={("a", "03-conv-forward"): "b"}), {}, Path("report")))
    assert all(a.get("role") == "img" and a["aria-label"] for tag, a in page.tags if tag == "svg")
    assert all(a.get("scope") in ("row", "col") for tag, a in page.tags if tag == "th")
    assert page.tags[0] == ("html", {"lang": "en"})


def test_full_marks_have_a_bar_of_their_own():
    counted = report._histogram([1.0, 1.0, 0.99, 0.0, 0.1])
    assert "0–9 %: 1; 10–19 %: 1; 90–99 %: 1; all: 2." in counted


def test_a_mark_without_a_row_is_a_dash():
    assert report._cell(None)["text"] == "–"
    assert SimpleNamespace(**report._cell(Row("a", "u", "e", 0, 3, flags=("timeout",)))).note == "too long"


def test_outputs_of_a_check_carry_the_score_where_nbgrader_reads_it():
    half = evaluate("practice", lambda x: x + x)
    kinds = [o.output_type for o in check_outputs(half)]
    assert kinds == ["display_data", "execute_result"]
    assert check_outputs(half)[1].data == {"text/plain": "1.0"}
    nothing = check_outputs(evaluate("practice", lambda x: x))
    assert [o.output_type for o in nothing] == ["display_data", "error"]
    assert isinstance(nothing[0], type(new_output("display_data")))
