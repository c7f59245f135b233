"""Tests of `wormhole_server.cli`, without serving."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from wormhole_server import cli
from wormhole_server.cli import command, main
from wormhole_server.commands.command import Arguments, Command, Parameter, Status, Terminal
from wormhole_server.sources import Loaded


class CommandTests(SynchronousTestCase):
    def run_command(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        """The exit status, and what was written to stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        status = command(arguments, Terminal(environment or {}, out, err))
        return status, out.getvalue(), err.getvalue()

    def test_check(self) -> None:
        """A configuration that can be used is said to be right."""
        self.assertEqual(
            self.run_command("config", "check", "--motd=hello"),
            (0, "The configuration is right.\n", ""),
        )

    def test_check_file(self) -> None:
        """The file that was checked is named."""
        path = new_path(self)
        path.write_text("motd = 'x'")
        status, out, _ = self.run_command("config", "check", f"--config={path}")
        self.assertEqual((status, out), (0, f"The configuration in {path} is right.\n"))

    def test_wrong(self) -> None:
        """Everything that is wrong has a line on stderr, whatever the command; the status is 2."""
        for words in (("config", "check"), ("config", "show"), ("run",)):
            status, out, err = self.run_command(
                *words, "--motdd=x", environment={"WORMHOLE_SERVER_TRANSIT": "4001"}
            )
            self.assertEqual((status, out), (2, ""))
            unknown, wrong = err.splitlines()
            self.assertEqual(
                unknown, "wormhole-server: --motdd: there is no such option; did you mean --motd?"
            )
            self.assertEqual(
                wrong,
                "wormhole-server: WORMHOLE_SERVER_TRANSIT (environment): "
                '"4001" is not an endpoint of Twisted; write tcp:4001',
            )

    def test_show(self) -> None:
        """The configuration in effect is printed as TOML."""
        status, out, err = self.run_command("config", "show", "--motd=hello")
        self.assertEqual((status, err), (0, ""))
        self.assertIn('motd = "hello"  # --motd\n', out)

    def test_no_command(self) -> None:
        """A command line without a command is told which there are."""
        for words, missing in (((), "run or config"), (("config",), "check or show")):
            status, out, err = self.run_command(*words)
            self.assertEqual((status, out), (2, ""))
            self.assertIn(f"a command is missing: {missing}", err)

    def test_unknown_command(self) -> None:
        """A command that nobody knows, and a flag before any command, are refused on one line."""
        for words in (("serve",), ("config", "chek"), ("--motd", "run")):
            status, _, err = self.run_command(*words)
            self.assertEqual((status, len(err.splitlines())), (2, 1))

    def test_parameters(self) -> None:
        """What a command takes beside the settings reaches it; what is missing or too much is told."""
        given: list[Arguments] = []

        def run(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:
            given.append(arguments)
            return Status.OK if loaded.settings.motd == "x" else Status.FAILED

        self.patch(
            cli,
            "COMMANDS",
            (
                Command(
                    "copy",
                    "Copy it.",
                    run,
                    (
                        Parameter("FILE", "Where to.", required=True),
                        Parameter("--days", "How many.", "N"),
                        Parameter("--dry-run", "Only look."),
                    ),
                ),
            ),
        )
        for words in (
            ("copy", "there", "--days", "3", "--dry-run", "--motd=x"),
            ("copy", "--motd=x", "--dry-run", "--days=3", "there"),
        ):
            self.assertEqual(self.run_command(*words), (0, "", ""))
            arguments = given.pop()
            self.assertEqual(arguments["FILE"], "there")
            self.assertEqual(arguments.get("--days"), "3")
            self.assertIn("--dry-run", arguments)
        wrong: tuple[tuple[tuple[str, ...], str], ...] = (
            (("copy",), "FILE: is missing; see --help"),
            (("copy", "a", "b"), "b: is not a flag; see --help"),
            (("copy", "a", "--day=3"), "--day: there is no such option; did you mean --days?"),
            (("copy", "a", "--days"), "--days: its value is missing; write --days=VALUE"),
            (("copy", "a", "--dry-run=no"), "--dry-run: takes no value; write --dry-run alone"),
        )
        for mistaken, problem in wrong:
            self.assertEqual(self.run_command(*mistaken), (2, "", f"wormhole-server: {problem}\n"))
        self.assertEqual(given, [])

    def test_help(self) -> None:
        """The help of a command begins with what is its own, and has the settings too."""
        with (
            contextlib.redirect_stdout(io.StringIO()) as out,
            self.assertRaises(SystemExit) as leaving,
        ):
            command(["run", "--help"], Terminal({}, io.StringIO(), io.StringIO()))
        self.assertIn(leaving.exception.code, (None, 0))
        self.assertIn("Serve rendezvous and transit relay until stopped.", out.getvalue())
        self.assertIn("--nameplate-expiry=DURATION", out.getvalue())

    def test_main(self) -> None:
        """The console script takes its arguments from the process."""
        self.patch(sys, "argv", ["wormhole-server", "config", "chek"])
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(main(), 2)
        self.assertIn("chek", err.getvalue())
