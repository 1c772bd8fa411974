"""The sandbox that submissions are graded in: bubblewrap around the warm process, namespaces around each session.

The outer wall stands before any Python runs: namespaces of its own for users, processes, mounts, network, IPC and host
name, and of the file system the runtime alone, read-only. See ``confine`` for the walls inside, ``survey`` for what a
system offers.
"""

import os
import shutil
import sys
from pathlib import Path

import autograder
import cnnkit
from autograder import loading
from autograder.sandbox import confine
from autograder.sandbox.process import SETTINGS, WARM, Gone, Lost, ProcessSandbox
from autograder.sandbox.protocol import Closed
from autograder.sandbox.watchdog import Watchdog

COURSE = Path("/course")
"""Where the course's packages lie inside."""
PARTS = {
    "cnnkit": Path(cnnkit.__file__).parent,
    "data": Path(cnnkit.__file__).parents[1] / "data",
    "autograder/__init__.py": Path(autograder.__file__),
    "autograder/loading.py": Path(loading.__file__),
    "autograder/sandbox": Path(__file__).parent,
}
"""What lies there: no solutions, no answers, no examples, nothing else of the grader."""
PASSED_ON = {"LANG", "LC_ALL", "LC_CTYPE", "TZ"}
SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SETTINGS_OF_THE_SYSTEM = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")


class BubblewrapSandbox(ProcessSandbox):
    """As a ProcessSandbox is, and it protects: see docs/security.md.

    Raises:
        Lost: where the system does not allow it.
    """

    def __init__(self, imports=(), exercises=(), limits=None, units=()):
        self._watchdog = None
        super().__init__(imports, exercises, limits, units)

    def close(self):
        if self._watchdog:
            self._watchdog.stop()
            self._watchdog = None
        super().close()

    def command(self, fd):
        limits = self.limits
        bounds = limits.memory, limits.disk, limits.processes
        return [*wall(self._folder), *WARM, str(fd), "/tmp/ipython", *map(str, bounds)]

    def environment(self):
        return environment()

    def make_place(self):
        return ""  # the session has one in a file system of its own

    def sweep(self, number):
        try:
            swept = self._ask({"do": "sweep", "session": number}, self.limits.grace).get("swept")
        except (Closed, TimeoutError) as error:
            raise Gone("the sandbox ended", "crash") from error
        if not swept:
            raise Lost("what it has left running cannot be stopped", "crash")

    def overrun(self):
        return self._watchdog.told()

    def _start(self):
        super()._start()
        self._watchdog = Watchdog(self._warm.pid, self.limits.memory)


def environment():
    """The environment variables inside."""
    kept = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    return (
        SETTINGS
        | kept
        | {
            "HOME": confine.WORK,
            "IPYTHONDIR": "/tmp/ipython",
            "LOGNAME": "student",
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(COURSE),
            "USER": "student",
        }
    )


def wall(folder):
    """The beginning of a command line that runs the rest of it behind the outer wall.

    Args:
        folder: one for files that are seen inside.
    """
    mounts = [*_system(folder), *_python(folder), *_course()]
    # What is mounted below /tmp comes after /tmp itself.
    places = ["--tmpfs", "/tmp", "--dir", confine.WORK]
    return [shutil.which("bwrap") or "bwrap", *_namespaces(), *places, *_parents(mounts), *mounts, *_end()]


def _namespaces():
    kinds = ["pid", "net", "ipc", "uts", "cgroup-try"]
    words = [f"--unshare-{kind}" for kind in kinds]
    words += ["--hostname", "sandbox", "--new-session", "--die-with-parent"]
    if os.geteuid():
        return [*words, "--unshare-user", "--uid", str(confine.STUDENT), "--gid", str(confine.STUDENT)]
    # What confine.give_up_root needs, and then gives up.
    return [*words, "--cap-drop", "ALL", *_each("--cap-add", ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID"))]


def _parents(mounts):
    """Folders to the places that are mounted; made by themselves, bubblewrap would make them for their owner alone."""
    places = [Path(place) for word, place in zip(mounts, mounts[2:], strict=False) if word.startswith("--")]
    folders = {folder for place in places for folder in place.parents[:-1]}
    return _each("--dir", map(str, sorted(folders)))


def _system(folder):
    words = ["--ro-bind", "/usr", "/usr"]
    for name in SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in SETTINGS_OF_THE_SYSTEM:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    number = confine.STUDENT
    for name, text in (
        ("passwd", f"student:x:{number}:{number}::{confine.WORK}:/bin/sh\n"),
        ("group", f"student:x:{number}:\n"),
        ("hosts", "127.0.0.1 localhost sandbox\n"),
    ):
        (folder / name).write_text(text, encoding="ascii")
        words += ["--ro-bind", str(folder / name), f"/etc/{name}"]
    return words


def _python(folder):
    """Python and its libraries, and not what may lie beside them: a virtual environment may be somebody's folder."""
    words = []
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix))):
        if not _inside(prefix, "/usr"):
            for name in ("bin", "lib", "lib64", "pyvenv.cfg"):
                words += ["--ro-bind-try", os.path.join(prefix, name), os.path.join(prefix, name)]
    for path in (os.path.dirname(hop) for hop in _links(sys.executable)):
        if not _inside(path, "/usr", sys.prefix, sys.base_prefix):
            words += ["--ro-bind", path, path]
    for path in sys.path:
        library = os.path.basename(path) in ("site-packages", "dist-packages") and os.path.isdir(path)
        if library and not _inside(path, "/usr", sys.prefix, sys.base_prefix):
            words += ["--ro-bind", path, path]
    # Where the grader itself is installed among the libraries, it is not seen there.
    ours = Path(autograder.__file__).parent
    if "site-packages" in ours.parts or "dist-packages" in ours.parts:
        (folder / "nothing").mkdir(exist_ok=True)
        words += ["--ro-bind", str(folder / "nothing"), str(ours)]
    return words


def _links(path):
    """A path, and where it leads to, link by link."""
    yield path
    while os.path.islink(path):
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        yield path


def _inside(path, *folders):
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _course():
    found = {name: path for name, path in PARTS.items() if path.exists()}
    return [word for name, path in found.items() for word in ("--ro-bind", str(path), str(COURSE / name))]


def _end():
    # Root's process mounts its own /proc, see confine.give_up_root.
    proc = ["--proc", "/proc"] if os.geteuid() else ["--dir", "/proc"]
    return [*proc, "--dev", "/dev", "--chdir", "/", "--remount-ro", "/dev", "--remount-ro", "/", "--"]


def _each(word, values):
    return [part for value in values for part in (word, value)]
