"""
Endpoint strings: is this something that Twisted can listen on, and if not, what should be written?

Owns the check and its sentences. Opens nothing; the service listens.
"""

from __future__ import annotations

import errno
import re
from ipaddress import ip_address
from typing import NewType

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.plugin import getPlugins

from wormhole_server.tls.endpoint import parse_tls_endpoint
from wormhole_server.words import nearest, quoted

# A Twisted server endpoint string that has been checked.
Endpoint = NewType("Endpoint", str)

# Connections that may wait to be accepted; the kernel's own limit (somaxconn) holds as well. Of the 50 that
# Twisted has, clients that all come back at once fill more in one turn of the reactor, and the rest waits
# a second for TCP to try again, or is refused where it is a Unix socket.
BACKLOG = 1024

_WITH_BACKLOG = ("tcp", "unix")
_BUILT_IN = ("tcp", "ssl", "unix")
_SYSTEMD = "systemd"
_DOMAINS = ("INET6", "INET", "UNIX")
_EXAMPLE = r"tcp:4000, or tcp:4000:interface=127.0.0.1, or tcp:4000:interface=\:\:"


def parse_endpoint(raw: object) -> Endpoint:
    """
    Check `raw` as far as that goes without a reactor.

    :raises ValueError: Twisted would not take it, or its port or interface cannot be.
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
    # Which key and certificate there are is looked at when the server starts, and again and again then.
    beneath = parse_tls_endpoint(raw).tcp if kind == "ssl" else raw
    try:
        # These keep the reactor for later and do not look at it here.
        serverFromString(None, beneath)
    except Exception as error:  # Parsers raise whatever they stumble over.
        raise ValueError(
            f"{quoted(raw)} is not an endpoint of Twisted ({error}); write {_EXAMPLE}"
        ) from error
    return Endpoint(raw)


def endpoint_kind(endpoint: Endpoint) -> str:
    """What stands before the first colon: `tcp`, `ssl`, `unix`, `systemd`…"""
    return endpoint.partition(":")[0]


def with_backlog(endpoint: str) -> str:
    """`endpoint` with room for a burst of connections, where it says nothing of that itself."""
    kind, *arguments = re.split(r"(?<!\\):", endpoint)
    positional = [each for each in arguments if "=" not in each]
    says_it = len(positional) > 2 or any(each.startswith("backlog=") for each in arguments)
    if kind not in _WITH_BACKLOG or says_it:
        return endpoint
    return f"{endpoint}:backlog={BACKLOG}"


def why_not(endpoint: Endpoint, error: Exception) -> str:
    """Why `endpoint` could not be listened on, where nothing but `error` tells."""
    if endpoint_kind(endpoint) == _SYSTEMD and isinstance(error, LookupError):
        return (
            "systemd has handed over no such socket; start the server by its unit, whose socket "
            "unit has that FileDescriptorName, or write a tcp: endpoint"
        )
    return str(error)


def what_to_do(option: str, error: object) -> str:
    """What mends that the system did not let `--option` listen, for `error`."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return (
            "ports below 1024 are root's: let the server have CAP_NET_BIND_SERVICE (docs/tls.md), "
            f"or give --{option} another; the directory of a Unix socket has to be the server's"
        )
    if number == errno.EADDRNOTAVAIL:
        return f"this machine has no such address; give --{option} an interface= that it has"
    if number == errno.EAFNOSUPPORT:
        return f"this machine has no IPv6; give --{option} an interface=0.0.0.0"
    return f"stop the program that does, or give --{option} another port"


def _check_systemd(raw: str, arguments: list[str]) -> None:
    """Twisted would tell of these when the server starts, in Python's words."""
    named = dict(part.partition("=")[::2] for part in arguments)
    if named.get("domain") not in _DOMAINS or ("name" in named) == ("index" in named):
        raise ValueError(
            f"{quoted(raw)} does not say which socket of systemd's it is; write "
            "systemd:domain=INET6:name=NAME (or domain=INET, or domain=UNIX)"
        )


def _check_tcp(raw: str, arguments: list[str]) -> None:
    """The usual mistakes, which Twisted would report in words of its own or not at all."""
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
            f"{quoted(raw)} needs a port between 0 and 65535 (0: any that is free); "
            f"write {_EXAMPLE}"
        )
    interface = named.get("interface", "").replace("\\:", ":")
    if interface:
        try:
            ip_address(interface)
        except ValueError as error:
            raise ValueError(
                f"{quoted(raw)}: interface={interface} is not an IP address; write {_EXAMPLE}"
            ) from error


def _check_plugin(raw: str, kind: str, *, has_arguments: bool) -> None:
    """Endpoints of other kinds are parsed when the server starts: some of them need its reactor."""
    plugins = {str(parser.prefix) for parser in getPlugins(IStreamServerEndpointStringParser)}
    if has_arguments and kind in plugins:
        return
    if kind.isascii() and kind.isdigit():
        hint = f"write tcp:{kind}"
    elif guess := nearest(kind, (*_BUILT_IN, *plugins)):
        hint = f"did you mean {guess}: in place of {kind}:?"
    else:
        hint = f"write {_EXAMPLE}"
    raise ValueError(f"{quoted(raw)} is not an endpoint of Twisted; {hint}")
