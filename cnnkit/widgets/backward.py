"""The gradients of a convolution, one number at a time: the arithmetic of ``BackwardStepper``.

One channel, one filter. ``backward_stepper.js`` says the same in JavaScript.
"""

from cnnkit.widgets.windows import given_or_ones, padded, patch_at, refuse, times, total, turned, window_count

WEIGHTS, INPUT = LOOKS = ("dw", "dx")


def describe(layer):
    """The gradients of L in a layer's weights and in its input, and one of either in full.

    Args:
        layer: a dict with ``x (H, W)``, ``w (KH, KW)`` and ``dout``, dL/dy, as nested lists; where ``dout`` has no
            number for an output it is 1; ``stride``, ``pad``; ``look``, one of ``LOOKS``, and ``at``, [row, column] of
            the gradient looked at.

    Returns:
        A dict: ``problem``, a sentence, or ""; ``dout (OH, OW)`` as it was used; ``dw``, ``dx`` and ``db``;
        ``mirrored``, the turned kernel, and ``spread``, dL/dy with zeros between and around, so that the mirrored
        kernel slides over it one step at a time and puts out dL/dx (with its padding); ``at``, moved inside, and
        ``corner``, ``patch``, ``products`` and ``value`` of the gradient looked at. For dw the patch holds the inputs
        that this weight met, one for each output, and ``products`` is that times dL/dy.
    """
    x, w, stride, pad = layer["x"], layer["w"], layer["stride"], layer["pad"]
    sides, kernel = (len(x), len(x[0])), (len(w), len(w[0]))
    problem = refuse(sides, kernel, stride, pad)
    if problem:
        return {"problem": problem, "dout": [], "dw": [], "dx": [], "db": 0, "at": [0, 0]}
    framed, (kh, kw) = padded(x, pad), kernel
    rows, columns = (window_count(side + 2 * pad, k, stride) for side, k in zip(sides, kernel, strict=True))
    dout = given_or_ones(layer["dout"], rows, columns)

    def met(i, j):
        """The inputs that weight (i, j) was multiplied with."""
        return [[framed[i + stride * r][j + stride * c] for c in range(columns)] for r in range(rows)]

    mirrored = turned(w)
    spread = _spread(dout, kernel, stride, [side + 2 * pad for side in sides])
    pulled = lambda i, j: times(patch_at(spread, i + pad, j + pad, kh, kw), mirrored)
    dw = [[total(times(met(i, j), dout)) for j in range(kw)] for i in range(kh)]
    dx = [[total(pulled(i, j)) for j in range(sides[1])] for i in range(sides[0])]
    of = dw if layer["look"] == WEIGHTS else dx
    i, j = min(max(layer["at"][0], 0), len(of) - 1), min(max(layer["at"][1], 0), len(of[0]) - 1)
    if layer["look"] == WEIGHTS:
        corner, patch, products = [i, j], met(i, j), times(met(i, j), dout)
    else:
        corner, patch, products = [i + pad, j + pad], patch_at(spread, i + pad, j + pad, kh, kw), pulled(i, j)
    return {
        "problem": "",
        "dout": dout,
        "dw": dw,
        "dx": dx,
        "db": total(dout),
        "mirrored": mirrored,
        "spread": spread,
        "at": [i, j],
        "corner": corner,
        "patch": patch,
        "products": products,
        "value": of[i][j],
    }


def _spread(dout, kernel, stride, sides):
    """``dout`` with ``stride - 1`` zeros between, and zeros around for a full correlation onto ``sides``."""
    kh, kw = kernel
    whole = [[0] * (sides[1] + kw - 1) for _ in range(sides[0] + kh - 1)]
    for i, row in enumerate(dout):
        for j, value in enumerate(row):
            whole[kh - 1 + stride * i][kw - 1 + stride * j] = value
    return whole
