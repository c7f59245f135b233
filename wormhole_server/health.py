"""
Whether the server that these settings describe is there: where to ask it, and asking.

Owns how an endpoint to listen on becomes a place to connect to, and what the answer means. Every answer is
one line. It is run every few seconds beside a server that has better things to do, so it imports neither
the reactor nor anything that serves.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address

import attrs

from wormhole_server.endpoints import Endpoint
from wormhole_server.words import printable

# More than this is no answer of ours.
_LONGEST_ANSWER = 500
# The order of what stands before the first `name=`, after the kind.
_POSITIONS = {
    "tcp": ("port", "interface"),
    "ssl": ("port", "privateKey", "certKey", "sslmethod", "interface"),
    "unix": ("address",),
}


@attrs.frozen
class Place:
    """
    Where a server listens.

    :ivar hosts: addresses under which it may be reached from its own machine, the likeliest first; none
        for a Unix socket.
    :ivar path: of a Unix socket.
    """

    hosts: tuple[str, ...] = ()
    port: int = 0
    tls: bool = False
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = self.hosts[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class UnhealthyError(Exception):
    """The server is not there, or is not ready. Its text is one line that says which and what to do."""


def place(endpoint: Endpoint) -> Place | None:
    """
    Where to connect to, for who is on the machine of the server that listens on `endpoint`.

    :return: None where the endpoint does not tell: a port that the system chooses, a socket that somebody
        else has opened.
    """
    kind, *parts = re.split(r"(?<!\\):", endpoint)
    if kind not in _POSITIONS:
        return None
    named: dict[str, str] = {}
    positions = iter(_POSITIONS[kind])
    for part in parts:
        name, is_named, value = part.partition("=")
        if not is_named:
            name, value = next(positions, ""), part
        named[name] = re.sub(r"\\(.)", r"\1", value)
    if kind == "unix":
        return Place(path=named["address"])
    port = int(named["port"])
    return None if port == 0 else Place(_hosts(named.get("interface", "")), port, kind == "ssl")


def check(
    rendezvous: Sequence[Endpoint], transit: Sequence[Endpoint], page: str, seconds: float
) -> str:
    """
    Ask on every rendezvous endpoint for `page`; where there is none, try whether the relay lets us in.

    :param page: `/readyz` or `/healthz`.
    :param seconds: how long to wait for each answer.
    :return: what the server said.
    :raises UnhealthyError: it does not answer, or says no.
    """
    endpoints = rendezvous or transit
    places = [each for each in map(place, endpoints) if each is not None]
    if not places:
        name = "rendezvous" if rendezvous else "transit"
        raise UnhealthyError(
            f"{name}: nobody can tell from {printable(endpoints[0])} where the server listens; say it, "
            f"as in: wormhole-server health --{name}=tcp:4000"
        )
    if not rendezvous:
        for each in places:
            _connect(each, seconds).close()
        return f"The relay lets clients in at {', '.join(map(str, places))}."
    return [_ask(each, page, seconds) for each in places][-1]


def _hosts(interface: str) -> tuple[str, ...]:
    """From the interface that is listened on to addresses that reach it."""
    if not interface:
        return ("127.0.0.1",)
    address = ip_address(interface)
    if not address.is_unspecified:
        return (interface,)
    # `::` takes IPv4 as well, unless the system says otherwise; a container may have no IPv6 at all.
    return ("127.0.0.1",) if address.version == 4 else ("127.0.0.1", "::1")


def _connect(where: Place, seconds: float) -> socket.socket:
    """:raises UnhealthyError: nobody accepts."""
    problem: OSError | None = None
    for family, address in _addresses(where):
        connection = socket.socket(family)
        try:
            connection.settimeout(seconds)
            connection.connect(address)
        except OSError as error:
            connection.close()
            problem = problem or error
        else:
            return connection
    raise UnhealthyError(
        f"nobody answers at {where}: {_why(problem, seconds)}; start the server, or give this command the "
        "settings that the server has"
    ) from problem


def _addresses(where: Place) -> Iterator[tuple[socket.AddressFamily, str | tuple[str, int]]]:
    if where.path is not None:
        yield socket.AF_UNIX, where.path
    for host in where.hosts:
        yield (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, where.port)


def _ask(where: Place, page: str, seconds: float) -> str:
    """:raises UnhealthyError: the answer is not 200."""
    connection = HTTPConnection("localhost", timeout=seconds)
    connection.sock = _connect(where, seconds)
    try:
        if where.tls:
            connection.sock = _anybody().wrap_socket(connection.sock)
        connection.request("GET", page, headers={"Connection": "close"})
        answer = connection.getresponse()
        said = printable(answer.read(_LONGEST_ANSWER).decode(errors="replace").strip())
    except (OSError, HTTPException) as error:
        raise UnhealthyError(
            f"no answer to {page} from {where}: {_why(error, seconds)}; look at the server's log"
        ) from error
    finally:
        connection.close()
    if answer.status != 200:
        raise UnhealthyError(f"{where} answers {page} with {answer.status}: {said}")
    return said


def _anybody() -> ssl.SSLContext:
    """Its certificate is for the name that clients know, and checking that is for who comes from outside."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: Exception | None, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {seconds:g} s"
    why = getattr(error, "strerror", None) or error
    return printable(str(why) or type(error).__name__)
