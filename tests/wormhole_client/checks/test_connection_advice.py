"""Tests of the advice on a failed connection."""

import ssl
import subprocess
import sys

import pytest
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import (
    ConnectionLost,
    DNSLookupError,
    TCPTimedOutError,
)
from twisted.internet.error import (
    ConnectionRefusedError as Refused,
)
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.checks.connection_advice import connection_advice
from wormhole_client.network.websocket import HandshakeError


class ConnectionAdviceTests(SynchronousTestCase):
    def test_each(self) -> None:
        """Each kind of failure has its own advice."""
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
            (HandshakeError("peer dropped the TCP connection"), "forwarded"),
            (ConnectionLost(), "forwarded"),
            (ssl.SSLError("the host closed the connection in the TLS handshake"), "forwarded"),
            (DeferredTimeout(), "does not answer"),
            (ssl.SSLError("WRONG_VERSION_NUMBER"), "does not speak TLS"),
        ):
            with self.subTest(error=error):
                self.assertIn(word, connection_advice(error) or "")

    def test_other(self) -> None:
        """There is no advice on an error that has nothing to do with a connection."""
        self.assertIsNone(connection_advice(ValueError()))

    @pytest.mark.processes
    def test_without_the_extra(self) -> None:
        """The advice can be used without the client's extra."""
        program = (
            "import sys, wormhole_client.checks.connection_advice;"
            "print({'nacl', 'spake2', 'tqdm'} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.strip(), "set()")
