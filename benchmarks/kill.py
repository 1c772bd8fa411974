"""Kill the coordinator, a worker, the warm process and the database at random moments: nothing is lost or there twice.

    python benchmarks/kill.py [KILLS] [ISOLATION]

Rounds of four kills, one of each, into one class and one PostgreSQL database; after each round the class is graded to
its end and every mark is looked at. ISOLATION is as for ``autograder grade``.
"""

import collections
import itertools
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from kills import FATAL, REPLACED, Campaign
from postgres import server


def main(kills=50, isolation="sandbox"):
    done = collections.Counter()
    with server() as database:
        for seed in itertools.count():
            if done.total() >= kills:
                break
            with tempfile.TemporaryDirectory(dir="/tmp") as folder:
                campaign = Campaign(folder, count=24, seed=seed, server=database, isolation=isolation)
                for victim in campaign.random.sample(FATAL, len(FATAL)):
                    campaign.run(victim)
                campaign.run(*campaign.random.sample(REPLACED, len(REPLACED)))
                campaign.finish()
            done.update(campaign.killed)
            print(f"{done.total()} kills: {dict(done)}; nothing lost, nothing twice", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:3])
