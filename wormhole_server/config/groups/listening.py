"""
The settings for endpoints, public addresses, proxies and connection limits.
"""

from __future__ import annotations

from typing import Final

import attrs

from wormhole_server.config import kinds
from wormhole_server.config.durations import Bytes, Seconds
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.config.kinds import Automatic
from wormhole_server.config.option import Effect, setting
from wormhole_server.config.trusted_proxies import TrustedProxy

_MIB = 1 << 20

# Three for each client: eighty people behind one address who transfer something at the same moment.
CONNECTIONS_PER_ADDRESS: Final = 256


@attrs.frozen(kw_only=True, slots=False)
class ListeningSettings:
    """Where the server listens, and the addresses that clients are given."""

    # The ports of the public servers, which clients and operators know. `::` accepts IPv4 as well.
    rendezvous: tuple[Endpoint, ...] = setting(
        kinds.ENDPOINT,
        "Where the web root listens: / and /v1 (rendezvous), /transit (the relay over WebSocket), "
        "/healthz and /readyz.",
        default=(Endpoint(r"tcp:4000:interface=\:\:"),),
        many=True,
    )
    transit: tuple[Endpoint, ...] = setting(
        kinds.ENDPOINT,
        "Where the relay listens over TCP.",
        default=(Endpoint(r"tcp:4001:interface=\:\:"),),
        many=True,
    )
    # Loopback: figures about users are not public unless the operator publishes them.
    metrics: tuple[Endpoint, ...] = setting(
        kinds.ENDPOINT,
        "Where /metrics listens, for Prometheus.",
        default=(Endpoint("tcp:9400:interface=127.0.0.1"),),
        many=True,
    )
    public_host: str | None = setting(
        kinds.HOST,
        "The host name or address by which clients reach this machine, shown in the commands for "
        "clients. If it is not set, the server uses an address of this machine.",
        default=None,
    )
    public_url: str | None = setting(
        kinds.PUBLIC_URL,
        "The URL by which clients reach /v1, if it is not the public host and the rendezvous port, "
        "such as wss://wormhole.example.org/v1 behind a proxy.",
        default=None,
    )
    public_transit: str | None = setting(
        kinds.PUBLIC_TRANSIT,
        "The address by which clients reach the relay over TCP, if it is not the public host and "
        "the relay's port, such as tcp:relay.example.org:4001.",
        default=None,
    )

    # None: a server that only those can use who know a secret is not what most operators want.
    path_prefix: str | None = setting(
        kinds.PATH_PREFIX,
        "A secret path before /v1 and /transit, such as /SECRET: clients use "
        "ws://HOST:4000/SECRET/v1, without it there is a status 404, and only the page at /SECRET/ "
        "shows the commands. The relay over TCP has no path: add --transit-for=known.",
        default=None,
        repr=lambda _: "'***'",
    )


@attrs.frozen(kw_only=True, slots=False)
class ConnectionSettings:
    """Which proxies are trusted, and how many connections are accepted."""

    # None: a trusted peer can claim any client address, so the operator has to name it.
    trusted_proxy: tuple[TrustedProxy, ...] = setting(
        kinds.TRUSTED_PROXY,
        "A network or an address that your reverse proxies connect from, such as 10.0.0.0/8; unix "
        "trusts every client of a Unix socket. The server takes a client's address from the "
        "X-Forwarded-For, X-Real-IP or PROXY header that a trusted proxy sends.",
        default=(),
        many=True,
        effect=Effect.NEW_CONNECTIONS,
    )
    # None: a list of addresses is somebody's judgement, and goes stale.
    deny_list: str | None = setting(
        kinds.OPTIONAL_FILE,
        "A file of addresses and networks whose clients are refused, such as 192.0.2.0/24 or "
        "2001:db8::/32, one a line; what follows behind a space is the message for them, and # begins "
        "a comment. The server reads the file again on SIGHUP and when it has changed, and closes the "
        "connections of those who are on it by then. With an invalid line the old list stays.",
        default=None,
        effect=Effect.AT_ONCE,
    )
    # A proxy sends the header in its first packet, usually over the operator's own network.
    proxy_header_timeout: Seconds = setting(
        kinds.DURATION,
        "How long to wait for the PROXY header of a trusted proxy that sends one.",
        default=Seconds(5),
        effect=Effect.NEW_CONNECTIONS,
    )
    # Without a descriptor the server could not even answer that it is full.
    connection_limit: int | Automatic | None = setting(
        kinds.CONNECTIONS,
        "How many clients may be connected at once, rendezvous and relay together. auto: as many as "
        "the process has file descriptors for, less a reserve for the server itself; none: "
        "unlimited.",
        default=Automatic.AUTO,
        effect=Effect.NEW_CONNECTIONS,
    )
    # On this machine there may be a proxy that nobody has declared as trusted, for all clients.
    connections_per_address: int | Automatic | None = setting(
        kinds.CONNECTIONS,
        "How many connections may come from one IPv4 address, or from one /64 of IPv6. auto: "
        f"{CONNECTIONS_PER_ADDRESS}, and any number from loopback; none: any number. Clients of a "
        "trusted proxy count by their own addresses; those of another proxy share one. A transfer "
        "takes two or three connections from each client.",
        default=Automatic.AUTO,
        effect=Effect.NEW_CONNECTIONS,
    )
    # Nobody who reads holds anything. Sixty-four of those who hold all that they may.
    memory_limit: Bytes = setting(
        kinds.size(16 * _MIB),
        "How much memory the data of all connections may take: what clients do not read, and messages "
        "that they have not finished; at least 16MiB. Beyond it the server drops those that hold "
        "most. One connection may hold send-buffer-limit.",
        default=Bytes(256 * _MIB),
        effect=Effect.AT_ONCE,
    )
    # A message is at most 256 KiB: half a minute at the speed of a modem.
    message_timeout: Seconds = setting(
        kinds.DURATION,
        "How long a client may take to finish a message that it has begun to send.",
        default=Seconds(60),
        effect=Effect.AT_ONCE,
    )
