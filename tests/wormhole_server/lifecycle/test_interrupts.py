"""Tests of `wormhole_server.lifecycle.interrupts`."""

from __future__ import annotations

import signal
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.lifecycle.interrupts import immediate_interrupts, interrupt_until_running


class ImmediateInterruptsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Restore the handler of the test run."""
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))

    def test_handlers(self) -> None:
        """Python's own handler is replaced for the time; one of the program, and none, stay."""
        for before, within in (
            (signal.default_int_handler, signal.SIG_DFL),
            (signal.SIG_IGN, signal.SIG_IGN),
            (print, print),
        ):
            signal.signal(signal.SIGINT, before)
            with immediate_interrupts():
                self.assertIs(signal.getsignal(signal.SIGINT), within)
            self.assertIs(signal.getsignal(signal.SIGINT), before)


class FakeReactor:
    """A reactor that calls what waits for it when it is told to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def callWhenRunning(self, call: Callable[[], object]) -> None:  # noqa: N802 - Twisted's
        """Keep the call."""
        self.calls.append(call)

    def sigInt(self, number: int, frame: object = None) -> None:  # noqa: N802
        """See `ReactorBase`."""


class InterruptUntilRunningTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Restore the handler of the test run."""
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        self.reactor = FakeReactor()

    def test_reactor_runs(self) -> None:
        """SIGINT ends the process until the reactor runs, and stops the reactor then."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt_until_running(self.reactor)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.SIG_DFL)
        [running] = self.reactor.calls
        running()
        self.assertEqual(signal.getsignal(signal.SIGINT), self.reactor.sigInt)

    def test_other_handlers(self) -> None:
        """A handler of the program stays, whenever it was installed; so does none."""
        for before in (signal.SIG_IGN, print):
            signal.signal(signal.SIGINT, before)
            interrupt_until_running(self.reactor)
            self.assertIs(signal.getsignal(signal.SIGINT), before)
        self.assertEqual(self.reactor.calls, [])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt_until_running(self.reactor)
        signal.signal(signal.SIGINT, print)
        self.reactor.calls[0]()
        self.assertIs(signal.getsignal(signal.SIGINT), print)
