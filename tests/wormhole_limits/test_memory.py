"""The memory account, against its limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_limits.bounds import Bound
from wormhole_limits.memory import Holding, MemoryAccount, MemoryLimits

LIMITS = MemoryLimits(total_bytes=100, connection_bytes=40, message_seconds=60.0)


def sizes(*each: int) -> dict[int, Holding]:
    """Connections that hold so many bytes each."""
    return {number: Holding(size, None) for number, size in enumerate(each)}


class SizeTests(SynchronousTestCase):
    """Bytes."""

    def setUp(self) -> None:
        self.account: MemoryAccount[int] = MemoryAccount(LIMITS)

    def test_within(self) -> None:
        """Within both limits nobody is dropped."""
        self.assertEqual(self.account.settle(sizes(40, 40, 20), 0.0), [])
        self.assertEqual(self.account.settle({}, 0.0), [])

    def test_one(self) -> None:
        """One over its own limit is dropped, however little the others hold; and then it counts no more."""
        self.assertEqual(
            self.account.settle(sizes(1, 90, 41), 0.0), [(1, Bound.UNSENT), (2, Bound.UNSENT)]
        )

    def test_all(self) -> None:
        """Over the limit of all, the largest are dropped, and no more of them than it takes."""
        self.assertEqual(
            self.account.settle(sizes(30, 35, 30, 40, 20), 0.0),
            [(3, Bound.UNSENT), (1, Bound.UNSENT)],
        )

    def test_limits_change(self) -> None:
        """Other limits hold from the next time on."""
        self.account.limits = MemoryLimits(50, 40, 60.0)
        self.assertEqual(self.account.settle(sizes(30, 25), 0.0), [(0, Bound.UNSENT)])

    @given(st.lists(st.integers(1, 60)))
    def test_any(self, each: list[int]) -> None:
        """What is kept is within both limits, none of it larger than what goes, and as much as fits."""
        self.setUp()
        dropped = {connection for connection, _ in self.account.settle(sizes(*each), 0.0)}
        kept = [size for number, size in enumerate(each) if number not in dropped]
        victims = sorted(each[number] for number in dropped if each[number] <= 40)
        self.assertLessEqual(sum(kept), 100)
        self.assertLessEqual(max(kept, default=0), 40)
        if victims:
            self.assertLessEqual(max(kept, default=0), victims[0])
            self.assertGreater(sum(kept) + victims[0], 100)


class MessageTests(SynchronousTestCase):
    """Messages that have begun."""

    def setUp(self) -> None:
        self.account: MemoryAccount[str] = MemoryAccount(LIMITS)

    def at(self, now: float, message: int | None) -> list[tuple[str, Bound]]:
        """Settle a connection that holds one byte."""
        return self.account.settle({"a": Holding(1, message)}, now)

    def test_unfinished(self) -> None:
        """A message that is not whole a minute after it was seen ends its connection."""
        self.assertEqual([self.at(now, 7) for now in (0.0, 30.0, 59.9)], [[], [], []])
        self.assertEqual(self.at(60.0, 7), [("a", Bound.UNFINISHED)])

    def test_next_message(self) -> None:
        """Every message has its own minute."""
        for number in range(10):
            self.assertEqual(self.at(number * 50.0, number), [])

    def test_none_meanwhile(self) -> None:
        """A connection that held nothing meanwhile, or is another one, begins anew."""
        self.at(0.0, 7)
        self.account.settle({}, 30.0)
        self.assertEqual(self.at(61.0, 7), [])
        self.at(70.0, None)
        self.assertEqual(self.at(121.5, 7), [])

    @given(st.lists(st.tuples(st.floats(0.0, 40.0), st.booleans())))
    def test_any(self, steps: list[tuple[float, bool]]) -> None:
        """Who finishes each message within a minute of its beginning stays; who does not goes."""
        self.setUp()
        now, begun, message = 0.0, 0.0, 0
        for seconds, finishes in steps:
            if finishes:
                message, begun = message + 1, now
            expected = [("a", Bound.UNFINISHED)] if now - begun >= 60.0 else []
            self.assertEqual(self.at(now, message), expected)
            now += seconds
