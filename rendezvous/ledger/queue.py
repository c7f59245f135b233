"""
The queue of operations that wait for a batch: which of them go into the next one. No I/O.

Owns the parts of a batch. When clients of several addresses are active, each address has a small part of a
batch, and the address that was served least is first: everybody in a batch waits for all of its statements
and for their commit. Addresses that were served much gather their operations between batches. Large
operations come after all others, one in a batch, and with long pauses, but none waits for ever. Operations of
one lane keep their order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Any, Final

from twisted.python.failure import Failure

from rendezvous.errors import Refusal
from rendezvous.ledger.transaction import Transaction
from wormhole_limits.scheduler import Account, Scheduler, Task

# SQLite runs a batch on the reactor's thread: at some 20 µs a statement this is a few milliseconds.
MAX_BATCH: Final = 200
# The same where several addresses are active: 1 ms; and what one of them may have of it.
CROWDED_BATCH: Final = 24
ADDRESS_PART: Final = 16
# What all addresses that were served much lately may have together; the first of them may have ADDRESS_PART.
BUSY_PART: Final = 4
# What may wait in a lane, for all clients together, while the database does not answer; of small and of large
# operations so many bytes each. An address is not refused as long as fewer small ones of it wait than
# LITTLE_WAITING, or no large one.
MAX_WAITING: Final = 20_000
MAX_WAITING_BYTES: Final = 33_554_432
LITTLE_WAITING: Final = 8

LARGE_BYTES: Final = 16 * 1024
"""From here on an operation takes longer than a whole batch of others does; clients send less than 10 kB."""
# Pauses after large operations, so that in 200 of others' operations about one meets one of them.
_PAUSE_RATIO: Final = 100.0
_LONGEST_PAUSE_SECONDS: Final = 1.0
_LARGE_PATIENCE_SECONDS: Final = 1.0
"""Behind its pause a large operation lets others pass for so long."""


class Job:
    """
    An operation, and who waits for its outcome.

    :param done: called with the outcome after the commit.

    :ivar lane: jobs of the same lane run in order.
    :ivar keys: names of what the operation reads and writes; jobs that share a key do not overlap.
    :ivar size: the bytes that it holds while it waits.
    :ivar task: of the connection that it is for; None: it is the server's own.
    :ivar urgent: whether those that flood rest until it is committed.
    :ivar outcome: what the operation returned, or a Failure.
    """

    __slots__ = ("done", "keys", "lane", "operation", "outcome", "size", "task", "urgent")

    def __init__(
        self,
        operation: Callable[[Transaction], Any],
        done: Callable[[Any], object],
        keys: Sequence[str],
        size: int,
        lane: int,
        task: Task | None,
    ) -> None:
        self.operation = operation
        self.done = done
        self.lane = lane
        self.keys = keys
        self.size = size
        self.task = task
        self.urgent = False
        self.outcome: object = None

    def run(self, tx: Transaction) -> None:
        """Run the operation and set the outcome. A refusal is an outcome; other exceptions propagate."""
        try:
            self.outcome = self.operation(tx)
        except Refusal as refusal:
            # No traceback: it would keep the frames of the transaction alive.
            self.outcome = Failure(refusal.with_traceback(None))

    def fail(self, error: Exception) -> None:
        """Set the outcome of an operation that has not happened."""
        self.outcome = Failure(error)


class JobQueue:
    """The jobs of one lane of the ledger that wait for a batch."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.bytes = 0
        self._count = 0
        self._large_bytes = 0
        self._scheduler = scheduler
        self._own: deque[Job] = deque()
        self._small = _Parts()
        self._large = _Parts()
        # How many large jobs of a lane wait; what follows them waits with them.
        self._held: Counter[int] = Counter()
        self._next_large = 0.0
        # Since when the large jobs that wait have seen none of them run.
        self._large_since = 0.0
        # Addresses that were served much gather what they ask for, so that others find the database free.
        self._next_busy = 0.0
        self._hurried = False

    def __len__(self) -> int:
        return self._count

    def has_room(self, job: Job) -> bool:
        """Whether a job may wait."""
        large = job.size > LARGE_BYTES
        held = self._large_bytes if large else self.bytes - self._large_bytes
        if self._count < MAX_WAITING and held + job.size <= MAX_WAITING_BYTES:
            return True
        if job.task is None:
            return False
        parts, most = (self._large, 1) if large else (self._small, LITTLE_WAITING)
        return parts.waiting(job.task.account) < most

    def add(self, job: Job) -> None:
        """Have a job wait."""
        self.bytes += job.size
        self._count += 1
        if job.task is None:
            self._own.append(job)
        elif job.size > LARGE_BYTES or job.lane in self._held:
            self._held[job.lane] += 1
            self._large_bytes += job.size
            if not self._large.count:
                self._large_since = self._scheduler.clock.seconds()
            self._large.add(job.task, job)
        else:
            self._small.add(job.task, job)

    def take(self) -> list[Job]:
        """Take the jobs of the next batch; none: those that wait have to wait longer."""
        if self.pause_seconds:
            return []
        crowded = self._scheduler.crowded
        most = CROWDED_BATCH if crowded else MAX_BATCH
        own = self._own
        jobs = [own.popleft() for _ in range(min(len(own), MAX_BATCH))] if own else []
        if self._small.count and (own or not self._large_is_overdue):
            room = max(0, most - len(jobs))
            if crowded:
                jobs += self._small.take(room, ADDRESS_PART, self._scheduler.busy_rank, BUSY_PART)
            else:
                jobs += self._small.take(room, room)
        if not jobs and self._large.count:
            jobs = self._large.take(1, 1)
            self._held -= Counter(job.lane for job in jobs)
            self._large_bytes -= sum(job.size for job in jobs)
        self._count -= len(jobs)
        self.bytes -= sum(job.size for job in jobs)
        return jobs

    @property
    def _large_is_overdue(self) -> bool:
        """Whether a large job has let others pass for long enough."""
        if not self._large.count:
            return False
        due = max(self._large_since, self._next_large) + _LARGE_PATIENCE_SECONDS
        return self._scheduler.clock.seconds() >= due

    @property
    def pause_seconds(self) -> float:
        """How long the jobs that wait have to wait, where no others do; 0: no longer."""
        if self._own or not self._scheduler.crowded:
            return 0.0
        until = self._next_busy if self._small.count else self._next_large
        seconds = max(0.0, until - self._scheduler.clock.seconds())
        if seconds and self._small.count and not self._small.all_above(self._scheduler.busy_rank):
            return 0.0
        return seconds

    def committed(self, jobs: Sequence[Job], seconds: float) -> None:
        """
        Make the pauses behind a batch.

        :param seconds: what it has taken.
        """
        if self._hurried:
            return
        now = self._scheduler.clock.seconds()
        self._next_busy = now + seconds
        if len(jobs) == 1 and jobs[0].size > LARGE_BYTES:  # which is always alone
            self._large_since = now
            self._next_large = now + min(seconds * _PAUSE_RATIO, _LONGEST_PAUSE_SECONDS)

    def hurry(self) -> None:
        """Make no pause any more: the ledger closes."""
        self._hurried = True
        self._next_large = self._next_busy = 0.0


class _Parts:
    """
    Jobs by address; those of one address are ordered by what their connections were served.

    :ivar count: how many there are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._number = 0
        self._jobs: dict[Account, list[tuple[float, int, Job]]] = {}

    def waiting(self, account: Account) -> int:
        """How many of an account's jobs wait."""
        return len(self._jobs.get(account, ()))

    def all_above(self, rank: float) -> bool:
        """Whether all addresses have a higher rank."""
        return all(account.rank > rank for account in self._jobs)

    def add(self, task: Task, job: Job) -> None:
        # The rank of a connection only grows, so that its jobs keep their order.
        self._number += 1
        self.count += 1
        heappush(self._jobs.setdefault(task.account, []), (task.rank, self._number, job))

    def take(self, most: int, each: int, busy_rank: float = inf, busy_most: int = 0) -> list[Job]:
        """
        Take jobs of the address that was served least, then of the next, at most `each` of one.

        :param busy_most: how many to take of all addresses with a higher rank than `busy_rank`; of the first
            of them up to `each`, though that is more.
        """
        taken: list[Job] = []
        accounts = self._jobs
        busy = False
        # Of those that were served much, the one that has waited longest is first: by what they were served,
        # the others could keep the last one from its turn for a minute.
        for account in sorted(accounts, key=lambda account: min(account.rank, busy_rank)):
            if len(taken) >= most:
                break
            room = min(each, most - len(taken))
            if account.rank > busy_rank and not busy:
                # And so are all that follow, for which `most` is less.
                busy, most = True, min(most, len(taken) + busy_most)
            jobs = accounts.pop(account)
            if len(jobs) <= room:
                jobs.sort()
                taken += [job for _, _, job in jobs]
            else:
                taken += [heappop(jobs)[2] for _ in range(room)]
                accounts[account] = jobs  # behind the others
        self.count -= len(taken)
        return taken
