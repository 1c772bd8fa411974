"""A bare IPython shell that runs cells and records their outputs as a kernel would have shown them.

No kernel, no sockets, no threads: the process that holds one can be forked.
"""

import ast
import base64
import contextlib
import io
import json
import os
import signal

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from autograder.sandbox.protocol import MAX_OUTPUTS

MAX_TEXT = 100_000
"""Characters of printed text kept of one cell."""
MAX_FRAMES = 50
MAX_FRAME = 4000
"""Characters of one frame of a traceback."""
MAX_DISPLAYED = 8 << 20
"""Characters of what a cell displays, as JSON. With text and traceback it stays below ``MAX_SHOWN``."""

TOO_LARGE = {"output_type": "display_data", "data": {"text/plain": "... too large to keep"}, "metadata": {}}


class CellTimeout(BaseException):
    """Raised in a cell that runs too long. No Exception, so that ``except Exception`` lets it pass."""


class Recorder:
    """The outputs of the cell that is running, in nbformat's terms, within limits."""

    def __init__(self):
        self._text = 0
        self.clear()

    def take(self):
        """The outputs so far; starts anew."""
        outputs, self._text = self.outputs, 0
        self.clear()
        return outputs

    def stream(self, name, text):
        left = MAX_TEXT - self._text
        if left < 0 or not text:
            return
        self._text += len(text)
        kept = text if len(text) <= left else f"{text[:left]}\n... the rest was cut off\n"
        if self.outputs and not self._clear and self.outputs[-1].get("name") == name:
            self.outputs[-1]["text"] += kept
        else:
            self._add({"output_type": "stream", "name": name, "text": kept})
        if len(text) > left:
            self._text = MAX_TEXT + 1

    def display(self, data, metadata, **more):
        data = {kind: _as_json(content) for kind, content in data.items() if isinstance(kind, str)}
        output = {"output_type": "display_data", "data": data, "metadata": _as_json(metadata)} | more
        self._add(output, len(json.dumps(output)))

    def error(self, name, message, traceback):
        frames = [frame[:MAX_FRAME] for frame in traceback[-MAX_FRAMES:]]
        self._add({"output_type": "error", "ename": name, "evalue": message, "traceback": frames})

    def clear(self, wait=False):
        if wait:
            self._clear = True
        else:
            self.outputs, self._room, self._clear = [], MAX_DISPLAYED, False

    def _add(self, output, size=0):
        if self._clear:
            self.clear()
        if size > self._room:
            output, size = TOO_LARGE, 0
        if len(self.outputs) < MAX_OUTPUTS:
            self.outputs.append(output)
            self._room -= size


RECORDER = Recorder()


class Stream(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr."""

    encoding = "utf-8"

    def __init__(self, name):
        self.name = name

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        RECORDER.stream(self.name, text)
        return len(text)


class Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, **_):
        RECORDER.display(data, metadata or {})

    def clear_output(self, wait=False):
        RECORDER.clear(wait)


class Hook(DisplayHook):
    """Records the value of a cell's last line as an execute_result."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        number = self.prompt_count
        RECORDER.display(format_dict, md_dict or {}, output_type="execute_result", execution_count=number)


class Shell(InteractiveShell):
    """IPython without a terminal and without anything that starts a thread or writes into a home directory."""

    @classmethod
    def start(cls, ipython_dir):
        """The one shell of the process; ``get_ipython()`` finds it, and with it what shows matplotlib's figures."""
        config = Config()
        config.InteractiveShell.colors = "nocolor"
        config.InteractiveShell.cache_size = 0
        HistoryManager.enabled = False
        return cls.instance(config=config, ipython_dir=ipython_dir, display_pub_class=Publisher, displayhook_class=Hook)

    def transform_cell(self, raw_cell):
        """Look for magics only where there may be any: IPython takes longer over it than most cells take to run.

        They are no Python, but for the names of some that stand alone on one line.
        """
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            if "\n" in raw_cell.strip():
                ast.parse(raw_cell)
                return raw_cell
        return super().transform_cell(raw_cell)

    def _showtraceback(self, etype, evalue, stb):
        if etype is CellTimeout:  # the frames that noticed it are none of the student's
            stb = [f"CellTimeout: {evalue}"]
        RECORDER.error(getattr(etype, "__name__", str(etype)), _text(evalue), [str(line) for line in stb])

    def ask_exit(self):
        """``exit`` and ``quit`` end a session at a prompt; a notebook has none to end."""


def run_cell(shell, source, seconds):
    """Run a cell for at most ``seconds``; returns its outputs and whether it ended without an error."""

    def time_up(*_):
        raise CellTimeout(f"stopped after {seconds:g} s")

    RECORDER.take()
    old = signal.signal(signal.SIGALRM, time_up)
    # Asks again every second: a bare `except:` in the cell may swallow the first.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        with contextlib.redirect_stdout(Stream("stdout")), contextlib.redirect_stderr(Stream("stderr")):
            result = shell.run_cell(source, store_history=True)
        ok = result.success
    except BaseException as error:  # what IPython itself lets through, a late alarm for one
        RECORDER.error(type(error).__name__, _text(error), [f"{type(error).__name__}: {_text(error)}"])
        ok = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    return RECORDER.take(), ok


def silence():
    """Send what is written past Python, by C code or child processes, nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def _as_json(content):
    """What a formatter returned, as JSON can carry it: bytes in base 64, anything odd as its text."""
    if isinstance(content, bytes):
        return base64.b64encode(content).decode()
    try:
        return json.loads(json.dumps(content))
    except (TypeError, ValueError, RecursionError):
        return _text(content)


def _text(error):
    try:
        return str(error)[:2000]
    except BaseException:  # a student's __str__ may do anything
        return ""
