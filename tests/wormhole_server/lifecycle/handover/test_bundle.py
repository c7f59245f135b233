"""Tests of `wormhole_server.lifecycle.handover.bundle`, with real descriptors."""

from __future__ import annotations

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.lifecycle.handover import bundle
from wormhole_server.lifecycle.handover.bundle import NoBundleError, close_all, pack, unpack


def _descriptors() -> set[str]:
    """All that this process has open."""
    return set(os.listdir("/proc/self/fd"))


class BundleTests(SynchronousTestCase):
    def test_many(self) -> None:
        """More sockets than one message takes arrive in their order, after everything else is closed."""
        pairs = [socket.socketpair() for _ in range(600)]
        ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
        self.addCleanup(close_all, ours)
        description = b"x" * 1_000_000
        reading = pack(description, theirs)
        close_all(theirs)
        described, sockets = unpack(reading)
        self.addCleanup(close_all, sockets)
        self.assertEqual(described, description)
        for place, (one, other) in enumerate(zip(ours, sockets, strict=True)):
            other.sendall(b"%d" % place)
            self.assertEqual(one.recv(10), b"%d" % place)
            self.assertFalse(os.get_inheritable(other.fileno()))

    def test_none(self) -> None:
        """A bundle may hold nothing but what describes it, and leaves no descriptor open."""
        before = _descriptors()
        self.assertEqual(unpack(pack(b"nothing", [])), (b"nothing", []))
        self.assertEqual(_descriptors(), before)

    def test_kept(self) -> None:
        """Connections stay open as long as the bundle is kept, and end with it."""
        one, other = socket.socketpair()
        reading = pack(b"", [other])
        close_all([other])
        one.sendall(b"unread")
        one.settimeout(0.0)
        self.assertRaises(BlockingIOError, one.recv, 1)
        os.close(reading)
        one.settimeout(10.0)
        with one:
            self.assertRaises(ConnectionResetError, one.recv, 1)  # bytes were left unread

    def test_too_many(self) -> None:
        """More than the kernel takes is an error, which leaves nothing open."""
        self.patch(bundle, "_AT_ONCE", 1)
        self.patch(bundle, "_WAIT_SECONDS", 0.01)
        one, other = socket.socketpair()
        with one, other:
            before = _descriptors()
            self.assertRaises(OSError, pack, b"", [other] * 2000)
            self.assertEqual(_descriptors(), before)

    def test_unfinished(self) -> None:
        """A bundle that does not end is refused in time, and what had come is closed."""
        self.patch(bundle, "_WAIT_SECONDS", 0.01)
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with one:
            before = _descriptors()
            socket.send_fds(one, [b"."], [one.fileno()])
            self.assertRaises(NoBundleError, unpack, other.detach())
            self.assertEqual(len(_descriptors()), len(before) - 1)

    def test_something_else(self) -> None:
        """What is no bundle is refused."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        one.close()
        self.assertRaises(NoBundleError, unpack, other.detach())
        no_socket, writing = os.pipe()
        os.close(writing)
        self.assertRaises(NoBundleError, unpack, no_socket)
        os.close(no_socket)
