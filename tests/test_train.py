"""Training: it learns, in the same way each time; and neither Ctrl-C nor a damaged file loses anything."""

import os
import signal
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnkit import data, train


@pytest.fixture(scope="module")
def digits():
    return data.digits()


@pytest.fixture
def few(digits):
    """200 pictures to train on and 100 to choose by."""
    return (digits.train.x[:200], digits.train.y[:200]), (digits.train.x[200:300], digits.train.y[200:300])


def network(seed=0):
    """A small one with everything that is random or remembers: dropout and batch norm."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, stride=3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(384, 10)
    )


def momentum(model):
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def same(a, b):
    """Whether two models have equal weights and statistics."""
    return all(torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


class Interrupting:
    """A loader of batches that sends this process a Ctrl-C, a real one, before some of them."""

    def __init__(self, pair, before, size=40):
        self.batches = list(zip(*(torch.tensor(part).split(size) for part in pair), strict=True))
        self.before, self.given = set(before), 0

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for number in torch.randperm(len(self.batches)).tolist():
            if self.given in self.before:
                os.kill(os.getpid(), signal.SIGINT)
            self.given += 1
            yield self.batches[number]


def test_it_learns_the_bundled_digits(digits, device):
    model = network()
    options = {"epochs": 6, "optimizer": momentum(model), "device": device, "progress": False}
    history = train.fit(model, digits.train, digits.test, **options)
    scores = train.predict(model, digits.test.x, device=device)
    accuracy = (scores.argmax(1).numpy() == digits.test.y).mean()
    assert accuracy > 0.85  # by hands that wrote none of the others
    assert len(history) == 6 and history.loss[-1] < history.loss[0] / 3 and history.accuracy[-1] > 0.93
    assert accuracy == pytest.approx(history.dev_accuracy[history.best], abs=0.006)  # half precision on a GPU
    assert history.seconds == sorted(history.seconds) and history.rate == [0.05] * 6
    assert "6 epochs" in repr(history) and f"{history.dev_accuracy[history.best]:.2%}" in repr(history)


def test_the_same_seed_gives_the_same_model_and_leaves_torchs_random_numbers_alone(few):
    models = [network() for _ in range(3)]
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    for model, seed in zip(models, (1, 1, 2), strict=True):
        train.fit(model, few[0], epochs=2, seed=seed, progress=False)
    assert torch.equal(before, torch.random.get_rng_state())
    assert same(models[0], models[1]) and not same(models[0], models[2])


def test_each_epoch_has_another_order_and_every_picture_once(few):
    seen = []

    def note(x):
        seen.append(x.sum((1, 2, 3)))
        return x

    train.fit(network(), few[0], epochs=2, augment=note, batch_size=64, progress=False)
    assert [len(batch) for batch in seen] == [64, 64, 64, 8] * 2
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert not torch.equal(first, second) and torch.equal(first.sort()[0], second.sort()[0])


def test_loss_and_accuracy_are_means_over_pictures_not_over_batches(few):
    (x, y), _ = few
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with torch.no_grad():
        expected = F.cross_entropy(model(torch.tensor(x)), torch.tensor(y)).item()
        right = (model(torch.tensor(x)).argmax(1).numpy() == y).mean()
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    history = train.fit(model, (x, y), (x, y), epochs=1, batch_size=150, optimizer=still, device="cpu", progress=False)
    assert history.loss[0] == pytest.approx(expected) == history.dev_loss[0]
    assert history.accuracy[0] == pytest.approx(right) == history.dev_accuracy[0]


def test_the_best_epoch_is_kept_or_the_last_as_asked(few):
    def too_fast(share):  # good at first, then thrown far off
        return 1 if share < 0.5 else 1e4

    histories, models = [], []
    for keep in (True, False):
        models.append(network())
        histories.append(
            train.fit(models[-1], *few, epochs=4, schedule=too_fast, keep_best=keep, device="cpu", progress=False)
        )
    best = histories[0].best
    assert best < 2 and histories[0].dev_accuracy == histories[1].dev_accuracy
    for model, epoch in zip(models, (best, 3), strict=True):
        accuracy = (train.predict(model, few[1][0], device="cpu").argmax(1).numpy() == few[1][1]).mean()
        assert accuracy == pytest.approx(histories[0].dev_accuracy[epoch])
    assert histories[0].dev_accuracy[3] < histories[0].dev_accuracy[best]


def test_a_schedule_scales_the_rate_of_every_group(few):
    model = network()
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[5].parameters(), "lr": 0.5}]
    optimizer = torch.optim.SGD(groups)
    shares = []

    def linear(share):
        shares.append(share)
        return 1 - share

    train.fit(model, few[0], epochs=2, batch_size=50, optimizer=optimizer, schedule=linear, progress=False)
    assert shares == pytest.approx([i / 8 for i in range(8)])
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1 / 8, 0.5 / 8])


def test_training_stops_when_told(few):
    history = train.fit(network(), *few, epochs=9, stop=lambda history: len(history) == 2, progress=False)
    assert len(history) == 2 and not history.interrupted


def test_what_is_frozen_stays(few):
    model = network()
    for p in model[0].parameters():
        p.requires_grad = False
    before = model[0].weight.clone()
    train.fit(model, few[0], epochs=1, device="cpu", progress=False)
    assert torch.equal(before, model[0].weight)


@pytest.mark.parametrize("cut_at", [0, 3, 7, 12])
def test_interrupted_and_resumed_equals_uninterrupted(few, tmp_path, capsys, cut_at):
    whole, cut = network(), network()
    options = {"epochs": 3, "schedule": lambda share: 1 - share / 2, "device": "cpu", "progress": False}
    expected = train.fit(whole, Interrupting(few[0], ()), few[1], optimizer=momentum(whole), **options)
    file = tmp_path / "runs" / "digits.pt"
    # The first batch that the loader gives is looked at, not learned from.
    loader = Interrupting(few[0], {cut_at + 1})
    first = train.fit(cut, loader, few[1], optimizer=momentum(cut), checkpoint=file, resume=True, **options)
    assert first.interrupted and len(first) == cut_at // 5
    assert "Interrupted" in capsys.readouterr().out
    # After an epoch all is in the file; before, there is nothing to go on from but the model at the start.
    cut = network(seed=9 if first.loss else 0)
    second = train.fit(cut, loader, few[1], optimizer=momentum(cut), checkpoint=file, resume=True, **options)
    assert not second.interrupted and same(whole, cut)
    for name in ("loss", "accuracy", "dev_loss", "dev_accuracy", "rate"):
        assert getattr(second, name) == getattr(expected, name)
    assert same(whole, train.load_best(network(seed=4), file))
    again = network()
    history = train.fit(again, loader, few[1], optimizer=momentum(again), checkpoint=file, resume=True, **options)
    assert len(history) == 3 and same(whole, again)


def test_ctrl_c_leaves_the_best_model_or_what_was_learned_so_far(few):
    learned, start = network(), network()
    history = train.fit(learned, Interrupting(few[0], {4}), epochs=5, device="cpu", progress=False)
    assert history.interrupted and len(history) == 0 and not same(learned, start)
    model = network()
    history = train.fit(model, Interrupting(few[0], {13}), few[1], epochs=5, device="cpu", progress=False)
    assert history.interrupted and len(history) == 2
    accuracy = (train.predict(model, few[1][0], device="cpu").argmax(1).numpy() == few[1][1]).mean()
    assert accuracy == pytest.approx(history.dev_accuracy[history.best])


def test_a_second_ctrl_c_ends_it_at_once_and_the_handler_is_put_back(few):
    before = signal.getsignal(signal.SIGINT)

    def twice(x):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return x

    with pytest.raises(KeyboardInterrupt):
        train.fit(network(), few[0], epochs=1, augment=twice, progress=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_it_runs_outside_the_main_thread(few):
    found = []
    thread = threading.Thread(target=lambda: found.append(train.fit(network(), few[0], epochs=1, progress=False)))
    thread.start()
    thread.join(60)
    assert len(found[0]) == 1


def test_a_break_while_saving_leaves_the_file_of_before(few, tmp_path, monkeypatch):
    file = tmp_path / "digits.pt"
    model = network()
    train.fit(model, *few, epochs=1, checkpoint=file, device="cpu", progress=False)
    save = torch.save

    def broken(state, path):
        save(state, path)
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="no space"):
        train.fit(network(), *few, epochs=2, checkpoint=file, resume=True, device="cpu", progress=False)
    assert same(model, train.load_best(network(seed=3), file))


def test_predict_leaves_every_mode_as_it_was_and_makes_no_gradients(few):
    model = network()
    model[1].eval()
    modes = [module.training for module in model.modules()]
    statistics = model[1].running_mean.clone()
    whole, parts = (train.predict(model, few[1][0], size, device="cpu") for size in (100, 7))
    assert [module.training for module in model.modules()] == modes
    assert torch.allclose(whole, parts, atol=1e-5) and not whole.requires_grad
    assert torch.equal(statistics, model[1].running_mean)
    weight = torch.zeros(10, requires_grad=True)  # what it gives can be learned from
    (whole @ weight).sum().backward()


BAD_INPUT = {
    r"labels go from 0 to 10.*0 to 9": lambda x, y: ((x, np.where(y == 9, 10, y)), None),
    r"labels go from -1": lambda x, y: ((x, np.where(y == 0, -1, y)), None),
    r"200 pictures and 199 labels": lambda x, y: ((x, y[1:]), None),
    r"0 pictures": lambda x, y: ((x[:0], y[:0]), None),
    r"pictures of shape \(1, 14, 28\)": lambda x, y: ((x[:, :, :14], y), None),
    r"pictures of shape \(1, 28, 14\)": lambda x, y: ((x, y), (x[..., :14], y)),
    r"a loader that has a length": lambda x, y: (iter([(x, y)]), None),
}


@pytest.mark.parametrize(("message", "spoil"), BAD_INPUT.items())
def test_what_does_not_fit_is_said_before_the_training_begins(few, message, spoil):
    pictures, dev = spoil(*few[0])
    model, before = network(), network()
    with pytest.raises(ValueError, match=message):
        train.fit(model, pictures, dev, epochs=1, progress=False)
    assert same(model, before)


def test_a_device_that_is_not_there_and_files_that_are_no_checkpoint_are_refused(few, tmp_path):
    file = tmp_path / "digits.pt"
    train.fit(network(), few[0], epochs=1, checkpoint=file, progress=False)
    other = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with pytest.raises(ValueError, match="another model"):
        train.fit(other, few[0], epochs=2, checkpoint=file, resume=True, progress=False)
    with pytest.raises(ValueError, match="written with Adam, not SGD"):
        train.fit(m := network(), few[0], optimizer=momentum(m), checkpoint=file, resume=True, progress=False)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged"):
        train.load_best(network(), file)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        train.load_best(network(), tmp_path / "none.pt")
    with pytest.raises(ValueError, match="no device"):
        train.fit(network(), few[0], device="abacus")


def test_the_bar_shows_epochs_loss_and_accuracy(few, capsys):
    train.fit(network(), *few, epochs=2)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown and "8/8" in shown and "loss" in shown and "accuracy" in shown and "dev" in shown


def test_curves_are_drawn_once_and_then_in_their_place(few, monkeypatch):
    calls = []

    class Handle:
        def update(self, picture):
            calls.append(("update", picture))

    def display(picture, display_id):
        calls.append(("display", picture))
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    train.fit(network(), *few, epochs=3, live=True, progress=False)
    assert [call for call, _ in calls] == ["display", "update", "update"]
    assert "development" in calls[-1][1].svg and "3 epochs" in calls[-1][1].alt


def test_seed_seeds_everything():
    drawn = []
    for _ in range(2):
        train.seed(3)
        drawn.append((np.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]


def test_half_precision_trains_as_well(few):
    """bfloat16 on the processor goes the same way through the code as on a GPU."""
    model = network()
    options = {"epochs": 4, "optimizer": momentum(model), "precision": torch.bfloat16}
    history = train.fit(model, *few, **options, device="cpu", progress=False)
    assert history.accuracy[-1] > 0.8
    assert all(p.dtype is torch.float32 for p in model.parameters())
