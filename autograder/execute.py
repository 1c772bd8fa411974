"""The step of ``nbgrader autograde`` that runs a submission, scoring by specification.

It stands where nbgrader has ``Execute``, for the command line and for formgrader's button alike: see
``nbgrader_config.course_config``.
"""

from pathlib import Path

import nbformat
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from sqlalchemy.engine import make_url
from traitlets import Enum, Integer

from autograder import build, gradebook, ingest
from autograder.errors import GradingError
from autograder.sandbox import ISOLATION
from autograder.sandbox.survey import survey
from autograder.score import Scorer


class ScoreBySpecification(NbGraderPreprocessor):
    """Runs the student's cells in a sandbox, judges their functions outside, writes the outputs of the checks.

    nbgrader's own next step reads the scores from those outputs.
    """

    seed = Integer(
        None,
        allow_none=True,
        help="What the hidden cases are drawn from; None for the secret one of the folder, or beside the gradebook.",
    ).tag(config=True)
    isolation = Enum(list(ISOLATION), "sandbox", help="Where student code runs.").tag(config=True)

    def preprocess(self, nb, resources):
        """The instructor's notebook with the student's answers, run and judged.

        Raises:
            ingest.Refusal: where the notebook is not one of this unit.
            errors.GradingError: where there can be no sandbox.
        """
        if self.isolation == "sandbox" and not survey().works:
            raise GradingError(
                survey().refusal().replace("--isolation none", "c.ScoreBySpecification.isolation = 'none'")
            )
        about = resources["nbgrader"]
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.source_directory, ".", about["assignment"])
        source = nbformat.read(Path(folder) / f"{about['notebook']}.ipynb", as_version=4)
        cells = ingest.parse(nbformat.writes(nb).encode())
        merged = ingest.merge(build.student_notebook(source), cells)
        with Scorer(self._seed(about["db_url"], course.root), self.isolation) as scorer:
            graded = scorer.grade(merged)
        for name, verdict in graded.verdicts.items():
            flags = "".join(f", {flag}" for flag in graded.flags[name])
            self.log.info("%s: %g of %g%s", name, verdict.score, verdict.max_score, flags)
        return graded.notebook, resources

    def _seed(self, db_url, root):
        if self.seed is not None:
            return self.seed
        url = make_url(db_url)
        beside = Path(url.database).parent if url.get_backend_name() == "sqlite" and url.database else root
        # A folder of results has its own, wherever its gradebook is.
        return gradebook.secret_seed(root if (Path(root) / gradebook.SEED_FILE).exists() else beside)
