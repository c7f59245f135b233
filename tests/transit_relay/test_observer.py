"""Tests of the relay's observer."""

from typing import NoReturn

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import FakeObserver, FakeRelayTransport, handshake, make_relay
from transit_relay.observer import RelayObserver, notify
from transit_relay.relay import ConnectionCounts


class RelayObserverTests(SynchronousTestCase):
    """`RelayObserver`."""

    def test_ignores_everything(self) -> None:
        """An observer that overrides nothing accepts every report."""
        relay = make_relay(Clock(), RelayObserver())
        first = relay.add_connection(FakeRelayTransport())
        second = relay.add_connection(FakeRelayTransport())
        first.receive(handshake(0))
        second.receive(handshake(1))
        first.receive(b"x" * 300_000)
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            second.handle_exception()
        second.transport_lost()
        first.transport_lost()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(relay.live, ConnectionCounts(0, 0, 0, 0))


class NotifyTests(SynchronousTestCase):
    """`notify`."""

    def test_report(self) -> None:
        """The observer gets the report."""
        observer = FakeObserver()
        notify(observer, observer.relayed, 5)
        self.assertEqual((observer.byte_counts, observer.errors), ([5], 0))

    def test_exception(self) -> None:
        """What the observer raises is logged and counted, and goes no further."""
        observer = FakeObserver()
        self.patch(observer, "relayed", self.explode)
        notify(observer, observer.relayed, 5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(observer.errors, 1)

    def test_counting_fails(self) -> None:
        """An observer that cannot even count its exception is contained as well."""
        observer = FakeObserver()
        self.patch(observer, "internal_error", self.explode)
        notify(observer, observer.internal_error)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def explode(self, *_: object) -> NoReturn:
        raise ZeroDivisionError
