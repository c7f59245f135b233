"""
The sequential service: starts its children one after the other, and stops them in the reverse order.

Owns the order and the waiting. What starting and stopping mean belongs to the children.
"""

from __future__ import annotations

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

_log = Logger()


class SequentialService(MultiService):
    """
    A `MultiService` whose children rely on each other.

    A child's `startService` may return a Deferred, as `stopService` may: the next child waits for it. Only
    children whose start has begun are stopped. A child that fails to stop is logged, and does not keep the
    others from stopping.

    :ivar started: fires when every child has started; fails as the first child failed, and those after it
        are not started.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.started: Deferred[None] = Deferred()
        self._begun: list[IService] = []

    def startService(self) -> Deferred[None]:
        """Start the children in the order in which they were added."""
        # Not MultiService's own method, which would start all of them at once.
        Service.startService(self)
        self.started = Deferred.fromCoroutine(self._start())
        return self.started

    def stopService(self) -> Deferred[None]:
        """Cancel a start that is under way, and stop the children, the last one first."""
        if self.running:
            self.started.cancel()
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        for child in self:
            self._begun.append(child)
            await maybeDeferred(child.startService)

    async def _stop(self) -> None:
        while self._begun:
            try:
                await maybeDeferred(self._begun.pop().stopService)
            except Exception:
                _log.failure("A part of the server failed to stop.")
