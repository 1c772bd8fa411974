"""The system calls that a student's process may not make: a filter that the kernel runs before each.

The filter is a program for the kernel's classic BPF machine (linux/filter.h, linux/seccomp.h). What NumPy, PyTorch or
matplotlib need differs from version to version, so it names what is refused: ways to other processes, to mounts and
namespaces, to kernel features that few programs use and many exploits did, and to memory that no limit counts.
"""

import ctypes
import errno
import platform
import struct

from autograder.sandbox import kernel

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
# Where struct seccomp_data has the call's number, the architecture, and the lower half of an argument.
_NUMBER, _ARCHITECTURE = 0, 4
_ARGUMENTS = [16 + 8 * i for i in range(6)]

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_NAMESPACES = 0x7E020080  # every CLONE_NEW flag
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: those that a namespace of the network holds in
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX


# By name: the number on x86_64, on aarch64. None where there is no such call.
REFUSED = {
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # Mounts and namespaces.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    # What has let programs out of sandboxes before.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "vmsplice": (278, 75),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    # Memory that belongs to no process and to no file system of ours.
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # The machine. An unprivileged process may not do these anyway.
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
}
# Looked at closer.
_CLONE, _CLONE3, _SOCKET, _IOCTL = (56, 220), (435, 435), (41, 198), (16, 29)
_LAST_KNOWN = 462
"""Calls that were added to Linux later answer as if they did not exist yet."""
_X32 = 0x40000000
"""Numbers from here on are a second way to the calls of x86_64."""

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def program(machine):
    """The filter for a machine, "x86_64" or "aarch64", as the kernel reads it. KeyError for another one."""
    column, architecture = ARCHITECTURES[machine]
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_JUMP_EQUAL, architecture, 1, 0),
        _line(_RETURN, _KILL_PROCESS),
        _line(_LOAD, _NUMBER),
        _line(_JUMP_GREATER, _LAST_KNOWN, 0, 1),
        _refuse(errno.ENOSYS),
    ]
    for numbers in REFUSED.values():
        if numbers[column] is not None:
            lines += [_line(_JUMP_EQUAL, numbers[column], 0, 1), _refuse(errno.EPERM)]
    # The C library then uses clone, whose flags can be seen.
    lines += [_line(_JUMP_EQUAL, _CLONE3[column], 0, 1), _refuse(errno.ENOSYS)]
    for number, argument, look in (
        (_CLONE[column], 0, [_line(_JUMP_SET, _NAMESPACES, 0, 1), _refuse(errno.EPERM)]),
        (_IOCTL[column], 1, _any_of(_TERMINAL_INPUT, _refuse(errno.EPERM), _line(_RETURN, _ALLOW))),
        (_SOCKET[column], 0, _any_of(_FAMILIES, _line(_RETURN, _ALLOW), _refuse(errno.EAFNOSUPPORT))),
    ):
        block = [_line(_LOAD, _ARGUMENTS[argument]), *look, _line(_RETURN, _ALLOW)]
        lines += [_line(_JUMP_EQUAL, number, 0, len(block)), *block]
    return b"".join([*lines, _line(_RETURN, _ALLOW)])


def missing():
    """Why there is no filter for this machine, or ""."""
    return "" if platform.machine() in ARCHITECTURES else f"no filter for a machine of the kind {platform.machine()}"


def install():
    """Apply the filter to this process and whatever it starts, for good; new privileges must be given up before.

    Raises OSError where the kernel has no filters, KeyError where there is none for this machine.
    """
    code = program(platform.machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog; both buffers must live until the call is over.
    filter_of = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer)))
    kernel.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_of))


def _line(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def _refuse(number):
    return _line(_RETURN, _ERRNO | number)


def _any_of(values, then, otherwise):
    return [part for value in values for part in (_line(_JUMP_EQUAL, value, 0, 1), then)] + [otherwise]
