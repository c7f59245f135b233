"""Tests of `wormhole_server.migrate` and its command."""

from __future__ import annotations

import io
import stat
import tempfile
from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Engine
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from rendezvous.schema import metadata
from tests.wormhole_server.filled import DatabaseCase, fill, rows
from wormhole_server import migrate as module
from wormhole_server.cli import command
from wormhole_server.commands.command import Terminal
from wormhole_server.errors import StartError
from wormhole_server.migrate import migrate, newest_revision, plan
from wormhole_server.usage import relay_usage
from wormhole_server.usage_import.imports import usage_imports

# Tables are declared where they are used; alembic has to know of all.
ELSEWHERE = (relay_usage, usage_imports)


class MigrateTests(SynchronousTestCase):
    """From nothing, or from what is there, to the schema that the code expects."""

    def setUp(self) -> None:
        """Make a directory for the file."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.file = Path(directory.name) / "server.db"
        self.engine = open_engine(sa.URL.create("sqlite", database=str(self.file)))

    def execute(self, statement: str) -> None:
        """Change the database behind the program's back."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def test_from_nothing(self) -> None:
        """Tables are made once; then there is nothing to do."""
        self.assertEqual(migrate(self.engine), f"made the tables of sqlite:///{self.file}")
        self.assertIsNone(migrate(self.engine))

    def test_newer(self) -> None:
        """A schema that this code does not know is left alone."""
        migrate(self.engine)
        self.execute("UPDATE alembic_version SET version_num = '9999'")
        error = self.assertRaises(StartError, migrate, self.engine)
        self.assertIn("9999, which is newer than this program", str(error))

    def test_foreign(self) -> None:
        """Somebody else's database is left alone."""
        self.execute("CREATE TABLE songs (title)")
        error = self.assertRaises(StartError, migrate, self.engine)
        self.assertIn("keeps something else (its tables: songs", str(error))

    def test_copy_is_as_private(self) -> None:
        """Who may not read the file may not read the copy that is kept of it."""
        migrate(self.engine)
        self.file.chmod(0o600)
        with self.engine.connect() as connection:
            copy = module._keep_copy(connection, "0001")
        if copy is None:
            raise AssertionError("there is no copy")
        self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o600)
        kept = open_engine(sa.URL.create("sqlite", database=str(copy)))
        self.assertIsNone(migrate(kept))

    def test_odd_place(self) -> None:
        """The program may be installed anywhere, also where a percent sign is in the path."""
        place = self.file.parent / "50%" / "migrations"
        place.parent.mkdir()
        place.symlink_to(str(files("wormhole_server.migrations")))
        self.patch(module, "files", lambda _: place)
        self.assertIsNotNone(migrate(self.engine))


class WhyTests(DatabaseCase):
    """What is said of a database that cannot be had."""

    def said(self, url: URL) -> str:
        """Why it cannot be brought up to date."""
        return str(self.assertRaises(StartError, migrate, open_engine(url)))

    def test_postgres(self) -> None:
        """A PostgreSQL that does answer is not said to be away, and what mends it is told."""
        url = self.postgres()
        role = f"{url.database}_role"
        engine = open_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        self.addCleanup(self.drop, engine, role)
        said = self.said(url.set(username=role))
        self.assertIn("permission denied", said)
        self.assertIn("OWNER TO", said)
        self.assertNotIn("answer", said)
        said = self.said(url.set(database="nowhere"))
        self.assertIn("createdb", said)
        self.assertNotIn("answer", said)

    def drop(self, engine: Engine, role: str) -> None:
        """Roles belong to no database."""
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP ROLE {role}")
        engine.dispose()

    def test_password(self) -> None:
        """A wrong password is what is said to be wrong."""
        said = module._why_postgres('FATAL:  password authentication failed for user "me"')
        self.assertIn("check the user and the password", said)

    def test_damaged(self) -> None:
        """Of a file that has lost its end it is said that it is damaged; no right to write mends that."""
        fill(self.sqlite())
        path = self.directory / "server.db"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        said = self.said(self.sqlite())
        self.assertIn("is damaged", said)
        self.assertIn("restore a backup", said)

    def test_no_directory(self) -> None:
        """A directory that is not there is named, and is to be made."""
        said = self.said(self.sqlite("nowhere/server.db"))
        self.assertIn(f"there is no directory {self.directory / 'nowhere'}; make that", said)


class StepTests(DatabaseCase):
    """Each step from the schema before it, with rows in it."""

    def test_0002(self) -> None:
        """The second schema has one more table, and every row of the first."""
        for url in (self.sqlite(), self.postgres()):
            fill(url, "0001")
            before = rows(url)
            engine = open_engine(url)
            self.assertIn("from schema 0001 to 0002", migrate(engine) or "")
            engine.dispose()
            after = rows(url)
            self.assertEqual(after.pop("usage_imports"), [])
            self.assertEqual(after.pop("alembic_version"), [("0002",)])
            del before["alembic_version"]
            self.assertEqual(after, before)

    def test_as_declared(self) -> None:
        """The steps make the very tables that the code declares."""
        for table in ELSEWHERE:
            self.assertIs(table.metadata, metadata)
        for url in (self.sqlite(), self.postgres()):
            engine = open_engine(url)
            migrate(engine)
            with engine.connect() as connection:
                context = MigrationContext.configure(connection, opts={"compare_type": True})
                self.assertEqual(compare_metadata(context, metadata), [])
            engine.dispose()


class PlanTests(DatabaseCase):
    """What would be done, without doing it."""

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, and what was written to stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        status = command(["migrate", *arguments], Terminal({}, out, err))
        return status, out.getvalue(), err.getvalue()

    def test_from_nothing(self) -> None:
        """All steps would be run; not even a file is made by asking."""
        database = f"--database={self.sqlite()}"
        status, out, _ = self.run_command(database, "--dry-run")
        self.assertEqual(status, 0)
        self.assertIn("has no tables", out)
        self.assertIn("  0001  ", out)
        self.assertFalse((self.directory / "server.db").exists())
        self.assertEqual(self.run_command(database)[0], 0)
        self.assertIn("there is nothing to do", self.run_command(database)[1])
        self.assertIn("there is nothing to do", self.run_command(database, "--dry-run")[1])

    def test_from_before(self) -> None:
        """The steps that lack are told, oldest first, and the copy that would be kept."""
        fill(self.sqlite(), "0001")
        before = rows(self.sqlite())
        would = plan(open_engine(self.sqlite()))
        self.assertEqual((would.current, would.newest), ("0001", newest_revision()))
        self.assertEqual(would.steps[0].revision, "0002")
        self.assertIn("usage databases of other servers", would.steps[0].summary)
        self.assertEqual(would.copy, self.directory / "server.db.before-0001")
        _, out, _ = self.run_command(f"--database={self.sqlite()}", "--dry-run")
        self.assertIn("server.db.before-0001", out)
        self.assertEqual(rows(self.sqlite()), before)
        self.assertEqual([path.name for path in self.directory.glob("*before*")], [])

    def test_postgres(self) -> None:
        """There is no file to copy: a backup is recommended in place of it."""
        url = self.postgres()
        fill(url, "0001")
        before = rows(url)
        shown = url.render_as_string(hide_password=False)
        _, out, _ = self.run_command(f"--database={shown}", "--dry-run")
        self.assertIn("wormhole-server backup", out)
        self.assertEqual(rows(url), before)

    def test_back(self) -> None:
        """Steps can be undone, so that the version before starts again, and be run again."""
        for url in (self.sqlite(), self.postgres()):
            fill(url, "0001")
            before = rows(url)
            engine = open_engine(url)
            migrate(engine)
            database = f"--database={url.render_as_string(hide_password=False)}"
            with engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1 FROM mailboxes")
                status, _, err = self.run_command(database, "--back-to=0001")
                self.assertEqual(status, 1, "a server might be running")
                self.assertRegex(err, "stop (it|the servers)")
            engine.dispose()
            self.assertEqual(self.run_command(database, "--back-to=0001")[0], 0)
            self.assertEqual(rows(url), before)
            self.assertIn("already", self.run_command(database, "--back-to=0001")[1])
            self.assertIn("before 0002", self.run_command(database, "--back-to=0002")[2])
            self.assertIn("no schema 7", self.run_command(database, "--back-to=7")[2])
            self.assertEqual(self.run_command(database)[0], 0)
        self.assertTrue((self.directory / "server.db.before-0002").exists())

    def test_newer(self) -> None:
        """What would be refused is refused here as well."""
        fill(self.sqlite())
        with open_engine(self.sqlite()).begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        status, _, err = self.run_command(f"--database={self.sqlite()}", "--dry-run")
        self.assertEqual(status, 1)
        self.assertIn("9999, which is newer", err)
