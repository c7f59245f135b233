"""
Everything that an operator can set: the one place for names, defaults, units, help and reasons.

Owns `Settings` and the list of options that flags, environment, TOML and the documentation are made
from. Reads nothing: `wormhole_server.sources` does.

An option is named alike everywhere: the attribute `nameplate_expiry` is the flag
`--nameplate-expiry`, `WORMHOLE_SERVER_NAMEPLATE_EXPIRY` in the environment and `nameplate-expiry`
in TOML.
"""

from __future__ import annotations

import enum

import attrs
from sqlalchemy import URL, make_url

from wormhole_server import kinds
from wormhole_server.database_url import masked
from wormhole_server.descriptors import Automatic
from wormhole_server.durations import Bytes, Seconds
from wormhole_server.endpoints import Endpoint
from wormhole_server.option import Effect, Group, Option, described, option
from wormhole_server.proxies.trust import TrustedProxy
from wormhole_server.websocket_options import ProtocolOption

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_KIB = 1 << 10
_MIB = 1 << 20


class TransitLink(enum.Enum):
    """How the relay moves the bytes of a pair."""

    AUTO = "auto"  # the kernel does, where it can
    SPLICE = "splice"  # the same, but the server does not start where the kernel cannot
    PRODUCER = "producer"  # all bytes go through the process


@attrs.frozen(kw_only=True)
class Settings:
    """What to serve, where and within which limits. Times are in seconds, sizes in bytes."""

    # -- Where it listens ------------------------------------------------------------------------

    # The ports that clients and operators know from the public servers. `::` takes IPv4 as well.
    rendezvous: tuple[Endpoint, ...] = attrs.field(
        default=(Endpoint(r"tcp:4000:interface=\:\:"),),
        metadata=option(
            kinds.ENDPOINT,
            Group.LISTENING,
            "Where the web root listens: / and /v1 (rendezvous), /transit (the relay over "
            "WebSocket), /healthz and /readyz.",
            many=True,
        ),
    )
    transit: tuple[Endpoint, ...] = attrs.field(
        default=(Endpoint(r"tcp:4001:interface=\:\:"),),
        metadata=option(
            kinds.ENDPOINT,
            Group.LISTENING,
            "Where the relay listens over TCP.",
            many=True,
        ),
    )
    # Figures about users are for the operator alone, until the operator says otherwise.
    metrics: tuple[Endpoint, ...] = attrs.field(
        default=(Endpoint("tcp:9400:interface=127.0.0.1"),),
        metadata=option(
            kinds.ENDPOINT,
            Group.LISTENING,
            "Where /metrics listens, for Prometheus.",
            many=True,
        ),
    )
    public_host: str | None = attrs.field(
        default=None,
        metadata=option(
            kinds.HOST,
            Group.LISTENING,
            "The name or address under which clients reach this machine, for the commands that are "
            "shown to them. Where it is not set, the machine guesses.",
        ),
    )
    public_url: str | None = attrs.field(
        default=None,
        metadata=option(
            kinds.PUBLIC_URL,
            Group.LISTENING,
            "Where clients reach /v1, where that is not the public host and the port that listens: "
            "behind a proxy, wss://wormhole.example.org/v1.",
        ),
    )
    public_transit: str | None = attrs.field(
        default=None,
        metadata=option(
            kinds.PUBLIC_TRANSIT,
            Group.LISTENING,
            "Where clients reach the relay over TCP, where that is not the public host and the "
            "port that listens: tcp:relay.example.org:4001.",
        ),
    )

    # -- Who may connect -------------------------------------------------------------------------

    # Whoever is believed may claim to be anybody: that takes the operator's word.
    trusted_proxy: tuple[TrustedProxy, ...] = attrs.field(
        default=(),
        metadata=option(
            kinds.TRUSTED_PROXY,
            Group.PROXIES,
            "A network or an address that your reverse proxies connect from, such as 10.0.0.0/8; "
            "unix is all who come over a Unix socket. They are believed when they say who their "
            "client is: in X-Forwarded-For, X-Real-IP or a PROXY header.",
            many=True,
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    # A proxy sends it with its first packet, over a network of the operator's own.
    proxy_header_timeout: Seconds = attrs.field(
        default=Seconds(5),
        metadata=option(
            kinds.DURATION,
            Group.PROXIES,
            "How long a trusted proxy may take to send a PROXY header, if it does.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    # Who is in keeps working only if the next one finds a descriptor, or is told that there is none.
    connection_limit: int | Automatic | None = attrs.field(
        default=Automatic.AUTO,
        metadata=option(
            kinds.CONNECTIONS,
            Group.PROXIES,
            "How many clients may be connected at once, rendezvous and relay together; auto: as "
            "many as the process has file descriptors for, with some left for the server itself; "
            "none: without regard to those.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    # Behind a proxy that is not trusted all clients have one address, and so have whole companies.
    connections_per_address: int | None = attrs.field(
        default=None,
        metadata=option(
            kinds.number("a number of connections", 1, 100_000_000, none=True),
            Group.PROXIES,
            "How many of them may come from one IPv4 address, or one /64 of IPv6; trusted proxies "
            "are not counted, but those for whom they speak. A transfer takes two at either end.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )

    # -- What it keeps ---------------------------------------------------------------------------

    database: URL = attrs.field(
        repr=masked,
        default=make_url("sqlite:///wormhole-server.db"),
        metadata=option(
            kinds.DATABASE,
            Group.STORAGE,
            "Where nameplates, mailboxes, messages and usage records live: sqlite:///FILE, or "
            "postgresql+psycopg://USER:PASSWORD@HOST/NAME.",
        ),
    )
    # Each holds a connection to PostgreSQL and one batch. Two hide each other's round trips, and one goes
    # on while the other waits for another instance; with more, threads fight for the interpreter.
    database_threads: int = attrs.field(
        default=2,
        metadata=option(
            kinds.number("a number of threads", 1, 64),
            Group.STORAGE,
            "How many threads, each with a connection, talk to PostgreSQL. SQLite needs but one.",
        ),
    )
    # A nameplate is spoken over the phone and typed within minutes. Free ones are short ones.
    nameplate_expiry: Seconds = attrs.field(
        default=Seconds(_HOUR),
        metadata=option(
            kinds.DURATION,
            Group.STORAGE,
            "How long a nameplate without a connected client lives on after its last use.",
            effect=Effect.AT_ONCE,
        ),
    )
    # A client that lost its network comes back within the day, or has been closed.
    mailbox_expiry: Seconds = attrs.field(
        default=Seconds(_DAY),
        metadata=option(
            kinds.DURATION,
            Group.STORAGE,
            "How long a mailbox without a connected client lives on after its last use.",
            effect=Effect.AT_ONCE,
        ),
    )
    # Far below the shortest expiry that makes sense, far above what a look through an index costs.
    expiry_interval: Seconds = attrs.field(
        default=Seconds(_MINUTE),
        metadata=option(
            kinds.DURATION,
            Group.STORAGE,
            "How often to look for what has expired.",
            effect=Effect.AT_ONCE,
        ),
    )
    # A quarter is enough to see trends, and no longer than statistics justify keeping.
    usage_retention: Seconds | None = attrs.field(
        default=Seconds(90 * _DAY),
        metadata=option(
            kinds.OPTIONAL_DURATION,
            Group.STORAGE,
            "How long usage records are kept; none keeps them for ever.",
            effect=Effect.AT_ONCE,
        ),
    )
    blur_usage: Seconds | None = attrs.field(
        default=None,
        metadata=option(
            kinds.OPTIONAL_DURATION,
            Group.STORAGE,
            "Round the times in usage records down to a multiple of this, and sizes up to two "
            "digits.",
            effect=Effect.AT_ONCE,
        ),
    )
    log_fd: int | None = attrs.field(
        default=None,
        metadata=option(
            kinds.number("a file descriptor", 0, 1 << 20, none=True),
            Group.STORAGE,
            "Write the relay's usage records to this file descriptor as well, one JSON object a "
            "line.",
        ),
    )

    # -- What clients are told -------------------------------------------------------------------

    motd: str | None = attrs.field(
        default=None,
        metadata=option(
            kinds.TEXT,
            Group.CLIENTS,
            "A message of the day, which clients show.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    signal_error: str | None = attrs.field(
        default=None,
        metadata=option(
            kinds.TEXT,
            Group.CLIENTS,
            "An error that clients show before they give up: the server is closed to them.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    advertise_version: str | None = attrs.field(
        default=None,
        metadata=option(
            kinds.TEXT,
            Group.CLIENTS,
            "The version of the client to recommend.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    disallow_list: bool = attrs.field(
        default=False,
        metadata=option(
            kinds.SWITCH,
            Group.CLIENTS,
            "Answer every request for the list of nameplates with an empty one.",
            effect=Effect.AT_ONCE,
        ),
    )

    status_page: bool = attrs.field(
        default=True,
        metadata=option(
            kinds.SWITCH,
            Group.CLIENTS,
            "Show at /status how the server is doing, in sums that say nothing of a single client; "
            "none of them is finer than blur-usage.",
        ),
    )

    # -- Rendezvous: limits ----------------------------------------------------------------------

    # Clients send a few hundred bytes; the largest honest message, a list of hints, is some KiB.
    message_size_limit: Bytes = attrs.field(
        default=Bytes(256 * _KIB),
        metadata=option(
            kinds.SIZE,
            Group.RENDEZVOUS,
            "The largest message that a client may send; a larger one ends its connection.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    # A mailbox read from its start fits many times over; a thousand stalled clients, in 4 GiB.
    send_buffer_limit: Bytes = attrs.field(
        default=Bytes(4 * _MIB),
        metadata=option(
            kinds.SIZE,
            Group.RENDEZVOUS,
            "How much may wait for a client that does not read before it is dropped.",
            effect=Effect.AT_ONCE,
        ),
    )
    # Below the minutes after which home routers and mobile networks forget a connection.
    websocket_ping_interval: Seconds | None = attrs.field(
        default=Seconds(_MINUTE),
        metadata=option(
            kinds.OPTIONAL_DURATION,
            Group.RENDEZVOUS,
            "How often to ping clients; none never does, and never finds out who is gone.",
            effect=Effect.AT_ONCE,
        ),
    )
    # A laptop that changes networks, or a phone in a tunnel, is back in less.
    websocket_ping_timeout: Seconds = attrs.field(
        default=Seconds(2 * _MINUTE),
        metadata=option(
            kinds.DURATION,
            Group.RENDEZVOUS,
            "How long a client may leave a ping without an answer before it is dropped.",
            effect=Effect.AT_ONCE,
        ),
    )
    # Several round trips over the worst of lines; longer only serves who wants to hold sockets.
    open_handshake_timeout: Seconds = attrs.field(
        default=Seconds(10),
        metadata=option(
            kinds.DURATION,
            Group.RENDEZVOUS,
            "How long a connection may take to complete an HTTP request or a WebSocket handshake.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    # The protocol has no cookies to steal: a page of any origin can do no more than a program can.
    allowed_origin: tuple[str, ...] = attrs.field(
        default=("*",),
        metadata=option(
            kinds.ORIGIN,
            Group.RENDEZVOUS,
            "Origins from which browsers may connect, such as https://*.example.org; * is any.",
            many=True,
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    websocket_protocol_option: tuple[ProtocolOption, ...] = attrs.field(
        default=(),
        metadata=option(
            kinds.PROTOCOL_OPTION,
            Group.RENDEZVOUS,
            "An option of Autobahn's WebSocketServerFactory.setProtocolOptions and its value in "
            "JSON, such as autoPingSize=20. It comes last, and beats the options above.",
            many=True,
            effect=Effect.NEW_CONNECTIONS,
        ),
    )

    # -- Transit relay: limits -------------------------------------------------------------------

    # One line after connecting: half a minute is generous even over Tor.
    transit_handshake_timeout: Seconds = attrs.field(
        default=Seconds(30),
        metadata=option(
            kinds.DURATION,
            Group.RELAY,
            "How long a connection may take to say which token it wants.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    # As long as a nameplate lives: the code was spoken by then or never will be.
    transit_wait_timeout: Seconds = attrs.field(
        default=Seconds(_HOUR),
        metadata=option(
            kinds.DURATION,
            Group.RELAY,
            "How long a connection may wait for its partner.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    # Dilated wormholes are silent for hours between transfers.
    transit_idle_timeout: Seconds = attrs.field(
        default=Seconds(_DAY),
        metadata=option(
            kinds.DURATION,
            Group.RELAY,
            "How long a pair may exchange no byte before it is closed.",
            effect=Effect.AT_ONCE,
        ),
    )
    # What is still in buffers is some MiB: a line that cannot take them in a minute has stalled.
    transit_drain_timeout: Seconds = attrs.field(
        default=Seconds(_MINUTE),
        metadata=option(
            kinds.DURATION,
            Group.RELAY,
            "How long a connection may take for what is left after its partner has gone.",
            effect=Effect.AT_ONCE,
        ),
    )
    # 120 + 5 × 30 = 270 seconds: a peer that vanished is found out within five minutes.
    transit_keepalive_idle: Seconds = attrs.field(
        default=Seconds(2 * _MINUTE),
        metadata=option(
            kinds.WHOLE_DURATION,
            Group.RELAY,
            "TCP keepalive: how long a connection is silent before the first probe.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    transit_keepalive_interval: Seconds = attrs.field(
        default=Seconds(30),
        metadata=option(
            kinds.WHOLE_DURATION,
            Group.RELAY,
            "TCP keepalive: the time between probes.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )
    transit_keepalive_count: int = attrs.field(
        default=5,
        metadata=option(
            kinds.number("a number of probes", 1, 127),
            Group.RELAY,
            "TCP keepalive: how many probes in a row may stay without an answer.",
            effect=Effect.NEW_CONNECTIONS,
        ),
    )

    transit_link: TransitLink = attrs.field(
        default=TransitLink.AUTO,
        metadata=option(
            kinds.choice("a kind of link", TransitLink),
            Group.RELAY,
            "How bytes get from one client to the other: in the kernel (splice), or through this "
            "process (producer). auto is splice wherever the kernel has it; with splice the "
            "server does not start where it has not.",
        ),
    )
    # All pairs share one pipe, which is empty between turns. With 256 KiB a GiB costs half as much
    # CPU again; a larger one than this is no faster, and only root may have it.
    transit_pipe_memory: Bytes = attrs.field(
        default=Bytes(_MIB),
        metadata=option(
            kinds.size(64 * _KIB),
            Group.RELAY,
            "The most kernel memory in pipes, from 64KiB. The system rounds it to a power of two, "
            "and above 1MiB has to allow it.",
        ),
    )

    # -- How it runs -----------------------------------------------------------------------------

    config: str | None = attrs.field(
        default=None,
        metadata=option(
            kinds.FILE,
            Group.RUNNING,
            "A TOML file with any of these options, without the dashes in front.",
        ),
    )
    log_level: str = attrs.field(
        default="info",
        metadata=option(
            kinds.LOG_LEVEL,
            Group.RUNNING,
            "The least that is worth a line in the log of `wormhole-server run`: debug, info, "
            "warn, error or critical. twistd and twist keep logs of their own.",
            effect=Effect.AT_ONCE,
        ),
    )
    # Whoever connects to the relay's port meanwhile, where systemd holds that, waits for the next process;
    # clients do for a minute. Half of that is enough for most transfers, and leaves time for the rest of
    # the way out and for the start.
    shutdown_timeout: Seconds = attrs.field(
        default=Seconds(30),
        metadata=option(
            kinds.DURATION_OR_ZERO,
            Group.RUNNING,
            "How long pairs in the relay may take to finish when the server is stopped; 0 cuts them "
            "at once.",
            effect=Effect.AT_ONCE,
        ),
    )
    # Another instance, or the next process here, is as good as idle with 2000 clients a second.
    shutdown_spread: Seconds = attrs.field(
        default=Seconds(5),
        metadata=option(
            kinds.DURATION_OR_ZERO,
            Group.RUNNING,
            "Over how long rendezvous clients are told to go when the server is stopped, so that "
            "they do not all come back at once. 100 clients take a second, however long this is.",
            effect=Effect.AT_ONCE,
        ),
    )
    # Only a front that asks /readyz needs it, and only it knows how often it asks.
    shutdown_delay: Seconds = attrs.field(
        default=Seconds(0),
        metadata=option(
            kinds.DURATION_OR_ZERO,
            Group.RUNNING,
            "How long to go on as if nothing had happened when the server is stopped, but for "
            "/readyz, which says 503: for a load balancer to notice.",
            effect=Effect.AT_ONCE,
        ),
    )


OPTIONS: tuple[Option, ...] = tuple(described(field) for field in attrs.fields(Settings))
BY_NAME = {option.name: option for option in OPTIONS}


@attrs.frozen
class Conflict:
    """Values that are right one by one and cannot stand together."""

    names: frozenset[str]
    problem: str


def conflicts(settings: Settings) -> list[Conflict]:
    """Everything in `settings` that does not go together."""
    found = []
    if not settings.rendezvous and not settings.transit:
        found.append(
            Conflict(
                frozenset({"rendezvous", "transit"}),
                "rendezvous, transit: both are none, there is nothing to serve; "
                "give at least one of them an endpoint",
            )
        )
    if settings.send_buffer_limit < settings.message_size_limit:
        found.append(
            Conflict(
                frozenset({"send-buffer-limit", "message-size-limit"}),
                "send-buffer-limit: is smaller than message-size-limit, so whoever is sent the "
                "largest message would be dropped for it; make it at least as large",
            )
        )
    return found
