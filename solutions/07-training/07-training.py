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
# # Unit 07 · Training
#
# You can build every layer and send a gradient back through it. A network made of them knows nothing yet. This unit is
# about the way from there to one that reads digits: where to start, how to step, what to do when it learns the wrong
# thing, and how to notice.
#
# Little of it is theory that tells you the right number in advance. It is a craft with a few strong ideas, and the best
# way to own them is to see each one work on data: every section ends in a picture that is computed in front of you.
#
# **After this unit you can**
#
# - say why weights start as they do, and what happens to a deep network when they do not;
# - write the steps of SGD, momentum, Nesterov, RMSprop and Adam, and say what each remembers;
# - write batch norm and dropout, forward and backward, and say what changes between training and use;
# - augment pictures without changing what they show;
# - split data, stop in time, and read from three numbers what to try next;
# - write the training loop of PyTorch, and name four ways in which it goes wrong in silence.
#
# | | |
# |:--|:--|
# | **Time** | about 240 minutes: 110 to read and predict, 130 for fourteen exercises. Sections 6 and 10 are good places to break off. |
# | **You need** | the gradient of a loss (unit 04) and layers with forward and backward (units 03 to 06), but none of their exercises. |
# | **Layout** | `w` is an array of weights, `grad` the gradient of the loss with respect to it, of the same shape. Images are `x: (N, C, H, W)`. |
#
# Decide on an answer to each **Predict** before you unfold ours; the cell that follows computes it. Cells that only draw
# are folded away; run them like any other.

# %%
import numpy as np
import torch

from cnnkit import check

rng = np.random.default_rng(7)

# %% tags=["demo"]
from torch import nn

from cnnkit import data, device, oracle, plot, train
from cnnkit.bars import tqdm

digits = data.digits()
on = device()
print(f"{digits.name}: {len(digits.train.y)} to train on, {len(digits.test.y)} to test with; torch computes on {on}")

# %% [markdown]
# ## 1 · Where to start
#
# Deck d's network starts from "a Gaussian distribution with mean 0, and variance 1". It has two layers of weights. Let
# us send digits through ten layers of 256 ReLUs, with weights of three different sizes.
#
# **Predict.** The pictures go in with a spread (standard deviation) of 1. How large are the values after ten layers if
# the weights have a standard deviation of 0.01? If they have 1, as in the deck?
#
# <details><summary>Answer</summary>
#
# With 0.01 they have all but vanished: a spread of less than a billionth. With 1 they are more than ten billion. A ReLU
# layer with $n$ inputs multiplies the mean square by $n \sigma^2 / 2$: the sum has $n$ terms, and the ReLU throws half
# of it away. Ten layers do so ten times. Only $\sigma = \sqrt{2/n}$ leaves it as it is (He and others, 2015).
#
# </details>

# %% tags=["demo"]
pictures = digits.train.x[:500].reshape(500, -1)
pictures = (pictures - pictures.mean()) / pictures.std()


def spreads(sigma, layers=10, width=256):
    """Spread of the values after each of some layers of ReLUs; sigma is a function of the number of inputs."""
    draws, h, found = np.random.default_rng(0), pictures, [pictures.std()]
    for _ in range(layers):
        w = sigma(h.shape[1]) * draws.standard_normal((h.shape[1], width))
        h = np.maximum(0, h @ w)
        found.append(h.std())
    return np.array(found)


starts = {"σ = 1": lambda n: 1, "σ = √(2/n)": lambda n: np.sqrt(2 / n), "σ = 0.01": lambda n: 0.01}
after = {name: spreads(sigma) for name, sigma in starts.items()}
assert after["σ = 0.01"][-1] < 1e-9 and after["σ = 1"][-1] > 1e10 and 0.3 < after["σ = √(2/n)"][-1] < 2

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(7, 3)
for number, (name, values) in enumerate(after.items()):
    ax.semilogy(range(11), values, ("o-", "s-", "^-")[number], color=plot.COLOURS[number], label=name)
ax.set(xlabel="layer", ylabel="spread of its values", xticks=range(11))
ax.legend(frameon=False)
plot.show(fig, "Spread of the values after each of ten ReLU layers, on a logarithmic scale. With weights of spread 1 it grows "
          "to ten billion, with 0.01 it falls below a billionth, with the root of 2/n it stays near 1.")

# %% [markdown]
# Values that vanish take their gradients with them, and values that explode end in `inf`. So: Gaussian weights with
# variance $2/n$ before a ReLU, biases at zero. And never all weights alike: units that start equal get equal gradients,
# and stay equal for ever.

# %% [markdown]
# ## 2 · Down a ravine
#
# The loss of a network is a landscape over millions of weights. Most of what makes it hard to descend can be seen with
# two. Take
#
# $$L(w) = \tfrac12 \left( w_1^2 + 100\, w_2^2 \right), \qquad \nabla L = (w_1,\; 100\, w_2)$$
#
# a **ravine**: steep from side to side, nearly flat along its floor. Gradient descent repeats one step,
#
# $$w \leftarrow w - \eta\, g$$
#
# with the gradient $g$ and the **learning rate** $\eta$.
#
# **Predict.** In each step $w_2$ is multiplied by $1 - 100\,\eta$, and $w_1$ by $1 - \eta$. Up to which rate does the
# descent come to rest at all? At that rate, how many steps does $w_1$ take to get ten times smaller?
#
# <details><summary>Answer</summary>
#
# $|1 - 100\,\eta| < 1$ only below $\eta = 0.02$. There $w_1$ shrinks by 2 % a step, and $0.98^{114} = 0.1$: more than a
# hundred steps. The steepest direction sets the rate, and the flattest pays for it. Deck d calls it "dimension-
# independent learning rates": smooth in some directions, oscillating in others.
#
# </details>

# %%
assert round(np.log(0.1) / np.log(1 - 0.02)) == 114

# %% tags=["demo", "hide-input"]
steepness = np.array([1.0, 100.0])


def height(w):
    return (steepness * w**2).sum(-1) / 2


def walk(step, count, **how):
    """The way of a step function down the ravine, (count + 1, 2)."""
    w, state = np.array([-4.0, 1.0]), {}
    way = [w]
    for _ in range(count):
        slope = (lambda at: steepness * at) if step is oracle.nesterov_step else steepness * w
        w, state = step(w, slope, state, **how)
        way.append(w)
    return np.array(way)


def ravine(ax, title):
    across, down = np.meshgrid(np.linspace(-4.6, 1.6, 120), np.linspace(-1.45, 1.45, 90))
    level = height(np.stack([across, down], -1))
    ax.contour(across, down, level, [0.1, 1, 4, 12, 30, 60, 100], colors="#888888", linewidths=0.7)
    ax.set(title=title, xlim=(-4.6, 1.6), ylim=(-1.45, 1.45), xticks=[-4, -2, 0], yticks=[-1, 0, 1])
    ax.title.set_size(10)


fig, axes = plot.figure(9, 2.9, columns=3)
for number, (ax, rate) in enumerate(zip(axes, (0.004, 0.0185, 0.0201), strict=True)):
    way = walk(oracle.sgd_step, 30, lr=rate)
    ravine(ax, f"η = {rate}: L = {height(way[-1]):.3g}")
    ax.plot(*way.T, ".-", color=plot.COLOURS[number], lw=1.2, ms=4)
    ax.set_xlabel("w₁")
axes[0].set_ylabel("w₂")
plot.show(fig, "Thirty steps down a ravine at three rates. At 0.004 it reaches the floor and crawls along it; at 0.0185 it bounces "
          "from wall to wall while it moves along; at 0.0201 the bounces grow.")

# %% [markdown]
# ### Weight decay
#
# Deck d adds a penalty to the loss, $\tfrac12 \lambda \lVert W \rVert^2$, so that weights which do not pay for themselves
# shrink: **L2 regularisation**. What does it add to the gradient? The 2 of the square and the $\tfrac12$ cancel:
# $\lambda w$. In a step of plain gradient descent this takes a fixed share $\eta\lambda$ off every weight. Hence the
# other name, **weight decay**.

# %%
lr, weight_decay, some = 0.1, 0.5, np.array([2.0, -1.0])
assert np.allclose(some - lr * (0 + weight_decay * some), (1 - lr * weight_decay) * some)

# %% [markdown]
# ### Exercise: `sgd_step`
#
# All five optimisers of this unit have the same form: weights, gradient and a `state` go in, new weights and the new
# state come out. The state starts as an empty dictionary, and what you keep in it is your own affair; plain gradient
# descent keeps nothing. `w` and `grad` must be as they were when you return: `w -= ...` writes into the caller's array.

# %% solution="sgd_step"
def sgd_step(w, grad, state, lr, weight_decay=0.0):
    """One step of gradient descent.

    Args:
        w: weights, an array of any shape; left as it is.
        grad: gradient of the loss with respect to w, of its shape; left as it is.
        state: what the last step returned, {} before the first.
        lr: learning rate.
        weight_decay: weight_decay * w is added to the gradient.

    Returns:
        (new_w, new_state), new_w with shape and dtype of w.
    """
    ### BEGIN SOLUTION
    return w - lr * (grad + weight_decay * w), state
    ### END SOLUTION

# %% check="sgd_step"
check("sgd_step", sgd_step)

# %% [markdown]
# ## 3 · Momentum
#
# Watch the bouncing path above. From step to step $w_2$ changes its sign while $w_1$ goes steadily the same way. If you
# *added up* the last steps, the bounces would cancel and the steady part would grow. That is **momentum**, as deck d
# writes it:
#
# $$v \leftarrow \beta v - \eta g, \qquad w \leftarrow w + v$$
#
# The **velocity** $v$ starts at zero; $\beta$ says how much of the last step goes on, typically 0.9.
#
# **Predict.** The gradient is the same in every step. How large do the steps become, compared with plain descent, for
# $\beta = 0.9$? Deck d says that the method "maintains a running average of all gradients". Is $v$ an average?
#
# <details><summary>Answer</summary>
#
# $1 + 0.9 + 0.81 + \dots = 1/(1 - 0.9)$: ten times as large. An average of equal numbers would be that number, so $v$ is
# no average; it is a sum that forgets. With a weight of $1 - \beta$ on the gradient it would be one, and the rate would
# mean something else. Both are in use. When you borrow a rate, look which one its owner meant.
#
# </details>

# %%
v = 0.0
for _ in range(200):
    v = 0.9 * v - 1.0
assert round(-v, 6) == 10

# %% [markdown]
# ### Exercise: `momentum_step`
#
# Weight decay goes into the gradient first, so the velocity remembers it with the rest.

# %% solution="momentum_step"
def momentum_step(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    """One step with momentum: v = beta v - lr g, then w + v.

    Args:
        w, grad, state, lr, weight_decay: as for ``sgd_step``.
        beta: share of the last step that goes on.

    Returns:
        (new_w, new_state), new_w with shape and dtype of w.
    """
    ### BEGIN SOLUTION
    velocity = beta * state.get("velocity", 0) - lr * (grad + weight_decay * w)
    return w + velocity, {"velocity": velocity}
    ### END SOLUTION

# %% check="momentum_step"
check("momentum_step", momentum_step)

# %% [markdown]
# ### Look before you leap
#
# With momentum, most of the next step is known in advance: $\beta v$ comes, whatever the gradient says. **Nesterov**
# asks for the gradient where that will lead, not where you stand. A ball that sees the opposite wall coming can brake.
#
# **Spot the error.** Deck d prints the update of step $k$ as
#
# $$\Delta W^{(k)} = \beta\, \Delta W^{(k-1)} - \eta\, \nabla_W \mathrm{Err}\!\left(W^{(k)} + \beta\, \Delta W^{(k-1)}\right),
# \qquad W^{(k)} = W^{(k-1)} + \Delta W^{(k)}$$
#
# Try to compute $W^{(1)}$ from $W^{(0)}$ with it.
#
# <details><summary>Answer</summary>
#
# You cannot: the right-hand side needs $W^{(k)}$, which is what the step is about to find. The gradient belongs to
# $W^{(k-1)} + \beta\, \Delta W^{(k-1)}$, the point where the old velocity alone would carry the weights.
#
# </details>
#
# ### Exercise: `nesterov_step`
#
# It cannot be handed a finished gradient. It gets a function, `grad_fn`, that returns the gradient at any point.
# `weight_decay * w` is added to what that returns.

# %% solution="nesterov_step"
def nesterov_step(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
    """One step of Nesterov's method: as momentum, with the gradient at w + beta v.

    Args:
        w, state, lr, beta, weight_decay: as for ``momentum_step``.
        grad_fn: from an array of the shape of w to the gradient of the loss there.

    Returns:
        (new_w, new_state), new_w with shape and dtype of w.
    """
    ### BEGIN SOLUTION
    velocity = state.get("velocity", np.zeros_like(w))
    grad = grad_fn(w + beta * velocity) + weight_decay * w
    velocity = beta * velocity - lr * grad
    return w + velocity, {"velocity": velocity}
    ### END SOLUTION

# %% check="nesterov_step"
check("nesterov_step", nesterov_step)

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 2.9, columns=3)
ways = {
    "plain": walk(oracle.sgd_step, 60, lr=0.006),
    "momentum": walk(oracle.momentum_step, 60, lr=0.006),
    "Nesterov": walk(oracle.nesterov_step, 60, lr=0.006),
}
for number, (ax, (name, way)) in enumerate(zip(axes, ways.items(), strict=True)):
    ravine(ax, f"{name}: L = {height(way[-1]):.2g} after 60")
    ax.plot(*way.T, ".-", color=plot.COLOURS[number], lw=1.2, ms=4)
    ax.set_xlabel("w₁")
axes[0].set_ylabel("w₂")
assert height(ways["Nesterov"][-1]) < height(ways["momentum"][-1]) < height(ways["plain"][-1])
plot.show(fig, "Sixty steps with a rate of 0.006. Plain descent falls to the floor and crawls. Momentum swings from wall to wall and "
          "past the goal, but moves along fast. Nesterov's swings die out sooner, and it ends closest to the goal.")

# %% [markdown]
# ## 4 · A rate for every weight
#
# Momentum still has a single rate for all directions. If each weight had its own, the ravine would be no problem: a small
# rate across, a large one along. But which? **RMSprop** measures. It keeps a running average of each weight's squared
# gradient, and divides by its root:
#
# $$E \leftarrow \rho E + (1 - \rho)\, g^2, \qquad w \leftarrow w - \eta\, \frac{g}{\sqrt{E} + \epsilon}$$
#
# All operations are element by element. Hinton proposed it in a lecture, with $\rho = 0.9$ and $\eta = 0.001$; $\epsilon$
# only keeps the denominator from being 0.
#
# **Predict.** $E$ starts at 0. How far does a weight move in the very first step if its gradient is 1000? If it is 0.001?
#
# <details><summary>Answer</summary>
#
# Both by $\eta / \sqrt{1 - \rho} = 3.2\,\eta$. The size of the gradient cancels; only its sign is left. In the same way
# the steps stay near $\eta$ later on. That makes one rate fit many networks, and it means that $\eta$ is now a
# distance, not a factor.
#
# </details>

# %%
for g in (1000.0, 0.001):
    E = 0.1 * g**2
    assert np.isclose(g / np.sqrt(E), 3.1623, atol=1e-4)

# %% [markdown]
# **Spot the error.** Deck d has $\epsilon$ inside: $\theta_{t+1} = \theta_t - \frac{\eta}{\sqrt{E[g^2]_t + \epsilon}}\,
# g_t$, and it does the same in Adam. It looks like a detail. With $\epsilon = 10^{-8}$, how small may a typical gradient
# be before $\epsilon$ rules the step, in one form and in the other?
#
# <details><summary>Answer</summary>
#
# Outside the root, at gradients of $10^{-8}$. Inside, $\epsilon$ counts as $\sqrt{10^{-8}} = 10^{-4}$, and gradients of
# $10^{-4}$ are common. Adam's paper, which proposes $10^{-8}$, adds it to the root, and so does PyTorch in both methods.
# (Adadelta's paper has it inside, with $10^{-6}$.)
#
# </details>

# %%
g = 1e-6
outside, inside = g / (np.sqrt(g**2) + 1e-8), g / np.sqrt(g**2 + 1e-8)
print(f"a step for g = {g}: {outside:.3f} η with ε outside the root, {inside:.3f} η with ε inside")
assert outside > 0.98 and inside < 0.011

# %% [markdown]
# ### Exercise: `rmsprop_step`

# %% solution="rmsprop_step"
def rmsprop_step(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    """One step of RMSprop: w - lr g / (sqrt(E) + eps) with E = rho E + (1 - rho) g^2, which starts at 0.

    Args:
        w, grad, state, lr, weight_decay: as for ``sgd_step``.
        rho: weight of the past in the average.
        eps: added to the root.

    Returns:
        (new_w, new_state), new_w with shape and dtype of w.
    """
    ### BEGIN SOLUTION
    g = grad + weight_decay * w
    square = rho * state.get("square", 0) + (1 - rho) * g**2
    return w - lr * g / (np.sqrt(square) + eps), {"square": square}
    ### END SOLUTION

# %% check="rmsprop_step"
check("rmsprop_step", rmsprop_step)

# %% [markdown]
# **Adadelta** goes one step further and drops the rate. It keeps a second average, of its own squared steps, and lets
# that stand where $\eta$ stood: a step is as large as steps have been, times gradient over typical gradient. It is the
# default of ConvNetJS (decks c and e): "so we don't have to worry about changing learning rates or momentum over time".

# %% tags=["demo"]
def adadelta_step(w, grad, state, rho=0.95, eps=1e-6):
    """Adadelta with the constants of ConvNetJS; eps is inside the roots, as in Zeiler's paper."""
    squares = rho * state.get("squares", 0) + (1 - rho) * grad**2
    step = np.sqrt((state.get("steps", 0) + eps) / (squares + eps)) * grad
    return w - step, {"squares": squares, "steps": rho * state.get("steps", 0) + (1 - rho) * step**2}


# %% [markdown]
# ## 5 · Adam
#
# Momentum smooths the direction, RMSprop sets the length. **Adam** does both, with a running average of the gradients
# and one of their squares:
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$
#
# Both start at zero, so at first both are too small. Adam knows by how much, and divides it out. In step $t = 1, 2, \dots$
#
# $$\hat m = \frac{m}{1 - \beta_1^t}, \qquad \hat v = \frac{v}{1 - \beta_2^t}, \qquad
# w \leftarrow w - \eta\, \frac{\hat m}{\sqrt{\hat v} + \epsilon}$$
#
# The usual constants are $\beta_1 = 0.9$, $\beta_2 = 0.999$ and $\epsilon = 10^{-8}$.
#
# **Predict.** The gradient is constant. Without the correction, how large is the first step, in units of $\eta$? And
# then: does the step come nearer to its proper size, $\eta$, at once, or does it get worse first?
#
# <details><summary>Answer</summary>
#
# $0.1 / \sqrt{0.001} = 3.16$, more than three times too large, since $v$ is further behind than $m$. Then it gets worse:
# $m$ catches up in some ten steps and $v$ takes a thousand, so the step grows to more than 6 times its size and needs
# thousands of steps to come down. With the correction each step is $\eta$ from the first on.
#
# </details>

# %% tags=["demo"]
t = np.arange(1, 5001)
uncorrected = (1 - 0.9**t) / np.sqrt(1 - 0.999**t)
assert round(uncorrected[0], 2) == 3.16 and round(uncorrected.max(), 1) == 6.6 and t[uncorrected > 1.1][-1] > 1000

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(7, 2.6)
ax.semilogx(t, uncorrected, color=plot.VERMILION, label="without the correction")
ax.axhline(1, color=plot.BLUE, ls="--", label="with it")
ax.set(xlabel="step t", ylabel="length of the step, in η", ylim=(0, 8))
ax.legend(frameon=False)
plot.show(fig, "Length of Adam's step under a constant gradient. Without the correction it starts at 3.2 times the rate, rises to "
          "6.6 after about ten steps and comes down to 1 after thousands. With it, it is 1 throughout.")

# %% [markdown]
# ### Exercise: `adam_step`
#
# The state has to count the steps. `weight_decay * w` goes into the gradient before anything else, as in
# `torch.optim.Adam`. (Letting it act on `w` past the averages gives another method, AdamW.)

# %% solution="adam_step"
def adam_step(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """One step of Adam, with bias correction, as ``torch.optim.Adam``.

    Args:
        w, grad, state, lr, weight_decay: as for ``sgd_step``.
        beta1, beta2: weights of the past in the averages of the gradients and of their squares.
        eps: added to the root of the corrected average.

    Returns:
        (new_w, new_state), new_w with shape and dtype of w.
    """
    ### BEGIN SOLUTION
    g = grad + weight_decay * w
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0) + (1 - beta1) * g
    v = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), {"t": t, "m": m, "v": v}
    ### END SOLUTION

# %% check="adam_step"
check("adam_step", adam_step)

# %% [markdown]
# ## 6 · The race
#
# First down the ravine, then on a real loss: a network with 64 ReLUs that learns the digits, batches of 64, eight
# times through the data. Each optimiser has the best of a few rates. Those are its best *here*; another network would
# crown another winner.
#
# **Predict.** Who wins in the ravine: those with momentum, or those with a rate for each weight? Is it the same on the
# digits? Where does Adadelta end, which was given no rate at all?

# %% tags=["demo"]
racers = {
    "plain": (oracle.sgd_step, {"lr": 0.018}, {"lr": 0.3}),
    "momentum": (oracle.momentum_step, {"lr": 0.01}, {"lr": 0.05}),
    "Nesterov": (oracle.nesterov_step, {"lr": 0.008}, None),
    "RMSprop": (oracle.rmsprop_step, {"lr": 0.1}, {"lr": 0.002}),
    "Adadelta": (adadelta_step, {}, {}),
    "Adam": (oracle.adam_step, {"lr": 0.3}, {"lr": 0.005}),
}
down = {name: height(walk(step, 150, **how)) for name, (step, how, _) in racers.items()}


def start_weights(rng):
    """Weights and biases of a network with 64 hidden units, as in section 1."""
    w1, w2 = (np.sqrt(2 / n) * rng.standard_normal((n, m)) for n, m in ((784, 64), (64, 10)))
    return [a.astype(np.float32) for a in (w1, np.zeros(64), w2, np.zeros(10))]


def loss_and_gradients(weights, x, y):
    """Softmax loss of a network with one hidden layer, and its gradients: unit 04 and unit 06 together."""
    w1, b1, w2, b2 = weights
    z = x @ w1 + b1
    h = np.maximum(0, z)
    scores = h @ w2 + b2
    logs = scores - scores.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    rows = np.arange(len(y))
    loss = -logs[rows, y].mean()
    p = np.exp(logs)
    p[rows, y] -= 1
    dscores = p / len(y)
    dz = (dscores @ w2.T) * (z > 0)
    return loss, [x.T @ dz, dz.sum(0), h.T @ dscores, dscores.sum(0)]


x_train, y_train = digits.train.x.reshape(len(digits.train.x), -1), digits.train.y


def race(step, how, epochs=8, batch=64):
    """Mean loss in each epoch."""
    weights, order = start_weights(np.random.default_rng(1)), np.random.default_rng(2)
    states, losses = [{} for _ in weights], []
    for _ in range(epochs):
        seen = []
        for some in np.array_split(order.permutation(len(y_train)), len(y_train) // batch):
            loss, slopes = loss_and_gradients(weights, x_train[some], y_train[some])
            seen.append(loss)
            stepped = [step(w, g, s, **how) for w, g, s in zip(weights, slopes, states, strict=True)]
            weights, states = (list(part) for part in zip(*stepped, strict=True))
        losses.append(np.mean(seen))
    return losses


on_digits = {
    name: race(step, how) for name, (step, _, how) in tqdm(racers.items(), desc="racing", leave=False) if how is not None
}
for name in racers:
    reached = np.argmax(down[name] < 0.01) if (down[name] < 0.01).any() else None
    in_ravine = f"below 0.01 after {reached} steps" if reached else f"at {down[name][-1]:.2g} after 150 steps"
    last = f"{on_digits[name][-1]:.4f}" if name in on_digits else "(needs a function)"
    print(f"{name:9} ravine: {in_ravine:28} digits, epoch 8: loss {last}")
assert min(down, key=lambda name: np.argmax(down[name] < 0.01) or 999) == "Nesterov" and down["plain"].min() > 0.01
assert down["Adadelta"][-1] == max(values[-1] for values in down.values())
assert on_digits["Adadelta"][-1] < max(loss[-1] for name, loss in on_digits.items() if name != "Adadelta")
step, _ = adadelta_step(np.zeros(2), np.array([1000.0, 0.1]), {})
print(f"Adadelta's first steps for gradients of 1000 and 0.1: {-step[0]:.4f} and {-step[1]:.4f}")

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9.2, 3.4, columns=2)
styles = dict(zip(racers, ("-", "--", "-.", "-", "--", ":"), strict=True))
for number, name in enumerate(racers):
    how = {"color": plot.COLOURS[number], "ls": styles[name], "lw": 1.8}
    axes[0].semilogy(np.maximum(down[name], 1e-7), label=name, **how)
    if name in on_digits:
        axes[1].semilogy(range(1, 9), on_digits[name], marker=".", **how)
axes[0].set(title="ravine", xlabel="step", ylabel="loss", ylim=(1e-6, 1e2))
axes[1].set(title="digits", xlabel="epoch", ylabel="loss, mean over the epoch")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False, fontsize=9)
plot.show(fig, "Loss of six optimisers. In the ravine Nesterov, Adam and momentum are fast, plain descent and Adadelta slow. On the "
          "digits all end close to each other.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# In the ravine Nesterov is first, and plain descent is not there after 150 steps. RMSprop is fast at first and then
# cannot come to rest: its steps stay near $\eta$, however small the gradient. Adadelta is slowest, since its first steps
# are some thousandths long, whatever the gradient, and have to grow. On the digits it keeps up, and the field is close
# together: the loss of a network is not one ravine, and the noise of the batches matters as much. That is why people
# argue about optimisers.
#
# </details>
#
# A practical rule: start with Adam at 0.001, which is seldom bad. For the last tenth of a per cent, try SGD with momentum
# 0.9 and a rate that falls.

# %% [markdown]
# ## 7 · Rate and batch size
#
# A batch gives a noisy estimate of the gradient. A small one is noisier, but needs little arithmetic: with batches of 16
# you take ninety steps for the multiplications of one step on all 1437 pictures.
#
# **Predict.** Five times through the data with plain SGD, whatever the batch size. Which batch size gets the lowest
# loss? Do ninety steps with 16 take as long as one step with all? Deck e says that the rate is typically between 0.001
# and 0.01. Will the best of ours be in there?

# %% tags=["demo"]
def he(model):
    """Weights of section 1, biases at 0."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return model


def mlp(hidden=(64,), norm=False, dropout=0.0, seed=0):
    """A network of fully connected layers for pictures of 28 x 28."""
    torch.manual_seed(seed)
    layers, n = [nn.Flatten()], 784
    for m in hidden:
        layers += [nn.Linear(n, m), *([nn.BatchNorm1d(m)] if norm else []), nn.ReLU(), nn.Dropout(dropout)]
        n = m
    return he(nn.Sequential(*layers, nn.Linear(n, 10)))


def sgd(model, lr, **how):
    return torch.optim.SGD(model.parameters(), lr=lr, **how)


rates, sizes = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0), (1437, 128, 16)
grid, epoch_ms = {}, {}
for size in tqdm(sizes, desc="batch sizes", leave=False):
    seconds = []
    for rate in rates:
        model = mlp()
        history = train.fit(model, digits.train, epochs=5, batch_size=size, optimizer=sgd(model, rate), progress=False)
        grid[size, rate] = min(history.loss[-1], 3)
        seconds.append(history.seconds[-1])
    epoch_ms[size] = 1000 * np.median(seconds) / 5
for size, milliseconds in epoch_ms.items():
    print(f"batches of {size:4}: {milliseconds:3.0f} ms for an epoch; number of steps: {round(1437 / size)}")
best_size, best_rate = min(grid, key=grid.get)
print(f"lowest loss, {grid[best_size, best_rate]:.3f}: batches of {best_size}, rate {best_rate}")
assert best_size == 16 and best_rate >= 10 * 0.01 and round(1437 / 16) == 90

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(7, 3)
for number, size in enumerate(sizes):
    label = "all 1437 at once" if size == 1437 else f"batches of {size}"
    ax.loglog(rates, [grid[size, rate] for rate in rates], ("o-", "s-", "^-")[number], color=plot.COLOURS[number], label=label)
ax.axvspan(0.001, 0.01, color="#888888", alpha=0.15, lw=0)
ax.text(0.0047, 5.5, "deck e", ha="center", size=9)
ax.set(xlabel="learning rate", ylabel="loss in epoch 5", xlim=(0.0022, 1.3), ylim=(0.05, 9))
ax.legend(frameon=False, fontsize=9, loc="lower left")
plot.show(fig, "Loss in the fifth epoch against the learning rate for three batch sizes. Each curve falls towards a best rate and "
          "shoots up beyond it. Batches of 16 reach the lowest loss, at a rate of about 0.1.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The smallest batches win: from the same number of pictures they take the most steps. They also take the most time,
# though the arithmetic is the same: a processor likes large products, and each step has an overhead of its own. (The
# cell prints what an epoch takes here.) The best rate lies an order of magnitude above the deck's range. That range is a habit that grew with large networks, not a law. Notice the shape of each curve: slow
# and safe on the left, then best, then a cliff. The best rate is often just before the cliff, and the cliff is cheap to
# find: a few short runs, each with three times the rate of the last.
#
# </details>

# %% [markdown]
# ## 8 · Batch norm
#
# Section 1 chose the weights so that values keep their size *at the start*. After some steps the weights have changed.
# **Batch norm** puts the repair into the network. After each convolution, in each channel, it subtracts the mean and
# divides by the spread of the batch, and then lets the network choose a scale $\gamma$ and a shift $\beta$ of its own:
#
# $$\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y = \gamma\, \hat x + \beta$$
#
# **Predict.** The input is `(N, C, H, W)`. Over which axes do $\mu$ and $\sigma^2$ average, and how many of them are
# there?
#
# <details><summary>Answer</summary>
#
# Over images, rows and columns: axes 0, 2 and 3. A channel is one filter's answer everywhere, so it has one mean and one
# variance: `C` of each, from $N H W$ values.
#
# </details>

# %% tags=["demo", "hide-input"]
draws = np.random.default_rng(3)
centre, width = np.reshape([-2, 1, 0.2], (3, 1, 1)), np.reshape([0.4, 0.7, 1.1], (3, 1, 1))
three_images = centre + width * draws.normal(size=(3, 3, 3, 3))  # N, C, H, W, with a centre and a width for each channel
normalised = oracle.batchnorm2d(three_images, np.ones(3), np.zeros(3), np.zeros(3), np.ones(3), True)[0]
fig, ax = plot.canvas(27, 12.2)
for left, maps, name in ((3.4, three_images, "x"), (16.2, normalised, "x̂")):
    plot.text(ax, left + 4.7, 0.7, f"{name}, (3, 3, 3, 3)", size=11)
    for c in range(3):
        column = left + 3.5 * c
        plot.text(ax, column + 1.2, 1.7, f"channel {c}", size=9)
        for n in range(3):
            plot.grid(ax, maps[n, c], (column, 2.6 + 2.75 * n), numbers=False, limit=2.5, cell=0.8)
        frame = plot.Box(column - 0.25, 2.35, 2.9, 8.4)
        plot.window(ax, frame, 0, 0, frame.height, frame.width, plot.COLOURS[c])
        mean, spread = maps[:, c].mean(), maps[:, c].std()
        words = f"μ = {mean + 0:.1f}\nσ = {spread:.1f}".replace("-0.0", "0.0").replace("-", "−")
        plot.text(ax, column + 1.2, 11.5, words, size=9, color=plot.COLOURS[c])
for n in range(3):
    plot.text(ax, 1.5, 3.8 + 2.75 * n, f"image {n}", size=9)
plot.arrow(ax, (13.7, 6.5), (15.6, 6.5))
plot.show(fig, "Three images of three channels as small maps, before and after. A frame runs around each channel, through all "
          "images: its 27 values share a mean and a spread. Before, the channels differ in both; after, each has mean 0 and spread 1.")
assert np.allclose(normalised.mean((0, 2, 3)), 0) and np.allclose(normalised.std((0, 2, 3)), 1, atol=1e-4)

# %% [markdown]
# When the network is used there may be a single picture, and its answer must not depend on its company. So during
# training a **running** mean and variance are kept, which move a share `momentum` of the way towards each batch's, and
# those are used in eval mode. PyTorch has two variances here: the output is normalised with the plain one, and the
# running one moves towards the unbiased one, with $n - 1$ below.

# %%
values = np.array([1.0, 3.0])  # a channel with two values
assert values.var() == 1 and values.var(ddof=1) == 2

# %% [markdown]
# ### Exercise: `batchnorm2d_forward`

# %% solution="batchnorm2d_forward"
def batchnorm2d_forward(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    """Batch norm of each channel, as ``torch.nn.BatchNorm2d``.

    Args:
        x: (N, C, H, W).
        gamma, beta: scale and shift (C,).
        running_mean, running_var: (C,); left as they are.
        train: True to normalise by the batch and move the running statistics, False to normalise by these.
        momentum: share of the way that the running statistics move towards those of the batch.
        eps: added to the variance.

    Returns:
        (out, running_mean, running_var), the last two after the call: out shaped as x, the statistics (C,), all in the
        dtype of x.
    """
    ### BEGIN SOLUTION
    per_channel = (1, -1, 1, 1)
    mean, var = running_mean, running_var
    if train:
        mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        n = x.size / x.shape[1]
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * (n / (n - 1))
    x_hat = (x - mean.reshape(per_channel)) / np.sqrt(var.reshape(per_channel) + eps)
    return gamma.reshape(per_channel) * x_hat + beta.reshape(per_channel), running_mean, running_var
    ### END SOLUTION

# %% check="batchnorm2d_forward"
check("batchnorm2d_forward", batchnorm2d_forward)

# %% [markdown]
# ### The way back
#
# $\beta$ is added to every value of its channel, so it hears the sum of `dout` there; $\gamma$ hears the sum of
# `dout` times $\hat x$. The gradient of `x` is the interesting one. A value works on the output along three paths:
# directly, through $\mu$ and through $\sigma^2$.
#
# **Predict.** Add the same number to all values of a channel. What happens to the output? And if you stretch them all
# about their mean by 1 %? What does that say about the gradient?
#
# <details><summary>Answer</summary>
#
# Nothing happens in the first case, and (but for $\epsilon$) nothing in the second. So the gradient of `x` in a channel
# adds up to 0, and so does its product with $\hat x$. The two extra paths are what makes it so: they take the mean and
# the part along $\hat x$ out of the gradient.
#
# </details>

# %% tags=["demo"]
draws = np.random.default_rng(8)
some_x, some_dout = draws.normal(size=(2, 4, 2, 3, 3))
gamma = np.array([2.0, -1.0])


def normed(x):
    return oracle.batchnorm2d(x, gamma, np.zeros(2), np.zeros(2), np.ones(2), True)[0]


middle = some_x.mean(axis=(0, 2, 3), keepdims=True)
some_hat = (some_x - middle) / some_x.std(axis=(0, 2, 3), keepdims=True)
some_dx = oracle.batchnorm2d_backward(some_dout, some_x, gamma)[0]
assert np.allclose(normed(some_x + 5), normed(some_x))
assert np.allclose(normed(middle + 1.01 * (some_x - middle)), normed(some_x), atol=1e-5)
print("dx adds up to", some_dx.sum(axis=(0, 2, 3)).round(4) + 0.0)
print("dx times x̂ adds up to", (some_dx * some_hat).sum(axis=(0, 2, 3)).round(4) + 0.0)
assert np.abs(some_dx.sum(axis=(0, 2, 3))).max() < 1e-12
assert np.abs((some_dx * some_hat).sum(axis=(0, 2, 3))).max() < 1e-3

# %% [markdown]
# Worked out, with sums over the $n$ values of a channel, this becomes
#
# $$dx = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} \left( dy - \frac1n \sum dy - \hat x\, \frac1n \sum dy\, \hat x \right)$$
#
# The first term in the brackets is the direct path, the second the one through $\mu$, the third the one through
# $\sigma^2$. **Try it** on paper before you unfold it: how does a nudge of $x_i$ reach $\hat x_j$ on each of them?
#
# <details><summary>The algebra</summary>
#
# Let $s = \sqrt{\sigma^2 + \epsilon}$ and $g_j = \gamma\, dy_j$, which is what arrives at $\hat x_j = (x_j - \mu) / s$.
#
# - Directly: $\partial \hat x_i / \partial x_i = 1/s$, so $x_i$ gets $\dfrac{g_i}{s}$.
# - Through $\mu$, which lowers every $\hat x_j$ by $1/s$ and of which $x_i$ has a share of $1/n$: $-\dfrac{1}{n s}
#   \sum_j g_j$. (On its way through $\sigma^2$ a change of $\mu$ does nothing: deviations from the mean add up to 0.)
# - Through $\sigma^2$: $\partial \sigma^2 / \partial x_i = \frac2n (x_i - \mu) = \frac2n\, s\, \hat x_i$ and $\partial \hat
#   x_j / \partial \sigma^2 = -\hat x_j / 2 s^2$; together $-\dfrac{1}{n s}\, \hat x_i \sum_j g_j\, \hat x_j$.
#
# Add them up, and take $\gamma / s$ out.
#
# </details>
#
# A graph with one gate per operation (unit 04) takes you there as well, and is a good way to check it.
#
# ### Exercise: `batchnorm2d_backward`

# %% solution="batchnorm2d_backward"
def batchnorm2d_backward(dout, x, gamma, eps=1e-5):
    """Gradients of batch norm in training.

    Args:
        dout: upstream gradient (N, C, H, W).
        x: input of the forward pass.
        gamma: scale (C,).
        eps: as in the forward pass.

    Returns:
        (dx, dgamma, dbeta) of the shapes of x, gamma and gamma, dtype of x.
    """
    ### BEGIN SOLUTION
    axes, per_channel = (0, 2, 3), (1, -1, 1, 1)
    n = x.size // x.shape[1]
    deviation = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=axes, keepdims=True)) / deviation
    dbeta, dgamma = dout.sum(axis=axes), (dout * x_hat).sum(axis=axes)
    centred = dout - dbeta.reshape(per_channel) / n - x_hat * dgamma.reshape(per_channel) / n
    return gamma.reshape(per_channel) / deviation * centred, dgamma, dbeta
    ### END SOLUTION

# %% check="batchnorm2d_backward"
check("batchnorm2d_backward", batchnorm2d_backward)

# %% [markdown]
# What is it good for? Here is a network with seven hidden layers, after four times through the digits, at one rate after
# the other. **Predict** how the two curves differ before you run the cell.

# %% tags=["demo"]
rates = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
reached = {False: [], True: []}
for norm, rate in tqdm([(norm, rate) for norm in reached for rate in rates], desc="training", leave=False):
    model = mlp((64,) * 7, norm=norm)
    history = train.fit(model, digits.train, epochs=4, optimizer=sgd(model, rate), progress=False)
    reached[norm].append(history.accuracy[-1])
assert max(reached[True]) > 0.95 and sum(a > 0.9 for a in reached[True]) > sum(a > 0.9 for a in reached[False])

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(7, 2.8)
for norm, name, colour, mark in ((False, "plain", plot.BLUE, "o--"), (True, "with batch norm", plot.VERMILION, "s-")):
    ax.semilogx(rates, reached[norm], mark, color=colour, label=name)
ax.axhline(0.1, color="#888888", lw=0.8, ls=":")
ax.set(xlabel="learning rate", ylabel="training accuracy, epoch 4", ylim=(0, 1.03))
ax.legend(frameon=False, loc=(0.74, 0.5))
plot.show(fig, "Training accuracy after four epochs against the learning rate, for a network with seven hidden layers. Without batch "
          "norm a narrow range of rates works, and not well; with it accuracy is above 90 % over more than a decade.")

# %% [markdown]
# With batch norm a wide range of rates works, and large ones do: deck d notes that it "lets you use larger learning
# rate" for ResNet. The reason given in the paper, that it steadies what later layers see, has been doubted since. That
# it makes the loss smoother to walk on can be measured.

# %% [markdown]
# ## 9 · Learning the wrong thing
#
# A network with enough weights can learn its training data by heart. To see it happen, take 400 digits and let a
# careless annotator give every fifth a wrong label. Another 400, with the right labels, are kept aside to look at: the
# **development** set.
#
# **Predict.** Where does the accuracy on the training data end, 80 % or 100 %? And what does the accuracy on the
# development data do meanwhile?

# %% tags=["demo"]
careless = np.random.default_rng(7)
x_few, y_few = digits.train.x[:400], digits.train.y[:400].copy()
wrong = careless.permutation(400)[:80]
y_few[wrong] = (y_few[wrong] + careless.integers(1, 10, 80)) % 10
dev = digits.train.x[800:1200], digits.train.y[800:1200]


def learn(weight_decay=0.0, dropout=0.0, epochs=60):
    """History of a network that learns from the 400."""
    model = mlp((128,), dropout=dropout)
    optimizer = sgd(model, 0.03, momentum=0.9, weight_decay=weight_decay)
    how = {"epochs": epochs, "batch_size": 50, "optimizer": optimizer, "keep_best": False, "progress": False}
    return train.fit(model, (x_few, y_few), dev, **how)


by_heart = learn()
top = int(np.argmax(by_heart.dev_accuracy))
print(f"training: {by_heart.accuracy[-1]:.0%}. Development: {by_heart.dev_accuracy[top]:.0%} in epoch {top + 1}, "
      f"{by_heart.dev_accuracy[-1]:.0%} in the end")
assert by_heart.accuracy[-1] > 0.93 and by_heart.dev_accuracy[top] - by_heart.dev_accuracy[-1] > 0.05

# %% tags=["demo", "hide-input"]
plot.show(*by_heart.figure())

# %% [markdown]
# <details><summary>Answer</summary>
#
# It learns nearly all of the labels, the wrong ones, too. On the development data it is best after a few epochs: what is
# common to all sevens is learned first, and the exceptions later. Then each wrong label that it memorises bends the
# borders, and the accuracy falls. That is **overfitting**: the training loss falls, and the development loss rises.
#
# </details>
#
# Four remedies follow; the last of them, early stopping, in section 12. **L2** you have already, as `weight_decay`: to
# bend a border around a single point takes large weights.

# %% [markdown]
# ## 10 · Dropout
#
# Deck d: "for each input, at each iteration turn off each neuron with a probability". Who may be gone in the next step
# cannot be relied upon, so features must be useful in many contexts, and each step trains another thinned network.
#
# Our `p` is the chance to be dropped, as in PyTorch. (The deck's $1 - \alpha$ is this, and its $\alpha$ the chance to be
# kept. Mixing them up is the classic mistake, and with 0.5, AlexNet's choice, nobody notices.)
#
# **Predict.** Half of 100 inputs, all 1, are dropped. What do the rest add up to, on average? What does the next layer
# see in use, where none is dropped? What should be done about it, and when?
#
# <details><summary>Answer</summary>
#
# 50 in training and 100 in use: the next layer would get twice what it is used to. *Inverted* dropout scales what is kept
# by $1/(1-p)$, during training. Then both are 100, and in use there is nothing left to do.
#
# </details>

# %%
kept = rng.random((2000, 100)) >= 0.5
totals = (kept / (1 - 0.5)).sum(axis=1)
assert abs(totals.mean() - 100) < 1

# %% tags=["demo", "hide-input"]
draws = np.random.default_rng(5)
layer_out = draws.integers(1, 5, (4, 4)).astype(float)
shown = {"what comes in": layer_out}
for name in ("one step", "the next step", "and the next"):
    shown[name] = layer_out * (draws.random((4, 4)) >= 0.5) / (1 - 0.5)
shown["in use"] = layer_out
fig, ax = plot.canvas(27, 7.4)
for number, (name, values) in enumerate(shown.items()):
    box = plot.grid(ax, values, (0.9 + 5.3 * number, 1.6), name, limit=9)
    for row, column in np.argwhere(values == 0):
        left, top = box.left + column, box.top + row
        ax.add_patch(plot.Rectangle((left, top), 1, 1, facecolor="#888888", alpha=0.3, lw=0))
    plot.text(ax, box.x, 6.4, f"sum {values.sum():g}", size=9)
plot.show(fig, f"A map of sixteen values that add up to {layer_out.sum():g}. In each of three training steps other values are dropped "
          "and the rest doubled, so the sum goes up and down around that of the map. In use all values pass as they are.")

# %% [markdown]
# ### Exercise: `dropout_forward`
#
# Draw from `rng`, a `numpy.random.Generator`, with the shape of `x`: each value has a draw of its own. Return the mask,
# already scaled, so that `out` is `x * mask`.

# %% solution="dropout_forward"
def dropout_forward(x, p, rng, train):
    """Inverted dropout.

    Args:
        x: any array.
        p: chance of each value to be dropped, 0 <= p < 1.
        rng: numpy Generator to draw from.
        train: False to let all through.

    Returns:
        (out, mask) of the shape of x; out has the dtype of x, also for float32. mask has 0 where a value is dropped and
        1 / (1 - p) elsewhere, out = x * mask. With train False out equals x, and the mask is all ones.
    """
    ### BEGIN SOLUTION
    if not train:
        return x, np.ones_like(x)
    mask = ((rng.random(x.shape) >= p) / (1 - p)).astype(x.dtype)
    return x * mask, mask
    ### END SOLUTION

# %% check="dropout_forward"
check("dropout_forward", dropout_forward)

# %% [markdown]
# ### Exercise: `dropout_backward`
#
# A product by a mask. What flows back through it?

# %% solution="dropout_backward"
def dropout_backward(dout, mask):
    """Gradient of dropout with respect to its input.

    Args:
        dout: upstream gradient.
        mask: from ``dropout_forward``, of its shape.

    Returns:
        Array of the shape and dtype of dout.
    """
    ### BEGIN SOLUTION
    return dout * mask
    ### END SOLUTION

# %% check="dropout_backward"
check("dropout_backward", dropout_backward)

# %% tags=["demo"]
remedies = {"nothing": by_heart, "L2, λ = 0.03": learn(weight_decay=0.03), "dropout, p = 0.5": learn(dropout=0.5)}
for name, history in remedies.items():
    print(f"{name:17} training {history.accuracy[-1]:.0%}, development {history.dev_accuracy[-1]:.0%}")
assert remedies["L2, λ = 0.03"].dev_accuracy[-1] > by_heart.dev_accuracy[-1] + 0.03

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 3, columns=2, sharey=True)
for number, (name, history) in enumerate(remedies.items()):
    how = {"color": plot.COLOURS[number], "ls": ("--", "-", "-.")[number]}
    axes[0].plot(range(1, 61), history.accuracy, **how)
    axes[1].plot(range(1, 61), history.dev_accuracy, label=name, **how)
axes[0].axhline(0.8, color="#888888", lw=0.8, ls=":")
axes[0].text(60, 0.73, "share of right labels", ha="right", size=9)
axes[0].set(title="training data, 20 % wrong", xlabel="epoch", ylabel="accuracy", ylim=(0.4, 1.02))
axes[1].set(title="development data", xlabel="epoch")
axes[1].legend(frameon=False, fontsize=9, loc="lower right")
plot.show(fig, "Accuracy over sixty epochs on training data with a fifth of wrong labels, and on clean development data. Without a "
          "remedy the first rises towards 1 and the second falls. With L2 the first stays near 0.8 and the second stays high; "
          "dropout lies between them.")

# %% [markdown]
# With a remedy the network no longer manages to learn the wrong labels, and on the development data it gains. How strong
# a remedy is right? That is read off the development data, which is what they are for. AlexNet had L2 with
# $5 \cdot 10^{-4}$, dropout of 0.5 in its fully connected layers, and the third remedy in large amounts.

# %% [markdown]
# ## 11 · More data from the same data
#
# A seven that is moved a little is still a seven, and the network has never seen it. **Augmentation** changes each
# training picture at random, anew each time it is used. Deck d lists what one project did:
#
# | rotation | shift | scale | flip | shear | stretch |
# |:--|:--|:--|:--|:--|:--|
# | any angle | ±10 pixels | 1/1.6 to 1.6, log-uniform | half of them | ±20° | 1/1.3 to 1.3, log-uniform |
#
# **Predict.** "Log-uniform" means that the logarithm of the factor is drawn evenly. Why not the factor itself? And the
# pictures were of galaxies. Which of the six would you drop for digits? For photographs of cats?
#
# <details><summary>Answer</summary>
#
# A factor of 1.6 and one of 1/1.6 should be equally likely: drawn evenly between 0.625 and 1.6, 62 % would be
# enlargements. A galaxy has no up and no handedness. For digits, drop the flip and large angles: a mirrored 2 is no
# digit, and a 6 that is turned round is a 9. A mirrored cat is a cat, an upside-down one is rare. Augmentation says what
# does *not* matter, and only you know that.
#
# </details>

# %%
low, high = 1 / 1.6, 1.6
assert round((high - 1) / (high - low), 2) == 0.62  # the share of enlargements, if it were drawn evenly

# %% [markdown]
# ### Exercise: `augment`
#
# Flip, turn and shift each picture at random, by amounts of your choice, with a draw of its own: some flipped, some not,
# each by its own angle and its own shift, of at least a pixel or so now and then. All channels of a picture move
# together, and shape and dtype stay. Quarter turns (`np.rot90`) and shifts that wrap around (`np.roll`) are good
# enough; the pictures are square.

# %% solution="augment"
def augment(images, rng):
    """Each picture flipped, turned and shifted at random.

    Args:
        images: (N, C, S, S); left as they are.
        rng: numpy Generator that all draws come from.

    Returns:
        Array of the shape and dtype of images.
    """
    ### BEGIN SOLUTION
    out = np.empty_like(images)
    for i, image in enumerate(images):
        if rng.random() < 0.5:
            image = image[:, :, ::-1]
        image = np.rot90(image, rng.integers(4), axes=(1, 2))
        out[i] = np.roll(image, rng.integers(-2, 3, size=2), axis=(1, 2))
    return out
    ### END SOLUTION

# %% check="augment"
check("augment", augment)

# %% [markdown]
# Now the effect. A small ConvNet learns from 200 digits, which all stand upright in the middle. It is tried on others
# that do so, too, and on the same pictures as a careless camera would take them: turned by up to 15° and moved by up to
# 3 pixels.
#
# **Predict.** Four networks: no augmentation; shifts; shifts and small angles; all this and flips. Order them, for the
# tidy pictures and for the careless ones.

# %% tags=["demo"]
def moved(x, turn=0.0, shift=0.0, flip=False, generator=None):
    """Pictures (N, C, S, S), a tensor, turned by up to ``turn`` degrees, shifted by up to ``shift`` pixels, and flipped."""
    draw = lambda: 2 * torch.rand(len(x), generator=generator) - 1
    angle, right, down = torch.deg2rad(turn * draw()), shift * draw() * 2 / x.shape[-1], shift * draw() * 2 / x.shape[-1]
    mirror = torch.where(draw() > 0, 1.0, -1.0) if flip else torch.ones(len(x))
    rows = [[angle.cos() * mirror, -angle.sin(), right], [angle.sin() * mirror, angle.cos(), down]]
    turns = torch.stack([torch.stack(row, -1) for row in rows], 1).to(x)
    grid = nn.functional.affine_grid(turns, list(x.shape), align_corners=False)
    return nn.functional.grid_sample(x, grid, align_corners=False)


def small_convnet(seed=0):
    torch.manual_seed(seed)
    return he(nn.Sequential(
        *(nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 10)),
    ))


careless_dev = moved(torch.tensor(dev[0]), 15, 3, generator=torch.Generator().manual_seed(5))
ways = {
    "none": None,
    "shifts": lambda x: moved(x, shift=3),
    "and angles": lambda x: moved(x, 15, 3),
    "and flips": lambda x: moved(x, 15, 3, flip=True),
}
tidy, untidy = {}, {}
for name, way in tqdm(ways.items(), desc="training", leave=False):
    model = small_convnet()
    how = {"epochs": 40, "batch_size": 25, "optimizer": torch.optim.Adam(model.parameters(), lr=0.002)}
    train.fit(model, (digits.train.x[:200], digits.train.y[:200]), augment=way, progress=False, **how)
    right = lambda x, model=model: (train.predict(model, x).argmax(1).numpy() == dev[1]).mean()
    tidy[name], untidy[name] = right(dev[0]), right(careless_dev)
    print(f"{name:10} tidy {tidy[name]:.0%}, careless {untidy[name]:.0%}")
assert untidy["none"] < tidy["none"] - 0.2 and untidy["and angles"] > untidy["none"] + 0.15
assert untidy["none"] < untidy["shifts"] < untidy["and angles"] > untidy["and flips"]
assert tidy["and angles"] > tidy["none"]

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9.2, 2.6, columns=2, width_ratios=(1, 1.25))
sample = torch.cat([torch.tensor(dev[0][:6]), careless_dev[:6]])[:, 0].numpy()
sheet = np.concatenate([np.concatenate(list(sample[:6]), 1), np.concatenate(list(sample[6:]), 1)])
plot.image(axes[0], sheet, "tidy above, careless below", gray=True)
places = np.arange(4)
axes[1].bar(places - 0.2, list(tidy.values()), 0.36, color=plot.BLUE, label="tidy")
axes[1].bar(places + 0.2, list(untidy.values()), 0.36, color=plot.ORANGE, label="careless", hatch="//", edgecolor="white")
axes[1].set(xticks=places, xticklabels=list(ways), ylabel="accuracy", ylim=(0, 1.25), yticks=[0, 0.5, 1])
axes[1].legend(frameon=False, ncols=2, loc="upper right", fontsize=9)
plot.show(fig, "Left, digits that stand upright and the same ones turned and moved. Right, accuracy of four networks on both. Without "
          "augmentation the moved ones cost over 20 per cent; with shifts and angles most of that comes back; flips cost again.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# On the careless pictures the network without augmentation is far behind; shifts bring most of it back, and small angles
# some more. Flips cost again: a mirrored digit is no digit, and the network spends weights on it. Even on the tidy
# pictures a little variety helps, since 200 digits are few. Augment with what may happen, not with all that can be done.
#
# </details>

# %% [markdown]
# ## 12 · Three sets, and when to stop
#
# Every choice in this unit, a rate, a $\lambda$, an epoch to stop at, was made by looking at the development data. Make
# enough choices and you have fitted *them*. So there is a third set, the **test** data, which is looked at once, at the
# end.
#
# Deck d draws a chain of questions. At each link that fails, there is something to try:
#
# | the network should | if it does not |
# |:--|:--|
# | fit the **training** set, about as well as people can | a bigger network, a better optimiser, longer training |
# | fit the **dev** set | regularisation, a bigger *test* set, early stopping |
# | fit the **test** set | a bigger dev set |
# | do well in the **real world** | change the dev set, or the cost function |
#
# **Spot the error.** One remedy is in the wrong words. Which?
#
# <details><summary>Answer</summary>
#
# "Bigger test set" cannot help a network to fit the dev set: neither of the two is trained on. It should be a bigger
# *training* set, as in Andrew Ng's lectures, which the chain is from. Early stopping is the odd one out in another way:
# it acts on two links at once, since it also makes the fit to the training data worse.
#
# </details>
#
# **Predict.** Four students show their accuracies. People reach 99 %. What should each try next?
#
# | | training | dev | test | in use |
# |:--|--:|--:|--:|--:|
# | Ada | 84 % | 83 % | 83 % | 82 % |
# | Ben | 99 % | 85 % | 84 % | 84 % |
# | Cyd | 98 % | 97 % | 89 % | 88 % |
# | Dov | 98 % | 97 % | 97 % | 71 % |
#
# <details><summary>Answer</summary>
#
# Look for the largest drop along the chain. Ada does not even fit what she trains on: a bigger network, another
# optimiser. Ben fits the training data only: regularise, augment, more training data. Cyd has made so many choices on the dev set that
# they fit it alone: a bigger one. Dov's sets do not look like the world in which the network is used.
#
# </details>

# %%
chain = {
    "a bigger network": (0.99, 0.84, 0.83, 0.83, 0.82),
    "regularisation": (0.99, 0.99, 0.85, 0.84, 0.84),
    "a bigger dev set": (0.99, 0.98, 0.97, 0.89, 0.88),
    "another dev set": (0.99, 0.98, 0.97, 0.97, 0.71),
}
for link, (advice, accuracies) in enumerate(chain.items()):
    assert np.argmax(-np.diff(accuracies)) == link, advice

# %% [markdown]
# ### Exercise: `split_indices`
#
# Data often come in an order: all zeros first, or one writer after the other. (Our bundled digits do: seven in ten of
# the last 360 are by hands that wrote none of the others, which makes them a harder test.) So shuffle, once, and cut.

# %%
ends = (1415, 1545, 1667, 1797)  # where the last hands among the bundled digits end, as scikit-learn's course has it
assert ends[0] < 1437 < ends[1] and round((ends[-1] - ends[1]) / 360, 1) == 0.7

# %% solution="split_indices"
def split_indices(n, fractions, rng):
    """The numbers 0 ... n - 1 split at random into three parts.

    Args:
        n: how many.
        fractions: three shares that add up to 1, of training, dev and test set.
        rng: numpy Generator to shuffle with.

    Returns:
        Three arrays of indices that share none and leave none out; each has n * fraction, give or take two.
    """
    ### BEGIN SOLUTION
    order = rng.permutation(n)
    first = round(n * fractions[0])
    second = first + round(n * fractions[1])
    return order[:first], order[first:second], order[second:]
    ### END SOLUTION

# %% check="split_indices"
check("split_indices", split_indices)

# %% [markdown]
# ### Exercise: `early_stop`
#
# The last remedy against overfitting is the cheapest: keep the weights of the epoch that was best on the dev set, and
# stop when it has been a while. The **patience** says how long: training ends when so many epochs in a row have brought
# nothing strictly better than the best so far.
#
# **Predict.** The dev losses are 5, 4, 4.5, 4.2, 3 and the patience is 2. Which epoch, counted from 0, is kept?
#
# <details><summary>Answer</summary>
#
# Epoch 1. Epochs 2 and 3 bring nothing better than 4, so training ends there. The 3 would have come, but nobody ran that
# epoch.
#
# </details>

# %% tags=["demo"]
assert oracle.early_stop([5, 4, 4.5, 4.2, 3], 2) == 1

# %% solution="early_stop"
def early_stop(dev_losses, patience):
    """The epoch whose weights early stopping keeps.

    Args:
        dev_losses: loss on the dev set after each epoch, as far as training could have gone.
        patience: training stops when so many epochs in a row have brought nothing strictly better.

    Returns:
        Index of the best epoch among those seen until then, or among all if it never stops.
    """
    ### BEGIN SOLUTION
    best = 0
    for epoch, loss in enumerate(dev_losses):
        if loss < dev_losses[best]:
            best = epoch
        elif epoch - best >= patience:
            break
    return best
    ### END SOLUTION

# %% check="early_stop"
check("early_stop", early_stop)

# %% [markdown]
# **Predict.** The network of section 9, which learned 400 digits and 80 wrong labels by heart, has a dev loss that
# jumps up and down from epoch to epoch. With a patience of 5, is the epoch that early stopping keeps the best of all
# sixty?

# %% tags=["demo"]
patience = 5
kept_epoch = oracle.early_stop(by_heart.dev_loss, patience)  # counted from 0
ended = kept_epoch + patience
print(f"trained for {ended + 1} epochs, kept number {kept_epoch + 1}: dev loss {by_heart.dev_loss[kept_epoch]:.3f}, "
      f"accuracy {by_heart.dev_accuracy[kept_epoch]:.0%}")
print(f"all 60 epochs: lowest dev loss {min(by_heart.dev_loss):.3f}; in the end accuracy {by_heart.dev_accuracy[-1]:.0%}")
assert by_heart.dev_accuracy[kept_epoch] > by_heart.dev_accuracy[-1] + 0.03
assert ended < 30 and by_heart.dev_loss[kept_epoch] < min(by_heart.dev_loss) + 0.05

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8, 3.1)
epochs_run = np.arange(1, 61)
ax.plot(epochs_run, by_heart.loss, "--", color=plot.BLUE, lw=1.4, label="training")
ax.plot(epochs_run, by_heart.dev_loss, color=plot.VERMILION, lw=1.8, label="development")
ax.plot([kept_epoch + 1], [by_heart.dev_loss[kept_epoch]], "o", color=plot.VERMILION, ms=9)
ax.annotate("kept", (kept_epoch + 1, by_heart.dev_loss[kept_epoch]), (0, -17), textcoords="offset points", ha="center", size=9)
ax.axvspan(ended + 1, 60.5, color="#888888", alpha=0.15, lw=0)
ax.axvline(ended + 1, color=plot.INK, lw=1)
ax.annotate("five epochs without a better one: stop", (ended + 1, 1.85), (8, 0), textcoords="offset points", va="center", size=9)
ax.annotate("these epochs need not be run", (60, 1.25), ha="right", size=9)
ax.set(xlabel="epoch", ylabel="loss", xlim=(0, 60.5), ylim=(0, 2.3))
ax.legend(frameon=False, fontsize=9, loc="upper right")
plot.show(fig, f"Training and development loss over sixty epochs. The development loss falls until epoch {kept_epoch + 1}, which is "
          f"kept; training stops after epoch {ended + 1}. The rest is shaded: there the development loss slowly climbs.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# It need not be. Some later epoch may be lower by luck, and patience is a bet that what lies beyond is not worth the
# wait. Here it gives up next to nothing, and most of the sixty epochs need not be run. A dev loss that jumps more wants
# more patience.
#
# </details>

# %% [markdown]
# ## 13 · LeNet-5 from your own layers
#
# You have written everything that LeCun's network of 1998 needs. Here it is, put together from the layers of units 03 to
# 06. The cell calls the course's versions, so that it runs whatever you solved; each line names the exercise that could
# stand in its place.

# %% tags=["demo"]
class Convolution:
    def __init__(self, rng, c_in, c_out, k, pad=0):
        self.weights = [np.sqrt(1 / (c_in * k * k)) * rng.standard_normal((c_out, c_in, k, k)), np.zeros(c_out)]
        self.pad = pad

    def forward(self, x):
        self.x = x
        return oracle.conv2d(x, *self.weights, pad=self.pad)  # your conv_forward

    def backward(self, dout):
        dx, *self.slopes = oracle.conv2d_backward(dout, self.x, self.weights[0], pad=self.pad)  # your conv_backward
        return dx


class Tanh:
    weights = ()

    def forward(self, z):
        self.z = z
        return oracle.tanh(z)  # your tanh

    def backward(self, dout):
        return oracle.tanh_backward(dout, self.z)  # your tanh_backward


class MeanPool:
    weights = ()

    def forward(self, x):
        self.shape = x.shape
        return oracle.avg_pool(x, 2, 2)  # your avg_pool_forward

    def backward(self, dout):
        return oracle.avg_pool_backward(dout, self.shape, 2, 2)  # your avg_pool_backward


class Linear:
    def __init__(self, rng, n, m):
        self.weights = [np.sqrt(1 / n) * rng.standard_normal((n, m)), np.zeros(m)]

    def forward(self, x):
        self.x = x
        return oracle.linear_forward(x, *self.weights)  # your linear_forward

    def backward(self, dout):
        dx, *self.slopes = oracle.linear_backward(dout, self.x, self.weights[0])  # your linear_backward
        return dx


class Flatten:
    weights = ()

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


def lenet5(rng):
    return [
        *(Convolution(rng, 1, 6, 5, pad=2), Tanh(), MeanPool()),  # 28, then 14
        *(Convolution(rng, 6, 16, 5), Tanh(), MeanPool()),  # 10, then 5
        *(Convolution(rng, 16, 120, 5), Tanh(), Flatten()),  # 1
        *(Linear(rng, 120, 84), Tanh(), Linear(rng, 84, 10)),
    ]


layers = lenet5(np.random.default_rng(0))
parameters = sum(w.size for layer in layers for w in layer.weights)
print(f"{parameters:,} parameters")
assert parameters == 61706

# %% [markdown]
# The loop around it has four lines that matter: forward, loss, backward, step.

# %% tags=["demo"]
def scores_of(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def accuracy_of(layers, pictures):
    parts = [scores_of(layers, x.astype(float)).argmax(1) for x in np.array_split(pictures.x, 6)]
    return (np.concatenate(parts) == pictures.y).mean()


order, states = np.random.default_rng(1), {}
x_all, curve = digits.train.x.astype(float), []
epochs, batch = 5, 32
with tqdm(total=epochs * (len(x_all) // batch), desc="LeNet-5", leave=False) as bar:
    for _ in range(epochs):
        for some in np.array_split(order.permutation(len(x_all)), len(x_all) // batch):
            loss, dout = oracle.softmax_loss(scores_of(layers, x_all[some]), digits.train.y[some])  # your softmax_loss
            for layer in reversed(layers):
                dout = layer.backward(dout)
            for number, layer in enumerate(layers):
                for i in range(len(layer.weights)):  # your adam_step
                    old = states.get((number, i), {})
                    layer.weights[i], states[number, i] = oracle.adam_step(layer.weights[i], layer.slopes[i], old, lr=0.002)
            curve.append(loss)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()
numpy_accuracy = accuracy_of(layers, digits.test)
print(f"on the test digits after {epochs} epochs: {numpy_accuracy:.1%}")
assert numpy_accuracy > 0.88

# %% [markdown]
# ## 14 · The loop in PyTorch
#
# PyTorch's layers keep their weights and gradients themselves, and `loss.backward()` finds the way back. What is left for
# you is the loop, and it has traps that raise no error: the network learns worse than it could, or not at all, and
# nobody knows why.
#
# **Predict.** What goes wrong in each of these?
#
# ```python
# for xb, yb in batches:              for xb, yb in batches:
#     cost = f(net(xb), yb)               opt.zero_grad()
#     cost.backward()                     cost = f(net(xb), yb)
#     opt.step()                          opt.step()
#                                         cost.backward()
# ```
#
# <details><summary>Answer</summary>
#
# Left: `backward` *adds* to the gradients that are there, so each step goes along the sum of all gradients since the
# start. Right: the step comes before the gradients, and then `zero_grad` throws them away. The weights never move.
#
# </details>

# %%
weight = torch.tensor(1.0, requires_grad=True)
for _ in range(3):
    (2 * weight).backward()
assert weight.grad == 6  # three times 2: they add up

# %% [markdown]
# Two more traps. A model is in one of two modes, and dropout and batch norm behave as in sections 8 and 10: call
# `model.train()` before training and `model.eval()` before looking. And the last batch is often smaller, so the mean of
# the batches' means is not the mean over the examples.
#
# ### Exercise: `train_epoch`

# %% solution="train_epoch"
def train_epoch(model, loader, optimizer, loss_fn, device):
    """Train for one pass over the data.

    Args:
        model: nn.Module from pictures to scores, on the device. Every forward pass runs in training mode, whatever mode
            it came in. One that came in training mode is still in it afterwards; one that came in eval mode may be left
            in either.
        loader: DataLoader of batches (x, y); the last may be smaller.
        optimizer: torch optimizer of the model's parameters.
        loss_fn: from scores and labels to the mean loss of a batch.
        device: where the model is, and where batches have to go.

    Returns:
        Mean loss over all examples, each with the weights that it met, a float.
    """
    ### BEGIN SOLUTION
    model.train()
    total, count = 0.0, 0
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        count += len(y)
    return total / count
    ### END SOLUTION

# %% check="train_epoch"
check("train_epoch", train_epoch)

# %% [markdown]
# ### Exercise: `evaluate`
#
# Looking must not change anything: not the weights, not the running statistics, not the mode that the model is in. And
# without `torch.no_grad()` PyTorch records every operation for a backward pass that never comes.

# %% solution="evaluate"
def evaluate(model, loader, device):
    """The share of examples that a model is right about.

    Args:
        model: nn.Module from pictures to scores (N, classes), on the device; left as it was found, in its mode too.
        loader: DataLoader of batches (x, y); the last may be smaller.
        device: where batches have to go.

    Returns:
        Accuracy over all examples, from 0 to 1.
    """
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            right += (model(x).argmax(dim=1) == y).sum().item()
            count += len(y)
    model.train(was_training)
    return right / count
    ### END SOLUTION

# %% check="evaluate"
check("evaluate", evaluate)

# %% [markdown]
# Before a long run, one short one. **Take twenty pictures and learn them by heart.** If the loss does not go to zero,
# something is broken: a label that does not belong, a layer that is not trained, a missing `zero_grad`. It takes
# seconds, and it finds most mistakes.

# %% tags=["demo"]
from torch.utils.data import DataLoader, TensorDataset

twenty = TensorDataset(torch.tensor(digits.train.x[:20]), torch.tensor(digits.train.y[:20]))
model = small_convnet().to(on)
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
loss_fn = nn.CrossEntropyLoss()
losses = [
    oracle.train_epoch(model, DataLoader(twenty, batch_size=10, shuffle=True), optimizer, loss_fn, on)  # your train_epoch
    for _ in tqdm(range(30), desc="twenty pictures", leave=False)
]
known = oracle.evaluate(model, DataLoader(twenty, batch_size=20), on)  # your evaluate
print(f"loss {losses[0]:.2f} in the first epoch, {losses[-1]:.4f} in the last; {known:.0%} known by heart")
assert losses[-1] < 0.02 and known == 1

# %% [markdown]
# ## 15 · LeNet-5 in PyTorch
#
# Now the same LeNet-5 as in section 13, with everything of this unit that helps it: Adam with a rate that falls, small
# shifts and angles, and the epoch that is best on a dev set. `cnnkit.train.fit` is the loop of section 14 with a
# progress bar; it keeps the best weights, and stopping it (the black square above, or Ctrl-C) loses nothing. It learns
# from MNIST if that is on this computer (`cnnkit data mnist` fetches it), and from the bundled digits otherwise.

# %% tags=["demo"]
from cnnkit import models

best_there_is = data.mnist_or_digits()
split = oracle.split_indices(len(best_there_is.train.y), (0.85, 0.15, 0.0), np.random.default_rng(0))
learn_from, choose_by = ([a[part] for a in best_there_is.train] for part in split[:2])
many = len(learn_from[1]) > 5000

torch.manual_seed(0)
network = nn.Sequential(nn.ZeroPad2d(2), *models.lenet5())
history = train.fit(
    network,
    learn_from,
    choose_by,
    epochs=3 if many else 20,
    batch_size=64 if many else 32,
    optimizer=torch.optim.Adam(network.parameters(), lr=0.002),
    schedule=lambda done: 1 - 0.95 * done,
    augment=lambda x: moved(x.cpu(), 10, 2).to(x.device),
)
torch_accuracy = (train.predict(network, best_there_is.test.x).argmax(1).numpy() == best_there_is.test.y).mean()
print(f"LeNet-5 on the {best_there_is.name}: {torch_accuracy:.2%} of the test pictures")
print(f"dev pictures: {history.dev_accuracy[history.best]:.2%} in the best epoch, {history.dev_accuracy[-1]:.2%} in the last")
assert torch_accuracy > (0.97 if many else 0.9)

# %% tags=["demo", "hide-input"]
plot.show(*history.figure())

# %% [markdown]
# LeCun's LeNet-5 reached 99.05 % of MNIST's test digits in 1998, and 99.2 % with distorted digits added to its training
# data. What ours reaches, and how long it takes, is measured by `benchmarks/headline.py`.
#
# **On a GPU** the code is the same: `cnnkit.device()` finds it, `fit` moves model and data there. With CIFAR-10 (170 MB),
# the network of ConvNetJS's demo and that demo's augmentation:
#
# ```python
# cifar = data.cifar10()
# network = models.convnetjs()
# as_the_demo = lambda x: moved(x, shift=2, flip=True)
# train.fit(network, cifar.train, epochs=30, batch_size=128, live=True, augment=as_the_demo)
# ```
#
# The demo's page, as of decks c and e, calls about 90 % the state of the art on CIFAR-10 and 94 % human. The first
# stopped being true long ago.

# %% [markdown]
# ## What to keep
#
# - Weights of variance $2/n$ before a ReLU: values and gradients keep their size.
# - The steepest direction sets the rate, the flattest pays. Momentum adds steps up; RMSprop and Adam give each weight a
#   rate of its own.
# - $\epsilon$ goes outside the root. Nesterov looks at where the velocity leads *from here*.
# - The best rate is just before the cliff. Small batches take more steps for the same arithmetic, and more time for it.
# - Batch norm and dropout differ between training and use: two modes, and the mode is yours to set.
# - Training loss down and dev loss up: overfitting. L2, dropout, more data, augmentation, stopping.
# - Three sets. Find the first link of the chain that fails, and work on that.
# - `zero_grad`, forward, `backward`, `step`; and twenty pictures by heart before anything long.
#
# ### Where the facts come from
#
# - **Deck c**: *Lecture 5: Convolutional Neural Networks*, from CS231n of Stanford University; **deck e**: *Deep Learning,
#   Lecture 4: Convolutional Neural Networks 1*, Joakim Lindblad, Uppsala University: the page of ConvNetJS's CIFAR-10
#   demo; deck e also for the range of rates.
# - **Deck d**: *Robot Vision (CAP 4453), 18: Convolutional Neural Networks I*, Gonzalo Vaca-Castaño, University of Central
#   Florida: the optimisers, the list of distortions, the chain of questions, AlexNet's settings.
# - He and others, [*Delving deep into rectifiers*](https://arxiv.org/abs/1502.01852), 2015: the variance 2/n.
# - Sutskever and others, [*On the importance of initialization and momentum in deep
#   learning*](https://proceedings.mlr.press/v28/sutskever13.html), 2013: Nesterov's method in this form.
# - Hinton, *Neural networks for machine learning*, lecture 6e, 2012: RMSprop. Zeiler,
#   [*ADADELTA*](https://arxiv.org/abs/1212.5701), 2012. Kingma and Ba, [*Adam*](https://arxiv.org/abs/1412.6980), 2015.
#   Loshchilov and Hutter, [*Decoupled weight decay regularization*](https://arxiv.org/abs/1711.05101), 2019: AdamW.
# - Ioffe and Szegedy, [*Batch normalization*](https://arxiv.org/abs/1502.03167), 2015; Santurkar and others, [*How does
#   batch normalization help optimization?*](https://arxiv.org/abs/1805.11604), 2018: the doubt.
# - Srivastava and others, [*Dropout*](https://jmlr.org/papers/v15/srivastava14a.html), 2014.
# - scikit-learn's course, [*Sample
#   grouping*](https://inria.github.io/scikit-learn-mooc/python_scripts/cross_validation_grouping.html): who wrote which
#   of the bundled digits.
# - Dieleman and others, [*Rotation-invariant convolutional neural networks for galaxy morphology
#   prediction*](https://arxiv.org/abs/1503.07077), 2015: deck d's distortions are from this work.
# - Ng, *Structuring machine learning projects* (Coursera, 2017): the chain of questions, under "orthogonalization".
# - LeCun and others, *Gradient-based learning applied to document recognition*, 1998: LeNet-5 and its results.
