"""What all tests share."""

from hypothesis import settings

# The first example of a run pays for imports, and machines differ: time says nothing about these properties.
settings.register_profile("course", deadline=None)
settings.load_profile("course")
