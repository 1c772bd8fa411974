"""What all explainers have in common: traits, golden vectors, the still picture, what they import."""

import html
import json
import subprocess
import sys
from pathlib import Path

import golden_explainers
import ipywidgets
import nbformat
import pytest
from nbconvert import HTMLExporter

from autograder import outputs
from cnnkit import widgets
from cnnkit.widgets.page import SHOWN, all_explainers

ARITHMETIC = [path.stem for path in Path(widgets.__file__).parent.glob("*.py")]
ARITHMETIC = sorted({*ARITHMETIC} - {"__init__", "base", "page", "views"})
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def explainers():
    return dict(zip(SHOWN, (explainer for _, explainer in all_explainers()), strict=True))


def test_the_page_shows_every_explainer():
    assert set(SHOWN) == {name for name in dir(widgets) if name[0].isupper()}


def test_the_golden_vectors_are_what_python_computes():
    stored = golden_explainers.FILE.read_text(encoding="utf-8")
    assert json.loads(stored) == json.loads(golden_explainers.text())


@pytest.mark.parametrize("name", SHOWN)
def test_results_follow_inputs_and_cannot_be_set(name, explainers):
    explainer = explainers[name]
    for result in explainer.trait_names(output=True):
        with pytest.raises(Exception, match="read-only"):
            setattr(explainer, result, getattr(explainer, result))
    assert json.loads(json.dumps(explainer.inputs)) == explainer.inputs
    with pytest.raises(TypeError, match=f"{name} takes .*; not stried"):
        getattr(widgets, name)(stried=2)


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_without_scripts_shows_the_still_picture(name, explainers):
    data, _ = explainers[name]._repr_mimebundle_()
    assert VIEW in data and explainers[name].summary() in data["text/plain"]
    output = nbformat.v4.new_output("display_data", data=data)
    cell = nbformat.v4.new_code_cell("show()", outputs=[output])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert 'class="cnnkit-still"' in page
    assert explainers[name].summary()[:20] in page


@pytest.mark.parametrize("name", SHOWN)
def test_a_feedback_page_keeps_the_still_picture(name, explainers):
    kept = outputs.inert_html(explainers[name].still())
    assert html.escape(explainers[name].summary(), quote=False)[:20] in kept
    assert kept.count("<td") == explainers[name].still().count("<td") > 0


def test_a_slider_can_be_linked_to_a_number():
    slider, calculator = ipywidgets.IntSlider(7, 1, 9), widgets.SizeCalculator(k=3)
    ipywidgets.link((slider, "value"), (calculator, "n"))
    assert calculator.size == [5, 5]
    slider.value = 9
    assert calculator.size == [7, 7] and calculator.torch == "torch.nn.Conv2d(1, 1, kernel_size=3)"
    calculator.set_trait("stride", 0)
    assert calculator.size == [] and calculator.problem == "The stride must be at least 1, not 0."


def test_a_stack_feeds_the_layer_behind_it():
    calculator = widgets.SizeCalculator(n=32, k=5, stack=[{"k": 5, "c_out": 6}, {"kind": "max pooling", "k": 2}])
    assert calculator.start == (32, 32, 1)
    assert calculator.size == [10, 10] and calculator.c_in == 6
    with pytest.raises(TypeError, match="a layer of a stack has"):
        widgets.SizeCalculator(stack=[{"kernel": 5}])


def test_the_arithmetic_needs_neither_torch_nor_widgets():
    modules = ", ".join(f"cnnkit.widgets.{name}" for name in ARITHMETIC)
    code = f"import sys, {modules}; print(*{{'torch', 'ipywidgets', 'anywidget', 'matplotlib'}} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
