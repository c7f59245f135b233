"""
The public URL check: what clients meet there, which is TLS, a proxy and its headers, then the server.

Owns the judgement of what the client's probes return. Needs nothing of the client's extra.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred

from wormhole_client.checks.certificates import InvalidCertificateError
from wormhole_client.checks.connection_advice import connection_advice
from wormhole_client.checks.connection_probes import (
    ProbeTarget,
    ServerGreeting,
    read_welcome,
    resolve_host,
    verify_certificate,
)
from wormhole_client.checks.second_look import look_again
from wormhole_client.network.endpoints import Internet, Network, WebSocketAddress
from wormhole_client.network.http import http_get
from wormhole_client.network.websocket import HandshakeError
from wormhole_server.doctor.certificates import judge_expiry
from wormhole_server.doctor.clock import judge_clock
from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.doctor.target import Target

# Seconds for each probe. A client waits longer; a server that needs more has a problem.
_PROBE_SECONDS = 10.0
# Distinguishes connections of this process from those of a proxy on this machine, which has 127.0.0.1.
_OTHER_LOOPBACK = "127.0.0.2"
# An address reserved for documentation (RFC 5737). No server should believe that a client has it.
FORGED_ADDRESS = "192.0.2.77"

_T = TypeVar("_T")


async def check_public_url(target: Target, reactor: Any) -> AsyncIterator[Finding]:
    """Check the URL of the rendezvous server, as clients use it."""
    url = target.relay_url
    if url is None:
        return
    try:
        secure = WebSocketAddress.parse(url).secure
    except ValueError as error:
        yield judge_failure(url, error)
        return
    probe = ProbeTarget(reactor, Internet(reactor), url)
    try:
        probe = attrs.evolve(probe, network=await _network(reactor, url))
        if secure:
            certificate = await _limited(reactor, verify_certificate(probe))
            yield judge_expiry(url, certificate.ends, target.now())
        greeting = await _limited(reactor, read_welcome(probe))
    except Exception as error:  # of the network, TLS, HTTP or WebSocket
        yield judge_failure(url, error, await look_again(probe, error, target.now))
        return
    yield ok("upgrade", f"{url} accepts WebSocket clients")
    if "error" in greeting.welcome:
        yield warning(
            "welcome",
            "clients receive the error of --signal-error and exit",
            "remove signal-error from the configuration to let clients use the server",
        )
    yield judge_client_address(greeting)
    async for finding in _check_forged_address(probe):
        yield finding
    async for finding in _check_date(target, probe):
        yield finding


def judge_failure(url: str, error: Exception, seen: str | None = None) -> Finding:
    """
    Judge why clients cannot connect.

    :param seen: advice that rests on what the port does.
    """
    fix = seen or connection_advice(error) or "give the URL of the rendezvous server"
    if isinstance(error, InvalidCertificateError):
        return failure("certificate", f"{url}: {error}", fix)
    if isinstance(error, HandshakeError) and error.status is not None:
        return failure("upgrade", f"{url} answers {error.status} to a WebSocket client", fix)
    found = str(error) or type(error).__name__
    if isinstance(error, HandshakeError):
        found = f"no HTTP answer ({found})"
    return failure(
        "public URL",
        f"{url}: {found}",
        f"{fix}; --relay-url=URL or --public-url=URL examines another address",
    )


def judge_client_address(greeting: ServerGreeting) -> Finding:
    """Judge whether the server sees a client's own address, or that of a proxy."""
    reported = greeting.client_address
    if reported is None:
        return warning(
            "client addresses",
            "the server reports no address, as behind a Unix socket without a trusted proxy",
            "give --trusted-proxy=unix, and let the proxy send X-Forwarded-For",
        )
    try:
        seen, own = ip_address(reported), ip_address(greeting.source)
    except ValueError:
        seen = own = ip_address("::")
    if seen == own:
        return ok("client addresses", "the server sees the addresses of its clients")
    if seen.is_global:
        return ok("client addresses", "the server sees this client's public address, as with NAT")
    return (failure if seen.is_loopback else warning)(
        "client addresses",
        f"this client connects from {own}, and the server sees {seen}: the address of a proxy, so "
        "that all clients share its limits",
        f"if {seen} is your proxy, give --trusted-proxy={seen}, and let the proxy send "
        "X-Forwarded-For or the PROXY protocol; see docs/proxies.md",
    )


async def _check_forged_address(probe: ProbeTarget) -> AsyncIterator[Finding]:
    """Check that a client cannot choose its own address."""
    forged = {"X-Forwarded-For": FORGED_ADDRESS, "X-Real-IP": FORGED_ADDRESS}
    try:
        greeting = await _limited(probe.reactor, read_welcome(probe, forged))
    except Exception:  # some proxies refuse such headers
        return
    if greeting.client_address == FORGED_ADDRESS:
        yield failure(
            "forged addresses",
            "the server believes a client that claims another address in X-Forwarded-For",
            "name only the proxy in --trusted-proxy, and let the proxy replace the header or append "
            "to it instead of forwarding it unchanged",
        )
    else:
        yield ok("forged addresses", "a client that claims another address is not believed")


async def _check_date(target: Target, probe: ProbeTarget) -> AsyncIterator[Finding]:
    """Compare the clock with the server's: there may be another machine behind the URL."""
    try:
        answer = await _limited(probe.reactor, http_get(probe.network, probe.relay_url))
        there = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except Exception:  # no answer, no header, or no date
        return
    # The header has whole seconds, and the answer takes time.
    yield judge_clock("clock of the public URL", target.now() - there, tolerance=3.0)


async def _network(reactor: Any, url: str) -> Network:
    probe = ProbeTarget(reactor, Internet(reactor), url)
    addresses = await _limited(reactor, resolve_host(probe))
    local = any(address.startswith("127.") for address in addresses)
    return Internet(reactor, source_address=_OTHER_LOOPBACK) if local else probe.network


def _limited(reactor: Any, probe: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
    """Cancel a probe that takes longer than `_PROBE_SECONDS`."""
    return Deferred.fromCoroutine(probe).addTimeout(_PROBE_SECONDS, reactor)
