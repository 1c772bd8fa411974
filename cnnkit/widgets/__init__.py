"""Explainers: small pictures of the course's operations that answer when their numbers are changed.

They run in JupyterLab, in the classic Notebook and, without a kernel, on a plain web page
(``python -m cnnkit.widgets.page FILE``). Each takes its numbers as arguments, has them as traits that code can read,
change and link, and leaves a still picture where no script runs. The arithmetic is in modules of its own, which import
neither ipywidgets nor torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["backward", "columns", "kernels", "recording", "routing", "sizing", "stacks", "stepping", "windows"],
    submod_attrs={
        "views": [
            "BackwardStepper",
            "ConvStepper",
            "CortexLab",
            "Im2colExplorer",
            "KernelLab",
            "PoolRouter",
            "SizeCalculator",
            "StackTable",
        ]
    },
)
