"""nbgrader's formgrader, started with JupyterLab, finds the course through nbgrader_config.py."""

import pytest

pytestmark = pytest.mark.xdist_group("browser")

UNIT = "03-conv-forward"


def test_formgrader_lists_the_assignment(lab, page, screenshot):
    page.goto(f"{lab.url}/formgrader/manage_assignments")
    row = page.locator("tbody tr", has_text=UNIT)
    row.wait_for()
    screenshot(page, "formgrader")
    response = page.request.get(f"{lab.url}/formgrader/api/assignments")
    assert [assignment["name"] for assignment in response.json()] == [UNIT]
