"""Unit 06: pooling, non-linearities and losses."""

from cnnkit.exercises import activations, losses, pooling
from cnnkit.exercises.specification import Unit

UNIT = Unit(
    pooling.UNIT.name,
    pooling.UNIT.exercises | activations.UNIT.exercises | losses.UNIT.exercises,
)
