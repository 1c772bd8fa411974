"""The bundle that students get: notebooks, cnnkit, environment and data, searched for what is not theirs to see.

The notebooks come straight from ``solutions/``, through nbgrader's own steps; the rest is copied from the repository.
What was put together is then searched as it stands, file by file, and nothing is written where anything is found.
That ``cnnkit`` holds references and known mistakes is by design: they are PyTorch's with a twist.
"""

import ast
import json
import re
import shutil
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import jinja2
import nbformat
from nbgrader.utils import is_solution

from autograder import build, percent
from autograder.collect import NAMES
from autograder.errors import AutograderError, BuildError
from autograder.gradebook import SEED_FILE
from autograder.nbgrader_config import ROOT

COPIED = ("LICENSE", "LICENSE-text", "constraints.txt")
FOLDERS = ("cnnkit", "data")
WRITTEN = ("README.md", "nbgrader_config.py", "pyproject.toml")
"""Files made from templates."""
LEFT_OUT = ("__pycache__", ".*", "*.pyc", "*.egg-info", "cache")
TEMPLATES = Path(__file__).parent / "templates" / "release"

TOP = {*COPIED, *FOLDERS, *WRITTEN, "environment.yml", "notebooks"}
INSTRUCTORS = {"autograder", "solutions", "grading", "gradebook.db", "grades.csv", "journal.jsonl", NAMES, SEED_FILE}
"""Names that no file or folder of a bundle has."""
CANARY = "INSTRUCTORS ONLY"
"""Write it into anything that students must not get; a bundle that holds it is refused."""
MARKS = (CANARY, "BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
CREDENTIALS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+]*://[^\s/:@'\"]+:[^\s/@'\"]+@"),
    "an access key": re.compile(r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20})\b"),
}
WHOLE = 60
"""A solution from this many characters on is searched for as a whole in code; shorter ones are common property."""


class Leak(AutograderError):
    """A bundle holds something that students must not get.

    Attributes:
        finds: ``[(file, what)]``, all of them.
    """

    def __init__(self, finds):
        self.finds = finds
        more = f", and {len(finds) - 1} more" if len(finds) > 1 else ""
        super().__init__(f"nothing was released: {finds[0][0]}: {finds[0][1]}{more}")


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written: its archive, its files' names, their size in bytes before packing."""

    archive: Path
    files: tuple[str, ...]
    size: int


def release(output=None, root=ROOT, canaries=()):
    """Write the archive for students.

    The same sources give the same bytes.

    Args:
        output: folder for it; ``build/release-bundle`` by default.
        root: the repository.
        canaries: more texts that no file may hold.

    Returns:
        A Bundle.

    Raises:
        Leak: something in it is not for students.
        BuildError: a unit is not fit to release.
    """
    root = Path(root)
    output = Path(output or root / "build" / "release-bundle")
    project = _project(root)
    name = f"{project['name']}-{project['version']}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        assemble(folder, root)
        finds = Scanner(root, canaries)(folder)
        if finds:
            raise Leak(finds)
        files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
        output.mkdir(parents=True, exist_ok=True)
        archive = output / f"{name}.zip"
        packed = output / f".{archive.name}.new"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
            for path in files:
                entry = zipfile.ZipInfo(f"{name}/{path.relative_to(folder).as_posix()}")
                entry.external_attr = 0o644 << 16
                out.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
        packed.replace(archive)
        names = tuple(path.relative_to(folder).as_posix() for path in files)
        return Bundle(archive, names, sum(path.stat().st_size for path in files))


def assemble(folder, root=ROOT):
    """Put a bundle together in a new folder, not searched yet. Raises BuildError."""
    folder, root = Path(folder), Path(root)
    folder.mkdir(parents=True)
    for name in COPIED:
        shutil.copyfile(root / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(
            root / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT), copy_function=shutil.copyfile
        )
    for parts, source in _sources(root).items():
        path = folder.joinpath("notebooks", *parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(build.student_notebook(source)) + "\n", encoding="utf-8")
    project = _project(root)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["toml"] = json.dumps
    first = "/".join(["notebooks", *_home(min(build.units(root)))])
    for name in WRITTEN:
        text = environment.get_template(f"{name}.jinja").render(project=project, first=first)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "environment.yml").write_text(_environment(root, project), encoding="utf-8")


class Scanner:
    """Searches bundles for what students must not get.

    Looked for are: files that have no business there, and links; notebooks with an output, an execution count, widget
    state or a line of a solution; solutions and right answers in any other file; the marks that only instructors' files
    have; secret seeds; credentials; and the given canaries. A solution's single lines count in lesson text, data and
    settings. Code has some of them by chance, and a lesson some of another unit's: there it counts as a whole.

    Args:
        root: the repository that has the solutions.
        canaries: more texts that no file may hold.
    """

    def __init__(self, root=ROOT, canaries=()):
        root = Path(root)
        self._sources = _sources(root)
        self._texts = (*MARKS, *canaries)
        self._seeds = _seeds(root)
        self._lines, self._whole = {}, {}
        for source in self._sources.values():
            for cell in filter(is_solution, source.cells):
                lines = percent.solution_lines(cell.source)
                what = f"the solution of {cell.metadata.nbgrader.grade_id.removesuffix('_solution')}"
                self._keep(what, lines)
                self._lines |= {build.compact(line): f"a line of {what}: {line.strip()}" for line in _telling(lines)}
        for path in sorted((root / "autograder" / "answers").glob("*.py")):
            text = path.read_text(encoding="utf-8")
            for node in ast.parse(text).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    lines = ast.get_source_segment(text, node).splitlines()
                    self._keep(f"an answer of {path.relative_to(root).as_posix()}", lines)

    def __call__(self, folder):
        """``[(file, what)]`` of everything found in a bundle, as a folder; empty where all is well."""
        finds = []
        for path in sorted(Path(folder).rglob("*")):
            name = path.relative_to(folder).as_posix()
            finds += [(name, what) for what in [self._misplaced(path, name.split("/"))] if what]
            if path.is_file() and not path.is_symlink():
                finds += [(name, what) for what in self._in_file(path)]
        return finds

    def _misplaced(self, path, parts):
        """Why a file or folder has no business in a bundle, or ""."""
        if path.is_symlink():
            return "is a link"
        if INSTRUCTORS & set(parts):
            return "is the instructor's"
        if parts[0] not in TOP or parts[-1].startswith("."):
            return "is no part of a bundle"
        if parts[0] == "notebooks" and path.is_file() and tuple(parts[1:]) not in self._sources:
            return "is no notebook of the course"
        return ""

    def _in_file(self, path):
        text = path.read_bytes().decode("utf-8", "replace")
        yield from (f"holds {mark!r}" for mark in self._texts if mark in text)
        yield from (f"holds {what}" for what, pattern in CREDENTIALS.items() if pattern.search(text))
        yield from (f"holds the secret seed in {where}" for seed, where in self._seeds.items() if seed in text)
        if path.suffix == ".ipynb":
            yield from self._in_notebook(path)
            return
        joined = _joined(text.splitlines())
        yield from self._solutions(joined)
        if path.suffix != ".py":
            yield from (f"holds {what}" for line, what in self._lines.items() if line in joined)

    def _in_notebook(self, path):
        try:
            nb = nbformat.read(path, as_version=4)
        except Exception as error:  # nbformat has no one error for what is no notebook
            yield f"is no notebook: {type(error).__name__}"
            return
        source = self._sources.get(_home(path.stem)) or self._sources.get((path.name,))
        if source:
            try:
                build.refuse_leaks(nb, source, "")
            except BuildError as error:
                yield str(error).lstrip(":, ")
        yield from self._solutions(_joined("\n".join(cell.source for cell in nb.cells).splitlines()))

    def _solutions(self, joined):
        yield from (f"holds {what}" for whole, what in self._whole.items() if whole in joined)

    def _keep(self, what, lines):
        whole = _joined(lines)
        if len(whole) >= WHOLE:
            self._whole.setdefault(whole, what)


def _telling(lines):
    """The lines of a solution that give it away: long enough, and no comments."""
    return [line for line in lines if len(build.compact(line)) >= build.TELLING and not line.lstrip().startswith("#")]


def _sources(root):
    """``{path below notebooks/, as a tuple: source notebook}`` of all that students get."""
    solutions = root / "solutions"
    units = {_home(unit): build.source_notebook(solutions / unit / f"{unit}.py") for unit in build.units(root)}
    return units | {(f"{path.stem}.ipynb",): build.plain_notebook(path) for path in sorted(solutions.glob("*.py"))}


def _home(unit):
    return unit, f"{unit}.ipynb"


def _joined(lines):
    """Lines of code as one text, without blanks and comment lines."""
    return build.compact("".join(line for line in lines if not line.lstrip().startswith("#")))


def _seeds(root):
    """``{seed: its file}`` of the secret seeds below the repository."""
    seeds = {}
    for place in ("grading", "build"):
        for path in sorted((root / place).rglob(SEED_FILE)):
            seeds[path.read_text(encoding="ascii").strip()] = path.relative_to(root).as_posix()
    return {seed: where for seed, where in seeds.items() if len(seed) > 8}


def _project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _environment(root, project):
    """The repository's environment.yml, without what only a grader needs."""
    asked = {_name(text) for text in project["dependencies"]}
    graders = {_name(text) for text in project["optional-dependencies"]["grading"]} - asked
    kept = []
    for line in (root / "environment.yml").read_text(encoding="utf-8").splitlines(keepends=True):
        entry = re.fullmatch(r"  - ([A-Za-z][\w.-]*)\W.*\n", line)
        if not line.startswith("#") and not (entry and _name(entry[1]) in graders):
            kept.append(line)
    return "".join(kept)


def _name(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")
