"""What in a page of HTML could act: run, load, send, or lie over the rest of the page."""

from html.parser import HTMLParser

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
