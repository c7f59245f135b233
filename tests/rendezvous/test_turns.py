"""Tests of `rendezvous.turns`."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.turns import Turns


class TurnsTests(SynchronousTestCase):
    """Queues for keys."""

    def setUp(self) -> None:
        """Nobody is there."""
        self.turns: Turns[str] = Turns()

    def test_first(self) -> None:
        """Whoever comes first has the turn; who shares a key waits, who shares none does not."""
        self.turns.queue("a", ["x", "y"])
        self.turns.queue("b", ["y"])
        self.turns.queue("c", ["z"])
        self.assertEqual([self.turns.has_all(who) for who in "abc"], [True, False, True])

    def test_next(self) -> None:
        """When one leaves, those are told whose turn it is now in all their queues."""
        self.turns.queue("a", ["x", "y"])
        self.turns.queue("b", ["y", "z"])
        self.turns.queue("c", ["z", "x"])
        self.assertEqual(self.turns.leave("a"), ["b"])
        self.assertEqual(self.turns.leave("b"), ["c"])
        self.assertEqual(self.turns.leave("c"), [])
        self.assertTrue(self.turns.is_free("x"))

    def test_leave_from_behind(self) -> None:
        """Who leaves a queue in its middle makes nobody first."""
        for who in "abc":
            self.turns.queue(who, ["x"])
        self.assertEqual(self.turns.leave("b"), [])
        self.assertEqual(self.turns.leave("a"), ["c"])

    def test_nobody(self) -> None:
        """Who has left, or never came, may leave again."""
        self.turns.queue("a", ["x"])
        self.turns.leave("a")
        self.assertEqual(self.turns.leave("a"), [])

    def test_take_on_the_way(self) -> None:
        """A key taken later is taken behind those who wait for it, and once only."""
        self.turns.queue("a", ["x"])
        self.turns.queue("b", ["y"])
        self.turns.queue("a", ["y", "x"])
        self.assertFalse(self.turns.has("a", "y"))
        self.assertTrue(self.turns.has("a", "x"))
        self.assertEqual(self.turns.leave("b"), ["a"])
        self.assertEqual(self.turns.leave("a"), [])

    def test_give_back(self) -> None:
        """A key given back goes to the next; the others stay."""
        self.turns.queue("a", ["x", "y"])
        self.turns.queue("b", ["x"])
        self.turns.queue("c", ["y"])
        self.assertEqual(self.turns.give_back("a", "x"), ["b"])
        self.assertFalse(self.turns.has_all("c"))
        self.assertEqual(self.turns.leave("a"), ["c"])

    @given(st.lists(st.sets(st.integers(0, 4)), max_size=12))
    def test_everybody_once_in_order(self, wishes: list[set[int]]) -> None:
        """All get their turn, once; who shares a key with one before goes behind it."""
        turns: Turns[int] = Turns()
        for who, keys in enumerate(wishes):
            turns.queue(who, sorted(keys))
        ready = deque(who for who in range(len(wishes)) if turns.has_all(who))
        went: list[int] = []
        while ready:
            who = ready.popleft()
            went.append(who)
            ready.extend(turns.leave(who))
        self.assertEqual(sorted(went), list(range(len(wishes))))
        for key in range(5):
            sharing = [who for who in went if key in wishes[who]]
            self.assertEqual(sharing, sorted(sharing))
