"""
The Connection machine: connects to the rendezvous server, and again whenever the connection is lost.

Delays grow from 1 s by half to at most 60 s. Each is shortened by chance, so that clients do not all
come back at once to a server that has restarted. Owns the link; knows nothing of what is sent over it.
"""

from collections.abc import Callable
from typing import Final, Protocol

import attrs
from automat import TypeMachineBuilder
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from wormhole_client.network.link import Dial, LinkOwner, ServerLink

FIRST_DELAY: Final = 1.0  # seconds
GROWTH: Final = 1.5
LONGEST_DELAY: Final = 60.0  # seconds


class ConnectionMachine(Protocol):
    """The inputs of the connection."""

    def start(self) -> None:
        """The wormhole begins."""

    def opened(self, link: ServerLink) -> None:
        """An attempt has succeeded."""

    def failed(self, reason: Failure) -> None:
        """An attempt has failed."""

    def healthy(self) -> None:
        """The server has sent a message: the next delay is the first again."""

    def retry(self) -> None:
        """The delay is over."""

    def send(self, text: bytes) -> None:
        """A message is to be sent; without a link it is dropped."""

    def lost(self) -> None:
        """The link has ended."""

    def stop(self) -> None:
        """The connection is to end, in whatever state it is."""


class ConnectionOwner(LinkOwner, Protocol):
    """The receiver of what happens on the connection and on its links."""

    def online(self) -> None:
        """Handle a new link."""

    def offline(self) -> None:
        """Handle the end of a link."""

    def refused(self, reason: Failure) -> None:
        """Handle an attempt that failed."""

    def stopped(self) -> None:
        """Handle the end of the connection, after `stop`."""


@attrs.define
class ConnectionCore:
    """
    What the transitions work on.

    :ivar chance: returns a number from 0 to 1; `random.random`.
    """

    dial: Dial
    owner: ConnectionOwner
    clock: IReactorTime
    chance: Callable[[], float]
    delay: float = FIRST_DELAY

    def next_delay(self) -> float:
        delay = self.delay * (1 + self.chance()) / 2
        self.delay = min(self.delay * GROWTH, LONGEST_DELAY)
        return delay


def _dial(machine: ConnectionMachine, core: ConnectionCore) -> Deferred[None]:
    attempt = core.dial(core.owner)
    return attempt.addCallbacks(machine.opened, machine.failed)


@attrs.frozen
class Connected:
    """The state with a link."""

    link: ServerLink


def _open(_: ConnectionMachine, __: ConnectionCore, link: ServerLink) -> Connected:
    return Connected(link)


def _wait(
    machine: ConnectionMachine,
    core: ConnectionCore,
    reason: Failure | None = None,  # noqa: ARG001 - the input's argument
) -> IDelayedCall:
    return core.clock.callLater(core.next_delay(), machine.retry)


_build = TypeMachineBuilder(ConnectionMachine, ConnectionCore)
_idle = _build.state("idle")
_dialing = _build.state("dialing", _dial)
_connected = _build.state("connected", _open)
_waiting = _build.state("waiting", _wait)
_closing = _build.state("closing")
_stopped = _build.state("stopped")

_idle.upon(ConnectionMachine.start).to(_dialing).returns(None)
_waiting.upon(ConnectionMachine.retry, nodata=True).to(_dialing).returns(None)


@_dialing.upon(ConnectionMachine.opened, nodata=True).to(_connected)
def _opened(_: ConnectionMachine, core: ConnectionCore, link: ServerLink) -> None:  # noqa: ARG001 - the input's argument
    core.owner.online()


@_dialing.upon(ConnectionMachine.failed, nodata=True).to(_waiting)
def _failed(_: ConnectionMachine, core: ConnectionCore, reason: Failure) -> None:
    core.owner.refused(reason)


@_connected.upon(ConnectionMachine.healthy, nodata=True).loop()
def _healthy(_: ConnectionMachine, core: ConnectionCore) -> None:
    core.delay = FIRST_DELAY


@_connected.upon(ConnectionMachine.send).loop()
def _send(_: ConnectionMachine, __: ConnectionCore, connected: Connected, text: bytes) -> None:
    connected.link.send(text)


@_connected.upon(ConnectionMachine.lost, nodata=True).to(_waiting)
def _lost(_: ConnectionMachine, core: ConnectionCore) -> None:
    core.owner.offline()


@_connected.upon(ConnectionMachine.stop).to(_closing)
def _close(_: ConnectionMachine, core: ConnectionCore, connected: Connected) -> None:
    core.owner.offline()
    connected.link.close()


@_dialing.upon(ConnectionMachine.stop).to(_closing)
def _give_up(_: ConnectionMachine, __: ConnectionCore, attempt: Deferred[None]) -> None:
    attempt.cancel()


@_waiting.upon(ConnectionMachine.stop).to(_stopped)
def _stop_waiting(_: ConnectionMachine, core: ConnectionCore, delayed: IDelayedCall) -> None:
    delayed.cancel()
    core.owner.stopped()


@_closing.upon(ConnectionMachine.opened).loop()
def _too_late(_: ConnectionMachine, __: ConnectionCore, link: ServerLink) -> None:
    link.close()


@_closing.upon(ConnectionMachine.failed).to(_stopped)
def _gave_up(_: ConnectionMachine, core: ConnectionCore, reason: Failure) -> None:  # noqa: ARG001 - the input's argument
    core.owner.stopped()


@_closing.upon(ConnectionMachine.lost).to(_stopped)
@_idle.upon(ConnectionMachine.stop).to(_stopped)
def _closed(_: ConnectionMachine, core: ConnectionCore) -> None:
    core.owner.stopped()


for _state in (_idle, _closing, _stopped):
    _state.upon(ConnectionMachine.send).loop().returns(None)
    _state.upon(ConnectionMachine.healthy).loop().returns(None)
for _busy in (_dialing, _waiting):
    _busy.upon(ConnectionMachine.send, nodata=True).loop().returns(None)
    _busy.upon(ConnectionMachine.healthy, nodata=True).loop().returns(None)
_closing.upon(ConnectionMachine.stop).loop().returns(None)
_stopped.upon(ConnectionMachine.stop).loop().returns(None)

connection_machine = _build.build()
