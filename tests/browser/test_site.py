"""The site: built whole, warnings being errors, and looked at in a real browser."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from nbgrader.utils import is_solution
from playwright.sync_api import expect

from autograder import build, site
from autograder.percent import solution_lines

ROOT = Path(__file__).resolve().parents[2]
UNITS = build.units(ROOT)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The built site, as a folder."""
    output = tmp_path_factory.mktemp("site")
    assert site.make(output) == 0
    return output


@pytest.fixture(scope="module")
def pages(html):
    """``{path below the site: Page}``."""
    return {
        path.relative_to(html).as_posix(): Page(path)
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.parts
    }


class Page(HTMLParser):
    """The words, ids and targets of a page."""

    def __init__(self, path):
        super().__init__()
        self.text, self.ids, self.links, self.loaded = "", set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes.get("id"), attributes.get("name")}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        else:
            self.loaded += [attributes[name] for name in ("src", "href") if attributes.get(name)]

    def handle_data(self, data):
        self.text += data


def test_every_unit_has_its_page_and_stands_on_the_map(pages):
    for unit in UNITS:
        assert f"units/{unit}.html" in pages
        assert f"units/{unit}.html" in pages["units.html"].links


@pytest.mark.parametrize("unit", UNITS)
def test_no_page_has_a_line_of_a_solution(pages, unit):
    source = build.source_notebook(ROOT / "solutions" / unit / f"{unit}.py")
    shown = build.compact(pages[f"units/{unit}.html"].text)
    lines = [line for cell in source.cells if is_solution(cell) for line in solution_lines(cell.source)]
    telling = {build.compact(line) for line in lines if not line.lstrip().startswith("#")}
    assert [line for line in telling if len(line) >= build.TELLING and line in shown] == []


def test_every_page_of_a_unit_has_figures_and_each_has_words_for_it(html):
    for unit in UNITS[1:]:
        text = (html / "units" / f"{unit}.html").read_text(encoding="utf-8")
        pictures = re.findall(r"<img [^>]*>|<svg [^>]*role=\"img\"[^>]*>", text)
        assert len(pictures) > 3, unit
        assert not [picture for picture in pictures if 'alt=""' in picture], unit


def test_links_inside_lead_somewhere_and_nothing_is_loaded_from_outside(html, pages):
    for name, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                assert link in page.links or parts.scheme == "data", f"{name} loads {link}"
                assert parts.scheme in ("http", "https", "mailto", "data"), f"{name}: {link}"
                continue
            target = (html / name).parent / unquote(parts.path) if parts.path else html / name
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{name}: {link}"
            other = pages.get(target.resolve().relative_to(html.resolve()).as_posix())
            if parts.fragment and other:
                assert unquote(parts.fragment) in other.ids, f"{name}: {link}"


def test_what_was_measured_has_its_date_and_machine(pages):
    saved = list((ROOT / "docs" / "benchmarks").glob("*.json"))
    assert pages["benchmarks.html"].text.count("Measured on 20") == len(saved)


# In a browser


@pytest.fixture
def visit(html, browser):
    """``visit(page, **context)`` opens a page of the site; what it complains of or fetches from outside fails."""
    contexts, troubles = [], []

    def open_page(name, **more):
        contexts.append(browser.new_context(**more))
        page = contexts[-1].new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.append(request.url) if request.url.startswith("http") else None)
        page.goto((html / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def test_no_page_is_wider_than_a_phone(visit, html, pages, screenshot):
    page = visit("index.html", viewport=PHONE)
    screenshot(page, "site-phone")
    wide = {}
    for name in pages:
        page.goto((html / name).as_uri())
        beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if beyond > 0:
            wide[name] = beyond
    assert not wide, wide


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes(visit, screenshot, theme):
    page = visit(f"units/{UNITS[1]}.html", color_scheme=theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.locator(".cell_output svg, .cell_output img").first.scroll_into_view_if_needed()
    screenshot(page, f"site-unit-{theme}")


def test_theme_and_search_answer_to_the_keyboard(visit):
    page = visit("units.html", color_scheme="light")
    page.get_by_role("button", name="Color mode").focus()
    page.keyboard.press("Enter")
    page.locator(".dropdown-menu.show").wait_for()
    for _ in ("system", "light", "dark"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("Control+k")
    page.keyboard.type("equivariant")
    page.keyboard.press("Enter")
    expect(page.locator("#search-results")).to_contain_text("Unit 02")


def test_formulas_are_drawn_by_the_browser(visit):
    page = visit(f"units/{UNITS[1]}.html")
    tall = page.locator("math mfrac").first.bounding_box()
    assert tall["height"] > page.locator("math mi").first.bounding_box()["height"]


def test_the_explainers_answer_without_a_kernel(visit, screenshot):
    page = visit("explainers.html", viewport={"width": 1300, "height": 1000})
    frame = page.frame_locator("iframe.explainers")
    calculator = frame.locator("#SizeCalculator")
    expect(calculator.locator(".result")).to_contain_text("2.33: does not fit. PyTorch: 2.")
    calculator.get_by_label("Input size N", exact=True).fill("8")
    expect(calculator.locator(".result")).to_contain_text("2.67: does not fit. PyTorch: 2.")
    screenshot(page, "site-explainers")
