"""Tests of `wormhole_server.gate`."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.arrivals import Connection, Host, Transport
from wormhole_server.admission import Admissions, ConnectionLimits, Entrance, Refusal
from wormhole_server.gate import MOST_TURNED_AWAY, Arrival, Gate
from wormhole_server.proxies.forwarded import headers_in
from wormhole_server.proxies.trust import Trust, parse_trusted_proxy
from wormhole_server.turned_away import TurnedAway

HEADER = b"PROXY TCP4 203.0.113.5 10.0.0.1 999 4001\r\n"
TRUST = Trust((parse_trusted_proxy("10.0.0.0/8"), parse_trusted_proxy("unix")))
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


class Inner(Factory):
    """What stands behind the gate."""

    def buildProtocol(self, addr: Any) -> Host:
        """For whoever comes."""
        return Host(addr)


class GateCase(SynchronousTestCase):
    limits = ConnectionLimits()
    entrance = Entrance.RENDEZVOUS

    def setUp(self) -> None:
        """A gate that trusts 10.0.0.0/8."""
        self.clock = Clock()
        self.refused: list[tuple[Entrance, Refusal]] = []
        self.admissions = Admissions(self.limits, lambda *who: self.refused.append(who))
        self.inner = Inner()
        self.gate = Gate(self.clock, self.inner, self.admissions, self.entrance, TRUST, 5.0)

    def come(self, peer: Any = "192.0.2.7") -> Connection:
        """A connection from `peer`."""
        return Connection(self.gate, peer)


class LettingInTests(GateCase):
    def test_in(self) -> None:
        """Who comes has to do with what is behind the gate alone, until it is gone."""
        connection = self.come()
        host = connection.protocol
        self.assertIsInstance(host, Host)
        self.assertEqual(host.address.address, connection.peer)
        connection.send(b"hello")
        self.assertEqual((host.data, self.admissions.total), (b"hello", 1))
        connection.leave()
        self.assertEqual((host.lost, self.admissions.total), (True, 0))
        self.assertEqual(vars(connection.transport).get("connectionLost"), None)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_changed_hands(self) -> None:
        """It is counted out also when another protocol has taken it over meanwhile."""
        connection = self.come()
        connection.transport.protocol = last = Host(None)
        connection.leave()
        self.assertEqual((last.lost, self.admissions.total), (True, 0))

    def test_refused_by_the_factory(self) -> None:
        """Where the factory wants nobody the connection is closed."""
        self.inner.buildProtocol = lambda addr: None  # type: ignore[assignment, method-assign, return-value]
        self.assertTrue(self.come().closed)

    def test_tls(self) -> None:
        """Behind TLS it is the transport beneath that tells when it is gone."""
        wrapping = WrappingFactory(self.gate)
        protocol = wrapping.buildProtocol(IPv4Address("TCP", "10.0.0.1", 1))
        transport = Transport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        protocol.dataReceived(HEADER + b"rest")
        assert isinstance(protocol, ProtocolWrapper)
        host = protocol.wrappedProtocol
        assert isinstance(host, Host)
        self.assertEqual((host.data, self.admissions.total), (b"rest", 1))
        transport.connectionLost(Failure(OSError()))
        self.assertEqual((host.lost, self.admissions.total), (True, 0))

    def test_lifecycle(self) -> None:
        """What is behind is told when a port begins and ends, and named in the log."""
        self.gate.doStart()
        self.assertEqual(self.inner.numPorts, 1)
        self.gate.doStop()
        self.assertEqual(self.inner.numPorts, 0)
        self.assertEqual(self.gate.logPrefix(), "Inner")


class ProxyTests(GateCase):
    limits = ConnectionLimits(None, 1)

    def arrival(self, connection: Connection) -> Arrival:
        """What the host was told of the address."""
        host = connection.protocol
        self.assertIsInstance(host, Host)
        arrival: Arrival = host.address
        return arrival

    def test_header(self) -> None:
        """The client's address stands in the header, and what comes with it is the client's."""
        for end in range(1, len(HEADER)):
            connection = self.come("10.0.0.1")
            connection.send(HEADER[:end])
            self.assertNotIsInstance(connection.protocol, Host)
            connection.send(HEADER[end:] + b"hello")
            self.assertEqual(
                self.arrival(connection).address, IPv4Address("TCP", "203.0.113.5", 999)
            )
            self.assertFalse(self.arrival(connection).is_proxy)
            self.assertEqual(connection.protocol.data, b"hello")
            connection.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_untrusted(self) -> None:
        """From anybody else a header is what the client has sent, like any garbage."""
        connection = self.come()
        connection.send(HEADER)
        self.assertEqual(connection.protocol.data, HEADER)
        self.assertEqual(self.arrival(connection).address, connection.peer)

    def test_no_header(self) -> None:
        """A trusted proxy that sends none is served as itself."""
        connection = self.come("10.0.0.1")
        connection.send(b"GE")
        self.assertEqual(connection.protocol.data, b"GE")
        self.assertEqual(self.arrival(connection).address, connection.peer)
        self.assertTrue(self.arrival(connection).is_proxy)

    def test_local(self) -> None:
        """So is one that says that it comes for nobody."""
        connection = self.come("10.0.0.1")
        connection.send(b"PROXY UNKNOWN\r\nhello")
        self.assertEqual(connection.protocol.data, b"hello")
        self.assertEqual(self.arrival(connection).address, connection.peer)

    def test_unix(self) -> None:
        """A proxy may be on the other end of a Unix socket."""
        connection = self.come(UNIXAddress(None))
        connection.send(HEADER)
        self.assertEqual(self.arrival(connection).address, IPv4Address("TCP", "203.0.113.5", 999))

    def test_broken(self) -> None:
        """A header that is none ends the connection, and what still comes is not read."""
        connection = self.come("10.0.0.1")
        connection.send(b"PROXY what\r\n")
        connection.send(b"PROXY what\r\n")
        self.assertTrue(connection.transport.disconnected)
        self.assertEqual(self.refused, [(Entrance.RENDEZVOUS, Refusal.PROXY_HEADER)])
        connection.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.admissions.total, 0)

    def test_late(self) -> None:
        """So does one that does not come to its end in time."""
        connection = self.come("10.0.0.1")
        self.clock.advance(4)
        connection.send(HEADER[:-1])
        self.clock.advance(1.1)
        self.assertTrue(connection.transport.disconnected)
        self.assertEqual(self.refused, [(Entrance.RENDEZVOUS, Refusal.PROXY_HEADER)])

    def test_silent(self) -> None:
        """A proxy that says nothing at all is left to what is behind the gate."""
        connection = self.come("10.0.0.1")
        self.clock.advance(5.1)
        self.assertIsInstance(connection.protocol, Host)
        self.assertFalse(connection.closed)
        self.assertEqual(self.refused, [])

    def test_gone_at_once(self) -> None:
        """One that only wants to know whether the port is open leaves nothing behind."""
        self.come("10.0.0.1").leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.admissions.total, 0)

    def test_counted(self) -> None:
        """It is the client that is counted, not the proxy."""
        first, second, third = (self.come("10.0.0.1") for _ in range(3))
        first.send(HEADER)
        second.send(HEADER.replace(b".5 ", b".6 "))
        third.send(HEADER + REQUEST)
        self.assertIsInstance(first.protocol, Host)
        self.assertIsInstance(second.protocol, Host)
        self.assertIn(b" 429 ", third.received())
        self.assertEqual(self.refused, [(Entrance.RENDEZVOUS, Refusal.ADDRESS)])
        third.leave()
        first.leave()
        fourth = self.come("10.0.0.1")
        fourth.send(HEADER)
        self.assertIsInstance(fourth.protocol, Host)
        self.assertEqual(self.admissions.total, 2)

    def test_requests_of_a_proxy(self) -> None:
        """A proxy's request names its client, who is counted once, whatever else is asked."""
        connection = self.come("10.0.0.1")
        connection.send(b"GET")
        arrival = self.arrival(connection)
        headers = headers_in(b"GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n")
        for _ in range(2):
            self.assertEqual(arrival.client(headers), IPv4Address("TCP", "203.0.113.5", 0))
        self.assertIs(arrival.client(headers_in(b"GET / HTTP/1.1\r\n\r\n")), connection.peer)
        other = self.come("10.0.0.1")
        other.send(b"GET")
        self.assertIs(self.arrival(other).client(headers), Refusal.ADDRESS)
        connection.leave()
        self.assertEqual(self.arrival(other).client(headers), IPv4Address("TCP", "203.0.113.5", 0))

    def test_proxy_behind_proxy(self) -> None:
        """Where the header names another trusted proxy, that one's requests are believed."""
        connection = self.come("10.0.0.1")
        connection.send(b"PROXY TCP4 10.0.0.2 10.0.0.1 9 80\r\nGET")
        arrival = self.arrival(connection)
        self.assertTrue(arrival.is_proxy)
        headers = headers_in(b"GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n")
        self.assertEqual(arrival.client(headers), IPv4Address("TCP", "203.0.113.5", 0))


class FullTests(GateCase):
    limits = ConnectionLimits(2, None)

    def test_answered(self) -> None:
        """When it is full a request is answered with 503 and when to come again."""
        inside = [self.come() for _ in range(2)]
        late = self.come()
        late.send(REQUEST[:-1])
        self.assertEqual(late.received(), b"")
        late.send(REQUEST[-1:])
        self.assertRegex(
            late.received().decode(),
            r"^HTTP/1\.1 503 Service Unavailable\r\n(?s:.*)Retry-After: \d",
        )
        self.assertTrue(late.closed)
        late.leave()
        inside[0].leave()
        self.assertIsInstance(self.come().protocol, Host)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_alive(self) -> None:
        """A supervisor hears that the server is alive: it must not end who is in."""
        for _ in range(2):
            self.come()
        probe = self.come()
        probe.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b" 200 ", probe.received())

    def test_tls(self) -> None:
        """Who begins a TLS handshake is answered in TLS: with a fatal alert."""
        for _ in range(2):
            self.come()
        late = self.come()
        late.send(b"\x16")
        self.assertEqual(late.received(), b"")
        late.send(b"\x03\x01\x02\x00\x01")
        self.assertEqual(late.received(), bytes([21, 3, 3, 0, 2, 2, 80]))
        self.assertTrue(late.closed)

    def test_crowd(self) -> None:
        """Of a crowd that says nothing only so many stay; whoever asks at once is answered."""
        for _ in range(2):
            self.come()
        crowd = [self.come() for _ in range(MOST_TURNED_AWAY + 5)]
        self.assertEqual([each.gone for each in crowd], [True] * 5 + [False] * MOST_TURNED_AWAY)
        asking = self.come()
        asking.send(REQUEST)
        self.assertIn(b" 503 ", asking.received())
        asking.leave()
        self.assertEqual(len(self.refused), MOST_TURNED_AWAY + 6)

    def test_slow(self) -> None:
        """Who takes his time is out in the end."""
        for _ in range(2):
            self.come()
        slow = self.come()
        self.clock.advance(5)
        self.assertTrue(slow.transport.disconnected)


class FullRelayTests(GateCase):
    limits = ConnectionLimits(1, None)
    entrance = Entrance.TRANSIT

    def test_end_of_stream(self) -> None:
        """The relay's client is told that nothing will come, and what it sends is read."""
        self.come()
        late = self.come()
        self.assertIsInstance(late.protocol, TurnedAway)
        self.assertTrue(late.transport.half_closed)
        late.send(b"please relay")
        self.assertEqual(late.received(), b"")
        self.assertFalse(late.closed)
        self.clock.advance(5)
        self.assertTrue(late.transport.disconnected)
