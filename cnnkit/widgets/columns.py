"""im2col, patch by patch: the arithmetic of ``Im2colExplorer``; ``im2col_explorer.js`` says the same in JavaScript."""

from cnnkit.widgets.windows import padded, patch_at, refuse, window_count

MOST_CHANNELS, MOST_ROWS, MOST_COLUMNS = 3, 27, 36
FILTERS = 2


def describe(layer):
    """An input whose values are numbered, its matrix of patches, and the product with two filters.

    Args:
        layer: a dict with ``n``, the side of the input, ``k``, ``stride``, ``pad``, ``channels`` and ``at``, the column
            looked at.

    Returns:
        A dict: ``problem``, a sentence, or ""; ``x (C, n, n)``, 1, 2, 3, ... so that each value tells its place;
        ``columns (C k k, OH OW)``, channel by channel and row by row within a patch; ``w (2, C k k)``; ``product (2,
        OH OW)``; ``side``, OH; ``at``, moved inside; ``corner`` of its window in the padded input; ``patch (C, k, k)``.
    """
    n, k, stride, pad, channels = (layer[name] for name in ("n", "k", "stride", "pad", "channels"))
    problem = _problem(n, k, stride, pad, channels)
    if problem:
        return {"problem": problem, "x": [], "columns": [], "w": [], "product": [], "side": 0, "at": 0}
    x = [[[(c * n + i) * n + j + 1 for j in range(n)] for i in range(n)] for c in range(channels)]
    framed, side = [padded(channel, pad) for channel in x], window_count(n + 2 * pad, k, stride)

    def patch(index):
        i, j = index // side * stride, index % side * stride
        return [patch_at(channel, i, j, k, k) for channel in framed]

    flat = [[value for channel in patch(p) for row in channel for value in row] for p in range(side**2)]
    w = [[row * (2 * f + 1) % 5 - 2 for row in range(channels * k * k)] for f in range(FILTERS)]
    at = min(max(layer["at"], 0), side**2 - 1)
    return {
        "problem": "",
        "x": x,
        "columns": [list(row) for row in zip(*flat, strict=True)],
        "w": w,
        "product": [[sum(a * b for a, b in zip(row, column, strict=True)) for column in flat] for row in w],
        "side": side,
        "at": at,
        "corner": [at // side * stride, at % side * stride],
        "patch": patch(at),
    }


def _problem(n, k, stride, pad, channels):
    if n < 1:
        return "The input must be at least 1 wide."
    if not 1 <= channels <= MOST_CHANNELS:
        return f"1 to {MOST_CHANNELS} channels can be shown."
    if problem := refuse((n, n), (k, k), stride, pad):
        return problem
    if (count := window_count(n + 2 * pad, k, stride) ** 2) > MOST_COLUMNS:
        return f"{count} windows are {count} columns, too many to show; up to {MOST_COLUMNS} can be."
    if (rows := channels * k * k) > MOST_ROWS:
        return f"{channels}·{k}·{k} = {rows} numbers in a column are too many to show; up to {MOST_ROWS} can be."
    return ""
