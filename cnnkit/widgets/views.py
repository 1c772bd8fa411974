"""The explainers. Each is thin: traits, and a picture for where no script runs."""

import numpy as np
import traitlets as t

from cnnkit import data, shapes
from cnnkit.widgets import backward, columns, kernels, recording, routing, sizing, stacks, stepping, still, windows
from cnnkit.widgets.base import BadInput, Explainer, put_in, put_out

LARGEST = 10**9


class Side(t.Union):
    """A trait for a whole number, a pair of them (height, width), or one of some words."""

    def __init__(self, default, *words):
        options = [t.Int(default), t.Tuple(t.Int(), t.Int()), *([t.Enum(words)] if words else [])]
        super().__init__(options, default_value=default)
        self.words = words
        self.tag(**put_in())

    def info(self):
        return " or ".join(["a whole number", "a pair (height, width)", *map(repr, self.words)])


class Numbers(t.List):
    """A trait for an array: nested lists, whatever it was set to.

    Args:
        default: its value where it is not set.
        axes: what the axes are called.
        most: how many numbers it may have.
        empty: whether it may have none.
    """

    def __init__(self, default, *axes, most=2**18, empty=False):
        super().__init__(default_value=default)
        self.axes, self.most, self.empty = axes, most, empty
        self.tag(**put_in())

    def validate(self, obj, value):
        try:
            array = np.asarray(value)
        except ValueError:  # rows of different lengths
            array = np.array(None)
        if self.empty and array.size == 0:
            return super().validate(obj, [])
        if array.dtype.kind not in "biuf" or array.ndim != len(self.axes):
            raise BadInput(f"{self.name} has to be an array of numbers, ({', '.join(self.axes)})")
        if not 1 <= array.size <= self.most:
            raise BadInput(f"{self.name} has to have from 1 to {self.most} numbers, not {array.size}")
        if not (abs(array) <= LARGEST).all():
            raise BadInput(f"{self.name} has to be of numbers from -{LARGEST} to {LARGEST}")
        return super().validate(obj, array.tolist())


class Layers(t.List):
    """A trait for a list of layers, which are dicts, or of ``cnnkit.shapes``."""

    def validate(self, obj, value):
        try:
            layers = [stacks.plain(layer) for layer in value]
            for layer in layers:
                stacks.built(layer)
        except TypeError as error:
            raise BadInput(str(error)) from None
        return super().validate(obj, layers)


class SizeCalculator(Explainer, script="size_calculator"):
    """The size of a layer's output: formula, fit, code, and what would work where it does not.

    ``SizeCalculator(n=7, k=3, stride=3)``. An int holds for both sides; a pair is (height, width). ``stack`` holds
    layers that come before, as dicts of the other arguments, and ``start`` is what goes into them: (height, width,
    channels).
    """

    kind = t.Enum(sizing.KINDS, sizing.CONV, help="what the layer does").tag(**put_in())
    n = Side(32)
    k = Side(3)
    stride = Side(1)
    pad = Side(0, "same")
    dilation = Side(1)
    output_pad = Side(0)
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

    def prepared(self, **inputs):
        usual = {"stride": inputs["k"]} if inputs.get("kind") == sizing.POOL and "k" in inputs else {}
        inputs = usual | inputs
        if layers := inputs.get("stack"):
            height, width = sizing.pair(inputs.get("n", 32))
            inputs["stack"] = [self._whole_layer(layer) for layer in layers]
            inputs.setdefault("start", (height, width, inputs.get("c_in", 1)))
            sizes, _, _ = sizing.stack(inputs["stack"], *inputs["start"])
            if sizes:
                inputs["n"], inputs["c_in"] = sizes[-1][:2], sizes[-1][2]
        return inputs

    def _whole_layer(self, layer):
        if not isinstance(layer, dict):
            raise TypeError(f"a layer of a stack is a dict; not {layer!r}")
        layer = sizing.whole_layer(layer)
        # Each number has to be such as it has to be outside of a stack.
        return {name: self.traits()[name]._validate(self, value) for name, value in layer.items()}

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
            still.grid(f"{side['size']} windows of {side['k']}, {side['stride']} apart", *_strip(side))
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


def _strip(side, ends=10):
    """The positions of a side, or of its two ends, as a row of words: pixels by number, zeros as 0 in brackets; and
    those of them that no window reads."""
    length, last = side["length"], side["before"] + side["n"]
    places = [*range(length)] if length <= 2 * ends else [*range(ends), None, *range(length - ends, length)]
    words = {p: str(p - side["before"]) if side["before"] <= p < last else "[0]" for p in range(length)} | {None: "…"}
    return [[words[place] for place in places]], {(0, i) for i, place in enumerate(places) if place in side["unread"]}


class StackTable(Explainer, script="stack_table"):
    """A network layer by layer: shapes, parameters, multiply-adds, memory, receptive field and jump.

    ``StackTable("AlexNet")``, or ``StackTable(layers=[Conv(6, 5), Pool(2, 2)], shape=(1, 32, 32))`` with the classes of
    ``cnnkit.shapes`` or dicts as in ``cnnkit.widgets.stacks``.
    """

    layers = Layers().tag(**put_in())
    shape = t.Tuple(t.Int(), t.Int(), t.Int(), help="(C, H, W) of one image").tag(**put_in())
    presets = t.Dict(help="name to [layers, shape]: what can be chosen").tag(**put_in())

    parameters = t.Int(read_only=True).tag(**put_out())
    multiply_adds = t.Int(read_only=True).tag(**put_out())
    memory = t.Int(read_only=True, help="bytes of all outputs for one image, in float32").tag(**put_out())
    field = t.Int(read_only=True, help="receptive field of the last layer").tag(**put_out())
    output = t.List(t.Int(), read_only=True).tag(**put_out())
    problem = t.Unicode(read_only=True, help="why the next layer does not work").tag(**put_out())

    def prepared(self, preset="LeNet-5", **inputs):
        if preset not in shapes.PRESETS:
            raise ValueError(f"there is no preset {preset}; there are {', '.join(shapes.PRESETS)}")
        offered = stacks.presets(dict.fromkeys((*stacks.OFFERED, preset)))
        layers, shape = offered[preset]
        return {"layers": layers, "shape": tuple(shape), "presets": offered} | inputs

    @property
    def rows(self):
        """The table: a dict for each layer."""
        return stacks.describe(self.inputs)["rows"]

    def results(self):
        result = stacks.describe(self.inputs)
        return {name: result[name] for name in self.trait_names(output=True)}

    def summary(self):
        sums = f"{still.thousands(self.parameters)} parameters, {still.thousands(self.multiply_adds)} multiply-adds"
        return self.problem or f"{sums}, receptive field {self.field}"

    def still(self):
        head = ("layer", "output", "parameters", "multiply-adds", "bytes", "field", "jump")
        numbers = ("parameters", "multiply_adds", "memory", "field", "jump")
        rows = [
            (row["name"], _across(row["shape"]), *(still.thousands(row[name]) for name in numbers)) for row in self.rows
        ]
        return still.card("Stack of layers", self.summary(), still.table(head, rows))


def _across(shape):
    """A shape as height × width × channels."""
    return " × ".join(map(str, [*shape[1:], shape[0]]))


class ConvStepper(Explainer, script="conv_stepper"):
    """A convolution, one output at a time: window, products, sums and bias.

    ``ConvStepper()`` shows the volume of deck b; ``x (C, H, W)``, ``w (F, C, KH, KW)`` and ``b (F,)`` take arrays.
    """

    x = Numbers(stepping.DECK_B["x"], "C", "H", "W")
    w = Numbers(stepping.DECK_B["w"], "F", "C", "KH", "KW")
    b = Numbers(stepping.DECK_B["b"], "F")
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
        f, *place = stepping.describe(self.inputs)["at"]
        return self.problem or f"Output {tuple(place)} of filter {f} = {still.short(self.value)}"

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


class BackwardStepper(Explainer, script="backward_stepper"):
    """The gradients of a convolution: the terms of one dL/dw, and dL/dx as a full convolution.

    ``x (H, W)``, ``w (KH, KW)`` and ``dout``, dL/dy, take arrays; where ``dout`` has no number it is 1.
    """

    x = Numbers([[1, 2, 0, 1, 3], [0, 1, 3, 2, 1], [2, 0, 1, 0, 2], [1, 3, 0, 2, 1], [0, 1, 2, 1, 0]], "H", "W")
    w = Numbers([[1, 0, -1], [2, 1, 0], [0, -1, 1]], "KH", "KW")
    dout = Numbers([[1, -1], [2, 3]], "OH", "OW", empty=True)
    stride = t.Int(2).tag(**put_in())
    pad = t.Int(0).tag(**put_in())
    look = t.Enum(backward.LOOKS, backward.WEIGHTS, help="whose gradient").tag(**put_in())
    at = t.List(t.Int(), [0, 0], 2, 2, help="[row, column] of the gradient looked at").tag(**put_in())

    dw = t.List(read_only=True, help="(KH, KW)").tag(**put_out())
    dx = t.List(read_only=True, help="(H, W)").tag(**put_out())
    db = t.Float(read_only=True).tag(**put_out())
    problem = t.Unicode(read_only=True).tag(**put_out())

    def results(self):
        result = backward.describe(self.inputs)
        return {name: result[name] for name in ("dw", "dx", "db", "problem")}

    def summary(self):
        result = backward.describe(self.inputs)
        return self.problem or f"dL/d{self.look[1]} at {tuple(result['at'])} = {still.short(result['value'])}"

    def still(self):
        result, name = backward.describe(self.inputs), f"dL/d{self.look[1]}"
        if self.problem:
            return still.card("The way back through a convolution", self.summary())
        at, (i, j) = {tuple(result["at"])}, result["corner"]
        window = {(i + r, j + c) for r in range(len(self.w)) for c in range(len(self.w[0]))}
        weights = self.look == backward.WEIGHTS
        return still.card(
            "The way back through a convolution",
            self.summary(),
            still.side_by_side(
                still.grid("input x", windows.padded(self.x, self.pad)),
                still.grid("filter w", self.w),
                still.grid("dL/dy", result["dout"]),
            ),
            still.side_by_side(
                still.grid("what the weight met", result["patch"])
                if weights
                else still.grid("dL/dy with zeros between and around", result["spread"], framed=window),
                still.grid("dL/dy", result["dout"]) if weights else still.grid("filter, turned", result["mirrored"]),
                still.grid("products", result["products"]),
                still.grid(name, result[self.look], framed=at),
            ),
        )


class PoolRouter(Explainer, script="pool_router"):
    """Pooling: where each output came from, and where its gradient goes.

    ``x (H, W)`` and ``dout``, dL/dy, take arrays; where ``dout`` has no number it is 1. The stride is the size of the
    windows, unless it is given.
    """

    x = Numbers(routing.CS231N, "H", "W")
    dout = Numbers([[1, 2], [3, 4]], "OH", "OW", empty=True)
    size = t.Int(2).tag(**put_in())
    stride = t.Int(2).tag(**put_in())
    mode = t.Enum(routing.MODES, routing.MAXIMUM).tag(**put_in())
    at = t.List(t.Int(), [0, 0], 2, 2, help="[row, column] of the output looked at").tag(**put_in())

    output = t.List(read_only=True, help="(OH, OW)").tag(**put_out())
    dx = t.List(read_only=True, help="(H, W)").tag(**put_out())
    problem = t.Unicode(read_only=True).tag(**put_out())

    def prepared(self, **inputs):
        return ({"stride": inputs["size"]} if "size" in inputs else {}) | inputs

    def results(self):
        result = routing.describe(self.inputs)
        return {name: result[name] for name in ("output", "dx", "problem")}

    def summary(self):
        result = routing.describe(self.inputs)
        if self.problem:
            return self.problem
        i, j = result["at"]
        places = ", ".join(f"({r}, {c})" for r, c in result["sources"][i][j])
        return f"Output ({i}, {j}) = {still.short(result['output'][i][j])}, from {places}"

    def still(self):
        result = routing.describe(self.inputs)
        if self.problem:
            return still.card("Pooling, there and back", self.summary())
        i, j = result["at"]
        sources = {tuple(place) for place in result["sources"][i][j]}
        return still.card(
            "Pooling, there and back",
            self.summary(),
            still.side_by_side(
                still.grid("input x", self.x, framed=sources),
                still.grid("output y", result["output"], framed={(i, j)}),
                still.grid("dL/dy", result["dout"], framed={(i, j)}),
                still.grid("dL/dx", result["dx"], framed=sources),
            ),
        )


class Im2colExplorer(Explainer, script="im2col_explorer"):
    """Each patch of an input beside its column, and the matrix product that is the convolution."""

    n = t.Int(5, help="side of the input").tag(**put_in())
    k = t.Int(3).tag(**put_in())
    stride = t.Int(1).tag(**put_in())
    pad = t.Int(0).tag(**put_in())
    channels = t.Int(1).tag(**put_in())
    at = t.Int(0, help="the column looked at").tag(**put_in())

    columns = t.List(read_only=True, help="(C k k, OH OW)").tag(**put_out())
    problem = t.Unicode(read_only=True).tag(**put_out())

    def results(self):
        result = columns.describe(self.inputs)
        return {name: result[name] for name in ("columns", "problem")}

    def summary(self):
        result = columns.describe(self.inputs)
        if self.problem:
            return self.problem
        place = divmod(result["at"], result["side"])
        return f"Column {result['at']} is the patch of output {place}: {len(self.columns)} numbers"

    def still(self):
        result = columns.describe(self.inputs)
        if self.problem:
            return still.card("im2col: patches to columns", self.summary())
        (i, j), at = result["corner"], result["at"]
        window = {(i + r, j + c) for r in range(self.k) for c in range(self.k)}
        column = {(row, at) for row in range(len(self.columns))}
        inputs = [
            still.grid(f"input, channel {c}", windows.padded(channel, self.pad), framed=window, limit=0)
            for c, channel in enumerate(result["x"])
        ]
        return still.card(
            "im2col: patches to columns",
            self.summary(),
            still.side_by_side(*inputs),
            still.grid("columns", self.columns, framed=column, limit=0),
            still.grid("filters as rows", result["w"]),
            still.grid("filters times columns", result["product"], framed={(0, at), (1, at)}, limit=0),
        )


class KernelLab(Explainer, script="kernel_lab"):
    """A picture before and after a 3 x 3 kernel.

    ``image (H, W)`` takes an array from 0, black, to 1, white; without one it is the course's photograph. ``kernel``
    takes an array, or the name of a preset.
    """

    image = Numbers([[0]], "H", "W", most=1024**2)
    kernel = Numbers(kernels.PRESETS["identity"], "3", "3")
    flip = t.Bool(False, help="turn the kernel by 180 degrees, as a true convolution does").tag(**put_in())
    presets = t.Dict(kernels.PRESETS, help="name to kernel: what can be chosen").tag(**put_in())

    low = t.Float(read_only=True, help="the smallest output").tag(**put_out())
    high = t.Float(read_only=True, help="the largest output").tag(**put_out())
    problem = t.Unicode(read_only=True).tag(**put_out())

    def prepared(self, **inputs):
        if "image" not in inputs:
            photo = data.photo()
            half = photo.reshape(photo.shape[0] // 2, 2, photo.shape[1] // 2, 2).mean((1, 3))
            inputs["image"] = half.round(3)
        if isinstance(inputs.get("kernel"), str):
            known = inputs.get("presets", kernels.PRESETS)
            if inputs["kernel"] not in known:
                raise ValueError(f"there is no kernel {inputs['kernel']}; there are {', '.join(known)}")
            inputs["kernel"] = known[inputs["kernel"]]
        return inputs

    @property
    def output(self):
        """The picture after, ``(H - 2, W - 2)``, as nested lists."""
        return kernels.describe(self.inputs)["output"]

    def results(self):
        result = kernels.describe(self.inputs)
        return {name: result[name] for name in ("low", "high", "problem")}

    def summary(self):
        turn = ", turned" if self.flip else ""
        return self.problem or f"Kernel{turn}: the output runs from {still.short(self.low)} to {still.short(self.high)}"

    def still(self):
        if self.problem:
            return still.card("Kernel lab", self.summary())
        result = kernels.describe(self.inputs)
        most = max(abs(self.low), abs(self.high)) or 1
        after = (
            [[0.5 + 0.5 * v / most for v in row] for row in result["output"]] if result["signed"] else result["output"]
        )
        pictures = still.picture("before", self.image), still.picture("after", after)
        return still.card(
            "Kernel lab", self.summary(), still.side_by_side(still.grid("kernel", self.kernel), *pictures)
        )


class CortexLab(Explainer, script="cortex_lab"):
    """A cell of the visual cortex: what the retina sees, the cell's field, its spikes, and its tuning curve.

    Angles are in degrees and point across the bar or the stripes: 0 is upright.
    """

    cell = t.Enum(recording.CELLS, recording.SIMPLE).tag(**put_in())
    prefers = t.Int(60, help="the cell's own angle").tag(**put_in())
    stimulus = t.Enum(recording.STIMULI, recording.BAR).tag(**put_in())
    angle = t.Int(0, help="of the stimulus").tag(**put_in())
    position = t.Int(0, help="of the bar, in pixels from the middle").tag(**put_in())
    phase = t.Int(0, help="of the stripes, in degrees").tag(**put_in())

    @t.validate("angle", "prefers", "phase")
    def _turned_back(self, proposal):
        return proposal["value"] % (360 if proposal["trait"].name == "phase" else 180)

    rate = t.Float(read_only=True, help="spikes per second").tag(**put_out())
    curve = t.List(t.Float(), read_only=True, help="the rates at 0, 5, ..., 175 degrees").tag(**put_out())

    def results(self):
        result = recording.describe(self.inputs)
        return {name: result[name] for name in ("rate", "curve")}

    def summary(self):
        return f"{round(self.rate)} spikes per second at {self.angle} degrees"

    def still(self):
        seen = recording.picture(self.inputs, self.angle).tolist()
        field = recording.gabor(self.prefers, 0.0)
        shown = (0.5 + 0.5 * field / abs(field).max()).tolist()
        angles = range(0, 180, 3 * recording.STEP)
        rates = [round(rate) for rate in self.curve[::3]]
        return still.card(
            "Recording from a cell",
            self.summary(),
            still.side_by_side(still.picture("the retina", seen, 4), still.picture("the cell's field", shown, 4)),
            still.grid("angle, and spikes per second", [[f"{angle}°" for angle in angles], rates], limit=70),
        )
