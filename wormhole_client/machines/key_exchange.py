"""
The Key machine: makes the shared key of this end's code and the peer's `pake` message.

Either may come first. Owns `WormholeState.key_exchange`. Its own message goes to the mailbox machine,
which repeats it after a reconnect.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
import msgspec
from automat import TypeMachineBuilder

from wormhole_client.errors import WormholeError, WrongPasswordError
from wormhole_client.keys import KeyExchange
from wormhole_client.machines.order import PAKE
from wormhole_client.machines.state import WormholeState


class KeyMachine(Protocol):
    """The inputs of the key exchange."""

    def got_code(self, code: str) -> None:
        """This end's code is complete."""

    def got_pake(self, body: bytes) -> None:
        """The peer has sent its part."""


class KeyOwner(Protocol):
    """The receiver of the key."""

    def got_key(self, key: bytes) -> None:
        """Handle the shared key."""

    def scared(self, error: WormholeError) -> None:
        """Handle an invalid message of the peer: the wormhole's mood becomes `scary`."""


@attrs.frozen
class KeyCore:
    """
    What the transitions work on.

    :ivar add: adds a message to the mailbox, by phase and body.
    """

    state: WormholeState
    add: Callable[[str, bytes], None]
    owner: KeyOwner

    def finish(self, exchange: KeyExchange, body: bytes) -> None:
        try:
            key = exchange.finish(_parse(body))
        except WrongPasswordError as error:
            self.owner.scared(error)
        else:
            self.owner.got_key(key)


class _Pake(msgspec.Struct, frozen=True):
    pake_v1: str


def _parse(body: bytes) -> bytes:
    try:
        return bytes.fromhex(msgspec.json.decode(body, type=_Pake).pake_v1)
    except (msgspec.MsgspecError, ValueError, RecursionError) as cause:
        raise WrongPasswordError("the other end's key exchange message is malformed") from cause


@attrs.frozen
class Started:
    """The state in which this end's part is sent."""

    exchange: KeyExchange


@attrs.frozen
class Held:
    """The state in which the peer's part has come before this end's code."""

    body: bytes


def _start(_: KeyMachine, core: KeyCore, code: str) -> Started:
    exchange = KeyExchange.start(code, core.state.appid)
    core.state.key_exchange = exchange.save()
    core.add(PAKE, msgspec.json.encode(_Pake(exchange.message.hex())))
    return Started(exchange)


def _hold(_: KeyMachine, __: KeyCore, body: bytes) -> Held:
    return Held(body)


_build = TypeMachineBuilder(KeyMachine, KeyCore)
_nothing = _build.state("nothing")
_started = _build.state("started", _start)
_held = _build.state("held", _hold)
_done = _build.state("done")

_nothing.upon(KeyMachine.got_code).to(_started).returns(None)
_nothing.upon(KeyMachine.got_pake).to(_held).returns(None)


@_started.upon(KeyMachine.got_pake).to(_done)
def _answered(_: KeyMachine, core: KeyCore, started: Started, body: bytes) -> None:
    core.finish(started.exchange, body)


@_held.upon(KeyMachine.got_code).to(_done)
def _typed(machine: KeyMachine, core: KeyCore, held: Held, code: str) -> None:
    core.finish(_start(machine, core, code).exchange, held.body)


# Only the first code and the first pake count.
_started.upon(KeyMachine.got_code, nodata=True).loop().returns(None)
_held.upon(KeyMachine.got_pake, nodata=True).loop().returns(None)
_done.upon(KeyMachine.got_code).loop().returns(None)
_done.upon(KeyMachine.got_pake).loop().returns(None)

_machine = _build.build()


def key_machine(core: KeyCore) -> KeyMachine:
    """
    Make a machine, with the key exchange that the wormhole's state holds, if it holds one.

    :raises ValueError: the saved key exchange is invalid.
    """
    saved = core.state.key_exchange
    if saved is None:
        return _machine(core)
    return _machine(core, _started, lambda _, __: Started(KeyExchange.restore(saved)))
