"""Ends of a command that are its user's to mend: each a message of one line, and an exit status."""


class AutograderError(Exception):
    status = 2


class UsageError(AutograderError):
    """Something was asked for that is not there."""


class BuildError(AutograderError):
    """A unit that cannot be released as it stands: one line that names the file and the cell."""


class GradebookError(AutograderError):
    """The gradebook, or what is kept beside it, cannot be used."""


class GradingError(AutograderError):
    """A run cannot go on. What was graded stays graded."""

    status = 3
