"""
The pipe through which the kernel moves bytes from socket to socket.

Owns its two descriptors, its size, and the rule that makes one pipe enough for all pairs: whoever
fills it empties it before anybody else has a turn. So the kernel memory that it takes is that of
one pipe, however many pairs there are and whatever their peers do.
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
"""A smaller pipe, such as the kernel gives to a user who has used up what it allows in all, costs
more than going through the process."""

_PLATFORM: Final = frozenset(
    {
        errno.EINVAL,  # the file system, or the kind of socket, has no splice
        errno.ENOSYS,  # nor has the kernel, or a sandbox says so
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EACCES,
        errno.ENOMEM,
        errno.ENFILE,
        errno.EMFILE,
        errno.EBADF,  # the pipe has been closed: the relay is stopping
    }
)
"""What says something of this machine, and nothing of the connection."""

_FLAGS: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK if sys.platform == "linux" else 0
_HEAD_FLAGS: Final = socket.MSG_DONTWAIT | getattr(socket, "MSG_MORE", 0)


class RefusedError(Exception):
    """The kernel does not splice, or has no pipe for us; the text says why. Nothing has moved."""


@attrs.define(eq=False)
class Pipe:
    """
    One pipe, empty between turns; a `transit_relay.links.mover.Mover`.

    :ivar size: bytes that it is made for; what is moved at once.
    """

    size: int
    _wanted: int
    _exit: int
    _entry: int
    _held: int = 0

    @classmethod
    def make(cls, wanted: int) -> "Pipe":
        """
        A pipe of `wanted` bytes, or as near to that as the kernel allows.

        :raises RefusedError: there is none, or only one that is too small to be of use.
        """
        if sys.platform != "linux":
            raise RefusedError("only Linux has splice")
        try:
            ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise RefusedError(f"no pipe: {error.strerror}") from error
        pipe = cls(0, wanted, *ends)
        pipe.grow()
        if pipe.size < LEAST:
            pipe.close()
            raise RefusedError(
                f"no pipe of more than {pipe.size} bytes: "
                "the user has used up /proc/sys/fs/pipe-user-pages-soft"
            )
        return pipe

    def grow(self) -> None:
        """Ask for the wanted size, or half of it, and so on: what others use comes free again."""
        if self.size >= self._wanted:
            return
        wanted, size = self._wanted, fcntl.fcntl(self._entry, fcntl.F_GETPIPE_SZ)
        if wanted < size:
            size = fcntl.fcntl(self._entry, fcntl.F_SETPIPE_SZ, wanted)
        while wanted > size:
            with contextlib.suppress(OSError):
                size = fcntl.fcntl(self._entry, fcntl.F_SETPIPE_SZ, wanted)
            wanted //= 2
        self.size = size

    def close(self) -> None:
        """Give its memory back. Whoever comes to fill it after that is refused."""
        os.close(self._exit)
        os.close(self._entry)
        self._exit = self._entry = -1

    def fill(self, source: Descriptor, most: int) -> int:
        """
        Take up to `most` bytes from `source`; 0 says that there will be no more.

        :raises BlockingIOError: there are none just now. (It cannot be that the pipe is full.)
        :raises RefusedError: the kernel does not do this.
        :raises OSError: the connection is lost.
        """
        if self._held:
            self._renew()
        try:
            self._held = os.splice(source.fileno, self._entry, most, flags=_FLAGS)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno in _PLATFORM:
                raise RefusedError(f"no splice: {error.strerror}") from error
            raise
        return self._held

    def empty(self, target: Descriptor, head: bytes) -> bytes:
        """
        Hand `head` and then all that is in here on to `target`; returns what it does not take.

        :raises OSError: the connection is lost, and with it what was in here.
        """
        try:
            if head:
                head = head[target.socket.send(head, _HEAD_FLAGS) :]
            while self._held and not head:
                self._held -= os.splice(self._exit, target.fileno, self._held, flags=_FLAGS)
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in _PLATFORM:
                self._rest()
                raise
        return head + self._rest() if self._held else b""

    def _rest(self) -> bytes:
        pieces = []
        while self._held:
            pieces.append(os.read(self._exit, self._held))
            self._held -= len(pieces[-1])
        return b"".join(pieces)

    def _renew(self) -> None:
        """Nobody may ever see what another has left: some exception came in between."""
        fresh = Pipe.make(self._wanted)
        self.close()
        self.size, self._exit, self._entry = fresh.size, fresh._exit, fresh._entry  # noqa: SLF001
        self._held = 0
