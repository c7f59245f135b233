"""
The command `wormhole-server import-usage FILE`: imports the usage records of the older servers.

A composition root: takes the process's clock.
"""

from __future__ import annotations

import time
from pathlib import Path

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments, Parameter
from wormhole_server.config.sources import Loaded
from wormhole_server.errors import StartError


def _import_usage(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:
    # Only this command needs the import, which is slow to import itself.
    from wormhole_server.usage.imports.importer import UsageImporter  # noqa: PLC0415

    settings = loaded.settings
    importer = UsageImporter(
        blur_seconds=settings.blur_usage,
        retention_seconds=settings.usage_retention,
        leave_old="--leave-old" in arguments,
        now=time.time(),  # noqa: TID251
        pause=time.sleep,
    )
    path = arguments["FILE"]
    try:
        imported = importer.import_file(Path(path), settings.database_url)
    except StartError as error:
        terminal.say(str(error))
        return ExitStatus.FAILED
    print(f"{path}: a usage database of {imported.program}.", file=terminal.out)
    for each in imported.counts:
        skipped = [
            f"{number:,} {why}"
            for number, why in (
                (each.known, "imported before"),
                (each.old, "skipped: older than usage-retention"),
                (each.unreadable, "skipped: not valid"),
            )
            if number
        ]
        line = "; ".join([f"{each.imported:,} imported", *skipped])
        print(f"  {each.kind.value}: {line}", file=terminal.out)
    return ExitStatus.OK


IMPORT_USAGE = ServerCommand(
    "import-usage",
    "Add the usage records of magic-wormhole-mailbox-server or magic-wormhole-transit-relay.",
    _import_usage,
    (
        Parameter("FILE", "The --usage-db of the other server.", required=True),
        Parameter("--leave-old", "Skip what is older than --usage-retention."),
    ),
)
