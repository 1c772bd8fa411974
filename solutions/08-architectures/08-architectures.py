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
# # Unit 08 · Architectures
#
# Every network in this unit is made of layers that you know: convolution, ReLU, pooling, a matrix at the end.
# What changed between 1998 and 2017 is how they are put together. Each of these networks answered one question
# that the one before had left open, and most of the answers can be counted.
#
# So this unit counts. You build four networks and five blocks; the networks have to come out right to the last
# parameter. On the way you check the tables of the lectures. Not all of them add up.
#
# **After this unit you can**
#
# - read a table of layers and complete it: shapes, parameters, multiply-adds, memory, receptive field;
# - build LeNet-5, AlexNet, ZFNet and VGG in torch and say where their parameters are;
# - say what an Inception branch, a shortcut, a group, a dense connection and a gate each buy, and build them;
# - turn a classifier into a scanner that slides over a larger picture;
# - score a classifier by its best five guesses, and let it vote over ten crops.
#
# | | |
# |:--|:--|
# | **Time** | about 200 minutes: 80 to read and predict, 120 for fourteen exercises. Sections 6 and 9 are good places to break off. |
# | **You need** | output sizes and parameters (unit 03), pooling and softmax (unit 06), and `torch.nn`: a module, `forward`, `nn.Sequential`. None of their exercises. |
# | **Layout** | pictures `x: (N, C, H, W)`. A network here ends in scores `(N, classes)`, without a softmax. |
#
# The checks look at what your modules do, not at how they are written: `nn.Sequential` or a class of your own,
# any names, layers or functions. They set your parameters, run the module, and count. Decide on an answer to
# each **Predict** before you unfold ours.

# %%
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cnnkit import check, models, shapes

_ = torch.manual_seed(8)

# %% tags=["demo"]
from cnnkit import data, oracle, plot, train, widgets

# %% [markdown]
# ## 1 · The challenge: five guesses
#
# From 2010 to 2017 there was a yearly competition, the ImageNet Large Scale Visual Recognition Challenge
# (**ILSVRC**): 1.2 million training pictures, 1000 classes, 100 000 test pictures (in 2010, 150 000). Many show several
# things and have one label, so a network was allowed **five guesses**. It is wrong where the label is among
# none of them: the **top-5 error**.
#
# Here are the winners, each with its error on the **test** pictures of its year and where the figure stands. All of
# the networks among them are several, whose answers were averaged. None of these figures can be computed in this
# notebook; where later ones cannot either, the lesson names the paper and the table.

# %%
winners = [
    # year, team or network, top-5 error in % on that year's test pictures, where the figure stands
    (2010, "NEC-UIUC", 28.2, "results page: 0.28191"),
    (2011, "XRCE", 25.8, "results page: 0.25770"),
    (2012, "AlexNet", 16.4, "results page: 0.16422, five networks; 0.15315 with more training data, seven"),
    (2013, "Clarifai", 11.7, "results page: 0.11743; 0.11197 with more training data"),
    (2014, "GoogLeNet", 6.7, "Szegedy et al., table 2: 6.67, seven networks; VGG came second with 7.3"),
    (2015, "ResNet", 3.57, "He et al., table 5: six networks"),
    (2016, "Trimps-Soushen", 2.99, "results page: 0.02991"),
    (2017, "SENet", 2.25, "Hu et al., abstract: 2.251"),
]
person = 5.1  # one of two people who trained for it, on 1500 pictures; the other had 12.0: Russakovsky et al., table 6

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.4, 3.4)
years = [year for year, *_ in winners]
errors = [error for _, _, error, _ in winners]
deep = [year >= 2012 for year in years]
ax.bar(years, errors, color=[plot.BLUE if d else plot.ORANGE for d in deep], width=0.65)
for year, name, error, _ in winners:
    inside = error < person  # so that the line does not cross the number
    ax.text(year, error + (-0.4 if inside else 0.5), f"{error:g}", ha="center", va="top" if inside else "bottom",
            color=plot.PAPER if inside else plot.INK, size=9)
    ax.text(year, -2.2, name, ha="center", size=8.5)
ax.axhline(person, color=plot.VERMILION, lw=1.4, ls="--")
ax.text(2017.45, person + 0.5, f"one person: {person}", ha="right", size=9)
ax.text(2010.5, 31.5, "features made by hand", ha="center", size=9)
ax.text(2014.5, 14.5, "networks that learn them", ha="center", size=9)
ax.set(ylabel="top-5 error, %", xticks=years, ylim=(0, 34), xlim=(2009.5, 2017.5))
ax.tick_params(axis="x", pad=14)
plot.show(fig, "Top-5 error of the winners of ILSVRC by year: 28.2 and 25.8 per cent in 2010 and 2011 with features made by hand; "
          "16.4, 11.7, 6.7, 3.57, 2.99 and 2.25 from 2012 to 2017 with networks. A line marks one person's 5.1 per cent.")

# %% [markdown]
# The second best of 2012, the best method without a network, had 26.2. That gap of ten points is the event that
# decks a to d all tell. Three remarks on figures of this kind:
#
# - Deck d gives AlexNet **18.2** for one network and **15.4** for seven. Both are on the *validation* pictures
#   (table 2 of its paper), and two of the seven had first been trained on more data. On the test pictures the seven
#   had 15.3, and the five that saw the challenge's data only 16.4. None of the four is wrong, but a number without its
#   set and its number of networks says little.
# - Deck d lets ZFNet bring this down from 15.4 to 14.8. The second is on test pictures, for six networks, two kinds
#   mixed (table 2 of its paper); on these, AlexNet's figure is the 15.3.
# - Deck d gives ResNet "**< 3.5 %**" as the "current" error. The paper has 3.57, for an ensemble of six.

# %% [markdown]
# ### Exercise: `top_k_accuracy`
#
# Top-5 error is 1 minus top-5 accuracy. NumPy, no torch.

# %% solution="top_k_accuracy"
def top_k_accuracy(scores, y, k):
    """How often the right class is among the k with the highest scores.

    Args:
        scores: (N, classes).
        y: the right classes (N,), whole numbers.
        k: how many guesses.

    Returns:
        A float from 0 to 1.
    """
    ### BEGIN SOLUTION
    guesses = np.argsort(scores, axis=1)[:, -k:]
    right = (guesses == y[:, None]).any(axis=1)
    return float(right.mean())
    ### END SOLUTION

# %% check="top_k_accuracy"
check("top_k_accuracy", top_k_accuracy)

# %% [markdown]
# **Predict.** A network that guesses blindly, with 1000 classes: what is its top-1 accuracy, and its top-5?
#
# <details><summary>Answer</summary>
#
# One in 1000 and five in 1000. Five guesses help a good network far more than a blind one.
#
# </details>

# %% tags=["demo"]
rng = np.random.default_rng(8)
blind, labels = rng.standard_normal((20_000, 1000)), rng.integers(0, 1000, 20_000)
of_right = blind[np.arange(20_000), labels]
rank = (blind > of_right[:, None]).sum(axis=1)
print(f"top 1: {(rank < 1).mean():.4f}, top 5: {(rank < 5).mean():.4f}")
assert abs((rank < 5).mean() - 0.005) < 0.002

# %% [markdown]
# ## 2 · A network as a table
#
# To compare networks you need a table: for each layer what it puts out and what it holds. Units 03 and 06 have
# the rules:
#
# | layer | output | parameters |
# |:--|:--|:--|
# | convolution, $F$ filters of $k \times k$ | $F \times \lfloor (n + 2p - k)/s \rfloor + 1$ on each side | $F\,(\frac{C}{g} k^2 + 1)$ |
# | pooling, $k \times k$ | $C \times \lfloor (n - k)/s \rfloor + 1$ on each side | 0 |
# | fully connected, $U$ units | $U$ | $U\,(\text{all inputs} + 1)$ |
#
# With $g$ **groups** the channels are dealt out: each filter sees only $C/g$ of them.
#
# **Predict.** The network of Karpathy's ConvNetJS demo, which decks a, c and d all show: pictures of 32 × 32 ×
# 3; three times a convolution with 5 × 5 filters (16, 20, 20 of them, padded by 2) and a pooling that halves;
# then 10 units. How many parameters has its first layer? Which layer has most?
#
# <details><summary>Answer</summary>
#
# 16 · (75 + 1) = 1216. Most are in the third convolution, 20 · (500 + 1) = 10 020. The last layer has 10 · (20
# · 4 · 4 + 1) = 3210.
#
# </details>

# %%
first, second, third, last = 16 * (5 * 5 * 3 + 1), 20 * (5 * 5 * 16 + 1), 20 * (5 * 5 * 20 + 1), 10 * (20 * 4 * 4 + 1)
assert first == 1216
assert first + second + third + last == models.count_parameters(models.convnetjs()) == 22_466

# %% [markdown]
# ### Exercise: `layer_table`
#
# Plain Python. A network is a list of tuples:
#
# - `("conv", filters, k, stride, pad, groups)`, where stride, pad and groups may be left out from the end: they
#   are 1, 0 and 1 then;
# - `("pool", k, stride)`;
# - `("fc", units)`, which flattens what it gets.
#
# Names number the layers of a kind: `conv1`, `pool1`, `conv2`, `fc1`.

# %% solution="layer_table"
def layer_table(layers, input_shape):
    """What each layer of a network puts out and how many parameters it has.

    Args:
        layers: tuples as above, from input to output.
        input_shape: (C, H, W).

    Returns:
        A list of rows (name, output shape, parameters), the shape (C, H, W) or, after "fc", (units,).

    Raises:
        ValueError: a window is larger than the padded map that it should slide over.
    """
    ### BEGIN SOLUTION
    def side(n, k, stride, pad):
        if k > n + 2 * pad:
            raise ValueError(f"a window of {k} does not fit into {n} + 2 * {pad}")
        return (n + 2 * pad - k) // stride + 1

    rows, shape, numbers = [], tuple(input_shape), {}
    for kind, *how in layers:
        if kind == "conv":
            filters, k, stride, pad, groups = how + [1, 0, 1][len(how) - 2 :]
            parameters = filters * (shape[0] // groups * k * k + 1)
            shape = (filters, side(shape[1], k, stride, pad), side(shape[2], k, stride, pad))
        elif kind == "pool":
            k, stride = how
            parameters = 0
            shape = (shape[0], side(shape[1], k, stride, 0), side(shape[2], k, stride, 0))
        else:
            parameters = how[0] * (math.prod(shape) + 1)
            shape = (how[0],)
        numbers[kind] = numbers.get(kind, 0) + 1
        rows.append((f"{kind}{numbers[kind]}", shape, parameters))
    return rows
    ### END SOLUTION

# %% check="layer_table"
check("layer_table", layer_table)

# %% [markdown]
# `cnnkit.shapes.table` does the same and knows more: **multiply-adds** (how often a weight is multiplied with
# something and added: the work), the **memory** of each output in float32, the **receptive field** (unit 03)
# and the **jump**, which is how many pixels of the input lie between two neighbouring outputs.

# %%
def show_table(layers, input_shape):
    """Print the table of a network and its sums."""
    rows = shapes.table(layers, input_shape)
    print(f"{'layer':<7}{'output':>15}{'parameters':>13}{'multiply-adds':>16}{'memory, KiB':>13}{'sees':>7}{'jump':>6}")
    for row in rows:
        output = " × ".join(map(str, row.shape))
        print(f"{row.name:<7}{output:>15}{row.parameters:>13,}{row.multiply_adds:>16,}"
              f"{row.memory / 1024:>13,.1f}{row.field:>7}{row.jump:>6}")
    work = sum(row.multiply_adds for row in rows)
    memory = sum(row.memory for row in rows) / 1024
    print(f"{'sum':<7}{'':>15}{sum(row.parameters for row in rows):>13,}{work:>16,}{memory:>13,.1f}")
    return rows


_ = show_table(*shapes.PRESETS["ConvNetJS"])

# %% [markdown]
# ## 3 · LeNet-5: where the 60 000 went
#
# LeCun's LeNet-5 of 1998 reads digits of 32 × 32:
#
# | | layer | output |
# |:--|:--|:--|
# | C1 | convolution, 6 filters of 5 × 5 | 6 × 28 × 28 |
# | S2 | subsampling, 2 × 2 | 6 × 14 × 14 |
# | C3 | convolution, 16 filters of 5 × 5 | 16 × 10 × 10 |
# | S4 | subsampling, 2 × 2 | 16 × 5 × 5 |
# | C5 | convolution, 120 filters of 5 × 5 | 120 × 1 × 1 |
# | F6 | fully connected, 84 units | 84 |
# | | output, 10 units | 10 |
#
# The paper says 60 000 trainable parameters. In the paper, three things differ from what one would write today:
#
# - a subsampling layer multiplies each map's means by a weight and adds a bias, both learned;
# - of C3's 16 filters, six see three of the maps below, nine see four, and one sees all six;
# - the 10 outputs compare F6 with fixed pictures of the digits, and learn nothing.
#
# **Predict.** Count C1, S2, C3, S4, C5 and F6 as the paper has them. Do you reach 60 000?
#
# <details><summary>Answer</summary>
#
# Exactly 60 000: 156 + 12 + 1516 + 32 + 48 120 + 10 164. With plain subsampling, all of C3 connected and 10
# trained outputs it becomes 61 706, the number that most libraries report.
#
# </details>

# %%
c1 = 6 * (25 + 1)
s2 = 6 * 2
c3 = 6 * (3 * 25 + 1) + 9 * (4 * 25 + 1) + 1 * (6 * 25 + 1)
s4 = 16 * 2
c5 = 120 * (16 * 25 + 1)
f6 = 84 * (120 + 1)
assert (c1, s2, c3, s4, c5, f6) == (156, 12, 1516, 32, 48_120, 10_164)
assert c1 + s2 + c3 + s4 + c5 + f6 == 60_000
assert c1 + 16 * (6 * 25 + 1) + c5 + f6 + 10 * (84 + 1) == 61_706

# %% [markdown]
# ### Exercise: `lenet5`
#
# Build today's version, for pictures `(N, 1, 32, 32)`, unpadded. C3 sees all six maps, the subsampling layers
# hold no parameters, and ten scores come out. After C1, C3, C5 and F6 there is a non-linearity: take tanh as
# the paper does, or ReLU. Subsample by the mean or by the maximum. Nothing follows the last layer.
#
# 61 706 parameters, all with biases.

# %% solution="lenet5"
def lenet5():
    """LeNet-5 with full connections.

    Returns:
        An nn.Module from (N, 1, 32, 32) to scores (N, 10), with 61706 parameters.
    """
    ### BEGIN SOLUTION
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),  # C5: its window covers the whole map
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )
    ### END SOLUTION

# %% check="lenet5"
check("lenet5", lenet5)

# %% [markdown]
# Is C5 a convolution or a fully connected layer? On 32 × 32 pictures it is both: its window is as large as the
# map. Section 5 makes use of that.

# %%
_ = show_table(*shapes.PRESETS["LeNet-5"])

# %% [markdown]
# ## 4 · AlexNet: read the slide again
#
# AlexNet (2012) is LeNet with more of everything: 227 × 227 colour pictures, five convolutions, three fully
# connected layers, 1000 classes, ReLU in place of tanh. It was too large for one GPU, so layers 2, 4 and 5 were
# cut into two **groups**, one on each.
#
# **Predict.** Take a layer with 8 channels in and 8 filters. With 1 × 1 windows it is a matrix, a row for each
# filter and a column for each channel. What does that matrix look like with two groups, and with four? What part
# of the weights is left?
#
# <details><summary>Answer</summary>
#
# Blocks along the diagonal, one for each group: a filter reads the channels of its own group and no others. Half of
# the weights are left with two groups, a quarter with four; in general $1/g$ of them. Larger windows change nothing
# about that, since each square of the picture then stands for $k \times k$ weights.
#
# </details>

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(27, 9.2)
for number, groups_ in enumerate((1, 2, 4)):
    connected = np.kron(np.eye(groups_), np.ones((8 // groups_, 8 // groups_)))
    left, of_each = shapes.conv_params(8, 8, 1, bias=False, groups=groups_), 8 // groups_
    assert connected.sum() == left == 64 / groups_
    title = f"{groups_} group{'s' * (groups_ > 1)}: {left} of 64 weights"
    matrix = plot.grid(ax, 0 * connected, (2.7 + 8.3 * number, 1.9), title, numbers=False, limit=1, cell=0.75)
    for group in range(groups_):
        plot.window(ax, matrix, group * of_each, group * of_each, of_each, of_each, plot.COLOURS[group], fill=0.25)
    plot.text(ax, matrix.x, 8.5, "channels", size=9)
    ax.text(matrix.left - 0.6, matrix.y, "filters", size=9, rotation=90, ha="center", va="center")
plot.show(fig, "Which of eight filters, the rows, reads which of eight channels, the columns. In one group each reads all: 64 weights. In two "
          "groups two blocks of 4 by 4 are left along the diagonal, 32 weights; in four groups four blocks of 2 by 2, 16 weights.")

# %% [markdown]
# Deck d has AlexNet twice: as a list, and as a table with parameters.
#
# **Spot the error, 1.** The list says: Conv2, 256 filters of 5 × 5, *stride 2*, zero pad. The table says stride
# 1, pad 2, and 27 × 27 before and after. Which is right?
#
# <details><summary>Answer</summary>
#
# The table. With stride 2 and pad 2, 27 becomes 14, and everything after it shrinks.
#
# </details>

# %%
assert shapes.conv_output_size(227, 11, stride=4) == 55  # deck d: (227 - 11) / 4 + 1
assert shapes.conv_output_size(27, 5, stride=1, pad=2) == 27
assert shapes.conv_output_size(27, 5, stride=2, pad=2) == 14

# %% [markdown]
# **Spot the error, 2.** The table's parameters: CONV1 35K, CONV2 307K, CONV3 884K, CONV4 1.3M, CONV5 442K, FC6
# 37M, FC7 16M, FC8 4M. They do not belong to one network. Which number is the odd one out? And what do all of
# them leave out?
#
# <details><summary>Answer</summary>
#
# CONV4. Two groups halve the weights of layers 2, 4 and 5. 307K and 442K are halved, 1.3M is not: grouped it
# would be 664K. And the counts are weights alone; 35K is 11 · 11 · 3 · 96 = 34 848, with biases 34 944.
#
# </details>

# %%
def weights(c_in, c_out, k, groups=1):
    return shapes.conv_params(c_in, c_out, k, bias=False, groups=groups)


assert weights(3, 96, 11) == 34_848 and shapes.conv_params(3, 96, 11) == 34_944
print(f"CONV2: {weights(96, 256, 5):>9,} in one group, {weights(96, 256, 5, 2):>7,} in two")
print(f"CONV4: {weights(384, 384, 3):>9,} in one group, {weights(384, 384, 3, 2):>7,} in two")
print(f"CONV5: {weights(384, 256, 3):>9,} in one group, {weights(384, 256, 3, 2):>7,} in two")
assert weights(96, 256, 5, 2) == 307_200 and weights(384, 256, 3, 2) == 442_368
assert weights(384, 384, 3) == 1_327_104 and weights(384, 384, 3, 2) == 663_552

# %% [markdown]
# **Spot the error, 3.** The deck computes with 227 × 227; the caption of the paper's figure, which it also
# shows, says 224 × 224. Try 224 in the formula.
#
# <details><summary>Answer</summary>
#
# (224 − 11)/4 + 1 = 54.25. Rounded down it would be 54, but all tables have 55. 227 gives 55 with nothing left
# over. 224 gives 55, too, if it is padded by 2 and rounded down; the paper does not mention any padding.
#
# </details>

# %%
print((224 - 11) / 4 + 1, (227 - 11) / 4 + 1)
assert shapes.conv_output_size(224, 11, stride=4) == 54
assert shapes.conv_output_size(224, 11, stride=4, pad=2) == 55

# %% [markdown]
# **Predict.** Which padding makes 224 fit exactly, with no column left over? Is there one? Try it here; the calculator
# hatches what no window sees.

# %% tags=["demo"]
widgets.SizeCalculator(n=224, k=11, stride=4, pad=2, c_in=3, c_out=96)

# %% [markdown]
# <details><summary>Answer</summary>
#
# None: 224 + 2P − 11 is odd for every whole P, and 4 divides no odd number. With P = 2 one column is left over. Padding
# on one side only, by three, would do it, or 227 pixels.
#
# </details>

# %%
assert not any(shapes.conv_fits(224, 11, stride=4, pad=p) for p in range(12))
assert shapes.conv_fits(224 + 3, 11, stride=4)

# %% [markdown]
# ### Exercise: `alexnet`
#
# For pictures `(N, 3, 227, 227)`:
#
# | | layer | output |
# |:--|:--|:--|
# | 1 | 96 filters of 11 × 11, stride 4, no padding | 96 × 55 × 55 |
# | | max pooling, 3 × 3, stride 2 | 96 × 27 × 27 |
# | 2 | 256 filters of 5 × 5, pad 2, in `groups` groups | 256 × 27 × 27 |
# | | max pooling, 3 × 3, stride 2 | 256 × 13 × 13 |
# | 3 | 384 filters of 3 × 3, pad 1 | 384 × 13 × 13 |
# | 4 | 384 filters of 3 × 3, pad 1, in `groups` groups | 384 × 13 × 13 |
# | 5 | 256 filters of 3 × 3, pad 1, in `groups` groups | 256 × 13 × 13 |
# | | max pooling, 3 × 3, stride 2 | 256 × 6 × 6 |
# | 6, 7 | fully connected, 4096 units each | 4096 |
# | 8 | fully connected, 1000 units | 1000 |
#
# ReLU after layers 1 to 7, none after 8. Everything has biases. Dropout of .5 before layers 6 and 7 belongs to
# the paper; whether you write it does not matter to the check, nor does response normalisation after layers 1
# and 2, which deck d calls unnecessary.
#
# The check does not compute with 60 million numbers. It lets each of your layers put out a known pattern, looks
# at what the next one is given, and counts.

# %% solution="alexnet"
def alexnet(groups=2):
    """AlexNet.

    Args:
        groups: groups of convolutions 2, 4 and 5.

    Returns:
        An nn.Module from (N, 3, 227, 227) to scores (N, 1000): 60965224 parameters with two groups, 62378344 with one.
    """
    ### BEGIN SOLUTION
    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=groups), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=groups), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=groups), nn.ReLU(), nn.MaxPool2d(3, 2)),
        nn.Flatten(),
        *(nn.Dropout(0.5), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
        *(nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU()),
        nn.Linear(4096, 1000),
    )
    ### END SOLUTION

# %% check="alexnet"
check("alexnet", alexnet)

# %% [markdown]
# **Predict.** Two questions about this table before you print it. Which part of the *parameters* is in the
# three fully connected layers? And which part of the *work*?

# %%
alexnet_rows = show_table(*shapes.PRESETS["AlexNet"])
fc = [row for row in alexnet_rows if row.kind == "fc"]
part = {
    "parameters": sum(row.parameters for row in fc) / sum(row.parameters for row in alexnet_rows),
    "multiply-adds": sum(row.multiply_adds for row in fc) / sum(row.multiply_adds for row in alexnet_rows),
}
neurons = sum(math.prod(row.shape) for row in alexnet_rows if row.kind in ("conv", "fc"))
print(f"\nin the fully connected layers: {part['parameters']:.0%} of the parameters, {part['multiply-adds']:.0%} of the work")
print(f"units with weights: {neurons:,}")
assert sum(row.parameters for row in alexnet_rows) == 60_965_224
assert round(part["parameters"], 2) == 0.96 and round(part["multiply-adds"], 2) == 0.08
assert neurons == 659_272 and round(sum(row.multiply_adds for row in alexnet_rows) / 1e6) == 724

# %% [markdown]
# 96 % of the parameters do 8 % of the work. A weight of a convolution is used at every position, a weight of a
# fully connected layer once. Parameters are memory and a risk of overfitting; multiply-adds are time. Keep the
# two apart when you read that a network is "large".
#
# Deck d's summary says 650K neurons, 60M parameters and 630M connections. Units and parameters agree with our
# count, 659 272 and 61M. For the connections we find 724M multiply-adds; how the deck counts its 630M it does
# not say.

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3.1, columns=3, sharey=True)
named = [row for row in alexnet_rows if row.kind in ("conv", "fc")][::-1]
for ax, key, unit, scale in zip(
    axes, ("parameters", "multiply_adds", "memory"), ("parameters, millions", "multiply-adds, millions", "output, KiB"),
    (1e6, 1e6, 1024), strict=True,
):
    colours = [plot.BLUE if row.kind == "conv" else plot.VERMILION for row in named]
    ax.barh([row.name for row in named], [getattr(row, key) / scale for row in named], color=colours)
    ax.set_xlabel(unit)
plot.show(fig, "AlexNet's layers as bars. Parameters: nearly all in fc1, 38 million, and fc2, 17 million. Multiply-adds: most in the "
          "five convolutions. Memory of outputs: most in conv1 and conv2.")

# %% [markdown]
# ## 5 · A classifier that scans
#
# AlexNet takes 227 × 227 and nothing else: its first fully connected layer has weights for exactly 9216 inputs.
# Does that have to be?
#
# Deck d says that a convolutional network is equivalent to *scanning with an MLP*. Take a fully connected layer
# over a map of $C \times H \times W$. Each of its units is a dot product with all of the map: that is one
# filter of size $H \times W$ in the only place where it fits. Give the filter a larger map, and it slides.
#
# So every fully connected layer can be rewritten as a convolution with the **same numbers**. The network then
# takes pictures of any size, and in place of one row of scores it gives a map of them: at each position, what
# the network would say about the window there.
#
# **Predict.** LeNet-5 sees 32 × 32 and moves by 4 (S2 and S4 each double the jump). How large is its map of
# scores on a picture of 32 × 32? On 64 × 96?
#
# <details><summary>Answer</summary>
#
# 1 × 1, and 9 × 17: (64 − 32)/4 + 1 and (96 − 32)/4 + 1.
#
# </details>
#
# ### Exercise: `linear_to_conv`
#
# The order of the weights is what matters. `x.flatten(1)` runs over channels, then rows, then columns.

# %% solution="linear_to_conv"
def linear_to_conv(linear, in_shape):
    """The convolution that is a linear layer on maps of one size, and slides over larger ones.

    Args:
        linear: an nn.Linear with C * H * W inputs, with or without a bias; it stays as it is.
        in_shape: (C, H, W).

    Returns:
        An nn.Conv2d, stride 1, no padding, of the same dtype: from (N, C, H, W) to (N, outputs, 1, 1), where it gives
        what the linear layer gives for the flattened map; from larger maps to larger ones.
    """
    ### BEGIN SOLUTION
    c, h, w = in_shape
    conv = nn.Conv2d(c, linear.out_features, (h, w), bias=linear.bias is not None)
    conv = conv.to(linear.weight.device, linear.weight.dtype)
    with torch.no_grad():
        conv.weight.copy_(linear.weight.view(-1, c, h, w))
        if linear.bias is not None:
            conv.bias.copy_(linear.bias)
    return conv
    ### END SOLUTION

# %% check="linear_to_conv"
check("linear_to_conv", linear_to_conv)

# %% [markdown]
# Let us scan a page. First we train LeNet-5 on windows of 32 × 32 around the course's bundled digits. It gets
# an eleventh class, *nothing here*: empty windows, and digits that hang over the edge by a third or more.

# %% tags=["demo"]
digits = data.digits()
rng = np.random.default_rng(8)


def windows(pictures, labels):
    """Pictures of 32 x 32 with their classes, 10 for nothing: each digit once nearly centred, once far off, some empty."""
    x, y = [], []
    for picture, label in zip(pictures[:, 0], labels, strict=True):
        ground = np.zeros((96, 96), np.float32)
        ground[34:62, 34:62] = picture
        near = rng.integers(-2, 3, 2)
        far = rng.integers(12, 26) * np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])[rng.integers(4)] + rng.integers(-3, 4, 2)
        for (i, j), name in ((near, label), (far, 10)):
            x.append(ground[32 + i : 64 + i, 32 + j : 64 + j])
            y.append(name)
    x += [np.zeros((32, 32), np.float32)] * 60
    return np.stack(x)[:, None], np.array(y + [10] * 60)


train_windows, test_windows = windows(*digits.train), windows(*digits.test)
torch.manual_seed(8)
reader = models.lenet5(classes=11)
history = train.fit(reader, train_windows, epochs=6, batch_size=32, device="cpu", progress=False)
scores = train.predict(reader, test_windows[0], device="cpu").numpy()
right = scores.argmax(1) == test_windows[1]
print(f"right on windows of the test digits: {right.mean():.1%}")
assert right.mean() > 0.85

# %% [markdown]
# Now rewrite it. C5 is a convolution in our LeNet-5 already, so only F6 and the output have to change, each
# into a 1 × 1 convolution. Nothing is trained again.

# %% tags=["demo"]
scanner = nn.Sequential(
    *reader[:8],  # up to the tanh after C5
    oracle.linear_to_conv(reader[9], (120, 1, 1)),
    nn.Tanh(),
    oracle.linear_to_conv(reader[11], (84, 1, 1)),
).eval()

page = np.zeros((96, 200), np.float32)
places = {3: (8, 6), 8: (40, 44), 0: (4, 84), 5: (56, 112), 7: (20, 160)}
centred = scores[: 2 * len(digits.test.y) : 2]
for digit, (i, j) in places.items():
    of_class = np.flatnonzero(digits.test.y == digit)
    clearest = of_class[centred[of_class, digit].argmax()]
    page[i : i + 28, j : j + 28] = digits.test.x[clearest, 0]

with torch.inference_mode():
    one_window = torch.tensor(page[None, None, 4:36, 80:112])
    same = scanner(one_window)[:, :, 0, 0] - reader(one_window)
    heat = scanner(torch.tensor(page)[None, None]).softmax(1)[0].numpy()
print("map of scores:", heat.shape)
assert same.abs().max() < 1e-5
assert heat.shape == (11, (96 - 32) // 4 + 1, (200 - 32) // 4 + 1)
for digit, (i, j) in places.items():  # the middle of the best window lies on the digit
    row, column = np.unravel_index(heat[digit].argmax(), heat[digit].shape)
    assert i <= 16 + 4 * row < i + 28 and j <= 16 + 4 * column < j + 28

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.2, 5.6, columns=2, rows=3)
plot.image(axes[0, 0], page, "the page, 96 × 200", gray=True)
extent = (16 - 2, 200 - 16 + 2, 96 - 16 + 2, 16 - 2)  # a window's score stands at the window's centre
for ax, name in zip(axes.flat[1:], places, strict=True):
    ax.imshow(page, cmap="gray", alpha=0.45, vmin=0, vmax=1)
    ax.imshow(heat[name], extent=extent, cmap=plot.DIVERGING, vmin=-1, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[], xlim=(0, 200), ylim=(96, 0))
    ax.set_title(f"where LeNet-5 sees a {name}", size=10)
    ax.spines[:].set(visible=True, color="#888888")
plot.show(fig, "A page with the handwritten digits 3, 8, 0, 5 and 7, and for each of the five the map of LeNet-5's probability: the "
          "warmest spot stands on the digit in question, with fainter ones on others.")

# %% [markdown]
# One forward pass, and the classifier has become a detector. That is how heat maps of this kind are made, and
# why deck c ends on networks that are "just CONV".
#
# **Predict.** Deck d adds: "even computationally, the number of operations in both computations is identical",
# scanning with the whole network window by window, or convolving layer by layer. Is it?
#
# <details><summary>Answer</summary>
#
# It is for an MLP whose first layer sees the whole window: there is nothing that two windows could share. For
# LeNet-5 it is not. Neighbouring windows of 32 overlap by 28 columns, and cut out one by one, each computes C1
# and C3 of the shared part again. On our page that is more than five times the work.
#
# </details>

# %%
layers, _ = shapes.PRESETS["LeNet-5"]
alone = sum(row.multiply_adds for row in shapes.table(layers, (1, 32, 32)))
as_convolutions = [*layers[:5], shapes.Conv(84, 1), shapes.Conv(10, 1)]
swept = sum(row.multiply_adds for row in shapes.table(as_convolutions, (1, 96, 200)))
positions = 17 * 43
print(f"{positions} windows one by one: {positions * alone:,} multiply-adds; in one sweep: {swept:,}")
print(f"that is {positions * alone / swept:.1f} times the work")
assert 5 < positions * alone / swept < 6

# %% [markdown]
# ## 6 · Ten crops
#
# Deck d shows what AlexNet did at test time: "classify different shifts of the image and vote over the lot".
# From a picture of 256 × 256 come ten **crops** of the network's size: four corners and the centre, and the
# mirror images of these five. The ten softmax outputs are averaged.
#
# ### Exercise: `ten_crop`

# %% solution="ten_crop"
def ten_crop(images, size):
    """Four corners and the centre of each picture, then their mirror images (left and right exchanged).

    Args:
        images: a tensor (N, C, H, W).
        size: side of the crops, at most min(H, W). The centre starts at row (H - size) // 2, column (W - size) // 2.

    Returns:
        A tensor (N, 10, C, size, size). The corners come first, in any order, then the centre, then the mirror images
        of the corners, then that of the centre.
    """
    ### BEGIN SOLUTION
    bottom, right = images.shape[2] - size, images.shape[3] - size
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    five = torch.stack([images[:, :, i : i + size, j : j + size] for i, j in places], dim=1)
    return torch.cat([five, five.flip(-1)], dim=1)
    ### END SOLUTION

# %% check="ten_crop"
check("ten_crop", ten_crop)

# %% tags=["demo", "hide-input"]
photo = torch.tensor(data.photo(), dtype=torch.float32)[None, None, :, 28:228]
fig, axes = plot.figure(9, 3.7, columns=5, rows=2)
names = ("top left", "top right", "bottom left", "bottom right", "centre")
for ax, crop, name in zip(axes.flat, oracle.ten_crop(photo, 150)[0, :, 0], (*names, *(f"{n}, mirrored" for n in names)), strict=True):
    plot.image(ax, crop.numpy(), name, gray=True)
plot.show(fig, "Ten crops of the course's photograph: four corners and the centre in the first row, their mirror images in the second.")

# %% [markdown]
# ### Exercise: `average_predictions`
#
# Average the **probabilities**, not the scores. Scores have no common scale: a crop with scores of 50 and −50
# would outvote nine others.

# %% solution="average_predictions"
def average_predictions(model, crops):
    """What a model says of pictures when it is asked about ten crops of each.

    Args:
        model: a module in eval mode, from (M, C, size, size) to scores (M, classes).
        crops: a tensor (N, 10, C, size, size).

    Returns:
        A tensor (N, classes): the mean of the softmax probabilities over the crops of each picture.
    """
    ### BEGIN SOLUTION
    n, k = crops.shape[:2]
    with torch.no_grad():
        scores = model(crops.flatten(0, 1))
    return scores.softmax(dim=1).view(n, k, -1).mean(dim=1)
    ### END SOLUTION

# %% check="average_predictions"
check("average_predictions", average_predictions)

# %% [markdown]
# Does voting help? Take LeNet-5 from section 5 and the test digits, each somewhere near the middle of 36 × 36.
#
# **Predict.** One crop of the centre, the vote of five crops, the vote of ten: put the three in order.
#
# <details><summary>Answer</summary>
#
# Five shifted crops are better than one here, and ten are worse than five. The mirror image of a cat is a cat;
# the mirror image of a 3 is nothing that the network has ever seen. Vote only over changes that leave the
# answer the same, which are those that you would also use to augment the training data (unit 07).
#
# </details>

# %% tags=["demo"]
spread = np.zeros((len(digits.test.x), 1, 36, 36), np.float32)
for k, picture in enumerate(digits.test.x[:, 0]):
    i, j = rng.integers(1, 8, 2)
    spread[k, 0, i : i + 28, j : j + 28] = picture
crops = oracle.ten_crop(torch.tensor(spread), 32)
probabilities = torch.stack([oracle.average_predictions(reader.cpu(), crops[:, k : k + 1]) for k in range(10)], dim=1)


def accuracy(votes):
    """How often the mean of some crops' probabilities, *nothing* left out, has its maximum at the right digit."""
    return float((votes.mean(1)[:, :10].argmax(1).numpy() == digits.test.y).mean())


voted = {"the centre": probabilities[:, 4:5], "five crops": probabilities[:, :5], "ten crops": probabilities}
voted = {name: accuracy(votes) for name, votes in voted.items()}
for name, value in voted.items():
    print(f"{name:<11} {value:.1%}")
assert voted["five crops"] > voted["the centre"] and voted["five crops"] > voted["ten crops"]

# %% [markdown]
# ## 7 · ZFNet and VGG: smaller windows, more layers
#
# Zeiler and Fergus looked into AlexNet (unit 09 does what they did) and found its first layer wasteful: 11 × 11
# with stride 4 skips too much. **ZFNet** (2013) takes 7 × 7 with stride 2.
#
# **Spot the error.** Deck d says that ZFNet's last three convolutions have 512, 1024 and 512 filters. Figure 3
# of the paper says 384, 384 and 256. Where do the deck's numbers come from?
#
# <details><summary>Answer</summary>
#
# From the paper's table 2, which tries variants: one row makes the middle layers larger, 512, 1024 and 512. It
# was a little better. The network called ZFNet in figure 3 has AlexNet's widths.
#
# </details>
#
# ### Exercise: `zfnet`
#
# For pictures `(N, 3, 224, 224)`, without groups. The paper gives the sizes but no padding; these paddings lead
# to them:
#
# | layer | output |
# |:--|:--|
# | 96 filters of 7 × 7, stride 2, pad 1 | 96 × 110 × 110 |
# | max pooling, 3 × 3, stride 2, **pad 1** | 96 × 55 × 55 |
# | 256 filters of 5 × 5, stride 2, no padding | 256 × 26 × 26 |
# | max pooling, 3 × 3, stride 2, **pad 1** | 256 × 13 × 13 |
# | 384, 384 and 256 filters of 3 × 3, pad 1 | 256 × 13 × 13 |
# | max pooling, 3 × 3, stride 2, no padding | 256 × 6 × 6 |
# | fully connected, 4096, 4096 and 1000 units | 1000 |
#
# ReLU after every layer with weights but the last.

# %% solution="zfnet"
def zfnet():
    """ZFNet.

    Returns:
        An nn.Module from (N, 3, 224, 224) to scores (N, 1000), with 62357608 parameters.
    """
    ### BEGIN SOLUTION
    return nn.Sequential(
        *(nn.Conv2d(3, 96, 7, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)),
        *(nn.Conv2d(96, 256, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        nn.Flatten(),
        *(nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()),
        nn.Linear(4096, 1000),
    )
    ### END SOLUTION

# %% check="zfnet"
check("zfnet", zfnet)

# %% [markdown]
# **VGG** (2014) went to the end of that road: windows of 3 × 3 only.
#
# **Predict.** Three 3 × 3 convolutions in a row see 7 × 7, as unit 03 found. Take $C$ channels in and out of
# each. How many weights have the three, and how many has one 7 × 7?
#
# <details><summary>Answer</summary>
#
# $27\,C^2$ against $49\,C^2$, a little over half, with three ReLUs in place of one.
#
# </details>

# %%
C = 256
assert shapes.receptive_field([(3, 1)] * 3) == shapes.receptive_field([(7, 1)]) == 7
three, seven = 3 * weights(C, C, 3), weights(C, C, 7)
print(f"{three:,} against {seven:,}: {three / seven:.0%}")
assert three * 49 == seven * 27

# %% [markdown]
# ### Exercise: `vgg`
#
# For pictures `(N, 3, 224, 224)`. Five stages of convolutions, each stage followed by max pooling of 2 × 2 with
# stride 2. The stages are 64, 128, 256, 512 and 512 filters wide. Column by column, the paper's table 1 as the
# sides of the filters:
#
# | | stage 1 | stage 2 | stage 3 | stage 4 | stage 5 | parameters |
# |:--|:--|:--|:--|:--|:--|--:|
# | A | 3 | 3 | 3 3 | 3 3 | 3 3 | 132 863 336 |
# | B | 3 3 | 3 3 | 3 3 | 3 3 | 3 3 | 133 047 848 |
# | C | 3 3 | 3 3 | 3 3 **1** | 3 3 **1** | 3 3 **1** | 133 638 952 |
# | D | 3 3 | 3 3 | 3 3 3 | 3 3 3 | 3 3 3 | 138 357 544 |
# | E | 3 3 | 3 3 | 3 3 3 3 | 3 3 3 3 | 3 3 3 3 | 143 667 240 |
#
# 3 × 3 is padded by 1, 1 × 1 not at all. Then come 4096, 4096 and 1000 units. ReLU after every layer with
# weights but the last; biases everywhere; no batch norm.

# %% solution="vgg"
def vgg(configuration):
    """VGG.

    Args:
        configuration: "A", "B", "C", "D" or "E".

    Returns:
        An nn.Module from (N, 3, 224, 224) to scores (N, 1000).
    """
    ### BEGIN SOLUTION
    stages = {
        "A": ("3", "3", "33", "33", "33"),
        "B": ("33", "33", "33", "33", "33"),
        "C": ("33", "33", "331", "331", "331"),
        "D": ("33", "33", "333", "333", "333"),
        "E": ("33", "33", "3333", "3333", "3333"),
    }[configuration]
    layers, c_in = [], 3
    for c_out, sides in zip((64, 128, 256, 512, 512), stages, strict=True):
        for k in map(int, sides):
            layers += [nn.Conv2d(c_in, c_out, k, padding=k // 2), nn.ReLU()]
            c_in = c_out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        *(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()),
        nn.Linear(4096, 1000),
    )
    ### END SOLUTION

# %% check="vgg"
check("vgg", vgg)

# %% [markdown]
# **Predict.** Deck d sighs over VGG: "~140 million parameters in all! Madness!" How many of the 138 million of
# configuration D are in the thirteen convolutions? How many in one single layer?

# %%
vgg_rows = show_table(*shapes.PRESETS["VGG-D"])
in_convolutions = sum(row.parameters for row in vgg_rows if row.kind == "conv")
largest = max(vgg_rows, key=lambda row: row.parameters)
print(f"\n{in_convolutions:,} in the convolutions; {largest.parameters:,} in {largest.name} alone")
assert sum(row.parameters for row in vgg_rows) == 138_357_544
assert largest.name == "fc1" and largest.parameters == 102_764_544
assert round(largest.parameters / 138_357_544, 2) == 0.74

# %% [markdown]
# Three quarters sit in one matrix, where 512 maps of 7 × 7 meet 4096 units. The madness is not in the depth. It
# is in the flattening. What if one did not flatten?
#
# ## 8 · GoogLeNet: several windows at once
#
# GoogLeNet (2014) has two answers. At its end it takes the **mean of each map**: 1024 numbers are left, and one
# small matrix. (Unit 06 worked out what that saves: 50 million become one.) In its body there are **Inception
# blocks**. Which size of window is best? Take them all, side by side, and stack their maps.
#
# **Predict.** Block 3a gets 192 maps of 28 × 28 and puts out 64 from 1 × 1, 128 from 3 × 3, and 32 from 5 × 5
# windows (and 32 from a pooling branch). It reduces the 192 channels by 1 × 1 convolutions first: to 96 before
# the 3 × 3, to 16 before the 5 × 5. What do these reductions save in the 5 × 5 branch?
#
# <details><summary>Answer</summary>
#
# Without: 32 filters of 5 · 5 · 192 weights, 153 600. With: 16 · 192 + 32 · 5 · 5 · 16 = 15 872, a tenth. The
# work shrinks by the same factor, since every weight is used at all 784 positions.
#
# </details>

# %%
without = weights(192, 32, 5)
reduced = weights(192, 16, 1) + weights(16, 32, 5)
print(f"{without:,} against {reduced:,}")
assert (without, reduced) == (153_600, 15_872)
assert weights(1024, 1000, 7) == 50_176_000 and weights(1024, 1000, 1) == 1_024_000  # flattened, and by means

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(27, 9.6)
columns = [("1 × 1", "64", None), ("1 × 1", "96", ("3 × 3", "128")), ("1 × 1", "16", ("5 × 5", "32")), ("max 3 × 3", "", ("1 × 1", "32"))]


def box(x, y, words, below, colour):
    ax.add_patch(plot.Rectangle((x, y), 4.6, 1.5, facecolor=(*plot.to_rgba(colour)[:3], 0.18), edgecolor=colour, lw=1.4))
    plot.text(ax, x + 2.3, y + 0.75, f"{words}, {below} filters" if below else words, size=10)
    return x + 2.3


box(11.2, 0.4, "192 maps", "", plot.INK)
box(11.2, 7.9, "64 + 128 + 32 + 32 = 256 maps", "", plot.INK)
ax.patches[-1].set(x=8.0, width=11.0)
for number, (first_, count, then) in enumerate(columns):
    x = 0.9 + 6.8 * number
    middle = box(x, 3.0, first_, count, plot.ORANGE if first_.startswith("max") else plot.BLUE)
    plot.arrow(ax, (13.5, 1.9), (middle, 2.95))
    if then:
        box(x, 5.4, *then, plot.BLUE if then[0] == "1 × 1" else plot.VERMILION)
        plot.arrow(ax, (middle, 4.5), (middle, 5.35))
    plot.arrow(ax, (middle, 6.9 if then else 4.5), (9.4 + 2.7 * number, 7.85))
plot.show(fig, "Inception block 3a: 192 maps go to four branches. A 1 by 1 convolution with 64 filters; a 1 by 1 with 96 and a 3 by 3 with 128; "
          "a 1 by 1 with 16 and a 5 by 5 with 32; a 3 by 3 max pooling and a 1 by 1 with 32. Their 256 maps are stacked.")

# %% [markdown]
# ### Exercise: `inception_block`
#
# Four branches, each of which keeps height and width:
#
# 1. 1 × 1 convolution to `c1` channels;
# 2. 1 × 1 to `c3r`, then 3 × 3 (pad 1) to `c3`;
# 3. 1 × 1 to `c5r`, then 5 × 5 (pad 2) to `c5`;
# 4. max pooling of 3 × 3 with stride 1 and pad 1, then 1 × 1 to `cp`.
#
# Every one of the six convolutions is followed by ReLU. The branches' maps are stacked in this order, 1, 2, 3,
# 4, along the channels. Biases and batch norm are up to you: GoogLeNet has biases and no batch norm.

# %% solution="inception_block"
def inception_block(c_in, c1, c3r, c3, c5r, c5, cp):
    """An Inception block.

    Args:
        c_in: channels of the input.
        c1: filters of the 1x1 branch.
        c3r, c3: filters of the 3x3 branch, 1x1 and then 3x3.
        c5r, c5: filters of the 5x5 branch, 1x1 and then 5x5.
        cp: filters of the branch with the pooling.

    Returns:
        An nn.Module from (N, c_in, H, W) to (N, c1 + c3 + c5 + cp, H, W).
    """
    ### BEGIN SOLUTION
    def conv(a, b, k):
        return nn.Sequential(nn.Conv2d(a, b, k, padding=k // 2), nn.ReLU())

    class InceptionBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.branches = nn.ModuleList([
                conv(c_in, c1, 1),
                nn.Sequential(conv(c_in, c3r, 1), conv(c3r, c3, 3)),
                nn.Sequential(conv(c_in, c5r, 1), conv(c5r, c5, 5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(c_in, cp, 1)),
            ])

        def forward(self, x):
            return torch.cat([branch(x) for branch in self.branches], dim=1)

    return InceptionBlock()
    ### END SOLUTION

# %% check="inception_block"
check("inception_block", inception_block)

# %% [markdown]
# **Spot the error.** Deck d: "using only 5 million parameters, thanks to average pooling". Count.
#
# <details><summary>Answer</summary>
#
# The table in the paper adds up to 6 998 552 with biases, without the two auxiliary heads that served in
# training only. Five million is what follows from the introduction's "12 times fewer" than AlexNet. A well-known
# implementation has 3 × 3 filters in place of 5 × 5 and 6 617 624 parameters (with biases, without batch norm).
#
# </details>

# %% tags=["demo"]
with torch.device("meta"):  # shapes without numbers: costs no memory
    google, google3 = models.googlenet(), models.googlenet(large=3)
print(f"{models.count_parameters(google):,} and {models.count_parameters(google3):,}")
assert models.count_parameters(google) == 6_998_552 and models.count_parameters(google3) == 6_617_624
assert round(60_965_224 / 12 / 1e6) == 5

# %% [markdown]
# ## 9 · ResNet: a way around
#
# VGG stopped at 19 layers, where its error no longer fell. More of the same made it worse: figure 1 of the ResNet paper
# has a plain network of 56 layers above one of 20. Not because of overfitting: its *training* error was higher as well.
# Yet it could have copied the shallower one and let the other layers do nothing. Doing nothing, it turns out, is
# hard to learn for a stack of convolutions.
#
# He and others (2015) made it easy. A **residual block** adds its input to what its layers compute:
#
# $$y = \mathrm{relu}(x + F(x))$$
#
# With $F = 0$ the block does nothing (to what is positive), which is where training can start from. And on the
# way back the sum hands the gradient to $x$ undiminished, whatever $F$ does (wherever the last ReLU lets it
# through).
#
# **Predict.** Train four small networks on the bundled digits for 80 steps: 3 blocks and 16 blocks of two
# convolutions, each without and with the shortcut. Which of the four has the highest training loss in the end?
#
# <details><summary>Answer</summary>
#
# Sixteen blocks without shortcuts, by far: the deeper plain network is worse *on what it trains on*. With
# shortcuts the sixteen learn at least as well as the three.
#
# </details>

# %% tags=["demo"]
class Plain(nn.Module):
    """A residual block without its shortcut."""

    def __init__(self, block):
        super().__init__()
        self.branch = block.branch

    def forward(self, x):
        return F.relu(self.branch(x))


def training_loss(blocks, shortcut, steps=80):
    """The loss of each step of a network of residual blocks, or of the same blocks without their shortcuts."""
    torch.manual_seed(0)
    stack = [models.BasicBlock(8, 8) for _ in range(blocks)]
    stack = stack if shortcut else [Plain(block) for block in stack]
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), *stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x, y = F.avg_pool2d(torch.tensor(digits.train.x), 2), torch.tensor(digits.train.y)
    losses = []
    for _ in range(steps):
        some = torch.randint(len(x), (64,))
        loss = F.cross_entropy(net(x[some]), y[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


curves = {(blocks, shortcut): training_loss(blocks, shortcut) for blocks in (3, 16) for shortcut in (False, True)}
at_the_end = {key: float(np.mean(losses[-20:])) for key, losses in curves.items()}
for (blocks, shortcut), loss in at_the_end.items():
    print(f"{blocks:>2} blocks {'with' if shortcut else 'without'} shortcuts: {loss:.2f}")
assert max(at_the_end, key=at_the_end.get) == (16, False)
assert at_the_end[16, True] < at_the_end[3, True] + 0.1

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 3.0, columns=2, sharey=True)
for ax, shortcut in zip(axes, (False, True), strict=True):
    for blocks, colour, style in ((3, plot.BLUE, "--"), (16, plot.VERMILION, "-")):
        smooth = np.convolve(curves[blocks, shortcut], np.ones(8) / 8, "valid")
        ax.plot(smooth, style, color=colour, lw=2, label=f"{blocks} blocks")
    ax.set_title("with shortcuts" if shortcut else "without", size=10)
    ax.set(xlabel="step")
axes[0].set(ylabel="training loss (mean of 8 steps)")
axes[0].legend(frameon=False)
plot.show(fig, "Training loss of 3 and 16 blocks. Without shortcuts the 16 blocks stay far above the 3. With shortcuts the two curves fall "
          "side by side.")

# %% [markdown]
# **Spot the errors.** Deck d has four lines "for the curious". Which of them are not so?
#
# - Weight decay 1e-5.
# - No pooling in ResNet.
# - The last layer before the addition must have the same number of filters as the input to the module.
# - Batch normalization after each convolution.
#
# <details><summary>Answer</summary>
#
# The paper's weight decay is 1e-4. Its networks pool twice: a maximum after the first convolution and a mean of
# each map at the end. And where a block changes the number of channels, a **projection**, a 1 × 1 convolution
# in the shortcut, makes them fit. The fourth line is right.
#
# </details>

# %%
resnet_rows = shapes.table(*shapes.PRESETS["ResNet-50"])
pools = [(row.name, row.shape) for row in resnet_rows if row.kind == "pool"]
print(pools)
assert len(pools) == 2
counts = {depth: sum(row.parameters for row in shapes.table(*shapes.PRESETS[f"ResNet-{depth}"])) for depth in (18, 50, 152)}
print(counts)
assert counts == {18: 11_689_512, 50: 25_557_032, 152: 60_192_808}

# %% [markdown]
# ### Exercise: `residual_block`
#
# The block of the paper's figure 2:
#
# - branch: 3 × 3 convolution with `stride`, ReLU, 3 × 3 convolution, both padded by 1, to `c_out` channels;
# - shortcut: the input itself where the shape stays (`stride` 1 and `c_in == c_out`), otherwise a 1 × 1
#   convolution with `stride` to `c_out` channels;
# - ReLU after the sum.
#
# ResNet has batch norm after each convolution, in the shortcut too, and therefore no biases. The check leaves
# both to you: it sets batch norm to pass things on as they are, and biases to 0.

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(27, 6.2)


def station(x, y, words, colour=plot.BLUE, width=3.6):
    ax.add_patch(plot.Rectangle((x, y), width, 1.5, facecolor=(*plot.to_rgba(colour)[:3], 0.18), edgecolor=colour, lw=1.4))
    plot.text(ax, x + width / 2, y + 0.75, words, size=9)


for left, projected in ((0.4, False), (14.0, True)):
    plot.text(ax, left + 6.3, 0.5, "another shape: a projection" if projected else "same shape: the input itself", size=10)
    plot.text(ax, left + 0.4, 2.6, "x", size=13)
    plot.text(ax, left + 9.95, 1.6, "F(x)", size=9, color=plot.BLUE)
    plot.arrow(ax, (left + 0.9, 2.6), (left + 1.6, 2.6))
    station(left + 1.7, 1.85, "3 × 3, stride s" if projected else "3 × 3")
    plot.text(ax, left + 6.25, 2.1, "ReLU", size=8)
    plot.arrow(ax, (left + 5.4, 2.6), (left + 7.1, 2.6))
    station(left + 7.2, 1.85, "3 × 3", width=2.4)
    plot.arrow(ax, (left + 9.7, 2.6), (left + 10.3, 2.6))
    plot.text(ax, left + 10.7, 2.6, "+", size=16)
    plot.text(ax, left + 11.75, 2.1, "ReLU", size=8)
    plot.arrow(ax, (left + 11.1, 2.6), (left + 12.4, 2.6))
    ax.plot([left + 0.4, left + 0.4, left + 4], [3.1, 5.25, 5.25], color=plot.VERMILION, lw=1.2)
    ax.plot([left + (7.6 if projected else 4), left + 10.7], [5.25, 5.25], color=plot.VERMILION, lw=1.2)
    plot.arrow(ax, (left + 10.7, 5.25), (left + 10.7, 3.1), plot.VERMILION)
    if projected:
        station(left + 4, 4.5, "1 × 1, stride s", plot.ORANGE)
    plot.text(ax, left + (9.1 if projected else 5.5), 4.8, "shortcut", size=9, color=plot.VERMILION)
    plot.text(ax, left + 12.75, 2.6, "y", size=13)
plot.show(fig, "Two residual blocks: x goes through two 3 by 3 convolutions with a ReLU between them, and around them by the shortcut; the "
          "two are added, and a ReLU follows. Where the shape changes, a 1 by 1 convolution with the stride stands in the shortcut.")

# %% solution="residual_block"
def residual_block(c_in, c_out, stride=1):
    """A residual block of two 3x3 convolutions.

    Args:
        c_in, c_out: channels of the input and of the output.
        stride: of the first convolution, and of the projection.

    Returns:
        An nn.Module from (N, c_in, H, W) to (N, c_out, OH, OW), smaller by the stride.
    """
    ### BEGIN SOLUTION
    class ResidualBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(c_out)
            self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(c_out)
            self.shortcut = nn.Identity()
            if stride != 1 or c_in != c_out:
                self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

        def forward(self, x):
            branch = F.relu(self.norm1(self.conv1(x)))
            branch = self.norm2(self.conv2(branch))
            return F.relu(self.shortcut(x) + branch)

    return ResidualBlock()
    ### END SOLUTION

# %% check="residual_block"
check("residual_block", residual_block)

# %% [markdown]
# ## 10 · ResNeXt: many narrow ways
#
# Deeper ResNets save work by a **bottleneck**: 1 × 1 down to a quarter of the channels, 3 × 3 there, 1 × 1 up
# again. ResNeXt (2016) asks what else one could do for the same price, and cuts the 3 × 3 into 32 groups, the
# trick that AlexNet used for want of memory (the picture is in section 4).
#
# **Predict.** A bottleneck from 256 to 256 channels over 64. With 32 groups of width 4 in place of the 64,
# there are 128 channels in the middle, twice as many. How do the weights of the two blocks compare?
#
# <details><summary>Answer</summary>
#
# 69 632 and 70 144, within one per cent. Twice the channels for the same price, since a grouped filter sees 4
# channels in place of 64.
#
# </details>

# %%
bottleneck = weights(256, 64, 1) + weights(64, 64, 3) + weights(64, 256, 1)
next_one = weights(256, 128, 1) + weights(128, 128, 3, groups=32) + weights(128, 256, 1)
print(f"{bottleneck:,} and {next_one:,}")
assert (bottleneck, next_one) == (69_632, 70_144)

# %% [markdown]
# ### Exercise: `resnext_block`
#
# - branch: 1 × 1 convolution to `groups * width` channels, ReLU; 3 × 3 with `stride`, pad 1 and `groups`
#   groups, ReLU; 1 × 1 to `c_out`;
# - shortcut and last ReLU as in `residual_block`.
#
# Again batch norm and biases are up to you.

# %% solution="resnext_block"
def resnext_block(c_in, c_out, stride=1, groups=32, width=4):
    """A ResNeXt block.

    Args:
        c_in, c_out: channels of the input and of the output.
        stride: of the 3x3 convolution, and of the projection.
        groups, width: the 3x3 convolution has this many groups, of this many channels each.

    Returns:
        An nn.Module from (N, c_in, H, W) to (N, c_out, OH, OW), smaller by the stride.
    """
    ### BEGIN SOLUTION
    def conv_norm(a, b, k, stride=1, groups=1):
        conv = nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(b))

    class ResNeXtBlock(nn.Module):
        def __init__(self):
            super().__init__()
            inner = groups * width
            self.down = conv_norm(c_in, inner, 1)
            self.grouped = conv_norm(inner, inner, 3, stride, groups)
            self.up = conv_norm(inner, c_out, 1)
            same = stride == 1 and c_in == c_out
            self.shortcut = nn.Identity() if same else conv_norm(c_in, c_out, 1, stride)

        def forward(self, x):
            branch = F.relu(self.down(x))
            branch = F.relu(self.grouped(branch))
            return F.relu(self.shortcut(x) + self.up(branch))

    return ResNeXtBlock()
    ### END SOLUTION

# %% check="resnext_block"
check("resnext_block", resnext_block)

# %% tags=["demo"]
with torch.device("meta"):
    next50 = models.resnext(50)
assert models.count_parameters(next50) == 25_028_904  # ResNet-50: 25 557 032

# %% [markdown]
# ## 11 · DenseNet: everything from everyone
#
# A shortcut *adds*, so that later layers find a mixture. DenseNet (2016) *stacks*: each layer sees the maps of
# all layers before it, untouched, and adds a few of its own, `growth` of them.
#
# **Predict.** 64 channels, growth 32, 6 layers. How many channels come out? How many does the sixth layer see?
#
# <details><summary>Answer</summary>
#
# 64 + 6 · 32 = 256. The sixth sees what the five before it left: 64 + 5 · 32 = 224.
#
# </details>

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(27, 7.6)
counts_, growth = [64], 32
for layer in range(6):
    x = 1.2 + 4.0 * layer
    ax.add_patch(plot.Rectangle((x, 3.6), 1.5, 2.6, facecolor=(*plot.to_rgba(plot.BLUE)[:3], 0.18), edgecolor=plot.BLUE, lw=1.4))
    plot.text(ax, x + 0.75, 5.0, f"{counts_[-1]}", size=10)
    plot.text(ax, x + 0.75, 6.9, f"layer {layer + 1}\nsees", size=9)
    counts_.append(counts_[-1] + growth)
    for later in range(layer + 1, 7):
        plot.arrow(ax, (x + 1.5, 4.0), (1.2 + 4.0 * later, 4.0), plot.COLOURS[layer], bend=-0.24 if later > layer + 1 else 0)
plot.text(ax, 26.1, 4.2, f"{counts_[-1]}\nout", size=10)
plot.show(fig, "Six layers of a dense block in a row, each joined by arrows to all later ones. They see 64, 96, 128, 160, 192 and 224 channels; 256 come out.")
assert counts_[-2:] == [224, 256]

# %% [markdown]
# ### Exercise: `dense_block`
#
# `n` layers. Each is batch norm, ReLU, 3 × 3 convolution (pad 1) from all channels so far to `growth` new ones,
# which are stacked behind the others. The output holds the input's channels first, then the new ones in order.
# (DenseNet-121 has a 1 × 1 convolution to `4 * growth` channels in each layer; you may add it.)

# %% solution="dense_block"
def dense_block(c_in, growth, n):
    """A dense block.

    Args:
        c_in: channels of the input.
        growth: new channels per layer.
        n: number of layers.

    Returns:
        An nn.Module from (N, c_in, H, W) to (N, c_in + n * growth, H, W).
    """
    ### BEGIN SOLUTION
    def layer(c):
        return nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, growth, 3, padding=1, bias=False))

    class DenseBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([layer(c_in + i * growth) for i in range(n)])

        def forward(self, x):
            for layer in self.layers:
                x = torch.cat([x, layer(x)], dim=1)
            return x

    return DenseBlock()
    ### END SOLUTION

# %% check="dense_block"
check("dense_block", dense_block)

# %% tags=["demo"]
with torch.device("meta"):
    dense121 = models.densenet(121)
few = models.count_parameters(dense121)
print(f"DenseNet-121: {few:,}, {few / counts[50]:.0%} of ResNet-50")
assert few == 7_978_856

# %% [markdown]
# ## 12 · SENet: turn the channels up and down
#
# The last winner (2017) leaves the convolutions alone and asks after each block: which of these maps matter for
# *this* picture? It **squeezes** each map into its mean, lets two small matrices think about the $C$ means, and
# gets a gate between 0 and 1 for each map:
#
# $$y_c = x_c \cdot \sigma\!\left(W_2\, \mathrm{relu}(W_1 z)\right)_c, \qquad z_c = \frac{1}{HW} \sum_{ij} x_{cij}$$
#
# $W_1$ narrows from $C$ to $C/r$, $W_2$ widens again.

# %% tags=["demo", "hide-input"]
draws = np.random.default_rng(372)
before = np.maximum(draws.normal(1, 0.9, (4, 3, 3)), 0)
squeezed = before.mean(axis=(1, 2))
middle_ = np.maximum(draws.normal(size=(2, 4)) @ squeezed, 0)
gates_ = 1 / (1 + np.exp(-2 * draws.normal(size=(4, 2)) @ middle_))
after_ = before * gates_[:, None, None]
fig, ax = plot.canvas(27, 11.4)


def number_at(x, y, value, limit):
    plot.grid(ax, [[value]], (x, y), numbers=False, limit=limit, cell=1.5)
    plot.text(ax, x + 0.75, y + 0.75, f"{value:.2f}", size=10)


stations = ((1.6, "x, C = 4"), (7.0, "z"), (12.2, "C/r = 2"), (17.6, "gates"), (23.4, "y"))
for x, name in stations:
    plot.text(ax, x + (0.9 if x in (1.6, 23.4) else 0.75), 0.7, name, size=10)
for c in range(4):
    top, middle_row = 1.6 + 2.45 * c, 2.5 + 2.45 * c
    plot.grid(ax, before[c], (1.6, top), numbers=False, limit=2.5, cell=0.6)
    number_at(7.0, middle_row - 0.75, squeezed[c], 2.5)
    number_at(17.6, middle_row - 0.75, gates_[c], 1.2)
    plot.grid(ax, after_[c], (23.4, top), numbers=False, limit=2.5, cell=0.6)
    plot.arrow(ax, (3.7, middle_row), (6.8, middle_row))
    plot.arrow(ax, (19.3, middle_row), (23.1, middle_row))
    for unit in range(2):
        at = 4.2 + 3.9 * unit
        ax.plot([8.6, 12.1], [middle_row, at], color="#888888", lw=0.9)
        ax.plot([13.8, 17.5], [at, middle_row], color="#888888", lw=0.9)
for unit in range(2):
    number_at(12.2, 3.45 + 3.9 * unit, middle_[unit], 2.5)
for x, words in ((5.2, "mean"), (10.3, "W₁, ReLU"), (15.7, "W₂, σ"), (21.2, "each map × its gate")):
    plot.text(ax, x, 11.0, words, size=9)
plot.show(fig, "Squeeze and excitation with four maps. Each is squeezed into its mean; two units see all four means; from these come four gates "
          "between 0 and 1; each map is multiplied by its own gate, so some are dimmed and others pass nearly unchanged.")

# %% [markdown]
# **Predict.** With all weights 0, what does the block do to its input?
#
# <details><summary>Answer</summary>
#
# It halves it: $\sigma(0) = 0.5$.
#
# </details>
#
# ### Exercise: `se_block`

# %% solution="se_block"
def se_block(c, r=16):
    """Squeeze and excitation.

    Args:
        c: channels.
        r: by how much the middle narrows: it has c // r units.

    Returns:
        An nn.Module from (N, c, H, W) to (N, c, H, W): mean of each map, linear layer, ReLU, linear layer, sigmoid, and
        each map times its gate. Biases are up to you; SENet has them.
    """
    ### BEGIN SOLUTION
    class SEBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow, self.widen = nn.Linear(c, c // r), nn.Linear(c // r, c)

        def forward(self, x):
            z = x.mean(dim=(2, 3))
            gate = torch.sigmoid(self.widen(F.relu(self.narrow(z))))
            return x * gate[:, :, None, None]

    return SEBlock()
    ### END SOLUTION

# %% check="se_block"
check("se_block", se_block)

# %% [markdown]
# What does it cost? In ResNet-50, 10 % more parameters and hardly any work: two small products per picture and block,
# not per pixel.

# %% tags=["demo"]
with torch.device("meta"):
    se50 = models.se_resnet(50)
more = models.count_parameters(se50) - counts[50]
gates = [(256, 3), (512, 4), (1024, 6), (2048, 3)]  # channels, blocks: C x C/16 and C/16 x C in each block
products = sum(blocks * 2 * c * (c // 16) for c, blocks in gates)
work = sum(row.multiply_adds for row in resnet_rows)
print(f"{more:,} more parameters, {more / counts[50]:.1%}")
print(f"{products:,} more multiply-adds in the products, {products / work:.2%}")
assert models.count_parameters(se50) == 28_088_024 and more == products + sum(n * (c + c // 16) for c, n in gates)
assert round(more / counts[50], 1) == 0.1 and products / work < 0.001

# %% [markdown]
# ## 13 · All of them on one page
#
# **Predict.** Order AlexNet, VGG-D, GoogLeNet and ResNet-50 by parameters, then by work. Then look.

# %%
print(f"{'network':<12}{'parameters':>13}{'multiply-adds':>16}{'outputs, MiB':>14}")
every = {}
early, late = ("LeNet-5", "ConvNetJS", "AlexNet", "ZFNet", "VGG-A", "VGG-D", "VGG-E"), (18, 50, 152)
for name in (*early, "GoogLeNet", *(f"ResNet-{depth}" for depth in late)):
    rows = shapes.table(*shapes.PRESETS[name])
    every[name] = tuple(sum(getattr(row, key) for row in rows) for key in ("parameters", "multiply_adds", "memory"))
    parameters, work, memory = every[name]
    print(f"{name:<12}{parameters:>13,}{work:>16,}{memory / 2**20:>14.2f}")
assert every["GoogLeNet"][0] < every["ResNet-50"][0] < every["AlexNet"][0] < every["VGG-D"][0]
assert every["AlexNet"][1] < every["GoogLeNet"][1] < every["ResNet-50"][1] < every["VGG-D"][1]

# %% tags=["demo", "hide-input"]
reported = {"AlexNet": 18.2, "ZFNet": 16.5, "VGG-D": 9.33, "GoogLeNet": 9.15, "ResNet-152": 5.71}
fig, ax = plot.figure(8.2, 3.8)
for number, (name, error) in enumerate(reported.items()):
    parameters, work, _ = every[name]
    ax.scatter(work / 1e9, error, s=parameters / 2.5e5, color=plot.COLOURS[number], alpha=0.55, edgecolor=plot.INK, lw=0.8)
    radius = (parameters / 2.5e5 / math.pi) ** 0.5  # of the disc, in points: its label stands clear of it
    ax.annotate(f"{name}, {parameters / 1e6:.0f}M", (work / 1e9, error), (radius + 4, 0), textcoords="offset points",
                size=9, va="center")
ax.set(xlabel="multiply-adds for one picture, billions", ylabel="top-5 error, %", xlim=(-0.8, 21), ylim=(0, 21))
plot.show(fig, "Five networks by work, reported top-5 error and parameters, the size of the disc. AlexNet, 61 million parameters, is cheap and worst; "
          "VGG-D, 138 million, is dear; ResNet-152 is best with 60 million; GoogLeNet has 7 million.")

# %% [markdown]
# Across: the work, counted here. Up: the top-5 error of **one** network on the **validation** pictures, averaged over
# **ten crops** as in section 6, so that the heights can be compared. The area of a disc is the number of parameters.
#
# The papers' own headlines look at each picture in other ways, and so a network has several errors:
#
# | | ten crops | where | in its own paper | how |
# |:--|--:|:--|--:|:--|
# | AlexNet | 18.2 | Krizhevsky 2012, table 2, "1 CNN" | 18.2 | |
# | ZFNet | 16.5 | Zeiler 2013, table 2, "as per Fig. 3" | 16.5 | |
# | VGG-D | 9.33 | He 2015, table 3, their test | 8.1 | swept over the whole picture (section 5), Simonyan 2014, table 3 |
# | GoogLeNet | 9.15 | Szegedy 2014, table 3 | 10.07 | one crop; 7.89 with 144, same table |
# | ResNet-152 | 5.71 | He 2015, table 3 | 4.49 | swept at several scales, table 4 |
#
# (ZFNet's paper names ten crops where it describes its training, and does not say how it tested. We take it that it
# did as AlexNet, with which its table 2 compares it.)
#
# The best network has as many parameters as the worst, AlexNet. What the years bought is not size.
#
# **Predict.** In ResNet-50, which stage does most of the work, and how much of the picture does one value of the last
# map see? The table has every network of this unit, layer by layer, and the field of each.

# %% tags=["demo"]
widgets.StackTable("ResNet-50")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The one with maps of 14 × 14, with six blocks: a good third of the work. And all of the picture: the field of the last
# map is wider than 224 pixels. What one value sees well is far less than its field; most of it lies behind few paths.
#
# </details>

# %%
resnet = shapes.table(*shapes.PRESETS["ResNet-50"])
by_side = {}
for row in resnet:
    by_side[row.shape[-1]] = by_side.get(row.shape[-1], 0) + row.multiply_adds
share = by_side[14] / sum(by_side.values())
field = [row.field for row in resnet if row.shape[-1] == 7][-1]
print(f"maps of 14 x 14: {share:.0%} of the work; field of the last map: {field} pixels")
assert max(by_side, key=by_side.get) == 14 and 1 / 3 < share < 0.4 and field > 224

# %% [markdown]
# ## What to keep
#
# - A network without its input size and padding has no number of parameters. Say whether biases count.
# - Parameters sit where a map is flattened, work where maps are large.
# - A fully connected layer is a convolution with one window, so a classifier is a detector that has not been
#   moved yet.
# - Vote over changes that keep the answer the same. Average probabilities.
# - 3 × 3 twice or three times beats one large window; 1 × 1 first makes any window affordable; the mean of each
#   map replaces the largest matrix.
# - Inception stacks, ResNet adds and then bends, DenseNet stacks everything, ResNeXt splits, SENet weighs.
#
# ### Where the facts come from
#
# - **Deck a**: *Learning for vision III: Convolutional networks*, Karel Zimmermann, Czech Technical University
#   in Prague. **Deck b**: *Convolutional neural networks*. **Deck c**: CS231n's lecture 5, Stanford University.
#   **Deck d**: *Robot Vision (CAP 4453), 18*, Gonzalo Vaca-Castaño, University of Central Florida.
# - Russakovsky and others, [*ImageNet large scale visual recognition
#   challenge*](https://arxiv.org/abs/1409.0575), 2015: the challenge, its data, the two persons. The winners: the
#   challenge's results pages of [2010](https://image-net.org/challenges/LSVRC/2010/results),
#   [2011](https://image-net.org/challenges/LSVRC/2011/results),
#   [2012](https://image-net.org/challenges/LSVRC/2012/results),
#   [2013](https://image-net.org/challenges/LSVRC/2013/results) and
#   [2016](https://image-net.org/challenges/LSVRC/2016/results).
# - LeCun and others, *Gradient-based learning applied to document recognition*, 1998: section II B has the
#   layers and table I the connections of C3.
# - Krizhevsky and others, *ImageNet classification with deep convolutional neural networks*, 2012. Zeiler and
#   Fergus, [*Visualizing and understanding convolutional networks*](https://arxiv.org/abs/1311.2901), 2013.
# - Simonyan and Zisserman, [*Very deep convolutional networks*](https://arxiv.org/abs/1409.1556), 2014. Szegedy
#   and others, [*Going deeper with convolutions*](https://arxiv.org/abs/1409.4842), 2014.
# - He and others, [*Deep residual learning*](https://arxiv.org/abs/1512.03385), 2015. Xie and others,
#   [*Aggregated residual transformations*](https://arxiv.org/abs/1611.05431), 2016. Huang and others, [*Densely
#   connected convolutional networks*](https://arxiv.org/abs/1608.06993), 2016. Hu and others,
#   [*Squeeze-and-excitation networks*](https://arxiv.org/abs/1709.01507), 2017.
# - Karpathy, [ConvNetJS, CIFAR-10 demo](https://cs.stanford.edu/people/karpathy/convnetjs/demo/cifar10.html).
