"""Tests of `rendezvous.ledger_postgres`, on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import psycopg
import sqlalchemy as sa
from sqlalchemy import URL, Engine, event
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from rendezvous import ledger_postgres
from rendezvous.database import open_engine
from rendezvous.errors import ErrorKind, LedgerUnavailable, OutcomeUnknown, Refusal
from rendezvous.keys import lock_key
from rendezvous.ledger import Ledger
from rendezvous.ledger_postgres import PostgresRunner
from rendezvous.news import CHANNEL, News, decode
from rendezvous.pipeline import Pipeline
from rendezvous.statements import Transaction, prepare
from rendezvous.worker import Worker
from tests.databases import drop_postgres, new_postgres_url
from tests.rendezvous.fakes import Reactor, Recorder

_metadata = sa.MetaData()
_numbers = sa.Table(
    "numbers",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, unique=True),
)
_P = sa.bindparam
_ADD = prepare(sa.insert(_numbers).values(number=_P("the_number")).inline())
_READ = prepare(sa.select(_numbers.c.number).order_by(_numbers.c.id))
_COUNT_UP = prepare(
    sa.text("UPDATE numbers SET number = number + 1 WHERE id = :the_id").bindparams(_P("the_id"))
)
_BACKEND = prepare(sa.text("SELECT pg_backend_pid()"))
_IMPATIENT = prepare(sa.text("SET LOCAL idle_in_transaction_session_timeout = 10"))
_SHOW = prepare(sa.text("SELECT current_setting(:name)").bindparams(_P("name")))
_PAUSE = prepare(sa.text("SELECT pg_sleep(0.05)"))
_GONE = "the server closed the connection unexpectedly"


def add(number: int, result: Any = None) -> Callable[[Transaction], Any]:
    """An operation that writes a number."""

    def operation(tx: Transaction) -> Any:
        tx.run(_ADD, the_number=number)
        return result

    return operation


def read(tx: Transaction) -> list[int]:
    """All numbers, in the order in which they were written."""
    return [number for (number,) in tx.all(_READ)]


class PostgresCase(SynchronousTestCase):
    """A case with a ledger of two lanes, and a connection that looks at it from outside."""

    _url: ClassVar[URL]
    _engine: ClassVar[Engine]

    @classmethod
    def setUpClass(cls) -> None:
        """Make a database."""
        cls._url = new_postgres_url()
        cls._engine = open_engine(cls._url)
        _metadata.create_all(cls._engine)

    @classmethod
    def tearDownClass(cls) -> None:
        """Drop it."""
        drop_postgres(cls._url)

    def setUp(self) -> None:
        """Empty it, open the ledger."""
        self.reactor = Reactor()
        self.observer = Recorder()
        # An engine of its own: tests listen to what its connections do.
        self.engine = open_engine(self._url)
        self.ledger = Ledger(self.reactor)
        self.runners = [
            PostgresRunner(self.reactor, self.engine, Worker(self.reactor, name), self.observer)
            for name in ("one", "two")
        ]
        self.ledger.open(self.runners)
        self.outside = psycopg.connect(
            self._url.set(drivername="postgresql").render_as_string(hide_password=False),
            autocommit=True,
        )
        self.addCleanup(self.outside.close)
        self.addCleanup(lambda: self.result(self.ledger.close()))
        self.outside.execute("TRUNCATE numbers RESTART IDENTITY")

    def submit(
        self, operation: Callable[[Transaction], Any], lane: int = 0, keys: tuple[str, ...] = ()
    ) -> Deferred[Any]:
        """Submit."""
        return self.ledger.submit(operation, lane=lane, keys=keys)

    def result(self, deferred: Deferred[Any]) -> Any:
        """Of an operation, for which its thread needs some time."""
        return self.reactor.result(deferred)

    def seen(self) -> list[int]:
        """The numbers that are durable."""
        found = self.outside.execute("SELECT number FROM numbers ORDER BY id").fetchall()
        return [row[0] for row in found]

    def kill(self, backend: int) -> None:
        """End a connection on the server's side, and wait until it is gone."""
        self.outside.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])

    def backend(self) -> int:
        """The server's process behind the first lane."""
        return int(self.result(self.submit(lambda tx: tx.one(_BACKEND)))[0])

    def use(self, connection_class: type[psycopg.Connection[Any]]) -> None:
        """Let the ledger's connections be of this class."""

        def connect(
            _dialect: object, _record: object, arguments: tuple[Any, ...], keywords: dict[str, Any]
        ) -> psycopg.Connection[Any]:
            return connection_class.connect(*arguments, **keywords)

        event.listen(self.engine, "do_connect", connect)

    def lose_a_commit(self) -> list[str]:
        """Let the connection break behind the next commit, before its answer; that it has is noted."""
        lost: list[str] = []

        class Deaf(Pipeline):
            """Hears of no commit."""

            def exchange(self) -> None:
                super().exchange()
                idle = self._libpq.transaction_status == psycopg.pq.TransactionStatus.IDLE
                if idle and not lost:
                    lost.append("commit")
                    self._connection.close()
                    raise psycopg.OperationalError(_GONE)

        self.patch(ledger_postgres, "Pipeline", Deaf)
        return lost


class PostgresRunnerTests(PostgresCase):
    """Batches in a thread."""

    def test_durable_then_told(self) -> None:
        """When a result is told, another connection sees what was written."""
        seen = []
        told = self.submit(add(1, "one")).addCallback(lambda _: seen.append(self.seen()))
        self.result(told)
        self.assertEqual(seen, [[1]])

    def test_batch(self) -> None:
        """What was submitted in one turn is one transaction; each sees what those before it wrote."""
        told = [self.submit(add(1)), self.submit(read), self.submit(add(2)), self.submit(read)]
        self.assertEqual([self.result(each) for each in told], [None, [1], None, [1, 2]])
        self.assertEqual(self.observer.batches, [4])

    def test_refusal(self) -> None:
        """A refusal touches nobody else, and what was written before it stays."""

        def refuse(tx: Transaction) -> None:
            tx.run(_ADD, the_number=2)
            raise Refusal(ErrorKind.CROWDED)

        told = [self.submit(add(1)), self.submit(refuse), self.submit(add(3))]
        self.result(told[0])
        self.failureResultOf(told[1], Refusal)
        self.successResultOf(told[2])
        self.assertEqual(self.seen(), [1, 2, 3])

    def test_exception(self) -> None:
        """An operation that falls over is undone alone; its neighbours are run again and take place."""

        def fail(tx: Transaction) -> None:
            tx.run(_ADD, the_number=2)
            raise ZeroDivisionError

        told = [self.submit(add(1)), self.submit(fail), self.submit(add(3))]
        self.result(told[0])
        self.failureResultOf(told[1], ZeroDivisionError)
        self.successResultOf(told[2])
        self.assertEqual(self.seen(), [1, 3])
        self.assertEqual((self.observer.counts["batch_failed"], self.observer.batches), (1, [1, 1]))

    def test_statement_that_fails(self) -> None:
        """A statement that the database refuses concerns its own operation only."""
        told = [self.submit(add(number)) for number in (1, 1, 2)]
        self.result(told[0])
        self.failureResultOf(told[1], psycopg.errors.UniqueViolation)
        self.successResultOf(told[2])
        self.assertEqual(self.seen(), [1, 2])

    def test_no_database(self) -> None:
        """Where there is no database, what waits for it is told so in the end."""
        url = self._url.set(database="no such database")
        ledger = Ledger(self.reactor)
        worker = Worker(self.reactor, "nowhere")
        ledger.open([PostgresRunner(self.reactor, open_engine(url), worker, self.observer)])
        self.patch(ledger_postgres, "AWAY_PATIENCE_SECONDS", -1.0)
        for _ in range(2):
            with self.assertRaises(LedgerUnavailable):
                self.result(ledger.submit(read))
        self.result(ledger.close())


class TurnsTests(PostgresCase):
    """Two lanes, or two instances, that use the same keys."""

    def test_same_key(self) -> None:
        """Operations of two lanes that share a key take turns: none sees the other half done."""
        inside: list[str] = []

        def slow(name: str, tx: Transaction) -> None:
            tx.all(_BACKEND)
            inside.append(f"{name} in")
            tx.all(_PAUSE)
            inside.append(f"{name} out")

        told = [
            self.submit(partial(slow, "a"), 0, ("key", "other")),
            self.submit(partial(slow, "b"), 1, ("key",)),
        ]
        for each in told:
            self.result(each)
        first = inside[0][0]
        second = "b" if first == "a" else "a"
        self.assertEqual(inside, [f"{first} in", f"{first} out", f"{second} in", f"{second} out"])

    def test_other_keys(self) -> None:
        """Operations of two lanes that share no key do not wait for one another."""
        barrier = threading.Barrier(2, timeout=10.0)

        def meet(_: Transaction) -> None:
            barrier.wait()

        told = [self.submit(meet, 0, ("a",)), self.submit(meet, 1, ("b",))]
        for each in told:
            self.result(each)

    def test_try_lock(self) -> None:
        """A key that another transaction has is not to be had, and does not wait; afterwards it is."""
        turns: list[bool] = []
        self.outside.execute("SELECT pg_advisory_lock(%s)", [lock_key("key")])
        self.result(self.submit(lambda tx: turns.append(tx.try_lock("key"))))
        self.outside.execute("SELECT pg_advisory_unlock_all()")
        self.result(self.submit(lambda tx: turns.append(tx.try_lock("key"))))
        self.assertEqual(turns, [False, True])
        # Taken until the commit, and no longer.
        (free,) = self.outside.execute(
            "SELECT pg_try_advisory_lock(%s)", [lock_key("key")]
        ).fetchone() or (None,)
        self.assertIs(free, True)

    def test_keys_in_any_order(self) -> None:
        """Batches that name the same keys in opposite orders cannot block each other."""
        told = [
            self.submit(lambda tx: tx.all(_PAUSE) and None, lane, keys)
            for _ in range(10)
            for lane, keys in ((0, ("a", "b", "c")), (1, ("c", "b", "a")))
        ]
        for each in told:
            self.result(each)
        self.assertEqual(sum(self.observer.batches), 20)

    def test_key_found_on_the_way(self) -> None:
        """A key that an operation finds it needs is waited for by its whole batch, begun again."""
        self.outside.execute("SELECT pg_advisory_lock(%s)", [lock_key("late")])
        began = threading.Event()
        runs: list[str] = []

        def find(tx: Transaction) -> None:
            runs.append("found")
            tx.run(_ADD, the_number=2)
            began.set()
            tx.take("late")
            runs.append("taken")

        told = [self.submit(add(1)), self.submit(find, 0, ("early",))]
        self.reactor.turn()
        self.assertTrue(began.wait(10.0))
        self.outside.execute("SELECT pg_advisory_unlock_all()")
        for each in told:
            self.result(each)
        self.assertEqual((runs[-1], self.seen()), ("taken", [1, 2]))
        self.assertEqual(self.observer.batches, [2])

    def test_keys_found_in_opposite_orders(self) -> None:
        """Two batches that find each other's keys on their way are both run, without a deadlock."""
        barrier = threading.Barrier(2)
        waited: set[str] = set()

        def cross(own: str, other: str, tx: Transaction) -> None:
            if own not in waited:
                waited.add(own)
                barrier.wait(10.0)
            tx.take(other)
            tx.run(_ADD, the_number=ord(own))

        self.outside.execute("SELECT pg_stat_reset()")
        told = [
            self.submit(partial(cross, "a", "b"), 0, ("a",)),
            self.submit(partial(cross, "b", "a"), 1, ("b",)),
        ]
        for each in told:
            self.result(each)
        self.assertEqual(sorted(self.seen()), [ord("a"), ord("b")])
        # Nobody had to be chosen as a deadlock's victim.
        row = self.outside.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        self.assertEqual(row, (0,))

    def test_deadlock(self) -> None:
        """Two batches that block each other by rows are both run in the end, each once."""
        for number in (0, 100):
            self.result(self.submit(add(number)))
        barrier = threading.Barrier(2)
        waited: set[str] = set()

        def cross(name: str, first: int, second: int, tx: Transaction) -> None:
            tx.count(_COUNT_UP, the_id=first)
            if name not in waited:
                waited.add(name)
                barrier.wait(10.0)
            tx.run(_COUNT_UP, the_id=second)

        told = [
            self.submit(partial(cross, "a", 1, 2), 0),
            self.submit(partial(cross, "b", 2, 1), 1),
        ]
        for each in told:
            self.result(each)
        self.assertEqual(sorted(self.seen()), [2, 102])
        self.assertEqual(self.observer.counts["batch_failed"], 0)


class LostConnectionTests(PostgresCase):
    """The connection breaks: nothing is lost, and nothing happens twice."""

    def test_between_batches(self) -> None:
        """A connection that broke while idle is replaced, and nobody notices."""
        self.kill(self.backend())
        self.result(self.submit(add(1)))
        self.assertEqual(self.seen(), [1])

    def test_between_statements(self) -> None:
        """A batch whose connection breaks half-way is run again, on the next one, as a whole."""
        killed: list[int] = []

        def kill_self(tx: Transaction) -> int:
            tx.run(_ADD, the_number=2)
            if not killed:
                (backend,) = tx.one(_BACKEND) or (0,)
                killed.append(backend)
                self.kill(backend)
            tx.run(_ADD, the_number=3)
            return len(killed)

        told = [self.submit(add(1, "one")), self.submit(kill_self), self.submit(add(4, "four"))]
        self.assertEqual([self.result(each) for each in told], ["one", 1, "four"])
        self.assertEqual(self.seen(), [1, 2, 3, 4])
        self.assertEqual(self.observer.batches, [3])

    def test_before_the_commit(self) -> None:
        """A commit that never reached the server did not happen: its batch is run again."""
        broken: list[int] = []

        def break_self(tx: Transaction) -> None:
            tx.run(_ADD, the_number=1)
            if not broken:
                broken.append(self.runners[0]._connection().info.backend_pid)
                self.kill(broken[0])

        self.result(self.submit(break_self))
        self.assertEqual(self.seen(), [1])
        self.assertEqual(len(broken), 1)

    def test_behind_the_commit(self) -> None:
        """A commit whose answer was lost is asked after: it happened, and is not done again."""
        runs: list[int] = []
        lost = self.lose_a_commit()

        def operation(tx: Transaction) -> str:
            runs.append(tx.count(_ADD, the_number=1))
            return "done"

        self.assertEqual(self.result(self.submit(operation)), "done")
        self.assertEqual((runs, lost, self.seen()), ([1], ["commit"], [1]))
        self.result(self.submit(add(2)))
        self.assertEqual(self.seen(), [1, 2])

    def test_lost_while_asking_after_a_commit(self) -> None:
        """The question whether a commit took place may need several connections itself."""
        lost = self.lose_a_commit()

        class Unlucky(psycopg.Connection[Any]):
            """Loses its connection when it is asked after the commit."""

            def rollback(self) -> None:
                super().rollback()
                if lost == ["commit"]:
                    lost.append("question")
                    self.close()
                    raise psycopg.OperationalError(_GONE)

        self.use(Unlucky)
        self.assertEqual(self.result(self.submit(add(1, "done"))), "done")
        self.assertEqual((lost, self.seen()), (["commit", "question"], [1]))

    def test_away(self) -> None:
        """While the database is away, operations wait; when it is back they take place, in order."""
        self.result(self.submit(add(0)))
        refusing = threading.Event()
        refusing.set()
        attempts: list[bool] = []

        def refuse(*_: object) -> None:
            attempts.append(refusing.is_set())
            if len(attempts) > 3:
                refusing.clear()
            if refusing.is_set():
                raise psycopg.OperationalError("connection refused")

        event.listen(self.engine, "do_connect", refuse)
        self.kill(self.backend())
        told = [self.submit(add(number, number)) for number in (1, 2, 3)]
        self.assertEqual([self.result(each) for each in told], [1, 2, 3])
        self.assertEqual((self.seen(), len(attempts)), ([0, 1, 2, 3], 4))

    def test_away_too_long(self) -> None:
        """A database that stays away is given up, with all that waits; when it is back all goes on."""
        backend = self.backend()
        away = [True]

        def refuse(*_: object) -> None:
            if away[0]:
                # So that no test waits for it.
                self.reactor.rightNow += 11.0
                raise psycopg.OperationalError("connection refused")

        event.listen(self.engine, "do_connect", refuse)
        self.kill(backend)
        told = [self.submit(add(1)), self.submit(add(2))]
        for each in told:
            with self.assertRaises(LedgerUnavailable):
                self.result(each)
        away[0] = False
        self.result(self.submit(add(3)))
        self.assertEqual(self.seen(), [3])


class SilentDatabaseTests(PostgresCase):
    """A database that is there and does not answer."""

    def setUp(self) -> None:
        """Have little patience."""
        super().setUp()
        self.patch(ledger_postgres, "ANSWER_SECONDS", 0.5)

    def hold(self, number: int) -> None:
        """Have what a statement or a commit will wait for."""
        self.outside.execute("SELECT pg_advisory_lock(%s)", [number])

    def let_go(self, number: int) -> None:
        """Let it have that."""
        self.outside.execute("SELECT pg_advisory_unlock(%s)", [number])

    def test_statement(self) -> None:
        """A batch that gets no answer is given up in the end, with nothing done, and all goes on."""
        self.hold(lock_key("x"))
        self.patch(ledger_postgres, "AWAY_PATIENCE_SECONDS", -1.0)
        with self.assertRaises(LedgerUnavailable) as told:
            self.result(self.submit(add(1), keys=("x",)))
        self.assertNotIsInstance(told.exception, OutcomeUnknown)
        self.let_go(lock_key("x"))
        self.patch(ledger_postgres, "ANSWER_SECONDS", 10.0)
        self.result(self.submit(add(2), keys=("x",)))
        self.assertEqual(self.seen(), [2])

    def slow_commits(self) -> None:
        """Let every commit wait for the advisory lock 7."""
        self.outside.execute(
            """
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON numbers
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()
            """
        )
        self.addCleanup(self.outside.execute, "DROP FUNCTION wait CASCADE")

    def test_commit(self) -> None:
        """A commit that takes long is asked after until it has taken place, and is not done again."""
        self.slow_commits()
        self.hold(7)
        asked: list[str | None] = []

        def status(connection: psycopg.Connection, xid: str) -> str | None:
            asked.append(real(connection, xid))
            if len(asked) == 2:
                self.let_go(7)
            return asked[-1]

        real = ledger_postgres._status
        self.patch(ledger_postgres, "_status", status)
        self.assertEqual(self.result(self.submit(add(1, "done"))), "done")
        self.assertEqual((asked[:2], asked[-1]), (["in progress"] * 2, "committed"))
        self.assertEqual(self.seen(), [1])

    def test_commit_given_up(self) -> None:
        """A commit that never ends leaves it open what became of it."""
        self.slow_commits()
        self.hold(7)
        self.patch(ledger_postgres, "AWAY_PATIENCE_SECONDS", -1.0)
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add(1)))
        self.let_go(7)
        self.patch(ledger_postgres, "ANSWER_SECONDS", 10.0)
        self.result(self.submit(add(2)))
        self.assertIn(2, self.seen())

    def test_cut_off(self) -> None:
        """An instance that stands still in a batch is cut off by the server, and runs it again."""
        backends: list[int] = []

        def stand_still(tx: Transaction) -> None:
            tx.run(_ADD, the_number=1)
            if not backends:
                tx.run(_IMPATIENT)
            (backend,) = tx.one(_BACKEND) or (0,)
            backends.append(backend)
            gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            while len(backends) == 1 and self.outside.execute(gone, [backend]).fetchone() != (0,):
                pass
            tx.all(_READ)

        self.patch(ledger_postgres, "ANSWER_SECONDS", 10.0)
        self.result(self.submit(stand_still))
        self.assertEqual((len(backends), self.seen()), (2, [1]))

    def test_limits_of_a_connection(self) -> None:
        """Who stands still in a batch does not keep its keys; no limit of the role's cuts a commit short."""
        role = self._url.username or "postgres"
        self.outside.execute(f'ALTER ROLE "{role}" SET statement_timeout = 60000')
        self.addCleanup(self.outside.execute, f'ALTER ROLE "{role}" RESET statement_timeout')
        names = ("idle_in_transaction_session_timeout", "statement_timeout")
        shown = self.result(self.submit(lambda tx: [tx.one(_SHOW, name=name) for name in names]))
        self.assertEqual(shown, [("15s",), ("0",)])


class ConnectionTests(PostgresCase):
    """New connections."""

    def test_half_set_up(self) -> None:
        """A connection that could not be set up is not used."""
        self.result(self.submit(add(1)))
        self.kill(self.backend())
        good = ledger_postgres._LIFE
        self.patch(ledger_postgres, "_LIFE", "SELECT 1 / 0")
        self.patch(ledger_postgres, "AWAY_PATIENCE_SECONDS", -1.0)
        with self.assertRaises(LedgerUnavailable):
            self.result(self.submit(add(2)))
        self.assertIsNone(self.runners[0]._proxy)
        self.patch(ledger_postgres, "_LIFE", good)
        self.result(self.submit(add(3)))
        self.assertEqual(self.seen(), [1, 3])

    def test_told_once(self) -> None:
        """That the database has gone and that it is back is logged once each, however often it is tried."""
        told: list[str] = []

        class Log:
            """Keeps formats."""

            def error(self, text: str, **_: object) -> None:
                told.append(text)

            info = error

        self.patch(ledger_postgres, "_log", Log())
        self.patch(ledger_postgres, "AWAY_RETRY_SECONDS", 0.0)
        tries: list[int] = []

        def refuse(tx: Transaction) -> None:
            tries.append(0)
            if len(tries) < 4:
                raise psycopg.errors.ReadOnlySqlTransaction
            tx.run(_ADD, the_number=1)

        self.result(self.submit(refuse))
        self.assertEqual(told, ["the database has gone: {why}", "the database is back"])


class UnknownOutcomeTests(PostgresCase):
    """A commit of which nobody can tell whether it took place."""

    def test_started_again(self) -> None:
        """A database that has crashed since may have given the number again: nobody can tell."""
        lives = iter(["one 00000001", "two 00000001", "two 00000001"])
        self.patch(ledger_postgres, "_LIFE", "SELECT 'unused'")
        real = PostgresRunner._connection

        def connection(runner: PostgresRunner) -> psycopg.Connection:
            fresh = runner._proxy is None
            found = real(runner)
            if fresh:
                runner._life = next(lives)
            return found

        self.patch(PostgresRunner, "_connection", connection)
        self.lose_a_commit()
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add(1)))
        self.result(self.submit(add(2)))
        self.assertEqual(self.seen(), [1, 2])

    def test_not_committed_before_a_crash(self) -> None:
        """What was not committed before a crash is done again, whoever has its number now."""
        self.result(self.submit(add(1)))
        runner = self.runners[0]
        (xid,) = self.outside.execute("SELECT pg_current_xact_id()::text").fetchone() or ("",)
        future = str(int(xid) + 1_000_000)
        for number in (future, self.aborted()):
            runner._unanswered = number, f"another {runner._life}"
            self.result(self.submit(lambda tx: tx.one(_BACKEND)))
            self.assertIsNone(runner._unanswered)

    def aborted(self) -> str:
        """The number of a transaction that was rolled back."""
        with psycopg.connect(self.outside.info.dsn) as connection:
            row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
            connection.rollback()
        return str(row[0]) if row else ""

    def test_never_ends(self) -> None:
        """A transaction that never ends is not waited for without bound."""
        other = psycopg.connect(self.outside.info.dsn)
        self.addCleanup(other.close)
        row = other.execute("SELECT pg_current_xact_id()::text").fetchone()
        self.result(self.submit(add(1)))
        runner = self.runners[0]
        self.patch(ledger_postgres, "AWAY_PATIENCE_SECONDS", -1.0)
        runner._unanswered = (row[0] if row else ""), runner._life
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add(2)))
        self.result(self.submit(add(3)))
        self.assertEqual(self.seen(), [1, 3])

    def test_given_up(self) -> None:
        """A database that stays away with the answer of a commit leaves it open what became of it."""
        self.result(self.submit(add(0)))
        runner = self.runners[0]
        self.patch(ledger_postgres, "AWAY_PATIENCE_SECONDS", -1.0)
        event.listen(self.engine, "do_connect", _refuse)
        self.kill(self.backend())
        with self.assertRaises(LedgerUnavailable) as told:
            self.result(self.submit(add(1)))
        self.assertNotIsInstance(told.exception, OutcomeUnknown)
        runner._unanswered = "1000", "some life 00000001"
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add(2)))


class AnnouncingTests(PostgresCase):
    """What a batch has stored is told to all instances."""

    def listen(self) -> None:
        """Hear what is announced in this database."""
        self.outside.execute(f"LISTEN {CHANNEL}")

    def heard(self) -> list[str]:
        """The payloads so far."""
        return [notify.payload for notify in self.outside.notifies(timeout=0.2)]

    def test_one_for_a_batch(self) -> None:
        """A batch announces all that it stored at once, the newest of each mailbox."""

        def store(key: str, number: int, tx: Transaction) -> None:
            tx.news[key] = 7, number

        self.listen()
        for key, number in (("a", 1), ("b", 1), ("a", 2)):
            last = self.submit(partial(store, key, number))
        self.result(last)
        told = {News(lock_key("a"), 7, 2), News(lock_key("b"), 7, 1)}
        (payload,) = self.heard()
        self.assertEqual(set(decode(payload).news or ()), told)

    def test_nothing_to_tell(self) -> None:
        """A batch that stored no message, or was rolled back, announces nothing."""

        def fail(tx: Transaction) -> None:
            tx.news["a"] = 7, 1
            raise ZeroDivisionError

        self.listen()
        told = [self.submit(add(1)), self.submit(fail)]
        self.result(told[0])
        self.failureResultOf(told[1], ZeroDivisionError)
        self.assertEqual(self.heard(), [])


class CloseTests(PostgresCase):
    """The end."""

    def test_close_without_a_database(self) -> None:
        """Closing does not wait for a database that has gone: what waits for it is told so at once."""
        backend = self.backend()
        event.listen(self.engine, "do_connect", _refuse)
        self.kill(backend)
        told = [self.submit(add(number)) for number in range(3)]
        closed = self.ledger.close()
        self.result(closed)
        for each in told:
            self.failureResultOf(each, LedgerUnavailable)
        self.assertEqual(self.seen(), [])

    def test_close_finishes(self) -> None:
        """Closing waits for what was submitted, and then lets go of the connections."""
        told = [self.submit(add(number), lane=number) for number in range(4)]
        self.result(self.ledger.close())
        for each in told:
            self.successResultOf(each)
        self.assertEqual(sorted(self.seen()), [0, 1, 2, 3])
        for runner in self.runners:
            runner._worker._thread.join(10.0)
            self.assertFalse(runner._worker._thread.is_alive())
            self.assertIsNone(runner._proxy)


def _refuse(*_: object) -> None:
    raise psycopg.OperationalError("connection refused")
