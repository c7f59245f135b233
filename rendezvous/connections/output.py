"""
The output of one connection: frames to the client, bounded by what it reads, and the end of the connection.

Owns how much may wait for a client that does not read, and that a connection is dropped once, for one reason.
"""

from __future__ import annotations

from typing import Protocol

from rendezvous.observer import DropReason
from rendezvous.server import Rendezvous
from wormhole_limits.bounds import Bound
from wormhole_websocket.frames import text_frame


class FrameTransport(Protocol):
    """A WebSocket connection whose opening handshake is complete."""

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the client, for whatever reason."""

    def serve(self, units: int) -> bool:
        """Handle what the client has sent; see `wormhole_limits.scheduler.Serve`."""

    def write(self, frame: bytes) -> None:
        """Send a frame; do nothing if the connection is closing."""

    def pause(self) -> None:
        """Handle nothing more of what the client sends."""

    def resume(self) -> None:
        """Handle what the client sends again."""

    def drop(self, *, flush: bool) -> None:
        """
        End the connection.

        :param flush: after what has been written; otherwise at once.
        """


class Output:
    """
    Sends frames to a client.

    :ivar block: groups the client with others of its address; see `block_of`.
    :ivar full: whether the transport holds enough: what is written now waits for the client to read.
    :ivar dropped: whether the server has ended the connection.
    """

    __slots__ = ("_lost", "_rendezvous", "_transport", "_waiting_bytes", "block", "dropped", "full")

    def __init__(self, rendezvous: Rendezvous, transport: FrameTransport) -> None:
        self._rendezvous = rendezvous
        self._transport = transport
        self._lost = False
        self._waiting_bytes = 0
        self.block = 0
        self.dropped = False
        self.full = False

    @property
    def waiting_bytes(self) -> int:
        """How much waits for the client, beyond what its transport holds anyway."""
        return self._waiting_bytes if self.full else 0

    def set_full(self) -> None:
        """The transport holds enough; it may say so more than once. Count what is written from now on."""
        if not self.full:
            self.full = True
            self._waiting_bytes = 0
            self._rendezvous.stalled.add(self)

    def set_drained(self) -> None:
        """The client has read what waited for it."""
        self.full = False
        self._rendezvous.stalled.discard(self)

    def send(self, payload: bytes) -> None:
        """Send a message, which is UTF-8."""
        self.write(text_frame(payload))

    def write(self, frame: bytes) -> None:
        """Send a frame; drop the connection if too much waits for the client."""
        if self.dropped:
            return
        if self.full:
            self._waiting_bytes += len(frame)
            if self._waiting_bytes > self._rendezvous.limits.send_buffer_bytes:
                self._rendezvous.bounds.bound_met(Bound.UNSENT, self.block)
                self.drop(DropReason.NOT_READING)
                return
        self._transport.write(frame)

    def drop(self, reason: DropReason, *, flush: bool = False) -> None:
        """
        End the connection, unless it has ended.

        :param flush: after what has been written; otherwise at once.
        """
        if not self._lost and not self.dropped:
            self.dropped = True
            self._rendezvous.observer.dropped(reason)
            self._transport.drop(flush=flush)

    def abort(self, reason: DropReason) -> None:
        """End the connection at once, even if what was written before its end has not been read."""
        if self.dropped:
            self._transport.drop(flush=False)
        self.drop(reason)

    def set_lost(self) -> None:
        """The connection is gone."""
        self._lost = True
        self._rendezvous.stalled.discard(self)
