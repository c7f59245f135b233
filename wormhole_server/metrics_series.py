"""
How a series is made: its name, its help, its labels, and that it exists from the start.

Owns none of the names. A label has a closed set of values, and every series is there before its first
event: a counter that springs into being at that event hides it from `rate()`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
