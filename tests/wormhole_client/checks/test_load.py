"""Tests of the load: how runs are counted, and the table."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.checks.load import LoadResults, run_load, table


class RunLoadTests(SynchronousTestCase):
    def test_at_once(self) -> None:
        """No more runs than given are made at the same time, until all are done; failures are counted."""
        clock = Clock()
        results = LoadResults("things")
        running: list[Deferred[None]] = []

        async def one() -> None:
            running.append(Deferred())
            await running[-1]

        done = Deferred.fromCoroutine(run_load(clock, results, 5, 2, one, quiet=True))
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
        self.assertEqual((results.seconds, results.elapsed), ([1.0, 2.0, 2.0], 3.0))
        self.assertEqual(results.reasons, {"ValueError: no": 2})

    def test_too_long(self) -> None:
        """A run that does not end counts as failed."""
        clock = Clock()
        results = LoadResults("things")

        async def one() -> None:
            await Deferred()

        done = Deferred.fromCoroutine(run_load(clock, results, 1, 1, one, quiet=True))
        clock.advance(300)
        self.successResultOf(done)
        self.assertEqual(results.failures, 1)

    def test_cancelled(self) -> None:
        """A load that is cancelled begins no other run, and counts those under way as nothing."""
        clock = Clock()
        results = LoadResults("things")
        began: list[Deferred[None]] = []

        async def one() -> None:
            began.append(Deferred())
            await began[-1]

        done = Deferred.fromCoroutine(run_load(clock, results, 9, 2, one, quiet=True))
        clock.advance(1.0)
        began[0].callback(None)
        done.cancel()
        self.failureResultOf(done)
        self.assertEqual((len(began), results.failures, results.seconds), (3, 0, [1.0]))
        self.assertEqual(results.elapsed, 1.0)
        self.assertEqual(clock.getDelayedCalls(), [])


class TableTests(SynchronousTestCase):
    def test_table(self) -> None:
        """A line for each results with its percentiles and rates, and the reasons of failures."""
        results = LoadResults(
            "exchanges", [0.01 * n for n in range(1, 101)], {"X: y": 2}, 10.0, 20 * 2**20
        )
        head, row, reason = table([results]).splitlines()
        self.assertEqual(head.split()[:3], ["done", "failed", "per"])
        self.assertEqual(
            row.split(), ["exchanges", "100", "2", "10.0", "500", "950", "1000", "2.0"]
        )
        self.assertEqual(reason, "2 × exchanges: X: y")

    def test_nothing(self) -> None:
        """A table of no runs divides by no zero."""
        self.assertIn("nan", table([LoadResults("none")]))
