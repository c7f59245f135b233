"""Tests of `wormhole_server.shutdown`, on a clock of their own."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.admission import Entrance
from wormhole_server.readiness import Readiness
from wormhole_server.shutdown import GOODBYE_SECONDS, Plan, Shutdown


@attrs.define
class Live:
    """So many ends of pairs."""

    paired: int


class FakeRelay:
    """A relay whose pairs end when the test says so."""

    def __init__(self, did: list[str]) -> None:
        self.live = Live(0)
        self._did = did
        self._waiting: list[Deferred[None]] = []

    def ended(self) -> None:
        """The last connection is gone."""
        self.live = Live(0)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

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
        if not self.live.paired:
            self.ended()
        return done


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
        """A server with pairs and clients that take their time."""
        self.clock = Clock()
        self.did: list[str] = []
        self.said: list[str] = []
        self.relay = FakeRelay(self.did)
        self.clients = FakeClients(self.did)
        self.readiness = Readiness()

    def stop(self, delay: float = 0, timeout: float = 30, spread: float = 5) -> Deferred[None]:
        """Begin to stop."""
        self.shutdown = self.make(Plan(delay, timeout, spread))
        return Deferred.fromCoroutine(self.shutdown.run())

    def make(self, plan: Plan) -> Shutdown:
        """A way out that nobody has taken yet."""

        def close(entrance: Entrance) -> Deferred[None]:
            self.did.append(f"port: {entrance.value}")
            return succeed(None)

        return Shutdown(
            self.clock,
            plan,
            self.readiness,
            self.relay,
            self.clients,
            close,
            self.said.append,
        )

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
        """Without pairs and clients it is done at once, in silence, the relay's port first."""
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
            ],
        )
        self.assertEqual(self.said, [])
        self.assertTrue(self.readiness.stopping)

    def test_pairs_finish(self) -> None:
        """While pairs finish rendezvous goes on; the web root closes when the last has."""
        self.relay.live = Live(4)
        done = self.stop()
        self.assertTrue(self.readiness.stopping)
        self.assertEqual(self.take(), ["port: transit", "relay: drain"])
        self.clock.advance(29)
        self.assertEqual(self.take(), [])
        self.relay.ended()
        self.assertEqual(self.take()[0], "port: rendezvous")
        self.assert_over(done)
        self.assertEqual(self.said, ["Stopping: pairs that may finish, within 30 s: 2."])

    def test_pairs_are_cut(self) -> None:
        """Pairs that take longer are closed at the deadline, and waited for a little."""
        self.relay.live = Live(2)
        done = self.stop()
        self.clock.advance(30)
        self.assertIn("relay: close", self.take())
        self.clock.advance(GOODBYE_SECONDS - 0.1)
        self.assertNoResult(done)
        self.clock.advance(0.1)
        self.assert_over(done)
        self.assertIn("cut: 1", self.said[-1])

    def test_clients(self) -> None:
        """Many clients are told over the whole spread, few sooner."""
        for count, spread in ((10_000, 5), (100, 1), (1, 0.01)):
            self.clients.count = count
            done = self.stop()
            self.assertIn(f"clients: go within {spread:g}", self.take())
            self.assertNoResult(done)
            self.clients.ended()
            self.assert_over(done)

    def test_clients_that_stay(self) -> None:
        """Who does not say goodbye is not waited for, neither for long nor before the last was told."""
        self.clients.count = 1000
        done = self.stop()
        self.clock.advance(5 + GOODBYE_SECONDS - 0.1)
        self.assertNoResult(done)
        self.clock.advance(0.1)
        self.assert_over(done)

    def test_delay(self) -> None:
        """For the delay, only readiness changes."""
        done = self.stop(delay=10)
        self.assertTrue(self.readiness.stopping)
        self.clock.advance(9.9)
        self.assertEqual(self.take(), [])
        self.clock.advance(0.1)
        self.assert_over(done)
        self.assertIn("port: rendezvous", self.take())

    def test_hurry_at_any_moment(self) -> None:
        """In a hurry nobody is waited for, wherever it has got to; all ports are closed."""
        for seconds in (1, 11, 41):
            with self.subTest(seconds=seconds):
                self.hurry_after(seconds)

    def hurry_after(self, seconds: float) -> None:
        """A stop of somebody who becomes impatient."""
        self.did.clear()
        self.readiness = Readiness()
        self.relay.live = Live(2)
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
        self.assertEqual(self.said.count("Leaving at once."), 1)
        self.said.clear()

    def test_hurry_without_answer(self) -> None:
        """Not even what has been dropped is waited for without an end."""
        self.clients.count = 1
        done = self.stop()
        self.shutdown.hurry()
        self.clock.advance(1)
        self.assert_over(done)

    def test_hurry_too_early(self) -> None:
        """A server that serves has nothing to hurry with."""
        shutdown = self.make(Plan(0, 30, 5))
        shutdown.hurry()
        self.clients.count = 1
        done = Deferred.fromCoroutine(shutdown.run())
        self.assertNoResult(done)
        self.clients.ended()
        self.assert_over(done)

    def test_longest(self) -> None:
        """The plan says how long it takes at most."""
        self.assertEqual(Plan(1, 30, 5).longest_seconds, 46)
