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
# # Unit 03 · Convolution, forward
#
# Connect every pixel of a 1000 × 1000 picture to every pixel of an output of the same size, and the layer has
# a million million weights ($10^{12}$). A convolution layer with one 3 × 3 filter does its work with ten
# numbers, whatever the size of the picture, and what it finds in one corner it finds in every other.
#
# This unit takes that layer apart and builds it twice: in loops that leave nothing hidden, and then as a
# single matrix product that is fast enough to train with.
#
# **After this unit you can**
#
# - work out by hand any number that a convolution layer puts out, and name the inputs it depends on;
# - tell the output size, the number of parameters and the receptive field of a layer before you run it;
# - say what a library does when a window does not fit, and what that costs;
# - write the layer in loops and as a matrix product, and measure the difference.
#
# | | |
# |:--|:--|
# | **Time** | about 170 minutes: 70 to read and predict, 100 for nine exercises. Section 11 is a good place to break off. |
# | **You need** | NumPy indexing and slices, `for` loops, the check of unit 00. No other unit. |
# | **Layout** | images `x: (N, C, H, W)`, filters `w: (F, C, KH, KW)`, biases `b: (F,)`. Everything counts from 0. |
#
# The text keeps asking you to predict something. Decide on an answer before you unfold ours: a wrong guess
# teaches more than none. The cell after an answer computes it. Cells that only draw are folded away; run them
# like any other.

# %%
import numpy as np

from cnnkit import check

rng = np.random.default_rng(0)

# %% tags=["demo"]
from cnnkit import plot, widgets

# %% [markdown]
# ## 1 · One window
#
# Lay a small table of weights, the **filter** (or **kernel**), on a patch of the picture of the same size,
# the **window**. Multiply what lies on top of each other, add up the products: one number. Nothing else
# happens in a convolution, only more of it.
#
# Deck a has the smallest example worth drawing: a 3 × 3 picture under a 2 × 2 filter. Here it is with
# numbers.

# %%
x = np.array([[1, 2, 0],
              [0, 1, 3],
              [2, 0, 1]])
w = np.array([[1, -1],
              [2, 0]])

window = x[0:2, 0:2]
products = window * w
int(products.sum())

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(18, 4.6)
picture = plot.grid(ax, x, (0.5, 1.2), "picture x", limit=0)
plot.window(ax, picture, 0, 0, 2, 2, fill=0.2)
plot.text(ax, 4.5, 2.7, "×", size=16)
plot.grid(ax, w, (5.5, 1.7), "filter w")
plot.text(ax, 8.5, 2.7, "=", size=16)
plot.grid(ax, products, (9.5, 1.7), "products")
plot.arrow(ax, (12, 2.7), (14.3, 2.7))
plot.text(ax, 13.1, 2.1, "add up", size=9)
out = plot.grid(ax, np.array([["−1", "?"], ["?", "?"]]), (15, 1.7), "output y")
plot.window(ax, out, 0, 0, 1, 1, fill=0.2)
plot.show(fig, "A 3 by 3 picture with a 2 by 2 window at its upper left, times the filter, gives four products; "
          "their sum, minus 1, is the first of four output values.")

# %% [markdown]
# In symbols, with the output at row $i$, column $j$:
#
# $$y_{ij} = \sum_{u}\sum_{v} w_{uv}\; x_{i+u,\,j+v}$$
#
# The indices say two things: $w_{uv}$ does not depend on $i$ and $j$, so the same weights are used everywhere
# (**weight sharing**); and $y_{ij}$ sees only the pixels from $i$ and $j$ onwards that the filter covers
# (**local connectivity**).
#
# **Predict.** Fill in the other three values of `y` by hand. Then say which pixel of the picture takes part
# in all four.
#
# <details><summary>Answer</summary>
#
# The rows of `y` are −1, 4 and 3, −2. The pixel in the centre is the only one under all four windows. Each
# corner is under one. Keep that in mind for section 8.
#
# </details>

# %%
four = np.zeros((2, 2), int)
for i in range(2):
    for j in range(2):
        four[i, j] = (x[i : i + 2, j : j + 2] * w).sum()
assert four.tolist() == [[-1, 4], [3, -2]]

uses = np.zeros_like(x)
for i in range(2):
    for j in range(2):
        uses[i : i + 2, j : j + 2] += 1
assert uses.tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 6)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    left = 1.3 + 5.4 * number
    picture = plot.grid(ax, x, (left, 1.2), f"window at ({i}, {j})", limit=0)
    plot.window(ax, picture, i, j, 2, 2, plot.COLOURS[number], fill=0.2)
    a, b, c, d = x[i : i + 2, j : j + 2].flat
    plot.text(ax, picture.x, 4.8, f"{a}·1 − {b}·1 + {c}·2 + {d}·0", size=9)
    plot.text(ax, picture.x, 5.5, f"= {four[i, j]}".replace("-", "−"), size=10.5, weight="bold")
out = plot.grid(ax, four, (23.4, 1.7), "output y", limit=0)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    plot.window(ax, out, i, j, 1, 1, plot.COLOURS[number], fill=0.2)
plot.show(fig, "The four places of the window on the picture, the sum of products at each, and the output with the "
          "rows minus 1, 4 and 3, minus 2.")

# %% [markdown]
# ## 2 · The loop
#
# A picture is done when the window has stood in every place. Along a side of $N$ pixels a filter of $K$ can
# start at $0, 1, \dots, N - K$, so there are $M = N - K + 1$ places (deck a).

# %%
def slide(x, w):
    """The filter w (KH, KW) at every place of the picture x (H, W)."""
    rows, columns = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
    y = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            y[i, j] = (x[i : i + w.shape[0], j : j + w.shape[1]] * w).sum()
    return y


assert slide(x, w).tolist() == four.tolist()
assert slide(np.zeros((7, 7)), np.zeros((3, 3))).shape == (5, 5)  # decks b to e

# %% [markdown]
# What is it good for? Below is a picture of a house, 24 × 24, 0 for dark and 1 for bright, and a filter that
# subtracts what is on the left of a pixel from what is on its right.
#
# **Predict.** Where does the output come out positive, where negative, where zero? Think of the two walls,
# the door, the floor and the roof, one after the other.

# %%
house = np.zeros((24, 24))
house[11:21, 5:19] = 1
for step in range(8):
    house[3 + step, 11 - step : 13 + step] = 1
house[14:21, 10:14] = 0
left_to_right = np.array([[-1, 0, 1]] * 3)

# %% [markdown]
# <details><summary>Answer</summary>
#
# Where it gets brighter from left to right the output is positive: the left wall, the left slope of the roof,
# the right side of the door. Where it gets darker it is negative: the mirror image. Along the floor and the
# eaves nothing changes from left to right, and in plain areas nothing changes at all: zero. The filter has
# found the vertical edges, wherever they are, with nine numbers.
#
# </details>

# %%
edges = slide(house, left_to_right)
assert edges.shape == (22, 22)
assert edges[14, 4] == 3 and edges[14, 18] == -3  # left wall, right wall
assert edges[19, 7] == 0 and edges[5, 0] == 0  # floor, sky

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 3, columns=3, width_ratios=[1, 0.45, 1])
plot.image(axes[0], house, "picture, 24 × 24", gray=True)
plot.image(axes[1], left_to_right, "filter, 3 × 3")
for (i, j), value in np.ndenumerate(left_to_right):
    plot.text(axes[1], j, i, f"{value}".replace("-", "−"))
plot.image(axes[2], edges, "output, 22 × 22")
for sign, places in (("+", ((3.5, 14), (12.5, 16), (5.5, 6))), ("−", ((17.5, 14), (8.5, 16), (15.5, 6)))):
    for place in places:
        plot.text(axes[2], *place, sign, size=14, weight="bold")
plot.show(fig, "A bright house, a filter with columns minus 1, 0, 1, and the output: left edges positive, right edges "
          "negative, horizontal edges and plain areas zero.")

# %% [markdown]
# ## 3 · Spot the error: convolution or correlation?
#
# If you have just done unit 02, you know this one: run the cells and go on to **Spot another**.
#
# Deck c gives this formula and says that the layer has its name from it:
#
# $$(f * g)[x, y] = \sum_{n_1}\sum_{n_2} f[n_1, n_2]\; g[x - n_1,\, y - n_2]$$
#
# Deck e quotes the same definition as an integral. Hold it against the formula of section 1. The quickest way
# to see what an operation does to a filter is to show it a single bright pixel.
#
# **Predict.** The picture is zero but for a 1 in the middle; the filter holds 1 to 9 in reading order. What
# does `slide` put out? What would the formula of deck c put out?
#
# <details><summary>Answer</summary>
#
# `slide` gives 9 to 1: the filter turned by 180°. When the window is up and to the left of the bright pixel,
# it is the filter's *last* weight that lies on it. In the formula the minus signs turn the filter before it
# slides, and it comes out the right way round.
#
# So the decks define **convolution** and compute **cross-correlation**. All deep-learning libraries do; the
# documentation of PyTorch's `Conv2d`, which deck c prints, says "cross-correlation" in so many words. Does it
# matter? Not for learning, as deck d remarks: a filter that is learned is learned turned round. It does
# matter when you set a filter by hand, or copy it from a book on signal processing. In this course a layer
# correlates, and a function that turns the filter has `convolve` in its name.
#
# </details>

# %%
dot = np.zeros((5, 5))
dot[2, 2] = 1
counting = np.arange(1, 10).reshape(3, 3)


def convolve(f, g):
    """Deck c's formula: each pixel of f lays down a copy of g; kept where g is inside f."""
    (height, width), (kh, kw) = f.shape, g.shape
    full = np.zeros((height + kh - 1, width + kw - 1))
    for (n1, n2), value in np.ndenumerate(f):
        full[n1 : n1 + kh, n2 : n2 + kw] += value * g
    return full[kh - 1 : height, kw - 1 : width]


assert slide(dot, counting).tolist() == [[9, 8, 7], [6, 5, 4], [3, 2, 1]]
assert convolve(dot, counting).tolist() == counting.tolist()

turned = np.rot90(left_to_right, 2)
assert np.array_equal(convolve(house, left_to_right), slide(house, turned))

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(23, 6.8)
plot.grid(ax, dot, (0.5, 1.2), "picture")
plot.grid(ax, counting, (7.5, 2.2), "filter", limit=20)
for left, operation, name, remark in (
    (13, slide, "cross-correlation", "turned by 180°"),
    (18.5, convolve, "convolution", "as it was"),
):
    plot.grid(ax, operation(dot, counting), (left, 2.2), name, limit=20)
    plot.text(ax, left + 1.5, 6, remark, size=9)
plot.show(fig, "One bright pixel under a filter that holds 1 to 9. Cross-correlation puts out the filter turned by "
          "180 degrees, convolution puts it out as it was.")

# %% [markdown]
# **Spot another.** This formula of deck d comes with the filter and the binary picture that you will meet in
# section 7:
#
# $$z(i, j) = \sum_{k=1}^{3}\sum_{l=1}^{3} f(k, l)\; I(i + l,\, j + k) + b$$
#
# Look at the indices of $I$. What does this compute, and why did nobody in the lecture notice?
#
# <details><summary>Answer</summary>
#
# $k$ counts the rows of the filter but moves the picture's column, and $l$ the other way round: it is the
# correlation with the *transposed* filter. The deck's filter equals its own transpose, so its example comes
# out right all the same. Some slides later the deck has the indices in order. A test with a symmetric filter
# cannot tell the two apart; the checks in this course use filters that are not even square.
#
# </details>

# %%
deck_d_filter = np.array([[1, 0, 1],
                          [0, 1, 0],
                          [1, 0, 1]])
assert np.array_equal(deck_d_filter, deck_d_filter.T)
assert not np.array_equal(slide(house, left_to_right), slide(house, left_to_right.T))

# %% [markdown]
# ## 4 · Channels
#
# A colour picture has three numbers at every pixel, and further inside a network there may be hundreds. A
# filter always has a slice for **every channel** of its input. The window becomes a box; the rule stays the
# same: multiply what lies on top of each other, add up everything.
#
# $$y_{ij} = \sum_{c}\sum_{u}\sum_{v} w_{cuv}\; x_{c,\,i+u,\,j+v}$$
#
# **Predict** (decks b, c, e). The input is 32 × 32 with 3 channels and the filter 5 × 5 × 3. How many
# products are in one output value? How many values does the filter put out? In how many maps?
#
# <details><summary>Answer</summary>
#
# 5 · 5 · 3 = 75 products, so each value is a dot product of two vectors with 75 entries. There are 28 · 28 =
# 784 values, all in **one** map: the sum runs over the channels too, so they are gone from the output. A unit
# of a fully connected layer on the same picture would take a dot product with all 3072 entries, and on a 256
# × 256 picture (deck d) with 196 608.
#
# </details>

# %%
colour = rng.random((3, 32, 32))
box = rng.normal(size=(3, 5, 5))

one_value = (colour[:, 0:5, 0:5] * box).sum()
assert np.isclose(one_value, colour[:, 0:5, 0:5].ravel() @ box.ravel())  # a dot product
assert box.size == 75 and colour.size == 3072 and 256 * 256 * 3 == 196608

one_map = sum(slide(colour[c], box[c]) for c in range(3))
assert one_map.shape == (28, 28) and one_map.size == 784
assert np.isclose(one_map[0, 0], one_value)

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(22, 8.7)
volume_ = plot.block(ax, 6.4, 6.4, 1.5, (1, 1.2))
plot.block(ax, 1, 1, 1.5, (2.6, 3.4), plot.VERMILION, 0.5)
plot.text(ax, volume_.x, 8.2, "input: 3 channels of 32 × 32")
plot.arrow(ax, (4.5, 3.6), (16, 3.5), bend=-0.1)
plot.text(ax, 11.2, 1.5, "75 products,\nadded up")
sheet = plot.block(ax, 5.6, 5.6, 0.5, (14.4, 1.6), plot.GREEN)
plot.window(ax, plot.Box(16.1, 3.4, 0, 0, 0.25), 0, 0, 1, 1, fill=0.8)
plot.text(ax, sheet.x, 8.2, "output: 1 map of 28 × 28")
plot.show(fig, "A block of 32 by 32 pixels and 3 channels with a box of 5 by 5 by 3 in it; its 75 products add up to "
          "one value of a single 28 by 28 map.")

# %% [markdown]
# ## 5 · Several filters
#
# One filter looks for one thing. To look for six things, take six filters, each with its own weights, and
# stack their **maps** (feature maps, activation maps). What comes out is again a volume with channels, so the
# next layer can do the same again:
#
# $$y_{f\,ij} = \sum_{c}\sum_{u}\sum_{v} w_{f c u v}\; x_{c,\,i+u,\,j+v}$$
#
# **Predict** (deck c). Six 5 × 5 filters on 32 × 32 × 3, then ten 5 × 5 filters on the result. What are the
# shapes of the two outputs, and how deep is a filter of the second layer?
#
# <details><summary>Answer</summary>
#
# 28 × 28 × 6, then 24 × 24 × 10. A filter of the second layer is 5 × 5 × 6: nobody writes the 6 down, because
# a filter is always as deep as its input. (The decks write height × width × channels; our arrays put channels
# first.)
#
# </details>

# %%
def layer(x, w):
    """All filters w (F, C, KH, KW) over one image x (C, H, W): a map each."""
    return np.stack([sum(slide(x[c], one[c]) for c in range(len(x))) for one in w])

# %% tags=["demo"]
six = layer(colour, rng.normal(size=(6, 3, 5, 5)))
ten = layer(six, rng.normal(size=(10, 6, 5, 5)))
assert six.shape == (6, 28, 28) and ten.shape == (10, 24, 24)

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 8.2)
volumes = (
    (5.6, 1, "32 × 32 × 3", plot.BLUE),
    (4.9, 2, "28 × 28 × 6", plot.GREEN),
    (4.2, 3.4, "24 × 24 × 10", plot.PURPLE),
)
left = 0.7
for number, (side, depth, name, colour_) in enumerate(volumes):
    front = plot.block(ax, side, side, depth, (left, 7 - side), colour_)
    plot.text(ax, front.x, 7.6, name)
    right = front.right + depth / 2
    if number < 2:
        plot.text(ax, right + 1.7, 3, ("six filters\n5 × 5 × 3", "ten filters\n5 × 5 × 6")[number], size=9)
        plot.arrow(ax, (right + 0.3, 4.2), (right + 3.1, 4.2))
    left = right + 3.5
plot.show(fig, "Three blocks: 32 by 32 by 3; after six filters 28 by 28 by 6; after ten filters 24 by 24 by 10.")

# %% [markdown]
# **Predict.** Four filters for the house: what will each of them pick out? Where is the third one at its
# strongest?

# %% tags=["demo"]
bank = {
    "left to right": left_to_right,
    "top to bottom": left_to_right.T,
    "centre less ring": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    "mean of nine": np.full((3, 3), 1 / 9),
}

# %% [markdown]
# <details><summary>Answer</summary>
#
# Upright edges; level edges; every outline; a blurred copy. The weights of the first three add up to 0, so
# plain areas give nothing. The third asks how much a pixel differs from the ring around it. On a straight
# edge five of the eight neighbours are like the pixel and three are not; at a corner of the house it is the
# other way round, and there the map is strongest.
#
# </details>

# %% tags=["demo"]
assert [filter_.sum() for filter_ in bank.values()][:3] == [0, 0, 0]
outlines = slide(house, bank["centre less ring"])
assert outlines[14, 4] == 3 and outlines[19, 4] == 5 == outlines.max()  # left wall, and its foot

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 2.5, columns=4)
for number, (name, filter_) in enumerate(bank.items()):
    plot.image(axes[number], slide(house, filter_), name)
plot.show(fig, "Four maps of the house: vertical edges, horizontal edges, the outline with the corners strongest, and "
          "a blurred copy.")

# %% [markdown]
# ## 6 · Bias
#
# Each filter has one more number, its **bias**, which is added to every value of its map. So `b` has the
# shape `(F,)`: a number for each filter, not for each channel and not for each pixel.
#
# $$y_{f\,ij} = b_f + \sum_{c}\sum_{u}\sum_{v} w_{f c u v}\; x_{c,\,i+u,\,j+v}$$
#
# **Predict.** After the layer, a ReLU sets everything below 0 to 0. The strongest response of a filter is 3.
# What do you see after the ReLU when the bias is −2? When it is −4?
#
# <details><summary>Answer</summary>
#
# The whole map moves down. At −2 only responses above 2 survive: the filter has become choosy. At −4 nothing
# survives. The bias is the threshold at which the filter speaks up, and learning sets it like any weight.
#
# </details>

# %%
survivors = [int((edges + bias > 0).sum()) for bias in (0, -2, -4)]
assert survivors[0] > survivors[1] > survivors[2] == 0

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 2.5, columns=3, sharey=True)
for ax, bias in zip(axes, (0, -2, -4), strict=True):
    row = edges[14] + bias
    ax.step(range(22), row, where="mid", color=plot.BLUE)
    ax.fill_between(range(22), np.maximum(row, 0), step="mid", color=plot.VERMILION, alpha=0.6)
    ax.axhline(0, color=plot.INK, lw=0.8)
    ax.set_title(f"bias {bias}".replace("-", "−"), size=10)
    ax.set(xlabel="column", xticks=[0, 10, 20])
axes[0].set_ylabel("row 14 of the map")
plot.show(fig, "Row 14 of the edge map with biases 0, minus 2 and minus 4. What lies above zero, and survives a ReLU, "
          "shrinks from two peaks to nothing.")

# %% [markdown]
# ## 7 · Stride
#
# The window need not stop at every pixel. With **stride** $s$ it moves $s$ pixels at a time, to the right and
# down:
#
# $$y_{ij} = \sum_{u}\sum_{v} w_{uv}\; x_{s i + u,\; s j + v}$$
#
# Deck d shows a binary 5 × 5 picture under the X-shaped filter of section 3. With stride 1 the output is
#
# $$\begin{pmatrix}4 & 3 & 4\\ 2 & 4 & 3\\ 2 & 3 & 4\end{pmatrix}$$
#
# **Predict.** What is the output with stride 2? You need not add up anything.
#
# <details><summary>Answer</summary>
#
# 4, 4 and 2, 4: every second row and column of the output above. A stride skips results and changes none of
# them.
#
# </details>

# %%
binary = np.array([[1, 1, 1, 0, 0],
                   [0, 1, 1, 1, 0],
                   [0, 0, 1, 1, 1],
                   [0, 0, 1, 1, 0],
                   [0, 1, 1, 0, 0]])
stride_1 = slide(binary, deck_d_filter)
stride_2 = np.zeros((2, 2))
for i in range(2):
    for j in range(2):
        window = binary[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        stride_2[i, j] = (window * deck_d_filter).sum()
assert stride_1.tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
assert stride_2.tolist() == [[4, 4], [2, 4]] == stride_1[::2, ::2].tolist()

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(25, 6.8)
picture = plot.grid(ax, binary, (0.6, 1.4), "picture", limit=4)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    plot.window(ax, picture, 2 * i, 2 * j, 3, 3, plot.COLOURS[number])
plot.grid(ax, deck_d_filter, (7.8, 2.4), "filter", limit=4)
every = plot.grid(ax, stride_1, (14, 2.4), "stride 1", limit=0)
some = plot.grid(ax, stride_2, (21, 2.9), "stride 2", limit=0)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    plot.window(ax, every, 2 * i, 2 * j, 1, 1, plot.COLOURS[number], fill=0.2)
    plot.window(ax, some, i, j, 1, 1, plot.COLOURS[number], fill=0.2)
plot.arrow(ax, (17.5, 3.9), (20.5, 3.9))
plot.text(ax, 19, 3.2, "every second", size=9)
plot.show(fig, "The binary picture with four 3 by 3 windows two pixels apart, the filter, the stride 1 output, and "
          "the stride 2 output, which is every second row and column of it.")

# %% [markdown]
# ## 8 · Padding
#
# Every layer so far has made its input smaller. Decks b and c warn of it: under 5 × 5 filters 32 shrinks to
# 28, then to 24.
#
# **Predict.** How many such layers can you stack before the filter no longer fits?
#
# <details><summary>Answer</summary>
#
# Seven. Each takes 4 off: 28, 24, 20, 16, 12, 8, 4, and on 4 pixels a filter of 5 has no place left.
#
# </details>

# %%
sides = [32]
while sides[-1] >= 5:
    sides.append(sides[-1] - 5 + 1)
assert sides == [32, 28, 24, 20, 16, 12, 8, 4] and len(sides) - 1 == 7

# %% [markdown]
# There is a second loss, less plain to see. In section 1 the pixel in the middle was under four windows and a
# corner under one. What happens along the border is hardly looked at.
#
# The remedy for both is to put a ring of zeros, `pad` pixels wide, round the picture before the window
# starts. A filter of size $K$ loses $K - 1$ pixels, so at stride 1 half of that on each side keeps the size:
#
# $$p = \frac{K - 1}{2}$$
#
# That is 1, 2, 3 for filters of 3, 5, 7, as decks b, c and e list. For even $K$ it is no whole number, one
# reason why filters are odd.

# %%
for k, p in ((3, 1), (5, 2), (7, 3)):
    assert p == (k - 1) / 2
    in_a_ring = np.zeros((32 + 2 * p, 32 + 2 * p))
    assert slide(in_a_ring, np.zeros((k, k))).shape == (32, 32)


def times_seen(n, k, p):
    """How many windows of k x k look at each pixel of an n x n picture with pad p."""
    counts = np.zeros((n + 2 * p, n + 2 * p), int)
    for i in range(n + 2 * p - k + 1):
        for j in range(n + 2 * p - k + 1):
            counts[i : i + k, j : j + k] += 1
    return counts[p : n + p, p : n + p]


assert times_seen(7, 3, 0)[0, 0] == 1 and times_seen(7, 3, 0)[3, 3] == 9
assert times_seen(7, 3, 1)[0, 0] == 4 and times_seen(7, 3, 1)[3, 3] == 9

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 10.6)
ringed = np.full((9, 9), "")
ringed[[0, -1]] = ringed[:, [0, -1]] = "0"
padded = plot.grid(ax, ringed, (0.5, 1.3), "7 × 7 with pad 1", ring=1)
plot.window(ax, padded, 0, 0, 3, 3, fill=0.2)
plot.window(ax, padded, 6, 6, 3, 3, plot.BLUE, fill=0.2)
plot.grid(ax, times_seen(7, 3, 0), (12, 2.8), "times seen, pad 0", limit=12, cell=0.9)
plot.grid(ax, times_seen(7, 3, 1), (19.3, 2.8), "times seen, pad 1", limit=12, cell=0.9)
plot.show(fig, "Left: a 7 by 7 picture in a ring of zeros, with windows in two corners. Right: how many windows see "
          "each pixel; without padding a corner is seen once, with padding four times, the middle nine times.")

# %% [markdown]
# **Spot the error.** Deck d derives the rule like this, $N$ being the size of the picture, $F$ of the filter,
# $S$ the stride:
#
# $$N = \frac{N - F + 2P}{S} + 1 \;\Rightarrow\; (N - 1)\,S = N - F + 2P \;\Rightarrow\; P = \frac{F - 1}{2}$$
#
# Which of the two steps is wrong?
#
# <details><summary>Answer</summary>
#
# The second: $S$ has gone. From $(N-1)S = N - F + 2P$ follows $P = \frac{(N-1)S - N + F}{2}$, which is
# $(F-1)/2$ only for $S = 1$. To keep 7 at 7 with a filter of 3 and stride 2 would take a pad of 4, wider than
# the filter itself, and 24 of the 49 windows would see nothing but zeros. A layer with a stride is meant to
# make its input smaller.
#
# </details>

# %%
def pad_that_keeps(n, f, s):
    return ((n - 1) * s - n + f) / 2


assert [pad_that_keeps(7, f, 1) for f in (3, 5, 7)] == [1, 2, 3]
assert pad_that_keeps(7, 3, 2) == 4 and (7 + 2 * 4 - 3) / 2 + 1 == 7

starts = range(-4, 7 + 4 - 3 + 1, 2)  # of the windows along one side; the picture is 0 to 6
on_picture = [start for start in starts if -3 < start < 7]
assert len(starts) ** 2 - len(on_picture) ** 2 == 49 - 25 == 24

# %% [markdown]
# ### Exercise: `zero_pad`
#
# Only height and width get zeros; the number of images and channels stays as it is.

# %% solution="zero_pad"
def zero_pad(x, p):
    """Put a ring of zeros round every channel of every image.

    Args:
        x: images (N, C, H, W).
        p: width of the ring, 0 or more.

    Returns:
        (N, C, H + 2p, W + 2p), dtype of x.
    """
    ### BEGIN SOLUTION
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    ### END SOLUTION

# %% check="zero_pad"
check("zero_pad", zero_pad)

# %% [markdown]
# ## 9 · Dilation
#
# To see further without more weights, pull the filter apart: with **dilation** $d$ its weights look at pixels
# that lie $d$ apart.
#
# $$y_{ij} = \sum_{u}\sum_{v} w_{uv}\; x_{i + d u,\; j + d v}$$
#
# Deck a calls it *atrous* convolution, from the French for "with holes", and calls $d$ the rate.
#
# **Predict.** How wide is the square that a 3 × 3 filter spans at dilation 2? At 3? How many weights has it
# then?
#
# <details><summary>Answer</summary>
#
# Between $K$ weights there are $K - 1$ gaps of $d$ pixels, so it spans $d(K-1) + 1$: 5 at dilation 2 and 7 at
# dilation 3. It has nine weights each time, and looks at nine pixels.
#
# </details>

# %%
spans = {d: d * (3 - 1) + 1 for d in (1, 2, 3)}
assert spans == {1: 3, 2: 5, 3: 7}
assert all(len(range(0, spans[d], d)) == 3 for d in spans)  # three weights a side

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(25, 9)
for d, span in spans.items():
    field = plot.grid(ax, np.full((7, 7), ""), (8.4 * d - 7.8, 1.4), f"dilation {d}: spans {span}")
    plot.window(ax, field, 0, 0, 3, 3, plot.COLOURS[d - 1], dilation=d, fill=0.35)
plot.show(fig, "A 3 by 3 filter on a 7 by 7 picture at dilation 1, 2 and 3: its nine cells spread over squares of 3, "
          "5 and 7 pixels.")

# %% [markdown]
# ## 10 · Output size, and does it fit?
#
# Now put stride, padding and dilation together. A side of $n$ pixels, padded, is $n + 2p$ long. The filter
# reaches over $d(k-1) + 1$ of them. What is left is the way that the window can go, in steps of $s$; and as
# with fence posts, there is one place more than there are steps:
#
# $$\text{output} = \left\lfloor \frac{n + 2p - d(k-1) - 1}{s} \right\rfloor + 1$$
#
# Without dilation, $d = 1$, the top is $n + 2p - k$, and this is the formula of the decks, apart from the
# brackets that round down. In a moment we shall argue about these.

# %%
deck_sizes = {  # (n, k, stride, pad): output
    (7, 3, 1, 0): 5,  # b, c, d, e
    (7, 3, 2, 0): 3,
    (7, 3, 1, 1): 7,
    (5, 2, 3, 0): 2,  # a
    (32, 5, 1, 0): 28,  # b, c, e
    (32, 5, 1, 2): 32,
}
for (n, k, s, p), size in deck_sizes.items():
    assert (n + 2 * p - k) / s + 1 == size

# %% [markdown]
# **Predict.** The picture is 7 wide, the filter 3, the stride 3. What is the output size?

# %%
(7 - 3) / 3 + 1

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 5.9)
for number, stride in enumerate((1, 2, 3)):
    left = 0.8 + 8.7 * number
    row = plot.grid(ax, np.array([[str(i) for i in range(7)]]), (left, 1.2), f"stride {stride}", limit=0)
    starts = range(0, 7 - 3 + 1, stride)
    for place, start in enumerate(starts):
        height = 2.7 + 0.55 * place
        ax.plot([left + start + 0.1, left + start + 2.9], [height] * 2, color=plot.COLOURS[place], lw=5)
    if starts[-1] + 3 < 7:
        plot.window(ax, row, 0, 6, 1, 1, plot.INK)
        plot.text(ax, left + 6.5, 4, "never\nseen", size=9)
        plot.arrow(ax, (left + 6.5, 3.4), (left + 6.5, 2.4))
    plot.text(ax, row.x, 5.5, f"(7 − 3) / {stride} + 1 = {(7 - 3) / stride + 1:.3g}")
plot.show(fig, "Seven cells under windows of three. At stride 1 there are five windows, at stride 2 three; at stride 3 "
          "two, and the last cell is never seen.")

# %% [markdown]
# On this the decks part company:
#
# - decks b and c: 2.33, "doesn't fit", the filter cannot be applied;
# - deck a: round down, so 2, and PyTorch's documentation says the same;
# - deck d: rounds down on one slide, and finds 2.33 and that it cannot cover perfectly on another.
#
# **Who is right?** Find out what they agree on before you decide.
#
# <details><summary>Answer</summary>
#
# They agree on the windows: two of them fit, at 0 and at 3, and a third would start at 6 and reach beyond the
# edge. They differ on whether a layer should be allowed to leave a rest, here the last row and column. That
# is a question of taste, not of arithmetic. A library rounds down, because a network should not refuse a
# picture for being one pixel too wide. A designer takes care that no pixel is left over, because what no
# window sees cannot matter: change the last column of the picture as you like, the output stays as it was,
# and no gradient will ever come back to it.
#
# With padding, the ring goes first. ResNet's first layer, 224 wide under a filter of 7 with stride 2 and pad
# 3, does not fit either, and what it loses is a column of zeros. A rest hurts when it is wider than the ring.
#
# This course rounds down, as PyTorch does, and keeps a second function that tells you whether anything is
# left over.
#
# </details>

# %%
wide = rng.normal(size=(7, 7))
changed = wide.copy()
changed[:, 6] = changed[6, :] = 1000
kernel = rng.normal(size=(3, 3))
assert np.array_equal(slide(wide, kernel)[::3, ::3], slide(changed, kernel)[::3, ::3])
assert slide(wide, kernel)[::3, ::3].shape == (2, 2)

rest = (224 + 2 * 3 - 7) % 2  # of ResNet's first layer
assert 0 < rest <= 3

# %% [markdown]
# **Predict.** A picture 7 wide, a filter of 3, a stride of 3: it does not fit. Change one of the numbers so that it
# does. How many ways do you find that change it by one?
#
# <details><summary>Answer</summary>
#
# Five: stride 2, stride 4, padding 1, a filter of 4, a picture of 6. In each of them the way that the window can go is
# a whole number of steps.
#
# Look twice at stride 4. The windows at 0 and 4 end exactly at the edge, and pixel 3 between them is never seen. To fit
# says something about the end, not about gaps.
#
# </details>

# %%
start, moves = np.array([7, 3, 3, 0]), np.eye(4, dtype=int)  # n, k, s, p
nearby = [tuple(map(int, start + sign * move)) for move in moves for sign in (-1, 1)]
fitting = [(n, k, s, p) for n, k, s, p in nearby if p >= 0 and (n + 2 * p - k) % s == 0]
assert fitting == [(6, 3, 3, 0), (7, 4, 3, 0), (7, 3, 2, 0), (7, 3, 4, 0), (7, 3, 3, 1)]
assert 3 not in [*range(3), *range(4, 4 + 3)]  # the pixels under the two windows at stride 4

# %% [markdown]
# The calculator below puts your numbers into the formula, draws the windows, and hatches what no window sees. It knows
# more than this section: padding to the "same" size, rounding up, and the transposed convolution of a later unit.

# %% tags=["demo"]
widgets.SizeCalculator(n=7, k=3, stride=3)

# %% [markdown]
# ### Exercise: `conv_output_size`
#
# The formula above, with one more duty. Where not even one window fits, there is no output to have a size,
# and arguments such as a stride of 0 mean nothing. Then raise a `ValueError` whose message names the numbers:
# whoever meets it in a network of fifty layers will be thankful.

# %% solution="conv_output_size"
def conv_output_size(n, k, stride=1, pad=0, dilation=1):
    """Number of places that a window has along one side.

    Args:
        n: length of the side in pixels, at least 1.
        k: length of the filter, at least 1.
        stride: step between windows, at least 1.
        pad: zeros added at either end, 0 or more.
        dilation: distance between the filter's weights, at least 1.

    Returns:
        int; what is left over by the stride is dropped.

    Raises:
        ValueError: no window fits, or an argument is out of its range.
    """
    ### BEGIN SOLUTION
    if min(n, k, stride, dilation) < 1 or pad < 0:
        raise ValueError(f"impossible: {n=}, {k=}, {stride=}, {pad=}, {dilation=}")
    way = n + 2 * pad - dilation * (k - 1) - 1
    if way < 0:
        raise ValueError(f"{k=} with {dilation=} does not fit into {n=} with {pad=}")
    return way // stride + 1
    ### END SOLUTION

# %% check="conv_output_size"
check("conv_output_size", conv_output_size)

# %% [markdown]
# ### Exercise: `conv_fits`
#
# The other half of the argument: does the last window end exactly where the padded side ends? Gaps between
# the windows, where the stride is larger than the filter, do not count here.

# %% solution="conv_fits"
def conv_fits(n, k, stride=1, pad=0, dilation=1):
    """Whether the last window ends exactly where the padded side ends.

    Args: as for ``conv_output_size``.

    Returns:
        bool; False where not even one window fits.
    """
    ### BEGIN SOLUTION
    way = n + 2 * pad - dilation * (k - 1) - 1
    return way >= 0 and way % stride == 0
    ### END SOLUTION

# %% check="conv_fits"
check("conv_fits", conv_fits)

# %% [markdown]
# **Spot the error.** Among the common settings deck c lists a filter of 5 with stride 2 and for the padding
# says "whatever fits". Which padding fits a 32 × 32 picture? And which sizes of picture can be helped?
#
# <details><summary>Answer</summary>
#
# None. The way of the window is 32 + 2p − 5 = 27 + 2p, odd for every p, and stride 2 wants it even. Padding
# always adds an even number, so it can never turn an odd way into an even one. With a picture of odd size
# every padding fits, 0 included. In neither case is there anything to choose: the padding settles the size of
# the output, not whether it fits.
#
# </details>

# %%
fitting = {n: [p for p in range(20) if (n + 2 * p - 5) % 2 == 0] for n in range(28, 36)}
assert all(fitting[n] == ([] if n % 2 == 0 else list(range(20))) for n in fitting)

# %% [markdown]
# ## 11 · Parameters
#
# **Predict** (decks b, c, e). Ten 5 × 5 filters on a 32 × 32 × 3 input. How many numbers does the layer
# learn? A friend says 750. Another asks whether it is more with padding 2.
#
# <details><summary>Answer</summary>
#
# Each filter has 5 · 5 · 3 = 75 weights and one bias, 76 numbers; ten of them have 760. The friend has
# forgotten the biases. Padding, stride, dilation and the size of the picture change nothing: they say where
# the filter goes, not what it is.
#
# </details>

# %%
def numbers_in(w, b):
    """How many numbers a layer learns: its weights and its biases, counted."""
    return w.size + b.size


assert numbers_in(np.zeros((10, 3, 5, 5)), np.zeros(10)) == 76 * 10 == 760 != 750
assert numbers_in(np.zeros((16, 3, 5, 5)), np.zeros(16)) == 1216  # deck e: first layer of the ConvNetJS demo
assert numbers_in(np.zeros((1, 1, 3, 3)), np.zeros(1)) == 10  # deck e: one 3 x 3 filter, for an image of any size

# %% [markdown]
# In symbols, for $F$ filters of $K \times K$ over $C$ channels:
#
# $$\text{parameters} = F\,(C \cdot K \cdot K + 1)$$
#
# **Spot the error.** Deck d counts "6 × 3 × 3 × 3 = 162" parameters for six 3 × 3 × 3 kernels on a 32 × 32 ×
# 3 image. Some slides later it gives the total as $K_1(3L^2 + 1)$ for $K_1$ filters of size
# $L \times L \times 3$. Can both be right?
#
# <details><summary>Answer</summary>
#
# No: by the deck's own formula it is 6 · (27 + 1) = 168. The 162 are the weights without the biases. Both
# numbers are in use, so say which you mean. In a large network the biases hardly count; in a comparison of
# two tables they explain many a small difference.
#
# </details>

# %%
assert 6 * 3 * 3 * 3 == 162
assert 6 * (3 * 3**2 + 1) == 168

# %% [markdown]
# Against what should one hold these numbers? A fully connected layer from 32 × 32 × 3 to the same 28 × 28 × 6
# outputs that six 5 × 5 filters make:

# %%
fully_connected = (32 * 32 * 3 + 1) * (28 * 28 * 6)
convolution = 6 * (3 * 5 * 5 + 1)
print(f"fully connected: {fully_connected:,}\nsix 5 x 5 filters: {convolution:,}")
assert (fully_connected, convolution) == (14_455_392, 456)
assert 1000**2 * 1000**2 == 10**12  # at the top of this unit: a million million

# %% [markdown]
# ### Groups
#
# With many channels most of the weights go into connecting every map to every other. **Groups** cut that
# down: split the input channels into $g$ parts and the filters into $g$ parts, and let each part of the
# filters see its own part of the channels alone. AlexNet did it to spread a layer over two graphics cards;
# with $g = C$ every channel has its own filters, and the layer is called *depthwise*.
#
# $$\text{parameters} = F\left(\frac{C}{g} \cdot K \cdot K + 1\right)$$
#
# Both $C$ and $F$ must be divisible by $g$.
#
# **Predict.** Eight channels in, eight filters of 3 × 3, no biases. How many weights with 1, 2, 4 and 8
# groups?
#
# <details><summary>Answer</summary>
#
# 576, 288, 144 and 72. The number of filters does not change, each only gets shallower: with twice the
# groups, half the connections.
#
# </details>

# %%
weights = {g: 8 * (8 // g) * 3 * 3 for g in (1, 2, 4, 8)}
assert list(weights.values()) == [576, 288, 144, 72]

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(27, 8.6)
for number, (g, count) in enumerate(weights.items()):
    connected = np.kron(np.eye(g), np.ones((8 // g, 8 // g)))
    title = f"{g} group{'s' * (g > 1)}: {count} weights"
    table = plot.grid(ax, connected, (1.8 + 6.4 * number, 1.9), title, numbers=False, limit=1.6, cell=0.62)
    plot.text(ax, table.x, table.bottom + 0.7, "input channels", size=9)
plot.text(ax, 1.1, 4.4, "filters", size=9, rotation=90)
plot.show(fig, "Which of eight filters sees which of eight input channels, for 1, 2, 4 and 8 groups: all, then blocks "
          "along the diagonal, at last the diagonal alone.")

# %% [markdown]
# ### Exercise: `conv_params`
#
# With biases or without, in one group or several. Where the channels cannot be shared out evenly there is no
# such layer, and the check does not ask for one.

# %% solution="conv_params"
def conv_params(c_in, c_out, k, bias=True, groups=1):
    """Number of parameters of a convolution layer with square filters.

    Args:
        c_in: channels of the input.
        c_out: number of filters.
        k: side of a filter.
        bias: whether every filter has a bias.
        groups: number of parts that channels and filters are split into; it divides both.

    Returns:
        int.
    """
    ### BEGIN SOLUTION
    per_filter = c_in // groups * k * k
    return c_out * (per_filter + 1 if bias else per_filter)
    ### END SOLUTION

# %% check="conv_params"
check("conv_params", conv_params)

# %% [markdown]
# ## 12 · The whole layer, in loops
#
# Everything is on the table now: windows, channels, filters, biases, stride, padding, dilation, and a batch
# of images.
#
# $$y_{n f i j} = b_f + \sum_{c}\sum_{u}\sum_{v} w_{f c u v}\;\, \tilde x_{n,\,c,\,s i + d u,\,s j + d v}$$
#
# where $\tilde x$ is the padded input. `slide` had two loops; this has four, over $n$, $f$, $i$ and $j$, with
# the three sums done by NumPy in one go, or seven, if you would rather spell them out. Nobody looks at the
# clock here.
#
# ### Exercise: `conv_forward_naive`
#
# Write it so that you can check it against the formula with your finger on the line. You have a first test at
# hand: on `binary[None, None]` with `deck_d_filter[None, None]` and a bias of `np.zeros(1)` it should give
# the matrices of section 7.

# %% solution="conv_forward_naive"
def conv_forward_naive(x, w, b, stride=1, pad=0, dilation=1):
    """A convolution layer (by cross-correlation) in plain loops.

    Args:
        x: images (N, C, H, W).
        w: filters (F, C, KH, KW); KH and KW may differ.
        b: biases (F,).
        stride, pad, dilation: ints, the same for height and width.

    Returns:
        (N, F, OH, OW), dtype of x.

    Raises:
        ValueError: no window fits.
    """
    ### BEGIN SOLUTION
    images, _, height, width = x.shape
    filters, _, kh, kw = w.shape
    reach_h, reach_w = dilation * (kh - 1) + 1, dilation * (kw - 1) + 1
    if reach_h > height + 2 * pad or reach_w > width + 2 * pad:
        raise ValueError(f"{reach_h} x {reach_w} does not fit into {height} x {width} with {pad=}")
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh = (height + 2 * pad - reach_h) // stride + 1
    ow = (width + 2 * pad - reach_w) // stride + 1
    y = np.empty((images, filters, oh, ow), x.dtype)
    for i in range(oh):
        for j in range(ow):
            rows = slice(i * stride, i * stride + reach_h, dilation)
            columns = slice(j * stride, j * stride + reach_w, dilation)
            window = padded[:, :, rows, columns]
            for n in range(images):
                for f in range(filters):
                    y[n, f, i, j] = (window[n] * w[f]).sum() + b[f]
    return y
    ### END SOLUTION

# %% check="conv_forward_naive"
check("conv_forward_naive", conv_forward_naive)

# %% [markdown]
# ## 13 · A volume, number by number
#
# Deck b shows a layer in full: a 5 × 5 × 3 input, padded by one to 7 × 7 × 3, two filters of 3 × 3 × 3,
# stride 2, biases 1 and 0. Two maps of 3 × 3 come out, 18 numbers, each the sum of 27 products and a bias. It
# is the best place to find out whether you have understood.

# %%
digits = [
    "0000000 0002020 0122200 0021000 0020210 0102200 0000000",
    "0000000 0100200 0101010 0002120 0121000 0122020 0000000",
    "0000000 0022100 0020010 0111210 0201220 0211000 0000000",
]
volume = np.array([[list(map(int, row)) for row in channel.split()] for channel in digits])
filters = np.array([
    [[[-1, 0, -1], [1, -1, 1], [-1, 0, -1]],
     [[0, -1, 1], [1, 1, 1], [-1, 1, -1]],
     [[0, 0, 0], [-1, 1, -1], [1, 1, -1]]],
    [[[0, 1, 1], [-1, -1, -1], [1, -1, 1]],
     [[-1, 0, -1], [1, 1, 1], [-1, 1, -1]],
     [[0, 1, 0], [0, 0, -1], [1, -1, 0]]],
])
biases = np.array([1, 0])
deck_b_output = np.array([[[-3, -1, 0], [-1, -8, 2], [3, 0, 3]],
                          [[1, 4, 2], [-1, 4, 5], [3, 1, 3]]])
assert volume.shape == (3, 7, 7) and filters.shape == (2, 3, 3, 3)

# %% [markdown]
# **Predict.** Take the first filter and the middle of its map, which reads −8. Where in the padded input does
# that window start? What does each channel contribute?
#
# <details><summary>Answer</summary>
#
# At row 2, column 2, since the output's (1, 1) is reached by one stride of 2. The channels contribute −7, 1
# and −3, and with the bias of 1 that makes −8.
#
# </details>

# %%
window = volume[:, 2:5, 2:5]
per_channel = (window * filters[0]).sum(axis=(1, 2))
assert per_channel.tolist() == [-7, 1, -3] and per_channel.sum() + biases[0] == -8

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 25.3)
for c in range(3):
    top = 1.4 + 8.2 * c
    channel = plot.grid(ax, volume[c], (0.6, top), f"channel {c}, padded", limit=6, ring=1)
    plot.window(ax, channel, 2, 2, 3, 3)
    plot.text(ax, 9, top + 3.5, "×", size=16)
    plot.grid(ax, filters[0, c], (10.2, top + 2), f"filter 0, slice {c}", limit=3)
    plot.text(ax, 14.2, top + 3.5, "=", size=16)
    plot.grid(ax, window[c] * filters[0, c], (15.2, top + 2), "products", limit=4)
    plot.text(ax, 19.6, top + 3.5, f"{per_channel[c]:+d}".replace("-", "−"), size=13)
    if c != 1:
        plot.arrow(ax, (20.5, top + 3.5), (23.7, 10.4 if c == 0 else 16.8), bend=-0.3 if c == 0 else 0.3)
plot.arrow(ax, (20.5, 13.1), (21.7, 13.1))
result = plot.grid(ax, deck_b_output[0], (22.2, 11.6), "map 0", limit=0)
plot.window(ax, result, 1, 1, 1, 1, fill=0.2)
plot.text(ax, result.x, 15.3, "−7 + 1 − 3 + 1 = −8", size=9.5)
plot.text(ax, result.x + 1.1, 16.1, "bias", size=8.5)
plot.show(fig, "One output value of deck b's example: in each of three channels a 3 by 3 window times its slice of the "
          "filter; the sums minus 7, 1 and minus 3 and the bias 1 give minus 8.")

# %% [markdown]
# Here are all 18, each with its three channel sums and its bias. Pick two and work them out on paper.

# %%
def in_full(f, i, j):
    """Channel sums, bias and total behind one number of deck b's example."""
    window = volume[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
    sums = [int(s) for s in (window * filters[f]).sum(axis=(1, 2))]
    return *sums, int(biases[f]), sum(sums) + int(biases[f])


line = "{:>3} {:>5} {:>4} {:>12} {:>3} {:>3} {:>7} {:>9}"
print(line.format("map", "row", "col", "channel 0", "1", "2", "bias", "output"))
for f, i, j in np.ndindex(2, 3, 3):
    sums = in_full(f, i, j)
    print(line.format(f, i, j, *sums))
    assert sums[-1] == deck_b_output[f, i, j]

# %% [markdown]
# Or let them go by: point at an output to see its window, at an input to see who reads it.
#
# **Predict.** Which inputs are read by all nine windows? Which by one only?

# %% tags=["demo"]
widgets.ConvStepper(x=volume[:, 1:-1, 1:-1], w=filters, b=biases, stride=2, pad=1, at=[0, 1, 1])

# %% [markdown]
# <details><summary>Answer</summary>
#
# None by all nine. With stride 2 and a filter of 3, windows share one row or column with their neighbours: where two
# such stripes cross, four windows read the same number, on the stripes two, elsewhere one.
#
# </details>

# %%
readers = np.zeros((7, 7), int)
for i, j in np.ndindex(3, 3):
    readers[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += 1
assert readers.max() == 4 and sorted(set(readers.ravel().tolist())) == [1, 2, 4]

# %% [markdown]
# And now your own function, on the 5 × 5 × 3 input and with padding of its own:

# %% tags=["demo"]
inside = volume[None, :, 1:-1, 1:-1]
yours = conv_forward_naive(inside * 1.0, filters * 1.0, biases * 1.0, stride=2, pad=1)
assert np.array_equal(yours[0], deck_b_output)
yours[0]

# %% [markdown]
# ## 14 · A filter of one pixel
#
# A 1 × 1 filter sounds like a joke: there is nothing to slide. But a filter is as deep as its input.
#
# **Predict** (deck c). 64 maps go into a layer of 32 filters of 1 × 1. What does one output value depend on?
# How many parameters has the layer?
#
# <details><summary>Answer</summary>
#
# On the 64 numbers at its own pixel and on no other pixel: a dot product of length 64. The layer has 32 · 64
# = 2048 weights and 32 biases. It is a small fully connected layer, a perceptron as deck d puts it, applied
# at every pixel by itself. It mixes channels and leaves space alone, and it is the cheapest way to turn 64
# maps into 32.
#
# </details>

# %% tags=["demo"]
maps = rng.normal(size=(64, 5, 6))
mix, shift = rng.normal(size=(32, 64)), rng.normal(size=32)
at_one_pixel = mix @ maps[:, 2, 3] + shift

as_layer = layer(maps, mix[:, :, None, None]) + shift[:, None, None]
assert as_layer.shape == (32, 5, 6) and np.allclose(as_layer[:, 2, 3], at_one_pixel)
assert (mix.size, shift.size) == (2048, 32)

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(25, 9.6)
front = plot.block(ax, 5, 5, 6, (0.8, 3.6))
plot.text(ax, front.x, 9.1, "64 maps")
plot.block(ax, 0.7, 0.7, 6, (3, 5.6), plot.VERMILION, 0.45)
plot.arrow(ax, (9.2, 5.6), (10.9, 5.6))
column = plot.grid(ax, np.full((8, 1), ""), (11.4, 1.4), "its 64 numbers", cell=0.8)
plot.window(ax, column, 0, 0, 8, 1, fill=0.25)
plot.arrow(ax, (12.8, 4.6), (15, 4.6))
plot.text(ax, 13.9, 3.9, "w, b", size=10, style="italic")
mixed = plot.grid(ax, np.full((4, 1), ""), (15.5, 3), "32 numbers", cell=0.8)
plot.window(ax, mixed, 0, 0, 4, 1, plot.GREEN, fill=0.3)
plot.arrow(ax, (16.8, 4.6), (20, 6))
front = plot.block(ax, 5, 5, 3, (18, 3.6), plot.BLUE)
plot.block(ax, 0.7, 0.7, 3, (20.2, 5.6), plot.GREEN, 0.45)
plot.text(ax, front.x, 9.1, "32 maps")
plot.show(fig, "The 64 numbers that one pixel has in 64 maps are turned by the weights into 32 numbers at the same "
          "pixel of 32 maps.")

# %% [markdown]
# ### Exercise: `conv_1x1`
#
# No window, no stride, no padding: so no loop over pixels either.

# %% solution="conv_1x1"
def conv_1x1(x, w, b):
    """A convolution layer with filters of one pixel.

    Args:
        x: images (N, C, H, W).
        w: filters (F, C).
        b: biases (F,).

    Returns:
        (N, F, H, W), dtype of x.
    """
    ### BEGIN SOLUTION
    pixels = x.reshape(*x.shape[:2], -1)
    mixed = w @ pixels + b[:, None]
    return mixed.reshape(len(x), len(w), *x.shape[2:])
    ### END SOLUTION

# %% check="conv_1x1"
check("conv_1x1", conv_1x1)

# %% [markdown]
# ## 15 · Receptive field
#
# One value of the first layer sees a 3 × 3 patch. A value of the second layer sees a 3 × 3 patch of *those*.
# How much of the picture is that? The square of the picture that an output value depends on is its
# **receptive field**.
#
# **Predict.** Three layers of 3 × 3 at stride 1: how wide is the receptive field? How many weights does a 7 ×
# 7 filter have next to three 3 × 3 filters?
#
# <details><summary>Answer</summary>
#
# 7. The first layer sees 3, and each further layer adds one pixel on either side: 3, 5, 7. Three filters of 3
# × 3 have 27 weights where one of 7 × 7 has 49, with two non-linearities thrown in. These are the reasons
# that VGG's authors give for building it of 3 × 3 filters alone.
#
# </details>

# %% [markdown]
# We need not take the 7 on trust. Change one pixel of the input, send it through three layers, and look
# whether the value in the middle moves.

# %% tags=["demo"]
deep = rng.normal(size=(11, 11))
kernels = rng.normal(size=(3, 3, 3))


def three_layers(picture):
    for kernel in kernels:
        picture = slide(picture, kernel)
    return picture


middle = three_layers(deep)[2, 2]
seen = np.zeros((11, 11))
for i, j in np.ndindex(11, 11):
    poked = deep.copy()
    poked[i, j] += 1
    seen[i, j] = abs(three_layers(poked)[2, 2] - middle) > 1e-9
assert seen.any(axis=0).sum() == seen.any(axis=1).sum() == 7 and seen.sum() == 49
assert 3 * 3 * 3 == 27 and 7 * 7 == 49

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 9.6)
levels = {"input": 11, "layer 1": 9, "layer 2": 7, "layer 3": 5}
for level, (name, cells) in enumerate(levels.items()):
    y, left = 7.6 - 2.2 * level, 3 + level
    row = plot.grid(ax, np.full((1, cells), ""), (left, y))
    plot.text(ax, 1.6, y + 0.5, name)
    width = 7 - 2 * level
    plot.window(ax, row, 0, (cells - width) // 2, 1, width, plot.COLOURS[level], fill=0.35)
    if level:
        for side in (-1, 1):
            ends = [8.5 + side * width / 2, 8.5 + side * (width / 2 + 1)]
            ax.plot(ends, [y + 1, y + 2.2], color=plot.INK, lw=0.8, ls=":")
plot.grid(ax, seen, (16, 1.3), "poked pixels that move the output", numbers=False, limit=1.6, cell=0.68)
plot.show(fig, "Left: one value of layer 3 depends on 3 of layer 2, 5 of layer 1 and 7 of the input. Right: of 11 by 11 "
          "pixels, the 7 by 7 in the middle move the output when they are changed.")

# %% [markdown]
# Strides make it grow faster. After a layer of stride 2, neighbours in its output look at windows that are
# two input pixels apart, so whatever comes *next* counts double. Call the distance between neighbours, in
# input pixels, the **jump**:
#
# $$\text{field} \leftarrow \text{field} + (k - 1)\, d \cdot \text{jump}, \qquad \text{jump} \leftarrow \text{jump} \cdot s$$
#
# in this order, starting from a field of 1 and a jump of 1.
#
# **Predict.** A 3 × 3 layer with stride 2, then a 3 × 3 layer with stride 1. And the other way round?
#
# <details><summary>Answer</summary>
#
# 1 + 2 = 3, the jump becomes 2, 3 + 2 · 2 = 7. The other way round: 3, the jump stays 1, then 5; the stride
# of the last layer comes too late to matter. The order counts.
#
# </details>

# %%
stride_first = 1 + (3 - 1) * 1 + (3 - 1) * 2
stride_last = 1 + (3 - 1) * 1 + (3 - 1) * 1
assert (stride_first, stride_last) == (7, 5)

# %% [markdown]
# AlexNet starts with a filter of 11 at stride 4, and then keeps the largest value of each 3 × 3 window of the
# maps, two pixels apart (**pooling**, unit 06). For the receptive field that is a layer like any other.
#
# **Predict.** How much of the picture does one value see behind that pooling? If the first stride were 2, which of the
# fields further down would change?

# %% tags=["demo"]
widgets.StackTable("AlexNet")

# %% [markdown]
# <details><summary>Answer</summary>
#
# 19: eleven, and two more neighbours that lie four pixels apart. With a stride of 2 every field but the first would be
# smaller: a stride halves the jump of all that comes after it. Choose the first row of the table and try.
#
# </details>

# %%
assert 11 + (3 - 1) * 4 == 19

# %% [markdown]
# ### Exercise: `receptive_field`
#
# The two arrows, layer by layer. A layer given as a pair has dilation 1.

# %% solution="receptive_field"
def receptive_field(layers):
    """Side of the square of input pixels that one output value depends on, padding aside.

    Args:
        layers: ``(k, stride)`` or ``(k, stride, dilation)`` of each layer, from input to output.

    Returns:
        int; 1 for no layers.
    """
    ### BEGIN SOLUTION
    field, jump = 1, 1
    for k, stride, *rest in layers:
        dilation = rest[0] if rest else 1
        field += (k - 1) * dilation * jump
        jump *= stride
    return field
    ### END SOLUTION

# %% check="receptive_field"
check("receptive_field", receptive_field)

# %% [markdown]
# ## 16 · im2col: windows as columns
#
# Your loops are right, and slow: Python walks from window to window, and the arithmetic, which a processor
# does by the billion in a second, waits for it. What processors do best is to multiply large matrices. So the
# question is: can a convolution be *one* matrix product?
#
# A window is a dot product with the filter. Write every window as a column, side by side, and every filter as
# a row: then all the dot products are the product of two matrices. Writing the windows as columns is called
# **im2col**, image to columns.
#
# **Predict.** A picture of 4 × 4 with one channel, a filter of 2 × 2, stride 1. What shape has the matrix of
# columns? How many numbers does it hold, against the 16 of the picture?
#
# <details><summary>Answer</summary>
#
# A window has 4 pixels and there are 3 · 3 places: 4 × 9, 36 numbers for 16. Pixels under several windows are
# copied several times. That is the price: for 3 × 3 filters at stride 1 nearly nine times the memory.
#
# </details>

# %%
small = np.arange(16).reshape(4, 4)
windows = [small[i : i + 2, j : j + 2].ravel() for i in range(3) for j in range(3)]
columns = np.stack(windows, axis=1)
assert columns.shape == (4, 9) and columns.size == 36
assert columns[:, 4].tolist() == [5, 6, 9, 10]

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(18.5, 6.6)
picture = plot.grid(ax, small, (0.6, 1.4), "picture, 4 × 4", limit=0)
matrix = plot.grid(ax, columns, (8.4, 1.4), "columns, 4 × 9", limit=0)
for number, colour_ in ((0, plot.BLUE), (4, plot.VERMILION), (8, plot.GREEN)):
    i, j = divmod(number, 3)
    plot.window(ax, picture, i, j, 2, 2, colour_, fill=0.25)
    plot.window(ax, matrix, 0, number, 4, 1, colour_, fill=0.25)
    plot.text(ax, matrix.left + number + 0.5, matrix.bottom + 0.6, f"window {number}", size=9)
plot.show(fig, "A 4 by 4 picture and its nine 2 by 2 windows as the nine columns of a matrix; the window in the "
          "middle, with 5, 6, 9 and 10, is column 4.")

# %% [markdown]
# **Predict.** So much for the columns. What is in a *row*? Row 0 reads 0 1 2 4 5 6 8 9 10. Which row is 5 6 7
# 9 10 11 13 14 15, and why?
#
# <details><summary>Answer</summary>
#
# A row belongs to one weight and holds the pixels that this weight meets, window after window. The weight at
# the upper left meets the picture's upper left 3 × 3 block, row 0; the one at the lower right, row 3, meets
# the same block moved down and right by one. There are many columns and few rows, and each row is a slice of
# the picture.
#
# </details>

# %%
assert columns[0].tolist() == small[0:3, 0:3].ravel().tolist()
assert columns[3].tolist() == small[1:4, 1:4].ravel().tolist()

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(18.5, 5.8)
picture = plot.grid(ax, small, (0.6, 1.4), "picture", limit=0)
matrix = plot.grid(ax, columns, (8.4, 1.4), "rows: one for each weight", limit=0)
for row, colour_ in ((0, plot.BLUE), (3, plot.VERMILION)):
    i, j = divmod(row, 2)
    plot.window(ax, picture, i, j, 3, 3, colour_, fill=0.2)
    plot.window(ax, matrix, row, 0, 1, 9, colour_, fill=0.2)
    plot.text(ax, 6.4, matrix.top + row + 0.5, f"weight ({i}, {j})", size=9)
plot.show(fig, "The same matrix by rows: row 0, of the upper left weight, is the upper left 3 by 3 block of the picture, "
          "and row 3, of the lower right weight, is the lower right block.")

# %% [markdown]
# **Predict.** Under a 3 × 3 filter at stride 1, in how many columns does the pixel in the middle of a 5 × 5 picture
# stand? And the one in the corner? Count, then give the picture a second channel.

# %% tags=["demo"]
widgets.Im2colExplorer(n=5, k=3, at=4)

# %% [markdown]
# <details><summary>Answer</summary>
#
# In all nine, once with each weight; the corner in one. A second channel adds nine rows and not a single column.
#
# </details>

# %%
five = np.arange(25).reshape(5, 5)
patches = np.stack([five[i : i + 3, j : j + 3].ravel() for i in range(3) for j in range(3)], axis=1)
assert (patches == 12).sum() == 9 and (patches == 0).sum() == 1

# %% [markdown]
# With channels and a batch the order has to be agreed. Ours is that of the arrays themselves:
#
# - down the **rows**: channel, then kernel row, then kernel column, as in `w[f].ravel()`;
# - along the **columns**: image, then output row, then output column.
#
# ### Exercise: `im2col`
#
# This one has to be fast. Its check also calls it on 32 images of 32 channels and 40 × 48 pixels and counts the
# lines of Python that run: a loop over all windows still passes, a loop over single numbers does not. The rows
# of the matrix show a way with very few iterations: one slice for each weight, for all images and channels at
# once. With a stride, the slice takes steps.

# %% solution="im2col"
def im2col(x, kh, kw, stride=1, pad=0):
    """Each window of each image as a column of a matrix.

    Args:
        x: images (N, C, H, W).
        kh, kw: height and width of the window.
        stride, pad: ints.

    Returns:
        (C * kh * kw, N * OH * OW), dtype of x. Rows: channel, kernel row, kernel column.
        Columns: image, output row, output column.

    Raises:
        ValueError: no window fits.
    """
    ### BEGIN SOLUTION
    n, c, h, w = x.shape
    oh = (h + 2 * pad - kh) // stride + 1
    ow = (w + 2 * pad - kw) // stride + 1
    if min(oh, ow) < 1:
        raise ValueError(f"{kh} x {kw} does not fit into {h} x {w} with {pad=}")
    if pad:
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    # First what each column of the kernel meets, then of that what each row meets: the second, larger step
    # copies long stretches of memory, which is fast.
    strips = np.empty((c, kw, n, h + 2 * pad, ow), x.dtype)
    for j in range(kw):
        strips[:, j] = x[:, :, :, j : j + stride * ow : stride].swapaxes(0, 1)
    cols = np.empty((c, kh, kw, n, oh, ow), x.dtype)
    for i in range(kh):
        cols[:, i] = strips[:, :, :, i : i + stride * oh : stride]
    return cols.reshape(c * kh * kw, n * oh * ow)
    ### END SOLUTION

# %% check="im2col"
check("im2col", im2col)

# %% [markdown]
# ## 17 · The layer as one matrix product
#
# The filters become the rows of a matrix, `w.reshape(F, C * KH * KW)`, and
#
# $$\underbrace{W}_{F \,\times\, C K_h K_w}\;\underbrace{\text{im2col}(x)}_{C K_h K_w \,\times\, N H' W'} + b \;=\; \underbrace{Y}_{F \,\times\, N H' W'}$$
#
# with $H'$ and $W'$ for the height and width of the output.
#
# **Predict.** Row $f$ of $Y$ holds the maps of filter $f$ for all images. Is `Y.reshape(N, F, OH, OW)` the
# output of the layer?
#
# <details><summary>Answer</summary>
#
# No. `reshape` keeps the order of the numbers, and in `Y` the filter runs slowest and the image comes second.
# Reshape to `(F, N, OH, OW)` first, then swap the first two axes. With one image, or with one filter, both
# give the same, so a test with either does not find the mistake.
#
# </details>

# %%
# Two filters, three images, an output of 1 x 2: each entry says where it came from.
Y = np.array([
    ["filter 0, image 0", "", "filter 0, image 1", "", "filter 0, image 2", ""],
    ["filter 1, image 0", "", "filter 1, image 1", "", "filter 1, image 2", ""],
])
wrong = Y.reshape(3, 2, 1, 2)
right = Y.reshape(2, 3, 1, 2).swapaxes(0, 1)
assert wrong.shape == right.shape == (3, 2, 1, 2)
assert wrong[0, 1, 0, 0] == "filter 0, image 1"  # where image 0, filter 1 should be
assert right[0, 1, 0, 0] == "filter 1, image 0"

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 6.8)
rows_as_filters = plot.grid(ax, np.full((2, 4), ""), (0.7, 2.4), "W: 2 filters")
plot.window(ax, rows_as_filters, 1, 0, 1, 4, plot.VERMILION, fill=0.3)
plot.text(ax, 5.4, 3.4, "×", size=16)
as_columns = plot.grid(ax, np.full((4, 9), ""), (6.2, 1.4), "im2col(x): 9 windows")
plot.window(ax, as_columns, 0, 4, 4, 1, plot.BLUE, fill=0.3)
plot.text(ax, 15.9, 3.4, "=", size=16)
product = plot.grid(ax, np.full((2, 9), ""), (16.6, 2.4), "Y: 2 maps of 3 × 3, still flat")
plot.window(ax, product, 1, 4, 1, 1, plot.PURPLE, fill=0.6)
plot.arrow(ax, (product.left + 4.5, 5.5), (product.left + 4.5, 4.6))
plot.text(ax, product.x, 6.1, "filter 1 on window 4: row times column", size=9)
plot.show(fig, "A matrix of two filters as rows times a matrix of nine windows as columns gives two rows of nine "
          "values; row 1 times column 4 is the value of filter 1 on window 4.")

# %% [markdown]
# ### Exercise: `conv_forward`
#
# One matrix product, fast like `im2col`. You may build on your own `im2col`. If it does not pass yet, begin
# the function with `from cnnkit.oracle import im2col`: it takes the same arguments.

# %% solution="conv_forward"
def conv_forward(x, w, b, stride=1, pad=0):
    """A convolution layer (by cross-correlation) as one matrix product.

    Args:
        x: images (N, C, H, W).
        w: filters (F, C, KH, KW).
        b: biases (F,).
        stride, pad: ints.

    Returns:
        (N, F, OH, OW), dtype of x.

    Raises:
        ValueError: no window fits.
    """
    ### BEGIN SOLUTION
    f, _, kh, kw = w.shape
    oh = conv_output_size(x.shape[2], kh, stride, pad)
    ow = conv_output_size(x.shape[3], kw, stride, pad)
    y = np.empty((len(x), f, oh, ow), x.dtype)
    # As many images at a time as have half a million numbers in their columns: the cache holds these.
    few = max(1, 2**19 // (w[0].size * oh * ow))
    for n in range(0, len(x), few):
        flat = w.reshape(f, -1) @ im2col(x[n : n + few], kh, kw, stride, pad)
        flat += b[:, None]
        y[n : n + few] = flat.reshape(f, -1, oh, ow).swapaxes(0, 1)
    return y
    ### END SOLUTION

# %% check="conv_forward"
check("conv_forward", conv_forward)

# %% [markdown]
# ## 18 · The race
#
# Four runners, the same layer: eight 3 × 3 filters over 8 channels, one image, from 8 × 8 pixels upwards.
#
# - **element loops**: seven loops, one multiplication at a time;
# - **window loops**: your `conv_forward_naive`;
# - **im2col**: your `conv_forward`;
# - **torch**: `torch.nn.functional.conv2d` on one core of this computer, and on its GPU if it has one.
#
# **Predict.** By what factor is im2col faster than the element loops on 64 × 64 pixels: 10, 100, 1000? Does
# torch win at every size?

# %% tags=["demo"]
import time

import torch
from IPython.display import clear_output

from cnnkit import device
from cnnkit.bars import tqdm


def element_loops(x, w, b, stride=1, pad=0):
    """The formula of section 12 without any help from NumPy's arithmetic."""
    x, w, b = zero_pad(x, pad).tolist(), w.tolist(), b.tolist()
    height, width, kh, kw = len(x[0][0]), len(x[0][0][0]), len(w[0][0]), len(w[0][0][0])
    return [[[[b[f] + sum(w[f][c][u][v] * image[c][i * stride + u][j * stride + v]
                          for c in range(len(w[0])) for u in range(kh) for v in range(kw))
               for j in range((width - kw) // stride + 1)]
              for i in range((height - kh) // stride + 1)]
             for f in range(len(w))]
            for image in x]


def torch_conv(x, w, b, stride=1, pad=0):
    """PyTorch's own; a GPU works on its own time, so wait until it is done."""
    y = torch.nn.functional.conv2d(x, w, b, stride, pad)
    if y.is_cuda:
        torch.cuda.synchronize()
    return y


runners = {
    "element loops": element_loops,
    "window loops": conv_forward_naive,
    "im2col": conv_forward,
    "torch, CPU": torch_conv,
}
if device().type == "cuda":
    runners["torch, GPU"] = torch_conv


def seconds(run, arguments, budget=0.03):
    """The best of as many calls as fit into the budget, and of one at least."""
    best, start = np.inf, time.perf_counter()
    while (begin := time.perf_counter()) < start + budget or best == np.inf:
        run(*arguments, pad=1)
        best = min(best, time.perf_counter() - begin)
    return best


def too_slow(name, side):
    """Whether the next size, with four times the pixels, would take over a second."""
    return side > 64 and times.get((name, side // 2), np.inf) > 0.3


pixels, rounds = (8, 16, 32, 64, 128, 256), 5
times = {}
cores = torch.get_num_threads()
torch.set_num_threads(1)  # loops cannot use more, either
# Several rounds, of which the best counts: now and then a computer is busy elsewhere.
starts = [(lap, side) for lap in range(rounds) for side in pixels]
for lap, side in tqdm(starts, desc="racing", leave=False):
    shapes = (1, 8, side, side), (8, 8, 3, 3), (8,)
    arrays = [rng.normal(size=shape).astype("float32") for shape in shapes]
    for name, run in runners.items():
        best = times.get((name, side), np.inf)
        if too_slow(name, side) or (lap and best > 0.05):
            continue
        arguments = arrays
        if run is torch_conv:
            on = "cpu" if name == "torch, CPU" else device()
            arguments = [torch.from_numpy(a).to(on) for a in arrays]
        times[name, side] = min(best, seconds(run, arguments))
torch.set_num_threads(cores)
clear_output()  # of the progress bar

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.2, 4.4)
for number, name in enumerate(runners):
    sides_run = [side for side in pixels if (name, side) in times]
    spent = [times[name, side] for side in sides_run]
    ax.loglog(sides_run, spent, marker="osD^v"[number], color=plot.COLOURS[number], lw=2)
    end = {"xytext": (9, 0), "ha": "left"} if len(spent) == len(pixels) else {"xytext": (-4, 9), "ha": "right"}
    ax.annotate(name, (sides_run[-1], spent[-1]), textcoords="offset points", va="center", size=10, **end)
ax.set_xticks(pixels, [f"{side} × {side}" for side in pixels])
ax.set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1], ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"])
ax.minorticks_off()
ax.set(xlim=(7, 600), ylim=(None, 3 * max(times.values())), xlabel="pixels", ylabel="time for one image")
ax.grid(axis="y", color="#888888", alpha=0.3)
at_64 = {name: times[name, 64] for name in runners}
plot.show(fig, "Time against picture size, both on logarithmic scales. On 64 by 64 pixels: "
          + ", ".join(f"{name} {1000 * t:.2g} ms" for name, t in at_64.items()))

for name, t in at_64.items():
    print(f"64 × 64, {name:14}{1000 * t:10.3f} ms    {at_64['element loops'] / t:8.0f} times as fast as element loops")

# %% tags=["demo", "hide-input"]
print("time of im2col for one of torch on the CPU:")
print("    ".join(f"{side} × {side}: {times['im2col', side] / times['torch, CPU', side]:.1f}" for side in pixels))

# %% [markdown]
# <details><summary>Answer</summary>
#
# The printed factors are those of your computer and your `conv_forward`; with ours and on our computers im2col beats
# the element loops by more than 1000. Torch won at every size, and by most at the two ends. On tiny pictures it
# gets by with fewer steps. On large ones it has no matrix of columns, nine times the size of the picture, that must
# go out to memory and come back. In between the two were close.
#
# </details>
#
# Towards the right all lines rise together: everybody does the same multiplications, four times as many for
# twice the side. What sets them apart is what they pay besides. Python charges for every step, whatever the
# step does. The element loops take a step for every product, the window loops a few for every window and
# filter, the matrix product a handful for the whole layer. That is why it lies so far below, and flat on the
# left, where the picture is so small that even a handful of steps outweighs the work. A GPU, if yours took
# part, shows the same thing on another scale: to send it work costs more than this little layer is worth, and
# it comes into its own with large pictures and many channels.
#
# A jump in a line means that the computer was busy with something else: run the cell again.
#
# `im2col` is not the end of the story. It copies every pixel up to nine times, and the libraries have ways
# round that. But the matrix product is still what is at the heart of them, and in unit 05 you will see that
# the way back through the layer is made of two more.

# %% [markdown]
# ## What to keep
#
# - A convolution layer is a dot product of a filter with every window; the same weights everywhere, and
#   nothing from further away.
# - A filter is as deep as its input. As many filters, so many maps.
# - Sizes: $\lfloor (n + 2p - d(k-1) - 1)/s \rfloor + 1$. Parameters: $F(CK^2/g + 1)$. The first does not know
#   about the filters, the second not about the picture.
# - A rest that no window sees is dropped without a word: padding first, then pixels. `conv_fits` tells.
# - Libraries correlate. Whoever writes a filter by hand should know.
# - Windows as columns turn the layer into one matrix product.
#
# ### Where the facts come from
#
# - **Deck a**: *Learning for vision III: Convolutional networks*, Karel Zimmermann, Czech Technical
#   University in Prague.
# - **Deck b**: *Convolutional neural networks*; its slides name neither author nor university.
# - **Deck c**: *Lecture 5: Convolutional Neural Networks*, from CS231n of Stanford University.
# - **Deck d**: *Robot Vision (CAP 4453), 18: Convolutional Neural Networks I*, Gonzalo Vaca-Castaño,
#   University of Central Florida.
# - **Deck e**: *Deep Learning, Lecture 4: Convolutional Neural Networks 1*, Joakim Lindblad, Uppsala
#   University.
# - The documentation of
#   [`torch.nn.Conv2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html):
#   cross-correlation, groups, rounding down.
# - Dumoulin and Visin, [*A guide to convolution arithmetic for deep
#   learning*](https://arxiv.org/abs/1603.07285), 2016: sections 7 to 10.
# - Yu and Koltun, [*Multi-scale context aggregation by dilated
#   convolutions*](https://arxiv.org/abs/1511.07122), 2016: section 9.
# - Lin, Chen and Yan, [*Network in network*](https://arxiv.org/abs/1312.4400), 2014: 1 × 1 filters.
# - Simonyan and Zisserman, [*Very deep convolutional networks*](https://arxiv.org/abs/1409.1556), 2015: three
#   3 × 3 for one 7 × 7.
# - Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional neural networks*, 2012:
#   groups.
# - Chellapilla, Puri and Simard, *High performance convolutional neural networks for document processing*,
#   2006: convolution as a matrix product.
