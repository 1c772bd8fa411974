"""Unit 08, third part: scanning with a network, counting its mistakes, asking it ten times."""

import numpy as np
import torch
from torch import nn

import cnnkit as ck
from cnnkit import oracle as ref
from cnnkit.cases import Case
from cnnkit.comparing import SINGLE
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.probing import array, rebuilt
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("08-architectures")


def linear_of(weight, bias):
    """The ``nn.Linear`` of two arrays; ``bias`` may be None."""
    weight = torch.tensor(weight, device=ck.device())
    layer = nn.Linear(*weight.shape[::-1], bias=bias is not None, device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer


# A linear layer that slides


def sliding_cases(rng):
    # In single precision, as nn.Linear is unless told otherwise: copying its weights into a new nn.Conv2d is right.
    def some(group, in_shape, more=(0, 0), units=3, n=2, bias=True):
        c, h, w = in_shape
        x = draw(rng, (n, c, h + more[0], w + more[1]), "float32")
        weight = draw(rng, (units, c * h * w), "float32")
        return Case(group, (weight, draw(rng, (units,), "float32") if bias else None, in_shape, x))

    side = lambda: int(rng.integers(2, 5))
    for n in (2, 1, 3):
        yield some("its own size", (side(), 3, 4), n=n)
        yield some("its own size", (side(), 5, 2), n=n)
        yield some("larger", (side(), 2, 4), (int(rng.integers(1, 4)), int(rng.integers(4, 6))), n=n)
    yield some("its own size", (3, 3, 3), units=3, n=3)
    yield some("its own size", (4, 1, 1), units=1)
    yield some("its own size", (1, 4, 3), units=5)
    yield some("larger", (3, 3, 3), (3, 3), units=3, n=3)
    yield some("larger", (2, 3, 2), (0, 4))
    yield some("larger", (1, 2, 3), (5, 0), units=1)
    yield some("larger", (5, 1, 1), (3, 4), units=4)
    yield some("without bias", (side(), 3, 2), bias=False)
    yield some("without bias", (side(), 2, 3), (2, 1), bias=False)


def sliding_probe(answer, weight, bias, in_shape, x):
    """``(what the convolution makes of x, what the linear layer's weights are afterwards)``."""
    linear = linear_of(weight, bias)
    conv = answer(linear, in_shape)
    if not isinstance(conv, nn.Module):
        kind = "None (is a return missing?)" if conv is None else f"of type {type(conv).__name__}"
        raise TypeError(f"an nn.Conv2d should come out; it is {kind}")
    with torch.no_grad():
        return array(conv.to(ck.device())(torch.tensor(x, device=ck.device()))), array(linear.weight)


def conv_of(reorder=lambda weight, shape: weight.view(-1, *shape), bias=True, **moves):
    """The reference with its weights in another order, without its bias, or with other moves."""

    def answer(linear, in_shape):
        weight = linear.weight.detach()
        own = linear.bias is not None and bias
        conv = nn.Conv2d(in_shape[0], len(weight), in_shape[1:], bias=own, dtype=weight.dtype, **moves)
        with torch.no_grad():
            conv.weight.copy_(reorder(weight, in_shape))
            if own:
                conv.bias.copy_(linear.bias)
        return conv

    return answer


def by_blocks(linear, in_shape):
    conv = ref.linear_to_conv(linear, in_shape)
    conv.stride = tuple(in_shape[1:])
    return conv


@UNIT.exercise("linear_to_conv(weight, bias, in_shape, x)", points={"its own size": 1, "larger": 1, "without bias": 1})
class LinearToConv:
    cases = sliding_cases
    probe = sliding_probe
    returns = ("conv(x)", "linear.weight")
    oracle = ref.linear_to_conv
    bugs = (
        Bug(
            "weights reshaped in the wrong order",
            "The weights are there, but not where they belong. x.flatten(1) runs over channels, then rows, then "
            "columns, so each row of linear.weight becomes a volume by .view(C, H, W), in this order.",
            conv_of(lambda w, s: w.view(-1, s[1], s[2], s[0]).permute(0, 3, 1, 2)),
            (
                conv_of(lambda w, s: w.view(-1, s[0], s[2], s[1]).transpose(2, 3)),
                conv_of(lambda w, s: w.t().reshape(-1, *s)),
                conv_of(lambda w, s: w.view(-1, s[2], s[1], s[0]).permute(0, 3, 2, 1)),
            ),
        ),
        Bug(
            "bias lost",
            "The bias of the linear layer is not in the convolution.",
            conv_of(bias=False),
        ),
        Bug(
            "weights flipped",
            "The kernel is turned by 180 degrees. Layers in torch correlate, so nothing has to be flipped.",
            conv_of(lambda w, s: w.view(-1, *s).flip(2, 3)),
        ),
        Bug(
            "moves by its own size",
            "On a larger picture your windows stand side by side. A scan looks at every position: stride 1.",
            by_blocks,
        ),
        Bug(
            "padded",
            "Your map of scores is larger than it should be: zeros around the input give windows that hang over its "
            "edge. A scan looks at whole windows only, so there is no padding.",
            conv_of(padding=1),
            (lambda linear, in_shape: conv_of(padding=tuple(n // 2 for n in in_shape[1:]))(linear, in_shape),),
        ),
        Bug(
            "weights not copied",
            "The convolution has the right shape and weights of its own. Copy those of the linear layer into it, "
            "inside torch.no_grad().",
            conv_of(lambda w, s: torch.zeros(len(w), *s, dtype=w.dtype)),
            (conv_of(lambda w, s: torch.ones(len(w), *s, dtype=w.dtype)),),
        ),
    )


# Top k


def top_k_cases(rng):
    def some(group, n, classes, k, dtype="float64", hard=1.0, **more):
        scores = draw(rng, (n, classes), dtype)
        y = rng.integers(0, classes, n)
        scores[np.arange(n), y] += hard  # right more often than by chance
        return Case(group, (scores, y, k), **more)

    yield some("first", 20, 5, 1)
    yield some("first", 20, 5, 1)
    yield some("first", 37, 10, 1, "float32")
    yield some("first", 16, 16, 1, readonly=True)
    yield some("first", 50, 4, 1, layout="transposed", hard=2.0)
    yield some("first", 1, 3, 1)
    yield some("first", 30, 2, 1, "float32", hard=-1.0)
    yield some("several", 40, 10, 5)
    yield some("several", 40, 10, 5)
    yield some("several", 31, 7, 2, "float32")
    yield some("several", 50, 30, 3, layout="transposed", readonly=True)
    yield some("several", 24, 6, 4, layout="slice", hard=-1.0)
    yield some("several", 12, 12, 3, hard=0.0)
    yield some("several", 8, 100, 5, hard=2.0)
    yield some("several", 1, 5, 3)
    yield some("several", 40, 3, 2, "float32", hard=-2.0)
    yield some("several", 30, 5, 5)  # all of them: always right
    yield some("several", 25, 5, 4, hard=-1.0)


def top_k(k=lambda k, scores: k, scores=lambda scores: scores, result=lambda accuracy, n: accuracy):
    """The reference with another k, other scores or another result."""
    return lambda s, y, k_: result(ref.top_k_accuracy(scores(s), y, k(k_, s)), len(y))


def with_names(answer):
    return lambda scores, y, k: answer(scores, y, k)


@UNIT.exercise("top_k_accuracy(scores, y, k)", points={"first": 1, "several": 1})
class TopKAccuracy:
    cases = top_k_cases
    oracle = ref.top_k_accuracy
    double = SINGLE  # .float().mean() is a mean of hits in single precision
    bugs = (
        Bug(
            "k = 1 always",
            "You look at the highest score only, whatever k is. A guess counts when the right class is among the k "
            "highest.",
            with_names(top_k(k=lambda k, s: 1)),
        ),
        Bug(
            "smallest taken",
            "These are the k classes with the lowest scores: argsort goes from small to large, so the best are at its "
            "end.",
            with_names(top_k(scores=lambda s: -s)),
        ),
        Bug(
            "k off by one",
            "You look at one class too many, or at one too few.",
            with_names(top_k(k=lambda k, s: min(k + 1, s.shape[1]))),
            (
                with_names(lambda s, y, k: ref.top_k_accuracy(s, y, k - 1) if k > 1 else 0.0),
                # The slice [-k:-1] of the sorted ones lacks the best.
                with_names(lambda s, y, k: float(np.mean((np.argsort(s, 1)[:, -k:-1] == y[:, None]).any(1)))),
            ),
        ),
        Bug(
            "not a fraction",
            "Return the fraction of images that were right, between 0 and 1: neither their number nor per cent.",
            with_names(top_k(result=lambda accuracy, n: accuracy * n)),
            (with_names(top_k(result=lambda accuracy, n: 100 * accuracy)),),
        ),
        Bug(
            "error for accuracy",
            "That is how often it is wrong. The accuracy is 1 minus the top-k error.",
            with_names(top_k(result=lambda accuracy, n: 1 - accuracy)),
        ),
        Bug(
            "divided by k",
            "Each image counts once, however many guesses it had: divide by the number of images alone.",
            lambda scores, y, k: ref.top_k_accuracy(scores, y, k) / k,
        ),
    )


# Ten crops


def crop_cases(rng):
    def some(group, part, shape, size, dtype="float32", **more):
        return Case(group, (draw(rng, shape, dtype), size), {"part": part}, **more)

    for group, part in (("corners and centre", "first five"), ("mirror images", "last five")):
        for n, c in ((2, 3), (1, 1), (3, 2)):
            size = int(rng.integers(2, 6))
            high, wide = (size + 2 * int(i) for i in rng.permutation([1, 2, 3])[:2])
            yield some(group, part, (n, c, high, wide), size, "float64" if n == 3 else "float32")
        yield some(group, part, (2, 3, 8, 8), 4)
        yield some(group, part, (1, 2, 5, 9), 5)  # as high as the picture
        yield some(group, part, (2, 1, 6, 4), 4, "float64")
        yield some(group, part, (10, 3, 4, 6), 2)
        yield some(group, part, (2, 3, 4, 4), 4)
    yield some("mirror images", "all", (2, 3, 7, 9), 3)
    yield some("mirror images", "all", (3, 1, 5, 7), 1, "float64")


def crop_probe(answer, images, size, part):
    """The crops; the four corners may come in any order, and so may their mirror images."""
    crops = array(answer(torch.tensor(images, device=ck.device()), size))
    if crops.ndim < 2 or crops.shape[1] != 10:
        return crops
    for start in (0, 5):
        corners = crops[:, start : start + 4]
        order = sorted(range(4), key=lambda i, corners=corners: corners[:, i].ravel().tolist())
        crops[:, start : start + 4] = corners[:, order]
    return {"first five": crops[:, :5], "last five": crops[:, 5:], "all": crops}[part]


def five_and_their(mirror):
    """The reference with another ``mirror(five crops)``."""

    def answer(images, size):
        five = ref.ten_crop(images, size)[:, :5]
        return torch.cat([five, mirror(five)], 1)

    return answer


def centred(row, column):
    """The reference with another place for the centre: ``row(H, size)``, ``column(W, size)``."""

    def answer(images, size):
        crops = ref.ten_crop(images, size).clone()
        h, w = images.shape[2:]
        i, j = min(row(h, size), h - size), min(column(w, size), w - size)
        crops[:, 4] = images[:, :, i : i + size, j : j + size]
        crops[:, 9] = crops[:, 4].flip(-1)
        return crops

    return answer


@UNIT.exercise("ten_crop(images, size)", points={"corners and centre": 1, "mirror images": 1})
class TenCrop:
    cases = crop_cases
    probe = crop_probe
    oracle = ref.ten_crop
    bugs = (
        Bug(
            "mirrored images first",
            "The mirror images stand before the crops they are made of, or between them. First come the five as they "
            "are, then the mirrors of all five.",
            rebuilt(ref.ten_crop, lambda crops: crops.roll(5, 1)),
            (rebuilt(ref.ten_crop, lambda crops: crops.unflatten(1, (2, 5)).transpose(1, 2).flatten(1, 2)),),
        ),
        Bug(
            "turned upside down",
            "A mirror image has left and right exchanged, not top and bottom: flip the last axis, the width.",
            five_and_their(lambda five: five.flip(-2)),
            (five_and_their(lambda five: five.flip(-1, -2)), five_and_their(lambda five: five.transpose(-1, -2))),
        ),
        Bug(
            "no mirror images",
            "The last five are not mirrored: flip the last axis of the first five.",
            five_and_their(lambda five: five),
        ),
        Bug(
            "centre in the wrong place",
            "The crop in the middle starts at ((H - size) // 2, (W - size) // 2), so that as much is left above as "
            "below.",
            centred(lambda h, s: h // 2, lambda w, s: w // 2),
            (
                centred(lambda h, s: (h - s) // 2, lambda w, s: 0),
                centred(lambda h, s: (w_ := h - s) // 2 + (w_ > 1), lambda w, s: (w - s) // 2 + (w - s > 1)),
            ),
        ),
        Bug(
            "crops before images",
            "The shape is (N, 10, C, size, size): images first, then the ten crops of each.",
            rebuilt(ref.ten_crop, lambda crops: crops.transpose(0, 1)),
            (rebuilt(ref.ten_crop, lambda crops: crops.flatten(0, 1)),),
        ),
    )


# Averages


def average_cases(rng):
    def some(group, n, classes, scale=1.0, shape=(2, 3, 3), dtype="float32"):
        crops = draw(rng, (n, 10, *shape), dtype)
        weight = (scale * draw(rng, (classes, int(np.prod(shape))))).astype(dtype)
        return Case(group, (weight, draw(rng, (classes,), dtype), crops))

    yield some("one image", 1, 4)
    yield some("one image", 1, 4, dtype="float64")
    yield some("one image", 1, 10)  # as many classes as crops
    yield some("one image", 1, 2, 3.0)
    yield some("several images", 3, 5)
    yield some("several images", 3, 5)
    yield some("several images", 10, 10)
    yield some("several images", 2, 7, 3.0, (1, 4, 4), "float64")
    yield some("several images", 7, 2, 0.3, (3, 2, 2), "float64")
    yield some("large scores", 2, 4, 300.0)
    yield some("large scores", 1, 6, 1000.0, dtype="float64")


def average_probe(answer, weight, bias, crops):
    """The answer's result for a linear model."""
    model = nn.Sequential(nn.Flatten(), linear_of(weight, bias)).eval()
    return array(answer(model, torch.tensor(crops, device=ck.device())))


def averaged(combine):
    """An answer with another ``combine(scores (N, 10, classes))``."""

    def answer(model, crops):
        with torch.no_grad():
            return combine(model(crops.flatten(0, 1)).unflatten(0, crops.shape[:2]))

    return answer


@UNIT.exercise(
    "average_predictions(weight, bias, crops)", points={"one image": 1, "several images": 1, "large scores": 1}
)
class AveragePredictions:
    cases = average_cases
    probe = average_probe
    oracle = ref.average_predictions
    bugs = (
        Bug(
            "scores for probabilities",
            "You average scores. Each crop gives its softmax probabilities, and the mean is taken of those: a crop "
            "that is very sure of itself then counts no more than a vote.",
            averaged(lambda scores: scores.mean(1)),
            (averaged(lambda scores: scores.mean(1).softmax(-1)), averaged(lambda scores: scores.sum(1))),
        ),
        Bug(
            "softmax over the wrong axis",
            "The softmax runs over the crops or the images. It runs over the classes, the last axis of the scores.",
            averaged(lambda scores: scores.softmax(1).mean(1)),
            (averaged(lambda scores: scores.flatten(0, 1).softmax(0).unflatten(0, scores.shape[:2]).mean(1)),),
        ),
        Bug(
            "sum for mean",
            "The probabilities of an image add up to 10. Divide by the number of crops.",
            averaged(lambda scores: scores.softmax(-1).sum(1)),
        ),
        Bug(
            "one crop only",
            "Your result depends on a single crop of the ten.",
            averaged(lambda scores: scores.softmax(-1)[:, 0]),
            (averaged(lambda scores: scores.softmax(-1)[:, 4]), averaged(lambda scores: scores.softmax(-1)[:, -1])),
        ),
        Bug(
            "maximum for mean",
            "You take the largest probability that any crop gives. The vote is the mean of all ten.",
            averaged(lambda scores: scores.softmax(-1).amax(1)),
        ),
        Bug(
            "crops of different images mixed",
            "With several images their crops get mixed up. crops.flatten(0, 1) runs over all crops of the first "
            "image, then over those of the second: undo it by (N, 10, classes), in this order.",
            averaged(lambda s: s.softmax(-1).flatten(0, 1).unflatten(0, (10, len(s))).mean(0)),
        ),
        Bug(
            "logarithms averaged",
            "These are logarithms of probabilities, or were averaged as such.",
            averaged(lambda scores: scores.log_softmax(-1).mean(1)),
            (averaged(lambda scores: scores.log_softmax(-1).mean(1).exp()),),
        ),
    )
