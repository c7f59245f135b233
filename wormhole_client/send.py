"""
The machine of what we say: nothing before the peer has proved that it has the code, then each
message encrypted and numbered. Owns `Memory.said` and `Memory.unsaid`.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder

from wormhole_client.keys import encrypt, phase_key
from wormhole_client.memory import Memory


class Send(Protocol):
    """What can happen to our messages."""

    def send(self, plaintext: bytes) -> None:
        """The application has something to say."""

    def verified(self, key: bytes) -> None:
        """The peer has the same key."""


@attrs.frozen
class Core:
    """What the machine works on."""

    memory: Memory
    add: Callable[[str, bytes], None]

    def say(self, key: bytes, plaintext: bytes) -> None:
        phase = str(self.memory.said)
        self.memory.said += 1
        self.add(phase, encrypt(phase_key(key, self.memory.side, phase), plaintext))


@attrs.frozen
class Verified:
    """The key that the peer has too."""

    key: bytes


def _verified(_: Send, __: Core, key: bytes) -> Verified:
    return Verified(key)


_build = TypeMachineBuilder(Send, Core)
_waiting = _build.state("waiting for the peer")
_speaking = _build.state("speaking", _verified)


@_waiting.upon(Send.send).loop()
def _keep(_: Send, core: Core, plaintext: bytes) -> None:
    core.memory.unsaid.append(plaintext)


@_waiting.upon(Send.verified).to(_speaking)
def _say_all(_: Send, core: Core, key: bytes) -> None:
    unsaid, core.memory.unsaid = core.memory.unsaid, []
    for plaintext in unsaid:
        core.say(key, plaintext)


@_speaking.upon(Send.send).loop()
def _say(_: Send, core: Core, verified: Verified, plaintext: bytes) -> None:
    core.say(verified.key, plaintext)


_speaking.upon(Send.verified, nodata=True).loop().returns(None)

send = _build.build()
