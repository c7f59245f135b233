"""Tests of `wormhole_server.listening.factory`."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from typing import Any, ClassVar, cast

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import succeed
from twisted.internet.protocol import Factory
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from tests.schedulers import make_scheduler
from tests.tcp import connect_pair
from tests.wormhole_server.files import new_path
from tests.wormhole_server.listening.connections import (
    Connection,
    Recorder,
    RefusalRecorder,
    Transport,
    make_policy,
)
from wormhole_limits.ip_addresses import address_block
from wormhole_limits.memory import Holding
from wormhole_server.config.durations import Seconds
from wormhole_server.config.trusted_proxies import parse_trusted_proxy
from wormhole_server.listening.factory import (
    MAX_REFUSED,
    ConnectionAddress,
    CountedConnection,
    LimitingFactory,
    ReleasedSocket,
    may_hold,
)
from wormhole_server.listening.limiter import ListenerKind, RefusalReason
from wormhole_server.listening.memory import HoldingConnection
from wormhole_server.listening.proxies.forwarded_headers import parse_headers
from wormhole_server.listening.proxies.trusted_peers import TrustedProxies
from wormhole_server.listening.reading import reading_of
from wormhole_server.listening.refused_connections import RefusedConnection
from wormhole_server.web.http import TextPage
from wormhole_server.web.path_prefix import PathPrefix
from wormhole_server.web.site import uses_tls, web_site
from wormhole_twisted.internals import connection_hook, note_held_bytes

HEADER = b"PROXY TCP4 203.0.113.5 10.0.0.1 999 4001\r\n"
PROXIES = (parse_trusted_proxy("10.0.0.0/8"), parse_trusted_proxy("unix"))
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


class Inner(Factory):
    """The factory behind."""

    def buildProtocol(self, addr: Any) -> Recorder:
        """A protocol for each connection."""
        return Recorder(addr)


class FactoryCase(SynchronousTestCase):
    limits: ClassVar[dict[str, int]] = {}
    listener = ListenerKind.RENDEZVOUS

    def setUp(self) -> None:
        """A factory that trusts 10.0.0.0/8."""
        self.clock = Clock()
        self.observer = RefusalRecorder()
        self.policy = make_policy(
            self.observer,
            trusted_proxy=PROXIES,
            proxy_header_timeout=Seconds(5.0),
            **self.limits,
        )
        self.limiter = self.policy.limiter
        self.inner = Inner()
        self.factory = LimitingFactory(
            make_scheduler(self.clock), self.inner, self.listener, self.policy
        )

    def connect(self, peer: Any = "192.0.2.7") -> Connection:
        """A connection from `peer`."""
        return Connection(self.factory, peer)


class SocketTests(FactoryCase):
    def setUp(self) -> None:
        """A factory on a reactor that runs, and a client on a real socket."""
        super().setUp()
        self.reactor: Any = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        self.factory = LimitingFactory(
            make_scheduler(self.reactor), self.inner, self.listener, self.policy
        )
        self.client, self.accepted = connect_pair(self)

    def test_read_for_client(self) -> None:
        """A connection from a trusted proxy is read on the account of the client that its header names."""
        self.policy.trusted_proxies = TrustedProxies((parse_trusted_proxy("127.0.0.1"),))
        with self.accepted as handle:
            self.reactor.adoptStreamConnection(handle.fileno(), handle.family, self.factory)
        (counted,) = self.policy.accepted
        assert isinstance(counted, CountedConnection)
        self.client.sendall(HEADER)
        while counted.ip is None:
            self.reactor.iterate(0.01)
        reading = reading_of(counted._transport)
        assert reading is not None
        assert reading._task is not None
        self.assertEqual(reading._task.account.key, address_block(counted.ip))

    def test_adopted(self) -> None:
        """A connection of another process is served and counted, and sent what was left; then it goes on."""
        ip = ipaddress.ip_address("192.0.2.7")
        protocol = Recorder(None)
        self.factory.adopt(ReleasedSocket(self.accepted, b"rest", ip), protocol)
        (counted,) = self.policy.accepted
        self.assertEqual((counted.ip, self.limiter.total), (ip, 1))
        self.assertNotIn("127.0.0.1", cast(Any, protocol.transport).logPrefix())
        self.client.sendall(b"hello")
        while not protocol.data:
            self.reactor.iterate(0.01)
        self.assertEqual(protocol.data, b"hello")
        self.assertEqual(self.client.recv(10), b"rest")
        assert protocol.transport is not None
        hook = connection_hook(protocol.transport)
        assert isinstance(hook, CountedConnection)
        released = hook.release()
        self.assertEqual((released.unsent, released.ip), (b"", ip))
        self.assertEqual((self.policy.accepted, self.limiter.total), (set(), 0))
        with released.socket as handle:
            handle.sendall(b"on")
        self.assertEqual(self.client.recv(10), b"on")
        self.assertFalse(protocol.lost)

    def test_may_hold(self) -> None:
        """Connections that have unsent bytes, and those whose protocols hold bytes; no others."""
        protocol: Any = Recorder(None)
        self.factory.adopt(ReleasedSocket(self.accepted, b"", None), protocol)
        (counted,) = self.policy.accepted

        def holding() -> set[HoldingConnection]:
            return may_hold(self.reactor, self.policy)

        self.assertEqual(holding(), set())
        protocol.transport.write(b"x" * (1 << 20))
        self.reactor.iterate(0)
        self.assertEqual(holding(), {counted})
        self.client.setblocking(False)
        while holding():
            with contextlib.suppress(BlockingIOError):
                self.client.recv(1 << 20)
            self.reactor.iterate(0.01)
        protocol.held_bytes = 1
        note_held_bytes(protocol.transport)
        self.assertIsNotNone(counted.holding())
        self.assertEqual(holding(), {counted})
        protocol.held_bytes = 0
        self.assertIsNone(counted.holding())
        self.assertEqual(holding(), set())
        note_held_bytes(protocol.transport)
        self.client.close()
        while self.policy.accepted:
            self.reactor.iterate(0.01)
        self.assertEqual(holding(), set())

    def test_gone(self) -> None:
        """One whose peer has gone meanwhile is an error, and not counted."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()
        self.assertRaises(ConnectionResetError, self.accepted.recv, 1)
        released = ReleasedSocket(self.accepted, b"", None)
        self.assertRaises(OSError, self.factory.adopt, released, Recorder(None))
        self.assertEqual(self.limiter.total, 0)

    def test_exception(self) -> None:
        """What its protocol raises closes it, is logged once, and leaves nothing counted."""
        protocol = Recorder(None)
        self.patch(protocol, "makeConnection", lambda _: 1 / 0)
        self.factory.adopt(ReleasedSocket(self.accepted, b"", None), protocol)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        while self.limiter.total:
            self.reactor.iterate(0.01)


class AcceptTests(FactoryCase):
    def test_accepted(self) -> None:
        """A connection has the protocol behind and nothing else, and is counted until it is lost."""
        connection = self.connect()
        protocol = connection.protocol
        self.assertIsInstance(protocol, Recorder)
        self.assertEqual(protocol.address.address, connection.peer)
        connection.send(b"hello")
        self.assertEqual((protocol.data, self.limiter.total), (b"hello", 1))
        connection.lose()
        self.assertEqual((protocol.lost, self.limiter.total), (True, 0))
        self.assertEqual(vars(connection.transport).get("connectionLost"), None)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_protocol_replaced(self) -> None:
        """A connection whose protocol was replaced is still counted until it is lost."""
        connection = self.connect()
        connection.transport.protocol = last = Recorder(None)
        connection.lose()
        self.assertEqual((last.lost, self.limiter.total), (True, 0))

    def test_no_protocol(self) -> None:
        """A connection that the factory behind refuses is closed."""
        self.inner.buildProtocol = lambda addr: None  # type: ignore[assignment, method-assign, return-value]
        self.assertTrue(self.connect().closed)

    def test_exception(self) -> None:
        """A connection whose protocol cannot be made is closed, logged once, and counted no longer."""
        self.patch(self.inner, "buildProtocol", lambda _: 1 / 0)
        connection = self.connect()
        self.assertTrue(connection.closed)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        connection.lose()
        self.assertEqual(self.limiter.total, 0)

    def test_tls(self) -> None:
        """Below TLS a connection is counted until its transport is lost."""
        wrapping = WrappingFactory(self.factory)
        wrapper = wrapping.buildProtocol(IPv4Address("TCP", "10.0.0.1", 1))
        transport = Transport()
        transport.protocol = wrapper
        wrapper.makeConnection(transport)
        wrapper.dataReceived(HEADER + b"rest")
        assert isinstance(wrapper, ProtocolWrapper)
        protocol = wrapper.wrappedProtocol
        assert isinstance(protocol, Recorder)
        self.assertEqual((protocol.data, self.limiter.total), (b"rest", 1))
        transport.connectionLost(Failure(OSError()))
        self.assertEqual((protocol.lost, self.limiter.total), (True, 0))

    def test_holding(self) -> None:
        """What a connection holds is what its transport has not sent, and what its protocol says."""
        connection = self.connect()
        (counted,) = self.policy.accepted
        self.assertIsNone(counted.holding())
        connection.transport.dataBuffer = b"x" * 100
        self.assertEqual(counted.holding(), Holding(100, None))
        connection.protocol.held_bytes, connection.protocol.unfinished_message = 7, 3
        self.assertEqual(counted.holding(), Holding(107, 3))
        counted.abort()
        self.assertIsNone(counted.holding())
        connection.lose()
        self.assertEqual(self.policy.accepted, set())

    def test_lifecycle(self) -> None:
        """The factory behind is started and stopped, and named in the log."""
        self.factory.doStart()
        self.assertEqual(self.inner.numPorts, 1)
        self.factory.doStop()
        self.assertEqual(self.inner.numPorts, 0)
        self.assertEqual(self.factory.logPrefix(), "Inner")


class ProxyTests(FactoryCase):
    limits: ClassVar = {"connections_per_address": 1}

    def address(self, connection: Connection) -> ConnectionAddress:
        """The address that the factory behind was given."""
        protocol = connection.protocol
        self.assertIsInstance(protocol, Recorder)
        address: ConnectionAddress = protocol.address
        return address

    def test_header(self) -> None:
        """The header names the client; the bytes behind it are the client's. It may come in pieces."""
        for end in range(1, len(HEADER)):
            connection = self.connect("10.0.0.1")
            connection.send(HEADER[:end])
            self.assertNotIsInstance(connection.protocol, Recorder)
            connection.send(HEADER[end:] + b"hello")
            self.assertEqual(
                self.address(connection).address, IPv4Address("TCP", "203.0.113.5", 999)
            )
            self.assertFalse(self.address(connection).is_proxy)
            self.assertEqual(connection.protocol.data, b"hello")
            connection.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_untrusted(self) -> None:
        """A header from a peer that is not trusted is passed on like any bytes."""
        connection = self.connect()
        connection.send(HEADER)
        self.assertEqual(connection.protocol.data, HEADER)
        self.assertEqual(self.address(connection).address, connection.peer)

    def test_no_header(self) -> None:
        """A trusted proxy without a header is served as itself."""
        connection = self.connect("10.0.0.1")
        connection.send(b"GE")
        self.assertEqual(connection.protocol.data, b"GE")
        self.assertEqual(self.address(connection).address, connection.peer)
        self.assertTrue(self.address(connection).is_proxy)

    def test_local(self) -> None:
        """A trusted proxy whose header names no client is served as itself."""
        connection = self.connect("10.0.0.1")
        connection.send(b"PROXY UNKNOWN\r\nhello")
        self.assertEqual(connection.protocol.data, b"hello")
        self.assertEqual(self.address(connection).address, connection.peer)

    def test_unix(self) -> None:
        """A proxy may connect over a Unix socket."""
        connection = self.connect(UNIXAddress(None))
        connection.send(HEADER)
        self.assertEqual(self.address(connection).address, IPv4Address("TCP", "203.0.113.5", 999))

    def test_invalid(self) -> None:
        """An invalid header closes the connection, and nothing more is read."""
        connection = self.connect("10.0.0.1")
        connection.send(b"PROXY what\r\n")
        connection.send(b"PROXY what\r\n")
        self.assertTrue(connection.transport.disconnected)
        self.assertEqual(
            self.observer.refusals, [(ListenerKind.RENDEZVOUS, RefusalReason.PROXY_HEADER)]
        )
        connection.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.limiter.total, 0)

    def test_late(self) -> None:
        """An incomplete header closes the connection after the timeout."""
        connection = self.connect("10.0.0.1")
        self.clock.advance(4)
        connection.send(HEADER[:-1])
        self.clock.advance(1.1)
        self.assertTrue(connection.transport.disconnected)
        self.assertEqual(
            self.observer.refusals, [(ListenerKind.RENDEZVOUS, RefusalReason.PROXY_HEADER)]
        )

    def test_silent(self) -> None:
        """A trusted proxy that sends nothing is served by the factory behind after the timeout."""
        connection = self.connect("10.0.0.1")
        self.clock.advance(5.1)
        self.assertIsInstance(connection.protocol, Recorder)
        self.assertFalse(connection.closed)
        self.assertEqual(self.observer.refusals, [])

    def test_silent_exception(self) -> None:
        """One that cannot be served after the timeout is closed."""
        connection = self.connect("10.0.0.1")
        self.patch(self.inner, "buildProtocol", lambda _: 1 / 0)
        self.clock.advance(5.1)
        self.assertTrue(connection.closed)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_lost_at_once(self) -> None:
        """A probe that connects and closes leaves nothing behind."""
        self.connect("10.0.0.1").lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.limiter.total, 0)

    def test_counted(self) -> None:
        """The limit per address counts clients, not proxies."""
        first, second, third = (self.connect("10.0.0.1") for _ in range(3))
        first.send(HEADER)
        second.send(HEADER.replace(b".5 ", b".6 "))
        third.send(HEADER + REQUEST)
        self.assertIsInstance(first.protocol, Recorder)
        self.assertIsInstance(second.protocol, Recorder)
        self.assertIn(b" 429 ", third.received())
        self.assertEqual(self.observer.refusals, [(ListenerKind.RENDEZVOUS, RefusalReason.ADDRESS)])
        third.lose()
        first.lose()
        fourth = self.connect("10.0.0.1")
        fourth.send(HEADER)
        self.assertIsInstance(fourth.protocol, Recorder)
        self.assertEqual(self.limiter.total, 2)

    def test_forwarded_headers(self) -> None:
        """The client that a proxy's request names is counted once for the connection."""
        connection = self.connect("10.0.0.1")
        connection.send(b"GET")
        address = self.address(connection)
        headers = parse_headers(b"GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n")
        for _ in range(2):
            self.assertEqual(address.client(headers), IPv4Address("TCP", "203.0.113.5", 0))
        self.assertIs(address.client(parse_headers(b"GET / HTTP/1.1\r\n\r\n")), connection.peer)
        other = self.connect("10.0.0.1")
        other.send(b"GET")
        self.assertIs(self.address(other).client(headers), RefusalReason.ADDRESS)
        connection.lose()
        self.assertEqual(self.address(other).client(headers), IPv4Address("TCP", "203.0.113.5", 0))

    def test_proxy_behind_proxy(self) -> None:
        """Where the header names another trusted proxy, the headers of its requests are trusted."""
        connection = self.connect("10.0.0.1")
        connection.send(b"PROXY TCP4 10.0.0.2 10.0.0.1 9 80\r\nGET")
        address = self.address(connection)
        self.assertTrue(address.is_proxy)
        headers = parse_headers(b"GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n")
        self.assertEqual(address.client(headers), IPv4Address("TCP", "203.0.113.5", 0))


class FullTests(FactoryCase):
    limits: ClassVar = {"connection_limit": 2}

    def test_answered(self) -> None:
        """At the limit a request is answered with 503 and Retry-After."""
        accepted = [self.connect() for _ in range(2)]
        late = self.connect()
        late.send(REQUEST[:-1])
        self.assertEqual(late.received(), b"")
        late.send(REQUEST[-1:])
        self.assertRegex(
            late.received().decode(),
            r"^HTTP/1\.1 503 Service Unavailable\r\n(?s:.*)Retry-After: \d",
        )
        self.assertTrue(late.closed)
        late.lose()
        accepted[0].lose()
        self.assertIsInstance(self.connect().protocol, Recorder)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_alive(self) -> None:
        """At the limit /healthz still answers 200: a supervisor must not kill the server."""
        for _ in range(2):
            self.connect()
        probe = self.connect()
        probe.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b" 200 ", probe.received())

    def test_tls(self) -> None:
        """At the limit a TLS handshake is answered with a fatal alert."""
        for _ in range(2):
            self.connect()
        late = self.connect()
        late.send(b"\x16")
        self.assertEqual(late.received(), b"")
        late.send(b"\x03\x01\x02\x00\x01")
        self.assertEqual(late.received(), bytes([21, 3, 3, 0, 2, 2, 80]))
        self.assertTrue(late.closed)

    def test_silent_connections(self) -> None:
        """At most so many silent connections are kept; a later one with a request is answered."""
        for _ in range(2):
            self.connect()
        silent = [self.connect() for _ in range(MAX_REFUSED + 5)]
        self.assertEqual([each.lost for each in silent], [True] * 5 + [False] * MAX_REFUSED)
        requesting = self.connect()
        requesting.send(REQUEST)
        self.assertIn(b" 503 ", requesting.received())
        requesting.lose()
        self.assertEqual(len(self.observer.refusals), MAX_REFUSED + 6)

    def test_slow(self) -> None:
        """A refused connection that sends nothing is closed after a timeout."""
        for _ in range(2):
            self.connect()
        slow = self.connect()
        self.clock.advance(5)
        self.assertTrue(slow.transport.disconnected)


class FullRelayTests(FactoryCase):
    limits: ClassVar = {"connection_limit": 1}
    listener = ListenerKind.TRANSIT

    def test_end_of_stream(self) -> None:
        """A client of the relay gets the end of the stream, and what it sends is read."""
        self.connect()
        late = self.connect()
        self.assertIsInstance(late.protocol, RefusedConnection)
        self.assertTrue(late.transport.half_closed)
        late.send(b"please relay")
        self.assertEqual(late.received(), b"")
        self.assertFalse(late.closed)
        self.clock.advance(5)
        self.assertTrue(late.transport.disconnected)


HANDSHAKE = (
    b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PROXY = "10.0.0.1"
CLIENT = IPv4Address("TCP", "203.0.113.5", 0)


class WebSockets(WebSocketServerFactory):
    """
    A WebSocket.

    :ivar clients: the addresses of its clients.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(reactor=clock)
        self.protocol = WebSocketServerProtocol
        self.clients: list[Any] = []

    def buildProtocol(self, addr: Any) -> Any:
        """A protocol for each connection."""
        self.clients.append(addr)
        return super().buildProtocol(addr)


class Root(TextPage):
    """Records which requests came over TLS."""

    def __init__(self) -> None:
        super().__init__()
        self.secure: list[bool] = []

    def getChild(self, path: bytes, request: Request) -> Resource:  # type: ignore[override]
        """The root itself has an empty name."""
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes:
        """A request."""
        self.secure.append(uses_tls(request))
        return b""


class ClientAddressTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A web root that trusts one proxy, lets an address have one connection, and has a deny list."""
        self.clock = clock = Clock()
        self.denied = new_path(self)
        self.denied.write_text("198.51.100.0/24 Not you.\n")
        self.websockets, self.relay = WebSockets(clock), WebSockets(clock)
        self.root = Root()
        web = web_site(
            make_scheduler(clock),
            rendezvous=self.websockets,
            relay=self.relay,
            check=lambda: succeed(None),
            is_starting=lambda: False,
            is_stopping=lambda: False,
            root=self.root,
            prefix=PathPrefix(None),
            prefixed_root=self.root,
            request_seconds=10.0,
        )
        policy = make_policy(
            RefusalRecorder(),
            connections_per_address=1,
            trusted_proxy=(parse_trusted_proxy(PROXY),),
            deny_list=str(self.denied),
        )
        self.factory = LimitingFactory(make_scheduler(clock), web, ListenerKind.RENDEZVOUS, policy)

    def connect(self, peer: str) -> Connection:
        """A new connection, in a turn of its own: all together have a bounded part of a turn."""
        self.clock.advance(0)
        return Connection(self.factory, peer)

    def shake_hands(self, peer: str, headers: bytes, pieces: int = 1) -> Connection:
        """A WebSocket handshake in so many pieces; in one piece it bypasses twisted.web."""
        connection = self.connect(peer)
        data = HANDSHAKE.replace(b"Host: x\r\n", b"Host: x\r\n" + headers)
        for start in range(0, len(data), step := -(-len(data) // pieces)):
            connection.send(data[start : start + step])
        return connection

    def test_scheme(self) -> None:
        """A trusted proxy says whether its client uses TLS; other peers are not believed."""
        for peer, scheme, expected in (
            (PROXY, b"https", True),
            (PROXY, b"http, HTTPS", True),
            (PROXY, b"https, http", False),
            (PROXY, b"", False),
            ("203.0.113.9", b"https", False),
        ):
            self.root.secure.clear()
            connection = self.connect(peer)
            connection.send(
                b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: " + scheme + b"\r\n\r\n"
            )
            connection.lose()
            self.assertEqual(self.root.secure, [expected])

    def test_forwarded(self) -> None:
        """The address from the proxy counts, on both paths to a WebSocket."""
        for pieces in (1, 3):
            connection = self.shake_hands(
                PROXY, b"X-Forwarded-For: 1.1.1.1, 203.0.113.5\r\n", pieces
            )
            self.assertIn(b" 101 ", connection.received())
            connection.lose()
        self.assertEqual(self.websockets.clients, [CLIENT, CLIENT])

    def test_behind_the_head(self) -> None:
        """What a client sends behind its request is no header of the proxy's, on either path."""
        for pieces in (1, 3):
            connection = self.connect(PROXY)
            head = HANDSHAKE.replace(b"Host: x", b"Host: x\r\nX-Forwarded-For: 203.0.113.5")
            payload = b"\r\nX-Forwarded-For: 1.1.1.1\r\n"
            data = head + bytes((0x82, 0x80 | len(payload), 0, 0, 0, 0)) + payload
            for start in range(0, len(data), step := -(-len(data) // pieces)):
                connection.send(data[start : start + step])
            self.assertEqual(self.websockets.clients.pop(), CLIENT)
            connection.lose()

    def test_folded(self) -> None:
        """A folded header is read to its end."""
        self.shake_hands(PROXY, b"X-Forwarded-For: 1.1.1.1,\r\n 203.0.113.5\r\n")
        self.assertEqual(self.websockets.clients, [CLIENT])

    def test_not_trusted(self) -> None:
        """A peer that is not trusted is not believed, on either path."""
        for pieces in (1, 3):
            connection = self.shake_hands("192.0.2.7", b"X-Forwarded-For: 203.0.113.5\r\n", pieces)
            self.assertEqual(self.websockets.clients.pop(), connection.peer)
            connection.lose()

    def test_too_many(self) -> None:
        """An address at its limit gets 429 and Retry-After, on both paths."""
        self.shake_hands(PROXY, b"X-Forwarded-For: 203.0.113.5\r\n")
        for pieces in (1, 3):
            answer = self.shake_hands(PROXY, b"X-Real-IP: 203.0.113.5\r\n", pieces).received()
            self.assertIn(b" 429 ", answer)
            self.assertIn(b"retry-after: 60", answer.lower())
        self.assertEqual(len(self.websockets.clients), 1)

    def test_denied(self) -> None:
        """A client on the deny list gets 403 and its message for pages and the relay, on all paths."""
        forwarded = b"X-Forwarded-For: 198.51.100.9\r\n"
        for peer, headers in (("198.51.100.9", b""), (PROXY, forwarded)):
            requests = (
                b"GET / HTTP/1.1\r\nHost: x\r\n",
                b"HEAD /status HTTP/1.1\r\nHost: x\r\n",
                b"POST /nothing HTTP/1.1\r\nHost: x\r\n",
                HANDSHAKE.replace(b"/v1", b"/transit")[:-2],
                b"GET http://x/transit HTTP/1.1\r\nUpgrade: websocket\r\nHost: x\r\n",
            )
            for request in requests:
                connection = self.connect(peer)
                connection.send(request + headers + b"\r\n")
                answer = connection.received()
                self.assertIn(b"HTTP/1.1 403 ", answer)
                self.assertEqual(answer.endswith(b"\r\n\r\nNot you.\n"), request[:4] != b"HEAD")
                connection.lose()
        self.assertEqual(self.relay.clients, [])

    def test_not_denied(self) -> None:
        """Health checks are answered all the same; the rendezvous server tells its clients itself."""
        for path in (b"/healthz", b"/readyz"):
            connection = self.connect("198.51.100.9")
            connection.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            self.assertIn(b" 200 ", connection.received())
            connection.lose()
        for pieces in (1, 3):
            connection = self.shake_hands("198.51.100.9", b"", pieces)
            self.assertIn(b" 101 ", connection.received())
            connection.lose()

    def test_denied_proxy(self) -> None:
        """The deny list is for the clients of a trusted proxy, whose own address does not count."""
        self.denied.write_text("10.0.0.0/8\n")
        self.factory.policy.deny_list.reload()
        connection = self.connect(PROXY)
        connection.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n")
        self.assertIn(b" 200 ", connection.received())

    def test_denied_later(self) -> None:
        """The connections of a client that gets on the list are closed, and those of others are not."""
        mine = self.shake_hands("203.0.113.5", b"")
        behind_proxy = self.shake_hands(PROXY, b"X-Forwarded-For: 203.0.113.6\r\n")
        other = self.shake_hands(PROXY, b"X-Forwarded-For: 203.0.113.99\r\n")
        self.denied.write_text("203.0.113.0/28\n")
        self.factory.policy.deny_list.reload()
        self.factory.policy.close_denied()
        self.assertEqual(
            [each.transport.disconnected for each in (mine, behind_proxy, other)],
            [True, True, False],
        )
        for each in (mine, behind_proxy, other):
            each.lose()
        self.assertEqual(self.factory.policy.accepted, set())

    def test_pages(self) -> None:
        """Pages are not limited: a proxy requests them for many clients over one connection."""
        connection = self.connect(PROXY)
        for _ in range(3):
            self.clock.advance(0)
            connection.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n")
            self.assertIn(b" 200 ", connection.received())
