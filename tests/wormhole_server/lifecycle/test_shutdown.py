"""Tests of `wormhole_server.lifecycle.shutdown`."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.lifecycle.shutdown import FLUSH_SECONDS, Shutdown, ShutdownTimes


class FakeRelay:
    """A relay whose pairs end when the test says so."""

    def __init__(self, did: list[str]) -> None:
        self.ending_pairs = 0
        self._did = did
        self._waiting: list[Deferred[None]] = []

    def ended(self) -> None:
        """The last connection is gone."""
        self.ending_pairs = 0
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def begin_handover(self) -> None:
        self._did.append("relay: begin the handover")

    def end_handover(self) -> None:
        """What was not handed over ends here."""

    def drain(self) -> Deferred[None]:
        return self._when_ended("drain")

    def close_all(self) -> Deferred[None]:
        return self._when_ended("close")

    def abort_all(self) -> Deferred[None]:
        return self._when_ended("abort")

    def _when_ended(self, what: str) -> Deferred[None]:
        self._did.append(f"relay: {what}")
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        if not self.ending_pairs:
            self.ended()
        return done


class FakeSuccessor:
    """The next process."""

    def __init__(self, did: list[str]) -> None:
        self.is_expected = False
        self._did = did

    def hand_over(self) -> None:
        self._did.append("hand over")


class FakeClients:
    """Clients that leave when the test says so."""

    def __init__(self, did: list[str]) -> None:
        self.count = 0
        self._did = did
        self._waiting: list[Deferred[None]] = []

    def ended(self) -> None:
        """The last one is gone."""
        self.count = 0
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def go_away(self, spread_seconds: float) -> None:
        self._did.append(f"clients: go within {spread_seconds:g}")

    def abort_all(self) -> None:
        self._did.append("clients: abort")

    def when_empty(self) -> Deferred[None]:
        empty: Deferred[None] = Deferred()
        self._waiting.append(empty)
        if not self.count:
            self.ended()
        return empty


class ShutdownTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A server with pairs and clients that end when the test says so."""
        self.clock = Clock()
        self.did: list[str] = []
        self.said: list[str] = []
        self.relay = FakeRelay(self.did)
        self.clients = FakeClients(self.did)
        self.successor = FakeSuccessor(self.did)

    def stop(self, delay: float = 0, timeout: float = 30, spread: float = 5) -> Deferred[None]:
        """Begin to stop."""
        self.shutdown = self.make(ShutdownTimes(delay, timeout, spread))
        return self.shutdown.stopService()

    def make(self, times: ShutdownTimes) -> Shutdown:
        """A shutdown that has been started."""

        def close(port: str) -> Deferred[None]:
            self.did.append(f"port: {port}")
            return succeed(None)

        shutdown = Shutdown(
            self.clock,
            times,
            self.relay,
            self.clients,
            self.successor,
            close_relay_port=partial(close, "transit"),
            close_web_port=partial(close, "rendezvous"),
            report=self.said.append,
        )
        shutdown.startService()
        return shutdown

    def take(self) -> list[str]:
        """What has been done since the last look."""
        did = self.did[:]
        self.did.clear()
        return did

    def assert_over(self, done: Deferred[None]) -> None:
        """All is done, and no timer is left."""
        self.successResultOf(done)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody(self) -> None:
        """Without pairs and clients it is done at once, without a report, the relay's port first."""
        done = self.stop()
        self.assert_over(done)
        self.assertEqual(
            self.take(),
            [
                "port: transit",
                "relay: drain",
                "port: rendezvous",
                "clients: go within 0",
                "relay: close",
                "clients: abort",
                "relay: abort",
            ],
        )
        self.assertEqual(self.said, [])

    def test_handed_over(self) -> None:
        """With a successor no load balancer is waited for, and the relay's port stays open for long."""
        self.successor.is_expected = True
        done = self.stop(delay=10)
        self.assertEqual(
            self.take(),
            [
                "relay: begin the handover",
                "relay: drain",
                "port: rendezvous",
                "clients: go within 0",
                "relay: close",
                "clients: abort",
                "port: transit",
            ],
        )
        self.clock.advance(0.1)
        self.assertEqual(self.take(), ["hand over", "relay: abort"])
        self.assert_over(done)

    def test_handover_fails(self) -> None:
        """An unexpected exception of the handover is logged, and what is left of the relay ends here."""
        self.successor.is_expected = True
        self.patch(self.successor, "hand_over", lambda: 1 / 0)
        done = self.stop()
        self.take()
        self.clock.advance(0.1)
        self.assertEqual(self.take(), ["relay: abort"])
        self.assert_over(done)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_successor_gone(self) -> None:
        """Pairs may finish where the successor has gone, whenever that is before the handover."""
        self.successor.is_expected = True
        self.relay.ending_pairs = 1
        done = self.stop(delay=10)
        self.assertEqual(self.take(), ["relay: begin the handover", "relay: drain"])
        self.successor.is_expected = False
        self.clock.advance(30)
        self.assertEqual(self.take(), ["port: transit", "relay: drain"])
        self.relay.ended()
        self.assertNotIn("hand over", self.take())
        self.assert_over(done)

    def test_pairs_finish(self) -> None:
        """While pairs finish, rendezvous serves; its port is closed after the last pair."""
        self.relay.ending_pairs = 2
        done = self.stop()
        self.assertEqual(self.take(), ["port: transit", "relay: drain"])
        self.clock.advance(29)
        self.assertEqual(self.take(), [])
        self.relay.ended()
        self.assertEqual(self.take()[0], "port: rendezvous")
        self.assert_over(done)
        self.assertEqual(self.said, ["Stopping: waiting up to 30 s for pairs to finish: 2."])

    def test_pairs_are_cut(self) -> None:
        """Pairs that take longer are closed at the deadline, and have some seconds to end."""
        self.relay.ending_pairs = 1
        done = self.stop()
        self.clock.advance(30)
        self.assertIn("relay: close", self.take())
        self.clock.advance(FLUSH_SECONDS - 0.1)
        self.assertEqual(self.take(), [])
        self.clock.advance(0.1)
        # The record of a pair is written before the database is closed.
        self.assertEqual(self.take(), ["clients: abort", "relay: abort"])
        self.assertNoResult(done)
        self.relay.ended()
        self.assert_over(done)
        self.assertEqual(self.said[-1], "Stopping: closing pairs that did not finish in time: 1.")

    def test_clients(self) -> None:
        """Many clients are told over the whole spread, few within less."""
        for count, spread in ((10_000, 5), (100, 1), (1, 0.01)):
            self.clients.count = count
            done = self.stop()
            self.assertIn(f"clients: go within {spread:g}", self.take())
            self.assertEqual(
                self.said[-1],
                f"Stopping: telling clients to reconnect, over {spread:g} s: {count}.",
            )
            self.assertNoResult(done)
            self.clients.ended()
            self.assert_over(done)

    def test_clients_that_stay(self) -> None:
        """Clients that do not leave are waited for until the spread and the flush are over, and no longer."""
        self.clients.count = 1000
        done = self.stop()
        self.clock.advance(5 + FLUSH_SECONDS - 0.1)
        self.assertNoResult(done)
        self.clock.advance(0.1)
        self.assertEqual(self.did[-2:], ["clients: abort", "relay: abort"])
        self.clients.ended()
        self.assert_over(done)

    def test_delay(self) -> None:
        """For the delay nothing is closed."""
        done = self.stop(delay=10)
        self.assertEqual(self.said, ["Stopping in 10 s."])
        self.clock.advance(9.9)
        self.assertEqual(self.take(), [])
        self.clock.advance(0.1)
        self.assert_over(done)
        self.assertIn("port: rendezvous", self.take())

    def test_hurry_at_any_moment(self) -> None:
        """A hurry at any step waits for no client; all ports are closed."""
        for seconds in (1, 11, 41):
            with self.subTest(seconds=seconds):
                self.hurry_after(seconds)

    def hurry_after(self, seconds: float) -> None:
        """A stop that is hurried after some seconds."""
        self.did.clear()
        self.relay.ending_pairs = 1
        self.clients.count = 1000
        done = self.stop(delay=10)
        for _ in range(round(seconds)):
            self.clock.advance(1)
        self.shutdown.hurry()
        self.shutdown.hurry()
        self.assertEqual(self.did[-2:], ["clients: abort", "relay: abort"])
        self.assertEqual(self.did.count("port: transit"), 1)
        self.assertEqual(self.did.count("port: rendezvous"), 1)
        self.assertNoResult(done)
        self.relay.ended()
        self.clients.ended()
        self.assert_over(done)
        self.assertEqual(self.said.count("Stopping now: all connections are dropped."), 1)
        self.said.clear()

    def test_hurry_without_answer(self) -> None:
        """After a hurry even dropped connections are waited for only for a second."""
        self.clients.count = 1
        done = self.stop()
        self.shutdown.hurry()
        self.clock.advance(1)
        self.assert_over(done)

    def test_hurry_too_early(self) -> None:
        """A hurry before the stop changes nothing."""
        shutdown = self.make(ShutdownTimes(0, 30, 5))
        shutdown.hurry()
        self.assertEqual(self.said, [])
        self.clients.count = 1
        done = shutdown.stopService()
        self.assertNoResult(done)
        self.clients.ended()
        self.assert_over(done)

    def test_longest(self) -> None:
        """The longest time is the sum of all steps."""
        self.assertEqual(ShutdownTimes(1, 30, 5).total_seconds, 46)
