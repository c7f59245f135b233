"""
The Receive machine: decrypts the peer's messages, drops repetitions and delivers in numeric order.

The first message that decrypts proves that the peer has the key; the first that does not ends the
wormhole. Owns the messages that wait for the key or for a message before them.
"""

from typing import Final, Protocol

import attrs
import msgspec
from automat import TypeMachineBuilder

from wormhole_client.errors import ProtocolError, WormholeError, WrongPasswordError
from wormhole_client.keys import decrypt, phase_key
from wormhole_client.machines.order import HELD_MESSAGES
from wormhole_client.machines.state import WormholeState

VERSION: Final = "version"
PHASE_DIGITS: Final = 10  # more messages than any wormhole carries


class ReceiveMachine(Protocol):
    """The inputs of receiving."""

    def got_key(self, key: bytes) -> None:
        """The key exchange has ended."""

    def got_message(self, side: str, phase: str, body: bytes) -> None:
        """The peer has sent a message."""

    def failed(self) -> None:
        """A message did not decrypt; nothing more of the peer is accepted."""


class ReceiveOwner(Protocol):
    """The receiver of the decrypted messages."""

    def verified(self, key: bytes) -> None:
        """Handle the peer's proof that it has the key."""

    def got_versions(self, plaintext: bytes) -> None:
        """Handle the `version` message."""

    def got_message(self, plaintext: bytes) -> None:
        """Handle the next message of the application."""

    def scared(self, error: WormholeError) -> None:
        """Handle a message that does not decrypt: the wormhole's mood becomes `scary`."""


@attrs.define
class ReceiveCore:
    """
    What the transitions work on.

    :ivar held: side, phase and body of messages that came before the key.
    :ivar seen: phases that have been decrypted.
    :ivar waiting: number -> plaintext, of messages that others have to come before.
    :ivar expected: the number of the message that is delivered next.
    """

    state: WormholeState
    owner: ReceiveOwner
    held: list[tuple[str, str, bytes]] = attrs.field(factory=list)
    seen: set[str] = attrs.field(factory=set)
    waiting: dict[int, bytes] = attrs.field(factory=dict)
    expected: int = attrs.field(init=False)
    proven: bool = False

    def __attrs_post_init__(self) -> None:
        self.expected = self.state.messages_delivered

    def take(self, machine: ReceiveMachine, key: bytes, side: str, phase: str, body: bytes) -> None:
        number = phase_number(phase)
        if phase in self.seen or (number is None and phase != VERSION):
            return
        self.seen.add(phase)
        try:
            plaintext = decrypt(phase_key(key, side, phase), body)
        except WrongPasswordError as error:
            machine.failed()
            self.owner.scared(error)
            return
        if not self.proven:
            self.proven = True
            self.owner.verified(key)
        if number is None:
            self.owner.got_versions(plaintext)
        elif number >= self.expected:
            self.waiting[number] = plaintext
            while self.expected in self.waiting:
                self.expected += 1
                self.owner.got_message(self.waiting.pop(self.expected - 1))


@attrs.frozen
class Keyed:
    """The state after the key exchange."""

    key: bytes


def _keyed(_: ReceiveMachine, __: ReceiveCore, key: bytes) -> Keyed:
    return Keyed(key)


_build = TypeMachineBuilder(ReceiveMachine, ReceiveCore)
_keyless = _build.state("no key")
_listening = _build.state("listening", _keyed)
_scared = _build.state("scared")


@_keyless.upon(ReceiveMachine.got_message).loop()
def _hold(_: ReceiveMachine, core: ReceiveCore, side: str, phase: str, body: bytes) -> None:
    if len(core.held) < HELD_MESSAGES:
        core.held.append((side, phase, body))


@_keyless.upon(ReceiveMachine.got_key).to(_listening)
def _listen(machine: ReceiveMachine, core: ReceiveCore, key: bytes) -> None:  # noqa: ARG001 - the input's argument
    held, core.held = core.held, []
    for side, phase, body in held:
        machine.got_message(side, phase, body)


@_listening.upon(ReceiveMachine.got_message).loop()
def _take(
    machine: ReceiveMachine, core: ReceiveCore, keyed: Keyed, side: str, phase: str, body: bytes
) -> None:
    core.take(machine, keyed.key, side, phase, body)


_keyless.upon(ReceiveMachine.failed).to(_scared).returns(None)
_listening.upon(ReceiveMachine.failed, nodata=True).to(_scared).returns(None)
_listening.upon(ReceiveMachine.got_key, nodata=True).loop().returns(None)
_scared.upon(ReceiveMachine.got_key).loop().returns(None)
_scared.upon(ReceiveMachine.got_message).loop().returns(None)
_scared.upon(ReceiveMachine.failed).loop().returns(None)

receive_machine = _build.build()


def phase_number(phase: str) -> int | None:
    """Parse the phase of an application message; None for any other phase."""
    plain = phase.isascii() and phase.isdigit() and len(phase) <= PHASE_DIGITS
    return int(phase) if plain else None


class _Versions(msgspec.Struct, frozen=True):
    app_versions: dict[str, object] = msgspec.field(default_factory=dict)


def encode_versions(versions: dict[str, object]) -> bytes:
    """Make the plaintext of the `version` message."""
    return msgspec.json.encode(_Versions(versions))


def decode_versions(plaintext: bytes) -> dict[str, object]:
    """
    Parse the plaintext of the peer's `version` message.

    :raises ProtocolError: the peer, which has the key, does not follow the protocol.
    """
    try:
        return msgspec.json.decode(plaintext, type=_Versions).app_versions
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError("the other end's version message is malformed") from cause
