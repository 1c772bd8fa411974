"""Text from students, made so that nothing in it acts where it is shown.

formgrader, nbgrader's own feedback and ours show it to people who are logged in; formgrader draws Markdown, and HTML in
it, as it stands.
"""

import functools
import re
from html import escape, unescape
from html.parser import HTMLParser

from bleach.css_sanitizer import CSSSanitizer
from bleach.sanitizer import ALLOWED_PROTOCOLS, Cleaner

MAX_MARKDOWN = 20_000
"""Characters of Markdown that are drawn; longer text is shown as it was written."""
MAX_MATH = 200
"""Beginnings of formulas that are looked for an end to: each may cost a walk through the whole text."""
BEGINS_MATH = re.compile(r"\\begin\{|\\\\[\[(]")

TAGS = re.findall(
    r"\w+",
    """a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6
    hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead tr u ul
    var""",
)
VOID = {"br", "hr", "img", "col", "input", "wbr"}
FORMATTING = {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
INLINE = FORMATTING | {"abbr", "br", "del", "img", "ins", "kbd", "mark", "q", "samp", "span", "sub", "sup", "var"}
MAX_OPEN = 50
"""Tags that are open at the same time."""
DISORDERLY = 2000
"""Characters of HTML that need not be well nested; how long it takes to mend it grows as the square of its length."""
ATTRIBUTES = {
    "*": ["class", "style", "title", "role", "aria-label"],
    "img": ["alt"],
    "td": ["colspan", "rowspan"],
    "th": ["colspan", "rowspan", "scope"],
}
ADDRESSES = {("a", "href"): r"(?i)(https?:|mailto:|#).*", ("img", "src"): r"data:image/png;base64,[A-Za-z0-9+/=\s]+"}
"""Where a link may lead; and of pictures those alone that are in the page."""
OF_MARKDOWN = {("h", "id"), ("input", "type"), ("input", "class"), ("input", "disabled"), ("input", "checked")}
"""Attributes that Markdown gives headings and lists of tasks, beyond the others."""

ACTIVE_TEX = re.compile(
    r"\\(href|url|require|class|cssId|style|unicode|data|htmlData|htmlClass|htmlStyle|htmlId|mmlToken|bbox)(?![A-Za-z])"
)
"""What MathJax, which formgrader loads, would make links and attributes of."""
ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z]+);?")
MAY_ACT = re.compile(r"[<&]|\][(:\[]|" + ACTIVE_TEX.pattern)
"""Markdown without any of these has no tags, no entities, no addresses and no such formulas."""
AS_WRITTEN = "<pre>"
MARK = "\ue000{}\ue001"
MARKED = re.compile("&amp;lt;\ue000([0-9]+)\ue001")


def html(text):
    """HTML without scripts, handlers, styles of the page, pictures from elsewhere or anything else that acts.

    Long HTML that is not well nested becomes text.
    """
    # Their text would remain as text.
    text = re.sub(r"(?is)<(script|style)\b.*?(</\1\s*>|\Z)", "", text)
    if len(text) > DISORDERLY and not _is_well_nested(text):
        text = escape(text)
    return tex(ENTITY.sub(_plain, _cleaner().clean(text)))


def _is_well_nested(text):
    """Whether tags are closed in their order, few are open at a time, and nothing that formats holds a block."""
    open_tags = []
    for end, tag in re.findall(r"<(/?)([a-zA-Z][^\s/>]*)", text.lower()):
        if end:
            if not open_tags or open_tags.pop() != tag:
                return False
            continue
        if tag not in INLINE and FORMATTING.intersection(open_tags):
            return False
        if tag not in VOID:
            open_tags.append(tag)
        if len(open_tags) > MAX_OPEN:
            return False
    return not open_tags


def tex(text):
    """Text without the commands that MathJax acts on."""
    return ACTIVE_TEX.sub(r"\\mathrm", text)


def drawn(text):
    """Markdown as HTML that is inert."""
    if text.startswith(AS_WRITTEN):
        return html(text)
    try:
        return html(_markdown2html(text)) if _can_be_drawn(text) else as_written(text)
    except Exception:  # a pasted picture that is not there, for one
        return as_written(text)


def markdown(text):
    """Markdown that is inert wherever it is drawn: tags become text, as do links that lead elsewhere than to the web.

    Formulas and code stay as they are. What cannot be made inert like that becomes text as a whole.
    """
    if _can_be_drawn(text):
        if not MAY_ACT.search(text):
            return text
        tagless = _without_tags(text)
        for made in (tagless, tex(re.sub(r"\](?=[(:\[])", r"]\\", tagless))):
            if _can_be_drawn(made) and not _acts(made):
                return made
    return as_written(text)


def _can_be_drawn(text):
    return len(text) <= MAX_MARKDOWN and len(BEGINS_MATH.findall(text)) <= MAX_MATH


def as_written(text):
    """Text that stays as it is wherever Markdown or HTML is drawn."""
    return f"{AS_WRITTEN}{escape(text)}</pre>"


def _markdown2html(text):
    from nbconvert.filters import markdown2html  # takes a second to load, and few submissions show any

    return markdown2html(text)


def _without_tags(text):
    """Markdown whose every ``<`` is text: spelled out, but where it is drawn as text anyway, in code and formulas.

    To tell where that is, each is spelled out and drawn with its number behind it: code shows the spelling.
    """
    text = re.sub("[\ue000\ue001]", "", text)
    parts = text.split("<")
    numbered = "".join(f"{part}&lt;{MARK.format(n)}" for n, part in enumerate(parts[:-1])) + parts[-1]
    # nbconvert draws none of a text with a pasted picture that is not there.
    numbered = numbered.replace("attachment:", "attachment-")
    try:
        shown = re.sub("<[^>]*>", "", _markdown2html(numbered))
    except Exception:  # as above
        return text.replace("<", "&lt;")
    spelled = {int(number) for number in MARKED.findall(shown)}
    return "".join(part + ("<" if n in spelled else "&lt;") for n, part in enumerate(parts[:-1])) + parts[-1]


def _acts(text):
    """Whether anything would act where this Markdown is drawn."""
    try:
        page = _Page(_markdown2html(text))
    except Exception:  # as above
        return True
    return page.acts or ACTIVE_TEX.search(page.text) is not None


class _Page(HTMLParser):
    """What a page has that may act, and its text where MathJax looks for formulas."""

    def __init__(self, page):
        super().__init__()
        self.acts = False
        self._text = []
        self._code = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self._code += tag in ("code", "pre")
        kind = "h" if re.fullmatch("h[1-6]", tag) else tag
        self.acts |= tag not in TAGS and tag != "input"
        self.acts |= not all(_is_allowed(tag, name, value) or (kind, name) in OF_MARKDOWN for name, value in attributes)

    def handle_endtag(self, tag):
        self._code -= tag in ("code", "pre")

    def handle_data(self, data):
        if not self._code:
            self._text.append(data)

    @property
    def text(self):
        return "".join(self._text)

    def _other(self, *_):
        self.acts = True

    handle_comment = handle_decl = handle_pi = unknown_decl = _other


def _is_allowed(tag, name, value):
    if address := ADDRESSES.get((tag, name)):
        return re.fullmatch(address, value or "", re.DOTALL) is not None
    return name in ATTRIBUTES["*"] or name in ATTRIBUTES.get(tag, ())


@functools.cache
def _cleaner():
    protocols = {*ALLOWED_PROTOCOLS, "data"}
    return Cleaner(TAGS, _is_allowed, protocols, strip=True, css_sanitizer=CSSSanitizer())


def _plain(entity):
    """An entity as the character that it stands for, where that can spell a command and no tag."""
    character = unescape(entity[0])
    return character if re.fullmatch(r"[A-Za-z\\]", character) else entity[0]
