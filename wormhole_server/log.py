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


class Threshold:
    """What is grave enough for the log: a name that `LogLevel` knows. May be changed at any time."""

    def __init__(self, level: str) -> None:
        self.predicate = LogLevelFilterPredicate()
        self.set(level)

    def set(self, level: str) -> None:
        """Let through what is at least as grave as `level`."""
        self.predicate.setLogLevelForNamespace("", LogLevel.levelWithName(level))


def observer(stream: IO[str], threshold: Threshold) -> ILogObserver:
    """Writes to `stream` what passes."""
    return FilteringLogObserver(FileLogObserver(stream, format_line), [threshold.predicate])


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
