"""Tests of `wormhole_server.web.pages.formatting`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.protocol.moods import Mood
from wormhole_server.web.pages.formatting import OUTCOMES, duration, moment, number, share, size


def plain(text: str) -> str:
    """Return a text with ordinary spaces."""
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


class FormattingTests(SynchronousTestCase):
    def test_number(self) -> None:
        """Digits are grouped in threes."""
        for value, text in ((0, "0"), (999, "999"), (1234567, "1 234 567")):
            self.assertEqual(plain(number(value)), text)

    def test_size(self) -> None:
        """A size has two significant digits and a unit."""
        for value, text in (
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10_239, "10 KiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 40, "5.0 TiB"),
            (1 << 70, "1048576 PiB"),
        ):
            self.assertEqual(plain(size(value)), text)

    def test_duration(self) -> None:
        """A time is written in its two largest units."""
        for seconds, text in (
            (0, "0 seconds"),
            (1, "1 second"),
            (61, "1 minute 1 second"),
            (3600, "1 hour"),
            (3605, "1 hour"),
            (90_061, "1 day 1 hour"),
            (300 * 86400 + 59, "300 days"),
        ):
            self.assertEqual(plain(duration(seconds)), text)

    def test_others(self) -> None:
        """Shares are in percent, moments in UTC, and every outcome has a word."""
        self.assertEqual(plain(share(1, 3)), "33 %")
        self.assertEqual(plain(moment(1_775_463_240.0)), "2026-04-06 08:14 UTC")
        self.assertEqual(set(OUTCOMES), set(Mood))
