"""What is told, and the observer that listens to nothing."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import FakeWire, handshake
from transit_relay.observer import Silent
from transit_relay.relay import Live, Relay


class SilentTests(SynchronousTestCase):
    """`Silent`."""

    def test_default(self) -> None:
        """A relay without an observer goes through all that it would tell one."""
        relay = Relay(Clock())
        self.assertIsInstance(relay.observer, Silent)
        first, second = relay.connected(FakeWire()), relay.connected(FakeWire())
        first.receive(handshake(0))
        second.receive(handshake(1))
        first.receive(b"x" * 300_000)
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            second.failed()
        second.lost()
        first.lost()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(relay.live, Live(0, 0, 0, 0))
