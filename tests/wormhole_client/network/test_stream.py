"""Tests of the stream transport, over a network in memory."""

from typing import Any

import autobahn.websocket.protocol
from autobahn.nvx._xormasker import create_xor_masker
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, upgrade
from wormhole_client.network.stream import StreamTransport, open_stream


class Carried(Protocol):
    """Records what happens to it."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.end: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end = reason


class StreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        network = FakeNetwork()
        self.carried = Carried()
        opened = open_stream(Clock(), network, "ws://relay/transit", self.carried)
        [self.attempt] = network.dialed
        self.assertIsNone(self.carried.transport)
        self.below = upgrade(self.attempt)
        self.transport: StreamTransport = self.successResultOf(opened)
        self.assertIs(self.carried.transport, self.transport)

    def test_write(self) -> None:
        """What the protocol writes is a binary message for each call."""
        self.transport.write(b"a")
        self.transport.writeSequence([b"b", b"c"])
        sent = self.below.value()
        self.assertEqual((sent[:2], sent[7:9]), (b"\x82\x81", b"\x82\x82"))

    def test_masks(self) -> None:
        """Files are masked by Autobahn's native code, also where it was left out at the start."""
        module: Any = autobahn.websocket.protocol
        self.patch(module, "create_xor_masker", None)
        open_stream(Clock(), FakeNetwork(), "ws://relay/transit", Carried())
        self.assertIs(module.create_xor_masker, create_xor_masker)
        self.transport.write(b"abcdefgh")
        frame = self.below.value()
        self.assertEqual(frame[:2], b"\x82\x88")
        mask = frame[2:6] * 2
        self.assertEqual(bytes(a ^ b for a, b in zip(frame[6:], mask, strict=True)), b"abcdefgh")

    def test_received(self) -> None:
        """Messages are the protocol's bytes."""
        self.attempt.protocol.dataReceived(b"\x82\x03abc\x82\x01d")
        self.assertEqual(self.carried.received, [b"abc", b"d"])

    def test_lost(self) -> None:
        """The protocol is told how the connection ended."""
        self.attempt.protocol.connectionLost(Failure(ConnectionLost()))
        assert self.carried.end is not None
        self.assertIsInstance(self.carried.end.value, ConnectionLost)

    def test_close(self) -> None:
        """Losing the connection begins the closing handshake; nothing is written behind it."""
        for name in ("loseConnection", "stopProducing"):
            self.setUp()
            with self.subTest(name=name):
                getattr(self.transport, name)()
                sent = self.below.value()
                self.assertEqual(sent[0] & 0x0F, 8)
                self.assertTrue(self.transport.disconnecting)
                self.transport.write(b"late")
                self.assertEqual(self.below.value(), sent)

    def test_abort(self) -> None:
        """Aborting drops the connection at once; nothing is written behind it."""
        self.transport.abortConnection()
        self.assertTrue(self.below.aborted)
        self.transport.write(b"late")
        self.assertEqual(self.below.value(), b"")

    def test_flow_control(self) -> None:
        """Pausing and producers are those of the TCP connection."""
        self.transport.pauseProducing()
        self.assertEqual(self.below.producerState, "paused")
        self.transport.resumeProducing()
        self.assertEqual(self.below.producerState, "producing")
        producer: Any = object()
        self.transport.registerProducer(producer, False)
        self.assertEqual((self.below.producer, self.below.streaming), (producer, False))
        self.transport.unregisterProducer()
        self.assertIsNone(self.below.producer)

    def test_addresses(self) -> None:
        """The addresses are those of the TCP connection."""
        self.assertEqual(self.transport.getPeer(), self.below.getPeer())
        self.assertEqual(self.transport.getHost(), self.below.getHost())
