"""Tests of `rendezvous.ledger.keys`."""

from __future__ import annotations

from collections import deque
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.ledger.keys import KeyQueues, lock_key, mailbox_key, nameplate_key


class KeyTests(SynchronousTestCase):
    """Names and numbers."""

    def test_distinct(self) -> None:
        """No two nameplates or mailboxes, however named, share a key."""
        addresses = [("a", "b"), ("b", "a"), ("a b", ""), ("", "a b"), ("1 a", "b"), ("a", "1 b")]
        addresses += [("a", "b a"), ("a a", "b"), ("", ""), (" ", ""), ("", " ")]
        for one, other in combinations(addresses, 2):
            self.assertNotEqual(mailbox_key(*one), mailbox_key(*other))
        digits = [("a", "1"), ("1 a", "1"), ("a", "11"), ("1", "1")]
        for one, other in combinations(digits, 2):
            self.assertNotEqual(nameplate_key(*one), nameplate_key(*other))
        self.assertNotEqual(nameplate_key("a", "1"), mailbox_key("a", "1"))

    def test_number(self) -> None:
        """The number of a key is the same on every machine, in every release: instances are mixed."""
        self.assertEqual(lock_key("nameplate 7 app"), -3684294875675664378)
        numbers = [lock_key(str(n)) for n in range(1000)]
        self.assertTrue(all(-(1 << 63) <= n < 1 << 63 for n in numbers))
        self.assertEqual((len(set(numbers)), min(numbers) < 0 < max(numbers)), (1000, True))


class KeyQueuesTests(SynchronousTestCase):
    """Queues for keys."""

    def setUp(self) -> None:
        """Nobody is there."""
        self.queues: KeyQueues[str] = KeyQueues()

    def test_first(self) -> None:
        """Whoever comes first has the turn; who shares a key waits, who shares none does not."""
        self.queues.join("a", ["x", "y"])
        self.queues.join("b", ["y"])
        self.queues.join("c", ["z"])
        self.assertEqual([self.queues.holds_all(who) for who in "abc"], [True, False, True])

    def test_next(self) -> None:
        """When one leaves, those are told whose turn it is now in all their queues."""
        self.queues.join("a", ["x", "y"])
        self.queues.join("b", ["y", "z"])
        self.queues.join("c", ["z", "x"])
        self.assertEqual(self.queues.leave("a"), ["b"])
        self.assertEqual(self.queues.leave("b"), ["c"])
        self.assertEqual(self.queues.leave("c"), [])
        self.assertTrue(self.queues.is_free("x"))

    def test_leave_from_behind(self) -> None:
        """Who leaves a queue in its middle makes nobody first."""
        for who in "abc":
            self.queues.join(who, ["x"])
        self.assertEqual(self.queues.leave("b"), [])
        self.assertEqual(self.queues.leave("a"), ["c"])

    def test_nobody(self) -> None:
        """Who has left, or never came, may leave again."""
        self.queues.join("a", ["x"])
        self.queues.leave("a")
        self.assertEqual(self.queues.leave("a"), [])

    def test_take_on_the_way(self) -> None:
        """A key taken later is taken behind those who wait for it, and once only."""
        self.queues.join("a", ["x"])
        self.queues.join("b", ["y"])
        self.queues.join("a", ["y", "x"])
        self.assertFalse(self.queues.holds("a", "y"))
        self.assertTrue(self.queues.holds("a", "x"))
        self.assertEqual(self.queues.leave("b"), ["a"])
        self.assertEqual(self.queues.leave("a"), [])

    def test_give_back(self) -> None:
        """A key given back goes to the next; the others stay."""
        self.queues.join("a", ["x", "y"])
        self.queues.join("b", ["x"])
        self.queues.join("c", ["y"])
        self.assertEqual(self.queues.give_back("a", "x"), ["b"])
        self.assertFalse(self.queues.holds_all("c"))
        self.assertEqual(self.queues.leave("a"), ["c"])

    @given(st.lists(st.sets(st.integers(0, 4)), max_size=12))
    def test_everybody_once_in_order(self, wishes: list[set[int]]) -> None:
        """All get their turn, once; who shares a key with one before goes behind it."""
        queues: KeyQueues[int] = KeyQueues()
        for who, keys in enumerate(wishes):
            queues.join(who, sorted(keys))
        ready = deque(who for who in range(len(wishes)) if queues.holds_all(who))
        went: list[int] = []
        while ready:
            who = ready.popleft()
            went.append(who)
            ready.extend(queues.leave(who))
        self.assertEqual(sorted(went), list(range(len(wishes))))
        for key in range(5):
            sharing = [who for who in went if key in wishes[who]]
            self.assertEqual(sharing, sorted(sharing))
