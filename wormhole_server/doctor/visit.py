"""
A visit to the rendezvous server, as a client would come: what is in front of it, and what it says.

Owns one blocking connection at a time: TLS, the upgrade to WebSocket, the first message. It is small and of
the standard library so that it shows each step where a client would say only that it did not connect.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import struct
from collections.abc import Mapping
from email.parser import Parser
from typing import Any, BinaryIO, cast
from urllib.parse import SplitResult, urlsplit

import attrs

_SECONDS = 10.0
# A head, and a message of ours, have a fraction of this.
_LONGEST = 1 << 16
_TEXT_FRAME = 0x81
_SWITCHING = 101
# Who comes from here to this machine is told from a proxy on it, which comes from 127.0.0.1.
_OTHER_LOOPBACK = "127.0.0.2"
# An address for documentation, which nobody has. Nobody should believe that we come from there.
PRETENDED = "192.0.2.77"


class VisitError(Exception):
    """The visit ended early. Its text says where, in a few words."""


class CertificateError(VisitError):
    """TLS came about, but the certificate is not one that clients take."""


@attrs.frozen
class Visit:
    """
    What a visitor found.

    :ivar status: of the answer; 101 where it was upgraded.
    :ivar headers: of the answer, names in lower case.
    :ivar certificate_ends: seconds since the epoch; None without TLS.
    :ivar source: where we came from, as this machine sees it.
    :ivar welcome: what the server said first; None where it was not upgraded.
    """

    status: int
    headers: Mapping[str, str]
    certificate_ends: float | None
    source: tuple[str, int]
    welcome: Mapping[str, Any] | None


def visit(url: str, *, upgrade: bool, pretend: bool = False) -> Visit:
    """
    Go to `url`, `ws://…` or `wss://…`.

    :param upgrade: ask for WebSocket; otherwise as a browser comes that was given the address.
    :param pretend: claim to be a proxy that came for `PRETENDED`.
    :raises VisitError: nobody is there, or nobody who answers HTTP.
    """
    target = urlsplit(url)
    ends: float | None = None
    try:
        connection = _connect(target)
        source = connection.getsockname()[:2]
        if target.scheme == "wss":
            secured = ssl.create_default_context().wrap_socket(
                connection, server_hostname=target.hostname
            )
            connection = secured
            certificate = secured.getpeercert() or {}
            ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    except ssl.SSLCertVerificationError as error:
        raise CertificateError(error.verify_message) from error
    except (OSError, ValueError, KeyError) as error:
        raise VisitError(getattr(error, "strerror", None) or str(error)) from error
    with connection, connection.makefile("rwb") as stream:
        try:
            status, headers = _ask(cast(BinaryIO, stream), target, upgrade=upgrade, pretend=pretend)
            welcome = _welcome(cast(BinaryIO, stream)) if status == _SWITCHING else None
        except (OSError, ValueError, struct.error) as error:
            raise VisitError(str(error) or type(error).__name__) from error
    return Visit(status, headers, ends, source, welcome)


def _connect(target: SplitResult) -> socket.socket:
    port = target.port or (443 if target.scheme == "wss" else 80)
    problem: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        target.hostname, port, type=socket.SOCK_STREAM
    ):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_SECONDS)
            if str(address[0]).startswith("127."):
                connection.bind((_OTHER_LOOPBACK, 0))
            connection.connect(address)
        except OSError as error:
            connection.close()
            problem = error
        else:
            return connection
    raise problem


def _ask(
    stream: BinaryIO, target: SplitResult, *, upgrade: bool, pretend: bool
) -> tuple[int, Mapping[str, str]]:
    lines = [f"GET {target.path or '/'} HTTP/1.1", f"Host: {target.netloc}"]
    if upgrade:
        key = base64.b64encode(os.urandom(16)).decode()
        lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        lines.append(f"Sec-WebSocket-Key: {key}")
    else:
        lines.append("Connection: close")
    if pretend:
        lines += [f"X-Forwarded-For: {PRETENDED}", f"X-Real-IP: {PRETENDED}"]
    stream.write("\r\n".join([*lines, "", ""]).encode())
    stream.flush()
    version, _, rest = stream.readline(_LONGEST).decode("latin-1").partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError("no HTTP is spoken there")
    head = b""
    while (line := stream.readline(_LONGEST)).strip():
        head += line
        if len(head) > _LONGEST:
            raise ValueError("the answer has no end")
    headers = Parser().parsestr(head.decode("latin-1"), headersonly=True)
    return int(rest[:3]), {name.lower(): value for name, value in headers.items()}


def _welcome(stream: BinaryIO) -> Mapping[str, Any]:
    """The first message, which every server of this kind sends by itself."""
    kind, size = struct.unpack("!BB", _exactly(stream, 2))
    if size == 126:
        (size,) = struct.unpack("!H", _exactly(stream, 2))
    if kind != _TEXT_FRAME or size > _LONGEST:
        raise ValueError("what answers there is no rendezvous server")
    message = json.loads(_exactly(stream, size))
    welcome = message.get("welcome") if isinstance(message, dict) else None
    if not isinstance(welcome, dict):
        raise ValueError("what answers there is no rendezvous server")
    return welcome


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ValueError("the connection ended before the first message")
    return data
