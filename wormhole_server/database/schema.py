"""
The whole schema: the rendezvous server's tables, and those of usage records beside them.

Owns the columns of the latter: relay connections, and what was imported. `rendezvous.rules.schema` has the
others.
"""

from __future__ import annotations

import sqlalchemy as sa

from rendezvous.rules import schema

metadata = schema.metadata

# SQLite makes a rowid of INTEGER only; PostgreSQL makes a 64-bit sequence of BIGINT.
_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# In place of a `ConnectionKind` where another server did not note it: in imported records.
UNKNOWN_END = "unknown"

relay_usage = sa.Table(
    "relay_usage",
    metadata,
    sa.Column("id", _KEY, primary_key=True, autoincrement=True),
    # `transit_relay.observer.ConnectionKind`, or `UNKNOWN_END`.
    sa.Column("end", sa.Text, nullable=False),
    # Seconds since the epoch.
    sa.Column("started", sa.Double, nullable=False),
    sa.Column("waiting_seconds", sa.Double),
    sa.Column("total_seconds", sa.Double, nullable=False),
    # `transit_relay.observer.RelayMood`.
    sa.Column("mood", sa.Text, nullable=False),
    # Relayed from this connection: the sum over all rows is the traffic.
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Index(None, "started"),
)

usage_imports = sa.Table(
    "usage_imports",
    metadata,
    sa.Column("id", _KEY, primary_key=True, autoincrement=True),
    # `wormhole_server.usage.imports.formats.RecordKind`.
    sa.Column("kind", sa.Text, nullable=False),
    # How many records of a file were imported, and the digest of them all.
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    # Seconds since the epoch.
    sa.Column("imported", sa.Double, nullable=False),
    sa.UniqueConstraint("kind", "digest"),
)
