"""
The line to paste on the other machine: which options make `wormhole` use this server.

Owns how addresses become those options. Guessing needs a look at the network, which is handed in.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

from wormhole_server.endpoints import Endpoint, endpoint_kind


@attrs.frozen
class Listener:
    """
    A port that listens.

    :ivar address: the real one, where the endpoint asked for any port that is free.
    """

    endpoint: Endpoint
    address: IAddress


def paste_line(
    rendezvous: Sequence[Listener],
    transit: Sequence[Listener],
    public_host: str | None,
    guess_host: Callable[[], str],
) -> str | None:
    """
    `wormhole --relay-url=ws://HOST:PORT/v1 --transit-helper=tcp:HOST:PORT send FILE`

    :param guess_host: where no public host is set and a port listens on all addresses, says which of
        them others can reach.
    :return: None where nothing listens on the internet, such as behind a Unix socket.
    """

    def place(listener: Listener) -> str | None:
        address = listener.address
        if not isinstance(address, (IPv4Address, IPv6Address)):
            return None
        host = public_host or (
            guess_host() if ip_address(address.host).is_unspecified else address.host
        )
        return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"

    options = []
    for listener in rendezvous:
        if where := place(listener):
            scheme = "wss" if endpoint_kind(listener.endpoint) == "ssl" else "ws"
            options.append(f"--relay-url={scheme}://{where}/v1")
            break
    for listener in transit:
        # Clients speak TCP to a relay, or WebSocket, but not TCP with TLS.
        if endpoint_kind(listener.endpoint) != "ssl" and (where := place(listener)):
            options.append(f"--transit-helper=tcp:{where}")
            break
    return f"wormhole {' '.join(options)} send FILE" if options else None


def local_host() -> str:
    """
    The address that this machine talks to the internet from; its name where it does not.

    Connecting a datagram socket sends nothing: it makes the system choose a route.
    """
    # Addresses from the blocks for documentation: nobody is there, and the default route leads there.
    for family, elsewhere in (
        (socket.AF_INET, "192.0.2.1"),
        (socket.AF_INET6, "2001:db8::1"),
    ):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    return socket.gethostname()
