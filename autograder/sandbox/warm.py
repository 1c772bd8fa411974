"""The processes on the far side of a sandbox: ``python -m autograder.sandbox.warm FD FOLDER``.

    warm process      holds the lesson's libraries and runs nothing of a student's; FD is its end of a channel, and
                      FOLDER a place for what IPython writes
      session         a fork of it for each submission, which runs the notebook's cells
        check         a fork of the session for each exercise, which calls the student's function

Messages, each answered by one:

    to the warm process   {"do": "load", "imports": [line...], "exercises": [name...]}   {"failed": [...]}
                          {"do": "open", "folder": path} and a channel     {"session": number}
                          {"do": "close", "session": number}   {}
    to a session          {"do": "run", "source": text, "seconds": s}      {"outputs": [...], "ok": bool}
                          {"do": "check", "name": text} and a channel      {}
                          {"do": "end check"}                  {"status": what waitpid said}
    to a check            {"case": ...}, one after the other, then {"do": "call"}
                          {"kind": "callable"} or what the name is instead, then an outcome for each case
"""

import contextlib
import ctypes
import os
import random
import signal
import socket
import sys

import numpy as np
import tqdm

from autograder.sandbox import protocol
from autograder.sandbox.protocol import Channel, Closed
from autograder.sandbox.shell import Shell, run_cell, silence
from cnnkit import calling, exercises

PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h
SEED = 0
"""What a student's own random numbers start from, so that grading twice gives the same."""
EXERCISES = {}
"""The lesson's, by name: looked up before a student's code can put something else in the place of a module."""


def main(channel, folder):
    """Serve until the grader hangs up, then end every session."""
    # A library's own thread would not survive a fork.
    tqdm.tqdm.monitor_interval = 0
    adopt_orphans()
    shell = Shell.start(folder)
    sessions = set()
    try:
        while True:
            message, _ = channel.receive()
            match message["do"]:
                case "load":
                    failed = load(message["imports"], message["exercises"])
                    silence()  # from here on nobody reads stderr
                    channel.send({"failed": failed})
                case "open":
                    theirs = channel.receive_channel()
                    pid = os.fork()
                    if pid == 0:
                        channel.close()
                        live(lambda theirs=theirs, at=message["folder"]: session(theirs, shell, at))
                    theirs.close()
                    sessions.add(pid)
                    channel.send({"session": pid})
                case "close":
                    sessions.discard(message["session"])
                    end(message["session"], sessions)
                    channel.send({})
    except Closed:
        while sessions:
            end(sessions.pop(), sessions)


def load(imports, names):
    """Run the import statements of a lesson and load its exercises with what they need, so that every session has them.

    Returns the statements that failed, with the reason: the lesson's own cell will do so again.
    """
    failed = []
    for line in imports:
        try:
            exec(line, {})
        except Exception as error:
            failed.append(f"{line}: {error}")
    for name in names:
        EXERCISES[name] = exercises.get(name)
        if EXERCISES[name].prepare:
            EXERCISES[name].prepare()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    return failed


def live(work):
    """What a fork does instead of returning to the code that forked it."""
    code = 3
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def session(channel, shell, folder):
    """Run cells and start checks, as the grader asks."""
    os.setpgid(0, 0)
    os.chdir(folder)
    sys.path.insert(0, "")  # a notebook can import what its %%writefile has written
    reseed()
    check_pid = None
    while True:
        message, _ = channel.receive()
        match message["do"]:
            case "run":
                outputs, ok = run_cell(shell, message["source"], message["seconds"])
                channel.send({"outputs": outputs, "ok": ok})
            case "check":
                theirs = channel.receive_channel()
                check_pid = os.fork()
                if check_pid == 0:
                    channel.close()
                    live(lambda theirs=theirs, name=message["name"]: check(theirs, shell.user_ns, name))
                theirs.close()
                channel.send({})
            case "end check":
                kill(check_pid, signal.SIGKILL)
                channel.send({"status": os.waitpid(check_pid, 0)[1]})


def check(channel, namespace, name):
    """Call the function of one exercise on the cases that come in, and send back what it did."""
    reseed()
    cases = []
    while True:
        message, arrays = channel.receive()
        if message.get("do") == "call":
            break
        cases.append(protocol.unpack_case(message["case"], arrays))
    answer = namespace.get(name)
    if not callable(answer):
        channel.send({"kind": "missing" if name not in namespace else type(answer).__name__})
        return
    channel.send({"kind": "callable"})
    for outcome in calling.run(answer, cases, EXERCISES[name]):
        arrays = []
        channel.send({"outcome": protocol.pack_outcome(outcome, arrays)}, arrays)


def reseed():
    random.seed(SEED)
    np.random.seed(SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


def adopt_orphans():
    """Make this process the parent of whatever its sessions leave behind, where the system can do that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end(pid, others):
    """Kill a session and all that it started; ``others`` are the sessions that go on."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while left := children() - others:
        for orphan in left:
            kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)


def children():
    """Processes whose parent this one is; none where the system does not tell."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return set(map(int, file.read().split()))
    except FileNotFoundError:
        return set()


def kill(pid, number):
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
        os.kill(pid, number)


if __name__ == "__main__":
    main(Channel(socket.socket(fileno=int(sys.argv[1]))), sys.argv[2])
