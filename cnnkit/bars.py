"""Progress bars: tqdm's, in a notebook written as text into the output of the cell.

``tqdm.auto`` puts a widget there. When the notebook is opened again its kernel is gone, and all that is left of the
widget is an error message.
"""

import html
import io

from IPython import get_ipython
from IPython.display import HTML, display
from tqdm.std import tqdm as plain_tqdm

COLUMNS = 90
"""How wide a bar with its numbers is in a notebook, in characters."""


def tqdm(*arguments, **options):
    """``tqdm.tqdm``, with its arguments, for a notebook or a terminal."""
    if hasattr(get_ipython(), "kernel") and not options.get("disable"):
        options = {"file": _Output(), "ncols": COLUMNS, "ascii": False, **options}
    return plain_tqdm(*arguments, **options)


class _Output(io.TextIOBase):
    """One line in the output of a cell, each write in place of the one before; taken back where that is blank."""

    def __init__(self):
        self._shown = None

    def write(self, text):
        if text == "\n":  # how tqdm leaves a bar where it stands
            return
        line = html.escape(text.strip())
        bar = HTML(f'<pre style="margin: 0">{line}</pre>' if line else "")
        if self._shown:
            self._shown.update(bar)
        else:
            self._shown = display(bar, display_id=True)
