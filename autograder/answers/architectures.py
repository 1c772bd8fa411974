"""Correct answers to unit 08: stacks and classes, functional and lazy layers, with batch norm and without."""

import heapq
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# Tables


def table_if_else(layers, input_shape):
    rows, shape = [], tuple(input_shape)
    counts = {"conv": 0, "pool": 0, "fc": 0}
    for layer in layers:
        kind = layer[0]
        counts[kind] += 1
        parameters = 0
        if kind == "conv":
            filters, k = layer[1], layer[2]
            stride = layer[3] if len(layer) > 3 else 1
            pad = layer[4] if len(layer) > 4 else 0
            groups = layer[5] if len(layer) > 5 else 1
            c, h, w = shape
            if k > h + 2 * pad or k > w + 2 * pad:
                raise ValueError(f"{k} > {h} x {w} padded by {pad}")
            parameters = filters * (c // groups) * k * k + filters
            shape = (filters, (h + 2 * pad - k) // stride + 1, (w + 2 * pad - k) // stride + 1)
        elif kind == "pool":
            k, stride = layer[1:]
            c, h, w = shape
            if k > min(h, w):
                raise ValueError("pool")
            shape = (c, (h - k) // stride + 1, (w - k) // stride + 1)
        else:
            parameters = layer[1] * (np.prod(shape) + 1)
            shape = (layer[1],)
        rows.append((f"{kind}{counts[kind]}", shape, parameters))
    return rows


def table_match(layers, input_shape):
    seen, table, shape = [], [], input_shape

    def side(n, k, s, p=0):
        if n + 2 * p < k:
            raise ValueError((n, k, s, p))
        return math.floor((n + 2 * p - k) / s + 1)

    for kind, *numbers in layers:
        match kind:
            case "conv":
                f, k, s, p, g = numbers + [1, 0, 1][len(numbers) - 2 :]
                n, shape = f * (shape[0] * k**2 // g + 1), (f, *[side(n, k, s, p) for n in shape[1:]])
            case "pool":
                n, shape = 0, (shape[0], *[side(n, *numbers) for n in shape[1:]])
            case "fc":
                n, shape = (math.prod(shape) + 1) * numbers[0], (numbers[0],)
        seen.append(kind)
        table.append([kind + str(seen.count(kind)), list(shape), n])
    return table


def table_torch(layers, input_shape):
    """Builds each layer and asks it."""
    x, rows, numbers = torch.zeros(1, *input_shape), [], {"conv": 0, "pool": 0, "fc": 0}
    with torch.no_grad():
        for kind, *how in layers:
            if kind == "fc":
                x = x.flatten(1)
                x, n = x[:, :1].expand(1, how[0]), nn.Linear(x.shape[1], how[0], device="meta")
                count = sum(p.numel() for p in n.parameters())
            else:
                k, s = (how[1], (how[2:] or [1])[0]) if kind == "conv" else how
                p, g = (*how[3:], 0, 1)[:2] if len(how) < 4 else (how[3], (how[4:] or [1])[0])
                try:
                    if kind == "pool":
                        x, count = F.max_pool2d(x, k, s), 0
                    else:
                        one = F.conv2d(x[:, :1], torch.zeros(1, 1, k, k), stride=s, padding=p)
                        count = sum(q.numel() for q in nn.Conv2d(x.shape[1], how[0], k, groups=g).parameters())
                        x = one.expand(1, how[0], -1, -1)
                except RuntimeError as error:
                    raise ValueError(str(error)) from error
            numbers[kind] += 1
            rows.append((f"{kind}{numbers[kind]}", tuple(x.shape[1:]), count))
    return rows


# LeNet-5


def lenet5_relu_max():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(inplace=True),
        nn.Linear(120, 84),
        nn.ReLU(inplace=True),
        nn.Linear(84, 10),
    )


class LeNet5Functional(nn.Module):
    """Layers in another order than they run in; scaled tanh as in the paper."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(84, 10)
        self.f6 = nn.Linear(120, 84)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.c1 = nn.Conv2d(1, 6, kernel_size=5)

    def forward(self, x):
        squash = lambda a: 1.7159 * torch.tanh(2 / 3 * a)
        x = F.avg_pool2d(squash(self.c1(x)), 2)
        x = F.avg_pool2d(squash(self.c3(x)), 2)
        x = squash(self.c5(x)).view(x.shape[0], -1)
        return self.out(squash(self.f6(x)))


def lenet5_lazy():
    layers = []
    for width in (6, 16):
        layers += [nn.LazyConv2d(width, 5), nn.AvgPool2d(2), nn.Sigmoid()]
    layers.append(nn.Flatten())
    for units in (120, 84):
        layers += [nn.LazyLinear(units), nn.Sigmoid(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.LazyLinear(10))


class LeNet5Parameters(nn.Module):
    """No layers at all: parameters and functional calls."""

    def __init__(self):
        super().__init__()
        make = lambda *shape: nn.Parameter(torch.randn(*shape) * 0.1)
        self.w1, self.b1 = make(6, 1, 5, 5), make(6)
        self.w3, self.b3 = make(16, 6, 5, 5), make(16)
        self.w5, self.b5 = make(400, 120), make(120)
        self.w6, self.b6 = make(120, 84), make(84)
        self.w7, self.b7 = make(84, 10), make(10)

    def forward(self, x):
        x = F.max_pool2d(F.leaky_relu(F.conv2d(x, self.w1, self.b1)), 2)
        x = F.max_pool2d(F.leaky_relu(F.conv2d(x, self.w3, self.b3)), 2).flatten(1)
        # The biases are zero where the layers' outputs are replaced by a pattern.
        x = F.elu(F.linear(x, self.w5.t(), self.b5))
        x = F.elu(F.linear(x, self.w6.t(), self.b6))
        return F.linear(x, self.w7.t(), self.b7)


# AlexNet and ZFNet


def alexnet_stack(groups=2):
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, 1, 2, groups=groups),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, 1, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 384, 3, 1, 1, groups=groups),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, 1, 1, groups=groups),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(9216, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Linear(4096, 1000),
    )


class AlexNetPaper(nn.Module):
    """With response normalisation and initialisation as in the paper; pooled before it is rectified."""

    def __init__(self, groups=2):
        super().__init__()
        self.fc = nn.ModuleList([nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)])
        self.convs = nn.ModuleDict(
            {
                "1": nn.Conv2d(3, 96, 11, stride=4),
                "2": nn.Conv2d(96, 256, 5, padding="same", groups=groups),
                "3": nn.Conv2d(256, 384, 3, padding="same"),
                "4": nn.Conv2d(384, 384, 3, padding="same", groups=groups),
                "5": nn.Conv2d(384, 256, 3, padding="same", groups=groups),
            }
        )
        self.norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.constant_(layer.bias, 0)

    def forward(self, x):
        for name, conv in self.convs.items():
            x = conv(x)
            if name in "125":
                x = F.max_pool2d(x, kernel_size=3, stride=2)
            x = F.relu(x)
            if name in "12":
                x = self.norm(x)
        x = torch.flatten(x, start_dim=1)
        for fc in self.fc[:-1]:
            x = fc(F.dropout(x, training=self.training)).clamp(min=0)
        return self.fc[-1](x)


class AlexNetTowers(nn.Module):
    """Two towers, as on the paper's two GPUs; one where groups is 1."""

    def __init__(self, groups=2):
        super().__init__()
        tower = lambda a, b, *how: nn.ModuleList(nn.Conv2d(a, b // groups, *how) for _ in range(groups))
        self.one = tower(3, 96, 11, 4)
        self.two = tower(96 // groups, 256, 5, 1, 2)
        self.three = tower(256, 384, 3, 1, 1)
        self.four = tower(384 // groups, 384, 3, 1, 1)
        self.five = tower(384 // groups, 256, 3, 1, 1)
        self.head = nn.Sequential(
            *(nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()),
            nn.Linear(4096, 1000),
        )

    def forward(self, x):
        pool = nn.MaxPool2d(3, 2)
        maps = [pool(two(pool(one(x).relu())).relu()) for one, two in zip(self.one, self.two, strict=True)]
        x = torch.cat(maps, dim=1)
        halves = [three(x).relu() for three in self.three]
        halves = [four(half).relu() for four, half in zip(self.four, halves, strict=True)]
        halves = [pool(five(half).relu()) for five, half in zip(self.five, halves, strict=True)]
        return self.head(torch.cat(halves, dim=1).reshape(len(x), -1))


class AlexNetConvolutional(nn.Module):
    """Without a linear layer: the head's first filters are as large as the map."""

    def __init__(self, groups=2):
        super().__init__()
        widths, sides, strides = (96, 256, 384, 384, 256, 4096, 4096), (11, 5, 3, 3, 3, 6, 1), (4, 1, 1, 1, 1, 1, 1)
        layers, c = [], 3
        for i, (width, k, stride) in enumerate(zip(widths, sides, strides, strict=True)):
            own = groups if i in (1, 3, 4) else 1
            pad = {5: 2, 3: 1}.get(k, 0)
            layers += [nn.Conv2d(c, width, k, stride, pad, groups=own), nn.ReLU()]
            layers += [nn.MaxPool2d(3, 2)] if i in (0, 1, 4) else []
            c = width
        self.net = nn.Sequential(*layers, nn.Conv2d(c, 1000, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1).squeeze(-1)


def zfnet_stack():
    return nn.Sequential(
        *(nn.Conv2d(3, 96, 7, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.LocalResponseNorm(5)),
        *(nn.Conv2d(96, 256, 5, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.LocalResponseNorm(5)),
        *(nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        nn.Flatten(),
        *(nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()),
        nn.Linear(4096, 1000),
    )


class ZFNetClass(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential()
        c = 3
        for i, (width, k, stride, pad) in enumerate(
            [(96, 7, 2, 1), (256, 5, 2, 0), (384, 3, 1, 1), (384, 3, 1, 1), (256, 3, 1, 1)]
        ):
            self.features.add_module(f"conv{i}", nn.Conv2d(c, width, k, stride, pad))
            self.features.add_module(f"relu{i}", nn.ReLU(inplace=True))
            if i in (0, 1, 4):
                self.features.add_module(f"pool{i}", nn.MaxPool2d(3, 2, padding=int(i < 4)))
            c = width
        self.classifier = nn.Sequential(
            nn.LazyLinear(4096), nn.ReLU(), nn.LazyLinear(4096), nn.ReLU(), nn.LazyLinear(1000)
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class ZFNetRoundedUp(nn.Module):
    """Padding in steps of its own: in front of the convolutions, and at the far ends only, as rounding up has it."""

    def __init__(self):
        super().__init__()
        conv = lambda a, b, k, stride=1: [nn.ZeroPad2d(1), nn.Conv2d(a, b, k, stride), nn.ReLU(inplace=True)]
        up = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.net = nn.Sequential(
            *(*conv(3, 96, 7, 2), up, nn.Conv2d(96, 256, 5, 2), nn.ReLU(), nn.ZeroPad2d((0, 1, 0, 1)), up),
            *(*conv(256, 384, 3), *conv(384, 384, 3), *conv(384, 256, 3), up, nn.Flatten()),
            *(nn.LazyLinear(4096), nn.ReLU(), nn.LazyLinear(4096), nn.ReLU(), nn.LazyLinear(1000)),
        )
        with torch.no_grad():
            self.net(torch.zeros(1, 3, 224, 224))

    def forward(self, x):
        return self.net(x)


class ZFNetFunctional(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(3, 96, (7, 7), (2, 2), (1, 1)), nn.Conv2d(96, 256, 5, stride=2)
        self.c3, self.c4, self.c5 = (nn.Conv2d(a, b, 3, padding=1) for a, b in ((256, 384), (384, 384), (384, 256)))
        self.f6, self.f7, self.f8 = nn.Linear(36 * 256, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 3, 2, 1)
        x = F.max_pool2d(F.relu(self.c2(x)), 3, 2, 1)
        x = F.relu(self.c4(F.relu(self.c3(x))))
        x = F.adaptive_max_pool2d(x, 13)  # changes nothing
        x = F.max_pool2d(F.relu(self.c5(x)), 3, 2).view(-1, 9216)
        return self.f8(F.relu(self.f7(F.relu(self.f6(x)))))


# VGG

CONFIGURATIONS = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "C": [64, 64, "M", 128, 128, "M", 256, 256, -256, "M", 512, 512, -512, "M", 512, 512, -512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M", *([256] * 4), "M", *([512] * 4), "M", *([512] * 4), "M"],
}


def vgg_list(configuration):
    layers, c = [], 3
    for item in CONFIGURATIONS[configuration]:
        if item == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        k = 1 if item < 0 else 3
        layers += [nn.Conv2d(c, abs(item), kernel_size=k, padding=k // 2), nn.ReLU(inplace=True)]
        c = abs(item)
    layers += [nn.AdaptiveAvgPool2d(7), nn.Flatten()]
    layers += [nn.Linear(25088, 4096), nn.ReLU(True), nn.Dropout(0.5)]
    layers += [nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(0.5), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers)


class VGGClass(nn.Module):
    def __init__(self, configuration):
        super().__init__()
        depth = {"A": (1, 1, 2, 2, 2), "B": (2,) * 5, "E": (2, 2, 4, 4, 4)}.get(configuration, (2, 2, 3, 3, 3))
        self.stages = nn.ModuleList()
        c = 3
        for i, n in enumerate(depth):
            width, stage = min(64 * 2**i, 512), nn.ModuleList()
            for j in range(n):
                one = configuration == "C" and j == 2
                stage.append(nn.Conv2d(c, width, 1 if one else 3, padding="same"))
                c = width
            self.stages.append(stage)
        self.fc1, self.fc2, self.fc3 = nn.Linear(7 * 7 * 512, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)
        self.dropout = nn.Dropout()

    def forward(self, x):
        for stage in self.stages:
            for conv in stage:
                x = torch.relu(conv(x))
            x = torch.max_pool2d(x, 2)
        x = x.reshape(x.size(0), -1)
        x = self.dropout(torch.relu(self.fc1(x)))
        return self.fc3(self.dropout(torch.relu(self.fc2(x))))


def vgg_lazy(configuration="D"):
    net = nn.Sequential()
    for item in CONFIGURATIONS[configuration]:
        if item == "M":
            net.append(nn.MaxPool2d(2))
        else:
            net.append(nn.LazyConv2d(abs(item), 1 if item < 0 else 3, padding=int(item > 0))).append(nn.ReLU())
    net.append(nn.LazyConv2d(4096, 7)).append(nn.ReLU())
    net.append(nn.LazyConv2d(4096, 1)).append(nn.ReLU())
    return net.append(nn.LazyConv2d(1000, 1)).append(nn.Flatten())


# Blocks


class InceptionClass(nn.Module):
    def __init__(self, c_in, c1, c3r, c3, c5r, c5, cp):
        super().__init__()
        self.pool = nn.Conv2d(c_in, cp, 1)
        self.five = nn.Conv2d(c5r, c5, 5, padding=2)
        self.five_reduce = nn.Conv2d(c_in, c5r, 1)
        self.three = nn.Conv2d(c3r, c3, 3, padding=1)
        self.three_reduce = nn.Conv2d(c_in, c3r, 1)
        self.one = nn.Conv2d(c_in, c1, 1)

    def forward(self, x):
        one = self.one(x)
        three = self.three(F.relu(self.three_reduce(x)))
        five = self.five(F.relu(self.five_reduce(x)))
        pool = self.pool(F.max_pool2d(x, 3, stride=1, padding=1))
        return F.relu(torch.cat((one, three, five, pool), 1))


def inception_batch_norm(c_in, c1, c3r, c3, c5r, c5, cp):
    class Parallel(nn.ModuleList):
        def forward(self, x):
            return torch.cat([branch(x) for branch in self], dim=1)

    unit = lambda a, b, k: nn.Sequential(
        nn.Conv2d(a, b, k, padding=k // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)
    )
    return Parallel(
        [
            unit(c_in, c1, 1),
            nn.Sequential(unit(c_in, c3r, 1), unit(c3r, c3, 3)),
            nn.Sequential(unit(c_in, c5r, 1), unit(c5r, c5, 5)),
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), unit(c_in, cp, 1)),
        ]
    )


class InceptionMerged(nn.Module):
    """The three 1x1 convolutions of the input are one, cut into pieces."""

    def __init__(self, c_in, c1, c3r, c3, c5r, c5, cp):
        super().__init__()
        self.sizes = [c1, c3r, c5r]
        self.first = nn.Conv2d(c_in, sum(self.sizes), 1)
        self.rest = nn.ModuleList([nn.LazyConv2d(c3, 3, padding=1), nn.LazyConv2d(c5, 5, padding=2)])
        self.after_pool = nn.LazyConv2d(cp, 1)

    def forward(self, x):
        one, three, five = self.first(x).relu().split(self.sizes, dim=1)
        pooled = self.after_pool(F.max_pool2d(x, 3, 1, 1))
        return torch.cat([one, self.rest[0](three).relu(), self.rest[1](five).relu(), pooled.relu()], 1)


class ResidualClass(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResidualPlain(nn.Module):
    """No batch norm, biases, another order of definition; the shortcut has a bias as well."""

    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.shortcut = nn.Conv2d(c_in, c_out, 1, stride) if (c_in, 1) != (c_out, stride) else nn.Identity()
        self.second = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.first = nn.Conv2d(c_in, c_out, 3, padding=1, stride=stride)

    def forward(self, x):
        return torch.clamp(self.second(self.first(x).clamp(min=0)) + self.shortcut(x), min=0)


def residual_made(c_in, c_out, stride=1):
    """Dropout between the two convolutions, biases before batch norm."""

    class Sum(nn.Module):
        def __init__(self, *terms):
            super().__init__()
            self.terms = nn.ModuleList(terms)

        def forward(self, x):
            return sum(term(x) for term in self.terms)

    branch = nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, stride, padding=1),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Conv2d(c_out, c_out, 3, padding=1),
        nn.BatchNorm2d(c_out),
    )
    changes = stride > 1 or c_in != c_out
    return nn.Sequential(Sum(branch, nn.Conv2d(c_in, c_out, 1, stride) if changes else nn.Identity()), nn.ReLU())


class ResNeXtClass(nn.Module):
    def __init__(self, c_in, c_out, stride=1, groups=32, width=4):
        super().__init__()
        inner = groups * width
        self.conv1 = nn.Conv2d(c_in, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, kernel_size=3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, c_out, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


class ResNeXtBranches(nn.Module):
    """As many branches as groups, added up: figure 3a of the paper."""

    def __init__(self, c_in, c_out, stride=1, groups=32, width=4):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(c_in, width, 1), nn.ReLU(), nn.Conv2d(width, width, 3, stride, 1), nn.ReLU()),
                nn.Conv2d(width, c_out, 1, bias=False),
            )
            for _ in range(groups)
        )
        self.project = nn.Conv2d(c_in, c_out, 1, stride, bias=False) if stride > 1 or c_in != c_out else None

    def forward(self, x):
        total = self.project(x) if self.project else x.clone()
        for branch in self.branches:
            total = total + branch(x)
        return F.relu(total)


def resnext_lazy(c_in, c_out, stride=1, groups=32, width=4):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            d = groups * width
            self.body = nn.Sequential(
                *(nn.LazyConv2d(d, 1, bias=False), nn.LazyBatchNorm2d(), nn.ReLU()),
                *(nn.LazyConv2d(d, 3, stride, 1, groups=groups, bias=False), nn.LazyBatchNorm2d(), nn.ReLU()),
                *(nn.LazyConv2d(c_out, 1, bias=False), nn.LazyBatchNorm2d()),
            )
            if stride != 1 or c_in != c_out:
                self.skip = nn.LazyConv2d(c_out, 1, stride)

        def forward(self, x):
            return torch.relu(self.body(x) + (self.skip(x) if hasattr(self, "skip") else x))

    return Block()


class DenseClass(nn.Module):
    def __init__(self, c_in, growth, n):
        super().__init__()
        layers = []
        for i in range(n):
            c = c_in + growth * i
            layers.append(nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, growth, 3, padding=1)))
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        for layer in self.net:
            y = layer(x)
            x = torch.cat((x, y), dim=1)
        return x


class DenseBottleneck(nn.Module):
    """Keeps a list of maps; with a 1x1 convolution to four times growth first."""

    def __init__(self, c_in, growth, n):
        super().__init__()
        self.reduce = nn.ModuleList(nn.Conv2d(c_in + i * growth, 4 * growth, 1, bias=False) for i in range(n))
        self.grow = nn.ModuleList(nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False) for _ in range(n))
        self.norms = nn.ModuleList(nn.BatchNorm2d(c_in + i * growth) for i in range(n))
        self.inner_norms = nn.ModuleList(nn.BatchNorm2d(4 * growth) for _ in range(n))

    def forward(self, x):
        maps = [x]
        for norm, reduce, inner, grow in zip(self.norms, self.reduce, self.inner_norms, self.grow, strict=True):
            y = reduce(F.relu(norm(torch.cat(maps, 1))))
            maps.append(grow(F.relu(inner(y))))
        return torch.cat(maps, 1)


def dense_recursive(c_in, growth, n):
    """Convolution first, then ReLU; a block is a layer and a smaller block."""

    class Layer(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.conv = nn.Conv2d(c, growth, 3, padding="same")

        def forward(self, x):
            return torch.cat([x, F.relu(self.conv(x))], dim=-3)

    if n == 0:
        return nn.Identity()
    return nn.Sequential(Layer(c_in), dense_recursive(c_in + growth, growth, n - 1))


class SEClass(nn.Module):
    def __init__(self, c, r=16):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(c, c // r, bias=False), nn.ReLU(inplace=True), nn.Linear(c // r, c, bias=False), nn.Sigmoid()
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.fc(self.avg_pool(x).view(b, c)).view(b, c, 1, 1)
        return x * y.expand_as(x)


class SEConvolutions(nn.Module):
    def __init__(self, c, r=16):
        super().__init__()
        self.up = nn.Conv2d(c // r, c, 1)
        self.down = nn.Conv2d(c, c // r, 1)

    def forward(self, x):
        squeezed = x.mean(dim=(-2, -1), keepdim=True)
        return torch.sigmoid(self.up(F.relu(self.down(squeezed)))) * x


class SEEinsum(nn.Module):
    def __init__(self, c, r=16):
        super().__init__()
        self.one, self.two = nn.Linear(c, c // r), nn.Linear(c // r, c)

    def forward(self, x):
        z = x.flatten(2).sum(-1) / x[0, 0].numel()
        gate = 1 / (1 + torch.exp(-self.two(torch.clamp(self.one(z), min=0))))
        return torch.einsum("nchw,nc->nchw", x, gate)


# Scanning and voting


def conv_data(linear, in_shape):
    c, h, w = in_shape
    conv = nn.Conv2d(c, linear.out_features, kernel_size=(h, w), bias=linear.bias is not None)
    conv.weight.data = linear.weight.data.view(linear.out_features, c, h, w)
    if linear.bias is not None:
        conv.bias.data = linear.bias.data
    return conv


def conv_copied(linear, in_shape):
    conv = nn.Conv2d(in_shape[0], linear.out_features, tuple(in_shape[1:]), bias=linear.bias is not None)
    with torch.no_grad():
        conv.weight.copy_(linear.weight.view(conv.weight.shape))
        if linear.bias is not None:
            conv.bias.copy_(linear.bias)
    return conv


def conv_parameters(linear, in_shape):
    conv = nn.Conv2d(in_shape[0], len(linear.weight), tuple(in_shape[1:]), bias=False)
    conv.weight = nn.Parameter(linear.weight.detach().clone().reshape(-1, *in_shape))
    conv.bias = linear.bias
    return conv


def conv_state(linear, in_shape):
    conv = nn.Conv2d(in_shape[0], linear.out_features, in_shape[1:], bias=linear.bias is not None)
    conv = conv.to(linear.weight.dtype).to(linear.weight.device)
    state = {"weight": linear.weight.unflatten(1, in_shape)}
    if linear.bias is not None:
        state["bias"] = linear.bias
    conv.load_state_dict(state)
    return conv


def top_k_argpartition(scores, y, k):
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return np.mean([label in row for label, row in zip(y, best, strict=True)])


def top_k_ranks(scores, y, k):
    of_right = scores[np.arange(len(y)), y][:, None]
    return float(np.count_nonzero((scores > of_right).sum(1) < k)) / len(y)


def top_k_heap(scores, y, k):
    hits = 0
    for row, label in zip(scores, y, strict=True):
        hits += int(label) in heapq.nlargest(k, range(len(row)), key=row.__getitem__)
    return hits / len(y)


def top_k_mean_of_floats(scores, y, k):
    hits = torch.tensor(scores).topk(k).indices == torch.tensor(y)[:, None]
    return hits.any(dim=1).float().mean().item()


def top_k_torch(scores, y, k):
    best = torch.tensor(scores).topk(k, dim=1).indices
    return (best == torch.tensor(y)[:, None]).any(1).double().mean().item()


def crops_loops(images, size):
    n, c, h, w = images.shape
    out = images.new_empty(n, 10, c, size, size)
    places = [(0, 0), (0, w - size), (h - size, 0), (h - size, w - size), ((h - size) // 2, (w - size) // 2)]
    for k, (i, j) in enumerate(places):
        crop = images[:, :, i : i + size, j : j + size]
        out[:, k] = crop
        out[:, k + 5] = torch.flip(crop, dims=[3])
    return out


def crops_of_both(images, size):
    """Five crops of the pictures, then five of the mirrored ones, as torchvision does."""

    def five(x):
        top, left = (x.shape[2] - size) // 2, (x.shape[3] - size) // 2
        middle = x[..., top : top + size, left : left + size]
        return [x[..., :size, :size], x[..., :size, -size:], x[..., -size:, :size], x[..., -size:, -size:], middle]

    return torch.stack(five(images) + five(images.flip(3)), 1)


def crops_unfold(images, size):
    windows = images.unfold(2, size, 1).unfold(3, size, 1)
    last_row, last_column = windows.shape[2] - 1, windows.shape[3] - 1
    rows = torch.tensor([0, last_row, 0, last_row, last_row // 2])
    columns = torch.tensor([0, 0, last_column, last_column, last_column // 2])
    five = windows[:, :, rows, columns].transpose(1, 2)
    mirrored = five[..., torch.arange(size - 1, -1, -1)]
    return torch.cat((five, mirrored), 1)


def average_flat(model, crops):
    n, k = crops.shape[:2]
    scores = model(crops.reshape(n * k, *crops.shape[2:]))
    return torch.softmax(scores, dim=-1).reshape(n, k, -1).mean(1).detach()


def average_by_image(model, crops):
    model.eval()
    with torch.no_grad():
        return torch.stack([F.softmax(model(ten), dim=1).mean(dim=0) for ten in crops])


def average_by_crop(model, crops):
    total = 0
    for k in range(crops.size(1)):
        total = total + nn.Softmax(dim=1)(model(crops[:, k])) / crops.size(1)
    return total


ANSWERS = {
    "layer_table": [table_if_else, table_match, table_torch],
    "lenet5": [lenet5_relu_max, LeNet5Functional, lenet5_lazy, LeNet5Parameters],
    "alexnet": [alexnet_stack, AlexNetPaper, AlexNetTowers, AlexNetConvolutional],
    "zfnet": [zfnet_stack, ZFNetClass, ZFNetRoundedUp, ZFNetFunctional],
    "vgg": [vgg_list, VGGClass, vgg_lazy],
    "inception_block": [InceptionClass, inception_batch_norm, InceptionMerged],
    "residual_block": [ResidualClass, ResidualPlain, residual_made],
    "resnext_block": [ResNeXtClass, ResNeXtBranches, resnext_lazy],
    "dense_block": [DenseClass, DenseBottleneck, dense_recursive],
    "se_block": [SEClass, SEConvolutions, SEEinsum],
    "linear_to_conv": [conv_copied, conv_data, conv_parameters, conv_state],
    "top_k_accuracy": [top_k_argpartition, top_k_ranks, top_k_heap, top_k_torch, top_k_mean_of_floats],
    "ten_crop": [crops_loops, crops_of_both, crops_unfold],
    "average_predictions": [average_flat, average_by_image, average_by_crop],
}
