"""The relay on real sockets over loopback, on the reactor; its clients block in a thread."""

import contextlib
import os
import random
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final, cast

from autobahn.twisted.resource import WebSocketResource
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.tcp import Port
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.transit_relay.fakes import FakeTransport, Notes, handshake
from tests.transit_relay.frames import PING, frame, header
from tests.transit_relay.peers import (
    TcpPeer,
    WebSocketPeer,
    exchange,
    send_until_stopped,
)
from transit_relay import descriptor, sockets
from transit_relay.limits import Limits
from transit_relay.links.link import LinkMaker
from transit_relay.links.producer import ProducerLink
from transit_relay.links.splice import Splicing
from transit_relay.observer import Fallback, Mood
from transit_relay.relay import Live, Relay
from transit_relay.tcp import TransitFactory, TransitProtocol
from transit_relay.websocket import TransitWebSocketFactory

reactor: Final = cast("Any", global_reactor)
MIB: Final = 1 << 20

Steps = Generator[Deferred[Any], Any, None]


def memory() -> int:
    """Bytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def open_sockets() -> int:
    """How many sockets this process has."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them is gone
            found += str(link.readlink()).startswith("socket:")
    return found


class SocketCase(TestCase):
    """A relay on TCP and, behind a web root, on WebSocket."""

    limits = Limits(drain_seconds=2.0, linger_seconds=0.5)
    timeout = 60

    def setUp(self) -> None:
        self.notes = Notes()
        self.splicing = Splicing(reactor, MIB, self.notes)
        self.relay = Relay(reactor, self.limits, self.notes, self.make_link())
        root = Resource()
        root.putChild(b"transit", WebSocketResource(TransitWebSocketFactory(self.relay, reactor)))
        self.ports: list[Port] = [
            reactor.listenTCP(0, TransitFactory(self.relay), interface="127.0.0.1"),
            reactor.listenTCP(0, Site(root), interface="127.0.0.1"),
        ]
        self.addCleanup(self.stop)
        self.tcp_port, self.web_port = (port.getHost().port for port in self.ports)

    def make_link(self) -> LinkMaker:
        """What joins the pairs."""
        return self.splicing

    @inlineCallbacks
    def stop(self) -> Steps:
        """No test leaves a connection behind: none can be left now."""
        for port in self.ports:
            yield port.stopListening()
        yield self.relay.close_all()
        self.splicing.close()

    def tcp(self) -> TcpPeer:
        return TcpPeer(self.tcp_port)

    def websocket(self) -> WebSocketPeer:
        return WebSocketPeer(self.web_port)

    @inlineCallbacks
    def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> Steps:
        """Wait for `condition`; fail if it does not come."""
        deadline = reactor.seconds() + seconds
        while not condition():
            if reactor.seconds() > deadline:
                self.fail(f"did not come within {seconds} s")
            yield deferLater(reactor, 0.01)

    def until_empty(self, seconds: float = 10.0) -> Deferred[None]:
        return self.until(lambda: self.relay.live == Live(0, 0, 0, 0), seconds)


def pair(first: TcpPeer, second: TcpPeer, token: bytes = b"7" * 64) -> None:
    """Pair two peers, and take their ok."""
    first.shake(handshake(0, token))
    second.shake(handshake(1, token))
    for peer in (first, second):
        if peer.receive(3) != b"ok\n":
            raise AssertionError("no ok")


class StreamTests(SocketCase):
    """Random data both ways at once, with random pauses, for every combination of ends."""

    fallbacks: tuple[Fallback, ...] = ()

    @inlineCallbacks
    def check(self, make_one: Callable[[], TcpPeer], make_other: Callable[[], TcpPeer]) -> Steps:
        messages, answers = random.randbytes(5 * MIB), random.randbytes(3 * MIB)

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
        self.assertEqual(sum(self.notes.byte_counts), len(messages) + len(answers))
        self.assertEqual(set(self.notes.moods), {Mood.HAPPY, Mood.JILTED})
        self.assertEqual(set(self.notes.fallbacks) - set(self.fallbacks), set())

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
        self.assertEqual(sum(self.notes.byte_counts), total)


class ProducerStreamTests(StreamTests):
    """The same with every byte through Twisted's transports."""

    def make_link(self) -> LinkMaker:
        return ProducerLink


class NoPipeStreamTests(StreamTests):
    """The same where no pipe of use is to be had."""

    fallbacks = (Fallback.NO_PIPE,)

    def make_link(self) -> LinkMaker:
        self.splicing = Splicing(reactor, 4096, self.notes)
        return self.splicing


class OldKernelStreamTests(StreamTests):
    """The same where the kernel does not say how much a socket takes: much comes back."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(descriptor, "_SIOCOUTQNSD", 0)


class NoNativeMaskStreamTests(StreamTests):
    """The same where Autobahn came without native code, so that it reads all frames."""

    def setUp(self) -> None:
        super().setUp()
        self.splicing._shared.unmask = None


class RefusedStreamTests(StreamTests):
    """The same where the kernel ceases to splice in the middle."""

    fallbacks = (Fallback.REFUSED,)

    def setUp(self) -> None:
        super().setUp()
        self.patch(self.notes, "relayed", self.relayed)

    def relayed(self, byte_count: int) -> None:
        self.notes.byte_counts.append(byte_count)
        self.splicing.close()

    @inlineCallbacks
    def test_counted(self) -> Steps:
        """Each way is counted once."""
        yield self.check(self.tcp, self.tcp)
        self.assertEqual(self.notes.fallbacks, [Fallback.REFUSED] * 2)


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
        """The sender is stopped; when it vanishes, the receiver still gets all, then both go."""
        return self.check(self.tcp, self.tcp)

    def test_websocket_tcp(self) -> Deferred[None]:
        """The same with a sender on WebSocket."""
        return self.check(self.websocket, self.tcp)

    def test_tcp_websocket(self) -> Deferred[None]:
        """The same with a receiver on WebSocket."""
        return self.check(self.tcp, self.websocket)

    @inlineCallbacks
    def test_pings(self) -> Steps:
        """One that pings and does not read is heard all the same, and costs no memory."""

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
        """Not a byte of what the vanished sender had sent is missing."""

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
        """When a stalled receiver is gone, the sender is closed too, though nobody reads it."""

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
        """When the sender is reset, and then the stalled receiver too, nothing is left."""

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
        """When a sender is reset and its receiver takes nothing, both are soon gone."""

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
        """Bytes that the stayer has sent into the void do not cost it what was meant for it."""

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
        """A peer that neither reads nor closes is gone soon after its time."""

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
        self.assertEqual(len(self.notes.records), 120)
        self.assertEqual(self.notes.errors, 0)


class OptionTests(SocketCase):
    """The sockets beneath."""

    @inlineCallbacks
    def test_options(self) -> Steps:
        """Small pieces go at once, and the kernel looks for dead peers, on TCP and WebSocket."""
        peers = yield deferToThread(lambda: [self.tcp(), self.websocket()])
        yield self.until(lambda: self.relay.live.handshake == 2)
        for connection in list(self.relay._connections):
            transport = cast("TransitProtocol", connection.wire).transport
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
        """The kernel knows for how long a peer has been silent."""
        peer = yield deferToThread(self.tcp)
        yield self.until(lambda: self.relay.live.handshake == 1)
        (connection,) = self.relay._connections
        yield self.until(lambda: (connection.wire.silence() or 0.0) >= 0.2)
        yield deferToThread(peer.shake, handshake(0)[:10])
        yield self.until(lambda: (connection.wire.silence() or 0.0) < 0.2)
        peer.close()
        yield self.until_empty()

    def test_no_socket(self) -> None:
        """Of a transport that is no TCP socket, nothing is asked and nothing known."""
        transport = FakeTransport(reactor)
        sockets.tune(transport, self.limits)
        self.assertIsNone(sockets.silence(transport))
