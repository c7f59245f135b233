"""Tests of `wormhole_server.usage.imports.importer`, on files as the other servers write them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import URL

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DatabaseCase, rows
from wormhole_server.database.migrate import migrate
from wormhole_server.errors import StartError
from wormhole_server.usage.imports.formats import RecordKind
from wormhole_server.usage.imports.importer import UsageImporter

NOW = 1_800_000_000.0
DAY = 86400.0

_MAILBOX = """
CREATE TABLE version (version INTEGER);
CREATE TABLE current (rebooted INTEGER, updated INTEGER, blur_time INTEGER, connections_websocket INTEGER);
CREATE TABLE nameplates (app_id VARCHAR, started INTEGER, waiting_time INTEGER, total_time INTEGER,
    result VARCHAR);
CREATE TABLE mailboxes (app_id VARCHAR, for_nameplate BOOLEAN, started INTEGER, total_time INTEGER,
    waiting_time INTEGER, result VARCHAR);
CREATE TABLE client_versions (app_id VARCHAR, side VARCHAR, connect_time INTEGER, implementation VARCHAR,
    version VARCHAR);
"""
_RELAY = """
CREATE TABLE version (version INTEGER);
CREATE TABLE current (rebooted INTEGER, updated INTEGER, connected INTEGER, waiting INTEGER,
    incomplete_bytes INTEGER);
CREATE TABLE usage (started INTEGER, total_time INTEGER, waiting_time INTEGER, total_bytes INTEGER,
    result VARCHAR);
"""


class ImportCase(DatabaseCase):
    """A test with a database to import to."""

    def setUp(self) -> None:
        """Have one on SQLite."""
        super().setUp()
        self.url = self.sqlite()
        self.make(self.url)
        self.importer = UsageImporter(None, 90 * DAY, False, NOW, lambda _: None)

    def make(self, url: URL) -> None:
        """Make the tables."""
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()

    def file(self, name: str, script: str) -> Path:
        """A SQLite file."""
        path = self.directory / name
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(script)
        return path

    def add(self, path: Path, table: str, *records: Sequence[Any]) -> None:
        """Write records as the other server would."""
        with closing(sqlite3.connect(path)) as connection, connection:
            for record in records:
                marks = ", ".join("?" * len(record))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", record)

    def take(
        self, path: Path, url: URL | None = None
    ) -> dict[RecordKind, tuple[int, int, int, int]]:
        """Import; how many were imported, known, old and unreadable."""
        imported = self.importer.import_file(path, url or self.url)
        return {
            each.kind: (each.imported, each.known, each.old, each.unreadable)
            for each in imported.counts
        }

    def refused(self, path: Path) -> str:
        """Why it is not imported; nothing was."""
        before = rows(self.url)
        with self.assertRaises(StartError) as caught:
            self.importer.import_file(path, self.url)
        self.assertEqual(rows(self.url), before)
        return str(caught.exception)


class RecordTests(ImportCase):
    """What becomes of a record."""

    @pytest.mark.processes
    def test_mailbox_server(self) -> None:
        """Nameplates, mailboxes and clients; who a client was is left out."""
        path = self.file("usage.sqlite", _MAILBOX)
        self.add(path, "nameplates", ("app", NOW - 9.5, 1.25, 2.5, "happy"))
        self.add(
            path,
            "mailboxes",
            ("app", 1, NOW - 9.5, 4.5, None, "lonely"),
            ("app", 0, NOW - 8, 4, 1, "pruney"),
        )
        self.add(path, "client_versions", ("app", "s1de", NOW - 10, "python", "0.24.0"))
        for url in (self.url, self.postgres()):
            self.make(url)
            self.assertEqual(
                self.take(path, url),
                {
                    RecordKind.NAMEPLATE: (1, 0, 0, 0),
                    RecordKind.MAILBOX: (2, 0, 0, 0),
                    RecordKind.CLIENT: (1, 0, 0, 0),
                },
            )
            content = rows(url)
            self.assertEqual(
                content["nameplate_usage"], [(1, "app", NOW - 9.5, 1.25, 2.5, "happy")]
            )
            self.assertEqual(
                content["mailbox_usage"],
                [
                    (1, "app", NOW - 9.5, None, 4.5, "lonely", True),
                    (2, "app", NOW - 8, 1.0, 4.0, "pruney", False),
                ],
            )
            self.assertEqual(content["client_usage"], [(1, "app", NOW - 10, "python", "0.24.0")])
            self.assertNotIn("s1de", str(content))

    def test_transit_relay(self) -> None:
        """Connections of the relay, whose kind nobody noted."""
        path = self.file("usage.sqlite", _RELAY)
        self.add(path, "usage", (NOW - 9.5, 2.5, 1.25, 5_000_000_000, "happy"))
        self.add(path, "usage", (NOW - 5, 1, None, None, "errory"))
        self.assertEqual(self.take(path), {RecordKind.RELAY: (2, 0, 0, 0)})
        self.assertEqual(
            rows(self.url)["relay_usage"],
            [
                (1, "unknown", NOW - 9.5, 1.25, 2.5, "happy", 5_000_000_000),
                (2, "unknown", NOW - 5, None, 1.0, "errory", 0),
            ],
        )

    def test_blurred(self) -> None:
        """With --blur-usage, what is imported is as blurred as what the server writes itself."""
        path = self.file("usage.sqlite", _RELAY)
        self.add(path, "usage", (NOW - 9.5, 125.0, 59.0, 123_456, "happy"))
        self.importer = attrs.evolve(self.importer, blur_seconds=60.0)
        self.take(path)
        self.assertEqual(
            rows(self.url)["relay_usage"],
            [(1, "unknown", NOW - 60, 0.0, 120.0, "happy", 130_000)],
        )

    def test_unreadable(self) -> None:
        """What cannot be kept is counted; whatever else stands in a column does no harm."""
        path = self.file("usage.sqlite", _MAILBOX)
        self.add(
            path,
            "nameplates",
            ("app", None, 1, 1, "happy"),
            ("app", NOW, 1, 1, "gloomy"),
            ("app", NOW, 1, 1, None),
            (b"\xff\x00", NOW, "soon", -5, "happy"),
            ("a\0b", NOW, None, None, "happy"),
        )
        self.assertEqual(self.take(path)[RecordKind.NAMEPLATE], (2, 0, 0, 3))
        self.assertEqual(
            rows(self.url)["nameplate_usage"],
            [(1, "", NOW, None, 0.0, "happy"), (2, "ab", NOW, None, 0.0, "happy")],
        )

    def test_old(self) -> None:
        """What the server would delete at once is a reason to refuse, or is left out on request."""
        path = self.file("usage.sqlite", _RELAY)
        self.add(path, "usage", (NOW - 91 * DAY, 1, 1, 1, "happy"), (NOW - DAY, 1, 1, 1, "happy"))
        self.assertIn(
            "1 of its 2 new records are older than usage-retention (90d)", self.refused(path)
        )
        self.importer = attrs.evolve(self.importer, leave_old=True)
        self.assertEqual(self.take(path), {RecordKind.RELAY: (1, 0, 1, 0)})
        self.importer = attrs.evolve(self.importer, leave_old=False)
        self.assertEqual(self.take(path), {RecordKind.RELAY: (0, 2, 0, 0)})

    def test_kept_for_ever(self) -> None:
        """Where the server never deletes records, all are taken."""
        path = self.file("usage.sqlite", _RELAY)
        self.add(path, "usage", (1.0, 1, 1, 1, "happy"))
        self.importer = attrs.evolve(self.importer, retention_seconds=None)
        self.assertEqual(self.take(path), {RecordKind.RELAY: (1, 0, 0, 0)})


class AgainTests(ImportCase):
    """However often a file is imported, each record of it is there once."""

    def setUp(self) -> None:
        """Have a file with records that are all alike, as blurred ones are."""
        super().setUp()
        self.path = self.file("usage.sqlite", _RELAY)
        self.record = (NOW - 3600, 0, 0, 100, "happy")
        self.add(self.path, "usage", *[self.record] * 3)

    def count(self) -> int:
        """Records in the database."""
        return len(rows(self.url)["relay_usage"])

    def test_again(self) -> None:
        """The same file, under another name as well, adds nothing."""
        self.take(self.path)
        copy = self.directory / "copy.sqlite"
        copy.write_bytes(self.path.read_bytes())
        self.assertEqual(self.take(copy), {RecordKind.RELAY: (0, 3, 0, 0)})
        self.assertEqual(self.count(), 3)

    def test_grown(self) -> None:
        """What has been added since is imported, and nothing else."""
        self.take(self.path)
        self.add(self.path, "usage", *[self.record] * 2)
        self.assertEqual(self.take(self.path), {RecordKind.RELAY: (2, 3, 0, 0)})
        self.assertEqual(self.take(self.path), {RecordKind.RELAY: (0, 5, 0, 0)})
        self.assertEqual(len(rows(self.url)["usage_imports"]), 1)

    def test_blurred_since(self) -> None:
        """It is the file that is known, not what became of its records."""
        self.take(self.path)
        self.importer = attrs.evolve(self.importer, blur_seconds=60.0)
        self.assertEqual(self.take(self.path), {RecordKind.RELAY: (0, 3, 0, 0)})

    def test_two_servers(self) -> None:
        """Two files of two servers are both imported, though they may begin alike."""
        other = self.file("other.sqlite", _RELAY)
        self.add(other, "usage", *[self.record] * 2, (NOW, 1, 1, 1, "happy"))
        self.take(self.path)
        self.assertEqual(self.take(other), {RecordKind.RELAY: (3, 0, 0, 0)})
        self.assertEqual(self.count(), 6)

    def test_interrupted(self) -> None:
        """An import that was ended half-way goes on where it stopped."""
        self.add(self.path, "usage", *[self.record] * 1200)

        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            attrs.evolve(self.importer, pause=interrupt).import_file(self.path, self.url)
        self.assertEqual(self.count(), 500)
        self.assertEqual(self.take(self.path), {RecordKind.RELAY: (703, 500, 0, 0)})
        self.assertEqual(self.count(), 1203)

    def test_at_once(self) -> None:
        """Of two imports of one file at the same time, one gives way."""
        self.add(self.path, "usage", *[self.record] * 1200)
        self.take(self.path)
        self.add(self.path, "usage", *[self.record] * 1200)
        other = self.importer

        def meanwhile(_: float) -> None:
            other.import_file(self.path, self.url)

        with self.assertRaises(StartError) as caught:
            attrs.evolve(self.importer, pause=meanwhile).import_file(self.path, self.url)
        self.assertIn("another import", str(caught.exception))
        self.assertEqual(self.count(), 2403)


class RefusalTests(ImportCase):
    """Files that are none of these."""

    def test_others(self) -> None:
        """Each is told what it is, or that nobody knows it."""
        rubbish = self.directory / "rubbish"
        rubbish.write_bytes(b"rubbish" * 100)
        for path, why in (
            (self.directory / "missing", "no such file"),
            (rubbish, "not a SQLite file"),
            (self.file("songs", "CREATE TABLE songs (title)"), "not a known usage database"),
            (self.file("empty", ""), "not a known usage database"),
            (
                self.file("channel", "CREATE TABLE nameplate_sides (side)"),
                "is the channel database",
            ),
            (
                self.file("other", "CREATE TABLE current (x); CREATE TABLE usage (started)"),
                "has no column waiting_time",
            ),
            (Path(self.url.database or ""), "a database of this program"),
        ):
            self.assertIn(why, self.refused(path))

    def test_before_clients(self) -> None:
        """A file of a version that noted no clients is imported without."""
        path = self.file("usage.sqlite", _MAILBOX + "DROP TABLE client_versions;")
        self.add(path, "nameplates", ("app", NOW, 1, 1, "happy"))
        self.assertEqual(
            self.take(path), {RecordKind.NAMEPLATE: (1, 0, 0, 0), RecordKind.MAILBOX: (0, 0, 0, 0)}
        )
