"""
The commands `wormhole-server backup FILE` and `wormhole-server restore FILE`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments, Parameter
from wormhole_server.config.database_url import masked
from wormhole_server.config.sources import Loaded
from wormhole_server.errors import StartError

# Stands for standard output or input, the simplest way out of a container and into one.
_STREAM = "-"


def _backup(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:
    # Only these two commands need all this, which is slow to import.
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    from wormhole_server.database.backups import rows  # noqa: PLC0415
    from wormhole_server.database.backups.atomic_file import atomic_file  # noqa: PLC0415
    from wormhole_server.database.backups.backup import back_up  # noqa: PLC0415

    url = loaded.settings.database_url
    name = arguments["FILE"]
    try:
        if name == _STREAM:
            with tempfile.TemporaryDirectory(prefix="wormhole-backup-") as directory:
                path = Path(directory) / "backup.db"
                path.touch(mode=0o600)
                counts = back_up(url, path)
                with path.open("rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)
                sys.stdout.buffer.flush()
        else:
            with atomic_file(Path(name), replace="--force" in arguments) as path:
                counts = back_up(url, path)
    except StartError as error:
        terminal.say(str(error))
        return ExitStatus.FAILED
    out = terminal.err if name == _STREAM else terminal.out
    print(f"Backed up {masked(url)}: {rows.describe_counts(counts)}.", file=out)
    return ExitStatus.OK


def _restore(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:
    import shutil  # noqa: PLC0415 - see `_backup`
    import tempfile  # noqa: PLC0415

    from wormhole_server.database.backups import rows  # noqa: PLC0415
    from wormhole_server.database.backups.restore import restore  # noqa: PLC0415
    from wormhole_server.database.revisions import newest_revision  # noqa: PLC0415

    url = loaded.settings.database_url
    replace = "--force" in arguments
    name = arguments["FILE"]
    try:
        if name == _STREAM:
            with tempfile.NamedTemporaryFile(prefix="wormhole-restore-") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
                file.flush()
                restored = restore(Path(file.name), url, replace=replace)
        else:
            restored = restore(Path(name), url, replace=replace)
    except StartError as error:
        terminal.say(str(error))
        return ExitStatus.FAILED
    newest = newest_revision()
    older = "" if restored.revision == newest else f" (schema {restored.revision}, now {newest})"
    print(
        f"Restored {masked(url)}: {rows.describe_counts(restored.counts)}{older}.",
        file=terminal.out,
    )
    if any(restored.replaced.values()):
        print(f"Deleted: {rows.describe_counts(restored.replaced)}.", file=terminal.out)
    return ExitStatus.OK


BACKUP = ServerCommand(
    "backup",
    "Write the whole database to one file, while servers run.",
    _backup,
    (
        Parameter("FILE", "The file to write; - is standard output.", required=True),
        Parameter("--force", "Replace FILE if it exists."),
    ),
)
RESTORE = ServerCommand(
    "restore",
    "Restore a backup into the database, SQLite or PostgreSQL, while no server uses it.",
    _restore,
    (
        Parameter("FILE", "The backup to read; - is standard input.", required=True),
        Parameter("--force", "Delete the contents of the database first, if it is not empty."),
    ),
)
