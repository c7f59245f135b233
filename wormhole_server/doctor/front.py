"""
What stands between clients and the server: TLS, a proxy, its headers; seen by going there.

Owns what is made of a visit to the public URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.clock import judged
from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.doctor.visit import (
    PRETENDED,
    CertificateError,
    Visit,
    VisitError,
    visit,
)

_DAY = 86400.0
# Let's Encrypt's are renewed with 30 days to go: at 14, renewing has failed for two weeks.
WARN_DAYS = 14

_STATUS_MENDS = {
    301: "clients do not follow redirects: give them the address that it leads to",
    302: "clients do not follow redirects: give them the address that it leads to",
    308: "clients do not follow redirects: give them the address that it leads to",
    404: "the path is /v1, and the proxy has to pass it on as it is",
    502: "start the server behind the proxy, and look at the address that the proxy has for it",
    503: "the proxy takes the server for dead: look at wormhole-server health on its machine",
}
_UPGRADE_MEND = (
    "let the proxy pass on the Upgrade and Connection headers, over HTTP/1.1; "
    "deploy/ has files that do"
)


def front(case: Case) -> Iterator[Finding]:
    """Go to the public URL."""
    url = case.relay_url
    if url is None:
        return
    try:
        found = visit(url, upgrade=True)
    except CertificateError as error:
        yield failure(
            "certificate",
            f"{url}: {error}",
            "renew it, give the server (or the proxy) the full chain, and the URL the name it is for",
        )
        return
    except VisitError as error:
        yield failure(
            "public URL",
            f"{url}: {error}",
            "look at the name, at firewalls and port forwarding, and whether the server or the proxy "
            "runs; --relay-url=URL, or --public-url, names another address",
        )
        return
    if found.certificate_ends is not None:
        yield certificate(url, found.certificate_ends, case.now())
    if found.welcome is None:
        yield failure(
            "upgrade",
            f"{url} answers {found.status} to a WebSocket client",
            _STATUS_MENDS.get(found.status, _UPGRADE_MEND),
        )
        return
    yield ok("upgrade", f"{url} welcomes WebSocket clients")
    if "error" in found.welcome:
        yield warning(
            "welcome",
            "clients are told an error and give up, as --signal-error says",
            "take signal-error out of the configuration to open the server again",
        )
    yield address(found)
    yield from _believed(url)
    yield from _date(case, url)


def certificate(what: str, ends: float, now: float) -> Finding:
    """How long it lasts."""
    days = (ends - now) / _DAY
    if days < 0:
        return failure("certificate", f"{what}: expired {-days:.0f} days ago", "renew it now")
    if days < WARN_DAYS:
        return warning(
            "certificate",
            f"{what}: expires in {days:.0f} days",
            "find out why it has not been renewed: look at the log of what renews it",
        )
    return ok("certificate", f"{what}: expires in {days:.0f} days")


def address(found: Visit) -> Finding:
    """Whether the server knows clients by their own addresses."""
    said = (found.welcome or {}).get("your-address")
    values = said if isinstance(said, dict) else {}
    told = values.get("ipv4") or values.get("ipv6")
    if not isinstance(told, str):
        return warning(
            "client addresses",
            "the server tells none, as behind a Unix socket without a trusted proxy",
            "give --trusted-proxy=unix, and let the proxy send X-Forwarded-For",
        )
    try:
        seen, ours = ip_address(told), ip_address(found.source[0])
    except ValueError:
        seen = ours = ip_address("::")
    if seen == ours:
        return ok("client addresses", "the server knows clients by their own addresses")
    if seen.is_global:
        return ok("client addresses", "the server knows us by a public address, as behind NAT")
    return (failure if seen.is_loopback else warning)(
        "client addresses",
        f"we come from {ours}, and the server takes us for {seen}: a proxy's address, so that all "
        "clients share its limits",
        f"if {seen} is your proxy, give --trusted-proxy={seen}, and let the proxy send X-Forwarded-For "
        "or the PROXY protocol; docs/proxies.md says how",
    )


def _believed(url: str) -> Iterator[Finding]:
    """Whether anybody can pretend to be somebody else."""
    try:
        pretended = visit(url, upgrade=True, pretend=True)
    except VisitError:
        # Some proxies refuse such headers.
        return
    if PRETENDED in str((pretended.welcome or {}).get("your-address")):
        yield failure(
            "forged addresses",
            "the server believed a client that claimed another address in X-Forwarded-For",
            "let --trusted-proxy name the proxy alone, and let the proxy replace or append to the "
            "header in place of passing it on",
        )
    else:
        yield ok("forged addresses", "a client that claims another address is not believed")


def _date(case: Case, url: str) -> Iterator[Finding]:
    """Whether the clock here and the one there agree; there may be another machine."""
    try:
        found = visit(url, upgrade=False)
        there = parsedate_to_datetime(found.headers["date"]).timestamp()
    except (VisitError, KeyError, ValueError):
        return
    # Told in whole seconds, and some time on its way.
    yield judged("clock of the public URL", case.now() - there, tolerance=3.0)
