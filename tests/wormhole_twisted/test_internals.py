"""Tests of `wormhole_twisted.internals`: each fails when Twisted changes what its module relies on."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing
from sys import getsizeof
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.internet import epollreactor, tcp
from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import Clock
from twisted.internet.tcp import Port, Server
from twisted.internet.testing import StringTransport
from twisted.logger import ILogObserver, LogEvent
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python import context
from twisted.python.failure import Failure
from twisted.python.log import ILogContext
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel
from zope.interface import provider

from tests.tcp import connect_pair
from wormhole_twisted.internals import (
    MOST_READ_BYTES,
    ConnectionHook,
    ReadHook,
    SteadyClock,
    abort_later,
    call_without_log_context,
    close_now,
    connection_hook,
    forget_abort,
    forget_names,
    is_aborting,
    is_bare_tcp,
    is_tcp,
    leave_open,
    limit_accepts,
    listening_socket,
    protocol_of,
    read_at_most,
    read_freely,
    read_hook,
    read_with,
    replace_logger,
    replace_protocol,
    run_timers_by_steady_clock,
    share_attribute_names,
    stop_reading_with,
    take_socket,
    take_unread,
    tcp_below,
    unsent_bytes,
    waits_to_read,
    write_at_once,
)


class SteadyClockTests(SynchronousTestCase):
    def test_jumps(self) -> None:
        """It begins with the time of day, and does not follow when that jumps."""
        day, passed = 1_000_000.0, 50.0
        steady = SteadyClock(lambda: day, lambda: passed)
        self.assertEqual(steady(), 1_000_000.0)
        day, passed = 900_000.0, 57.5
        self.assertEqual(steady(), 1_000_007.5)

    def test_reactor(self) -> None:
        """A reactor's timers run by it, also those that were set before; a second call changes nothing."""
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        before = reactor.callLater(10, lambda: None)
        run_timers_by_steady_clock(reactor)
        steady = reactor.seconds
        after = reactor.callLater(10, lambda: None)
        self.assertIsInstance(steady, SteadyClock)
        self.assertLess(abs(after.getTime() - before.getTime()), 5)
        run_timers_by_steady_clock(reactor)
        self.assertIs(reactor.seconds, steady)

    def test_timers(self) -> None:
        """A reactor runs a timer when its clock says that it is due."""
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        run_timers_by_steady_clock(reactor)
        now = 100.0
        reactor.seconds = lambda: now
        fired: list[bool] = []
        reactor.callLater(10, fired.append, True)
        reactor.runUntilCurrent()
        self.assertEqual(fired, [])
        now = 110.0
        reactor.runUntilCurrent()
        self.assertEqual(fired, [True])


class Recorder(Protocol):
    """Records what happens to its connection."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def connectionMade(self) -> None:
        self.events.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.events.append(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.events.append("lost")


class TransportCase(SynchronousTestCase):
    """Twisted's own transport of an accepted connection, on one half of a socket pair."""

    def setUp(self) -> None:
        self.reactor = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        ours, self.peer = socket.socketpair()
        self.addCleanup(self.peer.close)
        self.descriptor = ours.fileno()
        port: Any = None
        self.transport = Server(ours, Recorder(), ("127.0.0.1", 1), port, 1, self.reactor)
        self.addCleanup(ours.close)

    def turn(self) -> None:
        """Let the reactor do what is due."""
        self.reactor.iterate(0.01)

    def assert_closed(self) -> None:
        """The file descriptor is closed."""
        error = self.assertRaises(OSError, os.fstat, self.descriptor)
        self.assertEqual(error.errno, errno.EBADF)


class ReplaceProtocolTests(TransportCase):
    def test_plain(self) -> None:
        """The new protocol gets the connection, the bytes that were read already, and all that follow."""
        first, second = Recorder(), Recorder()
        first.makeConnection(self.transport)
        self.transport.protocol = first
        replace_protocol(self.transport, second, b"early")
        self.peer.sendall(b"late")
        self.turn()
        self.assertEqual(second.events, ["made", b"early", b"late"])
        self.assertEqual(first.events, ["made"])

    def test_wrapped(self) -> None:
        """The same below a protocol wrapper, as TLS is one."""
        first, second = Recorder(), Recorder()
        wrapper: Any = WrappingFactory(Factory.forProtocol(lambda: first)).buildProtocol(None)
        self.assertIsInstance(wrapper, ProtocolWrapper)
        wrapper.makeConnection(self.transport)
        self.transport.protocol = wrapper
        replace_protocol(wrapper, second)
        self.peer.sendall(b"late")
        self.turn()
        self.assertEqual(second.events, ["made", b"late"])


class Hook(ConnectionHook):
    """Calls a function when the connection is lost."""

    def __init__(self, transport: Any, call: Callable[[], None]) -> None:
        super().__init__(transport)
        self._call = call

    def connection_lost(self) -> None:
        self._call()


class ConnectionHookTests(TransportCase):
    def test_lost(self) -> None:
        """It runs once, before the protocol that the transport has by then is told."""
        events: list[object] = []
        Hook(self.transport, lambda: events.append("hook"))
        last = Recorder()
        last.events = events
        self.transport.protocol = last
        self.peer.close()
        self.turn()
        self.assertEqual(events, ["hook", "lost"])
        self.assertNotIn("connectionLost", vars(self.transport))
        self.assert_closed()

    def test_exception(self) -> None:
        """Whatever it raises, the protocol is told, and the transport closed."""
        last = Recorder()
        self.transport.protocol = last
        Hook(self.transport, lambda: cast("None", 1 // 0))
        self.peer.close()
        self.turn()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(last.events, ["lost"])
        self.assert_closed()

    def test_wrapped(self) -> None:
        """Below a protocol wrapper it is the transport itself that tells."""
        events: list[object] = []
        wrapper: Any = WrappingFactory(Factory.forProtocol(Recorder)).buildProtocol(None)
        wrapper.makeConnection(self.transport)
        self.transport.protocol = wrapper
        Hook(wrapper, lambda: events.append("hook"))
        self.peer.close()
        self.turn()
        self.assertEqual((events, wrapper.wrappedProtocol), (["hook"], None))


class ShareAttributeNamesTests(SynchronousTestCase):
    """`share_attribute_names`."""

    def test_late_attributes(self) -> None:
        """A connection has no names of its own, though the ones before it were not used."""
        self.assertTrue(self.shares_names(share_attribute_names))

    def test_python(self) -> None:
        """Python would not share them."""
        self.assertFalse(self.shares_names(lambda _: None))

    def shares_names(self, prepare: Callable[[type[Server]], None]) -> bool:
        """Whether the last of twenty transports has no names of its own when it is used."""

        class Fresh(Server):
            """A class of which there is no instance."""

        prepare(Fresh)
        reactor = FakeReactor()
        port: Any = None
        for number in range(20):
            ours, _ = connect_pair(self)
            transport = Fresh(ours, Recorder(), ("192.0.2.1", 1), port, number, cast(Any, reactor))
        Hook(transport, lambda: None)
        hook = NotingHook(transport)
        read_at_most(transport, MOST_READ_BYTES)
        transport.registerProducer(Recorder(), True)
        transport.write(b"some")
        transport.doWrite()
        hook.end()
        names = vars(transport)
        return getsizeof(names) < getsizeof(dict(names))


class ForgetNamesTests(SynchronousTestCase):
    """`forget_names`."""

    def setUp(self) -> None:
        """Two connections that a port has accepted."""
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        port = Port(0, Factory(), reactor=reactor)
        port._realPortNumber = 4000
        self.transports = []
        for number in (1, 2):
            ours, _ = connect_pair(self)
            address = (f"192.0.2.{number}", 1)
            self.transports.append(Server(ours, Recorder(), address, port, number, reactor))

    def test_names(self) -> None:
        """The names that Twisted gives each connection are gone; all have the same."""
        one, other = self.transports
        self.assertIn("192.0.2.1", one.logPrefix())
        self.assertNotEqual(repr(one), repr(other))
        for each in self.transports:
            forget_names(each)
        self.assertNotIn("192.0.2", one.logPrefix())
        self.assertIs(one.logPrefix(), other.logPrefix())
        self.assertIs(repr(one), repr(other))

    def test_wrapped(self) -> None:
        """Below a protocol wrapper it is the transport's; its address can be asked as ever."""
        one, _ = self.transports
        wrapper: Any = WrappingFactory(Factory.forProtocol(Recorder)).buildProtocol(None)
        wrapper.makeConnection(one)
        forget_names(wrapper)
        self.assertNotIn("192.0.2", one.logPrefix())
        self.assertEqual(one.getPeer().host, "192.0.2.1")

    def test_others(self) -> None:
        """Any other transport is left alone."""
        transport = StringTransport()
        before = dict(vars(transport))
        forget_names(transport)
        self.assertEqual(vars(transport), before)


class CloseNowTests(TransportCase):
    def test_closed(self) -> None:
        """The file descriptor is closed, and the protocol told, before it returns."""
        protocol = Recorder()
        self.transport.protocol = protocol
        close_now(self.transport)
        self.assertEqual(protocol.events, ["lost"])
        self.assert_closed()


class ReplaceLoggerTests(SynchronousTestCase):
    def test_accept_fails(self) -> None:
        """
        What a port logs goes to the observer alone: a refusal of the kernel, and each connection that is
        closed because of it, with an address.
        """
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        events: list[LogEvent] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            events.append(event)

        port = Port(0, Factory.forProtocol(Recorder), interface="127.0.0.1", reactor=reactor)
        port.startListening()
        self.addCleanup(port.connectionLost, Failure(ConnectionError()))
        replace_logger(port, observe)
        accept = port.socket.accept
        failures = [OSError(errno.EMFILE, "too many")]

        def exhausted() -> Any:
            if failures:
                raise failures.pop()
            return accept()

        class Socket:
            """The port's socket, whose first accept fails for want of a descriptor."""

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            accept = staticmethod(exhausted)

        real, port.socket = port.socket, Socket()
        with closing(socket.create_connection(("127.0.0.1", port.getHost().port))):
            port.doRead()
        self.assertTrue(events)
        self.assertTrue(any("address" in event for event in events), events)
        self.assertEqual(
            {event["log_namespace"] for event in events}, {"twisted.internet.tcp.Port"}
        )

    def test_another_kind_of_port(self) -> None:
        """A port without a logger is left as it is."""
        anything: Any = object()
        replace_logger(anything, anything)


class AcceptTests(SynchronousTestCase):
    def test_limit(self) -> None:
        """A port says that connections wait, and accepts no more of them than it may."""
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        port = reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
        ready: list[int] = []
        accept = limit_accepts(port, 2, lambda: ready.append(1))
        with ExitStack() as stack:
            for _ in range(3):
                address = ("127.0.0.1", port.getHost().port)
                stack.enter_context(closing(socket.create_connection(address)))
            port.doRead()
            self.assertEqual((ready, [accept() for _ in range(3)]), ([1], [2, 1, 1]))

    def test_other_ports(self) -> None:
        """A port that is not Twisted's is left as it is."""
        anything: Any = object()
        self.assertEqual(limit_accepts(anything, 2, list)(), 0)


class ReadTests(SynchronousTestCase):
    def test_at_most(self) -> None:
        """A transport reads no more at a time than it was told, and as much as ever afterwards."""
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        factory = Factory.forProtocol(Recorder)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        with closing(socket.create_connection(("127.0.0.1", port.getHost().port))) as peer:
            port.doRead()
            (transport,) = [each for each in reactor.getReaders() if isinstance(each, Server)]
            read: list[int] = []
            self.patch(transport.protocol, "dataReceived", lambda data: read.append(len(data)))
            peer.sendall(b"x" * 5000)
            for size in (2000, MOST_READ_BYTES):
                read_at_most(transport, size)
                transport.doRead()
        self.assertEqual(read, [2000, 3000])


MIB = 1 << 20


class FakeReactor(Clock):
    """A reactor that notes what is to be read and written."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:  # noqa: N802 - the reactor's
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:  # noqa: N802
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:  # noqa: N802
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:  # noqa: N802
        self.writers.discard(writer)


class Noting(Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.received = b""
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason


class TcpCase(SynchronousTestCase):
    """Twisted's own transport on a socket, and the other end of that."""

    def setUp(self) -> None:
        self.peer, handle = connect_pair(self)
        self.reactor = FakeReactor()
        self.protocol = Noting()
        self.transport = tcp.Connection(handle, self.protocol, cast(Any, self.reactor))
        self.transport.connected = 1
        self.protocol.makeConnection(cast(Any, self.transport))


class UnsentTests(TcpCase):
    """`unsent_bytes` and `protocol_of`."""

    def test_counted(self) -> None:
        """What was written and not sent is counted, wherever the transport holds it; small pieces more."""
        self.assertEqual(unsent_bytes(self.transport), 0)
        self.transport.write(b"x" * 1000)
        self.transport.write(b"y" * 1000)
        self.assertEqual(unsent_bytes(self.transport), 2000 + 2 * 64)
        self.transport.write(bytes(16 * MIB))
        self.transport.doWrite()
        sent = len(self.transport.dataBuffer) - self.transport.offset
        self.assertLess(sent, 16 * MIB + 2000)
        self.assertEqual(unsent_bytes(self.transport), sent)
        received = 0
        while received < 16 * MIB + 2000:
            received += len(self.peer.recv(MIB))
            self.transport.doWrite()
        self.assertEqual(unsent_bytes(self.transport), 0)

    def test_tls(self) -> None:
        """What waits for TLS is counted as well; the protocol is the one above it."""
        factory = TLSMemoryBIOFactory(
            optionsForClientTLS("x"), True, Factory.forProtocol(Noting), clock=self.reactor
        )
        tls: Any = factory.buildProtocol(None)
        self.transport.protocol = tls
        tls.makeConnection(self.transport)
        before = unsent_bytes(self.transport)
        tls.write(b"x" * 1000)
        tls.write(b"y" * 10)
        self.reactor.advance(0)
        self.assertGreaterEqual(unsent_bytes(self.transport), before + 1010)
        self.assertIs(protocol_of(tls), tls.wrappedProtocol)
        self.assertIs(protocol_of(self.transport), tls.wrappedProtocol)

    def test_aborting(self) -> None:
        """A transport that was told to abort says so, before it is closed."""
        self.assertFalse(is_aborting(self.transport))
        self.transport.abortConnection()
        self.assertTrue(is_aborting(self.transport))


class WriteAtOnceTests(TcpCase):
    """`write_at_once`."""

    def test_at_once(self) -> None:
        """What the socket takes is sent without the reactor."""
        self.assertTrue(write_at_once(self.transport, b"hello"))
        self.assertEqual(self.peer.recv(10), b"hello")
        self.assertEqual(self.reactor.writers, set())

    def test_behind(self) -> None:
        """It is not sent before what the transport holds, wherever the transport holds it."""
        self.transport.write(b"first ")
        write_at_once(self.transport, b"second ")
        self.transport.doWrite()
        self.assertEqual(self.peer.recv(20), b"first second ")
        # Part of it has been moved to the other place.
        self.transport.write(b"first ")
        self.transport.dataBuffer, self.transport._tempDataBuffer = b"", [b"first "]
        write_at_once(self.transport, b"second")
        self.transport.doWrite()
        self.assertEqual(self.peer.recv(20), b"first second")

    def test_rest(self) -> None:
        """What the socket does not take the transport sends, in order, whatever becomes of the memory."""
        data = bytes(range(256)) * (16 * MIB // 256)
        memory = bytearray(data)
        self.assertFalse(write_at_once(self.transport, memoryview(memory)))
        memory[:] = bytes(len(memory))
        self.assertEqual(self.reactor.writers, {self.transport})
        received = bytearray()
        while len(received) < len(data):
            if self.reactor.writers:
                self.transport.doWrite()
            received += self.peer.recv(MIB)
        self.assertTrue(received == data)

    def test_lost(self) -> None:
        """A connection that is lost is found so by the transport, in its own way."""
        self.transport.socket.shutdown(socket.SHUT_WR)
        write_at_once(self.transport, b"hello")
        self.assertIsInstance(self.transport.doWrite(), Exception)


class ReadWithTests(TcpCase):
    """`read_with` and `stop_reading_with`."""

    def read(self) -> None:
        self.reads = getattr(self, "reads", 0) + 1

    def test_lent(self) -> None:
        """The reactor's call goes to the function, until the transport reads again."""
        read_with(self.transport, self.read)
        self.peer.send(b"x")
        self.transport.doRead()
        self.assertEqual((self.reads, self.protocol.received), (1, b""))
        stop_reading_with(self.transport, self.read)
        self.transport.doRead()
        self.assertEqual((self.reads, self.protocol.received), (1, b"x"))

    def test_aborted(self) -> None:
        """A transport that was aborted meanwhile reads nothing any more."""
        read_with(self.transport, self.read)
        self.transport.abortConnection()
        stop_reading_with(self.transport, self.read)
        self.peer.send(b"x")
        self.transport.doRead()
        self.assertEqual((self.protocol.received, hasattr(self, "reads")), (b"", False))


class NotingHook(ReadHook):
    """Notes when there is something to read."""

    times = 0
    held_at_once = True

    def readable(self) -> None:
        self.times += 1
        if self.held_at_once:
            self.hold()
        else:
            self.read_now()


class TakeSocketTests(TcpCase):
    """`take_socket`."""

    def test_taken(self) -> None:
        """The socket goes on, with what was not sent; neither reactor nor protocol hears of it again."""
        lost: list[str] = []

        class Hook(ConnectionHook):
            def connection_lost(self) -> None:
                lost.append("connection")

        hook = Hook(cast(Any, self.transport))
        self.assertIs(connection_hook(cast(Any, self.transport)), hook)
        reading = NotingHook(self.transport)
        self.transport.startReading()
        self.peer.sendall(b"unread")
        self.transport.doRead()
        self.assertTrue(reading.held)
        self.transport.write(b"first")
        self.transport.write(b", second")
        handle, unsent = take_socket(self.transport)
        self.assertEqual(unsent, b"first, second")
        self.assertEqual((self.reactor.readers, self.reactor.writers), (set(), set()))
        self.assertIsNone(connection_hook(cast(Any, self.transport)))
        self.assertEqual((lost, self.protocol.received, self.protocol.reason), ([], b"", None))
        self.assertEqual(handle.recv(10), b"unread")
        handle.sendall(unsent)
        self.assertEqual(self.peer.recv(20), b"first, second")

    def test_partly_sent(self) -> None:
        """What was sent already is not sent again."""
        self.transport.dataBuffer, self.transport.offset = b"sent, not", 4
        self.transport._tempDataBuffer = [b" yet"]
        self.assertEqual(take_socket(self.transport)[1], b", not yet")

    def test_no_hook(self) -> None:
        """A transport without a hook has none."""
        self.assertIsNone(connection_hook(cast(Any, self.transport)))


class LeaveOpenTests(SynchronousTestCase):
    def test_left_open(self) -> None:
        """Another process can accept at a port that was closed here; without, it could not."""
        for leave in (True, False):
            reactor = SelectReactor()
            self.addCleanup(reactor.disconnectAll)
            port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
            handle = listening_socket(port)
            assert handle is not None
            with closing(socket.socket(fileno=os.dup(handle.fileno()))) as other:
                if leave:
                    leave_open(port)
                port.connectionLost(Failure(CONNECTION_DONE))
                with closing(socket.socket()) as client:
                    client.settimeout(5)
                    self.assertEqual(client.connect_ex(other.getsockname()) == 0, leave)

    def test_another_kind_of_port(self) -> None:
        """A port that is not TCP has no socket for others, and that of a Unix socket has a file."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        path = os.path.join(folder.name, "socket")
        for port in (reactor.listenUNIX(path, Factory()), object()):
            self.assertIsNone(listening_socket(cast(Any, port)))


class _Selectable(FileDescriptor):
    """One end of a pair of sockets, which may raise an exception when it is closed."""

    def __init__(self, reactor: Any, end: socket.socket, *, raises: bool) -> None:
        super().__init__(reactor)
        self._end = end
        self._raises = raises
        self.contexts: list[Any] = []

    def fileno(self) -> int:
        return self._end.fileno()

    def logPrefix(self) -> str:
        return "name"

    def doRead(self) -> Exception | None:
        self.contexts.append(context.get(ILogContext).get("system"))
        return None if self._end.recv(10) else CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        if self._raises:
            raise ZeroDivisionError


class LogContextTests(SynchronousTestCase):
    """`call_without_log_context`."""

    def setUp(self) -> None:
        """Make a reactor."""
        self.module: Any = epollreactor
        self.patch(self.module, "log", self.module.log)
        self.reactor = epollreactor.EPollReactor()
        self.addCleanup(self.reactor.disconnectAll)

    def connect(self, *, raises: bool = False) -> tuple[_Selectable, socket.socket]:
        """Have the reactor read from one end of a pair of sockets, and return both."""
        ends = socket.socketpair()
        for end in ends:
            self.addCleanup(end.close)
        selectable = _Selectable(self.reactor, ends[0], raises=raises)
        self.reactor.addReader(selectable)
        self.addCleanup(self.reactor.removeReader, selectable)
        return selectable, ends[1]

    def test_context(self) -> None:
        """Transports are read as before, and what they log has no name of theirs."""
        selectable, peer = self.connect()
        for expected in ("name", "-"):
            peer.send(b"x")
            self.reactor.doPoll(1)
            self.assertEqual(selectable.contexts[-1], expected)
            call_without_log_context(self.reactor)

    def test_exception(self) -> None:
        """An exception in one transport is logged, and keeps no other from being called."""
        call_without_log_context(self.reactor)
        some = [self.connect(raises=raises) for raises in (True, False, True)]
        for _, peer in some:
            peer.close()
        self.reactor.doPoll(1)
        self.assertEqual([len(each.contexts) for each, _ in some], [1, 1, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_other_reactors(self) -> None:
        """A reactor that does not use epoll stays as it is."""
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        before = self.module.log
        call_without_log_context(reactor)
        self.assertIs(self.module.log, before)


class ReadHookTests(TcpCase):
    """`ReadHook`, and what asks for it."""

    def setUp(self) -> None:
        super().setUp()
        self.transport.startReading()
        self.hook = NotingHook(self.transport)

    def receive(self, data: bytes = b"x") -> Exception | None:
        """Let the reactor find bytes, if it looks for them."""
        self.peer.send(data)
        return self.transport.doRead() if self.reads else None

    @property
    def reads(self) -> bool:
        """Whether the reactor looks for bytes."""
        return self.transport in self.reactor.readers

    def test_held(self) -> None:
        """Nothing is read before the hook reads; then the reactor looks again."""
        self.assertIsNone(self.receive())
        self.assertEqual((self.reads, waits_to_read(self.transport)), (False, True))
        self.assertEqual(self.protocol.received, b"")
        self.hook.read_now()
        self.hook.resume_reading()
        self.assertEqual((self.reads, waits_to_read(self.transport)), (True, False))
        self.assertEqual(self.protocol.received, b"x")

    def test_at_once(self) -> None:
        """A hook may read at once."""
        self.hook.held_at_once = False
        self.receive()
        self.assertEqual((self.reads, self.protocol.received), (True, b"x"))

    def test_paused(self) -> None:
        """What a protocol pauses stays paused behind the hook, and is read when the protocol resumes."""
        self.receive()
        self.transport.pauseProducing()
        self.hook.read_now()
        self.hook.resume_reading()
        self.assertEqual((self.reads, self.protocol.received), (False, b""))
        self.transport.resumeProducing()
        self.assertTrue(self.reads)

    def test_resumed_while_held(self) -> None:
        """What a protocol resumes is not read before the hook says so."""
        self.receive()
        self.transport.pauseProducing()
        self.transport.resumeProducing()
        self.assertFalse(self.reads)
        self.hook.resume_reading()
        self.assertTrue(self.reads)

    def test_end_of_stream(self) -> None:
        """The reactor is told of an end that the hook has read."""
        self.receive(b"")
        self.peer.close()
        self.transport.doRead()
        self.hook.read_now()
        self.hook.resume_reading()
        self.assertIs(self.transport.doRead(), CONNECTION_DONE)

    def test_exception(self) -> None:
        """An exception of the protocol is logged, and the reactor told of it, which ends the connection."""
        self.patch(self.protocol, "dataReceived", lambda _: 1 / 0)
        self.receive()
        self.hook.read_now()
        self.hook.resume_reading()
        self.assertIsInstance(self.transport.doRead(), ZeroDivisionError)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_aborted(self) -> None:
        """A transport that was aborted meanwhile reads nothing any more."""
        self.receive()
        self.transport.abortConnection()
        self.assertFalse(self.reads)
        self.transport.startReading()
        self.hook.read_now()
        self.assertEqual(self.protocol.received, b"")
        self.hook.end()

    def test_lent(self) -> None:
        """A function that reads in place of the transport does so behind the hook."""
        read: list[int] = []
        read_function = lambda: read.append(1)  # noqa: E731 - compared below
        read_with(self.transport, read_function)
        self.receive()
        self.assertEqual((read, self.hook.times), ([], 1))
        self.hook.read_now()
        self.assertEqual((read, self.protocol.received), ([1], b""))
        stop_reading_with(self.transport, read_function)
        self.hook.read_now()
        self.assertEqual((read, self.protocol.received), ([1], b"x"))

    def test_end(self) -> None:
        """After the end the transport reads by itself, also what was held, and no hook is left."""
        self.receive()
        before = self.reads
        read_freely(self.transport)
        self.assertEqual((before, self.reads), (False, True))
        self.transport.doRead()
        self.assertEqual((self.protocol.received, self.hook.times), (b"x", 1))
        self.assertIsNone(read_hook(self.transport))
        self.assertEqual(
            {"doRead", "startReading", "stopReading"} & vars(self.transport).keys(), set()
        )
        self.assertEqual(self.transport.bufferSize, MOST_READ_BYTES)

    def test_found_when_aborted(self) -> None:
        """The hook of a connection that is being aborted is found until it ends."""
        self.transport.abortConnection()
        hook = read_hook(self.transport)
        self.assertIs(hook, self.hook)
        self.hook.end()
        self.assertIsNone(read_hook(self.transport))

    def test_other_transports(self) -> None:
        """Transports of other kinds have no hook, and read freely."""
        other: Any = StringTransport()
        read_freely(other)
        self.assertEqual((tcp_below(other), read_hook(other)), (None, None))
        self.assertIs(tcp_below(cast(Any, self.transport)), self.transport)


class TransportKindTests(TcpCase):
    """`is_tcp` and `is_bare_tcp`."""

    def test_kinds(self) -> None:
        """Only Twisted's own transport is TCP; it is bare while it is connected and has no TLS."""
        other: Any = StringTransport()
        own: Any = self.transport
        self.assertEqual((is_tcp(other), is_bare_tcp(other)), (False, False))
        self.assertEqual((is_tcp(own), is_bare_tcp(own)), (True, True))
        own.TLS = True
        self.assertEqual((is_tcp(own), is_bare_tcp(own)), (True, False))
        own.TLS, own.connected = False, 0
        self.assertFalse(is_bare_tcp(own))

    def test_tls_is_a_wrapper(self) -> None:
        """TLS is told by its class, which wraps a protocol."""
        self.assertTrue(issubclass(TLSMemoryBIOProtocol, ProtocolWrapper))


class ChannelTests(SynchronousTestCase):
    """The functions for `twisted.web`'s channel."""

    def setUp(self) -> None:
        self.clock = Clock()
        channel: Any = HTTPChannel()
        self.channel = channel
        self.channel.callLater = self.clock.callLater
        self.channel.timeOut = None
        self.transport = StringTransport()
        self.channel.makeConnection(self.transport)

    def test_abort_later(self) -> None:
        """The connection is closed, and aborted in the time that twisted.web gives it."""
        abort_later(self.channel)
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(self.channel.abortTimeout + 1)
        self.assertTrue(self.transport.disconnected)

    def test_not_aborted(self) -> None:
        """A connection that is lost before is not aborted; one whose time came has no call to cancel."""
        abort_later(self.channel)
        self.channel.connectionLost(Failure(CONNECTION_DONE))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.setUp()
        abort_later(self.channel)
        (call,) = self.clock.getDelayedCalls()
        call.cancel()
        forget_abort(self.channel)
        self.channel.connectionLost(Failure(CONNECTION_DONE))

    def test_unread(self) -> None:
        """What arrives while a request is carried out is there, once."""
        request: Any = self.channel.requestFactory
        self.channel.requestFactory = lambda *args: Unanswered(request(*args))
        self.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nbehind")
        self.channel.dataReceived(b" it")
        self.assertEqual(take_unread(self.channel), b"behind it")
        self.assertEqual(take_unread(self.channel), b"")


class Unanswered:
    """A request that is never answered."""

    def __init__(self, request: Any) -> None:
        self.request = request
        request.process = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.request, name)
