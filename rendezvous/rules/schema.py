"""
The schema: the tables of the rendezvous server, their columns and indexes.

Times are seconds since the epoch. A nameplate and a mailbox have at most two sides each, so the sides are
columns, not rows of a table of their own: a rule finds all that it needs in one row.
"""

from __future__ import annotations

from typing import Any

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    event,
    literal_column,
)

# PostgreSQL names constraints by itself, SQLite does not: a migration needs the same names on both.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    }
)

# SQLite makes only an INTEGER the rowid; PostgreSQL needs BIGINT for a sequence of 64 bits.
_Key = BigInteger().with_variant(Integer, "sqlite")

nameplates = Table(
    "nameplates",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("app", Text, nullable=False),
    # The length of `name`: sorts names by their numbers, whatever the collation.
    Column("digits", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("first_side", Text, nullable=False),
    Column("first_released", Boolean, nullable=False),
    Column("second_side", Text),
    Column("second_released", Boolean, nullable=False),
    Column("second_came", Double),
    # A third side was refused.
    Column("crowded", Boolean, nullable=False),
    Column("created", Double, nullable=False),
    Column("used", Double, nullable=False),
    UniqueConstraint("app", "digits", "name"),
    Index(None, "used"),
    sqlite_autoincrement=True,
)
# For `list`: those that wait for their second side.
_waiting = nameplates.c.second_side.is_(None)
Index(
    "ix_nameplates_waiting",
    nameplates.c.app,
    nameplates.c.id,
    sqlite_where=_waiting,
)

mailboxes = Table(
    "mailboxes",
    metadata,
    # Never reused, so that messages left over from one mailbox cannot appear in another.
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("app", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    # The nameplate that points here, or did.
    Column("nameplate", Text),
    Column("first_side", Text, nullable=False),
    Column("first_open", Boolean, nullable=False),
    Column("first_mood", Text),
    Column("second_side", Text),
    Column("second_open", Boolean, nullable=False),
    Column("second_mood", Text),
    Column("second_came", Double),
    Column("crowded", Boolean, nullable=False),
    Column("created", Double, nullable=False),
    Column("used", Double, nullable=False),
    UniqueConstraint("app", "mailbox"),
    Index(None, "used"),
    sqlite_autoincrement=True,
)

messages = Table(
    "messages",
    metadata,
    # In `mailboxes`, or in `discarded_mailboxes`: a large mailbox is emptied after it was removed.
    Column("mailbox_id", _Key, nullable=False),
    # From 1, without gaps, in the order of the commits.
    Column("number", Integer, nullable=False),
    Column("side", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("body", Text, nullable=False),
    # JSON, as the client wrote it.
    Column("message_id", Text, nullable=False),
    Column("received", Double, nullable=False),
    # The sizes of this message and of all before it in the mailbox, in bytes of UTF-8.
    Column("total", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("mailbox_id", "number"),
    sqlite_with_rowid=False,
)
# For repeated messages. Reading the first ones of a mailbox costs less than an index that each has to enter:
# an exchange has about ten, a dilated wormhole thousands.
UNINDEXED_MESSAGES = 50
later_messages = messages.c.number > literal_column(str(UNINDEXED_MESSAGES))
Index(
    "ix_messages_later",
    messages.c.mailbox_id,
    messages.c.side,
    messages.c.phase,
    sqlite_where=later_messages,
)

discarded_mailboxes = Table(
    "discarded_mailboxes",
    metadata,
    Column("mailbox_id", _Key, primary_key=True, autoincrement=False),
)

nameplate_usage = Table(
    "nameplate_usage",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("app", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("waiting_seconds", Double),
    Column("total_seconds", Double, nullable=False),
    Column("mood", Text, nullable=False),
    Index(None, "started"),
)

mailbox_usage = Table(
    "mailbox_usage",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("app", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("waiting_seconds", Double),
    Column("total_seconds", Double, nullable=False),
    Column("mood", Text, nullable=False),
    Column("nameplate", Boolean, nullable=False),
    Index(None, "started"),
)

client_usage = Table(
    "client_usage",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("app", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("implementation", Text, nullable=False),
    Column("version", Text, nullable=False),
    Index(None, "started"),
)


@event.listens_for(metadata, "before_create")
def _set_postgresql_conditions(_: MetaData, connection: Connection, **_options: object) -> None:
    """
    Give PostgreSQL the conditions of the indexes above.

    To name them there would import its dialect at each start of a server on SQLite.
    """
    if connection.dialect.name == "postgresql":
        for index in (index for table in metadata.tables.values() for index in table.indexes):
            options = index.dialect_options
            options["postgresql"]["where"] = options["sqlite"]["where"]


def columns(table: Table, value: type[attrs.AttrsInstance]) -> list[Column[Any]]:
    """
    List the columns that a statement has to read for its rows to become a value, by the names of its fields.

    :raises KeyError: the table has no column for a field that has no default.
    """
    return [
        table.c[field.name]
        for field in attrs.fields(value)
        if field.name in table.c or field.default is attrs.NOTHING
    ]
