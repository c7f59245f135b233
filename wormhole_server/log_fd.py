"""
The relay's usage records as JSON lines on a file descriptor: `--log-fd`.

Owns the form of a line, which is what the relay that operators come from writes: one line for a pair, one
for a connection that was never in one. Whatever becomes of the descriptor, the relay goes on.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable

from twisted.logger import Logger

from transit_relay.observer import ConnectionRecord, Mood
from wormhole_server.blur import blur_size, blur_time

_log = Logger()


class LogFd:
    """
    Writes lines to a descriptor that somebody else has opened, and may share with others.

    :ivar blur_seconds: how to round what is written, see `wormhole_server.blur`. May be changed.
    :param lost: is told how many lines could not be written.
    """

    def __init__(
        self, descriptor: int, blur_seconds: float | None, lost: Callable[[int], None]
    ) -> None:
        self._descriptor = descriptor
        self.blur_seconds = blur_seconds
        self._lost = lost
        self._complained = False

    def record(self, record: ConnectionRecord) -> None:
        """Write the line for a connection, unless its buddy's line says it all."""
        if record.mood is Mood.JILTED:
            return
        line = f"{json.dumps(self._values(record))}\n".encode()
        try:
            if not self._has_room():
                self._lose("nobody reads what is written to it")
            elif os.write(self._descriptor, line) == len(line):
                self._complained = False
            else:
                self._lose("it is full")
        except OSError as error:
            self._lose(error.strerror or "it fails")

    def _has_room(self) -> bool:
        """
        Whether a line can be written without waiting.

        Made non-blocking, the descriptor would be so for everybody who shares it, the shell for one. A
        pipe that polls as writable takes PIPE_BUF bytes at least, which is more than a line.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(0))

    def _lose(self, why: str) -> None:
        self._lost(1)
        if not self._complained:
            # Once is enough until it goes well again.
            self._complained = True
            _log.warn(
                "Cannot write usage records to file descriptor {descriptor}: {why}.",
                descriptor=self._descriptor,
                why=why,
            )

    def _values(self, record: ConnectionRecord) -> dict[str, object]:
        told = record.pair or record
        waiting = told.waiting_seconds
        step = self.blur_seconds
        return {
            "started": blur_time(told.started, step),
            "total_time": blur_time(told.total_seconds, step),
            "waiting_time": None if waiting is None else blur_time(waiting, step),
            "total_bytes": blur_size(told.bytes, step),
            "mood": record.mood.value,
        }
