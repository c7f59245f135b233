"""What an operator is told to look at."""

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import (
    ConnectionRefusedError as Refused,
)
from twisted.internet.error import (
    DNSLookupError,
    TCPTimedOutError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.diagnosis import advice
from wormhole_client.errors import ServerConnectionError, ServerError, WelcomeError
from wormhole_client.handshake import HandshakeFailure
from wormhole_client.race import NobodyCame
from wormhole_client.transit import TransitFailed
from wormhole_client.websocket import HandshakeError


class AdviceTests(SynchronousTestCase):
    def test_each(self) -> None:
        """Each kind of trouble points to its own place, also from within another."""
        untrusted = SSL.Error([("SSL routines", "", "certificate verify failed")])
        plain = SSL.Error([("SSL routines", "", "wrong version number")])
        for error, word in (
            (DNSLookupError(), "DNS"),
            (Refused(), "nothing listens"),
            (TCPTimedOutError(), "firewalls"),
            (untrusted, "not trusted"),
            (plain, "does not speak TLS"),
            (SSL.Error([("", "", "no shared cipher")]), "protocol settings"),
            (VerificationError([]), "another name"),
            (HandshakeError("WebSocket connection upgrade failed [404]: Not Found"), "/v1"),
            (HandshakeError("WebSocket connection upgrade failed [502]: Bad Gateway"), "behind it"),
            (HandshakeError("WebSocket connection upgrade failed [418]: Teapot"), "refuses"),
            (HandshakeError("WebSocket opening handshake timeout"), "says nothing"),
            (HandshakeError("peer dropped the TCP connection"), "hangs up"),
            (WelcomeError("closed"), "--signal-error"),
            (ServerError("crowded"), "its log"),
            (HandshakeFailure("x"), "relay's port"),
            (NobodyCame("x"), "not joined"),
            (DeferredTimeout(), "says nothing"),
            (ValueError(), "the server's log"),
            (ServerConnectionError("ws://x", Failure(Refused())), "nothing listens"),
            (TransitFailed("tcp:x:1", Failure(DNSLookupError())), "DNS"),
        ):
            with self.subTest(error=error):
                self.assertIn(word, advice(error))
