"""Pooling."""

from torch.nn import functional as F

from cnnkit.oracle.convolution import output_size
from cnnkit.oracle.tensors import array, pair, tensor


def max_pool(x, size, stride=None, pad=0, dilation=1, device=None):
    """The maximum of each window, ``stride`` (default: ``size``) apart; padding never wins."""
    stride = size if stride is None else stride
    output_size(x.shape, pair(size), stride, pad, dilation)
    return array(F.max_pool2d(tensor(x, device), pair(size), pair(stride), pair(pad), pair(dilation)), x)


def avg_pool(x, size, stride=None, pad=0, count_pad=True, device=None):
    """The mean of each window, ``stride`` (default: ``size``) apart; ``count_pad`` counts padding as zeros."""
    stride = size if stride is None else stride
    output_size(x.shape, pair(size), stride, pad)
    pooled = F.avg_pool2d(tensor(x, device), pair(size), pair(stride), pair(pad), count_include_pad=count_pad)
    return array(pooled, x)
