"""Tests of the connection probes, over a network in memory."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted, DNSLookupError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, upgrade
from wormhole_client.checks.connection_probes import (
    ProbeTarget,
    ServerGreeting,
    connect_tcp,
    read_welcome,
    resolve_host,
    verify_certificate,
)
from wormhole_client.errors import ProtocolError
from wormhole_client.network.websocket import HandshakeError


class Resolver:
    """A name resolver that knows one host."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []
        self.complete: Callable[[], None] = lambda: None

    def resolveHostName(self, receiver: Any, name: str) -> None:  # noqa: N802 - Twisted's
        self.asked.append(name)
        receiver.resolutionBegan(None)
        for address in self.addresses:
            receiver.addressResolved(IPv4Address("TCP", address, 0))
        self.complete = receiver.resolutionComplete


class ReactorWithResolver(Clock):
    nameResolver: Resolver  # noqa: N815 - Twisted's


class ProbeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.reactor = ReactorWithResolver()
        self.target = ProbeTarget(self.reactor, self.network, "ws://host:4000/v1")

    def greet(
        self, *messages: bytes, headers: dict[str, str] | None = None
    ) -> Deferred[ServerGreeting]:
        result = Deferred.fromCoroutine(read_welcome(self.target, headers))
        self.transport = upgrade(self.network.dialed[0], *messages)
        return result

    def test_resolve(self) -> None:
        """The addresses of the host are listed once each."""
        self.reactor.nameResolver = Resolver("192.0.2.1", "192.0.2.2", "192.0.2.1")
        result = Deferred.fromCoroutine(resolve_host(self.target))
        self.assertNoResult(result)
        self.reactor.nameResolver.complete()
        self.assertEqual(self.successResultOf(result), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual((self.reactor.nameResolver.asked, self.network.dialed), (["host"], []))

    def test_unresolved(self) -> None:
        """A name without addresses fails as connecting to it does."""
        self.reactor.nameResolver = Resolver()
        result = Deferred.fromCoroutine(resolve_host(self.target))
        self.reactor.nameResolver.complete()
        self.network.dialed[0].result.errback(DNSLookupError("no such name"))
        self.failureResultOf(result, DNSLookupError)

    def test_tcp(self) -> None:
        """The TCP probe connects to the port of the URL and drops the connection."""
        result = Deferred.fromCoroutine(connect_tcp(self.target))
        self.assertEqual(self.network.addresses(), [("host", 4000)])
        transport = self.network.dialed[0].succeed()
        self.successResultOf(result)
        self.assertTrue(transport.aborted)

    def test_certificate(self) -> None:
        """The TLS probe begins a TLS handshake with the host of the URL."""
        target = ProbeTarget(self.reactor, self.network, "wss://host/v1")
        result = Deferred.fromCoroutine(verify_certificate(target))
        self.assertEqual(self.network.addresses(), [("host", 443)])
        self.assertEqual(self.network.dialed[0].succeed().value()[:2], b"\x16\x03")
        self.assertNoResult(result)

    def test_dial(self) -> None:
        """The links of the target go to its URL, over its network."""
        owner: Any = None
        linked = self.target.dial()(owner)
        self.assertEqual(self.network.addresses(), [("host", 4000)])
        upgrade(self.network.dialed[0], b'{"type": "welcome", "welcome": {}}')
        self.successResultOf(linked)

    def test_welcome(self) -> None:
        """The greeting has the welcome, the response's headers and both addresses of this client."""
        welcome = {"motd": "hi", "your-address": {"ipv4": "198.51.100.7"}}
        message = json.dumps({"type": "welcome", "welcome": welcome}).encode()
        greeting = self.successResultOf(self.greet(message))
        self.assertEqual(greeting.welcome, welcome)
        self.assertEqual(greeting.client_address, "198.51.100.7")
        self.assertEqual(greeting.headers["server"], "fake")
        self.assertEqual(greeting.source, "10.0.0.1")
        self.assertTrue(self.transport.aborted)

    def test_client_address(self) -> None:
        """A server that says no address, or says nonsense, says none."""
        for said, address in (
            ({"ipv6": "2001:db8::1"}, "2001:db8::1"),
            ({"ipv4": None}, None),
            ({"ipv4": 4}, None),
            ("198.51.100.7", None),
            (None, None),
        ):
            with self.subTest(said=said):
                self.network.dialed.clear()
                message = {"type": "welcome", "welcome": {"your-address": said}}
                greeting = self.successResultOf(self.greet(json.dumps(message).encode()))
                self.assertEqual(greeting.client_address, address)

    def test_headers(self) -> None:
        """The headers of a proxy are sent with the request."""
        Deferred.fromCoroutine(read_welcome(self.target, {"X-Real-IP": "192.0.2.77"}))
        self.assertIn(b"X-Real-IP: 192.0.2.77\r\n", self.network.dialed[0].succeed().value())

    def test_not_a_welcome(self) -> None:
        """A first message that is no welcome is refused, and the connection is dropped."""
        for message in (b'{"type": "ack"}', b'{"type": "news"}', b"hello"):
            with self.subTest(message=message):
                self.network.dialed.clear()
                self.failureResultOf(self.greet(message), ProtocolError)
                self.assertTrue(self.transport.aborted)

    def test_no_welcome(self) -> None:
        """A connection that ends before the welcome is refused."""
        result = self.greet()
        self.network.dialed[0].protocol.connectionLost(Failure(ConnectionAborted()))
        self.failureResultOf(result, ProtocolError)

    def test_not_upgraded(self) -> None:
        """A web server without WebSocket is a handshake error with its status."""
        result = Deferred.fromCoroutine(read_welcome(self.target))
        self.network.dialed[0].succeed()
        self.network.dialed[0].protocol.dataReceived(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        self.network.dialed[0].protocol.connectionLost(Failure(ConnectionAborted()))
        error = self.failureResultOf(result, HandshakeError).value
        assert isinstance(error, HandshakeError)
        self.assertEqual(error.status, 502)

    def test_cancelled(self) -> None:
        """Cancelling drops the connection that waits for the welcome."""
        result = self.greet()
        self.assertNoResult(result)
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertTrue(self.transport.aborted)


class ImportTests(SynchronousTestCase):
    @pytest.mark.processes
    def test_without_the_extra(self) -> None:
        """The probes import nothing of the client's extra, and can be used without it."""
        program = (
            "import sys, wormhole_client.checks.connection_probes, wormhole_client.network.http;"
            "print({'nacl', 'spake2', 'tqdm'} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.strip(), "set()")
