"""Clients that grant the relay what they take, on real sockets, whatever their buddy is and the link."""

import contextlib
import random
from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import blockingCallFromThread, deferToThread

from tests.end_to_end.relay_clients import CreditedPeer, TcpPeer, send_until_stopped
from tests.end_to_end.relay_sockets import MIB, SocketCase, Steps, memory, pair, reactor
from transit_relay.link import LinkFactory
from transit_relay.links.producer import ProducerLink
from transit_relay.observer import LinkKind


class CreditTests(SocketCase):
    """With the splice link, from a TCP client."""

    kind = LinkKind.SPLICE

    def sender(self) -> TcpPeer:
        """The buddy of a client with credit."""
        return self.tcp()

    @inlineCallbacks
    def run_steps(self, steps: Callable[[TcpPeer, CreditedPeer], None]) -> Steps:
        """Take the steps in a thread, with a pair; afterwards nothing is left."""

        def run() -> None:
            sender, receiver = self.sender(), self.credited()
            try:
                pair(sender, receiver)
                steps(sender, receiver)
            finally:
                sender.close()
                receiver.close()

        yield deferToThread(run)
        yield self.until_empty()
        self.assertEqual((self.observer.links[0], self.observer.errors), (self.kind, 0))

    def check_exactly(self, receiver: CreditedPeer, grants: Iterable[int], data: bytes) -> None:
        """Each grant brings so many bytes of `data`, and none more."""
        at = 0
        for byte_count in grants:
            receiver.grant(byte_count)
            self.assertEqual(receiver.receive(byte_count), data[at : at + byte_count])
            at += byte_count
            receiver.sync()
            self.assertEqual(receiver.inbox, b"")

    def is_watched(self) -> bool:
        """Whether the reactor looks for what the sender sends, or for room for more."""
        transports = [one.transport for one in self.relay._connections]
        stopped = {one.transport for one in transports if one.paused}
        watched = {*reactor.getReaders(), *reactor.getWriters()}
        return len(stopped) != 1 or not stopped.isdisjoint(watched)

    def test_nothing_granted(self) -> Deferred[None]:
        """
        Without a grant a client gets nothing.

        Its buddy is stopped, memory does not grow, the reactor does not look at the buddy's socket, and
        another pair is served.
        """

        def steps(sender: TcpPeer, receiver: CreditedPeer) -> None:
            before = memory()
            send_until_stopped(sender, bytes(MIB), most=256 * MIB)
            self.assertLess(memory() - before, 8 * MIB)
            receiver.sync()
            self.assertEqual(receiver.inbox, b"")
            self.assertFalse(blockingCallFromThread(reactor, self.is_watched))
            others = self.tcp(), self.websocket()
            pair(*others, b"8" * 64)
            others[0].send(b"served")
            self.assertEqual(others[1].receive(6), b"served")
            receiver.send(b"and back")
            self.assertEqual(sender.receive(8), b"and back")
            for other in others:
                other.close()

        return self.run_steps(steps)

    def test_as_granted(self) -> Deferred[None]:
        """Each grant, of whatever size, brings so many bytes and none more; none is lost or repeated."""

        def send(sender: TcpPeer, data: bytes) -> None:
            with contextlib.suppress(OSError):
                sender.send(data)

        def steps(sender: TcpPeer, receiver: CreditedPeer) -> None:
            data = random.randbytes(300_000)
            grants = [1, 1, 7, 125, 126, 127, 4096, 65535, 65536, 100_000]
            # Not all of it is granted: the end of the test may close what is still sending.
            reactor.callInThread(send, sender, data)
            self.check_exactly(receiver, grants, data)

        return self.run_steps(steps)

    def test_large(self) -> Deferred[None]:
        """Granted piece by piece, many MiB arrive."""

        def steps(sender: TcpPeer, receiver: CreditedPeer) -> None:
            data = random.randbytes(8 * MIB)
            reactor.callInThread(sender.send, data)
            piece = MIB // 8
            receiver.grant(4 * piece)
            for at in range(0, len(data), piece):
                self.assertTrue(receiver.receive(piece) == data[at : at + piece])
                receiver.grant(piece)

        return self.run_steps(steps)

    def test_close(self) -> Deferred[None]:
        """A client without credit can leave; the buddy that is not read is closed as well."""

        def steps(sender: TcpPeer, receiver: CreditedPeer) -> None:
            send_until_stopped(sender, bytes(MIB), most=256 * MIB)
            receiver.reset()

        return self.run_steps(steps)

    def test_buddy_leaves(self) -> Deferred[None]:
        """What a buddy sent before it left is delivered as it is granted, and then the client is closed."""

        def steps(sender: TcpPeer, receiver: CreditedPeer) -> None:
            data = random.randbytes(30_000)
            sender.send(data)
            sender.close()
            self.check_exactly(receiver, [1, 9999], data)
            receiver.grant(20_000)
            self.assertEqual(receiver.receive_all(), data[10_000:])

        return self.run_steps(steps)

    def test_buddy_leaves_and_nothing_is_granted(self) -> Deferred[None]:
        """Who grants nothing of that for the time to drain is disconnected."""

        def steps(sender: TcpPeer, receiver: CreditedPeer) -> None:
            sender.send(b"never taken")
            sender.close()
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(receiver.receive_all(), b"")

        return self.run_steps(steps)


class FramedCreditTests(CreditTests):
    """From a WebSocket client."""

    def sender(self) -> TcpPeer:
        return self.websocket()


class ProducerCreditTests(CreditTests):
    """With the producer link."""

    kind = LinkKind.PRODUCER

    def make_link(self) -> LinkFactory:
        return ProducerLink


class FramedProducerCreditTests(FramedCreditTests):
    """From a WebSocket client, with the producer link."""

    kind = LinkKind.PRODUCER

    def make_link(self) -> LinkFactory:
        return ProducerLink
