"""The networks of the lectures in torch, written for reading; nothing is downloaded, weights are random.

``classic``: LeNet-5, AlexNet, ZFNet, VGG, ConvNetJS. ``modern``: GoogLeNet, ResNet and what grew out of it. ``blocks``:
what the modern ones are made of. All put out scores, without a softmax. ``classes`` and ``channels`` are the numbers of
outputs and of input channels.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["blocks", "classic", "modern"],
    submod_attrs={
        "blocks": ["Bottleneck", "BasicBlock", "DenseBlock", "Inception", "SqueezeExcite", "count_parameters"],
        "classic": ["alexnet", "convnetjs", "lenet5", "vgg", "zfnet"],
        "modern": ["densenet", "googlenet", "resnet", "resnet_cifar", "resnext", "se_resnet"],
    },
)
