"""
Series: the kinds of series that the metrics are made of, each with its name, help text and labels.

Owns none of the names. A label has a closed set of values, and every series exists before its first event: a
counter that appears with that event hides it from `rate()`.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

E = TypeVar("E", bound=enum.Enum)


def count_of(counter: Counter) -> int:
    """Return the value of a counter."""
    return sum(
        int(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


class Series:
    """
    Creates the series of one part of the program.

    :param prefix: the beginning of their names, without the last underscore.
    """

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self._registry = registry
        self._prefix = prefix

    def counter(self, name: str, text: str) -> Counter:
        """Create a counter; its series ends in `_total`."""
        return Counter(f"{self._prefix}_{name}", text, registry=self._registry)

    def by(self, name: str, text: str, label: str, values: type[E]) -> dict[E, Counter]:
        """Create a counter for each member of an enumeration, once: looking labels up is slow."""
        counter = Counter(f"{self._prefix}_{name}", text, [label], registry=self._registry)
        return {value: counter.labels(value.value) for value in values}

    def quick_by(self, name: str, text: str, label: str, values: type[E]) -> dict[E, int]:
        """Create the same for events that come with every message: plain numbers, for one thread."""
        counts = dict.fromkeys(values, 0)
        self._registry.register(_QuickCounters(f"{self._prefix}_{name}", text, label, counts))
        return counts

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """Create a gauge, which goes up and down."""
        return Gauge(f"{self._prefix}_{name}", text, labels, registry=self._registry)

    def read(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Create a gauge whose value is read when the page is requested."""
        self.gauge(name, text).set_function(value)

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        """Create a histogram."""
        return Histogram(f"{self._prefix}_{name}", text, buckets=buckets, registry=self._registry)

    def quick_histogram(self, name: str, text: str, buckets: Sequence[float]) -> QuickHistogram:
        """Create a histogram for events that come with every message."""
        histogram = QuickHistogram(f"{self._prefix}_{name}", text, buckets)
        self._registry.register(histogram)
        return histogram


class _QuickCounters(Collector, Generic[E]):
    """Shows numbers that others count."""

    def __init__(self, name: str, text: str, label: str, counts: Mapping[E, int]) -> None:
        self._new_family = partial(CounterMetricFamily, name, text, labels=[label])
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the series, when the page is requested."""
        family = self._new_family()
        for value, count in self._counts.items():
            family.add_metric([value.value], count)
        yield family


class QuickHistogram(Collector):
    """
    A histogram for one thread, without the locks that make others cost ten times as much.

    :param buckets: the upper bound of each bucket but the last, which has none.
    """

    def __init__(self, name: str, text: str, buckets: Sequence[float]) -> None:
        self._name = name
        self._text = text
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Add a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the series, when the page is requested."""
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._sum)
