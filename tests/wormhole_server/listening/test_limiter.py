"""Tests of `wormhole_server.listening.limiter`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_limits.fakes import BoundRecorder
from tests.wormhole_server.listening.connections import RefusalRecorder
from wormhole_limits.bounds import Bound, BoundObserver
from wormhole_limits.ip_addresses import IP, address_block, parse_ip
from wormhole_server.listening.limiter import (
    ConnectionLimiter,
    ConnectionLimits,
    ListenerKind,
    RefusalReason,
)

WEB = ListenerKind.RENDEZVOUS


def ip(text: str) -> IP:
    read = parse_ip(text)
    assert read is not None
    return read


class ConnectionLimiterTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Three connections in all, two from one address."""
        self.observer = RefusalRecorder()
        self.bounds = BoundRecorder()
        self.limiter = ConnectionLimiter(ConnectionLimits(3, 2, 1), self.observer, self.bounds)

    def test_total(self) -> None:
        """At the limit every connection is refused, until one is lost."""
        for number in range(3):
            self.assertIsNone(self.limiter.add(ip(f"192.0.2.{number}"), WEB))
        self.assertIs(self.limiter.add(None, ListenerKind.TRANSIT), RefusalReason.FULL)
        self.assertEqual(self.observer.refusals, [(ListenerKind.TRANSIT, RefusalReason.FULL)])
        self.limiter.remove(ip("192.0.2.1"))
        self.assertIsNone(self.limiter.add(None, ListenerKind.TRANSIT))

    def test_per_address(self) -> None:
        """An address at its limit is refused, and others are not; a /64 counts as one address."""
        for text in ("2001:db8::1", "2001:db8::2"):
            self.assertIsNone(self.limiter.add(ip(text), WEB))
        self.assertIs(self.limiter.add(ip("2001:db8::3"), WEB), RefusalReason.ADDRESS)
        self.assertEqual(self.limiter.total, 2)
        self.assertEqual(self.bounds.met, [(Bound.CONNECTIONS, address_block(ip("2001:db8::")))])
        self.assertIsNone(self.limiter.add(ip("2001:db8:0:1::3"), WEB))
        self.limiter.remove(ip("2001:db8::2"))
        self.assertIsNone(self.limiter.add(ip("2001:db8::3"), WEB))

    def test_loopback(self) -> None:
        """The addresses of this machine have a limit of their own."""
        for text in ("127.0.0.7", "::1"):
            self.assertIsNone(self.limiter.add(ip(text), WEB))
            self.assertIs(self.limiter.add(ip(text), WEB), RefusalReason.ADDRESS)

    def test_identified(self) -> None:
        """A connection that is identified later is counted then, or refused then."""
        one = ip("192.0.2.1")
        for _ in range(3):
            self.assertIsNone(self.limiter.add(None, WEB))
        self.assertIsNone(self.limiter.identify(one, WEB))
        self.assertIsNone(self.limiter.identify(one, WEB))
        self.assertIs(self.limiter.identify(one, WEB), RefusalReason.ADDRESS)
        self.assertEqual(self.limiter.total, 3)

    def test_change(self) -> None:
        """Under new limits existing connections stay, and count."""
        one = ip("192.0.2.1")
        self.limiter.add(one, WEB)
        self.limiter.add(one, WEB)
        self.limiter.limits = ConnectionLimits(None, 1, None)
        self.assertIs(self.limiter.add(one, WEB), RefusalReason.ADDRESS)
        self.limiter.remove(one)
        self.assertIs(self.limiter.add(one, WEB), RefusalReason.ADDRESS)
        self.limiter.remove(one)
        self.assertIsNone(self.limiter.add(one, WEB))

    def test_observer(self) -> None:
        """What the observer raises is logged, and the connection refused all the same."""
        self.patch(self.observer, "connection_refused", lambda *_: 1 // 0)
        self.assertIs(
            self.limiter.refuse(WEB, RefusalReason.PROXY_HEADER), RefusalReason.PROXY_HEADER
        )
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_adopt(self) -> None:
        """One that another process has accepted counts, and is not refused."""
        limiter = ConnectionLimiter(ConnectionLimits(1, 1, 1), RefusalRecorder(), BoundObserver())
        address = ip("192.0.2.7")
        for each in (address, address, None):
            limiter.adopt(each)
        self.assertEqual(limiter.total, 3)
        self.assertIs(limiter.add(ip("192.0.2.8"), WEB), RefusalReason.FULL)
        for each in (address, address, None):
            limiter.remove(each)
        self.assertIsNone(limiter.add(address, WEB))

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 3))))
    def test_model(self, steps: list[tuple[bool, int]]) -> None:
        """It counts the connections that exist, and remembers no other addresses."""
        limiter = ConnectionLimiter(ConnectionLimits(3, 2, 1), RefusalRecorder(), BoundObserver())
        present: list[int] = []
        for is_new, who in steps:
            address = ip(f"192.0.2.{who}")
            if is_new:
                expected = (
                    RefusalReason.FULL
                    if len(present) >= 3
                    else RefusalReason.ADDRESS
                    if present.count(who) >= 2
                    else None
                )
                self.assertIs(limiter.add(address, WEB), expected)
                if expected is None:
                    present.append(who)
            elif who in present:
                limiter.remove(address)
                present.remove(who)
            self.assertEqual(limiter.total, len(present))
            self.assertEqual(len(limiter._by_block), len(set(present)))
