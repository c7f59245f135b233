"""
The machine of the key: from our code and the peer's `pake` message to the shared key, whichever
comes first. Owns `Memory.exchange`. What it says goes to the mailbox, which knows the two columns
offline and online for it.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
import msgspec
from automat import TypeMachineBuilder

from wormhole_client.errors import WrongPasswordError
from wormhole_client.keys import Exchange
from wormhole_client.memory import Memory


class KeyExchange(Protocol):
    """What can happen to a key exchange."""

    def got_code(self, code: str) -> None:
        """Our code is complete."""

    def got_pake(self, body: bytes) -> None:
        """The peer's first message."""


@attrs.frozen
class Core:
    """What the machine works on."""

    memory: Memory
    add: Callable[[str, bytes], None]
    got_key: Callable[[bytes], None]
    scared: Callable[[WrongPasswordError], None]

    def finish(self, exchange: Exchange, body: bytes) -> None:
        try:
            key = exchange.finish(_parse(body))
        except WrongPasswordError as error:
            self.scared(error)
        else:
            self.got_key(key)


class _Pake(msgspec.Struct, frozen=True):
    pake_v1: str


def _parse(body: bytes) -> bytes:
    try:
        return bytes.fromhex(msgspec.json.decode(body, type=_Pake).pake_v1)
    except (msgspec.MsgspecError, ValueError, RecursionError) as cause:
        raise WrongPasswordError("the other end's key exchange message is malformed") from cause


@attrs.frozen
class Started:
    """We have said our part."""

    exchange: Exchange


@attrs.frozen
class Held:
    """The peer was faster than the typing of our code."""

    body: bytes


def _start(_: KeyExchange, core: Core, code: str) -> Started:
    exchange = Exchange.start(code, core.memory.appid)
    core.memory.exchange = exchange.saved()
    core.add("pake", msgspec.json.encode(_Pake(exchange.message.hex())))
    return Started(exchange)


def _restore(saved: str) -> Started:
    return Started(Exchange.restore(saved))


def _hold(_: KeyExchange, __: Core, body: bytes) -> Held:
    return Held(body)


_build = TypeMachineBuilder(KeyExchange, Core)
_nothing = _build.state("nothing")
_started = _build.state("started", _start)
_held = _build.state("held", _hold)
_done = _build.state("done")

_nothing.upon(KeyExchange.got_code).to(_started).returns(None)
_nothing.upon(KeyExchange.got_pake).to(_held).returns(None)


@_started.upon(KeyExchange.got_pake).to(_done)
def _answered(_: KeyExchange, core: Core, started: Started, body: bytes) -> None:
    core.finish(started.exchange, body)


@_held.upon(KeyExchange.got_code).to(_done)
def _typed(machine: KeyExchange, core: Core, held: Held, code: str) -> None:
    core.finish(_start(machine, core, code).exchange, held.body)


# Only the first code and the first pake count.
_started.upon(KeyExchange.got_code, nodata=True).loop().returns(None)
_held.upon(KeyExchange.got_pake, nodata=True).loop().returns(None)
_done.upon(KeyExchange.got_code).loop().returns(None)
_done.upon(KeyExchange.got_pake).loop().returns(None)

_machine = _build.build()


def key_exchange(core: Core) -> KeyExchange:
    """
    A machine, with the exchange that the memory holds if there is one.

    :raises ValueError: what it holds is no exchange.
    """
    saved = core.memory.exchange
    if saved is None:
        return _machine(core)
    return _machine(core, _started, lambda _, __: _restore(saved))
