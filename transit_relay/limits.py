"""
The relay's figures: how long, how much. Plain values; the settings that an operator sees are made
from them elsewhere.
"""

import attrs
from attrs.validators import gt


@attrs.frozen
class Limits:
    """How long a connection may take over what, in seconds."""

    handshake_seconds: float = attrs.field(default=30.0, validator=gt(0))
    """To send the whole handshake. A client sends it at once; this is for the slowest of links."""

    wait_seconds: float = attrs.field(default=3600.0, validator=gt(0))
    """To wait for the buddy. People read codes to each other over the phone; an hour is ample."""

    idle_seconds: float = attrs.field(default=86400.0, validator=gt(0))
    """For a pair to exist without a byte in either direction. Long, as a peer may well be asked
    whether it wants the file, and nobody is at the keyboard; but not for ever."""

    drain_seconds: float = attrs.field(default=60.0, validator=gt(0))
    """For a connection that is being closed to take what is left for it: at most some 128 KiB,
    hence 2 KiB/s, which is slower than any link that still works."""

    linger_seconds: float = attrs.field(default=5.0, validator=gt(0))
    """For a peer that has been given all, and been told so, to close its own end. What it still
    sends is read and dropped meanwhile: to close on unread bytes is to reset the connection, and a
    reset overtakes what the peer has not yet received."""

    keepalive_idle_seconds: int = attrs.field(default=120, validator=gt(0))
    """Without a segment from the peer before the kernel starts to probe."""

    keepalive_interval_seconds: int = attrs.field(default=30, validator=gt(0))
    """Between probes."""

    keepalive_count: int = attrs.field(default=5, validator=gt(0))
    """Unanswered probes until the peer is dead: with the defaults after 270 s, within 5 minutes."""

    open_seconds: float = attrs.field(default=10.0, validator=gt(0))
    """For a WebSocket's opening handshake."""

    ping_seconds: float = attrs.field(default=60.0, validator=gt(0))
    """Between WebSocket pings. Reverse proxies drop what is silent for 60 s (nginx) or more."""

    pong_seconds: float = attrs.field(default=120.0, validator=gt(0))
    """For a WebSocket peer to be silent after a ping that it could have answered."""

    @property
    def dead_seconds(self) -> int:
        """How long a peer's kernel is silent until the peer is taken for dead."""
        return self.keepalive_idle_seconds + self.keepalive_interval_seconds * self.keepalive_count
