"""Tests of the client endpoints."""

from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.network.endpoints import CONNECT_TIMEOUT, Internet, WebSocketAddress

TLS_HANDSHAKE = b"\x16\x03"


class InternetTests(SynchronousTestCase):
    def connect(self, **options: Any) -> tuple[Any, ...]:
        reactor = MemoryReactorClock()
        network = Internet(reactor, **options)
        self.assertTrue(network.direct)
        network.endpoint("127.0.0.1", 4000).connect(Factory())
        [attempt] = reactor.tcpClients
        host, port, _, timeout, source = attempt
        return host, port, timeout, source

    def test_endpoint(self) -> None:
        """The connection goes to the host and port, within the time limit, from any address."""
        self.assertEqual(self.connect(), ("127.0.0.1", 4000, CONNECT_TIMEOUT, None))

    def test_source_address(self) -> None:
        """A source address is what the connection comes from."""
        *_, source = self.connect(source_address="127.0.0.2")
        self.assertEqual(source, ("127.0.0.2", 0))


class WebSocketAddressTests(SynchronousTestCase):
    def test_taken_apart(self) -> None:
        """Ports have the usual defaults."""
        for url, secure, host, port in (
            ("ws://x/v1", False, "x", 80),
            ("wss://x/v1", True, "x", 443),
            ("ws://[::1]:4000/v1", False, "::1", 4000),
        ):
            address = WebSocketAddress.parse(url)
            self.assertEqual((address.secure, address.host, address.port), (secure, host, port))

    def test_refused(self) -> None:
        """Other URLs are refused, and the text says why."""
        for url, word in (
            ("", "ws://"),
            ("http://x/v1", "ws://"),
            ("ws://", "no host"),
            ("ws://x:99999999/v1", "no valid port"),
            ("ws://x:port/v1", "no valid port"),
        ):
            with self.subTest(url=url):
                error = self.assertRaises(ValueError, WebSocketAddress.parse, url)
                self.assertIn(word, str(error))

    def test_tls(self) -> None:
        """The endpoint of a wss:// URL speaks TLS, that of a ws:// URL does not."""
        for url, expected in (("wss://127.0.0.1", TLS_HANDSHAKE), ("ws://127.0.0.1:443", b"")):
            with self.subTest(url=url):
                reactor = MemoryReactorClock()
                endpoint = WebSocketAddress.parse(url).endpoint(Internet(reactor))
                endpoint.connect(Factory.forProtocol(Protocol))
                [(host, port, factory, *_)] = reactor.tcpClients
                self.assertEqual((host, port), ("127.0.0.1", 443))
                transport = StringTransport()
                protocol: Any = factory.buildProtocol(None)
                protocol.makeConnection(transport)
                self.assertEqual(transport.value()[:2], expected)
