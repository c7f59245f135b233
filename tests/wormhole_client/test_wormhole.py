"""Tests of the wormhole's API: with a delegate, and what it refuses."""

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import World, new_state
from wormhole_client.delegate import Delegate
from wormhole_client.errors import WormholeError, WormholeMood
from wormhole_client.eventual import EventualQueue
from wormhole_client.machines.state import WormholeState
from wormhole_client.wormhole import DelegatedWormhole, begin, create, resume


@attrs.define
class Diary(Delegate):
    """A delegate that records its events."""

    told: list[tuple[str, Any]] = attrs.field(factory=list)

    def wormhole_got_welcome(self, welcome: dict[str, Any]) -> None:
        self.told.append(("welcome", welcome))

    def wormhole_got_code(self, code: str) -> None:
        self.told.append(("code", code))

    def wormhole_got_unverified_key(self, key: bytes) -> None:
        self.told.append(("key", len(key)))

    def wormhole_got_verifier(self, verifier: bytes) -> None:
        self.told.append(("verifier", len(verifier)))

    def wormhole_got_versions(self, versions: dict[str, Any]) -> None:
        self.told.append(("versions", versions))

    def wormhole_got_message(self, plaintext: bytes) -> None:
        self.told.append(("message", plaintext))

    def wormhole_failed(self, error: WormholeError) -> None:
        self.told.append(("failed", str(error)))

    def wormhole_closed(self, mood: WormholeMood | None) -> None:
        self.told.append(("closed", mood))


class DelegateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def delegated(self, start: WormholeState) -> tuple[DelegatedWormhole, Diary]:
        diary = Diary()
        boss, _ = begin(
            start,
            self.world.clock,
            delegate=diary,
            dial=self.world.server.dial,
            eventual=EventualQueue(self.world.clock),
        )
        return DelegatedWormhole(boss), diary

    def test_told(self) -> None:
        """A delegate is called for each event, in their order, and at the end with the mood."""
        ours, diary = self.delegated(new_state("ours"))
        ours.set_code("4-a-b")
        peer = self.world.wormhole("peer")
        peer.set_code("4-a-b")
        peer.send_message(b"hello")
        self.world.settle()
        ours.close()
        self.world.settle()
        expected = [
            ("code", "4-a-b"),
            ("welcome", {}),
            ("key", 32),
            ("verifier", 32),
            ("versions", {}),
            ("message", b"hello"),
            ("closed", WormholeMood.HAPPY),
        ]
        self.assertEqual(diary.told, expected)

    def test_failed(self) -> None:
        """A wormhole that fails reports its error, and then its end."""
        self.world.server.welcome = {"error": "go away"}
        _, diary = self.delegated(new_state())
        self.world.settle()
        self.assertEqual(diary.told[-2:], [("failed", "go away"), ("closed", WormholeMood.ERRORY)])

    def test_resumed(self) -> None:
        """A shutdown has no mood; messages that the delegate was given are not given again."""
        ours, diary = self.delegated(new_state("ours"))
        ours.set_code("4-a-b")
        peer = self.world.wormhole("peer")
        peer.set_code("4-a-b")
        peer.send_message(b"first")
        self.world.settle()
        ours.shutdown()
        self.world.settle()
        self.assertEqual(diary.told[-1], ("closed", None))
        peer.send_message(b"second")
        resumed, diary = self.delegated(WormholeState.load(ours.state()))
        self.world.settle()
        self.assertEqual(
            [what for what in diary.told if what[0] == "message"], [("message", b"second")]
        )
        resumed.close()


class ArgumentTests(SynchronousTestCase):
    def test_refused(self) -> None:
        """Another URL is refused before anything is connected."""
        for url in ("", "http://x/v1", "ws://", "ws://x:99999999/v1"):
            with self.subTest(url=url):
                self.assertRaises(ValueError, create, "app", url, None)

    def test_no_state(self) -> None:
        """A text that is not a state is refused."""
        self.assertRaises(ValueError, resume, "nonsense", None)

    def test_types(self) -> None:
        """What would fail later, out of the application's sight, is refused when it is given."""
        world = World()
        ours: Any = world.wormhole("ours")
        for message in ("text", None, bytearray(b"x"), ["a"]):
            with self.subTest(message=message):
                self.assertRaises(TypeError, ours.send_message, message)
        self.assertRaises(ValueError, ours.allocate_code, 0)
        url: Any = "ws://x/v1"
        self.assertRaises(TypeError, create, b"app", url, None)
        self.assertRaises(TypeError, create, "app", url, None, versions={"x": object()})
        ours.set_code("4-a-b")
        self.assertIsNone(ours.send_message(b"bytes"))


class AllocationTests(SynchronousTestCase):
    def test_journaled(self) -> None:
        """A wormhole that ends while it waits for its nameplate is resumed, and gets one."""
        world, journal = World(), list[str]()
        ours = world.wormhole("ours", journal=journal.append)
        failed = ours.get_code()
        ours.allocate_code(3)
        self.assertTrue(journal)
        ours.shutdown()  # before the answer comes
        world.settle()
        self.failureResultOf(failed)
        resumed = world.wormhole("ours", journal=journal.append, state=journal[-1])
        code = resumed.get_code()
        world.settle()
        self.assertEqual(len(self.successResultOf(code).split("-")), 4)
        resumed.close()
        world.settle()
