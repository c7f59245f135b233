"""Tests of `wormhole_server.doctor.examination`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import all_of, make_target
from wormhole_server.doctor.examination import check_configuration, examine
from wormhole_server.doctor.finding import Finding, Level, ok
from wormhole_server.doctor.target import Target


def check_broken_part(_: Target) -> Iterator[Finding]:
    yield ok("first", "half")
    raise ZeroDivisionError("of zero")


async def check_broken_client(_: Target, __: Any) -> AsyncIterator[Finding]:
    yield ok("second", "half")
    raise ZeroDivisionError


async def check_reactor(_: Target, reactor: Any) -> AsyncIterator[Finding]:
    yield ok("last", str(reactor))


class ExamineTests(SynchronousTestCase):
    def test_unexpected(self) -> None:
        """A check that raises is a failure, and the other checks still run."""
        findings = examine(
            make_target(),
            "reactor",
            [check_broken_part, check_configuration],
            [check_broken_client, check_reactor],
        )
        found = all_of(self, findings)
        self.assertEqual(
            [(each.check, each.level) for each in found],
            [
                ("first", Level.OK),
                ("broken part", Level.FAILURE),
                ("configuration", Level.OK),
                ("second", Level.OK),
                ("broken client", Level.FAILURE),
                ("last", Level.OK),
            ],
        )
        self.assertEqual(found[1].text, "the check failed with ZeroDivisionError: of zero")
        self.assertEqual(found[-1].text, "reactor")


class ConfigurationTests(SynchronousTestCase):
    def test_configuration(self) -> None:
        """The finding says how many options are not default, as a hint that it may be the wrong file."""
        [found] = check_configuration(make_target("--motd=x"))
        self.assertRegex(found.text, r"^is valid, without a file; 1 of \d+ options are not default")
