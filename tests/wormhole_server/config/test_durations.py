"""Tests of `wormhole_server.config.durations`."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.durations import (
    LARGEST_TRAFFIC,
    Bytes,
    Seconds,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


class DurationTests(SynchronousTestCase):
    def test_units(self) -> None:
        """A number without a unit is in seconds; a unit multiplies it."""
        for raw, seconds in (
            (90, 90),
            (1.5, 1.5),
            ("90", 90),
            ("90s", 90),
            (" 2 m ", 120),
            ("1.5h", 5400),
            ("90d", 90 * 86400),
        ):
            self.assertEqual(parse_duration(raw), seconds)

    def test_refused(self) -> None:
        """A value without a number, or with an unknown unit, is refused with an example."""
        for raw in ("", "h", "1w", "-1", -1, True, None, [1], "1e3", float("nan"), "1h30m", "٣"):
            with self.assertRaisesRegex(ValueError, 'such as "90s" or "1h"'):
                parse_duration(raw)

    def test_too_long(self) -> None:
        """A duration that would overflow a timer is refused."""
        with self.assertRaisesRegex(ValueError, "a hundred years"):
            parse_duration("36501d")

    def test_shortest(self) -> None:
        """A duration is written in the largest unit that divides it."""
        for seconds, text in ((3600, "1h"), (86400, "1d"), (90, "90s"), (0.25, "0.25s"), (0, "0s")):
            self.assertEqual(format_duration(Seconds(seconds)), text)

    @given(st.integers(0, 10**9) | st.floats(1e-9, 1e6).map(lambda value: round(value, 9)))
    def test_round_trip(self, seconds: float) -> None:
        """A value is read back unchanged from its text."""
        self.assertEqual(parse_duration(format_duration(Seconds(seconds))), seconds)

    @given(st.text() | st.integers() | st.floats() | st.none() | st.booleans())
    def test_anything(self, raw: object) -> None:
        """Every value is a duration of at least 0, or raises ValueError."""
        try:
            seconds = parse_duration(raw)
        except ValueError:
            return
        self.assertGreaterEqual(seconds, 0)


class SizeTests(SynchronousTestCase):
    def test_units(self) -> None:
        """A number without a unit is in bytes; the units are powers of 1024."""
        for raw, size in (
            (5, 5),
            ("5B", 5),
            ("256KiB", 262144),
            ("4MiB", 4194304),
            ("1.5KiB", 1536),
            ("1GiB", 1 << 30),
            ("0.5TiB", 1 << 39),
        ):
            self.assertEqual(parse_size(raw), size)

    def test_refused(self) -> None:
        """Ambiguous units such as MB are refused, like everything else that is not a size."""
        for raw in ("4MB", "4k", "", -1, True, None):
            with self.assertRaisesRegex(ValueError, 'such as "256KiB"'):
                parse_size(raw)

    def test_not_whole(self) -> None:
        """A size is a whole number of bytes, up to a tebibyte unless more is permitted."""
        for raw in (0.5, "1.0001KiB", "1025GiB"):
            with self.assertRaisesRegex(ValueError, "a whole number of bytes up to 1TiB"):
                parse_size(raw)
        self.assertEqual(parse_size("1025GiB", LARGEST_TRAFFIC), 1025 << 30)
        with self.assertRaisesRegex(ValueError, "a whole number of bytes up to 8192TiB"):
            parse_size("8193TiB", LARGEST_TRAFFIC)

    @given(st.integers(0, LARGEST_TRAFFIC))
    @example(LARGEST_TRAFFIC - 1)
    def test_round_trip(self, size: int) -> None:
        """A value is read back unchanged from its text."""
        self.assertEqual(parse_size(format_size(Bytes(size)), LARGEST_TRAFFIC), size)
