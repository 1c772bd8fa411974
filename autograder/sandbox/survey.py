"""What this system offers to a sandbox, found out by trying it."""

import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox import bubblewrap, confine
from cnnkit.doctor import Finding

SECONDS = 60
INSTALL = {
    "apt-get": "sudo apt-get install bubblewrap",
    "dnf": "sudo dnf install bubblewrap",
    "pacman": "sudo pacman -S bubblewrap",
    "zypper": "sudo zypper install bubblewrap",
}
SWITCHES = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "10000"),
)
"""Settings that keep programs from making namespaces: name, the value that does, one that does not."""
SYSTEM = Path("/")
UNPROTECTED = "or grade without protection, only what you would run yourself: --isolation none"


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        findings: a ``cnnkit.doctor.Finding`` each; those that are not fine and not needed are gaps.
        problem: the Finding that keeps a sandbox from working, or None.
    """

    findings: tuple[Finding, ...]
    problem: Finding | None = None

    @property
    def works(self):
        return self.problem is None

    def line(self):
        """All of it in one line."""
        if self.problem:
            return f"No sandbox: {self.problem.what}: {self.problem.found}."
        what = ", ".join(f"{finding.what} {finding.found}" for finding in self.findings)
        return f"Student code runs in a sandbox: {what}."

    def refusal(self):
        """Why nothing is graded, and what to do."""
        return f"student code cannot be kept in a sandbox here: {self.problem.what}: {self.problem.found}. " + (
            f"What helps: {self.problem.fix}"
        )


@functools.cache
def survey():
    """Try the sandbox, once in a process; takes about a second. Returns a Survey."""
    found = []
    for look in (_system, _bubblewrap):
        found.append(look())
        if not found[-1].fine:
            return Survey(tuple(found), found[-1])
    inside, problem = _try()
    if problem:
        return Survey((*found, problem), problem)
    return Survey((*found, *_walls(inside)))


def _system():
    fix = f"grade on Linux, in WSL 2 for one; {UNPROTECTED}"
    return Finding(platform.system(), sys.platform == "linux", platform.release(), fix)


def _bubblewrap():
    path = shutil.which("bwrap")
    if not path:
        command = next((line for name, line in INSTALL.items() if shutil.which(name)), INSTALL["apt-get"])
        return Finding("bubblewrap", False, "missing", f"install it: {command}; {UNPROTECTED}")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=SECONDS)
    return Finding("bubblewrap", True, said.stdout.strip().removeprefix("bubblewrap "))


def _try():
    """``(what a session found, None)`` or ``({}, the Finding that says why there can be none)``."""
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        command = [*bubblewrap.wall(Path(folder)), sys.executable, "-P", "-m", "autograder.sandbox.inside"]
        try:
            done = subprocess.run(
                command, env=bubblewrap.environment(), capture_output=True, text=True, timeout=SECONDS
            )
            inside = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return {}, Finding("outer wall", False, f"no answer in {SECONDS} s", UNPROTECTED)
        except ValueError:
            said = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            return {}, Finding("outer wall", False, said, f"{_remedy(said)}; {UNPROTECTED}")
    if "refused" in inside:
        said = inside["refused"]
        return {}, Finding("namespaces in namespaces", False, said, f"{_remedy(said)}; {UNPROTECTED}")
    open_doors = [f"writes {place}" for place in inside["writes"]] + ["connects"] * inside["connects"]
    if open_doors or inside["capabilities"]:
        return {}, Finding("walls", False, f"student code {', '.join(open_doors) or 'has privileges'}", UNPROTECTED)
    return inside, None


def _walls(inside):
    uid = os.geteuid() or confine.NOBODY
    yield Finding("namespaces", True, f"for each submission, under uid {uid}")
    fix = "start the container with an uncovered /proc; student code gets an empty one"
    yield Finding("/proc", inside["proc"], "its own" if inside["proc"] else "empty", fix)
    yield Finding("seccomp", inside["filtered"], "on" if inside["filtered"] else "off", "grade on x86_64 or aarch64")
    version = inside["landlock"]
    fix = "Linux 5.13 or later, with landlock among the modules that the kernel is started with (lsm=)"
    yield Finding("Landlock", version > 0, f"version {version}" if version else "off", fix)


def _remedy(said):
    """What to do about what bubblewrap or the kernel said."""
    if "ermission denied" in said and os.geteuid() == 0 and "uid map" not in said:
        return f"let every user read Python and the course: chmod -R o+rX {sys.prefix} {bubblewrap.PARTS['cnnkit']}"
    for setting, bad, good in SWITCHES:
        path = SYSTEM / "proc" / "sys" / setting.replace(".", "/")
        if path.exists() and path.read_text(encoding="ascii").strip() == bad:
            return f"let programs make namespaces: sudo sysctl -w {setting}={good}"
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "a container needs `--privileged`, or seccomp and AppArmor off (--security-opt seccomp=unconfined, ...)"
    return "let programs make namespaces of their own (user_namespaces(7))"
