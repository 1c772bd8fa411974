"""Sizes and counts against torch, over random layers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnkit import shapes

sides = st.tuples(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5), st.integers(0, 5), st.integers(1, 4))


@given(sides)
def test_output_size_equals_torch(side):
    n, k, stride, pad, dilation = side
    layer = torch.nn.Conv1d(1, 1, k, stride, pad, dilation, device="meta")
    x = torch.empty(1, 1, n, device="meta")
    if dilation * (k - 1) + 1 > n + 2 * pad:
        with pytest.raises(ValueError, match=str(n + 2 * pad)):
            shapes.conv_output_size(*side)
        assert not shapes.conv_fits(*side)
    else:
        size = shapes.conv_output_size(*side)
        assert size == layer(x).shape[-1]
        last = (size - 1) * stride + dilation * (k - 1)
        assert shapes.conv_fits(*side) == (last == n + 2 * pad - 1)


@given(sides, st.booleans(), st.booleans())
def test_pool_output_size_equals_torch(side, ceil_mode, beside):
    n, k, stride, pad, dilation = side
    pad, stride = min(pad, k // 2), None if beside else stride
    layer = torch.nn.MaxPool1d(k, stride, pad, dilation, ceil_mode=ceil_mode)
    try:
        size = shapes.pool_output_size(n, k, stride, pad, dilation, ceil_mode)
    except ValueError:
        with pytest.raises(RuntimeError):
            layer(torch.zeros(1, 1, n))
    else:
        assert size == layer(torch.zeros(1, 1, n)).shape[-1]


@given(sides, st.integers(0, 4))
def test_transposed_output_size_equals_torch_and_leads_back(side, output_pad):
    n, k, stride, pad, dilation = side
    layer = torch.nn.ConvTranspose1d(1, 1, k, stride, pad, output_pad, dilation=dilation)
    try:
        made = layer(torch.zeros(1, 1, n)).shape[-1]
    except RuntimeError:
        made = 0
    if made == 0:  # refused, or an empty picture
        with pytest.raises(ValueError, match=r"output_pad|nothing"):
            shapes.conv_transpose_output_size(n, k, stride, pad, output_pad, dilation)
    else:
        assert shapes.conv_transpose_output_size(n, k, stride, pad, output_pad, dilation) == made
        if output_pad < stride:
            assert shapes.conv_output_size(made, k, stride, pad, dilation) == n


@given(sides)
def test_same_padding_keeps_the_size_and_equals_torch(side):
    n, k, stride, _, dilation = side
    before, after = shapes.same_padding(n, k, stride, dilation)
    assert 0 <= after - before <= 1
    assert shapes.conv_output_size(n + before + after, k, stride, 0, dilation) == -(-n // stride)
    if stride == 1:
        layer = torch.nn.Conv1d(1, 1, k, padding="same", dilation=dilation)
        assert layer._reversed_padding_repeated_twice == [before, after]


@pytest.mark.parametrize("bad", [(0, 1), (5, 0), (5, 3, 0), (5, 3, 1, -1), (5, 3, 1, 0, 0)])
def test_impossible_arguments_are_named(bad):
    with pytest.raises(ValueError, match="at least"):
        shapes.conv_output_size(*bad)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7), st.booleans(), st.integers(1, 4))
def test_parameters_equal_torch(c_in, c_out, k, bias, groups):
    layer = torch.nn.Conv2d(groups * c_in, groups * c_out, k, bias=bias, groups=groups, device="meta")
    counted = shapes.conv_params(groups * c_in, groups * c_out, k, bias, groups)
    assert counted == sum(p.numel() for p in layer.parameters())


def test_groups_must_divide():
    with pytest.raises(ValueError, match="groups=3"):
        shapes.conv_params(4, 6, 3, groups=3)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=4))
def test_receptive_field_is_the_reach_of_the_gradient(layers):
    """One output's gradient reaches exactly the pixels that it sees."""
    field = shapes.receptive_field(layers)
    x = torch.ones(1, 1, field + 50, requires_grad=True, dtype=torch.float64)
    y = x
    for k, stride, dilation in layers:
        y = torch.nn.functional.conv1d(y, torch.ones(1, 1, k, dtype=torch.float64), None, stride, 0, dilation)
    y[0, 0, 0].backward()
    touched = x.grad.nonzero()[:, -1]
    assert int(touched.max() - touched.min()) + 1 == field


def test_the_numbers_of_the_decks():
    assert [shapes.conv_output_size(7, 3, s) for s in (1, 2, 3)] == [5, 3, 2]
    assert [shapes.conv_fits(7, 3, s) for s in (1, 2, 3)] == [True, True, False]
    assert shapes.conv_output_size(5, 2, 3) == 2
    assert shapes.conv_params(3, 10, 5) == 760
    assert shapes.conv_params(64, 32, 1) == 2048 + 32
    assert shapes.receptive_field([(3, 1)] * 3) == 7
    alexnet = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]
    seen = [shapes.receptive_field(alexnet[:i]) for i in range(1, 9)]
    assert seen == [11, 19, 51, 67, 99, 131, 163, 195]


def test_alexnets_table_has_the_decks_volumes_and_fields():
    rows = shapes.table(*shapes.PRESETS["AlexNet"])
    maps = [row for row in rows if row.kind in ("conv", "pool")]
    volumes = [55, 27, 27, 13, 13, 13, 13, 6]
    assert [row.shape for row in maps] == [
        (c, n, n) for c, n in zip([96, 96, 256, 256, 384, 384, 256, 256], volumes, strict=True)
    ]
    assert [row.field for row in maps] == [11, 19, 51, 67, 99, 131, 163, 195]
    assert [row.jump for row in maps] == [4, 8, 8, 16, 16, 16, 16, 32]
    assert [row.name for row in rows][-4:] == ["pool3", "fc1", "fc2", "fc3"]
    assert sum(row.parameters for row in rows) == 60965224
    assert rows[0].memory == 4 * 55 * 55 * 96


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4))
def test_the_field_of_a_stack_is_receptive_fields(sizes):
    rows = shapes.table([shapes.Conv(2, k, stride, pad) for k, stride, pad in sizes], (3, 400, 300))
    for i, row in enumerate(rows, start=1):
        assert row.field == shapes.receptive_field([(k, stride) for k, stride, _ in sizes[:i]])
    assert rows[-1].jump == math.prod(stride for _, stride, _ in sizes)


def test_a_layer_that_sees_a_whole_map_sees_all_that_the_map_sees():
    layers = [shapes.Conv(2, 3, stride=2), shapes.Linear(5), shapes.Linear(3)]
    assert [row.field for row in shapes.table(layers, (1, 9, 9))] == [3, 9, 9]
    assert [row.field for row in shapes.table([shapes.Conv(2, 3), shapes.GlobalPool()], (1, 5, 7))] == [3, 7]


def test_branches_join_their_channels_or_their_values():
    paths = ((shapes.Conv(4, 1),), (shapes.Conv(3, 3, pad=1), shapes.Conv(5, 3, pad=1)))
    *inside, join = shapes.table([shapes.Branches("concatenate", paths)], (2, 6, 7))
    assert join.shape == (9, 6, 7)
    assert (join.field, join.parameters, join.name) == (5, 0, "join1")
    assert [row.depth for row in inside] == [1, 1, 1]
    *_, join = shapes.table([shapes.Branches("add", ((), (shapes.Conv(2, 3, pad=1),)))], (2, 6, 7))
    assert join.shape == (2, 6, 7)
    for join, channels in (("add", 3), ("concatenate", 2)):
        with pytest.raises(ValueError, match="cannot be joined"):
            shapes.table([shapes.Branches(join, ((), (shapes.Conv(channels, 3),)))], (2, 6, 7))


def test_a_window_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="7"):
        shapes.table([shapes.Conv(2, 3, stride=2), shapes.Pool(7, 2)], (1, 9, 9))
