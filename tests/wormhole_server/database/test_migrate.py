"""Tests of `wormhole_server.database.migrate`."""

from __future__ import annotations

import stat

import pytest
import sqlalchemy as sa

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DatabaseCase, fill, rows, wait_for_no_lock
from wormhole_server.database.locking import lock_for_migration
from wormhole_server.database.migrate import migrate, plan_migration, roll_back
from wormhole_server.database.revisions import newest_revision
from wormhole_server.errors import StartError


class MigrateTests(DatabaseCase):
    def test_from_nothing(self) -> None:
        """Tables are created once; then there is nothing to do."""
        engine = open_engine(self.sqlite())
        file = self.directory / "server.db"
        self.assertEqual(migrate(engine), f"created the tables of sqlite:///{file}")
        self.assertIsNone(migrate(engine))
        self.assertEqual([path.name for path in self.directory.glob("*before*")], [])

    def test_refused(self) -> None:
        """A database that is newer, or another program's, is left as it is."""
        fill(self.sqlite())
        engine = open_engine(self.sqlite())
        with engine.connect() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        before = rows(self.sqlite())
        error = self.assertRaises(StartError, migrate, engine)
        self.assertIn("9999, which is newer than this program", str(error))
        self.assertEqual(rows(self.sqlite()), before)
        songs = open_engine(self.sqlite("songs.db"))
        with songs.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE songs (title)")
        error = self.assertRaises(StartError, migrate, songs)
        self.assertIn("another program (its tables: songs", str(error))
        self.assertEqual(set(rows(self.sqlite("songs.db"))), {"songs"})

    def test_copy(self) -> None:
        """The copy that is kept of a file has its rows, and can be read by its owner only."""
        fill(self.sqlite(), "0001")
        before = rows(self.sqlite())
        (self.directory / "server.db").chmod(0o640)
        copy = self.directory / "server.db.before-0001"
        self.assertIn(f"kept in {copy}", migrate(open_engine(self.sqlite())) or "")
        self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o600)
        self.assertEqual(rows(self.sqlite(copy.name)), before)

    @pytest.mark.processes
    def test_one_at_a_time(self) -> None:
        """A migration waits for one that another process has begun."""
        for url in (self.sqlite(), self.postgres()):
            engine, impatient = open_engine(url), open_engine(url)
            sa.event.listen(impatient, "connect", wait_for_no_lock)
            with engine.connect() as connection:
                lock_for_migration(connection)
                error = self.assertRaises(StartError, migrate, impatient)
                self.assertRegex(str(error), "locked|lock timeout")
            self.assertIn("created the tables", migrate(impatient) or "")
            engine.dispose()
            impatient.dispose()


class PlanTests(DatabaseCase):
    @pytest.mark.processes
    def test_plan(self) -> None:
        """A plan has what lacks and the copy that would be kept, and changes nothing."""
        for url, copy in (
            (self.sqlite(), self.directory / "server.db.before-0001"),
            (self.postgres(), None),
        ):
            fill(url, "0001")
            before = rows(url)
            plan = plan_migration(open_engine(url))
            self.assertEqual((plan.current, plan.newest), ("0001", newest_revision()))
            self.assertEqual([each.revision for each in plan.migrations], ["0002", "0003", "0004"])
            self.assertEqual(plan.copy, copy)
            self.assertEqual(rows(url), before)

    def test_nothing_there(self) -> None:
        """The plan for a file that does not exist has every migration, and creates no file."""
        plan = plan_migration(open_engine(self.sqlite()))
        self.assertEqual((plan.current, plan.copy), (None, None))
        self.assertEqual(plan.migrations[0].revision, "0001")
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_nothing_to_do(self) -> None:
        """The plan for a database with the newest schema is empty."""
        fill(self.sqlite())
        plan = plan_migration(open_engine(self.sqlite()))
        self.assertEqual((plan.migrations, plan.copy), ((), None))


class RollBackTests(DatabaseCase):
    @pytest.mark.processes
    def test_back(self) -> None:
        """Rows are as they were before the migration; of a SQLite file a copy is kept."""
        for url in (self.sqlite(), self.postgres()):
            fill(url, "0001")
            before = rows(url)
            engine = open_engine(url)
            migrate(engine)
            done = roll_back(engine, "0001") or ""
            self.assertIn("back from schema 0004 to 0001", done)
            self.assertEqual(rows(url), before)
            self.assertIsNone(roll_back(engine, "0001"))
            self.assertEqual("its previous state is kept" in done, url == self.sqlite())
        kept = rows(self.sqlite("server.db.before-0004"))
        self.assertEqual(kept["alembic_version"], [("0004",)])

    def test_refused(self) -> None:
        """An unknown revision, one that is later than the database, and a missing file are refused."""
        fill(self.sqlite(), "0001")
        for name, revision, why in (
            ("server.db", "7", "there is no schema 7; this program knows 0001, "),
            ("server.db", "0002", "has schema 0001, which is before 0002"),
            ("missing.db", "0001", "there is no file"),
        ):
            with self.assertRaises(StartError) as caught:
                roll_back(open_engine(self.sqlite(name)), revision)
            self.assertIn(why, str(caught.exception))
        self.assertEqual(list(self.directory.glob("*before*")), [])
        self.assertFalse((self.directory / "missing.db").exists())
