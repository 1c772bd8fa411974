"""What a confined process finds, told by one: ``python -m autograder.sandbox.inside`` behind the outer wall."""

import contextlib
import json
import os
import signal
import socket

from autograder.sandbox import confine, kernel, landlock, seccomp

BOUNDS = confine.Bounds(memory=256 << 20, disk=1 << 20, processes=8)


def main():
    """Print as JSON what a session finds, or ``{"refused": why}``."""
    confine.give_up_root()
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    reading, writing = os.pipe()
    try:
        init = confine.fork(lambda: os.write(writing, json.dumps(look()).encode()), BOUNDS, writing)
    except confine.Refused as refused:
        print(json.dumps({"refused": str(refused)}))
        return
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        print(pipe.read())
    os.kill(init, signal.SIGKILL)
    os.waitpid(init, 0)


def look():
    """What this process may do and see."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    proc = os.path.exists("/proc/self")
    return {
        "uid": os.getuid(),
        "proc": proc,
        "capabilities": int(status["CapEff"], 16) if proc else 0,
        "filtered": not seccomp.missing() and _refused(kernel.unshare, kernel.CLONE_NEWUSER),
        "landlock": landlock.version(),
        "writes": [place for place in ("/", "/usr", "/etc", "/dev", "/course") if not _refused(_write, place)],
        "connects": not _refused(_connect),
    }


def _refused(what, *arguments):
    try:
        what(*arguments)
    except OSError:
        return True
    return False


def _write(folder):
    path = os.path.join(folder, "written")
    with open(path, "w", encoding="ascii"):
        os.unlink(path)


def _connect():
    # An address that is kept free for examples: nothing is sent where it can be.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))


if __name__ == "__main__":
    main()
