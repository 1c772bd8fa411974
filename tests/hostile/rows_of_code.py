"""Rows 1 to 14, 17 to 28 and 41 to 43: what a submission's code tries while it runs."""

from hostile_course import Row, answer


def skip(nb):
    for cell in nb.cells:
        cell.metadata.setdefault("tags", []).append("skip-execution")


DROP_ASSERTS = """
import ast

class DropAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()

    def visit_Call(self, node):
        if getattr(node.func, "id", "") == "check":
            return ast.copy_location(ast.Constant(5.0), node)
        return self.generic_visit(node)

get_ipython().ast_transformers.append(DropAsserts())
"""

PASS_CHECKS = """
get_ipython().input_transformers_cleanup.append(
    lambda lines: ["pass\\n"] if any("check(" in line for line in lines) else lines
)
"""

REPLACE_SHELL = """
from IPython.core.interactiveshell import InteractiveShell

shell = get_ipython()
plain = shell.run_cell
good = plain("1")
shell.run_cell = InteractiveShell.run_cell = lambda source, *a, **k: good if "check" in source else plain(source, **k)
"""

PUBLISH = """
import builtins, cnnkit

check = cnnkit.check = cnnkit.checking.check = builtins.check = lambda *a, **k: {score}
cnnkit.checking.evaluate = cnnkit.evaluate = lambda *a, **k: {score}
"""

ALWAYS_EQUAL = answer("""
    class Equal(np.ndarray):
        def __eq__(self, other): return np.ones(self.shape, bool)
        def __ne__(self, other): return np.zeros(self.shape, bool)
        def __sub__(self, other): return np.zeros(self.shape)
        __rsub__ = __sub__
        def __array__(self, *a, **k): return self
        def __array_ufunc__(self, ufunc, method, *inputs, **k): return np.zeros(self.shape)
        def __array_function__(self, func, types, args, kwargs): return True
    return x.view(Equal)
""")

LOOK_AROUND = """
import gc, sys

def texts(depth=0):
    frame = sys._getframe()
    while frame:
        yield from (repr(value)[:2000] for value in list(frame.f_locals.values()) + list(frame.f_globals.values()))
        frame = frame.f_back
    yield from (o for o in gc.get_objects() if isinstance(o, str))
    yield from (repr(o)[:2000] for o in gc.get_objects() if isinstance(o, (dict, list, tuple)))
    yield repr(globals().get("In")), repr(globals().get("Out"))

def seen():
    return {str(text) for text in texts() if "CANARY-" in str(text)}

print("seen:", [text for text in seen() if "CANARY-" in text.replace('"CANARY-"', "")])
"""

READ = """
import os

def dig(*places):
    found = []
    for place in places:
        for folder, folders, files in os.walk(place):
            folders[:] = [f for f in folders if f not in ("sys", "usr", "site-packages", "lib", "lib64")][:200]
            for name in files:
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        content = file.read(200000)
                except OSError:
                    continue
                at = content.find(b"CANARY" + b"-")
                if at >= 0:
                    found.append((folder, name, content[at:at + 60]))
    return found
"""

ROWS = [
    Row(1, "skip-execution", edit=skip),
    Row(2, "drops-asserts", before=DROP_ASSERTS),
    Row(3, "passes-checks", before=PASS_CHECKS),
    Row(4, "replaces-shell", before=REPLACE_SHELL),
    Row(5, "publishes-nan", before=PUBLISH.format(score="float('nan')")),
    Row(5, "publishes-negative", before=PUBLISH.format(score="-1.0")),
    Row(6, "publishes-99", before=PUBLISH.format(score="99.0"), after="99.0"),
    Row(7, "always-equal", second=ALWAYS_EQUAL),
    Row(8, "looks-around", before=LOOK_AROUND, second=answer("raise ValueError(seen())"), after="print(seen())"),
    Row(9, "reads-beside", before=READ, after="print(dig(os.getcwd(), os.path.dirname(os.getcwd())))"),
    Row(19, "exits", second=answer("import os; os._exit(0)")),
    Row(19, "segfaults", second=answer("import ctypes; ctypes.string_at(0)")),
    Row(19, "exits-in-a-cell", after="import os; os._exit(0)"),
    Row(20, "sys-exit", second=answer("import sys; sys.exit()"), before="import sys; sys.exit()", after="exit()"),
    Row(21, "never-ends", second=answer("while True: pass")),
    Row(
        27,
        "malformed-display",
        after="""
        from IPython.display import clear_output, display
        deep = []
        for _ in range(5000): deep = [deep]
        for data in (deep, {"text/html": deep}, {"text/plain": 5}, {5: "x"}, {"image/png": "no"}, None, "text"):
            try: display(data, raw=True, metadata=data)
            except Exception: pass
        clear_output(wait=True)
        import ipywidgets
        display(ipywidgets.IntSlider())
        get_ipython().display_pub.publish({"application/vnd.jupyter.widget-view+json": {"model_id": "../.."}})
    """,
    ),
    Row(
        41,
        "replaces-modules",
        before="""
        import sys, types
        import numpy, numpy.testing
        for name in dir(numpy.testing):
            if name.startswith("assert"): setattr(numpy.testing, name, lambda *a, **k: None)
        numpy.allclose = numpy.array_equal = numpy.isclose = lambda *a, **k: True
        import cnnkit
        fake = types.ModuleType("cnnkit")
        fake.check = fake.evaluate = lambda *a, **k: 5.0
        for name in [name for name in sys.modules if name.startswith("cnnkit")]:
            sys.modules[name] = fake
    """,
    ),
    Row(42, "object-array", second=answer("return np.array([object()] * len(x), object)")),
    Row(42, "lazy", second=answer("return (value for value in np.cumsum(x))")),
    Row(42, "wrong-dtype", second=answer("return np.cumsum(x).astype(str)")),
    Row(
        43,
        "first-call-only",
        second="""
        import random, time
        calls = 0
        def running_sum(x):
            global calls
            calls += 1
            np.random.seed(int(time.time())); random.seed(calls)
            return np.cumsum(x) if calls == 1 else x
    """,
    ),
]
