"""Tests of the relay probe, with a relay in memory."""

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, FakeRelay
from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.checks.relay_probe import PAIR_SECONDS, RelayFigures, connect_through_relay
from wormhole_client.transit.hints import parse_helper
from wormhole_client.transit.race import NoConnectionError
from wormhole_client.transit.transit import TransitError

SIZE = 300_000


class RelayProbeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.network = Clock(), FakeNetwork()

    def probe(self) -> Deferred[RelayFigures]:
        target = ProbeTarget(self.clock, self.network, "ws://unused/v1")
        first, second = parse_helper("tcp:one:4001"), parse_helper("tcp:two:4001")
        return Deferred.fromCoroutine(connect_through_relay(target, first, second, SIZE))

    def test_figures(self) -> None:
        """Each client dials its address of the relay; the time to pair is measured apart from the speed."""
        running = self.probe()
        self.assertEqual(self.network.addresses(), [("one", 4001), ("two", 4001)])
        self.clock.advance(2)
        relay = FakeRelay(*self.network.dialed)
        self.clock.advance(0)
        relay.run()
        figures = self.successResultOf(running)
        self.assertEqual(figures.seconds_to_pair, 2)
        self.assertGreater(figures.bytes_per_second, SIZE)
        self.assertTrue(all(transport.disconnecting for transport in relay.transports))

    def test_refused(self) -> None:
        """A client that cannot reach the relay fails the probe, and the other gives up."""
        running = self.probe()
        self.network.dialed[1].result.errback(Refused())
        error = self.failureResultOf(running, TransitError)
        self.assertIn("tcp:two:4001", error.getErrorMessage())
        self.assertTrue(self.network.dialed[0].cancelled)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_joined(self) -> None:
        """Clients that the relay never joins give up."""
        running = self.probe()
        for attempt in self.network.dialed:
            attempt.succeed()
        self.clock.advance(PAIR_SECONDS)
        self.failureResultOf(running, NoConnectionError)
