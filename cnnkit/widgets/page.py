"""All explainers on one web page that needs no kernel, no network and no other file.

python -m cnnkit.widgets.page FILE
"""

import json
import sys
from html import escape
from pathlib import Path
from string import Template

from cnnkit import widgets
from cnnkit.widgets import scripts

SHOWN = {  # name -> (heading, arguments)
    "CortexLab": ("What does a cell of the visual cortex answer to?", {}),
    "KernelLab": ("What does a kernel do to a picture?", {"kernel": "Sobel, to the right"}),
    "SizeCalculator": ("How large is the output?", {"n": 7, "k": 3, "stride": 3}),
    "ConvStepper": ("Where does an output come from?", {}),
    "Im2colExplorer": ("How does a convolution become one matrix product?", {}),
    "BackwardStepper": ("How do gradients come back through a convolution?", {}),
    "PoolRouter": ("Where does the gradient of a pooling layer go?", {}),
    "StackTable": ("What does a network cost, and what does it see?", {"preset": "AlexNet"}),
}
_INTRODUCTION = (
    "Each explainer of the course, with the numbers of its lecture decks. Every number can be changed; grids answer "
    "to the mouse and to the arrow keys."
)


def page(explainers, title="Explainers", introduction=_INTRODUCTION):
    """The text of a web page.

    Args:
        explainers: ``(heading, explainer)`` pairs, in order.
        title: of the page.
        introduction: a sentence or two below it.
    """
    used = {_name(explainer): explainer for _, explainer in explainers}
    modules = "\n".join(_stored(explainer) for explainer in used.values())
    places = "\n".join(_place(heading, explainer) for heading, explainer in explainers)
    template = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(title),
        introduction=escape(introduction),
        styles=scripts.styles(),
        explainers=f"{places}\n{modules}",
        page_model=scripts.page_model(),
    )


def all_explainers():
    """``(heading, explainer)`` of each."""
    return [(heading, getattr(widgets, name)(**arguments)) for name, (heading, arguments) in SHOWN.items()]


def _place(heading, explainer):
    """Where an explainer goes: its still picture, until its script has run."""
    state = escape(json.dumps(explainer.inputs))
    name = _name(explainer)
    return (
        f'<h2>{escape(heading)}</h2>\n<div id="{name}" data-explainer="{name}" data-state="{state}">'
        f"{explainer.still()}</div>"
    )


def _stored(explainer):
    # A string of JSON in which no "</script>" can end the element.
    text = json.dumps(explainer._esm).replace("</", "<\\/")
    return f'<script type="application/json" id="script-{_name(explainer)}">{text}</script>'


def _name(explainer):
    # traitlets makes subclasses that bear the same name.
    return type(explainer).__name__


def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__.strip())
        return 0 if arguments in (["-h"], ["--help"]) else 2
    path = Path(arguments[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(all_explainers()), encoding="utf-8")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
