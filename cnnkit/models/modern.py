"""Networks of blocks: GoogLeNet, ResNet, ResNeXt, SE-ResNet, DenseNet. All end in global mean pooling."""

from functools import partial

from torch import nn

from cnnkit.models.blocks import BasicBlock, Bottleneck, DenseBlock, Inception, PadShortcut, conv_bn, conv_relu


def global_mean(c, classes):
    """One mean for each map, and one layer of weights: what took the place of two layers of 4096."""
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes)


def googlenet(large=5, classes=1000):
    """GoogLeNet for pictures of 224 x 224, without its two auxiliary heads: Szegedy et al. (2014), table 1.

    6998552 parameters; 6617624 with ``large=3``.

    Args:
        large: side of the filters in the branches with the largest ones.
    """
    block = partial(Inception, large=large)
    down = partial(nn.MaxPool2d, 3, 2, ceil_mode=True)
    return nn.Sequential(
        *(conv_relu(3, 64, 7, stride=2, pad=3), down()),  # 112, then 56
        *(conv_relu(64, 64, 1), conv_relu(64, 192, 3, pad=1), down()),  # 28
        block(192, 64, 96, 128, 16, 32, 32),  # 3a
        *(block(256, 128, 128, 192, 32, 96, 64), down()),  # 3b, then 14
        block(480, 192, 96, 208, 16, 48, 64),  # 4a
        block(512, 160, 112, 224, 24, 64, 64),
        block(512, 128, 128, 256, 24, 64, 64),
        block(512, 112, 144, 288, 32, 64, 64),
        *(block(528, 256, 160, 320, 32, 128, 128), down()),  # 4e, then 7
        block(832, 256, 160, 320, 32, 128, 128),  # 5a
        block(832, 384, 192, 384, 48, 128, 128),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4)),
        nn.Linear(1024, classes),
    )


DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks in each of the four stages: table 1 of the ResNet paper."""


def resnet(depth=50, classes=1000):
    """ResNet for pictures of 224 x 224: He et al., "Deep residual learning for image recognition" (2015).

    The stride of a bottleneck is in its 3x3 convolution, as in later implementations; the paper has it in the first
    1x1. The number of parameters is the same: 11689512 (18), 21797672 (34), 25557032 (50), 44549160 (101),
    60192808 (152).

    Args:
        depth: 18, 34, 50, 101 or 152 layers with weights.
    """
    block, expansion = (BasicBlock, 1) if depth < 50 else (Bottleneck, 4)
    return residual_network(DEPTHS[depth], block, expansion, classes)


def resnext(depth=50, classes=1000):
    """ResNeXt 32x4d: Xie et al., "Aggregated residual transformations for deep neural networks" (2016).

    25028904 parameters at depth 50. There are 32 groups in every block; they are 4 channels wide in the first stage
    and twice as wide in each stage after it.
    """

    def block(c_in, c_out, stride):
        return Bottleneck(c_in, c_out, stride, groups=32, width=c_out // 64)

    return residual_network(DEPTHS[depth], block, 4, classes)


def se_resnet(depth=50, classes=1000):
    """ResNet with squeeze-and-excitation in every block: Hu et al. (2017); 28088024 parameters at depth 50."""
    return residual_network(DEPTHS[depth], partial(Bottleneck, reduction=16), 4, classes)


def residual_network(blocks, block, expansion, classes):
    """The frame that all residual networks for ImageNet share.

    Args:
        blocks: how many in each of the four stages.
        block: ``block(c_in, c_out, stride)`` makes one.
        expansion: of the stages' 64, 128, 256 and 512 channels.
        classes: number of outputs.
    """
    stem = (conv_bn(3, 64, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))  # 112, then 56
    layers, c_in = [], 64
    for stage, count in enumerate(blocks):
        c_out = 64 * 2**stage * expansion
        for i in range(count):
            layers.append(block(c_in, c_out, 2 if stage and i == 0 else 1))
            c_in = c_out
    return nn.Sequential(*stem, *layers, *global_mean(c_in, classes))


def resnet_cifar(depth=20, classes=10, channels=3, width=16, shortcut=PadShortcut):
    """The small ResNets for pictures of 32 x 32, section 4.2 of the ResNet paper.

    269722 parameters at depth 20, 464154 (32), 658586 (44), 853018 (56), 1727962 (110).

    Args:
        depth: ``6 n + 2`` layers with weights.
        width: channels of the first stage.
        shortcut: of the blocks that change the shape; the paper's has no parameters.

    Raises:
        ValueError: where depth is not ``6 n + 2``.
    """
    n, rest = divmod(depth - 2, 6)
    if rest or n < 1:
        raise ValueError(f"depth must be 6 n + 2: 8, 14, 20, ...; it is {depth}")
    layers, c_in = [], width
    for stage in range(3):
        c_out = width * 2**stage
        for i in range(n):
            layers.append(BasicBlock(c_in, c_out, 2 if stage and i == 0 else 1, shortcut))
            c_in = c_out
    return nn.Sequential(conv_bn(channels, width, 3), nn.ReLU(), *layers, *global_mean(c_in, classes))


def densenet(depth=121, growth=32, classes=1000):
    """DenseNet-BC for pictures of 224 x 224: Huang et al., "Densely connected convolutional networks" (2016).

    7978856 parameters at depth 121.

    Args:
        depth: 121, 169 or 201.
        growth: new maps per layer.
    """
    blocks = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}[depth]
    c = 2 * growth
    layers = [conv_bn(3, c, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for i, n in enumerate(blocks):
        if i:  # a transition halves the channels and the picture
            layers += [nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, c // 2, 1, bias=False), nn.AvgPool2d(2)]
            c //= 2
        layers.append(DenseBlock(c, growth, n, bottleneck=4))
        c += n * growth
    return nn.Sequential(*layers, nn.BatchNorm2d(c), nn.ReLU(), *global_mean(c, classes))
