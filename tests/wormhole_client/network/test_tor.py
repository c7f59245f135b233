"""Tests of the network through Tor, with and without txtorcon."""

import sys
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.network.tor import TorError, TorNetwork, connect_tor


class TorTests(SynchronousTestCase):
    def connect(self, module: Any, control: str | None = None) -> Deferred[TorNetwork]:
        self.patch(sys, "modules", {**sys.modules, "txtorcon": module})
        return Deferred.fromCoroutine(connect_tor(MemoryReactorClock(), control))

    def test_missing(self) -> None:
        """Without txtorcon the error says what to install."""
        error = self.failureResultOf(self.connect(None), TorError)
        self.assertIn(".[tor]", error.getErrorMessage())

    def test_no_tor(self) -> None:
        """Without a Tor the error says where it was looked for."""
        module = SimpleNamespace(connect=lambda *_: fail(ValueError("refused")))
        error = self.failureResultOf(self.connect(module, "tcp:127.0.0.1:9051"), TorError)
        self.assertIn("tcp:127.0.0.1:9051", error.getErrorMessage())

    def test_used(self) -> None:
        """Every endpoint is one of Tor's, and no connection is direct."""
        tor = SimpleNamespace(stream_via=lambda host, port: (host, port))
        network = self.successResultOf(
            self.connect(SimpleNamespace(connect=lambda *_: succeed(tor)))
        )
        self.assertEqual(network.endpoint("x.onion", 80), ("x.onion", 80))
        self.assertFalse(network.direct)
