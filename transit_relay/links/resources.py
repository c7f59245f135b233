"""
The resources that all pairs share: the pipe and the memory that bytes go through, and the reactor's time.

Owns when the pipe is made, grown and closed, what is used without one, and how many bytes a direction may
move before it returns to the reactor.
"""

from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from transit_relay.links.mover import Buffer, Mover
from transit_relay.links.pipe import Pipe, RefusedError
from transit_relay.observer import Fallback, RelayObserver, notify

ROUND_BYTES: Final = 2 << 20
"""Bytes that all directions together move in one iteration of the reactor: about a millisecond."""

LEAST_BYTES: Final = 256 * 1024
"""Bytes that one direction may move at least: below that, a turn costs more than the bytes that it moves."""


class TurnLimiter:
    """
    Limits how long each direction may hold the reactor, by the bytes that it moves in one iteration.

    Every direction with bytes to read has one turn in each iteration. All of them share `ROUND_BYTES`
    equally, according to how many turns there were in the iteration before.
    """

    __slots__ = ("_clock", "_count", "_round_end", "_share")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._count = 0
        self._share = ROUND_BYTES
        self._round_end: IDelayedCall | None = None

    def begin_turn(self) -> int:
        """
        Count a turn.

        :return: bytes that it may move.
        """
        self._count += 1
        if self._round_end is None or not self._round_end.active():
            self._round_end = self._clock.callLater(0, self._end_round)
        return self._share

    def _end_round(self) -> None:
        self._share = max(LEAST_BYTES, ROUND_BYTES // self._count)
        self._count = 0


class LinkResources:
    """
    The pipe, the memory and the limiter of one relay.

    :param pipe_bytes: the size of the pipe.
    :ivar view: the memory of `buffer`.
    """

    __slots__ = ("_pipe", "_pipe_bytes", "buffer", "observer", "turns", "view")

    def __init__(self, clock: IReactorTime, pipe_bytes: int, observer: RelayObserver) -> None:
        self.turns = TurnLimiter(clock)
        self.observer = observer
        self.buffer = Buffer()
        self.view = memoryview(self.buffer.memory)
        self._pipe_bytes = pipe_bytes
        self._pipe: Pipe | None = None

    def mover(self) -> Mover:
        """The pipe; the memory where the kernel gives no pipe."""
        try:
            return self.pipe()
        except RefusedError:
            self.report_fallback(Fallback.NO_PIPE)
            return self.buffer

    def pipe(self) -> Pipe:
        """
        The pipe, made or grown first if need be.

        :raises RefusedError: the kernel gives none.
        """
        if self._pipe is None:
            self._pipe = Pipe.make(self._pipe_bytes)
        else:
            self._pipe.grow()
        self._report_pipe(self._pipe.size)
        return self._pipe

    def report_fallback(self, why: Fallback) -> None:
        """Report that one direction of a pair goes through the process."""
        notify(self.observer, self.observer.fell_back, why)

    def close(self) -> None:
        """Close the pipe. Directions that use it continue with the memory."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
            self._report_pipe(0)

    def _report_pipe(self, byte_count: int) -> None:
        notify(self.observer, self.observer.pipe_memory, byte_count)
