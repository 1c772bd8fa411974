"""The explainers' scripts in a bare page: the same numbers as in Python, and a page that needs no kernel."""

import json
from pathlib import Path

import pytest
from drawings import FAINT, UNNAMED

from cnnkit.widgets import page as web_page
from cnnkit.widgets import scripts

GOLDEN = json.loads((Path(__file__).parents[1] / "golden_explainers.json").read_text(encoding="utf-8"))

COMPUTE = """async ([text, inputs]) => {
    const address = URL.createObjectURL(new Blob([text], {type: 'text/javascript'}));
    const {compute} = await import(address);
    return inputs.map(one => compute(one));
}"""


@pytest.mark.parametrize("script", GOLDEN)
def test_the_script_computes_what_python_computes(script, page):
    page.goto("about:blank")
    got = page.evaluate(COMPUTE, [scripts.module(script), [case["inputs"] for case in GOLDEN[script]]])
    assert len(got) == len(GOLDEN[script]) > 5
    for case, result in zip(GOLDEN[script], got, strict=True):
        assert same(result, case["result"]), (case["inputs"], result, case["result"])


def same(a, b):
    """Equal, numbers to nine digits."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return a == pytest.approx(b, rel=1e-9, abs=1e-9)
    return a == b


@pytest.fixture(scope="module")
def web(browser, tmp_path_factory):
    """The web page with all explainers, opened from a file, and what its console says."""
    file = tmp_path_factory.mktemp("web") / "explainers.html"
    assert web_page.main([str(file)]) == 0
    context = browser.new_context(viewport={"width": 1100, "height": 900}, offline=True)
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    yield page, said
    context.close()


def test_the_page_runs_every_explainer_without_kernel_or_network(web):
    page, said = web
    for name in web_page.SHOWN:
        assert page.locator(f"#{name} .cnnkit-explainer .result").inner_text()
    assert page.locator(".cnnkit-still").count() == 0
    assert said == []


def test_bad_input_on_the_page_is_a_sentence(web):
    page, said = web
    calculator = page.locator("#SizeCalculator")
    result = calculator.locator(".result")
    field = calculator.get_by_label("Kernel F", exact=True)
    for typed, sentence in {
        "9": "A kernel that reaches over 9 does not fit into 7 + 2·0 = 7.",
        "0": "The kernel size must be at least 1, not 0.",
        "": "Kernel F: a whole number goes here.",
        "2.5": "Kernel F: a whole number goes here.",
        "3": "2.33: does not fit. PyTorch: 2. Output 2 × 2 × 1",
    }.items():
        field.fill(typed)
        assert result.inner_text() == sentence
    calculator.get_by_label("Input size N", exact=True).fill("1000000")
    assert result.inner_text() == "333333.33: does not fit. PyTorch: 333333. Output 333333 × 333333 × 1"
    assert calculator.locator("svg text").count() < 200
    calculator.get_by_label("Input size N", exact=True).fill("7")
    assert said == []


RENDERED = """async ([text, state]) => {
    document.body.innerHTML = '<p class="its-picture">still</p><div></div>';
    const {default: view} = await import(URL.createObjectURL(new Blob([text], {type: 'text/javascript'})));
    const model = {get: name => state[name], on() {}, off() {}};
    const shown = () => document.querySelector('.its-picture').checkVisibility();
    const seen = [shown()];
    const done = view.render({model, el: document.querySelector('div')});
    seen.push(shown());
    done();
    return [...seen, shown()];
}"""


def test_a_live_view_hides_its_still_picture_in_any_notebook(page):
    state = dict(web_page.all_explainers())["Where does the gradient of a pooling layer go?"].inputs
    page.goto("about:blank")
    state |= {"_picture": "its-picture"}
    assert page.evaluate(RENDERED, [scripts.module("pool_router"), state]) == [True, False, True]


FILL_ALL = """async view => {
    const frame = () => new Promise(requestAnimationFrame);
    const told = [];
    const sentence = view.querySelector('.result');
    const drawn = (what) => told.push([what, sentence.textContent, view.querySelectorAll('*').length]);
    const fields = () => [...view.querySelectorAll('input:not([type=checkbox])')].filter(node => node.offsetParent);
    for (const input of fields()) {
        const before = input.value;
        for (const value of ['', '0', '-1', '-1000000', '2.5', '9', '1000000', '1000000000', '1e300']) {
            input.value = value;
            input.dispatchEvent(new Event('input', {bubbles: true}));
            await frame();
            drawn(`${input.dataset.trait} = ${value}`);
        }
        input.value = before;
        input.dispatchEvent(new Event('input', {bubbles: true}));
        input.dispatchEvent(new Event('blur'));
        await frame();
    }
    for (const choice of view.querySelectorAll('select, [type=checkbox]')) {
        for (const option of choice.options ?? [0, 1]) {
            if (choice.options) choice.value = option.value;
            else choice.checked = !choice.checked;
            choice.dispatchEvent(new Event('change', {bubbles: true}));
            await frame();
            drawn(`${choice.dataset.trait} = ${option.value}`);
        }
    }
    return told;
}"""


@pytest.mark.parametrize("name", web_page.SHOWN)
def test_whatever_is_typed_or_chosen_a_sentence_answers(web, name):
    page, said = web
    view = page.locator(f"#{name} .cnnkit-explainer")
    told = view.evaluate(FILL_ALL)
    assert len(told) > 3
    for what, sentence, nodes in told:
        assert sentence.endswith(".") or any(letter.isdigit() for letter in sentence), what
        assert "NaN" not in sentence and "undefined" not in sentence and "Infinity" not in sentence, (what, sentence)
        assert nodes < 6000, what
    assert said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_in_drawings_can_be_read_in_both_themes(web, theme):
    page, _ = web
    page.emulate_media(color_scheme=theme)
    for name in web_page.SHOWN:
        view = page.locator(f"#{name} .cnnkit-explainer")
        assert view.evaluate(FAINT) == []
        assert view.evaluate(UNNAMED) == []
