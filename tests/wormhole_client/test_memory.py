"""The journal: a memory as text, and back."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.support import memory
from wormhole_client.errors import Mood
from wormhole_client.memory import MailboxStage, Memory, NameplateStage


class MemoryTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """Every field survives."""
        full = Memory(
            "app",
            "ws://x/v1",
            "side",
            {"a": [1, None]},
            "4-a-b",
            "4",
            NameplateStage.RELEASING,
            "mb",
            MailboxStage.CLOSING,
            {"0": "00ff", "1": ""},
            Mood.SCARY,
            "exchange",
            True,
            2,
            [b"\x00\xff"],
            3,
        )
        self.assertEqual(Memory.load(full.dump()), full)
        self.assertEqual(list(Memory.load(full.dump()).pending), ["0", "1"])

    def test_refused(self) -> None:
        """Other texts, and those of another format, are refused."""
        newer = json.loads(memory().dump())
        newer["format"] = 2
        for text in ("", "{}", "[]", json.dumps(newer)):
            with self.subTest(text=text):
                self.assertRaises(ValueError, Memory.load, text)
