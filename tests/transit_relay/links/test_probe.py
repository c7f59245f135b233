"""The probe of the kernel, with real sockets; and with a kernel that refuses something."""

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from transit_relay.links.pipe import Pipe, RefusedError
from transit_relay.links.probe import probe

MIB = 1 << 20


class ProbeTests(SynchronousTestCase):
    """`probe`."""

    def setUp(self) -> None:
        self.pipe = Pipe.make(MIB)
        self.addCleanup(self.pipe.close)
        self.splice = os.splice

    def refuse_splice_from(self, end: int) -> None:
        """Let the kernel refuse to splice from this descriptor."""

        def splice(source: int, *rest: Any, **options: Any) -> int:
            if source == end:
                raise OSError(errno.EPERM, "Operation not permitted")
            return self.splice(source, *rest, **options)

        self.patch(os, "splice", splice)

    def refuse_sockets(self, refused: Callable[[int], bool]) -> None:
        """Let the machine not have some kinds of TCP."""
        create_server = socket.create_server

        def create(address: Any, *, family: int) -> socket.socket:
            if refused(family):
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return create_server(address, family=family)

        self.patch(socket, "create_server", create)

    def test_works(self) -> None:
        """Nothing happens where the kernel splices, and the pipe is empty afterwards."""
        before = set(os.listdir("/proc/self/fd"))
        probe(self.pipe)
        self.assertEqual(self.pipe._held, 0)
        self.assertEqual(set(os.listdir("/proc/self/fd")), before)

    def test_refused_to_the_pipe(self) -> None:
        """A kernel that refuses to splice from a socket."""
        self.patch(os, "splice", lambda *_, **__: os.close(-1))
        with self.assertRaisesRegex(RefusedError, "no splice: "):
            probe(self.pipe)

    def test_refused_from_the_pipe(self) -> None:
        """A kernel that refuses to splice to a socket."""
        self.refuse_splice_from(self.pipe._exit)
        with self.assertRaisesRegex(RefusedError, "no splice from a pipe to a socket"):
            probe(self.pipe)

    def test_nothing_moved(self) -> None:
        """A kernel that says that it has moved bytes, and has not."""
        self.patch(os, "splice", lambda *_, **__: 7)
        with self.assertRaisesRegex(RefusedError, "splice moves no bytes: timed out"):
            probe(self.pipe)

    def test_without_ipv4(self) -> None:
        """A machine without IPv4, and one without any loopback."""
        self.refuse_sockets(lambda family: family == socket.AF_INET)
        probe(self.pipe)
        self.refuse_sockets(lambda _: True)
        probe(self.pipe)
