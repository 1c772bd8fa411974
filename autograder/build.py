"""From the authors' percent notebooks to what nbgrader reads and what students open.

    solutions/<unit>/<unit>.py -> build/source/<unit>/<unit>.ipynb -> notebooks/<unit>/<unit>.ipynb

The source notebook holds the solutions and nbgrader's metadata; the student notebook is what
``nbgrader generate_assignment`` makes of it. The same sources give the same bytes. A unit that is not
fit to release is refused with a ``BuildError``, before anything is written.

What stands in ``solutions/`` itself (``explainers.py``) has no exercises: it becomes ``notebooks/explainers.ipynb``.
"""

import copy
import difflib
import functools
import hashlib
import importlib.metadata
import json
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import InstantiateTests, SaveCells
from nbgrader.utils import compute_checksum, is_grade, is_solution

from autograder import percent
from autograder.errors import BuildError
from autograder.nbgrader_config import ROOT, course_config
from cnnkit import exercises

__all__ = [
    "author_path",
    "build",
    "compact",
    "prove_demo_free",
    "refuse_leaks",
    "source_notebook",
    "sources",
    "student_notebook",
    "units",
]

# A line of a solution counts as given away from this many characters on, blanks not counted: shorter
# ones ("n,c,h,w=x.shape") are common to all code on the subject.
TELLING = 20

SKIPPED = "# skipped when grading"
"""First line of a demo cell, so that a student sees which cells a solution cannot lean on."""

# Tags that fold a cell's code away, or keep it from being shown.
HIDDEN = {"hide-cell", "hide-input", "remove-cell", "remove-input"}


def author_path(unit, root=ROOT):
    """The author's file of a unit."""
    return Path(root) / "solutions" / unit / f"{unit}.py"


def units(root=ROOT):
    """Names of the units in ``solutions/``, in course order."""
    return sorted(p.parent.name for p in Path(root).glob("solutions/*/*.py") if p.stem == p.parent.name)


def source_notebook(path):
    """nbgrader's source notebook, solutions included, of the percent file at ``path``.

    Raises BuildError as ``percent.read`` does, and where the cells do not agree with the unit's exercises.
    """
    path = Path(path)
    file, unit = "/".join(path.parts[-3:]), path.stem
    nb = percent.read(path)
    _refuse_disagreement(nb, file, unit)
    nb = _with_metadata(nb, unit)
    for cell in nb.cells:
        if percent.is_demo(cell) and not HIDDEN & set(cell.metadata.tags):
            cell.source = f"{SKIPPED}\n{cell.source}"
    return nb


def plain_notebook(path):
    """The notebook of a percent file without exercises. Raises BuildError as ``percent.read`` does."""
    return _with_metadata(percent.read(path), Path(path).stem)


def _with_metadata(nb, unit):
    """The notebook with ids and nbgrader's metadata in place of the author's marks."""
    ids = set()
    for cell in nb.cells:
        kind, name = percent.mark(cell)
        cell.id = _cell_id(unit, cell, ids)
        ids.add(cell.id)
        if kind:
            cell.metadata = {"nbgrader": _nbgrader(kind, name, cell.metadata.get("points"))}
        elif "hide-input" in cell.metadata.get("tags", []):
            # The tag folds the code on the site; this is what folds it in JupyterLab.
            cell.metadata["jupyter"] = {"source_hidden": True}
    nb = nbformat.from_dict(nb)
    nbformat.validate(nb)
    return nb


def student_notebook(source, file="the student notebook"):
    """What students get of a source notebook: made by nbgrader's own steps, then searched for leaks.

    ``file`` is how a BuildError about a leak names it.
    """
    config = course_config()
    nb, resources = copy.deepcopy(source), {}
    for step in GenerateAssignment(config=config).preprocessors:
        # The first writes to the gradebook; the second starts a kernel, for a syntax that is not used here.
        if step not in (SaveCells, InstantiateTests):
            nb, resources = step(config=config)(nb, resources)
    refuse_leaks(nb, source, file)
    return nb


def build(root=ROOT, units=None, check=False):
    """Build the named units, or all of them.

    Args:
        root: the repository.
        units: names; none for every unit.
        check: write nothing, and report what is stale in ``notebooks/`` instead.

    Returns:
        Paths of the files written, or of the stale ones.

    Raises:
        BuildError: a unit is not fit to release, is not known, or a student notebook in ``notebooks/``
            holds somebody's work, which a build would overwrite.
    """
    root = Path(root)
    wanted, sources = {}, {}
    for unit in _known(root, units):
        sources[unit] = source_notebook(author_path(unit, root))
        student = student_notebook(sources[unit], f"notebooks/{unit}/{unit}.ipynb")
        wanted[_source_path(root, unit)] = _text(sources[unit])
        wanted[_student_path(root, unit)] = _text(student)
    if not units:
        _refuse_orphans(root, sources)
        for path in sorted(root.glob("solutions/*.py")):
            wanted[root / "notebooks" / f"{path.stem}.ipynb"] = _text(plain_notebook(path))
    stale = [p for p, text in wanted.items() if not p.is_file() or p.read_bytes() != text.encode()]
    for unit, source in sources.items():
        path = _student_path(root, unit)
        if path in stale and path.is_file():
            _refuse_work(path, source, leaks=check)
    if check:
        return [p for p in stale if p.is_relative_to(root / "notebooks")]
    _write(root, {p: wanted[p] for p in stale})
    return stale


def sources(root=ROOT, units=None):
    """The units' source notebooks, ``{unit: notebook}``; brings ``build/source/`` up to date.

    It leaves ``notebooks/``, where students work, alone. What was built from the same files is read from where it lies:
    to see whether a unit agrees with its exercises loads these, and torch for some. Raises BuildError.
    """
    root, found = Path(root), {}
    for unit in _known(root, units):
        author, path, stamp = author_path(unit, root), _source_path(root, unit), root / "build" / "made-of" / unit
        if path.is_file() and stamp.is_file() and stamp.read_text() == _made_of(author, path):
            found[unit] = nbformat.read(path, as_version=4)
            continue
        found[unit] = source_notebook(author)
        _write(root, {path: _text(found[unit])})
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(_made_of(author, path))
    return found


def _made_of(author, built):
    """A digest of a unit's source, of the notebook that was built from it, and of the code that did so."""
    digest = hashlib.sha256(_code())
    for path in (author, built):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@functools.cache
def _code():
    folders = Path(exercises.__file__).parents[1], Path(__file__).parent
    digest = hashlib.sha256("".join(map(importlib.metadata.version, ("jupytext", "nbformat", "nbgrader"))).encode())
    for path in (path for folder in folders for path in sorted(folder.rglob("*.py"))):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def prove_demo_free(unit, root=ROOT, timeout=300):
    """Run a unit's source notebook without its demo cells, in a fresh kernel: every check must pass.

    Grading skips demo cells, so nothing that a solution needs may stand in one.

    Returns the names of the exercises that passed. Raises BuildError at the first cell that fails.
    """
    nb = source_notebook(author_path(unit, root))
    nb.cells = [cell for cell in nb.cells if not percent.is_demo(cell)]
    started = []
    client = NotebookClient(
        nb,
        timeout=timeout,
        kernel_name=nb.metadata.kernelspec.name,
        store_widget_state=False,
        on_cell_start=lambda cell, cell_index: started.append(cell),
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        reason = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else str(error)
        where = _grade_id(started[-1]) or started[-1].source.strip().splitlines()[0]
        line = reason.strip().splitlines()[0]
        raise BuildError(f"{unit}, without its demo cells, at '{where}': {line}") from error
    return [_grade_id(cell) for cell in nb.cells if is_grade(cell) and not is_solution(cell)]


def refuse_leaks(student, source, file):
    """Raise BuildError where a student notebook holds an output, widget state or part of a solution.

    Args:
        student: the notebook to search.
        source: the source notebook that has the solutions.
        file: how the message names the student notebook.
    """
    if "widgets" in student.metadata:
        raise BuildError(f"{file}: holds widget state")
    secrets = {}
    for cell in source.cells:
        if is_solution(cell):
            for line in percent.solution_lines(cell.source):
                if len(compact(line)) >= TELLING and not line.lstrip().startswith("#"):
                    secrets[compact(line)] = _grade_id(cell), line.strip()
    for cell in student.cells:
        where = f"{file}, cell '{_grade_id(cell) or cell.id}'"
        if cell.get("outputs"):
            raise BuildError(f"{where}: holds an output")
        if cell.get("execution_count") is not None:
            raise BuildError(f"{where}: holds an execution count")
        text = compact(cell.source)
        for secret, (origin, line) in secrets.items():
            if secret in text:
                raise BuildError(f"{where}: holds a line of the solution of '{origin}': {line}")


def _known(root, wanted):
    """The wanted units, all of them where none is named; refuses names that ``solutions/`` does not have."""
    known = units(root)
    if not known:
        raise BuildError(f"{root}/solutions: no units here")
    for unit in wanted or ():
        if unit not in known:
            raise BuildError(no_unit(unit, known))
    return list(wanted) if wanted else known


def no_unit(unit, known):
    """What to say of a name that is no unit's: the nearest one, or all there are."""
    begun = [name for name in known if name.startswith((unit, unit.zfill(2)))]
    near = begun or difflib.get_close_matches(unit, known, n=1)
    return f"no unit {unit}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")


def _source_path(root, unit):
    return root / "build" / "source" / unit / f"{unit}.ipynb"


def _student_path(root, unit):
    return root / "notebooks" / unit / f"{unit}.ipynb"


def _text(nb):
    """A notebook as nbgrader writes it: sorted keys, one blank of indent, a newline at the end."""
    return nbformat.writes(nb, version=4) + "\n"


def _write(root, texts):
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = [p for p in path.parent.iterdir() if p != path and p.name != ".ipynb_checkpoints"]
        if beside and path.is_relative_to(root / "build"):
            raise BuildError(f"{beside[0]}: nbgrader would release this file to students; move it away")
        path.write_bytes(text.encode())


def _refuse_orphans(root, known):
    for path in sorted((root / "notebooks").glob("*/*.ipynb")):
        if path.stem == path.parent.name and path.stem not in known:
            raise BuildError(f"notebooks/{path.stem}/{path.name}: no solutions/{path.stem}/{path.stem}.py for it")


def _refuse_work(path, source, leaks):
    """Refuse to overwrite a student notebook that somebody has written in.

    With ``leaks``, refuse also what must not be committed; a build clears that by writing anew.
    """
    file = "/".join(path.parts[-3:])
    try:
        nb = nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, json.JSONDecodeError):
        return  # No notebook, say after a merge that went wrong: nothing that could be worked in.
    if leaks:
        refuse_leaks(nb, source, file)
        return
    for cell in nb.cells:
        if is_solution(cell) and cell.metadata.nbgrader.get("checksum") != compute_checksum(cell):
            raise BuildError(f"{file}, cell '{_grade_id(cell)}': somebody's answer; move the file away, then build")


def _refuse_disagreement(nb, file, unit):
    """Refuse cells that do not agree with each other or with the unit's specification."""
    try:
        expected = list(exercises.names(unit=unit))
    except KeyError as error:
        raise BuildError(f"{file}: cnnkit.exercises has no unit '{unit}'") from error
    places = {}
    for number, cell in enumerate(nb.cells, start=1):
        kind, name = percent.mark(cell)
        if not kind:
            continue
        where, grade_id = percent.place(file, number, cell), _grade_id_of(kind, name)
        if grade_id in places:
            raise BuildError(f"{where}: grade id '{grade_id}' stands twice")
        if kind == "check" and name not in expected:
            known = name in exercises.names()
            raise BuildError(
                f"{where}: an exercise of unit {exercises.get(name).unit}"
                if known
                else f"{where}: no specification has an exercise of this name"
            )
        if kind == "check" and f"{name}_solution" not in places:
            raise BuildError(f"{where}: no solution cell before it")
        places[grade_id] = kind, name, where
    for kind, name, where in places.values():
        if kind == "solution" and name not in places:
            raise BuildError(f"{where}: no check cell after it")
    for name in expected:
        if name not in places:
            raise BuildError(f"{file}: no check cell for '{name}', which the unit's specification has")


def _nbgrader(kind, name, points):
    graded = kind != "solution"
    meta = {
        "schema_version": 3,
        "grade_id": _grade_id_of(kind, name),
        "grade": graded,
        "solution": kind != "check",
        "locked": kind == "check",
        "task": False,
    }
    return meta | {"points": exercises.get(name).max_score if kind == "check" else points} if graded else meta


def _grade_id_of(kind, name):
    return f"{name}_solution" if kind == "solution" else name


def _cell_id(unit, cell, taken):
    """A cell's id: its grade id, or a digest of unit and text, so that other cells' edits leave it alone."""
    kind, name = percent.mark(cell)
    if kind:
        return _grade_id_of(kind, name)
    twins = 0
    while True:
        text = "\0".join([unit, cell.cell_type, cell.source, str(twins)])
        cell_id = f"{cell.cell_type}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        if cell_id not in taken:
            return cell_id
        twins += 1


def _grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def compact(text):
    """A text without its blanks, as lines of code are compared."""
    return re.sub(r"\s+", "", text)
