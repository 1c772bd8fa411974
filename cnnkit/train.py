"""Train a model: one loop for CPU and GPU that shows how it goes, keeps the best, and loses nothing to Ctrl-C.

    history = train.fit(model, digits.train, digits.test, epochs=10)
    scores = train.predict(model, digits.test.x)

Data are pictures and labels, ``(x, y)`` as arrays or tensors, ``x (N, C, H, W)`` and ``y (N,)`` with class numbers.
They are moved to the device once. What does not fit there comes in batches of this form, from a ``DataLoader`` say.
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Sized
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from cnnkit import devices
from cnnkit.bars import tqdm

EVALUATION_BATCH = 500
REPORT_SECONDS = 0.3
"""How often the bar shows loss and accuracy: to read them makes a GPU wait."""


@dataclass
class History:
    """What happened: an entry for each epoch that was finished.

    Attributes:
        loss, accuracy: on the training data, over the epoch, while the model changed.
        dev_loss, dev_accuracy: on the development data, after the epoch; empty without any.
        rate: learning rate of the epoch's last step.
        seconds: of training since the start; evaluation and saving do not count.
        interrupted: whether Ctrl-C ended it.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    dev_loss: list[float] = field(default_factory=list)
    dev_accuracy: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False

    def __len__(self):
        return len(self.loss)

    def __repr__(self):
        parts = [f"{len(self)} epochs"]
        if self.loss:
            parts += [f"{self.seconds[-1]:.1f} s of training", f"accuracy {self.accuracy[-1]:.2%}"]
        if self.dev_loss:
            parts += [f"on dev data {self.dev_accuracy[-1]:.2%}, at best {self.dev_accuracy[self.best]:.2%}"]
        return f"History({', '.join(parts + ['interrupted'] * self.interrupted)})"

    @property
    def best(self):
        """Index of the epoch with the highest accuracy on the development data; of equals, the one of lowest loss."""
        return max(range(len(self.dev_loss)), key=lambda epoch: (self.dev_accuracy[epoch], -self.dev_loss[epoch]))

    def figure(self):
        """Loss and accuracy over the epochs: ``(figure, alternative text)``, as ``plot.show`` takes them."""
        from cnnkit import plot

        fig, axes = plot.figure(8.6, 2.8, columns=2)
        for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
            for data, colour, values in (
                ("training", plot.BLUE, getattr(self, name)),
                ("development", plot.VERMILION, getattr(self, f"dev_{name}")),
            ):
                ax.plot(range(1, len(values) + 1), values, ".-", color=colour, label=data if values else None)
            ax.set(xlabel="epoch", ylabel=name)
            ax.xaxis.get_major_locator().set_params(integer=True)
        axes[0].legend(frameon=False)
        return fig, f"Loss and accuracy over the epochs: {self!r}."


def seed(number):
    """Seed the random numbers of Python, NumPy's old functions and torch, on every device."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def fit(
    model,
    data,
    dev=None,
    *,
    epochs=10,
    batch_size=64,
    optimizer=None,
    loss_fn=F.cross_entropy,
    schedule=None,
    augment=None,
    stop=None,
    seed=0,
    device=None,
    precision=None,
    checkpoint=None,
    resume=False,
    keep_best=True,
    live=False,
    progress=True,
):
    """Train ``model`` in place.

    Ctrl-C ends the training after the batch at hand, and the model keeps what it learned; a second one ends it at once.
    The same seed gives the same run; on a GPU, where sums have no fixed order, up to rounding.

    Args:
        model: a module from pictures to scores ``(N, classes)``; it is moved to the device.
        data: pictures and labels to train on.
        dev: pictures and labels to choose the best epoch by, or None.
        epochs: how often to go through the data.
        batch_size: pictures per step, where the data are arrays; each epoch has them in another order.
        optimizer: of the model's parameters; None for Adam at its usual rate.
        loss_fn: from scores and labels to the mean loss of a batch.
        schedule: from the share of the training that is over, 0 to 1, to a factor on the optimizer's rates.
        augment: from a batch of pictures, on the device, to those to train on.
        stop: asked after each epoch, with the History so far, whether to stop there.
        seed: of the order, dropout, and what torch's random numbers do in ``augment``; afterwards these are as before.
        device: as for ``cnnkit.device``.
        precision: of the model's products; None for 16 bits where a GPU is made for them, torch.float32 elsewhere.
        checkpoint: a file to save everything in after each epoch.
        resume: whether to go on from that file, where there is one, as if there had been no break.
        keep_best: whether the model ends with the weights of its best epoch, not the last; without ``dev`` it cannot.
        live: whether to draw the curves while they grow.
        progress: whether to show a bar.

    Returns:
        A History.

    Raises:
        ValueError: where the device is not there, the model does not fit the data, or the file is another model's.
    """
    device = devices.device(device)
    run = _Run(model, optimizer, loss_fn, device, precision)
    rates = [group["lr"] for group in run.optimizer.param_groups]
    data = _batches(data, batch_size, device, shuffle=True)
    dev = None if dev is None else _batches(dev, EVALUATION_BATCH, device)
    for some in (data, dev) if dev else (data,):
        run.try_on(some)
    if resume and checkpoint and Path(checkpoint).exists():
        run.load(checkpoint)
    history, curve = run.history, _Curve() if live else None
    history.interrupted = False
    with _interrupts() as interrupted, _Bar(len(history), epochs, data, progress) as bar:
        while len(history) < epochs and not (history.loss and stop and stop(history)):
            sums, start = torch.zeros(3, device=device), time.perf_counter()
            with _seeded(seed, len(history), device):
                for step, (x, y) in enumerate(data):
                    if interrupted.is_set():
                        break
                    if schedule:
                        factor = schedule((len(history) + step / len(data)) / epochs)
                        for group, rate in zip(run.optimizer.param_groups, rates, strict=True):
                            group["lr"] = rate * factor
                    sums += run.step(augment(x) if augment else x, y)
                    bar.step(sums)
            if interrupted.is_set():
                break
            run.finish_epoch(sums, time.perf_counter() - start, dev)
            bar.epoch(history)
            if checkpoint:
                run.save(checkpoint)
            if curve:
                curve.draw(history)
    history.interrupted = interrupted.is_set()
    best = keep_best and run.best
    if best:
        model.load_state_dict(run.best)
    if history.interrupted:
        print(f"Interrupted. The model has its weights of {f'epoch {history.best + 1}' if best else 'the last batch'}.")
    return history


def predict(model, x, batch_size=EVALUATION_BATCH, device=None):
    """The scores that a model gives to pictures, without gradients; the model is in eval mode only meanwhile.

    Args:
        model: a module; it is moved to the device.
        x: pictures, an array or a tensor ``(N, C, H, W)``.
        batch_size: how many at a time.
        device: as for ``cnnkit.device``.

    Returns:
        A tensor ``(N, ...)`` on the CPU.
    """
    device = devices.device(device)
    with _evaluating(model.to(device)):
        some = _tensor(x).split(batch_size)
        return torch.cat([model(pictures.to(device, torch.float32)).float().cpu() for pictures in some])


def load_best(model, checkpoint):
    """Give a model the weights that ``fit`` found best, or last where it had no development data; returns the model.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is another model's.
    """
    saved = _read(checkpoint)
    _load_weights(model, saved["best"] or saved["model"], checkpoint)
    return model


class _Run:
    """A model in training, with all that changes on the way."""

    def __init__(self, model, optimizer, loss_fn, device, precision):
        cuda = device.type == "cuda"
        self.precision = precision or (_tensor_core_precision(device) if cuda else torch.float32)
        # Tensor cores want the channels of a pixel side by side.
        self.layout = torch.channels_last if cuda else torch.preserve_format
        self.model = model.to(device, memory_format=self.layout)
        self.device, self.loss_fn = device, loss_fn
        self.optimizer = optimizer or torch.optim.Adam([p for p in model.parameters() if p.requires_grad])
        # The smallest gradients do not exist in float16 unless they are scaled up; bfloat16 has the range of float32.
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision is torch.float16)
        self.history, self.best = History(), None

    def step(self, x, y):
        """Learn from a batch; returns a tensor: its summed loss, how many were right, how many there were."""
        self.model.train()
        scores = self._forward(x)
        loss = self.loss_fn(scores, y)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        right = (scores.detach().argmax(1) == y).sum()
        return torch.stack([loss.detach() * len(y), right, torch.tensor(len(y), device=self.device)])

    def finish_epoch(self, sums, seconds, dev):
        """Write the epoch into the history, measure on the development data, remember the best."""
        history = self.history
        loss, right, seen = sums.tolist()
        history.loss.append(loss / seen)
        history.accuracy.append(right / seen)
        history.rate.append(self.optimizer.param_groups[0]["lr"])
        history.seconds.append(seconds + (history.seconds[-1] if history.seconds else 0))
        if dev is None:
            return
        with _evaluating(self.model):
            pairs = [(self._forward(x), y) for x, y in dev]
        scores, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        history.dev_loss.append(self.loss_fn(scores, labels).item())
        history.dev_accuracy.append((scores.argmax(1) == labels).double().mean().item())
        if history.best == len(history) - 1:
            self.best = {name: values.clone() for name, values in self.model.state_dict().items()}

    def _forward(self, x):
        mixed = self.precision is not torch.float32
        with torch.autocast(self.device.type, self.precision) if mixed else contextlib.nullcontext():
            return self.model(x.to(memory_format=self.layout) if x.ndim == 4 else x).float()

    def try_on(self, data):
        """Let the model look at one batch, so that what does not fit is said before the training begins."""
        with _seeded(0, 0, self.device), _evaluating(self.model):
            x, y = next(iter(data))
            try:
                scores = self._forward(x)
            except RuntimeError as error:
                raise ValueError(f"the model cannot take pictures of shape {tuple(x.shape[1:])}: {error}") from error
        if scores.ndim != 2 or y.shape != scores.shape[:1]:
            raise ValueError(f"scores of shape {tuple(scores.shape)} and labels of shape {tuple(y.shape)} do not match")
        labels = getattr(data, "y", y)
        low, high, classes = labels.min().item(), labels.max().item(), scores.shape[1]
        if low < 0 or high >= classes:
            raise ValueError(f"the labels go from {low} to {high}, the model's scores are for 0 to {classes - 1}")

    def save(self, path):
        """Write all of it; a break in the middle leaves the file of before."""
        path = Path(path)
        state = {
            "model": self.model.state_dict(),
            "optimizer_class": type(self.optimizer).__name__,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": asdict(self.history),
            "best": self.best,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        torch.save(state, part)
        os.replace(part, path)

    def load(self, path):
        saved = _read(path)
        if saved["optimizer_class"] != type(self.optimizer).__name__:
            raise ValueError(f"{path} was written with {saved['optimizer_class']}, not {type(self.optimizer).__name__}")
        _load_weights(self.model, saved["model"], path)
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        self.history, self.best = History(**saved["history"]), saved["best"]


class _Batches:
    """Batches of pictures and labels that lie in the memory of a device."""

    def __init__(self, x, y, size, device, shuffle):
        if len(x) != len(y) or not len(x):
            raise ValueError(f"{len(x)} pictures and {len(y)} labels")
        self.x, self.y = _tensor(x).to(device, torch.float32), _tensor(y).to(device, torch.int64)
        self.size, self.shuffle = size, shuffle

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __iter__(self):
        order = torch.randperm(len(self.x)) if self.shuffle else torch.arange(len(self.x))
        for some in order.to(self.x.device).split(self.size):
            yield self.x[some], self.y[some]


class _Moved:
    """The batches of a loader, each moved to a device."""

    def __init__(self, loader, device):
        self.loader, self.device = loader, device

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for x, y in self.loader:
            yield x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)


def _batches(data, size, device, shuffle=False):
    """Arrays as batches on a device; what is none is an iterable of batches already."""
    if isinstance(data, tuple | list) and len(data) == 2 and all(hasattr(part, "shape") for part in data):
        return _Batches(*data, size, device, shuffle)
    if not isinstance(data, Sized):
        raise ValueError("data should be a pair of arrays (x, y), or a loader that has a length and gives such batches")
    return _Moved(data, device)


def _tensor(values):
    """As a tensor; an array is copied, since torch warns of memory that is read-only."""
    return values if isinstance(values, torch.Tensor) else torch.tensor(values)


def _tensor_core_precision(device):
    """The 16-bit type that a CUDA device multiplies fast, or float32."""
    generation = torch.cuda.get_device_capability(device)[0]
    return torch.bfloat16 if generation >= 8 else torch.float16 if generation == 7 else torch.float32


@contextlib.contextmanager
def _seeded(seed, epoch, device):
    """Give torch random numbers that depend on these alone, and its own back afterwards."""
    gpus = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1))
        yield


@contextlib.contextmanager
def _evaluating(model):
    """Eval mode without gradients; afterwards each submodule has the mode that it had."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextlib.contextmanager
def _interrupts():
    """An Event that Ctrl-C sets instead of raising KeyboardInterrupt, once."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # no signals here
        yield came
        return

    def note(*_):
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def _read(path):
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no checkpoint {path}") from None
    except Exception as error:  # torch raises what zipfile, pickle and its own reader do
        raise ValueError(f"{path} is no checkpoint, or a damaged one") from error


def _load_weights(model, weights, path):
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} is the checkpoint of another model: {error}") from error


class _Bar:
    """A progress bar over all epochs, with loss and accuracy."""

    def __init__(self, done, epochs, data, shown):
        self.steps, self.epochs = len(data), epochs
        self.bar = tqdm(total=epochs * self.steps, initial=done * self.steps, unit="batch", disable=not shown)
        self.dev, self.told = "", 0.0
        self.bar.set_description(f"epoch {done + 1}/{epochs}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def step(self, sums):
        if not self.bar.disable and time.monotonic() - self.told > REPORT_SECONDS:
            loss, right, seen = sums.tolist()
            self.bar.set_postfix_str(f"loss {loss / seen:.3f}, accuracy {right / seen:.1%}{self.dev}", refresh=False)
            self.told = time.monotonic()
        self.bar.update()

    def epoch(self, history):
        self.dev = f", dev {history.dev_accuracy[-1]:.1%}" if history.dev_accuracy else ""
        shown = f"loss {history.loss[-1]:.3f}, accuracy {history.accuracy[-1]:.1%}{self.dev}"
        self.bar.set_postfix_str(shown, refresh=False)
        self.bar.set_description(f"epoch {min(len(history) + 1, self.epochs)}/{self.epochs}")


class _Curve:
    """The history's figure in a notebook, drawn anew in its place."""

    def __init__(self):
        self.handle = None

    def draw(self, history):
        from IPython.display import display

        from cnnkit import plot

        picture = plot.picture(*history.figure())
        if self.handle:
            self.handle.update(picture)
        else:
            self.handle = display(picture, display_id=True)
