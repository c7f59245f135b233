"""
The diagnosis of a failed check: an exception -> advice for the operator.

Owns what a wormhole and a relay can do wrong; `connection_advice` knows the rest. No I/O.
"""

from typing import Final

from wormhole_client.checks.connection_advice import (
    NO_ANSWER,
    NOTHING_BEHIND,
    connection_advice,
)
from wormhole_client.checks.idle_probe import IdleCutError
from wormhole_client.checks.page_faults import PageError
from wormhole_client.errors import (
    ServerConnectionError,
    ServerError,
    WelcomeError,
    WrongPasswordError,
)
from wormhole_client.network.http import HttpError
from wormhole_client.transit.handshake import HandshakeStep, TransitHandshakeError
from wormhole_client.transit.race import NoConnectionError
from wormhole_client.transit.records import RecordError
from wormhole_client.transit.transit import TransitError

CHANGED: Final = (
    "the relay, or something between, changes or loses bytes: look for a proxy that rewrites or buffers "
    "what it forwards, and compare with a relay that is reached directly"
)
BY_TYPE: Final[dict[type[BaseException] | tuple[type[BaseException], ...], str]] = {
    WelcomeError: "the server refuses clients by its own setting (--signal-error)",
    ServerError: "the server refused a command: look at its log and at its version",
    NoConnectionError: "both ends waited there and were not joined: is it the relay's port, and does the "
    "relay run? If several relays share one name, equal tokens must reach the same relay",
    RecordError: CHANGED,
    HttpError: "something between cuts answers short, or answers in another protocol: compare with the "
    "server when it is reached directly",
    WrongPasswordError: "the server, or something between, changes what clients send: look for a proxy "
    "that rewrites WebSocket messages",
    IdleCutError: "a proxy or a NAT between cuts idle connections, and clients wait for minutes: raise "
    "its timeout above 60 s, after which the server sends a ping (nginx: proxy_read_timeout, "
    "HAProxy: timeout tunnel)",
}


def advice(error: BaseException) -> str:
    """
    Advise an operator.

    :param error: why a step of the check failed.
    :return: the likely cause, and what to do.
    """
    if isinstance(error, ServerConnectionError | TransitError):
        reason = error.reason.value
        return advice(reason) if reason is not None else NO_ANSWER
    if isinstance(error, PageError):
        return error.fault.value
    if isinstance(error, TransitHandshakeError):
        return _handshake_advice(str(error))
    matching = (text for kind, text in BY_TYPE.items() if isinstance(error, kind))
    found = next(matching, None) or connection_advice(error)
    return found or "look at the server's log"


def _handshake_advice(text: str) -> str:
    if HandshakeStep.RELAY.value not in text:  # the relay had said ok
        return CHANGED
    if "closed" in text:
        return f"{NOTHING_BEHIND}; is it the relay's port?"
    return "the host there is not a transit relay: is it the relay's port?"
