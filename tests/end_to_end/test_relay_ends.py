"""Pairs that end at any moment and in any way, on real sockets: what arrives, and what is left open."""

import contextlib
import gc
import random
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.end_to_end.relay_clients import TcpPeer
from tests.end_to_end.relay_sockets import MIB, SocketCase, Steps, memory, pair, reactor
from tests.transit_relay.fakes import handshake
from transit_relay.link import LinkFactory
from transit_relay.links.producer import ProducerLink

PAIRS = 40
MANY = 10_000


def descriptors() -> Counter[str]:
    """The sockets and pipes that this process has open, each with the number of its descriptors."""
    found: Counter[str] = Counter()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them is gone
            target = str(link.readlink())
            if target.startswith(("socket:", "pipe:")):
                found[target] += 1
    return found


class EndsTests(SocketCase):
    """Closes and resets at random moments, with bytes on their way in both directions."""

    @inlineCallbacks
    def check_after(self, run: Callable[[], None]) -> Steps:
        """Run `run` in a thread; afterwards the relay has no connection, descriptor or timer left."""
        self.splice_links.open()  # the pipe comes with the first pair, and stays
        yield deferLater(reactor, 0)  # the reactor has its own by now
        before = descriptors()
        yield deferToThread(run)
        yield self.until_empty()
        yield self.until(lambda: not descriptors() - before)
        timers = [str(call) for call in reactor.getDelayedCalls()]
        self.assertEqual([timer for timer in timers if "transit_relay" in timer], [])
        self.assertEqual(self.observer.errors, 0)

    def one(self, number: int) -> None:
        """
        One pair. Each sends a part of what it has, and then one leaves.

        Whoever leaves in good order has read all that it was sent: otherwise its kernel makes a
        reset of it.
        """
        randomly = random.Random(number)
        makers = (self.tcp, self.websocket)
        leaver, stayer = (randomly.choice(makers)() for _ in range(2))
        pair(leaver, stayer, b"%064x" % number)
        there = randomly.randbytes(randomly.choice((0, 1, 5000, 400_000)))
        back = randomly.randbytes(randomly.choice((0, 1, 5000)))
        stayer.send(back)
        heard = b""
        if clean := randomly.random() < 0.6:
            heard = leaver.receive(len(back))
            self.assertEqual(heard, back)
        sent = 0
        leaver.socket.settimeout(0.02)
        wire = leaver.encode(there)
        with contextlib.suppress(TimeoutError):
            while sent < len(wire):
                sent += leaver.socket.send(wire[sent : sent + randomly.randrange(1, 100_000)])
        (leaver.close if clean else leaver.reset)()
        got = b""
        with contextlib.suppress(ConnectionResetError):
            got = stayer.receive_all()
        self.assertTrue(there.startswith(got))
        if clean and sent == len(wire):
            self.assertEqual(len(got), len(there))
        randomly.choice((stayer.close, stayer.reset))()

    @inlineCallbacks
    def test_random(self) -> Steps:
        """Everything that was sent before a clean end arrives; before a reset, no byte is out of place."""

        def run() -> None:
            for number in range(PAIRS):
                self.one(number)

        yield self.check_after(run)

    @inlineCallbacks
    def test_stalled(self) -> Steps:
        """Stalled pairs of any kinds, whichever peer leaves first."""

        def run() -> None:
            for number in range(12):
                makers = [(self.tcp, self.websocket)[number >> bit & 1] for bit in range(2)]
                sender, receiver = (make() for make in makers)
                pair(sender, receiver, b"%064x" % number)
                self.fill(sender)
                peers = [sender, receiver][:: 1 if number & 4 else -1]
                for peer in peers:
                    (peer.reset if number & 8 else peer.close)()

        yield self.check_after(run)

    def fill(self, sender: TcpPeer) -> None:
        """Send until the relay takes no more."""
        wire = sender.encode(bytes(MIB))
        sender.socket.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while True:
                sender.socket.sendall(wire)


class ProducerEndsTests(EndsTests):
    """The same with every byte through Twisted's transports."""

    def make_link(self) -> LinkFactory:
        return ProducerLink


class ManyTests(SocketCase):
    """Ten thousand pairs."""

    timeout = 600  # ends a test that hangs: eight seconds of processor time

    @inlineCallbacks
    def test_one_after_the_other(self) -> Steps:
        """Memory and descriptors are in the end as they were after the first thousand."""

        def run(numbers: range) -> None:
            for number in numbers:
                token = b"%064x" % number
                ends = [socket.create_connection(("127.0.0.1", self.tcp_port)) for _ in range(2)]
                for side, end in enumerate(ends):
                    # Leave no connection in TIME_WAIT: there are not ports enough.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    end.sendall(handshake(side, token))
                if b"".join(end.recv(3, socket.MSG_WAITALL) for end in ends) != b"ok\nok\n":
                    raise AssertionError("no ok")
                ends[0].sendall(b"x")
                ends[1].recv(1)
                ends[number & 1].close()
                ends[1 - number & 1].close()

        yield deferToThread(run, range(MANY // 10))
        yield self.until_empty()
        self.observer.records.clear()
        self.observer.states.clear()
        gc.collect()
        before = memory(), descriptors()
        for start in range(MANY // 10, MANY, MANY // 10):
            yield deferToThread(run, range(start, start + MANY // 10))
            yield self.until_empty()
            self.assertEqual(len(self.observer.records), 2 * MANY // 10)
            self.observer.records.clear()
            self.observer.states.clear()
            self.observer.byte_counts.clear()
        gc.collect()
        self.assertLess(memory() - before[0], MIB)
        self.assertEqual(descriptors() - before[1], Counter())
        self.assertEqual(self.observer.errors, 0)
