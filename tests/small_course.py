"""A course of one small unit, with the practice exercise of the real one, for tests that build and grade."""

UNIT = "00-start-here"

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

"""

LESSON = """\
# %% [markdown]
# # Doubling
# What is twice a number?

# %%
import numpy as np

from cnnkit import check

# %% tags=["demo"]
drawing = np.linspace(0, 1, 5)
drawing

"""

SOLUTION = '''\
# %% solution="practice"
def practice(x):
    """Twice x, an array of any shape."""
    ### BEGIN SOLUTION
    all_values_doubled = x + x
    return all_values_doubled
    ### END SOLUTION

'''

CHECK = """\
# %% check="practice"
check("practice", practice)

"""

WRITTEN = """\
# %% [markdown] written="why_double" points=3
# Why is the result as large as x?
#
# ### BEGIN SOLUTION
# Because every single value is doubled where it stands.
# ### END SOLUTION
"""

SOURCE = HEADER + LESSON + SOLUTION + CHECK + WRITTEN


def write_unit(root, text=SOURCE, unit=UNIT):
    """Write a unit's percent file under ``root``; returns its path."""
    path = root / "solutions" / unit / f"{unit}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
