"""A run that is killed at any moment and started again loses nothing and grades nothing twice."""

import pytest
from kills import FATAL, REPLACED, Campaign
from postgres import server

pytestmark = pytest.mark.xdist_group("grading")


def test_each_part_of_a_run_may_be_killed_and_nothing_is_lost_or_there_twice(tmp_path):
    with server() as database:
        campaign = Campaign(tmp_path, count=20, seed=1, server=database)
        for victim in FATAL:
            campaign.run(victim)
        campaign.run(*REPLACED)
        campaign.finish()
    assert campaign.killed == [*FATAL, *REPLACED]
