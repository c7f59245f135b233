"""
The TLS wrapper: turns an `ssl:` endpoint into the TCP endpoint below it and a factory that serves TLS.

Owns the certificates of all endpoints, and their names in the log and in metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IProtocolFactory, IReactorTime

from wormhole_server.config.endpoints import Endpoint, endpoint_kind
from wormhole_server.config.tls_endpoint import parse_tls_endpoint
from wormhole_server.errors import StartError
from wormhole_server.lifecycle.reload import Reloadable
from wormhole_server.listening.tls.certificate import CertificateError
from wormhole_server.listening.tls.reloadable_certificate import (
    CertificateObserver,
    ReloadableCertificate,
)
from wormhole_server.listening.tls.transport import TlsFactory

# What ALPN offers: HTTP, except for the relay's stream, which has no ALPN name.
_PROTOCOLS: dict[str, tuple[bytes, ...]] = {"transit": ()}
_HTTP = (b"http/1.1",)


class TlsWrapper:
    """
    TLS for all endpoints of one server.

    :param clock: for the TLS connections.
    :param day: the time of day in seconds since the epoch, to compare with the dates in certificates.
    :param add_reloadable: called with each certificate, to be reloaded when its files change.
    """

    def __init__(
        self,
        clock: IReactorTime,
        day: Callable[[], float],
        observer: CertificateObserver,
        add_reloadable: Callable[[Reloadable], None],
    ) -> None:
        self._clock = clock
        self._day = day
        self._observer = observer
        self._add_reloadable = add_reloadable
        self._numbers: Counter[str] = Counter()

    def wrap(
        self, option: str, endpoint: Endpoint, factory: IProtocolFactory
    ) -> tuple[str, IProtocolFactory]:
        """
        Put TLS in front of a factory where the endpoint is an `ssl:` one; change nothing otherwise.

        :param option: the option of the endpoint. Its first certificate is named after it, the second one
            `OPTION-2`.
        :return: the endpoint to listen on, and the factory to serve there.
        :raises StartError: the certificate cannot be used.
        """
        if endpoint_kind(endpoint) != "ssl":
            return endpoint, factory
        tls = parse_tls_endpoint(endpoint)
        self._numbers[option] += 1
        number = self._numbers[option]
        name = option if number == 1 else f"{option}-{number}"
        try:
            certificate = ReloadableCertificate(
                name, tls.files, self._day, self._observer, _PROTOCOLS.get(option, _HTTP)
            )
        except CertificateError as error:
            raise StartError(f"{option}: {error}") from error
        self._add_reloadable(certificate)
        return tls.tcp, TlsFactory(certificate, factory, self._clock)
