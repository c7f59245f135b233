"""
The advice on a failed connection: an exception -> what the operator should do.

Owns the knowledge of what networks, proxies and certificates usually get wrong. It needs nothing of the
client's extra, as the connection probes do not. No I/O.
"""

import ssl
from typing import Final

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import defer, error

from wormhole_client.checks.certificates import CertificateFault, InvalidCertificateError
from wormhole_client.network.websocket import HandshakeError

_REDIRECT: Final = "it redirects, and WebSocket clients do not follow redirects: give the final URL"
BY_STATUS: Final = {
    200: "a web server answers without upgrading: the proxy must pass the Upgrade and Connection "
    "headers, and this path, on to the server",
    301: _REDIRECT,
    302: _REDIRECT,
    308: _REDIRECT,
    400: "the request arrived without its Upgrade header: the proxy must pass the Upgrade and "
    "Connection headers on (nginx: proxy_http_version 1.1)",
    401: "the proxy asks for a password, which clients cannot give",
    403: "the proxy forbids it: look at its access rules",
    404: "the path is wrong: the rendezvous is at /v1, the relay over WebSocket at /transit; or the "
    "proxy does not pass the path on",
    426: "the proxy does not pass the Upgrade header on (nginx: proxy_http_version 1.1)",
    502: "the proxy cannot reach the server behind it: is the server running, and is its address in "
    "the proxy's configuration right?",
    503: "the proxy has no server to pass the request on to: is the server running?",
    504: "the proxy gets no answer from the server behind it",
}
BY_FAULT: Final = {
    CertificateFault.EXPIRED: "the certificate has expired: renew it",
    CertificateFault.NOT_YET_VALID: "the certificate is not valid yet: look at this machine's clock",
    CertificateFault.SELF_SIGNED: "the certificate is not trusted: it is self-signed",
    CertificateFault.UNKNOWN_ISSUER: "the certificate is not trusted: its authority is unknown here, or "
    "the server does not send the full chain",
    CertificateFault.WRONG_NAME: "the certificate is for another name: give the server one for the "
    "host name in the URL",
    CertificateFault.OTHER: "look at the proxy's certificate",
}
NOTHING_BEHIND: Final = (
    "the port accepts connections and closes them, or says nothing: it may be forwarded (Docker, NAT, a "
    "load balancer) to a server that does not run, or belong to another program"
)
NO_ANSWER: Final = (
    "there is no answer: look at the address, and at firewalls between here and there"
)
BY_TYPE: Final[dict[type[BaseException] | tuple[type[BaseException], ...], str]] = {
    error.DNSLookupError: "the name does not resolve: look at its spelling, and at its DNS records",
    error.ConnectionRefusedError: "nothing listens there: is the server running, is the port right and "
    "published?",
    (error.TimeoutError, error.TCPTimedOutError, error.UserError, error.NoRouteError): NO_ANSWER,
    defer.TimeoutError: "the port accepts connections and does not answer: is the server overloaded, or "
    "does another program use that port?",
    (error.ConnectionDone, error.ConnectionLost): NOTHING_BEHIND,
}


def connection_advice(cause: BaseException) -> str | None:
    """
    Advise an operator on a connection that failed.

    :param cause: what a connection probe raised.
    :return: the likely cause, and what to do; None if it is another kind of error.
    """
    if isinstance(cause, InvalidCertificateError):
        return BY_FAULT[cause.fault]
    if isinstance(cause, SSL.Error | ssl.SSLError | VerificationError):
        return _tls_advice(cause)
    if isinstance(cause, HandshakeError):
        return _upgrade_advice(cause)
    return next((text for kind, text in BY_TYPE.items() if isinstance(cause, kind)), None)


def _tls_advice(cause: BaseException) -> str:
    text = repr(cause)
    if "certificate verify failed" in text:
        return "the certificate is not trusted: it has expired, is self-signed, or its chain is incomplete"
    if isinstance(cause, VerificationError):
        return BY_FAULT[CertificateFault.WRONG_NAME]
    if "closed the connection" in text:
        return NOTHING_BEHIND
    if "wrong version number" in text.lower().replace("_", " ") or "record layer" in text:
        return "that port does not speak TLS: use ws://, or the TLS port of the proxy"
    return "the TLS handshake failed: look at the proxy's certificate and protocol settings"


def _upgrade_advice(cause: HandshakeError) -> str:
    if cause.status is not None:
        return BY_STATUS.get(cause.status, "the proxy or the server refuses the request")
    return f"{NOTHING_BEHIND}; or is it the relay's TCP port?"
