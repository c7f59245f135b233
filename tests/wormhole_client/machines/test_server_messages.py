"""Tests of the messages of the rendezvous protocol."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.errors import ProtocolError
from wormhole_client.machines import server_messages as messages

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
        """Each message of the protocol is decoded, also with unknown keys."""
        cases: list[tuple[dict[str, object], object]] = [
            (
                {"type": "welcome", "welcome": {"motd": "hi"}},
                messages.WelcomeMessage(welcome={"motd": "hi"}),
            ),
            ({"type": "ack", "id": None}, messages.AckMessage()),
            (
                {"type": "nameplates", "nameplates": [{"id": "4", "x": 1}]},
                messages.NameplatesMessage(nameplates=[messages.NameplateEntry("4")]),
            ),
            ({"type": "allocated", "nameplate": "4"}, messages.AllocatedMessage(nameplate="4")),
            ({"type": "claimed", "mailbox": "mb"}, messages.ClaimedMessage(mailbox="mb")),
            ({"type": "released"}, messages.ReleasedMessage()),
            (
                {"type": "message", "side": "s", "phase": "0", "body": "00ff", "id": "x"},
                messages.MailboxMessage(side="s", phase="0", body="00ff"),
            ),
            ({"type": "closed"}, messages.ClosedMessage()),
            ({"type": "pong", "pong": [1]}, messages.PongMessage(pong=[1])),
            (
                {"type": "error", "error": "crowded", "orig": {}},
                messages.ErrorMessage(error="crowded", orig={}),
            ),
        ]
        for said, expected in cases:
            with self.subTest(said=said):
                self.assertEqual(
                    messages.decode_message(json.dumps({**said, "zz": 1}).encode()), expected
                )

    def test_unknown_type(self) -> None:
        """A type that this client does not know is no mistake."""
        self.assertIsNone(messages.decode_message(b'{"type": "weather", "sunny": true}'))

    def test_refused(self) -> None:
        """A text that is not JSON, not an object, or lacks a key is a protocol error."""
        nested = b'{"type": "welcome", "welcome": {"a": ' + b"[" * 100000 + b"]" * 100000 + b"}}"
        for said in (b"", b"{", b"[]", b'{"type": 3}', b'{"type": "claimed"}', b"\xff", nested):
            with self.subTest(said=said[:40]):
                self.assertRaises(ProtocolError, messages.decode_message, said)

    def test_body(self) -> None:
        """A body is hex."""
        message = messages.MailboxMessage(side="s", phase="0", body="00fF")
        self.assertEqual(message.octets(), b"\x00\xff")
        self.assertRaises(
            ProtocolError, messages.MailboxMessage(side="s", phase="0", body="0").octets
        )

    @given(st.dictionaries(st.text(max_size=10), JSON, max_size=4), TYPES | st.text())
    def test_any_object(self, said: dict[str, object], kind: str) -> None:
        """Any JSON is a message, an unknown type or a protocol error; no other exception is raised."""
        try:
            messages.decode_message(json.dumps({**said, "type": kind}).encode())
        except ProtocolError:
            return

    @given(st.binary())
    def test_any_bytes(self, said: bytes) -> None:
        """So are any bytes."""
        try:
            messages.decode_message(said)
        except ProtocolError:
            return


class CommandTests(SynchronousTestCase):
    def test_command(self) -> None:
        """A command is a JSON object with its type."""
        self.assertEqual(
            json.loads(messages.encode_command("claim", nameplate="4")),
            {"type": "claim", "nameplate": "4"},
        )
