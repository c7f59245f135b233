"""
What is to be examined: the configuration, and where clients are said to reach the server.

Owns how the addresses follow from the settings where they are not given. Asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from wormhole_server.endpoints import Endpoint, endpoint_kind
from wormhole_server.health import place
from wormhole_server.reach import bracketed
from wormhole_server.settings import Settings
from wormhole_server.sources import Loaded

# What clients call to be welcomed; the relay over WebSocket is beside it.
_RENDEZVOUS_PATH = "/v1"
_RELAY_PATH = "/transit"


@attrs.frozen
class Case:
    """
    What is to be examined.

    :ivar relay_url: of the rendezvous server, as clients are given it; None where there is none.
    :ivar transit_helper: the relay over TCP, likewise.
    :ivar transit_websocket: the relay over WebSocket, likewise.
    :ivar clients: how many clients at once it has to be enough for.
    :ivar now: seconds since the epoch.
    """

    loaded: Loaded
    relay_url: str | None
    transit_helper: str | None
    transit_websocket: str | None
    clients: int
    now: Callable[[], float]

    @property
    def settings(self) -> Settings:
        """All of them."""
        return self.loaded.settings


def relay_url(settings: Settings) -> str | None:
    """What the operator has said; else the first port, by its public name or from this machine."""
    if settings.public_url is not None or not settings.rendezvous:
        return settings.public_url
    for endpoint in settings.rendezvous:
        if where := _where(endpoint, settings.public_host):
            scheme = "wss" if endpoint_kind(endpoint) == "ssl" else "ws"
            return f"{scheme}://{where}{_RENDEZVOUS_PATH}"
    return None


def transit_helper(settings: Settings) -> str | None:
    """Likewise, for the relay over TCP."""
    if settings.public_transit is not None:
        return settings.public_transit
    plain: Sequence[Endpoint] = [each for each in settings.transit if endpoint_kind(each) != "ssl"]
    for endpoint in plain:
        if where := _where(endpoint, settings.public_host):
            return f"tcp:{where}"
    return None


def transit_websocket(url: str | None) -> str | None:
    """The relay that goes with a rendezvous URL; None where that is not written as ours are."""
    if url is None or not url.endswith(_RENDEZVOUS_PATH):
        return None
    return url.removesuffix(_RENDEZVOUS_PATH) + _RELAY_PATH


def _where(endpoint: Endpoint, public_host: str | None) -> str | None:
    found = place(endpoint)
    if found is None or found.path is not None:
        return None
    return f"{bracketed(public_host or found.hosts[0])}:{found.port}"
