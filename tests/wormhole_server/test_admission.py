"""Tests of `wormhole_server.admission`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.admission import Admissions, ConnectionLimits, Entrance, Refusal
from wormhole_server.proxies.places import IP, read_ip

WEB = Entrance.RENDEZVOUS


def ip(text: str) -> IP:
    read = read_ip(text)
    assert read is not None
    return read


class AdmissionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Three in all, two from one address."""
        self.refused: list[tuple[Entrance, Refusal]] = []
        self.admissions = Admissions(ConnectionLimits(3, 2), lambda *who: self.refused.append(who))

    def test_total(self) -> None:
        """When it is full nobody comes in, until somebody leaves."""
        for number in range(3):
            self.assertIsNone(self.admissions.enter(ip(f"192.0.2.{number}"), WEB))
        self.assertIs(self.admissions.enter(None, Entrance.TRANSIT), Refusal.FULL)
        self.assertEqual(self.refused, [(Entrance.TRANSIT, Refusal.FULL)])
        self.admissions.leave(ip("192.0.2.1"))
        self.assertIsNone(self.admissions.enter(None, Entrance.TRANSIT))

    def test_per_address(self) -> None:
        """An address that has its share gets no more, and others do; a /64 counts as one."""
        for text in ("2001:db8::1", "2001:db8::2"):
            self.assertIsNone(self.admissions.enter(ip(text), WEB))
        self.assertIs(self.admissions.enter(ip("2001:db8::3"), WEB), Refusal.ADDRESS)
        self.assertEqual(self.admissions.total, 2)
        self.assertIsNone(self.admissions.enter(ip("2001:db8:0:1::3"), WEB))
        self.admissions.leave(ip("2001:db8::2"))
        self.assertIsNone(self.admissions.enter(ip("2001:db8::3"), WEB))

    def test_identified(self) -> None:
        """Who is known later is counted later, and not let stay where there are too many."""
        one = ip("192.0.2.1")
        for _ in range(3):
            self.assertIsNone(self.admissions.enter(None, WEB))
        self.assertIsNone(self.admissions.identify(one, WEB))
        self.assertIsNone(self.admissions.identify(one, WEB))
        self.assertIs(self.admissions.identify(one, WEB), Refusal.ADDRESS)
        self.assertEqual(self.admissions.total, 3)

    def test_change(self) -> None:
        """Under new limits who is in stays in, and counts."""
        one = ip("192.0.2.1")
        self.admissions.enter(one, WEB)
        self.admissions.enter(one, WEB)
        self.admissions.limits = ConnectionLimits(None, 1)
        self.assertIs(self.admissions.enter(one, WEB), Refusal.ADDRESS)
        self.admissions.leave(one)
        self.assertIs(self.admissions.enter(one, WEB), Refusal.ADDRESS)
        self.admissions.leave(one)
        self.assertIsNone(self.admissions.enter(one, WEB))

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 3))))
    def test_model(self, steps: list[tuple[bool, int]]) -> None:
        """Whoever comes and goes, it counts who is in, and remembers nobody else."""
        admissions = Admissions(ConnectionLimits(3, 2))
        inside: list[int] = []
        for comes, who in steps:
            address = ip(f"192.0.2.{who}")
            if comes:
                expected = (
                    Refusal.FULL
                    if len(inside) >= 3
                    else Refusal.ADDRESS
                    if inside.count(who) >= 2
                    else None
                )
                self.assertIs(admissions.enter(address, WEB), expected)
                if expected is None:
                    inside.append(who)
            elif who in inside:
                admissions.leave(address)
                inside.remove(who)
            self.assertEqual(admissions.total, len(inside))
            self.assertEqual(len(admissions._by_neighbourhood), len(set(inside)))
