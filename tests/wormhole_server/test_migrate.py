"""Tests of `wormhole_server.migrate`, on SQLite files."""

from __future__ import annotations

import stat
import tempfile
from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from wormhole_server import migrate as module
from wormhole_server.errors import StartError
from wormhole_server.migrate import migrate


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
