"""Unit 03: what students commonly get wrong, written as they write it, and the name that it gets."""

import numpy as np
import pytest

from cnnkit import evaluate


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


def forward_by_the_backward_rule(layers):
    field = 1
    for k, stride, *dilation in layers:
        field = (field - 1) * stride + (k - 1) * (dilation or [1])[0] + 1
    return field


def own_strides(layers):
    return 1 + sum((k - 1) * (dilation or [1])[0] * stride for k, stride, *dilation in layers)


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
        ("receptive_field", forward_by_the_backward_rule, "from the wrong end"),
        ("receptive_field", own_strides, "each layer its own stride alone"),
    ],
)
@pytest.mark.parametrize("seed", [0, 11])
def test_what_students_commonly_get_wrong_is_named(name, answer, bug, seed):
    assert evaluate(name, answer, seed=seed).bug == bug
