"""Unit 03: what students commonly get wrong, written as they write it, and the name that it gets."""

import numpy as np
import pytest

from cnnkit import evaluate, oracle, shapes


def one_pixel_further(x, w, b, stride=1, pad=0, dilation=1):
    """The right sizes, and windows that step by one pixel."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    reach = [dilation * (k - 1) + 1 for k in w.shape[2:]]
    rows, columns = ((n - r) // stride + 1 for n, r in zip(x.shape[2:], reach, strict=True))
    out = np.zeros((len(x), len(w), rows, columns), x.dtype)
    for i, j in np.ndindex(rows, columns):
        window = x[:, :, i : i + reach[0] : dilation, j : j + reach[1] : dilation]
        out[:, :, i, j] = np.einsum("nchw,fchw->nf", window, w) + b
    return out


def only_where_it_fits(size):
    """An answer with the formula ``size``, and the errors of the right one."""

    def answer(n, k, stride=1, pad=0, dilation=1):
        shapes.conv_output_size(n, k, stride, pad, dilation)
        return size(n, k, stride, pad, dilation)

    return answer


def forward_by_the_backward_rule(layers):
    field = 1
    for k, stride, *dilation in layers:
        field = (field - 1) * stride + (k - 1) * (dilation or [1])[0] + 1
    return field


def own_strides(layers):
    return 1 + sum((k - 1) * (dilation or [1])[0] * stride for k, stride, *dilation in layers)


def no_plus_one(x, w, b, stride=1, pad=0):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    if w.shape[2] > x.shape[2] or w.shape[3] > x.shape[3]:
        raise ValueError(f"{w.shape[2:]} does not fit into {x.shape[2:]}")
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return (np.einsum("ncijuv,fcuv->nfij", windows, w) + b[:, None, None])[:, :, :-1, :-1]


def last_stride_kept(layers):
    field, jump = 1, 1
    for k, stride, *dilation in layers:
        field += (k - 1) * (dilation or [1])[0] * jump
        jump = stride
    return field


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("conv_forward_naive", one_pixel_further, "stride ignored"),
        ("conv_forward", lambda x, w, b, stride=1, pad=0: one_pixel_further(x, w, b, stride, pad), "stride ignored"),
        (
            "conv_output_size",
            lambda n, k, stride=1, pad=0, dilation=1: n + 2 * pad - dilation * (k - 1),
            "stride ignored",
        ),
        (
            "conv_output_size",
            lambda n, k, stride=1, pad=0, dilation=1: (n - dilation * (k - 1) - 1) // stride + 1 + 2 * pad,
            "padding added to the output",
        ),
        (
            "conv_output_size",
            lambda n, k, stride=1, pad=0, dilation=1: (n + 2 * pad - dilation * (k - 1)) // stride + 1,
            "kernel one too short",
        ),
        *(
            ("conv_output_size", only_where_it_fits(size), "another reach of the dilated kernel")
            for size in (
                lambda n, k, stride, pad, dilation: (n + 2 * pad - dilation * k) // stride + 1,
                lambda n, k, stride, pad, dilation: (n + 2 * pad - k - dilation + 1) // stride + 1,
            )
        ),
        (
            "conv_fits",
            lambda n, k, stride=1, pad=0, dilation=1: (
                n + 2 * pad >= k + dilation - 1 and (n + 2 * pad - k - dilation + 1) % stride == 0
            ),
            "another reach of the dilated kernel",
        ),
        (
            "conv_fits",
            lambda n, k, stride=1, pad=0, dilation=1: n + 2 * pad > dilation * (k - 1),
            "only one window asked for",
        ),
        ("conv_fits", lambda n, k, stride=1, pad=0, dilation=1: True, "only one window asked for"),
        (
            "conv_fits",
            lambda n, k, stride=1, pad=0, dilation=1: (
                n > dilation * (k - 1) and (n - dilation * (k - 1) - 1) % stride == 0
            ),
            "padding ignored",
        ),
        (
            "conv_params",
            lambda c_in, c_out, k, bias=True, groups=1: (c_in // groups) * (c_out // groups) * k * k + c_out * bias,
            "groups counted twice",
        ),
        ("conv_params", lambda c_in, c_out, k, bias=True, groups=1: c_out * (c_in / groups * k * k + bias), "a float"),
        ("zero_pad", lambda x, p: np.pad(x, ((0, 0), (p, p), (p, p), (0, 0))), "channels padded"),
        (
            "conv_forward",
            lambda x, w, b, stride=1, pad=0: oracle.conv2d(x, w.reshape(-1, len(w)).T.reshape(w.shape), b, stride, pad),
            "filters torn apart",
        ),
        (
            "conv_forward_naive",
            lambda x, w, b, stride=1, pad=0, dilation=1: one_pixel_further(x[:, :1], w[:, :1], b, 1, pad, dilation)[
                ..., ::stride, ::stride
            ],
            "last channel only",
        ),
        ("conv_forward", no_plus_one, "a row and a column short"),
        ("receptive_field", last_stride_kept, "strides not multiplied"),
        ("receptive_field", forward_by_the_backward_rule, "from the wrong end"),
        ("receptive_field", own_strides, "each layer its own stride alone"),
    ],
)
@pytest.mark.parametrize("seed", [0, 11])
def test_what_students_commonly_get_wrong_is_named(name, answer, bug, seed):
    assert evaluate(name, answer, seed=seed).bug == bug


@pytest.mark.parametrize("seed", [0, 1, 20261121])
def test_a_first_layer_without_stride_counts(seed):
    def answer(layers):
        later = layers[0][1] == 1 and any(stride > 1 for _, stride, *_ in layers)
        return shapes.receptive_field([(k, 1, *d) for k, _, *d in layers] if later else layers)

    assert evaluate("receptive_field", answer, seed=seed).groups["stride"][0] == 0
