"""Unit 08: what the probes see and what they overlook on purpose; answers that are wrong in one corner only."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autograder import build, ingest
from autograder.examples import make
from cnnkit import evaluate, models, oracle
from cnnkit.exercises import get, names, probing, tracing
from cnnkit.exercises.probing import rebuilt, swapped

UNIT = "08-architectures"
SEEDS = (0, 1, 20261121)
RESNEXT, SQUEEZE = get("resnext_block").oracle, get("se_block").oracle


def passes(name, answer, seeds=SEEDS[:2]):
    for seed in seeds:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.passed, f"seed {seed}: {verdict.text()}"


def loses(name, answer, *groups, seeds=SEEDS):
    """The answer loses marks with every seed, and in these groups."""
    for seed in seeds:
        verdict = evaluate(name, answer, seed=seed)
        assert verdict.score < verdict.max_score, f"seed {seed}: {verdict.text()}"
        assert all(verdict.groups[group][0] == 0 for group in groups), verdict.text()


# The example class


LOST = {
    "perfect": {},
    "from-the-slides": {
        "lenet5": (["activations"], "last ReLU"),
        "alexnet": (["parameters", "layers"], "stride of the second convolution"),
        "zfnet": (["parameters", "layers"], "the larger variant"),
        "inception_block": (["ReLU"], "a ReLU is missing"),
        "residual_block": (["identity", "branch", "new shape", "weights"], "ReLU before the addition"),
        "average_predictions": (["one image", "several images", "large scores"], "scores for probabilities"),
    },
    "half-done": {
        "layer_table": (["groups", "fit"], "groups ignored"),
        "zfnet": ([], None),
        "vgg": (["parameters", "layers", "training"], None),
        "resnext_block": (["identity", "branch", "new shape", "training", "weights"], None),
        "dense_block": (["concatenation", "layers", "ReLU", "training"], "layers not registered"),
        "se_block": (["squeeze"], "no ReLU between the layers"),
        "linear_to_conv": (["without bias"], None),
        "top_k_accuracy": (["several"], "k = 1 always"),
        "ten_crop": (["mirror images"], "turned upside down"),
    },
}


@pytest.mark.parametrize("student", LOST)
def test_the_examples_lose_what_they_are_made_to_lose(student):
    released = build.student_notebook(build.source_notebook(build.author_path(UNIT)))
    namespace = {"__name__": "__main__"}
    for cell in make.submission(released, UNIT, student).cells:
        if cell.cell_type == "code" and (ingest.solution_name(cell) or cell.source.startswith(("import", "from"))):
            exec(compile(cell.source, cell.id, "exec"), namespace)
    for name in names(unit=UNIT):
        verdict = evaluate(name, namespace.get(name), seed=5)
        groups, bug = LOST[student].get(name, ([], None))
        assert ([group for group, (got, of) in verdict.groups.items() if got < of], verdict.bug) == (groups, bug), name
        assert verdict.passed == (name not in LOST[student])
    assert make.students(UNIT) == sorted(LOST)


# Networks


def test_a_trace_lets_a_network_of_any_size_cost_next_to_nothing():
    """No layer computes: their weights may be anything."""
    with tracing.Trace(probing.level(1)) as seen:
        net = models.vgg("E")
        for p in net.parameters():
            p.data = torch.full((1,) * p.ndim, torch.nan).expand(p.shape)
        scores = net.eval()(torch.zeros(1, 3, 224, 224))
    assert scores.shape == (1, 1000) and torch.equal(scores, torch.ones(1, 1000))
    assert len(seen.given) == 19
    assert seen.inputs[:2] == [27, 576] and seen.whole == [False] * 16 + [True] * 3


def test_a_trace_leaves_the_error_of_a_wrong_size_to_the_layer():
    for layer, shape in (
        (nn.Linear(4, 3), (2, 5)),
        (nn.Conv2d(4, 3, 1), (2, 5, 3, 3)),
        (nn.Conv2d(1, 3, 5), (2, 1, 3, 3)),
    ):
        with pytest.raises(RuntimeError), tracing.Trace(probing.level(1)):
            layer(torch.zeros(shape))


ODD_NETWORKS = {
    "lenet5": {
        "PReLU-free swish, strided mean": lambda: nn.Sequential(
            *(nn.Conv2d(1, 6, 5), nn.SiLU(), nn.AvgPool2d(2, 2), nn.Conv2d(6, 16, 5), nn.SiLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 120, 5), nn.Hardtanh(), nn.Conv2d(120, 84, 1), nn.Sigmoid(), nn.Conv2d(84, 10, 1)),
            nn.Flatten(),
        ),
        "pooled after C5's bend": lambda: nn.Sequential(
            *(nn.Conv2d(1, 6, 5), nn.AvgPool2d(2), nn.ReLU(), nn.Conv2d(6, 16, 5), nn.AvgPool2d(2), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(400, 120), nn.GELU(), nn.Dropout(), nn.Linear(120, 84), nn.Softplus()),
            nn.Linear(84, 10),
        ),
        "means by a fixed convolution": rebuilt(models.lenet5, swapped(nn.AvgPool2d, lambda _: FixedMeans())),
        "response normalisation": rebuilt(
            models.lenet5, swapped(nn.AvgPool2d, lambda pool: nn.Sequential(pool, nn.LocalResponseNorm(3)))
        ),
    },
    "alexnet": {
        "on its device at once": lambda groups=2: models.alexnet(groups).to("cpu"),
        "own initialisation": lambda groups=2: own_initialisation(models.alexnet(groups)),
        "in eval mode already": lambda groups=2: models.alexnet(groups).eval(),
        "no dropout": rebuilt(models.alexnet, swapped(nn.Dropout, lambda _: nn.Identity())),
        "ReLU in place": rebuilt(models.alexnet, swapped(nn.ReLU, lambda _: nn.ReLU(inplace=True))),
        "wrapped": lambda groups=2: nn.Sequential(nn.Identity(), models.alexnet(groups)),
    },
    "zfnet": {"adaptive pooling at the end": lambda: adaptive(models.zfnet())},
    "vgg": {"convolutions as a head": lambda configuration: convolutional(models.vgg(configuration))},
}


class FixedMeans(nn.Module):
    def forward(self, x):
        kernel = torch.full((x.shape[1], 1, 2, 2), 0.25, device=x.device)
        return F.conv2d(x, kernel, stride=2, groups=x.shape[1])


def own_initialisation(net):
    for p in net.parameters():
        if p.ndim > 1:
            nn.init.xavier_normal_(p)
        else:
            nn.init.zeros_(p)
    return net


def adaptive(net):
    last = [layer for layer in net if isinstance(layer, nn.MaxPool2d)][-1]
    return nn.Sequential(
        *(layer for part in net for layer in ((part, nn.AdaptiveAvgPool2d(6)) if part is last else (part,)))
    )


def convolutional(net):
    sides = iter((7, 1, 1))

    def conv(linear):
        k = next(sides)
        return nn.Conv2d(linear.in_features // k**2, linear.out_features, k)

    net = swapped(nn.Linear, conv)(net)
    return nn.Sequential(*(layer for layer in net if not isinstance(layer, nn.Flatten)), nn.Flatten())


@pytest.mark.parametrize(("name", "style"), [(name, style) for name in ODD_NETWORKS for style in ODD_NETWORKS[name]])
def test_a_network_is_right_in_any_style(name, style):
    passes(name, ODD_NETWORKS[name][style], SEEDS[:1])


class By(nn.Module):
    """A layer that is a function of a tensor, which it may change."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


def in_place(write):
    """A function that has its tensor changed by ``write`` and hands it out, whatever ``write`` returns."""

    def change(x):
        write(x)
        return x

    return change


RELU = {
    "function": torch.relu,
    "by keyword": lambda x: F.relu(input=x),
    "method": lambda x: x.relu(),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "mask": lambda x: x * (x > 0),
    "function in place": in_place(F.relu_),
    "argument in place": in_place(lambda x: F.relu(x, inplace=True)),
    "method in place": in_place(torch.Tensor.relu_),
    "clamped in place": in_place(lambda x: x.clamp_(min=0)),
    "negative ones set": in_place(lambda x: x.__setitem__(x < 0, 0)),
    "map by map": in_place(lambda x: [x[:, i].relu_() for i in range(x.shape[1])] if x.ndim == 4 else x.relu_()),
    "row by row, in a view": in_place(lambda x: x.view(len(x), -1).relu_()),
}


@pytest.mark.parametrize("style", RELU)
def test_a_relu_may_be_written_in_any_way_though_all_maps_are_one_in_memory(style):
    passes("zfnet", rebuilt(models.zfnet, swapped(nn.ReLU, lambda _: By(RELU[style]))), SEEDS[:1])


def test_a_pooling_may_be_written_in_any_way_though_all_maps_are_one_in_memory():
    styles = (
        lambda x: F.max_pool2d(x, 3, 2, return_indices=True)[0],
        lambda x: F.max_pool2d_with_indices(input=x, kernel_size=3, stride=2)[0],
        lambda x: torch.max_pool2d(input=x, kernel_size=3, stride=2),
        lambda x: x.unfold(2, 3, 2).unfold(3, 3, 2).amax((-2, -1)),
        lambda x: F.unfold(x, 3, stride=2).view(*x.shape[:2], 9, *[(n - 3) // 2 + 1 for n in x.shape[2:]]).amax(2),
    )
    for pool in styles:
        passes("alexnet", rebuilt(models.alexnet, swapped(nn.MaxPool2d, lambda _, pool=pool: By(pool))), SEEDS[:1])


class Handmade(nn.Module):
    """LeNet-5 whose layers are functions of parameters: ``linear(x, w, b)`` and ``conv(x, w, b)``."""

    def __init__(self, linear=F.linear, conv=F.conv2d, bend=F.relu, last=lambda scores: scores):
        super().__init__()
        self.linear, self.conv, self.bend, self.last = linear, conv, bend, last
        shapes = ((6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84))
        self.w = nn.ParameterList(torch.randn(shape) for shape in shapes)
        self.b = nn.ParameterList(torch.randn(shape[0]) for shape in shapes)

    def forward(self, x):
        for w, b in zip(self.w[:2], self.b[:2], strict=True):
            x = F.max_pool2d(self.bend(self.conv(x, w, b)), 2)
        x = x.flatten(1)
        for w, b in zip(self.w[2:4], self.b[2:4], strict=True):
            x = self.bend(self.linear(x, w, b))
        return self.last(self.linear(x, self.w[4], self.b[4]))


LINEAR = {
    "einsum": lambda x, w, b: torch.einsum("ni,oi->no", x, w) + b,
    "@": lambda x, w, b: x @ w.T + b,
    "weights first": lambda x, w, b: (b.view(-1, 1) + w.matmul(x.t())).t(),
    "linear, bias apart": lambda x, w, b: F.linear(x, w).add_(b),
    "addmm": lambda x, w, b: torch.addmm(b, x, w.t()),
    "baddbmm of a batch": lambda x, w, b: torch.baddbmm(b.view(1, 1, -1), x[None], w.T[None])[0],
    "baddbmm of rows": lambda x, w, b: torch.baddbmm(
        b.expand(len(x), 1, -1), x.unsqueeze(1), w.t().expand(len(x), -1, -1)
    ).squeeze(1),
    "bmm of columns": lambda x, w, b: torch.bmm(w.expand(len(x), *w.shape), x[..., None]).squeeze(-1) + b,
    "tensordot": lambda x, w, b: torch.tensordot(x, w, dims=([1], [1])) + b,
    "picture by picture": lambda x, w, b: torch.stack([w.mv(one) + b for one in x]),
    "multiplied and summed": lambda x, w, b: (x[:, None] * w).sum(-1) + b,
}


def as_maps(y, x):
    """Places in one axis, spread out again as rows and columns."""
    return y.unflatten(-1, (x.shape[2] - 4, x.shape[3] - 4))


def windows_of(x):
    return x.unfold(2, 5, 1).unfold(3, 5, 1)


def as_unit_3_has_it(x, w, b):
    """Columns by picture, row and column; the product's rows are filters."""
    columns = F.unfold(x, 5).transpose(0, 1).flatten(1)
    return as_maps((w.flatten(1) @ columns + b[:, None]).unflatten(1, (len(x), -1)), x).transpose(0, 1)


def kernel_by_kernel(x, w, b):
    high, wide = x.shape[2] - 4, x.shape[3] - 4
    out = torch.zeros(len(x), len(w), high, wide)
    for i in range(5):
        for j in range(5):
            out += torch.einsum("nchw,fc->nfhw", x[:, :, i : i + high, j : j + wide], w[:, :, i, j])
    return out + b.view(-1, 1, 1)


def filter_by_filter(x, w, b):
    return torch.stack([torch.einsum("nchwij,cij->nhw", windows_of(x), one) for one in w], 1) + b.view(-1, 1, 1)


def place_by_place(x, w, b):
    out = torch.empty(len(x), len(w), x.shape[2] - 4, x.shape[3] - 4)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i : i + 5, j : j + 5].flatten(1) @ w.flatten(1).T
    return out + b[:, None, None]


CONV = {
    "unfold, @": lambda x, w, b: as_maps(w.flatten(1) @ F.unfold(x, 5) + b[:, None], x),
    "unfold, linear": lambda x, w, b: as_maps(F.linear(F.unfold(x, 5).mT, w.flatten(1), b).mT, x),
    "unfold, addmm": lambda x, w, b: (
        torch.addmm(b, windows_of(x).permute(0, 2, 3, 1, 4, 5).reshape(-1, w[0].numel()), w.flatten(1).t())
        .view(len(x), x.shape[2] - 4, x.shape[3] - 4, -1)
        .permute(0, 3, 1, 2)
    ),
    "windows, einsum": lambda x, w, b: torch.einsum("nchwij,fcij->nfhw", windows_of(x), w) + b[:, None, None],
    "windows, tensordot": lambda x, w, b: (
        torch.tensordot(windows_of(x), w, dims=([1, 4, 5], [1, 2, 3])).movedim(-1, 1) + b[:, None, None]
    ),
    "im2col of unit 3": as_unit_3_has_it,
    "kernel by kernel": kernel_by_kernel,
    "filter by filter": filter_by_filter,
    "place by place": place_by_place,
}


@pytest.mark.parametrize("style", LINEAR)
def test_a_linear_layer_may_be_any_product(style):
    passes("lenet5", lambda: Handmade(linear=LINEAR[style]), SEEDS[:1])


@pytest.mark.parametrize("style", CONV)
def test_a_convolution_may_be_products_with_windows(style):
    passes("lenet5", lambda: Handmade(conv=CONV[style]), SEEDS[:1])


@pytest.mark.parametrize(
    ("kind", "style"), [("linear", style) for style in LINEAR] + [("conv", style) for style in CONV]
)
def test_a_handmade_network_that_is_wrong_loses_the_same_marks_as_one_of_layers(kind, style):
    layer = {**LINEAR, **CONV}[style]
    straight = evaluate("lenet5", lambda: Handmade(**{kind: layer}, bend=lambda x: x))
    assert (straight.bug, straight.groups["activations"]) == ("no activation", (0, 1))
    ended = evaluate("lenet5", lambda: Handmade(**{kind: layer}, last=F.relu))
    assert (ended.bug, ended.groups["activations"]) == ("last ReLU", (0, 1))


def padded(conv):
    """Padding that makes the maps larger, and a pooling that hides it."""
    return lambda x, w, b: F.adaptive_avg_pool2d(conv(F.pad(x, (2, 2, 2, 2)), w, b), (x.shape[2] - 4, x.shape[3] - 4))


@pytest.mark.parametrize("style", ["unfold, @", "windows, einsum", "kernel by kernel"])
def test_a_handmade_convolution_of_another_size_loses_marks_behind_an_adaptive_pooling(style):
    loses("lenet5", lambda: Handmade(conv=padded(CONV[style])), "activations", seeds=SEEDS[:1])


@pytest.mark.parametrize("style", ["einsum", "@", "weights first", "baddbmm of a batch"])
def test_a_handmade_layer_that_mixes_pictures_up_loses_marks(style):
    mixed = lambda x, w, b: LINEAR[style](x.movedim(0, -1).reshape(len(x), -1), w, b)
    loses("lenet5", lambda: Handmade(linear=mixed), "training", seeds=SEEDS[:1])


class EinsumLinear(nn.Linear):
    def forward(self, x):
        return torch.einsum("ij,kj->ik", x, self.weight) + self.bias


class UnfoldedConv(nn.Conv2d):
    """Padded, with a stride."""

    def forward(self, x):
        columns = F.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)
        return (self.weight.flatten(1) @ columns + self.bias[:, None]).unflatten(2, (math.isqrt(columns.shape[2]), -1))


def handmade_layers(net):
    net = swapped(nn.Linear, lambda layer: EinsumLinear(layer.in_features, layer.out_features))(net)
    again = lambda c: UnfoldedConv(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding)
    return swapped(nn.Conv2d, again)(net)


def test_the_layers_of_a_large_network_may_be_products_as_well():
    passes(
        "alexnet", rebuilt(models.alexnet, swapped(nn.Linear, lambda c: EinsumLinear(c.in_features, c.out_features)))
    )
    passes("zfnet", rebuilt(models.zfnet, handmade_layers), SEEDS[:1])
    mean = swapped(nn.MaxPool2d, lambda pool: nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding))
    verdict = evaluate("zfnet", rebuilt(models.zfnet, lambda net: mean(handmade_layers(net))))
    assert (verdict.bug, verdict.groups["layers"]) == ("mean for maximum", (0, 1))


def nth(kind, number, new):
    """A change of a module's n-th layer of a kind."""

    def change(module):
        chosen = [layer for layer in module.modules() if isinstance(layer, kind)][number]
        return swapped(kind, lambda layer: new(layer) if layer is chosen else layer)(module)

    return change


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("name", ["alexnet", "zfnet"])
def test_each_relu_counts(name, number):
    change = nth(nn.ReLU, number, lambda _: nn.Identity())
    loses(name, rebuilt(getattr(models, name), change), "layers", seeds=SEEDS[:1])


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("name", ["alexnet", "zfnet"])
def test_each_pooling_counts(name, number):
    for new in (
        lambda pool: nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding),
        lambda pool: nn.Sequential(pool, nn.Sigmoid()),
        lambda pool: nn.MaxPool2d(2, 2),
    ):
        loses(name, rebuilt(getattr(models, name), nth(nn.MaxPool2d, number, new)), "layers", seeds=SEEDS[:1])


WRONG_NETWORKS = {
    "lenet5": {
        "no bend after C3": lambda: nn.Sequential(*(layer for i, layer in enumerate(models.lenet5()) if i != 4)),
        "no bend after C5": lambda: nn.Sequential(*(layer for i, layer in enumerate(models.lenet5()) if i != 7)),
        "no bend after F6": lambda: nn.Sequential(*(layer for i, layer in enumerate(models.lenet5()) if i != 10)),
        "for 28 x 28": lambda: nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), *models.lenet5()[1:]),
        "pooled once": lambda: nn.Sequential(
            *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(5), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        ),
        "strides for poolings": lambda: nn.Sequential(
            *(nn.Conv2d(1, 6, 5, 2), nn.ReLU(), nn.Conv2d(6, 16, 5, 2), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        ),
        "pictures mixed up": rebuilt(models.lenet5, swapped(nn.Flatten, lambda _: Mixed(0))),
        "for colours": lambda: models.lenet5(channels=3),
        "twelve classes": lambda: models.lenet5(classes=12),
        "one for all": lambda made=[]: made[0] if made else made.append(models.lenet5()) or made[0],
        "no gradient": lambda: without_gradient(models.lenet5()),
        "scores doubled": lambda: nn.Sequential(models.lenet5(), Times(2)),
    },
    "alexnet": {
        "dropout in eval mode": rebuilt(models.alexnet, swapped(nn.Dropout, lambda _: Always(nn.Dropout()))),
        "fifth without groups, third with": lambda groups=2: regrouped(groups),
        "padded first": lambda groups=2: nn.Sequential(nn.Conv2d(3, 96, 11, 4, 2), *models.alexnet(groups)[1:]),
        "classes": lambda groups=2: models.alexnet(groups, classes=10),
        "a shared instance": lambda groups=2, made={}: made.setdefault(groups, models.alexnet(groups)),
        "probabilities in eval mode": rebuilt(models.alexnet, lambda net: net.append(OnlyInEval(nn.Softmax(1)))),
        "input rectified": lambda groups=2: nn.Sequential(nn.ReLU(), models.alexnet(groups)),
        "tanh for ReLU": rebuilt(models.alexnet, swapped(nn.ReLU, lambda _: nn.Tanh())),
        "pictures mixed up": rebuilt(models.alexnet, swapped(nn.Flatten, lambda _: Mixed(0))),
        "leaky": rebuilt(models.alexnet, swapped(nn.ReLU, lambda _: nn.LeakyReLU(0.01))),
        "weights frozen": lambda groups=2: models.alexnet(groups).requires_grad_(False),
    },
    "vgg": {
        "E one layer short": lambda letter: models.vgg("D" if letter == "E" else letter),
        "mean at the end": lambda letter: mean_at_the_end(models.vgg(letter)),
        "classes": lambda letter: models.vgg(letter, classes=10),
        "small letters only": lambda letter: models.vgg({"a": "A"}[letter]),
        "B without its last ReLU": lambda letter: (
            models.vgg(letter).append(nn.ReLU()) if letter == "E" else models.vgg(letter)
        ),
    },
}


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


class Mixed(Times):
    """A reshape that runs over the batch first."""

    def forward(self, x):
        return x.movedim(0, -1).reshape(len(x), -1)


class Always(nn.Module):
    """A layer that is always in training mode."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer.train()(x)


class OnlyInEval(Always):
    def forward(self, x):
        return x if self.training else self.layer(x)


def without_gradient(net):
    net.register_forward_hook(lambda module, inputs, output: output.detach())
    return net


def regrouped(groups):
    net = models.alexnet(groups)
    own = iter((1, groups, groups, groups, 1))
    again = lambda c: nn.Conv2d(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, groups=next(own))
    return swapped(nn.Conv2d, again)(net)


def mean_at_the_end(net):
    pools = [layer for layer in net if isinstance(layer, nn.MaxPool2d)]
    return swapped(nn.MaxPool2d, lambda pool: nn.AvgPool2d(2) if pool is pools[-1] else pool)(net)


@pytest.mark.parametrize(("name", "mistake"), [(name, m) for name in WRONG_NETWORKS for m in WRONG_NETWORKS[name]])
def test_a_network_that_is_wrong_in_one_place_loses_marks(name, mistake):
    loses(name, WRONG_NETWORKS[name][mistake], seeds=SEEDS[:2])


# Blocks


def test_weights_are_the_same_for_every_output_so_that_layers_may_be_merged_or_split():
    for kind in ("random", "random kernels", "means", "middle of the kernel only"):
        w = probing.WEIGHTS[kind]((4, 3, 3, 3), 7)
        assert all((filters == w[0]).all() for filters in w)
        assert (probing.WEIGHTS[kind]((2, 3, 3, 3), 7) == w[:2]).all()
    assert probing.WEIGHTS["means"]((2, 5, 3, 3), 1)[0].sum() == pytest.approx(1)
    for kind in ("random", "random kernels", "random, all different", "middle of the kernel only"):
        w = probing.WEIGHTS[kind]((2, 5), 3)
        assert (w == probing.WEIGHTS[kind]((2, 5, 1, 1), 3)[..., 0, 0]).all()


@pytest.mark.parametrize("shape", [(2, 5), (5, 2), (4, 4), (3, 3, 1, 1)])
def test_layers_that_differ_everywhere_may_hold_their_inputs_first(shape):
    w = probing.by_shape(shape, 3)
    turned = probing.by_shape((shape[1], shape[0]), 3)
    assert w.shape == shape
    assert (w.reshape(shape[:2]) == turned.T).all()
    assert len(np.unique(w)) > 1


def test_batch_norm_passes_on_what_it_gets():
    norm = nn.BatchNorm2d(3)
    norm.running_mean.add_(4)
    norm.weight.data.mul_(3)
    probing.set_numbers(norm, "random", 0, torch.float64)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(norm.eval()(x), x)


class ByPatches(nn.Module):
    """Squeeze and excitation by unfolding, as one would not write it."""

    def __init__(self, c, r=16):
        super().__init__()
        self.w1 = nn.Parameter(torch.zeros(c // r, c))
        self.w2 = nn.Parameter(torch.zeros(c, c // r))

    def forward(self, x):
        z = F.adaptive_avg_pool2d(x, (1, 1)).reshape(x.shape[0], -1)
        return x * (z @ self.w1.T).relu().matmul(self.w2.T).sigmoid().unsqueeze(-1).unsqueeze(-1)


class ByProducts(nn.Module):
    """Squeeze and excitation as ``z @ w``, whose parameters are (inputs, outputs)."""

    def __init__(self, c, r=16):
        super().__init__()
        self.w1, self.b1 = nn.Parameter(torch.zeros(c, c // r)), nn.Parameter(torch.zeros(c // r))
        self.w2, self.b2 = nn.Parameter(torch.zeros(c // r, c)), nn.Parameter(torch.zeros(c))

    def forward(self, x):
        hidden = torch.relu(x.mean((-2, -1)) @ self.w1 + self.b1)
        return x * torch.sigmoid(hidden @ self.w2 + self.b2)[..., None, None]


class OwnNorm(nn.Module):
    """Batch norm by hand: scale and shift (1, C, 1, 1), statistics in buffers."""

    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.register_buffer("moving_mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("moving_var", torch.ones(1, channels, 1, 1))

    def forward(self, x):
        mean, var = self.moving_mean, self.moving_var
        if self.training:
            mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
            self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean.detach()
            self.moving_var = 0.9 * self.moving_var + 0.1 * var.detach()
        return self.gamma * (x - mean) / torch.sqrt(var + 1e-5) + self.beta


class PlainNorm(OwnNorm):
    """The same with statistics that torch does not know of."""

    def __init__(self, channels):
        super().__init__(channels)
        for name in ("moving_mean", "moving_var"):
            statistic = getattr(self, name)
            delattr(self, name)
            setattr(self, name, statistic)


class PixelByPixel(nn.Linear):
    """A 1x1 convolution as a linear layer on the channels of each pixel."""

    def __init__(self, c_in, c_out, stride):
        super().__init__(c_in, c_out, bias=False)
        self.stride = stride

    def forward(self, x):
        down, right = self.stride
        return super().forward(x[:, :, ::down, ::right].movedim(1, -1)).movedim(-1, 1)


class PostActivation(nn.Module):
    """Dense layers of convolution, batch norm, ReLU; maps collected in one buffer."""

    def __init__(self, c_in, growth, n):
        super().__init__()
        for i in range(n):
            unit = nn.Sequential(nn.Conv2d(c_in + i * growth, growth, 3, 1, 1), nn.BatchNorm2d(growth), nn.ReLU(True))
            setattr(self, f"layer{i}", unit)
        self.n = n

    def forward(self, x):
        everything = x
        for i in range(self.n):
            everything = torch.hstack([everything, getattr(self, f"layer{i}")(everything)])
        return everything


PIXEL_BY_PIXEL = swapped(
    nn.Conv2d, lambda c: PixelByPixel(c.in_channels, c.out_channels, c.stride) if c.kernel_size == (1, 1) else c
)
IN_PLACE = swapped(nn.ReLU, lambda _: nn.ReLU(inplace=True))
ODD_BLOCKS = {
    "inception_block": {
        "in place": rebuilt(models.Inception, IN_PLACE),
        "dropout at the end": lambda *a: nn.Sequential(models.Inception(*a), nn.Dropout(0.2)),
        "group norm left out, bias off": rebuilt(models.Inception, lambda m: without_biases(m)),
        "channels last": rebuilt(models.Inception, lambda m: m.to(memory_format=torch.channels_last)),
        "clamped": rebuilt(models.Inception, swapped(nn.ReLU, lambda _: nn.Hardtanh(0.0, float("inf")))),
    },
    "residual_block": {
        "in place": rebuilt(models.BasicBlock, IN_PLACE),
        "synchronised norm": rebuilt(models.BasicBlock, nn.SyncBatchNorm.convert_sync_batchnorm),
        "momentum and eps": rebuilt(
            models.BasicBlock,
            swapped(nn.BatchNorm2d, lambda norm: nn.BatchNorm2d(norm.num_features, eps=1e-3, momentum=0.01)),
        ),
        "last scale starts at 0": rebuilt(models.BasicBlock, lambda m: last_scale_zero(m)),
        "no norm": rebuilt(models.BasicBlock, swapped(nn.BatchNorm2d, lambda _: nn.Identity())),
        "keywords": lambda c_in, c_out, stride=1: models.BasicBlock(c_out=c_out, stride=stride, c_in=c_in),
        "batch norm by hand": rebuilt(
            models.BasicBlock, swapped(nn.BatchNorm2d, lambda norm: OwnNorm(norm.num_features))
        ),
        "batch norm by hand, statistics as plain tensors": rebuilt(
            models.BasicBlock, swapped(nn.BatchNorm2d, lambda norm: PlainNorm(norm.num_features))
        ),
        "projection as a linear layer": rebuilt(models.BasicBlock, PIXEL_BY_PIXEL),
    },
    "resnext_block": {
        "stride in the first": lambda c_in, c_out, stride=1, groups=32, width=4: strided_first(
            models.Bottleneck(c_in, c_out, stride, groups, width), stride
        ),
        "no norm": rebuilt(RESNEXT, swapped(nn.BatchNorm2d, lambda _: nn.Identity())),
        "linear layers for 1x1 convolutions": rebuilt(RESNEXT, PIXEL_BY_PIXEL),
    },
    "dense_block": {
        "post-activation": PostActivation,
        "bottleneck": lambda c_in, growth, n: models.DenseBlock(c_in, growth, n, bottleneck=4),
        "dropout": rebuilt(models.DenseBlock, swapped(nn.Conv2d, lambda conv: nn.Sequential(conv, nn.Dropout(0.2)))),
        "no norm": rebuilt(models.DenseBlock, swapped(nn.BatchNorm2d, lambda _: nn.Identity())),
    },
    "se_block": {
        "by hand": ByPatches,
        "inputs first": ByProducts,
        "no biases": rebuilt(SQUEEZE, lambda m: without_biases(m)),
    },
}


def without_biases(module):
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.bias = None
    return module


def last_scale_zero(block):
    nn.init.zeros_(block.branch[-1][1].weight)
    return block


def strided_first(block, stride):
    block.branch[0][0].stride, block.branch[2][0].stride = (stride, stride), (1, 1)
    return block


class Rearranged(nn.Module):
    """An Inception block written out, with the last branch in another order or one ReLU left out."""

    def __init__(self, c_in, c1, c3r, c3, c5r, c5, cp, pooled_last=False, bare=None):
        super().__init__()
        shapes = [(c_in, c1, 1), (c_in, c3r, 1), (c3r, c3, 3), (c_in, c5r, 1), (c5r, c5, 5), (c_in, cp, 1)]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, k, padding=k // 2) for a, b, k in shapes)
        self.pooled_last, self.bare = pooled_last, bare

    def layer(self, i, x):
        return self.convs[i](x) if i == self.bare else F.relu(self.convs[i](x))

    def forward(self, x):
        pool = lambda maps: F.max_pool2d(maps, 3, 1, 1)
        last = pool(self.layer(5, x)) if self.pooled_last else self.layer(5, pool(x))
        return torch.cat([self.layer(0, x), self.layer(2, self.layer(1, x)), self.layer(4, self.layer(3, x)), last], 1)


class Overwritten(models.BasicBlock):
    def forward(self, x):
        x = self.branch[:2](x)
        return F.relu(self.branch[2:](x) + self.shortcut(x))


class RectifiedShortcut(models.BasicBlock):
    def forward(self, x):
        shortcut = self.shortcut(x)
        return F.relu(self.branch(x) + (shortcut if shortcut is x else F.relu(shortcut)))


class Unregistered(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.layers = list(make())

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def set_padding(conv, pad):
    conv.padding = (pad, pad)
    return conv


def swapped_once(kind, number, net):
    chosen = [layer for layer in net.modules() if isinstance(layer, kind)][number]
    return swapped(kind, lambda layer: nn.Identity() if layer is chosen else layer)(net)


@pytest.mark.parametrize(
    ("name", "answer", "bug"),
    [
        ("inception_block", lambda *a: Rearranged(*a, pooled_last=True), "convolution before the pooling"),
        (
            "inception_block",
            lambda *a: models.Inception(*a[:2], a[4], a[3], a[2], *a[5:]),
            "the two reductions exchanged",
        ),
        ("inception_block", lambda *a: Rearranged(*a, bare=2), "a ReLU is missing"),
        ("residual_block", lambda *a, **k: Overwritten(*a, **k), "x overwritten"),
        ("residual_block", lambda *a, **k: RectifiedShortcut(*a, **k), "shortcut rectified"),
        ("top_k_accuracy", lambda s, y, k: (s.argsort(1)[:, -k:-1] == y[:, None]).any(1).mean(), "k off by one"),
        ("linear_to_conv", lambda linear, shape: set_padding(oracle.linear_to_conv(linear, shape), 1), "padded"),
        ("lenet5", lambda: swapped_once(nn.Tanh, 2, models.lenet5()), "one activation missing"),
        ("lenet5", lambda: Unregistered(models.lenet5), "layers not registered"),
        ("zfnet", lambda: swapped_once(nn.ReLU, 3, models.zfnet()), "a ReLU is missing"),
    ],
)
@pytest.mark.parametrize("seed", [0, 11])
def test_what_students_commonly_get_wrong_is_named(name, answer, bug, seed):
    assert evaluate(name, answer, seed=seed).bug == bug


@pytest.mark.parametrize(("name", "style"), [(name, style) for name in ODD_BLOCKS for style in ODD_BLOCKS[name]])
def test_a_block_is_right_in_any_style(name, style):
    passes(name, ODD_BLOCKS[name][style])


class InPlace(nn.Module):
    """Spoils its input."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x.relu_())


def halved(make):
    """In half precision on the way."""
    return rebuilt(make, lambda m: Rounded(m))


class Rounded(InPlace):
    def forward(self, x):
        return self.module(x).half().to(x.dtype)


class Detached(InPlace):
    def forward(self, x):
        return self.module(x.detach())


def bias_of_norm(block):
    """The branch's last norm adds 1, whatever its bias says."""
    block.branch.append(Plus(1.0))
    return block


class Plus(Times):
    def forward(self, x):
        return x + self.factor


WRONG_BLOCKS = {
    "inception_block": {
        "input rectified": lambda *a: nn.Sequential(nn.ReLU(), models.Inception(*a)),
        "no gradient to the input": rebuilt(models.Inception, Detached),
        "half precision": halved(models.Inception),
        "last ReLU missing in one branch": rebuilt(
            models.Inception, lambda m: setattr(m.point, "1", nn.Identity()) or m
        ),
        "5x5 as two 3x3": lambda c_in, c1, c3r, c3, c5r, c5, cp: two_small(
            models.Inception(c_in, c1, c3r, c3, c5r, c5, cp), c5r, c5
        ),
        "average of branches": lambda *a: nn.Sequential(models.Inception(*a), Times(0.25)),
        "pool of 5": rebuilt(models.Inception, swapped(nn.MaxPool2d, lambda _: nn.MaxPool2d(5, 1, 2))),
        "returns a list": lambda *a: ListOut(models.Inception(*a)),
    },
    "residual_block": {
        "input rectified first": lambda *a, **k: nn.Sequential(nn.ReLU(), models.BasicBlock(*a, **k)),
        "adds 1": rebuilt(models.BasicBlock, bias_of_norm),
        "branch twice": rebuilt(
            models.BasicBlock, lambda m: setattr(m.branch, "0", nn.Sequential(m.branch[0], Times(2))) or m
        ),
        "no gradient to the input": rebuilt(models.BasicBlock, Detached),
        "shortcut doubled": lambda c_in, c_out, stride=1: shortcut_times(models.BasicBlock(c_in, c_out, stride), 2),
        "stride in the branch only": lambda c_in, c_out, stride=1: pooled_shortcut(c_in, c_out, stride),
        "three convolutions": rebuilt(models.BasicBlock, lambda m: deeper(m)),
        "half precision": halved(models.BasicBlock),
        "projection is rectified": rebuilt(models.BasicBlock, lambda m: rectified_projection(m)),
    },
    "resnext_block": {
        "ResNet's bottleneck": lambda c_in, c_out, stride=1, groups=32, width=4: models.Bottleneck(
            c_in, c_out, stride, 1, groups * width
        ),
        "basic block": lambda c_in, c_out, stride=1, groups=32, width=4: models.BasicBlock(c_in, c_out, stride),
        "one inner ReLU": rebuilt(RESNEXT, nth(nn.ReLU, 1, lambda _: nn.Identity())),
        "other inner ReLU": rebuilt(RESNEXT, nth(nn.ReLU, 0, lambda _: nn.Identity())),
        "groups of one": lambda c_in, c_out, stride=1, groups=32, width=4: models.Bottleneck(
            c_in, c_out, stride, groups * width, 1
        ),
    },
    "dense_block": {
        "input rectified": rebuilt(models.DenseBlock, InPlace),
        "ends in ReLU": lambda *a: nn.Sequential(models.DenseBlock(*a), nn.ReLU()),
        "ends in norm": lambda c, g, n: nn.Sequential(models.DenseBlock(c, g, n), Times(0.5)),
        "shared layers": lambda c, g, n: models.DenseBlock(c, g, 1) if n == 1 else models.DenseBlock(c, g, n - 1),
        "no gradient to the input": rebuilt(models.DenseBlock, Detached),
        "5x5": rebuilt(
            models.DenseBlock, swapped(nn.Conv2d, lambda c: nn.Conv2d(c.in_channels, c.out_channels, 5, padding=2))
        ),
        "only the last layer rectified": rebuilt(models.DenseBlock, nth(nn.ReLU, 0, lambda _: nn.Identity())),
    },
    "se_block": {
        "no gradient to the input": rebuilt(SQUEEZE, Detached),
        "one layer": lambda c, r=16: OneLayer(c),
        "hard sigmoid": rebuilt(SQUEEZE, swapped(nn.Sigmoid, lambda _: nn.Hardsigmoid())),
        "gate of the absolute values": lambda c, r=16: nn.Sequential(models.SqueezeExcite(c, r), nn.ReLU()),
        "r = 16 always": lambda c, r=16: models.SqueezeExcite(c, min(16, c)),
        "output halved": lambda c, r=16: nn.Sequential(models.SqueezeExcite(c, r), Times(0.5)),
    },
}


def two_small(block, c5r, c5):
    block.large[1] = nn.Sequential(
        nn.Conv2d(c5r, c5, 3, padding=1), nn.ReLU(), nn.Conv2d(c5, c5, 3, padding=1), nn.ReLU()
    )
    return block


class ListOut(InPlace):
    def forward(self, x):
        return [self.module(x)]


class OneLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc = nn.Linear(c, c)

    def forward(self, x):
        return x * self.fc(x.mean((2, 3))).sigmoid()[:, :, None, None]


def shortcut_times(block, factor):
    block.shortcut = nn.Sequential(block.shortcut, Times(factor))
    return block


def pooled_shortcut(c_in, c_out, stride):
    block = models.BasicBlock(c_in, c_out, stride)
    if stride > 1:
        block.shortcut = nn.Sequential(nn.MaxPool2d(3, stride, 1), nn.Conv2d(c_in, c_out, 1, bias=False))
    return block


def deeper(block):
    width = block.branch[2][0].out_channels
    block.branch.append(nn.ReLU()).append(nn.Conv2d(width, width, 3, padding=1, bias=False))
    return block


def rectified_projection(block):
    if not isinstance(block.shortcut, nn.Identity):
        block.shortcut = nn.Sequential(block.shortcut, nn.ReLU())
    return block


@pytest.mark.parametrize(("name", "mistake"), [(name, m) for name in WRONG_BLOCKS for m in WRONG_BLOCKS[name]])
def test_a_block_that_is_wrong_in_one_place_loses_marks(name, mistake):
    loses(name, WRONG_BLOCKS[name][mistake])


@pytest.mark.parametrize("name", [*ODD_BLOCKS, "lenet5", "alexnet", "vgg", "linear_to_conv"])
def test_what_is_no_module_is_told_so(name):
    for wrong, words in ((lambda *a, **k: None, "is a return missing"), (lambda *a, **k: F.relu, "function")):
        verdict = evaluate(name, wrong)
        assert verdict.score == 0
        assert words in verdict.message


# Tables, predictions


def table_but(change):
    """The reference with a change of each row, given its layer and whether it is the last."""
    return lambda layers, shape: [
        change(layer, row) for layer, row in zip(layers, oracle.layer_table(layers, shape), strict=True)
    ]


def other(row, shape=None, parameters=None):
    return (row[0], shape or row[1], row[2] if parameters is None else parameters)


TABLES = {
    "stride of pools is their size": lambda layers, shape: oracle.layer_table(
        [(*layer[:2], layer[1]) if layer[0] == "pool" else layer for layer in layers], shape
    ),
    "height for width": table_but(
        lambda layer, row: other(row, (*row[1][:2], row[1][1]) if len(row[1]) == 3 else None)
    ),
    "fc keeps three axes": table_but(lambda layer, row: other(row, (row[1][0], 1, 1) if layer[0] == "fc" else None)),
    "no pad in the size": lambda layers, shape: oracle.layer_table([layer[:4] for layer in layers], shape),
    "float parameters": table_but(lambda layer, row: other(row, parameters=row[2] / 1)),
    "groups also divide the biases": table_but(
        lambda layer, row: other(row, parameters=row[2] - layer[1] // 2) if len(layer) == 6 and layer[5] > 1 else row
    ),
    "pools have a bias": table_but(lambda layer, row: other(row, parameters=row[1][0]) if layer[0] == "pool" else row),
    "capital names": table_but(lambda layer, row: (row[0].title(), *row[1:])),
    "only the first layer": lambda layers, shape: oracle.layer_table(layers, shape)[:1],
    "empty where nothing fits": lambda layers, shape: empty_where_nothing_fits(layers, shape),
}


def empty_where_nothing_fits(layers, shape):
    try:
        return oracle.layer_table(layers, shape)
    except ValueError:
        return []


@pytest.mark.parametrize("mistake", TABLES)
def test_a_table_that_is_wrong_in_one_place_loses_marks(mistake):
    loses("layer_table", TABLES[mistake])


TOP_K = {
    "ties of the last class": lambda s, y, k: oracle.top_k_accuracy(s[:, :-1], y, min(k, s.shape[1] - 1)),
    "k counted from 0": lambda s, y, k: oracle.top_k_accuracy(s, y, k + 1) if k < s.shape[1] else 1.0,
    "five always": lambda s, y, k: oracle.top_k_accuracy(s, y, min(5, s.shape[1])),
    "by absolute value": lambda s, y, k: oracle.top_k_accuracy(np.abs(s), y, k),
    "first image only": lambda s, y, k: oracle.top_k_accuracy(s[:1], y[:1], k),
    "rounded": lambda s, y, k: round(oracle.top_k_accuracy(s, y, k), 1),
    "an array": lambda s, y, k: np.array([oracle.top_k_accuracy(s, y, k)]),
    "all hits at k > 1": lambda s, y, k: oracle.top_k_accuracy(s, y, k) if k == 1 else 1.0,
}


@pytest.mark.parametrize("mistake", TOP_K)
def test_a_score_that_is_wrong_in_one_place_loses_marks(mistake):
    loses("top_k_accuracy", TOP_K[mistake])


def crops(change):
    return rebuilt(oracle.ten_crop, change)


SCANS = {
    ("ten_crop", "centre only"): crops(lambda c: c[:, 4:5].expand(-1, 10, -1, -1, -1)),
    ("ten_crop", "corner twice"): crops(lambda c: c[:, [0, 0, 2, 3, 4, 5, 5, 7, 8, 9]]),
    ("ten_crop", "centre first"): crops(lambda c: c[:, [4, 0, 1, 2, 3, 9, 5, 6, 7, 8]]),
    ("ten_crop", "five"): crops(lambda c: c[:, :5]),
    ("ten_crop", "channels lost"): crops(lambda c: c.mean(2, keepdim=True)),
    ("ten_crop", "float64"): crops(lambda c: c.double()),
    ("ten_crop", "resized"): lambda images, size: oracle.ten_crop(images, min(size + 1, *images.shape[2:]))[
        ..., :size, :size
    ],
    ("ten_crop", "mirrors of the first image"): crops(
        lambda c: torch.cat([c[:, :5], c[:1, 5:].expand(len(c), -1, -1, -1, -1)], 1)
    ),
    ("average_predictions", "float32"): lambda model, x: oracle.average_predictions(model, x).float(),
    ("average_predictions", "originals only"): lambda model, x: oracle.average_predictions(model, x[:, :5]),
    ("average_predictions", "normalised by the maximum"): lambda model, x: oracle.average_predictions(model, x).div(
        oracle.average_predictions(model, x).amax(1, keepdim=True)
    ),
    ("average_predictions", "median"): lambda model, x: (
        model(x.flatten(0, 1)).softmax(1).view(len(x), 10, -1).median(1).values
    ),
    ("average_predictions", "the class"): lambda model, x: oracle.average_predictions(model, x).argmax(1),
    ("average_predictions", "overflow"): lambda model, x: naive(model(x.flatten(0, 1)).view(len(x), 10, -1)),
    ("linear_to_conv", "square windows only"): lambda linear, s: (
        oracle.linear_to_conv(linear, (s[0], s[1], s[2]))
        if s[1] == s[2]
        else oracle.linear_to_conv(linear, (s[0], s[2], s[1]))
    ),
    ("linear_to_conv", "zeroes the original"): lambda linear, s: zeroing(linear, s),
    ("linear_to_conv", "mean over positions"): lambda linear, s: nn.Sequential(
        oracle.linear_to_conv(linear, s), nn.AdaptiveAvgPool2d(1)
    ),
    ("linear_to_conv", "flattens"): lambda linear, s: nn.Sequential(oracle.linear_to_conv(linear, s), nn.Flatten()),
    ("linear_to_conv", "the linear layer itself"): lambda linear, s: nn.Sequential(nn.Flatten(), linear),
}


def naive(scores):
    e = scores.exp()
    return (e / e.sum(-1, keepdim=True)).mean(1)


def zeroing(linear, in_shape):
    conv = oracle.linear_to_conv(linear, in_shape)
    linear.weight.data.zero_()
    return conv


@pytest.mark.parametrize(("name", "mistake"), SCANS)
def test_a_scan_or_a_vote_that_is_wrong_in_one_place_loses_marks(name, mistake):
    loses(name, SCANS[name, mistake])


def test_the_corners_may_come_in_any_order():
    for order in ([3, 1, 0, 2, 4, 5, 6, 7, 8, 9], [0, 2, 1, 3, 4, 6, 5, 8, 7, 9], [1, 0, 3, 2, 4, 8, 7, 6, 5, 9]):
        passes("ten_crop", crops(lambda c, order=order: c[:, order]))


def test_references_agree_with_the_plain_thing(device):
    x = torch.randn(2, 3, 5, 6)
    linear = nn.Linear(3 * 3 * 4, 7)
    slid = oracle.linear_to_conv(linear, (3, 3, 4))(x)
    by_hand = torch.stack([linear(x[:, :, i : i + 3, j : j + 4].flatten(1)) for i in range(3) for j in range(3)], -1)
    torch.testing.assert_close(slid.flatten(2), by_hand)
    scores, y = np.array([[1.0, 3, 2], [5, 4, 3], [0, 1, 2]]), np.array([2, 2, 1])
    assert [oracle.top_k_accuracy(scores, y, k) for k in (1, 2, 3)] == [0, pytest.approx(2 / 3), 1]


@pytest.mark.parametrize("name", [name for name in names(unit=UNIT) if name not in ("layer_table", "top_k_accuracy")])
def test_torch_references_pass_their_own_checks_on_every_device(name, device):
    assert evaluate(name, get(name).oracle, seed=3, device=device).passed
