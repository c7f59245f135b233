"""Tests of `wormhole_server.config.websocket_options`."""

from __future__ import annotations

from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.websocket_options import (
    ProtocolOption,
    known_options,
    parse_protocol_option,
)


class ParseTests(SynchronousTestCase):
    def test_taken(self) -> None:
        """The value is JSON of any type."""
        for text, option in (
            ("autoPingInterval=30", ProtocolOption("autoPingInterval", 30)),
            ("openHandshakeTimeout=2.5", ProtocolOption("openHandshakeTimeout", 2.5)),
            ("webStatus = false", ProtocolOption("webStatus", False)),
            ('allowedOrigins=["https://*"]', ProtocolOption("allowedOrigins", ["https://*"])),
            ("versions=[13]", ProtocolOption("versions", [13])),
        ):
            self.assertEqual(parse_protocol_option(text), option)

    def test_autobahn_agrees(self) -> None:
        """Autobahn accepts what is accepted here."""
        factory = WebSocketServerFactory(reactor=Clock())
        option = parse_protocol_option("autoPingSize=20")
        factory.setProtocolOptions(**{option.name: option.value})
        self.assertEqual(factory.autoPingSize, 20)

    def test_refused(self) -> None:
        """Unknown options, invalid JSON and values that Autobahn would fail with are refused."""
        for text, why in (
            ("autoPingInterval", "is not OPTION=VALUE"),
            ("autoPingIntervall=5", "did you mean autoPingInterval"),
            ("zzz=5", "write one of allowNullOrigin, "),
            ("perMessageCompressionAccept=1", "has no option"),
            ("failByDrop=true", "failByDrop has no effect: .*; remove the option"),
            ("utf8validateIncoming=false", "utf8validateIncoming has no effect"),
            ("self=1", "has no option"),
            ("autoPingInterval=often", '"often" is not JSON'),
            ('autoPingInterval="5"', "write a number, 0 or more"),
            ("maxMessagePayloadSize=-1", "write a number, 0 or more"),
            ("autoPingInterval=true", "write a number, 0 or more"),
            ("tcpNoDelay=1", "write true or false"),
            ('allowedOrigins="*"', "write a list"),
            ("flashSocketPolicy=1", "write a string"),
            ("versions=[9]", r"write something like \[8, 13\]"),
        ):
            with self.assertRaisesRegex(ValueError, why):
                parse_protocol_option(text)

    def test_not_a_text(self) -> None:
        """A table in TOML is refused with an example."""
        with self.assertRaisesRegex(ValueError, "autoPingInterval=30"):
            parse_protocol_option({"autoPingInterval": 30})

    def test_text(self) -> None:
        """An option is shown as it was given."""
        text = 'allowedOrigins=["https://*"]'
        self.assertEqual(str(parse_protocol_option(text)), text)

    def test_known(self) -> None:
        """Each known option has a default whose type decides what is accepted."""
        for name in known_options():
            with self.assertRaisesRegex(ValueError, "Autobahn refuses {}"):
                parse_protocol_option(f"{name}={{}}")
