"""From inside the outer wall: a process gives itself namespaces of its own, limits, and no way back.

    warm process ── fork ──> helper: new namespaces ── fork ──> init, process 1 in there: mounts, limits, filter
                                                                  └── fork ──> session: Landlock; runs student code

The helper ends at once. When init is killed, the kernel kills everything in its namespace with it.
"""

import contextlib
import os
import resource
import signal
import stat
from dataclasses import dataclass

from autograder.sandbox import kernel, landlock, seccomp

STUDENT = 1000
"""The id that student code sees itself run under, in the sandbox's own /etc/passwd."""
NOBODY = 65533
"""Where the grader runs as root: the id outside, which owns nothing. Reserved, and unused, in Debian."""
WORK = "/home/student"
"""The working directory of student code; a file system of its own, as /tmp and /dev/shm are."""
OPEN_FILES = 256
MAX_FILES = 4096
"""How many files and folders each of these can hold."""
LATE = 1 << 30
"""Bytes beyond the limit of memory that a session may map: torch's libraries for a GPU, loaded late, hardly touch what
they map. What is used, the watchdog sees."""

_SPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)


@dataclass(frozen=True)
class Bounds:
    """What a session may use: bytes of memory and of files, and processes."""

    memory: int
    disk: int
    processes: int


class Refused(Exception):
    """The kernel did not let a session be confined; the message says what failed."""


def give_up_root():
    """Where the warm process was started as root: become nobody. Needs CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID."""
    if os.geteuid():
        return
    # bwrap's own /proc would be partly covered, and a namespace inside could then not have one.
    kernel.mount("proc", "/proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    os.chmod("/tmp", 0o1777)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # A change of user makes /proc/self root's.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def fork(work, bounds, keep):
    """Fork a process that is confined and does ``work``.

    The caller must have one thread, and be the one that adopts orphans (``PR_SET_CHILD_SUBREAPER``).

    Args:
        work: a function; the process ends with it.
        bounds: a Bounds.
        keep: the one file descriptor that stays open, beside the standard ones.

    Returns:
        The process id of its init, to be killed and waited for.

    Raises:
        Refused: where it could not be confined.
    """
    reading, writing = os.pipe()
    helper = os.fork()
    if helper == 0:
        live(lambda: _help(work, bounds, keep, writing))
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        said = dict(line.split(" ", 1) for line in pipe.read().splitlines())
    os.waitpid(helper, 0)
    if "ready" not in said:
        if "init" in said:
            os.kill(int(said["init"]), signal.SIGKILL)
            os.waitpid(int(said["init"]), 0)
        raise Refused(said.get("refused", "the session's process ended at once"))
    return int(said["init"])


def live(work):
    """What a fork does instead of returning to the code that forked it."""
    code = 3
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def _help(work, bounds, keep, pipe):
    with _reported(pipe):
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(_SPACES)
        kernel.map_ids((STUDENT, uid, gid))
        init = os.fork()
        if init == 0:
            live(lambda: _init(work, bounds, keep, pipe))
        os.write(pipe, f"init {init}\n".encode())


def _init(work, bounds, keep, pipe):
    """Process 1: set the stage, start the session, and bury whoever dies until the session does."""
    with _reported(pipe):
        _limit(bounds)
        _mount(bounds.disk)
        kernel.drop_capabilities()
        if not seccomp.missing():
            seccomp.install()
        os.setsid()
        # Nobody may write into this process, which no sweep ends.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        session = os.fork()
        if session == 0:
            live(lambda: _session(work, keep, pipe))
    os.closerange(0, OPEN_FILES)
    while True:
        pid, status = os.wait()
        if pid == session:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _session(work, keep, pipe):
    with _reported(pipe):
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # its own /proc/self would be root's
        for first, last in ((3, min(keep, pipe)), (min(keep, pipe) + 1, max(keep, pipe)), (max(keep, pipe) + 1, 4096)):
            os.closerange(first, last)
        if landlock.version():
            landlock.restrict(readable=["/"], writable=[WORK, "/tmp", "/dev/shm"], devices=["/dev"])
        os.chdir(WORK)
        os.write(pipe, b"ready to run\n")
    os.close(pipe)
    work()


def _mount(disk):
    secure = kernel.MS_NOSUID | kernel.MS_NODEV
    mounts = kernel.mounts()
    for folder in (WORK, "/tmp", "/dev/shm"):
        # A course that was cloned into /tmp has its Python there, which stays in sight.
        below = {path: os.open(path, os.O_PATH) for path in mounts if path.startswith(f"{folder}/")}
        kernel.mount("tmpfs", folder, secure, f"size={disk},nr_inodes={MAX_FILES},mode=0700")
        for path, opened in below.items():
            _show(opened, path)
    try:
        kernel.mount("proc", "/proc", secure | kernel.MS_NOEXEC)
    except PermissionError:
        # Where the system covers parts of its own, in a container say, there can be none; but never the outer one.
        kernel.mount("tmpfs", "/proc", secure, "size=4096,mode=0555")


def _show(opened, path):
    if stat.S_ISDIR(os.fstat(opened).st_mode):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    kernel.bind(opened, path)
    os.close(opened)


def _limit(bounds):
    with open("/proc/self/statm", encoding="ascii") as file:
        data = int(file.read().split()[5]) * resource.getpagesize()
    for name, value in (
        # Not of all addresses: torch's libraries for a GPU take gigabytes of these, and hardly any memory.
        (resource.RLIMIT_DATA, data + bounds.memory + LATE),
        (resource.RLIMIT_NPROC, bounds.processes),
        (resource.RLIMIT_FSIZE, bounds.disk),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        hard = resource.getrlimit(name)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))


@contextlib.contextmanager
def _reported(pipe):
    try:
        yield
    except Exception as error:
        os.write(pipe, f"refused {getattr(error, 'strerror', None) or error}\n".encode())
        os._exit(1)
