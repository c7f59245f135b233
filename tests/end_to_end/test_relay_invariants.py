"""
No pair without a live socket, and nothing read for a peer that is gone: on real sockets, whatever the moment.

The relay's time limits are so long that no test can pass by one of them.
"""

import contextlib
import random
import socket
from collections.abc import Callable
from typing import Final

import attrs
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThread

from tests.end_to_end.relay_clients import TcpPeer, send_until_stopped
from tests.end_to_end.relay_sockets import MIB, SocketCase, Steps, pair
from tests.transit_relay.fakes import LIMITS
from transit_relay.link import LinkFactory
from transit_relay.links.producer import ProducerLink

_HOURS: Final = 10_000.0
_PAIRS: Final = 40
_SEED: Final = 20260

Make = Callable[[], TcpPeer]


class EndlessCase(SocketCase):
    """A relay that waits for hours, where it waits at all."""

    limits = attrs.evolve(
        LIMITS,
        drain_seconds=_HOURS,
        linger_seconds=_HOURS,
        idle_seconds=_HOURS,
        ping_seconds=_HOURS,
    )

    def stop(self) -> Deferred[None]:
        """Close the relay, also where a test has failed and left connections."""
        self.relay.abort_all()
        return super().stop()


class LiveSocketTests(EndlessCase):
    """When the sockets of both peers are closed, the pair is over, whatever was under way."""

    @inlineCallbacks
    def test_both_reset_with_bytes_under_way(self) -> Steps:
        """Each peer sends 100,000 bytes that nobody reads; then both reset."""

        def run() -> None:
            for number in range(_PAIRS):
                peers = [self.tcp(), self.tcp()]
                pair(peers[0], peers[1], b"%064x" % number)
                for peer in peers:
                    peer.send(bytes(100_000))
                for peer in peers:
                    peer.reset()

        yield deferToThread(run)
        yield self.until_empty()
        self.assertEqual(self.observer.errors, 0)

    @inlineCallbacks
    def test_any_end_at_any_moment(self) -> Steps:
        """Random bytes, pauses, half-closes, closes and resets, for peers of any kinds."""

        def run() -> None:
            for number in range(_PAIRS):
                randomly = random.Random(_SEED + number)
                makers = (self.tcp, self.websocket)
                peers = [randomly.choice(makers)() for _ in range(2)]
                pair(peers[0], peers[1], b"%064x" % number)
                for _ in range(randomly.randrange(8)):
                    _act(randomly, randomly.choice(peers))
                randomly.shuffle(peers)
                for peer in peers:
                    randomly.choice((peer.close, peer.reset))()

        yield deferToThread(run)
        yield self.until_empty()
        self.assertEqual(self.observer.errors, 0)


class ProducerLiveSocketTests(LiveSocketTests):
    """The same with every byte through Twisted's transports."""

    def make_link(self) -> LinkFactory:
        return ProducerLink


class GoneReceiverTests(EndlessCase):
    """A sender whose receiver is gone is disconnected at once, and little of what it sends is read."""

    @inlineCallbacks
    def check(self, make_sender: Make, make_receiver: Make, end: str) -> Steps:
        """Let the receiver leave in mid-stream, and the sender send until its connection is closed."""

        def run() -> None:
            sender, receiver = make_sender(), make_receiver()
            pair(sender, receiver)
            sender.send(bytes(200_000))
            receiver.receive(100_000)
            getattr(receiver, end)()
            wire = sender.encode(bytes(MIB))
            with contextlib.suppress(ConnectionError):
                for _ in range(64):
                    sender.socket.sendall(wire)
                self.fail("the relay goes on reading")
            sender.close()

        yield deferToThread(run)
        yield self.until_empty()

    def test_reset(self) -> Deferred[None]:
        """A receiver that resets."""
        return self.check(self.tcp, self.tcp, "reset")

    def test_close(self) -> Deferred[None]:
        """A receiver that closes, with bytes that it has not read."""
        return self.check(self.tcp, self.tcp, "close")

    def test_websocket_receiver(self) -> Deferred[None]:
        """A receiver on WebSocket."""
        return self.check(self.tcp, self.websocket, "reset")

    def test_websocket_sender(self) -> Deferred[None]:
        """A sender on WebSocket."""
        return self.check(self.websocket, self.tcp, "reset")

    @inlineCallbacks
    def test_does_not_read_either(self) -> Steps:
        """A sender that takes nothing of what is left for it is not read without end."""

        def run() -> tuple[TcpPeer, TcpPeer]:
            sender, receiver = self.tcp(), self.tcp()
            pair(sender, receiver)
            send_until_stopped(receiver, bytes(MIB), most=256 * MIB)
            receiver.reset()
            send_until_stopped(sender, bytes(MIB), most=64 * MIB)
            return sender, receiver

        sender, _ = yield deferToThread(run)
        sender.reset()
        yield self.until_empty()


class ProducerGoneReceiverTests(GoneReceiverTests):
    """The same with every byte through Twisted's transports."""

    def make_link(self) -> LinkFactory:
        return ProducerLink


def _act(randomly: random.Random, peer: TcpPeer) -> None:
    """Let a peer do one thing, which may be impossible by now."""
    peer.socket.settimeout(0.01)
    with contextlib.suppress(OSError):
        match randomly.randrange(8):
            case 0:
                peer.socket.shutdown(socket.SHUT_WR)
            case 1 | 2:
                peer.socket.recv(randomly.choice((1, 5000, 200_000)))
            case 3:
                peer.send(randomly.randbytes(3_000_000))
            case _:
                peer.send(randomly.randbytes(randomly.choice((1, 5000, 100_000))))
