"""What all tests share."""

import os
import signal

# One thread for each of the processes that run the tests side by side, set before anything loads torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import is_hypothesis_test, settings

# A shell tells what it runs in the background to ignore Ctrl-C, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example of a run pays for imports, and machines differ: time says nothing about these properties.
settings.register_profile("course", deadline=None)
settings.load_profile("course")


def pytest_collection_modifyitems(items):
    """Trace no coverage where the same lines are run over and over: tests of exercises, and of properties."""
    for item in items:
        if item.path.name.startswith("test_exercises") or is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("no_cover")


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """Where a reference computes: the processor, and a GPU wherever there is one."""
    import torch  # not every test needs it

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU here")
    return request.param
