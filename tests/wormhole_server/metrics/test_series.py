"""Tests of `wormhole_server.metrics.series`."""

from __future__ import annotations

import enum
import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.metrics.series import Series, count_of

BOUNDS = (0.0025, 0.5, 1.0, 30.0)


class Fruit(enum.Enum):
    """Values of a label."""

    APPLE = "apple"
    PEAR = "pear"


class SeriesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Write no `_created` series, as in a server."""
        disable_created_metrics()

    @given(st.lists(st.sampled_from(BOUNDS) | st.floats(0, 100)))
    def test_quick_histogram(self, values: list[float]) -> None:
        """The quick histogram writes exactly what the library's writes."""
        pages = []
        for make in (Series.histogram, Series.quick_histogram):
            registry = CollectorRegistry()
            histogram = make(Series(registry, "a"), "b", "Something.", BOUNDS)
            for value in values:
                histogram.observe(value)
            pages.append(generate_latest(registry))
        self.assertEqual(*pages)

    @given(st.lists(st.sampled_from(Fruit)))
    def test_quick_by(self, eaten: list[Fruit]) -> None:
        """Quick counters write exactly what the library's write."""
        plain, quick = CollectorRegistry(), CollectorRegistry()
        counters = Series(plain, "a").by("b", "Something.", "fruit", Fruit)
        counts = Series(quick, "a").quick_by("b", "Something.", "fruit", Fruit)
        for fruit in eaten:
            counters[fruit].inc()
            counts[fruit] += 1
        self.assertEqual(generate_latest(quick), generate_latest(plain))

    def test_count(self) -> None:
        """A counter can be read."""
        counter = Series(CollectorRegistry(), "a").counter("b", "Something.")
        self.assertEqual(count_of(counter), 0)
        counter.inc(1 << 50)
        self.assertEqual(count_of(counter), 1 << 50)

    def test_read(self) -> None:
        """A gauge with a function calls it for each page."""
        registry = CollectorRegistry()
        values = [1.0, math.inf]
        Series(registry, "a").read("b", "Something.", lambda: values.pop(0))
        self.assertEqual(registry.get_sample_value("a_b"), 1.0)
        self.assertEqual(registry.get_sample_value("a_b"), math.inf)
