"""The networks of the lectures as lists of layers, for ``cnnkit.shapes.table``; ``cnnkit.models`` has them in torch.

ReLU and dropout are left out: they keep the shape and hold no parameters.
"""

from cnnkit.shapes.stack import AvgPool, BatchNorm, Branches, Conv, GlobalPool, Linear, Pool


def lenet5():
    """LeCun et al. (1998), with all maps of C1 seen by all of C3."""
    return [Conv(6, 5), AvgPool(2, 2), Conv(16, 5), AvgPool(2, 2), Conv(120, 5), Linear(84), Linear(10)]


def alexnet(groups=2):
    """Krizhevsky et al. (2012)."""
    return [
        *(Conv(96, 11, stride=4), Pool(3, 2)),
        *(Conv(256, 5, pad=2, groups=groups), Pool(3, 2)),
        Conv(384, 3, pad=1),
        Conv(384, 3, pad=1, groups=groups),
        *(Conv(256, 3, pad=1, groups=groups), Pool(3, 2)),
        *(Linear(4096), Linear(4096), Linear(1000)),
    ]


def zfnet():
    """Zeiler and Fergus (2013)."""
    return [
        *(Conv(96, 7, stride=2, pad=1), Pool(3, 2, 1)),
        *(Conv(256, 5, stride=2), Pool(3, 2, 1)),
        *(Conv(384, 3, pad=1), Conv(384, 3, pad=1), Conv(256, 3, pad=1), Pool(3, 2)),
        *(Linear(4096), Linear(4096), Linear(1000)),
    ]


def vgg(*stages):
    """Simonyan and Zisserman (2014); ``stages`` holds the sides of the filters of each, "331" for 3, 3 and 1."""
    layers = []
    for width, sides in zip((64, 128, 256, 512, 512), stages, strict=True):
        layers += [Conv(width, int(k), pad=int(k) // 2) for k in sides]
        layers.append(Pool(2, 2))
    return [*layers, Linear(4096), Linear(4096), Linear(1000)]


def googlenet():
    """Szegedy et al. (2014), without the auxiliary heads."""

    def inception(c1, c3r, c3, c5r, c5, cp):
        paths = (
            (Conv(c1, 1),),
            (Conv(c3r, 1), Conv(c3, 3, pad=1)),
            (Conv(c5r, 1), Conv(c5, 5, pad=2)),
            (Pool(3, 1, 1), Conv(cp, 1)),
        )
        return Branches("concatenate", paths)

    down = Pool(3, 2, ceil=True)
    return [
        *(Conv(64, 7, stride=2, pad=3), down),
        *(Conv(64, 1), Conv(192, 3, pad=1), down),
        *(inception(64, 96, 128, 16, 32, 32), inception(128, 128, 192, 32, 96, 64), down),
        inception(192, 96, 208, 16, 48, 64),
        inception(160, 112, 224, 24, 64, 64),
        inception(128, 128, 256, 24, 64, 64),
        inception(112, 144, 288, 32, 64, 64),
        *(inception(256, 160, 320, 32, 128, 128), down),
        inception(256, 160, 320, 32, 128, 128),
        inception(384, 192, 384, 48, 128, 128),
        *(GlobalPool(), Linear(1000)),
    ]


def resnet(depth):
    """He et al. (2015), 18, 34, 50, 101 or 152 layers deep."""
    counts = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    layers, c_in = [*_conv_bn(64, 7, 2), Pool(3, 2, 1)], 64
    for stage, count in enumerate(counts):
        width = 64 * 2**stage
        c_out = width if depth < 50 else 4 * width
        for i in range(count):
            stride = 2 if stage and i == 0 else 1
            if depth < 50:
                branch = (*_conv_bn(width, 3, stride), *_conv_bn(width, 3))
            else:
                branch = (*_conv_bn(width, 1), *_conv_bn(width, 3, stride), *_conv_bn(c_out, 1))
            shortcut = () if stride == 1 and c_in == c_out else _conv_bn(c_out, 1, stride)
            layers.append(Branches("add", (branch, shortcut)))
            c_in = c_out
    return [*layers, GlobalPool(), Linear(1000)]


def _conv_bn(filters, k, stride=1):
    return (Conv(filters, k, stride, k // 2, bias=False), BatchNorm())


def convnetjs():
    """Karpathy's ConvNetJS demo on CIFAR-10."""
    stages = [layer for width in (16, 20, 20) for layer in (Conv(width, 5, pad=2), Pool(2, 2))]
    return [*stages, Linear(10)]


PRESETS = {
    "LeNet-5": (lenet5(), (1, 32, 32)),
    "ConvNetJS": (convnetjs(), (3, 32, 32)),
    "AlexNet": (alexnet(), (3, 227, 227)),
    "AlexNet, one group": (alexnet(groups=1), (3, 227, 227)),
    "ZFNet": (zfnet(), (3, 224, 224)),
    "VGG-A": (vgg("3", "3", "33", "33", "33"), (3, 224, 224)),
    "VGG-B": (vgg("33", "33", "33", "33", "33"), (3, 224, 224)),
    "VGG-C": (vgg("33", "33", "331", "331", "331"), (3, 224, 224)),
    "VGG-D": (vgg("33", "33", "333", "333", "333"), (3, 224, 224)),
    "VGG-E": (vgg("33", "33", "3333", "3333", "3333"), (3, 224, 224)),
    "GoogLeNet": (googlenet(), (3, 224, 224)),
    **{f"ResNet-{depth}": (resnet(depth), (3, 224, 224)) for depth in (18, 34, 50, 101, 152)},
}
"""Name to ``(layers, input shape)``."""
