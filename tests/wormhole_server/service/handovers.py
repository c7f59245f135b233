"""A relay on real sockets in this process, for tests of what is handed over."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory
from twisted.internet.selectreactor import SelectReactor

from tests.schedulers import make_scheduler
from tests.transit_relay.fakes import LIMITS, TOKEN, FakeObserver, handshake, make_relay
from tests.wormhole_server.listening.connections import RefusalRecorder, make_policy
from tests.wormhole_server.logs import LogCase
from transit_relay.links.splice import SpliceLinkFactory
from transit_relay.tcp import TransitFactory
from transit_relay.websocket import TransitWebSocketFactory
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.lifecycle.systemd import Notifier
from wormhole_server.listening.factory import LimitingFactory
from wormhole_server.listening.limiter import ListenerKind
from wormhole_server.service.successor import Successor


class KeepingNotifier(Notifier):
    """Is systemd: keeps what it is given."""

    def __init__(self, kept: int | None = None, address: str | None = "@nowhere") -> None:
        super().__init__(address, lambda: 0.0, None, kept)
        self.given: list[int] = []
        self.answers = True
        self.forgotten = False

    def keep(self, descriptor: int) -> bool:
        """Keep a copy."""
        self.given.append(os.dup(descriptor))
        return self.answers

    def forget_kept(self) -> None:
        """Note it."""
        self.forgotten = True


class SharedPorts:
    """The ports of a server."""

    def share(self) -> list[tuple[Endpoint, socket.socket]]:
        """There is one."""
        return [(Endpoint("tcp:4001"), socket.create_server(("127.0.0.1", 0)))]


class HandoverCase(LogCase):
    """A relay that listens, and a successor of its process."""

    def setUp(self) -> None:
        """A reactor of its own."""
        super().setUp()
        self.reactor: Any = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        self.policy = make_policy(RefusalRecorder())
        self.notifier = KeepingNotifier()
        self.now = 0.0
        self.limits = LIMITS
        self.links = SpliceLinkFactory(1 << 20, FakeObserver())
        self.addCleanup(self.links.close)
        self.make_relay()
        self.port = self.listen(lambda: TransitFactory(self.relay))
        self.web_port = self.listen(lambda: self.websockets)

    def make_relay(self) -> None:
        """A relay, which from now on has all connections to the ports."""
        self.relay = make_relay(self.reactor, FakeObserver(), self.limits, make_link=self.links)
        self.websockets = TransitWebSocketFactory(self.relay, self.reactor)

    def listen(self, serving: Callable[[], Factory]) -> int:
        """A port, whose number is returned, for the factory that serves when somebody comes."""
        inner: Any = Factory()
        inner.buildProtocol = lambda address: serving().buildProtocol(address)
        port = self.reactor.listenTCP(0, self.limiting(inner), interface="127.0.0.1")
        number: int = port.getHost().port
        return number

    def limiting(self, inner: Factory) -> LimitingFactory:
        """What counts connections."""
        return LimitingFactory(
            make_scheduler(self.reactor), inner, ListenerKind.TRANSIT, self.policy
        )

    def successor(self, path: str | None = None) -> Successor:
        """The next process."""
        ports: Any = SharedPorts()
        return Successor(self.reactor, lambda: self.now, self.notifier, path, self.relay, ports)

    def hand_over(self) -> Successor:
        """Hand everything over to systemd, as a restart does."""
        successor = self.successor()
        successor.serve()
        successor.announce()
        successor.stop()
        self.assertTrue(successor.is_expected)
        successor.hand_over()
        return successor

    def kept(self) -> int:
        """What systemd was given."""
        (descriptor,) = self.notifier.given
        return descriptor

    def peer(self, side: int, token: bytes = TOKEN) -> socket.socket:
        """A client of the relay, which has sent its handshake."""
        peer = self.dial(self.port)
        peer.sendall(handshake(side, token))
        return peer

    def dial(self, port: int) -> socket.socket:
        """A client, which has sent nothing."""
        peer = socket.create_connection(("127.0.0.1", port))
        self.addCleanup(peer.close)
        peer.settimeout(0.0)
        return peer

    def until(self, so: Callable[[], bool]) -> None:
        """Run the reactor until something is so."""
        while not so():
            self.reactor.iterate(0.01)

    def expect(self, peer: socket.socket, data: bytes) -> None:
        """The next bytes of a client are these."""
        got = b""

        def has_all() -> bool:
            nonlocal got
            try:
                got += peer.recv(len(data) - len(got))
            except BlockingIOError:
                return False
            return len(got) == len(data)

        self.until(has_all)
        self.assertEqual(got, data)

    def has_ended(self, peer: socket.socket) -> bool:
        """Whether the relay sends a client no more."""
        try:
            return peer.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def reset(self, peer: socket.socket) -> None:
        """Break a connection."""
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
