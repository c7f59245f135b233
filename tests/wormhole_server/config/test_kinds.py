"""Tests of `wormhole_server.config.kinds`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config import kinds
from wormhole_server.config.groups.relay import TransitLink
from wormhole_server.config.kinds import ValueKind


class KindTests(SynchronousTestCase):
    def check(
        self, kind: ValueKind, taken: dict[object, object], refused: dict[object, str]
    ) -> None:
        """Check which values a kind accepts, and the messages for those that it refuses."""
        for raw, value in taken.items():
            self.assertEqual(kind.parse(raw), value)
        for raw, why in refused.items():
            with self.assertRaisesRegex(ValueError, why):
                kind.parse(raw)

    def test_text(self) -> None:
        """A text is any string; an empty one is no value."""
        self.check(
            kinds.TEXT,
            {"grüezi": "grüezi", "": None, "none": "none"},
            {5: "5 is not a string", "\udcff": "not valid UTF-8"},
        )

    def test_name(self) -> None:
        """A name is a text that is not empty."""
        self.check(
            kinds.NAME,
            {"grüezi": "grüezi"},
            {"": "is not a name", " ": "is not a name", 5: "string"},
        )

    def test_file(self) -> None:
        """A file has a name that the system accepts."""
        self.check(
            kinds.FILE,
            {"/etc/x.toml": "/etc/x.toml"},
            {"": "not a file name", "a\0": "not a file name"},
        )

    def test_switch(self) -> None:
        """A switch accepts the usual words for true and false."""
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
        """A size can have a minimum."""
        self.check(
            kinds.size(64 * 1024),
            {"64KiB": 65536, "1MiB": 1 << 20},
            {
                "4KiB": '"4KiB" is too small; write at least 64KiB',
                "0": "too small; write a size above 0",
                "x": "not a size",
            },
        )

    def test_choice(self) -> None:
        """A choice accepts the values of an enum, in any case, and shows them in lower case."""
        kind = kinds.choice("a kind of link", TransitLink)
        self.check(
            kind,
            {"auto": TransitLink.AUTO, " Splice ": TransitLink.SPLICE},
            {"fast": '"fast" is not a kind of link; write one of auto, splice', 1: "1 is not"},
        )
        self.assertEqual(kind.show(TransitLink.PRODUCER), "producer")

    def test_duration(self) -> None:
        """A duration is above 0."""
        self.check(
            kinds.DURATION, {"1h": 3600}, {0: "write a duration above 0", "x": "not a duration"}
        )

    def test_keepalive(self) -> None:
        """A time of keepalive has no fraction of a second, and is not longer than the kernel accepts."""
        self.check(
            kinds.KEEPALIVE,
            {"2m": 120, "32767s": 32767},
            {
                0.5: "whole number of seconds",
                0: "too short",
                "32768s": "longer than the 32767 seconds that the kernel accepts",
            },
        )

    def test_size(self) -> None:
        """A size is above 0."""
        refused = {0: "write a size above 0", "x": "not a size"}
        self.check(kinds.SIZE, {"4MiB": 4 << 20}, {**refused, "2TiB": "up to 1TiB"})
        self.check(
            kinds.OPTIONAL_TRAFFIC, {"20TiB": 20 << 40}, {**refused, "8193TiB": "up to 8192TiB"}
        )

    def test_number(self) -> None:
        """A number is whole and within its bounds."""
        self.check(
            kinds.number("a number of threads", 1, 64),
            {4: 4, "4": 4, " 64 ": 64},
            {
                0: "is not a number of threads between 1 and 64",
                65: "is not a number of threads between 1 and 64",
                "x": "is not a number of threads",
                True: "is not a number of threads",
                4.5: "is not a number of threads",
                "-1": "is not a number of threads",
                "9" * 400: "is not a number of threads",
            },
        )

    def test_log_level(self) -> None:
        """A log level is one of Twisted's."""
        self.check(
            kinds.LOG_LEVEL,
            {"warn": "warn", "DEBUG": "debug"},
            {"wran": "did you mean warn", "zzz": "write one of debug, info", 5: "not a log level"},
        )
        names = [constant.name for constant in LogLevel.iterconstants()]
        self.assertEqual(kinds.LOG_LEVEL.placeholder.split("|"), names)

    def test_public_url(self) -> None:
        """A public URL is a WebSocket URL with a path, without characters that a shell interprets."""
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

    def test_path_prefix(self) -> None:
        """A path prefix is a path of plain segments; a wrong one is not repeated."""
        self.check(
            kinds.PATH_PREFIX,
            {path: path for path in ("/aa09c3d1", "/a/b-_~.x", "/-")},
            dict.fromkeys(
                ("", "/", "secret", "/secret/", "//x", "/../x", "/a b", "/%41", "/a?", 5),
                "the value is not a path",
            ),
        )

    def test_public_transit(self) -> None:
        """A public relay is tcp:, a host and a port."""
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
        """A host is a name or an address, without scheme, port or path."""
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
        """An origin is what a browser sends, with wildcards."""
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
        st.sampled_from([each for each in vars(kinds).values() if isinstance(each, ValueKind)]),
        st.data(),
    )
    def test_anything(self, kind: ValueKind, data: st.DataObject) -> None:
        """Every kind accepts any TOML value, or refuses it with a message of one line."""
        leaf = st.text() | st.integers() | st.floats() | st.booleans() | st.dates()
        raw = data.draw(leaf | st.lists(leaf) | st.dictionaries(st.text(), leaf))
        try:
            kind.parse(raw)
        except ValueError as error:
            self.assertEqual(len(str(error).splitlines()), 1)
