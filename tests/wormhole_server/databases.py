"""
Databases with rows, for tests of what copies, migrates and reports them.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from tests.databases import drop_postgres, new_postgres_url, sqlite_url
from wormhole_server.database.revisions import upgrade

# A mailbox whose nameplate one side has released; a discarded mailbox; a usage record of each kind. Mailboxes
# have had numbers up to 41.
_ROWS = """
INSERT INTO nameplates (id, app, digits, name, mailbox, first_side, first_released, second_side,
    second_released, second_came, crowded, created, used)
    VALUES (7, 'app', 1, '4', 'box', 'one', true, 'two', false, 101.5, false, 100.25, 102.125);
INSERT INTO mailboxes (id, app, mailbox, nameplate, first_side, first_open, first_mood, second_side,
    second_open, second_mood, second_came, crowded, created, used)
    VALUES (41, 'app', 'box', '4', 'one', true, NULL, 'two', true, NULL, 101.5, false, 100.25, 102.125);
INSERT INTO messages (mailbox_id, number, side, phase, body, message_id, received)
    VALUES (41, 1, 'one', 'pake', '00ff', '"é"', 101.0), (41, 2, 'two', 'pake', '', 'null', 102.125);
INSERT INTO discarded_mailboxes (mailbox_id) VALUES (3);
INSERT INTO nameplate_usage (id, app, started, waiting_seconds, total_seconds, mood)
    VALUES (5, 'app', 50.0, NULL, 3.5, 'lonely');
INSERT INTO mailbox_usage (id, app, started, waiting_seconds, total_seconds, mood, nameplate)
    VALUES (6, 'app', 50.0, 1.25, 4.5, 'happy', true);
INSERT INTO client_usage (id, app, started, implementation, version)
    VALUES (8, 'app', 49.0, 'python', '0.24.0');
INSERT INTO relay_usage (id, "end", started, waiting_seconds, total_seconds, mood, bytes)
    VALUES (9, 'tcp', 55.0, 0.5, 2.5, 'happy', 9000000000);
"""

DESCRIBED_ROWS = "1 nameplate, 1 mailbox, 2 messages, 4 usage records"


def fill(url: URL, revision: str = "head") -> None:
    """Create the tables of a revision, and insert a row or two into each."""
    engine = open_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        upgrade(connection, revision)
        for statement in _ROWS.strip().split(";\n"):
            connection.exec_driver_sql(statement.removesuffix(";"))
        if engine.dialect.name != "sqlite":
            connection.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('mailboxes', 'id'), 41)"
            )
        connection.commit()
    engine.dispose()


def damage(path: Path) -> None:
    """Damage a file that `fill` has made within a message: all rows can be counted, but not be read."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE messages SET body = ? WHERE number = 1", ["f" * 20_000])
    content = path.read_bytes()
    # A page that holds nothing else begins with the number of the next one.
    start = content.index(b"f" * 4092)
    path.write_bytes(content[: start - 4] + b"\xff" * 4 + content[start:])


def rows(url: URL) -> dict[str, list[tuple[object, ...]]]:
    """Read all rows of a database, by table."""
    engine = open_engine(url)
    found = sa.MetaData()
    with engine.connect() as connection:
        found.reflect(connection)
        content = {
            table.name: [
                tuple(row) for row in connection.execute(sa.select(table).order_by(table.c[0]))
            ]
            for table in found.sorted_tables
        }
    engine.dispose()
    return content


def wait_for_no_lock(connection: Any, _: object) -> None:
    """Make a new connection fail where it would wait for a lock."""
    sqlite = isinstance(connection, sqlite3.Connection)
    connection.execute("PRAGMA busy_timeout = 0" if sqlite else "SET lock_timeout = '1ms'")
    if not sqlite:
        connection.commit()


class DatabaseCase(SynchronousTestCase):
    """A test with databases of its own."""

    def setUp(self) -> None:
        """Make a directory."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def sqlite(self, name: str = "server.db") -> URL:
        """Return the URL of a file that does not exist yet."""
        return sqlite_url(self.directory, name)

    def postgres(self) -> URL:
        """Create an empty database; return its URL."""
        url = new_postgres_url()
        self.addCleanup(drop_postgres, url)
        return url
