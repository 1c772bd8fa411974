"""Skeletons of a unit and of an exercise: they lint and build as they stand, and ``selftest`` says what is left to do.

What has to be written is marked by ``TO_WRITE``.
"""

import ast
import keyword
import re
from dataclasses import dataclass
from pathlib import Path

import jinja2

from autograder import build
from autograder.errors import UsageError
from autograder.nbgrader_config import ROOT
from autograder.run import check_units
from cnnkit import exercises

TO_WRITE = "To be written:"
TEMPLATES = Path(__file__).parent / "templates" / "new"


@dataclass(frozen=True)
class Place:
    """The files of a unit."""

    root: Path
    unit: str
    module: str

    @property
    def lesson(self):
        return build.author_path(self.unit, self.root)

    @property
    def specification(self):
        return self.root / "cnnkit" / "exercises" / f"{self.module}.py"

    @property
    def answers(self):
        return self.root / "autograder" / "answers" / f"{self.module}.py"

    @property
    def registry(self):
        return self.root / "cnnkit" / "exercises" / "__init__.py"


def new_unit(unit, root=ROOT):
    """Write a unit without exercises, and enter it in ``cnnkit.exercises``.

    Args:
        unit: "10-median-filters": two digits, then the topic.
        root: the repository.

    Returns:
        Paths of the files written and changed.

    Raises:
        UsageError: the name will not do, or is taken.
    """
    if not re.fullmatch(r"\d\d(-[a-z0-9]+)+", unit):
        raise UsageError(f"{unit} is no name for a unit: two digits and the topic, as in 10-median-filters")
    topic = unit[3:]
    place = Place(Path(root), unit, topic.replace("-", "_"))
    if not place.module.isidentifier() or keyword.iskeyword(place.module):
        raise UsageError(f"{unit}: the topic becomes a module, and {place.module} is no name for one")
    taken = [known for known in {*build.units(root), *exercises.MODULES} if known[:2] == unit[:2] or known[3:] == topic]
    if taken:
        raise UsageError(f"{unit}: there is {min(taken)} already")
    texts = {
        place.lesson: _render("lesson.py.jinja", unit=unit, title=topic.replace("-", " ").capitalize()),
        place.specification: _render("specification.py.jinja", unit=unit),
        place.answers: _render("answers.py.jinja", unit=unit),
        place.registry: _registered(place),
    }
    for path in texts:
        if path.exists() and path != place.registry:
            raise UsageError(f"{path.relative_to(root)} exists already")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def new_exercise(name, unit, root=ROOT):
    """Write an exercise into a unit: specification, place for right answers, cells of the lesson.

    Args:
        name: of the function that students will write.
        unit: name of the unit.
        root: the repository.

    Returns:
        Paths of the files changed.

    Raises:
        UsageError: the name will not do, or is taken; or there is no such unit.
    """
    check_units([unit], root)
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,49}", name) or keyword.iskeyword(name):
        raise UsageError(f"{name} is no name for a function: small letters, digits and _")
    if name in exercises.names():
        raise UsageError(f"there is an exercise {name} already, in unit {exercises.get(name).unit}")
    place = Place(Path(root), unit, exercises.MODULES[unit])
    title = "".join(part.capitalize() for part in name.split("_"))
    texts = {
        place.specification: _specified(place.specification, _render("exercise.py.jinja", name=name, title=title)),
        place.answers: _answered(place.answers, name),
        place.lesson: _taught(place.lesson, name),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def to_write(unit, root=ROOT):
    """``[(file, line number, what)]``: what is still marked in the files of a unit."""
    place = Place(Path(root), unit, exercises.MODULES[unit])
    found = []
    for path in filter(Path.is_file, (place.lesson, place.specification, place.answers)):
        for number, line in enumerate(_read(path).splitlines(), start=1):
            if TO_WRITE in line:
                what = line.partition(TO_WRITE)[2].strip(" \"'.").removesuffix('")')
                found.append((path.relative_to(root).as_posix(), number, what))
    return found


def _registered(place):
    """The text of cnnkit/exercises/__init__.py with the unit in its table, which is in course order."""
    text = _read(place.registry)
    lines = {**exercises.MODULES, place.unit: place.module}
    table = "".join(f'    "{unit}": "{lines[unit]}",\n' for unit in sorted(lines))
    return re.sub(r"(?s)^MODULES = \{\n.*?^\}", lambda _: f"MODULES = {{\n{table}}}", text, count=1, flags=re.MULTILINE)


def _specified(path, exercise):
    """The text of a specification with one more exercise, and the imports that it needs."""
    text = _read(path).rstrip("\n") + "\n"
    if not re.search(r"^UNIT = Unit\(\"", text, re.MULTILINE):
        raise UsageError(f"{path.name} puts its unit together from other modules; add the exercise there by hand")
    lone = "from cnnkit.exercises.specification import Unit\n"
    text = text.replace(lone, "from cnnkit.cases import Case\n" + lone.replace("Unit", "Bug, Unit"))
    return text + exercise


def _taught(path, name):
    """The text of a lesson with one more exercise, and the import that its check needs."""
    text = _read(path).rstrip("\n")
    if not re.search(r"^from cnnkit import .*\bcheck\b", text, re.MULTILINE):
        text = text.replace("import numpy as np\n", "import numpy as np\n\nfrom cnnkit import check\n", 1)
    return text + _render("cells.py.jinja", name=name)


def _answered(path, name):
    """The text of a module of answers with an entry for an exercise at the end of its table."""
    text = _read(path)
    tables = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["ANSWERS"]
    ]
    if not tables or not isinstance(tables[0], ast.Dict):
        raise UsageError(f"{path.name}: no table ANSWERS = {{...}} in it")
    lines = text.splitlines(keepends=True)
    entry = f'    "{name}": [],\n'
    if not tables[0].keys:
        lines[tables[0].lineno - 1 : tables[0].end_lineno] = [f"ANSWERS = {{\n{entry}}}\n"]
        return "".join(lines)
    last = tables[0].values[-1]
    lines.insert(tables[0].end_lineno - 1, entry)
    line, end = lines[last.end_lineno - 1], last.end_col_offset
    lines[last.end_lineno - 1] = line[:end] + "," + line[end:].replace(",", "", 1)
    return "".join(lines)


def _render(template, **values):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(template).render(to_write=TO_WRITE, **values)


def _read(path):
    return path.read_text(encoding="utf-8")
