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
# # Unit 04 · Backpropagation
#
# The network at the end of this unit reads handwritten digits and has 23 860 parameters. To improve it, you need to
# know of each one which way to turn it. You could ask by trial: turn one a little, run the network, write down what
# happens, 23 860 times over. Backpropagation gets all the answers in one pass back through the network, for the price
# of a few passes forward.
#
# It needs no more than the chain rule and good bookkeeping. In this unit you do the bookkeeping: first on single gates,
# then on layers, then on the whole network. You also build the tool that tells you whether a gradient is right. The
# rest of the course leans on it.
#
# **After this unit you can**
#
# - draw a computation as a graph and carry values forward and gradients back through it by hand;
# - check any gradient by differences, and tell when the check itself is wrong;
# - write forward and backward of the usual non-linearities and of a linear layer, for a whole batch at a time;
# - train a network of your own parts on handwritten digits.
#
# | | |
# |:--|:--|
# | **Time** | about 200 minutes: 80 to read and predict, 120 for fifteen exercises, most of them of one to three lines. Section 9 is a good place to break off. |
# | **You need** | NumPy, derivatives of functions of one variable, the check of unit 00. No other unit. |
# | **Layout** | a batch `x: (N, D)` has one example in each row; weights `w: (D, M)`, biases `b: (M,)`. Section 12 has a single example as a column. |
#
# An upstream gradient is called `dout`, and the gradient with respect to `x` is called `dx`, here and in all units that
# follow.
#
# The text keeps asking you to predict something. Decide on an answer before you unfold ours. Cells that only draw are
# folded away; from section 5 on, some of them run on your functions, and need the exercises before them.

# %%
from itertools import pairwise

import numpy as np

from cnnkit import check

rng = np.random.default_rng(0)

# %% tags=["demo"]
import time

from matplotlib.patches import Circle, Rectangle

from cnnkit import data, plot
from cnnkit.bars import tqdm

digits = data.mnist_or_digits()
print(f"{digits.name}: {len(digits.train.y)} pictures to train on, {len(digits.test.y)} to test with")

# %% [markdown]
# ## 1 · Ten templates
#
# The simplest thing that can learn to tell pictures apart is the linear classifier of deck e's recap. Stretch the
# picture into a vector
# $x$. For each class keep a row of weights and a bias, and let the classes bid:
#
# $$s = W x + b$$
#
# The class with the highest score wins. Deck e shows three classes at work on a picture of a cat that has only four
# pixels. The figure is from CS231n, and so are the numbers.
#
# **Spot the error.** Do the sums before you unfold the answer. One of the three scores on the slide is wrong: −96.8,
# 437.9, 61.95.

# %%
W = np.array([[0.2, -0.5, 0.1, 2.0],
              [1.5, 1.3, 2.1, 0.0],
              [0.0, 0.25, 0.2, -0.3]])
x = np.array([56, 231, 24, 2])
b = np.array([1.1, 3.2, -1.2])
printed = np.array([-96.8, 437.9, 61.95])

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(24, 5.9)
columns = ((W, 0.6, "weights W", 1.55), (x[:, None], 8.3, "picture x", 1.55), (b[:, None], 12.1, "bias b", 1.55),
           (printed[:, None], 16, "scores on the slide", 2.2))
for (values, left, title, width), sign in zip(columns, ("×", "+", "=", ""), strict=True):
    top = 1.2 if len(values) == 4 else 1.8
    for (i, j), value in np.ndenumerate(values):
        cell = Rectangle((left + j * width, top + i * 1.1), width, 1.1, facecolor="none", edgecolor="#888888", lw=0.6)
        ax.add_patch(cell)
        plot.text(ax, left + (j + 0.5) * width, top + (i + 0.5) * 1.1, f"{value:g}".replace("-", "−"))
    plot.text(ax, left + values.shape[1] * width / 2, top - 0.55, title)
    plot.text(ax, left + values.shape[1] * width + 0.75, 3.4, sign, size=15)
for row, name in enumerate(("cat", "dog", "ship")):
    plot.text(ax, 18.6, 1.8 + (row + 0.5) * 1.1, name, ha="left", size=10)
plot.show(fig, "Three rows of four weights times a picture of four pixels, plus three biases, is said to give the "
          "scores minus 96.8 for cat, 437.9 for dog and 61.95 for ship.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The third: 0 · 56 + 0.25 · 231 + 0.2 · 24 − 0.3 · 2 = 61.95 is the sum without the bias. With −1.2 it is 60.75. Either
# way the dog wins, and the picture shows a cat: these weights have learned nothing yet.
#
# </details>

# %%
scores = W @ x + b
assert np.allclose(scores[:2], printed[:2])
assert np.isclose(scores[2], 60.75) and np.isclose(W[2] @ x, 61.95)
scores.round(2)

# %% [markdown]
# A dot product is large when two vectors point the same way. So each row of $W$ is a **template**, as large as the
# picture, and its score says how well the picture matches.
#
# **Predict.** Ten templates have been fitted to our digits. What does the template of 0 look like: a bright ring? And
# what is in the middle of it?
#
# <details><summary>Answer</summary>
#
# A ring, yes, and a strongly *negative* spot in the middle. Ink there speaks against a 0 more than anything else does.
# A template holds what tells a class from the others, not what the class looks like.
#
# </details>

# %% tags=["demo"]
def flat(pictures):
    """Pictures (N, 1, 28, 28) as rows (N, 784), in float64."""
    return pictures.reshape(len(pictures), -1).astype(np.float64)


x_train, y_train = flat(digits.train.x), digits.train.y
x_test, y_test = flat(digits.test.x), digits.test.y
targets = np.eye(10)[y_train]

# Least squares with a penalty on the weights, which has a solution in one line (unit 07 has better ways).
with_bias = np.hstack([x_train, np.ones((len(x_train), 1))])
penalty = 0.5 * len(x_train)
templates = np.linalg.solve(with_bias.T @ with_bias + penalty * np.eye(785), with_bias.T @ targets)
linear_accuracy = ((x_test @ templates[:-1] + templates[-1]).argmax(1) == y_test).mean()

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 3.9, columns=5, rows=2)
limit = np.abs(templates[:-1]).max() * 0.8
for digit, ax in enumerate(axes.flat):
    plot.image(ax, templates[:-1, digit].reshape(28, 28), f"{digit}", limit=limit)
plot.show(fig, "Ten templates: where ink speaks for a digit in vermilion, where it speaks against it in blue. The one "
          "for 0 is a ring with a dark blue middle.")
print(f"The class of the best template is right on {linear_accuracy:.1%} of the test pictures.")

# %% [markdown]
# ## 2 · What no straight line can do
#
# With two inputs instead of 784 you can see the limits of this. There a linear classifier is a straight line: one class
# on this side, the other on that. Deck e lists three hard cases.

# %% tags=["demo", "hide-input"]
side = (np.arange(60) + 0.5) / 20 - 1.5
plane = 2 * np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)  # points of a square, (3600, 2)
islands = np.array([[-1.6, -1.2], [1.7, -0.9], [0.1, 1.7]])
radius = np.linalg.norm(plane, axis=1)
cases = {
    "opposite quadrants": plane[:, 0] * plane[:, 1] > 0,
    "ring": (radius >= 1) & (radius <= 2),
    "three islands": (np.linalg.norm(plane[:, None] - islands, axis=2) < 0.9).any(axis=1),
}


def draw_plane(ax, inside, title, said=None):
    """The two classes of a square; where ``said`` is given, what a classifier says in colour and its mistakes hatched."""
    at = {"extent": (-3, 3, -3, 3), "origin": "lower", "interpolation": "nearest"}
    shown = inside if said is None else said
    ax.imshow(np.where(shown, 1.0, -1.0).reshape(60, 60), cmap=plot.DIVERGING, vmin=-1.8, vmax=1.8, **at)
    if said is not None:
        ax.contour(side * 2, side * 2, inside.reshape(60, 60), [0.5], colors="black", linewidths=1.6)
    ax.set(xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3))
    ax.set_title(title, size=10)
    ax.spines[:].set(visible=True, color="#888888")


fig, axes = plot.figure(8.8, 3.4, columns=3)
for ax, (name, inside) in zip(axes, cases.items(), strict=True):
    draw_plane(ax, inside, name)
plot.show(fig, "Three squares with two classes each, one in vermilion and one in blue: in opposite quadrants of the first, "
          "in a ring in the second, on three islands in the third.")

# %% [markdown]
# **Predict.** What share of each square can the best straight line get right? And where does it run?
#
# <details><summary>Answer</summary>
#
# - *Opposite quadrants*: two thirds, with a line that cuts off a corner of one quadrant.
# - *Ring*: 74 %, and there is no line in the picture at all. Nothing beats calling everything "outside".
# - *Three islands*: 79 %, in the same way.
#
# One template per class cannot say "here *or* there". It takes more than one, and something to combine them: a second
# layer.
#
# </details>

# %% tags=["demo", "hide-input"]
def best_line(points, inside):
    """The best of lines in all directions: (share right, direction, offset); inside is where direction · point > offset."""
    best = (0, None, None)
    for angle in np.linspace(0, 2 * np.pi, 240, endpoint=False):
        direction = np.array([np.cos(angle), np.sin(angle)])
        along = points @ direction
        order = np.argsort(along)
        # Right with the line before the first point, then after the first, ...
        right = np.cumsum(np.append(inside.sum(), np.where(inside[order], -1, 1)))
        between = np.append(np.append(True, np.diff(along[order]) > 1e-9), True)
        place = np.argmax(np.where(between, right, -1))
        offset = np.append(along[order], np.inf)[place] - 1e-9
        best = max(best, (right[place] / len(points), tuple(direction), offset), key=lambda found: found[0])
    return best


lines = {name: best_line(plane, inside) for name, inside in cases.items()}
assert abs(lines["opposite quadrants"][0] - 2 / 3) < 0.01
assert lines["ring"][0] == 1 - cases["ring"].mean() and round(lines["ring"][0], 2) == 0.74
assert lines["three islands"][0] == 1 - cases["three islands"].mean() and round(lines["three islands"][0], 2) == 0.79


fig, axes = plot.figure(8.8, 3.6, columns=3)
for ax, (name, inside) in zip(axes, cases.items(), strict=True):
    share, direction, offset = lines[name]
    draw_plane(ax, inside, f"{name}\nbest line: {share:.0%} right")
    if np.isfinite(offset):
        along = np.array([-direction[1], direction[0]])
        ax.plot(*np.array([offset * np.array(direction) + t * along for t in (-9, 9)]).T, color=plot.INK, lw=2.4)
plot.show(fig, "Three squares with two classes each: opposite quadrants, a ring, three islands. The best straight line "
          "cuts off a corner of one quadrant; for the other two there is none worth drawing.")

# %% [markdown]
# The second layer is where the trouble begins. Its weights can be corrected by looking at its errors. But what is the
# error of a unit in the *first* layer, which nobody ever told what to put out? The answer was known to few before 1986
# and to everybody after.

# %% [markdown]
# ## 3 · A graph of small steps
#
# Take a computation apart until every step is something that you can differentiate in your head. Draw each step as a
# node, a **gate**, and each number as a wire. Here is $L = (x y + z)\,w$ at $x = 2$, $y = -3$, $z = 10$, $w = 4$.
# Values run from left to right. In a network the last number, $L$, will be the **loss** (deck d says *cost*): how bad
# the answers are. All that follows is to make it smaller.
#
# **Predict.** What does $L$ do when $w$ grows by 0.1? When $z$ does? When $x$ does?

# %% tags=["demo", "hide-input"]
def signed(value):
    return f"{value:.3g}".replace("-", "−") if isinstance(value, int | float | np.floating) else value


def draw_graph(ax, nodes, wires):
    """A computational graph: gates in circles, values over the wires, gradients under them.

    Args:
        ax: axes of a canvas.
        nodes: {name: (x, y, label)}; a name in capitals is a gate, any other a plain label.
        wires: [(from, to, value, gradient)], None for what is not known yet.
    """
    radius = {name: 0.85 if name.isupper() else 0.55 for name in nodes}
    for name, (x, y, label) in nodes.items():
        if name.isupper():
            ax.add_patch(Circle((x, y), 0.85, facecolor="none", edgecolor=plot.INK, lw=1.4))
        plot.text(ax, x, y, label, size=12 if name.isupper() else 11, weight="normal" if name.isupper() else "bold")
    for start, end, value, gradient in wires:
        (x0, y0, _), (x1, y1, _) = nodes[start], nodes[end]
        way = np.array([x1 - x0, y1 - y0]) / np.hypot(x1 - x0, y1 - y0)
        a, z = np.array([x0, y0]) + radius[start] * way, np.array([x1, y1]) - radius[end] * way
        plot.arrow(ax, a, z)
        across = np.array([way[1], -way[0]])  # to the left of the way, which is up on the page
        middle = a + 0.42 * (z - a)
        if value is not None:
            plot.text(ax, *(middle + 0.5 * across), signed(value), color=plot.BLUE)
        if gradient is not None:
            plot.text(ax, *(middle - 0.55 * across), signed(gradient), color=plot.VERMILION)


GATES = {"x": (1, 1.2, "x"), "y": (1, 5.4, "y"), "TIMES": (5.6, 3.3, "×"), "z": (6.2, 7.3, "z"), "PLUS": (10.8, 4.6, "+"),
         "w": (11.4, 8.6, "w"), "PRODUCT": (16, 5.8, "×"), "out": (20.4, 5.8, "L")}


def steps_graph(gradients):
    values = {"x": 2, "y": -3, "xy": -6, "z": 10, "s": 4, "w": 4, "L": 16}
    ends = {"x": ("x", "TIMES"), "y": ("y", "TIMES"), "xy": ("TIMES", "PLUS"), "z": ("z", "PLUS"), "s": ("PLUS", "PRODUCT"),
            "w": ("w", "PRODUCT"), "L": ("PRODUCT", "out")}
    fig, ax = plot.canvas(22, 9.4)
    draw_graph(ax, GATES, [(*ends[wire], values[wire], gradients.get(wire)) for wire in ends])
    return fig, ax


fig, ax = steps_graph({})
plot.show(fig, "The graph of L = (x y + z) w with its values: x y is minus 6, plus z is 4, times w is 16.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# $w$ is multiplied by 4, so $L$ grows by 0.4. $z$ reaches $L$ through the factor $w = 4$: 0.4 again. $x$ is multiplied
# by −3 and then by 4:
# $L$ *falls* by 1.2. You have just used the chain rule three times.
#
# </details>

# %%
def L(x=2.0, y=-3.0, z=10.0, w=4.0):
    return (x * y + z) * w


assert L() == 16
assert np.isclose(L(w=4.1) - L(), 0.4) and np.isclose(L(z=10.1) - L(), 0.4) and np.isclose(L(x=2.1) - L(), -1.2)

# %% [markdown]
# Call "by how much $L$ moves, per unit that a wire moves" the **gradient** on that wire. It is computed from right to
# left. The gradient on the last wire is 1: $L$ moves just as much as $L$ does. Then each gate hands on to its inputs
# what came in from its output, times its own slope. Values run forward, above the wires; gradients run back, below
# them.

# %%
back = {"L": 1}
back["s"] = 4 * back["L"]  # times w
back["w"] = 4 * back["L"]  # times s
back["xy"] = back["z"] = 1 * back["s"]  # a sum has slope 1
back["x"] = -3 * back["xy"]  # times y
back["y"] = 2 * back["xy"]  # times x
assert back == {"L": 1, "s": 4, "w": 4, "xy": 4, "z": 4, "x": -12, "y": 8}

# %% tags=["demo", "hide-input"]
fig, ax = steps_graph(back)
plot.text(ax, 15, 1.2, "values, forward →", color=plot.BLUE, ha="left")
plot.text(ax, 15, 2.2, "← gradients, back", color=plot.VERMILION, ha="left")
plot.show(fig, "The same graph with the gradients under its wires, from right to left: 1, then 4 and 4, then 4 and 4, "
          "then minus 12 for x and 8 for y.")

# %% [markdown]
# Nobody had to see the whole formula. Each gate needed its own inputs, and one number from the right. That is why the
# same few gates can be wired into anything, and why PyTorch works the same way:

# %% tags=["demo"]
import torch

inputs = {"x": 2.0, "y": -3.0, "z": 10.0, "w": 4.0}
leaves = {name: torch.tensor(value, requires_grad=True) for name, value in inputs.items()}
L(**leaves).backward()
{name: leaf.grad.item() for name, leaf in leaves.items()}

# %% [markdown]
# ## 4 · One gate
#
# A gate has a **forward** and a **backward**. Forward takes the inputs and returns the output. Backward takes the
# gradient on the output wire, $\partial L / \partial z$, and returns the gradients on the input wires. For $z = x y$:
#
# $$\frac{\partial L}{\partial x} = \frac{\partial z}{\partial x}\,\frac{\partial L}{\partial z} = y\,\frac{\partial L}{\partial z} \qquad\qquad
# \frac{\partial L}{\partial y} = x\,\frac{\partial L}{\partial z}$$
#
# The left factor is the gate's own slope. It is a question about the gate alone. The right factor is news from the rest
# of the network.

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(22, 6.6)
nodes = {"x": (2, 1.6, "x = 5"), "y": (2, 5.2, "y = −2"), "TIMES": (10.5, 3.4, "×"), "rest": (19, 3.4, "the rest")}
draw_graph(ax, {k: v for k, v in nodes.items() if k == "TIMES"}, [])
for (a, b), (above, below) in {
    ((3.6, 1.75), (9.7, 3.1)): ("", "dx = y · dz = −6"),
    ((3.6, 5.05), (9.7, 3.7)): ("", "dy = x · dz = 15"),
    ((11.4, 3.4), (17.2, 3.4)): ("z = −10", "dz = 3"),
}.items():
    plot.arrow(ax, a, b)
    x_mid, y_mid = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    if above:
        plot.text(ax, x_mid, y_mid - 0.6, above, color=plot.BLUE)
        plot.text(ax, x_mid, y_mid + 0.7, below, color=plot.VERMILION)
    else:
        plot.text(ax, x_mid + 0.4, y_mid + (0.95 if a[1] > b[1] else -0.85), below, color=plot.VERMILION)
plot.text(ax, 2, 1.6, nodes["x"][2], color=plot.BLUE)
plot.text(ax, 2, 5.2, nodes["y"][2], color=plot.BLUE)
plot.text(ax, 19.4, 3.4, "the rest of\nthe network", size=9.5)
plot.show(fig, "A multiply gate with inputs 5 and minus 2 and output minus 10. From the right comes the gradient 3; "
          "back go minus 6 to x, which is y times 3, and 15 to y, which is x times 3.")

# %% [markdown]
# **Predict.** A multiply gate gets a very large $x$ and a very small $y$. Which of the two inputs gets the larger
# gradient?
#
# <details><summary>Answer</summary>
#
# The small one: it gets $x\,dz$. The gate swaps the sizes of its inputs. That is why inputs in thousands make the
# gradients of their weights a thousand times larger, and why data are scaled before a network sees them.
#
# </details>
#
# **Spot the error.** Deck e prints such a gate. Python would not run it, for one reason that is there twice:
#
# ```python
# class MultiplyGate(object):
#     def forward(x,y):
#         z = x*y
#         self.x = x # must keep these around!
#         self.y = y
#         return z
#     def backward(dz):
#         dx = self.y * dz # [dz/dx * dL/dz]
#         dy = self.x * dz # [dz/dy * dL/dz]
#         return [dx, dy]
# ```
#
# <details><summary>Answer</summary>
#
# Both methods lack `self` as their first parameter. `gate.forward(3, 4)` passes three arguments, the gate itself being
# the first, to a function that takes two.
#
# </details>

# %%
class AsPrinted:
    def forward(x, y):
        return x * y


try:
    AsPrinted().forward(3, 4)
except TypeError as error:
    complaint = str(error)
assert "takes 2 positional arguments but 3 were given" in complaint

# %% [markdown]
# The deck's comment is the important line. Backward needs the inputs that forward saw, so forward has to keep them, on
# the object. This is what makes training need so much more memory than prediction.
#
# ### Exercise: `MultiplyGate`
#
# Numbers or arrays go in; arrays are multiplied entry by entry. A network has many gates, all alive at the same time.

# %% solution="MultiplyGate"
class MultiplyGate:
    """A gate that multiplies two numbers, or two arrays of one shape entry by entry."""

    def forward(self, x, y):
        """The product, as a number or an array like x and y."""
        ### BEGIN SOLUTION
        self.x, self.y = x, y
        return x * y
        ### END SOLUTION

    def backward(self, dz):
        """The gradients ``(dx, dy)``, given ``dz``, the gradient on the output, at the inputs of the last forward."""
        ### BEGIN SOLUTION
        return dz * self.y, dz * self.x
        ### END SOLUTION

# %% check="MultiplyGate"
check("MultiplyGate", MultiplyGate)

# %% [markdown]
# ## 5 · Adding, and where branches meet
#
# A sum moves by just as much as either of its inputs does: both its slopes are 1. So an add gate hands the gradient on
# as it came, to both sides.
#
# ### Exercise: `AddGate`

# %% solution="AddGate"
class AddGate:
    """A gate that adds two numbers, or two arrays of one shape entry by entry."""

    def forward(self, x, y):
        """The sum, as a number or an array like x and y."""
        ### BEGIN SOLUTION
        return x + y
        ### END SOLUTION

    def backward(self, dz):
        """The gradients ``(dx, dy)``, given ``dz``, the gradient on the output."""
        ### BEGIN SOLUTION
        return dz, dz
        ### END SOLUTION

# %% check="AddGate"
check("AddGate", AddGate)

# %% [markdown]
# What if a number is used twice? In $L = x y + x$ the wire of $x$ **branches**: one branch goes into the product, one
# into the sum.
#
# **Predict.** At $x = 3$, $y = -4$: what gradient comes back along each branch, and what is $\partial L / \partial x$?

# %% tags=["demo", "hide-input"]
def branch_graph(known):
    fig, ax = plot.canvas(20, 8.4)
    nodes = {"x": (1, 3, "x"), "y": (4.6, 7.4, "y"), "TIMES": (9.2, 5.5, "×"), "PLUS": (14, 3.2, "+"), "out": (18.4, 3.2, "L")}
    draw_graph(ax, nodes, [("y", "TIMES", -4, 3 if known else None), ("TIMES", "PLUS", -12, 1 if known else None),
                           ("PLUS", "out", -9, 1 if known else None)])
    ax.plot([1.6, 4.8], [3, 3], color=plot.INK, lw=1.2)
    ax.plot([4.8], [3], "o", color=plot.INK, ms=6)
    plot.arrow(ax, (4.8, 3), (8.5, 5))
    plot.arrow(ax, (4.8, 3), (13.3, 2.7), bend=-0.32)
    for x_, y_, words, colour_, weight in (
        (3.1, 2.5, "3", plot.BLUE, "normal"), (3.1, 3.6, "−3" if known else "?", plot.VERMILION, "bold"),
        (9, 0.9, "3", plot.BLUE, "normal"), (9, 2.1, "1" if known else "?", plot.VERMILION, "normal"),
        (6.8, 3.4, "3", plot.BLUE, "normal"), (6.1, 4.5, "−4" if known else "?", plot.VERMILION, "normal"),
    ):
        plot.text(ax, x_, y_, words, color=colour_, weight=weight)
    return fig, ax


fig, ax = branch_graph(known=False)
plot.show(fig, "The graph of L = x y + x: the wire of x, with value 3, splits in two; one branch goes to the product with "
          "y = minus 4, the other to the sum, which gives minus 9.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Along the upper branch comes 1, through the product comes $y = -4$. When $x$ moves, both branches move $L$ at once, so
# the effects **add up**: −3. From the formula, $\partial L / \partial x = y + 1 = -3$.
#
# </details>

# %%
along_the_sum, along_the_product = 1, -4
dx = along_the_sum + along_the_product
move = 0.001
assert dx == -3 and np.isclose(((3 + move) * -4 + (3 + move)) - (3 * -4 + 3), dx * move)

# %% tags=["demo", "hide-input"]
fig, ax = branch_graph(known=True)
plot.text(ax, 3.1, 4.4, "= −4 + 1", color=plot.VERMILION, size=9)
plot.show(fig, "The same graph with gradients: 1 comes back along the sum, minus 4 through the product, and where the "
          "branches meet they add up to minus 3.")

# %% [markdown]
# That is the whole rule book. A weight that is used for every example of a batch, or at every place of a picture, is a
# wire with many branches: its gradient is a sum over all of them. You will meet this sum again in section 11, in unit
# 05, and wherever anything is shared.
#
# **Predict.** Wire the *same* $x$ to both inputs of one `MultiplyGate`. What is the gradient on $x$?
#
# <details><summary>Answer</summary>
#
# The gate sends $x\,dz$ along each of its two inputs, and both wires come from the same $x$: $2 x\,dz$. That is the
# derivative of $x^2$, as it must be.
#
# </details>

# %% tags=["demo"]
square = MultiplyGate()
square.forward(7.0, 7.0)
sum(square.backward(1.0))

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 7)
for left, symbol, title, values, gradients in (
    (0.6, "+", "add: passes on", (5, -2, 3), (4, 4, 4)),
    (9.4, "×", "multiply: swaps", (5, -2, -10), (-8, 20, 4)),
):
    nodes = {"a": (left, 1.9, ""), "b": (left, 6.1, ""), "GATE": (left + 3.8, 4, symbol), "z": (left + 7.2, 4, "")}
    draw_graph(ax, nodes, [("a", "GATE", values[0], gradients[0]), ("b", "GATE", values[1], gradients[1]),
                           ("GATE", "z", values[2], gradients[2])])
    plot.text(ax, left + 3.8, 0.7, title)
plot.text(ax, 21.8, 0.7, "branch: adds up")
ax.plot([18.6, 20.8], [4, 4], color=plot.INK, lw=1.2)
ax.plot([20.8], [4], "o", color=plot.INK, ms=6)
plot.arrow(ax, (20.8, 4), (25, 2))
plot.arrow(ax, (20.8, 4), (25, 6))
for x_, y_, words, colour_ in (
    (19.6, 3.5, "5", plot.BLUE), (19.6, 4.6, "3", plot.VERMILION), (22.9, 2.4, "5", plot.BLUE),
    (23.5, 3.4, "4", plot.VERMILION), (23.5, 4.65, "5", plot.BLUE), (22.9, 5.65, "−1", plot.VERMILION),
):
    plot.text(ax, x_, y_, words, color=colour_)
plot.show(fig, "Three patterns. An add gate passes the gradient 4 on to both inputs. A multiply gate with inputs 5 and "
          "minus 2 sends back minus 8 and 20. A branch adds up what comes back, 4 and minus 1, to 3.")

# %% [markdown]
# ## 6 · A neuron, wire by wire
#
# One neuron with two inputs is a small graph of these gates, and one new gate at the end:
#
# $$a = \sigma(w_1 x_1 + w_2 x_2 + b) \qquad \sigma(z) = \frac{1}{1 + e^{-z}} \qquad \sigma'(z) = \sigma(z)\,(1 - \sigma(z))$$
#
# A gate may be as large as you like, if you know its slope. We could have built $\sigma$ from an exponential, a sum and
# a division; the formula for $\sigma'$ saves the work.
#
# **Predict.** With the numbers in the figure $z = 0.5$, and $\sigma'(0.5) = 0.235$. Work out the gradients on all five
# inputs. Which one input would you change, and which way, to raise $a$ the fastest?

# %%
w1, w2, x1, x2, b0 = 2.0, -1.0, 1.5, 2.0, -0.5
z0 = w1 * x1 + w2 * x2 + b0
a0 = 1 / (1 + np.exp(-z0))
slope = a0 * (1 - a0)
assert z0 == 0.5 and round(slope, 3) == 0.235

# %% tags=["demo", "hide-input"]
def neuron_graph(g=None):
    g = g or {}
    fig, ax = plot.canvas(26.5, 13)
    nodes = {"w1": (1, 1.2, "w₁"), "x1": (1, 5, "x₁"), "w2": (1, 8, "w₂"), "x2": (1, 11.8, "x₂"), "FIRST": (5.8, 3.1, "×"),
             "SECOND": (5.8, 9.9, "×"), "SUM": (11.2, 6.5, "+"), "b": (11.8, 11.2, "b"), "BIAS": (16.4, 7.4, "+"),
             "SIGMA": (20.8, 7.4, "σ"), "a": (25.2, 7.4, "a")}
    draw_graph(ax, nodes, [
        ("w1", "FIRST", w1, g.get("w1")), ("x1", "FIRST", x1, g.get("x1")), ("w2", "SECOND", w2, g.get("w2")),
        ("x2", "SECOND", x2, g.get("x2")), ("FIRST", "SUM", w1 * x1, g.get("z")), ("SECOND", "SUM", w2 * x2, g.get("z")),
        ("SUM", "BIAS", w1 * x1 + w2 * x2, g.get("z")), ("b", "BIAS", b0, g.get("z")), ("BIAS", "SIGMA", z0, g.get("z")),
        ("SIGMA", "a", a0, g.get("a")),
    ])
    return fig


plot.show(neuron_graph(), "A neuron as a graph: two products, 3 and minus 2, their sum 1, with the bias 0.5, and the "
          "sigmoid of that, 0.622.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# 0.235 goes through both sums unchanged. The products swap: $w_1$ gets $0.235 \cdot 1.5 = 0.353$, $x_1$ gets $0.235
# \cdot 2 = 0.47$, $w_2$ gets
# $0.235 \cdot 2 = 0.47$, $x_2$ gets $-0.235$, and $b$ gets 0.235. The steepest are $x_1$ and $w_2$, both upwards.
# Inputs are given, so in training it is $w_2$ that moves most.
#
# </details>

# %%
by_hand = {"w1": slope * x1, "x1": slope * w1, "w2": slope * x2, "x2": slope * w2, "z": slope, "a": 1}
assert [round(by_hand[name], 3) for name in ("w1", "x1", "w2", "x2", "z")] == [0.353, 0.47, 0.47, -0.235, 0.235]

# %% tags=["demo", "hide-input"]
plot.show(neuron_graph(by_hand), "The neuron with its gradients: 1 at the output, 0.235 before the sigmoid and through "
          "both sums, then 0.353 for w1, 0.47 for x1 and w2, minus 0.235 for x2.")

# %% [markdown]
# ## 7 · Asking by trial
#
# So far you could check every gradient with a move of 0.001 and a subtraction. Make that a tool. The slope of $f$ at
# $x$ is approximately
#
# $$f'(x) \approx \frac{f(x+h) - f(x)}{h} \qquad\text{or}\qquad f'(x) \approx \frac{f(x+h) - f(x-h)}{2h}$$
#
# The first is the **forward** difference, the second the **central** one.
#
# **Predict.** Take the parabola $f(x) = x^2$ at $x = 1$, where the slope is 2, and a step of $h = 0.5$, which is
# enormous. What do the two formulas give?
#
# <details><summary>Answer</summary>
#
# Forward: $(2.25 - 1)/0.5 = 2.5$. Central: $(2.25 - 0.25)/1 = 2$, exactly. On a parabola the central difference makes
# no error at all, whatever the step.
#
# In general, write $f(x \pm h) = f \pm h f' + \tfrac{h^2}{2} f'' \pm \tfrac{h^3}{6} f''' + \dots$ and subtract. The
# forward difference is off by $\tfrac{h}{2} f''$. In the central one the even terms cancel, and what remains is
# $\tfrac{h^2}{6} f'''$.
#
# </details>

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 3.3, columns=2, sharey=True)
t = np.linspace(0, 2, 100)
for ax, (title, left, right) in zip(axes, (("forward", 1, 1.5), ("central", 0.5, 1.5)), strict=True):
    ax.plot(t, t * t, color=plot.INK, lw=2)
    ax.plot(t, 1 + 2 * (t - 1), color="#888888", ls="--", lw=1.4)
    steep = (right**2 - left**2) / (right - left)
    ax.plot(t, left**2 + steep * (t - left), color=plot.VERMILION, lw=2)
    ax.plot([left, right], [left**2, right**2], "o", color=plot.VERMILION, ms=7)
    ax.set(xlim=(0, 2), ylim=(-1, 4), xticks=sorted({left, 1, right}), xlabel="x")
    ax.set_title(f"{title} difference", size=10)
axes[0].set_ylabel("x²")
plot.show(fig, "The parabola with its tangent at 1, dashed. The line of the forward difference, from 1 to 1.5, is "
          "steeper than the tangent; that of the central difference, from 0.5 to 1.5, is parallel to it.")

# %%
def parabola(x):
    return x**2


assert (parabola(1.5) - parabola(1)) / 0.5 == 2.5
assert (parabola(1.5) - parabola(0.5)) / 1 == 2

# %% [markdown]
# A function of an array has a slope for each entry: move one entry, leave the others. And if $f$ returns an array, too,
# each of its outputs moves. We want one number per input, so we ask about $L$ instead: an upstream gradient says how
# much $L$ cares for each output, and
#
# $$\frac{\partial L}{\partial x_i} \approx \sum_k \text{upstream}_k\,\frac{f_k(x + h e_i) - f_k(x - h e_i)}{2h}$$
#
# with $e_i$ for 1 at entry $i$ and 0 elsewhere. Compare this with any `backward(dout)`: it should return the same
# numbers.

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 6.4)
entries = np.array([["4", "−1", "2"], ["1", "3", "−5"]])
left_ = plot.grid(ax, entries, (1.6, 1.9), "x")
plot.window(ax, left_, 0, 2, 1, 1, fill=0.2)
plot.text(ax, left_.x, 5, "one entry at a time:\n2 + h, 2 − h", size=9)
plot.arrow(ax, (5.2, 2.9), (7.6, 2.9))
plot.text(ax, 6.4, 2.3, "f", size=12, style="italic")
plot.grid(ax, np.array([["0", ".3"], ["0", "−2"], ["0", "1"]]), (9.4, 1.4))
plot.text(ax, 10.4, 5, "rise of each\noutput / 2h", size=9)
plot.text(ax, 12.6, 2.9, "·", size=18)
plot.grid(ax, np.array([["1", "2"], ["0", ".5"], ["−1", "3"]]), (13.8, 1.4), "upstream")
plot.arrow(ax, (16.8, 2.9), (19.6, 2.9))
plot.text(ax, 18.2, 2.3, "add up", size=9)
result = plot.grid(ax, np.array([["", "", "2.6"], ["", "", ""]]), (20.4, 1.9), "gradient")
plot.window(ax, result, 0, 2, 1, 1, fill=0.2)
plot.text(ax, result.x, 5, "shaped as x", size=9)
plot.show(fig, "One entry of x is moved up and down by h; the rise of each output over 2h is multiplied with the upstream "
          "gradient and added up to one number, which goes to the same place in the result.")

# %%
assert np.isclose(0.3 * 2 - 2 * 0.5 + 1 * 3, 2.6)

# %% [markdown]
# ### Exercise: `numerical_gradient`
#
# Central differences, entry by entry. Three traps:
#
# - `x` may be an array of whole numbers. What is 3 + 0.00001 in such an array?
# - `x` must come out as it went in, to the last bit. In floating point, adding `h`, subtracting `2h` and adding `h`
#   again does not bring you back.
# - some functions return the very array that they were given. If you move an entry of that array afterwards, the result
#   that you kept moves along; a copy does not.
#
# A loop over all entries is fine. `np.ndindex(x.shape)` runs through the indices of an array of any shape.

# %% solution="numerical_gradient"
def numerical_gradient(f, x, upstream=None, h=1e-5):
    """The gradient of f at x by central differences.

    Args:
        f: a function of an array like x; returns a number or an array.
        x: an array of any shape, floats or whole numbers.
        upstream: the gradient with respect to what f returns, of its shape; None for all ones.
        h: the step.

    Returns:
        The slopes contracted with upstream: float64, shape of x.
    """
    ### BEGIN SOLUTION
    moved = np.array(x, dtype=np.float64)
    gradient = np.zeros(moved.shape)
    for i in np.ndindex(moved.shape):
        start = moved[i]
        moved[i] = start + h
        above = np.array(f(moved))
        moved[i] = start - h
        below = np.array(f(moved))
        moved[i] = start
        rise = above - below
        gradient[i] = np.sum(rise if upstream is None else rise * upstream) / (2 * h)
    return gradient
    ### END SOLUTION

# %% check="numerical_gradient"
check("numerical_gradient", numerical_gradient)

# %% [markdown]
# ## 8 · How wrong is wrong?
#
# Two computations of the same gradient never agree to the last digit. Is a difference of 0.0001 much? Between 1000.0001
# and 1000 it is rounding; between 0.0002 and 0.0001 it is a mistake. So divide by the size, element by element, and
# take the worst place:
#
# $$\max_i \frac{|a_i - b_i|}{\max(10^{-12},\; |a_i| + |b_i|)}$$
#
# The result lies between 0 and 1. The $10^{-12}$ is for places where both are zero.
#
# **Predict.** What comes out when one of the two gradients is zero everywhere? When it has the right size and the wrong
# sign? When it is twice too large?
#
# <details><summary>Answer</summary>
#
# 1, 1 and 1/3. These three are worth remembering: they are what a gradient that was never filled in, a wrong sign and
# a factor of two look like.
#
# </details>

# %%
g = rng.normal(size=5)
for other, error in ((0 * g, 1), (-g, 1), (2 * g, 1 / 3)):
    assert np.allclose(abs(g - other) / (abs(g) + abs(other)), error)

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.2, 1.9)
marks = [(1e-10, "central differences\nof a right gradient"), (1e-5, "a kink nearby, or float32?\nlook twice"),
         (1 / 3, "twice too large"), (1, "sign, or zero")]
ax.set(xscale="log", xlim=(1e-13, 12), ylim=(-1, 1), yticks=[], xlabel="relative error")
ax.spines["left"].set_visible(False)
for start, end, colour_ in ((1e-13, 1e-7, plot.GREEN), (1e-7, 1e-3, plot.ORANGE), (1e-3, 12, plot.VERMILION)):
    ax.axvspan(start, end, color=colour_, alpha=0.2, lw=0)
for number, (value, words) in enumerate(marks):
    ax.plot([value], [0.15 if number == 2 else -0.55], "o", color=plot.INK, ms=5)
    ax.text(value, 0.4 if number == 2 else -0.3, words, ha="right" if number == 2 else "center", va="bottom", size=9)
plot.show(fig, "A scale of relative errors: below 1e-7 a right gradient in float64, up to 1e-3 look twice, above that "
          "a mistake; one third is a factor of two, 1 is a sign or a zero.")

# %% [markdown]
# ### Exercise: `relative_error`

# %% solution="relative_error"
def relative_error(a, b):
    """The largest ``|a - b| / max(1e-12, |a| + |b|)``, taken element by element.

    Args:
        a, b: arrays of one shape.

    Returns:
        A number from 0 to 1.
    """
    ### BEGIN SOLUTION
    sizes = np.abs(a) + np.abs(b)
    return np.max(np.abs(a - b) / np.maximum(sizes, 1e-12))
    ### END SOLUTION

# %% check="relative_error"
check("relative_error", relative_error)

# %% [markdown]
# ## 9 · When the check lies
#
# A smaller step makes a better approximation, says calculus. So why not take $h = 10^{-15}$?
#
# **Predict.** Take $f(x) = \sin x$ at $x = 1$, where the slope is $\cos 1$. Make $h$ ten times smaller, again and
# again, from 1 down to $10^{-15}$. Sketch the error of both differences. Then sketch that of the central one in
# float32.
#
# <details><summary>Answer</summary>
#
# Each curve is a V. On the left side of the figure the formula is to blame: the forward difference falls with $h$, the
# central one with $h^2$. On the right it is the number format. $f(x+h)$ and $f(x-h)$ agree in all but their last
# digits, the subtraction leaves only those, and they are rounded. What is lost is about $\varepsilon / h$, where
# $\varepsilon$ is $10^{-16}$ in float64 and $10^{-7}$ in float32.
#
# The best step for central differences balances $h^2$ against $\varepsilon/h$: $h \approx \varepsilon^{1/3}$, which is
# about $10^{-5}$ in float64. That is where the default of `numerical_gradient` comes from. In float32 the best step is
# near $10^{-2}$, and at $10^{-5}$ two digits are left. **Check gradients in float64**, even if you train in float32.
#
# </details>

# %%
def error_curve(steps, central, dtype=np.float64):
    """The relative error of the slope of the sine at 1 for each step."""
    x, h = dtype(1), steps.astype(dtype)
    below = x - h if central else x
    slopes = (np.sin(x + h) - np.sin(below)) / (2 * h if central else h)
    return np.abs(slopes.astype(np.float64) / np.cos(1.0) - 1)


exponents = np.arange(0, 15.01, 0.25)
small_steps = 10.0**-exponents
curves = {
    "forward, float64": error_curve(small_steps, central=False),
    "central, float64": error_curve(small_steps, central=True),
    "central, float32": error_curve(small_steps[:33], central=True, dtype=np.float32),
}
at = lambda name, exponent: curves[name][int(4 * exponent)]
assert 0.5 < at("forward, float64", 2) / (1e-2 / 2 * np.tan(1.0)) < 2  # h/2 f''/f'
assert 0.5 < at("central, float64", 2) / (1e-4 / 6) < 2  # h^2/6 f'''/f'
assert at("central, float64", 5) < 1e-10 < 1e-6 < at("forward, float64", 5)
assert at("central, float64", 13) > 1e-5
assert at("central, float32", 5) > 1e-3 > 1e-4 > curves["central, float32"].min()

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.4, 4.4)
styles = {"forward, float64": (plot.ORANGE, "s"), "central, float64": (plot.BLUE, "o"), "central, float32": (plot.VERMILION, "^")}
for name, error in curves.items():
    steps_ = small_steps[: len(error)]
    shown = error > 0
    colour_, marker = styles[name]
    ax.loglog(steps_[shown], error[shown], color=colour_, marker=marker, ms=4, lw=1.6)
for words, place, colour_ in (("forward, float64", (1e-6, 1.5e-5), plot.ORANGE), ("central, float64", (0.8, 1e-8), plot.BLUE),
                              ("central, float32", (4e-5, 0.4), plot.VERMILION)):
    ax.text(*place, words, color=colour_, size=10, ha="left", va="center")
ax.axvline(1e-5, color="#888888", ls=":", lw=1.4)
ax.text(8e-6, 3e-8, "h = 10⁻⁵", size=9)
ax.text(0.8, 1e-10, "too large:\nthe formula is off", size=9, va="center")
ax.text(1e-10, 1e-10, "too small:\nrounding", size=9, va="center")
ax.set(xlim=(3, 3e-16), ylim=(1e-13, 5), xlabel="step h, getting smaller →", ylabel="relative error of the slope")
ax.set_xticks([10.0**-k for k in range(0, 16, 3)])
ax.minorticks_off()
ax.grid(color="#888888", alpha=0.25)
plot.show(fig, "Error of the slope against the step, both on logarithmic scales. Each curve falls first, the central one "
          "twice as steeply, and then rises with scatter. The central difference in float64 is best near 1e-5, in float32 near 1e-2.")

# %% [markdown]
# The second lie is not about digits. ReLU has a kink at 0, where it has no slope at all.
#
# **Predict.** A unit sits at $z = 3 \cdot 10^{-6}$, and $h = 10^{-5}$. The true slope is 1. What does the central
# difference say?
#
# <details><summary>Answer</summary>
#
# $(1.3 \cdot 10^{-5} - 0) / (2 \cdot 10^{-5}) = 0.65$: neither 0 nor 1. The two points stand on either side of the
# kink. The gradient is right and the check says that it is wrong.
#
# How often does that happen? A normally distributed $z$ comes within $h$ of 0 in one case of 125 000. Rare, but a layer
# has many units, and then one entry in a large gradient is off. If the error is in a few entries only, draw other
# inputs and look again, or take a smaller $h$ there.
#
# </details>

# %%
kinked = lambda z: np.maximum(z, 0)
assert np.isclose((kinked(3e-6 + 1e-5) - kinked(3e-6 - 1e-5)) / 2e-5, 0.65)
chance = 2e-5 / np.sqrt(2 * np.pi)
assert round(1 / chance, -3) == 125_000

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 3, columns=2)
t = np.linspace(-2, 2, 201)
axes[0].plot(t, kinked(t), color=plot.INK, lw=2)
axes[0].plot([-0.7, 1.3], [0, 1.3], "o-", color=plot.VERMILION, lw=2)
axes[0].plot([0.3], [0.3], "o", color=plot.BLUE, ms=7)
axes[0].annotate("here the slope is 1", (0.3, 0.3), (-1.9, 1.35), size=9, arrowprops={"arrowstyle": "->", "color": plot.INK})
axes[0].text(0.75, 0.45, "0.65", color=plot.VERMILION, size=11)
axes[0].set(xticks=[-1, 0, 1], xticklabels=["−h", "0", "h"], yticks=[0, 1], yticklabels=["0", "h"], xlabel="z", xlim=(-2, 2))
axes[0].set_title("ReLU under a magnifying glass", size=10)
near = np.linspace(-2, 2, 401)
axes[1].plot(near, (kinked(near + 1) - kinked(near - 1)) / 2, color=plot.VERMILION, lw=2.4)
axes[1].plot([-2, 0, 0, 2], [0, 0, 1, 1], color=plot.BLUE, lw=1.8, ls="--")
axes[1].set(xticks=[-1, 0, 1], xticklabels=["−h", "0", "h"], yticks=[0, 0.5, 1], xlabel="z", xlim=(-2, 2))
axes[1].text(-1.9, 0.86, "true slope", color=plot.BLUE, size=9)
axes[1].text(-1.9, 0.7, "central difference", color=plot.VERMILION, size=9)
axes[1].set_title("slope, and what the check makes of it", size=10)
plot.show(fig, "Left: ReLU near its kink; the line between the two points on either side has the slope 0.65. Right: the "
          "true slope jumps from 0 to 1, the central difference climbs from minus h to h.")

# %% [markdown]
# ## 10 · Non-linearities
#
# Why does a network need anything but linear layers?
#
# **Predict.** Put two linear layers on top of each other, with no $\sigma$ between. What can the two do that one
# cannot?
#
# <details><summary>Answer</summary>
#
# Nothing: $W_2(W_1 x + b_1) + b_2 = (W_2 W_1)\,x + (W_2 b_1 + b_2)$ is one linear layer with other weights. A hundred
# of them are still one.
#
# </details>

# %%
W1, b1, W2, b2 = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(2, 4)), rng.normal(size=2)
v = rng.normal(size=3)
assert np.allclose(W2 @ (W1 @ v + b1) + b2, (W2 @ W1) @ v + (W2 @ b1 + b2))

# %% [markdown]
# Deck d has a table of four non-linearities, with their derivatives. One entry is left blank, intentionally, it says:
#
# | $f(z)$ | $f'(z)$ |
# |:--|:--|
# | $\sigma(z) = 1 / (1 + \exp(-z))$ | $f(z)\,(1 - f(z))$ |
# | $\tanh(z)$ | $1 - f^2(z)$ |
# | $0$ for $z < 0$, else $z$ | *This space left intentionally (kind of) blank* |
# | $\log(1 + \exp(z))$ | $1 / (1 + \exp(-z))$ |
#
# **Predict.** What belongs in the blank, and what is the matter with it? The fourth function has a familiar derivative:
# which?
#
# <details><summary>Answer</summary>
#
# 0 for $z < 0$ and 1 for $z > 0$. At 0 there is no slope, and you have to take something. PyTorch takes 0, and so does
# this course. The fourth, **softplus**, is a ReLU with the kink smoothed out, and its derivative is the sigmoid: a
# smoothed step.
#
# </details>

# %% tags=["demo", "hide-input"]
t = np.linspace(-5, 5, 401)
logistic = 1 / (1 + np.exp(-t))
zoo = {
    "sigmoid": (logistic, logistic * (1 - logistic)),
    "tanh": (np.tanh(t), 1 - np.tanh(t) ** 2),
    "ReLU": (np.maximum(t, 0), np.where(t > 0, 1.0, np.where(t == 0, np.nan, 0.0))),
    "softplus": (np.logaddexp(0, t), logistic),
}
fig, axes = plot.figure(9, 2.9, columns=4, sharex=True)
for ax, (name, (value, steepness)) in zip(axes, zoo.items(), strict=True):
    ax.axhline(0, color="#888888", lw=0.8)
    ax.plot(t, value, color=plot.BLUE, lw=2.2)
    ax.plot(t, steepness, color=plot.VERMILION, lw=2, ls="--")
    ax.set(xticks=[-5, 0, 5], ylim=(-1.3, 2.6), xlabel="z", yticks=[-1, 0, 1, 2])
    ax.set_title(name, size=10)
axes[0].text(-4.8, 2.25, "value", color=plot.BLUE, size=9)
axes[0].text(-4.8, 1.8, "slope", color=plot.VERMILION, size=9)
plot.show(fig, "Four functions, solid, with their slopes, dashed. The slope of the sigmoid is at most a quarter, that of "
          "tanh at most 1, that of ReLU jumps from 0 to 1, and that of softplus is the sigmoid.")

# %% [markdown]
# The first two rows have a trap in them. They give the slope in terms of the **output**. Our backward functions get the
# **input** `z`, so compute the output first. And remember `dout`: the chain rule multiplies it in, entry by entry.
#
# The formulas of the table are right on paper and not always in a computer.
#
# **Predict.** What is $\exp(1000)$ in float64? What, then, do $\frac{1}{1 + e^{-z}}$, $\frac{e^z}{1 + e^z}$ and
# $\log(1 + e^z)$ give at $z = 1000$, and at $z = -1000$?
#
# <details><summary>Answer</summary>
#
# Too large for a float: `inf`, above $z \approx 710$ (in float32 above 89). Then
#
# - $1 / (1 + e^{-z})$ is 1, and at −1000 it is $1/\infty = 0$: right both times;
# - $e^z / (1 + e^z)$ is $\infty/\infty$, `nan`; and 0 at −1000. The same function on paper;
# - $\log(1 + e^z)$ is `inf`, where 1000 would be right; and 0 at −1000.
#
# One `nan` in one unit makes every weight before it `nan` in the next step. The way out is always the same: rearrange
# until `exp` gets only numbers up to 0.
#
# </details>

# %%
with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
    big = np.exp(np.array([1000.0, -1000.0]))
    assert (1 / (1 + 1 / big)).tolist() == [1, 0]
    assert np.isnan((big / (1 + big))[0]) and (big / (1 + big))[1] == 0
    assert np.log(1 + big).tolist() == [np.inf, 0]
    assert np.isinf(np.exp(np.float32(89))) and np.isinf(np.exp(710.0)) and np.isfinite(np.exp(709.0))

# %% [markdown]
# ### Exercises: `sigmoid` and `sigmoid_backward`
#
# All eight functions of this section take arrays of any shape and return a new array of the same shape and dtype. None
# may give `inf` or `nan` between −1000 and 1000; NumPy's warnings about overflow on the way do not count.

# %% solution="sigmoid"
def sigmoid(z):
    """``1 / (1 + exp(-z))``, element by element: shape and dtype of z."""
    ### BEGIN SOLUTION
    return np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))
    ### END SOLUTION

# %% check="sigmoid"
check("sigmoid", sigmoid)

# %% solution="sigmoid_backward"
def sigmoid_backward(dout, z):
    """The gradient with respect to z of ``sigmoid(z)``, for the upstream gradient ``dout``; all of one shape."""
    ### BEGIN SOLUTION
    s = sigmoid(z)
    return dout * s * (1 - s)
    ### END SOLUTION

# %% check="sigmoid_backward"
check("sigmoid_backward", sigmoid_backward)

# %% [markdown]
# Here is what your own check says about your own gradient. From now on, do this for every backward function that you
# write:

# %% tags=["demo"]
z, dout = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
relative_error(sigmoid_backward(dout, z), numerical_gradient(sigmoid, z, dout))

# %% [markdown]
# ### Exercises: `tanh` and `tanh_backward`
#
# Deck e notes that $\tanh(z) = 2\,\text{sigmoid}(2z) - 1$: the same curve, stretched to reach from −1 to 1. `np.tanh`
# is fine, too.

# %% solution="tanh"
def tanh(z):
    """The hyperbolic tangent, element by element: shape and dtype of z."""
    ### BEGIN SOLUTION
    return 2 * sigmoid(2 * z) - 1
    ### END SOLUTION

# %% check="tanh"
check("tanh", tanh)

# %% solution="tanh_backward"
def tanh_backward(dout, z):
    """The gradient with respect to z of ``tanh(z)``, for the upstream gradient ``dout``; all of one shape."""
    ### BEGIN SOLUTION
    return dout * (1 - tanh(z) ** 2)
    ### END SOLUTION

# %% check="tanh_backward"
check("tanh_backward", tanh_backward)

# %% [markdown]
# ### Exercises: `relu` and `relu_backward`
#
# At exactly 0 the derivative is 0.

# %% solution="relu"
def relu(z):
    """``z`` where it is positive, else 0: a new array, shape and dtype of z."""
    ### BEGIN SOLUTION
    return np.maximum(z, 0)
    ### END SOLUTION

# %% check="relu"
check("relu", relu)

# %% solution="relu_backward"
def relu_backward(dout, z):
    """The gradient with respect to z of ``relu(z)``, for the upstream gradient ``dout``; all of one shape."""
    ### BEGIN SOLUTION
    return dout * (z > 0)
    ### END SOLUTION

# %% check="relu_backward"
check("relu_backward", relu_backward)

# %% [markdown]
# ### Exercises: `softplus` and `softplus_backward`

# %% solution="softplus"
def softplus(z):
    """``log(1 + exp(z))``, element by element: shape and dtype of z."""
    ### BEGIN SOLUTION
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    ### END SOLUTION

# %% check="softplus"
check("softplus", softplus)

# %% solution="softplus_backward"
def softplus_backward(dout, z):
    """The gradient with respect to z of ``softplus(z)``, for the upstream gradient ``dout``; all of one shape."""
    ### BEGIN SOLUTION
    return dout * sigmoid(z)
    ### END SOLUTION

# %% check="softplus_backward"
check("softplus_backward", softplus_backward)

# %% [markdown]
# ## 11 · A layer of neurons
#
# $M$ neurons that all look at the same $D$ inputs are a **linear layer**, followed by a non-linearity. With $N$
# examples as the rows of $x$, the linear part of all neurons on all examples is one product of matrices:
#
# $$z = x\,w + b \qquad z_{nm} = \sum_{d} x_{nd}\,w_{dm} + b_m$$

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(25, 6)
examples = plot.grid(ax, np.full((4, 3), ""), (0.8, 1.6), "x (N, D)")
plot.window(ax, examples, 1, 0, 1, 3, plot.BLUE, fill=0.3)
plot.text(ax, 5.2, 3.6, "×", size=16)
weights_ = plot.grid(ax, np.full((3, 2), ""), (6.6, 2.1), "w (D, M)")
plot.window(ax, weights_, 0, 1, 3, 1, plot.GREEN, fill=0.3)
plot.text(ax, 9.9, 3.6, "+", size=16)
biases_ = plot.grid(ax, np.full((1, 2), ""), (11.2, 3.1), "b (M,)")
plot.window(ax, biases_, 0, 1, 1, 1, plot.ORANGE, fill=0.4)
plot.text(ax, 14.6, 3.6, "=", size=16)
out_ = plot.grid(ax, np.full((4, 2), ""), (16, 1.6), "z (N, M)")
plot.window(ax, out_, 1, 1, 1, 1, plot.PURPLE, fill=0.6)
plot.text(ax, 19, 2.9, "example 1, neuron 1:", ha="left", size=9)
plot.text(ax, 19, 3.7, "row 1 of x times", ha="left", size=9)
plot.text(ax, 19, 4.5, "column 1 of w, plus b[1]", ha="left", size=9)
plot.text(ax, 12.2, 4.7, "added to every row", size=9)
plot.show(fig, "A batch of four examples with three inputs, times weights of three inputs and two neurons, plus two biases, "
          "gives four rows of two outputs; row 1 of x times column 1 of w plus b[1] is output 1 of example 1.")

# %% [markdown]
# ### Exercise: `linear_forward`

# %% solution="linear_forward"
def linear_forward(x, w, b):
    """A fully connected layer.

    Args:
        x: examples (N, D).
        w: weights (D, M).
        b: biases (M,).

    Returns:
        (N, M), dtype of x.
    """
    ### BEGIN SOLUTION
    return x @ w + b
    ### END SOLUTION

# %% check="linear_forward"
check("linear_forward", linear_forward)

# %% [markdown]
# Now back. Nothing new is needed, only the two rules: multiply along a path, add up where branches meet. Follow single
# wires in $z_{nm} = \sum_d x_{nd} w_{dm} + b_m$.
#
# - $x_{nd}$ goes to every neuron of its example, through the weight $w_{dm}$: $\;dx_{nd} = \sum_m d\text{out}_{nm}\,
#   w_{dm}$.
# - $w_{dm}$ is used once by every example, and multiplied with $x_{nd}$ there: $\;dw_{dm} = \sum_n x_{nd}\,
#   d\text{out}_{nm}$.
# - $b_m$ is used once by every example, with slope 1: $\;db_m = \sum_n d\text{out}_{nm}$.
#
# **Predict.** Two of these three sums are matrix products. Which matrix has to be transposed in each? Try it with
# shapes alone: from `dout` (N, M), `x` (N, D) and `w` (D, M), make something of shape (N, D), and something of shape
# (D, M).
#
# <details><summary>Answer</summary>
#
# (N, M)·(M, D) for `dx`, so $w$ is transposed; (D, N)·(N, M) for `dw`, so $x$ is. The shapes leave no other way, as
# long as N, D and M differ. When they are equal every wrong product fits as well, so do not test with square matrices
# only.
#
# </details>
#
# **Predict.** The batch doubles: the same examples, all of them twice, with the same `dout`. What happens to `db`?
#
# <details><summary>Answer</summary>
#
# It doubles, and so does `dw`. They are sums over the examples, not means. When the loss is a mean over the batch, its
# $1/N$ is already in `dout`.
#
# </details>

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(26, 13.6)


def product(top, factors, signs, note):
    """A row of matrices, tinted and named, with signs between them."""
    left = 1.2
    for (shape, title, colour_), sign in zip(factors, signs, strict=True):
        box = plot.grid(ax, np.full(shape, ""), (left, top + (4 - shape[0]) / 2), title)
        plot.window(ax, box, 0, 0, *shape, colour_, fill=0.18)
        plot.text(ax, box.right + 1, top + 2, sign, size=16)
        left = box.right + 2
    plot.text(ax, 17.4, top + 2, note, ha="left", size=9.5)


product(1.4, [((4, 3), "dx (N, D)", plot.BLUE), ((4, 2), "dout (N, M)", plot.PURPLE), ((2, 3), "wᵀ (M, D)", plot.GREEN)], ("=", "×", ""),
        "add up over the neurons\nthat an input feeds")
product(7.8, [((3, 2), "dw (D, M)", plot.GREEN), ((3, 4), "xᵀ (D, N)", plot.BLUE), ((4, 2), "dout (N, M)", plot.PURPLE)], ("=", "×", ""),
        "add up over the examples\nthat use a weight")
plot.text(ax, 1.2, 12.9, "db (M,): add up the rows of dout", ha="left", size=9.5)
plot.show(fig, "dx is dout times the transpose of w, a sum over neurons; dw is the transpose of x times dout, a sum over "
          "examples; db is the sum of the rows of dout.")

# %%
tiny_x, tiny_w, tiny_dout = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
by_wires = [[sum(tiny_dout[n, m] * tiny_w[d, m] for m in range(2)) for d in range(3)] for n in range(4)]
moved = tiny_x.copy()
moved[3, 1] += 0.001
assert np.isclose((tiny_dout * ((moved - tiny_x) @ tiny_w)).sum(), 0.001 * by_wires[3][1])
assert np.allclose(np.concatenate([tiny_dout, tiny_dout]).sum(0), 2 * tiny_dout.sum(0))

# %% [markdown]
# ### Exercise: `linear_backward`

# %% solution="linear_backward"
def linear_backward(dout, x, w):
    """The gradients of a fully connected layer.

    Args:
        dout: upstream gradient (N, M).
        x: examples (N, D).
        w: weights (D, M).

    Returns:
        ``(dx, dw, db)``, shaped as x, w and the biases (M,).
    """
    ### BEGIN SOLUTION
    dx = dout @ w.T
    dw = x.T @ dout
    return dx, dw, dout.sum(axis=0)
    ### END SOLUTION

# %% check="linear_backward"
check("linear_backward", linear_backward)

# %% tags=["demo"]
bias = rng.normal(size=2)
dx, dw, db = linear_backward(tiny_dout, tiny_x, tiny_w)
for name, gradient, function, at_ in (
    ("dx", dx, lambda x: linear_forward(x, tiny_w, bias), tiny_x),
    ("dw", dw, lambda w: linear_forward(tiny_x, w, bias), tiny_w),
    ("db", db, lambda b: linear_forward(tiny_x, tiny_w, b), bias),
):
    print(f"{name}: {relative_error(gradient, numerical_gradient(function, at_, tiny_dout)):.1e}")

# %% [markdown]
# ## 12 · Layers upon layers
#
# A **multi-layer perceptron** is linear, non-linear, linear, non-linear, and so on. Deck d writes it for one example,
# as Nielsen's book does: the example is a column, `w` has a row for each neuron, and
#
# $$z^{l} = w^{l} a^{l-1} + b^{l} \qquad a^{l} = \sigma(z^{l}) \qquad a^{0} = x \qquad C = \tfrac12\,\lVert a^{L} - y \rVert^2$$
#
# Going back, each layer does two things. It takes the gradient through its $\sigma$, which gives $\delta$, the gradient
# on $z$. And it takes $\delta$ through its weights.
#
# $$\delta^{L} = (a^{L} - y) \odot \sigma'(z^{L}) \qquad\quad \delta^{l} = (w^{l+1})^{T} \delta^{l+1} \odot \sigma'(z^{l})$$
#
# $$\frac{\partial C}{\partial b^{l}} = \delta^{l} \qquad\quad \frac{\partial C}{\partial w^{l}} = \delta^{l}\,(a^{l-1})^{T}$$
#
# with $\odot$ for entry by entry. You have proved all of it: these are the rules of section 11 for $N = 1$, transposed
# because examples are columns here.

# %% tags=["demo", "hide-input"]
fig, ax = plot.canvas(27, 8.4)
tall = {"x": (3, 0.8), "z¹": (4, 7.2), "a¹": (4, 12), "z²": (2, 18.4), "a²": (2, 23.2)}
boxes = {}
for name, (rows, left) in tall.items():
    boxes[name] = plot.grid(ax, np.full((rows, 1), ""), (left, 3.6 - rows / 2), "")
    colour_ = plot.PURPLE if name[0] == "z" else plot.BLUE
    plot.window(ax, boxes[name], 0, 0, rows, 1, colour_, fill=0.2)
    plot.text(ax, left + 0.5, 3.6 - rows / 2 - 0.6, name, size=11)
for start, end, words, slopes in (("x", "z¹", "w¹ · + b¹", "δ¹ xᵀ, δ¹"), ("z¹", "a¹", "σ", "· σ′(z¹)"), ("a¹", "z²", "w² · + b²", "(w²)ᵀ δ²"),
                                  ("z²", "a²", "σ", "· σ′(z²)")):
    a, z = boxes[start].right + 0.25, boxes[end].left - 0.25
    plot.arrow(ax, (a, 3.3), (z, 3.3), plot.BLUE)
    plot.text(ax, (a + z) / 2, 2.7, words, color=plot.BLUE)
    plot.arrow(ax, (z, 3.95), (a, 3.95), plot.VERMILION)
    plot.text(ax, (a + z) / 2, 4.65, slopes, color=plot.VERMILION)
plot.text(ax, 18.9, 5.4, "δ²", color=plot.VERMILION, size=11)
plot.text(ax, 7.7, 6.4, "δ¹", color=plot.VERMILION, size=11)
plot.text(ax, 23.7, 5.4, "a² − y", color=plot.VERMILION, size=11)
plot.text(ax, 17, 7.4, "on the way, δ² (a¹)ᵀ is the gradient of w², and δ² that of b²", color=plot.VERMILION, size=9)
plot.show(fig, "Two layers forward: x, z1, a1, z2, a2. Back: a2 minus y, through the slope of the sigmoid to delta 2, "
          "through the transpose of w2, through the slope of the sigmoid to delta 1.")

# %% [markdown]
# **Spot the error.** Deck d has, on one slide, the cost and below it its derivative. ($N$ is the last layer there.)
#
# $$Div = \frac{(\hat y_i - y_i)^2}{2} \qquad\qquad -\left(\hat y_i - y_i^{[N]}\right)$$
#
# On other slides, $\hat y$ is what the network puts out and $y$ what it should. Its code, some slides on, has `return
# (output_activations-y)`. Do the slide and the code agree?
#
# <details><summary>Answer</summary>
#
# Only if the hat is on the *target* in the second formula: then $-(\hat y - y^{[N]})$ is $y^{[N]} - \hat y$, output
# minus target, as in the code. Read as everywhere else, with the hat on the output, the derivative is $\hat y_i - y_i$
# and the minus is wrong. A gradient with the wrong sign still makes a program that runs. It climbs the cost instead of
# going down.
#
# </details>

# %%
def div(output, target):
    return (output - target) ** 2 / 2


output, target, move = 0.8, 0.3, 1e-6
slope_of_div = (div(output + move, target) - div(output - move, target)) / (2 * move)
assert np.isclose(slope_of_div, output - target) and not np.isclose(slope_of_div, -(output - target))

# %% [markdown]
# ### Exercise: `mlp_backprop`
#
# Forward first, keeping every $z$ and every $a$; then back. You may build on your `sigmoid` and `sigmoid_backward`. If
# one of them does not pass yet, begin the function with `from cnnkit.oracle import sigmoid, sigmoid_backward`.
#
# Before you hand it to the check, try it on a network whose layers all differ in size: most mistakes then show as a
# shape that does not fit.

# %% solution="mlp_backprop"
def mlp_backprop(weights, biases, x, y):
    """Gradients of the cost ``1/2 |a - y|^2`` of a network of sigmoid layers, for one example.

    Args:
        weights: a list with (n_out, n_in) for each layer.
        biases: a list with (n_out, 1) for each layer.
        x: the example (n_in, 1).
        y: what the last layer should put out (n_out, 1).

    Returns:
        ``(dweights, dbiases)``: lists with arrays like those in weights and biases.
    """
    ### BEGIN SOLUTION
    activations, zs = [x], []
    for w, b in zip(weights, biases, strict=True):
        zs.append(w @ activations[-1] + b)
        activations.append(sigmoid(zs[-1]))
    dweights, dbiases = [], []
    da = activations[-1] - y
    for layer in reversed(range(len(weights))):
        delta = sigmoid_backward(da, zs[layer])
        dweights.insert(0, delta @ activations[layer].T)
        dbiases.insert(0, delta)
        da = weights[layer].T @ delta
    return dweights, dbiases
    ### END SOLUTION

# %% check="mlp_backprop"
check("mlp_backprop", mlp_backprop)

# %% [markdown]
# And the same by trial. Each of the four lines below compares one array of gradients with differences of the cost:

# %% tags=["demo"]
sizes = [4, 3, 2]
net_w = [rng.normal(size=(m, n)) for n, m in pairwise(sizes)]
net_b = [rng.normal(size=(m, 1)) for m in sizes[1:]]
example, wanted = rng.normal(size=(4, 1)), np.array([[0.0], [1.0]])


def cost():
    a = example
    for w, b in zip(net_w, net_b, strict=True):
        a = sigmoid(w @ a + b)
    return np.sum((a - wanted) ** 2) / 2


def cost_with(array):
    """The cost as a function of one of the network's own arrays."""
    def function(value):
        kept = array.copy()
        array[...] = value
        result = cost()
        array[...] = kept
        return result
    return function


both = mlp_backprop(net_w, net_b, example, wanted)
for name, arrays, found in zip(("dweights", "dbiases"), (net_w, net_b), both, strict=True):
    for layer, (array, gradient) in enumerate(zip(arrays, found, strict=True)):
        print(f"{name}[{layer}]: {relative_error(gradient, numerical_gradient(cost_with(array), array.copy())):.1e}")

# %% [markdown]
# ## 13 · What it saves
#
# Nielsen's network for digits, in deck d, has layers of 784, 30 and 10: one input per pixel of a 28 × 28 picture, ten
# outputs for ten digits.
#
# **Predict.** How many parameters does it have? How many passes forward would central differences take for one
# gradient, and how much longer than `mlp_backprop`?
#
# <details><summary>Answer</summary>
#
# 784 · 30 + 30 + 30 · 10 + 10 = 23 860, two passes for each: 47 720. `mlp_backprop` costs about as much as four passes,
# so the factor is some ten thousand, and it grows with the network. AlexNet has sixty million parameters and 1.2
# million pictures to learn from: one gradient by differences takes as many passes forward as going through all of its
# pictures a hundred times.
#
# </details>

# %%
nielsen = [784, 30, 10]
parameters = sum(n * m + m for n, m in pairwise(nielsen))
assert parameters == 23860 and 2 * parameters == 47720
assert 2 * 60e6 / 1.2e6 == 100

# %% tags=["demo"]
def fresh_network(sizes, seed):
    """Weights and biases drawn from a normal distribution with variance 1, as Nielsen's code has it."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    return [rng.normal(size=(m, n)) for n, m in pairs], [rng.normal(size=(m, 1)) for _, m in pairs]


def seconds(run, budget=0.3, calls=6):
    """The best of as many calls as fit into the budget, and of a few at least."""
    best, begin = np.inf, time.perf_counter()
    while calls > 0 or time.perf_counter() < begin + budget:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        calls -= 1
    return best


net_w, net_b = fresh_network(nielsen, seed=0)
example, wanted = x_train[:1].T, targets[:1].T
forward_seconds, backprop_seconds = seconds(cost), seconds(lambda: mlp_backprop(net_w, net_b, example, wanted))
by_trial = 2 * parameters * forward_seconds

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.2, 1.8)
for row, spent in enumerate((backprop_seconds, by_trial)):
    ax.barh(row, spent, color=(plot.BLUE, plot.VERMILION)[row], height=0.6, left=0)
    ax.text(spent * 1.25, row, f"{1000 * spent:.2g} ms" if spent < 0.1 else f"{spent:.2g} s", va="center", size=10)
ax.set(xscale="log", xlim=(1e-5, by_trial * 12), yticks=[0, 1], yticklabels=["backpropagation", "central differences"], xlabel="seconds for one gradient of one example")
ax.invert_yaxis()
plot.show(fig, f"One gradient takes {1000 * backprop_seconds:.2g} milliseconds by backpropagation and would take "
          f"{by_trial:.2g} seconds by differences, on a logarithmic scale.")
print(f"{by_trial / backprop_seconds:,.0f} times as long, with one pass forward at {1e6 * forward_seconds:.0f} µs")

# %% [markdown]
# ## 14 · One example at a time, or many
#
# Nielsen's code takes the examples of a mini-batch one by one and adds up their gradients. Your layers of section 11
# take a whole batch in one product of matrices. The arithmetic is the same to the last multiplication.
#
# **Predict.** By what factor is one gradient of 10 examples faster than ten gradients of one? Of 100? Will it go on
# like that?

# %% tags=["demo"]
def batch_forward(layers, x):
    """Through sigmoid layers [(w, b), ...], a batch at a time: the output, and what the way back needs."""
    kept = []
    for w, b in layers:
        z = linear_forward(x, w, b)
        kept.append((x, w, z))
        x = sigmoid(z)
    return x, kept


def batch_backward(dout, kept):
    """Gradients [(dw, db), ...] of the layers, given the gradient on their output."""
    found = []
    for x, w, z in reversed(kept):
        dout, dw, db = linear_backward(sigmoid_backward(dout, z), x, w)
        found.append((dw, db))
    return found[::-1]


def in_rows(weights, biases):
    """A network of section 12, transposed for batches."""
    return [(w.T.copy(), b[:, 0].copy()) for w, b in zip(weights, biases, strict=True)]


def batch_gradient(layers, x, y):
    a, kept = batch_forward(layers, x)
    return batch_backward(a - y, kept)


def one_by_one(weights, biases, x, y):
    """The sum of the gradients of single examples, as deck d's update_mini_batch has it."""
    total = [np.zeros_like(p) for p in (*weights, *biases)]
    for row, wanted in zip(x, y, strict=True):
        dweights, dbiases = mlp_backprop(weights, biases, row[:, None], wanted[:, None])
        total = [t + d for t, d in zip(total, (*dweights, *dbiases), strict=True)]
    return total


layers = in_rows(net_w, net_b)
same = [gradient for pair in zip(*batch_gradient(layers, x_train[:10], targets[:10]), strict=True) for gradient in pair]
worst = max(relative_error(ours.T if ours.ndim == 2 else ours[:, None], theirs)
            for ours, theirs in zip(same, one_by_one(net_w, net_b, x_train[:10], targets[:10]), strict=True))
print(f"The two agree: relative error {worst:.1e}")

batches, laps = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000), 3
single, per_example = np.inf, dict.fromkeys(batches, np.inf)
# Several rounds, and the best of them counts: now and then a computer is busy with something else.
for n in tqdm(batches * laps, desc="timing", leave=False):
    spent = seconds(lambda n=n: batch_gradient(layers, x_train[:n], targets[:n]), 0.06) / n
    per_example[n] = min(per_example[n], spent)
    single = min(single, seconds(lambda: one_by_one(net_w, net_b, x_train[:10], targets[:10]), 0.02) / 10)

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.2, 3.6)
ax.loglog(batches, [1e6 * per_example[n] for n in batches], "o-", color=plot.BLUE, lw=2)
ax.axhline(1e6 * single, color=plot.VERMILION, lw=2, ls="--")
ax.text(1000, 1e6 * single * 1.12, "one by one: mlp_backprop", color=plot.VERMILION, ha="right", va="bottom", size=10)
ax.text(20, 1e6 * per_example[20] * 0.75, "a batch at a time", color=plot.BLUE, ha="right", va="top", size=10)
for n in (10, 100):
    ax.annotate(f"{single / per_example[n]:.0f} times", (n, 1e6 * per_example[n]), textcoords="offset points", xytext=(6, 8), size=9)
ax.set_xticks(batches, [str(n) for n in batches])
low, high = 1e6 * min(per_example.values()), 1e6 * max(single, *per_example.values())
marks = [mark for mark in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low / 2 < mark < 2 * high]
ax.set_yticks(marks, [f"{mark:g} µs" for mark in marks])
ax.minorticks_off()
ax.set(xlabel="examples in the batch", ylabel="time per example", ylim=(low / 1.7, high * 2))
ax.grid(color="#888888", alpha=0.25)
plot.show(fig, f"Time per example against the size of the batch. One by one takes {1e6 * single:.0f} microseconds; a batch of "
          f"10 is {single / per_example[10]:.0f} times as fast, one of 100 {single / per_example[100]:.0f} times.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The figure has your computer's numbers: nearly ten times for ten, more for a hundred, and then it levels off.
#
# What a batch saves is everything that is not arithmetic. Each call of Python and NumPy costs some microseconds,
# whether it moves ten numbers or ten thousand. And a product of two matrices reads each weight once for the whole
# batch, where the single examples read it every time. Once the processor has nothing left to do but multiply, a larger
# batch brings no more.
#
# </details>

# %% [markdown]
# ## 15 · Nielsen's network
#
# A gradient says which way is up. To make the loss smaller, take a step the other way, in all parameters at once:
#
# $$w \leftarrow w - \frac{\eta}{m} \sum_{\text{batch}} \frac{\partial L}{\partial w}$$
#
# $\eta$ is the **learning rate**, the length of the stride. Before each step Nielsen adds up the gradients of $m = 10$
# examples, a **mini-batch**. When every example has had its turn, one **epoch** is over; then the examples are shuffled
# and it begins again. This is *stochastic gradient descent*. Unit 07 is about doing it better.
#
# Deck d trains `[784, 30, 10]` with mini-batches of 10 and a learning rate of 3.0, and prints how many of MNIST's 10
# 000 test digits are right after each epoch.
#
# **Spot the errors.** Two about the slides, before we run it.
#
# *The labels.* Three pictures of results are headed "Epoch 1: 9109", "Epoch 2: 9277" and "Epoch 4: 9308". The log on
# the next slide begins like this:
#
# ```
# Epoch 0: 9109 / 10000
# Epoch 1: 9277 / 10000
# Epoch 2: 9237 / 10000
# Epoch 3: 9248 / 10000
# Epoch 4: 9308 / 10000
# ```
#
# *The code.* It is from 2015. Three things in these lines stop Python 3; which?
#
# ```python
# training_data = zip(inputs, labels)  # in another file
# n = len(training_data)
# for j in xrange(epochs):
#     random.shuffle(training_data)
#     ...
#     print "Epoch {0} complete".format(j)
# ```
#
# <details><summary>Answer</summary>
#
# *The labels*: the log counts from 0. The first two headings count from 1, the third does as the log does: 9308 is the
# *fifth* epoch. After four epochs it was 9248.
#
# *The code*: it is Python 2. `print` is a function now, so the line is not even syntax. `xrange` is now called `range`.
# And what `zip` gives was a list and is now an iterator: it has no length, and nothing to shuffle.
#
# </details>

# %%
log = [9109, 9277, 9237, 9248, 9308, 9340, 9317, 9360, 9368, 9315,
       9365, 9331, 9379, 9432, 9382, 9408, 9429, 9393, 9444, 9438]
headings = {1: 9109, 2: 9277, 4: 9308}
assert [log.index(right) for right in headings.values()] == [0, 1, 4]
assert [log.index(right) + 1 for right in headings.values()] == [1, 2, 5]

problems = []
for line in ('print "Epoch {0} complete".format(0)', "xrange(3)", "len(zip([1], [2]))"):
    try:
        exec(line)
    except (SyntaxError, NameError, TypeError) as error:
        problems.append(type(error).__name__)
assert problems == ["SyntaxError", "NameError", "TypeError"]

# %% [markdown]
# Now train. The code below is the deck's, with your layers in it: shuffle, cut into mini-batches of 10, take a step
# against the mean gradient of each.
#
# The deck's log has no seed, so no run of ours can equal it. We train several networks that differ only in the seed. If
# your computer has MNIST, in the folder `data/cache` of the course or where `CNNKIT_DATA` points, this takes some
# minutes, and you can compare with the deck. Otherwise it runs on the digits that come with the course: 1437 of them in
# place of the 50 000 that Nielsen's loader trains on.
#
# **Predict.** How far apart will the networks be in the end? Is the deck's run a typical one?

# %% tags=["demo"]
def descend(layers, x, y, order, batch=10, rate=3.0):
    """Stochastic gradient descent through the examples in this order, a step for each mini-batch: the layers then."""
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        step = rate / len(chosen)
        gradients = batch_gradient(layers, x[chosen], y[chosen])
        layers = [(w - step * dw, b - step * db) for (w, b), (dw, db) in zip(layers, gradients, strict=True)]
    return layers


def train(x, y, x_test, y_test, epochs, seed, bar):
    """The layers of a network trained from the start, and the share right in the test after each epoch."""
    rng = np.random.default_rng(seed)
    layers = in_rows(*fresh_network(nielsen, seed))
    accuracy = []
    for _ in range(epochs):
        layers = descend(layers, x, y, rng.permutation(len(x)))
        accuracy.append((batch_forward(layers, x_test)[0].argmax(1) == y_test).mean())
        bar.update()
    return layers, np.array(accuracy)


on_mnist = digits.name == "MNIST"
n_train, epochs, seeds = (50_000, 20, (1, 2, 5)) if on_mnist else (1437, 40, (0, 1, 2, 3))
with tqdm(total=epochs * len(seeds), desc="training, epochs", leave=False) as bar:
    runs = [train(x_train[:n_train], targets[:n_train], x_test, y_test, epochs, seed, bar) for seed in seeds]

final = [accuracy[-1] for _, accuracy in runs]
print(f"{digits.name}, after {epochs} epochs: " + ", ".join(f"{share:.1%}" for share in final))
if on_mnist:
    assert 0.93 < max(final) < 0.96  # deck d: 0.9438

# %% tags=["demo", "hide-input"]
fig, ax = plot.figure(8.4, 4.2)
updates = np.ceil(n_train / 10) * np.arange(1, epochs + 1)
curves_ = np.array([accuracy for _, accuracy in runs])
for curve in curves_:
    ax.plot(updates, 100 * curve, color=plot.BLUE, lw=1.5, alpha=0.9)
ax.fill_between(updates, 100 * curves_.min(0), 100 * curves_.max(0), color=plot.BLUE, alpha=0.15, lw=0)
deck_updates = 5000 * np.arange(1, 21)
ax.plot(deck_updates, np.array(log) / 100, "D", color=plot.VERMILION, ms=4.5)
ax.text(deck_updates[0] * 1.02, 97.4, "deck d, MNIST, 20 epochs", color=plot.VERMILION, ha="left", size=10)
ax.text(updates[min(3, epochs - 1)], 100 * curves_.max(0)[min(3, epochs - 1)] + 2.5, f"ours, {digits.name}", color=plot.BLUE, ha="right", size=10)
ax.set(xscale="log", ylim=(100 * curves_.min() - 5, 100), xlabel="steps of gradient descent", ylabel="right in the test, %")
ax.set_xticks([200, 1000, 5000, 20000, 100000] if not on_mnist else [5000, 10000, 20000, 50000, 100000])
ax.set_xticklabels([f"{int(tick):,}".replace(",", " ") for tick in ax.get_xticks()])
ax.minorticks_off()
ax.grid(color="#888888", alpha=0.25)
plot.show(fig, f"Share of test digits right against the number of steps. Ours on {digits.name} end between {min(final):.1%} "
          f"and {max(final):.1%}; the deck's points on MNIST go from 91.1 to 94.4 percent.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The good runs end within a few points of each other, and on MNIST within a point of the deck's. But not every run is
# good: some end a step of ten points lower, or two steps, and stay there. The deck shows a good one.
#
# </details>
#
# Ten points is one digit in ten. Look at which digits the worst run recognises:

# %% tags=["demo"]
def recall(layers):
    """The share of each digit's test pictures that are recognised."""
    said = batch_forward(layers, x_test)[0].argmax(1)
    return np.array([(said[y_test == digit] == digit).mean() for digit in range(10)])


worst_run, best_run = runs[int(np.argmin(final))][0], runs[int(np.argmax(final))][0]

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.6, 2.7, columns=2, sharey=True)
for ax, (title, layers_) in zip(axes, ((f"worst run, {min(final):.1%}", worst_run), (f"best run, {max(final):.1%}", best_run)), strict=True):
    ax.bar(range(10), 100 * recall(layers_), color=plot.BLUE)
    for digit in np.flatnonzero(recall(layers_) < 0.1):
        ax.text(digit, 4, "never", color=plot.VERMILION, rotation=90, ha="center", va="bottom")
    ax.set(xticks=range(10), xlabel="digit", ylim=(0, 100))
    ax.set_title(title, size=10)
axes[0].set_ylabel("recognised, %")
lost = np.flatnonzero(recall(worst_run) < 0.1).tolist()
plot.show(fig, "Share of each digit that is recognised, in the worst run and in the best. "
          + (f"The worst run never says {' or '.join(map(str, lost))}." if lost else "No digit is lost."))

# %% [markdown]
# **Predict.** In such a run an output unit has learned to say 0 whatever it sees, which is right nine times in ten.
# When its digit comes, the error $a - y$ is almost −1, as large as it gets. Why does it not learn?
#
# <details><summary>Answer</summary>
#
# Because $\delta = (a - y)\,\sigma'(z)$, and $\sigma'(z) = a (1 - a)$ is almost 0 when $a$ is. The unit is as wrong as
# can be and gets no gradient.
#
# It was not born like that: before training its slope at its own digit was well above 0. But nine examples in ten tell
# it to say 0, and with a rate of 3.0 the first few dozen steps push its $z$ so far down that it never comes back.
#
# Unit 06 has a loss whose gradient has no $\sigma'$ in it. Unit 07 draws weights so that $z$ starts small. Either would
# have helped.
#
# </details>

# %% tags=["demo"]
def at_their_own_digits(layers):
    """Of each output unit on the test pictures of its own digit, on average: its answer and its slope, (10,) each."""
    z = linear_forward(sigmoid(linear_forward(x_test, *layers[0])), *layers[1])
    slope = sigmoid_backward(np.ones_like(z), z)
    own = [(y_test == digit, digit) for digit in range(10)]
    return np.array([sigmoid(z)[at].mean() for at in own]), np.array([slope[at].mean() for at in own])


# The worst run again, from its start, but step by step.
seed = seeds[int(np.argmin(final))]
order = np.random.default_rng(seed).permutation(n_train)
layers = in_rows(*fresh_network(nielsen, seed))
course = [at_their_own_digits(layers)]
for start in range(0, 1400, 10):
    layers = descend(layers, x_train, targets, order[start : start + 10])
    course.append(at_their_own_digits(layers))
course = np.array(course)  # (steps, answer or slope, digit)

lost = np.flatnonzero(recall(worst_run) < 0.1)
for when, (answer, slope) in {"before training": course[0], "after 30 steps": course[30],
                              "at the end": at_their_own_digits(worst_run)}.items():
    print(f"{when:16}", "    ".join(f"{d}: answer {answer[d]:.4f}, slope {slope[d]:.4f}" for d in lost))

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9.2, 2.9, columns=2)
for part, ax in enumerate(axes):
    for digit in [*np.setdiff1d(range(10), lost), *lost]:
        if digit in lost:
            colour_ = plot.COLOURS[lost.tolist().index(digit) % len(plot.COLOURS)]
            ax.plot(course[:, part, digit], color=colour_, lw=2.4, label=f"unit of {digit}")
        else:
            ax.plot(course[:, part, digit], color="#888888", lw=0.8, alpha=0.6)
    ax.set(xlabel="steps of gradient descent", xlim=(0, 140), ylim=(0, (1, 0.25)[part]))
axes[0].set_title("answer to its own digit; 1 would be right", size=10)
axes[1].set_title("slope of its sigmoid there", size=10)
axes[0].plot([], color="#888888", lw=0.8, label="the others")
fig.legend(handles=axes[0].get_legend_handles_labels()[0], loc="outside right upper", frameon=False, fontsize=9)
plot.show(fig, "The first 140 steps of the worst run: what each output unit answers to its own digit, and the slope of its "
          f"sigmoid there. The units that are lost ({' and '.join(map(str, lost)) or 'none'}) start with an answer and a "
          "slope, fall to 0 in both and stay there; the others, in grey, dip and come back.")

# %% [markdown]
# The hidden units have the same trouble from the first step. With weights of variance 1 and more than a hundred bright
# pixels, their $z$ is large before anything has been learned:

# %% tags=["demo", "hide-input"]
assert (x_train > 0.5).sum(axis=1).mean() > 100
start_layers = in_rows(*fresh_network(nielsen, seed=0))
z_start = linear_forward(x_test[:300], *start_layers[0]).ravel()
steepness = sigmoid_backward(np.ones_like(z_start), z_start)
fig, axes = plot.figure(8.6, 2.8, columns=2)
axes[0].hist(z_start, bins=60, color=plot.BLUE, alpha=0.8)
axes[0].axvspan(-2, 2, color=plot.GREEN, alpha=0.25)
axes[0].set(xlabel="z of the hidden units, before training", yticks=[], xlim=(-40, 40))
axes[0].set_title("green: where the sigmoid is steep", size=10)
axes[1].hist(steepness, bins=np.linspace(0, 0.25, 26), color=plot.VERMILION, alpha=0.8)
axes[1].set(xlabel="slope of the sigmoid there (at most 0.25)", yticks=[])
axes[1].set_title(f"below 0.01 in {(steepness < 0.01).mean():.0%} of the cases", size=10)
plot.show(fig, "Before training the inputs of the hidden units' sigmoids spread over minus 30 to 30, far beyond where the "
          f"sigmoid is steep; its slope is below 0.01 in {(steepness < 0.01).mean():.0%} of the cases.")

# %% [markdown]
# What has the best run learned? In section 1 each class had one template. Now thirty hidden units have one each, and
# the ten outputs combine them. The weights themselves look like the noise that they started as. Subtract the start, and
# you see what training has added.
#
# **Predict.** A wide rim of all thirty pictures will be blank: training has added exactly nothing there. Why?
#
# <details><summary>Answer</summary>
#
# No digit ever has ink there, so $x_{nd} = 0$ in every example, and $dw_{dm} = \sum_n x_{nd}\,d\text{out}_{nm} = 0$. A
# weight on a dead input gets no gradient: the multiply gate again. A picture that is blank all over belongs to a unit
# that is saturated for every digit: it has not learned a thing.
#
# </details>

# %% tags=["demo"]
begun = in_rows(*fresh_network(nielsen, seeds[int(np.argmax(final))]))[0][0]
added = best_run[0][0] - begun
never_ink = (x_train[:n_train] == 0).all(axis=0)
assert not added[never_ink].any()
print(f"{never_ink.sum()} of 784 pixels never have ink; their {30 * never_ink.sum()} weights are as they were drawn.")

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(9, 2.9, columns=10, rows=3)
for unit, ax in enumerate(axes.flat):
    plot.image(ax, added[:, unit].reshape(28, 28), limit=np.percentile(np.abs(added), 99))
plot.show(fig, "What training has added to the weights of the thirty hidden units: strokes and blobs in the middle, "
          "nothing at all along the rim.")

# %% [markdown]
# And what does it still get wrong? Some of these twelve you may get wrong yourself.

# %% tags=["demo", "hide-input"]
said = batch_forward(best_run, x_test)[0].argmax(1)
mistakes = np.flatnonzero(said != y_test)
fig, axes = plot.figure(9, 1.35, columns=12)
for ax, index in zip(axes, mistakes[np.linspace(0, len(mistakes) - 1, 12).astype(int)], strict=True):
    plot.image(ax, digits.test.x[index, 0], f"{y_test[index]}: said {said[index]}", gray=True)
    ax.title.set_size(8)
plot.show(fig, "Twelve test digits that the best run gets wrong, each with what it is and what the network said.")

# %% [markdown]
# ## 16 · Back to the hard cases
#
# Section 2 left three squares that no straight line divides. Here is a network with a hidden layer of twelve tanh units
# on them, trained with the functions that you wrote. Nothing in it is new.
#
# **Predict.** Each hidden unit is a straight line. How many lines does it take to fence in a ring?
#
# <details><summary>Answer</summary>
#
# Three make a triangle, which is a fence already; the more lines, the rounder. A ring needs a fence outside and another
# one inside. Twelve units are enough for both.
#
# </details>

# %% tags=["demo"]
def fit(points, inside, hidden=12, steps=4000, rate=8.0, seed=1):
    """A network with one hidden layer on points (N, 2): whether it says inside, (N,)."""
    rng = np.random.default_rng(seed)
    w1, b1 = rng.normal(size=(2, hidden)), rng.normal(size=hidden)
    w2, b2 = rng.normal(size=(hidden, 1)), np.zeros(1)
    sample, wanted = points[::4], inside[::4, None]
    for _ in range(steps):
        z1 = linear_forward(sample, w1, b1)
        h = tanh(z1)
        z2 = linear_forward(h, w2, b2)
        dz2 = sigmoid_backward((sigmoid(z2) - wanted) / len(sample), z2)
        dh, dw2, db2 = linear_backward(dz2, h, w2)
        _, dw1, db1 = linear_backward(tanh_backward(dh, z1), sample, w1)
        w1, b1, w2, b2 = w1 - rate * dw1, b1 - rate * db1, w2 - rate * dw2, b2 - rate * db2
    return linear_forward(tanh(linear_forward(points, w1, b1)), w2, b2)[:, 0] > 0


answers = {name: fit(plane, inside) for name, inside in tqdm(cases.items(), desc="training", leave=False)}

# %% tags=["demo", "hide-input"]
fig, axes = plot.figure(8.8, 3.6, columns=3)
for ax, (name, inside) in zip(axes, cases.items(), strict=True):
    draw_plane(ax, inside, f"{name}\n{(answers[name] == inside).mean():.0%} right", answers[name])
plot.show(fig, "What the network says on the three squares, in colour, and the true border in black: "
          + ", ".join(f"{name} {(answers[name] == inside).mean():.0%} right" for name, inside in cases.items()) + ".")

# %% [markdown]
# ## What to keep
#
# - A gate needs its inputs and one gradient from above. Its backward multiplies that with its own slope.
# - Multiply along a path, add up where branches meet. A sum passes gradients on, a product swaps them.
# - Central differences check any backward function: float64, $h \approx 10^{-5}$, relative error below $10^{-7}$. Near
#   a kink they lie.
# - A gradient has the shape of what it belongs to. For a linear layer that nearly gives you the formulas.
# - Rearrange until `exp` gets no positive numbers.
# - A saturated sigmoid has no slope: a unit can be as wrong as possible and learn nothing.
# - Batches make the same arithmetic faster; they do not make it other arithmetic.
#
# ### Where the facts come from
#
# - **Deck d**: *Robot Vision (CAP 4453), 18: Convolutional Neural Networks I*, Gonzalo Vaca-Castaño, University of
#   Central Florida: the table of derivatives, backpropagation, Nielsen's code and the log of its run.
# - **Deck e**: *Deep Learning, Lecture 4: Convolutional Neural Networks 1*, Joakim Lindblad, Uppsala University: linear
#   classifiers, the three hard cases, gates with forward and backward.
# - **CS231n**, Stanford University, [*Linear classification*](https://cs231n.github.io/linear-classify/) and
#   [*Backpropagation, intuitions*](https://cs231n.github.io/optimization-2/): the cat of four pixels, graphs with
#   values above and gradients below. Its [*Neural networks, part 3*](https://cs231n.github.io/neural-networks-3/) has
#   the gradient check and the advice about kinks.
# - Michael Nielsen, [*Neural networks and deep learning*](http://neuralnetworksanddeeplearning.com/), 2015, chapters 1
#   and 2: the network, the notation of section 12, and the loader that trains on 50 000 digits.
# - Rumelhart, Hinton and Williams, *Learning representations by back-propagating errors*, Nature 323, 1986.
# - The digits: Alpaydin and Kaynak, *Optical recognition of handwritten digits*, UCI Machine Learning Repository, 1998,
#   CC BY 4.0, enlarged. MNIST: LeCun, Cortes and Burges.
# - The documentation of [`torch.autograd`](https://docs.pytorch.org/docs/stable/autograd.html), which does all of this
#   for you from unit 07 on.
