"""
The way out, in good order: who is told, closed, waited for and cut, and when.

Owns the order and the deadlines. Knows no sockets: relay, clients and ports are handed in.

1. `/readyz` says 503 at once. For `delay_seconds` nothing else changes: a load balancer takes notice.
2. The relay's port is closed, and all of its connections that are not paired. Pairs may finish until
   `timeout_seconds` are over. Rendezvous serves meanwhile, newcomers too: where there is no other server,
   they would be turned away for as long as the last pair takes.
3. Pairs that are left are cut. The web root's port is closed, and its clients are told to go, evenly over
   at most `spread_seconds`, to come back to another server or to the next one here.
4. What is on its way to them has a few seconds to arrive.

Whoever is in a hurry ends all that: connections are dropped, and nobody is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from wormhole_server.admission import Entrance
from wormhole_server.readiness import Readiness

# What is on its way when the server is stopped has so long to arrive.
GOODBYE_SECONDS = 5.0
# A client that comes back costs some 3 ms of CPU, wherever that is. Few are not made to wait for the
# sake of many.
_SECONDS_PER_CLIENT = 0.01
# To hear of connections that have been dropped: the next turn of the reactor, unless the machine is ill.
_HURRY_SECONDS = 1.0


@attrs.frozen
class Plan:
    """How long each part may take, in seconds."""

    delay_seconds: float
    timeout_seconds: float
    spread_seconds: float

    @property
    def longest_seconds(self) -> float:
        """Until the last client is gone."""
        return self.delay_seconds + self.timeout_seconds + self.spread_seconds + 2 * GOODBYE_SECONDS


class Live(Protocol):
    """How many relay connections there are, as far as that matters here."""

    @property
    def paired(self) -> int: ...


class Pairs(Protocol):
    """The relay. Each method's Deferred fires when no connection is left."""

    @property
    def live(self) -> Live: ...
    def drain(self) -> Deferred[None]: ...
    def close_all(self) -> Deferred[None]: ...
    def abort_all(self) -> Deferred[None]: ...


class Clients(Protocol):
    """The rendezvous clients."""

    @property
    def count(self) -> int: ...
    def go_away(self, spread_seconds: float) -> None: ...
    def abort_all(self) -> None: ...
    def when_empty(self) -> Deferred[None]: ...


class Shutdown:
    """
    One way out, for one server.

    :ivar plan: may be changed until it runs.
    :param close: closes the ports of an entrance; done when they are.
    :param say: takes a sentence about what is being waited for.
    """

    def __init__(
        self,
        clock: IReactorTime,
        plan: Plan,
        readiness: Readiness,
        pairs: Pairs,
        clients: Clients,
        close: Callable[[Entrance], Deferred[None]],
        say: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self.plan = plan
        self._readiness = readiness
        self._pairs = pairs
        self._clients = clients
        self._close = close
        self._say = say
        self._hurried = False
        self._waiting: Deferred[None] | None = None

    async def run(self) -> None:
        """Go through all of it; done when the last client is gone, or is not waited for any more."""
        self._readiness.stop()
        if self.plan.delay_seconds:
            self._say(f"Stopping in {self.plan.delay_seconds:g} s.")
            never: Deferred[None] = Deferred()
            await self._until(never, self.plan.delay_seconds)
        await self._close(Entrance.TRANSIT)
        drained = self._pairs.drain()
        if not self._hurried:
            self._tell_of_pairs()
            await self._until(drained, self.plan.timeout_seconds)
        await self._close(Entrance.RENDEZVOUS)
        if not self._hurried:
            await self._part()
        if self._hurried:
            self._clients.abort_all()
            gone = [self._pairs.abort_all(), self._clients.when_empty()]
            await self._until(DeferredList(gone), _HURRY_SECONDS)

    def hurry(self) -> None:
        """Leave now. Before `run` it changes nothing."""
        if self._readiness.stopping and not self._hurried:
            self._hurried = True
            self._say("Leaving at once.")
            self._go_on()

    def _tell_of_pairs(self) -> None:
        pairs, seconds = self._pairs.live.paired // 2, self.plan.timeout_seconds
        if pairs and seconds:
            self._say(f"Stopping: pairs that may finish, within {seconds:g} s: {pairs}.")

    async def _part(self) -> None:
        """Tell all who are left."""
        pairs = self._pairs.live.paired // 2
        if pairs:
            self._say(f"Stopping: pairs that did not finish in time and are cut: {pairs}.")
        clients = self._clients.count
        spread = min(self.plan.spread_seconds, clients * _SECONDS_PER_CLIENT)
        if clients:
            self._say(f"Stopping: clients that are told to go, over {spread:g} s: {clients}.")
        self._clients.go_away(spread)
        gone = [self._pairs.close_all(), self._clients.when_empty()]
        await self._until(DeferredList(gone), spread + GOODBYE_SECONDS)

    async def _until(self, done: Deferred[Any], seconds: float) -> None:
        """Wait until `done`, for no longer than that, and not when a hurry comes up."""
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
