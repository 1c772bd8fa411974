"""What a worker does: score one notebook after the other, bytes in, bytes out. It imports nothing of nbgrader's.

A worker may be a process of this machine or one of a cluster. It holds no credentials and knows nothing of the course's
folders: all that it needs is in the job, and all that it finds out is in the reply. Both are JSON, so that neither end
runs what the other sends.
"""

import atexit
import base64
import functools
import json
import shutil
import tempfile
import threading
from dataclasses import asdict, dataclass, field

import nbformat

from autograder import flags, ingest
from autograder.expected import Shelf
from autograder.journal import grader_digest
from autograder.sandbox import Limits, Lost
from autograder.score import Scorer


@dataclass(frozen=True)
class Settings:
    """How the submissions of a run are graded; arguments as for ``score.Scorer``."""

    seed: int
    isolation: str = "sandbox"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Reply:
    """What came of a job: one of these, the others None.

    Attributes:
        graded: ``score.Graded.to_dict()``, with what ``flags.library`` found.
        shapes: of the answers, as ``flags.shapes`` gives them.
        refused: why the submission cannot be graded.
        unable: why this worker can grade nothing at all.
    """

    graded: dict | None = None
    shapes: dict | None = None
    refused: str | None = None
    unable: str | None = None


def pack(submitted, skeleton, allowed, settings):
    """The bytes of a job.

    Args:
        submitted: the bytes of a student's notebook; None for a job that gets a worker ready for such notebooks.
        skeleton: the text of the instructor's.
        allowed: what ``flags.library`` need not report.
        settings: a Settings.
    """
    job = {
        "submitted": None if submitted is None else base64.b64encode(submitted).decode(),
        "skeleton": skeleton,
        "allowed": allowed,
        "settings": asdict(settings),
        "grader": _our_digest(),
    }
    return json.dumps(job).encode()


def work(job):
    """Score a notebook: the bytes of a job in, the bytes of a reply out. Raises nothing."""
    try:
        reply = _work(json.loads(job))
    except ingest.Refusal as refusal:
        reply = {"refused": str(refusal)}
    except Lost as lost:
        reply = {"unable": str(lost)}
    except Exception as error:  # a fault of the grader's own must not cost the class its marks
        reply = {"refused": f"the grader failed on it: {type(error).__name__}: {error}"}
    return json.dumps(reply).encode()


def unpack(reply):
    """The Reply that ``work`` sent."""
    return Reply(**json.loads(reply))


def _work(job):
    if job["grader"] != _our_digest():
        return {
            "unable": "a worker has another version of the course, of Python, NumPy or torch; install the same there"
        }
    settings = Settings(**job["settings"] | {"limits": Limits(**job["settings"]["limits"])})
    if job["submitted"] is None:
        _scorer(settings).prepare(_skeleton(job["skeleton"]))
        return {}
    merged = ingest.merge(_skeleton(job["skeleton"]), ingest.parse(base64.b64decode(job["submitted"])))
    graded = _scorer(settings).grade(merged)
    for name, found in flags.library(graded.notebook, graded.verdicts, job["allowed"]).items():
        graded.flags[name] += found
    return {"graded": graded.to_dict(), "shapes": flags.shapes(graded.notebook, graded.verdicts)}


folder = None
"""Where workers that share it keep what exercises expect; None for a folder of this process alone."""
_our_digest = functools.cache(grader_digest)
_of_thread = threading.local()
"""What a thread keeps between jobs: its scorer, with a sandbox and what the exercises expect."""


@functools.lru_cache(maxsize=4)
def _skeleton(text):
    return nbformat.reads(text, as_version=4)


def _scorer(settings):
    held = getattr(_of_thread, "scorer", None)
    if held is None or held[0] != settings:
        if held:
            held[1].close()
        shelf = Shelf(folder or _own_folder(), settings.seed)
        scorer = Scorer(settings.seed, settings.isolation, settings.limits, shelf)
        _of_thread.scorer = held = settings, scorer
        atexit.register(held[1].close)
    return held[1]


@functools.cache
def _own_folder():
    made = tempfile.mkdtemp(prefix="grading-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def close():
    """End what this thread's scorer has started."""
    held = getattr(_of_thread, "scorer", None)
    if held:
        held[1].close()
