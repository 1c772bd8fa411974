"""The explainers. Each is thin: traits, and a picture for where no script runs."""

import traitlets as t

from cnnkit.widgets import sizing, still
from cnnkit.widgets.base import Explainer, put_in, put_out


def side(default, *words):
    """A trait for a whole number, a pair of them (height, width), or one of some words."""
    options = [t.Int(default), t.Tuple(t.Int(), t.Int()), *([t.Enum(words)] if words else [])]
    return t.Union(options, default_value=default).tag(**put_in())


class SizeCalculator(Explainer, script="size_calculator"):
    """The size of a layer's output: formula, fit, code, and what would work where it does not.

    ``SizeCalculator(n=7, k=3, stride=3)``. An int holds for both sides; a pair is (height, width). ``stack`` holds
    layers that come before, as dicts of the other arguments, and ``start`` is what goes into them: (height, width,
    channels).
    """

    kind = t.Enum(sizing.KINDS, sizing.CONV, help="what the layer does").tag(**put_in())
    n = side(32)
    k = side(3)
    stride = side(1)
    pad = side(0, "same")
    dilation = side(1)
    output_pad = side(0)
    c_in = t.Int(1).tag(**put_in())
    c_out = t.Int(1).tag(**put_in())
    groups = t.Int(1).tag(**put_in())
    bias = t.Bool(True).tag(**put_in())
    rounding = t.Enum(sizing.ROUNDINGS, "down").tag(**put_in())
    stack = t.List(t.Dict()).tag(**put_in())
    start = t.Tuple(t.Int(), t.Int(), t.Int(), default_value=(32, 32, 1)).tag(**put_in())

    size = t.List(t.Int(), read_only=True, help="[height, width] of the output; empty where there is none").tag(
        **put_out()
    )
    parameters = t.Int(read_only=True).tag(**put_out())
    problem = t.Unicode(read_only=True, help="why there is no output").tag(**put_out())
    torch = t.Unicode(read_only=True, help="the same layer in PyTorch").tag(**put_out())
    keras = t.Unicode(read_only=True, help="the same layer in Keras").tag(**put_out())

    def __init__(self, **inputs):
        usual = {"stride": inputs["k"]} if inputs.get("kind") == sizing.POOL and "k" in inputs else {}
        inputs = usual | inputs
        if layers := inputs.get("stack"):
            height, width = sizing.pair(inputs.get("n", 32))
            inputs["stack"] = [sizing.whole_layer(layer) for layer in layers]
            inputs.setdefault("start", (height, width, inputs.get("c_in", 1)))
            sizes, _, _ = sizing.stack(inputs["stack"], *inputs["start"])
            if sizes:
                inputs["n"], inputs["c_in"] = sizes[-1][:2], sizes[-1][2]
        super().__init__(**inputs)

    def results(self):
        result = sizing.describe(self.inputs)
        return {name: result[name] for name in ("size", "parameters", "problem", "torch", "keras")}

    def summary(self):
        return sizing.headline(self.inputs)

    def still(self):
        result = sizing.describe(self.inputs)
        lines = [f"{side['formula']}  ({side['verdict']})" for side in result["sides"]]
        tips = ", ".join(suggestion["text"] for suggestion in result["suggestions"])
        strips = [
            still.grid(f"{side['size']} windows of {side['k']}, {side['stride']} apart", [_strip(side)], _off(side))
            for side in result["sides"]
            if self.kind != sizing.TRANSPOSED and side["length"] <= sizing.DRAWN
        ]
        return still.card(
            "Size calculator",
            self.summary(),
            *map(still.line, lines),
            still.line(f"Parameters: {result['count']}") if result["count"] else "",
            still.line(f"What would fit: {tips}") if tips else "",
            *strips,
            *(still.code(result[name]) for name in ("torch", "keras") if result[name]),
        )


def _strip(side):
    """Positions as words: pixels by number, zeros as 0 in brackets."""
    end = side["before"] + side["n"]
    return [str(p - side["before"]) if side["before"] <= p < end else "[0]" for p in range(side["length"])]


def _off(side):
    return {(0, position) for position in side["unread"]}
