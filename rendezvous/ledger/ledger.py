"""
The ledger: takes operations, commits all that wait in one transaction, then delivers the results.

Owns the order of operations and how they are gathered into batches. While one batch is being committed, the
next gathers by itself; a single operation is never delayed. A `Runner` runs a batch; there is one for SQLite
(`sqlite`) and one for PostgreSQL (`postgres`).

An operation is a plain function over a `Transaction`. It may run more than once, and only its last run
counts, so it must change nothing but the database. A `Refusal` that it raises is its result. Any other
exception undoes the operation, but not the others of its batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.queue import LARGE_BYTES, Job, JobQueue
from rendezvous.ledger.transaction import Transaction
from rendezvous.observer import RendezvousObserver
from wormhole_limits.scheduler import Account, Scheduler, Task

T = TypeVar("T")
Operation = Callable[[Transaction], T]

_log = Logger()


class Runner(Protocol):
    """Runs batches on a database."""

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """
        Run a batch, commit it, set the outcome of every job.

        Not called again before `done`.

        :param done: called on the reactor's thread after the commit.
        """

    def stop_waiting(self) -> None:
        """Fail what waits for an unavailable database instead of retrying: the ledger is closing."""

    def close(self) -> None:
        """Close the database. No batch is running."""


@attrs.frozen
class Backlog:
    """
    What a ledger has to do at a moment.

    :ivar waiting: operations that are in no batch yet.
    :ivar waiting_bytes: what those hold.
    :ivar running: operations in the batches that are running.
    :ivar lanes: how many batches can run at once.
    :ivar busy_lanes: how many are running.
    """

    waiting: int
    waiting_bytes: int
    running: int
    lanes: int
    busy_lanes: int


class Ledger:
    """
    Runs operations through one or more runners. Refuses them until it has been opened.

    :param scheduler: runs batches: one starts in the turn of the reactor after its first operation was
        submitted.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._lanes: list[_Lane] = []
        self._closed = False

    def open(self, runners: Sequence[Runner]) -> None:
        """
        Start to take operations.

        :param runners: one for each lane.
        """
        self._lanes = [_Lane(self.scheduler, runner) for runner in runners]

    def submit(
        self,
        operation: Operation[T],
        *,
        lane: int = 0,
        keys: Sequence[str] = (),
        size: int = 0,
        task: Task | None = None,
    ) -> Deferred[T]:
        """
        Run an operation and commit it.

        :param lane: operations of the same lane take effect in the order in which they were submitted. Any
            number is allowed: lanes are taken modulo the number of runners.
        :param keys: names of what the operation reads and writes; operations that share a key do not
            overlap, on whichever lane or instance.
        :param size: the bytes that it holds while it waits, if they are worth counting.
        :param task: of the connection that it is for, and whose address it is counted for; None: it is the
            server's own, and goes before all others.
        :return: fires with the result after the commit. Fails with `Refusal` if the operation refused; with
            `LedgerUnavailable` if the database does not accept it. Then nothing has happened, unless it is
            `OutcomeUnknown`.
        """
        done: Deferred[T] = Deferred()
        self.run(Job(operation, done.callback, keys, size, lane, task))
        return done

    def run(self, job: Job) -> None:
        """Run the operation of a job; as `submit`, but without the cost of a Deferred."""
        if self._lanes and not self._closed:
            chosen = self._lanes[job.lane % len(self._lanes)]
            if chosen.queue.has_room(job):
                chosen.submit(job)
                return
        job.done(Failure(LedgerUnavailable(self._refusal())))

    def _refusal(self) -> str:
        if self._closed:
            return "the database is closed, because the server stops"
        return "too many operations wait" if self._lanes else "the database is not open yet"

    @property
    def failures(self) -> int:
        """How many operations the database has not accepted so far."""
        return sum(lane.failures for lane in self._lanes)

    def backlog(self) -> Backlog:
        """Return what there is to do at the moment."""
        lanes = self._lanes
        running = [lane.running for lane in lanes]
        return Backlog(
            waiting=sum(len(lane.queue) for lane in lanes),
            waiting_bytes=sum(lane.queue.bytes for lane in lanes),
            running=sum(running),
            lanes=len(lanes),
            busy_lanes=len(running) - running.count(0),
        )

    def close(self) -> Deferred[None]:
        """
        Refuse new operations, finish those that wait, close the database.

        :return: fires when all of that is done.
        """
        self._closed = True
        drained = DeferredList([lane.drain() for lane in self._lanes])
        return drained.addCallback(lambda _: None)


class _Lane:
    """Gathers jobs while a batch is running, and then starts the next."""

    def __init__(self, scheduler: Scheduler, runner: Runner) -> None:
        self._scheduler = scheduler
        self._runner = runner
        self._running: Sequence[Job] | None = None
        self._began = 0.0
        self._finished: deque[Job] = deque()
        self._turn_scheduled = False
        self._starting = False
        self._pause: IDelayedCall | None = None
        self._drained: Deferred[None] | None = None
        self.queue = JobQueue(scheduler)
        self.failures = 0

    @property
    def running(self) -> int:
        return 0 if self._running is None else len(self._running)

    def submit(self, job: Job) -> None:
        if job.task is not None and job.size <= LARGE_BYTES:
            job.urgent = self._scheduler.begin_commit(job.task)
        self.queue.add(job)
        self._schedule_turn()

    def drain(self) -> Deferred[None]:
        drained: Deferred[None] = Deferred()
        self._drained = drained
        self._runner.stop_waiting()
        self.queue.hurry()
        self._schedule_turn()
        return drained

    def _schedule_turn(self) -> None:
        """Not at once: all that the reactor reads in this turn belongs to the batch."""
        if self._running is None and not self._turn_scheduled:
            self._turn_scheduled = True
            self._scheduler.next_transaction(self._turn)

    def _turn(self) -> None:
        self._turn_scheduled = False
        if self._running is None and (jobs := self.queue.take()):
            self._starting = True
            self._running = jobs
            self._began = self._scheduler.clock.seconds()
            try:
                self._runner.run(jobs, self._batch_done)
            except Exception as error:  # the runner's fault, whatever it is, ends this batch only
                for job in self._running or ():
                    job.fail(error)
                self._batch_done()
            self._starting = False
        # The next batch is being committed by now, while these results go to the clients.
        self._deliver()
        if self._running is None:
            if self.queue:
                self._continue()
            elif self._drained is not None:
                drained, self._drained = self._drained, None
                try:
                    self._runner.close()
                except Exception:
                    _log.failure("A connection to the database could not be closed")
                drained.callback(None)

    def _continue(self) -> None:
        """Go on with what waits, once it may run."""
        seconds = self.queue.pause_seconds
        if not seconds:
            self._schedule_turn()
        elif self._pause is None:
            self._pause = self._scheduler.clock.callLater(seconds, self._pause_over)
        else:
            self._pause.reset(seconds)

    def _pause_over(self) -> None:
        self._pause = None
        self._schedule_turn()

    def _deliver(self, account: Account | None = None) -> None:
        """Deliver results; with `account`, as long as they are the server's own or for that address."""
        while self._finished:
            job = self._finished[0]
            if account is not None and job.task is not None and job.task.account is not account:
                return
            self._finished.popleft()
            outcome = job.outcome
            if isinstance(outcome, Failure) and outcome.check(LedgerUnavailable):
                self.failures += 1
            if job.urgent:
                self._scheduler.end_commit()
            try:
                job.done(outcome)
            except Exception:  # whoever waited for it, it keeps no other result back
                _log.failure("An operation's result met an exception")

    def _batch_done(self) -> None:
        first = None
        if self._running is not None:
            self.queue.committed(self._running, self._scheduler.clock.seconds() - self._began)
            self._finished += self._running
            first = next((job.task.account for job in self._running if job.task is not None), None)
            self._running = None
        # A batch with nothing to commit is done before the turn that started it is over.
        if self._starting:
            return
        if self._scheduler.crowded and first is not None:
            # Whoever was served least waits neither for the results of others nor for their statements, and
            # has time for its next command: the next batch begins a turn later.
            self._deliver(first)
            self._scheduler.next_transaction(self._deliver_others)
        else:
            self._turn()

    def _deliver_others(self) -> None:
        self._deliver()
        self._schedule_turn()


def log_failed_batch(observer: RendezvousObserver, jobs: Sequence[Job], error: Exception) -> None:
    """Report a batch that was rolled back and whose jobs are run again one by one."""
    observer.batch_failed()
    _log.debug(
        "A batch of {n} failed; its jobs run again one by one: {error}", n=len(jobs), error=error
    )
