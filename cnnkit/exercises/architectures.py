"""Unit 08: architectures."""

from cnnkit.exercises import blocks, networks, predictions
from cnnkit.exercises.specification import Unit

UNIT = Unit(
    networks.UNIT.name,
    networks.UNIT.exercises | blocks.UNIT.exercises | predictions.UNIT.exercises,
)
