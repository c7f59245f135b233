"""Tests of the messages of a file transfer."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.errors import ProtocolError
from wormhole_client.transfers import messages

FILE: dict[str, object] = {"file": {"filename": "x", "filesize": 3}}
SAID = {
    "mode": "zipfile/deflated",
    "dirname": "d",
    "zipsize": 1,
    "numbytes": 2,
    "numfiles": 3,
}
DIRECTORY: dict[str, object] = {"directory": SAID}


def parse(said: object) -> list[messages.TransferMessage]:
    return messages.parse_message(json.dumps(said).encode())


class ParseTests(SynchronousTestCase):
    def test_offers(self) -> None:
        """Each kind of offer is understood, and says itself again."""
        cases: list[tuple[dict[str, object], messages.Offer]] = [
            ({"message": "hi"}, messages.TextOffer("hi")),
            (FILE, messages.FileOffer("x", 3)),
            (DIRECTORY, messages.DirectoryOffer("d", 1, 2, 3)),
        ]
        for said, expected in cases:
            with self.subTest(said=said):
                self.assertEqual(parse({"offer": said}), [messages.OfferMessage(expected)])
                self.assertEqual(expected.to_json(), said)
                again = messages.parse_message(messages.encode_offer(expected))
                self.assertEqual(again, [messages.OfferMessage(expected)])
                self.assertEqual(
                    messages.parse_message(messages.encode_answer(expected)),
                    [messages.AnswerMessage()],
                )

    def test_others(self) -> None:
        """Transit, answers and errors are parsed, also several in one message; unknown keys are ignored."""
        self.assertEqual(parse({"weather": "sunny"}), [])
        self.assertEqual(
            messages.parse_message(messages.encode_abort("no")), [messages.AbortMessage("no")]
        )
        self.assertEqual(
            messages.parse_message(messages.encode_transit([], [1])), [messages.TransitMessage([1])]
        )
        self.assertEqual(
            parse({"answer": {"file_ack": "ok"}, "transit": {"hints-v1": []}, "x": 1}),
            [messages.TransitMessage([]), messages.AnswerMessage()],
        )

    def test_refused(self) -> None:
        """What makes no sense is refused."""
        cases: list[object] = [
            3,
            [],
            {"offer": {}},
            {"offer": {"file": {"filename": "x"}}},
            {"offer": {"file": {"filename": "x", "filesize": -1}}},
            {"offer": {"directory": {**SAID, "mode": "tar"}}},
            {"offer": {"directory": {**SAID, "zipsize": -1}}},
            {"answer": {}},
            {"answer": {"file_ack": "perhaps"}},
            {"transit": 3},
            {"error": 3},
        ]
        for said in cases:
            with self.subTest(said=said):
                self.assertRaises(ProtocolError, parse, said)

    @given(st.binary())
    def test_any_bytes(self, plaintext: bytes) -> None:
        """Any bytes are a message or refused."""
        try:
            messages.parse_message(plaintext)
        except ProtocolError:
            return


class AcknowledgementTests(SynchronousTestCase):
    def test_good(self) -> None:
        """A hash that agrees, or none at all, is a yes."""
        messages.check_acknowledgement(messages.encode_acknowledgement("ab"), "ab")
        messages.check_acknowledgement(b'{"ack": "ok"}', "ab")

    def test_bad(self) -> None:
        """Another hash, another answer, or nonsense is not."""
        for record in (messages.encode_acknowledgement("cd"), b'{"ack": "no"}', b"", b"{}", b"[]"):
            with self.subTest(record=record):
                self.assertRaises(ProtocolError, messages.check_acknowledgement, record, "ab")
