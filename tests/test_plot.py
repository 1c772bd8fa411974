"""Figures: valid and equal SVG, in the theme's colours, with words for those who cannot see them."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cnnkit import plot


def drawn(fig, alt="a figure", monkeypatch=None):
    """What ``show`` hands to the page."""
    shown = []
    monkeypatch.setattr(plot, "display", shown.append)
    plot.show(fig, alt)
    return shown[0]


def diagram():
    fig, ax = plot.canvas(9, 5)
    box = plot.grid(ax, np.array([[1, -2], [0, 3.5]]), (1, 1), "title", ring=0)
    plot.window(ax, box, 0, 0, 2, 2)
    plot.window(ax, box, 0, 0, 2, 2, plot.BLUE, dilation=2)
    plot.grid(ax, np.zeros((4, 4)), (5, 1), ring=1)
    plot.arrow(ax, (3.2, 2), (4.8, 2))
    plot.block(ax, 1, 1, 1, (1, 4))
    return fig


def chart():
    fig, (left, right) = plot.figure(6, 3, columns=2)
    left.plot([1, 2, 3], [1, 4, 2], marker="o", label="line")
    left.set(xlabel="x", ylabel="y", title="chart")
    plot.image(right, np.arange(-6, 6).reshape(3, 4), "image")
    return fig


@pytest.mark.parametrize("make", [diagram, chart])
def test_svg_is_one_well_formed_image_with_its_words(make, monkeypatch):
    picture = drawn(make(), 'a "quoted" <b>figure</b> & more', monkeypatch)
    root = ET.fromstring(picture.svg)
    assert root.tag.endswith("svg")
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'a "quoted" <b>figure</b> & more'
    assert repr(picture) == root.get("aria-label")
    assert picture._repr_html_() is picture.svg


@pytest.mark.parametrize("make", [diagram, chart])
def test_black_and_white_are_left_to_the_theme(make, monkeypatch):
    svg = drawn(make(), monkeypatch=monkeypatch).svg
    assert "--jp-content-font-color1" in svg
    assert "#000000" not in svg
    assert "#ffffff" not in svg
    assert "<style" not in svg  # it would reach the whole page


@pytest.mark.parametrize("make", [diagram, chart])
def test_equal_figures_are_equal_to_the_byte(make, monkeypatch):
    assert drawn(make(), "same", monkeypatch).svg == drawn(make(), "same", monkeypatch).svg


def test_two_figures_on_a_page_share_no_id(monkeypatch):
    ids = [set(re.findall(r'id="([^"]+)"', drawn(chart(), alt, monkeypatch).svg)) for alt in ("first", "second")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_every_reference_finds_its_id(monkeypatch):
    svg = drawn(diagram(), monkeypatch=monkeypatch).svg
    used = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', svg))
    assert used
    assert used <= set(re.findall(r' id="([\w-]+)"', svg))


def test_a_figure_without_words_is_refused():
    with pytest.raises(ValueError, match="alternative text"):
        plot.show(diagram(), "  ")


def test_a_figure_of_pyplot_is_closed(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    drawn(pyplot.figure(), "from pyplot", monkeypatch)
    assert pyplot.get_fignums() == before


def test_tints_are_transparent_at_zero_and_strong_at_both_ends():
    assert plot.DIVERGING(0.5)[3] < 0.01
    assert plot.DIVERGING(0.0) == pytest.approx(plot.to_rgba(plot.BLUE, 0.85), abs=0.01)
    assert plot.DIVERGING(1.0) == pytest.approx(plot.to_rgba(plot.VERMILION, 0.85), abs=0.01)


def test_grid_reports_where_it_lies():
    _, ax = plot.canvas(10, 10)
    box = plot.grid(ax, np.ones((2, 4)), (1, 3), cell=0.5)
    assert (box.left, box.top, box.right, box.bottom, box.x, box.y) == (1, 3, 3, 4, 2, 3.5)


def test_drawing_leaves_pyplot_alone():
    program = (
        "import sys, numpy as np; from cnnkit import plot; plot.display = lambda picture: None;"
        "fig, ax = plot.canvas(3, 3); plot.grid(ax, np.eye(2)); plot.show(fig, 'x');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
