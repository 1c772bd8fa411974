"""Malformed frames, arrays, outcomes and outputs from a student's process: read or refused, never a crash.

Some hundreds of each here; ``benchmarks/fuzz.py`` tries ten thousand.
"""

import contextlib
import json
import threading

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nbformat.v4 import new_code_cell, new_notebook

from autograder import outputs
from autograder.sandbox import protocol
from autograder.sandbox.protocol import Channel, Closed, ProtocolError
from autograder.score import check_outputs
from cnnkit.calling import Outcome, Unreadable
from cnnkit.verdict import Verdict, expect, judge

RIGHT = expect("practice", 11)
SHARED = 2 * protocol.SHARED_FROM


def frame(message, layout=(), body=b""):
    header = json.dumps([message, layout]).encode()
    return protocol.PREFIX.pack(len(header), len(body)) + header + body


def received(data):
    """``(message, arrays)`` that a grader reads from bytes, or None where it refuses them; some memory is shared."""
    ours, theirs = Channel.pair(SHARED)

    def send():
        # The reader hangs up on what it refuses. A socket holds less than the largest of these.
        with theirs, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            theirs._sock.sendall(data)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with ours:
            return ours.receive(seconds=5, max_body=1 << 20, max_header=1 << 20)
    except (ProtocolError, Closed):
        return None
    finally:
        sender.join()


def outcome_frame(value):
    arrays = []
    packed = protocol.pack_outcome(Outcome(value), arrays)
    layout = [[array.dtype.str, list(array.shape)] for array in arrays]
    return frame({"outcome": packed}, layout, b"".join(array.tobytes() for array in arrays))


def judged(data):
    """The Verdict on an answer whose every call brings these bytes back, or None where they cannot be read."""
    found = received(data)
    if found is None:
        return None
    message, arrays = found
    try:
        outcome = protocol.unpack_outcome(message.get("outcome"), arrays)
    except ProtocolError:
        return None
    return judge(RIGHT, [outcome] * len(RIGHT.cases))


numbers = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64, 128)),
    hnp.complex_number_dtypes(endianness="?"),
)
arrays = hnp.arrays(numbers, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
leaves = st.none() | st.booleans() | st.integers(-(2**900), 2**900) | st.floats() | st.text(max_size=9) | arrays
values = st.recursive(
    leaves | st.builds(Unreadable, st.text(max_size=9)),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=9,
)
WORDS = [
    "array", "scalar", "tuple", "list", "dict", "unreadable", "value", "error", "mutated", "seconds", "printed",
    "outcome", "kind", "output_type", "data", "name", "text", "traceback", "ename", "evalue", "stream", "display_data",
    "execute_result", "execution_count", "text/html", "text/plain", "text/markdown", "image/png", "image/svg+xml",
    "<script>alert(1)</script>", "<svg onload=alert(1)>", "<a href=javascript:alert(1)>x</a>", "stdout", "\ud800",
]  # fmt: skip
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=25,
)


@given(value=values)
def test_whatever_a_function_returns_gets_a_verdict(value):
    verdict = judged(outcome_frame(value))
    assert isinstance(verdict, Verdict) and not verdict.passed
    assert verdict.score == 0
    nbformat.validate(new_notebook(cells=[new_code_cell(outputs=check_outputs(verdict))]))


SOUND = protocol.pack_outcome(Outcome(None), [])


@pytest.mark.parametrize(
    "whole",
    [
        frame({"outcome": SOUND}),
        frame({"outcome": SOUND | {"value": {"array": 0}}}, [["<f8", [2, 4]]], bytes(64)),
        frame({"outcome": SOUND | {"value": {"array": 0}}}, [["<f8", [2, 4], 0]]),
        frame({"outcome": SOUND | {"seconds": 1.5, "mutated": ["x"], "error": ["E", ["B"], "m", "w"]}}),
    ],
)
def test_what_the_others_damage_is_read_while_it_is_whole(whole):
    assert judged(whole).score == 0


@given(value=values, data=st.data())
def test_a_frame_with_wrong_bytes_is_refused_or_read(value, data):
    whole = bytearray(outcome_frame(value))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                whole[at] = data.draw(st.integers(0, 255))
            case "cut":
                del whole[max(1, at) :]
            case "insert":
                whole[at:at] = data.draw(st.binary(max_size=9))
    verdict = judged(bytes(whole))
    assert verdict is None or verdict.score == 0


@given(
    kind=st.text(max_size=6) | numbers.map(lambda d: d.str), shape=st.lists(st.integers(-3, 2**70), max_size=40) | junk
)
def test_an_array_of_any_description_is_refused_or_read(kind, shape):
    judged(frame({"outcome": SOUND | {"value": {"array": 0}}}, [[kind, shape]], bytes(64)))


places = st.integers(-1, 3).map(lambda n: n * protocol.SHARED_FROM) | st.integers() | junk


@given(layout=st.lists(st.tuples(numbers.map(lambda d: d.str), st.lists(st.integers(0, 2**20), max_size=3), places)))
def test_an_array_at_any_place_of_the_shared_memory_is_refused_or_read(layout):
    found = received(frame({}, layout))
    assert found is None or sum(array.nbytes for array in found[1]) <= SHARED


@given(outcome=junk, layout=junk, body=st.binary(max_size=32))
def test_any_message_is_refused_or_read(outcome, layout, body):
    verdict = judged(frame({"outcome": outcome}, layout, body))
    assert verdict is None or verdict.score == 0


@given(changes=st.dictionaries(st.sampled_from(["value", "error", "mutated", "seconds", "printed"]), junk))
def test_an_outcome_with_junk_in_it_gets_no_points(changes):
    verdict = judged(frame({"outcome": SOUND | changes}))
    assert verdict is None or verdict.score == 0


@given(shown=st.lists(junk, max_size=5))
def test_whatever_a_cell_shows_becomes_valid_and_inert(shown):
    cleaned = outputs.clean(shown)
    assert len(cleaned) == len(shown)
    nbformat.validate(new_notebook(cells=[new_code_cell(outputs=cleaned)]))
    json.dumps(cleaned).encode()
    for output in cleaned:
        html = str(output.get("data", {}).get("text/html", "")).lower()
        assert "<script" not in html and "onload" not in html and "javascript:" not in html


@given(depth=st.integers(1, 100_000), opening=st.sampled_from(["[", '{"a":', '{"tuple":[']))
def test_depth_is_no_crash(depth, opening):
    header = f'[{{"outcome": {opening * min(depth, (1 << 20) // len(opening))}'.encode()
    assert received(protocol.PREFIX.pack(len(header), 0) + header) is None


@pytest.mark.parametrize("shape", [(1 << 39, 0), (0,), (1,) * 32, ()])
def test_shapes_at_the_limits_get_a_verdict(shape):
    assert judged(outcome_frame(np.zeros(shape))).score == 0
