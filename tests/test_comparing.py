"""Equal enough: what counts as the same result, and how a difference is put."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnnkit.calling import Unreadable, plain
from cnnkit.comparing import DOUBLE, SINGLE, Tolerance, compare

finite = st.floats(-1e6, 1e6, allow_subnormal=False)
matrices = hnp.arrays(np.float64, hnp.array_shapes(max_dims=4, max_side=5), elements=finite)


@given(matrices)
def test_a_result_equals_itself_in_any_memory_order(a):
    assert compare(a, plain(np.asfortranarray(a)), DOUBLE) is None
    assert compare(a, plain(a[..., ::-1][..., ::-1]), DOUBLE) is None


@given(matrices, st.data())
def test_one_wrong_value_is_found_where_it_is(a, data):
    index = data.draw(st.tuples(*(st.integers(0, n - 1) for n in a.shape)))
    wrong = a.copy()
    wrong[index] += 1 + abs(a).max()
    found = compare(a, wrong, SINGLE)
    assert (found.kind, found.index) == ("value", index)


@pytest.mark.parametrize(
    ("expected", "got", "kind"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "shape"),
        (np.zeros(2, np.float32), np.zeros(2), "dtype"),
        (np.zeros(2), np.zeros(2, int), "dtype"),
        (np.zeros(2), (0.0, 0.0), "type"),
        (np.zeros(2), None, "type"),
        (np.ones(2), np.full(2, np.nan), "value"),
        (np.ones(2), np.full(2, np.inf), "value"),
        (5, 5.0, "type"),
        (5, True, "type"),
        (True, 1, "type"),
        (5, 6, "value"),
        (0.5, "0.5", "type"),
        (0.5, float("nan"), "value"),
        (0.5, np.array([0.5]), "type"),
        ((1, 2), (1, 2, 3), "shape"),
        ((1, np.zeros(2)), (1, np.ones(2)), "value"),
        ((1, 2), 1, "type"),
        ((np.zeros((3, 2)), np.ones((3, 2))), np.zeros((3, 2)), "type"),
        (0.5, Unreadable("a torch tensor"), "type"),
    ],
)
def test_kinds_of_difference(expected, got, kind):
    assert compare(expected, got, DOUBLE).kind == kind


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (5, np.array(5)),
        (0.5, np.array(0.5, np.float32)),
        (2.0, 2),
        (np.array([1, 2]), np.array([1, 2], np.int32)),
        ((np.ones(2), 1.5), (np.ones(2), 1.5)),
        ((3, 4), np.array([3, 4])),
        ((np.zeros((2, 3)), np.ones((2, 3))), np.stack([np.zeros((2, 3)), np.ones((2, 3))])),
        (np.zeros(3), np.full(3, 1e-14)),
    ],
)
def test_what_counts_as_equal(expected, got):
    assert compare(expected, got, DOUBLE) is None


@pytest.mark.parametrize(
    ("expected", "got"),
    [(5.099019513, 5.099019611), (np.array([0.1]), np.array([0.1 + 1e-7])), (1e-9, 1.0000001e-9)],
)
def test_numbers_that_differ_late_are_shown_with_the_digits_that_differ(expected, got):
    text = compare(expected, got, Tolerance(relative=1e-9, absolute=0, floor=0)).text
    wanted, found = re.search(r"should be (\S+); it is (\S+?)\.?(?: |$)", text).groups()
    assert float(wanted) != float(found)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("factor", [-1, 2, 0.5])
def test_a_factor_that_all_values_share_is_told(factor, dtype):
    right = (np.arange(-6, 6).reshape(3, 4) * 2).astype(dtype)
    told = lambda got: compare(right, got.astype(dtype), SINGLE).text.split("differ). ")[1:]
    assert told(right * factor) == [f"All of yours are {factor} times what they should be."]
    assert told(right * factor + (right == 4)) == told(right + 1) == told(right * 0) == []


def test_large_arrays_are_compared_to_the_last_value():
    a = np.zeros((3, 200_000))
    b = a.copy()
    b[2, -1] = 1
    assert compare(a, b, DOUBLE).index == (2, 199_999)


class Always(np.ndarray):
    """An array that claims to equal anything."""

    def __eq__(self, other):
        return np.ones(self.shape, bool)

    __hash__ = None


def test_an_array_that_always_equals_is_read_as_plain_numbers():
    value = plain(np.zeros(3).view(Always))
    assert type(value) is np.ndarray
    assert compare(np.ones(3), value, DOUBLE).kind == "value"


@given(st.recursive(st.integers() | st.floats() | matrices, lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_plain_copies_and_keeps_the_values(value):
    copied = plain(value)
    if isinstance(value, np.ndarray):
        assert copied is not value and np.array_equal(copied, value)
    elif isinstance(value, list):
        assert isinstance(copied, tuple) and len(copied) == len(value)
