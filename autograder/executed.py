"""Solution notebooks with their outputs: run once for whatever wants to see them, the tests and the site.

What is kept in ``build/executed/`` carries a digest of all that a run depends on in its name, so that a change of the
lesson, of ``cnnkit`` or of the data runs it anew. Processes that ask for the same unit wait for the one that runs it.
"""

import fcntl
import hashlib
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from autograder import build
from autograder.errors import BuildError
from autograder.nbgrader_config import ROOT

SECONDS_A_CELL = 300
PACKAGES = ("ipykernel", "matplotlib", "numpy", "torch")


def executed(unit, root=ROOT):
    """The source notebook of a unit, solutions included, with the outputs of all its cells.

    Raises:
        BuildError: a cell ended in an error, or took too long.
    """
    root = Path(root)
    source = build.source_notebook(root / "solutions" / unit / f"{unit}.py")
    folder = root / "build" / "executed"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{unit}-{_digest(source, root)}.ipynb"
    with open(folder / f"{unit}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            _run(unit, source, root)
            for old in folder.glob(f"{unit}-*.ipynb"):
                old.unlink()
            nbformat.write(source, path)
    return nbformat.read(path, as_version=4)


def warnings(notebook):
    """``[(cell id, text)]``: what the cells of a notebook printed to stderr that warns of something."""
    return [
        (cell.id, output.text.strip())
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == "stderr" and "Warning" in output.text
    ]


def _run(unit, notebook, root):
    begun = []
    client = NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        kernel_name=notebook.metadata.kernelspec.name,
        store_widget_state=False,
        on_cell_start=lambda cell, cell_index: begun.append(cell.id),
        resources={"metadata": {"path": str(root / "solutions" / unit)}},
    )
    try:
        with tempfile.TemporaryDirectory() as folder:  # nobody's progress is read, and none is kept
            client.execute(env=os.environ | {"CNNKIT_PROGRESS": str(Path(folder) / "progress.jsonl")})
    except CellExecutionError as error:
        raise BuildError(f"{unit}, cell {begun[-1]}: {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise BuildError(f"{unit}, cell {begun[-1]}: not done after {SECONDS_A_CELL} s") from error
    except (DeadKernelError, AssertionError) as error:  # the latter where Ctrl-C took nbclient's kernel away
        raise BuildError(f"{unit}, cell {begun[-1]}: the kernel died") from error


def _digest(source, root):
    files = [path for folder in ("cnnkit", "data") for path in sorted((root / folder).rglob("*")) if _counts(path)]
    digest = hashlib.sha256(nbformat.writes(source).encode())
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    digest.update("".join([platform.python_version(), *map(version, PACKAGES)]).encode())
    return digest.hexdigest()[:16]


def _counts(path):
    return path.is_file() and not {"__pycache__", "cache"} & set(path.parts)
