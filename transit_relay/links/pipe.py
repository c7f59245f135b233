"""
The pipe through which the kernel moves bytes from socket to socket.

Owns its two descriptors, its size, and the rule that makes one pipe enough for all pairs: whoever fills it
empties it in the same turn. So it takes the kernel memory of one pipe, however many pairs there are and
whatever their peers do.
"""

import contextlib
import errno
import fcntl
import os
import socket
import sys
from typing import Final

import attrs

from transit_relay.descriptor import Descriptor

LEAST: Final = 64 * 1024
"""
Bytes below which a pipe costs more than this process's memory does. The kernel gives smaller ones to a user
that has used up what it allows in all.
"""

_TURN_FILLS: Final = 2
_TURN_BYTES: Final = 2 << 20
"""
How often a pipe is filled in a turn, and bytes that are moved, at most: half a millisecond. Much less would
cost as much for the turn as for its bytes.
"""

_PLATFORM_ERRORS: Final = frozenset(
    {
        errno.EINVAL,  # the file system, or the kind of socket, has no splice
        errno.ENOSYS,  # the kernel has none, or a sandbox says so
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EACCES,
        errno.ENOMEM,
        errno.ENFILE,
        errno.EMFILE,
        errno.EBADF,  # the pipe was closed: the relay is stopping
    }
)
"""Errors that are about this machine, and not about the connection."""

_FLAGS: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK if sys.platform == "linux" else 0
_HEAD_FLAGS: Final = socket.MSG_DONTWAIT | getattr(socket, "MSG_MORE", 0)


class RefusedError(Exception):
    """The kernel does not splice, or gives no pipe; the text says why. No byte was moved."""


@attrs.define(eq=False)
class Pipe:
    """
    A pipe, empty between turns; a `transit_relay.links.mover.Mover`.

    :ivar size: bytes that it holds, and moves at once at most.
    """

    size: int
    _wanted: int
    _exit: int
    _entry: int
    _held: int = 0

    @property
    def turn(self) -> int:
        """See `Mover.turn`."""
        return min(_TURN_FILLS * self.size, _TURN_BYTES)

    @classmethod
    def make(cls, wanted: int) -> "Pipe":
        """
        Make a pipe of `wanted` bytes, or as near to that as the kernel allows.

        :raises RefusedError: the kernel gives none, or only one that is too small to be of use.
        """
        if sys.platform != "linux":
            raise RefusedError("only Linux has splice")
        try:
            ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise RefusedError(f"no pipe: {error.strerror}") from error
        pipe = cls(0, wanted, *ends)
        pipe.grow()
        if not pipe.size:
            try:
                pipe.size = fcntl.fcntl(pipe._entry, fcntl.F_GETPIPE_SZ)
            except OSError as error:
                pipe.close()
                raise RefusedError(f"no size of a pipe: {error.strerror}") from error
        if pipe.size < LEAST:
            pipe.close()
            raise RefusedError(
                f"no pipe of more than {pipe.size} bytes: "
                "the user has used up /proc/sys/fs/pipe-user-pages-soft"
            )
        return pipe

    def grow(self) -> None:
        """Ask for the wanted size again, or half of it, and so on: others may have freed memory since."""
        wanted = self._wanted
        while wanted > self.size:
            with contextlib.suppress(OSError):
                self.size = fcntl.fcntl(self._entry, fcntl.F_SETPIPE_SZ, wanted)
            wanted //= 2

    def close(self) -> None:
        """Free its memory. `fill` raises `RefusedError` after that."""
        os.close(self._exit)
        os.close(self._entry)
        self._exit = self._entry = -1

    def fill(self, source: Descriptor, most: int) -> int:
        """
        See `Mover.fill`.

        :raises BlockingIOError: nothing has arrived. (The pipe cannot be full.)
        :raises RefusedError: the kernel does not splice from this socket, or the pipe was closed.
        :raises OSError: the connection is lost.
        """
        if self._held:
            self._replace()
        try:
            self._held = os.splice(source.fileno, self._entry, most, flags=_FLAGS)
        except OSError as error:
            if error.errno in _PLATFORM_ERRORS:
                raise RefusedError(f"no splice: {error.strerror}") from error
            raise
        return self._held

    def empty(self, target: Descriptor, head: bytes) -> bytes:
        """See `Mover.empty`."""
        try:
            if head:
                head = head[target.socket.send(head, _HEAD_FLAGS) :]
            while self._held and not head:
                self._held -= os.splice(self._exit, target.fileno, self._held, flags=_FLAGS)
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in _PLATFORM_ERRORS:
                self._read_rest()
                raise
        return head + self._read_rest() if self._held else b""

    def _read_rest(self) -> bytes:
        pieces = []
        while self._held:
            pieces.append(os.read(self._exit, self._held))
            self._held -= len(pieces[-1])
        return b"".join(pieces)

    def _replace(self) -> None:
        """Use a new pipe: an exception left bytes in this one, which no other pair may get."""
        fresh = Pipe.make(self._wanted)
        self.close()
        self.size, self._exit, self._entry = fresh.size, fresh._exit, fresh._entry  # noqa: SLF001
        self._held = 0
