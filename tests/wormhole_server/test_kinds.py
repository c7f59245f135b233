"""Tests of `wormhole_server.kinds`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server import kinds
from wormhole_server.kinds import Kind
from wormhole_server.settings import TransitLink


class KindTests(SynchronousTestCase):
    def check(self, kind: Kind, taken: dict[object, object], refused: dict[object, str]) -> None:
        """`kind` reads what is taken, and refuses the rest with words that match."""
        for raw, value in taken.items():
            self.assertEqual(kind.parse(raw), value)
        for raw, why in refused.items():
            with self.assertRaisesRegex(ValueError, why):
                kind.parse(raw)

    def test_text(self) -> None:
        """Any text; an empty one is none."""
        self.check(
            kinds.TEXT,
            {"grüezi": "grüezi", "": None, "none": "none"},
            {5: "5 is not a text", "\udcff": "not UTF-8"},
        )

    def test_file(self) -> None:
        """A name that a file can have."""
        self.check(
            kinds.FILE, {"/etc/x.toml": "/etc/x.toml"}, {"": "not the name", "a\0": "not the name"}
        )

    def test_switch(self) -> None:
        """The usual words for yes and no."""
        self.check(
            kinds.SWITCH,
            {
                True: True,
                "yes": True,
                "ON": True,
                "1": True,
                "false": False,
                "no": False,
                "0": False,
            },
            {"maybe": "neither true nor false", 2: "neither true nor false"},
        )

    def test_least_size(self) -> None:
        """A size that is of use."""
        self.check(
            kinds.size(64 * 1024),
            {"64KiB": 65536, "1MiB": 1 << 20},
            {"4KiB": '"4KiB" is less than 64KiB', "0": "nothing through", "x": "not a size"},
        )

    def test_choice(self) -> None:
        """A word of a closed set, in whichever case; it is written back as it was read."""
        kind = kinds.choice("a kind of link", TransitLink)
        self.check(
            kind,
            {"auto": TransitLink.AUTO, " Splice ": TransitLink.SPLICE},
            {"fast": '"fast" is not a kind of link; write one of auto, splice', 1: "1 is not"},
        )
        self.assertEqual(kind.show(TransitLink.PRODUCER), "producer")

    def test_duration(self) -> None:
        """A time, and not none at all."""
        self.check(kinds.DURATION, {"1h": 3600}, {0: "no time at all", "x": "not a duration"})

    def test_whole_duration(self) -> None:
        """What the kernel counts has whole seconds."""
        self.check(
            kinds.WHOLE_DURATION, {"2m": 120}, {0.5: "whole number of seconds", 0: "no time"}
        )

    def test_size(self) -> None:
        """A size that lets something through."""
        self.check(kinds.SIZE, {"4MiB": 4 << 20}, {0: "let nothing through", "x": "not a size"})

    def test_number(self) -> None:
        """A whole number within its bounds."""
        self.check(
            kinds.number("a number of threads", 1, 64),
            {4: 4, "4": 4, " 64 ": 64},
            {
                0: "not between 1 and 64",
                65: "not between 1 and 64",
                "x": "is not a number of threads",
                True: "is not a number of threads",
                4.5: "is not a number of threads",
                "-1": "is not a number of threads",
                "9" * 400: "is not a number of threads",
            },
        )

    def test_log_level(self) -> None:
        """The levels of Twisted's logger."""
        self.check(
            kinds.LOG_LEVEL,
            {"warn": "warn", "DEBUG": "debug"},
            {"wran": "did you mean warn", "zzz": "write one of debug, info", 5: "not a log level"},
        )

    def test_public_url(self) -> None:
        """A WebSocket URL with a path, and with nothing in it that a shell would know."""
        self.check(
            kinds.PUBLIC_URL,
            {
                url: url
                for url in (
                    "wss://wormhole.example.org/v1",
                    "ws://192.0.2.1:4000/v1",
                    "wss://[2001:db8::1]:443/wormhole/v1",
                )
            },
            {
                "https://wormhole.example.org/v1": "such as wss://",
                "wss://wormhole.example.org": "not the URL of /v1",
                "wss://wormhole.example.org/": "not the URL of /v1",
                "wss://wormhole.example.org/v1;reboot": "not the URL of /v1",
                "wss://wormhole.example.org/v1?$(x)": "not the URL of /v1",
                "wss://a b/v1": "not the URL of /v1",
                5: "not the URL of /v1",
            },
        )

    def test_public_transit(self) -> None:
        """TCP, a host and a port."""
        self.check(
            kinds.PUBLIC_TRANSIT,
            {
                place: place
                for place in (
                    "tcp:relay.example.org:4001",
                    "tcp:[2001:db8::1]:1",
                    "tcp:192.0.2.1:9",
                )
            },
            {
                "relay.example.org:4001": "such as tcp:relay",
                "tcp:relay.example.org": "not the address of a relay",
                "tcp:relay.example.org:0": "not the address of a relay",
                "tcp:relay.example.org:99999": "not the address of a relay",
                "tcp:2001:db8::1:4001": "not the address of a relay",
                "tcp:[relay]:4001": "not the address of a relay",
                "wss://relay.example.org/transit": "not the address of a relay",
                5: "not the address of a relay",
            },
        )

    def test_host(self) -> None:
        """A name or an address, and nothing around it."""
        self.check(
            kinds.HOST,
            {
                "wormhole.example.org": "wormhole.example.org",
                "192.0.2.1": "192.0.2.1",
                "[2001:db8::1]": "2001:db8::1",
                "2001:db8::1": "2001:db8::1",
            },
            {
                "ws://example.org": "not a host name",
                "example.org:4000": "not a host name",
                "example.org/v1": "not a host name",
                "": "not a host name",
                "a b": "not a host name",
                5: "not a host name",
            },
        )

    def test_origin(self) -> None:
        """What a browser sends as its origin, with wildcards."""
        self.check(
            kinds.ORIGIN,
            {
                each: each
                for each in (
                    "*",
                    "null",
                    "https://example.org",
                    "https://*.example.org:*",
                    "*://localhost",
                )
            },
            {
                "example.org": "not an origin",
                "https://example.org/": "not an origin",
                "https://": "not an origin",
                "": "not an origin",
                5: "not an origin",
            },
        )

    @given(
        st.sampled_from([each for each in vars(kinds).values() if isinstance(each, Kind)]),
        st.data(),
    )
    def test_anything(self, kind: Kind, data: st.DataObject) -> None:
        """Whatever TOML can hold is a value or a ValueError on one line, for every kind."""
        leaf = st.text() | st.integers() | st.floats() | st.booleans() | st.dates()
        raw = data.draw(leaf | st.lists(leaf) | st.dictionaries(st.text(), leaf))
        try:
            kind.parse(raw)
        except ValueError as error:
            self.assertEqual(len(str(error).splitlines()), 1)
