"""Tests of `wormhole_server.pages.charts`."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.pages.charts import HEIGHT, WIDTH, stacked, unknown

_BAR = re.compile(r"M(\S+) (\S+)v(\S+)h(\S+)v(\S+)z")


def bars(path: str) -> list[tuple[float, ...]]:
    """Left, bottom, width and height of each bar of a path."""
    found = [tuple(map(float, bar)) for bar in _BAR.findall(path)]
    return [(left, bottom, width, -up) for left, bottom, up, width, _ in found]


class ChartTests(SynchronousTestCase):
    def test_stacked(self) -> None:
        """Layers stand on top of each other; the highest step is as high as the chart."""
        low, high = (bars(path) for path in stacked([[1, 2], [1, 6]]))
        self.assertEqual([height for *_, height in low], [12.5, 25.0])
        self.assertEqual([height for *_, height in high], [12.5, 75.0])
        self.assertEqual([bottom for _, bottom, *_ in high], [87.5, 75.0])

    def test_little(self) -> None:
        """What is not nothing can be seen; what is nothing has no bar."""
        (path,) = stacked([[0, 1, 1000_000]])
        self.assertEqual(len(bars(path)), 2)
        self.assertGreater(bars(path)[0][3], 1.0)
        self.assertEqual(stacked([[0, 0], [0, 0]]), ["", ""])

    def test_unknown(self) -> None:
        """What is not known is a band without gaps."""
        self.assertEqual(
            bars(unknown([True, True, False, False])),
            [(0.0, HEIGHT, WIDTH / 4, HEIGHT), (WIDTH / 4, HEIGHT, WIDTH / 4, HEIGHT)],
        )

    @given(
        st.integers(1, 60).flatmap(
            lambda n: st.lists(
                st.lists(st.integers(0, 10**15), min_size=n, max_size=n), min_size=1, max_size=6
            )
        )
    )
    def test_inside(self, layers: list[list[int]]) -> None:
        """Whatever there is to show, it stays within the chart."""
        for path in stacked(layers):
            for left, bottom, width, height in bars(path):
                self.assertGreaterEqual(left, 0)
                self.assertLessEqual(left + width, WIDTH + 0.1)
                self.assertLessEqual(bottom, HEIGHT)
                self.assertGreaterEqual(bottom - height, -0.11)
