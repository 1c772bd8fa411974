"""Landlock: file access, connections and signals that a process gives up for itself (linux/landlock.h).

A second wall behind the mount namespace: a path that got into the sandbox by mistake can still not be written.
"""

import ctypes
import os
import struct

from autograder.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
# By version: the rights about files that exist from it on, all of them together.
_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_DEVICES = _READ | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
_TCP_FROM, _TCP = 4, 0b11  # binding and connecting
_SCOPES_FROM, _SCOPES = 6, 0b11  # abstract sockets and signals


def version():
    """The version of Landlock that the kernel has, 0 for none."""
    try:
        return kernel.syscall("landlock_create_ruleset", _CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(readable, writable, devices):
    """Give up, for good, everything but reading below some folders, writing below others, and using devices.

    TCP, and signals and abstract sockets of processes outside go, too, where the kernel can do that.
    New privileges must be given up before. Raises OSError.
    """
    known = version()
    files = max(rights for since, rights in _FILES.items() if since <= known)
    ruleset = struct.pack("QQQ", files, _TCP if known >= _TCP_FROM else 0, _SCOPES if known >= _SCOPES_FROM else 0)
    # The fields that a kernel does not know are not handed to it.
    size = 8 if known < _TCP_FROM else 16 if known < _SCOPES_FROM else 24
    rules = kernel.syscall("landlock_create_ruleset", _CREATE_RULESET, ctypes.c_char_p(ruleset), size, 0)
    try:
        for folders, rights in ((readable, _READ), (writable, files), (devices, _DEVICES)):
            for folder in folders:
                _allow(rules, folder, rights & files)
        kernel.syscall("landlock_restrict_self", _RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules, folder, rights):
    fd = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, fd)
        kernel.syscall("landlock_add_rule", _ADD_RULE, rules, _PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(fd)
