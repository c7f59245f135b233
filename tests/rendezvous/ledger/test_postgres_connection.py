"""Tests of `rendezvous.ledger.postgres_connection`, on a real PostgreSQL, through a ledger."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from sqlalchemy import event
from twisted.logger import capturedLogs, formatEvent

from rendezvous.errors import LedgerUnavailable, OutcomeUnknown
from rendezvous.ledger import pooler, postgres_connection
from rendezvous.ledger.keys import lock_key
from rendezvous.ledger.postgres_connection import PostgresConnection, describe
from rendezvous.ledger.transaction import Transaction
from tests.rendezvous.ledger.postgres_case import (
    ADD,
    BACKEND,
    GONE,
    IMPATIENT,
    READ,
    SHOW,
    PostgresCase,
    add,
    refuse_connection,
)


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
            tx.run(ADD, the_number=2)
            if not killed:
                backend = tx.one(BACKEND) or 0
                killed.append(backend)
                self.kill(backend)
            tx.run(ADD, the_number=3)
            return len(killed)

        told = [self.submit(add(1, "one")), self.submit(kill_self), self.submit(add(4, "four"))]
        self.assertEqual([self.result(each) for each in told], ["one", 1, "four"])
        self.assertEqual(self.seen(), [1, 2, 3, 4])
        self.assertEqual(self.observer.batches, [3])

    def test_before_the_commit(self) -> None:
        """A commit that never reached the server did not happen: its batch is run again."""
        broken: list[int] = []

        def break_self(tx: Transaction) -> None:
            tx.run(ADD, the_number=1)
            if not broken:
                broken.append(self.runners[0]._connection._connect().info.backend_pid)
                self.kill(broken[0])

        self.result(self.submit(break_self))
        self.assertEqual(self.seen(), [1])
        self.assertEqual(len(broken), 1)

    def test_behind_the_commit(self) -> None:
        """A commit whose answer was lost is asked after: it happened, and is not done again."""
        runs: list[int] = []
        lost = self.lose_a_commit()

        def operation(tx: Transaction) -> str:
            runs.append(tx.count(ADD, the_number=1))
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
                    raise psycopg.OperationalError(GONE)

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
        # Two more connections show that sessions are kept.
        self.assertEqual((self.seen(), len(attempts)), ([0, 1, 2, 3], 4 + 2))

    def test_pooler(self) -> None:
        """A pooler that has taken the database's place is refused, and logged once."""
        backend = self.backend()

        def pass_time(*_: object) -> None:
            self.reactor.rightNow += 5.0

        event.listen(self.engine, "do_connect", pass_time)
        with capturedLogs() as events:
            self.patch(pooler, "_BACKEND", "SELECT 1")
            self.kill(backend)
            with self.assertRaisesRegex(LedgerUnavailable, "behind a pooler that shares sessions"):
                self.result(self.submit(add(1)))
            self.patch(pooler, "_BACKEND", "SELECT pg_backend_pid()")
            self.result(self.submit(add(2)))
        (line,) = [formatEvent(each) for each in events if "behind" in formatEvent(each)]
        self.assertEqual(
            line,
            "The database cannot be used: it is behind a pooler that shares sessions between its clients; "
            "set pool_mode=session in pgbouncer",
        )
        self.assertEqual(self.seen(), [2])

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
        self.patch(postgres_connection, "ANSWER_TIMEOUT_SECONDS", 0.5)

    def hold(self, number: int) -> None:
        """Have what a statement or a commit will wait for."""
        self.outside.execute("SELECT pg_advisory_lock(%s)", [number])

    def let_go(self, number: int) -> None:
        """Let it have that."""
        self.outside.execute("SELECT pg_advisory_unlock(%s)", [number])

    def test_statement(self) -> None:
        """A batch that gets no answer is given up in the end, with nothing done, and all goes on."""
        self.hold(lock_key("x"))
        self.patch(postgres_connection, "UNAVAILABLE_TIMEOUT_SECONDS", -1.0)
        with self.assertRaises(LedgerUnavailable) as told:
            self.result(self.submit(add(1), keys=("x",)))
        self.assertNotIsInstance(told.exception, OutcomeUnknown)
        self.let_go(lock_key("x"))
        self.patch(postgres_connection, "ANSWER_TIMEOUT_SECONDS", 10.0)
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

        real = postgres_connection._status
        self.patch(postgres_connection, "_status", status)
        self.assertEqual(self.result(self.submit(add(1, "done"))), "done")
        self.assertEqual((asked[:2], asked[-1]), (["in progress"] * 2, "committed"))
        self.assertEqual(self.seen(), [1])

    def test_commit_given_up(self) -> None:
        """A commit that never ends leaves it open what became of it."""
        self.slow_commits()
        self.hold(7)
        self.patch(postgres_connection, "UNAVAILABLE_TIMEOUT_SECONDS", -1.0)
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add(1)))
        self.let_go(7)
        self.patch(postgres_connection, "ANSWER_TIMEOUT_SECONDS", 10.0)
        self.result(self.submit(add(2)))
        self.assertIn(2, self.seen())

    def test_cut_off(self) -> None:
        """An instance that stands still in a batch is cut off by the server, and runs it again."""
        backends: list[int] = []

        def stand_still(tx: Transaction) -> None:
            tx.run(ADD, the_number=1)
            if not backends:
                tx.run(IMPATIENT)
            backend = tx.one(BACKEND) or 0
            backends.append(backend)
            gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            while len(backends) == 1 and self.outside.execute(gone, [backend]).fetchone() != (0,):
                pass
            tx.all(READ)

        self.patch(postgres_connection, "ANSWER_TIMEOUT_SECONDS", 10.0)
        self.result(self.submit(stand_still))
        self.assertEqual((len(backends), self.seen()), (2, [1]))

    def test_limits_of_a_connection(self) -> None:
        """Who stands still in a batch does not keep its keys; no limit of the role's cuts a commit short."""
        role = self._url.username or "postgres"
        self.outside.execute(f'ALTER ROLE "{role}" SET statement_timeout = 60000')
        self.addCleanup(self.outside.execute, f'ALTER ROLE "{role}" RESET statement_timeout')
        names = ("idle_in_transaction_session_timeout", "statement_timeout")
        shown = self.result(self.submit(lambda tx: [tx.one(SHOW, name=name) for name in names]))
        self.assertEqual(shown, ["15s", "0"])


class ConnectionTests(PostgresCase):
    """New connections."""

    def test_half_set_up(self) -> None:
        """A connection that could not be set up is not used."""
        self.result(self.submit(add(1)))
        self.kill(self.backend())
        good = postgres_connection._LIFE
        self.patch(postgres_connection, "_LIFE", "SELECT 1 / 0")
        self.patch(postgres_connection, "UNAVAILABLE_TIMEOUT_SECONDS", -1.0)
        with self.assertRaises(LedgerUnavailable):
            self.result(self.submit(add(2)))
        self.assertIsNone(self.runners[0]._connection._proxy)
        self.patch(postgres_connection, "_LIFE", good)
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

        self.patch(postgres_connection, "_log", Log())
        self.patch(postgres_connection, "UNAVAILABLE_RETRY_SECONDS", 0.0)
        tries: list[int] = []

        def refuse(tx: Transaction) -> None:
            tries.append(0)
            if len(tries) < 4:
                raise psycopg.errors.ReadOnlySqlTransaction
            tx.run(ADD, the_number=1)

        self.result(self.submit(refuse))
        self.assertEqual(
            told, ["The database is unavailable: {why}", "The database is available again."]
        )


class UnknownOutcomeTests(PostgresCase):
    """A commit of which nobody can tell whether it took place."""

    def test_started_again(self) -> None:
        """A database that has crashed since may have given the number again: nobody can tell."""
        lives = iter(["one 00000001", "two 00000001", "two 00000001"])
        self.patch(postgres_connection, "_LIFE", "SELECT 'unused'")
        real = PostgresConnection._connect

        def connect(connection: PostgresConnection) -> psycopg.Connection:
            fresh = connection._proxy is None
            found = real(connection)
            if fresh:
                connection._life = next(lives)
            return found

        self.patch(PostgresConnection, "_connect", connect)
        self.lose_a_commit()
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add(1)))
        self.result(self.submit(add(2)))
        self.assertEqual(self.seen(), [1, 2])

    def test_not_committed_before_a_crash(self) -> None:
        """What was not committed before a crash is done again, whoever has its number now."""
        self.result(self.submit(add(1)))
        connection = self.runners[0]._connection
        (xid,) = self.outside.execute("SELECT pg_current_xact_id()::text").fetchone() or ("",)
        future = str(int(xid) + 1_000_000)
        for number in (future, self.aborted()):
            connection._unanswered = number, f"another {connection._life}"
            self.result(self.submit(lambda tx: tx.one(BACKEND)))
            self.assertIsNone(connection._unanswered)

    def test_another_primary(self) -> None:
        """A primary on another timeline may have lost the transaction: nobody can tell."""
        self.result(self.submit(add(1)))
        connection = self.runners[0]._connection
        for number in (str(10**9), self.aborted()):
            connection._unanswered = number, connection._life[:-8] + "FFFFFFFF"
            with self.assertRaises(OutcomeUnknown):
                self.result(self.submit(add(2)))
        self.result(self.submit(add(3)))
        self.assertEqual(self.seen(), [1, 3])

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
        connection = self.runners[0]._connection
        self.patch(postgres_connection, "UNAVAILABLE_TIMEOUT_SECONDS", -1.0)
        connection._unanswered = (row[0] if row else ""), connection._life
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add(2)))
        self.result(self.submit(add(3)))
        self.assertEqual(self.seen(), [1, 3])

    def test_given_up(self) -> None:
        """A database that stays away with the answer of a commit leaves it open what became of it."""
        self.result(self.submit(add(0)))
        connection = self.runners[0]._connection
        self.patch(postgres_connection, "UNAVAILABLE_TIMEOUT_SECONDS", -1.0)
        event.listen(self.engine, "do_connect", refuse_connection)
        self.kill(self.backend())
        with self.assertRaises(LedgerUnavailable) as told:
            self.result(self.submit(add(1)))
        self.assertNotIsInstance(told.exception, OutcomeUnknown)
        connection._unanswered = "1000", "some life 00000001"
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add(2)))


class DirectTests(PostgresCase):
    """A connection without a runner."""

    def setUp(self) -> None:
        """Make one, which has not connected."""
        super().setUp()
        self.patch(postgres_connection, "UNAVAILABLE_RETRY_SECONDS", 0.0)
        self.connection = PostgresConnection(self.reactor, self.engine)
        self.addCleanup(self.connection.close)
        self.reactor.advance(1000.0)

    def wait(self) -> None:
        """Wait for the database once."""
        self.connection.wait_after(psycopg.OperationalError())

    def test_each_outage_has_its_time(self) -> None:
        """A second outage is waited for as long as the first."""
        for _ in range(3):
            self.wait()
            self.reactor.advance(postgres_connection.UNAVAILABLE_TIMEOUT_SECONDS)
            self.wait()
            self.connection.succeeded()
            self.reactor.advance(29.0)
        self.wait()
        self.reactor.advance(31.0)
        self.assertRaises(LedgerUnavailable, self.wait)

    def test_stop_waiting(self) -> None:
        """A ledger that is closing waits for nothing."""
        self.connection.stop_waiting()
        self.assertRaises(LedgerUnavailable, self.wait)

    def test_pause(self) -> None:
        """A wait for the database lasts until the next attempt is due, or the ledger is closing."""
        self.patch(postgres_connection, "UNAVAILABLE_RETRY_SECONDS", 60.0)
        waiting = threading.Thread(target=self.wait, daemon=True)
        waiting.start()
        waiting.join(0.1)
        self.assertTrue(waiting.is_alive())
        self.connection.stop_waiting()
        waiting.join(10.0)
        self.assertFalse(waiting.is_alive())

    def test_lost(self) -> None:
        """A connection that is given up is closed at once."""
        driver = self.connection._connect()
        # Held, so that it is not closed by going out of use.
        proxy = self.connection._proxy
        self.wait()
        self.assertTrue(driver.closed)
        self.assertTrue(self.connection.is_lost)
        del proxy

    def test_roll_back(self) -> None:
        """What was written is undone, and the connection is used on; without one there is nothing to do."""
        self.connection.roll_back()
        self.assertTrue(self.connection.is_lost)
        for _ in range(2):
            with self.connection.pipeline() as pipeline:
                pipeline.queue("BEGIN")
                pipeline.queue("INSERT INTO numbers (number) VALUES (1)")
                pipeline.exchange()
            self.connection.roll_back()
        self.assertFalse(self.connection.is_lost)
        self.assertEqual(self.seen(), [])

    def backend_pid(self) -> int:
        """The server's process behind it, in a transaction that has begun."""
        with self.connection.pipeline() as pipeline:
            pipeline.queue("BEGIN")
            found = pipeline.queue("SELECT pg_backend_pid()")
            pipeline.exchange()
        return int(found.value)

    def test_roll_back_of_a_lost_connection(self) -> None:
        """A connection that cannot be rolled back is replaced."""
        lost = self.backend_pid()
        self.kill(lost)
        self.connection.roll_back()
        self.assertNotEqual(self.backend_pid(), lost)

    def test_settings_stay(self) -> None:
        """The settings of a connection outlive a rollback."""
        self.connection.pipeline()
        self.connection.roll_back()
        with self.connection.pipeline() as pipeline:
            shown = pipeline.queue("SELECT current_setting('idle_in_transaction_session_timeout')")
            pipeline.exchange()
        self.assertEqual(shown.value, "15s")

    def test_description(self) -> None:
        """An error is described by PostgreSQL's or libpq's message, without the values that are quoted."""
        self.outside.execute("INSERT INTO numbers (number) VALUES (12345)")
        with self.assertRaises(psycopg.Error) as raised:
            self.outside.execute("INSERT INTO numbers (number) VALUES (12345)")
        self.assertIn("12345", str(raised.exception))
        described = describe(raised.exception)
        self.assertIn("duplicate key value violates unique constraint", described)
        self.assertNotIn("12345", described)
        for error, text in (
            (psycopg.OperationalError("address one\naddress two"), "address one"),
            (psycopg.OperationalError(), "OperationalError"),
            (ValueError("secret"), "ValueError"),
        ):
            self.assertEqual(describe(error), text)

    def test_set_up_that_fails(self) -> None:
        """A connection without its settings, or to a standby, is no connection."""
        for life in ("SELECT 1 / 0", "SELECT NULL", "SELECT 1 WHERE false"):
            self.patch(postgres_connection, "_LIFE", life)
            self.assertRaises(psycopg.Error, self.connection.pipeline)
            self.assertTrue(self.connection.is_lost)

    def test_not_committed(self) -> None:
        """A commit that has not taken place is no longer in doubt once that is known."""
        with self.connection.pipeline() as pipeline:
            pipeline.queue("BEGIN")
            xid = pipeline.queue("SELECT pg_current_xact_id()::text")
            pipeline.queue("ROLLBACK")
            pipeline.exchange()
        self.connection.commit_requested(xid.value)
        self.assertFalse(self.connection.was_committed())
        self.connection.stop_waiting()
        error: LedgerUnavailable = self.assertRaises(LedgerUnavailable, self.wait)
        self.assertNotIsInstance(error, OutcomeUnknown)

    def test_close(self) -> None:
        """A connection that is closed is closed at once; it may be closed again."""
        self.connection.pipeline()
        # Held, so that it is not closed by going out of use.
        proxy = self.connection._proxy
        driver = self.connection._connect()
        self.assertFalse(driver.closed)
        self.connection.close()
        self.connection.close()
        self.assertTrue(driver.closed)
        del proxy
        self.assertTrue(self.connection.is_lost)
