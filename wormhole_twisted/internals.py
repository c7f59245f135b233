"""
Twisted's private attributes: every use of one, with its reason.

Each has a test that fails when Twisted changes what it relies on. Nothing else in the project may reach
into Twisted.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.base import ReactorBase
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IListeningPort, IProtocol, ITransport
from twisted.internet.tcp import Connection, Port, Server
from twisted.logger import ILogObserver, Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted.web.http import HTTPChannel  # which the client does not need

_log = Logger()

_PIECE_BYTES = 64
"""What a bytes object takes beside its bytes, and its place in a list."""

_LATER_NAMES: Final = (
    "bufferSize",
    "connectionLost",
    "dataBuffer",
    "doRead",
    "offset",
    "producer",
    "startReading",
    "stopReading",
    "streamingProducer",
)
"""Attributes that transports get when they are used, by Twisted or by the functions below."""

MOST_READ_BYTES: Final = FileDescriptor.bufferSize
"""What a transport reads at a time, unless it is told otherwise."""


class SteadyClock:
    """
    Seconds that never jump, beginning with the seconds since the epoch.

    They begin with the epoch so that timers which were set before keep their times.

    :param day: seconds since the epoch; may jump. Read once.
    :param steady: seconds since any moment; never jumps.
    """

    def __init__(self, day: Callable[[], float], steady: Callable[[], float]) -> None:
        self._steady = steady
        self._offset = day() - steady()

    def __call__(self) -> float:
        return self._steady() + self._offset


def run_timers_by_steady_clock(reactor: ReactorBase) -> None:
    """
    Let the timers of a reactor run by a clock that never jumps.

    Twisted runs them by the time of day: set forward by a day, that would fire every timer at once; set
    back by a day, it would fire none for a day. `ReactorBase` reads its clock as `self.seconds`, so an
    attribute of the instance replaces it. A second call changes nothing.
    """
    if not isinstance(reactor.seconds, SteadyClock):
        clock: Any = SteadyClock(time.time, time.monotonic)  # noqa: TID251 - a reactor's own clock
        reactor.seconds = clock


class _Calls:
    """Stands in for `twisted.python.log` where the reactor with epoll calls its transports."""

    @staticmethod
    def callWithLogger(_: object, call: Callable[..., object], *arguments: Any) -> None:  # noqa: N802
        """Log what a call raises, as Twisted does."""
        try:
            call(*arguments)
        except Exception:
            _log.failure("An event of a connection raised an exception")


def call_without_log_context(reactor: ReactorBase) -> None:
    """
    Let a reactor call its transports without a context of the log for each event.

    Twisted puts a transport's name there, with its peer's address, for whatever is logged meanwhile. Nothing
    here logs it, and it takes 4 us, half as much as to read a command from a socket. The reactor with epoll
    makes its calls through a function that its module knows as `log.callWithLogger`, and uses nothing else
    of `log`; other reactors stay as they are. A second call changes nothing.
    """
    module: Any = sys.modules.get("twisted.internet.epollreactor")
    if module is not None and isinstance(reactor, module.EPollReactor):
        module.log = _Calls


def share_attribute_names(transport_class: type[Connection]) -> None:
    """
    Let the transports of a class share the names of the attributes that they get when they are used.

    CPython keeps the names of attributes once for a class, as far as its first dozen instances have them. Any
    other instance that gets a further attribute, such as a producer, has a dictionary with all names of its
    own from then on, of 0.8 KiB. Without this, it is chance whether the first dozen connections are used in
    every way before the next ones are accepted. To be called before there are any.
    """
    first: Any = transport_class.__new__(transport_class)
    for name in _LATER_NAMES:
        setattr(first, name, None)


def replace_protocol(transport: ITransport, protocol: IProtocol, data: bytes = b"") -> None:
    """
    Give a connection to another protocol, as `ProtocolWrapper` and HTTP upgrades do.

    :param data: bytes that were received already and that the new protocol has to read first.
    """
    if isinstance(transport, ProtocolWrapper):  # TLS
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol  # type: ignore[attr-defined] # every transport of Twisted has it
    protocol.makeConnection(transport)
    if data:
        protocol.dataReceived(data)


class ConnectionHook:
    """
    Is told when a connection is lost, and when its protocol holds bytes, whichever the transport has by then.

    Twisted tells the protocol alone. This shadows the transport's method `connectionLost` by an attribute
    of the instance, which is removed before the method itself runs.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: ITransport) -> None:
        self._transport: Any = _innermost(transport)
        # Not a bound method, which would be one more object of each connection.
        self._transport.connectionLost = self

    def connection_lost(self) -> None:
        """The connection is lost; the protocol has not been told yet."""

    def bytes_held(self) -> None:
        """The protocol holds bytes, of what it has read or for its peer; see `note_held_bytes`."""

    def __call__(self, *reason: Any) -> None:
        """What the transport's method is called with."""
        transport = self._transport
        del transport.connectionLost
        try:
            self.connection_lost()
        finally:
            transport.connectionLost(*reason)


def connection_hook(transport: ITransport) -> ConnectionHook | None:
    """Return the hook of a transport, or of the one below TLS; None: it has none."""
    hook = getattr(_innermost(transport), "connectionLost", None)
    return hook if isinstance(hook, ConnectionHook) else None


def note_held_bytes(transport: ITransport) -> None:
    """Tell the hook of a transport, if it has one, that its protocol holds bytes; it may have before."""
    hook = connection_hook(transport)
    if hook is not None:
        hook.bytes_held()


def forget_names(transport: ITransport) -> None:
    """
    Give a TCP transport that was accepted, or the one below TLS, the names that all of its kind have.

    Twisted names each after its number and its peer's address, in two texts of 150 bytes that live as long as
    the connection. One is for the context of log lines, see `call_without_log_context`, the other for `repr`.
    """
    below = _innermost(transport)
    if isinstance(below, Server):
        below.logstr = below.repstr = "a connection"


class ReadHook:
    """
    Decides when a TCP transport, or the one below TLS, reads.

    This shadows methods of the transport by attributes of the instance, from here on to `end`: what protocols
    and Twisted ask of it meanwhile is remembered, and holds behind `resume_reading`.
    """

    __slots__ = ("_held", "_read", "_result", "_transport", "_wanted")

    def __init__(self, transport: Connection) -> None:
        self._transport: Any = transport
        self._held = False
        self._wanted = True  # a connection that is accepted begins to read at once
        self._result: Any = None
        # Reads in place of the transport's method; None: the method does.
        self._read: Callable[[], Any] | None = None
        # Not by `vars`, which would make the transport's dictionary an object of its own.
        shadowed: Any = transport
        shadowed.doRead = self._do_read
        shadowed.startReading = self._start_reading
        shadowed.stopReading = self._stop_reading

    @property
    def held(self) -> bool:
        """Whether there is something to read that the transport does not read."""
        return self._held

    def readable(self) -> None:
        """There is something to read: call `read_now`, or `hold`."""
        raise NotImplementedError

    def hold(self) -> None:
        """Read nothing."""
        self._held = True
        self._transport.reactor.removeReader(self._transport)

    def read_now(self) -> None:
        """Read once, unless a protocol has paused the transport, or closed it."""
        if self._wanted and self._is_there():
            read = self._read
            try:
                self._result = (
                    type(self._transport).doRead(self._transport) if read is None else read()
                )
            except Exception as error:
                _log.failure("A connection is closed because of an exception in its protocol")
                self._result = error

    def resume_reading(self) -> None:
        """Call `readable` when there is something to read again."""
        self._held = False
        if self._wanted:
            self._transport.reactor.addReader(self._transport)

    def read_with(self, read: Callable[[], Any] | None) -> None:
        """Read with `read` in place of the transport's method, which it is again with None."""
        self._read = read

    def reads_with(self, read: Callable[[], Any]) -> bool:
        """Whether it is `read` that reads."""
        return self._read == read

    def end(self) -> None:
        """Let the transport read by itself; a second call does nothing."""
        if self._is_there():
            del self._transport.doRead
        for name in ("startReading", "stopReading"):
            with contextlib.suppress(AttributeError):
                delattr(self._transport, name)
        if self._held:
            self._held = False
            if self._wanted and self._transport.connected:
                self._transport.startReading()

    def _is_there(self) -> bool:
        """Whether nothing else has replaced `doRead`: Twisted does, for a connection that it aborts."""
        return bool(self._transport.doRead == self._do_read)

    def _do_read(self) -> Any:
        if self._result is None:
            self.readable()
        return self._result  # from here on the same: the end of the stream, or an error

    def _start_reading(self) -> None:
        self._wanted = True
        if not self._held:
            self._transport.reactor.addReader(self._transport)

    def _stop_reading(self) -> None:
        self._wanted = False
        self._transport.reactor.removeReader(self._transport)


def read_hook(transport: ITransport) -> ReadHook | None:
    """Return the hook of a transport, or of the one below TLS; None: it has none."""
    # Not by `doRead`, which Twisted replaces where it aborts a connection.
    hook = getattr(getattr(_innermost(transport), "startReading", None), "__self__", None)
    return hook if isinstance(hook, ReadHook) else None


def read_freely(transport: ITransport) -> None:
    """Let a transport with a hook read by itself from now on, as much as it likes."""
    hook = read_hook(transport)
    if hook is not None:
        hook.end()
    read_at_most(transport, MOST_READ_BYTES)


def waits_to_read(transport: ITransport) -> bool:
    """Whether a transport has a hook that holds what there is to read."""
    hook = read_hook(transport)
    return hook is not None and hook.held


def close_now(transport: ITransport) -> None:
    """
    Close a connection and its file descriptor before this returns.

    `abortConnection` closes the descriptor one turn of the reactor later. This ends the connection the way
    the reactor does when it finds the peer gone.
    """
    _innermost(transport).connectionLost(Failure(ConnectionDone()))


def take_socket(transport: Connection) -> tuple[socket.socket, bytes]:
    """
    Take the socket from a TCP transport, for another process to go on with.

    The transport is dead from here on, and its protocol is told of nothing. Twisted has no way to lose a
    connection without closing it, which would shut the socket down for the other process as well.

    :return: the socket, still connected, and what the transport holds for the peer.
    """
    hook = read_hook(transport)
    if hook is not None:
        hook.end()
    vars(transport).pop("connectionLost", None)
    transport.stopReading()
    transport.stopWriting()
    transport.connected = 0
    waiting: list[bytes] = transport._tempDataBuffer  # noqa: SLF001
    unsent = b"".join([transport.dataBuffer[transport.offset :], *waiting])
    return transport.socket, unsent


def listening_socket(port: IListeningPort) -> socket.socket | None:
    """Return the socket of a TCP port; None for a port of another kind, that of a Unix socket too."""
    if isinstance(port, Port) and port.addressFamily in (socket.AF_INET, socket.AF_INET6):
        return port.socket
    return None


def leave_open(port: IListeningPort) -> None:
    """
    Let a port be closed without an end to its socket, with which another process goes on.

    Twisted shuts down the socket of a port that it has opened itself.
    """
    port._shouldShutdown = False  # type: ignore[attr-defined] # noqa: SLF001


def replace_logger(port: IListeningPort, observer: ILogObserver) -> None:
    """
    Let an observer see what a TCP port logs about connections that it could not accept; log none of it.

    That log is the only place where Twisted says so, and it names the addresses of clients. Ports that are
    not Twisted's TCP ports are left as they are.
    """
    logger = getattr(port, "_logger", None)
    if isinstance(logger, Logger):
        port._logger = Logger(  # type: ignore[attr-defined] # noqa: SLF001
            namespace=logger.namespace, observer=observer
        )


def limit_accepts(
    port: IListeningPort, most: int, ready: Callable[[], object]
) -> Callable[[], int]:
    """
    Have `ready` called when connections wait to be accepted, which a port would accept otherwise.

    A port chooses by itself how many it accepts at once: twenty more each time that there are enough. A port
    that is not Twisted's is left as it is.

    :return: accepts connections, at most `most`; returns how many, at least 1.
    """
    if not isinstance(port, Port):
        return lambda: 0
    accept = port.doRead

    def accept_some() -> int:
        port.numberAccepts = most
        accept()  # type: ignore[no-untyped-call]
        return int(min(port.numberAccepts, most))

    port.doRead = ready  # type: ignore[method-assign]
    return accept_some


def read_at_most(transport: ITransport, size: int) -> None:
    """Let a TCP transport, or the one below TLS, read at most so many bytes at a time from now on."""
    below = _innermost(transport)
    if isinstance(below, FileDescriptor):
        below.bufferSize = size


def tcp_below(transport: ITransport) -> Connection | None:
    """Return a TCP transport, or the one below TLS; None: it is of another kind."""
    below = _innermost(transport)
    return below if isinstance(below, Connection) else None


def is_tcp(transport: ITransport) -> bool:
    """Whether a transport is the class of Twisted that `write_at_once` takes."""
    return isinstance(transport, Connection)


def is_bare_tcp(transport: ITransport) -> bool:
    """Whether a transport has a connected TCP socket, with nothing, such as TLS, in between."""
    return isinstance(transport, Connection) and not transport.TLS and bool(transport.connected)


def has_unsent(transport: ITransport) -> bool:
    """Whether a TCP transport, or the one below TLS, holds bytes that it has not sent."""
    return _holds_bytes(_innermost(transport))


def unsent_bytes(transport: ITransport) -> int:
    """
    How many bytes a TCP transport, and TLS above it, hold that they have not sent.

    Small pieces take more memory than their bytes: each counts as `_PIECE_BYTES` more.
    """
    below = _innermost(transport)
    size: int = len(below.dataBuffer) - below.offset
    if below._tempDataBuffer:  # noqa: SLF001
        size += below._tempDataLen + _PIECE_BYTES * len(below._tempDataBuffer)  # noqa: SLF001
    above = getattr(below.protocol, "_appSendBuffer", None)  # TLS
    if above:
        size += sum(map(len, above)) + _PIECE_BYTES * len(above)
    return size


def is_aborting(transport: ITransport) -> bool:
    """Whether a TCP transport, or the one below TLS, was told to abort, and drops what it holds."""
    return bool(_innermost(transport)._aborting)  # noqa: SLF001


def protocol_of(transport: ITransport) -> Any:
    """Return the protocol of a transport; above TLS, where that is in between."""
    protocol = _innermost(transport).protocol
    while isinstance(protocol, ProtocolWrapper):
        protocol = protocol.wrappedProtocol
    return protocol


def write_at_once(transport: Connection, data: bytes | memoryview) -> bool:
    """
    Write what the socket takes at once, and have the transport write the rest.

    `write` waits until the reactor finds the socket writable, which it nearly always is: this saves two
    system calls and a turn of the reactor for each message. No public attribute says whether the transport
    holds bytes that must be sent first.

    :param data: may be changed once this has returned.
    :return: whether the socket has taken all.
    """
    if not _holds_bytes(transport):
        # At most 128 KiB: more would fill the socket's buffer, where nobody counts what a peer does not read.
        sent = transport.writeSomeData(data)  # type: ignore[arg-type]  # it takes a view itself
        # A number, or an exception, which the transport meets again when it writes.
        if isinstance(sent, int):
            data = data[sent:]
    if data:
        transport.write(bytes(data))
    return not data


def read_with(transport: Connection, read: Callable[[], Exception | None]) -> None:
    """
    Have the reactor call `read` when there is something to read, in place of the transport's `doRead`.

    A link moves bytes past the transport, which remains responsible for everything else: its end, resets, and
    bytes that are written to it. Twisted replaces the method in this way itself, in `abortConnection`.

    :param read: returns None, or a reason of `twisted.internet.main` why the connection is lost.
    """
    hook = read_hook(transport)
    if hook is not None:
        hook.read_with(read)
    else:
        transport.doRead = read  # type: ignore[method-assign,assignment]


def stop_reading_with(transport: Connection, read: Callable[[], Exception | None]) -> None:
    """Let the transport read by itself again, unless its method was replaced by another than `read`."""
    hook = read_hook(transport)
    if hook is not None and hook.reads_with(read):
        hook.read_with(None)
    elif vars(transport).get("doRead") == read:
        del transport.doRead


def abort_later(channel: HTTPChannel) -> None:
    """
    Close an HTTP channel, and abort it where the client does not read what is left.

    The channel's own timeout does the same, but logs the client's address.
    """
    channel._abortingCall = channel.callLater(channel.abortTimeout, channel.forceAbortClient)  # noqa: SLF001
    channel.loseConnection()


def forget_abort(channel: HTTPChannel) -> None:
    """Forget the call that `abort_later` has scheduled: it is being made."""
    channel._abortingCall = None  # noqa: SLF001


def take_unread(channel: HTTPChannel) -> bytes:
    """
    Take what an HTTP channel has received behind the request that it is carrying out.

    The channel keeps that for the next request; there is none when the connection becomes a WebSocket.
    """
    unread = b"".join(channel._dataBuffer)  # noqa: SLF001
    channel._dataBuffer = []  # noqa: SLF001
    return unread


def _holds_bytes(transport: Connection) -> bool:
    return bool(transport.dataBuffer or transport._tempDataBuffer)  # noqa: SLF001


def _innermost(transport: Any) -> Any:
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport
