"""
Streams through the relay on real sockets: what arrives, what is held, and how connections are closed.
"""

import random
import socket
from collections.abc import Callable
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThread

from tests.end_to_end.relay_clients import TcpPeer, exchange, send_until_stopped
from tests.end_to_end.relay_sockets import (
    MIB,
    SocketCase,
    Steps,
    memory,
    open_sockets,
    pair,
)
from tests.transit_relay.fakes import handshake
from tests.transit_relay.frames import PING, frame, header
from transit_relay import descriptor
from transit_relay.link import LinkFactory
from transit_relay.links.producer import ProducerLink
from transit_relay.links.splice import SpliceLinkFactory
from transit_relay.observer import Fallback, RelayMood
from transit_relay.tcp import TransitProtocol
from wormhole_limits.bounds import Bound
from wormhole_websocket import frames
from wormhole_websocket.masking import mask_by_integers


class StreamTests(SocketCase):
    """Random data both ways at once, with random pauses, for every combination of kinds."""

    fallbacks: tuple[Fallback, ...] = ()
    sizes = (5 * MIB, 3 * MIB)

    @inlineCallbacks
    def check(self, make_one: Callable[[], TcpPeer], make_other: Callable[[], TcpPeer]) -> Steps:
        messages, answers = map(random.randbytes, self.sizes)

        def run() -> tuple[bytes, bytes]:
            one, other = make_one(), make_other()
            pair(one, other)
            try:
                return exchange(one, messages, other, answers)
            finally:
                one.close()
                other.close()

        got_answers, got_messages = yield deferToThread(run)
        self.assertTrue(got_answers == answers and got_messages == messages)
        yield self.until_empty()
        self.assertEqual(sum(self.observer.byte_counts), len(messages) + len(answers))
        self.assertEqual(set(self.observer.moods), {RelayMood.HAPPY, RelayMood.JILTED})
        self.assertEqual(set(self.observer.fallbacks) - set(self.fallbacks), set())

    def test_tcp_tcp(self) -> Deferred[None]:
        """From TCP to TCP."""
        return self.check(self.tcp, self.tcp)

    def test_websocket_tcp(self) -> Deferred[None]:
        """From WebSocket to TCP."""
        return self.check(self.websocket, self.tcp)

    def test_websocket_websocket(self) -> Deferred[None]:
        """From WebSocket to WebSocket."""
        return self.check(self.websocket, self.websocket)

    @inlineCallbacks
    def test_one_large_message(self) -> Steps:
        """A WebSocket message of 128 MiB in one frame passes, and memory does not grow with it."""
        total = 128 * MIB
        sender, receiver = yield deferToThread(lambda: (self.websocket(), self.tcp()))
        yield deferToThread(pair, sender, receiver)
        before = memory()

        def send() -> None:
            sender.socket.sendall(header(total))
            piece = bytes(MIB)
            for _ in range(total // MIB):
                sender.socket.sendall(piece)

        def receive() -> int:
            room, got, highest = bytearray(MIB), 0, before
            while got < total:
                got += receiver.socket.recv_into(room)
                highest = max(highest, memory())
            return highest

        sending = deferToThread(send)
        highest = yield deferToThread(receive)
        yield sending
        self.assertLess(highest - before, 16 * MIB)
        sender.close()
        receiver.close()
        yield self.until_empty()
        self.assertEqual(sum(self.observer.byte_counts), total)


class RateStreamTests(StreamTests):
    """The same at a limited rate, which all of it meets."""

    limits = attrs.evolve(SocketCase.limits, pair_rate=MIB)
    sizes = (2 * MIB, MIB)

    @inlineCallbacks
    def check(self, make_one: Callable[[], TcpPeer], make_other: Callable[[], TcpPeer]) -> Steps:
        reports: list[Bound] = []
        self.patch(self.relay.bounds, "bound_met", lambda bound, _: reports.append(bound))
        yield super().check(make_one, make_other)
        self.assertEqual(set(reports), {Bound.RELAY_RATE})

    def test_one_large_message(self) -> None:  # type: ignore[override]
        """Not at this rate."""


class RateProducerStreamTests(RateStreamTests):
    """The same with every byte through Twisted's transports."""

    def make_link(self) -> LinkFactory:
        return ProducerLink


class ProducerStreamTests(StreamTests):
    """The same with every byte through Twisted's transports."""

    def make_link(self) -> LinkFactory:
        return ProducerLink


class NoPipeStreamTests(StreamTests):
    """The same without a usable pipe."""

    fallbacks = (Fallback.NO_PIPE,)

    def make_link(self) -> LinkFactory:
        self.splice_links = SpliceLinkFactory(4096, self.observer)
        return self.splice_links


class OldKernelStreamTests(StreamTests):
    """The same where the kernel does not say how much a socket takes, so that much is returned."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(descriptor, "_SIOCOUTQNSD", 0)


class NoNativeMaskStreamTests(StreamTests):
    """The same without Autobahn\'s native code for masks."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(frames, "mask_in", mask_by_integers)


class RefusedStreamTests(StreamTests):
    """The same where the kernel stops splicing in the middle."""

    fallbacks = (Fallback.REFUSED,)

    def setUp(self) -> None:
        super().setUp()
        self.patch(self.observer, "relayed", self.relayed)

    def relayed(self, byte_count: int) -> None:
        self.observer.byte_counts.append(byte_count)
        self.splice_links.close()

    @inlineCallbacks
    def test_counted(self) -> Steps:
        """Each direction is reported once."""
        yield self.check(self.tcp, self.tcp)
        self.assertEqual(self.observer.fallbacks, [Fallback.REFUSED] * 2)


class FlowTests(SocketCase):
    """A receiver that does not read."""

    @inlineCallbacks
    def check(
        self, make_sender: Callable[[], TcpPeer], make_receiver: Callable[[], TcpPeer]
    ) -> Steps:
        def run() -> tuple[int, int]:
            sender, receiver = make_sender(), make_receiver()
            pair(sender, receiver)
            before = memory()
            sent = send_until_stopped(sender, bytes(MIB), most=256 * MIB)
            grown = memory() - before
            sender.close()
            got = len(receiver.receive_all())
            receiver.close()
            self.assertLessEqual(got, sent)
            return grown, sent - got

        grown, missing = yield deferToThread(run)
        self.assertLess(grown, 16 * MIB)
        # What is not a frame's payload, over WebSocket.
        self.assertLess(missing, MIB)
        yield self.until_empty()

    def test_tcp_tcp(self) -> Deferred[None]:
        """The sender is stopped; when it leaves, the receiver still gets everything, then both are closed."""
        return self.check(self.tcp, self.tcp)

    def test_websocket_tcp(self) -> Deferred[None]:
        """The same with a sender on WebSocket."""
        return self.check(self.websocket, self.tcp)

    def test_tcp_websocket(self) -> Deferred[None]:
        """The same with a receiver on WebSocket."""
        return self.check(self.tcp, self.websocket)

    @inlineCallbacks
    def test_pings(self) -> Steps:
        """A peer that pings and does not read is still relayed, and costs no memory."""

        def run() -> int:
            pinging, other = self.websocket(), self.tcp()
            pair(pinging, other)
            before = memory()
            pings = frame(b"x" * 125, PING) * 10_000
            for _ in range(20):
                pinging.socket.sendall(pings)
            pinging.send(b"at last")
            self.assertEqual(other.receive(7), b"at last")
            grown = memory() - before
            pinging.reset()
            other.reset()
            return grown

        self.assertLess((yield deferToThread(run)), 12 * MIB)
        yield self.until_empty()

    @inlineCallbacks
    def test_exactly_all(self) -> Steps:
        """Every byte of a sender that has left arrives."""

        def run() -> tuple[int, int]:
            sender, receiver = self.tcp(), self.tcp()
            pair(sender, receiver)
            sent = send_until_stopped(sender, bytes(MIB), most=256 * MIB)
            sender.close()
            got = len(receiver.receive_all())
            receiver.close()
            return sent, got

        sent, got = yield deferToThread(run)
        self.assertEqual(sent, got)

    @inlineCallbacks
    def test_receiver_vanishes(self) -> Steps:
        """When a stalled receiver is gone, the sender is closed as well, though it is not being read."""

        def run() -> TcpPeer:
            sender, receiver = self.tcp(), self.tcp()
            pair(sender, receiver)
            send_until_stopped(sender, bytes(MIB), most=256 * MIB)
            receiver.reset()
            return sender

        sender = yield deferToThread(run)
        yield self.until_empty()
        sender.close()

    @inlineCallbacks
    def test_both_vanish(self) -> Steps:
        """When the sender resets, and then the stalled receiver, both connections are closed."""

        def run() -> None:
            sender, receiver = self.tcp(), self.tcp()
            pair(sender, receiver)
            send_until_stopped(sender, bytes(MIB), most=256 * MIB)
            sender.reset()
            receiver.reset()

        yield deferToThread(run)
        yield self.until_empty()

    @inlineCallbacks
    def test_sender_vanishes(self) -> Steps:
        """When a sender resets and its receiver takes nothing, both connections are soon closed."""

        def run() -> TcpPeer:
            sender, receiver = self.tcp(), self.tcp()
            pair(sender, receiver)
            send_until_stopped(sender, bytes(MIB), most=256 * MIB)
            sender.reset()
            return receiver

        receiver = yield deferToThread(run)
        yield self.until_empty(3 * self.limits.drain_seconds)
        receiver.close()


class ClosingTests(SocketCase):
    """How the kernel sees a connection closed."""

    @inlineCallbacks
    def test_unread_bytes(self) -> Steps:
        """A peer whose buddy left gets everything that was meant for it, even if it still sends."""

        def run() -> bytes:
            leaver, stayer = self.tcp(), self.tcp()
            pair(leaver, stayer)
            leaver.send(b"last words")
            leaver.close()
            stayer.send(bytes(MIB))
            heard = stayer.receive_all()
            stayer.close()
            return heard

        self.assertEqual((yield deferToThread(run)), b"last words")
        yield self.until_empty()

    @inlineCallbacks
    def test_refused(self) -> Steps:
        """A peer that sends far more than a handshake still reads why it is refused."""

        def run() -> bytes:
            peer = self.tcp()
            peer.send(b"GET / HTTP/1.1\r\n" + bytes(8 * MIB))
            heard = peer.receive_all()
            peer.close()
            return heard

        self.assertEqual((yield deferToThread(run)), b"bad handshake\n")
        yield self.until_empty()

    @inlineCallbacks
    def test_stays(self) -> Steps:
        """A peer that neither reads nor closes is disconnected when its time is over."""

        def run() -> TcpPeer:
            peer = self.tcp()
            peer.send(b"x")
            return peer

        peer = yield deferToThread(run)
        yield self.until_empty(5.0)
        peer.close()

    @inlineCallbacks
    def test_random_ends(self) -> Steps:
        """Pairs that close or reset at any moment leave no connection and no socket."""
        before = open_sockets()

        def run() -> None:
            for number in range(60):
                peers = [random.choice((self.tcp, self.websocket))() for _ in range(2)]
                token = b"%064x" % number
                moment = random.randrange(4)
                for side, peer in enumerate(peers[: moment or 2]):
                    whole = handshake(side, token)
                    peer.shake(whole if moment else whole[:50])
                if moment >= 2:
                    for peer in peers:
                        peer.receive(3)
                if moment == 3:
                    peers[0].send(bytes(random.randrange(1, 300_000)))
                random.shuffle(peers)
                for peer in peers:
                    random.choice((peer.close, peer.reset))()

        yield deferToThread(run)
        yield self.until_empty()
        yield self.until(lambda: open_sockets() <= before)
        self.assertEqual(len(self.observer.records), 120)
        self.assertEqual(self.observer.errors, 0)


class OptionTests(SocketCase):
    """The sockets below the transports."""

    @inlineCallbacks
    def test_options(self) -> Steps:
        """Small pieces go at once, and the kernel probes for dead peers, on TCP and WebSocket."""
        peers = yield deferToThread(lambda: [self.tcp(), self.websocket()])
        yield self.until(lambda: self.relay.live.handshake == 2)
        for connection in list(self.relay._connections):
            transport = cast("TransitProtocol", connection.transport).transport
            handle = cast("Any", transport).getHandle()
            for level, option, value in (
                (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 120),
                (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30),
                (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5),
            ):
                self.assertEqual(handle.getsockopt(level, option), value)
        for peer in peers:
            peer.close()
        yield self.until_empty()

    @inlineCallbacks
    def test_silence(self) -> Steps:
        """The kernel says for how long a peer has been silent."""
        peer = yield deferToThread(self.tcp)
        yield self.until(lambda: self.relay.live.handshake == 1)
        (connection,) = self.relay._connections
        yield self.until(lambda: (connection.transport.silent_seconds() or 0.0) >= 0.2)
        yield deferToThread(peer.shake, handshake(0)[:10])
        yield self.until(lambda: (connection.transport.silent_seconds() or 0.0) < 0.2)
        peer.close()
        yield self.until_empty()
