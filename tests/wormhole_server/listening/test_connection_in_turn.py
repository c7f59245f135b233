"""Tests of `wormhole_server.listening.connection_in_turn`."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.schedulers import make_scheduler
from tests.wormhole_server.listening.connections import Connection
from wormhole_server.listening.connection_in_turn import ConnectionInTurn


class Echo(Protocol):
    """Sends back what it gets."""

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol`."""
        assert self.transport is not None
        self.transport.write(data)


class ConnectionInTurnTests(SynchronousTestCase):
    """New connections, in a turn that has room for some."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.scheduler = make_scheduler(self.clock)
        self.served = Factory.forProtocol(Echo)
        self.factory = Factory()
        self.patch(self.factory, "buildProtocol", self.build)

    def build(self, address: IPv4Address) -> ConnectionInTurn:
        """A connection that waits for its turn."""
        return ConnectionInTurn(self.scheduler, self.served, address)

    def crowd(self) -> None:
        """Another address has used up what is opened in this turn."""
        for address in (1, 2):
            task = self.scheduler.new_task(address, lambda _: False, opening=True)
            self.scheduler.arrived(task)
            self.scheduler.spend(task, 1000)

    def test_at_once(self) -> None:
        """Where there is room, a connection is served at once."""
        connection = Connection(self.factory)
        connection.send(b"hello")
        self.assertIsInstance(connection.protocol, Echo)
        self.assertEqual(connection.received(), b"hello")

    def test_in_line(self) -> None:
        """Where there is none it waits for the next turn, and is not read."""
        self.crowd()
        connection = Connection(self.factory)
        self.assertEqual(connection.transport.producerState, "paused")
        connection.send(b"hello")
        self.assertEqual(connection.received(), b"")
        self.clock.advance(0)
        self.assertEqual(connection.transport.producerState, "producing")
        self.assertEqual(connection.received(), b"hello")

    def test_read_before(self) -> None:
        """What was read before it, such as behind a PROXY header, reaches the protocol that serves it."""
        waiting = self.build(IPv4Address("TCP", "192.0.2.7", 1))
        connection = Connection(Factory.forProtocol(lambda: waiting))
        waiting.dataReceived(b"hello")
        self.assertEqual(connection.received(), b"hello")

    def test_lost_in_line(self) -> None:
        """A client that leaves in line is not served."""
        self.crowd()
        connection = Connection(self.factory)
        connection.send(b"hello")
        connection.lose()
        self.clock.advance(0)
        self.assertEqual(connection.received(), b"")

    def test_refused(self) -> None:
        """A factory that makes no protocol, or fails to, has the connection closed."""
        for build, errors in ((lambda _: None, 0), (lambda _: 1 // 0, 1)):
            self.patch(self.served, "buildProtocol", build)
            self.clock.advance(0)
            self.assertTrue(Connection(self.factory).closed)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), errors)
