"""
The certificates check: the files of the server's `ssl:` endpoints, and when they expire.

The certificate that clients receive, perhaps from a proxy, is checked by `public_url`.
"""

from __future__ import annotations

from collections.abc import Iterator

from wormhole_server.config.endpoints import endpoint_kind
from wormhole_server.config.tls_endpoint import parse_tls_endpoint
from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.doctor.target import Target
from wormhole_server.listening.tls.certificate import CertificateError, read_certificate

_DAY_SECONDS = 86400.0
# Let's Encrypt certificates are renewed 30 days before they expire: at 14, renewal has failed for two weeks.
_WARNING_DAYS = 14


def check_certificates(target: Target) -> Iterator[Finding]:
    """Check each certificate once, together with its key."""
    settings = target.settings
    endpoints = (*settings.rendezvous, *settings.transit, *settings.metrics)
    tls = [parse_tls_endpoint(each) for each in endpoints if endpoint_kind(each) == "ssl"]
    for files in dict.fromkeys(each.files for each in tls):
        try:
            expires = read_certificate(files).expires
        except CertificateError as error:
            yield failure("certificate", error.why, error.remedy)
        else:
            yield judge_expiry(files.certificate, expires, target.now())


def judge_expiry(name: str, ends: float, now: float) -> Finding:
    """
    Judge when a certificate expires.

    :param name: its path, or the URL that it was received from.
    :param ends: in seconds since the epoch, as is `now`.
    """
    days = (ends - now) / _DAY_SECONDS
    if days < 0:
        return failure("certificate", f"{name}: expired {-days:.0f} days ago", "renew it now")
    if days < _WARNING_DAYS:
        return warning(
            "certificate",
            f"{name}: expires in {days:.0f} days",
            "find out why it has not been renewed, in the log of the program that renews it",
        )
    return ok("certificate", f"{name}: expires in {days:.0f} days")
