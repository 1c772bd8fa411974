"""Unit 06, third part: softmax, and three losses with their gradients."""

from dataclasses import dataclass

import numpy as np
import torch

import cnnkit as ck
from cnnkit.cases import Case
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("06-pooling-and-losses")

CARS = [[3.2, 5.1, -1.7]]
"""Scores for cat, car and frog, from deck d."""


@dataclass(frozen=True)
class Scores:
    """A batch of scores; ``spread`` is how far apart they are.

    Classes are int64 throughout: ``F.cross_entropy`` and ``gather`` take no other, and an answer may call them.
    """

    shape: tuple
    dtype: str = "float64"
    spread: float = 1.5
    layout: str = "C"
    readonly: bool = False

    def scores(self, rng):
        return (self.spread * draw(rng, self.shape)).astype(self.dtype)

    def y(self, rng):
        n, classes = self.shape
        return rng.integers(0, classes, n)

    def targets(self, rng):
        return (rng.random(self.shape) < 0.4).astype(self.dtype)

    def case(self, group, *args, **kwargs):
        return Case(group, args, kwargs, self.layout, self.readonly)


BATCHES = (
    Scores((5, 4)),
    Scores((5, 4)),  # the same shape with other values
    Scores((5, 4), "float32"),
    Scores((4, 6)),
    Scores((3, 3)),
    Scores((1, 5)),
    Scores((7, 2)),
    Scores((6, 4), layout="transposed", readonly=True),
    Scores((4, 7), "float32", layout="slice"),
    Scores((3, 5), spread=4, readonly=True),
)


def _own(scores):
    """The scores as a tensor of their own dtype: some bugs are about its range."""
    return torch.tensor(scores)


def _unshifted(scores, axis=-1):
    e = _own(scores).exp()
    return (e / e.sum(axis, keepdim=True)).numpy()


def _along(axis):
    def answer(scores):
        return ck.oracle.softmax(scores.swapaxes(axis, -1)).swapaxes(axis, -1)

    return answer


def _shifted_by_largest_of_all(scores):
    return _unshifted(scores - scores.max())


def mixed_levels(rng, dtype="float64", level=1e4):
    """Rows that lie far apart, so that no one shift suits all."""
    return (np.array([[level], [0], [-level], [level / 2]]) + draw(rng, (4, 3))).astype(dtype)


def _shares(scores):
    with np.errstate(all="ignore"):
        return scores / scores.sum(-1, keepdims=True)


@UNIT.exercise("softmax(scores)", points={"basics": 1, "axes": 1, "large": 1})
class Softmax:
    def cases(rng):
        yield Case("basics", (np.array(CARS),))
        for points in BATCHES:
            yield points.case("basics", points.scores(rng))
        yield Case("axes", (np.array(CARS[0]),))
        for shape, dtype in [((5,), "float32"), ((2, 3, 4), "float64"), ((3, 3, 3), "float64"), ((4, 2, 3), "float32")]:
            yield Case("axes", (draw(rng, shape, dtype),))
        yield Case("axes", (draw(rng, (2, 4, 3)),), layout="channels last")
        yield Case("axes", (draw(rng, (3, 2, 5)),), layout="transposed", readonly=True)
        yield Case("axes", (draw(rng, (1, 1, 4), whole=True),))
        yield Case("large", (1e4 * draw(rng, (4, 3)),))
        yield Case("large", (1e4 + draw(rng, (3, 5)),))
        yield Case("large", (draw(rng, (3, 5)) - 1e4,), readonly=True)
        yield Case("large", (draw(rng, (4, 3), "float32") + np.float32(120),))
        yield Case("large", (draw(rng, (2, 6), "float32") - np.float32(150),))
        yield Case("large", (mixed_levels(rng),))
        yield Case("large", (mixed_levels(rng, "float32", 200),))
        yield Case("large", (mixed_levels(rng)[rng.permutation(4)],))

    def oracle(scores):
        return ck.oracle.softmax(scores)

    bugs = (
        Bug(
            "no shift",
            "With large scores you get nan: exp overflows to inf, and inf / inf is nothing (or all exponentials are "
            "0). Subtracting the row's largest score from the row changes no probability, and then no exponent is "
            "above 0.",
            _unshifted,
            (
                lambda scores: _unshifted(scores - scores.mean(-1, keepdims=True)),
                lambda scores: _unshifted(scores - scores.min(-1, keepdims=True)),
                lambda scores: np.nan_to_num(_unshifted(scores)),
            ),
        ),
        Bug(
            "shifted by the largest of all",
            "You subtract the largest score of the whole array. A row that lies far below it is left with exponentials "
            "that are all 0. Subtract from each row its own largest.",
            _shifted_by_largest_of_all,
        ),
        Bug(
            "not along the last axis",
            "Your probabilities add up to 1 along another axis, or over everything. Each row is one example: the sum "
            "goes along the last axis, and keepdims=True keeps it in line with the scores.",
            _along(0),
            (_along(1), lambda scores: ck.oracle.softmax(scores.reshape(-1)).reshape(scores.shape)),
        ),
        Bug(
            "softmax twice",
            "You took the softmax of probabilities. They lie between 0 and 1, so their exponentials are all alike and "
            "the second softmax is close to even. Take it once, of the scores.",
            lambda scores: ck.oracle.softmax(ck.oracle.softmax(scores)),
        ),
        Bug(
            "not normalised",
            "These are exponentials. Divide them by their sum, and they become probabilities.",
            lambda scores: _own(scores - scores.max(-1, keepdims=True)).exp().numpy(),
            (lambda scores: _own(scores).exp().numpy(),),
        ),
        Bug(
            "logarithms of the probabilities",
            "These are the logarithms of the probabilities. softmax returns the probabilities themselves.",
            lambda scores: _own(scores).log_softmax(-1).numpy(),
        ),
        Bug(
            "no exponential",
            "You divide the scores by their sum. Scores may be negative, and so are your probabilities: take the "
            "exponential of each score first.",
            _shares,
            (lambda scores: _shares(scores - scores.max(-1, keepdims=True)),),
        ),
        Bug(
            "powers of 2 or 10",
            "The shares are right in kind, but not to base e: use np.exp.",
            lambda scores: ck.oracle.softmax(scores * np.asarray(np.log(2), scores.dtype)),
            (lambda scores: ck.oracle.softmax(scores * np.asarray(np.log(10), scores.dtype)),),
        ),
    )


def _of_classes(scores, y):
    return np.take_along_axis(scores, y.astype(int)[:, None], 1)[:, 0]


def far_behind(rng, dtype, by):
    """Scores whose true class lies far below another, with the classes."""
    scores = draw(rng, (4, 5), dtype)
    y = rng.permutation(4)
    scores[:, 4] += np.asarray(by, dtype)
    return scores, y


def scaled(exercise, loss=1, gradient=1):
    """An answer of which loss and gradient are off by factors; functions of the shape of the scores, or numbers."""

    def answer(scores, y, *args, **kwargs):
        right = exercise(scores, y, *args, **kwargs)
        by_loss, by_gradient = (f(scores.shape) if callable(f) else f for f in (loss, gradient))
        return right[0] * by_loss, right[1] * np.asarray(by_gradient, scores.dtype)

    return answer


def not_divided(exercise, name="N", count=lambda shape: shape[0]):
    return Bug(
        f"not divided by {name}",
        "Loss and gradient are means over the examples: divide both by N, or the step of the learning would grow with "
        "the batch. The gradient is that of the mean, so the same N stands under it.",
        scaled(exercise, count, count),
        (scaled(exercise, count, 1), scaled(exercise, 1, count)),
    )


def _log_of_p(p, y, tiny, clipped):
    """Mean of ``-log p`` of the true classes, kept from infinity by ``tiny`` or not at all."""
    chosen = _of_classes(p, y)
    safe = np.clip(chosen, tiny, 1) if clipped else chosen + np.asarray(tiny, p.dtype)
    with np.errstate(divide="ignore"):
        return -np.log(safe).mean()


def _underflowed(tiny, clipped=False):
    def answer(scores, y):
        return _log_of_p(ck.oracle.softmax(scores), y, tiny, clipped), ck.oracle.softmax_loss(scores, y)[1]

    return answer


def _no_shift(scores, y):
    p = _unshifted(scores)
    return _log_of_p(p, y, 0, False), (p - _one_hot(scores, y)) / np.asarray(len(y), p.dtype)


def _one_hot(scores, y):
    """What softmax_loss subtracts from the probabilities, recovered from the reference."""
    return ck.oracle.softmax(scores) - ck.oracle.softmax_loss(scores, y)[1] * np.asarray(len(y), scores.dtype)


def _no_shift_log_sum(scores, y):
    t = _own(scores)
    loss = (t.exp().sum(1).log() - t[torch.arange(len(y)), torch.tensor(y.astype(int))]).mean()
    return loss.item(), _no_shift(scores, y)[1]


def _of_every_class(loss):
    """The right gradient beside another ``loss(logarithms of the probabilities, y)``."""

    def answer(scores, y):
        log_p = _own(scores).log_softmax(-1).numpy()
        return loss(log_p, y.astype(int)).item(), ck.oracle.softmax_loss(scores, y)[1]

    return answer


def _softmax_twice(scores, y):
    return ck.oracle.softmax_loss(ck.oracle.softmax(scores), y)


def _in_every_row(scores, y):
    """p[:, y] -= 1 in place of p[arange(N), y] -= 1."""
    p = ck.oracle.softmax(scores)
    p[:, y] -= 1
    return p / np.asarray(len(y), p.dtype)


@UNIT.exercise("softmax_loss(scores, y)", points={"basics": 3, "large": 2})
class SoftmaxLoss:
    def cases(rng):
        for label in range(3):
            yield Case("basics", (np.array(CARS), np.array([label])))
        for points in BATCHES:
            yield points.case("basics", points.scores(rng), points.y(rng))
        yield Case("basics", (draw(rng, (4, 3), whole=True), np.array([2, 2, 0, 2])))
        yield Case("large", (1e4 * draw(rng, (4, 3)), rng.integers(0, 3, 4)))
        yield Case("large", (1e4 + draw(rng, (3, 5)), rng.integers(0, 5, 3)))
        yield Case("large", (draw(rng, (3, 5)) - 1e4, rng.integers(0, 5, 3)), readonly=True)
        yield Case("large", (mixed_levels(rng), rng.integers(0, 3, 4)))
        yield Case("large", (mixed_levels(rng, "float32", 150), rng.integers(0, 3, 4)))
        yield Case("large", far_behind(rng, "float64", 1e4))
        yield Case("large", far_behind(rng, "float64", 900))
        yield Case("large", far_behind(rng, "float32", 300))

    def oracle(scores, y):
        return ck.oracle.softmax_loss(scores, y)

    returns = ("loss", "dscores")
    bugs = (
        Bug(
            "no shift",
            "With large scores you get inf or nan: exp overflows. Subtract from each row its largest score before "
            "anything else; neither the loss nor the gradient changes.",
            _no_shift,
            (_no_shift_log_sum,),
        ),
        Bug(
            "log of a probability that became 0",
            "Where the true class is far behind, its probability is rounded to 0, and its logarithm is lost (a small "
            "number added inside only hides it). Stay with logarithms: log p_y = s_y - log sum exp(s), on shifted "
            "scores.",
            _underflowed(0),
            tuple(_underflowed(10.0**-k) for k in (7, 8, 9, 10, 12, 15, 20))
            + tuple(_underflowed(10.0**-k, clipped=True) for k in (7, 8, 9, 10, 12, 15, 20)),
        ),
        Bug(
            "every class counted",
            "Your loss goes over all probabilities. It is -log of one alone in each row, that of the true class: "
            "p[np.arange(N), y].",
            _of_every_class(lambda log_p, y: -log_p.mean()),
            (
                _of_every_class(lambda log_p, y: -log_p.sum(1).mean()),
                _of_every_class(lambda log_p, y: -log_p.sum()),
                _of_every_class(lambda log_p, y: -log_p[:, y].mean()),
            ),
        ),
        Bug(
            "no logarithm",
            "Your loss is made of the probability itself. It is minus the logarithm of it: 0 where the true class has "
            "all, and without bound where it has next to nothing.",
            _of_every_class(lambda log_p, y: -np.exp(_of_classes(log_p, y)).mean()),
            (_of_every_class(lambda log_p, y: 1 - np.exp(_of_classes(log_p, y)).mean()),),
        ),
        Bug(
            "log10",
            "The loss is off by the factor 2.303: it is the natural logarithm, np.log, that goes with exp.",
            scaled(ck.oracle.softmax_loss, 1 / np.log(10)),
            (
                scaled(ck.oracle.softmax_loss, 1 / np.log(10), 1 / np.log(10)),
                scaled(ck.oracle.softmax_loss, 1 / np.log(2)),
            ),
        ),
        not_divided(ck.oracle.softmax_loss),
        Bug(
            "mean over all entries",
            "You took a mean over examples and classes. Each example has one loss, that of its true class: divide by "
            "N.",
            scaled(ck.oracle.softmax_loss, lambda shape: 1 / shape[1]),
            (scaled(ck.oracle.softmax_loss, lambda shape: 1 / shape[1], lambda shape: 1 / shape[1]),),
        ),
        Bug(
            "softmax twice",
            "Softmax was applied to probabilities. This function takes raw scores and applies it once; a network that "
            "ends in a softmax and a loss that starts with one do the same harm.",
            _softmax_twice,
            (
                lambda scores, y: (_softmax_twice(scores, y)[0], ck.oracle.softmax_loss(scores, y)[1]),
                lambda scores, y: (ck.oracle.softmax_loss(scores, y)[0], _softmax_twice(scores, y)[1]),
            ),
        ),
        Bug(
            "1 not subtracted at the true class",
            "Your gradient holds the probabilities alone, so it pushes every score down, the true one, too. It is "
            "probability minus 1 at the true class.",
            lambda scores, y: (
                ck.oracle.softmax_loss(scores, y)[0],
                ck.oracle.softmax(scores) / np.asarray(len(y), scores.dtype),
            ),
        ),
        Bug(
            "1 subtracted in every row",
            "scores[:, y] takes the columns y of every row. For one entry per row pair each label with its row: "
            "scores[np.arange(N), y].",
            lambda scores, y: (ck.oracle.softmax_loss(scores, y)[0], _in_every_row(scores, y)),
        ),
        Bug(
            "sign",
            "Loss or gradient has the wrong sign. -log p is positive, and its gradient is p minus the one-hot target: "
            "negative at the true class, so that a step downhill raises its score.",
            scaled(ck.oracle.softmax_loss, 1, -1),
            (scaled(ck.oracle.softmax_loss, -1, 1), scaled(ck.oracle.softmax_loss, -1, -1)),
        ),
    )


def _svm_changed(scores, y, margin, loss=0.0, at_y=None):
    """The hinge loss with so much added to the loss, and the gradient at the true classes replaced."""
    right, gradient = ck.oracle.svm_loss(scores, y, margin)
    if at_y is not None:
        rows = np.arange(len(y))
        gradient[rows, y] = at_y(gradient[rows, y] * len(y)) / len(y)
    return right + loss, gradient


def _worst_only(scores, y, margin=1.0):
    """Only the wrong class that comes nearest, or goes furthest beyond."""
    others = scores.astype(np.float64)
    others[np.arange(len(y)), y] = -np.inf
    rival = others.argmax(1)
    pair = np.stack([_of_classes(scores, y), _of_classes(scores, rival)], 1)
    loss, two = ck.oracle.svm_loss(pair, np.zeros(len(y), int), margin)
    gradient = np.zeros_like(scores)
    gradient[np.arange(len(y)), y], gradient[np.arange(len(y)), rival] = two.T
    return loss, gradient


def _squared(scores, y, margin=1.0):
    leaf = torch.tensor(scores.astype(np.float64), requires_grad=True)
    classes = torch.tensor(y.astype(int))
    loss = scores.shape[1] * torch.nn.functional.multi_margin_loss(leaf, classes, p=2, margin=margin)
    loss.backward()
    return loss.item(), leaf.grad.numpy().astype(scores.dtype)


def _no_hinge(scores, y, margin=1.0):
    """Margins that are kept lower the loss: under a margin so wide none is kept, and what it adds is taken off."""
    wide = 1e6
    loss, gradient = ck.oracle.svm_loss(scores, y, margin + wide)
    return loss - wide * (scores.shape[1] - 1), gradient


def _svm_loss_of(answer):
    """The loss of a wrong answer with the right gradient."""
    return lambda scores, y, margin=1.0: (answer(scores, y, margin)[0], ck.oracle.svm_loss(scores, y, margin)[1])


@UNIT.exercise("svm_loss(scores, y, margin=1.0)", points={"basics": 3, "margin": 1})
class SvmLoss:
    def cases(rng):
        for label in range(3):
            yield Case("basics", (np.array(CARS), np.array([label])))
        for points in BATCHES:
            yield points.case("basics", points.scores(rng), points.y(rng))
        y = rng.permutation(4)
        yield Case("basics", (draw(rng, (4, 4)) + 9 * np.eye(4)[y], y))  # no margin broken: nothing to learn
        yield Case("basics", (draw(rng, (4, 4)) - 9 * np.eye(4)[y], y))  # all margins broken
        for points, margin in zip(BATCHES[:5], (0.5, 2.0, 0.25, 5.0, 0.75), strict=True):
            yield points.case("margin", points.scores(rng), points.y(rng), margin=margin)
        yield BATCHES[3].case("margin", BATCHES[3].scores(rng), BATCHES[3].y(rng), 3.0)
        # Whole scores and half a margin: many are equal, and no term is exactly on its kink.
        yield Case("margin", (draw(rng, (5, 4), whole=True), rng.integers(0, 4, 5)), {"margin": 0.5})

    def oracle(scores, y, margin=1.0):
        return ck.oracle.svm_loss(scores, y, margin)

    returns = ("loss", "dscores")
    bugs = (
        Bug(
            "true class counted",
            "The loss is too large by the margin: the sum includes j = y, where s_j - s_y is 0 and the margin is "
            "left. It runs over the wrong classes only.",
            lambda scores, y, margin=1.0: _svm_changed(scores, y, margin, margin),
            (
                lambda scores, y, margin=1.0: _svm_changed(scores, y, margin, margin, lambda g: g + 1),
                lambda scores, y, margin=1.0: _svm_changed(scores, y, margin, margin, lambda g: g - 1),
            ),
        ),
        Bug(
            "gradient at y not accumulated",
            "The true class gets -1 for every wrong class that breaks the margin: count them. Yours gets it once, or "
            "not at all.",
            lambda scores, y, margin=1.0: _svm_changed(scores, y, margin, at_y=lambda g: -1.0 * (g < 0)),
            (
                lambda scores, y, margin=1.0: _svm_changed(scores, y, margin, at_y=lambda g: -np.ones_like(g)),
                lambda scores, y, margin=1.0: _svm_changed(scores, y, margin, at_y=lambda g: 0 * g),
                lambda scores, y, margin=1.0: _svm_changed(scores, y, margin, at_y=lambda g: 1.0 * (g < 0)),
            ),
        ),
        not_divided(ck.oracle.svm_loss),
        Bug(
            "mean over all entries",
            "You took a mean over examples and classes. Each example has one loss, a sum over classes: divide by N.",
            scaled(ck.oracle.svm_loss, lambda shape: 1 / shape[1]),
            (
                scaled(ck.oracle.svm_loss, lambda shape: 1 / shape[1], lambda shape: 1 / shape[1]),
                scaled(ck.oracle.svm_loss, lambda shape: 1 / (shape[1] - 1), lambda shape: 1 / (shape[1] - 1)),
            ),
        ),
        Bug(
            "margin ignored",
            "The margin argument has no effect: your margin is always 1 (or 0).",
            lambda scores, y, margin=1.0: ck.oracle.svm_loss(scores, y),
            (lambda scores, y, margin=1.0: ck.oracle.svm_loss(scores, y, 0.0),),
        ),
        Bug(
            "largest violation only",
            "You count only the worst of the wrong classes. This loss adds up all that break the margin.",
            _worst_only,
            (_svm_loss_of(_worst_only),),
        ),
        Bug(
            "squared",
            "You squared the violations. That is another loss; here they are added as they are.",
            _squared,
            (_svm_loss_of(_squared),),
        ),
        Bug(
            "no max(0, .)",
            "Classes that keep their distance lower your loss. A margin that is kept counts 0, however wide it is.",
            _no_hinge,
            (_svm_loss_of(_no_hinge),),
        ),
        Bug(
            "the true score minus the others",
            "The difference is the wrong way round: a term is s_j - s_y + margin, which grows when a wrong class comes "
            "near.",
            _svm_loss_of(lambda scores, y, margin=1.0: ck.oracle.svm_loss(-scores, y, margin)),
            (lambda scores, y, margin=1.0: ck.oracle.svm_loss(-scores, y, margin),),
        ),
        Bug(
            "gradient weighted by the violation",
            "Each broken margin pushes with its size. The slope of max(0, v) is 1 wherever v is positive.",
            lambda scores, y, margin=1.0: (
                ck.oracle.svm_loss(scores, y, margin)[0],
                _squared(scores, y, margin)[1] / 2,
            ),
        ),
        Bug(
            "sign",
            "The gradient has the wrong sign: the true class should get a negative one, so that a step downhill raises "
            "its score.",
            scaled(ck.oracle.svm_loss, 1, -1),
        ),
    )


def _bce(scores, targets):
    return ck.oracle.bce_with_logits(scores, targets)


def _bce_of(probability, log=torch.log):
    """The textbook formula on a probability, in the dtype of the scores, with autograd's gradient."""

    def answer(scores, targets):
        leaf = torch.tensor(scores, requires_grad=True)
        p, t = probability(leaf), torch.tensor(targets)
        loss = -(t * log(p) + (1 - t) * log(1 - p)).mean()
        loss.backward()
        return loss.item(), leaf.grad.numpy()

    return answer


def _with_loss(answer):
    """The loss of a wrong answer with the right gradient."""
    return lambda scores, targets: (answer(scores, targets)[0], _bce(scores, targets)[1])


def _raw_sigmoid(t):
    """exp(t) / (1 + exp(t)): nan where exp overflows."""
    return t.exp() / (1 + t.exp())


def _overflowing_softplus(scores, targets):
    s, t = _own(scores), _own(targets)
    return ((1 + s.exp()).log() - s * t).mean().item(), _bce(scores, targets)[1]


def _overflowing_other(scores, targets):
    s, t = _own(scores), _own(targets)
    return ((1 + (-s).exp()).log() + s * (1 - t)).mean().item(), _bce(scores, targets)[1]


def _raw_gradient(scores, targets):
    s, t = _own(scores), _own(targets)
    return _overflowing_softplus(scores, targets)[0], ((_raw_sigmoid(s) - t) / s.numel()).numpy()


def _raw_gradient_alone(scores, targets):
    return _bce(scores, targets)[0], _raw_gradient(scores, targets)[1]


def _softmax_of_positives(scores, targets):
    """Only the labels that are present, with the probabilities of a softmax, and a mean over all entries."""
    loss = -(_own(targets) * _own(scores).log_softmax(-1)).mean().item()
    return _softmax_gradient(lambda *_: (loss,))(scores, targets)


def _cut(tiny):
    return _with_loss(_bce_of(lambda s: s.sigmoid().clip(tiny, 1 - tiny)))


def _added(tiny):
    return _with_loss(_bce_of(torch.sigmoid, lambda p: torch.log(p + tiny)))


def _softmax_loss_of_all(scores, targets):
    leaf = torch.tensor(scores, requires_grad=True)
    loss = -(torch.tensor(targets) * leaf.log_softmax(-1)).sum(-1).mean()
    loss.backward()
    return loss.item(), leaf.grad.numpy()


def _softmax_gradient(loss):
    def answer(scores, targets):
        return loss(scores, targets)[0], (ck.oracle.softmax(scores) - targets) / np.asarray(scores.size, scores.dtype)

    return answer


def _positives_only(scores, targets):
    """-t log p and nothing for the labels that are absent."""
    leaf = torch.tensor(scores, requires_grad=True)
    loss = -(torch.tensor(targets) * torch.nn.functional.logsigmoid(leaf)).mean()
    loss.backward()
    return loss.item(), leaf.grad.numpy()


def _times_slope(scores, targets):
    p = _own(scores).sigmoid()
    loss, gradient = _bce(scores, targets)
    return loss, gradient * (p * (1 - p)).numpy()


def giants(rng, shape, dtype):
    """Scores of which some are far beyond the range of exp."""
    scores = draw(rng, shape, dtype)
    scores.reshape(-1)[rng.permutation(scores.size)[:4]] = (1000, -1000, 800, -900)
    return scores


def against(scores):
    """Targets that contradict every score: the loss is as large as it can be."""
    return (scores < 0).astype(scores.dtype)


@UNIT.exercise("bce_with_logits(scores, targets)", points={"basics": 3, "large": 2})
class BceWithLogits:
    def cases(rng):
        for points in BATCHES:
            yield points.case("basics", points.scores(rng), points.targets(rng))
        yield Case("basics", (draw(rng, (3, 4)), np.ones((3, 4))))
        yield Case("basics", (draw(rng, (4, 2)), np.zeros((4, 2))))
        yield Case("basics", (draw(rng, (1, 1)), np.ones((1, 1))))
        for shape, dtype in [((3, 4), "float64"), ((4, 3), "float32"), ((5, 2), "float64")]:
            scores = giants(rng, shape, dtype)
            yield Case("large", (scores, (rng.random(shape) < 0.5).astype(dtype)))
            scores = giants(rng, shape, dtype)
            yield Case("large", (scores, against(scores)))
        scores = 1e4 * draw(rng, (3, 3))
        yield Case("large", (scores, against(scores)), readonly=True)
        yield Case("large", (scores, 1 - against(scores)), readonly=True)

    def oracle(scores, targets):
        return _bce(scores, targets)

    returns = ("loss", "dscores")
    bugs = (
        Bug(
            "softmax",
            "You let the labels compete: softmax makes them share one unit of probability. Here several may be "
            "present, or none, so each score has a sigmoid of its own.",
            _softmax_loss_of_all,
            (
                _bce_of(lambda s: s.softmax(-1)),
                _softmax_gradient(_bce),
                _softmax_gradient(_bce_of(lambda s: s.softmax(-1))),
                _with_loss(_bce_of(lambda s: s.softmax(-1))),
                _softmax_of_positives,
            ),
        ),
        Bug(
            "overflow",
            "With large scores you get inf or nan: exp overflows, or the logarithm meets a probability that was "
            "rounded to 0. Put the logarithm and the sigmoid together: max(s, 0) - s t + log(1 + exp(-|s|)) has no "
            "large exponent.",
            _overflowing_softplus,
            (
                _overflowing_other,
                _raw_gradient,
                _raw_gradient_alone,
                _with_loss(_bce_of(torch.sigmoid)),
                _with_loss(_bce_of(_raw_sigmoid)),
                _bce_of(_raw_sigmoid),
                _bce_of(torch.sigmoid),
            ),
        ),
        Bug(
            "probabilities cut off",
            "You keep the probability away from 0 and 1, so that the loss stays finite, and wrong: a score of 1000 "
            "against a target of 0 costs 1000, not 16 or 27. Put the logarithm and the sigmoid together instead.",
            _cut(1e-12),
            tuple(_cut(10.0**-k) for k in (3, 4, 5, 6, 7, 8, 9, 10, 15))
            + tuple(_added(10.0**-k) for k in (7, 8, 9, 10, 12, 15)),
        ),
        Bug(
            "not averaged over all entries",
            "Every score of every example is a yes-or-no question of its own: loss and gradient are means over all N "
            "* C of them.",
            scaled(_bce, lambda shape: shape[0] * shape[1], lambda shape: shape[0] * shape[1]),
            (
                scaled(_bce, lambda shape: shape[1], lambda shape: shape[1]),
                scaled(_bce, lambda shape: shape[0], lambda shape: shape[0]),
                scaled(_bce, 1, lambda shape: shape[0] * shape[1]),
                scaled(_bce, 1, lambda shape: shape[1]),
                scaled(_bce, lambda shape: shape[1], 1),
            ),
        ),
        Bug(
            "absent labels do not count",
            "Only the labels with target 1 are in your loss. A label that is absent and gets a high score is a "
            "mistake, too: the term (1 - t) log(1 - p) is missing.",
            _positives_only,
            (_with_loss(_positives_only),),
        ),
        Bug(
            "slope of the sigmoid on top",
            "Your gradient carries a factor p (1 - p). The logarithm cancels it: what is left is p - t.",
            _times_slope,
        ),
        Bug(
            "sign",
            "Loss or gradient has the wrong sign: the gradient is sigmoid(s) minus the target.",
            scaled(_bce, 1, -1),
            (scaled(_bce, -1, 1),),
        ),
    )
