"""A late penalty that grows by the day, for nbgrader's configuration.

    c.AssignLatePenalties.plugin_class = "autograder.late.PerDay"
    c.PerDay.share = 0.1

nbgrader itself has "none" and "zero" (``c.LateSubmissionPlugin.penalty_method``).
"""

import math

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float

DAY = 24 * 60 * 60


class PerDay(LateSubmissionPlugin):
    """Takes a share of the points for each day begun after a time of grace."""

    share = Float(0.1, min=0, max=1, help="Share of the points that a day costs.").tag(config=True)
    grace_minutes = Float(15, min=0, help="How late a submission may be for nothing.").tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        """Points to take off; nbgrader never lets them exceed the score."""
        late = total_seconds_late - 60 * self.grace_minutes
        return score * min(1.0, self.share * math.ceil(late / DAY)) if late > 0 else None
