"""Tests of `wormhole_server.doctor.client`, without connections."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import all_of, levels, make_target
from wormhole_client.checks.check import StepResult
from wormhole_server.doctor.client import check_client, finding_of
from wormhole_server.doctor.finding import Finding, Level

URL, HELPER = "ws://a/v1", "tcp:a:1"


class FindingTests(SynchronousTestCase):
    def test_steps(self) -> None:
        """Each step is a finding, with the client's own advice."""
        for result, finding in (
            (
                StepResult("name", True, 1.0, "127.0.0.1"),
                Finding("client, name", Level.OK, "127.0.0.1"),
            ),
            (StepResult("TCP", True), Finding("client, TCP", Level.OK, "works")),
            (
                StepResult("TCP", False, 1.0, "refused", "start it"),
                Finding("client, TCP", Level.FAILURE, "refused", "start it"),
            ),
            (
                StepResult("exchange", None, detail="needs TCP"),
                Finding(
                    "client, exchange",
                    Level.WARNING,
                    "skipped: needs TCP",
                    "fix the failed check above first",
                ),
            ),
        ):
            self.assertEqual(finding_of(result), finding)


class CheckTests(SynchronousTestCase):
    def test_not_installed(self) -> None:
        """Without the extra there is one finding, which says how to install it."""
        target = make_target(relay_url=URL, transit_helper=HELPER)
        for module in ("nacl", "spake2"):
            [found] = all_of(self, check_client(target, Clock(), module.__eq__))
            self.assertEqual(found.level, Level.WARNING)
            self.assertIn("the client extra is not installed", found.text)
            self.assertIn("pip install '.[client]'", found.fix)

    def test_no_addresses(self) -> None:
        """Without addresses there is one finding, which says which flags give them."""
        for target in (make_target(relay_url=URL), make_target(transit_helper=HELPER)):
            found = all_of(self, check_client(target, Clock()))
            self.assertEqual(levels(found), {"clients": Level.WARNING})
            self.assertIn("--transit-helper", found[0].fix)

    def test_invalid_addresses(self) -> None:
        """An invalid address is a failure, which says what is wrong with it."""
        for target, text in (
            (make_target(relay_url="http://a", transit_helper=HELPER), "starts with ws://"),
            (make_target(relay_url=URL, transit_helper="a:1"), "a:1"),
            (make_target(relay_url=URL, transit_websocket="nonsense"), "nonsense"),
        ):
            [found] = all_of(self, check_client(target, Clock()))
            self.assertEqual((found.check, found.level), ("clients", Level.FAILURE))
            self.assertIn(text, found.text)
