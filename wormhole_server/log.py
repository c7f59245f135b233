"""
The log of `wormhole-server run`: one plain line an event on stderr, a traceback below it where there is one.

Owns the format. twistd and twist have formats of their own.
"""

from __future__ import annotations

from typing import IO

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    formatTime,
)

from wormhole_server.words import printable


def observer(stream: IO[str], level: str) -> ILogObserver:
    """Writes to `stream` what is at least as grave as `level`, a name that `LogLevel` knows."""
    enough = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(level))
    return FilteringLogObserver(FileLogObserver(stream, format_line), [enough])


def format_line(event: LogEvent) -> str:
    """`2026-01-31T12:00:00+0000 warn rendezvous.ledger: what happened`"""
    level = event.get("log_level", LogLevel.info)
    namespace = event.get("log_namespace", "-")
    # Whatever somebody manages to get into a message, it stays within its line.
    text = printable(formatEvent(event))
    line = f"{formatTime(event.get('log_time'))} {level.name} {namespace}: {text}\n"
    failure = event.get("log_failure")
    if failure is not None:
        line += "".join(f"    {each}\n" for each in failure.getTraceback().splitlines())
    return line
