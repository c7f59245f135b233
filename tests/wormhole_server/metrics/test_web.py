"""Tests of `wormhole_server.metrics.web`."""

from __future__ import annotations

from tests.wormhole_server.metrics.support import MetricsCase


class WebMetricsTests(MetricsCase):
    def test_page_loads(self) -> None:
        """Loads of the page are counted, from the start."""
        self.assertEqual(self.value("web_page_loads_total"), 0)
        self.metrics.web.page_loaded()
        self.assertEqual(self.value("web_page_loads_total"), 1)
