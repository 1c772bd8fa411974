"""The course directory as nbgrader sees it: for ``nbgrader`` commands, formgrader, Validate and our grader.

What is built lies in ``build/``; what students hand in, the marks and the feedback in ``grading/``.
nbgrader finds this through the ``nbgrader_config.py`` in the root of the repository.
"""

import os
import sysconfig
from pathlib import Path

from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[1]

CODE_STUB = '# Write your code here, in place of the next line.\nraise NotImplementedError("not written yet")'
TEXT_STUB = "*Your answer, in place of this line.*"

# Scores graded cells by specification, outside the student's interpreter, where nbgrader has its Execute.
EXECUTOR = "autograder.execute.ScoreBySpecification"
STOCK_EXECUTOR = "nbgrader.preprocessors.Execute"
# Notebooks that nbgrader's own pipeline runs after executing, in its order.
AFTER_EXECUTION = [
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]


def course_config(root=ROOT, stock=False):
    """nbgrader's configuration for the course in the directory ``root``.

    With ``stock=True`` checks run in the student's own kernel, as nbgrader does by itself: public
    seed, no protection.
    """
    root = Path(root).resolve()
    c = Config()
    _find_alembic()

    c.CourseDirectory.root = str(root)
    c.CourseDirectory.course_id = "cnn-course"
    c.CourseDirectory.db_url = f"sqlite:///{root / 'grading' / 'gradebook.db'}"
    c.CourseDirectory.source_directory = os.path.join("build", "source")
    c.CourseDirectory.release_directory = os.path.join("build", "release")
    for step in ("submitted", "autograded", "feedback", "solution"):
        c.CourseDirectory[f"{step}_directory"] = os.path.join("grading", step)

    c.ClearSolutions.code_stub = {"python": CODE_STUB}
    c.ClearSolutions.text_stub = TEXT_STUB

    c.Autograde.autograde_preprocessors = [STOCK_EXECUTOR if stock else EXECUTOR, *AFTER_EXECUTION]
    # Validate and stock runs execute a whole lesson, figures and races included.
    c.Execute.timeout = 120
    c.Execute.startup_timeout = 120
    c.Execute.store_widget_state = False
    return c


def _find_alembic():
    """nbgrader calls ``alembic`` by name to make a gradebook, in environments that nobody activated too."""
    scripts = sysconfig.get_path("scripts")
    if scripts not in os.get_exec_path():
        os.environ["PATH"] = os.pathsep.join([scripts, *os.get_exec_path()])
