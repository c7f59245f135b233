"""Tests of `rendezvous.ledger`."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind, LedgerUnavailable, Refusal
from rendezvous.ledger import queue as queue_module
from rendezvous.ledger.ledger import Backlog, Ledger, log_failed_batch
from rendezvous.ledger.queue import Job
from tests.rendezvous.fakes import HeldRunner, Recorder
from tests.schedulers import make_scheduler
from wormhole_limits.scheduler import Task


class LedgerTests(SynchronousTestCase):
    """Operations in, batches on their way, results out."""

    def setUp(self) -> None:
        """Open a ledger over one runner."""
        self.clock = Clock()
        self.runner = HeldRunner()
        self.ledger = Ledger(make_scheduler(self.clock))
        self.ledger.open([self.runner])
        self.results: list[Any] = []

    def submit(self, value: Any, lane: int = 0, **others: Any) -> Deferred[Any]:
        """An operation that returns a value, which is noted when its result is told."""
        return self.ledger.submit(lambda _: value, lane=lane, **others).addCallback(self.note)

    def note(self, value: Any) -> Any:
        """A result has been told."""
        self.results.append(value)
        return value

    def sizes(self) -> list[int]:
        """Of the batches that are on their way."""
        return [len(jobs) for jobs, _ in self.runner.batches]

    def crowd(self) -> tuple[Task, Task]:
        """The tasks of two addresses, which are active."""
        scheduler = self.ledger.scheduler
        first, second = (scheduler.new_task(address, lambda _: False) for address in (1, 2))
        for task in (first, second):
            scheduler.arrived(task)
        return first, second

    def pause(self, task: Task) -> None:
        """A large operation has taken its time, and the next one has to wait."""
        for value in "ab":
            self.submit(value, size=100_000, task=task)
        self.clock.advance(0)
        self.clock.rightNow += 0.004
        self.runner.let_go()
        self.clock.advance(0)
        self.assertEqual((self.results, self.sizes()), (["a"], []))

    def test_nothing_is_told_before_its_batch_is_done(self) -> None:
        """A result is told when its batch is durable, and not before."""
        told = self.submit("a")
        self.clock.advance(0)
        self.assertNoResult(told)
        self.runner.let_go()
        self.assertEqual(self.successResultOf(told), "a")

    def test_one_turn_is_one_batch(self) -> None:
        """All that is submitted in one turn of the reactor goes into one batch."""
        for value in "abc":
            self.submit(value)
        self.assertEqual(self.sizes(), [])
        self.clock.advance(0)
        self.assertEqual(self.sizes(), [3])

    def test_next_batch_gathers(self) -> None:
        """What comes while a batch is on its way goes together in the next, which starts by itself."""
        self.submit("a")
        self.clock.advance(0)
        for value in "bcd":
            self.submit(value)
            self.clock.advance(1)
        self.assertEqual(self.sizes(), [1])
        self.runner.let_go()
        self.assertEqual(self.sizes(), [3])
        self.assertEqual(self.results, ["a"])
        self.runner.let_go()
        self.assertEqual(self.results, list("abcd"))

    def test_next_batch_starts_before_results_are_told(self) -> None:
        """The disk does not wait for the clients: the next batch is on its way when results are told."""
        on_their_way = []
        self.submit("a").addCallback(lambda _: on_their_way.append(self.sizes()))
        self.clock.advance(0)
        self.submit("b")
        self.runner.let_go()
        self.assertEqual(on_their_way, [[1]])

    def test_least_served_first(self) -> None:
        """Beside others, the address served least has its results first, and time for its next command."""
        busy, small = self.crowd()
        self.ledger.scheduler.spend(busy, 1000)
        for value, task in (("a", busy), ("b", small), ("c", busy)):
            self.submit(value, task=task)
        self.clock.advance(0)
        self.submit("d", task=busy)
        self.runner.let_go()
        self.assertEqual((self.results, self.sizes()), (["b"], []))
        self.submit("e", task=small)
        self.clock.advance(0)
        self.assertEqual((self.results, self.sizes()), (["b", "a", "c"], [2]))

    def test_large_pause(self) -> None:
        """After a large operation the next one waits, but a small one does not."""
        large, small = self.crowd()
        self.pause(large)
        self.submit("c", 1, task=small)
        self.clock.advance(0)
        self.runner.let_go()
        self.clock.advance(0)
        self.assertEqual((self.results, self.sizes()), (["a", "c"], []))
        self.clock.advance(0.4)
        self.runner.let_go()
        self.clock.advance(0)
        self.assertEqual(self.results, ["a", "c", "b"])

    def test_pauses(self) -> None:
        """An address that was served much has its own pause, whatever that after a large operation."""
        large, busy = self.crowd()
        self.ledger.scheduler.spend(busy, 10_000)
        self.pause(large)
        self.submit("c", 1, task=busy)
        self.clock.advance(0)
        self.assertEqual((self.results, self.sizes()), (["a"], []))
        self.clock.advance(0.004)
        self.clock.advance(0)
        self.runner.let_go()
        self.clock.advance(0)
        self.assertEqual(self.results, ["a", "c"])

    def test_order(self) -> None:
        """Operations run, and results are told, in the order of submission, over many batches."""
        total = 2 * queue_module.MAX_BATCH + 10
        ran: list[int] = []

        def operation(number: int) -> Any:
            def run(_: object) -> int:
                ran.append(number)
                return number

            return run

        for number in range(total):
            self.ledger.submit(operation(number)).addCallback(self.note)
        self.clock.advance(0)
        sizes = []
        while self.runner.batches:
            sizes += self.sizes()
            self.runner.let_go()
            self.clock.advance(0)
        self.assertEqual(sizes, [queue_module.MAX_BATCH, queue_module.MAX_BATCH, 10])
        self.assertEqual((ran, self.results), (list(range(total)), list(range(total))))

    def test_submitted_by_a_result(self) -> None:
        """What a result's callback submits goes with the next batch."""
        self.submit("a").addCallback(lambda _: self.submit("b"))
        self.clock.advance(0)
        self.runner.let_go()
        self.clock.advance(0)
        self.runner.let_go()
        self.assertEqual(self.results, ["a", "b"])

    def test_runner_that_is_done_at_once(self) -> None:
        """A runner may be done before it returns, again and again, without going ever deeper."""

        class Quick(HeldRunner):
            def run(self, jobs: Any, done: Any) -> None:
                super().run(jobs, done)
                self.let_go()

        self.ledger.open([Quick()])

        def again(number: int) -> None:
            if number < 5000:
                self.submit(number + 1).addCallback(again)

        again(0)
        while self.clock.getDelayedCalls():
            self.clock.advance(0)
        self.assertEqual(self.results, list(range(1, 5001)))

    def test_many_batches_that_are_done_at_once(self) -> None:
        """Batch after batch may be done before `run` returns, without going ever deeper."""

        class Quick(HeldRunner):
            def run(self, jobs: Any, done: Any) -> None:
                super().run(jobs, done)
                self.let_go()

        self.patch(queue_module, "MAX_BATCH", 1)
        self.ledger.open([Quick()])
        for number in range(3000):
            self.submit(number)
        while self.clock.getDelayedCalls():
            self.clock.advance(0)
        self.assertEqual(self.results, list(range(3000)))

    def test_one_timer(self) -> None:
        """However many operations are submitted in one turn, one timer starts their batch."""
        for value in "abc":
            self.submit(value)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_jobs(self) -> None:
        """A runner gets the lane and the keys of each operation; by default it is the first lane, none."""
        self.ledger.open([self.runner, HeldRunner()])
        self.ledger.submit(lambda _: None)
        self.ledger.submit(lambda _: None, lane=2, keys=("k",))
        self.assertEqual(self.ledger.backlog().waiting_bytes, 0)
        self.clock.advance(0)
        ((jobs, _),) = self.runner.batches
        self.assertEqual([(job.lane, job.keys) for job in jobs], [(0, ()), (2, ("k",))])

    def test_failure(self) -> None:
        """An exception that the runner could not help is told to the submitter."""

        def fail(_: object) -> None:
            raise ZeroDivisionError

        told = self.ledger.submit(fail)
        self.clock.advance(0)
        self.runner.let_go()
        self.failureResultOf(told, ZeroDivisionError)

    def test_failed_batch(self) -> None:
        """A batch that is taken apart is counted."""
        observer = Recorder()
        log_failed_batch(observer, [], ZeroDivisionError())
        self.assertEqual(observer.counts, {"batch_failed": 1})

    def test_refusal(self) -> None:
        """A refusal is told to its own submitter alone."""

        def refuse(_: object) -> None:
            raise Refusal(ErrorKind.CROWDED)

        before = self.submit("before")
        refused = self.ledger.submit(refuse)
        after = self.submit("after")
        self.clock.advance(0)
        self.runner.let_go()
        self.assertEqual(self.failureResultOf(refused, Refusal).value.kind, ErrorKind.CROWDED)
        self.assertEqual(
            (self.successResultOf(before), self.successResultOf(after)), ("before", "after")
        )

    def test_callback_that_raises(self) -> None:
        """An exception in what a submitter does with its result keeps no other result back."""

        def fail(_: object) -> None:
            raise ZeroDivisionError

        first = self.submit("a").addCallback(fail)
        self.submit("b")
        self.clock.advance(0)
        self.runner.let_go()
        self.assertEqual(self.results, ["a", "b"])
        self.failureResultOf(first, ZeroDivisionError)

    def test_done_that_raises(self) -> None:
        """A job that raises at its own outcome keeps no other outcome back, and is logged."""

        def fail(_: object) -> None:
            raise ZeroDivisionError

        self.ledger.run(Job(lambda _: "a", fail, (), 0, 0, None))
        self.ledger.run(Job(lambda _: "b", self.note, (), 0, 0, None))
        self.clock.advance(0)
        self.runner.let_go()
        self.assertEqual(self.results, ["b"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_cancelled(self) -> None:
        """Who no longer wants a result does not keep the others from theirs."""
        unwanted = self.submit("a")
        self.submit("b")
        unwanted.cancel()
        self.failureResultOf(unwanted)
        self.clock.advance(0)
        self.runner.let_go()
        self.assertEqual(self.results, ["b"])

    def test_lanes(self) -> None:
        """Each lane has its own batches; a lane that waits does not hold up another."""
        other = HeldRunner()
        self.ledger.open([self.runner, other])
        for lane, value in enumerate("abcd"):
            self.submit(value, lane=lane)
        self.clock.advance(0)
        self.assertEqual((self.sizes(), [len(jobs) for jobs, _ in other.batches]), ([2], [2]))
        other.let_go()
        self.assertEqual(self.results, ["b", "d"])
        self.runner.let_go()
        self.assertEqual(self.results, ["b", "d", "a", "c"])

    def test_backlog(self) -> None:
        """What waits and what is on its way can be looked up at any moment."""
        other = HeldRunner()
        self.ledger.open([self.runner, other])
        self.assertEqual(self.ledger.backlog(), Backlog(0, 0, 0, 2, 0))
        self.submit("on its way")
        self.clock.advance(0)
        for lane in (0, 2):
            self.ledger.submit(lambda _: None, lane=lane, size=50)
        self.assertEqual(self.ledger.backlog(), Backlog(2, 100, 1, 2, 1))
        self.submit("too", lane=1)
        self.clock.advance(0)
        self.runner.let_go()
        self.clock.advance(0)
        self.assertEqual(self.ledger.backlog(), Backlog(0, 0, 3, 2, 2))

    def test_too_many_wait(self) -> None:
        """A database that does not answer cannot fill the memory: at a bound, more is turned away."""
        self.patch(queue_module, "MAX_WAITING", 3)
        self.submit("on its way")
        self.clock.advance(0)
        waiting = [self.submit(n) for n in range(3)]
        self.failureResultOf(self.submit("too much"), LedgerUnavailable)
        self.assertNoResult(waiting[-1])
        self.runner.let_go()
        self.submit("welcome again")
        while self.runner.batches:
            self.runner.let_go()
            self.clock.advance(0)
        self.assertEqual(self.results, ["on its way", 0, 1, 2, "welcome again"])

    def test_too_many_bytes_wait(self) -> None:
        """The bytes of what waits are bounded too; what needs none still gets through."""
        self.patch(queue_module, "MAX_WAITING_BYTES", 100)

        def submit(size: int) -> Deferred[object]:
            return self.ledger.submit(lambda _: size, size=size)

        submit(100)
        self.clock.advance(0)
        submit(60)
        self.failureResultOf(submit(41), LedgerUnavailable)
        self.assertNoResult(submit(40))
        self.failureResultOf(submit(1), LedgerUnavailable)
        self.assertNoResult(submit(0))
        self.runner.let_go()
        self.clock.advance(0)
        self.assertNoResult(submit(100))

    def test_not_open(self) -> None:
        """A ledger that has not been opened turns everything away, and can be closed."""
        ledger = Ledger(make_scheduler(self.clock))
        failure = self.failureResultOf(ledger.submit(lambda _: None), LedgerUnavailable)
        self.assertIn("is not open yet", failure.getErrorMessage())
        self.successResultOf(ledger.close())

    def test_close_drains(self) -> None:
        """Closing takes nothing new, finishes what waits, and then lets go of the database."""
        self.submit("a")
        self.clock.advance(0)
        self.submit("b")
        self.assertFalse(self.runner.waiting_stopped)
        closed = self.ledger.close()
        self.assertTrue(self.runner.waiting_stopped)
        failure = self.failureResultOf(self.submit("c"), LedgerUnavailable)
        self.assertIn("because the server stops", failure.getErrorMessage())
        self.clock.advance(0)
        self.runner.let_go()
        self.assertNoResult(closed)
        self.assertFalse(self.runner.stopped)
        self.runner.let_go()
        self.successResultOf(closed)
        self.assertTrue(self.runner.stopped)
        self.assertEqual(self.results, ["a", "b"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_runner_that_raises(self) -> None:
        """A batch that the runner cannot run fails; the next ones are run."""

        class Broken(HeldRunner):
            def run(self, jobs: Any, done: Any) -> None:
                if jobs[0].size:
                    raise ZeroDivisionError
                super().run(jobs, done)

        self.runner = Broken()
        self.ledger.open([self.runner])
        broken = self.ledger.submit(lambda _: None, size=1)
        self.clock.advance(0)
        self.failureResultOf(broken, ZeroDivisionError)
        next_ = self.submit("b")
        self.clock.advance(0)
        self.runner.let_go()
        self.assertEqual(self.successResultOf(next_), "b")

    def test_close_that_raises(self) -> None:
        """A runner that cannot be closed does not keep the ledger from closing."""

        class Broken(HeldRunner):
            def close(self) -> None:
                raise ZeroDivisionError

        self.ledger.open([Broken()])
        closed = self.ledger.close()
        self.clock.advance(0)
        self.successResultOf(closed)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_close_when_idle(self) -> None:
        """An idle ledger is closed in the next turn."""
        closed = self.ledger.close()
        self.clock.advance(0)
        self.successResultOf(closed)
        self.assertTrue(self.runner.stopped)
