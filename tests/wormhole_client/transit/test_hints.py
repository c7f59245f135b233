"""Tests of transit hints, and of relays on the command line."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.transit.hints import (
    MOST_HINTS,
    RelayHint,
    TcpHint,
    UrlHint,
    direct_addresses,
    parse_helper,
    parse_hints,
    relay_addresses,
)

DIRECT = {"type": "direct-tcp-v1", "hostname": "10.0.0.1", "port": 4000, "priority": 0.5}
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "hostname", "port", "priority", "hints", "url"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


class ParseTests(SynchronousTestCase):
    def test_known(self) -> None:
        """Each kind is understood, and says itself again."""
        said = [
            DIRECT,
            {**DIRECT, "type": "tor-tcp-v1"},
            {
                "type": "relay-v1",
                "hints": [
                    DIRECT,
                    {"type": "websocket-v1", "url": "wss://r/transit", "priority": 1.0},
                ],
            },
        ]
        hints = parse_hints(said)
        self.assertEqual(
            hints,
            (
                TcpHint("10.0.0.1", 4000, 0.5),
                TcpHint("10.0.0.1", 4000, 0.5, onion=True),
                RelayHint((TcpHint("10.0.0.1", 4000, 0.5), UrlHint("wss://r/transit", 1.0))),
            ),
        )
        self.assertEqual([hint.to_json() for hint in hints], said)

    def test_dropped(self) -> None:
        """What we do not know, or makes no sense, is dropped, and the rest kept."""
        for bad in (
            None,
            3,
            {},
            {"type": "carrier-pigeon-v1"},
            {**DIRECT, "port": 0},
            {**DIRECT, "port": 65536},
            {**DIRECT, "port": "4000"},
            {**DIRECT, "hostname": ""},
            {**DIRECT, "hostname": 4},
            {**DIRECT, "type": []},
            {**DIRECT, "type": {}},
            {"type": "relay-v1"},
            {"type": "relay-v1", "hints": "x"},
            {"type": "relay-v1", "hints": [{"type": "websocket-v1", "url": "http://x"}]},
            {"type": "websocket-v1", "url": "ws://not-a-relay"},
        ):
            with self.subTest(bad=bad):
                self.assertEqual(len(parse_hints([bad, DIRECT])), 1)
        self.assertEqual(parse_hints("nonsense"), ())

    def test_bounded(self) -> None:
        """A peer cannot make us connect to any number of places."""
        self.assertEqual(len(parse_hints([DIRECT] * 1000)), MOST_HINTS)

    @given(JSON)
    def test_anything(self, said: object) -> None:
        """Any JSON at all is hints, or none."""
        for hint in parse_hints(said):
            self.assertIn("type", hint.to_json())


class WaysTests(SynchronousTestCase):
    def test_order(self) -> None:
        """Each address is listed once, highest priority first, else in their order."""
        a, b, c = TcpHint("a", 1), TcpHint("b", 1, 2.0), TcpHint("c", 1)
        relay = RelayHint((a, UrlHint("ws://x", 1.0)))
        hints: list[TcpHint | RelayHint] = [a, relay, b, c, a, relay]
        self.assertEqual(direct_addresses(hints), [b, a, c])
        self.assertEqual(relay_addresses(hints), [UrlHint("ws://x", 1.0), a])


class HelperTests(SynchronousTestCase):
    def test_written(self) -> None:
        """A relay is written as tcp:HOST:PORT, also with IPv6, or as a URL."""
        for text, expected in (
            ("tcp:relay.example:4001", TcpHint("relay.example", 4001)),
            ("tcp:[::1]:4001", TcpHint("::1", 4001)),
            ("tcp:\\:\\:1:4001", TcpHint("::1", 4001)),
            ("wss://relay.example/transit", UrlHint("wss://relay.example/transit")),
        ):
            with self.subTest(text=text):
                self.assertEqual(parse_helper(text).hints, (expected,))

    def test_refused(self) -> None:
        """Any other text is refused, and the error says what is expected."""
        for text in (
            "",
            "relay",
            "tcp:relay",
            "tcp::4001",
            "tcp:relay:0",
            "tcp:r:99999",
            "udp:r:1",
            "tcp:r:٣",
        ):
            with self.subTest(text=text):
                with self.assertRaises(ValueError) as caught:
                    parse_helper(text)
                self.assertIn("tcp:HOST:PORT", str(caught.exception))

    def test_shown(self) -> None:
        """Shown as it is written."""
        self.assertEqual(str(TcpHint("::1", 1)), "tcp:[::1]:1")
        self.assertEqual(str(TcpHint("x", 1)), "tcp:x:1")
        self.assertEqual(str(UrlHint("ws://x")), "ws://x")
