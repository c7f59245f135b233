"""
Endpoint strings: checked without a reactor, and the messages for those that are invalid or cannot be used.

Opens no port; `listening/ports.py` does. Twisted is imported for what only Twisted can check: a container
engine asks every few seconds for the server's health, with the same endpoints.
"""

from __future__ import annotations

import errno
import re
from ipaddress import ip_address
from typing import NewType

from wormhole_server.config.quoting import nearest, quoted
from wormhole_server.config.tls_endpoint import parse_tls_endpoint

# A Twisted server endpoint string that has been checked.
Endpoint = NewType("Endpoint", str)

# Connections that may wait to be accepted, within the kernel's own limit (somaxconn). Clients that all
# reconnect at once exceed Twisted's 50 in one turn of the reactor; the others then wait a second for TCP to
# retry, or are refused on a Unix socket.
BACKLOG = 1024

_WITH_BACKLOG = ("tcp", "unix")
_BUILT_IN = ("tcp", "ssl", "unix")
_SYSTEMD = "systemd"
_DOMAINS = ("INET6", "INET", "UNIX")
# Of these Twisted refuses none.
_PLAIN = re.compile(r"tcp:[0-9]+(:interface=([0-9A-Fa-f.%]|\\:)+)?|unix:[^:=\\]+")
_EXAMPLE = r"tcp:4000, or tcp:4000:interface=127.0.0.1, or tcp:4000:interface=\:\:"


def parse_endpoint(raw: object) -> Endpoint:
    """
    Check an endpoint string as far as possible without a reactor.

    :raises ValueError: Twisted does not accept it, or its port or interface is invalid.
    """
    if not isinstance(raw, str):
        raise ValueError(f"{quoted(raw)} is not an endpoint; write {_EXAMPLE}")
    kind, *arguments = re.split(r"(?<!\\):", raw)
    if kind == _SYSTEMD:
        _check_systemd(raw, arguments)
    if kind not in _BUILT_IN:
        _check_plugin(raw, kind, has_arguments=bool(arguments))
        return Endpoint(raw)
    if kind != "unix":
        _check_tcp(raw, arguments)
    # The key and the certificate are read when the server starts, and again when the files change.
    beneath = parse_tls_endpoint(raw).tcp if kind == "ssl" else raw
    if not _PLAIN.fullmatch(beneath):
        _check_by_twisted(raw, beneath)
    return Endpoint(raw)


def endpoint_kind(endpoint: Endpoint) -> str:
    """Take the part before the first colon: `tcp`, `ssl`, `unix` or `systemd`."""
    return endpoint.partition(":")[0]


def with_backlog(endpoint: str) -> str:
    """Add a backlog of `BACKLOG` connections to an endpoint that has no backlog of its own."""
    kind, *arguments = re.split(r"(?<!\\):", endpoint)
    positional = [each for each in arguments if "=" not in each]
    has_backlog = len(positional) > 2 or any(each.startswith("backlog=") for each in arguments)
    if kind not in _WITH_BACKLOG or has_backlog:
        return endpoint
    return f"{endpoint}:backlog={BACKLOG}"


def lacks_ipv6(endpoint: Endpoint, error: object) -> bool:
    """
    Whether listening on `endpoint` failed because this machine has no IPv6, or has it turned off.

    :param error: an OSError, or any other reason.
    """
    number = error.errno if isinstance(error, OSError) else None
    return number == errno.EAFNOSUPPORT or (
        number == errno.EADDRNOTAVAIL and on_ipv4(endpoint) != endpoint
    )


def on_ipv4(endpoint: Endpoint) -> Endpoint:
    """Every IPv4 address of this machine in place of every address."""
    return Endpoint(re.sub(r"interface=\\:\\:(?=:|$)", "interface=0.0.0.0", endpoint))


def listen_problem(endpoint: Endpoint, error: Exception) -> str:
    """Say why listening on `endpoint` failed with `error`."""
    if endpoint_kind(endpoint) == _SYSTEMD and isinstance(error, LookupError):
        return (
            "systemd has passed no such socket; start the server through its unit, with a socket "
            "unit that has this FileDescriptorName, or write a tcp: endpoint"
        )
    return str(error)


def listen_advice(option: str, error: object) -> str:
    """
    Say what to do when listening failed.

    :param option: the name of the option that has the endpoint.
    :param error: an OSError, or any other reason.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return (
            "ports below 1024 need CAP_NET_BIND_SERVICE (docs/tls.md): give it to the server, or give "
            f"--{option} another port; the server needs write permission to the directory of a Unix socket"
        )
    if number == errno.EADDRNOTAVAIL:
        return f"this machine has no such address; give --{option} an interface= of this machine"
    if number == errno.EAFNOSUPPORT:
        return f"this machine has no IPv6; give --{option} an interface=0.0.0.0"
    return f"stop the program that uses the port, or give --{option} another port"


def _check_systemd(raw: str, arguments: list[str]) -> None:
    """Refuse what Twisted would refuse only when the server starts, with a Python error."""
    named = dict(part.partition("=")[::2] for part in arguments)
    if named.get("domain") not in _DOMAINS or ("name" in named) == ("index" in named):
        raise ValueError(
            f"{quoted(raw)} does not name a socket of systemd; write "
            "systemd:domain=INET6:name=NAME (or domain=INET, or domain=UNIX)"
        )


def _check_tcp(raw: str, arguments: list[str]) -> None:
    """Refuse common mistakes that Twisted does not report clearly, or not at all."""
    named = dict(part.partition("=")[::2] for part in arguments if "=" in part)
    positional = [part for part in arguments if "=" not in part]
    if "" in positional:
        raise ValueError(
            f"{quoted(raw)} has a colon too many; write each colon of an IPv6 address as \\:, "
            f"such as {_EXAMPLE}"
        )
    port = positional[0] if positional else named.get("port", "")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(
            f"{quoted(raw)} needs a port between 0 and 65535 (0: any free port); write {_EXAMPLE}"
        )
    interface = named.get("interface", "").replace("\\:", ":")
    if interface:
        try:
            ip_address(interface)
        except ValueError as error:
            raise ValueError(
                f"{quoted(raw)}: interface={interface} is not an IP address; write {_EXAMPLE}"
            ) from error


def _check_by_twisted(raw: str, beneath: str) -> None:
    from twisted.internet.endpoints import serverFromString  # noqa: PLC0415 - see above

    try:
        # The built-in parsers do not use the reactor before they listen.
        serverFromString(None, beneath)
    except Exception as error:  # the parsers of endpoints raise anything
        raise ValueError(
            f"{quoted(raw)} is not a Twisted endpoint ({error}); write {_EXAMPLE}"
        ) from error


def _check_plugin(raw: str, kind: str, *, has_arguments: bool) -> None:
    """Check only the kind: some parsers of plugins need the reactor."""
    from twisted.internet.interfaces import IStreamServerEndpointStringParser  # noqa: PLC0415 - see above
    from twisted.plugin import getPlugins  # noqa: PLC0415

    plugins = {str(parser.prefix) for parser in getPlugins(IStreamServerEndpointStringParser)}
    if has_arguments and kind in plugins:
        return
    if kind.isascii() and kind.isdigit():
        hint = f"write tcp:{kind}"
    elif guess := nearest(kind, (*_BUILT_IN, *plugins)):
        hint = f"did you mean {guess}: in place of {kind}:?"
    else:
        hint = f"write {_EXAMPLE}"
    raise ValueError(f"{quoted(raw)} is not a Twisted endpoint; {hint}")
