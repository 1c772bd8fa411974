"""nbgrader on an instructor's server: the course directory and its exchange.

What being late costs stands in grading/nbgrader_config.py of the course, which `autograder grade` writes and reads.
"""

import os

from autograder.nbgrader_config import course_config

c = get_config()  # noqa: F821 - given by nbgrader
c.merge(course_config(os.environ["CNN_COURSE"]))
c.Exchange.root = os.environ["CNN_EXCHANGE"]
# Files in the exchange belong to the one account that runs all servers, not to the student who submitted.
c.ExchangeCollect.check_owner = False
