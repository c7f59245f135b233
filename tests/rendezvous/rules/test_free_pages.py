"""Tests of `rendezvous.rules.free_pages`, on files."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from rendezvous.rules.free_pages import STEP_PAGES, give_back
from tests.databases import sqlite_url
from tests.rendezvous.stores import Store


class GiveBackTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A file of some MiB."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.url = sqlite_url(directory.name, "file.db")
        self.file = Path(directory.name) / "file.db"

    def fill(self) -> Store:
        """Bring 2,000 pages of content."""
        store = Store(open_engine(self.url))
        self.addCleanup(store.close)
        store.write("CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT)")
        store.write(
            "WITH RECURSIVE n (id) AS (VALUES (1) UNION ALL SELECT id + 1 FROM n WHERE id < 2000)"
            "INSERT INTO texts SELECT id, hex(zeroblob(2000)) FROM n"
        )
        return store

    def size(self, store: Store) -> int:
        """Return the size of the file in pages, once its log has been written back."""
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return self.file.stat().st_size // 4096

    def give_all(self, store: Store, *, needed: bool) -> int:
        """Give back until there is no more; return the number of steps."""
        steps = 0
        while store.run(lambda tx: give_back(tx, needed)):
            steps += 1
        return steps

    def test_needed(self) -> None:
        """All free pages are given back to a disk that needs them, in steps."""
        store = self.fill()
        before = self.size(store)
        store.write("DELETE FROM texts WHERE id % 4 <> 0")
        steps = self.give_all(store, needed=True)
        self.assertLess(self.size(store), before * 0.27)
        self.assertGreater(steps, 1400 // STEP_PAGES)
        (left,) = store._connection.execute("SELECT count(*) FROM texts").fetchone()
        self.assertEqual(left, 500)

    def test_kept(self) -> None:
        """A part of the file stays free for what comes next, unless it is needed."""
        store = self.fill()
        before = self.size(store)
        store.write("DELETE FROM texts WHERE id % 4 = 0")
        self.assertEqual(self.give_all(store, needed=False), 0)
        self.assertEqual(self.size(store), before)

    def test_counts_as_written(self) -> None:
        """A step has to be committed like any other write, though it changes no row."""
        store = self.fill()
        store.write("DELETE FROM texts")

        def step(tx: object) -> bool:
            give_back(tx, True)  # type: ignore[arg-type]
            return bool(tx.wrote)  # type: ignore[attr-defined]

        self.assertTrue(store.run(step))

    def test_file_that_gives_nothing_back(self) -> None:
        """A file from before, which gives nothing back, is left as it is."""
        with sqlite3.connect(self.file) as old:
            old.execute("PRAGMA auto_vacuum = NONE")
            old.execute("CREATE TABLE old (id INTEGER)")
        old.close()
        store = self.fill()
        store.write("DELETE FROM texts")
        self.assertEqual(self.give_all(store, needed=True), 0)
