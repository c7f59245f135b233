"""The socket beneath a transport, while a link has it."""

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.trial.unittest import SynchronousTestCase

from tests.tcp import connect_pair
from tests.transit_relay.fakes import FakeTransport
from transit_relay import descriptor
from transit_relay.descriptor import Descriptor, descriptor_of

MIB = 1 << 20


class FakeReactor(Clock):
    """A reactor that looks at nothing."""

    def removeReader(self, reader: object) -> None:  # noqa: N802 - the reactor's
        pass

    def removeWriter(self, writer: object) -> None:  # noqa: N802
        pass


class DescriptorCase(SynchronousTestCase):
    """A peer, and the relay's transport to it."""

    def setUp(self) -> None:
        self.peer, self.handle = connect_pair(self)
        self.transport = Connection(self.handle, cast("Any", None), cast("Any", FakeReactor()))
        self.transport.connected = 1

    def make(self) -> Descriptor:
        made = descriptor_of(cast("Any", self.transport))
        assert made is not None
        return made


class DescriptorOfTests(DescriptorCase):
    """`descriptor_of`."""

    def test_tcp(self) -> None:
        """Twisted's own transport has one."""
        self.assertEqual(self.make().fileno, self.handle.fileno())

    def test_others(self) -> None:
        """TLS, what is gone, and what is no socket have none."""
        self.assertIsNone(descriptor_of(FakeTransport(Clock())))
        self.transport.TLS = True
        self.assertIsNone(descriptor_of(cast("Any", self.transport)))
        self.transport.TLS, self.transport.connected = False, 0
        self.assertIsNone(descriptor_of(cast("Any", self.transport)))


class ReadTests(DescriptorCase):
    """Who reads."""

    def read(self) -> None:
        self.fail("nobody calls this here")

    def test_lent(self) -> None:
        """It is the link that reads, until it gives the socket back."""
        made = self.make()
        made.read_with(self.read)
        self.assertEqual(self.transport.doRead, self.read)
        made.give_back(self.read)
        self.assertNotIn("doRead", vars(self.transport))

    def test_aborted(self) -> None:
        """A transport that was aborted meanwhile reads nothing any more, given back or not."""
        made = self.make()
        made.read_with(self.read)
        self.transport.abortConnection()
        made.give_back(self.read)
        self.assertIn("doRead", vars(self.transport))


class RoomTests(DescriptorCase):
    """How many bytes the socket takes."""

    def send(self, length: int) -> int:
        return self.handle.send(bytes(length))

    def test_all_is_taken(self) -> None:
        """What is called room is taken, until there is none: then little waits in the kernel."""
        made = self.make()
        made.limit(65536)
        total = 0
        while room := made.room(65536):
            self.assertEqual(self.send(room), room)
            total += room
        self.handle.setblocking(False)
        self.peer.settimeout(5)
        got = 0
        while got < total:
            got += len(self.peer.recv(MIB))
        self.assertGreater(made.room(65536), 0)

    def test_at_most(self) -> None:
        """It is never more than the limit."""
        self.assertEqual(self.make().room(1000), 1000)

    def test_unknown(self) -> None:
        """Where the kernel does not say, the limit is tried."""
        self.patch(descriptor, "_SIOCOUTQNSD", 0)
        made = self.make()
        while True:
            try:
                self.handle.setblocking(False)
                self.send(MIB)
            except BlockingIOError:
                break
        self.assertEqual(made.room(5000), 5000)
