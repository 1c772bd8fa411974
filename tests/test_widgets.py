"""What all explainers have in common: traits, golden vectors, the still picture, what they import."""

import html
import json
import subprocess
import sys
from pathlib import Path

import golden_explainers
import ipywidgets
import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter

from autograder import inert
from cnnkit import shapes, widgets
from cnnkit.widgets.base import BadInput
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
    kept = inert.html(explainers[name].still())
    assert html.escape(explainers[name].summary(), quote=False)[:20] in kept
    for part in ("<td", "<img", "src=", "alt="):
        assert kept.count(part) == explainers[name].still().count(part)
    assert "<td" in kept


@pytest.mark.parametrize(
    ("name", "inputs", "sentence"),
    [
        (
            "SizeCalculator",
            {"n": "seven"},
            r"n has to be a whole number or a pair \(height, width\), not the str",
        ),
        ("SizeCalculator", {"stack": [{"k": "three"}]}, "k has to be a whole number or a pair"),
        ("SizeCalculator", {"stack": [3]}, "a layer of a stack is a dict; not 3"),
        ("ConvStepper", {"x": [[[1, 2], [3]]]}, r"x has to be an array of numbers, \(C, H, W\)"),
        ("ConvStepper", {"x": "text"}, "x has to be an array"),
        ("ConvStepper", {"w": np.full((1, 3, 3, 3), np.nan)}, "w has to be of numbers from"),
        ("ConvStepper", {"x": np.zeros((3, 2000, 2000))}, "from 1 to 262144 numbers, not 12000000"),
        ("BackwardStepper", {"dout": [["a"]]}, "dout has to be an array"),
        ("PoolRouter", {"x": []}, "x has to be an array"),
        ("PoolRouter", {"size": 2.5}, "stride has to be an int"),
        ("Im2colExplorer", {"channels": "many"}, "channels has to be an int, not the str 'many'"),
        ("StackTable", {"layers": ["Conv"]}, "a layer is a dict .*; not 'Conv'"),
        ("StackTable", {"layers": [{"layer": "Conv", "filters": 2.5, "k": 3}]}, "whole numbers; look at filters"),
        ("StackTable", {"layers": [{"layer": "Branches", "join": "add"}]}, "Branches have paths"),
        ("StackTable", {"preset": "Alex"}, "no preset Alex"),
        ("KernelLab", {"kernel": "Prewitt"}, "there is no kernel Prewitt"),
        ("KernelLab", {"image": np.zeros((9, 9, 3))}, r"image has to be an array of numbers, \(H, W\)"),
        ("CortexLab", {"cell": "hypercomplex"}, "cell has to be any of"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_one_sentence(name, inputs, sentence):
    with pytest.raises(BadInput, match=sentence) as caught:
        getattr(widgets, name)(**inputs)
    assert caught.value._render_traceback_() == [str(caught.value)] and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "inputs", "sentence"),
    [
        ("SizeCalculator", {"n": 7, "k": 9}, "A kernel that reaches over 9 does not fit into 7 + 2·0 = 7."),
        ("SizeCalculator", {"n": 10**30}, "The input size must be at most 1000000000."),
        ("ConvStepper", {"stride": 0}, "The stride must be at least 1, not 0."),
        ("ConvStepper", {"x": np.zeros((1, 5, 5))}, "A filter has 3 channels and the input 1: they must be as many."),
        ("BackwardStepper", {"pad": -1}, "The padding must be at least 0, not −1."),
        ("PoolRouter", {"size": 9}, "A window of 9 does not fit into 4 + 2·0 = 4."),
        ("Im2colExplorer", {"n": 12, "k": 2}, "121 windows are 121 columns, too many to show; up to 36 can be."),
        ("StackTable", {"layers": [shapes.Linear(1)] * 9999}, "9999 layers are too many to show; up to 200 can be."),
        ("StackTable", {"layers": [shapes.Conv(0, 3)]}, "Layer 1: filters must be from 1 to 1000000, not 0."),
        ("KernelLab", {"kernel": [[1]]}, "The kernel must be 3 × 3."),
    ],
)
def test_what_is_impossible_is_said_in_the_explainer(name, inputs, sentence):
    explainer = getattr(widgets, name)(**inputs)
    assert explainer.problem == explainer.summary() == sentence
    assert html.escape(sentence, quote=False) in explainer.still()


def test_what_is_set_later_has_to_be_right_too():
    table, stepper = widgets.StackTable(), widgets.ConvStepper()
    with pytest.raises(BadInput, match="a layer is a dict"):
        table.layers = [7]
    with pytest.raises(BadInput, match="x has to be"):
        stepper.x = [1, 2]
    assert table.output == [10] and stepper.value == -3


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "\n"
