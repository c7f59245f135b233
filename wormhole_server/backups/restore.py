"""
A backup back into a database: all of it, or nothing is changed.

Owns the order: the file is copied and checked, the copy is brought to this program's schema, and then, in
one transaction of a database that nobody else uses, its rows take the place of what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from rendezvous.database import open_engine
from wormhole_server.backups import rows
from wormhole_server.backups.contents import check_file
from wormhole_server.backups.exclusive import alone
from wormhole_server.database_url import masked
from wormhole_server.errors import StartError
from wormhole_server.migrate import current_revision, migrate, migrate_to
from wormhole_server.ownership import owned_as_directory
from wormhole_server.sqlite_copy import private_copy


@attrs.frozen
class Restored:
    """
    What was done.

    :ivar counts: rows that are there now, by the name of the table.
    :ivar replaced: rows that were there before.
    :ivar revision: the schema that the backup was written with.
    """

    counts: Mapping[str, int]
    replaced: Mapping[str, int]
    revision: str


def restore(path: Path, url: URL, *, replace: bool) -> Restored:
    """
    Put what is in the backup into the database, making its tables where there are none.

    :param replace: whether the database may have rows already; they are deleted then.
    :raises StartError: the file is no backup or is damaged; somebody uses the database; it has rows and
        may not have; it cannot be reached. Nothing has been changed.
    """
    # Without whatever may be going on around the file, and to be migrated without touching it.
    with private_copy(path, "name one that wormhole-server backup has written") as copy:
        contents = check_file(copy, str(path))
        source = open_engine(sa.URL.create("sqlite", database=str(copy)))
        target = open_engine(url)
        try:
            migrate(source)
            with owned_as_directory(url):
                return _restore(source, target, contents.revision, replace=replace)
        finally:
            source.dispose()
            target.dispose()


def _restore(source: Engine, target: Engine, revision: str, *, replace: bool) -> Restored:
    where = masked(target.url)
    with source.connect() as old, alone(target) as new:
        # Refuses what is newer, or somebody else's.
        current_revision(new, where)
        migrate_to(new, "head")
        which = rows.tables(old)
        replaced = rows.count(new, which)
        if any(replaced.values()) and not replace:
            raise StartError(
                f"database: {where} is not empty ({rows.told(replaced)}); give --database an empty "
                "one, or add --force to delete what is there"
            )
        rows.empty(new, which)
        rows.copy(old, new, which)
        counts = rows.count(new, which)
    return Restored(counts, replaced, revision)
