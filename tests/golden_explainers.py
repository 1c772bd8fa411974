"""Golden vectors of the explainers: inputs, and what their arithmetic in Python makes of them.

    python tests/golden_explainers.py

writes golden_explainers.json. The tests hold the Python to it, and to torch; and the JavaScript to it, in a browser.
"""

import json
import random
from pathlib import Path

from cnnkit.widgets import backward, columns, kernels, recording, routing, sizing, stacks, stepping

FILE = Path(__file__).with_suffix(".json")


def size_calculator(rng):
    deck = {"kind": sizing.CONV, "n": 7, "k": 3, "stride": 3, "pad": 0, "dilation": 1, "output_pad": 0}
    deck |= {"c_in": 1, "c_out": 1, "groups": 1, "bias": True, "rounding": "down"}
    yield deck
    yield deck | {"n": 32, "k": 5, "stride": 1, "pad": 2, "c_in": 3, "c_out": 10}
    changes = [{"k": 9}, {"stride": 0}, {"pad": -1}, {"n": [7, 10**6]}, {"n": 10**10}, {"c_in": 3, "groups": 2}]
    yield from (deck | change for change in changes)
    side = lambda low, high: rng.choice([rng.randint(low, high), [rng.randint(low, high), rng.randint(low, high)]])
    for _ in range(150):
        groups = rng.randint(1, 3)
        yield {
            "kind": rng.choice(sizing.KINDS),
            "n": side(1, 20),
            "k": side(1, 6),
            "stride": side(1, 5),
            "pad": rng.choice([0, 0, side(0, 3), "same"]),
            "dilation": rng.choice([1, 1, side(1, 3)]),
            "output_pad": rng.choice([0, 0, side(0, 2)]),
            "c_in": groups * rng.randint(1, 3),
            "c_out": groups * rng.randint(1, 3) + rng.choice([0, 0, 0, 1]),
            "groups": groups,
            "bias": rng.random() < 0.7,
            "rounding": rng.choice(sizing.ROUNDINGS),
        }


def stack_table(rng):
    for name in stacks.OFFERED:
        layers, shape = stacks.presets([name])[name]
        yield {"layers": layers, "shape": shape}
    layers, shape = stacks.presets(["AlexNet"])["AlexNet"]
    yield {"layers": layers, "shape": [3, 60, 300]}
    yield {"layers": layers, "shape": [3, 0, 300]}
    yield {"layers": [*layers, {"layer": "Conv", "filters": 4, "k": 1}], "shape": shape}
    yield {"layers": [{"layer": "Conv", "filters": 4, "k": 3, "groups": 2}], "shape": shape}
    yield {"layers": [{"layer": "Conv", "filters": 4, "k": 3, "stride": 0}], "shape": shape}
    for _ in range(30):
        layers = []
        for _ in range(rng.randint(1, 6)):
            window = {"k": rng.randint(1, 4), "stride": rng.randint(1, 3), "pad": rng.randint(0, 1)}
            if rng.random() < 0.5:
                layers.append({"layer": "Conv", "filters": rng.randint(1, 9), **window, "dilation": rng.randint(1, 2)})
            else:
                layers.append({"layer": rng.choice(["Pool", "AvgPool"]), **window, "ceil": rng.random() < 0.5})
        yield {"layers": layers, "shape": [rng.randint(1, 3), rng.randint(5, 40), rng.randint(5, 40)]}


def numbers(rng, *shape):
    if not shape:
        return rng.choice([rng.randint(-3, 3), round(rng.uniform(-2, 2), 2)])
    return [numbers(rng, *shape[1:]) for _ in range(shape[0])]


def conv_stepper(rng):
    deck = stepping.DECK_B | {"stride": 2, "pad": 1, "mode": stepping.CORRELATION, "at": [0, 1, 1]}
    yield deck
    yield from (deck | change for change in [{"stride": 0}, {"pad": -1}, {"pad": 9}, {"b": [1]}, {"x": deck["x"][:2]}])
    for _ in range(40):
        c, f = rng.randint(1, 3), rng.randint(1, 3)
        yield {
            "x": numbers(rng, c, rng.randint(3, 7), rng.randint(3, 7)),
            "w": numbers(rng, f, c, rng.randint(1, 4), rng.randint(1, 4)),
            "b": numbers(rng, f),
            "stride": rng.randint(1, 3),
            "pad": rng.randint(0, 2),
            "mode": rng.choice(stepping.MODES),
            "at": [rng.randint(0, 2), rng.randint(0, 4), rng.randint(0, 4)],
        }


def backward_stepper(rng):
    for _ in range(50):
        yield {
            "x": numbers(rng, rng.randint(2, 7), rng.randint(2, 7)),
            "w": numbers(rng, rng.randint(1, 3), rng.randint(1, 3)),
            "dout": numbers(rng, 2, 3),
            "stride": rng.randint(0, 3),
            "pad": rng.randint(0, 2),
            "look": rng.choice(backward.LOOKS),
            "at": [rng.randint(0, 6), rng.randint(0, 6)],
        }


def pool_router(rng):
    grid = {"x": routing.CS231N, "dout": [[1, 2], [3, 4]], "size": 2, "stride": 2, "at": [0, 1]}
    yield from (grid | {"mode": mode} for mode in routing.MODES)
    for _ in range(50):
        yield {
            "x": numbers(rng, rng.randint(2, 7), rng.randint(2, 7)),
            "dout": numbers(rng, 2, 2),
            "size": rng.randint(0, 3),
            "stride": rng.randint(0, 3),
            "mode": rng.choice(routing.MODES),
            "at": [rng.randint(0, 3), rng.randint(0, 3)],
        }


def im2col_explorer(rng):
    for _ in range(50):
        sizes = {"n": rng.randint(0, 7), "k": rng.randint(0, 4), "stride": rng.randint(0, 3), "pad": rng.randint(0, 2)}
        yield sizes | {"channels": rng.randint(1, 4), "at": rng.randint(0, 20)}


def kernel_lab(rng):
    for kernel in kernels.PRESETS.values():
        for flip in (False, True):
            yield {"image": numbers(rng, 5, 6), "kernel": kernel, "flip": flip}
    yield {"image": numbers(rng, 2, 6), "kernel": kernel, "flip": False}
    yield {"image": numbers(rng, 5, 6), "kernel": kernel[:2], "flip": False}


def cortex_lab(rng):
    for cell in recording.CELLS:
        for stimulus in recording.STIMULI:
            for _ in range(4):
                yield {
                    "cell": cell,
                    "stimulus": stimulus,
                    "prefers": 5 * rng.randint(0, 35),
                    "angle": 5 * rng.randint(0, 35),
                    "position": rng.randint(-12, 12),
                    "phase": 15 * rng.randint(0, 23),
                }


EXPLAINERS = {  # script -> (inputs, arithmetic)
    "size_calculator": (size_calculator, sizing.describe),
    "conv_stepper": (conv_stepper, stepping.describe),
    "backward_stepper": (backward_stepper, backward.describe),
    "pool_router": (pool_router, routing.describe),
    "im2col_explorer": (im2col_explorer, columns.describe),
    "kernel_lab": (kernel_lab, kernels.describe),
    "cortex_lab": (cortex_lab, recording.describe),
    "stack_table": (stack_table, stacks.describe),
}


def vectors():
    """Everything that the file holds."""
    return {
        script: [{"inputs": inputs, "result": compute(inputs)} for inputs in make(random.Random(script))]
        for script, (make, compute) in EXPLAINERS.items()
    }


def text():
    return json.dumps(vectors(), ensure_ascii=False, separators=(",", ":")).replace('{"inputs"', '\n{"inputs"') + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
