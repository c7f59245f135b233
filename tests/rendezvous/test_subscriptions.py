"""Tests of `rendezvous.subscriptions`."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.messages import StoredMessage
from rendezvous.subscriptions import Subscription, Subscriptions

ADDRESS = ("app", "box")


def message(number: int) -> StoredMessage:
    return StoredMessage(number, "side", "phase", f"body {number}", "null", 0.0)


def run(first: int, last: int) -> list[StoredMessage]:
    return [message(number) for number in range(first, last + 1)]


class Listener:
    """Has a subscription, and remembers what was delivered and which pages were asked for."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.fetches: list[int] = []
        self.subscription = Subscription(ADDRESS, self._deliver, self.fetches.append)

    def _deliver(self, due: Sequence[StoredMessage]) -> None:
        self.numbers.extend(each.number for each in due)


class SubscriptionTests(SynchronousTestCase):
    """Each message once, in order, none left out."""

    def setUp(self) -> None:
        """Have a listener that nothing has been told."""
        self.listener = Listener()
        self.subscription = self.listener.subscription

    def expect(self, numbers: list[int], fetches: list[int]) -> None:
        """So much was delivered, and such pages were asked for."""
        self.assertEqual(self.listener.numbers, numbers)
        self.assertEqual(self.listener.fetches, fetches)

    def test_nothing_before_the_first_page(self) -> None:
        """What is stored while the first page is on its way is read after it."""
        self.subscription.stored(message(3))
        self.expect([], [])
        self.subscription.page(run(1, 2), 2)
        self.expect([1, 2], [3])

    def test_in_order(self) -> None:
        """After the page, messages are handed on as they are stored, and nothing is read."""
        self.subscription.page([], 0)
        for number in (1, 2, 3):
            self.subscription.stored(message(number))
        self.expect([1, 2, 3], [])

    def test_gap(self) -> None:
        """A message ahead of its turn is not delivered: what is missing is read, and it with that."""
        self.subscription.page(run(1, 1), 1)
        self.subscription.stored(message(3))
        self.expect([1], [2])
        self.subscription.stored(message(2))
        self.expect([1], [2])
        self.subscription.page(run(2, 3), 3)
        self.expect([1, 2, 3], [2])

    def test_duplicates(self) -> None:
        """What was delivered once is not delivered again, from whichever side it comes."""
        self.subscription.page(run(1, 3), 3)
        self.subscription.stored(message(2))
        self.subscription.announced(3)
        self.subscription.page(run(2, 4), 4)
        self.expect([1, 2, 3, 4], [])

    def test_page_after_page(self) -> None:
        """A mailbox that is longer than a page is read page by page."""
        self.subscription.page(run(1, 2), 5)
        self.subscription.page(run(3, 4), 5)
        self.subscription.page(run(5, 5), 5)
        self.expect([1, 2, 3, 4, 5], [3, 5])

    def test_announced(self) -> None:
        """A message that was stored elsewhere is read, once however often it is announced."""
        self.subscription.page([], 0)
        self.subscription.announced(2)
        self.subscription.announced(2)
        self.expect([], [1])
        self.subscription.page(run(1, 2), 2)
        self.subscription.announced(2)
        self.expect([1, 2], [1])

    def test_page_older_than_what_is_known(self) -> None:
        """An empty page that was read before a message was stored is followed by one more look."""
        self.subscription.page([], 0)
        self.subscription.announced(1)
        self.subscription.page([], 0)
        self.expect([], [1, 1])
        self.subscription.page(run(1, 1), 1)
        self.expect([1], [1, 1])

    def test_mailbox_that_has_gone(self) -> None:
        """Two empty pages in a row mean that the mailbox has gone: no third is asked for."""
        self.subscription.page(run(1, 2), 4)
        self.subscription.page([], 0)
        self.subscription.page([], 0)
        self.expect([1, 2], [3, 3])

    def test_mailbox_that_comes_back(self) -> None:
        """In a mailbox that has gone and come back the messages count from 1 again."""
        self.subscription.page(run(1, 2), 2)
        self.subscription.emptied()
        self.subscription.stored(message(1))
        self.expect([1, 2, 1], [])


class SubscriptionsTests(SynchronousTestCase):
    """All listeners, and all mailboxes with somebody present."""

    def setUp(self) -> None:
        """Have one listener."""
        self.subscriptions = Subscriptions()
        self.listener = Listener()
        self.subscriptions.subscribe(self.listener.subscription)
        self.listener.subscription.page([], 0)

    def test_everyone_hears(self) -> None:
        """All who listen to a mailbox are told, in the order in which they came; others are not."""
        second, other = Listener(), Listener()
        other.subscription.address = ("other app", "box")
        for listener in (second, other):
            listener.subscription.page([], 0)
            self.subscriptions.subscribe(listener.subscription)
        self.subscriptions.stored(ADDRESS, message(1))
        self.assertEqual((self.listener.numbers, second.numbers, other.numbers), ([1], [1], []))

    def test_unsubscribed(self) -> None:
        """Who has left is told nothing; leaving twice, or from nowhere, does no harm."""
        self.subscriptions.unsubscribe(self.listener.subscription)
        self.subscriptions.unsubscribe(self.listener.subscription)
        self.subscriptions.unsubscribe(Listener().subscription)
        self.subscriptions.stored(ADDRESS, message(1))
        self.assertEqual(self.listener.numbers, [])

    def test_leaving_while_being_told(self) -> None:
        """A listener that leaves as it is told does not keep the message from the next."""

        class Leaving(Listener):
            def _deliver(inner, due: Sequence[StoredMessage]) -> None:  # noqa: N805
                self.subscriptions.unsubscribe(inner.subscription)

        subscriptions = self.subscriptions = Subscriptions()
        leaving, staying = Leaving(), Listener()
        for listener in (leaving, staying):
            listener.subscription.page([], 0)
            subscriptions.subscribe(listener.subscription)
        subscriptions.stored(ADDRESS, message(1))
        self.assertEqual(staying.numbers, [1])

    def test_emptied(self) -> None:
        """All who listen to a mailbox hear that it has gone."""
        self.subscriptions.stored(ADDRESS, message(1))
        self.subscriptions.emptied(ADDRESS)
        self.subscriptions.emptied(("no", "such"))
        self.subscriptions.stored(ADDRESS, message(1))
        self.assertEqual(self.listener.numbers, [1, 1])

    def test_present(self) -> None:
        """A mailbox has somebody present until as many have left as have come."""
        other = ("app", "other")
        for address in (ADDRESS, ADDRESS, other):
            self.subscriptions.arrive(address)
        self.subscriptions.leave(ADDRESS)
        self.assertTrue(self.subscriptions.is_present(ADDRESS))
        self.assertEqual(set(self.subscriptions.present()), {ADDRESS, other})
        self.subscriptions.leave(ADDRESS)
        self.assertFalse(self.subscriptions.is_present(ADDRESS))
        self.subscriptions.leave(other)
        self.assertEqual(list(self.subscriptions.present()), [])

    def test_nothing_is_kept(self) -> None:
        """When everyone has gone nothing is left in memory."""
        self.subscriptions.arrive(ADDRESS)
        self.subscriptions.leave(ADDRESS)
        self.subscriptions.unsubscribe(self.listener.subscription)
        self.assertFalse(self.subscriptions._listeners)
        self.assertFalse(self.subscriptions._present)


@st.composite
def _deliveries(draw: st.DrawFn) -> list[tuple[str, int]]:
    """
    Messages being stored, told of late, twice, out of order or never, and pages read and arriving.

    Every step is a pair of what happens and a number that picks to which of those possible it does.
    """
    kinds = ["store", "tell", "announce", "read", "arrive"]
    return draw(st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 5)), max_size=60))


class AnyOrderTests(SynchronousTestCase):
    """Whatever the order in which things become known."""

    @given(_deliveries(), st.integers(0, 5), st.integers(1, 3))
    def test_each_once_in_order(
        self, steps: list[tuple[str, int]], before: int, page_size: int
    ) -> None:
        """In any interleaving each message is delivered once and in order, and all are in the end."""
        listener = Listener()
        subscription = listener.subscription
        stored = before
        untold: list[int] = []
        # The page of the `open` itself is asked for already; pages arrive in the order of their asking.
        asked = [1]
        read: list[tuple[list[StoredMessage], int]] = []

        def look() -> None:
            asked.extend(listener.fetches)
            listener.fetches.clear()

        def read_next() -> None:
            if asked:
                number = asked.pop(0)
                read.append((run(number, stored)[:page_size], stored))

        def arrive_next() -> None:
            if read:
                subscription.page(*read.pop(0))

        for kind, pick in steps:
            if kind == "store":
                stored += 1
                untold.append(stored)
            elif kind == "tell" and untold:
                subscription.stored(message(untold[pick % len(untold)]))
                if pick % 2:
                    untold.pop(pick % len(untold))
            elif kind == "announce" and stored:
                subscription.announced(max(1, stored - pick))
            elif kind == "read":
                read_next()
            elif kind == "arrive":
                arrive_next()
            look()
            self.assertLessEqual(len(asked) + len(read), 1)
            self.assertEqual(listener.numbers, list(range(1, len(listener.numbers) + 1)))
        # Whoever stores tells everyone in the end.
        for number in untold:
            subscription.stored(message(number))
        look()
        while asked or read:
            read_next()
            arrive_next()
            look()
        self.assertEqual(listener.numbers, list(range(1, stored + 1)))
