"""Tests of `wormhole_server.config.command_line`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config import kinds
from wormhole_server.config.command_line import (
    HelpRequest,
    Parameter,
    known_flags,
    parameters_help,
    parse_command_line,
    settings_help,
)
from wormhole_server.config.settings import OPTIONS
from wormhole_server.config.sources import Flags


def parse(*words: str) -> Flags:
    """Parse the command line of a command without parameters of its own."""
    return parse_command_line(words).flags


class FlagTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """An empty command line has no flags."""
        self.assertEqual(parse(), Flags())

    def test_values(self) -> None:
        """A value follows its flag or an equals sign, and may begin with dashes."""
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
        """Every value of a repeated flag is kept, in order."""
        self.assertEqual(
            parse("--rendezvous=tcp:1", "--motd=a", "--rendezvous", "tcp:2").values,
            {"rendezvous": ["tcp:1", "tcp:2"], "motd": ["a"]},
        )

    def test_switch(self) -> None:
        """A switch takes no value; a second flag turns it off."""
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
        """Each unknown word is a problem, and every known flag is taken nevertheless."""
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
                "extra: unexpected argument; see --help",
                "--disallow-list: takes no value; write --disallow-list alone",
                "-x: there is no such option; wormhole-server run --help lists them",
                "--transit: its value is missing; write --transit=VALUE",
            ),
        )

    def test_elsewhere(self) -> None:
        """Flags of the older servers are answered with the names that they have here."""
        for flag, here in (("-p", "--rendezvous or --transit"), ("--channel-db", "--database")):
            (problem,) = parse(flag, "x").problems
            self.assertEqual(problem, f"{flag}: there is no such option; here it is {here}")

    @given(st.lists(st.text() | st.sampled_from(["--motd", "--disallow-list", "--", "-", "--x="])))
    def test_anything(self, arguments: list[str]) -> None:
        """Any word is a flag, a value or a problem."""
        flags = parse(*arguments)
        taken = sum(map(len, flags.values.values()))
        self.assertLessEqual(taken + len(flags.problems), len(arguments))


class ParameterTests(SynchronousTestCase):
    PARAMETERS = (
        Parameter("FILE", "Where to.", required=True),
        Parameter("--days", "How many.", "N"),
        Parameter("--dry-run", "Only look."),
    )

    def test_given(self) -> None:
        """A command's own parameters may stand before and after the settings."""
        for words in (
            ("there", "--days", "3", "--dry-run", "--motd=x"),
            ("--motd=x", "--dry-run", "--days=3", "there"),
        ):
            line = parse_command_line(words, self.PARAMETERS)
            self.assertEqual(line.flags, Flags({"motd": ["x"]}))
            self.assertEqual(line.arguments["FILE"], "there")
            self.assertEqual(line.arguments.get("--days"), "3")
            self.assertIn("--dry-run", line.arguments)

    def test_not_given(self) -> None:
        """A parameter that is not required may be left out."""
        arguments = parse_command_line(["-"], self.PARAMETERS).arguments
        self.assertEqual(arguments["FILE"], "-")
        self.assertIsNone(arguments.get("--days"))
        self.assertNotIn("--dry-run", arguments)

    def test_problems(self) -> None:
        """A missing parameter, an unexpected argument and a misspelt flag are problems."""
        for words, problem in (
            ([], "FILE: is missing; see --help"),
            (["a", "b"], "b: unexpected argument; see --help"),
            (["a", "--day=3"], "--day: there is no such option; did you mean --days?"),
            (["a", "--days"], "--days: its value is missing; write --days=VALUE"),
            (["a", "--dry-run=no"], "--dry-run: takes no value; write --dry-run alone"),
        ):
            self.assertEqual(parse_command_line(words, self.PARAMETERS).flags.problems, (problem,))

    def test_known_flags(self) -> None:
        """The flags of a command are its own, those of the settings, and the requests."""
        known = known_flags(self.PARAMETERS)
        self.assertEqual(known["--days"], True)
        self.assertEqual(known["--dry-run"], False)
        self.assertEqual(known["--help"], False)
        self.assertEqual(known["--motd"], True)
        self.assertNotIn("FILE", known)


class HelpRequestTests(SynchronousTestCase):
    def test_first(self) -> None:
        """The first request counts, whatever else is on the command line."""
        for words, request in (
            (["--help", "--version", "--x"], HelpRequest.HELP),
            (["--version", "--help"], HelpRequest.VERSION),
            (["-h"], HelpRequest.HELP),
            (["-V", "-h"], HelpRequest.VERSION),
            (["--motd", "--help"], None),
            ([], None),
        ):
            self.assertIs(parse_command_line(words).request, request)


class HelpTests(SynchronousTestCase):
    def test_settings(self) -> None:
        """The help has every flag with its text and default, within the width of a terminal."""
        text = settings_help()
        words = " ".join(text.split())
        for option in OPTIONS:
            self.assertIn(option.flag, words)
            self.assertIn(" ".join(option.help.split()), words)
        self.assertIn("[default: 4MiB]", words)
        self.assertIn("--rendezvous=ENDPOINT|none *", words)
        self.assertIn("--disallow-list, --no-disallow-list", words)
        for line in text.splitlines():
            self.assertLessEqual(len(line), 107)

    def test_parameters(self) -> None:
        """A command's own parameters are followed by where the settings are described."""
        lines = parameters_help(ParameterTests.PARAMETERS).splitlines()
        self.assertEqual(lines[:4], ["  FILE", "      Where to.", "  --days=N", "      How many."])
        self.assertEqual(lines[4:7], ["  --dry-run", "      Only look.", ""])
        self.assertIn("wormhole-server run --help", " ".join(lines[7:]))
        self.assertEqual(parameters_help(()).splitlines(), lines[7:])
