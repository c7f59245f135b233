"""The byte counter that all links share."""

from twisted.trial.unittest import SynchronousTestCase

from transit_relay.link import Meter


class MeterTests(SynchronousTestCase):
    """`Meter`."""

    def test_batches(self) -> None:
        """Reports come when much has passed, or when asked for; each byte is in one of them."""
        counts: list[int] = []
        meter = Meter(counts.append)
        for _ in range(600):
            meter.add(1000)
        self.assertEqual(counts, [263_000, 263_000])
        meter.report()
        meter.report()
        self.assertEqual(counts, [263_000, 263_000, 74_000])
        self.assertEqual(meter.total, 600_000)

    def test_exactly_a_batch(self) -> None:
        """A batch is 256 KiB."""
        counts: list[int] = []
        meter = Meter(counts.append)
        meter.add(256 * 1024 - 1)
        self.assertEqual(counts, [])
        meter.add(1)
        self.assertEqual(counts, [256 * 1024])
