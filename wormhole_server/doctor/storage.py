"""
The storage check: the database, its schema, the SQLite file and its surroundings, PostgreSQL's durability.

Changes nothing: it reads one snapshot of the database.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from rendezvous.sharing.disk import automatic_reserve
from wormhole_server.config.database_url import masked
from wormhole_server.config.durations import Bytes, format_size
from wormhole_server.database.access import check_undamaged, open_snapshot
from wormhole_server.database.backups.rows import describe_counts
from wormhole_server.database.revisions import newest_revision
from wormhole_server.database.sessions import check_sessions
from wormhole_server.doctor.clock import judge_clock
from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.doctor.target import Target
from wormhole_server.errors import StartError

_MIB = 1 << 20
# Bytes. A busy day, usage records included, takes a few hundred MiB.
_LITTLE_DISK = 100 * _MIB
_ENOUGH_DISK = 1024 * _MIB
# Bytes. SQLite reuses the log from 4 MiB on; it grows beyond that while a reader holds an old snapshot.
_LARGE_LOG = 64 * _MIB
# Network file systems, whose locks or flushes SQLite cannot rely on.
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs")

_TABLES = (
    "nameplates",
    "mailboxes",
    "messages",
    "nameplate_usage",
    "mailbox_usage",
    "client_usage",
)


def check_storage(target: Target) -> Iterator[Finding]:
    """Check the database; for SQLite also the file and its directory."""
    url = target.settings.database_url
    sqlite = url.get_backend_name() == "sqlite"
    path = Path(url.database or "").absolute()
    if sqlite and not path.exists():
        yield from _check_missing(path, target.settings.disk_reserve_bytes)
        return
    try:
        with open_snapshot(url) as (connection, revision):
            yield _judge_schema(revision)
            if sqlite:
                check_undamaged(connection)
            counts = {name: _count(connection, name) for name in (*_TABLES, "relay_usage")}
            yield ok("database", f"{masked(url)} answers: {describe_counts(counts)}")
            if not sqlite:
                yield from _check_postgres(target, connection)
    except StartError as error:
        # The finding begins with the name of the check.
        text = str(error).removeprefix("database: ")
        problem, _, fix = text.rpartition("; ")
        yield failure("database", problem or text, fix)
    if sqlite:
        yield from _check_file(path, target.settings.disk_reserve_bytes)


def _count(connection: Connection, table: str) -> int:
    return int(
        connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
    )


def _judge_schema(revision: str) -> Finding:
    newest = newest_revision()
    if revision == newest:
        return ok("schema", f"{revision}, which this program needs")
    return warning(
        "schema",
        f"{revision}; this program needs {newest}",
        "restart the server with this version, or run wormhole-server migrate "
        "(--dry-run says what that does)",
    )


def _check_missing(path: Path, reserve: int | None) -> Iterator[Finding]:
    if not path.parent.is_dir():
        yield failure(
            "database", f"the directory {path.parent} does not exist", f"mkdir -p {path.parent}"
        )
    elif not os.access(path.parent, os.W_OK):
        yield failure(
            "database",
            f"this user cannot write to {path.parent}",
            f"chown {path.parent} to the user that the server runs as, or run this as that user",
        )
    else:
        yield warning(
            "database",
            f"{path} does not exist yet",
            "start the server, which creates it, or give the --database or --config of the server",
        )
        yield _judge_disk(path, reserve)


def _check_file(path: Path, reserve: int | None) -> Iterator[Finding]:
    yield _judge_disk(path, reserve)
    log = Path(f"{path}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LARGE_LOG:
        yield warning(
            "write-ahead log",
            f"{log} has {size // _MIB} MiB: a process has held an old snapshot for long",
            "end the process that reads the file, such as an sqlite3 shell or a copy",
        )
    else:
        yield ok("write-ahead log", format_size(Bytes(size)))
    yield _judge_permissions(path)
    kind = _file_system(path)
    if kind in _REMOTE:
        yield failure(
            "file system",
            f"{path} is on {kind}, where SQLite's locks are not reliable",
            "move it to a local disk, or use PostgreSQL",
        )


def _judge_disk(path: Path, reserve: int | None) -> Finding:
    """:param reserve: see `BoundSettings.disk_reserve_bytes`."""
    disk = shutil.disk_usage(path.parent)
    if reserve is None:
        reserve = automatic_reserve(disk.total)
    text = (
        f"{disk.free // _MIB:,} MiB are free for {path.name} in {path.parent}; disk-reserve is "
        f"{reserve // _MIB:,} MiB"
    )
    if disk.free <= max(reserve, _LITTLE_DISK):
        return failure(
            "disk",
            text,
            "free some space: without it the server refuses new exchanges and messages",
        )
    if disk.free < max(2 * reserve, _ENOUGH_DISK):
        return warning("disk", text, "free some space, or lower usage-retention")
    return ok("disk", text)


def _judge_permissions(path: Path) -> Finding:
    beside = [path, *(Path(f"{path}{end}") for end in ("-wal", "-shm"))]
    unwritable = [
        each for each in (path.parent, *beside) if each.exists() and not os.access(each, os.W_OK)
    ]
    if unwritable:
        return failure(
            "permissions",
            f"this user cannot write to {unwritable[0]}",
            "chown it to the user that the server runs as, or run this as that user",
        )
    mode = path.stat().st_mode
    reachable = all(each.stat().st_mode & stat.S_IXOTH for each in path.parents)
    if mode & stat.S_IROTH and reachable:
        return warning(
            "permissions",
            f"every user of this machine can read {path}",
            f"chmod o-rwx {path}, and give the server a umask of 077",
        )
    group = " and its group" if mode & (stat.S_IRGRP | stat.S_IWGRP) else ""
    return ok("permissions", f"only the owner{group} can read and write the file")


def _file_system(path: Path) -> str:
    """Find the type of the file system that `path` is on; empty if the kernel does not tell."""
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


def _check_postgres(target: Target, connection: Connection) -> Iterator[Finding]:
    before = target.now()
    there = connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    half = (before + target.now()) / 2
    # Instances compare each other's times with their own clocks.
    yield judge_clock("clock of PostgreSQL", half - float(there), tolerance=2.0)
    if connection.execute(sa.text("SELECT pg_is_in_recovery()")).scalar_one():
        yield failure(
            "PostgreSQL",
            "is a standby, which accepts no writes",
            "name all hosts in the URL and add target_session_attrs=read-write",
        )
    else:
        # A standby allows no LISTEN.
        check_sessions(connection.engine)
    unsafe = [
        name
        for name in ("fsync", "synchronous_commit", "full_page_writes")
        if connection.execute(sa.text(f"SHOW {name}")).scalar_one() == "off"
    ]
    if unsafe:
        yield warning(
            "PostgreSQL",
            f"{', '.join(unsafe)} is off: a power failure can lose what clients were told is stored",
            f"ALTER SYSTEM RESET {unsafe[0]}, and reload",
        )
    else:
        yield ok("PostgreSQL", "writes commits to the disk")
