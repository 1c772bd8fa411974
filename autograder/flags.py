"""Advice for the instructor, never a mark: what in an answer deserves a look.

"library: torch.nn.functional.conv2d"   a call that does the exercise's own work
"dynamic: eval"                         code made at run time, of which the text says little
"similar: ada, grace"                   answers of the same make within the class, whatever their names are called

All of it comes from reading the source; nothing is run. A student who knows how can hide from it.
"""

import ast
import builtins
import collections
import functools
import hashlib

from autograder import ingest

WORK = (
    "cnnkit.checking",
    "cnnkit.exercises",
    "cnnkit.models",
    "cnnkit.oracle",
    "cnnkit.verdict",
    "cv2",
    "jax",
    "numpy.convolve",
    "numpy.correlate",
    "scipy",
    "skimage",
    "sklearn",
    "tensorflow",
    "torch.autograd",
    "torch.conv",
    "torch.func",
    "torch.max_pool",
    "torch.avg_pool",
    "torch.nn",
    "torch.ops",
    "torchvision",
)
"""Beginnings of names that do what the exercises ask for. What the course's own answer uses is not flagged."""
DYNAMIC = {"eval", "exec", "compile"}
ALIKE = 0.9
"""Share of two answers that is the same, statement by statement, from which they count as similar."""
LEAST = 60
"""Nodes of the syntax tree below which an answer is too short to be anybody's own."""
COMMON = 10
"""More than one in so many of the class, and at least COMMON_LEAST, write alike: that is how one writes it."""
COMMON_LEAST = 4
MAX_SOURCE = 100_000


def library(notebook, names, allowed):
    """``{exercise: (flag...)}`` of calls in a notebook that do an exercise's own work.

    What an answer calls is followed through the functions and names that the notebook defines.

    Args:
        notebook: merged; its answers stand in the solution cells.
        names: of the exercises.
        allowed: ``{exercise: (beginning of a name...)}``, from ``used_by``.
    """
    program = _Program(notebook)
    found = {}
    for name in names:
        used = program.used(name)
        work = sorted(u for u in used if _beginning(u) and not u.startswith(tuple(allowed.get(name, ()))))
        found[name] = (*(f"library: {u}" for u in work), *(f"dynamic: {u}" for u in sorted(used & DYNAMIC)))
    return found


def used_by(notebook, names):
    """``{exercise: (beginning of a name...)}`` of what the answers in the instructor's notebook use.

    That is parts of WORK, and all of torch where such an answer is written in it: torch is the subject there.
    """
    program = _Program(notebook)
    return {name: tuple(sorted(_allowed(program.used(name)))) for name in names}


def _allowed(used):
    in_torch = any(name.partition(".")[0] == "torch" for name in used)
    return {b for b in map(_beginning, used) if b} | ({"torch"} if in_torch else set())


def shapes(notebook, names):
    """``{exercise: {statement: weight}}``: an answer without its names, text and order; empty where it is short."""
    found = {}
    for cell in notebook.cells:
        name = ingest.solution_name(cell)
        if name in names:
            tree, *_ = _facts(cell.source)
            shape = collections.Counter()
            for node in ast.walk(tree) if tree else ():
                if isinstance(node, ast.stmt) and not _says_nothing(node):
                    text, weight = _shape(node)
                    shape[hashlib.sha256(text.encode()).hexdigest()[:16]] += weight
            found[name] = dict(shape) if shape.total() >= LEAST else {}
    return found


def similar(shapes_by_student):
    """``{student: (student...)}`` of answers to one exercise that are of the same make.

    Args:
        shapes_by_student: ``{student: shape}``, from ``shapes``.
    """
    written = {student: shape for student, shape in shapes_by_student.items() if shape}
    most = max(COMMON_LEAST, len(written) // COMMON)
    by_statement = collections.defaultdict(list)
    for student, shape in written.items():
        for statement in shape:
            by_statement[statement].append(student)
    pairs = {
        (a, b)
        for students in by_statement.values()
        if 1 < len(students) <= most
        for i, a in enumerate(students)
        for b in students[i + 1 :]
    }
    alike = collections.defaultdict(set)
    for a, b in pairs:
        if _overlap(written[a], written[b]) >= ALIKE:
            alike[a].add(b)
            alike[b].add(a)
    return {student: tuple(sorted(others)) for student, others in alike.items()}


def _overlap(a, b):
    both = sum(min(weight, b.get(statement, 0)) for statement, weight in a.items())
    return both / (sum(a.values()) + sum(b.values()) - both)


class _Program:
    """A notebook's code, to be asked which library names an answer uses."""

    def __init__(self, notebook):
        self._aliases = {}
        self._defined = collections.defaultdict(list)
        self._answers = {}
        for cell in notebook.cells:
            if cell.cell_type != "code" or ingest.is_demo(cell) or ingest.check_name(cell):
                continue
            tree, aliases, defined = _facts(cell.source)
            self._aliases |= aliases
            for name, node in defined:
                self._defined[name].append(node)
            if tree and ingest.solution_name(cell):
                self._answers[ingest.solution_name(cell)] = tree

    def used(self, name):
        """Full names of what the answer to an exercise uses, of libraries and of DYNAMIC."""
        todo, seen, used = [self._answers[name]] if name in self._answers else [], set(), set()
        while todo:
            for node in ast.walk(todo.pop()):
                if full := self._full_name(node):
                    used.add(full)
                if isinstance(node, ast.Name) and node.id not in seen:
                    seen.add(node.id)
                    todo += self._defined.get(node.id, ())
        # A name in another is the module of what is used.
        return {u for u in used if not any(other.startswith(f"{u}.") for other in used)}

    def _full_name(self, node):
        match node:
            case ast.Name(id):
                return self._aliases.get(id) or (id if id in DYNAMIC else None)
            case ast.Attribute():
                parts = []
                while isinstance(node, ast.Attribute):
                    parts.append(node.attr)
                    node = node.value
                inside = self._full_name(node)
                return ".".join([inside, *parts[::-1]]) if inside and inside not in DYNAMIC else None
            case ast.Call(ast.Name("getattr"), [value, ast.Constant(str(attr)), *_]):
                inside = self._full_name(value)
                return f"{inside}.{attr}" if inside else None
            case ast.Call(
                ast.Name("__import__") | ast.Attribute(attr="import_module"), [ast.Constant(str(module)), *_]
            ):
                return module
        return None


def _facts(source):
    """``(tree, {name: what it stands for}, [(name, the statement that binds it)])`` of a cell."""
    # Most cells are the lesson's, the same in every notebook. A long one may be a bomb that is not worth keeping.
    return _kept_facts(source) if len(source) < 10_000 else _kept_facts.__wrapped__(source)


@functools.lru_cache(maxsize=300)
def _kept_facts(source):
    tree, aliases = _parse(source), {}
    for node in ast.walk(tree) if tree else ():
        aliases |= _imported(node)
    return tree, aliases, [(name, node) for node in (tree.body if tree else ()) for name in _bound(node)]


def _parse(source):
    """The syntax tree, or None where there is none to be had."""
    if len(source) > MAX_SOURCE:
        return None
    # A magic in one line is no reason not to look at the others.
    lines = ["pass" if line.startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _imported(node):
    if isinstance(node, ast.Import):
        return {
            a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0] for a in node.names
        }
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return {}


def _bound(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return []


def _beginning(name):
    return next((work for work in WORK if name.startswith(work)), None)


def _says_nothing(node):
    """Whether a statement is in every answer: the head of a function, text, an import, the line of the stub."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    return isinstance(node, ast.Raise) and any(getattr(n, "id", "") == "NotImplementedError" for n in ast.walk(node))


def _shape(node):
    """A statement, without those in it, as text in which the student's own names are all the same; and its size."""
    parts, todo = [], [node]
    while todo:
        at = todo.pop()
        parts.append(_label(at))
        inner = [child for child in ast.iter_child_nodes(at) if not isinstance(child, ast.stmt | ast.expr_context)]
        todo += inner[::-1]
    return " ".join(parts), len(parts)


def _label(node):
    match node:
        case ast.Name(id):
            return id if hasattr(builtins, id) or id in ("np", "torch", "F") else "_"
        case ast.Attribute(attr=attr):
            return f".{attr}"
        case ast.Constant(int(value)):
            return hex(value)[:80]  # Python writes no decimals of what is longer than some thousand digits
        case ast.Constant(value):
            return repr(value)[:80]
        case ast.arg() | ast.alias():
            return "_"
        case ast.keyword(arg=arg):
            return f"{arg}="
    return type(node).__name__
