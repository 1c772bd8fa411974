"""``check`` and ``evaluate``: what a student sees, and that nothing a student hands over breaks them."""

import json
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from cnnkit import CheckFailed, calling, check, evaluate, verdict
from cnnkit.calling import Interrupted
from cnnkit.exercises import get
from cnnkit.verdict import Verdict

right = get("zero_pad").oracle


def unprintable():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no")

    raise Odd


def generator(x, p):
    yield x


def exits(x, p):
    sys.exit(3)


def interrupts(x, p):
    raise KeyboardInterrupt


def recursive(x, p):
    return recursive(x, p)


def deep(x, p):
    nest = []
    for _ in range(50):
        nest = [nest]
    return nest


ODD_ANSWERS = {
    "a string": "im2col",
    "None": None,
    "a number": 3,
    "an array": np.zeros(3),
    "the wrong signature": lambda: 0,
    "another signature": lambda a, b, c, d: 0,
    "a generator": generator,
    "a class": dict,
    "a function that exits": exits,
    "a function that raises KeyboardInterrupt": interrupts,
    "a function without end": recursive,
    "an exception that cannot be printed": lambda x, p: unprintable(),
    "NaN": lambda x, p: right(x, p) * np.nan,
    "float16": lambda x, p: right(x, p).astype(np.float16),
    "objects": lambda x, p: right(x, p).astype(object),
    "complex numbers": lambda x, p: right(x, p) + 0j,
    "a tensor": lambda x, p: torch.zeros(2),
    "a huge array": lambda x, p: np.lib.stride_tricks.as_strided(np.zeros(1), (1 << 40,), (0,)),
    "a huge number": lambda x, p: 10**10000,
    "a nest of lists": deep,
    "a module": np,
    "a closed stdout": lambda x, p: sys.stdout.close(),
    "a structured array": lambda x, p: np.zeros(2, dtype=[("a", int)]),
    "an array of dates": lambda x, p: np.zeros(2, dtype="datetime64[s]"),
}


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
def test_evaluate_never_raises(answer):
    result = evaluate("zero_pad", answer)
    assert isinstance(result, Verdict)
    assert (result.score, result.max_score, result.passed) == (0, 2, False)
    assert result.message
    assert result.text() and result._repr_html_()
    assert Verdict.from_dict(json.loads(json.dumps(result.to_dict()))).text() == result.text()


@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    )
)
def test_evaluate_takes_any_result(value):
    for name in ("conv_output_size", "conv_fits", "zero_pad"):
        result = evaluate(name, lambda *args, **kwargs: value)
        assert result.score < result.max_score and result.text() and result._repr_html_()


def test_unknown_exercise_and_device_are_named():
    assert "did you mean im2col" in evaluate("im2cool", right).message
    assert "no device" in evaluate("zero_pad", right, device="abacus").message
    assert evaluate("im2col", right, seed="today").score == 0


def test_warnings_prints_and_numpy_settings_cost_nothing(capsys):
    def noisy(x, p):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        print("padding", x.shape)
        print("to stderr", file=sys.stderr)
        np.float64(1) / np.float64(0)
        return right(x, p)

    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert evaluate("zero_pad", noisy).passed
    assert capsys.readouterr() == ("", "")


def test_what_a_wrong_function_printed_is_shown():
    def wrong(x, p):
        print("p is", p)
        return x

    assert "p is" in evaluate("zero_pad", wrong).text()


def test_an_argument_that_was_changed_is_named():
    def changes(x, p):
        if x.flags.writeable:
            x *= 2
        return right(x / 2, p)

    assert "changed its argument x" in evaluate("zero_pad", changes).message


def test_handing_out_the_same_array_again_is_noticed():
    buffers = {}

    def reuses(x, p):
        out = right(x, p)
        buffer = buffers.setdefault((out.shape, out.dtype), np.empty_like(out))
        buffer[...] = out
        return buffer

    assert "overwrote the result of an earlier call" in evaluate("zero_pad", reuses).message


def test_float32_on_the_way_is_recognised():
    result = evaluate("zero_pad", lambda x, p: right(x.astype(np.float32), p).astype(x.dtype))
    assert not result.passed
    assert "float32 on the way" in result.message


def test_partial_credit_counts_groups():
    result = evaluate(
        "conv_forward_naive", lambda x, w, b, stride=1, pad=0: get("conv_forward").oracle(x, w, b, stride, pad)
    )
    assert result.groups == {
        "basics": (3, 3), "stride": (2, 2), "padding": (2, 2), "dilation": (0, 1), "fit": (1, 1)
    }  # fmt: skip
    assert (result.score, result.max_score) == (8, 9)
    assert "takes" in result.message and "dilation" in result.message


@pytest.mark.parametrize(("times", "named"), [(1, None), (2, "edge values")])
def test_a_bug_is_named_when_it_shows_twice(times, named):
    """Once may be an accident, and a hint at a mistake that was not made misleads."""
    left = [times]

    def answer(x, p):
        if p and left[0]:
            left[0] -= 1
            return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), mode="edge")
        return right(x, p)

    assert evaluate("zero_pad", answer).bug == named


@pytest.mark.parametrize("seed", range(3))
def test_a_bug_that_is_wrong_in_other_ways_as_a_rule_is_not_named(seed):
    """On a picture that only changes to the right, |gx| is |gx| + |gy|; on all others it is something else."""

    def answer(image):
        gx, gy, _ = get("sobel").oracle(image)
        return gx, gy, np.abs(gx)

    result = evaluate("sobel", answer, seed=seed)
    assert not result.passed
    assert result.bug is None


def test_a_wrong_value_is_shown_with_its_window():
    def wrong(x, w, b, stride=1, pad=0, dilation=1):
        out = get("conv_forward_naive").oracle(x, w, b, stride, pad, dilation)
        out[0, 0, -1, -1] += 1
        return out

    result = evaluate("conv_forward_naive", wrong)
    titles = [panel.title for panel in result.failure.panels]
    assert titles[-3:] == ["expected", "yours", "difference"]
    assert titles[0].startswith("window of x[0, 0]")
    window, weights = result.failure.panels[0].values, result.failure.panels[1].values
    assert window.shape == weights.shape
    assert result.failure.panels[-1].values.max() == pytest.approx(1)


def test_the_window_shown_is_the_one_that_made_the_value():
    """With one channel and no bias, the products of the shown window and filter add up to the expected value."""

    def wrong(x, w, b, stride=1, pad=0, dilation=1):
        return get("conv_forward_naive").oracle(x, w, b, stride, pad, dilation) + 1

    checked = 0
    for case, result in zip(
        verdict.expect("conv_forward_naive", 0).cases, evaluate("conv_forward_naive", wrong).cases, strict=True
    ):
        if not case.raises and case.args[0].shape[1] == 1:
            window, weights, bias, expected, *_ = result.panels
            total = (window.values * weights.values).sum() + bias.values[0, 0]
            assert total == pytest.approx(expected.values[expected.mark], rel=1e-5)
            checked += 1
    assert checked >= 4


def test_an_endless_loop_is_stopped(monkeypatch):
    monkeypatch.setattr(calling, "CALL_SECONDS", 0.2)

    def endless(x, p):
        while True:
            pass

    result = evaluate("zero_pad", endless)
    assert "stopped after 0.2 s" in result.message
    assert [case.message for case in result.cases[1:]] == [calling.NOT_RUN.error.message] * (len(result.cases) - 1)


def test_waiting_is_stopped_later_than_work(monkeypatch):
    """A machine that is busy with other things makes a right answer wait, too."""
    monkeypatch.setattr(calling, "CALL_SECONDS", 0.2)
    waited = []

    def waiting(x, p):
        started = time.monotonic()
        time.sleep(0.4 if not waited else 60)
        waited.append(time.monotonic() - started)
        return right(x, p)

    result = evaluate("zero_pad", waiting)
    assert waited[0] >= 0.4
    assert [case.passed for case in result.cases[:2]] == [True, False]
    assert "stopped after 0.2 s" in result.cases[1].message


def test_a_swallowed_alarm_rings_again(monkeypatch):
    monkeypatch.setattr(calling, "CALL_SECONDS", 0.2)

    def stubborn(x, p):
        for _ in range(2):
            try:
                while True:
                    pass
            except:  # noqa: E722
                continue
        return right(x, p)

    assert evaluate("zero_pad", stubborn).cases[0].passed  # stubborn, but right in the end


def test_the_callers_alarm_and_interrupt_handlers_are_put_back():
    before = signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT)
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        evaluate("zero_pad", right)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert (signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT)) == before


def test_ctrl_c_stops_the_check():
    def interrupted(x, p):
        signal.raise_signal(signal.SIGINT)
        time.sleep(60)

    with pytest.raises(Interrupted, match=r"^The check of zero_pad was interrupted at line \d+: signal\.raise_signal"):
        evaluate("zero_pad", interrupted)


def test_ctrl_c_stops_the_check_of_a_function_that_swallows_it():
    calls = []

    def swallowing(x, p):
        calls.append(p)
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            return right(x, p)

    with pytest.raises(Interrupted, match=r"^The check of zero_pad was interrupted\.$"):
        evaluate("zero_pad", swallowing)
    assert len(calls) == 1


def test_ctrl_c_while_torch_is_loaded_waits_until_it_is_whole():
    program = """
import signal, sys
from cnnkit import evaluate

class Presses:
    def find_spec(self, name, path=None, target=None):
        if name == "torch.autograd":
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Presses())
right = lambda x: 2 * x
try:
    evaluate("practice", right)
except KeyboardInterrupt:
    print(evaluate("practice", right).passed)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "True\n", done.stderr


def test_in_ipython_an_interrupted_check_is_one_line_and_no_traceback():
    shell = InteractiveShell.instance()
    try:
        shown = shell.run_cell("""
import signal
from cnnkit import check
def waits(x, p):
    signal.raise_signal(signal.SIGINT)
check("zero_pad", waits)
""")
        (line,) = shown.error_in_exec._render_traceback_()
        assert line == "The check of zero_pad was interrupted at line 4: signal.raise_signal(signal.SIGINT)."
    finally:
        InteractiveShell.clear_instance()


def test_a_check_works_in_another_thread():
    results = []
    thread = threading.Thread(target=lambda: results.append(evaluate("zero_pad", right)))
    thread.start()
    thread.join(60)
    assert results[0].passed


@pytest.mark.parametrize("name", ["im2col", "conv_forward"])
def test_a_loop_over_single_elements_fails_the_large_case_and_says_why(name):
    def with_a_loop(*args, **kwargs):
        out = get(name).oracle(*args, **kwargs)
        flat = out.reshape(-1)
        for i in range(flat.size):
            flat[i] = flat[i] * 1
        return out

    result = evaluate(name, with_a_loop)
    assert [group for group, (got, of) in result.groups.items() if got < of] == ["large"]
    assert "touches single elements" in result.message


def test_swallowing_the_stop_of_a_slow_loop_does_not_help():
    def stubborn(x, kh, kw, stride=1, pad=0):
        try:
            for _ in range(1 << 21):
                pass
        except BaseException:
            return get("im2col").oracle(x, kh, kw, stride, pad)
        return get("im2col").oracle(x, kh, kw, stride, pad)

    assert evaluate("im2col", stubborn).groups["large"] == (0, 2)


def test_check_prints_text_and_raises_outside_a_notebook(capsys):
    check("zero_pad", right)
    assert "zero_pad: 2 of 2 points" in capsys.readouterr().out
    with pytest.raises(CheckFailed) as failed:
        check("zero_pad", lambda x, p: np.pad(x, p))
    assert isinstance(failed.value, AssertionError)
    assert failed.value.verdict.bug == "pads N and C"
    assert "Only height and width" in capsys.readouterr().out


def test_in_ipython_a_failed_check_is_one_line_and_no_traceback():
    shell = InteractiveShell.instance()
    try:
        shown = shell.run_cell("from cnnkit import check\ncheck('zero_pad', lambda x, p: x)", silent=False)
        assert isinstance(shown.error_in_exec, CheckFailed)
        (line,) = shown.error_in_exec._render_traceback_()
        assert line.startswith("zero_pad: 0 of 2 points")
    finally:
        InteractiveShell.clear_instance()


def test_import_loads_neither_torch_nor_matplotlib():
    code = "import sys, cnnkit; print(sorted({'torch', 'matplotlib', 'nbgrader', 'IPython'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout
    assert out.strip() == "[]"
