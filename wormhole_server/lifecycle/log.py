"""
The log of `wormhole-server run`: each event on stderr, as text, for systemd's journal or as JSON.

Owns the formats, and which events are written. twistd and twist have logs of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    formatTime,
)

from wormhole_server.config.groups.running import LogFormat, RunningSettings
from wormhole_server.config.quoting import printable
from wormhole_server.lifecycle.standard_streams import ERROR_PRIORITY, with_priority

# Those of syslog(3).
_PRIORITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: ERROR_PRIORITY,
    LogLevel.critical: 2,
}

# Of Twisted itself: which ports start and stop is said again by the server, and its signals are no news.
_TWISTED = ("twisted", "log_legacy")

_PROGRAM = "wormhole-server"


class LogOutput:
    """
    Writes events to a stream, in the format and from the level on that the settings say.

    :param journal: whether systemd's journal reads the stream.
    :ivar observer: takes the events.
    """

    def __init__(self, stream: IO[str], settings: RunningSettings, *, journal: bool) -> None:
        self._stream = stream
        self._automatic = LogFormat.JOURNAL if journal else LogFormat.TEXT
        self._levels = LogLevelFilterPredicate()
        self._write = FileLogObserver(stream, self._form)
        self.observer = FilteringLogObserver(self._write, [self._levels])
        self.change(settings)

    def change(self, settings: RunningSettings) -> None:
        """Write what follows as these settings say."""
        wanted = settings.log_format
        self._format = self._automatic if wanted is LogFormat.AUTO else wanted
        level = LogLevel.levelWithName(settings.log_level)
        self._shows_info = level <= LogLevel.info
        self._levels.setLogLevelForNamespace("", level)
        for namespace in _TWISTED:
            least = level if level is LogLevel.debug else max(level, LogLevel.warn)
            self._levels.setLogLevelForNamespace(namespace, least)

    @property
    def is_informal(self) -> bool:
        """Whether lines that are no events may stand between them, because people read them."""
        return self._format is LogFormat.TEXT and self._shows_info

    def _form(self, event: LogEvent) -> str:
        return _FORMS[self._format](event)

    def say(self, line: str) -> None:
        """Write an error message of the program, whatever the level."""
        if self._format is LogFormat.TEXT:
            self._stream.write(f"{_PROGRAM}: {line}\n")
        else:
            Logger(_PROGRAM, observer=self._write).error("{line}", line=line)


def format_text(event: LogEvent) -> str:
    """`2026-01-31T12:00:00+0000 warn rendezvous.ledger: what happened`, with its traceback indented below."""
    time = formatTime(event.get("log_time"))
    return "".join(f"{line}\n" for line in _lines(event, f"{time} {_level(event).name} "))


def format_journal(event: LogEvent) -> str:
    """`<4>rendezvous.ledger: what happened` (sd-daemon(3)), and the same before each line of a traceback."""
    priority = _PRIORITIES[_level(event)]
    return "".join(f"{with_priority(line, priority)}\n" for line in _lines(event, ""))


def format_json(event: LogEvent) -> str:
    """One object on a line: `time` (RFC 3339, UTC), `level`, `logger`, `message`, and any `traceback`."""
    time = datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds")
    record = {
        "time": time.replace("+00:00", "Z"),
        "level": _level(event).name,
        "logger": _logger(event),
        "message": formatEvent(event),
    }
    if (failure := event.get("log_failure")) is not None:
        record["traceback"] = failure.getTraceback()
    return f"{json.dumps(record)}\n"


_FORMS: dict[LogFormat, Callable[[LogEvent], str]] = {
    LogFormat.TEXT: format_text,
    LogFormat.JOURNAL: format_journal,
    LogFormat.JSON: format_json,
}


def _level(event: LogEvent) -> LogLevel:
    level: LogLevel = event.get("log_level", LogLevel.info)
    return level


def _logger(event: LogEvent) -> str:
    return str(event.get("log_namespace", "-"))


def _lines(event: LogEvent, head: str) -> list[str]:
    # A message may contain what a client sent; it must not begin a new line.
    lines = [f"{head}{_logger(event)}: {printable(formatEvent(event))}"]
    failure = event.get("log_failure")
    if failure is not None:
        lines += (f"    {each}" for each in failure.getTraceback().splitlines())
    return lines
