"""The page that a student gets back: points, what was wrong and how to go on.

It is one file without scripts. Whatever came from the student is escaped, or was made inert; the page's
content security policy lets nothing run or load besides.
"""

import functools
import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

import jinja2
from markupsafe import Markup
from nbconvert.filters import strip_ansi
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder import inert, ingest
from autograder.files import write_atomically
from autograder.gradebook import Score

TEMPLATES = Path(__file__).parent / "templates"
MADE_OF = re.compile(r'<meta name="made-of" content="(\w+)">')
MAX_COLOURED = 100_000
SHORT = {
    "missing": "the cell is not in the notebook",
    "unwritten": "not written yet",
    "undefined": "not defined when the notebook runs",
    "timeout": "stopped: took too long",
    "crash": "ended the whole process",
}
"""What a flag of ``score.Graded`` says to a student."""


@functools.cache
def environment():
    """The jinja2 environment of all pages."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    env.filters["mark"] = lambda points: f"{points:g}"
    env.filters["breakable"] = lambda name: Markup("_<wbr>").join(name.split("_"))
    return env


def write(folder, student, unit, graded, marks, digest):
    """Write the page of a submission, where it is not up to date already.

    Args:
        folder: of the results.
        student, unit: whose page.
        graded: a ``score.Graded``.
        marks: a ``gradebook.Marks``.
        digest: stands for ``graded``.

    Returns:
        The path of the page.
    """
    path = Path(folder) / "feedback" / student / unit / f"{unit}.html"
    made_of = hashlib.sha256(json.dumps([digest, asdict(marks), _templates()]).encode()).hexdigest()
    if not path.is_file() or _made_of(path) != made_of:
        write_atomically(path, render(student, unit, graded, marks, made_of))
    return path


def render(student, unit, graded, marks, made_of=""):
    """The page as text; arguments as for ``write``."""
    parts = _parts(graded, marks)
    total = _share(sum(p["score"] for p in parts) - marks.penalty, sum(p["max_score"] for p in parts))
    return (
        environment()
        .get_template("feedback.html")
        .render(
            student=student,
            unit=unit,
            made_of=made_of,
            parts=parts,
            others=[_shown(cell) for cell in graded.notebook.cells if _is_other(cell)],
            total=total,
            penalty=marks.penalty,
            next=_next(parts),
            waiting=any(score.waiting for score in marks.scores.values()),
            code_style=code_style(),
        )
    )


def _parts(graded, marks):
    """What the page says about each exercise and each written answer, in the notebook's order."""
    parts, solutions = [], {}
    for cell in graded.notebook.cells:
        ours = cell.metadata.get("nbgrader", {})
        name = ours.get("grade_id")
        if ours.get("solution") and not ours.get("grade"):
            solutions[name.removesuffix("_solution")] = cell
        elif ours.get("grade"):
            score = marks.scores.get(name, Score(0.0, ours["points"]))
            part = _share(score.score, score.max_score) | {"name": name, "manual": score.manual}
            if name in graded.verdicts:
                verdict, flags = graded.verdicts[name], graded.flags.get(name, ())
                part |= {
                    "short": _short(verdict, flags),
                    "passed": verdict.passed,
                    "hint": verdict.hint,
                    "card": verdict._repr_html_(),
                    "cells": [_shown(solutions[name])] if name in solutions and "missing" not in flags else [],
                    "comment": marks.comments.get(f"{name}_solution"),
                }
            else:
                part |= {
                    "short": "waits to be read" if score.waiting else "",
                    "passed": False,
                    "hint": "",
                    "card": "",
                    "cells": [_shown(cell)],
                    "comment": marks.comments.get(name),
                }
            parts.append(part)
    return parts


def _next(parts):
    """The exercise to look at first: the first known mistake, or else the first that lost points; None if none did."""
    lost = [part for part in parts if part["card"] and part["score"] < part["max_score"]]
    return next((part for part in lost if part["hint"]), lost[0] if lost else None)


def _share(score, max_score):
    return {"score": score, "max_score": max_score, "percent": round(100 * score / max_score) if max_score else 0}


def _short(verdict, flags):
    if verdict.passed:
        return "all cases pass"
    if verdict.bug:
        return verdict.bug
    told = [SHORT[flag] for flag in flags if flag in SHORT]
    return told[0] if told else f"{sum(not case.passed for case in verdict.cases)} cases fail"


def _is_other(cell):
    """Whether a cell is the student's own, or a lesson cell that went wrong."""
    if cell.metadata.get("nbgrader"):
        return False
    failed = any(output.output_type == "error" for output in cell.get("outputs", ()))
    return cell.id.startswith(ingest.ADDED) or failed


def _shown(cell):
    """A cell as the template shows it."""
    if cell.cell_type != "code":
        return {"html": inert.drawn(cell.source), "outputs": []}
    return {"html": highlighted(cell.source), "outputs": [_shown_output(output) for output in cell.outputs]}


def _shown_output(output):
    if output.output_type == "stream":
        return {"kind": "text", "content": strip_ansi(output.text)}
    if output.output_type == "error":
        return {"kind": "error", "content": strip_ansi("\n".join(output.traceback))}
    data = output.data
    for kind in ("image/png", "image/jpeg", "image/gif"):
        if kind in data:
            code = re.sub(r"\s", "", data[kind])
            return {"kind": "image", "content": f"data:{kind};base64,{code}", "alt": data.get("text/plain", "a figure")}
    if "text/html" in data:
        return {"kind": "html", "content": data["text/html"]}
    return {"kind": "text", "content": data.get("text/plain") or data.get("text/latex", "")}


def highlighted(source):
    """Python code as HTML, coloured by ``code_style`` up to a length that nobody writes by hand."""
    if len(source) > MAX_COLOURED:
        return Markup('<div class="code"><pre>{}</pre></div>').format(source)
    return highlight(source, *_colours())


@functools.cache
def _colours():
    return PythonLexer(), HtmlFormatter(cssclass="code")


@functools.cache
def code_style():
    """Pygments' colours for the light and the dark page."""
    rules = lambda style: "\n".join(
        line for line in HtmlFormatter(style=style).get_style_defs(".code").splitlines() if "background" not in line
    )
    return f"{rules('default')}\n@media (prefers-color-scheme: dark) {{\n{rules('github-dark')}\n}}"


@functools.cache
def _templates():
    return [(TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.html", "feedback.html")]


def _made_of(path):
    with open(path, encoding="utf-8", errors="replace") as page:
        found = MADE_OF.search(page.read(4000))
    return found and found[1]
