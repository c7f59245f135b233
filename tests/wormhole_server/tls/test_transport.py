"""Tests of `wormhole_server.tls.transport`."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority
from tests.wormhole_server.files import new_path
from tests.wormhole_server.tls.test_listening import Names
from wormhole_server.tls.endpoint import Files
from wormhole_server.tls.keeper import Keeper
from wormhole_server.tls.transport import GOODBYE_SECONDS


class Last(Protocol):
    """Answers, and closes the connection."""

    gone = False

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.gone = True


class GoodbyeTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A client that has opened TLS, and been answered for the last time."""
        self.clock = Clock()
        files = Files(*map(str, Authority().issue().write(new_path(self).parent)))
        keeper = Keeper("rendezvous", files, self.clock, Names())
        self.last = Last()
        factory = Factory.forProtocol(lambda: self.last)
        self.transport = StringTransport()
        self.server: Any = keeper.before(factory, self.clock).buildProtocol(None)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = context.wrap_bio(self.incoming, self.outgoing)
        self.server.makeConnection(self.transport)
        for _ in range(2):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.client.do_handshake()
            self.exchange()
        self.client.write(b"hello")
        self.exchange()
        self.assertEqual(self.client.read(), b"hello")

    def exchange(self) -> None:
        """What either side has to say goes to the other."""
        if data := self.outgoing.read():
            self.server.dataReceived(data)
        self.clock.advance(0)
        self.incoming.write(self.transport.value())
        self.transport.clear()

    def lose(self) -> None:
        """The connection is gone."""
        self.server.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(self.last.gone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_agreed(self) -> None:
        """Who says goodbye as well has the connection closed at once."""
        self.assertFalse(self.transport.disconnecting)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.client.unwrap()
        self.exchange()
        self.assertTrue(self.transport.disconnecting)
        self.lose()

    def test_unanswered(self) -> None:
        """Who does not has it closed after a while, whatever he sends meanwhile."""
        for _ in range(2):
            self.assertFalse(self.transport.disconnecting)
            self.client.write(b"more")
            self.exchange()
            self.clock.advance(GOODBYE_SECONDS / 2)
        self.assertTrue(self.transport.disconnecting)
        self.lose()

    def test_gone(self) -> None:
        """Who goes meanwhile leaves nothing behind."""
        self.assertFalse(self.transport.disconnecting)
        self.lose()
