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

# %% [markdown]
# # Unit 00 · Start here
#
# The units of this course are notebooks like this one. You read, you predict, you write a function, and the
# notebook tells you at once whether it is right, and if not, what went wrong. This unit shows how that works,
# on an exercise too small to go wrong.
#
# | | |
# |:--|:--|
# | **Time** | about 20 minutes |
# | **You need** | Python functions and a first acquaintance with NumPy arrays |
# | **Points** | the practice exercise has one, so that you see what a point looks like; it is not part of any mark |

# %% [markdown]
# ## 1 · Cells
#
# A notebook is a column of **cells**. Click on the next one and press `Shift+Enter`: it runs, and the cursor
# goes to the one after it.

# %%
import numpy as np

from cnnkit import check, evaluate

np.arange(6).reshape(2, 3)

# %% [markdown]
# The number in brackets on the left counts what the kernel, the Python behind the notebook, has run so far.
# It remembers everything, also what you have deleted since. When results look impossible, choose *Kernel →
# Restart Kernel and Run up to Selected Cell*: it clears the memory and plays everything back in order.
#
# **Predict.** You run a cell with `a = 1`, change it to `a = 2` without running it, then run a cell with `a`.
# What does it show?
#
# <details><summary>Answer</summary>
#
# 1. The kernel knows what was run, not what is written. Answers are folded away like this one all through the
# course: decide first, then unfold.
#
# </details>

# %% [markdown]
# ## 2 · Is everything here?
#
# The next cell looks for what the course needs. Every line but the last should begin with a tick.

# %% tags=["demo", "hide-input"]
import sys
from importlib import metadata

from cnnkit import device

rows = [("Python", sys.version.split()[0], (3, 11) <= sys.version_info[:2] <= (3, 13))]
for package in ("numpy", "torch", "matplotlib", "tqdm", "ipywidgets", "jupyterlab", "nbgrader"):
    try:
        rows.append((package, metadata.version(package), True))
    except metadata.PackageNotFoundError:
        rows.append((package, "missing", False))
for name, version, fine in rows:
    print("✓" if fine else "✗", f"{name:12} {version}")
print("✓", f"{'computes on':12} {device()}")
print(" ", f"{'runs in':12} {sys.prefix}")

# %% [markdown]
# A cross mostly means that the notebook runs in another environment than the one you installed for the
# course: look at the folder in the last line. Computing on `cpu` is enough for every exercise.
#
# Figures are drawn in the colours of your theme. Change it under *Settings → Theme*, and this one changes
# too.

# %% tags=["demo", "hide-input"]
from cnnkit import plot

fig, ax = plot.canvas(15, 5)
numbers = plot.grid(ax, np.array([[1, -2, 0], [3, 0, -1]]), (1, 1.8), "a NumPy array")
plot.window(ax, numbers, 0, 0, 2, 1)
plot.arrow(ax, (4.6, 2.8), (8.6, 2.8))
plot.text(ax, 6.6, 2.1, "double the first column", size=8)
doubled = plot.grid(ax, np.array([[2, -2, 0], [6, 0, -1]]), (9.2, 1.8), "another one", limit=3)
plot.window(ax, doubled, 0, 0, 2, 1)
plot.show(fig, "Two arrays of two rows and three columns; in the second one the first column is doubled.")

# %% [markdown]
# ## 3 · How a check looks
#
# An exercise is a pair of cells: one in which you write a function, and a locked one that calls
# `check("name", name)`. The check calls your function with many inputs, compares what comes back with what
# should come back, and shows the result as a card.
#
# The practice exercise is `practice(x)`: return an array with every value of `x` doubled. Before you write
# it, look at what the check has to say about some functions that are *not* right. `evaluate` shows the same
# card as `check`, without stopping the notebook.
#
# A function that nobody has written yet:

# %%
def not_written(x):
    raise NotImplementedError


evaluate("practice", not_written)

# %% [markdown]
# A mistake that others have made before you. The check knows it by its results and gives a **hint**; below it
# stand the first case that failed and where the first wrong number is.

# %%
def squared(x):
    return x * x


evaluate("practice", squared)

# %% [markdown]
# **Predict.** The next function doubles every value and then rounds to whole numbers. Which part of the card
# will be missing this time, and what is left to go by?
#
# <details><summary>Answer</summary>
#
# The hint: nobody foresaw this mistake. What is left is the first failing case, with the number that was
# expected beside the one that came back. Often that is enough: a fraction beside a whole number tells its own
# story.
#
# </details>

# %%
def rounded(x):
    return np.round(2 * x)


evaluate("practice", rounded)

# %% [markdown]
# And a function that does not even run:

# %%
def no_such_thing(x):
    return 2 * x.values


evaluate("practice", no_such_thing)

# %% [markdown]
# ## 4 · Your turn
#
# In the next cell replace `raise NotImplementedError()` by your code and run it. It should show nothing: a
# definition has no result. Then run the check below it.
#
# ### Exercise: `practice`

# %% solution="practice"
def practice(x):
    """Every value doubled.

    Args:
        x: an array of any shape, float32 or float64.

    Returns:
        A new array with the shape and dtype of x; x stays as it is.
    """
    ### BEGIN SOLUTION
    twice = 2 * x
    return twice
    ### END SOLUTION

# %% check="practice"
check("practice", practice)

# %% [markdown]
# A check that fails stops *Run All* at this place, on purpose: what follows may need what you have not got
# yet.
#
# Three rules hold for every exercise, and a check will remind you of them.
#
# - **What comes in stays as it is.** Do not change the arrays that you are given. Copy first, if you must.
# - **dtype in is dtype out.** float32 comes back as float32, which takes half the memory of float64 and often
#   half the time.
# - **Warnings cost nothing.** Neither do prints, and you may use any style that is right: loops, slices,
#   `einsum`.
#
# **Predict.** Does the check see that `in_place` below is wrong? It has the right shape, the right dtype, and
# the right values.

# %%
def in_place(x):
    x *= 2
    return x


evaluate("practice", in_place)

# %% [markdown]
# <details><summary>Answer</summary>
#
# It does: the caller's array was doubled too. In a network the same array feeds several layers and is needed
# again on the way back, so a function that changes its input breaks something far away from itself. Such
# mistakes take days to find.
#
# </details>

# %% [markdown]
# ## 5 · How you will be graded
#
# Your instructor calls your functions too, with the same kinds of input, but with **other numbers** than the
# check in your notebook uses. A function that knows the answers of the public cases by heart scores nothing;
# one that passes here because it is right passes there as well. Points are given by groups of cases, say
# *basics*, *stride* and *padding*: a function that is right except for padding keeps the rest.
#
# Two things follow.
#
# - What a function needs has to be in its own cell, or in a cell that you wrote yourself or that the lesson
#   came with. Cells that only draw, race or train are skipped when grading, and what you write into them is
#   thrown away. They begin with `# skipped when grading`, or their code is folded away. The safe way: import
#   what you need beyond `np` in the first line of your answer's own cell.
# - Leave the locked cells as they are. They are replaced by fresh ones before grading anyway.
#
# **Before you hand in:** *Kernel → Restart Kernel and Run All Cells*, then press **Validate** in the toolbar
# above the notebook. It runs everything in a fresh kernel and names the checks that still fail. To hand in
# with failing checks is no shame: you get the points of the groups that pass.

# %% [markdown]
# ## 6 · Help
#
# - **The card**: the hint first, then the failing case. Try that very case by hand.
# - **The docstring**: put the cursor on a function's name and press `Shift+Tab`. Shapes, dtypes and errors
#   are stated there.
# - **Small inputs**: most mistakes show on a 3 × 3 picture that you can work out on paper.
# - **Insert a cell** (`B`) anywhere and print shapes. Cells of your own do no harm.
# - **In a terminal**, `cnnkit doctor` looks at your installation, and `cnnkit check NOTEBOOK` runs the checks
#   of a notebook.
# - **People**: ask. Bring the card with you; it says which case failed.

# %% [markdown]
# ## 7 · The map
#
# Every unit can be done by itself: what it needs of earlier ones it takes from `cnnkit`. The order below is
# the one in which the ideas build on each other. The checks remember your best score of each exercise, for this map
# alone: run the cell again, or type `cnnkit progress` in a terminal, to see how far you are.

# %% tags=["demo", "hide-input"]
from cnnkit import progress

progress.Map()

# %% [markdown]
# Open the next unit from the file browser on the left: the folder above this one, then its own.
