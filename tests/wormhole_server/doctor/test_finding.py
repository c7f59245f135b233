"""Tests of `wormhole_server.doctor.finding`."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.doctor.finding import as_json, as_lines, failure, ok, summarize, warning


class FindingTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """A finding is one line, and what to do an indented second one; plain lines are ASCII."""
        found = failure("disk", "is\nfull", "make room")
        self.assertEqual(
            list(as_lines(found, plain=False)), ["✗ disk: is\\u000afull", "    make room"]
        )
        self.assertEqual(
            list(as_lines(found, plain=True)), ["FAIL disk: is\\u000afull", "       make room"]
        )
        self.assertEqual(list(as_lines(ok("disk", "fits"), plain=False)), ["✓ disk: fits"])
        self.assertEqual(next(iter(as_lines(warning("a", "b", "c"), plain=False))), "! a: b")

    def test_summary(self) -> None:
        """The summary counts failures; without any it counts warnings."""
        good, odd, bad = ok("a", "b"), warning("a", "b", "c"), failure("a", "b", "c")
        self.assertEqual(summarize([good, good]), "All 2 checks passed.")
        self.assertEqual(summarize([good, odd]), "No check failed; 1 of 2 have warnings.")
        self.assertEqual(summarize([good, odd, bad]), "1 of 3 checks failed.")

    def test_json(self) -> None:
        """The JSON has every finding; a warning is not a failure."""
        report = json.loads(as_json([ok("a", "b"), warning("c", "d", "e")]))
        self.assertTrue(report["ok"])
        self.assertEqual(
            report["checks"][1], {"check": "c", "level": "warning", "text": "d", "fix": "e"}
        )
        self.assertFalse(json.loads(as_json([failure("a", "b", "c")]))["ok"])
