"""A JupyterLab on a free port, with unit 03 built into its folder, and a headless Chromium to drive it.

Tests wait for what the page or the server reports, never for a time.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from programs import free_ports, running, wait_for

from autograder import build

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
UNIT = "03-conv-forward"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS_TO_START = 120

SERVER_CONFIG = """\
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = {port}
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.root_dir = {root!r}
c.IdentityProvider.token = ""
c.ServerApp.password = ""
c.ServerApp.disable_check_xsrf = True
c.LabApp.expose_app_in_browser = True
c.LabApp.extension_manager = "readonly"
"""
NBGRADER_CONFIG = """\
from autograder.nbgrader_config import course_config

c = get_config()
c.merge(course_config({root!r}, stock=True))
"""
QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}


@dataclass
class Lab:
    """A running JupyterLab: its address, the folder it shows, and what its log says."""

    url: str
    root: Path
    log: Path

    @property
    def student_notebook(self):
        return f"notebooks/{UNIT}/{UNIT}.ipynb"

    @property
    def solution_notebook(self):
        return f"build/source/{UNIT}/{UNIT}.ipynb"


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("lab-course")
    shutil.copytree(ROOT / "solutions" / UNIT, root / "solutions" / UNIT)
    (root / "grading").mkdir()
    (root / "nbgrader_config.py").write_text(NBGRADER_CONFIG.format(root=str(root)))
    build.build(root)
    yield from serve(root, tmp_path_factory.mktemp("lab-home"))


def serve(root, home):
    """Yield a Lab that shows a folder, with its settings in another one; stop it afterwards."""
    (port,) = free_ports(1)
    config, log = home / "config.py", home / "server.log"
    config.write_text(SERVER_CONFIG.format(port=port, root=str(root)))
    settings = home / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    folders = ("config", "data", "runtime")
    env = os.environ | {f"JUPYTER_{name.upper()}_DIR": str(home / name) for name in folders}
    env |= {"IPYTHONDIR": str(home / "ipython"), "CNNKIT_PROGRESS": str(root / "progress.jsonl")}
    env |= {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "jupyterlab", "--config", config]
    with running(command, log, "is running at", SECONDS_TO_START, cwd=root, env=env):
        wait_for(port, SECONDS_TO_START)
        yield Lab(f"http://127.0.0.1:{port}", root, log)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # The system's; where there is none, Playwright's own, and an error that says how to get it.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(SECONDS_TO_START * 1000)
    yield context.new_page()
    context.close()


@pytest.fixture
def screenshot():
    """``screenshot(page, name)``: keep a picture of the page, to be looked at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def take(page, name):
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return take
