"""Correct answers to every exercise, written differently: what no check may fail.

One module per unit, named as in ``cnnkit.exercises``, each with ``ANSWERS``: exercise name to a list of answers.
They are the instructors' side and are not in what students receive.
"""

import importlib

from cnnkit import exercises


def answers(name):
    """The correct answers to the exercise called ``name``."""
    module = exercises.MODULES[exercises.get(name).unit]
    return importlib.import_module(f"autograder.answers.{module}").ANSWERS[name]
