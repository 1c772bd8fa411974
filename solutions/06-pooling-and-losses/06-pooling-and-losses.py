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
# # Unit 06 · Pooling, non-linearities and losses
#
# A convolution layer can only multiply and add. Three small things turn a pile of such layers into a network
# that learns: a layer that sums up a neighbourhood in one number, a bend between one layer and the next, and
# at the end a single number that says how wrong the answer was.
#
# None of them has weights worth counting. What they do have is a say in the way back: who hears of an error,
# how loudly, and who never does. So each comes in two halves here, forward and backward.
#
# **After this unit you can**
#
# - pool a map by hand and send a gradient back through it, with windows that overlap and values that tie;
# - draw each common non-linearity with its derivative, and say where its gradient dies;
# - turn scores into probabilities, and into a softmax, an SVM or a multi-label loss with its gradient;
# - write all of this so that a score of 10 000 does no harm.
#
# | | |
# |:--|:--|
# | **Time** | about 200 minutes: 90 to read and predict, 110 for eighteen exercises, most of two or three lines. Sections 6 and 11 are good places to break off. |
# | **You need** | windows and strides (unit 03) and the chain rule on one gate (unit 04), but none of their exercises. |
# | **Layout** | images `x: (N, C, H, W)`, scores `(N, C)` with a row for each example. `dout` is the gradient of the loss with respect to what a layer put out. |
#
# Decide on an answer to each **Predict** before you unfold ours; the cell that follows computes it. Cells
# that only draw are folded away; run them like any other.

# %%
import numpy as np

from cnnkit import check

rng = np.random.default_rng(6)

# %% tags=["demo"]
from cnnkit import plot, widgets

# %% [markdown]
# ## 1 · Max pooling
#
# Far inside a network a map says *where* something was found. Often it is enough to know roughly where. A
# **pooling** layer moves a window over each map, as a convolution does, and keeps one number per window.
# **Max pooling** keeps the largest:
#
# $$y_{ij} = \max_{0 \le u, v < k}\; x_{s i + u,\; s j + v}$$
#
# with $k$ for the size of the window and $s$ for its stride.
#
# **Predict.** This is CS231n's example, which deck c shows: 4 × 4, windows of 2 × 2, stride 2. What comes
# out?

# %%
x = np.array([[1, 1, 2, 4],
              [5, 6, 7, 8],
              [3, 2, 1, 0],
              [1, 2, 3, 4]])

# %% [markdown]
# <details><summary>Answer</summary>
#
# The rows are 6, 8 and 3, 4, as deck c prints them. Four windows, four numbers, and twelve numbers gone.
#
# </details>

# %%
pooled = np.array([[x[0:2, 0:2].max(), x[0:2, 2:4].max()],
                   [x[2:4, 0:2].max(), x[2:4, 2:4].max()]])
assert pooled.tolist() == [[6, 8], [3, 4]]

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(15, 6)
picture = plot.grid(ax, x, (0.6, 1.4), "map x", limit=0)
out = plot.grid(ax, pooled, (11.6, 2.4), "pooled", limit=0)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    plot.window(ax, picture, 2 * i, 2 * j, 2, 2, plot.COLOURS[number], fill=0.2)
    plot.window(ax, out, i, j, 1, 1, plot.COLOURS[number], fill=0.2)
plot.arrow(ax, (5.2, 3.4), (11, 3.4))
plot.text(ax, 8.1, 2.7, "the largest of each", size=9)
plot.show(fig, "A 4 by 4 map in four windows of 2 by 2, and the largest value of each: 6, 8, 3 and 4.")

# %% [markdown]
# Every map is pooled by itself, so as many maps come out as went in. The output size is that of unit 03
# without padding, rounded down: $\lfloor (n - k)/s \rfloor + 1$. Nothing makes the stride equal the size:
#
# - $s < k$: the windows **overlap**. Size 3 with stride 2 is common; AlexNet pools 55 → 27, 27 → 13, 13 → 6
#   with it.
# - A rest at the end, or a **gap** where $s > k$, is seen by no window.

# %%
sides = [55, 27, 13]
assert [(n - 3) // 2 + 1 for n in sides] == [27, 13, 6]  # deck d: AlexNet's pools

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 4.9)
for number, (size, stride, side) in enumerate(((2, 2, 7), (3, 2, 7), (2, 3, 7))):
    left = 0.8 + 8.7 * number
    row = plot.grid(ax, np.array([[str(i) for i in range(side)]]), (left, 1.2), f"size {size}, stride {stride}")
    starts = range(0, side - size + 1, stride)
    for place, start in enumerate(starts):
        height = 2.7 + 0.55 * (place % 2 if size > stride else 0)
        colour_ = plot.COLOURS[place]
        ax.plot([left + start + 0.1, left + start + size - 0.1], [height] * 2, color=colour_, lw=5)
    unseen = [i for i in range(side) if not any(start <= i < start + size for start in starts)]
    for i in unseen:
        plot.window(ax, row, 0, i, 1, 1, plot.INK)
    remark = ("the last is never seen", "neighbours share a cell", "three are never seen")[number]
    plot.text(ax, row.x, 4.4, remark, size=9)
plot.show(fig, "Seven cells. Size 2, stride 2: three windows, the last cell unseen. Size 3, stride 2: three windows that "
          "share cells. Size 2, stride 3: two windows, and cells 2, 5 and 6 unseen.")

# %% [markdown]
# **Spot the error.** Decks b and c have the same summary of the pooling layer. Deck b says that it "requires
# two hyperparameters", deck c that it "requires three". Both then list the spatial extent $F$ and the stride
# $S$. Who is right? Where might the third have come from?
#
# <details><summary>Answer</summary>
#
# Two. The slide has the form of the one on convolution, which lists four: filters, extent, stride, padding.
# Of these a pooling layer has no filters, and the slide's own last line says that padding is not common. It
# counts what it does not list.
#
# </details>
#
# **Spot another.** Deck d pools blocks of $P \times P$ with a stride $D$ between them, and writes
#
# $$U(i, j) = \max_{\substack{k \,\in\, \{(i-1)D + 1,\, \dots,\, iD\} \\ l \,\in\, \{(j-1)D + 1,\, \dots,\, jD\}}} Y(k, l)$$
#
# (counting from 1). What does the formula compute where $P = 3$ and $D = 2$?
#
# <details><summary>Answer</summary>
#
# $P$ does not occur in it. From $(i-1)D + 1$ to $iD$ there are $D$ rows, so it takes blocks of 2 × 2, side by
# side, whatever $P$ is. The windows should end at $(i-1)D + P$. Where $P = D$, the usual case, nobody notices.
#
# </details>

# %%
P, D = 3, 2
for i in (1, 2, 3):
    rows_of_the_formula = list(range((i - 1) * D + 1, i * D + 1))
    rows_meant = list(range((i - 1) * D + 1, (i - 1) * D + P + 1))
    assert len(rows_of_the_formula) == D and len(rows_meant) == P

# %% [markdown]
# ### Exercise: `max_pool_forward`
#
# Images and channels go along for free. Take care of one thing: after a ReLU no value is negative, and a
# mistake can hide there. The check looks at maps that are negative all over.

# %% solution="max_pool_forward"
def max_pool_forward(x, size, stride):
    """The largest value of each window.

    Args:
        x: images (N, C, H, W).
        size: side of the square window.
        stride: step between windows, the same for height and width.

    Returns:
        (N, C, OH, OW), dtype of x; rows and columns that fill no window are dropped.

    Raises:
        ValueError: no window fits.
    """
    ### BEGIN SOLUTION
    n, c, h, w = x.shape
    if size > min(h, w):
        raise ValueError(f"a window of {size} x {size} does not fit into {h} x {w}")
    oh, ow = (h - size) // stride + 1, (w - size) // stride + 1
    out = np.empty((n, c, oh, ow), x.dtype)
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride, j * stride
            out[:, :, i, j] = x[:, :, top : top + size, left : left + size].max(axis=(2, 3))
    return out
    ### END SOLUTION

# %% check="max_pool_forward"
check("max_pool_forward", max_pool_forward)

# %% [markdown]
# ## 2 · What pooling buys
#
# A complex cell (unit 01) does not mind where in its field the bar is. Pooling is its model: if the feature
# moves a little, the largest value of the window often stays the same.
#
# Take the photograph of the course, find its vertical edges, and do it again with the camera moved by one
# pixel.
#
# **Predict.** The map of edges changes when everything moves by a pixel. By how many per cent? And the same
# map, pooled in windows of 8 × 8? (Measure the change from a map $a$ to a map $b$ by the size of their
# difference, $\lVert a - b \rVert$, in per cent of $\lVert a \rVert$.)
#
# <details><summary>Answer</summary>
#
# Edges are thin, so the map changes by nearly all it has: 99 % of its size. Pooled by 8, it changes by 23 %,
# and four of five numbers stay exactly as they were. The price is that position is lost to within 8 pixels,
# along with 63 of 64 numbers.
#
# </details>

# %% tags=["demo"]
from cnnkit import data, oracle

photo = data.photo()


def edge_map(picture):
    """How much each pixel differs from its right neighbour: (1, 1, H, W - 1)."""
    return np.abs(np.diff(picture))[None, None]


here, moved = edge_map(photo[:, :-1]), edge_map(photo[:, 1:])
changes, stayed = {}, {}
for size in (1, 2, 4, 8):
    a, b = oracle.max_pool(here, size), oracle.max_pool(moved, size)
    changes[size] = np.linalg.norm(a - b) / np.linalg.norm(a)
    stayed[size] = (a == b).mean()
    changed, same = f"{changes[size]:.0%}", f"{stayed[size]:.0%}"
    print(f"windows of {size}: changed by {changed}, the same: {same}")
assert round(changes[1], 2) == 0.99 and round(changes[8], 2) == 0.23
assert 0.75 < stayed[8] < 0.85

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 4.5, columns=3, rows=2)
crop = np.s_[40:104, 96:160]
for row, (name, edges_) in enumerate((("camera here", here), ("one pixel on", moved))):
    for column, size in enumerate((1, 4, 8)):
        part = oracle.max_pool(edges_[:, :, *crop], size)[0, 0]
        plot.image(axes[row, column], part, "" if row else ("edges", "pooled by 4", "pooled by 8")[column], limit=0.8)
    axes[row, 0].set_ylabel(name)
plot.show(fig, "A part of the photograph's edge map and its pooled versions, before and after a shift by one pixel. The "
          "edges move; the pooled maps look nearly the same.")

# %% [markdown]
# ## 3 · Mean pooling
#
# Deck d names the alternative: take the **mean** of each window.
#
# $$y_{ij} = \frac{1}{k^2} \sum_{u}\sum_{v} x_{s i + u,\; s j + v}$$
#
# **Predict.** What does it make of the 4 × 4 map of section 1? And of a thin bright line on dark ground, one
# pixel wide, under windows of 4 × 4: what is left of it under the mean, what under the maximum? And of a dark
# line on bright ground?
#
# <details><summary>Answer</summary>
#
# The rows are 3.25, 5.25 and 2, 2. A bright line keeps its full height under the maximum and a quarter of it
# under the mean. A dark line is gone under the maximum; under the mean three quarters of the brightness
# remain. Max pooling asks whether something is there, mean pooling how much of it.
#
# </details>

# %%
means = np.array([[x[0:2, 0:2].mean(), x[0:2, 2:4].mean()],
                  [x[2:4, 0:2].mean(), x[2:4, 2:4].mean()]])
assert means.tolist() == [[3.25, 5.25], [2, 2]]

bright_line = np.zeros((4, 4))
bright_line[:, 1] = 1
assert (bright_line.max(), bright_line.mean()) == (1, 0.25)
assert ((1 - bright_line).max(), (1 - bright_line).mean()) == (1, 0.75)

# %% tags=["demo", "hide-input"]
drawing = np.zeros((24, 24))
drawing[12:] = 1
drawing[1:11, 5] = drawing[5, 2:22] = 1
drawing[13:23, 14] = drawing[18, 2:22] = 0
fig, axes = plot.figure(8.6, 3.3, columns=3)
plot.image(axes[0], drawing, "picture, 24 × 24", gray=True)
plot.image(axes[1], oracle.max_pool(drawing[None, None], 4)[0, 0], "max pooling by 4", gray=True)
plot.image(axes[2], oracle.avg_pool(drawing[None, None], 4)[0, 0], "mean pooling by 4", gray=True)
plot.show(fig, "Bright lines on dark ground above, dark lines on bright ground below. Max pooling keeps the bright lines "
          "and swallows the dark ones; mean pooling keeps both, faintly.")

# %% [markdown]
# The mean is a convolution with equal weights on each channel by itself, so it is linear; the maximum is not.
#
# **Global** mean pooling is the case of one window as large as the map: a number per map. Deck d credits it
# with GoogLeNet's small size. There 1024 maps of 7 × 7 come before the 1000 classes. How many parameters does
# it save the last layer?

# %%
flattened = 1000 * (1024 * 7 * 7 + 1)
after_pooling = 1000 * (1024 + 1)
saved = flattened - after_pooling
print(f"fully connected to all values: {flattened:,}; to the means: {after_pooling:,}")
print(f"saved: {saved:,}, or {saved / flattened:.0%}")
assert (flattened, after_pooling, saved) == (50_177_000, 1_025_000, 49_152_000)

a, b = np.array([4, 0]), np.array([0, 2])
assert (a + b).mean() == a.mean() + b.mean() == 3
assert ((a + b).max(), a.max() + b.max()) == (4, 6)

# %% [markdown]
# ### Exercise: `avg_pool_forward`

# %% solution="avg_pool_forward"
def avg_pool_forward(x, size, stride):
    """The mean of each window.

    Args:
        x: images (N, C, H, W).
        size: side of the square window.
        stride: step between windows, the same for height and width.

    Returns:
        (N, C, OH, OW), dtype of x; rows and columns that fill no window are dropped.

    Raises:
        ValueError: no window fits.
    """
    ### BEGIN SOLUTION
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return windows[:, :, ::stride, ::stride].mean(axis=(4, 5))
    ### END SOLUTION

# %% check="avg_pool_forward"
check("avg_pool_forward", avg_pool_forward)

# %% [markdown]
# ## 4 · Back through the mean
#
# On the way back each output comes with a number, `dout`: how the loss moves when this output moves. The
# layer has to say the same of each of its inputs.
#
# In the mean of four values each value has the weight 1/4. So each gets a quarter of what arrives.
#
# **Predict.** Windows of 2 × 2, stride 2, and `dout` with the rows 4, 8 and −4, 12. What is the gradient of
# the 4 × 4 input? Then windows of 3 × 3 with stride 1 and a `dout` of four nines: what does the corner get,
# what the middle?
#
# <details><summary>Answer</summary>
#
# Four blocks of 1, 2, −1 and 3. With overlaps, a corner lies in one window and gets 9/9 = 1; a pixel in the
# middle lies in all four windows and gets 1 from each. It works on the loss along four paths, and paths add
# up: 4.
#
# </details>

# %%
side_by_side = np.zeros((4, 4))
for (i, j), d in np.ndenumerate([[4, 8], [-4, 12]]):
    side_by_side[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += d / 4
assert side_by_side[[0, 3]].tolist() == [[1, 1, 2, 2], [-1, -1, 3, 3]]

overlapping = np.zeros((4, 4))
for i, j in np.ndindex(2, 2):
    overlapping[i : i + 3, j : j + 3] += 9 / 9
assert overlapping.tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 6.2)
up = plot.grid(ax, np.array([[4, 8], [-4, 12]]), (0.7, 2.4), "dout", limit=0)
dx = plot.grid(ax, side_by_side, (6.5, 1.4), "gradient of the input", limit=8)
plot.arrow(ax, (3.1, 3.4), (6, 3.4))
plot.text(ax, 4.5, 2.7, "a quarter", size=9)
up_2 = plot.grid(ax, np.full((2, 2), 9), (14.2, 2.4), "dout", limit=0)
dx_2 = plot.grid(ax, overlapping, (20.5, 1.4), "gradient of the input", limit=8)
plot.arrow(ax, (16.6, 3.4), (20, 3.4))
plot.text(ax, 18.2, 2.7, "a ninth, added", size=9)
for number, (i, j) in enumerate(np.ndindex(2, 2)):
    colour_ = plot.COLOURS[number]
    plot.window(ax, up, i, j, 1, 1, colour_, fill=0.25)
    plot.window(ax, dx, 2 * i, 2 * j, 2, 2, colour_)
    plot.window(ax, up_2, i, j, 1, 1, colour_, fill=0.25)
    shift = 0.07 * (number - 1.5)
    plot.window(ax, plot.Box(dx_2.left + shift, dx_2.top + shift, 4, 4), i, j, 3, 3, colour_)
plot.show(fig, "Left: each number of dout is spread over its 2 by 2 block as quarters. Right: 3 by 3 windows overlap; "
          "their ninths add up to 1 in the corners, 2 along the edges and 4 in the middle.")

# %% [markdown]
# ### Exercise: `avg_pool_backward`
#
# The values of the input play no part, only its shape: what no window saw is there, too, and gets 0.

# %% solution="avg_pool_backward"
def avg_pool_backward(dout, x_shape, size, stride):
    """Gradient of mean pooling with respect to its input.

    Args:
        dout: upstream gradient (N, C, OH, OW).
        x_shape: shape of the input, (N, C, H, W).
        size, stride: as for ``avg_pool_forward``.

    Returns:
        Array of x_shape, dtype of dout.
    """
    ### BEGIN SOLUTION
    dx = np.zeros(x_shape, dout.dtype)
    share = dout / size**2
    for i, j in np.ndindex(dout.shape[2:]):
        rows = slice(i * stride, i * stride + size)
        columns = slice(j * stride, j * stride + size)
        dx[:, :, rows, columns] += share[:, :, i : i + 1, j : j + 1]
    return dx
    ### END SOLUTION

# %% check="avg_pool_backward"
check("avg_pool_backward", avg_pool_backward)

# %% [markdown]
# ## 5 · Back through the maximum
#
# Deck b puts it in one line: the "upstream gradient is passed back only to the unit with max value". You can
# find it out by nudging. In the first window of section 1 stand 1, 1, 5 and 6. Add a thousandth to the 6, and
# the output grows by a thousandth. Add it to the 5, and nothing happens.
#
# **Predict.** With the map of section 1 and `dout` with the rows 1, −2 and 3, 4, where do these four numbers
# end up? Then the same map under windows of 3 × 3 at stride 1, with a `dout` of ones: which pixels get
# something?
#
# <details><summary>Answer</summary>
#
# At the places of 6, 8, 3 and 4. Everything else gets zero: twelve of sixteen pixels hear nothing at all.
# With the overlapping windows only two pixels get anything: the 7 is the largest of both windows on the left,
# the 8 of both on the right, so each gets 1 + 1 = 2.
#
# </details>

# %%
nudged = x.astype(float)
nudged[1, 1] += 0.001
assert np.isclose(nudged[0:2, 0:2].max() - 6, 0.001)
nudged = x.astype(float)
nudged[1, 0] += 0.001
assert nudged[0:2, 0:2].max() == 6

dout = np.array([[1, -2], [3, 4]])
routed = np.zeros((4, 4), int)
for place, d in zip([(1, 1), (1, 3), (2, 0), (3, 3)], dout.flat, strict=True):
    assert x[place] in (6, 8, 3, 4)
    routed[place] = d

twice = np.zeros((4, 4), int)
for i, j in np.ndindex(2, 2):
    place = (1, 2) if j == 0 else (1, 3)
    assert x[place] == x[i : i + 3, j : j + 3].max()
    twice[place] += 1
assert twice[1].tolist() == [0, 0, 2, 2] and twice.sum() == 4

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(25, 11.6)
for top, size, d, gradient in ((1.4, 2, dout, routed), (6.9, 3, np.ones((2, 2), int), twice)):
    stride = 2 if size == 2 else 1
    plot.text(ax, 1.6, top + 2, f"{size} × {size},\nstride {stride}", size=9)
    forward = plot.grid(ax, x, (3.6, top), "map x" if size == 2 else "", limit=0)
    up = plot.grid(ax, d, (11, top + 1), "dout" if size == 2 else "", limit=0)
    back = plot.grid(ax, gradient, (19.8, top), "gradient of x" if size == 2 else "", limit=0)
    plot.arrow(ax, (13.6, top + 2), (19.2, top + 2))
    plot.text(ax, 16.4, top + 1.3, "to the place of the largest" + ",\nadded" * (size == 3), size=9)
    for number, (i, j) in enumerate(np.ndindex(2, 2)):
        colour_, shift = plot.COLOURS[number], 0.07 * (number - 1.5) * (size == 3)
        at = plot.Box(forward.left + shift, forward.top + shift, 4, 4)
        plot.window(ax, at, stride * i, stride * j, size, size, colour_)
        plot.window(ax, up, i, j, 1, 1, colour_, fill=0.25)
        seen = x[stride * i : stride * i + size, stride * j : stride * j + size]
        row, column = np.argwhere(seen == seen.max())[0] + (stride * i, stride * j)
        inset = 0.13 * i * (size == 3)  # the second of two frames lies inside the first
        inner = plot.Box(back.left + column + inset, back.top + row + inset, 1, 1, 1 - 2 * inset)
        plot.window(ax, inner, 0, 0, 1, 1, colour_, fill=0.12)
plot.show(fig, "Above: the four numbers of dout stand at the places of 6, 8, 3 and 4. Below, with overlapping windows: two "
          "ones meet at the place of the 7 and two at that of the 8, and add up to 2.")

# %% [markdown]
# The layer has to remember from the way forward which place won, as deck d remarks; or it looks again, since
# it is given `x`. Nothing gets lost: what arrives in `dout` is all handed on, to fewer places.
#
# ## 6 · Ties
#
# After a ReLU whole windows are zero. Four values, all of them the largest: who gets the gradient?
#
# **Predict.** Ask the numerical gradient: move one of the four zeros up and down by $h$, and divide the
# difference of the maxima by $2h$. What does it give for each of them, and what do the four add up to?
#
# <details><summary>Answer</summary>
#
# Up: the maximum is $h$. Down: it is still 0. So $(h - 0)/2h = 1/2$ for each of the four, 2 in all, although
# the output can only pass on 1. At a tie the maximum has a kink, and there central differences answer a
# question that nobody asked.
#
# </details>

# %%
def maximum_moves(values, place, h=1e-5):
    """Central difference of the maximum with respect to one of the values."""
    up, down = values.copy(), values.copy()
    up[place] += h
    down[place] -= h
    return (up.max() - down.max()) / (2 * h)


tied = np.zeros(4)
numerical = [maximum_moves(tied, place) for place in range(4)]
assert np.allclose(numerical, 0.5) and np.isclose(sum(numerical), 2)

maps = np.maximum(rng.normal(size=(100, 64, 64)), 0)
blocks = maps.reshape(100, 32, 2, 32, 2)
all_zero = (blocks == 0).all(axis=(2, 4)).mean()
assert abs(all_zero - 1 / 16) < 0.002  # of random maps after a ReLU

# %% [markdown]
# Three rules come to mind:
#
# - **each** of the tied places gets all of it: then more goes back than arrived, and the step is too long;
# - they **share** it evenly: a fair answer, and `torch.amax` does it;
# - the **first** in row-major order gets it all: `torch.nn.functional.max_pool2d` does it, and `np.argmax`
#   finds it.
#
# The last two both send back exactly what arrived. Which of them hardly matters, as long as everybody means
# the same: this course takes the first.

# %% tags=["demo", "hide-input"]
import torch

leaf = torch.tensor([0.0, 2, 2, 1], requires_grad=True)
leaf.amax().backward()
assert leaf.grad.tolist() == [0, 0.5, 0.5, 0]
window = np.array([[[[0.0, 2], [2, 1]]]])
assert oracle.max_pool_backward(np.ones((1, 1, 1, 1)), window, 2).tolist() == [[[[0, 1], [0, 0]]]]

fig, ax = plot.canvas(26, 5.8)
example = np.array([[0, 2], [2, 1]])
rules = {
    "window": example,
    "each: 2 from 1": np.array([[0, 1], [1, 0]]),
    "shared": np.array([["0", "½"], ["½", "0"]]),
    "the first": np.array([[0, 1], [0, 0]]),
}
for number, (name, gradient) in enumerate(rules.items()):
    box = plot.grid(ax, gradient, (2 + 6.6 * number, 1.6), name, limit=0, cell=1.4)
    marked = [(0, 1), (1, 0)] if number < 3 else [(0, 1)]
    for row, column in marked:
        plot.window(ax, box, row, column, 1, 1, plot.BLUE if number == 0 else plot.VERMILION, fill=0.2)
    remark = ("two places tie", "wrong", "right, not ours", "ours")[number]
    plot.text(ax, box.x, 5.2, remark, size=9)
plot.show(fig, "A window in which 2 stands twice, and where a gradient of 1 goes under three rules: 1 to each, which makes "
          "2 of 1; a half to each; all of it to the first.")

# %% [markdown]
# **Predict.** Here windows of 2 × 2 overlap, at stride 1, and there are ties. Which place gets the most, and what does
# the whole gradient add up to?

# %% tags=["demo"]
widgets.PoolRouter(x=[[0, 2, 1], [2, 3, 3], [0, 3, 1]], dout=[[1, 1], [1, 1]], size=2, stride=1, at=[0, 1])

# %% [markdown]
# <details><summary>Answer</summary>
#
# The 3 in the middle gets all four: it is the first of the largest in every window. What arrived was 4, and 4 goes back.
#
# </details>

# %%
ties = np.array([[0, 2, 1], [2, 3, 3], [0, 3, 1]])
firsts = [(i + k // 2, j + k % 2) for i, j in np.ndindex(2, 2) for k in [int(ties[i : i + 2, j : j + 2].argmax())]]
assert firsts == [(1, 1)] * 4

# %% [markdown]
# ### Exercise: `max_pool_backward`
#
# Overlaps add, ties go to the first, and `dx` has the shape of `x`.

# %% solution="max_pool_backward"
def max_pool_backward(dout, x, size, stride):
    """Gradient of max pooling with respect to its input.

    Args:
        dout: upstream gradient (N, C, OH, OW).
        x: the input of the way forward, (N, C, H, W).
        size, stride: as for ``max_pool_forward``.

    Returns:
        Shaped as x, dtype of x. Of several largest values in a window the first in
        row-major order gets it all.
    """
    ### BEGIN SOLUTION
    dx = np.zeros_like(x)
    n, c, oh, ow = dout.shape
    image, channel = np.ogrid[:n, :c]
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride, j * stride
            seen = x[:, :, top : top + size, left : left + size].reshape(n, c, -1)
            row, column = divmod(seen.argmax(axis=2), size)
            dx[image, channel, top + row, left + column] += dout[:, :, i, j]
    return dx
    ### END SOLUTION

# %% check="max_pool_backward"
check("max_pool_backward", max_pool_backward)

# %% [markdown]
# ## 7 · Why there has to be a bend
#
# Deck d says it in passing: the activation function "must be non-linear".
#
# **Predict.** Two linear layers without anything between them, $W_2 (W_1 x)$, with $W_1$ of 50 × 3 and $W_2$
# of 2 × 50. Which layer with how many weights computes the same?
#
# <details><summary>Answer</summary>
#
# One of 2 × 3, with the matrix $W_2 W_1$: six weights in place of 250. However many you stack, it stays one
# linear layer. Convolutions are linear, too, so the same holds for them.
#
# </details>

# %%
W1, W2 = rng.normal(size=(50, 3)), rng.normal(size=(2, 50))
vector = rng.normal(size=3)
assert np.allclose(W2 @ (W1 @ vector), (W2 @ W1) @ vector)
assert W1.size + W2.size == 250 and (W2 @ W1).size == 6

# %% [markdown]
# So every layer is followed by a bend, a function applied to each number by itself. On the way back the bend
# multiplies what arrives by its own slope at the place where the number was:
#
# $$\frac{\partial L}{\partial z} = \frac{\partial L}{\partial f(z)} \cdot f'(z)$$
#
# Where the slope is near zero, hardly anything gets through: that is how gradients vanish.
#
# **Predict.** Here are six bends; decks b and e give formulas for all but swish. At $z = -3$, which
# of them lets most of the gradient through? Which nothing? Is there one that turns its sign?

# %% tags=["demo", "hide-input"]
from torch.nn import functional as F

zoo = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": torch.relu,
    "leaky ReLU": lambda z: F.leaky_relu(z, 0.1),
    "ELU": F.elu,
    "swish": F.silu,
}


def with_slope(f, z):
    """Values and derivatives of a bend at the places z, by torch's autograd."""
    leaf = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    values = f(leaf)
    return values.detach().numpy(), torch.autograd.grad(values.sum(), leaf)[0].numpy()


places = np.linspace(-5, 5, 401)
fig, axes = plot.figure(9, 5, columns=3, rows=2, sharex=True)
for ax, (name, f) in zip(axes.flat, zoo.items(), strict=True):
    values, slopes = with_slope(f, places)
    slopes[np.abs(np.diff(slopes, append=slopes[-1])) > 0.3] = np.nan
    ax.axhline(0, color=plot.INK, lw=0.6)
    ax.axvline(0, color=plot.INK, lw=0.6)
    ax.plot(places, values, color=plot.BLUE, lw=2, label="f(z)")
    ax.plot(places, slopes, color=plot.VERMILION, lw=2, ls="--", label="slope f′(z)")
    ax.set(ylim=(-1.4, 2.2), xticks=[-3, 0, 3], yticks=[-1, 0, 1, 2])
    ax.set_title(name, size=10)
axes[0, 0].legend(frameon=False, fontsize=9, loc="upper left")
plot.show(fig, "Six non-linearities, each with its slope dashed: sigmoid with a slope of at most a quarter, tanh, ReLU with "
          "slope 0 or 1, leaky ReLU with .1 or 1, ELU, and swish, which dips below zero.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Leaky ReLU: its slope is .1. ELU and sigmoid let through 5 and 4.5 %, tanh 1 %, ReLU nothing. Swish turns
# the sign: left of −1.28 it falls, and its slope at −3 is −.09.
#
# </details>

# %% tags=["demo"]
at = {name: with_slope(f, [-3.0, 0.0, 3.0])[1] for name, f in zoo.items()}
print("slope at       z = −3   z = 0   z = 3")
for name, slopes in at.items():
    print(f"{name:12}" + "".join(f"{slope:9.3f}" for slope in slopes).replace("-", "−"))
assert at["leaky ReLU"][0] == max(slopes[0] for slopes in at.values()) == 0.1
assert at["ReLU"][0] == 0 and at["swish"][0] < 0

# Deck e: tanh(z) = 2 sigmoid(2z) - 1.
two_names = [2 / (1 + np.exp(-2 * z)) - 1 for z in (-1.0, 0.5)]
assert np.allclose(two_names, np.tanh([-1.0, 0.5]))

# %% [markdown]
# | | $f(z)$ | slope | where it goes quiet |
# |:--|:--|:--|:--|
# | sigmoid | $\sigma(z) = 1 / (1 + e^{-z})$ | $\sigma(z)\,(1 - \sigma(z))$ | on both sides |
# | tanh | $\tanh z$ | $1 - \tanh^2 z$ | on both sides |
# | ReLU | $\max(0, z)$ | 0 or 1 | on the left, altogether |
# | leaky ReLU | $\max(0.1 z, z)$ | 0.1 or 1 | nowhere |
# | ELU | $e^z - 1$ or $z$ | $e^z$ or 1 | on the left |
# | swish | $z\,\sigma(z)$ | $\sigma(z) + z\,\sigma'(z)$ | on the left |
#
# The sigmoid never lets through more than a quarter, and that only at $z = 0$. Ten of them in a row leave at
# most $0.25^{10}$, a millionth. We shall come back to this in section 11.

# %%
assert 0.25**10 < 1e-6

# %% [markdown]
# ## 8 · A leak: leaky ReLU and PReLU
#
# ReLU has a slope of exactly 0 for all negative $z$. A unit that is negative for *every* example gets no
# gradient from any, so its weights never change, so it stays negative (unless the layers before it happen to
# move its inputs): a **dead** unit.
#
# **Leaky ReLU** (deck b) leaves a small slope there:
#
# $$f(z) = \max(0.1\, z,\; z)$$
#
# **Predict.** One unit, $f(w x + b)$, starts at $w = 0.5$, $b = -4$, with inputs around 0. It should learn
# the function $\max(0, x)$. What do the losses of ReLU and leaky ReLU look like over 300 steps of gradient
# descent?
#
# <details><summary>Answer</summary>
#
# ReLU's is a flat line: all its inputs lie left of the bend, and the gradient is zero for each of them. The
# leaky unit creeps at first, by a tenth of the gradient, until its inputs reach the bend; then it learns
# fast.
#
# </details>

# %% tags=["demo"]
inputs = np.random.default_rng(0).normal(size=200)
targets = np.maximum(inputs, 0)
losses = {}
for name, slope in (("ReLU", 0.0), ("leaky ReLU", 0.1)):
    w, b, losses[name] = 0.5, -4.0, []
    for _ in range(300):
        z = w * inputs + b
        error = oracle.leaky_relu(z, slope) - targets
        dz = oracle.leaky_relu_backward(error, z, slope) / len(z)
        w, b = w - 0.5 * (dz * inputs).sum(), b - 0.5 * dz.sum()
        losses[name].append(0.5 * (error**2).mean())
assert losses["ReLU"][0] == losses["ReLU"][-1] and losses["leaky ReLU"][-1] < 0.01

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3, columns=2, width_ratios=[1, 1.2])
start = 0.5 * inputs - 4
line = np.linspace(-6, 3, 91)
axes[0].hist(start, 20, color=plot.SKY, weights=np.full(200, 0.02))
for (name, slope), colour_ in zip((("ReLU", 0.0), ("leaky ReLU", 0.1)), plot.COLOURS, strict=False):
    style = "-" if slope else "--"
    axes[0].plot(line, oracle.leaky_relu(line, slope), style, color=colour_, lw=2)
    axes[1].plot(losses[name], style, color=colour_, lw=2, label=name)
axes[0].annotate("where the inputs\nfall at first", (-4.2, 0.75), ha="center", size=9)
axes[0].set(xlabel="z = w x + b", ylabel="f(z)", ylim=(-0.8, 3), yticks=[0, 1, 2, 3])
axes[1].set(xlabel="step", ylabel="loss", ylim=(0, None))
axes[1].legend(frameon=False, fontsize=9)
plot.show(fig, "Left: all inputs of the unit fall on the negative side, where ReLU is flat and leaky ReLU has a slope. "
          "Right: the loss of ReLU stays where it is, that of leaky ReLU falls to nearly zero.")

# %% [markdown]
# How steep is the leak? Deck b has .1, and so has this course; torch's default is .01. Say which you mean.
#
# **Predict.** Someone builds a leaky ReLU with slope 2 by the formula of deck b, $\max(2z, z)$. What is it at
# $z = -1$ and at $z = 1$?
#
# <details><summary>Answer</summary>
#
# −1 and 2: the larger of −2 and −1 is −1. Above a slope of 1 the maximum picks the wrong piece on either
# side. The formula stands for "the slope applies below zero" only as long as the slope is less than 1.
#
# </details>

# %%
assert [max(2 * z, z) for z in (-1, 1)] == [-1, 2]
assert [max(0.1 * z, z) for z in (-1, 1)] == [-0.1, 1]

# %% [markdown]
# At $z = 0$ the slope is .1 on one side and 1 on the other, and neither is wrong. Where a function has a
# kink, this course returns what torch does: for ReLU and its kin the slope **below** zero.
#
# ### Exercises: `leaky_relu`, `leaky_relu_backward`

# %% solution="leaky_relu"
def leaky_relu(z, slope=0.1):
    """z where it is positive, slope * z elsewhere.

    Args:
        z: array of any shape.
        slope: of the negative side, between 0 and 1.

    Returns:
        Shaped as z, dtype of z.
    """
    ### BEGIN SOLUTION
    return np.where(z > 0, z, slope * z)
    ### END SOLUTION

# %% check="leaky_relu"
check("leaky_relu", leaky_relu)

# %% solution="leaky_relu_backward"
def leaky_relu_backward(dout, z, slope=0.1):
    """Gradient of leaky ReLU with respect to its input.

    Args:
        dout: upstream gradient, shaped as z.
        z: the input of the way forward.
        slope: as there.

    Returns:
        Shaped as z, dtype of z. The derivative at 0 is slope.
    """
    ### BEGIN SOLUTION
    return np.where(z > 0, dout, slope * dout)
    ### END SOLUTION

# %% check="leaky_relu_backward"
check("leaky_relu_backward", leaky_relu_backward)

# %% [markdown]
# Why choose the slope by hand? **PReLU**, which deck b lists, learns it: one number $a$ for the whole layer,
# or one for each channel.
#
# $$f(z) = \begin{cases} z & z > 0 \\ a\,z & z \le 0 \end{cases}$$
#
# With one per channel `a` has the shape `(C,)`, and channel $c$ is axis 1 of `z`. One for the whole layer comes
# as a Python number or as an array without axes, `np.array(0.25)`; `np.ndim(a)` is 0 for either.
#
# **Predict.** What does NumPy make of `a * z` with `a` of shape `(3,)` and `z` of shape `(2, 3, 4, 5)`? Of
# shape `(2, 3, 4, 3)`?
#
# <details><summary>Answer</summary>
#
# The first raises an error: shapes are lined up from the right, and 3 meets 5. The second is worse. It goes
# through without a word and multiplies each *column* by a slope. It takes an axis of length 1 for each axis
# that follows axis 1.
#
# </details>

# %%
a = np.array([0.1, 0.2, 0.3])
try:
    a * np.ones((2, 3, 4, 5))
except ValueError as error:
    print(error)
assert (a * np.ones((2, 3, 4, 3)))[0, 0, 0].tolist() == a.tolist()  # along the columns
assert np.ndim(0.25) == np.ndim(np.array(0.25)) == 0 and np.ndim(a) == 1

# %% [markdown]
# On the way back `a` is a parameter and gets a gradient of its own. It took part wherever $z$ was not
# positive, each time with the derivative $z$; and a parameter that is used in many places collects from all
# of them:
#
# $$\frac{\partial L}{\partial a_c} = \sum_{n,\,i,\,j\;:\; z_{ncij} \le 0} \frac{\partial L}{\partial f(z_{ncij})}\; z_{ncij}$$
#
# It is the rule of the bias in unit 05, with $z$ as the weight.

# %% tags=["demo", "hide-input"]
z_example = np.array([[2, -1, 3], [-4, 1, -2]])
d_example = np.array([[5, 1, -1], [2, 3, -3]])
products = np.where(z_example > 0, 0, z_example * d_example)
assert products.sum() == -1 - 8 + 6 == -3
fig, ax = plot.canvas(26, 4.6)
inputs_ = plot.grid(ax, z_example, (0.8, 1.5), "z, one channel", limit=0)
plot.text(ax, 4.9, 2.5, "×", size=14)
upstream_ = plot.grid(ax, d_example, (5.9, 1.5), "dout", limit=0)
plot.text(ax, 10, 2.5, "=", size=14)
told = np.where(z_example > 0, "", products.astype(str))
told = np.char.replace(told, "-", "−")
result = plot.grid(ax, told, (11, 1.5), "where z ≤ 0")
for row, column in np.argwhere(z_example <= 0):
    for box in (inputs_, upstream_, result):
        plot.window(ax, box, row, column, 1, 1, plot.VERMILION, fill=0.2)
plot.arrow(ax, (14.5, 2.5), (17.5, 2.5))
plot.text(ax, 16, 1.8, "add up", size=9)
plot.text(ax, 20.6, 2.5, "da = −1 − 8 + 6 = −3")
plot.show(fig, "Six values z and their upstream gradients; where z is negative their products, minus 1, minus 8 and 6, add "
          "up to the gradient of a, minus 3.")

# %% [markdown]
# ### Exercises: `prelu`, `prelu_backward`
#
# `a` may be one slope, as a number or as an array without axes, or a slope for each channel, an array of shape
# `(C,)`; `z` is a batch of vectors `(N, C)` or of images `(N, C, H, W)`. And `a` is learned: it may come out
# above 1, or negative.

# %% solution="prelu"
def prelu(z, a):
    """z where it is positive, a * z elsewhere.

    Args:
        z: array (N, C) or (N, C, H, W).
        a: one slope (a number, or an array of shape ()), or a slope for each channel, (C,).

    Returns:
        Shaped as z, dtype of z.
    """
    ### BEGIN SOLUTION
    by_channel = np.reshape(a, (-1,) + (1,) * (z.ndim - 2))
    return np.where(z > 0, z, by_channel * z).astype(z.dtype)
    ### END SOLUTION

# %% check="prelu"
check("prelu", prelu)

# %% solution="prelu_backward"
def prelu_backward(dout, z, a):
    """Gradients of PReLU.

    Args:
        dout: upstream gradient, shaped as z.
        z, a: the arguments of the way forward.

    Returns:
        (dz, da): dz shaped as z, dtype of z, with a for the derivative at 0; da shaped as
        a, a number where a is one.
    """
    ### BEGIN SOLUTION
    by_channel = np.reshape(a, (-1,) + (1,) * (z.ndim - 2))
    dz = np.where(z > 0, dout, by_channel * dout).astype(z.dtype)
    collected = np.where(z > 0, 0, z * dout)
    if np.ndim(a) == 0:
        return dz, collected.sum()
    return dz, np.moveaxis(collected, 1, 0).reshape(len(a), -1).sum(axis=1)
    ### END SOLUTION

# %% check="prelu_backward"
check("prelu_backward", prelu_backward)

# %% [markdown]
# ## 9 · Soft bends: ELU and swish
#
# **ELU** (deck b) bends smoothly and sinks to a floor:
#
# $$f(z) = \begin{cases} z & z \ge 0 \\ \alpha\,(e^{z} - 1) & z < 0 \end{cases}$$
#
# **Predict.** What is the lowest value that it can reach? For which $\alpha$ is there no kink at 0? And how
# can you get its slope on the left out of its value, without another exponential?
#
# <details><summary>Answer</summary>
#
# $-\alpha$. The slope on the left is $\alpha e^z$, at 0 it is $\alpha$, and on the right it is 1: so no kink
# for $\alpha = 1$ only. And $\alpha e^z = f(z) + \alpha$. (Deck b counts 0 to the right, torch to the left.
# The values agree; as slope at 0 we take torch's, $\alpha$.)
#
# </details>

# %%
for alpha in (0.5, 1.0, 2.0):
    left = np.array([-30.0, -1.0, -1e-9])
    value, slope_there = alpha * (np.exp(left) - 1), alpha * np.exp(left)
    assert np.isclose(value[0], -alpha) and np.allclose(slope_there, value + alpha)
    assert np.isclose(slope_there[2], alpha)

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 3, columns=2)
line = np.linspace(-5, 2, 351)
for alpha, colour_, style in zip((0.5, 1.0, 2.0), plot.COLOURS, ("-", "--", ":"), strict=False):
    axes[0].plot(line, oracle.elu(line, alpha), style, color=colour_, lw=2, label=f"α = {alpha:g}")
    slopes = oracle.elu_backward(np.ones_like(line), line, alpha)
    slopes[np.argmax(line > 0) - (alpha != 1)] = np.nan if alpha != 1 else 1
    axes[1].plot(line, slopes, style, color=colour_, lw=2)
for ax, name in zip(axes, ("ELU", "its slope"), strict=True):
    ax.axhline(0, color=plot.INK, lw=0.6)
    ax.axvline(0, color=plot.INK, lw=0.6)
    ax.set_title(name, size=10)
axes[0].legend(frameon=False, fontsize=9)
plot.show(fig, "ELU for alpha a half, 1 and 2: it sinks to minus alpha. Its slope jumps at 0 from alpha to 1, unless "
          "alpha is 1.")

# %% [markdown]
# Exponentials grow fast. In float64 `np.exp` is infinite above 709, in float32 above 88.
#
# **Predict.** Two ways to write ELU: multiply each piece by 0 or 1 and add, or choose with `np.where`. Both
# compute the exponential everywhere. What do they make of $z = 1000$?

# %%
big = np.array([1000.0])
with np.errstate(over="ignore", invalid="ignore"):
    by_mask = (big > 0) * big + (big <= 0) * (np.exp(big) - 1)
    by_choice = np.where(big > 0, big, np.exp(big) - 1)
print("multiplied:", by_mask, "  chosen:", by_choice)
assert np.isnan(by_mask).all() and by_choice.tolist() == [1000]

# %% [markdown]
# <details><summary>Why</summary>
#
# The mask multiplies infinity by 0, and that is `nan`. `np.where` looks at the value it wants and leaves the
# infinity alone; the price is a warning about an overflow that does no harm. An exponential of $\min(z, 0)$
# is never in danger and gives no warning. One `nan` in a network is enough: after the next layer there are
# only `nan`s.
#
# </details>
#
# ### Exercises: `elu`, `elu_backward`

# %% solution="elu"
def elu(z, alpha=1.0):
    """z where it is positive, alpha (exp(z) - 1) elsewhere.

    Args:
        z: array of any shape; values of 1000 and more may be in it.
        alpha: how deep the curve sinks, positive.

    Returns:
        Shaped as z, dtype of z.
    """
    ### BEGIN SOLUTION
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))
    ### END SOLUTION

# %% check="elu"
check("elu", elu)

# %% solution="elu_backward"
def elu_backward(dout, z, alpha=1.0):
    """Gradient of ELU with respect to its input.

    Args:
        dout: upstream gradient, shaped as z.
        z, alpha: the arguments of the way forward.

    Returns:
        Shaped as z, dtype of z. The derivative at 0 is alpha.
    """
    ### BEGIN SOLUTION
    return np.where(z > 0, dout, dout * (alpha * np.exp(np.minimum(z, 0))))
    ### END SOLUTION

# %% check="elu_backward"
check("elu_backward", elu_backward)

# %% [markdown]
# **Swish**, in deck b's list and also known as SiLU, is a gate: the value times its own sigmoid.
#
# $$f(z) = z\,\sigma(z), \qquad \sigma(z) = \frac{1}{1 + e^{-z}}$$
#
# Here $z$ occurs twice, so its slope has two terms. The product rule gives
#
# $$f'(z) = \sigma(z) + z\,\sigma'(z), \qquad \sigma'(z) = \sigma(z)\,(1 - \sigma(z))$$
#
# **Predict.** Which sign can the second term have? Can the slope of swish be above 1? Below 0?
#
# <details><summary>Answer</summary>
#
# $\sigma'$ is positive everywhere, so the second term has the sign of $z$. On the right it lifts the slope
# above 1, up to 1.10 at $z = 2.4$. On the left it wins over the first term: swish falls from 0 to its lowest
# value, −.278 at $z = -1.278$, before it rises. Of the functions of this unit it is the only one that is not
# monotone.
#
# </details>

# %% tags=["demo"]
line = np.linspace(-6, 6, 12001)
dip, lift = with_slope(F.silu, line)
lowest, steepest = line[dip.argmin()], line[lift.argmax()]
assert (round(lowest, 3), round(dip.min(), 3)) == (-1.278, -0.278)
assert (round(steepest, 1), round(lift.max(), 2)) == (2.4, 1.10)

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 3, columns=2)
gate = 1 / (1 + np.exp(-line))
axes[0].plot(line, gate, "--", color=plot.ORANGE, lw=2, label="gate σ(z)")
axes[0].plot(line, dip, color=plot.BLUE, lw=2, label="swish, z σ(z)")
axes[0].plot([lowest], [dip.min()], "o", color=plot.BLUE)
axes[0].set_ylim(-0.6, 3)
axes[1].plot(line, gate, "--", color=plot.ORANGE, lw=2, label="σ(z)")
axes[1].plot(line, line * gate * (1 - gate), ":", color=plot.GREEN, lw=2.4, label="z σ′(z)")
axes[1].plot(line, lift, color=plot.VERMILION, lw=2, label="slope, their sum")
for ax in axes:
    ax.axhline(0, color=plot.INK, lw=0.6)
    ax.axvline(0, color=plot.INK, lw=0.6)
    ax.set_xlabel("z")
    ax.legend(frameon=False, fontsize=9)
plot.show(fig, "Left: swish and the sigmoid that gates it; it dips to minus .278. Right: its slope is the sum of the sigmoid "
          "and of z times the sigmoid's slope; it lies below zero on the far left and above one on the right.")

# %% [markdown]
# ### Exercises: `swish`, `swish_backward`

# %% solution="swish"
def swish(z):
    """z times its own sigmoid.

    Args:
        z: array of any shape; values of 1000 and −1000 may be in it.

    Returns:
        Shaped as z, dtype of z.
    """
    ### BEGIN SOLUTION
    half = 0.5 * z
    return half + half * np.tanh(half)
    ### END SOLUTION

# %% check="swish"
check("swish", swish)

# %% solution="swish_backward"
def swish_backward(dout, z):
    """Gradient of swish with respect to its input.

    Args:
        dout: upstream gradient, shaped as z.
        z: the input of the way forward.

    Returns:
        Shaped as z, dtype of z.
    """
    ### BEGIN SOLUTION
    gate = 0.5 + 0.5 * np.tanh(0.5 * z)
    return dout * gate * (1 + z * (1 - gate))
    ### END SOLUTION

# %% check="swish_backward"
check("swish_backward", swish_backward)

# %% [markdown]
# ## 10 · Maxout
#
# Another way to bend: compute several linear functions of the same input and keep the largest. With two
# pieces, as deck b writes it,
#
# $$f(x) = \max(w_1^\top x + b_1,\;\; w_2^\top x + b_2)$$
#
# **Predict.** Which two pieces make a ReLU? Which make $|x|$? With many pieces, which curves can a maxout
# unit come close to, and which can it never be?
#
# <details><summary>Answer</summary>
#
# $x$ and 0; $x$ and $-x$. The largest of several straight lines bends upwards only: it is convex. It comes as
# close as you like to any convex curve, and never becomes a sigmoid. So a maxout unit learns the shape of its
# own bend, and pays for it with as many times the weights as it has pieces.
#
# </details>

# %%
line = np.linspace(-2, 2, 401)
assert np.array_equal(np.maximum(1 * line, 0 * line), np.where(line > 0, line, 0))
assert np.array_equal(np.maximum(line, -line), np.abs(line))

touching = (-1.6, -0.8, 0.0, 0.8, 1.6)
tangents = [2 * place * line - place**2 for place in touching]  # of the parabola
five_pieces = np.max(tangents, axis=0)
furthest = np.abs(five_pieces - line**2).max()
print(f"five pieces stay within {furthest:.2f} of the parabola, which rises to 4")
assert furthest < 0.17

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 3, columns=3)
shapes_ = {
    "x and 0: ReLU": [line, 0 * line],
    "x and −x: |x|": [line, -line],
    "five tangents: nearly x²": tangents,
}
for ax, (name, pieces) in zip(axes, shapes_.items(), strict=True):
    for number, piece in enumerate(pieces):
        ax.plot(line, piece, "--", color=plot.COLOURS[(number + 1) % 6], lw=1.2)
    ax.plot(line, np.max(pieces, axis=0), color=plot.BLUE, lw=3)
    ax.set(ylim=(-1.5, 4 if len(pieces) > 2 else 2.2), xlabel="x")
    ax.set_title(name, size=10)
plot.show(fig, "Maxout as the upper edge of straight lines: x and 0 make a ReLU, x and minus x the absolute value, five "
          "tangents nearly a parabola.")

# %% [markdown]
# In arrays: a linear layer puts out `(N, M)`, and each unit takes `pieces` consecutive columns. On the way
# back it is max pooling again: what arrives at a unit goes to its largest piece.

# %% tags=["demo", "hide-input"]
scores_ = np.array([[1, 5, 2, -3, -1, -2]])
best = oracle.maxout(scores_.astype(float), 3)
back = oracle.maxout_backward(np.array([[7.0, 8.0]]), scores_.astype(float), 3)
assert best.tolist() == [[5, -1]] and back.tolist() == [[0, 7, 0, 0, 8, 0]]
fig, ax = plot.canvas(26, 4.9)
row = plot.grid(ax, scores_, (0.8, 1.3), "z, M = 6", limit=0)
units = plot.grid(ax, best, (9.4, 1.3), "pieces = 3", limit=0)
up = plot.grid(ax, np.array([[7, 8]]), (13.8, 1.3), "dout", limit=0)
down = plot.grid(ax, back, (18.4, 1.3), "gradient of z", limit=0)
for unit in range(2):
    colour_ = plot.COLOURS[unit]
    plot.window(ax, row, 0, 3 * unit, 1, 3, colour_, fill=0.2)
    plot.window(ax, units, 0, unit, 1, 1, colour_, fill=0.2)
    plot.window(ax, up, 0, unit, 1, 1, colour_, fill=0.2)
    plot.window(ax, down, 0, 3 * unit, 1, 3, colour_, fill=0.2)
    plot.arrow(ax, (row.left + 3 * unit + 1.5, 2.4), (units.left + unit + 0.5, 2.4), colour_, bend=0.2)
    plot.arrow(ax, (up.left + unit + 0.5, 2.4), (down.left + 3 * unit + 1.5, 2.4), colour_, bend=0.2)
plot.text(ax, 6.8, 4.4, "forward: the largest of each unit's pieces", size=9)
plot.text(ax, 19.4, 4.4, "back: to the piece that won", size=9)
plot.show(fig, "Six columns make two units of three pieces; their largest values, 5 and minus 1, come out. On the way back 7 "
          "and 8 go to the columns of 5 and minus 1.")

# %% [markdown]
# **Spot the error.** Deck d says that backpropagation "requires special consideration of the pooling layers
# (particularly Maxout)". What did it mean?
#
# <details><summary>Answer</summary>
#
# Max pooling. Maxout is no pooling layer: it takes the maximum over several linear functions at *one* place,
# where max pooling takes it over several places of *one* map. The two do share their way back, which goes to
# the winner alone; it is what the deck wanted to warn of.
#
# </details>
#
# ### Exercises: `maxout`, `maxout_backward`

# %% solution="maxout"
def maxout(z, pieces):
    """The largest of each unit's pieces.

    Args:
        z: array (N, M).
        pieces: columns per unit, a divisor of M; unit 0 has the first ones.

    Returns:
        (N, M / pieces), dtype of z.
    """
    ### BEGIN SOLUTION
    n, m = z.shape
    return z.reshape(n, m // pieces, pieces).max(axis=2)
    ### END SOLUTION

# %% check="maxout"
check("maxout", maxout)

# %% solution="maxout_backward"
def maxout_backward(dout, z, pieces):
    """Gradient of maxout with respect to its input.

    Args:
        dout: upstream gradient (N, M / pieces).
        z, pieces: the arguments of the way forward.

    Returns:
        (N, M), dtype of z: the largest piece of a unit gets all of its gradient.
    """
    ### BEGIN SOLUTION
    by_unit = z.reshape(*dout.shape, pieces)
    winner = by_unit.argmax(axis=2)
    dz = np.zeros_like(by_unit)
    np.put_along_axis(dz, winner[:, :, None], dout[:, :, None], axis=2)
    return dz.reshape(z.shape)
    ### END SOLUTION

# %% check="maxout_backward"
check("maxout_backward", maxout_backward)

# %% [markdown]
# ## 11 · Where the gradient vanishes
#
# Deck e warns that in deep networks "very many values are multiplied together", and that gradients vanish or
# explode. Let us watch it. Thirty layers of 128 units, each a random matrix followed by a bend. A gradient of
# the same size is put in at the top of each stack, and we measure its size at every layer on the way down.
#
# **Predict.** The weights have a variance of 1/128, so that a linear layer keeps the size of what goes
# through it. Order the six bends of section 7 by how much arrives at the bottom. Then the variance is
# doubled. For which bend was that factor made?
#
# <details><summary>Answer</summary>
#
# With 1/n: tanh and ELU keep about a tenth, ReLU and leaky ReLU some hundred-thousandths, swish a billionth,
# and of the sigmoid's gradient nothing is left that a float32 could add to a weight: a factor of .23 per
# layer, thirty times.
#
# With 2/n: ReLU and leaky ReLU keep the size. ReLU passes half of its units, so half of the square of the
# size; the factor 2 makes up for that (He and others, 2015). For the sigmoid it is too little, and ELU begins
# to grow.
#
# </details>

# %% tags=["demo"]
def sizes_on_the_way_down(f, variance, depth=30, width=128, batch=64):
    """Size of the gradient after each layer of a random stack, the input first."""
    seeded = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=seeded, dtype=torch.float64)

    levels = [random(batch, width).requires_grad_()]
    for _ in range(depth):
        levels.append(f(levels[-1] @ random(width, width) * variance**0.5))
    loss = (levels[-1] * random(batch, width)).sum()
    return np.array([float(g.norm()) for g in torch.autograd.grad(loss, levels)])


stacks, rest_of = {}, {}
for factor in (1, 2):
    for name, f in zoo.items():
        stacks[factor, name] = sizes = sizes_on_the_way_down(f, factor / 128)
        rest_of[factor, name] = sizes[0] / sizes[-1]

print("what is left after 30 layers, and the factor per layer")
print("             variance 1/n          variance 2/n")
for name in zoo:
    row = f"{name:12}"
    for factor in (1, 2):
        rest = rest_of[factor, name]
        row += f"{rest:12.1e}  {rest ** (1 / 30):.2f}  "
    print(row.replace("-", "−"))

assert rest_of[1, "sigmoid"] < 1e-15 and 0.05 < rest_of[1, "tanh"] < 0.2
assert round(rest_of[1, "sigmoid"] ** (1 / 30), 2) == 0.23
assert 1e-5 < rest_of[1, "ReLU"] < 1e-4 and 1e-10 < rest_of[1, "swish"] < 1e-8
assert 0.5 < rest_of[2, "ReLU"] < 2 and 0.5 < rest_of[2, "leaky ReLU"] < 2
assert rest_of[2, "ELU"] > 5

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9.4, 4, columns=2, sharey=True)
for ax, factor in zip(axes, (1, 2), strict=True):
    for number, name in enumerate(zoo):
        sizes = stacks[factor, name] / stacks[factor, name][-1]
        ax.semilogy(range(31), sizes, "-" if number % 2 else "--", color=plot.COLOURS[number], lw=2, label=name)
    ax.set_title(f"variance of the weights {factor}/n", size=10)
    ax.set(xlabel="layer (the gradient comes from the right)", ylim=(1e-20, 1e3), xticks=[0, 10, 20, 30])
    ax.grid(axis="y", color="#888888", alpha=0.3)
axes[0].set_ylabel("size of the gradient")
axes[1].legend(frameon=False, fontsize=9, loc="lower right")
plot.show(fig, "Size of the gradient at each of thirty layers, on a logarithmic scale, for six bends. With variance 1 over n the "
          "sigmoid's falls to 1e-19, tanh and ELU keep a tenth; with 2 over n ReLU and leaky ReLU stay level.")

# %% [markdown]
# Two things made the difference: the slope of the bend where the values lie, and the size of the weights. The
# second is for unit 07. Of the first you can say now where each bend goes quiet: sigmoid and tanh at both
# ends, ReLU and ELU on the left, the leaky ones nowhere, max pooling at every place that did not win.

# %% [markdown]
# ## 12 · From scores to probabilities
#
# The last layer puts out a **score** for each class: any number, positive or negative. Deck d calls scores
# "unnormalized log probabilities", and turns them into probabilities by **softmax**:
#
# $$p_k = \frac{e^{s_k}}{\sum_j e^{s_j}}$$
#
# Its example is a picture with scores 3.2 for cat, 5.1 for car and −1.7 for frog.
#
# **Predict.** Roughly, what are the three probabilities? What happens to them when you add 100 to all scores?
# When you multiply all scores by 10?
#
# <details><summary>Answer</summary>
#
# .130, .869 and .001. Adding a number to all scores multiplies every $e^{s}$ by the same factor, which
# cancels: nothing changes. Only differences count. Multiplying by 10 makes the differences ten times as
# large: the car gets all but a few billionths.
#
# </details>

# %%
names = ("cat", "car", "frog")
scores = np.array([3.2, 5.1, -1.7])
powers = np.exp(scores)
probabilities = powers / powers.sum()
print(dict(zip(names, probabilities.round(3).tolist(), strict=True)))
assert probabilities.round(3).tolist() == [0.130, 0.869, 0.001]

higher, steeper = np.exp(scores + 100), np.exp(10 * scores)
assert np.allclose(higher / higher.sum(), probabilities)
assert 1e-9 < 1 - (steeper / steeper.sum())[1] < 1e-8

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 2.7, columns=3)
steps = (("scores s", scores), ("exponentials", powers), ("probabilities", probabilities))
for ax, (name, heights) in zip(axes, steps, strict=True):
    bars = ax.bar(names, heights, color=plot.COLOURS[:3])
    digits = 1 if name == "scores s" else 2 if name == "exponentials" else 3
    ax.bar_label(bars, [f"{h:.{digits}f}".replace("-", "−") for h in heights], size=9, padding=2)
    ax.axhline(0, color=plot.INK, lw=0.8)
    ax.set_title(name, size=10)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.margins(y=0.18)
plot.show(fig, "Scores 3.2, 5.1 and minus 1.7, their exponentials 24.53, 164.02 and 0.18, and the probabilities .130, .869 "
          "and .001.")

# %% [markdown]
# Three layers of weights that are ten times too large, with ReLUs between them, make scores that are a
# thousand times too large.
#
# **Predict.** What does the formula, typed as it stands, give for the scores 1000, 999 and 998? For −1000, −1001
# and −1002?

# %%
def as_it_stands(s):
    with np.errstate(over="ignore", invalid="ignore"):
        return np.exp(s) / np.exp(s).sum()


far_up, far_down = np.array([1000.0, 999, 998]), np.array([-1000.0, -1001, -1002])
print(as_it_stands(far_up), as_it_stands(far_down))
right = as_it_stands(np.array([0.0, -1, -2]))
print("both should be", right.round(3))
assert np.isnan(as_it_stands(far_up)).all() and np.isnan(as_it_stands(far_down)).all()
assert right.round(3).tolist() == [0.665, 0.245, 0.090]

# %% [markdown]
# <details><summary>Why, and what to do</summary>
#
# At the top every exponential is infinite, and infinity by infinity is `nan`. At the bottom every one is
# rounded to 0, and 0 by 0 is `nan`. But only differences count: so subtract the largest score of the row from
# the whole row first. Then the largest exponent is 0, its exponential is 1, nothing can overflow, and the sum
# is at least 1.
#
# Each **row** needs a shift of its own. A single shift for the whole batch pulls a row that lies far below
# the others under the floor.
#
# </details>

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.8, 2.9)
low, high = np.log(5e-324), np.log(np.finfo(float).max)
assert (round(low), round(high)) == (-744, 710)
ax.axvspan(low, high, color=plot.GREEN, alpha=0.18, lw=0)
rows = (
    ("1000, 999, 998", np.array([1000, 999, 998])),
    ("shifted by its largest", np.array([0, -1, -2])),
    ("−1000, −1001, −1002", np.array([-1000, -1001, -1002])),
)
for level, (name, values) in enumerate(rows):
    colour_ = plot.BLUE if level == 1 else plot.VERMILION
    ax.plot(values, [2 - level] * 3, "o", color=colour_, ms=8)
    side, beside = ("right", (-10, 0)), ("left", (10, 0))
    (ha, offset) = (side, ("left", (12, -9)), beside)[level]
    name_at = {"textcoords": "offset points", "ha": ha, "va": "center", "size": 9}
    ax.annotate(name, (values[1], 2 - level), offset, **name_at)
ax.annotate("", (30, 1.1), (960, 1.85), arrowprops={"arrowstyle": "-|>", "color": plot.INK})
ax.annotate("", (-30, 0.9), (-960, 0.15), arrowprops={"arrowstyle": "-|>", "color": plot.INK})
ax.text(0, 2.35, "here float64 can hold exp(s)", size=9, va="center", ha="center")
ax.set(xlim=(-1250, 1250), ylim=(-0.4, 2.6), yticks=[], xlabel="score")
ax.spines["left"].set_visible(False)
plot.show(fig, "Scores on a line. Between minus 744 and 710 their exponentials can be held in float64. Scores near 1000 and near "
          "minus 1000 lie outside; shifted by their largest, both groups lie at 0, minus 1 and minus 2.")

# %% [markdown]
# ### Exercise: `softmax`
#
# Along the last axis, whatever comes before it: a single row, a batch of rows, or a batch of grids.

# %% solution="softmax"
def softmax(scores):
    """Probabilities from scores.

    Args:
        scores: array of any shape, with the classes along its last axis; values of
            10 000 may be in it.

    Returns:
        Shaped as scores, dtype of scores; adds up to 1 along the last axis.
    """
    ### BEGIN SOLUTION
    shifted = scores - np.max(scores, axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / np.sum(exponentials, axis=-1, keepdims=True)
    ### END SOLUTION

# %% check="softmax"
check("softmax", softmax)

# %% [markdown]
# ## 13 · The softmax loss
#
# How wrong was the network? Look at the probability that it gave to the class that was true, $p_y$, and take
#
# $$L = -\ln p_y$$
#
# It is 0 for certainty and grows without end as $p_y$ nears 0. The name is softmax loss or **cross-entropy**
# loss (deck b); for two classes it is the loss of logistic regression in deck e. Over a batch we take the
# mean.
#
# **Predict.** The picture of section 12 shows a cat. What is the loss? A network that knows nothing gives ten
# classes the same score: what is its loss? Somebody gets .89 for the cat. What did they do?
#
# <details><summary>Answer</summary>
#
# $-\ln 0.130 = 2.04$. With ten equal probabilities $\ln 10 = 2.30$; a new network that starts far from that
# has something wrong with it. And .89 comes from a logarithm to base 10.
#
# </details>

# %%
cat_loss = -np.log(probabilities[0])
assert round(cat_loss, 2) == 2.04 and round(-np.log10(probabilities[0]), 2) == 0.89
assert round(-np.log(1 / 10), 2) == 2.30

# %% [markdown]
# For the gradient write the logarithm out: $L = \ln \sum_j e^{s_j} - s_y$. The derivative of the first term
# with respect to $s_k$ is $e^{s_k} / \sum_j e^{s_j} = p_k$, that of the second is 1 for the true class. So
#
# $$\frac{\partial L}{\partial s_k} = p_k - [k = y]$$
#
# **Predict.** What is it for the cat? What do its three numbers add up to, and why? How large can one of them
# get?
#
# <details><summary>Answer</summary>
#
# −.870, .869 and .001. They add up to 0: probabilities add up to 1, and 1 is taken away. What the true class
# is lifted by, the others pay, each in proportion to the trust it did not deserve. No entry is beyond ±1,
# however wrong the network is; and a badly wrong network gets nearly 1, so this gradient does not vanish when
# it is needed.
#
# </details>

# %%
pull = probabilities - np.array([1, 0, 0])
assert pull.round(3).tolist() == [-0.870, 0.869, 0.001] and abs(pull.sum()) < 1e-12

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 2.7, columns=3, sharey=True)
steps = (("probabilities p", probabilities), ("true class", np.array([1, 0, 0])), ("gradient, p − true", pull))
for ax, (name, heights) in zip(axes, steps, strict=True):
    bars = ax.bar(names, heights, color=plot.COLOURS[:3])
    ax.bar_label(bars, [f"{h:.3g}".replace("-", "−") for h in np.round(heights, 3)], size=9, padding=2)
    ax.axhline(0, color=plot.INK, lw=0.8)
    ax.set_title(name, size=10)
    ax.set(yticks=[], ylim=(-1.2, 1.25))
    ax.spines["left"].set_visible(False)
plot.show(fig, "Probabilities .13, .869 and .001, minus 1, 0 and 0 for the true class, give the gradient minus .87, .869 and "
          ".001.")

# %% [markdown]
# Two traps. **Predict** both.
#
# 1. The scores are 0 and 1000, and class 0 is true. The softmax is as stable as you like. What is $-\ln p_0$
#    when you compute $p_0$ first and its logarithm then? What should it be?
# 2. A network ends in a softmax layer, and the loss applies softmax to what comes in. What is the lowest loss
#    that it can ever reach with three classes?
#
# <details><summary>Answer</summary>
#
# 1. $p_0 = e^{-1000}$ is rounded to 0, and the loss is infinite. It should be 1000: stay with logarithms,
#    $s_y - \ln \sum_j e^{s_j}$ on shifted scores, and never take the logarithm of a number that may have been
#    rounded to 0.
# 2. The best it can put in is 1, 0, 0. Its softmax is .576, .212, .212, and the loss .551. It trains, slowly,
#    and never gets there. Nothing in the program complains.
#
# </details>

# %%
shifted = np.array([0.0, 1000]) - 1000
with np.errstate(divide="ignore"):
    careless = -np.log(np.exp(shifted) / np.exp(shifted).sum())[0]
careful = np.log(np.exp(shifted).sum()) - shifted[0]
assert careless == np.inf and careful == 1000

twice_soft = np.exp([1.0, 0, 0]) / np.exp([1.0, 0, 0]).sum()
assert twice_soft.round(3).tolist() == [0.576, 0.212, 0.212]
assert round(-np.log(twice_soft[0]), 3) == 0.551

# %% [markdown]
# ### Exercise: `softmax_loss`
#
# Loss and gradient in one function, since they share their work. The loss is a mean over the $N$ examples, so
# the gradient carries the same $1/N$.

# %% solution="softmax_loss"
def softmax_loss(scores, y):
    """Cross-entropy of the softmax, with its gradient.

    Args:
        scores: (N, C); values of 10 000 may be in it.
        y: true classes (N,), whole numbers from 0 to C - 1, of any integer dtype.

    Returns:
        (loss, dscores): a number, the mean over the examples, and its gradient
        (N, C), dtype of scores.
    """
    ### BEGIN SOLUTION
    n = len(y)
    true = np.arange(n), y
    logs = scores - scores.max(axis=1, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    dscores = np.exp(logs)
    dscores[true] -= 1
    return -logs[true].mean(), dscores / n
    ### END SOLUTION

# %% check="softmax_loss"
check("softmax_loss", softmax_loss)

# %% [markdown]
# ## 14 · The SVM loss
#
# The softmax loss is never content: $p_y$ can always come nearer to 1. The **SVM** loss, or hinge loss (deck
# b), only asks that the true class is ahead of each other class by a margin, here 1. What falls short is
# added up:
#
# $$L = \sum_{j \ne y} \max(0,\; s_j - s_y + 1)$$
#
# CS231n, from which decks c and d take their example, has two more pictures to go with the cat:

# %%
three_pictures = np.array([[3.2, 5.1, -1.7],   # a cat
                           [1.3, 4.9, 2.0],    # a car
                           [2.2, 2.5, -3.1]])  # a frog
truth = np.array([0, 1, 2])

# %% [markdown]
# **Predict.** What is the loss of each of the three, and their mean? What happens to the loss of the second
# picture if the car's score drops from 4.9 to 4.4? What would the softmax loss do?
#
# <details><summary>Answer</summary>
#
# The cat: $\max(0, 5.1 - 3.2 + 1) = 2.9$ and $\max(0, -1.7 - 3.2 + 1) = 0$, so 2.9. The car is ahead by 2.9
# at least: 0. The frog: $6.3 + 6.6 = 12.9$. The mean is 5.27. With 4.4 the car is still ahead by more than 1
# and its loss stays 0, while the softmax loss grows a little.
#
# </details>

# %%
shortfalls = []
for picture_scores, true in zip(three_pictures, truth, strict=True):
    behind = np.delete(picture_scores, true) - picture_scores[true] + 1
    shortfalls.append([max(0.0, float(by)) for by in behind])
hinge = [sum(row) for row in shortfalls]
print("the sum of what falls short, for each picture:", np.round(hinge, 1))
assert np.allclose(hinge, [2.9, 0, 12.9]) and round(np.mean(hinge), 2) == 5.27
assert 4.4 - 2.0 > 1

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 3.6, rows=3, sharex=True)
for ax, (picture_scores, true) in zip(axes, zip(three_pictures, truth, strict=True), strict=True):
    ahead = picture_scores[true]
    ax.axvspan(ahead - 1, 9, color=plot.VERMILION, alpha=0.12, lw=0)
    ax.axhline(0, color="#888888", lw=0.8)
    for j, score in enumerate(picture_scores):
        ax.plot([score], [0], "D" if j == true else "o", color=plot.COLOURS[j], ms=9, zorder=3)
        name = f"{names[j]} {score:g}".replace("-", "−")
        # Neighbours that lie close have their names on the far sides.
        gaps = [other - score for other in picture_scores if 0 < abs(other - score) < 1]
        ha = "center" if not gaps else "right" if gaps[0] > 0 else "left"
        weight = "bold" if j == true else "normal"
        ax.annotate(name, (score, 0), (0, 10), textcoords="offset points", ha=ha, size=9, weight=weight)
    late = sorted(score for j, score in enumerate(picture_scores) if j != true and score > ahead - 1)
    for number, score in enumerate(late):
        depth = -0.42 - 0.34 * number
        ax.annotate("", (score, depth), (ahead - 1, depth), arrowprops={"arrowstyle": "<|-|>", "color": plot.INK})
        ax.text(score + 0.1, depth, f"{score - ahead + 1:.1f}", size=9, va="center")
    ax.set(ylim=(-1.1, 1), yticks=[], xlim=(-5, 7))
    ax.set_ylabel(f"a {names[true]}", rotation=0, ha="right", va="center")
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_visible(ax is axes[-1])
    ax.tick_params(bottom=ax is axes[-1])
axes[-1].set_xlabel("score")
plot.show(fig, "Three pictures with their scores on a line; the zone above the true class minus 1 is shaded. For the cat one class "
          "reaches 2.9 into it, for the car none, for the frog two, 6.3 and 6.6.")

# %% [markdown]
# The gradient is a matter of counting. Each class $j$ that breaks the margin contributes $s_j - s_y + 1$, so
# it gets +1 and the true class −1, once **for each** of them.
#
# **Predict.** The gradient of the frog's loss is? Of the car's? And what loss has a new network, with all
# scores about 0, on ten classes?
#
# <details><summary>Answer</summary>
#
# 1, 1, −2: two classes break the margin, so the frog is lifted twice. The car's is 0, 0, 0: from an example
# that is right with room to spare this loss learns nothing. And a new network has 9, one for each wrong
# class.
#
# </details>

# %%
counts = [sum(fall > 0 for fall in row) for row in shortfalls]
assert counts == [1, 0, 2]
assert sum(max(0, 0 - 0 + 1) for _ in range(9)) == 9

# %% tags=["demo", "hide-input"]
_, hinge_gradient = oracle.svm_loss(three_pictures, truth)
_, soft_gradient = oracle.softmax_loss(three_pictures, truth)
assert (3 * hinge_gradient).round(9).tolist() == [[-1, 1, 0], [0, 0, 0], [1, 1, -2]]
fig, ax = plot.canvas(25, 6.2)
for left, title, table, told in (
    (3.4, "scores", three_pictures, "{:g}"),
    (11, "SVM gradient, × 3", 3 * hinge_gradient, "{:.0f}"),
    (18.6, "softmax gradient, × 3", 3 * soft_gradient, "{:.2f}"),
):
    box = plot.grid(ax, table, (left, 1.4), title, numbers=False, limit=4 if "gradient" in title else 0, cell=1.5)
    for (row, column), value in np.ndenumerate(table + 0.0):
        middle = left + 1.5 * column + 0.75, 2.15 + 1.5 * row
        plot.text(ax, *middle, told.format(value).replace("-", "−"), size=9.5)
    for row in range(3):
        plot.window(ax, box, row, row, 1, 1, plot.GREEN)
for row in range(3):
    plot.text(ax, 2.9, 2.15 + 1.5 * row, f"a {names[row]}", size=9, ha="right")
plot.show(fig, "Scores of the three pictures and their gradients under both losses. SVM: minus 1, 1, 0; zeros for the car; 1, 1, "
          "minus 2 for the frog. Softmax has no zeros.")

# %% [markdown]
# ### Exercise: `svm_loss`

# %% solution="svm_loss"
def svm_loss(scores, y, margin=1.0):
    """Multi-class hinge loss, with its gradient.

    Args:
        scores: (N, C).
        y: true classes (N,), whole numbers from 0 to C - 1, of any integer dtype.
        margin: by how much the true class has to be ahead.

    Returns:
        (loss, dscores): a number, the mean over the examples, and its gradient
        (N, C), dtype of scores.
    """
    ### BEGIN SOLUTION
    n = len(scores)
    true = np.arange(n), y
    short = scores - scores[true][:, np.newaxis] + margin
    short[true] = 0
    breaks = short > 0
    dscores = breaks.astype(scores.dtype)
    dscores[true] -= breaks.sum(axis=1)
    return short[breaks].sum() / n, dscores / n
    ### END SOLUTION

# %% check="svm_loss"
check("svm_loss", svm_loss)

# %% [markdown]
# ## 15 · Several labels at once
#
# A picture may show a cat *and* a car. Deck d: "Multiple classes can be active. Softmax will not work. Use
# sigmoid activation."
#
# **Predict.** Why will it not? Give the cat a score of 3, the car 3 and the frog −3, and compare the
# probabilities of the two.
#
# <details><summary>Answer</summary>
#
# Softmax deals out one unit of probability, so two classes that are both present get less than a half each.
# With a sigmoid for every score each class is a question of its own, yes or no: .95, .95 and .05.
#
# </details>

# %%
both = np.array([3.0, 3.0, -3.0])
shared = np.exp(both) / np.exp(both).sum()
separate = 1 / (1 + np.exp(-both))
assert shared.round(3).tolist() == [0.499, 0.499, 0.001]
assert separate.round(2).tolist() == [0.95, 0.95, 0.05]

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.4, 2.7, columns=2, sharey=True)
for ax, (name, heights) in zip(axes, (("softmax: one choice", shared), ("sigmoid: three questions", separate)), strict=True):
    bars = ax.bar(names, heights, color=plot.COLOURS[:3])
    ax.bar_label(bars, [f"{h:.3f}" for h in heights], size=9, padding=2)
    ax.axhline(0.5, color=plot.INK, lw=0.8, ls=":")
    ax.set_title(name, size=10)
    ax.set(ylim=(0, 1.15), yticks=[0, 0.5, 1])
plot.show(fig, "Scores 3, 3 and minus 3. Softmax gives .499, .499 and .001; the sigmoid gives .953, .953 and .047.")

# %% [markdown]
# The loss of one question is that of logistic regression (deck e), with a target $t$ of 1 or 0 and $p =
# \sigma(s)$:
#
# $$L = -t \ln p - (1 - t) \ln (1 - p)$$
#
# **Predict.** Typed as it stands, in float64: for a target of 0, from which whole score $s$ on is the result
# infinite? Is it 710, where `exp` overflows?
#
# <details><summary>Answer</summary>
#
# From 37 on. There $e^{-s}$ is so small that $1 + e^{-s}$ is rounded to 1, $p$ is exactly 1, and $\ln(1 - p)$
# is $\ln 0$. In float32 it happens at 17. It takes no careless initialisation to meet such a score.
#
# </details>

# %%
def first_infinite(dtype):
    """The first whole score at which the plain formula is infinite for target 0."""
    s = np.arange(100).astype(dtype)
    p = 1 / (1 + np.exp(-s))
    with np.errstate(divide="ignore"):
        return int(s[np.isinf(-np.log(1 - p))][0])


assert (first_infinite("float64"), first_infinite("float32")) == (37, 17)

# %% [markdown]
# The way out is the one of section 13: put the logarithm and the exponential together before anything is
# rounded. Since $-\ln(1 - \sigma(s)) = \ln(1 + e^{s})$ and $-\ln \sigma(s) = \ln(1 + e^{s}) - s$, the loss is
#
# $$L = \ln(1 + e^{s}) - t\,s$$
#
# which is short, and still overflows at 710. For positive $s$ pull $e^{s}$ out of the logarithm: $\ln(1 +
# e^{s}) = s + \ln(1 + e^{-s})$. Both cases in one:
#
# $$L = \max(s, 0) - t\,s + \ln(1 + e^{-|s|})$$
#
# No exponent in it is positive. Its gradient is as plain as that of the softmax loss: $\sigma(s) - t$.

# %% tags=["demo", "hide-input"]
line = np.linspace(-10, 60, 701)
stable = np.maximum(line, 0) + np.log1p(np.exp(-np.abs(line)))
p = 1 / (1 + np.exp(-line))
with np.errstate(divide="ignore"):
    plain = -np.log(1 - p)
cut = -np.log(np.clip(1 - p, 1e-7, 1))
assert np.isinf(plain[line > 37]).all() and round(cut[-1], 1) == 16.1 and np.isclose(stable[-1], 60)
fig, ax = plot.figure(7.6, 3.2)
ax.plot(line, stable, color=plot.BLUE, lw=2, label="stable")
ax.plot(line, cut, "--", color=plot.ORANGE, lw=2, label="p cut off at 1e-7")
ax.plot(line[np.isfinite(plain)], plain[np.isfinite(plain)], ":", color=plot.VERMILION, lw=3, label="as it stands")
ax.axvline(36.7, color=plot.VERMILION, lw=0.8)
ax.annotate("infinite\nfrom here on", (37.5, 52), size=9, color=plot.VERMILION, va="center")
ax.set(xlabel="score s, target 0", ylabel="loss")
ax.legend(frameon=False, fontsize=9, loc="upper left")
plot.show(fig, "Loss for target 0 against the score. The stable formula grows along a straight line; the plain one ends at 37, "
          "where it becomes infinite; with the probability cut off it stays at 16.1.")

# %% [markdown]
# The dashed line is a common patch: keep $p$ away from 0 and 1. It is finite and wrong. Worse, where the
# curve is flat its gradient is zero: the network that is most wrong is told that all is well.
#
# ### Exercise: `bce_with_logits`
#
# The name is torch's, for binary cross-entropy with logits; a *logit* is a score before the sigmoid. Each of
# the $N \cdot C$ entries is a question; the loss is their mean.

# %% solution="bce_with_logits"
def bce_with_logits(scores, targets):
    """Multi-label loss: binary cross-entropy of sigmoid(scores), with its gradient.

    Args:
        scores: (N, C); values of 10 000 may be in it.
        targets: 0.0 or 1.0 for each of them, (N, C), dtype of scores.

    Returns:
        (loss, dscores): a number, the mean over all entries, and its gradient
        (N, C), dtype of scores.
    """
    ### BEGIN SOLUTION
    small = np.exp(-np.abs(scores))
    loss = np.maximum(scores, 0) - targets * scores + np.log1p(small)
    p = np.where(scores > 0, 1, small) / (1 + small)
    return loss.mean(), (p - targets) / scores.size
    ### END SOLUTION

# %% check="bce_with_logits"
check("bce_with_logits", bce_with_logits)

# %% [markdown]
# ## 16 · Which loss goes quiet?
#
# One score $s$, target 1. The further it is below 0, the more wrong. Three losses, of which the last is deck
# d's: the squared error after a sigmoid.
#
# - cross-entropy: $-\ln \sigma(s)$
# - hinge: $\max(0, 1 - s)$
# - squared error: $\frac{1}{2}(\sigma(s) - 1)^2$
#
# **Predict.** How large is the gradient of each at $s = -10$, where the network is sure of the wrong answer?
# And at $s = 10$?
#
# <details><summary>Answer</summary>
#
# At −10 cross-entropy and hinge both pull with (nearly) full force, 1. The squared error pulls with .00005:
# its gradient carries the slope of the sigmoid, and the sigmoid is saturated. It learns least where it is
# most wrong. At 10 all three rest: the hinge exactly, the others nearly.
#
# The logarithm of the cross-entropy undoes the exponential of the sigmoid: what is left is $\sigma(s) - 1$. A
# last layer and its loss are chosen together.
#
# </details>

# %%
def pulls(s):
    """Gradients of the three losses with respect to a score whose target is 1."""
    p = 1 / (1 + np.exp(-s))
    return p - 1, np.where(s < 1, -1.0, 0.0), (p - 1) * p * (1 - p)


wrong, right = pulls(np.array([-10.0])), pulls(np.array([10.0]))
assert wrong[0][0] < -0.9999 and wrong[1][0] == -1 and -6e-5 < wrong[2][0] < -4e-5
assert abs(right[0][0]) < 1e-4 and right[1][0] == 0 and abs(right[2][0]) < 1e-8

# %% tags=["demo", "hide-input"]
line = np.linspace(-10, 6, 801)
p = 1 / (1 + np.exp(-line))
curves = {
    "cross-entropy": -np.log(p),
    "hinge": np.maximum(0, 1 - line),
    "squared error": 0.5 * (p - 1) ** 2,
}
fig, axes = plot.figure(9, 3.2, columns=2)
for number, ((name, loss), pull) in enumerate(zip(curves.items(), pulls(line), strict=True)):
    style = ("-", "--", ":")[number]
    pull = np.where(np.abs(np.diff(pull, append=pull[-1])) > 0.5, np.nan, pull)
    axes[0].plot(line, loss, style, color=plot.COLOURS[number], lw=2, label=name)
    axes[1].plot(line, -pull, style, color=plot.COLOURS[number], lw=2)
axes[0].set(xlabel="score s, target 1", ylabel="loss")
axes[1].set(xlabel="score s, target 1", ylabel="pull upwards, −dL/ds")
axes[0].legend(frameon=False, fontsize=9)
plot.show(fig, "Three losses against the score of a class that is present, and their pulls. Far on the wrong side cross-entropy "
          "and hinge pull with 1, the squared error with nearly nothing.")

# %% [markdown]
# ## What to keep
#
# - Max pooling hands its gradient to the winner, mean pooling to all in equal parts; overlaps add, and the
#   first of equals wins.
# - A bend multiplies the gradient by its slope. Sigmoid and tanh go quiet at both ends, ReLU on the left; a
#   leak keeps units alive.
# - A learned slope collects its gradient from every place where it was used.
# - Softmax and its loss: subtract the row's largest score, stay with logarithms, and the gradient is $p - [k
#   = y]$.
# - SVM: count who breaks the margin; the true class gets minus that count.
# - Several labels: a sigmoid for each, and $\max(s, 0) - ts + \ln(1 + e^{-|s|})$.
# - Infinity times zero is `nan`, and one `nan` is enough.
#
# ### Where the facts come from
#
# - **Deck b**: *Convolutional neural networks*; its slides name neither author nor university.
# - **Deck c**: *Lecture 5: Convolutional Neural Networks*, from CS231n of Stanford University.
# - **Deck d**: *Robot Vision (CAP 4453), 18: Convolutional Neural Networks I*, Gonzalo Vaca-Castaño,
#   University of Central Florida.
# - **Deck e**: *Deep Learning, Lecture 4: Convolutional Neural Networks 1*, Joakim Lindblad, Uppsala
#   University.
# - CS231n's notes on [pooling](https://cs231n.github.io/convolutional-networks/),
#   [activations](https://cs231n.github.io/neural-networks-1/) and
#   [losses](https://cs231n.github.io/linear-classify/): the 4 × 4 map and the three pictures with their
#   scores.
# - The documentation of torch's
#   [`max_pool2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html),
#   [`LeakyReLU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html) and
#   [`BCEWithLogitsLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html).
# - He and others, [*Delving deep into rectifiers*](https://arxiv.org/abs/1502.01852), 2015: PReLU, and the
#   variance 2/n.
# - Clevert and others, [*Fast and accurate deep network learning by exponential linear
#   units*](https://arxiv.org/abs/1511.07289), 2016: ELU.
# - Ramachandran and others, [*Searching for activation functions*](https://arxiv.org/abs/1710.05941), 2017:
#   swish.
# - Goodfellow and others, [*Maxout networks*](https://arxiv.org/abs/1302.4389), 2013. Maas and others,
#   *Rectifier nonlinearities improve neural network acoustic models*, 2013: leaky ReLU.
# - Weston and Watkins, *Multi-class support vector machines*, 1998: the sum over all classes in section 14.
# - Szegedy and others, [*Going deeper with convolutions*](https://arxiv.org/abs/1409.4842), 2015: GoogLeNet's
#   7 × 7 mean.
