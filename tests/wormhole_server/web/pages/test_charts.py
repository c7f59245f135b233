"""Tests of `wormhole_server.web.pages.charts`."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.template import flattenString

from wormhole_server.web.pages.charts import (
    HEIGHT,
    WIDTH,
    Axis,
    Chart,
    Layer,
    count_axis,
    size_axis,
    stacked_paths,
    unknown_path,
)

_BAR = re.compile(r"M(\S+) (\S+)v(\S+)h(\S+)v(\S+)z")


def bars(path: str) -> list[tuple[float, ...]]:
    """Return left, bottom, width and height of each bar of a path."""
    found = [tuple(map(float, bar)) for bar in _BAR.findall(path)]
    return [(left, bottom, width, -up) for left, bottom, up, width, _ in found]


class ChartTests(SynchronousTestCase):
    def test_stacked(self) -> None:
        """Layers stand on top of each other, as high as the axis says."""
        low, high = (bars(path) for path in stacked_paths([[1, 2], [1, 6]], 8))
        self.assertEqual([height for *_, height in low], [12.5, 25.0])
        self.assertEqual([height for *_, height in high], [12.5, 75.0])
        self.assertEqual([bottom for _, bottom, *_ in high], [87.5, 75.0])

    def test_little(self) -> None:
        """The smallest value can be seen; 0 has no bar."""
        (path,) = stacked_paths([[0, 1, 1000_000]], 1000_000)
        self.assertEqual(len(bars(path)), 2)
        self.assertGreater(bars(path)[0][3], 1.0)
        self.assertEqual(stacked_paths([[0, 0], [0, 0]], 0), ["", ""])

    def test_unknown(self) -> None:
        """Unknown steps have a thin band without gaps at the bottom."""
        self.assertEqual(
            bars(unknown_path([True, True, False, False])),
            [(0.0, HEIGHT, WIDTH / 4, 3.0), (WIDTH / 4, HEIGHT, WIDTH / 4, 3.0)],
        )

    def test_axes(self) -> None:
        """The top of an axis is a round number not far above the highest bar, and so is its middle."""
        counts = {
            0: 0,
            1: 2,
            2: 2,
            3: 4,
            6: 6,
            9: 10,
            10: 10,
            11: 20,
            41: 60,
            95: 100,
            1_700: 2_000,
        }
        for most, top in counts.items():
            self.assertEqual(count_axis(most, str), Axis(top, (str(top), str(top // 2))))
        for most, top in {0: 0, 1: 1, 3: 4, 1024: 1024, 1025: 2048, 5 << 30: 8 << 30}.items():
            self.assertEqual(size_axis(most, str), Axis(top, (str(top), str(top // 2))))

    @given(
        st.integers(1, 60).flatmap(
            lambda n: st.lists(
                st.lists(st.integers(0, 10**15), min_size=n, max_size=n), min_size=1, max_size=6
            )
        )
    )
    def test_inside(self, layers: list[list[int]]) -> None:
        """Bars stay within the chart, whatever the values."""
        most = max(map(sum, zip(*layers, strict=True)))
        for axis in (count_axis(most, str), size_axis(most, str)):
            self.assertGreaterEqual(axis.top, most)
        for path in stacked_paths(layers, most):
            for left, bottom, width, height in bars(path):
                self.assertGreaterEqual(left, 0)
                self.assertLessEqual(left + width, WIDTH + 0.1)
                self.assertLessEqual(bottom, HEIGHT)
                self.assertGreaterEqual(bottom - height, -0.11)

    def test_element(self) -> None:
        """A chart has a path for each colour that has bars, and one for unknown steps."""
        layers = [Layer("happy", [None, 1]), Layer("scary", [None, 0])]
        times = ("an hour ago", "30 minutes ago")
        axis = count_axis(1, str)
        chart = Chart("Exchanges", "at most 1", "1 in total", times, axis, layers)
        svg = self.successResultOf(flattenString(None, chart)).decode()
        classes = re.findall('<path [^>]*class="([a-z]+)"', svg)
        self.assertEqual(classes, ["lines", "unknown", "happy"])
        for text in ("Exchanges", "at most 1", *times, 'aria-label="1 in total"', *axis.labels):
            self.assertIn(text, svg)
