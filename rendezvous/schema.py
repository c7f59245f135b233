"""
The tables. Owns names, types and indexes; who reads and writes them are `mailboxes` and its neighbours.

Times are seconds since the epoch. A nameplate and a mailbox have at most two sides each, so the sides
are columns, not rows of their own: one look tells all that a rule needs.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

# PostgreSQL would name constraints by itself, SQLite would not: a migration needs the same on both.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    }
)

# SQLite makes a rowid of INTEGER alone, PostgreSQL a 64-bit sequence of BIGINT.
_Key = BigInteger().with_variant(Integer, "sqlite")

nameplates = Table(
    "nameplates",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("app", Text, nullable=False),
    # The length of `name`: puts names into the order of their numbers, whatever the collation.
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

mailboxes = Table(
    "mailboxes",
    metadata,
    # Never given twice, so that what is left of a mailbox cannot show up in another.
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("app", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    # The nameplate that points here, where one ever did.
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
    # Of `mailboxes`, or of `discarded_mailboxes`: a large one is emptied after it has gone.
    Column("mailbox_id", _Key, nullable=False),
    # From 1, without gaps, in the order of the commits.
    Column("number", Integer, nullable=False),
    Column("side", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("body", Text, nullable=False),
    # JSON, as the client wrote it.
    Column("message_id", Text, nullable=False),
    Column("received", Double, nullable=False),
    PrimaryKeyConstraint("mailbox_id", "number"),
    sqlite_with_rowid=False,
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
