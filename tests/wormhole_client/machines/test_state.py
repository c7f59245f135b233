"""Tests of the state of a wormhole, and of its text."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import new_state
from wormhole_client.errors import WormholeMood
from wormhole_client.machines.state import MailboxStage, NameplateStage, WormholeState

FORMAT_1 = """{"format":1,"memory":{"appid":"app","code":"4-a-b","exchange":"exchange","heard":3,
"mailbox":"mb","mailbox_stage":"closing","mood":"scary","nameplate":"4","nameplate_stage":"releasing",
"pending":{"0":"00ff","1":""},"relay_url":"ws://x/v1","said":2,"side":"side","unsaid":["AP8="],
"version_said":true,"versions":{"a":[1,null]}}}"""


class StateTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """Every field survives."""
        full = WormholeState(
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
            WormholeMood.SCARY,
            "exchange",
            True,
            2,
            [b"\x00\xff"],
            3,
            2,
        )
        self.assertEqual(WormholeState.load(full.dump()), full)
        self.assertEqual(list(WormholeState.load(full.dump()).pending), ["0", "1"])

    def test_format(self) -> None:
        """The text of format 1 has the names of its first version, so that old states can be resumed."""
        state = WormholeState.load(FORMAT_1)
        self.assertEqual(state.key_exchange, "exchange")
        self.assertTrue(state.version_sent)
        self.assertEqual((state.messages_sent, state.messages_delivered), (2, 3))
        self.assertEqual(state.unsent, [b"\x00\xff"])
        old, new = json.loads(FORMAT_1), json.loads(state.dump())
        self.assertEqual(new["memory"].pop("words_to_choose"), 0)  # was added later
        self.assertEqual(new, old)

    def test_not_shared(self) -> None:
        """Two wormholes share no list and no dictionary."""
        one, other = new_state(), new_state()
        one.unsent.append(b"a")
        one.pending["0"] = "00"
        self.assertEqual((other.unsent, other.pending), ([], {}))

    def test_refused(self) -> None:
        """Other texts are refused as what they are: no state of a wormhole."""
        older = json.dumps({"format": 0, "memory": {}})
        for text in ("", "{}", "[]", "\udc80", "[" * 100_000, '{"format":1,"memory":{}}', older):
            with self.subTest(text=text[:30]):
                error = self.assertRaises(ValueError, WormholeState.load, text)
                self.assertIn("not the state of a wormhole", str(error))

    def test_newer(self) -> None:
        """A state of a newer version is refused as that, whatever fields it has by then."""
        error = self.assertRaises(
            ValueError, WormholeState.load, '{"format": 2, "memory": {"code": ["4", "a", "b"]}}'
        )
        self.assertIn("newer version", str(error))
        self.assertIn("format 2", str(error))
