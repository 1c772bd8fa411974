"""What is said of a system that offers a sandbox, and of one that does not."""

import io
import json
import subprocess

import pytest
from click.testing import CliRunner
from rich.console import Console

from autograder import cli, execute
from autograder.errors import GradingError
from autograder.sandbox import survey as module
from autograder.sandbox.survey import Survey, survey
from cnnkit.doctor import Finding

INSIDE = {
    "uid": 1000,
    "proc": True,
    "capabilities": 0,
    "filtered": True,
    "landlock": 7,
    "writes": [],
    "connects": False,
}


@pytest.fixture(autouse=True)
def anew():
    survey.cache_clear()
    yield
    survey.cache_clear()


@pytest.fixture
def told(monkeypatch):
    """A function that makes the process inside the sandbox tell something else, or bubblewrap end without it."""

    def tell(stdout, stderr="", code=0):
        def run(command, **more):
            version = command[1:] == ["--version"]
            return subprocess.CompletedProcess(command, code, "bubblewrap 0.8.0\n" if version else stdout, stderr)

        monkeypatch.setattr(module.subprocess, "run", run)
        survey.cache_clear()
        return survey()

    return tell


def test_this_system_offers_a_sandbox():
    found = survey()
    assert found.works, found.refusal()
    assert found.line().startswith("Student code runs in a sandbox: Linux ")
    assert "\n" not in found.line()


def test_a_missing_bubblewrap_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    assert survey().line() == "No sandbox: bubblewrap: missing."
    assert "sudo apt-get install bubblewrap" in survey().refusal()
    assert "--isolation none" in survey().refusal()


def test_another_system_is_named(monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "darwin")
    monkeypatch.setattr(module.platform, "system", lambda: "Darwin")
    assert survey().problem.what == "Darwin"


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ],
)
def test_namespaces_that_are_switched_off_are_named_with_the_switch(
    told, tmp_path, monkeypatch, setting, value, remedy
):
    path = tmp_path / "proc" / "sys" / setting
    path.parent.mkdir(parents=True)
    path.write_text(f"{value}\n")
    monkeypatch.setattr(module, "SYSTEM", tmp_path)
    found = told("", "bwrap: setting up uid map: Permission denied\n", 1)
    assert found.problem.found == "bwrap: setting up uid map: Permission denied"
    assert remedy in found.problem.fix
    found = told(json.dumps({"refused": "unshare: No space left on device"}))
    assert found.line() == "No sandbox: namespaces in namespaces: unshare: No space left on device."


def test_a_python_that_others_cannot_read_is_named(told, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "SYSTEM", tmp_path)
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    assert "chmod -R o+rX" in told("", "PermissionError: [Errno 13] Permission denied: '/x'", 1).problem.fix


@pytest.mark.parametrize("open_door", [{"writes": ["/usr"]}, {"connects": True}, {"capabilities": 1}])
def test_a_wall_with_a_hole_is_no_sandbox(told, open_door):
    assert not told(json.dumps(INSIDE | open_door)).works


@pytest.mark.parametrize(
    ("gap", "named"),
    [({"landlock": 0}, "Landlock"), ({"filtered": False}, "seccomp"), ({"proc": False}, "/proc")],
)
def test_a_wall_that_is_missing_is_a_gap(told, gap, named):
    found = told(json.dumps(INSIDE | gap))
    assert found.works
    assert [finding.what for finding in found.findings if not finding.fine] == [named]


# The commands


@pytest.fixture
def printed(monkeypatch):
    """What the commands print, as one line."""
    text = io.StringIO()
    monkeypatch.setattr(cli, "console", Console(file=text, width=1000))
    return lambda: " ".join(text.getvalue().split())


NONE = Survey((), Finding("bubblewrap", False, "missing", "install it"))


@pytest.fixture
def without(monkeypatch):
    monkeypatch.setattr(module, "survey", lambda: NONE)


def grade(folder, *more):
    output = folder.with_name(f"{folder.name}-out")
    arguments = ["grade", "00-start-here", "--submitted", str(folder), "--output", str(output), *more]
    return CliRunner().invoke(cli.main, arguments)


@pytest.mark.parametrize("more", [(), ("--isolation", "sandbox")])
def test_nothing_is_graded_where_there_can_be_no_sandbox(tmp_path, without, more):
    done = grade(tmp_path, *more)
    assert done.exit_code == 3
    assert "cannot be kept in a sandbox here: bubblewrap: missing. What helps: install it" in " ".join(
        done.stderr.split()
    )
    assert not tmp_path.with_name(f"{tmp_path.name}-out").exists()


def test_unless_it_is_said_that_it_should_be(tmp_path, without, printed):
    done = grade(tmp_path, "--isolation", "none")
    assert "without isolation: grade only what you would run yourself" in printed()
    assert "holds no <student>/<unit>/<unit>.ipynb" in " ".join(done.stderr.split())


def test_the_courses_own_examples_are_graded_all_the_same_and_that_is_said(tmp_path, without, monkeypatch, printed):
    monkeypatch.setattr(cli, "EXAMPLES", tmp_path.resolve())
    grade(tmp_path)
    said = printed()
    assert "No sandbox: bubblewrap: missing." in said and "graded all the same, without protection" in said


def test_nbgraders_own_command_refuses_too(monkeypatch):
    monkeypatch.setattr(execute, "survey", lambda: NONE)
    with pytest.raises(GradingError, match="What helps: install it"):
        execute.ScoreBySpecification().preprocess(None, {})


def test_doctor_shows_what_it_found(monkeypatch, printed):
    done = CliRunner().invoke(cli.main, ["doctor"])
    assert done.exit_code == (0 if all(finding.fine for finding in survey().findings) else 1)
    said = printed()
    assert "bubblewrap" in said and "seccomp" in said
    gap = Finding("Landlock", False, "off", "a newer kernel")
    monkeypatch.setattr(module, "survey", lambda: Survey((Finding("Linux", True, "4.19"), gap)))
    done = CliRunner().invoke(cli.main, ["doctor"])
    assert done.exit_code == 1 and "Landlock: a newer kernel" in printed()
