"""Progress bars: in a notebook text that outlives the kernel, or nothing; in a terminal tqdm's own."""

import nbformat
from nbclient import NotebookClient

from cnnkit.bars import tqdm

CELLS = [
    "from cnnkit.bars import tqdm\nlist(tqdm(range(3), desc='passing', leave=False));",
    "list(tqdm(range(3), desc='staying <b>'));",
    "list(tqdm(range(3), disable=True));",
]


def test_what_a_notebook_keeps_of_a_bar():
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, CELLS)))
    NotebookClient(notebook, timeout=120, store_widget_state=False).execute()
    passing, staying, none = (cell.outputs for cell in notebook.cells)
    assert [output.data["text/html"] for output in passing] == [""]
    (output,) = staying
    assert "staying &lt;b&gt;: 100%|███" in output.data["text/html"]
    assert none == []


def test_a_terminal_gets_tqdms_bar(capsys):
    assert list(tqdm(range(3), desc="counting")) == [0, 1, 2]
    assert "counting: 100%" in capsys.readouterr().err
