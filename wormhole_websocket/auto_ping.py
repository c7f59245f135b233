"""
Pings for one connection, by Autobahn's options: `autoPingInterval` and those that belong to it.

Owns the timers of one peer. It is for operators who bring these options along: the servers have heartbeats of
their own, which cost less.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime


@attrs.frozen
class AutoPingOptions:
    """When to ping, and when to give up."""

    interval_seconds: float
    """From the opening or the latest answer to the next ping; 0: never."""
    timeout_seconds: float
    """For the answer; 0: wait for ever."""
    size: int
    """Bytes of a ping's payload."""
    restart_on_any_traffic: bool
    """Whether anything that arrives is as good as the answer."""


class AutoPing:
    """
    Pings a peer from now on.

    :param send: sends a ping with a payload.
    :param give_up: is called when no answer arrives in time.
    """

    __slots__ = ("_clock", "_give_up", "_options", "_payload", "_send", "_timer")

    def __init__(
        self,
        clock: IReactorTime,
        options: AutoPingOptions,
        send: Callable[[bytes], None],
        give_up: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._options = options
        self._send = send
        self._give_up = give_up
        self._payload: bytes | None = None
        self._timer: IDelayedCall | None = None
        self._wait()

    def heard(self) -> None:
        """Bytes have arrived."""
        if self._options.restart_on_any_traffic and self._payload and self._timer:
            self._wait()

    def answered(self, payload: bytes) -> None:
        """A pong has arrived."""
        if payload == self._payload:
            self._wait()

    def stop(self) -> None:
        """Ping no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self.stop()
        self._payload = None
        self._timer = self._clock.callLater(self._options.interval_seconds, self._ping)

    def _ping(self) -> None:
        self._timer = None
        if self._options.timeout_seconds:
            self._timer = self._clock.callLater(self._options.timeout_seconds, self._too_late)
        self._payload = os.urandom(self._options.size)
        self._send(self._payload)

    def _too_late(self) -> None:
        self._timer = None
        self._give_up()
