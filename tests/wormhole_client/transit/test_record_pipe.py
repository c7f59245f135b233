"""Tests of the record pipe: the handshake, records both ways, flow control and every end."""

import io
import socket
import struct
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.tcp import connect_pair
from wormhole_client.keys import TransitKeys
from wormhole_client.transit.handshake import TransitHandshakeError
from wormhole_client.transit.record_pipe import (
    QUEUED_RECORDS,
    RECORD_BYTES,
    RECORDS_AT_ONCE,
    PipeClosedError,
    RecordPipe,
)
from wormhole_client.transit.records import RecordError, RecordOpener, RecordSealer
from wormhole_twisted.internals import is_aborting

KEYS = TransitKeys(bytes(range(32)))


class Transport(StringTransport):
    """Records how it ended."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Sink:
    """A consumer that may pause its producer at once."""

    def __init__(self, pause: bool = False) -> None:
        self.pause = pause
        self.written: list[bytes] = []
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.written.append(data)
        if self.pause:
            self.producer.pauseProducing()


class FullSink(Sink):
    """A consumer that fails."""

    def write(self, data: bytes) -> None:
        super().write(data)
        raise OSError


def pipe(sender: bool, request: bytes = b"") -> tuple[RecordPipe, Transport]:
    made = RecordPipe(KEYS, sender=sender, request=request, via="here")
    transport = Transport()
    made.makeConnection(transport)
    return made, transport


class Passed:
    """A receiver that has passed, and the sealer of what it is sent."""

    def __init__(self) -> None:
        self.pipe, self.transport = pipe(sender=False)
        self.pipe.dataReceived(KEYS.handshake(sender=True) + b"go\n")
        self.transport.clear()
        self.sealer = RecordSealer(KEYS.records(sender=True))

    def arrive(self, *records: bytes) -> None:
        self.pipe.dataReceived(b"".join(self.sealer.seal(record) for record in records))

    def lose(self, reason: Exception) -> None:
        self.pipe.connectionLost(Failure(reason))


class HandshakeTests(SynchronousTestCase):
    def test_both_ends(self) -> None:
        """Two pipes shake hands and carry a record each way."""
        ours, our_wire = pipe(sender=True)
        theirs, their_wire = pipe(sender=False)
        theirs.dataReceived(our_wire.value())
        our_wire.clear()
        ours.dataReceived(their_wire.value())
        their_wire.clear()
        self.assertIs(self.successResultOf(ours.passed), ours)
        self.assertNoResult(theirs.passed)
        ours.send(b"marco")
        theirs.dataReceived(our_wire.value())
        self.assertIs(self.successResultOf(theirs.passed), theirs)
        self.assertEqual(self.successResultOf(theirs.receive()), b"marco")
        theirs.write(b"polo")
        waiting = ours.receive()
        ours.dataReceived(their_wire.value())
        self.assertEqual(self.successResultOf(waiting), b"polo")

    def test_wrong_peer(self) -> None:
        """A stranger is dropped at once."""
        ours, wire = pipe(sender=True)
        ours.dataReceived(b"SSH-2.0")
        self.failureResultOf(ours.passed, TransitHandshakeError)
        self.assertTrue(wire.aborted)
        ours.connectionLost(Failure(ConnectionLost()))

    def test_cancelled(self) -> None:
        """A sender that loses the race says nevermind; what comes after is not looked at."""
        ours, wire = pipe(sender=True)
        wire.clear()
        ours.passed.cancel()
        self.failureResultOf(ours.passed, CancelledError)
        self.assertEqual((wire.value(), wire.disconnecting), (b"nevermind\n", True))
        ours.dataReceived(b"whatever")
        self.assertFalse(wire.aborted)

    def test_cancelled_otherwise(self) -> None:
        """No nevermind is sent by a receiver, to a relay that has not joined the ends, or unconnected."""
        for made, wire in (pipe(sender=False), pipe(sender=True, request=b"please\n")):
            wire.clear()
            made.passed.cancel()
            self.failureResultOf(made.passed, CancelledError)
            self.assertEqual((wire.value(), wire.disconnecting), (b"", True))
        unconnected = RecordPipe(KEYS, sender=True, request=b"", via="")
        unconnected.passed.cancel()
        self.failureResultOf(unconnected.passed, CancelledError)

    def test_closed_before(self) -> None:
        """The error of a connection that ended says what was expected."""
        ours, _ = pipe(sender=True, request=b"please\n")
        ours.connectionLost(Failure(ConnectionDone()))
        reason = self.failureResultOf(ours.passed, TransitHandshakeError)
        self.assertIn("the relay's ok", reason.getErrorMessage())


class RecordTests(SynchronousTestCase):
    def test_queued(self) -> None:
        """Records that no call receives are kept, and then the peer is paused."""
        end = Passed()
        end.arrive(*[b"%d" % number for number in range(QUEUED_RECORDS)])
        self.assertEqual(end.transport.producerState, "paused")
        self.assertEqual(self.successResultOf(end.pipe.receive()), b"0")
        self.assertEqual(end.transport.producerState, "producing")

    def test_cancelled(self) -> None:
        """A call that was cancelled takes no record."""
        end = Passed()
        gone, waiting = end.pipe.receive(), end.pipe.receive()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        end.arrive(b"a")
        self.assertEqual(self.successResultOf(waiting), b"a")

    def test_lost(self) -> None:
        """Calls that wait, and later ones, fail with how the connection ended."""
        end = Passed()
        waiting = end.pipe.receive()
        end.lose(ConnectionLost())
        self.assertIn("lost", self.failureResultOf(waiting, PipeClosedError).getErrorMessage())
        self.failureResultOf(end.pipe.receive(), PipeClosedError)

    def test_changed(self) -> None:
        """A stream that was changed is aborted, and no byte of the change is delivered."""
        end = Passed()
        waiting = end.pipe.receive()
        end.pipe.dataReceived(bytes(100))
        self.failureResultOf(waiting, RecordError)
        self.assertTrue(end.transport.aborted)
        end.arrive(b"later")
        self.failureResultOf(end.pipe.receive(), RecordError)

    def test_leaving(self) -> None:
        """As a context, it closes after success and aborts after failure."""
        end = Passed()
        with end.pipe:
            pass
        self.assertEqual((end.transport.disconnecting, end.transport.aborted), (True, False))
        end = Passed()
        with self.assertRaises(ValueError), end.pipe:
            raise ValueError
        self.assertTrue(end.transport.aborted)


class StreamTests(SynchronousTestCase):
    def test_all(self) -> None:
        """Records go to the consumer, those from before too, and the rest is kept."""
        end = Passed()
        end.arrive(b"ab")
        sink = Sink()
        done = end.pipe.stream_into(sink, 4)
        self.assertNoResult(done)
        end.arrive(b"cd", b"rest")
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual((sink.written, sink.producer), ([b"ab", b"cd"], None))
        self.assertEqual(self.successResultOf(end.pipe.receive()), b"rest")

    def test_nothing(self) -> None:
        """An empty stream is done at once."""
        sink = Sink()
        self.assertIsNone(self.successResultOf(Passed().pipe.stream_into(sink, 0)))

    def test_pauses(self) -> None:
        """A consumer that pauses stops the peer; one that resumes goes on."""
        end = Passed()
        sink = Sink(pause=True)
        done = end.pipe.stream_into(sink, 2)
        end.arrive(b"a", b"b")
        self.assertEqual((sink.written, end.transport.producerState), ([b"a"], "paused"))
        sink.pause = False
        sink.producer.resumeProducing()
        self.assertEqual((sink.written, end.transport.producerState), ([b"a", b"b"], "producing"))
        self.assertIsNone(self.successResultOf(done))

    def test_too_much(self) -> None:
        """A peer that sends more than it announced is refused."""
        end = Passed()
        sink = Sink()
        done = end.pipe.stream_into(sink, 3)
        end.arrive(b"ab", b"cd")
        self.failureResultOf(done, RecordError)
        self.assertEqual(sink.written, [b"ab"])

    def test_too_little(self) -> None:
        """A connection that ends in between fails the stream, after what had come."""
        end = Passed()
        sink = Sink()
        done = end.pipe.stream_into(sink, 3)
        end.arrive(b"ab")
        end.lose(ConnectionDone())
        self.assertIn("closed", self.failureResultOf(done, PipeClosedError).getErrorMessage())
        self.assertEqual(sink.written, [b"ab"])

    def test_consumer_fails(self) -> None:
        """A consumer that raises fails the stream with that, and is given nothing more."""
        end = Passed()
        sink = FullSink()
        done = end.pipe.stream_into(sink, 3)
        end.arrive(b"a", b"b")
        self.failureResultOf(done, OSError)
        self.assertEqual((sink.written, sink.producer), ([b"a"], None))

    def test_stream_cancelled(self) -> None:
        """A stream that was cancelled gives its consumer nothing more, also when the connection ends."""
        end = Passed()
        sink = Sink()
        done = end.pipe.stream_into(sink, 3)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        end.arrive(b"ab")
        end.lose(ConnectionLost())
        self.assertEqual((sink.written, sink.producer), ([], None))

    def test_stopped(self) -> None:
        """A consumer that stops ends the connection."""
        end = Passed()
        sink = Sink()
        end.pipe.stream_into(sink, 3)
        sink.producer.stopProducing()
        self.assertTrue(end.transport.disconnecting)

    def test_producer(self) -> None:
        """A producer that writes records is the transport's, so that it can be paused."""
        end = Passed()
        producer = object()
        end.pipe.registerProducer(producer, False)
        self.assertIs(end.transport.producer, producer)
        end.pipe.unregisterProducer()
        self.assertIsNone(end.transport.producer)


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.end = Passed()
        self.opener = RecordOpener(KEYS.records(sender=False))

    def sent(self) -> list[bytes]:
        return self.opener.feed(self.end.transport.value())

    def produce(self) -> None:
        producer = self.end.transport.producer
        assert producer is not None
        producer.resumeProducing()

    def test_all(self) -> None:
        """A file leaves in records, one each time the connection takes more."""
        content = bytes(RECORD_BYTES) + b"end"
        done = self.end.pipe.send_file(io.BytesIO(content), lambda chunk: chunk[::-1])
        self.produce()
        self.produce()
        self.assertNoResult(done)
        self.produce()
        self.assertIsNone(self.successResultOf(done))
        self.assertIsNone(self.end.transport.producer)
        self.assertEqual(self.sent(), [bytes(RECORD_BYTES), b"dne"])

    def test_lost(self) -> None:
        """A file fails with how the connection ended, at its end or when it has ended already."""
        done = self.end.pipe.send_file(io.BytesIO(b"x"))
        producer = self.end.transport.producer
        assert producer is not None
        producer.stopProducing()  # as a transport does first
        self.assertNoResult(done)
        self.end.lose(ConnectionLost())
        self.failureResultOf(done, PipeClosedError)
        self.failureResultOf(self.end.pipe.send_file(io.BytesIO(b"x")), PipeClosedError)

    def test_unreadable(self) -> None:
        """What reading raises fails the file, not the reactor's turn."""
        source = io.BytesIO(b"x")
        done = self.end.pipe.send_file(source)
        source.close()
        self.produce()
        self.failureResultOf(done, ValueError)
        self.assertIsNone(self.end.transport.producer)

    def test_cancelled(self) -> None:
        """A file that was cancelled is read no further."""
        done = self.end.pipe.send_file(io.BytesIO(b"x"))
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertIsNone(self.end.transport.producer)
        self.end.lose(ConnectionLost())
        self.assertEqual(self.sent(), [])

    def test_cancelled_meanwhile(self) -> None:
        """A file that is cancelled while a chunk is transformed is sent no further."""

        def cancel(chunk: bytes) -> bytes:
            done.cancel()
            return chunk

        done = self.end.pipe.send_file(io.BytesIO(b"x"), cancel)
        self.produce()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.sent(), [])


class TcpTests(SynchronousTestCase):
    """A pipe on Twisted's own transport, which it reads from and writes to by itself."""

    def setUp(self) -> None:
        self.peer, handle = connect_pair(self)
        self.pipe = RecordPipe(KEYS, sender=False, request=b"", via="here")
        reactor: Any = MemoryReactorClock()
        self.transport: Any = tcp.Connection(handle, self.pipe, reactor)
        self.transport.connected = 1
        self.pipe.makeConnection(self.transport)
        self.transport.doWrite()
        self.peer.recv(1000)
        self.sealer = RecordSealer(KEYS.records(sender=True))
        self.opener = RecordOpener(KEYS.records(sender=False))
        # A record may arrive together with the end of the handshake.
        self.peer.sendall(KEYS.handshake(sender=True) + b"go\n" + self.sealer.seal(b"first"))
        self.transport.doRead()

    def received(self, count: int) -> list[bytes]:
        """Return so many records that the peer receives, while the pipe writes."""
        records: list[bytes] = []
        while len(records) < count:
            self.transport.doWrite()
            records += self.opener.feed(self.peer.recv(2**20))
        return records

    def test_read(self) -> None:
        """Records are received, whole and in order, however they arrive."""
        self.assertEqual(self.successResultOf(self.pipe.receive()), b"first")
        last = self.sealer.seal(b"second") + self.sealer.seal(b"third")
        self.peer.sendall(last[:-1])
        self.transport.doRead()
        self.assertIsNone(self.transport.doRead())  # nothing has arrived
        self.assertEqual(self.successResultOf(self.pipe.receive()), b"second")
        waiting = self.pipe.receive()
        self.assertNoResult(waiting)
        self.peer.sendall(last[-1:])
        self.transport.doRead()
        self.assertEqual(self.successResultOf(waiting), b"third")

    def test_closed(self) -> None:
        """The transport is told when the peer has closed the connection."""
        self.peer.close()
        self.assertIs(self.transport.doRead(), CONNECTION_DONE)

    def test_reset(self) -> None:
        """The transport is told when the connection was reset."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()
        self.assertIs(self.transport.doRead(), CONNECTION_LOST)

    def test_changed(self) -> None:
        """A stream that was changed is aborted."""
        self.pipe.receive()
        waiting = self.pipe.receive()
        self.peer.sendall(bytes(100))
        self.transport.doRead()
        self.failureResultOf(waiting, RecordError)
        self.assertTrue(is_aborting(self.transport))

    def test_file(self) -> None:
        """A file leaves in many records at once, as many as the socket takes, in order."""
        reads: list[bytes] = []

        def note(chunk: bytes) -> bytes:
            reads.append(chunk[:1])
            return chunk

        chunks = [bytes([number]) * RECORD_BYTES for number in range(256)]
        done = self.pipe.send_file(io.BytesIO(b"".join(chunks)), note)
        self.assertGreater(len(reads), 1)
        self.assertLessEqual(len(reads), RECORDS_AT_ONCE + 1)
        self.assertTrue(self.received(256) == chunks)
        self.transport.doWrite()
        self.assertIsNone(self.successResultOf(done))

    def test_file_waits(self) -> None:
        """A file is read no further while the peer takes nothing."""
        source = io.BytesIO(bytes(2**26))
        self.pipe.send_file(source)
        places = []
        for _ in range(200):
            self.transport.doWrite()
            places.append(source.tell())
        self.assertEqual(places[-1], places[-100])
        self.assertLess(places[-1], 2**26)
