"""
The idle probes: a WebSocket connection on which nothing is sent for some seconds, and then a ping; a pair
at the relay that sends nothing for some seconds, and then a record.

Owns its connections. Proxies cut connections that are silent; clients wait for each other for minutes, and
for a person who is asked whether to accept a file.
"""

from typing import Any, Final, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.checks.relay_probe import join_at_relay
from wormhole_client.machines.server_messages import PongMessage, decode_message, encode_command
from wormhole_client.network.websocket import WebSocketConnection, open_websocket
from wormhole_client.transit.hints import RelayHint

CUT_WHEN_USED: Final = "the connection was cut when it was used again"


class IdleCutError(Exception):
    """The connection was cut while nothing was sent on it."""


async def keep_still(target: ProbeTarget, seconds: float) -> None:
    """
    Open a WebSocket connection, send nothing for some seconds, and let the server answer a ping.

    :param seconds: at most `PING_SECONDS`; then the client's own pings break the silence.
    :raises IdleCutError: the connection did not live so long, or the ping was not answered.
    :raises Exception: as `read_welcome`, if the connection cannot be opened.
    """
    reactor = target.reactor
    connection: _StillConnection = await open_websocket(
        reactor, target.network, target.relay_url, _StillConnection
    )
    try:
        await _stay_silent(reactor, seconds, connection.ponged)
        connection.send(encode_command("ping", ping="still here"), binary=False)
        await connection.ponged
    finally:
        connection.ponged.addErrback(lambda _: None)  # closing the connection ends the wait
        connection.abort()


async def keep_pair_still(target: ProbeTarget, relay: RelayHint, seconds: float) -> None:
    """
    Let a relay join two clients, send nothing for some seconds, and then a record.

    :raises IdleCutError: the pair did not live so long, or the record did not arrive.
    :raises Exception: as `connect_through_relay`, if the relay does not join them.
    """
    sending, receiving = await join_at_relay(target, relay, relay)
    with sending, receiving:
        received: Deferred[Any] = receiving.receive()
        received.addErrback(_cut_when_used)
        try:
            await _stay_silent(target.reactor, seconds, received)
            sending.send(b"still here")
            await received
        finally:
            received.addErrback(lambda _: None)  # closing the connections ends the wait


async def _stay_silent(reactor: Any, seconds: float, ended: Deferred[Any]) -> None:
    """
    Wait.

    :param ended: fails when the connection is cut.
    :raises IdleCutError: it was cut meanwhile.
    """
    began = reactor.seconds()
    silence: Deferred[None] = deferLater(reactor, seconds)
    is_cut = False

    def cut(failure: Failure) -> Failure:
        nonlocal is_cut
        is_cut = True
        silence.cancel()
        return failure

    ended.addErrback(cut)
    try:
        await silence
    except CancelledError:
        if is_cut:
            after = reactor.seconds() - began
            raise IdleCutError(f"the connection was cut after {after:.0f} s of silence") from None
        raise


def _cut_when_used(_: object) -> NoReturn:
    raise IdleCutError(CUT_WHEN_USED)


class _StillConnection(WebSocketConnection):
    """
    A connection that waits for the answer to a ping.

    :ivar ponged: fires with it, and fails when the connection ends before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ponged: Deferred[None] = Deferred()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N803 - Autobahn's
        if isinstance(decode_message(payload), PongMessage) and not self.ponged.called:
            self.ponged.callback(None)

    def ended(self, reason: Failure) -> None:  # noqa: ARG002 - cut is cut
        if not self.ponged.called:
            self.ponged.errback(IdleCutError(CUT_WHEN_USED))
