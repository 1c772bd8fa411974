"""From a student's notebook to verdicts: run its cells in a sandbox, judge outside what the functions returned."""

import functools
import time
from dataclasses import dataclass, field, replace

import nbformat

from autograder import ingest, outputs
from autograder.sandbox import ISOLATION, Gone, Limits, Lost, Questions, Reply, protocol
from cnnkit import diagnosis, exercises, verdict
from cnnkit.cases import arrays

MAX_RESTARTS = 5
"""How often a notebook is run again without the cell that ended its process."""
MAX_STARTS = 3
"""How often a notebook is begun when the sandbox itself ends, which is most likely not the student's doing."""
MAX_OUTPUT = 8 << 20
"""``outputs.size`` of all cells together; the rest is left out."""
ROOM = 16 << 20
"""Bytes that every result may have; more where the right one is large."""


@dataclass
class Graded:
    """What grading made of one notebook.

    Attributes:
        notebook: with the outputs of its cells; those of the checks are written from the verdicts.
        verdicts: a ``cnnkit.verdict.Verdict`` for each exercise, in the notebook's order.
        flags: for each exercise, words for the instructor: "missing" (its cell is not in the submission),
            "unwritten" (still the stub), "undefined" (the notebook defines no such function), "timeout", "crash",
            "memory" (it took more than it may), "unreadable" (it sent what no function returns), "differs" (called
            again with the same, it gave something else), "grader failed" (on what it returned).
        seconds: wall time that it took.
    """

    notebook: nbformat.NotebookNode
    verdicts: dict[str, verdict.Verdict]
    flags: dict[str, list[str]]
    seconds: float = 0.0

    def to_dict(self):
        return vars(self) | {"verdicts": {name: v.to_dict() for name, v in self.verdicts.items()}}

    @classmethod
    def from_dict(cls, data):
        verdicts = {name: verdict.Verdict.from_dict(v) for name, v in data["verdicts"].items()}
        return cls(**data | {"verdicts": verdicts, "notebook": nbformat.from_dict(data["notebook"])})


class Scorer:
    """Grades notebooks, one after the other; holds a sandbox and what the exercises expect.

    Args:
        seed: what the cases are drawn from.
        isolation: a key of ``sandbox.ISOLATION``.
        limits: a ``sandbox.Limits``, or None for the usual ones.
        shelf: an ``expected.Shelf`` of that seed, where there are more scorers; None for this one alone.
    """

    def __init__(self, seed, isolation="sandbox", limits=None, shelf=None):
        self._shelf = shelf
        self._expect = shelf.get if shelf else functools.cache(functools.partial(verdict.expect, seed=seed))
        self._ask = functools.cache(lambda name: _Asked.of(self._expect(name)))
        self._sandbox_class = ISOLATION[isolation]
        self._limits = limits or Limits()
        self._sandbox = None
        self._lesson = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._sandbox:
            self._sandbox.close()
            self._sandbox = None

    def grade(self, merged):
        """Run and judge a notebook.

        Args:
            merged: an ``ingest.Merged``; its notebook gets its outputs.

        Returns:
            A Graded.

        Raises:
            sandbox.Lost: where no sandbox can be started.
        """
        started = time.monotonic()
        notebook, missing = merged.notebook, merged.missing
        names = _checks(notebook)
        graded = Graded(notebook, {}, {name: ["missing"] if name in missing else [] for name in names})
        run = self._run(merged, names)
        for name in names:
            self._judge(graded, name, run)
        run.write_outputs(graded)
        graded.seconds = time.monotonic() - started
        return graded

    def prepare(self, skeleton):
        """Get ready for a unit's notebooks: start a sandbox, compute what the exercises expect.

        Raises:
            sandbox.Lost: where no sandbox can be started.
        """
        names = _checks(skeleton)
        self._sandbox_for(ingest.import_lines(skeleton), names)
        if self._shelf:
            self._shelf.prepare(names)

    def _run(self, merged, names):
        """The notebook's _Run, over; begun anew where the sandbox ended on the way."""
        sandbox = self._sandbox_for(merged.imports, names)
        for starts_left in reversed(range(MAX_STARTS)):
            run = _Run(merged.notebook, merged.missing, self._limits.notebook)
            try:
                while not run.over:
                    with sandbox.session(draws=_may_draw(merged.notebook)) as session:
                        run.go(session, self._ask, last_start=not starts_left)
                return run
            except Gone:
                continue

    def _judge(self, graded, name, run):
        expected, reply, flags = self._expect(name), run.replies.get(name), graded.flags[name]
        if reply is None:
            message = f"not checked, since the notebook ended its process {MAX_RESTARTS} times"
            result = verdict.refused(name, message, expected.exercise.max_score)
            flags.append("crash")
        elif reply.problem:
            result = verdict.refused(name, reply.problem, expected.exercise.max_score)
        elif reply.kind == "callable":
            result = self._verdict(expected, reply, flags)
            if diagnosis.is_error(reply.outcomes[0], "NotImplementedError"):
                flags.append("unwritten")
        else:
            result = verdict.refused(name, run.why_not(name, reply.kind), expected.exercise.max_score)
            flags += [] if "missing" in flags else ["undefined"]
        flags += [reply.flag] if reply and reply.flag else []
        flags += ["differs"] if name in run.differing else []
        graded.verdicts[name] = result

    def _verdict(self, expected, reply, flags):
        try:
            return verdict.judge(expected, reply.outcomes)
        except Exception as error:  # a fault of the grader's own must cost no more than this exercise
            flags.append("grader failed")
            name, points = expected.exercise.name, expected.exercise.max_score
            message = f"The grader failed on what {name} returned: {type(error).__name__}: {error}"
            return verdict.refused(name, message, points)

    def _sandbox_for(self, imports, names):
        """A sandbox that has what the lesson imports loaded; the last one, where it is for the same lesson."""
        lesson = list(imports), names
        if self._lesson != lesson:
            self.close()
            units = dict.fromkeys(exercises.get(name).unit for name in names)
            self._sandbox, self._lesson = self._sandbox_class(*lesson, self._limits, units), lesson
        return self._sandbox


def _checks(notebook):
    """Names of a notebook's exercises."""
    return [name for name in map(ingest.check_name, notebook.cells) if name]


def _may_draw(notebook):
    """Whether a cell that is run may need matplotlib."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code" and not ingest.is_demo(cell))
    return any("plot" in cell.source or "plt" in cell.source for cell in cells)


@dataclass
class _Run:
    """How far the cells of one notebook have come, over the sessions that it takes."""

    notebook: nbformat.NotebookNode
    missing: tuple[str, ...]
    seconds: float
    replies: dict = field(default_factory=dict)
    outputs: dict = field(default_factory=dict)
    ended: dict = field(default_factory=dict)  # by index of the cell: how it ended the process
    differing: set = field(default_factory=set)  # exercises that gave something else when they were called again
    suspected: bool = False
    restarts: int = 0
    over: bool = False

    def __post_init__(self):
        self._deadline = time.monotonic() + self.seconds

    def go(self, session, ask, last_start=False):
        """Run the cells from the first on in a new session; ``over`` says whether the last one was reached.

        Raises:
            sandbox.Gone: where the sandbox itself ended, unless this is the ``last_start``.
        """
        room = MAX_OUTPUT
        for index, cell in enumerate(self.notebook.cells):
            name = ingest.check_name(cell)
            left = self._deadline - time.monotonic()
            try:
                if name and name not in self.replies:
                    self.replies[name], differs = self._late(name) if left <= 0 else ask(name).put_to(session, left)
                    self.differing |= {name} if differs else set()
                elif self._runs(index, cell) and left <= 0:
                    self.ended[index] = f"not run, since the notebook took {self.seconds:g} s"
                elif self._runs(index, cell):
                    shown, _ = session.run(cell.source, left)
                    self.outputs[index] = shown if room > 0 else [outputs.left_out()]
                    room -= outputs.size(shown)
            except Gone as gone:
                if not last_start:
                    raise
                self._lost(index, name, gone)
                return
            except Lost as lost:
                self._lost(index, name, lost)
                return
        self.over = True

    def _late(self, name):
        problem = f"{name} was not checked, since the notebook took {self.seconds:g} s."
        return Reply("", flag="timeout", problem=problem), False

    def _runs(self, index, cell):
        solution = ingest.solution_name(cell)
        return not (
            cell.cell_type != "code"
            or ingest.check_name(cell)
            or ingest.is_demo(cell)
            or index in self.ended
            or solution in self.missing
            or not cell.source.strip()
        )

    def _lost(self, index, name, lost):
        """Note who ended the session, so that it is run again without."""
        suspects = [] if not name or self.suspected else self._added_before(index)
        if suspects:
            # A check has a process of its own: it is rather something that a cell has left running in the session's.
            self.suspected = True
            for suspect in suspects:
                self.ended[suspect] = f"left out, since the notebook hung or ended after it: {lost}"
        elif name:
            self.replies[name] = Reply("", flag=lost.flag, problem=f"{name} could not be checked: {lost}")
            return
        else:
            self.ended[index] = str(lost)
        self.restarts += 1
        self.over = self.restarts >= MAX_RESTARTS

    def _added_before(self, index):
        cells = enumerate(self.notebook.cells[:index])
        return [
            i for i, cell in cells if cell.id.startswith(ingest.ADDED) and i in self.outputs and i not in self.ended
        ]

    def why_not(self, name, kind):
        """Why there is nothing to call, for the student."""
        if kind != "missing":
            return f"{name} should be a function; it is {kind}."
        if name in self.missing:
            return f"The cell of {name} is not in the notebook that was handed in."
        for index, cell in enumerate(self.notebook.cells):
            if ingest.solution_name(cell) != name:
                continue
            if index in self.ended:
                return f"{name} is not defined: its cell did not end well ({self.ended[index]})."
            errors = [o for o in outputs.clean(self.outputs.get(index, ())) if o.output_type == "error"]
            if errors:
                last = errors[-1]
                return f"{name} is not defined: its cell ended in {last.get('ename')}: {last.get('evalue')}"
        return f"{name} is not defined: its cell defines no function of this name."

    def write_outputs(self, graded):
        count = 0
        for index, cell in enumerate(self.notebook.cells):
            if cell.cell_type != "code":
                continue
            cell.outputs, cell.execution_count = [], None
            name = ingest.check_name(cell)
            if name:
                cell.outputs = check_outputs(graded.verdicts[name])
            elif index in self.ended:
                cell.outputs = [outputs.error("Stopped", self.ended[index])]
            elif index in self.outputs:
                cell.outputs = outputs.clean(self.outputs[index])
            if name or index in self.outputs:
                count += 1
                cell.execution_count = count


@dataclass(frozen=True)
class _Asked:
    """What a check calls, made once for all submissions; ``again`` are the cases that are called twice, by index.

    The second calls come after all others, and cost nothing whatever they do. They are of one case for each group, and
    of one in all where a probe builds networks each time.
    """

    exercise: str
    questions: Questions
    again: tuple[int, ...]

    @classmethod
    def of(cls, expected):
        pairs = list(zip(expected.cases, expected.outcomes, strict=True))
        room = [ROOM + 4 * sum(a.nbytes for a in arrays((right.value, case.args))) for case, right in pairs]
        again = () if expected.exercise.judge else _first_of_each_group(expected.cases)
        again = again[:1] if expected.exercise.probe else again
        order = [*range(len(pairs)), *again]
        # Twice the right size, for an answer in double precision.
        large = sum(2 * array.nbytes for case, right in pairs if case.fast for array in arrays([right.value]))
        questions = Questions.of([expected.cases[i] for i in order], [room[i] for i in order], large)
        return cls(expected.exercise.name, questions, again)

    def put_to(self, session, seconds):
        """``(reply, differs)``: a check's Reply, and whether a call gave something else when it was made again."""
        reply = session.check(self.exercise, self.questions, seconds)
        count = len(self.questions.frames) - len(self.again)
        first, second = reply.outcomes[:count], reply.outcomes[count:]
        cut_short = not first or any(map(_is_cut_short, first))
        flag = reply.flag if cut_short or reply.flag == "memory" else ""
        differs = any(
            not _is_cut_short(after) and _ended_as(first[i]) != _ended_as(after)
            for i, after in zip(self.again, second, strict=False)
        )
        return replace(reply, outcomes=first, flag=flag), differs


def _first_of_each_group(cases):
    """Indices of the first case of each group, large ones left out."""
    found = {}
    for i, case in enumerate(cases):
        if not case.fast:
            found.setdefault(case.group, i)
    return tuple(found.values())


def _is_cut_short(outcome):
    return outcome.error is not None and outcome.error.type in ("NotRun", "TimeUp")


def _ended_as(outcome):
    """What a call came to, as text that is the same for the same, bit by bit."""
    held = []
    value = protocol.pack(outcome.value, held)
    return repr((outcome.error and outcome.error.type, value, [(a.dtype.str, a.shape, a.tobytes()) for a in held]))


def check_outputs(result):
    """The outputs of a check cell from its Verdict, which nbgrader reads the score from.

    nbgrader takes a result that is a number as the score, an error as 0.
    """
    card = outputs.made("display_data", data={"text/html": result._repr_html_(), "text/plain": result.text()})
    if result.score > 0:
        score = outputs.made("execute_result", data={"text/plain": repr(float(result.score))}, execution_count=None)
        return [card, score]
    message = result.hint or result.message
    return [card, outputs.error("CheckFailed", f"{result.exercise}: 0 of {result.max_score:g} points. {message}")]
