"""The pipe and the buffer, between real sockets."""

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from transit_relay.descriptor import Descriptor
from transit_relay.links.mover import Buffer, Mover
from transit_relay.links.pipe import LEAST, Pipe, RefusedError

MIB = 1 << 20


def pipes() -> int:
    """How many ends of pipes this process has."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += str(link.readlink()).startswith("pipe:")
    return found


class MoverCase(SynchronousTestCase):
    """A peer that sends, one that receives, and the relay's sockets to them."""

    def setUp(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as port:
            self.sender, self.source = self.connect(port)
            self.receiver, self.target = self.connect(port)

    def connect(self, port: socket.socket) -> tuple[socket.socket, Descriptor]:
        peer = socket.create_connection(port.getsockname())
        relay, _ = port.accept()
        relay.setblocking(False)
        peer.settimeout(5)
        self.addCleanup(peer.close)
        self.addCleanup(relay.close)
        return peer, Descriptor(cast("Any", self), relay)

    def check(self, mover: Mover) -> None:
        """What goes in comes out, behind its head; nothing stays."""
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
        """What the target does not take comes back, and nothing is lost or there twice."""
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
        """A head that finds no room comes back, with all that is behind it."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.target.socket.send(bytes(MIB))
        self.sender.sendall(b"abc")
        mover.fill(self.source, 3)
        self.assertEqual(mover.empty(self.target, b"head"), b"headabc")

    def check_lost(self, mover: Mover) -> None:
        """When the target is gone, what was for it is gone, and others do not see it."""
        self.target.socket.shutdown(socket.SHUT_RDWR)
        self.sender.sendall(b"secret")
        mover.fill(self.source, 6)
        with self.assertRaises(OSError):
            mover.empty(self.target, b"")
        self.sender.sendall(b"next")
        mover.fill(self.source, 4)
        self.assertEqual(mover.empty(self.source, b""), b"")
        self.assertEqual(self.sender.recv(100), b"next")


class BufferTests(MoverCase):
    """`Buffer`."""

    def test_moves(self) -> None:
        """Bytes go through, in order."""
        self.check(Buffer())

    def test_full(self) -> None:
        """A target that takes no more."""
        self.check_full(Buffer())

    def test_head(self) -> None:
        """A target that does not even take the head."""
        self.check_head(Buffer())

    def test_lost(self) -> None:
        """A target that is gone."""
        self.check_lost(Buffer())


class PipeTests(MoverCase):
    """`Pipe`."""

    def make(self, size: int = MIB) -> Pipe:
        pipe = Pipe.make(size)
        self.addCleanup(pipe.close)
        return pipe

    def test_moves(self) -> None:
        """Bytes go through, in order."""
        self.check(self.make())

    def test_full(self) -> None:
        """A target that takes no more."""
        self.check_full(self.make())

    def test_head(self) -> None:
        """A target that does not even take the head."""
        self.check_head(self.make())

    def test_lost(self) -> None:
        """A target that is gone."""
        self.check_lost(self.make())

    def test_left_behind(self) -> None:
        """Bytes that were left behind, by an exception of ours, never reach anybody else."""
        pipe = self.make()
        before = pipes()
        self.sender.sendall(b"secret")
        pipe.fill(self.source, 6)
        self.sender.sendall(b"mine")
        self.assertEqual(pipe.fill(self.source, 4), 4)
        self.assertEqual(pipe.empty(self.target, b""), b"")
        self.assertEqual(self.receiver.recv(100), b"mine")
        self.assertEqual(pipes(), before)

    def test_size(self) -> None:
        """It has the size that was wanted, and is never larger."""
        for size in (LEAST, 256 * 1024, MIB):
            pipe = self.make(size)
            self.assertEqual(pipe.size, size)
            self.assertEqual(fcntl.fcntl(pipe._entry, fcntl.F_GETPIPE_SZ), size)

    def test_too_small(self) -> None:
        """One that is too small to be of use is none."""
        before = pipes()
        with self.assertRaises(RefusedError):
            Pipe.make(4096)
        self.assertEqual(pipes(), before)

    def test_closed(self) -> None:
        """A closed one refuses, and has taken nothing."""
        pipe = Pipe.make(MIB)
        pipe.close()
        self.sender.sendall(b"abc")
        with self.assertRaises(RefusedError):
            pipe.fill(self.source, 3)
        self.assertEqual(self.source.socket.recv(3, socket.MSG_WAITALL), b"abc")

    def test_no_splice(self) -> None:
        """What the kernel cannot splice from is refused."""
        self.source.fileno = os.eventfd(0)
        self.addCleanup(os.close, self.source.fileno)
        with self.assertRaises(RefusedError):
            self.make().fill(self.source, 100)
