"""Tests of `wormhole_server.metrics_series`."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.metrics_series import Series, count_of

BOUNDS = (0.0025, 0.5, 1.0, 30.0)


class SeriesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """As in a server."""
        disable_created_metrics()

    @given(st.lists(st.sampled_from(BOUNDS) | st.floats(0, 100)))
    def test_quick_histogram(self, values: list[float]) -> None:
        """The quick histogram says to the letter what that of the library says."""
        pages = []
        for make in (Series.histogram, Series.quick_histogram):
            registry = CollectorRegistry()
            histogram = make(Series(registry, "a"), "b", "Something.", BOUNDS)
            for value in values:
                histogram.observe(value)
            pages.append(generate_latest(registry))
        self.assertEqual(*pages)

    def test_count(self) -> None:
        """A counter can be read."""
        counter = Series(CollectorRegistry(), "a").counter("b", "Something.")
        self.assertEqual(count_of(counter), 0)
        counter.inc(1 << 50)
        self.assertEqual(count_of(counter), 1 << 50)

    def test_read(self) -> None:
        """What is looked up is looked up each time."""
        registry = CollectorRegistry()
        values = [1.0, math.inf]
        Series(registry, "a").read("b", "Something.", lambda: values.pop(0))
        self.assertEqual(registry.get_sample_value("a_b"), 1.0)
        self.assertEqual(registry.get_sample_value("a_b"), math.inf)
