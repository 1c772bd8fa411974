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
