"""Tests of `rendezvous.connections.open_connections`."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.connections.open_connections import OpenConnections
from tests.schedulers import make_scheduler


class FakeConnection:
    """
    Counts what it is asked to do.

    :ivar error: what everything but `abort` raises.
    :ivar abort_error: what `abort` raises.
    """

    def __init__(self) -> None:
        self.flushed = 0
        self.told = 0
        self.aborted = 0
        self.error: Exception | None = None
        self.abort_error: Exception | None = None

    def flush(self) -> None:
        self.flushed += 1
        if self.error is not None:
            raise self.error

    def go_away(self) -> None:
        self.told += 1
        if self.error is not None:
            raise self.error

    def abort(self) -> None:
        self.aborted += 1
        if self.abort_error is not None:
            raise self.abort_error


class OpenConnectionsTests(SynchronousTestCase):
    """`OpenConnections`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.failures = 0
        self.connections = OpenConnections(make_scheduler(self.clock), self.fail_once)

    def fail_once(self) -> None:
        self.failures += 1

    def add(self, number: int) -> list[FakeConnection]:
        """Add so many connections."""
        added = [FakeConnection() for _ in range(number)]
        for connection in added:
            self.connections.add(connection)
        return added

    def number_told(self, connections: list[FakeConnection]) -> int:
        """How many were told to go; none is told twice."""
        self.assertLessEqual(max(connection.told for connection in connections), 1)
        return sum(connection.told for connection in connections)

    def test_count(self) -> None:
        """Those are counted that were added and not removed."""
        first, second = self.add(2)
        self.assertEqual(self.connections.count, 2)
        self.connections.remove(first)
        self.connections.remove(first)
        self.assertEqual(self.connections.count, 1)
        self.connections.remove(second)
        self.assertEqual(self.connections.count, 0)

    def test_when_empty(self) -> None:
        """Everybody who waits is told when the last is removed, or at once."""
        first, second = self.add(2)
        waiting = [self.connections.when_empty(), self.connections.when_empty()]
        self.connections.remove(first)
        self.assertNoResult(waiting[0])
        self.connections.remove(second)
        for each in [*waiting, self.connections.when_empty()]:
            self.successResultOf(each)

    def test_flush(self) -> None:
        """Connections are flushed together at the end of the turn, by one call of the reactor."""
        first, second = self.add(2)
        self.connections.flush_later(first)
        self.connections.flush_later(second)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual((first.flushed, second.flushed), (0, 0))
        self.clock.advance(0)
        self.assertEqual((first.flushed, second.flushed), (1, 1))
        self.clock.advance(1)
        self.connections.flush_later(first)
        self.clock.advance(0)
        self.assertEqual((first.flushed, second.flushed), (2, 1))

    def test_flush_fails(self) -> None:
        """An exception ends one connection; the others are flushed."""
        first, second = self.add(2)
        first.error = ZeroDivisionError()
        self.connections.flush_later(first)
        self.connections.flush_later(second)
        self.clock.advance(0)
        self.assertEqual((first.aborted, second.aborted, second.flushed), (1, 0, 1))
        self.assertEqual(self.failures, 1)

    def test_go_away_fails(self) -> None:
        """An exception ends one connection; the others are told to go, now and later."""
        connections = self.add(4)
        connections[0].error = connections[3].error = ZeroDivisionError()
        self.connections.go_away(0.2)
        self.clock.pump([0.05] * 5)
        self.assertEqual(self.number_told(connections), 4)
        self.assertEqual([each.aborted for each in connections], [1, 0, 0, 1])
        self.assertEqual(self.failures, 2)

    def test_abort_fails(self) -> None:
        """A connection that cannot be closed keeps none of the others from being closed."""
        connections = self.add(3)
        for connection in connections[:2]:
            connection.abort_error = ZeroDivisionError()
        self.connections.abort_all()
        self.assertTrue(all(each.aborted for each in connections))
        self.assertEqual(self.failures, 2)

    def test_all_at_once(self) -> None:
        """Without time to spread it over, everybody is told at once."""
        connections = self.add(300)
        self.connections.go_away(0.0)
        self.assertEqual(self.number_told(connections), 300)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_by_one(self) -> None:
        """They are told evenly over the time; one that has left meanwhile is not."""
        connections = self.add(4)
        self.connections.go_away(spread_seconds=8.0)
        self.assertEqual(self.number_told(connections), 1)
        gone = next(each for each in connections if not each.told)
        self.connections.remove(gone)
        for _ in range(3):
            self.clock.advance(2.0)
        self.assertEqual(self.number_told(connections), 3)
        self.assertEqual(gone.told, 0)

    def test_by_the_thousand(self) -> None:
        """With many connections several are told in each turn, and all within the time."""
        connections = self.add(300)
        self.connections.go_away(spread_seconds=1.0)
        self.assertEqual(self.number_told(connections), 15)
        self.clock.advance(0.5)
        self.assertEqual(self.number_told(connections), 30)
        for _ in range(18):
            self.clock.advance(0.05)
        self.assertEqual(self.number_told(connections), 300)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody(self) -> None:
        """A server without connections can stop, too."""
        self.connections.go_away(spread_seconds=8.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late(self) -> None:
        """One that is added while the server stops is told at once, however it stops."""
        (before,) = self.add(1)
        self.assertEqual(before.told, 0)
        self.connections.go_away(0.0)
        (late,) = self.add(1)
        self.assertEqual(late.told, 1)
        other = OpenConnections(make_scheduler(self.clock), self.fail_once)
        other.abort_all()
        other.add(before)
        self.assertEqual(before.told, 2)

    def test_abort(self) -> None:
        """All are closed at once, those that were told before as well."""
        connections = self.add(2)
        self.connections.go_away(0.0)
        self.connections.abort_all()
        self.assertEqual([each.aborted for each in connections], [1, 1])
