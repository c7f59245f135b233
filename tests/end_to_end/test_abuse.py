"""
Nuisances beside an honest client, by counting work: turns of the reactor, and units of what is done in them.

The server is real, with a database; transports are memory, and the clock moves as the server looks at it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.connections.websocket import RendezvousFactory, RendezvousProtocol
from rendezvous.ledger.ledger import Ledger
from rendezvous.observer import RendezvousObserver
from tests.rendezvous.fakes import StoreRunner
from tests.rendezvous.servers import make_rendezvous
from tests.rendezvous.stores import OnSqlite, StoreCase
from wormhole_limits.bounds import BoundObserver
from wormhole_limits.scheduler import Scheduler, Task
from wormhole_websocket.frames import Opcode, client_frame

HANDSHAKE = (
    b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
NO_MASK = b"\0\0\0\0"
RECV = 65536

MOST_TURNS = 4
"""From a command to its answer: the turn that reads it, the one of its batch, and one for its results."""
MOST_UNITS = 6000
"""What is done for others meanwhile, of 2 µs each. Without a bound it is a million."""


class MovingClock(Clock):
    """Each look at it takes 20 µs, as does what is done between two looks."""

    def seconds(self) -> float:
        """See `IReactorTime`."""
        self.rightNow += 0.00002
        return super().seconds()


class Transport(StringTransport):
    """A connection's end."""

    def unregisterProducer(self) -> None:
        """See `ITransport`; like TCP's it does not mind that there is none."""
        if self.producer is not None:
            super().unregisterProducer()

    def abortConnection(self) -> None:
        """See `ITCPTransport`."""
        self.loseConnection()


def text(**fields: Any) -> bytes:
    """A command."""
    return client_frame(Opcode.TEXT, json.dumps(fields).encode(), NO_MASK)


def fragment(payload: bytes) -> bytes:
    """A part of a message that never ends."""
    return client_frame(Opcode.CONTINUATION, payload, NO_MASK, final=False)


def small_adds(number: int) -> Iterator[bytes]:
    """Messages of one byte."""
    yield text(type="bind", appid="a", side=str(number)) + text(type="open", mailbox=str(number))
    for phase in itertools.count():
        yield text(type="add", phase=str(phase), body="5a")


def large_adds(number: int) -> Iterator[bytes]:
    """Messages of 255 KiB."""
    yield text(type="bind", appid="a", side=str(number)) + text(type="open", mailbox=str(number))
    for phase in itertools.count():
        yield text(type="add", phase=str(phase), body="5a" * (255 * 512))


def repeated(frame: bytes, first: bytes = b"") -> Callable[[int], Iterator[bytes]]:
    """A frame again and again."""
    return lambda _: itertools.chain([first], itertools.repeat(frame * (RECV // len(frame) + 1)))


BEGUN = client_frame(Opcode.TEXT, b"x", NO_MASK, final=False)
DEEP = b'{"type":"ping","ping":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
NUISANCES = {
    "one-byte fragments": repeated(fragment(b"x"), BEGUN),
    "empty fragments": repeated(fragment(b""), BEGUN),
    "WebSocket pings": repeated(client_frame(Opcode.PING, b"x", NO_MASK)),
    "ping commands": repeated(text(type="ping", ping=1)),
    "refused commands": repeated(text(type="nonsense")),
    "deep JSON": repeated(client_frame(Opcode.TEXT, DEEP, NO_MASK)),
    "small adds": small_adds,
    "large adds": large_adds,
}


class AbuseTests(OnSqlite, StoreCase, SynchronousTestCase):
    """A server, clients that are a nuisance, and one that is honest."""

    def setUp(self) -> None:
        """Bring up a server, and count what is done for whom."""
        super().setUp()
        self.clock = MovingClock()
        self.scheduler = Scheduler(self.clock, BoundObserver())
        ledger = Ledger(self.scheduler)
        ledger.open([StoreRunner(self.store)])
        self.factory = RendezvousFactory(
            make_rendezvous(self.clock, ledger, RendezvousObserver()),
            max_message_bytes=1 << 20,
            open_handshake_seconds=10.0,
            allowed_origins=["*"],
            options={},
        )
        self.units = 0
        spend = self.scheduler.spend

        def count(task: Task, units: int) -> None:
            if task.account.key != int.from_bytes(b"\xc6\x33\x64\x01", "big"):
                self.units += units
            spend(task, units)

        self.patch(self.scheduler, "spend", count)
        self.nuisances: list[tuple[RendezvousProtocol, Transport, Iterator[bytes], bytearray]] = []

    def connect(self, address: str) -> tuple[RendezvousProtocol, Transport]:
        """A new connection, whose opening handshake is complete."""
        peer = IPv4Address("TCP", address, 1)
        transport = Transport(peerAddress=peer)
        protocol = self.factory.buildProtocol(peer)
        protocol.makeConnection(transport)
        protocol.dataReceived(HANDSHAKE)
        self.turn()
        return protocol, transport

    def turn(self) -> None:
        """A turn of the reactor: what is due, then what has arrived from those that are read."""
        due = sorted(self.clock.calls, key=lambda call: call.getTime())
        for call in due:
            if call.getTime() <= self.clock.rightNow and call.active():
                self.clock.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)
        for protocol, transport, chunks, unsent in self.nuisances:
            transport.clear()
            if transport.producerState == "producing" and not transport.disconnecting:
                while len(unsent) < RECV:
                    unsent.extend(next(chunks))
                data = bytes(unsent[:RECV])
                del unsent[:RECV]
                protocol.dataReceived(data)

    def turns_to_answer(self, honest: tuple[RendezvousProtocol, Transport], command: bytes) -> int:
        """How many turns it takes until a command is acknowledged."""
        protocol, transport = honest
        transport.clear()
        protocol.dataReceived(command)
        for turns in itertools.count():
            if b'"type":"ack"' in transport.value():
                return turns
            self.turn()
        raise AssertionError

    def assert_served(self, addresses: list[str], honest_address: str = "198.51.100.1") -> None:
        """Beside each nuisance from these addresses, an honest client is served as if it were alone."""
        for name, nuisance in NUISANCES.items():
            self.setUp()
            honest = self.connect(honest_address)
            self.turns_to_answer(honest, text(type="bind", appid="a", side="honest"))
            for number, address in enumerate(addresses):
                protocol, transport = self.connect(address)
                self.nuisances.append((protocol, transport, nuisance(number), bytearray()))
            for _ in range(50):
                self.turn()
            for command in (text(type="claim", nameplate="7"), text(type="open", mailbox="box")):
                self.units = 0
                turns = self.turns_to_answer(honest, command)
                self.assertLessEqual(turns, MOST_TURNS, name)
                self.assertLessEqual(self.units, MOST_UNITS, name)

    def test_one_connection(self) -> None:
        """A nuisance on one connection."""
        self.assert_served(["192.0.2.1"])

    def test_one_address(self) -> None:
        """A nuisance on 20 connections of one address."""
        self.assert_served(["192.0.2.1"] * 20)

    def test_many_addresses(self) -> None:
        """A nuisance from 20 addresses."""
        self.assert_served([f"192.0.2.{number}" for number in range(20)])

    def test_own_address(self) -> None:
        """A nuisance on 20 connections from the address that the honest client has as well."""
        self.assert_served(["192.0.2.1"] * 20, "192.0.2.1")
