"""
The settings for the rendezvous server: messages to clients, and limits of their connections.
"""

from __future__ import annotations

import enum

import attrs

from wormhole_server.config import kinds
from wormhole_server.config.durations import Bytes, Seconds
from wormhole_server.config.option import Effect, setting
from wormhole_server.config.websocket_options import ProtocolOption

_MINUTE = 60
_KIB = 1 << 10
_MIB = 1 << 20


class PermissionMode(enum.Enum):
    """Who has to bring a hashcash stamp."""

    NONE = "none"  # nobody
    AUTO = "auto"  # clients whose address has met a bound within the last hour
    HASHCASH = "hashcash"  # everybody


@attrs.frozen(kw_only=True, slots=False)
class ClientSettings:
    """What clients and visitors of the web pages are shown."""

    motd: str | None = setting(
        kinds.TEXT,
        "A message of the day, which clients show.",
        default=None,
        effect=Effect.NEW_CONNECTIONS,
    )
    signal_error: str | None = setting(
        kinds.TEXT,
        "An error message, which clients show before they exit. No client can use the server "
        "while it is set.",
        default=None,
        effect=Effect.NEW_CONNECTIONS,
    )
    advertise_version: str | None = setting(
        kinds.TEXT,
        "The client version to recommend.",
        default=None,
        effect=Effect.NEW_CONNECTIONS,
    )
    disallow_list: bool = setting(
        kinds.SWITCH,
        "Answer every request for the list of nameplates with an empty list.",
        default=False,
        effect=Effect.AT_ONCE,
    )
    web: bool = setting(
        kinds.SWITCH,
        "Serve the web client at /, with which anybody sends and receives in a browser. Without it, / "
        "shows the commands for other clients.",
        default=True,
    )
    site_name: str = setting(
        kinds.NAME,
        "The name of this server on the web client's page.",
        default="Magic Wormhole",
    )
    site_contact: str | None = setting(
        kinds.CONTACT,
        "How the operator is reached: a mail address or a URL, which the web client's page links to.",
        default=None,
    )
    status_page: bool = setting(
        kinds.SWITCH,
        "Serve /status, which shows totals that tell nothing about a single client. No time on it "
        "is finer than blur-usage.",
        default=True,
    )
    show_version: bool = setting(
        kinds.SWITCH,
        "Show the version of this program on /status and in /status.json. /metrics always has it.",
        default=True,
    )


@attrs.frozen(kw_only=True, slots=False)
class RendezvousSettings:
    """Limits of a rendezvous client's connection."""

    # Clients send a few hundred bytes; the largest real message, a list of hints, has a few KiB.
    message_size_limit: Bytes = setting(
        kinds.SIZE,
        "The largest message that a client may send. The server closes the connection on a larger "
        "one.",
        default=Bytes(256 * _KIB),
        effect=Effect.NEW_CONNECTIONS,
    )
    # Several times a full mailbox, which is sent at once; a thousand stalled clients take 4 GiB.
    send_buffer_limit: Bytes = setting(
        kinds.SIZE,
        "How much data may wait for a client that does not read. The server drops the client when "
        "there is more.",
        default=Bytes(4 * _MIB),
        effect=Effect.AT_ONCE,
    )
    # Home routers and mobile networks forget an idle connection after a few minutes.
    websocket_ping_interval: Seconds | None = setting(
        kinds.OPTIONAL_DURATION,
        "How often to ping clients; none: never, so that clients which vanish stay connected.",
        default=Seconds(_MINUTE),
        effect=Effect.AT_ONCE,
    )
    # Enough for a laptop that changes networks, or a phone in a tunnel.
    websocket_ping_timeout: Seconds = setting(
        kinds.DURATION,
        "How long to wait for the answer to a ping before the client is dropped, rounded up to whole "
        "ping intervals.",
        default=Seconds(2 * _MINUTE),
        effect=Effect.AT_ONCE,
    )
    # Several round trips on a very slow link. A longer timeout only helps those who hold sockets open.
    open_handshake_timeout: Seconds = setting(
        kinds.DURATION,
        "How long a connection may take to complete an HTTP request or a WebSocket handshake.",
        default=Seconds(10),
        effect=Effect.NEW_CONNECTIONS,
    )
    # None: the Python client, which most people use, cannot compute stamps (0.24 and earlier).
    permission: PermissionMode = setting(
        kinds.choice("who needs a permission", PermissionMode),
        "Which clients have to spend processor time, as a hashcash stamp, before they can use the "
        "server: none of them; with auto those from an address that has met a bound within the last "
        "hour; with hashcash all. Clients that cannot, such as `wormhole` 0.24, are refused.",
        default=PermissionMode.NONE,
        effect=Effect.NEW_CONNECTIONS,
    )
    # About a second of a laptop, and five of a telephone; each more doubles that.
    hashcash_bits: int = setting(
        kinds.number("a number of bits", 1, 26),
        "How many zero bits a hashcash stamp has to begin with.",
        default=20,
        effect=Effect.NEW_CONNECTIONS,
    )
    # All: the protocol has no cookies, so a web page can do no more than any program.
    allowed_origin: tuple[str, ...] = setting(
        kinds.ORIGIN,
        "An origin from which browsers may connect, such as https://*.example.org; * is any.",
        default=("*",),
        many=True,
        effect=Effect.NEW_CONNECTIONS,
    )
    websocket_protocol_option: tuple[ProtocolOption, ...] = setting(
        kinds.PROTOCOL_OPTION,
        "An option of Autobahn's WebSocketServerFactory.setProtocolOptions and its value in JSON, "
        "such as autoPingSize=20. It overrides the options above.",
        default=(),
        many=True,
        effect=Effect.NEW_CONNECTIONS,
    )
