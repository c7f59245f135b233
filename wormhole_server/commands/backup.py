"""
`wormhole-server backup FILE` and `wormhole-server restore FILE`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from wormhole_server.commands.command import Arguments, Command, Parameter, Status, Terminal
from wormhole_server.database_url import masked
from wormhole_server.errors import StartError
from wormhole_server.sources import Loaded

# Stands for standard output, or input: containers have no other way in and out.
_STREAM = "-"


def _backup(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:
    # No other command pays for what only these two need.
    from wormhole_server.backups import rows  # noqa: PLC0415
    from wormhole_server.backups.backup import back_up  # noqa: PLC0415
    from wormhole_server.backups.files import written  # noqa: PLC0415

    url = loaded.settings.database
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
            with written(Path(name), replace="--force" in arguments) as path:
                counts = back_up(url, path)
    except StartError as error:
        terminal.say(str(error))
        return Status.FAILED
    out = terminal.err if name == _STREAM else terminal.out
    print(f"Backed up {masked(url)}: {rows.told(counts)}.", file=out)
    return Status.OK


def _restore(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:
    from wormhole_server.backups import rows  # noqa: PLC0415
    from wormhole_server.backups.restore import restore  # noqa: PLC0415
    from wormhole_server.migrate import newest_revision  # noqa: PLC0415

    url = loaded.settings.database
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
        return Status.FAILED
    newest = newest_revision()
    older = "" if restored.revision == newest else f" (schema {restored.revision}, now {newest})"
    print(f"Restored {masked(url)}: {rows.told(restored.counts)}{older}.", file=terminal.out)
    if any(restored.replaced.values()):
        print(f"Deleted before: {rows.told(restored.replaced)}.", file=terminal.out)
    return Status.OK


BACKUP = Command(
    "backup",
    "Write all that is in the database to one file, while servers run.",
    _backup,
    (
        Parameter("FILE", "Where to; - is standard output.", required=True),
        Parameter("--force", "Replace FILE if it is there already."),
    ),
)
RESTORE = Command(
    "restore",
    "Put a backup back into the database, of whichever kind that is, while no server runs on it.",
    _restore,
    (
        Parameter("FILE", "What backup has written; - is standard input.", required=True),
        Parameter("--force", "Delete what is in the database first, if it is not empty."),
    ),
)
