"""
Brings a database's schema to what this code expects: alembic's steps, run once, wholly or not at all.

Owns when steps are run, what would be run, the copy that is kept of a SQLite file before, and what is
refused: a database that is newer than the code, or that is somebody else's.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import attrs
import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from wormhole_server.database_url import masked
from wormhole_server.errors import StartError
from wormhole_server.ownership import give

# Of all instances that start at once on one PostgreSQL, one does the work; any number would do here.
LOCK = 4001_4000

_FOREIGN = "keeps something else"


@attrs.frozen
class Step:
    """A migration: its revision, and what it does, in its own words."""

    revision: str
    summary: str


@attrs.frozen
class Plan:
    """
    What `migrate` would do.

    :ivar current: the revision that the database has; None where there are no tables yet.
    :ivar newest: the one that this code needs.
    :ivar steps: oldest first; none where there is nothing to do.
    :ivar copy: where the file would be copied to before; None where it would not.
    """

    current: str | None
    newest: str
    steps: tuple[Step, ...]
    copy: Path | None


def migrate(engine: Engine) -> str | None:
    """
    Run the steps that the database lacks.

    :return: what was done, in a sentence; None where there was nothing to do.
    :raises StartError: the database cannot be reached, is newer than the code, or is somebody else's.
    """
    where = masked(engine.url)
    try:
        with engine.connect() as connection:
            return _migrate(connection, where)
    except SQLAlchemyError as error:
        raise StartError(f"database: {where} {why(engine, error)}") from error


def plan(engine: Engine) -> Plan:
    """
    What `migrate` would do; nothing is changed, not even a file made.

    :raises StartError: as `migrate`.
    """
    where = masked(engine.url)
    _, scripts = _scripts(None)
    path = Path(engine.url.database or "")
    if engine.dialect.name == "sqlite" and path.absolute().parent.is_dir() and not path.exists():
        current = None
    else:
        try:
            with engine.connect() as connection:
                current = _current(connection, scripts, where)
        except SQLAlchemyError as error:
            raise StartError(f"database: {where} {why(engine, error)}") from error
    steps = [
        Step(script.revision, " ".join((script.doc or "").split()))
        for script in scripts.iterate_revisions("head", current or "base")
    ]
    copied = engine.dialect.name == "sqlite" and current is not None and steps
    return Plan(
        current,
        newest_revision(),
        tuple(reversed(steps)),
        copy_path(str(path), current) if copied and current else None,
    )


def newest_revision() -> str:
    """The revision that this code needs."""
    _, scripts = _scripts(None)
    return str(scripts.get_current_head())


def migrate_to(connection: Connection, revision: str) -> None:
    """
    Run the steps up to `revision`, in the transaction that `connection` is in; commits nothing.
    """
    config, scripts = _scripts(connection)

    def steps(current: object, _: object) -> object:
        return scripts._upgrade_revs(revision, current)  # type: ignore[arg-type]  # noqa: SLF001

    with EnvironmentContext(config, scripts, fn=steps, destination_rev=revision):
        scripts.run_env()


def migrate_back(connection: Connection, revision: str) -> None:
    """
    Undo the steps after `revision`, in the transaction that `connection` is in; commits nothing.
    """
    config, scripts = _scripts(connection)

    def steps(current: object, _: object) -> object:
        return scripts._downgrade_revs(revision, current)  # type: ignore[arg-type]  # noqa: SLF001

    with EnvironmentContext(config, scripts, fn=steps, destination_rev=revision):
        scripts.run_env()


def revisions() -> list[str]:
    """All that this code knows, oldest first."""
    _, scripts = _scripts(None)
    return [script.revision for script in scripts.walk_revisions()][::-1]


def current_revision(connection: Connection, where: str) -> str | None:
    """
    The revision of the database; None where it has no tables.

    :raises StartError: it is newer than the code, or somebody else's.
    """
    return _current(connection, _scripts(None)[1], where)


def _scripts(connection: Connection | None) -> tuple[Config, ScriptDirectory]:
    config = Config(attributes={"connection": connection})
    # The value is interpolated, whatever the program's directory is called.
    place = str(files("wormhole_server.migrations")).replace("%", "%%")
    config.set_main_option("script_location", place)
    return config, ScriptDirectory.from_config(config)


def _migrate(connection: Connection, where: str) -> str | None:
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    current = current_revision(connection, where)
    newest = newest_revision()
    if current == newest:
        connection.rollback()
        return None
    kept = _keep_copy(connection, current) if sqlite and current is not None else None
    migrate_to(connection, "head")
    connection.commit()
    if current is None:
        return f"made the tables of {where}"
    copy = f"; its state before is kept in {kept}" if kept else ""
    return f"brought {where} from schema {current} to {newest}{copy}"


def _current(connection: Connection, scripts: ScriptDirectory, where: str) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        tables = sa.inspect(connection).get_table_names()
        if set(tables) - {"alembic_version"}:
            raise StartError(
                f"database: {where} {_FOREIGN} (its tables: {', '.join(sorted(tables)[:5])}…); "
                "name one of its own"
            )
    elif current not in {script.revision for script in scripts.walk_revisions()}:
        raise StartError(
            f"database: {where} has schema {current}, which is newer than this program; "
            "start the version that wrote it, or a later one"
        )
    return current


def copy_path(database: str, current: str) -> Path:
    """Where a SQLite file is copied to before its schema is changed from `current`."""
    return Path(f"{database}.before-{current}")


def _keep_copy(connection: Connection, current: str) -> Path | None:
    """A consistent copy beside the file, made while the write lock is held: nobody writes meanwhile."""
    database = connection.engine.url.database
    if not database:
        return None
    copy = copy_path(database, current)
    # Before anything is in it: who may not read the file may not read its copy.
    copy.touch(mode=0o600)
    shutil.copymode(database, copy)
    give(copy, Path(database))
    with (
        closing(sqlite3.connect(database)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def why(engine: Engine, error: SQLAlchemyError) -> str:
    """What is wrong with the database and what to do, without what the driver says of values."""
    cause = getattr(error, "orig", None) or error
    # psycopg names the host and port, over several lines where it tried several addresses.
    first = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
    return (
        _why_sqlite(engine.url, first) if engine.dialect.name == "sqlite" else _why_postgres(first)
    )


def _why_postgres(first: str) -> str:
    if "read-only" in first:
        return (
            f"cannot be written to: {first}; name the primary, and see what "
            "default_transaction_read_only is there"
        )
    # These have answered.
    if "permission denied" in first:
        return (
            f"cannot be used: {first}; let this user own the database: ALTER DATABASE … OWNER TO …"
        )
    if 'database "' in first and "does not exist" in first:
        return f"cannot be used: {first}; make it: createdb --owner=USER NAME, or name another"
    if "password" in first:
        return f"does not let us in: {first}; check the user and the password in the URL"
    return f"does not answer: {first}; check that PostgreSQL runs there and lets this user in"


def _why_sqlite(url: URL, first: str) -> str:
    database = url.database or ""
    if "locked" in first:
        return "is locked by another program; stop that one first"
    if "not a database" in first:
        return f"{_FOREIGN}: it is no SQLite file; give --database another name"
    if "malformed" in first:
        return f"is damaged: {first}; stop the server, move the file away and restore a backup"
    if "full" in first:
        return f"cannot be used: {first}; free some space there"
    if not Path(database).absolute().parent.is_dir():
        parent = Path(database).absolute().parent
        return (
            f"cannot be made: there is no directory {parent}; make that, or give --database another"
        )
    return f"cannot be used: {first}; check that this user may write to the file and its directory"
