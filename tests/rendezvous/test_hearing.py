"""Tests of `rendezvous.hearing`: what is made of announcements, and of a time without any."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.task import Clock

from rendezvous import hearing, mailboxes
from rendezvous.errors import LedgerUnavailable
from rendezvous.hearing import Hearing, newest
from rendezvous.keys import lock_key, mailbox_key
from rendezvous.ledger import Ledger
from rendezvous.messages import StoredMessage
from rendezvous.news import News, encode
from rendezvous.requests import Page
from rendezvous.statements import Transaction
from rendezvous.subscriptions import Address, Subscription, Subscriptions
from tests.rendezvous.fakes import Recorder, StoreRunner
from tests.rendezvous.stores import OnPostgres, StoreCase

APP = "app"


def number_of(mailbox: str) -> int:
    return lock_key(mailbox_key(APP, mailbox))


class HearingTests(OnPostgres, StoreCase):
    """One instance with listeners."""

    def setUp(self) -> None:
        """Bring it up."""
        super().setUp()
        self.clock = Clock()
        self.observer = Recorder()
        self.runner = StoreRunner(self.store)
        ledger = Ledger(self.clock)
        ledger.open([self.runner])
        self.subscriptions = Subscriptions()
        self.hearing = Hearing(self.clock, ledger, self.subscriptions, self.observer, "me")
        self.fetched: list[tuple[str, int]] = []

    def listen(self, mailbox: str) -> None:
        """Have a listener that has had its first page, which was empty."""

        def fetch(number: int) -> None:
            self.fetched.append((mailbox, number))

        subscription = Subscription((APP, mailbox), self.deliver, fetch)
        self.subscriptions.subscribe(subscription)
        subscription.page(Page([], 0))

    def deliver(self, due: Sequence[StoredMessage]) -> None:
        """Nothing is delivered in these tests."""
        raise AssertionError(due)

    def store_messages(self, mailbox: str, count: int) -> None:
        """As another instance does, without a word."""

        def operation(tx: Transaction) -> None:
            mailboxes.open_mailbox(tx, APP, "a", mailbox, 0.0)
            for number in range(count):
                mailboxes.add(tx, APP, "a", mailbox, str(number), "", "null", 0.0)

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
        found = self.store.run(lambda tx: newest(tx, asked))
        self.assertEqual(
            {(news.key, news.number) for news in found},
            {(number_of("one"), 1), (number_of("three"), 3)},
        )

    def test_heard(self) -> None:
        """An announcement makes those look who listen to its mailboxes."""
        for mailbox in ("one", "two", "three"):
            self.listen(mailbox)
        self.hearing.heard(encode("other", {number_of("one"): (5, 1), number_of("two"): (6, 2)}))
        self.assertEqual(self.fetched, [("one", 1), ("two", 1)])

    def test_own(self) -> None:
        """Its own announcements tell an instance nothing, unless it has come to doubt what it knows."""
        self.listen("one")
        own = encode("me", {number_of("one"): (5, 1)})
        self.assertFalse(self.hearing.concerns(own))
        self.assertTrue(self.hearing.concerns(encode("other", {number_of("one"): (5, 1)})))
        self.assertTrue(self.hearing.concerns(encode("mean", {number_of("one"): (5, 1)})))
        self.hearing.doubt()
        self.assertTrue(self.hearing.concerns(own))
        self.hearing.heard(own)
        self.assertEqual(self.fetched, [("one", 1)])
        self.assertEqual(self.observer.counts["announced"], 1)

    def test_everything(self) -> None:
        """Where there was too much to tell, every mailbox is asked after, in steps."""
        self.patch(hearing, "STEP_MAILBOXES", 2)
        for number in range(5):
            self.listen(f"{number}")
            self.store_messages(f"{number}", number)
        self.hearing.heard("other *")
        self.settle()
        self.assertEqual(self.fetched, [(f"{number}", 1) for number in range(1, 5)])

    def test_after_a_loss(self) -> None:
        """What was stored while nothing could be heard is found as soon as something can."""
        self.listen("one")
        self.hearing.deaf()
        self.store_messages("one", 2)
        self.assertTrue(self.hearing.deaf_now)
        self.assertEqual(self.observer.counts["caught_up"], 0)
        self.hearing.listening()
        self.assertEqual(self.observer.counts["caught_up"], 1)
        self.settle()
        self.assertFalse(self.hearing.deaf_now)
        self.assertEqual(self.fetched, [("one", 1)])

    def test_database_away(self) -> None:
        """Where the database cannot be asked, it is asked again, until it answers."""
        self.listen("one")
        self.store_messages("one", 1)
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 3
        self.hearing.listening()
        for _ in range(3):
            self.settle()
            self.assertEqual(self.fetched, [])
            self.settle(hearing.RETRY_SECONDS)
        self.assertEqual(self.fetched, [("one", 1)])
        self.assertEqual(self.observer.counts["internal_error"], 0)

    def test_fault(self) -> None:
        """A fault that nobody foresaw is logged, and does not end it."""
        self.listen("one")
        self.store_messages("one", 1)
        self.runner.failure, self.runner.failures = ZeroDivisionError(), 1
        self.hearing.listening()
        self.settle()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.settle(hearing.RETRY_SECONDS)
        self.assertEqual(self.fetched, [("one", 1)])

    def test_stop(self) -> None:
        """After the stop nothing is asked, and no timer is left."""
        self.listen("one")
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        self.hearing.stop()
        self.hearing.listening()
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
                    mailboxes.add(tx, APP, "a", mailbox, str(number), "", "null", 0.0)
            seen.append(tx.news)

        self.store.run(operation)
        numbers = {key: number for key, (_, number) in seen[0].items()}
        self.assertEqual(numbers, {mailbox_key(APP, "one"): 1, mailbox_key(APP, "two"): 2})
        found = self.store.run(lambda tx: newest(tx, [(APP, "one"), (APP, "two")]))
        told = [News(lock_key(key), *newest) for key, newest in seen[0].items()]
        self.assertEqual(sorted(told, key=repr), sorted(found, key=repr))
