"""Tests of `wormhole_server.usage_report` and its command, on both databases."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

from rendezvous.database import open_engine
from rendezvous.moods import Mood
from tests.wormhole_server.filled import DatabaseCase, fill
from wormhole_server.cli import command
from wormhole_server.commands import usage as usage_command
from wormhole_server.commands.command import Terminal
from wormhole_server.existing import reading
from wormhole_server.usage_report.figures import By, Figures, figures
from wormhole_server.usage_report.tables import as_csv, as_table

DAY = 86400


class FigureTests(DatabaseCase):
    """What records come to."""

    def figures(self, url: URL, by: By, since: float = 0.0) -> Mapping[Any, Figures]:
        """As a report would have them."""
        with reading(url) as connection:
            return figures(connection, by, since)

    def add(self, url: URL) -> None:
        """Some records on the first and second day of the epoch."""
        fill(url)
        engine = open_engine(url)
        with engine.begin() as connection:
            for app, started, total, mood in (
                ("app", DAY - 0.5, 10.9, "happy"),
                ("app", DAY, 20.5, "happy"),
                ("other", DAY + 1, 30.0, "happy"),
                ("other", DAY + 2, 86400.0, "pruney"),
            ):
                connection.exec_driver_sql(
                    "INSERT INTO mailbox_usage (app, started, waiting_seconds, total_seconds, mood, "
                    f"nameplate) VALUES ('{app}', {started}, NULL, {total}, '{mood}', true)"
                )
            for waiting, mood, size in (
                ("2.0", "jilted", 5),
                ("2.0", "happy", 7),
                ("NULL", "lonely", 0),
            ):
                connection.exec_driver_sql(
                    'INSERT INTO relay_usage ("end", started, waiting_seconds, total_seconds, mood, '
                    f"bytes) VALUES ('tcp', {DAY}, {waiting}, 1.0, '{mood}', {size})"
                )
            for version in ("0.24.0", "0.23.0"):
                connection.exec_driver_sql(
                    "INSERT INTO client_usage (app, started, implementation, version) "
                    f"VALUES ('other', {DAY}, 'python', '{version}')"
                )
        engine.dispose()

    def test_by_day(self) -> None:
        """A day is one of UTC; a pair of the relay is counted once, its bytes of both ways."""
        for url in (self.sqlite(), self.postgres()):
            self.add(url)
            found = self.figures(url, By.DAY)
            self.assertEqual(set(found), {(0,), (1,)})
            first, second = found[(0,)], found[(1,)]
            self.assertEqual((first.nameplates, first.mailboxes, first.clients), (1, 2, 1))
            self.assertEqual(second.moods, {Mood.HAPPY: 2, Mood.PRUNEY: 1})
            self.assertEqual(
                (second.relay_connections, second.relay_pairs, second.relay_bytes), (3, 1, 12)
            )
            self.assertEqual((second.quantile(0.5), second.quantile(0.9)), (20, 30))
            self.assertEqual((first.relay_pairs, first.relay_bytes), (1, 9_000_000_000))

    def test_by_app(self) -> None:
        """Apps have mailboxes and clients; the relay knows no apps."""
        for url in (self.sqlite(), self.postgres()):
            self.add(url)
            found = self.figures(url, By.APP)
            self.assertEqual(set(found), {("app",), ("other",)})
            self.assertEqual(found["app",].moods, {Mood.HAPPY: 3})
            self.assertEqual(found["other",].clients, 2)
            self.assertEqual(found["other",].relay_connections, 0)

    def test_by_client(self) -> None:
        """Each version of each program."""
        for url in (self.sqlite(), self.postgres()):
            self.add(url)
            found = self.figures(url, By.CLIENT)
            self.assertEqual(
                {key: each.clients for key, each in found.items()},
                {("python", "0.24.0"): 2, ("python", "0.23.0"): 1},
            )

    def test_since(self) -> None:
        """What began before is left out."""
        self.add(self.sqlite())
        self.assertEqual(set(self.figures(self.sqlite(), By.DAY, DAY)), {(1,)})

    def test_nothing_happy(self) -> None:
        """Without a happy mailbox there is no duration to tell."""
        self.assertIsNone(Figures().quantile(0.5))


class TableTests(DatabaseCase):
    """How figures are written."""

    def test_days(self) -> None:
        """Days without any use are there as well; sizes and durations are for people."""
        busy = Figures(nameplates=1234, relay_bytes=3 << 29, relay_pairs=1)
        busy.moods[Mood.HAPPY] = 2
        busy.seconds.update({5: 1, 7200: 1})
        lines = list(as_table({(0,): busy, (2,): Figures()}, By.DAY))
        self.assertEqual(
            [line.split()[0] for line in lines],
            ["day", "1970-01-01", "1970-01-02", "1970-01-03", "all"],
        )
        self.assertRegex(lines[1], r"1,234 .* 5 s +2\.0 h .* 1\.5 GiB$")
        self.assertRegex(lines[2], r" - +- .* 0 B$")
        self.assertRegex(lines[4], r"1,234 .* 1\.5 GiB$")

    def test_csv(self) -> None:
        """Programs get plain numbers, and nothing where there is none."""
        [head, day] = csv.reader(io.StringIO(as_csv({(19000,): Figures(relay_bytes=5)}, By.DAY)))
        record = dict(zip(head, day, strict=True))
        self.assertEqual(record["day"], "2022-01-08")
        self.assertEqual(record["relay_bytes"], "5")
        self.assertEqual(record["median_seconds"], "")

    def test_names(self) -> None:
        """What clients call themselves neither commands a terminal nor is a formula."""
        groups = {("=1+1", "\x1b[2J" + "x" * 100): Figures(clients=1)}
        [_, line, _] = as_table(groups, By.CLIENT)
        self.assertIn("\\u001b[2Jx", line)
        self.assertLess(len(line), 120)
        self.assertIn("\n'=1+1,\\u001b", as_csv(groups, By.CLIENT))

    def test_many(self) -> None:
        """The most used come first; a table stays readable, its sum is of all, and CSV has all."""
        groups = {("name", str(number)): Figures(clients=number) for number in range(1, 151)}
        lines = list(as_table(groups, By.CLIENT))
        self.assertEqual(len(lines), 103)
        self.assertIn("150", lines[1])
        self.assertRegex(lines[-2], "^all +11,325$")
        self.assertIn("50 more", lines[-1])
        self.assertEqual(as_csv(groups, By.CLIENT).count("\n"), 151)


class CommandTests(DatabaseCase):
    """`wormhole-server usage`."""

    def run_command(self, *flags: str) -> tuple[int, str, str]:
        """The exit status, and what was written to stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        words = ["usage", f"--database={self.sqlite()}", *flags]
        return command(words, Terminal({}, out, err)), out.getvalue(), err.getvalue()

    def test_report(self) -> None:
        """The days asked for, with today among them."""
        self.patch(usage_command, "epoch_seconds", lambda: DAY * 2.5)
        fill(self.sqlite())
        status, out, _ = self.run_command("--days=3")
        self.assertEqual(status, 0)
        self.assertIn("1970-01-01", out)
        self.assertIn("no usage records of the last 2 days", self.run_command("--days=2")[1])
        status, out, _ = self.run_command("--days=3", "--by=client", "--csv")
        self.assertEqual(out, "implementation,version,clients\npython,0.24.0,1\n")

    def test_wrong(self) -> None:
        """What cannot be asked for is told, all at once."""
        status, _, err = self.run_command("--days=0", "--by=moon")
        self.assertEqual((status, len(err.splitlines())), (2, 2))

    def test_no_database(self) -> None:
        """A report makes no database, nor brings one up to date."""
        status, _, err = self.run_command()
        self.assertEqual(status, 1)
        self.assertIn("there is no file", err)
        self.assertFalse((self.directory / "server.db").exists())
        fill(self.sqlite(), "0001")
        status, _, err = self.run_command()
        self.assertEqual(status, 1)
        self.assertIn("wormhole-server migrate", err)
