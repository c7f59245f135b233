"""
The transit handshake: how two ends recognise each other on one connection, bytes in, bytes out.

On a connection to a relay the relay's `ok` comes first. The texts are those of the transit protocol.
No I/O.
"""

import enum

import attrs

from wormhole_client.keys import TransitKeys

OK = b"ok\n"
GO = b"go\n"
NEVERMIND = b"nevermind\n"


class TransitHandshakeError(Exception):
    """The other end of the connection is not the peer. The text holds what it sent."""


class HandshakeStep(enum.Enum):
    """What the handshake expects next. The values stand in error messages."""

    RELAY = "the relay's ok"  # it joins this end with the peer first
    PEER = "the peer's handshake"  # which proves that it has the same key
    DECISION = "the sender's decision"  # whether it uses this connection
    PASSED = "records"  # it is over


@attrs.define
class TransitHandshake:
    """
    The handshake of one connection.

    :ivar sender: whether this end is the sender, which decides.
    :ivar request: what a relay is asked for; empty on a direct connection.
    :ivar rest: bytes that are not consumed; once `PASSED`, the beginning of the records.
    """

    keys: TransitKeys
    sender: bool
    request: bytes = b""
    step: HandshakeStep = HandshakeStep.PEER
    rest: bytes = b""

    def start(self) -> bytes:
        """Begin; return what to write as soon as there is a connection."""
        if self.request:
            self.step = HandshakeStep.RELAY
            return self.request
        return self.keys.handshake(self.sender)

    def feed(self, data: bytes) -> bytes:
        """
        Take bytes from the connection, and move `step` on.

        :return: what to write next.
        :raises TransitHandshakeError: this connection does not lead to the peer, or the sender has
            chosen another one.
        """
        self.rest += data
        reply = b""
        if self.step is HandshakeStep.RELAY and self._take(OK):
            self.step = HandshakeStep.PEER
            reply = self.keys.handshake(self.sender)
        if self.step is HandshakeStep.PEER and self._take(self.keys.handshake(not self.sender)):
            self.step = HandshakeStep.PASSED if self.sender else HandshakeStep.DECISION
        if self.step is HandshakeStep.DECISION:
            if self.rest[:1] == NEVERMIND[:1] and self._take(NEVERMIND):
                raise TransitHandshakeError("the other end has chosen another connection")
            if self.rest[:1] != NEVERMIND[:1] and self._take(GO):
                self.step = HandshakeStep.PASSED
        return reply

    def _take(self, expected: bytes) -> bool:
        if self.rest.startswith(expected):
            self.rest = self.rest[len(expected) :]
            return True
        if not expected.startswith(self.rest):
            received = self.rest[:40].decode("ascii", "backslashreplace").strip()
            raise TransitHandshakeError(f"expected {self.step.value}, received {received!r}")
        return False
