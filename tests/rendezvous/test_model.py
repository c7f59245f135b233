"""Property tests of the whole rendezvous server, all but its wire, against a small model of the protocol."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from rendezvous import messages, schema
from rendezvous.client import Client
from rendezvous.frames import text_frame
from rendezvous.ledger import Ledger
from rendezvous.mailboxes import read_page
from rendezvous.server import Rendezvous
from tests.rendezvous.fakes import FakeWire, Recorder, StoreRunner
from tests.rendezvous.model import Connection, Frame, Model
from tests.rendezvous.stores import OnPostgres, OnSqlite, Store, StoreCase

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
def _mixed(draw: st.DrawFn) -> list[tuple[Any, ...]]:
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
        ledger = Ledger(self.clock)
        ledger.open([StoreRunner(store)])
        self.server = Rendezvous(self.clock, ledger, self.observer)
        self.server.start()
        self.model = Model()
        self.clients: list[tuple[Connection, Client, FakeWire]] = []
        self.boxes: list[str] = []
        self._ids = count(1)

    def step(self, kind: str, first: Any, second: Any) -> None:
        """Let one thing happen, here and in the model."""
        if kind == "wait":
            self.clock.advance(first)
        elif kind == "connect":
            self._connect(first, second)
        elif self.clients:
            client, real, wire = self.clients[first % len(self.clients)]
            if kind == "lose":
                self.clients.pop(first % len(self.clients))
                self.model.gone(client)
                real.lost()
            else:
                self._say(client, real, wire, self._command(kind, second))
        self.settle()

    def settle(self) -> None:
        """Let the server finish what it was asked."""
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)

    def _connect(self, app: str, side: str) -> None:
        wire = FakeWire()
        real = Client(self.server, wire, lambda stored: text_frame(messages.message(stored, 0.0)))
        real.greet(PEER)
        real.received(json.dumps({"type": "bind", "appid": app, "side": side}).encode())
        self.settle()
        wire.take()
        client = Connection(app, side)
        self.model.connections.append(client)
        self.clients.append((client, real, wire))

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

    def _say(self, client: Connection, real: Client, wire: FakeWire, said: Frame) -> None:
        real.received(json.dumps(said).encode())
        self.settle()
        mailbox = next((f["mailbox"] for f in wire.heard() if f["type"] == "claimed"), None)

        def new_mailbox() -> str:
            # A random id: that it is new is all that can be known before.
            if mailbox is None or mailbox in self.boxes:
                raise AssertionError("a new nameplate needs a mailbox that is new")
            self.boxes.append(mailbox)
            return str(mailbox)

        self.model.say(client, said, new_mailbox)


def _without_times(frame: Frame) -> Frame:
    plain = {key: value for key, value in frame.items() if key not in {"server_tx", "server_rx"}}
    if frame["type"] == "nameplates":
        plain["nameplates"] = sorted(entry["id"] for entry in frame["nameplates"])
    return plain


class Interleavings(StoreCase):
    """Two to four sides, with any number of connections each, in any order."""

    __test__ = False

    def test_like_the_model(self) -> None:
        """Every client hears what the protocol says, and in the end the database holds just that."""

        @settings(max_examples=self.examples)
        @given(_mixed())
        def check(steps: list[tuple[Any, ...]]) -> None:
            self.store.clear()
            world = World(self.store)
            for step in steps:
                world.step(*step)
                self.compare(world)
            self.compare_stored(world)

        check()

    def compare(self, world: World) -> None:
        """What every client has heard since the last step."""
        for client, _, wire in world.clients:
            heard = [_without_times(frame) for frame in wire.take()]
            self.assertEqual(heard, client.heard)
            client.heard.clear()

    def compare_stored(self, world: World) -> None:
        """What the database holds in the end, and what was counted on the way."""
        model = world.model
        self.assertEqual(
            set(self.store.rows(schema.nameplates, "app", "name", "mailbox")),
            {(app, name, plate.mailbox) for (app, name), plate in model.plates.items()},
        )
        stored = set(self.store.rows(schema.mailboxes, "app", "mailbox"))
        self.assertEqual(stored, set(model.boxes))
        for (app, mailbox), box in model.boxes.items():
            page = self.store.run(partial(read_page, app=app, mailbox=mailbox, number=1))
            heard = [json.loads(messages.message(message, 0.0)) for message in page.messages]
            self.assertEqual([_without_times(frame) for frame in heard], box.messages)
        total = sum(len(box.messages) for box in model.boxes.values())
        self.assertEqual(len(self.store.rows(schema.messages, "number")), total)
        self.assertEqual(len(self.store.rows(schema.nameplate_usage, "id")), model.retired_plates)
        self.assertEqual(len(self.store.rows(schema.mailbox_usage, "id")), model.retired_boxes)
        self.assertEqual(len(world.observer.nameplates), model.retired_plates)
        self.assertEqual(len(world.observer.mailboxes), model.retired_boxes)
        self.assertEqual((world.observer.counts["internal_error"], world.observer.drops), (0, []))
        for client, _, _ in world.clients:
            if client.listens:
                address = (client.app, client.mailbox or "")
                self.assertTrue(world.server.subscriptions.is_present(address))


class InterleavingsOnSqlite(OnSqlite, Interleavings):
    """Against the model on SQLite."""


class InterleavingsOnPostgres(OnPostgres, Interleavings):
    """Against the model on PostgreSQL."""
