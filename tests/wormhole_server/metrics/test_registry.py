"""Tests of `wormhole_server.metrics.registry`."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from rendezvous.protocol.moods import Mood, Retired
from tests.wormhole_server.metrics.support import MetricsCase
from tests.wormhole_server.records import HAPPY
from wormhole_limits.bounds import Bound
from wormhole_server.metrics.history import Tally
from wormhole_server.metrics.registry import Metrics


class MetricsTests(MetricsCase):
    def test_names(self) -> None:
        """Every series has a name of ours and a help text that is a sentence."""
        for family in text_string_to_metric_families(
            generate_latest(self.metrics.registry).decode()
        ):
            self.assertRegex(
                family.name, "^wormhole_(rendezvous|relay|web|process|configuration|tls)_"
            )
            self.assertTrue(family.documentation.endswith("."), family.name)
            self.assertFalse(family.name.endswith("_created"), family.name)

    def test_two_servers(self) -> None:
        """The metrics of two servers in one process are separate."""
        Metrics("1.2.3").rendezvous.connected()
        self.assertEqual(self.value("rendezvous_connected_clients"), 0)

    def test_tally(self) -> None:
        """The tally of the status page has what both servers have counted."""
        self.metrics.rendezvous.retired(Retired(mailbox=Mood.HAPPY))
        self.metrics.relay.finished(HAPPY)
        self.metrics.relay.relayed(5)
        self.metrics.bounds.bound_met(Bound.DISK, 0)
        expected = Tally() + Tally({Mood.HAPPY: 1}, 1, 5, {Bound.DISK: 1})
        self.assertEqual(self.metrics.tally(), expected)
