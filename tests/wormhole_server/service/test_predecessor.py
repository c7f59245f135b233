"""Tests of `wormhole_server.service.predecessor`, with what a relay of this process hands over."""

from __future__ import annotations

import os
import socket

from twisted.internet.protocol import Factory

from tests.transit_relay.fakes import FakeObserver, make_relay
from tests.wormhole_server.service.handovers import HandoverCase, KeepingNotifier
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.lifecycle.handover import bundle
from wormhole_server.lifecycle.handover.state import HandedState, encode
from wormhole_server.service.predecessor import Predecessor


class PredecessorTests(HandoverCase):
    def take_over(self, kept: int | None) -> Predecessor:
        """A process that systemd gives what it has kept."""
        self.notifier = KeepingNotifier(kept)
        predecessor = Predecessor(
            self.reactor, lambda: 0.0, self.notifier, None, {Endpoint("tcp:4001")}
        )
        self.successResultOf(predecessor.startService())
        return predecessor

    def test_resumed(self) -> None:
        """The relay's connections go on, and systemd forgets them."""
        one, other, waiting = self.peer(0), self.peer(1), self.peer(0, b"1" * 64)
        self.expect(one, b"ok\n")
        self.expect(other, b"ok\n")
        self.until(lambda: self.relay.live.waiting == 1)
        self.hand_over()
        self.assertEqual(self.policy.limiter.total, 0)
        packed = self.kept()

        self.relay = make_relay(self.reactor, FakeObserver())
        self.take_over(packed).resume(self.relay, self.limiting(Factory()))
        self.assertEqual(self.policy.limiter.total, 3)
        self.assertEqual((self.relay.live.paired, self.relay.live.waiting), (2, 1))
        one.sendall(b"still here")
        self.expect(other, b"still here")
        buddy = self.peer(1, b"1" * 64)
        for each in (waiting, buddy):
            self.expect(each, b"ok\n")
        self.assertTrue(self.notifier.forgotten)
        self.assertIn("Taken over: 3 connections of the relay.", " ".join(self.logged()))

    def test_peer_gone(self) -> None:
        """One whose peer has gone on the way is lost; its buddy is told."""
        one, other = self.peer(0), self.peer(1)
        self.expect(one, b"ok\n")
        self.expect(other, b"ok\n")
        self.hand_over()
        self.reset(one)
        self.relay = make_relay(self.reactor, FakeObserver())
        self.take_over(self.kept()).resume(self.relay, self.limiting(Factory()))
        self.until(lambda: self.has_ended(other))

    def test_other_copies(self) -> None:
        """A process that fails before it serves leaves everything to the next one."""
        one, other = self.peer(0), self.peer(1)
        self.expect(one, b"ok\n")
        self.expect(other, b"ok\n")
        self.hand_over()
        packed = self.kept()
        self.take_over(os.dup(packed))
        self.relay = make_relay(self.reactor, FakeObserver())
        self.take_over(packed).resume(self.relay, self.limiting(Factory()))
        one.sendall(b"still here")
        self.expect(other, b"still here")

    def test_ports(self) -> None:
        """A port is there for its endpoint, once; one that has none is closed at once."""
        ours, strange = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        number = strange.getsockname()[1]
        state = HandedState(0.0, ("tcp:4001", "tcp:4002"))
        packed = bundle.pack(encode(state), [ours, strange])
        bundle.close_all([ours, strange])
        predecessor = self.take_over(packed)
        with socket.socket() as closed:
            self.assertNotEqual(closed.connect_ex(("127.0.0.1", number)), 0)
        port = predecessor.port(Endpoint("tcp:4001"))
        assert port is not None
        port.close()
        self.assertIsNone(predecessor.port(Endpoint("tcp:4001")))

    def test_nothing(self) -> None:
        """A first start has nothing to go on with."""
        predecessor = self.take_over(None)
        predecessor.resume(self.relay, self.limiting(Factory()))
        self.assertIsNone(predecessor.port(Endpoint("tcp:4001")))
        self.assertFalse(self.notifier.forgotten)
        self.assertEqual(self.logged(), [])

    def test_unusable(self) -> None:
        """What cannot be read is closed, with a line that says why, and the server starts."""
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        newer = b'{"version": 7}'
        too_few = encode(HandedState(0.0, ("tcp:4001", "tcp:4002")))
        for description, why in ((newer, "version 7"), (too_few, "2 sockets, and 1 came")):
            predecessor = self.take_over(bundle.pack(description, [other]))
            predecessor.resume(self.relay, self.limiting(Factory()))
            self.assertTrue(self.notifier.forgotten)
            (line,) = self.logged()
            self.assertIn(why, line)
        other.close()
        self.assertEqual(one.recv(1), b"")
        no_socket, writing = os.pipe()
        os.close(writing)
        self.take_over(no_socket)
        os.close(no_socket)
        (line,) = self.logged()
        self.assertIn("cannot be used", line)
