"""
The settings for what a mailbox, an address and all together may take.

None of them is one that people who send files to each other ever meet.
"""

from __future__ import annotations

import attrs

from wormhole_server.config import kinds
from wormhole_server.config.durations import Bytes
from wormhole_server.config.kinds import Automatic
from wormhole_server.config.option import Effect, setting

_MIB = 1 << 20
_MANY = 100_000_000


@attrs.frozen(kw_only=True, slots=False)
class BoundSettings:
    """What a client may take before it is refused more; none: as much as it wants."""

    # An exchange stores ten messages. A dilated wormhole stores a few more with each reconnect, and may live
    # for weeks.
    mailbox_message_limit: int | None = setting(
        kinds.number("a number of messages", 1, _MANY, none=True),
        "How many messages a mailbox may hold.",
        default=10_000,
        effect=Effect.AT_ONCE,
    )
    # The same: an exchange stores well under 20 kB.
    mailbox_size_limit: Bytes | None = setting(
        kinds.OPTIONAL_SIZE,
        "How much a mailbox may hold.",
        default=Bytes(8 * _MIB),
        effect=Effect.AT_ONCE,
    )
    # A client listens on one connection, and for some minutes on each that it has lost.
    mailbox_listener_limit: int | None = setting(
        kinds.number("a number of connections", 1, _MANY, none=True),
        "On how many connections a side may listen to a mailbox.",
        default=8,
        effect=Effect.AT_ONCE,
    )
    # Eight full mailboxes; some thousand exchanges that nobody fetches.
    address_storage_limit: Bytes | None = setting(
        kinds.OPTIONAL_SIZE,
        "How much an address may have stored. An address is one of IPv4, or a /64 of IPv6.",
        default=Bytes(64 * _MIB),
        effect=Effect.AT_ONCE,
    )
    # A company or a mobile network shares an address: a hundred of them wait for somebody at once.
    address_nameplate_limit: int | None = setting(
        kinds.number("a number of nameplates", 1, _MANY, none=True),
        "How many nameplates that an address has created may exist at once.",
        default=100,
        effect=Effect.AT_ONCE,
    )
    # One a second, and as many as a class that is told to begin.
    address_nameplate_rate: int | None = setting(
        kinds.number("a number of nameplates", 1, _MANY, none=True),
        "How many nameplates an address may create in a minute.",
        default=60,
        effect=Effect.AT_ONCE,
    )
    # People mistype a code once or twice. Each guess has one chance in 65,536, and ends the exchange.
    address_guess_limit: int | None = setting(
        kinds.number("a number of guesses", 1, _MANY, none=True),
        "How many claims of an address may fail in an hour, because they met two others or a wrong code, or "
        "left at once. After that each makes the next one wait twice as long, up to a minute.",
        default=10,
        effect=Effect.AT_ONCE,
    )
    # Room for SQLite's log, which everything that is removed goes to first.
    disk_reserve: Bytes | Automatic | None = setting(
        kinds.DISK_RESERVE,
        "How much of the disk of a SQLite file is left free: with less, nothing new is stored until "
        "something is removed or expires. auto: 5 %, at least 256 MiB, at most a quarter; none: "
        "nothing is left free.",
        default=Automatic.AUTO,
        effect=Effect.AT_ONCE,
    )

    @property
    def disk_reserve_bytes(self) -> int | None:
        """Return `disk_reserve` in bytes: None for the automatic one, 0 for none."""
        if self.disk_reserve is None:
            return 0
        return None if isinstance(self.disk_reserve, Automatic) else self.disk_reserve
