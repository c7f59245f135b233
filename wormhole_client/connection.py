"""
The machine of the connection to the rendezvous server: dial, stay connected, wait and dial again.
Delays grow from 1 s by half to at most 60 s, each shortened by chance so that a server that comes
back is not met by all its clients at once. Owns the link; knows nothing of what is said on it.
"""

from collections.abc import Callable
from typing import Final, Protocol

import attrs
from automat import TypeMachineBuilder
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

FIRST_DELAY: Final = 1.0  # seconds
GROWTH: Final = 1.5
LONGEST_DELAY: Final = 60.0  # seconds


class Link(Protocol):
    """An open connection, whatever carries it."""

    def send(self, text: bytes) -> None:
        """Send one message."""

    def close(self) -> None:
        """End it; the owner hears `lost`, once, when it has ended."""


class LinkOwner(Protocol):
    """Who is told what a link does."""

    def received(self, text: bytes) -> None:
        """One message has come."""

    def lost(self) -> None:
        """The link has ended, by either end or by the network."""


Dial = Callable[[LinkOwner], Deferred[Link]]
"""Opens a link. Cancelling gives up; the owner hears of a link only after the Deferred fired."""


class Connection(Protocol):
    """What can happen to the connection."""

    def start(self) -> None:
        """Begin."""

    def opened(self, link: Link) -> None:
        """The server has accepted us."""

    def failed(self, reason: Failure) -> None:
        """An attempt has come to nothing."""

    def healthy(self) -> None:
        """The server has spoken: the next delay is the first again."""

    def retry(self) -> None:
        """The delay is over."""

    def send(self, text: bytes) -> None:
        """Send one message if there is a link; without one it is dropped."""

    def lost(self) -> None:
        """The link has ended."""

    def stop(self) -> None:
        """No more, whatever is going on."""


@attrs.define
class Core:
    """What the machine works on."""

    dial: Dial
    owner: LinkOwner
    clock: IReactorTime
    chance: Callable[[], float]
    """From 0 to 1; `random.random`."""
    on_open: Callable[[], None]
    on_lost: Callable[[], None]
    on_refused: Callable[[Failure], None]
    """Told of every attempt that fails."""
    on_stopped: Callable[[], None]
    delay: float = FIRST_DELAY

    def next_delay(self) -> float:
        delay = self.delay * (1 + self.chance()) / 2
        self.delay = min(self.delay * GROWTH, LONGEST_DELAY)
        return delay


def _dial(machine: Connection, core: Core) -> Deferred[None]:
    attempt = core.dial(core.owner)
    return attempt.addCallbacks(machine.opened, machine.failed)


@attrs.frozen
class Connected:
    """There is a link."""

    link: Link


def _open(_: Connection, __: Core, link: Link) -> Connected:
    return Connected(link)


def _wait(machine: Connection, core: Core, reason: Failure | None = None) -> IDelayedCall:  # noqa: ARG001 - the input's argument
    return core.clock.callLater(core.next_delay(), machine.retry)


_build = TypeMachineBuilder(Connection, Core)
_idle = _build.state("idle")
_dialing = _build.state("dialing", _dial)
_connected = _build.state("connected", _open)
_waiting = _build.state("waiting", _wait)
_hanging_up = _build.state("hanging up")
_stopped = _build.state("stopped")

_idle.upon(Connection.start).to(_dialing).returns(None)
_waiting.upon(Connection.retry, nodata=True).to(_dialing).returns(None)


@_dialing.upon(Connection.opened, nodata=True).to(_connected)
def _opened(_: Connection, core: Core, link: Link) -> None:  # noqa: ARG001 - the input's argument
    core.on_open()


@_dialing.upon(Connection.failed, nodata=True).to(_waiting)
def _failed(_: Connection, core: Core, reason: Failure) -> None:
    core.on_refused(reason)


@_connected.upon(Connection.healthy, nodata=True).loop()
def _healthy(_: Connection, core: Core) -> None:
    core.delay = FIRST_DELAY


@_connected.upon(Connection.send).loop()
def _send(_: Connection, __: Core, connected: Connected, text: bytes) -> None:
    connected.link.send(text)


@_connected.upon(Connection.lost, nodata=True).to(_waiting)
def _lost(_: Connection, core: Core) -> None:
    core.on_lost()


@_connected.upon(Connection.stop).to(_hanging_up)
def _hang_up(_: Connection, core: Core, connected: Connected) -> None:
    core.on_lost()
    connected.link.close()


@_dialing.upon(Connection.stop).to(_hanging_up)
def _give_up(_: Connection, __: Core, attempt: Deferred[None]) -> None:
    attempt.cancel()


@_waiting.upon(Connection.stop).to(_stopped)
def _wait_no_more(_: Connection, core: Core, delayed: IDelayedCall) -> None:
    delayed.cancel()
    core.on_stopped()


@_hanging_up.upon(Connection.opened).loop()
def _too_late(_: Connection, __: Core, link: Link) -> None:
    link.close()


@_hanging_up.upon(Connection.failed).to(_stopped)
def _gave_up(_: Connection, core: Core, reason: Failure) -> None:  # noqa: ARG001 - the input's argument
    core.on_stopped()


@_hanging_up.upon(Connection.lost).to(_stopped)
@_idle.upon(Connection.stop).to(_stopped)
def _hung_up(_: Connection, core: Core) -> None:
    core.on_stopped()


for _state in (_idle, _hanging_up, _stopped):
    _state.upon(Connection.send).loop().returns(None)
    _state.upon(Connection.healthy).loop().returns(None)
for _busy in (_dialing, _waiting):
    _busy.upon(Connection.send, nodata=True).loop().returns(None)
    _busy.upon(Connection.healthy, nodata=True).loop().returns(None)
_hanging_up.upon(Connection.stop).loop().returns(None)
_stopped.upon(Connection.stop).loop().returns(None)

connection = _build.build()
