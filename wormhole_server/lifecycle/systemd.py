"""
The notifications for systemd: readiness, reloads, the stop, status texts, and the watchdog.

Owns the protocol (sd_notify(3), sd_watchdog_enabled(3)): datagrams of assignments, one a line, to the socket
that `NOTIFY_SOCKET` names. Without it nothing is sent. No failure here stops the server.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wormhole_twisted.timer import RepeatingTimer

_log = Logger()

# The unit's TimeoutStartSec: what a start takes after it has waited, for a migration above all.
_START_SECONDS = 600.0
# systemd reads at once. Where it does not, the reactor must not wait for long.
_SEND_SECONDS = 1.0


class Notifier:
    """
    Sends notifications to systemd.

    :param address: of systemd's socket; `@` begins the name of an abstract one. None: send nothing.
    :param monotonic: seconds of CLOCK_MONOTONIC, which systemd compares with its own.
    :ivar watchdog_seconds: systemd restarts the server after this time without `alive`; None: never.
    """

    def __init__(
        self,
        address: str | None,
        monotonic: Callable[[], float],
        watchdog_seconds: float | None,
    ) -> None:
        self.watchdog_seconds = watchdog_seconds
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._monotonic = monotonic
        self._failed = False

    def waiting(self, status: str, within_seconds: float) -> None:
        """The start waits for up to this time, and systemd must not end it before."""
        extended = _microseconds(within_seconds + _START_SECONDS)
        self._send(_status(status), f"EXTEND_TIMEOUT_USEC={extended}")

    def ready(self, status: str) -> None:
        """The server serves: for the first time, or after a reload."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """The configuration is being read again, until `ready`."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={_microseconds(self._monotonic())}")

    def stopping(self, within_seconds: float) -> None:
        """The server stops within this time, and systemd must not kill it before."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={_microseconds(within_seconds)}")

    def status(self, status: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send(_status(status))

    def alive(self) -> None:
        """The reactor runs."""
        self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_SEND_SECONDS)
                sender.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            if not self._failed:
                self._failed = True
                _log.warn("systemd cannot be notified: {error}", error=error)


def make_watchdog(clock: IReactorTime, notifier: Notifier) -> RepeatingTimer:
    """
    A timer that sends `alive` twice in systemd's watchdog time; never, where systemd has no watchdog.

    systemd counts from `ready`.
    """
    return RepeatingTimer(clock, (notifier.watchdog_seconds or 0.0) / 2, notifier.alive)


def notifier_from(
    environment: Mapping[str, str], pid: int, monotonic: Callable[[], float]
) -> Notifier:
    """
    The notifier that the environment describes.

    :param pid: of this process; a watchdog that is meant for another process is ignored.
    """
    micro = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    watchdog_seconds = int(micro) / 1e6 if micro.isdecimal() and int(micro) and ours else None
    return Notifier(environment.get("NOTIFY_SOCKET"), monotonic, watchdog_seconds)


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
