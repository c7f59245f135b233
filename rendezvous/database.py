"""
The database: engines, their settings, and the runners and the listener for each kind of database.

Owns every setting of SQLite and PostgreSQL that the promises of the ledger depend on.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import URL, Engine, NullPool, event
from twisted.internet.base import ReactorBase

from rendezvous.announcements import Announcements
from rendezvous.ledger.ledger import Runner
from rendezvous.ledger.spare_file import SpareFile
from rendezvous.ledger.sqlite import SqliteRunner
from rendezvous.ledger.worker import Worker
from rendezvous.observer import RendezvousObserver, contained
from rendezvous.rules.expiry import database_time
from rendezvous.rules.free_pages import give_back
from rendezvous.sharing.disk import DiskSpace, read_disk
from rendezvous.sweeper import DatabaseTime, GiveBack

if TYPE_CHECKING:
    from rendezvous.ledger.listener import AnnouncementListener

# While the server starts and in commands, another process may hold the lock for a moment.
_SQLITE_OPEN_SECONDS = 10.0
_POSTGRES_CONNECT_SECONDS = 5
# Four times what SQLite lets the log grow to before it writes it back.
_LOG_BYTES = 16 << 20


def open_engine(url: URL) -> Engine:
    """
    Make an engine whose connections have the settings that the ledger needs. Does not connect yet.

    :param url: `sqlite:///FILE` or `postgresql+psycopg://…`.
    """
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(
            url,
            poolclass=NullPool,
            connect_args={
                "check_same_thread": False,
                # Transactions are started and ended explicitly.
                "isolation_level": None,
                "timeout": _SQLITE_OPEN_SECONDS,
                "cached_statements": 256,
            },
        )
        event.listen(engine, "do_connect", _create_private)
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return sa.create_engine(
        url,
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": _POSTGRES_CONNECT_SECONDS,
            # Whatever the encoding of the database is, texts are sent in UTF-8.
            "client_encoding": "utf8",
            # psycopg would prepare statements under names that another client of a pooler has as well.
            "prepare_threshold": None,
            "application_name": url.query.get("application_name", "wormhole-server"),
            # A server that is gone without closing the connection is noticed within half a minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 4,
            "tcp_user_timeout": 30_000,
        },
    )


def _create_private(_dialect: object, _record: object, names: list[str], _rest: object) -> None:
    """Create the file that SQLite would create, so that only its owner can read it and its companions."""
    # Not an existing one: closing it would end the locks that SQLite has in this process.
    with suppress(OSError):
        if names[0] != ":memory:":
            os.close(os.open(names[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The file gives space back step by step; see `rules.free_pages`. Only a new file is made so, before all
    # else; `wormhole_server.database.files` converts others.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # Readers do not wait for the writer, and a commit is one append.
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit is on the disk before it is answered; a power failure cannot lose it.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Some builds overwrite what is deleted, all of which goes to the log first: to delete would need as much
    # room as was stored. FAST leaves alone what need not be written anyway.
    connection.execute("PRAGMA secure_delete = FAST")
    # The log keeps the place that it has at a usual time, and gives back what a burst has added.
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")


def open_runners(
    reactor: ReactorBase,
    engine: Engine,
    observer: RendezvousObserver,
    *,
    lanes: int,
    instance: str,
) -> list[Runner]:
    """
    Open what a ledger runs on, for a database whose tables exist.

    :param lanes: the number of connections to PostgreSQL, each with a thread; SQLite always has one.
    :param instance: this instance's name in announcements; see `ledger.announcement`.
    :raises sqlite3.Error: SQLite's file cannot be opened.
    """
    observer = contained(observer)
    if engine.dialect.name == "sqlite":
        proxy = engine.raw_connection()
        connection = proxy.driver_connection
        if not isinstance(connection, sqlite3.Connection):
            raise TypeError(f"the ledger needs the driver pysqlite, not {engine.dialect.driver}")
        # From now on it belongs to the runner, not to a pool.
        proxy.detach()
        # The reactor's thread must not sleep until a lock is released.
        connection.execute("PRAGMA busy_timeout = 0")
        worker = Worker(reactor, "ledger")
        # Makes SQLite open its log and the index of that.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        find_lost = _watch_files(engine.url.database)
        _refuse_lost(engine, find_lost)
        spare = SpareFile(f"{engine.url.database}-spare")
        spare.create()
        return [
            SqliteRunner(reactor, connection, engine.dialect, worker, observer, spare, find_lost)
        ]
    # psycopg belongs to an extra that is not installed with SQLite only.
    from rendezvous.ledger.postgres import PostgresRunner  # noqa: PLC0415

    return [
        PostgresRunner(reactor, engine, Worker(reactor, f"ledger-{lane}"), observer, instance)
        for lane in range(lanes)
    ]


def _watch_files(file: str | None) -> Callable[[], str | None]:
    """
    Watch a SQLite file and those that belong to it: the log and its index.

    :return: returns the name of one that is no longer the file that it is now, None if all are.
    """
    main = os.path.abspath(file or "")
    opened: dict[str, os.stat_result] = {}
    # A name of SQLite's that is no file, such as that of a database in memory, has none of them.
    for path in (main, f"{main}-wal", f"{main}-shm"):
        with suppress(OSError):
            opened[path] = os.stat(path)

    def find_lost() -> str | None:
        for path, before in opened.items():
            try:
                same = os.path.samestat(os.stat(path), before)
            except OSError:
                same = False
            if not same:
                return os.path.basename(path)
        return None

    return find_lost


def _refuse_lost(engine: Engine, find_lost: Callable[[], str | None]) -> None:
    """
    Open no more connections to a SQLite file that is not where it was.

    SQLite would create another one there, take over the log of the first, and delete it when it closes.
    """

    def refuse(*_: object) -> None:
        if (lost := find_lost()) is not None:
            raise sqlite3.OperationalError(f"the file {lost} has been moved or deleted")

    # The file exists by now.
    event.remove(engine, "do_connect", _create_private)
    event.listen(engine, "do_connect", refuse)


def database_clock(engine: Engine) -> DatabaseTime | None:
    """Return what asks the database for the time of day; None if its clock is this machine's."""
    return None if engine.dialect.name == "sqlite" else database_time


def disk_reader(engine: Engine) -> Callable[[], DiskSpace | None]:
    """Return what reads how full the disk of a SQLite file is; of another database it returns None."""
    file = engine.url.database
    if engine.dialect.name != "sqlite" or not file:
        return lambda: None
    return partial(read_disk, os.path.dirname(os.path.abspath(file)))


def space_saver(engine: Engine) -> GiveBack | None:
    """Return what gives free space back to the disk; None if the database does so by itself."""
    return give_back if engine.dialect.name == "sqlite" else None


def open_listener(
    reactor: ReactorBase, engine: Engine, announcements: Announcements
) -> AnnouncementListener | None:
    """Make a listener for other instances' announcements; None if there cannot be other instances."""
    if engine.dialect.name == "sqlite":
        return None
    from rendezvous.ledger.listener import AnnouncementListener  # noqa: PLC0415 - see above

    return AnnouncementListener(reactor, engine, announcements)
