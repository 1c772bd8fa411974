"""Read by nbgrader when it, or JupyterLab, is started in this directory."""

from pathlib import Path

from autograder.nbgrader_config import course_config

c = get_config()  # noqa: F821 - given by nbgrader
c.merge(course_config(Path(__file__).parent))
