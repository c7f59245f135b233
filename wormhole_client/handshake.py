"""
How two ends recognise each other on one transit connection: bytes in, bytes and a verdict out. On a
relay connection the relay's `ok` comes first. No I/O.
"""

import enum

import attrs

from wormhole_client.keys import TransitKeys

OK = b"ok\n"
GO = b"go\n"
NEVERMIND = b"nevermind\n"


class HandshakeFailure(Exception):
    """The other end is not who we look for. The text says what it said."""


class Step(enum.Enum):
    """What is expected next."""

    RELAY = "the relay's ok"
    PEER = "the other end's handshake"
    DECISION = "the sender's decision"
    PASSED = "all records had come"


@attrs.define
class Handshake:
    """One connection's handshake, ours being `sender` or not."""

    keys: TransitKeys
    sender: bool
    request: bytes = b""
    """What a relay is asked, empty on a direct connection."""
    step: Step = Step.PEER
    rest: bytes = b""
    """What came and is not consumed; once PASSED, the beginning of the records."""

    def start(self) -> bytes:
        """What to write as soon as there is a connection."""
        if self.request:
            self.step = Step.RELAY
            return self.request
        return self.keys.handshake(self.sender)

    def feed(self, data: bytes) -> bytes:
        """
        Take `data`; what to write next. `step` tells how far it got.

        :raises HandshakeFailure: this connection is of no use.
        """
        self.rest += data
        reply = b""
        if self.step is Step.RELAY and self._take(OK):
            self.step = Step.PEER
            reply = self.keys.handshake(self.sender)
        if self.step is Step.PEER and self._take(self.keys.handshake(not self.sender)):
            self.step = Step.PASSED if self.sender else Step.DECISION
        if self.step is Step.DECISION:
            if self.rest[:1] == NEVERMIND[:1] and self._take(NEVERMIND):
                raise HandshakeFailure("the other end has chosen another connection")
            if self.rest[:1] != NEVERMIND[:1] and self._take(GO):
                self.step = Step.PASSED
        return reply

    def _take(self, expected: bytes) -> bool:
        if self.rest.startswith(expected):
            self.rest = self.rest[len(expected) :]
            return True
        if not expected.startswith(self.rest):
            said = self.rest[:40].decode("ascii", "backslashreplace").strip()
            raise HandshakeFailure(f"instead of {self.step.value} came {said!r}")
        return False
