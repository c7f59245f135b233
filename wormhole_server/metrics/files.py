"""
Metrics of files that are reloaded while the server runs: the configuration and certificates.

Owns these series.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from wormhole_server.lifecycle.reload import ReloadOutcome
from wormhole_server.listening.tls.reloadable_certificate import CertificateObserver
from wormhole_server.metrics.series import Series


class FileMetrics(CertificateObserver):
    """Counts reloads, and shows when the configuration was loaded and when certificates expire."""

    def __init__(self, registry: CollectorRegistry) -> None:
        configuration = Series(registry, "wormhole_configuration")
        self._reloads = configuration.by(
            "reloads",
            "Reloads of the configuration, by outcome. refused: the new configuration is invalid, and "
            "the previous one stays in effect.",
            "outcome",
            ReloadOutcome,
        )
        self._loaded = configuration.gauge(
            "loaded_timestamp_seconds",
            "When the configuration in effect was loaded, in seconds since the epoch.",
        )
        self._deny_list_reloads = configuration.by(
            "deny_list_reloads",
            "Reloads of the deny list, by outcome. refused: the new list is invalid, and the previous one "
            "stays in effect.",
            "outcome",
            ReloadOutcome,
        )
        tls = Series(registry, "wormhole_tls")
        self._certificate_reloads = tls.by(
            "certificate_reloads",
            "Reloads of certificates, by outcome. refused: the new certificate cannot be used, and the "
            "previous one stays in use.",
            "outcome",
            ReloadOutcome,
        )
        self._expiry = tls.gauge(
            "certificate_expiry_timestamp_seconds",
            "When the certificate of an ssl: endpoint expires, in seconds since the epoch. An endpoint "
            "is named after its option: rendezvous, or rendezvous-2 for the second one.",
            ["endpoint"],
        )

    def configuration_loaded(self, now: float) -> None:
        """
        Show when the configuration in effect was loaded.

        :param now: in seconds since the epoch.
        """
        self._loaded.set(now)

    def configuration_reloaded(self, outcome: ReloadOutcome) -> None:
        """Count a reload of the configuration."""
        self._reloads[outcome].inc()

    def deny_list_reloaded(self, outcome: ReloadOutcome) -> None:
        """Count a reload of the deny list."""
        self._deny_list_reloads[outcome].inc()

    def certificate_reloaded(self, outcome: ReloadOutcome) -> None:
        self._certificate_reloads[outcome].inc()

    def certificate_used(self, endpoint: str, expires: float) -> None:
        self._expiry.labels(endpoint).set(expires)
