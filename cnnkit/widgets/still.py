"""Still pictures of explainers, for pages that run no scripts: HTML that does without a style sheet.

Grids are tables, since GitHub and mail readers keep those where they drop SVG. GitHub drops styles, too: a colour never
says anything that a number does not say as well, and what is framed or hatched is bold or struck out as well.
"""

import base64
import zlib
from html import escape

_CARD = (
    "border:1px solid rgba(128,128,128,.5);border-radius:6px;padding:.6em .9em;margin:.3em 0;overflow-x:auto;"
    "font-family:var(--jp-content-font-family,sans-serif);color:var(--jp-content-font-color1,inherit)"
)
_HATCH = "repeating-linear-gradient(45deg,transparent 0 4px,rgba(128,128,128,.7) 4px 6px)"
_COLD, _WARM = "0,114,178", "213,94,0"  # of Okabe and Ito's palette

IN_NOTEBOOKS = (
    "<style>"
    ".jp-NotebookPanel .jp-OutputArea:has(.cnnkit-still) .jp-OutputArea-output:not([data-mime-type],:has(*))"
    "{display:none}"
    ".jp-NotebookPanel .cnnkit-still{animation:1s both cnnkit-still}"
    "@keyframes cnnkit-still{from,99%{position:absolute;visibility:hidden}}"
    "</style>"
)
"""Where a notebook is open: no word about missing models, which JupyterLab puts alone into an output without a type.

The picture waits a second for the live view, which hides it, so that none flashes by.
"""


def card(name, summary, *parts):
    """A frame with the explainer's name, the sentence that sums it up, and more HTML below."""
    title = f"<strong>{escape(name)}</strong>"
    return (
        f'<div class="cnnkit-still" style="{_CARD}"><div>{title} · {escape(summary)}</div>'
        f"{''.join(part for part in parts if part)}</div>"
    )


def line(text):
    """A line of text."""
    return f'<div style="margin:.3em 0">{escape(text)}</div>'


def code(text):
    """A line of code."""
    return f'<pre style="margin:.3em 0;white-space:pre-wrap">{escape(text)}</pre>'


def side_by_side(*parts):
    """Things next to each other, wrapping where the page is narrow."""
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1.2em;align-items:flex-start;margin-top:.4em">'
        f"{''.join(parts)}</div>"
    )


def grid(title, values, hatched=(), framed=(), limit=None):
    """A matrix as a table, shaded by sign and size.

    Args:
        title: the caption.
        values: rows of numbers, or of words.
        hatched, framed: positions ``(row, column)`` drawn hatched, and with a frame.
        limit: the value with the full shade; None for the largest, 0 for no shade.
    """
    numbers = [abs(value) for row in values for value in row if not isinstance(value, str)]
    limit = max(numbers, default=0) if limit is None else limit
    rows = "".join(
        f"<tr>{''.join(_cell(v, limit, (i, j) in hatched, (i, j) in framed) for j, v in enumerate(row))}</tr>"
        for i, row in enumerate(values)
    )
    return (
        '<table style="border-collapse:collapse;margin:0;font-size:.85em;font-variant-numeric:tabular-nums">'
        f'<caption style="caption-side:top;text-align:left;white-space:nowrap">{escape(title)}</caption>'
        f"<tbody>{rows}</tbody></table>"
    )


def picture(title, values, scale=1):
    """A gray picture, 0 black and 1 white, as a PNG inside the page; ``scale`` pixels for each value."""
    rows = [bytes(min(max(round(255 * v), 0), 255) for v in row for _ in range(scale)) for row in values]
    png = base64.b64encode(_png([row for row in rows for _ in range(scale)])).decode()
    return (
        f'<figure style="margin:0"><figcaption style="font-size:.85em">{escape(title)}</figcaption>'
        f'<img style="border:1px solid rgba(128,128,128,.5)" alt="{escape(title)}" src="data:image/png;base64,{png}">'
        "</figure>"
    )


def _png(rows):
    """Rows of gray bytes as a PNG file."""
    chunk = lambda kind, body: len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    size = len(rows[0]).to_bytes(4, "big") + len(rows).to_bytes(4, "big")
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    parts = (b"IHDR", size + bytes([8, 0, 0, 0, 0])), (b"IDAT", packed), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def table(head, rows):
    """A table of words and numbers under a row of headings; the first column is set to the left."""
    written = "".join(f"<tr>{''.join(_entry('td', j, entry) for j, entry in enumerate(row))}</tr>" for row in rows)
    heads = "".join(_entry("th", j, entry) for j, entry in enumerate(head))
    return (
        '<table style="border-collapse:collapse;font-size:.9em;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{heads}</tr></thead><tbody>{written}</tbody></table>"
    )


def _entry(tag, column, words):
    style = f"padding:.15em .6em;text-align:{'right' if column else 'left'}"
    return f'<{tag} style="{style}">{escape(str(words))}</{tag}>'


def _cell(value, limit, is_hatched, is_framed):
    style, words = "padding:.15em .45em;text-align:right;border:1px solid rgba(128,128,128,.4);", escape(short(value))
    if is_hatched:
        style, words = f"{style}background:{_HATCH};", f"<s>{words}</s>"
    elif not isinstance(value, str) and limit:
        share = min(abs(value) / limit, 1)
        style += f"background-color:rgba({_WARM if value > 0 else _COLD},{0.45 * share:.2f});"
    if is_framed:
        style, words = f"{style}outline:2px solid currentColor;outline-offset:-2px;", f"<b>{words}</b>"
    return f'<td style="{style}">{words}</td>'


def thousands(value):
    """A whole number with a thin gap between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def short(value):
    """A value for a cell: words as they are, numbers with up to two digits behind the point."""
    if isinstance(value, str):
        return value
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text.replace("-", "−")
