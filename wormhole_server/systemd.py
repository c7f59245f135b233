"""
What systemd is told: that the server serves, that it reads its configuration again, that it stops, and that
its reactor still turns.

Owns the protocol (sd_notify(3), sd_watchdog_enabled(3)): datagrams of assignments, one a line, to the socket
that `NOTIFY_SOCKET` names. Without one nothing is sent. Nothing that goes wrong here is worth stopping for.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()

# systemd reads at once; where it does not, the machine has other troubles, and the reactor goes on.
_SEND_SECONDS = 1.0


class Notifier:
    """
    Speaks to systemd.

    :param address: of its socket; `@` begins the name of an abstract one.
    :param monotonic: seconds of CLOCK_MONOTONIC, which systemd compares with its own.
    :param watchdog_seconds: systemd takes the server for stuck when it has heard nothing for so long.
    """

    def __init__(
        self,
        address: str | None = None,
        monotonic: Callable[[], float] = lambda: 0.0,
        watchdog_seconds: float | None = None,
    ) -> None:
        self.watchdog_seconds = watchdog_seconds
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._monotonic = monotonic
        self._failed = False

    def ready(self, status: str) -> None:
        """The server serves: for the first time, or with its new configuration."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """The configuration is being read again; `ready` says when that is done."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={_micro(self._monotonic())}")

    def stopping(self, within_seconds: float) -> None:
        """The server stops, and has ended by then: systemd has to wait for so long."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={_micro(within_seconds)}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status(status))

    def alive(self) -> None:
        """The reactor turns."""
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
                _log.warn("systemd cannot be told: {error}", error=error)


class Watchdog:
    """Tells systemd twice in its time that the reactor turns."""

    def __init__(self, clock: IReactorTime, notifier: Notifier) -> None:
        self._clock = clock
        self._notifier = notifier
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin, where systemd wants to hear of it."""
        if self._notifier.watchdog_seconds is not None:
            self._notifier.alive()
            self._call = self._clock.callLater(self._notifier.watchdog_seconds / 2, self.start)

    def stop(self) -> None:
        """No timer runs after this."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None


def notifier_from(
    environment: Mapping[str, str], pid: int, monotonic: Callable[[], float]
) -> Notifier:
    """The notifier that `environment` asks for."""
    micro = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    watchdog_seconds = int(micro) / 1e6 if micro.isdecimal() and int(micro) and meant else None
    return Notifier(environment.get("NOTIFY_SOCKET"), monotonic, watchdog_seconds)


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)
