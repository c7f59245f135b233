"""Tests of `wormhole_server.usage.report.tables`."""

from __future__ import annotations

import csv
import io

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.protocol.moods import Mood
from wormhole_server.usage.report.statistics import Grouping, UsageStatistics
from wormhole_server.usage.report.tables import as_csv, as_table


class TableTests(SynchronousTestCase):
    def test_days(self) -> None:
        """Days without any use are there as well; sizes and durations are for people."""
        busy = UsageStatistics(nameplates=1234, relay_bytes=3 << 29, relay_pairs=1)
        busy.moods[Mood.HAPPY] = 2
        busy.seconds.update({5: 1, 7200: 1})
        lines = list(as_table({(0,): busy, (2,): UsageStatistics()}, Grouping.DAY))
        self.assertEqual(
            [line.split()[0] for line in lines],
            ["day", "1970-01-01", "1970-01-02", "1970-01-03", "all"],
        )
        self.assertRegex(lines[1], r"1,234 .* 5 s +2\.0 h .* 1\.5 GiB$")
        self.assertRegex(lines[2], r" - +- .* 0 B$")
        self.assertRegex(lines[4], r"1,234 .* 1\.5 GiB$")

    def test_csv(self) -> None:
        """Programs get plain numbers, and nothing where there is none."""
        [head, day] = csv.reader(
            io.StringIO(as_csv({(19000,): UsageStatistics(relay_bytes=5)}, Grouping.DAY))
        )
        record = dict(zip(head, day, strict=True))
        self.assertEqual(record["day"], "2022-01-08")
        self.assertEqual(record["relay_bytes"], "5")
        self.assertEqual(record["median_seconds"], "")

    def test_names(self) -> None:
        """What clients call themselves neither commands a terminal nor is a formula."""
        groups = {("=1+1", "\x1b[2J" + "x" * 100): UsageStatistics(clients=1)}
        [_, line, _] = as_table(groups, Grouping.CLIENT)
        self.assertIn("\\u001b[2Jx", line)
        self.assertLess(len(line), 120)
        self.assertIn("\n'=1+1,\\u001b", as_csv(groups, Grouping.CLIENT))

    def test_many(self) -> None:
        """The most used come first; a table stays readable, its sum is of all, and CSV has all."""
        groups = {
            ("name", str(number)): UsageStatistics(clients=number) for number in range(1, 151)
        }
        lines = list(as_table(groups, Grouping.CLIENT))
        self.assertEqual(len(lines), 103)
        self.assertIn("150", lines[1])
        self.assertRegex(lines[-2], "^all +11,325$")
        self.assertIn("50 more", lines[-1])
        self.assertEqual(as_csv(groups, Grouping.CLIENT).count("\n"), 151)
