"""A case with a ledger on a real PostgreSQL, for tests of its runner and of the runner's connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Engine, event
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from rendezvous.ledger import postgres_connection
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.pipeline import Pipeline
from rendezvous.ledger.postgres import PostgresRunner
from rendezvous.ledger.statements import prepare, prepare_value
from rendezvous.ledger.transaction import Transaction
from rendezvous.ledger.worker import Worker
from tests.databases import drop_postgres, new_postgres_url
from tests.rendezvous.fakes import Reactor, Recorder
from tests.schedulers import make_scheduler

METADATA = sa.MetaData()
NUMBERS = sa.Table(
    "numbers",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, unique=True),
)
_P = sa.bindparam
ADD = prepare(sa.insert(NUMBERS).values(number=_P("the_number")).inline())
READ = prepare_value(sa.select(NUMBERS.c.number).order_by(NUMBERS.c.id), int)
COUNT_UP = prepare(
    sa.text("UPDATE numbers SET number = number + 1 WHERE id = :the_id").bindparams(_P("the_id"))
)
BACKEND = prepare_value(sa.text("SELECT pg_backend_pid()"), int)
IMPATIENT = prepare(sa.text("SET LOCAL idle_in_transaction_session_timeout = 10"))
SHOW = prepare_value(sa.text("SELECT current_setting(:name)").bindparams(_P("name")), str)
PAUSE = prepare_value(sa.text("SELECT pg_sleep(0.05)"), str)
GONE = "the server closed the connection unexpectedly"


def add(number: int, result: Any = None) -> Callable[[Transaction], Any]:
    """An operation that writes a number."""

    def operation(tx: Transaction) -> Any:
        tx.run(ADD, the_number=number)
        return result

    return operation


def read(tx: Transaction) -> list[int]:
    """All numbers, in the order in which they were written."""
    return tx.all(READ)


@pytest.mark.processes
class PostgresCase(SynchronousTestCase):
    """A case with a ledger of two lanes, and a connection that looks at it from outside."""

    _url: ClassVar[URL]
    _engine: ClassVar[Engine]

    @classmethod
    def setUpClass(cls) -> None:
        """Make a database."""
        cls._url = new_postgres_url()
        cls._engine = open_engine(cls._url)
        METADATA.create_all(cls._engine)

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
        self.ledger = Ledger(make_scheduler(self.reactor))
        self.runners = [
            PostgresRunner(
                self.reactor, self.engine, Worker(self.reactor, name), self.observer, "me"
            )
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
        return int(self.result(self.submit(lambda tx: tx.one(BACKEND))))

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
                    raise psycopg.OperationalError(GONE)

        self.patch(postgres_connection, "Pipeline", Deaf)
        return lost


def refuse_connection(*_: object) -> None:
    """Refuse a connection, as a listener of SQLAlchemy's `do_connect`."""
    raise psycopg.OperationalError("connection refused")
