"""Sizes and counts of layers, in plain Python: what a layer puts out, what it holds, what it sees.

``arithmetic``: one layer at a time. ``stack``: whole networks as lists of layers, and their table. ``presets``: the
networks of the lectures as such lists.
"""

from cnnkit.shapes.arithmetic import (
    conv_fits,
    conv_output_size,
    conv_params,
    conv_transpose_output_size,
    pool_output_size,
    receptive_field,
    same_padding,
)
from cnnkit.shapes.presets import PRESETS
from cnnkit.shapes.stack import AvgPool, BatchNorm, Branches, Conv, GlobalPool, Linear, Pool, Row, table

__all__ = [
    "PRESETS",
    "AvgPool",
    "BatchNorm",
    "Branches",
    "Conv",
    "GlobalPool",
    "Linear",
    "Pool",
    "Row",
    "conv_fits",
    "conv_output_size",
    "conv_params",
    "conv_transpose_output_size",
    "pool_output_size",
    "receptive_field",
    "same_padding",
    "table",
]
