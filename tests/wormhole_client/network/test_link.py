"""Tests of the link to a rendezvous server, over a network in memory."""

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, text_frame, upgrade
from wormhole_client.network.link import server_dial


class Owner:
    """Records what happens on a link."""

    def __init__(self) -> None:
        self.events: list[bytes | str] = []

    def received(self, text: bytes) -> None:
        self.events.append(text)

    def lost(self) -> None:
        self.events.append("lost")


class DialTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork()
        self.owner = Owner()
        self.dial = server_dial(Clock(), self.network, "ws://host:4000/v1")

    def test_messages(self) -> None:
        """Messages go both ways as text; those that come with the handshake are not lost."""
        linked = self.dial(self.owner)
        self.assertNoResult(linked)
        transport = upgrade(self.network.dialed[0], b"welcome")
        link = self.successResultOf(linked)
        self.network.dialed[0].protocol.dataReceived(text_frame(b"ack"))
        self.assertEqual(self.owner.events, [b"welcome", b"ack"])
        link.send(b"{}")
        self.assertEqual(transport.value()[:2], b"\x81\x82")

    def test_closed(self) -> None:
        """Closing begins the closing handshake; the owner is told when the connection has ended."""
        linked = self.dial(self.owner)
        transport = upgrade(self.network.dialed[0])
        self.successResultOf(linked).close()
        self.assertEqual(transport.value()[0] & 0x0F, 8)
        self.assertEqual(self.owner.events, [])
        self.network.dialed[0].protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.owner.events, ["lost"])

    def test_failed(self) -> None:
        """An owner is not told of a link that never was."""
        linked = self.dial(self.owner)
        self.network.dialed[0].result.errback(Refused())
        self.failureResultOf(linked, Refused)
        self.assertEqual(self.owner.events, [])

    def test_cancelled(self) -> None:
        """Cancelling gives up the attempt."""
        linked = self.dial(self.owner)
        linked.cancel()
        self.failureResultOf(linked, CancelledError)
        self.assertTrue(self.network.dialed[0].cancelled)

    def test_again(self) -> None:
        """Each call opens a connection of its own."""
        links: list[Any] = []
        for number in range(2):
            linked = self.dial(self.owner)
            upgrade(self.network.dialed[number])
            links.append(self.successResultOf(linked))
        self.assertIsNot(links[0].connection, links[1].connection)

    def test_not_a_url(self) -> None:
        """Another URL is refused at once."""
        self.assertRaises(ValueError, server_dial, Clock(), self.network, "http://host")
