"""Tests of `wormhole_server.doctor.bounds`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import make_target
from wormhole_server.doctor.bounds import check_bounds
from wormhole_server.doctor.finding import Finding, Level


class CheckBoundsTests(SynchronousTestCase):
    def check(self, *flags: str) -> Finding:
        """The finding for a server with such flags."""
        [finding] = check_bounds(make_target(*flags))
        return finding

    def test_default(self) -> None:
        """The bounds that are off by default are named, and are no fault."""
        finding = self.check()
        self.assertIs(finding.level, Level.OK)
        self.assertIn("off, as by default: ", finding.text)
        self.assertIn("deny-list", finding.text)
        self.assertIn("permission", finding.text)
        self.assertNotIn("connections-per-address", finding.text)

    def test_off(self) -> None:
        """A bound that somebody has turned off is warned of, even if another setting holds a part of it."""
        finding = self.check("--mailbox-size-limit=none", "--permission=auto")
        self.assertIs(finding.level, Level.WARNING)
        self.assertIn("mailbox-size-limit", finding.text)
        self.assertNotIn("deny-list", finding.text)
