"""
The Order machine: passes on the peer's `pake` message first, in whatever order the server delivers.

It decides who the peer is: the side of the first `pake`. Messages of other sides are dropped. Owns the
messages that came too early.
"""

from collections.abc import Callable
from typing import Final, Protocol

import attrs
from automat import TypeMachineBuilder

HELD_MESSAGES: Final = 1000  # a peer sends one or two before its pake, or before the key
PAKE: Final = "pake"


class OrderMachine(Protocol):
    """The inputs of the order."""

    def pake(self, side: str, body: bytes) -> None:
        """A side has begun a key exchange."""

    def other(self, side: str, phase: str, body: bytes) -> None:
        """Any other message was added to the mailbox."""


@attrs.define
class OrderCore:
    """What the transitions work on."""

    got_pake: Callable[[bytes], None]
    got_message: Callable[[str, str, bytes], None]
    held: list[tuple[str, str, bytes]] = attrs.field(factory=list)


@attrs.frozen
class Peer:
    """The state after the `pake`."""

    side: str


def _peer(_: OrderMachine, __: OrderCore, side: str, body: bytes) -> Peer:  # noqa: ARG001 - the input's arguments
    return Peer(side)


_build = TypeMachineBuilder(OrderMachine, OrderCore)
_before = _build.state("before the pake")
_after = _build.state("after the pake", _peer)


@_before.upon(OrderMachine.other).loop()
def _hold(_: OrderMachine, core: OrderCore, side: str, phase: str, body: bytes) -> None:
    if len(core.held) < HELD_MESSAGES:
        core.held.append((side, phase, body))


@_before.upon(OrderMachine.pake).to(_after)
def _begin(_: OrderMachine, core: OrderCore, side: str, body: bytes) -> None:
    core.got_pake(body)
    held, core.held = core.held, []
    for sender, phase, held_body in held:
        if sender == side:
            core.got_message(sender, phase, held_body)


@_after.upon(OrderMachine.other).loop()
def _pass(_: OrderMachine, core: OrderCore, peer: Peer, side: str, phase: str, body: bytes) -> None:
    if side == peer.side:
        core.got_message(side, phase, body)


_after.upon(OrderMachine.pake, nodata=True).loop().returns(None)

order_machine = _build.build()
