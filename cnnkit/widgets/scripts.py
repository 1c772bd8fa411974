"""The explainers' scripts and styles, as one module each for a notebook's output or a web page.

A script imports ``common.js``, which suits an editor and a server of files. A notebook gets a single module by way of
the kernel, without an address that an import could start from: the common part is put in the place of the import.
"""

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./common\.js";\n', re.MULTILINE)


@cache
def module(name):
    """The text of a module that needs no other: ``js/<name>.js`` with ``js/common.js`` in it."""
    common, script = ((_HERE / "js" / f"{part}.js").read_text(encoding="utf-8") for part in ("common", name))
    if not (found := _IMPORT.match(script)):
        raise ValueError(f'js/{name}.js must begin with an import from "./common.js"')
    common = re.sub(r"^export (?=const|function|class)", "", common, flags=re.MULTILINE)
    # In a function of its own, what is private there stays so.
    return f"const {found[1]} = (() => {{\n{common}\nreturn {found[1]};\n}})();\n{script[found.end() :]}"


@cache
def styles():
    """The style sheet of all explainers."""
    return (_HERE / "explainers.css").read_text(encoding="utf-8")


def page_model():
    """The script of the model that stands in where there is no kernel."""
    common = (_HERE / "js" / "common.js").read_text(encoding="utf-8")
    return common[common.index("export class PageModel") :].removeprefix("export ")
