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
# # The explainers
#
# All explainers of the course in one place. Run a cell, then change its numbers: with the mouse, with Tab and the
# arrow keys, or from code, since each number is a trait that can be read, set and linked.

# %%
from cnnkit import widgets

# %% [markdown]
# ## How large is the output?
#
# Deck b's question: an input 7 wide, a filter 3 wide, stride 3. Does it fit? What does PyTorch do about it?

# %%
widgets.SizeCalculator(n=7, k=3, stride=3)

# %% [markdown]
# Deck b's other question: a 32 × 32 × 3 input under ten 5 × 5 filters, padded by 2. How large is the output, and how
# many parameters are there? Guess first.

# %%
layer = widgets.SizeCalculator(n=32, k=5, pad=2, c_in=3, c_out=10)
layer

# %% [markdown]
# What you set by hand, code can read.

# %%
layer.size, layer.parameters, layer.torch

# %% [markdown]
# ## Where does an output come from?
#
# Deck b's volume: a 5 × 5 × 3 input, padded by 1, under two 3 × 3 × 3 filters with stride 2. Which 27 products make
# the −8 in the middle of the first map?

# %%
widgets.ConvStepper(at=[0, 1, 1])

# %% [markdown]
# ## How does a convolution become one matrix product?
#
# Each window becomes a column. Which numbers of the input stand in column 4, and in how many columns does the middle
# of the input appear?

# %%
widgets.Im2colExplorer(n=5, k=3, at=4)

# %% [markdown]
# ## How do gradients come back through a convolution?
#
# Follow one weight, then one pixel. With a stride of 2, where do the zeros between the numbers of dL/dy come from?

# %%
widgets.BackwardStepper(look="dx", at=[2, 2])

# %% [markdown]
# ## Where does the gradient of a pooling layer go?
#
# The Stanford course's example. Make two numbers of a window equal: who gets the gradient?

# %%
widgets.PoolRouter()

# %% [markdown]
# ## What does a network cost, and what does it see?
#
# AlexNet's filters are 11, 5 and 3 wide. How much of the picture does one unit behind the third pooling layer see?
# Change a stride and watch what follows.

# %%
widgets.StackTable("AlexNet")

# %% [markdown]
# ## What does a kernel do to a picture?
#
# What changes when Sobel's kernel is turned by 180 degrees? And a blur?

# %%
widgets.KernelLab(kernel="Sobel, to the right")

# %% [markdown]
# ## What does a cell of the visual cortex answer to?
#
# Find the angle that this cell prefers. Then move the bar aside, and try the same with a complex cell.

# %%
widgets.CortexLab(prefers=60)
