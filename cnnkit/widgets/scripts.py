"""The explainers' scripts and styles, as one module each for a notebook's output or a web page.

A script imports ``common.js``, which suits an editor and a server of files. A notebook gets a single module by way of
the kernel, without an address that an import could start from; so the common part is put where the import stands.
"""

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./common\.js";\n', re.MULTILINE)


@cache
def module(name):
    """The text of a module that needs no other: ``js/<name>.js`` behind ``js/common.js``."""
    common, script = ((_HERE / "js" / f"{part}.js").read_text(encoding="utf-8") for part in ("common", name))
    whole, imports = _IMPORT.subn("", script)
    if imports != 1:
        raise ValueError(f'js/{name}.js must import from "./common.js", once')
    return re.sub(r"^export (?=const|function|class)", "", common, flags=re.MULTILINE) + whole


@cache
def styles():
    """The style sheet of all explainers."""
    return (_HERE / "explainers.css").read_text(encoding="utf-8")


def page_model():
    """The script of the model that stands in where there is no kernel."""
    common = (_HERE / "js" / "common.js").read_text(encoding="utf-8")
    return common[common.index("export class PageModel") :].removeprefix("export ")
