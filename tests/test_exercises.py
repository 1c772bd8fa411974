"""Every exercise of the course: nothing right loses marks, nothing wrong scores full, every known bug is named."""

import itertools

import numpy as np
import pytest

from autograder.answers import answers
from cnnkit import evaluate
from cnnkit.cases import arrays
from cnnkit.exercises import MODULES, get, names
from cnnkit.verdict import expect

SEEDS = (0, 20261121)
EVERY = names()


def takes_arrays(name):
    """Whether the answer is one function of arrays, so that a test can wrap it."""
    cases = get(name).cases(np.random.default_rng(0))
    return not get(name).probe and any(True for case in cases for _ in arrays(case.args))


OF_ARRAYS = [name for name in EVERY if takes_arrays(name)]


def unwritten(*args, **kwargs):
    raise NotImplementedError


def bug_answers():
    for name in EVERY:
        for bug in get(name).bugs:
            for way, answer in enumerate(bug.answers):
                yield pytest.param(name, bug.name, answer, id=f"{name}: {bug.name} {way}")


def right_answers():
    for name in EVERY:
        for number, answer in enumerate(answers(name)):
            label = getattr(answer, "__name__", type(answer).__name__).strip("<>")
            yield pytest.param(name, answer, id=f"{name}: {number} {label}")


def test_units_and_names_come_in_course_order():
    assert list(MODULES) == sorted(MODULES)
    assert [name for unit in MODULES for name in names(unit=unit)] == EVERY
    assert len(set(EVERY)) == len(EVERY)


@pytest.mark.parametrize("name", ["im2col", "conv_forward", "col2im", "conv_backward"])
def test_what_should_be_fast_is_called_on_the_large_pictures_that_students_are_told_of(name):
    (case,) = (case for case in get(name).cases(np.random.default_rng(0)) if case.fast)
    sizes = [value if isinstance(value, tuple) else value.shape for value in case.args if not np.isscalar(value)]
    assert (32, 32, 40, 48) in sizes
    assert all(array.dtype == np.float32 for array in arrays(case.args))


@pytest.mark.parametrize("name", EVERY)
def test_the_reference_scores_full_and_a_stub_nothing(name):
    for seed in SEEDS:
        right = evaluate(name, get(name).oracle, seed=seed)
        assert right.passed and right.score == right.max_score > 0, right.text()
    stub = evaluate(name, unwritten)
    assert (stub.score, stub.passed) == (0, False)
    assert "not written yet" in stub.message


@pytest.mark.parametrize(("name", "bug", "answer"), list(bug_answers()))
def test_a_known_bug_loses_marks_and_is_named(name, bug, answer):
    for seed in SEEDS:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.score < verdict.max_score, verdict.text()
        assert verdict.bug == bug, verdict.text()
        assert verdict.hint


@pytest.mark.parametrize(("name", "answer"), list(right_answers()))
def test_a_right_answer_scores_full_however_it_is_written(name, answer):
    for seed in SEEDS:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.passed, verdict.text()


@pytest.mark.parametrize("name", EVERY)
def test_there_are_three_right_answers_and_a_hint_for_each_bug(name):
    assert len(answers(name)) >= 3
    assert all(len(bug.hint) > 30 for bug in get(name).bugs)


@pytest.mark.parametrize("name", EVERY)
def test_a_constant_or_an_exception_scores_nothing(name):
    expected = expect(name, seed=0)
    first = next(outcome.value for outcome in expected.outcomes if not outcome.error)

    def always_raises(*args, **kwargs):
        raise ValueError("it does not fit: 3, 5")

    for constant in (None, 0, True, first):
        verdict = evaluate(name, lambda *args, _constant=constant, **kwargs: _constant)
        assert verdict.score < verdict.max_score
    assert evaluate(name, always_raises).score == 0


@pytest.mark.parametrize("name", EVERY)
def test_every_group_has_points_and_every_point_a_case_that_does_not_raise(name):
    expected = expect(name, seed=1)
    assert set(expected.exercise.points) == {case.group for case in expected.cases if not case.raises}


@pytest.mark.parametrize("name", EVERY)
def test_another_seed_draws_other_cases(name):
    drawn = [[(list(arrays(c.args)) or c.args, c.kwargs) for c in expect(name, seed).cases] for seed in (5, 6)]
    assert repr(drawn[0]) != repr(drawn[1])


def off_by_one(value):
    """The same kind of result with other numbers in it."""
    if isinstance(value, tuple | list):
        return type(value)(off_by_one(item) for item in value)
    if isinstance(value, bool | np.bool_):
        return not value
    return value + 1 if isinstance(value, int | float | np.ndarray | np.generic) else value


CORNERS = {
    "float32 input": lambda given: any(a.dtype == np.float32 for a in given),
    "float64 input": lambda given: any(a.dtype == np.float64 for a in given),
    "read-only input": lambda given: any(not a.flags.writeable for a in given),
    "memory not in C order": lambda given: any(not a.flags.c_contiguous for a in given),
}


@pytest.mark.parametrize(("name", "corner"), list(itertools.product(OF_ARRAYS, CORNERS)))
def test_an_answer_that_is_wrong_in_one_corner_only_loses_marks(name, corner):
    exercise = get(name)

    def answer(*args, **kwargs):
        hit = CORNERS[corner](list(arrays((args, kwargs))))
        result = exercise.oracle(*args, **kwargs)
        return off_by_one(result) if hit else result

    for seed in SEEDS:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.score < verdict.max_score, f"no case of {name} has {corner}"


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_an_answer_that_is_right_the_first_time_only_loses_marks(name):
    """As if results were cached by the shapes of the arguments."""
    exercise, seen = get(name), {}

    def key(value):
        if isinstance(value, list):
            return tuple(map(key, value))
        return (value.shape, value.dtype) if isinstance(value, np.ndarray) else repr(value)

    def cached(*args, **kwargs):
        shapes = tuple(map(key, args)), tuple(sorted((k, key(v)) for k, v in kwargs.items()))
        if shapes not in seen:
            seen[shapes] = exercise.oracle(*args, **kwargs)
        return seen[shapes]

    for seed in SEEDS:
        seen.clear()
        assert evaluate(name, cached, seed=seed).score < exercise.max_score


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_an_answer_that_hands_out_the_same_array_again_loses_marks(name):
    """Each result is right when it comes, and overwritten by a later call with another one of its shape."""
    exercise, buffers = get(name), {}

    def kept(value):
        if isinstance(value, tuple | list):
            return type(value)(map(kept, value))
        if not isinstance(value, np.ndarray):
            return value
        buffer = buffers.setdefault((value.shape, value.dtype), np.empty_like(value))
        buffer[...] = value
        return buffer

    returns_arrays = any(True for outcome in expect(name, 0).outcomes for _ in arrays([outcome.value]))
    verdict = evaluate(name, lambda *args, **kwargs: kept(exercise.oracle(*args, **kwargs)))
    assert (verdict.score < verdict.max_score) == returns_arrays, verdict.text()
