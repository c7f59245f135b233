"""Tests of `wormhole_server.metrics.files`."""

from __future__ import annotations

from tests.wormhole_server.metrics.support import MetricsCase
from wormhole_server.lifecycle.reload import ReloadOutcome


class FileMetricsTests(MetricsCase):
    def test_configuration(self) -> None:
        """Reloads are counted by outcome; the time of the last load is shown."""
        files = self.metrics.files
        files.configuration_loaded(1234.0)
        files.configuration_reloaded(ReloadOutcome.REFUSED)
        self.assertEqual(
            self.values("configuration_reloads_total", "outcome", ReloadOutcome),
            {ReloadOutcome.REFUSED: 1},
        )
        self.assertEqual(self.value("configuration_loaded_timestamp_seconds"), 1234.0)

    def test_deny_list(self) -> None:
        """Reloads of the deny list are counted by outcome."""
        self.metrics.files.deny_list_reloaded(ReloadOutcome.REFUSED)
        self.assertEqual(
            self.values("configuration_deny_list_reloads_total", "outcome", ReloadOutcome),
            {ReloadOutcome.REFUSED: 1},
        )

    def test_certificates(self) -> None:
        """Reloads are counted by outcome; the expiry of each certificate is shown."""
        files = self.metrics.files
        files.certificate_used("rendezvous", 99.0)
        files.certificate_reloaded(ReloadOutcome.OK)
        self.assertEqual(
            self.value("tls_certificate_expiry_timestamp_seconds", endpoint="rendezvous"), 99.0
        )
        self.assertEqual(
            self.values("tls_certificate_reloads_total", "outcome", ReloadOutcome),
            {ReloadOutcome.OK: 1},
        )
