"""Tests of `wormhole_server.database.server_lock`."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing

from sqlalchemy import make_url

from tests.wormhole_server.databases import DatabaseCase
from wormhole_server.database.server_lock import ServerLock
from wormhole_server.errors import DatabaseUnavailableError


class ServerLockTests(DatabaseCase):
    def test_one_at_a_time(self) -> None:
        """A second server is refused until the first has released the file, under whichever name."""
        first, second = ServerLock(self.sqlite()), ServerLock(self.sqlite("link.db"))
        (self.directory / "link.db").symlink_to(self.directory / "server.db")
        first.acquire()
        first.acquire()
        with self.assertRaisesRegex(DatabaseUnavailableError, "in use by another server"):
            second.acquire()
        first.release()
        second.acquire()
        second.release()
        second.release()

    def test_commands_go_on(self) -> None:
        """Other programs read and write the file meanwhile; it is created for its owner only."""
        lock = ServerLock(self.sqlite())
        lock.acquire()
        self.addCleanup(lock.release)
        file = self.directory / "server.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (n)")
            for suffix in ("", "-wal", "-shm"):
                mode = file.with_name(file.name + suffix).stat().st_mode
                self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_no_file(self) -> None:
        """A database that is no file, or cannot be opened, is left to its driver."""
        for url in ("sqlite://", "sqlite:////nowhere/server.db", "postgresql+psycopg:///x"):
            lock = ServerLock(make_url(url))
            lock.acquire()
            lock.release()
