"""
The certificates that the server itself is given, for its `ssl:` endpoints.

Owns how long each lasts, by the file; what clients are shown is seen from outside (`front`).
"""

from __future__ import annotations

from collections.abc import Iterator

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.finding import Finding, failure
from wormhole_server.doctor.front import certificate
from wormhole_server.endpoints import endpoint_kind
from wormhole_server.tls.certificate import CertificateError, read_certificate
from wormhole_server.tls.endpoint import parse_tls_endpoint


def certificates(case: Case) -> Iterator[Finding]:
    """Each once, with its key."""
    settings = case.settings
    endpoints = (*settings.rendezvous, *settings.transit, *settings.metrics)
    tls = [parse_tls_endpoint(each) for each in endpoints if endpoint_kind(each) == "ssl"]
    for files in dict.fromkeys(each.files for each in tls):
        try:
            expires = read_certificate(files).expires
        except CertificateError as error:
            yield failure("certificate", error.why, error.mend)
        else:
            yield certificate(files.certificate, expires, case.now())
