"""Networks as lists of plain dicts, and their table: the arithmetic of ``StackTable``, on top of ``cnnkit.shapes``.

A layer is ``{"layer": "Conv", "filters": 96, "k": 11, "stride": 4}``: the name of a class of ``cnnkit.shapes`` and
those of its fields that differ from the default. ``stack_table.js`` says the same in JavaScript.
"""

from dataclasses import MISSING, fields

from cnnkit import shapes

KINDS = ("Conv", "Pool", "AvgPool", "GlobalPool", "BatchNorm", "Linear", "Branches")
OFFERED = ("LeNet-5", "ConvNetJS", "AlexNet", "ZFNet", "VGG-A", "VGG-D", "GoogLeNet", "ResNet-18", "ResNet-50")
"""Presets in the order of history: small enough to travel with every table."""


def plain(layer):
    """A layer of ``cnnkit.shapes``, or a dict already, as a dict."""
    if isinstance(layer, dict):
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
    if layer.get("layer") not in KINDS:
        raise TypeError(f"a layer is one of {', '.join(KINDS)}; not {layer.get('layer')}")
    kind = getattr(shapes, layer["layer"])
    given = {key: value for key, value in layer.items() if key != "layer"}
    if kind is shapes.Branches:
        paths = tuple(tuple(built(inner) for inner in path) for path in layer["paths"])
        return kind(layer["join"], paths)
    known = {field.name: field.default is MISSING for field in fields(kind)}
    wrong = [key for key in given if key not in known] + [
        key for key, needed in known.items() if needed > (key in given)
    ]
    if wrong:
        raise TypeError(f"{layer['layer']} has {', '.join(known)}; look at {', '.join(wrong)}")
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
    rows = []
    for index in range(working):
        new = shapes.table(layers[: index + 1], shape)[len(rows) :]
        rows += [row._asdict() | {"shape": list(row.shape), "index": index} for row in new]
    sums = {name: sum(row[name] for row in rows) for name in ("parameters", "multiply_adds", "memory")}
    last = rows[-1] if rows else {"field": 1, "shape": list(shape)}
    return sums | {"rows": rows, "field": last["field"], "output": last["shape"], "problem": problem}


def _working(layers, shape):
    """How many layers work, and why the next does not."""
    if min(shape) < 1:
        return 0, "The input needs at least one channel, one row and one column."
    for index, layer in enumerate(layers):
        before = shapes.table(layers[:index], shape)
        flat = bool(before) and len(before[-1].shape) == 1
        if flat and layer.kind in ("conv", "pool", "join"):
            return index, f"Layer {index + 1}: behind a fully connected layer there is no picture to slide over."
        try:
            shapes.table(layers[: index + 1], shape)
        except ValueError as error:
            return index, f"Layer {index + 1}: {error}."
    return len(layers), ""
