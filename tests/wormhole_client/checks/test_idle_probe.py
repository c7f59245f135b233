"""Tests of the probe that keeps a connection still."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, FakeRelay, FakeTransport, text_frame, upgrade
from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.checks.idle_probe import IdleCutError, keep_pair_still, keep_still
from wormhole_client.transit.hints import parse_helper


class IdleProbeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.network = Clock(), FakeNetwork()

    def probe(self) -> tuple[Deferred[None], FakeTransport]:
        target = ProbeTarget(self.clock, self.network, "ws://x/v1")
        running = Deferred.fromCoroutine(keep_still(target, 20.0))
        transport = upgrade(self.network.dialed[-1], b'{"type":"welcome","welcome":{}}')
        return running, transport

    def receive(self, text: bytes) -> None:
        self.network.dialed[-1].protocol.dataReceived(text_frame(text))

    def lose(self) -> None:
        self.network.dialed[-1].protocol.connectionLost(Failure(ConnectionLost()))

    def test_kept(self) -> None:
        """Nothing is sent until the time is over; the answer to a ping then ends the probe."""
        running, transport = self.probe()
        self.clock.advance(19)
        self.assertEqual(transport.value(), b"")
        self.clock.advance(1)
        self.assertNotEqual(transport.value(), b"")
        self.assertNoResult(running)
        self.receive(b'{"type":"ack"}')
        self.assertNoResult(running)
        self.receive(b'{"type":"pong","pong":1}')
        self.successResultOf(running)
        self.assertTrue(transport.aborted)

    def test_cut(self) -> None:
        """A connection that ends before its time fails with the seconds that it lived."""
        running, _ = self.probe()
        self.clock.advance(12)
        self.lose()
        error = self.failureResultOf(running, IdleCutError)
        self.assertIn("after 12 s of silence", error.getErrorMessage())

    def test_cut_when_used(self) -> None:
        """So does one that the ping finds dead, as behind a NAT that has forgotten it."""
        running, _ = self.probe()
        self.clock.advance(20)
        self.lose()
        self.failureResultOf(running, IdleCutError)

    def test_cancelled(self) -> None:
        """A cancellation is none of these, and drops the connection."""
        running, transport = self.probe()
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertTrue(transport.aborted)
        self.lose()


class IdlePairProbeTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A pair that a relay has joined."""
        self.clock, network = Clock(), FakeNetwork()
        target = ProbeTarget(self.clock, network, "ws://x/v1")
        relay = parse_helper("tcp:relay:4001")
        self.running = Deferred.fromCoroutine(keep_pair_still(target, relay, 20.0))
        self.relay = FakeRelay(*network.dialed)
        self.relay.run()

    def lose(self) -> None:
        """The receiver's connection ends."""
        self.relay.attempts[1].protocol.connectionLost(Failure(ConnectionLost()))

    def test_kept(self) -> None:
        """Nothing is sent until the time is over; a record that arrives then ends the probe."""
        self.clock.advance(19)
        self.assertFalse(self.relay.run_once())
        self.clock.advance(1)
        self.assertNoResult(self.running)
        self.assertTrue(self.relay.run_once())
        self.successResultOf(self.running)
        self.assertTrue(all(transport.disconnecting for transport in self.relay.transports))

    def test_cut(self) -> None:
        """A pair that ends before its time fails with the seconds that it lived."""
        self.clock.advance(12)
        self.lose()
        error = self.failureResultOf(self.running, IdleCutError)
        self.assertIn("after 12 s of silence", error.getErrorMessage())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cut_when_used(self) -> None:
        """So does one that the record finds dead."""
        self.clock.advance(20)
        self.lose()
        error = self.failureResultOf(self.running, IdleCutError)
        self.assertIn("used again", error.getErrorMessage())

    def test_cancelled(self) -> None:
        """A cancellation is none of these, and drops the connections."""
        self.running.cancel()
        self.failureResultOf(self.running, CancelledError)
        self.assertTrue(all(transport.disconnecting for transport in self.relay.transports))
        self.lose()
