"""Rows 15, 16, 29 to 40 and 44 to 46: what a submission is, rather than what it runs."""

import datetime
import io
import os
import sqlite3
import textwrap
import zipfile

import nbformat
from alive import ATTACKS, alive, alive_in_formgrader
from hostile_course import SECOND, UNIT, Row, answer

from autograder.nbgrader_config import CODE_STUB


def cell(nb, name):
    """The cell of a grade id."""
    return next(c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)


def remove(*names):
    def edit(nb):
        nb.cells = [c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in names]

    return edit


def change(name, **more):
    """An edit of the nbgrader metadata of a cell."""

    def edit(nb):
        cell(nb, name).metadata.nbgrader.update(more)

    return edit


def locked(nb):
    cell(nb, "running_sum").source = "pass"
    cell(nb, "double").source += "\nraise SystemExit"


def strip(nb):
    for c in nb.cells:
        c.metadata = {}


def strip_all(nb):
    nb.nbformat_minor = 4
    for c in nb.cells:
        c.metadata = {}
        c.pop("id", None)


def duplicate(nb):
    for name in ("double_solution", "double", "running_sum_solution"):
        nb.cells.append(nbformat.from_dict(cell(nb, name)))


def duplicate_stub(nb):
    twin = nbformat.from_dict(cell(nb, "running_sum_solution"))
    twin.source = f"def running_sum(x):\n{textwrap.indent(CODE_STUB, '    ')}"
    nb.cells.append(twin)


def unknown(nb):
    more = {"grade_id": "bonus", "points": 100, "grade": True, "solution": True, "locked": False, "schema_version": 99}
    nb.cells.append(nbformat.v4.new_code_cell("100.0", metadata={"nbgrader": more}))
    cell(nb, "double").metadata.nbgrader.schema_version = 99


def reorder(nb):
    nb.cells.reverse()


def swap_ids(nb):
    one, two = cell(nb, "double_solution"), cell(nb, "running_sum_solution")
    one.metadata, two.metadata = two.metadata, one.metadata


def points(nb):
    for name in ("double", "running_sum"):
        cell(nb, name).metadata.nbgrader.points = 500


def kernel(nb):
    nb.metadata.kernelspec = {"name": "no-such-kernel", "display_name": "None", "language": "cobol"}


def old_format(path, text):
    path.write_text(nbformat.writes(nbformat.reads(text, as_version=4), version=3))


def as_bytes(make):
    return lambda path, text: path.write_bytes(make(text))


def with_1252(text):
    # A name with an accent, in the code page of a Windows editor.
    return text.replace("# Two exercises", "# Two exercises by Zo\xeb").encode("cp1252")


def link_to_gradebook(path, text):
    path.symlink_to(path.parents[3] / "results" / "gradebook.db")


def link_to_neighbour(path, text):
    path.parent.rmdir()
    path.parent.symlink_to(path.parents[2] / "00-neighbour" / UNIT)


def pipe(path, text):
    os.mkfifo(path)


def archive(files):
    def place(path, text):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, data in files.items():
                opened.writestr(name, data)
        path.with_suffix(".zip").write_bytes(held.getvalue())

    return place


def elsewhere(*parts):
    def place(path, text):
        other = path.parent.joinpath(*parts)
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text(text)

    return place


def dated(content):
    def place(path, text):
        path.write_text(text)
        path.with_name("timestamp.txt").write_bytes(content)

    return place


def linked_time(path, text):
    path.write_text(text)
    path.with_name("timestamp.txt").symlink_to("/dev/zero")


def time_kept(course, row):
    with sqlite3.connect(course.results / "gradebook.db") as db:
        query = "select timestamp from submitted_assignment where student_id = ?"
        [(kept,)] = db.execute(query, (row.student,)).fetchall()
    collected = (course.submitted / row.student / UNIT / "timestamp.txt").lstat().st_mtime
    when = datetime.datetime.fromisoformat(kept).replace(tzinfo=datetime.UTC).timestamp()
    assert abs(when - collected) < 2


def inert(course, row):
    pages = [p.read_text(encoding="utf-8") for p in course.received(row.student) if p.suffix == ".html"]
    [path] = [p for p in course.received(row.student) if p.suffix == ".ipynb"]
    shown = [o for c in nbformat.read(path, as_version=4).cells for o in c.get("outputs", ())]
    kinds = {kind for o in shown for kind in o.get("data", {})}
    assert len(pages) == 1 and "covered" in pages[0]
    assert kinds <= {"text/html", "text/plain", "text/latex", "image/png"}
    assert alive_in_formgrader(nbformat.read(path, as_version=4)) == []
    for page in pages + [o.data["text/html"] for o in shown if "text/html" in o.get("data", {})]:
        assert alive(page) == [], page


def hostile_text(nb):
    for kind in (nbformat.v4.new_markdown_cell, nbformat.v4.new_raw_cell):
        nb.cells += [kind(f"covered {attack}") for attack in ATTACKS]
    lesson = next(c for c in nb.cells if c.cell_type == "markdown")
    lesson.source += "\n\n" + "\n\n".join(ATTACKS)


def inert_text(course, row):
    [path] = [p for p in course.received(row.student) if p.suffix == ".ipynb"]
    nb = nbformat.read(path, as_version=4)
    assert sum("covered" in c.source for c in nb.cells) == 2 * len(ATTACKS)
    assert alive_in_formgrader(nb) == []
    [page] = [p.read_text(encoding="utf-8") for p in course.received(row.student) if p.suffix == ".html"]
    assert alive(page) == []


def flagged(course, row):
    assert "library: torch.nn.functional.conv1d" in (course.results / "grades.csv").read_text()
    for path in course.received(row.student):
        assert "library:" not in path.read_text(encoding="utf-8", errors="replace")


def says_missing(course, row):
    [page] = [p for p in course.received(row.student) if p.suffix == ".html"]
    assert "is not in the notebook that was handed in" in page.read_text(encoding="utf-8")


SHOW = """
from IPython.display import HTML, SVG, Markdown, Latex, Javascript, display

display(HTML("<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)></svg>"))
display(HTML("<iframe src='//evil.example'></iframe><object data=x></object><embed src=x><form action=//e></form>"))
display(HTML("<meta http-equiv='refresh' content='0;url=//evil.example'><base href='//evil.example'>"))
display(HTML("<a href='javascript:alert(4)'>a</a><a href='JaVa&#x09;Script:alert(5)'>b</a>"))
display(HTML("<scr<script>ipt>alert(6)</scr</script>ipt><style>@import '//evil.example'</style>"))
display(HTML("<div style='background:url(//evil.example/x);position:fixed;inset:0'>covered</div>"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(7)</script><a href='javascript:alert(8)'/></svg>"))
display(Markdown("[c](javascript:alert(9)) <img src=x onerror=alert(10)> ![d](//evil.example/pixel.png)"))
display(Javascript("alert(11)"))
display({"text/html": "<script>alert(12)</script>", "application/javascript": "alert(13)"}, raw=True)
print("<script>alert(14)</script>")
raise ValueError("<img src=x onerror=alert(15)>")
"""
CONV = answer("""
    import torch
    row, ones = torch.tensor(x)[None, None], torch.ones(1, 1, len(x), dtype=torch.float64)
    return torch.nn.functional.conv1d(row, ones, padding=len(x) - 1)[0, 0, : len(x)].numpy()
""")

ROWS = [
    Row(15, "link-to-gradebook", place=link_to_gradebook, score=None, refused="no ordinary file"),
    Row(15, "link-to-a-neighbour", place=link_to_neighbour, score=None, refused="no ordinary file"),
    Row(15, "pipe", place=pipe, score=None, refused="no ordinary file"),
    Row(16, "zip-with-dots", place=archive({"../../../results/grades.csv": "x"}), score=None, refused="no 90-two-exe"),
    Row(16, "zip-bomb", place=archive({"a.ipynb": bytes(200 << 20)}), score=None, refused="no 90-two-exercises.ipynb"),
    Row(29, "script-in-output", after=SHOW, found=inert),
    Row(29, "script-in-text", edit=hostile_text, found=inert_text),
    Row(30, "edits-locked-cells", second=SECOND, edit=locked, score=8),
    Row(31, "flips-the-solution-flag", edit=change("running_sum_solution", solution=False, grade=True, points=5)),
    Row(31, "flips-the-grade-flag", second=SECOND, edit=change("double", grade=False, solution=True), score=8),
    Row(32, "deletes-a-check", second=SECOND, edit=remove("running_sum"), score=8),
    Row(32, "deletes-an-answer", second=SECOND, edit=remove("running_sum_solution"), found=says_missing),
    Row(32, "deletes-metadata", second=SECOND, edit=strip, score=8),
    Row(32, "deletes-metadata-and-ids", second=SECOND, edit=strip_all, score=8),
    Row(33, "duplicates", second=SECOND, edit=duplicate, score=8),
    Row(33, "duplicates-a-stub", second=SECOND, edit=duplicate_stub, score=8),
    Row(34, "unknown-id", second=SECOND, edit=unknown, score=8),
    Row(35, "reorders", second=SECOND, edit=reorder, score=8),
    Row(35, "swaps-grade-ids", second=SECOND, edit=swap_ids, score=8),
    Row(36, "points", second=SECOND, edit=points, score=8),
    Row(37, "unknown-kernel", second=SECOND, edit=kernel, score=8),
    Row(38, "format-3", second=SECOND, place=old_format, score=8),
    Row(39, "not-json", place=as_bytes(lambda text: b"PK\x03\x04"), score=None, refused="not JSON"),
    Row(39, "a-list", place=as_bytes(lambda text: b"[]"), score=None, refused="JSON, but no notebook"),
    Row(39, "nested", place=as_bytes(lambda text: b"[" * 500_000), score=None, refused="not JSON that can be read"),
    Row(39, "half", place=as_bytes(lambda text: text[:700].encode()), score=None, refused="is damaged"),
    Row(39, "byte-order-mark", second=SECOND, place=as_bytes(lambda text: text.encode("utf-8-sig")), score=8),
    Row(39, "utf-16", second=SECOND, place=as_bytes(lambda text: text.encode("utf-16")), score=8),
    Row(39, "windows-1252", second=SECOND, place=as_bytes(with_1252), score=8),
    Row(40, "forged-time", second=SECOND, place=dated(b"1999-01-01 00:00:00 UTC"), score=8, found=time_kept),
    Row(40, "unreadable-time", second=SECOND, place=dated(b"\xff" * 300), score=8, found=time_kept),
    Row(40, "endless-time", second=SECOND, place=linked_time, score=8),
    Row(44, "calls-torch", second=CONV, score=8, found=flagged),
    Row(45, "warns", second=answer("import sys; print('careful', file=sys.stderr); return np.cumsum(x)"), score=8),
    Row(46, "renamed", second=SECOND, place=elsewhere("my answers (2).ipynb"), score=8),
    Row(46, "in-a-subfolder", second=SECOND, place=elsewhere("work", f"{UNIT}.ipynb"), score=8),
    Row(46, "in-another-folder", second=SECOND, place=elsewhere("..", "homework", "x.ipynb"), score=8),
]
