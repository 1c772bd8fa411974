"""Small networks for the checks of functions that take a model: drawn from a seed, built beside the student's code.

Every one is in eval mode, with parameters and batch-norm statistics that are all its own, so that no class, channel or
pixel stands for another.
"""

import contextlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cnnkit import devices


def draw_model(rng, network, classes):
    """The part of a case that says which model to build: plain data.

    Args:
        rng: numpy Generator.
        network: a key of ``NETWORKS``.
        classes: how many scores it gives.
    """
    return {"network": network, "classes": classes, "seed": int(rng.integers(1 << 31))}


def build(model, channels):
    """The network that ``draw_model`` described, for pictures of ``channels`` channels, on the device in use."""
    network = NETWORKS[model["network"]](channels, model["classes"])
    rng = np.random.default_rng(model["seed"])
    with torch.no_grad():
        for module in network.modules():
            _fill(module, rng)
    return network.eval().to(devices.device())


def _fill(module, rng):
    def draw(to, low, high):
        to.copy_(torch.from_numpy(rng.uniform(low, high, to.shape)))

    if isinstance(module, nn.Conv2d | nn.Linear):
        bound = 2.2 * module.weight[0].numel() ** -0.5
        draw(module.weight, -bound, bound)
        draw(module.bias, -0.3, 0.3)
    elif isinstance(module, nn.BatchNorm2d):
        draw(module.weight, 0.6, 1.4)
        draw(module.bias, -0.4, 0.4)
        draw(module.running_mean, -0.5, 0.5)
        draw(module.running_var, 0.6, 1.6)


def plain(channels, classes):
    return nn.Sequential(
        nn.Conv2d(channels, 5, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(5, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Linear(24, classes),
    )


class Nested(nn.Module):
    """As AlexNet and VGG are commonly written: features and classifier, in-place ReLUs, batch norm, dropout."""

    def __init__(self, channels, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 5, 3, padding=1),
            nn.BatchNorm2d(5),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d((2, 2)),
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(20, 7),
            nn.ReLU(inplace=True),
            nn.Linear(7, classes),
        )

    def forward(self, x):
        return self.classifier(self.features(x))


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Residual(nn.Module):
    """What no list of layers describes: functions in forward, and a block in a block's place."""

    def __init__(self, channels, classes):
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, padding=1)
        self.stage = nn.Sequential(Block(4), Block(4))
        self.fc_in = nn.Linear(16, 12)  # its name begins as the head's does, and is no part of it
        self.fc = nn.Linear(12, classes)

    def forward(self, x):
        x = self.stage(F.relu(self.stem(x)))
        return self.fc(F.relu(self.fc_in(F.adaptive_avg_pool2d(x, 2).flatten(1))))


NETWORKS = {"plain": plain, "nested": Nested, "residual": Residual}


def tensor(image):
    """A picture or a batch on the device in use; on the processor it shares its memory with the array."""
    return torch.from_numpy(image).to(devices.device())


@contextlib.contextmanager
def exactly():
    """Let a GPU compute convolutions in float32 proper, and not in TF32, which keeps three digits."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def array(result):
    """What an answer returned as an array: a tensor on any device, an array, or lists of these.

    Precision is no matter here: the models compute in float32, and a map of float64 holds the same numbers.
    """
    if isinstance(result, torch.Tensor):
        result = result.detach().cpu().numpy()
    elif isinstance(result, list | tuple):
        result = np.array([array(item) for item in result])
    return result.astype(np.float32) if isinstance(result, np.ndarray) and result.dtype.kind == "f" else result
