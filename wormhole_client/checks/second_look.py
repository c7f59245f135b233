"""
The second look: what a port speaks, and which certificate it has, after a probe of it failed.

Owns connections that verify nothing, and reads what comes over them only to advise the operator. It never
fails: where a second look finds nothing, the first error has to do.
"""

import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import attrs
from cryptography import x509
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from wormhole_client.checks.certificates import CertificateFault, InvalidCertificateError
from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.errors import WormholeError
from wormhole_client.network.endpoints import WebSocketAddress
from wormhole_client.network.http import http_get
from wormhole_client.network.websocket import HandshakeError

LOOK_SECONDS: Final = 5.0  # for a port that has accepted a connection a moment ago
CLOCK_TOLERANCE: Final = 3600.0  # seconds; certificates begin and end by days
NEEDS_WS: Final = (
    "that port speaks HTTP without TLS: use ws:// in the URL, or the TLS port of the proxy"
)
NEEDS_WSS: Final = "that port speaks TLS: use wss:// in the URL"

T = TypeVar("T")


@attrs.frozen
class TlsPeer:
    """
    What a host presents to a client that verifies nothing.

    :ivar date: the `Date` of its HTTP answer, in seconds since the epoch; None if it sends none.
    """

    certificate: x509.Certificate
    date: float | None


async def look_again(
    target: ProbeTarget, error: BaseException, day: Callable[[], float]
) -> str | None:
    """
    Look at the port of a server that a connection probe failed at.

    :param day: the time of day, in seconds since the epoch.
    :return: advice that rests on what the port does; None if the error says as much.
    """
    if isinstance(error, WormholeError):
        return None  # the server has spoken the protocol
    secure = WebSocketAddress.parse(target.relay_url).secure
    if isinstance(error, InvalidCertificateError):
        peer = await _limited(target, read_peer(target))
        return None if peer is None else certificate_advice(error.fault, peer, day())
    if secure:
        answer = await _limited(target, http_get(target.network, _with_port(target)))
        return None if answer is None else NEEDS_WS
    if isinstance(error, HandshakeError) and error.status not in {None, 400}:
        return None  # the server has answered in HTTP, and means what it says
    return None if await _limited(target, read_peer(target)) is None else NEEDS_WSS


def certificate_advice(fault: CertificateFault, peer: TlsPeer, now: float) -> str:
    """
    Advise on a certificate that is not accepted.

    :param now: by this machine's clock, in seconds since the epoch.
    """
    certificate = peer.certificate
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if fault in {CertificateFault.EXPIRED, CertificateFault.NOT_YET_VALID}:
        valid = f"the certificate is valid from {_format(begins)} to {_format(ends)}"
        there = peer.date
        if there is not None and abs(there - now) > CLOCK_TOLERANCE:
            return (
                f"{valid}; this machine's clock says {_format_time(now)}, the server's "
                f"{_format_time(there)}: set the clock that is wrong"
            )
        here = f"{valid}, and this machine's clock says {_format_time(now)}"
        if fault is CertificateFault.EXPIRED:
            return f"{here}: renew the certificate"
        return f"{here}: wait, or give the server a certificate that is valid now"
    if fault is CertificateFault.SELF_SIGNED:
        return (
            "the certificate is self-signed, and no client trusts it: get one from an authority, or "
            "make every client trust this one"
        )
    if fault is CertificateFault.UNKNOWN_ISSUER:
        return (
            f"the certificate was issued by {printable_name(certificate.issuer)}, which this machine does "
            "not trust: the server has to send the full chain (fullchain.pem), or every client has "
            "to trust that authority"
        )
    if fault is CertificateFault.WRONG_NAME:
        names = ", ".join(_names(certificate)) or printable_name(certificate.subject)
        return f"the certificate is for {names}: give the server one for the host name in the URL"
    return "look at the proxy's certificate"


async def read_peer(target: ProbeTarget) -> TlsPeer:
    """
    Make a TLS handshake that verifies nothing, send an HTTP request, and read the head of the answer.

    :raises Exception: the port does not speak TLS, or what the network reported.
    """
    address = WebSocketAddress.parse(target.relay_url)
    peek = _Peek(address.host)
    endpoint = target.network.endpoint(address.host, address.port)
    await endpoint.connect(Factory.forProtocol(lambda: peek))
    try:
        head = await peek.head
    finally:
        peek.transport.abortConnection()
    certificate = peek.tls.getpeercert(binary_form=True)
    return TlsPeer(x509.load_der_x509_certificate(certificate or b""), _parse_date(head))


class _Peek(Protocol):
    """One unverified TLS connection; `head` fires with the beginning of the HTTP answer."""

    transport: Any

    def __init__(self, host: str) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.head: Deferred[bytes] = Deferred()
        self._host = host
        self._answer = b""
        self._agreed = False
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)

    def connectionMade(self) -> None:
        self._proceed()

    def dataReceived(self, data: bytes) -> None:
        self._received.write(data)
        self._proceed()

    def _proceed(self) -> None:
        if self.head.called:
            return
        try:
            if not self._agreed:
                self.tls.do_handshake()
                self._agreed = True
                request = f"HEAD / HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n\r\n"
                self.tls.write(request.encode("ascii"))
            while b"\r\n\r\n" not in self._answer:
                self._answer += self.tls.read(4096) or b"\r\n\r\n"
            self.head.callback(self._answer)
        except ssl.SSLWantReadError:
            self.transport.write(self._to_send.read())
        except ssl.SSLError as error:
            self._end(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.head.called:
            self._end(reason.value or ssl.SSLError("the connection was lost"))

    def _end(self, error: BaseException) -> None:
        if self._agreed:  # it speaks TLS, and not HTTP
            self.head.callback(self._answer)
        else:
            self.head.errback(error)


async def _limited(target: ProbeTarget, look: Coroutine[Deferred[Any], Any, T]) -> T | None:
    try:
        return await Deferred.fromCoroutine(look).addTimeout(LOOK_SECONDS, target.reactor)
    except CancelledError:
        raise
    except Exception:  # whatever is wrong with the port, the first error says it
        return None


def _with_port(target: ProbeTarget) -> str:
    """Give the URL over plain HTTP, with the port that `wss://` stands for."""
    address = WebSocketAddress.parse(target.relay_url)
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"ws://{host}:{address.port}/"


def _parse_date(head: bytes) -> float | None:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "date":
            try:
                return parsedate_to_datetime(value.strip()).timestamp()
            except ValueError:
                return None
    return None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [ascii(name)[1:-1] for name in extension.value.get_values_for_type(x509.DNSName)]


def printable_name(name: x509.Name) -> str:
    """Give the name of a subject or an issuer, without control characters."""
    return ascii(name.rfc4514_string())[1:-1] or "nobody"


def _format(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _format_time(seconds: float) -> str:
    return _format(datetime.fromtimestamp(seconds, UTC))
