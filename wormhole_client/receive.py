"""
The machine of what the peer says: decrypt, drop repetitions, hand over in numeric order. The first
message that decrypts proves the peer; the first that does not ends everything. Owns the messages
that wait for the key or for their turn.
"""

from collections.abc import Callable
from typing import Final, Protocol

import attrs
import msgspec
from automat import TypeMachineBuilder

from wormhole_client.errors import ProtocolError, WormholeError, WrongPasswordError
from wormhole_client.keys import decrypt, phase_key
from wormhole_client.memory import Memory
from wormhole_client.order import HELD_MESSAGES

VERSION: Final = "version"
PHASE_DIGITS: Final = 10  # more messages than any wormhole carries


class Receive(Protocol):
    """What can happen to the messages of the peer."""

    def got_key(self, key: bytes) -> None:
        """The key exchange is through."""

    def got_message(self, side: str, phase: str, body: bytes) -> None:
        """The peer has said something."""

    def failed(self) -> None:
        """Nothing more is to be believed."""


@attrs.define
class Core:
    """What the machine works on."""

    memory: Memory
    verified: Callable[[bytes], None]
    got_versions: Callable[[bytes], None]
    deliver: Callable[[bytes], None]
    scared: Callable[[WormholeError], None]
    held: list[tuple[str, str, bytes]] = attrs.field(factory=list)
    seen: set[str] = attrs.field(factory=set)
    waiting: dict[int, bytes] = attrs.field(factory=dict)
    turn: int = attrs.field(init=False)
    proven: bool = False

    def __attrs_post_init__(self) -> None:
        self.turn = self.memory.heard  # those before are the application's already

    def take(self, machine: "Receive", key: bytes, side: str, phase: str, body: bytes) -> None:
        number = phase_number(phase)
        if phase in self.seen or (number is None and phase != VERSION):
            return
        self.seen.add(phase)
        try:
            plaintext = decrypt(phase_key(key, side, phase), body)
        except WrongPasswordError as error:
            machine.failed()
            self.scared(error)
            return
        if not self.proven:
            self.proven = True
            self.verified(key)
        if number is None:
            self.got_versions(plaintext)
        elif number >= self.turn:
            self.waiting[number] = plaintext
            while self.turn in self.waiting:
                self.turn += 1
                self.deliver(self.waiting.pop(self.turn - 1))


@attrs.frozen
class Keyed:
    """The key is known."""

    key: bytes


def _keyed(_: Receive, __: Core, key: bytes) -> Keyed:
    return Keyed(key)


_build = TypeMachineBuilder(Receive, Core)
_keyless = _build.state("no key")
_listening = _build.state("listening", _keyed)
_scared = _build.state("scared")


@_keyless.upon(Receive.got_message).loop()
def _hold(_: Receive, core: Core, side: str, phase: str, body: bytes) -> None:
    if len(core.held) < HELD_MESSAGES:
        core.held.append((side, phase, body))


@_keyless.upon(Receive.got_key).to(_listening)
def _listen(machine: Receive, core: Core, key: bytes) -> None:  # noqa: ARG001 - the input's argument
    held, core.held = core.held, []
    for side, phase, body in held:
        machine.got_message(side, phase, body)


@_listening.upon(Receive.got_message).loop()
def _take(machine: Receive, core: Core, keyed: Keyed, side: str, phase: str, body: bytes) -> None:
    core.take(machine, keyed.key, side, phase, body)


_keyless.upon(Receive.failed).to(_scared).returns(None)
_listening.upon(Receive.failed, nodata=True).to(_scared).returns(None)
_listening.upon(Receive.got_key, nodata=True).loop().returns(None)
_scared.upon(Receive.got_key).loop().returns(None)
_scared.upon(Receive.got_message).loop().returns(None)
_scared.upon(Receive.failed).loop().returns(None)

receive = _build.build()


def phase_number(phase: str) -> int | None:
    """The place of an application message; None for a phase that is none."""
    plain = phase.isascii() and phase.isdigit() and len(phase) <= PHASE_DIGITS
    return int(phase) if plain else None


class _Versions(msgspec.Struct, frozen=True):
    app_versions: dict[str, object] = msgspec.field(default_factory=dict)


def encode_versions(versions: dict[str, object]) -> bytes:
    """The plaintext of the `version` message."""
    return msgspec.json.encode(_Versions(versions))


def decode_versions(plaintext: bytes) -> dict[str, object]:
    """
    :raises ProtocolError: the peer, who has our code, says nonsense.
    """
    try:
        return msgspec.json.decode(plaintext, type=_Versions).app_versions
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError("the other end's version message is malformed") from cause
