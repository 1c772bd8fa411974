"""The JupyterHub recipe, for real: hub, proxy and four users' servers; one assignment from release to feedback.

Everything goes through the hub: servers are started by its API, and what a student or an instructor clicks is asked of
their own server, behind the hub's proxy.
"""

import csv
import json
import os
import shutil
import socket
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from jupyterhub.app import JupyterHub
from programs import autograder_succeeds, free_ports, running
from traitlets.config import PyFileConfigLoader

from autograder import build

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "jupyterhub" / "jupyterhub_config.py"
UNIT = "00-start-here"
COURSE_ID = "cnn-course"
TOKEN = "only-for-this-test"
SECONDS = 180
CONFIG = """\
load_subconfig({recipe!r})
c.JupyterHub.services = [dict(name="test", api_token={token!r})]
c.JupyterHub.load_roles = [
    dict(name="test", services=["test"], scopes=["admin:users", "admin:servers", "tokens", "access:servers"])
]
c.JupyterHub.bind_url = c.JupyterHub.bind_url.replace(":8000", ":{port}")
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.Spawner.args = ["--allow-root"]
c.Spawner.start_timeout = c.Spawner.http_timeout = {seconds}
"""


class Hub:
    """The running hub, as a client sees it."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None, token=TOKEN):
        """The answer to a request, as text."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.read().decode()

    def newcomer(self, name):
        self.ask("POST", f"/hub/api/users/{name}")
        return User(self, name)


class User:
    """A user whom the hub knows; the constructor starts their server."""

    def __init__(self, hub, name):
        self.hub, self.name = hub, name
        hub.ask("POST", f"/hub/api/users/{name}/server", {})
        # The stream ends when the server is there, or has failed.
        events = hub.ask("GET", f"/hub/api/users/{name}/server/progress")
        assert '"ready": true' in events, events

    def ask(self, method, path, body=None):
        return json.loads(self.hub.ask(method, f"/user/{self.name}/{path}", body) or "null")

    def exchange(self, action):
        """What nbgrader's list of assignments does on a click: fetch, submit, fetch_feedback."""
        answer = self.ask("POST", f"assignments/{action}", {"course_id": COURSE_ID, "assignment_id": UNIT})
        assert answer["success"], answer
        return [entry["status"] for entry in answer["value"] if entry["assignment_id"] == UNIT]

    def formgrader(self, action):
        """What formgrader does on a click."""
        answer = self.ask("POST", f"formgrader/api/assignment/{UNIT}/{action}", {})
        assert answer["success"], answer

    def feedback(self):
        """The text of the one page that was fetched."""
        (folder,) = self.ask("GET", f"api/contents/{UNIT}/feedback")["content"]
        (page,) = self.ask("GET", f"api/contents/{quote(folder['path'])}")["content"]
        return self.ask("GET", f"api/contents/{quote(page['path'])}")["content"]

    def append(self, path, text):
        """Write at the end of a file, as JupyterLab's editor does."""
        content = self.ask("GET", f"api/contents/{path}?type=file")["content"]
        self.ask("PUT", f"api/contents/{path}", {"type": "file", "format": "text", "content": content + text})

    def work(self, answer):
        """Write an answer into the fetched notebook."""
        path = f"api/contents/{UNIT}/{UNIT}.ipynb"
        notebook = self.ask("GET", path)
        for cell in notebook["content"]["cells"]:
            if cell["id"] == "practice_solution":
                cell["source"] = answer
        self.ask("PUT", path, {"type": "notebook", "content": notebook["content"]})


def late_work():
    """The lines that docs/instructor.md gives for late work."""
    section = (ROOT / "docs" / "instructor.md").read_text(encoding="utf-8").split("\n## Late work\n")[1]
    return section.split("```python\n")[1].split("```")[0]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "solutions" / UNIT, root / "solutions" / UNIT)
    build.build(root)
    (root / "grading").mkdir()
    return root


@pytest.fixture(scope="module")
def hub(course, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    port, hub_port, api_port = free_ports(3)
    config = folder / "config.py"
    more = {"recipe": str(RECIPE), "token": TOKEN, "seconds": SECONDS}
    config.write_text(CONFIG.format(port=port, hub_port=hub_port, api_port=api_port, **more))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "CNN_HUB"))}
    environment |= {"CNN_HUB": str(folder), "CNN_COURSE": str(course), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "jupyterhub", "--config", config]
    with running(command, folder / "hub.log", "JupyterHub is now running", SECONDS, cwd=folder, env=environment):
        yield Hub(f"http://127.0.0.1:{port}")


def test_without_a_password_it_listens_on_this_machine_alone(hub):
    port = urlsplit(hub.url).port
    socket.create_connection(("127.0.0.1", port), SECONDS).close()
    with pytest.raises(ConnectionRefusedError):  # where somebody who listens everywhere would be met as well
        socket.create_connection(("127.0.0.2", port), SECONDS)


def test_with_a_password_it_listens_everywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("CNN_HUB", str(tmp_path))
    monkeypatch.setenv("CNN_HUB_PASSWORD", "swordfish")
    config = PyFileConfigLoader(RECIPE.name, path=str(RECIPE.parent)).load_config()
    assert urlsplit(JupyterHub(config=config).bind_url).hostname is None
    assert config.DummyAuthenticator.password == "swordfish"


def test_one_assignment_goes_round(hub, course):
    instructor = User(hub, "instructor")  # known from the start, since the recipe names them
    assert [a["name"] for a in instructor.ask("GET", "formgrader/api/assignments")] == [UNIT]
    for action in ("assign", "release"):
        instructor.formgrader(action)

    ann, bob, cy = (hub.newcomer(name) for name in ("ann", "bob", "cy"))
    with pytest.raises(urllib.error.HTTPError, match="404"):  # formgrader is not for students
        ann.ask("GET", "formgrader/api/assignments")
    for student in (ann, bob, cy):
        assert student.exchange("fetch") == ["fetched"]
    ann.work("def practice(x):\n    return x + x")
    bob.work("def practice(x):\n    return x * x")
    cy.work("def practice(x):\n    return 2 * x")
    for student in (ann, bob):
        assert "submitted" in student.exchange("submit")
    due = {"duedate_notimezone": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}", "duedate_timezone": "+0000"}
    instructor.ask("PUT", f"formgrader/api/assignment/{UNIT}", due)
    assert "submitted" in cy.exchange("submit")

    instructor.formgrader("collect")
    grading = course / "grading"
    assert sorted(p.name for p in (grading / "submitted").iterdir()) == ["ann", "bob", "cy"]
    autograder_succeeds("grade", UNIT, "--submitted", grading / "submitted", "--output", grading)
    instructor.append("grading/nbgrader_config.py", late_work().replace("grace_minutes = 15", "grace_minutes = 0"))
    autograder_succeeds("report", "--output", grading)
    autograder_succeeds("export", "--output", grading)
    with open(grading / "export-csv.csv", newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert {name: (row["score"], row["late_penalty"]) for name, row in rows.items()} == {
        "ann": ("1", "0"),
        "bob": ("0", "0"),
        "cy": ("0.9", "0.1"),
    }
    # Formgrader has the same marks, and gives our pages back.
    found = instructor.ask("GET", f"formgrader/api/submissions/{UNIT}")
    assert {s["student"]: s["score"] for s in found} == {"ann": 1, "bob": 0, "cy": 1}
    instructor.formgrader("release_feedback")
    bob.exchange("fetch_feedback")
    assert "Looks like: squared" in bob.feedback()
