"""Where torch computes: CUDA, Apple's MPS or the CPU."""

import os
from contextlib import contextmanager
from contextvars import ContextVar

_chosen: ContextVar[str | None] = ContextVar("device", default=None)


def device(name=None):
    """The ``torch.device`` to compute on.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps", or None for the one chosen by ``using``, else the one that the environment
            variable CNNKIT_DEVICE names, else the best present.

    Raises:
        ValueError: where the device that was asked for is not there.
    """
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    best = next(kind for kind, here in present.items() if here)
    name = name or _chosen.get() or os.environ.get("CNNKIT_DEVICE") or best
    try:
        wanted = torch.device(name)
    except (RuntimeError, TypeError):
        raise ValueError(f"{name!r} is no device: choose cpu, cuda or mps") from None
    if not present.get(wanted.type):
        usable = ", ".join(kind for kind, here in present.items() if here)
        raise ValueError(f"torch finds no {wanted.type} device here; usable: {usable}")
    return wanted


@contextmanager
def using(name):
    """Make ``name`` the default of ``device()`` inside the ``with`` block."""
    token = _chosen.set(str(device(name)))
    try:
        yield
    finally:
        _chosen.reset(token)


@contextmanager
def one_thread():
    """Let torch compute with a single thread inside the ``with`` block.

    The arrays of a check are small, and threads that wait for each other on a busy machine cost more than they bring.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
