"""
Containment: every method of the rendezvous connections raises once under load, and all else goes on.

The methods are found by inspection, so one that is added later is tested as well.
"""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import rendezvous
import rendezvous.commands
import rendezvous.connections
import wormhole_websocket
from rendezvous.announcements import Announcements
from rendezvous.connections import websocket
from rendezvous.connections.websocket import RendezvousProtocol
from rendezvous.ledger.announcement import NewMessages, encode
from rendezvous.ledger.keys import lock_key, mailbox_key
from tests.rendezvous.connections.test_websocket import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Transport,
    WebSocketCase,
    frame,
)


class Injected(Exception):
    """What nobody foresaw."""


def methods() -> Iterator[tuple[type, str]]:
    """Every method of every class that has to do with connections."""
    for package in (rendezvous.commands, rendezvous.connections, rendezvous, wormhole_websocket):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for owner in vars(module).values():
                if inspect.isclass(owner) and owner.__module__ == found.name:
                    for name, member in vars(owner).items():
                        if inspect.isfunction(member):
                            yield owner, name


def name_of(owner: type, name: str) -> str:
    """A method, as the sets below and the names of the tests have it."""
    return f"{owner.__module__}.{owner.__qualname__}.{name}"


class LoadedServer:
    """A server with clients that are busy; exceptions that reach the reactor are noted."""

    def __init__(self, case: WebSocketCase) -> None:
        self.case = case
        self.escaped = 0
        self.accepting = True
        self.ends: list[tuple[RendezvousProtocol, Transport]] = []
        case.server.startService()

    def guard(self, call: Callable[..., object], *args: object) -> None:
        """Do what the reactor does: an exception ends nothing."""
        try:
            call(*args)
        except Injected:
            self.escaped += 1

    def settle(self, seconds: float = 0.0) -> None:
        """Let time pass, and tell connections of their ends."""
        self.guard(self.case.clock.advance, seconds)
        self.guard(self.case.settle)
        for protocol, transport in self.ends:
            if transport.disconnecting and protocol.transport is not None:
                self.guard(protocol.connectionLost)
                protocol.transport = None

    def pass_round(self) -> None:
        """Let a round of the heartbeat pass."""
        for _ in range(61):
            self.guard(self.case.clock.advance, 1.0)
        self.settle()

    def connect(self) -> int:
        """Connect a client, and return its number."""
        try:
            protocol, transport = self.case.dial()
        except Injected:
            # Twisted logs it, and closes the connection that it has accepted.
            self.accepting = False
            return self.connect()
        self.ends.append((protocol, transport))
        self.guard(protocol.dataReceived, self.case.handshake())
        return len(self.ends) - 1

    def send(self, number: int, **command: object) -> None:
        """Have a client send a command, unless it has been dropped."""
        protocol, transport = self.ends[number]
        if not transport.disconnecting:
            self.guard(protocol.dataReceived, frame(TEXT, json.dumps(command).encode()))

    def exchange(self, first: int, second: int, mailbox: str) -> None:
        """Have two clients exchange messages through a mailbox."""
        for number, side in ((first, f"a{mailbox}"), (second, f"b{mailbox}")):
            self.send(number, type="bind", appid="app", side=side)
            self.send(number, type="allocate" if number == first else "list")
            self.send(number, type="open", mailbox=mailbox)
        self.settle()
        for number in (first, second):
            self.send(number, type="add", phase="pake", body="00")
        self.settle()

    def load(self) -> None:
        """Have everything happen that can happen to connections."""
        self.exchange(self.connect(), self.connect(), "loaded")
        for number, (protocol, _) in enumerate(list(self.ends)):
            self.send(number, type="add", phase=f"{number}", body="00")
            self.guard(protocol.dataReceived, frame(PING, b"x") + frame(PONG, b""))
            self.send(number, type="nonsense")
            self.send(number, type="claim", nameplate=f"{number}")
        self.settle()
        for protocol, _ in self.ends:
            self.guard(protocol.pauseProducing)
        for number in range(len(self.ends)):
            self.send(number, type="add", phase=f"full-{number}", body="00")
        self.settle()
        for protocol, _ in self.ends:
            self.guard(protocol.resumeProducing)
        self.settle()
        key = lock_key(mailbox_key("app", "box0"))
        payload = encode("other", [NewMessages(key, 1, 50)])
        self.guard(self.case.server.announcements.received, payload)
        self.settle()
        self.pass_round()
        leaving = self.connect()
        self.exchange(leaving, self.connect(), "left")
        self.send(leaving, type="release")
        self.send(leaving, type="close")
        self.settle()
        protocol, transport = self.ends[leaving]
        if not transport.disconnecting:
            self.guard(protocol.dataReceived, frame(CLOSE, b""))
        broken = self.connect()
        self.guard(self.ends[broken][0].dataReceived, b"\xff\xff")
        self.guard(self.ends[broken][0].dataReceived, frame(CLOSE, b""))
        self.settle(3.0)
        self.gone = {leaving, broken}

    def dropped(self) -> set[int]:
        """The clients that the server has dropped."""
        ended = {
            number for number, (_, transport) in enumerate(self.ends) if transport.disconnecting
        }
        return ended - self.gone

    def is_served(self, number: int) -> bool:
        """Whether a client's command is answered."""
        _, transport = self.ends[number]
        transport.clear()
        self.send(number, type="ping", ping=number)
        self.settle()
        return b'"pong"' in transport.value()


CONTAINING = {
    # These contain what others raise: there is nothing in them but that.
    "rendezvous.connections.open_connections.OpenConnections._flush",
    "rendezvous.connections.open_connections.OpenConnections._contain",
    "rendezvous.connections.websocket.RendezvousProtocol._contain",
    "rendezvous.connections.websocket.RendezvousProtocol.pauseProducing",
    "rendezvous.connections.websocket.RendezvousProtocol.resumeProducing",
    "rendezvous.connections.websocket.RendezvousProtocol.failed",
    "rendezvous.connections.websocket.RendezvousFactory.failed",
    "wormhole_websocket.protocol.WebSocketProtocol.abort",
    "wormhole_websocket.protocol.WebSocketProtocol.connectionLost",
    "wormhole_websocket.protocol.WebSocketProtocol.dataReceived",
    "rendezvous.announcements.Announcements.received",
    "rendezvous.announcements.Announcements._announce",
}

UNCOUNTED = {
    # It contains what others raise. The scheduler logs what it raises.
    "rendezvous.connections.websocket.RendezvousProtocol.serve",
    # Autobahn calls these, and has the exception logged.
    "wormhole_websocket.autobahn.Opening.onConnect",
    "wormhole_websocket.autobahn.Opening.onOpen",
}


class ContainmentTests(WebSocketCase):
    """Whatever raises, one conversation ends at most. Most tests are added below: one for each method."""

    def setUp(self) -> None:
        """Have a server that is used."""
        super().setUp()
        # Collecting what exists already would take a part of a second each time.
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        # Its statement is PostgreSQL's; it is not what is tested here.
        self.patch(Announcements, "catch_up", lambda _: None)
        self.patch(websocket, "is_tcp", lambda _: True)
        self.patch(websocket, "write_at_once", lambda transport, data: transport.write(data))
        self.loaded = LoadedServer(self)
        self.loaded.exchange(self.loaded.connect(), self.loaded.connect(), "box0")

    def wrap(self, owner: type, name: str, before: Callable[[], None]) -> None:
        """Have `before` called at the beginning of a method."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            before()
            return original(*args, **kwargs)

        self.addCleanup(setattr, owner, name, original)
        setattr(owner, name, method)

    def check(self, owner: type, name: str) -> None:
        """Have a method raise when the load calls it first; the log and the metrics have it once."""
        raised: list[int] = []

        def fail() -> None:
            if not raised:
                raised.append(1)
                raise Injected(name)

        self.wrap(owner, name, fail)
        loaded = self.loaded
        loaded.load()
        if not raised:
            return
        gc.collect()
        logged = len(self.flushLoggedErrors(Injected))
        if loaded.accepting:
            counted = sum(self.observer.counts[n] for n in ("internal_error", "expiry_failed"))
            due = 0 if name_of(owner, name) in UNCOUNTED else 1
            self.assertEqual((loaded.escaped, logged, counted), (0, 1, due))
        self.assertLessEqual(len(loaded.dropped()), 1)
        alive = set(range(len(loaded.ends))) - loaded.dropped() - loaded.gone
        self.assertEqual([number for number in alive if not loaded.is_served(number)], [])
        for _, transport in loaded.ends:
            transport.clear()
        loaded.pass_round()
        unpinged = [n for n in alive if b"\x89\x00" not in loaded.ends[n][1].value()]
        self.assertEqual(unpinged, [])

    def test_reached(self) -> None:
        """The load calls most methods."""
        called: set[str] = set()
        for owner, name in methods():
            self.wrap(owner, name, functools.partial(called.add, name_of(owner, name)))
        self.loaded.load()
        self.assertGreater(len(called), 150)


def _add_tests() -> None:
    for owner, name in methods():
        where = name_of(owner, name)
        if where not in CONTAINING:

            def test(case: ContainmentTests, owner: type = owner, name: str = name) -> None:
                case.check(owner, name)

            setattr(ContainmentTests, f"test_{where}", test)


_add_tests()
