"""
Which certificate an endpoint serves with: read at the start, replaced when its files are others, and
never given up for one that cannot be used.

Owns the words about certificates in the log, and when to warn of one that will soon have expired.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import (
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
)
from twisted.logger import Logger
from zope.interface import implementer

from wormhole_server.reload import Outcome
from wormhole_server.tls.certificate import Certificate, CertificateError, read_certificate
from wormhole_server.tls.endpoint import Files
from wormhole_server.tls.transport import TlsFactory
from wormhole_server.watch import Watch

if TYPE_CHECKING:
    from twisted.protocols.tls import TLSMemoryBIOProtocol

_log = Logger()

_DAY_SECONDS = 86400.0
# What renews certificates by itself does so a month before, or when a third of their time is left; who
# reads of it now has had two weeks in which that failed.
_WARNING_SECONDS = 14 * _DAY_SECONDS


class Observer(Protocol):
    """Where certificates are counted."""

    def certificate(self, endpoint: str, expires: float) -> None:
        """One is in use from now on; it expires at that time."""

    def certificate_read_again(self, outcome: Outcome) -> None:
        """One was read again."""


@implementer(IOpenSSLServerConnectionCreator)
class Keeper:
    """
    Keeps the certificate of one endpoint; a `wormhole_server.reload.Reloadable`.

    :param name: of the endpoint, in logs and metrics.
    :param day: the time of day.
    :param protocols: what is spoken inside, for clients that ask by ALPN.
    :raises CertificateError: it cannot be used.
    """

    def __init__(
        self,
        name: str,
        files: Files,
        day: IReactorTime,
        observer: Observer,
        protocols: Sequence[bytes] = (),
    ) -> None:
        self._name = name
        self._files = files
        self._day = day
        self._observer = observer
        self._protocols = protocols
        self._warned_at = float("-inf")
        self._watch = Watch(files.paths)
        self._certificate: Certificate
        self._use(read_certificate(files, protocols))

    def before(self, factory: IProtocolFactory, timers: IReactorTime) -> TlsFactory:
        """`factory` behind TLS."""
        return TlsFactory(self, factory, timers)

    def serverConnectionForTLS(  # noqa: N802 - IOpenSSLServerConnectionCreator prescribes it
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: ARG002, N803 - as above
    ) -> SSL.Connection:
        """A connection with the certificate that is in use now."""
        return SSL.Connection(self._certificate.context)

    def has_changed(self) -> bool:
        """See `Reloadable`. As it is asked again and again, it also minds how old the certificate is."""
        self._warn()
        return self._watch.has_changed()

    def reload(self) -> None:
        """See `Reloadable`."""
        self._watch.reading()
        try:
            certificate = read_certificate(self._files, self._protocols)
        except CertificateError as error:
            _log.error(
                "TLS: kept the certificate of {name} that was in use: {error}",
                name=self._name,
                error=str(error),
            )
            self._observer.certificate_read_again(Outcome.REFUSED)
        else:
            self._observer.certificate_read_again(Outcome.OK)
            self._use(certificate)

    def _use(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._observer.certificate(self._name, certificate.expires)
        _log.info(
            "TLS: the certificate of {name} is valid until {end}.",
            name=self._name,
            end=_date(certificate.expires),
        )
        self._warned_at = float("-inf")
        self._warn()

    def _warn(self) -> None:
        """Once a day, as long as there is something to warn of."""
        now = self._day.seconds()
        begins, expires = self._certificate.begins, self._certificate.expires
        if now - self._warned_at < _DAY_SECONDS or begins <= now < expires - _WARNING_SECONDS:
            return
        self._warned_at = now
        if now >= expires:
            what = f"expired on {_date(expires)}, and clients refuse it; renew it"
        elif now < begins:
            what = f"is not valid before {_date(begins)}; wait, or set this machine's clock"
        else:
            days = int((expires - now) // _DAY_SECONDS)
            what = f"expires in {days} days, on {_date(expires)}; renew it"
        _log.warn("TLS: the certificate of {name} {what}.", name=self._name, what=what)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
