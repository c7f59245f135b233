"""
What all pairs share: the pipe and the piece of memory that bytes go through.

Owns when the pipe is made, grown and given back, and what is used where there is none.
"""

from twisted.internet.interfaces import IReactorTime

from transit_relay.links.mover import Buffer, Mover
from transit_relay.links.pipe import Pipe, RefusedError
from transit_relay.links.turns import Turns
from transit_relay.observer import Fallback, Observer
from transit_relay.unmask import Unmask, unmasker


class Shared:
    """
    The pipe and the memory.

    :ivar unmask: takes the masks off WebSocket frames in the memory, if that is to be had.
    """

    __slots__ = ("_pipe", "_pipe_bytes", "buffer", "observer", "turns", "unmask", "view")

    def __init__(self, clock: IReactorTime, pipe_bytes: int, observer: Observer) -> None:
        self.turns = Turns(clock)
        self.observer = observer
        self.buffer = Buffer()
        self.view = memoryview(self.buffer.memory)
        self.unmask: Unmask | None = unmasker(self.buffer.memory)
        self._pipe_bytes = pipe_bytes
        self._pipe: Pipe | None = None

    def mover(self) -> Mover:
        """The best there is: the pipe, or else the memory."""
        try:
            return self.pipe()
        except RefusedError:
            self.observer.fell_back(Fallback.NO_PIPE)
            return self.buffer

    def pipe(self) -> Pipe:
        """
        The pipe, made now if it is not there, and grown if it may be.

        :raises RefusedError: there is none to be had.
        """
        if self._pipe is None:
            self._pipe = Pipe.make(self._pipe_bytes)
        else:
            self._pipe.grow()
        self.observer.pipe_memory(self._pipe.size)
        return self._pipe

    def close(self) -> None:
        """Give the pipe back. Who still wants it goes through the memory."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
            self.observer.pipe_memory(0)
