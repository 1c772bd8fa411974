"""The house around the code: packaging, Makefile, scripts and README say the same and do what they say."""

import ast
import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from programs import free_ports, running, wait_for

from autograder.cli import main as autograder_main
from cnnkit.cli import main as cnnkit_main

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

TARGETS = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE)
SUPPORTED = ["3.11", "3.12", "3.13"]

# Where conda-forge's name is not the one on PyPI. matplotlib-base is matplotlib without Qt.
CONDA_NAMES = {
    "bleach": "bleach-with-css",
    "torch": "pytorch",
    "lazy-loader": "lazy-loader",
    "matplotlib": "matplotlib-base",
}


def by_name(requirements):
    """Requirements as text, to a dict from canonical name to version specifiers."""
    parsed = [Requirement(text) for text in requirements]
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in parsed}


def requirements_with(*extras):
    return PROJECT["dependencies"] + [text for extra in extras for text in EXTRAS[extra]]


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


# Dependencies


def test_environment_is_what_pyproject_asks_for():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    listed = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    asked = by_name(requirements_with("grading"))
    expected = {CONDA_NAMES.get(name, name): specifier for name, specifier in asked.items()}
    expected |= {"python": SpecifierSet(PROJECT["requires-python"]), "pip": SpecifierSet()}
    assert by_name(listed) == expected
    assert {"pip": ["-e ."]} in environment["dependencies"]
    assert environment["name"] == PROJECT["name"]


def test_constraints_pin_every_requirement_at_a_version_it_allows():
    pinned = by_name(pins())
    for name, allowed in by_name(requirements_with(*EXTRAS)).items():
        assert name in pinned, f"{name} has no pin in constraints.txt"
        (pin,) = pinned[name]
        assert allowed.contains(pin.version), f"{name}: {pin} is not in {allowed}"


def test_constraints_are_exact_public_versions_each_named_once():
    lines = pins()
    for line in lines:
        name, version = line.split("==")
        assert Version(version).local is None, f"{name}: {version} is to be had from one index only"
    assert len(by_name(lines)) == len(lines)


def test_pinned_versions_run_on_every_python_that_the_course_allows():
    """Not only on the one that they were chosen with: Debian 12 has Python 3.11.2, and pip there finds no way out."""
    for pin in pins():
        needed = _needed_python(pin.partition("==")[0])
        first = [SpecifierSet(needed).contains(version) for version in ("3.11.0", "3.12.0", "3.13.0")]
        assert all(first), f"{pin} needs Python {needed}"


def _needed_python(name):
    """What a package says it needs, where it is installed."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.metadata(name).get("Requires-Python") or ""
    return ""


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("cnnkit", []),
        ("solutions", []),
        ("autograder", ["grading", "cluster", "site"]),
        ("benchmarks", ["grading", "cluster", "dev"]),
        ("tests", ["grading", "cluster", "dev"]),
    ],
)
def test_imports_are_declared(folder, extras):
    declared = by_name(requirements_with(*extras))
    distributions = importlib.metadata.packages_distributions()
    # Benchmarks try what the tests have, in greater numbers.
    folders = ["benchmarks", "tests"] if folder == "benchmarks" else [folder]
    own = {"cnnkit", "autograder"} | {path.stem for name in folders for path in (ROOT / name).rglob("*.py")}
    undeclared = set()
    for path, module in imports(folder):
        if module in own or module in sys.stdlib_module_names:
            continue
        offered_by = {canonicalize_name(name) for name in distributions.get(module, [module])}
        if not offered_by & declared.keys():
            undeclared.add(f"{path.relative_to(ROOT)}: {module}")
    assert not undeclared


def imports(folder):
    """(path, top-level module) for each absolute import of the Python files under a folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            yield from ((path, name.partition(".")[0]) for name in names)


@pytest.mark.parametrize("folder", ["cnnkit", "solutions"])
def test_what_students_run_imports_neither_the_grader_nor_nbgrader(folder):
    assert not [path for path, module in imports(folder) if module in {"autograder", "nbgrader"}]


# Supported Pythons


def test_the_range_of_pythons_is_the_same_everywhere():
    supported = SpecifierSet(PROJECT["requires-python"])
    minor_versions = [f"3.{minor}" for minor in range(20) if f"3.{minor}" in supported]
    assert minor_versions == SUPPORTED
    assert "Python 3.11, 3.12 or 3.13" in README
    set_up = (ROOT / "scripts/set-up").read_text(encoding="utf-8")
    assert "(3, 11) <= sys.version_info < (3, 14)" in set_up
    assert "Python 3.11, 3.12 or 3.13" in set_up
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert ruff["target-version"] == "py311"


# What the documents say


DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = {"make": TARGETS, "autograder": autograder_main.commands, "cnnkit": cnnkit_main.commands}


def commands(program, document):
    """The commands of a program that a document gives, at the beginning of a line or of code in it."""
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"(?:^ *|`)(?:\.venv/bin/)?{program} ([a-z][a-z-]+)\b", text, re.MULTILINE)


@pytest.mark.parametrize("program", COMMANDS)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_in_the_documents_exist(document, program):
    assert set(commands(program, document)) <= set(COMMANDS[program])


@pytest.mark.parametrize("program", COMMANDS)
def test_the_documents_give_commands(program):
    assert len([found for document in DOCUMENTS for found in commands(program, document)]) > 3


def test_files_named_in_the_documents_exist():
    linked = re.findall(r"\]\(([^):]+)\)", README + CONTRIBUTING)
    named = re.findall(r"\b(?:scripts|tests|docs)/[\w./-]*\w", README + CONTRIBUTING)
    missing = [name for name in linked + named if not (ROOT / name).exists()]
    assert linked
    assert not missing


def test_the_course_map_says_ready_of_the_units_that_exist():
    rows = dict(re.findall(r"^\| (\d\d) \|.*\| (ready|to come) \|$", README, re.MULTILINE))
    assert sorted(rows) == [f"{unit:02}" for unit in range(10)]
    ready = {unit for unit, state in rows.items() if state == "ready"}
    assert ready == {path.name[:2] for path in (ROOT / "notebooks").glob("[0-9][0-9]-*")}


def test_the_small_torch_in_the_readme_is_the_pinned_one():
    (version,) = re.findall(r"download\.pytorch\.org/whl/cpu torch==(\S+)", README)
    assert f"torch=={version}" in pins()


# The Makefile and the scripts, in a copy of the house with stand-ins for what they call


@pytest.fixture
def house(tmp_path):
    """A folder with the Makefile, the scripts and what they read, but no .venv."""
    for name in ["Makefile", "pyproject.toml", "constraints.txt", "README.md", ".ci/run", "scripts/set-up"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "scripts/system-packages", tmp_path / "scripts")
    return tmp_path


def stand_in(path, body):
    """An executable shell script at path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def run(*command, cwd, path=None, **variables):
    """Run a command; `path` is searched before the PATH, and `variables` are added to the environment."""
    environment = os.environ | variables
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_how_to_make_each_target(target, house):
    assert run("make", "-n", target, cwd=house).returncode == 0


@pytest.mark.parametrize(
    "target", ["lab", "grade", "grade-all", "test", "hostile", "build", "release", "site", "bench", "lint"]
)
def test_a_target_on_a_fresh_clone_installs_first(target, house):
    lines = run("make", "-n", target, cwd=house).stdout.splitlines()
    assert lines[0].startswith("scripts/set-up grading")
    assert any(".venv/bin/" in line for line in lines[1:])


def test_make_alone_lists_the_targets(house):
    listed = run("make", cwd=house).stdout
    assert re.findall(r"^make ([a-z-]+) ", listed, re.MULTILINE) == TARGETS


def installed(house):
    """A .venv in the house whose programs are stand-ins that write down their arguments."""
    bin_folder = house / ".venv/bin"
    for program in ["python", "autograder", "ruff", "jupyter"]:
        stand_in(bin_folder / program, f'echo {program} "$@" >> "{house}/calls"')
    for stamp in ["installed-to-use", "installed-to-develop"]:
        (house / ".venv" / stamp).touch()
    return bin_folder


def calls(house):
    return (house / "calls").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("source", [README, MAKEFILE], ids=["README", "Makefile"])
def test_jupyterlab_shows_the_whole_course(source, tmp_path):
    """Given a notebook alone, it would show that notebook's folder and no other unit."""
    (line, *_) = re.findall(r"jupyter lab (.*)", source)
    (port,) = free_ports(1)
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
    command = [sys.executable, "-m", "jupyterlab", *line.replace("$(ARGS)", "").split(), *options]
    kept = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = os.environ | kept | {"PYTHONUNBUFFERED": "1"}
    with running(command, tmp_path / "log", "is running at", 120, cwd=ROOT, env=environment):
        wait_for(port, 120)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents/notebooks", timeout=60) as answer:
            names = {entry["name"] for entry in json.load(answer)["content"]}
    assert names >= {path.name for path in (ROOT / "notebooks").iterdir() if path.is_dir()}


@pytest.mark.parametrize(("code", "succeeds"), [(0, True), (1, True), (2, False), (3, False)])
def test_make_grade_takes_refused_submissions_for_success_and_nothing_worse(code, succeeds, house):
    grader = installed(house) / "autograder"
    stand_in(grader, f"sleep 0.1; mkdir -p out; touch out/grades.csv; echo refused: someone; exit {code}")
    result = run("make", "grade", "OUTPUT=out", cwd=house)
    assert (result.returncode == 0) == succeeds
    assert "refused: someone" in result.stdout


def test_make_grade_takes_a_crash_for_a_failure(house):
    stand_in(installed(house) / "autograder", f'exec "{sys.executable}" -c "1 / 0"')
    (house / "out").mkdir()
    (house / "out/grades.csv").touch()
    assert run("make", "grade", "OUTPUT=out", cwd=house).returncode != 0


def test_make_grade_passes_its_folders_on(house):
    installed(house)
    run("make", "grade", cwd=house)
    run("make", "grade-all", "SUBMITTED=a class", "OUTPUT=out", cwd=house)
    assert calls(house) == [
        "autograder grade 03-conv-forward --submitted autograder/examples --output build/grade",
        "autograder grade --submitted a class --output out",
    ]


def test_make_test_runs_the_linter_the_build_check_and_the_tests(house):
    installed(house)
    stand_in(house / "scripts/system-packages", "")
    result = run("make", "test", cwd=house)
    assert result.returncode == 0, result.stderr
    assert calls(house) == [
        "ruff check",
        "autograder build --check",
        "python -m pytest -n 2 --dist loadfile --cov",
    ]


def test_nothing_is_installed_again_until_a_requirement_changes(house):
    installed(house)
    assert "set-up" not in run("make", "-n", "lab", cwd=house).stdout
    later = (house / ".venv/installed-to-use").stat().st_mtime + 5
    os.utime(house / "constraints.txt", (later, later))
    assert "set-up" in run("make", "-n", "lab", cwd=house).stdout


def test_ci_runs_the_test_command_of_the_readme(house):
    stand_in(house / "bin/make", 'echo "make called with: $*"; exit 7')
    result = run("bash", ".ci/run", cwd=house, path=house / "bin")
    assert result.stdout.splitlines() == ["+ make test", "make called with: test"]
    assert result.returncode == 7


def test_set_up_refuses_an_unsupported_python(house):
    old = house / "bin/python3.9"
    stand_in(old, "exit 1")
    result = run("scripts/set-up", "grading", cwd=house, PYTHON=str(old))
    assert result.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in result.stderr
    assert not (house / ".venv").exists()


def test_set_up_takes_the_first_supported_python_and_installs_the_tested_versions(house):
    stand_in(house / "bin/python3", "exit 1")
    stand_in(house / "bin/python3.13", "exit 1")
    copy_itself = f'mkdir -p .venv/bin && cp "$0" .venv/bin/python; echo "$@" >> "{house}/calls"'
    stand_in(house / "bin/python3.12", f'[ "$1" = -c ] && echo 3.12.7 || {{ {copy_itself}; }}')
    result = run("scripts/set-up", "grading", cwd=house, path=house / "bin", PYTHON="")
    assert result.returncode == 0, result.stderr
    assert "Creating .venv with Python 3.12.7" in result.stdout
    assert calls(house) == [
        "-m venv .venv",
        "-m pip install --quiet --constraint constraints.txt --editable .[grading]",
    ]


def test_set_up_says_what_to_install_where_python_has_no_venv(house):
    python = house / "bin/python3"
    stand_in(python, 'if [ "$2" = venv ]; then mkdir .venv; exit 1; else echo 3.11.2; fi')
    result = run("scripts/set-up", "grading", cwd=house, PYTHON=str(python))
    assert result.returncode == 1
    assert "sudo apt-get install python3-venv" in result.stderr
    assert not (house / ".venv").exists()


def test_set_up_shows_the_end_of_an_installation_that_failed(house):
    stand_in(house / ".venv/bin/python", 'test "$1" = -c || { echo no space left on device; exit 1; }')
    result = run("make", "lab", cwd=house)
    assert result.returncode != 0
    assert "no space left on device" in result.stderr
    assert not (house / ".venv/installed-to-use").exists()


def test_set_up_names_a_venv_that_does_not_run(house):
    (house / ".venv/bin").mkdir(parents=True)
    result = run("scripts/set-up", "grading", cwd=house)
    assert result.returncode == 1
    assert "rm -r .venv" in result.stderr


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_a_system_package_that_stays_missing_is_named_and_fails_ci(ci, code, house):
    for program in ["dpkg-query", "apt-get", "sudo", "npm", "configurable-http-proxy"]:
        stand_in(house / "bin" / program, "exit 1")
    result = run("scripts/system-packages", cwd=house, path=house / "bin", CI=ci)
    assert result.returncode == code
    assert "sudo apt-get install chromium" in result.stderr


def test_missing_system_packages_are_installed_and_a_proxy_that_does_not_run(house):
    stand_in(house / "bin/dpkg-query", 'case "$4" in chromium|node-*) exit 1;; *) printf installed;; esac')
    stand_in(house / "bin/apt-get", f'echo "$@" >> "{house}/calls"')
    stand_in(house / "bin/configurable-http-proxy", "exit 1")
    stand_in(house / "bin/npm", "exit 1")
    stand_in(house / "bin/id", "echo 0")
    result = run("scripts/system-packages", cwd=house, path=house / "bin", CI="true")
    assert result.returncode == 0, result.stderr
    assert calls(house)[-1] == "install -qq -y --no-install-recommends chromium node-configurable-http-proxy"
