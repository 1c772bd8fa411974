"""Unit 09, second part: a trained network for other classes."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import cnnkit as ck
from cnnkit.cases import Case
from cnnkit.exercises import small_models
from cnnkit.exercises.drawing import draw
from cnnkit.exercises.small_models import draw_model
from cnnkit.exercises.specification import Bug, Unit

UNIT = Unit("09-features-and-transfer")

BATCH = 6
RATE = 0.05


def train(network, x, y):
    """Some steps of plain SGD on whatever has a gradient, as any training loop would make them."""
    torch.manual_seed(0)  # the same dropout for every answer
    for _ in range(2):
        loss = F.cross_entropy(network(x), y)
        network.zero_grad()
        if loss.requires_grad:
            loss.backward()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.grad is not None:
                    parameter -= RATE * parameter.grad


def batch(x, classes):
    return small_models.tensor(x), torch.arange(len(x), device=ck.device()) % classes


def flat(named):
    """All numbers of some tensors in one array."""
    return np.concatenate([np.ravel(small_models.array(value)) for value in named] or [np.zeros(0, np.float32)])


def outside(named, head):
    """The tensors of ``(name, tensor)`` pairs that belong to no part of the head."""
    return [value for name, value in named if not f"{name}.".startswith(f"{head}.")]


# Freezing

HEADS = (("plain", "7"), ("nested", "classifier.5"), ("nested", "classifier"), ("residual", "fc"))


def freeze_probe(freeze, model, head, x, moves=(), look="learning"):
    """What training changes after ``freeze``.

    Args:
        moves: what is called on the model before it is trained: "train", "eval".
        look: "learning" for what came back and the parameters outside the head, "statistics" for the running statistics
            there; a missing return costs the first alone.

    Returns:
        What came back, the numbers after training, and for each parameter of the head 1 if it moved and 0 if not.
    """
    network = small_models.build(model, x.shape[1])
    if not moves or moves[0] == "eval":
        network.train()  # freezing finds it in either mode
    before = [parameter.detach().clone() for parameter in network.get_submodule(head).parameters()]
    returned = freeze(network, head)
    frozen = returned if isinstance(returned, nn.Module) else network
    for move in moves:
        getattr(frozen, move)()
    with small_models.exactly():
        train(frozen, *batch(x, model["classes"]))
    after = frozen.get_submodule(head).parameters()
    moved = np.array([int(not torch.equal(old, new)) for old, new in zip(before, after, strict=True)])
    if look == "learning":
        return came_back(returned, network), flat(outside(frozen.named_parameters(), head)), moved
    statistics = [b for name, b in frozen.named_buffers() if name.endswith(("running_mean", "running_var"))]
    return "the model", flat(statistics), moved


def came_back(returned, network):
    return "the model" if returned is network else "nothing" if returned is None else "something else"


def freezes(model, head, learns, keep_statistics=True):
    """Freeze with a twist: ``learns(name, head)`` says of a parameter whether it learns."""
    if keep_statistics:
        ck.oracle.freeze_backbone(model, head)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(learns(name, head))
    return model


def in_head(name, head):
    return name.startswith(f"{head}.")


def frozen_once(model, head):
    """Batch norms are in eval mode until somebody calls train()."""
    freezes(model, head, in_head, keep_statistics=False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


def frozen_later(model, head):
    """Batch norms keep still once train() is called, but not before."""
    freezes(model, head, in_head, keep_statistics=False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train = lambda mode=True, module=module: nn.Module.train(module, False)
    return model


def frozen_at_the_top(model, head):
    """Looks for batch norms among the model's children only."""
    freezes(model, head, in_head, keep_statistics=False)
    for module in [child for part in model.children() for child in (part, *part.children())]:
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True, module=module: module
    return model


@UNIT.exercise(
    "freeze_backbone(model, head, x, moves=())", points={"learning": 2, "statistics": 1, "after model.train()": 1}
)
class FreezeBackbone:
    def cases(rng):
        def x():
            return draw(rng, (BATCH, 3, 8, 6), "float32")

        for network, head in HEADS:
            for moves in ((), ("train",), ("eval", "train")):
                yield Case("learning", (draw_model(rng, network, 3), head, x()), {"moves": moves})
        for network, head in HEADS[1:]:
            yield Case("statistics", (draw_model(rng, network, 3), head, x()), {"look": "statistics"})
            for moves in (("train",), ("eval", "train"), ("train", "eval", "train")):
                model = draw_model(rng, network, 3)
                yield Case("after model.train()", (model, head, x()), {"moves": moves, "look": "statistics"})

    probe = freeze_probe
    oracle = ck.oracle.freeze_backbone
    returns = ("what came back", "the backbone after training", "parameters of the head that learn")
    bugs = (
        Bug(
            "head frozen",
            "Nothing learns any more, the head neither. Its parameters keep requires_grad = True.",
            lambda model, head: freezes(model, head, lambda name, head: False),
            (lambda model, head: freezes(model, head, lambda name, head: False, keep_statistics=False),),
        ),
        Bug(
            "statistics move after model.train()",
            "You put the batch norms into eval mode, and model.train() puts them back: from then on their running mean "
            "and variance follow the new data. They have to stay in eval mode through train(), or to learn nothing.",
            frozen_once,
        ),
        Bug(
            "statistics move",
            "No parameter of the backbone changes, but the running means and variances of its batch norms do. These "
            "are no parameters: in training mode each batch moves them, whatever requires_grad says.",
            lambda model, head: freezes(model, head, in_head, keep_statistics=False),
        ),
        Bug(
            "statistics move until model.train() is called",
            "The batch norms keep still once train() is called. A model that is in training mode when it comes moves "
            "them at once: put them into eval mode, too.",
            frozen_later,
        ),
        Bug(
            "batch norms inside blocks forgotten",
            "Some batch norms still follow the data: those deeper in the model. model.modules() visits every module, "
            "however deep.",
            frozen_at_the_top,
        ),
        Bug(
            "backbone learns",
            "The backbone still learns. Its parameters need requires_grad = False.",
            lambda model, head: freezes(model, head, lambda name, head: True),
            (lambda model, head: freezes(model, head, lambda name, head: True, keep_statistics=False),),
        ),
        Bug(
            "the backbone for the head",
            "It is the other way round: the head should learn, and everything else stay.",
            lambda model, head: freezes(model, head, lambda name, head: not in_head(name, head)),
            (lambda model, head: freezes(model, head, lambda name, head: not in_head(name, head), False),),
        ),
        Bug(
            "biases learn",
            "The weights of the backbone stay, its biases do not.",
            lambda model, head: freezes(model, head, lambda name, head: in_head(name, head) or name.endswith("bias")),
        ),
        Bug(
            "batch norms learn",
            "Scale and shift of the batch norms still learn. They belong to the backbone, too.",
            lambda model, head: freezes(model, head, lambda name, head: in_head(name, head) or of_batch_norm(name)),
        ),
        Bug(
            "another model comes back",
            "The function should return the model that it got, changed, and not a copy of it.",
            lambda model, head: ck.oracle.freeze_backbone(copy.deepcopy(model), head),
        ),
        Bug(
            "no model comes back",
            "The model is as it should be, but nothing is returned. Return the model, so that calls can be chained.",
            lambda model, head: ck.oracle.freeze_backbone(model, head) and None,
        ),
        Bug(
            "names that begin alike",
            'Something of the backbone learns, too: with the head "fc" the name "fc_in.weight" begins with "fc" as '
            "well. Ask the submodule for its parameters instead of comparing names.",
            lambda model, head: freezes(model, head, lambda name, head: name.startswith(head)),
        ),
    )


def of_batch_norm(name):
    """Whether a parameter belongs to a batch norm of one of the networks."""
    return name.startswith(("features.1.", "features.5.")) or ".bn" in name


# A new head


def replace_probe(replace, model, head, n_classes, x, look="model"):
    """What a model is after ``replace``.

    Args:
        look: "model" for what came back and what became of the rest of the model, "head" for the new layer by itself; a
            missing return costs the first alone.

    Returns:
        What came back, the shape of the scores, what enters the head, the parameters outside it; for "head" the shape
        alone of these, and whether the layer is new, learns, and gives scores.
    """
    network = small_models.build(model, x.shape[1])
    if look == "head":
        network.requires_grad_(False)  # as freezing left it; a new head learns all the same
    old = network.get_submodule(head).weight.detach().clone()
    returned = replace(network, head, n_classes)
    changed = returned if isinstance(returned, nn.Module) else network
    new, entered = changed.get_submodule(head), []
    hook = new.register_forward_pre_hook(lambda module, inputs: entered.append(inputs[0].detach().clone()))
    with small_models.exactly():
        shape = np.array(changed.eval()(small_models.tensor(x)).shape)
    hook.remove()
    if look == "model":
        return came_back(returned, network), shape, flat(entered), flat(outside(changed.named_parameters(), head))
    parameters = list(new.parameters())
    is_new = not any(p.shape == old.shape and torch.equal(p, old) for p in parameters)
    learns = bool(parameters) and all(p.requires_grad for p in parameters)
    return "the model", shape, flat([]), flat([]), is_new, learns, gives_scores(changed, new, small_models.tensor(x))


def gives_scores(model, head, x):
    """Whether the model's outputs are scores, which are negative as easily as positive, and of any size.

    The head's own numbers are overwritten, since it may begin with zeros: by biases alone, of which the outputs should
    take the sign, then by random ones, since a head may have no bias. What enters it is random, too: the features of a
    picture may all be 0.
    """
    rng = np.random.default_rng(0)
    draws = [lambda p, bias=bias: np.full(p.shape, bias if p.ndim == 1 else 0.0) for bias in (1.0, -1.0)]
    draws += 4 * [lambda p: 1e3 * rng.standard_normal(p.shape)]
    hook = head.register_forward_pre_hook(
        lambda module, inputs: (inputs[0].new_tensor(rng.normal(size=inputs[0].shape)),)
    )
    outputs = []
    with torch.no_grad():
        for numbers in draws:
            for p in head.parameters():
                p.copy_(torch.from_numpy(numbers(p)))
            outputs.append(model(x))
    hook.remove()
    up, down, *wide = outputs
    wide = torch.cat(wide)
    return torch.equal(up, -down) and wide.min().item() < -1 and wide.max().item() > 1


def put(model, head, new):
    parent, _, name = head.rpartition(".")
    setattr(model.get_submodule(parent), name, new.to(ck.device()))
    return model


def new_layer(model, head, n_classes):
    return nn.Linear(model.get_submodule(head).in_features, n_classes)


def on_the_model_itself(model, head, n_classes):
    setattr(model, head, new_layer(model, head, n_classes).to(ck.device()))
    return model


def appended(model, head, n_classes):
    old = model.get_submodule(head)
    return put(model, head, nn.Sequential(old, nn.Linear(old.out_features, n_classes)))


def followed_by(last):
    """A new head with something behind it."""
    return lambda model, head, n_classes: put(model, head, nn.Sequential(new_layer(model, head, n_classes), last()))


def kept_where_it_fits(model, head, n_classes):
    old = model.get_submodule(head)
    return model if old.out_features == n_classes else ck.oracle.replace_head(model, head, n_classes)


def head_frozen(model, head, n_classes):
    ck.oracle.replace_head(model, head, n_classes).get_submodule(head).requires_grad_(False)
    return model


@UNIT.exercise("replace_head(model, head, n_classes, x)", points={"last layer": 1, "nested names": 1, "learning": 1})
class ReplaceHead:
    def cases(rng):
        def case(group, network, head, n_classes, look="model"):
            x = draw(rng, (2, 3, 8, 6), "float32")
            return Case(group, (draw_model(rng, network, 4), head, n_classes, x), {"look": look})

        for network, head in (("plain", "7"), ("residual", "fc")):
            for n_classes in (2, 7, 10):
                yield case("last layer", network, head, n_classes)
        for n_classes in (2, 3, 9, 12):
            yield case("nested names", "nested", "classifier.5", n_classes)
        for network, head in (("plain", "7"), ("residual", "fc"), ("nested", "classifier.5")):
            for n_classes in (4, 6):  # as many as there were, and others
                yield case("learning", network, head, n_classes, "head")

    probe = replace_probe
    oracle = ck.oracle.replace_head
    returns = (
        "what came back",
        "the shape of the scores",
        "what enters the head",
        "the rest of the model",
        "whether the head is new",
        "whether the head learns",
        "whether the outputs are scores, which may be negative",
    )
    bugs = (
        Bug(
            "nested name on the model itself",
            "setattr(model, 'classifier.5', ...) hangs a new layer on the model under a name with a dot in it, and no "
            "forward pass asks for that. Get the parent first, model.get_submodule('classifier'), and set '5' on it.",
            on_the_model_itself,
        ),
        Bug(
            "nothing replaced",
            "The model computes what it did before. Its layer under that name has to be another one, a new nn.Linear: "
            "writing to out_features, or making a layer without setting it in the model, changes no weight.",
            lambda model, head, n_classes: model,
        ),
        Bug(
            "head frozen",
            "The new head does not learn: its parameters have requires_grad = False.",
            head_frozen,
        ),
        Bug(
            "old head kept",
            "The head is still the old one where it happens to have as many outputs. The new classes are others: start "
            "from a new layer.",
            kept_where_it_fits,
        ),
        Bug(
            "new layer behind the old one",
            "The old head is still there, with a new layer behind it. The scores of the old classes are no good "
            "features for new ones: the new layer takes the place of the old.",
            appended,
        ),
        Bug(
            "another model comes back",
            "The function should return the model that it got, changed, and not a copy of it.",
            lambda model, head, n_classes: ck.oracle.replace_head(copy.deepcopy(model), head, n_classes),
        ),
        Bug(
            "no model comes back",
            "The model is as it should be, but nothing is returned. Return the model, so that calls can be chained.",
            lambda model, head, n_classes: ck.oracle.replace_head(model, head, n_classes) and None,
        ),
        Bug(
            "softmax in the head",
            "Something comes after the new layer. A model gives scores, which may be negative and of any size: the "
            "softmax is part of the loss, and a ReLU would cut off half of them.",
            followed_by(lambda: nn.Softmax(dim=1)),
            (
                followed_by(nn.ReLU),
                followed_by(lambda: nn.LogSoftmax(dim=1)),
                followed_by(nn.Sigmoid),
                followed_by(nn.Tanh),
            ),
        ),
        Bug(
            "one class too many",
            "The new layer has the wrong number of outputs: one for each of the n_classes.",
            lambda model, head, n_classes: put(model, head, new_layer(model, head, n_classes + 1)),
        ),
    )
