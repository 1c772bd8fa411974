"""What the course's networks reach, and how fast, beside the figures that others have published.

    python benchmarks/headline.py [ROW...] [--seeds N] [--device cpu|cuda] [--save]

Rows: nielsen, lenet-target, lenet-90, lenet-distorted, convnetjs, resnet. Without any, all of them, on the CPU and,
where there is one, on the GPU; the last is for a GPU alone. Each is run with several seeds and the median is shown.
MNIST and CIFAR-10 are taken from where ``cnnkit.data`` finds them. --save writes table and curves for the site.

Seconds are those of the training, without the evaluation between epochs. A network is judged by its last epoch, never
by its best: the test pictures are not used to choose anything within a run.
"""

import argparse
import math
import statistics
import time
from dataclasses import dataclass, field

import numpy as np
import results
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from autograder import build, run, selftest
from cnnkit import data, devices, models, train

SEEDS = 3
COLUMNS = ("what", "data", "on", "ours, median", "each seed", "published")


@dataclass
class Row:
    """One line of the table; ``curves`` are the Histories behind it, one for each seed."""

    what: str
    data: str
    on: str
    figures: list
    unit: str
    published: str
    curves: list = field(default_factory=list)

    def cells(self):
        if not self.figures:
            return self.what, self.data, self.on, "not run: no GPU here", "", self.published
        shown = [_number(figure, self.unit) for figure in self.figures]
        reached = [math.inf if figure is None else figure for figure in self.figures]
        median = statistics.median(reached)
        return (
            *(self.what, self.data, self.on),
            _number(None if median == math.inf else median, self.unit),
            ", ".join(shown),
            self.published,
        )


def _number(figure, unit):
    if figure is None:
        return "not reached"
    return f"{figure:.2%}" if unit == "%" else f"{figure:.1f} {unit}"


# Deck d's network, in NumPy


def nielsen(seeds, device):
    """Sigmoid layers [784, 30, 10], batches of 10, rate 3.0, 20 epochs, as deck d and Nielsen's chapter 1."""
    unit = "04-backprop"
    solved = selftest.definitions(build.source_notebook(run.source_path(unit)))
    digits = data.mnist()
    n = 50_000  # what Nielsen's loader trains on
    x, y = digits.train.x[:n].reshape(n, -1), np.eye(10, dtype=np.float32)[digits.train.y[:n]]
    test = digits.test.x.reshape(len(digits.test.x), -1)
    reached = []
    for seed in seeds:
        layers = start(seed)
        rng = np.random.default_rng(seed)
        for _ in tqdm(range(20), desc=f"nielsen, seed {seed}", leave=False):
            for some in rng.permutation(n).reshape(-1, 10):
                descend(layers, x[some], y[some])
        reached.append((forward(layers, test)[-1].argmax(1) == digits.test.y).mean())
    what = "MLP [784, 30, 10] in NumPy, 20 epochs"
    yield Row(what, digits.name, "CPU", reached, "%", "94.38 % (deck d; one run, unseeded)")

    layers = start(0)
    weights, biases = [w.T for w, _ in layers], [b[:, None] for _, b in layers]

    def one_by_one(some):
        for i in range(len(some)):
            solved["mlp_backprop"](weights, biases, x[i : i + 1].T, y[i : i + 1].T)

    for batch in (10, 100):
        some = np.arange(batch)
        laps = [lap(lambda s=some: one_by_one(s)) / lap(lambda s=some: gradients(layers, x[s], y[s])) for _ in seeds]
        yield Row(f"the same, gradients of {batch} at once", digits.name, "CPU", laps, "times as fast", "one at a time")


def start(seed):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(n, m)), rng.normal(size=m)) for n, m in ((784, 30), (30, 10))]


def forward(layers, x):
    """What each layer puts out, the input first; rows are examples."""
    outputs = [x]
    for w, b in layers:
        outputs.append(1 / (1 + np.exp(-(outputs[-1] @ w + b))))
    return outputs


def gradients(layers, x, y):
    outputs = forward(layers, x)
    dz, found = (outputs[-1] - y) * outputs[-1] * (1 - outputs[-1]), []
    for (w, _), a in zip(layers[::-1], outputs[-2::-1], strict=True):
        found.append((a.T @ dz, dz.sum(0)))
        dz = dz @ w.T * a * (1 - a)
    return found[::-1]


def descend(layers, x, y, rate=3.0):
    for (w, b), (dw, db) in zip(layers, gradients(layers, x, y), strict=True):
        w -= rate / len(x) * dw
        b -= rate / len(x) * db


def lap(work, laps=30):
    """Seconds of the fastest of some laps."""

    def once():
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return min(once() for _ in range(laps))


# LeNet-5


def lenet(seeds, device, epochs, augment):
    """Histories of LeNet-5 on MNIST, one for each seed."""
    digits = data.mnist()
    parts = [(_standard(F.pad(torch.tensor(part.x), (2,) * 4)), part.y) for part in (digits.train, digits.test)]
    histories = []
    for seed in seeds:
        train.seed(seed)
        model = lenet5_of_today()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        histories.append(fit(model, parts, optimizer, epochs, 128, augment, seed, device))
    return digits.name, histories


def lenet5_of_today():
    """LeNet-5 with the same 61706 weights, but ReLU and max pooling where 1998 had tanh and averages."""
    newer = {nn.Tanh: nn.ReLU, nn.AvgPool2d: lambda: nn.MaxPool2d(2)}
    return nn.Sequential(*(newer.get(type(layer), lambda layer=layer: layer)() for layer in models.lenet5()))


def fit(model, parts, optimizer, epochs, batch, augment, seed, device, **more):
    return train.fit(
        model,
        *parts,
        epochs=epochs,
        batch_size=batch,
        optimizer=optimizer,
        schedule=up_and_down,
        augment=augment,
        seed=seed,
        device=device,
        keep_best=False,
        **more,
    )


def up_and_down(share, warm_up=0.2):
    """One-cycle schedule (Smith, 2018) in straight lines: up for a fifth of the training, then down to nothing."""
    return max(share / warm_up if share < warm_up else (1 - share) / (1 - warm_up), 0.002)


def _standard(x):
    """Pictures of MNIST with the paper near -0.1 and the ink near 1.175, as LeCun's article has them."""
    return x * 1.275 - 0.1


def shift(x, far=1):
    """Each picture moved by up to ``far`` pixels; the edge is repeated."""
    n, _, h, w = x.shape
    padded = F.pad(x, (far,) * 4, mode="replicate")
    along = lambda side: torch.randint(2 * far + 1, (n, 1), device=x.device) + torch.arange(side, device=x.device)
    rows, columns = along(h), along(w)
    picture = torch.arange(n, device=x.device)[:, None, None]
    return padded.movedim(1, -1)[picture, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def distort(x):
    """Each picture turned, stretched, slanted and moved a little, then bent (after Simard et al., 2003)."""
    n, _, h, w = x.shape
    up_to = lambda limit: (2 * torch.rand(n, device=x.device) - 1) * limit
    turn, slant = up_to(math.radians(10)), up_to(0.1)
    wide, high = up_to(0.1).exp(), up_to(0.1).exp()
    across = (wide * turn.cos(), slant - high * turn.sin(), up_to(1 / 16))
    down = (wide * turn.sin(), high * turn.cos(), up_to(1 / 16))
    grid = F.affine_grid(torch.stack(across + down, 1).reshape(n, 2, 3), x.shape, align_corners=False)
    bend = F.interpolate(0.03 * torch.randn(n, 2, 6, 6, device=x.device), size=(h, w), mode="bicubic")
    return F.grid_sample(x, grid + bend.movedim(1, -1), padding_mode="border", align_corners=False)


def lenet_target(seeds, device, target=0.9905):
    name, histories = lenet(seeds, device, 6, shift)
    yield Row(
        f"LeNet-5, seconds of training to {target:.2%}",
        name,
        _where(device),
        [reached(history, target) for history in histories],
        "s",
        "99.05 % (LeCun et al., 1998)",
        histories,
    )


def reached(history, target):
    """Seconds at the end of the first epoch whose accuracy is at least ``target``; None where none is."""
    pairs = zip(history.seconds, history.dev_accuracy, strict=True)
    return next((seconds for seconds, accuracy in pairs if accuracy >= target), None)


def lenet_90(seeds, device):
    name, histories = lenet(seeds, device, 12, shift)
    last = [history.dev_accuracy[-1] for history in histories]
    yield Row("LeNet-5, pictures shifted by a pixel, 12 epochs", name, _where(device), last, "%", "99.05 %", histories)
    yield Row("its training", name, _where(device), [history.seconds[-1] for history in histories], "s", "goal: 90 s")


def lenet_distorted(seeds, device):
    name, histories = lenet(seeds, device, 30, distort)
    last = [history.dev_accuracy[-1] for history in histories]
    published = "99.2 % with distortions (LeCun et al., 1998)"
    yield Row("LeNet-5, pictures distorted, 30 epochs", name, _where(device), last, "%", published, histories)
    yield Row("its training", name, _where(device), [history.seconds[-1] for history in histories], "s", "")


# CIFAR-10


def cifar(seeds, device, make, optimizer, epochs, batch):
    """Histories on CIFAR-10 with mirror images and shifts, one for each seed."""
    pictures = data.cifar10()
    mean, deviation = (pick(pictures.train.x, (0, 2, 3), keepdims=True) for pick in (np.mean, np.std))
    parts = [((part.x - mean) / deviation, part.y) for part in (pictures.train, pictures.test)]
    histories = []
    for seed in seeds:
        train.seed(seed)
        model = make()
        histories.append(fit(model, parts, optimizer(model), epochs, batch, mirror_and_shift, seed, device))
    return pictures.name, histories


def mirror_and_shift(x):
    mirrored = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
    return shift(torch.where(mirrored, x.flip(-1), x), far=2)


def convnetjs(seeds, device):
    adam = lambda model: torch.optim.Adam(model.parameters(), lr=0.004)
    name, histories = cifar(seeds, device, models.convnetjs, adam, 15, 128)
    last = [history.dev_accuracy[-1] for history in histories]
    published = "none for this network; its page: about 90 % state of the art, 94 % human (read 2015)"
    yield Row("ConvNetJS's network, 15 epochs", name, _where(device), last, "%", published, histories)
    yield Row("its training", name, _where(device), [history.seconds[-1] for history in histories], "s", "")


def resnet(seeds, device):
    """A wide ResNet-20."""
    what = "ResNet-20, four times as wide, seconds of training to 94 %"
    published = "94 % in 3.29 s (Jordan, 2024), 1.99 s (Hiverge, 2025), each on an A100"
    if device.type == "cpu":  # it would need hours
        yield Row(what, "CIFAR-10", "a GPU", [], "s", published)
        return
    sgd = lambda model: torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9, weight_decay=5e-4, nesterov=True)
    name, histories = cifar(seeds, device, lambda: models.resnet_cifar(20, width=64), sgd, 24, 512)
    times = [reached(history, 0.94) for history in histories]
    yield Row(what, name, _where(device), times, "s", published, histories)
    last = [history.dev_accuracy[-1] for history in histories]
    yield Row("its accuracy after 24 epochs", name, _where(device), last, "%", "")


ROWS = {
    "nielsen": nielsen,
    "lenet-target": lenet_target,
    "lenet-90": lenet_90,
    "lenet-distorted": lenet_distorted,
    "convnetjs": convnetjs,
    "resnet": resnet,
}


def _where(device):
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def picture(rows):
    """Accuracy over time of every LeNet-5: the figure and the text that stands for it."""
    from cnnkit import plot

    fig, ax = plot.figure(8, 4)
    ends = []
    shown = [row for row in rows if row.curves and row.what.startswith("LeNet-5")]
    for colour, row in zip(plot.COLOURS, shown, strict=False):
        for number, history in enumerate(row.curves):
            label = None if number else f"{row.what.partition(', ')[2]} ({row.on})"
            ax.plot(history.seconds, [100 * share for share in history.dev_accuracy], ".-", color=colour, label=label)
        ends.append(f"{row.what}: {statistics.median(h.dev_accuracy[-1] for h in row.curves):.2%} at the end")
    for share, who in ((99.05, "LeCun et al. 1998"), (99.2, "with distortions")):
        ax.axhline(share, color=plot.INK, lw=1, ls="--")
        ax.text(1, share, who, transform=ax.get_yaxis_transform(), ha="right", va="bottom", size=9, color=plot.INK)
    ax.set(xscale="log", xlabel="seconds of training", ylabel="right of 10 000 test digits, %", ylim=(98, 99.8))
    ax.legend(frameon=False, fontsize=9)
    return fig, f"Accuracy over seconds of training for each seed. {'; '.join(ends)}."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"runs of each row (default: {SEEDS})")
    parser.add_argument("--device", help="cpu or cuda (default: the CPU, and CUDA where there is a GPU)")
    parser.add_argument("--save", action="store_true", help="write table and curves into docs/benchmarks")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    try:
        names = [arguments.device] if arguments.device else ["cpu"] + ["cuda"] * torch.cuda.is_available()
        places = [devices.device(name) for name in names]
        rows = []
        for name in arguments.rows or ROWS:
            # The network in NumPy has no GPU to run on, the large one no time on a CPU.
            for place in {"nielsen": places[:1], "resnet": places[-1:]}.get(name, places):
                for row in ROWS[name](range(arguments.seeds), place):
                    rows.append(row)
                    print(*filter(None, row.cells()), sep=" | ", flush=True)
    except (data.DataError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    title = "What the networks reach"
    results.show(title, COLUMNS, [row.cells() for row in rows], NOTE)
    if arguments.save:
        results.save("headline", title, COLUMNS, [row.cells() for row in rows], NOTE, *picture(rows))


NOTE = (
    "Each row is the median of its seeds. Seconds are of training alone; evaluation after each epoch is not counted. "
    "Networks are judged after their last epoch. LeNet-5 has its 61706 weights, with ReLU and max pooling in place of "
    "tanh and averages. What separates the wide ResNet from the record is not the hardware: the record's network, "
    "optimizer and augmentation were tuned for this one figure, and it averages over mirrored and shifted copies of "
    "each test picture. Figures on JPEG copies of CIFAR-10 are provisional."
)

if __name__ == "__main__":
    main()
