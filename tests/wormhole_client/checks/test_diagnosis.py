"""Tests of the advice on a failed check."""

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import (
    ConnectionRefusedError as Refused,
)
from twisted.internet.error import (
    DNSLookupError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.checks.diagnosis import advice
from wormhole_client.checks.idle_probe import IdleCutError
from wormhole_client.checks.page_faults import PageError, PageFault
from wormhole_client.errors import (
    ServerConnectionError,
    ServerError,
    WelcomeError,
    WrongPasswordError,
)
from wormhole_client.network.http import HttpError
from wormhole_client.transit.handshake import TransitHandshakeError
from wormhole_client.transit.race import NoConnectionError
from wormhole_client.transit.records import RecordError
from wormhole_client.transit.transit import TransitError


class AdviceTests(SynchronousTestCase):
    def test_each(self) -> None:
        """Each kind of trouble points to its own place, also from within another."""
        for error, word in (
            (WelcomeError("closed"), "--signal-error"),
            (ServerError("crowded"), "its log"),
            (TransitHandshakeError("expected the relay's ok, received 'HTTP'"), "relay's port"),
            (TransitHandshakeError("the connection was closed before the relay's ok"), "forwarded"),
            (TransitHandshakeError("expected the peer's handshake, received 'x'"), "changes"),
            (
                TransitHandshakeError("the connection was closed before all records had come"),
                "loses",
            ),
            (RecordError("a record is not authentic"), "changes or loses bytes"),
            (WrongPasswordError("x"), "changes what clients send"),
            (IdleCutError("cut after 10 s"), "idle connections"),
            (NoConnectionError("x"), "not joined"),
            (PageError(PageFault.CACHED, "x"), "purge it"),
            (HttpError("x"), "cuts answers short"),
            (DeferredTimeout(), "does not answer"),
            (DNSLookupError(), "DNS"),
            (ValueError(), "the server's log"),
            (ServerConnectionError("ws://x", Failure(Refused())), "nothing listens"),
            (TransitError("tcp:x:1", Failure(DNSLookupError())), "DNS"),
        ):
            with self.subTest(error=error):
                self.assertIn(word, advice(error))
