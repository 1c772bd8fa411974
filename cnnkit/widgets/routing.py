"""Pooling and the way of its gradient: the arithmetic of ``PoolRouter``; ``pool_router.js`` says the same."""

from cnnkit.widgets.windows import given_or_ones, patch_at, refuse, total, window_count

MAXIMUM, MEAN = MODES = ("max", "mean")
CS231N = [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]
"""The grid of the Stanford course's example, which deck b shows."""


def describe(layer):
    """A pooled grid and the gradient in its input.

    Args:
        layer: a dict with ``x (H, W)`` and ``dout``, dL/dy, as nested lists (where ``dout`` has no number for an output
            it is 1), ``size`` and ``stride`` of the windows, ``mode``, one of ``MODES``, and ``at``, [row, column] of
            the output looked at.

    Returns:
        A dict: ``problem``, a sentence, or ""; ``output`` and ``dout (OH, OW)``; ``sources``, for each output the
        places that it came from: the first of the largest, row by row as in torch, or all of the window; ``dx (H, W)``;
        ``given`` and ``kept``, the sums of dL/dy and of dL/dx; ``at``, moved inside.
    """
    x, size, stride = layer["x"], layer["size"], layer["stride"]
    problem = refuse((len(x), len(x[0])), (size, size), stride, 0)
    if problem:
        return {
            "problem": problem,
            "output": [],
            "dout": [],
            "sources": [],
            "dx": [],
            "given": 0,
            "kept": 0,
            "at": [0, 0],
        }
    rows, columns = window_count(len(x), size, stride), window_count(len(x[0]), size, stride)
    output, sources, dx = [], [], [[0] * len(x[0]) for _ in x]
    dout = given_or_ones(layer["dout"], rows, columns)
    for i in range(rows):
        output.append([])
        sources.append([])
        for j in range(columns):
            places = [[i * stride + r, j * stride + c] for r in range(size) for c in range(size)]
            if layer["mode"] == MAXIMUM:
                places = [max(places, key=lambda place: x[place[0]][place[1]])]  # the first of equals
                output[i].append(x[places[0][0]][places[0][1]])
            else:
                output[i].append(total(patch_at(x, i * stride, j * stride, size, size)) / size**2)
            sources[i].append(places)
            for r, c in places:
                dx[r][c] += dout[i][j] / len(places)
    i, j = min(max(layer["at"][0], 0), rows - 1), min(max(layer["at"][1], 0), columns - 1)
    return {
        "problem": "",
        "output": output,
        "dout": dout,
        "sources": sources,
        "dx": dx,
        "given": total(dout),
        "kept": total(dx),
        "at": [i, j],
    }
