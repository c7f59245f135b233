"""Tests of `wormhole_server.pages.commands`."""

from __future__ import annotations

import shlex

from twisted.trial.unittest import SynchronousTestCase
from wormhole.cli.cli import wormhole as wormhole_command  # type: ignore[import-untyped]

from wormhole_server.pages.commands import clients
from wormhole_server.reach import Reach

BOTH = Reach("wss://w.example.org/v1", "tcp:w.example.org:4001")


class CommandTests(SynchronousTestCase):
    def test_all(self) -> None:
        """Every client is told of the rendezvous server, and all but one of the relay."""
        for client in clients(BOTH):
            for command in (client.send, client.receive):
                self.assertEqual(shlex.split(command)[0], client.name)
                self.assertIn("wss://w.example.org/v1", command)
                knows_relays = client.name != "wormhole-william"
                self.assertEqual("w.example.org:4001" in command, knows_relays)

    def test_python(self) -> None:
        """The real client understands what it is given."""
        client = clients(BOTH)[0]
        name, *arguments = shlex.split(client.send)
        with wormhole_command.make_context(name, arguments) as context:
            self.assertEqual(context.params["relay_url"], BOTH.relay_url)
            self.assertEqual(context.params["transit_helper"], BOTH.transit_helper)
        self.assertIn("WORMHOLE_RELAY_URL=wss://w.example.org/v1 ", client.once or "")
        self.assertIn("WORMHOLE_TRANSIT_HELPER=tcp:w.example.org:4001", client.once or "")

    def test_no_relay(self) -> None:
        """Where there is no relay, nobody is told of one."""
        for client in clients(Reach("ws://w:4000/v1", None)):
            self.assertNotIn("helper", f"{client.send}{client.receive}{client.once}".lower())
            self.assertNotIn("relay-server", f"{client.send}{client.receive}")

    def test_unreachable(self) -> None:
        """Without a rendezvous server there is nothing to tell."""
        self.assertEqual(clients(Reach(None, "tcp:w.example.org:4001")), [])
