"""
The certificates that the server itself is given, for its `ssl:` endpoints.

Owns how long each lasts, by the file; what clients are shown is seen from outside (`front`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.finding import Finding, failure
from wormhole_server.doctor.front import certificate
from wormhole_server.endpoints import endpoint_kind
from wormhole_server.tls.endpoint import parse_tls_endpoint


def certificates(case: Case) -> Iterator[Finding]:
    """Each file once."""
    settings = case.settings
    endpoints = (*settings.rendezvous, *settings.transit, *settings.metrics)
    tls = [parse_tls_endpoint(each) for each in endpoints if endpoint_kind(each) == "ssl"]
    for path in sorted({each.files.certificate for each in tls}):
        try:
            own = x509.load_pem_x509_certificate(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no PEM certificate"
            yield failure(
                "certificate",
                f"{path}: {why}",
                "write the path of a certificate that the server's user may read",
            )
        else:
            yield certificate(path, own.not_valid_after_utc.timestamp(), case.now())
