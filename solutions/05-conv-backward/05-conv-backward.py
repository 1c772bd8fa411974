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
# # Unit 05 · Convolution, backward
#
# A convolution layer has put out its maps, the layers after it have done their work, and at the end stands one
# number, the loss. Now somebody hands the layer a list: of each of its outputs, how much the loss would rise if
# that output rose a little. What does the layer make of it?
#
# This unit writes the answer out, every term of it, on the smallest example there is. The terms fall into
# patterns by themselves: the way back through a convolution is made of convolutions, and in the end of two
# matrix products.
#
# **After this unit you can**
#
# - write down the gradient of any weight, any bias and any pixel of a convolution layer, and say why;
# - explain the mirrored kernel, the inserted zeros and the ring of zeros, instead of remembering them;
# - say which pixels get no gradient at all;
# - tell an adjoint from an inverse, and test for it in three lines;
# - write the backward pass so fast that one can train with it.
#
# | | |
# |:--|:--|
# | **Time** | about 150 minutes: 70 to read and predict, 80 for six exercises and a written answer. Section 10 is a good place to break off. |
# | **You need** | what a convolution layer computes (unit 03), the chain rule (unit 04). No code from either. |
# | **Layout** | images `x: (N, C, H, W)`, filters `w: (F, C, KH, KW)`, biases `b: (F,)`, upstream gradient `dout: (N, F, OH, OW)`. Everything counts from 0. |
#
# The text keeps asking you to predict something. Decide on an answer before you unfold ours. Cells that only
# draw are folded away; from section 13 on, some of them run on your functions.

# %%
import numpy as np
import torch
from IPython.display import Math

from cnnkit import check

rng = np.random.default_rng(0)

# %% tags=["demo"]
from cnnkit import plot, widgets

# %% [markdown]
# ## 1 · What is asked
#
# Decks a and b derive the backward pass on a 3 × 3 picture $x$ under a 2 × 2 filter $w$. The output $y$ is 2 ×
# 2, and somewhere behind it a loss $L$ comes out (deck a calls it $p$, deck b $e$). What arrives from behind is
# the **upstream gradient**
#
# $$\delta_{ij} = \frac{\partial L}{\partial y_{ij}},$$
#
# one number for each output; in the code it is `dout`. What is asked for are the gradients of everything that
# went in: $\partial L / \partial w$ to improve the filter, $\partial L / \partial b$ to improve the bias, and
# $\partial L / \partial x$ for the layer before, whose upstream gradient it is. In the code: `dw`, `db`, `dx`.

# %%
x = np.array([[1, 2, 0],
              [0, 1, 3],
              [2, 0, 1]])
w = np.array([[1, -1],
              [2, 3]])
dout = np.array([[2, -1],
                 [1, 3]])

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 12.4)
plot.grid(ax, x, (0.6, 1.2), "picture x", limit=0)
plot.grid(ax, w, (5, 1.7), "filter w", limit=0)
plot.arrow(ax, (7.6, 2.7), (13.4, 2.7), plot.BLUE)
plot.text(ax, 10.5, 1.8, "slide, multiply,\nadd up", size=9)
plot.grid(ax, np.full((2, 2), ""), (14, 1.7), "output y")
plot.arrow(ax, (16.6, 2.7), (22.6, 2.7), plot.BLUE)
plot.text(ax, 19.6, 2.1, "the layers after it", size=9)
plot.text(ax, 23.6, 2.7, "L", size=15, weight="bold")
ax.plot([0.6, 25.5], [5.6, 5.6], color="#888888", lw=0.8, ls=":")
plot.text(ax, 25.5, 5.1, "forward", size=9, ha="right", color=plot.BLUE)
plot.text(ax, 25.5, 6.2, "backward", size=9, ha="right", color=plot.VERMILION)
plot.grid(ax, np.full((3, 3), "?"), (0.6, 7.8), "∂L / ∂x")
plot.grid(ax, np.full((2, 2), "?"), (5, 8.3), "∂L / ∂w")
plot.arrow(ax, (13.4, 9.3), (7.6, 9.3), plot.VERMILION)
plot.text(ax, 10.5, 8.7, "this unit", size=9, weight="bold")
plot.grid(ax, dout, (14, 8.3), "upstream δ", limit=0)
plot.arrow(ax, (22.6, 9.3), (16.6, 9.3), plot.VERMILION)
plot.text(ax, 23.6, 9.3, "L", size=15, weight="bold")
plot.show(fig, "Forward: a 3 by 3 picture and a 2 by 2 filter give a 2 by 2 output, from which the layers after it make the "
          "loss L. Backward: the gradient of L in the output comes in; those in the picture and the filter are asked for.")

# %% [markdown]
# **Predict.** You turn the weight $w_{00}$ up a little. Which of the four outputs move? And if you turn up the
# pixel $x_{00}$ instead?
#
# <details><summary>Answer</summary>
#
# All four, since the same weight is used in every window. The pixel in the corner lies under one window only,
# so only $y_{00}$ moves. A gradient collects what comes back from everything that moved: for a weight that will
# be a sum over the whole output, for a pixel a sum over the few windows that it lies under.
#
# </details>

# %%
def forward(x, w):
    """The layer of unit 03 for one channel, one filter, stride 1."""
    rows, columns = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
    y = [[(x[i : i + w.shape[0], j : j + w.shape[1]] * w).sum() for j in range(columns)] for i in range(rows)]
    return np.array(y)


y = forward(x, w)
poke_w = forward(x, w + np.array([[0.1, 0], [0, 0]])) - y
poke_x = forward(x + np.diag([0.1, 0, 0]), w) - y
assert y.tolist() == [[2, 13], [3, 1]]
assert np.allclose(poke_w, 0.1 * x[:2, :2]) and np.allclose(poke_x, [[0.1, 0], [0, 0]])

# %% [markdown]
# ## 2 · Sixteen products
#
# The forward pass multiplies sixteen times: four windows of four pixels. Each multiplication has three places:
# the **output** that it goes into, the **weight** and the **pixel** that it takes. Here they are as a list, and
# nothing about the layer is left out of it.

# %%
OUTPUT, WEIGHT, PIXEL = 0, 1, 2


def products(image, kernel, stride=1):
    """Every multiplication of a forward pass: a list of (output, weight, pixel), each a (row, column)."""
    rows, columns = ((n - k) // stride + 1 for n, k in zip(image, kernel, strict=True))
    return [((i, j), (u, v), (i * stride + u, j * stride + v))
            for i, j in np.ndindex(rows, columns) for u, v in np.ndindex(kernel)]


sixteen = products((3, 3), (2, 2))
assert len(sixteen) == 16
sixteen[:5]

# %% [markdown]
# From the list we let the notebook write its own formulas. A letter stands for an array together with the place
# that it is looked up at: $w$ at the weight's place, $x$ at the pixel's, $\delta$ at the output's. `sums`
# gathers the products that share a place and adds them up, once as numbers and once as symbols. What you read
# on the page and what is computed are the same list.

# %%
letters = {"w": (WEIGHT, w), "x": (PIXEL, x), r"\delta": (OUTPUT, dout)}


def sums(triples, gather, shape, factors, letters=letters):
    """The products of two letters, added up by output, by weight or by pixel.

    Args:
        triples: from ``products``.
        gather: by what, OUTPUT, WEIGHT or PIXEL.
        shape: of the array of sums.
        factors: the two letters that are multiplied.
        letters: {letter: (place, array)}.

    Returns:
        ``(array of sums, {index: its terms in symbols}, {index: its terms in numbers})``.
    """
    total = np.zeros(shape, int)
    symbols, numbers = {at: [] for at in np.ndindex(shape)}, {at: [] for at in np.ndindex(shape)}
    for triple in triples:
        at = triple[gather]
        places = [triple[letters[letter][0]] for letter in factors]
        values = [letters[letter][1][place] for letter, place in zip(factors, places, strict=True)]
        total[at] += values[0] * values[1]
        symbols[at].append("".join(f"{letter}_{{{i}{j}}}" for letter, (i, j) in zip(factors, places, strict=True)))
        numbers[at].append(r" \cdot ".join(f"({value})" if value < 0 else f"{value}" for value in values))
    return total, symbols, numbers


def equations(left, found):
    """What ``sums`` found, as lines of a formula; ``left`` is the left-hand side, its index written as {}."""
    total, symbols, numbers = found
    lines = []
    for i, j in symbols:
        parts = [" + ".join(symbols[i, j]), " + ".join(numbers[i, j]), total[i, j]] if symbols[i, j] else [0]
        lines.append(left.format(f"{{{i}{j}}}") + "".join(rf" &= {part} \quad &" for part in parts).rstrip("&"))
    return Math(r"\begin{alignedat}{3}" + r" \\[3pt] ".join(lines) + r"\end{alignedat}")

# %% [markdown]
# Gathered by output, products of weight and pixel are the forward pass, the four lines with which deck a
# begins:

# %%
forward_sums = sums(sixteen, OUTPUT, (2, 2), ("w", "x"))
assert np.array_equal(forward_sums[0], y)
equations("y_{}", forward_sums)

# %% [markdown]
# The deck counts from 1 where we count from 0; apart from that these are its lines to the letter:

# %%
deck_a_lines = """w_{11}x_{11} + w_{12}x_{12} + w_{21}x_{21} + w_{22}x_{22}
w_{11}x_{12} + w_{12}x_{13} + w_{21}x_{22} + w_{22}x_{23}
w_{11}x_{21} + w_{12}x_{22} + w_{21}x_{31} + w_{22}x_{32}
w_{11}x_{22} + w_{12}x_{23} + w_{21}x_{32} + w_{22}x_{33}""".splitlines()


def as_the_decks_count(line):
    return line.translate(str.maketrans("012", "123"))


assert [as_the_decks_count(" + ".join(terms)) for terms in forward_sums[1].values()] == deck_a_lines

# %% [markdown]
# The same sixteen as a table: a row for each output, a column for each pixel, and in the cell the weight that
# connects the two.

# %% tags=["demo", "hide-input"]
def subscript(letter, at):
    return letter + "".join("₀₁₂₃₄₅₆₇₈₉"[i] for i in at)


def weight_colour(u, v):
    return plot.COLOURS[2 * u + v]


fig, ax = plot.canvas(26.5, 7.4)
cells = np.full((4, 9), "", object)
for o, k, p in sixteen:
    cells[2 * o[0] + o[1], 3 * p[0] + p[1]] = subscript("w", k)
box = plot.grid(ax, cells, (2.2, 1.2), "which weight connects which pixel with which output")
for o, k, p in sixteen:
    plot.window(ax, box, 2 * o[0] + o[1], 3 * p[0] + p[1], 1, 1, weight_colour(*k), fill=0.22)
for row, o in enumerate(np.ndindex(2, 2)):
    plot.text(ax, box.left - 0.8, box.top + row + 0.5, subscript("y", o))
for column, p in enumerate(np.ndindex(3, 3)):
    plot.text(ax, box.left + column + 0.5, box.bottom + 0.6, subscript("x", p))
plot.arrow(ax, (13.2, 1.7), (11.4, 1.7))
plot.text(ax, 13.5, 1.7, "along a row: what goes into one output", ha="left")
plot.text(ax, 13.5, 4, "all cells of one colour: what one weight is used for", ha="left")
plot.arrow(ax, (13.2, 6.8), (6.9, 6.2), bend=-0.12)
plot.text(ax, 13.5, 6.8, "down a column: what one pixel goes into", ha="left")
plot.show(fig, "A table of four outputs by nine pixels with sixteen filled cells; each weight stands in four of them, "
          "one in each row. Along a row: an output; down a column: a pixel; cells of one colour: a weight.")

# %% [markdown]
# **Predict.** The forward pass reads the table along its rows. How will the gradient of a weight read it, and
# how that of a pixel?
#
# <details><summary>Answer</summary>
#
# The gradient of a weight gathers the cells of one colour: four cells for each weight. That of a pixel gathers
# a column: one, two or four cells. Three ways to sort one list; the rest of the unit is about what each of them
# looks like.
#
# </details>

# %%
cells_of = {place: [sum(t[place] == at for t in sixteen) for at in np.ndindex(shape)]
            for place, shape in ((OUTPUT, (2, 2)), (WEIGHT, (2, 2)), (PIXEL, (3, 3)))}
assert cells_of[OUTPUT] == cells_of[WEIGHT] == [4, 4, 4, 4]
assert cells_of[PIXEL] == [1, 2, 1, 2, 4, 2, 1, 2, 1]

# %% [markdown]
# ## 3 · The bias
#
# A warm-up. The layer adds its bias to each output: $y_{ij} = b + \dots$, so $\partial y_{ij} / \partial b = 1$
# for every one of them. The chain rule adds up what comes back on all ways:
#
# $$\frac{\partial L}{\partial b} = \sum_{ij} \delta_{ij} \cdot 1$$
#
# **Predict.** What is `db` in our example? And in a layer with five filters, for a batch of 32 images: how many
# numbers has `db`, and is anything divided by 32?
#
# <details><summary>Answer</summary>
#
# 2 − 1 + 1 + 3 = 5. With five filters there are five biases, so `db` has five numbers. Each of them serves all
# the images, so it collects from all of them, and nothing is divided: if the loss is a *mean* over the batch,
# the division is part of $L$ and has already made every $\delta$ smaller.
#
# </details>

# %%
assert dout.sum() == 5

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(24, 6.2)
for n in range(3):
    for f in range(2):
        left, top = 4.6 + 3.4 * n, 1.5 + 2.6 * f
        sheet = plot.grid(ax, np.full((2, 3), ""), (left, top), f"image {n}" if f == 0 else "", cell=0.8)
        plot.window(ax, sheet, 0, 0, 2, 3, plot.COLOURS[f], fill=0.25)
for f in range(2):
    y_ = 2.3 + 2.6 * f
    plot.text(ax, 2.5, y_, f"filter {f}", size=9)
    plot.arrow(ax, (15.2, y_), (18.6, y_), plot.COLOURS[f])
    plot.text(ax, 16.9, y_ - 0.6, "add up all", size=9)
    cell = plot.grid(ax, np.array([[""]]), (19.2, y_ - 0.5))
    plot.window(ax, cell, 0, 0, 1, 1, plot.COLOURS[f], fill=0.25)
    plot.text(ax, 20.8, y_, f"db[{f}]", ha="left")
plot.show(fig, "The upstream gradient of three images and two filters: all values of filter 0, in every image, add up to "
          "the first number of db, those of filter 1 to the second.")

# %% [markdown]
# ### Exercise: `conv_backward_b`

# %% solution="conv_backward_b"
def conv_backward_b(dout):
    """Gradient of the biases of a convolution layer.

    Args:
        dout: upstream gradient (N, F, OH, OW).

    Returns:
        (F,), dtype of dout.
    """
    ### BEGIN SOLUTION
    return dout.sum(axis=(0, 2, 3))
    ### END SOLUTION

# %% check="conv_backward_b"
check("conv_backward_b", conv_backward_b)

# %% [markdown]
# ## 4 · The weights
#
# Take $w_{00}$. The loss feels it through all four outputs, so the chain rule has four summands (deck a):
#
# $$\frac{\partial L}{\partial w_{00}} =
# \frac{\partial L}{\partial y_{00}}\frac{\partial y_{00}}{\partial w_{00}} +
# \frac{\partial L}{\partial y_{01}}\frac{\partial y_{01}}{\partial w_{00}} +
# \frac{\partial L}{\partial y_{10}}\frac{\partial y_{10}}{\partial w_{00}} +
# \frac{\partial L}{\partial y_{11}}\frac{\partial y_{11}}{\partial w_{00}}$$
#
# The first factor of each is known, it is $\delta$. The second is a slope, and the forward lines give it away:
# $y_{00}$ holds the product $w_{00}\,x_{00}$ and nothing else with $w_{00}$ in it, so
# $\partial y_{00}/\partial w_{00} = x_{00}$. In each of the sixteen products **the slope in the weight is the
# pixel**.
#
# **Predict.** Find the other three slopes in the lines of section 2, and put in the numbers. What is
# $\partial L/\partial w_{00}$?
#
# <details><summary>Answer</summary>
#
# $w_{00}$ meets $x_{00}$, $x_{01}$, $x_{10}$ and $x_{11}$: the upper left block of the picture. So 2 · 1 + (−1)
# · 2 + 1 · 0 + 3 · 1 = 3.
#
# </details>
#
# So: gather the sixteen products by weight, with $\delta$ in the place of the output and $x$ in that of the
# pixel.

# %%
dw_sums = sums(sixteen, WEIGHT, (2, 2), (r"\delta", "x"))
dw = dw_sums[0]
equations(r"\partial L / \partial w_{}", dw_sums)

# %% [markdown]
# That is every term there is. Deck a has the same four lines, with $\partial p/\partial y$ written out, and
# torch has the same four numbers:

# %%
deck_a_dw = """δ_{11}x_{11} + δ_{12}x_{12} + δ_{21}x_{21} + δ_{22}x_{22}
δ_{11}x_{12} + δ_{12}x_{13} + δ_{21}x_{22} + δ_{22}x_{23}
δ_{11}x_{21} + δ_{12}x_{22} + δ_{21}x_{31} + δ_{22}x_{32}
δ_{11}x_{22} + δ_{12}x_{23} + δ_{21}x_{32} + δ_{22}x_{33}""".splitlines()
assert [as_the_decks_count(" + ".join(terms)).replace(r"\delta", "δ") for terms in dw_sums[1].values()] == deck_a_dw


def by_torch(x, w, dout, **moves):
    """``(dx, dw)`` by torch's automatic differentiation; one channel, one filter."""
    leaves = [torch.tensor(a[None, None], dtype=torch.float64, requires_grad=True) for a in (x, w)]
    y = torch.nn.functional.conv2d(*leaves, **moves)
    y.backward(torch.tensor(dout[None, None], dtype=torch.float64))
    return [leaf.grad[0, 0].numpy() for leaf in leaves]


assert dw.tolist() == [[3, 14], [1, 2]]
assert np.array_equal(by_torch(x, w, dout)[1], dw)

# %% [markdown]
# Now look at the lines once more, this time only at the pixels. In the first line they are the upper left 2 × 2
# block of the picture; in the second the upper right one. **Predict**: have you seen this pattern before?

# %% tags=["demo", "hide-input"]
def signed(value):
    return f"({value})" if value < 0 else f"{value}"


fig, ax = plot.canvas(26.5, 7.4)
plot.grid(ax, dout, (0.6, 1.8), "upstream δ", limit=0)
plot.text(ax, 3.8, 2.8, "on", size=9)
for number, (u, v) in enumerate(np.ndindex(2, 2)):
    picture = plot.grid(ax, x, (5 + 4.1 * number, 1.3), f"for {subscript('w', (u, v))}", limit=0)
    plot.window(ax, picture, u, v, 2, 2, weight_colour(u, v), fill=0.2)
    terms = [f"{signed(d)}·{p}" for d, p in zip(dout.flat, x[u : u + 2, v : v + 2].flat, strict=True)]
    for line, half in enumerate((terms[:2], terms[2:])):
        plot.text(ax, picture.x, 4.9 + 0.7 * line, "+ " * line + " + ".join(half).replace("-", "−"), size=8.5)
    plot.text(ax, picture.x, 6.4, f"= {dw[u, v]}", weight="bold")
plot.arrow(ax, (21, 2.8), (22.6, 2.8))
result = plot.grid(ax, dw, (23.2, 1.8), "∂L / ∂w", limit=0)
for u, v in np.ndindex(2, 2):
    plot.window(ax, result, u, v, 1, 1, weight_colour(u, v), fill=0.2)
plot.show(fig, "For each of the four weights the upstream gradient lies on a 2 by 2 block of the picture, one step further "
          "each time; products, added up: 3, 14, 1 and 2.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# It is a window that slides over the picture, and the upstream gradient is the filter: a convolution.
#
# </details>
#
# In general terms, with any size: $w_{uv}$ meets the pixel $x_{i+u,\,j+v}$ in the window at $(i, j)$, so
#
# $$\frac{\partial L}{\partial w_{uv}}
# = \sum_{ij} \delta_{ij}\,\frac{\partial y_{ij}}{\partial w_{uv}}
# = \sum_{ij} \delta_{ij}\; x_{i+u,\,j+v}$$
#
# which is the formula boxed in deck b, and deck a puts it in words: **backpropagation with respect to the
# weights is the convolution of the input with the upstream gradient**. Nothing is turned round here: the signs
# in the indices are those of the forward pass.

# %%
assert np.array_equal(forward(x, dout), dw)

# %% [markdown]
# **Predict.** With a stride of 2, which pixels does one weight meet? Walk through the weights, then set the stride
# back to 1.

# %% tags=["demo"]
widgets.BackwardStepper(look="dw", stride=2)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Every second one, in both directions, beginning at the weight's own place: one pixel for each window.
#
# </details>

# %% [markdown]
# The window is as large as the *output*, and it has as many places as the filter has weights:
# $(3 - 2 + 1) \times (3 - 2 + 1)$. On real sizes that looks odd. A layer of 3 × 3 filters on 224 × 224 pixels
# has a backward pass in which a window of 222 × 222 slides to nine places.

# %%
assert 224 - 3 + 1 == 222 and (224 - 222 + 1) ** 2 == 9

# %% [markdown]
# ## 5 · dw with everything
#
# A real layer has padding, a stride, channels, several filters and a batch. Ask each time which products a
# weight takes part in, and the sum writes itself.
#
# **Predict**, one after the other, how the sum for $\partial L/\partial w_{fcuv}$ changes:
#
# 1. the picture is padded before the window slides;
# 2. the window moves in steps of $s$;
# 3. there are several channels and filters;
# 4. there is a batch of images.
#
# <details><summary>Answer</summary>
#
# 1. The weight meets pixels of the padded picture: put $\tilde x$ for $x$. Where it met padding, it met a zero.
# 2. The window of output $(i, j)$ begins at $(s i, s j)$, so it meets $\tilde x_{s i + u,\, s j + v}$: every
#    $s$-th pixel.
# 3. The weight belongs to one filter and one channel and met no others: $\delta_f$ and $\tilde x_c$, no sum
#    over either.
# 4. It was used in every image, so the sum runs over the images too, as it does for the bias.
#
# </details>
#
# $$\frac{\partial L}{\partial w_{fcuv}} = \sum_{n} \sum_{ij} \delta_{n f i j}\;\, \tilde x_{n,\,c,\;s i + u,\;s j + v}$$
#
# Fix a weight, and the pixels that it met form a slice of the padded picture, with steps of $s$ and as large as
# the output. Here is the slice of the middle weight of a 3 × 3 filter that goes over 7 × 7 pixels in steps of
# 2.

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(25, 9)
for left, (u, v), colour in ((0.6, (0, 0), plot.BLUE), (9.2, (1, 1), plot.VERMILION)):
    field = plot.grid(ax, np.full((7, 7), ""), (left, 1.3), f"what w{'₀₁₂'[u]}{'₀₁₂'[v]} meets, stride 2")
    plot.window(ax, field, u, v, 3, 3, colour, dilation=2, fill=0.4)
    plot.window(ax, field, 0, 0, 3, 3, plot.INK)
plot.text(ax, 17.2, 4.8, "times", size=9)
plot.grid(ax, np.array([[subscript("δ", (i, j)) for j in range(3)] for i in range(3)]), (18.2, 3.3), "upstream δ")
plot.text(ax, 19.7, 7, "nine products, added up", size=9)
plot.show(fig, "On 7 by 7 pixels, the nine pixels that the first weight and the middle weight of a 3 by 3 filter meet at "
          "stride 2: every second row and column, starting at the weight's own place. They are multiplied with the 3 by 3 "
          "upstream gradient.")

# %%
wide, strided = rng.integers(-3, 4, (7, 7)), rng.integers(-3, 4, (3, 3))
met = wide[1:7:2, 1:7:2]
assert met.shape == strided.shape
assert (met * strided).sum() == by_torch(wide, np.ones((3, 3)), strided, stride=2)[1][1, 1]

# %% [markdown]
# ### Exercise: `conv_backward_w`
#
# Loops over the weights, over the windows or over everything: whatever you can check against the formula.
# Nobody looks at the clock.

# %% solution="conv_backward_w"
def conv_backward_w(x, dout, kh, kw, stride=1, pad=0):
    """Gradient of the filters of a convolution layer.

    Args:
        x: images (N, C, H, W), as the layer got them, without padding.
        dout: upstream gradient (N, F, OH, OW).
        kh, kw: height and width of the filters.
        stride, pad: ints, as on the way forward.

    Returns:
        (F, C, KH, KW), dtype of x.
    """
    ### BEGIN SOLUTION
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = dout.shape[2:]
    dw = np.empty((dout.shape[1], x.shape[1], kh, kw), x.dtype)
    for u in range(kh):
        for v in range(kw):
            met = padded[:, :, u : u + stride * oh : stride, v : v + stride * ow : stride]
            dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dout, met)
    return dw
    ### END SOLUTION

# %% check="conv_backward_w"
check("conv_backward_w", conv_backward_w)

# %% [markdown]
# ## 6 · The pixels
#
# Now the third way to sort the list. In a product $w\,x$ **the slope in the pixel is the weight**, so gather by
# pixel, with $\delta$ at the place of the output and $w$ at that of the weight.
#
# **Predict.** How many terms has the gradient of the corner pixel $x_{00}$, that of the pixel $x_{01}$ beside
# it, that of the centre $x_{11}$? Write down the four terms of the centre before you run the next cell, with
# indices.

# %%
dx_sums = sums(sixteen, PIXEL, (3, 3), (r"\delta", "w"))
dx = dx_sums[0]
equations(r"\partial L / \partial x_{}", dx_sums)

# %%
assert dx.tolist() == [[2, -3, 1], [5, 6, -6], [2, 9, 9]]
assert np.array_equal(by_torch(x, w, dout)[0], dx)

# %% [markdown]
# The line of the centre is the one to look at. The indices of $\delta$ go 00, 01, 10, 11; those of $w$ go 11,
# 10, 01, 00. They run **against** each other. The picture shows why: the further down and right the window
# stands, the further up and left in the window lies the pixel.

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 7)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    u, v = 1 - i, 1 - j
    picture = plot.grid(ax, np.full((3, 3), ""), (0.8 + 5 * number, 1.3), f"window at ({i}, {j})")
    for p, q in np.ndindex(2, 2):
        plot.text(ax, picture.left + j + q + 0.5, picture.top + i + p + 0.5, subscript("w", (p, q)),
                  size=9.5, weight="bold" if (p, q) == (u, v) else "normal")
    plot.window(ax, picture, i, j, 2, 2, plot.INK)
    plot.window(ax, picture, 1, 1, 1, 1, weight_colour(u, v), fill=0.35)
    plot.text(ax, picture.x, 5.1, f"{subscript('δ', (i, j))} · {subscript('w', (u, v))}", size=12)
    plot.text(ax, picture.x, 6.1, f"{signed(dout[i, j])} · {signed(w[u, v])}".replace("-", "−"), size=10)
    for line in (5.1, 6.1):
        plot.text(ax, picture.right + 1, line, "+" if number < 3 else "", size=12)
mirrored = plot.grid(ax, np.array([[subscript("w", (1 - i, 1 - j)) for j in range(2)] for i in range(2)]), (22.6, 1.8),
                     "as a block")
for i, j in np.ndindex(2, 2):
    plot.window(ax, mirrored, i, j, 1, 1, weight_colour(1 - i, 1 - j), fill=0.35)
plot.text(ax, 20.2, 6.1, f"= {dx[1, 1]}", size=12, weight="bold")
plot.show(fig, "The centre pixel under the four windows: under weight 11 in the first, 10 in the second, 01 in the third, "
          "00 in the fourth. Read in the order of the windows, the weights are the filter turned by 180 degrees.")

# %% [markdown]
# ### Written answer: the derivation
#
# Section 4 went from the chain rule to a formula for $\partial L/\partial w_{uv}$ that holds for any size. Do
# the same for $\partial L/\partial x_{ab}$: one channel, one filter, stride 1, no padding. Start from
# $y_{ij} = \sum_{uv} w_{uv}\, x_{i+u,\,j+v}$ and give three steps and a remark:
#
# 1. the chain rule: over which outputs does the sum run?
# 2. the slope $\partial y_{ij} / \partial x_{ab}$: which weight is it, and when is it zero?
# 3. the sum that is left, written with one index pair of $w$; say what is meant where an index of $\delta$ lies
#    outside;
# 4. a sentence on where in your formula one can see that the kernel is mirrored.
#
# Your instructor reads this one and gives up to three points; double-click the next cell to write. Formulas go
# between dollar signs, `$\delta_{ij}$`, or in words. The next section takes up the result.

# %% [markdown] written="dx_derivation" points=3
# ### BEGIN SOLUTION
# 1. $L$ depends on $x_{ab}$ through the outputs, so
#    $\frac{\partial L}{\partial x_{ab}} = \sum_{ij} \delta_{ij}\, \frac{\partial y_{ij}}{\partial x_{ab}}$, to
#    begin with over all of them.
# 2. In $y_{ij} = \sum_{uv} w_{uv}\, x_{i+u,\,j+v}$ the pixel $x_{ab}$ stands where $i + u = a$ and $j + v = b$.
#    That is one product at most, with $u = a - i$ and $v = b - j$. So the slope is $w_{a-i,\,b-j}$ where this
#    weight exists, and 0 where $a - i$ or $b - j$ is negative or beyond the filter: then the pixel does not lie
#    under the window at $(i, j)$.
# 3. $\frac{\partial L}{\partial x_{ab}} = \sum_{ij} \delta_{ij}\, w_{a-i,\,b-j} = \sum_{uv} w_{uv}\, \delta_{a-u,\,b-v}$,
#    the second form by putting $u$ for $a - i$ and $v$ for $b - j$. Where $\delta_{a-u,\,b-v}$ lies outside, it
#    counts as zero: there is no such window.
# 4. On the way forward the index of $x$ is $i + u$, here that of $\delta$ is $a - u$: as $u$ goes down the
#    filter, $\delta$ is read upwards. To read both in the same direction, count the filter from its end,
#    $u' = K - 1 - u$: then $w_{K-1-u',\,K-1-v'}$, the filter turned by 180°, meets
#    $\delta_{a-(K-1)+u',\; b-(K-1)+v'}$, which is a window on $\delta$ with a ring of $K - 1$ zeros.
#
# One point for the chain rule with the slope of step 2, one for the sum of step 3 with its edges, one for the
# mirrored kernel, explained.
# ### END SOLUTION

# %% [markdown]
# ## 7 · The mirrored kernel
#
# Whatever way you wrote it, the result is this:
#
# $$\frac{\partial L}{\partial x_{ab}} = \sum_{uv} w_{uv}\; \delta_{a-u,\;b-v}\qquad\text{with } \delta = 0 \text{ outside}$$
#
# The corner of the picture has one term only, because three of the four values of $\delta$ that the formula
# asks for do not exist. We can let them exist: put a ring of zeros round $\delta$. Then every pixel has four
# terms, and all nine lines are one and the same window that slides, over $\delta$ this time, with the kernel
# turned by 180°.
#
# **Predict.** How wide must the ring be for a kernel of size $k$? Check that the size comes out right.
#
# <details><summary>Answer</summary>
#
# $k - 1$: in the corner the mirrored kernel touches $\delta$ with its last weight only. For $k = 2$ the ring is
# 1 wide and the 2 × 2 gradient grows to 4 × 4, in which a 2 × 2 window has 3 × 3 places: one for each pixel. In
# general $(n - k + 1) + 2 (k - 1) - k + 1 = n$.
#
# </details>

# %%
ringed = np.pad(dout, 1)
assert np.array_equal(forward(ringed, w[::-1, ::-1]), dx)
assert all((n - k + 1) + 2 * (k - 1) - k + 1 == n for n in range(3, 20) for k in range(1, n + 1))

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 13.2)
plot.grid(ax, w, (1.2, 2), "filter w", limit=0)
plot.arrow(ax, (3.6, 3), (5.6, 3))
plot.text(ax, 4.6, 2.2, "turn by\n180°", size=8.5)
turned = plot.grid(ax, w[::-1, ::-1], (6, 2), "mirrored", limit=0)
plot.window(ax, turned, 0, 0, 2, 2, plot.VERMILION)
plot.grid(ax, dout, (11.2, 2), "upstream δ", limit=0)
plot.arrow(ax, (13.6, 3), (15.6, 3))
plot.text(ax, 14.6, 2.2, "ring of\nzeros", size=8.5)
plot.grid(ax, ringed, (16, 1), "padded δ", limit=0, ring=1)
plot.arrow(ax, (20.6, 3), (22.4, 3))
plot.text(ax, 21.5, 2.4, "slide", size=8.5)
result = plot.grid(ax, dx, (22.9, 1.5), "∂L / ∂x", limit=0)
for number, ((a, b), where) in enumerate((((0, 0), "corner"), ((0, 1), "edge"), ((1, 1), "centre"))):
    left = 0.8 + 8.9 * number
    field = plot.grid(ax, ringed, (left, 7.4), f"{where}: pixel ({a}, {b})", limit=0, ring=1)
    plot.window(ax, field, a, b, 2, 2, plot.COLOURS[number], fill=0.2)
    plot.window(ax, result, a, b, 1, 1, plot.COLOURS[number], fill=0.2)
    plot.grid(ax, w[::-1, ::-1], (left + 5, 8.4), "", limit=0)
    plot.text(ax, left + 4.5, 9.4, "·", size=16)
    shown = [(d, k) for d, k in zip(ringed[a : a + 2, b : b + 2].flat, w[::-1, ::-1].flat, strict=True) if d]
    line = " + ".join(f"{signed(d)}·{signed(k)}" for d, k in shown)
    plot.text(ax, left + 3.4, 12.5, f"{line} = {dx[a, b]}".replace("-", "−"), size=9.5)
plot.show(fig, "Above: the filter turned by 180 degrees, and the upstream gradient in a ring of zeros. Below: the mirrored "
          "filter in the corner, on the edge and in the centre; it meets one, two and four values of the gradient.")

# %% [markdown]
# That is the sentence at the end of deck a's derivation: **the backward pass is the convolution of the padded
# upstream gradient with the mirrored weights**. If you remember unit 03: turning the kernel and sliding it is
# what signal processing calls convolution in the first place. The layer correlates on its way forward, and on
# the way back it does a true convolution, in the "full" size.

# %%
def full_convolution(f, g):
    """Every value of f lays down a copy of g (unit 03, section 3), nothing cut off."""
    out = np.zeros((f.shape[0] + g.shape[0] - 1, f.shape[1] + g.shape[1] - 1), int)
    for (i, j), value in np.ndenumerate(f):
        out[i : i + g.shape[0], j : j + g.shape[1]] += value * g
    return out


assert np.array_equal(full_convolution(dout, w), dx)

# %% [markdown]
# ### From the other side
#
# `full_convolution` says the same thing from the other side. Every output got its value from one window. On the
# way back it pays back to that window: each pixel gets $\delta$ times the weight that it had met. Where windows
# overlap, the payments add up.
#
# **Predict.** Which kernel is laid down, the mirrored one or the one we started with?
#
# <details><summary>Answer</summary>
#
# The one we started with: nothing is mirrored when you *give*. The mirror appears when you stand on a pixel and
# look back at the windows that gave to it. One sum, seen from its two ends.
#
# </details>

# %%
laid_down = np.zeros((4, 3, 3), int)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    laid_down[number, i : i + 2, j : j + 2] = dout[i, j] * w
assert np.array_equal(laid_down.sum(axis=0), dx)

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 5)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    sheet = plot.grid(ax, np.where(laid_down[number] == 0, "", np.char.replace(laid_down[number].astype(str), "-", "−")), (0.7 + 5.1 * number, 1.3),
                      f"{dout[i, j]} · w at ({i}, {j})".replace("-", "−"))
    plot.window(ax, sheet, i, j, 2, 2, plot.COLOURS[number], fill=0.2)
    plot.text(ax, sheet.right + 1, 2.8, "+" if number < 3 else "=", size=15)
plot.grid(ax, laid_down.sum(axis=0), (21.1, 1.3), "∂L / ∂x", limit=0)
plot.show(fig, "Four sheets of 3 by 3: on each, the filter times one value of the upstream gradient, laid down at that "
          "value's window. Their sum is the gradient of the picture.")

# %% [markdown]
# ### What deck b means by $w_{-i,-j}$
#
# Deck b lets the indices of an odd filter run from $-f$ to $f$, with 0 in the middle:
#
# $$z_{kl} = \sum_{i,j=-f}^{f} w_{ij}\; x_{k+i,\,l+j} \qquad\qquad
# \frac{\partial e}{\partial x_{kl}} = \sum_{i,j=-f}^{f} \frac{\partial e}{\partial z_{k+i,\,l+j}}\; w_{-i,\,-j}$$
#
# Compare the two: both read their second array at $k+i$, $l+j$, so both are windows that slide in the same way.
# The only difference is $w_{-i,-j}$ for $w_{ij}$, and with the zero in the middle a minus sign *is* the mirror.
#
# **Predict.** In our numbering, from 0 to $K - 1$, which weight is $w_{-i,-j}$?
#
# <details><summary>Answer</summary>
#
# $w_{ij}$ of the deck is our $w_{i+f,\,j+f}$. So $w_{-i,-j}$ is our $w_{f-i,\,f-j}$: index $u$ has become
# $K - 1 - u$, since $u = f + i$ and $K - 1 = 2f$. In NumPy: `w[::-1, ::-1]`.
#
# </details>

# %%
f = 1
three = rng.integers(-3, 4, (3, 3))
deck_b = {(i, j): three[i + f, j + f] for i in range(-f, f + 1) for j in range(-f, f + 1)}
turned = np.array([[deck_b[-i, -j] for j in range(-f, f + 1)] for i in range(-f, f + 1)])
assert np.array_equal(turned, three[::-1, ::-1])

# Deck b's formula as it stands, on a picture of 5 x 5. Its outputs sit under the window's middle, from 1 to 3.
values = rng.integers(-3, 4, (3, 3))
de_dz = {(k + f, l_ + f): values[k, l_] for k, l_ in np.ndindex(3, 3)}
by_deck_b = np.zeros((5, 5))
for k, l_ in np.ndindex(5, 5):
    by_deck_b[k, l_] = sum(de_dz.get((k + i, l_ + j), 0) * deck_b[-i, -j] for i, j in deck_b)
assert np.array_equal(by_deck_b, by_torch(np.zeros((5, 5)), three, values)[0])

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 6.6)
names = {
    "our w": [subscript("w", at) for at in np.ndindex(3, 3)],
    "deck b's i, j": [f"{u - f}, {v - f}" for u, v in np.ndindex(3, 3)],
    "−i, −j": [f"{f - u}, {f - v}" for u, v in np.ndindex(3, 3)],
    "w[::-1, ::-1]": [subscript("w", (2 - u, 2 - v)) for u, v in np.ndindex(3, 3)],
}
for number, (title, cells) in enumerate(names.items()):
    box = plot.grid(ax, np.zeros((3, 3)), (0.8 + 6.4 * number, 1.4), title, numbers=False, cell=1.5)
    for (i, j), cell in zip(np.ndindex(3, 3), cells, strict=True):
        plot.text(ax, box.left + (j + 0.5) * 1.5, box.top + (i + 0.5) * 1.5, cell.replace("-", "−"), size=9.5)
    for colour, at in enumerate(((0, 0), (1, 1), (2, 2))):
        plot.window(ax, box, *(at if number < 2 else (2 - at[0], 2 - at[1])), 1, 1, plot.COLOURS[colour], fill=0.3)
    if number:
        plot.arrow(ax, (box.left - 1.6, box.y), (box.left - 0.3, box.y))
plot.show(fig, "A 3 by 3 filter with our indices from 0 to 2, with deck b's from minus 1 to 1, with both signs changed, and "
          "turned by 180 degrees: changing the signs is the same as turning.")

# %% [markdown]
# **Predict.** How many zeros stand around the upstream gradient before the turned filter slides over it? Count them in
# the drawing, for this filter of 3 × 3.

# %% tags=["demo"]
widgets.BackwardStepper(look="dx", at=[0, 0], stride=1, dout=[[1, -1, 0], [2, 3, 1], [0, 1, -2]])

# %% [markdown]
# <details><summary>Answer</summary>
#
# $K - 1 = 2$ on every side: as many as let the filter touch the first value with its last weight. With a stride the
# drawing gets zeros *between* the values, too. The next section says why.
#
# </details>

# %% [markdown]
# ## 8 · A stride
#
# With a stride some pixels lie under fewer windows, some under none. One row shows it best: seven pixels, a
# filter of three weights, steps of 2. Three windows fit, at 0, 2 and 4.
#
# **Predict.** Which pixels get two terms? Which weights do they meet?

# %%
row, filter_, d_row = np.array([[1, 0, 2, 1, 3, 0, 2]]), np.array([[1, 2, -1]]), np.array([[2, -1, 3]])
row_letters = {"w": (WEIGHT, filter_), "x": (PIXEL, row), r"\delta": (OUTPUT, d_row)}
by_2 = sums(products((1, 7), (1, 3), stride=2), PIXEL, (1, 7), (r"\delta", "w"), row_letters)
assert np.array_equal(by_2[0], by_torch(row, filter_, d_row, stride=2)[0])
equations(r"\partial L / \partial x_{}", by_2)

# %% [markdown]
# <details><summary>Answer</summary>
#
# The pixels 2 and 4, where two windows overlap: each lies under the last weight of one window and the first of
# the next. The other pixels lie under one window.
#
# </details>
#
# Compare it with stride 1: there, neighbouring values of $\delta$ belong to neighbouring windows. Here the
# windows lie 2 apart. So pull $\delta$ apart in the same way: **insert $s - 1$ zeros between neighbours**. A
# zero stands where no window began. Then everything is as before: ring of zeros, mirrored kernel, slide in
# steps of 1.

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 9.6)
for y_, label in ((1.5, "pixels"), (3, "windows"), (5.3, "δ, zeros inserted, ring of 2"), (6.6, "mirrored kernel"), (8.4, "∂L / ∂x")):
    plot.text(ax, 0.4, y_, label, ha="left")
plot.grid(ax, row, (11, 1), limit=0)
for number, start in enumerate((0, 2, 4)):
    ax.plot([11 + start + 0.1, 11 + start + 2.9], [2.5 + 0.5 * number] * 2, color=plot.COLOURS[number], lw=5)
spread = np.zeros((1, 5), int)
spread[:, ::2] = d_row
around = plot.grid(ax, np.pad(spread, ((0, 0), (2, 2))), (10, 4.8), limit=0)
for number, start in enumerate((0, 2, 4)):
    plot.window(ax, around, 0, 2 + start, 1, 1, plot.COLOURS[number], fill=0.3)
kernel = plot.grid(ax, filter_[:, ::-1], (12, 6.1), limit=0)
plot.window(ax, kernel, 0, 0, 1, 3, plot.INK)
plot.arrow(ax, (15.3, 6.6), (16.8, 6.6))
result = plot.grid(ax, by_2[0], (11, 7.9), limit=0)
plot.window(ax, result, 0, 2, 1, 1, plot.INK)
plot.arrow(ax, (13.5, 7.3), (13.5, 7.8))
seen = np.pad(spread, ((0, 0), (2, 2)))[0, 2:5]
terms = " + ".join(f"{signed(d)} · {signed(k)}" for d, k in zip(seen, filter_[0, ::-1], strict=True))
plot.text(ax, 18.7, 8.4, f"here: {terms} = {by_2[0][0, 2]}".replace("-", "−"), size=9, ha="left")
plot.show(fig, "A row of seven pixels with windows of three at 0, 2 and 4. The upstream gradient 2, minus 1, 3 with a zero "
          "between neighbours and two zeros at either end; the mirrored kernel slides over it in steps of one.")

# %%
spread = np.zeros((1, 5), int)
spread[:, ::2] = d_row
assert np.array_equal(forward(np.pad(spread, ((0, 0), (2, 2))), filter_[:, ::-1]), by_2[0])

# %% [markdown]
# ### Exercise: `insert_zeros`
#
# Between neighbours, in height and width, and nowhere else: not before the first, not after the last.
#
# **Predict** the size first: $n$ values, stride $s$.
#
# <details><summary>Answer</summary>
#
# $n - 1$ gaps of $s - 1$ zeros: $n + (n - 1)(s - 1) = (n - 1)\,s + 1$. At stride 1 it is $n$, and nothing
# happens.
#
# </details>

# %% solution="insert_zeros"
def insert_zeros(dout, stride):
    """Pull a gradient apart, so that its values lie as far apart as the windows they belong to.

    Args:
        dout: (N, F, OH, OW).
        stride: distance of the windows, at least 1.

    Returns:
        (N, F, (OH - 1) * stride + 1, (OW - 1) * stride + 1), dtype of dout.
    """
    ### BEGIN SOLUTION
    n, f, oh, ow = dout.shape
    spread = np.zeros((n, f, (oh - 1) * stride + 1, (ow - 1) * stride + 1), dout.dtype)
    spread[:, :, ::stride, ::stride] = dout
    return spread
    ### END SOLUTION

# %% check="insert_zeros"
check("insert_zeros", insert_zeros)

# %% [markdown]
# ## 9 · The tail
#
# Unit 03 had an argument about seven pixels, three weights and stride 3: two windows fit, and the last pixel is
# never seen.
#
# **Predict.** What is its gradient? And how many numbers come out of the recipe of section 8, insert zeros,
# ring, slide?

# %%
by_3 = sums(products((1, 7), (1, 3), stride=3), PIXEL, (1, 7), (r"\delta", "w"), row_letters)
equations(r"\partial L / \partial x_{}", by_3)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Zero: no product has this pixel in it, the sum is empty. The recipe knows nothing of it. Two values spread to
# four; a ring of 2 makes eight; a window of 3 has six places. Six numbers for seven pixels.
#
# </details>
#
# The rest has to be put back as zeros, *behind* the last window. The output's size does not tell how much it
# is: 6, 7 or 8 pixels would all have given two windows. That is why a function for `dx` has to be told
# `x_shape`, and why torch's transposed convolution has an argument `output_padding`.

# %%
spread = np.zeros((1, 4), int)
spread[:, ::3] = d_row[:, :2]
recipe = forward(np.pad(spread, ((0, 0), (2, 2))), filter_[:, ::-1])
assert recipe.shape == (1, 6) and np.array_equal(recipe, by_3[0][:, :6]) and by_3[0][0, 6] == 0
assert {n for n in range(3, 20) if (n - 3) // 3 + 1 == 2} == {6, 7, 8}

# %% [markdown]
# Here it is in two dimensions: a picture of 7 × 7 under a 3 × 3 filter with stride 3.

# %% tags=["demo", "hide-input"]
corners = np.array([[1, 2], [-1, 3]])
cross = np.array([[1, 0, 2], [0, 3, 0], [-1, 0, 1]])
spread = np.zeros((4, 4), int)
spread[::3, ::3] = corners
back = by_torch(np.zeros((7, 7)), cross, corners, stride=3)[0].astype(int)
fig, ax = plot.canvas(26.5, 11.6)
plot.grid(ax, corners, (1.1, 1.9), "upstream δ", limit=0)
plot.arrow(ax, (3.5, 2.9), (5.4, 2.9))
ringed_2 = np.pad(spread, ((2, 3), (2, 3)))
field = plot.grid(ax, ringed_2, (6, 1.6), "zeros between, around, behind", limit=0, cell=0.95)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    plot.window(ax, field, 2 + 3 * i, 2 + 3 * j, 1, 1, plot.COLOURS[number], fill=0.35)
plot.window(ax, field, 0, 0, 3, 3, plot.INK)
mirror = plot.grid(ax, cross[::-1, ::-1], (0.6, 6.6), "mirrored kernel", limit=0)
plot.window(ax, mirror, 0, 0, 3, 3, plot.INK)
plot.arrow(ax, (15, 5.9), (17, 5.9))
plot.text(ax, 16, 5.3, "slide", size=9)
result = plot.grid(ax, back, (17.8, 2.4), "∂L / ∂x, 7 × 7", limit=0)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    plot.window(ax, result, 3 * i, 3 * j, 3, 3, plot.COLOURS[number], fill=0.15)
plot.window(ax, result, 6, 0, 1, 7, plot.INK)
plot.window(ax, result, 0, 6, 7, 1, plot.INK)
plot.text(ax, 21.3, 10.2, "last row and column: never seen, gradient 0", size=9.5)
plot.show(fig, "The upstream gradient 1, 2, minus 1, 3, pulled apart to stride 3 and padded with zeros; the mirrored kernel "
          "slides over it and gives 7 by 7 numbers. Under each window stands the kernel times one value; the last row and "
          "column are zero.")

# %% [markdown]
# ## 10 · dx with everything
#
# **Predict** how the sum for $\partial L/\partial x_{ncab}$ changes
#
# 1. when the picture was padded on the way forward;
# 2. when there are several channels and filters;
# 3. when there is a batch.
#
# <details><summary>Answer</summary>
#
# 1. The sum gives the gradient of the *padded* picture. The padding was not ours to change, so its gradient is
#    thrown away: cut off `pad` rows and columns on each side.
# 2. The pixel lies under every filter, and in each it meets the slice of its own channel. So the sum runs over
#    $f$ now, and $c$ stays. Forward, a filter $w_{f}$ turned $C$ channels into one map; backward, the slices
#    $w_{:,c}$ turn $F$ maps into one channel. The first two axes of $w$ have changed places.
# 3. Nothing: a pixel belongs to one image.
#
# </details>
#
# $$\frac{\partial L}{\partial \tilde x_{n c a b}} = \sum_{f} \sum_{uv} w_{f c u v}\;\, \delta^{\uparrow s}_{n,\,f,\;a-u,\;b-v}$$
#
# where $\delta^{\uparrow s}$ is the gradient with zeros inserted, and zero outside.

# %%
filters_, channels = 4, 3
deep_w, deep_dout = rng.normal(size=(filters_, channels, 2, 2)), rng.normal(size=(filters_, 3, 3))
leaf = torch.zeros(1, channels, 4, 4, dtype=torch.float64, requires_grad=True)
torch.nn.functional.conv2d(leaf, torch.tensor(deep_w)).backward(torch.tensor(deep_dout[None]))
one_channel = sum(forward(np.pad(deep_dout[g], 1), deep_w[g, 2, ::-1, ::-1]) for g in range(filters_))
assert np.allclose(one_channel, leaf.grad[0, 2].numpy())

# %% [markdown]
# ### Exercise: `conv_backward_x`
#
# Two ways lead there. *Gather*: insert zeros, put zeros around (and behind, for the tail), slide the mirrored
# kernel, cut off the padding. Or *give*: begin with zeros in the size of the padded picture, and let each
# output add $\delta$ times its filter to its window. Choose one; a careful student writes both and compares.
#
# If your `insert_zeros` does not pass yet, begin the function with `from cnnkit.oracle import insert_zeros`.

# %% solution="conv_backward_x"
def conv_backward_x(dout, w, x_shape, stride=1, pad=0):
    """Gradient of the input of a convolution layer.

    Args:
        dout: upstream gradient (N, F, OH, OW).
        w: filters (F, C, KH, KW).
        x_shape: (N, C, H, W) of the input, without padding.
        stride, pad: ints, as on the way forward; pad may be larger than the kernel.

    Returns:
        An array of x_shape, dtype of dout; zero where no window saw the pixel.
    """
    ### BEGIN SOLUTION
    n, c, h, width = x_shape
    f, _, kh, kw = w.shape
    rows, columns = h + 2 * pad, width + 2 * pad
    spread = insert_zeros(dout, stride)
    # Zeros around: k - 1 in front, and as many behind as make one place for each pixel, the tail included.
    around = np.zeros((n, f, rows + kh - 1, columns + kw - 1), dout.dtype)
    around[:, :, kh - 1 :, kw - 1 :][:, :, : spread.shape[2], : spread.shape[3]] = spread
    mirrored = w[:, :, ::-1, ::-1]
    dx = np.zeros((n, c, rows, columns), dout.dtype)
    for u in range(kh):
        for v in range(kw):
            seen = around[:, :, u : u + rows, v : v + columns]
            dx += np.einsum("fc,nfij->ncij", mirrored[:, :, u, v], seen)
    return dx[:, :, pad : pad + h, pad : pad + width]
    ### END SOLUTION

# %% check="conv_backward_x"
check("conv_backward_x", conv_backward_x)

# %% [markdown]
# ## 11 · The layer as a matrix
#
# Go back to the table of section 2 and look at it with other eyes. Put numbers in the place of the weights and
# zeros in the empty cells: a matrix $A$ with four rows and nine columns. Write the picture as a column of nine
# numbers. Then reading the table along its rows is nothing but
#
# $$y = A\,x$$
#
# A convolution is a matrix product with a matrix that is mostly zeros and holds the same few weights over and
# over (unit 02 built it, too).
#
# **Predict.** Reading the table down its columns gave $\partial L/\partial x$. Which product with $A$ is that?
#
# <details><summary>Answer</summary>
#
# Columns of $A$ are rows of its transpose: $\partial L/\partial x = A^{\mathsf T} \delta$. That holds for any
# linear layer (unit 04 has `dout @ w.T`), and it is why a convolution that runs backwards is called a
# **transposed convolution**.
#
# </details>

# %%
A = np.zeros((4, 9), int)
for o, k, p in sixteen:
    A[2 * o[0] + o[1], 3 * p[0] + p[1]] = w[k]

assert np.array_equal(A @ x.ravel(), y.ravel())
assert np.array_equal(A.T @ dout.ravel(), dx.ravel())

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 11)
forward_matrix = plot.grid(ax, A, (0.6, 3.4), "A", limit=5)
plot.text(ax, 10.1, 5.4, "·", size=18)
plot.grid(ax, x.reshape(9, 1), (10.6, 0.9), "x", limit=0)
plot.text(ax, 12.3, 5.4, "=", size=15)
plot.grid(ax, y.reshape(4, 1), (13, 3.4), "y", limit=0)
back_matrix = plot.grid(ax, A.T, (16, 0.9), "A transposed", limit=5)
plot.text(ax, 20.5, 5.4, "·", size=18)
plot.grid(ax, dout.reshape(4, 1), (21, 3.4), "δ", limit=0)
plot.text(ax, 22.8, 5.4, "=", size=15)
plot.grid(ax, dx.reshape(9, 1), (23.6, 0.9), "∂L / ∂x", limit=0)
plot.window(ax, forward_matrix, 3, 0, 1, 9, plot.BLUE)
plot.window(ax, back_matrix, 4, 0, 1, 4, plot.VERMILION)
plot.text(ax, 5.1, 8.4, "row 3: the window at (1, 1)", size=9)
plot.text(ax, 18, 10.5, "row 4: the windows over the centre pixel", size=9)
plot.show(fig, "Left: the 4 by 9 matrix A times the picture as a column gives the output. Right: the 9 by 4 transpose times "
          "the upstream gradient gives the gradient of the picture.")

# %% [markdown]
# **Spot the error.** You will find transposed convolutions introduced under the name of *deconvolution*, with
# the remark that they undo a convolution. Do they? Try $A^{\mathsf T} A\, x$ on our picture before you answer.
#
# <details><summary>Answer</summary>
#
# No. The transpose has the shape that is needed to get back to nine numbers, and nothing more: it does not
# return the old ones. It could not: the convolution made four numbers out of nine, and five are gone for good.
# An *inverse* answers "which picture was it?", a *transpose* answers "who was involved, and how much?" For a
# gradient we need the second.
#
# </details>

# %%
assert (A.T @ A @ x.ravel()).reshape(3, 3).tolist() != x.tolist()
assert np.linalg.matrix_rank(A) == 4 < 9
(A.T @ A @ x.ravel()).reshape(3, 3)

# %% [markdown]
# The same picture for a real layer: one row for each output, and the stripes are the weights. Before you run
# the cell: what does the transpose look like, and what does a stride of 2 do to the stripes?

# %% tags=["demo", "hide-input"]
def layer_matrix(side, kernel, stride):
    size = (side - len(kernel)) // stride + 1
    matrix = np.zeros((size * size, side * side))
    for o, k, p in products((side, side), kernel.shape, stride):
        matrix[size * o[0] + o[1], side * p[0] + p[1]] = kernel[k]
    return matrix


edge = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
fig, axes = plot.figure(8.8, 3.7, columns=3, width_ratios=[1, 0.56, 1])
plot.image(axes[0], layer_matrix(8, edge, 1), "A: 8 × 8 pixels, 3 × 3 weights")
plot.image(axes[1], layer_matrix(8, edge, 1).T, "A transposed")
plot.image(axes[2], layer_matrix(9, edge, 2), "9 × 9 pixels, stride 2")
axes[0].set(xlabel="64 pixels", ylabel="36 outputs")
axes[1].set(xlabel="36 outputs", ylabel="64 pixels")
axes[2].set(xlabel="81 pixels", ylabel="16 outputs")
plot.show(fig, "The matrix of a 3 by 3 filter on 8 by 8 pixels, a band of diagonal stripes; its transpose; and the matrix for "
          "stride 2, whose stripes are steeper since each row moves on by two pixels.")

# %% [markdown]
# ## 12 · im2col and its adjoint
#
# Nobody stores that matrix. Unit 03 found something better for the way forward: `im2col` writes each window as
# a column, and the layer becomes one product of two small, dense matrices,
#
# $$Y = W \cdot \text{im2col}(x).$$
#
# What is the way back through *that*? Through the product it is what it is for every product. But `im2col`
# itself is a step of the graph, too: pixels go in, copies of them come out, some pixels copied several times.
#
# **Predict.** A pixel was copied into three columns. Three gradients come back, one for each copy. What is the
# gradient of the pixel?
#
# <details><summary>Answer</summary>
#
# Their sum. A value that is used in several places collects from all of them (unit 04): where the way forward
# copies, the way back adds.
#
# </details>
#
# This function is called **col2im**. It takes a matrix of the shape of `im2col(x)`, and adds each entry onto
# the pixel that the entry was copied from.

# %%
from cnnkit.oracle import im2col  # or paste your own from unit 03: it takes the same arguments

numbered = np.arange(1.0, 10).reshape(1, 1, 3, 3)
copies = im2col(numbered, 2, 2)
assert copies.tolist() == [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]

# %% [markdown]
# **Predict.** Let `col2im` lay down the columns that `im2col` has just made. Do you get the picture back?

# %% tags=["demo", "hide-input"]
counts = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
fig, ax = plot.canvas(26.5, 6)
picture = plot.grid(ax, numbered[0, 0], (0.6, 1.9), "x", limit=0)
plot.arrow(ax, (4, 3.4), (6.6, 3.4))
plot.text(ax, 5.3, 2.7, "im2col", size=9)
matrix = plot.grid(ax, copies, (7, 1.4), "columns", limit=0)
plot.arrow(ax, (11.4, 3.4), (14, 3.4))
plot.text(ax, 12.7, 2.7, "col2im", size=9)
sum_ = plot.grid(ax, numbered[0, 0] * counts, (14.6, 1.9), "sum of the copies", limit=0)
plot.text(ax, 18.35, 3.4, "=", size=15)
plot.grid(ax, numbered[0, 0], (19.1, 1.9), "x", limit=0)
plot.text(ax, 22.6, 3.4, "×", size=12)
plot.grid(ax, counts, (23.1, 1.9), "times copied", limit=0)
for place in ((0, 3), (1, 2), (2, 1), (3, 0)):
    plot.window(ax, matrix, *place, 1, 1, fill=0.3)
plot.window(ax, picture, 1, 1, 1, 1, fill=0.3)
plot.window(ax, sum_, 1, 1, 1, 1, fill=0.3)
plot.show(fig, "The numbers 1 to 9, their four windows as columns, and what col2im makes of these: the pixel in the centre, 5, was "
          "copied four times and comes back as 20.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# No: each pixel comes back as often as it was copied, the centre as 20 for 5. Dividing by the counts would give
# the picture back. It would also be wrong: that is the inverse again, and we need the transpose.
#
# </details>
#
# ### A test for adjoints
#
# How can one be sure to have the transpose of something, without ever writing down a matrix? By one equation.
# For a matrix $P$ and all vectors $u$ and $v$
#
# $$\langle P u,\, v\rangle = \langle u,\, P^{\mathsf T} v\rangle$$
#
# where $\langle a, b\rangle$ multiplies entry by entry and adds up. And only the transpose does that: let $u$
# and $v$ be all zeros but for a single 1, and the equation compares one entry of $P$ with one entry of the
# other matrix. The two are called **adjoint** to each other. So `col2im` is right if, and only if,
#
# $$\langle \text{im2col}(x),\, y\rangle = \langle x,\, \text{col2im}(y)\rangle$$
#
# for all $x$ and $y$. Random ones will do: for a wrong function the two sides would agree only by a miracle.

# %%
from cnnkit import oracle


def sides(to_image, x_shape, *moves):
    """Both sides of the equation for random x and y."""
    x = rng.normal(size=x_shape)
    cols = im2col(x, *moves)
    y = rng.normal(size=cols.shape)
    return (cols * y).sum(), (x * to_image(y, x_shape, *moves)).sum()


def averaged(cols, x_shape, *moves):
    """col2im divided by the number of copies: the inverse of im2col, not its adjoint."""
    copied = oracle.col2im(np.ones_like(cols), x_shape, *moves)
    return oracle.col2im(cols, x_shape, *moves) / np.maximum(copied, 1)


moves = 3, 2, 2, 1  # kernel height and width, stride, pad
left_side, right_side = sides(oracle.col2im, (2, 3, 7, 6), *moves)
assert np.isclose(left_side, right_side)
left_side, right_side = sides(averaged, (2, 3, 7, 6), *moves)
assert not np.isclose(left_side, right_side)
undone = rng.normal(size=(2, 3, 7, 6))
assert np.allclose(averaged(im2col(undone, 3, 2), undone.shape, 3, 2), undone)

# %% [markdown]
# ### Exercise: `col2im`
#
# The inverse order of your `im2col`, with `+=` where it had `=`: first the columns back into
# $(C, K_h, K_w, N, H', W')$, then each kernel position onto the slice that it was copied from, on a canvas with
# padding; then crop. Rows and columns that no window saw stay zero.
#
# This one has to be fast: its check also calls it on the columns of 32 images of 32 channels and 40 × 48
# pixels, and counts the lines of Python that run. A loop over kernel positions runs a few dozen, a loop over
# single numbers sixteen million.

# %%
assert 16_000_000 < (32 * 3 * 3) * (32 * (40 - 2) * (48 - 2)) < 17_000_000

# %% solution="col2im"
def col2im(cols, x_shape, kh, kw, stride=1, pad=0):
    """The adjoint of im2col: every entry added onto the pixel that it was copied from.

    Args:
        cols: (C * kh * kw, N * OH * OW), laid out as by im2col.
        x_shape: (N, C, H, W) of the images, without padding.
        kh, kw: height and width of the window.
        stride, pad: ints, as for im2col.

    Returns:
        An array of x_shape, dtype of cols.
    """
    ### BEGIN SOLUTION
    n, c, h, w = x_shape
    oh = (h + 2 * pad - kh) // stride + 1
    ow = (w + 2 * pad - kw) // stride + 1
    cols = cols.reshape(c, kh, kw, n, oh, ow)
    # First the rows of the kernel, then its columns: the larger step adds long stretches of memory, which is fast.
    strips = np.zeros((c, kw, n, h + 2 * pad, ow), cols.dtype)
    for i in range(kh):
        strips[:, :, :, i : i + stride * oh : stride] += cols[:, i]
    x = np.zeros((n, c, h + 2 * pad, w + 2 * pad), cols.dtype)
    for j in range(kw):
        x[:, :, :, j : j + stride * ow : stride] += strips[:, j].swapaxes(0, 1)
    return x[:, :, pad : pad + h, pad : pad + w]
    ### END SOLUTION

# %% check="col2im"
check("col2im", col2im)

# %% [markdown]
# ## 13 · Three gradients, two products
#
# Now the whole backward pass can be read off the forward pass. With the filters as rows of $W$, the windows as
# columns of $X$ and everything that comes out of filter $f$ in row $f$ of $Y$:
#
# $$\underbrace{Y}_{F \times N H' W'} = \underbrace{W}_{F \times C K_h K_w}\; \underbrace{X}_{C K_h K_w \times N H' W'} + b$$
#
# **Predict.** Let $\Delta$ be `dout`, arranged like $Y$. Which products have the shapes of $W$ and of $X$? You
# need no calculus: there is only one way to multiply what is there.
#
# <details><summary>Answer</summary>
#
# $\Delta\, X^{\mathsf T}$ is $(F \times N H' W')(N H' W' \times C K_h K_w)$, the shape of $W$, and
# $W^{\mathsf T} \Delta$ has that of $X$. Both are right: it is the linear layer of unit 04 once more. The
# second is the gradient of the *columns*; `col2im` carries it on to the pixels.
#
# </details>
#
# $$\frac{\partial L}{\partial W} = \Delta\, X^{\mathsf T}\qquad\qquad
# \frac{\partial L}{\partial x} = \text{col2im}\big(W^{\mathsf T} \Delta\big)\qquad\qquad
# \frac{\partial L}{\partial b} = \text{row sums of } \Delta$$

# %%
W, X, Delta = w.reshape(1, 4), im2col(x[None, None].astype(float), 2, 2), dout.reshape(1, 4)
assert np.array_equal((W @ X).reshape(2, 2), y)
assert np.array_equal((Delta @ X.T).reshape(2, 2), dw)
assert np.array_equal(oracle.col2im((W.T @ Delta).astype(float), (1, 1, 3, 3), 2, 2)[0, 0], dx)

# %% tags=["demo", "hide-input"]
F_, K_, L_ = 1.6, 3, 5  # filters, weights of a filter, windows; not to scale
fig, ax = plot.canvas(26.5, 17)
for y_, label in ((3.1, "forward"), (8.9, "∂L / ∂W"), (14.4, "∂L / ∂X")):
    plot.text(ax, 0.4, y_, label, ha="left", weight="bold")
    plot.text(ax, 16.3, y_, "=", size=15)


def centred(left, y_, rows, columns, title, colour):
    """A matrix without its numbers, its middle at height y_."""
    box = plot.Box(left, y_ - rows / 2, columns, rows)
    plot.window(ax, box, 0, 0, rows, columns, colour, fill=0.2)
    plot.text(ax, box.x, box.top - 0.6, title)


centred(4.6, 3.1, F_, K_, "W", plot.VERMILION)
plot.text(ax, 8.7, 3.1, "·", size=18)
centred(9.8, 3.1, K_, L_, "X = im2col(x)", plot.BLUE)
centred(17.8, 3.1, F_, L_, "Y", plot.PURPLE)
centred(4.6, 8.9, F_, L_, "Δ", plot.PURPLE)
plot.text(ax, 10.7, 8.9, "·", size=18)
centred(11.8, 8.9, L_, K_, "X transposed", plot.BLUE)
centred(17.8, 8.9, F_, K_, "as W", plot.VERMILION)
centred(4.6, 14.4, K_, F_, "W transposed", plot.VERMILION)
plot.text(ax, 7.4, 14.4, "·", size=18)
centred(8.5, 14.4, F_, L_, "Δ", plot.PURPLE)
centred(17.8, 14.4, K_, L_, "as X", plot.BLUE)
plot.arrow(ax, (23.1, 14.4), (24.8, 14.4))
plot.text(ax, 23.9, 13.8, "col2im", size=9)
plot.text(ax, 25.7, 14.4, "∂L / ∂x", size=9.5)
plot.show(fig, "Forward: W times X gives Y. Back: Delta times X transposed has the shape of W; W transposed times Delta has the "
          "shape of X, and col2im turns it into the gradient of the picture.")

# %% [markdown]
# ### Exercise: `conv_backward`
#
# Everything at once, by matrix products, and fast like `col2im`. The one thing to take care of is the order of
# `dout`: it is $(N, F, H', W')$, and $\Delta$ has a row for each filter with image, output row and output
# column along it. As in unit 03, a `reshape` alone does not move an axis.
#
# You may build on your own `im2col` and `col2im`. `from cnnkit.oracle import im2col, col2im` at the beginning
# of the function gets you the course's, if one of yours does not pass yet.

# %% solution="conv_backward"
def conv_backward(dout, x, w, stride=1, pad=0):
    """All gradients of a convolution layer.

    Args:
        dout: upstream gradient (N, F, OH, OW).
        x: images (N, C, H, W), as the layer got them, without padding.
        w: filters (F, C, KH, KW).
        stride, pad: ints, as on the way forward.

    Returns:
        (dx, dw, db), shaped as x, w and (F,), dtype of x.
    """
    ### BEGIN SOLUTION
    f, _, kh, kw = w.shape
    rows = w.reshape(f, -1)
    dx, dw = np.empty_like(x), np.zeros_like(rows)
    # As many images at a time as have half a million numbers in their columns: the cache holds these.
    few = max(1, 2**19 // (w[0].size * dout[0, 0].size))
    for n in range(0, len(x), few):
        images = x[n : n + few]
        delta = dout[n : n + few].swapaxes(0, 1).reshape(f, -1)
        dw += delta @ im2col(images, kh, kw, stride, pad).T
        dx[n : n + few] = col2im(rows.T @ delta, images.shape, kh, kw, stride, pad)
    return dx, dw.reshape(w.shape), dout.sum(axis=(0, 2, 3))
    ### END SOLUTION

# %% check="conv_backward"
check("conv_backward", conv_backward)

# %% [markdown]
# ### What it costs
#
# **Predict.** How much longer than the forward pass does the backward pass take, if multiplying is all that
# takes time?
#
# <details><summary>Answer</summary>
#
# Twice as long. Each of the sixteen products is used three times: once forward, once for its weight and once
# for its pixel. In matrices: one large product forward, two of the same size back. A training step costs about
# three forward passes, and that rule of thumb holds for most networks.
#
# </details>
#
# Here it is on the clock, torch on one core: the three products by themselves, then the whole backward pass,
# your own by matrix products, your own through the mirrored kernel, and torch's.

# %% tags=["demo"]
import time


def best_of(run, *arguments, calls=15):
    """Milliseconds of the fastest of a few calls."""
    spent = []
    for _ in range(calls):
        start = time.perf_counter()
        run(*arguments)
        spent.append(time.perf_counter() - start)
    return 1000 * min(spent)


batch, bank = rng.normal(size=(8, 16, 34, 34)).astype("float32"), rng.normal(size=(32, 16, 3, 3)).astype("float32")
arriving = rng.normal(size=(8, 32, 32, 32)).astype("float32")


def through_the_mirror(dout, x, w):
    return conv_backward_x(dout, w, x.shape), conv_backward_w(x, dout, *w.shape[2:]), conv_backward_b(dout)


leaves = [torch.tensor(a, requires_grad=True) for a in (batch, bank, np.zeros(32, "float32"))]
torch_output, torch_arriving = torch.nn.functional.conv2d(*leaves), torch.tensor(arriving)


def torch_backward(*_):
    return torch.autograd.grad(torch_output, leaves, torch_arriving, retain_graph=True)


W, X, Delta = bank.reshape(32, -1), im2col(batch, 3, 3), arriving.swapaxes(0, 1).reshape(32, -1)
cores = torch.get_num_threads()
torch.set_num_threads(1)
clocked = {
    "W X, forward": best_of(lambda: W @ X),
    "Δ Xᵀ, for dw": best_of(lambda: Delta @ X.T),
    "Wᵀ Δ, for dx": best_of(lambda: W.T @ Delta),
    "conv_backward": best_of(conv_backward, arriving, batch, bank),
    "mirrored kernel": best_of(through_the_mirror, arriving, batch, bank),
    "torch's backward": best_of(torch_backward),
}
by_torch_all = torch_backward()
torch.set_num_threads(cores)
for gradients in (conv_backward(arriving, batch, bank), through_the_mirror(arriving, batch, bank)):
    assert all(np.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(gradients, by_torch_all, strict=True))
for label, spent in clocked.items():
    print(f"{label:18}{spent:8.2f} ms")

# %% [markdown]
# If the three products take very different times, the computer was busy elsewhere: run the cell again. What
# `conv_backward` takes beyond two of them is copying. Much of that is the course's `im2col`, which is made to be
# right on any input and not to be fast. Put your own from unit 03 into the cell of section 12, and look again.

# %% [markdown]
# ## 14 · Trust, but check
#
# You have now three derivations that agree, by terms, by a matrix and by columns. That is more than most code
# can say of itself. The last word belongs to the definition of a derivative: move one number by $h$, both ways,
# and see what the loss does. Unit 04 made a tool of that.
#
# **Predict.** The layer is linear in `x` and in `w`. How large will the error of the difference be for
# $h = 10^{-2}$, compared with $h = 10^{-6}$?
#
# <details><summary>Answer</summary>
#
# Smaller. For a linear function a difference is exact at any $h$, so there is nothing to gain by a small one,
# only rounding errors to lose. They grow as $h$ shrinks.
#
# </details>

# %% tags=["demo"]
x_check, w_check = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=(4, 3, 3, 2))
d_check = rng.normal(size=(2, 4, 4, 4))
analytic = conv_backward(d_check, x_check, w_check, 2, 1)
steps = 10.0 ** np.arange(-10, 1)
errors = {"dx": [], "dw": []}
for h in steps:
    numeric_x = oracle.numerical_gradient(lambda v: oracle.conv2d(v, w_check, None, 2, 1), x_check, d_check, h)
    numeric_w = oracle.numerical_gradient(lambda v: oracle.conv2d(x_check, v, None, 2, 1), w_check, d_check, h)
    errors["dx"].append(np.abs(numeric_x - analytic[0]).max())
    errors["dw"].append(np.abs(numeric_w - analytic[1]).max())
assert max(errors["dx"][4:] + errors["dw"][4:]) < 1e-8

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(7.2, 3.2)
for number, (gradient, found) in enumerate(errors.items()):
    ax.loglog(steps, found, marker="os"[number], color=plot.COLOURS[number], lw=2)
    ax.annotate(gradient, (steps[3], found[3]), textcoords="offset points", xytext=((-1) ** number * -14, (-1) ** number * -12))
ax.set(xlabel="step h", ylabel="largest error")
ax.grid(axis="y", color="#888888", alpha=0.3)
plot.show(fig, "The largest difference between your gradients and central differences, against the step h: it falls in a "
          "straight line as h grows, since the layer is linear and only rounding is left.")

# %% [markdown]
# ## 15 · A filter learns
#
# All this was made so that filters need not be written by hand. Here is the house of unit 03 and its map of
# vertical edges. Somebody has lost the filter. We begin with random weights, compare the map that they make
# with the one we want,
#
# $$L = \tfrac{1}{2} \sum_{ij} (y_{ij} - t_{ij})^2 \qquad\text{so}\qquad \delta_{ij} = y_{ij} - t_{ij},$$
#
# and take a step against your `dw`, over and over.
#
# **Predict.** Will it find the very same nine weights, or only some that make a similar map?

# %%
house = np.zeros((24, 24))
house[11:21, 5:19] = 1
for step in range(8):
    house[3 + step, 11 - step : 13 + step] = 1
house[14:21, 10:14] = 0
lost = np.array([[-1.0, 0, 1]] * 3)
assert np.linalg.matrix_rank(im2col(house[None, None], 3, 3)) == 9  # no two filters make the same map of the house
target = oracle.conv2d(house[None, None], lost[None, None])
assert target.size == 484

# %% tags=["demo"]
guess = np.random.default_rng(3).normal(size=(1, 1, 3, 3))
losses, seen_at = [], {}
for step in range(1001):
    wanted = oracle.conv2d(house[None, None], guess) - target
    losses.append(0.5 * (wanted**2).sum())
    if step in (0, 10, 100, 1000):
        seen_at[step] = guess[0, 0].copy(), (wanted + target)[0, 0]
    guess = guess - 0.001 * conv_backward_w(house[None, None], wanted, 3, 3)
assert np.abs(guess[0, 0] - lost).max() < 0.05

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 3.9, columns=5, rows=2)
for column, (step, (weights, made)) in enumerate([*seen_at.items(), ("wanted", (lost, target[0, 0]))]):
    plot.image(axes[0, column], weights, f"step {step}" if step != "wanted" else "the lost filter", limit=1.5)
    for (i, j), value in np.ndenumerate(weights):
        plot.text(axes[0, column], j, i, f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−"), size=8)
    plot.image(axes[1, column], made, "", limit=3)
plot.show(fig, "Filter and map after 0, 10, 100 and 1000 steps, and the lost filter with its map: from random weights to minus 1, 0, "
          "1 in every row.")
print("loss: " + ", ".join(f"{losses[step]:.3g} after {step}" for step in seen_at))

# %% [markdown]
# <details><summary>Answer</summary>
#
# The very same. There are 484 outputs and nine weights, and the house has enough corners to tell any two
# filters apart. It takes longer for some weights than for others; unit 07 is about that.
#
# </details>
#
# Two things deserve a second look. Nobody told the layer what an edge is: it was told, pixel by pixel, by how
# much its output was off, and nine sums did the rest. And after ten steps the map shows vertical edges already,
# while the filter looks like nothing much.

# %% [markdown]
# ## What to keep
#
# - A layer's forward pass is a list of products. Sort it by output: forward. By weight: `dw`. By pixel: `dx`.
# - `dw`: the input convolved with the upstream gradient, nothing mirrored. Sums over images and places, not
#   over channels and filters.
# - `db`: the sums of the upstream gradient.
# - `dx`: the upstream gradient, zeros inserted for a stride, in a ring of zeros, under the mirrored kernel;
#   summed over filters. Or: every output pays back to its window.
# - A pixel that no window saw has gradient zero, and only `x_shape` knows that it was there.
# - Forward $A x$, backward $A^{\mathsf T}\delta$. A transpose is not an inverse: copies add up, and nothing is
#   divided.
# - $\langle P u, v\rangle = \langle u, P^{\mathsf T} v\rangle$ on random numbers tells whether you have got it.
# - One product forward, two back.
#
# ### Where the facts come from
#
# - **Deck a**: *Learning for vision III: Convolutional networks*, Karel Zimmermann, Czech Technical University
#   in Prague: the derivation on 3 × 3 and 2 × 2, and the two sentences in bold.
# - **Deck b**: *Convolutional neural networks*; its slides name neither author nor university: the general
#   formulas and $w_{-i,-j}$.
# - Dumoulin and Visin,
#   [*A guide to convolution arithmetic for deep learning*](https://arxiv.org/abs/1603.07285), 2016: transposed
#   convolution, inserted zeros, the tail.
# - Zeiler, Krishnan, Taylor and Fergus, *Deconvolutional networks*, 2010: where the name *deconvolution* comes
#   from.
# - The documentation of
#   [`torch.nn.ConvTranspose2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html):
#   `output_padding`, and that it is not an inverse.
# - Chellapilla, Puri and Simard, *High performance convolutional neural networks for document processing*,
#   2006: forward and backward as matrix products.
# - CS231n of Stanford University, the notes on backpropagation and on convolutional networks: `im2col`,
#   `col2im`, and the names `dout`, `dx`, `dw`, `db`.
