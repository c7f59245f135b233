"""
Restoring a backup: all of it, or nothing is changed.

Owns the order: the file is copied and checked, the copy is migrated to this program's schema, and then its
rows replace those of the database, in one transaction beside which nobody else uses the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from rendezvous.database import open_engine
from wormhole_server.config.database_url import masked
from wormhole_server.database.backups import rows
from wormhole_server.database.backups.check import check_backup
from wormhole_server.database.files import new_file_owned_by_directory_owner, private_copy
from wormhole_server.database.locking import exclusive_transaction
from wormhole_server.database.migrate import migrate
from wormhole_server.database.revisions import current_revision, upgrade
from wormhole_server.errors import StartError


@attrs.frozen
class RestoreResult:
    """
    What a restore did.

    :ivar counts: the number of rows that are in the database now, by table.
    :ivar replaced: the number of rows that were deleted, by table.
    :ivar revision: the schema that the backup was written with.
    """

    counts: Mapping[str, int]
    replaced: Mapping[str, int]
    revision: str


def restore(path: Path, url: URL, *, replace: bool) -> RestoreResult:
    """
    Restore a backup, and create the tables where there are none.

    :param replace: whether rows that the database has may be deleted.
    :raises StartError: the file is not a backup or is damaged; another program uses the database; it has
        rows that may not be deleted; it cannot be reached. Nothing has been changed.
    """
    # The copy can be migrated without touching the backup.
    with private_copy(path, "name a file that wormhole-server backup has written") as copy:
        contents = check_backup(copy, str(path))
        source = open_engine(sa.URL.create("sqlite", database=str(copy)))
        target = open_engine(url)
        try:
            migrate(source)
            with new_file_owned_by_directory_owner(url):
                return _restore(source, target, contents.revision, replace=replace)
        finally:
            source.dispose()
            target.dispose()


def _restore(source: Engine, target: Engine, revision: str, *, replace: bool) -> RestoreResult:
    where = masked(target.url)
    with source.connect() as old, exclusive_transaction(target) as new:
        # Refuses a database that is newer, or another program's.
        current_revision(new, where)
        upgrade(new)
        tables = rows.reflect_tables(old)
        replaced = rows.count_rows(new, tables)
        if any(replaced.values()) and not replace:
            raise StartError(
                f"database: {where} is not empty ({rows.describe_counts(replaced)}); give --database "
                "an empty one, or add --force to delete what is in it"
            )
        rows.delete_rows(new, tables)
        rows.copy_rows(old, new, tables)
        counts = rows.count_rows(new, tables)
    return RestoreResult(counts, replaced, revision)
