"""What people read beside the lessons: links lead somewhere, words are spelt as words are."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("autograder", "benchmarks", "cnnkit", "docs", "jupyterhub", "scripts", "solutions", "tests")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*.md"), *ROOT.glob("solutions/*/*.py")]
)
LINK = re.compile(r"\]\(\s*<?([^)>\s]+)>?[^)]*\)|(?:href|src)=\"([^\"]+)\"|<(https?://[^>\s]+)>")
# Made when the site is built.
GENERATED = {"units.md", "benchmarks.md", "all-explainers.html"}


def links(text):
    """Targets of the links in Markdown, code left out."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    return ["".join(found) for found in LINK.findall(text)]


def prose(path):
    """The Markdown of a document; of a lesson, its Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    cells = re.split(r"^# %%", text, flags=re.MULTILINE)
    return "\n".join(re.sub(r"^# ?", "", cell, flags=re.MULTILINE) for cell in cells if cell.startswith(" [markdown]"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    for link in links(prose(path)):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme in ("http", "https", "mailto"), link
            assert parts.scheme == "mailto" or re.fullmatch(r"[\w.-]+(:\d+)?", parts.netloc), link
        elif parts.path and parts.path not in GENERATED:
            base = path.parent if path.suffix != ".py" else ROOT / "notebooks" / path.stem
            assert (base / unquote(parts.path)).exists(), link


def test_links_are_found_where_there_are_some():
    text = 'a [b](c.md#d) <https://e.org/f> ![g](h.png "i") <img src="j.svg"> `[k](l)`'
    assert links(text) == ["c.md#d", "https://e.org/f", "h.png", "j.svg"]


def test_words_are_spelt_as_words_are():
    names = [str(ROOT / name) for name in (*FOLDERS, "README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *names], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout


def test_a_word_that_is_misspelt_is_found(tmp_path):
    (tmp_path / "x.md").write_text("Its height is teh same.")  # codespell:ignore teh
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", str(tmp_path / "x.md")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0 and "teh ==> the" in done.stdout  # codespell:ignore teh
