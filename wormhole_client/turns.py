"""
The turns of a wormhole: while one lasts the machines settle, then the journal is written, and only
then the server hears of it. Owns the commands that wait for the end of the turn.
"""

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from wormhole_client import wire
from wormhole_client.memory import Journal, Memory


class Turns:
    """`with turns:` around every entry; turns within a turn are part of it."""

    _log = Logger()

    def __init__(
        self,
        memory: Memory,
        journal: Journal | None,
        transmit: Callable[[bytes], None],
        unwritten: Callable[[Exception], None],
    ) -> None:
        self._memory = memory
        self._journal = journal
        self._transmit = transmit
        self._unwritten = unwritten
        self._written = ""
        self._depth = 0
        self._outbox: list[bytes] = []

    def say(self, kind: str, **keys: Any) -> None:
        """A command for the server, sent when the turn ends."""
        self._outbox.append(wire.command(kind, **keys))

    def forget(self) -> None:
        """The connection is lost; what matters will be said again."""
        self._outbox.clear()

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._settle()

    def _settle(self) -> None:
        outbox, self._outbox = self._outbox, []
        if self._journal is not None and (memory := self._memory.dump()) != self._written:
            try:
                self._journal(memory)
            except Exception as error:  # whatever it does, the server must not be told
                self._log.failure("the journal cannot be written")
                self._journal = None
                self._unwritten(error)
                return
            self._written = memory
        for text in outbox:
            self._transmit(text)
