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
# # Unit 01 · From cortex to convolution
#
# In 1958 two young doctors in Baltimore shone spots of light into the eye of an anaesthetised cat, with an electrode beside one
# neuron at the back of its brain. Hours went by, and next to nothing happened. Then they pushed another glass slide with a spot on it into the
# instrument, and the neuron burst into fire. It was not the spot. It was the edge of the glass, whose faint shadow moved across the retina.
#
# What David Hubel and Torsten Wiesel found in the years that followed is the plan of every convolutional network. This unit
# repeats their experiment on a model cell, and then follows the idea to the first network that was built on it.
#
# **After this unit you can**
#
# - say what a receptive field is, and find the one thing that a cell wants to see;
# - build simple, complex and hypercomplex cells out of dot products;
# - explain why neighbours matter in a picture, why the same detector is wanted everywhere, and what both save in weights;
# - train a perceptron and an Adaline, and show a problem that neither can solve;
# - build a small Neocognitron and say what its two kinds of layers are for.
#
# | | |
# |:--|:--|
# | **Time** | about 150 minutes: 70 to read and predict, 80 for ten exercises. Section 8 is a good place to break off. |
# | **You need** | NumPy arrays and dot products, the check of unit 00. No other unit, no biology. |
# | **Directions** | angles are in radians, from x (to the right) towards y (downwards), as rows and columns run. The angle of a bar or of stripes is the direction **across** them, in which a bar moves and a wave runs: at 0 a bar stands upright, at 90° it lies. |
#
# The text keeps asking you to predict something. Decide on an answer before you unfold ours: a wrong guess teaches more
# than none. The cell after an answer computes it. Cells that only draw are folded away; run them like any other. Many of them draw with
# *your* functions.

# %%
import numpy as np

from cnnkit import check, oracle, retina

rng = np.random.default_rng(0)

# %% tags=["demo"]
from cnnkit import plot, widgets

# %% tags=["demo", "hide-input"]
events = [  # year, what, how far above or below the line, colour
    (1957, "tungsten\nelectrode", 1.4, plot.BLUE),
    (1957, "perceptron\n(Rosenblatt)", -1.4, plot.VERMILION),
    (1959, "receptive fields in\nthe cat's cortex", 3.1, plot.BLUE),
    (1960, "Adaline\n(Widrow, Hoff)", -3.1, plot.VERMILION),
    (1962, "complex cells\nand columns", 1.4, plot.BLUE),
    (1968, "the monkey's\ncortex", 1.4, plot.BLUE),
    (1980, "Neocognitron\n(Fukushima)", -1.4, plot.GREEN),
    (1981, "Nobel prize for\nHubel and Wiesel", 1.4, plot.BLUE),
    (1986, "backpropagation\nbecomes popular", -3.1, plot.VERMILION),
    (1989, "ConvNet learns\nzip codes (LeCun)", 3.1, plot.GREEN),
    (1998, "LeNet-5\n(LeCun)", -1.4, plot.GREEN),
]
fig, ax = plot.canvas(27, 9.6)
across = lambda year: 1.2 + (year - 1956) * 0.57
ax.plot([across(1955.5), across(2000)], [4.7, 4.7], color=plot.INK, lw=1.2)
for year, what, height, colour in events:
    x, y = across(year), 4.7 - height
    ax.plot([x, x], [4.7, y + 0.2 * np.sign(height)], color=colour, lw=1.5)
    ax.plot(x, 4.7, "o", color=colour, ms=6)
    plot.text(ax, x, y - 1.0 * np.sign(height) + 0.1, f"{year}\n{what}", size=8.5, linespacing=1.15)
plot.show(fig, "A line of years from 1957 to 1998. In the brain: electrode 1957, receptive fields 1959, complex cells 1962, "
          "monkey 1968, Nobel prize 1981. In machines: perceptron 1957, Adaline 1960, backpropagation popular 1986. Where the "
          "two meet: Neocognitron 1980, LeCun's ConvNets 1989 and 1998.")

# %% [markdown]
# **Who is right?** Deck a puts the experiment under "Hubel and Wiesel 1960", decks c and e under 1959. Which is it?
#
# <details><summary>Answer</summary>
#
# The paper, *Receptive fields of single neurones in the cat's striate cortex*, is in volume 148 of the Journal of
# Physiology, pages 574 to 591: 1959. The recordings began the year before. When two slides disagree about a date, look
# at the title page.
#
# </details>

# %% [markdown]
# ## 1 · A bar of light
#
# Our retina is a square of 41 × 41 pixels, 0 where it is dark and 1 where there is light. On it we can put a bar of light at
# any angle and place, and move it at any speed. Its angle is that of the way it moves, across its length: the upright bar has
# 0, and the bar turned by 60° moves to the right and even more downwards.

# %%
size = 41
upright = retina.bar(size)
turned = retina.bar(size, theta=np.radians(60))
aside = retina.bar(size, theta=np.radians(60), position=9)
short = retina.bar(size, theta=np.radians(60), length=14)
small = retina.spot(size)

assert upright.shape == (41, 41)
assert (upright.min(), upright.max()) == (0, 1)

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 2.2, columns=5)
shown = {"upright bar": upright, "turned by 60°": turned, "and 9 pixels aside": aside, "and short": short, "spot": small}
for ax, (name, picture) in zip(axes, shown.items(), strict=True):
    plot.image(ax, picture, name, gray=True)
plot.show(fig, "Five pictures on a dark retina: an upright bar of light, the bar turned by 60 degrees, the same moved aside, "
          "a short one, and a small spot.")

# %% [markdown]
# Now the electrode. It stops beside a cell, and nobody tells us what this cell likes. All that we get is **spikes**: a neuron
# either fires a short pulse or does not. What it has to say lies in how many there are, its **firing rate**.
#
# A real neuron never answers twice in exactly the same way. Our model fires at random with a given rate (a *Poisson process*), so the
# spikes of two runs differ and only their density can be relied on.
#
# Let a bar pass over the retina, turned by 60°, at 20 pixels a second.

# %%
cell = retina.electrode(seed=8)
dt = 0.005  # seconds
times, positions, film = retina.sweep(size, theta=np.radians(60), speed=20, dt=dt)
rates = cell.rates(film)

runs = [retina.spikes(rates, dt, rng) for _ in range(8)]
[len(spikes) for spikes in runs]

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 4.6, rows=3, height_ratios=[1.1, 1, 1.2])
axes[0].set(xlim=(0, times[-1]), ylim=(0, 1))
axes[0].set_axis_off()
for moment in np.linspace(0.1, 0.9, 5):
    inset = axes[0].inset_axes((moment - 0.09, 0, 0.18, 1))
    plot.image(inset, film[int(moment * len(film))], gray=True)
for number, spikes in enumerate(runs):
    axes[1].vlines(spikes, number + 0.1, number + 0.9, color=plot.INK, lw=1)
axes[1].set(xlim=(0, times[-1]), ylim=(8, 0), yticks=[0.5, 7.5], yticklabels=["run 1", "run 8"], xticks=[])
axes[1].spines["bottom"].set_visible(False)
axes[2].fill_between(times, rates, color=plot.BLUE, alpha=0.3, lw=0)
axes[2].plot(times, rates, color=plot.BLUE, lw=2)
axes[2].set(xlim=(0, times[-1]), ylim=(0, 65), xlabel="seconds", ylabel="spikes per second")
plot.show(fig, "A bar crosses the retina in two seconds. Eight runs of spikes below it, no two alike, all crowded in the middle, "
          "where the firing rate has a peak of 60 spikes per second between two small ones.")

# %% [markdown]
# The cell does not look at the whole retina. It answers only while the bar is inside a certain region, its **receptive field**.
#
# **Predict.** The bar comes again, twice as fast. What happens to the highest rate of this model cell? And to the number of spikes
# that one pass brings?
#
# <details><summary>Answer</summary>
#
# The highest rate stays: it depends on where the bar is, not on how it came there. But the bar is in the field for half the
# time, so there are half as many spikes.
#
# This is where our model is simpler than the cat. A real cell also has a favourite speed, and often a favourite one of the two
# directions along the same line.
#
# </details>

# %%
def expected_spikes(speed):
    """How many spikes one pass brings on average, and the highest rate."""
    _, _, pictures = retina.sweep(size, np.radians(60), speed, dt)
    rates = cell.rates(pictures)
    return rates.sum() * dt, rates.max()


(slow, slow_peak), (fast, fast_peak) = expected_spikes(20), expected_spikes(40)
assert round(slow / fast, 1) == 2.0
assert abs(slow_peak - fast_peak) < 0.02 * slow_peak

# %% [markdown]
# ## 2 · A spot of light
#
# Hubel and Wiesel did not begin with bars. In the retina and on the way from it a small round spot in the right place is the best thing one
# can show, so they tried spots on the cortex as well.
#
# **Predict.** The bar draws 60 spikes a second from our cell at best. What do you get from a spot of 3 pixels across in the best
# place? On average over all places? And from light everywhere?
#
# <details><summary>Answer</summary>
#
# In the best place between 6 and 7 spikes a second, a ninth of what the bar brings; on average over the retina less than 1. Light
# everywhere brings nothing at all, although it contains every bar and every spot: this cell does not count light, it wants
# light in some places *and darkness in others*.
#
# </details>

# %%
places = np.arange(-19, 20)
spots = np.array([[cell.rate(retina.spot(size, (x, y))) for x in places] for y in places])
everywhere = cell.rate(np.ones((size, size)))
assert 6 < spots.max() < 7
assert spots.mean() < 1
assert everywhere < 1e-9
assert 59 < slow_peak < 61

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3, columns=3, width_ratios=[1, 1, 1.3])
plot.image(axes[0], retina.spot(size, (5, -3)), "one of many spots", gray=True)
plot.image(axes[1], spots, "rate for a spot in each place", limit=60)
bars = {"best bar": slow_peak, "best spot": spots.max(), "average spot": spots.mean(), "light everywhere": everywhere}
axes[2].barh(list(bars), list(bars.values()), color=[plot.VERMILION, plot.BLUE, plot.BLUE, plot.BLUE])
axes[2].invert_yaxis()
axes[2].set(xlabel="spikes per second", xlim=(0, 70))
for row, value in enumerate(bars.values()):
    axes[2].annotate(f"{value:.1f}", (value, row), (4, 0), textcoords="offset points", va="center", size=10)
plot.show(fig, "Left: a small spot of light. Middle: the firing rate for a spot in each place, faint everywhere. Right: best bar 60 "
          "spikes per second, best spot about 7, average spot 0.4, light everywhere 0.")

# %% [markdown]
# ## 3 · Turning the bar
#
# The faint line from the edge of the slide had an angle, and it was the angle that mattered. So turn the bar in steps of 20°, let it pass
# over the whole retina each time, slowly, and count.

# %%
degrees = np.arange(0, 180, 20)
counts = np.zeros((len(degrees), 10), int)  # ten passes for each angle
first_pass = []
for row, theta in enumerate(np.radians(degrees)):
    times, _, film = retina.sweep(size, theta, speed=10, dt=dt)
    rates = cell.rates(film)
    passes = [retina.spikes(rates, dt, rng) for _ in range(10)]
    counts[row] = [len(spikes) for spikes in passes]
    first_pass.append(passes[0])

mean_counts = dict(zip(degrees.tolist(), counts.mean(axis=1), strict=True))
assert max(mean_counts, key=mean_counts.get) == 60
assert max(mean_counts[40], mean_counts[80]) < 0.3 * mean_counts[60]  # 20 degrees off
assert mean_counts[140] < 1.5  # nearly at right angles

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 6.2, rows=9, columns=3, width_ratios=[0.55, 3, 3.2])
spec = axes[0, 2].get_gridspec()
for ax, degree in zip(axes[:, 0], degrees, strict=True):
    plot.image(ax, retina.bar(size, np.radians(degree)), gray=True)
    ax.set_ylabel(f"{degree}°", rotation=0, ha="right", va="center", size=10)
for ax, spikes in zip(axes[:, 1], first_pass, strict=True):
    ax.vlines(spikes, 0, 1, color=plot.INK, lw=1)
    ax.set(xlim=(0, times[-1]), ylim=(-0.15, 1.15), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.axhline(0, color=plot.INK, lw=0.8)
axes[0, 1].set_title("spikes during one pass of the bar, 4 seconds", size=10)
for ax in axes[:, 2]:
    ax.remove()
curve = fig.add_subplot(spec[:, 2])
curve.spines[["top", "right"]].set_visible(False)
curve.plot(np.repeat(degrees, 10), counts.ravel(), "o", color=plot.BLUE, ms=4, alpha=0.35, mew=0)
curve.plot(degrees, counts.mean(axis=1), "o-", color=plot.VERMILION, lw=2)
curve.set(xlabel="angle of the bar", xticks=range(0, 180, 40), ylabel="spikes in a pass")
curve.xaxis.set_major_formatter("{x:.0f}°")
curve.set_title("ten passes at each angle, and their mean", size=10)
plot.show(fig, "Nine bars, turned by 20 degrees more from row to row, the spikes that each draws, and the tuning curve: a sharp "
          f"peak at 60 degrees with {counts.max(axis=0).mean():.0f} spikes, next to nothing from 100 degrees on.")

# %% [markdown]
# The picture on the left is how such results were, and are, published: the stimulus in one column, the spikes beside it. The curve on the right is
# called a **tuning curve**. Twenty degrees off the mark the answer has dropped to a small part, and a bar at right angles is as good as darkness.
#
# Nobody had expected that. A spot is the simplest thing for the eye, and an *oriented edge* is the simplest thing for the cortex.

# %% [markdown]
# ## 4 · What the cell computes
#
# A cell like this one is called a **simple cell**, since its behaviour follows from a map: some places of its field excite it when there is light, others
# hold it back. Write the map as an array of weights, lay it on the picture, multiply and add up. That is a dot product. As no neuron can fire less than not
# at all, what comes out below 0 becomes 0. This is called *rectifying*; networks call the same function ReLU.
#
# $$r = \max\Big(0,\; \sum_{i,j} w_{ij}\, x_{ij}\Big)$$
#
# Here is a field small enough to do by hand: an upright strip that wants light, between two that want darkness.

# %%
field = np.array([[-1, -1, 4, -1, -1]] * 5)
upright_line, beside, level = np.zeros((3, 5, 5), int)
upright_line[:, 2] = 1
beside[:, 1] = 1
level[2] = 1
diagonal = np.eye(5, dtype=int)

# %% [markdown]
# **Predict.** What does this cell answer to an upright line in the middle; to the same line one pixel to the left; to a level line; to a diagonal;
# to light everywhere?
#
# <details><summary>Answer</summary>
#
# 20, 0, 0, 0, 0. Beside its place the line falls on weights of −1 only, and −5 is rectified to 0. Each row of weights adds up to 0, so
# a level line gives 0, and so does light everywhere. A diagonal meets every column once, which gives 0 as well.
#
# </details>

# %%
sums = [int((field * x).sum()) for x in (upright_line, beside, level, diagonal, np.ones((5, 5), int))]
assert sums == [20, -5, 0, 0, 0]

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 8.2)
plot.grid(ax, field, (0.5, 1.6), "field")
for number, (x, name) in enumerate([(upright_line, "in its place"), (beside, "beside it"), (level, "level"), (diagonal, "diagonal")]):
    box = plot.grid(ax, x, (6.7 + 5 * number, 2), name, numbers=False, limit=1, cell=0.84)
    plot.text(ax, box.x, 7, f"{sums[number]} → {max(0, sums[number])}".replace("-", "−"), size=12)
plot.show(fig, "A 5 by 5 field with a column of 4 between columns of minus 1, and four lines on it. The upright line in its place "
          "gives 20; beside it minus 5, rectified to 0; level and diagonal lines give 0.")

# %% [markdown]
# ### Exercise: `simple_cell`
#
# The whole cell in a line or two.

# %% solution="simple_cell"
def simple_cell(patch, rf):
    """Response of a simple cell.

    Args:
        patch: what lies on the field (H, W).
        rf: the receptive field (H, W).

    Returns:
        The rectified dot product, one number.
    """
    ### BEGIN SOLUTION
    return max(0.0, float(np.sum(patch * rf)))
    ### END SOLUTION

# %% check="simple_cell"
check("simple_cell", simple_cell)

# %% [markdown]
# ### Exercise: `tuning_curve`
#
# Now the experiment of section 3 in one call, without the noise: a stack of pictures in, a response for each of them out.

# %% solution="tuning_curve"
def tuning_curve(rf, stimuli):
    """Responses of a simple cell to many pictures.

    Args:
        rf: the receptive field (H, W).
        stimuli: pictures (n, H, W).

    Returns:
        (n,), each rectified, dtype of stimuli.
    """
    ### BEGIN SOLUTION
    sums_of_products = np.tensordot(stimuli, rf, axes=2)
    return np.maximum(sums_of_products, 0)
    ### END SOLUTION

# %% check="tuning_curve"
check("tuning_curve", tuning_curve)

# %% tags=["demo", "hide-input"]
fine = np.arange(0, 180, 1)
answers = tuning_curve(cell.field, np.stack([retina.bar(size, np.radians(d)) for d in fine]))
favourite = fine[answers.argmax()]
half = fine[answers > answers.max() / 2]
assert favourite == 59 and half.max() - half.min() < 25

fig, ax = plot.figure(8, 2.8)
ax.plot(fine, answers, color=plot.BLUE, lw=2)
ax.axvspan(half.min(), half.max(), color=plot.VERMILION, alpha=0.25, lw=0)
ax.annotate(f"above half of its best\nfor {half.max() - half.min()}° only", (half.max() + 3, answers.max() * 0.7), size=10)
ax.set(xlabel="angle of the bar", ylabel="response", xlim=(0, 179), xticks=range(0, 180, 20), ylim=(0, None))
ax.xaxis.set_major_formatter("{x:.0f}°")
plot.show(fig, "Your tuning curve of the cell, in steps of one degree: a single narrow peak at 59 degrees and zero for most angles.")

# %% [markdown]
# With your own function you can turn the bar in steps of 1°, and no spike is lost to chance: the cell's favourite is 59°.

# %% [markdown]
# ## 5 · A formula for the field
#
# When fields like this were measured closely, a formula by Dennis Gabor turned out to fit them well: a **wave** that runs
# in one direction, under a **Gaussian** that lets it live in a small region only.
#
# Let $x$ and $y$ count pixels to the right and down from the middle of the field. Turn them by $\theta$:
#
# $$u = x\cos\theta + y\sin\theta \qquad v = -x\sin\theta + y\cos\theta$$
#
# Now $u$ runs along the wave and $v$ across it, and the field is
#
# $$g = \exp\!\left(-\frac{u^2 + \gamma^2 v^2}{2\sigma^2}\right)\,\cos\!\left(\frac{2\pi u}{\lambda} + \varphi\right)$$
#
# with its mean subtracted last of all. There is a parameter for everything that one may want to ask a cell:
#
# | | | |
# |:--|:--|:--|
# | $\theta$ | direction | which way must an edge face? |
# | $\lambda$ | wavelength | how wide a bar? |
# | $\varphi$ | phase | a bright bar in the middle (0), a dark one (π), or an edge (±π/2)? |
# | $\sigma$ | width of the Gaussian | how many stripes? Here 0.56 λ unless it is given |
# | $\gamma$ | aspect ratio | how long? With 0.5 the Gaussian is twice as long along $v$ as along $u$ |

# %% tags=["demo", "hide-input"]
tilt = np.radians(30)
wave = 2 * retina.grating(size, tilt, 8) - 1
envelope = oracle.gabor(size, tilt, 1e6, sigma=4.5, zero_mean=False)
fig, axes = plot.figure(8, 2.5, columns=3)
for ax, values, name in zip(axes, (wave, envelope, wave * envelope), ("wave …", "… times Gaussian …", "… is a Gabor filter"), strict=True):
    plot.image(ax, values, name, limit=1)
end = size / 2 + np.array([np.cos(tilt), np.sin(tilt)]) * 17
axes[0].annotate("", end, (size / 2, size / 2), arrowprops={"arrowstyle": "-|>", "color": plot.INK, "lw": 1.6})
plot.text(axes[0], *(end + np.array([-1, 4])), "u", size=13, style="italic")
plot.show(fig, "Stripes whose wave runs 30 degrees downwards from the right, times a Gaussian that is longer across than along the wave, "
          "give a Gabor filter: a warm strip between two cool ones.")

# %% [markdown]
# **Predict.** Suppose we forget to subtract the mean. The Gaussian has no room to fade out on a field of 11 × 11 pixels with a wavelength of 8. What
# is the dot product with light everywhere, compared to the 25 that this cell's favourite bar brings?
#
# <details><summary>Answer</summary>
#
# About −9. So add light everywhere, and the same bar brings 16 instead of 25; and the same filter with the opposite sign fires at a blank bright screen.
# A detector of edges should not care how bright the day is: its weights must add up to 0.
#
# </details>

# %%
forgetful, bar = oracle.gabor(11, 0, 8, zero_mean=False), retina.bar(11)
light = np.ones((11, 11))
assert [round(float((forgetful * x).sum())) for x in (bar, light, bar + light)] == [25, -9, 16]
assert abs(oracle.gabor(11, 0, 8).sum()) < 1e-12

# %% [markdown]
# ### Exercise: `gabor`
#
# The origin lies in the very middle of the array. For an even size that is between two pixels.

# %% solution="gabor"
def gabor(size, theta, wavelength, phase=0.0, sigma=None, gamma=0.5):
    """A Gabor filter.

    Args:
        size: side of the array, in pixels.
        theta: direction in which the wave runs, in radians from x (right) towards y (down).
        wavelength: in pixels.
        phase: in radians.
        sigma: width of the Gaussian along u in pixels; None for 0.56 times the wavelength.
        gamma: how much narrower the Gaussian is along u than along v.

    Returns:
        (size, size), x along the second axis, mean 0.
    """
    ### BEGIN SOLUTION
    sigma = 0.56 * wavelength if sigma is None else sigma
    y, x = np.indices((size, size)) - (size - 1) / 2
    u = x * np.cos(theta) + y * np.sin(theta)
    v = y * np.cos(theta) - x * np.sin(theta)
    g = np.exp(-(u**2 + (gamma * v) ** 2) / (2 * sigma**2)) * np.cos(2 * np.pi * u / wavelength + phase)
    return g - g.mean()
    ### END SOLUTION

# %% check="gabor"
check("gabor", gabor)

# %% [markdown]
# In section 4 you measured the cell's favourite angle. Now rebuild its field from that one number, and then look at the field that was hidden in
# the model all along.

# %% tags=["demo", "hide-input"]
rebuilt = gabor(size, np.radians(favourite), 8)
likeness = np.corrcoef(rebuilt.ravel(), cell.field.ravel())[0, 1]
assert likeness > 0.999

variations = [
    (r"θ = 0", {}), (r"θ = 45°", {"theta": np.pi / 4}), (r"λ = 5", {"wavelength": 5}), (r"φ = π", {"phase": np.pi}),
    (r"φ = π/2", {"phase": np.pi / 2}), (r"σ = 7", {"sigma": 7}), (r"γ = 1", {"gamma": 1}),
]
fig, axes = plot.figure(9, 2.1, columns=9, width_ratios=[1.25, 1.25, *[1] * 7])
plot.image(axes[0], cell.field, "the hidden field")
plot.image(axes[1], rebuilt, "rebuilt by you")
for ax, (name, changed) in zip(axes[2:], variations, strict=True):
    plot.image(ax, gabor(size, **({"theta": 0, "wavelength": 8} | changed)), name)
plot.show(fig, f"The hidden field of the cell beside the one you rebuilt: alike to a correlation of {likeness:.4f}. Then seven more, with "
          "another direction, wavelength, phase, width and aspect ratio.")

# %% [markdown]
# ## 6 · Complex cells
#
# A simple cell is fussy about place. Move the bar by half a wavelength and the cell is silent: the light falls where it wants darkness. In
# their second paper, of 1962, Hubel and Wiesel describe cells that want an angle, too, but do not mind *where in the
# field* the bar lies. They called them **complex cells**, and guessed that each of them listens to several simple cells.
#
# **Predict.** Take two simple cells with the same angle, one with phase 0 and one with phase π/2, and slide stripes under both. Their dot products go up
# and down like a cosine and a sine. What combination of the two does not go up and down at all?
#
# <details><summary>Answer</summary>
#
# The sum of the squares, since $\cos^2 + \sin^2 = 1$. It is called the **energy**; Adelson and Bergen proposed it in 1985. Note that the dot products are squared as they
# are, not rectified: −3 counts as much as 3, so a dark bar does as well as a bright one.
#
# $$r = \Big(\sum_{i,j} w^{\text{even}}_{ij}\, x_{ij}\Big)^2 + \Big(\sum_{i,j} w^{\text{odd}}_{ij}\, x_{ij}\Big)^2$$
#
# </details>

# %%
phases = np.linspace(0, 2 * np.pi, 24, endpoint=False)
stripes = [retina.grating(size, 0, 8, phase) for phase in phases]
even, odd = oracle.gabor(size, 0, 8), oracle.gabor(size, 0, 8, phase=np.pi / 2)
energies = np.array([oracle.complex_cell(x, even, odd) for x in stripes])
alone = np.array([oracle.simple_cell(x, even) for x in stripes])
assert energies.min() > 0.99 * energies.max()
assert (alone == 0).sum() >= 11  # silent for half of all phases

# %% [markdown]
# Record from both kinds. The cell below prefers 60°, and stripes at its angle lie on the retina.
#
# **Predict.** What will the simple cell do while you slide the *phase* of the stripes, and what the complex one? What
# will either do when you turn the *angle*?

# %% tags=["demo"]
widgets.CortexLab(cell="simple", stimulus="grating", prefers=60, angle=60)

# %% [markdown]
# <details><summary>Answer</summary>
#
# The simple cell rises and falls with the phase and is silent for half of it. The complex cell does not notice. Both are
# as strict about the angle as before: the one has given up the place, not the direction.
#
# </details>

# %% [markdown]
# ### Exercise: `complex_cell`

# %% solution="complex_cell"
def complex_cell(patch, rf_even, rf_odd):
    """Response of a complex cell: the energy in two fields a quarter of a wave apart.

    Args:
        patch: what lies on the field (H, W).
        rf_even: field with phase 0 (H, W).
        rf_odd: the same field with phase pi/2 (H, W).

    Returns:
        One number, 0 or more.
    """
    ### BEGIN SOLUTION
    pair = np.sum(patch * rf_even), np.sum(patch * rf_odd)
    return float(pair[0] ** 2 + pair[1] ** 2)
    ### END SOLUTION

# %% check="complex_cell"
check("complex_cell", complex_cell)

# %% tags=["demo", "hide-input"]
shifts = np.arange(-14, 15)
moved = np.stack([retina.bar(size, 0, shift) for shift in shifts])
curves = [
    ("simple, φ = 0", lambda xs: tuning_curve(even, np.stack(xs)), plot.BLUE, "--"),
    ("simple, φ = π/2", lambda xs: tuning_curve(odd, np.stack(xs)), plot.GREEN, ":"),
    ("complex", lambda xs: np.array([complex_cell(x, even, odd) for x in xs]), plot.VERMILION, "-"),
]
fig, axes = plot.figure(9, 3, columns=4, width_ratios=[0.7, 0.7, 2, 2])
plot.image(axes[0], even, "φ = 0")
plot.image(axes[1], odd, "φ = π/2")
for ax, where, pictures, name in ((axes[2], shifts, moved, "a bar, moved aside (pixels)"), (axes[3], np.degrees(phases), stripes, "stripes, phase")):
    for label, respond, colour, style in curves:
        responses = respond(pictures)
        ax.plot(where, responses / responses.max(), style, color=colour, lw=2.2, label=label)
    ax.set(xlabel=name, yticks=[0, 1], ylim=(0, 1.08))
axes[3].set_xticks([0, 90, 180, 270], ["0°", "90°", "180°", "270°"])
axes[2].set_ylabel("response / its best")
axes[2].legend(frameon=False, fontsize=8.5, loc="upper right", bbox_to_anchor=(1.06, 1.04))
plot.show(fig, "Two fields of phases 0 and 90 degrees. As a bar moves aside, each simple cell has narrow peaks, the complex cell one broad "
          "hill. For stripes of any phase the complex cell's response is flat, where each simple cell is silent half of the time.")

# %% [markdown]
# The complex cell still wants its angle, but it has traded some knowledge of *where* for certainty of *what*. Keep this trade in mind: it comes back as the C-layer of
# section 16, and in today's networks as pooling.
#
# ## 7 · Hypercomplex cells
#
# Some cells wanted yet another thing: the line should *stop*. Make the bar longer and the response grows, up to the length of the field; beyond that it falls again. Hubel and Wiesel
# called such cells **hypercomplex** (1965); today one says end-stopped. An end of a line, a corner, a strong curve drive them; a long straight line does not.
#
# To build one, put a field of **flanks** at either end of the **centre**, with the same angle, and let it hold the cell back with strength $k$:
#
# $$c = \max(0, \text{centre}\cdot x) \qquad f = \max(0, \text{flank}\cdot x) \qquad r = \max(0,\; c - k\,f)$$
#
# **Predict.** The centre is 17 pixels long, the flanks reach from there to the edge, and $k = 1$. How does the response change as the bar grows from 1 to 41 pixels? What if $k = 0$?
#
# <details><summary>Answer</summary>
#
# It grows up to 17 pixels, while only the centre is lit. From there on $c$ stays and $f$ grows, and since these flanks together are a little stronger than the centre, a bar over the whole
# retina gives 0. With $k = 0$ the flanks have no say: the response grows to 17 pixels and stays, a simple cell's.
#
# </details>

# %%
long_field = oracle.gabor(size, 0, 8, gamma=0.25)
_, along = retina.axes(size)
centre, flank = long_field * (abs(along) <= 8), long_field * (abs(along) > 8)
assert (abs(along) <= 8).sum(axis=0)[0] == 17

lengths = np.arange(1, 42, 2)
growing = [retina.bar(size, length=length) for length in lengths]
stopped = [oracle.hypercomplex_cell(x, centre, flank) for x in growing]
plain = [oracle.hypercomplex_cell(x, centre, flank, k=0) for x in growing]
assert lengths[np.argmax(stopped)] == 17 and stopped[-1] == 0
assert np.ptp(plain[8:]) < 0.02 * max(plain)

# %% [markdown]
# ### Exercise: `hypercomplex_cell`

# %% solution="hypercomplex_cell"
def hypercomplex_cell(patch, centre, flank, k=1.0):
    """Response of an end-stopped cell.

    Args:
        patch: what lies on the fields (H, W).
        centre: field that excites the cell (H, W).
        flank: field that holds it back (H, W).
        k: how strongly.

    Returns:
        One number, 0 or more.
    """
    ### BEGIN SOLUTION
    excitation = max(0.0, float(np.vdot(centre, patch)))
    inhibition = max(0.0, float(np.vdot(flank, patch)))
    return max(0.0, excitation - k * inhibition)
    ### END SOLUTION

# %% check="hypercomplex_cell"
check("hypercomplex_cell", hypercomplex_cell)

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3, columns=5, width_ratios=[0.8, 0.8, 0.8, 0.8, 2.6])
plot.image(axes[0], centre, "centre", limit=1)
plot.image(axes[1], flank, "flanks", limit=1)
plot.image(axes[2], growing[8], "17 pixels", gray=True)
plot.image(axes[3], growing[-1], "41 pixels", gray=True)
for k, colour, style in ((0, plot.BLUE, "--"), (0.5, plot.GREEN, ":"), (1, plot.VERMILION, "-")):
    responses = [hypercomplex_cell(x, centre, flank, k) for x in growing]
    axes[4].plot(lengths, responses, style, color=colour, lw=2.2)
    axes[4].annotate(f"k = {k}", (41, responses[-1]), (5, 3), textcoords="offset points", va="center", color=colour)
axes[4].set(xlabel="length of the bar (pixels)", ylabel="response", ylim=(0, 42), xlim=(0, 47), xticks=[1, 9, 17, 25, 33, 41])
plot.show(fig, "Fields of centre and flanks, a bar of 17 and one of 41 pixels. Response against length: up to 17 pixels it grows; beyond, "
          "it stays for k = 0, falls to half for k = 0.5 and to zero for k = 1.")

# %% [markdown]
# ## 8 · Columns and a map
#
# So much for single cells. How are they laid out in the brain? Hubel and Wiesel pushed the electrode on and wrote down every cell that it met, and found two rules:
#
# 1. **Columns.** Straight down into the cortex all cells want the same angle. Sideways the angle changes, in small steps, until after about a millimetre every angle has had
#    its turn.
# 2. **A map.** Sideways the place of the field moves as well: neighbours in the cortex look at neighbouring places. The retina is spread out over the cortex like
#    a map, stretched but not torn.
#
# Let us build such a sheet: 48 × 48 complex cells, each with a Gabor filter of its own. Where a cell sits decides where on the retina it looks; its angle changes smoothly from
# place to place.

# %% tags=["demo", "hide-input"]
# Which angle each cell wants: noise, of which only waves about 14 cells long are kept. (How that is done is in unit 02.)
cells = 48
layout = np.random.default_rng(3)
frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(cells), np.fft.fftfreq(cells)))
noise = layout.normal(size=(cells, cells)) + 1j * layout.normal(size=(cells, cells))
smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((frequency - 1 / 14) ** 2) / (2 * 0.012**2)))
wanted = (np.angle(smooth) / 2) % np.pi  # the angle of each cell, (48, 48)

# %% [markdown]
# Then forget how they were built, and measure: show stripes of twelve angles to all of them at once, and find out what each cell answers to most. It is also how it is done in
# a living brain, with a camera in place of the electrode.
#
# A cell answers to several angles a little. So let every angle vote, with the strength of its answer, and take the average direction. For the vote the angles are doubled, since 0° and
# 180° are the same line: doubled, they are 0° and 360°, and vote alike.

# %% tags=["demo"]
field_size = 13
even_fields = np.stack([gabor(field_size, theta, 6) for theta in wanted.ravel()]).reshape(cells, cells, field_size, field_size)
odd_fields = np.stack([gabor(field_size, theta, 6, np.pi / 2) for theta in wanted.ravel()]).reshape(even_fields.shape)
wide = 2 * (cells - 1) + field_size  # a retina on which neighbouring cells look 2 pixels apart


def sheet(picture):
    """Responses (48, 48) of all cells to a picture on the retina."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (field_size, field_size))[::2, ::2]
    return sum((windows * fields).sum(axis=(2, 3)) ** 2 for fields in (even_fields, odd_fields))


test_angles = np.arange(12) * np.pi / 12
votes = sum(sheet(retina.grating(wide, theta, 6)) * np.exp(2j * theta) for theta in test_angles)
preferred = (np.angle(votes) / 2) % np.pi
off = np.degrees(abs((preferred - wanted + np.pi / 2) % np.pi - np.pi / 2))
assert np.median(off) < 2  # what was measured is what was built in

# %% tags=["demo", "hide-input"]
from matplotlib.colors import LinearSegmentedColormap, to_rgba

wheel = LinearSegmentedColormap.from_list("angles", [plot.BLUE, plot.SKY, plot.GREEN, plot.ORANGE, plot.VERMILION, plot.PURPLE, plot.BLUE])
ring_u, ring_v = retina.axes(wide)
ring = np.clip(2.5 - abs(np.hypot(ring_u, ring_v) - 32), 0, 1)
scenes = [("stripes", retina.grating(wide, 0, 6)), ("one bar", retina.bar(wide, 0, -20, 3)), ("a ring", ring)]


def firing(activity):
    """The colours (48, 48, 4) of the cells, as strong as each of them fires."""
    colours = wheel(preferred / np.pi)
    colours[..., 3] = np.clip(activity / np.quantile(activity, 0.98), 0, 1)
    return colours


fig, axes = plot.figure(9, 5.2, rows=2, columns=4)
key = axes[0, 0]
key.set_aspect("equal")
key.set(xlim=(-0.7, 3.7), ylim=(2.9, -0.9), title="bars and their colours")
key.title.set_size(10)
key.set_axis_off()
for number, theta in enumerate(test_angles):
    x, y, reach = number % 4, number // 4, 0.36
    key.plot([x - reach * np.sin(theta), x + reach * np.sin(theta)], [y + reach * np.cos(theta), y - reach * np.cos(theta)],
             color=wheel(theta / np.pi), lw=5, solid_capstyle="butt")
axes[1, 0].imshow(preferred / np.pi, cmap=wheel, vmin=0, vmax=1, interpolation="nearest")
axes[1, 0].set_title("what each cell wants", size=10)
for column, (name, picture) in enumerate(scenes, start=1):
    plot.image(axes[0, column], picture, name, gray=True)
    axes[1, column].imshow(firing(np.sqrt(sheet(picture))), interpolation="nearest")
    axes[1, column].set_title("… and who fires", size=10)
for ax in axes[1]:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="#888888")
plot.show(fig, "A sheet of model cortex coloured by the angle that each cell prefers: patches that change smoothly into each other. Under upright "
          "stripes all upright patches fire, all over the sheet. Under one upright bar only those along one line. Under a ring the "
          "active cells form a ring, and go through all colours on the way round.")

# %% [markdown]
# Look at the lower row. Under the stripes you see the columns: everything that wants upright is active, in every part of the sheet. Under the bar and the ring you see the map: the activity has the
# shape of the picture, and on the way round the ring each angle has its turn.
#
# **Predict.** What would the activity look like for the ring if the cells were the same, but scattered over the sheet at random? Would anything be lost?
#
# <details><summary>Answer</summary>
#
# It would look like noise, although it is the same set of responses. Nothing would be lost for a reader who has a list of what each cell wants. But a cell further on that wants to know whether two edges meet in a corner would
# have to find its few partners among all the cells of the sheet, over wires of all lengths. On a map they are next door.
#
# </details>

# %% tags=["demo", "hide-input"]
on_map = firing(np.sqrt(sheet(ring)))
scattered = np.random.default_rng(0).permutation(on_map.reshape(-1, 4)).reshape(on_map.shape)
fig, axes = plot.figure(7, 2.6, columns=3)
plot.image(axes[0], ring, "a ring", gray=True)
for ax, (name, colours) in zip(axes[1:], {"on a map": on_map, "the same cells, scattered": scattered}.items(), strict=True):
    ax.imshow(colours, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.set_title(name, size=10)
    ax.spines[:].set(visible=True, color="#888888")
plot.show(fig, "A ring of light; the cells of the map that fire at it, a ring in all colours; and the same cells with the same "
          "activity scattered over the sheet at random: coloured noise.")

# %% [markdown]
# Two lessons for a machine that is to see:
#
# - **Neighbours matter.** What belongs together in a picture lies close together, and a cell needs to be connected to a small region only.
# - **The same detector is wanted everywhere.** Each part of the sheet has all the angles. There is one cell for the edge on the left, and another for the same edge on the right (deck a).

# %% [markdown]
# ## 9 · Three ways to connect
#
# Put numbers on these two lessons. Deck b has the smallest example: 7 inputs and 3 hidden units. A unit may be connected to all inputs; or to 3 neighbours
# only, with weights of its own; or to 3 neighbours with weights that *all units share*.
#
# **Predict.** How many weights has each of the three layers?
#
# <details><summary>Answer</summary>
#
# 3 · 7 = 21 fully connected; 3 · 3 = 9 locally connected; and 3 if they are shared, however many units there are.
#
# </details>

# %%
assert oracle.connection_counts(7, 3, 3) == (21, 9, 3)

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(27, 6.6)
kinds = ("fully connected: 21 weights", "local: 9 weights", "local and shared: 3 weights")
for number, name in enumerate(kinds):
    left = 1.3 + 9 * number
    hidden = [(left + 1 + 2 * h, 1.7) for h in range(3)]
    inputs = [(left + i, 5) for i in range(7)]
    for h, (x, y) in enumerate(hidden):
        for i in range(7) if number == 0 else range(2 * h, 2 * h + 3):
            tap = (i - 2 * h) % 3
            colour = ("#888888", plot.COLOURS[h], plot.COLOURS[tap])[number]
            style = ("-", "-", ("-", "--", ":")[tap])[number]
            ax.plot([inputs[i][0], x], [inputs[i][1], y], style, color=colour, lw=(1, 1.8, 2.2)[number])
    for x, y in hidden + inputs:
        ax.plot(x, y, "o", color=plot.PAPER, mec=plot.INK, ms=12, mew=1.3)
    plot.text(ax, left + 3, 0.5, name)
plot.text(ax, 4.3, 6.1, "7 inputs", size=9)
plot.text(ax, 13.3, 6.1, "each line a weight of its own", size=9)
plot.text(ax, 22.3, 6.1, "lines that look alike are one weight", size=9)
plot.show(fig, "Seven inputs below three hidden units, three times. Each unit is connected to all inputs; to three neighbours with weights of its "
          "own; to three neighbours with the same three weights as every other unit.")

# %% [markdown]
# ### Exercise: `connection_counts`
#
# Count the weights alone, no biases.

# %% solution="connection_counts"
def connection_counts(n_in, n_hidden, k):
    """How many weights a layer needs.

    Args:
        n_in: number of inputs.
        n_hidden: number of hidden units.
        k: inputs that a unit of a local layer sees.

    Returns:
        (fully connected, locally connected, local and shared), three ints.
    """
    ### BEGIN SOLUTION
    per_full_unit, per_local_unit = n_in, k
    return n_hidden * per_full_unit, n_hidden * per_local_unit, k
    ### END SOLUTION

# %% check="connection_counts"
check("connection_counts", connection_counts)

# %% [markdown]
# Seven inputs are no picture. Take deck d's, of 256 × 256 pixels in three colours, and 1000 hidden units which, where they are local, see a window of 5 × 5 pixels in all colours.
#
# **Predict.** How many inputs does a single fully connected unit look at? By what factor does locality reduce the weights of the layer, and by what further factor does sharing?
#
# <details><summary>Answer</summary>
#
# 256 · 256 · 3 = 196 608 inputs, so nearly 200 million weights for 1000 units. A window has 75, so locality brings 75 000: fewer by a factor of 2600. Sharing divides by
# another 1000 and leaves 75.
#
# </details>

# %%
pixels = 256 * 256 * 3
full, local, shared = oracle.connection_counts(pixels, 1000, 5 * 5 * 3)
assert (pixels, full, local, shared) == (196_608, 196_608_000, 75_000, 75)
assert 2600 < full / local < 2650 and local / shared == 1000

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.2, 2.1)
names_, values = ["fully connected", "local", "local and shared"], connection_counts(pixels, 1000, 75)
ax.barh(names_, values, color=[plot.VERMILION, plot.ORANGE, plot.GREEN], log=True)
for row, value in enumerate(values):
    ax.annotate(f"{value:,}".replace(",", " "), (value, row), (5, 0), textcoords="offset points", va="center", size=10)
ax.invert_yaxis()
ax.set(xlim=(1, 3e10), xlabel="weights of 1000 units on a picture of 256 × 256 × 3, each gridline a factor of 100", xticks=[10.0**e for e in range(0, 11, 2)])
ax.minorticks_off()
ax.grid(axis="x", color="#888888", alpha=0.3)
plot.show(fig, "Bars on a logarithmic scale: 196 608 000 weights fully connected, 75 000 local, 75 local and shared.")

# %% [markdown]
# **Deck a asks:** from $N$ pixels to $N$ outputs, each with a neighbourhood of $n$ pixels: what is the reduction?
#
# <details><summary>Answer</summary>
#
# From $N^2$ weights to $nN$, a factor of $N/n$; and from there to $n$ if they are shared, another factor of $N$. For a window of 3 × 3 on 256 × 256 pixels these are 7282 and 65 536. The first saving is the topographic map's, the second that of having the
# same cells everywhere.
#
# The brain makes the first saving only. Its cells cannot share: each grows its own synapses, and a column on the left has to learn what a column on the right has learned. In a program, two units can use one number.
#
# </details>

# %%
N, n = 256 * 256, 9
full, local, shared = oracle.connection_counts(N, N, n)
assert (full, local, shared) == (N**2, n * N, n)
assert round(full / local) == 7282 and local // shared == 65_536

# %% [markdown]
# ## 10 · Spot the error
#
# Deck e shows a 3 × 3 filter on a 5 × 5 picture and says in the caption: 3 × 3 + 1 = 10 weights for a picture of any size, compared to 25 × 9 + 1 = 226 weights of a fully
# connected layer for 5 × 5 pictures. The 10 is right: nine weights and a bias. What about the 226? (The filter fits in 9 places; with a border of zeros round the picture it fits in 25.)
#
# <details><summary>Answer</summary>
#
# There are 25 inputs and 9 outputs, so 225 weights. But each output has a bias of its own, which makes 225 + 9 = 234. If the output is as large as the picture, it is 25 · 25 + 25 = 650. A single
# bias for the whole layer, as in 226, is what the *convolution* has: there all outputs share one. The rule in the deck's own summary, "input size plus one, times output size", gives 26 · 9 = 234 as well.
#
# </details>

# %%
assert 3 * 3 + 1 == 10
assert 25 * 9 + 1 == 226
assert oracle.connection_counts(25, 9, 9)[0] + 9 == (25 + 1) * 9 == 234
assert oracle.connection_counts(25, 25, 9)[0] + 25 == (25 + 1) * 25 == 650

# %% [markdown]
# ## 11 · The perceptron
#
# While Hubel built his electrode, Frank Rosenblatt built a machine that *learned*. The Mark I Perceptron (about 1957) looked through 20 × 20 photocells at letters of the alphabet. Its unit
# does what a simple cell does, a dot product, and then decides: all or nothing.
#
# $$y = \begin{cases}1 & \text{if } w \cdot x \ge 0\\ 0 & \text{otherwise}\end{cases}$$
#
# Nobody sets its weights. It is shown an example $x$ with the answer $d$ that is wanted, 0 or 1, and corrects itself (deck c):
#
# $$w \leftarrow w + \alpha\,(d - y)\,x$$
#
# The rate $\alpha$ (`lr`) says how strongly. A threshold other than 0 costs nothing extra: let the last input be 1 for every example, and its weight is the **bias**.
#
# **Predict.** $w = (0, 0, 0)$, $x = (1, 0, 1)$, $d = 0$, $\alpha = 1$. What is $w$ afterwards? And after the same example once more?
#
# <details><summary>Answer</summary>
#
# $w \cdot x = 0$, so the unit fires, $y = 1$. It should not have: $d - y = -1$, and $w$ becomes $(-1, 0, -1)$. Now $w \cdot x = -2$, the unit is silent, as it should be, and the second time nothing changes. A perceptron learns
# from its mistakes only.
#
# </details>

# %%
once = oracle.perceptron_step(np.zeros(3), np.array([1.0, 0, 1]), 0, 1.0)
assert once.tolist() == [-1, 0, -1]
assert oracle.perceptron_step(once, np.array([1.0, 0, 1]), 0, 1.0).tolist() == [-1, 0, -1]

# %% [markdown]
# ### Exercise: `perceptron_step`
#
# The bias needs no special care: it is one more entry of `w`, and its input happens to be 1.

# %% solution="perceptron_step"
def perceptron_step(w, x, d, lr):
    """One step of the perceptron rule.

    Args:
        w: weights (D,).
        x: one example (D,).
        d: the output that is wanted, 0 or 1.
        lr: learning rate.

    Returns:
        The new weights (D,), dtype of w.
    """
    ### BEGIN SOLUTION
    y = 1 if w @ x >= 0 else 0
    return w + lr * (d - y) * x
    ### END SOLUTION

# %% check="perceptron_step"
check("perceptron_step", perceptron_step)

# %% [markdown]
# Two inputs, each 0 or 1, and the bias: the weights describe a line in the plane, on one side of which the unit fires. Every mistake moves the line. Here it learns OR: fire if at least one input is 1.

# %% tags=["demo"]
corners = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float)
targets = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}


def learn(step, examples, wanted, epochs, lr=1.0, w=None):
    """Go through the examples again and again.

    Returns the weights at the beginning and after each change, and the number of changes in each round.
    """
    history, changes = [np.zeros(examples.shape[1]) if w is None else w], []
    for _ in range(epochs):
        before = len(history)
        for x, d in zip(examples, wanted, strict=True):
            new = step(history[-1], x, d, lr)
            if not np.array_equal(new, history[-1]):
                history.append(new)
        changes.append(len(history) - before)
        if not changes[-1]:
            break
    return history, changes


or_history, or_changes = learn(perceptron_step, corners, targets["OR"], epochs=50)
print("mistakes in each round:", or_changes)

# %% tags=["demo", "hide-input"]
def plane(ax, w, wanted, title):
    """The four corners, and the side of the line on which a unit with weights w fires."""
    across, down = np.meshgrid(np.linspace(-0.5, 1.5, 300), np.linspace(-0.5, 1.5, 300))
    drive = w[0] * across + w[1] * down + w[2]
    ax.contourf(across, down, drive, levels=[0, 1e9], colors=[plot.ORANGE], alpha=0.3)
    if np.ptp(drive):
        ax.contour(across, down, drive, levels=[0], colors=[plot.ORANGE], linewidths=2)
    for (x1, x2, _), d in zip(corners, wanted, strict=True):
        wrong = int(w @ (x1, x2, 1) >= 0) != d
        ax.plot(x1, x2, "o", color=plot.BLUE if d else plot.PAPER, mec=plot.BLUE, mew=2, ms=11)
        if wrong:
            ax.plot(x1, x2, "x", color=plot.VERMILION, ms=19, mew=2.4)
    ax.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), xticks=[0, 1], yticks=[0, 1], aspect="equal")
    ax.set_title(title, size=10)


fig, axes = plot.figure(9.4, 2.1, columns=len(or_history), sharey=True)
for moment, (ax, w) in enumerate(zip(axes, or_history, strict=True)):
    plane(ax, w, targets["OR"], f"after {moment} mistake{'s' * (moment != 1)}")
plot.show(fig, f"The unit learns OR: the shaded half-plane in which it fires moves with every mistake until, after {len(or_history) - 1} of them, all corners "
          "but the one where both inputs are 0 lie in it. Wrong corners are crossed.")

# %% [markdown]
# Filled corners should fire, empty ones should not; in the shaded part the unit does fire, and crosses mark its mistakes. Rosenblatt's rule comes with a guarantee, proved by Novikoff in 1962: if *some* line separates the two kinds, the
# rule finds one after finitely many mistakes, wherever it starts.
#
# ## 12 · Adaline
#
# Three years later Bernard Widrow and Marcian Hoff changed one thing. Their **Adaline** (adaptive linear neuron, about 1960) compares the target not with the decision but with $w \cdot x$ itself:
#
# $$w \leftarrow w + \alpha\,(d - w\cdot x)\,x$$
#
# Now the step knows by *how much* the unit is off. It is downhill on the squared error $\frac12 (d - w\cdot x)^2$, whose derivative by $w$ is $-(d - w \cdot x)\,x$. With this, learning became a matter of slopes, and
# that is what it has been ever since.
#
# **Predict.** All examples are on the right side already. Does the perceptron go on learning? Does the Adaline?
#
# <details><summary>Answer</summary>
#
# The perceptron stops: no mistakes, no steps. The Adaline goes on as long as any $w\cdot x$ differs from its target, and it will even push back an example that is *too* clearly right.
# What it settles at is the line of least squares.
#
# </details>

# %%
w, x = np.array([3.0, 0.0]), np.array([1.0, 1.0])  # w.x is 3 where 1 is wanted: right, and by far
assert oracle.perceptron_step(w, x, 1, 0.1).tolist() == [3, 0]
assert np.allclose(oracle.adaline_step(w, x, 1, 0.1), [2.8, -0.2])

# %% [markdown]
# ### Exercise: `adaline_step`

# %% solution="adaline_step"
def adaline_step(w, x, d, lr):
    """One step of Widrow and Hoff's rule.

    Args:
        w: weights (D,).
        x: one example (D,).
        d: the output that is wanted, any number.
        lr: learning rate.

    Returns:
        The new weights (D,), dtype of w.
    """
    ### BEGIN SOLUTION
    error = d - w @ x
    return w + lr * error * x
    ### END SOLUTION

# %% check="adaline_step"
check("adaline_step", adaline_step)

# %% [markdown]
# The difference shows where no line is right for all. Take two clouds, 80 points in all, that overlap a little. Both rules go through them thirty times, in the same order. Which targets shall we give
# them? The perceptron's are 0 and 1.
#
# **Predict.** An Adaline with targets 0 and 1 pulls $w\cdot x$ towards 0 for one kind and towards 1 for the other. On which side of $w\cdot x = 0$ does the border between them lie?
#
# <details><summary>Answer</summary>
#
# Half way, at 0.5. So "fires at 0 or more" calls nearly everything 1. Either the threshold moves to 0.5, or the targets become −1 and 1; then half way is 0. Below, the perceptron's targets
# are 0 and 1 and the Adaline's −1 and 1.
#
# </details>

# %% tags=["demo"]
clouds = np.random.default_rng(5)
which = clouds.integers(0, 2, 80)
points = np.column_stack([clouds.normal(size=(80, 2)) * 0.8 + np.where(which, 1, -1)[:, None] * (0.85, 0.6), np.ones(80)])


def errors_per_step(step, wanted, lr, rounds=30):
    """How many of the points are on the wrong side after each tenth example."""
    w, wrong = np.zeros(3), []
    for number in range(rounds * len(points)):
        if number % 10 == 0:
            wrong.append(np.sum((points @ w >= 0) != which))
        w = step(w, points[number % len(points)], wanted[number % len(points)], lr)
    return w, np.array(wrong)


for wanted, threshold in (("0 and 1", 0), ("0 and 1", 0.5), ("-1 and 1", 0)):
    w, _ = errors_per_step(adaline_step, which if wanted == "0 and 1" else 2 * which - 1, 0.02)
    fires = points @ w >= threshold
    print(f"targets {wanted:>8}, fires from {threshold:<3} on: {fires.sum()} of 80 fire, {(fires != which).sum()} are wrong")

# %% tags=["demo", "hide-input"]
two_rules = [("perceptron", *errors_per_step(perceptron_step, which, 0.02), plot.BLUE),
             ("Adaline", *errors_per_step(adaline_step, 2 * which - 1, 0.02), plot.VERMILION)]
fig, axes = plot.figure(9, 3.1, columns=2, width_ratios=[1, 1.8])
for kind, marker in ((0, "o"), (1, "s")):
    axes[0].plot(*points[which == kind, :2].T, marker, ms=4.5, color=plot.GREEN if kind else plot.PURPLE, alpha=0.8, mew=0)
for name, w, wrong, colour in two_rules:
    ends = np.array([-3.2, 3.2])
    axes[0].plot(ends, -(w[0] * ends + w[2]) / w[1], color=colour, lw=2.2)
    axes[1].plot(np.arange(len(wrong)) / 8, wrong, color=colour, lw=1.3, label=name)
axes[0].set(xlim=(-3.2, 3.2), ylim=(-2.8, 2.8), xticks=[], yticks=[])
axes[1].set(xlabel="rounds through the 80 points", ylabel="points on the wrong side", xlim=(0, 30), ylim=(0, None))
axes[1].legend(frameon=False, loc="upper right")
spread = {name: np.ptp(wrong[len(wrong) // 2 :]) for name, _, wrong, _ in two_rules}
assert spread["Adaline"] <= 2 < spread["perceptron"]
plot.show(fig, "Two overlapping clouds with the line that each rule ended at, and the number of wrong points over time. The perceptron's count jumps "
          "up and down for ever; the Adaline's settles within a few rounds.")

# %% [markdown]
# The perceptron is thrown off by every point that it cannot have. The Adaline makes a compromise and stays near it.
#
# ## 13 · What neither can do
#
# Among the hard cases for a linear classifier, deck e shows one with the two kinds in opposite quadrants. With inputs of 0 and 1 it is called **XOR**: fire if one input is 1, but not if both are.
#
# **Predict.** The perceptron starts on XOR with weights of 0 and a rate of 1. What will the number of mistakes in each round look like after a hundred rounds?
#
# <details><summary>Answer</summary>
#
# It never gets to 0. No line separates the corners: (0, 0) silent means $b < 0$; the two single ones firing means $w_1 + b \ge 0$ and $w_2 + b \ge 0$, so together $w_1 + w_2 + b \ge -b > 0$,
# and the unit fires for (1, 1) as well. Its weights stay whole numbers, and once a round begins with weights that an earlier round began with, everything repeats: it goes round in a circle for ever. Here this happens
# at once: from the third round on, each round makes four mistakes and ends where it began.
#
# </details>

# %%
xor = list(zip(np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float), [0, 1, 1, 0], strict=True))
w, began_with, missed = np.zeros(3), [], []
while tuple(w) not in began_with:
    began_with.append(tuple(w))
    missed.append(0)
    for x, d in xor:
        missed[-1] += int(w @ x >= 0) != d
        w = oracle.perceptron_step(w, x, d, 1.0)
assert began_with.index(tuple(w)) + 1 == 3 == len(began_with)  # the third round ends with what it began with
assert missed == [3, 3, 4]

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9.4, 2.5, columns=5, width_ratios=[1, 1, 1, 0.12, 1.7])
axes[3].remove()
for ax, (name, wanted) in zip(axes, targets.items(), strict=False):
    history, changes = learn(perceptron_step, corners, wanted, epochs=20)
    plane(ax, history[-1], wanted, f"{name}: never learned" if changes[-1] else f"{name}: learned")
    axes[4].plot(np.arange(1, len(changes) + 1), changes, "o-", ms=4, lw=1.6, label=name,
                 color=dict(zip(targets, (plot.BLUE, plot.GREEN, plot.VERMILION), strict=True))[name])
axes[4].set(xlabel="round", ylabel="mistakes in the round", ylim=(-0.2, 4.4), xticks=[1, 5, 10, 15, 20])
axes[4].legend(frameon=False, loc="lower right", fontsize=9, bbox_to_anchor=(1, 0.1))
plot.show(fig, "AND and OR are separated by a line and learned within a few rounds. XOR is not: however long it learns, the unit makes "
          "four mistakes in each round.")

# %% [markdown]
# Minsky and Papert made this famous in 1969. The way out was known: a layer in between. Let one hidden unit compute OR and another AND; then "OR but not AND" is a line's work again. What was missing was a rule that tells a
# *hidden* unit by how much it was wrong. It became popular in 1986 as backpropagation, and unit 04 is about it.

# %%
hidden_weights = np.array([[1, 1, -1], [1, 1, -2]])  # OR and AND, each a row with its bias
for x, d in xor:
    either, both = (hidden_weights @ x >= 0).astype(int)
    assert int(either - both - 1 >= 0) == d

# %% [markdown]
# ## 14 · What a perceptron knows of a picture
#
# Back to the eye. Here are four letters made of bars, 7 × 7 pixels each, on a retina of 20 × 20 like that of the Mark I. Four perceptrons look at all 400 pixels, one for each letter.

# %%
strokes = {
    "T": ["#######", "...#...", "...#...", "...#...", "...#...", "...#...", "...#..."],
    "L": ["#......", "#......", "#......", "#......", "#......", "#......", "#######"],
    "H": ["#.....#", "#.....#", "#.....#", "#######", "#.....#", "#.....#", "#.....#"],
    "X": ["#.....#", ".#...#.", "..#.#..", "...#...", "..#.#..", ".#...#.", "#.....#"],
}
letters = {name: np.array([[mark == "#" for mark in row] for row in rows], float) for name, rows in strokes.items()}
spots_to_stand = [(i, j) for i in range(1, 13) for j in range(1, 13)]  # at least a pixel away from the border


def on_retina(letter, i, j):
    """The letter with its upper left corner at row i and column j of a dark retina (20, 20)."""
    x = np.zeros((20, 20))
    x[i : i + 7, j : j + 7] = letter
    return x


assert len(spots_to_stand) == 144
assert on_retina(letters["T"], 6, 6).shape == (20, 20)

# %% tags=["demo"]
def train_letters(places, order=None, rounds=300):
    """Four perceptrons, one a letter, trained on the letters in some places.

    ``order`` says how the 400 pixels are lined up, None for row by row.

    Returns the weights (4, 401) and the number of mistakes in each round.
    """
    order = np.arange(400) if order is None else order
    examples = [(np.append(on_retina(letter, i, j).ravel()[order], 1), n)
                for i, j in places for n, letter in enumerate(letters.values())]
    weights, mistakes = np.zeros((4, 401)), []
    for _ in range(rounds):
        mistakes.append(0)
        for x, n in examples:
            for unit in range(4):
                new = perceptron_step(weights[unit], x, int(unit == n), 1.0)
                mistakes[-1] += not np.array_equal(new, weights[unit])
                weights[unit] = new
        if not mistakes[-1]:
            break
    return weights, mistakes


def guess(weights, x):
    """The letter whose unit is driven most by the picture x (20, 20)."""
    return list(letters)[int((weights @ np.append(x.ravel(), 1)).argmax())]


in_the_middle, mistakes = train_letters([(6, 6)])
assert all(guess(in_the_middle, on_retina(letter, 6, 6)) == name for name, letter in letters.items())
print("mistakes in each round:", mistakes)

# %% [markdown]
# After two rounds all four letters are learned; the third finds no mistake. Now two questions about what has been learned.
#
# **Predict.** First: we line up the 400 pixels in another order, the same for all pictures, so that no human can read them any more (lower row). How many rounds
# will the perceptrons need now?

# %% tags=["demo", "hide-input"]
scrambled = np.random.default_rng(1).permutation(400)
fig, axes = plot.figure(8, 4.1, rows=2, columns=4)
for column, (name, letter) in enumerate(letters.items()):
    x = on_retina(letter, 6, 6)
    plot.image(axes[0, column], x, name, gray=True)
    plot.image(axes[1, column], x.ravel()[scrambled].reshape(20, 20), f"{name}, scrambled", gray=True)
plot.show(fig, "The letters T, L, H and X on a dark retina, and below each the same pixels in scrambled order: scattered dots.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Exactly as many, with exactly as many mistakes in each. A dot product does not mind in which order its terms are added up. To a fully connected unit every pixel is as near to every other; deck e says it in so many words.
# It has *no idea* that a picture is a picture.
#
# </details>

# %% tags=["demo"]
_, mistakes_scrambled = train_letters([(6, 6)], order=scrambled)
assert mistakes == mistakes_scrambled == [9, 4, 0]

# %% [markdown]
# **Predict.** Second: the letters have been learned in the middle of the retina. How often will they be recognised in other places? (Four letters: a guess is right in 25 % of the cases.) And if we teach the
# perceptrons all letters in half of the 144 places, picked at random, how will they do in the other half?
#
# <details><summary>Answer</summary>
#
# Learned in the middle, they are recognised in 27 % of the cases elsewhere: a little more than a guess. Learned in 72 places, without a mistake, they are recognised in 28 % of the cases in the other 72. What was learned in one place is worth nothing in the place beside it, because it is
# stored in other weights. Such a network has to learn a letter anew for each place it may stand in.
#
# </details>

# %% tags=["demo"]
def right_by_place(recognise):
    """Share of the letters that are recognised in each place, (12, 12)."""
    hits = [np.mean([recognise(on_retina(letter, i, j)) == name for name, letter in letters.items()]) for i, j in spots_to_stand]
    return np.reshape(hits, (12, 12))


half = np.random.default_rng(0).permutation(144)[:72]
from_half, mistakes_half = train_letters([spots_to_stand[place] for place in half])
learned = np.zeros(144, bool)
learned[half] = True
learned = learned.reshape(12, 12)

after_middle = right_by_place(lambda x: guess(in_the_middle, x))
after_half = right_by_place(lambda x: guess(from_half, x))
assert mistakes_half[-1] == 0 and after_half[learned].all()
middle = np.zeros((12, 12), bool)
middle[5, 5] = True
assert after_middle[middle] == 1 and round(after_middle[~middle].mean(), 2) == 0.27
assert round(after_half[~learned].mean(), 2) == 0.28

# %% tags=["demo", "hide-input"]
def show_places(ax, shares, title, known):
    """Shares of right answers by place; places used in training are framed."""
    ax.imshow(shares, cmap=LinearSegmentedColormap.from_list("green", [to_rgba(plot.GREEN, 0), plot.GREEN]), vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(known), strict=True):
        ax.plot(j, i, "o", color=plot.INK, ms=2.5)
    ax.set(xticks=[0, 11], xticklabels=["left", "right"], yticks=[0, 11], yticklabels=["top", "bottom"])
    ax.set_title(title, size=10)
    ax.spines[:].set(visible=True, color="#888888")


fig, axes = plot.figure(7.2, 3.5, columns=2)
show_places(axes[0], after_middle, f"learned in one place:\n{after_middle[~middle].mean():.0%} right in the others", middle)
show_places(axes[1], after_half, f"learned in 72 places:\n{after_half[~learned].mean():.0%} right in the others", learned)
plot.show(fig, "Share of letters recognised by a perceptron in each of 144 places. Learned in one place, marked by a dot, it knows them there and "
          "guesses elsewhere. Learned in 72 places, it knows them in exactly those and guesses in between.")

# %% [markdown]
# ## 15 · S-cells
#
# In 1980 Kunihiko Fukushima, at the Japanese broadcaster NHK, took Hubel and Wiesel's hierarchy as a plan for a network and called it **Neocognitron**. It is a sandwich of two kinds of layers in turn, S-C-S-C:
#
# - **S-cells**, after the simple cells: each looks for one pattern in a small window, and there is an S-cell for each pattern *in every place*, all with the same weights;
# - **C-cells**, after the complex cells: each fires if any of a few neighbouring S-cells for the same pattern does.
#
# An S-cell matches a template with its window, as `simple_cell` does, but it must be convinced: a **threshold** is subtracted before rectifying. All S-cells for one template form a map.
#
# $$s_{fij} = \max\Big(0,\; \sum_{k,l} t_{fkl}\; x_{i+k,\,j+l} \;-\; \text{threshold}\Big)$$
#
# Here are four templates, set by hand: bars that stand, lie, and lean to either side.

# %%
bars = np.array([
    [[-1, 2, -1], [-1, 2, -1], [-1, 2, -1]],
    [[-1, -1, -1], [2, 2, 2], [-1, -1, -1]],
    [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]],
    [[-1, -1, 2], [-1, 2, -1], [2, -1, -1]],
], float)
assert (bars.sum(axis=(1, 2)) == 0).all()  # even light gives nothing, as in section 5

# %% [markdown]
# **Predict.** What is the match of the upright template with an upright line through its middle? With the end of such a line, where it covers two of the three pixels? With a level line? What should the threshold be, if
# only whole strokes are to pass?
#
# <details><summary>Answer</summary>
#
# 6, 4 and 0. A threshold of 3 lets a whole stroke through with 3 and its end with 1; with 4 only whole strokes pass. We shall take 3: a little of the ends does no harm.
#
# </details>

# %%
whole, end, lying = np.zeros((3, 3, 3))
whole[:, 1] = end[1:, 1] = lying[1] = 1
assert [float((bars[0] * x).sum()) for x in (whole, end, lying)] == [6, 4, 0]

# %% [markdown]
# ### Exercise: `s_layer`
#
# Slide each template over the picture. Loops over places are fine; nobody looks at the clock. (You are about to write a convolutional layer, two units early.)

# %% solution="s_layer"
def s_layer(x, templates, threshold):
    """A layer of S-cells.

    Args:
        x: a picture (H, W).
        templates: (F, KH, KW).
        threshold: what a match must exceed, one number.

    Returns:
        (F, OH, OW) with OH = H - KH + 1 and OW = W - KW + 1, dtype of x.

    Raises:
        ValueError: the templates are larger than the picture.
    """
    ### BEGIN SOLUTION
    count, kh, kw = templates.shape
    oh, ow = x.shape[0] - kh + 1, x.shape[1] - kw + 1
    if oh < 1 or ow < 1:
        raise ValueError(f"templates of {kh} x {kw} do not fit into a picture of {x.shape[0]} x {x.shape[1]}")
    s = np.empty((count, oh, ow), x.dtype)
    for i in range(oh):
        for j in range(ow):
            match = (templates * x[i : i + kh, j : j + kw]).sum(axis=(1, 2))
            s[:, i, j] = np.maximum(match - threshold, 0)
    return s
    ### END SOLUTION

# %% check="s_layer"
check("s_layer", s_layer)

# %% tags=["demo", "hide-input"]
def show_maps(axes, maps, titles, limit=3):
    for ax, values, title in zip(axes, maps, titles, strict=True):
        plot.image(ax, values, title, limit=limit)


fig, axes = plot.figure(9, 4, rows=2, columns=5)
kinds = ("upright", "level", "falling", "rising")
axes[0, 0].set_axis_off()
show_maps(axes[0, 1:], bars, [f"template: {kind}" for kind in kinds], limit=2)
example = np.maximum(on_retina(letters["H"], 2, 1), on_retina(letters["X"], 11, 11))
plot.image(axes[1, 0], example, "picture, 20 × 20", gray=True)
show_maps(axes[1, 1:], s_layer(example, bars, 3.0), ["S-cells, 18 × 18"] * 4)
plot.show(fig, "Four templates of bars and the maps of S-cells that they make of a picture with an H and an X: the strokes of the H appear in the maps "
          "of upright and level bars, those of the X in the two leaning ones.")

# %% [markdown]
# ## 16 · C-cells
#
# Each S-map says exactly where a stroke is. That is more than one wants to know: a letter written a little to the right, or a little wider, is still the same letter. A C-cell looks at a block
# of `size` × `size` S-cells of *one* map and passes on the strongest. (Fukushima's own C-cells add up what they see and level off; a maximum does the same job more plainly.)
#
# $$c_{fij} = \max_{0 \le k,l < \text{size}} s_{f,\;\text{size}\, i + k,\;\text{size}\, j + l}$$
#
# **Predict.** A picture moves by one pixel, so an S-map moves by one as well. The C-cells have blocks of 2 × 2. How much of the C-map changes: all of it, half, nothing?
#
# <details><summary>Answer</summary>
#
# It depends on where the strokes are. A stroke that stays inside its blocks changes nothing at all; one that crosses over to the next blocks moves the C-map by one, which is two pixels. On average over all positions half of the strokes stay. So
# a C-layer makes small shifts smaller, rather than making them disappear; with a second one on top the rest shrinks again.
#
# </details>

# %%
stroke = np.zeros((1, 6, 6))
stroke[0, 1:5, 2] = 1
same, other = np.roll(stroke, 1, axis=2), np.roll(stroke, 2, axis=2)
assert np.array_equal(oracle.c_layer(stroke, 2), oracle.c_layer(same, 2))
assert not np.array_equal(oracle.c_layer(stroke, 2), oracle.c_layer(other, 2))

# %% [markdown]
# ### Exercise: `c_layer`
#
# What is left over at the right and at the bottom, because no whole block fits, is dropped.

# %% solution="c_layer"
def c_layer(s, size):
    """A layer of C-cells.

    Args:
        s: maps of S-cells (F, H, W).
        size: side of a block, at most H and W.

    Returns:
        (F, H // size, W // size), the maximum of each block of each map, dtype of s.
    """
    ### BEGIN SOLUTION
    count, rows, columns = s.shape[0], s.shape[1] // size, s.shape[2] // size
    blocks = s[:, : rows * size, : columns * size].reshape(count, rows, size, columns, size)
    return blocks.max(axis=(2, 4))
    ### END SOLUTION

# %% check="c_layer"
check("c_layer", c_layer)

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.4, 6.6, rows=3, columns=4)
for row, name in enumerate(("an L", "one pixel to the right", "and one more")):
    x = on_retina(letters["L"], 7, 5 + row)
    s = s_layer(x, bars, 3.0)
    plot.image(axes[row, 0], x, name, gray=True)
    plot.image(axes[row, 1], s[0], "S-cells: upright", limit=3)
    plot.image(axes[row, 2], c_layer(s, 2)[0], "C-cells, blocks of 2", limit=3)
    plot.image(axes[row, 3], c_layer(s, 4)[0], "C-cells, blocks of 4", limit=3)
plot.show(fig, "An L, the same one pixel to the right, and one more, with the maps for upright bars. The stroke in the S-map moves each time; behind "
          "blocks of 2 it stays the first time and moves by a block the second time; behind blocks of 4 it stays both times.")

# %% [markdown]
# ## 17 · A small Neocognitron
#
# Now stack them: S, C, S, C. The first stage looks for strokes and forgets a little of where they are. The second looks for letters *among the strokes*, and forgets altogether where they are.
#
# A cell of the second stage must see the C-maps of all four kinds of strokes at once, so its template has a slice for each of them. Here they are, set by hand again, on windows of 4 × 4
# C-cells: `#` where this letter has such a stroke.

# %%
parts = {
    "T": {"upright": ["....", ".##.", ".##.", ".##."], "level": ["####", "....", "....", "...."]},
    "L": {"upright": ["#...", "#...", "#...", "#..."], "level": ["....", "....", "....", ".###"]},
    "H": {"upright": ["#..#", "#..#", "#..#", "#..#"], "level": ["....", ".##.", ".##.", "...."]},
    "X": {"falling": ["#...", ".#..", "..#.", "...#"], "rising": ["...#", "..#.", ".#..", "#..."]},
}
orientations = ("upright", "level", "falling", "rising")
blank = ["...."] * 4
wanted_strokes = np.array([
    [[[mark == "#" for mark in row] for row in of_letter.get(kind, blank)] for kind in orientations]
    for of_letter in parts.values()
])  # letters, orientations, 4, 4


def mean_difference(mask):
    """A template that takes the mean where strokes should be, less the mean where none should be."""
    return mask / mask.sum() - ~mask / (~mask).sum()


letter_templates = np.array([mean_difference(mask) for mask in wanted_strokes])
assert letter_templates.shape == (4, 4, 4, 4)

# %% [markdown]
# `s_layer` takes one picture, not four maps. A trick will do for now: lay the four C-maps under each other, one tall picture, and the four slices of a template under each other at the same
# distance. Then each slice lies on its own map. In unit 03 the maps will be called *channels*, and layers will handle them without tricks.

# %%
def tall(templates, rows):
    """Slices (F, M, KH, KW) under each other, ``rows`` apart, with zeros in between: (F, (M - 1) rows + KH, KW)."""
    count, maps, kh, kw = templates.shape
    out = np.zeros((count, (maps - 1) * rows + kh, kw))
    for m in range(maps):
        out[:, m * rows : m * rows + kh] = templates[:, m]
    return out


def neocognitron(x, s_layer, c_layer):
    """All layers of the network on a picture x (20, 20): (S1, C1, S2, C2)."""
    s1 = s_layer(x, bars, 3.0)
    c1 = c_layer(s1, 2)
    s2 = s_layer(np.concatenate(c1), tall(letter_templates, c1.shape[1]), 0.0)
    c2 = c_layer(s2, s2.shape[1])  # one block as large as the map
    return s1, c1, s2, c2


layers = neocognitron(on_retina(letters["T"], 3, 8), oracle.s_layer, oracle.c_layer)
assert [layer.shape for layer in layers] == [(4, 18, 18), (4, 9, 9), (4, 6, 6), (4, 1, 1)]

# %% tags=["demo", "hide-input"]
shown_letter = on_retina(letters["T"], 3, 8)
s1, c1, s2, c2 = neocognitron(shown_letter, s_layer, c_layer)
fig, axes = plot.figure(9, 6.4, rows=4, columns=6, width_ratios=[1.5, 1, 1, 0.8, 0.8, 0.55])
spec = axes[0, 0].get_gridspec()
for ax in axes[:, 0]:
    ax.remove()
picture_ax = fig.add_subplot(spec[1:3, 0])
plot.image(picture_ax, shown_letter, "picture", gray=True)
titles = ("S1: strokes, 18 × 18", "C1: 9 × 9", "S2: letters, 6 × 6", "C2")
stages = [(s1, 3, 1), (c1, 3, 2), (s2, s2.max(), 4), (c2, s2.max(), 5)]
for (maps, limit, column), title in zip(stages, titles, strict=True):
    for row in range(4):
        ax = axes[row, column]
        plot.image(ax, maps[row], title if row == 0 else "", limit=limit)
        if column == 1:
            ax.set_ylabel(kinds[row], size=10)
        if column == 4:
            ax.set_ylabel(list(letters)[row], rotation=0, ha="right", va="center", size=11)
for row in range(4):
    plot.image(axes[row, 3], np.sign(letter_templates[0, row]), "template of T" if row == 0 else "", limit=1)
    plot.text(axes[row, 5], 0, 0, f"{c2[row, 0, 0]:.2f}", size=10)
plot.show(fig, "A T goes through the network. S1 finds its two strokes in the maps of upright and level bars, C1 holds them more coarsely, the S2 map of "
          "the letter T has the strongest response, and C2 keeps four numbers, the largest of them for T.")

# %% [markdown]
# Four numbers come out, one for each letter; the largest is the answer.
#
# **Predict.** Nothing in this network was learned, and each template was written down once. In how many of the 144 places will it recognise the letters? Will it notice that we moved the bar of the H up by one pixel, or the stem of the T aside?
#
# <details><summary>Answer</summary>
#
# In all 144, each letter. A template that is everywhere has no favourite place, and the last C-layer asks only whether *any* of its cells has found the letter. Small changes of shape are let pass by
# the C-cells of the first stage, where a stroke may lie anywhere in its block.
#
# </details>

# %% tags=["demo"]
def read(x):
    """The letter whose C2 cell responds most."""
    *_, c2 = neocognitron(x, s_layer, c_layer)
    return list(letters)[int(c2.argmax())]


after_fukushima = right_by_place(read)
assert after_fukushima.size == 144 and after_fukushima.min() == 1

crooked = {
    "T": ["#######", "..#....", "..#....", "..#....", "..#....", "..#....", "..#...."],
    "H": ["#.....#", "#.....#", "#######", "#.....#", "#.....#", "#.....#", "#.....#"],
}
crooked = {name: np.array([[mark == "#" for mark in row] for row in rows], float) for name, rows in crooked.items()}
assert all(read(on_retina(letter, *place)) == name for name, letter in crooked.items() for place in spots_to_stand)

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3.3, columns=3)
show_places(axes[0], after_middle, f"perceptron, learned in one place:\n{after_middle[~middle].mean():.0%} right in the others", middle)
show_places(axes[1], after_half, f"perceptron, learned in 72 places:\n{after_half[~learned].mean():.0%} right in the others", learned)
show_places(axes[2], after_fukushima, f"Neocognitron, nothing learned:\n{after_fukushima.mean():.0%} right", np.zeros((12, 12), bool))
plot.show(fig, "Share of letters recognised in each of 144 places: the perceptron where it has learned them and hardly elsewhere, the small "
          "Neocognitron everywhere.")

# %% [markdown]
# **Predict.** And what does it *not* let pass? Think of a T that lies on its side.
#
# <details><summary>Answer</summary>
#
# It has no template for that, and takes the T for another letter. Being the same everywhere is built into the network; being the same under turning, growing or mirroring is not, and the convolutional networks of today have no more of it. They
# learn such things from examples, one by one.
#
# </details>

# %% tags=["demo"]
on_its_side = {read(on_retina(np.rot90(letters["T"]), *place)) for place in spots_to_stand}
assert "T" not in on_its_side
print("a T on its side is read as", " or ".join(sorted(on_its_side)))

# %% tags=["demo", "hide-input"]
odd_ones = {
    "a crooked T": on_retina(crooked["T"], 2, 11), "a crooked H": on_retina(crooked["H"], 10, 3),
    "a T on its side": on_retina(np.rot90(letters["T"]), 6, 6), "two in one": example,
}
fig, axes = plot.figure(8.4, 2.5, columns=4)
for ax, (name, x) in zip(axes, odd_ones.items(), strict=True):
    *_, c2 = neocognitron(x, s_layer, c_layer)
    plot.image(ax, x, name, gray=True)
    ax.set_xlabel(", ".join(f"{letter} {value:.1f}" for letter, value in zip(letters, c2.ravel(), strict=True)), size=9.5)
plot.show(fig, "Four pictures with the responses of the four C2 cells. A T with its stem aside and an H with its bar higher up are read rightly. A T on its "
          "side is taken for another letter. With an H and an X in one picture both of their cells respond.")

# %% [markdown]
# Two things were missing for a network of today. Fukushima's S-cells learned their templates, but without a teacher, each layer by itself. And ours came from our own heads. In 1989 Yann LeCun and his colleagues kept the plan, shared weights and all, and
# let **backpropagation** set every template, from the pixels to the answer, for reading zip codes on letters; in 1998 came LeNet-5. An S-layer is then called a convolution with a ReLU, its threshold a negative bias, and a C-layer max pooling. That is where unit 03 takes over.

# %% [markdown]
# ## What to keep
#
# - A simple cell is a rectified dot product with its receptive field. It wants an edge at one angle in one place; light everywhere leaves it cold, since its weights add up to 0.
# - A complex cell wants the angle and minds the place less: the energy of two phases. A hypercomplex cell wants an end: centre minus flanks.
# - On the cortex neighbours look at neighbouring places, and every place has all angles. For a machine this means **local connections** and **shared weights**: 21, 9, 3.
# - Perceptron and Adaline learn by $w \leftarrow w + \alpha\,(d - y)\,x$, with the decision or with $w \cdot x$ for $y$. Neither can do XOR, and to neither is a picture more than a list of pixels.
# - The Neocognitron alternates cells that *detect* (S) with cells that *do not mind* (C). It knows a pattern in every place, since the detector is in every place.
#
# ### Where the facts come from
#
# - **Deck a**: *Learning for vision III: Convolutional networks*, Karel Zimmermann, Czech Technical University in Prague: the experiment, the map and the columns, the question on $N$ and $n$.
# - **Deck b**: *Convolutional neural networks*; its slides name neither author nor university: 21, 9 and 3.
# - **Deck c**: *Lecture 5: Convolutional Neural Networks*, from CS231n of Stanford University: the history from the Mark I on, the perceptron rule.
# - **Deck d**: *Robot Vision (CAP 4453), 18: Convolutional Neural Networks I*, Gonzalo Vaca-Castaño, University of Central Florida: the picture of 256 × 256 × 3.
# - **Deck e**: *Deep Learning, Lecture 4: Convolutional Neural Networks 1*, Joakim Lindblad, Uppsala University: hard cases, fully connected layers, the 226.
# - Hubel, *Tungsten microelectrode for recording from single units*, Science 125 (1957).
# - Hubel and Wiesel, *Receptive fields of single neurones in the cat's striate cortex*, J. Physiol. 148 (1959), 574–591: bars, angles, fields with their excitatory and inhibitory parts.
# - Hubel and Wiesel, *Receptive fields, binocular interaction and functional architecture in the cat's visual cortex*, J. Physiol. 160 (1962): the names simple and complex, columns. *Receptive fields and functional
#   architecture in two nonstriate visual areas (18 and 19) of the cat*, J. Neurophysiol. 28 (1965): hypercomplex. *… of monkey striate cortex*, J. Physiol. 195 (1968).
# - Hubel and Wiesel, *Early exploration of the visual cortex*, Neuron 20 (1998): their own story of the first years.
# - Daugman, *Uncertainty relation for resolution … by two-dimensional visual cortical filters*, J. Opt. Soc. Am. A 2 (1985); Jones and Palmer, J. Neurophysiol. 58 (1987): Gabor's function as a formula for measured fields.
# - Adelson and Bergen, *Spatiotemporal energy models for the perception of motion*, J. Opt. Soc. Am. A 2 (1985): energy.
# - Blasdel and Salama, *Voltage-sensitive dyes reveal a modular organization in monkey striate cortex*, Nature 321 (1986): maps of angles by camera. The layout of our sheet is ours: smooth random angles.
# - Rosenblatt, *The perceptron*, Psychol. Rev. 65 (1958); Novikoff, *On convergence proofs for perceptrons* (1962); Widrow and Hoff, *Adaptive switching circuits* (1960); Minsky and Papert, *Perceptrons* (1969).
# - Fukushima, *Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition unaffected by shift in position*, Biol. Cybern. 36 (1980), 193–202.
# - LeCun and others, *Backpropagation applied to handwritten zip code recognition*, Neural Computation 1 (1989); *Gradient-based learning applied to document recognition*, Proc. IEEE 86 (1998).
#
# The retina, the cells and all spikes in this unit are models, with numbers of our own choosing; only the dates and the order of events are history.
