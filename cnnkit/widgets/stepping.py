"""A convolution, one output at a time: the arithmetic of ``ConvStepper``; ``conv_stepper.js`` says the same."""

from cnnkit.widgets.windows import padded, patch_at, refuse, times, total, turned, window_count

CORRELATION, CONVOLUTION = MODES = ("correlation", "convolution")
DECK_B = {
    "x": [
        [[0, 0, 2, 0, 2], [1, 2, 2, 2, 0], [0, 2, 1, 0, 0], [0, 2, 0, 2, 1], [1, 0, 2, 2, 0]],
        [[1, 0, 0, 2, 0], [1, 0, 1, 0, 1], [0, 0, 2, 1, 2], [1, 2, 1, 0, 0], [1, 2, 2, 0, 2]],
        [[0, 2, 2, 1, 0], [0, 2, 0, 0, 1], [1, 1, 1, 2, 1], [2, 0, 1, 2, 2], [2, 1, 1, 0, 0]],
    ],
    "w": [
        [
            [[-1, 0, -1], [1, -1, 1], [-1, 0, -1]],
            [[0, -1, 1], [1, 1, 1], [-1, 1, -1]],
            [[0, 0, 0], [-1, 1, -1], [1, 1, -1]],
        ],
        [
            [[0, 1, 1], [-1, -1, -1], [1, -1, 1]],
            [[-1, 0, -1], [1, 1, 1], [-1, 1, -1]],
            [[0, 1, 0], [0, 0, -1], [1, -1, 0]],
        ],
    ],
    "b": [1, 0],
}
"""The volume of deck b without its padding, its two filters and their biases; stride 2, pad 1."""
MOST_CHANNELS = 4


def describe(layer):
    """A layer and one of its outputs in full.

    Args:
        layer: a dict with ``x (C, H, W)``, ``w (F, C, KH, KW)`` and ``b (F,)`` as nested lists, ``stride``, ``pad``,
            ``mode``, one of ``MODES``, and ``at``, [filter, row, column] of the output that is looked at.

    Returns:
        A dict: ``problem``, a sentence, or ""; ``output (F, OH, OW)``; ``at``, moved inside; of the output there,
        ``corner``, where its window starts in the padded input, ``patch``, ``kernel`` (turned for a convolution) and
        ``products``, each ``(C, KH, KW)``, ``sums``, one for each channel, and ``value``.
    """
    x, w, stride, pad = layer["x"], layer["w"], layer["stride"], layer["pad"]
    problem = _problem(x, w, layer["b"], stride, pad)
    if problem:
        return {"problem": problem, "output": [], "at": [0, 0, 0]}
    kh, kw = len(w[0][0]), len(w[0][0][0])
    framed = [padded(channel, pad) for channel in x]
    kernels = [[turned(k) for k in one] for one in w] if layer["mode"] == CONVOLUTION else w
    rows, columns = window_count(len(framed[0]), kh, stride), window_count(len(framed[0][0]), kw, stride)

    def parts(f, i, j):
        patch = [patch_at(channel, i * stride, j * stride, kh, kw) for channel in framed]
        return patch, [times(p, k) for p, k in zip(patch, kernels[f], strict=True)]

    def value(f, i, j):
        return sum(map(total, parts(f, i, j)[1])) + layer["b"][f]

    output = [[[value(f, i, j) for j in range(columns)] for i in range(rows)] for f in range(len(w))]
    f, i, j = (min(max(place, 0), n - 1) for place, n in zip(layer["at"], (len(w), rows, columns), strict=True))
    patch, products = parts(f, i, j)
    return {
        "problem": "",
        "output": output,
        "at": [f, i, j],
        "corner": [i * stride, j * stride],
        "patch": patch,
        "kernel": kernels[f],
        "products": products,
        "sums": [total(product) for product in products],
        "value": output[f][i][j],
    }


def _problem(x, w, b, stride, pad):
    if len(x) > MOST_CHANNELS or len(w) > MOST_CHANNELS:
        return f"Up to {MOST_CHANNELS} channels and filters can be shown."
    if any(len(one) != len(x) for one in w):
        return f"A filter has {len(w[0])} channels and the input {len(x)}: they must be as many."
    if len(b) != len(w):
        return f"{len(w)} filters need {len(w)} biases, not {len(b)}."
    return refuse((len(x[0]), len(x[0][0])), (len(w[0][0]), len(w[0][0][0])), stride, pad)
