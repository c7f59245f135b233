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
from wormhole_server.commands.backup import BACKUP
from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments, Parameter
from wormhole_server.config.sources import Loaded
from wormhole_server.version import VERSION


class CommandTests(SynchronousTestCase):
    def run_command(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        """The exit status, and what was written to stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        status = command(arguments, Terminal(environment or {}, out, err))
        return status, out.getvalue(), err.getvalue()

    def test_check(self) -> None:
        """A valid configuration is reported as valid."""
        self.assertEqual(
            self.run_command("config", "check", "--motd=hello"),
            (0, "The configuration is valid.\n", ""),
        )

    def test_check_file(self) -> None:
        """The file that was checked is named."""
        path = new_path(self)
        path.write_text("motd = 'x'")
        status, out, _ = self.run_command("config", "check", f"--config={path}")
        self.assertEqual((status, out), (0, f"The configuration in {path} is valid.\n"))

    def test_wrong(self) -> None:
        """Every problem has a line on stderr, for every command; the status is 2."""
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
                '"4001" is not a Twisted endpoint; write tcp:4001',
            )

    def test_show(self) -> None:
        """The configuration in effect is printed as TOML."""
        status, out, err = self.run_command("config", "show", "--motd=hello")
        self.assertEqual((status, err), (0, ""))
        self.assertIn('motd = "hello"  # --motd\n', out)

    def test_no_command(self) -> None:
        """A command line without a command is answered with the list of commands."""
        for words, missing in (((), "run or config"), (("config",), "check or show")):
            status, out, err = self.run_command(*words)
            self.assertEqual((status, out), (2, ""))
            self.assertIn(f"a command is missing: {missing}", err)

    def test_unknown_command(self) -> None:
        """An unknown command, and a flag before the command, are refused on one line."""
        for words, problem in (
            (("serve",), "serve: there is no such command; see"),
            (("bakup",), "bakup: there is no such command; did you mean backup?; see"),
            (
                ("config", "chek"),
                "config chek: there is no such command; did you mean config check?",
            ),
            (("--motd", "run"), "--motd: options follow the command"),
            (("help", "bakup"), "bakup: there is no such command; did you mean backup?"),
        ):
            status, out, err = self.run_command(*words)
            self.assertEqual((status, out, len(err.splitlines())), (2, "", 1))
            self.assertIn(problem, err)

    def test_parameters(self) -> None:
        """A command gets its settings and its own parameters, unless there is a problem."""
        given: list[Arguments] = []

        def run(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:
            given.append(arguments)
            return ExitStatus.OK if loaded.settings.motd == "x" else ExitStatus.FAILED

        self.patch(
            cli,
            "COMMANDS",
            (
                ServerCommand(
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
        self.assertEqual(
            self.run_command("copy", "a", "b"),
            (2, "", "wormhole-server: b: unexpected argument; see --help\n"),
        )
        self.assertEqual(given, [])

    def test_help(self) -> None:
        """The help of a command has its own parameters only; that of `run` has the settings."""
        for words in (("backup", "--help"), ("backup", "-h"), ("help", "backup")):
            status, out, err = self.run_command(*words)
            self.assertEqual((status, err), (0, ""))
            self.assertTrue(
                out.startswith(f"Usage: wormhole-server backup [options] FILE\n{BACKUP.help}\n")
            )
            self.assertIn("--force", out)
            self.assertNotIn("--nameplate-expiry", out)
            self.assertIn("wormhole-server run --help", out)
        self.assertIn("--nameplate-expiry=DURATION", self.run_command("run", "-h")[1])

    def test_overview(self) -> None:
        """Without a command the help lists all commands, or those that begin with a word."""
        for word in ("--help", "-h", "help"):
            _, out, _ = self.run_command(word)
            for each in cli.COMMANDS:
                self.assertIn(f"  {each.words} ", out)
                self.assertIn(each.help, out)
        for words in (("config", "--help"), ("help", "config")):
            status, out, _ = self.run_command(*words)
            self.assertEqual(status, 0)
            self.assertIn("  config check ", out)
            self.assertNotIn("backup", out)

    def test_version(self) -> None:
        """The version is printed with and without a command."""
        for words in ((), ("config",), ("run",), ("config", "show")):
            for flag in ("--version", "-V"):
                self.assertEqual(
                    self.run_command(*words, flag), (0, f"wormhole-server {VERSION}\n", "")
                )

    def test_main(self) -> None:
        """The console script uses the arguments of the process."""
        self.patch(sys, "argv", ["wormhole-server", "config", "chek"])
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(main(), 2)
        self.assertIn("chek", err.getvalue())
