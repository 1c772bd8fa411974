"""Unit 07: the references agree with torch's own classes; what is wrong in a corner loses marks, and right answers of
any style do not."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from autograder import build, selftest
from autograder.answers import answers
from autograder.examples import make
from autograder.ingest import check_name
from cnnkit import evaluate, oracle
from cnnkit.calling import Unreadable
from cnnkit.exercises import get, names
from cnnkit.exercises.randomness import BLOBS, SIDE, blobs

UNIT = names(unit="07-training")
SEEDS = (0, 20261126)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def close(got, expected, atol=1e-11):
    assert np.shape(got) == np.shape(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=atol)


# References


TORCH = {
    "sgd_step": (torch.optim.SGD, {"lr": 0.1}, {"lr": 0.1}),
    "momentum_step": (torch.optim.SGD, {"lr": 0.1, "beta": 0.7}, {"lr": 0.1, "momentum": 0.7}),
    "rmsprop_step": (torch.optim.RMSprop, {"rho": 0.8, "eps": 0.01}, {"lr": 1e-3, "alpha": 0.8, "eps": 0.01}),
    "adam_step": (torch.optim.Adam, {"beta1": 0.8, "eps": 0.02}, {"betas": (0.8, 0.999), "eps": 0.02}),
}


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_steps_are_those_of_torchs_optimisers(name, weight_decay, rng):
    optimiser, ours, theirs = TORCH[name]
    w, state = rng.standard_normal((3, 4)), {}
    parameter = nn.Parameter(torch.tensor(w))
    rule = optimiser([parameter], weight_decay=weight_decay, **theirs)
    for _ in range(7):
        grad = rng.standard_normal((3, 4))
        w, state = getattr(oracle, name)(w, grad, state, weight_decay=weight_decay, **ours)
        parameter.grad = torch.tensor(grad)
        rule.step()
        close(w, parameter.detach().numpy())


def test_nesterov_is_torchs_seen_from_the_look_ahead_point(rng):
    """torch keeps the point ahead as its parameter: w + beta v."""
    slope = lambda at: np.array([1.0, 30.0]) * at
    w, state, beta, lr = rng.standard_normal(2), {}, 0.8, 0.02
    parameter = nn.Parameter(torch.tensor(w))
    rule = torch.optim.SGD([parameter], lr=lr, momentum=beta, nesterov=True)
    for _ in range(6):
        w, state = oracle.nesterov_step(w, slope, state, lr, beta)
        parameter.grad = torch.tensor(slope(parameter.detach().numpy()))
        rule.step()
        close(w + beta * state["velocity"].numpy(), parameter.detach().numpy())


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_is_that_of_the_module(train, rng, device):
    module = nn.BatchNorm2d(3, eps=0.01, momentum=0.3, dtype=torch.float64).train(train)
    values = dict(zip(("weight", "bias", "running_mean", "running_var"), rng.uniform(0.5, 2, (4, 3)), strict=True))
    module.load_state_dict({name: torch.tensor(value) for name, value in values.items()}, strict=False)
    x, dout = rng.standard_normal((2, 4, 3, 5, 2))
    leaf = torch.tensor(x, requires_grad=True)
    out = module(leaf)
    got = oracle.batchnorm2d(x, *values.values(), train, 0.3, 0.01, device=device)
    for ours, theirs in zip(got, (out, module.running_mean, module.running_var), strict=True):
        close(ours, theirs.detach().numpy())
    if train:
        out.backward(torch.tensor(dout))
        back = oracle.batchnorm2d_backward(dout, x, values["weight"], 0.01, device=device)
        for ours, theirs in zip(back, (leaf.grad, module.weight.grad, module.bias.grad), strict=True):
            close(ours, theirs.numpy())


@given(st.lists(st.integers(0, 6), min_size=1, max_size=15), st.integers(1, 6))
def test_early_stopping_by_its_definition(losses, patience):
    seen = len(losses)
    for epochs in range(1, len(losses) + 1):
        best = min(range(epochs), key=lambda i: (losses[i], i))
        if epochs - 1 - best >= patience:  # so many in a row that were not better
            seen = epochs
            break
    assert oracle.early_stop(losses, patience) == min(range(seen), key=lambda i: (losses[i], i))


def model_and_loader(n=11, size=4):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.0), nn.Linear(6, 3))
    data = TensorDataset(torch.randn(n, 5), torch.randint(3, (n,)))
    return model, DataLoader(data, batch_size=size)


def test_an_epoch_is_a_step_per_batch_and_its_loss_a_mean_over_examples():
    model, loader = model_and_loader()
    other = copy.deepcopy(model)
    rules = [torch.optim.SGD(m.parameters(), lr=0.2, momentum=0.5) for m in (model, other)]
    mean = oracle.train_epoch(model.eval(), loader, rules[0], F.cross_entropy, "cpu")
    losses = []
    for x, y in loader:
        each = F.cross_entropy(other(x), y, reduction="none")
        losses += each.tolist()
        rules[1].zero_grad()
        each.mean().backward()
        rules[1].step()
    assert mean == pytest.approx(np.mean(losses), rel=1e-6)
    for p, q in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(p, q)


def test_an_evaluation_counts_and_leaves_the_mode_of_each_module():
    model, loader = model_and_loader()
    model[1].eval()  # frozen statistics
    modes = [m.training for m in model.modules()]
    x, y = loader.dataset.tensors
    with torch.no_grad():
        expected = (copy.deepcopy(model).eval()(x).argmax(1) == y).double().mean().item()
    assert oracle.evaluate(model, loader, "cpu") == pytest.approx(expected)
    assert [m.training for m in model.modules()] == modes


def test_the_triangle_of_the_test_pictures_tells_every_move():
    where = np.array(BLOBS)
    assert where.sum(0).tolist() == [0, 0]
    sides = sorted(np.linalg.norm(where - np.roll(where, 1, 0), axis=1))
    assert min(np.diff(sides)) > 2  # three different ones
    assert blobs(4).shape == (4, 3, SIDE, SIDE) and (np.diff(blobs(4).max((1, 2, 3))) > 0.1).all()


# Judges


plain_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.floats()
    | st.just(Unreadable("a torch tensor"))
    | st.sampled_from([np.zeros(0), np.ones((2, 3)), np.arange(100), np.full((5, 3, 20, 20), np.nan), np.array(3.0)]),
    lambda inner: st.tuples(inner, inner) | st.tuples(inner, inner, inner),
    max_leaves=9,
)
JUDGED = [name for name in UNIT if get(name).judge]


@pytest.mark.parametrize("name", JUDGED)
@settings(max_examples=60)
@given(value=plain_data)
def test_a_judge_finds_fault_with_any_rubbish_and_never_fails(name, value):
    for case in list(get(name).cases(np.random.default_rng(0)))[::7]:
        found = get(name).judge(case, value)
        assert found is not None and found.text


def test_chance_does_not_cost_a_right_answer_its_marks():
    """Judges that look at random results are wrong about a right one less than once in some thousands."""
    for name in ("dropout_forward", "augment", "split_indices"):
        for seed in range(100, 112):
            verdict = evaluate(name, get(name).oracle, seed=seed)
            assert verdict.passed, verdict.text()


# Right answers that are odd


def evaluates_a_copy(model, loader, device):
    frozen = copy.deepcopy(model).eval()
    with torch.no_grad():
        hits = [(frozen(x.to(device)).argmax(1) == y.to(device)).sum().item() for x, y in loader]
    return sum(hits) / len(loader.dataset)


def clears_at_the_end(model, loader, optimizer, loss_fn, device):
    model.train()
    total = 0
    for x, y in loader:
        loss = loss_fn(model(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
        model.zero_grad(set_to_none=False)
        total = total + loss * len(y)
    return total / len(loader.dataset)


def rolls_anywhere(images, rng):
    out = np.zeros_like(images)
    for i in rng.permutation(len(images)):
        moved = np.roll(images[i], tuple(rng.integers(0, images.shape[-1], 2)), (1, 2))
        moved = np.rot90(moved, rng.integers(4), (1, 2))
        out[i] = np.flip(moved, 1) if rng.random() > 0.6 else moved
    return out


def shifts_by_one(images, rng):
    out = images.copy()
    for image in out:
        if rng.random() < 0.3:
            image[...] = image[:, ::-1].copy()
        image[...] = np.rot90(image, rng.choice([1, 2, 3]), (1, 2)).copy()
        image[...] = np.roll(image, rng.integers(0, 2), 2)
    return out


def remembers_all_gradients(w, grad, state, lr, beta=0.9, weight_decay=0.0):
    past = [*state.get("past", []), grad + weight_decay * w]
    v = sum(-lr * beta**age * g for age, g in enumerate(reversed(past)))
    return w + v, {"past": past}


def puts_the_mode_back(model, loader, optimizer, loss_fn, device):
    mode = model.training
    mean = oracle.train_epoch(model, loader, optimizer, loss_fn, device)
    model.train(mode)
    return mean


ODD = {
    "evaluate": [evaluates_a_copy],
    "train_epoch": [clears_at_the_end, puts_the_mode_back],
    "augment": [rolls_anywhere, shifts_by_one],
    "momentum_step": [remembers_all_gradients],
    "split_indices": [lambda n, fractions, rng: [part.tolist() for part in oracle.split_indices(n, fractions, rng)]],
    "dropout_forward": [
        lambda x, p, rng, train: (x * 1, np.ones(x.shape, int)) if not train else oracle.dropout(x, p, rng, train)
    ],
    "early_stop": [lambda dev_losses, patience: np.int64(oracle.early_stop(list(dev_losses), patience))],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_right_answers_score_full(name):
    for answer in ODD[name]:
        for seed in SEEDS:
            verdict = evaluate(name, answer, seed=seed)
            assert verdict.passed, verdict.text()


@pytest.mark.parametrize("name", ["train_epoch", "evaluate", "batchnorm2d_forward"])
def test_right_answers_are_right_on_every_device(name, device):
    for answer in answers(name):
        verdict = evaluate(name, answer, device=device)
        assert verdict.passed, verdict.text()


# Answers that are wrong in one corner only


def one_state_for_all(name):
    kept = {}

    def answer(w, grad, state, *args, **how):
        new, kept["state"] = getattr(oracle, name)(w, grad, kept.get("state", {}) if state else {}, *args, **how)
        return new, {"any": 1}

    return answer


def float64_out(name):
    def answer(w, grad, state, *args, **how):
        new, state = getattr(oracle, name)(w, grad, state, *args, **how)
        return new.astype(np.float64), state

    return answer


def drawn_by_column(x, p, rng, train):
    if not train:
        return x, np.ones_like(x)
    mask = np.broadcast_to((rng.random(x.shape[-1:]) >= p) / (1 - p), x.shape).astype(x.dtype)
    return x * mask, mask


def mask_from_output(x, p, rng, train):
    out, mask = oracle.dropout(x, p, rng, train)
    return out, mask * (x != 0) if train else mask


def channels_mirrored(images, rng):
    out = images.copy()
    for image in out:
        moved = image[::-1] if rng.random() < 0.5 else image
        moved = np.rot90(moved, rng.integers(4), (1, 2))
        image[...] = np.roll(moved, rng.integers(-2, 3, 2), (1, 2)).copy()
    return out


def last_picture_left_out(images, rng):
    out = images.copy()
    out[:-1] = oracle.augment(images[:-1], rng) if len(images) > 1 else out[:-1]
    return out


def other_pictures(images, rng):
    return oracle.augment(images, rng)[::-1].copy()


def never_shuffles_the_test_set(n, fractions, rng):
    rest = n - round(n * fractions[2])
    order, first = rng.permutation(rest), round(n * fractions[0])
    return order[:first], order[first:], np.arange(rest, n)


@pytest.mark.parametrize("rate", [1e-4, 0.01, 2.0])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_an_optimiser_of_ones_own_is_named_whatever_its_rate(kind, rate):
    def answer(model, loader, optimizer, loss_fn, device):
        return oracle.train_epoch(model, loader, kind(model.parameters(), lr=rate), loss_fn, device)

    verdict = evaluate("train_epoch", answer)
    assert verdict.bug == "ignores optimizer"
    assert "steps should be" in verdict.message


def last_batch_dropped(model, loader, optimizer, loss_fn, device):
    batches = [batch for batch in loader if len(batch[0]) == loader.batch_size] or list(loader)
    return oracle.train_epoch(model, batches, optimizer, loss_fn, device)


def loss_after_the_step(model, loader, optimizer, loss_fn, device):
    total = 0
    for x, y in loader:
        oracle.train_epoch(model, [(x, y)], optimizer, loss_fn, device)
        with torch.no_grad():
            total += loss_fn(model.eval()(x.to(device)), y.to(device)).item() * len(y)
    return total / len(loader.dataset)


def ends_in_eval_mode(model, loader, optimizer, loss_fn, device):
    mean = oracle.train_epoch(model, loader, optimizer, loss_fn, device)
    model.eval()
    return mean


def freezes(model, loader, device):
    for p in model.parameters():
        p.requires_grad_(False)
    return oracle.evaluate(model, loader, device)


def counts_all_bad_epochs(dev_losses, patience):
    best = bad = 0
    for epoch in range(1, len(dev_losses)):
        if dev_losses[epoch] < dev_losses[best]:
            best = epoch
        else:
            bad += 1
            if bad == patience:
                break
    return best


WRONG = [
    *[(name, one_state_for_all(name)) for name in ("momentum_step", "rmsprop_step", "adam_step")],
    *[(name, float64_out(name)) for name in ("sgd_step", "momentum_step", "rmsprop_step", "adam_step")],
    ("dropout_forward", drawn_by_column),
    ("dropout_forward", mask_from_output),
    ("augment", channels_mirrored),
    ("augment", last_picture_left_out),
    ("augment", other_pictures),
    ("augment", lambda images, rng: images.copy()),
    ("augment", lambda images, rng: oracle.augment(images, rng) * 255),
    ("split_indices", never_shuffles_the_test_set),
    ("split_indices", lambda n, fractions, rng: [part + 1 for part in oracle.split_indices(n, fractions, rng)]),
    ("train_epoch", last_batch_dropped),
    ("train_epoch", loss_after_the_step),
    ("train_epoch", ends_in_eval_mode),
    ("evaluate", freezes),
    ("evaluate", lambda model, loader, device: (model.zero_grad(), oracle.evaluate(model, loader, device))[1]),
    ("early_stop", counts_all_bad_epochs),
    ("early_stop", lambda dev_losses, patience: float(oracle.early_stop(dev_losses, patience))),
    (
        "batchnorm2d_forward",
        lambda x, g, b, m, v, train, momentum=0.1, eps=1e-5: oracle.batchnorm2d(x, g, b, m, v, train),
    ),
    ("batchnorm2d_backward", lambda dout, x, gamma, eps=1e-5: oracle.batchnorm2d_backward(dout, x, gamma)),
]


@pytest.mark.parametrize(("name", "answer"), WRONG)
def test_answers_that_are_wrong_in_one_corner_lose_marks(name, answer):
    for seed in SEEDS:
        assert evaluate(name, answer, seed=seed).score < get(name).max_score


def test_a_decay_at_the_look_ahead_point_is_as_right_as_one_at_w():
    name = "nesterov_step"
    for step in answers(name):
        assert evaluate(name, step).passed

    def decays_elsewhere(w, grad_fn, state, lr, beta=0.9, weight_decay=0.0):
        return oracle.nesterov_step(w, lambda at: grad_fn(at) + weight_decay * (at - 2 * w), state, lr, beta)

    assert evaluate(name, decays_elsewhere).groups == {"step": (1, 1), "memory": (1, 1), "decay": (0, 1)}


# The example class


ALL = None
# exercise: (groups of cases that are lost, the bug that is named)
LOSSES = {
    "perfect": {},
    "as-printed": {
        "momentum_step": (ALL, "(1 - beta) on the gradient"),
        "nesterov_step": (["memory", "decay"], "gradient at w"),
        "rmsprop_step": (["eps"], "eps inside the root"),
        "adam_step": (["eps"], "eps inside the root"),
        "dropout_forward": (["mask", "chance"], "keep and drop swapped"),
    },
    "half-done": {
        "sgd_step": (ALL, "w modified in place"),
        "nesterov_step": (ALL, None),
        "adam_step": (ALL, "no bias correction"),
        "batchnorm2d_forward": (["statistics"], "biased variance in the statistics"),
        "batchnorm2d_backward": (ALL, None),
        "augment": (["draws", "moves"], "the same draw for the batch"),
        "split_indices": (["complete"], "overlap"),
        "early_stop": (["stop", "ties"], "looks past the stop"),
    },
    "in-silence": {
        "batchnorm2d_forward": (["eval"], "batch statistics in eval"),
        "dropout_forward": (["mask"], "unscaled"),
        "augment": (["draws"], "the same draws every time"),
        "early_stop": (["stop", "ties"], "patience off by one"),
        "train_epoch": (ALL, "no zero_grad"),
        "evaluate": (["gradients", "as it was"], "gradients on"),
    },
}


@pytest.mark.parametrize("student", LOSSES)
def test_every_example_scores_as_designed(student):
    unit = "07-training"
    source = build.source_notebook(build.ROOT / "solutions" / unit / f"{unit}.py")
    notebook = make.submission(build.student_notebook(source), unit, student)
    defined = selftest.definitions(notebook)
    for name in filter(None, map(check_name, notebook.cells)):
        lost, bug = LOSSES[student].get(name, ([], None))
        verdict = evaluate(name, defined[name])
        groups = {group for group, (got, points) in verdict.groups.items() if got < points}
        assert groups == set(get(name).points if lost is ALL else lost), f"{name}: {verdict.text()}"
        assert verdict.bug == bug, f"{name}: {verdict.text()}"


def test_every_student_of_the_example_class_is_in_the_table():
    assert make.students("07-training") == sorted(LOSSES)


def epoch_of(divide, step_inside=True):
    """A student's train_epoch with another ``divide(losses, counts)``, or with one step after the last batch."""

    def answer(model, loader, optimizer, loss_fn, device):
        model.train()
        optimizer.zero_grad()
        losses, counts = [], []
        for x, y in loader:
            loss = loss_fn(model(x.to(device)), y.to(device))
            loss.backward()
            if step_inside:
                optimizer.step()
                optimizer.zero_grad()
            losses.append(loss.item())
            counts.append(len(x))
        if not step_inside:
            optimizer.step()
        return divide(np.array(losses), np.array(counts))

    return answer


def heavy(velocity, move):
    """A student's momentum step: ``velocity(v, g, lr, beta)``, then ``move(w, old v, new v)``."""

    def answer(w, grad, state, lr, beta=0.9, weight_decay=0.0):
        old = state.get("v", np.zeros_like(w))
        new = velocity(old, grad + weight_decay * w, lr, beta)
        return move(w, old, new), {"v": new}

    return answer


def started_at(first, move=lambda w, v, lr: w + v):
    """A student's momentum step whose velocity is ``first(g, lr)`` before the first step."""

    def answer(w, grad, state, lr, beta=0.9, weight_decay=0.0):
        g = grad + weight_decay * w
        v = beta * state.get("v", first(g, lr)) - lr * g
        return move(w, v, lr), {"v": v}

    return answer


def spares_biases(w, grad, state, lr, weight_decay=0.0):
    return w - lr * (grad + weight_decay * w * (w.ndim > 1)), state


def keeps_what_it_corrected(w, grad, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    g, t = grad + weight_decay * w, state.get("t", 0) + 1
    m = (beta1 * state.get("m", 0) + (1 - beta1) * g) / (1 - beta1**t)
    v = (beta2 * state.get("v", 0) + (1 - beta2) * g**2) / (1 - beta2**t)
    return w - lr * m / (np.sqrt(v) + eps), {"m": m, "v": v, "t": t}


def divides_by_the_old_root(w, grad, state, lr=0.001, rho=0.9, eps=1e-8, weight_decay=0.0):
    g, old = grad + weight_decay * w, state.get("E", np.zeros_like(w))
    return w - lr * g / (np.sqrt(old) + eps), {"E": rho * old + (1 - rho) * g**2}


def worst_class(model, loader, device):
    return oracle.evaluate(torch.nn.Sequential(model, Negative()), loader, device)


class Negative(torch.nn.Module):
    def forward(self, scores):
        return -scores


def asks_for_a_gain(dev_losses, patience):
    best = 0
    for epoch, loss in enumerate(dev_losses):
        if loss < dev_losses[best] - 1e-6:
            best = epoch
        elif epoch - best >= patience:
            break
    return best


def never_set_back(dev_losses, patience):
    best = worse = 0
    for epoch, loss in enumerate(dev_losses):
        if loss < dev_losses[best]:
            best = epoch
        elif epoch:
            worse += 1
            if worse >= patience:
                break
    return best


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("train_epoch", epoch_of(lambda losses, counts: losses @ counts / len(counts)), "divided by another number"),
        ("train_epoch", epoch_of(lambda losses, counts: losses.sum() / counts.sum()), "divided by another number"),
        ("train_epoch", epoch_of(lambda losses, counts: losses @ counts / counts.sum(), False), "one step in all"),
        (
            "momentum_step",
            heavy(lambda v, g, lr, beta: -beta * v - lr * g, lambda w, old, new: w + new),
            "velocity turned round",
        ),
        ("momentum_step", heavy(lambda v, g, lr, beta: beta * v - g, lambda w, old, new: w + new), "rate left out"),
        (
            "momentum_step",
            heavy(lambda v, g, lr, beta: beta * v - lr * g, lambda w, old, new: w + old),
            "velocity of the step before",
        ),
        ("momentum_step", started_at(lambda g, lr: g), "velocity starts at the gradient"),
        ("momentum_step", started_at(lambda g, lr: -lr * g), "velocity starts at the gradient"),
        ("sgd_step", spares_biases, "no decay for vectors"),
        ("adam_step", keeps_what_it_corrected, "corrected averages kept"),
        ("rmsprop_step", divides_by_the_old_root, "root of the average before"),
        ("train_epoch", last_batch_dropped, "last batch dropped"),
        ("evaluate", worst_class, "smallest score taken"),
        ("augment", lambda images, rng: images[:], "nothing moves"),
        ("early_stop", never_set_back, "count not begun anew"),
        ("early_stop", asks_for_a_gain, "a small gain does not count"),
    ],
)
@pytest.mark.parametrize("seed", [0, 11])
def test_what_students_commonly_get_wrong_is_named(name, answer, bug, seed):
    assert evaluate(name, answer, seed=seed).bug == bug
