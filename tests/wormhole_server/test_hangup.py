"""Tests of `wormhole_server.hangup`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from wormhole_server.hangup import on_hangup


@implementer(IReactorFromThreads)
class Reactor:
    """Keeps what it is to call."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def callFromThread(self, callable: Any, *args: Any, **kwargs: Any) -> None:  # noqa: A002
        """See `IReactorFromThreads`."""
        self.calls.append(callable)


class HangupTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Keep the handler of the test run."""
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        self.reactor = Reactor()
        self.called: list[str] = []

    def hang_up(self) -> None:
        """A signal, and a turn of the reactor."""
        os.kill(os.getpid(), signal.SIGHUP)
        calls, self.reactor.calls = self.reactor.calls, []
        for call in calls:
            call()

    def test_called_by_the_reactor(self) -> None:
        """Each signal leads to a call, in the reactor and not in the handler."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        on_hangup(self.reactor, lambda: self.called.append("ours"))
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(self.called, [])
        self.hang_up()
        self.assertEqual(self.called, ["ours", "ours"])

    def test_handler_before(self) -> None:
        """Who handled the signal before still does, and first."""
        signal.signal(signal.SIGHUP, lambda *_: self.called.append("theirs"))
        on_hangup(self.reactor, lambda: self.called.append("ours"))
        self.hang_up()
        self.assertEqual(self.called, ["theirs", "ours"])

    def test_restored(self) -> None:
        """Afterwards the handler is the one that was there before."""
        signal.signal(signal.SIGHUP, lambda *_: self.called.append("theirs"))
        on_hangup(self.reactor, lambda: self.called.append("ours"))()
        self.hang_up()
        self.assertEqual(self.called, ["theirs"])

    def test_somebody_after(self) -> None:
        """A handler that somebody else has put before ours is not taken away."""
        restore = on_hangup(self.reactor, lambda: None)
        signal.signal(signal.SIGHUP, lambda *_: self.called.append("later"))
        restore()
        self.hang_up()
        self.assertEqual(self.called, ["later"])
