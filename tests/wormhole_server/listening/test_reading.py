"""Tests of `wormhole_server.listening.reading`."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.internet.tcp import Server
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.schedulers import make_scheduler
from wormhole_server.listening.reading import ReadingInTurn, read_in_turn, reading_of

_COST_SECONDS = 0.0002
_CONNECTIONS = 50
_OTHERS = 1
_HONEST = 2


class Costly(Protocol):
    """A protocol that takes time for whatever it reads."""

    def __init__(self, case: ReadingTests) -> None:
        self.case = case

    def dataReceived(self, data: bytes) -> None:
        """Take time."""
        self.case.read.append(len(data))
        self.case.clock.rightNow += _COST_SECONDS


class ReadingTests(SynchronousTestCase):
    """Real connections, all of which have something to read; `clock` says what that costs."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.scheduler = make_scheduler(self.clock)
        self.reactor = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        self.read: list[int] = []
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.port = self.reactor.listenTCP(0, Factory.forProtocol(self.build))

    def build(self) -> Protocol:
        """Make the protocol of a connection."""
        return Costly(self)

    def connect(self, block: int | None, data: bytes) -> tuple[Server, ReadingInTurn]:
        """Connect from an address, and send."""
        before = set(self.reactor.getReaders())
        address = ("127.0.0.1", self.port.getHost().port)
        peer = self.stack.enter_context(closing(socket.create_connection(address)))
        self.port.doRead()
        (transport,) = set(self.reactor.getReaders()) - before
        assert isinstance(transport, Server)
        read_in_turn(self.scheduler, transport, block)
        reading = reading_of(transport)
        assert reading is not None
        peer.sendall(data)
        return transport, reading

    def turn(self) -> int:
        """Read from all who are read, as the reactor does; return how many were read."""
        self.read.clear()
        for transport in self.reactor.getReaders():
            if isinstance(transport, Server):
                transport.doRead()
        due, self.clock.calls = self.clock.calls, []
        for call in due:  # and not what these schedule for the turn after
            call.func(*call.args, **call.kw)
        return len(self.read)

    def turns(self, count: int) -> list[int]:
        """What was read at a time in so many turns."""
        sizes: list[int] = []
        for _ in range(count):
            self.turn()
            sizes += self.read
        return sizes

    def test_few_in_a_turn(self) -> None:
        """Of connections that have sent much few are read in a turn, beside another address."""
        self.connect(_HONEST, b"x")
        for _ in range(_CONNECTIONS):
            self.connect(_OTHERS, bytes(100_000))
        self.turn()
        turns = [self.turn() for _ in range(100)]
        self.assertLess(max(turns), 8)
        self.assertGreater(min(turns), 0)

    def test_piece(self) -> None:
        """A piece of what a connection has sent is read at a time."""
        self.connect(_HONEST, bytes(100_000))
        self.turn()
        self.assertEqual(self.read, [8192])

    def test_least_served(self) -> None:
        """Whoever sends little beside others that send much is read in the next turn."""
        for _ in range(_CONNECTIONS):
            self.connect(_OTHERS, bytes(100_000))
        for _ in range(5):
            self.turn()
        self.connect(_HONEST, b"x")
        self.assertIn(1, self.turns(2))

    def test_nothing_left(self) -> None:
        """Connections that are lost in line, or read freely, leave nothing in line."""
        self.connect(_HONEST, b"x")
        readings = [self.connect(_OTHERS, bytes(100_000))[1] for _ in range(_CONNECTIONS)]
        self.turn()
        self.turn()
        self.assertTrue(any(reading.held for reading in readings))
        (account,) = {reading._task.account for reading in readings if reading._task}
        for reading in readings * 2:
            reading.end()
        self.assertFalse(any(reading.held for reading in readings))
        self.assertEqual(account.tasks, 0)
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_known_later(self) -> None:
        """What is read before an address is known disturbs nobody; afterwards it counts for the address."""
        _, reading = self.connect(None, b"x")
        self.turn()
        self.assertEqual(self.scheduler.remembered, 1)
        reading.count_for(_HONEST)
        self.assertEqual(self.scheduler.remembered, 2)

    def test_known_in_line(self) -> None:
        """A connection that waits to be read is read when it is known whose it is."""
        for _ in range(_CONNECTIONS):
            self.connect(None, bytes(100_000))
        self.turn()
        transport, reading = self.connect(None, b"x")
        transport.doRead()
        self.assertTrue(reading.held)
        reading.count_for(_HONEST)
        self.assertIn(1, self.turns(2))

    def test_other_transports(self) -> None:
        """A transport that is not Twisted's for TCP is left as it is."""
        transport: Any = StringTransport()
        read_in_turn(self.scheduler, transport, _HONEST)
        self.assertIsNone(reading_of(transport))
