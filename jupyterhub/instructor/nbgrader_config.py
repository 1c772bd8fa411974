"""nbgrader on an instructor's server: the course directory, its exchange, and what being late costs."""

import os

from autograder.nbgrader_config import course_config

c = get_config()  # noqa: F821 - given by nbgrader
c.merge(course_config(os.environ["CNN_COURSE"]))
c.Exchange.root = os.environ["CNN_EXCHANGE"]
# Files in the exchange belong to the one account that runs all servers, not to the student who submitted.
c.ExchangeCollect.check_owner = False
c.AssignLatePenalties.plugin_class = "autograder.late.PerDay"
