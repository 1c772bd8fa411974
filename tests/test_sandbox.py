"""Where student code runs: the protocol, the processes, what comes back and what never goes in."""

import contextlib
import errno
import functools
import json
import mmap
import os
import signal
import socket
import struct
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.sandbox import ISOLATION, Gone, Limits, Lost, ProcessSandbox, Questions, protocol
from autograder.sandbox.protocol import Channel, Closed, ProtocolError
from cnnkit.calling import Outcome, Problem, Unreadable
from cnnkit.cases import LAYOUTS, Case
from cnnkit.verdict import expect, judge

pytestmark = pytest.mark.xdist_group("sandbox")

PATIENT = Limits(cell=120.0, check=120.0, grace=60.0)
HASTY = Limits(cell=1.0, check=1.0, grace=2.0)
"""For what never ends anyway."""


# The protocol

dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.complex_number_dtypes(),
)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
plain = st.none() | st.booleans() | st.integers(-(2**500), 2**500) | st.floats() | st.text() | arrays
results = st.recursive(plain | st.builds(Unreadable, st.text()), lambda inner: st.lists(inner).map(tuple), max_leaves=8)
arguments = st.recursive(
    plain,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def arrived(send):
    """What comes out at the other end of a channel, once ``send`` was given the one end."""
    ours, theirs = Channel.pair()
    with ours, theirs:
        send(ours)
        return theirs.receive(seconds=5)


def through(message, data):
    return arrived(lambda ours: ours.send(message, data, seconds=5))


def same(a, b):
    if isinstance(a, np.ndarray):
        return type(b) is np.ndarray and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, str):
        return b == a.encode("utf-8", "replace").decode()
    return type(a) is type(b) and (a == b or a != a)


@given(args=st.lists(arguments).map(tuple), layout=st.sampled_from(sorted(LAYOUTS)), fast=st.booleans())
def test_a_case_arrives_without_what_it_is_worth_and_what_is_right(args, layout, fast):
    frame = protocol.case_frame(Case("stride", args, {}, layout, True, fast, True))
    message, received = arrived(lambda ours: ours.send_frame(frame, seconds=5))
    case = protocol.unpack_case(message["case"], received)
    assert same(case.args, args)
    assert (case.layout, case.readonly, case.fast) == (layout, True, fast)
    assert (case.group, case.raises) == ("", False)


@given(value=results.filter(lambda v: not isinstance(v, str)))
def test_an_outcome_arrives_as_it_was(value):
    data = []
    outcome = Outcome(value, Problem("E", ("B",), "m", "line 3"), ("x",), 0.5, "printed")
    message, received = through({"outcome": protocol.pack_outcome(outcome, data)}, data)
    arrived = protocol.unpack_outcome(message["outcome"], received)
    assert same(arrived.value, value) if not _holds_unreadable(value) else True
    assert (arrived.error, arrived.mutated, arrived.seconds, arrived.printed) == (
        outcome.error, outcome.mutated, outcome.seconds, outcome.printed,
    )  # fmt: skip


def _holds_unreadable(value):
    return isinstance(value, Unreadable) or (isinstance(value, tuple) and any(map(_holds_unreadable, value)))


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["array", "tuple", "unreadable", "value", "error", "mutated", "seconds", "printed", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(outcome=junk)
def test_any_other_outcome_is_a_protocol_error(outcome):
    try:
        arrived = protocol.unpack_outcome(outcome, [])
    except ProtocolError:
        return
    assert isinstance(arrived, Outcome)


@given(header=junk, body=st.binary(max_size=64), lie=st.integers(0, 2**63))
def test_any_other_frame_is_a_protocol_error_or_a_message(header, body, lie):
    for size in (len(body), lie):
        ours, theirs = socket.socketpair()
        text = json.dumps(header).encode()
        with Channel(theirs) as channel, ours:
            ours.sendall(protocol.PREFIX.pack(len(text), size) + text + body)
            ours.shutdown(socket.SHUT_WR)
            try:
                message, found = channel.receive(seconds=5)
            except (ProtocolError, Closed):
                continue
            assert isinstance(message, dict) and not found


@pytest.mark.parametrize(
    "layout",
    [
        [["|O", [1]]],
        [["<V8", [1]]],
        [["<U2", [1]]],
        [["<f8,<f8", [1]]],
        [["<f8", [2]]],
        [["<f8", [-1]]],
        [["<f8", [2**62, 4]]],
        [["<f8", [0] * 40]],
        [["<f3", [1]]],
        [["<f8", []], ["<f8", []]],
        [],
    ],
)
def test_an_array_of_another_kind_or_size_is_refused(layout):
    ours, theirs = socket.socketpair()
    text = json.dumps([{}, layout]).encode()
    with Channel(theirs) as channel, ours:
        ours.sendall(struct.pack(">IQ", len(text), 8) + text + bytes(8))
        with pytest.raises(ProtocolError):
            channel.receive(seconds=5)


def test_a_frame_that_is_too_large_is_refused_before_it_comes():
    ours, theirs = socket.socketpair()
    with Channel(theirs) as channel, ours:
        ours.sendall(struct.pack(">IQ", 2, 1 << 40))
        with pytest.raises(ProtocolError, match="a message of 1048576 MiB"):
            channel.receive(seconds=5)


# Shared memory

LARGE = protocol.SHARED_FROM // 8


def handed_over(shared):
    """Our end of a channel, and their end as another process receives it."""
    ours, theirs = Channel.pair(shared)
    hand, other_hand = Channel.pair()
    with hand, other_hand, theirs:
        hand.send_channel(theirs)
        return ours, other_hand.receive_channel()


def carried(here, there, arrays):
    """What arrives of arrays too large for a socket's buffer; closes both ends."""
    with here, there:
        sender = threading.Thread(target=here.send, args=({}, arrays, 60))
        sender.start()
        _, arrived = there.receive(60)
        sender.join()
    return arrived


def refused(layout):
    """Whether our end refuses a frame whose arrays are said to lie in shared memory of 8 LARGE bytes."""
    ours, theirs = handed_over(8 * LARGE)
    with ours, theirs:
        header = json.dumps([{}, layout]).encode()
        theirs._sock.sendall(protocol.PREFIX.pack(len(header), 0) + header)
        try:
            ours.receive(60)
        except ProtocolError:
            return True
    return False


@pytest.mark.parametrize("room", [0, 1, 2, 3])
def test_large_arrays_come_through_memory_while_there_is_room(room):
    sent = [np.arange(LARGE), np.arange(5), np.arange(2.0 * LARGE).reshape(2, -1).T]
    ours, theirs = handed_over(room * 8 * LARGE)
    arrived = carried(theirs, ours, sent)
    assert all(map(same, arrived, sent))
    # What lies in memory that somebody else can write to belongs to the mapping.
    assert [_is_mapped(array) for array in arrived] == [room >= 1, False, room >= 3]


def _is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array.obj if isinstance(array, memoryview) else array, mmap.mmap)


def test_a_process_that_can_map_no_more_sends_through_the_socket(monkeypatch):
    monkeypatch.setattr(mmap, "mmap", functools.partial(_fail, OSError(errno.ENOMEM, "no more")))
    ours, theirs = handed_over(8 * LARGE)
    [arrived] = carried(theirs, ours, [np.arange(LARGE)])
    assert same(arrived, np.arange(LARGE))


def _fail(error, *_, **__):
    raise error


def test_our_own_arrays_go_through_the_socket():
    [arrived] = carried(*handed_over(8 * LARGE), [np.arange(LARGE)])
    assert not _is_mapped(arrived) and same(arrived, np.arange(LARGE))


@pytest.mark.parametrize("place", [-4096, 1, 8 * LARGE, 1 << 62, "0", None, True, 0.0, [0]])
def test_a_place_outside_of_the_memory_is_refused(place):
    assert refused([["<i8", [LARGE], place]])


def test_an_array_is_read_from_its_place_once():
    at_the_beginning = ["<i8", [LARGE], 0]
    assert not refused([at_the_beginning])
    assert refused([at_the_beginning] * 2)


def test_nobody_can_take_memory_away_that_is_being_read():
    ours, theirs = handed_over(8 * LARGE)
    with ours, theirs, pytest.raises(PermissionError):
        os.ftruncate(theirs._outgoing.fd, 0)


def test_silence_is_a_timeout():
    ours, theirs = Channel.pair()
    with ours, theirs, pytest.raises(TimeoutError):
        theirs.receive(seconds=0.01)


def test_time_that_is_over_is_a_timeout_for_who_sends_too():
    ours, theirs = Channel.pair()
    with ours, theirs, pytest.raises(TimeoutError):
        ours.send({"case": 1}, [np.zeros(LARGE, np.uint8)], seconds=0.0)


# The processes


@pytest.fixture(scope="module", params=ISOLATION)
def kind(request):
    """A class of sandbox: what is said here of ordinary processes holds behind walls, too."""
    return ISOLATION[request.param]


@pytest.fixture(scope="module")
def sandbox(kind):
    with kind(["import numpy as np", "import matplotlib.pyplot"], ["practice"], PATIENT) as sandbox:
        yield sandbox


@pytest.fixture
def session(sandbox):
    with sandbox.session() as session:
        session.run("import numpy as np, os, sys, signal, time")
        yield session


@pytest.fixture(scope="module")
def hasty(kind):
    with kind(["import numpy as np"], ["practice"], HASTY) as sandbox:
        yield sandbox


def run(session, source):
    """``(kind, content)`` of each output of a cell."""
    shown = []
    for output in session.run(source)[0]:
        match output["output_type"]:
            case "stream":
                shown.append((output["name"], output["text"]))
            case "error":
                shown.append(("error", output["ename"]))
            case kind:
                shown.append((kind, output["data"]))
    return shown


def test_matplotlib_is_loaded_once_and_only_where_a_notebook_may_draw(kind):
    asked = "'matplotlib.pyplot' in __import__('sys').modules"
    with kind(limits=PATIENT) as sandbox:
        for draws, loaded in ((False, "False"), (True, "True"), (False, "True")):
            with sandbox.session(draws=draws) as session:
                assert run(session, asked) == [("execute_result", {"text/plain": loaded})]


def test_outputs_are_what_a_kernel_would_have_shown(session):
    assert run(session, "print('a'); print('b', file=sys.stderr); 3 + 4") == [
        ("stdout", "a\n"),
        ("stderr", "b\n"),
        ("execute_result", {"text/plain": "7"}),
    ]
    assert run(session, "from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))") == [
        ("display_data", {"text/plain": "<IPython.core.display.HTML object>", "text/html": "<b>x</b>"})
    ]
    assert run(session, "1 / 0") == [("error", "ZeroDivisionError")]
    assert run(session, "%%capture\nprint('hidden')") == []
    assert run(session, "number = 3\n%alias_magic write time\nprint(number)")[-1][1].endswith("3\n")
    assert "number" in run(session, "who")[0][1]
    assert run(session, "!echo shell") == [("stdout", "shell\r\n")]


def test_a_figure_is_shown(session):
    (kind, data), *_ = run(session, "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert kind == "display_data" and data["image/png"].startswith("iVBOR")


def test_a_traceback_names_the_students_line_and_no_other_file(session):
    ((output,), ok) = session.run("def f():\n    return undefined\nf()")
    text = "\n".join(output["traceback"])
    assert not ok
    assert "return undefined" in text and "Cell In[" in text
    assert "autograder" not in text


@pytest.mark.parametrize("source", ["exit()", "quit", "sys.exit(3)", "raise KeyboardInterrupt", "raise SystemExit"])
def test_leaving_python_leaves_the_cell_alone(session, source):
    session.run(f"x = 1\n{source}")
    assert run(session, "x") == [("execute_result", {"text/plain": "1"})]


def test_a_cell_that_runs_too_long_is_stopped_and_the_next_one_runs(hasty):
    with hasty.session() as session:
        assert run(session, "x = 5\nwhile True: pass") == [("error", "CellTimeout")]
        assert run(session, "x") == [("execute_result", {"text/plain": "5"})]


def test_a_cell_that_does_not_let_itself_be_stopped_is_lost(hasty):
    with hasty.session() as session, pytest.raises(Lost, match="stopped after") as lost:
        session.run("import signal\nsignal.pthread_sigmask(0, range(1, 32))\nwhile True: pass")
    assert lost.value.flag == "timeout"


def test_a_cell_that_ends_the_process_is_lost_and_the_next_submission_is_not(sandbox):
    with sandbox.session() as session, pytest.raises(Lost) as lost:
        session.run("import os; os._exit(0)")
    assert lost.value.flag == "crash"
    with sandbox.session() as session:
        assert run(session, "1") == [("execute_result", {"text/plain": "1"})]


def test_long_output_is_cut(session):
    ((_, text),) = run(session, "for i in range(100000): print('line', i)")
    assert len(text) < 101_000 and text.endswith("the rest was cut off\n")
    assert len(run(session, "for i in range(1000): display(i)")) == 200
    ((_, data),) = run(session, "display({'text/plain': 'x' * 10**7}, raw=True)")
    assert data == {"text/plain": "... too large to keep"}


def test_many_large_outputs_are_kept_while_there_is_room(session):
    shown = run(
        session, "for i in range(5): display({'text/plain': str(i) * 3_000_000}, raw=True)\nprint('end'); 1 / 0"
    )
    kept = [content["text/plain"][:1] for kind, content in shown if kind == "display_data"]
    assert kept == ["0", "1", ".", ".", "."]
    assert shown[-2:] == [("stdout", "end\n"), ("error", "ZeroDivisionError")]
    again = "clear_output(wait=True); display({'text/plain': str(i) * 5_000_000}, raw=True)"
    [(_, data)] = run(session, f"from IPython.display import clear_output\nfor i in range(5): {again}")
    assert data["text/plain"][:1] == "4"
    [(kind, name)] = run(session, "class Long(Exception):\n    __str__ = lambda self: 'x' * 50_000_000\nraise Long")
    assert (kind, name) == ("error", "Long")


FLOOD = "from autograder.sandbox.shell import RECORDER\nRECORDER.outputs = [0] * {}"


def test_a_flood_of_outputs_is_cut_on_our_side(session):
    assert session.run(FLOOD.format(2_000_000)) == ([0] * 200, True)


def test_a_reply_beyond_all_measure_costs_its_cell(sandbox):
    with sandbox.session() as session, pytest.raises(Lost, match="a message of 14 MiB") as lost:
        session.run(FLOOD.format(5_000_000))
    assert lost.value.flag == "crash"


def test_one_submission_finds_nothing_of_another(sandbox):
    with sandbox.session() as session:
        session.run("left_behind = 1\nimport numpy as np\nnp.pi = 3\nopen('file', 'w').write('x')")
    with sandbox.session() as session:
        assert run(session, "'left_behind' in globals()")[0][1] == {"text/plain": "False"}
        assert run(session, "import numpy as np, os; np.pi > 3, os.listdir()")[0][1] == {"text/plain": "(True, [])"}


def test_random_numbers_are_the_same_every_time(sandbox):
    seen = []
    for _ in range(2):
        with sandbox.session() as session:
            seen.append(run(session, "import random, numpy as np\nrandom.random(), np.random.rand(), hash('a')"))
    assert seen[0] == seen[1]


def test_credentials_in_the_environment_stay_outside(kind, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "swordfish")
    with kind(limits=PATIENT) as sandbox, sandbox.session() as session:
        ((_, data),) = run(session, "import os; sorted(os.environ)")
    assert "PATH" in data["text/plain"] and "DATABASE_PASSWORD" not in data["text/plain"]


# Checks

CASES = expect("practice", 11).cases


def check(session, source, name="practice"):
    session.run(source)
    return session.check(name, Questions.of(CASES))


def verdict(reply):
    return judge(expect("practice", 11), reply.outcomes)


def test_a_right_answer_passes(session):
    reply = check(session, "def practice(x): return 2 * x")
    assert (reply.kind, reply.flag) == ("callable", "")
    assert verdict(reply).passed


def test_what_a_check_does_stays_in_the_check(session):
    check(session, "calls = []\ndef practice(x):\n    calls.append(1)\n    return 2 * x")
    assert run(session, "calls") == [("execute_result", {"text/plain": "[]"})]


def test_a_name_that_is_not_there_or_no_function_is_reported(session):
    assert check(session, "", "practice").kind == "missing"
    assert check(session, "practice = 3").kind == "int"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os._exit(0)", "practice ended the whole process. Does it call exit?"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "It ended with signal 11 (SIGSEGV)."),
    ],
)
def test_a_crash_costs_its_check_only(session, body, message):
    reply = check(session, f"def practice(x):\n    {body}")
    assert reply.flag == "crash"
    assert len(reply.outcomes) == len(CASES)
    assert message in verdict(reply).message
    assert verdict(check(session, "def practice(x): return 2 * x")).passed


def test_what_came_before_the_crash_counts(session):
    reply = check(session, "n = 0\ndef practice(x):\n    global n; n += 1\n    return 2 * x if n < 3 else os._exit(0)")
    assert [case.passed for case in verdict(reply).cases] == [True, True, *[False] * (len(CASES) - 2)]


@pytest.mark.parametrize("before", ["", "signal.pthread_sigmask(0, range(1, 32))"])
def test_a_hang_costs_its_check_only(hasty, before):
    with hasty.session() as session:
        reply = check(session, f"import signal\ndef practice(x):\n    {before}\n    while True: pass")
        assert reply.flag == "timeout"
        assert verdict(reply).message == "practice was stopped after 1 s: does a loop never end?"
        assert verdict(check(session, "def practice(x): return 2 * x")).passed


def test_a_reply_that_makes_no_sense_costs_its_check_only(session):
    # The function finds the channel of its own check among the open files, and writes into it.
    body = """
def practice(x):
    for fd in range(3, 64):
        try: os.write(fd, b"\\xff" * 64)
        except OSError: pass
    return 2 * x
"""
    reply = check(session, body)
    assert reply.flag == "unreadable"
    assert verdict(reply).score == 0
    assert verdict(check(session, "def practice(x): return 2 * x")).passed


def test_an_interpreter_that_runs_a_check_holds_its_inputs_and_nothing_else(session):
    # Everything that the garbage collector knows, and every frame.
    look = """
import gc, sys
def practice(x):
    seen = gc.get_objects()
    kinds = {type(o).__name__ for o in seen}
    cases = [o for o in seen if type(o).__name__ == "Case"]
    facts = sorted({(c.group, c.raises) for c in cases})
    raise LookupError(f"{sorted(kinds & {'Expected', 'Verdict', 'CaseResult'})} {facts}")
"""
    reply = check(session, look)
    assert reply.outcomes[0].error.message == "[] [('', False)]"


# Starting and ending


def descendants(pid):
    """Processes below one, from /proc."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def sleepers():
    """How many of the processes below this one sleep as the tests below have told them to."""
    lines = [Path(f"/proc/{pid}/cmdline") for pid in descendants(os.getpid())]
    return sum(b"sleep\0001000" in _read(line) for line in lines)


def _read(path):
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


# A program that has just been started has no words in its command line yet.
SLEEP = """
import subprocess
pid = subprocess.Popen(["sleep", "1000"]).pid
while not open(f"/proc/{pid}/cmdline").read():
    pass
"""


def test_nothing_is_left_when_a_sandbox_is_closed(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = descendants(os.getpid())
    with kind(limits=PATIENT) as sandbox, sandbox.session() as session:
        session.run(SLEEP)
        assert sleepers() == 1
    assert descendants(os.getpid()) <= before
    assert list(tmp_path.iterdir()) == []


def test_a_session_ends_with_what_it_started(sandbox):
    with sandbox.session() as session:
        session.run(SLEEP)
        assert sleepers() == 1
    assert sleepers() == 0


def test_so_do_processes_that_turn_their_back_on_it(sandbox):
    daemon = "setsid --fork sh -c 'touch there; exec sleep 1000'"
    with sandbox.session() as session:
        session.run(f"import os\nos.system({daemon!r})\nwhile not os.path.exists('there'): pass")
    assert sleepers() == 0


def test_a_warm_process_that_was_killed_is_started_again(kind):
    with kind(limits=PATIENT) as sandbox:
        # An ordinary process outlives the one that it was forked from, one behind walls does not.
        with sandbox.session() as session, contextlib.suppress(Gone):
            (warm,) = [pid for pid in {sandbox._warm.pid} | descendants(sandbox._warm.pid) if _is_warm(pid)]
            os.kill(warm, signal.SIGKILL)
            session.run("1")
        with sandbox.session() as session:
            assert run(session, "1 + 1") == [("execute_result", {"text/plain": "2"})]


def _is_warm(pid):
    """Whether a process is a warm one, rather than what wraps it or was forked from it."""
    words = _read(Path(f"/proc/{pid}/cmdline")).split(b"\0")
    parent = int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return (
        b"autograder.sandbox.warm" in words[:5]
        and b"autograder.sandbox.warm" not in _read(Path(f"/proc/{parent}/cmdline")).split(b"\0")[:5]
    )


def test_a_sandbox_that_cannot_start_says_why():
    class Broken(ProcessSandbox):
        def command(self, fd):
            return ["python3", "-c", "raise SystemExit('no such thing')"]

    with pytest.raises(Lost, match="the sandbox does not start: no such thing"):
        Broken(limits=PATIENT)


def test_an_exercise_that_is_not_there_is_an_error():
    with pytest.raises(Lost, match="there is no exercise 'no_such_exercise'"):
        ProcessSandbox(exercises=["no_such_exercise"], limits=PATIENT)


def test_an_import_that_fails_is_left_to_the_lessons_own_cell():
    with ProcessSandbox(["import no_such_module"], limits=PATIENT) as sandbox, sandbox.session() as session:
        assert run(session, "import no_such_module") == [("error", "ModuleNotFoundError")]
        assert sandbox.failed == ["import no_such_module: No module named 'no_such_module'"]


def test_what_a_lesson_needs_is_loaded_before_a_session_starts(sandbox):
    assert sandbox.failed == []
    with sandbox.session() as session:
        ((_, data),) = run(session, "import sys\n[m in sys.modules for m in ('matplotlib.pyplot', 'cnnkit.exercises')]")
    assert data == {"text/plain": "[True, True]"}


def test_ctrl_c_in_the_graders_terminal_does_not_reach_students_code(sandbox):
    assert os.getpgid(sandbox._warm.pid) != os.getpgrp()
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
