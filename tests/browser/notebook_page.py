"""A notebook open in JupyterLab, as the tests drive it: through the page, and through Lab's own commands.

Lab's commands return promises that settle when the work is done, which is what the tests wait on.
"""

# A lesson runs from start to end in far less, on a machine that does nothing else.
SECONDS_TO_RUN = 300

RUN_CELL = """async id => {
    const panel = window.jupyterapp.shell.currentWidget, notebook = panel.content;
    notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === id);
    await notebook.scrollToCell(notebook.activeCell, 'start');
    await window.jupyterapp.commands.execute('notebook:run-cell');
}"""
SHOW_CELL = """async id => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === id);
    await notebook.scrollToCell(notebook.activeCell, 'start');
}"""
OUTPUTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === 'code')
    .map(cell => ({
        id: cell.model.id,
        ran: cell.model.executionCount !== null,
        errors: cell.model.outputs.toJSON().filter(o => o.output_type === 'error').map(o => o.evalue),
    }))"""
READY = """path => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.context?.path === path && panel.context.isReady
        && panel.sessionContext?.session?.kernel?.status === 'idle';
}"""


class NotebookPage:
    """Opens a notebook of a ``Lab`` in a page; the constructor returns when its kernel is idle."""

    def __init__(self, page, lab, path):
        self.page = page
        # Without the reset, Lab would first restore the notebooks of the test before.
        page.goto(f"{lab.url}/lab/tree/{path}?reset")
        page.wait_for_function(READY, arg=path)

    def run_cell(self, cell_id):
        self.page.evaluate(RUN_CELL, cell_id)

    def show_cell(self, cell_id):
        self.page.evaluate(SHOW_CELL, cell_id)

    def run_all(self):
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def code_cells(self):
        """A dict for each code cell: ``id``, whether it ``ran``, the ``errors`` it ended in."""
        return self.page.evaluate(OUTPUTS)

    @property
    def active_cell(self):
        return self.page.locator(".jp-Notebook .jp-Cell.jp-mod-active")

    def validate(self):
        """Press nbgrader's Validate button; the dialog with the results, once it is there."""
        self.page.get_by_role("button", name="Validate").click()
        dialog = self.page.locator(".jp-Dialog", has_text="Validation Results")
        dialog.wait_for(timeout=SECONDS_TO_RUN * 1000)
        return dialog

    def theme(self, name):
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {name}",
        )
        body = self.page.locator(f"body[data-jp-theme-name='JupyterLab {name}']")
        body.wait_for(state="attached")
