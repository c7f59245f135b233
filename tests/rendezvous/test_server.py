"""Tests of `rendezvous.server`: what concerns no single client, and the whole of it against a model."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import attrs
from hypothesis import given, settings
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from rendezvous.commands.command import Command
from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.ledger import Ledger
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import Conversation
from rendezvous.protocol.moods import Mood
from rendezvous.rules import schema
from rendezvous.rules.messages import read_page
from rendezvous.rules.usage import Usage
from rendezvous.server import LiveCounts
from tests.rendezvous.conversations import command, read
from tests.rendezvous.fakes import FailingObserver, Recorder, StoreRunner
from tests.rendezvous.model import Connection
from tests.rendezvous.servers import LIFETIMES, LIMITS, PERMISSIONS, USAGE, WELCOME, make_rendezvous
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase
from tests.rendezvous.worlds import Instances, World, mixed_steps, without_times
from tests.schedulers import make_scheduler
from wormhole_limits.scheduler import Task


class ServerRules(StoreCase):
    """Counts, health, records, what follows from a result."""

    __test__ = False

    def setUp(self) -> None:
        """Bring up a server."""
        super().setUp()
        self.clock = Clock()
        self.observer = Recorder()
        self.runner = StoreRunner(self.store)
        self.ledger = Ledger(make_scheduler(self.clock))
        self.ledger.open([self.runner])
        self.server = make_rendezvous(self.clock, self.ledger, self.observer)

    def new_task(self) -> Task:
        """The task of a connection."""
        return self.server.scheduler.new_task(1, lambda _: False)

    def do(self, *some: Command[Any]) -> list[Any]:
        """Carry commands out, publish their results, and return them."""
        results = []
        for each in some:
            done: Deferred[Any] = Deferred()
            self.server.perform(each, 0, self.new_task(), done.callback)
            self.clock.advance(0)
            results.append(self.successResultOf(done))
            each.publish(self.server.context, results[-1])
        return results

    def test_observer_that_raises(self) -> None:
        """An observer that raises at every report keeps neither commands nor timers from their work."""
        self.server = make_rendezvous(self.clock, self.ledger, FailingObserver())
        self.server.startService()
        self.do(command("claim", nameplate="7"), command("release", nameplate="7"))
        self.do(command("claim", nameplate="8"))
        for _ in range(80):
            self.clock.advance(60.0)
            self.clock.pump([0.0] * 20)
        self.assertEqual(self.store.rows(schema.nameplates, "name"), [])
        self.server.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertGreater(len(self.flushLoggedErrors(ZeroDivisionError)), 0)

    def test_live_counts(self) -> None:
        """Nameplates and mailboxes are counted as they stand in the database."""
        self.do(
            command("claim", nameplate="7"),
            command("claim", nameplate="8"),
            command("release", nameplate="8"),
            command("open", mailbox="box"),
        )
        counted = self.server.live_counts()
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(counted), LiveCounts(1, 3))

    def test_check_database(self) -> None:
        """The check passes when the database answers, and fails when it does not."""
        asked = self.server.check_database()
        self.clock.advance(0)
        self.successResultOf(asked)
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        asked = self.server.check_database()
        self.clock.advance(0)
        self.failureResultOf(asked, LedgerUnavailable)
        self.successResultOf(self.close())
        self.failureResultOf(self.server.check_database(), LedgerUnavailable)

    def close(self) -> Deferred[None]:
        """Close the ledger."""
        closed = self.ledger.close()
        self.clock.advance(0)
        return closed

    def bind(self) -> None:
        """A client binds and says which program it is."""
        said = b'{"type":"bind","appid":"app","side":"a","client_version":["python","1.0"]}'
        self.server.perform_unwatched(read(said, Conversation()), 0, self.new_task())

    def test_record_client(self) -> None:
        """Which program bound is recorded, and nobody waits for it."""
        self.bind()
        self.clock.advance(0)
        self.assertEqual(
            self.store.rows(schema.client_usage, "implementation", "version"), [("python", "1.0")]
        )

    def test_record_that_fails(self) -> None:
        """A record that cannot be written is no client's problem; only what nobody foresaw is logged."""
        for failure, logged in ((LedgerUnavailable(), 0), (ZeroDivisionError(), 1)):
            self.runner.failure, self.runner.failures = failure, 1
            self.bind()
            self.clock.advance(0)
            self.assertEqual(len(self.flushLoggedErrors()), logged)
        self.assertEqual(self.observer.counts["internal_error"], 1)

    def test_retired(self) -> None:
        """What has gone is counted by how it ended."""
        self.do(
            command("claim", nameplate="7"),
            command("release", nameplate="7"),
            command("open", mailbox="box"),
            command("close", mailbox="box", mood="scary"),
        )
        self.assertEqual(self.observer.nameplates, [Mood.LONELY])
        self.assertEqual(self.observer.mailboxes, [Mood.SCARY])

    def test_lanes(self) -> None:
        """Connections are spread over the lanes."""
        lanes = {self.server.new_lane() % 2 for _ in range(4)}
        self.assertEqual(lanes, {0, 1})

    def change(self, **values: Any) -> None:
        """Have the server go on with these values, and the defaults for all others."""
        defaults = {
            "welcome": WELCOME,
            "limits": LIMITS,
            "lifetimes": LIFETIMES,
            "usage": USAGE,
            "list_allowed": True,
            "permissions": PERMISSIONS,
        }
        self.server.change(**{**defaults, **values})

    def test_list_disallowed_meanwhile(self) -> None:
        """The list is empty from the moment on that it is not allowed, and back when it is again."""
        self.do(command("claim", nameplate="7"))
        for allowed, listed in ((False, []), (True, ["7"])):
            self.change(list_allowed=allowed)
            self.assertEqual(self.do(command("list")), [listed])

    def test_blurred_meanwhile(self) -> None:
        """Usage records are blurred from the moment on that they are to be."""
        self.clock.advance(1234.5)
        self.change(usage=Usage(1000.0))
        self.bind()
        self.do(command("claim", nameplate="7"))
        self.do(command("release", nameplate="7"))
        for table in (schema.client_usage, schema.nameplate_usage):
            self.assertEqual(self.store.rows(table, "started"), [1000.0])

    def test_pings_meanwhile(self) -> None:
        """Pings follow the limits."""
        self.server.startService()
        before = len(self.clock.getDelayedCalls())
        self.change(limits=attrs.evolve(LIMITS, ping_seconds=0.0))
        self.assertEqual(len(self.clock.getDelayedCalls()), before - 1)
        self.server.stopService()

    def test_start_and_stop(self) -> None:
        """After the stop no timer is left."""
        self.server.startService()
        self.clock.pump([1.0] * 200)
        self.server.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ServerOnSqlite(OnSqlite, ServerRules):
    """On SQLite."""


class ServerOnPostgres(OnPostgres, ServerRules):
    """On PostgreSQL."""


class Interleavings(StoreCase):
    """Two to four sides, with any number of connections each, in any order."""

    __test__ = False

    def test_like_the_model(self) -> None:
        """Every client hears what the protocol says, and in the end the database holds just that."""

        @settings(max_examples=self.examples)
        @given(mixed_steps())
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
        for client, _, transport in world.clients:
            heard = [without_times(frame) for frame in transport.take()]
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
            heard = [json.loads(replies.message(message, 0.0)) for message in page.messages]
            self.assertEqual([without_times(frame) for frame in heard], box.messages)
        total = sum(len(box.messages) for box in model.boxes.values())
        self.assertEqual(len(self.store.rows(schema.messages, "number")), total)
        self.assertEqual(len(self.store.rows(schema.nameplate_usage, "id")), model.retired_plates)
        self.assertEqual(len(self.store.rows(schema.mailbox_usage, "id")), model.retired_boxes)
        self.assertEqual(len(world.observer.nameplates), model.retired_plates)
        self.assertEqual(len(world.observer.mailboxes), model.retired_boxes)
        self.assertEqual((world.observer.counts["internal_error"], world.observer.drops), (0, []))
        for client, _, _ in world.clients:
            if client.listens:
                self.compare_present(world, client)

    def compare_present(self, world: World, client: Connection) -> None:
        """The server knows that it is there."""
        address = (client.app, client.mailbox or "")
        self.assertTrue(world.server.subscriptions.is_present(address))


class InterleavingsOnSqlite(OnSqlite, Interleavings):
    """Against the model on SQLite."""


class InterleavingsOnPostgres(OnPostgres, Interleavings):
    """Against the model on PostgreSQL."""


class InterleavingsOverInstances(OnPostgres, Interleavings):
    """Clients on two instances, in any order: each hears what it would hear of one."""

    examples = 20

    def test_like_the_model(self) -> None:
        """Every client hears what the protocol says, and in the end the database holds just that."""

        @settings(max_examples=self.examples, deadline=None)
        @given(mixed_steps())
        def check(steps: list[tuple[Any, ...]]) -> None:
            self.store.clear()
            world = Instances(self.store)
            try:
                for step in steps:
                    world.step(*step)
                    self.compare(world)
                self.compare_stored(world)
            finally:
                world.close()

        check()

    def compare_present(self, world: World, client: Connection) -> None:
        """Some instance knows that it is there."""
        if not isinstance(world, Instances):
            raise TypeError(world)
        address = (client.app, client.mailbox or "")
        self.assertTrue(any(each.subscriptions.is_present(address) for each in world.servers))
