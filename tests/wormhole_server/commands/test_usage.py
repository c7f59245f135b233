"""Tests of `wormhole_server.commands.usage`."""

from __future__ import annotations

from tests.wormhole_server.commands.runs import Run, run
from tests.wormhole_server.databases import DatabaseCase, fill
from wormhole_server.commands import usage
from wormhole_server.commands.command import ExitStatus
from wormhole_server.metrics.history import DAY


class UsageTests(DatabaseCase):
    def run_command(self, *flags: str) -> Run:
        """Report the records of the test's database."""
        return run(usage.USAGE, f"--database={self.sqlite()}", *flags)

    def test_report(self) -> None:
        """The report has the last days, including today."""
        self.patch(usage, "epoch_seconds", lambda: DAY * 2.5)
        fill(self.sqlite())
        found = self.run_command("--days=3")
        self.assertEqual((found.status, found.err), (ExitStatus.OK, ""))
        self.assertIn("1970-01-01", found.out)
        self.assertEqual(
            self.run_command("--days=2").out,
            "There are no usage records for the last 2 days.\n",
        )

    def test_csv(self) -> None:
        """The report can be grouped by client, and printed as CSV."""
        self.patch(usage, "epoch_seconds", lambda: DAY * 2.5)
        fill(self.sqlite())
        found = self.run_command("--days=3", "--by=client", "--csv")
        self.assertEqual(found.out, "implementation,version,clients\npython,0.24.0,1\n")

    def test_invalid(self) -> None:
        """All invalid arguments are reported at once."""
        for days in ("0", "36501", "x"):
            found = self.run_command(f"--days={days}", "--by=moon")
            self.assertEqual((found.status, found.out), (ExitStatus.UNUSABLE, ""))
            first, second = found.err.splitlines()
            self.assertIn(f'--days: "{days}" is not a number of days', first)
            self.assertIn('--by: "moon" is not a grouping; write one of day, app, client', second)

    def test_no_database(self) -> None:
        """A report neither creates a database nor migrates it."""
        found = self.run_command()
        self.assertEqual(found.status, ExitStatus.FAILED)
        self.assertIn("there is no file", found.err)
        self.assertFalse((self.directory / "server.db").exists())
        fill(self.sqlite(), "0001")
        found = self.run_command()
        self.assertEqual(found.status, ExitStatus.FAILED)
        self.assertIn("wormhole-server migrate", found.err)
