"""
The command `wormhole-server usage`: reports the usage records by day, app or client.

A composition root: takes the process's clock.
"""

from __future__ import annotations

from time import time as epoch_seconds  # noqa: TID251

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments, Parameter
from wormhole_server.config.quoting import quoted
from wormhole_server.config.sources import Loaded
from wormhole_server.errors import StartError

# Days. A month shows a trend.
_DAYS = "30"
_MOST_DAYS = 36500


def _usage(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:
    # Only this command needs the report, which is slow to import.
    from wormhole_server.database.access import open_current_snapshot  # noqa: PLC0415
    from wormhole_server.metrics.history import DAY  # noqa: PLC0415
    from wormhole_server.usage.report.statistics import Grouping, read_statistics  # noqa: PLC0415
    from wormhole_server.usage.report.tables import as_csv, as_table  # noqa: PLC0415

    days, word = arguments.get("--days") or _DAYS, arguments.get("--by") or Grouping.DAY.value
    problems = []
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= _MOST_DAYS):
        problems.append(
            f"--days: {quoted(days)} is not a number of days; write one from 1 to {_MOST_DAYS}"
        )
    if word not in {by.value for by in Grouping}:
        words = ", ".join(by.value for by in Grouping)
        problems.append(f"--by: {quoted(word)} is not a grouping; write one of {words}")
    for problem in problems:
        terminal.say(problem)
    if problems:
        return ExitStatus.UNUSABLE
    today = epoch_seconds() // DAY
    since = (today - int(days) + 1) * DAY
    try:
        with open_current_snapshot(loaded.settings.database_url) as connection:
            groups = read_statistics(connection, Grouping(word), since)
    except StartError as error:
        terminal.say(str(error))
        return ExitStatus.FAILED
    if "--csv" in arguments:
        print(as_csv(groups, Grouping(word)), end="", file=terminal.out)
    elif not groups:
        print(f"There are no usage records for the last {days} days.", file=terminal.out)
    else:
        for line in as_table(groups, Grouping(word)):
            print(line, file=terminal.out)
    return ExitStatus.OK


USAGE = ServerCommand(
    "usage",
    "Report the usage records: exchanges and how they ended, clients, relayed bytes.",
    _usage,
    (
        Parameter(
            "--days", f"How many days to report, including today (UTC). [default: {_DAYS}]", "N"
        ),
        Parameter("--by", "Group the records by this. [default: day]", "day|app|client"),
        Parameter("--csv", "Print CSV, with plain numbers."),
    ),
)
