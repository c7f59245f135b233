"""
The relay on real sockets over loopback, on the reactor; its clients block in a thread.
"""

import contextlib
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final, cast

import attrs
from autobahn.twisted.resource import WebSocketResource
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.tcp import Port
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.end_to_end.relay_clients import CreditedPeer, TcpPeer, WebSocketPeer
from tests.transit_relay.fakes import LIMITS, FakeObserver, handshake, make_relay
from transit_relay.link import LinkFactory
from transit_relay.links.splice import SpliceLinkFactory
from transit_relay.relay import ConnectionCounts
from transit_relay.tcp import TransitFactory
from transit_relay.websocket import TransitWebSocketFactory

reactor: Final = cast("Any", global_reactor)
MIB: Final = 1 << 20

Steps = Generator[Deferred[Any], Any, None]


def memory() -> int:
    """The resident memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def open_sockets() -> int:
    """The number of sockets that this process has open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them is gone
            found += str(link.readlink()).startswith("socket:")
    return found


class SocketCase(TestCase):
    """A relay on TCP and, behind a web root, on WebSocket."""

    limits = attrs.evolve(LIMITS, drain_seconds=2.0, linger_seconds=0.5)
    timeout = 60

    def setUp(self) -> None:
        self.observer = FakeObserver()
        self.splice_links = SpliceLinkFactory(MIB, self.observer)
        self.relay = make_relay(reactor, self.observer, self.limits, self.make_link())
        root = Resource()
        websockets = TransitWebSocketFactory(self.relay, reactor)
        root.putChild(b"transit", WebSocketResource(websockets))
        self.ports: list[Port] = [
            reactor.listenTCP(0, TransitFactory(self.relay), interface="127.0.0.1"),
            reactor.listenTCP(0, Site(root), interface="127.0.0.1"),
        ]
        self.addCleanup(self.stop)
        self.tcp_port, self.web_port = (port.getHost().port for port in self.ports)

    def make_link(self) -> LinkFactory:
        """What moves the bytes of the pairs."""
        return self.splice_links

    @inlineCallbacks
    def stop(self) -> Steps:
        """Close the relay; fails if a test left a connection that cannot be closed."""
        for port in self.ports:
            yield port.stopListening()
        yield self.relay.close_all()
        self.splice_links.close()

    def tcp(self) -> TcpPeer:
        return TcpPeer(self.tcp_port)

    def credited(self) -> CreditedPeer:
        return CreditedPeer(self.web_port)

    def websocket(self) -> WebSocketPeer:
        return WebSocketPeer(self.web_port)

    @inlineCallbacks
    def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> Steps:
        """Wait for `condition`; fail if it is not met in time."""
        deadline = reactor.seconds() + seconds
        while not condition():
            if reactor.seconds() > deadline:
                self.fail(f"not within {seconds} s")
            yield deferLater(reactor, 0.01)

    def until_empty(self, seconds: float = 10.0) -> Deferred[None]:
        return self.until(lambda: self.relay.live == ConnectionCounts(0, 0, 0, 0), seconds)


def pair(first: TcpPeer, second: TcpPeer, token: bytes = b"7" * 64) -> None:
    """Pair two peers, and take their ok."""
    first.shake(handshake(0, token))
    second.shake(handshake(1, token))
    for peer in (first, second):
        if peer.receive(3) != b"ok\n":
            raise AssertionError("no ok")
