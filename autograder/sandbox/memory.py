"""Memory that two processes have in common, for arrays that are too large to be copied through a socket."""

import fcntl
import mmap
import os

import numpy as np

AVAILABLE = hasattr(os, "memfd_create")
"""On Linux."""


class SharedMemory:
    """One end's view of it; an array stands behind the one before.

    Either end may change it at any time: what is read from it is worth no more than what comes over the socket.

    Args:
        fd: a file descriptor of it, which this object owns.
    """

    def __init__(self, fd):
        self.fd = fd
        self._size = os.fstat(fd).st_size
        self._end = 0

    @classmethod
    def create(cls, size):
        """New memory of ``size`` bytes, which nobody can make smaller: reading it never fails."""
        fd = os.memfd_create("results", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return cls(fd)

    def close(self):
        """Arrays that have been read stay."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def write(self, array):
        """Put an array behind the ones before; where it begins, or None where there is no room for it."""
        start = self._end
        if start + array.nbytes > self._size:
            return None
        try:
            place = self._map(start, array.nbytes)
        except OSError:  # the process has mapped as much as it may
            return None
        np.ndarray(array.shape, array.dtype, place)[...] = array
        self._end = start + array.nbytes + -array.nbytes % mmap.ALLOCATIONGRANULARITY
        return start

    def read(self, start, size):
        """The bytes of the next array, not copied. Raises ValueError where it cannot be."""
        if start < self._end or start % mmap.ALLOCATIONGRANULARITY or not 0 < size <= self._size - start:
            raise ValueError("an array outside of the shared memory")
        self._end = start + size
        return np.frombuffer(self._map(start, size), np.uint8)

    def _map(self, start, size):
        # All pages at once, instead of one by one as they are touched.
        return mmap.mmap(self.fd, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=start)
