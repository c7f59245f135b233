"""
The processor time of another process, to the moment.

/proc brings that of a running thread up to date every 4 ms only, which is more than a step takes. A counter
of perf_event_open(2) is exact; where that is not allowed, /proc has to do.
"""

import ctypes
import os
import platform
import struct
from pathlib import Path

_SYSCALL = {"x86_64": 298, "aarch64": 241}
_SOFTWARE, _TASK_CLOCK = 1, 1  # linux/perf_event.h, like the two below
_ATTRIBUTES_BYTES = 64  # PERF_ATTR_SIZE_VER0
_CLOSE_ON_EXEC = 8
_ANY_CPU = _NO_GROUP = -1


class ProcessorClock:
    """
    The processor time of all threads that a process has by now.

    :ivar exact: whether it is that of the moment.
    """

    def __init__(self, pid: int) -> None:
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
        try:
            self._files = [_open_counter(thread) for thread in threads]
            self.exact = True
        except OSError:
            paths = [f"/proc/{pid}/task/{thread}/schedstat" for thread in threads]
            self._files = [os.open(path, os.O_RDONLY) for path in paths]
            self.exact = False

    def seconds(self) -> float:
        """Return seconds since some moment before the first call."""
        if self.exact:
            return sum(int.from_bytes(os.read(file, 8), "little") for file in self._files) / 1e9
        return sum(int(os.pread(file, 64, 0).split()[0]) for file in self._files) / 1e9


def _open_counter(thread: int) -> int:
    """
    Open the counter of a thread's processor time.

    :raises OSError: that is not allowed, or unknown here.
    """
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise OSError("perf_event_open has no known number on this machine")
    fields = struct.pack("=IIQ", _SOFTWARE, _ATTRIBUTES_BYTES, _TASK_CLOCK)
    attributes = ctypes.create_string_buffer(fields, _ATTRIBUTES_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    file: int = libc.syscall(number, attributes, thread, _ANY_CPU, _NO_GROUP, _CLOSE_ON_EXEC)
    if file < 0:
        raise OSError(ctypes.get_errno(), "perf_event_open")
    return file
