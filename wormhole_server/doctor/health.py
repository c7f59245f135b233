"""
The health check: whether the server that has these settings runs on this machine and is ready.

Owns how an endpoint to listen on becomes an address to connect to, and what the answer means. Every result
is one line. A container engine runs it every few seconds beside the server, so it imports nothing slow:
neither Twisted nor an HTTP client, and `ssl` for TLS only.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import attrs

from wormhole_server.config.endpoints import Endpoint
from wormhole_server.config.quoting import printable

# Bytes. The server's own answers are shorter.
_LONGEST_ANSWER = 500
_LONGEST_HEAD = 4096
_REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")
# The positional arguments of the endpoints whose address can be read from the configuration.
_POSITIONAL = {
    "tcp": ("port", "interface"),
    "ssl": ("port", "privateKey", "certKey", "sslmethod", "interface"),
    "unix": ("address",),
}


@attrs.frozen
class ServerAddress:
    """
    Where a server listens.

    :ivar hosts: addresses by which its own machine reaches it, the likeliest first; empty for a Unix
        socket.
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
    """The server does not answer, or is not ready. The text is one line: what is wrong; what to do."""


def server_address(endpoint: Endpoint) -> ServerAddress | None:
    """
    Find where this machine reaches a server that listens on `endpoint`.

    :return: None if the address is unknown: the endpoint has port 0, or a socket that systemd opens.
    """
    kind, *parts = re.split(r"(?<!\\):", endpoint)
    if kind not in _POSITIONAL:
        return None
    named: dict[str, str] = {}
    positional = iter(_POSITIONAL[kind])
    for part in parts:
        name, is_named, value = part.partition("=")
        if not is_named:
            name, value = next(positional, ""), part
        named[name] = re.sub(r"\\(.)", r"\1", value)
    if kind == "unix":
        return ServerAddress(path=named["address"])
    port = int(named["port"])
    if port == 0:
        return None
    return ServerAddress(_hosts(named.get("interface", "")), port, kind == "ssl")


def check_health(
    rendezvous: Sequence[Endpoint], transit: Sequence[Endpoint], page: str, seconds: float
) -> str:
    """
    Request a page from every rendezvous endpoint; without one, connect to every endpoint of the relay.

    :param page: `/readyz` or `/healthz`.
    :param seconds: how long to wait for each answer.
    :return: the server's answer.
    :raises UnhealthyError: one of them does not answer, or is not ready.
    """
    endpoints = rendezvous or transit
    addresses = [each for each in map(server_address, endpoints) if each is not None]
    if not addresses:
        name = "rendezvous" if rendezvous else "transit"
        raise UnhealthyError(
            f"{name}: {printable(endpoints[0])} does not say where the server listens; give the address, "
            f"as in wormhole-server health --{name}=tcp:4000"
        )
    if not rendezvous:
        for each in addresses:
            connect(each, seconds).close()
        return f"The relay accepts connections at {', '.join(map(str, addresses))}."
    return [ask(each, page, seconds) for each in addresses][-1]


def connect(address: ServerAddress, seconds: float) -> socket.socket:
    """
    Open a connection.

    :param seconds: the timeout, also for the connection's further use.
    :raises UnhealthyError: nothing accepts it.
    """
    problem: OSError | None = None
    for family, where in _socket_addresses(address):
        connection = socket.socket(family)
        try:
            connection.settimeout(seconds)
            connection.connect(where)
        except OSError as error:
            connection.close()
            problem = problem or error
        else:
            return connection
    raise UnhealthyError(
        f"nothing answers at {address}: {_reason(problem, seconds)}; start the server, or give this "
        "command the settings that the server has"
    ) from problem


def ask(address: ServerAddress, page: str, seconds: float) -> str:
    """
    Request a page.

    :param seconds: how long to wait for the answer.
    :return: the beginning of the body, in one line.
    :raises UnhealthyError: the status is not 200, or there is no answer.
    """
    connection = connect(address, seconds)
    try:
        if address.tls:
            connection = _without_verifying(connection)
        connection.sendall(_REQUEST % page.encode())
        answer = _read(connection)
    except OSError as error:
        raise UnhealthyError(
            f"no answer to {page} from {address}: {_reason(error, seconds)}; look at the server's log"
        ) from error
    finally:
        connection.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if status is None:
        raise UnhealthyError(
            f"no answer to {page} from {address}: it does not speak HTTP; look at the server's log"
        )
    body = printable(rest[:_LONGEST_ANSWER].decode(errors="replace").strip())
    if status[1] != b"200":
        raise UnhealthyError(f"{address} answers {page} with {status[1].decode()}: {body}")
    return body


def _read(connection: socket.socket) -> bytes:
    """Read until the server closes, and no more than its own answers have."""
    answer = b""
    while len(answer) < _LONGEST_HEAD + _LONGEST_ANSWER and (data := connection.recv(4096)):
        answer += data
    return answer


def _hosts(interface: str) -> tuple[str, ...]:
    """List the addresses that reach a server which listens on `interface`."""
    if not interface:
        return ("127.0.0.1",)
    address = ip_address(interface)
    if not address.is_unspecified:
        return (interface,)
    # `::` accepts IPv4 too, unless the system says otherwise; a container may have no IPv6 at all.
    return ("127.0.0.1",) if address.version == 4 else ("127.0.0.1", "::1")


def _socket_addresses(
    address: ServerAddress,
) -> Iterator[tuple[socket.AddressFamily, str | tuple[str, int]]]:
    if address.path is not None:
        yield socket.AF_UNIX, address.path
    for host in address.hosts:
        yield (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, address.port)


def _without_verifying(connection: socket.socket) -> socket.socket:
    """Begin TLS, and accept any certificate: it is for the name that clients use, and clients verify it."""
    import ssl  # noqa: PLC0415 - see above

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def _reason(error: Exception | None, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {seconds:g} s"
    reason = getattr(error, "strerror", None) or error
    return printable(str(reason) or type(error).__name__)
