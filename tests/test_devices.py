"""Where torch computes: who may say so, and in which order."""

import pytest
import torch

from cnnkit import devices


def test_the_environment_names_the_default_and_code_overrules_it(monkeypatch):
    monkeypatch.setenv("CNNKIT_DEVICE", "none-such")
    with pytest.raises(ValueError, match="none-such"):
        devices.device()
    assert devices.device("cpu") == torch.device("cpu")
    with devices.using("cpu"):
        assert devices.device() == torch.device("cpu")


def test_without_a_word_it_is_the_best_there_is(monkeypatch):
    monkeypatch.delenv("CNNKIT_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.device() == torch.device("cuda")
    monkeypatch.setenv("CNNKIT_DEVICE", "cpu")
    assert devices.device() == torch.device("cpu")
