"""What the server may say, and what it may not."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client import wire
from wormhole_client.errors import ProtocolError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
TYPES = st.sampled_from(
    ["welcome", "ack", "nameplates", "allocated", "claimed", "released", "message", "closed"]
)


class DecodeTests(SynchronousTestCase):
    def test_every_type(self) -> None:
        """Each message of the protocol is understood, with keys that nobody knows in it."""
        cases: list[tuple[dict[str, object], object]] = [
            ({"type": "welcome", "welcome": {"motd": "hi"}}, wire.Welcome(welcome={"motd": "hi"})),
            ({"type": "ack", "id": None}, wire.Ack()),
            (
                {"type": "nameplates", "nameplates": [{"id": "4", "x": 1}]},
                wire.Nameplates(nameplates=[wire.NameplateEntry("4")]),
            ),
            ({"type": "allocated", "nameplate": "4"}, wire.Allocated(nameplate="4")),
            ({"type": "claimed", "mailbox": "mb"}, wire.Claimed(mailbox="mb")),
            ({"type": "released"}, wire.Released()),
            (
                {"type": "message", "side": "s", "phase": "0", "body": "00ff", "id": "x"},
                wire.Message(side="s", phase="0", body="00ff"),
            ),
            ({"type": "closed"}, wire.Closed()),
            ({"type": "pong", "pong": [1]}, wire.Pong(pong=[1])),
            (
                {"type": "error", "error": "crowded", "orig": {}},
                wire.Refused(error="crowded", orig={}),
            ),
        ]
        for said, expected in cases:
            with self.subTest(said=said):
                self.assertEqual(wire.decode(json.dumps({**said, "zz": 1}).encode()), expected)

    def test_unknown_type(self) -> None:
        """A type that this client does not know is no mistake."""
        self.assertIsNone(wire.decode(b'{"type": "weather", "sunny": true}'))

    def test_refused(self) -> None:
        """What is not JSON, not an object, or lacks a key is a mistake of the server."""
        nested = b'{"type": "welcome", "welcome": {"a": ' + b"[" * 100000 + b"]" * 100000 + b"}}"
        for said in (b"", b"{", b"[]", b'{"type": 3}', b'{"type": "claimed"}', b"\xff", nested):
            with self.subTest(said=said[:40]):
                self.assertRaises(ProtocolError, wire.decode, said)

    def test_body(self) -> None:
        """A body is hex."""
        message = wire.Message(side="s", phase="0", body="00fF")
        self.assertEqual(message.octets(), b"\x00\xff")
        self.assertRaises(ProtocolError, wire.Message(side="s", phase="0", body="0").octets)

    @given(st.dictionaries(st.text(max_size=10), JSON, max_size=4), TYPES | st.text())
    def test_any_object(self, said: dict[str, object], kind: str) -> None:
        """Any JSON object is a message, nothing, or a mistake of the server; never our crash."""
        try:
            wire.decode(json.dumps({**said, "type": kind}).encode())
        except ProtocolError:
            return

    @given(st.binary())
    def test_any_bytes(self, said: bytes) -> None:
        """So are any bytes."""
        try:
            wire.decode(said)
        except ProtocolError:
            return


class CommandTests(SynchronousTestCase):
    def test_command(self) -> None:
        """A command is a JSON object with its type."""
        self.assertEqual(
            json.loads(wire.command("claim", nameplate="4")), {"type": "claim", "nameplate": "4"}
        )
