"""
`wormhole-server usage`: what the usage records say, by day, app or client.

A composition root: it takes the process's clock.
"""

from __future__ import annotations

from twisted.python.runtime import seconds as epoch_seconds

from wormhole_server.commands.command import Arguments, Command, Parameter, Status, Terminal
from wormhole_server.errors import StartError
from wormhole_server.sources import Loaded
from wormhole_server.words import quoted

# A month is what trends are seen in.
_DAYS = "30"
_MOST_DAYS = 36500


def _usage(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:
    # No other command pays for what only this one needs.
    from wormhole_server.existing import reading  # noqa: PLC0415
    from wormhole_server.usage_report.figures import DAY_SECONDS, By, figures  # noqa: PLC0415
    from wormhole_server.usage_report.tables import as_csv, as_table  # noqa: PLC0415

    days, word = arguments.get("--days") or _DAYS, arguments.get("--by") or By.DAY.value
    problems = []
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= _MOST_DAYS):
        problems.append(f"--days: {quoted(days)} is not a number of days from 1 to {_MOST_DAYS}")
    if word not in {by.value for by in By}:
        words = ", ".join(by.value for by in By)
        problems.append(f"--by: {quoted(word)} is none of {words}; write one of them")
    for problem in problems:
        terminal.say(problem)
    if problems:
        return Status.UNUSABLE
    today = epoch_seconds() // DAY_SECONDS
    since = (today - int(days) + 1) * DAY_SECONDS
    try:
        with reading(loaded.settings.database) as connection:
            groups = figures(connection, By(word), since)
    except StartError as error:
        terminal.say(str(error))
        return Status.FAILED
    if "--csv" in arguments:
        print(as_csv(groups, By(word)), end="", file=terminal.out)
    elif not groups:
        print(f"There are no usage records of the last {days} days.", file=terminal.out)
    else:
        for line in as_table(groups, By(word)):
            print(line, file=terminal.out)
    return Status.OK


USAGE = Command(
    "usage",
    "Report the usage records: exchanges and how they ended, clients, relayed bytes.",
    _usage,
    (
        Parameter("--days", f"How many days to look back, today (UTC) among them; {_DAYS}.", "N"),
        Parameter("--by", "What a line is about; day.", "day|app|client"),
        Parameter("--csv", "As CSV, with plain numbers."),
    ),
)
