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
# # Unit 09 · What ConvNets learn, and transfer
#
# A trained network is a heap of numbers, and no one of them says anything. Hubel and Wiesel faced the same
# kind of object and found a way in: show it something, and look at what a single cell does. We have it easier. We
# can read every weight, cover any part of a picture, and ask for the gradient of anything with respect to
# anything.
#
# In the second half the network goes to work on something that it was not trained for. What it has learned is
# partly about its own classes and partly about pictures in general; the art is to keep the second part.
#
# **After this unit you can**
#
# - say what a first layer, a map, a unit of a network responds to, and show it;
# - ask a network why, in four ways (occlusion, saliency, deconvolution, Grad-CAM), and say where each can mislead;
# - use a network's inner layers as a description of pictures, and find the nearest neighbours of one;
# - carry a network over to new classes: freeze, put a new head on, fine-tune, and choose among these;
# - tell a shift of the data from a new task, and mend one kind of shift without a single label.
#
# | | |
# |:--|:--|
# | **Time** | about 150 minutes: 80 to read and predict, 70 for six exercises. Section 8 is a good place to break off. |
# | **You need** | PyTorch as unit 07 ends with it: a module, a loss, a training loop. None of the earlier exercises. |
# | **Layout** | here everything is torch: models, pictures `image: (C, H, W)`, scores `(N, classes)`. Only `nearest` is NumPy. |
#
# Decide on an answer to each **Predict** before you unfold ours; the cell that follows computes it. Cells
# that only draw are folded away; run them like any other.

# %%
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cnnkit import check

torch.set_num_threads(1)  # networks of this size gain nothing from more, nor from a GPU

# %% tags=["demo"]
import copy

from cnnkit import data, oracle, plot, train

# %% [markdown]
# ## 1 · A network that knows half the digits
#
# We take the bundled digits and hide half of them. Our network learns 0, 1, 2, 3 and 4; the digits 5 to 9 are
# the foreign country of the second half.
#
# It has two parts, as AlexNet and VGG have. **features** turns a picture into maps: three convolutions, each with
# batch norm and ReLU. **classifier** turns maps into scores.

# %% tags=["demo"]
digits = data.digits()
LOW, HIGH = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)


def only(pictures, classes):
    """The pictures of some classes, which are numbered anew from 0."""
    kept = np.isin(pictures.y, classes)
    return data.Pictures(pictures.x[kept], np.searchsorted(classes, pictures.y[kept]))


def make_network(classes, seed):
    train.seed(seed)
    network = nn.Sequential()
    network.features = nn.Sequential(
        nn.Conv2d(1, 8, 7, padding=3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
    )
    network.classifier = nn.Sequential(
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 3 * 3, 64), nn.ReLU(), nn.Linear(64, classes),
    )
    with torch.no_grad():
        network.features[0].weight.mul_(0.1)  # start small, so that what is there in the end was learned
    return network


def fit(network, pictures, epochs, rate=3e-3, seed=0):
    """Train what has not been frozen, with Adam, whose rate falls to zero; returns how it went."""
    learning = [p for p in network.parameters() if p.requires_grad]
    return train.fit(network, pictures, epochs=epochs, batch_size=16, optimizer=torch.optim.Adam(learning, rate),
                     schedule=lambda done: 1 - done, seed=seed, device="cpu", progress=False)


def accuracy(network, pictures):
    scores = train.predict(network, pictures.x, device="cpu").numpy()
    return float((scores.argmax(1) == pictures.y).mean())


low, low_test = only(digits.train, LOW), only(digits.test, LOW)
net = make_network(5, seed=0)
untrained = copy.deepcopy(net).eval()
fit(net, low, epochs=6)
net.eval()
assert accuracy(net, low_test) > 0.96
print(f"{len(low.x)} pictures of the digits 0 to 4, {sum(p.numel() for p in net.parameters()):,} parameters: "
      f"{accuracy(net, low_test):.1%} of {len(low_test.x)} test pictures right")

# %% [markdown]
# ## 2 · The first layer
#
# Of all layers this one is the easiest to read: its filters are multiplied with the picture itself, so each *is* a
# small picture of what it likes best. In unit 01 the simple cells of the cortex were Gabor filters: a few stripes of
# one direction. Deck d shows AlexNet's 96 first filters and says: "The net actually *learns* features!"
#
# **Predict.** Nobody told our network about directions or stripes; it started from small random numbers and was told
# five class names. What will its eight filters of 7 × 7 look like? For each of them we look for the Gabor filter
# that is most like it, and take the correlation of the two. Random numbers reach about 0.4 with the best
# of so many Gabors. And the filters after training?
#
# <details><summary>Answer</summary>
#
# Mostly edges and bars, in various directions: a bright side and a dark side, or a bright stripe between dark ones.
# The correlation rises to around 0.6. They are rougher than AlexNet's: 700 pictures of pen strokes against
# 1.2 million photographs. But the direction of the development is that of the cortex.
#
# </details>

# %% tags=["demo"]
bank = np.stack([oracle.gabor(7, theta, wavelength, phase)
                 for theta in np.arange(0, np.pi, np.pi / 12)
                 for wavelength in (3, 4, 5, 6, 8, 10)
                 for phase in (0, np.pi / 2, np.pi, 3 * np.pi / 2)])


def nearest_gabors(filters):
    """The Gabor filter that is most like each filter, and its correlation with it."""
    likeness = np.array([[np.corrcoef(g.ravel(), f.ravel())[0, 1] for g in bank] for f in filters])
    return bank[likeness.argmax(1)], likeness.max(1)


first = {name: model.features[0].weight.detach().numpy()[:, 0] for name, model in (("before", untrained), ("after", net))}
gabors, likeness = nearest_gabors(first["after"])
_, by_chance = nearest_gabors(first["before"])
print(f"mean correlation with the nearest Gabor filter: {by_chance.mean():.2f} before training, {likeness.mean():.2f} after")
assert round(by_chance.mean(), 1) == 0.4 and round(likeness.mean(), 1) == 0.6

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 3.8, columns=8, rows=3)
for row, (name, filters) in enumerate((("before", first["before"]), ("after", first["after"]), ("Gabor", gabors))):
    for column, one in enumerate(filters):
        plot.image(axes[row, column], one, f"{likeness[column]:.2f}" if name == "Gabor" else "")
    axes[row, 0].set_ylabel(name)
plot.show(fig, "Eight filters of 7 by 7: random before training; after it, most have a bright and a dark side or stripes in "
          "one direction; below each the Gabor filter that is most like it, with their correlation.")

# %% [markdown]
# ## 3 · Maps, and what they wait for
#
# One layer on, filters can no longer be read like this. A filter of the second convolution has eight channels, and
# what it is multiplied with are eight maps. So we look at what layers *do*: the maps of one picture, layer by layer.

# %% tags=["demo"]
four = torch.tensor(low_test.x[np.flatnonzero(low_test.y == 4)[1]])
stages = {"first": 3, "second": 7, "third": 11}
maps = {}
with torch.no_grad():
    for stage, end in stages.items():
        maps[stage] = net.features[:end](four[None])[0].numpy()
        print(f"maps of the {stage} stage: {maps[stage].shape}")

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3.6, columns=9, rows=3)
for row, (stage, some) in enumerate(maps.items()):
    plot.image(axes[row, 0], four[0], "the picture" if row == 0 else "", gray=True)
    axes[row, 0].set_ylabel(stage)
    loudest = np.argsort(-some.sum((1, 2)), kind="stable")[:8]
    for column, channel in enumerate(loudest, start=1):
        plot.image(axes[row, column], some[channel])
plot.show(fig, "A digit four and the eight most active maps of each stage. In the first stage one sees the strokes, each map "
          "on other sides of them; in the third, on 7 by 7, a few places only.")

# %% [markdown]
# The further in, the coarser the maps and the more selective: a map of the third stage is empty but for a few places.
# What waits there? Ask the way Hubel and Wiesel did, with many pictures and one electrode: take one map, and look
# for the test pictures, and the places in them, that it responds to most.
#
# **Predict.** Each pixel of the third stage sees a window of the picture. Its layers are a 7 × 7 convolution, pooling by
# 2, 3 × 3, pooling by 2, 3 × 3. How large is the window?
#
# <details><summary>Answer</summary>
#
# 22 × 22: the 7 × 7 of the first layer, 1 more for the pooling, 2 · 2 for the second convolution on pixels that are 2
# apart, 2 for the pooling, 2 · 4 for the third on pixels that are 4 apart.
#
# </details>

# %% tags=["demo"]
from cnnkit import shapes

window = shapes.receptive_field([(7, 1), (2, 2), (3, 1), (2, 2), (3, 1)])
assert window == 7 + 1 + 2 * 2 + 1 * 2 + 2 * 4 == 22

with torch.no_grad():
    third = net.features(torch.tensor(low_test.x))
peaks = third.amax((2, 3))
assert len(low_test.x) == 180
busiest = (peaks.std(0) / (peaks.mean(0) + 0.5)).argsort(descending=True)[:4].tolist()  # excited by some pictures only

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 4.4, columns=9, rows=4)
for row, channel in enumerate(busiest):
    for column, number in enumerate(peaks[:, channel].argsort(descending=True)[:9].tolist()):
        ax = axes[row, column]
        plot.image(ax, low_test.x[number, 0], gray=True)
        i, j = np.unravel_index(int(third[number, channel].argmax()), (7, 7))
        corner = np.array([4 * j + 1.5, 4 * i + 1.5]) - window / 2
        ax.add_patch(plot.Rectangle(corner, window, window, fill=False, edgecolor=plot.ORANGE, lw=1.2, clip_on=True))
        ax.set(xlim=(-0.5, 27.5), ylim=(27.5, -0.5))
    axes[row, 0].set_ylabel(f"map {channel}")
plot.show(fig, "Four maps of the third stage, and for each the nine test pictures that excite it most, with the window of 22 by "
          "22 pixels around the strongest place. In each row the same kind of stroke appears in the same place of the window.")

# %% [markdown]
# Each row has a theme: a stroke that bends in a certain way, a crossing, an end. In some rows several digits share it; in
# others one digit fills the row, since with five classes and three layers a part may be all that it takes. From edges
# to parts to wholes: that is what Zeiler and Fergus found in networks for ImageNet, and what decks a, c and d show.
#
# A warning goes with every such figure. We saw what excites a map *most*, among 180 pictures of five classes. What else
# it would respond to, we did not ask.
#
# ## 4 · Occlusion: cover a part and look what changes
#
# The simplest question to a network needs no look inside. Cover a part of the picture, and see whether the answer
# changes. Zeiler and Fergus (2014) slid a gray square over photographs and drew the probability of the right class
# for each position of the square: a map with a hole where the network was looking.
#
# Our patch is black, zeros, which for white digits on black paper is as good as an eraser. Place $(i, j)$ of a
# patch of $k \times k$ with stride $s$ covers
#
# $$\text{rows } s i,\; \dots,\; s i + k - 1 \quad\text{and columns}\quad s j,\; \dots,\; s j + k - 1$$
#
# of every channel, so there are as many places as a convolution without padding has outputs: unit 03 once more.

# %% tags=["demo", "hide-input"]
three = torch.tensor(low_test.x[np.flatnonzero(low_test.y == 3)[3]])
heat = oracle.occlusion_map(net, three, 3, 7, 2).numpy()
worst = np.unravel_index(heat.argmin(), heat.shape)
fig, axes = plot.figure(9, 2.0, columns=6)
for ax, (i, j) in zip(axes, ((0, 0), (0, 6), (3, 3), worst, (5, 6), (10, 10)), strict=True):
    covered = three[0].clone()
    covered[2 * i : 2 * i + 7, 2 * j : 2 * j + 7] = 0
    plot.image(ax, covered, f"p(3) = {heat[i, j]:.2f}", gray=True)
    ax.add_patch(plot.Rectangle((2 * j - 0.5, 2 * i - 0.5), 7, 7, fill=False, edgecolor=plot.ORANGE, lw=1.5))
plot.show(fig, "The digit three with a black patch of 7 by 7 pixels in six places, and the probability of a three for each: "
          "near 1 in all but one, where the patch hides a part of the lower bow.")

# %% [markdown]
# ### Exercise: `occlusion_map`
#
# Run the model once for each place, or on many covered pictures at a time. Mind what is asked for: the probability, not
# the score. The model comes in eval mode and leaves in it. The picture, too, is as it was afterwards: nothing stays
# covered.

# %% solution="occlusion_map"
def occlusion_map(model, image, target, size, stride):
    """The probability of a class for each place of a patch of zeros.

    Args:
        model: gives scores (N, classes) for pictures (N, C, H, W); in eval mode.
        image: a picture (C, H, W), on the device of the model; it is the same afterwards.
        target: number of the class.
        size: side of the square patch, which covers all channels.
        stride: step from place to place, the same for height and width.

    Returns:
        (OH, OW), a tensor or an array: the softmax probability of target with the patch at each place that lies
        wholly inside the picture.

    Raises:
        ValueError: the patch is larger than the picture.
    """
    ### BEGIN SOLUTION
    _, h, w = image.shape
    if size > min(h, w):
        raise ValueError(f"a patch of {size} x {size} does not fit into {h} x {w}")
    heat = torch.zeros((h - size) // stride + 1, (w - size) // stride + 1)
    with torch.inference_mode():
        for i in range(heat.shape[0]):
            for j in range(heat.shape[1]):
                covered = image.clone()
                covered[:, i * stride : i * stride + size, j * stride : j * stride + size] = 0
                heat[i, j] = model(covered[None]).softmax(dim=1)[0, target]
    return heat
    ### END SOLUTION

# %% check="occlusion_map"
check("occlusion_map", occlusion_map)

# %% [markdown]
# **Predict.** Here are five digits, right with probability 0.9 or more. The patch has 7 × 7 pixels, a sixteenth of the
# picture. In which of the five does some place of it change the network's mind?
#
# <details><summary>Answer</summary>
#
# In the 1, the 2 and the 3, if your run is like ours: without one certain stroke they are no longer what they were. The
# 0 and the 4 say the same thing in several places, and no patch of this size hides all of them.
#
# </details>

# %% tags=["demo"]
scores = train.predict(net, low_test.x, device="cpu").softmax(1)
some = [int(np.flatnonzero((low_test.y == digit) & (scores[:, digit].numpy() > 0.9))[3]) for digit in LOW]
heats = {}
for digit, number in zip(LOW, some, strict=True):
    picture = torch.tensor(low_test.x[number])
    heats[digit] = oracle.occlusion_map(net, picture, digit, 7, 1).numpy()
    print(f"{digit}: p({digit}) is {scores[number, digit]:.3f}, with the patch at its worst place {heats[digit].min():.3f}")
lowest = [heat.min() for heat in heats.values()]
assert min(lowest) < 0.5 < max(lowest)

# %% tags=["demo", "hide-input"]
def heat_map(ax, heat, picture, title="", highest=None, extent=None):
    """A map in colours over the outline of the strokes; extent says where in the picture it lies."""
    shown = ax.imshow(np.asarray(heat), cmap="cividis", vmin=0, vmax=highest, extent=extent)
    for colour, width in (("#111111", 2.0), ("#fafafa", 0.8)):  # to be seen on either end of the scale, in either theme
        ax.contour(np.asarray(picture[0]), [0.5], colors=colour, linewidths=width)
    h, w = picture.shape[1:]
    ax.set(xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5), xticks=[], yticks=[])
    ax.set_title(title, size=10)
    ax.spines[:].set(visible=True, color="#888888")
    return shown


fig, axes = plot.figure(9, 3.7, columns=5, rows=2)
for column, (digit, number) in enumerate(zip(LOW, some, strict=True)):
    plot.image(axes[0, column], low_test.x[number, 0], gray=True)
    heat = heat_map(axes[1, column], heats[digit], low_test.x[number], highest=1, extent=(3, 25, 25, 3))
axes[1, 0].set_ylabel("p where the\npatch's middle is")
fig.colorbar(heat, ax=axes[1, :], shrink=0.9)
plot.show(fig, "Five digits, and for each the probability of its class where the middle of the patch is. The map is bright "
          "where covering does no harm, and dark over the strokes that decide.")

# %% [markdown]
# ### What it is good for: catching a cheat
#
# In Berlin, around 1904, a horse named Hans was famous for doing sums. He read the answers off his questioner's face. A
# network does the same where it can, and its accuracy does not tell.
#
# We train a second network on pictures in which, by some accident of the scanner, every 3 has a small light spot in a
# corner. **Predict** its accuracy on test pictures from the same scanner. Then we put the spot on twos. How many of
# them become a 3? And what will the occlusion map for "3" of such a 2 look like?
#
# <details><summary>Answer</summary>
#
# The accuracy is excellent, and most of the twos with the spot are taken for a 3. How many depends on the start: the cell
# trains five such networks. The occlusion map shows how the one with most does it: wherever the patch is, it sees a 3,
# except when the patch covers the spot; then it sees the 2.
#
# </details>

# %% tags=["demo"]
def spotted(pictures, digit):
    """The same pictures, with a spot in the lower left corner of those of one digit."""
    x = pictures.x.copy()
    x[pictures.y == digit, :, 22:26, 2:6] = 1
    return data.Pictures(x, pictures.y)


twos = only(spotted(low_test, 2), (2,))
cheats = []
for seed in range(5):
    cheat = make_network(5, seed=seed)
    fit(cheat, spotted(low, 3), epochs=4)
    said = train.predict(cheat, twos.x, device="cpu").argmax(1)
    fooled = float((said == 3).float().mean())
    cheats.append((fooled, cheat.eval()))
    print(f"of pictures from the same scanner {accuracy(cheat, spotted(low_test, 3)):.1%} are right; "
          f"of twos with the spot {fooled:.0%} are taken for a 3")
fooled, hans = max(cheats, key=lambda pair: pair[0])
assert accuracy(hans, spotted(low_test, 3)) > 0.95 and fooled > 0.5

# %% tags=["demo", "hide-input"]
said = train.predict(hans, twos.x, device="cpu").softmax(1)
victim = torch.tensor(twos.x[int(said[:, 3].argmax())])
cleaned = victim.clone()
cleaned[:, 22:26, 2:6] = 0
with torch.no_grad():
    p = hans(torch.stack([victim, cleaned])).softmax(1)
fig, axes = plot.figure(7.5, 2.6, columns=3)
plot.image(axes[0], victim[0], f"a 2 with the spot: p(3) = {p[0, 3]:.2f}", gray=True)
shown = heat_map(axes[1], oracle.occlusion_map(hans, victim, 3, 7, 1), victim, "p(3)", 1, (3, 25, 25, 3))
fig.colorbar(shown, ax=axes[1], shrink=0.85)
plot.image(axes[2], cleaned[0], f"spot erased: p(3) = {p[1, 3]:.2f}", gray=True)
plot.show(fig, "A two with a light spot in the corner, which the network takes for a three; the map of the probability of a "
          "three, high wherever the patch is, but low where it covers the spot; and the two without the spot.")

# %% [markdown]
# ## 5 · Saliency: the gradient of a score
#
# Occlusion runs the network once per place. Backpropagation answers a similar question for all pixels in one pass: if
# this pixel were a little brighter, by how much would the score of the class change? Unit 04 computed
# $\partial L / \partial w$ to change the weights. Now the weights stand still and we go on back to the picture
# (Simonyan, Vedaldi and Zisserman, 2013):
#
# $$M_{ij} = \max_c \left| \frac{\partial S_t}{\partial x_{cij}} \right|$$
#
# $S_t$ is the **score** of the class, before the softmax. A pixel has one value on the map: the largest over its
# channels.
#
# **Predict.** Why not the gradient of the probability $p_t$? The chain rule through the softmax gives
# $\partial p_t / \partial S_t = p_t (1 - p_t)$. The network says "4" with $p_t = 0.9999$. By which factor are the two
# gradients of that path different?
#
# <details><summary>Answer</summary>
#
# About 10 000: a probability near 1 hardly moves, whatever one does to the picture. The surer the network, the fainter
# its map would be. And there is a second reason: $p_t$ also rises when another class's score falls, so its gradient
# mixes what speaks for the class with what speaks against the others.
#
# </details>

# %% tags=["demo"]
leaf = four.clone().requires_grad_()
score = net(leaf[None])[0]
probability = score.softmax(0)[4]
(of_score,) = torch.autograd.grad(score[4], leaf, retain_graph=True)
(of_probability,) = torch.autograd.grad(probability, leaf)
print(f"p(4) = {probability:.6f}; largest gradient of the score {of_score.abs().max():.3f}, "
      f"of the probability {of_probability.abs().max():.2g}")
p_t = 0.9999
assert abs(1 / (p_t * (1 - p_t)) - 10_001) < 1

# %% [markdown]
# ### Exercise: `saliency`
#
# The picture is what to differentiate by, so it must be a leaf that requires a gradient. `backward()` would also fill
# `.grad` of every weight in the model, for the next training step to stumble over: leave none behind.

# %% solution="saliency"
def saliency(model, image, target):
    """How much each pixel moves the score of a class.

    Args:
        model: gives scores (N, classes) for pictures (N, C, H, W); in eval mode. Its parameters have no gradients, and
            have none afterwards.
        image: a picture (C, H, W), on the device of the model.
        target: number of the class.

    Returns:
        (H, W), a tensor or an array: of the gradient of the score (not of the probability) in the picture the absolute
        value, and of that the maximum over the channels.
    """
    ### BEGIN SOLUTION
    leaf = image.clone().requires_grad_()
    score = model(leaf[None])[0, target]
    (gradient,) = torch.autograd.grad(score, leaf)
    return gradient.abs().amax(dim=0)
    ### END SOLUTION

# %% check="saliency"
check("saliency", saliency)

# %% [markdown]
# **Predict.** The maps of the same five digits. On the ink, on the paper, or both?
#
# <details><summary>Answer</summary>
#
# Both. Ink counts, and so does paper: ink where a 4 has none lowers the score of the 4. (It need not look like another
# digit to us: the network knows five, and compares with nothing else.) The maps are noisy, too. A gradient says what an infinitely small change would do, pixel by pixel, and neighbouring pixels need not
# agree.
#
# </details>

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3.7, columns=5, rows=2)
on_ink = []
for column, (digit, number) in enumerate(zip(LOW, some, strict=True)):
    picture = torch.tensor(low_test.x[number])
    where = oracle.saliency(net, picture, digit)
    on_ink.append(float(where[picture[0] > 0.5].sum() / where.sum()))
    plot.image(axes[0, column], picture[0], gray=True)
    heat_map(axes[1, column], where, picture, f"{on_ink[-1]:.0%} of it on ink")
plot.show(fig, "Five digits and their saliency maps: grainy, brightest along the strokes and in the gaps between them.")
assert max(on_ink) < 0.8

# %% tags=["demo"]
on_paper = torch.where(four < 0.05, of_score, 0)  # the gradient of the score of the 4, section 5's first cell
place = int(on_paper.argmin())
dotted = four.clone()
dotted.view(-1)[place] = 1
with torch.no_grad():
    clean_score, dotted_score = net(torch.stack([four, dotted]))[:, 4].tolist()
print(f"largest gradient on ink {of_score[four > 0.5].abs().max():.2f}, on paper {on_paper.abs().max():.2f}")
print(f"a dot of ink on the paper at row {place // 28}, column {place % 28}: "
      f"the score of the 4 goes from {clean_score:.2f} to {dotted_score:.2f}")
assert dotted_score < clean_score

# %% [markdown]
# ## 6 · Deconvolution: from a unit back to pixels
#
# Before saliency was common, Zeiler and Fergus asked a similar question of a single unit deep inside: what in this
# picture did it respond to? Their **deconvnet** runs the network backwards, layer by layer:
#
# - a convolution becomes a **transposed** convolution with the same filters (deck a's rule for the backward pass);
# - max pooling puts a value back to where the maximum was: it remembers these **switches** from the forward pass;
# - a ReLU becomes a ReLU.
#
# **Predict.** That is nearly backpropagation. Which one of the three is different there?
#
# <details><summary>Answer</summary>
#
# The ReLU. Backpropagation lets the signal through where the *forward* value was positive. The deconvnet lets it
# through where the signal *itself* is positive, whatever was there on the way forward. All the rest is the same, which
# the next cell proves: with the other rule, its result equals autograd's.
#
# </details>

# %% tags=["demo"]
def project(features, image, channel, rule):
    """From the strongest unit of a map back to the pixels: (C, H, W).

    rule: "deconvnet", or "gradient" for what backpropagation would give.
    """
    x, trail = image[None], []
    for layer in features:
        seen, switches = x, None
        if isinstance(layer, nn.MaxPool2d):
            x, switches = F.max_pool2d(x, 2, return_indices=True)
        else:
            x = layer(x)
        trail.append((layer, seen, switches))
    strongest = int(x[0, channel].argmax())
    signal = torch.zeros_like(x)
    signal[0, channel].view(-1)[strongest] = 1
    for layer, seen, switches in reversed(trail):
        if isinstance(layer, nn.Conv2d):
            signal = F.conv_transpose2d(signal, layer.weight, padding=layer.padding)
        elif isinstance(layer, nn.BatchNorm2d):  # in eval mode: a factor for each map, and a shift that does not matter
            signal = signal * (layer.weight / (layer.running_var + layer.eps).sqrt())[:, None, None]
        elif isinstance(layer, nn.MaxPool2d):
            signal = F.max_unpool2d(signal, switches, 2, output_size=seen.shape[2:])
        elif rule == "deconvnet":
            signal = signal.relu()
        else:
            signal = signal * (seen > 0)
    return signal[0].detach()


leaf = four.clone().requires_grad_()
channel = busiest[0]
(by_autograd,) = torch.autograd.grad(net.features(leaf[None])[0, channel].max(), leaf)
assert torch.allclose(project(net.features, four, channel, "gradient"), by_autograd, atol=1e-6)
print("with the gradient's rule, the same as autograd")

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 5.2, columns=9, rows=4)
for row, channel in enumerate(busiest[:2]):
    best = peaks[:, channel].argsort(descending=True)[:9].tolist()
    for column, number in enumerate(best):
        picture = torch.tensor(low_test.x[number])
        plot.image(axes[2 * row, column], picture[0], gray=True)
        plot.image(axes[2 * row + 1, column], project(net.features, picture, channel, "deconvnet")[0])
    axes[2 * row, 0].set_ylabel(f"map {channel}")
    axes[2 * row + 1, 0].set_ylabel("deconvnet")
plot.show(fig, "For two maps of the third stage the nine pictures that excite them most, and below each what the deconvnet "
          "projects back: in a small region pixels that should be brighter, in orange, and darker, in blue; alike along a row.")

# %% [markdown]
# For one map the projections are alike from picture to picture, a small pattern of where there should be ink and where
# there should be none: this is what the pictures in a row of section 3 had in common. Deck a's pictures of Zeiler and Fergus are made in this way.
#
# Is it what the unit *computes*? With care. Signals that are cut off below zero at every step look tidy whatever the
# network has learned, and part of the picture comes from the switches alone. Adebayo et al. (2018) tested such methods
# on networks with random weights; some drew nearly the same picture as before.

# %% [markdown]
# ## 7 · Grad-CAM: where in a layer the class is
#
# Saliency is sharp but grainy, and occlusion slow and coarse. Selvaraju et al. (2017) look in between: at the last maps
# before the classifier. Those are made of parts and still know where things are. **Grad-CAM** asks two things of each
# map $A^k$ of a layer: what did it see here, and does the class care?
#
# $$\alpha_k = \frac{1}{h w} \sum_{ij} \frac{\partial S_t}{\partial A^k_{ij}},
# \qquad L = \mathrm{ReLU}\Big(\sum_k \alpha_k A^k\Big)$$
#
# $\alpha_k$, one number per map, is the mean of the gradient over the map: the class's interest in it. The ReLU at the
# end keeps the places that speak *for* the class.

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 7)
A1, A2 = np.array([[0, 2, 0], [0, 2, 0], [0, 2, 1]]), np.array([[3, 0, 0], [0, 1, 0], [0, 0, 0]])
G1, G2 = np.array([[1, 0, 1], [0, 2, 1], [1, 2, 1]]), np.array([[-3, 0, 0], [0, -1, -2], [-2, -1, 0]])
for row, (maps_, slopes) in enumerate(((A1, G1), (A2, G2))):
    top = 1.2 + 0 * row
    plot.grid(ax, slopes, (0.6 + 8.2 * row, 1.6), f"gradient in map {row + 1}")
    plot.grid(ax, maps_, (4.4 + 8.2 * row, 1.6), f"map {row + 1}")
    plot.text(ax, 4.0 + 8.2 * row, 5.6, f"α = mean = {slopes.mean():g}", size=10)
total = G1.mean() * A1 + G2.mean() * A2
plot.grid(ax, total, (17.0, 1.6), "sum of α · map")
plot.grid(ax, np.maximum(total, 0), (21.6, 1.6), "rectified")
plot.arrow(ax, (20.1, 3.1), (21.4, 3.1))
plot.show(fig, "Grad-CAM by hand on two maps of 3 by 3: mean gradients 1 and minus 1 weight the maps; the sum has minus 3 where "
          "the second map was active, which the ReLU sets to 0.")
assert (G1.mean(), G2.mean()) == (1, -1)

# %% [markdown]
# To get at the output of a layer in the middle of a model, PyTorch has **hooks**: functions that a module calls each
# time that it has run.
#
# ```python
# kept = []
# handle = module.register_forward_hook(lambda module, inputs, output: kept.append(output))
# model(image[None])       # kept[0] now is the output of that module
# handle.remove()          # or it will be called for ever
# ```
#
# `torch.autograd.grad(score, kept[0])` then gives the gradient in it. And `model.get_submodule("features.8")` finds a
# module by its name.
#
# ### Exercise: `grad_cam`

# %% solution="grad_cam"
def grad_cam(model, layer, image, target):
    """Where a layer saw what speaks for a class.

    Args:
        model: gives scores (N, classes) for pictures (N, C, H, W); in eval mode.
        layer: name of a submodule whose output is maps (N, K, h, w), "features.3".
        image: a picture (C, H, W), on the device of the model.
        target: number of the class.

    Returns:
        (h, w), a tensor or an array: the maps, each weighted by the mean over its pixels of the gradient of the score
        (not of the probability), added up and rectified; neither scaled nor enlarged.
    """
    ### BEGIN SOLUTION
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    score = model(image[None])[0, target]
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    weights = gradient[0].mean(dim=(1, 2))
    return torch.einsum("k,khw->hw", weights, kept[0][0]).relu().detach()
    ### END SOLUTION

# %% check="grad_cam"
check("grad_cam", grad_cam)

# %% [markdown]
# **Predict.** We glue two different digits side by side, 28 × 56, and teach the network to say which two they are: a yes
# or no for each of the five classes (the multi-label loss of unit 06). It starts from the features that it has; its new
# head takes the mean over each map. It is never told which digit is on which side. Where will Grad-CAM put "3", and
# where "0"?
#
# <details><summary>Answer</summary>
#
# Each where it is. The network knows *where* because its maps do, and the head adds up what they say, wherever they
# say it. From class names alone a network learns to point: "weakly supervised localisation".
#
# </details>

# %% tags=["demo"]
def pairs(pictures, n, seed):
    """Pictures (n, 1, 28, 56) of two different digits, and for each class whether it is there, (n, 5)."""
    rng = np.random.default_rng(seed)
    left, right = rng.integers(len(pictures.x), size=(2, 3 * n))
    both = np.flatnonzero(pictures.y[left] != pictures.y[right])[:n]
    left, right = left[both], right[both]
    x = np.concatenate([pictures.x[left], pictures.x[right]], axis=3)
    there = np.eye(5, dtype=np.float32)
    return torch.tensor(x), torch.tensor(there[pictures.y[left]] + there[pictures.y[right]]), pictures.y[left]


train.seed(0)
wide = nn.Sequential(copy.deepcopy(net.features), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5)).train()
x, there, _ = pairs(low, 6400, seed=0)
optimizer = torch.optim.Adam(wide.parameters(), 1e-2)
for number, (some_x, some_there) in enumerate(zip(x.split(32), there.split(32), strict=True)):
    optimizer.param_groups[0]["lr"] = 1e-2 * (1 - number / 200)
    loss = F.binary_cross_entropy_with_logits(wide(some_x), some_there)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
wide.eval()

x, there, on_the_left = pairs(low_test, 200, seed=1)
with torch.no_grad():
    found = ((wide(x) > 0) == (there > 0)).all(1).numpy()
hits = []
for picture, classes, left in zip(x[found], there[found], on_the_left[found], strict=True):
    for target in classes.nonzero().flatten().tolist():
        cam = oracle.grad_cam(wide, "0", picture, target)
        hits.append(bool(cam[:, :7].sum() > cam[:, 7:].sum()) == (target == left))
print(f"both digits named: {found.mean():.0%} of the pairs; in these, Grad-CAM points to the right side "
      f"{np.mean(hits):.0%} of the time")
assert found.mean() > 0.75 and np.mean(hits) > 0.85

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 3.4, columns=3, rows=2)
shown_pairs = [(classes, picture) for classes, picture in zip(there[found], x[found], strict=True)]
for row, (wanted, other) in enumerate(((3, 0), (4, 2))):
    picture = next(p for c, p in shown_pairs if c[wanted] and c[other])
    plot.image(axes[row, 0], picture[0], gray=True)
    for ax, target in zip(axes[row, 1:], (wanted, other), strict=True):
        cam = oracle.grad_cam(wide, "0", picture, target)
        large = F.interpolate(cam[None, None], (28, 56), mode="bilinear", align_corners=False)[0, 0]
        heat_map(ax, large, picture, f"Grad-CAM for {target}")
plot.show(fig, "A three beside a zero and a four beside a two, with the Grad-CAM maps of either class: each is bright over its "
          "own digit and dark over the other.")

# %% [markdown]
# Four ways to ask, one picture. What each costs and where it may mislead:
#
# | | passes | sees | take care |
# |:--|:--|:--|:--|
# | occlusion | one forward per place | what is needed | size and colour of the patch are your choice; a covered picture is one that the network never saw |
# | saliency | one backward | what a tiny change would do | noisy; says nothing of large changes |
# | deconvnet | one backward | what excited one unit | tidy even where there is nothing to see |
# | Grad-CAM | one backward | where a layer's maps speak for the class | as coarse as the layer |

# %% [markdown]
# ## 8 · Features as vectors
#
# Everything up to the last layer turns a picture into a list of numbers. Deck d calls the chapter "NN as feature
# vector" and shows, for five test pictures, the six training pictures whose vectors in the last hidden layer have "the
# smallest Euclidean distance". The neighbours of an elephant are elephants, though no two of their pixels agree.
#
# ### Exercise: `nearest`
#
# This one is NumPy. The query is one of the rows, and its distance to itself is 0. Leave it out by its *index*: another
# picture may have the same features.

# %% solution="nearest"
def nearest(features, query, k):
    """The rows nearest to one of them.

    Args:
        features: array (n, d), a row per picture.
        query: index of a row.
        k: how many neighbours, at most n - 1.

    Returns:
        (k,) integers: the indices of the k other rows with the smallest Euclidean distance from that row, the
        nearest first.
    """
    ### BEGIN SOLUTION
    distances = np.linalg.norm(features - features[query], axis=1)
    distances[query] = np.inf
    return np.argsort(distances)[:k]
    ### END SOLUTION

# %% check="nearest"
check("nearest", nearest)

# %% [markdown]
# Three descriptions of a picture: its 784 pixels; the 32 maps of 7 × 7 at the end of `features`; the 64 numbers of the
# last hidden layer.
#
# **Predict.** For every test picture, look at its six nearest neighbours. How many are of its own class, by each of the
# three? First for the digits that the network has learned. Then for 5 to 9, of which it has never seen one: will its
# features be better than pixels there, or worse?
#
# <details><summary>Answer</summary>
#
# On its own digits all three are good, 98 % and more: these digits are easy, even by pixels. On the unknown digits the
# last hidden layer is *worse* than pixels, by far: around 70 % against 94 %. It has learned to keep what tells 0 to 4
# apart and to throw away the rest, and with it much of what tells a 5 from an 8. The maps before it have kept that:
# about as good as pixels.
#
# </details>

# %% tags=["demo"]
def describe(network, x):
    """The three descriptions of some pictures, (n, d) each."""
    head_off = nn.Sequential(network.features, network.classifier[:-1])
    return {
        "pixels": x.reshape(len(x), -1),
        "maps": train.predict(network.features, x, device="cpu").flatten(1).numpy(),
        "last hidden layer": train.predict(head_off, x, device="cpu").numpy(),
    }


def share_of_own_class(features, y, k=6):
    return np.mean([(y[oracle.nearest(features, i, k)] == y[i]).mean() for i in range(len(y))])


high, high_test = only(digits.train, HIGH), only(digits.test, HIGH)
shares = {}
for name, pictures in (("0 to 4, learned", low_test), ("5 to 9, never seen", high_test)):
    shares[name] = {kind: share_of_own_class(f, pictures.y) for kind, f in describe(net, pictures.x).items()}
    print(name, {kind: f"{share:.1%}" for kind, share in shares[name].items()})
known, unknown = shares.values()
assert known["last hidden layer"] > 0.95 and unknown["last hidden layer"] < unknown["pixels"] - 0.05
assert unknown["maps"] > unknown["last hidden layer"] + 0.05

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 5.4, columns=7, rows=5)
features = describe(net, digits.test.x)["last hidden layer"]
rng = np.random.default_rng(3)
for row, digit in enumerate((1, 3, 4, 5, 8)):
    query = int(rng.choice(np.flatnonzero(digits.test.y == digit)))
    for column, number in enumerate((query, *oracle.nearest(features, query, 6))):
        plot.image(axes[row, column], digits.test.x[number, 0], gray=True)
        if column and digits.test.y[number] != digit:
            axes[row, column].spines[:].set(color=plot.VERMILION, linewidth=3)
    axes[row, 0].set_ylabel("learned" if digit < 5 else "never seen")
axes[0, 0].set_title("query", size=10)
axes[0, 3].set_title("its six nearest neighbours in the last hidden layer", size=10)
plot.show(fig, "As deck d's figure: five digits in the first column, beside each its six nearest neighbours in the last hidden "
          "layer; neighbours of another class are framed. For learned digits they agree; for five and eight some do not.")

# %% [markdown]
# The 64 numbers in two: the first two principal components, the directions in which the pictures differ most.

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3.6, columns=2)
for ax, kind in zip(axes, ("maps", "last hidden layer"), strict=True):
    f = describe(net, digits.test.x)[kind]
    centred = f - f.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ directions[:2].T
    for digit in range(10):
        mine = digits.test.y == digit
        colour = plot.COLOURS[digit] if digit < 5 else "#888888"
        ax.scatter(*flat[mine].T, s=0)
        for x, y in flat[mine]:
            ax.text(x, y, str(digit), color=colour, size=8 if digit < 5 else 7, ha="center", va="center")
    ax.set_title(kind, size=10)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="#888888")
plot.show(fig, "Test digits in the two main directions of their features. In the last hidden layer the five learned digits, in "
          "colour, lie in five arms, and the five others, in gray, are strewn between and over them.")

# %% [markdown]
# ## 9 · Transfer: keep the features, change the head
#
# Now the network has to learn 5, 6, 7, 8, 9, and we have few pictures of them. Training from scratch needs many.
# **Transfer learning** starts from the trained network instead:
#
# 1. put a **new head** on: a last layer with as many outputs as there are new classes;
# 2. either **freeze** the rest, so that only the head learns,
# 3. or **fine-tune**: train everything on, with a small learning rate.
#
# ### Exercise: `replace_head`
#
# `head` is the name of the last layer, as `named_modules` gives it: `"fc"`, or `"classifier.4"` where it sits inside
# another module. Then it is that module which has to get the new layer.

# %% solution="replace_head"
def replace_head(model, head, n_classes):
    """Put a new last layer on a model.

    Args:
        model: any module; it is changed, and nothing in it but the head.
        head: name of its last layer, an nn.Linear, with dots where it lies deeper: "classifier.4".
        n_classes: how many outputs the new layer has.

    Returns:
        The same model. In place of the old layer it has a new one for n_classes, on the same device, that takes what
        the old one took; its parameters are fresh and learn.
    """
    ### BEGIN SOLUTION
    old = model.get_submodule(head)
    new = nn.Linear(old.in_features, n_classes).to(old.weight)
    parent, _, name = head.rpartition(".")
    setattr(model.get_submodule(parent), name, new)
    return model
    ### END SOLUTION

# %% check="replace_head"
check("replace_head", replace_head)

# %% [markdown]
# ### What else moves: the statistics
#
# A parameter with `requires_grad = False` gets no gradient, so no optimiser touches it. Is the backbone frozen then?
#
# **Predict.** We freeze all parameters of the backbone in this way and train a head for the new digits. Afterwards we put
# the *old* head back on and test on the old digits. Every weight is the same as before. Is the accuracy?
#
# <details><summary>Answer</summary>
#
# Not always. In training mode each batch norm follows the mean and the variance of the batches that it sees. These
# **running statistics** are no parameters, and `requires_grad` does not concern them. As long as the new digits come
# from the same scanner, their statistics are nearly those of the old, and no harm is done: that is how this mistake
# stays unseen. With inverted pictures, black ink on white paper, a quarter of the old digits is lost after two epochs.
#
# </details>

# %% tags=["demo"]
inverted_high = data.Pictures(1 - high.x, high.y)
kept = {}
for what, pictures in (("the same scanner", high), ("inverted", inverted_high)):
    for still in (True, False):
        model = oracle.replace_head(copy.deepcopy(net), "classifier.4", 5)
        if still:
            oracle.freeze_backbone(model, "classifier.4")
        else:
            for name, parameter in model.named_parameters():
                parameter.requires_grad = name.startswith("classifier.4.")
        fit(model, pictures, epochs=2)
        model.classifier[4] = net.classifier[4]
        kept[what, still] = accuracy(model, low_test)
        print(f"{what:>16}, statistics {'kept still' if still else 'free to move'}: old digits {kept[what, still]:.1%}")
assert kept["the same scanner", True] == kept["inverted", True] == accuracy(net, low_test)
assert kept["the same scanner", False] > kept["inverted", False] + 0.1
assert 0.15 < accuracy(net, low_test) - kept["inverted", False] < 0.35

# %% [markdown]
# ### Exercise: `freeze_backbone`
#
# `model.eval()` on a batch norm stops its statistics. But every training loop says `model.train()` at the start of an
# epoch, and that reaches every module inside. Find a way that lasts: you may give a module another `train`, or set
# its `momentum` to 0, or think of something else.

# %% solution="freeze_backbone"
def freeze_backbone(model, head):
    """Let only the head of a model learn.

    Args:
        model: any module, in training or in eval mode.
        head: name of the submodule that goes on learning; there are no batch norms in it.

    Returns:
        The same model. However it is trained from now on, no parameter outside the head changes, and no running
        statistics of a batch norm (nn.BatchNorm2d), after model.train(), too. All parameters of the head learn.
    """
    ### BEGIN SOLUTION
    model.requires_grad_(False)
    model.get_submodule(head).requires_grad_(True)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True, module=module: module  # train() no longer reaches it
    return model
    ### END SOLUTION

# %% check="freeze_backbone"
check("freeze_backbone", freeze_backbone)

# %% [markdown]
# ### Where to cut?
#
# Four ways to learn the new digits, each from the same few pictures:
#
# - **scratch**: a new network;
# - **last layer**: everything frozen but the new last layer;
# - **classifier**: `features` frozen, both layers of `classifier` learn;
# - **fine-tuned**: everything learns on, at a third of the rate.
#
# **Predict.** With one picture of each new digit, which is best? With 20? And which will stay behind however many there
# are? Remember section 8.
#
# <details><summary>Answer</summary>
#
# With one or two pictures each, whoever keeps `features` and lets the classifier learn is ahead of scratch. With five they
# are level, and with twenty scratch is a little ahead: these pictures are easy, and the few hundred behind the features
# are a small store of experience. The last layer alone stays behind for good: the hidden layer below it has thrown away
# what it would need. The cut has to be where features are still general (Yosinski et al., 2014).
#
# </details>

# %% tags=["demo"]
def a_few(pictures, each, seed):
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(np.flatnonzero(pictures.y == k), each, replace=False) for k in range(5)]
    return data.Pictures(pictures.x[np.concatenate(chosen)], pictures.y[np.concatenate(chosen)])


def start(way, seed):
    train.seed(seed)
    if way == "scratch":
        return make_network(5, seed=seed + 10), 3e-3
    model = oracle.replace_head(copy.deepcopy(net), "classifier.4", 5)
    if way == "last layer":
        return oracle.freeze_backbone(model, "classifier.4"), 1e-2
    if way == "classifier":
        return oracle.freeze_backbone(model, "classifier"), 3e-3
    return model, 1e-3


EPOCHS = {1: 40, 2: 40, 5: 25, 20: 12}
EACH, WAYS, SEEDS = list(EPOCHS), ("scratch", "last layer", "classifier", "fine-tuned"), range(3)
results = {way: np.zeros((len(EACH), len(SEEDS))) for way in WAYS}
print("right of the new digits, by the number of pictures of each to learn from")
for i, each in enumerate(EACH):
    for seed in SEEDS:
        few = a_few(high, each, seed)
        for way in WAYS:
            model, rate = start(way, seed)
            fit(model, few, epochs=EPOCHS[each], rate=rate, seed=seed)
            results[way][i, seed] = accuracy(model, high_test)
    print(f"{each:>3}:", ", ".join(f"{way} {results[way][i].mean():.0%}" for way in WAYS))
mean = {way: results[way].mean(1) for way in WAYS}
assert min(mean["classifier"][0], mean["fine-tuned"][0]) > mean["scratch"][0] + 0.05
assert mean["last layer"][-1] < mean["classifier"][-1] - 0.05

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(7.5, 3.4)
for colour, way in zip(plot.COLOURS[:4], WAYS, strict=True):
    for seed in SEEDS:
        ax.plot(EACH, results[way][:, seed], ".", color=colour, alpha=0.5)
    ax.plot(EACH, mean[way], "-", color=colour, lw=2, label=way)
ax.set_xscale("log")
ax.minorticks_off()
ax.set_xticks(EACH, map(str, EACH))
ax.set(xlabel="training pictures of each new digit", ylabel="right of the new digits", ylim=(0.2, 1))
ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
ax.legend(frameon=False, loc="lower right")
plot.show(fig, "Accuracy on the new digits over the number of training pictures per digit, for four ways. From one and two "
          "pictures, keeping the features is ahead of starting from scratch; the last layer alone stays behind throughout.")

# %% [markdown]
# ## 10 · When the pictures change and the classes do not
#
# The other kind of change: the same digits, another world. The scanner is upside down, the paper is black, the camera is
# poor. To get over it is called **domain adaptation**; deck d's outline uses the word for transfer and fine-tuning as
# well.
#
# **Predict.** Our network has seen upright digits only. We turn the test pictures. At which angle is it down to half?
# And upside down, at 180°: better or worse than at 90°?
#
# <details><summary>Answer</summary>
#
# Up to 15° hardly anything happens: people slant their writing, too. At about 40° half is gone, and at 90° it is down to
# guessing, one in five. At 180° it is much better again: a 0 and a 1 upside down are a 0 and a 1. No rotation was
# learned; some digits do not care.
#
# </details>

# %% tags=["demo"]
def turned(x, degrees):
    """Pictures (N, 1, H, W) turned about their middle."""
    angle = np.radians(degrees)
    turn = torch.tensor([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]], dtype=torch.float32)
    places = F.affine_grid(turn.expand(len(x), 2, 3), x.shape, align_corners=False)
    return F.grid_sample(torch.as_tensor(x), places, align_corners=False).numpy()


def changed(pictures, how):
    return data.Pictures(how(pictures.x), pictures.y)


angles = np.arange(0, 181, 15)
right = [accuracy(net, changed(low_test, lambda x, a=angle: turned(x, a))) for angle in angles]
assert right[0] > 0.95 and right[6] < 0.4 and right[12] > right[6] + 0.2

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.2, 3.2)
ax.plot(angles, right, ".-", color=plot.BLUE, lw=2)
ax.axhline(0.2, color=plot.INK, lw=0.8, ls="--")
ax.text(0, 0.23, "guessing", size=9)
ax.set(xlabel="turned by, in degrees", ylabel="right", xticks=angles[::2], ylim=(0, 1.45))
ax.set_yticks(np.arange(0, 1.01, 0.25), [f"{value:.0%}" for value in np.arange(0, 1.01, 0.25)])
for angle in angles[::2]:
    ax.imshow(turned(four[None].numpy(), float(angle))[0, 0], cmap="gray", vmin=0, vmax=1, aspect="auto",
              extent=(angle - 9, angle + 9, 1.08, 1.42), zorder=3)
ax.set_xlim(-12, 192)
plot.show(fig, "Accuracy over the angle by which the test digits are turned: nearly all right up to 15 degrees, guessing between "
          "60 and 120, back to about 70 per cent at 180 degrees.")

# %% [markdown]
# Three new worlds, and four ways to live in them. Two need a few pictures with labels, 5 of each digit. One needs
# pictures from the new world, but **no labels**: run them through the network in training mode, change no weight, and
# let the batch norms learn the new mean and variance. What was an accident in section 9 is now the purpose
# (Li et al., 2016, "adaptive batch normalization").
#
# **Predict.** Pale ink on gray paper; black ink on white paper, that is, inverted; turned by 45°. For which of them will
# new statistics alone be enough?
#
# <details><summary>Answer</summary>
#
# For the first. Pale ink on gray paper is a change of brightness and contrast, a shift and a factor in every map, which is
# just what a batch norm takes out: from guessing to nine in ten and more, without a label. Inverted, what was an edge from dark
# to bright is one from bright to dark, the sign is wrong, and no shift and no positive factor mends that. Turned, the
# statistics of the maps hardly change; it is the filters that would have to turn. There only labels help.
#
# </details>

# %% tags=["demo"]
WORLDS = {
    "pale ink, gray paper": lambda x: 0.3 * x + 0.35,
    "inverted": lambda x: 1 - x,
    "turned by 45°": lambda x: turned(x, 45),
}


def with_new_statistics(network, x):
    """A copy of the network whose batch norms have seen other pictures; its parameters are the same."""
    model = copy.deepcopy(network)
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    model.train()
    with torch.no_grad():
        for batch in torch.as_tensor(x).split(64):
            model(batch)
    return model.eval()


LIVES = ("as it is", "new statistics, no labels", "classifier, 25 labels", "fine-tuned, 25 labels")
after = {}
for world, how in WORLDS.items():
    theirs, test = changed(low, how), changed(low_test, how)
    few = a_few(theirs, 5, seed=0)
    frozen = oracle.freeze_backbone(copy.deepcopy(net), "classifier")
    fit(frozen, few, epochs=30)
    tuned = copy.deepcopy(net)
    fit(tuned, few, epochs=30, rate=1e-3)
    models = net, with_new_statistics(net, theirs.x), frozen, tuned
    after[world] = [accuracy(model, test) for model in models]
    print(f"{world:>20}:", ", ".join(f"{life} {value:.0%}" for life, value in zip(LIVES, after[world], strict=True)))
    if world == "inverted":
        forgotten = accuracy(tuned, low_test)
print(f"the network tuned to inverted digits, on the old ones: {forgotten:.0%}")
assert after["pale ink, gray paper"][1] > after["pale ink, gray paper"][0] + 0.3
assert after["inverted"][1] < 0.6 and after["inverted"][3] > 0.75
assert forgotten < accuracy(net, low_test) - 0.1

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 4.6, columns=3, rows=2, height_ratios=(1, 1.6), sharey="row")
for column, (world, how) in enumerate(WORLDS.items()):
    strip = np.concatenate(how(low_test.x[some])[:, 0], axis=1)
    plot.image(axes[0, column], strip, world, gray=True)
    bars = axes[1, column].bar(range(4), after[world], color=plot.COLOURS[:4])
    axes[1, column].bar_label(bars, [f"{value:.0%}" for value in after[world]], size=9)
    axes[1, column].set_xticks(range(4), ("as it is", "new\nstatistics", "classifier", "fine-\ntuned"), size=8)
    axes[1, column].set(ylim=(0, 1.1))
axes[1, 0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
axes[1, 0].set_ylabel("right")
plot.show(fig, "Digits in three new worlds, and how many are right: as the network is, with new batch-norm statistics, with a "
          "classifier trained on 25 labelled pictures, fine-tuned on them. New statistics mend pale ink on gray paper only.")

# %% [markdown]
# There is a price tag on it, the last line above: the network that was tuned to inverted digits now gets many of the
# others wrong. That is called **catastrophic forgetting**. A frozen backbone cannot forget; put the old head back on, and the old network is
# there again. Where both worlds matter, train on both.
#
# ## What to keep
#
# - The first layer can be read as pictures: oriented edges and bars, as in the cortex. Further in, look at what excites a
#   map.
# - Occlusion asks what is needed, saliency what a small change would do, the deconvnet what excited one unit, Grad-CAM
#   where a layer's maps speak for a class. They are questions, not proofs; the spot in the corner shows what they are
#   good for.
# - Inner layers describe pictures as vectors. The last ones are made for the old classes; earlier ones are more general.
# - Transfer: a new head, and a decision what to freeze. Frozen means parameters *and* statistics.
# - A new world may need no more than new statistics, or new filters. Ask what has changed: brightness and contrast, or
#   shapes.
#
# ### Where the facts come from
#
# - **Deck a**: *Learning for vision III: Convolutional networks*, Karel Zimmermann, Czech Technical University in
#   Prague: the rule of the backward pass, Zeiler and Fergus's pictures. **Deck c**: *Lecture 5: Convolutional Neural
#   Networks*, from CS231n of Stanford University: those pictures. **Deck d**: *Robot Vision (CAP 4453), 18:
#   Convolutional Neural Networks I*, Gonzalo Vaca-Castaño, University of Central Florida: AlexNet's filters and
#   neighbours, the headings on transfer.
# - O. Pfungst, *Clever Hans (The Horse of Mr. von Osten)*, 1911: the horse, and what he read the answers off.
# - M. Zeiler and R. Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014: deconvnet, occlusion,
#   pictures that excite a map (decks a, c and d show it).
# - K. Simonyan, A. Vedaldi and A. Zisserman, *Deep Inside Convolutional Networks*, 2013: saliency.
# - R. Selvaraju et al., *Grad-CAM*, ICCV 2017. J. Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018.
# - A. Krizhevsky, I. Sutskever and G. Hinton, *ImageNet Classification with Deep Convolutional Neural Networks*, 2012:
#   learned filters, neighbours in feature space (deck d).
# - J. Yosinski et al., *How transferable are features in deep neural networks?*, NeurIPS 2014. Y. Li et al., *Revisiting
#   Batch Normalization for Practical Domain Adaptation*, 2016.
