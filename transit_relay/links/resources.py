"""
The resources that all pairs share: the pipe and the memory that bytes go through.

Owns when the pipe is made, grown and closed, and what is used without one.
"""

from transit_relay.links.mover import Buffer, Mover
from transit_relay.links.pipe import Pipe, RefusedError
from transit_relay.observer import Fallback, RelayObserver, notify


class LinkResources:
    """
    The pipe and the memory of one relay.

    :param pipe_bytes: the size of the pipe.
    :ivar view: the memory of `buffer`.
    """

    __slots__ = ("_pipe", "_pipe_bytes", "buffer", "observer", "view")

    def __init__(self, pipe_bytes: int, observer: RelayObserver) -> None:
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
