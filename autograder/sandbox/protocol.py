"""What the grader and the process that runs a student's code say to each other.

A frame is a JSON header and the raw bytes of the arrays that the header mentions. Both ends read with limits, and
nothing that arrives is ever executed or unpickled: an array is its bytes, a shape and a numeric dtype. Whatever
does not fit that description is a ``ProtocolError``, since the other end may be under a student's control.

A frame on the wire: length of the header (4 bytes, big-endian), length of the body (8), header, body. The header is the
message and a list that has the dtype and the shape of each array and, where its bytes are not in the body but in
memory that the two ends share, their place there.
"""

import json
import math
import os
import re
import socket
import struct
import time

import numpy as np

from autograder.sandbox.memory import AVAILABLE, SharedMemory
from cnnkit.calling import Outcome, Problem, Unreadable
from cnnkit.cases import LAYOUTS, Case

PREFIX = struct.Struct(">IQ")
MAX_HEADER = 16 << 20
MAX_BODY = 1 << 30
MAX_DEPTH = 12
ALIGNED = 64
"""The header is filled up to a multiple of this, so that the arrays after it can be used where they are received."""
SHARED_FROM = 1 << 20
"""Bytes from which on an array goes through shared memory, where there is any."""
JOINED = 1 << 16
"""Bytes up to which arrays are sent in one piece with the header."""
MAX_TEXT = 4000
MAX_OUTPUTS = 200
"""Outputs of one cell."""
MAX_SHOWN = 12 << 20
"""Bytes of what describes them all."""
MAX_REPLY = 1 << 16
"""Bytes of any other answer of a session."""
KINDS = frozenset({"array", "scalar", "tuple", "list", "dict", "unreadable"})
RESULTS = frozenset({"array", "tuple", "unreadable"})
"""The kinds of value that a student's function can return, once ``calling.plain`` has read it."""
NUMERIC = re.compile(r"[<>|=][biufc]\d{1,2}")


class ProtocolError(Exception):
    """The other end sent what it should not, or more than it may."""


class Closed(Exception):
    """The other end is gone."""


class Channel:
    """One end of a connected socket, over which frames go.

    Args:
        sock: a connected Unix stream socket; the channel owns it from now on.
        outgoing: a SharedMemory through which large arrays go, or None.
    """

    def __init__(self, sock, outgoing=None):
        self._sock = sock
        self._outgoing = outgoing
        self._incoming = None

    @classmethod
    def pair(cls, shared=0):
        """Our end and theirs, through whose ``shared`` bytes of memory large arrays come."""
        ours, theirs = map(cls, socket.socketpair())
        if shared >= SHARED_FROM and AVAILABLE:
            theirs._outgoing = SharedMemory.create(shared)
            ours._incoming = SharedMemory(os.dup(theirs._outgoing.fd))
        return ours, theirs

    def fileno(self):
        return self._sock.fileno()

    def close(self):
        self._sock.close()
        for memory in filter(None, (self._incoming, self._outgoing)):
            memory.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, message, arrays=(), seconds=None):
        """Send a message, a JSON-able dict, with the arrays that it mentions; raises as ``send_frame`` does."""
        self.send_frame(frame(message, arrays, self._outgoing), seconds)

    def send_frame(self, parts, seconds=None):
        """Send what ``frame`` made.

        Raises:
            Closed: where nobody listens any more.
            TimeoutError: when it took longer than ``seconds``.
        """
        if seconds is not None and seconds <= 0:  # which would mean to a socket that it should not wait
            raise TimeoutError
        self._sock.settimeout(seconds)
        try:
            for part in parts:
                self._sock.sendall(part)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def receive(self, seconds=None, max_body=MAX_BODY, max_header=MAX_HEADER):
        """The next ``(message, arrays)``.

        Raises:
            Closed: where the other end is gone.
            TimeoutError: when it took longer than ``seconds``.
            ProtocolError: for a frame that is too large or makes no sense.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        header_size, body_size = PREFIX.unpack(self._exactly(PREFIX.size, deadline))
        if header_size > max_header or body_size > max_body:
            raise ProtocolError(f"a message of {(header_size + body_size) / 2**20:.0f} MiB")
        frame = self._exactly(header_size + body_size, deadline)
        header, body = frame[:header_size].tobytes(), frame[header_size:]
        try:
            message, layout = json.loads(header)
            arrays = _read_arrays(layout, body, self._incoming)
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            raise ProtocolError(f"an unreadable message: {error}") from error
        if not isinstance(message, dict):
            raise ProtocolError("a message that is no object")
        return message, arrays

    def send_channel(self, other):
        """Hand the other process an end of another channel, with its shared memory."""
        fds = [other.fileno(), *([other._outgoing.fd] if other._outgoing else [])]
        try:
            socket.send_fds(self._sock, [b"+"], fds)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def receive_channel(self):
        data, fds, _, _ = socket.recv_fds(self._sock, 1, 2)
        if not data or not fds:
            raise Closed
        return Channel(socket.socket(fileno=fds[0]), SharedMemory(fds[1]) if fds[1:] else None)

    def _exactly(self, size, deadline):
        # Not zeroed, so that a claim of a gigabyte that never comes costs no memory.
        buffer = np.empty(size, np.uint8)
        view, got = memoryview(buffer), 0
        while got < size:
            if deadline is not None and (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            self._sock.settimeout(None if deadline is None else left)
            try:
                count = self._sock.recv_into(view[got:])
            except ConnectionResetError as error:
                raise Closed from error
            if not count:
                raise Closed
            got += count
        return buffer


def frame(message, arrays=(), memory=None):
    """The bytes of a frame, in one or more parts.

    Args:
        message: a JSON-able dict.
        arrays: those that it mentions.
        memory: a SharedMemory for the large ones, or None.
    """
    chunks, layout = [], []
    for array in arrays:
        place = memory.write(array) if memory and array.nbytes >= SHARED_FROM else None
        layout.append([array.dtype.str, list(array.shape), *([] if place is None else [place])])
        if place is None:
            chunks.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    header = json.dumps([message, layout]).encode()
    header += b" " * (-len(header) % ALIGNED)
    body = sum(chunk.nbytes for chunk in chunks)
    parts = [PREFIX.pack(len(header), body) + header, *chunks]
    # The other end wakes up for each.
    return parts if body > JOINED else [b"".join(parts)]


def _read_arrays(layout, body, memory):
    arrays, start = [], 0
    for kind, shape, *place in layout:
        if not NUMERIC.fullmatch(kind):
            raise ValueError(f"an array of dtype {kind[:20]!r}")
        if len(shape) > 32 or not all(type(side) is int and 0 <= side < 1 << 40 for side in shape):
            raise ValueError("a shape that cannot be")
        dtype = np.dtype(kind)
        size = math.prod(shape) * dtype.itemsize
        if place:
            data = _shared(memory, *place, size)
        elif start + size > body.nbytes:
            raise ValueError("an array that is longer than its bytes")
        else:
            data, start = body[start : start + size], start + size
        array = np.frombuffer(data, dtype).reshape(shape)
        arrays.append(array if array.flags.aligned else array.copy())
    if start != body.nbytes:
        raise ValueError("bytes that belong to no array")
    return arrays


def _shared(memory, place, size):
    if memory is None or type(place) is not int:
        raise ValueError("an array that is nowhere")
    return memory.read(place, size)


def pack(value, arrays):
    """A plain value as JSON-able data; appends to ``arrays`` those that it holds.

    Takes what ``calling.plain`` gives, and lists and dicts.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biufc":
            raise TypeError(f"an array of dtype {value.dtype}")
        arrays.append(np.asarray(value))
        return {"array" if isinstance(value, np.ndarray) else "scalar": len(arrays) - 1}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [pack(item, arrays) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[pack(key, arrays), pack(item, arrays)] for key, item in value.items()]}
    if isinstance(value, Unreadable):
        return {"unreadable": value.text}
    raise TypeError(f"cannot send a {type(value).__name__}")


def unpack(data, arrays, kinds=KINDS, depth=0):
    """The value that ``pack`` made ``data`` of; ``kinds`` are those that may occur. Raises ProtocolError."""
    if isinstance(data, int) and data.bit_length() >= 1024:  # as calling.plain has it; the largest floats come near
        raise ProtocolError("an integer of over a thousand bits")
    if data is None or isinstance(data, bool | int | float):
        return data
    if isinstance(data, str):
        return clean_text(data)
    if not isinstance(data, dict) or len(data) != 1 or depth > MAX_DEPTH:
        raise ProtocolError("a value of no known kind")
    [(kind, content)] = data.items()
    if kind not in kinds:
        raise ProtocolError("a value of no known kind")
    below = lambda item: unpack(item, arrays, kinds, depth + 1)
    try:
        match kind:
            case "array":
                return arrays[_index(content)]
            case "scalar":
                return arrays[_index(content)][()]
            case "tuple":
                return tuple(map(below, content))
            case "list":
                return list(map(below, content))
            case "dict":
                return {below(key): below(item) for key, item in content}
            case "unreadable":
                return Unreadable(clean_text(content)[:MAX_TEXT])
    except (TypeError, ValueError, IndexError) as error:
        raise ProtocolError(f"a malformed {kind}") from error


def case_frame(case):
    """The frame that brings a case, with what a call needs: not the group, and not whether an error is right."""
    arrays = []
    return frame({"case": _pack_case(case, arrays)}, arrays)


def _pack_case(case, arrays):
    return {
        "args": pack(case.args, arrays),
        "kwargs": pack(case.kwargs, arrays),
        "layout": case.layout,
        "readonly": case.readonly,
        "fast": case.fast,
    }


def unpack_case(data, arrays):
    try:
        args, kwargs = unpack(data["args"], arrays), unpack(data["kwargs"], arrays)
        layout, readonly, fast = data["layout"], data["readonly"], data["fast"]
    except (KeyError, TypeError) as error:
        raise ProtocolError("a malformed case") from error
    if not isinstance(args, tuple) or not isinstance(kwargs, dict) or layout not in LAYOUTS:
        raise ProtocolError("a malformed case")
    return Case("", args, kwargs, layout, bool(readonly), bool(fast))


def pack_outcome(outcome, arrays):
    error = outcome.error
    return {
        "value": pack(outcome.value, arrays),
        "error": error and [error.type, list(error.bases), error.message, error.where],
        "mutated": list(outcome.mutated),
        "seconds": outcome.seconds,
        "printed": outcome.printed,
    }


def unpack_outcome(data, arrays):
    """The Outcome that a student's process reports. Raises ProtocolError."""
    try:
        value = unpack(data["value"], arrays, RESULTS)
        error = data["error"] and _problem(*data["error"])
        mutated, seconds = data["mutated"], data["seconds"]
        if not isinstance(seconds, int | float) or not isinstance(mutated, list) or len(mutated) > 100:
            raise ProtocolError("a malformed outcome")
        # A time that is no number must not pass for a short one.
        seconds = float(seconds) if seconds >= 0 else math.inf
        printed = clean_text(data["printed"])[:MAX_TEXT]
        return Outcome(value, error, tuple(clean_text(name)[:100] for name in mutated), seconds, printed)
    except (KeyError, TypeError, OverflowError) as problem:
        raise ProtocolError("a malformed outcome") from problem


def clean_text(text):
    """Text that can be written as UTF-8; raises ProtocolError for anything else than text."""
    if not isinstance(text, str):
        raise ProtocolError("no text where text should be")
    return text.encode("utf-8", "replace").decode("utf-8")


def _problem(kind, bases, message, where):
    bases = tuple(clean_text(base)[:200] for base in bases[:50])
    return Problem(clean_text(kind)[:200], bases, clean_text(message)[:MAX_TEXT], clean_text(where)[:MAX_TEXT])


def _index(content):
    if type(content) is not int or content < 0:
        raise ProtocolError("a malformed reference to an array")
    return content
