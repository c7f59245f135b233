"""Tests of `wormhole_server.commands.migrate`, on both databases."""

from __future__ import annotations

import pytest

from rendezvous.database import open_engine
from tests.wormhole_server.commands.runs import run
from tests.wormhole_server.databases import DatabaseCase, fill, rows
from wormhole_server.commands.command import ExitStatus
from wormhole_server.commands.migrate import MIGRATE
from wormhole_server.database.migrate import migrate, plan_migration
from wormhole_server.database.revisions import newest_revision


class MigrateTests(DatabaseCase):
    def test_from_nothing(self) -> None:
        """A dry run lists all migrations, and creates no file."""
        database = f"--database={self.sqlite()}"
        done = run(MIGRATE, database, "--dry-run")
        status, out = done.status, done.out
        self.assertEqual(status, 0)
        self.assertIn("has no tables", out)
        self.assertIn("  0001  ", out)
        self.assertFalse((self.directory / "server.db").exists())
        self.assertEqual(run(MIGRATE, database).status, 0)
        self.assertIn("there is nothing to do", run(MIGRATE, database).out)
        self.assertIn("there is nothing to do", run(MIGRATE, database, "--dry-run").out)

    def test_from_before(self) -> None:
        """A dry run lists the missing migrations, and the copy that would be kept."""
        fill(self.sqlite(), "0001")
        before = rows(self.sqlite())
        would = plan_migration(open_engine(self.sqlite()))
        self.assertEqual((would.current, would.newest), ("0001", newest_revision()))
        self.assertEqual(would.migrations[0].revision, "0002")
        self.assertIn("usage databases of other servers", would.migrations[0].summary)
        self.assertEqual(would.copy, self.directory / "server.db.before-0001")
        out = run(MIGRATE, f"--database={self.sqlite()}", "--dry-run").out
        self.assertIn("server.db.before-0001", out)
        self.assertEqual(rows(self.sqlite()), before)
        self.assertEqual([path.name for path in self.directory.glob("*before*")], [])

    @pytest.mark.processes
    def test_postgres(self) -> None:
        """On PostgreSQL there is no file to copy; a backup is recommended instead."""
        url = self.postgres()
        fill(url, "0001")
        before = rows(url)
        shown = url.render_as_string(hide_password=False)
        out = run(MIGRATE, f"--database={shown}", "--dry-run").out
        self.assertIn("wormhole-server backup", out)
        self.assertEqual(rows(url), before)

    @pytest.mark.processes
    def test_back(self) -> None:
        """Migrations can be undone, so that the version before starts again, and run again."""
        for url in (self.sqlite(), self.postgres()):
            fill(url, "0001")
            before = rows(url)
            engine = open_engine(url)
            migrate(engine)
            database = f"--database={url.render_as_string(hide_password=False)}"
            with engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1 FROM mailboxes")
                done = run(MIGRATE, database, "--back-to=0001")
                status, err = done.status, done.err
                self.assertEqual(status, 1, "a server might be running")
                self.assertRegex(err, "stop (it|the servers)")
            engine.dispose()
            self.assertEqual(run(MIGRATE, database, "--back-to=0001").status, 0)
            self.assertEqual(rows(url), before)
            self.assertIn("already", run(MIGRATE, database, "--back-to=0001").out)
            self.assertIn("before 0002", run(MIGRATE, database, "--back-to=0002").err)
            self.assertIn("no schema 7", run(MIGRATE, database, "--back-to=7").err)
            self.assertEqual(run(MIGRATE, database).status, 0)
        self.assertTrue((self.directory / "server.db.before-0004").exists())

    def test_newer(self) -> None:
        """A dry run refuses what the migration would refuse."""
        fill(self.sqlite())
        with open_engine(self.sqlite()).begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        done = run(MIGRATE, f"--database={self.sqlite()}", "--dry-run")
        status, err = done.status, done.err
        self.assertEqual(status, 1)
        self.assertIn("9999, which is newer", err)

    def test_contradiction(self) -> None:
        """A dry run of the way back does not exist."""
        found = run(MIGRATE, f"--database={self.sqlite()}", "--back-to=0001", "--dry-run")
        self.assertEqual((found.status, found.out), (ExitStatus.UNUSABLE, ""))
        self.assertIn("--dry-run cannot be combined with --back-to", found.err)
        self.assertFalse((self.directory / "server.db").exists())
