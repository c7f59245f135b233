"""
The settings for the transit relay: timeouts, TCP keepalive, and how bytes are moved.
"""

from __future__ import annotations

import enum

import attrs

from wormhole_server.config import kinds
from wormhole_server.config.durations import Bytes, Seconds
from wormhole_server.config.option import Effect, setting

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_KIB = 1 << 10
_MIB = 1 << 20


class TransitLink(enum.Enum):
    """How the relay moves the bytes of a pair."""

    AUTO = "auto"  # in the kernel if it can, otherwise through the process
    SPLICE = "splice"  # in the kernel; the server does not start if the kernel cannot
    PRODUCER = "producer"  # through the process


class TransitUsers(enum.Enum):
    """Who may use the relay."""

    ANYBODY = "anybody"
    KNOWN = (
        "known"  # addresses that are clients of the rendezvous server, or were within the last hour
    )


@attrs.frozen(kw_only=True, slots=False)
class RelaySettings:
    """Limits of a connection to the relay, and the link between two of them."""

    # One line right after connecting: generous even over Tor.
    transit_handshake_timeout: Seconds = setting(
        kinds.DURATION,
        "How long a connection may take to send its handshake, which names its token.",
        default=Seconds(30),
        effect=Effect.NEW_CONNECTIONS,
    )
    # As long as a nameplate is kept: a code that was not used by then will not be.
    transit_wait_timeout: Seconds = setting(
        kinds.DURATION,
        "How long a connection may wait for its buddy.",
        default=Seconds(_HOUR),
        effect=Effect.NEW_CONNECTIONS,
    )
    # Dilated wormholes are silent for hours between transfers.
    transit_idle_timeout: Seconds = setting(
        kinds.DURATION,
        "How long a pair may be idle before it is closed.",
        default=Seconds(_DAY),
        effect=Effect.AT_ONCE,
    )
    # At most 128 KiB are in this process, and the kernel's send buffer holds what the link carries in about
    # two round trips. A link that does not take that in a minute has stalled.
    transit_drain_timeout: Seconds = setting(
        kinds.DURATION,
        "How long a connection may take to receive what is left after its buddy has closed.",
        default=Seconds(_MINUTE),
        effect=Effect.AT_ONCE,
    )
    # Each client waits with one connection or two; ten people behind one address begin at the same time.
    transit_waiting_per_address: int | None = setting(
        kinds.number("a number of connections", 1, 100_000_000, none=True),
        "How many connections of one address may wait for their buddies.",
        default=100,
        effect=Effect.AT_ONCE,
    )
    # None, for each of the three: a relay that is slow without need makes people wait.
    transit_rate: Bytes | None = setting(
        kinds.OPTIONAL_SIZE,
        "How many bytes a second the relay may move, all pairs together. What is slowed is no longer "
        "read, and waits in the sender. A rate that is changed holds from the next pair on, then also for "
        "older pairs that had one.",
        default=None,
        effect=Effect.NEW_CONNECTIONS,
    )
    transit_rate_per_address: Bytes | None = setting(
        kinds.OPTIONAL_SIZE,
        "How many bytes a second the clients of one address may send through the relay.",
        default=None,
        effect=Effect.NEW_CONNECTIONS,
    )
    transit_rate_per_pair: Bytes | None = setting(
        kinds.OPTIONAL_SIZE,
        "How many bytes a second a pair may send through the relay, both ways together.",
        default=None,
        effect=Effect.NEW_CONNECTIONS,
    )
    # None, for both: few operators pay for traffic.
    transit_month_limit: Bytes | None = setting(
        kinds.OPTIONAL_TRAFFIC,
        "How many bytes the relay may move in a calendar month (UTC). Beyond it new connections are refused "
        "until the next month. After a restart the server counts only connections that began this month: "
        "what their usage records have, and what those that go on have moved.",
        default=None,
    )
    transit_month_limit_per_address: Bytes | None = setting(
        kinds.OPTIONAL_TRAFFIC,
        "How many bytes the clients of one address may send through the relay in a calendar month (UTC). "
        "Addresses are never written down, so a restart begins anew.",
        default=None,
        effect=Effect.AT_ONCE,
    )
    # The clients of public servers meet on other rendezvous servers, too.
    transit_for: TransitUsers = setting(
        kinds.choice("who may use the relay", TransitUsers),
        "Who may use the relay: anybody, or only addresses that are known, because they are clients of "
        "this rendezvous server or were within the last hour. With several instances, both ends of a "
        "transfer have to use the instance whose relay they use.",
        default=TransitUsers.ANYBODY,
        effect=Effect.AT_ONCE,
    )
    # 120 + 5 × 30 = 270 seconds: a peer that vanished is detected within five minutes.
    transit_keepalive_idle: Seconds = setting(
        kinds.KEEPALIVE,
        "TCP keepalive: how long a connection is idle before the first probe, at most 32767s.",
        default=Seconds(2 * _MINUTE),
        effect=Effect.NEW_CONNECTIONS,
    )
    transit_keepalive_interval: Seconds = setting(
        kinds.KEEPALIVE,
        "TCP keepalive: the time between two probes, at most 32767s.",
        default=Seconds(30),
        effect=Effect.NEW_CONNECTIONS,
    )
    transit_keepalive_count: int = setting(
        kinds.number("a number of probes", 1, 127),
        "TCP keepalive: how many probes in a row may be unanswered.",
        default=5,
        effect=Effect.NEW_CONNECTIONS,
    )
    transit_link: TransitLink = setting(
        kinds.choice("a kind of link", TransitLink),
        "How bytes get from one client to the other: in the kernel (splice) or through this process "
        "(producer). auto uses splice if the kernel supports it; with splice the server does not "
        "start if the kernel does not.",
        default=TransitLink.AUTO,
    )
    # All pairs share one pipe, which is empty between two turns of the reactor. At 256 KiB a GiB takes
    # half as much CPU again; a larger pipe is no faster, and only root may have one.
    transit_pipe_memory: Bytes = setting(
        kinds.size(64 * _KIB),
        "The most kernel memory for pipes, at least 64KiB. The system rounds it to a power of two, "
        "and has to permit more than 1MiB.",
        default=Bytes(_MIB),
    )
