"""Tests of the observers of a wormhole."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.errors import LonelyError, WormholeMood
from wormhole_client.eventual import EventualQueue
from wormhole_client.observers import WormholeObservers


class ObserverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.observers = WormholeObservers(EventualQueue(self.clock))

    def result(self, waiting: Deferred[Any]) -> Any:
        self.clock.advance(0)
        return self.successResultOf(waiting)

    def test_each_event(self) -> None:
        """Each event of the delegate fires its own observer, in a later turn."""
        observers = self.observers
        for call, observer, value in (
            (observers.wormhole_got_welcome, observers.welcome, {"motd": "hi"}),
            (observers.wormhole_got_code, observers.code, "4-a-b"),
            (observers.wormhole_got_unverified_key, observers.key, b"key"),
            (observers.wormhole_got_verifier, observers.verifier, b"verifier"),
            (observers.wormhole_got_versions, observers.versions, {"a": 1}),
        ):
            with self.subTest(value=value):
                notify: Any = call
                waiting: Deferred[Any] = observer.when_fired()
                notify(value)
                self.assertNoResult(waiting)
                self.assertEqual(self.result(waiting), value)

    def test_messages(self) -> None:
        """Messages are given one by one; each that is given is counted."""
        counted: list[None] = []
        self.observers.taken = lambda: counted.append(None)
        self.observers.wormhole_got_message(b"a")
        self.observers.wormhole_got_message(b"b")
        self.clock.advance(0)
        self.assertEqual(counted, [])
        self.assertEqual(self.result(self.observers.messages.when_next()), b"a")
        self.assertEqual(len(counted), 1)
        self.assertEqual(self.result(self.observers.messages.when_next()), b"b")
        self.assertEqual(len(counted), 2)

    def test_failed(self) -> None:
        """An error fails what has not happened; what has happened stays, and the end is still to come."""
        self.observers.wormhole_got_code("4-a-b")
        self.observers.wormhole_failed(LonelyError("alone"))
        self.assertEqual(self.result(self.observers.code.when_fired()), "4-a-b")
        for waiting in (
            self.observers.welcome.when_fired(),
            self.observers.key.when_fired(),
            self.observers.verifier.when_fired(),
            self.observers.versions.when_fired(),
            self.observers.messages.when_next(),
        ):
            self.clock.advance(0)
            untyped: Any = waiting
            self.failureResultOf(untyped, LonelyError)
        closed = self.observers.closed.when_fired()
        self.clock.advance(0)
        self.assertNoResult(closed)

    def test_closed(self) -> None:
        """The end has a mood; without one the wormhole was left, or given up."""
        for mood, expected in ((WormholeMood.HAPPY,) * 2, (None, WormholeMood.ERRORY)):
            with self.subTest(mood=mood):
                self.setUp()
                self.observers.wormhole_closed(mood)
                self.assertIs(self.result(self.observers.closed.when_fired()), expected)
                self.assertIsNone(self.result(self.observers.left.when_fired()))
