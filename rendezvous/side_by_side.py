"""
The operations of a batch side by side on one PostgreSQL connection.

An operation is a plain function that asks and goes on with the answer. Here each runs in a greenlet: where
it needs an answer it steps aside for the next, and when all are waiting, what they ask goes to the server
together (`pipeline`). A batch so takes as many round trips as its longest operation has questions, rather
than the questions of all.

Statements take effect one after the other, in the order in which they were asked. Operations of one lane,
and those that share a key, do not overlap at all (`turns`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from greenlet import getcurrent, greenlet
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from rendezvous.keys import lock_key
from rendezvous.ledger import Job
from rendezvous.pipeline import Answer, Pipeline
from rendezvous.statements import KeyTaken, Parameters, Row, Statement, Transaction
from rendezvous.turns import Turns

# Values by number, as PostgreSQL itself has them.
_DIALECT: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1::bigint)"


class Entangled(Exception):
    """Operations wait for each other in a circle; one after the other they would not."""


class SideBySide:
    """
    Runs the operations of one transaction.

    :param held: the numbers of the keys whose turns the transaction has; those that it takes are added.
    :ivar news: see `Transaction.news`.
    """

    def __init__(self, pipeline: Pipeline, held: set[int]) -> None:
        self.pipeline = pipeline
        self.held = held
        self.turns: Turns[_Task] = Turns()
        self.later: dict[Statement, list[Parameters]] = {}
        self.news: dict[str, tuple[int, int]] = {}
        self._hub = getcurrent()
        self._ready: deque[_Task] = deque()
        self._asking: list[_Task] = []

    def run(self, jobs: Sequence[Job]) -> None:
        """
        Give every job its outcome, if the transaction is committed.

        :raises KeyTaken: another transaction has the turn of a key that an operation needs.
        :raises Entangled: it has to be tried again with one job at a time.
        """
        tasks = [_Task(self, job) for job in jobs]
        for task in tasks:
            self.turns.queue(task, task.keys)
        self._ready.extend(task for task in tasks if self.turns.has_all(task))
        try:
            self._until_done(len(tasks))
        finally:
            for task in tasks:
                task.abandon()

    def finish(self) -> None:
        """Ask what was put off until the end."""
        later, self.later = self.later, {}
        for statement, rows in later.items():
            sql, bind = statement.compiled(_DIALECT)
            for row in rows:
                self.pipeline.ask(sql, bind(row))

    def wait_for_answer(self, task: _Task) -> None:
        """Let others go on until what was asked has its answer."""
        self._asking.append(task)
        self._hub.switch()

    def wait_for_turn(self, task: _Task, key: str) -> None:
        """Let others go on until it is the task's turn."""
        self.turns.queue(task, [key])
        if not self.turns.has(task, key):
            self._hub.switch()

    def pass_on(self, task: _Task) -> None:
        """The task has asked its last, and has no more use for any turn."""
        self._ready.extend(self.turns.leave(task))

    def give_back(self, task: _Task, key: str) -> None:
        """The task has no use for the turn."""
        self._ready.extend(self.turns.give_back(task, key))

    def _until_done(self, unfinished: int) -> None:
        while unfinished:
            while self._ready:
                task = self._ready.popleft()
                if task.go_on():
                    unfinished -= 1
                    self.pass_on(task)
            if self._asking:
                asking, self._asking = self._asking, []
                self.pipeline.exchange()
                self._ready.extend(asking)
            elif unfinished:
                raise Entangled


class _Task:
    """A job that is carried out a piece at a time."""

    def __init__(self, side_by_side: SideBySide, job: Job) -> None:
        self.keys = (job.lane, *job.keys)
        self._greenlet = greenlet(partial(job.run, _Shared(side_by_side, self)))

    def go_on(self) -> bool:
        """Up to where it has to wait; whether it has finished instead."""
        self._greenlet.switch()
        return self._greenlet.dead

    def abandon(self) -> None:
        """Let go of what it holds, wherever it is."""
        if not self._greenlet.dead:
            self._greenlet.throw()


class _Shared(Transaction):
    """The transaction as one of its operations sees it."""

    __slots__ = ("_all", "_task")

    def __init__(self, side_by_side: SideBySide, task: _Task) -> None:
        self._all = side_by_side
        self._task = task
        self._later = side_by_side.later
        self.news = side_by_side.news

    @property
    def alone(self) -> bool:
        return False

    def try_lock(self, key: str) -> bool:
        turns = self._all.turns
        if not turns.is_free(key):
            return turns.has(self._task, key)
        turns.queue(self._task, [key])
        if self._has_lock(key):
            return True
        self._all.give_back(self._task, key)
        return False

    def take(self, key: str) -> None:
        if not self._all.turns.has(self._task, key):
            self._all.wait_for_turn(self._task, key)
        if not self._has_lock(key):
            raise KeyTaken(key)

    def all(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return self._answer(statement, values).rows

    def one(self, statement: Statement, **values: Any) -> Row | None:
        rows = self._answer(statement, values).rows
        return rows[0] if rows else None

    def last(self, statement: Statement, **values: Any) -> Row | None:
        answer = self._ask(statement, values)
        self._all.pass_on(self._task)
        self._all.wait_for_answer(self._task)
        return answer.rows[0] if answer.rows else None

    def each(self, statement: Statement, **values: Any) -> Iterator[Row]:
        return iter(self._answer(statement, values).rows)

    def count(self, statement: Statement, **values: Any) -> int:
        return self._answer(statement, values).count

    def run(self, statement: Statement, **values: Any) -> None:
        self._ask(statement, values)

    def many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
        for row in rows:
            self._ask(statement, row)

    def _has_lock(self, key: str) -> bool:
        """Whether the transaction has the turn of a key, or gets it without waiting for another."""
        number = lock_key(key)
        if number not in self._all.held:
            answer = self._all.pipeline.ask(_TRY_LOCK, [number])
            self._all.wait_for_answer(self._task)
            if not answer.rows[0][0]:
                return False
            self._all.held.add(number)
        return True

    def _ask(self, statement: Statement, values: Parameters) -> Answer:
        sql, bind = statement.compiled(_DIALECT)
        return self._all.pipeline.ask(sql, bind(values))

    def _answer(self, statement: Statement, values: Parameters) -> Answer:
        answer = self._ask(statement, values)
        self._all.wait_for_answer(self._task)
        return answer
