"""The exercises of the course: one module per unit, in course order."""

import difflib
import importlib
import sys

MODULES = {
    "00-start-here": "start_here",
    "01-hubel-wiesel": "cortex",
    "02-filters": "filters",
    "03-conv-forward": "conv_forward",
    "04-backprop": "backprop",
    "05-conv-backward": "conv_backward",
    "06-pooling-and-losses": "pooling_and_losses",
    "07-training": "training",
    "08-architectures": "architectures",
    "09-features-and-transfer": "features_and_transfer",
}


def names(unit=None):
    """Names of the exercises, in course order; of one unit where ``unit`` is given.

    Raises:
        KeyError: where there is no such unit.
    """
    return [name for key in ([unit] if unit else MODULES) for name in _exercises(key)]


def get(name):
    """The Exercise called ``name``.

    Raises:
        KeyError: where there is no such exercise; the message names the nearest.
    """
    # Those that are loaded first: another unit's may load torch.
    for unit in sorted(MODULES, key=lambda unit: not _is_loaded(unit)):
        if name in _exercises(unit):
            return _exercises(unit)[name]
    near = difflib.get_close_matches(str(name), names(), n=3, cutoff=0.5)
    raise KeyError(f"there is no exercise {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))


def _exercises(unit):
    if unit not in MODULES:
        raise KeyError(f"there is no unit {unit!r}; the units are {', '.join(MODULES)}")
    return importlib.import_module(_module(unit)).UNIT.exercises


def _is_loaded(unit):
    return hasattr(sys.modules.get(_module(unit)), "UNIT")


def _module(unit):
    return f"cnnkit.exercises.{MODULES[unit]}"
