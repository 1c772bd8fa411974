"""Unit 08, second part: the blocks that later networks are made of, examined by what they do."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from cnnkit import models
from cnnkit.cases import Case
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.probing import block_probe, rebuilt, swapped, without
from cnnkit.exercises.specification import Bug, Unit
from cnnkit.models.blocks import PadShortcut, conv_bn, conv_relu

UNIT = Unit("08-architectures")

POINTS = {"training": 1, "weights": 1}
"""Of every block: one for what training asks of it, one for the number of its weights."""


class Asked:
    """Makes the cases of a block.

    Args:
        rng: numpy Generator.
    """

    def __init__(self, rng):
        self.rng = rng

    def number(self, low, high):
        return int(self.rng.integers(low, high))

    def x(self, channels, n=2, dtype="float32", sides=None):
        h, w = sides or (self.number(5, 8), self.number(8, 11))
        return draw(self.rng, (n, channels, h, w), dtype)

    def output(self, group, args, weights, x, **more):
        seed = {} if weights == "all 0" else {"seed": self.number(1, 1 << 16)}
        return Case(group, args, {"x": x, "weights": weights, **seed, **more})

    def weights(self, args, **more):
        return Case("weights", args, {"ask": "weights", "x": self.x(args[0], 1), **more})

    def training(self, args, n=2, **more):
        return Case("training", args, {"ask": "training", "x": self.x(args[0], n), **more})


def none_in(layer, block, part=None):
    """A block without the layers of one kind, in one part of it or everywhere."""
    swapped(layer, lambda _: nn.Identity())(part or block)
    return block


def none_of(layer, make):
    """An answer with none of the layers of one kind."""
    return rebuilt(make, lambda block: none_in(layer, block))


NOT_REGISTERED = Bug(
    "layers not registered",
    "Your block computes, but holds no parameters that torch knows of: an optimiser would train nothing. Layers must "
    "be attributes of the module (self.conv = ...), or in an nn.ModuleList or nn.Sequential; in a plain Python list "
    "or dict torch does not find them.",
    lambda *args, **kwargs: None,
)


def hidden(make):
    """The bug of a module whose layers torch does not see."""

    class Hidden(nn.Module):
        def __init__(self, *args, **kwargs):
            super().__init__()
            self.layers = [make(*args, **kwargs)]

        def forward(self, x):
            return self.layers[0](x)

    return Bug(NOT_REGISTERED.name, NOT_REGISTERED.hint, Hidden)


# Inception


def inception_cases(rng):
    ask = Asked(rng)
    widths = lambda: tuple(int(i) for i in rng.choice(range(2, 12), 7, replace=False))
    for n, dtype in ((2, "float32"), (1, "float32"), (3, "float64"), (1, "float64")):
        args = widths()
        yield ask.output("branches", args, "means", abs(ask.x(args[0], n, dtype)))
    yield ask.output("branches", (3, 4, 2, 4, 5, 4, 4), "means", abs(ask.x(3)))  # all branches equally wide
    yield ask.output("branches", (4,) * 7, "means", abs(ask.x(4, sides=(6, 6))))
    yield ask.output("branches", (1, 2, 1, 3, 1, 4, 1), "means", abs(ask.x(1)))
    yield ask.output("branches", widths_of := widths(), "all 0", ask.x(widths_of[0]))
    for n, dtype in ((2, "float32"), (1, "float64"), (2, "float64")):
        args = widths()
        yield ask.output("ReLU", args, "random", ask.x(args[0], n, dtype))
        yield ask.output("ReLU", args, "negative in the middle of the kernel", ask.x(args[0], n, dtype))
    yield ask.weights(widths())
    yield ask.weights((192, 64, 96, 128, 16, 32, 32))  # GoogLeNet's first
    yield ask.weights((4,) * 7)
    yield ask.training(widths())
    yield ask.training(widths(), n=1)


class OtherInception(nn.Module):
    """The Inception block with its joints open.

    Args:
        c_in, c1, c3r, c3, c5r, c5, cp: as of the block.
        join: from the list of the four branches' outputs to the block's.
        pool: what stands in the last branch before its convolution.
        reduce: whether 1x1 convolutions stand before the larger ones.
    """

    def __init__(self, c_in, c1, c3r, c3, c5r, c5, cp, join=None, pool=None, reduce=True):
        super().__init__()
        self.join = join or (lambda maps: torch.cat(maps, 1))
        self.point = conv_relu(c_in, c1, 1)
        self.small = conv_relu(c3r if reduce else c_in, c3, 3, pad=1)
        self.large = conv_relu(c5r if reduce else c_in, c5, 5, pad=2)
        if reduce:
            self.small = nn.Sequential(conv_relu(c_in, c3r, 1), self.small)
            self.large = nn.Sequential(conv_relu(c_in, c5r, 1), self.large)
        self.pool = nn.Sequential(pool or nn.MaxPool2d(3, 1, 1), conv_relu(c_in, cp, 1))

    def forward(self, x):
        return self.join([branch(x) for branch in (self.point, self.small, self.large, self.pool)])


def inception(**changes):
    return lambda *args: OtherInception(*args, **changes)


def in_order(*order):
    return inception(join=lambda maps: torch.cat([maps[i] for i in order], 1))


def added(maps):
    """The sum of maps where they are equally many."""
    return sum(maps) if len({m.shape for m in maps}) == 1 else torch.cat(maps, 1)


def relu_kept(keep):
    """An Inception block with ReLU only where ``keep(position in its branch, length of the branch)``."""

    def change(block):
        for branch in block.children():
            steps = [step for step in branch.modules() if isinstance(step, nn.ReLU)]
            kept = {id(step) for i, step in enumerate(steps) if keep(i, len(steps))}
            swapped(nn.ReLU, lambda step, kept=kept: step if id(step) in kept else nn.Identity())(branch)
        return block

    return rebuilt(models.Inception, change)


def pooled_last(block):
    """An Inception block whose last branch pools what its convolution made."""
    block.pool = nn.Sequential(*reversed(block.pool))
    return block


@UNIT.exercise("inception_block(c_in, c1, c3r, c3, c5r, c5, cp)", points={"branches": 2, "ReLU": 1, **POINTS})
class InceptionBlock:
    cases = inception_cases
    probe = block_probe
    oracle = lambda c_in, c1, c3r, c3, c5r, c5, cp: models.Inception(c_in, c1, c3r, c3, c5r, c5, cp)
    bugs = (
        Bug(
            "added for concatenated",
            "Where the branches are equally wide, you add their maps up. They are stacked, one behind the other: c1 + "
            "c3 + c5 + cp channels come out (torch.cat(..., dim=1)).",
            inception(join=added),
        ),
        Bug(
            "branches in another order",
            "The four branches are there, but stacked in another order than 1x1, 3x3, 5x5, pooling.",
            in_order(3, 0, 1, 2),
            (in_order(0, 2, 1, 3), in_order(1, 0, 2, 3), in_order(3, 2, 1, 0), in_order(0, 1, 3, 2)),
        ),
        Bug(
            "a ReLU is missing",
            "Not every convolution is followed by ReLU. There are six, the two 1x1 convolutions that reduce the "
            "channels among them.",
            none_of(nn.ReLU, models.Inception),
            (
                relu_kept(lambda i, n: i == n - 1),
                relu_kept(lambda i, n: i < n - 1),
                *(without(models.Inception, nn.ReLU, number) for number in range(6)),
            ),
        ),
        Bug(
            "mean for maximum",
            "The last branch takes the maximum of each 3x3 window (stride 1, padding 1), not the mean.",
            inception(pool=nn.AvgPool2d(3, 1, 1)),
            (inception(pool=nn.AvgPool2d(3, 1, 1, count_include_pad=False)),),
        ),
        Bug(
            "no pooling",
            "The last branch is a 1x1 convolution of the input as it is. A max pooling with windows of 3, stride 1 "
            "and padding 1 comes before it.",
            inception(pool=nn.Identity()),
        ),
        Bug(
            "convolution before the pooling",
            "The last branch pools what its 1x1 convolution made. The maximum of the input comes first, then the "
            "convolution, which brings its channels down to cp.",
            rebuilt(models.Inception, pooled_last),
        ),
        Bug(
            "the two reductions exchanged",
            "c3r is the width before the 3x3 filters and c5r that before the 5x5 filters. You have them the other way "
            "round.",
            lambda c_in, c1, c3r, c3, c5r, c5, cp: models.Inception(c_in, c1, c5r, c3, c3r, c5, cp),
        ),
        Bug(
            "no reduction",
            "Your 3x3 and 5x5 filters see all channels of the input. In the paper's figure 2b a 1x1 convolution to "
            "c3r (or c5r) channels comes first, which saves most of the work.",
            inception(reduce=False),
        ),
        Bug(
            "3x3 for 5x5",
            "The third branch has filters of 3 x 3, as a well-known implementation has them; the paper's are 5 x 5, "
            "padded by 2.",
            lambda *args: models.Inception(*args, large=3),
        ),
        hidden(models.Inception),
    )


# Residual blocks


def shortcut_cases(ask, equal, other, **options):
    """What all residual blocks have in common.

    Args:
        ask: an ``Asked``.
        equal: channels of a block whose shortcut is the input itself.
        other: ``[(c_in, c_out, options)]`` whose shortcut has to change the shape.
        options: for every call.
    """
    for n, dtype, train in ((2, "float32", False), (1, "float64", False), (3, "float32", True), (1, "float32", True)):
        c = equal()
        more = {"train": True} if train else {}
        yield ask.output("identity", (c, c), "all 0", ask.x(c, n, dtype), **more, **options)
    yield ask.output("identity", (4, 4), "all 0", ask.x(4, 4, sides=(4, 4)), **options)
    for n, dtype in ((2, "float32"), (1, "float32"), (2, "float64")):
        c = equal()
        yield ask.output("branch", (c, c), "random kernels", ask.x(c, n, dtype), **options)
        yield ask.output("branch", (c, c), "negative in the middle of the kernel", ask.x(c, n, dtype), **options)
        yield ask.output("branch", (c, c), "middle of the kernel only", ask.x(c, n, dtype), **options)
    for c_in, c_out, changes in other:
        for weights in ("middle of the kernel only", "negative in the middle of the kernel"):
            yield ask.output("new shape", (c_in, c_out), weights, ask.x(c_in), **options, **changes)
        if "stride" not in changes:  # whole kernels, since there is no stride to be in one place or another
            yield ask.output("new shape", (c_in, c_out), "random kernels", ask.x(c_in), **options, **changes)
    c_in, c_out, changes = other[0]
    yield ask.output("new shape", (c_in, c_out), "all 0", ask.x(c_in, 1, "float64"), **options, **changes)
    for c_in, c_out, changes in (*other[:3], (equal_width := equal(), equal_width, {})):
        yield ask.weights((c_in, c_out), **options, **changes)
    yield ask.training((c_in, c_in), **options)
    yield ask.training((c_in, c_out), n=1, **options)
    yield ask.training(other[0][:2], **options, **other[0][2])


def residual_cases(rng):
    ask = Asked(rng)
    width = lambda: ask.number(2, 7)
    c = width()
    other = [
        (c, c + 2, {"stride": 2}),
        (c + 1, c, {}),
        (c, c, {"stride": 2}),
        (2, 6, {"stride": 3}),
        (3, 2, {"stride": 1}),
    ]
    yield from shortcut_cases(ask, width, other)
    for (c_in, c_out, changes), dtype in ((other[0], "float32"), (other[2], "float64"), (other[3], "float32")):
        # Whole kernels: they show which of the two has the stride.
        yield ask.output("new shape", (c_in, c_out), "random kernels", ask.x(c_in, dtype=dtype), **changes)


class OtherResidual(nn.Module):
    """A residual block with its joints open.

    Args:
        branch: a module.
        shortcut: a module.
        end: ``end(branch's output, shortcut's output)``.
    """

    def __init__(self, branch, shortcut, end):
        super().__init__()
        self.branch, self.shortcut, self.end = branch, shortcut, end

    def forward(self, x):
        return self.end(self.branch(x), self.shortcut(x))


def ending(make, end):
    """An answer of ``make``'s whose branch and shortcut meet otherwise."""
    return rebuilt(make, lambda block: OtherResidual(block.branch, block.shortcut, end))


def shortcut_as(make, shortcut):
    """An answer of ``make``'s with another ``shortcut(c_in, c_out, stride, block)``."""

    def answer(c_in, c_out, stride=1, **kwargs):
        block = make(c_in, c_out, stride, **kwargs)
        block.shortcut = shortcut(c_in, c_out, stride, block)
        return block

    return answer


class Nothing(nn.Module):
    """A shortcut that passes on zero."""

    def forward(self, x):
        return 0


def from_within(make):
    """An answer of ``make``'s whose shortcut starts behind the first ReLU of the branch."""

    def change(block):
        first = next(i for i, layer in enumerate(block.branch) if isinstance(layer, nn.ReLU)) + 1
        rest = OtherResidual(block.branch[first:], nn.Identity(), lambda branch, x: F.relu(branch + x))
        return nn.Sequential(block.branch[:first], rest)

    return rebuilt(make, change)


def residual_bugs(make, relus):
    """Mistakes of any residual block.

    Args:
        make: the reference.
        relus: how many ReLUs its branch has.
    """
    unchanged = lambda c_in, c_out, stride: stride == 1 and c_in == c_out
    then_relu = lambda module: nn.Sequential(module, nn.ReLU())
    return (
        Bug(
            "ReLU before the addition",
            "The last ReLU comes after the sum, not before it: with a branch of zeros the block gives relu(x). If the "
            "branch itself is rectified, it can add but never take away.",
            ending(make, lambda branch, shortcut: F.relu(branch) + shortcut),
            (ending(make, lambda branch, shortcut: F.relu(F.relu(branch) + shortcut)),),
        ),
        Bug(
            "no ReLU after the addition",
            "The sum goes out as it is. One more ReLU follows it.",
            ending(make, lambda branch, shortcut: branch + shortcut),
        ),
        Bug(
            "no shortcut",
            "With a branch of zeros nothing of the input is left: add x (or its projection) to what the branch gives.",
            ending(make, lambda branch, shortcut: F.relu(branch)),
        ),
        Bug(
            "no projection",
            "Where the number of channels or the size changes, the shortcut adds nothing, or pixels without weights. "
            "It has to be a 1x1 convolution with the block's stride, to c_out channels.",
            shortcut_as(make, lambda a, b, s, block: block.shortcut if unchanged(a, b, s) else Nothing()),
            (
                shortcut_as(
                    make, lambda a, b, s, block: block.shortcut if unchanged(a, b, s) else PadShortcut(a, b, s)
                ),
                shortcut_as(make, lambda a, b, s, block: conv_bn(a, b, 1, s) if a != b else Strided(s)),
            ),
        ),
        Bug(
            "projection always",
            "Where the shape stays, the shortcut is the input itself, without any weights. You have a 1x1 convolution "
            "there, too.",
            shortcut_as(make, lambda a, b, s, block: conv_bn(a, b, 1, s)),
        ),
        Bug(
            "projection of 3x3",
            "The shortcut's convolution is 1x1: it mixes channels and has nine times fewer weights than a 3x3.",
            shortcut_as(make, lambda a, b, s, block: block.shortcut if unchanged(a, b, s) else conv_bn(a, b, 3, s)),
        ),
        Bug(
            "shortcut rectified",
            "The projection is a convolution alone (with its batch norm): no ReLU comes before the sum.",
            shortcut_as(
                make, lambda a, b, s, block: block.shortcut if unchanged(a, b, s) else then_relu(block.shortcut)
            ),
            (shortcut_as(make, lambda a, b, s, block: then_relu(block.shortcut)),),
        ),
        Bug(
            "x overwritten",
            "Your shortcut adds what the branch has made, not what came in: with a branch of zeros nothing of the "
            "input is left. Give the branch's result another name than x.",
            ending(make, lambda branch, shortcut: F.relu(2 * branch)),
            (from_within(make),) if relus == 1 else (),  # elsewhere the inner layers are of another width
        ),
        Bug(
            "no ReLU inside the branch",
            "Between two convolutions of the branch there is no ReLU. Without it they are one linear map.",
            none_of(nn.ReLU, make),
            tuple(without(make, nn.ReLU, number) for number in range(relus) if relus > 1),
        ),
        hidden(make),
    )


class Strided(nn.Module):
    """Every ``stride``-th pixel."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride]


def branch_of(branch):
    """An answer with another ``branch(c_in, c_out, stride)`` of a basic block."""

    def answer(c_in, c_out, stride=1):
        block = models.BasicBlock(c_in, c_out, stride)
        block.branch = branch(c_in, c_out, stride)
        return block

    return answer


def residual_block(c_in, c_out, stride=1):
    return models.BasicBlock(c_in, c_out, stride)


@UNIT.exercise("residual_block(c_in, c_out, stride=1)", points={"identity": 1, "branch": 1, "new shape": 1, **POINTS})
class ResidualBlock:
    cases = residual_cases
    probe = block_probe
    oracle = residual_block
    bugs = (
        *residual_bugs(residual_block, relus=1),
        Bug(
            "one convolution",
            "The branch has a single 3x3 convolution. The block of figure 2 has two, with a ReLU between them.",
            branch_of(lambda a, b, s: conv_bn(a, b, 3, s)),
        ),
        Bug(
            "1x1 for 3x3",
            "A convolution of the branch has windows of 1 x 1. Both are 3 x 3, padded by 1.",
            branch_of(lambda a, b, s: nn.Sequential(conv_bn(a, b, 3, s), nn.ReLU(), conv_bn(b, b, 1))),
            (branch_of(lambda a, b, s: nn.Sequential(conv_bn(a, b, 1, s), nn.ReLU(), conv_bn(b, b, 1))),),
        ),
        Bug(
            "stride ignored",
            "The stride has no effect: the first convolution of the branch moves by it, and so does the projection.",
            lambda c_in, c_out, stride=1: models.BasicBlock(c_in, c_out),
        ),
        Bug(
            "stride in the second convolution",
            "The shapes are right, but it is the first convolution of the branch that moves by the stride, not the "
            "second, which has less to compute then.",
            branch_of(lambda a, b, s: nn.Sequential(conv_bn(a, b, 3), nn.ReLU(), conv_bn(b, b, 3, s))),
        ),
    )


def resnext_cases(rng):
    ask = Asked(rng)
    width = lambda: ask.number(2, 7)
    c = width()
    other = [
        (c, c + 2, {"stride": 2}),
        (c + 1, c, {}),
        (c, c, {"stride": 2}),
        (2, 6, {"stride": 3, "groups": 4, "width": 1}),
    ]
    yield from shortcut_cases(ask, width, [(a, b, {"groups": 3, "width": 2} | more) for a, b, more in other[:2]])
    for a, b, more in other[2:]:
        given = {"groups": 2, "width": 3} | more
        yield ask.output("new shape", (a, b), "middle of the kernel only", ask.x(a), **given)
        yield ask.weights((a, b), **given)
    for groups, wide in ((2, 4), (4, 2), (1, 5), (5, 1)):
        a, b = width(), width()
        yield ask.weights((a, b), groups=groups, width=wide)
        yield ask.output("branch", (a, a), "random kernels", ask.x(a), groups=groups, width=wide)
    yield ask.weights((8, 8))  # 32 groups of 4
    yield ask.weights((64, 256), stride=2)
    yield ask.weights((8, 8), groups=4)
    yield ask.weights((8, 8), width=2)


def resnext_block(c_in, c_out, stride=1, groups=32, width=4):
    return models.Bottleneck(c_in, c_out, stride, groups, width)


def one_pixel_at_a_time(block):
    """A ResNeXt block with a 1x1 convolution in the middle."""

    def other(conv):
        return nn.Conv2d(conv.in_channels, conv.out_channels, 1, conv.stride, groups=conv.groups, bias=False)

    return swapped(nn.Conv2d, lambda conv: other(conv) if conv.kernel_size == (3, 3) else conv)(block)


def bottleneck(inner=lambda groups, width, c_out: groups * width, own=lambda groups: groups, stride_=lambda s: s):
    """The ResNeXt block with another number of inner channels, of groups, or another stride."""

    def answer(c_in, c_out, stride=1, groups=32, width=4):
        groups_ = own(groups)
        return models.Bottleneck(c_in, c_out, stride_(stride), groups_, inner(groups, width, c_out) // groups_)

    return answer


@UNIT.exercise(
    "resnext_block(c_in, c_out, stride=1, groups=32, width=4)",
    points={"identity": 1, "branch": 1, "new shape": 1, **POINTS},
)
class ResNeXtBlock:
    cases = resnext_cases
    probe = block_probe
    oracle = resnext_block
    bugs = (
        *residual_bugs(resnext_block, relus=2),
        Bug(
            "groups ignored",
            "The 3x3 convolution sees all inner channels, as in ResNet. With groups=groups each filter sees only the "
            "width channels of its own group, and there are groups times fewer weights.",
            bottleneck(own=lambda groups: 1),
        ),
        Bug(
            "groups or width fixed",
            "groups or width is not taken from the arguments: the 3x3 convolution has groups * width channels in "
            "groups groups.",
            lambda c_in, c_out, stride=1, groups=32, width=4: models.Bottleneck(c_in, c_out, stride, 32, 4),
            (
                lambda c_in, c_out, stride=1, groups=32, width=4: models.Bottleneck(c_in, c_out, stride, groups, 4),
                lambda c_in, c_out, stride=1, groups=32, width=4: models.Bottleneck(c_in, c_out, stride, 32, width),
                lambda c_in, c_out, stride=1, groups=32, width=4: models.Bottleneck(c_in, c_out, stride, width, groups),
            ),
        ),
        Bug(
            "stride ignored",
            "The stride has no effect: the 3x3 convolution of the branch moves by it, and so does the projection.",
            bottleneck(stride_=lambda stride: 1),
        ),
        Bug(
            "1x1 for 3x3",
            "All three convolutions of the branch see one pixel at a time. The one in the middle is 3 x 3.",
            rebuilt(resnext_block, one_pixel_at_a_time),
        ),
    )


# Dense blocks


def dense_cases(rng):
    ask = Asked(rng)
    sizes = lambda: (ask.number(2, 7), ask.number(2, 5), ask.number(2, 5))
    for n, dtype, train in ((2, "float32", False), (1, "float64", False), (2, "float32", True)):
        args = sizes()
        more = {"train": True} if train else {}
        yield ask.output("concatenation", args, "all 0", ask.x(args[0], n, dtype), **more)
    yield ask.output("concatenation", (3, 3, 1), "all 0", ask.x(3, 3))
    yield ask.output("concatenation", (4, 4, 3), "all 0", ask.x(4, sides=(6, 6)))
    for n, dtype in ((2, "float32"), (1, "float64"), (3, "float64"), (1, "float32")):
        args = sizes()
        yield ask.output("layers", args, "means", abs(ask.x(args[0], n, dtype)))
    yield ask.output("layers", (1, 1, 5), "means", abs(ask.x(1)))
    yield ask.output("layers", (3, 3, 3), "means", abs(ask.x(3)))
    yield ask.output("layers", (2, 4, 1), "means", abs(ask.x(2)))
    for n, dtype in ((2, "float32"), (1, "float64")):
        args = sizes()
        yield ask.output("ReLU", args, "means", -abs(ask.x(args[0], n, dtype)))
    for _ in range(2):
        yield ask.training(sizes())
    yield ask.training((3, 2, 1), n=1)


class OtherDense(nn.Module):
    """A dense block with its joints open.

    Args:
        c_in, growth, n: as of the block.
        sees: channels that layer i sees.
        makes: channels that a layer makes.
        step: ``step(x, layer(x))`` to the next x.
    """

    def __init__(self, c_in, growth, n, sees, makes, step):
        super().__init__()
        make = models.blocks.DenseLayer
        self.layers = nn.ModuleList(make(sees(c_in, growth, i), makes(c_in, growth)) for i in range(n))
        self.step = step

    def forward(self, x):
        for layer in self.layers:
            x = self.step(x, layer(x))
        return x


def dense(sees=lambda c, g, i: c + i * g, makes=lambda c, g: g, step=lambda x, new: torch.cat([x, new], 1)):
    return lambda c_in, growth, n: OtherDense(c_in, growth, n, sees, makes, step)


class WithoutInput(nn.Module):
    """A dense block that hands out the new maps only."""

    def __init__(self, c_in, growth, n):
        super().__init__()
        self.block, self.c_in = models.DenseBlock(c_in, growth, n), c_in

    def forward(self, x):
        return self.block(x)[:, self.c_in :]


class SeesOne(nn.Module):
    """A dense block each layer of which sees one thing only.

    Args:
        c_in, growth, n: as of the block.
        which: -1 for what the layer before it made, 0 for the block's input.
    """

    def __init__(self, c_in, growth, n, which):
        super().__init__()
        layer = models.blocks.DenseLayer
        self.layers = nn.ModuleList(layer(growth if i and which else c_in, growth) for i in range(n))
        self.which = which

    def forward(self, x):
        maps = [x]
        for layer in self.layers:
            maps.append(layer(maps[self.which]))
        return torch.cat(maps, 1)


def rectified_in_place(block):
    """A dense block of ReLU and convolution, whose ReLU writes over the maps that it is given."""
    block = swapped(nn.BatchNorm2d, lambda _: nn.Identity())(block)
    return swapped(nn.ReLU, lambda _: nn.ReLU(inplace=True))(block)


def dense_block(c_in, growth, n):
    return models.DenseBlock(c_in, growth, n)


@UNIT.exercise("dense_block(c_in, growth, n)", points={"concatenation": 1, "layers": 2, "ReLU": 1, "training": 1})
class DenseBlock:
    cases = dense_cases
    probe = block_probe
    oracle = dense_block
    bugs = (
        Bug(
            "added for concatenated",
            "New maps are added to the old ones, as in a ResNet. In a DenseNet they are stacked behind them: the "
            "number of channels grows by growth with every layer.",
            dense(sees=lambda c, g, i: c, makes=lambda c, g: c, step=lambda x, new: x + new),
        ),
        Bug(
            "the new maps only",
            "The input, or what earlier layers made, is not in the output. All of it is passed on: c_in + n * growth "
            "channels come out.",
            WithoutInput,
            (dense(sees=lambda c, g, i: g if i else c, step=lambda x, new: new),),
        ),
        Bug(
            "each layer sees only the one before",
            "A layer of yours sees the maps of the layer before it only. It sees everything so far, the input "
            "included: layer i has c_in + i * growth channels to work on.",
            partial(SeesOne, which=-1),
        ),
        Bug(
            "each layer sees only the input",
            "All layers of yours look at the block's input, side by side. The second layer sees what the first one "
            "made as well: layer i has c_in + i * growth channels to work on.",
            partial(SeesOne, which=0),
        ),
        Bug(
            "old maps rectified",
            "The maps that a layer is given are passed on as they were, but the negative numbers of yours are gone. "
            "nn.ReLU(inplace=True) writes over what it is given; nor does a ReLU follow the last torch.cat.",
            rebuilt(dense_block, rectified_in_place),
        ),
        Bug(
            "new maps first",
            "Everything is there, but the new maps stand in front. The input's channels come first, then those of the "
            "first layer, and so on.",
            dense(step=lambda x, new: torch.cat([new, x], 1)),
        ),
        Bug(
            "no ReLU",
            "There is no ReLU in your layers, so that the block is one linear map. A layer is batch norm, ReLU, 3x3 "
            "convolution.",
            none_of(nn.ReLU, dense_block),
        ),
        Bug(
            "one layer more",
            "The number of layers is n: count what comes out, c_in + n * growth.",
            lambda c_in, growth, n: models.DenseBlock(c_in, growth, n + 1),
            (lambda c_in, growth, n: models.DenseBlock(c_in, growth, max(1, n - 1)),),
        ),
        Bug(
            "1x1 for 3x3",
            "The layers see one pixel at a time. Their convolution is 3 x 3, padded by 1.",
            rebuilt(dense_block, swapped(nn.Conv2d, lambda c: nn.Conv2d(c.in_channels, c.out_channels, 1, bias=False))),
        ),
        hidden(dense_block),
    )


# Squeeze and excitation


def squeeze_cases(rng):
    ask = Asked(rng)
    sizes = lambda: (r := ask.number(2, 5)) and (r * ask.number(2, 5), r)
    for n, dtype, train in ((2, "float32", False), (1, "float64", False), (3, "float32", True)):
        c, r = sizes()
        more = {"train": True} if train else {}
        yield ask.output("gate", (c,), "all 0", ask.x(c, n, dtype), r=r, **more)
    yield ask.output("gate", (16,), "all 0", ask.x(16))
    for n, dtype in ((2, "float32"), (1, "float32"), (3, "float64"), (1, "float64")):
        c, r = sizes()
        # Around a level of its own in each channel, so that the means count.
        levels = rng.uniform(-4, 4, (n, c, 1, 1)).astype(dtype)
        yield ask.output("squeeze", (c,), "random, all different", ask.x(c, n, dtype) + levels, r=r)
    yield ask.output("squeeze", (c, r), "random, all different", 3 * ask.x(c, 2, sides=(1, 1)))
    yield ask.output("squeeze", (c, r), "random, all different", 3 * ask.x(c, 2, sides=(4, 4)))
    yield ask.output("squeeze", (4,), "random, all different", ask.x(4, 4, sides=(4, 4)) + 1, r=4)  # one unit between
    yield ask.output("squeeze", (32,), "random, all different", 4 * ask.x(32, 1, sides=(2, 3)))
    yield ask.weights(sizes())
    yield ask.weights((64,))
    yield ask.weights((48, 3))
    c, r = sizes()
    yield ask.training((c, r))
    yield ask.training((c, r), n=1)


class OtherSqueeze(nn.Module):
    """Squeeze and excitation with its joints open.

    Args:
        c, r: as of the block.
        inner: units between the two layers.
        squeeze: from x to ``(N, C)``.
        bend: between the two layers.
        gate: after them.
        use: ``use(x, gate (N, C, 1, 1))``.
    """

    def __init__(self, c, r, inner, squeeze, bend, gate, use):
        super().__init__()
        inner = inner(c, r)
        self.gate = nn.Sequential(nn.Linear(c, inner), bend, nn.Linear(inner, c), gate)
        self.squeeze, self.use = squeeze, use

    def forward(self, x):
        return self.use(x, self.gate(self.squeeze(x))[:, :, None, None])


def squeeze_as(
    inner=lambda c, r: c // r, squeeze=lambda x: x.mean((2, 3)), bend=nn.ReLU, gate=nn.Sigmoid, use=lambda x, g: x * g
):
    return lambda c, r=16: OtherSqueeze(c, r, inner, squeeze, bend(), gate(), use)


class PixelGate(models.SqueezeExcite):
    """Squeeze and excitation without the squeeze."""

    def forward(self, x):
        return x * self.gate(x.movedim(1, -1)).movedim(-1, 1)


def one_layer(block):
    """Squeeze and excitation with a single linear layer."""
    channels = block.gate[0].in_features
    block.gate = nn.Sequential(nn.Linear(channels, channels), nn.Sigmoid())
    return block


@UNIT.exercise("se_block(c, r=16)", points={"gate": 1, "squeeze": 2, **POINTS})
class SEBlock:
    cases = squeeze_cases
    probe = block_probe
    oracle = lambda c, r=16: models.SqueezeExcite(c, r)
    bugs = (
        Bug(
            "pooled over channels",
            "Each channel should be summed up by its own mean over all pixels. You average over the channels as well "
            "(or over the batch), so that they can no longer be told apart: x.mean(dim=(2, 3)) keeps (N, C).",
            squeeze_as(squeeze=lambda x: x.mean((1, 2, 3))[:, None].expand(x.shape[:2])),
            (squeeze_as(squeeze=lambda x: x.mean((0, 2, 3)).expand(x.shape[:2])),),
        ),
        Bug(
            "maximum for mean",
            "The squeeze is the mean of each map, not its maximum.",
            squeeze_as(squeeze=lambda x: x.amax((2, 3))),
        ),
        Bug(
            "sum for mean",
            "The squeeze is the mean of each map. A sum would grow with the picture.",
            squeeze_as(squeeze=lambda x: x.sum((2, 3))),
        ),
        Bug(
            "no sigmoid",
            "The gate is no number between 0 and 1: a sigmoid ends it. With all weights 0 it should halve its input.",
            squeeze_as(gate=nn.Identity),
            (
                squeeze_as(gate=nn.ReLU),
                squeeze_as(gate=nn.Tanh),
                squeeze_as(gate=lambda: nn.Softmax(dim=1)),
            ),
        ),
        Bug(
            "no ReLU between the layers",
            "Between the two linear layers there is no ReLU. Without it, they are one.",
            squeeze_as(bend=nn.Identity),
            (squeeze_as(bend=nn.Sigmoid), squeeze_as(bend=nn.Tanh)),
        ),
        Bug(
            "gate not multiplied",
            "What comes out is the gate, or x with the gate added to it. Multiply every map by its gate.",
            squeeze_as(use=lambda x, g: g.expand(x.shape)),
            (
                squeeze_as(use=lambda x, g: g),
                squeeze_as(use=lambda x, g: x + g),
                squeeze_as(use=lambda x, g: x + x * g),
            ),
        ),
        Bug(
            "r is no number of units",
            "r says by how much the middle narrows: it has c // r units.",
            squeeze_as(inner=lambda c, r: r),
            (squeeze_as(inner=lambda c, r: max(1, c // 16)), squeeze_as(inner=lambda c, r: c)),
        ),
        Bug(
            "no squeeze",
            "Every pixel has a gate of its own. The mean of each map comes first, so that a map has one gate.",
            PixelGate,
        ),
        Bug(
            "one layer",
            "One linear layer leads from the means to the gate. There are two, with c // r units and a ReLU between.",
            rebuilt(models.SqueezeExcite, one_layer),
        ),
        hidden(lambda c, r=16: models.SqueezeExcite(c, r)),
    )
