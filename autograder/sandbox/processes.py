"""Processes, as /proc shows them."""

import contextlib
import os


def children(pid):
    """Processes whose parent this one is; none where there is no /proc."""
    if not os.path.exists("/proc/thread-self/children"):
        return by_parent(pid)
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found.update(map(int, file.read().split()))
    return found


def by_parent(pid):
    """The same, found by looking at every process, as it takes where the kernel keeps no lists of children."""
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []
    return {number for number in numbers if status(number, "PPid") == str(pid)}


def descendants(pid):
    """The living among the processes below one."""
    found, look = set(), [pid]
    while look:
        for child in children(look.pop()) - found:
            found.add(child)
            look.append(child)
    return {pid for pid in found if status(pid, "State").split(" ")[0] not in ("Z", "X", "")}


def status(pid, *names):
    """Fields of a process as text, "" where it is gone; one field alone, or a list of several."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            text = f"\n{file.read()}"
    except (FileNotFoundError, ProcessLookupError):
        text = ""
    values = [text.partition(f"\n{name}:\t")[2].partition("\n")[0] for name in names]
    return values[0] if len(values) == 1 else values


def pid_inside(pid):
    """The number that a process has in the innermost of its namespaces, None where it is gone."""
    numbers = status(pid, "NSpid").split()
    return int(numbers[-1]) if numbers else None


def depth(pid):
    """In how many nested namespaces a process is, as seen from here; 0 where it is gone."""
    return len(status(pid, "NSpid").split())


def memory(pid):
    """Bytes that a process holds in memory or swap and shares with no file, counted in full where it shares them."""
    return sum(_bytes(field) for field in status(pid, "RssAnon", "RssShmem", "VmSwap"))


def own_memory(pid):
    """The same, with what several processes share divided by their number; None where that cannot be read."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file if line.startswith(("Pss_", "SwapPss")))
    except OSError:
        return None
    return sum(_bytes(fields.get(name, "0")) for name in ("Pss_Anon", "Pss_Shmem", "SwapPss"))


def _bytes(field):
    return int(field.split()[0]) << 10 if field.strip() else 0
