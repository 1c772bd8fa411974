"""What exercises expect is computed once, however many workers there are, and is what it would be for one."""

import functools
import multiprocessing
import os
import threading

import numpy as np
import pytest

from autograder import expected
from autograder.expected import Shelf
from cnnkit import verdict
from cnnkit.cases import arrays

NAMES = ("im2col", "conv_output_size", "practice")


@pytest.fixture
def computed(monkeypatch):
    """The names that were computed so far."""
    names, expect = [], verdict.expect
    monkeypatch.setattr(verdict, "expect", lambda name, seed: (names.append(name), expect(name, seed))[1])
    return names


def same(a, b):
    """Whether two values are alike down to the bytes of their arrays."""
    held = [list(arrays(value)) for value in (a, b)]
    alike = all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(*held, strict=True))
    return alike and repr(a) == repr(b)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_what_the_specification_says(name, tmp_path):
    right, ours = verdict.expect(name, 5), Shelf(tmp_path, 5).get(name)
    assert ours.exercise is right.exercise
    for mine, his in zip(ours.cases, right.cases, strict=True):
        assert same((mine.args, mine.kwargs), (his.args, his.kwargs))
        assert (mine.group, mine.layout, mine.fast, mine.raises) == (his.group, his.layout, his.fast, his.raises)
    assert all(same(mine.value, his.value) for mine, his in zip(ours.outcomes, right.outcomes, strict=True))
    every = range(len(right.cases))
    for (bug, ask), (his_bug, ask_him) in zip(ours.mistakes(), right.mistakes(), strict=True):
        # In parts, as answers that fail in different cases ask for them.
        mine, his = ask(every[::2]) | ask(every), ask_him(every)
        assert bug is his_bug and mine.keys() == his.keys()
        assert all(same(mine[i].value, his[i].value) for i in mine)


def test_a_second_worker_computes_nothing(tmp_path, computed, monkeypatch):
    first = Shelf(tmp_path, 5)
    first.prepare(NAMES)
    found = [ask([0, 1]).keys() for _, ask in first.get("im2col").mistakes()]
    assert computed == list(NAMES)
    monkeypatch.setattr(verdict.diagnosis, "wrong_outcome", None)
    second = Shelf(tmp_path, 5)
    second.prepare(NAMES)
    assert [second.get(name).exercise.name for name in NAMES] == list(NAMES)
    assert [ask([0, 1]).keys() for _, ask in second.get("im2col").mistakes()] == found
    assert computed == list(NAMES)


def test_another_seed_has_other_cases(tmp_path):
    one, other = (Shelf(tmp_path, seed).get("im2col").cases for seed in (5, 6))
    assert not same([case.args for case in one], [case.args for case in other])


def test_large_arrays_are_mapped_and_cannot_be_written(tmp_path):
    Shelf(tmp_path, 5).prepare(["im2col"])
    outcomes = Shelf(tmp_path, 5).get("im2col").outcomes
    large = max(arrays([outcome.value for outcome in outcomes]), key=lambda array: array.nbytes)
    assert large.nbytes > 1 << 24
    with pytest.raises(ValueError, match="read-only"):
        large[...] = 0


def _hold(folder, name, held, done):
    with Shelf(folder, 5)._locked(name):
        held.set()
        done.wait(60)


def test_workers_share_the_work_and_wait_for_each_other(tmp_path, computed):
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, "im2col", held, done))
    other.start()
    assert held.wait(60)
    shelf = Shelf(tmp_path, 5)
    shelf.prepare(NAMES)
    assert computed == ["conv_output_size", "practice"]
    waiting = threading.Thread(target=shelf.get, args=("im2col",))
    waiting.start()
    done.set()
    other.join(60)
    waiting.join(60)
    assert computed == ["conv_output_size", "practice", "im2col"]


def test_a_worker_gets_ahead_where_another_is_about_to_compute_a_known_bug(tmp_path, monkeypatch):
    held = Shelf(tmp_path, 5).get("zero_pad")
    wanted = [answer for bug in held.exercise.bugs for answer in bug.answers]
    answers, ahead, compute = [], threading.Event(), verdict.diagnosis.wrong_outcome

    def noted(*given):
        answers.append(given[-1])
        ahead.set()
        return compute(*given)

    monkeypatch.setattr(verdict.diagnosis, "wrong_outcome", noted)
    context = multiprocessing.get_context("spawn")
    busy, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, "zero_pad-0", busy, done))
    other.start()
    assert busy.wait(60)
    waiting = threading.Thread(target=lambda: [ask([0]) for _, ask in held.mistakes()])
    waiting.start()
    assert ahead.wait(60)
    assert answers == [wanted[1]]
    done.set()
    other.join(60)
    waiting.join(60)
    assert answers == [wanted[1], wanted[0], *wanted[2:]]


def test_what_a_killed_worker_left_is_written_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(expected.os, "replace", functools.partial(_die))
    with pytest.raises(KeyboardInterrupt):
        Shelf(tmp_path, 5).get("practice")
    monkeypatch.undo()
    assert len(Shelf(tmp_path, 5).get("practice").cases) == len(verdict.expect("practice", 5).cases)


def _die(*_):
    raise KeyboardInterrupt


def test_others_cannot_read_a_pools_folder():
    from autograder import worker

    assert os.stat(worker._own_folder()).st_mode & 0o077 == 0
