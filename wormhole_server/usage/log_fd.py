"""
Usage records as JSON lines on a file descriptor: `--log-fd`.

Owns the form of a line, which is that of magic-wormhole-transit-relay: one line for a pair, and one for a
connection that was never in a pair. A descriptor that fails never stops the relay.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable

from twisted.logger import Logger

from transit_relay.observer import ConnectionRecord, RelayMood

_log = Logger()


class LogFdWriter:
    """
    Writes records to a descriptor that another program has opened, and may share.

    :param lost: takes how many records could not be written.
    """

    def __init__(self, descriptor: int, lost: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._lost = lost
        self._warned = False

    def write(self, record: ConnectionRecord) -> None:
        """Write the line of a connection, unless its buddy's line is that of the pair."""
        if record.mood is RelayMood.JILTED:
            return
        line = f"{json.dumps(_values(record))}\n".encode()
        try:
            if not self._has_room():
                self._lose("no program reads from it")
            elif os.write(self._descriptor, line) == len(line):
                self._warned = False
            else:
                self._lose("it is full")
        except OSError as error:
            self._lose(error.strerror or "writing fails")

    def _has_room(self) -> bool:
        """
        Find out whether a line can be written without waiting.

        The descriptor cannot be made non-blocking: that would hold for every program that shares it, such
        as the shell. A pipe that polls as writable takes at least PIPE_BUF bytes, more than a line.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(0))

    def _lose(self, why: str) -> None:
        self._lost(1)
        # Once until a line has been written again.
        if not self._warned:
            self._warned = True
            _log.warn(
                "Cannot write usage records to file descriptor {descriptor}: {why}.",
                descriptor=self._descriptor,
                why=why,
            )


def _values(record: ConnectionRecord) -> dict[str, object]:
    subject = record.pair or record
    return {
        "started": subject.started,
        "total_time": subject.total_seconds,
        "waiting_time": subject.waiting_seconds,
        "total_bytes": subject.bytes,
        "mood": record.mood.value,
    }
