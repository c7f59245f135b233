"""
From a database URL to what a ledger runs on: engines, their settings, and which runner goes with which.

Owns every setting of SQLite and PostgreSQL that the ledger's promises rest on.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import URL, Engine, NullPool, event
from twisted.internet.base import ReactorBase

from rendezvous.expiry import database_time
from rendezvous.hearing import Hearing
from rendezvous.ledger import Runner
from rendezvous.ledger_sqlite import SqliteRunner
from rendezvous.observer import Observer
from rendezvous.sweeper import AskTime
from rendezvous.worker import Worker

if TYPE_CHECKING:
    from rendezvous.listener import Listener

# At start and in commands of the operator's another process may hold the lock for a moment.
_SQLITE_OPEN_SECONDS = 10.0
_POSTGRES_CONNECT_SECONDS = 5


def open_engine(url: URL) -> Engine:
    """
    An engine whose every connection keeps the ledger's promises. Connects to nothing yet.

    :param url: `sqlite:///FILE` or `postgresql+psycopg://…`.
    """
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(
            url,
            poolclass=NullPool,
            connect_args={
                "check_same_thread": False,
                # Transactions are begun and ended by those who run them.
                "isolation_level": None,
                "timeout": _SQLITE_OPEN_SECONDS,
                "cached_statements": 256,
            },
        )
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return sa.create_engine(
        url,
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": _POSTGRES_CONNECT_SECONDS,
            # Whatever the database itself is in: texts are UTF-8 here.
            "client_encoding": "utf8",
            "application_name": url.query.get("application_name", "wormhole-server"),
            # A server that has gone without a word is found out within half a minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 4,
            "tcp_user_timeout": 30_000,
        },
    )


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Readers do not wait for the writer, and a commit is one append.
    connection.execute("PRAGMA journal_mode = WAL")
    # Each commit is on the disk before it is answered, come what may.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def open_runners(
    reactor: ReactorBase,
    engine: Engine,
    observer: Observer,
    *,
    lanes: int = 2,
    instance: str = "",
) -> list[Runner]:
    """
    What a ledger needs to run on a database whose tables are there.

    :param lanes: how many connections it has to PostgreSQL, each with a thread; SQLite has one.
    :param instance: what this instance is called in announcements; see `news`.
    :raises sqlite3.Error: SQLite's file cannot be opened.
    """
    if engine.dialect.name == "sqlite":
        proxy = engine.raw_connection()
        connection = proxy.driver_connection
        if not isinstance(connection, sqlite3.Connection):
            raise TypeError(
                f"{engine.dialect.driver} is not the driver that the ledger is made for"
            )
        # It is the ledger's from now on, no pool's.
        proxy.detach()
        # On the reactor's thread nothing sleeps for a lock.
        connection.execute("PRAGMA busy_timeout = 0")
        worker = Worker(reactor, "ledger")
        is_there = _watch(engine.url.database)
        return [SqliteRunner(reactor, connection, engine.dialect, worker, observer, is_there)]
    # psycopg comes with an extra that a server on SQLite does without.
    from rendezvous.ledger_postgres import PostgresRunner  # noqa: PLC0415

    return [
        PostgresRunner(reactor, engine, Worker(reactor, f"ledger-{lane}"), observer, instance)
        for lane in range(lanes)
    ]


def _watch(file: str | None) -> Callable[[], bool]:
    """What tells whether `file` is still the one that it is now."""
    path = os.path.abspath(file or "")
    try:
        opened = os.stat(path)
    except OSError:
        # SQLite has names that are no files, such as that of a database in memory.
        return lambda: True

    def is_there() -> bool:
        try:
            return os.path.samestat(os.stat(path), opened)
        except OSError:
            return False

    return is_there


def clock_of(engine: Engine) -> AskTime | None:
    """What asks the database for the time of day; None where its clock is this machine's."""
    return None if engine.dialect.name == "sqlite" else database_time


def open_listener(reactor: ReactorBase, engine: Engine, ear: Hearing) -> Listener | None:
    """What tells of messages that other instances store; None where there cannot be others."""
    if engine.dialect.name == "sqlite":
        return None
    from rendezvous.listener import Listener  # noqa: PLC0415 - as above

    return Listener(reactor, engine, ear)
