"""Beyond the table: what attacks the parts of this very grader, its protocol and its processes.

Numbers from 50 on. Each of them has found a fault, or would have found one in an earlier design.
"""

import nbformat
from alive import alive_in_formgrader
from hostile_course import FIRST, Row, answer

# What a student needs to speak the protocol, which is no secret.
SPEAK = """
import gc, json, os, signal, struct, sys, time

def frame(message, arrays=()):
    layout = [[a.dtype.str, list(a.shape)] for a in arrays]
    header, body = json.dumps([message, layout]).encode(), b"".join(a.tobytes() for a in arrays)
    return struct.pack(">IQ", len(header), len(body)) + header + body

def say(*frames):
    for fd in range(3, 256):
        try: os.write(fd, b"".join(frames))
        except OSError: pass

def outcome(value, **more):
    return {"outcome": {"value": value, "error": None, "mutated": [], "seconds": 0, "printed": ""} | more}

def warm():
    frame = sys._getframe()
    while "fork_check" not in frame.f_globals:
        frame = frame.f_back
    return frame.f_globals
"""

MARKUP = "<script>alert(1)</script>"


def inert(course, row):
    """That no element of the attacker's is in the student's page, nor in what formgrader shows."""
    kinds = set()
    for path in course.received(row.student):
        kinds.add(path.suffix)
        if path.suffix == ".html":
            assert "<script>alert" not in path.read_text(encoding="utf-8")
        elif path.suffix == ".ipynb":
            assert alive_in_formgrader(nbformat.read(path, as_version=4)) == []
    assert {".html", ".ipynb"} <= kinds


def cut(course, row):
    """That little is left of millions of outputs."""
    assert len(course.outputs(row.student)) < 500_000


FORMULAS = """
from IPython.display import Markdown, display
for _ in range(200): display(Markdown(r"\\\\[" * 5_000))
"""


def formulas(nb):
    for piece in (r"\begin{a}", r"\\(", "# a\n"):
        nb.cells.append(nbformat.v4.new_markdown_cell(piece * 20_000))
        nb.cells += [nbformat.v4.new_markdown_cell(piece * (19_999 // len(piece))) for _ in range(15)]


ROWS = [
    Row(
        50,
        "forges-outcomes",
        before=SPEAK,
        second=answer("say(*[frame(outcome({'array': 0}), [x])] * 9); return x"),
    ),
    Row(
        50,
        "forges-large-outcomes",
        before=SPEAK,
        second=answer("say(struct.pack('>IQ', 1 << 31, 1 << 62)); time.sleep(2); return x"),
    ),
    Row(
        51,
        "forges-replies",
        before=SPEAK
        + """
shown = {"output_type": "execute_result", "data": {"text/plain": "99"}, "metadata": {}, "execution_count": -5}
say(frame({"outputs": [shown, 5, None, [], {"output_type": []}], "ok": True}), frame({"started": True}),
    frame({"kind": "callable"}), *[frame(outcome(8.0))] * 9, frame({"status": -(1 << 200)}))
""",
    ),
    Row(
        52,
        "forges-statuses",
        before=SPEAK + "warm()['finish'] = lambda pid: 1 << 200\n",
        second=answer("os._exit(0)"),
    ),
    Row(
        53,
        "packs-its-own",
        before=SPEAK
        + """
def pack(result, arrays):
    arrays.append(np.zeros(3))
    return {"value": {"tuple": [{"array": 0}] * 3}, "error": [5, None, {}, []], "mutated": [[]], "seconds": "soon"}
""",
        second=answer("warm()['protocol'].pack_outcome = pack; return x"),
    ),
    Row(54, "ends-with-an-odd-signal", second=answer("import os; os.kill(os.getpid(), 40)")),
    Row(
        55, "stops-its-parent", before="import os", second=answer("os.kill(os.getppid(), 19); os.kill(os.getpid(), 19)")
    ),
    Row(55, "kills-its-parent", before="import os", second=answer("os.kill(os.getppid(), 9); return x")),
    Row(55, "kills-everybody", before="import os", second=answer("os.kill(-1, 9); return x")),
    Row(56, "markup-as-a-type", second=f'running_sum = type("{MARKUP}", (), {{}})()', found=inert),
    Row(
        56,
        "markup-as-an-error",
        second=answer(f'print("{MARKUP}"); raise type("{MARKUP}", (Exception,), {{}})("{MARKUP}")  # {MARKUP}'),
        after=f'raise type("{MARKUP}", (Exception,), {{}})("{MARKUP}")',
        found=inert,
    ),
    Row(57, "recurses", second=answer("import sys; sys.setrecursionlimit(1 << 30); return running_sum(x)")),
    Row(58, "empty-but-enormous", second=answer("return np.zeros((1 << 39, 0))")),
    Row(58, "longer-than-any-double", second=answer("return np.cumsum(x).astype(np.longdouble) * np.nan")),
    Row(
        59,
        "many-tags",
        after="""
        from IPython.display import HTML, display
        for _ in range(100): display(HTML("<b>" * 60000))
        for _ in range(20): display(HTML("<p>" + "".join(f"<b title={i}>" for i in range(20)) + "</p>" + "<p>x" * 9999))
        """,
    ),
    Row(
        60,
        "closes-everything",
        before="import os",
        second=answer("os.closerange(0, 256); return x"),
        after="import os; os.closerange(0, 256)",
    ),
    Row(
        61,
        "shadows-modules",
        before="""
        for name in ("json", "numpy", "struct", "cnnkit", "autograder", "random", "sitecustomize"):
            with open(name + ".py", "w") as file: file.write("raise SystemExit(3)")
        """,
        first=FIRST,
    ),
    Row(
        63,
        "floods",
        before="from autograder.sandbox.shell import RECORDER; RECORDER.outputs = [0] * 4_000_000",
        after="""
        frame = {"output_type": "error", "ename": "e", "evalue": "x" * 1_000_000, "traceback": ["x"] * 1_000_000}
        RECORDER.outputs = [frame] + [{"output_type": "stream", "name": "stdout", "text": "x"}] * 60_000
        """,
        found=cut,
    ),
    Row(
        63,
        "floods-beyond-measure",
        before="from autograder.sandbox.shell import RECORDER; RECORDER.outputs = [0] * 5_500_000",
    ),
    Row(63, "floods-with-formulas", after=FORMULAS, edit=formulas),
    Row(
        62,
        "hangs-later",
        before="""
        import ctypes, threading, time
        def later():
            time.sleep(0.3)
            ctypes.PyDLL(None).sleep(98765)
        threading.Thread(target=later).start()
        time.sleep(0.2)
        """,
    ),
]
