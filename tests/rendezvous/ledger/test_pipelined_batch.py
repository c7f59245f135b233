"""Tests of `rendezvous.ledger.pipelined_batch`, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import errors

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import lock_key
from rendezvous.ledger.pipeline import Pipeline, PreparedStatements
from rendezvous.ledger.pipelined_batch import CircularWaitError, PipelinedBatch
from rendezvous.ledger.queue import Job
from rendezvous.ledger.statements import prepare, prepare_value
from rendezvous.ledger.transaction import KeyTaken, Transaction
from tests.rendezvous.postgres_connections import ConnectionCase

_P = sa.bindparam
_ADD = prepare(sa.text("INSERT INTO numbers VALUES (:n)").bindparams(_P("n", type_=sa.Integer)))
_ALL = prepare_value(sa.text("SELECT n FROM numbers ORDER BY n"), int)
_BROKEN = prepare_value(sa.text("SELECT 1 / 0"), int)
_CLEAR = prepare(sa.text("DELETE FROM numbers"))


class Counting(Pipeline):
    """Counts round trips."""

    exchanges = 0

    def exchange(self) -> None:
        """One more."""
        self.exchanges += 1
        super().exchange()


class PipelinedBatchTests(ConnectionCase):
    """Operations that share a transaction."""

    def setUp(self) -> None:
        """Connect, begin."""
        self.connection = self.connect()
        self.connection.execute("CREATE TEMPORARY TABLE numbers (n integer)")
        self.connection.execute("BEGIN")
        self.pipeline = Counting(self.connection, PreparedStatements())
        self.pipeline.__enter__()
        self.addCleanup(self.pipeline.__exit__, None, None, None)
        self.batch = PipelinedBatch(self.pipeline, set())
        self.seen: list[str] = []

    def run_all(self, *jobs: Job) -> list[Any]:
        """What became of each."""
        self.batch.run(jobs)
        return [job.outcome for job in jobs]

    def job(self, operation: Callable[[Transaction], Any], lane: int, *keys: str) -> Job:
        """Of an operation."""
        return Job(operation, lambda _: None, keys, 0, lane, None)

    def steps(self, name: str, count: int, tx: Transaction) -> str:
        """An operation that asks `count` times, one after the other."""
        for step in range(count):
            self.seen.append(f"{name}{step}")
            tx.all(_ALL)
        return name

    def test_together(self) -> None:
        """A batch takes as many round trips as its longest operation has questions."""
        jobs = [self.job(partial(self.steps, name, 3), lane) for lane, name in enumerate("abcd")]
        self.assertEqual(self.run_all(*jobs), list("abcd"))
        self.assertEqual(self.pipeline.exchanges, 3)
        self.assertEqual(self.seen[:4], ["a0", "b0", "c0", "d0"])

    def test_same_lane(self) -> None:
        """Operations of one lane go one after the other."""
        self.run_all(*(self.job(partial(self.steps, name, 2), 7) for name in "ab"))
        self.assertEqual(self.seen, ["a0", "a1", "b0", "b1"])

    def test_same_key(self) -> None:
        """Operations that share a key go one after the other, whatever their lanes."""
        self.run_all(
            self.job(partial(self.steps, "a", 2), 1, "x", "y"),
            self.job(partial(self.steps, "b", 2), 2, "y"),
            self.job(partial(self.steps, "c", 1), 3, "z"),
        )
        self.assertEqual([each for each in self.seen if each[0] != "c"], ["a0", "a1", "b0", "b1"])
        self.assertEqual(self.seen[1], "c0")

    def test_order_of_statements(self) -> None:
        """Each sees what those before it wrote, though nobody waited for that."""

        def add(number: int, tx: Transaction) -> None:
            tx.run(_ADD, n=number)

        def read(tx: Transaction) -> list[int]:
            return list(tx.each(_ALL))

        outcomes = self.run_all(
            self.job(partial(add, 1), 1),
            self.job(read, 2),
            self.job(partial(add, 2), 3),
            self.job(read, 4),
            self.job(lambda tx: tx.count(_CLEAR), 5),
            self.job(lambda tx: tx.many(_ADD, [{"n": 3}, {"n": 4}]), 6),
            self.job(read, 7),
        )
        self.assertEqual(outcomes, [None, [1], None, [1, 2], 2, None, [3, 4]])
        self.assertEqual(self.pipeline.exchanges, 1)

    def test_only_row(self) -> None:
        """The only row of a query is its result, and None if there is no row."""
        outcomes = self.run_all(
            self.job(lambda tx: tx.one(_ALL), 1),
            self.job(lambda tx: tx.run(_ADD, n=7), 2),
            self.job(lambda tx: tx.one(_ALL), 3),
        )
        self.assertEqual(outcomes, [None, None, 7])

    def test_shared(self) -> None:
        """The batch has the announcements of all its operations, none of which is alone."""

        def announce(key: str, tx: Transaction) -> bool:
            tx.announce(key, 7, 1)
            return tx.exclusive

        outcomes = self.run_all(*(self.job(partial(announce, key), 1) for key in "ab"))
        self.assertEqual(outcomes, [False, False])
        self.assertEqual(self.batch.announced, {"a": (7, 1), "b": (7, 1)})

    def test_refusal(self) -> None:
        """A refusal is an outcome; the neighbours go on."""

        def refuse(tx: Transaction) -> None:
            tx.all(_ALL)
            raise Refusal(ErrorKind.CROWDED)

        refused, done = self.run_all(
            self.job(refuse, 1, "x"), self.job(partial(self.steps, "b", 1), 2, "x")
        )
        self.assertEqual((refused.value.kind, done), (ErrorKind.CROWDED, "b"))

    def test_exception(self) -> None:
        """Anything else ends the batch, and what the others hold is let go."""
        left: list[str] = []

        def wait(tx: Transaction) -> None:
            try:
                tx.all(_ALL)
            finally:
                left.append("wait")

        def fail(_: Transaction) -> None:
            raise KeyError

        with self.assertRaises(KeyError):
            self.run_all(self.job(wait, 1), self.job(fail, 2))
        self.assertEqual(left, ["wait"])

    def stubborn(self, left: list[str], tx: Transaction) -> None:
        """An operation that catches what it can."""
        try:
            tx.all(_ALL)
        except Exception:
            left.append("caught")
        finally:
            left.append("gone")

    def test_statement_that_fails(self) -> None:
        """No operation can go on behind a statement that failed, its own or another's."""
        left: list[str] = []
        jobs = [
            self.job(partial(self.stubborn, left), 1),
            self.job(lambda tx: tx.all(_BROKEN), 2),
            self.job(partial(self.stubborn, left), 3),
            self.job(partial(self.stubborn, left), 3),
        ]
        with self.assertRaises(errors.DivisionByZero):
            self.run_all(*jobs)
        # The second of a lane had not begun.
        self.assertEqual(left, ["gone", "gone"])

    def test_lost_connection(self) -> None:
        """Where the connection breaks, whoever waits for an answer lets go of what it holds."""
        left: list[str] = []
        jobs = [self.job(partial(self.stubborn, left), lane) for lane in range(3)]
        self.connect().execute(
            "SELECT pg_terminate_backend(%s, 10000)", [self.connection.info.backend_pid]
        )
        with self.assertRaises(psycopg.OperationalError):
            self.run_all(*jobs)
        self.assertEqual(left, ["gone"] * 3)
        self.assertTrue(self.connection.closed)

    def test_question_while_letting_go(self) -> None:
        """An operation that asks on its way out gets no answer, and holds up nobody."""

        def tidy(tx: Transaction) -> None:
            try:
                tx.all(_ALL)
            finally:
                tx.run(_ADD, n=7)

        with self.assertRaises(errors.DivisionByZero):
            self.run_all(self.job(tidy, 1), self.job(lambda tx: tx.all(_BROKEN), 2))
        self.pipeline.__exit__(None, None, None)
        self.connection.rollback()
        self.assertEqual(self.connection.execute("SELECT 1").fetchall(), [(1,)])

    def test_try_lock(self) -> None:
        """What another of the batch has is not to be had; what is free is, until the commit."""
        got: dict[str, bool] = {}

        def attempt(name: str, key: str, tx: Transaction) -> None:
            got[name] = tx.try_lock(key)
            tx.all(_ALL)

        self.run_all(
            self.job(partial(attempt, "first", "k"), 1),
            self.job(partial(attempt, "second", "k"), 2),
            self.job(partial(attempt, "own", "mine"), 3, "mine"),
        )
        self.assertEqual(got, {"first": True, "second": False, "own": True})
        self.assertEqual(self.free_outside("k"), False)

    def test_lock_again(self) -> None:
        """A key that the transaction has locked is not asked for again."""

        def lock(tx: Transaction) -> bool:
            tx.lock("k")
            tx.lock("k")
            return tx.try_lock("k")

        self.assertEqual(self.run_all(self.job(lock, 1)), [True])
        self.assertEqual(self.run_all(self.job(lock, 2)), [True])
        self.assertEqual((self.pipeline.exchanges, self.batch.locked), (1, {lock_key("k")}))

    def test_try_lock_of_another_transaction(self) -> None:
        """What another transaction has is not to be had, and waits for nobody."""
        self.connect().execute("SELECT pg_advisory_lock(%s)", [lock_key("k")])
        outcomes = self.run_all(self.job(lambda tx: tx.try_lock("k"), 1))
        self.assertEqual(outcomes, [False])
        self.assertTrue(self.batch.queues.is_free("k"))

    def test_take(self) -> None:
        """A key found on the way is waited for until all who were there before have finished."""

        def take(tx: Transaction) -> None:
            tx.all(_ALL)
            tx.lock("k")
            self.seen.append("taken")

        self.run_all(self.job(take, 1), self.job(partial(self.steps, "b", 3), 2, "k"))
        self.assertEqual(self.seen, ["b0", "b1", "b2", "taken"])

    def test_take_from_another_transaction(self) -> None:
        """A key that another transaction has ends the attempt."""
        self.connect().execute("SELECT pg_advisory_lock(%s)", [lock_key("k")])
        with self.assertRaises(KeyTaken) as taken:
            self.run_all(self.job(lambda tx: tx.lock("k"), 1))
        self.assertEqual(taken.exception.key, "k")

    def test_entangled(self) -> None:
        """Two who want what the other has are told so; one at a time they are carried out."""

        def cross(other: str, tx: Transaction) -> str:
            tx.all(_ALL)
            tx.lock(other)
            return other

        jobs = [self.job(partial(cross, "y"), 1, "x"), self.job(partial(cross, "x"), 2, "y")]
        with self.assertRaises(CircularWaitError):
            self.batch.run(jobs)
        alone = PipelinedBatch(self.pipeline, set())
        for job in jobs:
            alone.run([job])
        self.assertEqual([job.outcome for job in jobs], ["y", "x"])

    def test_try_lock_in_vain(self) -> None:
        """A key that could not be had is handed on to the operation that waits for it."""
        self.connect().execute("SELECT pg_advisory_lock(%s)", [lock_key("k")])
        jobs = [self.job(lambda tx: tx.try_lock("k"), 1), self.job(lambda tx: tx.lock("k"), 2)]
        with self.assertRaises(KeyTaken):
            self.run_all(*jobs)

    def test_try_lock_in_vain_holds_up_nobody(self) -> None:
        """An operation that goes on without a key does not hold up one that waits for it."""
        self.connect().execute("SELECT pg_advisory_lock(%s)", [lock_key("k")])

        def go_on(tx: Transaction) -> None:
            tx.try_lock("k")
            self.steps("a", 5, tx)

        with self.assertRaises(KeyTaken):
            self.run_all(self.job(go_on, 1), self.job(lambda tx: tx.lock("k"), 2))
        self.assertNotIn("a4", self.seen)

    def test_finish(self) -> None:
        """What was put off is asked at the end, by all operations together."""
        self.run_all(*(self.job(lambda tx: tx.later(_ADD, n=1), lane) for lane in range(3)))
        self.batch.finish()
        answer = self.pipeline.queue("SELECT count(*) FROM numbers")
        self.pipeline.exchange()
        self.assertEqual(answer.rows, [(3,)])

    def free_outside(self, key: str) -> bool:
        """Whether another transaction could have the turn of a key."""
        row = self.connect().execute("SELECT pg_try_advisory_lock(%s)", [lock_key(key)]).fetchone()
        return row is not None and bool(row[0])
