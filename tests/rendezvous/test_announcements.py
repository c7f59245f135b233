"""Tests of `rendezvous.announcements`, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import Clock

from rendezvous import announcements
from rendezvous.announcements import Announcements, newest_messages
from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.announcement import NewMessages, encode
from rendezvous.ledger.keys import lock_key, mailbox_key
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules import expiry, mailboxes, messages, schema
from rendezvous.rules.messages import Page
from rendezvous.subscriptions import Address, Subscription, Subscriptions
from tests.rendezvous.fakes import Recorder, StoreRunner
from tests.rendezvous.servers import LIFETIMES, LIMITS
from tests.rendezvous.stores import OnPostgres, StoreCase
from tests.rendezvous.worlds import Instances
from tests.schedulers import make_scheduler

APP = "app"


def number_of(mailbox: str) -> int:
    return lock_key(mailbox_key(APP, mailbox))


def stored(mailbox: str, mailbox_id: int, number: int) -> NewMessages:
    return NewMessages(number_of(mailbox), mailbox_id, number)


class Reader:
    """A `Subscriber` that only fetches, and remembers what."""

    def __init__(self, mailbox: str, fetched: list[tuple[str, int]]) -> None:
        self._mailbox = mailbox
        self._fetched = fetched

    def deliver(self, due: Sequence[StoredMessage]) -> None:
        """Nothing is delivered in these tests."""
        raise AssertionError(due)

    def fetch(self, number: int) -> None:
        """See `Subscriber`."""
        self._fetched.append((self._mailbox, number))


class AnnouncementsTests(OnPostgres, StoreCase):
    """One instance with listeners."""

    def setUp(self) -> None:
        """Bring it up."""
        super().setUp()
        self.clock = Clock()
        self.observer = Recorder()
        self.runner = StoreRunner(self.store)
        ledger = Ledger(make_scheduler(self.clock))
        ledger.open([self.runner])
        self.subscriptions = Subscriptions()
        self.announcements = Announcements(
            self.clock, ledger, self.subscriptions, self.observer, "me"
        )
        self.announcements.startService()
        self.fetched: list[tuple[str, int]] = []

    def listen(self, mailbox: str) -> None:
        """Have a listener that has had its first page, which was empty."""

        subscription = Subscription((APP, mailbox), "a", Reader(mailbox, self.fetched))
        self.subscriptions.subscribe(subscription)
        subscription.page(Page([], 0))

    def store_messages(self, mailbox: str, count: int) -> None:
        """As another instance does, without a word."""

        def operation(tx: Transaction) -> None:
            mailboxes.open_mailbox(tx, APP, "a", mailbox, 0.0)
            for number in range(count):
                messages.add(tx, APP, "a", mailbox, str(number), "", "null", LIMITS.mailbox, 0.0)

        self.store.run(operation)

    def settle(self, seconds: float = 0.0) -> None:
        """Let everything that is due happen."""
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)

    def test_newest(self) -> None:
        """The newest number of every mailbox that holds something."""
        for mailbox, count in (("one", 1), ("empty", 0), ("three", 3)):
            self.store_messages(mailbox, count)
        asked: list[Address] = [(APP, name) for name in ("one", "empty", "three", "none")]
        asked.append(("another app", "one"))
        found = self.store.run(lambda tx: newest_messages(tx, asked))
        self.assertEqual(
            {(news.key, news.number) for news in found},
            {(number_of("one"), 1), (number_of("three"), 3)},
        )

    def test_heard(self) -> None:
        """An announcement makes those look who listen to its mailboxes."""
        for mailbox in ("one", "two", "three"):
            self.listen(mailbox)
        self.announcements.received(encode("other", [stored("one", 5, 1), stored("two", 6, 2)]))
        self.assertEqual(self.fetched, [("one", 1), ("two", 1)])

    def test_listener_that_raises(self) -> None:
        """A fault in one mailbox is logged and counted, and the others get their messages."""
        self.listen("one")
        self.listen("two")
        announced = self.subscriptions.announced

        def fail_once(*_: object) -> None:
            self.patch(self.subscriptions, "announced", announced)
            raise ZeroDivisionError

        self.patch(self.subscriptions, "announced", fail_once)
        self.patch(self.announcements, "catch_up", lambda: self.fetched.append(("all", 0)))
        self.announcements.received(encode("other", [stored("one", 5, 1), stored("two", 6, 2)]))
        self.assertEqual(self.fetched, [("two", 1), ("all", 0)])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.counts["internal_error"], 1)

    def test_own(self) -> None:
        """Its own announcements tell an instance nothing, unless it has come to doubt what it knows."""
        self.listen("one")
        own = encode("me", [stored("one", 5, 1)])
        self.assertFalse(self.announcements.is_relevant(own))
        self.assertTrue(self.announcements.is_relevant(encode("other", [stored("one", 5, 1)])))
        self.assertTrue(self.announcements.is_relevant(encode("mean", [stored("one", 5, 1)])))
        self.announcements.include_own()
        self.assertEqual(self.observer.counts["caught_up"], 1)
        self.assertTrue(self.announcements.is_relevant(own))
        self.announcements.received(own)
        self.assertEqual(self.fetched, [("one", 1)])
        self.assertEqual(self.observer.counts["announced"], 1)

    def test_everything(self) -> None:
        """Where there was too much to tell, every mailbox is asked after, in steps."""
        self.patch(announcements, "STEP_MAILBOXES", 2)
        for number in range(5):
            self.listen(f"{number}")
            self.store_messages(f"{number}", number)
        self.announcements.received("other *")
        self.settle()
        self.assertEqual(self.fetched, [(f"{number}", 1) for number in range(1, 5)])

    def test_after_a_loss(self) -> None:
        """What was stored while nothing could be heard is found as soon as something can."""
        self.listen("one")
        self.assertFalse(self.announcements.interrupted)
        self.announcements.disconnected()
        self.store_messages("one", 2)
        self.assertTrue(self.announcements.interrupted)
        self.assertEqual(self.observer.counts["caught_up"], 0)
        self.announcements.connected()
        self.assertEqual(self.observer.counts["caught_up"], 1)
        self.settle()
        self.assertFalse(self.announcements.interrupted)
        self.assertEqual(self.fetched, [("one", 1)])

    def test_database_away(self) -> None:
        """Where the database cannot be asked, it is asked again, until it answers."""
        self.listen("one")
        self.store_messages("one", 1)
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 3
        self.announcements.connected()
        for _ in range(3):
            self.settle()
            self.assertEqual(self.fetched, [])
            self.settle(announcements.RETRY_SECONDS)
        self.assertEqual(self.fetched, [("one", 1)])
        self.assertEqual(self.observer.counts["internal_error"], 0)

    def test_fault(self) -> None:
        """A fault that nobody foresaw is logged, and does not end it."""
        self.listen("one")
        self.store_messages("one", 1)
        self.runner.failure, self.runner.failures = ZeroDivisionError(), 1
        self.announcements.connected()
        self.settle()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.settle(announcements.RETRY_SECONDS)
        self.assertEqual(self.fetched, [("one", 1)])

    def test_stop_while_it_waits(self) -> None:
        """The stop ends the wait for a database that did not answer, also the second one."""
        self.listen("one")
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 2
        self.announcements.connected()
        self.settle()
        self.settle(announcements.RETRY_SECONDS)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.announcements.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_after_a_retry(self) -> None:
        """A wait that is over is not ended again."""
        self.listen("one")
        self.store_messages("one", 1)
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        self.announcements.connected()
        self.settle()
        self.settle(announcements.RETRY_SECONDS)
        self.announcements.stopService()
        self.assertEqual(self.fetched, [("one", 1)])

    def test_stop(self) -> None:
        """After the stop nothing is asked, and no timer is left."""
        self.listen("one")
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        self.announcements.stopService()
        self.announcements.connected()
        self.settle()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class AnnouncedByRulesTests(OnPostgres, StoreCase):
    """What a transaction has to tell."""

    def test_news_of_a_batch(self) -> None:
        """Of every mailbox that got something, its row and its newest message."""
        seen: list[dict[str, tuple[int, int]]] = []

        def operation(tx: Transaction) -> None:
            for mailbox, count in (("one", 1), ("two", 2), ("none", 0)):
                mailboxes.open_mailbox(tx, APP, "a", mailbox, 0.0)
                for number in range(count):
                    messages.add(
                        tx, APP, "a", mailbox, str(number), "", "null", LIMITS.mailbox, 0.0
                    )
            seen.append(tx.announced)

        self.store.run(operation)
        numbers = {key: number for key, (_, number) in seen[0].items()}
        self.assertEqual(numbers, {mailbox_key(APP, "one"): 1, mailbox_key(APP, "two"): 2})
        found = self.store.run(lambda tx: newest_messages(tx, [(APP, "one"), (APP, "two")]))
        told = [NewMessages(lock_key(key), *newest) for key, newest in seen[0].items()]
        self.assertEqual(sorted(told, key=repr), sorted(found, key=repr))


class TwoInstancesTests(OnPostgres, StoreCase):
    """Two instances, of which one may hear nothing for a while."""

    def setUp(self) -> None:
        """Bring them up, with a client that listens on each."""
        super().setUp()
        self.world = Instances(self.store, LIFETIMES)
        self.addCleanup(self.world.close)
        for side in "ab":
            self.world.step("connect", "app", side)
        self.transports = [transport for _, _, transport in self.world.clients]
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
        return [frame["body"] for frame in self.transports[number].heard() if "body" in frame]

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
                    ear.listened == number + 2 for ear in self.world.receivers
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
        self.world.servers[0].announcements.disconnected()
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
        sweeps = [Deferred.fromCoroutine(server._sweeper._sweep()) for server in self.world.servers]
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
