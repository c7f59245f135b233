"""
Reading in turn: what a connection sends is read when it is the turn of its address.

Owns the task of a connection's reading, whatever its protocol does with the bytes: requests, bodies, opening
handshakes, handshakes of the relay, garbage, and what the relay moves from peer to peer. A client of the
rendezvous server takes turns by itself, message by message, once its connection is open.
"""

from __future__ import annotations

from typing import Final, cast

from twisted.internet.interfaces import ITransport
from twisted.internet.tcp import Connection

from wormhole_limits.scheduler import NOBODY, Scheduler, Task
from wormhole_twisted.internals import ReadHook, read_at_most, read_hook, tcp_below

_READ_BYTES: Final = 8192
"""Read at a time, as long as nobody asks for more: a request has less, and every line of it takes time."""


class ReadingInTurn(ReadHook):
    """
    The reading of one connection.

    :param block: of its address; see `ip_addresses.block_of`. None: it is not known yet.
    """

    __slots__ = ("_scheduler", "_task")

    def __init__(self, scheduler: Scheduler, transport: Connection, block: int | None) -> None:
        super().__init__(transport)
        read_at_most(transport, _READ_BYTES)
        self._scheduler = scheduler
        self._task: Task | None = self._new_task(NOBODY if block is None else block)

    def count_for(self, block: int) -> None:
        """The client's address is known now."""
        if self._task is not None:
            self._scheduler.forget(self._task)
            self._task = self._new_task(block)
            if self._held:  # the task that was forgotten may have waited to read
                self.resume_reading()

    def readable(self) -> None:
        """Read at once, or in turn."""
        task = cast(Task, self._task)
        self._scheduler.arrived(task)
        if task.waiting:
            self.hold()

    def end(self) -> None:
        """Let the connection be read by itself; or it is gone."""
        if self._task is not None:
            self._scheduler.forget(self._task)
            self._task = None
            super().end()

    def _new_task(self, block: int) -> Task:
        return self._scheduler.new_task(block, self._serve, opening=True)

    def _serve(self, _: int) -> bool:
        self._scheduler.measure(cast(Task, self._task), self.read_now)
        if self._task is not None:
            self.resume_reading()
        return False


def read_in_turn(scheduler: Scheduler, transport: ITransport, block: int | None) -> None:
    """Have a connection read in turn, unless its transport is not Twisted's for TCP."""
    below = tcp_below(transport)
    if below is not None:
        ReadingInTurn(scheduler, below, block)


def reading_of(transport: ITransport) -> ReadingInTurn | None:
    """Return the reading of a connection; None where it is not, or no longer, read in turn."""
    hook = read_hook(transport)
    return hook if isinstance(hook, ReadingInTurn) else None
