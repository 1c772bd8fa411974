"""How far a student has come: the best score of every exercise, in a small file, and the map of the course with it.

The file belongs to the person, not to one copy of the course: it lies in Jupyter's data folder (``jupyter --paths``),
or where the environment variable CNNKIT_PROGRESS says. It has a line of JSON for each time that a score grew; lines
are only ever added, so that two notebooks at once, or a crash, lose nothing.
"""

import json
import os
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from cnnkit import data, exercises

UNGRADED = "00-start-here"


@dataclass(frozen=True)
class Unit:
    """A unit with what has been reached in it.

    Attributes:
        name: "03-conv-forward".
        title: "Convolution forward"; minutes: to plan for. "" and 0 where the notebook is not found.
        points, got: possible and reached.
        left: names of the exercises that are not at full marks yet, in order.
        done: how many are.
    """

    name: str
    title: str
    minutes: int
    points: float
    got: float
    left: tuple[str, ...]
    done: int


def file():
    """The file that holds the progress."""
    from jupyter_core.paths import jupyter_data_dir

    return Path(os.environ.get("CNNKIT_PROGRESS") or Path(jupyter_data_dir(), "cnn-course", "progress.jsonl"))


def best():
    """``{exercise: best score so far}``; lines that cannot be read count for nothing."""
    found = {}
    try:
        lines = file().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            entry = json.loads(line)
            name, score = str(entry["exercise"]), float(entry["score"])
        except (ValueError, KeyError, TypeError):
            continue
        found[name] = max(score, found.get(name, 0.0))
    return found


def record(verdict):
    """Remember a ``verdict.Verdict`` if it is the best so far. Where nothing can be written, nothing is said."""
    if verdict.score <= best().get(verdict.exercise, 0.0):
        return
    line = json.dumps({"exercise": verdict.exercise, "score": verdict.score, "max_score": verdict.max_score})
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        with open(file(), "a", encoding="utf-8") as out:
            out.write(f"{line}\n")
    except OSError:
        pass


def in_a_notebook():
    """Whether a person opened this kernel: Jupyter's server says so; what nbgrader and nbconvert start has no name."""
    return "JPY_SESSION_NAME" in os.environ


class Map:
    """The course with what has been reached: a table in a notebook, ``units`` for programs."""

    def __init__(self, notebooks=None):
        """``notebooks`` is the folder with the units' notebooks; None for that of the course."""
        scores, folder = best(), Path(notebooks or data.folder().parent / "notebooks")
        self.units = [_unit(name, folder, scores) for name in exercises.MODULES]

    @property
    def graded(self):
        return [unit for unit in self.units if unit.name != UNGRADED]

    @property
    def got(self):
        return sum(unit.got for unit in self.graded)

    @property
    def points(self):
        return sum(unit.points for unit in self.graded)

    @property
    def next(self):
        """``(unit, exercise)`` that comes next: the first one left, from the last unit in which something was done."""
        begun = [unit for unit in self.units if unit.got and unit.left]
        unit = begun[-1] if begun else next((unit for unit in self.units if unit.left), None)
        return (unit, unit.left[0]) if unit else None

    def _repr_html_(self):
        rows = "".join(map(_row, self.units))
        cell = 'style="text-align:left"'
        return (
            '<table style="font-variant-numeric:tabular-nums"><thead><tr>'
            f"<th {cell}>unit</th><th {cell}>about</th><th>minutes</th><th {cell}>points</th><th {cell}>left</th>"
            f"</tr></thead><tbody>{rows}</tbody></table><p>{escape(self.summary())}</p>"
        )

    def __repr__(self):
        return self.summary()

    def summary(self):
        """How far, and what comes next, in words."""
        told = f"{self.got:g} of {self.points:g} points."
        if not self.next:
            return f"{told} Nothing is left."
        unit, exercise = self.next
        return f"{told} Next: {exercise} in unit {unit.name[:2]}."


def _unit(name, notebooks, scores):
    path = notebooks / name / f"{name}.ipynb"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    title = re.search(r"# Unit \d+ · ([^\\\"]+)", text)
    minutes = re.search(r"about (\d+) minutes", text)
    whole = {exercise: exercises.get(exercise).max_score for exercise in exercises.names(name)}
    left = tuple(exercise for exercise, points in whole.items() if scores.get(exercise, 0) < points)
    return Unit(
        name=name,
        title=title[1].strip() if title else "",
        minutes=int(minutes[1]) if minutes else 0,
        points=sum(whole.values()),
        got=sum(min(scores.get(exercise, 0), points) for exercise, points in whole.items()),
        left=left,
        done=len(whole) - len(left),
    )


def _row(unit):
    share = unit.got / unit.points if unit.points else 0
    bar = (
        '<span aria-hidden="true" style="display:inline-block;width:6em;height:.7em;margin-right:.6em;'
        'border:1px solid rgba(128,128,128,.6);border-radius:3px;overflow:hidden">'
        f'<span style="display:block;height:100%;width:{100 * share:.0f}%;background:rgb(0,114,178)"></span></span>'
    )
    cell = 'style="text-align:left"'
    return (
        f"<tr><td {cell}>{escape(unit.name)}</td><td {cell}>{escape(unit.title)}</td><td>{unit.minutes or ''}</td>"
        f'<td style="text-align:left;white-space:nowrap">{bar}{unit.got:g} of {unit.points:g}</td>'
        f"<td {cell}>{escape(remaining(unit))}</td></tr>"
    )


def remaining(unit, most=3):
    """What is left of a unit, in a few words."""
    if not unit.left:
        return "✓"
    if not unit.done and not unit.got:
        return f"{len(unit.left)} exercise{'s' * (len(unit.left) != 1)}"
    more = len(unit.left) - most
    return ", ".join(unit.left[:most]) + (f" and {more} more" if more > 0 else "")
