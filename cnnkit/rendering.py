"""How a verdict looks: as plain text in a terminal, as a card in a notebook and on a feedback page.

The card carries its own styles, in JupyterLab's colour variables with a fallback, so that it is readable in the
light and the dark theme and on pages that know neither.
"""

from html import escape

import numpy as np

from cnnkit.comparing import number

BLUE, ORANGE = "0,114,178", "213,94,0"  # of Okabe and Ito's palette, told apart in every kind of colour vision


def text(verdict):
    """The verdict for a terminal."""
    lines = [f"{verdict.exercise}: {points(verdict.score, verdict.max_score)}. {_summary(verdict)}".rstrip()]
    failure = verdict.failure
    if failure and not _unwritten(verdict):
        lines += [
            f"  {'ok' if got == of else '--'}  {name:<20} {got:g}/{of:g}" for name, (got, of) in verdict.groups.items()
        ]
        if verdict.hint:
            lines += [f"Hint: {verdict.hint}"]
        lines += [f"A failing case ({failure.group}): {failure.description}", f"  {failure.message}"]
        for panel in failure.panels:
            lines += [f"  {panel.title}:", *(f"    {row}" for row in _rows(panel.values))]
    if verdict.printed:
        lines += ["Your function printed:", *(f"  {line}" for line in verdict.printed.splitlines()[:12])]
    return "\n".join(lines)


def html(verdict):
    """The verdict as a self-contained HTML card."""
    colour, mark = (BLUE, "✓") if verdict.passed else (ORANGE, "✗")
    sign = f'<span aria-hidden="true" style="color:rgb({colour});font-weight:700">{mark}</span>'
    parts = [
        f'<div style="font-size:1.05em">{sign} '
        f"<strong>{escape(verdict.exercise)}</strong> · {points(verdict.score, verdict.max_score)}"
        f"{' · ' + escape(_summary(verdict)) if _summary(verdict) else ''}</div>"
    ]
    failure = verdict.failure
    if failure and not _unwritten(verdict):
        if len(verdict.groups) > 1:
            parts.append(_group_badges(verdict.groups))
        if verdict.hint:
            parts.append(
                f'<div style="margin:.6em 0;padding:.5em .8em;background:rgba({BLUE},.12);border-radius:4px">'
                f"<strong>Hint.</strong> {escape(verdict.hint)}</div>"
            )
        parts.append(
            f'<div style="margin:.5em 0 .2em">A failing case, <em>{escape(failure.group)}</em>: '
            f"<code>{escape(failure.description)}</code></div>"
            f'<div style="margin:.2em 0">{escape(failure.message)}</div>'
        )
        parts += [_row_of_panels(failure.panels[:-3]), _row_of_panels(failure.panels[-3:])]
    if verdict.printed:
        parts.append(
            '<details style="margin-top:.5em"><summary>What your function printed</summary>'
            f"<pre>{escape(verdict.printed)}</pre></details>"
        )
    return (
        f'<div class="cnnkit-verdict" role="status" style="border-left:4px solid rgb({colour});padding:.5em .9em;'
        "margin:.3em 0;color:var(--jp-content-font-color1,inherit);"
        f'font-family:var(--jp-content-font-family,sans-serif)">{"".join(parts)}</div>'
    )


def points(score, max_score):
    """How many points there are of how many, in words."""
    return f"{score:g} of {max_score:g} point{'s' * (max_score != 1)}"


def _unwritten(verdict):
    return verdict.message.endswith("is not written yet.")


def _summary(verdict):
    if verdict.passed or verdict.failure is None or _unwritten(verdict):
        return verdict.message
    passed = sum(case.passed for case in verdict.cases)
    known = f"Looks like: {verdict.bug}. " if verdict.bug else ""
    return f"{known}{passed} of {len(verdict.cases)} cases pass."


def _group_badges(groups):
    badges = "".join(
        f'<span style="border:1px solid rgba(128,128,128,.5);border-radius:3px;padding:0 .5em">'
        f"{'✓' if got == of else '✗'} {escape(name)} {got:g}/{of:g}</span>"
        for name, (got, of) in groups.items()
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:.5em;margin-top:.4em;font-size:.9em">{badges}</div>'


def _row_of_panels(panels):
    tables = "".join(_panel(panel) for panel in panels)
    flow = "display:flex;flex-wrap:wrap;align-items:flex-start;gap:1.2em;margin-top:.5em"
    return f'<div style="{flow}">{tables}</div>' if panels else ""


def _panel(panel):
    """A matrix as a table whose cells are shaded by value: blue below zero, orange above."""
    largest = np.abs(panel.values).max(initial=0.0) or 1.0
    rows = []
    for i, row in enumerate(np.asarray(panel.values)):
        cells = []
        for j, value in enumerate(row):
            shade = f"rgba({ORANGE if value > 0 else BLUE},{0.45 * abs(value) / largest:.2f})"
            outline = (
                "outline:2px solid currentColor;outline-offset:-2px;font-weight:700;" if (i, j) == panel.mark else ""
            )
            cells.append(
                f'<td style="{outline}background:{shade};padding:.15em .45em;text-align:right;'
                f'border:1px solid rgba(128,128,128,.25)">{_short(value)}</td>'
            )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        '<table style="border-collapse:collapse;margin:0;font-size:.85em;font-variant-numeric:tabular-nums;'
        'background:transparent">'
        '<caption style="caption-side:top;text-align:left;white-space:nowrap;padding-bottom:.2em">'
        f"{escape(panel.title)}</caption><tbody>{''.join(rows)}</tbody></table>"
    )


def _short(value):
    return (
        number(round(float(value), 3)) if np.isfinite(value) and np.asarray(value).dtype.kind == "f" else number(value)
    )


def _rows(values):
    cells = [[_short(value) for value in row] for row in np.asarray(values)]
    width = max(len(cell) for row in cells for cell in row)
    return [" ".join(cell.rjust(width) for cell in row) for row in cells]
