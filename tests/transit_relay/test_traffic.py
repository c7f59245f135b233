"""The traffic of a month, by the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from transit_relay.traffic import MonthlyTraffic


def seconds(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


class MonthlyTrafficTests(SynchronousTestCase):
    """`MonthlyTraffic`."""

    def setUp(self) -> None:
        self.now = seconds(2026, 11, 30, 23, 59)
        self.traffic = MonthlyTraffic(lambda: self.now, 3)

    def test_sums(self) -> None:
        """Bytes are summed in all and by address; those of clients without an address only in all."""
        for block, byte_count in ((7, 10), (8, 20), (7, 30), (0, 40)):
            self.traffic.add(block, byte_count)
        self.traffic.restore(1000)
        self.assertEqual(self.traffic.total, 1100)
        self.assertEqual([self.traffic.of_address(block) for block in (7, 8, 9, 0)], [40, 20, 0, 0])

    def test_next_month(self) -> None:
        """With each month all sums begin anew."""
        self.traffic.add(7, 10)
        self.now = seconds(2026, 12, 1)
        self.assertEqual((self.traffic.total, self.traffic.of_address(7)), (0, 0))
        self.traffic.add(7, 1)
        self.now = seconds(2027, 12, 1)
        self.assertEqual(self.traffic.of_address(7), 0)

    def test_month_start(self) -> None:
        """A month begins at midnight, UTC."""
        self.assertEqual(self.traffic.month_start(), seconds(2026, 11, 1))

    def test_room(self) -> None:
        """Of too many addresses the one that has sent nothing for longest is forgotten."""
        for block in (1, 2, 3, 1, 4):
            self.traffic.add(block, 1)
        self.assertEqual([self.traffic.of_address(block) for block in (1, 2, 3, 4)], [2, 0, 1, 1])
