"""
The way from a peer whose bytes are on the socket as they are: the kernel moves them.

Owns the change to our own memory where the kernel will not, with no byte lost or repeated.
"""

from transit_relay.links.direction import Direction
from transit_relay.links.mover import Mover
from transit_relay.links.pipe import RefusedError
from transit_relay.observer import Fallback


class StreamDirection(Direction):
    """From a peer on TCP."""

    __slots__ = ("_mover", "_taken")

    def start(self) -> None:
        """See `Direction.start`."""
        self._mover: Mover = self._shared.mover()
        self._taken = 0
        self._input.read_with(self.read)
        super().start()

    def _take(self, room: int) -> int:
        try:
            self._taken = self._mover.fill(self._input, room)
        except RefusedError:
            self._shared.observer.fell_back(Fallback.REFUSED)
            self._mover = self._shared.buffer
            self._taken = self._mover.fill(self._input, room)
        return self._taken

    def _hand_on(self) -> bytes:
        rest = self._mover.empty(self._output, self._head(self._taken))
        self._meter.add(self._taken)
        return rest

    def _largest(self) -> int:
        return self._mover.size
