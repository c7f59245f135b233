"""Tests of `wormhole_server.commands.import_usage`."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from rendezvous.database import open_engine
from tests.wormhole_server.commands.runs import Run, run
from tests.wormhole_server.databases import DatabaseCase
from wormhole_server.commands.command import ExitStatus
from wormhole_server.commands.import_usage import IMPORT_USAGE
from wormhole_server.database.migrate import migrate

# A usage database as magic-wormhole-transit-relay creates it, with a record of 1970.
_RELAY = """
CREATE TABLE version (version INTEGER);
CREATE TABLE current (rebooted INTEGER, updated INTEGER, connected INTEGER, waiting INTEGER,
    incomplete_bytes INTEGER);
CREATE TABLE usage (started INTEGER, total_time INTEGER, waiting_time INTEGER, total_bytes INTEGER,
    result VARCHAR);
INSERT INTO usage VALUES (1.0, 1, 1, 1, 'happy');
"""


class ImportUsageTests(DatabaseCase):
    def setUp(self) -> None:
        """A database, and a file of the other server."""
        super().setUp()
        engine = open_engine(self.sqlite())
        migrate(engine)
        engine.dispose()
        self.path = self.directory / "usage.sqlite"
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(_RELAY)

    def run_command(self, *flags: str) -> Run:
        """Import the file."""
        return run(IMPORT_USAGE, str(self.path), f"--database={self.sqlite()}", *flags)

    def test_imported(self) -> None:
        """The records are counted, and what was imported before is skipped."""
        done = self.run_command("--usage-retention=none")
        self.assertEqual((done.status, done.err), (ExitStatus.OK, ""))
        first, second = done.out.splitlines()
        self.assertEqual(first, f"{self.path}: a usage database of magic-wormhole-transit-relay.")
        self.assertEqual(second, "  relay: 1 imported")
        again = self.run_command("--usage-retention=none")
        self.assertIn("relay: 0 imported; 1 imported before\n", again.out)

    def test_old(self) -> None:
        """Records older than the retention are refused, or skipped on request."""
        refused = self.run_command()
        self.assertEqual((refused.status, refused.out), (ExitStatus.FAILED, ""))
        self.assertIn("--leave-old", refused.err)
        done = self.run_command("--leave-old")
        self.assertEqual(done.status, ExitStatus.OK)
        self.assertIn("relay: 0 imported; 1 skipped: older than usage-retention\n", done.out)
