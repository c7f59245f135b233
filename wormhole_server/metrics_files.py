"""
What is counted of files that are read again while the server runs: the configuration, and certificates.

Owns these series.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from twisted.internet.interfaces import IReactorTime

from wormhole_server.metrics_series import Series
from wormhole_server.reload import Outcome


class FileMetrics:
    """The configuration, and certificates."""

    def __init__(self, registry: CollectorRegistry) -> None:
        configuration = Series(registry, "wormhole_configuration")
        self._reloads = configuration.by(
            "reloads",
            "How often the configuration was read again, by what became of it: refused means that "
            "something is wrong with it, and that what was in effect still is.",
            "outcome",
            Outcome,
        )
        self._loaded = configuration.gauge(
            "loaded_timestamp_seconds",
            "When the configuration that is in effect was read, in seconds since 1970.",
        )
        tls = Series(registry, "wormhole_tls")
        self._certificate_reloads = tls.by(
            "certificate_reloads",
            "How often certificates were read again, by what became of them: refused means that they "
            "cannot be used, and that the old ones still are.",
            "outcome",
            Outcome,
        )
        self._expiry = tls.gauge(
            "certificate_expiry_timestamp_seconds",
            "When the certificate of an ssl: endpoint expires, in seconds since 1970. The endpoint is "
            "named after its option: rendezvous, or rendezvous-2 for the second.",
            ["endpoint"],
        )

    def configuration_loaded(self, clock: IReactorTime) -> None:
        """The configuration that is in effect has just been read."""
        self._loaded.set(clock.seconds())

    def configuration_read_again(self, outcome: Outcome) -> None:
        """It was read again."""
        self._reloads[outcome].inc()

    def certificate_read_again(self, outcome: Outcome) -> None:
        """A certificate was read again."""
        self._certificate_reloads[outcome].inc()

    def certificate(self, endpoint: str, expires: float) -> None:
        """A certificate is in use from now on."""
        self._expiry.labels(endpoint).set(expires)
