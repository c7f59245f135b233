"""Tests of the second look at a port whose probe failed."""

import contextlib
import datetime as dt
import ssl
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority, Pair
from tests.wormhole_client.checks.test_certificates import Server
from tests.wormhole_client.fakes import FakeNetwork
from wormhole_client.checks.certificates import CertificateFault, InvalidCertificateError
from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.checks.second_look import (
    LOOK_SECONDS,
    NEEDS_WS,
    NEEDS_WSS,
    TlsPeer,
    certificate_advice,
    look_again,
)
from wormhole_client.network.websocket import HandshakeError

DAY = 86400.0


def invalid(code: int) -> InvalidCertificateError:
    cause = ssl.SSLCertVerificationError("x")
    cause.verify_code, cause.verify_message = code, "the reason"
    return InvalidCertificateError(cause)


class LookTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.network = Clock(), FakeNetwork()
        self.now = dt.datetime.now(dt.UTC)

    def look(self, url: str, error: BaseException) -> Deferred[str | None]:
        target = ProbeTarget(self.clock, self.network, url)
        return Deferred.fromCoroutine(look_again(target, error, self.now.timestamp))

    def serve_tls(self, pair: Pair, answer: bytes | None = None) -> Any:
        """Be a TLS server for the last connection; answer a request, or close without one."""
        attempt = self.network.dialed[-1]
        transport = attempt.succeed()
        with tempfile.TemporaryDirectory() as directory:
            server = Server(Path(directory), pair)
        server.talk(transport, attempt.protocol)
        with contextlib.suppress(ssl.SSLError):
            self.assertIn(b"HEAD / HTTP/1.1", server.tls.read(4096))
        if answer is None:
            attempt.protocol.connectionLost(Failure(ConnectionDone()))
        else:
            server.tls.write(answer)
            attempt.protocol.dataReceived(server.to_send.read())
            attempt.protocol.dataReceived(b"")
        return transport

    def test_plain_port(self) -> None:
        """A wss:// URL whose port answers in HTTP needs ws://; the port of the URL is kept."""
        looking = self.look("wss://x/v1", ssl.SSLError("x"))
        self.assertEqual(self.network.addresses(), [("x", 443)])
        self.network.dialed[0].succeed()
        self.network.dialed[0].protocol.dataReceived(b"HTTP/1.1 400 Bad\r\n\r\n")
        self.assertEqual(self.successResultOf(looking), NEEDS_WS)

    def test_tls_port(self) -> None:
        """A ws:// URL whose port speaks TLS needs wss://, whatever certificate it has."""
        for answer in (None, b"HTTP/1.1 200 OK\r\n\r\n", b"garbage\r\n\r\n"):
            for error in (HandshakeError("[400]"), HandshakeError("dropped"), ConnectionLost()):
                with self.subTest(answer=answer, error=error):
                    looking = self.look("ws://localhost:9/v1", error)
                    transport = self.serve_tls(Authority().issue(days=-3, since_days=9), answer)
                    self.assertEqual(self.successResultOf(looking), NEEDS_WSS)
                    self.assertTrue(transport.aborted)

    def test_means_it(self) -> None:
        """A server that has answered in HTTP is not looked at again."""
        looking = self.look("ws://x/v1", HandshakeError("failed [404]"))
        self.assertIsNone(self.successResultOf(looking))
        self.assertEqual(self.network.dialed, [])

    def test_nothing_found(self) -> None:
        """A port that closes, refuses, says nothing or speaks something else adds no advice."""
        for url in ("ws://[::1]/v1", "wss://[::1]/v1"):
            for fault in ("close", "refuse", "silence", "babble"):
                with self.subTest(url=url, fault=fault):
                    looking = self.look(url, HandshakeError("dropped"))
                    attempt = self.network.dialed[-1]
                    if fault == "refuse":
                        attempt.result.errback(ConnectionLost())
                    else:
                        attempt.succeed()
                        if fault == "close":
                            attempt.protocol.connectionLost(Failure(ConnectionDone()))
                        if fault == "babble":
                            attempt.protocol.dataReceived(b"220 smtp.example ready\r\n\r\n")
                    self.clock.advance(LOOK_SECONDS)
                    self.assertIsNone(self.successResultOf(looking))

    def test_cancelled(self) -> None:
        """A cancellation ends the look, and is none of its results."""
        looking = self.look("ws://x/v1", HandshakeError("dropped"))
        looking.cancel()
        self.failureResultOf(looking, CancelledError)

    def test_certificate(self) -> None:
        """A certificate that is not accepted is read, with the server's clock where it shows one."""
        pair = Authority().issue(days=-1, since_days=9)
        for date, word in (
            (b"Tue, 01 Jan 2019 00:00:00 GMT", "2019-01-01 00:00 UTC"),
            (b"yesterday", "renew"),
        ):
            with self.subTest(date=date):
                looking = self.look("wss://localhost/v1", invalid(10))
                self.serve_tls(pair, b"HTTP/1.1 200 OK\r\nDate: " + date + b"\r\n\r\n")
                self.assertIn(word, self.successResultOf(looking) or "")
        looking = self.look("wss://localhost/v1", invalid(10))
        self.clock.advance(LOOK_SECONDS)
        self.assertIsNone(self.successResultOf(looking))


class CertificateAdviceTests(SynchronousTestCase):
    def advise(self, fault: CertificateFault, skew: float | None = None) -> str:
        now = dt.datetime.now(dt.UTC).timestamp()
        certificate = Authority().issue().chain[0]
        return certificate_advice(
            fault, TlsPeer(certificate, None if skew is None else now + skew), now
        )

    def test_each(self) -> None:
        """Each fault has its own advice; clocks that differ by hours come before dates."""
        for fault, skew, word in (
            (CertificateFault.EXPIRED, None, "renew"),
            (CertificateFault.EXPIRED, 10.0, "renew"),
            (CertificateFault.EXPIRED, -9 * DAY, "clock that is wrong"),
            (CertificateFault.NOT_YET_VALID, None, "valid now"),
            (CertificateFault.NOT_YET_VALID, 9 * DAY, "clock that is wrong"),
            (CertificateFault.SELF_SIGNED, None, "self-signed"),
            (CertificateFault.UNKNOWN_ISSUER, None, "CN=Between"),
            (CertificateFault.WRONG_NAME, None, "for localhost"),
            (CertificateFault.OTHER, None, "proxy's certificate"),
        ):
            with self.subTest(fault=fault, skew=skew):
                self.assertIn(word, self.advise(fault, skew))

    def test_no_names(self) -> None:
        """A certificate without alternative names is named by its subject."""
        advice = certificate_advice(
            CertificateFault.WRONG_NAME, TlsPeer(Authority().root, None), 0.0
        )
        self.assertIn("for CN=Root", advice)
