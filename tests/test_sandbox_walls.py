"""The walls around student code, tried from inside: what it finds, what it may do, what it can take."""

import json
import os
import platform
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from autograder.sandbox import (
    BubblewrapSandbox,
    Limits,
    Lost,
    Questions,
    bubblewrap,
    confine,
    landlock,
    processes,
    seccomp,
)
from autograder.sandbox.survey import survey
from cnnkit.verdict import expect, judge

pytestmark = pytest.mark.xdist_group("sandbox")

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20
LIMITS = Limits(cell=60, check=60, grace=60, memory=400 * MIB, disk=16 * MIB, processes=24)
CASES = expect("practice", 11).cases
RIGHT = "def practice(x): return 2 * x"
# The runtime itself, where the course was cloned into /tmp.
BELOW_TMP = [part for part in Path(sys.prefix).parts[2:3] if Path(sys.prefix).is_relative_to("/tmp")]


@pytest.fixture(scope="module")
def sandbox():
    with BubblewrapSandbox(["import numpy as np"], ["practice"], LIMITS) as sandbox:
        yield sandbox


@pytest.fixture
def session(sandbox):
    with sandbox.session() as session:
        modules = "ctypes, glob, mmap, os, resource, signal, socket, subprocess, sys, time"
        session.run(f"import {modules}\nimport numpy as np")
        yield session


def says(session, source):
    """What a cell's last line is, or the name of the error that it ended in."""
    outputs, _ = session.run(textwrap.dedent(source))
    last = outputs[-1]
    return last["ename"] if last["output_type"] == "error" else last["data"]["text/plain"]


def verdict(reply):
    return judge(expect("practice", 11), reply.outcomes)


# The file system


def test_nothing_but_the_runtime_is_there(session):
    found = json.loads(
        says(
            session,
            """
            import json
            class Text(str): __repr__ = str.__str__
            places = "/", "/home", "/course", "/tmp", "/etc"
            found = {place: sorted(os.listdir(place)) for place in places}
            Text(json.dumps(found | {"/sys": [place for place, _, files in os.walk("/sys") if files]}))
            """,
        )
    )
    assert found["/course"] == ["autograder", "cnnkit", "data"]
    assert found["/home"] == ["student"]
    assert found["/tmp"] == BELOW_TMP
    assert {"passwd", "group"} <= set(found["/etc"]) <= {
        "passwd", "group", "hosts", *bubblewrap.SETTINGS_OF_THE_SYSTEM,
    }  # fmt: skip
    assert found["/sys"] == []
    above = {Path(path).parts[1] for path in (sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix))}
    system = {"usr", "etc", "proc", "dev", "tmp", "home", "course", "sys", *bubblewrap.SYSTEM_FOLDERS}
    assert set(found["/"]) <= system | above


@pytest.mark.parametrize(
    "path", ["solutions", "autograder/answers", "autograder/examples", "autograder/cli.py", "tests"]
)
def test_the_repository_is_not_seen_but_for_what_students_use(session, path):
    assert (ROOT / path).exists()
    places = [f"{ROOT}/{path}", f"/course/{path}"]
    assert says(session, f"[os.path.exists(place) for place in {places}]") == "[False, False]"


def test_no_answer_can_be_imported(session):
    assert says(session, "import autograder.answers") == "ModuleNotFoundError"
    assert says(session, "import autograder.score") == "ModuleNotFoundError"


def test_a_grader_that_is_installed_among_the_libraries_is_covered(tmp_path, monkeypatch):
    package = tmp_path / "venv" / "lib" / "site-packages" / "autograder"
    monkeypatch.setattr(bubblewrap.autograder, "__file__", str(package / "__init__.py"))
    words = bubblewrap.wall(tmp_path)
    at = words.index(str(package))
    assert words[at - 2 : at] == ["--ro-bind", str(tmp_path / "nothing")]
    assert list((tmp_path / "nothing").iterdir()) == []


def test_libraries_below_tmp_are_seen_and_nothing_beside_them(tmp_path, monkeypatch):
    library = tmp_path / "a course" / "site-packages"
    library.mkdir(parents=True)
    (library / "lies_below_tmp.py").write_text("answer = 42\n")
    (library.parent / "solution.py").write_text("secret = 1\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(library)])
    with BubblewrapSandbox(["import sys"], ["practice"], LIMITS) as sandbox, sandbox.session() as session:
        session.run(f"import os, sys; sys.path.append({str(library)!r})")
        assert says(session, "import lies_below_tmp; lies_below_tmp.answer") == "42"
        assert says(session, f"os.listdir({str(library.parent)!r})") == "['site-packages']"
        assert says(session, f"open({str(library)!r} + '/new', 'w')") == "OSError"


@pytest.mark.parametrize("folder", ["/", "/usr", "/etc", "/course/cnnkit", "/dev", "/proc", f"{sys.prefix}/lib"])
def test_it_cannot_be_written(session, folder):
    assert says(session, f"open({folder!r} + '/new', 'w')") in ("OSError", "PermissionError", "FileNotFoundError")


@pytest.mark.parametrize("folder", ["/tmp", "/home/student", "/dev/shm"])
def test_what_can_be_written_is_small(session, folder):
    filled = f"""
        import errno
        def fill(path, size):
            try:
                with open(path, "wb") as file:
                    while True: file.write(bytes(size))
            except OSError as error:
                return errno.errorcode[error.errno]
        reasons = [fill({folder!r} + f"/{{n}}", 1 << 20) for n in range(2)]
        os.unlink({folder!r} + "/0"); os.unlink({folder!r} + "/1")
        made = 0
        try:
            while True: os.mkdir({folder!r} + f"/folder{{made}}"); made += 1
        except OSError as error:
            reasons.append(errno.errorcode[error.errno])
        reasons, made < 5000
    """
    assert says(session, filled) in ("(['EFBIG', 'ENOSPC', 'ENOSPC'], True)", "(['ENOSPC', 'ENOSPC', 'ENOSPC'], True)")


def test_what_one_submission_wrote_the_next_does_not_find(sandbox):
    write = "for folder in ('/tmp', '.', '/dev/shm'): open(folder + '/left', 'w').write('x')"
    with sandbox.session() as session:
        session.run(write)
    with sandbox.session() as session:
        session.run("import os")
        assert says(session, "[os.listdir(f) for f in ('/tmp', '.', '/dev/shm')]") == f"[{BELOW_TMP}, [], []]"


# Processes, privileges, the network


def test_it_sees_no_process_but_its_own(session):
    assert says(session, "sorted(int(p) for p in os.listdir('/proc') if p.isdigit())") == "[1, 2]"
    assert says(session, "os.getpid(), os.getppid()") == "(2, 1)"


def test_it_has_no_privileges_and_gets_none(session):
    wanted = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    told = says(
        session,
        f"dict(l.split() for l in open('/proc/self/status') if l.split(':')[0] in {wanted}) | {{'uid': os.getuid()}}",
    )
    none = "0" * 16
    assert eval(told) == {f"{name}:": none for name in wanted[:5]} | {"NoNewPrivs:": "1", "Seccomp:": "2", "uid": 1000}


def test_outside_it_is_nobody_of_importance(sandbox, session):
    pid = max(processes.descendants(sandbox._warm.pid), key=lambda pid: (processes.depth(pid), pid))
    uids = set(map(int, processes.status(pid, "Uid").split()))
    assert uids == {os.geteuid() or confine.NOBODY}


@pytest.mark.parametrize(
    "call",
    [
        "socket.create_connection(('127.0.0.1', 22), 2)",
        "socket.create_connection(('192.0.2.1', 80), 2)",
        "socket.getaddrinfo('example.org', 80)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
    ],
)
def test_it_reaches_no_network(session, call):
    assert says(session, call) in ("OSError", "PermissionError", "gaierror", "ConnectionRefusedError")


def test_the_environment_is_new(session):
    names = set(eval(says(session, "sorted(os.environ)")))
    assert names <= {
        *bubblewrap.environment(), "PWD", "SHLVL", "_",
    }  # fmt: skip


# System calls


def verdict_of(program, number, arguments=(), architecture=0xC000003E):
    """What a filter answers, worked out line by line as the kernel does."""
    data = struct.pack("iIQ6Q", number, architecture, 0, *[*arguments, *[0] * 6][:6])
    lines = list(struct.iter_unpack("HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, if_true, if_false, value = lines[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("I", data, value)
            case 0x15:
                at += if_true if accumulator == value else if_false
            case 0x25:
                at += if_true if accumulator > value else if_false
            case 0x45:
                at += if_true if accumulator & value else if_false
            case 0x06:
                return value


ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS, NO_FAMILY = 0x50001, 0x50026, 0x50061


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_the_filter_refuses_what_it_names_and_nothing_else(machine):
    column, architecture = seccomp.ARCHITECTURES[machine]
    program = seccomp.program(machine)
    answers = {n: verdict_of(program, n, (1,), architecture) for n in range(463)}
    refused = {numbers[column] for numbers in seccomp.REFUSED.values()} - {None}
    assert {n for n, answer in answers.items() if answer == EPERM} == refused
    assert {n for n, answer in answers.items() if answer == ENOSYS} == {435}
    assert set(answers.values()) == {ALLOW, EPERM, ENOSYS}
    assert verdict_of(program, 5000, (), architecture) == ENOSYS
    assert verdict_of(program, 0x40000000, (), architecture) == ENOSYS
    assert verdict_of(program, 0, (), architecture ^ 1) == KILL
    clone, socket, ioctl = {0: (56, 41, 16), 1: (220, 198, 29)}[column]
    assert verdict_of(program, clone, (0x10000000 | 17,), architecture) == EPERM
    assert verdict_of(program, clone, (0x3D0F00,), architecture) == ALLOW  # a thread
    assert verdict_of(program, socket, (16,), architecture) == NO_FAMILY
    assert verdict_of(program, ioctl, (0, 0x5412), architecture) == EPERM


@pytest.mark.parametrize("name", ["ptrace", "unshare", "bpf", "memfd_create", "shmget", "io_uring_setup", "keyctl"])
def test_the_kernel_applies_it(session, name):
    number = seccomp.REFUSED[name][seccomp.ARCHITECTURES[platform.machine()][0]]
    source = f"libc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall({number}, 0, 0, 0, 0, 0), ctypes.get_errno()"
    assert says(session, source) == "(-1, 1)"


def test_threads_and_processes_can_still_be_started(session):
    source = """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool: threads = list(pool.map(abs, [-1, -2]))
        threads, subprocess.run(["echo", "x"], capture_output=True, text=True).stdout
    """
    assert says(session, source) == "([1, 2], 'x\\n')"


# What it can take


def test_memory_ends_in_an_error(session):
    assert says(session, "x = np.ones(2 << 30)") in ("MemoryError", "_ArrayMemoryError")


def test_addresses_without_memory_are_free(session):
    """Libraries take many: torch's for a GPU several gigabytes."""
    assert says(session, f"len(mmap.mmap(-1, {8 * LIMITS.memory}, mmap.MAP_PRIVATE, mmap.PROT_READ))") == str(
        8 * LIMITS.memory
    )


def test_memory_that_is_not_touched_is_free_up_to_a_gibibyte(session):
    """As torch's libraries for a GPU map it, where a student's code is the first to import them."""
    assert says(session, f"len(mmap.mmap(-1, {confine.LATE}, mmap.MAP_PRIVATE))") == str(confine.LATE)


def test_memory_that_is_shared_ends_its_check_alone(session):
    session.run(
        textwrap.dedent(f"""
            def practice(x):
                held, part = mmap.mmap(-1, {2 * LIMITS.memory}), bytes({LIMITS.memory // 8})
                for _ in range(16):
                    held.write(part)
                time.sleep(1000)
        """)
    )
    assert session.check("practice", Questions.of(CASES)).flag == "memory"
    session.run(RIGHT)
    assert verdict(session.check("practice", Questions.of(CASES))).passed


def test_memory_of_many_processes_ends_their_check_alone(session):
    session.run(
        textwrap.dedent("""
            def practice(x):
                for _ in range(8):
                    if os.fork() == 0:
                        held = np.ones(20 << 20)
                        time.sleep(1000)
                time.sleep(1000)
        """)
    )
    reply = session.check("practice", Questions.of(CASES))
    assert reply.flag == "memory"
    assert verdict(reply).message == "practice was stopped: it took more than 0.391 GiB of memory."
    session.run(RIGHT)
    assert verdict(session.check("practice", Questions.of(CASES))).passed


def test_memory_of_a_cells_children_ends_them_or_the_session(session):
    session.run(
        textwrap.dedent("""
            children = []
            for _ in range(8):
                children.append(os.fork())
                if children[-1] == 0:
                    held = np.ones(20 << 20)
                    time.sleep(1000)
            for child in children: os.waitpid(child, 0)
        """)
    )
    session.run(RIGHT)
    assert verdict(session.check("practice", Questions.of(CASES))).passed


def test_memory_that_no_process_holds_is_small(session):
    for source in (
        "ctypes.CDLL(None).memfd_create(b'x', 0)",
        "ctypes.CDLL(None).shmget(0, 1 << 30, 0o1600)",
    ):
        assert says(session, source) == "-1"


BOMB = """
def bomb():
    while True:
        try: os.fork()
        except OSError: pass
"""


def test_a_fork_bomb_ends_with_its_check(sandbox, session):
    session.limits = Limits(check=2, grace=60)
    session.run(BOMB + "def practice(x): bomb()")
    assert session.check("practice", Questions.of(CASES)).flag == "timeout"
    inside = [pid for pid in processes.descendants(sandbox._warm.pid) if processes.depth(pid) > 2]
    assert sorted(map(processes.pid_inside, inside)) == [1, 2]
    session.run(RIGHT)
    assert verdict(session.check("practice", Questions.of(CASES))).passed


def test_a_fork_bomb_of_a_cell_ends_when_a_check_begins(session):
    session.run(BOMB + "if os.fork() == 0: bomb()")
    session.run(RIGHT)
    assert verdict(session.check("practice", Questions.of(CASES))).passed


def test_no_more_open_files_and_core_dumps_than_needed(session):
    names = "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_NPROC"
    asked = [f"resource.getrlimit(resource.{name})[1]" for name in names]
    assert says(session, ", ".join(asked)) == f"({confine.OPEN_FILES}, 0, {LIMITS.processes})"


# Between a session and its checks


def test_signals_of_the_cells_do_not_hold_up_a_check(session):
    session.run(
        textwrap.dedent("""
            def for_ever(*_):
                while True: time.sleep(0.01)
            for number in range(1, 65):
                try: signal.signal(number, for_ever)
                except (OSError, ValueError): pass
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        """)
        + RIGHT
    )
    assert verdict(session.check("practice", Questions.of(CASES))).passed


def test_a_call_knows_no_case_but_its_own_and_the_earlier_ones(session):
    session.run(
        textwrap.dedent("""
            import gc
            calls = 0
            def practice(x):
                global calls
                calls += 1
                known = sum(type(o).__name__ == "Case" for o in gc.get_objects())
                return 2 * x if known <= calls else None
        """)
    )
    assert verdict(session.check("practice", Questions.of(CASES))).passed


def test_more_than_there_is_room_for_is_not_read(session):
    session.run("def practice(x): return np.zeros(1 << 20)")
    reply = session.check("practice", Questions.of(CASES, [1 << 20] * len(CASES)))
    assert reply.flag == "unreadable" and len(reply.outcomes) == len(CASES)
    assert "or too much" in verdict(reply).message


def test_a_session_holds_one_channel_and_nothing_else_of_the_graders(session):
    kinds = says(
        session, "sorted(os.readlink(f).split(':')[0] for f in glob.glob('/proc/self/fd/*') if os.path.exists(f))"
    )
    assert set(eval(kinds)) <= {"/dev/null", "socket", f"/proc/{os.getpid()}/fd"} | {"/proc/2/fd"}
    assert eval(kinds).count("socket") == 1


def test_torch_computes_and_differentiates_inside():
    with BubblewrapSandbox(["import torch"], ["practice"], Limits(grace=60)) as sandbox, sandbox.session() as session:
        source = """
            import torch
            layer = torch.nn.Conv2d(1, 2, 3)
            layer(torch.ones(1, 1, 8, 8)).sum().backward()
            torch.get_num_threads(), tuple(layer.weight.grad.shape), len(__import__("os").listdir("/proc/self/task"))
        """
        assert says(session, source) == "(1, (2, 1, 3, 3), 1)"


# The parts, alone


def test_children_are_found_with_the_kernels_list_and_without():
    with subprocess.Popen(["sleep", "1000"]) as child:
        try:
            assert child.pid in processes.children(os.getpid())
            assert processes.by_parent(os.getpid()) == processes.children(os.getpid())
        finally:
            child.kill()


def behind_the_wall(tmp_path, script, *, more=()):
    """Run a script behind the outer wall, as the warm process is."""
    command = [*bubblewrap.wall(tmp_path), *more, sys.executable, "-P", "-c", textwrap.dedent(script)]
    return subprocess.run(command, env=bubblewrap.environment(), capture_output=True, text=True, timeout=120)


PREAMBLE = """
import os, signal, sys
from autograder.sandbox import confine, kernel, landlock
confine.give_up_root()
kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
reading, writing = os.pipe()
bounds = confine.Bounds(1 << 28, 1 << 20, 8)
"""


def test_what_cannot_be_confined_is_refused_with_the_reason(tmp_path):
    script = """
        for bounds in (confine.Bounds(1 << 28, -1, 8), confine.Bounds(1 << 28, 1 << 20, 0)):
            try: confine.fork(lambda: None, bounds, writing)
            except confine.Refused as refused: print(refused)
    """
    done = behind_the_wall(tmp_path, PREAMBLE + textwrap.dedent(script))
    reasons = ["mount tmpfs on /home/student: Invalid argument", "Resource temporarily unavailable"]
    assert done.stdout.splitlines() == reasons, done.stderr


def test_the_init_of_a_session_takes_everything_with_it(tmp_path):
    script = """
        def work():
            for _ in range(3):
                if os.fork() == 0:
                    os.setsid()
                    os.write(writing, b".")
                    signal.pause()
            signal.pause()
        init = confine.fork(work, bounds, writing)
        os.close(writing)
        for _ in range(3): os.read(reading, 1)
        os.kill(init, signal.SIGKILL)
        os.waitpid(init, 0)
        print([name for name in os.listdir("/proc") if name.isdigit() and int(name) > os.getpid()], os.read(reading, 1))
    """
    done = behind_the_wall(tmp_path, PREAMBLE + textwrap.dedent(script))
    assert done.stdout == "[] b''\n", done.stderr


@pytest.mark.parametrize("with_landlock", [True, False])
def test_a_session_cannot_write_into_its_init(with_landlock, tmp_path):
    script = f"""
        if not {with_landlock}: landlock.version = lambda: 0
        def work():
            try: os.open("/proc/1/mem", os.O_RDWR)
            except OSError as error: os.write(writing, error.strerror.encode())
            os.write(writing, b"; " + str(os.access("/proc/self/mem", os.R_OK)).encode())
            with open("/proc/1/status") as status: os.write(writing, status.read().encode())
        init = confine.fork(work, bounds, writing)
        os.close(writing)
        with open(reading) as pipe: print(pipe.read())
    """
    done = behind_the_wall(tmp_path, PREAMBLE + textwrap.dedent(script))
    assert done.stdout.startswith("Permission denied; True"), done.stdout + done.stderr
    assert "Seccomp:\t2" in done.stdout


def test_landlock_alone_keeps_from_writing(tmp_path):
    if not landlock.version():
        assert os.environ.get("CI") != "true", "this kernel has no Landlock, so that a wall remains untried"
        [finding] = [finding for finding in survey().findings if finding.what == "Landlock"]
        assert not finding.fine
        return
    script = """
        def can(path):
            try: open(path, "w").close()
            except OSError: return False
            return True
        os.mkdir("/tmp/in"); os.mkdir("/tmp/out")
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        before = can("/tmp/out/before")
        landlock.restrict(readable=["/"], writable=["/tmp/in"], devices=["/dev"])
        print([before, can("/tmp/out/after"), can("/tmp/in/after"), os.access("/usr", os.R_OK) and can("/tmp/x")])
    """
    done = behind_the_wall(tmp_path, PREAMBLE + textwrap.dedent(script))
    assert done.stdout == "[True, False, True, False]\n", done.stderr


def test_a_sandbox_that_does_not_hold_is_lost_with_the_reason(monkeypatch):
    # Without privileges of its own, the outer wall cannot be built around a folder that is not there.
    monkeypatch.setattr(bubblewrap, "PARTS", bubblewrap.PARTS | {"more": Path("/proc/1/root/nowhere")})
    monkeypatch.setattr(bubblewrap, "_course", lambda: ["--ro-bind", "/nowhere", "/course"])
    with pytest.raises(Lost, match="the sandbox does not start: bwrap: Can't find source path /nowhere"):
        BubblewrapSandbox(limits=LIMITS)
