"""
The arguments of the two servers: `Settings`, converted to what the servers take.

Owns the conversion, which is the same at the start and at a reload. Changes nothing by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from rendezvous.permissions import Permissions
from rendezvous.rules.messages import MailboxLimits
from rendezvous.rules.usage import Usage
from rendezvous.server import Limits as RendezvousLimits
from rendezvous.sharing.accounts import AddressLimits
from rendezvous.sweeper import Lifetimes
from rendezvous.welcome import Welcome
from transit_relay.session import RelayLimits
from wormhole_limits.buckets import Rate
from wormhole_limits.memory import MemoryLimits
from wormhole_server.config.groups.relay import TransitUsers
from wormhole_server.config.groups.rendezvous import PermissionMode
from wormhole_server.config.settings import Settings
from wormhole_server.web.pages.assets import read_assets
from wormhole_server.web.pages.client_page import WebClient

# Several exchanges' worth of commands: no client waits for so many answers at once.
_PENDING_COMMANDS = 100
# The rules have no value for "none": what the columns take.
_UNLIMITED_MESSAGES = (1 << 31) - 1
_UNLIMITED_SIZE = (1 << 63) - 1
# The relay has no value for "never"; no connection lasts a year.
_NEVER_SECONDS = 365 * 86400.0

# A peer that was sent everything closes within a round trip; this is ample even over Tor.
_LINGER_SECONDS = 5.0


class RendezvousArguments(TypedDict):
    """Arguments of `rendezvous.server.Rendezvous` and of its `change`."""

    welcome: Welcome
    limits: RendezvousLimits
    lifetimes: Lifetimes
    usage: Usage
    list_allowed: bool
    permissions: Permissions


class WebSocketArguments(TypedDict):
    """Arguments of `rendezvous.connections.websocket.RendezvousFactory` and of its `configure`."""

    max_message_bytes: int
    open_handshake_seconds: float
    allowed_origins: Sequence[str]
    options: Mapping[str, Any]


def rendezvous_arguments(settings: Settings) -> RendezvousArguments:
    """Convert what concerns the rendezvous server."""
    return {
        "welcome": Welcome(settings.motd, settings.signal_error, settings.advertise_version),
        "limits": RendezvousLimits(
            send_buffer_bytes=settings.send_buffer_limit,
            ping_seconds=settings.websocket_ping_interval or 0.0,
            ping_timeout_seconds=settings.websocket_ping_timeout,
            pending_commands=_PENDING_COMMANDS,
            mailbox=MailboxLimits(
                messages=settings.mailbox_message_limit or _UNLIMITED_MESSAGES,
                size=settings.mailbox_size_limit or _UNLIMITED_SIZE,
            ),
            address=AddressLimits(
                stored=settings.address_storage_limit,
                nameplates=settings.address_nameplate_limit,
                new_mailboxes=_rate(settings.address_nameplate_rate),
            ),
            listeners=settings.mailbox_listener_limit,
            guesses=settings.address_guess_limit,
            disk_reserve=settings.disk_reserve_bytes,
        ),
        "lifetimes": Lifetimes(
            nameplate_seconds=settings.nameplate_expiry,
            mailbox_seconds=settings.mailbox_expiry,
            usage_seconds=settings.usage_retention,
            interval_seconds=settings.expiry_interval,
        ),
        "usage": Usage(settings.blur_usage),
        "list_allowed": not settings.disallow_list,
        "permissions": Permissions(
            bits=settings.hashcash_bits,
            ask_all=settings.permission is PermissionMode.HASHCASH,
            ask_over_bound=settings.permission is PermissionMode.AUTO,
        ),
    }


def _rate(a_minute: int | None) -> Rate | None:
    """A minute's worth may come at once."""
    return None if a_minute is None else Rate(a_minute / 60, a_minute)


def websocket_arguments(settings: Settings) -> WebSocketArguments:
    """Convert what concerns the WebSocket connections of rendezvous clients."""
    return {
        "max_message_bytes": settings.message_size_limit,
        "open_handshake_seconds": settings.open_handshake_timeout,
        "allowed_origins": settings.allowed_origin,
        "options": {option.name: option.value for option in settings.websocket_protocol_option},
    }


def memory_limits(settings: Settings) -> MemoryLimits:
    """Convert what concerns the memory that connections hold."""
    return MemoryLimits(
        total_bytes=settings.memory_limit,
        connection_bytes=settings.send_buffer_limit,
        message_seconds=settings.message_timeout,
    )


def relay_limits(settings: Settings) -> RelayLimits:
    """Convert what concerns the transit relay."""
    return RelayLimits(
        handshake_seconds=settings.transit_handshake_timeout,
        wait_seconds=settings.transit_wait_timeout,
        idle_seconds=settings.transit_idle_timeout,
        drain_seconds=settings.transit_drain_timeout,
        linger_seconds=_LINGER_SECONDS,
        keepalive_idle_seconds=round(settings.transit_keepalive_idle),
        keepalive_interval_seconds=round(settings.transit_keepalive_interval),
        keepalive_count=settings.transit_keepalive_count,
        open_seconds=settings.open_handshake_timeout,
        ping_seconds=settings.websocket_ping_interval or _NEVER_SECONDS,
        pong_seconds=settings.websocket_ping_timeout,
        waiting_per_address=settings.transit_waiting_per_address,
        pair_rate=settings.transit_rate_per_pair,
        address_rate=settings.transit_rate_per_address,
        total_rate=settings.transit_rate,
        month_bytes=settings.transit_month_limit,
        month_bytes_per_address=settings.transit_month_limit_per_address,
        known_only=settings.transit_for is TransitUsers.KNOWN,
    )


def web_client(settings: Settings) -> WebClient | None:
    """Return the web client; None where it is turned off, or this program was built without it."""
    assets = read_assets() if settings.web else {}
    return WebClient(assets, settings.site_name, settings.site_contact) if assets else None
