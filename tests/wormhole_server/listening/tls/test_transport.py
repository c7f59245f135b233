"""Tests of `wormhole_server.listening.tls.transport`."""

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
from wormhole_server.config.tls_endpoint import Files
from wormhole_server.listening.tls.reloadable_certificate import (
    CertificateObserver,
    ReloadableCertificate,
)
from wormhole_server.listening.tls.transport import CLOSE_SECONDS, TlsFactory


class EchoOnce(Protocol):
    """Echoes once, and closes the connection."""

    lost = False

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.lost = True


class CloseTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A TLS client whose connection the server has closed."""
        self.clock = Clock()
        files = Files(*map(str, Authority().issue().write(new_path(self).parent)))
        certificate = ReloadableCertificate(
            "rendezvous", files, self.clock.seconds, CertificateObserver(), ()
        )
        self.echo = EchoOnce()
        factory = Factory.forProtocol(lambda: self.echo)
        self.transport = StringTransport()
        self.server: Any = TlsFactory(certificate, factory, self.clock).buildProtocol(None)
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
        """Pass on what either side has written."""
        if data := self.outgoing.read():
            self.server.dataReceived(data)
        self.clock.advance(0)
        self.incoming.write(self.transport.value())
        self.transport.clear()

    def lose(self) -> None:
        """The connection is lost."""
        self.server.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(self.echo.lost)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answered(self) -> None:
        """A client that answers close_notify is disconnected at once."""
        self.assertFalse(self.transport.disconnecting)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.client.unwrap()
        self.exchange()
        self.assertTrue(self.transport.disconnecting)
        self.lose()

    def test_unanswered(self) -> None:
        """A client that does not is disconnected after a timeout, whatever it sends meanwhile."""
        for _ in range(2):
            self.assertFalse(self.transport.disconnecting)
            self.client.write(b"more")
            self.exchange()
            self.clock.advance(CLOSE_SECONDS / 2)
        self.assertTrue(self.transport.disconnecting)
        self.lose()

    def test_lost(self) -> None:
        """A connection that is lost meanwhile leaves no timer."""
        self.assertFalse(self.transport.disconnecting)
        self.lose()
