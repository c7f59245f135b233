"""Tests of `wormhole_server.web.pages.client_commands`."""

from __future__ import annotations

import shlex

from twisted.trial.unittest import SynchronousTestCase
from wormhole._hints import parse_hint_argv  # type: ignore[import-untyped]
from wormhole.cli.cli import wormhole as wormhole_command  # type: ignore[import-untyped]

from wormhole_server.web.addresses import ServerAddresses
from wormhole_server.web.pages.client_commands import client_commands, page_url, send_command

BOTH = ServerAddresses("wss://w.example.org/v1", "tcp:w.example.org:4001")


class CommandTests(SynchronousTestCase):
    def test_all(self) -> None:
        """Every client is given the rendezvous server, and all but one are given the relay."""
        for client in client_commands(BOTH):
            for command in (client.send, client.receive):
                self.assertEqual(shlex.split(command)[0], client.name)
                self.assertIn("wss://w.example.org/v1", command)
                knows_relays = client.name != "wormhole-william"
                self.assertEqual("w.example.org:4001" in command, knows_relays)

    def test_python(self) -> None:
        """The real client understands what it is given."""
        client = client_commands(BOTH)[0]
        name, *arguments = shlex.split(client.send)
        with wormhole_command.make_context(name, arguments) as context:
            self.assertEqual(context.params["relay_url"], BOTH.relay_url)
            self.assertEqual(context.params["transit_helper"], BOTH.transit_helper)
        self.assertIn("WORMHOLE_RELAY_URL=wss://w.example.org/v1 ", client.once or "")
        self.assertIn("WORMHOLE_TRANSIT_HELPER=tcp:w.example.org:4001", client.once or "")

    def test_no_relay(self) -> None:
        """Where there is no relay, no client is given one."""
        for client in client_commands(ServerAddresses("ws://w:4000/v1", None)):
            self.assertNotIn("helper", f"{client.send}{client.receive}{client.once}".lower())
            self.assertNotIn("relay-server", f"{client.send}{client.receive}")

    def test_unreachable(self) -> None:
        """Without a rendezvous server there are no commands."""
        self.assertEqual(client_commands(ServerAddresses(None, "tcp:w.example.org:4001")), [])


class PageUrlTests(SynchronousTestCase):
    def test_page(self) -> None:
        """The page stands beside /v1, behind a path prefix too."""
        for relay_url, page in {
            "wss://w.example.org/v1": "https://w.example.org/",
            "ws://192.0.2.7:4000/secret/v1": "http://192.0.2.7:4000/secret/",
        }.items():
            self.assertEqual(page_url(ServerAddresses(relay_url, None)), page)
        self.assertIsNone(page_url(ServerAddresses(None, "tcp:w:4001")))


class SendCommandTests(SynchronousTestCase):
    def test_both(self) -> None:
        """The command names both servers."""
        self.assertEqual(
            send_command(ServerAddresses("ws://192.0.2.7:4000/v1", "tcp:192.0.2.7:4001")),
            "wormhole --relay-url=ws://192.0.2.7:4000/v1 "
            "--transit-helper=tcp:192.0.2.7:4001 send FILE",
        )

    def test_one(self) -> None:
        """For a server that cannot be reached the client has its default."""
        self.assertEqual(
            send_command(ServerAddresses("wss://w.example.org/v1", None)),
            "wormhole --relay-url=wss://w.example.org/v1 send FILE",
        )
        self.assertEqual(
            send_command(ServerAddresses(None, "tcp:192.0.2.7:4001")),
            "wormhole --transit-helper=tcp:192.0.2.7:4001 send FILE",
        )

    def test_ipv6(self) -> None:
        """The client reads an IPv6 address as it is written."""
        command = send_command(ServerAddresses(None, "tcp:[::1]:4001"))
        assert command is not None
        hint = parse_hint_argv(command.split("--transit-helper=")[1].split()[0])
        self.assertEqual((hint.hostname, hint.port), ("::1", 4001))

    def test_nothing(self) -> None:
        """Where nothing can be reached, there is no command."""
        self.assertIsNone(send_command(ServerAddresses(None, None)))
