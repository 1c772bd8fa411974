"""A PostgreSQL server of the tests' own, started as a user who may, in a folder that goes away."""

import contextlib
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

USER, PASSWORD = "teacher", "swordfish"


def binaries():
    """The folder of PostgreSQL's own programs, which Debian keeps off the PATH."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert folders, "PostgreSQL is not installed; on Debian: sudo apt-get install postgresql"
    return folders[-1]


class Server:
    """A running server; use ``server()``."""

    def __init__(self, folder):
        self._folder = Path(folder)
        self._data = self._folder / "data"
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self._port = sock.getsockname()[1]
        self._as = {}
        if os.getuid() == 0:  # a server refuses to be root's
            other = pwd.getpwnam("postgres")
            os.chown(folder, other.pw_uid, other.pw_gid)
            self._as = {"user": other.pw_uid, "group": other.pw_gid}
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._call(
            "initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--pwfile", secret, "-N", "-E", "UTF8"
        )
        self.start()

    def start(self):
        options = f"-c listen_addresses=127.0.0.1 -p {self._port} -k {self._folder}"
        log = self._folder / "log"
        self._call("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", options)

    def kill(self):
        """Kill the server and all its processes as a power cut would."""
        lock = self._data / "postmaster.pid"
        postmaster = int(lock.read_text().split()[0])
        below = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in [postmaster, *map(int, below)]:
            with contextlib.suppress(ProcessLookupError):
                ended = os.pidfd_open(pid)
                os.kill(pid, signal.SIGKILL)
                select.select([ended], [], [], 60)
                os.close(ended)
        # Dead as they are, they pass for a running server until somebody has reaped them.
        for left in (lock, self._folder / f".s.PGSQL.{self._port}.lock"):
            left.unlink(missing_ok=True)

    def stop(self):
        self._call("pg_ctl", "stop", "-m", "immediate", "-D", self._data, check=False)

    def database(self, name):
        """URL of a new database."""
        secret = {"PGPASSWORD": PASSWORD}
        self._call("createdb", "-h", "127.0.0.1", "-p", self._port, "-U", USER, name, env=os.environ | secret)
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self._port}/{name}"

    def _call(self, program, *arguments, check=True, **more):
        # Nothing is read from it: the server it starts keeps its ends of pipes open.
        with open(self._folder / "calls", "ab") as log:
            command = [binaries() / program, *map(str, arguments)]
            done = subprocess.run(command, stdout=log, stderr=log, cwd=self._folder, timeout=120, **self._as, **more)
        assert not check or done.returncode == 0, "".join(
            (self._folder / name).read_text() for name in ("calls", "log") if (self._folder / name).exists()
        )


@contextlib.contextmanager
def server():
    """A Server, for the time of the block."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        running = Server(folder)
        try:
            yield running
        finally:
            running.stop()
