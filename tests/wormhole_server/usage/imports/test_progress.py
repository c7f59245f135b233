"""Tests of `wormhole_server.usage.imports.progress`."""

from __future__ import annotations

import pytest
from sqlalchemy import URL, Engine

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DatabaseCase, fill
from wormhole_server.database.access import write_transaction
from wormhole_server.errors import StartError
from wormhole_server.usage.imports.formats import RecordKind
from wormhole_server.usage.imports.progress import ImportProgress, RecordDigest, find_progress

RECORDS = [("a", 1.5), ("b", None), ("c", 3)]


def digest(count: int) -> str:
    """Return the digest of the first records."""
    found = RecordDigest()
    for record in RECORDS[:count]:
        found.add(record)
    return found.value()


class ProgressTests(DatabaseCase):
    def open(self, url: URL) -> Engine:
        """Open a database with tables."""
        fill(url)
        engine = open_engine(url)
        self.addCleanup(engine.dispose)
        return engine

    def find(self, engine: Engine, kind: RecordKind = RecordKind.RELAY) -> int:
        """Return how many of the records are known."""
        with engine.connect() as connection:
            return find_progress(connection, kind, iter(RECORDS)).records

    def save(self, engine: Engine, progress: ImportProgress, records: int) -> ImportProgress:
        """Note that so many records were imported."""
        with write_transaction(engine) as connection:
            return progress.save(connection, RecordKind.RELAY, records, digest(records), 5.0)

    @pytest.mark.processes
    def test_longest(self) -> None:
        """The longest known beginning counts; each kind of record has its own."""
        for url in (self.sqlite(), self.postgres()):
            engine = self.open(url)
            self.assertEqual(self.find(engine), 0)
            self.save(engine, ImportProgress(), 1)
            progress = self.save(engine, ImportProgress(), 2)
            self.assertEqual(self.find(engine), 2)
            self.assertEqual(self.find(engine, RecordKind.MAILBOX), 0)
            self.assertEqual(self.save(engine, progress, 3), ImportProgress(3, progress.row_id))
            self.assertEqual(self.find(engine), 3)

    def test_other_file(self) -> None:
        """A file whose first records differ, or that has fewer, is another one."""
        engine = self.open(self.sqlite())
        self.save(engine, ImportProgress(), 2)
        with engine.connect() as connection:
            for records in ([("A", 1.5), *RECORDS[1:]], RECORDS[:1], []):
                found = find_progress(connection, RecordKind.RELAY, records)
                self.assertEqual(found, ImportProgress())

    def test_at_once(self) -> None:
        """Of two imports of one file, the one that is behind is refused."""
        engine = self.open(self.sqlite())
        progress = self.save(engine, ImportProgress(), 1)
        self.save(engine, progress, 2)
        with self.assertRaises(StartError) as caught:
            self.save(engine, progress, 2)
        self.assertIn("another import of the same file", str(caught.exception))

    def test_digest(self) -> None:
        """Every value of a record, and its order, is in the digest."""
        digests = set()
        for record in ((1, 2), (2, 1), (1, None), (1, "2"), (12,), (1, b"2")):
            found = RecordDigest()
            found.add(record)
            digests.add(found.value())
        self.assertEqual(len(digests), 6)
