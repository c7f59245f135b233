"""Tests of `wormhole_server.websocket_options`."""

from __future__ import annotations

from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.websocket_options import KNOWN_OPTIONS, ProtocolOption, parse_protocol_option


class ParseTests(SynchronousTestCase):
    def test_taken(self) -> None:
        """The value is JSON, whatever its type."""
        for text, option in (
            ("autoPingInterval=30", ProtocolOption("autoPingInterval", 30)),
            ("openHandshakeTimeout=2.5", ProtocolOption("openHandshakeTimeout", 2.5)),
            ("webStatus = false", ProtocolOption("webStatus", False)),
            ('allowedOrigins=["https://*"]', ProtocolOption("allowedOrigins", ["https://*"])),
            ("versions=[13]", ProtocolOption("versions", [13])),
        ):
            self.assertEqual(parse_protocol_option(text), option)

    def test_autobahn_agrees(self) -> None:
        """A real factory takes what is taken here."""
        factory = WebSocketServerFactory(reactor=Clock())
        option = parse_protocol_option("autoPingSize=20")
        factory.setProtocolOptions(**{option.name: option.value})
        self.assertEqual(factory.autoPingSize, 20)

    def test_refused(self) -> None:
        """Unknown options, broken JSON and values that Autobahn would stumble over are refused."""
        for text, why in (
            ("autoPingInterval", "is not OPTION=VALUE"),
            ("autoPingIntervall=5", "did you mean autoPingInterval"),
            ("zzz=5", "it has allowNullOrigin, "),
            ("perMessageCompressionAccept=1", "has no option"),
            ("self=1", "has no option"),
            ("autoPingInterval=often", '"often" is not JSON'),
            ('autoPingInterval="5"', "write a number, 0 or more"),
            ("maxMessagePayloadSize=-1", "write a number, 0 or more"),
            ("autoPingInterval=true", "write a number, 0 or more"),
            ("tcpNoDelay=1", "write true or false"),
            ('allowedOrigins="*"', "write a list"),
            ("flashSocketPolicy=1", "write a text"),
            ("versions=[9]", r"write something like \[8, 13\]"),
        ):
            with self.assertRaisesRegex(ValueError, why):
                parse_protocol_option(text)

    def test_not_a_text(self) -> None:
        """A table, which TOML may bring, is refused with an example."""
        with self.assertRaisesRegex(ValueError, "autoPingInterval=30"):
            parse_protocol_option({"autoPingInterval": 30})

    def test_text(self) -> None:
        """An option is written as it was read."""
        text = 'allowedOrigins=["https://*"]'
        self.assertEqual(str(parse_protocol_option(text)), text)

    def test_known(self) -> None:
        """Each option that is known has a default whose type can be told."""
        for name in KNOWN_OPTIONS:
            with self.assertRaisesRegex(ValueError, "Autobahn does not take {}"):
                parse_protocol_option(f"{name}={{}}")
