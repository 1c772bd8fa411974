"""The references against vectors and code that nobody here wrote: ONNX's published node tests, and scipy."""

import warnings
from functools import cache

import numpy as np
import onnx
import pytest
from onnx.backend.test.case.node import collect_testcases
from scipy import ndimage, signal

from cnnkit import oracle

# ONNX names these cases by what they vary; those about what the references leave out (one or three dimensions,
# unequal padding, automatic padding, rounding up) are not for them.
ONNX_CASES = {
    "Conv": ["test_basic_conv_with_padding", "test_basic_conv_without_padding", "test_conv_with_strides_padding",
             "test_conv_with_strides_no_padding", "test_conv_with_strides_and_asymmetric_padding"],
    "ConvTranspose": ["test_convtranspose", "test_convtranspose_pad", "test_convtranspose_kernel_shape",
                      "test_convtranspose_pads", "test_convtranspose_dilations", "test_convtranspose_group_2",
                      "test_convtranspose_group_2_image_3"],
    "MaxPool": ["test_maxpool_2d_default", "test_maxpool_2d_pads", "test_maxpool_2d_strides",
                "test_maxpool_2d_dilations", "test_maxpool_2d_precomputed_pads",
                "test_maxpool_2d_precomputed_strides"],
    "AveragePool": ["test_averagepool_2d_default", "test_averagepool_2d_pads",
                    "test_averagepool_2d_pads_count_include_pad", "test_averagepool_2d_strides",
                    "test_averagepool_2d_precomputed_pads",
                    "test_averagepool_2d_precomputed_pads_count_include_pad",
                    "test_averagepool_2d_precomputed_strides"],
}  # fmt: skip


@cache
def onnx_cases():
    """ONNX's node tests by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # collecting builds every operator's cases, some of which overflow on purpose
        return {case.name: case for case in collect_testcases(None)}


def onnx_case(name):
    """``(attributes, inputs, outputs)`` of one of them."""
    case = onnx_cases()[name]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in case.model.graph.node[0].attribute}
    inputs, outputs = case.data_sets[0]
    return attributes, inputs, outputs


def moves(attributes):
    """stride, pad and dilation of an ONNX node as pairs; the padding must be the same on both ends."""
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    assert (top, left) == (bottom, right), "ONNX's case pads unequally"
    return {
        "stride": tuple(attributes.get("strides", (1, 1))),
        "pad": (top, left),
        "dilation": tuple(attributes.get("dilations", (1, 1))),
    }


def answer(operator, attributes, inputs):
    if operator == "Conv":
        return oracle.conv2d(*inputs, **moves(attributes))
    if operator == "ConvTranspose":
        more = {"output_pad": tuple(attributes.get("output_padding", (0, 0))), "groups": attributes.get("group", 1)}
        return oracle.conv_transpose2d(*inputs, **moves(attributes), **more)
    size = tuple(attributes["kernel_shape"])
    if operator == "MaxPool":
        return oracle.max_pool(*inputs, size, **moves(attributes))
    named = moves(attributes)
    assert named.pop("dilation") == (1, 1)
    return oracle.avg_pool(*inputs, size, **named, count_pad=bool(attributes.get("count_include_pad", 0)))


@pytest.mark.parametrize(("operator", "name"), [(op, name) for op, names in ONNX_CASES.items() for name in names])
def test_onnx_node_tests(operator, name):
    attributes, inputs, (expected,) = onnx_case(name)
    if name == "test_conv_with_strides_and_asymmetric_padding":
        # Padded above and below only by ONNX's own attribute order: equal on both ends of each axis after all.
        assert attributes["pads"] == [1, 0, 1, 0]
    np.testing.assert_allclose(answer(operator, attributes, inputs), expected, rtol=1e-5, atol=1e-6)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("mode", ["valid", "full"])
def test_conv2d_equals_scipys_correlation_summed_over_channels(rng, mode):
    x, w, b = rng.standard_normal((2, 3, 6, 8)), rng.standard_normal((4, 3, 3, 2)), rng.standard_normal(4)
    pad = (0, 0) if mode == "valid" else (2, 1)
    expected = [[sum(signal.correlate2d(a[c], f[c], mode) for c in range(3)) for f in w] for a in x]
    np.testing.assert_allclose(oracle.conv2d(x, w, b, pad=pad), np.array(expected) + b[:, None, None], atol=1e-12)


def test_stride_and_dilation_equal_scipy_with_values_left_out(rng):
    x, w = rng.standard_normal((1, 1, 9, 11)), rng.standard_normal((1, 1, 2, 3))
    spread = np.zeros((3, 5))
    spread[::2, ::2] = w[0, 0]
    expected = signal.correlate2d(x[0, 0], spread, "valid")[::3, ::2]
    np.testing.assert_allclose(oracle.conv2d(x, w, stride=(3, 2), dilation=2)[0, 0], expected, atol=1e-12)


def test_groups_are_layers_side_by_side(rng):
    x, w = rng.standard_normal((2, 4, 5, 5)), rng.standard_normal((6, 2, 3, 3))
    halves = [oracle.conv2d(x[:, :2], w[:3]), oracle.conv2d(x[:, 2:], w[3:])]
    np.testing.assert_allclose(oracle.conv2d(x, w, groups=2), np.concatenate(halves, axis=1))
    with pytest.raises(ValueError, match="channels"):
        oracle.conv2d(x, w)


def test_pools_equal_scipys_filters(rng):
    x = rng.standard_normal((2, 3, 7, 8))
    window = (1, 1, 3, 3)
    highest = ndimage.maximum_filter(x, window)[:, :, 1:-1, 1:-1]
    mean = ndimage.uniform_filter(x, window)[:, :, 1:-1, 1:-1]
    np.testing.assert_array_equal(oracle.max_pool(x, 3, 2), highest[:, :, ::2, ::2])
    np.testing.assert_allclose(oracle.avg_pool(x, 3, 2), mean[:, :, ::2, ::2])


def test_im2col_makes_convolution_one_product(rng):
    x, w = rng.standard_normal((2, 3, 6, 7)), rng.standard_normal((4, 3, 3, 2))
    cols = oracle.im2col(x, 3, 2, stride=2, pad=1)
    out = (w.reshape(4, -1) @ cols).reshape(4, 2, 3, 4).swapaxes(0, 1)
    np.testing.assert_allclose(out, oracle.conv2d(x, w, stride=2, pad=1), atol=1e-12)
    np.testing.assert_array_equal(cols[:, 0], np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))[0, :, :3, :2].ravel())


def test_dtype_in_is_dtype_out_and_arguments_stay(rng):
    x = rng.standard_normal((1, 1, 4, 4)).astype(np.float32)
    x.flags.writeable = False
    assert oracle.conv2d(x, x).dtype == np.float32
    assert oracle.conv2d(np.ones((1, 1, 3, 3), int), np.ones((1, 1, 2, 2), int)).dtype == np.float64


def test_a_window_that_does_not_fit_names_the_numbers():
    x = np.zeros((1, 1, 3, 9))
    for call in (
        lambda: oracle.conv2d(x, np.zeros((1, 1, 6, 2)), pad=1),
        lambda: oracle.im2col(x, 6, 2, pad=1),
        lambda: oracle.max_pool(x, 6, pad=1),
        lambda: oracle.avg_pool(x, 6, pad=1),
    ):
        with pytest.raises(ValueError, match=r"6 does not fit into 3 \+ 2 \* 1 = 5"):
            call()
