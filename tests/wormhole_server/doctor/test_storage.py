"""Tests of `wormhole_server.doctor.storage`, on both databases."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

from rendezvous.database import open_engine
from tests.wormhole_server.doctor.cases import case, levels
from tests.wormhole_server.filled import TOLD, DatabaseCase, fill, rows
from wormhole_server.doctor import storage as module
from wormhole_server.doctor.finding import Finding, Level
from wormhole_server.doctor.storage import storage

_Usage = namedtuple("_Usage", "total used free")  # noqa: PYI024 - as shutil has it


class SqliteTests(DatabaseCase):
    """A SQLite file and what is around it."""

    def setUp(self) -> None:
        """Have one that is as it should be."""
        super().setUp()
        fill(self.sqlite())
        self.path = self.directory / "server.db"

    def found(self) -> list[Finding]:
        """What the doctor finds; it changes nothing."""
        return list(storage(case(f"--database={self.sqlite()}")))

    def test_well(self) -> None:
        """All is well with a database in a directory of its own; it is left as it was."""
        before = rows(self.sqlite())
        found = self.found()
        self.assertEqual(set(levels(found).values()), {Level.OK})
        self.assertTrue(any(TOLD in each.text for each in found))
        self.assertEqual(rows(self.sqlite()), before)

    def test_not_there(self) -> None:
        """A file that is not there may be one that the server has still to make, and is not made here."""
        self.path.unlink()
        self.assertEqual(levels(self.found())["database"], Level.WARNING)
        self.assertFalse(self.path.exists())
        shutil.rmtree(self.directory)
        self.assertEqual(levels(self.found()), {"database": Level.FAILURE})
        self.directory.mkdir()

    def test_schema(self) -> None:
        """An older schema waits for the server's restart; a newer one is no good; rubbish is told."""
        self.path.unlink()
        fill(self.sqlite(), "0001")
        self.assertEqual(levels(self.found())["schema"], Level.WARNING)
        with open_engine(self.sqlite()).begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        self.assertEqual(levels(self.found())["database"], Level.FAILURE)
        self.path.write_text("rubbish" * 1000)
        self.assertEqual(levels(self.found())["database"], Level.FAILURE)

    def test_disk(self) -> None:
        """Little room is a warning, hardly any a failure."""
        for free, level in ((50 << 20, Level.FAILURE), (500 << 20, Level.WARNING)):
            self.patch(shutil, "disk_usage", lambda _, free=free: _Usage(1 << 40, 0, free))
            self.assertEqual(levels(self.found())["disk"], level)

    def test_log(self) -> None:
        """A write-ahead log that somebody keeps from being started anew."""
        with open_engine(self.sqlite()).connect() as connection:
            connection.exec_driver_sql("SELECT 1 FROM mailboxes")
            with Path(f"{self.path}-wal").open("ab") as log:
                log.truncate(100 << 20)
            self.assertEqual(levels(self.found())["write-ahead log"], Level.WARNING)

    def test_permissions(self) -> None:
        """A file that everybody on the machine can get at."""
        self.path.chmod(0o644)
        self.directory.chmod(0o755)
        self.assertEqual(levels(self.found())["permissions"], Level.WARNING)
        self.path.chmod(0o640)
        self.assertEqual(levels(self.found())["permissions"], Level.OK)

    def test_not_ours(self) -> None:
        """A file that this user may not write to."""
        self.patch(os, "access", lambda path, _: path != self.path)
        self.assertEqual(levels(self.found())["permissions"], Level.FAILURE)

    def test_remote(self) -> None:
        """A file on a network file system."""
        self.patch(module, "_file_system", lambda _: "nfs4")
        self.assertEqual(levels(self.found())["file system"], Level.FAILURE)


class PostgresTests(DatabaseCase):
    """A PostgreSQL, which for tests does not wait for its disk."""

    def setUp(self) -> None:
        """Have a database."""
        super().setUp()
        url = self.postgres()
        fill(url)
        self.flag = f"--database={url.render_as_string(hide_password=False)}"

    def test_clock(self) -> None:
        """Its clock is compared with this machine's; what it does not flush is told."""
        found = levels(storage(case(self.flag)))
        self.assertEqual(found["schema"], Level.OK)
        self.assertEqual(found["database"], Level.OK)
        self.assertEqual(found["clock of PostgreSQL"], Level.FAILURE)
        self.assertEqual(found["PostgreSQL"], Level.WARNING)

    def test_away(self) -> None:
        """One that does not answer is told without its password."""
        url = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
        [found] = storage(case(f"--database={url}"))
        self.assertEqual(found.level, Level.FAILURE)
        self.assertTrue(found.text.startswith("postgresql"), found.text)
        self.assertNotIn("secret", f"{found.text}{found.mend}")
