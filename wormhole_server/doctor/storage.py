"""
The database: whether it is there and ours, where it lies, and whether it keeps what it is given.

Owns what is asked of SQLite's file and its surroundings, and of PostgreSQL. Changes nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from wormhole_server.backups.rows import told
from wormhole_server.database_url import masked
from wormhole_server.doctor.case import Case
from wormhole_server.doctor.clock import judged
from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.durations import Bytes, format_size
from wormhole_server.errors import StartError
from wormhole_server.existing import snapshot
from wormhole_server.migrate import newest_revision

_MIB = 1 << 20
# What a busy day writes, usage records included, is some hundred MiB.
_LITTLE_DISK = 100 * _MIB
_ENOUGH_DISK = 1024 * _MIB
# SQLite starts it anew at 4 MiB; it grows on while somebody reads an old state.
_LARGE_LOG = 64 * _MIB
# Their locks, or their flushes, are not what SQLite builds upon.
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs")

_TABLES = (
    "nameplates",
    "mailboxes",
    "messages",
    "nameplate_usage",
    "mailbox_usage",
    "client_usage",
)


def storage(case: Case) -> Iterator[Finding]:
    """Look at the database and around it."""
    url = case.settings.database
    sqlite = url.get_backend_name() == "sqlite"
    path = Path(url.database or "").absolute()
    if sqlite and not path.exists():
        yield from _not_there(path)
        return
    try:
        with snapshot(url) as (connection, revision):
            yield _schema(revision)
            counts = {name: _count(connection, name) for name in (*_TABLES, "relay_usage")}
            yield ok("database", f"{masked(url)} answers: {told(counts)}")
            if not sqlite:
                yield from _postgres(case, connection)
    except StartError as error:
        # The finding has its name in front already.
        said = str(error).removeprefix("database: ")
        what, _, mend = said.rpartition("; ")
        yield failure("database", what or said, mend)
    if sqlite:
        yield from _around(path)


def _count(connection: Connection, table: str) -> int:
    return int(
        connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
    )


def _schema(revision: str) -> Finding:
    newest = newest_revision()
    if revision == newest:
        return ok("schema", f"{revision}, as this program needs it")
    return warning(
        "schema",
        f"{revision}; this program needs {newest}",
        "restart the server with this version, or run wormhole-server migrate "
        "(--dry-run says what that does)",
    )


def _not_there(path: Path) -> Iterator[Finding]:
    if not path.parent.is_dir():
        yield failure("database", f"there is no directory {path.parent}", f"mkdir -p {path.parent}")
    elif not os.access(path.parent, os.W_OK):
        yield failure(
            "database",
            f"this user may not write to {path.parent}",
            f"chown it to the user that the server runs as, or run this as that user: {path.parent}",
        )
    else:
        yield warning(
            "database",
            f"there is no {path} yet",
            "start the server, which makes it; or give --database, or the --config that it has",
        )
        yield _disk(path)


def _around(path: Path) -> Iterator[Finding]:
    yield _disk(path)
    log = Path(f"{path}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LARGE_LOG:
        yield warning(
            "write-ahead log",
            f"{log} has {size // _MIB} MiB",
            "somebody has been reading for long: end that sqlite3 shell, or what copies the file",
        )
    else:
        yield ok("write-ahead log", format_size(Bytes(size)))
    yield _permissions(path)
    kind = _file_system(path)
    if kind in _REMOTE:
        yield failure(
            "file system",
            f"{path} lies on {kind}, where SQLite's locks do not hold",
            "move it to a local disk, or use PostgreSQL",
        )


def _disk(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    shown = f"{free // _MIB:,} MiB are free for {path.name} in {path.parent}"
    if free < _LITTLE_DISK:
        return failure(
            "disk", shown, "make room: without any, every command of a client is refused"
        )
    if free < _ENOUGH_DISK:
        return warning("disk", shown, "make room, or keep usage records for less (usage-retention)")
    return ok("disk", shown)


def _permissions(path: Path) -> Finding:
    beside = [path, *(Path(f"{path}{end}") for end in ("-wal", "-shm"))]
    unwritable = [
        each for each in (path.parent, *beside) if each.exists() and not os.access(each, os.W_OK)
    ]
    if unwritable:
        return failure(
            "permissions",
            f"this user may not write to {unwritable[0]}",
            "chown it to the user that the server runs as, or run this as that user",
        )
    open_to_all = path.stat().st_mode & stat.S_IROTH and all(
        each.stat().st_mode & stat.S_IXOTH for each in path.parents
    )
    if open_to_all:
        return warning(
            "permissions",
            f"every user of this machine can read {path}",
            f"chmod o-rwx {path}, and give the server a umask of 077",
        )
    return ok("permissions", "only who should can read and write the file")


def _file_system(path: Path) -> str:
    """Of the mount that the file is on; an empty text where that cannot be told."""
    try:
        mounts = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    best = ("", "")
    for line in mounts:
        _, place, kind, *_ = line.split(" ")
        if path.is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1]


def _postgres(case: Case, connection: Connection) -> Iterator[Finding]:
    before = case.now()
    there = connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    half = (before + case.now()) / 2
    # Instances compare what they have written with their own clocks.
    yield judged("clock of PostgreSQL", half - float(there), tolerance=2.0)
    if connection.execute(sa.text("SELECT pg_is_in_recovery()")).scalar_one():
        yield failure(
            "PostgreSQL",
            "is a standby, which takes no writes",
            "name all hosts in the URL and add target_session_attrs=read-write",
        )
    unsafe = [
        name
        for name in ("fsync", "synchronous_commit", "full_page_writes")
        if connection.execute(sa.text(f"SHOW {name}")).scalar_one() == "off"
    ]
    if unsafe:
        yield warning(
            "PostgreSQL",
            f"{', '.join(unsafe)} is off: what clients were answered can be lost with the power",
            f"ALTER SYSTEM RESET {unsafe[0]}, and reload",
        )
    else:
        yield ok("PostgreSQL", "has on its disk what it has committed")
