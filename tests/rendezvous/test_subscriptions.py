"""Tests of `rendezvous.subscriptions`."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.ledger.keys import lock_key, mailbox_key
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules.messages import Page
from rendezvous.subscriptions import Subscription, Subscriptions

ADDRESS = ("app", "box")
BOX = 5


def message(number: int) -> StoredMessage:
    return StoredMessage(number, "side", "phase", f"body {number}", "null", 0.0)


def page(messages: list[StoredMessage], latest: int, box: int = BOX) -> Page:
    return Page(messages, latest, box)


def run(first: int, last: int) -> list[StoredMessage]:
    return [message(number) for number in range(first, last + 1)]


class Listener:
    """Has a subscription, and remembers what was delivered and which pages were asked for."""

    def __init__(self, *, tell_boxes: bool = False) -> None:
        self.numbers: list[int] = []
        self.bodies: list[tuple[int, int]] = []
        self._tell_boxes = tell_boxes
        self.fetches: list[int] = []
        self.subscription = Subscription(ADDRESS, "a", self)

    def fetch(self, number: int) -> None:
        """See `Subscriber`."""
        self.fetches.append(number)

    def deliver(self, due: Sequence[StoredMessage]) -> None:
        """See `Subscriber`."""
        self.numbers.extend(each.number for each in due)
        if self._tell_boxes:
            self.bodies.extend((int(each.body), each.number) for each in due)


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
        self.subscription.stored(BOX, message(3))
        self.expect([], [])
        self.subscription.page(page(run(1, 2), 2))
        self.expect([1, 2], [3])

    def test_in_order(self) -> None:
        """After the page, messages are handed on as they are stored, and nothing is read."""
        self.subscription.page(page([], 0))
        for number in (1, 2, 3):
            self.subscription.stored(BOX, message(number))
        self.expect([1, 2, 3], [])

    def test_gap(self) -> None:
        """A message ahead of its turn is not delivered: what is missing is read, and it with that."""
        self.subscription.page(page(run(1, 1), 1))
        self.subscription.stored(BOX, message(3))
        self.expect([1], [2])
        self.subscription.stored(BOX, message(2))
        self.expect([1], [2])
        self.subscription.page(page(run(2, 3), 3))
        self.expect([1, 2, 3], [2])

    def test_replaying(self) -> None:
        """A replay lasts until the last of its pages, also where each knows only that more follow it."""
        self.assertFalse(self.subscription.replaying)
        self.subscription.page(page(run(1, 2), 3))
        self.assertTrue(self.subscription.replaying)
        self.subscription.page(page(run(3, 4), 5))
        self.assertTrue(self.subscription.replaying)
        self.subscription.page(page(run(5, 5), 5))
        self.assertFalse(self.subscription.replaying)
        self.subscription.stored(BOX, message(7))
        self.assertFalse(self.subscription.replaying)
        self.expect([1, 2, 3, 4, 5], [3, 5, 6])

    def test_replay_of_what_has_gone(self) -> None:
        """A replay of a mailbox that goes meanwhile is over."""
        self.subscription.page(page(run(1, 2), 3))
        self.subscription.page(page([], 0, 0))
        self.assertFalse(self.subscription.replaying)

    def test_duplicates(self) -> None:
        """What was delivered once is not delivered again, from whichever side it comes."""
        self.subscription.page(page(run(1, 3), 3))
        self.subscription.stored(BOX, message(2))
        self.subscription.announced(BOX, 3)
        self.subscription.page(page(run(2, 4), 4))
        self.expect([1, 2, 3, 4], [])

    def test_page_after_page(self) -> None:
        """A mailbox that is longer than a page is read page by page."""
        self.subscription.page(page(run(1, 2), 5))
        self.subscription.page(page(run(3, 4), 5))
        self.subscription.page(page(run(5, 5), 5))
        self.expect([1, 2, 3, 4, 5], [3, 5])

    def test_announced(self) -> None:
        """A message that was stored elsewhere is read, once however often it is announced."""
        self.subscription.page(page([], 0))
        self.subscription.announced(BOX, 2)
        self.subscription.announced(BOX, 2)
        self.expect([], [1])
        self.subscription.page(page(run(1, 2), 2))
        self.subscription.announced(BOX, 2)
        self.expect([1, 2], [1])

    def test_page_older_than_what_is_known(self) -> None:
        """An empty page that was read before a message was stored is followed by one more look."""
        self.subscription.page(page([], 0))
        self.subscription.announced(BOX, 1)
        self.subscription.page(page([], 0))
        self.expect([], [1, 1])
        self.subscription.page(page(run(1, 1), 1))
        self.expect([1], [1, 1])

    def test_mailbox_that_has_gone(self) -> None:
        """Two empty pages in a row mean that the mailbox has gone: no third is asked for."""
        self.subscription.page(page(run(1, 2), 4))
        self.subscription.page(page([], 0))
        self.subscription.page(page([], 0))
        self.expect([1, 2], [3, 3])

    def test_mailbox_that_comes_back(self) -> None:
        """In a mailbox that has gone and come back the messages count from 1 again."""
        self.subscription.page(page(run(1, 2), 2))
        self.subscription.stored(BOX + 1, message(1))
        self.subscription.stored(BOX, message(3))
        self.subscription.stored(BOX + 1, message(2))
        self.expect([1, 2, 1, 2], [])

    def test_comes_back_elsewhere(self) -> None:
        """One that has come back on another instance is read from its first message on."""
        self.subscription.page(page(run(1, 2), 2))
        self.subscription.announced(BOX + 1, 1)
        self.expect([1, 2], [1])
        self.subscription.page(page(run(1, 3), 3, BOX + 1))
        self.expect([1, 2, 1, 2, 3], [1])

    def test_comes_back_unnoticed(self) -> None:
        """A page of the new mailbox where the old one's was asked for leaves nothing out."""
        self.subscription.page(page(run(1, 2), 2))
        self.subscription.announced(BOX, 3)
        self.subscription.page(page(run(3, 4), 4, BOX + 1))
        self.expect([1, 2], [3, 1])
        self.subscription.page(page(run(1, 4), 4, BOX + 1))
        self.expect([1, 2, 1, 2, 3, 4], [3, 1])

    def test_comes_back_while_replaying(self) -> None:
        """A mailbox that comes back with its second message known first is read from its first."""
        self.subscription.page(page(run(1, 2), 4))
        self.subscription.stored(BOX + 1, message(2))
        self.subscription.page(page([], 0, BOX + 1))
        self.assertFalse(self.subscription.replaying)
        self.subscription.page(page(run(1, 2), 2, BOX + 1))
        self.expect([1, 2, 1, 2], [3, 1])

    def test_new_mailbox(self) -> None:
        """A mailbox whose row is not known yet, since it is new, needs no other page."""
        self.subscription.page(page([], 0, 0))
        self.subscription.stored(BOX, message(1))
        self.expect([1], [])

    def test_page_of_an_older_mailbox(self) -> None:
        """A page that was read before the mailbox was created again changes nothing."""
        self.subscription.page(page([], 0))
        self.subscription.page(page(run(1, 5), 5, BOX - 1))
        self.assertFalse(self.subscription.replaying)
        self.expect([], [])

    def test_page_of_an_older_mailbox_while_another_is_due(self) -> None:
        """What was missing before the page of an older mailbox is still missing after it."""
        self.subscription.page(page(run(1, 2), 2))
        self.subscription.announced(BOX, 3)
        self.subscription.page(page(run(3, 9), 9, BOX - 1))
        self.subscription.page(page(run(3, 3), 3))
        self.expect([1, 2, 3], [3, 3])

    def test_message_of_an_older_mailbox(self) -> None:
        """The first message of an older mailbox is not taken for one of this mailbox."""
        self.subscription.page(page(run(1, 2), 2))
        self.subscription.stored(BOX - 1, message(1))
        self.subscription.stored(BOX, message(3))
        self.expect([1, 2, 3], [])

    def test_second_message_of_a_new_mailbox(self) -> None:
        """A mailbox of which the second message is known first is read from its first."""
        self.subscription.page(page(run(1, 2), 2))
        self.subscription.stored(BOX + 1, message(2))
        self.expect([1, 2], [1])

    def test_comes_back_unnoticed_at_once(self) -> None:
        """The second message of the new mailbox is not taken for the one that was missing."""
        self.subscription.page(page(run(1, 1), 1))
        self.subscription.announced(BOX, 2)
        self.subscription.page(page(run(2, 3), 3, BOX + 1))
        self.expect([1], [2, 1])
        self.subscription.page(page(run(1, 1), 1, BOX + 1))
        self.expect([1, 1], [2, 1])

    def test_empty_page_before_the_next_gap(self) -> None:
        """An empty page counts towards the next one only if nothing was delivered in between."""
        self.subscription.page(page([], 0))
        for number in (1, 2):
            self.subscription.announced(BOX, number)
            self.subscription.page(page([], 0))
            self.subscription.page(page(run(number, number), number))
        self.expect([1, 2], [1, 1, 2, 2])

    def test_announced_after_it_has_gone(self) -> None:
        """A mailbox that was taken for gone is looked at twice again when it is announced."""
        self.subscription.page(page(run(1, 2), 4))
        for _ in range(2):
            self.subscription.page(page([], 0))
        self.subscription.announced(BOX, 3)
        self.subscription.page(page([], 0))
        self.expect([1, 2], [3, 3, 3, 3])

    def test_comes_back_after_an_empty_page(self) -> None:
        """An empty page of the old mailbox does not count against the new one."""
        self.subscription.page(page(run(1, 2), 2))
        self.subscription.announced(BOX, 3)
        self.subscription.page(page([], 0))
        self.subscription.page(page(run(3, 4), 4, BOX + 1))
        self.expect([1, 2], [3, 3, 1])

    def test_replay_that_never_comes(self) -> None:
        """A replay whose pages stay empty is over, though they say that more follows."""
        self.subscription.page(page([], 4))
        self.assertTrue(self.subscription.replaying)
        self.subscription.page(page([], 4))
        self.assertFalse(self.subscription.replaying)
        self.expect([], [1])


class SubscriptionsTests(SynchronousTestCase):
    """All listeners, and all mailboxes with somebody present."""

    def setUp(self) -> None:
        """Have one listener."""
        self.subscriptions = Subscriptions()
        self.listener = Listener()
        self.subscriptions.subscribe(self.listener.subscription)
        self.listener.subscription.page(page([], 0))

    def test_everyone_hears(self) -> None:
        """All who listen to a mailbox are told, in the order in which they came; others are not."""
        second, other = Listener(), Listener()
        other.subscription.address = ("other app", "box")
        for listener in (second, other):
            listener.subscription.page(page([], 0))
            self.subscriptions.subscribe(listener.subscription)
        self.subscriptions.stored(ADDRESS, BOX, message(1))
        self.assertEqual((self.listener.numbers, second.numbers, other.numbers), ([1], [1], []))

    def test_unsubscribed(self) -> None:
        """Who has left is told nothing; leaving twice, or from nowhere, does no harm."""
        self.subscriptions.unsubscribe(self.listener.subscription)
        self.subscriptions.unsubscribe(self.listener.subscription)
        self.subscriptions.unsubscribe(Listener().subscription)
        self.subscriptions.stored(ADDRESS, BOX, message(1))
        self.assertEqual(self.listener.numbers, [])

    def test_leaving_while_being_told(self) -> None:
        """A listener that leaves as it is told does not keep the message from the next."""

        class Leaving(Listener):
            def deliver(inner, due: Sequence[StoredMessage]) -> None:  # noqa: N805
                self.subscriptions.unsubscribe(inner.subscription)

        subscriptions = self.subscriptions = Subscriptions()
        leaving, staying = Leaving(), Listener()
        for listener in (leaving, staying):
            listener.subscription.page(page([], 0))
            subscriptions.subscribe(listener.subscription)
        subscriptions.stored(ADDRESS, BOX, message(1))
        self.assertEqual(staying.numbers, [1])

    def test_announced(self) -> None:
        """What is announced concerns those who listen to the mailbox whose key it names."""
        other = Listener()
        other.subscription = Subscription(("app", "other"), "a", other)
        other.subscription.page(page([], 0))
        self.subscriptions.subscribe(other.subscription)
        self.subscriptions.announced(lock_key(mailbox_key(*ADDRESS)), BOX, 1)
        self.subscriptions.announced(0, BOX, 1)
        self.assertEqual((self.listener.fetches, other.fetches), ([1], []))
        self.assertEqual(set(self.subscriptions.subscribed()), {ADDRESS, ("app", "other")})

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
        self.assertFalse(self.subscriptions._by_address)
        self.assertFalse(self.subscriptions._by_key)
        self.assertFalse(self.subscriptions._present)


@st.composite
def _deliveries(draw: st.DrawFn) -> list[tuple[str, int]]:
    """
    Messages being stored, told of late, twice, out of order or never, and pages read and arriving.

    Every step is a pair of what happens and a number that picks to which of those possible it does.
    """
    kinds = ["store", "store", "tell", "tell", "announce", "read", "arrive", "again"]
    return draw(st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 5)), max_size=60))


class _World:
    """A mailbox as the database has it, and a listener with what is on its way to it."""

    def __init__(self, before: int, page_size: int) -> None:
        self.listener = Listener(tell_boxes=True)
        self.box, self.stored = BOX, before
        self.untold: list[tuple[int, int]] = []
        # The page of the `open` itself is asked for already; pages arrive in the order of their asking.
        self.asked = [1]
        self.read: list[Page] = []
        self._page_size = page_size

    def step(self, kind: str, pick: int) -> None:
        """Let something happen, if it can."""
        if kind == "store":
            self.stored += 1
            self.untold.append((self.box, self.stored))
        elif kind == "again":
            self.box, self.stored = self.box + 1, 0
        elif kind == "tell" and self.untold:
            self._tell(self.untold[pick % len(self.untold)])
            if pick % 2:
                self.untold.pop(pick % len(self.untold))
        elif kind == "announce" and self.stored:
            self.listener.subscription.announced(self.box, max(1, self.stored - pick))
        elif kind == "read" and self.asked:
            first = self.asked.pop(0)
            found = self._run(first, self.stored)
            some = found[: self._page_size]
            self.read.append(Page(some, found[-1].number if found else 0, self.box))
        elif kind == "arrive" and self.read:
            self.listener.subscription.page(self.read.pop(0))
        self.asked += self.listener.fetches
        self.listener.fetches.clear()

    def end(self) -> None:
        """Whoever stores tells everyone in the end."""
        for told in self.untold:
            self._tell(told)
            self.step("", 0)
        while self.asked or self.read:
            self.step("read", 0)
            self.step("arrive", 0)

    def _tell(self, told: tuple[int, int]) -> None:
        box, number = told
        self.listener.subscription.stored(box, self._run(number, number, box)[0])

    def _run(self, first: int, last: int, box: int = 0) -> list[StoredMessage]:
        body = str(box or self.box)
        return [
            StoredMessage(number, "side", "phase", body, "null", 0.0)
            for number in range(first, last + 1)
        ]


class AnyOrderTests(SynchronousTestCase):
    """Whatever the order in which things become known."""

    @given(_deliveries(), st.integers(0, 5), st.integers(1, 3))
    def test_each_once_in_order(
        self, steps: list[tuple[str, int]], before: int, page_size: int
    ) -> None:
        """
        In any interleaving each message is delivered once and in order, and all are in the end.

        Of mailboxes that have gone it may be the first few only.
        """
        world = _World(before, page_size)
        for kind, pick in steps:
            world.step(kind, pick)
            self.assertLessEqual(len(world.asked) + len(world.read), 1)
            self.check_order(world.listener.bodies)
        world.end()
        self.check_order(world.listener.bodies)
        last = [number for box, number in world.listener.bodies if box == world.box]
        self.assertEqual(last, list(range(1, world.stored + 1)))

    def check_order(self, delivered: list[tuple[int, int]]) -> None:
        """One mailbox after the other, each from its first message on, none left out."""
        self.assertEqual(delivered, sorted(delivered))
        for box in {box for box, _ in delivered}:
            numbers = [number for of, number in delivered if of == box]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
