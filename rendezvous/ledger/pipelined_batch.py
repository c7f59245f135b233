"""
The pipelined batch: the operations of one PostgreSQL transaction, run side by side on one connection.

Owns which operation runs when. An operation is a plain function that waits for the result of each query.
Here each runs in a greenlet: where it would wait, another one continues, and once all wait, their statements
go to the server together (`pipeline`). So a batch takes as many round trips as its longest operation has
queries, not as many as all operations have together.

Statements take effect in the order in which they were queued. Operations of one lane, and operations that
share a key, do not overlap (`keys.KeyQueues`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from rendezvous.ledger.keys import KeyQueues, lock_key
from rendezvous.ledger.pipeline import Pipeline, QueryResult
from rendezvous.ledger.queue import Job
from rendezvous.ledger.statements import Parameters, Query, Statement
from rendezvous.ledger.transaction import KeyTaken, Transaction

T = TypeVar("T")

# libpq numbers parameters.
_DIALECT: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1::bigint)"


class CircularWaitError(Exception):
    """Operations wait for each other's keys in a circle. Run one at a time they do not."""


class PipelinedBatch:
    """
    Runs the operations of one transaction.

    :param locked: the numbers of the keys that the transaction has locked; those that operations lock on
        their way are added.
    :ivar announced: see `Transaction.announced`.
    """

    def __init__(self, pipeline: Pipeline, locked: set[int]) -> None:
        self.pipeline = pipeline
        self.locked = locked
        self.queues: KeyQueues[_Task] = KeyQueues()
        self.deferred: dict[Statement, list[Parameters]] = {}
        self.announced: dict[str, tuple[int, int]] = {}
        self._scheduler = getcurrent()
        self._ready: deque[_Task] = deque()
        self._waiting: list[_Task] = []

    def run(self, jobs: Sequence[Job]) -> None:
        """
        Run the jobs, and set the outcome that each has if the transaction is committed.

        :raises KeyTaken: another transaction holds a key that an operation needs.
        :raises CircularWaitError: the batch has to be run again, one job at a time.
        """
        tasks = [_Task(self, job) for job in jobs]
        for task in tasks:
            self.queues.join(task, task.keys)
        self._ready.extend(task for task in tasks if self.queues.holds_all(task))
        try:
            self._run_until_done(len(tasks))
        finally:
            for task in tasks:
                task.abandon()

    def finish(self) -> None:
        """Queue the statements that `Transaction.later` was given."""
        deferred, self.deferred = self.deferred, {}
        for statement, rows in deferred.items():
            sql, bind = statement.compiled(_DIALECT)
            for row in rows:
                self.pipeline.queue(sql, bind(row))

    def wait_for_result(self, task: _Task) -> None:
        """Run others until the task's query has its result."""
        self._waiting.append(task)
        self._scheduler.switch()

    def wait_for_key(self, task: _Task, key: str) -> None:
        """Run others until the task is first in the key's queue."""
        self.queues.join(task, [key])
        if not self.queues.holds(task, key):
            self._scheduler.switch()

    def release_all(self, task: _Task) -> None:
        """The task has queued its last statement and needs no key any more."""
        self._ready.extend(self.queues.leave(task))

    def release(self, task: _Task, key: str) -> None:
        """The task does not need the key after all."""
        self._ready.extend(self.queues.give_back(task, key))

    def _run_until_done(self, unfinished: int) -> None:
        while unfinished:
            while self._ready:
                task = self._ready.popleft()
                if task.resume():
                    unfinished -= 1
                    self.release_all(task)
            if self._waiting:
                waiting, self._waiting = self._waiting, []
                self.pipeline.exchange()
                self._ready.extend(waiting)
            elif unfinished:
                raise CircularWaitError


class _Task:
    """A job that runs in pieces."""

    def __init__(self, batch: PipelinedBatch, job: Job) -> None:
        self.keys = (job.lane, *job.keys)
        self._greenlet = greenlet(partial(job.run, _PipelinedTransaction(batch, self)))

    def resume(self) -> bool:
        """Run until it has to wait; return True if it has finished instead."""
        self._greenlet.switch()
        return self._greenlet.dead

    def abandon(self) -> None:
        """End it where it waits, so that it releases what it holds."""
        if not self._greenlet.dead:
            self._greenlet.throw()


class _PipelinedTransaction(Transaction):
    """The transaction as one operation of a batch sees it."""

    __slots__ = ("_batch", "_task")

    def __init__(self, batch: PipelinedBatch, task: _Task) -> None:
        self._batch = batch
        self._task = task
        self._deferred = batch.deferred
        self.announced = batch.announced

    @property
    def exclusive(self) -> bool:
        return False

    def try_lock(self, key: str) -> bool:
        queues = self._batch.queues
        if not queues.is_free(key):
            return queues.holds(self._task, key)
        queues.join(self._task, [key])
        if self._try_lock_in_database(key):
            return True
        self._batch.release(self._task, key)
        return False

    def lock(self, key: str) -> None:
        if not self._batch.queues.holds(self._task, key):
            self._batch.wait_for_key(self._task, key)
        if not self._try_lock_in_database(key):
            raise KeyTaken(key)

    def all(self, query: Query[T], **values: Any) -> list[T]:
        return [query.read(row) for row in self._result(query, values).rows]

    def one(self, query: Query[T], **values: Any) -> T | None:
        rows = self._result(query, values).rows
        return query.read(rows[0]) if rows else None

    def each(self, query: Query[T], **values: Any) -> Iterator[T]:
        return map(query.read, self._result(query, values).rows)

    def count(self, statement: Statement, **values: Any) -> int:
        return self._result(statement, values).count

    def run(self, statement: Statement, **values: Any) -> None:
        self._queue(statement, values)

    def many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
        for row in rows:
            self._queue(statement, row)

    def _try_lock_in_database(self, key: str) -> bool:
        """Return whether the transaction holds the key's advisory lock, or gets it without waiting."""
        number = lock_key(key)
        if number not in self._batch.locked:
            result = self._batch.pipeline.queue(_TRY_LOCK, [number])
            self._batch.wait_for_result(self._task)
            if not result.value:
                return False
            self._batch.locked.add(number)
        return True

    def _queue(self, statement: Statement, values: Parameters) -> QueryResult:
        sql, bind = statement.compiled(_DIALECT)
        return self._batch.pipeline.queue(sql, bind(values))

    def _result(self, statement: Statement, values: Parameters) -> QueryResult:
        result = self._queue(statement, values)
        self._batch.wait_for_result(self._task)
        return result
