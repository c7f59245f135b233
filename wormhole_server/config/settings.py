"""
The settings: every value that an operator can set, with the list of options.

Combines the groups in `config/groups/`, and finds values that contradict each other. Reads no source:
`config/sources.py` does.
"""

from __future__ import annotations

import attrs

from wormhole_server.config.groups.bounds import BoundSettings
from wormhole_server.config.groups.listening import ConnectionSettings, ListeningSettings
from wormhole_server.config.groups.relay import RelaySettings
from wormhole_server.config.groups.rendezvous import ClientSettings, RendezvousSettings
from wormhole_server.config.groups.running import RunningSettings
from wormhole_server.config.groups.storage import StorageSettings
from wormhole_server.config.option import Group, options_of

_GROUPS = {
    Group.LISTENING: ListeningSettings,
    Group.CONNECTIONS: ConnectionSettings,
    Group.STORAGE: StorageSettings,
    Group.CLIENTS: ClientSettings,
    Group.RENDEZVOUS: RendezvousSettings,
    Group.BOUNDS: BoundSettings,
    Group.RELAY: RelaySettings,
    Group.RUNNING: RunningSettings,
}


@attrs.frozen(kw_only=True, slots=False)
class Settings(
    ListeningSettings,
    ConnectionSettings,
    StorageSettings,
    ClientSettings,
    RendezvousSettings,
    BoundSettings,
    RelaySettings,
    RunningSettings,
):
    """What the server serves, where and within which limits. Durations in seconds, sizes in bytes."""


OPTIONS = tuple(
    option for group, settings in _GROUPS.items() for option in options_of(settings, group)
)
BY_NAME = {option.name: option for option in OPTIONS}


@attrs.frozen
class Conflict:
    """Values that are valid one by one but not together."""

    names: frozenset[str]
    problem: str


def conflicts(settings: Settings) -> list[Conflict]:
    """Find all values that contradict each other."""
    found = []
    if not settings.rendezvous and not settings.transit:
        found.append(
            Conflict(
                frozenset({"rendezvous", "transit"}),
                "rendezvous, transit: both are none, so there is nothing to serve; "
                "give at least one of them an endpoint",
            )
        )
    if settings.send_buffer_limit < settings.message_size_limit:
        found.append(
            Conflict(
                frozenset({"send-buffer-limit", "message-size-limit"}),
                "send-buffer-limit: is smaller than message-size-limit, so a client would be "
                "dropped when it is sent the largest message; make it at least as large",
            )
        )
    prefix, url = settings.path_prefix, settings.public_url
    if prefix is not None and url is not None and not url.endswith(f"{prefix}/v1"):
        found.append(
            Conflict(
                frozenset({"path-prefix", "public-url"}),
                "public-url: does not end with the path-prefix and /v1, so clients that use it "
                "would not find the server; write the prefix before its /v1",
            )
        )
    return found
