"""The class in pictures: one HTML page without scripts, drawn in SVG, that needs nothing from the network."""

import os
import statistics
from collections import defaultdict
from html import escape
from urllib.parse import quote

from markupsafe import Markup

from autograder.feedback import environment

BINS = 10
NOTES = {
    "missing": "no cell",
    "unwritten": "stub",
    "undefined": "undefined",
    "timeout": "too long",
    "crash": "crashed",
    "manual": "by hand",
}
"""How a flag is shown in the table of marks."""


def render(summary, pages, folder):
    """The page as text.

    Args:
        summary: a ``run.Summary``.
        pages: ``{(student, unit): path of the feedback page}``.
        folder: where the page will lie, for its links.
    """
    rows = defaultdict(list)
    for row in summary.rows:
        rows[row.unit].append(row)
    links = {who: quote(os.path.relpath(path, folder)) for who, path in pages.items()}
    return (
        environment()
        .get_template("report.html")
        .render(
            students=len({row.student for row in summary.rows}),
            units=[_unit(name, rows[name], links) for name in sorted(rows)],
            refused=[(*who, reason) for who, reason in sorted(summary.refused.items())],
            strays=summary.strays,
            linked=bool(links),
        )
    )


def _unit(name, rows, links):
    by_student = defaultdict(dict)
    for row in rows:
        by_student[row.student][row.exercise] = row
    exercises = list(dict.fromkeys(row.exercise for row in rows))
    full = {row.exercise: row.max_score for row in rows}
    totals = {student: sum(row.score for row in marks.values()) for student, marks in by_student.items()}
    max_score = sum(full.values())
    return {
        "name": name,
        "max_score": max_score,
        "exercises": exercises,
        "mean": round(statistics.mean(totals.values()), 1),
        "median": round(statistics.median(totals.values()), 1),
        "full": sum(total >= max_score for total in totals.values()),
        "students": [
            {
                "name": student,
                "total": totals[student],
                "page": links.get((student, name)),
                "cells": [_cell(by_student[student].get(exercise)) for exercise in exercises],
            }
            for student in sorted(totals, key=lambda student: (-totals[student], student))
        ],
        "bugs": _bugs(rows, len(totals)),
        "distribution": _histogram([total / max_score if max_score else 0 for total in totals.values()]),
        "shares": _shares(
            {e: (sum(r.score for r in rows if r.exercise == e) / len(totals), full[e]) for e in exercises}
        ),
    }


def _cell(row):
    """One mark in the table: its colour between orange and blue says how much of the points it is."""
    if row is None:
        return {"text": "–", "note": "", "title": "", "colour": "transparent"}
    share = row.score / row.max_score if row.max_score else 0
    hue, strength = ("good", 0.14 + 0.44 * share) if share > 0 else ("poor", 0.32)
    told = ", ".join(filter(None, [row.bug, *(NOTES.get(flag, flag) for flag in row.flags)]))
    return {
        "text": f"{row.score:g}",
        "note": "mistake" if row.bug else next((NOTES.get(flag, flag) for flag in row.flags), ""),
        "title": f"{row.exercise}: {row.score:g} of {row.max_score:g}{'; ' if told else ''}{told}",
        "colour": f"rgba(var(--{hue}), {strength:.2f})",
    }


def _bugs(rows, students):
    found = defaultdict(list)
    for row in rows:
        if row.bug:
            found[row.exercise, row.bug, row.hint].append(row.student)
    return [
        {
            "exercise": exercise,
            "name": bug,
            "hint": hint,
            "students": sorted(who),
            "percent": round(100 * len(who) / students),
        }
        for (exercise, bug, hint), who in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


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
