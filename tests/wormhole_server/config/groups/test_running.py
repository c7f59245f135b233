"""Tests of `wormhole_server.config.groups.running`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.groups.running import LogFormat, RunningSettings


class RunningSettingsTests(SynchronousTestCase):
    def test_shutdown(self) -> None:
        """A shutdown ends before clients give up, which retry for a minute."""
        settings = RunningSettings()
        longest = settings.shutdown_delay + settings.shutdown_timeout + settings.shutdown_spread
        self.assertLess(longest, 60)
        self.assertEqual(settings.shutdown_delay, 0)

    def test_log(self) -> None:
        """The log has information and everything above, in the form that its reader expects."""
        self.assertEqual(RunningSettings().log_level, "info")
        self.assertIs(RunningSettings().log_format, LogFormat.AUTO)
