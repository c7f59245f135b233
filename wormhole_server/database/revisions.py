"""
Schema revisions: which this program knows, which one a database has, and the migrations between them.

Owns every use of alembic, which is imported where a migration runs: most starts of a server need none. All
functions work on the caller's connection, in the transaction that it is in, and commit nothing.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import attrs
import sqlalchemy as sa
from sqlalchemy import Connection

from wormhole_server.database.schema import metadata
from wormhole_server.errors import StartError

if TYPE_CHECKING:
    from alembic.config import Config

# The table in which alembic keeps the revision.
_VERSIONS = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


@attrs.frozen
class Migration:
    """
    One step of the schema.

    :ivar revision: the schema that it leads to.
    :ivar summary: what it changes, from the head of its script.
    """

    revision: str
    summary: str


def known_revisions() -> list[str]:
    """Return the revisions that this program knows, oldest first: each script's name begins with its own."""
    names = [script.name for script in files("wormhole_server.migrations.versions").iterdir()]
    return sorted(name.partition("_")[0] for name in names if name[0].isdigit())


def newest_revision() -> str:
    """Return the revision that this program needs."""
    return known_revisions()[-1]


def pending_migrations(current: str | None) -> tuple[Migration, ...]:
    """
    List what `upgrade` runs on a database.

    :param current: the revision of the database; None where it has no tables.
    :return: oldest first; empty where there is nothing to do.
    """
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    directory = ScriptDirectory.from_config(_config(None))
    scripts = directory.iterate_revisions("head", current or "base")
    migrations = [
        Migration(script.revision, " ".join((script.doc or "").split())) for script in scripts
    ]
    return tuple(reversed(migrations))


def current_revision(connection: Connection, name: str) -> str | None:
    """
    Read the revision of a database.

    :param name: what error messages call the database.
    :return: None where it has no tables.
    :raises StartError: it is newer than this program, or belongs to another program.
    """
    tables = set(sa.inspect(connection).get_table_names())
    current = None
    if _VERSIONS.name in tables:
        current = connection.scalar(sa.select(_VERSIONS.c.version_num))
    if current is None:
        if tables := tables - {_VERSIONS.name}:
            raise StartError(
                f"database: {name} belongs to another program (its tables: "
                f"{', '.join(sorted(tables)[:5])}…); name a database of this program, or an empty one"
            )
    elif current not in known_revisions():
        raise StartError(
            f"database: {name} has schema {current}, which is newer than this program; "
            "start the version that wrote it, or a later one"
        )
    return current


def create(connection: Connection) -> None:
    """Create the tables of the newest revision in a database without tables."""
    metadata.create_all(connection)
    _VERSIONS.create(connection, checkfirst=True)
    connection.execute(sa.insert(_VERSIONS).values(version_num=newest_revision()))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision`."""
    from alembic import command  # noqa: PLC0415 - see above

    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Undo the migrations after `revision`. Data that the earlier schema has no place for is lost."""
    from alembic import command  # noqa: PLC0415 - see above

    command.downgrade(_config(connection), revision)


def _config(connection: Connection | None) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - see above

    # migrations/env.py takes the connection from here.
    config = Config(attributes={"connection": connection})
    # alembic interpolates the value, and the path of an installation may contain a percent sign.
    location = str(files("wormhole_server.migrations")).replace("%", "%%")
    config.set_main_option("script_location", location)
    return config
