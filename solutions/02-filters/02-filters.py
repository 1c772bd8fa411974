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
# # Unit 02 · Filters
#
# Long before a network learned its first filter, people wrote filters down by hand: nine numbers that blur
# a picture, nine that find its edges, a hundred and fifty-six that find a letter on a page. They are still
# the best way to learn what a filter can do, because here you know what every number is for.
#
# In this unit you set them yourself. Afterwards you will read the filters that a network has learned as you
# read these.
#
# **After this unit you can**
#
# - look at a small kernel and say what it does to a picture;
# - tell correlation from convolution, and catch a text that mixes them up;
# - measure slopes and curvature in a picture, sharpen it, and find a pattern in it, mistakes included;
# - write one and the same filter as a sliding window, as a matrix and as a product of spectra, and say
#   which one pays when;
# - say what it means that a layer is equivariant, and measure by how much it is not.
#
# | | |
# |:--|:--|
# | **Time** | about 190 minutes: 80 to read and predict, 110 for nine exercises. Section 6 is a good place to break off. |
# | **You need** | NumPy indexing and slices, `for` loops, the check of unit 00. No other unit. |
# | **Layout** | pictures `image: (H, W)`, row 0 on top, from 0, black, to 1, white; filters `kernel: (KH, KW)`. In section 10 `x: (N, C, H, W)`. |
#
# The text keeps asking you to predict something. Decide on an answer before you unfold ours: a wrong guess
# teaches more than none. Cells that only draw are folded away; run them like any other. Many of them draw
# with *your* functions.

# %%
import numpy as np

from cnnkit import check

rng = np.random.default_rng(0)

# %% tags=["demo"]
from cnnkit import data, oracle, plot, widgets

photo = data.photo()
photo.shape

# %% [markdown]
# ## 1 · A picture is a table
#
# Here is a photographer at work, and a few of the numbers that he is made of: the corner of his camera
# against the sky.

# %% tags=["demo", "hide-input"]
top, left, rows, columns = 52, 130, 9, 9
detail = (255 * photo[top : top + rows, left : left + columns]).round().astype(int)
fig, (whole, part) = plot.figure(8.6, 3.5, columns=2, width_ratios=[1.28, 1])
plot.image(whole, photo, "200 × 256 pixels", gray=True)
plot.window(whole, plot.Box(-0.5, -0.5, 256, 200), top, left, rows, columns)
plot.image(part, photo[top : top + rows, left : left + columns], "the framed 9 × 9, times 255", gray=True)
for (i, j), value in np.ndenumerate(detail):
    part.text(j, i, value, ha="center", va="center", size=8, color="#111111" if value > 110 else "#eeeeee")
plot.show(fig, "A gray photograph of a man with a camera on a tripod in front of a lawn and a skyline, and nine by nine "
          "of its pixels as numbers between 0 and 255.")

# %% [markdown]
# The simplest filter puts in the place of each pixel the **mean** of the nine pixels around it, itself
# included: multiply each by 1/9 and add up.
#
# **Predict.** What does that do to the black coat? To the lawn, which is noisy? To the border between coat
# and sky?
#
# <details><summary>Answer</summary>
#
# In the coat all nine are nearly the same, so nothing happens. On the lawn light and dark pixels cancel: it
# becomes smoother. At the border some of the nine are black and some are bright, so a step between two
# neighbours turns into a ramp over three. The filter removes whatever is small, and it cannot tell noise
# from detail.
#
# </details>

# %%
box = np.full((3, 3), 1 / 9)
step = np.array([0, 0, 0, 0, 9, 9, 9, 9])
ramp = [float(np.tile(step, (3, 1))[:, j : j + 3].sum() / 9) for j in range(6)]
assert ramp == [0, 0, 3, 6, 9, 9]  # a row of the result: from 0 to 9 it takes three steps now

# %% [markdown]
# ## 2 · Correlation
#
# Put the kernel on the picture, multiply what lies on top of each other, add up, move on by a pixel. Deck e
# writes this out for nine pixels $A \dots I$ and nine weights,
# $h(i,j) = A \cdot P_1 + B \cdot P_2 + \dots + I \cdot P_9$, and calls it by its proper name:
# **cross-correlation**.
#
# $$h_{ij} = \sum_{k}\sum_{l} w_{kl}\; x_{i+k,\,j+l}$$
#
# Only places where the kernel lies inside the picture count. That is called the **valid** region.
#
# **Predict.** The picture has 5 rows and 7 columns, the kernel 2 rows and 3 columns. What is the shape of
# the result? Where in the picture does the kernel lie for the last of its values?
#
# <details><summary>Answer</summary>
#
# 4 × 5: along a side of 5 a kernel of 2 can start at 0, 1, 2, 3, and along 7 one of 3 at 0 to 4. For the
# last value it covers rows 3 and 4 and columns 4 to 6. In general $(H - K_H + 1) \times (W - K_W + 1)$.
#
# </details>

# %%
places = [(i, j) for i in range(5 - 2 + 1) for j in range(7 - 3 + 1)]
assert len(places) == 4 * 5 and places[-1] == (3, 4)

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26.5, 7.2)
small = np.array([[0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 2, 2, 3, 3], [0, 1, 2, 2, 3, 3, 3],
                  [1, 1, 2, 3, 3, 4, 4], [1, 2, 2, 3, 4, 4, 5]])
weights = np.array([[1, 0, -1], [2, 0, -1]])
result = oracle.correlate2d(small, weights)
picture = plot.grid(ax, small, (0.6, 1.4), "picture, 5 × 7", limit=0)
plot.grid(ax, weights, (10.3, 2.9), "kernel, 2 × 3", limit=4)
values = plot.grid(ax, result, (16.5, 1.9), "correlation, 4 × 5", limit=0)
for (i, j), colour in (((0, 0), plot.VERMILION), ((3, 4), plot.BLUE)):
    plot.window(ax, picture, i, j, 2, 3, colour, fill=0.2)
    plot.window(ax, values, i, j, 1, 1, colour, fill=0.2)
plot.arrow(ax, (13.9, 3.9), (16, 3.9))
plot.show(fig, "A 5 by 7 picture with a 2 by 3 window at its first and its last place, the kernel, and the 4 by 5 "
          "correlation with the two values that belong to the windows.")

# %% [markdown]
# ### Exercise: `correlate2d`
#
# Nobody looks at the clock, but the photograph will come by, 50 000 windows of it. A loop over the *places
# of the window*, with NumPy to multiply and add inside, is plain and quick enough.

# %% solution="correlate2d"
def correlate2d(image, kernel):
    """Valid cross-correlation.

    Args:
        image: (H, W).
        kernel: (KH, KW); KH and KW may differ.

    Returns:
        (H - KH + 1, W - KW + 1), dtype of image.

    Raises:
        ValueError: the kernel is higher or wider than the image; the message names the sizes.
    """
    ### BEGIN SOLUTION
    (h, w), (kh, kw) = image.shape, kernel.shape
    if kh > h or kw > w:
        raise ValueError(f"a kernel of {kh} x {kw} does not fit into {h} x {w}")
    out = np.empty((h - kh + 1, w - kw + 1), image.dtype)
    for i in range(h - kh + 1):
        for j in range(w - kw + 1):
            out[i, j] = (image[i : i + kh, j : j + kw] * kernel).sum()
    return out
    ### END SOLUTION

# %% check="correlate2d"
check("correlate2d", correlate2d)

# %% [markdown]
# Three ways to blur. The box gives every pixel of its window the same say. A Gaussian bell lets the say
# fade with distance; and the last kernel is a line, as if the camera had moved while the shutter was open.
#
# **Predict.** All three kernels have nine rows and columns or less, and in each the weights add up to 1.
# Why do they have to?
#
# <details><summary>Answer</summary>
#
# In a plain area all pixels under the kernel have the same value $v$, and the result is $v$ times the sum
# of the weights. With a sum of 1 plain areas stay as bright as they were; with 2 they would be twice as
# bright, and with 0 they would be gone. Kernels that sum to 0 come next but one.
#
# </details>

# %%
bell = np.exp(-((np.arange(9) - 4) ** 2) / (2 * 2**2))
kernels = {"box, 9 × 9": np.full((9, 9), 1 / 81), "Gaussian, σ = 2": np.outer(bell, bell) / bell.sum() ** 2,
           "motion, 1 × 9": np.full((1, 9), 1 / 9)}
assert all(np.isclose(kernel.sum(), 1) for kernel in kernels.values())

# %% tags=["demo", "hide-input"]
blurred = {name: correlate2d(photo, kernel) for name, kernel in kernels.items()}
middle = np.s_[20:140, 60:200]
fig, axes = plot.figure(8.6, 2.2, columns=4)
for ax, (name, picture) in zip(axes, ({"photograph": photo} | blurred).items(), strict=True):
    plot.image(ax, picture[middle], name, gray=True)
plot.show(fig, "The photographer's head and camera, sharp; then blurred by a box, which leaves ghosts of squares, by a "
          "Gaussian, which is soft, and along the horizontal only, as by motion.")

# %% [markdown]
# **Predict.** If the noise of nine neighbouring pixels were independent, the noise of their mean would be a
# third of it: that is the law of the root of $n$. What do you expect on the lawn?

# %% tags=["demo"]
lawn = np.s_[130:185, 190:240]
before, after = photo[lawn].std(), correlate2d(photo, box)[lawn].std()
print(f"standard deviation on the lawn: {before:.3f} before, {after:.3f} after, a factor of {before / after:.1f}")
assert 1.4 < before / after < 2

# %% [markdown]
# <details><summary>Answer</summary>
#
# Less than that, since the pixels are not independent: a blade of grass is larger than a pixel. That
# neighbours resemble each other is what all of this course lives on.
#
# </details>
#
# ## 3 · Convolution
#
# Correlation has a near relative. To see the difference, show both a picture of three bright dots, and take
# a kernel that looks like a letter, so that you notice when it is turned.
#
# $$\text{convolution:}\quad (x * w)_{ij} = \sum_{k}\sum_{l} w_{kl}\; x_{i-k,\,j-l}$$
#
# The only difference is in the signs: going right in the kernel goes *left* in the picture.
#
# **Predict.** A correlation with the letter F on a picture with a single bright dot: what do you get? And a
# convolution?
#
# <details><summary>Answer</summary>
#
# Correlation: the F upside down, turned by 180°. When the window stands up and to the left of the dot, the
# dot lies under the F's *lower right* corner, and so that corner's weight appears on the upper left.
# Convolution lays down an F, the right way up, at every dot, with the brightness of the dot. That is the
# picture to remember: **to convolve is to stamp**.
#
# </details>

# %%
letter = np.array([[1, 1, 1],
                   [1, 0, 0],
                   [1, 1, 0],
                   [1, 0, 0]])
dot = np.zeros((9, 9))
dot[4, 4] = 1
upside_down = np.array([[(dot[i : i + 4, j : j + 3] * letter).sum() for j in range(7)] for i in range(6)])
assert upside_down[1:5, 2:5].tolist() == letter[::-1, ::-1].tolist() and upside_down.sum() == letter.sum()

stamped = np.zeros((12, 11))
stamped[4:8, 4:7] += letter  # the dot at (4, 4) lays down the kernel with its corner there
assert stamped[4:8, 4:7].tolist() == letter.tolist()

# %% tags=["demo", "hide-input"]
dots = np.zeros((11, 15))
dots[3, 2], dots[6, 7], dots[3, 12] = 1, 0.6, 0.3
outputs = []
for kernel in (letter, letter[::-1, ::-1]):
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(dots, 3), kernel.shape)
    outputs.append((windows * kernel).sum((2, 3))[1:12, 2:17])
fig, ax = plot.canvas(27, 7)
plot.grid(ax, letter, (0.4, 2.6), "kernel", False, 1, cell=0.5)
for number, (title, picture) in enumerate({"three dots": dots, "correlation: turned by 180°": outputs[0],
                                           "convolution: stamped": outputs[1]}.items()):
    plot.grid(ax, picture, (3.1 + 8.1 * number, 1.3), title, False, 1, cell=0.5)
plot.show(fig, "Three dots of different brightness and a kernel that looks like an F. Correlation puts an F upside down "
          "at every dot, convolution an upright one.")

# %% [markdown]
# Why would anybody turn the kernel round? Because it buys a beautiful arithmetic. Convolution does not care
# which of the two is the picture, and filters that follow each other can be merged before a picture is at
# hand:
#
# $$x * w = w * x \qquad\qquad (x * v) * w = x * (v * w)$$
#
# **Predict.** Two pixels' mean after two pixels' mean, $(1, 1)$ after $(1, 1)$ but for a factor: what
# single kernel does both? And is correlation so obliging?
#
# <details><summary>Answer</summary>
#
# $(1, 2, 1)$, which you will meet again in a minute. Convolve on, and the rows of Pascal's triangle come
# out, closer and closer to a Gaussian: many small blurs make a soft large one. Correlation does not
# commute: swap the two, and the result comes out turned. And correlating twice is not correlating with the
# correlation of the kernels.
#
# </details>

# %%
pascal = np.array([1])
for row in ([1, 1], [1, 2, 1], [1, 3, 3, 1], [1, 4, 6, 4, 1]):
    pascal = np.convolve(pascal, [1, 1])
    assert pascal.tolist() == row

x, v, w = np.array([3, 1, 4, 1, 5, 9, 2, 6]), np.array([1, 2]), np.array([1, 0, -1])
assert np.array_equal(np.convolve(x, w), np.convolve(w, x))
assert np.array_equal(np.convolve(np.convolve(x, v), w), np.convolve(x, np.convolve(v, w)))
assert np.array_equal(np.correlate(x, w, "full"), np.correlate(w, x, "full")[::-1])
assert not np.array_equal(np.correlate(np.correlate(x, v, "full"), w, "full"),
                          np.correlate(x, np.correlate(v, w, "full"), "full"))

# %% [markdown]
# ### Exercise: `convolve2d`
#
# Again the valid region. Nothing keeps you from building on `correlate2d`.

# %% solution="convolve2d"
def convolve2d(image, kernel):
    """Valid true convolution: the kernel turned by 180 degrees.

    Args:
        image: (H, W).
        kernel: (KH, KW).

    Returns:
        (H - KH + 1, W - KW + 1), dtype of image.

    Raises:
        ValueError: the kernel is higher or wider than the image; the message names the sizes.
    """
    ### BEGIN SOLUTION
    return correlate2d(image, kernel[::-1, ::-1])
    ### END SOLUTION

# %% check="convolve2d"
check("convolve2d", convolve2d)

# %% [markdown]
# **Spot the error.** Deck c introduces its layers so: "We call the layer convolutional because it is
# related to convolution of two signals", with the formula $\sum f[n_1, n_2]\, g[x - n_1, y - n_2]$, and
# beneath it in words: "elementwise multiplication and sum of a filter and the signal". Deck e quotes the
# same definition from an encyclopedia, some slides after it has written down this for a convolutional
# network:
#
# $$y_j = \sum_{i=-k}^{k} W_k\, x_{j+k} + b_j$$
#
# What do the decks define, and what do they compute? And what else is wrong with this last formula? There
# are two more things to find; deck e's own count of parameters, "3 × 3 + 1 = 10 weights for processing the
# whole image", helps with one of them.
#
# <details><summary>Answer</summary>
#
# They define convolution and compute correlation: $x_{j+k}$ has a plus sign. Nothing in a network depends
# on it, since a kernel that is learned can be learned turned round; but a kernel from a book must be turned
# when a library "convolves" with it.
#
# The sum runs over $i$, and there is no $i$ to the right of it: it should be $\sum_i W_i\, x_{j+i}$. And
# $b_j$ would be a bias of its own for every pixel. With ten weights for an image of any size there is one
# bias, $b$, shared like the weights.
#
# </details>

# %%
W, signal = np.array([1.0, 2, 4]), np.array([1.0, 0, 0, 2, 3, 0, 1])
as_deck_e_meant = np.array([sum(W[i + 1] * signal[j + i] for i in (-1, 0, 1)) for j in range(1, 6)])
assert np.array_equal(as_deck_e_meant, np.correlate(signal, W))
assert not np.array_equal(as_deck_e_meant, np.convolve(signal, W, "valid"))
assert 3 * 3 + 1 == 10

# %% [markdown]
# ## 4 · Slopes
#
# Where does a picture change? Between two neighbours the change is their difference; around a pixel take
# the one on the right minus the one on the left. As a kernel to correlate with, that is $(-1, 0, 1)$.
#
# A difference of two noisy numbers is noisier than either. Sobel's remedy is to average *across* the
# direction in which one differentiates, with the weights $(1, 2, 1)$ from above:
#
# $$\begin{pmatrix}1\\2\\1\end{pmatrix}\begin{pmatrix}-1 & 0 & 1\end{pmatrix}
#   = \begin{pmatrix}-1 & 0 & 1\\ -2 & 0 & 2\\ -1 & 0 & 1\end{pmatrix}$$
#
# **Predict.** A picture gets brighter by 1 with each pixel to the right, and does not change from top to
# bottom. What does this kernel answer? And its transpose?
#
# <details><summary>Answer</summary>
#
# Right minus left is 2, in each of three rows that count 1 + 2 + 1 = 4: together 8, everywhere. So Sobel's
# answer is 8 times the slope, and nobody minds, as long as all answers are. The transpose looks from top to
# bottom and answers 0.
#
# </details>

# %%
sobel_x = np.outer([1, 2, 1], [-1, 0, 1])
to_the_right = np.tile(np.arange(5.0), (4, 1))
assert (to_the_right[0:3, 0:3] * sobel_x).sum() == 8 and (to_the_right[0:3, 0:3] * sobel_x.T).sum() == 0

# %% [markdown]
# **Spot the error.** Deck e says that the Sobel filter approximates $\frac{\partial}{\partial x}$ and
# $\frac{\partial}{\partial y}$, and prints
#
# $$S_x = \begin{pmatrix}1 & 0 & -1\\ 2 & 0 & -2\\ 1 & 0 & -1\end{pmatrix}, \qquad
#   S_y = \begin{pmatrix}1 & 2 & 1\\ 0 & 0 & 0\\ -1 & -2 & -1\end{pmatrix}$$
#
# A few slides earlier it has told you how to apply a filter: $h = A P_1 + B P_2 + \dots$. Do that with
# $S_x$ on the ramp above. What comes out, and how can the deck be put right? Which way must $y$ point?
#
# <details><summary>Answer</summary>
#
# Minus 8: correlated, $S_x$ is $-8\,\frac{\partial}{\partial x}$. The kernels are written for true
# *convolution*, which turns them; then $S_x$ gives +8 where it gets brighter to the right, and $S_y$ gives
# +8 where it gets brighter *downwards*. So $y$ points down, as the rows are counted. (Correlated, with $y$
# pointing up as in school, $S_y$ would be right and $S_x$ still wrong.) Many programs print kernels without
# saying which of the two they mean. A ramp tells you in one line.
#
# </details>

# %%
S_x = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
S_y = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
downwards = to_the_right.T
for kernel, picture in ((S_x, to_the_right), (S_y, downwards)):
    window = picture[0:3, 0:3]
    assert (window * kernel).sum() == -8  # correlated
    assert (window * kernel[::-1, ::-1]).sum() == 8  # convolved
assert np.array_equal(S_x[::-1, ::-1], sobel_x) and np.array_equal(S_y[::-1, ::-1], sobel_x.T)

# %% [markdown]
# The two slopes are the components of an arrow, the **gradient**, which points to where it gets brighter
# fastest. Its length says how strong an edge is:
#
# $$\text{magnitude} = \sqrt{g_x^2 + g_y^2}$$
#
# **Predict.** Some programs save the root and take $|g_x| + |g_y|$. At which edges is that right, at which
# is it worst, and by how much?
#
# <details><summary>Answer</summary>
#
# At upright and level edges one slope is 0, and both agree. At 45° both are $g/\sqrt 2$, and their sum is
# $\sqrt 2\, g$: 41 % too strong. So diagonal edges would stand out for no reason of their own.
#
# </details>

# %%
angles = np.radians(np.arange(0, 91))
excess = abs(np.cos(angles)) + abs(np.sin(angles))
assert np.isclose(excess[[0, 90]], 1).all() and excess.argmax() == 45 and round(excess.max(), 2) == 1.41

# %% [markdown]
# **Predict.** Which of these kernels changes its answer when it is turned by 180°: identity, box blur, sharpening,
# Sobel, Laplace? And how does the answer change? Then try it.

# %% tags=["demo"]
widgets.KernelLab(kernel="Sobel, to the right")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Only Sobel's. The others look the same when they are turned, so that convolution and correlation agree. Sobel's turns
# into its own negative: what was bright becomes dark, and the picture is otherwise the same.
#
# </details>

# %% [markdown]
# ### Exercise: `sobel`
#
# Unscaled, valid, and with the signs as above: `gx` positive where it gets brighter to the right, `gy`
# where it gets brighter downwards.

# %% solution="sobel"
def sobel(image):
    """Sobel's slopes and their length.

    Args:
        image: (H, W).

    Returns:
        (gx, gy, magnitude), each (H - 2, W - 2), dtype of image; the slopes are 8 times those per pixel.

    Raises:
        ValueError: the image is smaller than 3 x 3.
    """
    ### BEGIN SOLUTION
    if min(image.shape) < 3:
        raise ValueError(f"a kernel of 3 x 3 does not fit into {image.shape[0]} x {image.shape[1]}")
    to_right = image[:, 2:] - image[:, :-2]
    down = image[2:] - image[:-2]
    gx = to_right[:-2] + 2 * to_right[1:-1] + to_right[2:]
    gy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    return gx, gy, np.sqrt(gx**2 + gy**2)
    ### END SOLUTION

# %% check="sobel"
check("sobel", sobel)

# %% [markdown]
# **Predict.** Go along a row from left to right, from the sky into the coat. What sign has `gx`? And across
# a leg of the tripod?

# %% tags=["demo", "hide-input"]
gx, gy, magnitude = sobel(photo)
fig, axes = plot.figure(8.6, 5.6, columns=2, rows=2)
plot.image(axes[0, 0], photo, "photograph", gray=True)
plot.image(axes[0, 1], magnitude, "magnitude", limit=2)
plot.image(axes[1, 0], gx, "gx: orange, brighter to the right", limit=2)
plot.image(axes[1, 1], gy, "gy: orange, brighter downwards", limit=2)
plot.show(fig, "The photograph; the magnitude of its gradient, an outline drawing; gx, with upright edges in two colours "
          "and the horizon gone; gy, with the horizon and the shoulders and the tripod faint.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# From the sky into the coat it gets darker: negative, blue. The bright legs of the tripod have both signs
# side by side, brighter, then darker again. And the horizon, which runs along the rows, is missing from
# `gx` and strong in `gy`.
#
# </details>
#
# ## 5 · Curvature
#
# A slope is large all along a ramp. Where exactly does the ramp begin and end? Take the difference of the
# differences: $(x_{i+1} - x_i) - (x_i - x_{i-1}) = x_{i-1} - 2x_i + x_{i+1}$. Along both axes, added up,
# this is the **Laplace filter**:
#
# $$\frac{\partial^2}{\partial x^2} + \frac{\partial^2}{\partial y^2}
#   \;\approx\; \begin{pmatrix}0 & 1 & 0\\ 1 & -4 & 1\\ 0 & 1 & 0\end{pmatrix}$$
#
# **Predict.** Its answer on a plain area, on an even ramp, on a single bright dot in the dark? Does it
# matter here whether we correlate or convolve?
#
# <details><summary>Answer</summary>
#
# 0, 0, and −4 on the dot with +1 at its four neighbours. The ramp is as much brighter on one side of a
# pixel as it is darker on the other. The kernel does not change when it is turned by 180°, so both
# operations give the same: a symmetric kernel cannot tell them apart.
#
# </details>

# %%
laplace = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
assert laplace.sum() == 0 and (to_the_right[0:3, 0:3] * laplace).sum() == 0
assert [(dot[4 + i : 7 + i, 3:6] * laplace).sum() for i in (-2, -1, 0)] == [1, -4, 1]
assert np.array_equal(laplace, laplace[::-1, ::-1])

# %% tags=["demo", "hide-input"]
smooth_edge = 1 / (1 + np.exp(-(np.arange(41) - 20) / 2.5))
curves = {"brightness": (smooth_edge, plot.BLUE), "slope": (np.convolve(smooth_edge, [1, 0, -1], "same") / 2, plot.VERMILION),
          "curvature": (np.convolve(smooth_edge, [1, -2, 1], "same"), plot.GREEN)}
fig, axes = plot.figure(8.6, 2.4, columns=3)
for ax, (name, (curve, colour)) in zip(axes, curves.items(), strict=True):
    ax.plot(range(1, 40), curve[1:-1], color=colour, lw=2)
    ax.axhline(0, color=plot.INK, lw=0.8)
    ax.axvline(20, color="#888888", lw=0.8, ls=":")
    ax.set_title(name, size=10)
    ax.set(xticks=[0, 20, 40], yticks=[0], xlabel="pixel")
plot.show(fig, "Across a soft edge: brightness climbs, the slope has its peak in the middle of the edge, and the "
          "curvature is positive, then negative, and zero exactly in the middle.")

# %% [markdown]
# So an edge is where the slope has a peak, or, put differently, where the curvature **changes its sign**.
#
# ### Exercise: `laplacian`

# %% solution="laplacian"
def laplacian(image):
    """The four neighbours' sum less four times the pixel.

    Args:
        image: (H, W).

    Returns:
        (H - 2, W - 2), dtype of image.

    Raises:
        ValueError: the image is smaller than 3 x 3.
    """
    ### BEGIN SOLUTION
    if min(image.shape) < 3:
        raise ValueError(f"a kernel of 3 x 3 does not fit into {image.shape[0]} x {image.shape[1]}")
    return image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:] - 4 * image[1:-1, 1:-1]
    ### END SOLUTION

# %% check="laplacian"
check("laplacian", laplacian)

# %% [markdown]
# **Predict.** On the photograph: will the lawn be quieter or noisier than under Sobel's filter, compared
# with the edges?
#
# <details><summary>Answer</summary>
#
# Noisier. Every difference amplifies noise, this one takes two, and it has no average in it to make up for
# it. The remedy is to blur first, with the Gaussian of section 2; by the arithmetic of section 3 the two
# can be merged into one kernel, the *Laplacian of a Gaussian*: a spot in a ring of the other sign. Cells in
# the retina have receptive fields of just this kind, as Kuffler found in 1953. Those of unit 01 come after
# them.
#
# </details>

# %% tags=["demo", "hide-input"]
gaussian = kernels["Gaussian, σ = 2"]
merged = convolve2d(np.pad(gaussian, 2), laplace.astype(float))  # padded, so that nothing of the full result is lost
smooth_then_laplace, at_once = laplacian(correlate2d(photo, gaussian)), correlate2d(photo, merged)
assert np.allclose(smooth_then_laplace, at_once)
fig, axes = plot.figure(8.6, 2.5, columns=3, width_ratios=[1, 0.42, 1])
plot.image(axes[0], laplacian(photo), "Laplace", limit=0.6)
plot.image(axes[1], merged, "Laplacian of\na Gaussian, 11 × 11")
plot.image(axes[2], at_once, "with that kernel", limit=0.06)
plot.show(fig, "The Laplacian of the photograph, with a noisy lawn; the merged kernel, a negative spot in a positive ring; "
          "and its result, clean bands of both signs along every edge.")
results = {"gx": gx, "Laplace": laplacian(photo), "Laplacian of a Gaussian": at_once}
noise = {name: np.sqrt((result[lawn] ** 2).mean()) / np.quantile(abs(result), 0.99) for name, result in results.items()}
print("the lawn, against the strongest edges:", ", ".join(f"{name} {value:.0%}" for name, value in noise.items()))
assert noise["Laplace"] > 2 * noise["gx"] and noise["Laplace"] > 2 * noise["Laplacian of a Gaussian"]

# %% [markdown]
# ## 6 · Sharpening
#
# A blur takes detail away. What it takes away is the difference, *original − smoothed*, and you can put
# that on top of the original again:
#
# $$\text{sharpened} = \text{original} + \alpha\,(\text{original} - \text{smoothed}) = (1 + \alpha)\,\text{original} - \alpha\,\text{smoothed}$$
#
# These are the two lines of deck e. With the 3 × 3 mean for the smoothing all of it is a single kernel.
#
# **Predict.** Deck e shows the kernel of the difference, times 9 to get rid of the fractions. What is its
# centre? What do its weights sum to? And what must the weights of the whole sharpening kernel sum to?
#
# <details><summary>Answer</summary>
#
# $9\,(\delta - \text{box})$, with $\delta$ for the kernel that does nothing: 9 − 1 = 8 in the centre and −1
# all round. They sum to 0, for plain areas have no detail. The sharpening kernel
# $\delta + \alpha\,(\delta - \text{box})$ sums to 1, whatever α: plain areas stay as they are.
#
# </details>

# %%
delta = np.zeros((3, 3))
delta[1, 1] = 1
difference = 9 * (delta - box)
assert np.allclose(difference, [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]) and np.isclose(difference.sum(), 0)
for alpha in (0.5, 1, 9):
    assert np.allclose(delta + alpha * (delta - box), (1 + alpha) * delta - alpha * box)
    assert np.isclose((delta + alpha * (delta - box)).sum(), 1)

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(17.8, 5.2)
ninths = lambda kernel: np.array([["1/9"] * 3] * 3) if kernel is box else kernel
plot.grid(ax, delta, (0.6, 1.6), "original", limit=3)
plot.text(ax, 5, 3.1, "−", size=16)
plot.grid(ax, ninths(box), (6.4, 1.6), "smoothed")
plot.text(ax, 10.9, 3.1, "=", size=16)
plot.text(ax, 12.6, 3.1, "1/9 ·", size=12)
plot.grid(ax, difference.round(), (14.2, 1.6), "detail", limit=16)
plot.show(fig, "The kernel that does nothing, a 1 in the middle, minus the box of ninths, is a ninth of the kernel with "
          "8 in the middle and minus 1 around it.")

# %% [markdown]
# ### Exercise: `sharpen`
#
# Watch the alignment: the mean over rows 0 to 2 and columns 0 to 2 belongs to the pixel in their middle.

# %% solution="sharpen"
def sharpen(image, alpha):
    """Put detail on top of an image: image + alpha (image - box3(image)), box3 the mean over 3 x 3 pixels.

    Args:
        image: (H, W).
        alpha: strength; 0 leaves the image as it is.

    Returns:
        (H - 2, W - 2), the region where the mean is defined, dtype of image.

    Raises:
        ValueError: the image is smaller than 3 x 3.
    """
    ### BEGIN SOLUTION
    h, w = image.shape
    if min(h, w) < 3:
        raise ValueError(f"a kernel of 3 x 3 does not fit into {h} x {w}")
    smooth = sum(image[i : h - 2 + i, j : w - 2 + j] for i in range(3) for j in range(3)) / 9
    inside = image[1:-1, 1:-1]
    return inside + alpha * (inside - smooth)
    ### END SOLUTION

# %% check="sharpen"
check("sharpen", sharpen)

# %% [markdown]
# **Predict.** What is `sharpen(photo, -1)`? And what will α = 3 do on both sides of the border between coat
# and sky?
#
# <details><summary>Answer</summary>
#
# With α = −1 the original cancels and the smoothed picture remains: to blur is to sharpen backwards. With a
# large α the dark side of an edge gets darker than the coat and the bright side brighter than the sky.
# Nothing new has been found out about the scene: the filter exaggerates what is there, noise included.
#
# </details>

# %% tags=["demo", "hide-input"]
strengths = (-1, 0, 1, 3)
fig, axes = plot.figure(8.8, 3.9, columns=4, rows=2, height_ratios=[1.3, 1], sharey="row")
line, across = 58, np.arange(118, 171)
for (ax, below), alpha, colour in zip(axes.T, strengths, plot.COLOURS[:4], strict=True):
    result = sharpen(photo, alpha)
    plot.image(ax, np.clip(result, 0, 1)[25:125, 60:180], f"α = {alpha}".replace("-", "−"), gray=True)
    ax.plot(across - 60, np.full(across.size, line - 25), color=colour, lw=1.5)
    below.plot(across, result[line, across], color=colour, lw=1.5)
    below.axhspan(0, 1, color="#888888", alpha=0.15, lw=0)
    below.set(ylim=(-0.5, 1.5), xticks=[], yticks=[0, 1], yticklabels=["black", "white"], xlabel="along the line")
plot.show(fig, "The photographer with alpha minus 1, blurred, 0, as he was, 1, crisp, and 3, harsh with bright and dark seams; "
          "below, the brightness along a row, which at alpha 3 overshoots black and white.")

# %% [markdown]
# ## 7 · The letter "a"
#
# So far nine weights. But a kernel may be a picture itself. Deck e cuts the letter "a" out of a page of
# text, slides it over the page as a kernel, keeps all pixels brighter than a threshold, and presents the
# letters it has found. Let us do the same, on a page that is a little more like life: the light falls off
# towards the lower right, a few words are set in italics, and the heading is white on black.
#
# Ink counts as 1 and white paper as 0, since it is the ink that should match.

# %% tags=["demo"]
page = data.page()
ink = 1 - page
letters = data.page_letters()  # what stands where: for judging the result, not for finding it
first = next(letter for letter in letters if letter.character == "a" and letter.style == "plain")
row, column = round(first.row), round(first.column)
template = ink[row - 6 : row + 7, column - 6 : column + 6]
assert template.shape == (13, 12) and template.size == 156

# %% tags=["demo", "hide-input"]
HALF_H, HALF_W = template.shape[0] / 2, template.shape[1] / 2


def mark(ax, places, colour, lw=1.2):
    """Frame the windows whose upper left corners are at ``places``."""
    h, w = template.shape
    for i, j in places:
        ax.plot([j - 0.5, j + w - 0.5, j + w - 0.5, j - 0.5, j - 0.5], [i - 0.5, i - 0.5, i + h - 0.5, i + h - 0.5, i - 0.5],
                color=colour, lw=lw)


fig, (whole, part) = plot.figure(8.8, 3.9, columns=2, width_ratios=[6.2, 1])
plot.image(whole, page, "the page, 300 × 560", gray=True)
mark(whole, [(row - 6, column - 6)], plot.VERMILION, 2)
plot.image(part, 1 - template, "the kernel,\n13 × 12", gray=True)
plot.show(fig, "A page of text in a serif font that gets darker to the lower right, with a heading in white on a black banner, "
          "and an enlarged letter a cut out of its first line.")

# %% [markdown]
# **Predict.** The deck asks: what happens when we apply this kernel as a linear filter? When is its output
# largest, and when smallest? Think of every part of the page before you answer. How much of the page lies
# above a threshold that no "a" of the running text misses?
#
# <details><summary>Answer</summary>
#
# The output is a sum of products of ink with ink, none of them negative. It is smallest, zero, on blank
# white paper. And it is largest where there is ink under every stroke of the "a": on an "a", one would
# hope, but in the black banner there is just as much of it under the strokes, and more around them: the
# kernel does not mind ink where it has none. And in the dark corner even empty paper counts as half ink:
# the threshold lets through the banner, nearly all print in the shadow, and the corner itself.
#
# </details>

# %% tags=["demo", "hide-input"]
plain_response = correlate2d(ink, template)
running_text = [letter for letter in letters if (letter.character, letter.style) == ("a", "plain")]
at_letters = [plain_response[round(letter.row) - 6, round(letter.column) - 6] for letter in running_text]
marked = plain_response >= min(at_letters)
coloured = np.repeat(page[..., None], 3, axis=2)
middle = coloured[6 : 6 + marked.shape[0], 6 : 6 + marked.shape[1]]
middle[marked] = 0.45 * middle[marked] + 0.55 * np.array([0.84, 0.37, 0])
fig, axes = plot.figure(8.8, 2.7, columns=2)
plot.image(axes[0], plain_response, "response of the linear filter")
plot.image(axes[1], coloured, "above the threshold that finds every a")
plot.show(fig, "The response of the plain filter is largest in the black banner and grows towards the dark corner. Above a threshold "
          "that finds every a of the running text lie the banner, nearly all letters in the shadow, and the dark corner.")
print(f"largest at a letter a: {max(at_letters):.1f}, in the banner: {plain_response.max():.1f}; "
      f"above the threshold: {marked.mean():.0%} of the page")
assert plain_response[:45].max() == plain_response.max() > 1.3 * max(at_letters)

# %% [markdown]
# The page of deck e had neither banner nor shadow. Two repairs make the filter fit for ours.
#
# **Only the pattern counts, not how dark it is.** Subtract from each window its own mean, and from the
# template its own. Then paper that is evenly dark becomes 0 everywhere, and the template has negative
# weights where it wants *no* ink.
#
# **Nor how strong the contrast is.** Divide by the length of the window, as a vector of pixels, and by that
# of the template. What remains is the cosine of the angle between the two vectors, known in statistics as
# the coefficient of correlation:
#
# $$s = \frac{\sum (x - \bar x)(t - \bar t)}{\sqrt{\sum (x - \bar x)^2}\;\sqrt{\sum (t - \bar t)^2}} \;\in\; [-1, 1]$$
#
# **Predict.** What is the score of a window that equals half the template plus 0.3? Of the template's
# negative, as in the banner? Of a window in which all pixels are equal?
#
# <details><summary>Answer</summary>
#
# 1: brightness and contrast are taken out. −1: the deck's question when the output is smallest has got a
# better answer. And 0/0: the formula has none. An even window does not look like the template in any way,
# so the sensible score is 0, and a program has to see to that itself.
#
# </details>

# %%
t = np.array([[0.0, 1, 0], [1, 1, 1]])
for window, expected in ((t, 1), (0.5 * t + 0.3, 1), (-t, -1)):
    assert np.isclose(np.corrcoef(window.ravel(), t.ravel())[0, 1], expected)  # NumPy has it for vectors
flat = np.full((2, 3), 0.25)
assert ((flat - flat.mean()) ** 2).sum() == 0

# %% [markdown]
# ### Exercise: `match_template`

# %% solution="match_template"
def match_template(image, template):
    """Zero-mean normalised cross-correlation.

    Args:
        image: (H, W).
        template: (KH, KW), not all of one value.

    Returns:
        (H - KH + 1, W - KW + 1), from -1 to 1, dtype of image; 0 where all pixels of the window are equal.

    Raises:
        ValueError: the template is higher or wider than the image; the message names the sizes.
    """
    ### BEGIN SOLUTION
    (h, w), (kh, kw) = image.shape, template.shape
    if kh > h or kw > w:
        raise ValueError(f"a template of {kh} x {kw} does not fit into {h} x {w}")
    pattern = template - template.mean()
    pattern = pattern / np.sqrt((pattern**2).sum())
    out = np.zeros((h - kh + 1, w - kw + 1), image.dtype)
    for i in range(h - kh + 1):
        for j in range(w - kw + 1):
            window = image[i : i + kh, j : j + kw]
            window = window - window.mean()
            length = np.sqrt((window**2).sum())
            if length > 0:
                out[i, j] = (window * pattern).sum() / length
    return out
    ### END SOLUTION

# %% check="match_template"
check("match_template", match_template)

# %% [markdown]
# Now to the page. A letter answers at several neighbouring places; only the highest of them, the **peak**,
# counts.

# %% tags=["demo"]
scores = match_template(ink, template)


def peaks(scores, reach=5, least=0.3):
    """Places whose score is the highest within ``reach`` rows and columns."""
    framed = np.pad(scores, reach, constant_values=-1)
    around = np.lib.stride_tricks.sliding_window_view(framed, (2 * reach + 1, 2 * reach + 1))
    return np.argwhere((scores == around.max((2, 3))) & (scores > least))


def letter_at(place):
    """The letter nearest to the middle of the window at a place."""
    y, x = place[0] + HALF_H - 0.5, place[1] + HALF_W - 0.5
    return min(letters, key=lambda letter: (letter.row - y) ** 2 + (letter.column - x) ** 2)


found = [(scores[tuple(place)], letter_at(place), tuple(place)) for place in peaks(scores)]
threshold = 0.8
hits = [place for value, letter, place in found if value > threshold and letter.character == "a"]
false_alarms = [place for value, letter, place in found if value > threshold and letter.character != "a"]
wanted = [letter for letter in letters if letter.character == "a"]
print(f"{len(wanted)} letters a on the page; above {threshold} lie {len(hits)} of them, "
      f"and {len(false_alarms)} other places")

# %% tags=["demo", "hide-input"]
lines = np.s_[66:144, 16:346]
fig, axes = plot.figure(8.8, 9.6, rows=3, height_ratios=[1, 1, 2.1])
shown = np.pad(scores, ((6, 6), (6, 5)), constant_values=0)  # each score at the middle of its window
plot.image(axes[0], page[lines], "three lines", gray=True)
plot.image(axes[1], np.clip(shown[lines], 0, 1), "their score, black up to 0, white at 1", gray=True)
plot.image(axes[2], page, f"score above {threshold}: right in blue, wrong in orange", gray=True)
mark(axes[2], hits, plot.BLUE)
mark(axes[2], false_alarms, plot.VERMILION)
plot.show(fig, f"Three lines of the page and their scores: bright dots on the letters a, grey ones on all others. Below, the page with "
          f"{len(hits)} letters a framed in blue, and {len(false_alarms)} other places framed in orange.")
lowest = np.unravel_index(scores.argmin(), scores.shape)
print(f"the lowest score, {scores.min():.2f}, belongs to a white {letter_at(lowest).character!r} in the banner")
assert letter_at(lowest)[:2] == ("a", "negative")

# %% [markdown]
# The shadow is gone, the banner is gone, and nearly every "a" in the running text is found. But not each of
# the frames holds an "a", and some letters are missing.
#
# **Predict.** Which are missing? Which other letters do you expect to come closest to an "a"? Would a lower
# or a higher threshold mend it?

# %% tags=["demo", "hide-input"]
def best_score(letter, reach=3):
    """The best score of the windows whose middle is near a letter's middle."""
    i, j = round(letter.row - HALF_H), round(letter.column - HALF_W)
    return scores[max(0, i - reach) : i + reach + 1, max(0, j - reach) : j + reach + 1].max()


groups = {}
for letter in letters:
    if letter.character.islower() and (letter.style == "plain" or letter.character == "a"):
        groups.setdefault((letter.character, letter.style), []).append(best_score(letter))
order = [name for name in sorted(groups, key=lambda name: -max(groups[name])) if len(groups[name]) > 1]
scatter = np.random.default_rng(0)
fig, ax = plot.figure(8.8, 3.9)
for position, name in enumerate(order):
    sideways = position + scatter.uniform(-0.22, 0.22, len(groups[name]))
    ax.scatter(sideways, groups[name], s=14, color=plot.BLUE if name[0] == "a" else plot.VERMILION, alpha=0.7, lw=0)
ax.axhline(threshold, color=plot.INK, lw=1, ls="--")
ax.text(len(order) - 0.4, threshold + 0.015, "threshold", ha="right", size=9)
ax.set(xticks=range(len(order)), ylabel="best score at the letter", ylim=(0, 1.02), xlim=(-0.6, len(order) - 0.4))
ax.set_xticklabels([name if style == "plain" else f"{name}\n{style.replace('negative', 'white')}" for name, style in order])
plot.show(fig, "The best score at each letter of the page. Upright a lies highest, from about 0.8 to 1; n, m, e, d and h "
          "reach up to 0.8; a in italics stays below, and a in white on black far below.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Missing are the italic and the white ones, although a reader takes them for "a" without a thought: to a
# filter they are other patterns. Closest come letters that have ink in the same places, an arch on top and
# an upright stroke on the right. And even two upright "a" do not score the same, since they stand at
# different fractions of a pixel; one of them is lost. The scores of right and wrong overlap, so **no
# threshold is right for all**: lower, and more wrong ones come in; higher, and right ones are lost.
#
# One more price is hidden in the scores. Whoever does not mind contrast does not mind its absence either:
# the faint steps in which the shadow falls off are blown up to the contrast of print. Empty paper no longer
# scores 0, but anything from −0.12 to 0.05: harmless here, and no longer so once the threshold is low.
#
# </details>

# %% tags=["demo"]
windows = np.lib.stride_tricks.sliding_window_view(ink, template.shape)
paper = np.ptp(windows, axis=(2, 3)) < 30 / 255  # windows with nothing printed in them, whatever the shadow
assert [scores[paper].min().round(2), scores[paper].max().round(2)] == [-0.12, 0.05]

# %% [markdown]
# This is what it looks like from the filter's side. Where window and template agree, the product is
# positive (orange); where they disagree, negative (blue). The score is the sum of all that.

# %% tags=["demo", "hide-input"]
def best_of(character, style="plain", above=0.0):
    return max((value, place) for value, letter, place in found if (letter.character, letter.style) == (character, style))


candidates = {"a": best_of("a"), "n": best_of("n"), "e": best_of("e"), "o": best_of("o"), "a, italic": best_of("a", "italic"),
              "a, white": (scores[lowest], lowest)}
wanted_ink = template - template.mean()
fig, axes = plot.figure(8.8, 3.6, columns=len(candidates) + 1, rows=2)
plot.image(axes[0, 0], 1 - template, "template", gray=True)
axes[1, 0].set_axis_off()
axes[1, 0].text(0.5, 0.5, "window\ntimes\ntemplate", ha="center", va="center", size=10, transform=axes[1, 0].transAxes)
for (above, below), (name, (value, (i, j))) in zip(axes.T[1:], candidates.items(), strict=True):
    window = ink[i : i + template.shape[0], j : j + template.shape[1]]
    centred = window - window.mean()
    agreement = centred * wanted_ink / (np.linalg.norm(centred) * np.linalg.norm(wanted_ink))
    assert np.isclose(agreement.sum(), value)
    plot.image(above, 1 - (window - window.min()) / np.ptp(window), name, gray=True)
    plot.image(below, agreement, f"{value:.2f}".replace("-", "−"), limit=0.03)
plot.show(fig, "The template and the best matching windows for a, n, e, o, italic a, and the white a with the lowest score; below each, where it agrees "
          "with the template and where not, with the scores.")

# %% [markdown]
# A filter compares; it does not read. It knows one shape at one size in one place relative to its window.
# What it takes to read is more of everything: several filters for the parts of a letter, some tolerance as
# to where the parts are, and a further layer that decides which parts make an "a". That is a convolutional
# network, and nobody has to cut out its templates.

# %% [markdown]
# ## 8 · A filter is a matrix
#
# Every value of a convolution is a weighted sum of pixels. So if you write the picture as one long vector,
# row after row, there must be a matrix that does the whole convolution: $y = T x$. MATLAB has a function to
# make it, `convmtx2`, and deck e shows its manual page.
#
# Here it is for the **full** convolution, which keeps every place where kernel and picture overlap at all,
# $(m + K_H - 1) \times (n + K_W - 1)$ of them.
#
# **Predict.** A picture of 3 × 4, a kernel of 2 × 2. What shape has $T$? How many of its entries are not
# zero? What stands in a column?
#
# <details><summary>Answer</summary>
#
# The output is 4 × 5, so 20 rows and 12 columns. A column belongs to a pixel and says where that pixel
# goes: it is a stamp of the kernel, flattened, with zeros everywhere else. So there are four non-zero
# entries in a column, and 48 of 240 in all.
#
# </details>

# %% tags=["demo"]
stamp = np.array([[1, 2], [3, 4]])
T = oracle.convmtx2(stamp, 3, 4).astype(int)
assert T.shape == (20, 12) and (T != 0).sum() == 48 and T.size == 240

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(27, 14.9)
cell = 0.6
plot.grid(ax, stamp, (0.6, 1.5), "kernel", limit=6)
pixels = plot.grid(ax, np.arange(12).reshape(3, 4), (0.6, 5.6), "pixels, numbered", limit=0)
plot.window(ax, pixels, 1, 1, 1, 1, fill=0.3)
matrix = plot.grid(ax, T, (7.2, 1.5), "T, 20 × 12", False, 6, cell=cell)
for (i, j), value in np.ndenumerate(T):
    if value:
        plot.text(ax, matrix.left + (j + 0.5) * cell, matrix.top + (i + 0.5) * cell, value, size=7)
plot.window(ax, matrix, 0, 5, 20, 1)
plot.text(ax, matrix.left + 5.5 * cell, matrix.bottom + 0.6, "pixel 5", size=9)
plot.window(ax, matrix, 12, 0, 1, 12, plot.BLUE)
plot.arrow(ax, (15, matrix.top + 6), (16.6, 4.6))
landed = plot.grid(ax, T[:, 5].reshape(4, 5), (17.2, 2), "column 5 as a picture, 4 × 5", limit=6)
plot.window(ax, landed, 1, 1, 2, 2, fill=0)
plot.arrow(ax, (15, matrix.top + 7.5), (16.6, 10.9))
seen = plot.grid(ax, T[12].reshape(3, 4), (17.2, 9.4), "row 12 as a picture, 3 × 4", limit=6)
plot.window(ax, seen, 1, 1, 2, 2, plot.BLUE, fill=0)
plot.text(ax, 20.4, 13.1, "the kernel turned round: what output 12 sees", size=9)
plot.text(ax, 20.4, 6.7, "a stamp of the kernel: where pixel 5 goes", size=9)
plot.show(fig, "The 20 by 12 matrix of a full convolution with a 2 by 2 kernel: bands along the diagonal. A column as a picture is "
          "the kernel, stamped; a row as a picture is the kernel turned by 180 degrees.")

# %% [markdown]
# Columns are stamps, rows are windows: the two views of section 3 are the two ways to read a matrix.
#
# **Predict.** How large is the matrix of a 3 × 3 kernel for our photograph? What part of it is zero?
#
# <details><summary>Answer</summary>
#
# It has 202 · 258 rows and 200 · 256 columns: 2.7 billion entries ($2.7 \cdot 10^9$), 21 GB in double precision, of
# which 9 in each column are not zero, one in 5 800. No one stores such a matrix. One thinks with it.
#
# </details>

# %%
entries, filled = (202 * 258) * (200 * 256), 9 * 200 * 256
assert round(entries / 1e9, 1) == 2.7 and round(8 * entries / 1e9) == 21 and round(entries / filled, -2) == 5800

# %% [markdown]
# ### Exercise: `convmtx2`
#
# Flattening is row by row, NumPy's own order (MATLAB's goes column by column).

# %% solution="convmtx2"
def convmtx2(kernel, m, n):
    """The matrix of the full true convolution with a kernel.

    Args:
        kernel: (KH, KW).
        m, n: height and width of the images.

    Returns:
        T, ((m + KH - 1) * (n + KW - 1), m * n), dtype of kernel; T @ image.ravel() is the convolution, flattened.
    """
    ### BEGIN SOLUTION
    kh, kw = kernel.shape
    stamps = np.zeros((m + kh - 1, n + kw - 1, m, n), kernel.dtype)
    for i in range(m):
        for j in range(n):
            stamps[i : i + kh, j : j + kw, i, j] = kernel
    return stamps.reshape(-1, m * n)
    ### END SOLUTION

# %% check="convmtx2"
check("convmtx2", convmtx2)

# %% [markdown]
# One thing you can see in the matrix at once that takes pages without it. Suppose a network has computed
# $y = T x$, and learning wants to know how the loss depends on $x$. With a matrix that is a line of
# calculus: the gradient goes back through the **transpose**,
# $\frac{\partial L}{\partial x} = T^\top \frac{\partial L}{\partial y}$.
#
# **Predict.** The rows of $T^\top$ are the columns of $T$. So what kind of filter is $T^\top$?
#
# <details><summary>Answer</summary>
#
# Its rows, as pictures, are the kernel the right way round: $T^\top$ slides the kernel as it is. The
# transpose of a full convolution is a valid **correlation** with the same kernel. The way back through a
# filter is a filter. Unit 05 derives this term by term, and now you know how it ends.
#
# </details>

# %% tags=["demo"]
T = convmtx2(stamp, 3, 4)
upstream = rng.normal(size=(4, 5))
assert np.allclose((T.T @ upstream.ravel()).reshape(3, 4), correlate2d(upstream, stamp))

# %% tags=["demo", "hide-input"]
some = convmtx2(np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]]), 6, 7)
fig, axes = plot.figure(8.6, 4.6, columns=2, width_ratios=[42, 72])
plot.image(axes[0], some, "T: 72 × 42, convolves")
plot.image(axes[1], some.T, "T transposed: 42 × 72, correlates")
plot.show(fig, "The matrix of a Sobel kernel on 6 by 7 pixels: two bands of blocks, positive and negative, and in each block "
          "a band of three; beside it its transpose.")

# %% [markdown]
# ## 9 · A filter is a product of spectra
#
# Deck e has a third way, for large kernels:
#
# $$f * g = \mathcal F^{-1}\{\mathcal F(f) \cdot \mathcal F(g)\}$$
#
# Take the Fourier transforms of both, multiply them number by number, transform back. The reason is that
# waves are special: a filter can make a wave stronger or weaker and move it along, but a wave of that
# length it remains. In the language of waves, filtering is plain multiplication.
#
# **Spot the error.** Try it with the simplest kernel there is besides none at all: a single 1 that is not
# in the corner. Convolving with it moves the picture. Our photograph, moved 40 down and 80 to the right:
# what should be on the left and on top? What does the formula put there, used as it stands?
#
# <details><summary>Answer</summary>
#
# Nothing should be there, zeros. But the discrete transform takes a picture for one tile of an endless
# wall: left of the left edge the picture goes on with its own right edge. What is pushed out on the right
# comes in again on the left. For arrays, the formula of deck e is **circular** convolution. It becomes the
# ordinary one when both arrays are first filled up with zeros to the size of the *full* result, so that
# what wraps round is zeros.
#
# </details>

# %%
f, g = np.array([1.0, 2, 3, 4]), np.array([0.0, 0, 1, 0])  # g moves f by two
as_printed = np.fft.ifft(np.fft.fft(f) * np.fft.fft(g)).real
filled_up = np.fft.ifft(np.fft.fft(f, 7) * np.fft.fft(g, 7)).real
assert np.allclose(as_printed, [3, 4, 1, 2]) and np.allclose(filled_up, np.convolve(f, g))
assert np.allclose(filled_up, [0, 0, 1, 2, 3, 4, 0])

# %% tags=["demo", "hide-input"]
move = np.zeros((41, 81))
move[40, 80] = 1
wrapped = np.fft.irfft2(np.fft.rfft2(photo) * np.fft.rfft2(move, photo.shape), photo.shape)
fig, axes = plot.figure(8.8, 3.7, columns=2)
plot.image(axes[0], photo, "photograph", gray=True)
plot.image(axes[1], wrapped, "moved by the formula as printed", gray=True)
axes[1].axhline(39.5, color=plot.ORANGE, lw=1.5)
axes[1].axvline(79.5, color=plot.ORANGE, lw=1.5)
plot.show(fig, "The photograph, and the same moved down and to the right: what fell off on the right and below has come in again on "
          "the left and on top.")

# %% [markdown]
# ### Exercise: `fft_convolve2d`
#
# `np.fft.rfft2` and `irfft2` keep real what is real; give both the size of the output with their argument
# `s`. In float32 look at the dtype of the result: older versions of NumPy transform in double precision
# only.

# %% solution="fft_convolve2d"
def fft_convolve2d(image, kernel):
    """The full true convolution, by Fourier transforms.

    Args:
        image: (H, W).
        kernel: (KH, KW), smaller or larger than the image.

    Returns:
        (H + KH - 1, W + KW - 1), real, dtype of image.
    """
    ### BEGIN SOLUTION
    size = (image.shape[0] + kernel.shape[0] - 1, image.shape[1] + kernel.shape[1] - 1)
    spectrum = np.fft.rfft2(image, s=size) * np.fft.rfft2(kernel, s=size)
    return np.fft.irfft2(spectrum, s=size).astype(image.dtype)
    ### END SOLUTION

# %% check="fft_convolve2d"
check("fft_convolve2d", fft_convolve2d)

# %% [markdown]
# The same with your function, and a blur by a box of 41 × 41, with and without the zeros. The dark coat
# touches the left and the lower edge of the picture. Without the zeros it comes in again, blurred, on the
# right and on top.

# %% tags=["demo", "hide-input"]
large_box = np.full((41, 41), 1 / 41**2)
wrapped = np.fft.irfft2(np.fft.rfft2(photo) * np.fft.rfft2(large_box, photo.shape), photo.shape)
results = {"moved, by yours": fft_convolve2d(photo, move), "box 41 × 41, as printed": np.roll(wrapped, (-20, -20), (0, 1)),
           "box 41 × 41, by yours": fft_convolve2d(photo, large_box)[20:220, 20:276]}
fig, axes = plot.figure(8.8, 2.6, columns=3, width_ratios=[1.3, 1.2, 1.2])
for ax, (name, result) in zip(axes, results.items(), strict=True):
    plot.image(ax, result, name, gray=True)
plot.show(fig, "The photograph moved on a larger canvas with black around it; the blur by the formula as printed, bright at the lower edge "
          "of the coat; the blur by the function above, which fades to black at all edges.")

# %% [markdown]
# Does it pay? Three runners on 256 × 256 pixels, with larger and larger kernels:
#
# - **shifts**: a loop over the kernel's weights, each of which multiplies the whole picture at once;
# - **Fourier**: your function;
# - **Fourier, rounded up**: the same, filled up with a few more zeros to the next size that is a product of
#   twos, threes and fives.
#
# **Predict.** Sliding takes $K^2$ multiplications for each pixel. How does the Fourier way depend on $K$?
# At which kernel size, roughly, do the lines cross? And why should more zeros make it faster?

# %% tags=["demo"]
import time

from cnnkit.bars import tqdm


def by_shifts(image, kernel):
    """The full convolution, one weight at a time."""
    h, w = image.shape
    out = np.zeros((h + kernel.shape[0] - 1, w + kernel.shape[1] - 1), image.dtype)
    for (i, j), weight in np.ndenumerate(kernel):
        out[i : i + h, j : j + w] += weight * image
    return out


def smooth_size(n):
    """The next number from n on that has no prime factor but 2, 3 and 5."""
    rest = n
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return n if rest == 1 else smooth_size(n + 1)


def fourier_rounded_up(image, kernel):
    full = [a + b - 1 for a, b in zip(image.shape, kernel.shape, strict=True)]
    more_zeros = [(0, smooth_size(n) - n) for n in full]
    return fft_convolve2d(image, np.pad(kernel, more_zeros))[: full[0], : full[1]]


def best_time(function, *arguments, budget=0.08):
    """Seconds of the fastest call: of as many as fit into the budget, and of one at least."""
    best, begin = np.inf, time.perf_counter()
    while best == np.inf or time.perf_counter() < begin + budget:
        start = time.perf_counter()
        function(*arguments)
        best = min(best, time.perf_counter() - start)
    return best


runners = {"shifts": by_shifts, "Fourier": fft_convolve2d, "Fourier, rounded up": fourier_rounded_up}
sides = (3, 5, 7, 9, 11, 15, 21, 31, 45, 63)
square = rng.normal(size=(256, 256)).astype("float32")
times = {name: [] for name in runners}
for side in tqdm(sides, desc="racing", leave=False):
    kernel = rng.normal(size=(side, side)).astype("float32")
    for name, run in runners.items():
        times[name].append(best_time(run, square, kernel))
    assert np.allclose(by_shifts(square, kernel), fourier_rounded_up(square, kernel), atol=1e-2)


def crossing(name):
    """The kernel side from which on a runner beats shifts, on straight lines between the measured ones; or None."""
    behind = np.log(times[name]) - np.log(times["shifts"])
    if behind[-1] >= 0:
        return None
    last = max((i for i in range(len(sides)) if behind[i] >= 0), default=-1)
    if last < 0:
        return float(sides[0])
    return float(np.exp(np.interp(0, [behind[last + 1], behind[last]], np.log([sides[last + 1], sides[last]]))))


crossings = {name: crossing(name) for name in list(runners)[1:]}
for name, where in crossings.items():
    print(f"{name}: ahead of shifts", f"from a kernel of about {where:.0f} × {where:.0f} on" if where else "nowhere")

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.2, 4.2)
for (name, spent), colour, marker in zip(times.items(), plot.COLOURS[:3], "osD", strict=True):
    ax.loglog(sides, spent, color=colour, marker=marker, lw=2, label=name)
where = crossings["Fourier, rounded up"]
if where:
    height = np.exp(np.interp(np.log(where), np.log(sides), np.log(times["shifts"])))
    ax.plot(where, height, "o", ms=16, mfc="none", mec=plot.INK)
    ax.annotate(f"{where:.0f} × {where:.0f}", (where, height), xytext=(4, -22), textcoords="offset points", ha="left")
ax.set_xticks(sides, sides)
ax.set_yticks([1e-4, 1e-3, 1e-2, 0.1, 1], ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s"])
ax.minorticks_off()
ax.set(xlabel="side of the kernel, in pixels", ylabel="time")
ax.legend(frameon=False)
ax.grid(axis="y", color="#888888", alpha=0.3)
plot.show(fig, "Time against kernel side for a picture of 256 by 256. Shifts climb with the square of the side. Fourier goes up and "
          "down, rounded up it is level." + (f" The lines cross at a side of about {where:.0f}." if where else ""))

# %% [markdown]
# <details><summary>Answer</summary>
#
# Hardly at all. The transforms are as large as the output, which grows a little with the kernel, and cost
# about $N^2 \log N$ steps for $N \times N$ pixels, whatever is in them. That is dear for a 3 × 3 kernel and
# a bargain for one of 63 × 63. The lines cross at kernels of the order of ten pixels; where exactly depends
# on the computer and on who slides. The kernels of networks are mostly 3 × 3, seldom more than 7 × 7. So
# networks slide.
#
# The fast transform splits a size into its factors and works on the parts. A size such as 262 = 2 · 131
# leaves it with a large prime, and large primes are slow. A few more zeros make a better number.
#
# </details>

# %%
assert 256 + 7 - 1 == 262 == 2 * 131 and 270 == 2 * 3**3 * 5

# %% [markdown]
# ## 10 · Equivariance
#
# Everything in this unit has one property in common. Move the picture, and the result moves with it, and
# does not change otherwise. Deck e notes it as "shifted input → shifted output". The word is
# **equivariance**: a layer $f$ is equivariant under a shift if it does not matter whether one shifts before
# or after it,
#
# $$f(\operatorname{shift}(x)) = \operatorname{shift}(f(x))$$
#
# To have the shift leave nothing out and bring nothing new in, let it be circular: `np.roll`, in which what
# goes out on one side comes in on the other.
#
# **Predict.** Which of these are equivariant: squaring every pixel; a convolution with zeros around the
# border; one that wraps round; making the picture brighter to the right; leaving out every second row and
# column; a fully connected layer?
#
# <details><summary>Answer</summary>
#
# Squaring, yes: each pixel is treated alike. The convolution that wraps round, yes, exactly. With zeros
# around, all but the border. Brighter to the right, no: it knows where it is. Leaving out every second,
# only for shifts by an even number, and then the output moves by half as much. A fully connected layer, no:
# it has separate weights for each pixel, and no reason to treat them alike.
#
# </details>

# %%
picture = rng.normal(size=(6, 8))
moved = np.roll(picture, (2, 4), (0, 1))
assert np.array_equal(moved**2, np.roll(picture**2, (2, 4), (0, 1)))
assert np.array_equal(moved[::2, ::2], np.roll(picture[::2, ::2], (1, 2), (0, 1)))  # half as far
odd = np.roll(picture, (0, 1), (0, 1))
assert not any(np.array_equal(odd[::2, ::2], np.roll(picture[::2, ::2], s, 1)) for s in range(4))

# %% [markdown]
# ### Exercise: `equivariance_error`
#
# A number for it: by how much the two sides differ, at the worst pixel. Here the layer is an argument: a
# function from a batch of images to a batch of images.

# %% solution="equivariance_error"
def equivariance_error(layer, x, dy, dx):
    """The largest difference between shifting before and after a layer.

    Args:
        layer: a function from (N, C, H, W) to (N, C', H', W').
        x: images (N, C, H, W).
        dy, dx: circular shift down and to the right, in pixels; may be negative, or larger than the image.

    Returns:
        float: max abs(layer(roll(x)) - roll(layer(x))).
    """
    ### BEGIN SOLUTION
    def roll(images):
        return np.roll(images, (dy, dx), axis=(2, 3))

    return float(np.abs(layer(roll(x)) - roll(layer(x))).max())
    ### END SOLUTION

# %% check="equivariance_error"
check("equivariance_error", equivariance_error)

# %% [markdown]
# And now two networks. Both get pictures of a single shape, a disc, a square or a diamond, and are to draw
# its outline. Both train on the same pictures, and in all of these **the shape is in the left half**.
#
# One is a ConvNet of two layers with 3 × 3 kernels that wrap round at the border, as `np.roll` does. (With
# zeros it would fail there, as you have just seen.) The other is an **MLP**, a multi-layer perceptron: every
# pixel is connected to 256 hidden units, and these to every output pixel.
#
# **Predict.** After training, both get a shape in the *right* half. What does each of them draw?

# %% tags=["demo"]
import torch

torch.manual_seed(0)
draw = np.random.default_rng(1)
torch.set_num_threads(1)  # networks as small as these gain nothing from a second one
HEIGHT, WIDTH = 16, 32


def shapes_and_outlines(count, left, right):
    """Random shapes with their middles between two columns, and their outlines: (count, 1, HEIGHT, WIDTH)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    distances = (np.hypot, lambda dy, dx: np.maximum(abs(dy), abs(dx)), lambda dy, dx: (abs(dy) + abs(dx)) / 1.3)
    filled = np.zeros((count, 1, HEIGHT, WIDTH), "float32")
    for image in filled:
        kind, radius = draw.integers(3), draw.uniform(2.5, 4.5)
        image[0] = distances[kind](y - draw.uniform(6, HEIGHT - 7), x - draw.uniform(left, right)) < radius
    framed = np.pad(filled, ((0, 0), (0, 0), (1, 1), (1, 1)))
    neighbours = [framed[:, :, i : i + HEIGHT, j : j + WIDTH] for i, j in ((0, 1), (2, 1), (1, 0), (1, 2))]
    return filled, filled * (1 - np.minimum.reduce(neighbours))


networks = {
    "ConvNet": torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1, padding_mode="circular"), torch.nn.ReLU(),
        torch.nn.Conv2d(8, 1, 3, padding=1, padding_mode="circular")),
    "MLP": torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(HEIGHT * WIDTH, 256), torch.nn.ReLU(),
        torch.nn.Linear(256, HEIGHT * WIDTH), torch.nn.Unflatten(1, (1, HEIGHT, WIDTH))),
}
parameters = {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
assert parameters == {"ConvNet": 153, "MLP": 262_912}
train_x, train_y = (torch.from_numpy(a) for a in shapes_and_outlines(4000, 6, 10))
for name, network in networks.items():
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01 if name == "ConvNet" else 0.003)
    for _ in tqdm(range(400), desc=name, leave=False):
        batch = torch.from_numpy(draw.integers(0, len(train_x), 32))
        loss = torch.nn.functional.mse_loss(network(train_x[batch]), train_y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def as_layer(network):
    """A network as a function from NumPy to NumPy."""
    def layer(x):
        with torch.no_grad():
            return network(torch.from_numpy(np.ascontiguousarray(x))).numpy()
    return layer


new_x, new_y = shapes_and_outlines(200, 6, 10)
moved_x, moved_y = (np.roll(a, 14, axis=3) for a in (new_x, new_y))
errors = {}  # squared, as a share of the outline's own square: a blank page has 100 %
for name, network in networks.items():
    layer = as_layer(network)
    on_the_left = ((layer(new_x) - new_y) ** 2).sum() / (new_y**2).sum()
    on_the_right = ((layer(moved_x) - moved_y) ** 2).sum() / (moved_y**2).sum()
    errors[name] = on_the_left, on_the_right
    print(f"{name:8}{parameters[name]:8,} parameters   error on the left {on_the_left:6.1%}, on the right {on_the_right:6.1%}   "
          f"equivariance error {equivariance_error(layer, new_x, 0, 14):.1g}")
assert np.allclose(errors["ConvNet"], 0.03, atol=0.02) and np.ptp(errors["ConvNet"]) < 1e-3
assert errors["MLP"][0] < 0.12 and errors["MLP"][1] > 1

# %% tags=["demo", "hide-input"]
shifts = {"where they were trained": 0, "7 pixels on": 7, "14 pixels on": 14}
fig, axes = plot.figure(8.8, 4.9, columns=3, rows=3)
for column, (title, shift) in zip(axes.T, shifts.items(), strict=True):
    one = np.roll(new_x[:1], shift, axis=3)
    plot.image(column[0], one[0, 0], title, limit=1)
    for ax, network in zip(column[1:], networks.values(), strict=True):
        plot.image(ax, as_layer(network)(one)[0, 0], limit=1)
for ax, label in zip(axes[:, 0], ("picture", *networks), strict=True):
    ax.set_ylabel(label)
plot.show(fig, "A shape in the left half, in the middle and in the right half. The ConvNet draws the same outline each time; the "
          "MLP draws it well on the left, and something broken further to the right.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The ConvNet has learned what an outline is, and since it uses the same weights everywhere, it knows it
# everywhere: its drawing is shifted, and otherwise the same, with an error of some 3 % on either side. The
# MLP has learned an outline *in the left half*, with an error of about 6 %. Its weights from the right half
# have never seen anything but zeros, and have not changed since they were drawn at random. There its error
# is over 100 %, worse than a blank page. It would have to learn every shape anew at every place.
#
# Equivariance is not learned here, it is built in. It saves learning the same thing once for every place,
# and the parameters to keep it in: the ConvNet has 153, the MLP 262 912.
#
# </details>
#
# ## What to keep
#
# - A kernel tells what it does: sum 1 keeps plain areas, sum 0 removes them; a minus beside a plus looks
#   for a change.
# - Correlation slides the kernel as it is, convolution turns it by 180° first and stamps. Networks
#   correlate, and say convolve. A dot or a ramp shows which one you have before you.
# - Sobel: slopes. Laplace: curvature, with zeros on the edges. Sharpening: the detail put on top once more.
# - A template finds what resembles it, pixel by pixel. Take out mean and contrast before you compare, mind
#   the flat windows, and do not take a high score for understanding.
# - A filter is a matrix, $T$, and its transpose is a filter too, the one through which gradients return.
# - A filter is a product of spectra, if you fill up with zeros. It pays for large kernels only.
# - Filters are equivariant: they do everywhere what they do anywhere.
#
# ### Where the facts come from
#
# - **Deck c**: *Lecture 5: Convolutional Neural Networks*, from CS231n of Stanford University: the
#   definition in section 3.
# - **Deck e**: *Deep Learning, Lecture 4: Convolutional Neural Networks 1*, Joakim Lindblad, Uppsala
#   University: correlation, the kernels of sections 4 to 6, the letter "a", `convmtx2`, the Fourier
#   formula, equivariance.
# - The photograph is by Lav Varshney, dedicated to the public domain (CC0), from the package scikit-image;
#   `data/README.md` says what was done to it. The page is our own.
# - Sobel presented his operator in a talk in 1968; he tells its story in *History and definition of the
#   so-called "Sobel operator"*, 2014.
# - Kuffler, *Discharge patterns and functional organization of mammalian retina*, Journal of
#   Neurophysiology 16, 1953: section 5.
# - Marr and Hildreth, *Theory of edge detection*, Proceedings of the Royal Society B 207, 1980: the
#   Laplacian of a Gaussian, and edges as its changes of sign.
# - Lewis, *Fast normalized cross-correlation*, 1995: how to do section 7 without looping over windows.
# - Cooley and Tukey, *An algorithm for the machine calculation of complex Fourier series*, Mathematics of
#   Computation 19, 1965: the fast transform.
# - The manual of MATLAB's [`convmtx2`](https://www.mathworks.com/help/images/ref/convmtx2.html).
# - Cohen and Welling, [*Group equivariant convolutional networks*](https://arxiv.org/abs/1602.07576), 2016:
#   equivariance to turns and reflections as well.
