"""
The ledger: operations in, one durable transaction for all that wait, results out.

Owns the order of operations and the gathering of batches. While a batch is on its way to the disk, the
next one gathers by itself; a single operation is never delayed. How a batch is run is the business of a
`Runner`, of which there are two: `ledger_sqlite` and `ledger_postgres`.

An operation is a plain function over a `Transaction`. It may be run more than once, and only its last run
counts: it must not change anything but the database. A `Refusal` that it raises is its result; any other
exception undoes it, and leaves its neighbours alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous.errors import LedgerUnavailable, Refusal
from rendezvous.observer import Observer
from rendezvous.statements import Transaction

T = TypeVar("T")
Operation = Callable[[Transaction], T]

_log = Logger()

# On SQLite a batch runs on the reactor's thread: at some 20 µs a statement this is a few milliseconds.
MAX_BATCH = 200
# So much of all clients together may wait in a lane for a database that does not answer.
MAX_WAITING = 20_000
MAX_WAITING_BYTES = 32 * 1024 * 1024


class Job:
    """
    An operation on its way.

    :ivar lane: jobs of one lane go in order.
    :ivar keys: what it reads and writes, so that two who use one key can take turns.
    :ivar size: the bytes that it holds while it waits.
    :ivar outcome: what it returned, or a Failure.
    """

    __slots__ = ("done", "keys", "lane", "operation", "outcome", "size")

    def __init__(
        self, operation: Operation[Any], keys: Sequence[str], size: int = 0, lane: int = 0
    ) -> None:
        self.operation = operation
        self.lane = lane
        self.keys = keys
        self.size = size
        self.done: Deferred[Any] = Deferred()
        self.outcome: object = None

    def run(self, tx: Transaction) -> None:
        """Run the operation; a refusal is its outcome, anything else that it raises is not caught."""
        try:
            self.outcome = self.operation(tx)
        except Refusal as refusal:
            # No traceback: it would keep the frames of the transaction alive.
            self.outcome = Failure(refusal.with_traceback(None))

    def fail(self, error: Exception) -> None:
        """It has not happened."""
        self.outcome = Failure(error)


class Runner(Protocol):
    """A way to run a batch."""

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """
        Give every job its outcome, durably, then call `done` on the reactor's thread.

        Called again only after `done`.
        """

    def hurry(self) -> None:
        """The ledger is closing: a database that has gone is not waited for any more."""

    def stop(self) -> None:
        """Let go of the database. No batch is running."""


@attrs.frozen
class Backlog:
    """
    What a ledger has to do at a moment.

    :ivar waiting: operations that no batch has taken yet.
    :ivar waiting_bytes: what those hold.
    :ivar running: operations in the batches that are on their way.
    :ivar lanes: how many batches could be.
    :ivar busy_lanes: how many are.
    """

    waiting: int
    waiting_bytes: int
    running: int
    lanes: int
    busy_lanes: int


class Ledger:
    """
    Takes operations and runs them through one or more runners, once it has been opened.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._lanes: list[_Lane] = []
        self._closed = False

    def open(self, runners: Sequence[Runner]) -> None:
        """
        Begin to take operations.

        :param runners: operations of one lane go through one runner, in order.
        """
        self._lanes = [_Lane(self._clock, runner) for runner in runners]

    def submit(
        self,
        operation: Operation[T],
        *,
        lane: int = 0,
        keys: Sequence[str] = (),
        size: int = 0,
    ) -> Deferred[T]:
        """
        Run an operation and make it durable.

        :param lane: operations of the same lane take effect in the order in which they were submitted.
        :param keys: what the operation reads and writes; those that share one take turns.
        :param size: the bytes that it holds, where they are worth counting.
        :return: fires with its result after the commit; with `Refusal` if it refused, with
            `LedgerUnavailable` if the database does not take it, in which case nothing has happened,
            unless it is `OutcomeUnknown`.
        """
        job = Job(operation, keys, size, lane)
        if self._lanes and not self._closed:
            chosen = self._lanes[lane % len(self._lanes)]
            if chosen.waiting < MAX_WAITING and chosen.waiting_bytes + size <= MAX_WAITING_BYTES:
                chosen.submit(job)
                return job.done
        job.done.errback(LedgerUnavailable("not open, or too many wait already"))
        return job.done

    def backlog(self) -> Backlog:
        """How much there is to do."""
        lanes = self._lanes
        running = [lane.running for lane in lanes]
        return Backlog(
            waiting=sum(lane.waiting for lane in lanes),
            waiting_bytes=sum(lane.waiting_bytes for lane in lanes),
            running=sum(running),
            lanes=len(lanes),
            busy_lanes=len(running) - running.count(0),
        )

    def close(self) -> Deferred[None]:
        """Take nothing new, finish what waits, let go of the database."""
        self._closed = True
        drained = DeferredList([lane.drain() for lane in self._lanes])
        return drained.addCallback(lambda _: None)


class _Lane:
    """Gathers jobs while a batch is running, and starts the next."""

    def __init__(self, clock: IReactorTime, runner: Runner) -> None:
        self._clock = clock
        self._runner = runner
        self._waiting: deque[Job] = deque()
        self._running: Sequence[Job] | None = None
        self._finished: deque[Sequence[Job]] = deque()
        self._turn_due = False
        self._starting = False
        self._drained: Deferred[None] | None = None
        self.waiting_bytes = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return 0 if self._running is None else len(self._running)

    def submit(self, job: Job) -> None:
        self._waiting.append(job)
        self.waiting_bytes += job.size
        self._take_turn_soon()

    def drain(self) -> Deferred[None]:
        drained: Deferred[None] = Deferred()
        self._drained = drained
        self._runner.hurry()
        self._take_turn_soon()
        return drained

    def _take_turn_soon(self) -> None:
        """Not at once: all that this turn of the reactor reads is to go along."""
        if self._running is None and not self._turn_due:
            self._turn_due = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._turn_due = False
        if self._running is None and self._waiting:
            self._starting = True
            self._running = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))
            ]
            self.waiting_bytes -= sum(job.size for job in self._running)
            self._runner.run(self._running, self._batch_done)
            self._starting = False
        # By now the next batch is on its way to the disk; meanwhile these results go to the clients.
        while self._finished:
            for job in self._finished.popleft():
                job.done.callback(job.outcome)
        if self._running is None:
            if self._waiting:
                self._take_turn_soon()
            elif self._drained is not None:
                drained, self._drained = self._drained, None
                self._runner.stop()
                drained.callback(None)

    def _batch_done(self) -> None:
        if self._running is not None:
            self._finished.append(self._running)
            self._running = None
        # Where there was nothing to wait for, the turn that started the batch is still on.
        if not self._starting:
            self._turn()


def log_failed_batch(observer: Observer, jobs: Sequence[Job], error: Exception) -> None:
    """A batch was rolled back; its jobs are run again one by one, where the guilty one is found."""
    observer.batch_failed()
    _log.debug("a batch of {n} failed, again one by one: {error}", n=len(jobs), error=error)
