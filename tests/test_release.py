"""The bundle for students: it works by itself, and whatever is planted in it is found."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output
from programs import autograder

from autograder import build, release
from autograder.gradebook import SEED_FILE
from autograder.percent import solution_lines
from cnnkit import exercises

ROOT = Path(__file__).resolve().parents[1]
UNIT = "03-conv-forward"
UNITS = ("00-start-here", UNIT)
NOTEBOOK = Path("notebooks") / UNIT / f"{UNIT}.ipynb"
SEED = "4611686018427387905"
CANARY = "heliotrope-4711"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of what a release is made of, with two units and a secret seed."""
    root = tmp_path_factory.mktemp("repository")
    for unit in UNITS:
        shutil.copytree(ROOT / "solutions" / unit, root / "solutions" / unit)
    for name in ("cnnkit", "data", "autograder/answers"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "cache"))
    for name in (*release.COPIED, "environment.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / "grading").mkdir()
    (root / "grading" / SEED_FILE).write_text(f"{SEED}\n")
    return root


@pytest.fixture(scope="module")
def scan(repository):
    return release.Scanner(repository, canaries=[CANARY])


@pytest.fixture(scope="module")
def assembled(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("assembled") / "bundle"
    release.assemble(folder, repository)
    return folder


@pytest.fixture
def bundle(assembled, tmp_path):
    """A bundle, not packed yet, to plant things in."""
    return Path(shutil.copytree(assembled, tmp_path / "bundle"))


def solution(name, root=ROOT):
    """The lines that a solution cell has between its markers."""
    source = build.source_notebook(root / "solutions" / UNIT / f"{UNIT}.py")
    (cell,) = (cell for cell in source.cells if cell.id == f"{name}_solution")
    return solution_lines(cell.source)


def longest_line(name):
    return max((line.strip() for line in solution(name) if not line.strip().startswith("#")), key=len)


def edit(bundle, change):
    path = bundle / NOTEBOOK
    nb = nbformat.read(path, as_version=4)
    change(nb, {cell.id: cell for cell in nb.cells})
    nbformat.write(nb, path)


def plant_solution(nb, cells):
    cells["im2col_solution"].source += "\n".join(["", *solution("im2col")])


def plant_line_in_text(nb, cells):
    next(cell for cell in nb.cells if cell.cell_type == "markdown").source += f"\n`{longest_line('im2col')}`"


def plant_solution_of_another_unit(nb, cells):
    path = ROOT / "autograder" / "answers" / "conv_forward.py"
    nb.cells[-1].source = path.read_text(encoding="utf-8")


def plant_output(nb, cells):
    cells["im2col_solution"].outputs = [new_output("stream", text="done")]


def plant_widget_state(nb, cells):
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}


def plant_count(nb, cells):
    cells["im2col"].execution_count = 3


def plant_canary(nb, cells):
    nb.metadata["note"] = CANARY


IN_NOTEBOOK = {
    plant_solution: "holds a line of the solution of 'im2col_solution'",
    plant_line_in_text: "holds a line of the solution of 'im2col_solution'",
    plant_solution_of_another_unit: "holds an answer of autograder/answers/conv_forward.py",
    plant_output: "holds an output",
    plant_widget_state: "holds widget state",
    plant_count: "holds an execution count",
    plant_canary: repr(CANARY),
}


def test_nothing_is_found_in_what_is_put_together(scan, assembled):
    assert scan(assembled) == []


@pytest.mark.parametrize("plant", IN_NOTEBOOK, ids=lambda plant: plant.__name__)
def test_what_is_planted_in_a_notebook_is_found(scan, bundle, plant):
    edit(bundle, plant)
    finds = scan(bundle)
    assert {name for name, _ in finds} == {NOTEBOOK.as_posix()}
    assert any(IN_NOTEBOOK[plant] in what for _, what in finds), finds


IN_FILES = {
    "a solution in cnnkit": ("cnnkit/shapes.py", lambda: "\n".join(solution("im2col")), "the solution of im2col"),
    "a line of one in prose": ("data/README.md", lambda: longest_line("im2col"), "a line of the solution of"),
    "an author's file": ("README.md", lambda: "### BEGIN SOLUTION", "'BEGIN SOLUTION'"),
    "the instructors' mark": ("cnnkit/plot.py", lambda: "# INSTRUCTORS ONLY", "'INSTRUCTORS ONLY'"),
    "a canary": ("data/page.csv", lambda: CANARY, repr(CANARY)),
    "the seed": ("cnnkit/cases.py", lambda: f"SEED = {SEED}", f"the secret seed in grading/{SEED_FILE}"),
    "a key": ("cnnkit/data.py", lambda: "-----BEGIN RSA PRIVATE KEY-----", "a private key"),
    "a database": ("nbgrader_config.py", lambda: "'postgresql://me:pw@db/x'", "a password in an address"),
}


@pytest.mark.parametrize("plant", IN_FILES)
def test_what_is_planted_in_a_file_is_found(scan, bundle, plant):
    file, text, what = IN_FILES[plant]
    with open(bundle / file, "a", encoding="utf-8") as out:
        out.write(f"\n{text()}\n")
    finds = scan(bundle)
    assert {name for name, _ in finds} == {file}
    assert any(what in told for _, told in finds), finds


@pytest.mark.parametrize(
    "file",
    [
        SEED_FILE,
        f"data/{SEED_FILE}",
        "gradebook.db",
        f"solutions/{UNIT}/{UNIT}.py",
        "cnnkit/autograder/answers.py",
        f"notebooks/{UNIT}/{UNIT}-solved.ipynb",
        "notebooks/98-other/98-other.ipynb",
        f"notebooks/{UNIT}/.ipynb_checkpoints/{UNIT}-checkpoint.ipynb",
        "notes.txt",
        ".env",
    ],
)
def test_a_file_that_has_no_business_there_is_found(scan, bundle, file):
    (bundle / file).parent.mkdir(parents=True, exist_ok=True)
    (bundle / file).write_text("{}")
    assert file in {name for name, _ in scan(bundle)}


def test_a_link_is_found(scan, bundle):
    (bundle / "data" / "more.csv").symlink_to(ROOT / "data" / "page.csv")
    assert scan(bundle) == [("data/more.csv", "is a link")]


def test_nothing_is_written_where_something_is_found(repository, tmp_path):
    root = Path(shutil.copytree(repository, tmp_path / "repository"))
    (root / "data" / "notes.md").write_text("\n".join(solution("im2col")))
    with pytest.raises(release.Leak, match=r"nothing was released: data/notes\.md: holds the solution of im2col"):
        release.release(tmp_path / "out", root)
    assert not (tmp_path / "out").exists()


def test_the_same_sources_give_the_same_archive_without_caches(repository, tmp_path):
    (repository / "cnnkit" / "__pycache__").mkdir(exist_ok=True)
    (repository / "cnnkit" / "__pycache__" / "x.pyc").write_bytes(b"")
    first, second = (release.release(tmp_path / name, repository) for name in "ab")
    assert first.archive.read_bytes() == second.archive.read_bytes()
    assert not [name for name in first.files if "pycache" in name]


# The course itself, by the command


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    done = autograder("release", "--output", folder)
    assert done.returncode == 0, done.stderr
    (archive,) = folder.iterdir()
    assert archive.name in done.stdout
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder / archive.stem


ALONE = """
import json, pkgutil, sys
sys.modules["autograder"] = None
import cnnkit
from cnnkit import evaluate
from cnnkit.exercises import names
for module in pkgutil.walk_packages(cnnkit.__path__, "cnnkit."):
    __import__(module.name)
verdict = evaluate("practice", lambda x: x + x)
print(json.dumps([cnnkit.__file__, verdict.passed, list(names()), "nbgrader" in sys.modules]))
"""


def alone(unpacked, *arguments):
    """Run Python in the bundle, which alone is on its path; returns what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=unpacked, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_check_runs_with_the_bundle_alone(unpacked):
    file, passed, names, nbgrader = json.loads(alone(unpacked, "-c", ALONE))
    assert Path(file).is_relative_to(unpacked)
    assert passed and not nbgrader
    assert names == list(exercises.names())


def test_the_data_of_the_bundle_is_read(unpacked):
    code = "from cnnkit import data; print(data.folder()); print(data.photo().shape)"
    assert alone(unpacked, "-c", code).split("\n")[:2] == [str(unpacked / "data"), "(200, 256)"]


def test_the_notebooks_are_those_of_the_repository(unpacked):
    names = [*ROOT.glob("notebooks/*/*.ipynb"), *ROOT.glob("notebooks/*.ipynb")]
    ours = {p.relative_to(ROOT): p.read_bytes() for p in names}
    assert {p.relative_to(unpacked): p.read_bytes() for p in unpacked.rglob("*.ipynb")} == ours


def test_the_bundle_installs_as_a_package(unpacked, tmp_path):
    """With the installed setuptools, so that nothing is fetched."""
    source = shutil.copytree(unpacked, tmp_path / "source")
    code = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=source, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info" not in name}
    packed = {p.relative_to(unpacked).as_posix() for p in (unpacked / "cnnkit").rglob("*") if p.is_file()}
    assert inside == {name for name in packed if "__pycache__" not in name}


def test_the_command_names_all_that_it_found_and_writes_nothing(tmp_path):
    done = autograder("release", "--output", tmp_path / "out", "--canary", "class Practice:")
    assert done.returncode == 2
    assert "found cnnkit/exercises/start_here.py: holds 'class Practice:'" in done.stdout
    assert "nothing was released" in done.stderr
    assert not (tmp_path / "out").exists()
