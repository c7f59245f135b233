"""
The reloadable certificate of an endpoint: read at the start, and replaced when its files have changed and
can be used.

Owns the log lines about certificates, and the warning before one expires.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from zope.interface import implementer

from wormhole_server.config.tls_endpoint import Files
from wormhole_server.lifecycle.file_watch import FileWatch
from wormhole_server.lifecycle.reload import ReloadOutcome
from wormhole_server.listening.tls.certificate import (
    CertificateError,
    read_certificate,
)

if TYPE_CHECKING:
    from twisted.protocols.tls import TLSMemoryBIOProtocol

_log = Logger()

_DAY_SECONDS = 86400.0
# Automatic renewal happens a month before the certificate expires, or in the last third of its lifetime: by
# now it has failed for two weeks.
_WARNING_SECONDS = 14 * _DAY_SECONDS


class CertificateObserver:
    """Receives what happens to certificates. Does nothing; override what you count."""

    def certificate_used(self, endpoint: str, expires: float) -> None:
        """
        A certificate is used from now on.

        :param expires: in seconds since the epoch.
        """

    def certificate_reloaded(self, outcome: ReloadOutcome) -> None:
        """The files of a certificate were read again."""


@implementer(IOpenSSLServerConnectionCreator)
class ReloadableCertificate:
    """
    The certificate of one endpoint; a `Reloadable`.

    :param name: of the endpoint, in logs and metrics.
    :param day: the time of day, in seconds since the epoch.
    :param protocols: offered to clients that negotiate by ALPN.
    :raises CertificateError: it cannot be used.
    """

    def __init__(
        self,
        name: str,
        files: Files,
        day: Callable[[], float],
        observer: CertificateObserver,
        protocols: Sequence[bytes],
    ) -> None:
        self._name = name
        self._files = files
        self._day = day
        self._observer = observer
        self._protocols = protocols
        self._warned_at = float("-inf")
        self._watch = FileWatch(files.paths)
        self._certificate = read_certificate(files, protocols)
        self._report()

    def serverConnectionForTLS(  # noqa: N802 - IOpenSSLServerConnectionCreator prescribes it
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: ARG002, N803 - as above
    ) -> SSL.Connection:
        """A connection with the current certificate."""
        return SSL.Connection(self._certificate.context)

    def has_changed(self) -> bool:
        """See `Reloadable`. Also checks, as it is called regularly, how soon the certificate expires."""
        self._warn()
        return self._watch.has_changed()

    def reload(self) -> None:
        """See `Reloadable`."""
        self._watch.files_read()
        try:
            certificate = read_certificate(self._files, self._protocols)
        except CertificateError as error:
            _log.error(
                "TLS: kept the previous certificate of {name}: {error}",
                name=self._name,
                error=str(error),
            )
            self._observer.certificate_reloaded(ReloadOutcome.REFUSED)
        else:
            # First: whatever the observer raises, the files are not read again before they change.
            self._certificate = certificate
            self._observer.certificate_reloaded(ReloadOutcome.OK)
            self._report()

    def _report(self) -> None:
        """Report the certificate that is used from now on."""
        certificate = self._certificate
        self._observer.certificate_used(self._name, certificate.expires)
        _log.info(
            "TLS: the certificate of {name} is valid until {end}.",
            name=self._name,
            end=_date(certificate.expires),
        )
        self._warned_at = float("-inf")
        self._warn()

    def _warn(self) -> None:
        """Log a warning once a day while the certificate is about to expire, expired, or not yet valid."""
        now = self._day()
        begins, expires = self._certificate.begins, self._certificate.expires
        if now - self._warned_at < _DAY_SECONDS or begins <= now < expires - _WARNING_SECONDS:
            return
        self._warned_at = now
        if now >= expires:
            what = f"expired on {_date(expires)}, and clients reject it; renew it"
        elif now < begins:
            what = f"is not valid before {_date(begins)}; check this machine's clock"
        else:
            days = int((expires - now) // _DAY_SECONDS)
            what = f"expires in {days} days, on {_date(expires)}; renew it"
        _log.warn("TLS: the certificate of {name} {what}.", name=self._name, what=what)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
