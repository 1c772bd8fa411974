"""Unit 09: references that do what the papers say, answers wrong in one corner, examples that score as designed."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autograder.examples import make
from cnnkit import devices, evaluate, oracle
from cnnkit.exercises import get, names, small_models
from cnnkit.exercises.features import LAYERS

UNIT = "09-features-and-transfer"
SEEDS = (0, 1, 20261121)
rng = np.random.default_rng(9)


def network(kind, channels=3, classes=4, seed=5):
    with devices.using("cpu"):
        return small_models.build({"network": kind, "classes": classes, "seed": seed}, channels)


def picture(*shape):
    return torch.tensor(rng.standard_normal(shape), dtype=torch.float32)


def loses_marks(name, answer):
    for seed in SEEDS:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.score < verdict.max_score, f"{name}, seed {seed}: {answer} passes"
    return verdict


# References


@pytest.mark.parametrize("kind", small_models.NETWORKS)
def test_occlusion_is_the_probability_of_each_covered_picture(kind):
    model, image = network(kind), picture(3, 9, 7)
    heat = oracle.occlusion_map(model, image, 2, 4, 2)
    assert heat.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        covered = image.clone()
        covered[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] = 0
        assert torch.isclose(heat[i, j], model(covered[None]).softmax(1)[0, 2])


def test_occlusion_that_changes_nothing_gives_the_probability_itself():
    model, image = network("nested"), torch.zeros(3, 8, 8)
    heat = oracle.occlusion_map(model, image, 1, 3, 1)
    assert torch.allclose(heat, model(image[None]).softmax(1)[0, 1].expand(6, 6))


@pytest.mark.parametrize("kind", small_models.NETWORKS)
def test_saliency_agrees_with_differences(kind):
    model, image = network(kind).double(), picture(3, 6, 5).double()
    where = oracle.saliency(model, image, 1)
    slopes = torch.zeros(3, 6, 5)
    with torch.no_grad():
        for place in np.ndindex(3, 6, 5):
            step = torch.zeros_like(image)
            step[place] = 1e-6
            slopes[place] = (model((image + step)[None]) - model((image - step)[None]))[0, 1] / 2e-6
    assert torch.allclose(where.float(), slopes.abs().amax(0), atol=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_grad_cam_before_a_global_mean_is_the_class_activation_map():
    """Zhou et al. (2016), which Grad-CAM generalises: the last layer's weights times the maps, over their size."""
    features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
    model = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    image = picture(3, 7, 8)
    expected = torch.einsum("k,khw->hw", model[3].weight[2], features(image)) / 56
    assert torch.allclose(oracle.grad_cam(model, "0", image, 2), expected.relu(), atol=1e-6)


@pytest.mark.parametrize(("kind", "layer"), [(kind, layer) for kind in LAYERS for layer in LAYERS[kind]])
def test_grad_cam_has_the_size_of_its_layer_and_leaves_no_hook(kind, layer):
    model, image = network(kind), picture(3, 8, 8)
    with torch.no_grad():
        h, w = (8, 8) if kind == "residual" or layer in ("0", "1", "2", "features.0") else (4, 4)
    cam = oracle.grad_cam(model, layer, image, 0)
    assert cam.shape == (h, w) and (cam >= 0).all()
    assert not any(module._forward_hooks for module in model.modules())


def test_the_first_neighbour_is_the_nearest():
    features = np.array([[0.0, 0], [3, 4], [1, 0], [0, 2], [-9, 0]])
    assert oracle.nearest(features, 0, 4).tolist() == [2, 3, 1, 4]
    assert oracle.nearest(features[[0, 0, 1]], 1, 2).tolist() == [0, 2]


@pytest.mark.parametrize("head", ["classifier", "classifier.5"])
def test_a_frozen_model_still_says_the_same_and_only_its_head_learns(head):
    model, x = network("nested"), picture(6, 3, 8, 8)
    before, weights = model(x), copy.deepcopy(model.state_dict())
    assert oracle.freeze_backbone(model, head) is model
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model.train()
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(model(x), torch.arange(6) % 4).backward()
        optimizer.step()
    after = model.state_dict()
    for name, old in weights.items():
        assert torch.equal(old, after[name]) != name.startswith(f"{head}."), name
    assert not torch.allclose(model.eval()(x), before)


@pytest.mark.parametrize("name", ["classifier.5", "classifier.3"])
def test_a_new_head_takes_the_place_of_the_old(name):
    model = network("nested")
    old = model.get_submodule(name)
    assert oracle.replace_head(model, name, 9) is model
    new = model.get_submodule(name)
    assert (new.in_features, new.out_features) == (old.in_features, 9) and new is not old


# Cases


@pytest.mark.parametrize("kind", small_models.NETWORKS)
def test_the_small_models_differ_by_seed_alone(kind):
    image = picture(1, 3, 8, 8)
    one, same, other = network(kind)(image), network(kind)(image), network(kind, seed=6)(image)
    assert torch.equal(one, same) and not torch.allclose(one, other)
    assert one.softmax(1).max() < 0.99999, "no class is certain, so that probabilities can move"


# Answers that are wrong in one corner only


def where(condition, right, wrong):
    return lambda *args: (wrong if condition(*args) else right)(*args)


def test_occlusion_answers_wrong_in_a_corner_lose_marks():
    right = oracle.occlusion_map
    for condition in (
        lambda model, image, target, size, stride: image.shape[1] != image.shape[2],
        lambda model, image, target, size, stride: len(image) > 3,
        lambda model, image, target, size, stride: len(image) == 1,
        lambda model, image, target, size, stride: target > 0,
        lambda model, image, target, size, stride: stride > size,
        lambda model, image, target, size, stride: size == 1,
        lambda model, image, target, size, stride: (image.shape[1] - size) % stride > 0,
    ):
        loses_marks("occlusion_map", where(condition, right, lambda *args: right(*args) * 0.99))

    def in_training_mode(model, *rest):
        model.train()
        try:
            return right(model, *rest)
        finally:
            model.eval()

    loses_marks("occlusion_map", in_training_mode)
    for value in (1e-2, "smallest"):

        def covered_with(model, image, target, size, stride, value=value):
            fill = image.min() if value == "smallest" else value
            heat = right(model, image, target, size, stride)
            for i, j in np.ndindex(*heat.shape):
                some = image.clone()
                some[:, stride * i : stride * i + size, stride * j : stride * j + size] = fill
                heat[i, j] = model(some[None]).detach().softmax(1)[0, target]
            return heat

        loses_marks("occlusion_map", covered_with)


def test_saliency_that_leaves_one_gradient_behind_loses_a_mark():
    def answer(model, image, target):
        leaf = image.clone().requires_grad_()
        model(leaf[None])[0, target].backward()
        for parameter in list(model.parameters())[1:]:
            parameter.grad = None
        return leaf.grad.abs().amax(0)

    assert loses_marks("saliency", answer).score == 3


@pytest.mark.parametrize(
    "condense",
    [
        lambda g: g.abs().amax(0)[None],
        lambda g: g.abs().amax(0).T,
        lambda g: g.abs().amax(2),
        lambda g: g.abs().mean(0),
        lambda g: g[:3].abs().amax(0),
    ],
)
def test_saliency_condensed_otherwise_loses_marks(condense):
    def answer(model, image, target):
        leaf = image.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(leaf[None])[0, target], leaf)
        return condense(gradient)

    loses_marks("saliency", answer)


def test_grad_cam_of_another_layer_loses_marks():
    for change in (lambda layer: layer.partition(".")[0], lambda layer: layer.replace("1", "0").replace("2", "0")):
        loses_marks("grad_cam", lambda model, layer, *rest, change=change: oracle.grad_cam(model, change(layer), *rest))


def test_neighbours_that_drop_every_equal_row_or_change_their_argument_lose_marks():
    def without_equals(features, query, k):
        distances = np.linalg.norm(features - features[query], axis=1)
        distances[distances == 0] = np.inf
        return np.argsort(distances)[:k]

    def in_place(features, query, k):
        features -= features[query].copy()
        return oracle.nearest(features, query, k)

    for answer in (without_equals, in_place, lambda *args: np.sort(oracle.nearest(*args))):
        loses_marks("nearest", answer)
    loses_marks("nearest", lambda *args: oracle.nearest(*args).astype(float))


@pytest.mark.parametrize("momentum", [1e-3, 1])
def test_statistics_that_move_a_little_lose_marks(momentum):
    def answer(model, head):
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name.startswith(f"{head}.")
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = momentum
        return model

    assert loses_marks("freeze_backbone", answer).score == 2


def test_one_parameter_of_the_backbone_that_learns_costs_marks():
    def answer(model, head):
        oracle.freeze_backbone(model, head)
        next(model.parameters()).requires_grad_()
        return model

    assert loses_marks("freeze_backbone", answer).score == 2


def test_a_head_that_is_not_all_new_loses_marks():
    def keeps_rows(model, head, n_classes):
        old = model.get_submodule(head)
        oracle.replace_head(model, head, n_classes)
        rows = min(n_classes, old.out_features)
        model.get_submodule(head).weight.data[:rows] = old.weight.data[:rows]
        return model

    def starts_anew(model, head, n_classes):
        oracle.replace_head(model, head, n_classes)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        return model

    def half_frozen(model, head, n_classes):
        oracle.replace_head(model, head, n_classes).get_submodule(head).bias.requires_grad_(False)
        return model

    for answer in (keeps_rows, starts_anew, half_frozen):
        loses_marks("replace_head", answer)


def out_features_alone(model, head, n_classes):
    model.get_submodule(head).out_features = n_classes
    return model


@pytest.mark.parametrize("answer", [lambda model, head, n_classes: model, out_features_alone])
def test_a_model_left_as_it_was_is_named_as_that(answer):
    verdict = evaluate("replace_head", answer)
    assert (verdict.score, verdict.bug) == (0, "nothing replaced")


def head_of(*behind, n_hidden=None, bias=True, begin=None):
    """A new head that is a linear layer, or two, with something behind it."""

    def answer(model, head, n_classes):
        width = model.get_submodule(head).in_features
        hidden = [nn.Linear(width, n_hidden, bias=bias), nn.ReLU()] if n_hidden else []
        layers = [*hidden, nn.Linear(n_hidden or width, n_classes, bias=bias)]
        for p in nn.Sequential(*layers).parameters():
            if begin:
                begin(p)
        parent, _, name = head.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Sequential(*layers, *behind))
        return model

    return answer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("begin", [None, nn.init.zeros_, nn.init.ones_])
@pytest.mark.parametrize("n_hidden", [None, 16])
def test_a_new_head_may_have_no_bias_and_begin_with_any_numbers(bias, begin, n_hidden):
    for seed in range(4):
        verdict = evaluate("replace_head", head_of(n_hidden=n_hidden, bias=bias, begin=begin), seed=seed)
        assert verdict.passed, verdict.text()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("begin", [None, nn.init.zeros_])
@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid(), nn.Tanh(), nn.ReLU()])
def test_something_behind_a_new_head_is_found_without_a_bias_too(last, begin, bias):
    verdict = evaluate("replace_head", head_of(last, bias=bias, begin=begin))
    assert verdict.groups["learning"] == (0, 1)
    assert verdict.bug == "softmax in the head"


@pytest.mark.parametrize(
    ("read", "bug"),
    [
        (lambda scores: scores, "logits for probabilities"),
        (lambda scores: scores.log_softmax(1), "logarithms or sigmoids for probabilities"),
        (torch.sigmoid, "logarithms or sigmoids for probabilities"),
    ],
)
def test_what_stands_in_for_probabilities_is_named_as_what_it_is(read, bug):
    def answer(model, image, target, size, stride):
        _, height, width = image.shape
        rows, columns = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
        heat = np.empty((len(rows), len(columns)), np.float32)
        for place in np.ndindex(heat.shape):
            covered = image.clone()
            covered[:, rows[place[0]] :, columns[place[1]] :][:, :size, :size] = 0
            with torch.no_grad():
                heat[place] = read(model(covered[None]))[0, target]
        return heat

    assert evaluate("occlusion_map", answer).bug == bug


# The example class

ALL = None
DESIGNED = {
    "perfect": {},
    "half-done": {
        "occlusion_map": (ALL, "logits for probabilities"),
        "grad_cam": (ALL, None),
        "nearest": ({"itself"}, "first place dropped"),
        "replace_head": (ALL, None),
        "freeze_backbone": ({"statistics", "after model.train()"}, "statistics move"),
    },
    "leaves-traces": {
        "occlusion_map": ({"basics", "stride", "nothing left behind", "fit"}, "the picture stays covered"),
        "saliency": ({"nothing left behind"}, "parameters' gradients left behind"),
        "grad_cam": (ALL, "weights not averaged"),
        "freeze_backbone": ({"after model.train()"}, "statistics move after model.train()"),
        "replace_head": ({"nested names", "learning"}, "nested name on the model itself"),
    },
}


@pytest.mark.parametrize("student", DESIGNED)
def test_the_examples_score_as_designed(student):
    assert set(make.students(UNIT)) == set(DESIGNED)
    namespace = {"np": np, "torch": torch, "nn": nn, "F": F}
    for who in ("perfect", student):
        for kind, name, text in make.answers(UNIT, who):
            if kind == "without":
                namespace.pop(name, None)
            elif not kind:
                exec(text, namespace)
    for name in names(unit=UNIT):
        lost, bug = DESIGNED[student].get(name, (set(), None))
        lost = set(get(name).points) if lost is ALL else lost
        verdict = evaluate(name, namespace.get(name), seed=20261121)
        assert {group for group, (got, of) in verdict.groups.items() if got < of} == lost or not verdict.groups
        assert verdict.score == sum(points for group, points in get(name).points.items() if group not in lost), name
        assert verdict.bug == bug, verdict.text()
