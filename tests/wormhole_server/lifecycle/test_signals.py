"""Tests of `wormhole_server.lifecycle.signals`, with real signals of this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from wormhole_server.lifecycle.signals import SignalHandler, handle_stop_signals

# Signals that neither Twisted nor the test runner uses.
_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


@implementer(IReactorFromThreads)
class FakeReactor:
    """A reactor that runs only what a test lets it run."""

    def __init__(self) -> None:
        self.when_running: list[Callable[[], object]] = []
        self.calls: list[Callable[[], object]] = []

    def callWhenRunning(self, function: Callable[..., object], *args: Any) -> None:  # noqa: N802
        """Keep the call."""
        self.when_running.append(lambda: function(*args))

    def callFromThread(self, callable: Any, *args: Any, **kwargs: Any) -> None:  # noqa: A002
        """Keep the call."""
        self.calls.append(callable)

    def turn(self) -> None:
        """Make the calls."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class SignalHandlerTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Keep the handler of the test run."""
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        self.reactor = FakeReactor()
        self.called: list[str] = []
        self.handler = SignalHandler(self.reactor, "SIGHUP", lambda: self.called.append("ours"))

    def hang_up(self) -> None:
        """A signal, and a turn of the reactor."""
        os.kill(os.getpid(), signal.SIGHUP)
        self.reactor.turn()

    def test_called_by_the_reactor(self) -> None:
        """Each signal leads to a call, in the reactor and not in the handler."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.handler.startService()
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(self.called, [])
        self.hang_up()
        self.assertEqual(self.called, ["ours", "ours"])

    def test_handler_before(self) -> None:
        """The handler that was there before is called first."""
        signal.signal(signal.SIGHUP, lambda *_: self.called.append("theirs"))
        self.handler.startService()
        self.hang_up()
        self.assertEqual(self.called, ["theirs", "ours"])

    def test_restored(self) -> None:
        """Afterwards the handler is the one that was there before."""
        signal.signal(signal.SIGHUP, lambda *_: self.called.append("theirs"))
        self.handler.startService()
        self.handler.stopService()
        self.hang_up()
        self.assertEqual(self.called, ["theirs"])

    def test_default_restored(self) -> None:
        """Where there was no handler, the default action is restored."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.handler.startService()
        self.handler.stopService()
        self.assertEqual(signal.getsignal(signal.SIGHUP), signal.SIG_DFL)

    def test_replaced_meanwhile(self) -> None:
        """A handler that was installed over ours is left alone."""
        self.handler.startService()
        signal.signal(signal.SIGHUP, lambda *_: self.called.append("later"))
        self.handler.stopService()
        self.hang_up()
        self.assertEqual(self.called, ["later"])


class FakeService:
    """A service that runs until it is stopped."""

    def __init__(self) -> None:
        self.running = 1
        self.hurried = 0

    def hurry(self) -> None:
        self.hurried += 1


class StopSignalTests(SynchronousTestCase):
    def setUp(self) -> None:
        """The handlers that a reactor would have installed."""
        self.stops: list[int] = []
        for each in _SIGNALS:
            self.addCleanup(signal.signal, each, signal.signal(each, self.stop))
        self.service = FakeService()
        self.reactor = FakeReactor()
        handle_stop_signals(self.reactor, self.service, _SIGNALS)  # type: ignore[arg-type]

    def stop(self, number: int, frame: FrameType | None) -> None:
        """What the reactor does at a signal."""
        self.stops.append(number)

    def run_reactor(self) -> None:
        """The reactor has started."""
        for function in self.reactor.when_running:
            function()

    def send(self, number: signal.Signals) -> None:
        """A signal, and a turn of the reactor."""
        os.kill(os.getpid(), number)
        self.reactor.turn()

    def test_first_and_second(self) -> None:
        """The first signal stops the reactor in its own way; each further one, of any kind, hurries."""
        self.run_reactor()
        self.send(signal.SIGUSR1)
        self.assertEqual((self.stops, self.service.hurried), ([signal.SIGUSR1], 0))
        self.send(signal.SIGUSR2)
        self.send(signal.SIGUSR1)
        self.assertEqual((self.stops, self.service.hurried), ([signal.SIGUSR1], 2))

    def test_stopped_for_another_reason(self) -> None:
        """A reactor that is stopping already is not stopped again."""
        self.run_reactor()
        self.service.running = 0
        self.send(signal.SIGUSR1)
        self.assertEqual((self.stops, self.service.hurried), ([], 1))

    def test_before_it_runs(self) -> None:
        """Until the reactor has installed its own handlers, none is replaced."""
        self.send(signal.SIGUSR1)
        self.send(signal.SIGUSR1)
        self.assertEqual((self.stops, self.service.hurried), ([signal.SIGUSR1] * 2, 0))

    def test_ignored(self) -> None:
        """An ignored signal stays ignored."""
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        self.run_reactor()
        self.send(signal.SIGUSR2)
        self.assertEqual((self.stops, self.service.hurried), ([], 0))
