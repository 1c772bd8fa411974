"""Unit 07, last part: an epoch of training, an evaluation, and when to stop.

The first two are tried on torch models that write down how they were run.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import cnnkit as ck
from cnnkit import oracle as ref
from cnnkit.cases import Case
from cnnkit.comparing import Tolerance
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("07-training")

CLASSES = 4
LOOSE = Tolerance(relative=2e-3, absolute=1e-3, floor=1e-5)
"""Sums of float32 in another order, over some dozens of steps."""


class Notes(list):
    """What was seen; a copy of the model writes into the same."""

    def __deepcopy__(self, memo):
        return self


class Watched(nn.Module):
    """Passes its input on and notes how the model ran: in training mode or not, with gradients or not."""

    def __init__(self):
        super().__init__()
        self.modes, self.gradients = Notes(), Notes()

    def forward(self, x):
        self.modes.append(self.training)
        self.gradients.append(torch.is_grad_enabled())
        return x


def watched_model(x, weights, norm):
    """A model whose weights are drawn from ``weights``; with ``norm`` it has batch norm."""
    features = x[0].size
    first, second = nn.Linear(features, 6), nn.Linear(6, CLASSES)
    layers = [nn.Flatten(), first, *([nn.BatchNorm1d(6)] if norm else []), Watched(), nn.ReLU(), second]
    model = nn.Sequential(*layers)
    values = iter(weights)
    with torch.no_grad():
        for p in (first.weight, first.bias, second.weight, second.bias):
            # As many as are needed, from the start again where they run out.
            p.copy_(torch.tensor([next(values) for _ in range(p.numel())]).reshape(p.shape))
    return model.to(ck.device())


def loader_of(x, y, size):
    """A DataLoader over arrays, in their order; its last batch may be smaller."""
    data = TensorDataset(torch.tensor(np.ascontiguousarray(x)), torch.tensor(np.ascontiguousarray(y)))
    return DataLoader(data, batch_size=size)


def draw_data(rng, n, shape=(1, 3, 2)):
    """Pictures, labels, and numbers for the weights of a ``watched_model``."""
    x = rng.standard_normal((n, *shape)).astype(np.float32)
    features = int(np.prod(shape))
    weights = 0.7 * rng.standard_normal(6 * features + 6 + CLASSES * 6 + CLASSES).astype(np.float32)
    return x, rng.integers(0, CLASSES, n), weights


LOSSES = {
    "cross entropy": F.cross_entropy,
    "smoothed": lambda scores, y: F.cross_entropy(scores, y, label_smoothing=0.3),
    "hinge": lambda scores, y: F.multi_margin_loss(scores, y, margin=2.0),
    "squares": lambda scores, y: F.mse_loss(scores, F.one_hot(y, CLASSES).to(scores.dtype)),
}
OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.3),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, eps=1e-2),
}
"""What an epoch is tried with; named, since a case holds plain data only."""


def prepare():
    """The first optimiser that a process makes loads torch's compiler, which takes a second or two."""
    torch.optim.SGD([torch.zeros(1)], lr=0.1)


# An epoch of training


def epoch_probe(
    answer,
    x,
    y,
    weights,
    size,
    look,
    loss="cross entropy",
    optimizer="sgd",
    norm=False,
    epochs=1,
    frozen=False,
    training=False,
):
    """Run ``answer`` for some epochs; what came of it, as plain data.

    Args:
        training: the mode that the model is in before each epoch.

    Returns:
        ``(mean loss of the last epoch, steps of the optimiser, all weights and statistics in one array, whether each
        forward pass was in training mode, accuracy in eval mode afterwards, whether a module that was in training mode
        is in eval mode now)``, 0 in place of what is not in ``look``. Where weights moved without the optimiser, it is
        no matter how: the array holds zeros.
    """
    model = watched_model(x, weights, norm)
    if frozen:
        model[1].weight.requires_grad_(False)
    steps = 0

    def count(*_):
        nonlocal steps
        steps += 1

    rule = OPTIMISERS[optimizer]([p for p in model.parameters() if p.requires_grad])
    rule.register_step_post_hook(count)
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    loader = loader_of(x, y, size)
    for _ in range(epochs):
        model.train(training)
        mean = answer(model, loader, rule, LOSSES[loss], ck.device())
    # A model that came in eval mode may leave in either: who puts back what was there is as right as who does not.
    left = training and not all(module.training for module in model.modules())
    watched = next(module for module in model if isinstance(module, Watched))
    modes = all(watched.modes)
    state = torch.cat([values.detach().cpu().float().reshape(-1) for values in model.state_dict().values()])
    if not steps and not torch.equal(before, nn.utils.parameters_to_vector(model.parameters())):
        state.zero_()
    with torch.no_grad():
        right = model.eval()(torch.tensor(np.ascontiguousarray(x), device=ck.device())).argmax(1).cpu().numpy() == y
    return only(look, number(mean), steps, state.numpy(), modes, float(right.mean()), left)


def only(look, *parts):
    """The parts whose numbers are in ``look``, and 0 for the others."""
    return tuple(part if number in look else 0 for number, part in enumerate(parts))


def number(value):
    """A number, taken out of a tensor or an array of one; anything else as it is."""
    if isinstance(value, torch.Tensor | np.ndarray) and np.prod(value.shape) == 1:
        return float(value)
    return value


EPOCH_LOOKS = {"steps": (1, 2), "mean": (0,), "mode": (1, 2, 3, 5), "arguments": (0, 1, 2), "twenty pictures": (4,)}


def epoch_cases(rng):
    def case(group, n, size, shape=(1, 3, 2), **how):
        return Case(group, (*draw_data(rng, n, shape), size), how | {"look": EPOCH_LOOKS[group]})

    yield case("steps", 8, 4)
    yield case("steps", 8, 8, optimizer="momentum")
    yield case("steps", 12, 4, (2, 2, 3), optimizer="adam")
    yield case("steps", 6, 1, optimizer="momentum")
    yield case("steps", 1, 1)
    yield case("mean", 10, 4)
    yield case("mean", 7, 6, optimizer="adam")
    yield case("mean", 9, 8, (3, 2, 2), optimizer="momentum")
    yield case("mean", 5, 3)
    yield case("mode", 12, 4, norm=True)
    yield case("mode", 14, 5, norm=True, optimizer="momentum")
    yield case("mode", 8, 8, (2, 2, 2), norm=True, optimizer="adam")
    yield case("mode", 10, 4, norm=True, training=True)
    yield case("mode", 9, 3, (1, 2, 4), norm=True, training=True, optimizer="momentum")
    yield case("mode", 6, 6, training=True)
    yield case("arguments", 12, 4, loss="smoothed")
    yield case("arguments", 12, 4, loss="hinge", optimizer="momentum")
    yield case("arguments", 10, 3, loss="squares", optimizer="adam")
    yield case("arguments", 9, 3, loss="hinge", frozen=True)
    yield case("twenty pictures", 20, 7, (1, 6, 6), optimizer="adam", epochs=15)
    yield case("twenty pictures", 20, 10, (1, 6, 6), optimizer="momentum", epochs=15, norm=True)


def loop(
    zero=True,
    order="forward backward step",
    mode=True,
    mean="examples",
    loss_fn=None,
    optimizer=None,
    batches=list,
    after=None,
):
    """An epoch with a twist, by closures as the reference; ``batches`` is from the loader to those that are used."""

    def answer(model, loader, given, given_loss, device):
        rule = optimizer(model) if optimizer else given
        rate = loss_fn or given_loss
        losses, counts = [], []
        model.train() if mode else model.eval()
        if zero == "once":
            rule.zero_grad()
        for x, y in batches(loader):
            if zero is True:
                rule.zero_grad()
            loss = rate(model(x.to(device)), y.to(device))
            losses.append(loss.item())
            counts.append(len(y))
            if order == "step first":
                rule.step()
                loss.backward()
            elif order in ("no step", "step at the end"):
                loss.backward()
            elif order == "no backward":
                rule.step()
            else:
                (loss * (len(y) if order == "times n" else 1)).backward()
                rule.step()
        if order == "step at the end":
            rule.step()
        if after == "eval":
            model.eval()
        if mean == "last":
            return losses[-1]
        if mean in ("sum", "sum over batches"):
            return float(np.dot(losses, counts)) / (1 if mean == "sum" else len(counts))
        if mean == "means over examples":
            return sum(losses) / sum(counts)
        return float(np.average(losses, weights=counts if mean == "examples" else None))

    return answer


def reset(optimiser):
    """An optimiser of its own, made anew."""
    return lambda model: OPTIMISERS[optimiser]([p for p in model.parameters() if p.requires_grad])


@UNIT.exercise(
    "train_epoch(model, loader, optimizer, loss_fn, device)",
    points={"steps": 2, "mean": 1, "mode": 1, "arguments": 1, "twenty pictures": 1},
)
class TrainEpoch:
    cases = epoch_cases
    probe = epoch_probe
    prepare = prepare
    single = LOOSE
    returns = (
        "the mean loss",
        "the number of the optimizer's steps",
        "weights and statistics after the epoch",
        "training mode in every forward pass",
        "accuracy afterwards",
        "left in eval mode after training mode",
    )
    oracle = ref.train_epoch
    bugs = (
        Bug(
            "no zero_grad",
            "Gradients add up: backward adds to what is in .grad already. Without optimizer.zero_grad() each step goes "
            "along the sum of all gradients so far. Clear them once per batch.",
            loop(zero=False),
            (loop(zero="once"),),
        ),
        Bug(
            "step before backward",
            "optimizer.step() uses the gradients that are there. Call loss.backward() first, with no zero_grad() in "
            "between: before it there are none, or those of the batch before.",
            loop(order="step first"),
            (loop(order="step first", zero=False), loop(order="no backward")),
        ),
        Bug(
            "no step",
            "The weights are as they were. backward only computes the gradients; optimizer.step() moves the weights.",
            loop(order="no step"),
        ),
        Bug(
            "left in eval mode",
            "The model came in eval mode, as after an evaluation, and was trained in it: without dropout, and with a "
            "batch norm that does not learn its statistics. Begin with model.train().",
            loop(mode=False),
        ),
        Bug(
            "put into eval mode",
            "The model came in training mode, and you left it in eval mode: who calls you goes on training in it. "
            "model.eval() belongs to evaluate, which puts the mode back that it found.",
            loop(after="eval"),
        ),
        Bug(
            "mean of batch means",
            "You averaged over the batches. The last batch is smaller, and its pictures count more than the others. "
            "Weight each batch's mean loss with its number of examples.",
            loop(mean="batches"),
        ),
        Bug(
            "loss of the last batch",
            "You return the loss of one batch. Asked for is the mean over all examples of the epoch.",
            loop(mean="last"),
        ),
        Bug(
            "sum for mean",
            "You return the sum of the losses. Divide it by the number of examples.",
            loop(mean="sum"),
        ),
        Bug(
            "divided by another number",
            "Sum and number do not go together. loss.item() is already a mean over its batch: times the number of "
            "examples in the batch it is their sum, and sums are divided by the number of all examples.",
            loop(mean="sum over batches"),
            (loop(mean="means over examples"),),
        ),
        Bug(
            "one step in all",
            "You step once, after the last batch. Each batch has its own step: zero_grad, forward, backward and step "
            "belong inside the loop.",
            loop(order="step at the end", zero="once"),
            (loop(order="step at the end"), loop(order="step at the end", zero=False)),
        ),
        Bug(
            "ignores loss_fn",
            "You use a loss of your own choice. Use loss_fn, the argument: the next experiment may have another one.",
            loop(loss_fn=F.cross_entropy),
        ),
        Bug(
            "ignores optimizer",
            "The steps are not those of the optimizer that was handed in. Do not make one inside the function: it "
            "would forget its momentum from epoch to epoch, too.",
            loop(optimizer=reset("sgd")),
            (loop(optimizer=reset("adam")),),
        ),
        Bug(
            "first batch only",
            "You used one batch. An epoch goes over all batches of the loader: is a return inside the loop?",
            loop(batches=lambda loader: list(loader)[:1]),
        ),
        Bug(
            "last batch dropped",
            "The last batch of the loader is not used. It may be smaller than the others, and counts all the same.",
            loop(batches=lambda loader: [(x, y) for x, y in loader if len(y) == loader.batch_size] or list(loader)),
            (loop(batches=lambda loader: list(loader)[:-1] or list(loader)),),
        ),
        Bug(
            "gradient of the sum",
            "You called backward on the loss times the number of examples, so the steps are too long. Multiply a "
            "number, loss.item(), for your sum, and call backward on the loss as it is.",
            loop(order="times n"),
        ),
    )


# Evaluation


def evaluation_probe(answer, x, y, weights, size, look, training, spoil=0):
    """Run ``answer`` on a model with batch norm and dropout; what it did to it, as plain data.

    Args:
        training: the mode that the model is in.
        spoil: how many labels to set to what the model says, for a high accuracy.

    Returns:
        ``(accuracy, whether each forward pass was in eval mode, whether any had gradients on, how many modules are in
        another mode than they were in, whether weights, statistics and gradients are as they were, whether gradients
        are on)``, 0 in place of what is not in ``look``.
    """
    model = watched_model(x, weights, norm=True)
    model.insert(4, nn.Dropout(0.5))
    norm = model[2]
    with torch.no_grad():
        norm.running_mean += 0.3
        norm.running_var *= 1.7
        said = model.eval()(torch.tensor(np.ascontiguousarray(x), device=ck.device())).argmax(1).cpu().numpy()
    y = np.array(y)
    y[:spoil] = said[:spoil]
    model.train(training)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    watched = model[3]
    watched.modes.clear()
    watched.gradients.clear()
    before = snapshot(model)
    try:
        accuracy = answer(model, loader_of(x, y, size), ck.device())
        on = torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    changed = sum(module.training != training for module in model.modules())
    in_eval = bool(watched.modes) and not any(watched.modes)
    same = np.array_equal(before, snapshot(model))
    return only(look, number(accuracy), in_eval, any(watched.gradients), changed, same, on)


def snapshot(model):
    """Weights, statistics and gradients of a model in one array."""
    values = [*model.state_dict().values(), *(torch.zeros(1) if p.grad is None else p.grad for p in model.parameters())]
    needs = [float(p.requires_grad) for p in model.parameters()]
    return np.concatenate([*(v.detach().cpu().double().numpy().reshape(-1) for v in values), needs])


EVALUATION_LOOKS = {"accuracy": (0,), "eval mode": (1,), "gradients": (2, 5), "as it was": (3, 4)}


def evaluation_cases(rng):
    def case(group, n, size, training, spoil=0):
        how = {"training": training, "spoil": spoil, "look": EVALUATION_LOOKS[group]}
        return Case(group, (*draw_data(rng, n), size), how)

    for training in (True, False):
        yield case("accuracy", 12, 4, training, 5)
        yield case("accuracy", 10, 4, training, 7)
        yield case("accuracy", 23, 10, training, 11)
        yield case("accuracy", 9, 8, training, 8)
        yield case("accuracy", 6, 6, training, 6)
        yield case("accuracy", 5, 1, training)
        yield case("accuracy", 1, 1, training, 1)
    for group, mode in (("eval mode", True), ("gradients", False), ("as it was", True), ("as it was", False)):
        yield case(group, 11, 4, mode, 6)
        yield case(group, 8, 3, mode, 4)
        yield case(group, 7, 7, mode)


def pass_over(
    gradients=False,
    mode="eval",
    after="as found",
    share=lambda hits, counts: sum(hits) / sum(counts),
    pick=lambda scores: scores.argmax(1),
):
    """An evaluation with a twist."""

    def answer(model, loader, device):
        modes = [(module, module.training) for module in model.modules()]
        if mode == "eval":
            model.eval()
        elif mode == "train":
            model.train()
        hits, counts = [], []
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(gradients)
        for x, y in loader:
            hits.append((pick(model(x.to(device))) == y.to(device)).sum().item())
            counts.append(len(y))
        if after != "gradients off":
            torch.set_grad_enabled(before)
        if after == "train":
            model.train()
        elif after == "only the outermost":
            model.training = modes[0][1]
        elif after != "eval":
            for module, training in modes:
                module.training = training
        return float(share(hits, counts))

    return answer


@UNIT.exercise(
    "evaluate(model, loader, device)", points={"accuracy": 2, "eval mode": 1, "gradients": 1, "as it was": 1}
)
class Evaluate:
    cases = evaluation_cases
    probe = evaluation_probe
    returns = (
        "the accuracy",
        "eval mode in every forward pass",
        "gradients on in a forward pass",
        "the number of modules in another mode than before",
        "weights, statistics and gradients as they were",
        "gradients on after the call",
    )
    oracle = ref.evaluate
    bugs = (
        Bug(
            "train mode",
            "The model runs in training mode: dropout drops, and batch norm looks at the batch, so that the answer to "
            "a picture depends on its company. Call model.eval() first.",
            pass_over(mode="as found"),
            (pass_over(mode="train"),),
        ),
        Bug(
            "gradients on",
            "torch records every operation for a backward pass that never comes. Wrap the loop in torch.no_grad().",
            pass_over(gradients=True),
        ),
        Bug(
            "left in eval mode",
            "The model was training and comes back in eval mode. Note model.training first, and put it back at last.",
            pass_over(after="eval"),
        ),
        Bug(
            "left in train mode",
            "The model was in eval mode, and it comes back in training mode. Note model.training at the start, and put "
            "that back.",
            pass_over(after="train"),
        ),
        Bug(
            "submodules left in eval mode",
            "You set model.training, which is the outermost module's alone. model.train(mode) sets it in all of them.",
            pass_over(after="only the outermost"),
        ),
        Bug(
            "gradients switched off for good",
            "After your function no gradients are computed any more. torch.no_grad() as a context ends with its block; "
            "torch.set_grad_enabled(False) does not.",
            pass_over(after="gradients off"),
        ),
        Bug(
            "mean of batch accuracies",
            "You averaged over the batches, so that the pictures of a small last batch count more. Count the right "
            "ones and divide by the number of all.",
            pass_over(share=lambda hits, counts: np.mean(np.divide(hits, counts))),
        ),
        Bug(
            "per cent",
            "Return a share from 0 to 1, not per cent.",
            pass_over(share=lambda hits, counts: 100 * sum(hits) / sum(counts)),
        ),
        Bug(
            "count for share",
            "You return how many were right. Divide by how many there were.",
            pass_over(share=lambda hits, counts: sum(hits)),
        ),
        Bug(
            "error for accuracy",
            "You return the share that is wrong.",
            pass_over(share=lambda hits, counts: 1 - sum(hits) / sum(counts)),
        ),
        Bug(
            "last batch only",
            "You return the accuracy of one batch.",
            pass_over(share=lambda hits, counts: hits[-1] / counts[-1]),
            (pass_over(share=lambda hits, counts: hits[0] / counts[0]),),
        ),
        Bug(
            "smallest score taken",
            "The class that you pick has the lowest score. A model answers with the class of the highest: argmax.",
            pass_over(pick=lambda scores: scores.argmin(1)),
        ),
        Bug(
            "divided by full batches",
            "You divide by the number of batches times their size. The last batch may be smaller: count the examples "
            "as they come, len(y) in each batch.",
            pass_over(share=lambda hits, counts: sum(hits) / (len(counts) * counts[0])),
        ),
        Bug(
            "incomplete batch dropped",
            "You leave out the last batch where it is smaller than the others. Its examples count like all others.",
            pass_over(
                share=lambda hits, counts: (
                    sum(hit for hit, count in zip(hits, counts, strict=True) if count == counts[0])
                    / sum(count for count in counts if count == counts[0])
                )
            ),
        ),
    )


# When to stop


def stop_cases(rng):
    def case(group, losses, patience, array=False, dtype="float64", layout="C", readonly=False):
        losses = [float(loss) for loss in losses]
        given = np.array(losses, dtype) if array else losses
        return Case(group, (given, patience), layout=layout, readonly=readonly)

    def curve(n):
        """Falls, then rises, with noise."""
        t = np.arange(n) / n
        return np.round((t - 0.5) ** 2 * 2 + rng.uniform(0, 0.4, n) + 0.2, 3)

    yield case("stop", [0.9, 0.7, 0.5, 0.6, 0.65, 0.7], 2)
    yield case("stop", [0.9, 0.7, 0.5, 0.6, 0.65, 0.7, 0.3], 2)  # better, but too late
    yield case("stop", [0.9, 0.7, 0.5, 0.6, 0.65, 0.45, 0.5, 0.5], 3)  # just in time
    yield case("stop", [0.9, 0.7, 0.5, 0.6, 0.65, 0.66, 0.45], 3)  # just too late
    yield case("stop", [0.5, 0.6, 0.4, 0.3], 1)
    yield case("stop", [0.5, 0.4, 0.45, 0.3], 1, True)
    yield case("stop", [1.0, 2.0, 3.0, 0.5], 2)
    yield case("stop", [0.6, 0.8, 0.7, 0.65, 0.1], 3)  # each better than the one before, none than the best
    yield case("stop", [0.3, 0.9, 0.8, 0.7, 0.6, 0.5, 0.2], 4, True)
    for _ in range(10):
        yield case("stop", curve(int(rng.integers(12, 30))), int(rng.integers(1, 5)), bool(rng.integers(2)))
    yield case("stop", [0.9, 0.5, 0.6, 0.7], 2, True)
    yield case("stop", [0.4, 0.5, 0.6, 0.3], 2, True)
    yield case("stop", curve(20), 2, True, "float32")
    yield case("stop", curve(20), 3, True, readonly=True)
    yield case("stop", curve(20), 2, True, layout="slice")
    yield case("end", [0.9, 0.8, 0.7, 0.6], 2)
    yield case("end", [0.9, 0.8, 0.7, 0.75], 3)
    yield case("end", [0.9, 0.5, 0.7, 0.6, 0.55], 10)
    yield case("end", [0.4], 1)
    yield case("end", [0.4, 0.6], 5, True)
    yield case("end", [0.7, 0.6, 0.65, 0.5, 0.55, 0.4, 0.45], 2)
    yield case("end", [-1.0, -2.0, -1.5, -3.0], 2)
    yield case("end", [5000.0, 4000.0, 4500.0, 3000.0], 3)
    for _ in range(4):
        falling = np.sort(rng.uniform(0.1, 1, 8))[::-1]
        yield case("end", np.round(falling, 3), int(rng.integers(2, 4)), bool(rng.integers(2)))
    yield case("ties", [0.5, 0.5, 0.5, 0.4], 2)  # as good is not better
    yield case("ties", [0.5, 0.4, 0.4, 0.6, 0.3], 2)
    yield case("ties", [0.5, 0.4, 0.6, 0.4, 0.4, 0.3], 3, True)
    yield case("ties", [0.0, 0.0, 0.0], 2)
    yield case("ties", [0.5, 0.4, 0.4], 5)
    yield case("ties", [0.5, 0.5 - 1e-9, 0.7, 0.4], 2)  # and a little better is better
    yield case("ties", [0.5, 0.5 - 1e-7, 0.6, 0.6], 2, True)
    yield case("ties", [0.5, 0.5 - 1e-8, 0.5 - 2e-8, 0.5 - 3e-8], 2)
    for _ in range(6):
        yield case("ties", rng.integers(2, 6, 12) / 10, int(rng.integers(1, 4)), bool(rng.integers(2)))


def stopping(off=0, give="best", better=lambda loss, best, before: loss < best, stops=True, news=None, anew=True):
    """Early stopping with a twist: in what counts as better, in when it stops, in what it returns.

    ``news`` is what begins the count anew, where that is not what is better; without ``anew`` it only does not go on.
    """

    def answer(dev_losses, patience):
        losses = [float(loss) for loss in dev_losses]
        best, waited = 0, 0
        for epoch in range(1, len(losses)):
            loss_best_before = losses[epoch], losses[best], losses[epoch - 1]
            waited = waited * (not anew) if (news or better)(*loss_best_before) else waited + 1
            if better(*loss_best_before):
                best = epoch
            if stops and waited >= max(patience + off, 1):
                break
        else:
            epoch = len(losses) - 1
        return {"best": best, "last": epoch, "count": best + 1, "loss": losses[best]}[give]

    return answer


@UNIT.exercise("early_stop(dev_losses, patience)", points={"stop": 1, "end": 1, "ties": 1})
class EarlyStop:
    cases = stop_cases
    oracle = ref.early_stop
    bugs = (
        Bug(
            "last epoch",
            "You return the epoch in which the training stops. The best one was earlier: it has the weights to keep.",
            stopping(give="last"),
        ),
        Bug(
            "patience off by one",
            "You stop an epoch too late or too early. With a patience of 2, stop when two epochs in a row have brought "
            "nothing better: after the second of them, not after a third.",
            stopping(off=1),
            (stopping(off=-1),),
        ),
        Bug(
            "looks past the stop",
            "You took the smallest loss of the whole list. Once the patience has run out, training stops, and what "
            "would have come later nobody knows.",
            stopping(stops=False),
        ),
        Bug(
            "as good counts as better",
            "An epoch with an equal loss resets your count, or becomes the best. Only a strictly smaller loss does.",
            stopping(better=lambda loss, best, before: loss <= best),
        ),
        Bug(
            "a small gain does not count",
            "You ask for a loss that is smaller by some amount. Here any loss below the best one is better, however "
            "little it is below.",
            stopping(better=lambda loss, best, before: loss < best - 1e-3),
            (
                stopping(better=lambda loss, best, before: loss < best - 1e-4),
                stopping(better=lambda loss, best, before: loss < best - 1e-6),
            ),
        ),
        Bug(
            "compared with the epoch before",
            "You compare each loss with the one before it. A loss that falls again after it rose is no news until it "
            "is below the best so far.",
            stopping(better=lambda loss, best, before: loss < before),
            (stopping(news=lambda loss, best, before: loss < before),),
        ),
        Bug(
            "count not begun anew",
            "You count all epochs that brought nothing better. patience is for epochs in a row: a better one sets the "
            "count back to 0.",
            stopping(anew=False),
            (stopping(news=lambda loss, best, before: False),),
        ),
        Bug(
            "counts from 1",
            "The epochs are counted from 0, as indices are.",
            stopping(give="count"),
        ),
        Bug(
            "largest taken",
            "These are losses: the smaller, the better.",
            stopping(better=lambda loss, best, before: loss > best),
        ),
    )
