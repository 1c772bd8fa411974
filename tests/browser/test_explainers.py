"""The explainers in a real JupyterLab and in Notebook 7, driven by mouse and keyboard."""

import shutil
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from drawings import FAINT, UNNAMED
from notebook_page import READY, NotebookPage

from cnnkit import widgets

ROOT = Path(__file__).resolve().parents[2]
GALLERY = "explainers.ipynb"
VIEW = ".jp-mod-active .cnnkit-explainer"
# Those of axe-core's rules that speak of an element, not of the page around it. Contrast is looked at in both themes,
# but not in drawings, where axe does not know what lies behind a text.
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
AXE["rules"] = {name: {"enabled": False} for name in ("region", "landmark-unique", "page-has-heading-one")}
AXE["rules"]["color-contrast"] = {"enabled": False}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


SHOW = """async name => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    const holds = cell => cell.model.type === 'code' && cell.model.sharedModel.source.includes(`widgets.${name}(`);
    notebook.activeCellIndex = notebook.widgets.findIndex(holds);
    await notebook.scrollToCell(notebook.activeCell, 'start');
}"""
REWRITE = """([id, source]) => {
    const {widgets} = window.jupyterapp.shell.currentWidget.content;
    widgets.find(cell => cell.model.id === id).model.sharedModel.setSource(source);
}"""
CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"


class Gallery:
    """The gallery open in JupyterLab, its cells run."""

    def __init__(self, page, lab):
        shutil.copy(ROOT / "notebooks" / GALLERY, lab.root / GALLERY)
        self.page, self.lab, self.path = page, lab, lab.root / GALLERY
        self.notebook = NotebookPage(page, lab, GALLERY)
        self.notebook.run_all()

    def show(self, name):
        """The first explainer of a class: its view, scrolled to and drawn."""
        self.page.evaluate(SHOW, name)
        view = self.page.locator(".jp-Notebook .jp-Cell.jp-mod-active .cnnkit-explainer")
        view.wait_for()
        return view


@pytest.fixture(scope="module")
def gallery(lab, browser):
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(60_000)
    yield Gallery(context.new_page(), lab)
    context.close()


def says(view, words):
    """Wait until the explainer's sentence has the words."""
    view.locator(".result", has_text=words).wait_for()


def field(view, label):
    return view.get_by_label(label, exact=True)


def test_no_cell_of_the_gallery_fails(gallery):
    cells = gallery.notebook.code_cells()
    assert [error for cell in cells for error in cell["errors"]] == []
    assert all(cell["ran"] for cell in cells)


def test_the_size_calculator_says_what_does_not_fit_and_what_would(gallery):
    view = gallery.show("SizeCalculator")
    says(view, "2.33: does not fit. PyTorch: 2.")
    view.get_by_role("button", name="stride 2 gives 3 × 3").click()
    says(view, "Output 3 × 3 × 1")
    assert field(view, "Stride S").input_value() == "2"
    for label, value in {"Input size N": 32, "Kernel F": 5, "Padding P": 2, "Stride S": 1, "Input channels": 3}.items():
        field(view, label).fill(str(value))
    field(view, "Filters").fill("1")
    field(view, "Filters").press("End")
    gallery.page.keyboard.type("0")
    says(view, "Output 32 × 32 × 10")
    assert "= 760" in view.inner_text()
    assert "torch.nn.Conv2d(3, 10, kernel_size=5, padding=2)" in view.inner_text()


def test_a_grid_answers_to_the_arrow_keys(gallery):
    view = gallery.show("SizeCalculator")
    for label, value in {"Input size N": 7, "Kernel F": 3, "Padding P": 0, "Stride S": 2}.items():
        field(view, label).fill(str(value))
    view.locator('[data-key="output:0,0"]').focus()
    gallery.page.keyboard.press("ArrowRight")
    gallery.page.keyboard.press("ArrowDown")
    view.get_by_text("the window of output (1, 1)").wait_for()
    assert gallery.page.evaluate("document.activeElement.dataset.key") == "output:1,1"


def test_keys_pressed_in_an_explainer_are_no_commands_of_the_notebook(gallery):
    view = gallery.show("SizeCalculator")
    before = gallery.page.evaluate(CELLS)
    choice, cell = view.get_by_role("combobox").first, view.locator("[data-cell='0,0']").first
    for target in (field(view, "Kernel F"), choice, cell):
        target.focus()
        for key in ("d", "d", "x", "a", "b"):
            gallery.page.keyboard.press(key)
    assert gallery.page.evaluate(CELLS) == before


def test_the_stepper_walks_through_deck_bs_volume(gallery):
    view = gallery.show("ConvStepper")
    says(view, "Output (1, 1) of filter 0 = −7 + 1 − 3 + 1 = −8")
    view.get_by_role("button", name="Step").click()
    says(view, "Output (1, 2) of filter 0")
    view.locator('[data-key="y1:0,0"]').hover()
    says(view, "Output (0, 0) of filter 1")
    view.locator('[data-key="y1:0,0"]').focus()
    gallery.page.keyboard.press("ArrowRight")
    says(view, "= 4")
    view.locator('[data-key="w0:0,0"]').focus()
    gallery.page.keyboard.press("+")
    assert "row 0, column 0: 1" in view.locator('[data-key="w0:0,0"]').get_attribute("aria-label")
    gallery.page.keyboard.press("-")
    field(view, "Padding P").fill("9")
    says(view, "too many to show")
    field(view, "Padding P").fill("1")


def test_the_table_follows_a_change_of_a_layer(gallery):
    view = gallery.show("StackTable")
    assert "60\u202f965\u202f224 parameters" in view.inner_text()
    column = lambda: view.locator("tbody tr td:nth-last-child(2)").all_inner_texts()
    assert column()[1:9] == ["11", "19", "51", "67", "99", "131", "163", "195"]
    view.get_by_role("button", name="conv1").focus()
    gallery.page.keyboard.press("ArrowDown")
    assert gallery.page.evaluate("document.activeElement.dataset.key") == "layer-1"
    field(view, "Stride S").fill("1")
    view.get_by_text("53 × 53 × 96", exact=True).wait_for()
    field(view, "Network").select_option("LeNet-5")
    says(view, "61\u202f706 parameters")


def test_a_column_is_a_patch(gallery):
    view = gallery.show("Im2colExplorer")
    says(view, "Column 4 is the patch of output (1, 1)")
    view.locator('[data-key="columns:0,4"]').focus()
    gallery.page.keyboard.press("ArrowRight")
    says(view, "Column 5 is the patch of output (1, 2)")
    view.locator('[data-key="y:0,2"]').hover()
    says(view, "Column 2")
    field(view, "Input size N").fill("1000")
    says(view, "too many to show")
    field(view, "Input size N").fill("5")


def test_gradients_come_back(gallery):
    view = gallery.show("BackwardStepper")
    says(view, "dL/dx at (2, 2)")
    assert "turned by 180°" in view.inner_text()
    field(view, "Gradient in").select_option("dw")
    view.locator('[data-key="dw:0,0"]').focus()
    says(view, "dL/dw at (2, 2)")
    gallery.page.keyboard.press("Home")
    gallery.page.keyboard.press("ArrowDown")
    says(view, "dL/dw at (1, 0)")


def test_the_largest_gets_the_gradient(gallery):
    view = gallery.show("PoolRouter")
    says(view, "Output (0, 0) = 6: it came from (1, 1)")
    view.locator('[data-key="x:1,0"]').focus()
    gallery.page.keyboard.press("+")
    says(view, "it came from (1, 0), the first of equals")
    gallery.page.keyboard.press("-")
    view.locator('[data-key="y:1,1"]').click()
    says(view, "Output (1, 1) = 4: it came from (3, 3)")
    field(view, "Pooling").select_option("mean")
    says(view, "all 4 of its window get 1 each")


def test_a_turned_sobel_has_the_other_sign(gallery):
    view = gallery.show("KernelLab")
    says(view, "the output runs from −3.42 to 3.23")
    field(view, "turn the kernel by 180° (a true convolution)").check()
    says(view, "the output runs from −3.23 to 3.42")
    field(view, "Weight, row 1, column 1").fill("4")
    says(view, "Your own kernel, turned: the weights sum to 4")
    field(view, "Kernel").select_option("identity")
    same = "c => [...c.getContext('2d').getImageData(60, 40, 20, 20).data].join()"
    before, after = (view.locator("canvas").nth(n) for n in (0, 1))
    assert after.evaluate(same) == before.evaluate(same.replace("60, 40", "61, 41"))


def test_turning_the_bar_fills_in_the_tuning_curve(gallery):
    view = gallery.show("CortexLab")
    says(view, "0 spikes per second at 0°")
    field(view, "Angle").focus()
    for _ in range(12):
        gallery.page.keyboard.press("ArrowRight")
    says(view, "60 spikes per second at 60°: the best angle")
    view.get_by_text("Tuning curve: 13 of 36 angles recorded").wait_for()
    field(view, "Cell").select_option("complex")
    field(view, "Stimulus").select_option("grating")
    for phase in ("90", "180"):
        field(view, "Phase of the stripes").fill(phase)
        says(view, "60 spikes per second at 60°")


def test_what_is_done_in_the_page_reaches_the_kernel_and_back(gallery):
    gallery.show("SizeCalculator")
    probe = gallery.notebook.code_cells()[3]["id"]  # the one that reads the traits
    gallery.page.evaluate(REWRITE, [probe, "layer.stride = 2; print(layer.size, layer.k)"])
    second = gallery.page.locator(".cnnkit-explainer").nth(1)
    field(second, "Kernel F").fill("7")
    printed = gallery.notebook.active_cell.locator(".jp-OutputArea-output")
    for _ in range(20):  # the page's message and the cell's request go to the kernel on different ways
        gallery.notebook.run_cell(probe)
        if "[15, 15] 7" in printed.inner_text():
            break
    assert "[15, 15] 7" in printed.inner_text()
    gallery.show("SizeCalculator")
    says(second, "Output 15 × 15 × 10")


NAMES = [name for name in dir(widgets) if name[0].isupper()]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stands_in_the_way_of_a_screen_reader(gallery, name, screenshot):
    view = gallery.show(name)
    found = [Axe().run(gallery.page, VIEW, AXE)]
    assert view.evaluate(UNNAMED) == []
    for theme in ("Dark", "Light"):
        gallery.notebook.theme(theme)
        assert view.evaluate(FAINT) == []
        found.append(Axe().run(gallery.page, {"include": [VIEW], "exclude": ["svg"]}, CONTRAST))
        screenshot(gallery.page, f"explainer-{name}-{theme.lower()}")
    assert [result.generate_report() for result in found if result.violations_count] == []


def test_explainers_survive_saving_and_reloading_and_leave_no_state(gallery):
    page = gallery.page
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    nb = nbformat.read(gallery.path, as_version=4)
    assert "widgets" not in nb.metadata
    bundles = [output.data for cell in nb.cells for output in cell.get("outputs", ()) if "data" in output]
    views = [data for data in bundles if "application/vnd.jupyter.widget-view+json" in data]
    stills = [data for data in bundles if "cnnkit-still" in data.get("text/html", "")]
    assert len(stills) == len(views) > len(NAMES)
    page.reload()
    page.wait_for_function(READY, arg=GALLERY)
    view = gallery.show("SizeCalculator")
    says(view, "Output")
    field(view, "Input size N").fill("9")
    says(view, "Output 4 × 4")
    assert not any(still.is_visible() for still in page.locator(".cnnkit-still").all())


def test_the_classic_notebook_shows_them_too(gallery, page):
    page.goto(f"{gallery.lab.url}/notebooks/{GALLERY}")
    view = page.locator(".cnnkit-explainer", has_text="Size calculator").first
    view.wait_for()
    field(view, "Input size N").fill("5")
    says(view, "Output 2 × 2")


def test_without_their_kernel_a_reopened_notebook_shows_the_still_pictures(gallery):
    page = gallery.page
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    for address in ("lab/tree", "notebooks"):
        page.goto(f"{gallery.lab.url}/{address}/{GALLERY}")
        page.locator(".cnnkit-still", has_text="Size calculator").first.wait_for()
        page.locator(".jp-OutputArea-output", has_text="model not found").first.wait_for(state="attached")
        assert page.locator(".cnnkit-explainer").count() == 0
        assert "model not found" not in page.locator("body").inner_text()
