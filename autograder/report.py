"""The class in pictures: one HTML page, drawn in SVG, that needs nothing from the network.

Its one script sorts tables; the page's content security policy names it by its digest and allows no other.
"""

import base64
import hashlib
import os
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from html import escape
from urllib.parse import quote

from markupsafe import Markup

from autograder import feedback

BINS = 10
MOST_LINES = 40
"""Lines of a student's code that an example shows."""
FLAGS = {
    "missing": ("no cell", "the solution cell is not in the notebook that was handed in"),
    "unwritten": ("stub", "still as it was handed out"),
    "undefined": ("undefined", "the notebook defines no such function when it runs"),
    "timeout": ("too long", "stopped when its time was over"),
    "crash": ("crashed", "ended its whole process"),
    "library": ("library", "calls something that does the exercise's own work; no points were taken off"),
    "dynamic": ("dynamic", "makes code while it runs, so that reading it says little; no points were taken off"),
    "similar": ("similar", "written like others in the class, whatever the names are; no points were taken off"),
    "differs": ("differs", "did not give the same twice; no points were taken off"),
    "grader failed": (
        "grader failed",
        "the grader has a fault, and could not judge this; tell us, and mark it by hand",
    ),
    "manual": ("by hand", "a person has set these points"),
    "waiting": ("to read", "an answer that a person still has to read"),
}
"""How a flag is shown in the table of marks, and what it means; of "library: torch.conv2d" the first word says it.

A flag without an entry is shown by its name.
"""


@dataclass(frozen=True)
class Written:
    """An answer in words, graded by hand, of one submission."""

    exercise: str
    score: float
    max_score: float
    flags: tuple[str, ...]
    bug: str = ""


@dataclass(frozen=True)
class Example:
    """One student's answer with a known mistake, and the first case that it fails."""

    student: str
    code: str
    card: str


@dataclass
class Details:
    """What the report tells beyond the rows of grades.csv; filled one submission at a time.

    Attributes:
        penalties: ``{(student, unit): points taken off for being late}``.
        written: ``{(student, unit): [Written]}``.
        seconds: ``{(student, unit): wall time that grading the notebook took}``.
        examples: ``{(unit, exercise, bug): Example}``, the first one of each.
    """

    penalties: dict = field(default_factory=dict)
    written: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)
    examples: dict = field(default_factory=dict)

    def add(self, who, graded, scores):
        """Take note of a submission.

        Args:
            who: (student, unit).
            graded: a ``score.Graded``.
            scores: ``{name of a graded cell: gradebook.Score}`` of the submission.
        """
        student, unit = who
        self.seconds[who] = graded.seconds
        self.written[who] = [
            Written(name, score.score, score.max_score, _by_hand(score))
            for name, score in scores.items()
            if name not in graded.verdicts
        ]
        for name, verdict in graded.verdicts.items():
            if verdict.bug and (unit, name, verdict.bug) not in self.examples:
                code = [cell.source for cell in graded.notebook.cells if _is_solution(cell, name)]
                card = replace(verdict, printed="", hint="")._repr_html_()
                self.examples[unit, name, verdict.bug] = Example(student, _excerpt("\n".join(code)), card)


def _by_hand(score):
    return ("waiting",) if score.waiting else ("manual",) if score.manual else ()


def _is_solution(cell, name):
    return cell["metadata"].get("nbgrader", {}).get("grade_id") == f"{name}_solution"


def _excerpt(code):
    lines = code.splitlines()
    more = [f"# ... {len(lines) - MOST_LINES} lines more"] if len(lines) > MOST_LINES else []
    return "\n".join([*lines[:MOST_LINES], *more])


def render(summary, pages, folder, details=None):
    """The page as text.

    Args:
        summary: a ``run.Summary``.
        pages: ``{(student, unit): path of the feedback page}``.
        folder: where the page will lie, for its links.
        details: a ``Details``.
    """
    rows = defaultdict(list)
    for row in summary.rows:
        rows[row.unit].append(row)
    links = {who: quote(os.path.relpath(path, folder)) for who, path in pages.items()}
    details = details or Details()
    script = (feedback.TEMPLATES / "sort.js").read_text(encoding="utf-8")
    return (
        feedback.environment()
        .get_template("report.html")
        .render(
            students=len({row.student for row in summary.rows}),
            units=[_unit(name, rows[name], links, details) for name in sorted(rows)],
            refused=[(*who, reason) for who, reason in sorted(summary.refused.items())],
            strays=summary.strays,
            linked=bool(links),
            code_style=feedback.code_style(),
            script=Markup(script),
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _unit(name, rows, links, details):
    by_student = defaultdict(dict)
    for row in rows:
        by_student[row.student][row.exercise] = row
    exercises = list(dict.fromkeys(row.exercise for row in rows))
    full = {row.exercise: row.max_score for row in rows}
    for student, marks in by_student.items():
        for answer in details.written.get((student, name), ()):
            marks[answer.exercise] = answer
            full[answer.exercise] = answer.max_score
    late = {student: details.penalties.get((student, name), 0.0) for student in by_student}
    totals = {
        student: max(0.0, sum(row.score for row in marks.values()) - late[student])
        for student, marks in by_student.items()
    }
    max_score = sum(full.values())
    links = {student: links.get((student, name)) for student in by_student}
    return {
        "name": name,
        "max_score": max_score,
        "columns": {column: len(exercises) <= i for i, column in enumerate(full)},
        "mean": round(statistics.mean(totals.values()), 1),
        "median": round(statistics.median(totals.values()), 1),
        "full": sum(total >= max_score for total in totals.values()),
        "late": sum(penalty > 0 for penalty in late.values()),
        "waiting": sum("waiting" in mark.flags for marks in by_student.values() for mark in marks.values()),
        "students": [
            {
                "name": student,
                "total": totals[student],
                "late": late[student],
                "page": links[student],
                "cells": [_cell(by_student[student].get(column)) for column in full],
            }
            for student in sorted(totals, key=lambda student: (-totals[student], student))
        ],
        "bugs": _bugs(name, rows, len(totals), links, details),
        "flags": _flags(by_student, links),
        "seconds": _seconds(name, by_student, links, details),
        "distribution": _histogram([total / max_score if max_score else 0 for total in totals.values()]),
        "shares": _shares(
            {e: (sum(r.score for r in rows if r.exercise == e) / len(totals), full[e]) for e in exercises}
        ),
    }


def _cell(row):
    """One mark in the table: its colour between orange and blue says how much of the points it is."""
    if row is None:
        return {"text": "–", "note": "", "title": "", "colour": "transparent", "sort": -1}
    share = row.score / row.max_score if row.max_score else 0
    hue, strength = ("good", 0.14 + 0.44 * share) if share > 0 else ("poor", 0.32)
    told = ", ".join(filter(None, [row.bug, *map(_short, row.flags)]))
    return {
        "text": f"{row.score:g}",
        "note": "mistake" if row.bug else next((_short(flag.partition(": ")[0]) for flag in row.flags), ""),
        "title": f"{row.exercise}: {row.score:g} of {row.max_score:g}{'; ' if told else ''}{told}",
        "colour": f"rgba(var(--{hue}), {strength:.2f})" if "waiting" not in row.flags else "transparent",
        "sort": row.score,
    }


def _short(flag):
    kind, _, more = flag.partition(": ")
    return " ".join(filter(None, (FLAGS.get(kind, (kind, ""))[0], more)))


def _bugs(unit, rows, students, links, details):
    found = defaultdict(list)
    for row in rows:
        if row.bug:
            found[row.exercise, row.bug, row.hint].append(row.student)
    return [
        {
            "exercise": exercise,
            "name": bug,
            "hint": hint,
            "students": [(student, links[student]) for student in sorted(who)],
            "percent": round(100 * len(who) / students),
            "example": _shown(details.examples.get((unit, exercise, bug))),
        }
        for (exercise, bug, hint), who in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _shown(example):
    return example and {
        "student": example.student,
        "code": Markup(feedback.highlighted(example.code)),
        "card": Markup(example.card),
    }


def _flags(by_student, links):
    """What was noted about submissions, the most frequent first: each with the students it was noted about."""
    found = defaultdict(lambda: defaultdict(list))
    for student, marks in by_student.items():
        for name, row in marks.items():
            for flag in row.flags:
                found[flag][student].append(name)
    counts = Counter({flag: sum(map(len, who.values())) for flag, who in found.items()})
    return [
        {
            "name": _short(flag),
            "meaning": FLAGS.get(flag.partition(": ")[0], ("", ""))[1],
            "count": count,
            "students": [(student, links[student], found[flag][student]) for student in sorted(found[flag])],
        }
        for flag, count in counts.most_common()
    ]


def _seconds(unit, students, links, details):
    """How long grading took: the median, and the slowest notebooks."""
    taken = {s: details.seconds[s, unit] for s in students if (s, unit) in details.seconds}
    if not taken:
        return None
    slowest = sorted(taken, key=lambda student: (-taken[student], student))[:3]
    return {
        "median": statistics.median(taken.values()),
        "total": sum(taken.values()),
        "slowest": [(student, links[student], taken[student]) for student in slowest],
    }


def _histogram(shares):
    """Students by tenths of the points, the last bar holding full marks alone."""
    counts = [0] * (BINS + 1)
    for share in shares:
        counts[min(BINS, int(BINS * share + 1e-9))] += 1
    labels = [f"{100 * i // BINS}–{100 * (i + 1) // BINS - 1} %" for i in range(BINS)] + ["all"]
    width, height, step, top = 460, 200, 40, 24
    scale = (height - top - 34) / max(*counts, 1)
    base = height - 34
    bars = [f'<line class="axis" x1="10" x2="{width - 4}" y1="{base}" y2="{base}"/>']
    for i, (count, label) in enumerate(zip(counts, labels, strict=True)):
        x, tall = 14 + i * step, count * scale
        if count:
            bars.append(
                f'<rect class="filled" x="{x}" y="{base - tall:.1f}" width="{step - 8}" height="{tall:.1f}" rx="3">'
                f"<title>{label}: {count}</title></rect>"
                f'<text x="{x + (step - 8) / 2}" y="{base - tall - 6:.1f}" text-anchor="middle">{count}</text>'
            )
        tick = "all" if i == BINS else f"{100 * i // BINS}"
        bars.append(f'<text class="soft" x="{x + (step - 8) / 2}" y="{base + 16}" text-anchor="middle">{tick}</text>')
    bars.append(
        f'<text class="soft" x="{width / 2}" y="{height - 2}" text-anchor="middle">% of the points, from</text>'
    )
    told = "; ".join(f"{label}: {count}" for label, count in zip(labels, counts, strict=True) if count)
    return _svg(width, height, f"Number of students by share of the points. {told}.", bars)


def _shares(means):
    """A horizontal bar for each exercise: the mean of its points."""
    line, left, long = 30, 170, 220
    bars = []
    for i, (name, (mean, full)) in enumerate(means.items()):
        y, share = 8 + i * line, mean / full if full else 0
        bars.append(
            f'<text x="{left - 10}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="lost" x="{left}" y="{y + 3}" width="{long}" height="14" rx="3"/>'
            f'<rect class="filled" x="{left}" y="{y + 3}" width="{long * share:.1f}" height="14" rx="3">'
            f"<title>{escape(name)}: {mean:.2g} of {full:g} on average</title></rect>"
            f'<text x="{left + long + 8}" y="{y + 14}">{100 * share:.0f} %</text>'
        )
    told = "; ".join(f"{name}: {100 * mean / full:.0f} %" for name, (mean, full) in means.items() if full)
    return _svg(left + long + 60, 12 + line * len(means), f"Share of the points by exercise. {told}.", bars)


def _svg(width, height, description, parts):
    return Markup(
        f'<svg role="img" aria-label="{escape(description)}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}">{"".join(parts)}</svg>'
    )
