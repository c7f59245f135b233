"""Tests of `rendezvous.protocol.replies`."""

from __future__ import annotations

import json

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.protocol import replies
from rendezvous.protocol.replies import StoredMessage

# What the Go client reads in one message.
GO_CLIENT_BYTES = 32 * 1024


class RepliesTests(SynchronousTestCase):
    """What the server says."""

    def test_replies(self) -> None:
        """Every reply has its type, its values and the time at which it leaves."""
        for said, expected in (
            (replies.allocated("7", 1.5), {"type": "allocated", "nameplate": "7"}),
            (replies.claimed("box", 1.5), {"type": "claimed", "mailbox": "box"}),
            (replies.released(1.5), {"type": "released"}),
            (replies.closed(1.5), {"type": "closed"}),
            (
                replies.welcome({"motd": "hello"}, 1.5),
                {"type": "welcome", "welcome": {"motd": "hello"}},
            ),
            (
                replies.nameplates(["1", "22"], 100, 1.5),
                {"type": "nameplates", "nameplates": [{"id": "1"}, {"id": "22"}]},
            ),
        ):
            self.assertEqual(json.loads(said), {**expected, "server_tx": 1.5})

    def test_message(self) -> None:
        """A stored message has its side, phase, body, the client's own id and two times."""
        stored = StoredMessage(3, "side", "0", "ab", '{"a":1}', 10.25)
        self.assertEqual(
            json.loads(replies.message(stored, 11.5)),
            {
                "type": "message",
                "side": "side",
                "phase": "0",
                "body": "ab",
                "id": {"a": 1},
                "server_rx": 10.25,
                "server_tx": 11.5,
            },
        )

    def test_short_orig_is_the_message(self) -> None:
        """A message of ordinary length comes back in the error as it was."""
        payload = b'{"type": "clam", "id": 1.50, "nameplate": ["7"]}'
        said = json.loads(replies.error("unknown type", payload, 1.5))
        self.assertEqual(
            said,
            {
                "type": "error",
                "error": "unknown type",
                "orig": json.loads(payload),
                "server_tx": 1.5,
            },
        )

    def test_long_orig_keeps_its_short_values(self) -> None:
        """Of a long message the short values come back whole and the long ones shortened."""
        payload = json.dumps({"type": "add", "phase": "0", "body": "f" * 100_000}).encode()
        orig = json.loads(replies.error("x", payload, 1.5))["orig"]
        self.assertEqual((orig["type"], orig["phase"]), ("add", "0"))
        self.assertTrue(orig["body"].endswith("…"))
        self.assertLess(len(orig["body"]), 300)

    def test_orig_of_what_is_no_message(self) -> None:
        """What is no object comes back as its beginning, in letters."""
        for payload, orig in (
            (b"", ""),
            (b"\xff{", "\ufffd{"),
            (b"[1]", "[1]"),
            (b"x" * 1000, "x" * 200 + "…"),
        ):
            self.assertEqual(json.loads(replies.error("x", payload, 1.0))["orig"], orig)

    def test_nameplates_stay_readable(self) -> None:
        """However many nameplates there are, the Go client can read the short list of the first."""
        for names in (["9" * 40] * 10_000, [str(n) for n in range(10_000)]):
            said = replies.nameplates(names, replies.MAX_SHORT_LIST_BYTES, 1e9)
            self.assertLess(len(said), GO_CLIENT_BYTES)
            self.assertGreater(len(said), GO_CLIENT_BYTES // 2)
            listed = [entry["id"] for entry in json.loads(said)["nameplates"]]
            self.assertEqual(listed, names[: len(listed)])

    def test_nameplates_to_the_byte(self) -> None:
        """The list holds as many nameplates as fit, and ends at the first that does not."""
        size = len('{"id":""},') + 40
        most = 1020 // size
        rest = 1020 - most * size
        self.assertGreater(rest, 10)
        for last, shown in (("9" * (rest - 10), True), ("9" * (rest - 9), False)):
            said = replies.nameplates([*["9" * 40] * most, last, "1"], 1020, 1.0)
            listed = [entry["id"] for entry in json.loads(said)["nameplates"]]
            self.assertEqual(listed, ["9" * 40] * most + [last] * shown)

    def test_orig_to_the_byte(self) -> None:
        """A message of 4 KiB comes back whole; of a longer one, 200 bytes of a value and 12 keys."""
        filler = "x" * (4096 - len('{"a":""}'))
        for text, whole in ((filler, True), (filler + "x", False)):
            payload = b'{"a":"%s"}' % text.encode()
            orig = json.loads(replies.error("x", payload, 1.0))["orig"]
            self.assertEqual(orig["a"] == text, whole)
        long = {"whole": "v" * 198, "cut": "v" * 199, "filler": filler}
        orig = json.loads(replies.error("x", json.dumps(long).encode(), 1.0))["orig"]
        self.assertEqual(orig["whole"], "v" * 198)
        self.assertEqual(orig["cut"], '"' + "v" * 199 + "…")
        self.assertEqual(orig["filler"], '"' + "x" * 199 + "…")
        many = {str(number): filler for number in range(13)}
        orig = json.loads(replies.error("x", json.dumps(many).encode(), 1.0))["orig"]
        self.assertEqual(list(orig), [str(number) for number in range(12)])

    def test_beginning_to_the_byte(self) -> None:
        """Of what is no object 200 bytes come back whole."""
        for size, cut in ((200, ""), (201, "…")):
            orig = json.loads(replies.error("x", b"x" * size, 1.0))["orig"]
            self.assertEqual(orig, "x" * 200 + cut)

    def test_equal_messages(self) -> None:
        """A message is the same whether it was read from the database or has just arrived."""
        stored = StoredMessage(3, "side", "0", "ab", "1", 10.25)
        self.assertEqual(stored, StoredMessage(3, "side", "0", "ab", "1", 10.25, arrived=5.0))
        self.assertNotEqual(stored, StoredMessage(4, "side", "0", "ab", "1", 10.25))

    def test_ack(self) -> None:
        """The acknowledgement holds the very JSON of the `id`, and null for one longer than any client's."""
        for text in (b"null", b'"abc"', b"1.50", b'"%s"' % (b"x" * 4094)):
            self.assertEqual(
                replies.ack(Raw(text), 1.5), b'{"type":"ack","id":%s,"server_tx":1.5}' % text
            )
        long = Raw(b'"%s"' % (b"x" * 4095))
        self.assertIn(b'"id":null,', replies.ack(long, 1.5))

    def test_pong(self) -> None:
        """A pong holds the very JSON of the ping."""
        self.assertEqual(
            replies.pong(Raw(b"1e999"), 2.0), b'{"type":"pong","pong":1e999,"server_tx":2.0}'
        )
