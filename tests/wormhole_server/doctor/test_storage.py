"""Tests of `wormhole_server.doctor.storage`, on both databases."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DESCRIBED_ROWS, DatabaseCase, damage, fill, rows
from tests.wormhole_server.doctor.targets import levels, make_target
from wormhole_server.doctor import storage
from wormhole_server.doctor.finding import Finding, Level
from wormhole_server.doctor.storage import check_storage

_Usage = namedtuple("_Usage", "total used free")  # noqa: PYI024 - as shutil has it


class SqliteTests(DatabaseCase):
    """The check of a SQLite file and its surroundings."""

    def setUp(self) -> None:
        """A database without any problem."""
        super().setUp()
        fill(self.sqlite())
        self.path = self.directory / "server.db"

    def found(self, *flags: str) -> list[Finding]:
        """The findings of the check."""
        return list(check_storage(make_target(f"--database={self.sqlite()}", *flags)))

    def test_no_problem(self) -> None:
        """A database without a problem passes, and is not changed."""
        before = rows(self.sqlite())
        found = self.found()
        self.assertEqual(set(levels(found).values()), {Level.OK})
        self.assertTrue(any(DESCRIBED_ROWS in each.text for each in found))
        self.assertEqual(rows(self.sqlite()), before)

    def test_missing(self) -> None:
        """A missing file is a warning, since the server may create it; a missing directory is a failure."""
        self.path.unlink()
        self.assertEqual(levels(self.found())["database"], Level.WARNING)
        self.assertFalse(self.path.exists())
        shutil.rmtree(self.directory)
        self.assertEqual(levels(self.found()), {"database": Level.FAILURE})
        self.directory.mkdir()

    def test_schema(self) -> None:
        """An older schema is a warning; a newer one, and a file that is not SQLite, are failures."""
        self.path.unlink()
        fill(self.sqlite(), "0001")
        self.assertEqual(levels(self.found())["schema"], Level.WARNING)
        with open_engine(self.sqlite()).begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        self.assertEqual(levels(self.found())["database"], Level.FAILURE)
        self.path.write_text("rubbish" * 1000)
        self.assertEqual(levels(self.found())["database"], Level.FAILURE)

    def test_disk(self) -> None:
        """Less free space than the server keeps is a failure, hardly more is a warning."""
        for flag, total, free, level in (
            ("auto", 100 << 30, 5 << 30, Level.FAILURE),
            ("auto", 100 << 30, 6 << 30, Level.WARNING),
            ("auto", 100 << 30, 10 << 30, Level.OK),
            ("2GiB", 100 << 30, 2 << 30, Level.FAILURE),
            ("2GiB", 100 << 30, 3 << 30, Level.WARNING),
            ("none", 1 << 40, 50 << 20, Level.FAILURE),
            ("none", 1 << 40, 500 << 20, Level.WARNING),
            ("none", 1 << 40, 1 << 30, Level.OK),
        ):
            usage = _Usage(total, total - free, free)
            self.patch(shutil, "disk_usage", lambda _, usage=usage: usage)
            found = self.found(f"--disk-reserve={flag}")
            self.assertEqual(levels(found)["disk"], level, (flag, free))

    def test_damaged(self) -> None:
        """A damaged file is a failure, although all rows can be counted."""
        damage(self.path)
        [found] = [each for each in self.found() if each.check == "database"]
        self.assertEqual(found.level, Level.FAILURE)
        self.assertIn("is damaged", found.text)
        self.assertIn("restore a backup", found.fix)

    def test_log(self) -> None:
        """A large write-ahead log is a warning."""
        with open_engine(self.sqlite()).connect() as connection:
            connection.exec_driver_sql("SELECT 1 FROM mailboxes")
            with Path(f"{self.path}-wal").open("ab") as log:
                log.truncate(100 << 20)
            self.assertEqual(levels(self.found())["write-ahead log"], Level.WARNING)

    def test_permissions(self) -> None:
        """A file that every user of the machine can read is a warning; with a group it is not."""
        self.path.chmod(0o644)
        self.directory.chmod(0o755)
        self.assertEqual(levels(self.found())["permissions"], Level.WARNING)
        for mode, readers in ((0o640, "the owner and its group"), (0o600, "the owner")):
            self.path.chmod(mode)
            [found] = [each for each in self.found() if each.check == "permissions"]
            self.assertEqual(found.text, f"only {readers} can read and write the file")

    def test_unwritable(self) -> None:
        """A file that this user cannot write to is a failure."""
        self.patch(os, "access", lambda path, _: path != self.path)
        self.assertEqual(levels(self.found())["permissions"], Level.FAILURE)

    def test_remote(self) -> None:
        """A network file system is a failure."""
        self.patch(storage, "_file_system", lambda _: "nfs4")
        self.assertEqual(levels(self.found())["file system"], Level.FAILURE)


class PostgresTests(DatabaseCase):
    """The check of PostgreSQL, which does not write to the disk in tests."""

    def setUp(self) -> None:
        """A database without any problem."""
        super().setUp()
        url = self.postgres()
        fill(url)
        self.flag = f"--database={url.render_as_string(hide_password=False)}"

    @pytest.mark.processes
    def test_clock(self) -> None:
        """The clocks are compared, and a setting that risks data is a warning."""
        found = levels(check_storage(make_target(self.flag)))
        self.assertEqual(found["schema"], Level.OK)
        self.assertEqual(found["database"], Level.OK)
        self.assertEqual(found["clock of PostgreSQL"], Level.FAILURE)
        self.assertEqual(found["PostgreSQL"], Level.WARNING)

    @pytest.mark.processes
    def test_no_answer(self) -> None:
        """A server that does not answer is a failure whose text has no password."""
        url = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
        [found] = check_storage(make_target(f"--database={url}"))
        self.assertEqual(found.level, Level.FAILURE)
        self.assertTrue(found.text.startswith("postgresql"), found.text)
        self.assertNotIn("secret", f"{found.text}{found.fix}")
