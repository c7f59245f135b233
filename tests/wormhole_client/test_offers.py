"""What two file transfers say to each other."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client import offers
from wormhole_client.errors import ProtocolError

FILE: dict[str, object] = {"file": {"filename": "x", "filesize": 3}}
SAID = {
    "mode": "zipfile/deflated",
    "dirname": "d",
    "zipsize": 1,
    "numbytes": 2,
    "numfiles": 3,
}
DIRECTORY: dict[str, object] = {"directory": SAID}


def parse(said: object) -> list[offers.Said]:
    return offers.parse(json.dumps(said).encode())


class ParseTests(SynchronousTestCase):
    def test_offers(self) -> None:
        """Each kind of offer is understood, and says itself again."""
        cases: list[tuple[dict[str, object], offers.Offer]] = [
            ({"message": "hi"}, offers.Text("hi")),
            (FILE, offers.File("x", 3)),
            (DIRECTORY, offers.Directory("d", 1, 2, 3)),
        ]
        for said, expected in cases:
            with self.subTest(said=said):
                self.assertEqual(parse({"offer": said}), [offers.Offered(expected)])
                self.assertEqual(expected.to_json(), said)
                again = offers.parse(offers.offered(expected))
                self.assertEqual(again, [offers.Offered(expected)])
                self.assertEqual(offers.parse(offers.accepted(expected)), [offers.Accepted()])

    def test_others(self) -> None:
        """Transit, answers and errors, also several at once; unknown keys say nothing."""
        self.assertEqual(parse({"weather": "sunny"}), [])
        self.assertEqual(offers.parse(offers.trouble("no")), [offers.Trouble("no")])
        self.assertEqual(offers.parse(offers.transit([], [1])), [offers.TransitSaid([1])])
        self.assertEqual(
            parse({"answer": {"file_ack": "ok"}, "transit": {"hints-v1": []}, "x": 1}),
            [offers.TransitSaid([]), offers.Accepted()],
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
            offers.parse(plaintext)
        except ProtocolError:
            return


class AcknowledgementTests(SynchronousTestCase):
    def test_good(self) -> None:
        """A hash that agrees, or none at all, is a yes."""
        offers.check_acknowledged(offers.acknowledged("ab"), "ab")
        offers.check_acknowledged(b'{"ack": "ok"}', "ab")

    def test_bad(self) -> None:
        """Another hash, another answer, or nonsense is not."""
        for record in (offers.acknowledged("cd"), b'{"ack": "no"}', b"", b"{}", b"[]"):
            with self.subTest(record=record):
                self.assertRaises(ProtocolError, offers.check_acknowledged, record, "ab")
