"""The base of tests of metrics."""

from __future__ import annotations

import enum

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.metrics.registry import Metrics


class MetricsCase(SynchronousTestCase):
    """A test with metrics."""

    def setUp(self) -> None:
        """Make metrics that have counted nothing."""
        self.metrics = Metrics("1.2.3")

    def value(self, name: str, **labels: str) -> float:
        """Return the value of a series, which has to exist."""
        value = self.metrics.registry.get_sample_value(f"wormhole_{name}", labels)
        assert value is not None, name
        return value

    def values(self, name: str, label: str, kinds: type[enum.Enum]) -> dict[enum.Enum, float]:
        """Return the series that are not zero; there has to be one for each kind."""
        found = {kind: self.value(name, **{label: kind.value}) for kind in kinds}
        return {kind: value for kind, value in found.items() if value}
