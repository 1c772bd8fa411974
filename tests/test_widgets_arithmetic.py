"""What the explainers compute, against torch and the numbers of the decks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import cnnkit as ck
from cnnkit import retina, shapes, widgets
from cnnkit.widgets import backward, columns, kernels, recording, routing, stacks, stepping

close = lambda got, expected: np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
seeds = st.integers(0, 2**32 - 1)


def arrays(seed, *shapes_):
    """Random arrays as nested lists, some of whole numbers, so that values repeat."""
    rng = np.random.default_rng(seed)
    whole = rng.random() < 0.5
    return [(rng.integers(-3, 4, s) if whole else rng.standard_normal(s)).tolist() for s in shapes_]


def tensor(array):
    return torch.tensor(array, dtype=torch.float64)


# ConvStepper

layers = st.tuples(st.integers(1, 3), st.integers(3, 7), st.integers(3, 7), st.integers(1, 3), st.integers(1, 4))


@settings(max_examples=200)
@given(layers, st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.sampled_from(stepping.MODES), seeds)
def test_a_convolution_in_steps_equals_torch(layer, kw, stride, pad, mode, seed):
    c, h, w, f, kh = layer
    x, kernels, b = arrays(seed, (c, h, w), (f, c, kh, kw), (f,))
    steps = {"x": x, "w": kernels, "b": b, "stride": stride, "pad": pad, "mode": mode, "at": [seed % f, seed % 5, 1]}
    result = stepping.describe(steps)
    if kh > h + 2 * pad or kw > w + 2 * pad:
        assert "does not fit" in result["problem"]
        return
    filters = tensor(kernels).flip(2, 3) if mode == stepping.CONVOLUTION else tensor(kernels)
    output = F.conv2d(tensor(x)[None], filters, tensor(b), stride, pad)[0]
    close(result["output"], output)
    n, i, j = result["at"]
    close(result["value"], output[n, i, j])
    close(sum(result["sums"]) + b[n], output[n, i, j])
    close(result["products"], np.multiply(result["patch"], result["kernel"]))


def test_the_volume_of_deck_b():
    stepper = widgets.ConvStepper(at=[0, 1, 1])
    assert stepper.output == [[[-3, -1, 0], [-1, -8, 2], [3, 0, 3]], [[1, 4, 2], [-1, 4, 5], [3, 1, 3]]]
    assert stepper.value == -8
    assert stepping.describe(stepper.inputs)["sums"] == [-7, 1, -3]


def test_arrays_are_taken_as_they_come():
    stepper = widgets.ConvStepper(x=np.eye(4)[None], w=np.ones((1, 1, 2, 2)), b=np.zeros(1), stride=1, pad=0)
    assert stepper.output == [[[2, 1, 0], [1, 2, 1], [0, 1, 2]]]
    assert "too many to show" in widgets.ConvStepper(x=np.zeros((3, 256, 256))).problem


# StackTable


@pytest.mark.parametrize("name", shapes.PRESETS)
def test_presets_survive_the_way_through_plain_dicts(name):
    layers, shape = shapes.PRESETS[name]
    plain = [stacks.plain(layer) for layer in layers]
    assert [stacks.built(layer) for layer in plain] == list(layers)
    result = stacks.describe({"layers": plain, "shape": shape})
    assert [(row["name"], tuple(row["shape"])) for row in result["rows"]] == [
        (row.name, row.shape) for row in shapes.table(layers, shape)
    ]


def test_alexnet_as_the_decks_have_it():
    table = widgets.StackTable("AlexNet")
    assert table.parameters == 60965224
    sides = [row["shape"][1] for row in table.rows if len(row["shape"]) == 3]
    assert sides == [55, 27, 27, 13, 13, 13, 13, 6]
    assert [row["field"] for row in table.rows][:8] == [11, 19, 51, 67, 99, 131, 163, 195]


def test_a_network_of_ones_own_and_where_it_breaks():
    own = widgets.StackTable(layers=[shapes.Conv(6, 5), {"layer": "Pool", "k": 2, "stride": 2}], shape=(1, 32, 32))
    assert own.output == [6, 14, 14] and own.parameters == 156 and own.field == 6
    own.shape = (1, 5, 5)
    assert own.problem == "Layer 2: a kernel that reaches over 2 does not fit into 1 + 2 * 0 = 1."
    assert own.output == [6, 1, 1]
    own.layers = [*own.layers[:1], {"layer": "Linear", "units": 3}, *own.layers[:1]]
    assert "behind a fully connected layer" in own.problem
    with pytest.raises(TypeError, match=r"Conv has filters, k, .*; look at side"):
        widgets.StackTable(layers=[{"layer": "Conv", "filters": 3, "k": 3, "side": 2}])


# BackwardStepper

sides = st.tuples(st.integers(2, 7), st.integers(2, 7))
kernel_sides = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=200)
@given(sides, kernel_sides, st.integers(1, 3), st.integers(0, 2), st.sampled_from(backward.LOOKS), seeds)
def test_gradients_in_steps_equal_autograd(side, kernel, stride, pad, look, seed):
    x, w, dout, at = arrays(seed, side, kernel, (11, 11), (2,))
    layer = {"x": x, "w": w, "dout": dout, "stride": stride, "pad": pad, "look": look}
    result = backward.describe(layer | {"at": [round(abs(place)) for place in at]})
    if any(k > n + 2 * pad for n, k in zip(side, kernel, strict=True)):
        assert "does not fit" in result["problem"]
        return
    x_, w_ = (tensor(a).requires_grad_() for a in (x, w))
    y = F.conv2d(x_[None, None], w_[None, None], None, stride, pad)[0, 0]
    given_ = tensor(dout)[: y.shape[0], : y.shape[1]]
    y.backward(given_)
    close(result["dout"], given_)
    close(result["dw"], w_.grad)
    close(result["dx"], x_.grad)
    close(result["db"], given_.sum())
    close(np.sum(result["products"]), result["value"])
    by = result["dout"] if look == backward.WEIGHTS else result["mirrored"]
    close(result["products"], np.multiply(result["patch"], by))


@given(sides, kernel_sides, st.integers(1, 3), st.integers(0, 2), seeds)
def test_the_input_gradient_is_a_full_correlation_with_the_mirrored_filter(side, kernel, stride, pad, seed):
    x, w, dout = arrays(seed, side, kernel, (9, 9))
    layer = {"x": x, "w": w, "dout": dout, "stride": stride, "pad": pad, "look": backward.INPUT, "at": [0, 0]}
    result = backward.describe(layer)
    if not result["problem"]:
        whole = F.conv2d(tensor(result["spread"])[None, None], tensor(result["mirrored"])[None, None])[0, 0]
        close(whole[pad : pad + side[0], pad : pad + side[1]], result["dx"])


def test_outputs_without_a_gradient_get_one():
    stepper = widgets.BackwardStepper(x=np.ones((3, 3)), w=np.ones((2, 2)), dout=[[5]], stride=1)
    assert stepper.db == 5 + 1 + 1 + 1 and stepper.dw == [[8, 8], [8, 8]]


# PoolRouter


@settings(max_examples=200)
@given(sides, st.integers(1, 3), st.integers(1, 3), st.sampled_from(routing.MODES), seeds)
def test_pooling_and_its_gradient_equal_torch_ties_included(side, size, stride, mode, seed):
    x, dout = arrays(seed, side, (9, 9))
    result = routing.describe({"x": x, "dout": dout, "size": size, "stride": stride, "mode": mode, "at": [9, 9]})
    if size > min(side):
        assert "does not fit" in result["problem"]
        return
    x_ = tensor(x).requires_grad_()
    pool = F.max_pool2d if mode == routing.MAXIMUM else F.avg_pool2d
    y = pool(x_[None, None], size, stride)[0, 0]
    y.backward(tensor(dout)[: y.shape[0], : y.shape[1]])
    close(result["output"], y.detach())
    close(result["dx"], x_.grad)
    close(result["kept"], result["given"])
    assert result["at"] == [y.shape[0] - 1, y.shape[1] - 1]


def test_the_stanford_example():
    assert widgets.PoolRouter().output == [[6, 8], [3, 4]]
    assert widgets.PoolRouter(size=1).stride == 1


# Im2colExplorer


@settings(max_examples=200)
@given(
    st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3), st.integers(0, 40)
)
def test_column_k_is_patch_k(n, k, stride, pad, channels, at):
    layer = {"n": n, "k": k, "stride": stride, "pad": pad, "channels": channels, "at": at}
    result = columns.describe(layer)
    if result["problem"]:
        assert k > n + 2 * pad or "too many to show" in result["problem"]
        return
    x = np.array(result["x"], dtype=float)
    close(result["columns"], ck.oracle.im2col(x[None], k, k, stride, pad))
    column = np.array(result["columns"])[:, result["at"]]
    close(column, np.ravel(result["patch"]))
    w = tensor(result["w"]).reshape(-1, channels, k, k)
    close(result["product"], F.conv2d(tensor(result["x"])[None], w, None, stride, pad)[0].flatten(1))


# KernelLab


@given(st.tuples(st.integers(3, 9), st.integers(3, 9)), st.booleans(), seeds)
def test_a_kernel_on_a_picture_equals_torch(side, flip, seed):
    image, kernel = arrays(seed, side, (3, 3))
    result = kernels.describe({"image": image, "kernel": kernel, "flip": flip})
    w = tensor(kernel).flip(0, 1) if flip else tensor(kernel)
    output = F.conv2d(tensor(image)[None, None], w[None, None])[0, 0]
    close(result["output"], output)
    close([result["low"], result["high"], result["total"]], [output.min(), output.max(), w.sum()])


def test_the_identity_changes_nothing():
    lab = widgets.KernelLab()
    inside = [row[1:-1] for row in lab.image[1:-1]]
    assert lab.output == inside
    lab.flip = True
    assert lab.output == inside


def test_turning_sobel_changes_the_sign_and_nothing_else():
    lab = widgets.KernelLab(kernel="Sobel, to the right")
    straight, extremes = np.array(lab.output), (lab.low, lab.high)
    lab.flip = True
    close(lab.output, -straight)
    close((-lab.high, -lab.low), extremes)


def test_kernels_and_pictures_that_do_not_fit_are_sentences():
    assert widgets.KernelLab(image=np.ones((2, 9))).problem == "A window of 3 does not fit into 2 × 9."
    assert widgets.KernelLab(kernel=[[1]]).problem == "The kernel must be 3 × 3."
    assert "too many" in widgets.KernelLab(image=np.ones((3, 600))).problem


# CortexLab

angles = st.integers(0, 35).map(lambda n: 5 * n)


@given(angles, st.sampled_from(recording.CELLS), st.sampled_from(recording.STIMULI))
def test_the_curve_peaks_at_the_cells_angle(prefers, cell, stimulus):
    lab = widgets.CortexLab(prefers=prefers, cell=cell, stimulus=stimulus, angle=prefers)
    assert recording.describe(lab.inputs)["peak"] == prefers
    close(lab.rate, retina.BEST_RATE)
    close(lab.curve[prefers // 5], lab.rate)
    assert max(lab.curve) < lab.rate + 1e-6
    assert lab.curve[(prefers + 90) % 180 // 5] < 0.05 * lab.rate


@given(angles, st.integers(0, 359))
def test_a_complex_cell_ignores_the_phase_and_a_simple_cell_does_not(prefers, phase):
    lab = widgets.CortexLab(prefers=prefers, angle=prefers, stimulus=recording.GRATING, cell=recording.COMPLEX)
    lab.phase = phase
    assert abs(lab.rate - retina.BEST_RATE) < 0.05 * retina.BEST_RATE
    lab.cell, lab.phase = recording.SIMPLE, 180
    assert lab.rate == 0


@given(angles, st.sampled_from([0.0, np.pi / 2]))
def test_the_field_is_the_gabor_of_unit_01(angle, phase):
    expected = ck.oracle.gabor(recording.SIZE, np.radians(angle), recording.WAVELENGTH, phase)
    close(recording.gabor(angle, phase), expected)
