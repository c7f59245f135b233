"""Tests of `wormhole_server.commands.command`."""

from __future__ import annotations

import io

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.commands.command import ExitStatus, Terminal


class TerminalTests(SynchronousTestCase):
    def test_say(self) -> None:
        """An error message goes to stderr, after the name of the program."""
        out, err = io.StringIO(), io.StringIO()
        Terminal({}, out, err).say("disk full")
        self.assertEqual((out.getvalue(), err.getvalue()), ("", "wormhole-server: disk full\n"))


class ExitStatusTests(SynchronousTestCase):
    def test_values(self) -> None:
        """The values are the exit statuses that the documentation promises."""
        self.assertEqual([*map(int, ExitStatus)], [0, 1, 2])
        self.assertEqual(ExitStatus.UNUSABLE, 2)
