"""The reference operations: torch underneath, NumPy in and out, on any device.

They compute in float64 (float32 on Apple's MPS, which has no other) and give back the dtype they were given.
Images are ``x: (N, C, H, W)``, filters ``w: (F, C, KH, KW)``. ``stride``, ``pad``, ``dilation`` and ``size`` take an
int or a pair (height, width). Where a window does not fit, ``cnnkit.shapes.conv_output_size`` raises a ValueError
that names the numbers. ``device`` is a name for ``cnnkit.device``; None takes the one in use.
"""

from cnnkit.oracle.activations import (
    elu,
    elu_backward,
    leaky_relu,
    leaky_relu_backward,
    maxout,
    maxout_backward,
    prelu,
    prelu_backward,
    swish,
    swish_backward,
)
from cnnkit.oracle.convolution import conv2d, conv_transpose2d, im2col, output_size, zero_pad
from cnnkit.oracle.cortex import (
    adaline_step,
    c_layer,
    complex_cell,
    connection_counts,
    gabor,
    hypercomplex_cell,
    perceptron_step,
    s_layer,
    simple_cell,
    tuning_curve,
)
from cnnkit.oracle.filters import (
    convmtx2,
    convolve2d,
    correlate2d,
    equivariance_error,
    fft_convolve2d,
    laplacian,
    match_template,
    sharpen,
    sobel,
)
from cnnkit.oracle.losses import bce_with_logits, softmax, softmax_loss, svm_loss
from cnnkit.oracle.pooling import avg_pool, avg_pool_backward, max_pool, max_pool_backward

__all__ = [
    "adaline_step",
    "avg_pool",
    "avg_pool_backward",
    "bce_with_logits",
    "c_layer",
    "complex_cell",
    "connection_counts",
    "conv2d",
    "conv_transpose2d",
    "convmtx2",
    "convolve2d",
    "correlate2d",
    "elu",
    "elu_backward",
    "equivariance_error",
    "fft_convolve2d",
    "gabor",
    "hypercomplex_cell",
    "im2col",
    "laplacian",
    "leaky_relu",
    "leaky_relu_backward",
    "match_template",
    "max_pool",
    "max_pool_backward",
    "maxout",
    "maxout_backward",
    "output_size",
    "perceptron_step",
    "prelu",
    "prelu_backward",
    "s_layer",
    "sharpen",
    "simple_cell",
    "sobel",
    "softmax",
    "softmax_loss",
    "svm_loss",
    "swish",
    "swish_backward",
    "tuning_curve",
    "zero_pad",
]
