"""Tests of `wormhole_server.web.pages.sources`."""

from __future__ import annotations

from typing import Any, cast

import attrs

from rendezvous.connections.websocket import RendezvousFactory
from rendezvous.database import open_engine
from rendezvous.ledger.ledger import Ledger
from tests.rendezvous.fakes import Reactor
from tests.rendezvous.servers import make_rendezvous
from tests.schedulers import make_scheduler
from tests.transit_relay.fakes import FakeRelayTransport, make_relay
from tests.wormhole_server.browser import fetch
from tests.wormhole_server.databases import DatabaseCase, fill
from tests.wormhole_server.web.pages.support import public_addresses
from wormhole_server.metrics.registry import Metrics
from wormhole_server.version import VERSION
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.pages.home import Home
from wormhole_server.web.pages.service import PagesSource
from wormhole_server.web.pages.snapshot import CurrentConnections
from wormhole_server.web.pages.sources import LivePagesSource


class LivePagesSourceTests(DatabaseCase):
    def setUp(self) -> None:
        """Make the parts of a server, with rows in its database."""
        super().setUp()
        fill(self.sqlite())
        self.reactor = Reactor()
        self.metrics = Metrics(VERSION)
        engine = open_engine(self.sqlite())
        self.addCleanup(engine.dispose)
        self.rendezvous = make_rendezvous(
            self.reactor, Ledger(make_scheduler(self.reactor)), self.metrics.rendezvous
        )
        self.relay = make_relay(self.reactor, self.metrics.relay)
        self.source = LivePagesSource(
            reactor=cast(Any, self.reactor),
            engine=engine,
            public_addresses=public_addresses(),
            rendezvous=self.rendezvous,
            clients=RendezvousFactory(
                self.rendezvous,
                max_message_bytes=1000,
                open_handshake_seconds=10.0,
                allowed_origins=("*",),
                options={},
            ),
            relay=self.relay,
            metrics=self.metrics,
            several_instances=True,
            version=VERSION,
        )

    def test_source(self) -> None:
        """It has everything that the pages show."""
        source: PagesSource = self.source
        self.assertEqual((source.version, source.several_instances), (VERSION, True))

    def test_addresses(self) -> None:
        """The addresses are those of the request."""
        site = PrivateSite(
            "Test",
            make_scheduler(self.reactor),
            Home(self.source, commands=True, status=False),
            10.0,
        )
        _, _, body = fetch(site, "/", headers="Accept: text/plain\r\n")
        self.assertIn("--relay-url=ws://x/v1 --transit-helper=tcp:x:4001", body)

    def test_welcome(self) -> None:
        """The welcome is the one that clients get now."""
        self.rendezvous.welcome = attrs.evolve(self.rendezvous.welcome, motd="moved")
        self.assertEqual(self.source.welcome().motd, "moved")

    def test_connections(self) -> None:
        """Pairs of the relay are counted, not their connections."""
        self.assertEqual(self.source.connections(), CurrentConnections(0, 0, 0))
        handshakes = ("1" * 16, "2" * 16, None)
        for number, side in enumerate(handshakes):
            token = ("a" if side else "b") * 64
            line = f"please relay {token} for side {side or '3' * 16}\n"
            connection = self.relay.add_connection(FakeRelayTransport())
            connection.receive(line.encode())
            waiting, pairs = ((1, 0), (0, 1), (1, 1))[number]
            self.assertEqual(self.source.connections(), CurrentConnections(0, waiting, pairs))

    def test_tally(self) -> None:
        """The tally is what the metrics have counted."""
        self.metrics.relay.relayed(5)
        self.assertEqual(self.source.tally().relayed, 5)

    def test_read_days(self) -> None:
        """Days are read from the records, from the day that is asked for on."""
        self.assertEqual(self.reactor.result(self.source.read_days(0))[0].relayed, 9_000_000_000)
        self.assertEqual(self.reactor.result(self.source.read_days(1)), {})
