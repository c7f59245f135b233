"""
What the relay asks of a transport, of whichever kind.

Owns the one interface between the relay, which knows no sockets, and the adapters (`tcp`,
`websocket`), which know no rules. An adapter gives itself to `Relay.connected` and tells the
connection that it gets back what happens to it.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport

from transit_relay.descriptor import Descriptor
from transit_relay.frames import Frames
from transit_relay.observer import End
from transit_relay.session import Cause


class IStream(ITCPTransport, IConsumer, IPushProducer):
    """All that the adapters ask of a Twisted transport: a name for what those provide anyway."""


class Framing(Protocol):
    """
    What puts a peer's bytes into frames, and takes them out: something between it and its socket.
    """

    def header(self, length: int, /) -> bytes:
        """What has to come before so many bytes that are sent to the peer."""

    def lend_frames(self, take: Callable[[Frames], None], /) -> None:
        """
        Call `take` as soon as no frame is half read.

        Whoever takes the frames reads from the socket, and splits what comes himself.
        """

    def return_frames(self, frames: Frames | None, /) -> None:
        """Read again, from where `frames` are; or, if they have not been taken, keep them."""

    def dataReceived(self, data: bytes, /) -> None:
        """Take frames that have been read by whoever has taken the frames."""


class Wire(Protocol):
    """One end of the relay: a transport that carries one peer's bytes, both ways."""

    @property
    def end(self) -> End:
        """What kind of connection it is."""

    @property
    def framing(self) -> Framing | None:
        """What puts the peer's bytes into frames; None where they are on the socket as they are."""

    paused: bool
    """Whether it has been told to read no more for now."""

    choked: bool
    """Whether its buddy is held up because this one's peer does not take what it is sent. Set by
    the link, as it is the link that holds the buddy up."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """Sends bytes to the peer; never blocks, and takes as many as there are."""

    def descriptor(self) -> Descriptor | None:
        """The socket beneath, for a link that goes past the transport; None where something that
        is no `framing`, such as TLS, is in between."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read again."""

    def attach(self, producer: IPushProducer) -> None:
        """Pause `producer` whenever too much waits to be sent, and resume it when all is sent."""

    def detach(self) -> None:
        """Forget the producer."""

    def finish(self, cause: Cause, /) -> None:
        """Send what is left, then tell the peer that this is the end. Goes on reading."""

    def abort(self) -> None:
        """Close at once. What is not yet in the kernel's hands is dropped."""

    def silence(self) -> float | None:
        """Seconds since the peer's kernel last gave a sign of life; None where nobody knows."""

    def has_ended(self) -> bool:
        """Whether the peer has closed its direction, though that may still be unread."""
