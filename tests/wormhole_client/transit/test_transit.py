"""Tests of transit, over a network in memory: what is sent, what is tried, and when."""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, FakeTransport
from wormhole_client.keys import TransitKeys
from wormhole_client.transit.hints import RelayHint, TcpHint
from wormhole_client.transit.race import NoConnectionError
from wormhole_client.transit.transit import Transit, TransitError

KEY = bytes(range(32))
RELAY = RelayHint((TcpHint("relay", 4001),))


def direct(host: str) -> dict[str, Any]:
    return TcpHint(host, 1).to_json()


class TransitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.net = FakeNetwork()

    def transit(self, **options: Any) -> Transit:
        defaults: dict[str, Any] = {
            "sender": True,
            "relays": [RELAY],
            "listen": False,
            "addresses": lambda: ["192.0.2.7"],
        }
        return Transit(self.reactor, self.net, KEY, **{**defaults, **options})

    def hints(self, transit: Transit) -> list[dict[str, Any]]:
        return self.successResultOf(Deferred.fromCoroutine(transit.hints()))

    def test_hints(self) -> None:
        """An end that listens sends its relay, and every address with the port."""
        told = self.hints(self.transit(listen=True))
        self.assertEqual([hint["type"] for hint in told], ["relay-v1", "direct-tcp-v1"])
        self.assertEqual(told[1]["hostname"], "192.0.2.7")
        self.assertEqual(len(self.reactor.tcpServers), 1)

    def test_not_listening(self) -> None:
        """An end that does not listen sends its relay only; through Tor no end listens."""
        self.assertEqual([hint["type"] for hint in self.hints(self.transit())], ["relay-v1"])
        self.net.direct = False
        transit = self.transit(listen=True)
        self.assertEqual([hint["type"] for hint in self.hints(transit)], ["relay-v1"])
        self.assertEqual(self.reactor.tcpServers, [])
        self.assertIn({"type": "tor-tcp-v1"}, transit.abilities())

    def test_relay_later(self) -> None:
        """With direct ways, the relay is tried 2 s later; without, at once."""
        self.transit().connect([direct("a")])
        self.assertEqual(self.net.addresses(), [("a", 1)])
        self.reactor.advance(1.99)
        self.assertEqual(self.net.addresses(), [("a", 1)])
        self.reactor.advance(0.01)
        self.assertEqual(self.net.addresses(), [("a", 1), ("relay", 4001)])
        self.net.dialed.clear()
        self.transit().connect([])
        self.assertEqual(self.net.addresses(), [("relay", 4001)])

    def test_priorities(self) -> None:
        """Relays of a lower priority are tried 2 s after those before them; each only once."""
        lower = RelayHint((TcpHint("relay", 4001), TcpHint("lower", 1, -1.0)))
        self.transit().connect([lower.to_json()])
        self.assertEqual(self.net.addresses(), [("relay", 4001)])
        self.reactor.advance(2)
        self.assertEqual(self.net.addresses(), [("relay", 4001), ("lower", 1)])

    def test_winner(self) -> None:
        """The first pipe to pass wins; attempts and connections of the others are dropped."""
        keys = TransitKeys(KEY)
        result = self.transit().connect([direct("a"), direct("b"), direct("c")])
        first, second, third = self.net.dialed
        loser = first.succeed()
        loser.clear()
        winner = second.succeed()
        self.assertEqual(winner.value(), keys.handshake(sender=True))
        winner.clear()
        second.protocol.dataReceived(keys.handshake(sender=False))
        self.assertIs(self.successResultOf(result), second.protocol)
        self.assertEqual(winner.value(), b"go\n")
        self.assertEqual((loser.value(), loser.disconnecting), (b"nevermind\n", True))
        self.assertTrue(third.cancelled)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        first.protocol.dataReceived(keys.handshake(sender=False))
        self.assertNotIn(b"go\n", loser.value())

    def test_relay_request(self) -> None:
        """A relay is sent the token and a side; the handshake follows its ok."""
        keys = TransitKeys(KEY)
        self.transit().connect([])
        wire = self.net.dialed[0].succeed()
        token = keys.relay_token().encode()
        self.assertRegex(wire.value(), b"^please relay " + token + b" for side [0-9a-f]{16}\n$")
        wire.clear()
        self.net.dialed[0].protocol.dataReceived(b"ok\n")
        self.assertEqual(wire.value(), keys.handshake(sender=True))

    def test_accepted(self) -> None:
        """A peer that connects to us takes part in the race, and listening ends with it."""
        keys = TransitKeys(KEY)
        transit = self.transit(listen=True, relays=[])
        self.hints(transit)
        result = transit.connect([])
        factory: Any = self.reactor.tcpServers[0][1]
        pipe = factory.buildProtocol(None)
        pipe.makeConnection(FakeTransport())
        self.assertNoResult(result)
        pipe.dataReceived(keys.handshake(sender=False))
        self.assertIs(self.successResultOf(result), pipe)
        late = factory.buildProtocol(None)
        wire = FakeTransport()
        late.makeConnection(wire)
        late.dataReceived(keys.handshake(sender=False))
        self.assertNotIn(b"go\n", wire.value())

    def test_all_fail(self) -> None:
        """When every attempt fails, the error is the first failure, with its address."""
        result = self.transit().connect([direct("a")])
        self.net.dialed[0].result.errback(Refused())
        self.assertNoResult(result)
        self.reactor.advance(2)
        self.net.dialed[1].result.errback(ValueError("later"))
        error = self.failureResultOf(result, TransitError).value
        self.assertIn("tcp:a:1", str(error))

    def test_too_long(self) -> None:
        """An end that listens waits for the peer until the time limit."""
        transit = self.transit(listen=True, relays=[])
        self.hints(transit)
        result = transit.connect([])
        self.reactor.advance(59.9)
        self.assertNoResult(result)
        self.reactor.advance(0.1)
        self.failureResultOf(result, NoConnectionError)

    def test_cancelled(self) -> None:
        """Cancelling stops every attempt."""
        result = self.transit().connect([direct("a")])
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertTrue(self.net.dialed[0].cancelled)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_tor(self) -> None:
        """Through Tor, private addresses are not tried, but names, onions and public addresses."""
        self.net.direct = False
        onion = TcpHint("x.onion", 1, onion=True).to_json()
        said = [direct("10.0.0.1"), direct("127.0.0.1"), direct("8.8.8.8"), direct("name"), onion]
        self.transit(relays=[]).connect(said)
        self.assertEqual(self.net.addresses(), [("8.8.8.8", 1), ("name", 1), ("x.onion", 1)])

    def test_no_tor(self) -> None:
        """Without Tor, onions are not tried."""
        result = self.transit(relays=[]).connect([TcpHint("x.onion", 1, onion=True).to_json()])
        self.failureResultOf(result, NoConnectionError)
