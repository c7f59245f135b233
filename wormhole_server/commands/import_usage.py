"""
`wormhole-server import-usage FILE`: the usage records of the servers that came before this one.

A composition root: it takes the process's clock.
"""

from __future__ import annotations

import time
from pathlib import Path

from twisted.python.runtime import seconds as epoch_seconds

from wormhole_server.commands.command import Arguments, Command, Parameter, Status, Terminal
from wormhole_server.errors import StartError
from wormhole_server.sources import Loaded


def _import_usage(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:
    # No other command pays for what only this one needs.
    from wormhole_server.usage_import.importing import Importer  # noqa: PLC0415

    settings = loaded.settings
    importer = Importer(
        blur_seconds=settings.blur_usage,
        retention_seconds=settings.usage_retention,
        leave_old="--leave-old" in arguments,
        now=epoch_seconds(),
        pause=time.sleep,
    )
    path = arguments["FILE"]
    try:
        imported = importer.take(Path(path), settings.database)
    except StartError as error:
        terminal.say(str(error))
        return Status.FAILED
    print(f"{path}: the usage database of {imported.program}.", file=terminal.out)
    for each in imported.outcomes:
        left_out = [
            f"{number:,} {why}"
            for number, why in (
                (each.known, "imported before"),
                (each.old, "older than usage-retention, left out"),
                (each.unreadable, "not understood, left out"),
            )
            if number
        ]
        line = "; ".join([f"{each.imported:,} imported", *left_out])
        print(f"  {each.kind.value}: {line}", file=terminal.out)
    return Status.OK


IMPORT_USAGE = Command(
    "import-usage",
    "Add the usage records of magic-wormhole-mailbox-server or magic-wormhole-transit-relay.",
    _import_usage,
    (
        Parameter(
            "FILE", "The database that the other server was given as --usage-db.", required=True
        ),
        Parameter("--leave-old", "Leave out what is older than --usage-retention."),
    ),
)
