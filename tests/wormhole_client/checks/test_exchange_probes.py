"""Tests of the exchange probes, with a server in memory."""

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, Said, World
from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.checks.exchange_probes import (
    CLOSE_SECONDS,
    IdleClient,
    exchange_messages,
    reconnect_in_exchange,
)
from wormhole_client.errors import ServerConnectionError, WormholeError
from wormhole_client.network.link import Dial, LinkOwner, ServerLink


@attrs.frozen
class FakeTarget(ProbeTarget):
    """A server in memory."""

    world: World

    def dial(self) -> Dial:
        def dial(owner: LinkOwner) -> Deferred[ServerLink]:
            later: Deferred[Any] = deferLater(self.world.clock, 0)
            return later.addCallback(lambda _: self.world.server.dial(owner))

        return dial


class ExchangeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.target = FakeTarget(self.world.clock, FakeNetwork(), "ws://fake/v1", self.world)

    def run_probe(self, probe: Any) -> Deferred[Any]:
        running: Deferred[Any] = Deferred.fromCoroutine(probe(self.target))
        for _ in range(10):
            self.world.settle()
            self.world.clock.advance(1)
        return running

    def commands(self, kind: str) -> int:
        return [said["type"] for _, said in self.world.server.log].count(kind)

    def test_exchange(self) -> None:
        """Two clients meet, exchange messages, close happily and leave nothing on the server."""
        self.assertIsNone(self.successResultOf(self.run_probe(exchange_messages)))
        server = self.world.server
        self.assertEqual(list(server.moods.values()), ["happy", "happy"])
        self.assertEqual((server.nameplates, server.mailboxes, server.links), ({}, {}, []))
        self.assertEqual(self.commands("bind"), 2)

    def test_reconnect(self) -> None:
        """One client connects again, and the exchange is the same."""
        self.assertIsNone(self.successResultOf(self.run_probe(reconnect_in_exchange)))
        self.assertEqual(self.commands("bind"), 3)
        self.assertEqual(list(self.world.server.moods.values()), ["happy", "happy"])

    def test_corrupted(self) -> None:
        """A server that changes messages is found out, and both clients close."""

        def corrupt(said: Said) -> list[Said]:
            if said["type"] == "message" and said["phase"] == "version":
                said = {**said, "body": "00" * 40}
            return [said]

        self.world.server.twist = corrupt
        self.failureResultOf(self.run_probe(exchange_messages), WormholeError)
        self.assertEqual(self.world.server.links, [])

    def test_stuck(self) -> None:
        """A server that no longer answers when the clients close is not waited for long."""

        def forget(said: Said) -> list[Said]:
            return [] if said["type"] == "closed" else [said]

        self.world.server.twist = forget
        running: Deferred[Any] = Deferred.fromCoroutine(exchange_messages(self.target))
        self.world.settle()
        self.assertNoResult(running)
        self.world.wait(CLOSE_SECONDS)
        self.successResultOf(running)
        self.assertEqual(self.world.server.links, [])

    def test_unreachable(self) -> None:
        """A server that cannot be reached fails the probe."""
        self.world.server.up = False
        self.failureResultOf(self.run_probe(exchange_messages), ServerConnectionError)


class IdleClientTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.target = FakeTarget(self.world.clock, FakeNetwork(), "ws://fake/v1", self.world)

    def test_idle(self) -> None:
        """An idle client reads the welcome, and sends nothing that needs a nameplate."""
        client = IdleClient(self.target)
        connected = Deferred.fromCoroutine(client.connect())
        self.world.settle()
        self.successResultOf(connected)
        self.assertEqual([said["type"] for _, said in self.world.server.log], ["bind"])
        self.assertFalse(client.lost)
        closed = client.close()
        self.world.settle()
        self.successResultOf(closed)
        self.assertEqual(self.world.server.links, [])

    def test_lost(self) -> None:
        """A client that had to connect again has lost its connection."""
        client = IdleClient(self.target)
        self.world.settle()
        self.world.server.cut()
        self.world.wait()
        self.assertTrue(client.lost)
        client.close()
        self.world.settle()
