"""Real sockets and pipes for the tests of movers, and what every mover must do."""

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from tests.tcp import connect_pair
from transit_relay.descriptor import Descriptor
from transit_relay.links.mover import Mover

MIB = 1 << 20


def pipe_ends() -> int:
    """The number of pipe ends that this process has open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(
            FileNotFoundError
        ):  # the descriptor that lists them is closed by now
            found += str(link.readlink()).startswith("pipe:")
    return found


class FakeKernel:
    """
    The kernel's limit on pipes, in place of `fcntl`.

    :ivar allowed: bytes that a pipe may have; more is refused. With 0 no question is answered either.
    """

    F_SETPIPE_SZ = fcntl.F_SETPIPE_SZ
    F_GETPIPE_SZ = fcntl.F_GETPIPE_SZ

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed

    def fcntl(self, descriptor: int, command: int, size: int = 0) -> int:
        if size > self.allowed or not self.allowed:
            raise PermissionError
        return fcntl.fcntl(descriptor, command, size)


class MoverCase(SynchronousTestCase):
    """A sending peer, a receiving peer, and the relay's sockets to them."""

    def setUp(self) -> None:
        self.sender, self.source = self.connect()
        self.receiver, self.target = self.connect()

    def connect(self) -> tuple[socket.socket, Descriptor]:
        peer, relay = connect_pair(self)
        relay.setblocking(False)
        return peer, Descriptor(cast("Any", self), relay)

    def check(self, mover: Mover) -> None:
        """Everything that was taken is sent, behind its head."""
        with self.assertRaises(BlockingIOError):
            mover.fill(self.source, 100)
        self.sender.sendall(b"abcdef")
        self.assertEqual(mover.fill(self.source, 4), 4)
        self.assertEqual(mover.empty(self.target, b"[4]"), b"")
        self.assertEqual(mover.fill(self.source, 100), 2)
        self.assertEqual(mover.empty(self.target, b""), b"")
        self.assertEqual(self.receiver.recv(9, socket.MSG_WAITALL), b"[4]abcdef")
        self.sender.close()
        self.assertEqual(mover.fill(self.source, 100), 0)

    def check_full(self, mover: Mover) -> None:
        """What the target does not take is returned, and nothing is lost or repeated."""
        sent = os.urandom(64 * 1024)
        taken, kept = 0, b""
        while not kept:
            self.sender.sendall(sent)
            count = 0
            while count < len(sent) and not kept:
                number = mover.fill(self.source, len(sent) - count)
                kept = mover.empty(self.target, b"")
                count += number
            taken += count
        got = b""
        while len(got) < taken - len(kept):
            got += self.receiver.recv(MIB)
        got += kept
        self.assertTrue((sent * (taken // len(sent) + 1)).startswith(got))
        self.assertEqual(len(got), taken)
        with self.assertRaises(BlockingIOError):
            self.receiver.setblocking(False)
            self.receiver.recv(1)

    def check_head(self, mover: Mover) -> None:
        """A head that the target does not take is returned, with everything behind it."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.target.socket.send(bytes(MIB))
        self.sender.sendall(b"abc")
        mover.fill(self.source, 3)
        self.assertEqual(mover.empty(self.target, b"head"), b"headabc")

    def check_lost(self, mover: Mover) -> None:
        """When the target is lost, so is what was for it, and no other connection gets it."""
        self.target.socket.shutdown(socket.SHUT_RDWR)
        self.sender.sendall(b"secret")
        mover.fill(self.source, 6)
        with self.assertRaises(OSError):
            mover.empty(self.target, b"")
        self.sender.sendall(b"next")
        mover.fill(self.source, 4)
        self.assertEqual(mover.empty(self.source, b""), b"")
        self.assertEqual(self.sender.recv(100), b"next")
