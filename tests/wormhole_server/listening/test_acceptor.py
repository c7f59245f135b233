"""Tests of `wormhole_server.listening.acceptor`."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.schedulers import make_scheduler
from wormhole_server.listening.acceptor import accept_in_turn


class AcceptorTests(SynchronousTestCase):
    """A real port, and connections to it that wait."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.scheduler = make_scheduler(self.clock)
        self.reactor = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        self.accepted: list[Protocol] = []
        factory = Factory.forProtocol(self.build)
        self.port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        accept_in_turn(self.scheduler, self.port)
        stack = ExitStack()
        self.addCleanup(stack.close)
        for _ in range(9):
            address = ("127.0.0.1", self.port.getHost().port)
            stack.enter_context(socket.create_connection(address))

    def build(self) -> Protocol:
        """A protocol, which is noted."""
        self.accepted.append(Protocol())
        return self.accepted[-1]

    def test_few_in_a_turn(self) -> None:
        """However many wait, a turn accepts few, and the next turns the others."""
        for _ in range(5):
            self.port.doRead()
        at_once = len(self.accepted)
        self.assertLess(at_once, 7)
        self.assertNotIn(self.port, self.reactor.getReaders())
        self.clock.advance(0)
        self.assertGreater(len(self.accepted), at_once)
        self.assertIn(self.port, self.reactor.getReaders())
        while len(self.accepted) < 9:
            self.port.doRead()
            self.clock.advance(0)

    def test_closed_in_line(self) -> None:
        """A port that is closed while it waits accepts nothing more."""
        for _ in range(5):
            self.port.doRead()
        at_once = len(self.accepted)
        self.port.stopListening()
        self.clock.advance(0)
        self.assertEqual(len(self.accepted), at_once)
        self.assertNotIn(self.port, self.reactor.getReaders())
