"""Unit 08, first part: tables of layers, and the networks that are one stack of them."""

import math

from torch import nn

from cnnkit import models, shapes
from cnnkit import oracle as ref
from cnnkit.cases import Case
from cnnkit.exercises.blocks import hidden
from cnnkit.exercises.probing import network_probe, rebuilt, swapped, without
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("08-architectures")

LENET = [("conv", 6, 5), ("pool", 2, 2), ("conv", 16, 5), ("pool", 2, 2), ("conv", 120, 5), ("fc", 84), ("fc", 10)]


def alexnet_layers(groups):
    return [
        *(("conv", 96, 11, 4), ("pool", 3, 2), ("conv", 256, 5, 1, 2, groups), ("pool", 3, 2)),
        *(("conv", 384, 3, 1, 1), ("conv", 384, 3, 1, 1, groups), ("conv", 256, 3, 1, 1, groups), ("pool", 3, 2)),
        *(("fc", 4096), ("fc", 4096), ("fc", 1000)),
    ]


# Tables


def table_cases(rng):
    number = lambda low, high: int(rng.integers(low, high))
    volume = lambda: (number(1, 5), number(12, 20), number(20, 30))

    def conv(*rest):
        return ("conv", number(2, 40), number(1, 6), *rest)

    yield Case("conv", ([("conv", 10, 5, 1, 2)], (3, 32, 32)))  # deck c: 32 x 32 x 10, 760 parameters
    yield Case("conv", ([("conv", 6, 5)], (3, 32, 32)))
    yield Case("conv", ([("conv", 10, 3, 3)], (3, 7, 7)))  # 2.33, rounded down
    yield Case("conv", ([("conv", 32, 1)], (64, 56, 56)))
    for _ in range(3):
        yield Case("conv", ([conv()], volume()))
        yield Case("conv", ([conv(number(2, 4))], volume()))
        yield Case("conv", ([conv(number(1, 4), number(1, 4))], volume()))
    yield Case("conv", ([conv(), conv(2), conv(1, 2)], volume()))
    yield Case("conv", ([conv(), conv()], (number(1, 5), 17, 17)))
    for k, stride in ((2, 2), (3, 2), (2, 3), (3, 3), (3, 1), (1, 2)):
        yield Case("pool", ([("pool", k, stride)], (number(1, 9), number(9, 20), number(9, 20))))
    yield Case("pool", ([("pool", 3, 2)], (96, 55, 55)))
    yield Case("pool", ([("pool", 2, 2)], (5, 7, 9)))
    yield Case("pool", ([conv(), ("pool", 2, 2), conv(), ("pool", 3, 2)], (3, number(24, 30), number(20, 24))))
    yield Case("pool", ([("pool", 2, 2), ("pool", 2, 2), conv(1, 1)], (2, number(12, 20), number(20, 30))))
    yield Case("fc", ([("fc", 10)], (3, 32, 32)))
    yield Case("fc", ([("fc", number(2, 50))], volume()))
    yield Case("fc", ([("fc", number(2, 50)), ("fc", number(2, 50)), ("fc", number(2, 9))], volume()))
    yield Case("fc", ([("fc", 30), ("fc", 10)], (1, 28, 28)))  # Nielsen's network
    yield Case("fc", ([conv(), ("pool", 2, 2), ("fc", number(2, 50)), ("fc", number(2, 9))], volume()))
    yield Case("fc", ([conv(2), ("fc", 7), ("fc", number(2, 9))], volume()))
    yield Case("fc", (LENET, (1, 32, 32)))
    for groups in (2, 3, 4):
        k, c = number(1, 5), number(1, 5)
        yield Case("groups", ([("conv", groups * number(2, 9), k, 1, 1, groups)], (groups * c, number(6, 9), 11)))
    yield Case("groups", ([("conv", 12, 3, 1, 1, 12)], (12, number(6, 9), 8)))  # depthwise
    yield Case("groups", ([conv(), ("conv", 9, 3, 2, 0, 1)], volume()))
    yield Case("groups", ([("conv", 6, 1), ("conv", 8, 3, 2, 1, 2), ("fc", number(2, 9))], volume()))
    yield Case("groups", (alexnet_layers(2), (3, 227, 227)))
    yield Case("groups", (alexnet_layers(1), (3, 227, 227)))
    yield Case("fit", ([("conv", 4, 5)], (2, 5, 9)))
    yield Case("fit", ([("conv", 4, 5, 1, 1)], (2, 3, number(3, 9))))
    yield Case("fit", ([("pool", 4, 2)], (2, 4, number(4, 9))))
    yield Case("fit", ([("conv", 4, 5)], (2, 4, 9)), raises=True)
    yield Case("fit", ([("conv", 4, 5)], (2, 9, 4)), raises=True)
    yield Case("fit", ([("conv", 4, 5, 2, 1)], (2, 2, 8)), raises=True)
    yield Case("fit", ([("conv", 4, 3), ("pool", 8, 8)], (2, 9, 12)), raises=True)
    yield Case("fit", ([("pool", 3, 2)], (2, 7, 2)), raises=True)
    yield Case("fit", (LENET, (1, 31 - number(0, 9), 28)), raises=True)


def changed(layers=lambda layers: layers, row=lambda row: row):
    """The reference on other layers, or with other rows."""
    return lambda table, input_shape: [row(r) for r in ref.layer_table(layers(table), input_shape)]


def recounted(conv=None, fc=None):
    """The reference with parameters counted otherwise.

    Args:
        conv: ``conv(channels in, filters, k, groups)``.
        fc: ``fc(shape in, units)``.
    """

    def answer(layers, input_shape):
        rows, given, right = [], input_shape, ref.layer_table(layers, input_shape)
        for (kind, *numbers), (name, shape, parameters) in zip(layers, right, strict=True):
            if kind == "conv" and conv:
                parameters = conv(given[0], numbers[0], numbers[1], (numbers[4:] or [1])[0])
            if kind == "fc" and fc:
                parameters = fc(given, numbers[0])
            rows.append((name, shape, parameters))
            given = shape
        return rows

    return answer


def resized(side):
    """The reference with another ``side(n, k, stride, pad)`` of what a window leaves of n."""

    def answer(layers, input_shape):
        rows, shape, numbers = [], input_shape, {}
        for kind, *rest in layers:
            if kind == "fc":
                parameters, shape = rest[0] * (math.prod(shape) + 1), (rest[0],)
            else:
                conv = (*rest, *(1, 0, 1)[len(rest) - 2 :])  # trailing values may be left out
                filters, k, stride, pad, groups = conv if kind == "conv" else (shape[0], *rest, 0, 1)
                parameters = shapes.conv_params(shape[0], filters, k, True, groups) if kind == "conv" else 0
                shape = (filters, *(side(n, k, stride, pad) for n in shape[1:]))
            numbers[kind] = numbers.get(kind, 0) + 1
            rows.append((f"{kind}{numbers[kind]}", shape, parameters))
        return rows

    return answer


def numbered(name):
    """The reference with names from ``name(kind, number among its kind, number in the list)``, both from 1."""

    def answer(layers, input_shape):
        rows, numbers = [], {}
        for i, (name_, *rest) in enumerate(ref.layer_table(layers, input_shape), start=1):
            kind = name_.rstrip("0123456789")
            numbers[kind] = numbers.get(kind, 0) + 1
            rows.append((name(kind, numbers[kind], i), *rest))
        return rows

    return answer


@UNIT.exercise("layer_table(layers, input_shape)", points={"conv": 1, "pool": 1, "fc": 1, "groups": 1, "fit": 1})
class LayerTable:
    cases = table_cases
    oracle = ref.layer_table
    bugs = (
        Bug(
            "biases forgotten",
            "You count the weights only. Each filter and each unit has one bias as well: 10 filters of 5 x 5 over 3 "
            "channels are 10 * (75 + 1) = 760 numbers.",
            recounted(lambda c, f, k, g: f * c * k * k // g, lambda given, units: units * math.prod(given)),
            (
                recounted(conv=lambda c, f, k, g: f * c * k * k // g),
                recounted(fc=lambda given, units: units * math.prod(given)),
            ),
        ),
        Bug(
            "flatten forgotten",
            "A fully connected layer sees every number of the volume before it, C * H * W of them, not one per "
            "channel or one per column.",
            recounted(fc=lambda given, units: units * (given[0] + 1)),
            (
                recounted(fc=lambda given, units: units * (given[-1] + 1)),
                recounted(fc=lambda given, units: units * (math.prod(given[1:] or given) + 1)),
            ),
        ),
        Bug(
            "groups ignored",
            "With g groups a filter sees only its share of the channels, C / g: fewer weights, as many biases.",
            recounted(conv=lambda c, f, k, g: f * (c * k * k + 1)),
            (
                recounted(conv=lambda c, f, k, g: f * (c * k * k + 1) // g),
                recounted(conv=lambda c, f, k, g: f * (c // g * k * k) // g + f),
            ),
        ),
        Bug(
            "kernel not squared",
            "A filter of side k has k * k weights for each channel.",
            recounted(conv=lambda c, f, k, g: f * (c // g * k + 1)),
        ),
        Bug(
            "one bias in all",
            "There is one bias per filter (or unit), not one for the whole layer.",
            recounted(lambda c, f, k, g: f * c * k * k // g + 1, lambda given, units: units * math.prod(given) + 1),
        ),
        Bug(
            "rounded up",
            "Where the windows leave a rest, you count one more that hangs over the edge. Sizes round down, as in "
            "PyTorch: AlexNet's 13 becomes 6 under windows of 3 at stride 2, and 7 under 3 at stride 3 becomes 2.",
            resized(lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1),
            (resized(lambda n, k, s, p: round((n + 2 * p - k) / s) + 1),),
        ),
        Bug(
            "pads once",
            "Padding goes on both ends of a side: n + 2 * pad.",
            resized(lambda n, k, s, p: (n + p - k) // s + 1),
            (resized(lambda n, k, s, p: (n - k) // s + 1),),
        ),
        Bug(
            "no +1",
            "The first window counts, too: (n + 2 * pad - k) // stride + 1.",
            resized(lambda n, k, s, p: (n + 2 * p - k) // s),
            (resized(lambda n, k, s, p: (n + 2 * p) // s),),
        ),
        Bug(
            "names counted across kinds",
            "The number in a name counts the layers of its own kind: conv1, pool1, conv2, pool2, fc1.",
            numbered(lambda kind, own, i: f"{kind}{i}"),
        ),
        Bug(
            "names counted from 0",
            "The first of a kind is number 1: conv1, pool1, fc1.",
            numbered(lambda kind, own, i: f"{kind}{own - 1}"),
            (numbered(lambda kind, own, i: f"{kind}{i - 1}"),),
        ),
        Bug(
            "channels last",
            "Shapes are (C, H, W) here, the number of maps first.",
            changed(row=lambda row: (row[0], (*row[1][1:], row[1][0]), row[2])),
        ),
        Bug(
            "no error where nothing fits",
            "Where a window is larger than what it slides over, there is no such network. Raise a ValueError that "
            "names the numbers.",
            resized(lambda n, k, s, p: (n + 2 * p - k) // s + 1),
            (resized(lambda n, k, s, p: max(0, (n + 2 * p - k) // s + 1)),),
        ),
    )


# Networks


def without_bias(module):
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.bias = None
    return module


def ended(last):
    """A change of a stack: one layer more at its end."""
    return lambda module: module.append(last())


def module_bugs(make):
    """Mistakes in any network: what students put behind the scores, and layers that torch does not find."""
    hint = (
        "Something comes after the last layer. Its outputs are scores, which may be negative and of any size: a ReLU "
        "there would cut off half of them, and the softmax is part of the loss (torch's cross_entropy applies it "
        "itself)."
    )
    ways = [nn.ReLU, lambda: nn.Softmax(dim=1), lambda: nn.LogSoftmax(dim=1), nn.Sigmoid, nn.Tanh]
    first, *others = (rebuilt(make, ended(way)) for way in ways)
    # What is hidden is not put into eval mode, and dropout would make two such networks differ.
    unregistered = hidden(lambda *args, **kwargs: make(*args, **kwargs).eval())
    return (Bug("last ReLU", hint, first, tuple(others)), unregistered)


def stack_bugs(make, conv_activations):
    """Mistakes in any stack of convolutions with ReLU, max pooling and three fully connected layers.

    Args:
        make: the reference.
        conv_activations: how many of its ReLUs follow convolutions.
    """

    def straight(first, stop):
        def change(module):
            activations = [layer for layer in module.modules() if isinstance(layer, nn.ReLU)]
            chosen = set(map(id, activations[first:stop]))
            return swapped(nn.ReLU, lambda layer: nn.Identity() if id(layer) in chosen else layer)(module)

        return rebuilt(make, change)

    mean = lambda pool: nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding)
    # Any one of a short stack; of a long one, whose convolutions are made in a loop, the last three.
    single = range(-min(conv_activations, 5) - 1, 0) if conv_activations < 8 else range(-3, 0)
    return (
        *module_bugs(make),
        Bug(
            "a ReLU is missing",
            "Between two layers with weights there is none of the ReLUs. Two linear layers in a row are one: every "
            "convolution has its ReLU, and so have the fully connected layers, but for the last.",
            straight(0, None),
            (
                straight(0, conv_activations),
                straight(conv_activations, None),
                straight(0, 1),
                *(straight(i, i + 1 or None) for i in single),
            ),
        ),
        Bug(
            "mean for maximum",
            "The pooling layers of this network keep the largest value of each window; yours take the mean.",
            rebuilt(make, swapped(nn.MaxPool2d, mean)),
        ),
        Bug(
            "biases left out",
            "Every filter and every unit has a bias here: leave bias=True as it is. Batch norm, which would make "
            "biases superfluous, came in 2015.",
            rebuilt(make, without_bias),
        ),
    )


def first_linear(n_in):
    """A change of a stack: its first fully connected layer takes ``n_in`` numbers."""

    def change(module):
        first = next(layer for layer in module.modules() if isinstance(layer, nn.Linear))
        other = nn.Linear(n_in, first.out_features)
        return swapped(nn.Linear, lambda layer: other if layer is first else layer)(module)

    return change


FLATTEN_HINT = (
    "The first fully connected layer takes all numbers of the last volume, {}. Follow the side of the picture through "
    "all layers, with layer_table or by printing x.shape, and multiply."
)


def network_cases(side, calls, ask="layers", channels=3, closer=None):
    """The cases of a network.

    Args:
        side: of the pictures.
        calls: ``(args, kwargs)`` of each way to call the answer; the first is run in training mode as well.
        ask: what is asked beside the number of parameters.
        channels: of the pictures.
        closer: ``closer(rng)`` chooses the calls of which that is asked; None takes all.
    """

    def cases(rng):
        x = {"side": side, "channels": channels}
        for args, kwargs in calls:
            yield Case("parameters", args, {"ask": "parameters", **x, **kwargs})
        chosen = closer(rng) if closer else calls
        for args, kwargs in chosen:
            for seed in rng.integers(1, 1 << 16, 2 if len(chosen) == 1 else 1):
                yield Case(ask, args, {"ask": ask, **x, "seed": int(seed), **kwargs})
        args, kwargs = calls[0]
        yield Case("training", args, {"ask": "training", **x, **kwargs})

    return cases


def lenet5_ending_in(side):
    """LeNet-5 whose C5 takes maps of this side."""
    change = swapped(nn.Conv2d, lambda c: nn.Conv2d(16, 120, side) if c.out_channels == 120 else c)
    return rebuilt(models.lenet5, change)


def with_scales(net):
    """A factor and a shift for each map of the two subsampling layers."""
    maps = iter((6, 16))
    return swapped(nn.AvgPool2d, lambda pool: nn.Sequential(pool, nn.BatchNorm2d(next(maps))))(net)


def strided(net):
    """C1 and C3 move by 2, which gives the sizes that pooling gives."""
    net[0].stride = net[3].stride = (2, 2)
    return swapped(nn.AvgPool2d, lambda pool: nn.Identity())(net)


@UNIT.exercise("lenet5()", points={"parameters": 1, "activations": 1, "training": 1})
class LeNet5:
    cases = network_cases(32, [((), {})], "activations", channels=1)
    probe = network_probe
    oracle = models.lenet5
    bugs = (
        Bug(
            "flatten size",
            "Follow the side of the picture: 32, under 5x5 28, halved 14, under 5x5 10, halved 5. C5 sees all of 16 x "
            "5 x 5, which is 400 numbers for each of its 120 units.",
            lenet5_ending_in(4),
            (lenet5_ending_in(6), lenet5_ending_in(1), lenet5_ending_in(7)),
        ),
        *module_bugs(models.lenet5),
        Bug(
            "no activation",
            "Nothing bends between the layers. Mean pooling is linear as well, so without tanh (or another "
            "non-linearity) after C1, C3, C5 and F6 the network is one linear map.",
            rebuilt(models.lenet5, swapped(nn.Tanh, lambda tanh: nn.Identity())),
        ),
        Bug(
            "one activation missing",
            "One of the four non-linearities is not there: they stand after C1, C3, C5 and F6.",
            without(models.lenet5, nn.Tanh, 0),
            tuple(without(models.lenet5, nn.Tanh, number) for number in range(1, 4)),
        ),
        Bug(
            "biases left out",
            "Every filter and every unit has a bias: 6 * (25 + 1) = 156 numbers in C1.",
            rebuilt(models.lenet5, without_bias),
        ),
        Bug(
            "trained subsampling",
            "You gave the subsampling layers weights of their own, as the paper has them: 2 per map. Here they only "
            "average (or take the maximum), which leaves 61706 parameters in all.",
            rebuilt(models.lenet5, with_scales),
        ),
        Bug(
            "strides for poolings",
            "The sizes come out right, but C1 and C3 jump over every other position. Here they move by 1, to 28 and to "
            "10, and the subsampling layers S2 and S4 halve these.",
            rebuilt(models.lenet5, strided),
        ),
        Bug(
            "a layer is missing",
            "One of the layers C5 and F6 is not there. After S4 come 120, then 84, then 10.",
            rebuilt(models.lenet5, lambda net: nn.Sequential(*net[:9], nn.Linear(120, 10))),
            (rebuilt(models.lenet5, lambda net: nn.Sequential(*net[:6], nn.Flatten(), nn.Linear(400, 84), *net[10:])),),
        ),
    )


def deck_stride(net):
    """Deck d's list has stride 2 in the second convolution."""
    net[2][0].stride = (2, 2)
    return first_linear(256 * 2 * 2)(net)


def grouped(*groups):
    """An AlexNet with these groups in its five convolutions, where any are asked for."""

    def make(wanted):
        net = models.alexnet(1)
        convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
        own = dict(zip(map(id, convolutions), groups if wanted > 1 else (1,) * 5, strict=True))

        def again(c):
            return nn.Conv2d(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, groups=own[id(c)])

        return swapped(nn.Conv2d, again)(net)

    return lambda groups=2: make(groups)


def first_padding(pad):
    """A change of a stack: its first convolution pads by so much."""

    def change(module):
        first = next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
        first.padding = (pad, pad)
        return module

    return change


def unpadded(net):
    """A ZFNet whose poolings do not pad, with a first linear layer that takes what is left."""
    return first_linear(256 * 5 * 5)(swapped(nn.MaxPool2d, lambda pool: nn.MaxPool2d(3, 2))(net))


@UNIT.exercise("alexnet(groups=2)", points={"parameters": 2, "layers": 2, "training": 1})
class AlexNet:
    cases = network_cases(227, [((), {}), ((), {"groups": 1}), ((), {"groups": 2}), ((1,), {})])
    probe = network_probe
    oracle = models.alexnet
    bugs = (
        Bug(
            "groups ignored",
            "The number of parameters does not depend on groups as it should. Convolutions 2, 4 and 5 have "
            "groups=groups, which halves their weights for two groups; 1 and 3 see all channels.",
            lambda groups=2: models.alexnet(1),
            (lambda groups=2: models.alexnet(2), lambda groups=2: models.alexnet(3 - groups)),
        ),
        Bug(
            "groups in the wrong layers",
            "Groups belong to convolutions 2, 4 and 5, whose inputs lay on the same GPU, and to no other. Deck d's "
            "table has 1.3M for the fourth, as if it had none: with two groups it is 664K.",
            grouped(1, 2, 1, 1, 2),
            (grouped(1, 2, 2, 2, 2), grouped(1, 2, 2, 2, 1), grouped(1, 1, 1, 2, 2), grouped(1, 2, 1, 2, 1)),
        ),
        Bug(
            "flatten size",
            FLATTEN_HINT.format("256 x 6 x 6 = 9216"),
            rebuilt(models.alexnet, first_linear(256 * 5 * 5)),
            (
                rebuilt(models.alexnet, first_linear(256 * 13 * 13)),
                rebuilt(models.alexnet, first_linear(256 * 7 * 7)),
                rebuilt(models.alexnet, first_linear(256)),
            ),
        ),
        Bug(
            "stride of the second convolution",
            "Your second convolution moves by 2, as deck d's list says. Its table says stride 1 with padding 2, and "
            "only that gives 27 x 27.",
            rebuilt(models.alexnet, deck_stride),
        ),
        Bug(
            "padding of the first convolution",
            "For pictures of 227 x 227 the first convolution has no padding: (227 - 11) / 4 + 1 = 55. Padding by 2, as "
            "some implementations have it, belongs to 224 x 224.",
            rebuilt(models.alexnet, first_padding(2)),
        ),
        Bug(
            "pooling windows of 2",
            "The windows of the pooling layers are 3 wide and move by 2, so that neighbours overlap. Windows of 2 "
            "lead to the same sizes here, 27, 13 and 6, but each sees less.",
            rebuilt(models.alexnet, swapped(nn.MaxPool2d, lambda pool: nn.MaxPool2d(2, 2))),
        ),
        *stack_bugs(models.alexnet, 5),
    )


@UNIT.exercise("zfnet()", points={"parameters": 1, "layers": 1, "training": 1})
class ZFNet:
    cases = network_cases(224, [((), {})])
    probe = network_probe
    oracle = models.zfnet
    bugs = (
        Bug(
            "the larger variant",
            "512, 1024 and 512 maps, as deck d says, are the larger variant that the paper tries in its section 5.1. "
            "The network of its figure 3 has 384, 384 and 256.",
            lambda: models.zfnet((512, 1024, 512)),
        ),
        Bug(
            "AlexNet's first layer",
            "The first layer is what ZFNet changed: 7 x 7 with stride 2, where AlexNet has 11 x 11 with stride 4.",
            lambda: models.alexnet(1),
            (lambda: nn.Sequential(nn.Conv2d(3, 96, 11, 4, 2), *models.zfnet()[1:]),),
        ),
        Bug(
            "flatten size",
            FLATTEN_HINT.format("256 x 6 x 6 = 9216"),
            rebuilt(models.zfnet, first_linear(256 * 5 * 5)),
            (rebuilt(models.zfnet, first_linear(256 * 7 * 7)), rebuilt(models.zfnet, first_linear(256 * 13 * 13))),
        ),
        Bug(
            "poolings not padded",
            "Pad the first two pooling layers by 1: 110 becomes 55 and 26 becomes 13, as in the paper's figure. "
            "Without it they become 54 and 12, and 5 x 5 are left in the end; the last pooling has none.",
            rebuilt(models.zfnet, unpadded),
        ),
        Bug(
            "padding of the first convolution",
            "The first convolution turns 224 into 110, with padding 1; yours has another size.",
            rebuilt(models.zfnet, first_padding(0)),
            (rebuilt(models.zfnet, first_padding(2)), rebuilt(models.zfnet, first_padding(3))),
        ),
        *stack_bugs(models.zfnet, 5),
    )


def deeper_than(letters, instead):
    """VGG with one configuration in place of others."""
    return lambda configuration: models.vgg(instead if configuration in letters else configuration)


def with_batch_norm(net):
    return swapped(nn.Conv2d, lambda c: nn.Sequential(c, nn.BatchNorm2d(c.out_channels)))(net)


@UNIT.exercise("vgg(configuration)", points={"parameters": 2, "layers": 2, "training": 1})
class VGG:
    # C has the 1x1 convolutions, E is the deepest; one of the others takes turns.
    cases = network_cases(
        224,
        [((letter,), {}) for letter in "ABCDE"],
        closer=lambda rng: [((letter,), {}) for letter in (str(rng.choice(["A", "B", "D"])), "C", "E")],
    )
    probe = network_probe
    oracle = models.vgg
    bugs = (
        Bug(
            "configuration ignored",
            "The same network comes out whatever the letter is. The columns of the table differ in how many "
            "convolutions stand between two poolings.",
            deeper_than("ABCE", "D"),
            tuple(deeper_than("ABCDE", letter) for letter in "ABCE"),
        ),
        Bug(
            "C taken for D",
            "In configuration C the last convolution of stages 3, 4 and 5 is 1 x 1 (without padding), not 3 x 3. That "
            "is all that separates it from D.",
            deeper_than("C", "D"),
        ),
        Bug(
            "flatten size",
            FLATTEN_HINT.format("512 x 7 x 7 = 25088"),
            rebuilt(models.vgg, first_linear(512)),
            (rebuilt(models.vgg, first_linear(512 * 14 * 14)), rebuilt(models.vgg, first_linear(512 * 6 * 6))),
        ),
        Bug(
            "batch norm added",
            "Batch norm came a year after VGG; with it there are two numbers more for each map.",
            rebuilt(models.vgg, with_batch_norm),
        ),
        *stack_bugs(lambda configuration: models.vgg(configuration), 16),
    )
