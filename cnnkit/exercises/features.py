"""Unit 09, first part: what a network looks at, and what its features are near to."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import torch

import cnnkit as ck
from cnnkit.cases import Case
from cnnkit.exercises import small_models
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.small_models import draw_model
from cnnkit.exercises.specification import Bug, Unit
from cnnkit.oracle.convolution import output_size
from cnnkit.oracle.features import maps_and_gradient

UNIT = Unit("09-features-and-transfer")


@dataclass(frozen=True)
class Picture:
    """A picture and the network that looks at it."""

    group: str
    network: str = "plain"
    c: int = 3
    h: int = 8
    w: int = 7
    classes: int = 4
    layout: str = "C"

    def model(self, rng):
        return draw_model(rng, self.network, self.classes)

    def image(self, rng):
        return draw(rng, (self.c, self.h, self.w), "float32")

    def target(self, rng):
        return int(rng.integers(self.classes))

    def case(self, rng, *more, **kwargs):
        """A case with the arguments ``model, image, target`` and those that follow."""
        arguments = (self.model(rng), self.image(rng), self.target(rng), *more)
        return Case(self.group, arguments, kwargs, self.layout)


def pictures(group):
    """What every check of this part goes through: each kind of network, with sizes that are not equal by accident."""
    yield Picture(group)
    yield Picture(group)  # the same shapes with other values
    yield Picture(group, "nested", h=9, w=11, classes=5)
    yield Picture(group, "residual", h=6, w=8, classes=3)
    yield Picture(group, c=1, h=7, w=9, classes=10)
    yield Picture(group, "nested", c=2, h=10, w=8, classes=2, layout="slice")
    yield Picture(group, "residual", c=4, h=8, w=8, layout="transposed")


def probe(answer, model, image, target, *more, look="result"):
    """What an answer makes of a model and a picture, as an array.

    Args:
        look: "result" for what it returns; "mode" and "gradients" for this and how many modules it left in training
            mode, or how many parameters with a gradient.
    """
    network, picture = small_models.build(model, len(image)), small_models.tensor(image)
    with small_models.exactly():
        result = small_models.array(answer(network, picture, target, *more))
    image[...] = picture.detach().cpu().numpy()  # where a GPU has a copy, changes to it are to be seen, too
    if look == "mode":
        return result, sum(module.training for module in network.modules())
    if look == "gradients":
        grads = [parameter.grad for parameter in network.parameters()]
        return result, sum(grad is not None and bool(grad.any()) for grad in grads)
    return result


# Occlusion


def occlude(read=lambda scores, target: scores.softmax(1)[:, target], cover=None, places=None, keep=False):
    """Occlusion with a twist.

    Args:
        read: from scores ``(1, classes)`` and the target to the number for the map.
        cover: ``cover(image, top, left, size)`` covers a part of a picture in place; None covers with zeros.
        places: ``places(image, size, stride)`` to the rows and the columns where the patch begins.
        keep: whether what was covered stays so.
    """

    def answer(model, image, target, size, stride):
        rows, columns = (places or starts)(image, size, stride)
        result = torch.empty(len(rows), len(columns))
        covered = image.clone()
        with torch.no_grad():
            for i, top in enumerate(rows):
                for j, left in enumerate(columns):
                    covered = covered if keep else image.clone()
                    (cover or cover_with_zeros)(covered, top, left, size)
                    result[i, j] = read(model(covered[None]), target)
        return result

    return answer


def starts(image, size, stride):
    return tuple(range(0, stride * n, stride) for n in output_size(image.shape, (size, size), stride))


def cover_with_zeros(image, top, left, size):
    image[:, top : top + size, left : left + size] = 0


def covers_with(value):
    def cover(image, top, left, size):
        image[:, top : top + size, left : left + size] = value(image)

    return cover


def in_the_picture_itself(model, image, target, size, stride):
    result = torch.empty(output_size(image.shape, (size, size), stride))
    rows, columns = starts(image, size, stride)
    with torch.no_grad():
        for i, top in enumerate(rows):
            for j, left in enumerate(columns):
                cover_with_zeros(image, top, left, size)
                result[i, j] = model(image[None]).softmax(1)[0, target]
    return result


def shifted(image, size, stride):
    return tuple([start + 1 for start in some] for some in starts(image, size, stride))


def one_less(image, size, stride):
    return tuple(range(0, n - size, stride) for n in image.shape[1:])


def every_start(image, size, stride):
    output_size(image.shape, (size, size), stride)
    return tuple(range(0, n, stride) for n in image.shape[1:])


def bordered(image, size, stride):
    """Patches whose middle runs over the picture."""
    output_size(image.shape, (size, size), stride)
    return tuple([at - size // 2 for at in range(0, n, stride)] for n in image.shape[1:])


def covers_what_is_inside(image, top, left, size):
    cover_with_zeros(image, max(top, 0), max(left, 0), size + min(top, 0) if top < 0 else size)


def transposed(model, image, target, size, stride):
    return ck.oracle.occlusion_map(model, image, target, size, stride).T.contiguous()


def drop(model, image, target, size, stride):
    with torch.no_grad():
        before = model(image[None]).softmax(1)[0, target]
    return before - ck.oracle.occlusion_map(model, image, target, size, stride)


def of_the_best_class(model, image, target, size, stride):
    with torch.no_grad():
        best = int(model(image[None]).argmax())
    return ck.oracle.occlusion_map(model, image, best, size, stride)


def over_the_places(model, image, target, size, stride):
    scores = occlude(lambda scores, target: scores[:, target])(model, image, target, size, stride)
    return scores.flatten().softmax(0).reshape(scores.shape)


def left_training(function):
    """An answer that leaves the model in training mode."""

    def answer(model, *arguments):
        result = function(model, *arguments)
        model.train()
        return result

    return answer


def without_fit(function):
    """Answers zero places, and no error, where the patch is larger than the picture."""

    def answer(model, image, target, size, stride):
        if size > min(image.shape[1:]):
            return torch.zeros(*(max(0, (n - size) // stride + 1) for n in image.shape[1:]))
        return function(model, image, target, size, stride)

    return answer


def picture_window(case, part, index):
    """The first channel of the picture, where a wrong number was found in a map."""
    _, image, _, *more = case.args
    if len(more) != 2:
        return []
    size, stride = more
    top, left = (stride * i for i in index[-2:])
    return [("image[0], the part that is covered", image[0, top : top + size, left : left + size])]


MODE_HINT = (
    "After the call the model is in training mode: dropout and batch norm will change what it says from now on. It "
    "came in eval mode; leave it so."
)


@UNIT.exercise(
    "occlusion_map(model, image, target, size, stride)",
    points={"basics": 2, "stride": 1, "nothing left behind": 1, "fit": 1},
)
class OcclusionMap:
    def cases(rng):
        for number, p in enumerate(pictures("basics")):
            yield p.case(rng, 1 + number % 3, 1)
        yield Picture("basics", h=5, w=9).case(rng, 5, 1)  # as high as the picture
        for number, p in enumerate(pictures("stride")):
            yield p.case(rng, 2 + number % 2, 2 + number // 2 % 2)
        yield Picture("stride", "nested", h=9, w=7).case(rng, 1, 3)  # pixels that no patch covers
        yield Picture("stride", h=6, w=6).case(rng, 6, 2)  # one place only
        for network in small_models.NETWORKS:
            yield Picture("nothing left behind", network, h=6).case(rng, 3, 2, look="mode")
        for h, w, size in ((4, 6, 5), (6, 4, 5), (5, 5, 8)):
            yield Picture("fit", h=h, w=w).case(rng, min(h, w), 1)
            yield replace(Picture("fit", h=h, w=w).case(rng, size, 1 + size % 2), raises=True)

    probe = probe
    oracle = ck.oracle.occlusion_map
    returns = ("the map", "the number of modules in training mode")
    window = picture_window
    bugs = (
        Bug(
            "logits for probabilities",
            "These are the model's scores. Which class they speak for shows only beside the other scores: take the "
            "softmax over the classes first, then the target's entry.",
            occlude(lambda scores, target: scores[:, target]),
        ),
        Bug(
            "logarithms or sigmoids for probabilities",
            "These are not the probabilities of the softmax but their logarithms, or sigmoids of single scores. Take "
            "the softmax over the classes, and of that the target's entry.",
            occlude(lambda scores, target: scores.log_softmax(1)[:, target]),
            (occlude(lambda scores, target: scores.sigmoid()[:, target]),),
        ),
        Bug(
            "the picture stays covered",
            "What the patch covered before stays covered, so that in the end nothing is left of the picture. Cover a "
            "fresh copy at each place: image.clone().",
            occlude(keep=True),
            (in_the_picture_itself,),
        ),
        Bug(
            "patch off by one",
            "The patch begins or ends a pixel too early or too late. At place (i, j) its first row is i * stride and "
            "its first column j * stride, and it has size of each.",
            occlude(places=shifted),
            (
                occlude(cover=lambda image, top, left, size: cover_with_zeros(image, top, left, size + 1)),
                occlude(cover=lambda image, top, left, size: cover_with_zeros(image, top, left, size - 1)),
                occlude(cover=lambda image, top, left, size: cover_with_zeros(image, top + 1, left + 1, size - 1)),
            ),
        ),
        Bug(
            "last place left out",
            "The last row and column of places are missing: there are (n - size) // stride + 1 of them along a side, "
            "and range(0, n - size + 1, stride) runs through them.",
            occlude(places=one_less),
        ),
        Bug(
            "patches that reach beyond the border",
            "Places are counted as for a convolution without padding: only those where the whole patch lies inside the "
            "picture.",
            occlude(places=every_start),
            (occlude(places=bordered, cover=covers_what_is_inside),),
        ),
        Bug(
            "rows and columns swapped",
            "The map is transposed: the first index counts places downwards, the second to the right.",
            transposed,
        ),
        Bug(
            "one channel covered",
            "The patch covers one channel only. It hides a part of the picture from the model: in all channels.",
            occlude(cover=lambda image, top, left, size: cover_with_zeros(image[:1], top, left, size)),
            (occlude(cover=lambda image, top, left, size: cover_with_zeros(image[-1:], top, left, size)),),
        ),
        Bug(
            "patch of another value",
            "Your patch has another value. It should be of zeros, in every channel, whatever the picture is like.",
            occlude(cover=covers_with(lambda image: image.mean())),
            (occlude(cover=covers_with(lambda image: 1.0)), occlude(cover=covers_with(lambda image: 0.5))),
        ),
        Bug(
            "change of the probability",
            "This is how much the probability changes. The map holds the probability itself, with the patch in place.",
            drop,
            (lambda *arguments: -drop(*arguments),),
        ),
        Bug(
            "probability of another class",
            "Asked is the probability of the class target, whether it is the model's first choice or not.",
            of_the_best_class,
            (occlude(lambda scores, target: scores.softmax(1).amax(1)),),
        ),
        Bug(
            "softmax over the places",
            "The numbers of your map add up to 1: the softmax ran over the places of the patch. It belongs along the "
            "classes, by itself for each covered picture: axis 1 of the scores (n, classes).",
            over_the_places,
        ),
        Bug("model left in training mode", MODE_HINT, left_training(ck.oracle.occlusion_map)),
        Bug(
            "no error where the patch does not fit",
            "A patch that is larger than the picture fits nowhere: raise a ValueError that names the sizes.",
            without_fit(ck.oracle.occlusion_map),
        ),
    )


# Saliency


def gradient_map(read=None, condense=None, clean=True):
    """Saliency with a twist.

    Args:
        read: from scores ``(1, classes)`` and the target to the number whose gradient is taken.
        condense: from the gradient, ``(C, H, W)``, to the map.
        clean: whether no gradients stay in the model's parameters.
    """

    def answer(model, image, target):
        leaf = image.clone().requires_grad_()
        score = (read or (lambda scores, target: scores[0, target]))(model(leaf[None]), target)
        score.backward()
        if clean:
            model.zero_grad()
        return (condense or (lambda g: g.abs().amax(0)))(leaf.grad)

    return answer


def times_the_picture(model, image, target):
    return gradient_map(condense=lambda g: (g * image).abs().amax(0))(model, image, target)


def from_zero_to_one(m):
    return (m - m.min()) / (m.max() - m.min())


def piling_up(model, image, target):
    image.requires_grad_()
    model(image[None])[0, target].backward()
    model.zero_grad()
    return image.grad.abs().amax(0)


def saliency_probe(answer, model, image, target, look="result", before=None):
    """As ``probe``; with ``before``, that class was asked for first, of the same model and the same picture."""
    if before is None:
        return probe(answer, model, image, target, look=look)

    def both(network, picture, target):
        answer(network, picture, before)
        return answer(network, picture, target)

    return probe(both, model, image, target)


@UNIT.exercise("saliency(model, image, target)", points={"basics": 2, "called again": 1, "nothing left behind": 1})
class Saliency:
    def cases(rng):
        for p in pictures("basics"):
            yield p.case(rng)
        for p in pictures("basics"):
            yield p.case(rng)
        for network in small_models.NETWORKS:
            case = Picture("called again", network, h=6).case(rng)
            yield replace(case, kwargs={"before": (case.args[2] + 1) % 4})
        for network in small_models.NETWORKS:
            for look in ("mode", "gradients"):
                yield Picture("nothing left behind", network, h=6).case(rng, look=look)

    probe = saliency_probe
    oracle = ck.oracle.saliency
    returns = ("the map", "the number of modules in training mode, or of parameters with a gradient")
    bugs = (
        Bug(
            "gradient of the probability",
            "This is the gradient of the probability. Take the score before the softmax: a probability near 1 hardly "
            "moves, and it also rises where the other classes' scores fall.",
            gradient_map(lambda scores, target: scores.softmax(1)[0, target]),
            (
                gradient_map(lambda scores, target: scores.log_softmax(1)[0, target]),
                gradient_map(lambda scores, target: -scores.log_softmax(1)[0, target]),
            ),
        ),
        Bug(
            "parameters' gradients left behind",
            "The map is right, but backward() filled the .grad of every parameter as well, and the next training step "
            "would add to it. torch.autograd.grad(score, picture) computes only the gradient you ask for; or clear "
            "them with model.zero_grad().",
            gradient_map(clean=False),
        ),
        Bug(
            "no absolute value",
            "A pixel matters as much where brightening it lowers the score: take the absolute value of the gradient, "
            "then the largest over the channels.",
            gradient_map(condense=lambda g: g.amax(0)),
            (gradient_map(condense=lambda g: g.amax(0).abs()), gradient_map(condense=lambda g: g.amax(0).relu())),
        ),
        Bug(
            "channels added",
            "You added the channels up. A pixel counts as much as the strongest of its channels: the maximum over axis "
            "0 of the absolute gradient.",
            gradient_map(condense=lambda g: g.abs().sum(0)),
            (
                gradient_map(condense=lambda g: g.abs().mean(0)),
                gradient_map(condense=lambda g: g.norm(dim=0)),
                gradient_map(condense=lambda g: g.sum(0).abs()),
                gradient_map(condense=lambda g: g.mean(0).abs()),
            ),
        ),
        Bug(
            "one channel only",
            "Only one channel of the gradient is in your map. Take the maximum over all of them.",
            gradient_map(condense=lambda g: g[0].abs()),
            (gradient_map(condense=lambda g: g[-1].abs()),),
        ),
        Bug(
            "multiplied by the picture",
            "You multiplied the gradient by the picture. That is another map, of what each pixel contributes; saliency "
            "is how much the score would move, whatever is there now.",
            times_the_picture,
        ),
        Bug(
            "scaled",
            "The map is scaled to its own largest value, or by another factor. Give the gradients as they are; a "
            "figure may scale them.",
            gradient_map(condense=lambda g: g.abs().amax(0) / g.abs().max()),
            (
                gradient_map(condense=lambda g: from_zero_to_one(g.abs().amax(0))),
                gradient_map(condense=lambda g: g.abs().amax(0) / g.abs().amax(0).sum()),
                gradient_map(condense=lambda g: g.square().amax(0)),
            ),
        ),
        Bug(
            "gradient of another class",
            "Asked is the score of the class target alone, whether it is the model's first choice or not.",
            gradient_map(lambda scores, target: scores.max()),
            (gradient_map(lambda scores, target: scores.sum()),),
        ),
        Bug(
            "gradients pile up",
            "The first call is right and the next one, on the same picture, is not: backward() adds to .grad. Start "
            "from a fresh leaf, image.clone().requires_grad_(), or set .grad to None.",
            piling_up,
        ),
        Bug("model left in training mode", MODE_HINT, left_training(ck.oracle.saliency)),
    )


# Grad-CAM

LAYERS = {
    "plain": ("0", "1", "2", "4"),
    "nested": ("features.0", "features.3", "features.4", "features"),
    "residual": ("stem", "stage.0", "stage.1.conv2", "stage"),
}
"""Layers whose output nothing changes in place, for with some hooks torch refuses that."""


def cam(weigh=lambda g: g.mean((1, 2), keepdim=True), finish=torch.relu, read=None, add=lambda terms: terms.sum(0)):
    """Grad-CAM with a twist.

    Args:
        weigh: from the gradient, ``(K, h, w)``, to what the maps are multiplied by.
        finish: what comes last, after the sum.
        read: from scores ``(1, classes)`` and the target to the number whose gradient is taken.
        add: from the weighted maps, ``(K, h, w)``, to one.
    """

    def answer(model, layer, image, target):
        score = lambda scores: (read or (lambda scores, target: scores[0, target]))(scores, target)
        maps, gradient = maps_and_gradient(model, layer, image, score)
        return finish(add(weigh(gradient) * maps))

    return answer


def gradient_alone(condense):
    def answer(model, layer, image, target):
        return condense(maps_and_gradient(model, layer, image, lambda scores: scores[0, target])[1]).relu()

    return answer


def resized(model, layer, image, target):
    small = ck.oracle.grad_cam(model, layer, image, target)
    mode = {"mode": "bilinear", "align_corners": False}
    return torch.nn.functional.interpolate(small[None, None], image.shape[1:], **mode)[0, 0]


def cam_probe(answer, model, layer, image, target, look="result"):
    of_layer = lambda network, picture, target: answer(network, layer, picture, target)
    return probe(of_layer, model, image, target, look=look)


def cam_case(rng, p, layer, **kwargs):
    """A case in which the map before it is rectified has both signs, and enough of both."""
    with ck.devices.using("cpu"), ck.devices.one_thread():
        while True:
            model, image, target = p.model(rng), p.image(rng), p.target(rng)
            raw = cam(finish=lambda m: m)(small_models.build(model, p.c), layer, small_models.tensor(image), target)
            if 8 * raw.max() > -raw.min() and -8 * raw.min() > raw.max():
                return Case(p.group, (model, layer, image, target), kwargs, p.layout)


@UNIT.exercise(
    "grad_cam(model, layer, image, target)", points={"basics": 2, "nested names": 1, "nothing left behind": 1}
)
class GradCam:
    def cases(rng):
        for layer in LAYERS["plain"]:
            yield cam_case(rng, Picture("basics"), layer)
            yield cam_case(rng, Picture("basics", c=1, h=6, w=9, classes=6), layer)
        yield cam_case(rng, Picture("basics", "residual", h=9), "stem")
        yield cam_case(rng, Picture("basics", "residual", w=5), "stage")
        yield cam_case(rng, Picture("basics", "nested", c=2, h=10, layout="slice"), "features")
        for network in ("nested", "residual"):
            for layer in LAYERS[network]:
                if "." in layer:
                    yield cam_case(rng, Picture("nested names", network, h=9, w=7), layer)
                    yield cam_case(rng, Picture("nested names", network, c=2, h=6, w=8), layer)
        for network, layers in LAYERS.items():
            yield cam_case(rng, Picture("nothing left behind", network), layers[0], look="mode")

    probe = cam_probe
    oracle = ck.oracle.grad_cam
    returns = ("the map", "the number of modules in training mode")
    bugs = (
        Bug(
            "not rectified",
            "Your map has negative numbers, where the layer saw what speaks against the class. Grad-CAM keeps what "
            "speaks for it: rectify the weighted sum.",
            cam(finish=lambda m: m),
            (cam(finish=torch.abs),),
        ),
        Bug(
            "weights not averaged",
            "Each map has one weight: the mean of its gradient over all its pixels. You multiplied the map by its "
            "gradient pixel by pixel, or added the gradient up.",
            cam(weigh=lambda g: g),
            (cam(weigh=lambda g: g.sum((1, 2), keepdim=True)), cam(weigh=lambda g: g.amax((1, 2), keepdim=True))),
        ),
        Bug(
            "rectified before the sum",
            "Maps with a negative weight count, too: they take away from what the others say. Add up first, rectify "
            "last.",
            cam(weigh=lambda g: g.mean((1, 2), keepdim=True).relu()),
            (cam(add=lambda terms: terms.relu().sum(0)),),
        ),
        Bug(
            "absolute weights",
            "A map whose gradient is negative speaks against the class. Keep the signs of the weights.",
            cam(weigh=lambda g: g.mean((1, 2), keepdim=True).abs()),
            (cam(weigh=lambda g: g.abs().mean((1, 2), keepdim=True)),),
        ),
        Bug(
            "mean over the maps",
            "The weighted maps are added up; you took their mean.",
            cam(add=lambda terms: terms.mean(0)),
        ),
        Bug(
            "gradient of the probability",
            "This is the gradient of the probability. Take the score before the softmax: a probability near 1 hardly "
            "moves, and it also rises where the other classes' scores fall.",
            cam(read=lambda scores, target: scores.softmax(1)[0, target]),
            (
                cam(read=lambda scores, target: scores.log_softmax(1)[0, target]),
                cam(read=lambda scores, target: -scores.log_softmax(1)[0, target]),
            ),
        ),
        Bug(
            "gradient of another class",
            "Asked is the score of the class target alone, whether it is the model's first choice or not.",
            cam(read=lambda scores, target: scores.max()),
            (cam(read=lambda scores, target: scores.sum()),),
        ),
        Bug(
            "scaled",
            "The map is scaled to its own largest value. Give it as it is; a figure may scale it.",
            cam(finish=lambda m: m.relu() / m.relu().max()),
            (cam(finish=lambda m: from_zero_to_one(m.relu())),),
        ),
        Bug(
            "enlarged to the picture",
            "Return the map at the layer's own size (h, w). To lay it over the picture is a matter for the figure.",
            resized,
        ),
        Bug(
            "the gradient alone",
            "The maps themselves are missing: the mean gradients weight the layer's output.",
            gradient_alone(lambda g: g.sum(0)),
            (gradient_alone(lambda g: g.mean(0)),),
        ),
        Bug("model left in training mode", MODE_HINT, left_training(ck.oracle.grad_cam)),
    )


# Nearest neighbours


def nearest_probe(answer, features, query, k):
    """The indices as an array, whether they come as one or in a list."""
    return small_models.array(answer(features, query, k))


def neighbours(rng, group, n, d, dtype="float64", twin=None, layout="C", readonly=False):
    """Rows of which no two are nearly as far from any third, in Euclid's measure.

    Args:
        twin: row that equals the query, -1 for the one before it and 1 for the one after; None for no such row.
    """
    query, k = int(rng.integers(1, n - 1)), int(rng.integers(3, n - 1))
    while True:
        # Lengths differ, so that products and angles say something else than distances.
        features = draw(rng, (n, d)) * rng.uniform(0.3, 3, (n, 1)) + rng.uniform(-1, 1, d)
        features = features.astype(dtype)
        if twin is not None:
            features[query + twin] = features[query]
        distances = np.sort(np.linalg.norm(features - features[query], axis=1))[1:]
        if (np.diff(distances) > 1e-3 * distances[1:]).all():
            return Case(group, (features, query, k), {}, layout, readonly)


def by(measure, shift=None, itself=False):
    """Neighbours by another measure: ``measure(features, query)``, the smaller the nearer."""

    def answer(features, query, k):
        far = np.array(measure(features, query), np.float64)
        if not itself:
            far[query] = np.inf
        found = np.argsort(far, kind="stable")
        return (shift or (lambda order, query, k: order[:k]))(found, query, k)

    return answer


def euclid(features, query):
    return np.linalg.norm(features - features[query], axis=1)


def cosine(features, query):
    return -(features @ features[query]) / np.linalg.norm(features, axis=1)


def shifted_down(order, query, k):
    """Indices as they count once the query is taken out."""
    return np.where(order > query, order - 1, order)[:k]


@UNIT.exercise("nearest(features, query, k)", points={"distances": 2, "itself": 1})
class Nearest:
    def cases(rng):
        for n, d, more in (
            (8, 3, {}),
            (8, 3, {}),
            (9, 4, {"dtype": "float32"}),
            (12, 2, {"layout": "transposed"}),
            (10, 10, {"readonly": True}),
            (9, 5, {"layout": "slice", "dtype": "float32"}),
            (7, 1, {}),
            (20, 8, {"readonly": True, "dtype": "float32"}),
        ):
            yield neighbours(rng, "distances", n, d, **more)
        for k in (1, 5):  # the nearest one alone; all others
            case = neighbours(rng, "distances", 6, 3)
            yield replace(case, args=(*case.args[:2], k))
        for query in (0, 6):  # the first row and the last
            case = neighbours(rng, "itself", 7, 3)
            features = np.roll(case.args[0], query - case.args[1], axis=0)
            yield replace(case, args=(features, query, 4))
        # Many, since argsort need not keep the order of equal distances: often it puts the query first by luck.
        for n, twin, dtype in itertools.product((7, 9, 12, 17), (-1, 1), ("float64", "float32")):
            yield neighbours(rng, "itself", n, 4, dtype, twin)

    probe = nearest_probe
    oracle = ck.oracle.nearest
    bugs = (
        Bug(
            "by dot product",
            "You went by the dot product, which favours long vectors wherever they point. Near is what has a small "
            "Euclidean distance.",
            by(lambda features, query: -(features @ features[query])),
        ),
        Bug(
            "by angle",
            "You went by the angle between the vectors, so that their lengths do not count. Take the Euclidean "
            "distance.",
            by(cosine),
        ),
        Bug(
            "by city blocks",
            "You added up the absolute differences. Euclid's distance adds their squares.",
            by(lambda features, query: np.abs(features - features[query]).sum(1)),
            (by(lambda features, query: np.abs(features - features[query]).max(1)),),
        ),
        Bug(
            "the query itself",
            "The query is among its own neighbours: nothing is nearer to it than itself. Leave it out by its index.",
            by(euclid, itself=True),
        ),
        Bug(
            "first place dropped",
            "You dropped whatever came first in the order. A row that equals the query may come before it: leave out "
            "the row with the index query.",
            by(euclid, lambda order, query, k: order[1 : k + 1], itself=True),
        ),
        Bug(
            "indices after the query was taken out",
            "You took the query's row out, and the rows behind it moved up by one: their indices are one too small.",
            by(euclid, shifted_down),
        ),
        Bug(
            "the farthest",
            "These are the farthest rows. argsort puts the smallest distance first.",
            by(lambda features, query: -euclid(features, query)),
            (by(euclid, lambda order, query, k: order[-k:], itself=True),),
        ),
        Bug(
            "farthest first",
            "The right rows in reverse: the nearest one comes first.",
            by(euclid, lambda order, query, k: order[:k][::-1].copy()),
        ),
        Bug(
            "one too few",
            "You looked for k rows with the query among them, and then left it out: one is missing.",
            by(euclid, lambda order, query, k: order[: k - 1]),
        ),
        Bug(
            "distances for indices",
            "These are the distances. Asked are the indices of the rows.",
            lambda features, query, k: np.sort(euclid(features, query))[1 : k + 1],
        ),
    )
