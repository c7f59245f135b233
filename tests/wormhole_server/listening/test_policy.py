"""Tests of `wormhole_server.listening.policy`."""

from __future__ import annotations

import attrs
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.listening.connections import RefusalRecorder, make_policy
from wormhole_server.config.durations import Seconds
from wormhole_server.config.settings import Settings
from wormhole_server.config.trusted_proxies import parse_trusted_proxy
from wormhole_server.listening.limiter import ConnectionLimits, ListenerKind, RefusalReason
from wormhole_server.listening.proxies.trusted_peers import TrustedProxies

PROXIES = (parse_trusted_proxy("10.0.0.1"),)


class ConnectionPolicyTests(SynchronousTestCase):
    def test_settings(self) -> None:
        """Limits, proxies and the timeout come from the settings; refusals go to the observer."""
        observer = RefusalRecorder()
        policy = make_policy(
            observer,
            1000,
            connection_limit=1,
            connections_per_address=7,
            trusted_proxy=PROXIES,
            proxy_header_timeout=Seconds(2),
        )
        self.assertEqual(policy.limiter.limits, ConnectionLimits(1, 7, 7))
        self.assertEqual(policy.trusted_proxies, TrustedProxies(PROXIES))
        self.assertEqual(policy.header_seconds, 2)
        for _ in range(2):
            policy.limiter.add(None, ListenerKind.TRANSIT)
        self.assertEqual(observer.refusals, [(ListenerKind.TRANSIT, RefusalReason.FULL)])

    def test_change(self) -> None:
        """Other settings apply to the same limiter, which keeps its count."""
        policy = make_policy(RefusalRecorder(), 1000, connection_limit=None)
        limiter = policy.limiter
        limiter.add(None, ListenerKind.TRANSIT)
        policy.change(
            attrs.evolve(
                Settings(),
                connection_limit=5,
                connections_per_address=1,
                trusted_proxy=PROXIES,
                proxy_header_timeout=Seconds(1),
            )
        )
        self.assertIs(policy.limiter, limiter)
        self.assertEqual((limiter.limits, limiter.total), (ConnectionLimits(5, 1, 1), 1))
        self.assertEqual(policy.trusted_proxies, TrustedProxies(PROXIES))
        self.assertEqual(policy.header_seconds, 1)

    def test_automatic(self) -> None:
        """By default the descriptors and the address limit connections; nothing is logged."""
        with capturedLogs() as logged:
            limits = make_policy(RefusalRecorder(), 1000).limiter.limits
        self.assertEqual(limits, ConnectionLimits(840, 256, None))
        self.assertEqual(logged, [])

    def test_unlimited(self) -> None:
        """Without a limit per address no address has one."""
        policy = make_policy(RefusalRecorder(), 1000, connections_per_address=None)
        self.assertEqual(policy.limiter.limits, ConnectionLimits(840, None, None))

    def test_more_than_descriptors(self) -> None:
        """A limit above what the descriptors allow is lowered, and the log says so."""
        with capturedLogs() as logged:
            policy = make_policy(RefusalRecorder(), 1000, connection_limit=2000)
        self.assertEqual(policy.limiter.limits.total, 840)
        self.assertIn("2000 is more than the 1000 file descriptors", formatEvent(logged[0]))
