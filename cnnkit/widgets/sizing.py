"""The size of a layer's output, along both sides, with the reasons: the arithmetic of ``SizeCalculator``.

``size_calculator.js`` says the same in JavaScript; golden vectors keep the two in step.
"""

import math

from cnnkit import shapes

CONV, TRANSPOSED, POOL = KINDS = ("convolution", "transposed convolution", "max pooling")
ROUNDINGS = ("down", "up")
LARGEST = 10**9
SIDES = ("height", "width")
MOST_LAYERS = 100
DRAWN = 64
"""Up to this many positions, what no window reads is told one by one."""

_NUMBERS = {  # name -> (least value, what a sentence calls it)
    "n": (1, "The input size"),
    "k": (1, "The kernel size"),
    "stride": (1, "The stride"),
    "pad": (0, "The padding"),
    "dilation": (1, "The dilation"),
    "output_pad": (0, "The output padding"),
    "c_in": (1, "The number of input channels"),
    "c_out": (1, "The number of filters"),
    "groups": (1, "The number of groups"),
}
_VARIED = {CONV: ("stride", "pad", "k", "n", "dilation", "groups"), POOL: ("stride", "pad", "k", "n", "dilation")}
_VARIED[TRANSPOSED] = ("output_pad", "pad", "k", "stride", "n", "groups")
_CALLED = {
    "n": "input",
    "k": "kernel",
    "pad": "padding",
    "output_pad": "output padding",
}


def pair(value):
    """``[height, width]`` of an int, which holds for both, or of a pair."""
    return [value, value] if isinstance(value, int | str) else list(value)


def describe(layer):
    """All that there is to say about a layer.

    Args:
        layer: a dict with ``kind`` (one of ``KINDS``), ``n``, ``k``, ``stride``, ``pad``, ``dilation`` and
            ``output_pad`` (an int, or a pair for height and width; ``pad`` may be "same"), ``c_in``, ``c_out``,
            ``groups``, ``bias`` and ``rounding`` (one of ``ROUNDINGS``).

    Returns:
        A dict: ``problem``, a sentence that says why there is no output, or ""; ``sides``, one or two dicts with the
        formula, the exact and the rounded size and the padding; ``size``, ``shape``, ``parameters``, ``count``;
        ``torch`` and ``keras``, code; ``suggestions``, the nearest layers that work.
    """
    problem = _problem(layer)
    result = {"problem": problem, "sides": [], "size": [], "shape": "", "parameters": 0, "count": ""}
    if not problem:
        sides = [_side(layer, axis) for axis in (0, 1)]
        result["size"] = [side["size"] for side in sides]
        result["sides"] = sides[:1] if sides[0] == sides[1] else sides
        channels = layer["c_in"] if layer["kind"] == POOL else layer["c_out"]
        result["shape"] = f"{sides[0]['size']} × {sides[1]['size']} × {channels}"
        result["parameters"], result["count"] = _parameters(layer)
    result["torch"] = "" if problem else torch_line(layer)
    result["keras"] = "" if problem else keras_line(layer)
    fine = not problem and all(side["fits"] for side in result["sides"])
    result["suggestions"] = [] if fine else _suggestions(layer)
    return result


def _problem(layer):
    """Why there can be no such layer, in a sentence, or ""."""
    for name, (least, called) in _NUMBERS.items():
        for value in pair(layer[name]):
            if name == "pad" and value == "same":
                continue
            if value < least:
                return f"{called} must be at least {least}, not {_signed(value)}."
            if value > LARGEST:
                return f"{called} must be at most {LARGEST}."
    if layer["kind"] != POOL:
        for name in ("c_in", "c_out"):
            if layer[name] % layer["groups"]:
                called = "input channels" if name == "c_in" else "filters"
                return f"{layer['groups']} groups cannot share {layer[name]} {called} evenly."
    return next((found for found in (_side_problem(_numbers(layer, axis)) for axis in (0, 1)) if found), "")


def _numbers(layer, axis):
    """The layer's numbers along one side, with the kernel's ``reach``."""
    one = {name: pair(layer[name])[axis] for name in ("n", "k", "stride", "pad", "dilation", "output_pad")}
    reach = one["dilation"] * (one["k"] - 1) + 1
    return one | {"reach": reach, "kind": layer["kind"], "rounding": layer["rounding"]}


def _side_problem(one):
    n, stride, pad, reach = one["n"], one["stride"], one["pad"], one["reach"]
    if one["kind"] == TRANSPOSED:
        most = max(stride, one["dilation"])
        if pad == "same":
            uneven = (
                f"No padding takes {n} to {n * stride} with a kernel that reaches over {reach}: one end would lose "
                "more than the other, which torch cannot do."
            )
            return "" if _same_cut(one) else uneven
        if one["output_pad"] >= most:
            return f"The output padding must be less than the larger of stride and dilation, {most}."
        if _spread(one) < 1:
            return f"Cutting off 2·{pad} leaves nothing of {_spread(one) + 2 * pad}."
        return ""
    if pad == "same":
        return ""
    if one["kind"] == POOL and 2 * pad > one["k"]:
        return f"Padding by {pad} is more than half of the window, {one['k']}, which torch refuses."
    missing = reach - n - 2 * pad
    if missing > 0 and not (one["rounding"] == "up" and missing < stride):
        return f"A kernel that reaches over {reach} does not fit into {n} + 2·{pad} = {n + 2 * pad}."
    return ""


def _side(layer, axis):
    """One side of a layer that works."""
    one = _numbers(layer, axis)
    n, k, stride, pad, dilation, reach = (one[name] for name in ("n", "k", "stride", "pad", "dilation", "reach"))
    side = {"n": n, "k": k, "stride": stride, "dilation": dilation, "reach": reach, "fits": True, "uncovered": 0}
    numerator = f"{n} + 2·{pad} − {k}" if dilation == 1 else f"{n} + 2·{pad} − {dilation}·({k} − 1) − 1"
    if layer["kind"] == TRANSPOSED:
        before, added = _same_cut(one) if pad == "same" else (pad, one["output_pad"])
        size = shapes.conv_transpose_output_size(n, k, stride, before, added, dilation)
        kernel = f"{k}" if dilation == 1 else f"{dilation}·({k} − 1) + 1"
        formula = f"({n} − 1)·{stride} − 2·{before} + {kernel} + {added} = {size}"
        verdict = f"cut by {before} at both ends"
        side |= {"before": before, "after": before, "added": added, "length": size + 2 * before, "exact": size}
    elif pad == "same":
        size = -(-n // stride)
        before, after = shapes.same_padding(n, k, stride, dilation)
        formula = f"⌈{n} / {stride}⌉ = {size}"
        verdict = f"same: {before} before, {after} after"
        length = n + before + after
        side |= {"before": before, "after": after, "added": 0, "length": length, "exact": size}
        # Windows that lie farther apart than they reach may leave something at the end.
        side["uncovered"] = max(0, length - (size - 1) * stride - reach)
    else:
        up = layer["rounding"] == "up"
        if up or layer["kind"] == POOL:
            size = shapes.pool_output_size(n, k, stride, pad, dilation, up)
        else:
            size = shapes.conv_output_size(n, k, stride, pad, dilation)
        exact = (n + 2 * pad - reach) / stride + 1
        length = n + 2 * pad
        added = max(0, (size - 1) * stride + reach - length)
        uncovered = max(0, length - (size - 1) * stride - reach)
        fits = shapes.conv_fits(n, k, stride, pad, dilation)
        formula = f"({numerator}) / {stride} + 1 = {number(exact)}"
        verdict = "fits exactly" if fits else f"{number(exact)}: does not fit"
        side |= {"before": pad, "after": pad, "added": added, "length": length + added, "exact": exact}
        side |= {"fits": fits, "uncovered": uncovered}
    return side | {"size": size, "formula": formula, "verdict": verdict, "unread": _unread(layer["kind"], side, size)}


def _spread(one):
    """How long the output of a transposed convolution is."""
    return (one["n"] - 1) * one["stride"] - 2 * one["pad"] + one["reach"] + one["output_pad"]


def _same_cut(one):
    """``(pad, output_pad)`` that give a transposed convolution n stride outputs, or None."""
    excess = one["reach"] - one["stride"]
    pad = max(0, (excess + 1) // 2)
    added = 2 * pad - excess
    return (pad, added) if added < max(one["stride"], one["dilation"]) else None


def _unread(kind, side, size):
    """Positions, padding included, that no window reads; none are told of a long side, or of a transposed one."""
    if kind == TRANSPOSED or side["length"] > DRAWN:
        return []
    read = {i * side["stride"] + j * side["dilation"] for i in range(size) for j in range(side["k"])}
    return [position for position in range(side["length"]) if position not in read]


def _parameters(layer):
    """``(number of parameters, how it was counted)``."""
    if layer["kind"] == POOL:
        return 0, "0: pooling learns nothing"
    (kh, kw), c_in, c_out, groups = pair(layer["k"]), layer["c_in"], layer["c_out"], layer["groups"]
    weights = c_out * (c_in // groups) * kh * kw
    total = weights + layer["bias"] * c_out
    share = f"{c_in // groups}·{kh}·{kw}"
    return total, f"{c_out}·({share} + 1) = {total}" if layer["bias"] else f"{c_out}·{share} = {total}"


# Code


def torch_line(layer):
    """A ``torch`` module that does the same, as code; the layer must be one that works."""
    kind, sides = layer["kind"], [_side(layer, axis) for axis in (0, 1)]
    step, spread = _code(layer["stride"]), _code(layer["dilation"])
    options = {"stride": (step, "1"), "padding": ("0", "0"), "output_padding": ("0", "0"), "dilation": (spread, "1")}
    before = [side["before"] for side in sides]
    if kind == POOL:
        options["stride"] = (step, _code(layer["k"]))
    if kind == TRANSPOSED:
        options["padding"] = (_code(before), "0")
        options["output_padding"] = (_code([side["added"] for side in sides]), "0")
    ahead = ""
    if kind != TRANSPOSED:
        ceil = kind == POOL and layer["rounding"] == "up" and layer["pad"] != "same"
        ends = [side["after"] + (0 if ceil else side["added"]) for side in sides]
        if layer["pad"] == "same" and kind == CONV and pair(layer["stride"]) == [1, 1]:
            options["padding"] = ('"same"', "")
        elif before == ends and not (kind == POOL and any(2 * side["before"] > side["k"] for side in sides)):
            options["padding"] = (_code(before), "0")
        else:
            edges = f"({before[1]}, {ends[1]}, {before[0]}, {ends[0]})"
            pads = f'torch.nn.ConstantPad2d({edges}, float("-inf"))' if kind == POOL else f"torch.nn.ZeroPad2d({edges})"
            ahead = f"torch.nn.Sequential({pads}, "
        if ceil:
            options["ceil_mode"] = ("True", "False")
    given = "".join(f", {name}={value}" for name, (value, default) in options.items() if value != default)
    if kind == POOL:
        line = f"torch.nn.MaxPool2d({_code(layer['k'])}{given})"
    else:
        name = "ConvTranspose2d" if kind == TRANSPOSED else "Conv2d"
        given += f", groups={layer['groups']}" if layer["groups"] > 1 else ""
        given += "" if layer["bias"] else ", bias=False"
        line = f"torch.nn.{name}({layer['c_in']}, {layer['c_out']}, kernel_size={_code(layer['k'])}{given})"
    return f"{ahead}{line})" if ahead else line


def keras_line(layer):
    """A Keras layer, or a few, that do the same, as code; or a comment that says why Keras has none.

    By the documentation of Keras 3: "same" puts the odd zero last, strides and dilation exclude each other, pooling
    pads with "same" alone, and a transposed convolution is cut only from outside.
    """
    kind, sides = layer["kind"], [_side(layer, axis) for axis in (0, 1)]
    steps, spread = pair(layer["stride"]), pair(layer["dilation"])
    if kind == POOL and spread != [1, 1]:
        return "# Keras has no dilated pooling"
    if max(steps) > 1 and max(spread) > 1:
        return "# Keras takes strides or dilation_rate above 1, not both"
    if kind == TRANSPOSED and layer["groups"] > 1:
        return "# Keras has no transposed convolution in groups"
    given = f", strides={_code(steps)}" if kind == POOL or steps != [1, 1] else ""
    after, ahead = "", ""
    if kind == TRANSPOSED:
        added = [side["added"] for side in sides]
        if any(a >= s for a, s in zip(added, steps, strict=True)):
            return "# Keras takes output_padding below strides only"
        given += f", output_padding={_code(added)}"
        cut = [side["before"] for side in sides]
        after = f"keras.layers.Cropping2D({_code(cut)})" if any(cut) else ""
    elif layer["pad"] == "same":
        given += ', padding="same"'
    else:
        edges = [(side["before"], side["after"] + side["added"]) for side in sides]
        if any(map(any, edges)):
            if kind == POOL:
                return "# Keras pads no pooling by a number: its zeros would count as values"
            plain = all(first == last for first, last in edges)
            ahead = f"keras.layers.ZeroPadding2D({_code([e[0] for e in edges]) if plain else _pairs(edges)})"
    given += "" if spread == [1, 1] else f", dilation_rate={_code(spread)}"
    if kind == POOL:
        line = f"keras.layers.MaxPooling2D({_code(layer['k'])}{given})"
    else:
        name = "Conv2DTranspose" if kind == TRANSPOSED else "Conv2D"
        given += f", groups={layer['groups']}" if layer["groups"] > 1 else ""
        given += "" if layer["bias"] else ", use_bias=False"
        line = f"keras.layers.{name}({layer['c_out']}, {_code(layer['k'])}{given})"
    parts = [part for part in (ahead, line, after) if part]
    return line if len(parts) == 1 else f"keras.Sequential([{', '.join(parts)}])"


def _code(value):
    """An int as it is, and a pair of equal ints as one."""
    height, width = pair(value)
    return f"{height}" if height == width else f"({height}, {width})"


def _pairs(edges):
    return f"(({edges[0][0]}, {edges[0][1]}), ({edges[1][0]}, {edges[1][1]}))"


# What would work


def _suggestions(layer, most=4):
    """The nearest layers, each with one number changed, whose windows fit exactly."""
    found = []
    for name in _VARIED[layer["kind"]]:
        if name == "pad" and layer["pad"] == "same":
            continue
        options = [(abs(value - old), value, change) for old, value, change in _changes(layer, name)]
        for distance, _, change in sorted(options, key=lambda option: option[:2]):
            candidate = layer | change
            if _problem(candidate):
                continue
            sides = [_side(candidate, axis) for axis in (0, 1)]
            if all(side["fits"] for side in sides):
                size = f"{sides[0]['size']} × {sides[1]['size']}"
                text = f"{_CALLED.get(name, name)} {_words(change[name])} gives {size}"
                found.append((distance, {"text": text, "change": change}))
                break
    return [suggestion for _, suggestion in sorted(found, key=lambda option: option[0])[:most]]


def _changes(layer, name):
    """``(old value, new value, {name: new})`` for values near the old one, or just within the limits."""
    values = pair(layer[name])
    same = values[0] == values[1]
    for axis in (0,) if same else (0, 1):
        old = values[axis]
        one = _numbers(layer, axis)
        limits = []
        if one["pad"] != "same" and layer["kind"] != TRANSPOSED:
            inside = one["n"] + 2 * one["pad"]
            limits = {"k": [inside], "n": [one["reach"] - 2 * one["pad"]], "pad": [(one["reach"] - one["n"] + 1) // 2]}
            limits = limits.get(name, [])
        for new in sorted({*range(old - 8, old + 9), *limits} - {old}):
            if new >= _NUMBERS[name][0]:
                changed = new if same else [new if i == axis else other for i, other in enumerate(values)]
                yield old, new, {name: changed}


def _words(value):
    return f"{value}" if isinstance(value, int) else f"{value[0]}, {value[1]}"


def headline(layer):
    """The sentence that says what comes out."""
    result = describe(layer)
    if result["problem"]:
        return result["problem"]
    rounded = "Rounded up" if layer["rounding"] == "up" else "PyTorch"
    off = [f"{side['verdict']}. {rounded}: {side['size']}." for side in result["sides"] if not side["fits"]]
    return " ".join([*off, f"Output {result['shape']}"])


# A stack


def whole_layer(numbers):
    """A layer of a stack with all its numbers; what is left out is as in torch."""
    usual = {"kind": CONV, "k": 3, "stride": 1, "pad": 0, "dilation": 1, "output_pad": 0, "c_out": 1, "groups": 1}
    usual |= {"bias": True, "rounding": "down"}
    if numbers.get("kind") == POOL:
        usual["stride"] = numbers.get("k", usual["k"])
    for name in numbers:
        if name not in usual:
            raise TypeError(f"a layer of a stack has {', '.join(usual)}; not {name}")
    return usual | numbers


def stack(layers, h, w, c):
    """Sizes through a stack: ``(shapes, parameters, problem)``; it ends at the first layer that does not work."""
    sizes, parameters = [], 0
    if len(layers) > MOST_LAYERS:
        return sizes, parameters, f"{len(layers)} layers are too many to show; up to {MOST_LAYERS} can be."
    for index, layer in enumerate(layers):
        result = describe(layer | {"n": [h, w], "c_in": c})
        if result["problem"]:
            return sizes, parameters, f"Layer {index + 1}: {result['problem']}"
        (h, w), c = result["size"], c if layer["kind"] == POOL else layer["c_out"]
        sizes.append([h, w, c])
        parameters += result["parameters"]
    return sizes, parameters, ""


def number(value):
    """A number for a sentence: whole, or with two digits behind the point, half of a last digit rounded up."""
    rounded = math.floor(value * 100 + 0.5) / 100
    return _signed(int(value)) if value == int(value) else _signed(f"{rounded:.2f}")


def _signed(value):
    return f"{value}".replace("-", "−")
