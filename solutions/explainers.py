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
# ## What does a network cost, and what does it see?
#
# AlexNet's filters are 11, 5 and 3 wide. How much of the picture does one unit behind the third pooling layer see?
# Change a stride and watch what follows.

# %%
widgets.StackTable("AlexNet")
