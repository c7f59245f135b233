"""Tests of the rules where several connections to one PostgreSQL carry them out at the same time."""

from __future__ import annotations

from itertools import count
from typing import Any

import psycopg
from hypothesis import given, settings
from twisted.internet.defer import Deferred, DeferredList
from twisted.trial.unittest import SynchronousTestCase

from rendezvous import expiry, requests, schema
from rendezvous.database import open_engine, open_runners
from rendezvous.errors import ErrorKind, LedgerUnavailable, Refusal
from rendezvous.hearing import Hearing
from rendezvous.keys import lock_key
from rendezvous.ledger import Ledger
from rendezvous.listener import Listener
from rendezvous.news import CHANNEL
from rendezvous.operations import Operations
from rendezvous.requests import Added, Claimed, Page, Request, Result
from rendezvous.schema import metadata
from rendezvous.server import Rendezvous
from rendezvous.sweeper import Lifetimes
from rendezvous.usage import Usage
from tests.databases import drop_postgres, new_postgres_url
from tests.rendezvous.fakes import Reactor, Recorder
from tests.rendezvous.model import Connection
from tests.rendezvous.stores import OnPostgres, Store, StoreCase
from tests.rendezvous.test_model import Interleavings, World, mixed_steps


class InstancesTests(SynchronousTestCase):
    """Two instances of two lanes each."""

    def setUp(self) -> None:
        """Bring them up on one database."""
        url = new_postgres_url()
        self.addCleanup(drop_postgres, url)
        engine = open_engine(url)
        metadata.create_all(engine)
        self.reactor = Reactor()
        self.observer = Recorder()
        self.ledgers = [Ledger(self.reactor) for _ in range(2)]
        self.operations = [Operations(Usage()) for _ in self.ledgers]
        for ledger in self.ledgers:
            ledger.open(open_runners(self.reactor, engine, self.observer))  # type: ignore[arg-type]
            self.addCleanup(lambda ledger=ledger: self.reactor.result(ledger.close()))  # type: ignore[misc]

    def send(self, request: Request, place: int) -> Deferred[Result]:
        """Let one of the four lanes carry it out."""
        operation, keys = self.operations[place % 2].of(request, 1000.0)
        return self.ledgers[place % 2].submit(operation, lane=place // 2, keys=keys)

    def results(self, sent: list[Deferred[Result]]) -> list[Result]:
        """Of all; none may fail."""
        told: list[tuple[bool, Any]] = self.reactor.result(DeferredList(sent, consumeErrors=True))
        for good, result in told:
            if not good:
                result.raiseException()
        return [result for _, result in told]

    def test_messages_have_one_order(self) -> None:
        """However many add at once, the messages of a mailbox are numbered without gap or repetition."""
        opened = [self.send(requests.OpenMailbox("app", side, "box"), 0) for side in "ab"]
        self.results(opened)
        sent = []
        for number in range(100):
            add = requests.AddMessage("app", "ab"[number % 2], "box", str(number), "", "null", 0.0)
            sent.append(self.send(add, number % 4))
            if number % 8 == 7:
                self.reactor.advance(0)
        results = self.results(sent)
        numbers = [result.message.number for result in results if isinstance(result, Added)]
        self.assertEqual(sorted(numbers), list(range(1, 101)))
        # Those of one lane keep their order.
        for place in range(4):
            self.assertEqual(numbers[place::4], sorted(numbers[place::4]))
        (page,) = self.results([self.send(requests.OpenMailbox("app", "a", "box"), 1)])
        if not isinstance(page, Page):
            raise AssertionError(page)
        stored = {message.number: message.phase for message in page.messages}
        self.assertEqual(stored, {number: str(n) for n, number in enumerate(numbers)})

    def test_allocated_once(self) -> None:
        """No two who allocate at the same time are given the same nameplate, and none is told of a fault."""
        sent = [
            self.send(requests.AllocateNameplate("app", f"side {number}"), number % 4)
            for number in range(120)
        ]
        claimed = [result for result in self.results(sent) if isinstance(result, Claimed)]
        self.assertEqual(len({result.nameplate for result in claimed}), 120)
        self.assertEqual(len({result.mailbox for result in claimed}), 120)
        self.assertEqual(self.observer.counts["batch_failed"], 0)

    def test_same_nameplate_at_once(self) -> None:
        """Of four sides that claim one nameplate at once two get it, the same, and two are crowded."""
        for number in range(20):
            claims = [
                self.send(requests.ClaimNameplate("app", side, str(number)), place)
                for place, side in enumerate("abcd")
            ]
            told: list[tuple[bool, Any]] = self.reactor.result(
                DeferredList(claims, consumeErrors=True)
            )
            boxes = [result.mailbox for good, result in told if good]
            refused = [failure.value for good, failure in told if not good]
            self.assertEqual((len(boxes), len(set(boxes))), (2, 1))
            for refusal in refused:
                self.assertIsInstance(refusal, Refusal)
                self.assertIs(refusal.kind, ErrorKind.CROWDED)
        self.assertEqual(self.observer.counts["batch_failed"], 0)

    def test_exchanges_at_once(self) -> None:
        """Many exchanges at once, their sides on different instances, all come to their end."""
        exchanges = range(30)
        claims: list[Deferred[Result]] = []
        for side, shift in (("a", 0), ("b", 1)):
            claims += [
                self.send(requests.ClaimNameplate("app", side, str(n)), n + shift)
                for n in exchanges
            ]
        claimed = [result for result in self.results(claims) if isinstance(result, Claimed)]
        sent = []
        for side, shift in (("a", 0), ("b", 1)):
            for number, result in zip(exchanges, claimed[:30], strict=True):
                steps: list[Request] = [
                    requests.OpenMailbox("app", side, result.mailbox),
                    requests.AddMessage("app", side, result.mailbox, "0", "", "null", 0.0),
                    requests.ReleaseNameplate("app", side, result.nameplate),
                    requests.CloseMailbox("app", side, result.mailbox, "happy"),
                ]
                for step in steps:
                    sent.append(self.send(step, (number + shift) % 4))
                    self.reactor.advance(0)
        self.results(sent)
        (left,) = self.results([self.send(requests.ListNameplates("app"), 0)])
        self.assertEqual(left, requests.Nameplates([]))
        self.assertEqual(self.observer.counts["batch_failed"], 0)


class _CountingEar:
    """Hands on what it hears, and counts marks that were announced behind everything else."""

    def __init__(self, hearing: Hearing) -> None:
        self.marks = 0
        self.listened = 0
        self.deaf = hearing.deaf
        self.concerns = hearing.concerns
        self._hearing = hearing

    def listening(self) -> None:
        """See `listener.Ear`."""
        self._hearing.listening()
        self.listened += 1

    def heard(self, payload: str) -> None:
        """See `listener.Ear`."""
        self._hearing.heard(payload)
        self.marks += payload == "mark"


class Instances(World):
    """Two instances on one PostgreSQL, whose clients connect to them in turn."""

    def __init__(self, store: Store, lifetimes: Lifetimes | None = None) -> None:
        super().__init__(store)
        # The server that `World` has made is one too many.
        self.server.stop()
        self.reactor = Reactor()
        self.reactor.advance(1_000_000)
        self.clock = self.reactor
        engine = store.engine
        self.ledgers = [Ledger(self.reactor) for _ in range(2)]
        self.servers = []
        self.ears = []
        self.listeners = []
        for name, ledger in zip("ab", self.ledgers, strict=True):
            ledger.open(open_runners(self.reactor, engine, self.observer, instance=name))  # type: ignore[arg-type]
            server = Rendezvous(
                self.reactor, ledger, self.observer, instance=name, lifetimes=lifetimes
            )
            self.servers.append(server)
            self.ears.append(_CountingEar(server.hearing))
            self.listeners.append(Listener(self.reactor, engine, self.ears[-1]))
            self.listeners[-1].start()
            server.start()
        self._turns = count()
        self.outside: psycopg.Connection[Any] = store._connection
        self.reactor.until(lambda: not any(server.hearing.deaf_now for server in self.servers))

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
                    lane.waiting or lane._running or lane._finished
                    for ledger in self.ledgers
                    for lane in ledger._lanes
                )
            )
        )

    def mark(self) -> None:
        """Until both have heard what has been announced."""
        before = [ear.marks for ear in self.ears]
        self.outside.execute("SELECT pg_notify(%s, 'mark')", [CHANNEL])
        self.outside.commit()
        self.reactor.until(
            lambda: all(ear.marks > n for ear, n in zip(self.ears, before, strict=True))
        )

    def close(self) -> None:
        """Take both away."""
        for server, listener, ledger in zip(
            self.servers, self.listeners, self.ledgers, strict=True
        ):
            listener.stop()
            server.stop()
            self.reactor.result(ledger.close())


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


class HearingEachOtherTests(OnPostgres, StoreCase):
    """Two instances, of which one may hear nothing for a while."""

    def setUp(self) -> None:
        """Bring them up, with a client that listens on each."""
        super().setUp()
        self.world = Instances(self.store, Lifetimes(nameplate_seconds=3600.0))
        self.addCleanup(self.world.close)
        for side in "ab":
            self.world.step("connect", "app", side)
        self.wires = [wire for _, _, wire in self.world.clients]
        for number in range(2):
            self.say(number, b'{"type":"open","mailbox":"box"}')

    def say(self, number: int, payload: bytes) -> None:
        """A command of one of them."""
        self.world.clients[number][1].received(payload)

    def add(self, number: int, body: str) -> None:
        """A message from one of them."""
        self.say(number, b'{"type":"add","phase":"0","body":"%s"}' % body.encode())

    def bodies(self, number: int) -> list[str]:
        """The messages that one has heard."""
        return [frame["body"] for frame in self.wires[number].heard() if "body" in frame]

    def cut(self) -> None:
        """End the connections of both listeners."""
        self.store._connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
        self.store._connection.commit()

    def test_lost_listeners(self) -> None:
        """What is stored while nobody can hear of it is heard as soon as they can."""
        self.world.settle()
        for number in range(5):
            self.cut()
            self.add(number % 2, str(number))
            self.world.reactor.until(
                lambda number=number: all(  # type: ignore[misc]
                    ear.listened == number + 2 for ear in self.world.ears
                )
            )
        self.world.settle()
        for each in range(2):
            self.assertEqual(self.bodies(each), ["0", "1", "2", "3", "4"])

    def test_both_at_once(self) -> None:
        """Messages that both add at once are heard by both in the order of the table, each once."""
        self.world.settle()
        for number in range(60):
            self.add(number % 2, str(number))
            if number % 7 == 0:
                self.world.reactor.turn()
        self.world.settle()
        self.assertEqual(len(set(self.bodies(0))), 60)
        self.assertEqual(self.bodies(0), self.bodies(1))
        self.say(0, b'{"type":"ping","ping":0}')
        self.assertEqual(self.world.observer.counts["internal_error"], 0)

    def test_not_ready_while_deaf(self) -> None:
        """An instance that hears nothing of the others is not ready to take clients."""
        self.world.settle()
        self.world.reactor.result(self.world.servers[0].check_database())
        self.world.servers[0].hearing.deaf()
        self.failureResultOf(self.world.servers[0].check_database(), LedgerUnavailable)

    def test_one_sweeps(self) -> None:
        """While one instance sweeps the other does not wait for it; it leaves it to that one."""
        self.world.settle()
        tried: list[bool] = []
        real = expiry.stale_nameplates

        def find(*arguments: Any, **keywords: Any) -> list[expiry.Stale]:
            # The other one tries meanwhile.
            connection = psycopg.connect(self.store._connection.info.dsn)
            row = connection.execute(
                "SELECT pg_try_advisory_xact_lock(%s)", [lock_key("expiry")]
            ).fetchone()
            connection.close()
            tried.append(bool(row and row[0]))
            return real(*arguments, **keywords)

        self.patch(expiry, "stale_nameplates", find)
        sweeps = [Deferred.fromCoroutine(server._sweeper.sweep()) for server in self.world.servers]
        self.world.reactor.result(DeferredList(sweeps))
        self.assertIn(len(tried), (1, 2))
        self.assertFalse(any(tried))
        self.assertEqual(self.world.observer.counts["expiry_failed"], 0)

    def test_kept_by_either(self) -> None:
        """A mailbox lives while a client is on either instance, and goes when both have died."""
        self.world.settle()
        plate = self.world.clients[0][1]
        plate.received(b'{"type":"claim","nameplate":"7"}')
        self.world.settle()
        for _ in range(70):
            self.world.step("wait", 60, None)
        self.assertEqual(len(self.store.rows(schema.nameplates, "name")), 1)
        # Its instance dies: nobody says that the client has gone.
        for server in self.world.servers:
            server.subscriptions._present.clear()
        for _ in range(62):
            self.world.step("wait", 60, None)
        self.assertEqual(self.store.rows(schema.nameplates, "name"), [])
