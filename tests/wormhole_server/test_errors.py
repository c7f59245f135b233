"""Tests of `wormhole_server.errors`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.errors import ConfigurationError


class ConfigurationErrorTests(SynchronousTestCase):
    def test_problems(self) -> None:
        """The error keeps every problem, and its text has a line for each."""
        error = ConfigurationError(f"option {number}" for number in (1, 2))
        self.assertEqual(error.problems, ("option 1", "option 2"))
        self.assertEqual(str(error), "option 1\noption 2")
