"""Networks that are one stack of layers: LeNet-5, AlexNet, ZFNet, VGG, and the one of the ConvNetJS demo."""

from torch import nn

from cnnkit.models.blocks import conv_relu


def lenet5(classes=10, channels=1):
    """LeNet-5 for pictures of 32 x 32: LeCun et al., "Gradient-based learning applied to document recognition" (1998).

    61706 parameters. Three things are simpler than in the paper: every map of the second convolution sees all six maps
    below it (the paper's table leaves some out), the subsampling layers only average, and the outputs are plain scores.
    """
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),  # 28, then 14
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),  # 10, then 5
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),  # 1: as good as fully connected
        *(nn.Linear(120, 84), nn.Tanh()),
        nn.Linear(84, classes),
    )


def alexnet(groups=2, classes=1000):
    """AlexNet for pictures of 227 x 227: Krizhevsky et al., "ImageNet classification with deep ConvNets" (2012).

    60965224 parameters with two groups, 62378344 with one. Without the paper's response normalisation.

    Args:
        groups: 2 as in the paper, where each of two GPUs held one half of layers 2, 4 and 5.
    """
    return nn.Sequential(
        *(conv_relu(3, 96, 11, stride=4), nn.MaxPool2d(3, 2)),  # 55, then 27
        *(conv_relu(96, 256, 5, pad=2, groups=groups), nn.MaxPool2d(3, 2)),  # 27, then 13
        conv_relu(256, 384, 3, pad=1),
        conv_relu(384, 384, 3, pad=1, groups=groups),
        *(conv_relu(384, 256, 3, pad=1, groups=groups), nn.MaxPool2d(3, 2)),  # 13, then 6
        *fully_connected(256 * 6 * 6, classes),
    )


def zfnet(widths=(384, 384, 256), classes=1000):
    """ZFNet for pictures of 224 x 224: Zeiler and Fergus, "Visualizing and understanding ConvNets" (2013).

    62357608 parameters. The first two poolings are padded by 1, which gives the paper's 110, 55, 26, 13 and 6.

    Args:
        widths: of the last three convolutions; (512, 1024, 512) is the paper's larger variant.
    """
    a, b, c = widths
    return nn.Sequential(
        *(conv_relu(3, 96, 7, stride=2, pad=1), nn.MaxPool2d(3, 2, 1)),  # 110, then 55
        *(conv_relu(96, 256, 5, stride=2), nn.MaxPool2d(3, 2, 1)),  # 26, then 13
        conv_relu(256, a, 3, pad=1),
        conv_relu(a, b, 3, pad=1),
        *(conv_relu(b, c, 3, pad=1), nn.MaxPool2d(3, 2)),  # 13, then 6
        *fully_connected(c * 6 * 6, classes),
    )


VGG_STAGES = {
    "A": ("3", "3", "33", "33", "33"),
    "B": ("33", "33", "33", "33", "33"),
    "C": ("33", "33", "331", "331", "331"),
    "D": ("33", "33", "333", "333", "333"),
    "E": ("33", "33", "3333", "3333", "3333"),
}
"""The columns of VGG's table 1: for each of five stages, the sides of its filters in order."""


def vgg(configuration="D", classes=1000, channels=3, side=224):
    """VGG: Simonyan and Zisserman, "Very deep ConvNets for large-scale image recognition" (2014).

    Args:
        configuration: "A" to "E", the columns of the paper's table 1: 132863336, 133047848, 133638952, 138357544 and
            143667240 parameters. D and E are often called VGG-16 and VGG-19.
        side: of the square input, a multiple of 32.
    """
    layers, c = [], channels
    for width, sides in zip((64, 128, 256, 512, 512), VGG_STAGES[configuration], strict=True):
        for k in map(int, sides):
            layers.append(conv_relu(c, width, k, pad=k // 2))
            c = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *fully_connected(c * (side // 32) ** 2, classes))


def fully_connected(n_in, classes, hidden=4096):
    """The head that AlexNet, ZFNet and VGG share; dropout as in AlexNet's paper."""
    return (
        nn.Flatten(),
        *(nn.Dropout(0.5), nn.Linear(n_in, hidden), nn.ReLU()),
        *(nn.Dropout(0.5), nn.Linear(hidden, hidden), nn.ReLU()),
        nn.Linear(hidden, classes),
    )


def convnetjs(classes=10, channels=3):
    """The network of Karpathy's ConvNetJS demo on CIFAR-10, for pictures of 32 x 32; 22466 parameters.

    Source: https://cs.stanford.edu/people/karpathy/convnetjs/demo/cifar10.html
    """
    return nn.Sequential(
        *(conv_relu(channels, 16, 5, pad=2), nn.MaxPool2d(2)),  # 1216 parameters
        *(conv_relu(16, 20, 5, pad=2), nn.MaxPool2d(2)),
        *(conv_relu(20, 20, 5, pad=2), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(20 * 4 * 4, classes),
    )
