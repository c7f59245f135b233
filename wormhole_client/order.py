"""
The machine of the order: the peer's `pake` first, whatever the server delivers first. It decides
who the peer is: the side of the first pake. What other sides say is dropped. Owns the messages that
came too early.
"""

from collections.abc import Callable
from typing import Final, Protocol

import attrs
from automat import TypeMachineBuilder

HELD_MESSAGES: Final = 1000  # a peer says one or two before we have its pake, or its key
PAKE: Final = "pake"


class Order(Protocol):
    """What can be heard in the mailbox."""

    def pake(self, side: str, body: bytes) -> None:
        """A side has begun a key exchange."""

    def other(self, side: str, phase: str, body: bytes) -> None:
        """Any other message."""


@attrs.define
class Core:
    """What the machine works on."""

    got_pake: Callable[[bytes], None]
    got_message: Callable[[str, str, bytes], None]
    held: list[tuple[str, str, bytes]] = attrs.field(factory=list)


@attrs.frozen
class Peer:
    """The side that we talk with."""

    side: str


def _peer(_: Order, __: Core, side: str, body: bytes) -> Peer:  # noqa: ARG001 - the input's arguments
    return Peer(side)


_build = TypeMachineBuilder(Order, Core)
_before = _build.state("before the pake")
_after = _build.state("after the pake", _peer)


@_before.upon(Order.other).loop()
def _hold(_: Order, core: Core, side: str, phase: str, body: bytes) -> None:
    if len(core.held) < HELD_MESSAGES:
        core.held.append((side, phase, body))


@_before.upon(Order.pake).to(_after)
def _begin(_: Order, core: Core, side: str, body: bytes) -> None:
    core.got_pake(body)
    held, core.held = core.held, []
    for sender, phase, held_body in held:
        if sender == side:
            core.got_message(sender, phase, held_body)


@_after.upon(Order.other).loop()
def _pass(_: Order, core: Core, peer: Peer, side: str, phase: str, body: bytes) -> None:
    if side == peer.side:
        core.got_message(side, phase, body)


_after.upon(Order.pake, nodata=True).loop().returns(None)

order = _build.build()
