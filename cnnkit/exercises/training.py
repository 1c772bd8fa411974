"""Unit 07: optimisers, batch norm, dropout, augmentation, and the training loop."""

from cnnkit.exercises import batch_norm, optimisers, randomness, training_loop
from cnnkit.exercises.specification import Unit

UNIT = Unit(
    optimisers.UNIT.name,
    optimisers.UNIT.exercises | batch_norm.UNIT.exercises | randomness.UNIT.exercises | training_loop.UNIT.exercises,
)
