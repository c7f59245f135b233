"""Tests of `rendezvous.rules.schema`; that migrations make the same tables is tested with them."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.rules import schema
from rendezvous.rules.schema import columns


@attrs.frozen
class _Some:
    """Some columns of a nameplate, in another order than the table's."""

    used: float
    name: str
    unknown: int = 0


@attrs.frozen
class _Wrong:
    """A field that is no column."""

    unknown: int


class ColumnsTests(SynchronousTestCase):
    """The columns of a value."""

    def test_by_name(self) -> None:
        """Columns are those of the fields' names, in the fields' order; what is none may have a default."""
        found = columns(schema.nameplates, _Some)
        self.assertEqual(found, [schema.nameplates.c.used, schema.nameplates.c.name])

    def test_missing(self) -> None:
        """A field without a default that is no column is an error."""
        self.assertRaises(KeyError, columns, schema.nameplates, _Wrong)


class TableTests(SynchronousTestCase):
    """What the tables promise to the rules."""

    def test_null(self) -> None:
        """Only what is not known from the start may be NULL."""
        course = {"waiting_seconds"}
        expected = {
            "nameplates": {"second_side", "second_came"},
            "mailboxes": {"nameplate", "first_mood", "second_side", "second_mood", "second_came"},
            "messages": set(),
            "discarded_mailboxes": set(),
            "nameplate_usage": course,
            "mailbox_usage": course,
            "client_usage": set(),
        }
        # Other packages keep tables of their own in the same metadata.
        found = {
            name: {column.name for column in schema.metadata.tables[name].c if column.nullable}
            for name in expected
        }
        self.assertEqual(found, expected)

    def test_keys(self) -> None:
        """A row has a number of its own, but for messages and what is left of large mailboxes."""
        for table in schema.metadata.tables.values():
            keys = [column.name for column in table.primary_key]
            numbered = table.autoincrement_column is not None
            expected = {
                "messages": (["mailbox_id", "number"], False),
                "discarded_mailboxes": (["mailbox_id"], False),
            }
            self.assertEqual((keys, numbered), expected.get(table.name, (["id"], True)), table.name)

    def test_sqlite(self) -> None:
        """On SQLite ids of nameplates and mailboxes are not given twice; messages have no other key."""
        tables = schema.metadata.tables
        for option, expected in (
            ("autoincrement", {"nameplates", "mailboxes"}),
            ("with_rowid", set(tables) - {"messages"}),
        ):
            found = {name for name in tables if tables[name].dialect_options["sqlite"][option]}
            self.assertEqual(found, expected)


class NamesTests(SynchronousTestCase):
    """Names of constraints and indexes."""

    def test_named(self) -> None:
        """Every constraint and index has a name, so that a migration can change it on both databases."""
        for table in schema.metadata.tables.values():
            names = [each.name for each in table.constraints]
            names += [each.name for each in table.indexes]
            self.assertNotIn(None, names, table.name)
