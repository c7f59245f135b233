"""Tests of `wormhole_server.plugin` and of the plugin line."""

from __future__ import annotations

import contextlib
import io
import os
import sys

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from twisted.plugins.wormhole_server_plugin import wormhole_server
from wormhole_server import plugin
from wormhole_server.config.command_line import VERSION_LINE


class PluginTests(SynchronousTestCase):
    def test_line(self) -> None:
        """Twisted finds the plugin, and what it points to."""
        names = {maker.tapname for maker in getPlugins(IServiceMaker)}
        self.assertIn("wormhole-server", names)
        self.assertIs(wormhole_server.options, plugin.Options)
        self.assertIs(wormhole_server.makeService, plugin.makeService)

    def test_parsed(self) -> None:
        """twistd and twist parse the plugin's options after their own."""

        class Twist(usage.Options):
            subCommands = (("wormhole-server", None, plugin.Options, "serve"),)

        options = Twist()
        options.parseOptions(["wormhole-server", "--motd", "a", "--x"])
        flags = options.subOptions.flags
        self.assertEqual(flags.values, {"motd": ["a"]})
        self.assertEqual(len(flags.problems), 1)

    def test_printed(self) -> None:
        """The help and the version are the server's own, not Twisted's."""
        for word, text in (("--help", "--nameplate-expiry=DURATION"), ("--version", VERSION_LINE)):
            with (
                contextlib.redirect_stdout(io.StringIO()) as out,
                self.assertRaises(SystemExit) as caught,
            ):
                plugin.Options().parseOptions([word])
            self.assertEqual(caught.exception.code, 0)
            self.assertIn(text, out.getvalue())

    def test_wrong_configuration(self) -> None:
        """Every problem has a line on stderr; the status is 2."""
        options = plugin.Options()
        options.parseOptions(["--motdd", "--transit=4001"])
        self.patch(os, "environ", {})
        with io.StringIO() as err:
            self.patch(sys, "__stderr__", err)
            with self.assertRaises(SystemExit) as caught, contextlib.redirect_stderr(io.StringIO()):
                plugin.makeService(options)
            lines = err.getvalue().splitlines()
        self.assertEqual(caught.exception.code, 2)
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[0].startswith("wormhole-server: --motdd: "), lines)
