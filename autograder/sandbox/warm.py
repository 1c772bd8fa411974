"""The processes on the far side of a sandbox: ``python -m autograder.sandbox.warm FD FOLDER [MEMORY DISK PROCESSES]``.

    warm process      holds the lesson's libraries and runs nothing of a student's; FD is its end of a channel, and
                      FOLDER a place for what IPython writes; with bounds, sessions are confined to them
      session         a fork of it for each submission, which runs the notebook's cells
        check         a fork of the session for each exercise, which calls the student's function

Messages, each answered by one; a session's answer brings back the "token" of the message, which tells it from what a
student's cell has written to the channel:

    to the warm process   {"do": "load", "imports": [line...], "units": [name...], "exercises": [name...]}
                                                               {"failed": [...]}
                          {"do": "open", "folder": path} and a channel     {"session": number} or {"refused": why}
                          {"do": "nothing"}                    {}
                          {"do": "sweep", "session": number}   {"swept": bool}
                          {"do": "close", "session": number}   {}
    to a session          {"do": "run", "source": text, "seconds": s}      {"outputs": [...], "ok": bool}
                          {"do": "check", "name": text} and a channel      {"started": bool}
                          {"do": "end check"}                  {"status": what waitpid said}
    from a check          {"kind": "callable"}, or what the name is instead
    to a check            {"case": ...}                        {"outcome": ...}; then the next case
"""

import argparse
import contextlib
import os
import random
import signal
import socket
import sys
import time

import numpy as np
import tqdm

from autograder.loading import without_collection
from autograder.sandbox import confine, kernel, processes, protocol
from autograder.sandbox.confine import live
from autograder.sandbox.protocol import Channel, Closed
from autograder.sandbox.shell import Shell, run_cell, silence
from cnnkit import calling, exercises

SEED = 0
"""What a student's own random numbers start from, so that grading twice gives the same."""
SWEEP_SECONDS = 3.0
IGNORED = {signal.SIGPIPE, getattr(signal, "SIGXFSZ", None)}
"""What Python ignores, so that it comes as an OSError instead."""
HANDLERS = {
    number: signal.SIG_IGN if number in IGNORED else signal.SIG_DFL
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
} | {signal.SIGINT: signal.default_int_handler}
"""What a session does about signals, whatever a student's cells have said."""
EXERCISES = {}
"""The lesson's, by name: looked up before a student's code can put something else in the place of a module."""


def main(channel, folder, bounds=None):
    """Serve until the grader hangs up, then end every session."""
    if bounds:
        confine.give_up_root()
    # A library's own thread would not survive a fork.
    tqdm.tqdm.monitor_interval = 0
    if sys.platform == "linux":
        # Whatever a session leaves behind becomes a child of this process.
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    shell = Shell.start(folder)
    sessions = set()
    try:
        while True:
            message, _ = channel.receive()
            match message["do"]:
                case "load":
                    failed = load(message["imports"], message["units"], message["exercises"])
                    silence()  # from here on nobody reads stderr
                    channel.send({"failed": failed})
                case "draw":
                    draw_once()
                    channel.send({})
                case "open":
                    with channel.receive_channel() as theirs:
                        try:
                            pid = start(theirs, shell, message["folder"], bounds, channel)
                        except confine.Refused as refused:
                            channel.send({"refused": str(refused)})
                            continue
                    sessions.add(pid)
                    channel.send({"session": pid})
                case "nothing":
                    channel.send({})
                case "sweep":
                    channel.send({"swept": sweep(message["session"])})
                case "close":
                    sessions.discard(message["session"])
                    end(message["session"], sessions)
                    channel.send({})
    except Closed:
        while sessions:
            end(sessions.pop(), sessions)


def start(theirs, shell, folder, bounds, channel):
    """Fork a session; its process id, or that of its init where there are ``bounds`` to confine it to."""
    work = lambda: session(theirs, shell, folder)
    if bounds:
        return confine.fork(work, bounds, theirs.fileno())
    pid = os.fork()
    if pid == 0:
        channel.close()
        live(work)
    return pid


def load(imports, units, names):
    """Run the import statements of a lesson and load its exercises with what they need, so that every session has them.

    Where their units are named, no other unit's exercises are loaded, nor torch if these do without.

    Returns the statements that failed, with the reason: the lesson's own cell will do so again.
    """
    failed = []
    with without_collection():
        for line in imports:
            try:
                exec(line, {})
            except Exception as error:
                failed.append(f"{line}: {error}")
        for unit in units:
            exercises.names(unit)
        for name in names:
            EXERCISES[name] = exercises.get(name)
            if EXERCISES[name].prepare:
                EXERCISES[name].prepare()
        reseed()  # loads numpy.random
        if "torch" in sys.modules:
            compute_once(sys.modules["torch"])
    if sys.platform == "linux":
        # A fork copies the tables of all pages: few large ones take it a fifth of the time.
        kernel.take_large_pages()
    return failed


def draw_once():
    """Draw a figure, so that matplotlib is loaded and the fonts are found once, not in every session that draws one."""
    with without_collection():
        import matplotlib.pyplot as plt

        plt.figure().text(0, 0, "0")
        plt.gcf().canvas.draw()
        plt.close("all")
    # Set by matplotlib where it cannot write: a folder of this process, which no session sees.
    os.environ.pop("MPLCONFIGDIR", None)


def compute_once(torch):
    """Use torch on one thread, so that what it sets up on first use is set up once."""
    torch.set_num_threads(1)
    nn = torch.nn
    in_groups = nn.Conv2d(4, 4, 3, padding=1, groups=2)  # has its matrix product compiled, in forty milliseconds
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), in_groups, nn.MaxPool2d(2), nn.Flatten()
    with torch.no_grad():
        nn.Sequential(*layers, nn.Linear(36, 5))(torch.zeros(2, 3, 8, 8))


def session(channel, shell, folder):
    """Run cells and start checks, as the grader asks."""
    os.setpgid(0, 0)
    if folder:
        os.chdir(folder)
    sys.path.insert(0, "")  # a notebook can import what its %%writefile has written
    reseed()
    check_pid = None
    while True:
        message, _ = channel.receive()
        reply = {"token": message["token"]}
        match message["do"]:
            case "run":
                reply["outputs"], reply["ok"] = run_cell(shell, message["source"], message["seconds"])
                calm_signals()
            case "check":
                with channel.receive_channel() as theirs:
                    check_pid = fork_check(theirs, channel, shell.user_ns, message["name"])
                reply["started"] = check_pid is not None
            case "end check":
                reply["status"] = finish(check_pid)
        channel.send(reply)


def fork_check(theirs, channel, namespace, name):
    """Start a check; its process id, or None where what the cells have left running allows no other process."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:  # the dead count, too, until they are buried
            pass
    try:
        pid = os.fork()
    except OSError:
        return None
    if pid == 0:
        channel.close()
        live(lambda: check(theirs, namespace, name))
    return pid


def finish(pid):
    """Kill a check; what waitpid says of it, None where a student's code has taken that."""
    kill(pid, signal.SIGKILL)
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return None


def check(channel, namespace, name):
    """Call the function of one exercise on the cases as they come in, and send back what it did."""
    reseed()
    answer = namespace.get(name)
    if not callable(answer):
        channel.send({"kind": "missing" if name not in namespace else type(answer).__name__})
        return
    channel.send({"kind": "callable"})
    for outcome in calling.run(answer, cases(channel), EXERCISES[name]):
        arrays = []
        channel.send({"outcome": protocol.pack_outcome(outcome, arrays)}, arrays)


def cases(channel):
    """The cases of a check, each asked for when the one before is done with: no call can look ahead."""
    while True:
        message, arrays = channel.receive()
        if "case" not in message:
            return
        yield protocol.unpack_case(message["case"], arrays)


def calm_signals():
    """Take back what a student's cells may have said about signals and timers."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in HANDLERS.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def reseed():
    random.seed(SEED)
    np.random.seed(SEED)
    if "torch" in sys.modules:
        # torch.manual_seed would write down for every accelerator where it was called from, in ten milliseconds.
        sys.modules["torch"].default_generator.manual_seed(SEED)


def end(pid, others):
    """Kill a session and all that it started; ``others`` are the sessions that go on."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    # Nothing where the system does not tell.
    while left := processes.children(os.getpid()) - others:
        for orphan in left:
            kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)


def sweep(init):
    """Kill what the cells or the checks of a confined session have left running; whether that was all of it.

    First each is stopped, so that none can go on to start others.
    """
    deadline = time.monotonic() + SWEEP_SECONDS
    stopped = set()
    while time.monotonic() < deadline:
        left = {pid for pid in processes.descendants(init) if processes.pid_inside(pid) != 2}
        if not left:
            return True
        for pid in left - stopped:
            kill(pid, signal.SIGSTOP)
        if left <= stopped:
            for pid in left:
                kill(pid, signal.SIGKILL)
        stopped |= left
    return False


def kill(pid, number):
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
        os.kill(pid, number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("fd", type=int)
    parser.add_argument("folder")
    parser.add_argument("bounds", type=int, nargs="*")
    given = parser.parse_args()
    main(Channel(socket.socket(fileno=given.fd)), given.folder, confine.Bounds(*given.bounds) if given.bounds else None)
