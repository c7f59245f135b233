"""Tests of the Receive machine: messages are decrypted and delivered in order, once."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import new_state
from wormhole_client.errors import ProtocolError, WormholeError
from wormhole_client.keys import encrypt, phase_key
from wormhole_client.machines.order import HELD_MESSAGES
from wormhole_client.machines.receive import (
    ReceiveCore,
    ReceiveMachine,
    decode_versions,
    encode_versions,
    phase_number,
    receive_machine,
)

KEY = bytes(range(32))


class Heard:
    """A machine, and what came out of it."""

    def __init__(self, already: int = 0) -> None:
        self.state = new_state()
        self.state.messages_delivered = already
        self.verified: list[bytes] = []
        self.versions: list[bytes] = []
        self.messages: list[bytes] = []
        self.scares: list[WormholeError] = []
        owner: Any = SimpleNamespace(
            verified=self.verified.append,
            got_versions=self.versions.append,
            got_message=self.messages.append,
            scared=self.scares.append,
        )
        self.core = ReceiveCore(self.state, owner)
        self.machine: ReceiveMachine = receive_machine(self.core)

    def say(self, phase: str, plaintext: bytes, key: bytes = KEY, side: str = "s") -> None:
        self.machine.got_message("s", phase, encrypt(phase_key(key, side, phase), plaintext))


class ReceiveTests(SynchronousTestCase):
    def test_verified_once(self) -> None:
        """The first message that decrypts proves the peer, whichever it is."""
        heard = Heard()
        heard.machine.got_key(KEY)
        heard.machine.got_key(bytes(32))
        heard.say("0", b"a")
        heard.say("version", b"v")
        self.assertEqual(heard.verified, [KEY])
        self.assertEqual((heard.versions, heard.messages), ([b"v"], [b"a"]))

    def test_before_the_key(self) -> None:
        """Messages wait for the key."""
        heard = Heard()
        heard.say("version", b"v")
        heard.say("0", b"a")
        self.assertEqual(heard.messages, [])
        heard.machine.got_key(KEY)
        self.assertEqual((heard.versions, heard.messages), ([b"v"], [b"a"]))

    @given(st.permutations(range(6)), st.lists(st.integers(0, 5)))
    def test_any_order(self, order: list[int], repeated: list[int]) -> None:
        """In whatever order and however often they come, each is handed over once, in its place."""
        heard = Heard()
        heard.machine.got_key(KEY)
        for number in [*order, *repeated]:
            heard.say(str(number), b"%d" % number)
        self.assertEqual(heard.messages, [b"%d" % number for number in range(6)])

    def test_repeated_with_another_body(self) -> None:
        """A second message of the same phase is dropped without being looked at."""
        heard = Heard()
        heard.machine.got_key(KEY)
        heard.say("1", b"b")
        heard.machine.got_message("s", "1", b"garbage")
        heard.say("0", b"a")
        self.assertEqual((heard.messages, heard.scares), ([b"a", b"b"], []))

    def test_wrong(self) -> None:
        """Another key, another side's key, or another phase's, is scary, and ends it."""
        for phase, key, side in (("0", bytes(32), "s"), ("0", KEY, "other"), ("1", KEY, "s")):
            with self.subTest(phase=phase, side=side):
                heard = Heard()
                heard.machine.got_key(KEY)
                body = encrypt(phase_key(key, side, phase), b"x")
                heard.machine.got_message("s", "0", body)
                self.assertEqual((len(heard.scares), heard.verified), (1, []))
                heard.say("1", b"later")
                heard.machine.got_key(KEY)
                heard.machine.failed()
                self.assertEqual((len(heard.scares), heard.messages), (1, []))

    def test_wrong_while_waiting(self) -> None:
        """Of several that waited for the key, the first wrong one ends it."""
        heard = Heard()
        heard.machine.got_message("s", "version", b"wrong")
        heard.machine.got_message("s", "0", b"wrong too")
        heard.machine.got_key(KEY)
        self.assertEqual(len(heard.scares), 1)

    def test_bounded(self) -> None:
        """A server cannot fill the memory with messages while the user types the code."""
        heard = Heard()
        for number in range(HELD_MESSAGES + 5):
            heard.machine.got_message("s", str(number), b"x")
        heard.say("version", b"v")
        self.assertEqual(len(heard.core.held), HELD_MESSAGES)

    def test_failed_before_the_key(self) -> None:
        """What fails elsewhere ends it too."""
        heard = Heard()
        heard.machine.failed()
        heard.machine.got_key(KEY)
        heard.say("0", b"a")
        self.assertEqual(heard.messages, [])

    def test_unknown_phases(self) -> None:
        """Phases that we do not know are not looked at."""
        heard = Heard()
        heard.machine.got_key(KEY)
        for phase in ("dilate-0", "", "٣", "-1", "1" * 11, "pake"):
            heard.machine.got_message("s", phase, b"garbage")
        self.assertEqual((heard.scares, heard.verified), ([], []))

    def test_resumed(self) -> None:
        """What the application was given before is not given again."""
        heard = Heard(already=2)
        heard.machine.got_key(KEY)
        for number in range(4):
            heard.say(str(number), b"%d" % number)
        self.assertEqual(heard.messages, [b"2", b"3"])

    def test_phase_number(self) -> None:
        """Only plain digits are numbers."""
        self.assertEqual(phase_number("12"), 12)
        self.assertIsNone(phase_number("1.5"))

    def test_versions(self) -> None:
        """Versions are an object within an object; other keys are ignored."""
        self.assertEqual(decode_versions(encode_versions({"a": [1]})), {"a": [1]})
        self.assertEqual(decode_versions(b'{"abilities": []}'), {})
        for plaintext in (b"", b"[]", b'{"app_versions": 3}', b"\xff"):
            with self.subTest(plaintext=plaintext):
                self.assertRaises(ProtocolError, decode_versions, plaintext)
