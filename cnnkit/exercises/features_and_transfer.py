"""Unit 09: what ConvNets learn, and transfer."""

from cnnkit.exercises import features, transfer
from cnnkit.exercises.specification import Unit

UNIT = Unit(features.UNIT.name, features.UNIT.exercises | transfer.UNIT.exercises)
