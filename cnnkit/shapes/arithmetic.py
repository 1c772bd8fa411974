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
