"""What the course's networks reach, and how fast, beside the figures that others have published.

    python benchmarks/headline.py [ROW...] [--seeds N] [--device cpu|cuda] [--save]

Rows: nielsen, lenet-target, lenet-90, lenet-distorted, convnetjs, resnet. Without any, all of them, on the CPU and,
where there is one, on the GPU; the last is for a GPU alone. Each is run with several seeds and the median is shown.
MNIST and CIFAR-10 are taken from where ``cnnkit.data`` finds them. --save writes table and curves for the site, beside
those of the rows that were saved before and not measured now.

Seconds are those of the training, without the evaluation between epochs. A network is judged by its last epoch, never
by its best: the test pictures are not used to choose anything within a run.
"""

import argparse
import json
import math
import statistics
import time
from dataclasses import asdict, dataclass, field

import numpy as np
import results
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from autograder import build, selftest
from cnnkit import data, devices, models, train

SEEDS = 3
COLUMNS = ("what", "data", "on", "ours, median", "each seed", "published")
LECUN = "99.05 % (LeCun et al., 1998)"
HEADINGS = {
    "lenet-target": ("LeNet-5, pictures shifted by a pixel, 6 epochs: training until 99.05 %", "MNIST", LECUN),
    "lenet-90": ("LeNet-5, pictures shifted by a pixel, 12 epochs", "MNIST", LECUN),
    "lenet-distorted": (
        "LeNet-5, pictures distorted, 50 epochs, weights averaged",
        "MNIST",
        "99.2 % with distortions (LeCun et al., 1998)",
    ),
    "convnetjs": (
        "ConvNetJS's network, 6 epochs",
        "CIFAR-10",
        "none for this network; its page: about 90 % state of the art, 94 % human (read 2015)",
    ),
    "resnet": (
        "ResNet-20, four times as wide: training until 94 %",
        "CIFAR-10",
        "94 % in 3.29 s (Jordan, 2024), 1.99 s (Hiverge, 2025), each on an A100",
    ),
}
"""What the networks in torch are, the data and the published figure."""
ON = {"nielsen": {"cpu"}, "resnet": {"cuda"}}
"""Where a row is measured, if not everywhere: NumPy has no GPU to run on, the ResNet would take hours on a CPU."""


@dataclass
class Row:
    """One line of the table.

    Attributes:
        figures: one for each seed; none where it could not run.
        curves: of each seed, ``[seconds of training, accuracy]`` after each epoch; None for what was not kept.
        label: of the curves in the picture; "" to leave them out.
    """

    what: str
    data: str
    on: str
    figures: list
    unit: str
    published: str
    curves: list = field(default_factory=list)
    label: str = ""

    def cells(self):
        if not self.figures:
            return self.what, self.data, self.on, "not run: no GPU", "", self.published
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
    solved = selftest.definitions(build.source_notebook(build.author_path(unit)))
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


def lenet(seeds, device, epochs, augment, rate=0.01, average=0.0):
    """The data's name, and for each seed the curve of LeNet-5 on MNIST; ``rate`` is the highest of the schedule."""
    digits = data.mnist()
    parts = [(_standard(F.pad(torch.tensor(part.x), (2,) * 4)), part.y) for part in (digits.train, digits.test)]
    curves = []
    for seed in seeds:
        train.seed(seed)
        model = lenet5_of_today()
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        curves.append(fit(model, *parts, optimizer, epochs, 128, augment, seed, device, average))
    return digits.name, curves


def lenet5_of_today():
    """LeNet-5 with the same 61706 weights, but ReLU and max pooling where 1998 had tanh and averages."""
    newer = {nn.Tanh: nn.ReLU, nn.AvgPool2d: lambda: nn.MaxPool2d(2)}
    return nn.Sequential(*(newer.get(type(layer), lambda layer=layer: layer)() for layer in models.lenet5()))


def fit(model, learn_from, test, optimizer, epochs, batch, augment, seed, device, average=0.0):
    """Train a model; after each epoch ``(seconds of training, accuracy on the test pictures)``.

    Args:
        average: if not 0, what is judged is not the model but the mean of its weights over the steps, in which a step
            counts for ``average`` times as much as the next one.
    """
    model.to(device, memory_format=torch.channels_last)  # pooling is faster so, on a CPU, too
    judged = model
    if average:
        judged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average))
        optimizer.register_step_post_hook(lambda *_: judged.update_parameters(model))
    x, y = test
    y, points = torch.tensor(y), []

    def judge(history):
        right = train.predict(judged, x, device=device).argmax(1) == y
        points.append((history.seconds[-1], right.double().mean().item()))

    history = train.fit(
        model,
        learn_from,
        epochs=epochs,
        batch_size=batch,
        optimizer=optimizer,
        schedule=up_and_down,
        augment=augment,
        stop=judge,  # asked after each epoch but the last
        seed=seed,
        device=device,
    )
    judge(history)
    return points


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
    """Each picture turned, stretched, slanted and moved a little, then bent (after Simard et al., 2003).

    How much at most is drawn for each picture anew, so that some change less, as the test pictures will not at all.
    """
    n, _, h, w = x.shape
    strength = 0.25 + 0.75 * torch.rand(n, device=x.device)
    up_to = lambda limit: (2 * torch.rand(n, device=x.device) - 1) * limit * strength
    turn, slant = up_to(math.radians(10)), up_to(0.1)
    wide, high = up_to(0.1).exp(), up_to(0.1).exp()
    across = (wide * turn.cos(), slant - high * turn.sin(), up_to(1 / 16))
    down = (wide * turn.sin(), high * turn.cos(), up_to(1 / 16))
    grid = F.affine_grid(torch.stack(across + down, 1).reshape(n, 2, 3), x.shape, align_corners=False)
    bend = 0.03 * strength[:, None, None, None] * torch.randn(n, 2, 6, 6, device=x.device)
    bend = F.interpolate(bend, size=(h, w), mode="bicubic").movedim(1, -1)
    return F.grid_sample(x, grid + bend, padding_mode="border", align_corners=False)


def lenet_target(seeds, device, target=0.9905):
    what, _, published = HEADINGS["lenet-target"]
    name, curves = lenet(seeds, device, 6, shift)
    times = [reached(curve, target) for curve in curves]
    yield Row(what, name, _where(device), times, "s", published, curves, "shifted by a pixel, 6 epochs")


def reached(curve, target):
    """Seconds at the end of the first epoch whose accuracy is at least ``target``; None where none is."""
    return next((seconds for seconds, accuracy in curve if accuracy >= target), None)


def to_the_end(name, device, data_name, curves, label="", goal=""):
    """Two rows: accuracy after the last epoch, and seconds until then."""
    what, _, published = HEADINGS[name]
    seconds, accuracy = zip(*(curve[-1] for curve in curves), strict=True)
    yield Row(what, data_name, _where(device), list(accuracy), "%", published, curves, label)
    yield Row("its training", data_name, _where(device), list(seconds), "s", goal)


def lenet_90(seeds, device):
    found = lenet(seeds, device, 12, shift)
    yield from to_the_end("lenet-90", device, *found, "shifted by a pixel, 12 epochs", "goal: 90 s")


def lenet_distorted(seeds, device):
    found = lenet(seeds, device, 50, distort, rate=0.005, average=0.999)
    yield from to_the_end("lenet-distorted", device, *found, "distorted, 50 epochs, weights averaged")


# CIFAR-10


def cifar(seeds, device, make, optimizer, epochs, batch):
    """The data's name, and for each seed the curve on CIFAR-10 with mirror images and shifts."""
    pictures = data.cifar10()
    mean, deviation = (pick(pictures.train.x, (0, 2, 3), keepdims=True) for pick in (np.mean, np.std))
    parts = [((part.x - mean) / deviation, part.y) for part in (pictures.train, pictures.test)]
    curves = []
    for seed in seeds:
        train.seed(seed)
        model = make()
        curves.append(fit(model, *parts, optimizer(model), epochs, batch, mirror_and_shift, seed, device))
    return pictures.name, curves


def mirror_and_shift(x):
    mirrored = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
    return shift(torch.where(mirrored, x.flip(-1), x), far=2)


def convnetjs(seeds, device):
    adam = lambda model: torch.optim.Adam(model.parameters(), lr=0.004)
    yield from to_the_end("convnetjs", device, *cifar(seeds, device, models.convnetjs, adam, 6, 128))


def resnet(seeds, device):
    """A wide ResNet-20."""
    what, _, published = HEADINGS["resnet"]
    sgd = lambda model: torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9, weight_decay=5e-4, nesterov=True)
    name, curves = cifar(seeds, device, lambda: models.resnet_cifar(20, width=64), sgd, 24, 512)
    times = [reached(curve, 0.94) for curve in curves]
    yield Row(what, name, _where(device), times, "s", published, curves)
    yield Row("its accuracy after 24 epochs", name, _where(device), [curve[-1][1] for curve in curves], "%", "")


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
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads > 1)}"


def absent(name):
    """The row of a network that had no GPU to run on."""
    what, data_name, published = HEADINGS[name]
    return Row(what, data_name, "GPU", [], "", published)


def measure(name, place, seeds):
    if place is None:
        yield absent(name)
        return
    yield from ROWS[name](range(seeds), place)


def picture(rows):
    """Accuracy over time of every LeNet-5: the figure and the text that stands for it."""
    from cnnkit import plot

    fig, ax = plot.figure(8, 4.6)
    told = []
    for colour, row in zip(plot.COLOURS, [row for row in rows if row.label], strict=False):
        for number, points in enumerate(row.curves):
            seconds, percent = np.array(points, float).T * [[1], [100]]  # None becomes nan, which breaks the line
            ax.plot(seconds, percent, ".-", color=colour, label=None if number else f"{row.label} ({row.on})")
        seconds, accuracy = np.median([points[-1] for points in row.curves], axis=0)
        told.append(f"{row.label}: {accuracy:.2%} after {seconds:.0f} seconds")
    for share, who in ((99.05, "LeCun et al., 1998"), (99.2, "with distortions")):
        ax.axhline(share, color=plot.INK, lw=1, ls="--")
        ax.text(1.01, share, who, transform=ax.get_yaxis_transform(), va="center", size=9, color=plot.INK)
    ax.set(xscale="log", xlabel="seconds of training", ylabel="right of 10 000 test digits, %", ylim=(98, 99.7))
    low, high = ax.get_xlim()
    ticks = [tick for tick in (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if low <= tick <= high]
    ax.set_xticks(ticks, map(str, ticks))
    ax.minorticks_off()
    fig.legend(loc="outside upper left", frameon=False, fontsize=9)
    return fig, f"LeNet-5's accuracy over seconds of training for each seed. Medians at the end: {'; '.join(told)}."


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
        if arguments.device:
            places = {arguments.device: devices.device(arguments.device)}
        else:
            gpu = devices.device("cuda") if torch.cuda.is_available() else None
            places = {"cpu": devices.device("cpu"), "cuda": gpu}
        measured = {}
        for name in arguments.rows or ROWS:
            for kind, place in places.items():
                if kind in ON.get(name, places):
                    measured[f"{name}/{kind}"] = rows = []
                    for row in measure(name, place, arguments.seeds):
                        rows.append(row)
                        print(*filter(None, row.cells()), sep=" | ", flush=True)
    except (data.DataError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    results.show(TITLE, COLUMNS, [row.cells() for rows in measured.values() for row in rows], NOTE)
    if arguments.save:
        save(measured)


def save(measured):
    """Write the table and the picture, with what was saved before and not measured now.

    Args:
        measured: lists of Rows by "name/kind of device".
    """
    path = results.FOLDER / "headline.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else {}
    runs = {key: [Row(**row) for row in rows] for key, rows in kept.items()} | measured
    order = [f"{name}/{kind}" for name in ROWS for kind in ("cpu", "cuda")]
    runs = {key: runs[key] for key in order if key in runs}
    rows = [row for rows in runs.values() for row in rows]
    runs = {key: [asdict(row) for row in rows] for key, rows in runs.items()}
    results.save("headline", TITLE, COLUMNS, [row.cells() for row in rows], NOTE, *picture(rows), runs=runs)


TITLE = "What the networks reach"
NOTE = (
    "Each row is the median of its seeds. Seconds are of training alone; evaluation after each epoch is not counted. "
    "Networks are judged after their last epoch. LeNet-5 has its 61706 weights, with ReLU and max pooling in place of "
    "tanh and averages, and is trained by Adam with a rate that rises and falls. With distortions, a running mean of "
    "its weights is judged; the recipe is the fourth: the accuracy of two others with one seed, and of one with three "
    "(30 epochs, weaker distortions: 99.48 %), was seen before. What separates the wide ResNet from the record is not "
    "the hardware: the record's network, optimizer and augmentation were tuned for this one figure, and it averages "
    "over mirrored and shifted copies of each test picture. Figures on JPEG copies of CIFAR-10 are provisional. "
    "Seconds on a machine that had other work to do are more than it takes."
)

if __name__ == "__main__":
    main()
