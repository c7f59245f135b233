"""Tests of the TLS probe, against the standard library's own server in memory."""

import contextlib
import ssl
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority, Pair
from tests.wormhole_client.fakes import FakeNetwork, FakeTransport
from wormhole_client.checks.certificates import (
    CertificateFault,
    InvalidCertificateError,
    ServerCertificate,
    check_certificate,
)

URL = "wss://localhost/v1"


class Server:
    """The server's side of a TLS connection."""

    def __init__(self, directory: Path, pair: Pair) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        key, chain = pair.write(directory)
        context.load_cert_chain(chain, key)
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.received, self.to_send, server_side=True)

    def talk(self, transport: FakeTransport, protocol: Any) -> None:
        """Pass bytes both ways until neither end has any."""
        while data := transport.value():
            transport.clear()
            self.received.write(data)
            with contextlib.suppress(ssl.SSLError):
                self.tls.do_handshake()
            protocol.dataReceived(self.to_send.read())


class CheckTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.authority = Authority()

    def probe(self, url: str = URL) -> Deferred[ServerCertificate]:
        context = self.authority.client_context()
        return Deferred.fromCoroutine(check_certificate(self.network, url, context))

    def check(self, pair: Pair, url: str = URL) -> Deferred[ServerCertificate]:
        result = self.probe(url)
        transport = self.network.dialed[-1].succeed()
        with tempfile.TemporaryDirectory() as directory:
            server = Server(Path(directory), pair)
        server.talk(transport, self.network.dialed[-1].protocol)
        self.assertTrue(transport.aborted)
        return result

    def test_valid(self) -> None:
        """A certificate that is trusted, valid now and for the name tells when it expires."""
        pair = self.authority.issue()
        certificate = self.successResultOf(self.check(pair))
        self.assertEqual(certificate.ends, pair.expires)
        self.assertEqual(self.network.addresses(), [("localhost", 443)])

    def test_faults(self) -> None:
        """Each of the usual mistakes has a fault of its own."""
        ours = self.authority
        for pair, url, fault in (
            (ours.issue(days=-1, since_days=9), URL, CertificateFault.EXPIRED),
            (ours.issue(since_days=-1), URL, CertificateFault.NOT_YET_VALID),
            (Authority().issue(), URL, CertificateFault.UNKNOWN_ISSUER),
            (ours.issue(), "wss://other.example/v1", CertificateFault.WRONG_NAME),
            (ours.issue(), "wss://192.0.2.1/v1", CertificateFault.WRONG_NAME),
        ):
            with self.subTest(fault=fault):
                error = self.failureResultOf(self.check(pair, url), InvalidCertificateError).value
                assert isinstance(error, InvalidCertificateError)
                self.assertIs(error.fault, fault)
                self.assertIn("certificate", str(error).lower())
                self.assertNotIn("_ssl.c", str(error))

    def test_codes(self) -> None:
        """Each of OpenSSL's codes for these mistakes has its fault; any other is another one."""
        for code, fault in (
            (9, CertificateFault.NOT_YET_VALID),
            (10, CertificateFault.EXPIRED),
            *((code, CertificateFault.UNKNOWN_ISSUER) for code in (19, 20, 21)),
            (18, CertificateFault.SELF_SIGNED),
            (62, CertificateFault.WRONG_NAME),
            (64, CertificateFault.WRONG_NAME),
            (23, CertificateFault.OTHER),  # revoked
        ):
            with self.subTest(code=code):
                cause = ssl.SSLCertVerificationError("[SSL: CERTIFICATE_VERIFY_FAILED]")
                cause.verify_code, cause.verify_message = code, "the reason"
                error = InvalidCertificateError(cause)
                self.assertEqual((error.fault, str(error)), (fault, "the reason"))

    def test_not_tls(self) -> None:
        """A port that does not speak TLS fails, and not because of a certificate."""
        result = self.probe()
        transport = self.network.dialed[0].succeed()
        self.network.dialed[0].protocol.dataReceived(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        error = self.failureResultOf(result, ssl.SSLError).value
        self.assertIn("WRONG_VERSION_NUMBER", str(error))
        self.assertTrue(transport.aborted)

    def test_closed(self) -> None:
        """A connection that ends in the handshake is a failure of TLS, a lost one of the network."""
        for reason, expected in (
            (ConnectionDone(), ssl.SSLError),
            (ConnectionLost(), ConnectionLost),
        ):
            with self.subTest(reason=reason):
                result = self.probe()
                self.network.dialed[-1].succeed()
                self.network.dialed[-1].protocol.connectionLost(Failure(reason))
                self.failureResultOf(result, expected)

    def test_cancelled(self) -> None:
        """Cancelling drops the connection."""
        result = self.probe()
        transport = self.network.dialed[0].succeed()
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertTrue(transport.aborted)
