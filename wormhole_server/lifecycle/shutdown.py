"""
The shutdown: when ports are closed, and clients are told to leave, waited for and disconnected.

Owns the order and the deadlines. Knows no sockets: relay, clients and ports are passed in.

1. `/readyz` responds 503 at once. For `delay_seconds` nothing else changes: load balancers notice.
2. The relay's port is closed, and every connection of the relay that is not paired. Pairs may finish for
   `timeout_seconds`. Rendezvous serves meanwhile, new clients too: where there is no other server, they
   would otherwise be refused for as long as the last pair takes.
3. Pairs that are left are closed. The web root's port is closed, and its clients are told to leave, spread
   evenly over at most `spread_seconds`; they reconnect to another server, or to the next process here.
4. What has been written to them has a few seconds to arrive. Then connections that are left are dropped.

`hurry` ends all of that: connections are dropped, and nothing is waited for.

Where a successor is expected, the relay's connections that it can go on with are left alone by all of that,
new ones are accepted and nobody waits for load balancers. The last step is then to hand them over. If the
successor is gone by then, they end here all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

_log = Logger()

# For what has been written to clients when the server stops.
FLUSH_SECONDS = 5.0
# A client that reconnects costs some 3 ms of CPU, wherever it does. A few clients need no long spread.
_SECONDS_PER_CLIENT = 0.01
# For connections that were dropped to be gone: one turn of the reactor, unless the machine is overloaded.
_HURRY_SECONDS = 1.0
# For connections that were accepted to get to the relay: a few turns of the reactor.
_SETTLE_SECONDS = 0.05


@attrs.frozen
class ShutdownTimes:
    """How long each step may take, in seconds."""

    delay_seconds: float
    timeout_seconds: float
    spread_seconds: float

    @property
    def total_seconds(self) -> float:
        """The longest time until the last client is gone."""
        return self.delay_seconds + self.timeout_seconds + self.spread_seconds + 2 * FLUSH_SECONDS


class StoppableRelay(Protocol):
    """The relay. The Deferred of each method fires when no connection is left that ends here."""

    @property
    def ending_pairs(self) -> int: ...
    def begin_handover(self) -> None: ...
    def end_handover(self) -> None: ...
    def drain(self) -> Deferred[None]: ...
    def close_all(self) -> Deferred[None]: ...
    def abort_all(self) -> Deferred[None]: ...


class StoppableClients(Protocol):
    """The rendezvous clients."""

    @property
    def count(self) -> int: ...
    def go_away(self, spread_seconds: float) -> None: ...
    def abort_all(self) -> None: ...
    def when_empty(self) -> Deferred[None]: ...


class NextProcess(Protocol):
    """The process after this one."""

    @property
    def is_expected(self) -> bool: ...
    def hand_over(self) -> None: ...


class Shutdown(Service):
    """
    Goes through all steps when the service is stopped.

    :param close_relay_port: the Deferred fires when the relay's ports are closed.
    :param close_web_port: the Deferred fires when the ports of the web root are closed.
    :param report: called with a sentence about each step that takes time.
    :ivar times: may change until the service is stopped.
    """

    def __init__(
        self,
        clock: IReactorTime,
        times: ShutdownTimes,
        relay: StoppableRelay,
        clients: StoppableClients,
        successor: NextProcess,
        *,
        close_relay_port: Callable[[], Deferred[Any]],
        close_web_port: Callable[[], Deferred[Any]],
        report: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self.times = times
        self._relay = relay
        self._clients = clients
        self._successor = successor
        self._close_relay_port = close_relay_port
        self._close_web_port = close_web_port
        self._report = report
        self._begun = False
        self._hurried = False
        self._waiting: Deferred[None] | None = None

    def stopService(self) -> Deferred[None]:
        """Go through all steps; fires when the last client is gone, or is no longer waited for."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._begun = True
        return Deferred.fromCoroutine(self._run())

    def hurry(self) -> None:
        """Drop all connections now. Does nothing before the service is stopped."""
        if self._begun and not self._hurried:
            self._hurried = True
            self._report("Stopping now: all connections are dropped.")
            self._go_on()

    async def _run(self) -> None:
        if self._successor.is_expected:
            self._relay.begin_handover()
            await self._finish_pairs()
        else:
            await self._wait_for_load_balancers()
        if not self._successor.is_expected:
            self._relay.end_handover()
            await self._close_relay_port()
            await self._finish_pairs()
        await self._close_web_port()
        if not self._hurried:
            await self._disconnect()
        # Also those that did not close in time: each has a usage record, which is written when it is gone and
        # cannot be written once the database is closed.
        self._clients.abort_all()
        if self._successor.is_expected:
            await self._close_relay_port()
            await self._pause(_SETTLE_SECONDS)
            try:
                self._successor.hand_over()
            except Exception:
                _log.failure("The relay's connections cannot be handed over, and are closed")
        self._relay.end_handover()
        gone = [self._relay.abort_all(), self._clients.when_empty()]
        await self._until(DeferredList(gone), _HURRY_SECONDS)

    async def _finish_pairs(self) -> None:
        drained = self._relay.drain()
        if not self._hurried:
            pairs, seconds = self._relay.ending_pairs, self.times.timeout_seconds
            if pairs and seconds:
                self._report(f"Stopping: waiting up to {seconds:g} s for pairs to finish: {pairs}.")
            await self._until(drained, seconds)

    async def _wait_for_load_balancers(self) -> None:
        if self.times.delay_seconds:
            self._report(f"Stopping in {self.times.delay_seconds:g} s.")
            await self._pause(self.times.delay_seconds)

    async def _disconnect(self) -> None:
        """Close the pairs that are left, and tell the clients to leave."""
        pairs = self._relay.ending_pairs
        if pairs:
            self._report(f"Stopping: closing pairs that did not finish in time: {pairs}.")
        clients = self._clients.count
        spread = min(self.times.spread_seconds, clients * _SECONDS_PER_CLIENT)
        if clients:
            self._report(f"Stopping: telling clients to reconnect, over {spread:g} s: {clients}.")
        self._clients.go_away(spread)
        gone = [self._relay.close_all(), self._clients.when_empty()]
        await self._until(DeferredList(gone), spread + FLUSH_SECONDS)

    async def _pause(self, seconds: float) -> None:
        never: Deferred[None] = Deferred()
        await self._until(never, seconds)

    async def _until(self, done: Deferred[Any], seconds: float) -> None:
        """Wait for `done`, for at most `seconds`, or until `hurry`."""
        waiting: Deferred[None] = Deferred()
        self._waiting = waiting
        timer = self._clock.callLater(seconds, self._go_on)
        done.addBoth(lambda _: self._go_on() if self._waiting is waiting else None)
        await waiting
        if timer.active():
            timer.cancel()

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
