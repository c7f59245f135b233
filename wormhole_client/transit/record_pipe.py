"""
The record pipe: one transit connection, first its handshake, then encrypted records both ways.

"Record pipe" is the transit protocol's own name for it. Owns the transport and the flow control; what
a connection means to the race is not decided here.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, Self

import attrs
from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer, IPullProducer, IPushProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from wormhole_client.keys import TransitKeys
from wormhole_client.transit.handshake import (
    GO,
    NEVERMIND,
    HandshakeStep,
    TransitHandshake,
    TransitHandshakeError,
)
from wormhole_client.transit.records import RecordError, RecordOpener, RecordSealer
from wormhole_twisted.internals import is_bare_tcp, read_with, write_at_once

CLOSED: Final = "the connection was closed"
LOST: Final = "the connection was lost"
QUEUED_RECORDS: Final = 16  # kept while no call receives them; then the peer has to wait
RECORD_BYTES: Final = 64 * 1024  # of a file in one record; larger ones cost as much
RECORDS_AT_ONCE: Final = 15  # in a turn of the reactor, which costs a sixth of a record


class FileSource(Protocol):
    """What `RecordPipe.send_file` reads."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


class PipeClosedError(Exception):
    """The connection to the peer ended. The text says how."""


@implementer(IConsumer, IPushProducer)
class RecordPipe(protocol.Protocol):
    """
    One end of a connection to the peer.

    It carries records, sent by `send` and received by `receive`; or streams of them, as an
    `IConsumer` and an `IPushProducer`. As a context manager it closes the connection.

    :ivar via: the address that it leads over, for the user.
    :ivar passed: fires with the pipe when the handshake has passed; cancelling it drops the connection.
    """

    transport: Any

    def __init__(self, keys: TransitKeys, *, sender: bool, request: bytes, via: str) -> None:
        """
        :param sender: whether this end is the sender, which decides between connections.
        :param request: what a relay is asked for; empty on a direct connection.
        """
        self.via = via
        self.passed: Deferred[RecordPipe] = Deferred(self._drop)
        self._sender = sender
        self._handshake = TransitHandshake(keys, sender, request)
        self._sealer = RecordSealer(keys.records(sender))
        self._opener = RecordOpener(keys.records(not sender))
        self._records: deque[bytes] = deque()
        self._waiting: deque[Deferred[bytes]] = deque()
        self._stream: _Stream | None = None
        self._sending: _FileSender | None = None
        self._failure: Failure | None = None
        self._transport_paused = False
        self._consumer_paused = False
        self._dropped = False

    # -- the handshake ----------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self.transport.write(self._handshake.start())

    def dataReceived(self, data: bytes) -> None:
        if self._dropped:
            return
        try:
            if self.passed.called:
                self._take(self._opener.feed(data))
            else:
                self._negotiate(data)
        except (TransitHandshakeError, RecordError) as error:
            self._abort(error)

    def _negotiate(self, data: bytes) -> None:
        reply = self._handshake.feed(data)
        if reply:
            self.transport.write(reply)
        if self._handshake.step is HandshakeStep.PASSED:
            # The race is decided while this fires. A loser was cancelled before it got here.
            if self._sender:
                self.transport.write(GO)
            self.passed.callback(self)
            self._take(self._opener.feed(self._handshake.rest))
            if is_bare_tcp(self.transport):
                read_with(self.transport, self._read)

    def _read(self) -> Exception | None:
        """Read in place of the transport, into the memory that records are opened in."""
        try:
            count = self.transport.getHandle().recv_into(self._opener.room())
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not count:
            return CONNECTION_DONE
        try:
            self._take(self._opener.take(count))
        except RecordError as error:
            self._abort(error)
        return None

    def _abort(self, error: Exception) -> None:
        self._fail(Failure(error))
        self.transport.abortConnection()

    def _drop(self, _: object) -> None:
        self._dropped = True
        if self.transport is not None:
            if self._sender and self._handshake.step is not HandshakeStep.RELAY:
                self.transport.write(NEVERMIND)
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        if self._handshake.step is HandshakeStep.PASSED:
            reason = Failure(PipeClosedError(CLOSED if reason.check(ConnectionDone) else LOST))
        elif isinstance(reason.value, ConnectionDone):
            expected = self._handshake.step.value
            reason = Failure(TransitHandshakeError(f"the connection was closed before {expected}"))
        self._fail(reason)

    def _fail(self, reason: Failure) -> None:
        if self._failure is None:
            self._failure = reason
            if not self.passed.called:
                self.passed.errback(reason)
            waiting, self._waiting = self._waiting, deque()
            for waiter in waiting:
                waiter.errback(reason.value)
            sending, self._sending = self._sending, None
            if sending is not None:
                sending.fail(reason.value)
            self._pump()

    # -- records ----------------------------------------------------------------------------------

    def send(self, record: bytes) -> None:
        """Send one record, without flow control; to send many, register a producer."""
        self.transport.write(self._sealer.seal(record))

    def send_at_once(self, record: bytes) -> bool:
        """
        Send one record without waiting for the reactor, if that is possible.

        :return: whether the connection has taken it and may take more; else it waits to be written.
        """
        if is_bare_tcp(self.transport):
            return write_at_once(self.transport, self._sealer.seal_in_place(record))
        self.send(record)
        return False

    def send_file(
        self, source: FileSource, transform: Callable[[bytes], bytes] = bytes
    ) -> Deferred[None]:
        """
        Send a file to its end, in records of `RECORD_BYTES`.

        :param source: is read in pieces, as the connection takes them.
        :param transform: is given each chunk and returns what is sent for it.
        :return: fires when all is written; fails when the connection ends before, or with what `source`
            or `transform` raises.
        """
        sending = _FileSender(source, transform, self)
        if self._failure is None:
            self._sending = sending
            self.registerProducer(sending, False)
        else:
            sending.fail(self._failure.value)
        return sending.done

    def file_sent(self) -> None:
        """Forget the file that is being sent."""
        self._sending = None
        self.unregisterProducer()

    def receive(self) -> Deferred[bytes]:
        """
        Receive the next record.

        :return: fires with it; fails when the connection ends before.
        """
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
        Write records into a consumer, which may pause the peer.

        :param size: in bytes.
        :return: fires when the bytes have come; fails when the connection ends before, or a record
            exceeds what is left.
        """
        self._stream = stream = _Stream(consumer, size, Deferred(self._forget_stream))
        consumer.registerProducer(self, True)
        self._pump()
        return stream.done

    def _take(self, records: list[bytes]) -> None:
        if self._failure is None:
            self._records += records
            while self._records and self._waiting:
                self._waiting.popleft().callback(self._records.popleft())
            self._pump()

    def _pump(self) -> None:
        stream = self._stream
        while stream is not None and not self._consumer_paused:
            if stream.left <= 0:
                self._end_stream(stream)
            elif self._records:
                try:
                    stream.take(self._records.popleft())
                except Exception:  # a consumer that cannot go on: its disk is full
                    self._end_stream(stream, Failure())
            elif self._failure is not None:
                self._end_stream(stream, self._failure)
            else:
                break
            stream = self._stream
        self._regulate()

    def _forget_stream(self, _: object) -> None:
        if self._stream is not None:
            self._stream.consumer.unregisterProducer()
            self._stream = None

    def _end_stream(self, stream: "_Stream", reason: Failure | None = None) -> None:
        self._stream = None
        stream.consumer.unregisterProducer()
        if reason is not None:
            stream.done.errback(reason.value)
        elif stream.left < 0:
            stream.done.errback(RecordError("the other end sent more than it had announced"))
        else:
            stream.done.callback(None)

    def _regulate(self) -> None:
        full = len(self._records) >= QUEUED_RECORDS and not self._waiting
        pause = full or self._consumer_paused
        if pause != self._transport_paused and self._failure is None:
            self._transport_paused = pause
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
        self._consumer_paused = True
        self._regulate()

    def resumeProducing(self) -> None:
        self._consumer_paused = False
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
        """Close the connection, after everything written has been sent."""
        self.transport.loseConnection()


@attrs.define
class _Stream:
    """A consumer, and how many bytes it still expects."""

    consumer: Any
    left: int
    done: Deferred[None]

    def take(self, record: bytes) -> None:
        self.left -= len(record)
        if self.left >= 0:
            self.consumer.write(record)


@implementer(IPullProducer)
@attrs.define(eq=False)
class _FileSender:
    """
    The producer of the records of one file.

    Twisted's own reports every lost connection as "Consumer asked us to stop producing", lets what reading
    raises fail the reactor's turn, and is of no use once the connection has ended.
    """

    _source: FileSource
    _transform: Callable[[bytes], bytes]
    _pipe: RecordPipe
    done: Deferred[None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.done = Deferred(lambda _: self._pipe.file_sent())

    def resumeProducing(self) -> None:
        for _ in range(RECORDS_AT_ONCE):
            record = self._next_record()
            if record is None or not self._pipe.send_at_once(record):
                return
        record = self._next_record()
        if record is not None:
            self._pipe.send(record)  # the transport asks for more when it has written this

    def _next_record(self) -> bytes | None:
        """Return what is to be sent for the next chunk; None: the file has ended, in whichever way."""
        try:
            chunk = self._source.read(RECORD_BYTES)
            record = self._transform(chunk) if chunk else b""
        except Exception as error:
            self._pipe.file_sent()
            self.fail(error)
            return None
        if self.done.called:  # cancelled by what `transform` has called
            return None
        if chunk:
            return record
        self._pipe.file_sent()
        self.done.callback(None)
        return None

    def stopProducing(self) -> None:
        """The connection has ended: the pipe says why in a moment."""

    def fail(self, error: BaseException | None) -> None:
        if not self.done.called:
            self.done.errback(error)
