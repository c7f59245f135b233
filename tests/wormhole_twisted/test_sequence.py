"""Tests of `wormhole_twisted.sequence`."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from wormhole_twisted.sequence import SequentialService


class Child(Service):
    """A child that starts and stops when the test says so."""

    def __init__(self, name: str, did: list[str]) -> None:
        self.setName(name)
        self.start: Deferred[None] = Deferred()
        self.stop: Deferred[None] = Deferred()
        self._did = did

    def startService(self) -> Deferred[None]:
        super().startService()
        self._did.append(f"start {self.name}")
        return self.start

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self._did.append(f"stop {self.name}")
        return self.stop


class SequentialServiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Three children."""
        self.did: list[str] = []
        self.service = SequentialService()
        self.children = [Child(name, self.did) for name in "abc"]
        for child in self.children:
            child.setServiceParent(self.service)

    def start_all(self) -> None:
        """All children start at once."""
        for child in self.children:
            child.start.callback(None)
        self.service.startService()
        self.did.clear()

    def test_start(self) -> None:
        """A child starts when the one before it has started."""
        started = self.service.startService()
        self.assertIs(started, self.service.started)
        for number, name in enumerate("abc"):
            self.assertEqual(self.did[-1], f"start {name}")
            self.assertNoResult(started)
            self.children[number].start.callback(None)
        self.assertEqual(self.did, ["start a", "start b", "start c"])
        self.successResultOf(started)

    def test_stop(self) -> None:
        """A child stops when the one after it has stopped."""
        self.start_all()
        stopped = self.service.stopService()
        self.assertFalse(self.service.running)
        for number, name in ((2, "c"), (1, "b"), (0, "a")):
            self.assertEqual(self.did[-1], f"stop {name}")
            self.assertNoResult(stopped)
            self.children[number].stop.callback(None)
        self.assertEqual(self.did, ["stop c", "stop b", "stop a"])
        self.successResultOf(stopped)

    def test_start_fails(self) -> None:
        """No child starts after one that failed; those that began to start are stopped, that one first."""
        self.children[0].start.callback(None)
        started = self.service.startService()
        self.children[1].start.errback(ZeroDivisionError())
        self.failureResultOf(started, ZeroDivisionError)
        for child in self.children:
            child.stop.callback(None)
        self.successResultOf(self.service.stopService())
        self.assertEqual(self.did, ["start a", "start b", "stop b", "stop a"])

    def test_stopped_while_starting(self) -> None:
        """A stop cancels the start that is under way."""
        started = self.service.startService()
        stopped = self.service.stopService()
        self.failureResultOf(started, CancelledError)
        self.assertTrue(self.children[0].start.called)
        self.children[0].stop.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.did, ["start a", "stop a"])

    def test_stop_fails(self) -> None:
        """An exception while stopping is logged, and the other children are stopped."""
        self.start_all()
        self.children[2].stop.errback(ZeroDivisionError())
        for child in self.children[:2]:
            child.stop.callback(None)
        self.successResultOf(self.service.stopService())
        self.assertEqual(self.did, ["stop c", "stop b", "stop a"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stop_twice(self) -> None:
        """A second stop does nothing, and so does one before the start."""
        self.successResultOf(self.service.stopService())
        self.start_all()
        for child in self.children:
            child.stop.callback(None)
        self.successResultOf(self.service.stopService())
        self.did.clear()
        self.successResultOf(self.service.stopService())
        self.assertEqual(self.did, [])

    def test_nested(self) -> None:
        """A sequential service can be a child of another one."""
        outer = SequentialService()
        self.service.setServiceParent(outer)
        started = outer.startService()
        self.assertNoResult(started)
        for child in self.children:
            child.start.callback(None)
        self.successResultOf(started)
