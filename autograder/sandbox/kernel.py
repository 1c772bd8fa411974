"""The system calls that Python has no function for, by ctypes: namespaces, mounts, privileges.

Each raises OSError, with the name of the call, where the kernel refuses.
"""

import ctypes
import functools
import os
import re

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000

MADV_COLLAPSE = 25

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_CAPABILITIES_V3 = 0x20080522


@functools.cache
def _libc():
    return ctypes.CDLL(None, use_errno=True)


def checked(result, call):
    """``result``, or an OSError where it is -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def syscall(name, number, *arguments):
    """A system call that libc has no function for."""
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return checked(_libc().syscall(ctypes.c_long(number), *values), name)


def unshare(flags):
    checked(_libc().unshare(flags), "unshare")


def mount(kind, target, flags=MS_NOSUID | MS_NODEV, options=""):
    """Mount a new file system of a kind, "proc" or "tmpfs"."""
    arguments = kind.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    checked(_libc().mount(*arguments), f"mount {kind} on {target}")


def bind(folder, target):
    """Show an open folder or file, and what is mounted below it, at another place, as it is."""
    arguments = f"/proc/self/fd/{folder}".encode(), os.fsencode(target), None, ctypes.c_ulong(MS_BIND | MS_REC), None
    checked(_libc().mount(*arguments), f"mount {target}")


def mounts():
    """Where something is mounted, in the order of mounting."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        # Blanks and backslashes stand there as octal numbers.
        return [re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), line.split(" ")[4]) for line in file]


def prctl(option, value=0, third=0):
    arguments = (ctypes.c_ulong(number) for number in (value, third, 0, 0))
    return checked(_libc().prctl(option, *arguments), "prctl")


def take_large_pages():
    """Have the memory that the process has written to in few large pages, as far as the kernel can (Linux 6.1)."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        places = [line.split() for line in file]
    for addresses, access, _, _, inode, *_ in places:
        if access == "rw-p" and inode == "0":
            start, end = (int(address, 16) for address in addresses.split("-"))
            _libc().madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_COLLAPSE)


def map_ids(inside):
    """Map the ids of the process before ``unshare(CLONE_NEWUSER)`` to an id inside.

    Args:
        inside: ``(id inside, uid outside, gid outside)``.
    """
    new, uid, gid = inside
    for name, text in (("setgroups", "deny"), ("uid_map", f"{new} {uid} 1"), ("gid_map", f"{new} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def drop_capabilities():
    """Give up every capability, for this process and whatever it starts, for good."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:  # one more than the kernel knows
            break
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    checked(_libc().capset(header, none), "capset")
