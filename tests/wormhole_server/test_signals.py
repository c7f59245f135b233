"""Tests of `wormhole_server.signals`, with signals that nobody else uses."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.signals import take_over

_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


class FakeReactor:
    """As much of a reactor as starts, and does what a signal handler asks for."""

    def __init__(self) -> None:
        self.when_running: list[Callable[[], object]] = []

    def callWhenRunning(self, function: Callable[..., object], *args: Any) -> None:  # noqa: N802
        """Remember it."""
        self.when_running.append(lambda: function(*args))

    def callFromThread(self, function: Callable[[], object]) -> None:
        """At once."""
        function()


class FakeService:
    """What is to leave."""

    def __init__(self) -> None:
        self.stopping = False
        self.hurried = 0

    def hurry(self) -> None:
        self.hurried += 1


class SignalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """The handlers that a reactor would have set."""
        self.stops: list[int] = []
        for each in _SIGNALS:
            self.addCleanup(signal.signal, each, signal.signal(each, self.stop))
        self.service = FakeService()
        self.reactor = FakeReactor()
        take_over(self.reactor, self.service, _SIGNALS)  # type: ignore[arg-type]

    def stop(self, number: int, frame: FrameType | None) -> None:
        """What the reactor does with a signal."""
        self.stops.append(number)

    def run_reactor(self) -> None:
        """The reactor has started."""
        for function in self.reactor.when_running:
            function()

    def test_first_and_second(self) -> None:
        """The first stops the reactor in its own way; all others, whichever they are, mean a hurry."""
        self.run_reactor()
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual((self.stops, self.service.hurried), ([signal.SIGUSR1], 0))
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual((self.stops, self.service.hurried), ([signal.SIGUSR1], 2))

    def test_stopped_for_another_reason(self) -> None:
        """A reactor that is being stopped already is not stopped again."""
        self.run_reactor()
        self.service.stopping = True
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual((self.stops, self.service.hurried), ([], 1))

    def test_before_it_runs(self) -> None:
        """Until the reactor has set its own handlers, none is replaced."""
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual((self.stops, self.service.hurried), ([signal.SIGUSR1] * 2, 0))

    def test_ignored(self) -> None:
        """What is ignored stays so."""
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        self.run_reactor()
        os.kill(os.getpid(), signal.SIGUSR2)
        self.assertEqual((self.stops, self.service.hurried), ([], 0))
