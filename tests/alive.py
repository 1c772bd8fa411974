"""What in a page of HTML could act: run, load, send, or lie over the rest of the page."""

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import nbgrader
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_notebook

TEMPLATES = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"
ATTACKS = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src='//evil.example/pixel.png'>",
    "<svg onload=alert(1)><script>alert(2)</script></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<a href='javascript:alert(1)'>a</a><a href='JaVa&#x09;Script:alert(1)'>b</a><a href='data:text/html,x'>c</a>",
    "<iframe src=//evil.example></iframe><object data=x></object><embed src=x><form action=//e><input></form>",
    "<meta http-equiv=refresh content='0;url=//evil.example'><base href=//evil.example><link rel=stylesheet href=//e>",
    "<style>@import '//evil.example'; * { background: url(//evil.example) }</style>",
    "<div style='background:url(//evil.example/x)'>x</div><p style='position:fixed;inset:0;z-index:9'>over</p>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "[c](javascript:alert(1)) ![d](//evil.example/pixel.png) <http://x.example>",
    "</pre></div></main><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\"'><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
]
TAGS = {"script", "iframe", "object", "embed", "form", "base", "link", "svg", "math", "template", "noscript", "frame"}


class _Finder(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = {name: (value or "").strip().lower() for name, value in attributes}
        if tag in TAGS or (tag == "meta" and given.get("http-equiv") == "refresh"):
            self.found.append(tag)
        for name, value in given.items():
            address = "".join(value.split())
            if name.startswith("on") or name in ("srcdoc", "srcset", "formaction", "background", "poster"):
                self.found.append(name)
            if name == "href" and not address.startswith(("#", "http:", "https:", "mailto:", "//")):
                self.found.append(address)
            if name in ("src", "data") and not address.startswith("data:image/"):
                self.found.append(address)
            if name == "style" and ("url(" in address or "position:" in address or "expression(" in address):
                self.found.append(address)


def alive(page):
    """The tags and addresses that could act, in a page or a part of one."""
    return _Finder(page).found


def alive_in_formgrader(notebook):
    """The same, of the page that formgrader shows of an autograded notebook, without what is nbgrader's own."""
    of_students = Counter(alive(_formgraded(notebook)))
    return list((of_students - Counter(alive(_formgraded(new_notebook())))).elements())


def _formgraded(notebook):
    exporter = HTMLExporter(template_name="formgrade", extra_template_basedirs=[str(TEMPLATES)])
    about = {"notebook_id": "x", "submission_id": "x", "index": 0, "total": 1, "base_url": "", "student": "x"}
    about |= {"assignment_id": "x", "notebook_path": "x", "last_name": None, "first_name": None}
    return exporter.from_notebook_node(notebook, resources=about)[0]
