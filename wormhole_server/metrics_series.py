"""
How a series is made: its name, its help, its labels, and that it exists from the start.

Owns none of the names. A label has a closed set of values, and every series is there before its first
event: a counter that springs into being at that event hides it from `rate()`.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

E = TypeVar("E", bound=enum.Enum)


def count_of(counter: Counter) -> int:
    """How far a counter has come."""
    return sum(
        int(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


class Series:
    """
    Makes the series of one part of the program.

    :param prefix: what their names begin with.
    """

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self._registry = registry
        self._prefix = prefix

    def counter(self, name: str, text: str) -> Counter:
        """What only grows; its series ends in `_total`."""
        return Counter(f"{self._prefix}_{name}", text, registry=self._registry)

    def by(self, name: str, text: str, label: str, values: type[E]) -> dict[E, Counter]:
        """A counter for each member of an enumeration, made once: looking labels up is slow."""
        counter = Counter(f"{self._prefix}_{name}", text, [label], registry=self._registry)
        return {value: counter.labels(value.value) for value in values}

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """What goes up and down."""
        return Gauge(f"{self._prefix}_{name}", text, labels, registry=self._registry)

    def read(self, name: str, text: str, value: Callable[[], float]) -> None:
        """What is looked up when somebody asks, and costs nothing until then."""
        self.gauge(name, text).set_function(value)

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        """How often something was how large."""
        return Histogram(f"{self._prefix}_{name}", text, buckets=buckets, registry=self._registry)

    def quick_histogram(self, name: str, text: str, buckets: Sequence[float]) -> QuickHistogram:
        """The same, for what happens at every message."""
        histogram = QuickHistogram(f"{self._prefix}_{name}", text, buckets)
        self._registry.register(histogram)
        return histogram


class QuickHistogram(Collector):
    """
    A histogram for one thread, without the locks that make others cost ten times as much.

    :param buckets: the upper bound of each but the last, which has none.
    """

    def __init__(self, name: str, text: str, buckets: Sequence[float]) -> None:
        self._name = name
        self._text = text
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Once more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """For a registry."""
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._sum)
