"""Tests of `wormhole_server.gates`."""

from __future__ import annotations

from typing import Any

import attrs
from prometheus_client import CollectorRegistry
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.arrivals import Connection, Host
from wormhole_server.admission import Entrance
from wormhole_server.durations import Seconds
from wormhole_server.gates import Gates
from wormhole_server.metrics_connections import ConnectionMetrics
from wormhole_server.proxies.trust import parse_trusted_proxy
from wormhole_server.settings import Settings

HEADER = b"PROXY TCP4 203.0.113.5 10.0.0.1 999 4001\r\n"


class Hosts(Factory):
    """What stands behind a gate."""

    def buildProtocol(self, addr: object) -> Host:
        """For whoever comes."""
        return Host(addr)


class GatesTests(SynchronousTestCase):
    def gates(self, available: int | None = 1000, **settings: Any) -> Gates:
        """The gates of a server with such settings, and what their metrics say."""
        self.settings = attrs.evolve(Settings(), **settings)
        self.registry = CollectorRegistry()
        metrics = ConnectionMetrics(self.registry)
        return Gates(self.settings, Clock(), metrics, available)

    def value(self, name: str, **labels: str) -> float | None:
        """Of a series."""
        return self.registry.get_sample_value(f"wormhole_process_{name}", labels)

    def test_one_count(self) -> None:
        """Rendezvous and relay are counted together, and refused each by its name."""
        gates = self.gates(connection_limit=2)
        web = gates.before(Hosts(), Entrance.RENDEZVOUS)
        relay = gates.before(Hosts(), Entrance.TRANSIT)
        for gate in (web, relay, relay):
            Connection(gate)
        self.assertEqual(self.value("connections"), 2)
        self.assertEqual(self.value("connection_limit"), 2)
        refused = {
            entrance: self.value("refused_connections_total", entrance=entrance, reason="full")
            for entrance in ("rendezvous", "transit")
        }
        self.assertEqual(refused, {"rendezvous": 0, "transit": 1})

    def test_change(self) -> None:
        """Other settings hold for who comes next."""
        gates = self.gates(connection_limit=None)
        gate = gates.before(Hosts(), Entrance.RENDEZVOUS)
        self.assertEqual(self.value("connection_limit"), float("inf"))
        Connection(gate)
        before = Connection(gate, "10.0.0.1")
        gates.change(
            attrs.evolve(
                self.settings,
                connections_per_address=1,
                connection_limit=5,
                trusted_proxy=(parse_trusted_proxy("10.0.0.1"),),
                proxy_header_timeout=Seconds(1),
            )
        )
        self.assertEqual(self.value("connection_limit"), 5)
        self.assertNotIsInstance(Connection(gate).protocol, Host)
        before.send(HEADER)
        self.assertEqual(before.protocol.data, HEADER)
        after = Connection(gate, "10.0.0.1")
        after.send(HEADER)
        self.assertEqual(after.protocol.address.address.host, "203.0.113.5")

    def test_more_than_there_are(self) -> None:
        """A limit above what the descriptors allow is not taken at its word, and the log says so."""
        with capturedLogs() as said:
            self.gates(connection_limit=2000)
        self.assertEqual(self.value("connection_limit"), 840)
        self.assertIn("2000 are more than the 1000 file descriptors", formatEvent(said[0]))
