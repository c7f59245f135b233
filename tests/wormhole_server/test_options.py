"""Tests of `wormhole_server.options`."""

from __future__ import annotations

import contextlib
import io

from hypothesis import given
from hypothesis import strategies as st
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server import kinds
from wormhole_server.options import ServerOptions
from wormhole_server.settings import OPTIONS
from wormhole_server.sources import Flags
from wormhole_server.version import VERSION


def parse(*arguments: str) -> Flags:
    """What `arguments` give."""
    options = ServerOptions()
    options.parseOptions(arguments)
    return options.flags


class FlagTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """No argument is no flag."""
        self.assertEqual(parse(), Flags())

    def test_values(self) -> None:
        """A value follows its flag, or an equals sign, and may look like anything."""
        flags = parse(
            "--motd", "--hello", "--database=sqlite:///a=b", "--transit", "-1", "--log-level="
        )
        self.assertEqual(
            flags,
            Flags(
                {
                    "motd": ["--hello"],
                    "database": ["sqlite:///a=b"],
                    "transit": ["-1"],
                    "log-level": [""],
                }
            ),
        )

    def test_repeated(self) -> None:
        """Every value is kept, in order."""
        self.assertEqual(
            parse("--rendezvous=tcp:1", "--motd=a", "--rendezvous", "tcp:2").values,
            {"rendezvous": ["tcp:1", "tcp:2"], "motd": ["a"]},
        )

    def test_switch(self) -> None:
        """A switch has no value, and another flag that turns it off again."""
        self.assertEqual(parse("--disallow-list").values, {"disallow-list": [True]})
        self.assertEqual(parse("--no-disallow-list").values, {"disallow-list": [False]})

    def test_every_option(self) -> None:
        """There is a flag for each option."""
        for option in OPTIONS:
            switch = option.kind is kinds.SWITCH
            arguments = [option.flag] if switch else [option.flag, "x"]
            flags = parse(*arguments)
            self.assertEqual((list(flags.values), flags.problems), ([option.name], ()))

    def test_problems(self) -> None:
        """Whatever is no flag of ours is told of, and all that is one is taken none the less."""
        flags = parse(
            "--databse",
            "sqlite:///x",
            "--mot=a",
            "extra",
            "--disallow-list=yes",
            "--motd=kept",
            "-x",
            "--transit",
        )
        self.assertEqual(flags.values, {"motd": ["kept"]})
        self.assertEqual(
            flags.problems,
            (
                "--databse: there is no such option; did you mean --database?",
                "--mot: there is no such option; did you mean --motd?",
                "extra: is not a flag; see --help",
                "--disallow-list: takes no value; write --disallow-list alone",
                "-x: there is no such option; wormhole-server run --help lists them",
                "--transit: its value is missing; write --transit=VALUE",
            ),
        )

    def test_elsewhere(self) -> None:
        """Flags of the servers that operators come from are answered with what they are called here."""
        for flag, here in (("-p", "--rendezvous or --transit"), ("--channel-db", "--database")):
            (problem,) = parse(flag, "x").problems
            self.assertEqual(problem, f"{flag}: there is no such option; here it is {here}")

    @given(st.lists(st.text() | st.sampled_from(["--motd", "--disallow-list", "--", "-", "--x="])))
    def test_anything(self, arguments: list[str]) -> None:
        """Any arguments whatever are flags or problems."""
        flags = parse(*arguments)
        taken = sum(map(len, flags.values.values()))
        self.assertLessEqual(taken + len(flags.problems), len(arguments))

    def test_below_another_command(self) -> None:
        """It does what it should where twistd and twist have it, below options of their own."""

        class Twist(usage.Options):
            subCommands = (("wormhole-server", None, ServerOptions, "serve"),)

        options = Twist()
        options.parseOptions(["wormhole-server", "--motd", "a", "--x"])
        flags = options.subOptions.flags
        self.assertEqual(flags.values, {"motd": ["a"]})
        self.assertEqual(len(flags.problems), 1)


class HelpTests(SynchronousTestCase):
    def printed(self, argument: str) -> str:
        """What is printed before the program ends well."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), self.assertRaises(SystemExit) as caught:
            parse(argument)
        self.assertEqual(caught.exception.code or 0, 0)
        return printed.getvalue()

    def test_help(self) -> None:
        """The help has every flag with its help and default, within the width of a terminal."""
        text = self.printed("--help")
        words = " ".join(text.split())
        for option in OPTIONS:
            self.assertIn(option.flag, words)
            self.assertIn(" ".join(option.help.split()), words)
        self.assertIn("[default: 4MiB]", words)
        for line in text.splitlines():
            self.assertLessEqual(len(line), 105)

    def test_version(self) -> None:
        """The version is ours, not Twisted's."""
        self.assertEqual(self.printed("--version"), f"wormhole-server {VERSION}\n")
