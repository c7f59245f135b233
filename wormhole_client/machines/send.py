"""
The Send machine: encrypts and numbers the application's messages.

It sends nothing before the peer has proved that it has the key. Owns `WormholeState.messages_sent` and
`WormholeState.unsent`.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder

from wormhole_client.keys import encrypt, phase_key
from wormhole_client.machines.state import WormholeState


class SendMachine(Protocol):
    """The inputs of sending."""

    def send(self, plaintext: bytes) -> None:
        """The application sends a message."""

    def verified(self, key: bytes) -> None:
        """The peer has proved that it has the key."""


@attrs.frozen
class SendCore:
    """What the transitions work on."""

    state: WormholeState
    add: Callable[[str, bytes], None]

    def encrypt_and_add(self, key: bytes, plaintext: bytes) -> None:
        phase = str(self.state.messages_sent)
        self.state.messages_sent += 1
        self.add(phase, encrypt(phase_key(key, self.state.side, phase), plaintext))


@attrs.frozen
class Verified:
    """The state after the proof."""

    key: bytes


def _verified(_: SendMachine, __: SendCore, key: bytes) -> Verified:
    return Verified(key)


_build = TypeMachineBuilder(SendMachine, SendCore)
_waiting = _build.state("waiting for the proof")
_sending = _build.state("sending", _verified)


@_waiting.upon(SendMachine.send).loop()
def _keep(_: SendMachine, core: SendCore, plaintext: bytes) -> None:
    core.state.unsent.append(plaintext)


@_waiting.upon(SendMachine.verified).to(_sending)
def _send_kept(_: SendMachine, core: SendCore, key: bytes) -> None:
    unsent, core.state.unsent = core.state.unsent, []
    for plaintext in unsent:
        core.encrypt_and_add(key, plaintext)


@_sending.upon(SendMachine.send).loop()
def _send(_: SendMachine, core: SendCore, verified: Verified, plaintext: bytes) -> None:
    core.encrypt_and_add(verified.key, plaintext)


_sending.upon(SendMachine.verified, nodata=True).loop().returns(None)

send_machine = _build.build()
