"""Tests of `wormhole_server.usage.imports.formats`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.errors import StartError
from wormhole_server.usage.imports.formats import (
    MAILBOX_SERVER,
    TRANSIT_RELAY,
    RecordKind,
    TableFormat,
    Values,
    recognise,
)

MAILBOX_COLUMNS = {
    "current": ["rebooted"],
    "nameplates": ["app_id", "started", "waiting_time", "total_time", "result"],
    "mailboxes": ["app_id", "for_nameplate", "started", "total_time", "waiting_time", "result"],
    "client_versions": ["app_id", "side", "connect_time", "implementation", "version"],
}
RELAY_COLUMNS = {
    "current": ["connected"],
    "usage": ["started", "total_time", "waiting_time", "total_bytes", "result"],
}

ANY_VALUE = (
    st.none() | st.text() | st.binary() | st.floats() | st.integers(-(1 << 63), (1 << 63) - 1)
)


def formats() -> dict[RecordKind, TableFormat]:
    """Return the format of each kind of record."""
    found = [*recognise("a", MAILBOX_COLUMNS)[1], *recognise("b", RELAY_COLUMNS)[1]]
    return {each.kind: each for each in found}


def convert(table: TableFormat, record: Sequence[Any], blur: float | None) -> Values | None:
    """Convert a record whose values come in the order of the columns."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    columns = ", ".join(f"? AS {column}" for column in table.columns)
    row = connection.execute(f"SELECT {columns}", record).fetchone()
    connection.close()
    return table.convert(row, blur)


class RecogniseTests(SynchronousTestCase):
    def test_programs(self) -> None:
        """A file is recognised by its tables; older versions noted no clients."""
        program, found = recognise("a", MAILBOX_COLUMNS)
        self.assertEqual(program, MAILBOX_SERVER)
        self.assertEqual(
            [each.kind for each in found],
            [RecordKind.NAMEPLATE, RecordKind.MAILBOX, RecordKind.CLIENT],
        )
        older = {name: MAILBOX_COLUMNS[name] for name in ("current", "nameplates", "mailboxes")}
        self.assertEqual(len(recognise("a", older)[1]), 2)
        self.assertEqual(recognise("a", RELAY_COLUMNS)[0], TRANSIT_RELAY)

    def test_refused(self) -> None:
        """Other files are refused, each with its reason."""
        for tables, why in (
            ({}, "not a known usage database"),
            ({"alembic_version": ["version_num"]}, "a database of this program"),
            ({"nameplate_sides": ["side"]}, "the channel database"),
            ({**RELAY_COLUMNS, "usage": ["started"]}, "has no column waiting_time"),
        ):
            with self.assertRaises(StartError) as caught:
                recognise("usage.sqlite", tables)
            self.assertRegex(str(caught.exception), f"^usage.sqlite .*{why}")


class ConvertTests(SynchronousTestCase):
    def test_blurred(self) -> None:
        """Records are blurred as this server's own are."""
        values = convert(formats()[RecordKind.RELAY], (119.5, 61.5, 180.0, "happy", 123_456), 60.0)
        self.assertEqual(
            values,
            {
                "end": "unknown",
                "started": 60.0,
                "waiting_seconds": 60.0,
                "total_seconds": 180.0,
                "mood": "happy",
                "bytes": 130_000,
            },
        )

    def test_client(self) -> None:
        """The side of a client is left out, and the character that PostgreSQL does not store."""
        client = formats()[RecordKind.CLIENT]
        self.assertNotIn("side", client.columns)
        values = convert(client, ("app", 5, "py\0thon", None), None)
        self.assertEqual(
            values, {"app": "app", "started": 5.0, "implementation": "python", "version": ""}
        )

    @given(st.sampled_from(list(RecordKind)), st.lists(ANY_VALUE, min_size=6, max_size=6))
    def test_any_values(self, kind: RecordKind, values: list[Any]) -> None:
        """Whatever stands in a file, a record is converted to values that fit, or left out."""
        table = formats()[kind]
        found = convert(table, values[: len(table.columns)], None)
        if found is not None:
            for value in found.values():
                self.assertIsInstance(value, str | float | int | None)
            self.assertEqual(set(found) - set(table.target.c.keys()), set())
