"""
Which usage records of other servers have been imported.

Owns their table. A usage database only ever grows at its end, so a file is known by its beginning: for each
table that was imported stand here the number of its records, and a digest of them all. A file that begins
with these is the same one, whatever it is called and however much it has grown since.
"""

from __future__ import annotations

import sqlalchemy as sa

from rendezvous.schema import metadata

# SQLite makes a rowid of INTEGER alone, PostgreSQL a 64-bit sequence of BIGINT.
_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")

usage_imports = sa.Table(
    "usage_imports",
    metadata,
    sa.Column("id", _KEY, primary_key=True, autoincrement=True),
    # `formats.Kind`.
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    # Seconds since the epoch.
    sa.Column("imported", sa.Double, nullable=False),
    sa.UniqueConstraint("kind", "digest"),
)
