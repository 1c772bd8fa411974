"""Outputs that a student's process sent back, made safe to keep, to show and to hand on.

They come as data of any shape. What leaves here is valid nbformat, and nothing in it runs: formgrader, nbgrader's own
feedback and ours show it to people who are logged in.
"""

import base64
import binascii
import json
import re

import nbformat

from autograder import inert
from autograder.sandbox.protocol import MAX_OUTPUTS, ProtocolError, clean_text

MAX_HTML = 200_000
"""Characters of HTML in one output; sanitising takes about a second for a million."""
MAX_HTML_OF_A_CELL = 1_000_000
DRAWN = 10
"""How much longer a character of Markdown takes than one of HTML, at worst."""
MAX_TEXT = 200_000
"""Characters of any other text in one output."""
MAX_FRAMES = 100
"""Of a traceback."""


def clean(outputs):
    """Valid and inert nbformat outputs from those that a sandbox brought back; what is malformed is left out."""
    kept, html = [], 0
    for output in outputs[:MAX_OUTPUTS]:
        html += _html_in(output)
        try:
            kept.append(left_out() if html > MAX_HTML_OF_A_CELL else _clean(output))
        except (ProtocolError, KeyError, TypeError, AttributeError):
            kept.append(made("stream", name="stdout", text="(an output that cannot be shown)\n"))
    return kept


def made(kind, **fields):
    """An output; nbformat's own ``new_output`` also looks it up in a schema, which takes longer than all the rest."""
    more = {} if kind in ("stream", "error") else {"metadata": {}}
    return nbformat.from_dict({"output_type": kind, **more, **fields})


def left_out():
    """Stands for outputs beyond the limits."""
    return made("stream", name="stdout", text="(an output that was left out: there are too many)\n")


def size(outputs):
    """What it takes to keep and to clean the outputs that a sandbox brought back, in characters of plain text."""
    return len(json.dumps(outputs)) + 4 * sum(map(_html_in, outputs))


def _html_in(output):
    data = output.get("data") if isinstance(output, dict) else None
    data = data if isinstance(data, dict) else {}
    costs = {"text/html": 1, "text/markdown": DRAWN}
    return sum(len(data[kind]) * cost for kind, cost in costs.items() if isinstance(data.get(kind), str))


def error(name, message):
    """An error output without frames."""
    return made("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])


def _clean(output):
    kind = output["output_type"]
    match kind:
        case "stream":
            name = "stderr" if output["name"] == "stderr" else "stdout"
            return made("stream", name=name, text=_text(output["text"]))
        case "error":
            frames = [_text(frame) for frame in output["traceback"][-MAX_FRAMES:]]
            return made("error", ename=_text(output["ename"]), evalue=_text(output["evalue"]), traceback=frames)
        case "execute_result" | "display_data":
            number = output.get("execution_count")
            number = number if type(number) is int and 0 <= number < 1 << 31 else None
            more = {"execution_count": number} if kind == "execute_result" else {}
            return made(kind, data=_bundle(output["data"]), **more)
    raise KeyError(kind)


def _bundle(data):
    kept = {}
    for kind, content in data.items():
        match kind:
            case "text/plain":
                kept[kind] = _text(content)
            case "text/latex":
                kept[kind] = inert.tex(_text(content))
            case "text/html" if isinstance(content, str) and len(content) <= MAX_HTML:
                kept[kind] = inert.html(clean_text(content))
            case "text/markdown" if isinstance(content, str) and len(content) <= MAX_HTML:
                # As HTML, since a link is harmless in one renderer of Markdown and not in the next.
                kept["text/html"] = inert.drawn(clean_text(content))
            case "image/png" | "image/jpeg" | "image/gif" if _is_base64(content):
                kept[kind] = content
            case "image/svg+xml":
                # As the source of an <img>, a drawing cannot run anything.
                code = base64.b64encode(clean_text(content).encode()).decode()
                kept["text/html"] = f'<img alt="" src="data:image/svg+xml;base64,{code}">'
    return kept or {"text/plain": "(an output that cannot be shown)"}


def _text(content):
    text = clean_text(content)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n... the rest was cut off\n"


def _is_base64(content):
    try:
        return bool(base64.b64decode(re.sub(r"\s", "", content), validate=True))
    except (TypeError, ValueError, binascii.Error):
        return False
