"""Whether an installation has what the course needs."""

import importlib.metadata
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from cnnkit import data, devices

PYTHONS = ((3, 11), (3, 13))
"""First and last Python that the course is made for."""
PACKAGES = ("numpy", "matplotlib", "torch", "jupyterlab", "nbgrader", "ipywidgets", "anywidget")
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "anywidget")
"""What JupyterLab needs beside the packages to show the explainers."""
FREE_GIB = 2
REINSTALL = "run `make lab` again, or `pip install -c constraints.txt -e .` in the course's folder"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``fix`` says what to do where it is not fine."""

    what: str
    fine: bool
    found: str
    fix: str = ""


def examine():
    """A Finding for each thing that the course needs."""
    return [_python(), *map(_package, PACKAGES), _kernel(), _widgets(), _device(), _data(), _disk()]


def _python():
    first, last = (".".join(map(str, version)) for version in PYTHONS)
    fine = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", fine, found, f"install Python {first} to {last} and make the environment anew with it")


def _package(name):
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "missing", REINSTALL)


def _kernel():
    """The kernel that notebooks start must run this Python, or they do not find the course."""
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import NoSuchKernel

    try:
        program = KernelManager(kernel_name="python3").format_kernel_cmd()[0]
    except NoSuchKernel:
        return Finding("notebook kernel", False, "none called python3", REINSTALL)
    fine = shutil.which(program) is not None and os.path.samefile(shutil.which(program), sys.executable)
    fix = f"a kernel of another Python is in the way: `{sys.executable} -m ipykernel install --sys-prefix` replaces it"
    return Finding("notebook kernel", fine, program, fix)


def _widgets():
    from jupyter_core.paths import jupyter_path

    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    missing = [name for name in EXTENSIONS if not any((folder / name / "package.json").is_file() for folder in folders)]
    found = f"JupyterLab lacks {' and '.join(missing)}" if missing else "JupyterLab can show them"
    return Finding("explainers", not missing, found, REINSTALL)


def _data():
    try:
        return Finding("the course's data", True, str(data.folder()))
    except FileNotFoundError as error:
        return Finding("the course's data", False, "not found", str(error))


def _device():
    try:
        return Finding("torch computes on", True, str(devices.device()))
    except ImportError as error:
        return Finding("torch computes on", False, str(error), REINSTALL)


def _disk():
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return Finding(
        "free disk", free >= FREE_GIB, f"{free:.1f} GiB", f"make room: training runs and data want {FREE_GIB} GiB"
    )
