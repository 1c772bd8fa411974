"""The building blocks of the networks after VGG, one class per idea.

Images are ``(N, C, H, W)``. A block with ``stride`` 1 keeps the picture's size.
"""

import torch
from torch import nn
from torch.nn import functional as F


def count_parameters(model):
    """How many numbers a model learns, shared ones counted once."""
    return sum(p.numel() for p in model.parameters())


def conv_relu(c_in, c_out, k, stride=1, pad=0, groups=1):
    """A convolution with bias, then ReLU: what networks were made of before batch normalisation."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, k, stride, pad, groups=groups), nn.ReLU())


def conv_bn(c_in, c_out, k, stride=1, groups=1):
    """A convolution that keeps the size (at stride 1), then batch norm, whose shift makes a bias superfluous."""
    conv = nn.Conv2d(c_in, c_out, k, stride, k // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


class Inception(nn.Module):
    """Four branches side by side, their maps stacked: Szegedy et al., "Going deeper with convolutions" (2014).

    Args:
        c_in: channels of the input.
        c1: filters of the 1x1 branch.
        c3r, c3: 1x1 filters that reduce the channels, and the 3x3 filters after them.
        c5r, c5: the same for the branch with the large filter.
        cp: 1x1 filters after the branch's max pooling.
        large: side of the large filter, 5 in the paper; a well-known implementation has 3.
    """

    def __init__(self, c_in, c1, c3r, c3, c5r, c5, cp, large=5):
        super().__init__()
        self.point = conv_relu(c_in, c1, 1)
        self.small = nn.Sequential(conv_relu(c_in, c3r, 1), conv_relu(c3r, c3, 3, pad=1))
        self.large = nn.Sequential(conv_relu(c_in, c5r, 1), conv_relu(c5r, c5, large, pad=large // 2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_relu(c_in, cp, 1))

    def forward(self, x):
        return torch.cat([self.point(x), self.small(x), self.large(x), self.pool(x)], dim=1)


class PadShortcut(nn.Module):
    """A shortcut without parameters: every second pixel, new channels zero (option A of the ResNet paper)."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.new, self.stride = c_out - c_in, stride

    def forward(self, x):
        before = self.new // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.new - before))


def projection(c_in, c_out, stride):
    """The shortcut past a block: the input itself, or a 1x1 convolution where the shape changes (option B)."""
    return nn.Identity() if stride == 1 and c_in == c_out else conv_bn(c_in, c_out, 1, stride)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut past them: He et al., "Deep residual learning" (2015), figure 2.

    Args:
        c_in, c_out: channels of the input and of the output.
        stride: of the first convolution and of the shortcut.
        shortcut: ``shortcut(c_in, c_out, stride)`` makes the shortcut.
    """

    def __init__(self, c_in, c_out, stride=1, shortcut=projection):
        super().__init__()
        self.branch = nn.Sequential(conv_bn(c_in, c_out, 3, stride), nn.ReLU(), conv_bn(c_out, c_out, 3))
        self.shortcut = shortcut(c_in, c_out, stride)

    def forward(self, x):
        return F.relu(self.shortcut(x) + self.branch(x))  # after the sum: the branch may subtract


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up, and a shortcut: the block of ResNet-50 and deeper, and of its descendants.

    Args:
        c_in, c_out: channels of the input and of the output.
        stride: of the 3x3 convolution and of the shortcut.
        groups, width: the 3x3 convolution has ``groups`` groups of ``width`` channels each. One group of
            ``c_out / 4`` is ResNet; 32 groups of 4 are ResNeXt: Xie et al., "Aggregated residual transformations"
            (2016).
        reduction: None, or by how much the squeeze of a ``SqueezeExcite`` at the branch's end narrows.
    """

    def __init__(self, c_in, c_out, stride=1, groups=1, width=None, reduction=None):
        super().__init__()
        inner = groups * (width or c_out // 4)
        self.branch = nn.Sequential(
            conv_bn(c_in, inner, 1),
            nn.ReLU(),
            conv_bn(inner, inner, 3, stride, groups),
            nn.ReLU(),
            conv_bn(inner, c_out, 1),
            SqueezeExcite(c_out, reduction) if reduction else nn.Identity(),
        )
        self.shortcut = projection(c_in, c_out, stride)

    def forward(self, x):
        return F.relu(self.shortcut(x) + self.branch(x))


class SqueezeExcite(nn.Module):
    """One gate between 0 and 1 for each channel: Hu et al., "Squeeze-and-excitation networks" (2017).

    Args:
        c: channels.
        reduction: the layer between the two has ``c // reduction`` units.
    """

    def __init__(self, c, reduction=16):
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(c, c // reduction), nn.ReLU(), nn.Linear(c // reduction, c), nn.Sigmoid())

    def forward(self, x):
        means = x.mean(dim=(2, 3))
        return x * self.gate(means)[:, :, None, None]


class DenseLayer(nn.Module):
    """What computes ``growth`` new maps from all earlier ones: batch norm, ReLU, convolution.

    With ``bottleneck``, a 1x1 convolution to that many times ``growth`` channels comes first.
    """

    def __init__(self, c_in, growth, bottleneck=None):
        super().__init__()
        steps, c = [], c_in
        if bottleneck:
            c = bottleneck * growth
            steps = [nn.BatchNorm2d(c_in), nn.ReLU(), nn.Conv2d(c_in, c, 1, bias=False)]
        steps += [nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, growth, 3, padding=1, bias=False)]
        self.steps = nn.Sequential(*steps)

    def forward(self, x):
        return self.steps(x)


class DenseBlock(nn.Module):
    """Layers of which each sees the maps of all before it: Huang et al., "Densely connected networks" (2016).

    ``c_in + n * growth`` channels come out, the input's first.
    """

    def __init__(self, c_in, growth, n, bottleneck=None):
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(c_in + i * growth, growth, bottleneck) for i in range(n))

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x
