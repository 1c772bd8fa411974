"""Figures for the lessons: inline SVG that follows JupyterLab's light and dark themes.

``show`` turns a matplotlib figure into SVG and leaves two colours to the page: what matplotlib drew in black
becomes the theme's text colour, what it drew in white becomes the page. Everything else keeps its colour, so a
figure needs colours that stand on either ground: Okabe and Ito's palette does, and the tints of ``grid`` are
transparent at zero. Figures are plain ``matplotlib.figure.Figure`` objects and leave no state in pyplot.
"""

import html
import io
import re
import sys
from typing import NamedTuple

import matplotlib
import numpy as np
from IPython.display import display
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

INK, PAPER = "black", "white"

# Okabe and Ito (2008), "Color universal design": told apart with any of the common colour blindnesses.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY = "#E69F00", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)

# Blue for negative, vermilion for positive, and nothing at zero: the page shows through.
DIVERGING = LinearSegmentedColormap.from_list(
    "okabe_ito_diverging",
    [(0, to_rgba(BLUE, 0.85)), (0.5, to_rgba(BLUE, 0)), (0.5, to_rgba(VERMILION, 0)), (1, to_rgba(VERMILION, 0.85))],
)

_INK = "var(--jp-content-font-color1, currentColor)"
_PAPER = "var(--jp-layout-color0, Canvas)"
# A dash of ink moves a colour away from the page, whichever of the two is dark.
_THEME = {"#000000": _INK, "#ffffff": _PAPER} | {
    colour.lower(): f"color-mix(in srgb, {colour} 80%, {_INK})" for colour in COLOURS
}
_FONT = "font-family: var(--jp-content-font-family, sans-serif)"
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
_CELL = 0.33  # inches


class Picture:
    """A finished figure: SVG on a page, its alternative text anywhere else."""

    def __init__(self, svg, alt):
        self.svg = svg
        self.alt = alt

    def _repr_html_(self):
        return self.svg

    def __repr__(self):
        return self.alt


def show(fig, alt):
    """Display a matplotlib figure as inline SVG in the colours of the reader's theme.

    Args:
        fig: a ``matplotlib.figure.Figure``; one that pyplot made is closed.
        alt: what the figure shows, in words, for readers who cannot see it.
    """
    display(picture(fig, alt))
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(fig)


def picture(fig, alt):
    """What ``show`` displays: a ``Picture``, for those who put it somewhere themselves."""
    return Picture(_svg(fig, alt), alt)


def _svg(fig, alt):
    if not alt.strip():
        raise ValueError("a figure needs an alternative text: say in words what it shows")
    buffer = io.StringIO()
    # Text stays text, set in the reader's font; the salt makes equal figures equal to the byte.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        fig.savefig(buffer, format="svg", dpi=200, transparent=True, metadata=_NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # matplotlib's own style sheet would reach every element of the page that the figure lands on.
    svg = re.sub(r"<style.*?</style>", "", svg, count=1, flags=re.DOTALL)
    # Of the ids ("figure_1", "axes_1", ...) only those that the figure refers to may stay: a page has many figures.
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r"font-family: [^;\"]*", _FONT, svg)
    for colour, variable in _THEME.items():
        svg = svg.replace(colour, variable)
    style = "max-width: 100%; height: auto; stroke-linejoin: round; stroke-linecap: butt"
    root = f'<svg role="img" aria-label="{html.escape(alt)}" style="{style}; fill: {_INK}"'
    return root + svg.removeprefix("<svg")


def figure(width=8, height=3.5, columns=1, rows=1, **subplots):
    """A figure for charts.

    Args:
        width, height: inches.
        columns, rows: how many axes.
        subplots: passed on to ``Figure.subplots`` ("sharey", "width_ratios", ...).

    Returns:
        ``(fig, ax)``, or ``(fig, array of axes)`` for more than one.
    """
    fig = Figure(figsize=(width, height), layout="constrained")
    axes = fig.subplots(rows, columns, **subplots)
    for ax in np.ravel(axes):
        ax.spines[["top", "right"]].set_visible(False)
    return fig, axes


def canvas(width, height):
    """A figure for diagrams: one unit is one cell of a ``grid``, x to the right and y down.

    Args:
        width, height: in cells; about 27 cells fill the width of a notebook.

    Returns:
        ``(fig, ax)``.
    """
    fig = Figure(figsize=(width * _CELL, height * _CELL))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return fig, ax


class Box(NamedTuple):
    """Where something lies on a canvas, in cells."""

    left: float
    top: float
    width: float
    height: float
    cell: float = 1.0

    @property
    def right(self):
        return self.left + self.width

    @property
    def bottom(self):
        return self.top + self.height

    @property
    def x(self):
        return self.left + self.width / 2

    @property
    def y(self):
        return self.top + self.height / 2


def text(ax, x, y, words, size=10, ha="center", **style):
    """Write ``words`` with their middle at ``(x, y)``."""
    ax.text(x, y, words, size=size, ha=ha, va="center_baseline", zorder=5, **style)


def grid(ax, array, at=(0, 0), title="", numbers=True, limit=None, ring=0, cell=1.0):
    """Draw a matrix as a grid of cells with its numbers in them, tinted by sign and size.

    Args:
        ax: the axes of a ``canvas``.
        array: ``(rows, columns)`` of numbers, or of strings to be written as they are.
        at: ``(x, y)`` of the upper left corner.
        title: written above.
        numbers: whether to write the values into the cells.
        limit: the absolute value that gets the full tint; 0 for no tint, None for the array's own largest.
        ring: how many outer rings of cells are padding, drawn hatched.
        cell: side of a cell.

    Returns:
        The ``Box`` that the grid covers.
    """
    array = np.asarray(array)
    rows, columns = array.shape
    box = Box(*at, columns * cell, rows * cell, cell)
    is_text = array.dtype.kind in "UO"
    if limit is None:
        limit = 0 if is_text else np.abs(array).max()
    for (row, column), value in np.ndenumerate(array):
        inside = ring <= row < rows - ring and ring <= column < columns - ring
        corner = box.left + column * cell, box.top + row * cell
        tint = DIVERGING(0.5 + 0.5 * np.clip(value / limit, -1, 1)) if limit else "none"
        ax.add_patch(Rectangle(corner, cell, cell, facecolor=tint, edgecolor="#888888", linewidth=0.6))
        if not inside:
            ax.add_patch(Rectangle(corner, cell, cell, fill=False, hatch="////", edgecolor="#888888", alpha=0.75, lw=0))
        if numbers:
            words = str(value) if is_text else f"{value:g}".replace("-", "−")
            text(ax, corner[0] + cell / 2, corner[1] + cell / 2, words, size=10.5 * cell, alpha=1 if inside else 0.6)
    if title:
        text(ax, box.x, box.top - 0.6, title)
    return box


def window(ax, box, row, column, height, width, colour=VERMILION, dilation=1, fill=0.0):
    """Frame the cells of ``box`` that a window reads; with dilation above 1, each of them by itself.

    Args:
        ax: the axes of a ``canvas``.
        box: what ``grid`` returned.
        row, column: the window's first cell.
        height, width: how many cells it reads along each side.
        colour: of the frame.
        dilation: distance between neighbouring cells that are read.
        fill: opacity of a wash of the same colour.
    """
    whole = dilation == 1
    tall, wide = (height, width) if whole else (1, 1)
    for i in range(1 if whole else height):
        for j in range(1 if whole else width):
            corner = (
                box.left + (column + j * dilation) * box.cell,
                box.top + (row + i * dilation) * box.cell,
            )
            shape = wide * box.cell, tall * box.cell
            ax.add_patch(
                FancyBboxPatch(
                    corner,
                    *shape,
                    boxstyle="round,pad=0,rounding_size=0.12",
                    facecolor=to_rgba(colour, fill),
                    edgecolor=colour,
                    linewidth=2.4,
                    zorder=2,
                )
            )


def arrow(ax, start, end, colour=INK, bend=0.0):
    """An arrow from ``start`` to ``end``, ``(x, y)`` each; ``bend`` curves it."""
    style = {"arrowstyle": "-|>", "color": colour, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    style["connectionstyle"] = f"arc3,rad={bend}"
    ax.annotate("", xy=end, xytext=start, arrowprops=style, zorder=4)


def image(ax, array, title="", limit=None, gray=False):
    """Show ``array (H, W)`` on chart axes: tinted by sign and size, or as a gray picture from 0 to 1."""
    array = np.asarray(array)
    limit = np.abs(array).max() if limit is None else limit
    colours = {"cmap": "gray", "vmin": 0, "vmax": 1} if gray else {"cmap": DIVERGING, "vmin": -limit, "vmax": limit}
    ax.imshow(array, interpolation="nearest", **colours)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, size=10)
    ax.spines[:].set(visible=True, color="#888888")


def block(ax, width, height, depth, at=(0, 0), colour=BLUE, fill=0.18):
    """Draw a volume as a block seen from the front, above and the right.

    Args:
        ax: the axes of a ``canvas``.
        width, height: of its front face, in cells.
        depth: how far it reaches back, in cells; drawn foreshortened.
        at: ``(x, y)`` of the front face's upper left corner.
        colour, fill: of the faces, and how opaque they are.

    Returns:
        The ``Box`` of the front face.
    """
    (x, y), back = at, 0.5 * depth
    right, bottom = x + width, y + height
    front = [(x, y), (right, y), (right, bottom), (x, bottom)]
    top = [(x, y), (x + back, y - back), (right + back, y - back), (right, y)]
    side = [(right, y), (right + back, y - back), (right + back, bottom - back), (right, bottom)]
    for face, strength in ((front, fill), (top, fill * 0.6), (side, fill * 1.5)):
        ax.add_patch(Polygon(face, facecolor=to_rgba(colour, strength), edgecolor=colour, linewidth=1.2))
    return Box(x, y, width, height)
