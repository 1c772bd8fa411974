"""Networks as lists of plain dicts, and their table: the arithmetic of ``StackTable``, on top of ``cnnkit.shapes``.

A layer is ``{"layer": "Conv", "filters": 96, "k": 11, "stride": 4}``: the name of a class of ``cnnkit.shapes`` and
those of its fields that differ from the default. ``stack_table.js`` says the same in JavaScript.
"""

from bisect import bisect_left
from dataclasses import MISSING, fields

import numpy as np

from cnnkit import shapes

KINDS = ("Conv", "Pool", "AvgPool", "GlobalPool", "BatchNorm", "Linear", "Branches")
OF_SHAPES = tuple(getattr(shapes, kind) for kind in KINDS)
LEAST = {"filters": 1, "k": 1, "stride": 1, "pad": 0, "groups": 1, "dilation": 1, "units": 1}
MOST_LAYERS, LARGEST = 200, 10**6
OFFERED = ("LeNet-5", "ConvNetJS", "AlexNet", "ZFNet", "VGG-A", "VGG-D", "GoogLeNet", "ResNet-18", "ResNet-50")
"""Presets in the order of history: small enough to travel with every table."""


def plain(layer):
    """A layer of ``cnnkit.shapes``, or a dict already, as a dict."""
    if isinstance(layer, dict) or not isinstance(layer, OF_SHAPES):
        return layer
    name = type(layer).__name__
    if name == "Branches":
        paths = [[plain(inner) for inner in path] for path in layer.paths]
        return {"layer": name, "join": layer.join, "paths": paths}
    values = {field.name: (getattr(layer, field.name), field.default) for field in fields(layer)}
    return {"layer": name} | {key: value for key, (value, usual) in values.items() if value != usual}


def built(layer):
    """The layer of ``cnnkit.shapes`` that a dict describes.

    Raises:
        TypeError: for a name or a field that there is none of, or where one is missing.
    """
    name = layer.get("layer") if isinstance(layer, dict) else None
    if name not in KINDS:
        raise TypeError(f'a layer is a dict with "layer", one of {", ".join(KINDS)}; not {layer!r}')
    kind = getattr(shapes, name)
    given = {key: value for key, value in layer.items() if key != "layer"}
    if kind is shapes.Branches:
        if given.get("join") not in ("add", "concatenate") or not given.get("paths"):
            raise TypeError('Branches have paths, and join, "add" or "concatenate"')
        paths = tuple(tuple(built(inner) for inner in path) for path in layer["paths"])
        return kind(layer["join"], paths)
    known = {field.name: field.default is MISSING for field in fields(kind)}
    wrong = [key for key in given if key not in known] + [
        key for key, needed in known.items() if needed > (key in given)
    ]
    wrong += [key for key, value in given.items() if key not in wrong and not isinstance(value, int | np.integer)]
    if wrong:
        raise TypeError(f"{name} has {', '.join(known)}, whole numbers; look at {', '.join(wrong)}")
    return kind(**given)


def presets(names=OFFERED):
    """Name to ``[layers, shape of the input]``."""
    return {
        name: [[plain(layer) for layer in shapes.PRESETS[name][0]], list(shapes.PRESETS[name][1])] for name in names
    }


def describe(network):
    """The table of a network.

    Args:
        network: a dict of ``layers``, a list of dicts, and ``shape``, (C, H, W) of one image.

    Returns:
        A dict: ``rows``, a dict for each layer up to the first that does not work, with ``index``, its place in the
        list; the sums ``parameters``, ``multiply_adds`` and ``memory``, and ``field`` and ``output`` of the last row;
        ``problem``, a sentence about that first layer, or "".
    """
    layers, shape = [built(layer) for layer in network["layers"]], tuple(network["shape"])
    working, problem = _working(layers, shape)
    indices = [index for index, layer in enumerate(layers[:working]) for _ in range(_row_count(layer))]
    rows = [
        row._asdict() | {"shape": list(row.shape), "index": index}
        for row, index in zip(shapes.table(layers[:working], shape), indices, strict=True)
    ]
    sums = {name: sum(row[name] for row in rows) for name in ("parameters", "multiply_adds", "memory")}
    last = rows[-1] if rows else {"field": 1, "shape": list(shape)}
    return sums | {"rows": rows, "field": last["field"], "output": last["shape"], "problem": problem}


def _row_count(layer):
    """How many rows of a table a layer has."""
    paths = layer.paths if isinstance(layer, shapes.Branches) else ()
    return 1 + sum(_row_count(inner) for path in paths for inner in path)


def _working(layers, shape):
    """How many layers work, and why the next does not."""
    if min(shape) < 1:
        return 0, "The input needs at least one channel, one row and one column."
    if max(shape) > LARGEST:
        return 0, f"The input may have up to {LARGEST} channels, rows and columns."
    if len(layers) > MOST_LAYERS:
        return 0, f"{len(layers)} layers are too many to show; up to {MOST_LAYERS} can be."
    end, problem = _first_wrong(layers)
    # All before a layer that works do, too.
    count = bisect_left(range(1, end + 1), True, key=lambda count: bool(_misfit(layers[:count], shape)))
    problem = _misfit(layers[: count + 1], shape) if count < end else problem
    return count, problem and f"Layer {count + 1}: {problem}."


def _misfit(layers, shape):
    """Why the layers do not fit behind each other, or ""."""
    try:
        shapes.table(layers, shape)
    except ValueError as error:
        return str(error)
    return ""


def _first_wrong(layers):
    """The index of the first layer that is wrong whatever the shapes are, and why; or how many there are, and ""."""
    is_flat = False
    for index, layer in enumerate(layers):
        if is_flat and layer.kind in ("conv", "pool", "join"):
            return index, "behind a fully connected layer there is no picture to slide over"
        is_flat = is_flat or layer.kind == "fc"
        for field in fields(layer):
            value = getattr(layer, field.name)
            if field.name in LEAST and not LEAST[field.name] <= value <= LARGEST:
                return index, f"{field.name} must be from {LEAST[field.name]} to {LARGEST}, not {value}"
    return len(layers), ""
