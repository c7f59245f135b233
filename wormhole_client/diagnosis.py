"""
What to look at when a step of the check fails: an exception -> advice for the operator. Pure; knows
what networks, proxies and certificates usually do wrong.
"""

import re
from typing import Final

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import (
    ConnectionRefusedError as Refused,
)
from twisted.internet.error import (
    DNSLookupError,
    NoRouteError,
    TCPTimedOutError,
    UserError,
)
from twisted.internet.error import (
    TimeoutError as ConnectTimeout,
)

from wormhole_client.errors import ServerConnectionError, ServerError, WelcomeError
from wormhole_client.handshake import HandshakeFailure
from wormhole_client.race import NobodyCame
from wormhole_client.transit import TransitFailed
from wormhole_client.websocket import HandshakeError

STATUS: Final = re.compile(r"\[(\d{3})\]")
BY_STATUS: Final = {
    "200": "a web server answers without upgrading: the proxy must pass the Upgrade and "
    "Connection headers, and this path, on to the server",
    "301": "it redirects, which WebSocket clients do not follow: give the final URL",
    "302": "it redirects, which WebSocket clients do not follow: give the final URL",
    "308": "it redirects, which WebSocket clients do not follow: give the final URL",
    "400": "the request arrived without its Upgrade header: the proxy must pass the Upgrade and "
    "Connection headers on (nginx: proxy_http_version 1.1)",
    "401": "the proxy asks for a password, which clients cannot give",
    "403": "the proxy forbids it: look at its access rules",
    "404": "the path is wrong: the rendezvous is at /v1, the relay over WebSocket at /transit; "
    "or the proxy does not pass the path on",
    "426": "the proxy does not pass the Upgrade header on (nginx: proxy_http_version 1.1)",
    "502": "the proxy cannot reach the server behind it: is that running, is the proxy's target "
    "address right?",
    "503": "the proxy has no server to pass this on to: is it running?",
    "504": "the proxy gets no answer from the server behind it",
}


NO_ANSWER: Final = "no answer at all: look at the address, and at firewalls between here and there"
BY_TYPE: Final[dict[type[BaseException] | tuple[type[BaseException], ...], str]] = {
    DNSLookupError: "the name does not resolve: look at its spelling, and at its DNS records",
    Refused: "nothing listens there: is the server running, is the port right and published?",
    (ConnectTimeout, TCPTimedOutError, UserError, NoRouteError): NO_ANSWER,
    WelcomeError: "the server turns clients away by its own setting (--signal-error)",
    ServerError: "the server refused a command: look at its log and at its version",
    HandshakeFailure: "something answers there, but not as a transit relay that takes us: is it "
    "the relay's port, and nothing else's?",
    NobodyCame: "both ends waited there and were not joined: is it the relay's port? Where several "
    "relays share one name, equal tokens must reach the same one",
    DeferredTimeout: "it accepts the connection and then says nothing: is the server overloaded, "
    "or something else on that port?",
}


def advice(error: BaseException) -> str:
    """What an operator should look at."""
    if isinstance(error, ServerConnectionError | TransitFailed):
        reason = error.reason.value
        return advice(reason) if reason is not None else NO_ANSWER
    if isinstance(error, SSL.Error | VerificationError):
        return _tls_advice(error)
    if isinstance(error, HandshakeError):
        return _upgrade_advice(str(error))
    matching = (text for kind, text in BY_TYPE.items() if isinstance(error, kind))
    return next(matching, "look at the server's log")


def _tls_advice(error: BaseException) -> str:
    text = repr(error)
    if "certificate verify failed" in text:
        return (
            "the certificate is not trusted here: expired, self-signed, or its chain is incomplete"
        )
    if isinstance(error, VerificationError):
        return "the certificate is for another name"
    if "wrong version number" in text or "record layer" in text:
        return "that port does not speak TLS: use ws:// there, or the proxy's TLS port"
    return "TLS does not come about: look at the proxy's certificate and protocol settings"


def _upgrade_advice(text: str) -> str:
    status = STATUS.search(text)
    if status is not None:
        return BY_STATUS.get(status[1], "the proxy, or the server, refuses the request")
    if "timeout" in text:
        return "it accepts connections and says nothing: is it a TLS port, or the relay's?"
    return "it hangs up on WebSocket: is it the rendezvous port, or the relay's TCP port?"
