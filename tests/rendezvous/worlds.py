"""A server with its clients, and the model of them; the same with two servers on one PostgreSQL."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import psycopg
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from rendezvous.announcements import Announcements
from rendezvous.connections.client import Client
from rendezvous.ledger.announcement import CHANNEL
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.listener import AnnouncementListener
from rendezvous.protocol import replies
from rendezvous.sweeper import Lifetimes
from tests.rendezvous.fakes import FakeTransport, Reactor, Recorder, StoreRunner
from tests.rendezvous.model import Connection, Frame, Model
from tests.rendezvous.servers import LIFETIMES, make_rendezvous, open_test_runners
from tests.rendezvous.stores import Store
from tests.schedulers import make_scheduler
from wormhole_limits.ip_addresses import block_of
from wormhole_websocket.frames import text_frame

PEER = IPv4Address("TCP", "192.0.2.1", 1)
# Small, so that sides meet; `box` names are those that claims have made, or none's.
_APPS = st.sampled_from(["app", "app", "app", "another app"])
_SIDES = st.sampled_from(["a", "a", "b", "b", "c", "d"])
_NAMES = st.sampled_from(["7", "7", "7", "42"])
_BOXES = st.sampled_from([0, 0, 0, 1, 2, -1])
_PICK = st.integers(0, 20)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("connect"), _APPS, _SIDES),
        st.tuples(st.just("claim"), _PICK, _NAMES),
        st.tuples(st.just("release"), _PICK, st.none() | _NAMES),
        st.tuples(st.just("open"), _PICK, _BOXES),
        st.tuples(st.just("add"), _PICK, st.integers(0, 3)),
        st.tuples(st.just("add"), _PICK, st.integers(0, 3)),
        st.tuples(st.just("close"), _PICK, st.none() | _BOXES),
        st.tuples(st.just("list"), _PICK, st.none()),
        st.tuples(st.just("lose"), _PICK, st.none()),
        st.tuples(st.just("wait"), st.integers(0, 90), st.none()),
    ),
    max_size=50,
)
# An exchange as it goes when all goes well, for steps to be mixed into.
_EXCHANGE = [
    ("connect", "app", "a"),
    ("connect", "app", "b"),
    ("claim", 0, "7"),
    ("open", 0, 0),
    ("add", 0, 1),
    ("claim", 1, "7"),
    ("open", 1, 0),
    ("add", 1, 1),
    ("release", 0, None),
    ("release", 1, None),
    ("close", 0, None),
    ("close", 1, None),
]


@st.composite
def mixed_steps(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Any steps, or an exchange that any steps come in between."""
    if draw(st.booleans()):
        return [("connect", "app", "a"), ("connect", "app", "b"), *draw(_STEPS)]
    mixed: list[tuple[Any, ...]] = list(_EXCHANGE)
    for step in draw(_STEPS):
        mixed.insert(draw(st.integers(2, len(mixed))), step)
    return mixed


class World:
    """A server with its clients, and the model of them."""

    def __init__(self, store: Store) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.observer = Recorder()
        ledger = Ledger(make_scheduler(self.clock))
        ledger.open([StoreRunner(store)])
        self.server = make_rendezvous(self.clock, ledger, self.observer)
        self.server.startService()
        self.model = Model()
        self.clients: list[tuple[Connection, Client, FakeTransport]] = []
        self.boxes: list[str] = []
        self._ids = count(1)

    def step(self, kind: str, first: Any, second: Any) -> None:
        """Let one thing happen, here and in the model."""
        if kind == "wait":
            self.clock.advance(first)
        elif kind == "connect":
            self._connect(first, second)
        elif self.clients:
            client, real, transport = self.clients[first % len(self.clients)]
            if kind == "lose":
                self.clients.pop(first % len(self.clients))
                self.model.gone(client)
                real.lost()
            else:
                self._say(client, real, transport, self._command(kind, second))
        self.settle()

    def settle(self) -> None:
        """Let the server finish what it was asked."""
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)

    def _connect(self, app: str, side: str) -> None:
        transport = FakeTransport()
        real = Client(
            self.server,
            transport,
            block_of(PEER),
            lambda stored: text_frame(replies.message(stored, 0.0)),
        )
        real.connected(PEER)
        real.received(json.dumps({"type": "bind", "appid": app, "side": side}).encode())
        self.settle()
        transport.take()
        client = Connection(app, side)
        self.model.connections.append(client)
        self.clients.append((client, real, transport))

    def _command(self, kind: str, value: Any) -> Frame:
        said: Frame = {"type": kind, "id": f"id {next(self._ids)}"}
        if kind in {"claim", "release"} and value is not None:
            said["nameplate"] = value
        elif kind in {"open", "close"} and value is not None:
            known = 0 <= value < len(self.boxes)
            said["mailbox"] = self.boxes[value] if known else f"nobody's {value}"
        elif kind == "add":
            said |= {"phase": str(value), "body": f"{value:02x}"}
        return said

    def _say(self, client: Connection, real: Client, transport: FakeTransport, said: Frame) -> None:
        real.received(json.dumps(said).encode())
        self.settle()
        mailbox = next((f["mailbox"] for f in transport.heard() if f["type"] == "claimed"), None)

        def new_mailbox() -> str:
            # A random id: that it is new is all that can be known before.
            if mailbox is None or mailbox in self.boxes:
                raise AssertionError("a new nameplate needs a mailbox that is new")
            self.boxes.append(mailbox)
            return str(mailbox)

        self.model.say(client, said, new_mailbox)


def without_times(frame: Frame) -> Frame:
    plain = {key: value for key, value in frame.items() if key not in {"server_tx", "server_rx"}}
    if frame["type"] == "nameplates":
        plain["nameplates"] = sorted(entry["id"] for entry in frame["nameplates"])
    return plain


class CountingReceiver:
    """Hands on what it hears, and counts marks that were announced behind everything else."""

    def __init__(self, announcements: Announcements) -> None:
        self.marks = 0
        self.listened = 0
        self.disconnected = announcements.disconnected
        self.is_relevant = announcements.is_relevant
        self._announcements = announcements

    def connected(self) -> None:
        """See `AnnouncementReceiver`."""
        self._announcements.connected()
        self.listened += 1

    def received(self, payload: str) -> None:
        """See `AnnouncementReceiver`."""
        self._announcements.received(payload)
        self.marks += payload == "mark"


class Instances(World):
    """Two instances on one PostgreSQL, whose clients connect to them in turn."""

    def __init__(self, store: Store, lifetimes: Lifetimes = LIFETIMES) -> None:
        super().__init__(store)
        # The server that `World` has made is one too many.
        self.server.stopService()
        self.reactor = Reactor()
        self.reactor.advance(1_000_000)
        self.clock = self.reactor
        engine = store.engine
        self.ledgers = [Ledger(make_scheduler(self.reactor)) for _ in range(2)]
        self.servers = []
        self.receivers = []
        self.listeners = []
        for name, ledger in zip("ab", self.ledgers, strict=True):
            ledger.open(open_test_runners(self.reactor, engine, self.observer, instance=name))
            server = make_rendezvous(
                self.reactor, ledger, self.observer, instance=name, lifetimes=lifetimes
            )
            self.servers.append(server)
            self.receivers.append(CountingReceiver(server.announcements))
            self.listeners.append(AnnouncementListener(self.reactor, engine, self.receivers[-1]))
            self.listeners[-1].start()
            server.startService()
        self._turns = count()
        self.outside: psycopg.Connection[Any] = store._connection
        self.reactor.until(
            lambda: not any(server.announcements.interrupted for server in self.servers)
        )

    def step(self, kind: str, first: Any, second: Any) -> None:
        """See `World`; who connects gets the next instance."""
        self.server = self.servers[next(self._turns) % 2]
        super().step(kind, first, second)

    def settle(self) -> None:
        """Let both finish what they were asked, hear of each other, and finish what follows."""
        self.rest()
        self.mark()
        self.rest()

    def rest(self) -> None:
        """Until neither has anything to do."""
        self.reactor.until(
            lambda: (
                not any(
                    len(lane.queue) or lane._running or lane._finished
                    for ledger in self.ledgers
                    for lane in ledger._lanes
                )
            )
        )

    def mark(self) -> None:
        """Until both have heard what has been announced."""
        before = [ear.marks for ear in self.receivers]
        self.outside.execute("SELECT pg_notify(%s, 'mark')", [CHANNEL])
        self.outside.commit()
        self.reactor.until(
            lambda: all(ear.marks > n for ear, n in zip(self.receivers, before, strict=True))
        )

    def close(self) -> None:
        """Take both away."""
        for server, listener, ledger in zip(
            self.servers, self.listeners, self.ledgers, strict=True
        ):
            listener.stop()
            server.stopService()
            self.reactor.result(ledger.close())
