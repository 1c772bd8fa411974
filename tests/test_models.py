"""The networks of the lectures: counted to the last parameter, and against the plain-Python tables."""

import pytest
import torch
from torch import nn

from cnnkit import models, shapes

COUNTS = [
    (models.lenet5, {}, 61706),
    (models.alexnet, {}, 60965224),
    (models.alexnet, {"groups": 1}, 62378344),
    (models.zfnet, {}, 62357608),
    (models.vgg, {"configuration": "A"}, 132863336),
    (models.vgg, {"configuration": "B"}, 133047848),
    (models.vgg, {"configuration": "C"}, 133638952),
    (models.vgg, {"configuration": "D"}, 138357544),
    (models.vgg, {"configuration": "E"}, 143667240),
    (models.convnetjs, {}, 22466),
    (models.googlenet, {}, 6998552),
    (models.googlenet, {"large": 3}, 6617624),
    (models.resnet, {"depth": 18}, 11689512),
    (models.resnet, {"depth": 34}, 21797672),
    (models.resnet, {"depth": 50}, 25557032),
    (models.resnet, {"depth": 101}, 44549160),
    (models.resnet, {"depth": 152}, 60192808),
    (models.resnext, {}, 25028904),
    (models.densenet, {}, 7978856),
    (models.se_resnet, {}, 28088024),
    (models.resnet_cifar, {"depth": 20}, 269722),
    (models.resnet_cifar, {"depth": 110}, 1727962),
]
"""Of the lectures, or where they have none, of the papers' reference implementations."""
SIDES = {"lenet5": 32, "alexnet": 227, "convnetjs": 32, "resnet_cifar": 32}


def build(make, **options):
    """A model that takes no memory and computes shapes only."""
    with torch.device("meta"):
        return make(**options).eval()


def picture(make, n=1):
    side = SIDES.get(make.__name__, 224)
    return torch.empty(n, 1 if make is models.lenet5 else 3, side, side, device="meta")


@pytest.mark.parametrize(("make", "options", "count"), COUNTS)
def test_parameters_are_counted_to_the_last(make, options, count):
    model = build(make, **options)
    assert models.count_parameters(model) == count
    classes = 10 if make in (models.lenet5, models.convnetjs, models.resnet_cifar) else 1000
    assert model(picture(make, 3)).shape == (3, classes)
    assert str(count) in make.__doc__


TABLES = {
    "LeNet-5": (models.lenet5, {}),
    "ConvNetJS": (models.convnetjs, {}),
    "AlexNet": (models.alexnet, {}),
    "AlexNet, one group": (models.alexnet, {"groups": 1}),
    "ZFNet": (models.zfnet, {}),
    **{f"VGG-{letter}": (models.vgg, {"configuration": letter}) for letter in "ABCDE"},
    "GoogLeNet": (models.googlenet, {}),
    **{f"ResNet-{depth}": (models.resnet, {"depth": depth}) for depth in (18, 34, 50, 101, 152)},
}
KINDS = {
    nn.Conv2d: "conv",
    nn.MaxPool2d: "pool",
    nn.AvgPool2d: "pool",
    nn.AdaptiveAvgPool2d: "pool",
    nn.BatchNorm2d: "norm",
    nn.Linear: "fc",
}


def as_run(model, x):
    """``(kind, shape, parameters, multiply-adds)`` of each layer of a torch model, in the order in which they run."""
    seen = []

    def note(layer, inputs, output):
        weights = layer.weight.numel() if isinstance(layer, nn.Conv2d | nn.Linear) else 0
        positions = output[0, 0].numel()  # how often each weight is used
        parameters = sum(p.numel() for p in layer.parameters())
        seen.append((KINDS[type(layer)], tuple(output.shape[1:]), parameters, weights * positions))

    for layer in model.modules():
        if type(layer) in KINDS:
            layer.register_forward_hook(note)
    model(x)
    return seen


def test_every_preset_is_compared():
    assert set(TABLES) == set(shapes.PRESETS)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_torch_runs(name):
    make, options = TABLES[name]
    layers, input_shape = shapes.PRESETS[name]
    x = picture(make)
    assert input_shape == tuple(x.shape[1:])
    rows = [row for row in shapes.table(layers, input_shape) if row.kind != "join"]
    ours = [(row.kind, row.shape, row.parameters, row.multiply_adds) for row in rows]
    theirs = as_run(build(make, **options), x)
    # A shortcut is written after its branch and runs before it.
    assert sorted(ours) == sorted(theirs)
    assert [o for o in ours if o[0] == "pool"] == [t for t in theirs if t[0] == "pool"]


def test_a_block_of_each_kind_passes_pictures_of_any_size_and_learns():
    blocks = [
        (models.Inception(6, 2, 3, 4, 2, 3, 1), 10),
        (models.BasicBlock(6, 6), 6),
        (models.BasicBlock(6, 8, 2), 8),
        (models.Bottleneck(6, 8, groups=2, width=3), 8),
        (models.Bottleneck(6, 8, 2, reduction=4), 8),
        (models.SqueezeExcite(6, 2), 6),
        (models.DenseBlock(6, 2, 3), 12),
        (models.DenseBlock(6, 2, 3, bottleneck=4), 12),
    ]
    for block, channels in blocks:
        x = torch.randn(2, 6, 6, 8, requires_grad=True)
        y = block(x)
        y.square().sum().backward()
        assert y.shape[:2] == (2, channels)
        assert all(p.grad is not None for p in (x, *block.parameters()))


def test_depths_that_no_small_resnet_has_are_refused():
    for depth in (2, 18, 21):
        with pytest.raises(ValueError, match=str(depth)):
            models.resnet_cifar(depth)


def test_the_shortcut_without_parameters_keeps_every_second_pixel():
    block = models.BasicBlock(2, 4, 2, models.blocks.PadShortcut).eval()
    nn.init.zeros_(block.branch[0][0].weight)
    x = torch.randn(1, 2, 6, 6)
    y = block(x)
    assert torch.equal(y[:, 1:3], x[:, :, ::2, ::2].relu())
    assert not y[:, [0, 3]].any()
