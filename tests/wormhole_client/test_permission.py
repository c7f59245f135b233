"""Tests of links that have the permission to use the server."""

import json
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeServer, SynchronousReactor
from wormhole_client.errors import ProtocolError
from wormhole_client.network.link import ServerLink
from wormhole_client.permission import WELCOME_SECONDS, permitted_dial
from wormhole_limits.stamps import StampRequirement

REQUIRED = {"hashcash": {"bits": 8, "resource": "res"}}
NOW = 1_795_703_415.0


class Owner:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def received(self, text: bytes) -> None:
        self.told.append(json.loads(text)["type"])

    def lost(self) -> None:
        self.told.append("lost")


class PermittedDialTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A server in memory, and one attempt to connect to it."""
        self.reactor = SynchronousReactor()
        self.server = FakeServer()
        self.server.twist = lambda said: [{**said, "server_tx": NOW}]
        self.owner = Owner()

    def dial(self, **welcome: Any) -> Deferred[ServerLink]:
        """Connect to a server with such a welcome, which has not arrived yet."""
        self.server.welcome = welcome
        return permitted_dial(self.reactor, self.server.dial)(self.owner)

    def commands(self) -> list[dict[str, Any]]:
        """What the server was sent."""
        return [said for _, said in self.server.log]

    def test_nothing_required(self) -> None:
        """The link is there once the welcome is, and its owner gets that, and all behind it, afterwards."""
        linked = self.dial(**{"permission-required": {"none": {}, "hashcash": {}}})
        self.assertNoResult(linked)
        self.server.deliver()
        link = self.successResultOf(linked)
        self.server.say(self.server.links[0], "pong", pong=1)
        self.server.deliver()
        self.assertEqual(self.owner.told, [])
        self.reactor.advance(0)
        self.assertEqual(self.owner.told, ["welcome", "pong"])
        self.assertEqual(self.commands(), [])
        link.send(b'{"type": "list"}')
        self.server.cut()
        self.assertEqual(self.owner.told, ["welcome", "pong", "lost"])

    def test_stamp(self) -> None:
        """A stamp that counts by the server's clock is the first thing that is sent."""
        linked = self.dial(**{"permission-required": REQUIRED})
        self.server.deliver()
        self.successResultOf(linked)
        (command,) = self.commands()
        self.assertEqual((command["type"], command["method"]), ("submit-permissions", "hashcash"))
        StampRequirement(8, "res").check(command["stamp"], NOW)

    def test_refused(self) -> None:
        """The owner, and not this, handles a welcome that refuses the client."""
        welcomes: tuple[dict[str, Any], ...] = (
            {"error": "closed", "permission-required": REQUIRED},
            {"permission-required": {"hashcash": {"bits": 99, "resource": "res"}}},
            {"permission-required": {"hashcash": {"bits": "8", "resource": "res"}}},
            {"permission-required": {"else": {}}},
        )
        for welcome in welcomes:
            linked = self.dial(**welcome)
            self.server.deliver()
            self.successResultOf(linked)
            self.assertEqual(self.commands(), [])

    def test_nonsense(self) -> None:
        """A first message that is no welcome is the owner's to handle as well."""
        self.server.twist = lambda said: [{"type": "pong"}]
        linked = self.dial()
        self.server.deliver()
        self.successResultOf(linked)
        self.reactor.advance(0)
        self.assertEqual(self.owner.told, ["pong"])

    def test_no_welcome(self) -> None:
        """A server that says nothing is left, and one that leaves is none."""
        silent = self.dial()
        self.reactor.advance(WELCOME_SECONDS)
        self.failureResultOf(silent, ProtocolError)
        self.assertEqual(self.server.links, [])
        gone = self.dial()
        self.server.cut()
        self.failureResultOf(gone, ProtocolError)
        self.reactor.advance(0)
        self.assertEqual(self.owner.told, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_lost_meanwhile(self) -> None:
        """The end of a link that comes before its owner has it is told behind the welcome."""
        linked = self.dial()
        self.server.deliver()
        self.successResultOf(linked)
        self.server.cut()
        self.reactor.advance(0)
        self.assertEqual(self.owner.told, ["welcome", "lost"])

    def test_cancelled(self) -> None:
        """Cancelling closes the link, before the welcome and while the stamp is computed."""
        waiting = self.dial()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.server.links, [])
        self.patch(self.reactor, "callInThreadWithCallback", lambda *args: kept.append(args))
        kept: list[Any] = []
        computing = self.dial(**{"permission-required": REQUIRED})
        self.server.deliver()
        computing.cancel()
        ((on_result, call, *args),) = kept
        on_result(True, call(*args))
        self.failureResultOf(computing, CancelledError)
        self.assertEqual((self.server.links, self.commands()), ([], []))

    def test_dial_fails(self) -> None:
        """A failure to connect is passed on."""
        self.server.up = False
        self.failureResultOf(self.dial(), ConnectionRefusedError)
