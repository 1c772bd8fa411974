"""Make the shipped class: submissions from the student notebooks and the answers in .answers/<number of the unit>/.

``autograder build`` does, when it builds a notebook.

An answers file is Python in cells, which find ``np`` and each other in the notebook: ``# %% im2col`` begins an answer,
``# %% after im2col`` a cell that the student added after its check, ``# %% without im2col`` takes both cells out. An
exercise that a file does not mention has the answer of the unit's perfect.py. Unit 03 has two students more: "blank"
changed nothing, and the file of "not-json" broke off.
"""

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from autograder import ingest
from autograder.build import ROOT, source_notebook, student_notebook
from cnnkit import exercises

HERE = Path(__file__).parent
UNIT = "03-conv-forward"
MARK = re.compile(r"^# %% (?:(after|without) )?(\w+)\n", re.MULTILINE)
BROKEN = "not-json"


def units():
    """Names of the units that the class hands in."""
    return [unit for unit in exercises.MODULES if folder(unit).is_dir()]


def folder(unit):
    """Where the answers to a unit lie; hidden, since any other folder in here is a student's."""
    return HERE / ".answers" / unit.partition("-")[0]


def students(unit=UNIT):
    """Names of those who hand in a unit."""
    names = [path.stem for path in folder(unit).glob("*.py")]
    return sorted([*names, "blank", BROKEN] if unit == UNIT else names)


def submissions(unit=UNIT):
    """``{path below this folder: text of the notebook}`` of all who hand in a unit."""
    source = source_notebook(ROOT / "solutions" / unit / f"{unit}.py")
    released = student_notebook(source)
    whole = [student for student in students(unit) if student != BROKEN]
    texts = {student: nbformat.writes(submission(released, unit, student)) + "\n" for student in whole}
    if BROKEN in students(unit):
        # As a download that broke off leaves it.
        texts[BROKEN] = texts["perfect"][: len(texts["perfect"]) // 2]
    return {Path(student) / unit / f"{unit}.ipynb": text for student, text in sorted(texts.items())}


def submission(released, unit, student):
    """The notebook that a student hands in: the released one with the answers in it."""
    parts = [] if student == "blank" else answers(unit, student)
    own = {name for kind, name, _ in parts if not kind}
    if student not in ("blank", "perfect"):
        parts += [part for part in answers(unit, "perfect") if part[1] not in own]
    written = {name: text for kind, name, text in parts if not kind}
    without = {name for kind, name, _ in parts if kind == "without"}
    nb = nbformat.from_dict({**released, "cells": []})
    for ours in released.cells:
        cell = nbformat.from_dict(ours)
        check = ingest.check_name(cell)
        name = check or ingest.solution_name(cell)
        if name in without:
            continue
        if name in written and not check:
            cell.source = written[name]
        nb.cells.append(cell)
        if check:
            added = [text for kind, after, text in parts if kind == "after" and after == name]
            nb.cells += [new_code_cell(text, id=f"{name}-{number}") for number, text in enumerate(added)]
    return nb


def answers(unit, student):
    """``[(kind, exercise, text)]`` of an answers file; kind is "", "after" or "without"."""
    text = (folder(unit) / f"{student}.py").read_text(encoding="utf-8")
    _, *found = MARK.split(text)
    return [(found[i] or "", found[i + 1], found[i + 2].strip()) for i in range(0, len(found), 3)]


def build(wanted=None, check=False):
    """Write the submissions that are not as they should be, or with ``check`` none; returns their paths.

    ``wanted`` names the units; None for all.
    """
    stale = []
    texts = [item for unit in units() if wanted is None or unit in wanted for item in submissions(unit).items()]
    for path, text in texts:
        path = HERE / path
        if not path.is_file() or path.read_bytes() != text.encode():
            stale.append(path)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode())
    return stale
