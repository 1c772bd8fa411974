"""Unit 07, second part: batch norm over the channels of pictures, forward and backward."""

from dataclasses import dataclass, replace

import numpy as np

from cnnkit import oracle as ref
from cnnkit.cases import Case
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.specification import Bug, Unit
from cnnkit.oracle.tensors import array, gradients, tensor

UNIT = Unit("07-training")


@dataclass(frozen=True)
class Batch:
    """One batch of pictures to normalise; ``offset`` is the channels' common mean, ``flat`` makes one constant."""

    group: str
    n: int = 2
    c: int = 3
    h: int = 4
    w: int = 5
    train: bool = True
    how: tuple = ()
    offset: float = 0.5
    flat: bool = False
    dtype: str = "float64"
    layout: str = "C"
    readonly: bool = False

    def x(self, rng):
        spread, middle = rng.uniform(0.5, 2, self.c), self.offset + rng.uniform(-1, 1, self.c)
        x = draw(rng, (self.n, self.c, self.h, self.w)) * spread[:, None, None] + middle[:, None, None]
        if self.flat:
            x[:, 0] = 2
        return x.astype(self.dtype)

    def parameters(self, rng):
        """gamma, beta, running mean and running variance."""
        drawn = rng.uniform(0.5, 2, self.c) * rng.choice([-1, 1], self.c), *rng.standard_normal((2, self.c))
        return tuple(a.astype(self.dtype) for a in (*drawn, rng.uniform(0.5, 3, self.c)))

    def case(self, args, **how):
        return Case(self.group, args, dict(self.how) | how, layout=self.layout, readonly=self.readonly)


def batches(rng, group, **more):
    n, c = (int(i) for i in rng.permutation([2, 3]))
    h, w = (int(i) for i in rng.permutation([4, 5]))
    one = Batch(group, n, c, h, w, **more)
    yield one
    yield one  # the same shapes with other values
    yield replace(one, dtype="float32")
    yield replace(one, how=(("momentum", 0.3), ("eps", 0.1)))
    yield replace(one, how=(("momentum", 0.7),), layout="channels last", readonly=True)
    yield replace(one, how=(("eps", 1e-2),), layout="transposed", dtype="float32")
    yield replace(one, layout="slice", readonly=True)
    yield Batch(group, 3, 3, 3, 3, **more)
    yield Batch(group, 1, 1, 3, 4, **more)
    yield Batch(group, 1, 2, 2, 3, **more)
    yield Batch(group, 4, 1, 3, 2, **more)
    yield Batch(group, 5, 3, 1, 1, **more)  # as after a fully connected layer
    yield Batch(group, 6, 2, 1, 1, dtype="float32", **more)
    yield Batch(group, 2, 3, 1, 1, **more)
    yield Batch(group, 3, 4, 2, 5, offset=30, **more)


def normalise_probe(answer, x, gamma, beta, running_mean, running_var, train, part=None, by_name=False, **how):
    """What ``answer`` returns; 0 in place of the statistics where ``part`` is 0, and of the output where it is 1."""
    if by_name:
        got = answer(
            x=x, gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var, train=train, **how
        )
    else:
        got = answer(x, gamma, beta, running_mean, running_var, train, **how)
    out, mean, var = got
    return 0 if part == 1 else out, 0 if part == 0 else mean, 0 if part == 0 else var


def forward_with(output=None, statistics=None, always=False):
    """Batch norm with a twist in the output or in the running statistics.

    Args:
        output: from ``x, gamma, beta, eps``, tensors, to the output in training.
        statistics: from the batch's mean, biased and unbiased variance, the running pair and momentum, to the new pair.
        always: whether the twists show in eval mode, too.
    """

    def answer(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
        out, mean, var = ref.batchnorm2d(x, gamma, beta, running_mean, running_var, train, momentum, eps)
        if not (train or always):
            return out, mean, var
        if output:
            out = array(output(*map(tensor, (x, gamma, beta)), eps), x)
        if statistics:
            t = tensor(x)
            dims = (0, 2, 3)
            of_batch = t.mean(dims), t.var(dims, correction=0), t.var(dims)
            pair = statistics(*of_batch, tensor(running_mean), tensor(running_var), momentum)
            mean, var = array(pair[0], running_mean), array(pair[1], running_var)
        return out, mean, var

    return answer


def normalised(dims=(0, 2, 3), correction=0, scaled=True, shifted=True, below=None):
    """Batch norm's output with a twist, in torch."""
    below = below or (lambda var, eps: (var + eps).sqrt())

    def output(x, gamma, beta, eps):
        mean, var = x.mean(dims, keepdim=True), x.var(dims, keepdim=True, correction=correction)
        out = (x - mean) / below(var, eps)
        out = out * gamma[:, None, None] if scaled else out
        return out + beta[:, None, None] if shifted else out

    return output


def by_batch_in_eval(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    out, _, _ = ref.batchnorm2d(x, gamma, beta, running_mean, running_var, True, momentum, eps)
    return out, *ref.batchnorm2d(x, gamma, beta, running_mean, running_var, train, momentum, eps)[1:]


def updated_in_eval(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    out, _, _ = ref.batchnorm2d(x, gamma, beta, running_mean, running_var, train, momentum, eps)
    return out, *ref.batchnorm2d(x, gamma, beta, running_mean, running_var, True, momentum, eps)[1:]


def trains_always(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    return ref.batchnorm2d(x, gamma, beta, running_mean, running_var, True, momentum, eps)


def by_running_in_training(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    out, _, _ = ref.batchnorm2d(x, gamma, beta, running_mean, running_var, False, momentum, eps)
    return out, *ref.batchnorm2d(x, gamma, beta, running_mean, running_var, train, momentum, eps)[1:]


def by_renewed_in_training(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    _, mean, var = ref.batchnorm2d(x, gamma, beta, running_mean, running_var, train, momentum, eps)
    return ref.batchnorm2d(x, gamma, beta, mean, var, False, momentum, eps)


def updates_in_place(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
    out, mean, var = ref.batchnorm2d(x, gamma, beta, running_mean, running_var, train, momentum, eps)
    running_mean[...], running_var[...] = mean, var
    return out, running_mean, running_var


@UNIT.exercise(
    "batchnorm2d_forward(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5)",
    points={"output": 2, "statistics": 1, "eval": 1},
)
class Batchnorm2dForward:
    def cases(rng):
        for group, part in (("output", 0), ("statistics", 1)):
            for batch in batches(rng, group):
                yield batch.case((batch.x(rng), *batch.parameters(rng), True), part=part)
        for group, part in (("output", 0), ("statistics", 1)):
            by_name = Batch(group, how=(("eps", 0.05), ("momentum", 0.4), ("by_name", True)))
            yield by_name.case((by_name.x(rng), *by_name.parameters(rng), True), part=part)
        for flat in (Batch("output", flat=True), Batch("output", 3, 2, 2, 3, flat=True, dtype="float32")):
            yield flat.case((flat.x(rng), *flat.parameters(rng), True), part=0)
        for momentum in (0.0, 1.0):
            batch = Batch("statistics", how=(("momentum", momentum),))
            yield batch.case((batch.x(rng), *batch.parameters(rng), True), part=1)
        for batch in (*batches(rng, "eval"), Batch("eval", 1, 3, 1, 1)):
            yield batch.case((batch.x(rng), *batch.parameters(rng), False))

    probe = normalise_probe
    returns = ("out", "running_mean", "running_var")

    def oracle(x, gamma, beta, running_mean, running_var, train, momentum=0.1, eps=1e-5):
        return ref.batchnorm2d(x, gamma, beta, running_mean, running_var, train, momentum, eps)

    bugs = (
        Bug(
            "mean over axis 0 only",
            "You average over the images alone, so that every pixel has a mean of its own. A channel comes from one "
            "filter and has one scale everywhere: mean and variance go over images, rows and columns, axes (0, 2, 3), "
            "and there is one pair for each channel.",
            forward_with(normalised(dims=(0,))),
            (forward_with(normalised(dims=(0,)), lambda m, v, u, rm, rv, momentum: (rm, rv)),),
        ),
        Bug(
            "each image by itself",
            "You average over rows and columns of each image. That is instance norm; batch norm takes all images of "
            "the batch together.",
            forward_with(normalised(dims=(2, 3))),
        ),
        Bug(
            "channels averaged away",
            "You average over the channels, too. Each channel has a mean and a variance of its own.",
            forward_with(normalised(dims=(0, 1, 2, 3))),
            (forward_with(normalised(dims=(1, 2, 3))), forward_with(normalised(dims=(1,)))),
        ),
        Bug(
            "unbiased variance in the output",
            "The output is divided by the root of the variance with n - 1 in it. PyTorch normalises by the plain one, "
            "the mean of the squared deviations; only the running variance gets the unbiased one.",
            forward_with(normalised(correction=1)),
        ),
        Bug(
            "biased variance in the statistics",
            "Your running variance moves towards the mean of the squared deviations. PyTorch lets it move towards the "
            "unbiased estimate, n / (n - 1) times that, with n values in a channel of the batch.",
            forward_with(
                statistics=lambda m, v, u, rm, rv, momentum: (rm + momentum * (m - rm), rv + momentum * (v - rv))
            ),
        ),
        Bug(
            "momentum swapped",
            "momentum is the share of the new batch, as in PyTorch: (1 - momentum) * running + momentum * batch.",
            forward_with(
                statistics=lambda m, v, u, rm, rv, momentum: (m + momentum * (rm - m), u + momentum * (rv - u))
            ),
            (
                forward_with(
                    statistics=lambda m, v, u, rm, rv, momentum: (m + momentum * (rm - m), v + momentum * (rv - v))
                ),
            ),
        ),
        Bug(
            "statistics not updated",
            "In training the running mean and variance have to move towards those of the batch, a momentum of the way.",
            forward_with(statistics=lambda m, v, u, rm, rv, momentum: (rm, rv)),
        ),
        Bug(
            "statistics replaced",
            "The running statistics are those of the last batch alone. They should move a part of the way, momentum.",
            forward_with(statistics=lambda m, v, u, rm, rv, momentum: (m, u)),
            (forward_with(statistics=lambda m, v, u, rm, rv, momentum: (m, v)),),
        ),
        Bug(
            "statistics updated in eval",
            "The running statistics change although train is False. Then they are used, and stay as they are: what one "
            "test picture is told must not depend on those before it.",
            updated_in_eval,
        ),
        Bug(
            "batch statistics in eval",
            "With train False you still normalise by the batch. A picture would be judged by its company; use "
            "running_mean and running_var.",
            by_batch_in_eval,
            (trains_always,),
        ),
        Bug(
            "running statistics in training",
            "In training you normalise by the running statistics. Take the batch's own; the others are for later.",
            by_running_in_training,
            (by_renewed_in_training,),
        ),
        Bug(
            "momentum ignored",
            "The running statistics move by a tenth of the way, whatever momentum says.",
            forward_with(statistics=lambda m, v, u, rm, rv, momentum: (rm + 0.1 * (m - rm), rv + 0.1 * (u - rv))),
        ),
        Bug(
            "gamma and beta swapped",
            "gamma scales and beta shifts: gamma * normalised + beta.",
            lambda x, gamma, beta, *args, **how: ref.batchnorm2d(x, beta, gamma, *args, **how),
        ),
        Bug(
            "eps left out",
            "eps is missing under the root: sqrt(var + eps). It matters where the variance is small.",
            forward_with(normalised(below=lambda var, eps: var.sqrt())),
        ),
        Bug(
            "arguments updated in place",
            "running_mean and running_var themselves have changed. Return new arrays and leave the arguments alone.",
            updates_in_place,
        ),
        Bug(
            "gamma or beta left out",
            "After it is normalised, each channel is scaled by its gamma and shifted by its beta.",
            forward_with(normalised(scaled=False)),
            (forward_with(normalised(shifted=False)), forward_with(normalised(scaled=False, shifted=False))),
        ),
        Bug(
            "not divided by the root",
            "You divide by the variance. Its root, with eps under it, is what makes the spread 1.",
            forward_with(normalised(below=lambda var, eps: var + eps)),
        ),
        Bug(
            "eps outside the root",
            "Here eps stands under the root: sqrt(var + eps).",
            forward_with(normalised(below=lambda var, eps: var.sqrt() + eps)),
        ),
    )


def backward_with(function):
    """Gradients of another function of ``x, gamma, beta, eps``, in torch."""

    def answer(dout, x, gamma, eps=1e-5):
        return gradients(lambda x, gamma, beta: function(x, gamma, beta, eps), dout, x, gamma, np.zeros_like(gamma))

    return answer


def detached(mean=False, var=False, correction=0):
    """Batch norm in which autograd does not see some of the paths from x to the output."""

    def function(x, gamma, beta, eps):
        dims = (0, 2, 3)
        m, v = x.mean(dims, keepdim=True), x.var(dims, keepdim=True, correction=correction)
        m, v = m.detach() if mean else m, v.detach() if var else v
        return (x - m) / (v + eps).sqrt() * gamma[:, None, None] + beta[:, None, None]

    return function


def with_parts(**twist):
    """The right gradients, some of them changed: ``dx=function(right one, dout, x, gamma)``."""

    def answer(dout, x, gamma, eps=1e-5):
        parts = dict(zip(("dx", "dgamma", "dbeta"), ref.batchnorm2d_backward(dout, x, gamma, eps), strict=True))
        return tuple(twist[name](part, dout, x, gamma) if name in twist else part for name, part in parts.items())

    return answer


def count(x):
    return x.shape[0] * x.shape[2] * x.shape[3]


@UNIT.exercise("batchnorm2d_backward(dout, x, gamma, eps=1e-5)", points={"basics": 3, "eps": 1})
class Batchnorm2dBackward:
    def cases(rng):
        for group in ("basics", "eps"):
            for batch in batches(rng, group):
                how = {name: value for name, value in batch.how if name == "eps"}
                if group == "eps":
                    how = {"eps": float(np.round(rng.uniform(0.1, 2), 2))}
                dout = draw(rng, (batch.n, batch.c, batch.h, batch.w), batch.dtype)
                if batch.n == 4:  # what a loss that is a sum sends back
                    dout = np.ones_like(dout)
                one = replace(batch, how=tuple(how.items()))
                yield one.case((dout, one.x(rng), one.parameters(rng)[0]))
        for dtype in ("float64", "float32"):
            flat = Batch("eps", flat=True, how=(("eps", 0.3),), dtype=dtype)
            yield flat.case((draw(rng, (2, 3, 4, 5), dtype), flat.x(rng), flat.parameters(rng)[0]))

    returns = ("dx", "dgamma", "dbeta")

    def oracle(dout, x, gamma, eps=1e-5):
        return ref.batchnorm2d_backward(dout, x, gamma, eps)

    bugs = (
        Bug(
            "variance path forgotten",
            "x works on the output in three ways: directly, through the mean and through the variance. Your dx lacks "
            "the third: when x moves away from the mean, the variance grows and everything shrinks a little.",
            backward_with(detached(var=True)),
        ),
        Bug(
            "mean path forgotten",
            "x works on the output in three ways: directly, through the mean and through the variance. Your dx lacks "
            "the second: when x grows, the mean that is taken off all of the channel grows with it.",
            backward_with(detached(mean=True)),
        ),
        Bug(
            "both paths forgotten",
            "You treat mean and variance as constants. They are made of x, so the gradient flows through them, too.",
            backward_with(detached(mean=True, var=True)),
        ),
        Bug(
            "mean over axis 0 only",
            "Mean and variance, and the sums on the way back, go over images, rows and columns: axes (0, 2, 3).",
            backward_with(normalised(dims=(0,))),
        ),
        Bug(
            "unbiased variance",
            "Your gradient belongs to a variance with n - 1. The forward pass normalises by the one with n.",
            backward_with(detached(correction=1)),
        ),
        Bug(
            "gamma forgotten",
            "On the way back to x the gradient passes the scaling by gamma.",
            with_parts(dx=lambda dx, dout, x, gamma: dx / gamma[:, None, None]),
        ),
        Bug(
            "means for sums",
            "gamma and beta reach every value of their channel, and contributions add up: sums, not means.",
            with_parts(
                dgamma=lambda dgamma, dout, x, gamma: dgamma / count(x),
                dbeta=lambda dbeta, dout, x, gamma: dbeta / count(x),
            ),
            (
                with_parts(dgamma=lambda dgamma, dout, x, gamma: dgamma / count(x)),
                with_parts(dbeta=lambda dbeta, dout, x, gamma: dbeta / count(x)),
            ),
        ),
        Bug(
            "dgamma of x as it is",
            "gamma multiplies the normalised values, so dgamma is the sum of dout times these, not times x, nor times "
            "x minus its mean.",
            with_parts(dgamma=lambda dgamma, dout, x, gamma: (dout * x).sum((0, 2, 3)).astype(x.dtype)),
            (
                with_parts(
                    dgamma=lambda dgamma, dout, x, gamma: (
                        (dout * (x - x.mean((0, 2, 3), keepdims=True))).sum((0, 2, 3)).astype(x.dtype)
                    )
                ),
            ),
        ),
        Bug(
            "dgamma and dbeta swapped",
            "Your three arrays are returned in another order: dx, dgamma, dbeta.",
            lambda *args, **how: tuple(ref.batchnorm2d_backward(*args, **how)[part] for part in (0, 2, 1)),
        ),
    )
