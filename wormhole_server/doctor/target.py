"""
The target of an examination: the configuration, and the addresses by which clients reach the server.

Owns how the addresses follow from the settings. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from wormhole_server.config.endpoints import Endpoint, endpoint_kind
from wormhole_server.config.settings import Settings
from wormhole_server.config.sources import Loaded
from wormhole_server.doctor.health import server_address

# The paths of the web root that clients use.
_RENDEZVOUS_PATH = "/v1"
_RELAY_PATH = "/transit"


@attrs.frozen
class Target:
    """
    What is examined.

    :ivar relay_url: the rendezvous server's URL for clients; None if there is none.
    :ivar transit_helper: the relay's address over TCP, as `tcp:HOST:PORT`; None if there is none.
    :ivar transit_websocket: the relay's URL over WebSocket; None if there is none.
    :ivar clients: how many clients have to be able to connect at once.
    :ivar now: returns seconds since the epoch.
    """

    loaded: Loaded
    relay_url: str | None
    transit_helper: str | None
    transit_websocket: str | None
    clients: int
    now: Callable[[], float]

    @property
    def settings(self) -> Settings:
        """The settings of the server."""
        return self.loaded.settings


def find_relay_url(settings: Settings) -> str | None:
    """
    Find the URL of the rendezvous server.

    :return: the public URL; without one, the first port under its public host or on this machine.
    """
    if settings.public_url is not None or not settings.rendezvous:
        return settings.public_url
    for endpoint in settings.rendezvous:
        if address := _public_address(endpoint, settings.public_host):
            scheme = "wss" if endpoint_kind(endpoint) == "ssl" else "ws"
            return f"{scheme}://{address}{settings.path_prefix or ''}{_RENDEZVOUS_PATH}"
    return None


def find_transit_helper(settings: Settings) -> str | None:
    """
    Find the address of the relay over TCP.

    :return: the public one; without one, the first port without TLS, as in `find_relay_url`.
    """
    if settings.public_transit is not None:
        return settings.public_transit
    for endpoint in settings.transit:
        address = _public_address(endpoint, settings.public_host)
        if address and endpoint_kind(endpoint) != "ssl":
            return f"tcp:{address}"
    return None


def find_transit_websocket(relay_url: str | None) -> str | None:
    """
    Find the URL of the relay over WebSocket.

    :return: `/transit` beside `/v1`; None if the rendezvous URL has another path.
    """
    if relay_url is None or not relay_url.endswith(_RENDEZVOUS_PATH):
        return None
    return relay_url.removesuffix(_RENDEZVOUS_PATH) + _RELAY_PATH


def _public_address(endpoint: Endpoint, public_host: str | None) -> str | None:
    address = server_address(endpoint)
    if address is None or address.path is not None:
        return None
    return str(attrs.evolve(address, hosts=(public_host or address.hosts[0],)))
