"""
The notifications for systemd: readiness, reloads, the stop, status texts, the watchdog, and what it keeps.

Owns the protocol (sd_notify(3), sd_watchdog_enabled(3)): datagrams of assignments, one a line, to the socket
that `NOTIFY_SOCKET` names. Without it nothing is sent. No failure here stops the server. systemd keeps a file
descriptor from one process to the next, if the unit has a `FileDescriptorStoreMax=`.
"""

from __future__ import annotations

import os
import select
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
_FIRST_DESCRIPTOR = 3  # sd_listen_fds(3)
_KEPT = "handover"


class Notifier:
    """
    Sends notifications to systemd.

    :param address: of systemd's socket; `@` begins the name of an abstract one. None: send nothing.
    :param monotonic: seconds of CLOCK_MONOTONIC, which systemd compares with its own.
    :ivar watchdog_seconds: systemd restarts the server after this time without `alive`; None: never.
    :ivar kept: the file descriptor that systemd has kept from the process before; None: it has none.
    """

    def __init__(
        self,
        address: str | None,
        monotonic: Callable[[], float],
        watchdog_seconds: float | None,
        kept: int | None = None,
    ) -> None:
        self.watchdog_seconds = watchdog_seconds
        self.kept = kept
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._monotonic = monotonic
        self._failed = False

    @property
    def is_there(self) -> bool:
        """Whether systemd has started this process, and is notified."""
        return bool(self._address)

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

    def keep(self, descriptor: int) -> bool:
        """
        Have systemd keep a file descriptor for the next process, whose `kept` it is.

        Waits until systemd has read that: it would not know a process that is gone.

        :return: whether it has read it.
        """
        # Without FDPOLL=0 it drops a descriptor whose other end is closed.
        if not self._send("FDSTORE=1", f"FDNAME={_KEPT}", "FDPOLL=0", descriptor=descriptor):
            return False
        reading, writing = os.pipe()
        with open(reading, "rb", buffering=0):
            with open(writing, "wb", buffering=0):
                sent = self._send("BARRIER=1", descriptor=writing)
            poll = select.poll()
            poll.register(reading, select.POLLIN)
            return sent and bool(poll.poll(_SEND_SECONDS * 1000))

    def forget_kept(self) -> None:
        """Have systemd close its copy of what it keeps."""
        self._send("FDSTOREREMOVE=1", f"FDNAME={_KEPT}")

    def _send(self, *assignments: str, descriptor: int | None = None) -> bool:
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_SEND_SECONDS)
                sender.connect(self._address)
                socket.send_fds(
                    sender,
                    ["\n".join(assignments).encode()],
                    [] if descriptor is None else [descriptor],
                )
        except OSError as error:
            if not self._failed:
                self._failed = True
                _log.warn("systemd cannot be notified: {error}", error=error)
            return False
        return True


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
    return Notifier(
        environment.get("NOTIFY_SOCKET"),
        monotonic,
        watchdog_seconds,
        _kept_descriptor(environment, pid),
    )


def _kept_descriptor(environment: Mapping[str, str], pid: int) -> int | None:
    # Twisted's endpoints remove this variable when they are imported, and leave the names.
    if environment.get("LISTEN_PID", str(pid)) != str(pid):
        return None
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    return _FIRST_DESCRIPTOR + names.index(_KEPT) if _KEPT in names else None


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
