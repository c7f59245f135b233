"""Counting a load, and its table."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.load import Crowd, Tally, table


class CrowdTests(SynchronousTestCase):
    def test_at_once(self) -> None:
        """Never more than asked for at once, until all are done; failures are counted."""
        clock = Clock()
        tally = Tally("things")
        running: list[Deferred[None]] = []

        async def one() -> None:
            running.append(Deferred())
            await running[-1]

        done = Deferred.fromCoroutine(Crowd(clock, quiet=True).run(tally, 5, 2, one))
        self.assertEqual(len(running), 2)
        clock.advance(1.0)
        running[0].callback(None)
        self.assertEqual(len(running), 3)
        running[1].errback(ValueError("no"))
        running[2].errback(ValueError("no"))
        clock.advance(2.0)
        running[3].callback(None)
        running[4].callback(None)
        self.successResultOf(done)
        self.assertEqual((tally.seconds, tally.elapsed), ([1.0, 2.0, 2.0], 3.0))
        self.assertEqual(tally.reasons, {"ValueError: no": 2})

    def test_too_long(self) -> None:
        """What never ends counts as failed."""
        clock = Clock()
        tally = Tally("things")

        async def one() -> None:
            await Deferred()

        done = Deferred.fromCoroutine(Crowd(clock, quiet=True).run(tally, 1, 1, one))
        clock.advance(300)
        self.successResultOf(done)
        self.assertEqual(tally.failures, 1)


class TableTests(SynchronousTestCase):
    def test_table(self) -> None:
        """A line for each tally with its percentiles and rates, and the reasons of failures."""
        tally = Tally("exchanges", [0.01 * n for n in range(1, 101)], {"X: y": 2}, 10.0, 20 * 2**20)
        head, row, reason = table([tally]).splitlines()
        self.assertEqual(head.split()[:3], ["done", "failed", "per"])
        self.assertEqual(
            row.split(), ["exchanges", "100", "2", "10.0", "500", "950", "1000", "2.0"]
        )
        self.assertEqual(reason, "2 × exchanges: X: y")

    def test_nothing(self) -> None:
        """Nothing done is no division by zero."""
        self.assertIn("nan", table([Tally("none")]))
