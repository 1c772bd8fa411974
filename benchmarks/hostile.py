"""The hostile submissions, graded by nbgrader's own ``nbgrader autograde`` and by ours, side by side.

    python benchmarks/hostile.py [NAME...] [--save]

NAME picks rows, "05" or "exits". nbgrader runs each submission alone, with a home of its own, and is stopped after two
minutes. It has no sandbox: so that it hurts nobody, all of it runs behind a wall that lets it write to a copy of the
course alone, and what would fill the machine is left out.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import results

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "hostile"))
import rows_beyond
import rows_of_code
import rows_of_files
from hostile_course import LIMITS, UNIT, Course, recorded

ROWS = rows_of_code.ROWS + rows_of_files.ROWS + rows_beyond.ROWS
HARMFUL = (23, 24, 25, 26)
"""What would fill the memory, the disk or the table of processes."""
WALL = ("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--die-with-parent")
SECONDS = 120
CONFIG = """\
from autograder.nbgrader_config import course_config

c = get_config()
c.merge(course_config({root!r}, stock=True))
"""
PREPARE = "import sys; from autograder import build; build.sources(units=[sys.argv[1]])"


class Stock:
    """A course of nbgrader's, with the checks in the student's kernel, as it does by itself."""

    def __init__(self, course):
        self.course, self.root = course, course.root
        self.writable = [word for folder in (course.base, course.scratch) for word in ("--bind", folder, folder)]
        (self.root / "grading" / "submitted").mkdir(parents=True)
        (self.root / "nbgrader_config.py").write_text(CONFIG.format(root=str(self.root)), encoding="utf-8")
        self._run([sys.executable, "-c", PREPARE, UNIT])
        self._run([sys.executable, "-m", "nbgrader", "generate_assignment", UNIT])

    def grade(self, student):
        """What becomes of a submission, in words."""
        place = self.root / "grading" / "submitted" / student
        subprocess.run(["cp", "-a", self.course.submitted / student, place], check=True)  # pipes, too
        code = self._run([sys.executable, "-m", "nbgrader", "autograde", UNIT, "--student", student])
        scores = recorded(self.root / "grading" / "gradebook.db").get(student, {})
        shutil.rmtree(place)
        if code is None:
            return f"stopped after {SECONDS} s"
        if not scores or None in scores.values():
            return "no score"
        return f"{sum(scores.values()):g}"

    def _run(self, command):
        """The exit status of a command, None where it had to be stopped."""
        with tempfile.TemporaryDirectory(dir=self.course.scratch, ignore_cleanup_errors=True) as home:
            process = subprocess.Popen(
                [*WALL, *self.writable, *command],
                cwd=self.root,
                env=self.course.environment() | {"HOME": home, "IPYTHONDIR": f"{home}/.ipython"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                return process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return None


TITLE = "Hostile submissions, graded by nbgrader and by ours"
COLUMNS = ("submission", "wanted", "ours", "nbgrader autograde")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--save", action="store_true", help="keep the table for the site")
    given = parser.parse_args()
    rows = [row for row in ROWS if not given.names or any(name in row.student for name in given.names)]
    if not rows:
        parser.error(f"no row is called {' or '.join(given.names)}")
    found = []
    with tempfile.TemporaryDirectory(dir="/tmp") as base, tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        Path(base).chmod(0o755)
        course = Course(Path(base), Path(scratch))
        course.submit(rows)
        print(f"grading {len(rows)} submissions our way ...", flush=True)
        course.grade()
        ours = {student: sum(scores.values()) for student, scores in course.rows().items()}
        stock = Stock(course)
        for row in rows:
            wanted = "refused" if row.score is None else f"{row.score:g}"
            got = f"{ours[row.student]:g}" if row.student in ours else "refused"
            theirs = "not tried" if row.number in HARMFUL else stock.grade(row.student)
            found.append((row.student, wanted, got, theirs))
            print(*found[-1], sep="  ", flush=True)
    note = (
        f"Right work scores 8, work that is right in the first exercise alone 3. Limits of ours: "
        f"{' '.join(word for pair in LIMITS.items() for word in pair)}; nbgrader, each submission alone: {SECONDS} s. "
        "Not tried with nbgrader: what would fill the machine."
    )
    results.show(TITLE, COLUMNS, found, note)
    if given.save:
        results.save("hostile", TITLE, COLUMNS, found, note)


if __name__ == "__main__":
    main()
