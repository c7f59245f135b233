"""
The TLS probe: one TLS handshake, which tells what is wrong with the server's certificate.

Owns the reading of certificates. It uses the TLS of the standard library, since Twisted reports every
rejected certificate as "certificate verify failed" and does not say why.
"""

import enum
import ssl
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from wormhole_client.network.endpoints import Network, WebSocketAddress


class CertificateFault(enum.Enum):
    """What is wrong with a certificate."""

    EXPIRED = "expired"  # its last day is over
    NOT_YET_VALID = "not yet valid"  # its first day is to come, or this machine's clock is wrong
    SELF_SIGNED = "self-signed"  # it is its own issuer, and not trusted here
    UNKNOWN_ISSUER = "unknown issuer"  # a CA that is not trusted here, or not the full chain
    WRONG_NAME = "wrong name"  # it is valid, but for other host names
    OTHER = "other"  # anything else that OpenSSL rejects


# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_FAULTS: Final = {
    9: CertificateFault.NOT_YET_VALID,
    10: CertificateFault.EXPIRED,
    18: CertificateFault.SELF_SIGNED,
    19: CertificateFault.UNKNOWN_ISSUER,
    20: CertificateFault.UNKNOWN_ISSUER,
    21: CertificateFault.UNKNOWN_ISSUER,
    62: CertificateFault.WRONG_NAME,
    64: CertificateFault.WRONG_NAME,
}


class InvalidCertificateError(Exception):
    """
    The server's certificate is not valid for its name. The text is OpenSSL's.

    :ivar fault: which of the usual mistakes it is.
    """

    def __init__(self, error: ssl.SSLCertVerificationError) -> None:
        super().__init__(error.verify_message)
        self.fault = _FAULTS.get(error.verify_code, CertificateFault.OTHER)


@attrs.frozen
class ServerCertificate:
    """
    A certificate that this machine trusts for the server's name.

    :ivar ends: when it expires, in seconds since the epoch.
    """

    ends: float


async def check_certificate(
    network: Network, url: str, context: ssl.SSLContext | None = None
) -> ServerCertificate:
    """
    Connect to the host of a `wss://` URL and verify its certificate.

    :param context: how to verify; None: as every client of this machine does.
    :raises InvalidCertificateError: the certificate is not trusted, not valid now, or for another name.
    :raises ssl.SSLError: the TLS handshake failed for another reason.
    :raises ValueError: `url` is not a WebSocket URL.
    :raises Exception: what the network reported.
    """
    address = WebSocketAddress.parse(url)
    handshake = TlsHandshake(context or ssl.create_default_context(), address.host)
    await network.endpoint(address.host, address.port).connect(
        Factory.forProtocol(lambda: handshake)
    )
    transport: Any = handshake.transport
    try:
        return await handshake.verified
    finally:
        transport.abortConnection()


class TlsHandshake(Protocol):
    """
    The client's side of one TLS handshake.

    :ivar verified: fires once, with the certificate or with the reason of the failure.
    """

    transport: Any

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self.verified: Deferred[ServerCertificate] = Deferred()
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)

    def connectionMade(self) -> None:
        self._proceed()

    def dataReceived(self, data: bytes) -> None:
        self._received.write(data)
        if not self.verified.called:
            self._proceed()

    def _proceed(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self.transport.write(self._to_send.read())
        except ssl.SSLCertVerificationError as error:
            self.verified.errback(InvalidCertificateError(error))
        except ssl.SSLError as error:
            self.verified.errback(error)
        else:
            certificate: Any = self._tls.getpeercert()
            ends = ssl.cert_time_to_seconds(certificate["notAfter"])
            self.verified.callback(ServerCertificate(float(ends)))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.verified.called:
            if reason.check(ConnectionDone):
                reason = Failure(
                    ssl.SSLError("the host closed the connection in the TLS handshake")
                )
            self.verified.errback(reason)
