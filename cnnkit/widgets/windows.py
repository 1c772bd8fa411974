"""Windows of plain lists of lists, small enough to be drawn number by number: what several explainers compute with.

``common.js`` says the same in JavaScript.
"""

LARGEST_SIDE = 16
"""Numbers side by side, padding included, that a drawing has room for."""


def given_or_ones(values, rows, columns):
    """``(rows, columns)`` numbers; where ``values`` has none it is 1."""
    return [
        [values[i][j] if i < len(values) and j < len(values[i]) else 1 for j in range(columns)] for i in range(rows)
    ]


def padded(rows, pad):
    """A picture with a frame of zeros ``pad`` wide."""
    width = len(rows[0]) + 2 * pad
    blank = [[0] * width for _ in range(pad)]
    return blank + [[0] * pad + list(row) + [0] * pad for row in rows] + blank


def patch_at(rows, i, j, kh, kw):
    """The window ``(kh, kw)`` whose first cell is ``(i, j)``."""
    return [list(row[j : j + kw]) for row in rows[i : i + kh]]


def turned(kernel):
    """A kernel turned by 180 degrees."""
    return [list(row[::-1]) for row in kernel[::-1]]


def times(a, b):
    """Product cell by cell."""
    return [[x * y for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]


def total(rows):
    """Sum of all cells."""
    return sum(map(sum, rows))


def window_count(n, k, stride):
    """How many windows fit into a padded side."""
    return (n - k) // stride + 1


def refuse(sides, kernel, stride, pad):
    """Why a picture of these sizes cannot be drawn number by number, in a sentence, or ""."""
    for k in kernel:
        if k < 1:
            return f"The window must be at least 1, not {_signed(k)}."
    if stride < 1:
        return f"The stride must be at least 1, not {_signed(stride)}."
    if pad < 0:
        return f"The padding must be at least 0, not {_signed(pad)}."
    for side, k in zip(sides, kernel, strict=True):
        whole = side + 2 * pad
        if whole > LARGEST_SIDE:
            return f"{whole} numbers side by side are too many to show; up to {LARGEST_SIDE} can be."
        if whole < k:
            return f"A window of {k} does not fit into {side} + 2·{pad} = {whole}."
    return ""


def _signed(value):
    return f"{value}".replace("-", "−")
