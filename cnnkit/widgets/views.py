"""The explainers. Each is thin: traits, and a picture for where no script runs."""

import traitlets as t

from cnnkit import shapes
from cnnkit.widgets import sizing, stacks, stepping, still, windows
from cnnkit.widgets.base import Explainer, put_in, put_out


def side(default, *words):
    """A trait for a whole number, a pair of them (height, width), or one of some words."""
    options = [t.Int(default), t.Tuple(t.Int(), t.Int()), *([t.Enum(words)] if words else [])]
    return t.Union(options, default_value=default).tag(**put_in())


class Numbers(t.List):
    """A trait for an array: nested lists, whatever it was set to."""

    def __init__(self, default):
        super().__init__(default_value=default)
        self.tag(**put_in())

    def validate(self, obj, value):
        return super().validate(obj, windows.rows_of(value))


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


class StackTable(Explainer, script="stack_table"):
    """A network layer by layer: shapes, parameters, multiply-adds, memory, receptive field and jump.

    ``StackTable("AlexNet")``, or ``StackTable(layers=[Conv(6, 5), Pool(2, 2)], shape=(1, 32, 32))`` with the classes of
    ``cnnkit.shapes`` or dicts as in ``cnnkit.widgets.stacks``.
    """

    layers = t.List(t.Dict()).tag(**put_in())
    shape = t.Tuple(t.Int(), t.Int(), t.Int(), help="(C, H, W) of one image").tag(**put_in())
    presets = t.Dict(help="name to [layers, shape]: what can be chosen").tag(**put_in())

    parameters = t.Int(read_only=True).tag(**put_out())
    multiply_adds = t.Int(read_only=True).tag(**put_out())
    memory = t.Int(read_only=True, help="bytes of all outputs for one image, in float32").tag(**put_out())
    field = t.Int(read_only=True, help="receptive field of the last layer").tag(**put_out())
    output = t.List(t.Int(), read_only=True).tag(**put_out())
    problem = t.Unicode(read_only=True, help="why the next layer does not work").tag(**put_out())

    def __init__(self, preset="LeNet-5", **inputs):
        if preset not in shapes.PRESETS:
            raise ValueError(f"there is no preset {preset}; there are {', '.join(shapes.PRESETS)}")
        offered = stacks.presets(dict.fromkeys((*stacks.OFFERED, preset)))
        layers, shape = offered[preset]
        inputs = {"layers": layers, "shape": tuple(shape), "presets": offered} | inputs
        inputs["layers"] = [stacks.plain(layer) for layer in inputs["layers"]]
        for layer in inputs["layers"]:
            stacks.built(layer)
        super().__init__(**inputs)

    @property
    def rows(self):
        """The table: a dict for each layer."""
        return stacks.describe(self.inputs)["rows"]

    def results(self):
        result = stacks.describe(self.inputs)
        return {name: result[name] for name in self.trait_names(output=True)}

    def summary(self):
        return self.problem or f"{self.parameters} parameters, {self.multiply_adds} multiply-adds, field {self.field}"

    def still(self):
        head = ("layer", "output", "parameters", "multiply-adds", "memory", "field", "jump")
        numbers = ("parameters", "multiply_adds", "memory", "field", "jump")
        rows = [(row["name"], _across(row["shape"]), *(row[name] for name in numbers)) for row in self.rows]
        return still.card("Stack of layers", self.summary(), still.table(head, rows))


def _across(shape):
    """A shape as height × width × channels."""
    return " × ".join(map(str, [*shape[1:], shape[0]]))


class ConvStepper(Explainer, script="conv_stepper"):
    """A convolution, one output at a time: window, products, sums and bias.

    ``ConvStepper()`` shows the volume of deck b; ``x (C, H, W)``, ``w (F, C, KH, KW)`` and ``b (F,)`` take arrays.
    """

    x = Numbers(stepping.DECK_B["x"])
    w = Numbers(stepping.DECK_B["w"])
    b = Numbers(stepping.DECK_B["b"])
    stride = t.Int(2).tag(**put_in())
    pad = t.Int(1).tag(**put_in())
    mode = t.Enum(stepping.MODES, stepping.CORRELATION).tag(**put_in())
    at = t.List(t.Int(), [0, 0, 0], 3, 3, help="[filter, row, column] of the output looked at").tag(**put_in())

    output = t.List(read_only=True, help="(F, OH, OW)").tag(**put_out())
    value = t.Float(read_only=True, help="the output looked at").tag(**put_out())
    problem = t.Unicode(read_only=True).tag(**put_out())

    def results(self):
        result = stepping.describe(self.inputs)
        return {"output": result["output"], "value": result.get("value", 0), "problem": result["problem"]}

    def summary(self):
        place = stepping.describe(self.inputs)["at"]
        return self.problem or f"Output {place} = {still.short(self.value)}"

    def still(self):
        result = stepping.describe(self.inputs)
        if self.problem:
            return still.card("Convolution, step by step", self.summary())
        (i, j), pad = result["corner"], self.pad
        kh, kw = len(result["kernel"][0]), len(result["kernel"][0][0])
        inside = {(i + r, j + c) for r in range(kh) for c in range(kw)}
        rows = [
            still.side_by_side(
                still.grid(f"input, channel {c}", windows.padded(channel, pad), framed=inside),
                still.grid(f"filter, channel {c}", result["kernel"][c]),
                still.grid(f"products, sum {still.short(result['sums'][c])}", result["products"][c]),
            )
            for c, channel in enumerate(self.x)
        ]
        f, *place = result["at"]
        outputs = [
            still.grid(
                f"output of filter {n}, bias {still.short(self.b[n])}", map_, framed={tuple(place)} if n == f else ()
            )
            for n, map_ in enumerate(result["output"])
        ]
        return still.card("Convolution, step by step", self.summary(), *rows, still.side_by_side(*outputs))
