"""Unit 07, first part: the steps of five optimisers."""

from dataclasses import dataclass, field

import numpy as np
import torch

from cnnkit import comparing
from cnnkit import oracle as ref
from cnnkit.calling import plain
from cnnkit.cases import Case
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.specification import Bug, Unit
from cnnkit.oracle.tensors import array, tensor

UNIT = Unit("07-training")

MOST_STEPS = 12


@dataclass(frozen=True)
class Steps:
    """A few steps to try: how many, of what, with which arguments after the state, by name or (``given``) by place."""

    group: str
    count: int = 1
    shape: tuple = (3, 4)
    how: dict = field(default_factory=dict)
    given: tuple = ()
    size: float = 1.0
    zero: bool = False
    two: bool = False
    dtype: str = "float64"
    layout: str = "C"
    readonly: bool = False

    def case(self, rng):
        w = draw(rng, self.shape, self.dtype)
        grads = (self.size * draw(rng, (self.count, *self.shape))).astype(self.dtype)
        if self.zero:  # a weight that nothing depends on, and one that matters only now and then
            grads.reshape(self.count, -1)[:, 0] = 0
            grads.reshape(self.count, -1)[::2, 1] = 0
        return self._case(w, grads)

    def _case(self, *arrays):
        more = {"given": self.given} if self.given else {}
        more |= {"two": True} if self.two else {}
        return Case(self.group, arrays, self.how | more, layout=self.layout, readonly=self.readonly)


def follow(answer, w, grads, two=False, given=(), **how):
    """Run a step function from an empty state on; returns w after each step.

    Args:
        answer: ``answer(w, grad, state, ...)``, or for Nesterov with a function in place of the gradient.
        w: where to start.
        grads: the gradient of each step, or the function for each step.
        two: whether a second array with a state of its own goes the same way in turns with the first.
        given, how: further arguments.
    """
    tracks = [(w, {}, grads)] + ([(w + 1, {}, grads[::-1])] if two else [])
    seen = []
    for step in range(len(grads)):
        for number, (at, state, slopes) in enumerate(tracks):
            at, state = answer(at, slopes[step], state, *given, **how)
            seen.append(np.array(at) if isinstance(at, np.ndarray | np.generic) else at)
            tracks[number] = at, state, slopes
    return tuple(seen)


NAMES = tuple(f"w after step {step + 1}" for step in range(MOST_STEPS))


def single(group, most=8, **how):
    """One step from the empty state, over shapes, precisions and memory orders, ``most`` of them."""
    varied = (
        ((3, 4), "float64", "C", False),
        ((3, 4), "float64", "C", True),
        ((5,), "float32", "C", False),
        ((2, 3, 3, 2), "float64", "transposed", False),
        ((2, 3, 2, 2), "float32", "channels last", True),
        ((1,), "float64", "C", False),
        ((3, 3), "float64", "slice", False),
        ((4, 2), "float32", "slice", False),
    )
    for shape, dtype, layout, readonly in varied[:most]:
        yield Steps(group, 1, shape, how, dtype=dtype, layout=layout, readonly=readonly)


def several(group, **how):
    """Sequences of steps, which show what the state is for."""
    yield Steps(group, 2, (3, 2), how)
    yield Steps(group, 5, (4,), how)
    yield Steps(group, 5, (4,), how, dtype="float32")
    yield Steps(group, MOST_STEPS, (2, 3), how, readonly=True)
    yield Steps(group, 6, (2, 2, 2, 3), how, dtype="float32", layout="transposed")
    yield Steps(group, 4, (3, 3), how, zero=True)
    yield Steps(group, 3, (1,), how)
    yield Steps(group, 4, (2, 3), how, two=True)


def decays(group, **how):
    """Weight decay, alone on a flat loss, and with gradients."""
    for count, weight_decay, dtype in (
        (1, 0.1, "float64"),
        (3, 0.5, "float64"),
        (4, 0.02, "float32"),
        (2, 1.5, "float64"),
    ):
        yield Steps(group, count, (3, 2), how | {"weight_decay": weight_decay}, dtype=dtype, readonly=count == 3)
        shape = (4,) if count in (1, 3) else (2, 2, 3)  # vectors, too, as biases are
        yield Steps(group, count, shape, how | {"weight_decay": weight_decay}, size=0.0, dtype=dtype)


def rate(rng):
    return float(np.round(rng.uniform(0.02, 0.3), 3))


def changed(step, **twist):
    """A step with some of its arguments changed: ``name=function of its value``."""

    def answer(w, grad, state, *args, **how):
        names = step.__code__.co_varnames[3 : step.__code__.co_argcount]
        defaults = dict(zip(names[len(names) - len(step.__defaults__) :], step.__defaults__, strict=True))
        how = defaults | dict(zip(names, args, strict=False)) | how
        return step(w, grad, state, **how | {name: change(how) for name, change in twist.items()})

    return answer


def in_place(step):
    def answer(w, grad, state, *args, **how):
        new, state = step(w, grad, state, *args, **how)
        w[...] = new
        return w, state

    return answer


def forgetful(step):
    return lambda w, grad, state, *args, **how: step(w, grad, {}, *args, **how)


def sparing_vectors(step):
    spared = changed(step, weight_decay=lambda how: 0.0)
    return lambda w, *args, **how: (spared if w.ndim == 1 else step)(w, *args, **how)


def decoupled(step, by_rate=True):
    """The penalty pulls at w itself, past the optimiser's averages."""

    def answer(w, grad, state, *args, **how):
        weight_decay = how.pop("weight_decay", 0.0)
        new, state = step(w, grad, state, *args, **how)
        factor = weight_decay * (how.get("lr", 0.001) if by_rate else 1)
        return array(tensor(new) - factor * tensor(w), w), state

    return answer


def common_bugs(step):
    """Mistakes about weight decay and the arguments, of all five alike."""
    return (
        Bug(
            "decay doubled",
            "The penalty is weight_decay / 2 times the sum of the squares of w. The 2 of the derivative and the 1/2 "
            "cancel: add weight_decay * w to the gradient, not twice that.",
            changed(step, weight_decay=lambda how: 2 * how["weight_decay"]),
        ),
        Bug(
            "decay halved",
            "You add half of weight_decay * w. The 1/2 stands before the square of w, whose derivative brings a 2.",
            changed(step, weight_decay=lambda how: how["weight_decay"] / 2),
        ),
        Bug(
            "decay ignored",
            "weight_decay changes nothing. Before anything else, add weight_decay * w to the gradient, in a new array.",
            changed(step, weight_decay=lambda how: 0),
        ),
        Bug(
            "decay with the wrong sign",
            "Your weights grow where they should shrink. weight_decay * w is added to the gradient, and the step goes "
            "against the gradient.",
            changed(step, weight_decay=lambda how: -how["weight_decay"]),
        ),
        Bug(
            "no decay for vectors",
            "You leave vectors out of the decay, as one does with biases. Which weights decay is decided by whoever "
            "calls; the step adds weight_decay * w to the gradient whatever the shape of w.",
            sparing_vectors(step),
        ),
        Bug(
            "w modified in place",
            "The array w that was handed in has changed: w -= ... writes into it. Whoever kept w as the weights before "
            "the step has lost them. Write w - ..., which makes a new array.",
            in_place(step),
        ),
    )


STATE_HINT = (
    "Each of your steps starts afresh, as if it were the first. What a step has to remember goes into the state that "
    "you return: it is handed to you at the next step."
)
DECAY_PAST_HINT = (
    "Your weight decay acts on w at once and leaves no trace in v. It is a part of the gradient: add weight_decay * w "
    "to g first, and let v remember it with the rest."
)
ASCENT_HINT = (
    "Your steps go uphill. The gradient points to where the loss grows, so the step has a minus; and it is there once, "
    "in v or in the update of w, not twice."
)


@UNIT.exercise("sgd_step(w, grad, state, lr, weight_decay=0.0)", points={"step": 1, "decay": 1})
class SgdStep:
    def cases(rng):
        for steps in (
            *single("step", lr=rate(rng)),
            Steps("step", 5, how={"lr": rate(rng)}, two=True),
            Steps("step", 2, (2, 3), given=(rate(rng),)),
            Steps("step", 3, (4,), how={"lr": rate(rng), "weight_decay": 0.0}),
            *decays("decay", lr=rate(rng)),
            Steps("decay", 2, (2, 3), given=(rate(rng), 0.3)),
        ):
            yield steps.case(rng)

    probe = follow
    returns = NAMES
    oracle = ref.sgd_step
    bugs = (
        *common_bugs(ref.sgd_step),
        Bug("uphill", ASCENT_HINT, changed(ref.sgd_step, lr=lambda how: -how["lr"])),
        Bug(
            "decay not scaled by the rate",
            "You take weight_decay * w off the weights in full. It is a part of the gradient, and the rate scales the "
            "whole gradient.",
            changed(ref.sgd_step, weight_decay=lambda how: how["weight_decay"] / how["lr"]),
        ),
        Bug(
            "rate ignored",
            "The rate lr makes no difference to the size of your step. The step is lr times the gradient.",
            changed(ref.sgd_step, lr=lambda how: 1),
        ),
    )


def momentum_cases(rng, make):
    """Cases of momentum and of Nesterov's variant; ``make`` turns Steps into a Case."""
    for steps in (
        *single("step", lr=rate(rng)),
        *single("step", most=3, lr=rate(rng), beta=0.5),
        *several("memory", lr=rate(rng)),
        *several("memory", lr=rate(rng), beta=float(np.round(rng.uniform(0.3, 0.8), 2))),
        Steps("memory", 4, (2, 3), given=(rate(rng), 0.7)),
        Steps("memory", 4, (2, 3), how={"lr": rate(rng), "beta": 0.0}),
        *decays("decay", lr=rate(rng)),
        *decays("decay", lr=rate(rng), beta=0.6),
        Steps("decay", 3, (2, 3), given=(rate(rng), 0.8, 0.3)),
    ):
        yield make(steps)


def started(step, scale, at_once=False):
    """A velocity that holds the gradient before the first step.

    Args:
        step: the reference.
        scale: from the rate to what the gradient is multiplied by.
        at_once: whether w moves by that in the first step, as it is.
    """

    def answer(w, grad, state, lr, beta=0.9, weight_decay=0.0):
        if state:
            return step(w, grad, state, lr, beta, weight_decay)
        slope = tensor(grad(w) if callable(grad) else grad) + weight_decay * tensor(w)
        state = {"velocity": scale(lr) * slope}
        return (
            (array(tensor(w) + state["velocity"], w), state)
            if at_once
            else step(w, grad, state, lr, beta, weight_decay)
        )

    return answer


def momentum_bugs(step, *turned):
    """Mistakes about the velocity.

    Args:
        step: the reference.
        turned: other answers whose velocity turns round.
    """
    return (
        Bug("sign", ASCENT_HINT, changed(step, lr=lambda how: -how["lr"])),
        Bug(
            "(1 - beta) on the gradient",
            "You average the gradients: beta v and (1 - beta) g. Momentum adds them up: the new gradient comes in with "
            "its full weight, lr, so that steps in a steady direction grow to 1 / (1 - beta) times the plain ones.",
            changed(step, lr=lambda how: how["lr"] * (1 - how["beta"])),
        ),
        Bug("state not kept", STATE_HINT, forgetful(step)),
        Bug(
            "velocity starts at the gradient",
            "Your velocity holds the gradient before the first step, which so counts it twice, or without the rate. "
            "v starts at 0: the rule v = beta v - lr g then makes the first velocity by itself, -lr g.",
            started(step, lambda lr: -lr),
            (
                started(step, lambda lr: 1.0),
                started(step, lambda lr: -1.0),
                started(step, lambda lr: 1.0, at_once=True),
                started(step, lambda lr: -1.0, at_once=True),
            ),
        ),
        Bug(
            "beta ignored",
            "beta makes no difference. It is the share of the last step that goes on.",
            changed(step, beta=lambda how: 0.9),
            (changed(step, beta=lambda how: 1), changed(step, beta=lambda how: 1 - how["beta"])),
        ),
        Bug(
            "rate left out",
            "The learning rate makes no difference: your velocity holds the gradients at their full size. They come in "
            "with the weight lr, as v = beta v - lr g.",
            changed(step, lr=lambda how: 1.0),
        ),
        Bug(
            "velocity turned round",
            "The old velocity comes in with a minus, so that each step takes back what the last one did. A part of it "
            "goes on: v = beta v - lr g, where only the gradient has a minus.",
            changed(step, beta=lambda how: -how["beta"]),
            turned,
        ),
    )


@UNIT.exercise(
    "momentum_step(w, grad, state, lr, beta=0.9, weight_decay=0.0)", points={"step": 1, "memory": 1, "decay": 1}
)
class MomentumStep:
    def cases(rng):
        return momentum_cases(rng, lambda steps: steps.case(rng))

    probe = follow
    returns = NAMES
    oracle = ref.momentum_step
    bugs = (
        *momentum_bugs(ref.momentum_step),
        *common_bugs(ref.momentum_step),
        Bug(
            "decay past the velocity",
            DECAY_PAST_HINT,
            decoupled(ref.momentum_step),
            (decoupled(ref.momentum_step, by_rate=False),),
        ),
        Bug(
            "velocity of the step before",
            "w moves by the velocity that was there before, and the new gradient acts one step late. Renew v first, "
            "then add it to w.",
            lambda w, grad, state, lr, beta=0.9, weight_decay=0.0: (
                array(tensor(w) + state.get("velocity", 0), w),
                ref.momentum_step(w, grad, state, lr, beta, weight_decay)[1],
            ),
        ),
        Bug(
            "the step of Nesterov's form",
            "You move by beta v - lr g with the new v, one step further than v itself: that is how libraries write "
            "Nesterov's method. Here w moves by v.",
            lambda w, grad, state, lr, beta=0.9, weight_decay=0.0: _nesterov_rewritten(
                w, grad, state, lr, beta, weight_decay
            ),
        ),
    )


def _nesterov_rewritten(w, grad, state, lr, beta, weight_decay):
    _, new = ref.momentum_step(w, grad, state, lr, beta, weight_decay)
    last = new["velocity"] - beta * state.get("velocity", 0)
    return array(tensor(w) + beta * new["velocity"] + last, w), new


LANDSCAPES = {
    "ravine": lambda w, tilt: np.arange(1, w.size + 1, dtype=w.dtype).reshape(w.shape) * (w - tilt),
    "waves": lambda w, tilt: w + np.sin(3 * w) - tilt,
    "saddle": lambda w, tilt: (w.sum() - 2 * w) * tilt,
}
"""Gradients to walk along; named, since a case holds plain data only."""


def follow_landscape(answer, w, tilt, landscape="ravine", count=1, **how):
    """``follow`` for a step that takes a function; the function insists on arrays of the shape of w."""

    def gradient_at(place):
        if np.shape(place) != w.shape:
            raise ValueError(f"grad_fn was called with an array of shape {np.shape(place)}; w has the shape {w.shape}")
        return LANDSCAPES[landscape](np.asarray(place), tilt)

    return follow(answer, w, [gradient_at] * count, **how)


def landscape_cases(rng):
    names = iter(list(LANDSCAPES) * 40)

    def make(steps):
        case = steps.case(rng)
        tilt = draw(rng, steps.shape, steps.dtype) * np.asarray(steps.size, steps.dtype)
        # Mild rates: the ravine is as steep as it has entries.
        how = {name: value / 10 if name == "lr" else value for name, value in case.kwargs.items()}
        if steps.given:
            how["given"] = (steps.given[0] / 10, *steps.given[1:])
        how |= {"landscape": next(names), "count": steps.count}
        return Case(case.group, (case.args[0], tilt), how, layout=case.layout, readonly=case.readonly)

    return momentum_cases(rng, make)


def _nesterov(place, decay_at="w", sign=1):
    """Nesterov's step with the gradient at ``place(w, velocity, beta)``, in torch, or with v's sign changed."""

    def answer(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
        at = array(place(tensor(w), state.get("velocity", 0), beta), w)
        grad = grad_fn(at)
        if decay_at != "w":
            grad, weight_decay = grad + np.asarray(weight_decay, w.dtype) * at, 0.0
        return ref.momentum_step(w, grad, state, lr, sign * beta, weight_decay)

    return answer


# "weight_decay adds weight_decay * w to the gradient": to that of the penalty at w, or where the rest is taken, too.
DECAY_AHEAD = _nesterov(lambda w, v, beta: w + beta * v, decay_at="look-ahead")


@UNIT.exercise(
    "nesterov_step(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0)", points={"step": 1, "memory": 1, "decay": 1}
)
class NesterovStep:
    cases = landscape_cases
    probe = follow_landscape
    returns = NAMES
    oracle = ref.nesterov_step

    def judge(case, value):
        tolerance = comparing.SINGLE if case.single else comparing.DOUBLE
        right = [plain(follow_landscape(step, *case.args, **case.kwargs)) for step in (ref.nesterov_step, DECAY_AHEAD)]
        found = [comparing.compare(expected, value, tolerance) for expected in right]
        return found[0] if all(found) else None

    bugs = (
        Bug(
            "gradient at w",
            "This is plain momentum: you take the gradient at w. Nesterov lets the old velocity carry w ahead first, "
            "to w + beta * v, and asks for the gradient there.",
            _nesterov(lambda w, v, beta: w),
        ),
        Bug(
            "looks ahead by v",
            "You look at w + v. The next step will start with beta * v, so that is how far to look: w + beta * v.",
            _nesterov(lambda w, v, beta: w + v),
        ),
        Bug(
            "looks back",
            "You look at w - beta * v, where w came from. v points along the movement: w + beta * v lies ahead.",
            _nesterov(lambda w, v, beta: w - beta * v),
            (_nesterov(lambda w, v, beta: w - v),),
        ),
        Bug(
            "starts from the look-ahead point",
            "You moved w to the look-ahead point and took the step from there, so beta * v was added twice. The point "
            "ahead is only where the gradient is asked for; the step starts at w.",
            lambda w, grad_fn, state, lr, beta=0.9, weight_decay=0.0: _from_ahead(
                w, grad_fn, state, lr, beta, weight_decay
            ),
        ),
        *momentum_bugs(ref.nesterov_step, _nesterov(lambda w, v, beta: w + beta * v, sign=-1)),
        *common_bugs(ref.nesterov_step),
        Bug("decay past the velocity", DECAY_PAST_HINT, decoupled(ref.nesterov_step)),
    )


def _from_ahead(w, grad_fn, state, lr, beta, weight_decay):
    velocity = state.get("velocity", 0)
    new, state = ref.nesterov_step(w, grad_fn, state, lr, beta, weight_decay)
    return array(tensor(new) + beta * velocity, w), state


def _rms(outside=True, rho_on_old=True, root=True, keep=True, correct=False, total=False, first=0.0):
    """RMSprop with a twist."""

    def answer(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
        g = tensor(grad) + weight_decay * tensor(w)
        old, t = state.get("square", first * g * g), state.get("t", 0) + 1
        square = old + g * g if total else torch.lerp(g * g, old, rho if rho_on_old else 1 - rho)
        used = square / (1 - rho**t) if correct else square
        below = used + eps if not root else used.sqrt() + eps if outside else (used + eps).sqrt()
        return array(tensor(w) - lr * g / below, w), {"square": square, "t": t} if keep else {}

    return answer


def adaptive_cases(rng, memories):
    """Cases of RMSprop and Adam; ``memories`` draws their shares of the past."""
    lr = lambda: float(np.round(rng.uniform(0.01, 0.2), 3))
    for steps in (
        # Hardly any eps: these are about the rest.
        *single("step", eps=TINY),
        *single("step", most=3, lr=lr(), eps=TINY, **memories()),
        *several("memory", lr=lr(), eps=TINY),
        *several("memory", lr=lr(), eps=TINY, **memories()),
        # So small, or an eps so large, that it matters on which side of the root eps stands.
        Steps("eps", 2, (5,)),
        Steps("eps", 1, (5,), {"lr": lr(), "eps": 0.1}),
        Steps("eps", 4, (3, 2), {"lr": lr(), "eps": 0.5} | memories()),
        Steps("eps", 5, (3, 2), {"lr": lr(), "eps": 1e-3}, size=1e-3),
        Steps("eps", 5, (4,), {"lr": lr()}, size=1e-6),
        Steps("eps", 3, (4,), {"lr": lr()} | memories(), size=1e-8, readonly=True),
        Steps("eps", 3, (2, 2), {"lr": lr()}, size=0.0),
        Steps("eps", 4, (3, 3), {"lr": lr()}, size=1e-7, zero=True),
        Steps("eps", 5, (2, 3), {"lr": lr(), "eps": 0.2}, dtype="float32"),
        Steps("eps", 3, (3,), {"lr": lr()}, size=0.0, dtype="float32"),
        *decays("decay", lr=lr(), eps=TINY),
        *decays("decay", lr=lr(), eps=TINY, **memories()),
    ):
        yield steps.case(rng)


def _rms_late(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    g = tensor(grad) + weight_decay * tensor(w)
    new = _rms()(w, grad, state, lr, rho, eps, weight_decay)[1]
    return array(tensor(w) - lr * g / (state.get("square", 0 * g).sqrt() + eps), w), new


TINY = 1e-16
NO_EPS_HINT = (
    "eps has no effect: where all gradients so far are 0, you divide 0 by 0, and where they are small, the step is too "
    "long. Add eps to the root."
)
EPS_HINT = (
    "eps stands inside your root. There it counts as its own root, ten thousand times as large: a gradient of 1e-6 is "
    "drowned by it. Take the root first, then add eps."
)


@UNIT.exercise(
    "rmsprop_step(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0)",
    points={"step": 1, "memory": 1, "eps": 1, "decay": 1},
)
class RmspropStep:
    def cases(rng):
        yield from adaptive_cases(rng, lambda: {"rho": float(np.round(rng.uniform(0.55, 0.85), 2))})
        yield Steps("memory", 3, (2, 3), given=(rate(rng), 0.7, TINY)).case(rng)
        yield Steps("decay", 3, (2, 3), given=(rate(rng), 0.7, TINY, 0.2)).case(rng)

    probe = follow
    returns = NAMES
    oracle = ref.rmsprop_step
    bugs = (
        Bug("eps inside the root", EPS_HINT, _rms(outside=False)),
        Bug(
            "rho swapped",
            "rho is the weight of the past: E = rho E + (1 - rho) g^2. You gave the new gradient the large share.",
            _rms(rho_on_old=False),
        ),
        Bug(
            "no root",
            "You divide by E itself, which is a square. Its root is the size of a typical gradient.",
            _rms(root=False),
        ),
        Bug(
            "sum for average",
            "Your E is the sum of all squared gradients, which is Adagrad: it only grows, and the steps die away. "
            "RMSprop forgets: E = rho E + (1 - rho) g^2.",
            _rms(total=True),
        ),
        Bug(
            "E starts at the first gradient",
            "In the first step your E is g^2 itself. It starts at 0, so that E is (1 - rho) g^2 after the first step.",
            _rms(first=1.0),
        ),
        Bug(
            "root of the average before",
            "You divide by the root of E as it was before this gradient, which is 0 in the first step. Renew E first, "
            "then take its root.",
            _rms_late,
        ),
        Bug("eps left out", NO_EPS_HINT, changed(ref.rmsprop_step, eps=lambda how: 0.0)),
        Bug("state not kept", STATE_HINT, _rms(keep=False)),
        Bug(
            "bias corrected",
            "You divide E by 1 - rho^t. That correction is Adam's; RMSprop's first steps are large for the lack of it.",
            _rms(correct=True),
        ),
        Bug("uphill", ASCENT_HINT, changed(ref.rmsprop_step, lr=lambda how: -how["lr"])),
        *common_bugs(ref.rmsprop_step),
        Bug(
            "decay past the average",
            "Your weight decay acts on w alone. It is a part of the gradient: add weight_decay * w to g before g is "
            "squared and averaged.",
            decoupled(ref.rmsprop_step),
            (decoupled(ref.rmsprop_step, by_rate=False),),
        ),
    )


def _adam(
    correct=(True, True),
    count_from=1,
    counts=True,
    outside=True,
    root=True,
    swapped=False,
    eps_scaled=False,
    keep_corrected=False,
):
    """Adam with a twist."""

    def answer(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
        g = tensor(grad) + weight_decay * tensor(w)
        t = state.get("t", count_from - 1) + 1
        beta1, beta2 = (beta2, beta1) if swapped else (beta1, beta2)
        mean = torch.lerp(g, state.get("mean", torch.zeros_like(g)), beta1)
        square = torch.lerp(g * g, state.get("square", torch.zeros_like(g)), beta2)
        # Not by Python's division, which has no answer where t is 0.
        share1, share2 = (1 - torch.tensor(float(beta), dtype=g.dtype) ** t for beta in (beta1, beta2))
        m = mean / share1 if correct[0] else mean
        v = square / share2 if correct[1] else square
        added = eps / share2.sqrt() if eps_scaled else eps
        below = v + added if not root else v.sqrt() + added if outside else (v + added).sqrt()
        mean, square = (m, v) if keep_corrected else (mean, square)
        kept = {"t": t if counts else count_from - 1, "mean": mean, "square": square}
        return array(tensor(w) - lr * m / below, w), kept

    return answer


@UNIT.exercise(
    "adam_step(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0)",
    points={"step": 1, "memory": 2, "eps": 1, "decay": 1},
)
class AdamStep:
    def cases(rng):
        some = lambda low, high: float(np.round(rng.uniform(low, high), 2))
        yield from adaptive_cases(rng, lambda: {"beta1": some(0.6, 0.85), "beta2": some(0.9, 0.98)})
        yield Steps("memory", 3, (2, 3), {"beta1": 0.0, "eps": TINY}).case(rng)
        yield Steps("memory", 3, (2, 3), given=(rate(rng), 0.8, 0.95, TINY)).case(rng)
        yield Steps("decay", 3, (2, 3), given=(rate(rng), 0.8, 0.95, TINY, 0.2)).case(rng)

    probe = follow
    returns = NAMES
    oracle = ref.adam_step
    bugs = (
        Bug(
            "no bias correction",
            "m and v start at zero, so for the first steps they are too small, v far more than m. Divide them by "
            "1 - beta1^t and 1 - beta2^t, with t = 1 in the first step.",
            _adam(correct=(False, False)),
            (_adam(correct=(True, False)), _adam(correct=(False, True))),
        ),
        Bug(
            "t from 0",
            "Count the steps from 1. In the first step t = 0 would divide by 1 - beta^0, which is 0; and a count that "
            "starts too high, or stays where it is, corrects too little or too much.",
            _adam(count_from=0),
            (_adam(count_from=2), _adam(counts=False)),
        ),
        Bug(
            "corrected averages kept",
            "You put the corrected m and v into the state, so that the next step starts from them and corrects again. "
            "The state keeps m and v as they are; the corrected ones are for this step alone.",
            _adam(keep_corrected=True),
        ),
        Bug("eps left out", NO_EPS_HINT, changed(ref.adam_step, eps=lambda how: 0.0)),
        Bug("eps inside the root", EPS_HINT, _adam(outside=False)),
        Bug(
            "eps before the correction",
            "You add eps to the root of v before v is corrected, so that in the first steps eps counts many times "
            "over. Correct v, take the root, then add eps.",
            _adam(eps_scaled=True),
        ),
        Bug(
            "no root",
            "You divide by v itself, which is a square. Its root is the size of a typical gradient.",
            _adam(root=False),
        ),
        Bug(
            "beta1 and beta2 swapped",
            "beta1 is for the mean of the gradients, beta2 for the mean of their squares, which remembers longer.",
            _adam(swapped=True),
        ),
        Bug("state not kept", STATE_HINT, forgetful(ref.adam_step)),
        Bug("uphill", ASCENT_HINT, changed(ref.adam_step, lr=lambda how: -how["lr"])),
        *common_bugs(ref.adam_step),
        Bug(
            "decay decoupled",
            "Your weight decay acts on w alone: that is AdamW, by Loshchilov and Hutter (2019). Here it is the L2 "
            "penalty: add weight_decay * w to g before anything else.",
            decoupled(ref.adam_step),
            (decoupled(ref.adam_step, by_rate=False),),
        ),
    )
