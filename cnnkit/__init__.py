"""Helpers for the course on convolutional networks: checks, references, shapes, figures.

Everything is loaded on first use, so that ``import cnnkit`` costs next to nothing and does not load torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "checking",
        "data",
        "devices",
        "exercises",
        "models",
        "oracle",
        "plot",
        "progress",
        "retina",
        "shapes",
        "train",
        "verdict",
        "widgets",
    ],
    submod_attrs={"checking": ["CheckFailed", "check", "evaluate"], "devices": ["device"]},
)
