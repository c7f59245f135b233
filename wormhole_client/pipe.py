"""
A transit connection: first the handshake, then an encrypted pipe of records in both directions with
flow control. Owns the transport; what it means to win or lose a race is not its affair.
"""

from collections import deque
from typing import Any, Final, Self

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from wormhole_client.handshake import GO, NEVERMIND, Handshake, HandshakeFailure, Step
from wormhole_client.keys import TransitKeys
from wormhole_client.records import BadRecord, Opener, Sealer

QUEUED_RECORDS: Final = 16  # held while nobody asks for them; then the peer has to wait


@implementer(IConsumer, IPushProducer)
class Pipe(Protocol):
    """
    One end of a connection to the peer.

    `passed` fires with the pipe once the handshake is through; cancelling it drops the connection.
    Then it carries records: `send` and `receive`, or streams of them as IConsumer and IProducer.
    `via` says, for people, which way it goes.
    """

    transport: Any

    def __init__(self, keys: TransitKeys, *, sender: bool, request: bytes, via: str) -> None:
        self.via = via
        self.passed: Deferred[Pipe] = Deferred(self._drop)
        self._sender = sender
        self._handshake = Handshake(keys, sender, request)
        self._sealer = Sealer(keys.records(sender))
        self._opener = Opener(keys.records(not sender))
        self._records: deque[bytes] = deque()
        self._waiting: deque[Deferred[bytes]] = deque()
        self._stream: _Stream | None = None
        self._failure: Failure | None = None
        self._paused = False  # the transport
        self._held = False  # by the consumer
        self._dropped = False

    # -- the handshake ----------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self.transport.write(self._handshake.start())

    def dataReceived(self, data: bytes) -> None:
        if self._dropped:
            return
        try:
            if self.passed.called:
                self._take(data)
            else:
                self._negotiate(data)
        except (HandshakeFailure, BadRecord) as error:
            self._fail(Failure(error))
            self.transport.abortConnection()

    def _negotiate(self, data: bytes) -> None:
        reply = self._handshake.feed(data)
        if reply:
            self.transport.write(reply)
        if self._handshake.step is Step.PASSED:
            # A race decides while this fires. Whoever lost was cancelled before it could.
            if self._sender:
                self.transport.write(GO)
            self.passed.callback(self)
            self._take(self._handshake.rest)

    def _drop(self, _: object) -> None:
        self._dropped = True
        if self.transport is not None:
            if self._sender and self._handshake.step is not Step.RELAY:
                self.transport.write(NEVERMIND)
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if isinstance(reason.value, ConnectionDone):
            expected = self._handshake.step.value
            reason = Failure(HandshakeFailure(f"the connection was closed before {expected}"))
        self._fail(reason)

    def _fail(self, reason: Failure) -> None:
        if self._failure is None:
            self._failure = reason
            if not self.passed.called:
                self.passed.errback(reason)
            waiting, self._waiting = self._waiting, deque()
            for waiter in waiting:
                waiter.errback(reason.value)
            self._pump()

    # -- records ----------------------------------------------------------------------------------

    def send(self, record: bytes) -> None:
        """Send one record. Who sends many should be a registered producer."""
        self.transport.write(self._sealer.seal(record))

    def receive(self) -> Deferred[bytes]:
        """The next record; fails when the connection has ended before it."""
        waiter: Deferred[bytes] = Deferred(self._waiting.remove)
        if self._records:
            waiter.callback(self._records.popleft())
            self._regulate()
        elif self._failure is not None:
            waiter.errback(self._failure.value)
        else:
            self._waiting.append(waiter)
            self._regulate()
        return waiter

    def stream_into(self, consumer: Any, size: int) -> Deferred[None]:
        """
        Write records into `consumer` until `size` bytes have come. It may pause us, and then the
        peer. Fails when the connection ends before, or a record exceeds what is left.
        """
        self._stream = stream = _Stream(consumer, size)
        consumer.registerProducer(self, True)
        self._pump()
        return stream.done

    def _take(self, data: bytes) -> None:
        if self._failure is None:
            self._records += self._opener.feed(data)
            while self._records and self._waiting:
                self._waiting.popleft().callback(self._records.popleft())
            self._pump()

    def _pump(self) -> None:
        stream = self._stream
        while stream is not None and not self._held:
            if stream.left <= 0:
                self._end_stream(stream)
            elif self._records:
                stream.take(self._records.popleft())
            elif self._failure is not None:
                self._end_stream(stream, self._failure)
            else:
                break
            stream = self._stream
        self._regulate()

    def _end_stream(self, stream: "_Stream", reason: Failure | None = None) -> None:
        self._stream = None
        stream.consumer.unregisterProducer()
        if reason is not None:
            stream.done.errback(reason.value)
        elif stream.left < 0:
            stream.done.errback(BadRecord("the other end sent more than it had announced"))
        else:
            stream.done.callback(None)

    def _regulate(self) -> None:
        full = len(self._records) >= QUEUED_RECORDS and not self._waiting
        pause = full or self._held
        if pause != self._paused and self._failure is None:
            self._paused = pause
            (self.transport.pauseProducing if pause else self.transport.resumeProducing)()

    # -- IConsumer: a producer that writes records ------------------------------------------------

    def write(self, data: bytes) -> None:
        self.send(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.transport.unregisterProducer()

    # -- IPushProducer: a consumer that takes records ---------------------------------------------

    def pauseProducing(self) -> None:
        self._held = True
        self._regulate()

    def resumeProducing(self) -> None:
        self._held = False
        self._pump()

    def stopProducing(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.transport.abortConnection()

    def close(self) -> None:
        """Everything written is still sent, then the connection ends."""
        self.transport.loseConnection()


@attrs.define
class _Stream:
    """A consumer, and how much it still expects."""

    consumer: Any
    left: int
    done: Deferred[None] = attrs.field(factory=Deferred)

    def take(self, record: bytes) -> None:
        self.left -= len(record)
        if self.left >= 0:
            self.consumer.write(record)
