"""Tests of `wormhole_server.doctor.public_url`, without connections."""

from __future__ import annotations

import ssl
import subprocess
import sys
from typing import Any

import pytest
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import all_of, make_target
from wormhole_client.checks.certificates import InvalidCertificateError
from wormhole_client.checks.connection_probes import ServerGreeting
from wormhole_client.errors import ProtocolError
from wormhole_client.machines.server_messages import WelcomeMessage
from wormhole_client.network.websocket import HandshakeError
from wormhole_server.doctor.finding import Finding, Level
from wormhole_server.doctor.public_url import (
    check_public_url,
    judge_client_address,
    judge_failure,
)

URL = "wss://example.org/v1"


class ClientAddressTests(SynchronousTestCase):
    def judge(self, source: str, reported: Any) -> Finding:
        """Judge the address that the server reports to a client at `source`."""
        welcome = {} if reported is None else {"your-address": reported}
        return judge_client_address(ServerGreeting(WelcomeMessage(welcome), {}, source))

    def test_levels(self) -> None:
        """A client's own address, or a public one, is right; another is a proxy's."""
        for source, reported, level in (
            ("127.0.0.2", {"ipv4": "127.0.0.2"}, Level.OK),
            ("127.0.0.2", {"ipv4": "127.0.0.1"}, Level.FAILURE),
            ("192.168.1.5", {"ipv4": "8.8.8.8"}, Level.OK),
            ("192.168.1.5", {"ipv4": "172.17.0.1"}, Level.WARNING),
            ("fd00::2", {"ipv6": "::1"}, Level.FAILURE),
            ("192.168.1.5", {"ipv4": "nonsense"}, Level.OK),
            ("192.168.1.5", None, Level.WARNING),
        ):
            self.assertEqual(self.judge(source, reported).level, level, (source, reported))

    def test_fix(self) -> None:
        """The address of the proxy is the one to trust."""
        self.assertIn("--trusted-proxy=10.0.0.9,", self.judge("10.0.0.5", {"ipv4": "10.0.0.9"}).fix)


class FailureTests(SynchronousTestCase):
    def test_each(self) -> None:
        """A failure is one of the network, of TLS, of the proxy or of the URL, and says what to do."""
        unknown = ssl.SSLCertVerificationError()
        unknown.verify_code, unknown.verify_message = 20, "unable to get local issuer certificate"
        for error, check, text, fix in (
            (Refused(), "public URL", "refused", "nothing listens"),
            (DNSLookupError("no name"), "public URL", "no name", "DNS"),
            (InvalidCertificateError(unknown), "certificate", "local issuer", "full chain"),
            (HandshakeError("upgrade failed [404]"), "upgrade", "answers 404", "/v1"),
            (HandshakeError("dropped"), "public URL", "no HTTP answer (dropped)", "relay's TCP"),
            (ProtocolError("no welcome"), "public URL", "no welcome", "the URL of the rendezvous"),
            (ValueError(), "public URL", "ValueError", "--relay-url=URL"),
        ):
            found = judge_failure(URL, error)
            self.assertEqual((found.check, found.level), (check, Level.FAILURE))
            self.assertTrue(found.text.startswith(URL), found)
            self.assertIn(text, found.text)
            self.assertIn(fix, found.fix)

    def test_seen(self) -> None:
        """Advice that rests on what the port does comes before what the error alone suggests."""
        found = judge_failure(URL, HandshakeError("dropped"), "that port speaks TLS")
        self.assertIn("that port speaks TLS", found.fix)
        self.assertNotIn("relay's TCP", found.fix)


class CheckTests(SynchronousTestCase):
    def test_no_url(self) -> None:
        """Without a URL there is nothing to check."""
        self.assertEqual(all_of(self, check_public_url(make_target(), None)), [])

    def test_invalid_url(self) -> None:
        """A URL that is not one of WebSocket is a failure."""
        target = make_target(relay_url="https://example.org/v1")
        [found] = all_of(self, check_public_url(target, Clock()))
        self.assertEqual((found.check, found.level), ("public URL", Level.FAILURE))
        self.assertIn("starts with ws:// or wss://", found.text)

    @pytest.mark.processes
    def test_without_the_extra(self) -> None:
        """The check imports nothing of the client's extra."""
        program = (
            "import sys, wormhole_server.doctor.examination;"
            "print({'nacl', 'spake2', 'tqdm'} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.strip(), "set()")
