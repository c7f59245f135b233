"""
What the settings mean to each part: its limits, its lifetimes, what it says. Pure.

Owns the translation, which is the same at the start and after a reload. Changes nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from rendezvous.server import Limits as RendezvousLimits
from rendezvous.server import Welcome
from rendezvous.sweeper import Lifetimes
from rendezvous.usage import Usage
from transit_relay.limits import Limits as RelayLimits
from wormhole_server.settings import Settings

# The relay has no other word for it.
_NEVER_SECONDS = 365 * 86400.0


class RendezvousTerms(TypedDict):
    """For `rendezvous.server.Rendezvous`, and its `change`."""

    welcome: Welcome
    limits: RendezvousLimits
    lifetimes: Lifetimes
    usage: Usage
    list_allowed: bool


class WebSocketTerms(TypedDict):
    """For `rendezvous.websocket.RendezvousFactory`, and its `configure`."""

    max_message_bytes: int
    open_handshake_seconds: float
    allowed_origins: Sequence[str]
    options: Mapping[str, Any]


def rendezvous_terms(settings: Settings) -> RendezvousTerms:
    """For the rendezvous server."""
    return {
        "welcome": Welcome(settings.motd, settings.signal_error, settings.advertise_version),
        "limits": RendezvousLimits(
            send_buffer_bytes=settings.send_buffer_limit,
            ping_seconds=settings.websocket_ping_interval or 0.0,
            ping_timeout_seconds=settings.websocket_ping_timeout,
        ),
        "lifetimes": Lifetimes(
            nameplate_seconds=settings.nameplate_expiry,
            mailbox_seconds=settings.mailbox_expiry,
            usage_seconds=settings.usage_retention,
            interval_seconds=settings.expiry_interval,
        ),
        "usage": Usage(settings.blur_usage),
        "list_allowed": not settings.disallow_list,
    }


def websocket_terms(settings: Settings) -> WebSocketTerms:
    """For the WebSockets of its clients."""
    return {
        "max_message_bytes": settings.message_size_limit,
        "open_handshake_seconds": settings.open_handshake_timeout,
        "allowed_origins": settings.allowed_origin,
        "options": {option.name: option.value for option in settings.websocket_protocol_option},
    }


def relay_limits(settings: Settings) -> RelayLimits:
    """For the relay."""
    return RelayLimits(
        handshake_seconds=settings.transit_handshake_timeout,
        wait_seconds=settings.transit_wait_timeout,
        idle_seconds=settings.transit_idle_timeout,
        drain_seconds=settings.transit_drain_timeout,
        keepalive_idle_seconds=round(settings.transit_keepalive_idle),
        keepalive_interval_seconds=round(settings.transit_keepalive_interval),
        keepalive_count=settings.transit_keepalive_count,
        open_seconds=settings.open_handshake_timeout,
        ping_seconds=settings.websocket_ping_interval or _NEVER_SECONDS,
        pong_seconds=settings.websocket_ping_timeout,
    )
