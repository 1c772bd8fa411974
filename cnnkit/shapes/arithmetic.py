"""One layer: what it puts out, what it holds, what it sees.

Sources: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), and the documentation
of ``torch.nn.Conv2d``, whose rounding down is used throughout.
"""


def conv_output_size(n, k, stride=1, pad=0, dilation=1):
    """How many windows of a kernel fit along one side.

    Args:
        n: length of the side, in pixels.
        k: kernel length.
        stride, pad, dilation: as in ``torch.nn.Conv2d``; pad is added on both ends.

    Returns:
        ``floor((n + 2 pad - dilation (k - 1) - 1) / stride) + 1``.

    Raises:
        ValueError: where the kernel does not fit or an argument is impossible; it names the numbers.
    """
    if n < 1 or k < 1 or stride < 1 or dilation < 1 or pad < 0:
        raise ValueError(
            f"n, k, stride and dilation must be at least 1 and pad at least 0: "
            f"n={n}, k={k}, stride={stride}, pad={pad}, dilation={dilation}"
        )
    reach = dilation * (k - 1) + 1
    if reach > n + 2 * pad:
        raise ValueError(f"a kernel that reaches over {reach} does not fit into {n} + 2 * {pad} = {n + 2 * pad}")
    return (n + 2 * pad - reach) // stride + 1


def conv_fits(n, k, stride=1, pad=0, dilation=1):
    """Whether the windows cover the padded side exactly; False where not even one window fits."""
    rest = n + 2 * pad - dilation * (k - 1) - 1
    return rest >= 0 and rest % stride == 0


def pool_output_size(n, k, stride=None, pad=0, dilation=1, ceil_mode=False):
    """How many windows of a pooling layer fit along one side.

    Args:
        n, k, pad, dilation: as for ``conv_output_size``.
        stride: None for windows side by side, ``k`` apart.
        ceil_mode: as in ``torch.nn.MaxPool2d``: round up, so that a last window may reach out at the end, if it
            starts before the end of the image.

    Raises:
        ValueError: as ``conv_output_size``; rounded up, a window fits where less than a stride of it is missing.
    """
    stride = k if stride is None else stride
    reach = dilation * (k - 1) + 1
    missing = -(n + 2 * pad - reach) % stride if ceil_mode and stride > 0 else 0
    size = conv_output_size(n + missing, k, stride, pad, dilation)
    return size - (missing > 0 and (size - 1) * stride >= n + pad)


def conv_transpose_output_size(n, k, stride=1, pad=0, output_pad=0, dilation=1):
    """Length of what a transposed convolution makes of a side of n pixels.

    Args:
        n, k, stride, dilation: as for ``conv_output_size``; the stride spreads the inputs.
        pad: how much is cut off at both ends.
        output_pad: how much is added at the end, less than the larger of stride and dilation, as torch has it.

    Returns:
        ``(n - 1) stride - 2 pad + dilation (k - 1) + 1 + output_pad``: a length that a convolution with the same
        arguments takes back to ``n``.

    Raises:
        ValueError: where nothing is left or an argument is impossible.
    """
    conv_output_size(n, 1, stride, pad, dilation)
    if k < 1 or not 0 <= output_pad < max(stride, dilation):
        raise ValueError(
            f"k must be at least 1, and output_pad at least 0 and less than the larger of stride and dilation: "
            f"k={k}, output_pad={output_pad}, stride={stride}, dilation={dilation}"
        )
    size = (n - 1) * stride - 2 * pad + dilation * (k - 1) + 1 + output_pad
    if size < 1:
        raise ValueError(f"cutting off 2 * {pad} leaves nothing of {size + 2 * pad}")
    return size


def same_padding(n, k, stride=1, dilation=1):
    """Zeros ``(before, after)`` a side with which ``ceil(n / stride)`` windows fit, the odd one at the end.

    TensorFlow's and Keras' rule; ``torch.nn.Conv2d`` has it as ``padding="same"`` for stride 1.
    """
    size = -(-n // stride)
    total = max((size - 1) * stride + dilation * (k - 1) + 1 - n, 0)
    return total // 2, total - total // 2


def conv_params(c_in, c_out, k, bias=True, groups=1):
    """Number of weights and biases of a layer of ``c_out`` filters of size ``k x k`` over ``c_in`` channels.

    Raises:
        ValueError: where ``groups`` does not divide both channel counts.
    """
    if c_in % groups or c_out % groups:
        raise ValueError(f"groups={groups} must divide both c_in={c_in} and c_out={c_out}")
    return c_out * (c_in // groups * k * k + bool(bias))


def receptive_field(layers):
    """Side of the input square that one output of a stack of layers sees.

    Args:
        layers: ``(k, stride)`` or ``(k, stride, dilation)`` from input to output.
    """
    field, jump = 1, 1
    for k, stride, *dilation in layers:
        field += (k - 1) * (dilation[0] if dilation else 1) * jump
        jump *= stride
    return field
