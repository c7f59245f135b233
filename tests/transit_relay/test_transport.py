"""The TCP socket below a transport: its options, and what the kernel knows of the peer."""

import contextlib
import socket
import struct
import termios
from typing import Any, cast

import attrs
from twisted.internet.interfaces import ITransport
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper
from twisted.trial.unittest import SynchronousTestCase

from tests.tcp import connect_pair
from tests.transit_relay.fakes import LIMITS, FakeTransport
from transit_relay.transport import (
    configure_socket,
    has_delivered,
    has_ended,
    silent_seconds,
)

OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
)


def transport_of(handle: socket.socket) -> ITransport:
    """Twisted's own transport of a connected socket."""
    transport: Any = Connection(handle, cast("Any", None), cast("Any", Clock()))
    return cast("ITransport", transport)


class TransportCase(SynchronousTestCase):
    """A peer on loopback, and the relay's transport to it."""

    def setUp(self) -> None:
        self.peer, self.handle = connect_pair(self)
        self.transport = transport_of(self.handle)

    def wrapped(self) -> ITransport:
        """The transport as TLS has it."""
        wrapper: Any = ProtocolWrapper(cast("Any", None), cast("Any", None))
        wrapper.transport = self.transport
        return cast("ITransport", wrapper)

    def remove_from_socket(self, name: str) -> None:
        """Let the system not have an option."""
        self.addCleanup(setattr, socket, name, getattr(socket, name))
        delattr(socket, name)


class ConfigureSocketTests(TransportCase):
    """`configure_socket`."""

    limits = attrs.evolve(
        LIMITS, keepalive_idle_seconds=11, keepalive_interval_seconds=12, keepalive_count=13
    )

    def options(self) -> list[int]:
        """Whether small pieces go at once and keepalive is on; its times and its count."""
        return [self.handle.getsockopt(level, option) for level, option in OPTIONS]

    def test_options(self) -> None:
        """Small pieces go at once, and the kernel probes for a dead peer."""
        configure_socket(self.transport, self.limits)
        self.assertEqual(self.options(), [1, 1, 11, 12, 13])

    def test_tls(self) -> None:
        """The socket below TLS gets the same options."""
        configure_socket(self.wrapped(), self.limits)
        self.assertEqual(self.options(), [1, 1, 11, 12, 13])

    def test_missing(self) -> None:
        """An option that the system does not have is left out."""
        before = self.options()
        self.remove_from_socket("TCP_KEEPINTVL")
        configure_socket(self.transport, self.limits)
        self.assertEqual(self.options(), [1, 1, 11, before[3], 13])

    def test_closed(self) -> None:
        """A socket that is closed already is left alone."""
        self.handle.close()
        configure_socket(self.transport, self.limits)

    def test_no_socket(self) -> None:
        """A transport without a TCP socket is left alone, and nothing is known of its peer."""
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        for transport in (FakeTransport(Clock()), transport_of(one)):
            configure_socket(transport, self.limits)
            self.assertIsNone(silent_seconds(transport))
            self.assertFalse(has_ended(transport))


class ScriptedSocket(socket.socket):
    """A socket whose kernel says what a test wants."""

    info: bytes

    def getsockopt(self, *_: object) -> Any:
        return self.info


class SilentSecondsTests(TransportCase):
    """`silent_seconds`."""

    def test_fresh(self) -> None:
        """A peer that has just connected has not been silent for a second."""
        for transport in (self.transport, self.wrapped()):
            silent = silent_seconds(transport)
            assert silent is not None
            self.assertLess(silent, 1.0)

    def test_data_or_acknowledgement(self) -> None:
        """The later of the peer's last data and its last acknowledgement counts."""
        handle = ScriptedSocket()
        self.addCleanup(handle.close)
        for data, acknowledgement in ((5000, 3000), (3000, 5000)):
            fields = [0] * 32
            fields[8 + 11], fields[8 + 12] = data, acknowledgement
            handle.info = struct.pack("=8B24I", *fields)
            self.assertEqual(silent_seconds(transport_of(handle)), 3.0)

    def test_unknown(self) -> None:
        """Where the system does not say, nothing is known."""
        self.remove_from_socket("TCP_INFO")
        self.assertIsNone(silent_seconds(self.transport))
        self.assertFalse(has_ended(self.transport))


class HasEndedTests(TransportCase):
    """`has_ended`."""

    def test_connected(self) -> None:
        """A peer that is connected can send more."""
        self.assertFalse(has_ended(self.transport))

    def test_closed(self) -> None:
        """A peer that has closed has ended, even while what it sent is unread."""
        self.peer.sendall(b"unread")
        self.peer.close()
        self.assertTrue(has_ended(self.transport))

    def test_half_closed(self) -> None:
        """A peer that has closed its own direction only has ended as well."""
        self.peer.shutdown(socket.SHUT_WR)
        self.assertTrue(has_ended(self.transport))

    def test_reset(self) -> None:
        """A peer that has reset the connection has ended."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()
        self.assertTrue(has_ended(self.transport))


class HasDeliveredTests(TransportCase):
    """`has_delivered`."""

    def test_everything(self) -> None:
        """The peer's kernel has what its buffer takes, whether the peer reads or not; TLS asks the same."""
        self.handle.sendall(b"unread")
        for transport in (self.transport, self.wrapped()):
            self.assertTrue(has_delivered(transport))

    def test_kernel(self) -> None:
        """What waits in this machine's kernel is not delivered, and neither is the end behind it."""
        self.handle.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.handle.send(bytes(1 << 20))
        self.handle.shutdown(socket.SHUT_WR)
        self.assertFalse(has_delivered(self.transport))

    def test_transport(self) -> None:
        """What the transport has not sent is not delivered."""
        transport: Any = self.transport
        transport.connected = True
        self.patch(transport, "startWriting", lambda: None)
        transport.write(b"x")
        self.assertFalse(has_delivered(transport))

    def test_unknown(self) -> None:
        """Where the system does not say, nothing is taken for delivered."""
        self.assertFalse(has_delivered(cast("ITransport", FakeTransport(Clock()))))
        self.patch(termios, "TIOCOUTQ", 0)
        self.assertFalse(has_delivered(self.transport))
