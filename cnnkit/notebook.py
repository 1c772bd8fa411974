"""Run a student's notebook outside Jupyter, for what its exercises define."""

import contextlib
import io
import os

import nbformat
from IPython.core.interactiveshell import InteractiveShell

from cnnkit import exercises


class NotebookError(Exception):
    """A file that holds no exercises that could be checked; the message says why."""


def run(path):
    """Run the cells of a notebook, demonstrations and checks left out.

    Args:
        path: of an ``.ipynb`` file; its folder is the working directory meanwhile.

    Returns:
        ``(answers, trouble)``: a dict from the names of the exercises, in order, to what the notebook defines under
        that name, or None; and a line about the first cell that failed, or "".

    Raises:
        NotebookError: where the file cannot be read or has no exercise in it.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise NotebookError("there is no such file") from None
    except IsADirectoryError:
        raise NotebookError("this is a folder; name a notebook in it") from None
    except PermissionError:
        raise NotebookError("you may not read this file") from None
    except Exception as error:  # nbformat raises what its JSON and schema libraries raise
        raise NotebookError(f"this is no notebook, or it is damaged ({type(error).__name__})") from error
    names = [name for name in map(_checked, notebook.cells) if name]
    if not names:
        raise NotebookError("there is no exercise of the course in this notebook")
    shell = InteractiveShell.instance(colors="nocolor")
    before = os.getcwd()
    os.chdir(path.resolve().parent)
    trouble = ""
    try:
        for number, cell in enumerate(notebook.cells, start=1):
            if cell.cell_type != "code" or _checked(cell) or "demo" in cell.metadata.get("tags", ()):
                continue
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                result = shell.run_cell(cell.source)
            error = result.error_before_exec or result.error_in_exec
            trouble = trouble or (f"cell {number} raised {type(error).__name__}: {error}" if error else "")
        return {name: shell.user_ns.get(name) for name in names}, trouble
    finally:
        os.chdir(before)
        InteractiveShell.clear_instance()


def _checked(cell):
    """The exercise that a cell checks, or None."""
    grading = cell.metadata.get("nbgrader", {})
    name = grading.get("grade_id") if grading.get("grade") and not grading.get("solution") else None
    return name if name in exercises.names() else None
