"""Programs that tests run: the command line until it ends, servers until they are no longer wanted."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time


def autograder(*arguments, **more):
    """Run the instructor's command line; returns the finished process."""
    command = [sys.executable, "-m", "autograder.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, **more)


def autograder_succeeds(*arguments):
    """Run it and expect that all went well; returns what it printed."""
    done = autograder(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_ports(number):
    """So many ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for(port, seconds):
    """Wait until somebody listens on a port of this machine: Jupyter's server says that it does a little before."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=seconds).close()
        except ConnectionRefusedError:
            assert time.monotonic() < give_up, f"nobody listens on port {port}"
            time.sleep(0.05)


@contextlib.contextmanager
def running(command, log, ready, seconds, **more):
    """A server for the time of the block, which begins when the server says that it is ready.

    Args:
        command: program and arguments.
        log: path of the file that gets all it prints.
        ready: words of the line that says so.
        seconds: how long it may take to start, and again to stop; then it is killed with all that it started.
        more: for ``subprocess.Popen``.
    """
    server = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **more,
    )
    told = threading.Event()

    def follow():
        with log.open("w") as copy:
            for line in server.stdout:
                copy.write(line)
                copy.flush()
                if ready in line:
                    told.set()
        told.set()

    # Not waited for at the end of the tests: what a server has started may hold its end of the pipe for ever.
    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        assert told.wait(seconds) and server.poll() is None, log.read_text()
        yield
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(seconds)
        follower.join(seconds)
