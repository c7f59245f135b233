"""Tests of the options of the command line."""

import argparse
import contextlib
import io
import os

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.commands.options import parse_options


class OptionTests(SynchronousTestCase):
    def parse(self, *arguments: str) -> argparse.Namespace:
        return parse_options(arguments)

    def refused(self, *arguments: str) -> str:
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as caught:
            self.parse(*arguments)
        self.assertEqual(caught.exception.code, 2)
        return said.getvalue()

    def answered(self, *arguments: str) -> str:
        """What is printed for a request, which ends the program."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), self.assertRaises(SystemExit) as caught:
            self.parse(*arguments)
        self.assertEqual(caught.exception.code, 0)
        return out.getvalue()

    def test_defaults(self) -> None:
        """Without options it is the server on this machine."""
        self.patch(os, "environ", {})
        options = self.parse("send", "x")
        self.assertEqual(options.relay_url, "ws://127.0.0.1:4000/v1")
        self.assertEqual(str(options.transit_helper.hints[0]), "tcp:127.0.0.1:4001")
        self.assertTrue(options.listen)

    def test_environment(self) -> None:
        """The variables that the other clients know count here too; a flag beats them."""
        self.patch(
            os,
            "environ",
            {"WORMHOLE_RELAY_URL": "wss://x/v1", "WORMHOLE_TRANSIT_HELPER": "tcp:y:1"},
        )
        options = self.parse("receive", "--transit-helper=tcp:z:2")
        self.assertEqual(options.relay_url, "wss://x/v1")
        self.assertEqual(str(options.transit_helper.hints[0]), "tcp:z:2")

    def test_blanks(self) -> None:
        """Blanks around a pasted code are no part of it."""
        self.assertEqual(self.parse("receive", " 4-a-b\t\n").code, "4-a-b")

    def test_zero(self) -> None:
        """-0 is a code that everybody knows, before and behind other arguments."""
        for arguments in (["receive", "-0"], ["send", "-0", "x"], ["send", "x", "-0"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.parse(*arguments).code, "0-")

    def test_version(self) -> None:
        """-V and --version print the version, and end, with and without a command."""
        for arguments in (["-V"], ["--version"], ["send", "-V"], ["check", "--version"]):
            with self.subTest(arguments=arguments):
                self.assertRegex(self.answered(*arguments), r"^wormhole-client \d")

    def test_help(self) -> None:
        """-h, --help and help list the commands; with a command they list its options."""
        for arguments in (["-h"], ["--help"], ["help"], ["help", "--help"]):
            with self.subTest(arguments=arguments):
                self.assertIn("put load on a server", self.answered(*arguments))
        for arguments in (["send", "-h"], ["send", "--help"], ["help", "send"]):
            with self.subTest(arguments=arguments):
                said = self.answered(*arguments)
                self.assertIn("--ignore-unsendable-files", said)
                self.assertNotIn("--exchanges", said)
        self.assertIn("invalid choice: 'sned'", self.refused("help", "sned"))

    def test_refused(self) -> None:
        """A command line that makes no sense is refused in one line, which says what is expected."""
        for arguments, word in (
            (["send", "--relay-url=http://x"], "ws://"),
            (["send", "--transit-helper=x"], "tcp:HOST:PORT"),
            (["send", "--code=a b"], "spaces"),
            (["send", "--code-length=0"], "above 0"),
            (["receive", "four-a-b"], "number"),
            (["check", "--metrics=9401"], "tcp:9401"),
            (["check", "--metrics=nonsense:1"], "not an endpoint"),
            (["check", "--metrics=tcp:http"], "not an endpoint"),
            (["check", "--metrics=tcp:9401:colour=red"], "not an endpoint"),
            (["check", "--metrics=tcp:99999"], "above 65535"),
            (["check", "--idle=31"], "from 0 to 30"),
            (["check", "--idle=long"], "from 0 to 30"),
            (["load"], "--exchanges"),
            (["receive", "--allocate", "4-a-b"], "only one of"),
            (["send", "-0", "--code=4-a-b", "x"], "only one of"),
            (["load", "--hold=5"], "--exchanges"),
            (["load", "--exchanges=many"], "above 0"),
            (["load"], "see wormhole-client load --help"),
            (["send", "x", "y"], "no such option or argument: y; see wormhole-client send --help"),
            (["receive", "--mottt"], "no such option or argument: --mottt"),
            (["sned"], "choose from"),
            ([], "COMMAND"),
        ):
            with self.subTest(arguments=arguments):
                said = self.refused(*arguments)
                self.assertIn(word, said)
                self.assertEqual(len(said.splitlines()), 1, said)
